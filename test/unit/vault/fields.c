#include "vault/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../bench/logs.h"
#include "base/ip.h"
#include "base/utf.h"
#include "packs.h"
#include "rule/selection.h"
#include "sample/draw.h"
#include "vault/redecode.h"
#include "vault/search.h"

static uint8_t the_key[2][VG_BLOCK_KEY] = { { 9, 8, 7 }, { 1, 2 } };
static uint8_t stamp[VG_FIELDS_STAMP]; /* of these packs */
static uint64_t state = 88172645463325252u;

static uint32_t
draw(uint32_t below)
{
	return sample_draw(&state, below);
}

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	(void)ctx;
	return number == 3 || number == 4 ? the_key[number - 3] : NULL;
}

/* ---- records ---- */

#define RECORDS 2400
#define PER_BLOCK 30
#define SELECTION 3100
#define BASE_NS (INT64_C(1775203965) * VG_SEC)

static char *raw[RECORDS];
static size_t raw_n[RECORDS];

static const char *const users[] = { "bob", "alice", "root", "svc_backup", "Zo\xc3\xab", "j.dupont", "ADMIN", "CORP\\\\kim", "deadbeef", "" };

static size_t
windows(char *out, size_t room)
{
	const char *user = users[draw(10)];
	unsigned id = draw(5) ? 4624 + draw(2) : 4688;

	switch (draw(4)) {
	case 0:
		return (size_t)snprintf(out, room, "<Event><System><Provider Name=\"Microsoft-Windows-Security-Auditing\"/><EventID>%u</EventID><EventRecordID>%u</EventRecordID><Channel>Security</Channel><Computer>PC%u</Computer></System><EventData>"
						   "<Data Name=\"TargetUserName\">%s</Data><Data Name=\"IpAddress\">10.%u.%u.7</Data><Data Name=\"LogonType\">%u</Data><Data Name=\"Empty\"></Data></EventData></Event>",
					id, draw(100000), draw(4), user, draw(3), draw(20), 2 + draw(9));
	case 1:
		return (size_t)snprintf(out, room, "{\"EventID\":%u,\"Channel\":\"Security\",\"Provider_Name\":\"Microsoft-Windows-Security-Auditing\",\"Computer\":\"PC%u\",\"TargetUserName\":\"%s\",\"IpAddress\":\"::ffff:10.%u.%u.7\",\"LogonType\":\"%u\",\"Status\":%s}",
					id, draw(4), user, draw(3), draw(20), 2 + draw(9), draw(2) ? "null" : "\"0x0\"");
	case 2:
		return (size_t)snprintf(out, room, "{\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"EventID\":1,\"Image\":\"C:\\\\Windows\\\\System32\\\\new%u.exe\",\"CommandLine\":\"new%u.exe -enc %x /u:%s\",\"User\":\"%s\",\"ProcessId\":%u}",
					draw(6), draw(6), draw(1 << 30), user, user, draw(60000));
	default:
		return (size_t)snprintf(out, room, "{\"winlog\":{\"channel\":\"Security\",\"event_id\":%u,\"record_id\":%u,\"computer_name\":\"PC%u.corp.example\",\"event_data\":{\"TargetUserName\":\"%s\",\"SubjectUserName\":\"%s\",\"IpAddress\":\"10.%u.%u.7\",\"Note\":\"\\u003c%s\\u003e\\nline\\t%u\"}}}",
					id, draw(100000), draw(4), user, users[draw(10)], draw(3), draw(20), user, draw(90));
	}
}

static size_t
cloud(char *out, size_t room)
{
	const char *user = users[draw(10)];

	switch (draw(6)) {
	case 0:
		return (size_t)snprintf(out, room, "{\"eventSource\":\"signin.amazonaws.com\",\"eventName\":\"ConsoleLogin\",\"awsRegion\":\"eu-west-%u\",\"userIdentity\":{\"userName\":\"%s\"},\"sourceIPAddress\":\"198.51.100.%u\",\"responseElements\":{\"ConsoleLogin\":\"%s\"}}",
					draw(3), user, draw(250), draw(2) ? "Success" : "Failure");
	case 1:
		return (size_t)snprintf(out, room, "{\"action\":\"org.add_member\",\"actor\":\"%s\",\"user\":\"%s\",\"org\":\"acme\",\"actor_ip\":\"2001:db8::%x\"}", user, users[draw(10)], draw(60));
	case 2: /* several events of one record */
		return (size_t)snprintf(out, room, "{\"Records\":[{\"eventName\":\"a%u\",\"u\":\"%s\"},{\"eventName\":\"b\",\"u\":\"bob\"}]}", draw(9), user);
	case 3: /* a name twice, values of every kind, one too long to be listed */
		return (size_t)snprintf(out, room, "{\"tag\":[\"%s\",\"b%u\",null],\"n\":%u.5,\"ok\":%s,\"nothing\":null,\"long\":\"%0*u\"}", user, draw(4), draw(40), draw(2) ? "true" : "false", draw(10) ? 9 : 200, draw(9));
	case 4: /* names that nobody foresees */
		return (size_t)snprintf(out, room, "{\"x%u\":\"%s\",\"y%u\":%u}", draw(3000), user, draw(3000), draw(9));
	default:
		return (size_t)snprintf(out, room, "{\"msg\":\"\\u0062ob said \\\"%s\\\" \\u212Aey %u\",\"ok\":true}", user, draw(50));
	}
}

