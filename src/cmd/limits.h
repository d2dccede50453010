/* cmd/limits.h - what a command that goes through evidence may take (limits.query of the settings): as its options say, else the settings, else their
 * defaults. */
#ifndef VG_CMD_LIMITS_H
#define VG_CMD_LIMITS_H

#include "cmd/cmd.h"

enum vg_query_limit { VG_QUERY_TIME, VG_QUERY_MEMORY, VG_QUERY_READ, VG_QUERY_LIMITS };
struct vg_query_limits {
	uint64_t is[VG_QUERY_LIMITS]; /* nanoseconds, bytes, bytes of raw log; never 0 */
};
#define VG_QUERY_OPTIONS \
	{ "--max-time", VG_OPT_TEXT, "DURATION", "give up after so long (default: limits.query.time, 10 min)" }, \
	{ "--max-memory", VG_OPT_TEXT, "SIZE", "take no more memory (default: limits.query.memory, 512 MiB)" }, \
	{ "--max-bytes", VG_OPT_TEXT, "SIZE", "give up after so many bytes of log (default: limits.query.read, 1 TiB)" }

/* Settings that are found and cannot be used end nothing: that was told, and the defaults hold.  false: an option, or what --settings names, is wrong,
 * which was told. */
bool vg_take_query_limits(const struct vg_args *a, const char *state, struct vg_query_limits *out);
/* The same with settings that were read. */
struct vg_settings;
bool vg_query_limits_of(const struct vg_args *a, const struct vg_settings *s, struct vg_query_limits *out);
/* What was met, and what raises it: "it took longer than 10 min (--max-time or limits.query.time allows more)". */
#define VG_QUERY_WHY 160
void vg_query_limit_met(const struct vg_query_limits *l, enum vg_query_limit which, char out[VG_QUERY_WHY]);
/* The time in seconds, as alarm(2) has it: at least one. */
unsigned vg_query_seconds(const struct vg_query_limits *l);

#endif
