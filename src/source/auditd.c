#include "source/auditd.h"

#include <arpa/inet.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define ARCH_X86_64                                                                                \
	0xc000003eu /* AUDIT_ARCH_X86_64, linux/audit.h; libseccomp's tokens are the same numbers  \
		     */
#define CALLS       512
#define PROBE_LINES 20

/* "node=gw type=EXECVE msg=audit(1712134365.123:456): argc=1 ..." */
struct head {
	vg_str node, type, id, body; /* id: "1712134365.123:456" */
	int64_t time_ns;
	vg_str serial;
};

/* An event that may get more records. */
struct open_event {
	struct vg_buf lines; /* owned; each record and a LF */
	vg_str id;           /* in copy */
	char copy[64];
	uint32_t records;
	uint64_t line, offset;
};

struct unit {
	struct vg_reader *r;
	struct open_event
	    *slot[VG_AUDITD_OPEN_MAX]; /* oldest first; those from nopen on are spare, or NULL */
	size_t nopen;
	struct vg_buf args; /* the arguments of an EXECVE, joined */
	struct vg_buf part; /* a long argument that came in parts */
	vg_str part_name;   /* its name; empty: none */
	char *call[CALLS];  /* names of system calls, as asked for so far */
	vg_str arch;        /* of the SYSCALL record at hand */
	uint64_t overfull;
	vg_rc rc;
};

static bool
parse_head(vg_str s, struct head *h)
{
	size_t end, dot, colon;
	uint64_t sec, ms;

	h->node = VG_NIL;
	if (vg_str_starts(s, VG_STR("node="))) {
		if ((end = vg_str_chr(s, ' ')) == VG_NPOS)
			return false;
		h->node = (vg_str){ s.p + 5, end - 5 };
		s = vg_str_skip(s, end + 1);
	}
	if (!vg_str_starts(s, VG_STR("type=")) || (end = vg_str_chr(s, ' ')) == VG_NPOS || end > 64)
		return false;
	h->type = (vg_str){ s.p + 5, end - 5 };
	s = vg_str_skip(s, end + 1);
	if (!vg_str_starts(s, VG_STR("msg=audit(")) || (end = vg_str_chr(s, ')')) == VG_NPOS ||
	    end > 60)
		return false;
	h->id = (vg_str){ s.p + 10, end - 10 };
	h->body = vg_str_skip(s, end + 1);
	if (vg_str_starts(h->body, VG_STR(":")))
		h->body = vg_str_skip(h->body, 1);
	dot = vg_str_chr(h->id, '.');
	colon = vg_str_chr(h->id, ':');
	if (dot == VG_NPOS || colon == VG_NPOS || colon != dot + 4 ||
	    !vg_str_u64(vg_str_cut(h->id, dot), &sec) ||
	    !vg_str_u64((vg_str){ h->id.p + dot + 1, 3 }, &ms) || sec > 9000000000u)
		return false;
	h->serial = vg_str_skip(h->id, colon + 1);
	h->time_ns = (int64_t)sec * VG_SEC + (int64_t)ms * 1000000;
	return vg_str_all_digits(h->serial);
}

int
vg_auditd_probe(vg_str head, bool whole, vg_str filename)
{
	int lines = 0, known = 0;
	vg_str line, s = head;

	(void)filename;
	while (lines < PROBE_LINES && vg_str_split(&s, '\n', &line)) {
		struct head h;

		if (s.p == NULL && (line.n == 0 || (!whole && lines)))
			break;
		if (vg_str_trim(line).n == 0)
			continue;
		lines++;
		known += parse_head(line, &h);
	}
	return lines == 0 || known * 2 < lines ? 0 : known * 96 / lines;
}

static void
add_flagged(struct unit *u, vg_str name, vg_str value, uint8_t flags)
{
	struct vg_event *e = u->r->event;
	vg_rc rc = vg_event_add_key(e, name, vg_keys_find(e->keys, name),
				    vg_str_all_digits(value) ? VG_KIND_INT : VG_KIND_TEXT, flags, value);

	if (rc != VG_OK && rc != VG_E_LIMIT && u->rc == VG_OK)
		u->rc = rc;
}

