#include "role/parent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "proc/role.h"
#include "role/alarm.h"
#include "role/drill.h"
#include "role/indicators.h"
#include "role/messages.h"
#include "role/parent_alarm.h"
#include "role/request.h"
#include "role/retention.h"
#include "role/source_set.h"
#include "rule/program.h"
#include "state/catalogue.h"
#include "state/outbox.h"
#include "state/signals.h"
#include "vault/disk.h"

#define CHILDREN_MAX 80
#define LISTENERS_MAX 64
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000
#define HEALTHY_MS 60000    /* a role that ran so long begins again without a wait */
#define SILENT_MS 30000     /* a role that says nothing for so long is ended */
#define STOP_MS 20000       /* then what is left is killed */
#define SOCKET_BYTES (1 << 20)
#define REJOIN_MS 100
#define STATS_MAX ((size_t)64 << 10)
#define OVERDUE_NS (10 * VG_MIN) /* a refused set that keeps an exception beyond its time is looked at again */
#define REASONS_MAX 20      /* that status tells of a set of rules that was refused */

struct child {
	unsigned role, index;
	pid_t pid; /* 0: not running */
	struct vg_channel *channel;
	bool ready, stopping, gone, silent_ok;
	bool asked; /* to end, and to begin with new rules */
	bool resting;   /* there is nothing to do for it */
	uint64_t taken; /* the set of indicators that it uses */
	int64_t began_ms, heard_ms, next_ms;
	unsigned backoff_ms, restarts;
	struct vg_deaths deaths;
	struct vg_buf stats;
	bool lost[CHILDREN_MAX];         /* it said that its channel to that child ended */
	int64_t joined_ms[CHILDREN_MAX]; /* when such a one was last made anew */
};
struct bound { /* a listening socket */
	char name[64]; /* as the role gets it */
	unsigned role;
	int fd;
	vg_str tenant;
	char address[VG_ADDRESS_MAX];
	const struct vg_listener *l;
};
struct parent {
	const struct vg_serve_options *o;
	struct vg_loop *loop;
	struct child child[CHILDREN_MAX];
	size_t n;
	struct bound bound[LISTENERS_MAX];
	size_t nbound;
	int knowledge, progress[VG_ROLE_INDEX_MAX], folder_vault, folder_trace, folder_seal, folder_local, folder_learned, folder_out, look_page;
	struct vg_feed feed; /* of indicators */
	unsigned ndetect;
	struct vg_buf tenants, tenant_names, keys, cert, key, text;
	struct vg_requests *requests;
	struct vg_parent_alarms alarms;
	int64_t began_s;
	sqlite3 *db;
	int64_t keys_version;
	int signals;
	struct vg_watch *watch;
	int64_t valid_until_ns; /* then an exception ends, and the rules are made anew */
	struct vg_knowledge_summary rules; /* in use */
	int64_t rules_ns;       /* since then */
	int64_t refused_ns;     /* when a newer set was refused; 0: none was since */
	struct vg_buf reasons;  /* why, a line each */
	int drill;              /* the socket of drills; -1 */
	bool told_ready, stopping;
	int stage; /* of stopping */
	int64_t stop_ms;
	struct vg_buf status;
};

static int64_t
now_ms(void)
{
	return vg_monotonic_ns() / 1000000;
}

/* Who speaks to whom. */
static const struct edge {
	unsigned a, b;
} edges[] = {
	{ VG_ROLE_COLLECT, VG_ROLE_VAULT }, { VG_ROLE_LOCAL, VG_ROLE_VAULT }, { VG_ROLE_VAULT, VG_ROLE_SEAL }, { VG_ROLE_VAULT, VG_ROLE_TRACE },
	{ VG_ROLE_DETECT, VG_ROLE_TRACE }, { VG_ROLE_VAULT, VG_ROLE_DETECT }, { VG_ROLE_LOOK, VG_ROLE_TRACE }, { VG_ROLE_TRACE, VG_ROLE_OUT },
	{ VG_ROLE_VAULT, VG_ROLE_OUT }, { VG_ROLE_RESPOND, VG_ROLE_VAULT },
};

/* ---- giving ---- */

static void
give(struct child *c, uint16_t type, const char *name, vg_str text, int fd)
{
	struct vg_buf b = { 0 };

	vg_buf_le_str(&b, vg_str_of(name));
	vg_buf_le_str(&b, text);
	if (b.rc == VG_OK && c->channel)
		vg_channel_send_fd(c->channel, type, vg_buf_str(&b), fd);
	vg_buf_fini(&b);
}

static void
give_number(struct child *c, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	give(c, VG_MSG_GIVE, name, vg_str_of(text), -1);
}

static void
give_vault(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	struct vg_buf hex = { 0 };
	char name[80], why[300];

	give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_vault);
	give(c, VG_MSG_GIVE, "tenants", vg_buf_str(&p->tenants), -1);
	for (size_t i = 0; i < s->tenants.n; i++) {
		char tenant[65];

		snprintf(tenant, sizeof(tenant), "%.*s", VG_STR_ARG(s->tenants.item[i].name));
		snprintf(name, sizeof(name), "tenant-key:%.40s", tenant);
		vg_buf_clear(&hex);
		if (vg_house_tenant_key(p->o->house, &s->tenants.item[i], &hex, why) == VG_OK)
			give(c, VG_MSG_GIVE, name, vg_buf_str(&hex), -1);
		else
			vg_log(VG_LOG_ERROR, "%s", why);
	}
	if (hex.p)
		memset(hex.p, 0, hex.cap);
	vg_buf_fini(&hex);
	for (unsigned i = 0; i < p->ndetect; i++) {
		snprintf(name, sizeof(name), "progress:%u", i);
		give(c, VG_MSG_GIVE, name, VG_NIL, p->progress[i]);
	}
	vg_buf_clear(&p->text);
	vg_source_sets_print(s, &p->text);
	give(c, VG_MSG_GIVE, "source-sets", vg_buf_str(&p->text), -1);
	vg_buf_clear(&p->text);
	vg_note_key_print(&p->o->house->log, &p->text);
	give(c, VG_MSG_GIVE, "log-key", vg_buf_str(&p->text), -1);
	vg_buf_clear(&p->text);
	vg_retention_print(s, &p->text);
	give(c, VG_MSG_GIVE, "retention", vg_buf_str(&p->text), -1);
	give_number(c, "notice-s", (uint64_t)(s->vault.notice_ns / 1000000000));
	give_number(c, "checkpoint-every-ms", (uint64_t)(s->vault.checkpoint_every_ns / 1000000));
	give_number(c, "checkpoint-records", s->vault.checkpoint_records);
	give_number(c, "sync-every-ms", (uint64_t)(s->vault.sync_every_ns / 1000000));
	give_number(c, "sync-bytes", s->vault.sync_bytes);
	give_number(c, "keep-free", s->vault.keep_free_bytes);
	give_number(c, "share", s->vault.share);
	give_number(c, "compression", s->vault.compression);
	give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_VAULT]);
	if (s->stamps.url.n)
		give_number(c, "stamp-every-s", (uint64_t)(s->stamps.every_ns / 1000000000));
}

