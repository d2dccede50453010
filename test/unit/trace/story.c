#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "made.h"
#include "trace/story.h"

#define LIMIT ((size_t)64 << 20)
static const struct made_rule rules[] = {
	{ "r0", "Log cleared", "A", "DRL 1.1", "d", "f", "attack.stealth attack.t1070.001", VG_LEVEL_HIGH },
	{ "r1", "Whoami", "B", "DRL 1.1", "d", "f", "attack.discovery attack.t1033", VG_LEVEL_LOW },
	{ "r2", "Mimikatz", "C", "DRL 1.1", "d", "f", "attack.credential-access attack.t1003.001", VG_LEVEL_CRITICAL },
};
static struct made *made;
static struct vg_keys *keys;
static struct vg_arena arena;

static void
signal_at(struct vg_story *s, uint32_t rule, int64_t t, const char *host, const char *user)
{
	struct vg_event e;
	struct vg_signal g = { .rule = rule, .time_ns = t, .first_ns = t, .count = 1, .file = VG_STR("x.evtx"), .event = &e };

	vg_arena_reset(&arena);
	vg_event_init(&e, &arena, keys);
	e.host = vg_str_of(host);
	e.time_ns = t;
	assert_int_equal(vg_event_add(&e, VG_STR("user.name"), VG_KIND_TEXT, vg_str_of(user)), VG_OK);
	assert_int_equal(vg_story_signal(s, &g), VG_OK);
}

static struct vg_fact
sign_in(int64_t t, const char *ip, const char *user, const char *host, const char *id)
{
	return (struct vg_fact){ .kind = VG_FACT_SIGN_IN, .time_ns = t, .source_ip = vg_str_of(ip), .user = vg_str_of(user),
				 .host = vg_str_of(host), .session = vg_str_of(id), .logon_type = 10,
				 .channel = VG_STR("Security") };
}

static void
feed(struct vg_story *s, struct vg_fact f)
{
	assert_int_equal(vg_story_fact(s, &f, VG_STR("x.evtx")), VG_OK);
}

static void
signals_are_grouped(void **state)
{
	struct vg_story *s = vg_story_new(&made->p, LIMIT);
	const struct vg_story_view *v;

	(void)state;
	for (int i = 0; i < 1000; i++)
		signal_at(s, 1, (10 + i) * VG_SEC, i % 2 ? "dc01" : "DC01", "CORP\\bob");
	signal_at(s, 2, 5 * VG_SEC, "PC2", "SYSTEM");
	v = vg_story_finish(s);
	assert_int_equal(v->ngroup, 2);
	assert_int_equal(v->group[0].rule, 2); /* worst first */
	assert_int_equal(v->group[0].user.n, 0); /* SYSTEM is nobody */
	assert_int_equal(v->group[1].count, 1000);
	assert_int_equal(v->group[1].nsample, VG_STORY_SAMPLES);
	assert_int_equal(v->group[1].first_ns, 10 * VG_SEC);
	assert_int_equal(v->group[1].last_ns, 1009 * VG_SEC);
	assert_true(vg_str_eq(v->group[1].user, VG_STR("bob")));
	assert_int_equal(v->total.signals, 1001);
	assert_int_equal(v->total.level[VG_LEVEL_LOW], 1000);
	assert_int_equal(v->chapter[VG_CH_MAPPING].signals, 1000);
	assert_int_equal(v->ntechnique, 2);
	assert_string_equal(v->technique[0].id, "T1003.001");
	assert_int_equal(v->nhost, 2);
	assert_int_equal(v->naccount, 1);
	vg_story_free(s);
}

static struct vg_fact
vpn(int kind, int64_t t, const char *user, const char *ip, const char *inner, const char *id)
{
	return (struct vg_fact){ .kind = (uint8_t)kind, .time_ns = t, .user = vg_str_of(user), .source_ip = vg_str_of(ip),
				 .target = vg_str_of(inner), .session = vg_str_of(id), .method = VG_STR("openvpn") };
}

static const struct vg_path *
path_of(const struct vg_story_view *v, const char *account, const char *origin)
{
	for (size_t i = 0; i < v->npath; i++)
		if (vg_str_eq(v->path[i].account, vg_str_of(account)) && vg_str_eq(v->path[i].origin_account, vg_str_of(origin)))
			return &v->path[i];
	return NULL;
}

/* A sign-in from an address inside the VPN is tied to the session that held it: not before, not after its end, not to the one
 * that had it earlier; and what is flagged behind the VPN flags the session. */