static void
add(struct unit *u, vg_str name, vg_str value)
{
	add_flagged(u, name, value, 0);
}

static int
nibble(char c)
{
	return vg_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Upper-case hexadecimal, as the kernel writes what it does not trust, to its bytes; false when it
 * is not. */
static bool
unhex(struct unit *u, vg_str s, vg_str *out)
{
	char *p;

	if (s.n == 0 || s.n % 2)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (nibble(s.p[i]) < 0)
			return false;
	if ((p = vg_arena_alloc(u->r->event->arena, s.n / 2)) == NULL) {
		u->rc = VG_E_NOMEM;
		return false;
	}
	for (size_t i = 0; i < s.n / 2; i++)
		p[i] = (char)(nibble(s.p[i * 2]) * 16 + nibble(s.p[i * 2 + 1]));
	*out = vg_str_mem(p, s.n / 2);
	return true;
}

/* Is an unquoted value of this name a text in hexadecimal? */
static bool
is_text_name(vg_str name)
{
	static const char *const names[] = { "proctitle", "exe",   "comm", "name", "cwd", "cmd",
					     "acct",      "data",  "key",  "path", "dir", "ocomm",
					     "file",      "watch", "root", "grp" };

	for (size_t i = 0; i < VG_COUNT(names); i++)
		if (vg_str_eq(name, vg_str_of(names[i])))
			return true;
	return false;
}

/* "a12": an argument; "a12[3]" a part of a long one, *part is 3.  Its name without the part, empty
 * when it is none. */
static vg_str
argument_name(vg_str s, bool *part)
{
	size_t i = 1;

	*part = false;
	while (i < s.n && vg_is_digit(s.p[i]))
		i++;
	if (s.n < 2 || s.p[0] != 'a' || i == 1)
		return VG_NIL;
	if (i < s.n) {
		*part = true;
		if (s.p[i] != '[' || s.p[s.n - 1] != ']')
			return VG_NIL;
	}
	return vg_str_cut(s, i);
}

static void
add_argument(struct unit *u, vg_str name, vg_str value)
{
	if (u->args.n)
		vg_buf_putc(&u->args, ' ');
	vg_buf_put(&u->args, value);
	add(u, name, value);
}

static void
flush_part(struct unit *u)
{
	vg_str value;

	if (u->part_name.n == 0)
		return;
	value = vg_str_dup(u->r->event->arena, vg_buf_str(&u->part));
	if (value.p)
		add_argument(u, u->part_name, value);
	else
		u->rc = VG_E_NOMEM;
	u->part_name = VG_NIL;
	vg_buf_clear(&u->part);
}

/* A socket address of struct sockaddr: family in the machine's order, port and address in the
 * network's. */
static void
add_saddr(struct unit *u, vg_str hex)
{
	char text[INET6_ADDRSTRLEN];
	vg_str s, addr;
	unsigned family;
	bool six;

	if (!unhex(u, hex, &s) || s.n < 2)
		return;
	family = (unsigned char)s.p[0] | (unsigned)(unsigned char)s.p[1] << 8;
	if (family == 1) { /* AF_UNIX; an abstract name begins with NUL */
		size_t nul;

		s = vg_str_skip(s, s.n > 2 && s.p[2] == 0 ? 3 : 2);
		nul = vg_str_chr(s, 0);
		add_flagged(u, VG_STR("saddr_fam"), VG_STR("local"), VG_FIELD_ADDED);
		add_flagged(u, VG_STR("path"), vg_str_cut(s, nul), VG_FIELD_ADDED);
		return;
	}
	six = family == 10;
	if (!(family == 2 && s.n >= 8) && !(six && s.n >= 24))
		return;
	if (inet_ntop(six ? AF_INET6 : AF_INET, s.p + (six ? 8 : 4), text, sizeof(text)) == NULL)
		return;
	addr = vg_str_dup(u->r->event->arena, vg_str_of(text));
	snprintf(text, sizeof(text), "%u",
		 (unsigned)(unsigned char)s.p[2] << 8 | (unsigned char)s.p[3]);
	add_flagged(u, VG_STR("saddr_fam"), six ? VG_STR("inet6") : VG_STR("inet"), VG_FIELD_ADDED);
	add_flagged(u, VG_STR("laddr"), addr, VG_FIELD_ADDED);
	add_flagged(u, VG_STR("lport"), vg_str_dup(u->r->event->arena, vg_str_of(text)),
		    VG_FIELD_ADDED);
}

/* The name of system call @number of the record's architecture. */
static void
add_call(struct unit *u, vg_str number)
{
	vg_str hex = u->arch;
	uint64_t nr, arch = 0;
	char *name;

	if (hex.n == 0 || hex.n > 8 || !vg_str_u64(number, &nr) || nr > 100000)
		return;
	for (size_t i = 0; i < hex.n; i++) {
		int d = nibble((char)(hex.p[i] >= 'a' ? hex.p[i] - 32 : hex.p[i]));

		if (d < 0)
			return;
		arch = arch * 16 + (unsigned)d;
	}
	if (arch == ARCH_X86_64 && nr < CALLS) {
		if (u->call[nr] == NULL)
			u->call[nr] = seccomp_syscall_resolve_num_arch(ARCH_X86_64, (int)nr);
		if (u->call[nr])
			add_flagged(u, VG_STR("SYSCALL"), vg_str_of(u->call[nr]), VG_FIELD_ADDED);
		return;
	}
	name = seccomp_syscall_resolve_num_arch((uint32_t)arch, (int)nr);
	if (name)
		add_flagged(u, VG_STR("SYSCALL"), vg_str_dup(u->r->event->arena, vg_str_of(name)),
			    VG_FIELD_ADDED);
	free(name);
}

static vg_str
blanks_for_nul(struct unit *u, vg_str s)
{
	char *p;

	if (vg_str_chr(s, 0) == VG_NPOS)
		return s;
	if ((p = vg_arena_alloc(u->r->event->arena, s.n)) == NULL) {
		u->rc = VG_E_NOMEM;
		return s;
	}
	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] ? s.p[i] : ' ';
	while (s.n && p[s.n - 1] == ' ')
		s.n--;
	return vg_str_mem(p, s.n);
}

