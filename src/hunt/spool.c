#include "hunt/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"

#define RUNS_MAX 4096
#define READ_BYTES 65536

struct run { /* a sorted stretch of the spool, read back through a window */
	uint64_t at, end;
	char *buf; /* owned */
	size_t n, used, cap;
	struct vg_entry head;
	vg_str payload;
};

struct vg_sorter {
	int fd;
	uint64_t written;
	char *mem; /* entries as they came; owned */
	size_t n, cap;
	uint32_t *index; /* offsets of entries in mem, owned */
	size_t nindex, capindex;
	struct run *run; /* owned */
	size_t nrun;
};

void
vg_entry_put(struct vg_buf *b, const struct vg_entry *e, vg_str payload)
{
	struct vg_entry h = *e;

	h.size = (uint32_t)payload.n;
	vg_buf_mem(b, &h, sizeof(h));
	vg_buf_put(b, payload);
}

vg_rc
vg_entry_take(struct vg_cur *in, struct vg_entry *e, vg_str *payload)
{
	const uint8_t *p = vg_cur_take(in, sizeof(*e));

	if (p == NULL)
		return in->rc;
	memcpy(e, p, sizeof(*e));
	if (e->type >= VG_ENTRY_TYPES)
		return vg_cur_fail(in, VG_E_FORMAT);
	if (e->size > VG_SPOOL_ENTRY_MAX)
		return vg_cur_fail(in, VG_E_LIMIT);
	*payload = vg_cur_bytes(in, e->size);
	return in->rc;
}

int
vg_spool_open(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : memfd_create("vigie-spool", MFD_CLOEXEC);
}

struct vg_sorter *
vg_sorter_new(int fd)
{
	struct vg_sorter *s = calloc(1, sizeof(*s));

	if (s)
		s->fd = fd;
	return s;
}

void
vg_sorter_free(struct vg_sorter *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->nrun; i++)
		free(s->run[i].buf);
	free(s->run);
	free(s->index);
	free(s->mem);
	free(s);
}

static int
entry_cmp(const struct vg_entry *a, const struct vg_entry *b)
{
#define CMP(f)             \
	if (a->f != b->f)  \
	return a->f < b->f ? -1 : 1
	CMP(time_ns);
	CMP(file);
	CMP(member);
	CMP(unit);
	CMP(offset);
	CMP(type);
	CMP(rule);
	CMP(digest);
#undef CMP
	return 0;
}

static int
index_cmp(const void *x, const void *y, void *ctx)
{
	const char *mem = ctx;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	struct vg_entry a, b;
	int c;

	memcpy(&a, mem + i, sizeof(a));
	memcpy(&b, mem + j, sizeof(b));
	c = entry_cmp(&a, &b);
	return c ? c : (i > j) - (i < j);
}

/* Sort what is in memory and write it as a run. */
static vg_rc
spill(struct vg_sorter *s)
{
	struct vg_buf out = { 0 };
	struct run *r;
	uint64_t begin = s->written;

	if (s->nrun == RUNS_MAX)
		return VG_E_LIMIT;
	qsort_r(s->index, s->nindex, sizeof(*s->index), index_cmp, s->mem);
	for (size_t i = 0; i < s->nindex; i++) {
		struct vg_entry e;

		memcpy(&e, s->mem + s->index[i], sizeof(e));
		vg_buf_mem(&out, s->mem + s->index[i], sizeof(e) + e.size);
		if (out.n >= (size_t)1 << 20 || i + 1 == s->nindex) {
			vg_rc rc = out.rc != VG_OK ? out.rc : vg_pwrite_all(s->fd, vg_buf_str(&out), s->written);

			if (rc != VG_OK) {
				vg_buf_fini(&out);
				return rc;
			}
			s->written += out.n;
			vg_buf_clear(&out);
		}
	}
	vg_buf_fini(&out);
	if ((r = realloc(s->run, (s->nrun + 1) * sizeof(*r))) == NULL)
		return VG_E_NOMEM;
	s->run = r;
	s->run[s->nrun++] = (struct run){ .at = begin, .end = s->written };
	s->n = s->nindex = 0;
	return VG_OK;
}

