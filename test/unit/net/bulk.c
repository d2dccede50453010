#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "net/bulk.h"
#include "vault/record.h"

struct got {
	struct vg_buf text; /* "ID|RAW\n" */
	uint32_t n, room;   /* so many are taken */
	uint32_t refused;
	size_t last;
	bool cut;
};

static bool
on_doc(void *ctx, const struct vg_bulk_doc *d)
{
	struct got *g = ctx;

	if (g->n == g->room) {
		g->refused++;
		return false;
	}
	g->n++;
	g->last = d->raw.n;
	g->cut = d->cut;
	if (d->raw.n < 1000) {
		vg_buf_put(&g->text, d->id);
		vg_buf_putc(&g->text, '|');
		vg_buf_put(&g->text, d->raw);
		vg_buf_putc(&g->text, '\n');
	}
	return true;
}

/* What @body gives, cut into pieces of @piece bytes: its records, and the answer. */
static void
parse(enum vg_bulk_mode mode, vg_str body, size_t piece, uint32_t room, vg_str index, struct got *g, struct vg_buf *answer)
{
	struct vg_bulk b;

	*g = (struct got){ .room = room };
	vg_bulk_init(&b, mode, index, on_doc, g);
	for (vg_str rest = body; rest.n; rest = vg_str_skip(rest, piece)) {
		vg_str part = vg_str_cut(rest, piece);
		char *exact = malloc(part.n);

		assert_non_null(exact);
		memcpy(exact, part.p, part.n);
		vg_bulk_feed(&b, vg_str_mem(exact, part.n));
		free(exact);
	}
	vg_bulk_end(&b);
	assert_int_equal(b.rc, VG_OK);
	assert_int_equal(b.count[VG_BULK_TAKEN], g->n);
	assert_true(g->refused <= 1); /* what follows is not tried: it would come before */
	vg_bulk_answer(&b, 7, answer);
	assert_int_equal(answer->rc, VG_OK);
	vg_bulk_fini(&b);
}

static void
check_with(vg_str body, uint32_t room, vg_str index, const char *records, const char *answer)
{
	for (size_t piece = 1; piece <= body.n; piece = piece < 40 ? piece + 1 : body.n + (piece >= body.n)) {
		struct got g;
		struct vg_buf a = { 0 };

		parse(VG_BULK_PAIRS, body, piece, room, index, &g, &a);
		vg_buf_putc(&g.text, 0);
		vg_buf_putc(&a, 0);
		assert_string_equal(g.text.p, records);
		assert_string_equal(a.p, answer);
		vg_buf_fini(&g.text);
		vg_buf_fini(&a);
	}
}

static void
check(const char *body, const char *records, const char *answer)
{
	check_with(vg_str_of(body), UINT32_MAX, VG_STR("x"), records, answer);
}

static void
pairs_become_records(void **state)
{
	(void)state;
	check("{\"create\":{\"_index\":\"logs\",\"_id\":\"1\"}}\n{\"a\": 1 }\n{\"index\":{}}\n{\"b\":2}\n", "logs/1|{\"a\": 1 }\n|{\"b\":2}\n",
	      "{\"took\":7,\"errors\":false,\"items\":[{\"create\":{\"_index\":\"logs\",\"_id\":\"1\",\"status\":201}},"
	      "{\"index\":{\"_index\":\"x\",\"status\":201}}]}");
	check_with(VG_STR("{\"create\":{\"_id\":\"1\"}}\n{}"), 9, VG_NIL, "1|{}\n",
		   "{\"took\":7,\"errors\":false,\"items\":[{\"create\":{\"_index\":\"\",\"_id\":\"1\",\"status\":201}}]}");
}

/* rsyslog's omelasticsearch puts an empty line between pairs; others end lines with CR LF; the last newline may be missing. */
static void
blank_lines_and_ends_do_not_matter(void **state)
{
	(void)state;
	check("\n \n{\"create\":{}}\r\n\n{\"a\":1}\r\n\n\n{\"create\":{}}\n{\"b\":2}", "|{\"a\":1}\r\n|{\"b\":2}\n",
	      "{\"took\":7,\"errors\":false,\"items\":[{\"create\":{\"_index\":\"x\",\"status\":201}},{\"create\":{\"_index\":\"x\",\"status\":201}}]}");
}

