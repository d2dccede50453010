#include "vault/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/utf.h"
#include "packs.h"
#include "rule/selection.h"
#include "sample/draw.h"
#include "source/decode.h"
#include "vault/words.h"

static uint8_t the_key[VG_BLOCK_KEY] = { 9, 8, 7 };
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
	return number == 3 ? the_key : NULL;
}

/* ---- a vault in memory: two segments, the second one's last blocks without an index ---- */

#define RECORDS 3000
#define BASE_NS (INT64_C(1775203965) * VG_SEC)
struct vault {
	char *raw[RECORDS + 1];
	size_t raw_n[RECORDS + 1];
	char id[RECORDS + 1][24];
	uint32_t source[RECORDS + 1];
	struct vg_search_segment segment[2];
	size_t blocks;
};
static struct vault vault;

/* Those that hide something stand together, or no block could be skipped. */
static size_t
a_record(unsigned i, char *out, size_t room)
{
	static const char *const users[] = { "bob", "alice", "root", "svc_backup", "Zo\xc3\xab", "j.dupont", "ADMIN", "deadbeef" };
	static const char *const verbs[] = { "Accepted", "Failed" };
	const char *user = users[draw(8)], *verb = verbs[draw(2)];
	unsigned a = draw(3), b = draw(20), n = draw(60000), kind = draw(14);

	if (i % 400 > 60 && (kind == 6 || kind == 7 || kind == 10 || kind == 12))
		kind = 0;
	switch (kind) {
	case 0:
	case 1:
	case 2:
		return (size_t)snprintf(out, room, "<%u>Apr  3 08:%02u:%02u gw%u sshd[%u]: %s password for %s from 10.%u.%u.7 port %u ssh2", 8 * draw(24) + draw(8),
					draw(60), draw(60), draw(3), n, verb, user, a, b, n);
	case 3:
		return (size_t)snprintf(out, room, "<38>1 2026-04-03T08:12:45.%06uZ web%u nginx %u - [x@1 user=\"%s\" path=\"/a/%u\"] GET /index.php?id=%u HTTP/1.1", draw(1000000),
					draw(3), n, user, b, n);
	case 4:
	case 5:
		return (size_t)snprintf(out, room,
					"{\"winlog\":{\"channel\":\"Security\",\"event_id\":%u,\"record_id\":%u,\"computer_name\":\"PC%u.corp.example\",\"event_data\":{\"TargetUserName\":\"%s\",\"IpAddress\":\"10.%u.%u.7\",\"ProcessName\":\"C:\\\\Windows\\\\System32\\\\new%u.exe\",\"Note\":\"\\u003c%s\\u003e\\nline\\t%s\"}}}",
					4624 + draw(2), n, draw(4), user, a, b, draw(40), user, verb);
	case 6:
		return (size_t)snprintf(out, room, "<14>Apr  3 08:12:45 fw CEF:0|Acme|Wall|1|%u|Traffic %s|5|src=10.%u.%u.7 suser=%s msg=path\\=C:\\\\x\\nb\\ob %u", draw(30), verb, a, b,
					user, n);
	case 7:
		return (size_t)snprintf(out, room,
					"<Event><System><EventID>%u</EventID><Channel>Security</Channel><Computer>PC%u</Computer></System><EventData><Data Name=\"TargetUserName\">%s &lt;x&gt;&#13;</Data><Data Name=\"Q\">b&#111;b<![CDATA[by]]></Data></EventData></Event>",
					4624 + draw(9), draw(4), user);
	case 8:
		return (size_t)snprintf(out, room, "type=EXECVE msg=audit(1775203965.%03u:%u): argc=2 a0=\"cat\" a1=2F6574632F%04X", draw(1000), n, n);
	case 9:
		return (size_t)snprintf(out, room, "__CURSOR=s=%08x\n__REALTIME_TIMESTAMP=%llu\n_HOSTNAME=pi%u\nSYSLOG_IDENTIFIER=sudo\nMESSAGE=%s : TTY=pts/0 ; USER=root ; COMMAND=/bin/cat %u\n", draw(UINT32_MAX),
					1775203965000000ULL + n, draw(3), user, n);
	case 10:
		return (size_t)snprintf(out, room, "{\"msg\":\"\\u0062ob said \\\"%s\\\" \\u212Aey %u\",\"ok\":true,\"n\":%u.5}", user, n, b);
	case 11:
		return (size_t)snprintf(out, room, "plain text of %s without a header 192.168.%u.%u %x", user, a, b, n);
	case 12:
		return (size_t)snprintf(out, room, "<30>Apr  3 08:12:45 \xe2\x84\xaaiosk app[1]: \xc4\xb0nfo \"quoted\" %s='it''s' tag=%u", user, n);
	default:
		return (size_t)snprintf(out, room, "<13>Apr  3 08:12:45 nas backup[%u]: job=%u state=%s path=/vol/%s/%u bytes=%u", n, b, verb, user, n, n * 7);
	}
}