static void
give_collect(struct parent *p, struct child *c)
{
	for (size_t i = 0; i < p->nbound; i++) {
		const struct bound *b = &p->bound[i];
		const struct vg_listener *l = b->l;
		struct vg_buf file = { 0 };
		char name[64], path[4096];
		static const struct {
			const char *what;
			size_t at;
		} parts[] = { { "cert", offsetof(struct vg_listener, certificate) }, { "key", offsetof(struct vg_listener, key) },
			      { "client-ca", offsetof(struct vg_listener, client_ca) } };
		bool tls = l->kind == VG_LISTEN_SYSLOG_TLS || (l->kind == VG_LISTEN_HTTPS && !l->plain);

		if (b->role != VG_ROLE_COLLECT)
			continue;
		for (size_t k = 0; tls && k < VG_COUNT(parts); k++) {
			vg_str named = *(const vg_str *)((const char *)l + parts[k].at);

			vg_buf_clear(&file);
			snprintf(name, sizeof(name), "%s:%.*s", parts[k].what, VG_STR_ARG(vg_str_cut(l->name, 40)));
			snprintf(path, sizeof(path), "%.*s", VG_STR_ARG(named));
			if (named.n && vg_house_read(path, &file) != VG_OK)
				vg_log(VG_LOG_ERROR, "listen.%.*s: %s: %s", VG_STR_ARG(l->name), path, strerror(errno));
			else if (named.n)
				give(c, VG_MSG_GIVE, name, vg_buf_str(&file), -1);
			else if (k < 2)
				give(c, VG_MSG_GIVE, name, vg_buf_str(k ? &p->key : &p->cert), -1);
		}
		snprintf(name, sizeof(name), "require:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
		if (l->require_client_certificate)
			give(c, VG_MSG_GIVE, name, VG_STR("1"), -1);
		vg_buf_fini(&file);
		give(c, VG_MSG_GIVE, b->name, b->tenant, b->fd);
	}
	if (p->drill >= 0)
		give(c, VG_MSG_GIVE, "drill", VG_NIL, p->drill);
	give(c, VG_MSG_GIVE, "keys", vg_buf_str(&p->keys), -1);
	give_number(c, "memory", p->o->settings->limits.memory_bytes[VG_MEMORY_NET]);
}

static void
give_local(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;

	vg_buf_clear(&p->text);
	for (size_t i = 0; i < s->local.files.n; i++) {
		vg_buf_put(&p->text, s->local.files.item[i]);
		vg_buf_putc(&p->text, '\n');
	}
	give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_local);
	give(c, VG_MSG_GIVE, "files", vg_buf_str(&p->text), -1);
	give(c, VG_MSG_GIVE, "tenant", s->local.tenant.n ? s->local.tenant : s->tenants.item[0].name, -1);
	give(c, VG_MSG_GIVE, "host", vg_str_of(p->o->house->host), -1);
	give_number(c, "journal", s->local.journal);
}

static void
give_publish(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;

	give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_vault);
	if (s->witness.token.n)
		give(c, VG_MSG_GIVE, "token", s->witness.token, -1);
	give(c, VG_MSG_GIVE, "cert", vg_buf_str(&p->cert), -1);
	give(c, VG_MSG_GIVE, "key", vg_buf_str(&p->key), -1);
	for (size_t i = 0; i < p->nbound; i++)
		if (p->bound[i].role == VG_ROLE_PUBLISH)
			give(c, VG_MSG_GIVE, p->bound[i].name, VG_NIL, p->bound[i].fd);
}

static void
give_seal(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	char name[80], tenant[65];

	give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_seal);
	give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_SEAL]);
	vg_buf_clear(&p->text);
	vg_retention_print(s, &p->text);
	give(c, VG_MSG_GIVE, "retention", vg_buf_str(&p->text), -1);
	for (size_t i = 0; i < s->tenants.n; i++) {
		snprintf(tenant, sizeof(tenant), "%.*s", VG_STR_ARG(s->tenants.item[i].name));
		snprintf(name, sizeof(name), "recovery:%.40s", tenant);
		vg_buf_clear(&p->text);
		if (vg_house_recovery(p->o->house, tenant, &p->text) == VG_OK)
			give(c, VG_MSG_GIVE, name, vg_buf_str(&p->text), -1);
	}
}

static void
give_detect(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	char number[24];

	give(c, VG_MSG_GIVE, "knowledge", VG_NIL, p->knowledge);
	give(c, VG_MSG_GIVE, "progress", VG_NIL, p->progress[c->index]);
	give_number(c, "cache-bytes", s->detect.cache_bytes);
	give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_DETECT]);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)p->feed.set_number);
	if (p->feed.set >= 0)
		give(c, VG_MSG_GIVE, "indicators", vg_str_of(number), p->feed.set);
	c->taken = p->feed.set_number;
}

/* A line "ID NAME KEY" of each tenant whose records can be read. */
static void
give_look(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	struct vg_buf b = { 0 };
	char why[300];

	for (size_t i = 0; i < s->tenants.n; i++) {
		vg_str name = s->tenants.item[i].name;
		size_t before = b.n;
		char tenant[65];
		uint32_t id;

		snprintf(tenant, sizeof(tenant), "%.*s", VG_STR_ARG(name));
		if (vg_catalogue_tenant(p->db, name, &id) != VG_OK)
			continue;
		vg_buf_printf(&b, "%u %s ", id, tenant);
		if (vg_house_tenant_key(p->o->house, &s->tenants.item[i], &b, why) == VG_OK) {
			vg_buf_putc(&b, '\n');
		} else {
			b.n = before;
			vg_log(VG_LOG_ERROR, "%s", why);
		}
	}
	give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_vault);
	give(c, VG_MSG_GIVE, "knowledge", VG_NIL, p->knowledge);
	give(c, VG_MSG_GIVE, "progress", VG_NIL, p->look_page);
	give(c, VG_MSG_GIVE, "job", VG_NIL, p->feed.job);
	give(c, VG_MSG_GIVE, "tenants", vg_buf_str(&b), -1);
	give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_DETECT]);
	if (b.p)
		explicit_bzero(b.p, b.cap);
	vg_buf_fini(&b);
}

static void
give_texts(struct parent *p, struct child *c, const char *name, const struct vg_texts *t, char sep)
{
	vg_buf_clear(&p->text);
	for (size_t i = 0; i < t->n; i++) {
		if (i)
			vg_buf_putc(&p->text, sep);
		vg_buf_put(&p->text, t->item[i]);
	}
	if (t->n)
		give(c, VG_MSG_GIVE, name, vg_buf_str(&p->text), -1);
}

static void
give_file(struct child *c, const char *name, const char *key, vg_str path)
{
	struct vg_buf file = { 0 };
	char text[4096];

	snprintf(text, sizeof(text), "%.*s", VG_STR_ARG(path));
	if (path.n && vg_house_read(text, &file) != VG_OK)
		vg_log(VG_LOG_ERROR, "%s: %s: %s", key, text, strerror(errno));
	else if (path.n)
		give(c, VG_MSG_GIVE, name, vg_buf_str(&file), -1);
	vg_buf_fini(&file);
}

/* The system's certificates, where nothing else is given: behind its sandbox out reads no file. */
static void
give_ca(struct parent *p, struct child *c)
{
	static const char *const known[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

	if (p->o->settings->outward.ca.n) {
		give_file(c, "ca", "outward.ca", p->o->settings->outward.ca);
		return;
	}
	for (size_t i = 0; i < VG_COUNT(known); i++)
		if (access(known[i], R_OK) == 0) {
			give_file(c, "ca", "outward.ca", vg_str_of(known[i]));
			return;
		}
}

static void
give_out(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	const struct {
		const char *name;
		vg_str text;
	} rows[] = { { "mail-from", s->alarm.mail.from }, { "mail-server", s->alarm.mail.server }, { "mail-user", s->alarm.mail.user }, { "mail-password", s->alarm.mail.password },
		     { "proxy", s->outward.proxy }, { "stamp-url", s->stamps.url }, { "stamp-policy", s->stamps.policy } };

	give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_out);
	for (size_t i = 0; i < VG_COUNT(rows); i++)
		if (rows[i].text.n)
			give(c, VG_MSG_GIVE, rows[i].name, rows[i].text, -1);
	give_texts(p, c, "mail-to", &s->alarm.mail.to, '\n');
	give_texts(p, c, "webhooks", &s->alarm.webhooks, '\n');
	give_texts(p, c, "command", &s->alarm.command, '\0');
	give_file(c, "stamp-ca", "stamps.ca", s->stamps.ca);
	give_ca(p, c);
	give_number(c, "language", s->language);
	give_number(c, "pause-s", (uint64_t)(s->alarm.pause_ns / 1000000000));
	give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_OUT]);
	vg_parent_alarms_lost(&p->alarms);
}