static size_t
line(char *out, size_t room)
{
	const char *user = users[draw(10)];
	unsigned a = draw(3), b = draw(20), n = draw(60000);

	switch (draw(8)) {
	case 0:
		return (size_t)snprintf(out, room, "<%u>Apr  3 08:12:45 gw%u sshd[%u]: %s password for %s from 10.%u.%u.7 port %u ssh2", 8 * draw(24) + draw(8), draw(3), n, draw(2) ? "Accepted" : "Failed", user, a, b, n);
	case 1:
		return (size_t)snprintf(out, room, "<38>1 2026-04-03T08:12:45.%06uZ web%u nginx %u - [x@1 user=\"%s\" path=\"/a/%u\"] GET /index.php?id=%u HTTP/1.1", draw(1000000), draw(3), n, user, b, n);
	case 2:
		return (size_t)snprintf(out, room, "<14>Apr  3 08:12:45 fw CEF:0|Acme|Wall|1|%u|Traffic|5|src=10.%u.%u.7 suser=%s outcome=%s msg=path\\=C:\\\\x\\nb\\ob %u", draw(30), a, b, user, draw(2) ? "Failure" : "ok", n);
	case 3:
		return (size_t)snprintf(out, room, "type=USER_AUTH msg=audit(1775203965.%03u:%u): pid=%u uid=0 auid=%u ses=3 msg='op=PAM:authentication acct=\"%s\" exe=\"/usr/sbin/sshd\" hostname=10.%u.%u.7 addr=10.%u.%u.7 terminal=ssh res=%s'",
					draw(1000), n, n, draw(3) ? 1000 : 4294967295u, user, a, b, a, b, draw(2) ? "failed" : "success");
	case 4:
		return (size_t)snprintf(out, room, "type=EXECVE msg=audit(1775203965.%03u:%u): argc=2 a0=\"cat\" a1=2F6574632F%04X", draw(1000), n, n);
	case 5:
		return (size_t)snprintf(out, room, "__CURSOR=s=%08x\n__REALTIME_TIMESTAMP=%llu\n_HOSTNAME=pi%u\nSYSLOG_IDENTIFIER=sudo\nMESSAGE=%s : TTY=pts/0 ; USER=root ; COMMAND=/bin/cat %u\n", n, 1775203965000000ULL + n, draw(3), user, b);
	case 6:
		return (size_t)snprintf(out, room, "<30>Apr  3 08:12:45 \xe2\x84\xaaiosk app[1]: \xc4\xb0nfo \"quoted\" %s='it''s' tag=%u", user, b);
	default:
		return (size_t)snprintf(out, room, "<85>Apr  3 08:12:45 pi%u su[%u]: pam_unix(su:session): session opened for user %s(uid=0) by %s(uid=1000)", draw(3), n, user, users[draw(10)]);
	}
}

static void
make_records(void)
{
	static char text[8192];
	struct bench_logs logs;
	struct vg_buf b = { 0 };

	bench_logs_init(&logs, BASE_NS);
	for (unsigned i = 0; i < RECORDS; i++) {
		unsigned kind = draw(10);

		vg_buf_clear(&b);
		if (kind < 3) {
			bench_logs_next(&logs, VG_SEC, &b);
			raw_n[i] = b.n;
		} else {
			raw_n[i] = kind < 6 ? windows(text, sizeof(text)) : kind < 8 ? line(text, sizeof(text)) : cloud(text, sizeof(text));
		}
		raw[i] = malloc(raw_n[i] + 1);
		assert_non_null(raw[i]);
		memcpy(raw[i], kind < 3 ? b.p : text, raw_n[i]);
	}
	vg_buf_fini(&b);
}

/* ---- a segment, its index and its field cache: blocks in turn under two keys, some in neither ---- */

static struct vg_search_segment segment;
static struct vg_keys *pack_keys;
static struct vg_packs *packs;

static struct vg_fields_builder *
new_builder(void)
{
	struct vg_fields_builder *b = vg_fields_builder_new(packs, pack_keys, 0, stamp);

	assert_non_null(b);
	return b;
}

static int
memory(const struct vg_buf *b)
{
	int fd = memfd_create("part", MFD_CLOEXEC);

	assert_true(fd > 0);
	assert_int_equal(write(fd, b->p, b->n), b->n);
	return fd;
}

/* One block of records @first to @last at the end of @file, and its payload.  Its prefix: of the blocks of its key, of which the first one of a file empties all. */
static void
put_block(unsigned first, unsigned last, uint32_t key, struct vg_buf *file, struct vg_block_head *h, struct vg_buf *payload)
{
	static struct vg_buf prefix[2];
	struct vg_block_opener opener = { .zstd = NULL };
	struct vg_block_writer w = { 0 };
	size_t at = file->n;
	vg_str s;

	for (int i = 0; at == 0 && i < 2; i++)
		vg_buf_fini(&prefix[i]);
	w.prefix = opener.prefix = vg_str_cut(vg_buf_str(&prefix[key - 3]), VG_BLOCK_PREFIX_MAX);

	vg_block_begin(&w);
	for (unsigned k = first; k < last; k++)
		assert_int_equal(vg_block_add(&w, &(struct vg_record){ .seq = 10 + k, .recv_ns = BASE_NS + k * VG_SEC, .source = 1, .raw = vg_str_mem(raw[k], raw_n[k]) }), VG_OK);
	assert_int_equal(vg_block_finish(&w, the_key[key - 3], key, file), VG_OK);
	s = vg_str_skip(vg_buf_str(file), at);
	assert_int_equal(vg_block_head_take(vg_str_cut(s, VG_BLOCK_HEAD), h), VG_OK);
	assert_int_equal(vg_block_opener_open(&opener, h, vg_str_cut(s, VG_BLOCK_HEAD), vg_str_skip(s, VG_BLOCK_HEAD), the_key[key - 3], payload), VG_OK);
	vg_buf_put(&prefix[key - 3], vg_buf_str(&w.raw));
	vg_block_opener_fini(&opener);
	vg_block_writer_fini(&w);
}

