#include "vault/search.h"

#include <stdlib.h>
#include <time.h>

#include "base/map.h"
#include "base/utf.h"
#include "detect/needle.h"
#include "source/decode.h"
#include "vault/disk.h"
#include "vault/need.h"
#include "vault/opener.h"
#include "vault/sieve.h"
#include "vault/words.h"

#define COVER_MAX 64
#define NEED_BYTES ((size_t)16 << 20)
#define SCRATCH_BYTES ((size_t)64 << 20)
#define PLACES (UINT64_C(1) << 20) /* that a block has: over VG_BLOCK_RECORDS_MAX */
#define UNINDEXED UINT32_MAX
#define AUDIT VG_STR("msg=audit(")

/* Why a record is a candidate. */
enum { MARK_FOUND = 1, MARK_SPECIAL = 2, MARK_ESCAPE = 4 };

/* A block of the segment at hand, or a row of several in its index. */
struct row {
	struct vg_tokens_row r;
	uint32_t group, block; /* in the index; group UNINDEXED: none */
	uint64_t leaf;         /* of its first block: which leaf of the tree */
};

struct scanner {
	struct vg_needle *needle; /* NULL: every record is a candidate */
	bool escapes;             /* and those with an escape too */
	size_t piece;             /* bytes of the one literal, when finding it is all that the rule asks for */
};

/* Which blocks of a group of the index can meet a need. */
struct asked {
	uint32_t group; /* UNINDEXED: not asked yet */
	struct vg_tokens_set may;
};

struct run {
	const struct vg_search *s;
	struct vg_search_result *out;
	int64_t deadline_ns; /* monotonic */
	uint64_t done;       /* all before this place, in the direction, was gone through */
	bool done_any, ended;

	struct vg_arena need_arena, scratch;
	struct vg_need *need;
	struct scanner scan[2];        /* by literals, and by expressions where literals let too much through */
	unsigned scanned_by;
	uint64_t seen, found;          /* records of the blocks scanned, and those in them that were found */
	struct vg_needle *audit;
	bool of_keywords, raw_decides, has_pieces;
	struct vg_regexes *re;
	struct vg_decoder decoder;
	struct vg_sieve *sieve;    /* NULL: field caches are of no use */
	struct asked *asked_field; /* owned; one an item of the sieve */

	/* of the segment at hand */
	size_t segment;
	struct vg_tokens *index;       /* NULL: none */
	struct vg_buf rows;            /* struct row */
	uint64_t first_leaf;           /* of its first block: which leaf of the tree */
	struct vg_buf inner;           /* the same, of the blocks of a row */
	struct asked asked;            /* of need */

	/* of the block at hand */
	const struct row *row;
	struct vg_opener opener;
	struct vg_buf stored, payload, lower, end /* size_t each */;
	struct vg_record *record;      /* owned */
	uint8_t *mark;                 /* owned: candidates */
	size_t cap;
	uint32_t count, row_records;

	/* of the record at hand */
	const struct vg_record *r;
	uint32_t at;
	bool matched, special; /* special: its raw bytes do not tell all */
	bool lowered;          /* they are in lower, in lower case */

	uint64_t (*given)[2]; /* hashes of identities; owned, open addressing */
	size_t ngiven, given_cap;
};

static int64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * VG_SEC + t.tv_nsec;
}

static void
end_with(struct run *x, enum vg_search_end end)
{
	x->out->end = end;
	x->ended = true;
}

/* ---- what was given already ---- */

/* false: @key was seen before, or there is no room to know. */
static bool
remember(struct run *x, const uint64_t key[2], bool *seen)
{
	size_t max = x->s->max_given ? x->s->max_given : VG_SEARCH_GIVEN_MAX, at;

	*seen = false;
	if (x->ngiven * 2 >= x->given_cap) {
		size_t cap = x->given_cap ? 2 * x->given_cap : 1024;
		uint64_t(*p)[2] = x->ngiven >= max ? NULL : calloc(cap, sizeof(*p));

		if (p == NULL) {
			x->out->stats.given_full = true;
			if (x->given_cap == 0 || x->ngiven + 1 >= x->given_cap)
				return false;
		} else {
			for (size_t i = 0; i < x->given_cap; i++) {
				for (at = x->given[i][0] & (cap - 1); (x->given[i][0] | x->given[i][1]) && (p[at][0] | p[at][1]);)
					at = (at + 1) & (cap - 1);
				if (x->given[i][0] | x->given[i][1])
					memcpy(p[at], x->given[i], sizeof(p[at]));
			}
			free(x->given);
			x->given = p;
			x->given_cap = cap;
		}
	}
	for (at = key[0] & (x->given_cap - 1); x->given[at][0] | x->given[at][1]; at = (at + 1) & (x->given_cap - 1))
		if (x->given[at][0] == key[0] && x->given[at][1] == key[1]) {
			*seen = true;
			return true;
		}
	if (x->ngiven >= max) {
		x->out->stats.given_full = true;
		return false;
	}
	memcpy(x->given[at], key, sizeof(x->given[at]));
	x->ngiven++;
	return true;
}

