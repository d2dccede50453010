#include "case/report.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/map.h"

/* STIX 2.1 (OASIS Standard, 10 June 2021): a bundle with a report and what it rests on.  Every id is a UUIDv5 of what the object
 * says, and every time comes from the evidence, so the same evidence gives the same bundle. */

/* Of STIX cyber-observables (STIX 2.1, 2.9). */
static const uint8_t sco_space[16] = { 0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c,
				       0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7 };
/* Ours, for all other objects. */
static const uint8_t own_space[16] = { 0x5e, 0x1c, 0x0d, 0x5a, 0x7b, 0x3f, 0x4c, 0x86,
				       0x9a, 0x27, 0x31, 0x6d, 0xc2, 0x58, 0x0f, 0x94 };
#define TLP_AMBER_STRICT "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
#define ID_MAX 80
#define REFS_MAX 60000 /* objects that the report refers to */

struct stix {
	const struct vg_story_view *v;
	struct vg_buf b;    /* the bundle */
	struct vg_buf refs; /* ids for the report, quoted, separated by commas */
	struct vg_buf t;    /* scratch */
	struct vg_map seen; /* ids written */
	char first[VG_TIME_MAX], last[VG_TIME_MAX];
	char us[ID_MAX]; /* identity */
};

static void
id_of(const uint8_t space[16], const char *type, vg_str content, char out[ID_MAX])
{
	uint8_t h[EVP_MAX_MD_SIZE] = { 0 };
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (c && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 && EVP_DigestUpdate(c, space, 16) == 1 &&
	    EVP_DigestUpdate(c, content.p, content.n) == 1)
		(void)EVP_DigestFinal_ex(c, h, NULL);
	EVP_MD_CTX_free(c);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50); /* RFC 9562, 5.5 */
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	snprintf(out, ID_MAX, "%s--%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", type, h[0], h[1],
		 h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13], h[14], h[15]);
}

static void
stamp(int64_t time_ns, char out[VG_TIME_MAX])
{
	(void)vg_time_print(time_ns == VG_TIME_NONE ? 0 : time_ns, 3, out);
}

/* true once for each id; then it is also one of the report's. */
static bool
fresh(struct stix *x, const char *id)
{
	if (vg_map_find(&x->seen, vg_str_of(id)) != VG_MAP_NONE || x->seen.n >= REFS_MAX ||
	    vg_map_add(&x->seen, vg_str_of(id), 1, NULL) == VG_MAP_NONE)
		return false;
	vg_buf_printf(&x->refs, "%s\"%s\"", x->refs.n ? "," : "", id);
	return true;
}

/* The members that all domain objects begin with. */
static void
object_begin(struct stix *x, const char *type, const char *id, const char *created, const char *modified)
{
	vg_buf_printf(&x->b, ",\n{\"type\":\"%s\",\"spec_version\":\"2.1\",\"id\":\"%s\",\"created\":\"%s\",\"modified\":\"%s\"", type,
		      id, created, modified);
	if (strcmp(type, "identity") != 0)
		vg_buf_printf(&x->b, ",\"created_by_ref\":\"%s\"", x->us);
	vg_buf_puts(&x->b, ",\"object_marking_refs\":[\"" TLP_AMBER_STRICT "\"]");
}

static void
member(struct stix *x, const char *name, vg_str value)
{
	vg_buf_printf(&x->b, ",\"%s\":", name);
	vg_buf_json_str(&x->b, value);
}

/* An observable with one identifying property; its id goes to @out. */
static void
observable(struct stix *x, const char *type, const char *property, vg_str value, char out[ID_MAX])
{
	vg_buf_clear(&x->t);
	vg_buf_printf(&x->t, "{\"%s\":", property);
	vg_buf_json_str(&x->t, value);
	vg_buf_putc(&x->t, '}');
	id_of(sco_space, type, vg_buf_str(&x->t), out);
	if (!fresh(x, out))
		return;
	vg_buf_printf(&x->b, ",\n{\"type\":\"%s\",\"spec_version\":\"2.1\",\"id\":\"%s\"", type, out);
	member(x, property, value);
	vg_buf_putc(&x->b, '}');
}

static void
source_observable(struct stix *x, vg_str source, char out[ID_MAX])
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bin[16];

	snprintf(text, sizeof(text), "%.*s", (int)(source.n < 45 ? source.n : 45), source.p ? source.p : "");
	observable(x,
		   inet_pton(AF_INET, text, bin) == 1  ? "ipv4-addr" :
		   inet_pton(AF_INET6, text, bin) == 1 ? "ipv6-addr" :
							 "domain-name",
		   "value", source, out);
}

static void
attack_pattern_id(const char *technique, char out[ID_MAX])
{
	id_of(own_space, "attack-pattern", vg_str_of(technique), out);
}

