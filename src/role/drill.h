/* role/drill.h - drills: records that are no evidence, sent through the running watch to see what it says of them (`vigie rule test`).
 *
 * They come over a socket in the state folder, which only who may enter that folder can reach; collect gives them to the vault as those of the
 * tenant VG_DRILL_TENANT; the vault writes them to the intake journal, syncs and acknowledges them, and gives them to detect, as any record, but puts
 * them into no segment.  Each names its world: a tenant's number that nobody else has, so that what one sample makes remembered is nothing to another, or
 * to a company.  What comes of them is told in drilled (state/drilled.h), never among signals.  Arrival is the world's own clock.
 *
 * The socket speaks proc/channel.h:  in VG_MSG_DRILL, out VG_MSG_DRILLED. */
#ifndef VG_ROLE_DRILL_H
#define VG_ROLE_DRILL_H

#include "net/gate.h"
#include "proc/channel.h"
#include "vault/record.h"

#define VG_DRILL_SOCKET "drill.sock"
#define VG_DRILL_TENANT ".drill" /* no name that settings can give */
#define VG_DRILL_WORLDS UINT32_C(0x80000000) /* numbers from here on are drills' */
#define VG_DRILL_CONNECTIONS 4
#define VG_DRILL_ID_BYTES 8

enum vg_drill_msg {
	VG_MSG_DRILL = 200, /* u32 world, i64 arrival, the record until the end */
	VG_MSG_DRILLED,     /* u64: so many of this connection's are on disk */
};
static inline bool
vg_is_drill(uint32_t tenant)
{
	return tenant >= VG_DRILL_WORLDS;
}
/* A drill's record is named by its world and a number.  false: it is none. */
static inline bool
vg_drill_world(vg_str id, uint32_t *out)
{
	struct vg_cur c = vg_cur_of(id.p, id.n);

	*out = vg_cur_le32(&c);
	return id.n == VG_DRILL_ID_BYTES && vg_is_drill(*out);
}

/* Collect's side.  @listen_fd stays the caller's. */
struct vg_drill;
vg_rc vg_drill_new(struct vg_loop *l, const struct vg_gate *gate, int listen_fd, struct vg_drill **out) VG_MUST;
void vg_drill_free(struct vg_drill *d);
void vg_drill_room(struct vg_drill *d);                /* the gate takes again */
void vg_drill_kept(struct vg_drill *d, uint64_t taken); /* so many of those taken are on disk */

/* The parent's: a listening socket in the folder @dir.  -1: errno. */
int vg_drill_listen(int dir);
/* The command's: a connection to it.  -1: errno. */
int vg_drill_connect(int dir);

#endif
