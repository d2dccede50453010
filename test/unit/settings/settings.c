/* What a file says is what the struct holds; what it does not say is the default. */
#include "load.h"

#define ok(text)                                                           \
	do {                                                               \
		if (load(text) != VG_OK)                                   \
			fail_msg("%s", told_text());                       \
	} while (0)

static void
assert_listens(const char *name, uint32_t kind, const char *where)
{
	const struct vg_listener *l = vg_settings_listener(&got, vg_str_of(name));
	char text[VG_ADDRESS_MAX];

	assert_non_null(l);
	vg_address_print(&l->address, text);
	assert_string_equal(text, where);
	assert_int_equal(l->kind, kind);
}

static void
nothing_said_is_the_default(void **state)
{
	static const char *const empty[] = { "", "# only a comment\n", "vault:\nlisten: {}\ntenants:\n", "---\n{}\n" };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(empty); i++) {
		ok(empty[i]);
		assert_int_equal(got.listen.n, 5);
		assert_listens("syslog", VG_LISTEN_SYSLOG, "127.0.0.1:5514");
		assert_listens("syslog-tls", VG_LISTEN_SYSLOG_TLS, "127.0.0.1:6514");
		assert_listens("https", VG_LISTEN_HTTPS, "127.0.0.1:9200");
		assert_listens("witness", VG_LISTEN_WITNESS, "127.0.0.1:9443");
		assert_listens("metrics", VG_LISTEN_METRICS, "127.0.0.1:9464");
		assert_int_equal(got.tenants.n, 1);
		assert_str(got.tenants.item[0].name, "default");
		assert_str(got.listen.item[0].tenant, "default");
		assert_str(got.local.tenant, "default");
		assert_int_equal(got.vault.checkpoint_every_ns, 10 * VG_SEC);
		assert_int_equal(got.vault.checkpoint_records, 65536);
		assert_int_equal(got.vault.sync_every_ns, VG_SEC / 100);
		assert_int_equal(got.vault.sync_bytes, 262144);
		assert_int_equal(got.trace.late_wait_ns, 15 * VG_MIN);
		assert_int_equal(got.trace.keep_hits_ns, 35 * VG_DAY);
		assert_int_equal(got.alarm.level, VG_LEVEL_HIGH);
		assert_int_equal(got.language, VG_LANG_EN);
		assert_int_equal(vg_settings_keep_ns(&got, &got.tenants.item[0], VG_STR("any")), 365 * VG_DAY);
		assert_true(got.local.journal);
		assert_int_equal(got.local.files.n, 2);
		assert_true(vg_settings_processes(&got) >= 1);
		assert_null(vg_settings_secret(&got));
	}
}