static void
give_all(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;

	give(c, VG_MSG_GIVE, "node", vg_str_of(p->o->house->node), -1);
	switch (c->role) {
	case VG_ROLE_VAULT:
		give_vault(p, c);
		break;
	case VG_ROLE_COLLECT:
		give_collect(p, c);
		break;
	case VG_ROLE_LOCAL:
		give_local(p, c);
		break;
	case VG_ROLE_PUBLISH:
		give_publish(p, c);
		break;
	case VG_ROLE_SEAL:
		give_seal(p, c);
		break;
	case VG_ROLE_OUT:
		give_out(p, c);
		break;
	case VG_ROLE_RESPOND:
		give(c, VG_MSG_GIVE, "tenant", s->tenants.item[0].name, -1);
		give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_RESPOND]);
		break;
	case VG_ROLE_DETECT:
		give_detect(p, c);
		break;
	case VG_ROLE_TRACE:
		give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_trace);
		give(c, VG_MSG_GIVE, "knowledge", VG_NIL, p->knowledge);
		give_number(c, "late-wait-ms", (uint64_t)(s->trace.late_wait_ns / 1000000));
		give(c, VG_MSG_GIVE, "tenant-names", vg_buf_str(&p->tenant_names), -1);
		give_number(c, "alarm-level", s->alarm.level);
		give_number(c, "keep-hits-s", (uint64_t)(s->trace.keep_hits_ns / 1000000000));
		give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_TRACE]);
		give_number(c, "indicator-level", s->rules.indicator_level);
		break;
	case VG_ROLE_LEARN:
		give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_learned);
		break;
	case VG_ROLE_LOOK:
		give_look(p, c);
		break;
	default:
		break;
	}
}

/* ---- how it is ---- */

static void
put_rules(const struct parent *p, struct vg_buf *b)
{
	vg_str rest = vg_buf_str(&p->reasons), line;
	unsigned n = 0;

	vg_buf_printf(b, "settings %s\nrules.base %u\nrules.correlations %u\nrules.exceptions %u\nrules.since %lld\nrules.sum ", p->o->settings_path, p->rules.rules,
		      p->rules.correlations, p->rules.filters, (long long)p->rules_ns);
	vg_buf_hex(b, p->rules.sum, sizeof(p->rules.sum), false);
	vg_buf_putc(b, '\n');
	if (p->refused_ns == 0)
		return;
	vg_buf_printf(b, "rules.refused %lld\n", (long long)p->refused_ns);
	if (vg_clock_ns() >= p->rules.valid_until_ns)
		vg_buf_puts(b, "rules.overdue 1\n"); /* an exception in it is over */
	for (; n < REASONS_MAX && vg_str_split(&rest, '\n', &line); n++) {
		if (line.n == 0)
			continue;
		vg_buf_printf(b, "rules.refused.%u ", n);
		vg_buf_safe(b, line);
		vg_buf_putc(b, '\n');
	}
}

/* "ROLE.INDEX.NAME VALUE" lines; the same as figures for Prometheus. */
static void
write_status(struct parent *p)
{
	struct vg_buf *b = &p->status;
	struct vg_buf m = { 0 };
	struct vg_disk d = { .dir = p->o->house->dir };
	vg_rc rc;

	vg_buf_clear(b);
	vg_buf_printf(b, "time %lld\npid %d\n", (long long)vg_clock_ns(), (int)getpid());
	for (size_t i = 0; i < p->nbound; i++)
		vg_buf_printf(b, "listen.%s %s\n", p->bound[i].name, p->bound[i].address);
	put_rules(p, b);
	for (size_t i = 0; i < p->n; i++) {
		const struct child *c = &p->child[i];
		vg_str rest = vg_buf_str(&c->stats), line;
		const char *role = vg_role_name(c->role);

		vg_buf_printf(b, "%s.%u.pid %d\n%s.%u.restarts %u\n%s.%u.ready %d\n%s.%u.resting %d\n", role, c->index, (int)c->pid, role, c->index, c->restarts,
			      role, c->index, c->ready, role, c->index, c->resting);
		if (c->resting)
			continue;
		while (vg_str_split(&rest, '\n', &line)) {
			size_t sp = vg_str_chr(line, ' '), brace = vg_str_chr(line, '{');
			vg_str name = vg_str_cut(line, sp == VG_NPOS ? line.n : sp);

			if (line.n == 0 || sp == VG_NPOS)
				continue;
			vg_buf_printf(b, "%s.%u.", role, c->index);
			vg_buf_safe(b, line);
			vg_buf_putc(b, '\n');
			vg_buf_printf(&m, "vigie_%s_", role);
			vg_buf_put(&m, vg_str_cut(name, brace < name.n ? brace : name.n));
			if (brace < name.n) /* it brings labels of its own */
				vg_buf_printf(&m, "{index=\"%u\",%.*s %.*s\n", c->index, VG_STR_ARG(vg_str_skip(name, brace + 1)), VG_STR_ARG(vg_str_skip(line, sp + 1)));
			else
				vg_buf_printf(&m, "{index=\"%u\"} %.*s\n", c->index, VG_STR_ARG(vg_str_skip(line, sp + 1)));
		}
		vg_buf_printf(&m, "vigie_role_restarts_total{role=\"%s\",index=\"%u\"} %u\n", role, c->index, c->restarts);
	}
	rc = b->rc != VG_OK ? b->rc : vg_disk_swap(&d, "status", vg_buf_str(b));
	if (rc != VG_OK && !p->stopping)
		vg_log(VG_LOG_WARNING, "%s/status cannot be written: %s", p->o->house->path, strerror(errno));
	for (size_t i = 0; i < p->n && m.rc == VG_OK; i++)
		if (p->child[i].role == VG_ROLE_PUBLISH && p->child[i].channel)
			give(&p->child[i], VG_MSG_NEW, "metrics", vg_buf_str(&m), -1);
	vg_buf_fini(&m);
}

/* ---- what a role says ---- */

static struct child *
child_of(struct parent *p, const struct vg_channel *c)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].channel == c)
			return &p->child[i];
	return NULL;
}

static void
say_ready(struct parent *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->child[i].ready && !p->child[i].resting)
			return;
	if (p->told_ready)
		return;
	p->told_ready = true;
	write_status(p); /* whoever waits for the next line may ask */
	printf("ready\n");
	fflush(stdout);
	(void)sd_notify(0, "READY=1");
}

static vg_rc
on_ready(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = child_of(p, from);

	(void)body;
	if (fd >= 0 || c == NULL)
		return VG_E_FORMAT;
	c->ready = true;
	c->heard_ms = now_ms();
	if (c->role == VG_ROLE_LEARN)
		vg_feed_began(&p->feed);
	say_ready(p);
	return VG_OK;
}

static size_t
word_of(vg_str s)
{
	size_t n = 0;

	while (n < s.n && ((s.p[n] >= 'a' && s.p[n] <= 'z') || s.p[n] == '_' || (n && vg_is_digit(s.p[n]))))
		n++;
	return n;
}

