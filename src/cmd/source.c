/* cmd/source.c - `vigie source list|adopt|refuse`, `vigie key add|list|revoke`: who sends, and what proves it. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cmd/common.h"
#include "cmd/watch.h"
#include "net/gate.h"
#include "net/loop.h"
#include "role/source_set.h"
#include "vault/merkle.h"

const struct vg_opt vg_source_list_opts[] = { VG_STATE_OPTION, VG_FORMAT_OPTION, { NULL, VG_OPT_FLAG, NULL, NULL } };
const struct vg_opt vg_source_opts[] = { VG_STATE_OPTION, { NULL, VG_OPT_FLAG, NULL, NULL } };
const struct vg_opt vg_key_add_opts[] = {
	VG_STATE_OPTION,
	VG_FORMAT_OPTION,
	{ "--tenant", VG_OPT_TEXT, "NAME", "whose records it brings (default: the first tenant)" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

struct listing {
	struct vg_settings *settings; /* of the watch; NULL: they cannot be read */
	struct vg_names names;
	struct vg_buf out;
	bool jsonl;
	uint64_t n;
};

/* The set of the settings that it is in; empty: none, or that is not known. */
static vg_str
set_of(const struct listing *l, const struct vg_source *s)
{
	const struct vg_name *t = vg_names_tenant(&l->names, s->tenant);
	const struct vg_source_set *x = l->settings && t ? vg_source_set_of(l->settings, vg_str_of(t->name), s->name, s->address) : NULL;

	return x ? x->name : VG_NIL;
}

static void
source_json(struct listing *l, const struct vg_source *s)
{
	struct vg_buf *b = &l->out;
	const struct vg_name *t = vg_names_tenant(&l->names, s->tenant);

	vg_buf_printf(b, "{\"id\":%u,\"tenant\":", s->id);
	vg_buf_json_str(b, t ? vg_str_of(t->name) : VG_NIL);
	vg_buf_puts(b, ",\"name\":");
	vg_buf_json_str(b, s->name);
	vg_buf_puts(b, ",\"address\":");
	vg_buf_json_str(b, s->address);
	vg_buf_puts(b, ",\"listener\":");
	vg_buf_json_str(b, s->listener);
	vg_buf_puts(b, ",\"set\":");
	vg_buf_json_str(b, set_of(l, s));
	vg_buf_printf(b, ",\"proof\":\"%s\",\"state\":\"%s\",\"first_seen\":\"", vg_proof_name(s->proof), vg_source_state_name(s->state));
	vg_buf_time(b, s->first_ns, 0);
	vg_buf_puts(b, "\",\"last_seen\":\"");
	vg_buf_time(b, s->last_ns, 0);
	vg_buf_printf(b, "\",\"records\":%llu,\"bytes\":%llu,\"refused\":%llu,\"unparsed\":%llu,\"unknown\":%llu,\"clock_skew_ms\":%lld}\n", (unsigned long long)s->records,
		      (unsigned long long)s->bytes, (unsigned long long)s->refused, (unsigned long long)s->unparsed, (unsigned long long)s->unknown,
		      (long long)(s->skew_ns / 1000000));
}

static vg_rc
on_source(void *ctx, const struct vg_source *s)
{
	struct listing *l = ctx;
	struct vg_buf *b = &l->out;

	if (l->jsonl) {
		source_json(l, s);
		return b->rc;
	}
	if (l->n++ == 0)
		vg_buf_puts(b, "  ID  STATE    PROOF        RECORDS  UNREAD  LAST SEEN             NAME\n");
	vg_buf_printf(b, "%4u  %-8s %-11s %8llu  %6llu  ", s->id, vg_source_state_name(s->state), vg_proof_name(s->proof), (unsigned long long)s->records,
		      (unsigned long long)s->unparsed);
	vg_buf_time(b, s->last_ns, 0);
	vg_buf_puts(b, "  ");
	vg_buf_safe(b, s->name);
	vg_buf_puts(b, " (");
	vg_buf_safe(b, s->listener);
	if (set_of(l, s).n) {
		vg_buf_puts(b, ", set ");
		vg_buf_safe(b, set_of(l, s));
	}
	vg_buf_puts(b, ")\n");
	return b->rc;
}