static void
relationship(struct stix *x, const char *type, const char *from, const char *to)
{
	char id[ID_MAX];

	vg_buf_clear(&x->t);
	vg_buf_printf(&x->t, "%s %s %s", from, type, to);
	id_of(own_space, "relationship", vg_buf_str(&x->t), id);
	if (!fresh(x, id))
		return;
	object_begin(x, "relationship", id, x->first, x->last);
	vg_buf_printf(&x->b, ",\"relationship_type\":\"%s\",\"source_ref\":\"%s\",\"target_ref\":\"%s\"}", type, from, to);
}

static void
technique_object(struct stix *x, const struct vg_technique *t)
{
	char id[ID_MAX], url[64];

	attack_pattern_id(t->id, id);
	if (!fresh(x, id))
		return;
	object_begin(x, "attack-pattern", id, x->first, x->last);
	member(x, "name", vg_str_of(t->id));
	snprintf(url, sizeof(url), "https://attack.mitre.org/techniques/%s", t->id);
	for (char *c = url + 36; *c; c++)
		if (*c == '.')
			*c = '/';
	vg_buf_printf(&x->b, ",\"external_references\":[{\"source_name\":\"mitre-attack\",\"external_id\":\"%s\",\"url\":\"%s\"}]}",
		      t->id, url);
}

/* The rule as an indicator that names it; with its author and licence, as the Detection Rule License asks. */
static void
indicator_object(struct stix *x, const struct vg_group *g, char out[ID_MAX])
{
	const struct vg_program *p = x->v->program;
	const struct vg_rule *r = &p->rule[g->rule];
	vg_str id = vg_program_str(p, r->id), title = vg_program_str(p, r->title);

	vg_buf_clear(&x->t);
	vg_buf_put(&x->t, id);
	vg_buf_putc(&x->t, '\n');
	vg_buf_put(&x->t, title);
	id_of(own_space, "indicator", vg_buf_str(&x->t), out);
	if (!fresh(x, out))
		return;
	object_begin(x, "indicator", out, x->first, x->last);
	member(x, "name", title);
	vg_buf_clear(&x->t);
	vg_buf_put(&x->t, vg_program_str(p, r->description));
	vg_buf_puts(&x->t, "\nRule by ");
	vg_buf_put(&x->t, r->author.len ? vg_program_str(p, r->author) : VG_STR("unknown author"));
	if (r->license.len) {
		vg_buf_puts(&x->t, ", ");
		vg_buf_put(&x->t, vg_program_str(p, r->license));
	}
	member(x, "description", vg_buf_str(&x->t));
	vg_buf_clear(&x->t);
	vg_buf_puts(&x->t, "title: ");
	vg_buf_put(&x->t, title);
	vg_buf_puts(&x->t, "\nid: ");
	vg_buf_put(&x->t, id);
	member(x, "pattern", vg_buf_str(&x->t));
	vg_buf_printf(&x->b, ",\"pattern_type\":\"sigma\",\"valid_from\":\"%s\",\"labels\":[\"%s\"]}", x->first,
		      vg_level_name((enum vg_level)r->level));
	for (uint32_t i = 0; i < r->ntag; i++) {
		char technique[16], pattern[ID_MAX];

		if (!vg_tag_technique(vg_program_str(p, p->list[r->tag + i]), technique))
			continue;
		attack_pattern_id(technique, pattern);
		if (vg_map_find(&x->seen, vg_str_of(pattern)) != VG_MAP_NONE)
			relationship(x, "indicates", out, pattern);
	}
}

static void
group_objects(struct stix *x, const struct vg_group *g)
{
	char indicator[ID_MAX], id[ID_MAX], ref[3][ID_MAX], first[VG_TIME_MAX], last[VG_TIME_MAX];
	unsigned nref = 0;
	bool observed;

	indicator_object(x, g, indicator);
	if (g->host.n)
		observable(x, "domain-name", "value", g->host, ref[nref++]);
	if (g->user.n)
		observable(x, "user-account", "account_login", g->user, ref[nref++]);
	if (g->source.n)
		source_observable(x, g->source, ref[nref++]);
	stamp(g->first_ns, first);
	stamp(g->last_ns, last);
	vg_buf_clear(&x->t);
	vg_buf_printf(&x->t, "%s %s %s ", indicator, first, last);
	vg_buf_put(&x->t, g->host);
	id_of(own_space, "observed-data", vg_buf_str(&x->t), id);
	observed = nref && fresh(x, id);
	if (observed) {
		object_begin(x, "observed-data", id, first, last);
		vg_buf_printf(&x->b, ",\"first_observed\":\"%s\",\"last_observed\":\"%s\",\"number_observed\":%llu,\"object_refs\":[",
			      first, last, (unsigned long long)(g->count < 999999999 ? g->count : 999999999));
		for (unsigned i = 0; i < nref; i++)
			vg_buf_printf(&x->b, "%s\"%s\"", i ? "," : "", ref[i]);
		vg_buf_puts(&x->b, "]}");
	}
	snprintf(ref[0], ID_MAX, "%s", id);
	vg_buf_clear(&x->t);
	vg_buf_puts(&x->t, "sighting ");
	vg_buf_puts(&x->t, id);
	id_of(own_space, "sighting", vg_buf_str(&x->t), id);
	if (!fresh(x, id))
		return;
	object_begin(x, "sighting", id, first, last);
	vg_buf_printf(&x->b, ",\"first_seen\":\"%s\",\"last_seen\":\"%s\",\"count\":%llu,\"sighting_of_ref\":\"%s\"", first, last,
		      (unsigned long long)(g->count < 999999999 ? g->count : 999999999), indicator);
	if (observed)
		vg_buf_printf(&x->b, ",\"observed_data_refs\":[\"%s\"]", ref[0]);
	vg_buf_putc(&x->b, '}');
}

