/* vault/export_check.c - an export checked by what is in it, and by keys that the reader has from elsewhere. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault/disk.h"
#include "vault/export.h"

#define CHUNK 65536
#define MANIFEST_MAX ((size_t)64 << 10)
#define FILES_MAX 64

struct check {
	const struct vg_export_check *o;
	struct vg_export_checked *out;
	int dir;
	struct vg_disk d;
	struct vg_days days;
	bool signed_by_log;
	struct { /* of the manifest */
		char name[VG_DISK_NAME_MAX];
	} file[FILES_MAX];
	size_t nfile;
	struct vg_export_block *block; /* owned; ascending */
	size_t nblock, cap;
};

static void
tell(struct check *c, enum vg_grade grade, const char *file, uint64_t at, uint64_t until, const char *fmt, ...) VG_PRINTF(6, 7);
static void
tell(struct check *c, enum vg_grade grade, const char *file, uint64_t at, uint64_t until, const char *fmt, ...)
{
	char what[VG_VERIFY_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	c->out->damages += grade == VG_GRADE_DAMAGE;
	c->out->warnings += grade == VG_GRADE_WARNING;
	if (c->o->found)
		c->o->found(c->o->ctx, &(struct vg_finding){ .grade = grade, .file = file, .at = at, .until = until, .what = what });
}

vg_rc
vg_export_hash_file(int dir, const char *name, struct vg_hash *out)
{
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	vg_rc rc = m == NULL ? VG_E_NOMEM : fd < 0 ? (errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS) : VG_OK;
	char chunk[CHUNK];
	ssize_t n = 0;

	if (rc == VG_OK && !EVP_DigestInit_ex(m, EVP_sha256(), NULL))
		rc = VG_E_NOMEM;
	while (rc == VG_OK && (n = read(fd, chunk, sizeof(chunk))) > 0)
		if (!EVP_DigestUpdate(m, chunk, (size_t)n))
			rc = VG_E_NOMEM;
	if (rc == VG_OK && (n < 0 || !EVP_DigestFinal_ex(m, out->b, NULL)))
		rc = VG_E_SYS;
	EVP_MD_CTX_free(m);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- the manifest ---- */

static void
check_hash(struct check *c, vg_str hex, const char *name)
{
	struct vg_buf now = { 0 };
	struct vg_hash h;
	vg_rc rc = vg_export_hash_file(c->dir, name, &h);

	if (rc == VG_OK)
		vg_buf_hex(&now, h.b, sizeof(h.b), false);
	if (rc != VG_OK)
		tell(c, VG_GRADE_DAMAGE, name, 0, 0, "is %s", rc == VG_E_NOTFOUND ? "missing" : "not to be read");
	else if (!vg_str_eq(vg_buf_str(&now), hex))
		tell(c, VG_GRADE_DAMAGE, name, 0, 0, "is not what the manifest says");
	vg_buf_fini(&now);
}

static vg_rc
read_manifest(struct check *c)
{
	struct vg_buf b = { 0 };
	vg_str rest, line;
	vg_rc rc = vg_disk_slurp(&c->d, VG_EXPORT_MANIFEST, MANIFEST_MAX, &b);

	rest = vg_buf_str(&b);
	vg_hash_of(rest, &c->out->manifest);
	while (rc == VG_OK && rest.n) {
		uint64_t at = b.n - rest.n;
		vg_str name;

		if (vg_str_chr(rest, '\n') == VG_NPOS || !vg_str_split(&rest, '\n', &line) || line.n < 67 || !vg_str_starts(vg_str_skip(line, 64), VG_STR("  ")) ||
		    c->nfile == FILES_MAX || line.n - 66 >= VG_DISK_NAME_MAX || memchr(line.p, '/', line.n) || memchr(line.p, 0, line.n)) {
			tell(c, VG_GRADE_DAMAGE, VG_EXPORT_MANIFEST, at, b.n, "is no manifest as it was written");
			break;
		}
		name = vg_str_skip(line, 66);
		memcpy(c->file[c->nfile].name, name.p, name.n);
		c->file[c->nfile].name[name.n] = 0;
		check_hash(c, vg_str_cut(line, 64), c->file[c->nfile++].name);
	}
	vg_buf_fini(&b);
	return rc;
}

/* Without these nothing is proved. */
static void
check_needed(struct check *c)
{
	static const char *const needed[] = { VG_EXPORT_RECORDS, VG_EXPORT_INDEX, VG_EXPORT_BLOCKS, VG_EXPORT_NOTE, VG_EXPORT_KEY };

	for (size_t k = 0; k < VG_COUNT(needed); k++) {
		bool there = false;

		for (size_t i = 0; i < c->nfile; i++)
			there = there || strcmp(c->file[i].name, needed[k]) == 0;
		if (!there)
			tell(c, VG_GRADE_DAMAGE, needed[k], 0, 0, "is not in the manifest, and every export has it");
	}
}

/* A file that no line names was put there. */
static void
check_strangers(struct check *c)
{
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	while (list && (e = readdir(list)) != NULL) {
		bool known = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, VG_EXPORT_MANIFEST) == 0;

		for (size_t i = 0; i < c->nfile && !known; i++)
			known = strcmp(c->file[i].name, e->d_name) == 0;
		if (!known)
			tell(c, VG_GRADE_WARNING, e->d_name, 0, 0, "is not in the manifest: it was put there later");
	}
	if (list)
		closedir(list);
	else if (fd >= 0)
		close(fd);
}

/* ---- signatures ---- */

static bool
slurp(struct check *c, const char *name, size_t max, struct vg_buf *out)
{
	vg_buf_clear(out);
	return vg_disk_slurp(&c->d, name, max, out) == VG_OK; /* one that is missing is in the manifest, and was told */
}

static void
check_note(struct check *c)
{
	struct vg_buf b = { 0 };
	const struct vg_note_key *log = c->o->log_key ? c->o->log_key : &c->out->log_key;
	uint64_t bad = 0;
	vg_str text;
	bool days;

	if (!slurp(c, VG_EXPORT_KEY, 4096, &b) || b.n == 0 || b.p[b.n - 1] != '\n' || vg_note_key_parse(vg_str_cut(vg_buf_str(&b), b.n - 1), &c->out->log_key) != VG_OK)
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_KEY, 0, 0, "is no key");
	else if (c->o->log_key && memcmp(c->o->log_key, &c->out->log_key, sizeof(*log)) != 0)
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_KEY, 0, b.n, "is another key than the one given");
	days = slurp(c, VG_DAYS_FILE, VG_DAYS_BYTES_MAX, &b);
	if (days)
		(void)!vg_verify_days(vg_buf_str(&b), VG_DAYS_FILE, log, c->o->found, c->o->ctx, &c->days, &bad);
	c->out->damages += bad;
	if (!slurp(c, VG_EXPORT_NOTE, VG_NOTE_BYTES_MAX, &b) || vg_note_text(vg_buf_str(&b), &text) != VG_OK || vg_checkpoint_parse(text, &c->out->checkpoint) != VG_OK) {
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_NOTE, 0, b.n, "is no checkpoint");
	} else if (!vg_note_is_signed(vg_buf_str(&b), log)) {
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_NOTE, 0, b.n, "is not signed by the log's key");
	} else {
		c->signed_by_log = true;
		c->out->day_signed = days && vg_days_signer(&c->days, vg_buf_str(&b));
		if (days && !c->out->day_signed)
			tell(c, VG_GRADE_DAMAGE, VG_EXPORT_NOTE, 0, b.n, "is not signed by the key of a day that " VG_DAYS_FILE " certifies");
		c->out->cosigned = c->o->witness && vg_note_is_signed(vg_buf_str(&b), c->o->witness);
	}
	vg_buf_fini(&b);
}