static int
up(void **ctx)
{
	struct vg_fields_builder *b[2];
	struct vg_tokens_builder *t = vg_tokens_builder_new();
	struct vg_buf file = { 0 }, index = { 0 }, cache = { 0 }, payload = { 0 };

	(void)ctx;
	read_packs();
	vg_fields_stamp(vg_str_mem(packs_blob, packs_bytes), 0, stamp);
	make_records();
	pack_keys = vg_keys_new();
	packs = load_packs(pack_keys);
	b[0] = new_builder();
	b[1] = new_builder();
	for (unsigned i = 0; i < RECORDS; i += PER_BLOCK) {
		uint32_t key = 3 + (i / PER_BLOCK > 40 ? i / PER_BLOCK & 1 : 0);
		struct vg_block_head h;
		uint64_t at = file.n;

		put_block(i, i + PER_BLOCK, key, &file, &h, &payload);
		if (i / PER_BLOCK < 60 && vg_tokens_add(t, at, &h, vg_buf_str(&payload)) == VG_E_REFUSED) {
			assert_int_equal(vg_tokens_finish(t, the_key[key == 3], &index), VG_OK);
			assert_int_equal(vg_tokens_add(t, at, &h, vg_buf_str(&payload)), VG_OK);
		}
		if (i / PER_BLOCK == 59)
			assert_int_equal(vg_tokens_finish(t, the_key[key - 3], &index), VG_OK);
		if (i / PER_BLOCK % 20 != 7)
			assert_int_equal(vg_fields_add(b[key - 3], at, &h, vg_buf_str(&payload)), VG_OK);
		if (i / PER_BLOCK == 50) /* groups end where they like */
			assert_int_equal(vg_fields_finish(b[0], the_key[0], &cache), VG_OK);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(vg_fields_finish(b[i], the_key[i], &cache), VG_OK);
	segment = (struct vg_search_segment){ memory(&file), memory(&index), memory(&cache) };
	vg_fields_builder_free(b[0]);
	vg_fields_builder_free(b[1]);
	vg_tokens_builder_free(t);
	vg_buf_fini(&payload);
	vg_buf_fini(&file);
	vg_buf_fini(&index);
	vg_buf_fini(&cache);
	return 0;
}

static int
down(void **ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < RECORDS; i++)
		free(raw[i]);
	close(segment.fd);
	close(segment.index_fd);
	close(segment.fields_fd);
	vg_packs_free(packs);
	vg_keys_free(pack_keys);
	free(packs_blob);
	return 0;
}

/* ---- what the cache says is what decoding says ---- */

struct compared {
	const struct vg_fields_group *g;
	const struct vg_fields_class *c;
	vg_str raw;
	unsigned events, told, made;
};

static bool
class_has(const struct compared *x, uint32_t name, uint32_t value)
{
	for (uint32_t i = 0; i < x->c->n; i++)
		if (x->c->el[i] == (name << 16 | value))
			return true;
	return false;
}

static uint32_t
group_name(const struct vg_fields_group *g, vg_str name)
{
	uint32_t k = 0;

	while (k < g->nname && !vg_str_eq(g->name[k].name, name))
		k++;
	assert_true(k < g->nname);
	return k;
}

static vg_rc
compare_event(void *ctx, struct vg_event *e)
{
	struct compared *x = ctx;
	unsigned in_class = 0, seen = 0;
	bool *name = calloc(x->g->nname, 1);

	x->events++;
	assert_non_null(name);
	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *f = &e->field[i];
		uint32_t k = group_name(x->g, f->name), v = 0;
		bool in = vg_str_find(x->raw, f->value) != VG_NPOS, found = false;

		seen += !name[k];
		name[k] = true;
		if (f->kind == VG_KIND_NULL) {
			assert_true(class_has(x, k, VG_FIELDS_NULL));
			continue;
		}
		for (; v < x->g->name[k].nvalue && !vg_str_eq(x->g->name[k].value[v], f->value); v++)
			;
		found = v < x->g->name[k].nvalue && class_has(x, k, v);
		x->told += found;
		x->made += !in;
		assert_true(found || class_has(x, k, in ? VG_FIELDS_ANY : VG_FIELDS_MADE) || (f->value.n == 0 && class_has(x, k, VG_FIELDS_ANY)) ||
			    (class_has(x, k, VG_FIELDS_MADE) && v < x->g->name[k].nvalue && x->g->name[k].made[v]));
		assert_true(!found || in || x->g->name[k].made[v]);
	}
	for (uint32_t i = 0; i < x->c->n; i++)
		in_class += i == 0 || x->c->el[i] >> 16 != x->c->el[i - 1] >> 16;
	assert_int_equal(seen, in_class); /* no name that the record does not have */
	free(name);
	return VG_OK;
}

