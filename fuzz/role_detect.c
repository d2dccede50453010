/* The process that decodes and matches, and any bytes from the vault and from trace.  What is always true: each batch of the generation that trace
 * told is answered once, by what was found and by its end, and what is found can be taken by trace. */
#include <assert.h>

#include "knowledge.h"
#include "role.h"
#include "role/detect.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define VAULT 0
#define TRACE 1

static uint64_t nfirst; /* of the next good batch */

static struct detect *
the(struct fuzz_role *r)
{
	return r->env.ctx;
}

/* Events: the body's lines, a record each.  Begin: the next generation, or the same. */
static void
good(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, struct vg_buf *body)
{
	struct vg_buf b = { 0 };
	vg_str rest = vg_buf_str(body), line;
	uint64_t generation = the(r)->generation;

	(void)p;
	if (type == VG_MSG_BEGIN) {
		vg_buf_le64(&b, (UINT64_C(7) << 32) + (uint32_t)generation + (body->n ? (uint8_t)body->p[0] % 3u : 1));
		vg_buf_le64(&b, nfirst);
	} else if (type == VG_MSG_EVENTS) {
		vg_buf_le64(&b, generation ? generation : UINT64_C(7) << 32 | 1);
		vg_buf_le64(&b, nfirst);
		vg_buf_le64(&b, nfirst + 64);
		while (rest.n && vg_str_split(&rest, '\n', &line)) {
			struct vg_record x = { .seq = nfirst, .recv_ns = INT64_C(1790000000000000000), .source = (uint32_t)nfirst % 3, .raw = line };

			if (nfirst++ % 2)
				x.id = vg_str_cut(line, 8);
			vg_buf_le32(&b, 1);
			vg_record_put(&b, &x);
		}
	} else {
		return;
	}
	if (b.rc != VG_OK)
		abort();
	vg_buf_fini(body);
	*body = b;
}

static void
heard(struct fuzz_role *r, struct fuzz_peer *p, uint16_t type, vg_str body)
{
	static struct vg_found f;
	struct vg_cur c = vg_cur_of(body.p, body.n);
	uint64_t generation;

	(void)r;
	if (p->role == VG_ROLE_VAULT) {
		assert(type == VG_MSG_DONE && body.n % 20 == 8);
		return;
	}
	if (type == VG_MSG_SEEN) {
		static struct vg_seen_row row;

		assert(vg_seen_take(&c, &row) == VG_OK);
		return;
	}
	assert(type == VG_MSG_FOUND && body.n <= VG_FOUND_BYTES_MAX);
	generation = vg_cur_le64(&c);
	(void)vg_cur_bytes(&c, 24); /* first, next, newest */
	assert(generation && c.rc == VG_OK);
	while (vg_cur_left(&c))
		assert(vg_found_take(&c, &f) == VG_OK && (f.nrule || f.nmet));
}

static void
step(struct fuzz_role *r, unsigned n)
{
	(void)n;
	r->impl->tick(&r->env);
}

static void
detect_fini(struct detect *d)
{
	vg_channel_free(d->vault);
	vg_channel_free(d->trace);
	vg_detector_free(d->detector);
	vg_seen_free(d->seen);
	vg_decoder_fini(&d->decoder);
	vg_knowledge_fini(&d->k);
	vg_buf_fini(&d->held);
	vg_buf_fini(&d->found);
	vg_buf_fini(&d->wire);
	vg_buf_fini(&d->done);
	memset(d, 0, sizeof(*d));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int knowledge = fuzz_knowledge();
	struct fuzz_role r;

	nfirst = 1;
	fuzz_role_init(&r, &vg_detect_role);
	r.good = good;
	r.heard = heard;
	r.step = step;
	fuzz_give(&r, "knowledge", VG_NIL, knowledge);
	fuzz_give(&r, "cache-bytes", VG_STR("65536"), -1);
	fuzz_begin(&r, -1);
	fuzz_add_peer(&r, VG_ROLE_VAULT, 0);
	fuzz_add_peer(&r, VG_ROLE_TRACE, 0);
	fuzz_steps(&r, data, n);
	detect_fini(the(&r));
	fuzz_role_fini(&r);
	return 0;
}
