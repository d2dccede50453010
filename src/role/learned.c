#include "role/learned.h"

#include <stdio.h>
#include <stdlib.h>

#include "vault/lookback.h"
#include "vault/merkle.h"

#define READ_MAGIC VG_STR("VGREAD01")
#define JOB_MAGIC VG_STR("VGJOBS01")

void
vg_learned_name(vg_str name, char out[VG_DISK_NAME_MAX])
{
	struct vg_hash h;

	vg_hash_of(name, &h);
	for (size_t i = 0; i < 12; i++)
		snprintf(out + 2 * i, 3, "%02x", h.b[i]);
	snprintf(out + 24, VG_DISK_NAME_MAX - 24, VG_LEARNED_SUFFIX);
}

static vg_str
take_str(struct vg_cur *c, size_t max)
{
	uint32_t n = vg_cur_le32(c);

	if (n > max) {
		vg_cur_fail(c, VG_E_LIMIT);
		return VG_NIL;
	}
	return vg_cur_bytes(c, n);
}

void
vg_learned_put(struct vg_buf *b, const struct vg_learned *l)
{
	vg_buf_put(b, READ_MAGIC);
	vg_buf_le_str(b, vg_str_cut(l->name, VG_LEARNED_NAME_MAX));
	vg_buf_le64(b, l->version.size);
	vg_buf_le64(b, (uint64_t)l->version.changed_ns);
	vg_buf_le64(b, l->version.inode);
	vg_buf_le64(b, (uint64_t)l->looked_ns);
	vg_buf_le_str(b, vg_str_cut(l->refused, VG_LEARNED_WHY_MAX));
	vg_buf_le64(b, (uint64_t)l->loaded_ns);
	vg_buf_le64(b, l->n.taken);
	vg_buf_le64(b, l->n.passed);
	vg_buf_le64(b, l->n.unknown);
	vg_buf_le64(b, l->n.bad);
	for (size_t i = 0; i < VG_IOC_KINDS; i++)
		vg_buf_le32(b, l->kind[i]);
	vg_buf_le64(b, (uint64_t)l->first_expiry_ns);
	vg_buf_le64(b, (uint64_t)l->last_expiry_ns);
	vg_buf_le16(b, (uint16_t)l->nproblem);
	for (size_t i = 0; i < l->nproblem; i++) {
		vg_buf_le64(b, l->problem[i].at);
		vg_buf_le_str(b, vg_str_cut(l->problem[i].text, VG_LEARNED_WHY_MAX));
	}
}

vg_rc
vg_learned_take(struct vg_cur *c, struct vg_learned *out)
{
	struct vg_learned l = { .nproblem = 0 };

	if (!vg_str_eq(vg_cur_bytes(c, READ_MAGIC.n), READ_MAGIC))
		return vg_cur_fail(c, VG_E_FORMAT);
	l.name = take_str(c, VG_LEARNED_NAME_MAX);
	l.version.size = vg_cur_le64(c);
	l.version.changed_ns = (int64_t)vg_cur_le64(c);
	l.version.inode = vg_cur_le64(c);
	l.looked_ns = (int64_t)vg_cur_le64(c);
	l.refused = take_str(c, VG_LEARNED_WHY_MAX);
	l.loaded_ns = (int64_t)vg_cur_le64(c);
	l.n.taken = vg_cur_le64(c);
	l.n.passed = vg_cur_le64(c);
	l.n.unknown = vg_cur_le64(c);
	l.n.bad = vg_cur_le64(c);
	for (size_t i = 0; i < VG_IOC_KINDS; i++)
		l.kind[i] = vg_cur_le32(c);
	l.first_expiry_ns = (int64_t)vg_cur_le64(c);
	l.last_expiry_ns = (int64_t)vg_cur_le64(c);
	l.nproblem = vg_cur_le16(c);
	if (l.nproblem > VG_LEARNED_PROBLEMS_MAX)
		return vg_cur_fail(c, VG_E_LIMIT);
	for (size_t i = 0; i < l.nproblem; i++) {
		l.problem[i].at = vg_cur_le64(c);
		l.problem[i].text = take_str(c, VG_LEARNED_WHY_MAX);
	}
	if (c->rc == VG_OK)
		*out = l;
	return c->rc;
}