static void
a_whole_file_is_read(void **state)
{
	const struct vg_listener *l;
	const struct vg_tenant *t;

	(void)state;
	ok("language: fr\n"
	   "node.name: watch-1\n"
	   "listen:\n"
	   "  syslog: {address: '[2001:db8::7]:514', tenant: acme}\n"
	   "  syslog-tls: off\n"
	   "  metrics: no\n"
	   "  branch: {kind: syslog-tls, address: 0.0.0.0:6515, certificate: c.pem, key: k.pem, client-ca: ca.pem,\n"
	   "           require-client-certificate: yes}\n"
	   "listen.witness: 10.0.0.1:9443\n"
	   "tenants:\n"
	   "  acme: Acme SARL\n"
	   "  beta: {title: Béta, retention: {default: 200 d, server: 2 w}, recovery-key: recovery+8ec796fc+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea}\n"
	   "local: {journal: off, files: /var/log/one.log, tenant: acme}\n"
	   "packs: {folders: [p1, /p2]}\n"
	   "rules: {folders: [r], only: true, exceptions: x, indicators: /i}\n"
	   "vault:\n"
	   "  retention: {server: 400 d}\n"
	   "  retention-reason: a court asked for it\n"
	   "  sync-size: 1MiB\n"
	   "  sync-every: 20ms\n"
	   "  keep-free: 2 GiB\n"
	   "  share: 10%\n"
	   "detect: {processes: 3, cache: 1 GiB}\n"
	   "trace: {late-wait: 0, keep-hits: 1 d 12 h}\n"
	   "stamps: {url: 'http://tsa.example/', ca: tsa.pem, policy: 1.2.3.4.1, every: 90 min}\n"
	   "witness: {token: 0123456789abcdef, urls: ['https://witness.example:9443']}\n"
	   "alarm: {level: critical, webhooks: 'https://hook.example/x?y', command: [/usr/bin/wall, 'it is time'],\n"
	   "        mail: {to: [a@b.example, c@d.example], from: v@b.example, server: 'smtps://m.example', user: u, password: p}}\n"
	   "limits: {memory: {vault: 1 GiB}, query: {time: 5 min, memory: 64 MiB, read: 10 GiB}}\n");
	assert_int_equal(got.language, VG_LANG_FR);
	assert_str(got.node.name, "watch-1");
	assert_int_equal(got.listen.n, 6);
	assert_listens("syslog", VG_LISTEN_SYSLOG, "[2001:db8::7]:514");
	assert_listens("syslog-tls", VG_LISTEN_SYSLOG_TLS, "off");
	assert_listens("metrics", VG_LISTEN_METRICS, "off");
	assert_listens("witness", VG_LISTEN_WITNESS, "10.0.0.1:9443");
	assert_listens("https", VG_LISTEN_HTTPS, "127.0.0.1:9200");
	l = vg_settings_listener(&got, VG_STR("branch"));
	assert_listens("branch", VG_LISTEN_SYSLOG_TLS, "0.0.0.0:6515");
	assert_str(l->certificate, "c.pem");
	assert_str(l->key, "k.pem");
	assert_str(l->client_ca, "ca.pem");
	assert_true(l->require_client_certificate);
	assert_int_equal(l->tenant.n, 0);
	assert_int_equal(got.tenants.n, 2);
	t = vg_settings_tenant(&got, VG_STR("beta"));
	assert_str(t->title, "Béta");
	assert_str(t->recovery_key, "recovery+8ec796fc+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea");
	assert_int_equal(vg_settings_keep_ns(&got, t, VG_STR("server")), 14 * VG_DAY);
	assert_int_equal(vg_settings_keep_ns(&got, t, VG_STR("other")), 200 * VG_DAY);
	assert_int_equal(vg_settings_keep_ns(&got, &got.tenants.item[0], VG_STR("server")), 400 * VG_DAY);
	assert_int_equal(vg_settings_keep_ns(&got, NULL, VG_STR("other")), 365 * VG_DAY);
	assert_false(got.local.journal);
	assert_int_equal(got.local.files.n, 1);
	assert_str(got.local.files.item[0], "/var/log/one.log");
	assert_str(got.packs.folders.item[1], "/p2");
	assert_true(got.rules.only);
	assert_str(got.rules.indicators, "/i");
	assert_int_equal(got.vault.sync_bytes, 1 << 20);
	assert_int_equal(got.vault.sync_every_ns, VG_SEC / 50);
	assert_int_equal(got.vault.keep_free_bytes, (uint64_t)2 << 30);
	assert_int_equal(got.vault.share, 10);
	assert_int_equal(vg_settings_processes(&got), 3);
	assert_int_equal(got.detect.cache_bytes, 1 << 30);
	assert_int_equal(got.trace.late_wait_ns, 0);
	assert_int_equal(got.trace.keep_hits_ns, 36 * VG_HOUR);
	assert_str(got.stamps.policy, "1.2.3.4.1");
	assert_int_equal(got.stamps.every_ns, 90 * VG_MIN);
	assert_str(got.witness.urls.item[0], "https://witness.example:9443");
	assert_string_equal(vg_settings_secret(&got), "witness.token");
	assert_int_equal(got.alarm.level, VG_LEVEL_CRITICAL);
	assert_str(got.alarm.command.item[1], "it is time");
	assert_int_equal(got.alarm.mail.to.n, 2);
	assert_str(got.alarm.mail.password, "p");
	assert_int_equal(got.limits.memory_bytes[VG_MEMORY_VAULT], 1 << 30);
	assert_int_equal(got.limits.query.time_ns, 5 * VG_MIN);
	assert_int_equal(got.limits.query.read_bytes, (uint64_t)10 << 30);
}

