/* state/bundle.h - the one file of `vigie self-backup`: what a watch knows that the evidence does not say.  A zstd frame of a POSIX ustar archive, so
 * that `tar --zstd -x` reads it everywhere; the first member is "manifest":
 *   vigie self-backup 1
 *   program VERSION         that wrote it
 *   node NAME               of the log
 *   made TIME               RFC 3339, seconds
 *   next N                  the source of every record before this number has its row in the catalogue
 *   left-out KEY            a setting that is a secret, each
 *   member SHA256 SIZE NAME each of the other members, names ascending, in the order in which they follow
 * Nothing else is in it, and there is one way to write it: a reader makes each header of the archive from the manifest, and compares.  So it holds no
 * link, no device, no path that leads out, whatever somebody put into the file. */
#ifndef VG_STATE_BUNDLE_H
#define VG_STATE_BUNDLE_H

#include "base/buf.h"
#include "vault/merkle.h"

#define VG_BUNDLE_VERSION 1
#define VG_BUNDLE_MANIFEST "manifest"
#define VG_BUNDLE_MANIFEST_MAX ((size_t)16 << 20) /* bytes */
#define VG_BUNDLE_MEMBERS_MAX 50000
#define VG_BUNDLE_LEFT_MAX 64
#define VG_BUNDLE_NAME_MAX 200
#define VG_BUNDLE_BYTES_MAX ((uint64_t)1 << 40) /* of all members */
#define VG_BUNDLE_RATIO_MAX 2000                /* bytes of members for one of the file, beyond the first 64 MiB: else it is a bomb */

struct vg_member {
	char name[VG_BUNDLE_NAME_MAX + 1]; /* relative, of folders and a file that are not . or .. */
	uint64_t size;
	struct vg_hash hash;
};
struct vg_manifest {
	char program[32], node[65];
	int64_t made_ns;
	uint64_t next;
	char left[VG_BUNDLE_LEFT_MAX][96];
	size_t nleft;
	struct vg_member *member; /* owned */
	size_t n, cap;
};
/* May a member be called so? */
bool vg_member_name_ok(vg_str name);
/* VG_E_LIMIT: there are too many; VG_E_FORMAT: it may not be called so; VG_E_NOMEM. */
vg_rc vg_manifest_add(struct vg_manifest *m, const struct vg_member *x) VG_MUST;
/* Put the members in order.  false: two have one name. */
bool vg_manifest_sort(struct vg_manifest *m);
void vg_manifest_print(const struct vg_manifest *m, struct vg_buf *out);
/* VG_E_UNSUP: of a later version; VG_E_FORMAT: it is none; VG_E_LIMIT, VG_E_NOMEM.  @version: what it says that it is, or 0. */
vg_rc vg_manifest_parse(vg_str text, struct vg_manifest *out, uint64_t *version) VG_MUST;
void vg_manifest_free(struct vg_manifest *m);

/* Write all of it to @fd.  The member @i is open on *fd when @open returned VG_OK; it is closed here.  VG_E_TRUNC: a member is not (any more) what the
 * manifest says, @at which.  @file: SHA-256 over what was written.  VG_E_SYS: errno. */
typedef vg_rc vg_bundle_open_fn(void *ctx, size_t i, int *fd);
vg_rc vg_bundle_write(int fd, const struct vg_manifest *m, vg_bundle_open_fn *open, void *ctx, size_t *at, struct vg_hash *file) VG_MUST;

#define VG_BUNDLE_WHY 400
struct vg_bundle_ops {
	/* The manifest is known, and nothing else.  Not VG_OK ends it; @why says why. */
	vg_rc (*begin)(void *ctx, const struct vg_manifest *m, char why[VG_BUNDLE_WHY]);
	/* The next bytes of member @i, from @at on; an empty one has one call without bytes. */
	vg_rc (*bytes)(void *ctx, size_t i, uint64_t at, vg_str bytes);
	void *ctx;
};
/* Read all of @fd, a plain file.  VG_OK: every member was given, and is what the manifest says; until then nothing that was given may be used.
 * VG_E_FORMAT, VG_E_TRUNC: it is no such file, or was changed.  VG_E_LIMIT: too large.  VG_E_UNSUP: of a later version.  VG_E_SYS: errno.  Each told in
 * @why.  @file: SHA-256 over all of it.  @out is the caller's to free, also on failure. */
vg_rc vg_bundle_read(int fd, const struct vg_bundle_ops *ops, struct vg_manifest *out, struct vg_hash *file, char why[VG_BUNDLE_WHY]) VG_MUST;

#endif
