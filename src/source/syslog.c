#include "source/syslog.h"

#define PROGRAM_MAX 128 /* RFC 5424 has 48; paths of programs are longer */
#define PROBE_LINES 50

/* A line's parts, borrowed from it. */
struct head {
	int64_t time_ns;
	uint32_t flags; /* enum vg_event_flag */
	int pri;        /* -1 when there is none */
	vg_str host, program, pid, msgid, sd, msg;
	bool sure; /* more than a time: a tag, a PRI or structured data */
};

static const char *const facilities[] = {
	"kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
	"uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock",
	"local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7",
};
static const char *const severities[] = { "emerg",   "alert",  "crit", "err",
					  "warning", "notice", "info", "debug" };

/* The character at @i, NUL when there is none. */
static char
at(vg_str s, size_t i)
{
	return i < s.n ? s.p[i] : 0;
}

/* Two digits, or a blank and one: -1 when they are not. */
static int
two(vg_str s, size_t i)
{
	char a = at(s, i), b = at(s, i + 1);

	if (!vg_is_digit(b) || (!vg_is_digit(a) && a != ' '))
		return -1;
	return (a == ' ' ? 0 : a - '0') * 10 + (b - '0');
}

static vg_str
word(vg_str s)
{
	return vg_str_cut(s, vg_str_chr(s, ' '));
}

static vg_str
skip_blanks(vg_str s)
{
	while (s.n && *s.p == ' ')
		s = vg_str_skip(s, 1);
	return s;
}

/* Move past the next word and one blank behind it. */
static vg_str
next_word(vg_str *s)
{
	vg_str w = word(*s);

	*s = vg_str_skip(*s, w.n + 1);
	return w;
}

/* "hh:mm:ss" with a fraction or without, and move past it. */
static bool
take_clock(vg_str *s, struct vg_civil *c)
{
	vg_str t = *s;
	int32_t unit = 100000000;

	c->hour = two(t, 0);
	c->min = two(t, 3);
	c->sec = two(t, 6);
	if (c->hour < 0 || c->min < 0 || c->sec < 0 || at(t, 2) != ':' || at(t, 5) != ':' ||
	    vg_is_digit(at(t, 8)))
		return false;
	t = vg_str_skip(t, 8);
	c->ns = 0;
	if ((at(t, 0) == '.' || at(t, 0) == ',') && vg_is_digit(at(t, 1))) {
		for (t = vg_str_skip(t, 1); t.n && vg_is_digit(*t.p); t = vg_str_skip(t, 1)) {
			c->ns += (*t.p - '0') * unit;
			unit /= 10;
		}
	}
	*s = t;
	return true;
}

static bool
take_year(vg_str *s, int *year)
{
	vg_str w = vg_str_cut(*s, 4);

	if (w.n < 4 || !vg_str_all_digits(w) || (s->n > 4 && s->p[4] != ' ' && s->p[4] != ':'))
		return false;
	*year = (w.p[0] - '0') * 1000 + (w.p[1] - '0') * 100 + (w.p[2] - '0') * 10 + (w.p[3] - '0');
	if (*year < 1970 || *year > 2261)
		return false;
	*s = vg_str_skip(*s, 5);
	return true;
}

/* The year that puts the time nearest before the latest it can be. */
static int64_t
time_without_year(struct vg_civil *c, const struct vg_syslog_guess *g)
{
	if (g->latest_ns == VG_TIME_NONE)
		return VG_TIME_NONE;
	for (int back = 0; back <= 8; back++) { /* a 29 February may be eight years ago */
		int64_t t;

		c->year = g->latest_year - back;
		t = vg_time_of(c, g->zone_s);
		if (t != VG_TIME_NONE && t <= g->latest_ns)
			return t;
	}
	return VG_TIME_NONE;
}

/* "Apr  3 08:12:45", "Apr 10 2018 12:34:56" and, after a day of the week, "Apr  3 08:12:45 2026".
 * @alone: the line names no host, as programs write that keep their own log. */
