/* --listen over the settings, and the file they are read from. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

static char why[VG_SETTINGS_WHY_MAX];

static vg_rc
say(const char *text)
{
	return vg_settings_listen(&got, vg_str_of(text), why);
}

static const char *
where(const char *name)
{
	static char text[VG_ADDRESS_MAX];

	vg_address_print(&vg_settings_listener(&got, vg_str_of(name))->address, text);
	return text;
}

static void
a_listener_is_moved(void **state)
{
	(void)state;
	assert_int_equal(load("listen: {lan: {kind: syslog, address: 10.0.0.1:514}}\n"), VG_OK);
	assert_int_equal(say("syslog=127.0.0.1:0"), VG_OK);
	assert_string_equal(where("syslog"), "127.0.0.1:0");
	assert_int_equal(say("syslog-tls=127.0.0.1:0"), VG_OK); /* any port is no one's */
	assert_int_equal(say("lan=[::1]:514"), VG_OK);
	assert_string_equal(where("lan"), "[::1]:514");
	assert_int_equal(vg_settings_listener(&got, VG_STR("lan"))->kind, VG_LISTEN_SYSLOG);
	assert_int_equal(say("https=[::]:0"), VG_OK);
	assert_string_equal(where("https"), "[::]:0");
	assert_int_equal(say("metrics=off"), VG_OK);
	assert_string_equal(where("metrics"), "off");
	assert_int_equal(got.listen.n, 6);
}

static void
a_kind_may_be_new(void **state)
{
	struct vg_settings none;

	(void)state;
	assert_int_equal(load(""), VG_OK);
	none = got;
	got.listen.n = 0;
	assert_int_equal(say("https=127.0.0.1:0"), VG_OK);
	assert_int_equal(got.listen.n, 1);
	assert_int_equal(got.listen.item[0].kind, VG_LISTEN_HTTPS);
	assert_str(got.listen.item[0].tenant, "default");
	got.listen = none.listen;
}

static void
mistakes_leave_it_as_it_was(void **state)
{
	static const struct {
		const char *text, *told;
	} m[] = {
		{ "syslog", "--listen syslog: allowed: NAME=ADDRESS:PORT, or NAME=off" },
		{ "=127.0.0.1:1", "--listen =127.0.0.1:1: allowed: NAME=ADDRESS:PORT, or NAME=off" },
		{ "\x1b=127.0.0.1:1", "--listen \\x1b=127.0.0.1:1: allowed: NAME=ADDRESS:PORT, or NAME=off" },
		{ "syslog=", "--listen syslog=: the address is not one; allowed: ADDRESS:PORT (IPv6 in brackets; port 0 is any), or off" },
		{ "syslog=::1:514", "--listen syslog=::1:514: the address is not one; allowed: ADDRESS:PORT (IPv6 in brackets; port 0 is any), or off" },
		{ "syslog=10.0.0.1",
		  "--listen syslog=10.0.0.1: the address has no port; allowed: ADDRESS:PORT (IPv6 in brackets; port 0 is any), or off" },
		{ "sylog=127.0.0.1:1", "listen.sylog: no such setting; did you mean listen.syslog?" },
		{ "lan=127.0.0.1:1", "listen.lan: its kind is not told; allowed: kind: syslog, syslog-tls, https, witness or metrics" },
		{ "syslog=127.0.0.1:9200", "listen.https: 127.0.0.1:9200 is taken by listen.syslog (127.0.0.1:9200)" },
		{ "witness=0.0.0.0:9443", "listen.witness: others may pull there without a token: set witness.token" },
	};
	struct vg_buf before = { 0 }, after = { 0 };

	(void)state;
	assert_int_equal(load(""), VG_OK);
	vg_settings_print(&got, true, &before);
	for (size_t i = 0; i < VG_COUNT(m); i++) {
		assert_int_equal(say(m[i].text), VG_E_FORMAT);
		assert_string_equal(why, m[i].told);
		vg_buf_clear(&after);
		vg_settings_print(&got, true, &after);
		assert_true(vg_str_eq(vg_buf_str(&before), vg_buf_str(&after)));
	}
	vg_buf_fini(&before);
	vg_buf_fini(&after);
}

