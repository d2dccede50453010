#include "vault/store.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "vault/opener.h"

#define PREFIX_BLOCKS 8 /* that a prefix is made of, at most: so many are opened to read one block, and whoever damages one of them takes the small ones behind */

struct vg_store {
	struct vg_disk *d, keys_dir;
	char origin[VG_ORIGIN_MAX];
	struct vg_keyring *keys;
	struct vg_tree *tree;
	struct vg_frontier frontier; /* of the same leaves: its root costs nothing */
	struct vg_store_segment *segment; /* owned; in order */
	size_t n, cap;
	size_t written;              /* while it is opened: the last one that has a block, or begins one */
	struct vg_segment *last;     /* the one that is written to; NULL: none yet */
	struct open {                /* of one class of retention: the block that its records go to */
		struct vg_block_writer block;
		bool any;            /* it holds records */
		uint64_t next_seq;   /* behind the last record of the class that is on disk */
	} open[VG_CLASSES_MAX];
	struct vg_opener opener;     /* of the last segment: what its small blocks are compressed behind */
	unsigned making;             /* whose block is in @out */
	int64_t day;                 /* of the open blocks */
	int level;
	uint64_t next_seq;           /* behind the last record that is on disk */
	uint64_t taken_seq;          /* behind the last one that was taken */
	uint64_t segment_bytes;
	struct vg_checkpoint checkpoint; /* the last one */
	struct vg_buf out;           /* a block that is written; while it could not be, no other one is */
	vg_store_block_fn *on_block;
	void *ctx;
};

static vg_rc
damaged(struct vg_store_damage *d, const char *name, uint64_t at, const char *what)
{
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->at = at;
	snprintf(d->what, sizeof(d->what), "%s", what);
	return VG_E_FORMAT;
}

/* Of a day that can be told in nanoseconds again: the first hours of INT64_MIN's are the next one's. */
static int64_t
day_of(int64_t time_ns)
{
	int64_t day = time_ns / VG_DAY;

	return day - (time_ns % VG_DAY < 0 && day > INT64_MIN / VG_DAY);
}

/* ---- opening ---- */

static vg_rc
room(struct vg_store *s)
{
	size_t cap = s->cap ? 2 * s->cap : 64;
	struct vg_store_segment *p;

	if (s->n < s->cap)
		return VG_OK;
	if (s->n >= VG_STORE_SEGMENTS_MAX)
		return VG_E_LIMIT;
	if ((p = realloc(s->segment, cap * sizeof(*p))) == NULL)
		return VG_E_NOMEM;
	s->segment = p;
	s->cap = cap;
	return VG_OK;
}

/* The first block's leaf is all that tells the order: clocks go back. */
static vg_rc
on_name(void *ctx, const char *name)
{
	struct vg_store *s = ctx;
	struct vg_store_segment g = { .first_leaf = UINT64_MAX };
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	struct vg_file f;
	vg_rc rc = room(s);

	if (rc != VG_OK)
		return rc;
	snprintf(g.name, sizeof(g.name), "%.60s", name);
	if ((rc = vg_file_open(s->d, name, &f)) != VG_OK)
		return rc;
	if (vg_file_read(&f, head, sizeof(head), 0) == VG_OK && vg_block_head_take(vg_str_mem(head, sizeof(head)), &h) == VG_OK)
		g.first_leaf = h.leaf;
	vg_file_close(&f);
	s->segment[s->n++] = g;
	return VG_OK;
}

static int
by_first(const void *a, const void *b)
{
	const struct vg_store_segment *x = a, *y = b;

	return x->first_leaf != y->first_leaf ? (x->first_leaf > y->first_leaf ? 1 : -1) : strcmp(x->name, y->name);
}

static void
note_block(struct vg_store_segment *g, const struct vg_segment_block *b)
{
	if (g->leaves++ == 0) {
		g->first_seq = b->head.first_seq;
		g->last_seq = b->head.last_seq;
		g->first_ns = b->head.first_ns;
		g->last_ns = b->head.last_ns;
	}
	g->first_ns = b->head.first_ns < g->first_ns ? b->head.first_ns : g->first_ns;
	g->last_ns = b->head.last_ns > g->last_ns ? b->head.last_ns : g->last_ns;
	g->first_seq = b->head.first_seq < g->first_seq ? b->head.first_seq : g->first_seq;
	g->last_seq = b->head.last_seq > g->last_seq ? b->head.last_seq : g->last_seq;
	g->bytes = b->at + VG_BLOCK_HEAD + b->head.stored;
}

