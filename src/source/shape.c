#include "source/shape.h"

#include "source/format.h"

enum {
	WIN = 1,    /* a name that Windows events have: two such make one */
	ANY = 2,    /* the native name is added whatever the record is */
	WEAK = 4,   /* with WIN: others have this name too, so it needs one beside it that is not weak */
};

struct row {
	vg_str name;
	uint8_t slot; /* enum vg_shape_slot */
	uint8_t rank; /* the least is taken */
	uint8_t flags;
	vg_str native; /* what it is called in a Windows event */
};

#define T(name, rank) { VG_STR_INIT(name), VG_SLOT_TIME, rank, 0, { NULL, 0 } }
#define R(name, slot, rank, flags, native) { VG_STR_INIT(name), VG_SLOT_##slot, rank, flags, VG_STR_INIT(native) }
/* One row a name.  For times the first that says its zone is taken, else the first. */
static const struct row rows[] = {
	{ { NULL, 0 }, VG_SLOT_NONE, 0, 0, { NULL, 0 } },
	T("TimeCreated_SystemTime", 1),
	T("EventTime", 2),           /* NXLog */
	T("TimeCreated", 3),         /* OTRF, Get-WinEvent, EvtxECmd */
	T("eventTime", 4),           /* CloudTrail */
	T("createdDateTime", 5),     /* Microsoft Graph */
	T("activityDateTime", 6),
	T("CreationTime", 7),        /* Microsoft 365 */
	T("TimeGenerated", 8),       /* Azure Monitor */
	T("TimeGenerated [UTC]", 9),
	T("eventTimestamp", 10),
	T("published", 11),          /* Okta */
	T("timestamp", 12),          /* Suricata, Wazuh */
	T("UtcTime", 13),            /* Sysmon */
	T("@timestamp", 14),         /* Elastic; of arrival where Logstash made it */
	T("time", 15),
	T("Time", 16),
	T("Timestamp", 17),
	T("event.created", 18),
	T("datetime", 19),
	T("DateTime", 20),
	T("Date and Time", 21),
	T("date", 22),
	T("ts", 23),                 /* Zeek */
	T("_time", 24),              /* Splunk */
	T("__REALTIME_TIMESTAMP", 25), /* journalctl -o json */
	T("unixTime", 26),           /* osquery */
	T("SystemTime", 27),
	T("receiveTimestamp", 28),
	T("EventReceivedTime", 29),

	R("EventID", CODE, 1, WIN, "EventID"),
	R("EventId", CODE, 2, WIN, "EventID"),          /* EvtxECmd */
	R("winlog.event_id", CODE, 3, WIN, "EventID"),
	R("event_id", CODE, 4, WIN | WEAK, "EventID"),         /* Winlogbeat 6 */
	R("event.code", CODE, 5, WIN | WEAK, "EventID"),
	R("Event ID", CODE, 6, WIN, "EventID"),
	R("Id", CODE, 7, WIN | WEAK, "EventID"),               /* Get-WinEvent */
	R("eventName", CODE, 8, 0, ""),                 /* CloudTrail */
	R("MESSAGE_ID", CODE, 9, 0, ""),

	R("Channel", CHANNEL, 1, WIN, "Channel"),
	R("winlog.channel", CHANNEL, 2, WIN, "Channel"),
	R("LogName", CHANNEL, 3, WIN, "Channel"),
	R("log_name", CHANNEL, 4, WIN, "Channel"),
	R("program", CHANNEL, 5, 0, ""),
	R("SYSLOG_IDENTIFIER", CHANNEL, 6, ANY, "program"),
	R("predecoder.program_name", CHANNEL, 7, ANY, "program"),

	R("Provider_Name", PROVIDER, 1, WIN, "Provider_Name"),
	R("SourceName", PROVIDER, 2, WIN, "Provider_Name"),
	R("winlog.provider_name", PROVIDER, 3, WIN, "Provider_Name"),
	R("ProviderName", PROVIDER, 4, WIN, "Provider_Name"),
	R("EventSourceName", PROVIDER, 5, WIN, "Provider_Name"),
	R("source_name", PROVIDER, 6, WIN | WEAK, "Provider_Name"),
	R("Provider", PROVIDER, 7, WIN | WEAK, "Provider_Name"),
	R("event.provider", PROVIDER, 8, WIN | WEAK, "Provider_Name"),
	R("Source", PROVIDER, 9, WIN | WEAK, "Provider_Name"),
	R("eventSource", PROVIDER, 10, 0, ""),

	R("Computer", HOST, 1, WIN, "Computer"),
	R("winlog.computer_name", HOST, 2, WIN, "Computer"),
	R("computer_name", HOST, 3, WIN, "Computer"),
	R("Hostname", HOST, 4, WIN, "Computer"),
	R("MachineName", HOST, 5, WIN, "Computer"),
	R("HostName", HOST, 6, WIN, "Computer"),
	R("host.name", HOST, 7, WIN, "Computer"),
	R("host.hostname", HOST, 8, WIN, "Computer"),
	R("agent.name", HOST, 9, WIN, "Computer"),       /* Wazuh; before the host it speaks of is worse */
	R("predecoder.hostname", HOST, 10, 0, ""),
	R("_HOSTNAME", HOST, 11, ANY, "hostname"),
	R("hostname", HOST, 12, 0, ""),
	R("hostIdentifier", HOST, 13, 0, ""),
	R("host", HOST, 14, 0, ""),
	R("beat.hostname", HOST, 15, WIN, "Computer"),

	R("EventRecordID", RECORD, 1, WIN, "EventRecordID"),
	R("winlog.record_id", RECORD, 2, WIN, "EventRecordID"),
	R("RecordNumber", RECORD, 4, WIN, "EventRecordID"), /* EvtxECmd: a row's number; it has EventRecordId too */
	R("EventRecordId", RECORD, 3, WIN, "EventRecordID"),
	R("RecordId", RECORD, 5, WIN, "EventRecordID"),
	R("record_number", RECORD, 6, WIN, "EventRecordID"),

	R("Provider_Guid", GUID, 1, WIN, "Provider_Guid"),
	R("ProviderGuid", GUID, 2, WIN, "Provider_Guid"),
	R("winlog.provider_guid", GUID, 3, WIN, "Provider_Guid"),
	R("ProviderId", GUID, 4, WIN, "Provider_Guid"),
	R("Execution_ProcessID", PID, 1, WIN, "Execution_ProcessID"),
	R("ExecutionProcessID", PID, 2, WIN, "Execution_ProcessID"),
	R("winlog.process.pid", PID, 3, WIN, "Execution_ProcessID"),
	R("Execution_ThreadID", TID, 1, WIN, "Execution_ThreadID"),
	R("ExecutionThreadID", TID, 2, WIN, "Execution_ThreadID"),
	R("winlog.process.thread.id", TID, 3, WIN, "Execution_ThreadID"),
	R("ThreadID", TID, 4, WIN, "Execution_ThreadID"),
	R("Security_UserID", SID, 1, WIN, "Security_UserID"),
	R("UserID", SID, 2, WIN, "Security_UserID"),
	R("winlog.user.identifier", SID, 3, WIN, "Security_UserID"),
	R("Correlation_ActivityID", ACTIVITY, 1, WIN, "Correlation_ActivityID"),
	R("ActivityID", ACTIVITY, 2, WIN, "Correlation_ActivityID"),
	R("winlog.activity_id", ACTIVITY, 3, WIN, "Correlation_ActivityID"),
	R("MESSAGE", MESSAGE, 2, ANY, "message"),
	R("message", MESSAGE, 1, ANY, "message"),

	R("SyslogMessage", XML, 1, 0, ""),               /* Azure Monitor: Sysmon for Linux */
	R("EventData", XML, 2, 0, ""),                   /* Azure Monitor: as XML */
	R("RawEventData", XML, 3, 0, ""),
	R("ParameterXml", XML, 4, 0, ""),
	R("event.original", XML, 5, 0, ""),
	R("Payload", JSON, 1, 0, ""),                    /* EvtxECmd */
};
_Static_assert(VG_COUNT(rows) < 255, "a row is a byte");

