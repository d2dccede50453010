/* role/local.c - this machine's own journal and files, read as the user that it runs as.  Every record has an id, so that what is read
 * again after a crash is found once; where it stands is in its folder, when the vault has what came before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/journald.h"
#include "net/kick.h"
#include "net/tail.h"
#include "role/local_see.h"
#include "role/roles.h"
#include "role/sender.h"
#include "vault/disk.h"

#define GLOBS_MAX VG_TAIL_GLOBS_MAX
#define PLACES_MAX ((size_t)8 << 20)
#define PLACES "places"
#define CURSOR "cursor"

struct local {
	struct vg_role_env *env;
	struct vg_disk d;
	struct vg_sender *sender;
	struct vg_tail *tail;
	struct vg_journald *journal;
	char *globs; /* owned */
	const char *glob[GLOBS_MAX + 1];
	struct vg_buf places;
	struct vg_see see;
	bool changed; /* something was kept since the places were written */
	struct vg_kick *kick; /* to write them now */
};

static void
on_room(void *ctx)
{
	struct local *l = ctx;

	if (l->tail)
		vg_tail_room(l->tail);
	if (l->journal)
		vg_journald_room(l->journal);
}

static void
on_kept(void *ctx, uint64_t taken)
{
	struct local *l = ctx;

	if (l->tail)
		vg_tail_kept(l->tail, taken);
	if (l->journal)
		vg_journald_kept(l->journal, taken);
	l->changed = true;
}

static void
write_places(struct local *l)
{
	vg_rc rc = VG_OK;

	if (!l->changed)
		return;
	if (l->tail) {
		vg_tail_places(l->tail, &l->places);
		rc = l->places.rc != VG_OK ? l->places.rc : vg_disk_replace(&l->d, PLACES, vg_buf_str(&l->places));
	}
	if (rc == VG_OK && l->journal && vg_journald_cursor(l->journal).n)
		rc = vg_disk_replace(&l->d, CURSOR, vg_journald_cursor(l->journal));
	if (rc != VG_OK)
		vg_role_say(l->env, VG_LOG_WARNING, "local: the places that files were read to cannot be written: %s", strerror(errno));
	l->changed = rc != VG_OK;
}

static void
on_kick(void *ctx)
{
	write_places(ctx);
}

/* A file that is renamed while this process is not there is known by its place alone. */
static void
on_followed(void *ctx)
{
	struct local *l = ctx;

	l->changed = true;
	vg_kick(l->kick);
}

static void
say(void *ctx, const char *text)
{
	vg_role_say(((struct local *)ctx)->env, VG_LOG_INFO, "local: %s", text);
}

