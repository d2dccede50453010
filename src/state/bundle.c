#include "state/bundle_impl.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/io.h"

#define LEVEL 6
#define PIECE ((size_t)128 << 10)
#define SIZE_OCTAL ((uint64_t)1 << 33) /* the most that eleven octal digits say, and 1 */
#define RATIO_FREE ((uint64_t)64 << 20)

/* ---- headers ---- */

static void
octal(char *to, size_t digits, uint64_t v)
{
	for (to[digits] = 0; digits-- > 0; v >>= 3)
		to[digits] = (char)('0' + (v & 7));
}

/* At most 100 bytes of name; what is before a '/' may be 155 bytes of prefix. */
static bool
put_name(const char *name, char *out)
{
	size_t n = strlen(name);
	const char *slash;

	if (n <= 100) {
		memcpy(out, name, n);
		return true;
	}
	slash = strchr(name + (n - 101), '/');
	if (slash == NULL || slash == name || slash[1] == 0 || slash - name > 155)
		return false;
	memcpy(out, slash + 1, strlen(slash + 1));
	memcpy(out + 345, name, (size_t)(slash - name));
	return true;
}

vg_rc
vg_tar_head(const char *name, uint64_t size, char out[VG_TAR_BLOCK])
{
	unsigned sum = 0;

	memset(out, 0, VG_TAR_BLOCK);
	if (!put_name(name, out))
		return VG_E_LIMIT;
	octal(out + 100, 7, 0600);
	octal(out + 108, 7, 0);
	octal(out + 116, 7, 0);
	if (size < SIZE_OCTAL) {
		octal(out + 124, 11, size);
	} else { /* as GNU tar and libarchive write larger ones */
		out[124] = (char)0x80;
		for (int i = 0; i < 8; i++)
			out[135 - i] = (char)(size >> 8 * i);
	}
	octal(out + 136, 11, 0);
	memset(out + 148, ' ', 8);
	out[156] = '0';
	memcpy(out + 257, "ustar\00000", 8);
	for (size_t i = 0; i < VG_TAR_BLOCK; i++)
		sum += (unsigned char)out[i];
	octal(out + 148, 6, sum);
	return VG_OK;
}

/* ---- writing ---- */

struct writer {
	int fd;
	ZSTD_CCtx *z;
	EVP_MD_CTX *sum;
	char *out; /* owned */
	size_t cap;
};

static vg_rc
emit(struct writer *w, vg_str bytes, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = { bytes.p, bytes.n, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { w->out, w->cap, 0 };

		left = ZSTD_compressStream2(w->z, &out, &in, how);
		if (ZSTD_isError(left))
			return VG_E_NOMEM;
		if (out.pos && !EVP_DigestUpdate(w->sum, w->out, out.pos))
			return VG_E_NOMEM;
		if (out.pos && vg_write_all(w->fd, vg_str_mem(w->out, out.pos)) != VG_OK)
			return VG_E_SYS;
	} while (in.pos < in.size || (how == ZSTD_e_end && left));
	return VG_OK;
}

static vg_rc
emit_zeros(struct writer *w, size_t n)
{
	static const char zeros[2 * VG_TAR_BLOCK];

	return emit(w, vg_str_mem(zeros, n), ZSTD_e_continue);
}

/* A file that grew, shrank or changed since its row was made: VG_E_TRUNC. */
static vg_rc
emit_file(struct writer *w, int fd, const struct vg_member *m)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	char *piece = malloc(PIECE), head[VG_TAR_BLOCK];
	vg_rc rc = sum && piece && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) ? vg_tar_head(m->name, m->size, head) : VG_E_NOMEM;
	uint64_t done = 0;
	struct vg_hash h;

	if (rc == VG_OK)
		rc = emit(w, vg_str_mem(head, sizeof(head)), ZSTD_e_continue);
	while (rc == VG_OK) {
		ssize_t k = read(fd, piece, PIECE);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			rc = k < 0 ? VG_E_SYS : VG_OK;
			break;
		}
		done += (uint64_t)k;
		rc = done > m->size ? VG_E_TRUNC : !EVP_DigestUpdate(sum, piece, (size_t)k) ? VG_E_NOMEM : emit(w, vg_str_mem(piece, (size_t)k), ZSTD_e_continue);
	}
	if (rc == VG_OK && (done != m->size || !EVP_DigestFinal_ex(sum, h.b, NULL) || !vg_hash_eq(&h, &m->hash)))
		rc = VG_E_TRUNC;
	EVP_MD_CTX_free(sum);
	free(piece);
	return rc == VG_OK ? emit_zeros(w, vg_tar_padding(m->size)) : rc;
}