uint8_t
vg_shape_row(vg_str name)
{
	for (size_t i = 1; i < VG_COUNT(rows); i++)
		if (rows[i].name.n == name.n && rows[i].name.p[0] == name.p[0] &&
		    memcmp(rows[i].name.p, name.p, name.n) == 0)
			return (uint8_t)i;
	return vg_str_chr(name, ' ') != VG_NPOS ? VG_SHAPE_SPACED : 0;
}

void
vg_shape_seen(struct vg_shape *s, uint8_t row, uint32_t field)
{
	uint8_t slot;

	if (row == VG_SHAPE_SPACED) {
		s->spaced = true;
		return;
	}
	slot = rows[row].slot;
	if (slot == VG_SLOT_TIME) {
		if (s->ntime < VG_SHAPE_TIMES) {
			s->time[s->ntime].field = field;
			s->time[s->ntime++].row = row;
		}
		return;
	}
	if (s->field[slot] && rows[s->row[slot]].rank <= rows[row].rank)
		return;
	s->field[slot] = field + 1;
	s->row[slot] = row;
}

/* --- time --- */

/* "/Date(1600000000000)/", as ConvertTo-Json of Windows PowerShell writes it. */
static bool
json_date(vg_str *s)
{
	if (!vg_str_starts(*s, VG_STR("/Date(")) || !vg_str_ends(*s, VG_STR(")/")) || s->n < 9)
		return false;
	*s = vg_str_mem(s->p + 6, s->n - 8);
	for (size_t i = 1; i < s->n; i++) /* an offset behind it says nothing more */
		if (s->p[i] == '+' || s->p[i] == '-')
			s->n = i;
	return true;
}