static void
classes_are_what_decoding_says(void **ctx)
{
	unsigned unknown = 0, told = 0, made = 0, n = 0;
	struct vg_fields *f;
	struct vg_decoder d;

	(void)ctx;
	vg_decoder_init(&d, packs, pack_keys, 0);
	assert_int_equal(vg_fields_open(segment.fields_fd, key_of, NULL, &f), VG_OK);
	assert_false(f->damaged);
	assert_int_equal(f->ngroup, 3);
	for (size_t g = 0; g < f->ngroup; g++)
		for (uint32_t i = 0; i < f->group[g].nblock; i++) {
			struct vg_fields_block b;

			assert_int_equal(vg_fields_read(f, g, i, &b), VG_OK);
			assert_int_equal(b.records, PER_BLOCK);
			for (uint32_t k = 0; k < b.records; k++, n++) {
				size_t at = f->group[g].row[i].first_seq - 10 + k;
				struct compared x = { &f->group[g], &f->group[g].class[vg_fields_class_of(&b, k)], vg_str_mem(raw[at], raw_n[at]), 0, 0, 0 };

				if (vg_fields_class_of(&b, k) == VG_FIELDS_UNKNOWN) {
					unknown++;
					continue;
				}
				assert_int_equal(vg_decoder_record(&d, x.raw, BASE_NS, compare_event, &x), VG_OK);
				assert_int_equal(x.events, 1);
				told += x.told;
				made += x.made;
			}
		}
	assert_true(n == RECORDS - 4 * PER_BLOCK && unknown > 20 && unknown < n / 3 && told > n && made > n / 2);
	vg_fields_close(f);
	vg_decoder_fini(&d);
}

/* ---- answers are the same with and without it ---- */

struct asked {
	uint64_t seq[RECORDS];
	size_t n;
	struct vg_search_result result;
};

static vg_rc
on_match(void *ctx, const struct vg_search_match *m)
{
	struct asked *a = ctx;

	a->seq[a->n++] = m->record->seq;
	return VG_OK;
}

/* false: the selection is none. */
static bool
search(const char *selection, struct vg_search s, struct asked *a)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_buf blob = { 0 };
	struct vg_program program;
	struct vg_packs *mine = NULL;
	struct vg_selection_error err;
	bool good;

	assert_non_null(keys);
	a->n = 0;
	good = vg_selection_compile(vg_str_of(selection), &blob, &err) == VG_OK;
	if (good) {
		assert_int_equal(vg_program_load(vg_buf_str(&blob), keys, &program), VG_OK);
		s.program = &program;
		s.packs = mine = load_packs(keys);
		s.keys = keys;
		s.segment = &segment;
		s.nsegment = 1;
		s.key = key_of;
		s.match = on_match;
		s.ctx = a;
		assert_int_equal(vg_search_run(&s, &a->result), VG_OK);
	}
	vg_packs_free(mine);
	vg_buf_fini(&blob);
	vg_keys_free(keys);
	return good;
}

static const struct vg_search always = { .from_ns = VG_TIME_NONE, .to_ns = VG_TIME_NONE, .by_arrival = true };

struct drawn { /* a field of some record */
	char name[128], value[128];
	unsigned seen;
};

/* A name that the language takes without quotes. */
static bool
is_plain(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr(" |:()\"'*?\\", s.p[i]))
			return false;
	return true;
}

static vg_rc
pick_field(void *ctx, struct vg_event *e)
{
	struct drawn *f = ctx;

	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *d = &e->field[i];

		if (d->value.n > 60 || d->name.n > 60 || d->name.n == 0 || !vg_utf8_valid(d->name) || !vg_utf8_valid(d->value) ||
		    !is_plain(d->name) || vg_str_chr(d->value, '\n') != VG_NPOS || draw(++f->seen) != 0)
			continue;
		snprintf(f->name, sizeof(f->name), "%.*s", VG_STR_ARG(d->name));
		snprintf(f->value, sizeof(f->value), "%.*s", VG_STR_ARG(d->value));
	}
	return VG_OK;
}

/* In single quotes, as the language takes it; @re: as an expression. */
static void
quoted(char *out, const char *s, size_t from, size_t n, bool re)
{
	*out++ = '\'';
	for (size_t i = from; i < from + n && s[i]; i++) {
		if (s[i] == '\'')
			*out++ = '\'';
		if (strchr(re ? "\\^$.|?*+()[]{}" : "*?\\", s[i]))
			*out++ = '\\';
		*out++ = s[i];
	}
	*out++ = '\'';
	*out = 0;
}