static vg_rc
emit_manifest(struct writer *w, const struct vg_manifest *m)
{
	struct vg_buf text = { 0 };
	char head[VG_TAR_BLOCK];
	vg_rc rc;

	vg_manifest_print(m, &text);
	if ((rc = text.rc) == VG_OK && text.n > VG_BUNDLE_MANIFEST_MAX)
		rc = VG_E_LIMIT;
	if (rc == VG_OK && (rc = vg_tar_head(VG_BUNDLE_MANIFEST, text.n, head)) == VG_OK && (rc = emit(w, vg_str_mem(head, sizeof(head)), ZSTD_e_continue)) == VG_OK &&
	    (rc = emit(w, vg_buf_str(&text), ZSTD_e_continue)) == VG_OK)
		rc = emit_zeros(w, vg_tar_padding(text.n));
	vg_buf_fini(&text);
	return rc;
}

vg_rc
vg_bundle_write(int fd, const struct vg_manifest *m, vg_bundle_open_fn *open, void *ctx, size_t *at, struct vg_hash *file)
{
	struct writer w = { .fd = fd, .z = ZSTD_createCCtx(), .sum = EVP_MD_CTX_new(), .cap = ZSTD_CStreamOutSize(), .out = malloc(ZSTD_CStreamOutSize()) };
	vg_rc rc = w.z && w.sum && w.out && EVP_DigestInit_ex(w.sum, EVP_sha256(), NULL) ? VG_OK : VG_E_NOMEM;
	int keep;

	if (rc == VG_OK) {
		(void)ZSTD_CCtx_setParameter(w.z, ZSTD_c_compressionLevel, LEVEL);
		(void)ZSTD_CCtx_setParameter(w.z, ZSTD_c_checksumFlag, 1);
		rc = emit_manifest(&w, m);
	}
	for (*at = 0; rc == VG_OK && *at < m->n; ++*at) {
		int member = -1;

		if ((rc = open(ctx, *at, &member)) == VG_OK) {
			rc = emit_file(&w, member, &m->member[*at]);
			keep = errno;
			close(member);
			errno = keep;
		}
		if (rc != VG_OK)
			break;
	}
	if (rc == VG_OK && (rc = emit_zeros(&w, 2 * VG_TAR_BLOCK)) == VG_OK && (rc = emit(&w, VG_NIL, ZSTD_e_end)) == VG_OK &&
	    !EVP_DigestFinal_ex(w.sum, file->b, NULL))
		rc = VG_E_NOMEM;
	keep = errno;
	ZSTD_freeCCtx(w.z);
	EVP_MD_CTX_free(w.sum);
	free(w.out);
	errno = keep;
	return rc;
}

/* ---- reading ---- */

struct reader {
	int fd;
	ZSTD_DCtx *z;
	EVP_MD_CTX *sum;
	char *in, *out; /* owned */
	size_t nin, at_in, cap_in, nout, at_out, cap_out;
	bool more;      /* there may be some that needs no more of the file */
	bool ended;     /* the frame is at its end */
	char *why;
};

static vg_rc
no(struct reader *r, vg_rc rc, const char *what, const char *name)
{
	snprintf(r->why, VG_BUNDLE_WHY, "%s%s", what, name);
	return rc;
}

/* More of the file.  VG_E_STOP: it is at its end. */
static vg_rc
fill(struct reader *r)
{
	ssize_t k;

	do
		k = read(r->fd, r->in, r->cap_in);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return no(r, VG_E_SYS, "it cannot be read: ", strerror(errno));
	r->at_in = 0;
	r->nin = (size_t)k;
	if (k == 0)
		return VG_E_STOP;
	return EVP_DigestUpdate(r->sum, r->in, r->nin) ? VG_OK : no(r, VG_E_NOMEM, "out of memory", "");
}

