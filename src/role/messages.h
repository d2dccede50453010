/* role/messages.h - what the roles of the watch say to each other (little-endian; a string is u32 length and its bytes).
 *
 *   collect, local -> vault   HELLO, SOURCE, RECORDS, REFUSED        vault -> collect, local   FROM, KEPT, WAIT, OVER
 *   vault -> detect           EVENTS                                 detect -> vault           DONE
 *   detect -> trace           FOUND, SEEN                            trace -> detect           BEGIN
 *   trace -> vault            CURSOR, AGAIN                          vault -> trace            BEGIN
 *   vault -> seal             SIGN, CERTIFY                          seal -> vault             SIGNED, CERTIFIED
 *   look -> trace             LOOKED                                 trace -> look             LOOK_AT
 *   learn -> parent           LEARNED                                detect, look -> parent    TAKEN, JOB_DONE
 *   trace, vault -> out       ALARMS                                 out -> trace, vault       ALARMS_KEPT
 *   vault -> out              STAMP                                  out -> vault              STAMPED
 *   respond -> vault          OWN                                    vault -> respond          OWN_KEPT
 *
 * What the vault gives to detect is of a generation, and a generation has no hole: each record from its first one on is given once, and trace
 * takes them in order.  Whenever something may be lost between the three, because one of them died or a channel ended, the vault begins a
 * new generation at the first record that trace does not have; what is still under way of the one before is nothing then.  Detect works on a
 * generation when trace told it over the channel that its findings will go through: none goes to a trace that is no more. */
#ifndef VG_ROLE_MESSAGES_H
#define VG_ROLE_MESSAGES_H

#include "proc/role.h"

enum vg_role_msg {
	VG_MSG_HELLO = 100, /* u64 sender: random, of this life of the process; 0: its records have ids, and may come again */
	VG_MSG_FROM,        /* u64 number: the sender's last batch that is kept; 0: none */
	VG_MSG_SOURCE,      /* u32 handle, u8 enum vg_proved, strings tenant, name, address, listener */
	VG_MSG_RECORDS,     /* u64 number (from 1, without a gap), then records until the end: u32 handle, i64 recv_ns, u16 flags, u16 id length,
	                     * u32 raw length, id, raw */
	VG_MSG_REFUSED,     /* u32 handle or UINT32_MAX, u8 enum vg_refusal, u64 n */
	VG_MSG_KEPT,        /* u64 number: all batches up to it are on disk */
	VG_MSG_WAIT,        /* u8: 1: nothing can be kept, take nothing more; 0: go on */
	VG_MSG_EVENTS,      /* u64 generation, u64 first seq, u64 seq behind the last, then u32 tenant and a record (vault/record.h) each */
	VG_MSG_DONE,        /* u64 first seq, then u32 source, u32 records not understood, u32 events of no known log source, i64 its clock less
	                     * ours, a source each */
	VG_MSG_FOUND,       /* role/found.h */
	VG_MSG_BEGIN,       /* u64 generation (upper half: the vault's life, random), u64 seq: what comes next */
	VG_MSG_CURSOR,      /* u64 seq: it took all before it; u64 seq: and needs none before this one again */
	VG_MSG_AGAIN,       /* as CURSOR: findings may be lost, begin a new generation */
	VG_MSG_OVER,        /* u32 handle, u8: 1: it fills its share of the disk, take no more of it; 0: go on */
	VG_MSG_SEEN,        /* role/seen.h */
	VG_MSG_SIGN,        /* string tenant, string checkpoint, u64 leaves and 32 bytes root of the one before, proof: u16 n, n times 32 bytes */
	VG_MSG_SIGNED,      /* string tenant, string note (empty: refused), u64 leaves of what was signed last */
	VG_MSG_CERTIFY,     /* string tenant, string text (vault/destruction.h), string note that a certificate rests on (else empty) */
	VG_MSG_CERTIFIED,   /* string tenant, u32 key, string note (empty: refused), string why */
	VG_MSG_LEARNED,     /* u8 enum vg_learned_what, u64 number; a descriptor with SET and JOB */
	VG_MSG_TAKEN,       /* u64: number of the set of indicators that is used from here on */
	VG_MSG_LOOKED,      /* role/found.h */
	VG_MSG_LOOK_AT,     /* u64 job, u32 tenant, u64 seq: what is on disk of LOOKED; tenant UINT32_MAX: all of the job */
	VG_MSG_JOB_DONE,    /* u64 job */
	VG_MSG_ALARMS,      /* u64 number, then alarms (role/alarm.h) until the end */
	VG_MSG_ALARMS_KEPT, /* u64 number: they are on disk, and will be told */
	VG_MSG_STAMP,       /* u64 number, string tenant, string note: have it stamped */
	VG_MSG_STAMPED,     /* u64 number, string response (RFC 3161; empty: there is none), string who signed it, or why there is none */
	VG_MSG_OWN,         /* u64 number, string tenant, string JSON: a record of Vigie's own */
	VG_MSG_OWN_KEPT,    /* u64 number: it is on disk */
};

enum vg_learned_what {
	VG_LEARNED_FILE, /* it is done with the file that it was given last; number: files that are refused */
	VG_LEARNED_SET,  /* all indicators, a sealed blob (detect/indicator.h); number: of the set */
	VG_LEARNED_JOB,  /* those that older records were not looked through for, sealed (role/learned.h); number: of the job */
};

#define VG_RECORDS_BYTES ((size_t)512 << 10) /* of one RECORDS or EVENTS, about; a single record may make it larger */
#define VG_RECORDS_MAX ((size_t)2 << 20)     /* of one, at most */
#define VG_RECORDS_COUNT_MAX 65536           /* numbers of records that one EVENTS spans: VG_RECORDS_BYTES of the shortest, and those set aside, are fewer */

#endif