static int64_t
epoch(vg_str s)
{
	vg_str whole = s, frac = VG_NIL;
	size_t dot = vg_str_chr(s, '.');
	int64_t v, unit = VG_SEC, ns = 0;

	if (dot != VG_NPOS) {
		whole = vg_str_cut(s, dot);
		frac = vg_str_skip(s, dot + 1);
	}
	if (whole.n > 20 || !vg_str_i64(whole, &v) || v < 0)
		return VG_TIME_NONE;
	/* 100 million seconds is 1973: shorter numbers are something else */
	if (v < INT64_C(100000000))
		return VG_TIME_NONE;
	if (v >= INT64_C(100000000000000000))
		unit = 1;
	else if (v >= INT64_C(100000000000000))
		unit = 1000;
	else if (v >= INT64_C(100000000000))
		unit = 1000000;
	if (v > INT64_MAX / unit)
		return VG_TIME_NONE;
	v *= unit;
	for (size_t i = 0; i < frac.n; i++) {
		if (frac.p[i] < '0' || frac.p[i] > '9')
			return VG_TIME_NONE;
		unit /= 10;
		ns += unit * (frac.p[i] - '0');
	}
	return v > INT64_MAX - ns ? VG_TIME_NONE : v + ns;
}

static bool
number(vg_str *s, int max_digits, int *out)
{
	int n = 0;

	*out = 0;
	while (s->n && n < max_digits && s->p[0] >= '0' && s->p[0] <= '9') {
		*out = *out * 10 + (s->p[0] - '0');
		*s = vg_str_skip(*s, 1);
		n++;
	}
	return n > 0;
}

static bool
byte_is(vg_str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = vg_str_skip(*s, 1);
	return true;
}

/* "10/19/2020 12:28:44 PM", "19/10/2020 12:28:44" (also with dots). */
static int64_t
slashed(vg_str s)
{
	struct vg_civil c = { 0 };
	int a, b, digits;
	bool am, pm;
	char sep;

	if (!number(&s, 2, &a) || s.n == 0 || ((sep = s.p[0]) != '/' && sep != '.'))
		return VG_TIME_NONE;
	if (!byte_is(&s, sep) || !number(&s, 2, &b) || !byte_is(&s, sep) || !number(&s, 4, &c.year))
		return VG_TIME_NONE;
	(void)byte_is(&s, ',');
	while (byte_is(&s, ' '))
		;
	if (s.n && (!number(&s, 2, &c.hour) || !byte_is(&s, ':') || !number(&s, 2, &c.min)))
		return VG_TIME_NONE;
	if (byte_is(&s, ':') && !number(&s, 2, &c.sec))
		return VG_TIME_NONE;
	if (s.n && (s.p[0] == '.' || s.p[0] == ',')) {
		s = vg_str_skip(s, 1);
		for (digits = 100000000; s.n && s.p[0] >= '0' && s.p[0] <= '9'; digits /= 10) {
			c.ns += digits * (s.p[0] - '0');
			s = vg_str_skip(s, 1);
		}
	}
	s = vg_str_trim(s);
	am = vg_str_ieq(s, VG_STR("AM"));
	pm = vg_str_ieq(s, VG_STR("PM"));
	if (s.n && !am && !pm)
		return VG_TIME_NONE;
	if (am || pm)
		c.hour = c.hour % 12 + (pm ? 12 : 0);
	if (((am || pm) && a <= 12 && sep == '/') || b > 12) { /* month first */
		c.month = a;
		c.day = b;
	} else {
		c.month = b;
		c.day = a;
	}
	return vg_time_of(&c, 0);
}

