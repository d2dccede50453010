#include "trace/story.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/utf.h"
#include "event/wire.h"
#include "trace/path.h"
#include "trace/tunnel.h"

#define NAME_MAX_BYTES 512 /* of a host, account, path...; a longer one is cut there */
#define NONE UINT32_MAX

/* Rows of one kind, found by key.  Rows never move once the story is finished. */
struct table {
	struct vg_map map; /* key -> row */
	char *row;         /* owned */
	size_t n, cap, size, max;
};

enum entity_kind { ENTITY_HOST, ENTITY_ACCOUNT, ENTITY_SOURCE, ENTITIES };

struct session { /* open: signed in, not yet out */
	uint64_t hash; /* of host and session id */
	uint32_t path;
	uint32_t chain;        /* next with the same bucket */
	uint32_t older, newer; /* in order of opening */
	int64_t begin_ns;
	bool privileged;
};

struct vg_story {
	const struct vg_program *p;
	uint8_t *chapter; /* of each rule; owned */
	struct vg_arena arena;
	struct vg_map names;  /* one copy of each name that a row holds */
	struct vg_map hot;    /* account and host, or source, that a signal names */
	struct vg_map alias;  /* host name of a source -> row of alias_ip */
	vg_str *alias_ip;     /* owned; the slices stand in names */
	size_t nalias, alias_cap;
	struct vg_tunnels tunnels;
	struct vg_map hot_vpn; /* account and source of the VPN sessions that flagged paths came through */
	struct table group, path, deed, technique, uncovered, entity[ENTITIES];
	size_t failed_paths; /* paths that never succeeded */
	size_t sample_bytes;
	struct vg_erasure *erasure; /* owned */
	size_t nerasure, erasure_cap;
	struct vg_file_report *file; /* owned */
	size_t nfile, file_cap;

	struct session *session; /* owned; grows to VG_STORY_SESSIONS_MAX */
	uint32_t nsession, session_cap, session_free; /* free ones are linked by chain */
	uint32_t session_oldest, session_newest;
	uint32_t *bucket; /* owned */
	uint32_t nbucket;

	struct vg_buf key, key2; /* scratch */
	struct vg_story_totals total;
	struct vg_story_view view;
};

static void
table_init(struct table *t, size_t size, size_t max, size_t limit_bytes)
{
	*t = (struct table){ .size = size, .max = max };
	vg_map_init(&t->map, limit_bytes);
}

static void
table_fini(struct table *t)
{
	vg_map_fini(&t->map);
	free(t->row);
}

/* Room for one more row of @size bytes; false when memory is out. */
static bool
rows_room(void **row, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return true;
	if ((p = realloc(*row, want * size)) == NULL)
		return false;
	*row = p;
	*cap = want;
	return true;
}

/* The row of @key, a new zeroed one when there is none (@fresh).  NULL when the table is full or memory is out. */
static void *
table_row(struct table *t, vg_str key, bool *fresh)
{
	uint32_t at = vg_map_find(&t->map, key);
	void *row = t->row;

	*fresh = false;
	if (at != VG_MAP_NONE)
		return t->row + (size_t)at * t->size;
	if (t->n >= t->max || !rows_room(&row, t->n, &t->cap, t->size))
		return NULL;
	t->row = row;
	if (vg_map_add(&t->map, key, (uint32_t)t->n, NULL) == VG_MAP_NONE)
		return NULL;
	*fresh = true;
	return memset(t->row + t->n++ * t->size, 0, t->size);
}

struct vg_story *
vg_story_new(const struct vg_program *p, size_t limit_bytes)
{
	struct vg_story *s = calloc(1, sizeof(*s));
	size_t part = limit_bytes / 16;

	if (s == NULL)
		return NULL;
	s->p = p;
	vg_arena_init(&s->arena, limit_bytes / 2);
	vg_map_init(&s->names, limit_bytes / 8);
	vg_map_init(&s->hot, part);
	vg_map_init(&s->alias, part);
	vg_tunnels_init(&s->tunnels, part);
	vg_map_init(&s->hot_vpn, part);
	table_init(&s->group, sizeof(struct vg_group), VG_STORY_GROUPS_MAX, part);
	table_init(&s->path, sizeof(struct vg_path), VG_STORY_PATHS_MAX, part);
	table_init(&s->deed, sizeof(struct vg_deed), VG_STORY_DEEDS_MAX, part);
	table_init(&s->technique, sizeof(struct vg_technique), 4096, part);
	table_init(&s->uncovered, sizeof(struct vg_uncovered), VG_STORY_ENTITIES_MAX, part);
	for (unsigned i = 0; i < ENTITIES; i++)
		table_init(&s->entity[i], sizeof(struct vg_entity), VG_STORY_ENTITIES_MAX, part);
	s->total.first_ns = s->total.last_ns = VG_TIME_NONE;
	s->session_free = s->session_oldest = s->session_newest = NONE;
	s->nbucket = 4096;
	s->bucket = malloc(s->nbucket * sizeof(*s->bucket));
	s->chapter = malloc(p->nrule ? p->nrule : 1);
	if (s->bucket == NULL || s->chapter == NULL) {
		vg_story_free(s);
		return NULL;
	}
	memset(s->bucket, 0xff, s->nbucket * sizeof(*s->bucket));
	for (uint32_t i = 0; i < p->nrule; i++)
		s->chapter[i] = (uint8_t)vg_chapter_of(p, i);
	return s;
}

