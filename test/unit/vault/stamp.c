/* The authority is the program openssl: `openssl ts` where it consents, `openssl cms` where a token must be one that it would not make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "vault/stamp.h"

#define POLICY "1.2.3.4.1"
#define NOTE "vigie.example/acme\n42\nAAAA\n"

static char home[] = "/tmp/test-stamp-XXXXXX";

static const char setup_script[] =
	"ca() {\n" /* NAME */
	"	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem -days 30 -subj \"/CN=$1\" \\\n"
	"		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign\n"
	"}\n"
	"tsa() {\n" /* NAME CA EXTENSION [OPTION...] */
	"	printf '[x]\\n%s\\nkeyUsage=critical,digitalSignature\\n' \"$3\" >$1.ext\n"
	"	name=$1 by=$2; shift 3\n"
	"	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -subj \"/O=Stamps, all/CN=$name\" -out $name.csr\n"
	"	openssl ca -batch -notext -config ca.cnf -cert $by.pem -keyfile $by.key -extfile $name.ext -extensions x \"$@\" -in $name.csr -out $name.pem\n"
	"}\n"
	"printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\nunique_subject=no\\n"
	"default_days=10\\n[p]\\norganizationName=optional\\ncommonName=supplied\\n' >ca.cnf\n"
	": >index; echo 01 >serial; echo 0a >ts.serial\n"
	"EKU=extendedKeyUsage=critical,timeStamping\n"
	"ca good; ca other\n"
	"tsa tsa good $EKU; tsa stranger other $EKU; tsa short good $EKU -enddate $(date -u -d '+6 seconds' +%Y%m%d%H%M%SZ)\n"
	"tsa weak good $EKU -md sha1\n"
	"tsa none good basicConstraints=CA:FALSE; tsa mild good extendedKeyUsage=timeStamping; tsa two good $EKU,codeSigning\n"
	"for md in sha256 sha1; do printf '[tsa]\\nserial=ts.serial\\nsigner_digest=%s\\ndefault_policy=" POLICY "\\nother_policies=1.2.3.4.2\\n"
	"digests=sha256,sha512\\naccuracy=secs:1\\ness_cert_id_chain=no\\ness_cert_id_alg=sha256\\n' $md >ts.$md; done\n";

/* In the folder, quietly; what it said is in "log". */
static int
sh(const char *script)
{
	char *all = NULL;
	int rc;

	assert_true(asprintf(&all, "cd %s && (set -eu\n%s) >>log 2>&1", home, script) > 0);
	rc = system(all);
	free(all);
	return rc;
}

static struct vg_buf
slurp(const char *name)
{
	struct vg_buf b = { 0 };
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", home, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	assert_true(vg_buf_reserve(&b, 100000));
	b.n = fread(b.p, 1, 100000, f);
	fclose(f);
	return b;
}

static void
spill(const char *name, vg_str bytes)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", home, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	fclose(f);
}

static int64_t
now(void)
{
	return (int64_t)time(NULL) * VG_SEC;
}

static struct vg_buf good_ca, other_ca;
static uint8_t nonce[VG_STAMP_NONCE];
static struct vg_hash digest;

static int
setup(void **state)
{
	struct vg_buf request = { 0 };

	(void)state;
	if (mkdtemp(home) == NULL || sh(setup_script) != 0) {
		fprintf(stderr, "%s/log says why the authority could not be made\n", home);
		return -1;
	}
	vg_hash_of(VG_STR(NOTE), &digest);
	assert_int_equal(vg_stamp_request(&digest, POLICY, &request, nonce), VG_OK);
	spill("query", vg_buf_str(&request));
	vg_buf_fini(&request);
	good_ca = slurp("good.pem");
	other_ca = slurp("other.pem");
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	vg_buf_fini(&good_ca);
	vg_buf_fini(&other_ca);
	snprintf(command, sizeof(command), "rm -rf %s", home);
	return system(command);
}

/* What openssl answers, as @tsa, to "query". */
static struct vg_buf
answer(const char *tsa)
{
	char script[512];

	snprintf(script, sizeof(script), "openssl ts -reply -config ts.sha256 -section tsa -queryfile query -signer %s.pem -inkey %s.key -out answer", tsa, tsa);
	assert_int_equal(sh(script), 0);
	return slurp("answer");
}

/* The same token's content signed anew by @tsa, which openssl ts may refuse to be. */
static struct vg_buf
forced(const char *tsa, const char *options)
{
	struct vg_buf first = answer("tsa");
	char script[1024];

	vg_buf_fini(&first);
	snprintf(script, sizeof(script),
		 "openssl ts -reply -in answer -token_out -out token; openssl cms -verify -noverify -inform DER -in token -out info\n"
		 "openssl cms -sign -binary -nodetach -econtent_type id-smime-ct-TSTInfo %s -signer %s.pem -inkey %s.key -in info -outform DER -out token\n"
		 "openssl ts -reply -token_in -in token -out answer",
		 options, tsa, tsa);
	assert_int_equal(sh(script), 0);
	return slurp("answer");
}

