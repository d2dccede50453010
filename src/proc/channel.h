/* proc/channel.h - messages between our own processes, over a stream socket: u32 bytes of body, u16 type, u16 flags (1: a descriptor comes
 * with it), body; little-endian.  Who speaks at the other end is hostile too: a type that the table does not have, a body over the
 * row's limit, or one that its handler refuses ends that channel. */
#ifndef VG_PROC_CHANNEL_H
#define VG_PROC_CHANNEL_H

#include "base/buf.h"
#include "base/cur.h"
#include "net/loop.h"

#define VG_MESSAGE_MAX ((size_t)4 << 20)       /* bytes of one body */
#define VG_CHANNEL_QUEUE_MAX ((size_t)32 << 20) /* bytes that wait to be sent; a peer that takes none is cut off there */

struct vg_channel;
struct vg_handler {
	uint16_t type;
	size_t max_bytes;
	/* @fd: -1 when none came; the handler's to close when it answers VG_OK.  Not VG_OK ends the channel, and closes @fd: who brings descriptors
	 * where none are taken does not fill our table with them. */
	vg_rc (*on)(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd);
};
struct vg_channel_ops {
	const struct vg_handler *handler; /* ends with a NULL function */
	void (*closed)(void *ctx, struct vg_channel *c); /* it is freed behind this */
	void *ctx;
};
/* @fd becomes the channel's.  */
vg_rc vg_channel_new(struct vg_loop *l, int fd, const struct vg_channel_ops *ops, struct vg_channel **out) VG_MUST;
void vg_channel_free(struct vg_channel *c); /* NULL is nothing; what waits is gone.  Not from within a handler of its own */
/* Send, or queue; an error shows in closed().  @fd: -1, or one that is copied. */
void vg_channel_send(struct vg_channel *c, uint16_t type, vg_str body);
void vg_channel_send_fd(struct vg_channel *c, uint16_t type, vg_str body, int fd);
size_t vg_channel_queued(const struct vg_channel *c); /* bytes */
/* Stop reading what comes (back-pressure), and go on. */
void vg_channel_pause(struct vg_channel *c, bool pause);
/* Write what waits, blocking, for at most @wait_ms. */
void vg_channel_flush(struct vg_channel *c, int wait_ms);

#endif
