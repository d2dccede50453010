#include "state/signals.h"

#include <stdio.h>

#include "base/cur.h"
#include "state/migrate.h"

static const char *const steps[] = {
	"CREATE TABLE signal (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, tenant INTEGER NOT NULL, source INTEGER NOT NULL, level INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, rule TEXT NOT NULL, title TEXT NOT NULL, tags TEXT NOT NULL, host TEXT NOT NULL, fields TEXT NOT NULL,"
	" time_ns INTEGER NOT NULL, first_ns INTEGER NOT NULL, recv_ns INTEGER NOT NULL, made_ns INTEGER NOT NULL, count INTEGER NOT NULL,"
	" evidence BLOB NOT NULL, withdrawn INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE state (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
	/* state/hits.h.  Version 1 had them beside it, made when they were not there. */
	"CREATE TABLE IF NOT EXISTS live_hit(tenant INTEGER NOT NULL, time_ns INTEGER NOT NULL, seq INTEGER NOT NULL, rule INTEGER NOT NULL,"
	" wire BLOB NOT NULL, PRIMARY KEY(tenant, time_ns, seq, rule)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS live_told(tenant INTEGER NOT NULL, last_ns INTEGER NOT NULL, id BLOB NOT NULL, corr BLOB NOT NULL,"
	" grp BLOB NOT NULL, PRIMARY KEY(tenant, last_ns, id)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS live_known(tenant INTEGER NOT NULL, identity BLOB NOT NULL, time_ns INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" PRIMARY KEY(tenant, identity)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS live_known_time ON live_known(tenant, time_ns);",
	/* state/drilled.h, state/seen.h */
	"CREATE TABLE drilled (id BLOB NOT NULL PRIMARY KEY, world INTEGER NOT NULL, rule TEXT NOT NULL, made_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX drilled_world ON drilled (world);"
	"CREATE TABLE seen_log (source INTEGER NOT NULL, product TEXT NOT NULL, category TEXT NOT NULL, service TEXT NOT NULL, tenant INTEGER NOT NULL,"
	" last_ns INTEGER NOT NULL, PRIMARY KEY (source, product, category, service)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE seen_field (product TEXT NOT NULL, category TEXT NOT NULL, service TEXT NOT NULL, field TEXT NOT NULL, last_ns INTEGER NOT NULL,"
	" PRIMARY KEY (product, category, service, field)) STRICT, WITHOUT ROWID;",
	/* what out has not taken yet */
	"CREATE TABLE alarm (n INTEGER PRIMARY KEY) STRICT;",
};

vg_rc
vg_signals_open(const char *path, bool read_only, char why[200], sqlite3 **out)
{
	return vg_db_open(path, read_only, steps, VG_COUNT(steps), why, out);
}

vg_rc
vg_signals_vet(const char *path, char why[200])
{
	return vg_db_vet(path, "signals.db", steps, VG_COUNT(steps), why);
}

vg_rc
vg_signal_put(sqlite3 *db, const struct vg_signal_row *s, bool *new)
{
	vg_str id = vg_str_mem(s->id, sizeof(s->id));
	struct vg_buf evidence = { 0 };
	vg_rc rc;

	for (uint32_t i = 0; i < s->nevidence; i++)
		vg_buf_le64(&evidence, s->evidence[i]);
	if (evidence.rc != VG_OK)
		return evidence.rc;
	rc = vg_db_do(db, "INSERT INTO signal (id, tenant, source, level, flags, rule, title, tags, host, fields, time_ns, first_ns, recv_ns, made_ns, count,"
			  " evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
			  " ON CONFLICT (id) DO UPDATE SET withdrawn = 0, flags = excluded.flags WHERE withdrawn = 1", "biiiitttttiiiiib",
		      id, (int64_t)s->tenant, (int64_t)s->source, (int64_t)s->level, (int64_t)s->flags, s->rule, s->title, s->tags, s->host, s->fields,
		      s->time_ns, s->first_ns, s->recv_ns, s->made_ns, (int64_t)s->count, vg_buf_str(&evidence));
	*new = rc == VG_OK && sqlite3_changes(db) > 0;
	vg_buf_fini(&evidence);
	return rc;
}