void
vg_story_free(struct vg_story *s)
{
	if (s == NULL)
		return;
	vg_arena_fini(&s->arena);
	vg_map_fini(&s->names);
	vg_map_fini(&s->hot);
	vg_map_fini(&s->alias);
	vg_tunnels_fini(&s->tunnels);
	vg_map_fini(&s->hot_vpn);
	table_fini(&s->group);
	table_fini(&s->path);
	table_fini(&s->deed);
	table_fini(&s->technique);
	table_fini(&s->uncovered);
	for (unsigned i = 0; i < ENTITIES; i++)
		table_fini(&s->entity[i]);
	free(s->alias_ip);
	free(s->erasure);
	free(s->file);
	free(s->session);
	free(s->bucket);
	free(s->chapter);
	vg_buf_fini(&s->key);
	vg_buf_fini(&s->key2);
	free(s);
}

struct vg_story_totals *
vg_story_totals(struct vg_story *s)
{
	return &s->total;
}

/* One lasting copy of a name; empty when the limit is met. */
static vg_str
name_keep(struct vg_story *s, vg_str name)
{
	vg_str kept = VG_NIL;

	name = vg_str_cut(name, NAME_MAX_BYTES);
	if (name.n == 0 || vg_map_add(&s->names, name, 0, &kept) == VG_MAP_NONE)
		return VG_NIL;
	return kept;
}

/* Keys: each part folded, its length before it, so that no part can pass for another. */
static void
key_part(struct vg_buf *b, vg_str part)
{
	part = vg_str_cut(part, NAME_MAX_BYTES);
	if (vg_buf_reserve(b, VG_FOLD_MAX(part.n) + 2)) {
		size_t n = vg_fold(part, b->p + b->n + 2);
		uint16_t len = (uint16_t)n;

		memcpy(b->p + b->n, &len, 2);
		b->n += n + 2;
	}
}

static vg_str
key_of(struct vg_story *s, const vg_str *part, size_t n)
{
	vg_buf_clear(&s->key);
	for (size_t i = 0; i < n; i++)
		key_part(&s->key, part[i]);
	return vg_buf_str(&s->key);
}
#define KEY(s, ...) \
	key_of((s), (vg_str[]){ __VA_ARGS__ }, sizeof((vg_str[]){ __VA_ARGS__ }) / sizeof(vg_str))

static void
span_add(int64_t *first_ns, int64_t *last_ns, int64_t t)
{
	if (t == VG_TIME_NONE)
		return;
	if (*first_ns == VG_TIME_NONE || t < *first_ns)
		*first_ns = t;
	if (*last_ns == VG_TIME_NONE || t > *last_ns)
		*last_ns = t;
}

/* The entity named @name; NULL when it has no name, or the table is full (counted). */
static struct vg_entity *
entity_at(struct vg_story *s, enum entity_kind kind, vg_str name, int64_t time_ns)
{
	struct vg_entity *e;
	bool fresh;

	if (name.n == 0)
		return NULL;
	if ((e = table_row(&s->entity[kind], KEY(s, name), &fresh)) == NULL) {
		s->total.dropped_entities++;
		return NULL;
	}
	if (fresh)
		*e = (struct vg_entity){ .name = name_keep(s, name), .first_ns = VG_TIME_NONE,
					 .last_ns = VG_TIME_NONE, .worst = 255 };
	span_add(&e->first_ns, &e->last_ns, time_ns);
	return e;
}

static void
entity_signal(struct vg_entity *e, uint8_t level)
{
	if (e == NULL)
		return;
	e->signals++;
	if (e->worst == 255 || level > e->worst)
		e->worst = level;
}

static void
hot_add(struct vg_story *s, vg_str key)
{
	if (s->hot.n < (size_t)2 * VG_STORY_ENTITIES_MAX) /* past it a path is only not marked */
		(void)vg_map_add(&s->hot, key, 1, NULL);
}

static vg_str
event_value(const struct vg_event *e, const vg_str *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct vg_field *f = vg_event_find_name(e, name[i]);

		if (f && f->value.n && !vg_str_eq(f->value, VG_STR("-")))
			return vg_str_trim(f->value);
	}
	return VG_NIL;
}

/* The person that an event names: the names of packs first, then those of Windows. */
static vg_str
event_user(const struct vg_event *e)
{
	static const vg_str name[] = {
		VG_STR_INIT("user.name"), VG_STR_INIT("User"), VG_STR_INIT("TargetUserName"),
		VG_STR_INIT("SubjectUserName"), VG_STR_INIT("user.target.name"),
	};

	for (size_t i = 0; i < VG_COUNT(name); i++) {
		vg_str u = vg_account_name(event_value(e, &name[i], 1));

		if (vg_account_is_person(u, VG_NIL))
			return u;
	}
	return VG_NIL;
}

