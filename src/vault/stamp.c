#include "vault/stamp.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/cur.h"
#include "base/magic.h"
#include "base/time.h"
#include "vault/note.h"

#define MAGIC "VGSTAMP1"
#define SERIAL_BYTES_MAX 32 /* RFC 3161 2.4.2 asks for 20; some have more */
#define STRENGTH 2          /* SSL_CTX_set_security_level(3): 112 bits, so neither SHA-1 nor RSA of 1024 bits */

static vg_rc
no(char *why, vg_rc rc, const char *what)
{
	snprintf(why, VG_STAMP_WHY, "%s", what);
	return rc;
}

/* The same, with what libcrypto has to say. */
static vg_rc
crypto_no(char *why, vg_rc rc, const char *what)
{
	const char *data = NULL;
	int flags = 0;
	unsigned long e = ERR_peek_error_all(NULL, NULL, NULL, &data, &flags);
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	snprintf(why, VG_STAMP_WHY, "%s%s%s%s%s", what, reason ? ": " : "", reason ? reason : "", (flags & ERR_TXT_STRING) && data && *data ? ", " : "",
		 (flags & ERR_TXT_STRING) && data ? data : "");
	ERR_clear_error();
	return rc;
}

/* ---- asking ---- */

static ASN1_INTEGER *
nonce_integer(const uint8_t nonce[VG_STAMP_NONCE])
{
	BIGNUM *n = BN_bin2bn(nonce, VG_STAMP_NONCE, NULL);
	ASN1_INTEGER *i = n ? BN_to_ASN1_INTEGER(n, NULL) : NULL;

	BN_free(n);
	return i;
}

static TS_MSG_IMPRINT *
imprint_of(const struct vg_hash *digest)
{
	TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
	X509_ALGOR *a = X509_ALGOR_new();
	struct vg_hash d = *digest;
	bool ok = m && a && X509_ALGOR_set0(a, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) && TS_MSG_IMPRINT_set_algo(m, a) &&
		  TS_MSG_IMPRINT_set_msg(m, d.b, VG_HASH_BYTES);

	X509_ALGOR_free(a);
	if (!ok) {
		TS_MSG_IMPRINT_free(m);
		m = NULL;
	}
	return m;
}

static bool
fill_request(TS_REQ *q, const struct vg_hash *digest, ASN1_OBJECT *policy, const uint8_t nonce[VG_STAMP_NONCE])
{
	TS_MSG_IMPRINT *m = imprint_of(digest);
	ASN1_INTEGER *i = nonce_integer(nonce);
	bool ok = q && m && i && TS_REQ_set_version(q, 1) && TS_REQ_set_msg_imprint(q, m) && (policy == NULL || TS_REQ_set_policy_id(q, policy)) &&
		  TS_REQ_set_nonce(q, i) && TS_REQ_set_cert_req(q, 1);

	TS_MSG_IMPRINT_free(m);
	ASN1_INTEGER_free(i);
	return ok;
}

vg_rc
vg_stamp_request(const struct vg_hash *digest, const char *policy, struct vg_buf *der, uint8_t nonce[VG_STAMP_NONCE])
{
	ASN1_OBJECT *p = policy ? OBJ_txt2obj(policy, 1) : NULL;
	TS_REQ *q = TS_REQ_new();
	unsigned char *bytes = NULL;
	vg_rc rc = VG_E_NOMEM;
	int n;

	if (policy && p == NULL)
		rc = VG_E_FORMAT;
	else if (RAND_bytes(nonce, VG_STAMP_NONCE) != 1)
		rc = VG_E_SYS;
	else if (fill_request(q, digest, p, nonce) && (n = i2d_TS_REQ(q, &bytes)) > 0) {
		vg_buf_mem(der, bytes, (size_t)n);
		rc = der->rc;
	}
	ERR_clear_error();
	OPENSSL_free(bytes);
	ASN1_OBJECT_free(p);
	TS_REQ_free(q);
	return rc;
}

/* ---- what a token says ---- */