/* One field of a record of type @type; @quoted: the value stood in quotes, so that it is what it
 * says. */
static void
add_value(struct unit *u, vg_str type, vg_str name, vg_str value, bool quoted, bool enriched)
{
	bool execve = vg_str_eq(type, VG_STR("EXECVE")), part = false;
	vg_str arg = execve ? argument_name(name, &part) : VG_NIL, text;

	if (!quoted && (arg.n || is_text_name(name)) && unhex(u, value, &text))
		value = text;
	if (arg.n && part) {
		if (!vg_str_eq(arg, u->part_name)) {
			flush_part(u);
			u->part_name = arg;
		}
		vg_buf_put(&u->part, value);
		return;
	}
	flush_part(u);
	if (arg.n) {
		add_argument(u, name, value);
	} else if (vg_str_eq(name, VG_STR("proctitle"))) {
		add(u, name, blanks_for_nul(u, value));
	} else if (vg_str_eq(name, VG_STR("key"))) { /* several are parted by 0x01 */
		vg_str one;

		while (vg_str_split(&value, 1, &one))
			add(u, name, one);
	} else {
		add(u, name, value);
	}
	if (enriched)
		return;
	if (vg_str_eq(name, VG_STR("arch")))
		u->arch = value;
	else if (vg_str_eq(name, VG_STR("syscall")))
		add_call(u, value);
	else if (vg_str_eq(name, VG_STR("saddr")))
		add_saddr(u, value);
}

