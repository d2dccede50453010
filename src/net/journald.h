/* net/journald.h - follows the journal of this machine's systemd, and brings its entries to the gate.
 *
 * A record is one entry in the export format (JOURNAL_EXPORT_FORMATS.md), with the blank line behind it, byte for byte what
 * "journalctl -o export" of libsystemd 252 prints; its id is the cursor.  Of an entry over VG_RECORD_RAW_MAX the fields are left out that
 * do not fit.  When the entry that was read last is not in the journal any more, a record of "HOST:vigie-journal" says so:
 *   {"vigie":"journal-gap","was":CURSOR,"is":CURSOR}, the latter being of the first entry that is there.
 *
 * Needs, in a sandbox: reading /run/log/journal and /var/log/journal (openat, newfstatat, fstatfs, getdents64, fcntl, mmap without
 * PROT_EXEC, munmap, pread64, lseek, close, access), inotify_init1, inotify_add_watch, inotify_rm_watch, read, epoll_ctl, eventfd2, write,
 * getrandom, and /etc/machine-id, or vg_journald_prepare() before it. */
#ifndef VG_NET_JOURNALD_H
#define VG_NET_JOURNALD_H

#include "base/buf.h"
#include "net/gate.h"
#include "net/loop.h"

#define VG_JOURNALD_FIRST_S 86400               /* when never read before: entries since so long ago */
#define VG_JOURNALD_AGAIN_S 60                  /* when there is none: the next try */
#define VG_JOURNALD_TURN_BYTES ((size_t)256 << 10) /* before the rest of the loop has its turn */
#define VG_JOURNALD_CURSOR_MAX 255

struct vg_journald_options {
	vg_str tenant, host; /* copied; the source is HOST */
	const char *folder;  /* borrowed until _new() returns; NULL: the machine's own journals, of the system and of users */
	/* What keeps it from reading, or from reading all, in words for a person; once for each reason.  May be NULL. */
	void (*say)(void *ctx, const char *text);
	void *ctx;
};
struct vg_journald_counts {
	bool open;
	uint64_t damaged; /* entries or fields that could not be read */
	uint64_t gaps;
};
struct vg_journald;
/* What a sandbox may not let it look for later: the number of this machine, without which it finds no journal. */
void vg_journald_prepare(void);
/* @cursor: of vg_journald_cursor() in an earlier run; empty: there was none.  That there is no journal is no failure: see say().  The
 * loop has a timer of it for good: it is not run any more after vg_journald_free().  VG_E_FORMAT: @cursor is too long, or
 * none.  VG_E_NOMEM, VG_E_SYS, VG_E_LIMIT. */
vg_rc vg_journald_new(struct vg_loop *l, const struct vg_gate *g, const struct vg_journald_options *o, vg_str cursor,
		      struct vg_journald **out) VG_MUST;
void vg_journald_free(struct vg_journald *j); /* NULL is nothing */
void vg_journald_room(struct vg_journald *j); /* the gate takes again */
/* The gate has kept the first @taken records that it took. */
void vg_journald_kept(struct vg_journald *j, uint64_t taken);
/* Where the next run goes on: the last entry that was kept; empty: none was.  Borrowed until the next call. */
vg_str vg_journald_cursor(const struct vg_journald *j);
void vg_journald_count(const struct vg_journald *j, struct vg_journald_counts *out);

#endif