static void
on_disk(struct vg_store *s, const struct vg_block_head *h)
{
	s->open[h->class].next_seq = h->last_seq + 1;
	if (h->last_seq >= s->next_seq)
		s->next_seq = h->last_seq + 1;
}

/* Add a block's leaf to the tree; those that its whole tiles hold are compared instead. */
static vg_rc
plant(struct vg_store *s, const struct vg_hash *leaf, uint64_t planted)
{
	struct vg_hash have;
	vg_rc rc = VG_OK;

	if (s->frontier.n < planted) {
		if ((rc = vg_tree_subtree(s->tree, 0, s->frontier.n, &have)) == VG_OK && !vg_hash_eq(&have, leaf))
			rc = VG_E_FORMAT;
	} else {
		rc = vg_tree_add(s->tree, leaf);
	}
	if (rc == VG_OK)
		vg_frontier_add(&s->frontier, leaf);
	return rc;
}

/* Read the blocks of segment @i; it stays open when it is the last one. */
static vg_rc
open_segment(struct vg_store *s, size_t i, uint64_t planted, struct vg_store_damage *damage)
{
	struct vg_store_segment *g = &s->segment[i];
	struct vg_segment_damage bad;
	uint64_t sure = s->checkpoint.size > s->frontier.n ? s->checkpoint.size - s->frontier.n : 0;
	struct vg_segment *x = NULL;
	struct vg_file f;
	vg_rc rc;

	if (i < s->written) /* only the last one can hold what was never acknowledged */
		sure = VG_SEGMENT_ALL;
	rc = vg_segment_open(s->d, g->name, sure, &bad, &x);
	if (rc == VG_E_FORMAT)
		return damaged(damage, g->name, bad.at, "no whole block stands here");
	if (rc == VG_E_UNSUP) {
		(void)damaged(damage, g->name, bad.at, "a later version of Vigie wrote what stands here: install that one, or a later one");
		return rc;
	}
	if (rc != VG_OK || (rc = vg_file_open(s->d, g->name, &f)) != VG_OK) {
		vg_segment_free(x);
		return rc;
	}
	g->first_leaf = s->frontier.n;
	for (size_t b = 0; rc == VG_OK && b < vg_segment_count(x); b++) {
		const struct vg_segment_block *k = vg_segment_at(x, b);
		char bytes[VG_BLOCK_HEAD];
		struct vg_hash leaf;

		if (k->head.leaf != s->frontier.n || k->head.first_seq < s->open[k->head.class].next_seq || k->head.last_seq == UINT64_MAX) {
			rc = damaged(damage, g->name, k->at, "the block does not follow the ones before");
			break;
		}
		if ((rc = vg_file_read(&f, bytes, sizeof(bytes), k->at)) != VG_OK)
			break;
		vg_block_leaf(vg_str_mem(bytes, sizeof(bytes)), &leaf);
		if ((rc = plant(s, &leaf, planted)) == VG_E_FORMAT)
			(void)damaged(damage, g->name, k->at, "the tree holds another leaf for this block");
		note_block(g, k);
		on_disk(s, &k->head);
	}
	vg_file_close(&f);
	if (rc == VG_OK && i >= s->written && vg_segment_count(x)) {
		vg_segment_free(s->last);
		s->last = x;
	} else {
		vg_segment_free(x);
	}
	return rc;
}

/* Those that hold nothing were begun and not used: they go, and their names are free again. */
static vg_rc
drop_begun(struct vg_store *s)
{
	vg_rc rc = VG_OK;

	for (; rc == VG_OK && s->n && s->segment[s->n - 1].leaves == 0; s->n--)
		if (!s->d->read_only)
			rc = vg_disk_remove(s->d, s->segment[s->n - 1].name);
	return rc;
}