static bool
take_month_time(vg_str *s, const struct vg_syslog_guess *g, struct head *h, bool *alone)
{
	struct vg_civil c = { 0 };
	vg_str t = *s;
	bool year = false;

	*alone = false;
	if (t.n > 4 && t.p[3] == ' ' && memchr("MTWFS", t.p[0], 5) &&
	    vg_month_of(vg_str_cut(t, 3)) == 0) {
		static const char days[] = "MonTueWedThuFriSatSun";
		bool day = false;

		for (size_t i = 0; i < 7; i++)
			day = day || memcmp(t.p, days + i * 3, 3) == 0;
		if (!day)
			return false;
		*alone = true;
		t = vg_str_skip(t, 4);
	}
	if (t.n < 14 || t.p[3] != ' ' || (c.month = vg_month_of(vg_str_cut(t, 3))) == 0)
		return false;
	t = vg_str_skip(t, 4);
	if (vg_is_digit(at(t, 0)) && at(t, 1) == ' ') { /* one digit and no blank for the other */
		c.day = t.p[0] - '0';
		t = vg_str_skip(t, 2);
	} else if ((c.day = two(t, 0)) > 0 && at(t, 2) == ' ') {
		t = vg_str_skip(t, 3);
	} else {
		return false;
	}
	year = take_year(&t, &c.year);
	if (!take_clock(&t, &c))
		return false;
	if (t.n && *t.p != ' ' && *t.p != ':')
		return false;
	t = vg_str_skip(t, 1);
	if (*alone && !year && !(year = take_year(&t, &c.year)))
		*alone = false; /* "Fri Apr  3 08:12:45 host ..." */
	h->time_ns = year ? vg_time_of(&c, g->zone_s) : time_without_year(&c, g);
	h->flags |= VG_EVENT_ZONE_INFERRED | (year ? 0u : (unsigned)VG_EVENT_YEAR_INFERRED);
	if (h->time_ns == VG_TIME_NONE && (year || g->latest_ns != VG_TIME_NONE))
		return false;
	*s = skip_blanks(t);
	return true;
}

/* "2026-04-03T08:12:45.123456+02:00", or with a blank for the T and no zone: then @alone. */
static bool
take_iso_time(vg_str *s, const struct vg_syslog_guess *g, struct head *h, bool *alone)
{
	vg_str t = *s, w;
	bool colon;

	*alone = false;
	if (t.n < 19 || !vg_is_digit(t.p[0]) || t.p[4] != '-' || t.p[7] != '-' || t.p[13] != ':')
		return false;
	if (t.p[10] == ' ') {
		size_t n = 11 + word(vg_str_skip(t, 11)).n;

		w = vg_str_cut(t, n);
		*alone = true;
	} else if (t.p[10] == 'T') {
		w = word(t);
	} else {
		return false;
	}
	t = vg_str_skip(t, w.n + 1);
	if ((colon = w.p[w.n - 1] == ':'))
		w.n--; /* "2026-02-25T11:07:18+01:00: message" */
	if (w.n > 40 || (h->time_ns = vg_time_parse(w, g->zone_s)) == VG_TIME_NONE)
		return false;
	if (colon)
		*alone = true;
	w = vg_str_skip(w, 19);
	if (vg_str_chr(w, 'Z') == VG_NPOS && vg_str_chr(w, '+') == VG_NPOS &&
	    vg_str_chr(w, '-') == VG_NPOS)
		h->flags |= VG_EVENT_ZONE_INFERRED;
	*s = t;
	return true;
}

/* Structured data (RFC 5424, 6.3): how many bytes of @s it takes, 0 when it is none. */
static size_t
sd_length(vg_str s)
{
	size_t i = 0;

	while (at(s, i) == '[') {
		bool quoted = false;
		size_t id = ++i;

		while (i < s.n && s.p[i] != ' ' && s.p[i] != ']' && s.p[i] != '"' &&
		       s.p[i] != '=' && s.p[i] != '[')
			i++;
		if (i == id || i - id > 128 || (at(s, i) != ' ' && at(s, i) != ']'))
			return 0;
		while (i < s.n && (quoted || s.p[i] != ']')) {
			if (!quoted && s.p[i] == ' ' && at(s, i + 1) != ']') {
				size_t eq = i + 1;

				while (eq < s.n && s.p[eq] > ' ' && s.p[eq] != '=' &&
				       s.p[eq] != ']')
					eq++;
				if (eq == i + 1 || at(s, eq) != '=' || at(s, eq + 1) != '"')
					return 0; /* "[RDP Session] ..." is a message */
				i = eq + 1;
				quoted = true;
			} else if (quoted && s.p[i] == '\\') {
				i++;
			} else if (quoted && s.p[i] == '"') {
				quoted = false;
			}
			i++;
		}
		if (i >= s.n)
			return 0;
		i++;
	}
	return i;
}

