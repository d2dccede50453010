#include "sample/evtx_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536
#define HEADER 4096
#define NAMES_MAX 1024
#define TEMPLATES_MAX 256

enum { T_STRING = 1, T_U8 = 4, T_U16 = 6, T_U32 = 8, T_U64 = 10, T_BOOL = 13, T_FILETIME = 17, T_SID = 19,
       T_HEX64 = 21, T_BINXML = 33, T_STRINGS = 0x81 };

struct name {
	char *text; /* owned */
	uint32_t at;
};
struct tmpl {
	char *id; /* owned: what it is made of */
	uint32_t at;
};
struct evtx_writer {
	uint8_t *done; /* whole chunks; owned */
	size_t ndone, nchunk;
	uint8_t *out; /* what evtx_bytes() gives; owned */
	uint8_t c[2 * CHUNK]; /* the chunk; what is beyond its size did not fit */
	size_t at;
	bool over;
	uint64_t next_id, first, last;
	uint64_t number, first_number; /* of records in the file, from 1 */
	uint32_t last_at;
	struct name name[NAMES_MAX];
	size_t nname;
	struct tmpl tmpl[TEMPLATES_MAX];
	size_t ntmpl;
	bool dirty;
};

static uint32_t
crc32_of(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

static void
put(struct evtx_writer *w, const void *p, size_t n)
{
	if (n > sizeof(w->c) - w->at) {
		w->over = true;
		return;
	}
	if (n)
		memcpy(w->c + w->at, p, n);
	w->at += n;
}

static void
put8(struct evtx_writer *w, unsigned v)
{
	uint8_t b = (uint8_t)v;

	put(w, &b, 1);
}

static void
put16(struct evtx_writer *w, unsigned v)
{
	uint16_t b = (uint16_t)v;

	put(w, &b, 2);
}

static void
put32(struct evtx_writer *w, size_t v)
{
	uint32_t b = (uint32_t)v;

	put(w, &b, 4);
}

static void
put64(struct evtx_writer *w, uint64_t v)
{
	put(w, &v, 8);
}

static void
set32(struct evtx_writer *w, size_t at, size_t v)
{
	uint32_t b = (uint32_t)v;

	if (!w->over)
		memcpy(w->c + at, &b, 4);
}

/* UTF-8 to UTF-16; @out has room for strlen(s) units.  Units written. */
static size_t
utf16(const char *s, size_t n, uint16_t *out)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;
	size_t k = 0;

	while (p < end) {
		uint32_t cp = *p++;
		int more = cp >= 0xf0 ? 3 : cp >= 0xe0 ? 2 : cp >= 0xc0 ? 1 : 0;

		if (more)
			cp &= 0x3fu >> more;
		for (; more && p < end && (*p & 0xc0) == 0x80; more--)
			cp = cp << 6 | (*p++ & 0x3f);
		if (cp >= 0x10000) {
			out[k++] = (uint16_t)(0xd800 + ((cp - 0x10000) >> 10));
			cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
		}
		out[k++] = (uint16_t)cp;
	}
	return k;
}

static void
put_utf16(struct evtx_writer *w, const char *s, size_t n)
{
	uint16_t *t = malloc(2 * n + 2);

	if (t == NULL) {
		w->over = true;
		return;
	}
	put(w, t, 2 * utf16(s, n, t));
	free(t);
}

/* A name's offset, and the name itself where it is the first time in the chunk that it is written. */
static void
put_name(struct evtx_writer *w, const char *s)
{
	uint16_t t[512];
	size_t n;
	uint32_t at, bucket, before, hash = 0;

	for (size_t i = 0; i < w->nname; i++)
		if (strcmp(w->name[i].text, s) == 0) {
			put32(w, w->name[i].at);
			return;
		}
	if (w->nname == NAMES_MAX || strlen(s) >= sizeof(t) / sizeof(*t) || w->at >= CHUNK) {
		w->over = true;
		return;
	}
	n = utf16(s, strlen(s), t);
	for (size_t i = 0; i < n; i++)
		hash = hash * 65599 + t[i];
	at = (uint32_t)w->at + 4;
	if ((w->name[w->nname].text = strdup(s)) == NULL) {
		w->over = true;
		return;
	}
	w->name[w->nname++].at = at;
	bucket = 128 + 4 * ((hash & 0xffff) % 64);
	memcpy(&before, w->c + bucket, 4);
	put32(w, at);
	put32(w, before);
	put16(w, hash & 0xffff);
	put16(w, (unsigned)n);
	put(w, t, 2 * n);
	put16(w, 0);
	if (!w->over)
		memcpy(w->c + bucket, &at, 4);
}