/* A row "NAME VALUE" or "NAME{LABEL="TEXT",...} VALUE": it becomes a row for Prometheus, which must not say more than one figure. */
static bool
is_figure(vg_str s)
{
	size_t n = word_of(s), end;
	char next = n < s.n ? s.p[n] : 0;

	if (n == 0)
		return false;
	s = vg_str_skip(s, n);
	while (next == '{' || next == ',') {
		s = vg_str_skip(s, 1);
		n = word_of(s);
		if (n == 0 || !vg_str_starts(vg_str_skip(s, n), VG_STR("=\"")))
			return false;
		s = vg_str_skip(s, n + 2);
		for (end = 0; end < s.n && (unsigned char)s.p[end] >= ' ' && s.p[end] != '"' && s.p[end] != '\\'; end++)
			;
		s = vg_str_skip(s, end);
		next = s.n > 1 && s.p[0] == '"' ? s.p[1] : 0;
		s = vg_str_skip(s, next == '}' ? 2 : 1);
	}
	s = next == ' ' || next == '}' ? vg_str_starts(s, VG_STR(" ")) ? vg_str_skip(s, 1) : VG_NIL : VG_NIL;
	if (s.n > 1 && s.p[0] == '-')
		s = vg_str_skip(s, 1);
	return s.n && s.n <= 20 && vg_str_all_digits(s);
}

static bool
are_figures(vg_str s)
{
	vg_str line;

	while (vg_str_split(&s, '\n', &line))
		if (line.n && !is_figure(line))
			return false;
	return true;
}

static vg_rc
on_learned(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = child_of(p, from);

	if (c && c->role == VG_ROLE_LEARN)
		return vg_feed_learned(&p->feed, body, fd);
	if (fd >= 0)
		close(fd);
	return VG_E_FORMAT;
}

static vg_rc
on_taken(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct child *c = child_of(ctx, from);
	uint64_t number = vg_cur_le64(body);

	if (fd >= 0 || body->rc != VG_OK || c == NULL || c->role != VG_ROLE_DETECT)
		return VG_E_FORMAT;
	c->taken = number;
	return VG_OK;
}

static vg_rc
on_job_done(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = child_of(p, from);
	uint64_t number = vg_cur_le64(body);

	if (fd >= 0 || body->rc != VG_OK || c == NULL || c->role != VG_ROLE_LOOK)
		return VG_E_FORMAT;
	vg_feed_job_done(&p->feed, number);
	return VG_OK;
}

static vg_rc
on_stats(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct child *c = child_of(ctx, from);

	if (fd >= 0 || c == NULL || !are_figures(vg_str_mem(body->p, vg_cur_left(body))))
		return VG_E_FORMAT;
	vg_buf_clear(&c->stats);
	vg_buf_put(&c->stats, vg_cur_bytes(body, vg_cur_left(body)));
	c->heard_ms = now_ms();
	return c->stats.rc;
}

static vg_rc
on_say(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	unsigned level = vg_cur_u8(body);
	uint32_t n = vg_cur_le32(body);
	vg_str text = vg_cur_bytes(body, n);

	(void)ctx;
	(void)from;
	if (fd >= 0 || body->rc != VG_OK || level > VG_LOG_INFO)
		return VG_E_FORMAT;
	vg_log((enum vg_log_level)level, "%.*s", VG_STR_ARG(text));
	return VG_OK;
}

static vg_rc
on_gone(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct child *c = child_of(ctx, from);

	(void)body;
	if (fd >= 0 || c == NULL)
		return VG_E_FORMAT;
	c->gone = true;
	return VG_OK;
}

static vg_rc
on_took(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = child_of(p, from);
	uint32_t n = vg_cur_le32(body);
	vg_str name = vg_cur_bytes(body, n);

	if (fd >= 0 || body->rc != VG_OK || c == NULL || c->role != VG_ROLE_OUT || !vg_str_eq(name, VG_STR("alarms")))
		return VG_E_FORMAT;
	vg_parent_alarms_took(&p->alarms);
	return VG_OK;
}

static vg_rc
on_answer(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	uint32_t n = vg_cur_le32(body);
	vg_str id = vg_cur_bytes(body, n), text;
	bool done = vg_cur_u8(body) != 0;

	(void)from;
	n = vg_cur_le32(body);
	text = vg_cur_bytes(body, n);
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	vg_requests_answer(p->requests, id, done, text);
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct child *x = child_of(ctx, c);

	if (x) {
		x->channel = NULL;
		if (x->pid)
			(void)kill(x->pid, SIGKILL); /* one that cannot be spoken to */
	}
}

static void
say_ended(struct parent *p, const struct child *c, int status)
{
	char why[120];

	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof(why), "ended with status %d", WEXITSTATUS(status));
	vg_log(VG_LOG_ERROR, "%s %u %s; it begins again", vg_role_name(c->role), c->index, why);
	if (c->role == VG_ROLE_LEARN)
		vg_feed_ended(&p->feed, why);
}

static void
reap(struct parent *p)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < p->n; i++) {
			struct child *c = &p->child[i];

			if (c->pid != pid)
				continue;
			c->pid = 0;
			vg_channel_free(c->channel);
			c->channel = NULL;
			if (p->stopping)
				continue;
			c->ready = false;
			if (c->role == VG_ROLE_LOOK && c->gone) { /* its work is done */
				c->resting = true;
				continue;
			}
			if (c->asked) {
				c->asked = false;
				c->next_ms = now_ms();
				continue;
			}
			say_ended(p, c, status);
			if (vg_deaths_add(&c->deaths, vg_monotonic_ns()))
				vg_parent_alarm(&p->alarms, VG_ROLE_ALARM_ROLE, VG_LEVEL_HIGH, vg_role_name(c->role));
			c->restarts++;
			c->backoff_ms = now_ms() - c->began_ms > HEALTHY_MS || c->backoff_ms == 0 ? BACKOFF_MIN_MS :
					c->backoff_ms * 2 > BACKOFF_MAX_MS	      ? BACKOFF_MAX_MS :
										c->backoff_ms * 2;
			c->next_ms = now_ms() + c->backoff_ms;
		}
}

/* ---- channels between roles ---- */

static void
connect_pair(struct child *a, struct child *b)
{
	struct child *x[2] = { a, b };
	int sv[2], size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0) {
		vg_log(VG_LOG_ERROR, "no channel between %s and %s: %s", vg_role_name(a->role), vg_role_name(b->role), strerror(errno));
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct vg_buf m = { 0 };

		(void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		vg_buf_le16(&m, (uint16_t)x[1 - i]->role);
		vg_buf_le16(&m, (uint16_t)x[1 - i]->index);
		if (m.rc == VG_OK && x[i]->channel)
			vg_channel_send_fd(x[i]->channel, VG_MSG_PEER, vg_buf_str(&m), sv[i]);
		vg_buf_fini(&m);
		close(sv[i]);
	}
}

/* Looked at behind reap(), which ends channels, and so is not for a handler of theirs. */
static vg_rc
on_lost(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct parent *p = ctx;
	struct child *c = child_of(p, from);
	unsigned role = vg_cur_le16(body), index = vg_cur_le16(body);

	if (fd >= 0 || body->rc != VG_OK || c == NULL)
		return VG_E_FORMAT;
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].role == role && p->child[i].index == index && &p->child[i] != c)
			c->lost[i] = true;
	return VG_OK;
}

/* Both ends tell it, and again when the first one has the new channel: one will do.  One that died gets its channels when it begins again. */
static void
rejoin(struct parent *p)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->n; k++) {
			struct child *a = &p->child[i], *b = &p->child[k];
			int64_t *last = i < k ? &a->joined_ms[k] : &b->joined_ms[i];

			if (!a->lost[k])
				continue;
			a->lost[k] = b->lost[i] = false;
			if (now_ms() - *last < REJOIN_MS || !a->pid || !a->channel || !b->pid || !b->channel)
				continue;
			*last = now_ms();
			connect_pair(a, b);
		}
}