static void
check_stamp(struct check *c)
{
	struct vg_buf file = { 0 }, line = { 0 };
	struct vg_export_grown g;
	struct vg_checkpoint *of = &c->out->stamp_of;
	const struct vg_note_key *log = c->o->log_key ? c->o->log_key : &c->out->log_key;
	char why[VG_STAMP_WHY];
	vg_str note, response, text;

	if (!slurp(c, VG_EXPORT_STAMP, (size_t)1 << 20, &file)) {
		vg_buf_fini(&file);
		return;
	}
	if (vg_stamp_take(vg_buf_str(&file), &note, &response) != VG_OK || vg_note_text(note, &text) != VG_OK || vg_checkpoint_parse(text, of) != VG_OK || !vg_note_is_signed(note, log))
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_STAMP, 0, file.n, "is no time stamp over a checkpoint of this log");
	else if (!slurp(c, VG_EXPORT_GROWN, VG_EXPORT_LINE_MAX, &line) || line.n == 0 || vg_export_grown_take(vg_str_cut(vg_buf_str(&line), line.n - 1), &g) != VG_OK || g.old != of->size ||
		 g.size != c->out->checkpoint.size || !vg_check_consistency(of->size, &of->root, g.size, &c->out->checkpoint.root, &g.proof))
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_GROWN, 0, line.n ? line.n : 1, "does not prove that the tree grew out of the one that was stamped");
	else if (c->o->tsa_ca.n && vg_stamp_verify(note, response, NULL, c->o->tsa_ca, &c->out->stamp, why) != VG_OK)
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_STAMP, 12 + note.n, file.n, "the time stamp does not count: %s", why);
	else
		c->out->stamped = c->o->tsa_ca.n != 0;
	vg_buf_fini(&file);
	vg_buf_fini(&line);
}