static void
actions_are_read_in_any_order_with_escapes(void **state)
{
	(void)state;
	check(" { \"create\" : { \"routing\":null, \"n\":[1,{\"_id\":\"no\"},[]], \"o\":{\"_index\":{}} ,\"_id\":\"\\u00e9\\ud83d\\ude00\\n\\\"\", \"v\":-1.5e3,"
	      "\"t\":true,\"_index\":\"lo\\u0067s\"} } \n{}\n",
	      "logs/\xc3\xa9\xf0\x9f\x98\x80\n\"|{}\n",
	      "{\"took\":7,\"errors\":false,\"items\":[{\"create\":{\"_index\":\"logs\",\"_id\":\"\xc3\xa9\xf0\x9f\x98\x80\\n\\\"\",\"status\":201}}]}");
	/* A number is a name, null is none (Logstash sends it), half a pair is U+FFFD. */
	check("{\"create\":{\"_id\":42}}\n{}\n{\"create\":{\"_id\":null}}\n{}\n{\"create\":{\"_id\":\"\\ud800x\"}}\n{}\n",
	      "x/42|{}\n|{}\nx/\xef\xbf\xbdx|{}\n",
	      "{\"took\":7,\"errors\":false,\"items\":[{\"create\":{\"_index\":\"x\",\"_id\":\"42\",\"status\":201}},"
	      "{\"create\":{\"_index\":\"x\",\"status\":201}},{\"create\":{\"_index\":\"x\",\"_id\":\"\xef\xbf\xbdx\",\"status\":201}}]}");
}

#define BAD_ACTION "{\"create\":{\"_index\":\"x\",\"status\":400,\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"not an action\"}}}"
#define GOOD "{\"create\":{\"_index\":\"x\",\"status\":201}}"

static void
updates_and_deletes_are_refused(void **state)
{
	(void)state;
	check("{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{}}\n{\"delete\":{\"_id\":\"2\"}}\n{\"create\":{}}\n{}\n", "|{}\n",
	      "{\"took\":7,\"errors\":true,\"items\":["
	      "{\"update\":{\"_index\":\"x\",\"_id\":\"1\",\"status\":400,\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"records can only be created\"}}},"
	      "{\"delete\":{\"_index\":\"x\",\"_id\":\"2\",\"status\":400,\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"records can only be created\"}}},"
	      GOOD "]}");
}

static void
a_bad_action_costs_itself(void **state)
{
	static const char *const bad[] = { "what", "{}", "[]", "{\"create\":1}", "{\"create\":{}", "{\"create\":{}} x", "{\"create\":{},\"index\":{}}",
					   "{\"create\":{\"_id\":\"\\x\"}}", "{\"create\":{\"_id\":\"\t\"}}", "{\"create\":{\"_id\":[]}}", "{\"create\":{,}}",
					   "{\"create\":{\"a\":nul}}", "{\"create\":{\"a\":[1,]}}", "{\"create\":{\"a\":1,}}", "{\"Create\":{}}", "{\"create\":{\"a\":\"\\u12g4\"}}",
					   "{\"create\":{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}" };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(bad); i++) {
		struct vg_buf body = { 0 };

		/* with its document, and without one */
		vg_buf_printf(&body, "%s\n{\"lost\":1}\n{\"create\":{}}\n{\"a\":1}\n%s\n{\"create\":{}}\n{\"b\":2}\n", bad[i], bad[i]);
		check_with(vg_buf_str(&body), 9, VG_STR("x"), "|{\"a\":1}\n|{\"b\":2}\n",
			   "{\"took\":7,\"errors\":true,\"items\":[" BAD_ACTION "," GOOD "," BAD_ACTION "," GOOD "]}");
		vg_buf_fini(&body);
	}
}

static void
a_missing_document_is_told(void **state)
{
	(void)state;
	check("{\"create\":{}}\n{}\n{\"index\":{\"_id\":\"9\"}}\n\n", "|{}\n",
	      "{\"took\":7,\"errors\":true,\"items\":[" GOOD ",{\"index\":{\"_index\":\"x\",\"_id\":\"9\",\"status\":400,"
	      "\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"the body ends before the document\"}}}]}");
}

#define FULL "{\"create\":{\"_index\":\"x\",\"status\":429,\"error\":{\"type\":\"es_rejected_execution_exception\",\"reason\":\"the queue is full, send it again later\"}}}"

static void
what_has_no_room_is_told_item_by_item(void **state)
{
	(void)state;
	check_with(VG_STR("{\"create\":{}}\n{\"a\":1}\n{\"create\":{}}\n{\"b\":2}\nbad\n{}\n{\"create\":{}}\n{\"c\":3}\n"), 1, VG_STR("x"), "|{\"a\":1}\n",
		   "{\"took\":7,\"errors\":true,\"items\":[" GOOD "," FULL "," BAD_ACTION "," FULL "]}");
}

static void
a_long_id_is_hashed(void **state)
{
	struct vg_buf body = { 0 }, a = { 0 };
	struct got g;

	(void)state;
	for (unsigned n = 255; n <= 256; n++) {
		vg_buf_clear(&body);
		vg_buf_puts(&body, "{\"create\":{\"_id\":\"");
		for (unsigned i = 0; i < n; i++)
			vg_buf_putc(&body, 'k');
		vg_buf_puts(&body, "\"}}\n{}\n");
		vg_buf_clear(&a);
		parse(VG_BULK_PAIRS, vg_buf_str(&body), 7, 9, VG_NIL, &g, &a);
		assert_int_equal(g.n, 1);
		if (n == 255) {
			assert_int_equal(vg_str_chr(vg_buf_str(&g.text), '|'), 255);
		} else { /* printf 'k%.0s' $(seq 256) | sha256sum */
			assert_true(vg_str_eq(vg_buf_str(&g.text), VG_STR("ce16fe78208a4e93f7158e62393680e025b2ad584f4e875ce903a654bb74cf93|{}\n")));
		}
		vg_buf_fini(&g.text);
	}
	vg_buf_fini(&body);
	vg_buf_fini(&a);
}

