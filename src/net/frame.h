/* net/frame.h - cuts a stream of syslog into records: no I/O, and no byte copied but of a frame that lies in two reads.
 *
 * RFC 6587 knows two framings: octet counting, "LEN SP MSG" (3.4.1; RFC 5425, 4.3 for TLS), and messages that end with LF (3.4.2;
 * CRLF and NUL are sent too).  Which one a connection speaks is guessed from its first frame, and again for every frame, since
 * senders mix them:
 * - The first frame is counted when it begins with digits, a space and '<'; then this is a counted connection, where digits and a
 *   space are enough.  A frame of it that begins with anything else is a line; one that does not begin with '<' is what a sender
 *   that counts wrongly (characters for bytes) left over, and ends where the next head is seen too.
 * - Else this is a connection of lines.  Its first line says whether NUL ends a line as well as LF.  A counted frame between lines
 *   is believed only when no line ends within it: else whoever has a line feed and a length written to a log hides what follows.
 * A record is the message without its framing, byte for byte: lines lose the LF or NUL and at most two CR or NUL before it, counted
 * ones nothing.  Empty lines are none. */
#ifndef VG_NET_FRAME_H
#define VG_NET_FRAME_H

#include "base/buf.h"

#define VG_FRAME_LENGTH_MAX ((uint64_t)64 << 20) /* a counted frame that says more is nonsense */

/* A record; @raw is good until it returns.  @cut: it was longer than VG_RECORD_RAW_MAX, and this is its beginning.  false: not now;
 * it is offered again by the next call. */
typedef bool vg_frame_fn(void *ctx, vg_str raw, bool cut);

struct vg_framer {
	vg_frame_fn *take;
	void *ctx;
	struct vg_buf part; /* the frame that began in an earlier read, its head included; owned */
	size_t head;        /* bytes before the message of a counted frame */
	size_t want;        /* bytes of a counted frame that are taken, its head included */
	size_t over;        /* bytes behind these, or left to skip */
	struct {            /* a record in @part that was not taken yet */
		size_t from, n, keep; /* what begins at @keep belongs to the next frame */
		bool is, cut;
		uint8_t then; /* the state after it */
	} ready;
	uint8_t mode, state;
	vg_rc rc; /* after vg_frame_end() has begun: what it will return */
	const char *lf, *nul, *lt; /* the next ones in this read, looked for once */
};

void vg_framer_init(struct vg_framer *f, vg_frame_fn *take, void *ctx);
void vg_framer_fini(struct vg_framer *f);
/* Cut what came.  @used: the bytes that were taken or kept.  VG_OK: all of them.  VG_E_STOP: a record was refused: come again with
 * the bytes from @used on.  VG_E_FORMAT: a length that makes no sense; VG_E_NOMEM: the stream is over. */
vg_rc vg_frame_feed(struct vg_framer *f, vg_str in, size_t *used) VG_MUST;
/* The stream ends: what is left is a record.  VG_E_STOP: it was refused: come again.  VG_E_TRUNC: it ended within a counted frame;
 * what there was of it was taken. */
vg_rc vg_frame_end(struct vg_framer *f) VG_MUST;

#endif