/* Something to take in r->out.  VG_E_STOP: the frame is at its end. */
static vg_rc
unpack(struct reader *r)
{
	while (r->at_out == r->nout) {
		ZSTD_inBuffer in = { r->in, r->nin, r->at_in };
		ZSTD_outBuffer out = { r->out, r->cap_out, 0 };
		size_t left;
		vg_rc rc;

		if (r->ended)
			return VG_E_STOP;
		if (r->at_in == r->nin && !r->more) {
			if ((rc = fill(r)) != VG_OK)
				return rc == VG_E_STOP ? no(r, VG_E_TRUNC, "it ends in the middle", "") : rc;
			continue;
		}
		left = ZSTD_decompressStream(r->z, &out, &in);
		if (ZSTD_isError(left))
			return no(r, VG_E_FORMAT, "it is no self-backup, or is damaged: ", ZSTD_getErrorName(left));
		r->at_in = in.pos;
		r->at_out = 0;
		r->nout = out.pos;
		r->more = out.pos == out.size;
		r->ended = left == 0;
	}
	return VG_OK;
}

/* The next @n bytes at most, at least one. */
static vg_rc
take_some(struct reader *r, uint64_t n, vg_str *out)
{
	vg_rc rc = unpack(r);

	if (rc == VG_E_STOP)
		return no(r, VG_E_TRUNC, "it ends in the middle", "");
	if (rc != VG_OK)
		return rc;
	*out = vg_str_cut(vg_str_mem(r->out + r->at_out, r->nout - r->at_out), n < SIZE_MAX ? (size_t)n : SIZE_MAX);
	r->at_out += out->n;
	return VG_OK;
}

static vg_rc
take_exact(struct reader *r, char *to, size_t n)
{
	vg_rc rc = VG_OK;
	vg_str s;

	for (size_t at = 0; at < n && rc == VG_OK; at += s.n)
		if ((rc = take_some(r, n - at, &s)) == VG_OK)
			memcpy(to + at, s.p, s.n);
	return rc;
}

static vg_rc
take_zeros(struct reader *r, size_t n)
{
	static const char zeros[2 * VG_TAR_BLOCK];
	char have[2 * VG_TAR_BLOCK];
	vg_rc rc = take_exact(r, have, n);

	return rc != VG_OK ? rc : memcmp(have, zeros, n) == 0 ? VG_OK : no(r, VG_E_FORMAT, "something stands between its members", "");
}

static vg_rc
take_manifest(struct reader *r, struct vg_manifest *out)
{
	char head[VG_TAR_BLOCK], again[VG_TAR_BLOCK];
	struct vg_buf text = { 0 };
	uint64_t size = 0, version = 0;
	vg_rc rc = take_exact(r, head, sizeof(head));

	for (int i = 124; i < 135 && rc == VG_OK; i++)
		size = size << 3 | (uint64_t)(head[i] & 7);
	if (rc == VG_OK && (vg_tar_head(VG_BUNDLE_MANIFEST, size, again) != VG_OK || memcmp(head, again, sizeof(head)) != 0))
		return no(r, VG_E_FORMAT, "it is no self-backup: it does not begin with a manifest", "");
	if (rc == VG_OK && size > VG_BUNDLE_MANIFEST_MAX)
		return no(r, VG_E_LIMIT, "its manifest is too large", "");
	if (rc == VG_OK && !vg_buf_reserve(&text, (size_t)size + 1))
		rc = no(r, VG_E_NOMEM, "out of memory", "");
	if (rc == VG_OK && (rc = take_exact(r, text.p, (size_t)size)) == VG_OK && (rc = take_zeros(r, vg_tar_padding(size))) == VG_OK) {
		text.n = (size_t)size;
		rc = vg_manifest_parse(vg_buf_str(&text), out, &version);
		if (rc == VG_E_UNSUP)
			snprintf(r->why, VG_BUNDLE_WHY, "it is a self-backup of version %llu, of a later Vigie; this one (" VIGIE_VERSION ") knows up to %d: install the one "
							"that wrote it, or a later one", (unsigned long long)version, VG_BUNDLE_VERSION);
		else if (rc != VG_OK)
			(void)no(r, rc, "its manifest is none: ", vg_rc_name(rc));
	}
	vg_buf_fini(&text);
	return rc;
}

/* What it would take on disk, beside what the file takes. */
static vg_rc
check_sizes(struct reader *r, const struct vg_manifest *m)
{
	uint64_t all = 0;
	struct stat st;

	if (fstat(r->fd, &st) < 0)
		return no(r, VG_E_SYS, "it cannot be read: ", strerror(errno));
	for (size_t i = 0; i < m->n; i++) {
		if (m->member[i].size > VG_BUNDLE_BYTES_MAX || (all += m->member[i].size) > VG_BUNDLE_BYTES_MAX)
			return no(r, VG_E_LIMIT, "it is too large, with ", m->member[i].name);
	}
	if (all > RATIO_FREE && (all - RATIO_FREE) / VG_BUNDLE_RATIO_MAX > (uint64_t)st.st_size)
		return no(r, VG_E_LIMIT, "it would unpack to far more than a self-backup can: a bomb", "");
	return VG_OK;
}

