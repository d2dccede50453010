/* trace/story.h - what the evidence tells: signals grouped, sign-ins joined into paths, erased logs and gaps,
 * hosts and accounts with their first and last time, chapters.  Fed in order of time with signals and facts; memory
 * is bounded whatever the input; then read by case/, which shows it to people. */
#ifndef VG_TRACE_STORY_H
#define VG_TRACE_STORY_H

#include "event/event.h"
#include "rule/program.h"
#include "trace/fact.h"

enum vg_chapter { /* design.md, "The chapters"; stage of a technique: trace/stage.c, one table */
	VG_CH_ENTRY, VG_CH_ACCOUNTS, VG_CH_ERASED, VG_CH_BACKDOORS, VG_CH_MAPPING, VG_CH_BACKUPS, VG_CH_RANSOM,
	VG_CHAPTERS, VG_CH_NONE = VG_CHAPTERS
};
/* Of a rule's tags: the technique decides, the tactic only where no technique is known. */
enum vg_chapter vg_chapter_of(const struct vg_program *p, uint32_t rule);
/* Of one tag such as "attack.t1070.001"; @known: the table has it (VG_CH_NONE is an answer too). */
enum vg_chapter vg_technique_chapter(vg_str tag, bool *known);
/* "attack.t1059.001" -> "T1059.001"; false when the tag is no technique. */
bool vg_tag_technique(vg_str tag, char out[16]);

#define VG_STORY_GROUPS_MAX 20000   /* (rule, host) pairs */
#define VG_STORY_SAMPLES 3          /* events kept whole for each group */
#define VG_STORY_SAMPLE_BYTES ((size_t)24 << 20) /* of all samples; then none are kept, counted */
#define VG_STORY_ENTITIES_MAX 50000 /* hosts, accounts, addresses: each */
#define VG_STORY_PATHS_MAX 20000
#define VG_STORY_DEEDS_MAX 20000
#define VG_STORY_ERASURES_MAX 20000
#define VG_STORY_SAMPLE_RAW 16384   /* bytes of a sample's raw text; a longer one is cut there */
#define VG_STORY_SAMPLE_MAX 131072  /* bytes of one sample; a longer one is not kept */
#define VG_STORY_SESSIONS_MAX 100000 /* open at one time; the oldest is closed */

struct vg_signal { /* one match, as the story is fed with it */
	uint32_t rule;
	int64_t time_ns;
	vg_str file;               /* of the first evidence */
	const struct vg_event *event; /* decoded; for correlations the last evidence, may be NULL */
	uint64_t count;            /* correlations: matches in the window; else 1 */
	int64_t first_ns;          /* correlations: begin of the window; else time_ns */
	uint32_t nby;              /* correlations: group-by names and values */
	const vg_str *by_name, *by_value;
};

struct vg_sample { /* an event kept for the report: wire form (event/wire.h), owned by the story */
	vg_str wire, file;
	int64_t time_ns;
};
struct vg_group {            /* signals of one rule on one host */
	uint32_t rule;
	vg_str host;
	uint8_t level;           /* enum vg_level */
	uint8_t chapter;
	uint64_t count;
	int64_t first_ns, last_ns;
	vg_str user, source;     /* of the first signal that names one; empty when none does */
	uint32_t nsample;
	struct vg_sample sample[VG_STORY_SAMPLES];
	vg_str by;               /* correlations: "user.name=bob, source.ip=…" of the first; else empty */
};
/* Where it was: the host; where none is named, the address or the account that it speaks of. */
static inline vg_str
vg_group_where(const struct vg_group *g)
{
	return g->host.n ? g->host : g->source.n ? g->source : g->user;
}
struct vg_path {             /* source -> account -> host, sign-ins joined */
	vg_str source;           /* address or host name; "" unknown; "-" local */
	vg_str account, host;    /* host: of a VPN whose log names none, the product */
	vg_str origin_source, origin_account; /* the VPN session that @source was an address of; empty when none is known */
	vg_str via;              /* "vpn", "ssh", "rdp", "network", "interactive", "service"... */
	uint64_t sessions, failures, privileged;
	int64_t first_ns, last_ns;
	int64_t in_ns;           /* the first that succeeded; VG_TIME_NONE when none did */
	int64_t open_ns;         /* time spent signed in, where ends are known */
	bool flagged;            /* some signal names the same account on the same host, or the same source */
};
struct vg_erasure {
	enum vg_erasure_kind {
		VG_ERASE_CLEARED,    /* the log says it was cleared */
		VG_ERASE_STOPPED,    /* logging was stopped (a shutdown beside it excuses) */
		VG_ERASE_GAP,        /* record numbers are missing inside one live log */
		VG_ERASE_GAP_NOTED,  /* the same in an export, a filtered or a forwarded log: only noted */
		VG_ERASE_OVERWRITTEN,/* zeroed records */
		VG_ERASE_AUDIT_OFF,
	} kind;
	vg_str host, log, user, file;
	int64_t time_ns, until_ns; /* GAP: last record before, first after */
	uint64_t missing;          /* GAP: how many records */
};
struct vg_deed {             /* something made or changed: an account, a group's member, a service, a task, what is audited */
	uint8_t kind;              /* enum vg_fact_kind */
	vg_str host, user;         /* where, and who did it */
	vg_str target, member;     /* what; GROUP_ADDED: member came into target */
	int64_t first_ns, last_ns;
	uint64_t count;
	bool flagged;              /* some signal names the actor or the account on that host */
};
struct vg_entity {           /* a host, an account or a source address */
	vg_str name;
	int64_t first_ns, last_ns;
	uint64_t events, signals;
	uint8_t worst;           /* level of its worst signal; 255: none */
};
struct vg_technique { char id[16]; uint64_t count; uint8_t worst, chapter; };

