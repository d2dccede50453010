/* Every kind of mistake, and the line that a person reads of it. */
#include "load.h"

struct mistake {
	const char *text, *told;
};

static void
check(const struct mistake *m, size_t n)
{
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		vg_rc rc = load(m[i].text);

		if (rc == VG_E_FORMAT && strcmp(told_text(), m[i].told) == 0)
			continue;
		print_error("%s\n--- told (%s):\n%s--- wanted:\n%s\n", m[i].text, vg_rc_name(rc), told_text(), m[i].told);
		bad++;
	}
	assert_int_equal(bad, 0);
}

static void
keys(void **state)
{
	static const struct mistake m[] = {
		{ "listen:\n  sylog: 0.0.0.0:5514\n", "vigie.yaml:2: listen.sylog: no such setting; did you mean listen.syslog?\n" },
		{ "listen.sylog: 0.0.0.0:5514\n", "vigie.yaml:1: listen.sylog: no such setting; did you mean listen.syslog?\n" },
		{ "listen:\n  branch: 0.0.0.0:5515\n",
		  "vigie.yaml:2: listen.branch: its kind is not told; allowed: kind: syslog, syslog-tls, https, witness or metrics\n" },
		{ "listen:\n  syslog2: 0.0.0.0:5515\n",
		  "vigie.yaml:2: listen.syslog2: its kind is not told; allowed: kind: syslog, syslog-tls, https, witness or metrics\n" },
		{ "listen:\n  sylog: 127.0.0.1:9999\n  valut: 127.0.0.1:9999\n",
		  "vigie.yaml:2: listen.sylog: no such setting; did you mean listen.syslog?\n"
		  "vigie.yaml:3: listen.valut: its kind is not told; allowed: kind: syslog, syslog-tls, https, witness or metrics\n" },
		{ "valt:\n  share: 5 %\n", "vigie.yaml:1: valt: no such setting; did you mean vault?\n" },
		{ "vault.sync_evry: 1 s\n", "vigie.yaml:1: vault.sync_evry: no such setting; did you mean vault.sync-every?\n" },
		{ "vault: {checkpointEvery: 1 s}\n", "vigie.yaml:1: vault.checkpointEvery: no such setting; did you mean vault.checkpoint-every?\n" },
		{ "vault: {Share: 1 %}\n", "vigie.yaml:1: vault.Share: no such setting; did you mean vault.share?\n" },
		{ "vault: {hsare: 1 %}\n", "vigie.yaml:1: vault.hsare: no such setting; did you mean vault.share?\n" },
		{ "checkpoint-every: 1 s\n", "vigie.yaml:1: checkpoint-every: no such setting; did you mean vault.checkpoint-every?\n" },
		{ "retention: 1 d\n", "vigie.yaml:1: retention: no such setting; did you mean vault.retention?\n" },
		{ "syslog: 0.0.0.0:514\n", "vigie.yaml:1: syslog: no such setting; did you mean listen.syslog?\n" },
		{ "recovery-key: x\n", "vigie.yaml:1: recovery-key: no such setting; did you mean tenants.NAME.recovery-key?\n" },
		{ "listen: {syslog: {adress: '1.2.3.4:5'}}\n", "vigie.yaml:1: listen.syslog.adress: no such setting; did you mean listen.syslog.address?\n" },
		{ "listen: {syslog: {vault: 1}}\n", "vigie.yaml:1: listen.syslog.vault: no such setting; did you mean vault?\n" },
		{ "limits: {vault: 1 GiB}\n", "vigie.yaml:1: limits.vault: no such setting; did you mean vault?\n" },
		{ "webhook: x\n", "vigie.yaml:1: webhook: no such setting; did you mean alarm.webhooks?\n" },
		{ "detect: {entirely: else}\n", "vigie.yaml:1: detect.entirely: no such setting; allowed here: processes, cache\n" },
		{ "? ''\n: x\n", "vigie.yaml:1: no such setting; allowed here: language, node, listen, tenants, sources, local, packs, rules, vault, "
				 "detect, trace, stamps, witness, alarm, outward, limits\n" },
		{ "language.x: y\n", "vigie.yaml:1: language: is a map, and one value is wanted; allowed: one of en or fr\n" },
		{ "listen: {'*': 1.2.3.4:5}\n", "vigie.yaml:1: listen.*: is no name here; allowed: at most 64 letters, digits, - and _, not beginning with -\n" },
		{ "tenants: {a b: x}\n", "vigie.yaml:1: tenants.\"a b\": is no name here; allowed: at most 64 letters, digits, - and _, not beginning with -\n" },
		{ "tenants: {-a: x}\n", "vigie.yaml:1: tenants.-a: is no name here; allowed: at most 64 letters, digits, - and _, not beginning with -\n" },
		{ "sources: {\"a\\eb\": x}\n", "vigie.yaml:1: sources.a\\x1bb: is no name here; allowed: 1 to 255 bytes that print\n" },
		{ "vault.share: 5 %\nvault:\n  share: 6 %\n", "vigie.yaml:3: vault.share: stands twice: also in line 1\n" },
		{ "listen.syslog: 1.2.3.4:5\nlisten:\n  syslog: {address: 1.2.3.4:6}\n", "vigie.yaml:3: listen.syslog.address: stands twice: also in line 1\n" },
		{ "vault: {retention: {a: 1 d}, retention.a: 2 d}\n", "vigie.yaml:1: vault.retention.a: stands twice: also in line 1\n" },
		{ "vault: 5\n", "vigie.yaml:1: vault: is a group of settings, not a value; in it: checkpoint-every, checkpoint-records, sync-every, sync-size, "
				"compression, retention, retention-reason, notice, keep-free, share, field-cache\n" },
		{ "listen: []\n", "vigie.yaml:1: listen: is a group of settings, not a value; in it: names of your choice\n" },
	};

	(void)state;
	check(m, VG_COUNT(m));
}

