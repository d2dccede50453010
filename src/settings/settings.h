/* settings/settings.h - what the administrator decides: one YAML file, vigie.yaml.  Every setting is one row of settings/table.c;
 * the row makes the parser, the check, the example file and the manual page.
 *
 * A file is taken whole or not at all.  Any problem (a key that is not known, a value out of its range, two settings that do not go
 * together) refuses it, and all problems are told in one go, each as one line for a person. */
#ifndef VG_SETTINGS_SETTINGS_H
#define VG_SETTINGS_SETTINGS_H

#include "base/arena.h"
#include "base/buf.h"
#include "case/report.h" /* enum vg_lang */

#define VG_SETTINGS_PROBLEMS_MAX 50   /* told one by one; the rest is counted */
#define VG_SETTINGS_ELEMENTS_MAX 4096 /* named objects in one map */
#define VG_SETTINGS_ITEMS_MAX 1024    /* of one list */
#define VG_SETTINGS_NAME_MAX 64       /* bytes of the name of a listener, tenant or class */
#define VG_SETTINGS_TEXT_MAX 4096     /* bytes of one value */
#define VG_SETTINGS_FREE_RETENTION_D 365 /* days; longer needs a reason (CNIL: logs are kept 6 to 12 months) */
#define VG_SETTINGS_TOKEN_MIN 16      /* bytes of the witness's token */

struct vg_texts {
	vg_str *item;
	size_t n;
};
struct vg_address {
	uint8_t ip[16]; /* v4 mapped, as in base/ip.h */
	uint16_t port;  /* 0, from the command line only: any that is free */
	bool off;       /* "off" stands there */
	bool given;     /* it, or "off", was told */
};
#define VG_ADDRESS_MAX 64 /* of its text, with NUL */
/* "192.0.2.7:514", "[2001:db8::1]:514".  false when it is none.  Port 0 is one. */
bool vg_address_parse(vg_str s, struct vg_address *out);
void vg_address_print(const struct vg_address *a, char out[VG_ADDRESS_MAX]);
bool vg_address_local(const struct vg_address *a); /* loopback */

enum vg_listen_kind { /* in the order of the row's words */
	VG_LISTEN_BY_NAME, /* only while a file is read: the listener's name is its kind */
	VG_LISTEN_SYSLOG,  /* UDP and TCP */
	VG_LISTEN_SYSLOG_TLS,
	VG_LISTEN_HTTPS,
	VG_LISTEN_WITNESS, /* what a witness pulls; only reads */
	VG_LISTEN_METRICS, /* plain HTTP */
};
struct vg_listener {
	vg_str name;
	uint32_t kind;                      /* enum vg_listen_kind */
	struct vg_address address;          /* .off: do not listen */
	vg_str tenant;                      /* empty: the certificate or key of who speaks names it */
	vg_str certificate, key, client_ca; /* paths; empty: a self-signed certificate is made, clients need none */
	bool require_client_certificate;
	bool plain;                         /* https: HTTP without TLS */
};
struct vg_class_retention {
	vg_str name; /* of a class of sources; "default" */
	int64_t keep_ns;
};
struct vg_retentions {
	struct vg_class_retention *item;
	size_t n;
};
struct vg_tenant {
	vg_str name;
	vg_str title;
	struct vg_retentions retention;
	vg_str retention_reason;
	vg_str recovery_key; /* public, as notes write keys (vault/note.h); empty: the watch's own */
};
struct vg_source_set { /* sources that the administrator named */
	vg_str name;
	struct vg_texts match; /* names with * and ?, networks; never empty */
	vg_str tenant;         /* empty: of any */
	vg_str class;          /* empty: "default" */
	bool adopted;
	uint64_t share;        /* percent of the disk, each source; 0: vault.share */
};
enum vg_memory_role { VG_MEMORY_NET, VG_MEMORY_VAULT, VG_MEMORY_DETECT, VG_MEMORY_TRACE, VG_MEMORY_SEAL, VG_MEMORY_OUT,
		      VG_MEMORY_RESPOND, VG_MEMORY_ROLES };

