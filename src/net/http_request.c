/* One request: its head is judged, its body fed on as it comes, and its answer waits until what it brought is kept. */
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/time.h"
#include "net/http_in.h"

#define DRAIN_BYTES ((uint64_t)1 << 20) /* of a refused body are read, so that its sender reads the answer before it sees us hang up */

/* What a status says besides itself: in Elasticsearch's words, which some clients show. */
static const struct answer {
	unsigned status;
	const char *type, *reason;
	const char *header, *value; /* NULL: none */
	bool again; /* what was refused is to be sent again */
} answers[] = {
	{ 400, "illegal_argument_exception", "not a request that can be understood", NULL, NULL, false },
	{ 401, "security_exception", "a key is needed, and none of ours was given", MHD_HTTP_HEADER_WWW_AUTHENTICATE,
	  "Basic realm=\"vigie\", charset=\"UTF-8\", ApiKey, Bearer realm=\"vigie\"", false },
	{ 403, "security_exception", "the client certificate is none of ours, or is not valid now", NULL, NULL, false },
	{ 404, "resource_not_found_exception", "nothing is there", NULL, NULL, false },
	{ 405, "illegal_argument_exception", "this cannot be asked there", MHD_HTTP_HEADER_ALLOW, NULL, false },
	{ 413, "content_too_large_exception", "over the limit", NULL, NULL, false },
	{ 414, "illegal_argument_exception", "the path is too long", NULL, NULL, false },
	{ 415, "illegal_argument_exception", "a coding that is not known", MHD_HTTP_HEADER_ACCEPT_ENCODING, "gzip, deflate, zstd", false },
	{ 417, "illegal_argument_exception", "this cannot be expected", NULL, NULL, false },
	{ 429, "es_rejected_execution_exception", "too much at once, send it again later", MHD_HTTP_HEADER_RETRY_AFTER, "1", true },
	{ 431, "illegal_argument_exception", "the head is too large", NULL, NULL, false },
	{ 501, "illegal_argument_exception", "a transfer coding that is not known", NULL, NULL, false },
	{ 503, "unavailable_shards_exception", "not kept, send it again", MHD_HTTP_HEADER_RETRY_AFTER, "5", true },
};

struct request *
vg_http_request_new(struct conn *c, const char *uri)
{
	struct request *r = calloc(1, sizeof(*r));
	vg_str all = vg_str_of(uri), path = vg_str_cut(all, vg_str_chr(all, '?')); /* queries say nothing that we need */

	if (r == NULL)
		return NULL;
	r->conn = c;
	r->source = VG_GATE_NONE;
	r->begin_ns = vg_monotonic_ns();
	r->line.uri = uri;
	r->line.uri_n = all.n;
	r->line.uri_good = vg_http_uri_good(all);
	r->path_n = path.n;
	if (path.n <= VG_ROUTE_PATH_MAX)
		memcpy(r->path, path.p, path.n);
	c->r = r;
	c->h->n.requests++;
	return r;
}

/* Account for the memory that @r holds now. */
static void
weigh(struct request *r)
{
	size_t now = r->records ? vg_bulk_held(&r->bulk) : 0;

	if (r->inflate)
		now += vg_inflate_held(r->inflate);
	r->conn->h->n.held_bytes += now - r->held;
	r->held = now;
}

static void
decoder_free(struct request *r)
{
	vg_inflate_free(r->inflate);
	r->inflate = NULL;
}

static void
tell(struct request *r, enum vg_refusal why, uint64_t n)
{
	const struct vg_gate *g = r->conn->h->gate;

	if (n)
		g->refused(g->ctx, r->source, why, n);
}

static void
unqueue(struct request *r)
{
	struct vg_http *h = r->conn->h;

	if (r->wait_next)
		r->wait_next->wait_prev = r->wait_prev;
	else
		h->wait_tail = r->wait_prev;
	if (r->wait_prev)
		r->wait_prev->wait_next = r->wait_next;
	else
		h->wait_head = r->wait_next;
	h->n.waiting--;
}