static void
the_file_as_a_whole(void **state)
{
	static const struct mistake m[] = {
		{ "a: 1\nvault: {}\na: 2\n", "vigie.yaml:3: the key \"a\" stands twice in the same map\n" },
		{ "language: en\n---\nlanguage: fr\n", "vigie.yaml:3: a second document begins; allowed: one\n" },
		{ "- a\n", "vigie.yaml:1: this is not a map of settings, as \"language: fr\"\n" },
		{ "hello\n", "vigie.yaml:1: this is not a map of settings, as \"language: fr\"\n" },
		{ "language: \xff\n", "vigie.yaml:1: the text is not UTF-8\n" },
	};

	(void)state;
	check(m, VG_COUNT(m));
	assert_int_equal(load("vault: {share: 5 %\nlanguage: fr\n"), VG_E_FORMAT);
	assert_int_equal(strncmp(told_text(), "vigie.yaml:2:", 13), 0);
	assert_true(last.line == 2 && last.column > 0);
}

static void
values(void **state)
{
	static const struct mistake m[] = {
		{ "local.journal: maybe\n", "vigie.yaml:1: local.journal: \"maybe\" is neither; allowed: yes or no\n" },
		{ "local.journal:\n", "vigie.yaml:1: local.journal: has no value; allowed: yes or no\n" },
		{ "local.journal: [yes]\n", "vigie.yaml:1: local.journal: is a list, and one value is wanted; allowed: yes or no\n" },
		{ "detect.processes: 0\n", "vigie.yaml:1: detect.processes: \"0\" is too small; allowed: a number from 1 to 256, or auto\n" },
		{ "detect.processes: -1\n", "vigie.yaml:1: detect.processes: \"-1\" is too small; allowed: a number from 1 to 256, or auto\n" },
		{ "detect.processes: 257\n", "vigie.yaml:1: detect.processes: \"257\" is too large; allowed: a number from 1 to 256, or auto\n" },
		{ "detect.processes: 0x10\n", "vigie.yaml:1: detect.processes: \"0x10\" is not one; allowed: a number from 1 to 256, or auto\n" },
		{ "detect.processes: 99999999999999999999\n",
		  "vigie.yaml:1: detect.processes: \"99999999999999999999\" is too large; allowed: a number from 1 to 256, or auto\n" },
		{ "vault.compression: auto\n", "vigie.yaml:1: vault.compression: \"auto\" is not one; allowed: a number from 1 to 19\n" },
		{ "vault.sync-size: 4096\n", "vigie.yaml:1: vault.sync-size: \"4096\" has no unit; allowed: a size from 4 KiB to 4 MiB (B, KiB, MiB, GiB, TiB)\n" },
		{ "vault.sync-size: 4 kb\n",
		  "vigie.yaml:1: vault.sync-size: \"4 kb\" has a unit that is not known; allowed: a size from 4 KiB to 4 MiB (B, KiB, MiB, GiB, TiB)\n" },
		{ "vault.sync-size: 1.5 MiB\n",
		  "vigie.yaml:1: vault.sync-size: \"1.5 MiB\" is not one; allowed: a size from 4 KiB to 4 MiB (B, KiB, MiB, GiB, TiB)\n" },
		{ "vault.sync-size: 20000000 TiB\n",
		  "vigie.yaml:1: vault.sync-size: \"20000000 TiB\" is too large; allowed: a size from 4 KiB to 4 MiB (B, KiB, MiB, GiB, TiB)\n" },
		{ "vault.sync-every: 2 s\n", "vigie.yaml:1: vault.sync-every: \"2 s\" is too large; allowed: a duration from 1 ms to 1 s (ms, s, min, h, d, w)\n" },
		{ "vault.sync-every: 0\n", "vigie.yaml:1: vault.sync-every: \"0\" is too small; allowed: a duration from 1 ms to 1 s (ms, s, min, h, d, w)\n" },
		{ "vault.sync-every: ten\n", "vigie.yaml:1: vault.sync-every: \"ten\" is not one; allowed: a duration from 1 ms to 1 s (ms, s, min, h, d, w)\n" },
		{ "vault.sync-every: \"\"\n", "vigie.yaml:1: vault.sync-every: \"\" is not one; allowed: a duration from 1 ms to 1 s (ms, s, min, h, d, w)\n" },
		{ "vault.share: 101 %\n", "vigie.yaml:1: vault.share: \"101 %\" is too large; allowed: a percentage from 1 % to 100 %\n" },
		{ "vault.share: 5 percent\n", "vigie.yaml:1: vault.share: \"5 percent\" is not one; allowed: a percentage from 1 % to 100 %\n" },
		{ "alarm.level: hihg\n",
		  "vigie.yaml:1: alarm.level: \"hihg\" is none of them; allowed: one of informational, low, medium, high or critical; did you mean high?\n" },
		{ "alarm.level: panic\n", "vigie.yaml:1: alarm.level: \"panic\" is none of them; allowed: one of informational, low, medium, high or critical\n" },
		{ "language: \"f\\er\"\n", "vigie.yaml:1: language: \"f\\x1br\" is none of them; allowed: one of en or fr; did you mean fr?\n" },
		{ "listen.syslog: 5514\n", "vigie.yaml:1: listen.syslog.address: \"5514\" has no address (0.0.0.0 is all networks, 127.0.0.1 this machine); "
					   "allowed: ADDRESS:PORT, an IPv6 address in brackets, or off\n" },
		{ "listen.syslog: ':5514'\n", "vigie.yaml:1: listen.syslog.address: \":5514\" has no address (0.0.0.0 is all networks, 127.0.0.1 this machine); "
					      "allowed: ADDRESS:PORT, an IPv6 address in brackets, or off\n" },
		{ "listen.syslog: 10.0.0.1\n", "vigie.yaml:1: listen.syslog.address: \"10.0.0.1\" has no port; allowed: ADDRESS:PORT, an IPv6 address in brackets, or off\n" },
		{ "listen.syslog: '::1:5514'\n", "vigie.yaml:1: listen.syslog.address: \"::1:5514\" is not one; allowed: ADDRESS:PORT, an IPv6 address in brackets, or off\n" },
		{ "listen.syslog: 10.0.0.1:0\n", "vigie.yaml:1: listen.syslog.address: \"10.0.0.1:0\" has port 0; allowed: ADDRESS:PORT, an IPv6 address in brackets, or off\n" },
		{ "listen.syslog: 10.0.0.1:65536\n",
		  "vigie.yaml:1: listen.syslog.address: \"10.0.0.1:65536\" is not one; allowed: ADDRESS:PORT, an IPv6 address in brackets, or off\n" },
		{ "listen.syslog: localhost:514\n",
		  "vigie.yaml:1: listen.syslog.address: \"localhost:514\" is not one; allowed: ADDRESS:PORT, an IPv6 address in brackets, or off\n" },
		{ "stamps: {url: 'ftp://x', ca: c}\n",
		  "vigie.yaml:1: stamps.url: \"ftp://x\" is not one; allowed: a URL that begins with http:// or https://, without a user\n" },
		{ "stamps: {url: 'https://', ca: c}\n",
		  "vigie.yaml:1: stamps.url: \"https://\" has no host; allowed: a URL that begins with http:// or https://, without a user\n" },
		{ "alarm.webhooks: ['https://ok', 'https://u:p@h/']\n",
		  "vigie.yaml:1: alarm.webhooks: \"https://u:p@h/\" has a user in it; allowed: a list; each: a URL that begins with http:// or https://, "
		  "without a user\n" },
		{ "stamps.policy: 1.40.3\n", "vigie.yaml:1: stamps.policy: \"1.40.3\" is not one; allowed: an object identifier, as 1.2.3.4\n" },
		{ "alarm.mail.to: me\n", "vigie.yaml:1: alarm.mail.to: \"me\" is not one; allowed: a list; each: a mail address, as name@example.org\n" },
		{ "tenants: {a: {recovery-key: 'hello'}}\n",
		  "vigie.yaml:1: tenants.a.recovery-key: the value is not one, or was not copied whole; allowed: a public key recovery+ID+BASE64, as `vigie vault recovery-key --new` makes one\n" },
		{ "tenants: {a: {recovery-key: 'recovery+8ec796fc+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1E'}}\n",
		  "vigie.yaml:1: tenants.a.recovery-key: the value is not one, or was not copied whole; allowed: a public key recovery+ID+BASE64, as `vigie vault recovery-key --new` makes one\n" },
		{ "tenants: {a: {recovery-key: 'recovery+0ec796fc+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea'}}\n",
		  "vigie.yaml:1: tenants.a.recovery-key: the value is not one, or was not copied whole; allowed: a public key recovery+ID+BASE64, as `vigie vault recovery-key --new` makes one\n" },
		{ "tenants: {a: {recovery-key: 'node+78f20b8c+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea'}}\n",
		  "vigie.yaml:1: tenants.a.recovery-key: the value is a key of another kind; allowed: a public key recovery+ID+BASE64, as `vigie vault recovery-key --new` makes one\n" },
		{ "tenants: {a: {recovery-key: 'recovery+fd20e306+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}}\n",
		  "vigie.yaml:1: tenants.a.recovery-key: the value is a key of another kind; allowed: a public key recovery+ID+BASE64, as `vigie vault recovery-key --new` makes one\n" },
		{ "tenants: {a: {recovery-key: '9d61b19deffd5a60 ba844af492ec2cc4 4449c5697b326919 703bac031cae7f60'}}\n",
		  "vigie.yaml:1: tenants.a.recovery-key: the value is the secret half, which has no place on this machine; allowed: a public key recovery+ID+BASE64, as `vigie vault recovery-key --new` makes one\n" },
		{ "alarm.mail.to: [a@b.example, [c@d.example]]\n",
		  "vigie.yaml:1: alarm.mail.to: is a list, and one value is wanted; allowed: a list; each: a mail address, as name@example.org\n" },
		{ "rules.folders: {a: b}\n", "vigie.yaml:1: rules.folders: is a map; allowed: a list; each: a path, or one from the folder of this file\n" },
		{ "rules.folders:\n", "vigie.yaml:1: rules.folders: has no value ([] is an empty list); allowed: a list; each: a path, or one from the folder of this file\n" },
		{ "rules.folders: ['']\n", "vigie.yaml:1: rules.folders: \"\" is empty; allowed: a list; each: a path, or one from the folder of this file\n" },
		{ "sources: {x: {match: 10.0.0.0/33}}\n", "vigie.yaml:1: sources.x.match: \"10.0.0.0/33\" is not a network; allowed: a list; each: a source's name "
							  "(* and ? stand for others), or a network as 10.1.0.0/16\n" },
		{ "sources: {10.0.0.0/99: x}\n", "vigie.yaml:1: sources.\"10.0.0.0/99\": is not a network; give the set another name, and say match\n" },
		{ "node.name: \"a b\"\n", "vigie.yaml:1: node.name: \"a b\" is not one; allowed: a name of at most 64 letters, digits, - and _\n" },
		{ "vault.retention-reason: \"a\\u202eb\"\n",
		  "vigie.yaml:1: vault.retention-reason: \"a\\u{202e}b\" has characters that do not print; allowed: text of at most 4096 bytes\n" },
		{ "vault.retention: {x: 12 h}\n",
		  "vigie.yaml:1: vault.retention.x: \"12 h\" is too small; allowed: a duration from 1 d to 3650 d (ms, s, min, h, d, w)\n" },
		{ "witness.token: hunter2\n", "vigie.yaml:1: witness.token: the value is too short; allowed: a secret of 16 to 512 bytes without spaces\n" },
		{ "witness.token: [hunter2]\n", "vigie.yaml:1: witness.token: is a list, and one value is wanted; allowed: a secret of 16 to 512 bytes without spaces\n" },
	};

	(void)state;
	check(m, VG_COUNT(m));
}