static vg_str
nil_value(vg_str s)
{
	return s.n == 1 && *s.p == '-' ? VG_NIL : s;
}

/* APP-NAME PROCID MSGID STRUCTURED-DATA [MSG] at @s (RFC 5424, 6); @strict: no version said that it
 * is so. */
static bool
take_5424(vg_str s, bool strict, struct head *h)
{
	vg_str app = next_word(&s), proc = next_word(&s), msgid = next_word(&s);
	size_t n;

	if (app.n == 0 || proc.n == 0 || msgid.n == 0 || app.n > PROGRAM_MAX ||
	    msgid.n > PROGRAM_MAX)
		return false;
	if (strict && (!(vg_str_all_digits(proc) || vg_str_eq(proc, VG_STR("-"))) ||
		       app.p[app.n - 1] == ':' || vg_str_chr(app, '[') != VG_NPOS))
		return false;
	if (at(s, 0) == '-' && (s.n == 1 || s.p[1] == ' ')) {
		n = 1;
	} else if ((n = sd_length(s)) != 0) {
		h->sd = vg_str_cut(s, n);
	} else if (strict) {
		return false;
	}
	h->program = nil_value(app);
	h->pid = nil_value(proc);
	h->msgid = nil_value(msgid);
	s = vg_str_skip(s, n);
	if (at(s, 0) == ' ')
		s = vg_str_skip(s, 1);
	if (vg_str_starts(s, VG_STR("\xef\xbb\xbf")))
		s = vg_str_skip(s, 3);
	h->msg = s;
	return h->sure = true;
}

/* "program[pid]: " or "program: ".  Not one: a CEF or LEEF header, a number, "%ASA-6-302013:", a
 * word without colon. */
static bool
take_tag(vg_str s, struct head *h)
{
	size_t i = 0, pid, end;
	vg_str name;
	bool letter = false;

	while (i < s.n && i <= PROGRAM_MAX && (unsigned char)s.p[i] > ' ' && s.p[i] != ':' &&
	       s.p[i] != '[') {
		if (memchr("=\"',;<>|", s.p[i], 8))
			return false;
		letter = letter || (s.p[i] | 32) >= 'a';
		i++;
	}
	name = vg_str_cut(s, i);
	if (i == 0 || i > PROGRAM_MAX || !letter || *s.p == '%' || *s.p == '*')
		return false;
	if (at(s, i) == '[') {
		pid = i + 1;
		for (end = pid; end < s.n && end - pid < 32 && s.p[end] != ']' && s.p[end] != ' ';)
			end++;
		if (at(s, end) != ']' || end == pid)
			return false;
		h->pid = vg_str_cut(vg_str_skip(s, pid), end - pid);
		i = end + 1;
		if (at(s, i) == ':')
			i++;
		else if (i < s.n && s.p[i] != ' ')
			return false;
	} else if (at(s, i) == ':') {
		if (vg_str_eq(name, VG_STR("CEF")) || vg_str_eq(name, VG_STR("LEEF")))
			return false;
		i++;
		if (i < s.n && s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '[' && s.p[i] != '(')
			return false; /* "fe80::1", "key:value" */
	} else {
		return false;
	}
	h->program = name;
	s = vg_str_skip(s, i);
	h->msg = at(s, 0) == ' ' ? vg_str_skip(s, 1) : s;
	return h->sure = true;
}

/* Does OpenVPN write so?  Its lines carry microseconds, begin with a client or with one of its
 * words. */
static bool
is_openvpn(vg_str s)
{
	static const char *const words[] = {
		"OpenVPN ",
		"TLS: ",
		"TLS Error: ",
		"TLS Auth Error: ",
		"MULTI: ",
		"MANAGEMENT: ",
		"VERIFY ",
		"Control Channel: ",
		"Data Channel",
		"UDPv4 ",
		"TCPv4",
		"UDPv6 ",
		"TCPv6",
		"AUTH: ",
		"PUSH: ",
		"Initialization Sequence Completed",
		"SENT CONTROL ",
		"Peer Connection Initiated",
		"Incoming Control Channel",
		"Outgoing Control Channel",
		"Incoming Data Channel",
		"TUN/TAP device ",
	};
	vg_str w = word(s), port;
	size_t slash = vg_str_chr(w, '/'), colon;

	if (vg_str_starts(s, VG_STR("us=")))
		return true;
	for (size_t i = 0; i < VG_COUNT(words); i++)
		if (vg_str_starts(s, vg_str_of(words[i])))
			return true;
	if (slash != VG_NPOS)
		w = vg_str_skip(w, slash + 1);
	colon = vg_str_chr(w, ':');
	if (colon == VG_NPOS || colon < 7)
		return false;
	port = vg_str_skip(w, colon + 1);
	for (size_t i = 0; i < colon; i++)
		if (!vg_is_digit(w.p[i]) && w.p[i] != '.')
			return false;
	return vg_str_all_digits(port) && port.n <= 5;
}

