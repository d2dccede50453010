/* proc/carry.h - a descriptor that goes with the bytes of a message (unix(7), "SCM_RIGHTS"). */
#ifndef VG_PROC_CARRY_H
#define VG_PROC_CARRY_H

#include <string.h>
#include <sys/socket.h>

union vg_carry {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* @fd goes with @m, which points into @room until it is sent.  The kernel has its own copy then: @fd stays the caller's. */
static inline void
vg_carry_fd(struct msghdr *m, union vg_carry *room, int fd)
{
	struct cmsghdr *h;

	*room = (union vg_carry){ { 0 } };
	m->msg_control = room->buf;
	m->msg_controllen = sizeof(room->buf);
	h = CMSG_FIRSTHDR(m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
}

#endif
