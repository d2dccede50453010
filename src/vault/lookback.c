#include "vault/lookback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "source/decode.h"
#include "vault/opener.h"
#include "vault/segment.h"
#include "vault/words.h"

#define SKIP_MAX 4096  /* blocks that one step passes over */
#define PIECE_MIN 3
#define SEGMENTS_MAX 100000

struct listed {
	char name[VG_DISK_NAME_MAX];
	uint64_t leaf, first, bytes; /* of its first block: which leaf, its first record's number */
};
struct vg_lookback {
	struct vg_lookback_options o;
	struct vg_lookback_stats n;
	struct listed *list; /* owned; in the order of the tree */
	size_t nlist, cap, at; /* at: the segment at hand */
	uint64_t next, resumed; /* behind the highest number gone through; that of a run before this one */
	uint64_t done_leaf; /* blocks before it were gone through by that run; 0: not known */
	uint64_t done[VG_CLASSES_MAX]; /* behind the last record of each class of retention that was gone through in this run */
	bool listing, any; /* the list is of this pass; some block was gone through in it */

	struct vg_segment *segment; /* at hand; NULL: none */
	size_t block;               /* next one of it */
	int index_fd;
	struct vg_tokens *index;    /* NULL: none */
	size_t group, asked;        /* that the block at hand may be in; whose blocks are in may */
	struct vg_tokens_set may;

	struct vg_opener opener;
	struct vg_buf stored, payload;
	struct vg_record *record; /* owned */
	size_t records_cap;
	struct vg_decoder decoder;
	const struct vg_record *r; /* at hand */
	uint16_t place;
	vg_rc event_rc; /* what event() said last that was not VG_OK */
};

/* ---- the segments ---- */

static vg_rc
on_name(void *ctx, const char *name)
{
	struct vg_lookback *l = ctx;
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	struct vg_file f;
	uint64_t bytes = 0;
	vg_rc rc;

	if (l->nlist == SEGMENTS_MAX)
		return VG_E_LIMIT;
	if (l->nlist == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		void *p = realloc(l->list, cap * sizeof(*l->list));

		if (p == NULL)
			return VG_E_NOMEM;
		l->list = p;
		l->cap = cap;
	}
	if ((rc = vg_file_open(l->o.dir, name, &f)) != VG_OK)
		return rc == VG_E_NOTFOUND ? VG_OK : rc; /* it was just deleted */
	if (vg_file_size(&f, &bytes) == VG_OK && vg_file_read(&f, head, sizeof(head), 0) == VG_OK &&
	    vg_block_head_take(vg_str_mem(head, sizeof(head)), &h) == VG_OK) {
		snprintf(l->list[l->nlist].name, VG_DISK_NAME_MAX, "%.60s", name);
		l->list[l->nlist].bytes = bytes;
		l->list[l->nlist].leaf = h.leaf;
		l->list[l->nlist++].first = h.first_seq;
	}
	vg_file_close(&f);
	return VG_OK;
}

static int
by_first(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return (x->leaf > y->leaf) - (x->leaf < y->leaf);
}

/* The block that the run before this one was done with last, by its last record's number: no other block has that. */
static void
find_place(struct vg_lookback *l)
{
	struct vg_segment_damage bad;
	struct vg_segment *s;

	for (size_t i = l->at; l->resumed && l->done_leaf == 0 && i < l->nlist && i < l->at + 3; i++) {
		if (vg_segment_open(l->o.dir, l->list[i].name, 0, &bad, &s) != VG_OK)
			continue;
		for (size_t b = 0; b < vg_segment_count(s); b++)
			if (vg_segment_at(s, b)->head.last_seq == l->resumed - 1)
				l->done_leaf = vg_segment_at(s, b)->head.leaf + 1;
		vg_segment_free(s);
	}
}