static void
hash_of(vg_str s, uint64_t seed, uint64_t out[2])
{
	static uint64_t secret; /* so that nobody makes two records fall together */

	if (secret == 0)
		secret = vg_map_hash(VG_STR("search")) | 1;
	out[0] = vg_hash64(s, secret ^ seed) | 1;
	out[1] = vg_hash64(s, secret + 77 + seed * 3);
}

/* What names the record, by whoever sent it; false: nothing does. */
static bool
identity(struct run *x, const struct vg_event *e, uint64_t out[2])
{
	const struct vg_field *number = e ? vg_event_find(e, VG_K_RECORD_ID) : NULL;
	vg_str host, name;
	char *p;

	if (x->r->id.n) {
		hash_of(x->r->id, (uint64_t)x->r->source << 2, out);
		return true;
	}
	if (number == NULL || number->value.n == 0 || e->host.n == 0 || e->channel.n == 0)
		return false;
	if ((p = vg_arena_alloc(&x->scratch, VG_FOLD_MAX(e->host.n))) == NULL)
		return false;
	host = vg_str_mem(p, vg_fold(e->host, p));
	name = vg_arena_printf(&x->scratch, "%.*s%c%.*s%c%.*s", VG_STR_ARG(host), 0, VG_STR_ARG(e->channel), 0, VG_STR_ARG(number->value));
	hash_of(name, 1, out);
	return name.p != NULL;
}

/* ---- one record ---- */

static bool
in_time(const struct run *x, int64_t t)
{
	return (x->s->from_ns == VG_TIME_NONE || t >= x->s->from_ns) && (x->s->to_ns == VG_TIME_NONE || t <= x->s->to_ns);
}

static vg_rc
give(struct run *x, const struct vg_event *e)
{
	struct vg_search_match m = { .record = x->r, .event = e, .segment = x->segment, .block_at = x->row->r.at, .at = x->at };
	uint64_t key[2];
	bool seen;
	vg_rc rc;

	m.time_ns = e ? vg_event_when(e, x->r->recv_ns) : x->r->recv_ns;
	x->matched = true;
	if (identity(x, e, key) && remember(x, key, &seen) && seen) {
		x->out->stats.repeated++;
		return VG_OK;
	}
	hash_of(x->r->raw, (uint64_t)x->r->source << 2 | 2, key);
	if (remember(x, key, &seen) && seen)
		m.resent = x->r->flags & VG_RECORD_RESENT;
	if ((rc = x->s->match(x->s->ctx, &m)) != VG_OK)
		return rc;
	x->out->stats.matches++;
	if (x->s->max_matches && x->out->stats.matches == x->s->max_matches)
		end_with(x, VG_SEARCH_PAGE);
	return VG_OK;
}

static vg_rc
stop_at_first(void *ctx, size_t end)
{
	(void)end;
	*(bool *)ctx = true;
	return VG_E_STOP;
}

/* Does what was decoded hold what is scanned for?  That costs less than asking the rule. */
static bool
holds_any(struct run *x, const struct vg_event *e)
{
	struct vg_needle *n = x->scan[x->scanned_by].needle;
	bool any = false;

	if (n == NULL || x->special || x->s->exhaustive)
		return true;
	vg_buf_clear(&x->lower);
	for (uint32_t i = 0; i < e->nfield; i++) {
		vg_buf_put(&x->lower, e->field[i].value);
		vg_buf_putc(&x->lower, '\n');
	}
	vg_buf_put(&x->lower, e->raw);
	return x->lower.rc != VG_OK || vg_needle_scan(n, vg_buf_str(&x->lower), stop_at_first, &any) != VG_OK || any;
}

/* The first event that matches is enough. */
static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct run *x = ctx;

	if (x->matched || (!x->s->by_arrival && !in_time(x, vg_event_when(e, x->r->recv_ns))))
		return VG_OK;
	vg_arena_reset(&x->scratch);
	return holds_any(x, e) && vg_eval(x->re, x->s->rule, e, &x->scratch, NULL, NULL) ? give(x, e) : VG_OK;
}

/* Of record @at of the block at hand, in the order of the tree. */
static uint64_t
place(const struct run *x, uint32_t at)
{
	return x->row->leaf * PLACES | at;
}

static bool
is_wanted(const struct run *x, const struct vg_record *r)
{
	const struct vg_search *s = x->s;
	size_t i = 0;

	if (s->has_cursor && (s->newest_first ? place(x, x->at) >= s->cursor : place(x, x->at) <= s->cursor))
		return false;
	if (s->by_arrival && !in_time(x, r->recv_ns))
		return false;
	while (i < s->nsource && s->source[i] != r->source)
		i++;
	return s->nsource == 0 || i < s->nsource;
}