static vg_str
event_source(const struct vg_event *e)
{
	static const vg_str ip[] = { VG_STR_INIT("source.ip"), VG_STR_INIT("IpAddress") };
	static const vg_str host[] = { VG_STR_INIT("source.domain"), VG_STR_INIT("WorkstationName") };
	vg_str s = vg_source_ip(event_value(e, ip, VG_COUNT(ip)));

	return s.n ? s : vg_source_host(event_value(e, host, VG_COUNT(host)));
}

static vg_str
by_value(const struct vg_signal *g, const char *const *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < g->nby; k++)
			if (vg_str_ieq(g->by_name[k], vg_str_of(name[i])))
				return g->by_value[k];
	return VG_NIL;
}

static void
group_sample(struct vg_story *s, struct vg_group *g, const struct vg_signal *sig)
{
	struct vg_event e;
	struct vg_sample *m;
	vg_str wire;

	if (sig->event == NULL || g->nsample == VG_STORY_SAMPLES)
		return;
	e = *sig->event;
	e.raw = vg_str_cut(e.raw, VG_STORY_SAMPLE_RAW);
	vg_buf_clear(&s->key2);
	vg_wire_encode(&s->key2, &e, NULL, 0);
	wire = vg_buf_str(&s->key2);
	if (s->key2.rc != VG_OK || wire.n > VG_STORY_SAMPLE_MAX ||
	    s->sample_bytes + wire.n > VG_STORY_SAMPLE_BYTES ||
	    (wire = vg_str_dup(&s->arena, wire)).p == NULL) {
		s->total.dropped_samples++;
		return;
	}
	s->sample_bytes += wire.n;
	m = &g->sample[g->nsample++];
	*m = (struct vg_sample){ wire, name_keep(s, sig->file), sig->time_ns };
}

static void
group_by(struct vg_story *s, struct vg_group *g, const struct vg_signal *sig)
{
	struct vg_buf *b = &s->key2;

	vg_buf_clear(b);
	for (uint32_t i = 0; i < sig->nby && b->n < 2048; i++) {
		vg_buf_puts(b, i ? ", " : "");
		vg_buf_put(b, vg_str_cut(sig->by_name[i], NAME_MAX_BYTES));
		vg_buf_putc(b, '=');
		vg_buf_put(b, vg_str_cut(sig->by_value[i], NAME_MAX_BYTES));
	}
	if (b->n)
		g->by = vg_str_dup(&s->arena, vg_buf_str(b));
}

static void
technique_count(struct vg_story *s, const struct vg_rule *r)
{
	for (uint32_t i = 0; i < r->ntag; i++) {
		vg_str tag = vg_program_str(s->p, s->p->list[r->tag + i]);
		struct vg_technique *t;
		char id[16];
		bool fresh, known;

		if (!vg_tag_technique(tag, id) ||
		    (t = table_row(&s->technique, vg_str_of(id), &fresh)) == NULL)
			continue;
		if (fresh) {
			memcpy(t->id, id, sizeof(id));
			t->chapter = (uint8_t)vg_technique_chapter(tag, &known);
		}
		t->count++;
		if (r->level > t->worst)
			t->worst = r->level;
	}
}

vg_rc
vg_story_signal(struct vg_story *s, const struct vg_signal *sig)
{
	static const char *const host_name[] = { "host.name", "Computer", "ComputerName" };
	static const char *const user_name[] = { "user.name", "TargetUserName", "SubjectUserName", "User" };
	static const char *const source_name[] = { "source.ip", "IpAddress", "source.domain", "WorkstationName" };
	const struct vg_rule *r;
	vg_str host = VG_NIL, user = VG_NIL, source = VG_NIL;
	struct vg_group *g;
	char rule_key[12];
	int64_t first_ns;
	bool fresh;

	if (sig->rule >= s->p->nrule)
		return VG_E_REFUSED;
	r = &s->p->rule[sig->rule];
	if (sig->event) {
		host = sig->event->host;
		user = event_user(sig->event);
		source = event_source(sig->event);
	}
	if (sig->nby) { /* what a correlation speaks of is what it was grouped by */
		vg_str h = by_value(sig, host_name, VG_COUNT(host_name));
		vg_str u = vg_account_name(by_value(sig, user_name, VG_COUNT(user_name)));
		vg_str a = by_value(sig, source_name, VG_COUNT(source_name));

		host = h.n ? h : host;
		user = vg_account_is_person(u, VG_NIL) ? u : user;
		source = a.n ? a : source;
	}
	first_ns = sig->first_ns != VG_TIME_NONE && sig->first_ns && sig->first_ns < sig->time_ns ? sig->first_ns :
												     sig->time_ns;
	s->total.signals++;
	if (r->level < VG_LEVELS)
		s->total.level[r->level]++;
	technique_count(s, r);
	entity_signal(entity_at(s, ENTITY_HOST, host, sig->time_ns), r->level);
	entity_signal(entity_at(s, ENTITY_ACCOUNT, user, sig->time_ns), r->level);
	entity_signal(entity_at(s, ENTITY_SOURCE, source, sig->time_ns), r->level);
	if (r->level >= VG_LEVEL_MEDIUM) {
		if (user.n)
			hot_add(s, KEY(s, user, host));
		if (source.n)
			hot_add(s, KEY(s, source));
	}
	snprintf(rule_key, sizeof(rule_key), "%u", sig->rule);
	if ((g = table_row(&s->group, KEY(s, vg_str_of(rule_key), host), &fresh)) == NULL) {
		s->total.dropped_groups++;
		return VG_OK;
	}
	if (fresh) {
		*g = (struct vg_group){ .rule = sig->rule, .host = name_keep(s, host), .level = r->level,
					.chapter = s->chapter[sig->rule], .first_ns = VG_TIME_NONE,
					.last_ns = VG_TIME_NONE };
		group_by(s, g, sig);
	}
	g->count++;
	span_add(&g->first_ns, &g->last_ns, first_ns);
	span_add(&g->first_ns, &g->last_ns, sig->time_ns);
	if (g->user.n == 0)
		g->user = name_keep(s, user);
	if (g->source.n == 0)
		g->source = name_keep(s, source);
	group_sample(s, g, sig);
	return VG_OK;
}