static void
connect_all(struct parent *p, struct child *c)
{
	for (size_t e = 0; e < VG_COUNT(edges); e++)
		for (size_t i = 0; i < p->n; i++) {
			struct child *x = &p->child[i];

			if (x != c && x->pid && x->channel && ((edges[e].a == c->role && edges[e].b == x->role) || (edges[e].b == c->role && edges[e].a == x->role)))
				connect_pair(c, x);
		}
}

/* ---- spawning ---- */

_Noreturn static void
become(struct parent *p, const struct child *c, int fd)
{
	char index[8];
	char *argv[] = { (char *)(uintptr_t)"vigie", (char *)(uintptr_t)"role", (char *)(uintptr_t)vg_role_name(c->role), index, NULL };
	sigset_t none;

	snprintf(index, sizeof(index), "%u", c->index);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd != 3) {
		if (dup2(fd, 3) < 0)
			_exit(99);
	} else if (fcntl(3, F_SETFD, 0) < 0) {
		_exit(99);
	}
	(void)execv(p->o->self, argv);
	_exit(98);
}

/* What any role may say to its parent. */
static const struct vg_handler child_handlers[] = {
	{ VG_MSG_READY, 0, on_ready }, { VG_MSG_STATS, STATS_MAX, on_stats }, { VG_MSG_SAY, 4096, on_say }, { VG_MSG_GONE, 0, on_gone },
	{ VG_MSG_LOST, 4, on_lost }, { VG_MSG_LEARNED, 9, on_learned }, { VG_MSG_TAKEN, 8, on_taken }, { VG_MSG_JOB_DONE, 8, on_job_done },
	{ VG_MSG_TOOK, 64, on_took }, { VG_MSG_ANSWER, VG_REQUEST_ANSWER_MAX + 256, on_answer }, { 0, 0, NULL },
};

static void
spawn(struct parent *p, struct child *c)
{
	struct vg_channel_ops ops = { child_handlers, closed, p };
	int sv[2];

	c->next_ms = now_ms() + c->backoff_ms;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return;
	fflush(NULL);
	if ((c->pid = fork()) == 0)
		become(p, c, sv[1]);
	close(sv[1]);
	if (c->pid < 0 || vg_channel_new(p->loop, sv[0], &ops, &c->channel) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s cannot be started: %s", vg_role_name(c->role), strerror(errno));
		c->pid = 0;
		return;
	}
	c->ready = c->gone = false;
	for (size_t i = 0; i < p->n; i++)
		c->lost[i] = p->child[i].lost[c - p->child] = false;
	c->began_ms = c->heard_ms = now_ms();
	give_all(p, c);
	connect_all(p, c);
	vg_channel_send(c->channel, VG_MSG_GO, VG_NIL);
}

/* Look begins when every detect meets new records with the set that the job is of: so no record is between the two. */
static void
wake_look(struct parent *p)
{
	struct child *look = NULL;

	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->child[i];

		if (c->role == VG_ROLE_LOOK)
			look = c;
		else if (c->role == VG_ROLE_DETECT && c->pid && c->taken != p->feed.set_number)
			return;
	}
	if (look && look->resting && look->pid == 0 && p->feed.job >= 0) {
		look->resting = false;
		look->next_ms = 0;
		look->backoff_ms = 0;
	}
}

static bool
may_spawn(const struct parent *p, const struct child *c, int64_t now)
{
	if (c->role == VG_ROLE_LOOK && p->feed.job < 0)
		return false;
	return !c->resting && now >= c->next_ms && (c->role != VG_ROLE_DETECT || vg_feed_detect_may_begin(&p->feed, now));
}

static void
on_supervise(void *ctx)
{
	struct parent *p = ctx;
	int64_t now = now_ms();

	reap(p);
	if (!p->stopping) {
		rejoin(p);
		wake_look(p);
	}
	for (size_t i = 0; i < p->n && !p->stopping; i++) {
		struct child *c = &p->child[i];

		if (c->pid == 0) {
			if (may_spawn(p, c, now))
				spawn(p, c);
		} else if (!c->silent_ok && now - c->heard_ms > SILENT_MS) {
			vg_log(VG_LOG_ERROR, "%s %u has not answered for %d seconds: it is ended", vg_role_name(c->role), c->index, SILENT_MS / 1000);
			(void)kill(c->pid, SIGKILL);
			c->heard_ms = now;
		}
	}
}

/* ---- stopping: those that bring, then the vault when all of it was examined, then those that read ---- */

static bool
stop_role(struct parent *p, unsigned role)
{
	bool over = true;

	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->child[i];

		if (c->role != role || c->pid == 0 || c->gone)
			continue;
		if (!c->stopping && c->channel)
			vg_channel_send(c->channel, VG_MSG_STOP, VG_NIL);
		c->stopping = true;
		over = false;
	}
	return over;
}

static void
on_stopping(void *ctx)
{
	static const unsigned order[][2] = { { VG_ROLE_COLLECT, VG_ROLE_LOCAL }, { VG_ROLE_LEARN, VG_ROLE_LOOK }, { VG_ROLE_VAULT, VG_ROLE_VAULT }, { VG_ROLE_TRACE, VG_ROLE_SEAL },
					     { VG_ROLE_DETECT, VG_ROLE_PUBLISH }, { VG_ROLE_OUT, VG_ROLE_RESPOND } };
	struct parent *p = ctx;

	if (!p->stopping)
		return;
	reap(p);
	while (p->stage < (int)VG_COUNT(order)) {
		bool a = stop_role(p, order[p->stage][0]), b = stop_role(p, order[p->stage][1]);

		if (!a || !b)
			break;
		p->stage++;
	}
	if (p->stage == (int)VG_COUNT(order)) {
		vg_loop_stop(p->loop);
		return;
	}
	if (now_ms() - p->stop_ms > STOP_MS) {
		vg_log(VG_LOG_WARNING, "not all stopped in %d seconds: the rest is killed; what was acknowledged is on disk", STOP_MS / 1000);
		for (size_t i = 0; i < p->n; i++)
			if (p->child[i].pid)
				(void)kill(p->child[i].pid, SIGKILL);
		vg_loop_stop(p->loop);
	}
}

/* ---- rules ---- */

struct telling {
	struct vg_buf *reasons; /* NULL: not asked for */
	bool quiet;
};

static void
tell_reason(const struct telling *t, vg_str line)
{
	if (!t->quiet)
		vg_log(VG_LOG_ERROR, "%.*s", VG_STR_ARG(line));
	if (t->reasons) {
		vg_buf_put(t->reasons, line);
		vg_buf_putc(t->reasons, '\n');
	}
}

static void
tell_diag(void *ctx, const struct vg_program *p, const struct vg_diag *d)
{
	const struct telling *t = ctx;
	struct vg_buf line = { 0 };

	if (d->origin != VG_ORIGIN_GIVEN && d->origin != VG_ORIGIN_EXCEPTION)
		return; /* SigmaHQ's own are for `vigie rule check` */
	if (d->fatal) {
		vg_buf_printf(&line, "%.*s:%u: %.*s", VG_STR_ARG(vg_program_str(p, d->file)), d->line, VG_STR_ARG(vg_program_str(p, d->text)));
		tell_reason(t, vg_buf_str(&line));
		vg_buf_fini(&line);
	} else if (d->note && !t->quiet)
		vg_log(VG_LOG_WARNING, "%.*s:%u: %.*s", VG_STR_ARG(vg_program_str(p, d->file)), d->line, VG_STR_ARG(vg_program_str(p, d->text)));
}