static void
put_segment(struct vault *v, unsigned which, unsigned first, unsigned last, unsigned per_block)
{
	struct vg_tokens_builder *t = vg_tokens_builder_new();
	struct vg_buf file = { 0 }, index = { 0 }, payload = { 0 }, prefix = { 0 };
	struct vg_block_opener opener = { .zstd = NULL };
	unsigned block = 0, blocks = (last - first + per_block - 1) / per_block;

	assert_non_null(t);
	vg_tokens_set_row(t, which ? 9000 : 0); /* some of its rows are several blocks */
	for (unsigned i = first; i < last; i += per_block, block++) {
		struct vg_block_writer w = { 0 };
		struct vg_block_head h;
		size_t at = file.n;

		vg_block_begin(&w);
		for (unsigned k = i; k < i + per_block && k < last; k++)
			assert_int_equal(vg_block_add(&w, &(struct vg_record){ .seq = 10 + 2 * k, .recv_ns = BASE_NS + k * VG_SEC, .source = v->source[k], .id = vg_str_of(v->id[k]),
									       .flags = k % 50 == 49, .raw = vg_str_mem(v->raw[k], v->raw_n[k]) }), VG_OK);
		w.head.leaf = v->blocks;
		w.prefix = opener.prefix = vg_str_cut(vg_buf_str(&prefix), VG_BLOCK_PREFIX_MAX);
		assert_int_equal(vg_block_finish(&w, which ? the_key : NULL, which ? 3 : 0, &file), VG_OK);
		assert_int_equal(vg_block_head_take(vg_str_cut(vg_str_skip(vg_buf_str(&file), at), VG_BLOCK_HEAD), &h), VG_OK);
		assert_int_equal(vg_block_opener_open(&opener, &h, vg_str_cut(vg_str_skip(vg_buf_str(&file), at), VG_BLOCK_HEAD), vg_str_skip(vg_buf_str(&file), at + VG_BLOCK_HEAD),
					       which ? the_key : NULL, &payload), VG_OK);
		if (!which || block < blocks - 4)
			assert_int_equal(vg_tokens_add(t, at, &h, vg_buf_str(&payload)), VG_OK);
		if (vg_tokens_blocks(t) && (block == blocks / 2 || block == blocks - 1))
			assert_int_equal(vg_tokens_finish(t, which ? the_key : NULL, &index), VG_OK);
		vg_buf_put(&prefix, vg_buf_str(&w.raw));
		vg_block_writer_fini(&w);
		v->blocks++;
	}
	v->segment[which].fd = memfd_create("segment", MFD_CLOEXEC);
	v->segment[which].index_fd = memfd_create("index", MFD_CLOEXEC);
	assert_int_equal(write(v->segment[which].fd, file.p, file.n), file.n);
	assert_int_equal(write(v->segment[which].index_fd, index.p, index.n), index.n);
	vg_tokens_builder_free(t);
	vg_block_opener_fini(&opener);
	vg_buf_fini(&prefix);
	vg_buf_fini(&payload);
	vg_buf_fini(&file);
	vg_buf_fini(&index);
}