static void
settings_that_do_not_go_together(void **state)
{
	static const struct mistake m[] = {
		{ "listen:\n  https: 127.0.0.1:5514\n", "vigie.yaml:2: listen.https: 127.0.0.1:5514 is taken by listen.syslog (127.0.0.1:5514)\n" },
		{ "listen:\n  https: 0.0.0.0:5514\n", "vigie.yaml:2: listen.https: 0.0.0.0:5514 is taken by listen.syslog (127.0.0.1:5514)\n" },
		{ "listen: {a: {kind: https, address: '[::]:7'}, b: {kind: https, address: '[::1]:7'}, c: {kind: https, address: 0.0.0.0:7}}\n",
		  "vigie.yaml:1: listen.b: [::1]:7 is taken by listen.a ([::]:7)\n" },
		{ "listen.syslog: {kind: metrics, tenant: default}\n", "vigie.yaml:1: listen.syslog.tenant: is for listeners that receive; kind metrics publishes\n" },
		{ "listen.a: {kind: https}\n", "vigie.yaml:1: listen.a.address: is missing; allowed: ADDRESS:PORT, or off\n" },
		{ "listen.syslog: {certificate: c, key: k}\n", "vigie.yaml:1: listen.syslog.certificate: is of TLS, which syslog has not\n"
							       "vigie.yaml:1: listen.syslog.key: is of TLS, which syslog has not\n" },
		{ "listen.https: {plain: yes, client-ca: c}\n", "vigie.yaml:1: listen.https.client-ca: is of TLS, which plain: yes has not\n" },
		{ "listen.syslog-tls: {plain: yes}\n", "vigie.yaml:1: listen.syslog-tls.plain: is for kind https; this is syslog-tls\n" },
		{ "listen.https: {certificate: c}\n", "vigie.yaml:1: listen.https.key: is missing: certificate and key go together\n" },
		{ "listen.https: {key: c}\n", "vigie.yaml:1: listen.https.certificate: is missing: certificate and key go together\n" },
		{ "listen.https: {require-client-certificate: yes}\n",
		  "vigie.yaml:1: listen.https.client-ca: is missing: require-client-certificate needs to know who may sign them\n" },
		{ "listen.syslog.tenant: acme\n", "vigie.yaml:1: listen.syslog.tenant: no tenant is named \"acme\"; name it under tenants\n" },
		{ "listen.syslog.tenant: acmee\ntenants.acme: Acme\n", "vigie.yaml:1: listen.syslog.tenant: no tenant is named \"acmee\"; did you mean acme?\n" },
		{ "sources: {a: {tenant: acme}}\n", "vigie.yaml:1: sources.a.tenant: no tenant is named \"acme\"; name it under tenants\n" },
		{ "tenants: {a: A, b: B}\n",
		  "vigie.yaml: listen.syslog.tenant: records that come in here need a tenant, and there are 2 tenants; allowed: the name of one\n"
		  "vigie.yaml: listen.syslog-tls.tenant: records that come in here need a tenant, and there are 2 tenants; allowed: the name of one\n"
		  "vigie.yaml: local.tenant: this machine's records need a tenant, and there are 2 tenants; allowed: the name of one\n" },
		{ "listen:\n  witness: 0.0.0.0:9443\n", "vigie.yaml:2: listen.witness: others may pull there without a token: set witness.token\n" },
		{ "witness:\n  urls: https://w\n", "vigie.yaml:2: witness.urls: needs witness.token, which is not set\n" },
		{ "vault.retention.default: 366 d\n", "vigie.yaml:1: vault.retention.default: is over 365 days, which needs a reason (CNIL): say it in vault.retention-reason\n" },
		{ "vault.retention-reason: x\ntenants:\n  a:\n    retention:\n      s: 2000 d\n",
		  "vigie.yaml:5: tenants.a.retention.s: is over 365 days, which needs a reason (CNIL): say it in tenants.a.retention-reason\n" },
		{ "stamps.url: http://t\n", "vigie.yaml:1: stamps.url: needs stamps.ca, which is not set\n" },
		{ "stamps.ca: x\n", "vigie.yaml:1: stamps.ca: needs stamps.url, which is not set\n" },
		{ "stamps.policy: 1.2\n", "vigie.yaml:1: stamps.policy: needs stamps.url, which is not set\n" },
		{ "rules.only: yes\n", "vigie.yaml:1: rules.only: needs rules.folders, which is not set\n" },
		{ "alarm.mail.to: a@b.c\n", "vigie.yaml:1: alarm.mail.to: needs alarm.mail.server, which is not set\n"
					    "vigie.yaml:1: alarm.mail.to: needs alarm.mail.from, which is not set\n" },
		{ "alarm.mail: {server: 'smtp://m', user: u}\n", "vigie.yaml:1: alarm.mail.server: needs alarm.mail.to, which is not set\n"
								 "vigie.yaml:1: alarm.mail.user: needs alarm.mail.password, which is not set\n" },
		{ "alarm.command: wall x\n", "vigie.yaml:1: alarm.command: its first item is no absolute path: \"wall x\"\n" },
	};

	(void)state;
	check(m, VG_COUNT(m));
	/* and these do */
	assert_int_equal(load("tenants: {a: A, b: B}\nlisten: {syslog: off, syslog-tls: {client-ca: c, require-client-certificate: yes}}\n"
			      "local: {journal: no, files: []}\n"), VG_OK);
	assert_int_equal(load("listen: {syslog: 0.0.0.0:514, https: 192.0.2.1:443, syslog-tls: '[::]:514'}\n"), VG_OK);
	assert_int_equal(load("vault.retention.default: 365 d\n"), VG_OK);
}

