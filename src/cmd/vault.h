/* cmd/vault.h - `vigie vault verify`, in parts: the command and the tenants (vault_verify.c), what a node holds beside them (vault_node.c), and what
 * others saw of it (vault_anchor.c). */
#ifndef VG_CMD_VAULT_H
#define VG_CMD_VAULT_H

#include "cmd/watch.h"
#include "vault/store.h"
#include "vault/verify.h"
#include "witness/pull.h"

/* Exit codes of verify; vigie(1) lists them. */
enum { VG_VERIFY_VOUCHED = 0, VG_VERIFY_UNSEEN = 1, VG_VERIFY_ALONE = 3, VG_VERIFY_DAMAGED = 4 };
#define VG_VERIFY_FRESH_NS (10 * VG_MIN) /* what came since is too little to say that nothing vouches for it */

#define VG_ASKED_MAX 16
struct vg_asked { /* a witness that is asked */
	const char *url; /* of the command line, or of the settings */
	bool has_key;
	struct vg_note_key key; /* the one that was given, or that it publishes */
};
struct vg_check { /* one run of verify */
	const struct vg_args *a;
	bool jsonl, progress, deep, live, watch;
	bool silent;                  /* say nothing but damage */
	struct vg_house house;
	struct vg_buf out;            /* a line */
	char prefix[100];             /* of findings: the folder that they are below */
	bool has_log, log_given, has_days;
	struct vg_note_key recovery;      /* the first tenant's, public */
	bool has_recovery, recovery_fits; /* keys/recovery.secret is some tenant's other half */
	struct vg_note_key log;
	const char *log_from;         /* where its key was found */
	struct vg_days days;
	struct vg_buf tsa_ca;
	struct vg_settings settings;  /* when of_settings: they own the addresses */
	bool of_settings;             /* who is asked stands in witness.urls */
	struct vg_pull *pull;         /* NULL: no witness */
	const char *tls_ca;           /* who signs for witnesses; NULL: the system's */
	struct vg_asked asked[VG_ASKED_MAX];
	size_t nasked;
	bool witness_given;
	struct vg_note_key witness;   /* --witness-key */
	uint64_t damages, warnings;
	uint64_t next_seq;            /* the highest of all tenants */
	uint64_t torn_seq;            /* the lowest record that only the journal can have; 0: none */
	char torn[VG_VERIFY_NAME_MAX + 100];
	uint64_t torn_at;
	bool unseen;                  /* something could not be looked at */
	bool alone;                   /* nothing outside vouches for some tenant */
	int64_t vouched_ns;           /* the earliest of the times up to which something does, of those alone; 0: from the beginning on */
};
/* Print a finding, and count it.  f->file is below c->prefix. */
void vg_check_found(void *ctx, const struct vg_finding *f);
void vg_check_damage(struct vg_check *c, const char *file, uint64_t at, uint64_t until, const char *fmt, ...) VG_PRINTF(5, 6);
void vg_check_warn(struct vg_check *c, const char *file, const char *fmt, ...) VG_PRINTF(3, 4);
void vg_check_say(struct vg_check *c, const char *kind, const char *fmt, ...) VG_PRINTF(3, 4); /* a line for a person, or a row */

void vg_check_open(struct vg_check *c);   /* c->house is open: is it a watch's, and does one run? */
vg_rc vg_check_log_key(struct vg_check *c, int tenant_dir); /* the log's key: of the seal, or of the tenant's own folder.  VG_E_NOTFOUND */
/* vault_node.c */
void vg_node_key(struct vg_check *c);      /* the log's, of the seal */
vg_rc vg_node_days(struct vg_check *c);    /* the days' */
struct vg_node_last { /* what the seal signed last of a tenant, as it stood before the tenant's folder was looked at: a watch goes on meanwhile */
	vg_rc rc;
	struct vg_buf text;
};
void vg_node_last(struct vg_check *c, const char *tenant, struct vg_node_last *out); /* out->text is the caller's */
void vg_node_tenant(struct vg_check *c, const char *tenant, const struct vg_node_last *l, const struct vg_verified *v); /* what the seal knows of it */
bool vg_node_tenant_key(struct vg_check *c, const char *tenant, uint8_t key[32]);         /* false: it is not here */
void vg_node_rest(struct vg_check *c);     /* intake journal, seal, databases; behind all tenants */
/* vault_anchor.c */
struct vg_anchor {  /* what a witness holds of a tenant, asked for before the tenant is read */
	const struct vg_asked *by; /* NULL: nothing */
	struct vg_buf note;
	struct vg_checkpoint c;
};
vg_rc vg_anchor_open(struct vg_check *c);  /* --witness, or witness.urls: what is given of them */
void vg_anchor_close(struct vg_check *c);
void vg_anchor_begin(struct vg_check *c);  /* ask for the keys that were not given */
void vg_anchor_ask(struct vg_check *c, const char *tenant, struct vg_anchor out[VG_ASKED_MAX]); /* out[].note is the caller's */
void vg_anchor_judge(struct vg_check *c, const char *tenant, const struct vg_anchor w[VG_ASKED_MAX], const struct vg_verified *v); /* who vouches, and up to when */

#endif