static int
up(void **ctx)
{
	static char text[4096];

	(void)ctx;
	for (unsigned i = 0; i < RECORDS; i++) {
		/* every 50th comes again: by an id, or by its bytes */
		unsigned from = i % 50 == 49 ? i - 17 : i;

		vault.raw_n[i] = from == i ? a_record(i, text, sizeof(text)) : vault.raw_n[from];
		vault.raw[i] = malloc(vault.raw_n[i] + 1);
		assert_non_null(vault.raw[i]);
		memcpy(vault.raw[i], from == i ? text : vault.raw[from], vault.raw_n[i] + 1);
		vault.source[i] = from == i ? 1 + draw(3) : vault.source[from];
		if (from == i && i % 100 == 82)
			snprintf(vault.id[i], sizeof(vault.id[i]), "id%u", i);
		else if (from != i)
			memcpy(vault.id[i], vault.id[from], sizeof(vault.id[i]));
	}
	put_segment(&vault, 0, 0, 1700, 20);
	put_segment(&vault, 1, 1700, RECORDS, 20);
	read_packs();
	return 0;
}

static int
down(void **ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < RECORDS; i++)
		free(vault.raw[i]);
	for (unsigned i = 0; i < 2; i++) {
		close(vault.segment[i].fd);
		close(vault.segment[i].index_fd);
	}
	free(packs_blob);
	return 0;
}

/* ---- asking ---- */

struct asked {
	uint64_t seq[2 * RECORDS];
	size_t n;
	unsigned resent;
	struct vg_search_result result;
	struct vg_selection_error err;
};

static vg_rc
on_match(void *ctx, const struct vg_search_match *m)
{
	struct asked *a = ctx;

	assert_true(a->n < VG_COUNT(a->seq));
	assert_int_equal(m->record->source, vault.source[(m->record->seq - 10) / 2]);
	a->seq[a->n++] = m->record->seq;
	a->resent += m->resent;
	return VG_OK;
}

/* false: the selection is none. */
static bool
search(const char *selection, struct vg_search s, struct asked *a)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_buf blob = { 0 };
	struct vg_program program;
	struct vg_packs *packs = NULL;
	bool good;

	assert_non_null(keys);
	a->n = a->resent = 0;
	good = vg_selection_compile(vg_str_of(selection), &blob, &a->err) == VG_OK;
	if (good) {
		assert_int_equal(vg_program_load(vg_buf_str(&blob), keys, &program), VG_OK);
		packs = load_packs(keys);
		s.program = &program;
		s.packs = packs;
		s.keys = keys;
		s.segment = vault.segment;
		s.nsegment = 2;
		s.key = key_of;
		s.match = on_match;
		s.ctx = a;
		assert_int_equal(vg_search_run(&s, &a->result), VG_OK);
		assert_int_equal(a->result.stats.bad_blocks + a->result.stats.bad_indexes + a->result.stats.no_key + a->result.stats.tail_bytes, 0);
	}
	vg_packs_free(packs);
	vg_buf_fini(&blob);
	vg_keys_free(keys);
	return good;
}

static const struct vg_search always = { .from_ns = VG_TIME_NONE, .to_ns = VG_TIME_NONE, .by_arrival = true };

static void
assert_same(const char *selection, const struct asked *a, const struct asked *b)
{
	if (a->n != b->n || memcmp(a->seq, b->seq, a->n * sizeof(a->seq[0])) != 0)
		fail_msg("%s: %zu and %zu", selection, a->n, b->n);
}