int64_t
vg_shape_time(vg_str s, bool *zoned)
{
	int64_t t;

	*zoned = false;
	s = vg_str_trim(s);
	if (s.n < 8)
		return VG_TIME_NONE;
	if (s.p[0] == '/' && json_date(&s)) {
		int64_t ms;

		*zoned = true;
		if (!vg_str_i64(s, &ms) || ms > INT64_MAX / 1000000 || ms < INT64_MIN / 1000000)
			return VG_TIME_NONE;
		return ms * 1000000;
	}
	if (s.n >= 10 && s.p[4] == '-' && (t = vg_time_parse(s, 0)) != VG_TIME_NONE) {
		for (size_t i = 10; i < s.n && !*zoned; i++)
			*zoned = s.p[i] == 'Z' || s.p[i] == 'z' || s.p[i] == '+' || s.p[i] == '-' ||
				 s.p[i] == 'U';
		return t;
	}
	if ((t = epoch(s)) != VG_TIME_NONE) {
		*zoned = true;
		return t;
	}
	if ((t = slashed(s)) != VG_TIME_NONE)
		return t;
	return vg_time_parse(s, 0);
}

static void
find_time(struct vg_shape *s, struct vg_event *e)
{
	int64_t best = VG_TIME_NONE;
	unsigned done = 0;

	for (uint8_t n = 0; n < s->ntime; n++) {
		uint8_t least = 0;
		int64_t t;
		bool zoned, found = false;

		for (uint8_t i = 0; i < s->ntime; i++)
			if (!(done & 1u << i) &&
			    (!found || rows[s->time[i].row].rank < rows[s->time[least].row].rank)) {
				least = i;
				found = true;
			}
		done |= 1u << least;
		t = vg_shape_time(e->field[s->time[least].field].value, &zoned);
		if (t == VG_TIME_NONE)
			continue;
		if (vg_str_eq(rows[s->time[least].row].name, VG_STR("UtcTime")))
			zoned = true;
		if (zoned) {
			e->time_ns = t;
			return;
		}
		if (best == VG_TIME_NONE)
			best = t;
	}
	if (best != VG_TIME_NONE) {
		e->time_ns = best;
		e->flags |= VG_EVENT_ZONE_INFERRED;
	}
}

/* --- the end of a record --- */

static vg_str
slot_value(const struct vg_shape *s, const struct vg_event *e, enum vg_shape_slot slot)
{
	return s->field[slot] ? e->field[s->field[slot] - 1].value : VG_NIL;
}

static bool
slot_is(const struct vg_shape *s, enum vg_shape_slot slot, uint8_t flag)
{
	return s->field[slot] && (rows[s->row[slot]].flags & flag);
}

/* Add the native name of what is in @slot, unless it stands under it. */
static vg_rc
add_native(const struct vg_shape *s, struct vg_event *e, enum vg_shape_slot slot)
{
	const struct row *r = &rows[s->row[slot]];
	const struct vg_field *f;
	uint32_t key;

	if (s->field[slot] == 0 || r->native.n == 0 || vg_str_eq(r->name, r->native))
		return VG_OK;
	key = vg_keys_find(e->keys, r->native);
	if (key == VG_KEY_NONE)
		return VG_OK; /* nobody would ask for it */
	if ((f = vg_event_find(e, key)) != NULL && f->value.n)
		return VG_OK;
	f = &e->field[s->field[slot] - 1];
	return vg_event_add_key(e, r->native, key, f->kind, VG_FIELD_ADDED, f->value);
}

static vg_rc
inner_text(struct vg_shape *s, struct vg_event *e)
{
	vg_str xml = slot_value(s, e, VG_SLOT_XML), json = slot_value(s, e, VG_SLOT_JSON);
	vg_rc rc = VG_OK;

	xml = vg_str_trim(xml);
	if (xml.n > 2 && xml.p[0] == '<')
		rc = vg_winxml_event(xml, e);
	else if (json.n > 2 && json.p[0] == '{' && slot_is(s, VG_SLOT_CODE, WIN)) {
		struct vg_event inner = *e;

		/* its own time and names would be those of an event without a System */
		rc = vg_json_event(json, &inner);
		e->field = inner.field;
		e->nfield = inner.nfield;
		e->cap = inner.cap;
		e->dropped = inner.dropped;
	}
	return rc == VG_E_NOMEM ? rc : VG_OK;
}