/* Seqs of a row's evidence, and how many. */
static uint32_t
take_evidence(vg_str bytes, uint64_t out[VG_SIGNAL_EVIDENCE_MAX])
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	uint32_t n = 0;

	while (vg_cur_left(&c) >= 8 && n < VG_SIGNAL_EVIDENCE_MAX)
		out[n++] = vg_cur_le64(&c);
	return n;
}

static vg_rc
put_evidence(sqlite3 *db, const uint8_t id[VG_SIGNAL_ID], const uint64_t *seq, uint32_t n, int64_t time_ns)
{
	struct vg_buf b = { 0 };
	vg_rc rc;

	for (uint32_t i = 0; i < n; i++)
		vg_buf_le64(&b, seq[i]);
	rc = b.rc != VG_OK ? b.rc : vg_db_do(db, "UPDATE signal SET evidence = ?, count = ?, first_ns = min(first_ns, ?) WHERE id = ?", "biib", vg_buf_str(&b),
					     (int64_t)n, time_ns, vg_str_mem(id, VG_SIGNAL_ID));
	vg_buf_fini(&b);
	return rc;
}

vg_rc
vg_signal_add(sqlite3 *db, const uint8_t id[VG_SIGNAL_ID], uint64_t seq, int64_t time_ns, bool *full)
{
	uint64_t has[VG_SIGNAL_EVIDENCE_MAX];
	uint32_t n = 0, at;
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT evidence FROM signal WHERE id = ?", "b", vg_str_mem(id, VG_SIGNAL_ID));

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_db_rc(sqlite3_step(st))) == VG_OK)
		n = take_evidence(vg_db_text(st, 0), has);
	(void)sqlite3_finalize(st);
	if (rc != VG_OK)
		return rc == VG_E_STOP ? VG_E_NOTFOUND : rc;
	*full = n == VG_SIGNAL_EVIDENCE_MAX;
	for (at = n; at && has[at - 1] > seq; at--)
		;
	if (*full || (at && has[at - 1] == seq))
		return VG_OK;
	memmove(has + at + 1, has + at, (n - at) * sizeof(*has));
	has[at] = seq;
	*full = n + 1 == VG_SIGNAL_EVIDENCE_MAX;
	return put_evidence(db, id, has, n + 1, time_ns);
}

vg_rc
vg_signal_withdraw(sqlite3 *db, const uint8_t id[VG_SIGNAL_ID])
{
	vg_rc rc = vg_db_do(db, "UPDATE signal SET withdrawn = 1 WHERE id = ?", "b", vg_str_mem(id, VG_SIGNAL_ID));

	return rc != VG_OK ? rc : vg_db_do(db, "DELETE FROM alarm WHERE n = (SELECT n FROM signal WHERE id = ?)", "b", vg_str_mem(id, VG_SIGNAL_ID));
}

static void
take_row(sqlite3_stmt *st, struct vg_signal_row *s)
{
	vg_str id = vg_db_text(st, 1);

	*s = (struct vg_signal_row){ .n = (uint64_t)sqlite3_column_int64(st, 0), .tenant = (uint32_t)sqlite3_column_int64(st, 2),
				 .source = (uint32_t)sqlite3_column_int64(st, 3), .level = (uint8_t)sqlite3_column_int(st, 4),
				 .flags = (uint8_t)sqlite3_column_int(st, 5), .rule = vg_db_text(st, 6), .title = vg_db_text(st, 7),
				 .tags = vg_db_text(st, 8), .host = vg_db_text(st, 9), .fields = vg_db_text(st, 10),
				 .time_ns = sqlite3_column_int64(st, 11), .first_ns = sqlite3_column_int64(st, 12), .recv_ns = sqlite3_column_int64(st, 13),
				 .made_ns = sqlite3_column_int64(st, 14), .count = (uint64_t)sqlite3_column_int64(st, 15) };
	if (id.n == sizeof(s->id))
		memcpy(s->id, id.p, id.n);
	s->nevidence = take_evidence(vg_db_text(st, 16), s->evidence);
}

