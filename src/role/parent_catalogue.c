/* role/parent_catalogue.c - the databases, before any role rests on them, and the keys of senders, which commands change. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "role/parent_impl.h"
#include "state/outbox.h"
#include "state/signals.h"

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
void
parent_look_at_keys(struct parent *p)
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
			parent_give(&p->child[i], VG_MSG_NEW, "keys", vg_buf_str(&p->keys), -1);
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
vg_rc
parent_look_at_databases(struct parent *p)
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

vg_rc
parent_open_catalogue(struct parent *p)
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