static void
addresses_print_as_they_are_read(void **state)
{
	static const char *const same[] = { "0.0.0.0:0",          "192.0.2.255:65535",          "[::]:1",       "[::1]:1",     "[1::]:1",
					    "[2001:db8::1:0:0:1]:80", "[2001:db8:0:1:1:1:1:1]:2", "[1:0:0:2::3]:1", "[fe80::1]:443" };
	static const char *const none[] = { "", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:a", "1.2.3.4:-1", "1.2.3.4: 1", "[1.2.3.4]:1", "[::1]", "::1", "[]:1", "[:1",
					    "a:1", "1.2.3:1", "1.2.3.4:000001", "1.2.3.4:0x1" };
	struct vg_address a;
	char text[VG_ADDRESS_MAX];

	(void)state;
	for (size_t i = 0; i < VG_COUNT(same); i++) {
		assert_true(vg_address_parse(vg_str_of(same[i]), &a));
		vg_address_print(&a, text);
		assert_string_equal(text, same[i]);
	}
	for (size_t i = 0; i < VG_COUNT(none); i++)
		assert_false(vg_address_parse(vg_str_of(none[i]), &a));
	assert_true(vg_address_parse(VG_STR("127.9.9.9:1"), &a) && vg_address_local(&a));
	assert_true(vg_address_parse(VG_STR("[::1]:1"), &a) && vg_address_local(&a));
	assert_true(vg_address_parse(VG_STR("0.0.0.0:1"), &a) && !vg_address_local(&a));
	assert_true(vg_address_parse(VG_STR("[::]:1"), &a) && !vg_address_local(&a));
	assert_true(vg_address_parse(VG_STR("[::ffff:127.0.0.1]:1"), &a) && vg_address_local(&a));
	vg_address_print(&a, text);
	assert_string_equal(text, "127.0.0.1:1");
}

/* ---- the file ---- */

static char folder[] = "/tmp/vigie-settings-XXXXXX";

static vg_rc
read_file(const char *text, mode_t mode, char path[64])
{
	FILE *f;

	snprintf(path, 64, "%s/vigie.yaml", folder);
	assert_non_null(f = fopen(path, "we"));
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	vg_settings_fini(&got);
	vg_buf_clear(&told);
	return vg_settings_read(path, tell, NULL, &got);
}

static void
assert_told(const char *path, const char *what)
{
	char want[200];

	snprintf(want, sizeof(want), "%s%s\n", path, what);
	assert_string_equal(told_text(), want);
}

static void
a_file_is_read_if_it_is_ones_own(void **state)
{
	static const char secret[] = "witness.token: 0123456789abcdef\n";
	char path[64], want[100];

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(read_file("rules.folders: mine\n", 0644, path), VG_OK);
	snprintf(want, sizeof(want), "%s/mine", folder);
	assert_str(got.rules.folders.item[0], want);
	assert_int_equal(read_file("language: de\n", 0644, path), VG_E_FORMAT);
	assert_told(path, ":1: language: \"de\" is none of them; allowed: one of en or fr");
	assert_int_equal(read_file("language: fr\n", 0646, path), VG_E_FORMAT);
	assert_told(path, ": may be written by anyone on this machine: chmod o-w");
	assert_int_equal(read_file(secret, 0644, path), VG_E_FORMAT);
	assert_told(path, ": holds a secret (witness.token) and may be read by anyone on this machine: chmod o-r");
	assert_int_equal(read_file(secret, 0640, path), VG_OK);
	if (geteuid() == 0) { /* another's */
		assert_int_equal(chown(path, 1, 0), 0);
		vg_buf_clear(&told);
		vg_settings_fini(&got);
		assert_int_equal(vg_settings_read(path, tell, NULL, &got), VG_E_FORMAT);
		assert_told(path, ": belongs to another user; allowed: root, or who runs this");
	}
	assert_int_equal(truncate(path, 8388609), 0);
	assert_int_equal(chown(path, geteuid(), (gid_t)-1), 0);
	vg_buf_clear(&told);
	assert_int_equal(vg_settings_read(path, tell, NULL, &got), VG_E_FORMAT);
	assert_told(path, ": is too large; allowed: 8 MiB");
	assert_int_equal(unlink(path), 0);
	vg_buf_clear(&told);
	assert_int_equal(vg_settings_read(path, tell, NULL, &got), VG_E_NOTFOUND);
	assert_int_equal(told.n, 0);
	assert_int_equal(vg_settings_read(folder, tell, NULL, &got), VG_E_FORMAT);
	assert_told(folder, ": is not a file");
	assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_is_moved),
		cmocka_unit_test(a_kind_may_be_new),
		cmocka_unit_test(mistakes_leave_it_as_it_was),
		cmocka_unit_test(addresses_print_as_they_are_read),
		cmocka_unit_test(a_file_is_read_if_it_is_ones_own),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);

	vg_settings_fini(&got);
	vg_buf_fini(&told);
	return bad;
}