#define COLUMNS "signal.n, id, tenant, source, level, flags, rule, title, tags, host, fields, time_ns, first_ns, recv_ns, made_ns, count, evidence"

/* The rows of @st, columns as above, when it could be prepared (@rc); it is freed. */
static vg_rc
each_row(sqlite3_stmt *st, vg_rc rc, vg_rc (*each)(void *ctx, const struct vg_signal_row *s), void *ctx)
{
	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		struct vg_signal_row s;

		take_row(st, &s);
		rc = each(ctx, &s);
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

vg_rc
vg_alarm_wait(sqlite3 *db, const uint8_t id[VG_SIGNAL_ID])
{
	return vg_db_do(db, "INSERT OR IGNORE INTO alarm SELECT n FROM signal WHERE id = ?", "b", vg_str_mem(id, VG_SIGNAL_ID));
}

vg_rc
vg_alarms_each(sqlite3 *db, uint64_t limit, vg_rc (*each)(void *ctx, const struct vg_signal_row *s), void *ctx)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT " COLUMNS " FROM alarm JOIN signal USING (n) ORDER BY n LIMIT ?", "i", (int64_t)limit);

	return each_row(st, rc, each, ctx);
}

vg_rc
vg_alarm_gone(sqlite3 *db, uint64_t n)
{
	return vg_db_do(db, "DELETE FROM alarm WHERE n = ?", "i", (int64_t)n);
}

vg_rc
vg_signals_each(sqlite3 *db, const struct vg_signal_query *q, vg_rc (*each)(void *ctx, const struct vg_signal_row *s), void *ctx)
{
	sqlite3_stmt *st;
	char sql[600];
	vg_rc rc;

	snprintf(sql, sizeof(sql), "SELECT " COLUMNS
				   " FROM signal WHERE withdrawn = 0 AND n > ? AND level >= ? AND (? = 0 OR tenant = ?) AND (? = '' OR lower(hex(id)) LIKE ? || '%%')"
				   " ORDER BY n %s LIMIT ?", q->newest ? "DESC" : "ASC");
	rc = vg_db_prepare(db, &st, sql, "iiiitti", (int64_t)q->after, (int64_t)q->level, (int64_t)q->tenant, (int64_t)q->tenant, q->id, q->id,
			   q->limit ? (int64_t)q->limit : INT64_MAX);
	return each_row(st, rc, each, ctx);
}

vg_rc
vg_state_get(sqlite3 *db, const char *name, struct vg_buf *out)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(db, &st, "SELECT value FROM state WHERE name = ?", "t", vg_str_of(name));

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		vg_buf_put(out, vg_db_text(st, 0));
		rc = out->rc;
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_E_NOTFOUND : rc;
}

vg_rc
vg_state_set(sqlite3 *db, const char *name, vg_str value)
{
	return vg_db_do(db, "INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", "tb", vg_str_of(name), value);
}

vg_rc
vg_signals_next(sqlite3 *db, uint64_t *out)
{
	struct vg_buf b = { 0 };
	sqlite3_stmt *st = NULL;
	vg_rc rc = vg_state_get(db, "next", &b);

	*out = 1;
	if (rc == VG_OK && !vg_str_u64(vg_buf_str(&b), out))
		rc = VG_E_FORMAT;
	vg_buf_fini(&b);
	if (rc == VG_OK || rc == VG_E_NOTFOUND)
		rc = vg_db_prepare(db, &st, "SELECT evidence FROM signal", "");
	while (rc == VG_OK && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK) {
		vg_str evidence = vg_db_text(st, 0);
		struct vg_cur c = vg_cur_of(evidence.p, evidence.n);

		while (vg_cur_left(&c) >= 8) {
			uint64_t seq = vg_cur_le64(&c);

			*out = seq >= *out && seq < INT64_MAX ? seq + 1 : *out;
		}
	}
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}
