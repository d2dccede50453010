/* vault/verify_blocks.c - the segments: every block's head and stored bytes, in the order of their records' numbers, each against the leaf that
 * the tiles hold for it. */
#include "vault/verify_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"

#define TRY_BITS_MAX 16384 /* bytes of a block whose flipped bit is looked for: a second's work */
#define WINDOW 65536
#define FROM_COPY "the true bytes may stand in a copy: `vigie vault restore --from WITNESS`"

struct seg {
	const struct vg_verify_file *f;
	uint64_t order; /* number of its first block */
	bool sure;      /* that it is that one */
	bool gap;       /* the part before it is not here */
};
struct walk {
	struct vg_verify *v;
	const struct seg *s;
	struct vg_file file;
	uint64_t size, at;
	bool last;      /* no segment follows */
	bool hole;      /* blocks are missing before @at, and that was told */
	bool misnamed;  /* told */
	int64_t day;    /* of the name */
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	struct vg_hash leaf;
	vg_str stored;
	bool prefix;    /* what its small blocks are compressed behind is not there or another one: told */
};

/* ---- the order of the segments ---- */

static bool
is_segment(const char *name)
{
	return !strchr(name, '/') && vg_str_ends(vg_str_of(name), VG_STR(VG_SEGMENT_SUFFIX));
}

/* The day, since 1970, and the part that a name says; false: it is no segment's. */
static bool
take_name(const char *name, int64_t *day, unsigned *part)
{
	vg_str s = vg_str_of(name);
	char again[VG_DISK_NAME_MAX];
	uint64_t n;
	int64_t ns;

	if (s.n != strlen("YYYY-MM-DD.NNNN" VG_SEGMENT_SUFFIX) || (ns = vg_time_parse(vg_str_cut(s, 10), 0)) == VG_TIME_NONE ||
	    !vg_str_all_digits(vg_str_mem(s.p + 11, 4)) || !vg_str_u64(vg_str_mem(s.p + 11, 4), &n))
		return false;
	*day = ns / VG_DAY - (ns % VG_DAY < 0);
	*part = (unsigned)n;
	vg_segment_name(ns, *part, again);
	return strcmp(again, name) == 0;
}

static bool
known(const struct vg_verify *v, const struct vg_hash *leaf, uint64_t *index)
{
	uint32_t i = vg_map_find(&v->where, vg_str_mem(leaf->b, VG_HASH_BYTES));

	*index = i;
	return i != VG_MAP_NONE;
}

static void
first_of(struct vg_verify *v, struct seg *s)
{
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	struct vg_file f;
	struct vg_hash leaf;
	uint64_t index;

	s->order = UINT64_MAX;
	if (vg_file_open(&v->d, s->f->name, &f) != VG_OK)
		return;
	if (vg_file_read(&f, head, sizeof(head), 0) == VG_OK && vg_block_head_take(vg_str_mem(head, sizeof(head)), &h) == VG_OK) {
		vg_block_leaf(vg_str_mem(head, sizeof(head)), &leaf);
		s->order = h.leaf;
		s->sure = known(v, &leaf, &index) || v->nwant == 0 || h.leaf >= v->out->checkpoint.size;
	}
	vg_file_close(&f);
}

static int
by_order(const void *a, const void *b)
{
	const struct seg *x = a, *y = b;

	return x->order != y->order ? (x->order > y->order ? 1 : -1) : strcmp(x->f->name, y->f->name);
}