/* Sessions: a hash from (host, session id) to the path that it runs on, the oldest given up first. */
static void
session_unlink(struct vg_story *s, uint32_t at)
{
	struct session *x = &s->session[at];
	uint32_t *link = &s->bucket[x->hash % s->nbucket];

	while (*link != at)
		link = &s->session[*link].chain;
	*link = x->chain;
	*(x->older == NONE ? &s->session_oldest : &s->session[x->older].newer) = x->newer;
	*(x->newer == NONE ? &s->session_newest : &s->session[x->newer].older) = x->older;
	x->chain = s->session_free;
	s->session_free = at;
}

static uint32_t
session_find(const struct vg_story *s, uint64_t hash)
{
	uint32_t at = s->bucket[hash % s->nbucket];

	while (at != NONE && s->session[at].hash != hash)
		at = s->session[at].chain;
	return at;
}

static void
session_rehash(struct vg_story *s)
{
	uint32_t n = s->nbucket * 4, *b = malloc(n * sizeof(*b));

	if (b == NULL)
		return; /* longer chains, nothing worse */
	memset(b, 0xff, n * sizeof(*b));
	for (uint32_t at = s->session_oldest; at != NONE; at = s->session[at].newer) {
		struct session *x = &s->session[at];

		x->chain = b[x->hash % n];
		b[x->hash % n] = at;
	}
	free(s->bucket);
	s->bucket = b;
	s->nbucket = n;
}

static void
session_open(struct vg_story *s, uint64_t hash, uint32_t path, int64_t begin_ns)
{
	uint32_t at = session_find(s, hash);
	struct session *x;

	if (at != NONE)
		session_unlink(s, at); /* its end was not logged */
	if (s->session_free == NONE && s->nsession == VG_STORY_SESSIONS_MAX)
		session_unlink(s, s->session_oldest);
	if (s->session_free != NONE) {
		at = s->session_free;
		s->session_free = s->session[at].chain;
	} else {
		size_t cap = s->session_cap;
		void *row = s->session;

		if (!rows_room(&row, s->nsession, &cap, sizeof(*s->session)))
			return;
		s->session = row;
		s->session_cap = (uint32_t)cap;
		at = s->nsession++;
		if (s->nsession > s->nbucket)
			session_rehash(s);
	}
	x = &s->session[at];
	*x = (struct session){ .hash = hash, .path = path, .chain = s->bucket[hash % s->nbucket],
			       .older = s->session_newest, .newer = NONE, .begin_ns = begin_ns };
	s->bucket[hash % s->nbucket] = at;
	*(s->session_newest == NONE ? &s->session_oldest : &s->session[s->session_newest].newer) = at;
	s->session_newest = at;
}

/* A session's name: its id on its host, else who came from where.  false when the fact has neither. */
static bool
session_hash(struct vg_story *s, const struct vg_fact *f, uint64_t *out)
{
	if (f->session.n)
		*out = vg_map_hash(KEY(s, VG_STR("id"), f->host, f->session));
	else if ((f->kind == VG_FACT_VPN_START || f->kind == VG_FACT_VPN_END || f->kind == VG_FACT_VPN_ADDRESS) && f->user.n)
		*out = vg_map_hash(KEY(s, VG_STR("vpn"), f->host, f->user, f->source_ip));
	else
		return false;
	return true;
}

