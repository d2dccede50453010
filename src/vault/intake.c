#include "vault/intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <zlib.h>

#include "base/magic.h"

#define SUFFIX ".vj"
#define HEAD_BYTES 32
#define BATCH_HEAD 60
#define HEAD_MAGIC "VGJRNL1\n"
#define BATCH_MAGIC "VGJB"

struct jfile {
	uint64_t first; /* number of its first record */
	uint64_t id;
	uint64_t end;   /* behind the last whole batch */
};
struct batch { /* a head, as read */
	uint32_t count, bytes, sum;
	uint64_t first;
	struct vg_intake_mark mark;
};

struct vg_intake {
	struct vg_disk *d;
	uint64_t file_bytes;
	struct jfile *file; /* ascending; owned */
	size_t nfile, cap;
	struct vg_file last; /* the last one, open */
	bool fresh;          /* the last one has a name and a head that are on disk */
	uint64_t next;       /* the number of the next record that is synced */
	struct vg_buf batch; /* head and records that wait */
	uint32_t count;      /* of them */
	struct vg_intake_mark mark, kept; /* of what waits; of the last one that is synced */
	struct vg_buf in;    /* a batch that is read */
};

static uint32_t
crc(const char *p, size_t n)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)p, n);
}

static void
name_of(uint64_t first, char out[VG_DISK_NAME_MAX])
{
	snprintf(out, VG_DISK_NAME_MAX, "%016llx" SUFFIX, (unsigned long long)first);
}

/* ---- reading ---- */

static vg_rc
read_head(const struct vg_file *f, struct jfile *out)
{
	char h[HEAD_BYTES];
	struct vg_cur c = vg_cur_of(h + 8, sizeof(h) - 8);
	vg_rc rc = vg_file_read(f, h, sizeof(h), 0);

	if (rc != VG_OK)
		return rc;
	out->first = vg_cur_le64(&c);
	out->id = vg_cur_le64(&c);
	(void)vg_cur_le32(&c);
	if ((rc = vg_magic_check(vg_str_mem(h, 8), VG_STR(HEAD_MAGIC))) != VG_OK)
		return rc; /* VG_E_UNSUP: its records were acknowledged by a later program */
	return vg_cur_le32(&c) == crc(h, HEAD_BYTES - 4) ? VG_OK : VG_E_FORMAT;
}

static vg_rc
take_batch_head(const char *h, uint64_t id, uint64_t at, struct batch *out)
{
	struct vg_cur c = vg_cur_of(h + 4, BATCH_HEAD - 4);
	bool ok;

	out->count = vg_cur_le32(&c);
	ok = vg_cur_le64(&c) == id;
	ok &= vg_cur_le64(&c) == at;
	out->first = vg_cur_le64(&c);
	out->bytes = vg_cur_le32(&c);
	out->sum = vg_cur_le32(&c);
	out->mark.sender = vg_cur_le64(&c);
	out->mark.number = vg_cur_le64(&c);
	ok &= vg_cur_le32(&c) == crc(h, BATCH_HEAD - 4);
	return ok && memcmp(h, BATCH_MAGIC, 4) == 0 && out->bytes <= VG_INTAKE_BATCH_BYTES ? VG_OK : VG_E_FORMAT;
}

/* The batch at @at into j->in.  VG_E_TRUNC, VG_E_FORMAT: there is no whole one. */
static vg_rc
read_batch(struct vg_intake *j, const struct vg_file *f, uint64_t id, uint64_t at, struct batch *out)
{
	char h[BATCH_HEAD];
	vg_rc rc = vg_file_read(f, h, sizeof(h), at);

	if (rc != VG_OK || (rc = take_batch_head(h, id, at, out)) != VG_OK)
		return rc;
	vg_buf_clear(&j->in);
	if (!vg_buf_reserve(&j->in, out->bytes))
		return j->in.rc;
	if ((rc = vg_file_read(f, j->in.p, out->bytes, at + BATCH_HEAD)) != VG_OK)
		return rc;
	j->in.n = out->bytes;
	return crc(j->in.p, j->in.n) == out->sum ? VG_OK : VG_E_FORMAT;
}

