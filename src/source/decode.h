/* source/decode.h - one record, alone, as a listener or a file gave it, to events.  What it is is told from its first bytes: JSON (an
 * object, an array, a known wrapper of objects), a Windows <Event>, an entry of the journal's export format, an audit record, a
 * syslog line; what is none of these is a line of which only the text is known.  So each record gives at least one event. */
#ifndef VG_SOURCE_DECODE_H
#define VG_SOURCE_DECODE_H

#include "source/format.h"
#include "source/syslog.h"

/* Raised whenever some record gives other fields than before, packs aside: what was kept of decoded ones (vault/fields.h) is not rested on then.
 * test/unit/vault/fields.c fails when it was forgotten. */
#define VG_DECODE_FORMAT 1
#define VG_DECODE_BYTES_MAX ((size_t)96 << 20) /* memory of one event */
/* A claimed time is believed that much around arrival (design.md, "An event"). */
#define VG_CLAIM_BEFORE (30 * VG_DAY)
#define VG_CLAIM_AFTER (5 * VG_MIN)

enum vg_decoded {
	VG_DECODED_PLAIN, /* nothing known: one field, message */
	VG_DECODED_SYSLOG, VG_DECODED_JSON, VG_DECODED_WINXML, VG_DECODED_JOURNAL, VG_DECODED_AUDITD,
	VG_DECODED
};
typedef vg_rc vg_decoded_fn(void *ctx, struct vg_event *e);

struct vg_decoder {
	/* of the record that came last: what it was, how many events it gave, and how many of its notes say that something was not read
	 * or read in part */
	enum vg_decoded kind;
	uint32_t events, notes;

	struct vg_event event;
	struct vg_arena arena;
	struct vg_syslog syslog;
	struct vg_reader reader;
	struct vg_sink sink;
	struct vg_input in;
	vg_decoded_fn *fn; /* of the record at hand */
	void *ctx;
};
/* @packs may be NULL; @keys: looked up now, so they hold all their names already; both outlive @d, which does not move.  @zone_s: of
 * times without a zone, seconds east of UTC. */
void vg_decoder_init(struct vg_decoder *d, const struct vg_packs *packs, const struct vg_keys *keys, int zone_s);
void vg_decoder_fini(struct vg_decoder *d);
/* Give each event of @raw, which arrived at @recv_ns (VG_TIME_NONE: unknown), to @fn; it is good until @fn returns.  Not VG_OK of @fn ends it and is
 * returned.  VG_E_NOMEM. */
vg_rc vg_decoder_record(struct vg_decoder *d, vg_str raw, int64_t recv_ns, vg_decoded_fn *fn, void *ctx) VG_MUST;

/* The time that rules, windows and pages use: the claimed one when it can be believed, else that of arrival. */
static inline int64_t
vg_event_when(const struct vg_event *e, int64_t recv_ns)
{
	int64_t ahead;

	if (e->time_ns == VG_TIME_NONE || __builtin_sub_overflow(e->time_ns, recv_ns, &ahead))
		return recv_ns;
	return ahead >= -VG_CLAIM_BEFORE && ahead <= VG_CLAIM_AFTER ? e->time_ns : recv_ns;
}

#endif