/* A quoted slice of @s that the language takes. */
static void
quote(char *out, size_t room, vg_str s, unsigned most)
{
	size_t from = draw((uint32_t)s.n), n = 1 + draw(most), k = 0;

	if (from + n > s.n)
		n = s.n - from;
	out[k++] = '"';
	for (size_t i = 0; i < n && k + 4 < room; i++) {
		char c = s.p[from + i];

		if (c == '"' || c == '*' || c == '?' || c == '\\') {
			out[k++] = c == '"' ? '"' : '\\';
		}
		out[k++] = (char)(c >= 'a' && c <= 'z' && draw(5) == 0 ? c - 32 : c);
	}
	out[k++] = '"';
	out[k] = 0;
}

struct fields { /* of a record: one of them, drawn */
	char text[256];
	unsigned seen;
};

static vg_rc
pick_field(void *ctx, struct vg_event *e)
{
	struct fields *f = ctx;

	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *d = &e->field[i];
		char value[128];

		if (d->value.n == 0 || d->value.n > 60 || vg_str_chr(d->name, ' ') != VG_NPOS || !vg_utf8_valid(d->name) || draw(++f->seen) != 0)
			continue;
		if (draw(2)) {
			quote(value, sizeof(value), d->value, 100);
			snprintf(f->text, sizeof(f->text), "%.*s|contains: %s", VG_STR_ARG(d->name), value);
		} else {
			char *p = value;

			*p++ = '\'';
			for (size_t k = 0; k < d->value.n; k++) {
				if (d->value.p[k] == '\'')
					*p++ = '\'';
				if (memchr("*?\\", d->value.p[k], 3))
					*p++ = '\\';
				*p++ = d->value.p[k];
			}
			*p++ = '\'';
			*p = 0;
			snprintf(f->text, sizeof(f->text), "%.*s: %s", VG_STR_ARG(d->name), value);
		}
	}
	return VG_OK;
}

static const char *const more[] = { "bob", "needle42", "err", "warning", "auth", "b*b", "|re: 'b[aeiou]b'", "|re: '[0-9]{5}'", "|re: 'user=(alice|root)'", "severity: err",
				    "event.outcome: success", "|re: '^x'", "User: null", "cat", "/etc/", "kiosk", "info", "10.1.3.7", "0.2.5.7", "192.168.1.1", "deadbeef", "z",
				    "event.action: sign-in", "user.name: bob", "user.name: (alice, root)", "source.ip|cidr: 10.1.0.0/16", "EventID: 4625", "|re: '<[a-z_.]+>'", "|re: '>.line'", "|re: 'b.{0,2}b'" };

/* One condition that some record of the vault probably meets. */
static void
a_term(char *out, size_t room)
{
	unsigned i = draw(RECORDS);
	struct fields f = { .seen = 0 };
	struct vg_decoder d;
	struct vg_keys *keys;

	switch (draw(3)) {
	case 0:
		snprintf(out, room, "%s", more[draw(VG_COUNT(more))]);
		return;
	case 1:
		quote(out, room, vg_str_mem(vault.raw[i], vault.raw_n[i]), 30);
		return;
	default:
		keys = vg_keys_new();
		assert_non_null(keys);
		vg_decoder_init(&d, NULL, keys, 0);
		assert_int_equal(vg_decoder_record(&d, vg_str_mem(vault.raw[i], vault.raw_n[i]), BASE_NS, pick_field, &f), VG_OK);
		vg_decoder_fini(&d);
		vg_keys_free(keys);
		snprintf(out, room, "%s", f.text[0] ? f.text : "bob");
	}
}

static void
a_selection(char out[1024])
{
	char a[256], b[256], c[256];

	a_term(a, sizeof(a));
	a_term(b, sizeof(b));
	a_term(c, sizeof(c));
	switch (draw(6)) {
	case 0:
		snprintf(out, 1024, "%s and %s", a, b);
		break;
	case 1:
		snprintf(out, 1024, "%s or %s", a, b);
		break;
	case 2:
		snprintf(out, 1024, "%s and not %s", a, b);
		break;
	case 3:
		snprintf(out, 1024, "(%s or %s) and %s", a, b, c);
		break;
	default:
		snprintf(out, 1024, "%s", a);
	}
}