/* The text that the one event of the record will have as raw: false when it has several, or none. */
static bool
bare_text(vg_str raw, vg_str *out)
{
	while (raw.n && (raw.p[raw.n - 1] == '\n' || raw.p[raw.n - 1] == '\r' || raw.p[raw.n - 1] == '\0'))
		raw.n--;
	*out = raw;
	if (raw.n == 0)
		return false;
	if (*raw.p == '{')
		return raw.p[raw.n - 1] == '}' && vg_str_find(raw, VG_STR("[{")) == VG_NPOS && vg_str_find(raw, VG_STR("[ ")) == VG_NPOS;
	return *raw.p == '<' ? raw.n > 1 && vg_is_digit(raw.p[1]) : vg_byte_is(*raw.p, VG_BYTE_WORD);
}

enum verdict { MATCHES, MATCHES_NOT, UNDECIDED };

/* What the raw bytes alone say. */
static enum verdict
by_raw(struct run *x)
{
	struct vg_event bare = { .arena = &x->scratch, .keys = x->s->keys };

	if (!x->of_keywords || x->s->exhaustive || !bare_text(x->r->raw, &bare.raw))
		return UNDECIDED;
	if (x->scan[x->scanned_by].piece && (x->mark[x->at] & MARK_FOUND))
		return MATCHES;
	vg_arena_reset(&x->scratch);
	if (vg_eval(x->re, x->s->rule, &bare, &x->scratch, NULL, NULL))
		return MATCHES;
	return x->raw_decides && !x->special && vg_text_escape(bare.raw, 0) == VG_NPOS ? MATCHES_NOT : UNDECIDED;
}

/* Do the record's bytes hold what is needed? */
static bool
raw_holds(void *ctx, uint32_t item, const struct vg_need *n)
{
	struct run *x = ctx;

	(void)item;
	if (!x->lowered) {
		vg_buf_clear(&x->lower);
		if (!vg_buf_reserve(&x->lower, x->r->raw.n + 1))
			return true;
		vg_lower(x->r->raw, x->lower.p);
		x->lowered = true;
	}
	return vg_need_holds(n, vg_str_mem(x->lower.p, x->r->raw.n));
}

static bool
may_match(struct run *x)
{
	struct vg_sieve_text text = { raw_holds, x, x->r->raw };

	x->lowered = false;
	if (x->special || x->s->exhaustive)
		return true;
	return (!x->has_pieces || raw_holds(x, 0, x->need)) && (x->sieve == NULL || vg_sieve_record(x->sieve, x->at, &text));
}

static vg_rc
ask(struct run *x, uint32_t at, unsigned mark)
{
	enum verdict v;

	x->special = mark & MARK_SPECIAL;
	x->at = at;
	x->r = &x->record[at];
	x->matched = false;
	if (!is_wanted(x, x->r) || !may_match(x))
		return VG_OK;
	x->out->stats.candidates++;
	v = mark & MARK_FOUND ? by_raw(x) : UNDECIDED;
	if (v == MATCHES_NOT)
		return VG_OK;
	if (v == MATCHES && x->s->raw_only && (x->s->by_arrival || (x->s->from_ns == VG_TIME_NONE && x->s->to_ns == VG_TIME_NONE)))
		return give(x, NULL);
	x->out->stats.decoded++;
	return vg_decoder_record(&x->decoder, x->r->raw, x->r->recv_ns, on_event, x);
}

/* ---- one block ---- */

/* Read it and open it; false: not VG_OK in @rc, or it is damaged, or nobody has its key, which is counted. */
static bool
open_block(struct run *x, struct vg_block_reader *b, struct vg_block_head *h, vg_rc *rc)
{
	struct vg_search_stats *st = &x->out->stats;
	const struct vg_search_segment *g = &x->s->segment[x->segment];
	const uint8_t *key = NULL;
	size_t n = (size_t)(VG_BLOCK_HEAD + x->row->r.stored);
	vg_str head, stored;

	*rc = VG_OK;
	vg_buf_clear(&x->stored);
	if (!vg_buf_reserve(&x->stored, n)) {
		*rc = x->stored.rc;
		return false;
	}
	*rc = vg_file_read(&(struct vg_file){ .fd = g->fd }, x->stored.p, n, x->row->r.at);
	head = vg_str_mem(x->stored.p, VG_BLOCK_HEAD);
	stored = vg_str_mem(x->stored.p + VG_BLOCK_HEAD, n - VG_BLOCK_HEAD);
	if (*rc == VG_E_SYS)
		return false;
	st->read_bytes += n;
	if (*rc == VG_OK)
		*rc = vg_block_head_take(head, h);
	if (*rc == VG_OK && h->key && (key = x->s->key ? x->s->key(x->s->key_ctx, h->key) : NULL) == NULL) {
		st->no_key++;
		return false;
	}
	if (*rc == VG_OK && (h->stored != stored.n || (h->key == 0 && !vg_block_is_sound(h, stored))))
		*rc = VG_E_FORMAT;
	if (*rc == VG_OK)
		*rc = vg_opener_open(&x->opener, &(struct vg_file){ .fd = g->fd }, x->row->r.at, h, head, stored, key, &x->payload);
	if (*rc == VG_OK)
		*rc = vg_block_reader_open(h, vg_buf_str(&x->payload), b);
	if (*rc == VG_E_NOMEM || *rc == VG_E_SYS)
		return false;
	st->bad_blocks += *rc != VG_OK;
	if (*rc == VG_OK)
		return true;
	*rc = VG_OK;
	return false;
}