/* By need, which grows: one that is suspended later mostly needs more, but a body may end after another's that began later. */
static void
enqueue(struct request *r)
{
	struct vg_http *h = r->conn->h;
	struct request *before = h->wait_tail;

	while (before && before->need > r->need)
		before = before->wait_prev;
	r->wait_prev = before;
	r->wait_next = before ? before->wait_next : h->wait_head;
	if (r->wait_next)
		r->wait_next->wait_prev = r;
	else
		h->wait_tail = r;
	if (before)
		before->wait_next = r;
	else
		h->wait_head = r;
	h->n.waiting++;
}

void
vg_http_request_resume(struct request *r)
{
	if (r->conn->phase == PHASE_KEPT)
		unqueue(r);
	vg_http_phase(r->conn, PHASE_ANSWER);
	MHD_resume_connection(r->conn->c);
	vg_watch_set(r->conn->h->again, EPOLLOUT); /* without threads libmicrohttpd wakes nobody */
}

void
vg_http_request_free(struct request *r)
{
	if (!r->began && !r->conn->cut)
		tell(r, VG_REFUSED_FRAME, 1); /* libmicrohttpd refused its head, or its sender went away */
	if (r->records) {
		const uint32_t *n = r->bulk.count;

		tell(r, VG_REFUSED_FORMAT, (uint64_t)n[VG_BULK_MALFORMED] + n[VG_BULK_UNSUPPORTED] + n[VG_BULK_MISSING] + n[VG_BULK_BROKEN]);
		tell(r, VG_REFUSED_LIMIT, n[VG_BULK_LARGE]);
		vg_bulk_fini(&r->bulk);
	}
	decoder_free(r);
	r->records = false;
	weigh(r);
	r->conn->r = NULL;
	free(r);
}

/* Answers. */

