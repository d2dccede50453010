#include "state/hits.h"

#include <stdlib.h>

enum { S_PUT, S_EACH, S_COUNT, S_NTH, S_DROP, S_DROP_TOLD, S_TELL, S_UNTELL, S_EACH_TOLD, S_KNOW, S_KNOWN, S_DROP_KNOWN, STATEMENTS };
static const char *const sql[STATEMENTS] = {
	[S_PUT] = "INSERT OR IGNORE INTO live_hit(tenant, time_ns, seq, rule, wire) VALUES(?1, ?2, ?3, ?4, ?5)",
	[S_EACH] = "SELECT time_ns, seq, rule, wire FROM live_hit WHERE tenant=?1 AND time_ns BETWEEN ?2 AND ?3 ORDER BY time_ns, seq",
	[S_COUNT] = "SELECT count(*) FROM live_hit WHERE tenant=?1",
	[S_NTH] = "SELECT time_ns FROM live_hit WHERE tenant=?1 ORDER BY time_ns, seq LIMIT 1 OFFSET ?2",
	[S_DROP] = "DELETE FROM live_hit WHERE tenant=?1 AND time_ns<?2",
	[S_DROP_TOLD] = "DELETE FROM live_told WHERE tenant=?1 AND last_ns<?2",
	[S_TELL] = "INSERT OR IGNORE INTO live_told(tenant, last_ns, id, corr, grp) VALUES(?1, ?2, ?3, ?4, ?5)",
	[S_UNTELL] = "DELETE FROM live_told WHERE tenant=?1 AND last_ns=?2 AND id=?3",
	[S_EACH_TOLD] = "SELECT last_ns, id, corr, grp FROM live_told WHERE tenant=?1 AND last_ns BETWEEN ?2 AND ?3 ORDER BY last_ns, id",
	[S_KNOW] = "INSERT OR IGNORE INTO live_known(tenant, identity, time_ns, seq) VALUES(?1, ?2, ?3, ?4)",
	[S_KNOWN] = "SELECT seq FROM live_known WHERE tenant=?1 AND identity=?2",
	[S_DROP_KNOWN] = "DELETE FROM live_known WHERE tenant=?1 AND time_ns<?2",
};
struct vg_hits {
	sqlite3 *db;
	sqlite3_stmt *s[STATEMENTS]; /* owned */
};

vg_rc
vg_hits_open(sqlite3 *db, struct vg_hits **out)
{
	struct vg_hits *h = calloc(1, sizeof(*h));
	bool ok = true;

	if (h == NULL)
		return VG_E_NOMEM;
	h->db = db;
	for (int i = 0; i < STATEMENTS && ok; i++)
		ok = sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &h->s[i], NULL) == SQLITE_OK;
	if (!ok) {
		vg_hits_free(h);
		return VG_E_SYS;
	}
	*out = h;
	return VG_OK;
}

void
vg_hits_free(struct vg_hits *h)
{
	if (h == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(h->s[i]);
	free(h);
}

/* The statement with its tenant, and the number that all but S_COUNT take second. */
static sqlite3_stmt *
bind(struct vg_hits *h, int which, uint32_t tenant, int64_t second)
{
	sqlite3_stmt *s = h->s[which];

	sqlite3_bind_int64(s, 1, tenant);
	if (which != S_COUNT)
		sqlite3_bind_int64(s, 2, second);
	return s;
}

/* Run a statement that gives no rows. */
static vg_rc
run(sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	sqlite3_reset(s);
	return rc == SQLITE_DONE ? VG_OK : VG_E_SYS;
}

static void
bind_blob(sqlite3_stmt *s, int at, const void *p, size_t n)
{
	sqlite3_bind_blob64(s, at, n ? p : "", n, SQLITE_STATIC); /* the statement is done before the bytes go */
}

static vg_rc
hits_put(void *ctx, const struct vg_live_hit *hit, bool *was)
{
	struct vg_hits *h = ctx;
	sqlite3_stmt *s = bind(h, S_PUT, hit->tenant, hit->time_ns);
	vg_rc rc;

	sqlite3_bind_int64(s, 3, (int64_t)hit->seq);
	sqlite3_bind_int64(s, 4, (int64_t)hit->rule);
	bind_blob(s, 5, hit->wire.p, hit->wire.n);
	rc = run(s);
	*was = sqlite3_changes(h->db) == 0;
	return rc;
}

static bool
among(const uint64_t *rule, size_t n, uint64_t r)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (rule[mid] < r)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && rule[lo] == r;
}

static vg_str
column(sqlite3_stmt *s, int at)
{
	const void *p = sqlite3_column_blob(s, at); /* before the length */

	return vg_str_mem(p, (size_t)sqlite3_column_bytes(s, at));
}

static vg_rc
hits_each(void *ctx, uint32_t tenant, int64_t from_ns, int64_t to_ns, const uint64_t *rule, size_t nrule, vg_live_hit_fn *fn, void *arg)
{
	struct vg_hits *h = ctx;
	sqlite3_stmt *s = bind(h, S_EACH, tenant, from_ns);
	vg_rc rc = VG_OK;
	int step;

	sqlite3_bind_int64(s, 3, to_ns);
	while ((step = sqlite3_step(s)) == SQLITE_ROW && rc == VG_OK) {
		struct vg_live_hit hit = { .tenant = tenant, .time_ns = sqlite3_column_int64(s, 0), .seq = (uint64_t)sqlite3_column_int64(s, 1),
					   .rule = (uint64_t)sqlite3_column_int64(s, 2) };

		if (!among(rule, nrule, hit.rule))
			continue;
		hit.wire = column(s, 3);
		rc = fn(arg, &hit);
	}
	sqlite3_reset(s);
	return rc != VG_OK || step == SQLITE_DONE ? rc : VG_E_SYS;
}

