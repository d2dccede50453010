#include "source/decode.h"

#include "source/auditd.h"
#include "source/journal.h"
#include "source/json.h"
#include "source/winxml.h"

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct vg_decoder *d = ctx;

	d->events++;
	return d->fn(d->ctx, e);
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct vg_decoder *d = ctx;

	(void)n;
	d->notes++;
}

void
vg_decoder_init(struct vg_decoder *d, const struct vg_packs *packs, const struct vg_keys *keys, int zone_s)
{
	*d = (struct vg_decoder){ .sink = { d, on_event, on_note } };
	vg_arena_init(&d->arena, VG_DECODE_BYTES_MAX);
	vg_event_init(&d->event, &d->arena, keys);
	vg_syslog_init(&d->syslog, keys, VG_TIME_NONE, zone_s, VG_NIL);
	d->reader = (struct vg_reader){ .in = &d->in, .sink = &d->sink, .event = &d->event, .packs = packs, .zone_s = zone_s, .first = true };
}

void
vg_decoder_fini(struct vg_decoder *d)
{
	vg_arena_fini(&d->arena);
}

/* "__CURSOR=...", "__REALTIME_TIMESTAMP=...": an entry begins with one of its address fields. */
static bool
is_journal(vg_str s)
{
	vg_str name = vg_str_cut(s, vg_str_chr(vg_str_cut(s, VG_JOURNAL_NAME_MAX), '='));

	if (!vg_str_starts(s, VG_STR("__")) || name.n == s.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((name.p[i] < 'A' || name.p[i] > 'Z') && name.p[i] != '_')
			return false;
	return true;
}

static bool
is_audit(vg_str s)
{
	return (vg_str_starts(s, VG_STR("type=")) || vg_str_starts(s, VG_STR("node="))) &&
	       vg_str_find(vg_str_cut(s, 512), VG_STR("msg=audit(")) != VG_NPOS;
}

static enum vg_decoded
kind_of(vg_str s)
{
	if (vg_str_starts(s, VG_STR("\xef\xbb\xbf")))
		s = vg_str_skip(s, 3);
	while (s.n && (*s.p == ' ' || *s.p == '\t' || *s.p == '\r' || *s.p == '\n'))
		s = vg_str_skip(s, 1);
	switch (s.n ? *s.p : 0) {
	case '{':
	case '[':
		return VG_DECODED_JSON;
	case '<':
		if (vg_str_starts(s, VG_STR("<Event")) || vg_str_starts(s, VG_STR("<?xml")))
			return VG_DECODED_WINXML;
		return VG_DECODED_SYSLOG;
	case '_':
		return is_journal(s) ? VG_DECODED_JOURNAL : VG_DECODED_SYSLOG;
	case 't':
	case 'n':
		return is_audit(s) ? VG_DECODED_AUDITD : VG_DECODED_SYSLOG;
	default:
		return VG_DECODED_SYSLOG;
	}
}

/* Nothing but the text is known of it. */
static vg_rc
plain(struct vg_decoder *d, vg_str text)
{
	struct vg_event *e = &d->event;
	vg_rc rc;

	d->kind = VG_DECODED_PLAIN;
	vg_event_reset(e);
	e->raw = text;
	e->flags = VG_EVENT_TIME_MISSING;
	rc = vg_event_add_key(e, VG_STR("message"), VG_K_MESSAGE, VG_KIND_TEXT, 0, text);
	return rc != VG_OK ? rc : vg_reader_emit(&d->reader);
}

static vg_rc
line(struct vg_decoder *d, vg_str text, int64_t recv_ns)
{
	vg_rc rc;

	vg_event_reset(&d->event);
	if ((rc = vg_syslog_event(&d->syslog, text, recv_ns, &d->event)) == VG_OK)
		return vg_reader_emit(&d->reader);
	return rc == VG_E_FORMAT ? plain(d, text) : rc;
}

/* May another object or array begin here behind one that ended? */
static bool
follows_one(vg_str s, size_t at)
{
	while (at && (s.p[at - 1] == ' ' || s.p[at - 1] == '\t' || s.p[at - 1] == '\r'))
		at--;
	return at && (s.p[at - 1] == '}' || s.p[at - 1] == ',');
}

/* A line that is surely one object, and no wrapper: its end need not be looked for. */
static bool
is_one_object(vg_str s)
{
	static const char open[] = { '{', '[' };

	if (s.n == 0 || *s.p != '{' || s.p[s.n - 1] != '}' || vg_str_chr(s, '\n') != VG_NPOS || vg_json_is_wrapper(s))
		return false;
	for (size_t k = 0; k < sizeof(open); k++)
		for (size_t at = 0, hit; (hit = vg_str_chr(vg_str_skip(s, at), open[k])) != VG_NPOS; at += hit + 1)
			if (follows_one(s, at + hit))
				return false;
	return true;
}

vg_rc
vg_decoder_record(struct vg_decoder *d, vg_str raw, int64_t recv_ns, vg_decoded_fn *fn, void *ctx)
{
	static vg_rc (*const read[VG_DECODED])(struct vg_reader *r) = {
		[VG_DECODED_JSON] = vg_json_read,       [VG_DECODED_WINXML] = vg_winxml_read,
		[VG_DECODED_JOURNAL] = vg_journal_read, [VG_DECODED_AUDITD] = vg_auditd_read,
	};
	vg_rc (*read_one)(struct vg_reader *r);
	vg_str text = raw;
	vg_rc rc;

	d->fn = fn;
	d->ctx = ctx;
	d->events = d->notes = 0;
	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r' || text.p[text.n - 1] == '\0'))
		text.n--;
	d->kind = kind_of(text);
	if ((read_one = read[d->kind]) == NULL)
		return line(d, text, recv_ns);
	if (d->kind == VG_DECODED_JSON && is_one_object(text))
		read_one = vg_jsonl_read;
	vg_input_mem(&d->in, raw.p, raw.n); /* all of it: a binary field of the journal's may end in zero bytes */
	d->reader.ref_ns = recv_ns;
	rc = read_one(&d->reader);
	return rc == VG_OK && d->events == 0 ? line(d, text, recv_ns) : rc;
}