/* What programs write after the time in a log of their own. */
static bool
take_alone(vg_str s, const struct vg_syslog_guess *g, struct head *h)
{
	vg_str rest = s, host = next_word(&rest);
	struct head tag = *h;

	if (g->openvpn || is_openvpn(s)) {
		if (vg_str_starts(s, VG_STR("us=")) && vg_str_all_digits(vg_str_skip(word(s), 3)) &&
		    word(s).n <= 9) {
			int32_t us = 0;

			for (size_t i = 3; i < word(s).n; i++)
				us = us * 10 + (s.p[i] - '0');
			if (us < 1000000 && h->time_ns != VG_TIME_NONE && h->time_ns % VG_SEC == 0)
				h->time_ns += us * 1000;
			(void)next_word(&s);
		}
		h->program = VG_STR("openvpn");
		h->sure = true;
	} else if (host.n && vg_str_chr(host, '/') == VG_NPOS && host.p[host.n - 1] != ':' &&
		   take_tag(rest, &tag) && tag.pid.n) {
		*h = tag;
		h->host = host;
		return true;
	}
	if (vg_str_starts(s, VG_STR(": ")))
		s = vg_str_skip(s, 2);
	h->msg = s;
	return true;
}

/* ESXi writes severity and priority for the host: "In(38) sshd[1053654]: ..." */
static bool
take_esxi(vg_str *s, struct head *h)
{
	vg_str w = word(*s), n;
	uint64_t pri;

	if (w.n < 5 || w.n > 7 || w.p[2] != '(' || w.p[w.n - 1] != ')')
		return false;
	n = (vg_str){ w.p + 3, w.n - 4 };
	if (!vg_str_all_digits(n) || !vg_str_u64(n, &pri) || pri > 191)
		return false;
	h->pri = (int)pri;
	*s = vg_str_skip(*s, w.n + 1);
	return true;
}

static bool
is_level(vg_str w)
{
	static const char *const levels[] = { "TRACE",   "DEBUG", "INFO",     "NOTICE", "WARN",
					      "WARNING", "ERROR", "CRITICAL", "FATAL" };

	for (size_t i = 0; i < VG_COUNT(levels); i++)
		if (vg_str_eq(w, vg_str_of(levels[i])))
			return true;
	return false;
}

/* Is @w the host?  @rest: what is behind it.  An odd word is one when "program[pid]:" follows: who names his machine "=x" is not to
 * hide what it says. */
static bool
is_host(vg_str w, vg_str rest)
{
	struct head tag = { .pri = -1 };

	if (w.n == 0 || w.n > 255)
		return false;
	if (*w.p != '%' && *w.p != '*' && *w.p != '[' && !is_level(w) && vg_str_chr(w, '=') == VG_NPOS && vg_str_chr(w, '"') == VG_NPOS)
		return true;
	return take_tag(skip_blanks(rest), &tag) && tag.pid.n;
}

/* Host, tag and message behind a time. */
static void
take_rest(vg_str s, struct head *h)
{
	vg_str rest = s, host;

	s = skip_blanks(s);
	rest = s;
	if (take_esxi(&s, h)) {
		h->sure = true;
		if (!take_tag(s, h))
			h->msg = s;
		return;
	}
	if (vg_str_starts(s, VG_STR("CEF:")) || vg_str_starts(s, VG_STR("LEEF:")) ||
	    take_tag(s, h)) {
		if (h->program.n == 0)
			h->msg = s;
		h->sure = true;
		return;
	}
	host = next_word(&rest);
	if (!is_host(host, rest)) {
		h->msg = s;
		return;
	}
	if (host.p[host.n - 1] == ':')
		host.n--;
	h->host = host;
	rest = skip_blanks(rest);
	if (take_5424(rest, true, h) || take_tag(rest, h))
		return;
	if (vg_str_starts(rest, VG_STR(": ")))
		rest = vg_str_skip(rest, 2);
	if (at(rest, 0) == '%' || vg_str_starts(rest, VG_STR("CEF:")) ||
	    vg_str_starts(rest, VG_STR("LEEF:")))
		h->sure = true;
	h->msg = rest;
}