static vg_rc
on_found(void *ctx, size_t end)
{
	struct run *x = ctx;

	vg_buf_mem(&x->end, &end, sizeof(end));
	return x->end.rc;
}

/* All records of the block, marked none. */
static vg_rc
take_records(struct run *x, struct vg_block_reader *b)
{
	if (b->count > x->cap) {
		struct vg_record *r = realloc(x->record, b->count * sizeof(*r));
		uint8_t *m;

		if (r == NULL)
			return VG_E_NOMEM;
		x->record = r;
		if ((m = realloc(x->mark, b->count)) == NULL)
			return VG_E_NOMEM;
		x->mark = m;
		x->cap = b->count;
	}
	x->count = b->count;
	if (vg_block_all(b, x->record) != VG_OK) {
		x->count = 0;
		x->out->stats.bad_blocks++;
	}
	memset(x->mark, 0, x->count);
	return VG_OK;
}

/* Mark the records that what was found ends in, @least bytes long; @raw: of the first. */
static void
mark_found(struct run *x, const char *raw, size_t least, uint8_t mark)
{
	for (size_t i = 0; i < x->end.n; i += sizeof(size_t)) {
		uint32_t lo = 0, hi = x->count;
		size_t end;

		memcpy(&end, x->end.p + i, sizeof(end));
		while (hi - lo > 1) { /* the last record that begins before @end */
			uint32_t mid = lo + (hi - lo) / 2;

			if ((size_t)(x->record[mid].raw.p - raw) < end)
				lo = mid;
			else
				hi = mid;
		}
		if (x->count && end - (size_t)(x->record[lo].raw.p - raw) >= least) /* else it begins in the record before */
			x->mark[lo] |= mark;
	}
}

/* Which records hide something, or are of the audit system. */
static vg_rc
mark_special(struct run *x, vg_str raw, unsigned flags)
{
	vg_rc rc;

	if (flags & VG_TOKENS_HIDES)
		for (uint32_t i = 0; i < x->count; i++)
			if (vg_record_hides(x->record[i].raw))
				x->mark[i] |= MARK_SPECIAL;
	if (!(flags & VG_TOKENS_AUDIT))
		return VG_OK;
	vg_buf_clear(&x->end);
	rc = vg_needle_scan(x->audit, raw, on_found, x);
	mark_found(x, raw.p, AUDIT.n, MARK_SPECIAL);
	return rc;
}

/* Mark the records with an escape. */
static void
mark_escapes(struct run *x, vg_str raw)
{
	size_t at = 0;

	for (uint32_t i = 0; i < x->count; i++) {
		size_t begin = (size_t)(x->record[i].raw.p - raw.p), end = begin + x->record[i].raw.n;

		if (at < begin)
			at = begin;
		if (at >= end) /* the next escape known of is behind it */
			continue;
		if ((at = vg_text_escape(raw, at)) == VG_NPOS)
			return;
		if (at < end)
			x->mark[i] |= MARK_ESCAPE;
	}
}

static bool
any_escape(const struct scanner *c, vg_str raw)
{
	return c->escapes && vg_text_escape(raw, 0) != VG_NPOS;
}

/* Literals that are in many records are no use when there is an expression to look for. */
static void
choose_scanner(struct run *x)
{
	uint64_t found = 0;

	for (uint32_t i = 0; i < x->count; i++)
		found += x->mark[i] & MARK_FOUND;
	x->seen += x->row_records;
	x->found += found;
	if (x->scanned_by == 0 && x->scan[1].needle && x->seen > 2000 && x->found > x->seen / 20)
		x->scanned_by = 1;
}