/* All segments, in order: by the first block's number, since clocks go back; one whose head cannot be believed by its name. */
static struct seg *
gather(struct vg_verify *v, size_t *n)
{
	struct seg *s = calloc(v->nfile + 1, sizeof(*s));
	int64_t day;
	unsigned part;

	*n = 0;
	for (size_t i = 0; s && i < v->nfile; i++)
		if (v->file[i].plain && is_segment(v->file[i].name) && take_name(v->file[i].name, &day, &part)) {
			char before[VG_DISK_NAME_MAX];

			vg_segment_name(day * VG_DAY, part - 1, before);
			s[*n].f = &v->file[i];
			s[*n].gap = part && vg_verify_find(v, before) == NULL;
			first_of(v, &s[(*n)++]);
		}
	for (size_t i = *n; i-- > 0;)
		if (!s[i].sure && i + 1 < *n)
			s[i].order = s[i + 1].order;
	if (*n > 1)
		qsort(s, *n, sizeof(*s), by_order);
	if (s == NULL)
		v->rc = VG_E_NOMEM;
	return s;
}

void
vg_verify_segment(struct vg_verify *v, const struct vg_verify_file *f)
{
	int64_t day;
	unsigned part;

	if (!take_name(f->name, &day, &part))
		(void)vg_verify_damage(v, f->name, 0, 0, "is named after a day that there is not");
}

/* Parts of a day follow one another as their records do. */
static void
check_parts(struct vg_verify *v, const struct seg *s, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		int64_t day, other;
		unsigned part, before;

		if (!s[i].sure || !s[i - 1].sure || !take_name(s[i].f->name, &day, &part) || !take_name(s[i - 1].f->name, &other, &before) || day != other || part > before)
			continue;
		(void)vg_verify_damage(v, s[i].f->name, 0, VG_BLOCK_HEAD, "its records come behind those of %s: the files were renamed", s[i - 1].f->name);
	}
}

/* ---- a block ---- */

static bool
is_wanted(void *ctx)
{
	struct walk *w = ctx;

	vg_block_leaf(vg_str_mem(w->head, sizeof(w->head)), &w->leaf);
	return vg_hash_eq(&w->leaf, &w->v->want[w->v->nleaf]);
}

static bool
digest_is(void *ctx)
{
	const struct walk *w = ctx;

	return vg_block_is_sound(&w->h, w->stored);
}

static struct vg_finding
of_block(const struct walk *w, uint64_t from, uint64_t until)
{
	return (struct vg_finding){ .grade = VG_GRADE_DAMAGE, .file = w->s->f->name, .at = w->at + from, .until = w->at + until, .seq = w->h.first_seq,
				    .until_seq = w->h.last_seq + 1, .advice = FROM_COPY };
}

/* Read the head; one flipped bit of it is turned back.  false: no block that fits stands here. */
static bool
take_head(struct walk *w)
{
	struct vg_verify *v = w->v;
	uint64_t rest = w->size - w->at, index;
	bool fits;
	size_t bad;

	if (rest < VG_BLOCK_HEAD || vg_file_read(&w->file, w->head, sizeof(w->head), w->at) != VG_OK)
		return false;
	vg_block_leaf(vg_str_mem(w->head, sizeof(w->head)), &w->leaf);
	fits = vg_block_head_take(vg_str_mem(w->head, sizeof(w->head)), &w->h) == VG_OK && w->h.stored <= rest - VG_BLOCK_HEAD;
	if (known(v, &w->leaf, &index) || v->nleaf >= v->nwant)
		return fits;
	if (vg_flipped_bit(w->head, sizeof(w->head), is_wanted, w, &bad)) {
		struct vg_finding f;

		fits = vg_block_head_take(vg_str_mem(w->head, sizeof(w->head)), &w->h) == VG_OK && w->h.stored <= rest - VG_BLOCK_HEAD;
		f = of_block(w, bad, bad + 1);
		vg_verify_tell(v, &f, "one bit in the head of block %llu was flipped: 0x%02x would be right", (unsigned long long)v->nleaf, (uint8_t)w->head[bad]);
		v->broken = true;
	} else {
		vg_block_leaf(vg_str_mem(w->head, sizeof(w->head)), &w->leaf);
	}
	return fits;
}

