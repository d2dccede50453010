/* state/db.h - SQLite as Vigie uses it: WAL, synchronous=FULL, foreign keys, a version that migrations raise.  A database holds what can be
 * rebuilt from the vault, and what people did. */
#ifndef VG_STATE_DB_H
#define VG_STATE_DB_H

#include <sqlite3.h>

#include "base/rc.h"
#include "base/str.h"

/* Open for reading, also where nothing can be written beside it, as sqlite3_open_v2(3); what it answers. */
int vg_db_open_read(const char *path, sqlite3 **db);
/* Open @path.  @step[i] is the SQL that makes version i + 1 of version i (PRAGMA user_version); a new database runs them all.  @read_only: it must be there, and of a
 * version that is known.  VG_E_UNSUP: made by a later Vigie.  VG_E_NOTFOUND; VG_E_FORMAT: no database, or damaged.  Each told in @why. */
vg_rc vg_db_open(const char *path, bool read_only, const char *const *step, unsigned nstep, char why[200], sqlite3 **out) VG_MUST;
void vg_db_close(sqlite3 *db);
vg_rc vg_db_run(sqlite3 *db, const char *sql) VG_MUST; /* no values in it but the program's own */
void vg_db_rollback(sqlite3 *db);
/* Prepare @sql and bind what @types says, a letter a value: i (int64_t), t (vg_str as text), b (vg_str as blob).  The caller finalises. */
vg_rc vg_db_prepare(sqlite3 *db, sqlite3_stmt **out, const char *sql, const char *types, ...) VG_MUST;
/* The same, run to its end. */
vg_rc vg_db_do(sqlite3 *db, const char *sql, const char *types, ...) VG_MUST;
vg_str vg_db_text(sqlite3_stmt *st, int column); /* good until the next step */
/* What SQLite's answer means: VG_OK, VG_E_STOP (no more rows: SQLITE_DONE), VG_E_SYS (full, input or output, locked), VG_E_NOMEM, VG_E_FORMAT. */
vg_rc vg_db_rc(int sqlite);

#endif
