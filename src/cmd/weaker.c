#include "cmd/weaker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/watch.h"
#include "proc/role.h"
#include "proc/sandbox.h"

#define NAME_COLUMNS 12
#define COLUMNS 80
#define PERSON_UID 1000      /* accounts of people begin here (login.defs: UID_MIN) */
#define NOBODY_UID 65534
#define WITNESS_S 120        /* one that asks comes every few seconds */

struct look {
	vg_str status;
	const struct vg_house *house;
	uid_t owner; /* whom the state belongs to: as whom the watch runs */
	int64_t now_ns;
};

static bool
any_role_is(const struct look *l, int64_t weakness)
{
	for (unsigned r = 0; r < VG_ROLES; r++)
		for (unsigned i = 0; i < VG_ROLE_INDEX_MAX; i++)
			if (vg_status_number(l->status, vg_role_name(r), i, "weakness", 0) & weakness)
				return true;
	return false;
}

static bool
is_root(const struct look *l)
{
	return l->owner == 0;
}

static bool
is_person(const struct look *l)
{
	return l->owner >= PERSON_UID && l->owner < NOBODY_UID;
}

static bool
has_no_landlock(const struct look *l)
{
	return any_role_is(l, VG_WEAK_LANDLOCK);
}

static bool
has_no_roots(const struct look *l)
{
	return any_role_is(l, VG_WEAK_ROOT);
}

static bool
has_no_journal(const struct look *l)
{
	return vg_status_number(l->status, "local", 0, "journal_missing", 0) != 0;
}

static bool
has_unreadable(const struct look *l)
{
	return vg_status_number(l->status, "local", 0, "unreadable", 0) != 0;
}

static bool
has_no_witness(const struct look *l)
{
	return l->now_ns / VG_SEC - vg_status_number(l->status, "publish", 0, "witness_seconds", 0) > WITNESS_S;
}

static bool
has_recovery_key(const struct look *l)
{
	return faccessat(l->house->dir, "keys/recovery.secret", F_OK, 0) == 0;
}

static const struct weaker {
	const char *name; /* for scripts */
	bool (*is)(const struct look *l);
	const char *text, *advice;
	const char *example; /* NULL, or what stands in the status before one */
} the_weaker[] = {
	{ "witness", has_no_witness, "No witness pulls from it: whoever takes this machine can erase or rewrite all that it kept, and nobody outside can tell.",
	  "On a machine under other administrators: `vigie witness --from https://THIS:9443 --state DIR`.", NULL },
	{ "recovery", has_recovery_key, "The recovery key lies on the machine that it is to recover: a copy of the machine can read everything and order its destruction.",
	  "Print it with `vigie vault recovery-key`, give it to the director, then `vigie vault recovery-key --remove`.", NULL },
	{ "root", is_root, "Its processes run as root, though without root's powers.", "Give it a user of its own: `make install` brings vigie.service and that user.", NULL },
	{ "person", is_person, "It runs as a person's account: each program that this person starts can stop it, read its keys and erase what it keeps.",
	  "Give it a user of its own: `make install` brings vigie.service and that user.", NULL },
	{ "landlock", has_no_landlock, "This kernel has no Landlock: one wall of three around each process is missing.", "Use Linux 5.13 or later, with landlock in lsm=.", NULL },
	{ "root-folder", has_no_roots, "Processes could not be given a root folder of their own: one wall of three around each is missing.",
	  "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1.", NULL },
	{ "journal", has_no_journal, "No journal of systemd can be read on this machine.",
	  "When there is one: usermod -aG systemd-journal USER, then start the watch again; else local.journal: no.", NULL },
	{ "files", has_unreadable, "Log files of this machine cannot be read.", "usermod -aG adm USER, then start the watch again; or take them from local.files.",
	  "local.0.unreadable_file{path=\"" },
};

static void
put_row(struct vg_buf *b, const char *name, vg_str text)
{
	vg_buf_printf(b, "%-*s", NAME_COLUMNS, name);
	vg_buf_wrap(b, text, NAME_COLUMNS, NAME_COLUMNS, COLUMNS);
}

static void
put_example(struct vg_buf *b, vg_str status, vg_str head)
{
	vg_str line;

	while (vg_str_split(&status, '\n', &line))
		if (vg_str_starts(line, head)) {
			line = vg_str_skip(line, head.n);
			put_row(b, "", vg_str_cut(line, vg_str_chr(line, '"')));
			return;
		}
}

static struct look
look_at(vg_str status, const struct vg_house *h, int64_t now_ns)
{
	struct look l = { status, h, 0, now_ns };
	struct stat st;

	if (fstat(h->dir, &st) == 0)
		l.owner = st.st_uid;
	return l;
}

void
vg_put_weaker(struct vg_buf *b, vg_str status, const struct vg_house *h, int64_t now_ns)
{
	struct look l = look_at(status, h, now_ns);
	bool any = false;

	for (size_t i = 0; i < VG_COUNT(the_weaker); i++) {
		const struct weaker *w = &the_weaker[i];

		if (!w->is(&l))
			continue;
		if (!any)
			vg_buf_puts(b, "\nWEAKER THAN IT COULD BE\n");
		any = true;
		put_row(b, w->name, vg_str_of(w->text));
		if (w->example)
			put_example(b, status, vg_str_of(w->example));
		put_row(b, "", vg_str_of(w->advice));
	}
}

void
vg_put_weaker_json(struct vg_buf *b, vg_str status, const struct vg_house *h, int64_t now_ns)
{
	struct look l = look_at(status, h, now_ns);
	bool any = false;

	vg_buf_putc(b, '[');
	for (size_t i = 0; i < VG_COUNT(the_weaker); i++)
		if (the_weaker[i].is(&l)) {
			vg_buf_printf(b, "%s\"%s\"", any ? "," : "", the_weaker[i].name);
			any = true;
		}
	vg_buf_putc(b, ']');
}
