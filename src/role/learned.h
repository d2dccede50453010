/* role/learned.h - the folder STATE/learned: what was read of the files of indicators, so that a file which turned bad goes on with what it said before.
 *
 *   HEX.read    of one file, HEX being the first bytes of its name's digest: how it was read last, and its entries when it was last good
 *   searched    which entries older records were looked through for, or are just being looked through for
 *   job         the entries of the search that is under way
 *   folder      where the files lie, for commands
 *
 * The role `learn` writes all but the last, which the parent writes.  Commands read the heads of the first.  Nothing in it is evidence: without it all
 * files are read again, and older records are looked through once more.  Little-endian; a string is u32 length and its bytes.
 *
 *   read        "VGREAD01", string name, u64 size, i64 changed_ns, u64 inode, i64 looked_ns, string refused, i64 loaded_ns, u64 taken, passed, unknown,
 *               bad, u32 entries of each kind, i64 first and last expiry, u16 problems, then u64 at, string text each; u64 entries, then
 *               u8 kind, i64 expiry, strings value, source, note each
 *   searched    "VGSRCH01", 16 bytes key of SipHash, u64 n, then u64 hash each, ascending
 *   job         "VGJOBS01", u64 number, u64 offset of a set (detect/indicator_blob.h), u32 pieces, then a string each: every record that meets the
 *               set has one of them in it (none: nothing is known) */
#ifndef VG_ROLE_LEARNED_H
#define VG_ROLE_LEARNED_H

#include "base/buf.h"
#include "base/cur.h"
#include "source/ioc.h"
#include "vault/disk.h"

#define VG_LEARNED_FOLDER "learned"
#define VG_LEARNED_SUFFIX ".read"
#define VG_LEARNED_WHERE "folder"
#define VG_LEARNED_FILES_MAX 1000                  /* files of indicators */
#define VG_LEARNED_FILE_MAX ((size_t)512 << 20)    /* bytes of one */
#define VG_LEARNED_READ_MAX ((size_t)1 << 30)      /* bytes of what was read of one */
#define VG_LEARNED_PROBLEMS_MAX 20                 /* told of one; all are counted */
#define VG_LEARNED_NAME_MAX 255
#define VG_LEARNED_WHY_MAX 240

struct vg_learned_version { /* of a file */
	uint64_t size, inode;
	int64_t changed_ns; /* its inode: also when its rights did */
};
static inline bool
vg_learned_version_eq(const struct vg_learned_version *a, const struct vg_learned_version *b)
{
	return a->size == b->size && a->inode == b->inode && a->changed_ns == b->changed_ns;
}
struct vg_learned_problem {
	uint64_t at; /* line, row or object; 0: of the whole file */
	vg_str text;
};
struct vg_learned {
	vg_str name;
	struct vg_learned_version version; /* that was looked at last */
	int64_t looked_ns;
	vg_str refused;    /* why that one is not used; empty: it is */
	int64_t loaded_ns; /* when the entries were read; VG_TIME_NONE: there are none, it was never good */
	struct vg_ioc_counts n;
	uint32_t kind[VG_IOC_KINDS];
	int64_t first_expiry_ns, last_expiry_ns; /* VG_TIME_NONE: no entry expires */
	struct vg_learned_problem problem[VG_LEARNED_PROBLEMS_MAX];
	size_t nproblem;
};
/* The name of what was read of the file @name. */
void vg_learned_name(vg_str name, char out[VG_DISK_NAME_MAX]);
/* All up to the entries.  The cursor is then at their number. */
void vg_learned_put(struct vg_buf *b, const struct vg_learned *l);
/* Borrows.  VG_E_FORMAT, VG_E_TRUNC, VG_E_LIMIT: it is none, or damaged. */
vg_rc vg_learned_take(struct vg_cur *c, struct vg_learned *out) VG_MUST;
/* The head of the file @name of the folder; what it borrows from lies in @buf. */
#define VG_LEARNED_HEAD_MAX ((size_t)64 << 10)
vg_rc vg_learned_head(struct vg_disk *d, const char *name, char buf[VG_LEARNED_HEAD_MAX], struct vg_learned *out) VG_MUST;
/* Entries that are in use. */
static inline uint64_t
vg_learned_entries(const struct vg_learned *l)
{
	uint64_t n = 0;

	for (size_t i = 0; i < VG_IOC_KINDS; i++)
		n += l->kind[i];
	return n;
}
void vg_learned_put_entry(struct vg_buf *b, const struct vg_ioc *i);
/* The value lies in @buf; source and note are borrowed.  VG_E_UNSUP: it is no value of its kind, and the next one may be; else as above. */
vg_rc vg_learned_take_entry(struct vg_cur *c, char buf[VG_IOC_BUF], struct vg_ioc *out) VG_MUST;

/* Read a file of indicators: its entries go to @entries (encoded, @n->taken of them), the rest to @l but for name, version and times.  What cannot
 * be used as a whole has l->refused; its text, and those of problems, lie in @texts. */
vg_rc vg_learned_read(vg_str text, struct vg_learned *l, struct vg_buf *entries, struct vg_buf *texts) VG_MUST;

struct vg_job {
	uint64_t number;
	vg_str set;     /* aligned to 8 when the job is */
	vg_str *piece;  /* owned */
	size_t npiece;
};
/* VG_E_FORMAT, VG_E_TRUNC, VG_E_LIMIT, VG_E_NOMEM. */
vg_rc vg_job_take(vg_str bytes, struct vg_job *out) VG_MUST;
/* The set begins where @b ends behind this: at a multiple of 8 if it was empty. */
void vg_job_put_head(struct vg_buf *b, uint64_t number, const vg_str *piece, size_t npiece);

#endif