/* An open start tag of a template; where its size stands. */
static size_t
open_elem(struct evtx_writer *w, const char *name, bool attrs)
{
	size_t at;

	put8(w, attrs ? 0x41 : 0x01);
	put16(w, 0xffff);
	at = w->at;
	put32(w, 0);
	put_name(w, name);
	return at;
}

static void
end_elem(struct evtx_writer *w, size_t size_at)
{
	put8(w, 0x04);
	set32(w, size_at, w->at - size_at - 4);
}

static void
put_literal(struct evtx_writer *w, const char *s)
{
	size_t at;

	put8(w, 0x05);
	put8(w, T_STRING);
	at = w->at;
	put16(w, 0);
	put_utf16(w, s, strlen(s));
	if (!w->over) {
		uint16_t n = (uint16_t)((w->at - at - 2) / 2);

		memcpy(w->c + at, &n, 2);
	}
}

static void
put_sub(struct evtx_writer *w, unsigned id, unsigned type, bool optional)
{
	put8(w, optional ? 0x0e : 0x0d);
	put16(w, id);
	put8(w, type);
}

/* <name>substitution</name> */
static void
sub_elem(struct evtx_writer *w, const char *name, unsigned id, unsigned type)
{
	size_t at = open_elem(w, name, false);

	put8(w, 0x02);
	put_sub(w, id, type, true);
	end_elem(w, at);
}

/* <name attr="sub" attr2="sub"/> */
static void
attr_elem(struct evtx_writer *w, const char *name, unsigned n, const char *const *attr, const unsigned *id,
	  const unsigned *type)
{
	size_t at = open_elem(w, name, true), list = w->at;

	put32(w, 0);
	for (unsigned i = 0; i < n; i++) {
		put8(w, i + 1 < n ? 0x46 : 0x06);
		put_name(w, attr[i]);
		put_sub(w, id[i], type[i], true);
	}
	set32(w, list, w->at - list - 4);
	put8(w, 0x03);
	set32(w, at, w->at - at - 4);
}

/* What the event's template substitutes, in order. */
enum { S_PROVIDER, S_ID, S_VERSION, S_LEVEL, S_TASK, S_OPCODE, S_KEYWORDS, S_TIME, S_RECORD, S_PID, S_TID,
       S_CHANNEL, S_COMPUTER, S_USER, S_DATA, S_COUNT };

static void
event_body(struct evtx_writer *w)
{
	size_t event, system, list;

	put(w, "\x0f\x01\x01\x00", 4);
	event = open_elem(w, "Event", true);
	list = w->at;
	put32(w, 0);
	put8(w, 0x06);
	put_name(w, "xmlns");
	put_literal(w, "http://schemas.microsoft.com/win/2004/08/events/event");
	set32(w, list, w->at - list - 4);
	put8(w, 0x02);
	system = open_elem(w, "System", false);
	put8(w, 0x02);
	attr_elem(w, "Provider", 1, (const char *const[]){ "Name" }, (const unsigned[]){ S_PROVIDER },
		  (const unsigned[]){ T_STRING });
	sub_elem(w, "EventID", S_ID, T_U16);
	sub_elem(w, "Version", S_VERSION, T_U8);
	sub_elem(w, "Level", S_LEVEL, T_U8);
	sub_elem(w, "Task", S_TASK, T_U16);
	sub_elem(w, "Opcode", S_OPCODE, T_U8);
	sub_elem(w, "Keywords", S_KEYWORDS, T_HEX64);
	attr_elem(w, "TimeCreated", 1, (const char *const[]){ "SystemTime" }, (const unsigned[]){ S_TIME },
		  (const unsigned[]){ T_FILETIME });
	sub_elem(w, "EventRecordID", S_RECORD, T_U64);
	attr_elem(w, "Execution", 2, (const char *const[]){ "ProcessID", "ThreadID" },
		  (const unsigned[]){ S_PID, S_TID }, (const unsigned[]){ T_U32, T_U32 });
	sub_elem(w, "Channel", S_CHANNEL, T_STRING);
	sub_elem(w, "Computer", S_COMPUTER, T_STRING);
	attr_elem(w, "Security", 1, (const char *const[]){ "UserID" }, (const unsigned[]){ S_USER },
		  (const unsigned[]){ T_SID });
	end_elem(w, system);
	put_sub(w, S_DATA, T_BINXML, true);
	end_elem(w, event);
	put8(w, 0x00);
}