/* All in one go, in the order of the file; and nothing of it is taken. */
static void
several_at_once(void **state)
{
	static const struct mistake m = { "language: de\nvalt: {}\nvault:\n  share: 0 %\n  sync-every: 1 s\nlocal: 1\n"
					  "listen:\n  sylog: 1.2.3.4:5\n  a: {kind: htps}\n",
					  "vigie.yaml:1: language: \"de\" is none of them; allowed: one of en or fr\n"
					  "vigie.yaml:2: valt: no such setting; did you mean vault?\n"
					  "vigie.yaml:4: vault.share: \"0 %\" is too small; allowed: a percentage from 1 % to 100 %\n"
					  "vigie.yaml:6: local: is a group of settings, not a value; in it: journal, files, tenant\n"
					  "vigie.yaml:9: listen.a.kind: \"htps\" is none of them; allowed: one of by-name, syslog, syslog-tls, https, "
					  "witness or metrics; did you mean https?\n"
					  "vigie.yaml:8: listen.sylog: no such setting; did you mean listen.syslog?\n" };
	struct vg_settings s, was;

	(void)state;
	check(&m, 1);
	memset(&s, 0x5a, sizeof(s));
	was = s;
	vg_buf_clear(&told);
	assert_int_equal(vg_settings_load(vg_str_of(m.text), "vigie.yaml", "/", tell, NULL, &s), VG_E_FORMAT);
	assert_memory_equal(&s, &was, sizeof(s));
}

