#include "net/journald.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/time.h"
#include "base/utf.h"
#include "net/kick.h"
#include "vault/record.h"

#define MARKS 8
#define POLL_MS 1000

struct mark { /* when the gate has kept @taken records, all up to @cursor are kept */
	uint64_t taken;
	char cursor[VG_JOURNALD_CURSOR_MAX + 1];
};
struct vg_journald {
	struct vg_loop *l;
	const struct vg_gate *g;
	struct vg_journald_options o; /* with strings of our own */
	char *tenant, *host, *folder; /* owned */
	sd_journal *sd;               /* NULL: closed */
	struct vg_watch *watch;
	struct vg_kick *kick;
	int64_t tried_ns;             /* when it was last opened, or tried */
	uint64_t kept;
	struct mark mark[MARKS];
	unsigned nmark;
	char at[VG_JOURNALD_CURSOR_MAX + 1]; /* of the last entry that was given; "" when none was */
	char last[VG_JOURNALD_CURSOR_MAX + 1]; /* of the last one that was kept */
	bool full;    /* the gate does not take */
	bool at_hand; /* the entry that the journal stands at was not given yet */
	bool found;   /* after opening: the place where to go on was looked for */
	unsigned said;
	struct vg_journald_counts counts;
	struct vg_buf entry;
};

enum reason { SAID_NONE = 1, SAID_PART = 2, SAID_ERROR = 4 };

static void
say(struct vg_journald *j, enum reason why, const char *text)
{
	if (!(j->said & why) && j->o.say)
		j->o.say(j->o.ctx, text);
	j->said |= why;
}

/* ---- one entry ---- */

/* Would journalctl print it as it is?  UTF-8 without control characters, but tabs. */
static bool
is_printable(vg_str s)
{
	while (s.n) {
		uint32_t cp;
		size_t n = vg_utf8_next(s, &cp);

		if (n == 0 || (cp < 0x20 && cp != '\t') || (cp >= 0x7f && cp <= 0x9f) || (cp >= 0xfdd0 && cp <= 0xfdef) || (cp & 0xfffe) == 0xfffe)
			return false;
		s = vg_str_skip(s, n);
	}
	return true;
}