static void
answers_are_those_of_decoding_everything(void **ctx)
{
	static struct asked a, b, c;
	unsigned asked = 0, some = 0, skipped = 0, scanned = 0;

	(void)ctx;
	for (unsigned i = 0; i < 300; i++) {
		struct vg_search fast = always, plain = always, bare;
		char selection[1024];

		if (i < VG_COUNT(more))
			snprintf(selection, sizeof(selection), "%s", more[i]);
		else
			a_selection(selection);
		plain.exhaustive = true;
		if (!search(selection, plain, &a))
			continue; /* a slice that ends in half a character */
		assert_true(search(selection, fast, &b));
		assert_same(selection, &a, &b);
		bare = always;
		bare.raw_only = true;
		bare.newest_first = i & 1;
		assert_true(search(selection, bare, &c));
		if (!bare.newest_first && c.result.stats.repeated == a.result.stats.repeated)
			assert_same(selection, &a, &c);
		asked++;
		some += a.n > 0 && a.n < RECORDS / 2;
		skipped += (unsigned)b.result.stats.by_index;
		scanned += (unsigned)b.result.stats.by_scan;
	}
	assert_true(asked > 200 && some > 100);
	assert_true(skipped > asked * 10 && scanned > asked * 2);
}

static void
what_came_twice_is_given_once_or_marked(void **ctx)
{
	static struct asked a;
	unsigned ids = 0, again = 0;

	(void)ctx;
	assert_true(search("not needle42", always, &a));
	for (unsigned i = 0; i < RECORDS; i++) {
		ids += i % 50 == 49 && vault.id[i][0];
		again += i % 50 == 49 && !vault.id[i][0];
	}
	assert_true(a.result.stats.repeated >= ids && ids > 0);
	assert_int_equal(a.n + a.result.stats.repeated, RECORDS);
	assert_true(a.resent <= again && a.resent > again / 2); /* some have an identity within */
}

static void
pages_give_every_match_once(void **ctx)
{
	static struct asked all, page;

	(void)ctx;
	for (unsigned way = 0; way < 8; way++) {
		struct vg_search s = always;
		uint64_t last = 0;
		size_t n = 0;

		s.newest_first = way & 1;
		assert_true(search("password", s, &all));
		assert_true(all.n > 100 && all.result.end == VG_SEARCH_ALL);
		if (way < 4)
			s.max_matches = way < 2 ? 1 : 7;
		else if (way < 6)
			s.max_bytes = 9000;
		else
			s.max_matches = 50, s.max_bytes = 30000;
		for (unsigned k = 0; k < 2 * RECORDS; k++) {
			assert_true(search("password", s, &page));
			for (size_t i = 0; i < page.n; i++) {
				unsigned of = (unsigned)(page.seq[i] - 10) / 2 % 50;

				assert_true(last == 0 || (s.newest_first ? page.seq[i] < last : page.seq[i] > last));
				last = page.seq[i];
				if (n < all.n && all.seq[n] == page.seq[i])
					n++;
				else if (of != 49 && of != 32) /* what came twice is known within a page only */
					fail_msg("%llu", (unsigned long long)page.seq[i]);
			}
			if (page.result.end == VG_SEARCH_ALL)
				break;
			assert_true(page.result.has_cursor);
			s.has_cursor = true;
			s.cursor = page.result.cursor;
		}
		assert_int_equal(n, all.n);
		assert_int_equal(page.result.end, VG_SEARCH_ALL);
	}
}