/* Every word of a row has its enumerator in the place that the struct's reader takes it for. */
static void
words_are_the_enumerators(void **state)
{
	static const char *const levels[] = { [VG_LEVEL_INFO] = "informational", [VG_LEVEL_LOW] = "low", [VG_LEVEL_MEDIUM] = "medium",
					      [VG_LEVEL_HIGH] = "high", [VG_LEVEL_CRITICAL] = "critical" };
	char text[100];
	vg_str w;

	(void)state;
	for (uint32_t i = 0; i < VG_COUNT(levels); i++) {
		snprintf(text, sizeof(text), "alarm.level: %s\n", levels[i]);
		ok(text);
		assert_int_equal(got.alarm.level, i);
	}
	for (uint32_t k = 0; vg_setting_word(vg_setting_find(VG_STR("listen.*.kind"))->words, k, &w); k++)
		assert_str(w, vg_listen_kind_name(k));
	assert_string_equal(vg_listen_kind_name(VG_LISTEN_METRICS), "metrics");
	assert_string_equal(vg_listen_kind_name(VG_LISTEN_METRICS + 1), "?");
}

static void
paths_begin_at_the_files_folder(void **state)
{
	static const char text[] = "rules: {exceptions: x, indicators: /i}\nlocal.files: ['*.log', /y]\nlisten.https: {certificate: c, key: k}\n";

	(void)state;
	vg_settings_fini(&got);
	assert_int_equal(vg_settings_load(vg_str_of(text), "vigie.yaml", "/etc/vigie", tell, NULL, &got), VG_OK);
	assert_str(got.rules.exceptions, "/etc/vigie/x");
	assert_str(got.rules.indicators, "/i");
	assert_str(got.local.files.item[0], "/etc/vigie/*.log");
	assert_str(got.local.files.item[1], "/y");
	assert_str(vg_settings_listener(&got, VG_STR("https"))->key, "/etc/vigie/k");
	assert_int_equal(got.stamps.ca.n, 0);
}

static const char *
class_of(const char *tenant, const char *name, const char *address)
{
	const struct vg_source_set *s;
	uint8_t ip[16];

	if (address)
		assert_true(vg_ip_parse(vg_str_of(address), ip));
	s = vg_settings_source(&got, vg_str_of(tenant), vg_str_of(name), address ? ip : NULL);
	return s ? s->class.p : "none";
}

static void
the_first_set_of_sources_counts(void **state)
{
	(void)state;
	ok("tenants: {acme: A, beta: B}\nlocal.tenant: acme\nlisten: {syslog.tenant: acme, syslog-tls.tenant: beta}\n"
	   "sources:\n"
	   "  fw1.example.org: firewall\n"
	   "  'srv-?': server\n"
	   "  10.9.0.0/16: {class: office, share: 5 %, adopted: no}\n"
	   "  beta's: {match: [10.1.2.3, '*.beta.*'], tenant: beta, class: theirs}\n"
	   "  rest: {match: '*'}\n");
	assert_string_equal(class_of("acme", "FW1.example.org", NULL), "firewall");
	assert_string_equal(class_of("acme", "srv-1", "10.9.0.1"), "server");
	assert_string_equal(class_of("acme", "srv-12", "10.9.0.1"), "office");
	assert_string_equal(class_of("acme", "srv-12", "10.1.2.3"), "");
	assert_string_equal(class_of("beta", "srv-12", "10.1.2.3"), "theirs");
	assert_string_equal(class_of("beta", "x.beta.example", NULL), "theirs");
	assert_string_equal(class_of("beta", "beta.example", NULL), "");
	assert_int_equal(got.sources.item[2].share, 5);
	assert_false(got.sources.item[2].adopted);
	assert_true(got.sources.item[1].adopted);
	ok("sources: {'a*b*c': x}\n");
	assert_string_equal(class_of("", "abbbc", NULL), "x");
	assert_string_equal(class_of("", "a-c-b-c", NULL), "x");
	assert_string_equal(class_of("", "a-c-b", NULL), "none");
	assert_string_equal(class_of("", "", NULL), "none");
}