static vg_rc
read_checkpoint(struct vg_store *s, struct vg_store_damage *damage)
{
	struct vg_buf b = { 0 };
	vg_str text;
	vg_rc rc = vg_disk_slurp(s->d, VG_CHECKPOINT_FILE, VG_NOTE_BYTES_MAX, &b);

	vg_frontier_root(&s->frontier, &s->checkpoint.root);
	if (rc == VG_OK && ((rc = vg_note_text(vg_buf_str(&b), &text)) != VG_OK || (rc = vg_checkpoint_parse(text, &s->checkpoint)) != VG_OK))
		rc = damaged(damage, VG_CHECKPOINT_FILE, 0, "it is no checkpoint");
	else if (rc == VG_OK && strcmp(s->checkpoint.origin, s->origin) != 0)
		rc = damaged(damage, VG_CHECKPOINT_FILE, 0, "it is another log's");
	vg_buf_fini(&b);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

static vg_rc
read_all(struct vg_store *s, struct vg_store_damage *damage)
{
	uint64_t planted;
	vg_rc rc;

	/* in this order: a reader, while others write, finds the blocks of what it read before */
	if ((rc = read_checkpoint(s, damage)) != VG_OK || (rc = vg_tree_open(s->d, &planted, &s->tree)) != VG_OK ||
	    (rc = vg_disk_each(s->d, VG_SEGMENT_SUFFIX, on_name, s)) != VG_OK)
		return rc;
	if (s->n > 1)
		qsort(s->segment, s->n, sizeof(*s->segment), by_first);
	for (size_t i = 0; i < s->n; i++) /* those without a first block are behind all others */
		if (s->segment[i].first_leaf != UINT64_MAX)
			s->written = i;
	for (size_t i = 0; i < s->n; i++)
		if ((rc = open_segment(s, i, planted, damage)) != VG_OK)
			return rc;
	if (s->frontier.n < planted || s->frontier.n < s->checkpoint.size) {
		snprintf(damage->what, sizeof(damage->what), "%llu blocks are missing at the end",
			 (unsigned long long)((planted > s->checkpoint.size ? planted : s->checkpoint.size) - s->frontier.n));
		snprintf(damage->name, sizeof(damage->name), "%s", s->n ? s->segment[s->n - 1].name : VG_CHECKPOINT_FILE);
		damage->at = s->n ? s->segment[s->n - 1].bytes : 0;
		return VG_E_FORMAT;
	}
	if ((rc = drop_begun(s)) != VG_OK)
		return rc;
	if ((rc = vg_store_is_grown(s, s->checkpoint.size, &s->checkpoint.root)) == VG_E_REFUSED)
		rc = damaged(damage, VG_CHECKPOINT_FILE, 0, "the blocks are others than the checkpoint says");
	return rc;
}

vg_rc
vg_store_open(struct vg_disk *d, const char *origin, const uint8_t *tenant_key, struct vg_store_damage *damage, struct vg_store **out)
{
	struct vg_store *s = calloc(1, sizeof(*s));
	vg_rc rc = VG_OK;

	*damage = (struct vg_store_damage){ .at = 0 };
	if (s == NULL)
		return VG_E_NOMEM;
	s->d = d;
	s->keys_dir.dir = -1;
	s->next_seq = 1;
	s->segment_bytes = VG_SEGMENT_BYTES;
	snprintf(s->origin, sizeof(s->origin), "%s", origin);
	if (tenant_key && (rc = vg_disk_folder(d, "keys", &s->keys_dir)) == VG_OK &&
	    (rc = vg_keyring_open(&s->keys_dir, tenant_key, damage->name, &s->keys)) != VG_OK && damage->name[0])
		snprintf(damage->what, sizeof(damage->what), "%s", rc == VG_E_REFUSED ? "this key was wrapped for another tenant" : "the key's file is damaged");
	if (rc == VG_OK)
		rc = read_all(s, damage);
	if (rc != VG_OK) {
		vg_store_free(s);
		return rc;
	}
	*out = s;
	return VG_OK;
}

void
vg_store_set_segment_bytes(struct vg_store *s, uint64_t bytes)
{
	s->segment_bytes = bytes;
}

void
vg_store_free(struct vg_store *s)
{
	int keep = errno;

	if (s == NULL)
		return;
	vg_segment_free(s->last);
	vg_tree_free(s->tree);
	vg_keyring_free(s->keys);
	vg_opener_fini(&s->opener);
	vg_disk_close(&s->keys_dir);
	for (unsigned c = 0; c < VG_CLASSES_MAX; c++)
		vg_block_writer_fini(&s->open[c].block);
	vg_buf_fini(&s->out);
	free(s->segment);
	free(s);
	errno = keep;
}

/* ---- writing ---- */

/* Does the open block go to the last segment? */
static bool
goes_on(const struct vg_store *s)
{
	const struct vg_store_segment *now = s->n ? &s->segment[s->n - 1] : NULL;
	char name[VG_DISK_NAME_MAX];

	vg_segment_name(s->day * VG_DAY, 0, name);
	return s->last && now && memcmp(now->name, name, strlen("YYYY-MM-DD")) == 0 && now->bytes < s->segment_bytes && now->leaves < VG_SEGMENT_BLOCKS_MAX;
}

/* The segment that the open block goes to. */
static vg_rc
segment_for(struct vg_store *s)
{
	struct vg_store_segment g = { .first_leaf = s->frontier.n };
	struct vg_segment *x;
	vg_rc rc = VG_E_REFUSED;

	if (goes_on(s))
		return VG_OK;
	if ((rc = room(s)) != VG_OK)
		return rc;
	for (unsigned part = 0; part < 10000; part++) { /* a clock that went back finds its day taken */
		vg_segment_name(s->day * VG_DAY, part, g.name);
		if ((rc = vg_segment_create(s->d, g.name, &x)) == VG_OK || errno != EEXIST)
			break;
	}
	if (rc != VG_OK)
		return rc;
	vg_segment_free(s->last);
	vg_opener_forget(&s->opener);
	s->last = x;
	s->segment[s->n++] = g;
	return VG_OK;
}

/* What the block is compressed behind.  Where that cannot be had (a block of it is damaged), it does without. */
static vg_str
prefix_for(struct vg_store *s, const struct vg_block_writer *w, const struct vg_day_key *key)
{
	vg_str prefix;

	if (w->bytes > VG_BLOCK_SMALL || !goes_on(s) ||
	    vg_opener_prefix(&s->opener, vg_segment_file(s->last), s->segment[s->n - 1].bytes, key ? key->number : 0, key ? key->key : NULL, PREFIX_BLOCKS, &prefix) != VG_OK)
		return VG_NIL;
	return prefix;
}

static vg_rc
finish_block(struct vg_store *s, unsigned class)
{
	struct vg_block_writer *w = &s->open[class].block;
	const struct vg_day_key *key = NULL;
	vg_rc rc = VG_OK;

	if (s->out.n) /* made, and not written: the disk was full */
		return VG_OK;
	if (s->keys && (rc = vg_keyring_of_day(s->keys, (uint32_t)s->day, class, &key)) != VG_OK)
		return rc;
	s->making = class;
	w->level = s->level;
	w->prefix = prefix_for(s, w, key);
	w->head.leaf = s->frontier.n;
	if ((rc = vg_block_finish(w, key ? key->key : NULL, key ? key->number : 0, &s->out)) != VG_OK)
		vg_buf_clear(&s->out);
	return rc;
}

/* The block of @class; when another one was made and could not be written, that one. */
static vg_rc
cut_one(struct vg_store *s, unsigned class)
{
	struct vg_store_segment *g;
	const struct vg_segment_block *b;
	struct vg_hash leaf;
	vg_rc rc;

	if ((rc = finish_block(s, class)) != VG_OK || (rc = segment_for(s)) != VG_OK)
		return rc;
	if (vg_segment_count(s->last) == s->segment[s->n - 1].leaves && (rc = vg_segment_add(s->last, vg_buf_str(&s->out))) != VG_OK)
		return rc;
	vg_block_leaf(vg_str_cut(vg_buf_str(&s->out), VG_BLOCK_HEAD), &leaf);
	if ((rc = vg_tree_add(s->tree, &leaf)) != VG_OK) /* the block is there, and is not written again */
		return rc;
	vg_frontier_add(&s->frontier, &leaf);
	g = &s->segment[s->n - 1];
	b = vg_segment_at(s->last, vg_segment_count(s->last) - 1);
	note_block(g, b);
	on_disk(s, &b->head);
	if (s->on_block) {
		const struct vg_day_key *key = s->keys ? vg_keyring_find(s->keys, b->head.key) : NULL;

		s->on_block(s->ctx, g, b, vg_buf_str(&s->open[s->making].block.payload), key ? key->key : NULL);
	}
	s->open[s->making].any = false;
	vg_buf_clear(&s->out);
	return VG_OK;
}

static vg_rc
cut_class(struct vg_store *s, unsigned class)
{
	vg_rc rc = VG_OK;

	while (rc == VG_OK && s->open[class].any)
		rc = cut_one(s, class);
	return rc;
}

vg_rc
vg_store_cut(struct vg_store *s)
{
	vg_rc rc = VG_OK;

	for (unsigned c = 0; rc == VG_OK && c < VG_CLASSES_MAX; c++)
		rc = cut_class(s, c);
	return rc;
}

vg_rc
vg_store_add(struct vg_store *s, const struct vg_record *r)
{
	int64_t day = day_of(r->recv_ns);
	struct open *o;
	vg_rc rc;

	if (r->class >= VG_CLASSES_MAX)
		return VG_E_REFUSED;
	o = &s->open[r->class];
	if (r->seq < s->taken_seq)
		return VG_OK;
	if (r->seq < o->next_seq) { /* of a run before this one; others of that time may not be on disk */
		s->taken_seq = r->seq + 1;
		return VG_OK;
	}
	if (day != s->day && (rc = vg_store_cut(s)) != VG_OK)
		return rc;
	/* one that is made already takes no more: its cut failed, and is tried again */
	if (o->any && ((s->out.n && s->making == r->class) || vg_block_is_full(&o->block)) && (rc = cut_class(s, r->class)) != VG_OK)
		return rc;
	s->day = day;
	if (!o->any)
		vg_block_begin(&o->block);
	rc = vg_block_add(&o->block, r);
	if (rc == VG_E_LIMIT && o->any) {
		if ((rc = cut_class(s, r->class)) != VG_OK)
			return rc;
		vg_block_begin(&o->block);
		rc = vg_block_add(&o->block, r);
	}
	if (rc != VG_OK)
		return rc;
	o->any = true;
	s->taken_seq = r->seq + 1;
	return VG_OK;
}

uint64_t
vg_store_next(const struct vg_store *s)
{
	return s->next_seq;
}

size_t
vg_store_waiting(const struct vg_store *s)
{
	size_t n = 0;

	for (unsigned c = 0; c < VG_CLASSES_MAX; c++)
		n += s->open[c].any ? s->open[c].block.head.count : 0;
	return n;
}

/* ---- checkpoints ---- */

vg_rc
vg_store_root(struct vg_store *s, struct vg_checkpoint *out)
{
	snprintf(out->origin, sizeof(out->origin), "%s", s->origin);
	out->size = s->frontier.n;
	vg_frontier_root(&s->frontier, &out->root);
	out->seq = s->taken_seq > s->checkpoint.seq ? s->taken_seq : s->checkpoint.seq ? s->checkpoint.seq : 1;
	for (unsigned c = 0; c < VG_CLASSES_MAX; c++)
		if (s->open[c].any && s->open[c].block.head.first_seq < out->seq)
			out->seq = s->open[c].block.head.first_seq;
	return VG_OK;
}

vg_rc
vg_store_is_grown(struct vg_store *s, uint64_t old, const struct vg_hash *root)
{
	struct vg_hash was;
	vg_rc rc;

	if (old > s->frontier.n)
		return VG_E_REFUSED;
	if ((rc = vg_tree_root(old, vg_tree_subtree, s->tree, &was)) != VG_OK)
		return rc;
	return vg_hash_eq(&was, root) ? VG_OK : VG_E_REFUSED;
}

vg_rc
vg_store_prove(struct vg_store *s, uint64_t old, struct vg_hash *root, struct vg_proof *out)
{
	vg_rc rc;

	if (old > s->frontier.n)
		return VG_E_NOTFOUND;
	if ((rc = vg_tree_root(old, vg_tree_subtree, s->tree, root)) != VG_OK)
		return rc;
	return vg_prove_consistency(old, s->frontier.n, vg_tree_subtree, s->tree, out);
}

vg_rc
vg_store_publish(struct vg_store *s, vg_str note)
{
	struct vg_checkpoint c;
	vg_str text;
	vg_rc rc;

	if ((rc = vg_note_text(note, &text)) != VG_OK || (rc = vg_checkpoint_parse(text, &c)) != VG_OK)
		return rc;
	if (strcmp(c.origin, s->origin) != 0 || c.seq > s->next_seq || (rc = vg_store_is_grown(s, c.size, &c.root)) == VG_E_REFUSED)
		return VG_E_FORMAT;
	if (rc != VG_OK || (rc = vg_tree_write_partial(s->tree)) != VG_OK || (rc = vg_disk_replace(s->d, VG_CHECKPOINT_FILE, note)) != VG_OK)
		return rc;
	s->checkpoint = c;
	return VG_OK;
}

const struct vg_checkpoint *
vg_store_last(const struct vg_store *s)
{
	return &s->checkpoint;
}

uint64_t
vg_store_outside(struct vg_disk *d)
{
	struct vg_buf note = { 0 };
	struct vg_checkpoint c;
	vg_str text;
	uint64_t seq = 1;

	if (vg_disk_slurp(d, VG_CHECKPOINT_FILE, VG_NOTE_BYTES_MAX, &note) == VG_OK && vg_note_text(vg_buf_str(&note), &text) == VG_OK && vg_checkpoint_parse(text, &c) == VG_OK)
		seq = c.seq;
	vg_buf_fini(&note);
	return seq;
}

/* ---- erasing ---- */

typedef vg_rc under_fn(void *ctx, struct vg_file *f, const struct vg_segment_block *b);

/* The blocks of segment @i that are under key @number; @others: some are not. */
static vg_rc
each_under(struct vg_store *s, size_t i, uint32_t number, bool *any, bool *others, under_fn *each, void *ctx)
{
	struct vg_disk plain = { .dir = s->d->dir, .read_only = true };
	struct vg_segment_damage bad;
	struct vg_segment *x;
	struct vg_file f;
	vg_rc rc = vg_file_open(s->d, s->segment[i].name, &f);

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_segment_open(&plain, s->segment[i].name, 0, &bad, &x)) != VG_OK) {
		vg_file_close(&f);
		return rc;
	}
	*any = *others = false;
	for (size_t b = 0; rc == VG_OK && b < vg_segment_count(x) && b < s->segment[i].leaves; b++) {
		const struct vg_segment_block *k = vg_segment_at(x, b);

		*any |= k->head.key == number;
		*others |= k->head.key != number && (s->keys == NULL || vg_keyring_find(s->keys, k->head.key) != NULL);
		if (k->head.key == number)
			rc = each(ctx, &f, k);
	}
	if (rc == VG_OK && *any && !s->d->read_only)
		rc = vg_file_sync(s->d, &f);
	vg_segment_free(x);
	vg_file_close(&f);
	return rc;
}