/* name=value pairs; values bare, "quoted", or pairs again in 'quotes' or { braces } (@depth 1
 * then). */
static void
add_pairs(struct unit *u, vg_str type, vg_str s, bool enriched, int depth)
{
	while (s.n && u->rc == VG_OK) {
		size_t i = 0, end;
		vg_str name;

		while (i < s.n && (s.p[i] == ' ' || s.p[i] == 0x1d || s.p[i] == ','))
			i++;
		s = vg_str_skip(s, i);
		for (i = 0; i < s.n && s.p[i] != '=' && s.p[i] != ' ' && s.p[i] != 0x1d; i++)
			;
		name = vg_str_cut(s, i);
		if (i == s.n || s.p[i] != '=' || i == 0 ||
		    i > 128) { /* a word without value: "user", "avc: denied" */
			s = vg_str_skip(s, i + 1);
			continue;
		}
		s = vg_str_skip(s, i + 1);
		if (s.n && *s.p == '"') {
			s = vg_str_skip(s, 1);
			end = vg_str_chr(s, '"');
			add_value(u, type, name, vg_str_cut(s, end), true, enriched);
			s = end == VG_NPOS ? VG_NIL : vg_str_skip(s, end + 1);
		} else if (s.n && depth == 0 && (*s.p == '\'' || *s.p == '{')) {
			vg_str inside;

			end = vg_str_cut(s, vg_str_chr(s, 0x1d)).n;
			if (*s.p == '\'') { /* the last one: what is inside may hold some */
				while (end > 1 && s.p[end - 1] != '\'')
					end--;
			} else {
				size_t brace = vg_str_chr(vg_str_cut(s, end), '}');

				end = brace == VG_NPOS ? end : brace + 1;
			}
			inside = end > 1 ? (vg_str){ s.p + 1, end - 2 } : vg_str_skip(s, 1);
			add_pairs(u, type, inside, enriched, depth + 1);
			s = vg_str_skip(s, end);
		} else {
			for (end = 0; end < s.n && s.p[end] != ' ' && s.p[end] != 0x1d; end++)
				;
			add_value(u, type, name, vg_str_cut(s, end), false, enriched);
			s = vg_str_skip(s, end);
		}
	}
	if (depth == 0)
		flush_part(u);
}

/* Decode an event's records and give it. */
static vg_rc
give(struct unit *u, struct open_event *o)
{
	struct vg_event *e = u->r->event;
	vg_str rest = vg_buf_str(&o->lines), line;
	struct head h;
	bool first = true;

	vg_event_reset(e);
	vg_buf_clear(&u->args);
	e->raw = (vg_str){ rest.p, rest.n - 1 }; /* the last LF is no part of it */
	e->record = o->line;
	e->offset = o->offset;
	rest.n--;
	while (u->rc == VG_OK && vg_str_split(&rest, '\n', &line)) {
		if (!parse_head(line, &h))
			continue; /* it was one when it came */
		if (first) {
			e->time_ns = h.time_ns;
			e->host = h.node;
			e->channel = VG_STR("audit.log");
			e->code = h.type;
			if (h.node.n)
				add(u, VG_STR("node"), h.node);
			add(u, VG_STR("serial"), h.serial);
			first = false;
		}
		add(u, VG_STR("type"), h.type);
		u->arch = VG_NIL;
		add_pairs(u, h.type, h.body, vg_str_chr(h.body, 0x1d) != VG_NPOS, 0);
	}
	if (u->args.n && u->args.rc == VG_OK)
		add_flagged(u, VG_STR("execve"), vg_buf_str(&u->args), VG_FIELD_ADDED);
	return u->rc == VG_OK ? vg_reader_emit(u->r) : u->rc;
}

/* Give open event @i; its slot becomes spare. */
static vg_rc
close_event(struct unit *u, size_t i)
{
	struct open_event *o = u->slot[i];
	vg_rc rc = give(u, o);

	vg_buf_clear(&o->lines);
	memmove(&u->slot[i], &u->slot[i + 1], (u->nopen - i - 1) * sizeof(u->slot[0]));
	u->slot[--u->nopen] = o;
	return rc;
}

