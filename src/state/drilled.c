#include "state/drilled.h"

vg_rc
vg_drilled_begin(sqlite3 *db, uint32_t from)
{
	vg_rc rc = vg_db_run(db, "DELETE FROM drilled");

	if (rc == VG_OK)
		rc = vg_db_do(db, "DELETE FROM live_hit WHERE tenant >= ?", "i", (int64_t)from);
	if (rc == VG_OK)
		rc = vg_db_do(db, "DELETE FROM live_told WHERE tenant >= ?", "i", (int64_t)from);
	return rc == VG_OK ? vg_db_do(db, "DELETE FROM live_known WHERE tenant >= ?", "i", (int64_t)from) : rc;
}

vg_rc
vg_drilled_put(sqlite3 *db, const struct vg_drilled *d, const uint8_t id[VG_DRILLED_ID])
{
	return vg_db_do(db, "INSERT OR IGNORE INTO drilled (id, world, rule, made_ns) VALUES (?, ?, ?, ?)", "biti", vg_str_mem(id, VG_DRILLED_ID),
			(int64_t)d->world, d->rule, d->made_ns);
}

vg_rc
vg_drilled_withdraw(sqlite3 *db, const uint8_t id[VG_DRILLED_ID])
{
	return vg_db_do(db, "DELETE FROM drilled WHERE id = ?", "b", vg_str_mem(id, VG_DRILLED_ID));
}

vg_rc
vg_drilled_drop(sqlite3 *db, int64_t before_ns)
{
	return vg_db_do(db, "DELETE FROM drilled WHERE made_ns < ?", "i", before_ns);
}

vg_rc
vg_drilled_each(sqlite3 *db, uint32_t from, uint32_t to, vg_rc (*each)(void *ctx, const struct vg_drilled *d), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT world, rule, made_ns FROM drilled WHERE world BETWEEN ? AND ? ORDER BY made_ns", "ii", (int64_t)from, (int64_t)to);

	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_drilled d = { (uint32_t)sqlite3_column_int64(st, 0), vg_db_text(st, 1), sqlite3_column_int64(st, 2) };

		rc = each(ctx, &d);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}