static size_t
lines(void)
{
	size_t n = 0;

	for (size_t i = 0; i < told.n; i++)
		n += told.p[i] == '\n';
	return n;
}

static void
a_hostile_file_ends(void **state)
{
	struct vg_buf b = { 0 };

	(void)state;
	for (unsigned i = 0; i < 10000; i++) /* all unknown */
		vg_buf_printf(&b, "vault-%u: {a: &a%u [1, 2], b: c}\n", i, i % 200);
	vg_buf_putc(&b, '\0');
	assert_int_equal(load(b.p), VG_E_FORMAT);
	assert_non_null(strstr(told_text(), "anchors"));
	vg_buf_clear(&b);
	for (unsigned i = 0; i < 10000; i++)
		vg_buf_printf(&b, "vault-share-%u: 5 %%\n", i);
	vg_buf_putc(&b, '\0');
	assert_int_equal(load(b.p), VG_E_FORMAT);
	assert_int_equal(lines(), VG_SETTINGS_PROBLEMS_MAX + 1);
	assert_non_null(strstr(told_text(), "vigie.yaml: 9950 more problems are not shown\n"));
	vg_buf_clear(&b);
	vg_buf_puts(&b, "sources:\n"); /* too many of what is known */
	for (unsigned i = 0; i < 10000; i++)
		vg_buf_printf(&b, "  s%u: {match: [a%u, b], share: 3}\n", i, i);
	vg_buf_putc(&b, '\0');
	assert_int_equal(load(b.p), VG_E_FORMAT);
	assert_non_null(strstr(told_text(), "vigie.yaml:4098: sources.s4096: is one too many; allowed: at most 4096\n"));
	b.p[strstr(b.p, "  s4096:") - b.p] = '\0';
	assert_int_equal(load(b.p), VG_OK);
	assert_int_equal(got.sources.n, 4096);
	assert_str(got.sources.item[4095].match.item[0], "a4095");
	vg_buf_clear(&b);
	vg_buf_puts(&b, "listen:\n"); /* each of them at the same place */
	for (unsigned i = 0; i < 4000; i++)
		vg_buf_printf(&b, "  l%u: {kind: https, address: 10.0.0.1:1}\n", i);
	vg_buf_putc(&b, '\0');
	assert_int_equal(load(b.p), VG_E_FORMAT);
	assert_int_equal(lines(), VG_SETTINGS_PROBLEMS_MAX + 1);
	vg_buf_fini(&b);
}

