/* role/vault_impl.h - the vault's process, in parts: what comes in (vault_in.c), what it becomes (vault_keep.c), who reads it (vault_feed.c),
 * how long it is kept (vault_retain.c), how much of it (vault_share.c). */
#ifndef VG_ROLE_VAULT_IMPL_H
#define VG_ROLE_VAULT_IMPL_H

#include "net/gate.h"
#include "role/messages.h"
#include "role/source_set.h"
#include "state/catalogue.h"
#include "vault/intake.h"
#include "vault/store.h"

#define VAULT_TENANTS_MAX 1024
#define VAULT_SENDERS_MAX 4
#define VAULT_DETECT_MAX VG_ROLE_INDEX_MAX
#define VAULT_IN_FLIGHT 2      /* batches that one detect has at a time */
#define VAULT_ASIDE_MAX 4096   /* records that killed a process twice */
#define VAULT_AHEAD_MAX 400000 /* records that detect may be ahead of what trace has on disk */
#define VAULT_SUSPECTS 64
#define VAULT_USAGES 4          /* days and classes of one source between two seconds */
#define VAULT_BLOCK_SOURCES 256 /* of one block that are told apart */

struct vault_tenant {
	uint32_t id; /* of the catalogue */
	char name[65];
	struct vg_disk dir;
	struct vg_store *store;
	struct vault_index *index;
	bool asked;      /* a checkpoint is being signed */
	uint64_t epoch;
	bool seal_known;    /* what the seal signed last */
	uint64_t seal_size;
	int64_t said_ns; /* when a failure was last told */
	struct vault_class {
		char name[VG_DESTRUCTION_CLASS_MAX]; /* empty: the settings do not name it */
		int64_t keep_ns;
	} class[VG_CLASSES_MAX];
	struct vg_disk keys;         /* the folder */
	struct vg_destruction going; /* what the seal is asked to sign, while certifying */
	bool certifying;
	int64_t retain_said_ns, retain_not_before_ns;
	uint32_t refused_key; /* of the last refusal that people were told */
};
struct vault_source {
	struct vg_source s; /* counts since the catalogue was last told */
	char name[VG_SPEAKER_NAME_MAX + 1];
	vg_str set;         /* what people call it in the settings, where they do; borrowed of v->sets */
	uint16_t class;     /* of retention */
	bool changed;
	/* vault_share.c */
	uint64_t share, stored; /* percent of the disk; bytes there */
	bool over;              /* its newest records are refused */
	struct vault_usage {
		uint32_t day;
		unsigned class;
		uint64_t bytes; /* that the catalogue was not told yet; 0: a free place */
	} usage[VAULT_USAGES];
	uint64_t minute, minutes; /* records in this minute; minutes that are known */
	double usual;             /* records a minute */
	int64_t flood_ns;         /* when a flood was last told */
};
struct vault_sender { /* collect, local */
	struct vg_channel *channel; /* NULL: none */
	unsigned role;
	uint64_t sender;   /* its name for itself; 0: its records have ids */
	bool fresh;        /* what it numbers its first batch, we do not know */
	bool waits;        /* it was told to */
	uint64_t taken, told; /* batches: in the journal's buffer; acknowledged */
	struct vault_handle {
		uint32_t at;     /* of v->source; UINT32_MAX: it has none there */
		uint32_t tenant;
	} *source; /* by handle; owned */
	uint32_t nsource, cap;
};
struct vault_range {
	uint64_t first, next;
};
struct vault_detect {
	struct vg_channel *channel;
	struct vault_range at_work[VAULT_IN_FLIGHT];
	unsigned n;
	volatile uint64_t *progress; /* the record that it decodes; NULL: not shared */
};
struct vault {
	struct vg_role_env *env;
	struct vg_disk root, intake_dir;
	struct vg_intake *intake;
	sqlite3 *db;
	struct vault_tenant *tenant; /* owned */
	size_t ntenant;
	struct vault_source *source; /* owned; all that spoke since the start */
	uint32_t nsource, capsource;
	struct vg_source_sets sets; /* of the settings */
	struct vault_sender sender[VAULT_SENDERS_MAX];
	struct vg_channel *trace, *seal;
	struct vault_out *o; /* vault_out.c */
	struct vault_detect detect[VAULT_DETECT_MAX];

