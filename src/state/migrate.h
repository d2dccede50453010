/* state/migrate.h - the one engine that brings a database from the version it has to the one that this program writes.  The version is
 * SQLite's user_version; a file's steps are a table of SQL, @step[i] makes version i + 1 of version i, and a new file runs them all.  A step
 * that was released is never changed: what is to be different is one more step.
 *
 * Each step is one transaction, with the new version in it: whoever is killed in the middle leaves the file as the step found it, and the next
 * start goes on from there.  Foreign keys are not enforced while it runs (a step may build a table anew under another's name), but must hold
 * at its end. */
#ifndef VG_STATE_MIGRATE_H
#define VG_STATE_MIGRATE_H

#include "state/db.h"

#define VG_DB_WHY 200

/* Is it one that this program, which knows versions up to @nstep, may open?  It changes nothing.  @name is how a person calls the file.
 * VG_E_UNSUP: it is of a later version, or no database of ours; VG_E_FORMAT: no database at all, or damaged.  Each told in @why. */
vg_rc vg_db_check(sqlite3 *db, const char *name, unsigned nstep, unsigned *version, char why[VG_DB_WHY]) VG_MUST;
/* The same, and run the steps that are missing.  @version: what it has then, also on failure.  VG_E_SYS, VG_E_FORMAT, VG_E_REFUSED: a step failed. */
vg_rc vg_db_migrate(sqlite3 *db, const char *name, const char *const *step, unsigned nstep, unsigned *version, char why[VG_DB_WHY]) VG_MUST;
/* A file that may only be read, of an older version: a copy of it in memory, brought up to date there.  Takes @db, also on failure.
 * VG_E_UNSUP: it is too large for that. */
vg_rc vg_db_migrate_copy(sqlite3 *db, const char *name, const char *const *step, unsigned nstep, char why[VG_DB_WHY], sqlite3 **out) VG_MUST;
/* Is the file at @path what it says, and nothing else: sound, of a version that is known, and with the tables of that version alone (no trigger or view
 * that somebody put in)?  For files that come from elsewhere, before anything is done with them.  VG_E_FORMAT, VG_E_UNSUP, VG_E_REFUSED; each told in
 * @why. */
vg_rc vg_db_vet(const char *path, const char *name, const char *const *step, unsigned nstep, char why[VG_DB_WHY]) VG_MUST;
/* The database @from as it is at one moment, also while others write, in the plain file @to, which must not be there. */
vg_rc vg_db_snapshot(const char *from, const char *to, char why[VG_DB_WHY]) VG_MUST;

#endif