static void
a_long_line_is_cut(void **state)
{
	struct vg_buf b = { 0 };

	(void)state;
	vg_buf_puts(&b, "language: ");
	for (unsigned i = 0; i < 40; i++)
		vg_buf_puts(&b, "é");
	vg_buf_puts(&b, "\n'");
	for (unsigned i = 0; i < 500; i++)
		vg_buf_puts(&b, "xy");
	vg_buf_puts(&b, "': 1\nrules.folders: [");
	for (unsigned i = 0; i < VG_SETTINGS_ITEMS_MAX + 1; i++)
		vg_buf_puts(&b, "a, ");
	vg_buf_puts(&b, "]\nvault.retention-reason: ");
	for (unsigned i = 0; i < VG_SETTINGS_TEXT_MAX + 1; i++)
		vg_buf_putc(&b, 'r');
	vg_buf_puts(&b, "\n");
	vg_buf_putc(&b, '\0');
	assert_int_equal(load(b.p), VG_E_FORMAT);
	assert_non_null(strstr(told_text(), "\"éééééééééééééééééééééééééééééé...\" is none of them"));
	assert_non_null(strstr(told_text(), "xyxy...: no such setting"));
	assert_non_null(strstr(told_text(), "rules.folders: has 1025 items; allowed: at most 1024"));
	assert_non_null(strstr(told_text(), "rrr...\" is too long; allowed: text of at most 4096 bytes"));
	assert_true(told.n < 2000);
	vg_buf_fini(&b);
}

