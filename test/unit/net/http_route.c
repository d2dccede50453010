#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rc.h"
#include "net/http_route.h"

static void
every_path_has_its_route(void **state)
{
	static const struct {
		const char *path;
		enum vg_route route;
		const char *index;
	} rows[] = {
		{ "/", VG_ROUTE_ROOT, "" },
		{ "/_license", VG_ROUTE_LICENSE, "" },
		{ "/_cluster/health", VG_ROUTE_HEALTH, "" },
		{ "/_cluster/health/logs", VG_ROUTE_HEALTH, "" },
		{ "/_ilm/policy/filebeat", VG_ROUTE_EMPTY, "" },
		{ "/_index_template/filebeat-8.19.0", VG_ROUTE_EMPTY, "" },
		{ "/_template/x", VG_ROUTE_EMPTY, "" },
		{ "/_component_template/x", VG_ROUTE_EMPTY, "" },
		{ "/_data_stream/x", VG_ROUTE_EMPTY, "" },
		{ "/_ingest/pipeline/x-y", VG_ROUTE_EMPTY, "" },
		{ "/_nodes/_all/http", VG_ROUTE_EMPTY, "" },
		{ "/_nodes", VG_ROUTE_EMPTY, "" },
		{ "/_xpack", VG_ROUTE_EMPTY, "" },
		{ "/_cat/health", VG_ROUTE_EMPTY, "" },
		{ "/_bulk", VG_ROUTE_BULK, "" },
		{ "/_bulk/", VG_ROUTE_BULK, "" },
		{ "/logs/_bulk", VG_ROUTE_BULK, "logs" },
		{ "/logs/_doc/_bulk", VG_ROUTE_BULK, "logs" },
		{ "/%3Clogs-%7Bnow%2Fd%7D%3E/_bulk", VG_ROUTE_BULK, "<logs-{now/d}>" },
		{ "/v1/lines", VG_ROUTE_LINES, "" },
		{ "/s/office/_bulk", VG_ROUTE_BULK, "" },
		{ "/s/office/logs/_bulk", VG_ROUTE_BULK, "logs" },
		{ "/s/office/v1/lines", VG_ROUTE_LINES, "" },
		{ "/s/office", VG_ROUTE_ROOT, "" },
		{ "/s/office/", VG_ROUTE_ROOT, "" },
		{ "", VG_ROUTE_NONE, "" },
		{ "_bulk", VG_ROUTE_NONE, "" },
		{ "*", VG_ROUTE_NONE, "" },
		{ "//_bulk", VG_ROUTE_NONE, "" },
		{ "/a/b/c/_bulk", VG_ROUTE_NONE, "" },
		{ "/../../etc/passwd", VG_ROUTE_NONE, "" },
		{ "/_bulk/x", VG_ROUTE_NONE, "" },
		{ "/_search", VG_ROUTE_NONE, "" },
		{ "/_licenses", VG_ROUTE_NONE, "" },
		{ "/_cluster", VG_ROUTE_NONE, "" },
		{ "/v1", VG_ROUTE_NONE, "" },
		{ "/v1/lines/x", VG_ROUTE_NONE, "" },
		{ "/%00/_bulk", VG_ROUTE_NONE, "" },
		{ "/%0a/_bulk", VG_ROUTE_NONE, "" },
		{ "/%4/_bulk", VG_ROUTE_NONE, "" },
		{ "/%zz/_bulk", VG_ROUTE_NONE, "" },
		{ "http://h/_bulk", VG_ROUTE_NONE, "" },
		{ "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/_bulk", VG_ROUTE_NONE, "" },
	};
	char index[VG_ROUTE_INDEX_MAX];
	size_t n;

	(void)state;
	for (size_t i = 0; i < VG_COUNT(rows); i++) {
		assert_int_equal(vg_route_of(vg_str_of(rows[i].path), index, &n), rows[i].route);
		if (rows[i].route)
			assert_true(vg_str_eq(vg_str_mem(index, n), vg_str_of(rows[i].index)));
	}
}

static void
an_index_has_a_limit(void **state)
{
	char path[400] = "/", index[VG_ROUTE_INDEX_MAX];
	size_t n;

	(void)state;
	memset(path + 1, 'i', VG_ROUTE_INDEX_MAX + 1);
	strcpy(path + 1 + VG_ROUTE_INDEX_MAX, "/_bulk");
	assert_int_equal(vg_route_of(vg_str_of(path), index, &n), VG_ROUTE_BULK);
	assert_int_equal(n, VG_ROUTE_INDEX_MAX);
	strcpy(path + 1 + VG_ROUTE_INDEX_MAX, "i/_bulk");
	assert_int_equal(vg_route_of(vg_str_of(path), index, &n), VG_ROUTE_NONE);
}

static void
methods_are_those_of_the_route(void **state)
{
	(void)state;
	assert_true(vg_route_allows(VG_ROUTE_BULK, VG_STR("POST")));
	assert_true(vg_route_allows(VG_ROUTE_BULK, VG_STR("PUT")));
	assert_false(vg_route_allows(VG_ROUTE_BULK, VG_STR("GET")));
	assert_false(vg_route_allows(VG_ROUTE_BULK, VG_STR("post")));
	assert_true(vg_route_allows(VG_ROUTE_EMPTY, VG_STR("HEAD")));
	assert_false(vg_route_allows(VG_ROUTE_EMPTY, VG_STR("DELETE")));
	assert_true(vg_route_allows(VG_ROUTE_ROOT, VG_STR("HEAD")));
	assert_false(vg_route_allows(VG_ROUTE_ROOT, VG_STR("POST")));
	assert_false(vg_route_allows(VG_ROUTE_NONE, VG_STR("GET")));
	assert_false(vg_route_allows(VG_ROUTE_NONE, VG_STR("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_has_its_route),
		cmocka_unit_test(an_index_has_a_limit),
		cmocka_unit_test(methods_are_those_of_the_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
