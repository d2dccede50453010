/* vault/export_rows.c - the rows of an export: JSON, in one way to write it each, so that what checks them needs no reader of JSON. */
#include <stdio.h>

#include "base/time.h"
#include "vault/export.h"

/* ---- reading ---- */

static bool
take(vg_str *s, const char *literal)
{
	vg_str l = vg_str_of(literal);

	if (!vg_str_starts(*s, l))
		return false;
	*s = vg_str_skip(*s, l.n);
	return true;
}

static bool
take_digits(vg_str *s, bool negative, vg_str *out)
{
	size_t n = negative && s->n && s->p[0] == '-';

	while (n < s->n && n < 21 && vg_is_digit(s->p[n]))
		n++;
	*out = vg_str_cut(*s, n);
	*s = vg_str_skip(*s, n);
	return n != 0;
}

static bool
take_u64(vg_str *s, const char *before, uint64_t max, uint64_t *out)
{
	vg_str digits;

	return take(s, before) && take_digits(s, false, &digits) && vg_str_u64(digits, out) && *out <= max;
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to @max bytes of hexadecimal, and the quote behind; how many, SIZE_MAX: it is none. */
static size_t
take_hex(vg_str *s, void *to, size_t max)
{
	uint8_t *p = to;
	size_t n = 0;

	for (; s->n >= 2 && s->p[0] != '"'; n++) {
		int high = hex_value(s->p[0]), low = hex_value(s->p[1]);

		if (high < 0 || low < 0 || n == max)
			return SIZE_MAX;
		p[n] = (uint8_t)(high << 4 | low);
		*s = vg_str_skip(*s, 2);
	}
	return take(s, "\"") ? n : SIZE_MAX;
}

/* The inside of a JSON string. */
static bool
take_text(vg_str *s, vg_str *out)
{
	size_t n = 0;

	while (n < s->n && s->p[n] != '"')
		n += s->p[n] == '\\' ? 2 : 1;
	if (n >= s->n)
		return false;
	*out = vg_str_cut(*s, n);
	*s = vg_str_skip(*s, n + 1);
	return true;
}

static bool
take_proof(vg_str *s, struct vg_proof *out)
{
	out->n = 0;
	if (!take(s, ",\"proof\":["))
		return false;
	while (!take(s, "]}")) {
		if (out->n == VG_PROOF_MAX || (out->n && !take(s, ",")) || !take(s, "\"") || take_hex(s, out->h[out->n].b, VG_HASH_BYTES) != VG_HASH_BYTES)
			return false;
		out->n++;
	}
	return s->n == 0;
}

/* Is @line what was printed into @again, but for the new line? */
static vg_rc
same(vg_str line, struct vg_buf *again)
{
	vg_rc rc = again->rc != VG_OK ? again->rc : again->n == line.n + 1 && vg_str_eq(vg_str_cut(vg_buf_str(again), line.n), line) ? VG_OK : VG_E_FORMAT;

	vg_buf_fini(again);
	return rc;
}

/* ---- writing ---- */

static void
put_hex(struct vg_buf *b, const void *p, size_t n)
{
	vg_buf_putc(b, '"');
	vg_buf_hex(b, p, n, false);
	vg_buf_putc(b, '"');
}

static void
put_proof(const struct vg_proof *p, struct vg_buf *b)
{
	vg_buf_puts(b, ",\"proof\":[");
	for (size_t i = 0; i < p->n; i++) {
		if (i)
			vg_buf_putc(b, ',');
		put_hex(b, p->h[i].b, VG_HASH_BYTES);
	}
	vg_buf_puts(b, "]}\n");
}

/* ---- a record ---- */

void
vg_export_row_print(const struct vg_export_row *x, struct vg_buf *b)
{
	char when[VG_TIME_MAX];
	size_t n = vg_time_print(x->r.recv_ns, 9, when);

	vg_buf_printf(b, "{\"seq\":%llu,\"recv_ns\":%lld,\"received\":\"%.*s\",\"source\":%u,\"name\":\"", (unsigned long long)x->r.seq, (long long)x->r.recv_ns, (int)n, when, x->r.source);
	vg_buf_put(b, x->name);
	vg_buf_printf(b, "\",\"flags\":%u,\"id\":", x->r.flags);
	put_hex(b, x->r.id.p ? x->r.id.p : "", x->r.id.n);
	vg_buf_printf(b, ",\"at\":%llu,\"bytes\":%u,\"sha256\":", (unsigned long long)x->at, x->bytes);
	put_hex(b, x->sha256.b, VG_HASH_BYTES);
	vg_buf_printf(b, ",\"block\":%llu,\"leaf\":%u", (unsigned long long)x->block, x->leaf);
	put_proof(&x->proof, b);
}

vg_rc
vg_export_row_take(vg_str line, struct vg_export_row *out)
{
	vg_str s = line, digits, when;
	uint64_t source, flags, bytes, leaf;
	struct vg_buf again = { 0 };
	size_t id;

	if (line.n > VG_EXPORT_LINE_MAX)
		return VG_E_LIMIT;
	if (!take_u64(&s, "{\"seq\":", UINT64_MAX, &out->r.seq) || !take(&s, ",\"recv_ns\":") || !take_digits(&s, true, &digits) || !vg_str_i64(digits, &out->r.recv_ns) ||
	    !take(&s, ",\"received\":\"") || !take_text(&s, &when) || !take_u64(&s, ",\"source\":", UINT32_MAX, &source) || !take(&s, ",\"name\":\"") || !take_text(&s, &out->name) ||
	    !take_u64(&s, ",\"flags\":", VG_RECORD_FLAGS, &flags) || !take(&s, ",\"id\":\"") || (id = take_hex(&s, out->id, sizeof(out->id))) == SIZE_MAX ||
	    !take_u64(&s, ",\"at\":", INT64_MAX, &out->at) || !take_u64(&s, ",\"bytes\":", VG_RECORD_RAW_MAX, &bytes) || !take(&s, ",\"sha256\":\"") ||
	    take_hex(&s, out->sha256.b, VG_HASH_BYTES) != VG_HASH_BYTES || !take_u64(&s, ",\"block\":", INT64_MAX, &out->block) ||
	    !take_u64(&s, ",\"leaf\":", VG_BLOCK_RECORDS_MAX, &leaf) || !take_proof(&s, &out->proof))
		return VG_E_FORMAT;
	out->r.source = (uint32_t)source;
	out->r.flags = (uint16_t)flags;
	out->r.id = vg_str_mem(out->id, id);
	out->r.raw = VG_NIL;
	out->bytes = (uint32_t)bytes;
	out->leaf = (uint32_t)leaf;
	vg_export_row_print(out, &again);
	return same(line, &again);
}

/* ---- a block; and a tree that grew ---- */

void
vg_export_block_print(const struct vg_export_block *x, struct vg_buf *b)
{
	vg_buf_printf(b, "{\"block\":%llu,\"head\":", (unsigned long long)x->block);
	put_hex(b, x->head, sizeof(x->head));
	put_proof(&x->proof, b);
}

vg_rc
vg_export_block_take(vg_str line, struct vg_export_block *out)
{
	struct vg_buf again = { 0 };
	vg_str s = line;

	if (line.n > VG_EXPORT_LINE_MAX)
		return VG_E_LIMIT;
	if (!take_u64(&s, "{\"block\":", INT64_MAX, &out->block) || !take(&s, ",\"head\":\"") || take_hex(&s, out->head, sizeof(out->head)) != sizeof(out->head) || !take_proof(&s, &out->proof))
		return VG_E_FORMAT;
	vg_export_block_print(out, &again);
	return same(line, &again);
}

void
vg_export_grown_print(const struct vg_export_grown *x, struct vg_buf *b)
{
	vg_buf_printf(b, "{\"old\":%llu,\"size\":%llu", (unsigned long long)x->old, (unsigned long long)x->size);
	put_proof(&x->proof, b);
}

vg_rc
vg_export_grown_take(vg_str line, struct vg_export_grown *out)
{
	struct vg_buf again = { 0 };
	vg_str s = line;

	if (line.n > VG_EXPORT_LINE_MAX)
		return VG_E_LIMIT;
	if (!take_u64(&s, "{\"old\":", INT64_MAX, &out->old) || !take_u64(&s, ",\"size\":", INT64_MAX, &out->size) || !take_proof(&s, &out->proof))
		return VG_E_FORMAT;
	vg_export_grown_print(out, &again);
	return same(line, &again);
}
