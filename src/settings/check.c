#include "base/time.h"
#include "settings/table.h"

struct check {
	struct vg_settings *s;
	vg_settings_say_fn *say;
	void *ctx;
	struct vg_arena a; /* keys, while they are told */
};

/* What a kind of listener may be told beyond its address. */
static const struct kind {
	bool tls, intake;
} kinds[] = {
	[VG_LISTEN_SYSLOG] = { .intake = true },
	[VG_LISTEN_SYSLOG_TLS] = { .tls = true, .intake = true },
	[VG_LISTEN_HTTPS] = { .tls = true, .intake = true },
	[VG_LISTEN_WITNESS] = { .tls = true },
	[VG_LISTEN_METRICS] = { .tls = false },
};

const char *
vg_listen_kind_name(uint32_t kind)
{
	static const char *const names[] = { "by-name", "syslog", "syslog-tls", "https", "witness", "metrics" };

	return kind < VG_COUNT(names) ? names[kind] : "?";
}

/* "listen.lan", then "listen.lan.key". */
static vg_str
key_of(struct check *c, const char *prefix, vg_str name, const char *last)
{
	vg_str k = vg_setting_path(&c->a, vg_str_of(prefix), name);

	return last ? vg_setting_path(&c->a, k, vg_str_of(last)) : k;
}

/* ---- tenants ---- */

/* A tenant that is named must be there; one that is not is the only one.  @what: why one is needed where there are several; NULL: it is not. */
static void
check_tenant(struct check *c, vg_str key, vg_str *tenant, bool fill, const char *what)
{
	const struct vg_settings *s = c->s;
	const struct vg_tenant *best = NULL;
	size_t least = VG_NEAR_FAR;

	if (tenant->n == 0) {
		if (fill && s->tenants.n == 1)
			*tenant = s->tenants.item[0].name;
		else if (fill && what)
			c->say(c->ctx, key, "%s, and there are %zu tenants; allowed: the name of one", what, s->tenants.n);
		return;
	}
	for (size_t i = 0; i < s->tenants.n; i++) {
		size_t d = vg_near(s->tenants.item[i].name, *tenant);

		if (vg_str_eq(s->tenants.item[i].name, *tenant))
			return;
		if (d < least) {
			least = d;
			best = &s->tenants.item[i];
		}
	}
	if (best && vg_near_enough(least, tenant->n))
		c->say(c->ctx, key, "no tenant is named \"%.*s\"; did you mean %.*s?", VG_STR_ARG(*tenant), VG_STR_ARG(best->name));
	else
		c->say(c->ctx, key, "no tenant is named \"%.*s\"; name it under tenants", VG_STR_ARG(*tenant));
}

static void
check_retention(struct check *c, vg_str key, const struct vg_retentions *r, vg_str reason, vg_str reason_key)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->item[i].keep_ns > VG_SETTINGS_FREE_RETENTION_D * VG_DAY && reason.n == 0) {
			c->say(c->ctx, vg_setting_path(&c->a, key, r->item[i].name), "is over %d days, which needs a reason (CNIL): say it in %.*s",
			       VG_SETTINGS_FREE_RETENTION_D, VG_STR_ARG(reason_key));
			return;
		}
}

static void
check_retentions(struct check *c)
{
	const struct vg_settings *s = c->s;

	check_retention(c, VG_STR("vault.retention"), &s->vault.retention, s->vault.retention_reason, VG_STR("vault.retention-reason"));
	for (size_t i = 0; i < s->tenants.n; i++) {
		const struct vg_tenant *t = &s->tenants.item[i];

		check_retention(c, key_of(c, "tenants", t->name, "retention"), &t->retention, t->retention_reason,
				key_of(c, "tenants", t->name, "retention-reason"));
	}
}

/* ---- listeners ---- */

/* The kind that @name is, or is near to. */
static uint32_t
kind_of_name(vg_str name, bool near)
{
	uint32_t best = VG_LISTEN_BY_NAME;
	size_t least = VG_NEAR_FAR;

	for (uint32_t k = VG_LISTEN_SYSLOG; k < VG_COUNT(kinds); k++) {
		size_t d = vg_near(vg_str_of(vg_listen_kind_name(k)), name);

		if (d < least && (near ? vg_near_enough(d, name.n) : vg_str_eq(name, vg_str_of(vg_listen_kind_name(k))))) {
			least = d;
			best = k;
		}
	}
	return best;
}

/* "syslog2" and "https-lan" are wanted; "sylog" is a slip. */
static bool
is_another(vg_str name)
{
	for (uint32_t k = VG_LISTEN_SYSLOG; k < VG_COUNT(kinds); k++)
		if (vg_str_starts(name, vg_str_of(vg_listen_kind_name(k))))
			return true;
	return false;
}