static void
a_condition(char *out, size_t room)
{
	static const char *const fixed[] = { "event.outcome: failure", "event.action: sign-in", "not event.action: *", "user.name|exists: false", "user.name|exists: true", "source.ip: null",
					     "nothing: null", "tag: null", "tag|contains|all: (b, o)", "user.name|re: '^[a-m]'", "source.ip|cidr: 10.1.0.0/16", "source.ip|cidr: '2001:db8::/64'",
					     "source.ip|cidr: 20.0.0.0/6", "n|gt: 12", "LogonType|lte: 4", "severity: err", "facility: (auth, mail)", "no.such.name: x", "no.such.name: null",
					     "TargetUserName|fieldref: SubjectUserName", "user.name|fieldref: user.target.name", "x17|exists: true", "kiosk", "not bob", "user.name: ''", "Empty: ''" };
	struct drawn f = { .seen = 0 };
	unsigned at = draw(RECORDS);
	struct vg_decoder d;
	char value[300], other[300];
	size_t n, from;
	uint8_t ip[16];

	if (draw(4) == 0) {
		snprintf(out, room, "%s", fixed[draw(VG_COUNT(fixed))]);
		return;
	}
	vg_decoder_init(&d, packs, pack_keys, 0);
	assert_int_equal(vg_decoder_record(&d, vg_str_mem(raw[at], raw_n[at]), BASE_NS, pick_field, &f), VG_OK);
	vg_decoder_fini(&d);
	if (f.name[0] == 0)
		snprintf(f.name, sizeof(f.name), "user.name");
	n = strlen(f.value);
	from = n ? draw((uint32_t)n) : 0;
	quoted(value, f.value, 0, n, false);
	quoted(other, f.value, from, 1 + draw(8), false);
	switch (draw(13)) {
	case 0:
		snprintf(out, room, "%s|contains: %s", f.name, other);
		break;
	case 1:
		quoted(other, f.value, 0, from + 1, false);
		snprintf(out, room, "%s|startswith: %s", f.name, other);
		break;
	case 2:
		quoted(other, f.value, from, n, false);
		snprintf(out, room, "%s|endswith|cased: %s", f.name, other);
		break;
	case 3:
		quoted(other, f.value, from, 1 + draw(8), true);
		snprintf(out, room, "%s|re: %s", f.name, other);
		break;
	case 4:
		snprintf(out, room, "%s: null", f.name);
		break;
	case 5:
		snprintf(out, room, "%s|exists: %s", f.name, draw(2) ? "true" : "false");
		break;
	case 6:
		if (vg_ip_parse(vg_str_of(f.value), ip))
			snprintf(out, room, "%s|cidr: '%s/%u'", f.name, f.value, 8 + draw(20));
		else
			snprintf(out, room, "%s|gte: %u", f.name, draw(5000));
		break;
	case 7:
		snprintf(out, room, "%s|lt: %u", f.name, draw(70000));
		break;
	case 8:
		other[strlen(other) - 1] = 0;
		snprintf(out, room, "%s: '*%s*'", f.name, other + 1);
		break;
	case 9:
		snprintf(out, room, "%s: (%s, %s)", f.name, value, users[draw(5)]);
		break;
	case 10:
		snprintf(out, room, "%s|contains|all: (%s, 'a')", f.name, other);
		break;
	default:
		snprintf(out, room, "%s: %s", f.name, value);
	}
}

static void
a_selection(char out[SELECTION])
{
	char a[1000], b[1000], c[1000];

	a_condition(a, sizeof(a));
	a_condition(b, sizeof(b));
	a_condition(c, sizeof(c));
	switch (draw(8)) {
	case 0:
		snprintf(out, SELECTION, "%s and %s", a, b);
		break;
	case 1:
		snprintf(out, SELECTION, "%s or %s", a, b);
		break;
	case 2:
		snprintf(out, SELECTION, "%s and not %s", a, b);
		break;
	case 3:
		snprintf(out, SELECTION, "not (%s or %s) and %s", a, b, c);
		break;
	case 4:
		snprintf(out, SELECTION, "not %s", a);
		break;
	default:
		snprintf(out, SELECTION, "%s", a);
	}
}

static void
assert_same(const char *selection, const struct asked *a, const struct asked *b)
{
	if (a->n != b->n || memcmp(a->seq, b->seq, a->n * sizeof(a->seq[0])) != 0)
		fail_msg("%s: %zu and %zu", selection, a->n, b->n);
}

static void
answers_are_those_without_it(void **ctx)
{
	static struct asked truth, with, without;
	unsigned asked = 0, some = 0;
	uint64_t blocks = 0, decoded[2] = { 0, 0 };

	(void)ctx;
	for (unsigned i = 0; i < 300; i++) {
		struct vg_search s = always;
		char selection[SELECTION];

		a_selection(selection);
		s.exhaustive = true;
		if (!search(selection, s, &truth))
			continue; /* a slice that ends in half a character, an expression that is none */
		s = always;
		assert_true(search(selection, s, &without));
		s.fields_stamp = stamp;
		s.newest_first = false;
		assert_true(search(selection, s, &with));
		assert_same(selection, &truth, &without);
		assert_same(selection, &truth, &with);
		assert_int_equal(with.result.stats.bad_fields + with.result.stats.old_fields, 0);
		s.newest_first = true;
		s.raw_only = true;
		assert_true(search(selection, s, &with));
		assert_int_equal(with.n + with.result.stats.repeated, truth.n + truth.result.stats.repeated);
		asked++;
		some += truth.n > 0 && truth.n < RECORDS / 2;
		blocks += with.result.stats.by_fields;
		decoded[0] += without.result.stats.decoded;
		decoded[1] += with.result.stats.decoded;
	}
	assert_true(asked > 240 && some > 120);
	assert_true(blocks > asked * 5 && decoded[1] < decoded[0] / 2);
}

static const char *const some_selections[] = { "event.outcome: failure", "user.name: bob", "user.name: null", "source.ip|cidr: 10.1.0.0/16", "not EventID: 4624" };

static void
other_packs_or_another_zone_make_another_stamp(void **ctx)
{
	static struct asked truth, a;
	uint8_t other[VG_FIELDS_STAMP];

	(void)ctx;
	vg_fields_stamp(vg_str_mem(packs_blob, packs_bytes), 3600, other);
	assert_memory_not_equal(other, stamp, sizeof(other));
	vg_fields_stamp(vg_str_mem(packs_blob, packs_bytes - 1), 0, other);
	assert_memory_not_equal(other, stamp, sizeof(other));
	for (size_t i = 0; i < VG_COUNT(some_selections); i++) {
		struct vg_search s = always;

		assert_true(search(some_selections[i], s, &truth));
		s.fields_stamp = other;
		assert_true(search(some_selections[i], s, &a));
		assert_same(some_selections[i], &truth, &a);
		assert_int_equal(a.result.stats.old_fields, 3);
		assert_int_equal(a.result.stats.by_fields, 0);
	}
}