/* ---- rows ---- */

/* The lines of a file, without their new lines. */
struct lines {
	FILE *f;
	char line[VG_EXPORT_LINE_MAX + 1];
	uint64_t at, next;
	bool cut; /* the last one does not end */
};

static bool
lines_open(struct check *c, const char *name, struct lines *l)
{
	int fd = openat(c->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	l->f = fd >= 0 ? fdopen(fd, "r") : NULL;
	l->at = l->next = 0;
	if (fd >= 0 && l->f == NULL)
		close(fd);
	return l->f != NULL;
}

static bool
lines_next(struct lines *l, vg_str *out)
{
	size_t n = 0;
	int c;

	while (n < sizeof(l->line) && (c = getc_unlocked(l->f)) != EOF) {
		l->line[n++] = (char)c;
		if (c == '\n')
			break;
	}
	l->at = l->next;
	l->next += n;
	l->cut = n && l->line[n - 1] != '\n'; /* or it is too long */
	*out = vg_str_mem(l->line, n && !l->cut ? n - 1 : n);
	return n != 0;
}

static void
lines_close(struct lines *l)
{
	fclose(l->f);
}

static bool
keep_block(struct check *c, const struct vg_export_block *x)
{
	size_t cap = c->cap ? 2 * c->cap : 16;
	struct vg_export_block *p;

	if (c->nblock == c->cap) {
		if ((p = realloc(c->block, cap * sizeof(*p))) == NULL)
			return false;
		c->block = p;
		c->cap = cap;
	}
	c->block[c->nblock++] = *x;
	return true;
}

static vg_rc
check_blocks(struct check *c)
{
	struct lines l;
	vg_str line;
	vg_rc rc = VG_OK;

	if (!lines_open(c, VG_EXPORT_BLOCKS, &l))
		return VG_OK;
	while (rc == VG_OK && lines_next(&l, &line)) {
		struct vg_export_block x;
		struct vg_block_head h;
		struct vg_hash leaf;

		if (l.cut || vg_export_block_take(line, &x) != VG_OK || vg_block_head_take(vg_str_mem(x.head, sizeof(x.head)), &h) != VG_OK ||
		    (c->nblock && x.block <= c->block[c->nblock - 1].block)) {
			tell(c, VG_GRADE_DAMAGE, VG_EXPORT_BLOCKS, l.at, l.next, "this row is none");
			break;
		}
		vg_block_leaf(vg_str_mem(x.head, sizeof(x.head)), &leaf);
		if (!vg_check_inclusion(&leaf, x.block, c->out->checkpoint.size, &x.proof, &c->out->checkpoint.root))
			tell(c, VG_GRADE_DAMAGE, VG_EXPORT_BLOCKS, l.at, l.next, "block %llu does not stand under the root that was signed", (unsigned long long)x.block);
		rc = keep_block(c, &x) ? VG_OK : VG_E_NOMEM;
	}
	lines_close(&l);
	return rc;
}

static const struct vg_export_block *
find_block(const struct check *c, uint64_t number)
{
	size_t low = 0, high = c->nblock;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->block[mid].block == number)
			return &c->block[mid];
		if (c->block[mid].block < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* NULL: the record stood in its block. */
static const char *
wrong_record(const struct check *c, struct vg_export_row *x, uint64_t last_seq, struct vg_buf *bytes)
{
	const struct vg_export_block *b = find_block(c, x->block);
	struct vg_block_head h;
	struct vg_hash hash;

	vg_hash_of(x->r.raw, &hash);
	if (!vg_hash_eq(&hash, &x->sha256))
		return "its bytes have another SHA-256";
	if (b == NULL || vg_block_head_take(vg_str_mem(b->head, sizeof(b->head)), &h) != VG_OK)
		return "its block is not in " VG_EXPORT_BLOCKS;
	if (x->r.seq <= last_seq || x->r.seq < h.first_seq || x->r.seq > h.last_seq || x->r.recv_ns < h.first_ns || x->r.recv_ns > h.last_ns || x->leaf == 0)
		return "its number or time is not one of its block's";
	vg_buf_clear(bytes);
	vg_record_put(bytes, &x->r);
	vg_leaf_hash(vg_buf_str(bytes), &hash);
	return bytes->rc == VG_OK && vg_check_inclusion(&hash, x->leaf, (uint64_t)h.count + 1, &x->proof, &h.root) ? NULL : "it does not stand under the root of its block";
}

static vg_rc
check_records(struct check *c)
{
	struct vg_buf raw = { 0 }, bytes = { 0 };
	struct vg_file f = { .fd = -1 };
	uint64_t last_seq = 0, size = 0;
	struct lines l;
	vg_str line;
	vg_rc rc = VG_OK;

	if (vg_file_open(&c->d, VG_EXPORT_RECORDS, &f) != VG_OK || !lines_open(c, VG_EXPORT_INDEX, &l)) {
		vg_file_close(&f);
		return VG_OK;
	}
	while (lines_next(&l, &line)) {
		struct vg_export_row x;
		const char *wrong;

		if (l.cut || vg_export_row_take(line, &x) != VG_OK || x.at != c->out->bytes) {
			tell(c, VG_GRADE_DAMAGE, VG_EXPORT_INDEX, l.at, l.next, "this row is none");
			break;
		}
		vg_buf_clear(&raw);
		if (!vg_buf_reserve(&raw, x.bytes + 1) || vg_file_read(&f, raw.p, x.bytes, x.at) != VG_OK) {
			tell(c, VG_GRADE_DAMAGE, VG_EXPORT_RECORDS, x.at, x.at + x.bytes, "record %llu is cut off", (unsigned long long)x.r.seq);
			break;
		}
		x.r.raw = vg_str_mem(raw.p, x.bytes);
		if ((wrong = wrong_record(c, &x, last_seq, &bytes)) != NULL)
			tell(c, VG_GRADE_DAMAGE, VG_EXPORT_INDEX, l.at, l.next, "record %llu, bytes %llu to %llu of " VG_EXPORT_RECORDS ": %s", (unsigned long long)x.r.seq,
			     (unsigned long long)x.at, (unsigned long long)x.at + x.bytes, wrong);
		last_seq = x.r.seq;
		c->out->records++;
		c->out->bytes += x.bytes;
	}
	if (c->out->damages == 0 && vg_file_size(&f, &size) == VG_OK && size != c->out->bytes)
		tell(c, VG_GRADE_DAMAGE, VG_EXPORT_RECORDS, c->out->bytes, size, "there are bytes that no row of " VG_EXPORT_INDEX " tells");
	lines_close(&l);
	vg_file_close(&f);
	vg_buf_fini(&raw);
	vg_buf_fini(&bytes);
	return rc;
}

vg_rc
vg_export_verify(int dir, const struct vg_export_check *o, struct vg_export_checked *out)
{
	struct check c = { .o = o, .out = out, .dir = dir, .d = { .dir = dir, .read_only = true } };
	vg_rc rc;

	*out = (struct vg_export_checked){ .records = 0 };
	if ((rc = read_manifest(&c)) == VG_OK) {
		check_needed(&c);
		check_strangers(&c);
		check_note(&c);
		check_stamp(&c);
		if ((rc = check_blocks(&c)) == VG_OK)
			rc = check_records(&c);
	}
	out->blocks = c.nblock;
	vg_days_free(&c.days);
	free(c.block);
	return rc;
}