vg_rc
vg_learned_head(struct vg_disk *d, const char *name, char buf[VG_LEARNED_HEAD_MAX], struct vg_learned *out)
{
	struct vg_file f;
	struct vg_cur c;
	uint64_t size;
	vg_rc rc = vg_file_open(d, name, &f);

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_file_size(&f, &size)) == VG_OK) {
		size = size > VG_LEARNED_HEAD_MAX ? VG_LEARNED_HEAD_MAX : size;
		rc = vg_file_read(&f, buf, size, 0);
	}
	vg_file_close(&f);
	if (rc != VG_OK)
		return rc;
	c = vg_cur_of(buf, size);
	return vg_learned_take(&c, out);
}

void
vg_learned_put_entry(struct vg_buf *b, const struct vg_ioc *i)
{
	vg_buf_u8(b, (uint8_t)i->kind);
	vg_buf_le64(b, (uint64_t)i->expires_ns);
	vg_buf_le_str(b, i->value);
	vg_buf_le_str(b, vg_str_cut(i->source, VG_IOC_NOTE_MAX));
	vg_buf_le_str(b, vg_str_cut(i->note, VG_IOC_NOTE_MAX));
}

vg_rc
vg_learned_take_entry(struct vg_cur *c, char buf[VG_IOC_BUF], struct vg_ioc *out)
{
	unsigned kind = vg_cur_u8(c);
	int64_t expires_ns = (int64_t)vg_cur_le64(c);
	vg_str value = take_str(c, VG_IOC_BUF), source = take_str(c, VG_IOC_NOTE_MAX), note = take_str(c, VG_IOC_NOTE_MAX);

	*out = (struct vg_ioc){ .expires_ns = expires_ns, .source = source, .note = note };
	if (c->rc != VG_OK)
		return c->rc;
	if (kind >= VG_IOC_KINDS)
		return vg_cur_fail(c, VG_E_FORMAT);
	return vg_ioc_set(out, (enum vg_ioc_kind)kind, value, buf) == VG_OK ? VG_OK : VG_E_UNSUP;
}

/* ---- reading a file ---- */

struct reading {
	struct vg_learned *l;
	struct vg_buf *entries, *texts;
	struct {
		uint64_t at;
		size_t from, n; /* in texts */
	} problem[VG_LEARNED_PROBLEMS_MAX];
	size_t nproblem;
};

static vg_rc
on_entry(void *ctx, const struct vg_ioc *i)
{
	struct reading *r = ctx;
	struct vg_learned *l = r->l;

	vg_learned_put_entry(r->entries, i);
	l->kind[i->kind]++;
	if (i->expires_ns != VG_TIME_NONE) {
		l->first_expiry_ns = l->first_expiry_ns == VG_TIME_NONE || i->expires_ns < l->first_expiry_ns ? i->expires_ns : l->first_expiry_ns;
		l->last_expiry_ns = l->last_expiry_ns == VG_TIME_NONE || i->expires_ns > l->last_expiry_ns ? i->expires_ns : l->last_expiry_ns;
	}
	return r->entries->rc;
}

static void
on_problem(void *ctx, const struct vg_ioc_problem *p)
{
	struct reading *r = ctx;
	size_t from = r->texts->n;

	if (r->nproblem == VG_LEARNED_PROBLEMS_MAX)
		r->nproblem--; /* the last one says why the reading ended, if it did */
	vg_buf_puts(r->texts, p->text);
	if (p->id.n && p->id.n < 100)
		vg_buf_printf(r->texts, " (%.*s)", VG_STR_ARG(p->id));
	r->problem[r->nproblem].at = p->at;
	r->problem[r->nproblem].from = from;
	r->problem[r->nproblem++].n = r->texts->n - from;
}