/* One record, whose it is, and its class. */
static vg_rc
take_entry(struct vg_cur *c, uint32_t *tenant, struct vg_record *r)
{
	uint16_t class;
	vg_rc rc;

	*tenant = vg_cur_le32(c);
	class = vg_cur_le16(c);
	if ((rc = vg_record_take(c, r)) != VG_OK)
		return rc;
	r->class = class;
	return class < VG_CLASSES_MAX ? VG_OK : VG_E_FORMAT;
}

/* Give the records of the batch in j->in. */
static vg_rc
each_record(struct vg_intake *j, const struct batch *b, uint64_t from, vg_intake_fn *each, void *ctx)
{
	struct vg_cur c = vg_cur_of(j->in.p, j->in.n);
	vg_rc rc = VG_OK;

	for (uint32_t i = 0; i < b->count && rc == VG_OK; i++) {
		uint32_t tenant;
		struct vg_record r;

		if (take_entry(&c, &tenant, &r) != VG_OK || r.seq != b->first + i)
			return VG_E_FORMAT;
		if (each && r.seq >= from)
			rc = each(ctx, tenant, &r);
	}
	return rc != VG_OK ? rc : vg_cur_left(&c) == 0 ? VG_OK : VG_E_FORMAT;
}

/* ---- making it sound ---- */

/* The first whole batch behind @at; its offset, UINT64_MAX when there is none. */
static uint64_t
find_batch(struct vg_intake *j, const struct vg_file *f, uint64_t id, uint64_t at, uint64_t size, struct batch *out)
{
	char window[65536];

	while (at + BATCH_HEAD <= size) {
		size_t n = size - at < sizeof(window) ? (size_t)(size - at) : sizeof(window);
		const char *p;

		if (vg_file_read(f, window, n, at) != VG_OK)
			return UINT64_MAX;
		for (p = window; (p = memmem(p, n - (size_t)(p - window), BATCH_MAGIC, 4)) != NULL; p++)
			if (read_batch(j, f, id, at + (uint64_t)(p - window), out) == VG_OK)
				return at + (uint64_t)(p - window);
		at += n > 3 && at + n < size ? n - 3 : n;
	}
	return UINT64_MAX;
}

static vg_rc
damaged(struct vg_intake_damage *d, const char *name, uint64_t at, uint64_t until, uint64_t seq, uint64_t until_seq)
{
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->at = at;
	d->until = until;
	d->seq = seq;
	d->until_seq = until_seq;
	return VG_E_FORMAT;
}

/* Walk the batches of one file; j->next goes on.  @last: what is not whole at its end was never acknowledged. */
static vg_rc
check_file(struct vg_intake *j, struct jfile *x, struct vg_file *f, bool last, struct vg_intake_damage *damage)
{
	uint64_t size, behind;
	struct batch b;
	vg_rc rc = vg_file_size(f, &size);

	if (rc != VG_OK)
		return rc;
	for (x->end = HEAD_BYTES; x->end < size; x->end += BATCH_HEAD + b.bytes) {
		rc = read_batch(j, f, x->id, x->end, &b);
		if (rc == VG_OK && (b.first != j->next || each_record(j, &b, 0, NULL, NULL) != VG_OK))
			rc = VG_E_FORMAT;
		if (rc != VG_OK)
			break;
		j->next += b.count;
		j->kept = j->mark = b.mark;
	}
	if (x->end >= size || (rc != VG_E_FORMAT && rc != VG_E_TRUNC))
		return rc;
	behind = find_batch(j, f, x->id, x->end + 1, size, &b);
	if (behind != UINT64_MAX)
		return damaged(damage, f->name, x->end, behind, j->next, b.first);
	if (!last)
		return damaged(damage, f->name, x->end, size, j->next, 0);
	if (j->d->read_only) { /* perhaps it is being written */
		(void)damaged(damage, f->name, x->end, size, j->next, 0);
		return VG_OK;
	}
	return vg_file_truncate(j->d, f, x->end);
}