struct heads {
	struct vg_destroyed *out;
	crypto_hash_sha256_state sha;
};

static vg_rc
count_head(void *ctx, struct vg_file *f, const struct vg_segment_block *b)
{
	struct heads *h = ctx;
	char head[VG_BLOCK_HEAD];
	vg_rc rc = vg_file_read(f, head, sizeof(head), b->at);

	if (rc != VG_OK)
		return rc;
	vg_destroyed_add(h->out, &b->head);
	(void)crypto_hash_sha256_update(&h->sha, (const unsigned char *)head, sizeof(head));
	return VG_OK;
}

vg_rc
vg_store_under(struct vg_store *s, uint32_t number, struct vg_destroyed *out)
{
	struct vg_disk *d = s->d;
	struct vg_disk plain = { .dir = d->dir, .read_only = true };
	struct heads h = { .out = out };
	bool any, others;
	vg_rc rc = VG_OK;

	*out = (struct vg_destroyed){ .blocks = 0 };
	(void)crypto_hash_sha256_init(&h.sha);
	s->d = &plain; /* nothing is written, so nothing is synced */
	for (size_t i = 0; i < s->n && rc == VG_OK; i++)
		rc = each_under(s, i, number, &any, &others, count_head, &h);
	s->d = d;
	(void)crypto_hash_sha256_final(&h.sha, out->heads.b);
	return rc;
}

static vg_rc
erase_one(void *ctx, struct vg_file *f, const struct vg_segment_block *b)
{
	return vg_file_erase(ctx, f, b->at + VG_BLOCK_HEAD, b->head.stored);
}

vg_rc
vg_store_erase(struct vg_store *s, uint32_t number, void (*last_of)(void *ctx, const char *segment), void *ctx)
{
	bool any, others;
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < s->n && rc == VG_OK; i++)
		if ((rc = each_under(s, i, number, &any, &others, erase_one, s->d)) == VG_OK && any && !others && last_of)
			last_of(ctx, s->segment[i].name);
	return rc;
}

size_t
vg_store_segments(const struct vg_store *s)
{
	return s->n;
}

const struct vg_store_segment *
vg_store_segment(const struct vg_store *s, size_t i)
{
	return i < s->n ? &s->segment[i] : NULL;
}

struct vg_keyring *
vg_store_keys(struct vg_store *s)
{
	return s->keys;
}

void
vg_store_set_level(struct vg_store *s, int level)
{
	s->level = level;
}

void
vg_store_on_block(struct vg_store *s, vg_store_block_fn *fn, void *ctx)
{
	s->on_block = fn;
	s->ctx = ctx;
}