static vg_rc
read_file(struct local *l, const char *name, struct vg_buf *out)
{
	vg_rc rc = vg_disk_slurp(&l->d, name, PLACES_MAX, out);

	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

static vg_rc
begin_tail(struct local *l, vg_str tenant, vg_str host)
{
	struct vg_tail_options o = { .glob = l->glob, .tenant = tenant, .host = host, .followed = on_followed, .ctx = l };
	struct vg_buf places = { 0 };
	vg_rc rc;

	if ((rc = read_file(l, PLACES, &places)) == VG_OK) {
		rc = vg_tail_new(l->env->loop, vg_sender_gate(l->sender), &o, vg_buf_str(&places), &l->tail);
		if (rc == VG_E_FORMAT || rc == VG_E_TRUNC) { /* read again: ids tell what is known */
			vg_role_say(l->env, VG_LOG_WARNING, "local: the places that files were read to are damaged; they are read from the beginning");
			rc = vg_tail_new(l->env->loop, vg_sender_gate(l->sender), &o, VG_NIL, &l->tail);
		} else if (rc == VG_E_UNSUP) {
			vg_role_say(l->env, VG_LOG_ERROR, "local: local/" PLACES " is of a later version of Vigie: install that one, or a later one; nothing was changed");
		}
	}
	vg_buf_fini(&places);
	return rc;
}

static vg_rc
begin_journal(struct local *l, vg_str tenant, vg_str host)
{
	struct vg_journald_options o = { .tenant = tenant, .host = host, .say = say, .ctx = l };
	struct vg_buf cursor = { 0 };
	vg_rc rc;

	if ((rc = read_file(l, CURSOR, &cursor)) == VG_OK && (rc = vg_journald_new(l->env->loop, vg_sender_gate(l->sender), &o, vg_buf_str(&cursor), &l->journal)) == VG_E_FORMAT)
		rc = vg_journald_new(l->env->loop, vg_sender_gate(l->sender), &o, VG_NIL, &l->journal);
	vg_buf_fini(&cursor);
	return rc;
}

static vg_rc
split_globs(struct local *l)
{
	vg_str text = vg_role_text(l->env, "files"), line;
	size_t n = 0;
	char *p;

	if (text.n == 0)
		return VG_OK;
	if ((l->globs = malloc(text.n + 1)) == NULL)
		return VG_E_NOMEM;
	memcpy(l->globs, text.p, text.n);
	l->globs[text.n] = 0;
	p = l->globs;
	while (vg_str_split(&text, '\n', &line) && n < GLOBS_MAX) {
		p[line.n] = 0;
		if (line.n)
			l->glob[n++] = p;
		p += line.n + 1;
	}
	return VG_OK;
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct local the_local;
	struct local *l = &the_local;
	struct vg_sender_ops ops = { l, on_room, on_kept };
	vg_str tenant = vg_role_text(e, "tenant"), host = vg_role_text(e, "host");
	bool journal = vg_role_number(e, "journal", 1) != 0;
	vg_rc rc;

	l->env = e;
	e->ctx = l;
	l->d = (struct vg_disk){ .dir = vg_role_fd(e, "folder") };
	if (l->d.dir < 0)
		return VG_E_NOTFOUND;
	/* it opens logs wherever they are: no root of its own, but Landlock with the folders of its patterns; it cannot connect, nor execute */
	limits->may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_WRITE | VG_MAY_WATCH;
	limits->dir = l->d.dir;
	limits->see = l->see.read.path;
	limits->list = l->see.names.path;
	limits->data_bytes = (size_t)256 << 20;
	vg_journald_prepare();
	if ((rc = vg_kick_new(e->loop, on_kick, l, &l->kick)) != VG_OK)
		return rc;
	if ((rc = split_globs(l)) != VG_OK || (rc = vg_see_of(l->glob, journal, l->d.dir, &l->see)) != VG_OK || (rc = vg_sender_new(e, true, &ops, &l->sender)) != VG_OK || (rc = begin_tail(l, tenant, host)) != VG_OK)
		return rc;
	return journal ? begin_journal(l, tenant, host) : VG_OK;
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	struct local *l = e->ctx;

	(void)index;
	return role == VG_ROLE_VAULT ? vg_sender_vault(l->sender, fd) : VG_E_FORMAT;
}

static void
tick(struct vg_role_env *e)
{
	struct local *l = e->ctx;
	struct vg_sender_counts n;
	struct vg_tail_counts t = { 0 };
	struct vg_journald_counts j = { 0 };
	struct vg_buf b = { 0 };

	write_places(l);
	vg_sender_count(l->sender, &n);
	if (l->tail)
		vg_tail_count(l->tail, &t);
	if (l->journal)
		vg_journald_count(l->journal, &j);
	vg_buf_printf(&b, "records %llu\nkept %llu\nfiles %u\nunreadable %u\nover %u\nchanged %llu\nskipped_bytes %llu\njournal %d\njournal_missing %d\n"
		      "journal_gaps %llu\n",
		      (unsigned long long)n.taken, (unsigned long long)n.kept, t.files, t.unreadable, t.over, (unsigned long long)t.changed,
		      (unsigned long long)t.skipped, j.open, l->journal && !j.open, (unsigned long long)j.gaps);
	if (t.unreadable)
		vg_role_stat_labelled(&b, "unreadable_file", "path", t.denied);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

static void
stop(struct vg_role_env *e)
{
	write_places(e->ctx);
	vg_role_done(e);
}

const struct vg_role_impl vg_local_role = { VG_ROLE_LOCAL, prepare, NULL, peer, NULL, tick, stop };