/* The candidates among the block's records, by their bytes. */
static vg_rc
find_by_bytes(struct run *x, struct vg_block_reader *b)
{
	const struct scanner *c = &x->scan[x->scanned_by];
	vg_str raw = b->raw;
	unsigned flags = x->row->group == UNINDEXED ? VG_TOKENS_HIDES | VG_TOKENS_AUDIT : x->row->r.flags;
	bool all = c->needle == NULL || x->s->exhaustive;
	vg_rc rc = VG_OK;

	x->out->stats.raw_bytes += raw.n;
	x->count = 0;
	x->row_records = b->count;
	vg_buf_clear(&x->end);
	if (!all && (rc = vg_needle_scan(c->needle, raw, on_found, x)) != VG_OK)
		return rc;
	if (!all && x->end.n == 0 && !(flags & (VG_TOKENS_HIDES | VG_TOKENS_AUDIT)) && !any_escape(c, raw)) {
		choose_scanner(x);
		return VG_OK;
	}
	if ((rc = take_records(x, b)) != VG_OK)
		return rc;
	if (all) {
		memset(x->mark, MARK_FOUND, x->count);
	} else {
		mark_found(x, raw.p, c->piece, MARK_FOUND);
		choose_scanner(x);
		if (c->escapes)
			mark_escapes(x, raw);
	}
	return mark_special(x, raw, flags);
}

/* Those that can match by their fields too. */
static vg_rc
find_candidates(struct run *x, struct vg_block_reader *b)
{
	vg_rc rc = find_by_bytes(x, b);

	if (rc == VG_OK && x->sieve && vg_sieve_unmark(x->sieve, x->mark, x->count) == 0)
		x->count = 0;
	return rc;
}

static vg_rc
search_block(struct run *x)
{
	struct vg_block_reader b;
	struct vg_block_head h;
	bool any = false;
	vg_rc rc;

	if (!open_block(x, &b, &h, &rc) || (rc = find_candidates(x, &b)) != VG_OK)
		return rc;
	for (uint32_t i = 0; i < x->count && rc == VG_OK && !x->ended; i++) {
		uint32_t at = x->s->newest_first ? x->count - 1 - i : i;

		if (!x->mark[at])
			continue;
		any = true;
		rc = ask(x, at, x->mark[at]);
		x->done = place(x, at);
		x->done_any = true;
	}
	x->out->stats.by_scan += !any;
	return rc;
}

/* ---- one segment ---- */

/* The heads from @at to @end, a row each, as in @is but for what they say. */
static vg_rc
walk_heads(struct run *x, uint64_t *at, uint64_t end, const struct row *is, struct vg_buf *rows)
{
	struct vg_file f = { .fd = x->s->segment[x->segment].fd };
	uint64_t leaf = is->leaf;
	struct vg_block_head h;
	char head[VG_BLOCK_HEAD];
	vg_rc rc = VG_OK;

	for (; rc == VG_OK && *at < end; *at += VG_BLOCK_HEAD + h.stored) {
		struct row r = *is;

		if (end - *at < VG_BLOCK_HEAD)
			break;
		if ((rc = vg_file_read(&f, head, sizeof(head), *at)) != VG_OK)
			break;
		if (vg_block_head_take(vg_str_mem(head, sizeof(head)), &h) != VG_OK) {
			x->out->stats.bad_blocks++;
			break;
		}
		if (h.stored > end - *at - VG_BLOCK_HEAD)
			break;
		r.r = (struct vg_tokens_row){ *at, h.stored, h.first_seq, h.last_seq, h.first_ns, h.last_ns, is->r.flags, 0 };
		r.leaf = leaf++;
		vg_buf_mem(rows, &r, sizeof(r));
		rc = rows->rc;
	}
	return rc == VG_E_TRUNC ? VG_OK : rc;
}

static int
by_place(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->r.at > y->r.at) - (x->r.at < y->r.at);
}

/* All that the index knows, in the order of the segment: a group is of one key, and blocks under several lie among each other. */
static vg_rc
rows_of_index(struct run *x, struct vg_buf *out)
{
	for (uint32_t i = 0; x->index && i < x->index->ngroup; i++)
		for (uint32_t j = 0; j < x->index->group[i].nblock; j++) {
			struct row r = { .r = x->index->group[i].row[j], .group = i, .block = j };

			vg_buf_mem(out, &r, sizeof(r));
		}
	if (out->rc == VG_OK && out->n)
		qsort(out->p, out->n / sizeof(struct row), sizeof(struct row), by_place);
	return out->rc;
}

/* The blocks from @at to @end, which the index does not know.  false: they end before. */
static bool
walk_unknown(struct run *x, uint64_t at, uint64_t end, uint64_t *leaf, vg_rc *rc)
{
	const struct row is = { .group = UNINDEXED, .leaf = *leaf };
	size_t before = x->rows.n, n;

	*rc = walk_heads(x, &at, end, &is, &x->rows);
	n = (x->rows.n - before) / sizeof(struct row);
	*leaf += n;
	x->out->stats.unindexed += n;
	if (*rc == VG_OK && at < end)
		x->out->stats.tail_bytes += end - at;
	return *rc == VG_OK && at == end;
}

