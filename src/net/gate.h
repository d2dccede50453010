/* net/gate.h - where listeners bring what they received: whoever speaks, and records, untouched.  Behind it stands the vault.
 *
 * Taking is not keeping: a record is acknowledged when the vault has it on disk.  vg_gate.taken() counts what was taken so far; who
 * must answer (HTTP) notes that count behind its last record and answers when the listener is told that so many are kept. */
#ifndef VG_NET_GATE_H
#define VG_NET_GATE_H

#include "base/rc.h"
#include "base/str.h"

enum vg_proved {          /* how a source's name is proved, weakest first */
	VG_PROOF_NONE,       /* UDP: anybody can write that address */
	VG_PROOF_NETWORK,    /* the address answered (TCP, TLS without a client certificate) */
	VG_PROOF_KEY,        /* a key that we gave out */
	VG_PROOF_CERTIFICATE, /* a client certificate that a CA of the settings signed */
	VG_PROOF_LOCAL,      /* this machine itself */
	VG_PROOFS
};
const char *vg_proof_name(unsigned proof); /* "none", "network", "key", "certificate", "local" */

#define VG_SPEAKER_NAME_MAX 255 /* bytes of name, address, tenant, listener; longer ones are cut */
struct vg_speaker {
	vg_str tenant;   /* that the listener, key or certificate names */
	vg_str name;     /* proved by @proof; the address where nothing better is known */
	vg_str address;  /* "192.0.2.7", "2001:db8::1": no port; empty for VG_PROOF_LOCAL */
	vg_str listener; /* "syslog", "syslog-tls", "https", "journal", "file" */
	uint8_t proof;   /* enum vg_proved */
};
enum vg_refusal {        /* why something was not taken, counted a source */
	VG_REFUSED_LONG,     /* over VG_RECORD_RAW_MAX: cut to it, and taken */
	VG_REFUSED_FRAME,    /* framing that makes no sense: the connection was closed */
	VG_REFUSED_FORMAT,   /* a bulk action or document that is none */
	VG_REFUSED_KEY,      /* a key that is not ours, or was revoked */
	VG_REFUSED_LIMIT,    /* too many connections, too large a body, too slow */
	VG_REFUSED_KERNEL,   /* UDP: the kernel's queue was full (SO_RXQ_OVFL) */
	VG_REFUSED_SHARE,    /* it fills its share of the disk: its newest records are not taken */
	VG_REFUSALS
};
const char *vg_refusal_name(unsigned why);

#define VG_GATE_NONE UINT32_MAX
struct vg_gate {
	void *ctx;
	/* The number of this speaker; the same for an equal one.  VG_GATE_NONE: there are too many (counted). */
	uint32_t (*source)(void *ctx, const struct vg_speaker *s);
	/* Take a record; the bytes are copied.  @id: what names it at its sender (an _id, a journal cursor, file and offset), at most
	 * 255 bytes, or empty.  false: the queue is full: keep it, stop reading from that peer, and try again when the listener's
	 * room() is called. */
	bool (*take)(void *ctx, uint32_t source, int64_t recv_ns, vg_str id, vg_str raw);
	/* How many records were taken so far. */
	uint64_t (*taken)(void *ctx);
	void (*refused)(void *ctx, uint32_t source /* or VG_GATE_NONE */, enum vg_refusal why, uint64_t n);
	/* Does it fill its share of the disk?  Then who can tell its sender to wait does; what is taken all the same is dropped and counted, but for
	 * sources of "https", which were told that it is kept.  NULL: none does. */
	bool (*over)(void *ctx, uint32_t source);
};

#endif