static void
printed(const struct vg_settings *s, bool secrets, struct vg_buf *out)
{
	vg_buf_clear(out);
	vg_settings_print(s, secrets, out);
	vg_buf_putc(out, '\0');
	assert_int_equal(out->rc, VG_OK);
}

static void
what_is_printed_loads_to_the_same(void **state)
{
	static const char *const texts[] = {
		"",
		"language: fr\nlisten: {syslog: '[::1]:5514', a: {kind: https, address: '[fe80::1:0:0:2]:1', plain: yes}, metrics: off}\n",
		("tenants: {acme: 'a \"quoted\" # title: ', x: {retention: {default: 1 d}, title: 'null'}}\nlocal.tenant: x\n"
		"listen: {syslog.tenant: x, syslog-tls: off}\nsources: {'b.c.d \"e\"': k, '*': {match: ['-x', '[', '10.0.0.0/8']}}\n"),
		"witness.token: 0123456789abcdef\nlocal.files: []\nalarm: {command: [/bin/echo, '&a', ' b', 'c: d', é]}\n",
	};
	struct vg_buf one = { 0 }, two = { 0 };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(texts); i++) {
		ok(texts[i]);
		printed(&got, true, &one);
		ok(one.p);
		printed(&got, true, &two);
		assert_string_equal(one.p, two.p);
	}
	assert_non_null(strstr(one.p, "0123456789abcdef"));
	printed(&got, false, &one);
	assert_null(strstr(one.p, "0123456789abcdef"));
	assert_non_null(strstr(one.p, "# token is set, and not shown"));
	vg_buf_fini(&one);
	vg_buf_fini(&two);
}

static void
the_example_is_the_defaults(void **state)
{
	struct vg_buf example = { 0 }, want = { 0 }, have = { 0 };

	(void)state;
	ok("");
	printed(&got, true, &want);
	for (enum vg_lang l = VG_LANG_EN; l < VG_LANGS; l++) {
		vg_buf_clear(&example);
		vg_settings_print_defaults(l, &example);
		vg_buf_putc(&example, '\0');
		assert_int_equal(example.rc, VG_OK);
		ok(example.p);
		printed(&got, true, &have);
		assert_string_equal(want.p, have.p);
		for (size_t i = 0; i < vg_setting_nrow; i++) { /* every setting is there */
			vg_str key = vg_str_of(vg_setting_rows[i].key), word;

			while (vg_str_split(&key, '.', &word))
				;
			if (!vg_str_eq(word, VG_STR("*")))
				assert_true(vg_str_find(vg_buf_str(&example), word) != VG_NPOS);
		}
	}
	vg_buf_fini(&example);
	vg_buf_fini(&want);
	vg_buf_fini(&have);
}

/* The comments of the example, uncommented, are settings that are known. */
static void
the_examples_template_loads(void **state)
{
	struct vg_buf example = { 0 }, text = { 0 };
	vg_str rest, line;

	(void)state;
	vg_settings_print_defaults(VG_LANG_EN, &example);
	rest = vg_buf_str(&example);
	while (vg_str_split(&rest, '\n', &line)) {
		vg_str in = vg_str_trim(line);
		size_t at = (size_t)(in.p - line.p);

		if (vg_str_starts(in, VG_STR("# NAME:")) || vg_str_starts(in, VG_STR("#   "))) {
			vg_buf_put(&text, vg_str_cut(line, at));
			line = vg_str_skip(in, 2);
		}
		if (vg_str_find(line, VG_STR("address: ADDRESS:PORT")) != VG_NPOS)
			line = VG_STR("  address: 127.0.0.1:1\n    kind: https"); /* two columns are there already */
		if (vg_str_find(line, VG_STR("kind: by-name")) != VG_NPOS)
			continue;
		if (vg_str_eq(line, VG_STR("  tenant: \"\""))) /* of local: there are two now */
			line = VG_STR("  tenant: NAME");
		vg_buf_put(&text, line);
		vg_buf_putc(&text, '\n');
	}
	vg_buf_puts(&text, "listen.syslog.tenant: NAME\nlisten.syslog-tls.tenant: NAME\n");
	vg_buf_putc(&text, '\0');
	ok(text.p);
	assert_non_null(vg_settings_listener(&got, VG_STR("NAME")));
	assert_non_null(vg_settings_tenant(&got, VG_STR("NAME")));
	assert_int_equal(got.sources.n, 1);
	vg_buf_fini(&example);
	vg_buf_fini(&text);
}