/* One number; VG_E_NOTFOUND: no row. */
static vg_rc
number(sqlite3_stmt *s, int64_t *out)
{
	int step = sqlite3_step(s);

	*out = step == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	return step == SQLITE_ROW ? VG_OK : step == SQLITE_DONE ? VG_E_NOTFOUND : VG_E_SYS;
}

static vg_rc
hits_count(void *ctx, uint32_t tenant, uint64_t *out)
{
	int64_t n;
	vg_rc rc = number(bind(ctx, S_COUNT, tenant, 0), &n);

	*out = (uint64_t)n;
	return rc;
}

static vg_rc
hits_nth(void *ctx, uint32_t tenant, uint64_t n, int64_t *time_ns)
{
	return number(bind(ctx, S_NTH, tenant, (int64_t)n), time_ns);
}

static vg_rc
hits_drop(void *ctx, uint32_t tenant, int64_t before_ns, uint64_t *n)
{
	struct vg_hits *h = ctx;
	vg_rc rc = run(bind(h, S_DROP, tenant, before_ns));

	*n = rc == VG_OK ? (uint64_t)sqlite3_changes(h->db) : 0;
	if (rc == VG_OK)
		rc = run(bind(h, S_DROP_KNOWN, tenant, before_ns));
	return rc == VG_OK ? run(bind(h, S_DROP_TOLD, tenant, before_ns)) : rc;
}

vg_rc
vg_hits_known(struct vg_hits *h, uint32_t tenant, const uint8_t identity[VG_HITS_IDENTITY], int64_t time_ns, uint64_t seq, bool *copy)
{
	sqlite3_stmt *s = h->s[S_KNOW];
	int64_t first;
	vg_rc rc;

	*copy = false;
	sqlite3_bind_int64(s, 1, tenant);
	bind_blob(s, 2, identity, VG_HITS_IDENTITY);
	sqlite3_bind_int64(s, 3, time_ns);
	sqlite3_bind_int64(s, 4, (int64_t)seq);
	if ((rc = run(s)) != VG_OK || sqlite3_changes(h->db))
		return rc;
	s = h->s[S_KNOWN];
	sqlite3_bind_int64(s, 1, tenant);
	bind_blob(s, 2, identity, VG_HITS_IDENTITY);
	if ((rc = number(s, &first)) == VG_OK)
		*copy = (uint64_t)first != seq;
	return rc;
}

static vg_rc
hits_tell(void *ctx, uint32_t tenant, const struct vg_live_told *t, bool *was)
{
	struct vg_hits *h = ctx;
	sqlite3_stmt *s = bind(h, S_TELL, tenant, t->last_ns);
	vg_rc rc;

	bind_blob(s, 3, t->id, sizeof(t->id));
	bind_blob(s, 4, t->corr, sizeof(t->corr));
	bind_blob(s, 5, t->group, sizeof(t->group));
	rc = run(s);
	*was = sqlite3_changes(h->db) == 0;
	return rc;
}

static vg_rc
hits_untell(void *ctx, uint32_t tenant, const struct vg_live_told *t)
{
	sqlite3_stmt *s = bind(ctx, S_UNTELL, tenant, t->last_ns);

	bind_blob(s, 3, t->id, sizeof(t->id));
	return run(s);
}

static bool
take_bytes(sqlite3_stmt *s, int at, uint8_t *out, size_t n)
{
	vg_str b = column(s, at);

	if (b.n != n)
		return false;
	memcpy(out, b.p, n);
	return true;
}

static vg_rc
hits_each_told(void *ctx, uint32_t tenant, int64_t from_ns, int64_t to_ns, vg_live_told_fn *fn, void *arg)
{
	sqlite3_stmt *s = bind(ctx, S_EACH_TOLD, tenant, from_ns);
	vg_rc rc = VG_OK;
	int step;

	sqlite3_bind_int64(s, 3, to_ns);
	while ((step = sqlite3_step(s)) == SQLITE_ROW && rc == VG_OK) {
		struct vg_live_told t = { .last_ns = sqlite3_column_int64(s, 0) };

		if (take_bytes(s, 1, t.id, sizeof(t.id)) && take_bytes(s, 2, t.corr, sizeof(t.corr)) &&
		    take_bytes(s, 3, t.group, sizeof(t.group)))
			rc = fn(arg, &t);
		else
			rc = VG_E_FORMAT;
	}
	sqlite3_reset(s);
	return rc != VG_OK || step == SQLITE_DONE ? rc : VG_E_SYS;
}

struct vg_live_store
vg_hits_store(struct vg_hits *h)
{
	return (struct vg_live_store){ .ctx = h, .put = hits_put, .each = hits_each, .count = hits_count, .nth = hits_nth, .drop = hits_drop,
				       .tell = hits_tell, .untell = hits_untell, .each_told = hits_each_told };
}