static int
list_sources(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	struct listing l = { .jsonl = false };
	struct vg_settings settings;
	int code = VG_EXIT_FAILED;

	if (!vg_take_format(a, &l.jsonl))
		return VG_EXIT_USAGE;
	if (vg_watch_settings(h, &settings))
		l.settings = &settings;
	if (vg_names_read(db, &l.names) != VG_OK || vg_catalogue_sources(db, on_source, &l) != VG_OK)
		code = vg_catalogue_failed(db);
	else if ((code = vg_print(&l.out)) == VG_EXIT_OK && l.n == 0 && !l.jsonl)
		puts("nobody has sent anything yet");
	if (l.settings)
		vg_settings_fini(l.settings);
	vg_names_free(&l.names);
	vg_buf_fini(&l.out);
	return code;
}

int
vg_cmd_source_list(const struct vg_args *a)
{
	return vg_with_catalogue(a, true, list_sources);
}

static int
set_state(const struct vg_args *a, sqlite3 *db, unsigned state)
{
	int code = VG_EXIT_OK;

	for (size_t i = 0; i < a->noperand; i++) {
		uint64_t id;
		vg_rc rc;

		if (!vg_str_u64(vg_str_of(a->operand[i]), &id) || id > UINT32_MAX) {
			vg_log(VG_LOG_ERROR, "%s: no number of a source (`vigie source list` shows them)", a->operand[i]);
			return VG_EXIT_USAGE;
		}
		if ((rc = vg_catalogue_set_state(db, (uint32_t)id, state)) == VG_E_NOTFOUND) {
			vg_log(VG_LOG_ERROR, "%s: there is no such source (`vigie source list` shows them)", a->operand[i]);
			code = VG_EXIT_INPUT;
		} else if (rc != VG_OK) {
			return vg_catalogue_failed(db);
		}
	}
	return code;
}

static int
adopt(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	(void)h;
	return set_state(a, db, VG_SOURCE_ADOPTED);
}

int
vg_cmd_source_adopt(const struct vg_args *a)
{
	return vg_with_catalogue(a, false, adopt);
}

/* ---- keys ---- */

static vg_rc
first_tenant(void *ctx, uint32_t id, vg_str name)
{
	snprintf(ctx, 65, "%.*s", VG_STR_ARG(name));
	(void)id;
	return VG_E_STOP;
}

static bool
is_word(const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == ':' || (unsigned char)*p == 0x7f)
			return false;
	return s[0] && strlen(s) <= VG_SPEAKER_NAME_MAX;
}

static int
add_key(const struct vg_args *a, struct vg_house *house, sqlite3 *db)
{
	const char *name = a->operand[0], *asked = vg_arg(a, "--tenant");
	char tenant[65] = "", secret[65];
	struct vg_names names;
	uint8_t random[32];
	struct vg_hash h;
	struct vg_key_row k = { .source = vg_str_of(name), .hash = vg_str_mem(h.b, sizeof(h.b)), .made_ns = vg_clock_ns() };
	bool jsonl, known;

	(void)house;
	if (!vg_take_format(a, &jsonl))
		return VG_EXIT_USAGE;
	if (!is_word(name)) {
		vg_log(VG_LOG_ERROR, "key add %s: a source's name is one word without ':'", name);
		return VG_EXIT_USAGE;
	}
	if (sodium_init() < 0 || vg_names_read(db, &names) != VG_OK)
		return VG_EXIT_FAILED;
	if (asked)
		snprintf(tenant, sizeof(tenant), "%.64s", asked);
	else if (vg_catalogue_tenants(db, first_tenant, tenant) != VG_OK)
		return vg_catalogue_failed(db);
	known = vg_names_tenant_named(&names, tenant) != NULL;
	vg_names_free(&names);
	if (!known) {
		vg_log(VG_LOG_ERROR, "key add: there is no tenant %s (the settings name them; `vigie serve` makes them)", tenant);
		return VG_EXIT_INPUT;
	}
	k.tenant = vg_str_of(tenant);
	randombytes_buf(random, sizeof(random));
	(void)sodium_bin2hex(secret, sizeof(secret), random, sizeof(random));
	vg_hash_of(vg_str_of(secret), &h);
	if (vg_catalogue_add_key(db, &k, &k.id) != VG_OK)
		return vg_catalogue_failed(db);
	if (jsonl)
		printf("{\"id\":%lld,\"tenant\":\"%s\",\"source\":\"%s\",\"secret\":\"%s\"}\n", (long long)k.id, tenant, name, secret);
	else
		printf("key %lld of %s (tenant %s), shown this once:\n\n    %s\n\nSend it as \"Authorization: Bearer SECRET\", \"ApiKey SECRET\", or as the password of user %s.\n",
		       (long long)k.id, name, tenant, secret, name);
	sodium_memzero(secret, sizeof(secret));
	return VG_EXIT_OK;
}