/* A source by its address where one is known: the same machine must not come as two. */
static vg_str
source_of(struct vg_story *s, const struct vg_fact *f)
{
	vg_str ip = vg_source_ip(f->source_ip), host = vg_source_host(f->source_host);
	uint32_t at;

	if (host.n == 0)
		return ip;
	at = vg_map_find(&s->alias, KEY(s, host));
	if (ip.n == 0)
		return at == VG_MAP_NONE ? host : s->alias_ip[at];
	if (at != VG_MAP_NONE) {
		if (!vg_str_eq(s->alias_ip[at], ip)) /* it got another address */
			s->alias_ip[at] = name_keep(s, ip);
	} else if (s->nalias < VG_STORY_ENTITIES_MAX) {
		void *row = s->alias_ip;
		vg_str kept = name_keep(s, ip);

		if (kept.n && rows_room(&row, s->nalias, &s->alias_cap, sizeof(vg_str))) {
			s->alias_ip = row;
			if (vg_map_add(&s->alias, KEY(s, host), (uint32_t)s->nalias, NULL) != VG_MAP_NONE)
				s->alias_ip[s->nalias++] = kept;
		}
	}
	return ip;
}

/* The session that was given an address inside, from the fact that says so. */
static void
tunnel_given(struct vg_story *s, const struct vg_fact *f)
{
	vg_str inner = vg_source_ip(f->target);
	struct vg_tunnel w = { .begin_ns = f->time_ns, .end_ns = VG_TIME_NONE };

	if (inner.n == 0 || !session_hash(s, f, &w.session))
		return;
	w.account = name_keep(s, vg_fact_account(f));
	w.source = name_keep(s, vg_source_ip(f->source_ip));
	if (w.account.n && w.source.n)
		vg_tunnels_given(&s->tunnels, inner, &w);
}

static void
sign_in(struct vg_story *s, const struct vg_fact *f)
{
	bool failed = f->failed || f->kind == VG_FACT_SIGN_IN_FAILED || f->kind == VG_FACT_VPN_FAILED;
	vg_str account = vg_fact_account(f), host = vg_fact_path_host(f), source = source_of(s, f);
	const struct vg_tunnel *vpn = vg_tunnels_who(&s->tunnels, source, f->time_ns);
	vg_str origin_source = vpn ? vpn->source : VG_NIL, origin_account = vpn ? vpn->account : VG_NIL, key;
	const char *via = vg_fact_via(f);
	struct vg_path *p;
	uint64_t hash;
	bool fresh;

	if (source.n == 0 ? vg_fact_is_local(f) : vg_same_machine(source, f->host))
		source = VG_STR("-");
	if (!vg_account_is_person(account, f->domain) || host.n == 0 || via == NULL)
		return;
	key = KEY(s, source, account, host, vg_str_of(via), origin_source, origin_account);
	if (failed && s->failed_paths >= VG_STORY_PATHS_MAX / 2 && vg_map_find(&s->path.map, key) == VG_MAP_NONE) {
		s->total.dropped_paths++; /* a sprayed list of names leaves room for those who got in */
		return;
	}
	if ((p = table_row(&s->path, key, &fresh)) == NULL) {
		s->total.dropped_paths++;
		return;
	}
	if (fresh) {
		*p = (struct vg_path){ .source = name_keep(s, source), .account = name_keep(s, account),
				       .host = name_keep(s, host), .via = vg_str_of(via),
				       .origin_source = origin_source, .origin_account = origin_account,
				       .first_ns = VG_TIME_NONE, .last_ns = VG_TIME_NONE,
				       .in_ns = VG_TIME_NONE };
		s->failed_paths += failed;
	} else if (!failed && p->sessions == 0) {
		s->failed_paths--;
	}
	span_add(&p->first_ns, &p->last_ns, f->time_ns);
	if (failed) {
		p->failures++;
		return;
	}
	p->sessions++;
	if (p->in_ns == VG_TIME_NONE || f->time_ns < p->in_ns)
		p->in_ns = f->time_ns;
	if ((f->kind == VG_FACT_SIGN_IN || f->kind == VG_FACT_VPN_START) && session_hash(s, f, &hash))
		session_open(s, hash, (uint32_t)((char *)p - s->path.row) / (uint32_t)sizeof(*p), f->time_ns);
}

static void
sign_out(struct vg_story *s, const struct vg_fact *f)
{
	uint64_t hash;
	uint32_t at;
	struct vg_path *p;

	if (!session_hash(s, f, &hash))
		return;
	if (f->kind == VG_FACT_VPN_END)
		vg_tunnels_ended(&s->tunnels, hash, f->time_ns);
	if ((at = session_find(s, hash)) == NONE)
		return;
	p = (struct vg_path *)(void *)s->path.row + s->session[at].path;
	if (s->session[at].begin_ns != VG_TIME_NONE && f->time_ns != VG_TIME_NONE &&
	    f->time_ns > s->session[at].begin_ns &&
	    __builtin_add_overflow(p->open_ns, f->time_ns - s->session[at].begin_ns, &p->open_ns))
		p->open_ns = INT64_MAX;
	span_add(&p->first_ns, &p->last_ns, f->time_ns);
	session_unlink(s, at);
}