/* Behind bytes that are no block: the next place where one stands that the tree knows, or, without tiles, a sound one. */
static bool
find_next(struct walk *w)
{
	struct vg_verify *v = w->v;
	char window[WINDOW];

	for (uint64_t at = w->at + 1; at + VG_BLOCK_HEAD <= w->size;) {
		size_t n = w->size - at < WINDOW ? (size_t)(w->size - at) : WINDOW;
		const char *p = window;

		if (vg_file_read(&w->file, window, n, at) != VG_OK)
			return false;
		for (; (p = memmem(p, n - (size_t)(p - window), "VGBLOCK1", 8)) != NULL; p++) {
			struct walk x = *w;
			uint64_t index;

			x.at = at + (uint64_t)(p - window);
			if (x.size - x.at < VG_BLOCK_HEAD || vg_file_read(&x.file, x.head, sizeof(x.head), x.at) != VG_OK ||
			    vg_block_head_take(vg_str_mem(x.head, sizeof(x.head)), &x.h) != VG_OK)
				continue;
			vg_block_leaf(vg_str_mem(x.head, sizeof(x.head)), &x.leaf);
			if (v->nwant ? known(v, &x.leaf, &index) : x.h.leaf >= v->nleaf) {
				w->at = x.at;
				return true;
			}
		}
		at += n > 7 && at + n < w->size ? n - 7 : n;
	}
	return false;
}

/* No whole block stands at w->at.  true: another one was found behind. */
static bool
not_whole(struct walk *w)
{
	struct vg_verify *v = w->v;
	struct vg_finding f = { .grade = VG_GRADE_DAMAGE, .file = w->s->f->name, .at = w->at, .until = w->size, .seq = v->out->next_seq, .advice = FROM_COPY };
	bool more;

	if (v->nleaf >= v->out->checkpoint.size && w->last) {
		v->out->torn = true;
		v->out->torn_at = w->at;
		snprintf(v->out->torn_file, sizeof(v->out->torn_file), "%s", w->s->f->name);
		return false;
	}
	more = find_next(w);
	if (more) {
		struct vg_block_head h;
		char head[VG_BLOCK_HEAD];

		f.until = w->at;
		if (vg_file_read(&w->file, head, sizeof(head), w->at) == VG_OK && vg_block_head_take(vg_str_mem(head, sizeof(head)), &h) == VG_OK)
			f.until_seq = h.first_seq > f.seq ? h.first_seq : 0;
	} else if (w->last) {
		f.until_seq = v->out->checkpoint.seq > f.seq ? v->out->checkpoint.seq : 0;
	}
	vg_verify_tell(v, &f, "block %llu should stand here, and no whole block does: bytes were changed, cut off or put in", (unsigned long long)v->nleaf);
	v->broken = w->hole = true;
	return more;
}

/* ---- its place ---- */

static bool
add_leaf(struct vg_verify *v, const struct vg_hash *leaf)
{
	if (v->nleaf == v->capleaf) {
		uint64_t cap = v->capleaf ? 2 * v->capleaf : 256;
		struct vg_hash *p = realloc(v->out->leaf, cap * sizeof(*p));

		if (p == NULL) {
			v->rc = VG_E_NOMEM;
			return false;
		}
		v->out->leaf = p;
		v->capleaf = cap;
	}
	v->out->leaf[v->nleaf++] = *leaf;
	return true;
}

/* The block at w->at is number @index, and a lower one should be here. */
static void
skip_to(struct walk *w, uint64_t index)
{
	struct vg_verify *v = w->v;
	struct vg_finding f = of_block(w, 0, VG_BLOCK_HEAD);
	char missing[VG_DISK_NAME_MAX];
	int64_t day;
	unsigned part;

	f.seq = v->out->next_seq;
	f.until_seq = w->h.first_seq > f.seq ? w->h.first_seq : 0;
	if (w->at == 0 && w->s->gap && take_name(w->s->f->name, &day, &part)) {
		vg_segment_name(day * VG_DAY, part - 1, missing);
		f.file = missing;
		f.until = 0;
	}
	if (!w->hole && f.until == 0)
		vg_verify_tell(v, &f, "is missing, with blocks %llu to %llu", (unsigned long long)v->nleaf, (unsigned long long)index - 1);
	else if (!w->hole)
		vg_verify_tell(v, &f, "block %llu should stand here, and block %llu does: those before it are missing, or stand elsewhere", (unsigned long long)v->nleaf,
			       (unsigned long long)index);
	v->broken = true;
	w->hole = false;
	while (v->nleaf < index && add_leaf(v, &v->want[v->nleaf]))
		;
}