static vg_rc
take_member(struct reader *r, const struct vg_bundle_ops *ops, size_t i, const struct vg_member *m)
{
	char head[VG_TAR_BLOCK], want[VG_TAR_BLOCK];
	EVP_MD_CTX *sum;
	struct vg_hash h;
	uint64_t at = 0;
	vg_rc rc;

	if ((rc = vg_tar_head(m->name, m->size, want)) != VG_OK)
		return no(r, VG_E_FORMAT, "its manifest has a name that cannot be in it: ", m->name);
	if ((rc = take_exact(r, head, sizeof(head))) != VG_OK)
		return rc;
	if (memcmp(head, want, sizeof(head)) != 0)
		return no(r, VG_E_FORMAT, "what the manifest says does not follow: ", m->name);
	if ((sum = EVP_MD_CTX_new()) == NULL || !EVP_DigestInit_ex(sum, EVP_sha256(), NULL))
		rc = no(r, VG_E_NOMEM, "out of memory", "");
	if (rc == VG_OK && m->size == 0)
		rc = ops->bytes(ops->ctx, i, 0, VG_NIL);
	while (rc == VG_OK && at < m->size) {
		vg_str s;

		if ((rc = take_some(r, m->size - at, &s)) != VG_OK)
			break;
		if (!EVP_DigestUpdate(sum, s.p, s.n))
			rc = no(r, VG_E_NOMEM, "out of memory", "");
		else if ((rc = ops->bytes(ops->ctx, i, at, s)) == VG_E_SYS)
			(void)no(r, rc, "it cannot be unpacked: ", strerror(errno));
		at += s.n;
	}
	if (rc == VG_OK && (!EVP_DigestFinal_ex(sum, h.b, NULL) || !vg_hash_eq(&h, &m->hash)))
		rc = no(r, VG_E_FORMAT, "is not what the manifest says: ", m->name);
	EVP_MD_CTX_free(sum);
	return rc == VG_OK ? take_zeros(r, vg_tar_padding(m->size)) : rc;
}

static vg_rc
take_end(struct reader *r)
{
	vg_rc rc = take_zeros(r, 2 * VG_TAR_BLOCK);

	if (rc == VG_OK && (rc = unpack(r)) == VG_OK)
		return no(r, VG_E_FORMAT, "more follows than the manifest says", "");
	if (rc != VG_E_STOP)
		return rc;
	if (r->at_in < r->nin || (rc = fill(r)) == VG_OK)
		return no(r, VG_E_FORMAT, "something is behind its end", "");
	return rc == VG_E_STOP ? VG_OK : rc;
}

vg_rc
vg_bundle_read(int fd, const struct vg_bundle_ops *ops, struct vg_manifest *out, struct vg_hash *file, char why[VG_BUNDLE_WHY])
{
	struct reader r = { .fd = fd, .z = ZSTD_createDCtx(), .sum = EVP_MD_CTX_new(), .in = malloc(PIECE), .out = malloc(PIECE), .cap_in = PIECE, .cap_out = PIECE,
			    .why = why };
	vg_rc rc = VG_OK;
	int keep;

	why[0] = 0;
	*out = (struct vg_manifest){ .n = 0 };
	if (r.z == NULL || r.sum == NULL || r.in == NULL || r.out == NULL || !EVP_DigestInit_ex(r.sum, EVP_sha256(), NULL))
		rc = no(&r, VG_E_NOMEM, "out of memory", "");
	if (rc == VG_OK && (rc = take_manifest(&r, out)) == VG_OK && (rc = check_sizes(&r, out)) == VG_OK)
		rc = ops->begin(ops->ctx, out, why);
	for (size_t i = 0; rc == VG_OK && i < out->n; i++)
		rc = take_member(&r, ops, i, &out->member[i]);
	if (rc == VG_OK && (rc = take_end(&r)) == VG_OK && !EVP_DigestFinal_ex(r.sum, file->b, NULL))
		rc = no(&r, VG_E_NOMEM, "out of memory", "");
	if (rc != VG_OK && why[0] == 0)
		(void)no(&r, rc, vg_rc_name(rc), "");
	keep = errno;
	ZSTD_freeDCtx(r.z);
	EVP_MD_CTX_free(r.sum);
	free(r.in);
	free(r.out);
	errno = keep;
	return rc;
}