static vg_rc
check(const struct vg_buf *response, const char *policy, const struct vg_buf *ca, struct vg_stamp *out, char *why)
{
	struct vg_stamp_want want = { digest, nonce, policy, vg_buf_str(ca) };

	return vg_stamp_check(vg_buf_str(response), &want, now(), out, why);
}

static void
refused(struct vg_buf response, const char *because)
{
	struct vg_stamp s = { .time_ns = 7 };
	char why[VG_STAMP_WHY];

	assert_int_equal(check(&response, POLICY, &good_ca, &s, why), VG_E_REFUSED);
	if (strstr(why, because) == NULL)
		fail_msg("refused because %s", why);
	assert_int_equal(s.time_ns, 7);
	vg_buf_fini(&response);
}

static void
a_good_one_passes_now_and_later(void **state)
{
	struct vg_buf r = answer("tsa"), file = { 0 };
	struct vg_stamp s, again;
	char why[VG_STAMP_WHY], name[VG_STAMP_NAME_MAX];
	vg_str note, response;

	(void)state;
	assert_int_equal(check(&r, POLICY, &good_ca, &s, why), VG_OK);
	assert_string_equal(s.policy, POLICY);
	assert_string_equal(s.signer, "CN=tsa,O=Stamps\\, all");
	assert_true(s.serial[0] != 0 && llabs(s.time_ns - now()) < 20 * VG_SEC);
	vg_stamp_name(42, name);
	assert_string_equal(name, "42.tsr");
	vg_stamp_put(VG_STR(NOTE), vg_buf_str(&r), &file);
	assert_int_equal(vg_stamp_take(vg_buf_str(&file), &note, &response), VG_OK);
	assert_int_equal(vg_stamp_verify(note, response, POLICY, vg_buf_str(&good_ca), &again, why), VG_OK);
	assert_true(again.time_ns == s.time_ns && strcmp(again.serial, s.serial) == 0);
	assert_int_equal(vg_stamp_verify(VG_STR(NOTE "x"), response, POLICY, vg_buf_str(&good_ca), &again, why), VG_E_REFUSED);
	for (size_t n = 0; n < file.n; n++)
		assert_int_not_equal(vg_stamp_take(vg_str_cut(vg_buf_str(&file), n), &note, &response), VG_OK);
	vg_buf_putc(&file, 0);
	assert_int_equal(vg_stamp_take(vg_buf_str(&file), &note, &response), VG_E_FORMAT);
	vg_buf_fini(&file);
	vg_buf_fini(&r);
}

static void
what_was_not_asked_is_refused(void **state)
{
	struct vg_buf r = answer("tsa");
	struct vg_stamp_want want = { digest, nonce, NULL, vg_buf_str(&good_ca) };
	uint8_t wrong[VG_STAMP_NONCE];
	struct vg_stamp s;
	char why[VG_STAMP_WHY];

	(void)state;
	assert_int_equal(vg_stamp_check(vg_buf_str(&r), &want, now(), &s, why), VG_OK);
	assert_int_equal(vg_stamp_check(vg_buf_str(&r), &want, now() + 700 * VG_SEC, &s, why), VG_E_REFUSED);
	assert_int_equal(vg_stamp_check(vg_buf_str(&r), &want, now() - 700 * VG_SEC, &s, why), VG_E_REFUSED);
	assert_non_null(strstr(why, "minutes"));
	memcpy(wrong, nonce, sizeof(wrong));
	wrong[15] ^= 1;
	want.nonce = wrong;
	assert_int_equal(vg_stamp_check(vg_buf_str(&r), &want, now(), &s, why), VG_E_REFUSED);
	assert_non_null(strstr(why, "nonce"));
	want.nonce = nonce;
	want.digest.b[0] ^= 1;
	assert_int_equal(vg_stamp_check(vg_buf_str(&r), &want, now(), &s, why), VG_E_REFUSED);
	assert_non_null(strstr(why, "digest"));
	assert_int_equal(check(&r, "1.2.3.4.2", &good_ca, &s, why), VG_E_REFUSED);
	assert_non_null(strstr(why, "policy"));
	assert_int_equal(sh("openssl ts -query -data ca.cnf -sha256 -tspolicy 1.9.9 -out q2\n"
			    "openssl ts -reply -config ts.sha256 -section tsa -queryfile q2 -signer tsa.pem -inkey tsa.key -out answer"), 0);
	vg_buf_fini(&r);
	refused(slurp("answer"), "did not grant");
}