static void
vpn_sessions_are_tied(void **state)
{
	struct vg_story *s = vg_story_new(&made->p, LIMIT);
	const struct vg_story_view *v;
	const struct vg_path *p;

	(void)state;
	feed(s, sign_in(1 * VG_HOUR, "10.8.0.6", "early", "SRV1", "1"));
	feed(s, vpn(VG_FACT_VPN_START, 2 * VG_HOUR, "eve", "203.0.113.45", "", "203.0.113.45:1"));
	feed(s, vpn(VG_FACT_VPN_ADDRESS, 2 * VG_HOUR + 1, "eve", "203.0.113.45", "10.8.0.6", "203.0.113.45:1"));
	feed(s, sign_in(3 * VG_HOUR, "10.8.0.6", "backup", "SRV1", "2"));
	feed(s, vpn(VG_FACT_VPN_END, 4 * VG_HOUR, "eve", "203.0.113.45", "", "203.0.113.45:1"));
	feed(s, sign_in(5 * VG_HOUR, "10.8.0.6", "late", "SRV1", "3"));
	feed(s, vpn(VG_FACT_VPN_START, 6 * VG_HOUR, "alice", "198.51.100.7", "10.8.0.6", "198.51.100.7:9"));
	feed(s, vpn(VG_FACT_VPN_END, 6 * VG_HOUR + 1, "eve", "203.0.113.45", "", "203.0.113.45:1"));
	feed(s, sign_in(7 * VG_HOUR, "10.8.0.6", "backup", "SRV1", "4"));
	feed(s, sign_in(6 * VG_HOUR + 7 * VG_DAY + 1, "10.8.0.6", "stale", "SRV1", "5"));
	signal_at(s, 2, 3 * VG_HOUR, "SRV1", "backup");
	v = vg_story_finish(s);
	assert_non_null(path_of(v, "early", ""));
	assert_non_null(path_of(v, "late", ""));
	assert_non_null(path_of(v, "stale", ""));
	assert_non_null(p = path_of(v, "backup", "eve"));
	assert_true(vg_str_eq(p->origin_source, VG_STR("203.0.113.45")) && vg_str_eq(p->source, VG_STR("10.8.0.6")));
	assert_int_equal(p->sessions, 1);
	assert_non_null(p = path_of(v, "backup", "alice"));
	assert_int_equal(p->sessions, 1);
	assert_non_null(p = path_of(v, "eve", ""));
	assert_true(p->flagged && vg_str_eq(p->host, VG_STR("openvpn")));
	vg_story_free(s);
}

static void
sessions_are_joined(void **state)
{
	struct vg_story *s = vg_story_new(&made->p, LIMIT);
	struct vg_fact out = { .kind = VG_FACT_SIGN_OUT, .host = VG_STR("SRV1"), .session = VG_STR("0x1"),
			       .time_ns = 70 * VG_SEC };
	struct vg_fact priv = { .kind = VG_FACT_PRIVILEGE, .host = VG_STR("SRV1"), .session = VG_STR("0x1"),
				.user = VG_STR("bob"), .time_ns = 10 * VG_SEC };
	struct vg_fact fail = sign_in(5 * VG_SEC, "10.0.0.9", "Bob", "SRV1", "");
	const struct vg_story_view *v;

	(void)state;
	fail.kind = VG_FACT_SIGN_IN_FAILED;
	feed(s, fail);
	feed(s, sign_in(10 * VG_SEC, "::ffff:10.0.0.9", "CORP\\bob", "SRV1", "0x1"));
	feed(s, priv);
	feed(s, priv); /* once a session */
	feed(s, out);
	feed(s, out);
	feed(s, sign_in(11 * VG_SEC, "10.0.0.8", "SRV2$", "SRV1", "0x2"));
	feed(s, sign_in(11 * VG_SEC, "", "DWM-3", "SRV1", "0x3"));
	feed(s, sign_in(11 * VG_SEC, "", "ANONYMOUS LOGON", "SRV1", "0x4"));
	feed(s, sign_in(11 * VG_SEC, "10.0.0.7", "", "SRV1", "0x5"));
	signal_at(s, 2, 30 * VG_SEC, "srv1", "bob");
	v = vg_story_finish(s);
	assert_int_equal(v->npath, 1);
	assert_true(vg_str_eq(v->path[0].source, VG_STR("10.0.0.9")));
	assert_true(vg_str_eq(v->path[0].via, VG_STR("rdp")));
	assert_int_equal(v->path[0].sessions, 1);
	assert_int_equal(v->path[0].failures, 1);
	assert_int_equal(v->path[0].in_ns, 10 * VG_SEC);
	assert_int_equal(v->path[0].privileged, 1);
	assert_int_equal(v->path[0].open_ns, 60 * VG_SEC);
	assert_true(v->path[0].flagged);
	vg_story_free(s);
}