/* Every block of the segment, once. */
static vg_rc
merge_rows(struct run *x, const struct vg_buf *known, uint64_t size)
{
	const struct row *r = (const struct row *)(const void *)known->p, *end = known->n ? r + known->n / sizeof(*r) : r;
	uint64_t at = 0, leaf = x->first_leaf;
	vg_rc rc = VG_OK;

	for (; r < end; r++) {
		struct row row = *r;

		if (r->r.at < at || r->r.at > size || r->r.stored > 2 * VG_BLOCK_PAYLOAD_MAX + (uint64_t)r->r.more * VG_BLOCK_HEAD) { /* of another segment */
			x->out->stats.bad_indexes++;
			break;
		}
		if (!walk_unknown(x, at, r->r.at, &leaf, &rc))
			return rc;
		row.leaf = leaf;
		leaf += 1 + (uint64_t)row.r.more;
		at = row.r.at + VG_BLOCK_HEAD + row.r.stored;
		vg_buf_mem(&x->rows, &row, sizeof(row));
	}
	if (at < size)
		(void)walk_unknown(x, at, size, &leaf, &rc);
	return rc != VG_OK ? rc : x->rows.rc;
}

static vg_rc
open_segment(struct run *x)
{
	const struct vg_search_segment *g = &x->s->segment[x->segment];
	struct vg_file f = { .fd = g->fd };
	struct vg_buf known = { 0 };
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	uint64_t size = 0;
	vg_rc rc;

	vg_buf_clear(&x->rows);
	vg_opener_forget(&x->opener);
	x->asked.group = UNINDEXED;
	for (uint32_t i = 0; x->sieve && i < vg_sieve_items(x->sieve); i++)
		x->asked_field[i].group = UNINDEXED;
	vg_tokens_close(x->index);
	x->index = NULL;
	if (x->sieve && (rc = vg_sieve_segment(x->sieve, g->fields_fd)) != VG_OK)
		return rc;
	if (g->index_fd >= 0 && !x->s->exhaustive && (rc = vg_tokens_open(g->index_fd, x->s->key, x->s->key_ctx, &x->index)) != VG_OK)
		return rc;
	x->out->stats.bad_indexes += x->index && x->index->damaged;
	if ((rc = vg_file_size(&f, &size)) == VG_OK && size >= sizeof(head) && (rc = vg_file_read(&f, head, sizeof(head), 0)) == VG_OK)
		x->first_leaf = vg_block_head_take(vg_str_mem(head, sizeof(head)), &h) == VG_OK ? h.leaf : 0;
	if (rc == VG_OK && (rc = rows_of_index(x, &known)) == VG_OK)
		rc = merge_rows(x, &known, size);
	vg_buf_fini(&known);
	return rc == VG_E_TRUNC || rc == VG_E_FORMAT ? VG_OK : rc;
}

static vg_rc
need_blocks(struct run *x, size_t group, const struct vg_need *n, struct vg_tokens_set *out)
{
	struct vg_tokens_set one;
	vg_rc rc = VG_OK;

	memset(out, n->op == VG_NEED_OR || n->op == VG_NEED_NEVER ? 0 : 0xff, sizeof(*out));
	if (n->op == VG_NEED_PIECE)
		return vg_tokens_find(x->index, group, n->piece, out);
	for (uint32_t i = 0; i < n->n && rc == VG_OK; i++) {
		rc = need_blocks(x, group, n->child[i], &one);
		for (size_t j = 0; j < VG_COUNT(out->bit); j++)
			out->bit[j] = n->op == VG_NEED_AND ? out->bit[j] & one.bit[j] : out->bit[j] | one.bit[j];
	}
	return rc;
}

/* Can the block at hand be skipped, because it does not have what @n needs, by what the index says? */
static vg_rc
ask_index(struct run *x, const struct vg_need *n, struct asked *a, bool *skip)
{
	const struct row *r = x->row;
	vg_rc rc = VG_OK;

	*skip = false;
	if (r->group == UNINDEXED)
		return VG_OK;
	if (a->group != r->group) {
		uint64_t before = x->index->read_bytes;

		rc = need_blocks(x, r->group, n, &a->may);
		x->out->stats.index_bytes += x->index->read_bytes - before;
		if (rc == VG_E_FORMAT) { /* it is damaged: all of its blocks are read */
			x->out->stats.bad_indexes++;
			memset(&a->may, 0xff, sizeof(a->may));
			rc = VG_OK;
		}
		a->group = r->group;
	}
	*skip = !vg_tokens_has(&a->may, r->block) && !(r->r.flags & VG_TOKENS_HIDES);
	return rc;
}

static bool
block_holds(void *ctx, uint32_t item, const struct vg_need *n)
{
	struct run *x = ctx;
	bool skip;

	return ask_index(x, n, &x->asked_field[item], &skip) != VG_OK || !skip;
}

/* Can it be skipped by what is kept of its records' fields? */
static vg_rc
ask_fields(struct run *x, bool *skip)
{
	const struct vg_tokens_row *r = &x->row->r;
	struct vg_sieve_text text = { block_holds, x, VG_NIL };

	return vg_sieve_block(x->sieve, r->at, r->stored, r->first_seq, r->last_seq, &text, skip);
}