/* The event that the record belongs to, opened when it is the first one. */
static vg_rc
event_of(struct unit *u, const struct head *h, vg_str line, uint64_t offset, size_t *out)
{
	struct open_event *o;
	vg_rc rc = VG_OK;

	for (size_t i = u->nopen; i-- > 0;) {
		if (!vg_str_eq(u->slot[i]->id, h->id))
			continue;
		if (u->slot[i]->records < VG_AUDITD_RECORDS_MAX &&
		    u->slot[i]->lines.n + line.n < VG_AUDITD_EVENT_BYTES_MAX) {
			*out = i;
			return VG_OK;
		}
		u->overfull++;
		if ((rc = close_event(u, i)) != VG_OK)
			return rc;
		break;
	}
	if (u->nopen == VG_AUDITD_OPEN_MAX && (rc = close_event(u, 0)) != VG_OK)
		return rc;
	if (u->slot[u->nopen] == NULL && (u->slot[u->nopen] = calloc(1, sizeof(*o))) == NULL)
		return VG_E_NOMEM;
	o = u->slot[u->nopen];
	memcpy(o->copy, h->id.p, h->id.n);
	o->id = vg_str_mem(o->copy, h->id.n);
	o->records = 0;
	o->line = u->r->in->lines;
	o->offset = offset;
	*out = u->nopen++;
	return VG_OK;
}

static vg_rc
take_record(struct unit *u, const struct head *h, vg_str line, uint64_t offset)
{
	size_t i = 0;
	vg_rc rc = event_of(u, h, line, offset, &i);

	if (rc != VG_OK)
		return rc;
	if (vg_str_eq(h->type, VG_STR("EOE")))
		return u->slot[i]->records ? close_event(u, i)
					   : (u->nopen--, VG_OK); /* the end of one that is over */
	vg_buf_put(&u->slot[i]->lines, line);
	vg_buf_putc(&u->slot[i]->lines, '\n');
	u->slot[i]->records++;
	return u->slot[i]->lines.rc;
}

static void
note_count(struct vg_reader *r, struct vg_note *n, const char *text)
{
	if (n->count == 0 || r->sink->note == NULL)
		return;
	snprintf(n->text, sizeof(n->text), "%s", text);
	r->sink->note(r->sink->ctx, n);
}

vg_rc
vg_auditd_read(struct vg_reader *r)
{
	struct unit u = { .r = r };
	struct vg_note strange = { .kind = VG_NOTE_UNKNOWN }, limit = { .kind = VG_NOTE_LIMIT };
	uint64_t offset;
	vg_rc rc = VG_OK;
	vg_str line;
	bool cut;

	while (rc == VG_OK && vg_input_line(r->in, VG_LINE_MAX, &line, &offset, &cut)) {
		struct head h;

		if (cut)
			vg_reader_note(r, VG_NOTE_LINE_LONG, offset,
				       "a record over %zu bytes was cut", VG_LINE_MAX);
		if (line.n == 0)
			continue;
		if (parse_head(line, &h))
			rc = take_record(&u, &h, line, offset);
		else if (strange.count++ == 0)
			strange.offset = offset;
	}
	while (rc == VG_OK && u.nopen)
		rc = close_event(&u, 0);
	limit.count = u.overfull;
	note_count(r, &strange, "lines that are no audit records");
	note_count(r, &limit,
		   "events with more records than are joined; the others are events of their own");
	for (size_t i = 0; i < VG_AUDITD_OPEN_MAX; i++) {
		if (u.slot[i])
			vg_buf_fini(&u.slot[i]->lines);
		free(u.slot[i]);
	}
	for (size_t i = 0; i < CALLS; i++)
		free(u.call[i]);
	vg_buf_fini(&u.args);
	vg_buf_fini(&u.part);
	return rc != VG_OK ? rc : r->in->rc;
}
