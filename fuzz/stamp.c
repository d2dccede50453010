/* What an authority answers, and what is kept of it.  The first byte chooses: r, a response; f, a kept file.  What is always true: nobody
 * makes a token of this authority, whose keys are gone, so that one which passes says what the one in the corpus says. */
#include <assert.h>
#include <stdlib.h>

#include "base/time.h"
#include "choose.h"
#include "vault/stamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char ca[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBbTCCAROgAwIBAgIUI0ibzS5cYihFjDuqJaK+GykAYAAwCgYIKoZIzj0EAwIw\n"
	"DDEKMAgGA1UEAwwBYzAeFw0yNjExMjQxNzM2NDBaFw0yNjEyMjQxNzM2NDBaMAwx\n"
	"CjAIBgNVBAMMAWMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQRbdCJZoCO/Ilw\n"
	"bWJFQeu6+tNa9uWSPJ3SuLiluK3GIuC6AnkHq2gkU5lz3P94RqQJ00yu0MEIDQ+L\n"
	"gRa4vs6po1MwUTAdBgNVHQ4EFgQUOXogrtNy7eHMDFT0dOhQA2L8xi0wHwYDVR0j\n"
	"BBgwFoAUOXogrtNy7eHMDFT0dOhQA2L8xi0wDwYDVR0TAQH/BAUwAwEB/zAKBggq\n"
	"hkjOPQQDAgNIADBFAiEA0bAiUxIwjwdfo0SDbNi38UV/zCeuHb+SJsZCyYAGmroC\n"
	"ICDLe26JzbmylWs/UY85vyYgsTup5hAkSBjSvpSAVSn9\n"
	"-----END CERTIFICATE-----\n";

static void
passed(const struct vg_stamp *s)
{
	assert(s->time_ns / VG_SEC == 1795541800 && vg_str_eq(vg_str_of(s->signer), VG_STR("CN=t")));
}

static void
response(vg_str s)
{
	static const uint8_t nonce[VG_STAMP_NONCE] = { 1 };
	char why[VG_STAMP_WHY];
	struct vg_stamp got;
	struct vg_stamp_want want = { .ca = vg_str_of(ca) };

	if (vg_stamp_verify(VG_STR("note\n"), s, NULL, vg_str_of(ca), &got, why) == VG_OK)
		passed(&got);
	vg_hash_of(VG_STR("note\n"), &want.digest);
	want.nonce = nonce;
	assert(vg_stamp_check(s, &want, 0, &got, why) != VG_OK && why[0]);
}

static void
kept(vg_str s)
{
	struct vg_buf b = { 0 };
	vg_str note, answer;

	if (vg_stamp_take(s, &note, &answer) == VG_OK) {
		vg_stamp_put(note, answer, &b);
		assert(vg_str_eq(vg_buf_str(&b), s));
	}
	vg_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'r', response }, { 'f', kept }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