/* Take a line apart; false when it has no header. */
static bool
parse(vg_str s, const struct vg_syslog_guess *g, struct head *out)
{
	struct head h = { .time_ns = VG_TIME_NONE, .pri = -1 };
	bool alone = false;

	if (vg_str_starts(s, VG_STR("\xef\xbb\xbf")))
		s = vg_str_skip(s, 3);
	if (at(s, 0) == '<') {
		size_t gt = vg_str_chr(vg_str_cut(s, 5), '>');
		uint64_t pri;

		if (gt == VG_NPOS || !vg_str_all_digits((vg_str){ s.p + 1, gt - 1 }) ||
		    !vg_str_u64((vg_str){ s.p + 1, gt - 1 }, &pri))
			return false;
		h.pri = pri <= 191 ? (int)pri : -1;
		h.sure = true;
		s = vg_str_skip(s, gt + 1);
	}
	if (at(s, 0) == '1' && at(s, 1) == ' ') { /* RFC 5424, version 1 */
		vg_str t = vg_str_skip(s, 2), host;

		if (at(t, 0) == '-' && at(t, 1) == ' ' && h.pri >= 0) {
			t = vg_str_skip(t, 2);
			h.flags |= VG_EVENT_TIME_MISSING;
		} else if (!take_iso_time(&t, g, &h, &alone) || alone) {
			return false;
		}
		host = next_word(&t);
		if (host.n == 0 || !take_5424(t, false, &h))
			return false;
		h.host = nil_value(host);
		*out = h;
		return true;
	}
	if (at(s, 0) == '*' || at(s, 0) == '.')
		s = vg_str_skip(s, 1); /* a Cisco clock that is not in step */
	if (take_iso_time(&s, g, &h, &alone) || take_month_time(&s, g, &h, &alone)) {
		if (alone)
			(void)take_alone(s, g, &h);
		else
			take_rest(s, &h);
		*out = h;
		return true;
	}
	if (h.pri >= 0 && s.n) { /* a PRI and then what the sender liked */
		h.flags |= VG_EVENT_TIME_MISSING;
		if (!take_tag(s, &h))
			h.msg = s;
		*out = h;
		return true;
	}
	return false;
}

static void
guess_set(struct vg_syslog_guess *g, int64_t ref_ns)
{
	struct vg_civil c;

	g->latest_ns = VG_TIME_NONE;
	if (ref_ns == VG_TIME_NONE || ref_ns >= INT64_MAX - VG_DAY)
		return;
	g->latest_ns = ref_ns + VG_DAY;
	if (g->latest_ns / VG_DAY == g->latest_day && g->latest_year)
		return;
	vg_time_civil(g->latest_ns, &c);
	g->latest_day = g->latest_ns / VG_DAY;
	g->latest_year = c.year;
}

static struct vg_syslog_guess
guess_of(int64_t ref_ns, int zone_s, vg_str name)
{
	struct vg_syslog_guess g = { .zone_s = zone_s };

	guess_set(&g, ref_ns);
	g.openvpn = vg_str_ifind(name, VG_STR("openvpn")) != VG_NPOS;
	return g;
}

int
vg_syslog_probe(vg_str head, bool whole, vg_str filename)
{
	struct vg_syslog_guess g = guess_of(VG_TIME_NONE, 0, filename);
	int lines = 0, score = 0, share;
	vg_str line, s = head;

	while (lines < PROBE_LINES && vg_str_split(&s, '\n', &line)) {
		struct head h;

		if (s.p == NULL && (line.n == 0 || (!whole && lines)))
			break; /* nothing behind the last LF, or a line that goes on */
		line = vg_str_trim(line);
		if (line.n == 0)
			continue;
		lines++;
		if (parse(line, &g, &h))
			score += h.sure ? 2 : 1;
	}
	if (lines == 0)
		return 0;
	share = score * 50 / lines;
	return share < 20 ? 0 : share * 85 / 100;
}