/* Begin one before the last segment that may hold the next number: blocks of several classes are open at a time. */
static vg_rc
list_segments(struct vg_lookback *l)
{
	vg_rc rc;

	l->nlist = l->at = 0;
	l->n.bytes = l->n.all_bytes = 0;
	l->any = false;
	if ((rc = vg_disk_each(l->o.dir, VG_SEGMENT_SUFFIX, on_name, l)) != VG_OK)
		return rc;
	if (l->nlist > 1)
		qsort(l->list, l->nlist, sizeof(*l->list), by_first);
	for (size_t i = 0; i < l->nlist; i++)
		l->n.all_bytes += l->list[i].bytes;
	while (l->at + 2 < l->nlist && l->list[l->at + 2].first <= l->next)
		l->n.bytes += l->list[l->at++].bytes;
	find_place(l);
	l->listing = true;
	return VG_OK;
}

static void
close_segment(struct vg_lookback *l)
{
	vg_tokens_close(l->index);
	l->index = NULL;
	if (l->index_fd >= 0)
		close(l->index_fd);
	l->index_fd = -1;
	vg_segment_free(l->segment);
	l->segment = NULL;
	vg_opener_forget(&l->opener);
}

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	const struct vg_lookback *l = ctx;

	return l->o.key ? l->o.key(l->o.ctx, number) : NULL;
}