/* GeneralizedTime as RFC 3161 2.4.2 has it: YYYYMMDDhhmmss, perhaps a fraction, Z. */
static int64_t
time_of(const ASN1_GENERALIZEDTIME *t)
{
	vg_str s = vg_str_mem(ASN1_STRING_get0_data(t), (size_t)ASN1_STRING_length(t));
	char iso[VG_TIME_MAX];
	int n;

	if (s.n < 15 || s.n > 26 || s.p[s.n - 1] != 'Z' || !vg_str_all_digits(vg_str_cut(s, 14)) || (s.n > 15 && (s.p[14] != '.' || s.n < 17)))
		return VG_TIME_NONE;
	n = snprintf(iso, sizeof(iso), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%.*s", s.p, s.p + 4, s.p + 6, s.p + 8, s.p + 10, s.p + 12, (int)(s.n - 14), s.p + 14);
	return vg_time_parse(vg_str_mem(iso, (size_t)n), 0);
}

static bool
put_serial(const ASN1_INTEGER *i, char *to, size_t room)
{
	BIGNUM *n = i ? ASN1_INTEGER_to_BN(i, NULL) : NULL;
	char *hex = n && !BN_is_negative(n) && BN_num_bytes(n) <= SERIAL_BYTES_MAX ? BN_bn2hex(n) : NULL;
	bool ok = hex && strlen(hex) < room;

	if (ok)
		snprintf(to, room, "%s", hex);
	OPENSSL_free(hex);
	BN_free(n);
	return ok;
}

static vg_rc
put_subject(X509 *signer, char *to, size_t room)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;
	bool ok = b && X509_NAME_print_ex(b, X509_get_subject_name(signer), 0, XN_FLAG_RFC2253) >= 0 && (n = BIO_get_mem_data(b, &p)) >= 0;

	if (ok)
		snprintf(to, room, "%.*s", (int)(n < (long)room ? n : (long)room - 1), p ? p : "");
	BIO_free(b);
	return ok ? VG_OK : VG_E_NOMEM;
}

static vg_rc
look_at_info(TS_TST_INFO *t, const struct vg_stamp_want *want, struct vg_stamp *out, char *why)
{
	TS_MSG_IMPRINT *m = TS_TST_INFO_get_msg_imprint(t);
	const ASN1_OBJECT *alg;
	ASN1_OCTET_STRING *got = m ? TS_MSG_IMPRINT_get_msg(m) : NULL;
	ASN1_OBJECT *policy = TS_TST_INFO_get_policy_id(t);
	int n;

	if (TS_TST_INFO_get_version(t) != 1 || got == NULL || policy == NULL)
		return no(why, VG_E_FORMAT, "a token of another version");
	X509_ALGOR_get0(&alg, NULL, NULL, TS_MSG_IMPRINT_get_algo(m));
	if (OBJ_obj2nid(alg) != NID_sha256 || ASN1_STRING_length(got) != VG_HASH_BYTES ||
	    memcmp(ASN1_STRING_get0_data(got), want->digest.b, VG_HASH_BYTES) != 0)
		return no(why, VG_E_REFUSED, "the token is over another digest");
	n = OBJ_obj2txt(out->policy, sizeof(out->policy), policy, 1);
	if (n <= 0 || (size_t)n >= sizeof(out->policy) || !put_serial(TS_TST_INFO_get_serial(t), out->serial, sizeof(out->serial)))
		return no(why, VG_E_LIMIT, "the token's policy or serial number is too long, or none");
	if ((out->time_ns = time_of(TS_TST_INFO_get_time(t))) == VG_TIME_NONE)
		return no(why, VG_E_FORMAT, "the token's time is none");
	if (want->policy && strcmp(want->policy, out->policy) != 0) {
		snprintf(why, VG_STAMP_WHY, "the token's policy is %s, not %s", out->policy, want->policy);
		return VG_E_REFUSED;
	}
	return VG_OK;
}

static vg_rc
look_at_nonce(TS_TST_INFO *t, const uint8_t *nonce, char *why)
{
	const ASN1_INTEGER *got = TS_TST_INFO_get_nonce(t);
	ASN1_INTEGER *ours = nonce_integer(nonce);
	bool same = got && ours && ASN1_INTEGER_cmp(got, ours) == 0;
	bool memory = ours != NULL;

	ASN1_INTEGER_free(ours);
	return same ? VG_OK : memory ? no(why, VG_E_REFUSED, "the token's nonce is not the one that was sent") : no(why, VG_E_NOMEM, "out of memory");
}

