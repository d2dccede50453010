/* drill/sample.h - a rule's own samples: records that it must find, and records close to them that it must not.
 *
 * They stand in the rule's document, under a key of our own, which Sigma allows:
 *
 *   vigie_tests:
 *     match:                 # each entry is a sequence of records, the rule must fire on it
 *       - - {time: 0, program: sshd, message: "Failed password for bob from 203.0.113.9 port 40022 ssh2", repeat: 10, every: 1s}
 *     nomatch:               # and on none of these
 *       - - {time: 0, Channel: Security, EventID: 4625, TargetUserName: bob}
 *
 * A record is what a source sends, so that a sample goes the whole way of one:
 *   raw: TEXT                                      a record as it arrives, a line or whatever it is
 *   program: NAME, message: TEXT [hostname:, pid:] a syslog line
 *   anything else                                  an object of JSON with these names, as forwarders send
 * `time` is when it arrives: a date, or a duration from the sequence's beginning; those without one come a second after the one before.
 * `repeat: N` and `every: DURATION` make N of it; {n} in its texts is then 0, 1, 2... */
#ifndef VG_DRILL_SAMPLE_H
#define VG_DRILL_SAMPLE_H

#include "base/arena.h"
#include "base/buf.h"

#define VG_RULE_SAMPLE_RECORDS_MAX 10000         /* of one sequence */
#define VG_RULE_SAMPLE_BYTES_MAX ((size_t)64 << 20) /* of all samples that are read into one set */

struct vg_rule_record {
	int64_t time_ns;
	vg_str raw;
};
struct vg_rule_sample {
	vg_str rule;   /* its id; its title where it has none */
	vg_str file;
	uint32_t line; /* of the sequence; 0: not of a rule's own document */
	bool fires;    /* what must come of it */
	uint32_t times; /* how often; 0: once or more.  For rules that are no correlations */
	struct vg_rule_record *record; /* in order of time */
	size_t nrecord;
};
struct vg_rule_samples {
	struct vg_arena arena; /* owns all that follows */
	struct vg_rule_sample *item;
	size_t n, cap;
	size_t bad;            /* that could not be understood; told */
	void (*tell)(void *ctx, vg_str file, uint32_t line, const char *text); /* one line for a person */
	void *ctx;
};
void vg_rule_samples_init(struct vg_rule_samples *s, void (*tell)(void *ctx, vg_str file, uint32_t line, const char *text), void *ctx);
void vg_rule_samples_fini(struct vg_rule_samples *s);
/* Add those in the rules of @yaml.  What cannot be understood is told, and the rest goes on.  VG_E_NOMEM. */
vg_rc vg_rule_samples_read(struct vg_rule_samples *s, vg_str file, vg_str yaml) VG_MUST;
/* Add one of a record, which is copied, that the rule @rule must find. */
vg_rc vg_rule_samples_add(struct vg_rule_samples *s, vg_str rule, vg_str file, vg_str raw, uint32_t times, int64_t time_ns) VG_MUST;
/* SigmaHQ's regression data (regression_data/ of their tree): @info is an info.yml; the rules that it names, their first id in @rule (empty: none), and
 * how often each must fire (0: it does not say). */
vg_rc vg_rule_samples_info(vg_str info, struct vg_arena *a, vg_str *rule, uint32_t *times) VG_MUST;

#endif