struct vg_settings {
	struct vg_arena arena; /* owns every text and list below */
	uint32_t language;     /* enum vg_lang */
	struct {
		vg_str name; /* empty: the host's */
	} node;
	struct {
		struct vg_listener *item;
		size_t n;
	} listen;
	struct {
		struct vg_tenant *item; /* at least one */
		size_t n;
	} tenants;
	struct {
		struct vg_source_set *item; /* the first that matches counts */
		size_t n;
	} sources;
	struct {
		bool journal;
		struct vg_texts files; /* globs */
		vg_str tenant;
	} local;
	struct {
		struct vg_texts folders;
	} packs;
	struct {
		struct vg_texts folders;
		bool only;                     /* not our own rules, not the SigmaHQ trees found */
		vg_str exceptions, indicators; /* folders; empty: in the state folder */
		uint32_t indicator_level;      /* enum vg_level: of what meets one */
	} rules;
	struct {
		int64_t checkpoint_every_ns;
		uint64_t checkpoint_records;
		int64_t sync_every_ns;
		uint64_t sync_bytes;
		uint64_t compression;
		struct vg_retentions retention;
		vg_str retention_reason;
		int64_t notice_ns; /* between announcement and destruction */
		uint64_t keep_free_bytes;
		uint64_t share; /* percent of the disk that one source may fill */
		uint64_t field_cache; /* percent of a tenant's segments */
	} vault;
	struct {
		uint64_t processes; /* 0: vg_settings_processes() */
		uint64_t cache_bytes;
	} detect;
	struct {
		int64_t late_wait_ns, keep_hits_ns;
	} trace;
	struct {
		vg_str url, ca, policy;
		int64_t every_ns;
	} stamps;
	struct {
		vg_str token; /* secret */
		struct vg_texts urls;
	} witness;
	struct {
		uint32_t level; /* enum vg_level */
		int64_t pause_ns;
		struct {
			struct vg_texts to;
			vg_str from, server, user, password; /* the last is secret */
		} mail;
		struct vg_texts webhooks;
		struct vg_texts command; /* argv */
	} alarm;
	struct {
		vg_str ca, proxy;
	} outward;
	struct {
		uint64_t memory_bytes[VG_MEMORY_ROLES];
		struct {
			int64_t time_ns;
			uint64_t memory_bytes, read_bytes;
		} query;
	} limits;
};

struct vg_settings_problem {
	const char *key;       /* "vault.sync-every"; "" when it is of the whole file */
	uint32_t line, column; /* from 1; 0 when unknown */
	const char *text;      /* all in one line, printable: "vigie.yaml:12: listen.sylog: no such setting; did you mean listen.syslog?" */
};
typedef void vg_settings_tell_fn(void *ctx, const struct vg_settings_problem *p);

/* Read @text; what it does not say is the default, so that "" gives the defaults.  @name: of the file, for the problems.  @folder: what paths that are not
 * absolute begin from; NULL leaves them.  VG_E_FORMAT: refused, every problem was told.  VG_E_NOMEM, told too.  On failure @out is
 * as it was; else vg_settings_fini() it. */
vg_rc vg_settings_load(vg_str text, const char *name, const char *folder, vg_settings_tell_fn *tell, void *ctx, struct vg_settings *out)
	VG_MUST;
/* The same from a file, which nobody but its owner (root, or who runs this) and its group may write, nor others read when it holds a secret.
 * VG_E_NOTFOUND: there is none, not told.  VG_E_SYS: errno, told. */
vg_rc vg_settings_read(const char *path, vg_settings_tell_fn *tell, void *ctx, struct vg_settings *out) VG_MUST;
void vg_settings_fini(struct vg_settings *s);

#define VG_SETTINGS_WHY_MAX 600
/* --listen NAME=ADDRESS:PORT over the settings, or NAME=off; port 0 is any that is free.  A name that is not there must be a kind.
 * VG_E_FORMAT: @why, one line, and @s is as it was. */
vg_rc vg_settings_listen(struct vg_settings *s, vg_str text, char why[VG_SETTINGS_WHY_MAX]) VG_MUST;

/* Finding in them; NULL when there is none. */
const struct vg_tenant *vg_settings_tenant(const struct vg_settings *s, vg_str name);
const struct vg_listener *vg_settings_listener(const struct vg_settings *s, vg_str name);
/* The first set of sources that takes the name @name or the address @ip (NULL: not known) of @tenant.  A name without * or ? is taken
 * whole; letters' case does not count. */
const struct vg_source_set *vg_settings_source(const struct vg_settings *s, vg_str tenant, vg_str name, const uint8_t *ip);
/* How long records of @class are kept: as the tenant says of the class, of "default", then the vault of the class, of "default". */
int64_t vg_settings_keep_ns(const struct vg_settings *s, const struct vg_tenant *t, vg_str class);
/* detect.processes, or for "auto" one less than the processors this process may use, at least one. */
unsigned vg_settings_processes(const struct vg_settings *s);
const char *vg_listen_kind_name(uint32_t kind);

/* The example file: every setting with its default, what it is and what it may be.  Errors stay in @out. */
void vg_settings_print_defaults(enum vg_lang l, struct vg_buf *out);
/* What is in force, as a file that loads to the same.  Secrets only when @secrets: else a comment says that there is one. */
void vg_settings_print(const struct vg_settings *s, bool secrets, struct vg_buf *out);
/* A settings file's @text with every secret in it made empty (passwords, tokens, URLs that name a user), all else as it was.  @left is told the key of
 * each.  VG_E_UNSUP: one stands so that it cannot be taken out (over several lines, with escapes); VG_E_FORMAT: it is no YAML. */
vg_rc vg_settings_without_secrets(vg_str text, struct vg_buf *out, vg_rc (*left)(void *ctx, vg_str key), void *ctx) VG_MUST;
/* The sections of vigie.yaml(5) that the rows make, as roff. */
void vg_settings_man(enum vg_lang l, struct vg_buf *out);

#endif