/* Any byte of it is changed: that is seen, and no answer is another one. */
static void
damage_is_seen_and_changes_no_answer(void **ctx)
{
	static struct asked truth[VG_COUNT(some_selections)], a;
	off_t size = lseek(segment.fields_fd, 0, SEEK_END);
	struct vg_search s = always;
	unsigned told = 0;
	uint64_t bad;

	(void)ctx;
	for (size_t i = 0; i < VG_COUNT(some_selections); i++)
		assert_true(search(some_selections[i], s, &truth[i]));
	s.fields_stamp = stamp;
	assert_int_equal(vg_fields_check(segment.fields_fd, &bad), VG_OK);
	for (unsigned i = 0; i < 300; i++) {
		off_t at = i < 64 ? (off_t)i : (off_t)draw((uint32_t)size);
		size_t k = i % VG_COUNT(some_selections);
		char was, now;

		assert_int_equal(pread(segment.fields_fd, &was, 1, at), 1);
		now = (char)(was ^ 1 << draw(8));
		assert_int_equal(pwrite(segment.fields_fd, &now, 1, at), 1);
		assert_int_not_equal(vg_fields_check(segment.fields_fd, &bad), VG_OK);
		assert_true(search(some_selections[k], s, &a));
		assert_same(some_selections[k], &truth[k], &a);
		told += a.result.stats.bad_fields > 0;
		assert_int_equal(pwrite(segment.fields_fd, &was, 1, at), 1);
	}
	assert_true(told > 150);
	for (unsigned i = 0; i < 20; i++) { /* cut short */
		int whole = segment.fields_fd, cut = memfd_create("cut", MFD_CLOEXEC);
		size_t n = draw((uint32_t)size), k = i % VG_COUNT(some_selections);
		char *p = malloc(n + 1);

		assert_non_null(p);
		assert_int_equal(pread(whole, p, n, 0), n);
		assert_int_equal(write(cut, p, n), n);
		segment.fields_fd = cut;
		assert_true(search(some_selections[k], s, &a));
		assert_same(some_selections[k], &truth[k], &a);
		segment.fields_fd = whole;
		close(cut);
		free(p);
	}
}

static const uint8_t *
no_key(void *ctx, uint32_t number)
{
	(void)ctx;
	return number == 4 ? the_key[1] : NULL;
}

static void
a_destroyed_key_takes_it_along(void **ctx)
{
	struct vg_fields *f;
	vg_str plain = VG_STR("svc_backup");
	size_t size = (size_t)lseek(segment.fields_fd, 0, SEEK_END);
	char *p = malloc(size);

	(void)ctx;
	assert_non_null(p);
	assert_int_equal(vg_fields_open(segment.fields_fd, no_key, NULL, &f), VG_OK);
	assert_false(f->damaged);
	assert_int_equal(f->ngroup, 1);
	vg_fields_close(f);
	assert_int_equal(pread(segment.fields_fd, p, size, 0), size);
	assert_int_equal(vg_str_find(vg_str_mem(p, size), plain), VG_NPOS);
	free(p);
}

/* ---- made anew ---- */

static struct vg_redecoded
redecode(int segment_fd, int old, int *out, const uint8_t *of, vg_block_key_fn *key)
{
	static struct vg_redecoded r;
	struct vg_redecode o = { .segment_fd = segment_fd, .old_fd = old, .packs = packs, .keys = pack_keys, .stamp = of, .key = key };

	r = (struct vg_redecoded){ .blocks = 0 };
	*out = o.out_fd = memfd_create("cache", MFD_CLOEXEC);
	assert_int_equal(vg_redecode_run(&o, &r), VG_OK);
	assert_int_equal(lseek(*out, 0, SEEK_END), r.current ? 0 : (off_t)r.bytes);
	return r;
}

/* Each block of the segment once, and no other. */
static void
assert_covers(int fd, unsigned blocks)
{
	struct vg_fields *f;
	unsigned n = 0;
	uint64_t bad;

	assert_int_equal(vg_fields_check(fd, &bad), VG_OK);
	assert_int_equal(vg_fields_open(fd, key_of, NULL, &f), VG_OK);
	assert_false(f->damaged);
	for (size_t g = 0; g < f->ngroup; g++)
		for (uint32_t i = 0; i < f->group[g].nblock; i++, n++)
			for (size_t h = 0; h <= g; h++)
				for (uint32_t k = 0; k < f->group[h].nblock; k++)
					assert_true((h == g && k == i) || f->group[h].row[k].at != f->group[g].row[i].at);
	assert_int_equal(n, blocks);
	vg_fields_close(f);
}