static bool
block_in_time(const struct run *x)
{
	const struct vg_tokens_row *r = &x->row->r;
	int64_t from = x->s->from_ns, to = x->s->to_ns;

	if (x->s->has_cursor && (x->s->newest_first ? place(x, 0) >= x->s->cursor : ((x->row->leaf + r->more) * PLACES | (PLACES - 1)) <= x->s->cursor))
		return false;
	if (!x->s->by_arrival) { /* a claimed time lies that much around arrival */
		from = from == VG_TIME_NONE || from < INT64_MIN + VG_CLAIM_AFTER ? VG_TIME_NONE : from - VG_CLAIM_AFTER;
		to = to == VG_TIME_NONE || to > INT64_MAX - VG_CLAIM_BEFORE ? VG_TIME_NONE : to + VG_CLAIM_BEFORE;
	}
	return (from == VG_TIME_NONE || r->last_ns >= from) && (to == VG_TIME_NONE || r->first_ns <= to);
}

static void
check_limits(struct run *x)
{
	const struct vg_search *s = x->s;

	if (s->cancel && *s->cancel)
		end_with(x, VG_SEARCH_CANCELLED);
	else if (!x->done_any)
		return; /* a limit lets through at least one block, so that a search by cursor ends */
	else if (s->max_bytes && x->out->stats.raw_bytes >= s->max_bytes)
		end_with(x, VG_SEARCH_BYTES);
	else if (s->max_ms && now_ns() >= x->deadline_ns)
		end_with(x, VG_SEARCH_TIME);
}

/* The block at hand, which may not be skipped. */
static vg_rc
search_one(struct run *x)
{
	bool skip = false;
	vg_rc rc = x->sieve ? ask_fields(x, &skip) : VG_OK;

	x->out->stats.by_fields += skip;
	if (rc != VG_OK || skip)
		return rc;
	rc = search_block(x);
	if (x->s->progress)
		x->s->progress(x->s->ctx, &x->out->stats, x->segment);
	return rc;
}

static void
done_with_row(struct run *x)
{
	x->done = x->s->newest_first ? place(x, 0) : (x->row->leaf + x->row->r.more) * PLACES | (PLACES - 1);
	x->done_any = true;
}

/* The blocks of the row at hand, which may not be skipped. */
static vg_rc
search_row(struct run *x)
{
	const struct row *row = x->row;
	uint64_t at = row->r.at, end = at + VG_BLOCK_HEAD + row->r.stored, bad = x->out->stats.bad_blocks;
	size_t n;
	vg_rc rc;

	if (row->r.more == 0)
		return search_one(x);
	vg_buf_clear(&x->inner);
	vg_buf_clear(&x->stored);
	if (!vg_buf_reserve(&x->stored, (size_t)(end - at)))
		return x->stored.rc;
	/* all of it at once: for small pieces one behind the other the kernel reads far ahead.  What is wrong with it is told by its blocks */
	rc = vg_file_read(&(struct vg_file){ .fd = x->s->segment[x->segment].fd }, x->stored.p, (size_t)(end - at), at);
	if (rc == VG_E_SYS)
		return rc;
	rc = walk_heads(x, &at, end, row, &x->inner);
	if (rc == VG_OK && at < end)
		x->out->stats.bad_blocks = bad + 1;
	n = x->inner.n / sizeof(struct row);
	for (size_t i = 0; i < n && rc == VG_OK && !x->ended; i++) {
		x->row = (const struct row *)(const void *)x->inner.p + (x->s->newest_first ? n - 1 - i : i);
		if (i)
			check_limits(x);
		if (x->ended)
			break;
		if (!block_in_time(x)) {
			x->out->stats.by_time++;
			continue;
		}
		if ((rc = search_one(x)) == VG_OK && !x->ended)
			done_with_row(x);
	}
	x->row = row;
	return rc;
}

static vg_rc
search_segment(struct run *x)
{
	struct vg_search_stats *st = &x->out->stats;
	size_t n;
	vg_rc rc = open_segment(x);

	if (rc != VG_OK)
		return rc;
	st->segments++;
	n = x->rows.n / sizeof(struct row);
	for (size_t i = 0; i < n && rc == VG_OK && !x->ended; i++) {
		uint64_t blocks;
		bool skip = false;

		x->row = (const struct row *)(const void *)x->rows.p + (x->s->newest_first ? n - 1 - i : i);
		blocks = 1 + (uint64_t)x->row->r.more;
		check_limits(x);
		if (x->ended)
			break;
		st->blocks += blocks;
		if (!block_in_time(x)) {
			st->by_time += blocks;
			continue;
		}
		if ((rc = ask_index(x, x->need, &x->asked, &skip)) == VG_OK && !skip)
			rc = search_row(x);
		st->by_index += skip ? blocks : 0;
		if (rc == VG_OK && !x->ended)
			done_with_row(x);
	}
	return rc;
}