static void
who_may_not_stamp_is_refused(void **state)
{
	struct vg_buf r = forced("tsa", "-cades"), both = { 0 };
	struct vg_stamp s;
	char why[VG_STAMP_WHY];

	(void)state;
	assert_int_equal(check(&r, POLICY, &good_ca, &s, why), VG_OK); /* so that what follows is refused for its own reason */
	vg_buf_fini(&r);
	refused(forced("tsa", ""), "signature or chain");    /* no attribute says which certificate */
	refused(forced("tsa", "-cades -md sha1"), "SHA-256");
	refused(forced("tsa", "-cades -signer stranger.pem -inkey stranger.key"), "exactly one");
	refused(forced("none", "-cades"), "purpose");
	refused(forced("mild", "-cades"), "purpose");
	refused(forced("two", "-cades"), "purpose");
	refused(answer("weak"), "too weak");
	refused(answer("stranger"), "get local issuer");
	r = answer("stranger");
	assert_int_equal(check(&r, POLICY, &other_ca, &s, why), VG_OK);
	vg_buf_put(&both, vg_buf_str(&good_ca));
	vg_buf_put(&both, vg_buf_str(&other_ca));
	assert_int_equal(check(&r, POLICY, &both, &s, why), VG_OK);
	both.n -= 40; /* the last certificate is cut */
	assert_int_equal(check(&r, POLICY, &both, &s, why), VG_E_UNSUP);
	vg_buf_clear(&both);
	assert_int_equal(check(&r, POLICY, &both, &s, why), VG_E_UNSUP);
	vg_buf_puts(&both, "no certificate\n");
	assert_int_equal(check(&r, POLICY, &both, &s, why), VG_E_UNSUP);
	vg_buf_fini(&both);
	vg_buf_fini(&r);
}

/* A certificate may end; what it stamped before stands. */
static void
the_chain_is_that_of_the_tokens_time(void **state)
{
	struct vg_buf r = answer("short");
	struct vg_stamp s;
	char why[VG_STAMP_WHY];

	(void)state;
	assert_int_equal(check(&r, POLICY, &good_ca, &s, why), VG_OK);
	sleep(7);
	assert_int_equal(vg_stamp_verify(VG_STR(NOTE), vg_buf_str(&r), POLICY, vg_buf_str(&good_ca), &s, why), VG_OK);
	vg_buf_fini(&r);
	refused(answer("short"), "expired");
}

static void
every_truncation_and_every_changed_byte(void **state)
{
	struct vg_buf r = answer("tsa");
	struct vg_stamp s, first;
	char why[VG_STAMP_WHY];

	(void)state;
	assert_int_equal(check(&r, POLICY, &good_ca, &first, why), VG_OK);
	for (size_t n = 0; n < r.n; n++) {
		struct vg_buf cut = { 0 };

		assert_true(vg_buf_reserve(&cut, n + 1)); /* a copy of its own: a read too far is seen */
		vg_buf_put(&cut, vg_str_cut(vg_buf_str(&r), n));
		assert_int_not_equal(check(&cut, POLICY, &good_ca, &s, why), VG_OK);
		assert_true(why[0] != 0);
		vg_buf_fini(&cut);
	}
	for (size_t n = 0; n < r.n; n++) { /* what is not signed may change (a text beside the status); what it says may not */
		r.p[n] ^= 4;
		if (check(&r, POLICY, &good_ca, &s, why) == VG_OK)
			assert_true(s.time_ns == first.time_ns && strcmp(s.serial, first.serial) == 0 && strcmp(s.signer, first.signer) == 0);
		r.p[n] ^= 4;
	}
	vg_buf_putc(&r, 0);
	assert_int_equal(check(&r, POLICY, &good_ca, &s, why), VG_E_FORMAT);
	vg_buf_fini(&r);
}

static void
a_policy_that_is_none(void **state)
{
	struct vg_buf b = { 0 };
	uint8_t other[VG_STAMP_NONCE];

	(void)state;
	assert_int_equal(vg_stamp_request(&digest, "one.two", &b, other), VG_E_FORMAT);
	assert_int_equal(vg_stamp_request(&digest, NULL, &b, other), VG_OK);
	assert_memory_not_equal(other, nonce, sizeof(other));
	vg_buf_fini(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_chain_is_that_of_the_tokens_time), /* first: its certificate ends in seconds */
		cmocka_unit_test(a_good_one_passes_now_and_later), cmocka_unit_test(what_was_not_asked_is_refused),
		cmocka_unit_test(who_may_not_stamp_is_refused), cmocka_unit_test(every_truncation_and_every_changed_byte),
		cmocka_unit_test(a_policy_that_is_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