static void
what_stands_is_kept_and_what_is_new_is_added(void **ctx)
{
	struct vg_buf file = { 0 }, payload = { 0 };
	struct vg_block_head h;
	struct vg_redecoded r;
	int fd, one, two, three;
	char flipped;

	(void)ctx;
	for (unsigned i = 0; i < 300; i++) {
		if (i == 280) {
			fd = memory(&file);
			r = redecode(fd, -1, &one, stamp, key_of);
			assert_true(r.blocks == 280 && r.kept == 0 && r.records == 280 * 8 && r.known > 500 && r.compared == 0 && !r.current);
			assert_covers(one, 280);
			close(fd);
		}
		put_block(8 * i, 8 * i + 8, 3 + (i % 90 == 89), &file, &h, &payload);
	}
	fd = memory(&file);
	assert_int_equal(ftruncate(fd, (off_t)file.n - 5), 0); /* the last one is being written */
	r = redecode(fd, one, &two, stamp, key_of);
	assert_true(r.blocks == 299 && r.kept == 256 && r.records == 43 * 8 && r.compared > 20 * 8 && r.nchange == 0 && !r.current);
	assert_covers(two, 299);
	r = redecode(fd, two, &three, stamp, key_of);
	assert_true(r.current && r.kept == 299 && r.blocks == 299 && r.records == 0);
	close(three);
	r = redecode(fd, one, &three, stamp, no_key);
	assert_true(r.no_key == 296 && r.blocks == 299 && r.kept == 3 && r.current); /* those that can be read are there */
	close(three);
	assert_int_equal(pread(two, &flipped, 1, 5000), 1);
	flipped ^= 1;
	assert_int_equal(pwrite(two, &flipped, 1, 5000), 1);
	r = redecode(fd, two, &three, stamp, key_of);
	assert_true(!r.current && r.kept == 0 && r.records == 299 * 8);
	assert_covers(three, 299);
	close(three);
	close(two);
	close(one);
	close(fd);
	vg_buf_fini(&file);
	vg_buf_fini(&payload);
}

/* Against a cache that no packs made: what each pack knows is told, and the fields that came. */
static void
what_packs_gain_is_told(void **ctx)
{
	uint8_t none[VG_FIELDS_STAMP];
	struct vg_packs *mine = packs;
	struct vg_redecoded r;
	uint64_t known = 0;
	int without, with;

	(void)ctx;
	vg_fields_stamp(VG_NIL, 0, none);
	packs = NULL;
	r = redecode(segment.fd, -1, &without, none, key_of);
	packs = mine;
	assert_true(r.records == RECORDS && r.known == 0);
	r = redecode(segment.fd, without, &with, stamp, key_of);
	assert_true(r.kept == 0 && r.records == RECORDS && r.known > RECORDS / 2 && r.compared > RECORDS / 2 && r.known_before == 0);
	for (uint32_t i = 0; i < r.nchange; i++)
		known += r.change[i].what == VG_REDECODED_KNOWN ? r.change[i].records : 0;
	assert_true(known <= r.known && known + RECORDS - r.compared >= r.known);
	close(without);
	packs = NULL;
	r = redecode(segment.fd, with, &without, none, key_of);
	packs = mine;
	known = 0;
	for (uint32_t i = 0; i < r.nchange; i++)
		known += r.change[i].what == VG_REDECODED_LOST ? r.change[i].records : 0;
	assert_true(known == r.known_before && r.known == 0);
	close(without);
	close(with);
}

/* ---- what somebody may send on purpose ---- */

/* Records of @n, as one group; how many are of class 0. */
static uint32_t
unknown_of(unsigned n, struct vg_fields **out, int *fd)
{
	struct vg_fields_builder *b = new_builder();
	struct vg_buf file = { 0 }, payload = { 0 }, cache = { 0 };
	struct vg_block_head h;
	uint32_t unknown = 0;

	for (unsigned i = 0; i < n; i += 100) {
		uint64_t at = file.n;

		put_block(i, i + 100, 3, &file, &h, &payload);
		assert_int_equal(vg_fields_add(b, at, &h, vg_buf_str(&payload)), VG_OK);
	}
	assert_int_equal(vg_fields_finish(b, the_key[0], &cache), VG_OK);
	*fd = memory(&cache);
	assert_int_equal(vg_fields_open(*fd, key_of, NULL, out), VG_OK);
	assert_int_equal((*out)->ngroup, 1);
	assert_int_equal(vg_fields_need(*out, 0), VG_OK);
	for (uint32_t i = 0; i < (*out)->group[0].nblock; i++) {
		struct vg_fields_block block;

		assert_int_equal(vg_fields_read(*out, 0, i, &block), VG_OK);
		unknown += (*out)->group[0].row[i].unknown;
	}
	vg_fields_builder_free(b);
	vg_buf_fini(&file);
	vg_buf_fini(&payload);
	vg_buf_fini(&cache);
	return unknown;
}

static void
hostile_records_stay_within_the_limits(void **ctx)
{
	static char *was[1000];
	static size_t was_n[1000];
	struct vg_fields *f;
	char text[65536];
	uint32_t unknown;
	int fd;

	(void)ctx;
	memcpy(was, raw, sizeof(was));
	memcpy(was_n, raw_n, sizeof(was_n));
	for (unsigned turn = 0; turn < 3; turn++) {
		for (unsigned i = 0; i < 1000; i++) {
			size_t n = 0;

			n += (size_t)snprintf(text + n, sizeof(text) - n, "{");
			for (unsigned k = 0; k < (turn == 1 ? 20 : turn == 2 && i % 100 == 0 ? 1500 : 10); k++) /* names; values; many of them */
				n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"n%u\":\"v%u\"", k ? "," : "", turn == 0 ? draw(1 << 20) : k, draw(turn == 1 ? 40 : 1 << 20));
			n += (size_t)snprintf(text + n, sizeof(text) - n, "}");
			raw[i] = malloc(n);
			assert_non_null(raw[i]);
			memcpy(raw[i], text, raw_n[i] = n);
		}
		unknown = unknown_of(1000, &f, &fd);
		assert_true(f->group[0].nname <= VG_FIELDS_KEYS && f->group[0].nclass <= VG_FIELDS_CLASSES);
		assert_true(turn == 0 ? unknown > 500 : turn == 1 ? unknown == 0 && f->group[0].nclass < 100 : unknown == 10);
		vg_fields_close(f);
		close(fd);
		for (unsigned i = 0; i < 1000; i++)
			free(raw[i]);
	}
	memcpy(raw, was, sizeof(was));
	memcpy(raw_n, was_n, sizeof(was_n));
}