static const vg_str field_names[VG_SYSLOG_FIELDS] = {
	[VG_SYSLOG_HOST] = VG_STR_INIT("hostname"),
	[VG_SYSLOG_PROGRAM] = VG_STR_INIT("program"),
	[VG_SYSLOG_PID] = VG_STR_INIT("pid"),
	[VG_SYSLOG_FACILITY] = VG_STR_INIT("facility"),
	[VG_SYSLOG_SEVERITY] = VG_STR_INIT("severity"),
	[VG_SYSLOG_MSGID] = VG_STR_INIT("msgid"),
	[VG_SYSLOG_REPEAT] = VG_STR_INIT("repeat.count"),
	[VG_SYSLOG_MESSAGE] = VG_STR_INIT("message"),
};

struct unit {
	const struct vg_syslog *s;
	struct vg_event *e;
	vg_rc rc; /* the first failure of add() that ends the reading */
};

static void
add(struct unit *u, int f, enum vg_kind kind, vg_str value)
{
	vg_rc rc = vg_event_add_key(u->e, field_names[f], u->s->key[f], kind, 0, value);

	if (rc != VG_OK && rc != VG_E_LIMIT && u->rc == VG_OK)
		u->rc = rc;
}

/* Without the backslashes before '"', '\' and ']' (RFC 5424, 6.3.3). */
static vg_str
sd_value(struct vg_arena *a, vg_str s)
{
	char *p;
	size_t n = 0;

	if (vg_str_chr(s, '\\') == VG_NPOS || (p = vg_arena_alloc(a, s.n)) == NULL)
		return s;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n && memchr("\"\\]", s.p[i + 1], 3))
			i++;
		p[n++] = s.p[i];
	}
	return vg_str_mem(p, n);
}

/* Structured data that sd_length() has seen. */
static void
add_sd(struct unit *u, vg_str s)
{
	struct vg_event *e = u->e;
	size_t i = 0, nparam = 0;

	while (u->rc == VG_OK && at(s, i) == '[') {
		vg_str id = vg_str_skip(s, i + 1), name, value;
		bool any = false;

		id.n = 0;
		while (i + 1 + id.n < s.n && id.p[id.n] != ' ' && id.p[id.n] != ']')
			id.n++;
		i += 1 + id.n;
		while (at(s, i) == ' ' && at(s, i + 1) != ']') {
			size_t eq = i + 1, end;

			while (eq < s.n && s.p[eq] != '=')
				eq++;
			for (end = eq + 2; end < s.n && s.p[end] != '"'; end++)
				if (s.p[end] == '\\')
					end++;
			if (end >= s.n)
				return;
			name = vg_arena_printf(e->arena, "sd.%.*s.%.*s", VG_STR_ARG(id),
					       (int)(eq - i - 1), s.p + i + 1);
			value = sd_value(e->arena, (vg_str){ s.p + eq + 2, end - eq - 2 });
			i = end + 1;
			any = true;
			if (name.p == NULL) {
				u->rc = VG_E_NOMEM;
				return;
			}
			if (++nparam > VG_SYSLOG_SD_MAX) {
				e->dropped++;
				continue;
			}
			u->rc = vg_event_add(e, name, VG_KIND_TEXT, value);
			if (u->rc == VG_E_LIMIT)
				u->rc = VG_OK;
		}
		if (!any && ++nparam <= VG_SYSLOG_SD_MAX) {
			name = vg_arena_printf(e->arena, "sd.%.*s", VG_STR_ARG(id));
			u->rc = name.p ? vg_event_add(e, name, VG_KIND_NULL, VG_NIL) : VG_E_NOMEM;
			if (u->rc == VG_E_LIMIT)
				u->rc = VG_OK;
		}
		while (i < s.n && s.p[i] != ']')
			i++;
		i++;
	}
}

/* "message repeated 3 times: [ ... ]" as rsyslog writes it, and sysklogd's "last message repeated 3
 * times": how often, and @msg becomes what was repeated. */
static vg_str
take_repeat(vg_str *msg)
{
	vg_str s = *msg, n;

	if (vg_str_starts(s, VG_STR("last ")))
		s = vg_str_skip(s, 5);
	if (!vg_str_starts(s, VG_STR("message repeated ")))
		return VG_NIL;
	s = vg_str_skip(s, 17);
	n = next_word(&s);
	if (!vg_str_all_digits(n) || n.n > 9 || !vg_str_starts(s, VG_STR("time")))
		return VG_NIL;
	(void)next_word(&s);
	if (vg_str_starts(s, VG_STR("[")) && vg_str_ends(s, VG_STR("]")))
		*msg = vg_str_trim((vg_str){ s.p + 1, s.n - 2 });
	return n;
}