static bool
check_kind(struct check *c, struct vg_listener *l)
{
	uint32_t near;

	if (l->kind == VG_LISTEN_BY_NAME)
		l->kind = kind_of_name(l->name, false);
	if (l->kind != VG_LISTEN_BY_NAME)
		return true;
	near = is_another(l->name) ? VG_LISTEN_BY_NAME : kind_of_name(l->name, true);
	if (near != VG_LISTEN_BY_NAME)
		c->say(c->ctx, key_of(c, "listen", l->name, NULL), "no such setting; did you mean listen.%s?", vg_listen_kind_name(near));
	else
		c->say(c->ctx, key_of(c, "listen", l->name, NULL), "its kind is not told; allowed: kind: syslog, syslog-tls, https, witness or metrics");
	return false;
}

static void
check_tls(struct check *c, const struct vg_listener *l)
{
	const char *kind = vg_listen_kind_name(l->kind);
	bool tls = kinds[l->kind].tls && !l->plain;
	const struct { const char *key; bool set; } rows[] = { { "certificate", l->certificate.n }, { "key", l->key.n }, { "client-ca", l->client_ca.n },
							       { "require-client-certificate", l->require_client_certificate } };

	if (l->plain && l->kind != VG_LISTEN_HTTPS)
		c->say(c->ctx, key_of(c, "listen", l->name, "plain"), "is for kind https; this is %s", kind);
	for (size_t i = 0; i < VG_COUNT(rows); i++)
		if (rows[i].set && !tls)
			c->say(c->ctx, key_of(c, "listen", l->name, rows[i].key), "is of TLS, which %s has not", l->plain ? "plain: yes" : kind);
	if (!tls)
		return;
	if (!l->certificate.n != !l->key.n)
		c->say(c->ctx, key_of(c, "listen", l->name, l->key.n ? "certificate" : "key"), "is missing: certificate and key go together");
	if (l->require_client_certificate && l->client_ca.n == 0)
		c->say(c->ctx, key_of(c, "listen", l->name, "client-ca"), "is missing: require-client-certificate needs to know who may sign them");
}

static void
check_listener(struct check *c, struct vg_listener *l)
{
	bool named_by_key; /* who speaks there shows whose it is */

	if (!check_kind(c, l))
		return;
	if (!l->address.given)
		c->say(c->ctx, key_of(c, "listen", l->name, "address"), "is missing; allowed: ADDRESS:PORT, or off");
	check_tls(c, l);
	named_by_key = l->kind == VG_LISTEN_HTTPS || (l->kind == VG_LISTEN_SYSLOG_TLS && l->require_client_certificate);
	if (kinds[l->kind].intake)
		check_tenant(c, key_of(c, "listen", l->name, "tenant"), &l->tenant, true, named_by_key || l->address.off ? NULL : "records that come in here need a tenant");
	else if (l->tenant.n)
		c->say(c->ctx, key_of(c, "listen", l->name, "tenant"), "is for listeners that receive; kind %s publishes", vg_listen_kind_name(l->kind));
	if (l->kind == VG_LISTEN_WITNESS && !l->address.off && l->address.given && !vg_address_local(&l->address) && c->s->witness.token.n == 0)
		c->say(c->ctx, key_of(c, "listen", l->name, NULL), "others may pull there without a token: set witness.token");
}

static bool
is_any(const uint8_t ip[16])
{
	static const uint8_t any4[16] = { [10] = 0xff, [11] = 0xff }, any6[16] = { 0 };

	return memcmp(ip, any4, 16) == 0 || memcmp(ip, any6, 16) == 0;
}

static bool
is_open(const struct vg_listener *l)
{
	return l->kind != VG_LISTEN_BY_NAME && l->address.given && !l->address.off && l->address.port != 0;
}

/* All of them listen by TCP.  [::] takes no v4 (IPV6_V6ONLY). */
static bool
clash(const struct vg_listener *l, const struct vg_listener *m)
{
	const struct vg_address *a = &l->address, *b = &m->address;

	if (!is_open(l) || !is_open(m) || a->port != b->port || vg_setting_is_v4(a->ip) != vg_setting_is_v4(b->ip))
		return false;
	return memcmp(a->ip, b->ip, 16) == 0 || is_any(a->ip) || is_any(b->ip);
}