static unsigned
type_of(enum evtx_type t)
{
	static const unsigned types[] = { T_STRING, T_U32, T_HEX64, T_BOOL, 0, T_STRINGS };

	return types[t];
}

static void
data_body(struct evtx_writer *w, const char *root, const struct evtx_pair *pair, size_t n)
{
	size_t outer, inner = 0;

	put(w, "\x0f\x01\x01\x00", 4);
	outer = open_elem(w, root ? "UserData" : "EventData", false);
	put8(w, 0x02);
	if (root) {
		inner = open_elem(w, root, false);
		put8(w, 0x02);
	}
	for (size_t i = 0; i < n; i++) {
		unsigned type = type_of(pair[i].type);

		if (root || pair[i].name == NULL) {
			sub_elem(w, root ? pair[i].name : "Data", (unsigned)i, type);
		} else {
			size_t at = open_elem(w, "Data", true), list = w->at;

			put32(w, 0);
			put8(w, 0x06);
			put_name(w, "Name");
			put_literal(w, pair[i].name);
			set32(w, list, w->at - list - 4);
			put8(w, 0x02);
			put_sub(w, (unsigned)i, type, false);
			end_elem(w, at);
		}
	}
	if (root)
		end_elem(w, inner);
	end_elem(w, outer);
	put8(w, 0x00);
}