static void
privilege(struct vg_story *s, const struct vg_fact *f)
{
	uint64_t hash;
	uint32_t at;

	if (f->failed || !session_hash(s, f, &hash) || (at = session_find(s, hash)) == NONE ||
	    s->session[at].privileged)
		return;
	s->session[at].privileged = true;
	((struct vg_path *)(void *)s->path.row + s->session[at].path)->privileged++;
}

static void
erasure_add(struct vg_story *s, const struct vg_erasure *e)
{
	void *row = s->erasure;
	struct vg_erasure *x;

	if (s->nerasure >= VG_STORY_ERASURES_MAX ||
	    !rows_room(&row, s->nerasure, &s->erasure_cap, sizeof(*x))) {
		s->total.dropped_entities++;
		return;
	}
	s->erasure = row;
	x = &s->erasure[s->nerasure++];
	*x = *e;
	x->host = name_keep(s, e->host);
	x->log = name_keep(s, e->log);
	x->user = name_keep(s, e->user);
	x->file = name_keep(s, e->file);
}

static void
deed_add(struct vg_story *s, const struct vg_fact *f)
{
	vg_str user = vg_account_name(f->user), target = f->target;
	struct vg_deed *d;
	char kind = (char)f->kind;
	bool fresh;

	if (f->failed)
		return;
	d = table_row(&s->deed, KEY(s, vg_str_mem(&kind, 1), f->host, user, target, f->member), &fresh);
	if (d == NULL) {
		s->total.dropped_entities++;
		return;
	}
	if (fresh)
		*d = (struct vg_deed){ .kind = f->kind, .host = name_keep(s, f->host), .user = name_keep(s, user),
				       .target = name_keep(s, target), .member = name_keep(s, f->member),
				       .first_ns = VG_TIME_NONE, .last_ns = VG_TIME_NONE };
	d->count++;
	span_add(&d->first_ns, &d->last_ns, f->time_ns);
}

vg_rc
vg_story_fact(struct vg_story *s, const struct vg_fact *f, vg_str file)
{
	vg_str account = vg_fact_account(f), source;
	struct vg_entity *e;

	if (f->kind == VG_FACT_NONE || f->kind >= VG_FACT_KINDS)
		return VG_OK;
	(void)entity_at(s, ENTITY_HOST, f->host, f->time_ns);
	if (vg_account_is_person(account, f->domain) &&
	    (e = entity_at(s, ENTITY_ACCOUNT, account, f->time_ns)) != NULL)
		e->events++;
	source = source_of(s, f);
	if (!vg_same_machine(source, f->host) && (e = entity_at(s, ENTITY_SOURCE, source, f->time_ns)) != NULL)
		e->events++;
	switch ((enum vg_fact_kind)f->kind) {
	case VG_FACT_SIGN_IN:
	case VG_FACT_SIGN_IN_FAILED:
	case VG_FACT_EXPLICIT:
	case VG_FACT_TICKET:
	case VG_FACT_VALIDATION:
	case VG_FACT_VPN_FAILED:
		sign_in(s, f);
		break;
	case VG_FACT_VPN_START:
		sign_in(s, f);
		tunnel_given(s, f);
		break;
	case VG_FACT_VPN_ADDRESS:
		tunnel_given(s, f);
		break;
	case VG_FACT_SIGN_OUT:
	case VG_FACT_VPN_END:
		sign_out(s, f);
		break;
	case VG_FACT_PRIVILEGE:
		privilege(s, f);
		break;
	case VG_FACT_ACCOUNT_CREATED:
		if (vg_account_is_person(f->target, VG_NIL))
			(void)entity_at(s, ENTITY_ACCOUNT, f->target, f->time_ns);
		/* fall through */
	case VG_FACT_ACCOUNT_CHANGED:
	case VG_FACT_ACCOUNT_DELETED:
	case VG_FACT_GROUP_ADDED:
	case VG_FACT_SERVICE:
	case VG_FACT_TASK:
		deed_add(s, f);
		break;
	case VG_FACT_LOG_CLEARED:
	case VG_FACT_LOGGING_STOPPED:
	case VG_FACT_AUDIT_CHANGED:
		erasure_add(s, &(struct vg_erasure){
				       .kind = f->kind == VG_FACT_LOG_CLEARED    ? VG_ERASE_CLEARED :
					       f->kind == VG_FACT_LOGGING_STOPPED ? VG_ERASE_STOPPED :
										    VG_ERASE_AUDIT_OFF,
				       .host = f->host, .log = f->target.n ? f->target : f->channel,
				       .user = vg_account_name(f->user), .file = file, .time_ns = f->time_ns,
				       .until_ns = f->time_ns });
		break;
	case VG_FACT_NONE:
	case VG_FACT_KINDS:
		break;
	}
	return VG_OK;
}

vg_rc
vg_story_gap(struct vg_story *s, const struct vg_erasure *e)
{
	erasure_add(s, e);
	return VG_OK;
}