/* Give the block its number in the tree.  false: it has had it already. */
static bool
place(struct walk *w)
{
	struct vg_verify *v = w->v;
	uint64_t index, i = v->nleaf;
	struct vg_finding f = of_block(w, 0, VG_BLOCK_HEAD);

	if (known(v, &w->leaf, &index)) {
		if (index < i) {
			vg_verify_tell(v, &f, "block %llu stands here, and block %llu should: blocks were swapped or copied", (unsigned long long)index, (unsigned long long)i);
			v->broken = true;
			return false;
		}
		if (index > i)
			skip_to(w, index);
	} else if (i < v->nwant && !v->differs) {
		v->differs = true;
		v->first.at = w->at;
		v->first.leaf = i;
		v->first.seq = v->out->next_seq;
		v->first.until_seq = w->h.last_seq + 1;
		snprintf(v->first.file, sizeof(v->first.file), "%s", w->s->f->name);
	}
	if (w->h.leaf - v->nleaf != v->leaf_shift) { /* told once, where it begins */
		v->leaf_shift = w->h.leaf - v->nleaf;
		vg_verify_tell(v, &f, "its head says block %llu, and it stands where block %llu should", (unsigned long long)w->h.leaf, (unsigned long long)v->nleaf);
		v->broken = true;
	} else if (w->h.first_seq < v->class_seq[w->h.class]) {
		vg_verify_tell(v, &f, "its first record is number %llu, and the block before of its class ended with %llu", (unsigned long long)w->h.first_seq,
			       (unsigned long long)v->class_seq[w->h.class] - 1);
		v->broken = true;
	}
	w->hole = false;
	return add_leaf(v, &w->leaf);
}

/* ---- its bytes ---- */