/* The beginning of an instance; the definition where it is new in the chunk. */
static void
put_instance(struct evtx_writer *w, char *id /* taken */, const char *root, const struct evtx_pair *pair, size_t n)
{
	uint32_t hash[4], at, bucket, before, size_at;

	if (id == NULL) {
		w->over = true;
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		hash[i] = crc32_of(i * 0x9e3779b9u, (const uint8_t *)id, strlen(id));
	put(w, "\x0f\x01\x01\x00\x0c\x01", 6);
	put32(w, hash[0]);
	for (size_t i = 0; i < w->ntmpl; i++)
		if (strcmp(w->tmpl[i].id, id) == 0) {
			put32(w, w->tmpl[i].at);
			free(id);
			return;
		}
	if (w->ntmpl == TEMPLATES_MAX || w->at >= CHUNK) {
		w->over = true;
		free(id);
		return;
	}
	at = (uint32_t)w->at + 4;
	w->tmpl[w->ntmpl++] = (struct tmpl){ id, at };
	bucket = 384 + 4 * (hash[0] % 32);
	memcpy(&before, w->c + bucket, 4);
	put32(w, at);
	put32(w, before);
	put(w, hash, 16);
	size_at = (uint32_t)w->at;
	put32(w, 0);
	if (strcmp(id, "event") == 0)
		event_body(w);
	else
		data_body(w, root, pair, n);
	set32(w, size_at, w->at - size_at - 4);
	if (!w->over)
		memcpy(w->c + bucket, &at, 4);
}

/* What tells one shape of data from another. */
static char *
shape_of(const char *root, const struct evtx_pair *pair, size_t n)
{
	size_t size = 32 + (root ? strlen(root) : 0);
	char *s, *o;

	for (size_t i = 0; i < n; i++)
		size += 8 + (pair[i].name ? strlen(pair[i].name) : 0);
	if ((s = malloc(size)) == NULL)
		return NULL;
	o = s + sprintf(s, "data %s", root ? root : "");
	for (size_t i = 0; i < n; i++)
		o += sprintf(o, "\n%d%s%s", (int)pair[i].type, pair[i].name ? "=" : "",
			     pair[i].name ? pair[i].name : "");
	return s;
}

static void
put_value(struct evtx_writer *w, const struct evtx_pair *p)
{
	const char *s = p->value;

	switch (p->type) {
	case EVTX_TEXT:
		put_utf16(w, s, strlen(s));
		break;
	case EVTX_U32:
		put32(w, strtoul(s, NULL, 10));
		break;
	case EVTX_HEX64:
		put64(w, strtoull(s, NULL, 16));
		break;
	case EVTX_BOOL:
		put32(w, strcmp(s, "true") == 0);
		break;
	case EVTX_NULL:
		break;
	case EVTX_STRINGS:
		for (;;) {
			size_t n = strcspn(s, "|");

			put_utf16(w, s, n);
			put16(w, 0);
			if (s[n] == 0)
				break;
			s += n + 1;
		}
		break;
	}
}

/* A descriptor whose size comes later; where it stands. */
static size_t
put_desc(struct evtx_writer *w, unsigned size, unsigned type)
{
	size_t at = w->at;

	put16(w, size);
	put8(w, type);
	put8(w, 0);
	return at;
}

static void
set_desc(struct evtx_writer *w, size_t at, size_t from)
{
	uint16_t n = (uint16_t)(w->at - from);

	if (w->at - from > UINT16_MAX)
		w->over = true;
	if (!w->over)
		memcpy(w->c + at, &n, 2);
}

static void
forget(struct evtx_writer *w, size_t nname, size_t ntmpl)
{
	while (w->nname > nname)
		free(w->name[--w->nname].text);
	while (w->ntmpl > ntmpl)
		free(w->tmpl[--w->ntmpl].id);
}

static void
begin_chunk(struct evtx_writer *w)
{
	memset(w->c, 0, sizeof(w->c));
	w->at = 512;
	w->over = false;
	w->first = w->first_number = 0;
	forget(w, 0, 0);
}

bool
evtx_chunk(struct evtx_writer *w)
{
	uint8_t *p;
	uint32_t v;

	if (w->first == 0)
		return true;
	memcpy(w->c, "ElfChnk", 8);
	memcpy(w->c + 8, &w->first_number, 8);
	memcpy(w->c + 16, &w->number, 8);
	memcpy(w->c + 24, &w->first, 8);
	memcpy(w->c + 32, &w->last, 8);
	set32(w, 40, 128);
	set32(w, 44, w->last_at);
	set32(w, 48, w->at);
	set32(w, 52, crc32_of(0, w->c + 512, w->at - 512));
	v = crc32_of(crc32_of(0, w->c, 120), w->c + 128, 384);
	set32(w, 124, v);
	if ((p = realloc(w->done, w->ndone + CHUNK)) == NULL)
		return false;
	w->done = p;
	memcpy(p + w->ndone, w->c, CHUNK);
	w->ndone += CHUNK;
	w->nchunk++;
	begin_chunk(w);
	return true;
}

static bool
try_add(struct evtx_writer *w, int64_t time_ns, const char *channel, const char *provider, const char *computer,
	unsigned event_id, unsigned level, const char *root, const struct evtx_pair *pair, size_t npairs)
{
	static const struct {
		unsigned size, type;
	} fixed[S_COUNT] = {
		[S_PROVIDER] = { 0, T_STRING }, [S_ID] = { 2, T_U16 },	   [S_VERSION] = { 1, T_U8 },
		[S_LEVEL] = { 1, T_U8 },	[S_TASK] = { 2, T_U16 },   [S_OPCODE] = { 1, T_U8 },
		[S_KEYWORDS] = { 8, T_HEX64 },	[S_TIME] = { 8, T_FILETIME }, [S_RECORD] = { 8, T_U64 },
		[S_PID] = { 4, T_U32 },		[S_TID] = { 4, T_U32 },	   [S_CHANNEL] = { 0, T_STRING },
		[S_COMPUTER] = { 0, T_STRING }, [S_USER] = { 0, 0 },	   [S_DATA] = { 0, T_BINXML },
	};
	uint64_t ft = (uint64_t)(time_ns / 100) + UINT64_C(116444736000000000);
	size_t begin = w->at, desc[S_COUNT], from, size, *sub;

	put(w, "**\0", 4);
	put32(w, 0);
	put64(w, w->next_id);
	put64(w, ft);
	put_instance(w, strdup("event"), NULL, NULL, 0);
	put32(w, S_COUNT);
	for (int i = 0; i < S_COUNT; i++)
		desc[i] = put_desc(w, fixed[i].size, fixed[i].type);
	from = w->at;
	put_utf16(w, provider, strlen(provider));
	set_desc(w, desc[S_PROVIDER], from);
	put16(w, event_id);
	put8(w, 0);
	put8(w, level);
	put16(w, 0);
	put8(w, 0);
	put64(w, UINT64_C(0x8000000000000000));
	put64(w, ft);
	put64(w, w->next_id);
	put32(w, 4);
	put32(w, 8);
	from = w->at;
	put_utf16(w, channel, strlen(channel));
	set_desc(w, desc[S_CHANNEL], from);
	from = w->at;
	put_utf16(w, computer, strlen(computer));
	set_desc(w, desc[S_COMPUTER], from);
	from = w->at;
	put_instance(w, shape_of(root, pair, npairs), root, pair, npairs);
	put32(w, npairs);
	if ((sub = calloc(npairs + 1, sizeof(*sub))) == NULL)
		return false;
	for (size_t i = 0; i < npairs; i++)
		sub[i] = put_desc(w, 0, type_of(pair[i].type));
	for (size_t i = 0; i < npairs; i++) {
		size_t at = w->at;

		put_value(w, &pair[i]);
		set_desc(w, sub[i], at);
	}
	free(sub);
	put8(w, 0x00);
	set_desc(w, desc[S_DATA], from);
	put8(w, 0x00);
	while ((w->at - begin) % 8 != 4)
		put8(w, 0x00);
	size = w->at - begin + 4;
	put32(w, size);
	set32(w, begin + 4, size);
	return !w->over && w->at <= CHUNK;
}

bool
evtx_add_user(struct evtx_writer *w, int64_t time_ns, const char *channel, const char *provider, const char *computer,
	      unsigned event_id, unsigned level, const char *root, const struct evtx_pair *pairs, size_t npairs)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		size_t at = w->at, nname = w->nname, ntmpl = w->ntmpl;
		uint8_t head[512];

		memcpy(head, w->c, sizeof(head));
		if (try_add(w, time_ns, channel, provider, computer, event_id, level, root, pairs, npairs)) {
			w->number++;
			if (w->first == 0) {
				w->first = w->next_id;
				w->first_number = w->number;
			}
			w->last = w->next_id++;
			w->last_at = (uint32_t)at;
			return true;
		}
		forget(w, nname, ntmpl); /* as it was; then once more in a new chunk */
		memcpy(w->c, head, sizeof(head));
		memset(w->c + at, 0, sizeof(w->c) - at);
		w->at = at;
		w->over = false;
		if (w->first == 0 || !evtx_chunk(w))
			return false;
	}
	return false;
}

