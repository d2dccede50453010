/* witness/watcher.h - the run of `vigie witness`: one process that waits and tells, one an address that pulls, one that serves the copy.
 *
 * The first one touches no byte from outside but the lines that its own children write, so that whatever ends or holds up a puller, the
 * silence is still noticed and told.  Silence is counted by the monotonic clock, from when a newer checkpoint was seen, less one
 * interval of pulling: so long ago it may have been made. */
#ifndef VG_WITNESS_WATCHER_H
#define VG_WITNESS_WATCHER_H

#include "vault/note.h"
#include "witness/pull.h"
#include "witness/tell.h"

#define VG_WITNESS_FROM_MAX 32
#define VG_WITNESS_WHY 256

struct vg_witness_options {
	const char *state;            /* its folder, made when it is not there */
	const char *const *from;      /* addresses of watches, each of other tenants */
	size_t nfrom;
	const struct vg_note_key *log_key; /* see witness/sync.h */
	size_t nlog_key;
	const struct vg_note_key *recovery;
	struct vg_pull_options pull;
	int listen;                   /* a socket to serve the copy on; -1: none */
	const char *listen_token, *listen_cert, *listen_key; /* see witness/publish.h */
	int64_t silence_ns, every_ns; /* every is less than silence */
	int64_t keep_ns;              /* of what the watch destroyed: witness/destroy.h */
	uint64_t free_bytes;          /* alarm below that, or below 5 % */
	struct vg_tell_options tell;  /* its name is that of the witness's key when it is made */
};
/* Until SIGTERM or SIGINT.  VG_E_REFUSED: another witness works on that folder.  @why says what went wrong. */
vg_rc vg_witness_run(const struct vg_witness_options *o, char why[VG_WITNESS_WHY]) VG_MUST;
/* The witness's key in @dir, which is made when there is none, under @name.  VG_E_FORMAT: the file is none. */
vg_rc vg_witness_key(int dir, const char *name, struct vg_note_secret *out) VG_MUST;

#endif