int
vg_cmd_key_add(const struct vg_args *a)
{
	return vg_with_catalogue(a, false, add_key);
}

static vg_rc
on_key(void *ctx, const struct vg_key_row *k)
{
	struct listing *l = ctx;
	struct vg_buf *b = &l->out;

	if (l->jsonl) {
		vg_buf_printf(b, "{\"id\":%lld,\"tenant\":", (long long)k->id);
		vg_buf_json_str(b, k->tenant);
		vg_buf_puts(b, ",\"source\":");
		vg_buf_json_str(b, k->source);
		vg_buf_puts(b, ",\"made\":\"");
		vg_buf_time(b, k->made_ns, 0);
		vg_buf_printf(b, "\",\"revoked\":%s}\n", k->revoked_ns ? "true" : "false");
		return b->rc;
	}
	if (l->n++ == 0)
		vg_buf_puts(b, "  ID  MADE                  STATE    TENANT      SOURCE\n");
	vg_buf_printf(b, "%4lld  ", (long long)k->id);
	vg_buf_time(b, k->made_ns, 0);
	vg_buf_printf(b, "  %-8s ", k->revoked_ns ? "revoked" : "good");
	vg_buf_safe(b, k->tenant);
	vg_buf_puts(b, "  ");
	vg_buf_safe(b, k->source);
	vg_buf_putc(b, '\n');
	return b->rc;
}

static int
list_keys(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	struct listing l = { .jsonl = false };
	int code;

	(void)h;
	if (!vg_take_format(a, &l.jsonl))
		return VG_EXIT_USAGE;
	if (vg_catalogue_keys(db, on_key, &l) != VG_OK)
		code = vg_catalogue_failed(db);
	else if ((code = vg_print(&l.out)) == VG_EXIT_OK && l.n == 0 && !l.jsonl)
		puts("there is no key yet (`vigie key add NAME` makes one for the source NAME)");
	vg_buf_fini(&l.out);
	return code;
}

int
vg_cmd_key_list(const struct vg_args *a)
{
	return vg_with_catalogue(a, true, list_keys);
}

static int
revoke(const struct vg_args *a, struct vg_house *h, sqlite3 *db)
{
	uint64_t id;
	vg_rc rc;

	(void)h;
	if (!vg_str_u64(vg_str_of(a->operand[0]), &id)) {
		vg_log(VG_LOG_ERROR, "key revoke %s: no number of a key (`vigie key list` shows them)", a->operand[0]);
		return VG_EXIT_USAGE;
	}
	if ((rc = vg_catalogue_revoke_key(db, (int64_t)id, vg_clock_ns())) == VG_E_NOTFOUND) {
		vg_log(VG_LOG_ERROR, "key revoke %s: there is no such key that is good", a->operand[0]);
		return VG_EXIT_INPUT;
	}
	return rc == VG_OK ? VG_EXIT_OK : vg_catalogue_failed(db);
}

int
vg_cmd_key_revoke(const struct vg_args *a)
{
	return vg_with_catalogue(a, false, revoke);
}