static void
report_object(struct stix *x, const struct vg_report_options *o)
{
	const struct vg_story_totals *t = &x->v->total;
	char id[ID_MAX];

	id_of(own_space, "report", vg_buf_str(&x->refs), id);
	object_begin(x, "report", id, x->first, x->last);
	member(x, "name", o->lang == VG_LANG_FR ? VG_STR("Recherche de compromission par Vigie") :
						  VG_STR("Compromise assessment by Vigie"));
	vg_buf_clear(&x->t);
	vg_buf_printf(&x->t, o->lang == VG_LANG_FR ? "%llu signaux dans %llu événements de %llu fichiers, %llu règles. ATT&CK v19. Vigie %s." :
						     "%llu signals in %llu events of %llu files, %llu rules. ATT&CK v19. Vigie %s.",
		      (unsigned long long)t->signals, (unsigned long long)t->events, (unsigned long long)t->files,
		      (unsigned long long)t->rules_loaded, o->version ? o->version : "");
	member(x, "description", vg_buf_str(&x->t));
	vg_buf_printf(&x->b, ",\"report_types\":[\"observed-data\"],\"published\":\"%s\",\"object_refs\":[", x->last);
	vg_buf_put(&x->b, vg_buf_str(&x->refs));
	vg_buf_puts(&x->b, "]}");
}

vg_rc
vg_report_stix(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out)
{
	struct stix x = { .v = v };
	struct vg_buf bundle = { 0 };
	char id[ID_MAX];
	vg_rc rc;

	vg_map_init(&x.seen, (size_t)64 << 20);
	stamp(v->total.first_ns, x.first);
	stamp(v->total.last_ns, x.last);
	id_of(own_space, "identity", VG_STR("Vigie"), x.us);
	(void)fresh(&x, x.us);
	object_begin(&x, "identity", x.us, x.first, x.first);
	vg_buf_puts(&x.b, ",\"name\":\"Vigie\",\"identity_class\":\"system\"}");
	for (size_t i = 0; i < v->ntechnique; i++)
		if (v->technique[i].worst >= o->min_level)
			technique_object(&x, &v->technique[i]);
	for (size_t i = 0; i < v->ngroup; i++)
		if (v->group[i].level >= o->min_level)
			group_objects(&x, &v->group[i]);
	report_object(&x, o);
	id_of(own_space, "bundle", vg_buf_str(&x.refs), id);
	vg_buf_printf(&bundle,
		      "{\"type\":\"bundle\",\"id\":\"%s\",\"objects\":[\n"
		      "{\"type\":\"marking-definition\",\"spec_version\":\"2.1\",\"id\":\"" TLP_AMBER_STRICT "\","
		      "\"created\":\"2022-10-01T00:00:00.000Z\",\"name\":\"TLP:AMBER+STRICT\",\"extensions\":{"
		      "\"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d\":{"
		      "\"extension_type\":\"property-extension\",\"tlp_2_0\":\"amber+strict\"}}}",
		      id);
	vg_buf_put(&bundle, vg_buf_str(&x.b));
	vg_buf_puts(&bundle, "]}\n");
	rc = x.b.rc != VG_OK ? x.b.rc : x.refs.rc != VG_OK ? x.refs.rc : x.t.rc != VG_OK ? x.t.rc : bundle.rc;
	if (rc == VG_OK)
		rc = out->write(out->ctx, vg_buf_str(&bundle));
	vg_buf_fini(&x.b);
	vg_buf_fini(&x.refs);
	vg_buf_fini(&x.t);
	vg_buf_fini(&bundle);
	vg_map_fini(&x.seen);
	return rc;
}