/* NXLog and others leave the spaces in the names of event data ("Threat Name"): Sigma has none there. */
static vg_rc
close_names(struct vg_event *e)
{
	for (uint32_t i = 0; i < e->nfield; i++) {
		struct vg_field *f = &e->field[i];
		size_t n = 0;
		char *t;

		if (vg_str_chr(f->name, ' ') == VG_NPOS)
			continue;
		if ((t = vg_arena_alloc(e->arena, f->name.n)) == NULL)
			return VG_E_NOMEM;
		for (size_t k = 0; k < f->name.n; k++)
			if (f->name.p[k] != ' ')
				t[n++] = f->name.p[k];
		if (n == 0) /* nothing but spaces: it keeps them, a field has a name */
			continue;
		f->name = vg_str_mem(t, n);
		f->key = vg_keys_find(e->keys, f->name);
	}
	return VG_OK;
}

/* Is it a Windows event? */
static bool
is_windows(const struct vg_shape *s)
{
	bool strong = !slot_is(s, VG_SLOT_CODE, WEAK);

	return slot_is(s, VG_SLOT_CODE, WIN) &&
	       ((slot_is(s, VG_SLOT_CHANNEL, WIN) && (strong || !slot_is(s, VG_SLOT_CHANNEL, WEAK))) ||
		(slot_is(s, VG_SLOT_PROVIDER, WIN) && (strong || !slot_is(s, VG_SLOT_PROVIDER, WEAK))));
}

vg_rc
vg_shape_finish(struct vg_shape *s, struct vg_event *e)
{
	bool win = is_windows(s);
	uint64_t id;
	vg_rc rc = VG_OK;

	if ((s->field[VG_SLOT_XML] || s->field[VG_SLOT_JSON]) && (rc = inner_text(s, e)) != VG_OK)
		return rc;
	if (e->time_ns == VG_TIME_NONE)
		find_time(s, e);
	if (e->time_ns == VG_TIME_NONE)
		e->flags |= VG_EVENT_TIME_MISSING;
	if (e->host.n == 0)
		e->host = slot_value(s, e, VG_SLOT_HOST);
	if (e->channel.n == 0)
		e->channel = slot_value(s, e, VG_SLOT_CHANNEL);
	if (e->provider.n == 0 && (win || !slot_is(s, VG_SLOT_PROVIDER, WEAK)))
		e->provider = slot_value(s, e, VG_SLOT_PROVIDER);
	if (e->code.n == 0 && (win || !slot_is(s, VG_SLOT_CODE, WIN)))
		e->code = slot_value(s, e, VG_SLOT_CODE);
	if (win) {
		if (s->spaced && (rc = close_names(e)) != VG_OK)
			return rc;
		if (e->record == 0 && s->field[VG_SLOT_RECORD] &&
		    vg_str_u64(slot_value(s, e, VG_SLOT_RECORD), &id))
			e->record = id;
		for (unsigned i = VG_SLOT_HOST; i <= VG_SLOT_ACTIVITY && rc != VG_E_NOMEM; i++)
			if (slot_is(s, i, WIN))
				rc = add_native(s, e, i);
	}
	for (unsigned i = VG_SLOT_HOST; i <= VG_SLOT_MESSAGE && rc != VG_E_NOMEM; i++)
		if (slot_is(s, i, ANY))
			rc = add_native(s, e, i);
	return rc == VG_E_NOMEM ? rc : VG_OK;
}

/* --- nested objects --- */

struct way {
	uint8_t from, to; /* enum vg_shape_at */
	vg_str key;
};

#define W(from, key, to) { VG_AT_##from, VG_AT_##to, VG_STR_INIT(key) }
static const struct way ways[] = {
	W(ROOT, "Event", EVENT),
	W(ROOT, "System", SYSTEM), /* Velociraptor */
	W(ROOT, "EventData", LEAF),
	W(ROOT, "UserData", LEAF),
	W(ROOT, "EventID", TAG),
	W(ROOT, "winlog", WINLOG),
	W(ROOT, "event_data", LEAF), /* Winlogbeat 6 */
	W(ROOT, "user_data", LEAF),
	W(ROOT, "data", DATA),
	W(ROOT, "_source", ROOT), /* exports of Elasticsearch and OpenSearch */
	W(EVENT, "#attributes", IGNORE),
	W(EVENT, "System", SYSTEM),
	W(EVENT, "RenderingInfo", RENDER),
	W(WINLOG, "event_data", LEAF),
	W(WINLOG, "user_data", LEAF),
	W(DATA, "win", DATA_WIN),
	W(DATA_WIN, "system", WAZUH_SYSTEM),
	W(DATA_WIN, "eventdata", WAZUH_DATA),
};
#undef W