/* ---- the whole ---- */

/* Compile what the raw bytes are scanned for; @exact: by expressions. */
static vg_rc
make_scanner(struct run *x, bool exact, struct scanner *c)
{
	const struct vg_need *cover[COVER_MAX];
	struct vg_needle_pattern p[COVER_MAX];
	size_t n = vg_need_cover(x->need, exact, cover, COVER_MAX);
	bool any = false;
	vg_rc rc;

	for (size_t i = 0; i < n; i++) {
		p[i] = (struct vg_needle_pattern){ cover[i]->piece, cover[i]->op == VG_NEED_RE };
		c->escapes |= p[i].expression && !cover[i]->safe;
		any |= p[i].expression;
	}
	if (n == 0 || (exact && !any))
		return VG_OK;
	if (n == 1 && vg_rule_is_piece(x->s->program, x->s->rule, p[0].text))
		c->piece = p[0].text.n;
	rc = vg_needle_new(p, n, &c->needle);
	return rc == VG_E_UNSUP || rc == VG_E_LIMIT ? VG_OK : rc; /* then it tells nothing apart */
}

static bool
has_pieces(const struct vg_need *n)
{
	for (uint32_t i = 0; i < n->n; i++)
		if (has_pieces(n->child[i]))
			return true;
	return n->op == VG_NEED_PIECE;
}

static vg_rc
make_scanners(struct run *x)
{
	struct vg_needle_pattern audit = { AUDIT, false };
	vg_rc rc = vg_needle_new(&audit, 1, &x->audit);

	if (rc == VG_OK && (rc = make_scanner(x, false, &x->scan[0])) == VG_OK)
		rc = make_scanner(x, true, &x->scan[1]);
	if (rc == VG_OK && x->scan[0].needle == NULL && x->scan[1].needle)
		x->scanned_by = 1;
	return rc;
}

static void
fini(struct run *x)
{
	vg_decoder_fini(&x->decoder);
	vg_regexes_free(x->re);
	for (int i = 0; i < 2; i++)
		vg_needle_free(x->scan[i].needle);
	vg_needle_free(x->audit);
	vg_tokens_close(x->index);
	vg_sieve_free(x->sieve);
	free(x->asked_field);
	vg_opener_fini(&x->opener);
	vg_buf_fini(&x->rows);
	vg_buf_fini(&x->inner);
	vg_buf_fini(&x->stored);
	vg_buf_fini(&x->payload);
	vg_buf_fini(&x->lower);
	vg_buf_fini(&x->end);
	free(x->record);
	free(x->mark);
	free(x->given);
	vg_arena_fini(&x->need_arena);
	vg_arena_fini(&x->scratch);
	free(x);
}

vg_rc
vg_search_run(const struct vg_search *s, struct vg_search_result *out)
{
	struct run *x = calloc(1, sizeof(*x));
	vg_rc rc;

	*out = (struct vg_search_result){ .end = VG_SEARCH_ALL, .has_cursor = s->has_cursor, .cursor = s->cursor };
	if (x == NULL)
		return VG_E_NOMEM;
	x->s = s;
	x->out = out;
	x->deadline_ns = now_ns() + (int64_t)s->max_ms * (VG_SEC / 1000);
	vg_arena_init(&x->need_arena, NEED_BYTES);
	vg_arena_init(&x->scratch, SCRATCH_BYTES);
	vg_decoder_init(&x->decoder, s->packs, s->keys, s->zone_s);
	rc = (x->re = vg_regexes_new(s->program)) ? VG_OK : VG_E_NOMEM;
	if (rc == VG_OK)
		rc = vg_need_of(s->program, s->rule, s->packs, &x->need_arena, &x->need);
	if (rc == VG_OK) {
		x->of_keywords = vg_rule_is_of_keywords(s->program, s->rule, x->need, &x->raw_decides);
		x->has_pieces = has_pieces(x->need);
		rc = make_scanners(x);
	}
	if (rc == VG_OK && s->fields_stamp && !s->exhaustive)
		rc = vg_sieve_new(s->program, s->rule, x->re, s->fields_stamp, s->key, s->key_ctx, &x->sieve);
	if (rc == VG_OK && x->sieve && (x->asked_field = calloc(vg_sieve_items(x->sieve), sizeof(*x->asked_field))) == NULL)
		rc = VG_E_NOMEM;
	for (size_t i = 0; i < s->nsegment && rc == VG_OK && !x->ended; i++) {
		x->segment = s->newest_first ? s->nsegment - 1 - i : i;
		rc = search_segment(x);
	}
	if (x->sieve)
		vg_sieve_stats(x->sieve, &out->stats.bad_fields, &out->stats.old_fields, &out->stats.fields_bytes);
	if (x->done_any) {
		out->has_cursor = true;
		out->cursor = x->done;
	}
	fini(x);
	return rc;
}