static void
long_lines_are_cut_and_taken(void **state)
{
	(void)state;
	for (size_t extra = 0; extra <= 1; extra++)
		for (size_t piece = 65536; piece <= (size_t)4 << 20; piece *= 64) {
			struct vg_buf body = { 0 }, a = { 0 };
			struct got g;

			vg_buf_puts(&body, "{\"create\":{}}\n");
			for (size_t i = 0; i < VG_RECORD_RAW_MAX + extra; i++)
				vg_buf_putc(&body, 'z');
			vg_buf_puts(&body, "\n");
			parse(VG_BULK_PAIRS, vg_buf_str(&body), piece, 9, VG_NIL, &g, &a);
			assert_int_equal(g.n, 1);
			assert_int_equal(g.last, VG_RECORD_RAW_MAX);
			assert_int_equal(g.cut, extra);
			vg_buf_fini(&body);
			vg_buf_fini(&a);
			vg_buf_fini(&g.text);
		}
}

static void
lines_are_records(void **state)
{
	struct vg_buf a = { 0 };

	(void)state;
	for (size_t piece = 1; piece < 20; piece++) {
		struct got g;

		vg_buf_clear(&a);
		parse(VG_BULK_LINES, VG_STR("{\"a\":1}\n\n{\"create\":{}}\n  \nnot json"), piece, 9, VG_NIL, &g, &a);
		assert_true(vg_str_eq(vg_buf_str(&g.text), VG_STR("|{\"a\":1}\n|{\"create\":{}}\n|not json\n")));
		vg_buf_fini(&g.text);
	}
	vg_buf_fini(&a);
}

static void
items_have_a_limit(void **state)
{
	struct got g = { .room = UINT32_MAX };
	struct vg_bulk b;
	struct vg_buf a = { 0 };

	(void)state;
	vg_bulk_init(&b, VG_BULK_PAIRS, VG_NIL, on_doc, &g);
	for (uint32_t i = 0; i < VG_BULK_ITEMS_MAX + 5; i++)
		vg_bulk_feed(&b, VG_STR("{\"create\":{}}\n{}\n"));
	vg_bulk_end(&b);
	assert_int_equal(g.n, VG_BULK_ITEMS_MAX);
	assert_int_equal(b.items, VG_BULK_ITEMS_MAX + 1);
	assert_int_equal(b.count[VG_BULK_LARGE], 1);
	vg_bulk_answer(&b, 0, &a);
	assert_true(vg_str_starts(vg_buf_str(&a), VG_STR("{\"took\":0,\"errors\":true,")));
	assert_true(vg_bulk_held(&b) >= a.n); /* what it will take was accounted for */
	vg_buf_fini(&a);
	vg_buf_fini(&g.text);
	vg_bulk_fini(&b);
}

static void
a_broken_body_is_one_item_more(void **state)
{
	struct got g = { .room = 9 };
	struct vg_bulk b;
	struct vg_buf a = { 0 };

	(void)state;
	vg_bulk_init(&b, VG_BULK_PAIRS, VG_STR("x"), on_doc, &g);
	vg_bulk_feed(&b, VG_STR("{\"create\":{}}\n{}\n{\"index\":{\"_id\":\"2\"}}\n{\"half"));
	vg_bulk_break(&b, VG_BULK_BROKEN);
	vg_bulk_feed(&b, VG_STR("\":1}\n{\"create\":{}}\n{}\n"));
	vg_bulk_end(&b);
	assert_int_equal(g.n, 1);
	vg_bulk_answer(&b, 0, &a);
	vg_buf_putc(&a, 0);
	assert_string_equal(a.p, "{\"took\":0,\"errors\":true,\"items\":[" GOOD ",{\"index\":{\"_index\":\"x\",\"_id\":\"2\",\"status\":400,"
				 "\"error\":{\"type\":\"parse_exception\",\"reason\":\"the body cannot be decoded from here on\"}}}]}");
	vg_buf_fini(&a);
	vg_buf_fini(&g.text);
	vg_bulk_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_become_records),
		cmocka_unit_test(blank_lines_and_ends_do_not_matter),
		cmocka_unit_test(actions_are_read_in_any_order_with_escapes),
		cmocka_unit_test(updates_and_deletes_are_refused),
		cmocka_unit_test(a_bad_action_costs_itself),
		cmocka_unit_test(a_missing_document_is_told),
		cmocka_unit_test(what_has_no_room_is_told_item_by_item),
		cmocka_unit_test(a_long_id_is_hashed),
		cmocka_unit_test(long_lines_are_cut_and_taken),
		cmocka_unit_test(lines_are_records),
		cmocka_unit_test(items_have_a_limit),
		cmocka_unit_test(a_broken_body_is_one_item_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