/* Names as journald takes them. */
static bool
is_name(vg_str s)
{
	if (s.n == 0 || s.n > 64 || vg_is_digit(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'A' && s.p[i] <= 'Z') && !vg_is_digit(s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

static void
put_field(struct vg_buf *b, vg_str field, size_t eq)
{
	if (is_printable(field)) {
		vg_buf_put(b, field);
	} else {
		vg_buf_put(b, vg_str_cut(field, eq));
		vg_buf_putc(b, '\n');
		vg_buf_le64(b, field.n - eq - 1);
		vg_buf_put(b, vg_str_skip(field, eq + 1));
	}
	vg_buf_putc(b, '\n');
}

/* The fields but the boot's number, which stands in the head; how many were left out since the record would be too long. */
static uint64_t
put_fields(struct vg_journald *j, struct vg_buf *b)
{
	uint64_t over = 0;
	const void *p;
	size_t n;
	int r;

	sd_journal_restart_data(j->sd);
	while ((r = sd_journal_enumerate_available_data(j->sd, &p, &n)) > 0) {
		vg_str field = vg_str_mem(p, n);
		size_t eq = vg_str_chr(field, '=');

		if (vg_str_starts(field, VG_STR("_BOOT_ID=")))
			continue;
		if (eq == VG_NPOS || !is_name(vg_str_cut(field, eq)))
			j->counts.damaged++;
		else if (n > VG_RECORD_RAW_MAX - 16 || b->n + n + 16 > VG_RECORD_RAW_MAX) /* length, and ends of lines */
			over++;
		else
			put_field(b, field, eq);
	}
	j->counts.damaged += r < 0;
	return over;
}

/* The entry that the journal stands at, into j->entry, and its cursor.  < 0: it cannot be read. */
static int
take_entry(struct vg_journald *j, char cursor[VG_JOURNALD_CURSOR_MAX + 1], uint64_t *over)
{
	struct vg_buf *b = &j->entry;
	uint64_t real_us, mono_us;
	sd_id128_t boot;
	char *c, hex[SD_ID128_STRING_MAX];
	size_t n;
	int r;

	if ((r = sd_journal_get_realtime_usec(j->sd, &real_us)) < 0 || (r = sd_journal_get_monotonic_usec(j->sd, &mono_us, &boot)) < 0 ||
	    (r = sd_journal_get_cursor(j->sd, &c)) < 0)
		return r;
	n = strlen(c);
	if (n <= VG_JOURNALD_CURSOR_MAX)
		memcpy(cursor, c, n + 1);
	free(c);
	if (n > VG_JOURNALD_CURSOR_MAX)
		return -EBADMSG;
	vg_buf_clear(b);
	vg_buf_printf(b, "__CURSOR=%s\n__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%llu\n_BOOT_ID=%s\n", cursor,
		      (unsigned long long)real_us, (unsigned long long)mono_us, sd_id128_to_string(boot, hex));
	*over = put_fields(j, b);
	vg_buf_putc(b, '\n');
	return b->rc == VG_OK ? 0 : -ENOMEM;
}

static bool
give(struct vg_journald *j, const char *name, vg_str id, vg_str raw, uint64_t over)
{
	struct vg_speaker s = { .tenant = j->o.tenant, .name = vg_str_of(name), .listener = VG_STR("journal"), .proof = VG_PROOF_LOCAL };
	uint32_t source = j->g->source(j->g->ctx, &s);

	if (source == VG_GATE_NONE)
		return false; /* the gate has counted it; again in a second */
	j->full = !j->g->take(j->g->ctx, source, vg_clock_ns(), id, raw);
	if (!j->full && over)
		j->g->refused(j->g->ctx, source, VG_REFUSED_LONG, over);
	return !j->full;
}

static bool
tell_gap(struct vg_journald *j, const char *is)
{
	struct vg_buf b = { 0 };
	char name[300];
	bool ok = true;

	snprintf(name, sizeof(name), "%.*s:vigie-journal", VG_STR_ARG(j->o.host));
	vg_buf_puts(&b, "{\"vigie\":\"journal-gap\",\"was\":");
	vg_buf_json_str(&b, vg_str_of(j->at));
	vg_buf_puts(&b, ",\"is\":");
	vg_buf_json_str(&b, vg_str_of(is));
	vg_buf_putc(&b, '}');
	if (b.rc == VG_OK)
		ok = give(j, name, vg_str_of(is), vg_buf_str(&b), 0);
	vg_buf_fini(&b);
	j->counts.gaps += ok;
	return ok;
}

/* ---- turns ---- */

static void
keep(struct vg_journald *j)
{
	unsigned n = 0;

	while (n < j->nmark && j->mark[n].taken <= j->kept)
		memcpy(j->last, j->mark[n++].cursor, sizeof(j->last));
	j->nmark -= n;
	memmove(j->mark, j->mark + n, j->nmark * sizeof(*j->mark));
}

static void
mark(struct vg_journald *j)
{
	const char *before = j->nmark ? j->mark[j->nmark - 1].cursor : j->last;

	if (strcmp(before, j->at) == 0)
		return;
	if (j->nmark == MARKS)
		j->nmark--; /* the one before will do: it says less, and later */
	j->mark[j->nmark].taken = j->g->taken(j->g->ctx);
	memcpy(j->mark[j->nmark++].cursor, j->at, sizeof(j->at));
	keep(j);
}

static void
shut(struct vg_journald *j)
{
	vg_watch_free(j->watch);
	j->watch = NULL;
	sd_journal_close(j->sd); /* NULL is nothing */
	j->sd = NULL;
	j->at_hand = j->found = j->counts.open = false;
}

static void
fail(struct vg_journald *j, const char *what, int r)
{
	char text[200];

	snprintf(text, sizeof(text), "the journal cannot be read: %s: %s; tried again each minute", what, strerror(-r));
	say(j, SAID_ERROR, text);
	shut(j);
}

/* On to the next entry.  1: there is one, 0: not yet, < 0: an error. */
static int
step(struct vg_journald *j)
{
	int r = j->at_hand ? 1 : sd_journal_next(j->sd);

	if (r <= 0)
		return r;
	if (!j->found && !j->at_hand && j->at[0] && sd_journal_test_cursor(j->sd, j->at) > 0) {
		j->found = true; /* the last one that was given: what is wanted comes behind it */
		return step(j);
	}
	j->at_hand = true;
	return 1;
}

/* The entry at hand to the gate.  false: it is full. */
static bool
give_entry(struct vg_journald *j)
{
	char cursor[VG_JOURNALD_CURSOR_MAX + 1], host[256];
	uint64_t over = 0;
	int r = take_entry(j, cursor, &over);

	if (r == -ENOMEM)
		return false; /* later */
	if (r < 0) {
		j->counts.damaged++;
		j->at_hand = false;
		return true;
	}
	if (!j->found && j->at[0] && !tell_gap(j, cursor))
		return false;
	j->found = true;
	snprintf(host, sizeof(host), "%.*s", VG_STR_ARG(j->o.host));
	if (!give(j, host, vg_str_of(cursor), vg_buf_str(&j->entry), over))
		return false;
	memcpy(j->at, cursor, sizeof(cursor));
	j->at_hand = false;
	j->said &= SAID_PART; /* it works: what keeps it from then on is news */
	return true;
}

static void
go_on(void *ctx)
{
	struct vg_journald *j = ctx;
	size_t bytes = 0;
	int r = 1;

	if (j->sd == NULL || j->full)
		return;
	while (bytes < VG_JOURNALD_TURN_BYTES && (r = step(j)) > 0 && give_entry(j))
		bytes += j->entry.n + 256; /* one that cannot be read costs something too */
	mark(j);
	if (r < 0)
		fail(j, "next entry", r);
	else if (r > 0 && bytes >= VG_JOURNALD_TURN_BYTES)
		vg_kick(j->kick);
}

static void
on_change(void *ctx, uint32_t events)
{
	struct vg_journald *j = ctx;
	int r = sd_journal_process(j->sd);

	(void)events;
	if (r < 0)
		fail(j, "its folders", r);
	go_on(j);
}

/* ---- opening ---- */

/* The system's own journals, can one of them be read? */
static bool
reads_system(void)
{
	static const char *const where[] = { "/var/log/journal/*/system.journal", "/run/log/journal/*/system.journal" };
	bool can = false;

	for (size_t i = 0; i < VG_COUNT(where); i++) {
		glob_t found = { 0 };

		if (glob(where[i], GLOB_NOSORT, NULL, &found) == 0)
			for (size_t k = 0; k < found.gl_pathc && !can; k++)
				can = access(found.gl_pathv[k], R_OK) == 0;
		globfree(&found);
	}
	return can;
}

static int
seek(struct vg_journald *j)
{
	int64_t since_us = (vg_clock_ns() - VG_JOURNALD_FIRST_S * VG_SEC) / 1000;

	if (j->at[0] && sd_journal_seek_cursor(j->sd, j->at) >= 0)
		return 0;
	return sd_journal_seek_realtime_usec(j->sd, (uint64_t)(since_us > 0 ? since_us : 0)); /* of a cursor that is none: a gap */
}

static int
open_files(struct vg_journald *j)
{
	uint64_t bytes = 0;
	int r = j->o.folder ? sd_journal_open_directory(&j->sd, j->o.folder, 0) : sd_journal_open(&j->sd, SD_JOURNAL_LOCAL_ONLY);

	if (r < 0) {
		j->sd = NULL;
		return r;
	}
	if ((r = sd_journal_get_usage(j->sd, &bytes)) < 0)
		return r;
	if (bytes == 0)
		return -ENOENT;
	(void)sd_journal_set_data_threshold(j->sd, VG_RECORD_RAW_MAX);
	return seek(j);
}

static void
open_journal(struct vg_journald *j)
{
	int r = open_files(j), fd;

	j->tried_ns = vg_monotonic_ns();
	if (r == -ENOENT || r == -EACCES || r == -EPERM) {
		say(j, SAID_NONE,
		    "no journal of systemd can be read: there is none, or this user is not in the group systemd-journal; tried again each minute");
		shut(j);
		return;
	}
	if (r < 0) {
		fail(j, "opening", r);
		return;
	}
	if ((fd = sd_journal_get_fd(j->sd)) < 0) {
		fail(j, "watching", fd);
		return;
	}
	if (vg_watch_new(j->l, fd, EPOLLIN, on_change, j, &j->watch) != VG_OK) {
		fail(j, "watching", -errno);
		return;
	}
	j->counts.open = true;
	if (j->o.folder == NULL && !reads_system())
		say(j, SAID_PART, "of systemd's journal only this user's own part can be read: it is not in the group systemd-journal");
	vg_kick(j->kick);
}

static void
on_poll(void *ctx)
{
	struct vg_journald *j = ctx;

	if (j->sd)
		on_change(j, 0);
	else if (vg_monotonic_ns() - j->tried_ns >= VG_JOURNALD_AGAIN_S * VG_SEC)
		open_journal(j);
}

/* ---- beginning and end ---- */

void
vg_journald_prepare(void)
{
	sd_id128_t id;

	(void)sd_id128_get_machine(&id); /* libsystemd keeps it */
}

static vg_rc
take_options(struct vg_journald *j, const struct vg_journald_options *o, vg_str cursor)
{
	if (cursor.n > VG_JOURNALD_CURSOR_MAX || vg_str_chr(cursor, 0) != VG_NPOS)
		return VG_E_FORMAT;
	memcpy(j->at, cursor.n ? cursor.p : "", cursor.n);
	memcpy(j->last, j->at, sizeof(j->at));
	j->o = *o;
	j->tenant = strndup(o->tenant.n ? o->tenant.p : "", o->tenant.n);
	j->host = strndup(o->host.n ? o->host.p : "", o->host.n);
	j->folder = o->folder ? strdup(o->folder) : NULL;
	j->o.tenant = vg_str_of(j->tenant);
	j->o.host = vg_str_of(j->host);
	j->o.folder = j->folder;
	return j->tenant && j->host && (j->folder || !o->folder) ? VG_OK : VG_E_NOMEM;
}

vg_rc
vg_journald_new(struct vg_loop *l, const struct vg_gate *g, const struct vg_journald_options *o, vg_str cursor, struct vg_journald **out)
{
	struct vg_journald *j = calloc(1, sizeof(*j));
	vg_rc rc;

	if (j == NULL)
		return VG_E_NOMEM;
	j->l = l;
	j->g = g;
	if ((rc = take_options(j, o, cursor)) != VG_OK || (rc = vg_kick_new(l, go_on, j, &j->kick)) != VG_OK ||
	    (rc = vg_loop_every(l, POLL_MS, on_poll, j)) != VG_OK) {
		vg_journald_free(j);
		return rc;
	}
	open_journal(j);
	*out = j;
	return VG_OK;
}

void
vg_journald_free(struct vg_journald *j)
{
	int e = errno;

	if (j == NULL)
		return;
	shut(j);
	vg_kick_free(j->kick);
	vg_buf_fini(&j->entry);
	free(j->tenant);
	free(j->host);
	free(j->folder);
	free(j);
	errno = e;
}

void
vg_journald_room(struct vg_journald *j)
{
	if (!j->full)
		return;
	j->full = false;
	vg_kick(j->kick);
}

void
vg_journald_kept(struct vg_journald *j, uint64_t taken)
{
	j->kept = taken;
	keep(j);
}

vg_str
vg_journald_cursor(const struct vg_journald *j)
{
	return vg_str_of(j->last);
}

void
vg_journald_count(const struct vg_journald *j, struct vg_journald_counts *out)
{
	*out = j->counts;
}