static void
check_listeners(struct check *c)
{
	const struct vg_settings *s = c->s;
	char mine[VG_ADDRESS_MAX], other[VG_ADDRESS_MAX];

	for (size_t i = 0; i < s->listen.n; i++)
		check_listener(c, &s->listen.item[i]);
	for (size_t i = 1; i < s->listen.n; i++)
		for (size_t j = 0; j < i; j++) {
			const struct vg_listener *a = &s->listen.item[i], *b = &s->listen.item[j];

			if (!clash(a, b))
				continue;
			vg_address_print(&a->address, mine);
			vg_address_print(&b->address, other);
			c->say(c->ctx, key_of(c, "listen", a->name, NULL), "%s is taken by listen.%.*s (%s)", mine, VG_STR_ARG(b->name), other);
			break;
		}
}

/* ---- the rest ---- */

static void
check_sources(struct check *c)
{
	const struct vg_settings *s = c->s;

	for (size_t i = 0; i < s->sources.n; i++) {
		struct vg_source_set *set = &s->sources.item[i];

		check_tenant(c, key_of(c, "sources", set->name, "tenant"), &set->tenant, false, NULL);
		if (set->match.n)
			continue;
		if ((set->match.item = vg_arena_new(&c->s->arena, vg_str)) == NULL) {
			c->say(c->ctx, key_of(c, "sources", set->name, NULL), "does not fit in memory");
			return;
		}
		set->match.item[0] = set->name;
		set->match.n = 1;
		if (!vg_setting_pattern_ok(set->name))
			c->say(c->ctx, key_of(c, "sources", set->name, NULL), "is not a network; give the set another name, and say match");
	}
}

/* @needed must be set when @has is, and the other way round when @both. */
struct pair {
	const char *has, *needed;
	bool is, there, both;
};

static void
check_pairs(struct check *c)
{
	const struct vg_settings *s = c->s;
	const struct pair rows[] = {
		{ "stamps.url", "stamps.ca", s->stamps.url.n, s->stamps.ca.n, true },
		{ "stamps.policy", "stamps.url", s->stamps.policy.n, s->stamps.url.n, false },
		{ "witness.urls", "witness.token", s->witness.urls.n, s->witness.token.n, false },
		{ "rules.only", "rules.folders", s->rules.only, s->rules.folders.n, false },
		{ "alarm.mail.to", "alarm.mail.server", s->alarm.mail.to.n, s->alarm.mail.server.n, true },
		{ "alarm.mail.to", "alarm.mail.from", s->alarm.mail.to.n, s->alarm.mail.from.n, true },
		{ "alarm.mail.user", "alarm.mail.password", s->alarm.mail.user.n, s->alarm.mail.password.n, true },
		{ "alarm.mail.user", "alarm.mail.server", s->alarm.mail.user.n, s->alarm.mail.server.n, false },
	};

	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		const struct pair *p = &rows[i];

		if (p->is && !p->there)
			c->say(c->ctx, vg_str_of(p->has), "needs %s, which is not set", p->needed);
		else if (p->there && !p->is && p->both)
			c->say(c->ctx, vg_str_of(p->needed), "needs %s, which is not set", p->has);
	}
}

void
vg_settings_check_kinds(struct vg_settings *s, vg_settings_say_fn *say, void *ctx)
{
	struct check c = { .s = s, .say = say, .ctx = ctx };

	vg_arena_init(&c.a, (size_t)16 << 20);
	for (size_t i = 0; i < s->listen.n; i++)
		(void)check_kind(&c, &s->listen.item[i]);
	vg_arena_fini(&c.a);
}

void
vg_settings_check(struct vg_settings *s, vg_settings_say_fn *say, void *ctx)
{
	struct check c = { .s = s, .say = say, .ctx = ctx };

	vg_arena_init(&c.a, (size_t)16 << 20);
	check_listeners(&c);
	check_retentions(&c);
	check_sources(&c);
	check_tenant(&c, VG_STR("local.tenant"), &s->local.tenant, true,
		     s->local.journal || s->local.files.n ? "this machine's records need a tenant" : NULL);
	check_pairs(&c);
	if (s->alarm.command.n && s->alarm.command.item[0].p[0] != '/')
		say(ctx, VG_STR("alarm.command"), "its first item is no absolute path: \"%.*s\"", VG_STR_ARG(s->alarm.command.item[0]));
	vg_arena_fini(&c.a);
}

const char *
vg_settings_secret(const struct vg_settings *s)
{
	for (size_t i = 0; i < vg_setting_nrow; i++) {
		const struct vg_setting *r = &vg_setting_rows[i];

		if (r->type == VG_SET_SECRET && ((const vg_str *)(const void *)((const char *)s + r->at))->n)
			return r->key;
	}
	return NULL;
}
