/* A settings file goes into a backup without its secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "settings/settings.h"

static char keys[500];

static vg_rc
on_left(void *ctx, vg_str key)
{
	(void)ctx;
	snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%.*s;", VG_STR_ARG(key));
	return VG_OK;
}

static vg_rc
redact(const char *text, struct vg_buf *out)
{
	vg_rc rc;

	keys[0] = 0;
	rc = vg_settings_without_secrets(vg_str_of(text), out, on_left, NULL);
	vg_buf_putc(out, 0);
	return rc;
}

static void
secrets_are_taken_out(void **state)
{
	static const struct {
		const char *in, *out, *left;
	} row[] = {
		{ "", "", "" },
		{ "language: en # a comment\n", "language: en # a comment\n", "" },
		{ "witness:\n  token: 0123456789abcdef0123456789abcdef  # of w1\n", "witness:\n  token: \"\"  # of w1\n", "witness.token;" },
		{ "witness:\n  token: \"0123456789abcdef\"\n", "witness:\n  token: \"\"\n", "witness.token;" },
		{ "witness: {token: '0123456789abcdef', urls: []}\n", "witness: {token: '', urls: []}\n", "witness.token;" },
		{ "witness.token: 0123456789abcdef", "witness.token: \"\"", "witness.token;" },
		{ "witness:\n  token: \"\"\n", "witness:\n  token: \"\"\n", "" },
		{ "# token: 0123456789abcdef\nwitness.token: 0123456789abcdef\n", "# token: ----------------\nwitness.token: \"\"\n", "witness.token;" },
		{ "alarm:\n  mail:\n    user: pw\n    password: pw\nwitness:\n  token: tttttttttttttttt\n",
		  "alarm:\n  mail:\n    user: pw\n    password: \"\"\nwitness:\n  token: \"\"\n", "alarm.mail.password;witness.token;" },
		{ "alarm.mail: {server: smtps://me:pass@mail.example.org/x, user: me}\n", "alarm.mail: {server: \"\", user: me}\n", "alarm.mail.server;" },
		{ "alarm:\n  webhooks:\n    - https://a.example/@x\n    - https://u:p@b.example/y\n",
		  "alarm:\n  webhooks:\n    - https://a.example/@x\n    - \"\"\n", "alarm.webhooks;" },
		{ "token: 0123456789abcdef\n", "token: 0123456789abcdef\n", "" }, /* no setting of ours: refused elsewhere */
	};

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++) {
		struct vg_buf b = { 0 };

		assert_int_equal(redact(row[i].in, &b), VG_OK);
		assert_string_equal(b.p, row[i].out);
		assert_string_equal(keys, row[i].left);
		vg_buf_fini(&b);
	}
}

static void
what_cannot_be_taken_out_is_told(void **state)
{
	static const char *const row[] = {
		"witness:\n  token: \"0123456789\\x61bcdef\"\n", "witness:\n  token: >-\n    0123456789abcdef\n", "witness:\n  token:\n    0123456789abcdef\n",
	};
	struct vg_buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < VG_COUNT(row); i++)
		assert_int_equal(redact(row[i], &b), VG_E_UNSUP);
	assert_int_equal(redact("a: [", &b), VG_E_FORMAT);
	vg_buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(secrets_are_taken_out), cmocka_unit_test(what_cannot_be_taken_out_is_told) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