/* Why the file is not used: nothing in it can be, or it breaks off. */
static const char *
refusal(const struct vg_learned *l, vg_rc rc)
{
	if (rc == VG_E_FORMAT)
		return "it cannot be read to its end";
	if (rc == VG_E_LIMIT)
		return "it is too large";
	return l->n.taken == 0 && (l->n.bad || l->n.unknown) ? "no indicator in it can be used" : NULL;
}

vg_rc
vg_learned_read(vg_str text, struct vg_learned *l, struct vg_buf *entries, struct vg_buf *texts)
{
	struct reading r = { .l = l, .entries = entries, .texts = texts };
	struct vg_ioc_reader reader = { .text = text, .expires_ns = VG_TIME_NONE, .ctx = &r, .entry = on_entry, .problem = on_problem };
	const char *why;
	size_t from;
	vg_rc rc;

	l->first_expiry_ns = l->last_expiry_ns = VG_TIME_NONE;
	memset(l->kind, 0, sizeof(l->kind));
	rc = vg_ioc_read(&reader);
	l->n = reader.n;
	l->refused = VG_NIL;
	if (rc != VG_OK && rc != VG_E_FORMAT && rc != VG_E_LIMIT)
		return rc;
	from = texts->n;
	if ((why = refusal(l, rc)) != NULL) {
		vg_buf_puts(texts, why);
		if (r.nproblem)
			vg_buf_printf(texts, ": %.*s", (int)r.problem[r.nproblem - 1].n, texts->p + r.problem[r.nproblem - 1].from);
	}
	if (texts->rc != VG_OK)
		return texts->rc;
	if (why)
		l->refused = vg_str_cut(vg_str_mem(texts->p + from, texts->n - from), VG_LEARNED_WHY_MAX);
	l->nproblem = r.nproblem;
	for (size_t i = 0; i < r.nproblem; i++)
		l->problem[i] = (struct vg_learned_problem){ r.problem[i].at, vg_str_cut(vg_str_mem(texts->p + r.problem[i].from, r.problem[i].n), VG_LEARNED_WHY_MAX) };
	return VG_OK;
}

/* ---- jobs ---- */

void
vg_job_put_head(struct vg_buf *b, uint64_t number, const vg_str *piece, size_t npiece)
{
	size_t begin = b->n;
	uint64_t at;

	vg_buf_put(b, JOB_MAGIC);
	vg_buf_le64(b, number);
	vg_buf_le64(b, 0);
	vg_buf_le32(b, (uint32_t)npiece);
	for (size_t i = 0; i < npiece; i++)
		vg_buf_le_str(b, piece[i]);
	while (b->rc == VG_OK && (b->n - begin) % 8)
		vg_buf_putc(b, 0);
	at = b->n - begin;
	if (b->rc == VG_OK)
		memcpy(b->p + begin + 16, &at, sizeof(at)); /* little-endian machines alone, as base/cur.h says */
}

vg_rc
vg_job_take(vg_str bytes, struct vg_job *out)
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	struct vg_job j = { .npiece = 0 };
	uint64_t at;

	if (!vg_str_eq(vg_cur_bytes(&c, JOB_MAGIC.n), JOB_MAGIC))
		return VG_E_FORMAT;
	j.number = vg_cur_le64(&c);
	at = vg_cur_le64(&c);
	j.npiece = vg_cur_le32(&c);
	if (c.rc != VG_OK)
		return c.rc;
	if (j.npiece > VG_LOOKBACK_PIECES_MAX)
		return VG_E_LIMIT;
	if ((j.piece = calloc(j.npiece + 1, sizeof(*j.piece))) == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < j.npiece; i++)
		j.piece[i] = take_str(&c, VG_IOC_BUF);
	if (c.rc == VG_OK && (at % 8 || at < vg_cur_at(&c) || at > bytes.n))
		vg_cur_fail(&c, VG_E_FORMAT);
	if (c.rc != VG_OK) {
		free(j.piece);
		return c.rc;
	}
	j.set = vg_str_skip(bytes, at);
	*out = j;
	return VG_OK;
}
