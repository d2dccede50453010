#include "net/backlog.h"

#include "base/cur.h"

#define HEAD 16

void
vg_backlog_fini(struct vg_backlog *b)
{
	vg_buf_fini(&b->bytes);
	b->at = 0;
	b->n = 0;
}

static unsigned
find(const struct vg_backlog *b, uint32_t source)
{
	unsigned i = 0;

	while (i < b->n && b->waits[i].source != source)
		i++;
	return i;
}

bool
vg_backlog_has(const struct vg_backlog *b, uint32_t source)
{
	return find(b, source) < b->n;
}

vg_rc
vg_backlog_put(struct vg_backlog *b, uint32_t source, int64_t recv_ns, vg_str raw)
{
	unsigned i = find(b, source);
	size_t n = HEAD + raw.n;

	if (i < b->n && b->waits[i].bytes + n > VG_BACKLOG_SHARE)
		return VG_E_LIMIT;
	if (i == VG_BACKLOG_SOURCES || b->bytes.n - b->at + n > VG_BACKLOG_BYTES)
		return VG_E_NOMEM;
	if (b->at > VG_BACKLOG_BYTES / 2) { /* so many were taken before */
		b->bytes.n -= b->at;
		memmove(b->bytes.p, b->bytes.p + b->at, b->bytes.n);
		b->at = 0;
	}
	if (!vg_buf_reserve(&b->bytes, n)) {
		b->bytes.rc = VG_OK; /* what there is stays good */
		return VG_E_NOMEM;
	}
	vg_buf_le32(&b->bytes, source);
	vg_buf_le32(&b->bytes, (uint32_t)raw.n);
	vg_buf_le64(&b->bytes, (uint64_t)recv_ns);
	vg_buf_put(&b->bytes, raw);
	if (i == b->n) {
		b->waits[i].source = source;
		b->waits[i].bytes = 0;
		b->n++;
	}
	b->waits[i].bytes += n;
	return VG_OK;
}

/* Sources of which nothing is left are forgotten. */
static void
forget(struct vg_backlog *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++)
		if (b->waits[i].bytes)
			b->waits[n++] = b->waits[i];
	b->n = n;
	if (n == 0)
		vg_backlog_fini(b);
}

uint64_t
vg_backlog_offer(struct vg_backlog *b, const struct vg_gate *g)
{
	struct vg_cur c = vg_cur_of(b->bytes.p, b->bytes.n);
	size_t kept = 0; /* bytes of those that were refused, put together from b->at on */
	unsigned open = b->n;
	uint64_t taken = 0;

	if (b->n == 0)
		return 0;
	for (unsigned i = 0; i < b->n; i++)
		b->waits[i].full = false;
	vg_cur_seek(&c, b->at);
	while (open && vg_cur_left(&c)) { /* until each source was refused */
		size_t at = vg_cur_at(&c), n;
		uint32_t source = vg_cur_le32(&c), raw_n = vg_cur_le32(&c);
		int64_t recv_ns = (int64_t)vg_cur_le64(&c);
		vg_str raw = vg_cur_bytes(&c, raw_n);
		unsigned i = find(b, source);

		n = HEAD + raw.n;
		if (!b->waits[i].full && g->take(g->ctx, source, recv_ns, VG_NIL, raw)) {
			b->waits[i].bytes -= n;
			taken++;
			continue;
		}
		open -= !b->waits[i].full;
		b->waits[i].full = true;
		memmove(b->bytes.p + b->at + kept, b->bytes.p + at, n);
		kept += n;
	}
	if (kept) /* next to those that were not offered */
		memmove(b->bytes.p + vg_cur_at(&c) - kept, b->bytes.p + b->at, kept);
	b->at = vg_cur_at(&c) - kept;
	forget(b);
	return taken;
}