	struct vg_intake_cursor cut, feed; /* next for the stores; for detect */
	uint64_t generation; /* role/messages.h */
	uint64_t trace_next, trace_sure, unexamined;
	bool trace_known; /* where it stands */
	uint64_t aside[VAULT_ASIDE_MAX];
	size_t naside;
	struct {
		uint64_t seq;
		unsigned deaths;
	} suspect[VAULT_SUSPECTS];
	size_t next_suspect;

	int64_t checkpoint_every_ns, checked_ns;
	int64_t notice_ns, retained_ns; /* between announcement and destruction; when that was last looked at */
	uint64_t replay_seq; /* records below it were taken by a run before this one: no checkpoint before they are in their stores again */
	uint64_t checkpoint_records, checked_seq;
	size_t sync_bytes;
	uint64_t keep_free_bytes;
	uint64_t share, stored; /* percent of the disk that one source may fill; bytes of all of them */
	int64_t minute_ns;      /* when the minute began */
	int64_t unproved_told_ns; /* when people were last told that those without proof fill their share */
	uint64_t orphan_seq; /* the first record of a tenant that is not in the settings; 0: none */
	bool full;         /* the disk: nothing is taken */
	bool stopping;
	int stop_turns;
	struct vg_buf out; /* a message */
	uint64_t records, bytes, syncs, failed_syncs;
	uint64_t looked_bytes; /* what they were when the disk was looked at */
};

/* vault_in.c */
vg_rc vault_sender_new(struct vault *v, unsigned role, int fd);
void vault_sync(struct vault *v);      /* what was taken is on disk and acknowledged, or waits for another try */
void vault_hold(struct vault *v);      /* senders wait while nothing can be kept, and go on */
void vault_look(struct vault *v);      /* is there room on the disk, and for each source? */
void vault_count(struct vault *v);     /* the catalogue is told */
void vault_own(struct vault *v, uint32_t tenant, vg_str json); /* a record of Vigie's own */
/* vault_keep.c */
vg_rc vault_keep_open(struct vault *v);
struct vault_tenant *vault_tenant_of(struct vault *v, uint32_t id); /* NULL */
void vault_keep(struct vault *v);      /* synced records go to the stores */
void vault_checkpoint(struct vault *v);
vg_rc vault_seal_new(struct vault *v, int fd);
void vault_drop(struct vault *v);      /* what stands in segments and was examined leaves the journal */
/* vault_index.c */
vg_rc vault_index_begin(struct vault *v, struct vault_tenant *t);
void vault_index_end(struct vault_tenant *t); /* what is not on disk yet goes there */
void vault_index_drop(struct vault_tenant *t, const char *segment); /* nobody can read its blocks any more */
/* vault_retain.c */
vg_rc vault_retain_begin(struct vault *v, struct vault_tenant *t); /* once its store is open */
void vault_retain(struct vault *v);
vg_rc vault_on_certified(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd);
unsigned vault_class_of(const struct vault_tenant *t, vg_str name); /* 0 when the settings do not name it */
/* vault_share.c */
vg_rc vault_share_begin(struct vault *v);
void vault_share(struct vault *v);  /* is a source over its share? */
void vault_floods(struct vault *v); /* each second */
void vault_share_met(struct vault *v, struct vault_source *s); /* a source that is new to this run */
void vault_share_block(struct vault *v, const struct vg_block_head *h, vg_str payload);
vg_rc vault_share_count(struct vault *v, struct vault_source *s);
void vault_share_freed(struct vault *v, struct vault_tenant *t, uint32_t day, unsigned class); /* a key was destroyed */
void vault_share_tell(struct vault *v, struct vault_sender *x, uint32_t handle);
/* vault_out.c */
vg_rc vault_out_begin(struct vault *v);
vg_rc vault_out_new(struct vault *v, unsigned role, int fd);
void vault_out_turn(struct vault *v); /* once a second */
void vault_news(struct vg_role_env *e, const char *name);
/* Something that people are to be told (role/alarm.h): @kind, @level, names and figures. */
void vault_alarm(struct vault *v, unsigned kind, unsigned level, const char *tenant, const char *text);
void vault_lost(struct vault *v, uint64_t n); /* records that the kernel had no room for */
/* vault_feed.c */
vg_rc vault_detect_new(struct vault *v, unsigned index, int fd);
vg_rc vault_trace_new(struct vault *v, int fd);
void vault_feed(struct vault *v);
bool vault_is_idle(const struct vault *v); /* all that is kept was examined */

#endif