static vg_rc
on_name(void *ctx, const char *name)
{
	struct vg_intake *j = ctx;
	char *end, again[VG_DISK_NAME_MAX];
	uint64_t first = strtoull(name, &end, 16);

	name_of(first, again);
	if (strcmp(again, name) != 0)
		return VG_OK; /* not ours */
	if (j->nfile == j->cap) {
		size_t cap = j->cap ? 2 * j->cap : 16;
		struct jfile *p = realloc(j->file, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		j->file = p;
		j->cap = cap;
	}
	j->file[j->nfile++] = (struct jfile){ .first = first };
	return VG_OK;
}

static int
file_cmp(const void *a, const void *b)
{
	const struct jfile *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* A last file without a sound head was begun and never used, unless a batch stands in it. */
static vg_rc
drop_begun(struct vg_intake *j, struct vg_file *f, struct vg_intake_damage *damage)
{
	uint64_t size;
	char *all;
	vg_rc rc = vg_file_size(f, &size);

	if (rc != VG_OK)
		return rc;
	if (size > HEAD_BYTES + VG_INTAKE_BATCH_BYTES) /* more than was written before the head was sure */
		return damaged(damage, f->name, 0, size, j->next, 0);
	if ((all = malloc((size_t)size + 1)) == NULL)
		return VG_E_NOMEM;
	rc = vg_file_read(f, all, (size_t)size, 0);
	for (size_t i = 0; rc == VG_OK && i + BATCH_HEAD <= size; i++) { /* the id is not known: each head brings its own */
		struct vg_cur c = vg_cur_of(all + i + 8, 8);
		struct batch b;

		if (memcmp(all + i, BATCH_MAGIC, 4) == 0 && take_batch_head(all + i, vg_cur_le64(&c), i, &b) == VG_OK)
			rc = damaged(damage, f->name, 0, i, j->next, b.first);
	}
	free(all);
	if (rc != VG_OK)
		return rc;
	if (j->d->read_only || (rc = vg_disk_remove(j->d, f->name)) == VG_OK)
		j->nfile--;
	return rc;
}

static vg_rc
check_all(struct vg_intake *j, struct vg_intake_damage *damage)
{
	for (size_t i = 0; i < j->nfile; i++) {
		struct jfile *x = &j->file[i];
		bool last = i + 1 == j->nfile;
		char name[VG_DISK_NAME_MAX];
		uint64_t first = x->first;
		struct vg_file f;
		vg_rc rc;

		name_of(first, name);
		if ((rc = vg_file_open(j->d, name, &f)) != VG_OK)
			return rc;
		if (i == 0)
			j->next = first; /* what was before it was dropped */
		rc = read_head(&f, x);
		if ((rc == VG_E_FORMAT || rc == VG_E_TRUNC) && last) {
			rc = drop_begun(j, &f, damage);
			vg_file_close(&f);
			return rc;
		}
		if (rc == VG_E_FORMAT || rc == VG_E_TRUNC || (rc == VG_OK && (x->first != first || first != j->next)))
			rc = damaged(damage, name, 0, HEAD_BYTES, j->next, first);
		if (rc == VG_E_UNSUP)
			(void)damaged(damage, name, 0, HEAD_BYTES, j->next, first);
		if (rc == VG_OK)
			rc = check_file(j, x, &f, last, damage);
		if (rc == VG_OK && last) {
			j->last = f;
			j->fresh = true;
			return VG_OK;
		}
		vg_file_close(&f);
		if (rc != VG_OK)
			return rc;
	}
	return VG_OK;
}

/* What is there may be what a process wrote that was ended before it synced: the next one that reads it rests on it, and so it must be sure
 * from here on. */
static vg_rc
make_sure(struct vg_intake *j)
{
	vg_rc rc = j->last.fd >= 0 ? vg_file_sync(j->d, &j->last) : VG_OK;

	return rc != VG_OK ? rc : vg_disk_sync(j->d);
}

static void
begin_batch(struct vg_intake *j)
{
	char nothing[BATCH_HEAD] = { 0 };

	vg_buf_clear(&j->batch);
	vg_buf_mem(&j->batch, nothing, sizeof(nothing));
	j->count = 0;
}

vg_rc
vg_intake_open(struct vg_disk *d, const struct vg_intake_options *o, struct vg_intake_damage *damage, struct vg_intake **out)
{
	struct vg_intake *j = calloc(1, sizeof(*j));
	vg_rc rc;

	*damage = (struct vg_intake_damage){ .at = 0 };
	if (j == NULL)
		return VG_E_NOMEM;
	j->d = d;
	j->next = o->first;
	j->file_bytes = o->file_bytes ? o->file_bytes : VG_INTAKE_FILE_BYTES;
	j->last.fd = -1;
	j->batch.limit_bytes = BATCH_HEAD + VG_INTAKE_BATCH_BYTES;
	begin_batch(j);
	if ((rc = j->batch.rc) == VG_OK && (rc = vg_disk_each(d, SUFFIX, on_name, j)) == VG_OK) {
		if (j->nfile > 1)
			qsort(j->file, j->nfile, sizeof(*j->file), file_cmp);
		if ((rc = check_all(j, damage)) == VG_OK && j->nfile && !d->read_only)
			rc = make_sure(j);
	}
	if (rc != VG_OK) {
		vg_intake_free(j);
		return rc;
	}
	*out = j;
	return VG_OK;
}

void
vg_intake_free(struct vg_intake *j)
{
	int keep = errno;

	if (j == NULL)
		return;
	vg_file_close(&j->last);
	free(j->file);
	vg_buf_fini(&j->batch);
	vg_buf_fini(&j->in);
	free(j);
	errno = keep;
}

/* ---- writing ---- */

vg_rc
vg_intake_add(struct vg_intake *j, uint32_t tenant, const struct vg_record *record, uint64_t *seq)
{
	struct vg_record r = *record;
	size_t n = 6 + VG_RECORD_HEAD + r.id.n + r.raw.n;

	r.seq = j->next + j->count;
	if (r.class >= VG_CLASSES_MAX)
		return VG_E_REFUSED;
	if (r.raw.n > VG_RECORD_RAW_MAX || r.id.n > VG_RECORD_ID_MAX || j->batch.n + n > j->batch.limit_bytes)
		return VG_E_LIMIT;
	if (!vg_buf_reserve(&j->batch, n))
		return j->batch.rc;
	vg_buf_le32(&j->batch, tenant);
	vg_buf_le16(&j->batch, r.class);
	vg_record_put(&j->batch, &r);
	j->count++;
	*seq = r.seq;
	return VG_OK;
}

/* Begin a file whose first record is the next one.  Its head and its name are sure before a batch is written. */
static vg_rc
begin_file(struct vg_intake *j)
{
	struct jfile x = { .first = j->next, .end = HEAD_BYTES };
	struct vg_buf h = { 0 };
	char name[VG_DISK_NAME_MAX];
	struct vg_file f;
	vg_rc rc;

	if (getrandom(&x.id, sizeof(x.id), 0) != sizeof(x.id))
		return VG_E_SYS;
	vg_buf_puts(&h, HEAD_MAGIC);
	vg_buf_le64(&h, x.first);
	vg_buf_le64(&h, x.id);
	vg_buf_le32(&h, 0);
	vg_buf_le32(&h, h.rc == VG_OK ? crc(h.p, h.n) : 0);
	if ((rc = h.rc) != VG_OK)
		return rc;
	name_of(x.first, name);
	if ((rc = vg_file_create(j->d, name, &f)) == VG_E_SYS && errno == EEXIST) /* begun before, and no room for the rest */
		rc = vg_file_open(j->d, name, &f);
	if (rc == VG_OK) {
		if ((rc = vg_file_truncate(j->d, &f, 0)) == VG_OK && (rc = vg_file_write(j->d, &f, vg_buf_str(&h), 0)) == VG_OK &&
		    (rc = vg_file_sync(j->d, &f)) == VG_OK)
			rc = vg_disk_sync(j->d);
		if (rc != VG_OK)
			vg_file_close(&f);
	}
	vg_buf_fini(&h);
	if (rc != VG_OK)
		return rc;
	if ((rc = on_name(j, name)) != VG_OK) {
		vg_file_close(&f);
		return rc;
	}
	vg_file_close(&j->last);
	j->file[j->nfile - 1] = x;
	j->last = f;
	j->fresh = true;
	return VG_OK;
}

static void
finish_head(struct vg_intake *j, const struct jfile *x)
{
	struct vg_buf h = { 0 };

	vg_buf_puts(&h, BATCH_MAGIC);
	vg_buf_le32(&h, j->count);
	vg_buf_le64(&h, x->id);
	vg_buf_le64(&h, x->end);
	vg_buf_le64(&h, j->next);
	vg_buf_le32(&h, (uint32_t)(j->batch.n - BATCH_HEAD));
	vg_buf_le32(&h, crc(j->batch.p + BATCH_HEAD, j->batch.n - BATCH_HEAD));
	vg_buf_le64(&h, j->mark.sender);
	vg_buf_le64(&h, j->mark.number);
	vg_buf_le32(&h, h.rc == VG_OK ? crc(h.p, h.n) : 0);
	if (h.rc == VG_OK)
		memcpy(j->batch.p, h.p, BATCH_HEAD);
	else
		j->batch.rc = h.rc;
	vg_buf_fini(&h);
}

vg_rc
vg_intake_sync(struct vg_intake *j)
{
	struct jfile *x;
	vg_rc rc;

	if (j->count == 0)
		return VG_OK;
	if (!j->fresh || j->file[j->nfile - 1].end > j->file_bytes)
		if ((rc = begin_file(j)) != VG_OK)
			return rc;
	x = &j->file[j->nfile - 1];
	finish_head(j, x);
	if (j->batch.rc != VG_OK)
		return j->batch.rc;
	/* after a sync that failed the pages may be gone: written anew, at the same place */
	if ((rc = vg_file_write(j->d, &j->last, vg_buf_str(&j->batch), x->end)) != VG_OK ||
	    (rc = vg_file_sync(j->d, &j->last)) != VG_OK)
		return rc;
	x->end += j->batch.n;
	j->next += j->count;
	j->kept = j->mark;
	begin_batch(j);
	return j->batch.rc;
}

void
vg_intake_set_mark(struct vg_intake *j, struct vg_intake_mark m)
{
	j->mark = m;
}

struct vg_intake_mark
vg_intake_mark(const struct vg_intake *j)
{
	return j->kept;
}

uint64_t
vg_intake_next(const struct vg_intake *j)
{
	return j->next;
}

size_t
vg_intake_waiting(const struct vg_intake *j)
{
	return j->batch.n - BATCH_HEAD;
}

/* ---- the reader, and what it has done with ---- */

static vg_rc
open_file(const struct vg_intake *j, const struct jfile *x, struct vg_file *out)
{
	char name[VG_DISK_NAME_MAX];

	name_of(x->first, name);
	return vg_file_open(j->d, name, out);
}

/* The file that record @seq is in, or would be: not before the first. */
static size_t
file_of(const struct vg_intake *j, uint64_t seq)
{
	size_t i = 0;

	while (i + 1 < j->nfile && j->file[i + 1].first <= seq)
		i++;
	return i;
}

vg_rc
vg_intake_read(struct vg_intake *j, uint64_t seq, vg_intake_fn *each, void *ctx)
{
	if (j->nfile == 0)
		return seq >= j->next ? VG_OK : VG_E_NOTFOUND;
	if (seq < j->file[0].first)
		return VG_E_NOTFOUND;
	for (size_t i = file_of(j, seq); i < j->nfile; i++) {
		const struct jfile *x = &j->file[i];
		struct vg_file f;
		struct batch b;
		vg_rc rc;

		if ((rc = open_file(j, x, &f)) != VG_OK)
			return rc;
		for (uint64_t at = HEAD_BYTES; at < x->end && rc == VG_OK; at += BATCH_HEAD + b.bytes)
			if ((rc = read_batch(j, &f, x->id, at, &b)) == VG_OK)
				rc = each_record(j, &b, seq, each, ctx);
		vg_file_close(&f);
		if (rc != VG_OK)
			return rc;
	}
	return VG_OK;
}

/* The records of the batch in j->in from the cursor's on. */
static vg_rc
walk_batch(struct vg_intake *j, const struct batch *b, struct vg_intake_cursor *c, vg_intake_fn *each, void *ctx)
{
	struct vg_cur in = vg_cur_of(j->in.p, j->in.n);

	for (uint32_t i = 0; i < b->count; i++) {
		uint32_t tenant;
		struct vg_record r;
		vg_rc rc;

		if (take_entry(&in, &tenant, &r) != VG_OK || r.seq != b->first + i)
			return VG_E_FORMAT;
		if (r.seq < c->seq)
			continue;
		if ((rc = each(ctx, tenant, &r)) != VG_OK)
			return rc;
		c->seq = r.seq + 1;
	}
	return VG_OK;
}

static vg_rc
walk_file(struct vg_intake *j, const struct jfile *x, struct vg_intake_cursor *c, size_t *left, vg_intake_fn *each, void *ctx)
{
	struct vg_file f;
	struct batch b;
	vg_rc rc;

	if ((rc = open_file(j, x, &f)) != VG_OK)
		return rc;
	while (c->at < x->end && *left && rc == VG_OK) {
		if ((rc = read_batch(j, &f, x->id, c->at, &b)) != VG_OK)
			break;
		if (b.first + b.count > c->seq && (rc = walk_batch(j, &b, c, each, ctx)) != VG_OK)
			break;
		c->at += BATCH_HEAD + b.bytes;
		*left -= b.bytes < *left ? b.bytes : *left;
	}
	vg_file_close(&f);
	return rc;
}

vg_rc
vg_intake_walk(struct vg_intake *j, struct vg_intake_cursor *c, size_t max_bytes, vg_intake_fn *each, void *ctx)
{
	vg_rc rc = VG_OK;

	if (c->seq >= j->next)
		return VG_OK;
	if (j->nfile == 0 || c->seq < j->file[0].first)
		return VG_E_NOTFOUND;
	for (size_t i = file_of(j, c->seq); i < j->nfile && max_bytes && rc == VG_OK; i++) {
		if (c->file != j->file[i].first) {
			c->file = j->file[i].first;
			c->at = HEAD_BYTES;
		}
		rc = walk_file(j, &j->file[i], c, &max_bytes, each, ctx);
	}
	return rc == VG_E_STOP ? VG_OK : rc;
}

uint64_t
vg_intake_first(const struct vg_intake *j)
{
	return j->nfile ? j->file[0].first : j->next;
}

uint64_t
vg_intake_bytes(const struct vg_intake *j)
{
	uint64_t n = 0;

	for (size_t i = 0; i < j->nfile; i++)
		n += j->file[i].end;
	return n;
}

vg_rc
vg_intake_drop(struct vg_intake *j, uint64_t seq)
{
	size_t n = 0;
	vg_rc rc = VG_OK;

	while (n + 1 < j->nfile && j->file[n + 1].first <= seq && rc == VG_OK) {
		char name[VG_DISK_NAME_MAX];

		name_of(j->file[n].first, name);
		if ((rc = vg_disk_remove(j->d, name)) == VG_OK) {
			n++;
			rc = vg_disk_sync(j->d); /* one at a time: a younger file must not be gone before an older one */
		}
	}
	if (n) {
		memmove(j->file, j->file + n, (j->nfile - n) * sizeof(*j->file));
		j->nfile -= n;
	}
	return rc;
}

vg_rc
vg_intake_roll(struct vg_intake *j)
{
	if (j->count || j->nfile == 0 || j->file[j->nfile - 1].end <= HEAD_BYTES)
		return VG_OK;
	return begin_file(j);
}