static void
need_key(struct walk *w)
{
	struct vg_verify *v = w->v;
	struct vg_finding f = of_block(w, 64, 68);
	char name[VG_DISK_NAME_MAX];

	if (w->h.key == 0)
		return;
	if (w->h.key >= VG_KEYS_SEEN_MAX) {
		vg_verify_tell(v, &f, "key %u: there are never so many", w->h.key);
		return;
	}
	snprintf(name, sizeof(name), "keys/%08u" VG_KEY_SUFFIX, w->h.key);
	if (v->key_seen[w->h.key] == 0 && faccessat(v->d.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		f.file = name;
		f.at = f.until = 0;
		f.advice = "it may stand in a copy: `vigie vault restore --from WITNESS`";
		vg_verify_tell(v, &f, "is missing, and no certificate says that it was destroyed: from this block on nobody can read what it wraps");
	}
	if (v->key_seen[w->h.key] == 0)
		v->key_seen[w->h.key] = 3;
	v->key_most = w->h.key > v->key_most ? w->h.key : v->key_most;
}

/* Nobody can read it any more: what its certificate says was destroyed is counted, and compared at the end. */
static void
count_gone(struct walk *w)
{
	struct vg_verify *v = w->v;
	struct vg_verify_gone *g = w->h.key < VG_KEYS_SEEN_MAX && v->key_seen[w->h.key] == 2 ? vg_verify_gone_of(v, w->h.key) : NULL;

	if (g == NULL)
		return;
	vg_destroyed_add(&g->of, &w->h);
	(void)crypto_hash_sha256_update(&g->heads, (const unsigned char *)w->head, sizeof(w->head));
	v->out->gone++;
	v->out->gone_records += w->h.count;
}

/* For one damaged block, which is told, a whole day of small ones may not open: told with the first of them, the others are counted. */
static void
cannot_unpack(struct walk *w, const struct vg_finding *f)
{
	struct vg_verify *v = w->v;

	if (w->prefix)
		v->out->stuck++;
	else if (v->opener.broken_at != UINT64_MAX)
		vg_verify_tell(v, f, "cannot be unpacked, nor perhaps others behind it: it was compressed behind the text of the block at byte %llu, which cannot be opened",
			       (unsigned long long)v->opener.broken_at);
	else
		vg_verify_tell(v, f, "cannot be unpacked, nor perhaps others behind it: it was compressed behind the text of the segment's first blocks, and one of them is missing or another one");
	w->prefix = true;
}

static void
open_block(struct walk *w)
{
	struct vg_verify *v = w->v;
	struct vg_finding f = of_block(w, VG_BLOCK_HEAD, VG_BLOCK_HEAD + w->h.stored);
	const struct vg_day_key *key = v->ring && w->h.key ? vg_keyring_find(v->ring, w->h.key) : NULL;
	vg_rc rc;

	if (w->h.key && key == NULL) {
		v->out->closed += w->h.key >= VG_KEYS_SEEN_MAX || v->key_seen[w->h.key] != 2;
		return;
	}
	rc = vg_opener_open(&v->opener, &w->file, w->at, &w->h, vg_str_mem(w->head, sizeof(w->head)), w->stored, key ? key->key : NULL, &v->payload);
	if (rc == VG_OK)
		rc = vg_block_check(&w->h, vg_buf_str(&v->payload));
	v->out->opened += rc == VG_OK;
	if (rc == VG_E_NOMEM)
		v->rc = rc;
	else if (rc == VG_E_FORMAT && v->opener.by_prefix)
		cannot_unpack(w, &f);
	else if (rc != VG_OK)
		vg_verify_tell(v, &f, "%s", rc == VG_E_REFUSED ? "its key does not open it" : "what is in it is not what its head says: records, numbers, times or their root");
}

static void
count(struct walk *w)
{
	struct vg_verified *out = w->v->out;

	out->records += w->h.count;
	out->stored_bytes += w->h.stored;
	out->payload_bytes += w->h.payload;
	if (w->v->nleaf <= out->checkpoint.size)
		return;
	if (out->unsealed++ == 0)
		out->unsealed_ns = w->h.first_ns;
	out->unsealed_records += w->h.count;
}

static void
check_name(struct walk *w)
{
	int64_t begins = w->day * VG_DAY;

	if (w->misnamed || (w->h.first_ns >= begins && w->h.last_ns - begins < VG_DAY))
		return;
	w->misnamed = true;
	(void)vg_verify_damage(w->v, w->s->f->name, w->at + 32, w->at + 48, "holds records that came on another day than its name says: files were renamed");
}

static bool
read_stored(struct walk *w)
{
	struct vg_verify *v = w->v;
	vg_rc rc = VG_E_NOMEM;

	vg_buf_clear(&v->bytes);
	if (!vg_buf_reserve(&v->bytes, (size_t)w->h.stored + 1))
		v->rc = rc;
	else if ((rc = vg_file_read(&w->file, v->bytes.p, (size_t)w->h.stored, w->at + VG_BLOCK_HEAD)) != VG_OK)
		(void)vg_verify_damage(v, w->s->f->name, w->at, w->at + VG_BLOCK_HEAD + w->h.stored, "cannot be read: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	v->bytes.n = rc == VG_OK ? (size_t)w->h.stored : 0;
	w->stored = vg_buf_str(&v->bytes);
	return rc == VG_OK;
}

/* The stored bytes are not those of the head. */
static void
tell_stored(struct walk *w)
{
	struct vg_verify *v = w->v;
	uint64_t index;
	size_t bad;
	struct vg_finding f = of_block(w, VG_BLOCK_HEAD, VG_BLOCK_HEAD + w->h.stored);

	if (!known(v, &w->leaf, &index) && v->nleaf < v->nwant)
		f.at = w->at; /* the head may be the wrong one */
	else if (w->stored.n <= TRY_BITS_MAX && vg_flipped_bit(v->bytes.p, v->bytes.n, digest_is, w, &bad)) {
		f.at = w->at + VG_BLOCK_HEAD + bad;
		f.until = f.at + 1;
	}
	if (f.until == f.at + 1)
		vg_verify_tell(v, &f, "one bit in block %llu was flipped: 0x%02x would be right", (unsigned long long)v->nleaf, (uint8_t)v->bytes.p[bad]);
	else
		vg_verify_tell(v, &f, "block %llu is not what its head vouches for", (unsigned long long)v->nleaf);
	v->broken = true;
}

/* The block whose head was taken.  false: the walk of this segment ends. */
static bool
one_block(struct walk *w)
{
	struct vg_verify *v = w->v;
	uint64_t end = w->at + VG_BLOCK_HEAD + w->h.stored;
	bool sound, erased = false;

	if (!read_stored(w))
		return false;
	sound = vg_block_is_sound(&w->h, w->stored);
	if (!sound && w->h.key && w->h.key < VG_KEYS_SEEN_MAX && v->key_seen[w->h.key] == 2 && vg_is_erased(w->stored))
		sound = erased = true;
	if (!sound && v->nleaf >= v->out->checkpoint.size && w->last && end == w->size)
		return not_whole(w); /* its end may not be on disk yet */
	if (!sound)
		tell_stored(w);
	if (place(w)) {
		v->class_seq[w->h.class] = w->h.last_seq + 1;
		if (w->h.last_seq >= v->out->next_seq)
			v->out->next_seq = w->h.last_seq + 1;
		need_key(w);
		check_name(w);
		count_gone(w);
		if (sound)
			count(w);
		if (sound && !erased && v->o->deep)
			open_block(w);
		if (sound && !erased && v->o->block && v->rc == VG_OK)
			v->rc = v->o->block(v->o->ctx, &(struct vg_verify_block){ v->nleaf - 1, &w->h, vg_str_mem(w->head, sizeof(w->head)), w->stored, &w->file, w->at, &v->opener });
	}
	vg_verify_step(v, end - w->at);
	w->at = end;
	return v->rc == VG_OK;
}

static void
walk_segment(struct vg_verify *v, const struct seg *s, bool last, bool *hole)
{
	struct walk w = { .v = v, .s = s, .last = last, .hole = *hole };
	bool broken = v->broken, go = true;
	unsigned part;
	vg_rc rc;

	vg_opener_forget(&v->opener);
	(void)take_name(s->f->name, &w.day, &part);
	if ((rc = vg_file_open(&v->d, s->f->name, &w.file)) != VG_OK || (rc = vg_file_size(&w.file, &w.size)) != VG_OK) {
		(void)vg_verify_damage(v, s->f->name, 0, 0, "cannot be read: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		vg_file_close(&w.file);
		return;
	}
	(void)posix_fadvise(w.file.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while (go && w.at < w.size)
		go = take_head(&w) ? one_block(&w) : not_whole(&w);
	if (s->gap && broken == v->broken)
		(void)vg_verify_damage(v, s->f->name, 0, 0, "the part before it is not there, though no block is missing: it was renamed");
	*hole = w.hole;
	vg_file_close(&w.file);
}

void
vg_verify_segments(struct vg_verify *v)
{
	size_t n;
	struct seg *s = gather(v, &n);
	size_t last = n;
	bool hole = false;

	if (v->rc == VG_OK)
		check_parts(v, s, n);
	while (last > 0 && s[last - 1].f->size == 0) /* one that was begun, and no block is in it yet */
		last--;
	for (size_t i = 0; i < n && v->rc == VG_OK; i++)
		walk_segment(v, &s[i], i + 1 >= last, &hole);
	free(s);
}