/* ---- the decoder's number ---- */

static vg_rc
digest_event(void *ctx, struct vg_event *e)
{
	struct vg_buf *b = ctx;

	for (uint32_t i = 0; i < e->nfield; i++) {
		vg_buf_le_str(b, e->field[i].name);
		vg_buf_u8(b, e->field[i].kind);
		vg_buf_le_str(b, e->field[i].value);
	}
	vg_buf_putc(b, '\n');
	return b->rc;
}

/* Fails when a decoder was changed: raise VG_DECODE_FORMAT, and write the new digest here. */
static void
the_decoders_number_is_that_of_what_they_say(void **ctx)
{
	static const char expected[] = "VG_DECODE_FORMAT 1 8f231049997a79c7";
	static const char *const record[] = {
		"<86>Apr  3 08:12:45 gw sshd[77]: Failed password for bob from 10.1.2.3 port 22 ssh2", "<165>1 2003-10-11T22:14:15.003Z host app 8710 ID47 [x@1 a=\"1\" b=\"\\\"q\\\"\"] text",
		"<134>fw01 date=2026-04-03 type=\"traffic\" srcip=10.1.0.5 action=\"deny\" msg=\"a b\"", "<14>Apr  3 08:12:45 fw CEF:0|Acme|Wall|1|100|Traffic|5|src=10.0.0.7 msg=path\\=C:\\\\x cs1Label=zone cs1=dmz",
		"<14>Apr  3 08:12:45 fw LEEF:2.0|Acme|Wall|1|7|^|src=10.0.0.7^usrName=bob", "plain text without a header", "Apr  3 08:12:45 pi su[9]: pam_unix(su:session): session opened for user root(uid=0) by bob(uid=1000)",
		"{\"a\":1,\"b\":[1,null,\"x\"],\"c\":{\"d\":true,\"e\":2.5},\"f\":\"\\u0062\\n\",\"a\":\"again\"}", "{\"Records\":[{\"eventName\":\"a\"},{\"eventName\":\"b\"}]}",
		"{\"winlog\":{\"channel\":\"Security\",\"event_id\":4624,\"record_id\":7,\"computer_name\":\"PC1\",\"event_data\":{\"TargetUserName\":\"bob\",\"LogonType\":\"3\"}}}",
		"{\"EventID\":4625,\"Channel\":\"Security\",\"EventData\":{\"TargetUserName\":\"bob\"}}",
		"<Event><System><Provider Name=\"P\"/><EventID Qualifiers=\"1\">7</EventID><TimeCreated SystemTime=\"2026-04-03T08:12:45Z\"/><Channel>Security</Channel><Computer>PC1</Computer></System><EventData><Data Name=\"TargetUserName\">bob &lt;x&gt;</Data><Data>bare</Data></EventData></Event>",
		"type=SYSCALL msg=audit(1775203965.123:77): arch=c000003e syscall=59 success=yes exit=0 a0=1 ppid=70 pid=77 auid=1000 uid=0 comm=\"cat\" exe=\"/usr/bin/cat\" key=(null)",
		"type=EXECVE msg=audit(1775203965.123:77): argc=2 a0=\"cat\" a1=2F6574632F706173737764", "type=USER_AUTH msg=audit(1775203965.124:78): pid=9 uid=0 auid=4294967295 msg='op=PAM acct=\"bob\" addr=10.0.0.7 res=failed'",
		"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1775203965000000\n_HOSTNAME=pi\nSYSLOG_IDENTIFIER=sudo\n_PID=5\nPRIORITY=4\nMESSAGE=bob : USER=root ; COMMAND=/bin/cat\n",
	};
	struct vg_keys *keys = vg_keys_new();
	struct vg_buf b = { 0 }, text = { 0 };
	struct vg_decoder d;
	struct vg_hash h;

	(void)ctx;
	vg_decoder_init(&d, NULL, keys, 0);
	for (size_t i = 0; i < VG_COUNT(record); i++)
		assert_int_equal(vg_decoder_record(&d, vg_str_of(record[i]), BASE_NS, digest_event, &b), VG_OK);
	vg_hash_of(vg_buf_str(&b), &h);
	vg_buf_printf(&text, "VG_DECODE_FORMAT %d ", VG_DECODE_FORMAT);
	vg_buf_hex(&text, h.b, 8, false);
	vg_buf_putc(&text, 0);
	vg_buf_fini(&b);
	vg_decoder_fini(&d);
	vg_keys_free(keys);
	assert_string_equal(text.p, expected);
	vg_buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_are_what_decoding_says),
		cmocka_unit_test(answers_are_those_without_it),
		cmocka_unit_test(other_packs_or_another_zone_make_another_stamp),
		cmocka_unit_test(damage_is_seen_and_changes_no_answer),
		cmocka_unit_test(a_destroyed_key_takes_it_along),
		cmocka_unit_test(what_stands_is_kept_and_what_is_new_is_added),
		cmocka_unit_test(what_packs_gain_is_told),
		cmocka_unit_test(hostile_records_stay_within_the_limits),
		cmocka_unit_test(the_decoders_number_is_that_of_what_they_say),
	};

	return cmocka_run_group_tests(tests, up, down);
}
