/* witness/pull.h - what a watch or a witness publishes, fetched with libcurl under limits: so many bytes, so long, http and https
 * only, no redirect, no proxy, no cookie.  What comes is hostile. */
#ifndef VG_WITNESS_PULL_H
#define VG_WITNESS_PULL_H

#include "base/buf.h"

#define VG_URL_MAX 512
#define VG_PULL_WHY 256

struct vg_pull_options {
	const char *token;  /* brought as Bearer; NULL: none */
	const char *tls_ca; /* file of the CA's certificates; NULL: what the system trusts */
	const char *pin;    /* SHA-256 over the server's public key (SubjectPublicKeyInfo), 64 hexadecimal digits: then that key counts, and no CA and
	                     * no name; NULL: none */
};
struct vg_pull;
/* VG_E_FORMAT: @pin is none.  VG_E_NOMEM. */
vg_rc vg_pull_new(const struct vg_pull_options *o, struct vg_pull **out) VG_MUST;
void vg_pull_free(struct vg_pull *p);
/* Is it "http://..." or "https://...", with a host, without a user, blanks, '?' or '#'? */
bool vg_is_url(const char *url);

/* Called with the bytes as they come.  Not VG_OK ends it, and is the answer. */
typedef vg_rc vg_pull_fn(void *ctx, vg_str bytes);
struct vg_pull_job {
	const char *base;      /* "https://watch.example:9443" */
	const char *path;      /* "/v1/acme/list" */
	uint64_t from, count;  /* bytes of a file, from there on; count 0: all of it */
	uint64_t limit;        /* more bytes than that are VG_E_LIMIT */
	unsigned seconds;      /* at most */
	vg_pull_fn *take;
	void *ctx;
};
/* VG_E_NOTFOUND: there is no such thing (404, and 416).  VG_E_REFUSED: it wants another token (401).  VG_E_SYS: nothing came, or not all of
 * it.  VG_E_LIMIT, or what @take said.  @why says it in one line. */
vg_rc vg_pull_run(struct vg_pull *p, const struct vg_pull_job *j, char why[VG_PULL_WHY]) VG_MUST;
/* All of something small into @out, which is emptied first. */
vg_rc vg_pull_text(struct vg_pull *p, const char *base, const char *path, size_t limit, struct vg_buf *out, char why[VG_PULL_WHY]) VG_MUST;

#endif
