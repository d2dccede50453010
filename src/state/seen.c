#include "state/seen.h"

vg_rc
vg_seen_begin(sqlite3 *db, int64_t now_ns)
{
	vg_rc rc = vg_db_do(db, "DELETE FROM seen_log WHERE last_ns < ?", "i", now_ns - VG_SEEN_KEEP_NS);

	return rc == VG_OK ? vg_db_do(db, "DELETE FROM seen_field WHERE last_ns < ?", "i", now_ns - VG_SEEN_KEEP_NS) : rc;
}

static vg_rc
put_fields(sqlite3 *db, const struct vg_seen_row *r, const struct vg_logsource *ls)
{
	vg_rc rc = VG_OK;

	for (uint32_t i = 0; i < r->nfield && rc == VG_OK; i++)
		rc = vg_db_do(db, "INSERT INTO seen_field (product, category, service, field, last_ns) VALUES (?, ?, ?, ?, ?)"
				  " ON CONFLICT DO UPDATE SET last_ns = max(last_ns, excluded.last_ns)", "tttti", ls->product, ls->category, ls->service, r->field[i], r->last_ns);
	return rc;
}

vg_rc
vg_seen_put(sqlite3 *db, const struct vg_seen_row *r)
{
	vg_rc rc = VG_OK;

	for (uint32_t i = 0; i < r->nls && rc == VG_OK; i++) {
		const struct vg_logsource *ls = &r->ls[i];

		rc = vg_db_do(db, "INSERT INTO seen_log (source, product, category, service, tenant, last_ns) VALUES (?, ?, ?, ?, ?, ?)"
				  " ON CONFLICT DO UPDATE SET last_ns = max(last_ns, excluded.last_ns)", "itttii", (int64_t)r->source, ls->product, ls->category, ls->service,
			      (int64_t)r->tenant, r->last_ns);
		if (rc == VG_OK)
			rc = put_fields(db, r, ls);
	}
	return rc;
}

vg_rc
vg_seen_logs(sqlite3 *db, int64_t since_ns, vg_rc (*each)(void *ctx, const struct vg_logsource *ls, uint32_t sources), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT product, category, service, count(*) FROM seen_log WHERE last_ns >= ? GROUP BY product, category, service"
					  " ORDER BY product, category, service", "i", since_ns);

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_logsource ls = { vg_db_text(st, 0), vg_db_text(st, 1), vg_db_text(st, 2) };

		rc = each(ctx, &ls, (uint32_t)sqlite3_column_int64(st, 3));
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

vg_rc
vg_seen_fields(sqlite3 *db, int64_t since_ns, vg_rc (*each)(void *ctx, const struct vg_logsource *ls, vg_str field), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT product, category, service, field FROM seen_field WHERE last_ns >= ? ORDER BY product, category, service", "i", since_ns);

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_logsource ls = { vg_db_text(st, 0), vg_db_text(st, 1), vg_db_text(st, 2) };

		rc = each(ctx, &ls, vg_db_text(st, 3));
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}
