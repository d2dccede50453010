#include "source/utmp.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/cur.h"

enum { UT_RUN_LVL = 1, UT_BOOT = 2, UT_NEW_TIME = 3, UT_OLD_TIME = 4, UT_USER = 7, UT_TYPES = 10 };

struct utmp {
	uint16_t type;
	uint32_t pid;
	vg_str line, id, user, host;
	uint16_t term, exit;
	uint32_t session, sec, usec;
	vg_str addr;
};

static vg_str
text(struct vg_cur *c, size_t n)
{
	vg_str s = vg_cur_bytes(c, n);
	size_t z = vg_str_chr(s, '\0');

	return z == VG_NPOS ? s : vg_str_cut(s, z);
}

static void
decode(const uint8_t *p, struct utmp *u)
{
	struct vg_cur c = vg_cur_of(p, VG_UTMP_RECORD);

	u->type = vg_cur_le16(&c);
	(void)vg_cur_le16(&c);
	u->pid = vg_cur_le32(&c);
	u->line = text(&c, 32);
	u->id = text(&c, 4);
	u->user = text(&c, 32);
	u->host = text(&c, 256);
	u->term = vg_cur_le16(&c);
	u->exit = vg_cur_le16(&c);
	u->session = vg_cur_le32(&c);
	u->sec = vg_cur_le32(&c);
	u->usec = vg_cur_le32(&c);
	u->addr = vg_cur_bytes(&c, 16);
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static bool
printable(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

/* Could these be the bytes of a record? */
static bool
plausible(const uint8_t *p)
{
	struct utmp u;

	decode(p, &u);
	return u.type < UT_TYPES && p[2] == 0 && p[3] == 0 && u.usec < 1000000 && u.sec > 315532800 /* 1980 */ &&
	       printable(u.line) && printable(u.id) && all_zero(p + 364, 20);
}

/* The name of the file without folders; a number of logrotate behind it may stay. */
static vg_str
base_name(vg_str f)
{
	for (size_t i = f.n; i > 0; i--)
		if (f.p[i - 1] == '/')
			return vg_str_skip(f, i);
	return f;
}

int
vg_utmp_probe(vg_str head, bool whole, vg_str filename)
{
	size_t good = 0, zero = 0, n = head.n / VG_UTMP_RECORD;
	vg_str name = base_name(filename);
	bool named = vg_str_starts(name, VG_STR("wtmp")) || vg_str_starts(name, VG_STR("btmp")) ||
		     vg_str_starts(name, VG_STR("utmp"));

	(void)whole;
	if (n > 32)
		n = 32;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = (const uint8_t *)head.p + i * VG_UTMP_RECORD;

		if (all_zero(p, VG_UTMP_RECORD))
			zero++;
		else if (plausible(p))
			good++;
	}
	if (n == 0)
		return 0;
	if (good && good + zero == n)
		return 92;
	if (named && (zero == n || good * 2 > n))
		return 80;
	return 0;
}

struct walk {
	struct vg_reader *r;
	vg_str log;
	bool ordered; /* records come in the order of time */
	uint64_t number, zeroed, zeroed_at;
	int64_t last_ns;
	vg_rc rc;
};

static void
add(struct walk *w, const char *name, enum vg_kind kind, vg_str v)
{
	vg_rc rc = vg_event_add(w->r->event, vg_str_of(name), kind, v);

	if (rc == VG_E_NOMEM)
		w->rc = rc;
}

static void
add_number(struct walk *w, const char *name, int64_t v)
{
	char t[24];
	int n = snprintf(t, sizeof(t), "%lld", (long long)v);

	add(w, name, VG_KIND_INT, vg_str_dup(w->r->event->arena, vg_str_mem(t, (size_t)n)));
}

/* IPv4 stands in the first four bytes, the others zero; also when it is mapped into IPv6. */
static void
add_addr(struct walk *w, vg_str a)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char t[INET6_ADDRSTRLEN];
	const uint8_t *p = (const uint8_t *)a.p;
	bool v4 = true;

	if (a.n != 16 || all_zero(p, 16))
		return;
	if (memcmp(p, mapped, 12) == 0)
		p += 12;
	else
		v4 = all_zero(p + 4, 12);
	if (inet_ntop(v4 ? AF_INET : AF_INET6, p, t, sizeof(t)))
		add(w, "ut_addr", VG_KIND_TEXT, vg_str_dup(w->r->event->arena, vg_str_of(t)));
}

static void
end_of_zeroes(struct walk *w)
{
	if (w->zeroed == 0)
		return;
	vg_reader_note(w->r, VG_NOTE_ERASED, w->zeroed_at, "%llu records of %.*s are zeroed",
		       (unsigned long long)w->zeroed, VG_STR_ARG(w->log));
	w->zeroed = 0;
}