vg_rc
vg_story_file(struct vg_story *s, const struct vg_file_report *f)
{
	void *row = s->file;
	struct vg_file_report *x;

	if (!rows_room(&row, s->nfile, &s->file_cap, sizeof(*x)))
		return VG_E_NOMEM;
	s->file = row;
	x = &s->file[s->nfile];
	*x = *f;
	x->path = vg_str_dup(&s->arena, f->path);
	x->format = name_keep(s, f->format);
	x->why_not = name_keep(s, f->why_not);
	for (size_t i = 0; i < VG_COUNT(x->note_text); i++)
		x->note_text[i] = name_keep(s, f->note_text[i]);
	if (x->path.p == NULL)
		return VG_E_NOMEM;
	s->nfile++;
	return VG_OK;
}

vg_rc
vg_story_seen(struct vg_story *s, vg_str host, vg_str channel, uint64_t events, int64_t first_ns, int64_t last_ns,
	      bool covered)
{
	struct vg_entity *e = entity_at(s, ENTITY_HOST, host, first_ns);
	struct vg_uncovered *u;
	bool fresh;

	if (e) {
		e->events += events;
		span_add(&e->first_ns, &e->last_ns, last_ns);
	}
	span_add(&s->total.first_ns, &s->total.last_ns, first_ns);
	span_add(&s->total.first_ns, &s->total.last_ns, last_ns);
	if (covered || events == 0)
		return VG_OK;
	if ((u = table_row(&s->uncovered, KEY(s, channel), &fresh)) == NULL) {
		s->total.dropped_entities++;
		return VG_OK;
	}
	if (fresh)
		u->channel = name_keep(s, channel);
	u->events += events;
	return VG_OK;
}

/* Orders of the view.  All end in names, so that a hash seed never shows. */
#define CMP(a, b)              \
	do {                   \
		if ((a) != (b)) \
			return (a) < (b) ? -1 : 1; \
	} while (0)
#define CMP_STR(a, b)                      \
	do {                               \
		int c_ = vg_str_cmp(a, b); \
		if (c_)                    \
			return c_;         \
	} while (0)

static int
group_cmp(const void *x, const void *y)
{
	const struct vg_group *a = x, *b = y;

	CMP(b->level, a->level);
	CMP(a->first_ns, b->first_ns);
	CMP(a->rule, b->rule);
	return vg_str_cmp(a->host, b->host);
}

static int
path_cmp(const void *x, const void *y)
{
	const struct vg_path *a = x, *b = y;

	CMP(b->flagged, a->flagged);
	CMP(a->first_ns, b->first_ns);
	CMP_STR(a->source, b->source);
	CMP_STR(a->account, b->account);
	CMP_STR(a->host, b->host);
	CMP_STR(a->via, b->via);
	CMP_STR(a->origin_source, b->origin_source);
	return vg_str_cmp(a->origin_account, b->origin_account);
}

static int
erasure_cmp(const void *x, const void *y)
{
	const struct vg_erasure *a = x, *b = y;

	CMP(a->time_ns, b->time_ns);
	CMP(a->kind, b->kind);
	CMP_STR(a->host, b->host);
	CMP_STR(a->log, b->log);
	CMP_STR(a->file, b->file);
	CMP(a->until_ns, b->until_ns);
	CMP(a->missing, b->missing);
	return vg_str_cmp(a->user, b->user);
}

static int
deed_cmp(const void *x, const void *y)
{
	const struct vg_deed *a = x, *b = y;

	CMP(a->first_ns, b->first_ns);
	CMP(a->kind, b->kind);
	CMP_STR(a->host, b->host);
	CMP_STR(a->user, b->user);
	CMP_STR(a->target, b->target);
	return vg_str_cmp(a->member, b->member);
}

static int
entity_cmp(const void *x, const void *y)
{
	const struct vg_entity *a = x, *b = y;
	int wa = a->worst == 255 ? -1 : a->worst, wb = b->worst == 255 ? -1 : b->worst;

	CMP(wb, wa);
	CMP(b->signals, a->signals);
	return vg_str_cmp(a->name, b->name);
}

static int
technique_cmp(const void *x, const void *y)
{
	return strcmp(((const struct vg_technique *)x)->id, ((const struct vg_technique *)y)->id);
}

static int
uncovered_cmp(const void *x, const void *y)
{
	const struct vg_uncovered *a = x, *b = y;

	CMP(b->events, a->events);
	return vg_str_cmp(a->channel, b->channel);
}

static int
file_cmp(const void *x, const void *y)
{
	const struct vg_file_report *a = x, *b = y;

	CMP_STR(a->path, b->path);
	CMP(a->bytes, b->bytes);
	return vg_str_cmp(a->format, b->format);
}

static void
sort_rows(void *row, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	if (n > 1)
		qsort(row, n, size, cmp);
}

static const void *
table_sorted(struct table *t, int (*cmp)(const void *, const void *), size_t *n)
{
	sort_rows(t->row, t->n, t->size, cmp);
	*n = t->n;
	return t->row;
}