static void
a_source_is_one(void **state)
{
	struct vg_story *s = vg_story_new(&made->p, LIMIT);
	struct vg_fact f = sign_in(1, "10.0.0.9", "bob", "SRV1", "1");
	const struct vg_story_view *v;

	(void)state;
	f.source_host = VG_STR("PC9");
	feed(s, f);
	f.source_ip = VG_NIL; /* only the name this time */
	f.session = VG_STR("2");
	feed(s, f);
	v = vg_story_finish(s);
	assert_int_equal(v->npath, 1);
	assert_int_equal(v->path[0].sessions, 2);
	vg_story_free(s);
}

static void
a_host_is_no_source_of_itself(void **state)
{
	struct vg_story *s = vg_story_new(&made->p, LIMIT);
	struct vg_fact f = sign_in(1, "", "bob", "PC9.corp.example", "1");
	const struct vg_story_view *v;

	(void)state;
	f.source_host = VG_STR("pc9");
	feed(s, f);
	v = vg_story_finish(s);
	assert_int_equal(v->npath, 1);
	assert_true(vg_str_eq(v->path[0].source, VG_STR("-")));
	assert_int_equal(v->nsource, 0);
	vg_story_free(s);
}

static void
erased_logs_are_kept(void **state)
{
	struct vg_story *s = vg_story_new(&made->p, LIMIT);
	struct vg_fact f = { .kind = VG_FACT_LOG_CLEARED, .time_ns = 9, .host = VG_STR("DC"), .target = VG_STR("Security"),
			     .user = VG_STR("CORP\\eve") };
	struct vg_erasure gap = { .kind = VG_ERASE_GAP, .host = VG_STR("DC"), .log = VG_STR("System"), .time_ns = 3,
				  .until_ns = 8, .missing = 42 };
	const struct vg_story_view *v;

	(void)state;
	feed(s, f);
	assert_int_equal(vg_story_gap(s, &gap), VG_OK);
	v = vg_story_finish(s);
	assert_int_equal(v->nerasure, 2);
	assert_int_equal(v->erasure[0].missing, 42);
	assert_true(vg_str_eq(v->erasure[1].user, VG_STR("eve")));
	assert_int_equal(v->chapter[VG_CH_ERASED].signals, 2);
	vg_story_free(s);
}

static void
floods_are_bounded(void **state)
{
	struct vg_story *s = vg_story_new(&made->p, LIMIT);
	const struct vg_story_view *v;
	char user[24], host[24];

	(void)state;
	for (int i = 0; i < 60000; i++) {
		struct vg_fact f;

		snprintf(user, sizeof(user), "u%d", i);
		snprintf(host, sizeof(host), "id%d", i);
		f = sign_in(i, "10.1.1.1", user, "SRV1", host);
		f.kind = VG_FACT_SIGN_IN_FAILED;
		feed(s, f);
	}
	for (int i = 0; i < 120000; i++) { /* more sessions than may be open at one time */
		snprintf(host, sizeof(host), "id%d", i);
		feed(s, sign_in(i, "10.1.1.2", "bob", "SRV1", host));
	}
	for (int i = 0; i < 25000; i++) {
		snprintf(host, sizeof(host), "host%d", i);
		signal_at(s, 0, i, host, "bob");
	}
	v = vg_story_finish(s);
	assert_true(v->npath <= VG_STORY_PATHS_MAX);
	assert_int_equal(v->ngroup, VG_STORY_GROUPS_MAX);
	assert_int_equal(v->total.dropped_groups, 5000);
	assert_int_equal(v->total.signals, 25000);
	assert_true(v->total.dropped_paths > 0);
	for (size_t i = 0; i < v->npath; i++)
		if (v->path[i].sessions)
			assert_int_equal(v->path[i].sessions, 120000);
	vg_story_free(s);
}

static void
no_memory_is_no_crash(void **state)
{
	(void)state;
	for (size_t limit = 1 << 12; limit < (1u << 22); limit *= 2) {
		struct vg_story *s = vg_story_new(&made->p, limit);
		char user[32];

		assert_non_null(s);
		for (int i = 0; i < 5000; i++) {
			snprintf(user, sizeof(user), "user%d", i);
			feed(s, sign_in(i, "10.1.1.1", user, user, user));
			signal_at(s, (uint32_t)i % 3, i, user, user);
		}
		assert_non_null(vg_story_finish(s));
		vg_story_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_are_grouped),  cmocka_unit_test(vpn_sessions_are_tied),
		cmocka_unit_test(sessions_are_joined),
		cmocka_unit_test(a_host_is_no_source_of_itself),
		cmocka_unit_test(a_source_is_one),      cmocka_unit_test(erased_logs_are_kept),
		cmocka_unit_test(floods_are_bounded),   cmocka_unit_test(no_memory_is_no_crash),
	};
	int rc;

	made = made_new(rules, VG_COUNT(rules));
	keys = vg_keys_new();
	vg_arena_init(&arena, 1 << 20);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	made_free(made);
	return rc;
}