/* "#attributes", or "X_attributes" of evtx_dump --separate-json-attributes. */
static bool
is_attributes(vg_str key)
{
	return vg_str_eq(key, VG_STR("#attributes")) || vg_str_ends(key, VG_STR("_attributes"));
}

enum vg_shape_at
vg_shape_enter(enum vg_shape_at at, vg_str key)
{
	for (size_t i = 0; i < VG_COUNT(ways); i++)
		if (ways[i].from == at && vg_str_eq(ways[i].key, key))
			return ways[i].to;
	switch (at) {
	case VG_AT_EVENT:
		return vg_str_ends(key, VG_STR("_attributes")) ? VG_AT_IGNORE : VG_AT_LEAF;
	case VG_AT_SYSTEM:
		return is_attributes(key) ? VG_AT_ATTR : VG_AT_TAG;
	case VG_AT_TAG:
	case VG_AT_LEAF:
		return is_attributes(key) ? VG_AT_ATTR : VG_AT_LEAF;
	case VG_AT_RENDER:
		return is_attributes(key) ? VG_AT_ATTR : VG_AT_LEAF;
	case VG_AT_ATTR:
	case VG_AT_IGNORE:
	case VG_AT_WAZUH_SYSTEM:
	case VG_AT_WAZUH_DATA:
		return at;
	default:
		return VG_AT_DOTTED;
	}
}

enum vg_shape_at
vg_shape_flat(vg_str *name)
{
	static const struct {
		vg_str prefix;
		uint8_t at;
	} flat[] = {
		{ VG_STR_INIT("winlog.event_data."), VG_AT_LEAF },
		{ VG_STR_INIT("winlog.user_data."), VG_AT_LEAF },
		{ VG_STR_INIT("Event.EventData."), VG_AT_LEAF },
		{ VG_STR_INIT("Event.System."), VG_AT_LEAF },
		{ VG_STR_INIT("event_data."), VG_AT_LEAF },
		{ VG_STR_INIT("data.win.eventdata."), VG_AT_WAZUH_DATA },
		{ VG_STR_INIT("data.win.system."), VG_AT_WAZUH_SYSTEM },
	};

	for (size_t i = 0; i < VG_COUNT(flat); i++)
		if (vg_str_starts(*name, flat[i].prefix) && name->n > flat[i].prefix.n) {
			*name = vg_str_skip(*name, flat[i].prefix.n);
			return flat[i].at;
		}
	return VG_AT_DOTTED;
}

vg_str
vg_shape_wazuh_system(vg_str key)
{
	static const struct {
		vg_str key, native;
	} names[] = {
		{ VG_STR_INIT("providerName"), VG_STR_INIT("Provider_Name") },
		{ VG_STR_INIT("providerGuid"), VG_STR_INIT("Provider_Guid") },
		{ VG_STR_INIT("eventID"), VG_STR_INIT("EventID") },
		{ VG_STR_INIT("systemTime"), VG_STR_INIT("TimeCreated_SystemTime") },
		{ VG_STR_INIT("eventRecordID"), VG_STR_INIT("EventRecordID") },
		{ VG_STR_INIT("processID"), VG_STR_INIT("Execution_ProcessID") },
		{ VG_STR_INIT("threadID"), VG_STR_INIT("Execution_ThreadID") },
		{ VG_STR_INIT("eventSourceName"), VG_STR_INIT("Provider_EventSourceName") },
		{ VG_STR_INIT("channel"), VG_STR_INIT("Channel") },
		{ VG_STR_INIT("computer"), VG_STR_INIT("Computer") },
		{ VG_STR_INIT("version"), VG_STR_INIT("Version") },
		{ VG_STR_INIT("level"), VG_STR_INIT("Level") },
		{ VG_STR_INIT("task"), VG_STR_INIT("Task") },
		{ VG_STR_INIT("opcode"), VG_STR_INIT("Opcode") },
		{ VG_STR_INIT("keywords"), VG_STR_INIT("Keywords") },
		{ VG_STR_INIT("message"), VG_STR_INIT("Message") },
	};

	for (size_t i = 0; i < VG_COUNT(names); i++)
		if (vg_str_eq(key, names[i].key))
			return names[i].native;
	return VG_NIL;
}