/* ---- who signed ---- */

/* A store with the pinned certificates alone, that looks at chains as they were at @at_ns. */
static vg_rc
pinned_store(vg_str ca, int64_t at_ns, X509_STORE **out, char *why)
{
	X509_STORE *s = X509_STORE_new();
	BIO *b = ca.n && ca.n < INT_MAX ? BIO_new_mem_buf(ca.p, (int)ca.n) : NULL;
	X509_VERIFY_PARAM *param = s ? X509_STORE_get0_param(s) : NULL;
	X509 *cert = NULL;
	size_t n = 0;
	bool ok = s && b;

	while (ok && n <= VG_STAMP_CAS_MAX && (cert = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		ok = X509_STORE_add_cert(s, cert) == 1;
		X509_free(cert);
		n++;
	}
	ok = ok && n && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE; /* the end of the file, and no certificate that is broken */
	ERR_clear_error();
	BIO_free(b);
	if (!ok || n > VG_STAMP_CAS_MAX) {
		X509_STORE_free(s);
		return no(why, VG_E_UNSUP, "the pinned CA holds no certificate, one that is broken, or more than 16");
	}
	(void)X509_STORE_set_flags(s, X509_V_FLAG_PARTIAL_CHAIN); /* what is pinned ends the chain, a root or not */
	X509_VERIFY_PARAM_set_time(param, (time_t)(at_ns / VG_SEC));
	X509_VERIFY_PARAM_set_auth_level(param, STRENGTH);
	*out = s;
	return VG_OK;
}

/* Does exactly one sign it, with a digest that is not broken?  (Its certificate's own signature is the chain's matter.) */
static bool
strong_signature(PKCS7 *token)
{
	STACK_OF(PKCS7_SIGNER_INFO) *all = PKCS7_type_is_signed(token) ? PKCS7_get_signer_info(token) : NULL;
	const ASN1_OBJECT *alg;
	X509_ALGOR *digest = NULL;
	int nid;

	if (all == NULL || sk_PKCS7_SIGNER_INFO_num(all) != 1)
		return false;
	PKCS7_SIGNER_INFO_get0_algs(sk_PKCS7_SIGNER_INFO_value(all, 0), NULL, &digest, NULL);
	if (digest == NULL)
		return false;
	X509_ALGOR_get0(&alg, NULL, NULL, digest);
	nid = OBJ_obj2nid(alg);
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512 || nid == NID_sha3_256 || nid == NID_sha3_384 || nid == NID_sha3_512;
}

static vg_rc
look_at_signature(PKCS7 *token, vg_str ca, struct vg_stamp *out, char *why)
{
	X509_STORE *store = NULL;
	X509 *signer = NULL;
	vg_rc rc = strong_signature(token) ? pinned_store(ca, out->time_ns, &store, why) :
					     no(why, VG_E_REFUSED, "the token has not exactly one signature with SHA-256 or better");

	if (rc != VG_OK)
		return rc;
	ERR_clear_error();
	/* its purpose is that of time stamping: an extended key usage that is critical and nothing else (tested) */
	if (TS_RESP_verify_signature(token, NULL, store, &signer) != 1)
		rc = crypto_no(why, VG_E_REFUSED, "the token's signature or chain is not good");
	else
		rc = put_subject(signer, out->signer, sizeof(out->signer));
	X509_free(signer);
	X509_STORE_free(store);
	return rc;
}

/* ---- the whole ---- */

static vg_rc
look_at_status(TS_RESP *r, char *why)
{
	TS_STATUS_INFO *s = TS_RESP_get_status_info(r);
	const ASN1_INTEGER *i = s ? TS_STATUS_INFO_get0_status(s) : NULL;
	int64_t status = -1;

	if (i == NULL || ASN1_INTEGER_get_int64(&status, i) != 1 || status < TS_STATUS_GRANTED)
		return no(why, VG_E_FORMAT, "a response without a status");
	if (status != TS_STATUS_GRANTED && status != TS_STATUS_GRANTED_WITH_MODS) {
		snprintf(why, VG_STAMP_WHY, "the authority did not grant it (status %lld)", (long long)status);
		return VG_E_REFUSED;
	}
	if (TS_RESP_get_token(r) == NULL || TS_RESP_get_tst_info(r) == NULL)
		return no(why, VG_E_FORMAT, "a response without a token");
	return VG_OK;
}

static vg_rc
look_at(vg_str response, const struct vg_stamp_want *want, struct vg_stamp *out, char *why)
{
	const unsigned char *p = (const unsigned char *)response.p;
	struct vg_stamp got = { .time_ns = 0 };
	TS_RESP *r;
	vg_rc rc;

	why[0] = 0;
	if (response.n == 0 || response.n > VG_STAMP_RESPONSE_MAX)
		return no(why, VG_E_LIMIT, "a response of no bytes, or too many");
	ERR_clear_error();
	r = d2i_TS_RESP(NULL, &p, (long)response.n);
	if (r == NULL || p != (const unsigned char *)response.p + response.n)
		rc = crypto_no(why, VG_E_FORMAT, "not a time-stamp response");
	else if ((rc = look_at_status(r, why)) == VG_OK && (rc = look_at_info(TS_RESP_get_tst_info(r), want, &got, why)) == VG_OK &&
		 (want->nonce == NULL || (rc = look_at_nonce(TS_RESP_get_tst_info(r), want->nonce, why)) == VG_OK))
		rc = look_at_signature(TS_RESP_get_token(r), want->ca, &got, why);
	ERR_clear_error();
	TS_RESP_free(r);
	if (rc == VG_OK)
		*out = got;
	return rc;
}

vg_rc
vg_stamp_check(vg_str response, const struct vg_stamp_want *want, int64_t now_ns, struct vg_stamp *out, char why[VG_STAMP_WHY])
{
	const int64_t skew_ns = VG_STAMP_SKEW_S * VG_SEC;
	struct vg_stamp got;
	vg_rc rc = look_at(response, want, &got, why);

	if (rc != VG_OK)
		return rc;
	/* an authority that answers now with another time says nothing about when */
	if (got.time_ns < now_ns - skew_ns || got.time_ns > now_ns + skew_ns) {
		char then[VG_TIME_MAX];

		vg_time_print(got.time_ns, 0, then);
		snprintf(why, VG_STAMP_WHY, "the token's time, %s, is more than %d minutes from this machine's", then, VG_STAMP_SKEW_S / 60);
		return VG_E_REFUSED;
	}
	*out = got;
	return VG_OK;
}

vg_rc
vg_stamp_verify(vg_str note, vg_str response, const char *policy, vg_str ca, struct vg_stamp *out, char why[VG_STAMP_WHY])
{
	struct vg_stamp_want want = { .policy = policy, .ca = ca };

	vg_hash_of(note, &want.digest);
	return look_at(response, &want, out, why);
}

/* ---- how it is kept ---- */

void
vg_stamp_name(uint64_t size, char out[VG_STAMP_NAME_MAX])
{
	snprintf(out, VG_STAMP_NAME_MAX, "%llu" VG_STAMP_SUFFIX, (unsigned long long)size);
}

void
vg_stamp_put(vg_str note, vg_str response, struct vg_buf *out)
{
	vg_buf_puts(out, MAGIC);
	vg_buf_le32(out, (uint32_t)note.n);
	vg_buf_le32(out, (uint32_t)response.n);
	vg_buf_put(out, note);
	vg_buf_put(out, response);
}

vg_rc
vg_stamp_take(vg_str file, vg_str *note, vg_str *response)
{
	struct vg_cur c = vg_cur_of(file.p, file.n);
	vg_str magic = vg_cur_bytes(&c, strlen(MAGIC)), text, answer;
	uint32_t nnote = vg_cur_le32(&c), nresponse = vg_cur_le32(&c);

	if (c.rc == VG_OK && vg_magic_check(magic, VG_STR(MAGIC)) != VG_OK)
		return vg_magic_check(magic, VG_STR(MAGIC));
	if (nnote > VG_NOTE_BYTES_MAX || nresponse > VG_STAMP_RESPONSE_MAX)
		return VG_E_LIMIT;
	text = vg_cur_bytes(&c, nnote);
	answer = vg_cur_bytes(&c, nresponse);
	if (c.rc == VG_OK && vg_cur_left(&c))
		return VG_E_FORMAT;
	if (c.rc == VG_OK) {
		*note = text;
		*response = answer;
	}
	return c.rc;
}