/* ---- the table ---- */

static void
every_row_is_sound(void **state)
{
	struct vg_settings s;
	struct vg_arena a;
	struct vg_setting_in in = { .a = &a };
	char room[64];

	(void)state;
	vg_arena_init(&a, 1 << 20);
	for (size_t i = 0; i < vg_setting_nrow; i++) {
		const struct vg_setting *r = &vg_setting_rows[i];
		vg_str key = vg_str_of(r->key), parent = key;

		assert_ptr_equal(vg_setting_find(key), r); /* once */
		for (enum vg_lang l = VG_LANG_EN; l < VG_LANGS; l++)
			assert_true(strlen(r->text[l]) > 5);
		assert_string_not_equal(r->text[VG_LANG_EN], r->text[VG_LANG_FR]);
		while (parent.n && parent.p[parent.n - 1] != '.')
			parent.n--;
		if (parent.n) { /* what it stands under comes before it */
			const struct vg_setting *up = vg_setting_find(vg_str_cut(parent, parent.n - 1));

			assert_non_null(up);
			assert_true(up < r && (up->type == VG_SET_GROUP || up->type == VG_SET_OBJECT));
		}
		if (r->type == VG_SET_GROUP)
			continue;
		assert_true(r->at < sizeof(s));
		assert_true(vg_setting_is_map(r) == (r->size != 0));
		if (r->type > VG_SET_OBJECT && r->standard && !vg_setting_is_map(r) && !(r->flags & VG_SET_LIST)) {
			const char *why = vg_setting_parse(r, vg_str_of(r->standard), &in, room);

			if (why)
				fail_msg("%s: its default %s %s", r->key, r->standard, why);
		}
	}
	vg_arena_fini(&a);
	assert_int_equal(vg_settings_init(&s), VG_OK); /* maps and lists too */
	vg_settings_fini(&s);
}

/* No two rows write to one place, and none to the arena. */
static void
every_row_has_its_own_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < vg_setting_nrow; i++)
		for (size_t j = 0; j <= i; j++) {
			const struct vg_setting *a = &vg_setting_rows[i], *b = &vg_setting_rows[j];
			size_t na = vg_setting_is_map(a) || (a->flags & VG_SET_LIST) ? sizeof(struct vg_vec) : vg_setting_size(a);

			if (a->type == VG_SET_GROUP || b->type == VG_SET_GROUP)
				continue;
			if (vg_str_chr(vg_setting_under(a->key, VG_NIL), '*') == VG_NPOS)
				assert_true(a->at >= sizeof(struct vg_arena) && a->at + na <= sizeof(struct vg_settings));
			else if (!vg_setting_is_map(a))
				assert_true(a->at >= sizeof(vg_str)); /* behind the name */
			if (i != j && vg_str_eq(vg_str_cut(vg_str_of(a->key), vg_str_chr(vg_str_of(a->key), '*')),
						vg_str_cut(vg_str_of(b->key), vg_str_chr(vg_str_of(b->key), '*'))) &&
			    vg_setting_is_map(a) == vg_setting_is_map(b))
				assert_true(a->at != b->at);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(a_whole_file_is_read),
		cmocka_unit_test(words_are_the_enumerators),
		cmocka_unit_test(paths_begin_at_the_files_folder),
		cmocka_unit_test(the_first_set_of_sources_counts),
		cmocka_unit_test(what_is_printed_loads_to_the_same),
		cmocka_unit_test(the_example_is_the_defaults),
		cmocka_unit_test(the_examples_template_loads),
		cmocka_unit_test(every_row_is_sound),
		cmocka_unit_test(every_row_has_its_own_place),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);

	vg_settings_fini(&got);
	vg_buf_fini(&told);
	return bad;
}
