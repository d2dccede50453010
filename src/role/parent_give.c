/* role/parent_give.c - what each role is given before it begins: descriptors, and settings as it takes them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "role/parent_impl.h"
#include "role/retention.h"
#include "role/source_set.h"

void
parent_give(struct child *c, uint16_t type, const char *name, vg_str text, int fd)
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
	parent_give(c, VG_MSG_GIVE, name, vg_str_of(text), -1);
}

static void
give_vault(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	struct vg_buf hex = { 0 };
	char name[80], why[300];

	parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_vault);
	parent_give(c, VG_MSG_GIVE, "tenants", vg_buf_str(&p->tenants), -1);
	for (size_t i = 0; i < s->tenants.n; i++) {
		char tenant[65];

		snprintf(tenant, sizeof(tenant), "%.*s", VG_STR_ARG(s->tenants.item[i].name));
		snprintf(name, sizeof(name), "tenant-key:%.40s", tenant);
		vg_buf_clear(&hex);
		if (vg_house_tenant_key(p->o->house, &s->tenants.item[i], &hex, why) == VG_OK)
			parent_give(c, VG_MSG_GIVE, name, vg_buf_str(&hex), -1);
		else
			vg_log(VG_LOG_ERROR, "%s", why);
	}
	if (hex.p)
		memset(hex.p, 0, hex.cap);
	vg_buf_fini(&hex);
	for (unsigned i = 0; i < p->ndetect; i++) {
		snprintf(name, sizeof(name), "progress:%u", i);
		parent_give(c, VG_MSG_GIVE, name, VG_NIL, p->progress[i]);
	}
	vg_buf_clear(&p->text);
	vg_source_sets_print(s, &p->text);
	parent_give(c, VG_MSG_GIVE, "source-sets", vg_buf_str(&p->text), -1);
	vg_buf_clear(&p->text);
	vg_note_key_print(&p->o->house->log, &p->text);
	parent_give(c, VG_MSG_GIVE, "log-key", vg_buf_str(&p->text), -1);
	vg_buf_clear(&p->text);
	vg_retention_print(s, &p->text);
	parent_give(c, VG_MSG_GIVE, "retention", vg_buf_str(&p->text), -1);
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
				parent_give(c, VG_MSG_GIVE, name, vg_buf_str(&file), -1);
			else if (k < 2)
				parent_give(c, VG_MSG_GIVE, name, vg_buf_str(k ? &p->key : &p->cert), -1);
		}
		snprintf(name, sizeof(name), "require:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
		if (l->require_client_certificate)
			parent_give(c, VG_MSG_GIVE, name, VG_STR("1"), -1);
		vg_buf_fini(&file);
		parent_give(c, VG_MSG_GIVE, b->name, b->tenant, b->fd);
	}
	if (p->drill >= 0)
		parent_give(c, VG_MSG_GIVE, "drill", VG_NIL, p->drill);
	parent_give(c, VG_MSG_GIVE, "keys", vg_buf_str(&p->keys), -1);
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
	parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_local);
	parent_give(c, VG_MSG_GIVE, "files", vg_buf_str(&p->text), -1);
	parent_give(c, VG_MSG_GIVE, "tenant", s->local.tenant.n ? s->local.tenant : s->tenants.item[0].name, -1);
	parent_give(c, VG_MSG_GIVE, "host", vg_str_of(p->o->house->host), -1);
	give_number(c, "journal", s->local.journal);
}

static void
give_publish(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;

	parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_vault);
	if (s->witness.token.n)
		parent_give(c, VG_MSG_GIVE, "token", s->witness.token, -1);
	parent_give(c, VG_MSG_GIVE, "cert", vg_buf_str(&p->cert), -1);
	parent_give(c, VG_MSG_GIVE, "key", vg_buf_str(&p->key), -1);
	for (size_t i = 0; i < p->nbound; i++)
		if (p->bound[i].role == VG_ROLE_PUBLISH)
			parent_give(c, VG_MSG_GIVE, p->bound[i].name, VG_NIL, p->bound[i].fd);
}

static void
give_seal(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	char name[80], tenant[65];

	parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_seal);
	give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_SEAL]);
	vg_buf_clear(&p->text);
	vg_retention_print(s, &p->text);
	parent_give(c, VG_MSG_GIVE, "retention", vg_buf_str(&p->text), -1);
	for (size_t i = 0; i < s->tenants.n; i++) {
		snprintf(tenant, sizeof(tenant), "%.*s", VG_STR_ARG(s->tenants.item[i].name));
		snprintf(name, sizeof(name), "recovery:%.40s", tenant);
		vg_buf_clear(&p->text);
		if (vg_house_recovery(p->o->house, tenant, &p->text) == VG_OK)
			parent_give(c, VG_MSG_GIVE, name, vg_buf_str(&p->text), -1);
	}
}

static void
give_detect(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;
	char number[24];

	parent_give(c, VG_MSG_GIVE, "knowledge", VG_NIL, p->knowledge);
	parent_give(c, VG_MSG_GIVE, "progress", VG_NIL, p->progress[c->index]);
	give_number(c, "cache-bytes", s->detect.cache_bytes);
	give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_DETECT]);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)p->feed.set_number);
	if (p->feed.set >= 0)
		parent_give(c, VG_MSG_GIVE, "indicators", vg_str_of(number), p->feed.set);
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
	parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_vault);
	parent_give(c, VG_MSG_GIVE, "knowledge", VG_NIL, p->knowledge);
	parent_give(c, VG_MSG_GIVE, "progress", VG_NIL, p->look_page);
	parent_give(c, VG_MSG_GIVE, "job", VG_NIL, p->feed.job);
	parent_give(c, VG_MSG_GIVE, "tenants", vg_buf_str(&b), -1);
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
		parent_give(c, VG_MSG_GIVE, name, vg_buf_str(&p->text), -1);
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
		parent_give(c, VG_MSG_GIVE, name, vg_buf_str(&file), -1);
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

	parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_out);
	for (size_t i = 0; i < VG_COUNT(rows); i++)
		if (rows[i].text.n)
			parent_give(c, VG_MSG_GIVE, rows[i].name, rows[i].text, -1);
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

void
parent_give_all(struct parent *p, struct child *c)
{
	const struct vg_settings *s = p->o->settings;

	parent_give(c, VG_MSG_GIVE, "node", vg_str_of(p->o->house->node), -1);
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
		parent_give(c, VG_MSG_GIVE, "tenant", s->tenants.item[0].name, -1);
		give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_RESPOND]);
		break;
	case VG_ROLE_DETECT:
		give_detect(p, c);
		break;
	case VG_ROLE_TRACE:
		parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_trace);
		parent_give(c, VG_MSG_GIVE, "knowledge", VG_NIL, p->knowledge);
		give_number(c, "late-wait-ms", (uint64_t)(s->trace.late_wait_ns / 1000000));
		parent_give(c, VG_MSG_GIVE, "tenant-names", vg_buf_str(&p->tenant_names), -1);
		give_number(c, "alarm-level", s->alarm.level);
		give_number(c, "keep-hits-s", (uint64_t)(s->trace.keep_hits_ns / 1000000000));
		give_number(c, "memory", s->limits.memory_bytes[VG_MEMORY_TRACE]);
		give_number(c, "indicator-level", s->rules.indicator_level);
		break;
	case VG_ROLE_LEARN:
		parent_give(c, VG_MSG_GIVE, "folder", VG_NIL, p->folder_learned);
		break;
	case VG_ROLE_LOOK:
		give_look(p, c);
		break;
	default:
		break;
	}
}