static void
times_and_sources_are_kept_to(void **ctx)
{
	static struct asked a, b;
	struct vg_search s = always;
	const uint32_t some[] = { 2, 9 };
	size_t in = 0;

	(void)ctx;
	assert_true(search("password", always, &a));
	s.from_ns = BASE_NS + 600 * VG_SEC;
	s.to_ns = BASE_NS + 900 * VG_SEC;
	assert_true(search("password", s, &b));
	for (size_t i = 0; i < a.n; i++)
		in += a.seq[i] >= 10 + 1200 && a.seq[i] <= 10 + 1800;
	assert_in_range(b.n, in, in + 5); /* a copy is found when the first is out of the time */
	assert_true(b.result.stats.by_time > vault.blocks / 2);
	s.by_arrival = false;
	assert_true(search("password", s, &b));
	assert_true(b.n > 0 && b.result.stats.by_time == 15); /* none is claimed to be over five minutes ahead of its arrival */
	s.exhaustive = true;
	assert_true(search("password", s, &a));
	assert_same("password", &a, &b);
	assert_true(search("password", always, &a));
	s = always;
	s.source = some;
	s.nsource = 2;
	assert_true(search("password", s, &b));
	assert_true(b.n > 0 && b.n < a.n);
	for (size_t i = 0; i < b.n; i++)
		assert_int_equal(vault.source[(b.seq[i] - 10) / 2], 2);
}

static void
it_can_be_cancelled(void **ctx)
{
	static struct asked a;
	volatile sig_atomic_t stop = 1;
	struct vg_search s = always;

	(void)ctx;
	s.cancel = &stop;
	assert_true(search("password", s, &a));
	assert_int_equal(a.result.end, VG_SEARCH_CANCELLED);
	assert_int_equal(a.n, 0);
	assert_false(a.result.has_cursor);
}

static vg_rc
count_match(void *ctx, const struct vg_search_match *m)
{
	(void)m;
	++*(unsigned *)ctx;
	return VG_OK;
}

/* Any byte of segment or index is changed: what is found is told whole or told damaged, and nothing falls over. */
static void
damage_is_counted_and_the_rest_is_searched(void **ctx)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_buf blob = { 0 };
	struct vg_selection_error err;
	struct vg_program program;
	unsigned whole = 0, lost = 0;

	(void)ctx;
	assert_int_equal(vg_selection_compile(VG_STR("password"), &blob, &err), VG_OK);
	assert_int_equal(vg_program_load(vg_buf_str(&blob), keys, &program), VG_OK);
	for (unsigned i = 0; i < 300; i++) {
		int fd = i % 2 ? vault.segment[i / 2 % 2].index_fd : vault.segment[i / 2 % 2].fd;
		struct vg_search s = always;
		struct vg_search_result r;
		off_t at = i ? (off_t)draw((uint32_t)lseek(fd, 0, SEEK_END)) : -1;
		unsigned n = 0;
		char was, now;

		s.program = &program;
		s.keys = keys;
		s.segment = vault.segment;
		s.nsegment = 2;
		s.key = key_of;
		s.match = count_match;
		s.ctx = &n;
		if (i) {
			assert_int_equal(pread(fd, &was, 1, at), 1);
			now = (char)(was ^ 1 << draw(8));
			assert_int_equal(pwrite(fd, &now, 1, at), 1);
		}
		assert_int_equal(vg_search_run(&s, &r), VG_OK);
		if (i == 0)
			whole = n;
		else if (fd == vault.segment[0].index_fd || fd == vault.segment[1].index_fd)
			assert_int_equal(n, whole);
		else if (n != whole) {
			assert_true(r.stats.bad_blocks + r.stats.no_key + r.stats.bad_indexes + r.stats.tail_bytes > 0 || n > whole);
			lost++;
		}
		if (i)
			assert_int_equal(pwrite(fd, &was, 1, at), 1);
	}
	assert_true(lost > 20);
	vg_buf_fini(&blob);
	vg_keys_free(keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_those_of_decoding_everything),
		cmocka_unit_test(what_came_twice_is_given_once_or_marked),
		cmocka_unit_test(pages_give_every_match_once),
		cmocka_unit_test(times_and_sources_are_kept_to),
		cmocka_unit_test(it_can_be_cancelled),
		cmocka_unit_test(damage_is_counted_and_the_rest_is_searched),
	};

	return cmocka_run_group_tests(tests, up, down);
}