/* The parts of @line as the fields of @e, which is empty. */
static vg_rc
fill(const struct vg_syslog *s, struct head *h, vg_str line, struct vg_event *e)
{
	struct unit u = { .s = s, .e = e };
	vg_str repeat;

	e->time_ns = h->time_ns;
	e->raw = line;
	e->host = h->host;
	e->channel = h->program;
	e->code = h->msgid;
	e->flags = h->flags | (h->time_ns == VG_TIME_NONE ? (unsigned)VG_EVENT_TIME_MISSING : 0u);
	if (h->host.n)
		add(&u, VG_SYSLOG_HOST, VG_KIND_TEXT, h->host);
	if (h->program.n)
		add(&u, VG_SYSLOG_PROGRAM, VG_KIND_TEXT, h->program);
	if (h->pid.n)
		add(&u, VG_SYSLOG_PID, vg_str_all_digits(h->pid) ? VG_KIND_INT : VG_KIND_TEXT, h->pid);
	if (h->pri >= 0) {
		add(&u, VG_SYSLOG_FACILITY, VG_KIND_TEXT, vg_str_of(facilities[h->pri / 8]));
		add(&u, VG_SYSLOG_SEVERITY, VG_KIND_TEXT, vg_str_of(severities[h->pri % 8]));
	}
	if (h->msgid.n)
		add(&u, VG_SYSLOG_MSGID, VG_KIND_TEXT, h->msgid);
	if (h->sd.n)
		add_sd(&u, h->sd);
	if ((repeat = take_repeat(&h->msg)).n)
		add(&u, VG_SYSLOG_REPEAT, VG_KIND_INT, repeat);
	add(&u, VG_SYSLOG_MESSAGE, VG_KIND_TEXT, h->msg);
	return u.rc;
}

void
vg_syslog_init(struct vg_syslog *s, const struct vg_keys *keys, int64_t ref_ns, int zone_s, vg_str name)
{
	s->guess = guess_of(ref_ns, zone_s, name);
	for (int i = 0; i < VG_SYSLOG_FIELDS; i++)
		s->key[i] = vg_keys_find(keys, field_names[i]);
}

vg_str
vg_syslog_made(size_t i)
{
	if (i < VG_COUNT(facilities))
		return vg_str_of(facilities[i]);
	i -= VG_COUNT(facilities);
	return i < VG_COUNT(severities) ? vg_str_of(severities[i]) : VG_NIL;
}

vg_rc
vg_syslog_event(struct vg_syslog *s, vg_str line, int64_t ref_ns, struct vg_event *e)
{
	struct head h;

	guess_set(&s->guess, ref_ns);
	return parse(line, &s->guess, &h) ? fill(s, &h, line, e) : VG_E_FORMAT;
}

vg_rc
vg_syslog_read(struct vg_reader *r)
{
	struct vg_event *e = r->event;
	struct vg_syslog u;
	struct vg_note strange = { .kind = VG_NOTE_UNKNOWN };
	int64_t before_ns = VG_TIME_NONE;
	uint64_t offset;
	vg_rc rc = VG_OK;
	vg_str line;
	bool cut;

	vg_syslog_init(&u, e->keys, r->ref_ns, r->zone_s, r->name);
	while (rc == VG_OK && vg_input_line(r->in, VG_LINE_MAX, &line, &offset, &cut)) {
		struct head h;

		if (cut)
			vg_reader_note(r, VG_NOTE_LINE_LONG, offset,
				       "a line over %zu bytes was cut", VG_LINE_MAX);
		if (line.n == 0)
			continue;
		if (!parse(line, &u.guess, &h)) {
			if (strange.count++ == 0)
				strange.offset = offset;
			continue;
		}
		if (h.flags & VG_EVENT_TIME_MISSING)
			h.time_ns = before_ns;
		before_ns = h.time_ns;
		vg_event_reset(e);
		e->record = r->in->lines;
		e->offset = offset;
		if ((rc = fill(&u, &h, line, e)) == VG_OK)
			rc = vg_reader_emit(r);
	}
	if (strange.count && r->sink->note) {
		memcpy(strange.text, "lines without a syslog header",
		       sizeof("lines without a syslog header"));
		r->sink->note(r->sink->ctx, &strange);
	}
	return rc != VG_OK ? rc : r->in->rc;
}
