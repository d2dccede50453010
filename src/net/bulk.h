/* net/bulk.h - the body of an Elasticsearch bulk request, or of JSON lines, cut into records as its bytes arrive; and the answer.
 * No input or output, and nothing is interpreted but the action lines.
 *
 * Bulk: a line with an action, {"create":{"_index":"logs","_id":"1"}}, then a line with the document, which is a record, byte for
 * byte.  "create" and "index" bring one; "update" is refused together with its document, "delete" has none and is refused.  Blank
 * lines may stand anywhere (rsyslog sends them between pairs).  After a line that is no action, the next one is taken as the document
 * of what was lost unless it is an action itself.  JSON lines: each line that is not blank is a record.  A document or line over
 * VG_RECORD_RAW_MAX is cut to it and taken.  The last line needs no newline.
 *
 * The format: Elastic's "Bulk API" reference; what clients look at in the answer: Fluent Bit searches for "errors":false,"items":[
 * literally, Beats want as many items as they sent, each with a status. */
#ifndef VG_NET_BULK_H
#define VG_NET_BULK_H

#include "base/buf.h"

#define VG_BULK_ITEMS_MAX 100000u           /* of one request */
#define VG_BULK_ACTION_MAX ((size_t)16384)  /* bytes of an action line; a longer one is none */
#define VG_BULK_NAME_MAX 255                /* bytes of an _id or _index */
#define VG_BULK_ANSWER_NAMES ((size_t)16 << 20) /* bytes of an answer; items beyond them are told without names */
#define VG_BULK_DEPTH_MAX 16                /* of what an action line nests */

enum vg_bulk_mode { VG_BULK_PAIRS, VG_BULK_LINES };
enum vg_bulk_op { VG_BULK_CREATE, VG_BULK_INDEX, VG_BULK_UPDATE, VG_BULK_DELETE };
enum vg_bulk_outcome {
	VG_BULK_TAKEN,       /* 201 */
	VG_BULK_FULL,        /* 429: the gate had no room for it, or for one before it */
	VG_BULK_MALFORMED,   /* 400: a line that is no action */
	VG_BULK_UNSUPPORTED, /* 400: update, delete */
	VG_BULK_MISSING,     /* 400: the body ended before the document */
	VG_BULK_BROKEN,      /* 400: the body could not be decoded further */
	VG_BULK_LARGE,       /* 413: a limit was met; what follows was not read */
	VG_BULK_OUTCOMES
};
struct vg_bulk_doc { /* borrowed, until the callback returns */
	vg_str raw;
	vg_str id;    /* what names it at its sender: _index, "/", _id; without an index the _id alone; over VG_BULK_NAME_MAX the
			 SHA-256 of that in hexadecimal.  Empty when it has no _id. */
	bool cut;     /* it was longer than VG_RECORD_RAW_MAX */
};
/* false: there is no room, for this and for what follows in this request. */
typedef bool vg_bulk_fn(void *ctx, const struct vg_bulk_doc *d);

struct vg_bulk {
	enum vg_bulk_mode mode;
	vg_bulk_fn *fn;
	void *ctx;
	vg_str default_index;             /* of the request's path, for actions that name none; borrowed */
	vg_rc rc;                         /* VG_E_NOMEM: what came since is not among the items */
	uint32_t items, count[VG_BULK_OUTCOMES];
	/* the rest is its own */
	uint8_t state, op;
	bool ended, cut;
	struct vg_buf line;               /* a line whose end has not come yet */
	struct vg_buf id, index, last_index, name, text;
	struct vg_buf result;             /* of each item, see bulk.c */
	size_t answer_bytes;              /* about what the answer will take */
};
void vg_bulk_init(struct vg_bulk *b, enum vg_bulk_mode mode, vg_str default_index, vg_bulk_fn *fn, void *ctx);
void vg_bulk_fini(struct vg_bulk *b);
/* The next bytes of the body, cut anywhere. */
void vg_bulk_feed(struct vg_bulk *b, vg_str bytes);
void vg_bulk_end(struct vg_bulk *b); /* there are no more */
/* The body cannot be read on: one item says so (VG_BULK_BROKEN or VG_BULK_LARGE), and what is fed later is nothing. */
void vg_bulk_break(struct vg_bulk *b, enum vg_bulk_outcome why);
size_t vg_bulk_held(const struct vg_bulk *b); /* bytes of memory, those of the answer too */
/* The answer to a bulk request: {"took":3,"errors":false,"items":[{"create":{"_index":"logs","_id":"1","status":201}}]}.
 * out->rc tells when memory was out. */
void vg_bulk_answer(const struct vg_bulk *b, uint64_t took_ms, struct vg_buf *out);

#endif
