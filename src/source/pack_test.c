#include "source/pack.h"

#include <stdio.h>

#include "base/yaml.h"
#include "source/format.h"

/* Samples: what vg_packs_selftest() runs. */
struct run {
	vg_str path;
	const struct vg_packs *packs;
	struct vg_event *e;
	void (*fail)(void *ctx, const struct vg_pack_problem *p);
	void *ctx;
};

static void differs(struct run *r, uint32_t line, const char *fmt, ...) VG_PRINTF(3, 4);
static void
differs(struct run *r, uint32_t line, const char *fmt, ...)
{
	struct vg_pack_problem p = { .path = r->path, .line = line };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(p.text, sizeof(p.text), fmt, ap);
	va_end(ap);
	r->fail(r->ctx, &p);
}

static bool
add(struct run *r, vg_str name, vg_str value)
{
	struct vg_event *e = r->e;

	if (vg_str_eq(name, VG_STR("Channel")) || vg_str_eq(name, VG_STR("program")))
		e->channel = value;
	else if (vg_str_eq(name, VG_STR("EventID")))
		e->code = value;
	else if (vg_str_eq(name, VG_STR("Provider_Name")))
		e->provider = value;
	else if (vg_str_eq(name, VG_STR("Computer")) || vg_str_eq(name, VG_STR("hostname")))
		e->host = value;
	return vg_event_add(e, name, VG_KIND_TEXT, value) == VG_OK;
}

/* "product/category/service" among the event's log sources? */
static bool
has_source(const struct vg_event *e, vg_str want)
{
	vg_str part[3] = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };

	for (size_t i = 0; i < 3; i++)
		if (!vg_str_split(&want, '/', &part[i]))
			break;
	for (uint32_t i = 0; i < e->nls; i++)
		if (vg_str_eq(e->ls[i].product, part[0]) && vg_str_eq(e->ls[i].category, part[1]) &&
		    vg_str_eq(e->ls[i].service, part[2]))
			return true;
	return false;
}

/* The field that a pack added, else the first one. */
static vg_str
value_of(const struct vg_event *e, vg_str name)
{
	const struct vg_field *f = vg_event_find_name(e, name);

	for (uint32_t i = 0; i < e->nfield; i++)
		if ((e->field[i].flags & VG_FIELD_ADDED) && vg_str_eq(e->field[i].name, name))
			f = &e->field[i];
	return f ? f->value : VG_NIL;
}

static void
check(struct run *r, const struct vg_yaml *s, vg_str pack)
{
	const struct vg_yaml *expect = vg_yaml_get(s, VG_STR("expect")), *ls = vg_yaml_get(s, VG_STR("logsource"));
	const struct vg_yaml *not = vg_yaml_get(s, VG_STR("not-logsource"));
	struct vg_event *e = r->e;

	if (e->pack == NULL || !vg_str_eq(vg_str_of(e->pack), pack)) {
		differs(r, s->line, "recognised as %s", e->pack ? e->pack : "nothing");
		return;
	}
	for (const struct vg_yaml *x = expect ? expect->child : NULL; x; x = x->next) {
		vg_str got, want = x->kind == VG_YAML_SCALAR ? x->text : VG_NIL;

		if (vg_str_eq(x->key, VG_STR("time"))) {
			if (e->time_ns == VG_TIME_NONE || e->time_ns != vg_time_parse(x->text, 0))
				differs(r, x->line, "the time is not as expected");
			continue;
		}
		got = value_of(e, x->key);
		if (!vg_str_eq(got, want))
			differs(r, x->line, "%.*s is \"%.*s\", expected \"%.*s\"", VG_STR_ARG(x->key),
				(int)(got.n > 60 ? 60 : got.n), got.n ? got.p : "", VG_STR_ARG(want));
	}
	for (const struct vg_yaml *x = ls ? ls->child : NULL; x; x = x->next)
		if (!has_source(e, x->text))
			differs(r, x->line, "the log source %.*s is missing", VG_STR_ARG(x->text));
	for (const struct vg_yaml *x = not ? not->child : NULL; x; x = x->next)
		if (has_source(e, x->text))
			differs(r, x->line, "the log source %.*s is one too many", VG_STR_ARG(x->text));
}

static void
run_sample(struct run *r, const struct vg_yaml *s, vg_str pack)
{
	const struct vg_yaml *fields = vg_yaml_get(s, VG_STR("fields"));
	vg_str json = vg_yaml_text(s, "json");
	static const char *const text[] = { "program", "pid", "hostname", "message" };
	bool ok = true;

	vg_event_reset(r->e);
	for (size_t i = 0; i < VG_COUNT(text); i++) {
		vg_str v = vg_yaml_text(s, text[i]);

		if (v.n)
			ok = add(r, vg_str_of(text[i]), v) && ok;
	}
	for (const struct vg_yaml *x = fields ? fields->child : NULL; x; x = x->next)
		ok = add(r, x->key, x->text) && ok;
	if (json.n)
		ok = vg_json_event(json, r->e) == VG_OK && ok;
	if (!ok)
		differs(r, s->line, "the sample makes no event");
	else if (vg_packs_apply(r->packs, r->e) != VG_OK)
		differs(r, s->line, "applying the packs failed");
	else
		check(r, s, pack);
}

static size_t
run_text(struct run *r, const struct vg_pack_text *text)
{
	struct vg_arena a;
	struct vg_yaml_error err;
	struct vg_yaml *root = NULL;
	const struct vg_yaml *list;
	size_t n = 0;

	vg_arena_init(&a, (size_t)64 << 20);
	r->path = text->path;
	/* what does not parse was told when it was compiled */
	if (vg_yaml_parse(text->yaml, &a, &root, &err) == VG_OK && root) {
		list = vg_yaml_get(root, VG_STR("samples"));
		if (list == NULL || list->kind != VG_YAML_LIST || list->nchild == 0)
			differs(r, root->line, "the pack has no samples");
		else
			for (const struct vg_yaml *x = list->child; x; x = x->next, n++)
				run_sample(r, x, vg_yaml_text(root, "name"));
	}
	vg_arena_fini(&a);
	return n;
}

size_t
vg_packs_selftest(const struct vg_pack_text *text, size_t n, void (*fail)(void *ctx, const struct vg_pack_problem *p),
		  void *ctx)
{
	struct run r = { .fail = fail, .ctx = ctx };
	struct vg_buf blob = { 0 };
	struct vg_keys *keys = vg_keys_new();
	struct vg_packs *packs = NULL;
	struct vg_arena a;
	struct vg_event e;
	size_t done = 0;

	vg_arena_init(&a, (size_t)64 << 20);
	if (keys && vg_packs_compile(text, n, &blob, fail, ctx) == VG_OK &&
	    vg_packs_load(vg_buf_str(&blob), keys, &packs) == VG_OK) {
		vg_event_init(&e, &a, keys);
		r.packs = packs;
		r.e = &e;
		for (size_t i = 0; i < n; i++)
			done += run_text(&r, &text[i]);
	} else {
		differs(&r, 0, "the packs do not load together");
	}
	vg_packs_free(packs);
	vg_keys_free(keys);
	vg_buf_fini(&blob);
	vg_arena_fini(&a);
	return done;
}