struct vg_file_report {      /* one per input file, also those that were not read */
	vg_str path, format;     /* format "" when nothing knew it */
	uint64_t bytes, events, signals, bad, no_time, unknown_source;
	vg_str why_not;          /* why it, or the rest of it, was not read; empty when all was */
	uint64_t note[16];       /* counts by enum vg_note_kind (source/format.h) */
	vg_str note_text[16];    /* the first text of that kind */
};
struct vg_story_totals {
	uint64_t files, files_bad, bytes, events, duplicates, carved, signals;
	uint64_t rules_loaded, rules_refused, rules_applicable; /* some event of their log source was seen */
	uint64_t dropped_groups, dropped_samples, dropped_entities, dropped_paths, dropped_correlation;
	int64_t first_ns, last_ns; /* of events with a time */
	uint64_t level[VG_LEVELS];
};
struct vg_uncovered {        /* a channel or program that no rule reads */
	vg_str channel;
	uint64_t events;
};

struct vg_story_view {       /* all owned by the story; sorted as said */
	const struct vg_program *program;
	struct vg_story_totals total;
	const struct vg_group *group; size_t ngroup;         /* worst first, then first_ns, rule, host */
	const struct vg_path *path; size_t npath;            /* flagged first, then first_ns */
	const struct vg_erasure *erasure; size_t nerasure;   /* by time */
	const struct vg_deed *deed; size_t ndeed;            /* by first_ns */
	const struct vg_entity *host; size_t nhost;          /* worst, then signals, then name */
	const struct vg_entity *account; size_t naccount;
	const struct vg_entity *source; size_t nsource;
	const struct vg_technique *technique; size_t ntechnique; /* by id */
	/* ERASED counts erasures where no rule spoke of one, and spans them */
	struct { uint64_t signals; uint8_t worst; int64_t first_ns, last_ns; } chapter[VG_CHAPTERS];
	const struct vg_file_report *file; size_t nfile;     /* by path */
	const struct vg_uncovered *uncovered; size_t nuncovered; /* most events first */
};

struct vg_story;
struct vg_story *vg_story_new(const struct vg_program *p, size_t limit_bytes);
void vg_story_free(struct vg_story *s);
/* In order of time, interleaved.  VG_E_NOMEM only when the limit leaves nothing to work with. */
vg_rc vg_story_signal(struct vg_story *s, const struct vg_signal *g) VG_MUST;
vg_rc vg_story_fact(struct vg_story *s, const struct vg_fact *f, vg_str file) VG_MUST;
/* In any order, before finish; slices are copied. */
vg_rc vg_story_file(struct vg_story *s, const struct vg_file_report *f) VG_MUST;
vg_rc vg_story_gap(struct vg_story *s, const struct vg_erasure *e) VG_MUST;
vg_rc vg_story_seen(struct vg_story *s, vg_str host, vg_str channel, uint64_t events, int64_t first_ns, int64_t last_ns, bool covered) VG_MUST;
struct vg_story_totals *vg_story_totals(struct vg_story *s); /* the caller fills what only it knows */
const struct vg_story_view *vg_story_finish(struct vg_story *s); /* NULL: out of memory */

#endif