static vg_rc
one_record(struct walk *w, const uint8_t *p)
{
	static const char *const types[UT_TYPES] = { "EMPTY", "RUN_LVL", "BOOT_TIME", "NEW_TIME", "OLD_TIME",
						     "INIT_PROCESS", "LOGIN_PROCESS", "USER_PROCESS",
						     "DEAD_PROCESS", "ACCOUNTING" };
	struct vg_reader *r = w->r;
	struct vg_event *e = r->event;
	struct utmp u;
	bool sane = plausible(p);

	decode(p, &u);
	vg_event_reset(e);
	e->offset = r->in->offset;
	e->record = w->number;
	e->raw = vg_str_mem(p, VG_UTMP_RECORD);
	e->channel = w->log;
	e->time_ns = (int64_t)u.sec * VG_SEC + (u.usec < 1000000 ? (int64_t)u.usec * 1000 : 0);
	if (u.sec == 0) {
		e->time_ns = VG_TIME_NONE;
		e->flags |= VG_EVENT_TIME_MISSING;
	}
	if (!sane) {
		e->flags |= VG_EVENT_PARTIAL;
		vg_reader_note(r, VG_NOTE_RECORD_BAD, e->offset, "not a record of %.*s; read all the same",
			       VG_STR_ARG(w->log));
	} else {
		if (w->ordered && w->last_ns != VG_TIME_NONE && u.type != UT_NEW_TIME && u.type != UT_OLD_TIME &&
		    u.type != UT_BOOT && e->time_ns < w->last_ns - VG_UTMP_BACK_S * VG_SEC)
			vg_reader_note(r, VG_NOTE_ERASED, e->offset,
				       "time goes back by %lld s: records were moved, or the clock was",
				       (long long)((w->last_ns - e->time_ns) / VG_SEC));
		w->last_ns = e->time_ns;
	}
	add(w, "program", VG_KIND_TEXT, w->log);
	add_number(w, "ut_type", (int16_t)u.type);
	if (u.type < UT_TYPES)
		add(w, "ut_type_name", VG_KIND_TEXT, vg_str_of(types[u.type]));
	add_number(w, "ut_pid", (int32_t)u.pid);
	if (u.line.n)
		add(w, "ut_line", VG_KIND_TEXT, u.line);
	if (u.id.n)
		add(w, "ut_id", VG_KIND_TEXT, u.id);
	if (u.user.n)
		add(w, "ut_user", VG_KIND_TEXT, u.user);
	if (u.host.n)
		add(w, "ut_host", VG_KIND_TEXT, u.host);
	add_addr(w, u.addr);
	if (u.session)
		add_number(w, "ut_session", (int32_t)u.session);
	if (u.term || u.exit) {
		add_number(w, "ut_exit_termination", (int16_t)u.term);
		add_number(w, "ut_exit_status", (int16_t)u.exit);
	}
	return w->rc != VG_OK ? w->rc : vg_reader_emit(r);
}

vg_rc
vg_utmp_read(struct vg_reader *r)
{
	vg_str name = base_name(r->name);
	struct walk w = { .r = r, .log = VG_STR("wtmp"), .last_ns = VG_TIME_NONE };
	vg_rc rc = VG_OK;
	size_t n;

	if (vg_str_ifind(name, VG_STR("btmp")) != VG_NPOS)
		w.log = VG_STR("btmp");
	else if (vg_str_ifind(name, VG_STR("utmp")) != VG_NPOS)
		w.log = VG_STR("utmp");
	w.ordered = !vg_str_eq(w.log, VG_STR("utmp")); /* that one is a table: a line's record is written over */
	while (rc == VG_OK && (n = vg_input_peek(r->in, VG_UTMP_RECORD)) > 0) {
		if (n < VG_UTMP_RECORD) {
			end_of_zeroes(&w);
			vg_reader_note(r, VG_NOTE_TRUNCATED, r->in->offset,
				       "%zu bytes at the end: the size of %.*s is no multiple of %d", n,
				       VG_STR_ARG(w.log), VG_UTMP_RECORD);
			vg_input_skip(r->in, n);
			break;
		}
		w.number++;
		if (all_zero(r->in->p, VG_UTMP_RECORD)) {
			if (w.zeroed++ == 0)
				w.zeroed_at = r->in->offset;
		} else {
			end_of_zeroes(&w);
			rc = one_record(&w, r->in->p);
		}
		vg_input_skip(r->in, VG_UTMP_RECORD);
	}
	end_of_zeroes(&w);
	return rc != VG_OK ? rc : r->in->rc;
}