static void
tell_packs(int fd, const struct telling *t)
{
	struct vg_buf b = { 0 };
	vg_str rest, line;

	if (vg_knowledge_pack_problems(fd, &b) == VG_OK)
		for (rest = vg_buf_str(&b); vg_str_split(&rest, '\n', &line);)
			if (line.n)
				tell_reason(t, line);
	vg_buf_fini(&b);
}

/* C strings of a list, and NULL; owned, as each is.  NULL: no memory. */
static const char **
strings_of(const struct vg_texts *t)
{
	const char **s = calloc(t->n + 1, sizeof(*s));

	for (size_t i = 0; s && i < t->n; i++)
		if ((s[i] = strndup(t->item[i].p, t->item[i].n)) == NULL) {
			while (i)
				free((void *)(uintptr_t)s[--i]);
			free(s);
			return NULL;
		}
	return s;
}

static void
free_strings(const char **s)
{
	for (size_t i = 0; s && s[i]; i++)
		free((void *)(uintptr_t)s[i]);
	free(s);
}

static char *
path_in(const struct vg_house *h, vg_str given, const char *name)
{
	char path[4400];

	if (given.n)
		return strndup(given.p, given.n);
	snprintf(path, sizeof(path), "%s/%s", h->path, name);
	return access(path, F_OK) == 0 ? strdup(path) : NULL;
}

vg_rc
vg_serve_rules(struct vg_house *h, const struct vg_settings *s, int *fd, struct vg_knowledge_summary *out, struct vg_buf *reasons, bool quiet)
{
	struct telling t = { reasons, quiet };
	const char **folder = strings_of(&s->rules.folders), **packs = strings_of(&s->packs.folders);
	char *exceptions = path_in(h, s->rules.exceptions, "exceptions");
	const char *exception[1] = { exceptions };
	struct vg_knowledge_options o = { .rules = folder, .nrules = s->rules.folders.n, .packs = packs, .npacks = s->packs.folders.n, .no_default_rules = s->rules.only, .exceptions = exception, .nexceptions = exceptions ? 1 : 0,
					  .now_ns = vg_clock_ns(), .sealed = true };
	char why[400] = "";
	vg_rc rc = VG_E_NOMEM;

	if (folder == NULL || packs == NULL)
		goto out;
	rc = vg_knowledge_make(&o, fd, out, why);
	if (why[0] && (rc != VG_OK || out->unread_given))
		tell_reason(&t, vg_str_of(why));
	else if (why[0] && !quiet)
		vg_log(VG_LOG_WARNING, "rules: %s", why);
	if (rc != VG_OK)
		goto out;
	rc = vg_knowledge_diags(*fd, tell_diag, &t);
	tell_packs(*fd, &t);
	if (rc == VG_OK && !vg_knowledge_whole(out)) {
		if (!quiet)
			vg_log(VG_LOG_ERROR, "rules: %u rules and exceptions, %u files and %u packs that were given cannot be used", out->refused_given,
			       out->unread_given, out->packs_given_wrong);
		rc = VG_E_REFUSED;
	}
	if (rc != VG_OK)
		close(*fd);
out:
	free_strings(folder);
	free_strings(packs);
	free(exceptions);
	return rc;
}

static void
use_rules(struct parent *p, const struct vg_knowledge_summary *n)
{
	p->rules = *n;
	p->valid_until_ns = n->valid_until_ns;
	p->rules_ns = vg_clock_ns();
	p->refused_ns = 0;
}

static vg_rc
prepare_rules(struct parent *p)
{
	struct vg_knowledge_summary n;
	vg_rc rc = vg_serve_rules(p->o->house, p->o->settings, &p->knowledge, &n, NULL, false);

	if (rc != VG_OK)
		return rc;
	use_rules(p, &n);
	if (!p->o->quiet)
		printf("vigie: %u rules, %u correlations, %u exceptions%s\n", n.rules, n.correlations, n.filters,
		       n.rules < 1000 ? " (SigmaHQ's rules were not found: see `vigie help hunt`)" : "");
	return VG_OK;
}

/* A new set takes the place of the old one as a whole, or not at all.  Those that work with it begin anew, from where they were. */
static void
reload(struct parent *p)
{
	struct vg_knowledge_summary n;
	int fd;

	vg_buf_clear(&p->reasons);
	if (vg_serve_rules(p->o->house, p->o->settings, &fd, &n, &p->reasons, false) != VG_OK) {
		p->refused_ns = vg_clock_ns();
		p->valid_until_ns = p->rules.valid_until_ns; /* its exceptions still end */
		if (p->valid_until_ns <= p->refused_ns)
			p->valid_until_ns = p->refused_ns + OVERDUE_NS;
		vg_log(VG_LOG_ERROR, "the new rules are refused; the old ones work on");
		return;
	}
	close(p->knowledge);
	p->knowledge = fd;
	use_rules(p, &n);
	vg_log(VG_LOG_INFO, "new rules: %u rules, %u correlations, %u exceptions", n.rules, n.correlations, n.filters);
	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->child[i];

		if ((c->role == VG_ROLE_DETECT || c->role == VG_ROLE_TRACE) && c->pid && c->channel) {
			c->asked = true;
			vg_channel_send(c->channel, VG_MSG_STOP, VG_NIL);
		}
	}
}

/* ---- signals ---- */

static void
on_signal(void *ctx, uint32_t events)
{
	struct parent *p = ctx;
	struct signalfd_siginfo s;

	(void)events;
	while (read(p->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGCHLD) {
			reap(p);
		} else if (s.ssi_signo == SIGHUP) {
			if (!p->stopping)
				reload(p);
		} else if (!p->stopping) {
			p->stopping = true;
			p->stop_ms = now_ms();
			(void)sd_notify(0, "STOPPING=1");
			on_stopping(p);
		}
	}
}

/* ---- once a second ---- */

static vg_rc
put_key(void *ctx, const struct vg_key_row *k)
{
	struct vg_buf *b = ctx;

	if (k->revoked_ns)
		return VG_OK;
	vg_buf_u64(b, (uint64_t)k->id);
	vg_buf_putc(b, ' ');
	vg_buf_hex(b, k->hash.p, k->hash.n, false);
	vg_buf_putc(b, ' ');
	vg_buf_put(b, k->tenant);
	vg_buf_putc(b, ' ');
	vg_buf_put(b, k->source);
	vg_buf_putc(b, '\n');
	return b->rc;
}

/* Commands write the catalogue; collect hears of new keys. */
static void
look_at_keys(struct parent *p)
{
	int64_t version = vg_catalogue_version(p->db);
	struct vg_buf b = { 0 };

	if (version == p->keys_version)
		return;
	p->keys_version = version;
	if (vg_catalogue_keys(p->db, put_key, &b) != VG_OK || vg_str_eq(vg_buf_str(&b), vg_buf_str(&p->keys))) {
		vg_buf_fini(&b);
		return;
	}
	vg_buf_fini(&p->keys);
	p->keys = b;
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].role == VG_ROLE_COLLECT && p->child[i].channel)
			give(&p->child[i], VG_MSG_NEW, "keys", vg_buf_str(&p->keys), -1);
}

/* ---- alarms of its own, and what commands ask ---- */

static struct child *
running(struct parent *p, unsigned role)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].role == role && p->child[i].channel && p->child[i].ready)
			return &p->child[i];
	return NULL;
}

static bool
pass_request(void *ctx, unsigned role, const struct vg_request *r, char why[160])
{
	struct child *c = running(ctx, role);
	struct vg_buf b = { 0 };

	if (c == NULL) {
		snprintf(why, 160, "the role %s is not ready; try again\n", vg_role_name(role));
		return false;
	}
	vg_request_put(&b, r);
	if (b.rc == VG_OK)
		give(c, VG_MSG_NEW, "request", vg_buf_str(&b), -1);
	vg_buf_fini(&b);
	return true;
}