vg_rc
vg_sorter_add(struct vg_sorter *s, const struct vg_entry *e, vg_str payload)
{
	size_t need = sizeof(*e) + payload.n;
	struct vg_entry h = *e;
	vg_rc rc;

	if (payload.n > VG_SPOOL_ENTRY_MAX)
		return VG_E_LIMIT;
	if (s->n && s->n + need > VG_SORT_RUN_BYTES && (rc = spill(s)) != VG_OK)
		return rc;
	if (s->n + need > s->cap) {
		size_t cap = s->cap ? s->cap * 2 : (size_t)1 << 20;
		char *p;

		while (cap < s->n + need)
			cap *= 2;
		if ((p = realloc(s->mem, cap)) == NULL)
			return VG_E_NOMEM;
		s->mem = p;
		s->cap = cap;
	}
	if (s->nindex == s->capindex) {
		size_t cap = s->capindex ? s->capindex * 2 : 4096;
		uint32_t *p = realloc(s->index, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		s->index = p;
		s->capindex = cap;
	}
	h.size = (uint32_t)payload.n;
	s->index[s->nindex++] = (uint32_t)s->n;
	memcpy(s->mem + s->n, &h, sizeof(h));
	if (payload.n)
		memcpy(s->mem + s->n + sizeof(h), payload.p, payload.n);
	s->n += need;
	return VG_OK;
}

static bool
run_fill(struct run *r, int fd, size_t want)
{
	if (r->n - r->used >= want)
		return true;
	if (r->used)
		memmove(r->buf, r->buf + r->used, r->n - r->used);
	r->n -= r->used;
	r->used = 0;
	if (want > r->cap || r->buf == NULL) {
		size_t cap = want > READ_BYTES ? want : READ_BYTES;
		char *p = realloc(r->buf, cap);

		if (p == NULL)
			return false;
		r->buf = p;
		r->cap = cap;
	}
	while (r->n < want || (r->n < READ_BYTES && r->n < r->cap)) {
		uint64_t left = r->end - r->at;
		size_t room = r->cap - r->n;
		ssize_t k;

		if (left == 0 || room == 0)
			break;
		k = pread(fd, r->buf + r->n, left < room ? left : room, (off_t)r->at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		r->n += (size_t)k;
		r->at += (uint64_t)k;
	}
	return r->n >= want;
}

/* Load the run's next entry; false at its end. */
static bool
run_next(struct run *r, int fd)
{
	if (!run_fill(r, fd, sizeof(r->head)))
		return false;
	memcpy(&r->head, r->buf + r->used, sizeof(r->head));
	if (!run_fill(r, fd, sizeof(r->head) + r->head.size))
		return false;
	r->payload = vg_str_mem(r->buf + r->used + sizeof(r->head), r->head.size);
	r->used += sizeof(r->head) + r->head.size;
	return true;
}

static void
sift(struct run **heap, size_t n, size_t i)
{
	for (;;) {
		size_t c = 2 * i + 1, least = i;
		struct run *t;

		for (size_t k = c; k < n && k < c + 2; k++)
			if (entry_cmp(&heap[k]->head, &heap[least]->head) < 0)
				least = k;
		if (least == i)
			return;
		t = heap[i];
		heap[i] = heap[least];
		heap[least] = t;
		i = least;
	}
}

static vg_rc
merge(struct vg_sorter *s, vg_rc (*each)(void *ctx, const struct vg_entry *e, vg_str payload), void *ctx)
{
	struct run **heap = calloc(s->nrun ? s->nrun : 1, sizeof(struct run *));
	size_t n = 0;
	vg_rc rc = VG_OK;

	if (heap == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < s->nrun; i++)
		if (run_next(&s->run[i], s->fd))
			heap[n++] = &s->run[i];
	for (size_t i = n; i-- > 0;)
		sift(heap, n, i);
	while (n && rc == VG_OK) {
		rc = each(ctx, &heap[0]->head, heap[0]->payload);
		if (!run_next(heap[0], s->fd))
			heap[0] = heap[--n];
		sift(heap, n, 0);
	}
	free(heap);
	return rc;
}

vg_rc
vg_sorter_run(struct vg_sorter *s, vg_rc (*each)(void *ctx, const struct vg_entry *e, vg_str payload), void *ctx)
{
	vg_rc rc = VG_OK;

	if (s->nrun) { /* more than memory holds */
		if (s->n && (rc = spill(s)) != VG_OK)
			return rc;
		free(s->mem);
		s->mem = NULL;
		s->cap = 0;
		return merge(s, each, ctx);
	}
	qsort_r(s->index, s->nindex, sizeof(*s->index), index_cmp, s->mem);
	for (size_t i = 0; i < s->nindex && rc == VG_OK; i++) {
		struct vg_entry e;

		memcpy(&e, s->mem + s->index[i], sizeof(e));
		rc = each(ctx, &e, vg_str_mem(s->mem + s->index[i] + sizeof(e), e.size));
	}
	return rc;
}
