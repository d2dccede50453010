#include "witness/restore.h"

#include <stdio.h>

#include "base/time.h"
#include "witness/names.h"

struct restore {
	const struct vg_restore_options *o;
	char *why;
	vg_rc rc; /* the first thing that went wrong */
};

static vg_rc
no(char *why, vg_rc rc, const char *what)
{
	snprintf(why, VG_RESTORE_WHY, "%s", what);
	return rc;
}

static void
on_report(void *ctx, enum vg_report what, const char *tenant, const char *text)
{
	static const vg_rc means[VG_REPORTS] = {
		[VG_REPORT_BAD] = VG_E_REFUSED, [VG_REPORT_EPOCH] = VG_E_REFUSED, [VG_REPORT_COPY] = VG_E_SYS, [VG_REPORT_TROUBLE] = VG_E_SYS,
	};
	struct restore *r = ctx;

	if (means[what] == VG_OK) {
		r->o->report(r->o->ctx, what, tenant, text);
	} else if (r->rc == VG_OK) {
		r->rc = means[what];
		snprintf(r->why, VG_RESTORE_WHY, "%s%s%s", tenant ? tenant : "", tenant ? ": " : "", text);
	}
}

static vg_rc
is_empty(int vault, char *why)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_tenants_print(vault, &b);
	bool empty = b.n == 0;

	vg_buf_fini(&b);
	return rc != VG_OK ? no(why, rc, "the vault's folder cannot be read") : empty ? VG_OK : no(why, VG_E_REFUSED, "there is a vault already");
}

static vg_rc
fetch_key(struct vg_pull *p, const struct vg_restore_options *o, struct vg_note_key *out, char *why)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_pull_text(p, o->url, "/v1/" VG_WITNESS_KEY_FILE, 4096, &b, why);

	if (rc == VG_OK && (rc = vg_note_key_parse(vg_str_trim(vg_buf_str(&b)), out)) != VG_OK)
		(void)no(why, rc, "the witness's key is none");
	if (rc == VG_OK) {
		vg_buf_putc(&b, 0);
		o->report(o->ctx, VG_REPORT_NOTE, NULL, "the witness's key, as it publishes it: compare it with the witness's machine");
		o->report(o->ctx, VG_REPORT_NOTE, NULL, b.rc == VG_OK ? b.p : "");
	}
	vg_buf_fini(&b);
	return rc;
}

static vg_rc
run(struct vg_pull *p, struct restore *r, size_t *tenants)
{
	const struct vg_restore_options *o = r->o;
	struct vg_note_key key;
	struct vg_sync_options so = { .pull = p, .url = o->url, .vault = o->vault, .forks = -1, .epochs = -1, .keep_ns = INT64_MAX, .log_key = o->log_key, .nlog_key = o->nlog_key,
				      .witness = o->witness, .poll_ns = VG_DAY, .report = on_report, .ctx = r };
	struct vg_sync *s;
	size_t good = 0;
	vg_rc rc;

	if (o->witness == NULL) {
		if ((rc = fetch_key(p, o, &key, r->why)) != VG_OK)
			return rc;
		so.witness = &key;
	}
	if ((rc = vg_sync_new(&so, &s)) != VG_OK)
		return no(r->why, rc, "out of memory");
	rc = vg_sync_round(s, tenants, &good);
	vg_sync_free(s);
	if (rc != VG_OK || r->rc != VG_OK)
		return rc != VG_OK ? rc : r->rc;
	if (*tenants == 0)
		return no(r->why, VG_E_NOTFOUND, "the witness has no tenant");
	return good == *tenants ? VG_OK : no(r->why, VG_E_REFUSED, "not every tenant could be fetched");
}

vg_rc
vg_restore(const struct vg_restore_options *o, size_t *tenants, char why[VG_RESTORE_WHY])
{
	struct restore r = { o, why, VG_OK };
	struct vg_pull *p;
	vg_rc rc = is_empty(o->vault, why);

	*tenants = 0;
	if (rc != VG_OK)
		return rc;
	if ((rc = vg_pull_new(&o->pull, &p)) != VG_OK)
		return no(why, rc, "the pinned key is none, or memory is out");
	rc = run(p, &r, tenants);
	vg_pull_free(p);
	return rc;
}