bool
evtx_add(struct evtx_writer *w, int64_t time_ns, const char *channel, const char *provider, const char *computer,
	 unsigned event_id, unsigned level, const struct evtx_pair *pairs, size_t npairs)
{
	return evtx_add_user(w, time_ns, channel, provider, computer, event_id, level, NULL, pairs, npairs);
}

struct evtx_writer *
evtx_new(void)
{
	struct evtx_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->next_id = 1;
	begin_chunk(w);
	return w;
}

void
evtx_free(struct evtx_writer *w)
{
	if (w == NULL)
		return;
	forget(w, 0, 0);
	free(w->done);
	free(w->out);
	free(w);
}

void
evtx_gap(struct evtx_writer *w, uint64_t n)
{
	w->next_id += n;
}

void
evtx_set_id(struct evtx_writer *w, uint64_t id)
{
	w->next_id = id;
}

void
evtx_dirty(struct evtx_writer *w)
{
	w->dirty = true;
}

const uint8_t *
evtx_bytes(struct evtx_writer *w, size_t *n)
{
	uint64_t last;
	uint32_t v;
	uint16_t k;
	uint8_t *p;

	if (!evtx_chunk(w) || (p = realloc(w->out, HEADER + w->ndone)) == NULL)
		return NULL;
	w->out = p;
	memset(p, 0, HEADER);
	memcpy(p, "ElfFile", 8);
	last = w->nchunk ? w->nchunk - 1 : 0;
	memcpy(p + 16, &last, 8);
	memcpy(p + 24, &w->next_id, 8);
	v = 128;
	memcpy(p + 32, &v, 4);
	k = 1;
	memcpy(p + 36, &k, 2);
	k = 3;
	memcpy(p + 38, &k, 2);
	k = HEADER;
	memcpy(p + 40, &k, 2);
	k = (uint16_t)w->nchunk;
	memcpy(p + 42, &k, 2);
	v = w->dirty;
	memcpy(p + 120, &v, 4);
	v = crc32_of(0, p, 120);
	memcpy(p + 124, &v, 4);
	if (w->ndone)
		memcpy(p + HEADER, w->done, w->ndone);
	*n = HEADER + w->ndone;
	return p;
}

bool
evtx_save(struct evtx_writer *w, const char *path)
{
	size_t n;
	const uint8_t *p = evtx_bytes(w, &n);
	FILE *f;
	bool ok;

	if (p == NULL) {
		errno = ENOMEM;
		return false;
	}
	if ((f = fopen(path, "wb")) == NULL)
		return false;
	ok = fwrite(p, 1, n, f) == n;
	return fclose(f) == 0 && ok;
}