/* Queue an answer of @body's bytes, which it takes. */
static enum MHD_Result
answer(struct request *r, unsigned status, struct vg_buf *body, const char *header, const char *value)
{
	struct MHD_Response *a = body->rc == VG_OK ? MHD_create_response_from_buffer(body->n, body->p, MHD_RESPMEM_MUST_FREE) : NULL;
	enum MHD_Result ok = MHD_NO;

	if (a == NULL) {
		vg_buf_fini(body);
		return MHD_NO; /* the connection is closed */
	}
	*body = (struct vg_buf){ 0 };
	if (MHD_add_response_header(a, "X-Elastic-Product", "Elasticsearch") == MHD_YES &&
	    MHD_add_response_header(a, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json") == MHD_YES &&
	    (header == NULL || MHD_add_response_header(a, header, value) == MHD_YES) &&
	    (!r->head.chunked || MHD_add_response_header(a, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES)) { /* net/http_head.h */
		vg_http_phase(r->conn, PHASE_ANSWER);
		ok = MHD_queue_response(r->conn->c, status, a);
	}
	MHD_destroy_response(a);
	return ok;
}

static const struct answer *
answer_of(unsigned status)
{
	size_t i = 0;

	while (i + 1 < VG_COUNT(answers) && answers[i].status != status)
		i++;
	return &answers[i];
}

/* Instead of an answer that says "again", senders that name no User-Agent see us hang up: that is rsyslog 8.2302, which drops what was
 * answered 429 or 503, the whole or an item, whatever the body, and which sends all of it again, once and at once, when we hang up
 * (tried).  So it is held for a while. */
static bool
hangs_up(const struct request *r, bool again)
{
	return again && r->route == VG_ROUTE_BULK && !r->head.agent;
}

static enum MHD_Result
hang_up(struct request *r)
{
	if (!r->ended || r->conn->h->ending) /* it has more to say, or nobody will resume it: there is no time to hold it */
		return MHD_NO;
	r->hangs_up = true;
	vg_http_phase(r->conn, PHASE_HOLD);
	MHD_suspend_connection(r->conn->c);
	return MHD_YES;
}

/* The answer to lines says how many of them were taken, whatever else there is to say. */
static enum MHD_Result
answer_refusal(struct request *r, unsigned status)
{
	const struct answer *a = answer_of(status);
	const char *value = status == 405 ? vg_route_methods(r->route) : a->value;
	struct vg_buf b = { 0 };

	if (hangs_up(r, a->again))
		return hang_up(r);
	vg_buf_putc(&b, '{');
	if (r->records && r->bulk.mode == VG_BULK_LINES)
		vg_buf_printf(&b, "\"taken\":%u,", r->lost ? 0 : r->bulk.count[VG_BULK_TAKEN]);
	vg_buf_printf(&b, "\"error\":{\"type\":\"%s\",\"reason\":\"%s\"},\"status\":%u}", a->type, a->reason, status);
	return answer(r, status, &b, a->header, value);
}

static enum MHD_Result
answer_static(struct request *r)
{
	struct vg_buf b = { 0 };

	switch (r->route) {
	case VG_ROUTE_ROOT:
		vg_buf_puts(&b, "{\"name\":\"vigie\",\"cluster_name\":\"vigie\",\"cluster_uuid\":\"vigie\",\"version\":{\"number\":");
		vg_buf_json_str(&b, r->conn->h->o.version);
		vg_buf_puts(&b, ",\"build_flavor\":\"default\"},\"tagline\":\"You Know, for Search\"}");
		break;
	case VG_ROUTE_LICENSE:
		vg_buf_puts(&b, "{\"license\":{\"status\":\"active\",\"uid\":\"vigie\",\"type\":\"basic\",\"mode\":\"basic\"}}");
		break;
	case VG_ROUTE_HEALTH:
		vg_buf_puts(&b, "{\"cluster_name\":\"vigie\",\"status\":\"green\",\"timed_out\":false}");
		break;
	default:
		vg_buf_puts(&b, "{}");
		break;
	}
	return answer(r, 200, &b, NULL, NULL);
}

static enum MHD_Result
answer_records(struct request *r)
{
	uint32_t taken = r->bulk.count[VG_BULK_TAKEN];
	bool lines = r->bulk.mode == VG_BULK_LINES;
	unsigned broken = r->broken ? r->broken : r->bulk.count[VG_BULK_FULL] ? 429 : r->bulk.count[VG_BULK_LARGE] ? 413 : 0;
	struct vg_buf b = { 0 };

	if (r->lost)
		return answer_refusal(r, 503);
	if (broken && (taken == 0 || lines))
		return answer_refusal(r, broken);
	if (r->bulk.items == 0 && !lines)
		return answer_refusal(r, 400);
	if (hangs_up(r, r->bulk.count[VG_BULK_FULL] != 0))
		return hang_up(r);
	if (lines)
		vg_buf_printf(&b, "{\"taken\":%u}", taken);
	else
		vg_bulk_answer(&r->bulk, (uint64_t)(vg_monotonic_ns() - r->begin_ns) / 1000000, &b);
	return answer(r, 200, &b, NULL, NULL);
}

/* The head. */

static bool
on_document(void *ctx, const struct vg_bulk_doc *d)
{
	struct request *r = ctx;
	struct vg_http *h = r->conn->h;

	if (!h->gate->take(h->gate->ctx, r->source, r->recv_ns, d->id, d->raw))
		return false;
	if (r->bulk.count[VG_BULK_TAKEN] == 0)
		r->epoch = h->lost;
	r->need = h->gate->taken(h->gate->ctx);
	if (d->cut)
		tell(r, VG_REFUSED_LONG, 1);
	return true;
}

/* A request for records: what its body is, and where it goes. */
static unsigned
admit_records(struct request *r)
{
	struct vg_http *h = r->conn->h;
	vg_str index = { r->index, r->index_n };
	enum vg_coding coding;

	if (r->head.length > h->o.coded_bytes) {
		tell(r, VG_REFUSED_LIMIT, 1);
		return 413;
	}
	if (!vg_coding_of(r->head.coding, &coding)) {
		tell(r, VG_REFUSED_FORMAT, 1);
		return 415;
	}
	if (h->n.held_bytes >= h->o.memory_bytes || vg_inflate_new(coding, h->o.body_bytes, &r->inflate) != VG_OK)
		return 429;
	vg_bulk_init(&r->bulk, r->route == VG_ROUTE_BULK ? VG_BULK_PAIRS : VG_BULK_LINES, index, on_document, r);
	r->records = true;
	weigh(r);
	return 0;
}

static unsigned
admit(struct request *r, vg_str method)
{
	vg_str path = { r->path, r->path_n };
	bool records;
	unsigned status;

	if (path.n > VG_ROUTE_PATH_MAX)
		return 414;
	r->route = vg_route_of(path, r->index, &r->index_n);
	records = r->route == VG_ROUTE_BULK || r->route == VG_ROUTE_LINES;
	if ((status = vg_http_who(r, records && vg_route_allows(r->route, method))) != 0)
		return status;
	if (r->route == VG_ROUTE_NONE)
		return 404;
	if (!vg_route_allows(r->route, method))
		return 405;
	return records ? admit_records(r) : 0;
}

static enum MHD_Result
begin(struct request *r, const char *method, const char *version)
{
	unsigned status;

	r->began = true;
	r->line.method = method;
	r->line.version = version;
	if ((status = vg_http_head_read(r->conn->c, &r->line, &r->head)) != 0) {
		tell(r, VG_REFUSED_FRAME, 1);
		return answer_refusal(r, status); /* before its body: the connection ends with it */
	}
	vg_http_phase(r->conn, PHASE_BODY);
	if ((r->status = admit(r, vg_str_of(method))) == 0)
		return MHD_YES;
	if (r->head.expect || r->head.length > DRAIN_BYTES)
		return answer_refusal(r, r->status);
	return MHD_YES;
}

/* The body. */

/* The body is read no further. */
static void
break_off(struct request *r, unsigned status)
{
	if (r->broken)
		return;
	r->broken = status;
	vg_bulk_break(&r->bulk, status == 413 ? VG_BULK_LARGE : status == 429 ? VG_BULK_FULL : VG_BULK_BROKEN);
	decoder_free(r);
	weigh(r);
}

static unsigned
status_of(vg_rc rc)
{
	return rc == VG_E_LIMIT ? 413 : rc == VG_E_NOMEM ? 429 : 400;
}

static void
on_decoded(void *ctx, vg_str bytes)
{
	vg_bulk_feed(ctx, bytes);
}

static void
body(struct request *r, vg_str bytes)
{
	struct vg_http *h = r->conn->h;
	uint64_t limit = r->status ? 0 : h->o.coded_bytes;
	vg_rc rc;

	r->in += bytes.n;
	if (r->in > limit + DRAIN_BYTES) {
		tell(r, VG_REFUSED_LIMIT, 1);
		vg_http_cut(r->conn);
		return;
	}
	if (!r->records || r->broken)
		return;
	if (r->in > limit) {
		break_off(r, 413);
		return;
	}
	r->recv_ns = vg_clock_ns();
	if ((rc = vg_inflate_feed(r->inflate, bytes, on_decoded, &r->bulk)) == VG_OK)
		rc = r->bulk.rc;
	weigh(r);
	if (rc != VG_OK)
		break_off(r, status_of(rc));
	else if (h->n.held_bytes > h->o.memory_bytes)
		break_off(r, 429);
}

static void
body_end(struct request *r)
{
	vg_rc rc;

	r->ended = true;
	if (!r->records || r->broken)
		return;
	r->recv_ns = vg_clock_ns();
	if ((rc = vg_inflate_end(r->inflate)) != VG_OK) {
		break_off(r, status_of(rc));
		return;
	}
	vg_bulk_end(&r->bulk);
	decoder_free(r);
	if (r->bulk.rc != VG_OK)
		r->broken = status_of(r->bulk.rc);
	weigh(r);
}

static enum MHD_Result
finish(struct request *r)
{
	struct vg_http *h = r->conn->h;

	if (r->hangs_up)
		return MHD_NO;
	if (!r->ended)
		body_end(r);
	if (r->status)
		return answer_refusal(r, r->status);
	if (!r->records)
		return answer_static(r);
	r->lost |= r->bulk.count[VG_BULK_TAKEN] && (r->epoch != h->lost || h->ending);
	if (r->bulk.count[VG_BULK_TAKEN] && !r->lost && r->need > h->kept) {
		vg_http_phase(r->conn, PHASE_KEPT);
		enqueue(r);
		MHD_suspend_connection(r->conn->c);
		return MHD_YES;
	}
	return answer_records(r);
}

enum MHD_Result
vg_http_request_step(struct request *r, const char *method, const char *version, const char *data, size_t *n)
{
	if (!r->began)
		return begin(r, method, version);
	if (*n == 0)
		return finish(r);
	body(r, vg_str_mem(data, *n));
	*n = 0;
	return MHD_YES;
}