static size_t
near(const char *a, const char *b)
{
	return vg_near(vg_str_of(a), vg_str_of(b));
}

static void
words_that_are_near(void **state)
{
	(void)state;
	assert_int_equal(near("", ""), 0);
	assert_int_equal(near("", "abc"), 3);
	assert_int_equal(near("abc", ""), 3);
	assert_int_equal(near("syslog", "sylsog"), 1);
	assert_int_equal(near("Sync_Every", "sync-every"), 0);
	assert_int_equal(near("kitten", "sitting"), 3);
	assert_int_equal(near("ca", "abc"), 3); /* aligned once */
	assert_int_equal(near("vault", "valt"), 1);
	assert_int_equal(near("0123456789012345678901234567890123456789012345678901234567890123", "x"), VG_NEAR_FAR);
	assert_false(vg_near_enough(1, 2));
	assert_true(vg_near_enough(1, 3));
	assert_false(vg_near_enough(2, 5));
	assert_true(vg_near_enough(3, 12));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(the_file_as_a_whole),
		cmocka_unit_test(values),
		cmocka_unit_test(settings_that_do_not_go_together),
		cmocka_unit_test(several_at_once),
		cmocka_unit_test(a_hostile_file_ends),
		cmocka_unit_test(a_long_line_is_cut),
		cmocka_unit_test(words_that_are_near),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);

	vg_settings_fini(&got);
	vg_buf_fini(&told);
	return bad;
}