static void
on_requests(void *ctx)
{
	struct parent *p = ctx;

	if (!p->stopping)
		vg_requests_turn(p->requests);
}

static void
tell_alarms(struct parent *p)
{
	struct child *out = running(p, VG_ROLE_OUT), *publish = running(p, VG_ROLE_PUBLISH);
	struct vg_buf b = { 0 };
	int64_t seen_s = 0;

	if (publish && p->o->settings->witness.token.n) { /* one is expected */
		vg_str rest = vg_buf_str(&publish->stats), line;

		while (vg_str_split(&rest, '\n', &line))
			if (vg_str_starts(line, VG_STR("witness_seconds ")))
				(void)vg_str_i64(vg_str_skip(line, 16), &seen_s);
		vg_parent_witness(&p->alarms, seen_s, p->began_s, vg_clock_ns() / 1000000000);
	}
	if (out && vg_parent_alarms_due(&p->alarms, vg_monotonic_ns(), &b))
		give(out, VG_MSG_NEW, "alarms", vg_buf_str(&b), -1);
	vg_buf_fini(&b);
}

static void
on_second(void *ctx)
{
	struct parent *p = ctx;

	look_at_keys(p);
	tell_alarms(p);
	if (!p->stopping)
		vg_feed_tick(&p->feed, now_ms());
	if (vg_clock_ns() >= p->valid_until_ns && !p->stopping)
		reload(p);
	write_status(p);
	if (p->told_ready)
		(void)sd_notify(0, "WATCHDOG=1");
}

/* ---- the beginning ---- */

static void
address_of(int fd, char out[VG_ADDRESS_MAX])
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct vg_address a = { .given = true };

	out[0] = 0;
	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return;
	if (ss.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&ss;

		a.ip[10] = a.ip[11] = 0xff;
		memcpy(a.ip + 12, &in->sin_addr, 4);
		a.port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&ss;

		memcpy(a.ip, &in->sin6_addr, 16);
		a.port = ntohs(in->sin6_port);
	}
	vg_address_print(&a, out);
}

static int
bind_one(const struct vg_address *a, int type, uint16_t port)
{
	static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	bool is4 = memcmp(a->ip, v4, sizeof(v4)) == 0;
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, size = 16 << 20, fd = socket(is4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(&in4.sin_addr, a->ip + 12, 4);
	memcpy(&in6.sin6_addr, a->ip, 16);
	if (!is4)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, is4 ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6, is4 ? sizeof(in4) : sizeof(in6)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1024) < 0)) {
		int keep = errno;

		close(fd);
		errno = keep;
		return -1;
	}
	if (type == SOCK_DGRAM)
		(void)shutdown(fd, SHUT_WR); /* it says ENOTCONN, and from then on nothing can be sent from it: who receives is no way out */
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return 0;
	return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port : ((struct sockaddr_in6 *)&ss)->sin6_port);
}

static vg_rc
add_bound(struct parent *p, const struct vg_listener *l, const char *name, unsigned role, int type, uint16_t *port)
{
	struct bound *b = &p->bound[p->nbound];
	char text[VG_ADDRESS_MAX];
	struct vg_address a = l->address;

	if (p->nbound == LISTENERS_MAX)
		return VG_E_LIMIT;
	a.port = *port;
	*b = (struct bound){ .role = role, .tenant = l->tenant.n ? l->tenant : p->o->settings->tenants.item[0].name, .l = l };
	snprintf(b->name, sizeof(b->name), "%s", name);
	if ((b->fd = bind_one(&a, type, *port)) < 0) {
		vg_address_print(&a, text);
		vg_log(VG_LOG_ERROR, "listen.%.*s: %s: %s%s", VG_STR_ARG(l->name), text, strerror(errno),
		       errno == EADDRINUSE ? " (another program listens there; choose another port in the settings or with --listen)" :
		       errno == EACCES	   ? " (ports under 1024 need root, or systemd's socket)" :
					     "");
		return VG_E_SYS;
	}
	*port = port_of(b->fd);
	address_of(b->fd, b->address);
	p->nbound++;
	return VG_OK;
}