static bool
is_hot(struct vg_story *s, vg_str key)
{
	return vg_map_find(&s->hot, key) != VG_MAP_NONE;
}

static void
flag_rows(struct vg_story *s)
{
	struct vg_path *p = (struct vg_path *)(void *)s->path.row;
	struct vg_deed *d = (struct vg_deed *)(void *)s->deed.row;

	for (size_t i = 0; i < s->path.n; i++) {
		p[i].flagged = is_hot(s, KEY(s, p[i].account, p[i].host)) || (p[i].source.n && is_hot(s, KEY(s, p[i].source))) ||
			       (p[i].origin_source.n && is_hot(s, KEY(s, p[i].origin_source)));
		if (p[i].flagged && p[i].origin_source.n)
			(void)vg_map_add(&s->hot_vpn, KEY(s, p[i].origin_source, p[i].origin_account), 1, NULL);
	}
	for (size_t i = 0; i < s->path.n; i++) /* the session that led to one is one itself */
		if (!p[i].flagged && vg_str_eq(p[i].via, VG_STR("vpn")))
			p[i].flagged = vg_map_find(&s->hot_vpn, KEY(s, p[i].source, p[i].account)) != VG_MAP_NONE;
	for (size_t i = 0; i < s->deed.n; i++)
		d[i].flagged = (d[i].user.n && is_hot(s, KEY(s, d[i].user, d[i].host))) ||
			       (d[i].target.n && is_hot(s, KEY(s, d[i].target, d[i].host))) ||
			       (d[i].member.n && is_hot(s, KEY(s, d[i].member, d[i].host)));
}

static void
count_chapters(struct vg_story *s)
{
	struct vg_story_view *v = &s->view;
	const struct vg_group *g = (const struct vg_group *)(const void *)s->group.row;
	uint64_t erased = 0;

	for (unsigned c = 0; c < VG_CHAPTERS; c++)
		v->chapter[c].first_ns = v->chapter[c].last_ns = VG_TIME_NONE;
	for (size_t i = 0; i < s->group.n; i++) {
		unsigned c = g[i].chapter;

		if (c >= VG_CHAPTERS)
			continue;
		v->chapter[c].signals += g[i].count;
		if (g[i].level > v->chapter[c].worst)
			v->chapter[c].worst = g[i].level;
		span_add(&v->chapter[c].first_ns, &v->chapter[c].last_ns, g[i].first_ns);
		span_add(&v->chapter[c].first_ns, &v->chapter[c].last_ns, g[i].last_ns);
	}
	for (size_t i = 0; i < s->nerasure; i++) {
		const struct vg_erasure *e = &s->erasure[i];

		if (e->kind != VG_ERASE_CLEARED && e->kind != VG_ERASE_GAP && e->kind != VG_ERASE_OVERWRITTEN)
			continue;
		erased++;
		if (v->chapter[VG_CH_ERASED].worst < VG_LEVEL_HIGH)
			v->chapter[VG_CH_ERASED].worst = VG_LEVEL_HIGH;
		span_add(&v->chapter[VG_CH_ERASED].first_ns, &v->chapter[VG_CH_ERASED].last_ns, e->time_ns);
	}
	if (v->chapter[VG_CH_ERASED].signals == 0) /* told by the log itself, by no rule */
		v->chapter[VG_CH_ERASED].signals = erased;
}

const struct vg_story_view *
vg_story_finish(struct vg_story *s)
{
	struct vg_story_view *v = &s->view;

	if (s->key.rc == VG_E_NOMEM)
		return NULL;
	flag_rows(s);
	count_chapters(s);
	v->program = s->p;
	v->group = table_sorted(&s->group, group_cmp, &v->ngroup);
	v->path = table_sorted(&s->path, path_cmp, &v->npath);
	v->deed = table_sorted(&s->deed, deed_cmp, &v->ndeed);
	v->host = table_sorted(&s->entity[ENTITY_HOST], entity_cmp, &v->nhost);
	v->account = table_sorted(&s->entity[ENTITY_ACCOUNT], entity_cmp, &v->naccount);
	v->source = table_sorted(&s->entity[ENTITY_SOURCE], entity_cmp, &v->nsource);
	v->technique = table_sorted(&s->technique, technique_cmp, &v->ntechnique);
	v->uncovered = table_sorted(&s->uncovered, uncovered_cmp, &v->nuncovered);
	sort_rows(s->erasure, s->nerasure, sizeof(*s->erasure), erasure_cmp);
	sort_rows(s->file, s->nfile, sizeof(*s->file), file_cmp);
	v->erasure = s->erasure;
	v->nerasure = s->nerasure;
	v->file = s->file;
	v->nfile = s->nfile;
	if (s->total.files == 0) { /* the caller left it to us */
		for (size_t i = 0; i < s->nfile; i++) {
			s->total.files_bad += s->file[i].why_not.n != 0;
			s->total.bytes += s->file[i].bytes;
		}
		s->total.files = s->nfile;
	}
	v->total = s->total;
	return v;
}