static vg_rc
open_index(struct vg_lookback *l, const char *name)
{
	char index[VG_DISK_NAME_MAX];
	vg_rc rc;

	if (l->o.npiece == 0)
		return VG_OK;
	snprintf(index, sizeof(index), "%.*s" VG_TOKENS_SUFFIX, (int)(strlen(name) - strlen(VG_SEGMENT_SUFFIX)), name);
	if ((l->index_fd = openat(l->o.dir->dir, index, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return VG_OK;
	l->group = 0;
	l->asked = SIZE_MAX;
	rc = vg_tokens_open(l->index_fd, key_of, l, &l->index);
	return rc == VG_E_NOMEM ? rc : VG_OK;
}

/* VG_E_STOP: this one is not to be had, and counted. */
static vg_rc
open_segment(struct vg_lookback *l)
{
	struct vg_segment_damage damage;
	vg_rc rc = vg_segment_open(l->o.dir, l->list[l->at].name, 0, &damage, &l->segment);

	if (rc == VG_E_NOMEM)
		return rc;
	if (rc != VG_OK) {
		l->n.bad_segments += rc != VG_E_NOTFOUND;
		l->segment = NULL;
		return VG_E_STOP;
	}
	l->block = 0;
	return open_index(l, l->list[l->at].name);
}

/* ---- one block ---- */

/* Of a group: the blocks that may hold one of the pieces. */
static vg_rc
ask_group(struct vg_lookback *l)
{
	struct vg_tokens_set one;
	vg_rc rc = VG_OK;

	memset(&l->may, 0, sizeof(l->may));
	for (size_t i = 0; i < l->o.npiece && rc == VG_OK; i++) {
		rc = vg_tokens_find(l->index, l->group, l->o.piece[i], &one);
		for (size_t k = 0; rc == VG_OK && k < VG_COUNT(one.bit); k++)
			l->may.bit[k] |= one.bit[k];
	}
	l->asked = l->group;
	if (rc != VG_OK && rc != VG_E_NOMEM) { /* it is damaged: all of its blocks are read */
		memset(&l->may, 0xff, sizeof(l->may));
		return VG_OK;
	}
	return rc;
}

/* The row that the block at @at is in; rows ascend.  NULL: none. */
static const struct vg_tokens_row *
row_of(const struct vg_tokens_group *g, uint64_t at)
{
	uint32_t low = 0, high = g->nblock;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (g->row[mid].at <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low && at < g->row[low - 1].at + VG_BLOCK_HEAD + g->row[low - 1].stored ? &g->row[low - 1] : NULL;
}

/* Does the index say that the block at @at holds nothing that is wanted? */
static vg_rc
ask_index(struct vg_lookback *l, uint64_t at, bool *skip)
{
	const struct vg_tokens_group *g;
	vg_rc rc;

	*skip = false;
	for (size_t n = l->index ? l->index->ngroup : 0; n > 0; n--, l->group = (l->group + 1) % l->index->ngroup) {
		const struct vg_tokens_row *r;

		g = &l->index->group[l->group];
		if ((r = row_of(g, at)) == NULL)
			continue;
		if (r->flags & (VG_TOKENS_HIDES | VG_TOKENS_AUDIT))
			return VG_OK;
		if (l->asked != l->group && (rc = ask_group(l)) != VG_OK)
			return rc;
		*skip = !vg_tokens_has(&l->may, (unsigned)(r - g->row));
		return VG_OK;
	}
	return VG_OK;
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct vg_lookback *l = ctx;
	uint16_t place = l->place;

	l->n.events++;
	if (l->place < UINT16_MAX)
		l->place++;
	return l->event_rc = l->o.event(l->o.ctx, l->r, e, place);
}

/* A record that cannot be decoded to its end, or that is more than memory holds, is counted; what event() says ends the looking. */
vg_rc
vg_lookback_record(struct vg_lookback *l, const struct vg_record *r)
{
	vg_rc rc;

	if (l->o.wanted && !l->o.wanted(l->o.ctx, r))
		return VG_OK;
	l->r = r;
	l->place = 0;
	l->n.records++;
	l->event_rc = VG_OK;
	rc = vg_decoder_record(&l->decoder, r->raw, r->recv_ns, on_event, l);
	l->n.failed += rc != VG_OK && l->event_rc == VG_OK;
	return l->event_rc;
}

/* The records of the stored block at hand, in l->record; 0: nobody can read it, which is counted. */
static vg_rc
read_block(struct vg_lookback *l, size_t i, uint32_t *count)
{
	const struct vg_block_head *h = &vg_segment_at(l->segment, i)->head;
	const uint8_t *key = NULL;
	struct vg_block_reader b;
	vg_rc rc;

	*count = 0;
	if (h->key && (key = key_of(l, h->key)) == NULL) {
		l->n.no_key++;
		return VG_OK;
	}
	vg_buf_clear(&l->stored);
	vg_buf_clear(&l->payload);
	if ((rc = vg_segment_read(l->segment, i, &l->stored)) == VG_OK)
		rc = vg_opener_open(&l->opener, vg_segment_file(l->segment), vg_segment_at(l->segment, i)->at, h, vg_str_mem(l->stored.p, VG_BLOCK_HEAD),
				    vg_str_skip(vg_buf_str(&l->stored), VG_BLOCK_HEAD), key, &l->payload);
	if (rc == VG_OK && (rc = vg_block_reader_open(h, vg_buf_str(&l->payload), &b)) == VG_OK) {
		if (b.count > l->records_cap) {
			void *p = realloc(l->record, b.count * sizeof(*l->record));

			if (p == NULL)
				return VG_E_NOMEM;
			l->record = p;
			l->records_cap = b.count;
		}
		if ((rc = vg_block_all(&b, l->record)) == VG_OK)
			*count = h->count;
	}
	if (rc == VG_E_NOMEM || rc == VG_E_SYS)
		return rc;
	l->n.bad_blocks += rc != VG_OK;
	return VG_OK;
}

static vg_rc
look_at_block(struct vg_lookback *l, size_t i)
{
	uint32_t n;
	vg_rc rc = read_block(l, i, &n);

	for (uint32_t k = 0; rc == VG_OK && k < n; k++)
		rc = vg_lookback_record(l, &l->record[k]);
	return rc;
}

/* Was the block at hand gone through, in this run or in the one before?  Where that one's place is not known to the block, it knew the highest number
 * alone; but what waits is cut all at once, so the blocks that it left lie behind, or among the last few before, the first one that reaches it. */
static bool
is_done(const struct vg_lookback *l)
{
	size_t n = vg_segment_count(l->segment);
	const struct vg_block_head *h = &vg_segment_at(l->segment, l->block)->head;

	if (h->last_seq < l->done[h->class] || h->leaf < l->done_leaf)
		return true;
	if (l->done_leaf) /* the place was found */
		return false;
	for (size_t i = l->block; i < n && i <= l->block + VG_CLASSES_MAX; i++)
		if (vg_segment_at(l->segment, i)->head.last_seq >= l->resumed)
			return false;
	return l->block + VG_CLASSES_MAX < n || (l->at + 1 < l->nlist && l->list[l->at + 1].first > l->resumed);
}

/* The next blocks of the segment at hand; @read: one was read.  VG_E_STOP: it has no more. */
static vg_rc
go_on(struct vg_lookback *l, bool *read)
{
	*read = false;
	for (unsigned n = 0; n < SKIP_MAX && !*read; n++) {
		const struct vg_segment_block *b = vg_segment_at(l->segment, l->block);
		bool skip = false;
		vg_rc rc;

		if (l->block >= vg_segment_count(l->segment))
			return VG_E_STOP;
		if (!is_done(l)) {
			if ((rc = ask_index(l, b->at, &skip)) != VG_OK || (!skip && (rc = look_at_block(l, l->block)) != VG_OK))
				return rc;
			*read = !skip;
			l->any = true;
			l->n.blocks++;
			l->n.by_index += skip;
			l->done[b->head.class] = b->head.last_seq + 1;
			if (b->head.last_seq >= l->next)
				l->next = b->head.last_seq + 1;
		}
		l->n.bytes += VG_BLOCK_HEAD + b->head.stored;
		l->block++;
	}
	return VG_OK;
}

vg_rc
vg_lookback_step(struct vg_lookback *l)
{
	bool read;
	vg_rc rc;

	if (!l->listing && (rc = list_segments(l)) != VG_OK)
		return rc;
	while (l->at < l->nlist) {
		rc = l->segment ? VG_OK : open_segment(l);
		if (rc == VG_OK)
			rc = go_on(l, &read);
		if (rc != VG_E_STOP)
			return rc;
		close_segment(l);
		l->at++;
	}
	l->listing = false; /* look again: the last one may have grown */
	return l->any ? VG_OK : VG_E_STOP;
}

vg_rc
vg_lookback_new(const struct vg_lookback_options *o, struct vg_lookback **out)
{
	struct vg_lookback *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return VG_E_NOMEM;
	l->o = *o;
	l->next = l->resumed = o->next;
	l->index_fd = -1;
	vg_decoder_init(&l->decoder, o->packs, o->keys, 0);
	*out = l;
	return VG_OK;
}

void
vg_lookback_free(struct vg_lookback *l)
{
	if (l == NULL)
		return;
	close_segment(l);
	vg_decoder_fini(&l->decoder);
	vg_opener_fini(&l->opener);
	vg_buf_fini(&l->stored);
	vg_buf_fini(&l->payload);
	free(l->record);
	free(l->list);
	free(l);
}

uint64_t
vg_lookback_next(const struct vg_lookback *l)
{
	return l->next;
}

const struct vg_lookback_stats *
vg_lookback_stats(const struct vg_lookback *l)
{
	return &l->n;
}

/* One word that may be a part of a number, as a digest is of a longer one, can be in any block: numbers stand in no dictionary. */
static bool
tells_apart(vg_str piece)
{
	struct vg_words w = { .text = piece };
	vg_str word, more;

	return vg_words_next(&w, &word) && (vg_words_next(&w, &more) || !vg_word_in_number(word));
}

bool
vg_lookback_piece(vg_str keyword, char *buf, vg_str *out)
{
	size_t best = 0, from = 0, begin = 0;

	for (size_t i = 0; i <= keyword.n; i++) {
		if (i < keyword.n && vg_byte_is(keyword.p[i], VG_BYTE_SAFE))
			continue;
		if (i - begin > best) {
			best = i - begin;
			from = begin;
		}
		begin = i + 1;
	}
	vg_lower(vg_str_mem(keyword.p + from, best), buf);
	*out = vg_str_mem(buf, best);
	return best >= PIECE_MIN && tells_apart(*out);
}