static vg_rc
bind_all(struct parent *p)
{
	const struct vg_settings *s = p->o->settings;
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < s->listen.n && rc == VG_OK; i++) {
		const struct vg_listener *l = &s->listen.item[i];
		uint16_t port = l->address.port;
		char name[64];

		if (l->address.off)
			continue;
		switch (l->kind) {
		case VG_LISTEN_SYSLOG:
			snprintf(name, sizeof(name), "listen:tcp:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			if ((rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_STREAM, &port)) != VG_OK)
				break;
			snprintf(name, sizeof(name), "listen:udp:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_DGRAM, &port); /* port 0: the same one */
			break;
		case VG_LISTEN_SYSLOG_TLS:
			snprintf(name, sizeof(name), "listen:tls:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_STREAM, &port);
			break;
		case VG_LISTEN_HTTPS:
			snprintf(name, sizeof(name), "listen:https:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_STREAM, &port);
			break;
		case VG_LISTEN_WITNESS:
			rc = add_bound(p, l, "witness", VG_ROLE_PUBLISH, SOCK_STREAM, &port);
			break;
		case VG_LISTEN_METRICS:
			rc = add_bound(p, l, "metrics-listen", VG_ROLE_PUBLISH, SOCK_STREAM, &port);
			break;
		default:
			break;
		}
	}
	return rc;
}

static void
give_roles(void *ctx, unsigned role, const char *name, vg_str text, int fd)
{
	struct parent *p = ctx;

	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].role == role && p->child[i].pid && p->child[i].channel)
			give(&p->child[i], VG_MSG_NEW, name, text, fd);
}

/* Where the files lie; commands find another folder than ours by what is written here. */
static vg_rc
prepare_indicators(struct parent *p)
{
	struct vg_disk learned = { .dir = p->folder_learned };
	vg_str given = p->o->settings->rules.indicators;
	char path[4400];
	int own;

	if (given.n) {
		snprintf(path, sizeof(path), "%.*s", VG_STR_ARG(vg_str_cut(given, 4095)));
	} else {
		if ((own = vg_house_folder(p->o->house, "indicators")) < 0)
			return VG_E_SYS;
		close(own);
		snprintf(path, sizeof(path), "%s/indicators", p->o->house->path);
	}
	vg_feed_init(&p->feed, path, now_ms());
	p->feed.give = give_roles;
	p->feed.ctx = p;
	if ((p->look_page = memfd_create("vigie-progress", MFD_CLOEXEC)) < 0 || ftruncate(p->look_page, 4096) < 0)
		return VG_E_SYS;
	return vg_disk_swap(&learned, VG_LEARNED_WHERE, given);
}

static vg_rc
prepare_folders(struct parent *p)
{
	struct vg_house *h = p->o->house;
	const struct vg_settings *s = p->o->settings;
	char why[300];
	vg_rc rc;

	if ((rc = vg_house_keys(h, s, why)) != VG_OK || (rc = vg_house_tls(h, &p->cert, &p->key, why)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s", why);
		return rc;
	}
	p->folder_vault = vg_house_folder(h, "vault");
	p->folder_trace = vg_house_folder(h, "trace");
	p->folder_seal = vg_house_folder(h, "seal");
	p->folder_local = vg_house_folder(h, "local");
	p->folder_learned = vg_house_folder(h, VG_LEARNED_FOLDER);
	p->folder_out = vg_house_folder(h, "out");
	if (p->folder_vault < 0 || p->folder_trace < 0 || p->folder_seal < 0 || p->folder_local < 0 || p->folder_learned < 0 || p->folder_out < 0 ||
	    vg_requests_new(h, pass_request, p, &p->requests) != VG_OK || prepare_indicators(p) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s: %s", h->path, strerror(errno));
		return VG_E_SYS;
	}
	for (size_t i = 0; i < s->tenants.n; i++) {
		vg_buf_put(&p->tenants, s->tenants.item[i].name);
		vg_buf_putc(&p->tenants, '\n');
	}
	for (unsigned i = 0; i < p->ndetect; i++)
		if ((p->progress[i] = memfd_create("vigie-progress", MFD_CLOEXEC)) < 0 || ftruncate(p->progress[i], 4096) < 0)
			return VG_E_SYS;
	return p->tenants.rc;
}

/* The evidence is older than the catalogue: its records have numbers of sources that nobody can name, and that nobody else may be given. */
static vg_rc
reserve_sources(struct parent *p)
{
	struct vg_source s = { .id = VG_SOURCES_MAX, .name = VG_STR("sources-of-before") };
	uint64_t next = 1;
	vg_rc rc = vg_house_vault_next(p->o->house, &next);

	if (rc != VG_OK || next <= 1)
		return rc;
	s.first_ns = s.last_ns = vg_clock_ns();
	if ((rc = vg_catalogue_tenant(p->db, p->o->settings->tenants.item[0].name, &s.tenant)) != VG_OK || (rc = vg_catalogue_unknown(p->db, &s)) != VG_OK)
		return rc;
	vg_log(VG_LOG_WARNING, "vault/catalogue.db is new, and the evidence is not: sources of earlier records have no name (`vigie self-backup restore` brings them), "
			       "and their numbers up to %d are given to nobody", VG_SOURCES_MAX);
	return VG_OK;
}

/* Brought up to date, or refused, before any process rests on them. */
static vg_rc
look_at_databases(struct parent *p)
{
	static const struct {
		const char *name;
		vg_rc (*open)(const char *path, bool read_only, char why[200], sqlite3 **out);
		bool may_be_damaged; /* its role begins a new one */
	} rows[] = { { "trace/signals.db", vg_signals_open, false }, { "out/out.db", vg_outbox_open, true } };
	char path[4200], why[200];
	sqlite3 *db;
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < VG_COUNT(rows) && rc == VG_OK; i++) {
		snprintf(path, sizeof(path), "%s/%s", p->o->house->path, rows[i].name);
		if ((rc = rows[i].open(path, false, why, &db)) == VG_OK)
			vg_db_close(db);
		else if (rc == VG_E_FORMAT && rows[i].may_be_damaged) {
			rc = VG_OK; /* and it says so itself */
			continue;
		}
		if (why[0])
			vg_log(rc == VG_OK ? VG_LOG_INFO : VG_LOG_ERROR, "%s", why);
	}
	return rc;
}

static vg_rc
open_catalogue(struct parent *p)
{
	const struct vg_settings *s = p->o->settings;
	char path[4200], why[200];
	bool fresh;
	vg_rc rc;

	snprintf(path, sizeof(path), "%s/vault/catalogue.db", p->o->house->path);
	fresh = access(path, F_OK) < 0;
	if ((rc = vg_catalogue_open(path, false, why, &p->db)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s", why);
		return rc;
	}
	if (why[0])
		vg_log(VG_LOG_INFO, "%s", why);
	if (fresh && (rc = reserve_sources(p)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%.200s: %s", path, vg_rc_name(rc));
		return rc;
	}
	for (size_t i = 0; i < s->tenants.n; i++) {
		uint32_t id;

		if ((rc = vg_catalogue_tenant(p->db, s->tenants.item[i].name, &id)) != VG_OK)
			return rc;
		vg_buf_printf(&p->tenant_names, "%u %.*s\n", id, VG_STR_ARG(s->tenants.item[i].name));
	}
	p->keys_version = vg_catalogue_version(p->db);
	return vg_catalogue_keys(p->db, put_key, &p->keys);
}

static void
add_child(struct parent *p, unsigned role, unsigned index, bool silent_ok)
{
	p->child[p->n++] = (struct child){ .role = role, .index = index, .silent_ok = silent_ok };
}

static void
tell_listeners(const struct parent *p)
{
	if (p->o->quiet)
		return;
	for (size_t i = 0; i < p->nbound; i++) {
		const struct bound *b = &p->bound[i];
		vg_str rest = vg_str_of(b->name), kind;

		(void)vg_str_split(&rest, ':', &kind);
		if (rest.p)
			(void)vg_str_split(&rest, ':', &kind);
		printf("vigie: listening on %s (%.*s, %.*s)\n", b->address, VG_STR_ARG(b->l->name), VG_STR_ARG(kind));
	}
}

static vg_rc
run(struct parent *p)
{
	sigset_t set;
	vg_rc rc;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || (p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return VG_E_SYS;
	if ((rc = vg_watch_new(p->loop, p->signals, EPOLLIN, on_signal, p, &p->watch)) != VG_OK || (rc = vg_loop_every(p->loop, 50, on_supervise, p)) != VG_OK ||
	    (rc = vg_loop_every(p->loop, 20, on_stopping, p)) != VG_OK || (rc = vg_loop_every(p->loop, 1000, on_second, p)) != VG_OK ||
	    (rc = vg_loop_every(p->loop, 250, on_requests, p)) != VG_OK)
		return rc;
	add_child(p, VG_ROLE_LEARN, 0, false);
	add_child(p, VG_ROLE_SEAL, 0, false);
	add_child(p, VG_ROLE_VAULT, 0, false);
	add_child(p, VG_ROLE_TRACE, 0, false);
	for (unsigned i = 0; i < p->ndetect; i++)
		add_child(p, VG_ROLE_DETECT, i, false);
	add_child(p, VG_ROLE_COLLECT, 0, false);
	add_child(p, VG_ROLE_LOCAL, 0, false);
	add_child(p, VG_ROLE_PUBLISH, 0, true);
	add_child(p, VG_ROLE_LOOK, 0, false);
	p->child[p->n - 1].resting = true;
	add_child(p, VG_ROLE_OUT, 0, false);
	add_child(p, VG_ROLE_RESPOND, 0, false);
	for (size_t i = 0; i < p->n; i++)
		if (may_spawn(p, &p->child[i], now_ms()))
			spawn(p, &p->child[i]);
	tell_listeners(p);
	fflush(stdout);
	rc = vg_loop_run(p->loop);
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].pid) {
			(void)kill(p->child[i].pid, SIGKILL);
			(void)waitpid(p->child[i].pid, NULL, 0);
		}
	if (p->drill >= 0)
		(void)unlinkat(p->o->house->dir, VG_DRILL_SOCKET, 0);
	return rc;
}

vg_rc
vg_serve(const struct vg_serve_options *o)
{
	static struct parent p;
	vg_rc rc;

	vg_sandbox_hide();
	p.o = o;
	p.began_s = vg_clock_ns() / 1000000000;
	p.ndetect = vg_settings_processes(o->settings);
	if (p.ndetect > VG_ROLE_INDEX_MAX)
		p.ndetect = VG_ROLE_INDEX_MAX;
	if ((rc = vg_loop_new(&p.loop)) != VG_OK || (rc = prepare_folders(&p)) != VG_OK || (rc = open_catalogue(&p)) != VG_OK || (rc = look_at_databases(&p)) != VG_OK || (rc = bind_all(&p)) != VG_OK ||
	    (rc = prepare_rules(&p)) != VG_OK)
		return rc;
	if ((p.drill = vg_drill_listen(o->house->dir)) < 0)
		vg_log(VG_LOG_WARNING, "%s/" VG_DRILL_SOCKET ": %s: `vigie rule test` cannot reach this watch", o->house->path, strerror(errno));
	return run(&p);
}
