/* source/fdinput.h - an input over an open file, read forward through one buffer: the same memory for any size. */
#ifndef VG_SOURCE_FDINPUT_H
#define VG_SOURCE_FDINPUT_H

#include "source/input.h"

struct vg_fdinput {
	struct vg_input in; /* give its address to readers; do not move this struct */
	int fd;             /* not owned */
	uint64_t at;        /* what is read next from the file */
	uint8_t *buf;       /* owned */
	size_t cap;
};
/* From byte @begin of a file of @size bytes.  No memory is taken before the first peek. */
void vg_fdinput_open(struct vg_fdinput *f, int fd, uint64_t begin, uint64_t size);
void vg_fdinput_close(struct vg_fdinput *f);
/* Move to the first line that begins after the input's begin: where a unit that is not the first starts. */
void vg_fdinput_next_line(struct vg_fdinput *f);

#endif
