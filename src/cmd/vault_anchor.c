/* cmd/vault_anchor.c - what others saw of a vault: a witness's newest checkpoint and those before it, and time stamps.  What is here must be what they
 * saw, or what has grown out of it. */
#include <stdio.h>
#include <string.h>

#include "cmd/vault.h"
#include "witness/names.h"

#define SEEN_BYTES_MAX ((size_t)64 << 20)
#define SEEN_DAYS_MAX 400 /* looked back for the last common checkpoint */

static bool
read_token(struct vg_check *c, struct vg_buf *b)
{
	const char *file = vg_arg(c->a, "--token-file");

	if (file == NULL)
		return true;
	if (vg_house_read(file, b) != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault verify: --token-file %s: cannot be read", file);
		return false;
	}
	while (b->n && (unsigned char)b->p[b->n - 1] <= ' ')
		b->n--;
	vg_buf_putc(b, 0);
	return b->rc == VG_OK;
}

static bool
is_given(const struct vg_check *c, const struct vg_asked *w)
{
	return c->witness_given && memcmp(&w->key, &c->witness, sizeof(w->key)) == 0;
}

static bool
fetch_key(struct vg_check *c, struct vg_asked *w)
{
	struct vg_buf b = { 0 };
	char why[VG_PULL_WHY];
	bool ok = vg_pull_text(c->pull, w->url, "/v1/" VG_WITNESS_KEY_FILE, 4096, &b, why) == VG_OK;

	if (!ok)
		vg_check_warn(c, w->url, "the witness does not answer: %s", why);
	else if (!(ok = vg_note_key_parse(vg_str_trim(vg_buf_str(&b)), &w->key) == VG_OK))
		vg_check_warn(c, w->url, "the witness's key is none");
	vg_buf_putc(&b, 0);
	if (ok && b.rc == VG_OK && !is_given(c, w))
		vg_check_say(c, "key", "the witness's key, as it publishes it; compare it, and give --witness-key: %s", b.p);
	vg_buf_fini(&b);
	return ok;
}

static const char *
text_of(struct vg_check *c, vg_str s)
{
	return vg_arena_printf(&c->settings.arena, "%.*s%c", VG_STR_ARG(s), 0).p;
}

/* Those of witness.urls.  Settings that cannot be used keep nobody from verifying; that was told. */
static bool
take_settings(struct vg_check *c)
{
	if (vg_settings_find(c->a, vg_state_path(c->a), NULL, &c->settings) != VG_OK)
		return vg_arg(c->a, "--settings") == NULL;
	c->of_settings = true;
	for (size_t i = 0; i < c->settings.witness.urls.n; i++) {
		const char *url = text_of(c, c->settings.witness.urls.item[i]);

		if (i == VG_ASKED_MAX)
			vg_log(VG_LOG_WARNING, "vault verify: witness.urls has more than %d: those behind are not asked", VG_ASKED_MAX);
		if (i >= VG_ASKED_MAX || url == NULL)
			break;
		c->asked[c->nasked++].url = url;
	}
	return true;
}

static const char *
ca_of(struct vg_check *c)
{
	const char *ca = vg_arg(c->a, "--tls-ca");

	return ca || !c->of_settings || c->settings.outward.ca.n == 0 ? ca : text_of(c, c->settings.outward.ca);
}

void
vg_anchor_close(struct vg_check *c)
{
	vg_pull_free(c->pull);
	if (c->of_settings)
		vg_settings_fini(&c->settings);
}

vg_rc
vg_anchor_open(struct vg_check *c)
{
	struct vg_pull_options o = { .pin = vg_arg(c->a, "--pin") };
	const char *key = vg_arg(c->a, "--witness-key"), *url = vg_arg(c->a, "--witness");
	struct vg_buf token = { 0 };
	vg_rc rc = VG_E_FORMAT;

	if (key && vg_note_key_parse(vg_str_of(key), &c->witness) != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault verify: --witness-key %s: not a key: NAME+ID+BASE64", key);
		return VG_E_FORMAT;
	}
	c->witness_given = key != NULL;
	if (url)
		c->asked[c->nasked++] = (struct vg_asked){ .url = url, .has_key = key != NULL, .key = c->witness };
	else if (c->a->noperand == 0 && vg_arg(c->a, "--export") == NULL && !take_settings(c))
		return VG_E_FORMAT;
	if (c->nasked == 0)
		return VG_OK;
	o.tls_ca = c->tls_ca = ca_of(c);
	if (url && !vg_is_url(url)) {
		vg_log(VG_LOG_ERROR, "vault verify: --witness %s: not an address of http:// or https://", url);
	} else if (read_token(c, &token)) {
		o.token = token.n ? token.p : NULL;
		if ((rc = vg_pull_new(&o, &c->pull)) != VG_OK)
			vg_log(VG_LOG_ERROR, "vault verify: --pin %s: not 64 hexadecimal digits", o.pin ? o.pin : "");
	}
	vg_buf_fini(&token);
	return rc;
}

void
vg_anchor_begin(struct vg_check *c)
{
	for (size_t i = 0; c->pull && i < c->nasked; i++) {
		struct vg_asked *w = &c->asked[i];

		if (c->of_settings)
			vg_check_say(c, "note", "the witness %s is asked, as witness.urls says", w->url);
		if (!w->has_key)
			w->has_key = fetch_key(c, w);
	}
}

static void
ask(struct vg_check *c, const char *tenant, const struct vg_asked *w, struct vg_anchor *out)
{
	char path[VG_TENANT_NAME_MAX + 32], why[VG_PULL_WHY];
	vg_str text;
	vg_rc rc;

	snprintf(path, sizeof(path), "/v1/%s/checkpoint", tenant);
	if ((rc = vg_pull_text(c->pull, w->url, path, VG_NOTE_BYTES_MAX, &out->note, why)) != VG_OK) {
		if (rc == VG_E_NOTFOUND)
			vg_check_warn(c, w->url, "the witness knows no tenant %s", tenant);
		else
			vg_check_warn(c, w->url, "the witness does not answer: %s", why);
	} else if (vg_note_text(vg_buf_str(&out->note), &text) != VG_OK || vg_checkpoint_parse(text, &out->c) != VG_OK || !vg_note_is_signed(vg_buf_str(&out->note), &w->key)) {
		vg_check_warn(c, w->url, "what it says of %s does not count: it is not signed by the witness's key", tenant);
	} else {
		out->by = w;
	}
}

void
vg_anchor_ask(struct vg_check *c, const char *tenant, struct vg_anchor out[VG_ASKED_MAX])
{
	c->prefix[0] = 0;
	for (size_t i = 0; c->pull && i < c->nasked; i++)
		if (c->asked[i].has_key && (c->watch || !c->of_settings)) /* settings speak of the watch's own evidence */
			ask(c, tenant, &c->asked[i], &out[i]);
}

/* ---- where the ways part ---- */

struct common {
	bool found;
	struct vg_checkpoint c; /* the last one that the witness saw, and of which we have grown */
};

/* The last of a day's notes whose tree is in our past.  Only what the witness signed counts. */
static void
look_in(const struct vg_note_key *key, const struct vg_verified *v, vg_str notes, struct common *out)
{
	struct vg_frontier tree = { .n = 0 };
	vg_str rest = notes, line;

	while (rest.n && vg_str_split(&rest, '\n', &line)) {
		struct vg_checkpoint x;
		struct vg_hash root;
		vg_str note, text;
		uint64_t n;

		if (!vg_str_starts(line, VG_STR("NOTE ")) || !vg_str_u64(vg_str_skip(line, 5), &n) || n > rest.n)
			return;
		note = vg_str_cut(rest, (size_t)n);
		rest = vg_str_skip(rest, (size_t)n);
		if (vg_note_text(note, &text) != VG_OK || vg_checkpoint_parse(text, &x) != VG_OK || x.size > v->size || x.size < tree.n)
			continue;
		while (tree.n < x.size)
			vg_frontier_add(&tree, &v->leaf[tree.n]);
		vg_frontier_root(&tree, &root);
		if (vg_hash_eq(&root, &x.root) && vg_note_is_signed(note, key)) {
			out->found = true;
			out->c = x;
		}
	}
}

static void
find_common(struct vg_check *c, const char *tenant, const struct vg_anchor *w, const struct vg_verified *v, struct common *out)
{
	int64_t day = w->c.time_ns / VG_DAY + 1;

	for (int i = 0; i < SEEN_DAYS_MAX && !out->found; i++, day--) {
		char path[VG_TENANT_NAME_MAX + 64], date[VG_TIME_MAX], why[VG_PULL_WHY];
		struct vg_buf b = { 0 };
		vg_rc rc;

		(void)vg_time_print(day * VG_DAY, 0, date);
		snprintf(path, sizeof(path), "/v1/%s/file/seen/%.10s.notes", tenant, date);
		rc = vg_pull_text(c->pull, w->by->url, path, SEEN_BYTES_MAX, &b, why);
		if (rc == VG_OK)
			look_in(&w->by->key, v, vg_buf_str(&b), out);
		vg_buf_fini(&b);
		if (rc != VG_OK && rc != VG_E_NOTFOUND)
			return;
	}
}

/* ---- what it means ---- */

static void
tell_rolled_back(struct vg_check *c, const char *tenant, const struct vg_anchor *w, const struct vg_verified *v, const struct common *m)
{
	char ours[VG_TIME_MAX] = "never", theirs[VG_TIME_MAX];
	const char *how = "";

	if (v->has_checkpoint)
		(void)vg_time_print(v->checkpoint.time_ns, 0, ours);
	(void)vg_time_print(w->c.time_ns, 0, theirs);
	if (v->damages == 0 && m->found && m->c.size == v->checkpoint.size && c->watch) {
		int64_t days = w->c.time_ns / VG_DAY - v->checkpoint.time_ns / VG_DAY;

		how = days == 1 ? ": this is yesterday's copy of the whole machine" : days > 1 ? ": this is an older copy of the whole machine, of some days ago" :
											 ": this is an older copy of the whole machine";
	}
	vg_check_damage(c, VG_CHECKPOINT_FILE, 0, 0, "rolled back: %llu blocks are here, signed on %s; the witness %s saw %llu blocks of %s, signed on %s%s", (unsigned long long)v->size,
			ours, w->by->key.name, (unsigned long long)w->c.size, tenant, theirs, how);
}

static void
tell_forked(struct vg_check *c, const char *tenant, const struct vg_anchor *w, const struct vg_verified *v, const struct common *m)
{
	char ours[VG_TIME_MAX] = "never", theirs[VG_TIME_MAX], then[VG_TIME_MAX];
	char how[160] = "; nothing is the same";

	if (v->has_checkpoint)
		(void)vg_time_print(v->checkpoint.time_ns, 0, ours);
	(void)vg_time_print(w->c.time_ns, 0, theirs);
	if (m->found) {
		bool today = w->c.time_ns / VG_DAY - m->c.time_ns / VG_DAY <= 1;

		(void)vg_time_print(m->c.time_ns, 0, then);
		snprintf(how, sizeof(how), "; the first %llu are the same (%s)%s", (unsigned long long)m->c.size, then, today ? ": today was replaced" : "");
	}
	vg_check_damage(c, VG_CHECKPOINT_FILE, 0, 0, "forked: the witness %s saw %llu blocks of %s, signed on %s, and those here, %llu signed on %s, are others%s", w->by->key.name,
			(unsigned long long)w->c.size, tenant, theirs, (unsigned long long)v->size, ours, how);
}

static bool
judge_witness(struct vg_check *c, const char *tenant, const struct vg_anchor *w, const struct vg_verified *v)
{
	const char *name = w->by->key.name;
	struct common m = { .found = false };
	char when[VG_TIME_MAX];
	vg_rc rc;

	if (c->has_log && !vg_note_is_signed(vg_buf_str(&w->note), &c->log)) {
		vg_check_damage(c, VG_CHECKPOINT_FILE, 0, 0, "the witness %s knows %s by another log's key than %s: all of it was replaced, or it is another watch's", name, tenant,
				c->log.name);
		return false;
	}
	if (w->c.epoch == v->checkpoint.epoch && (rc = vg_verified_holds(v, w->c.size, &w->c.root)) == VG_OK) {
		(void)vg_time_print(w->c.time_ns, 0, when);
		if (c->of_settings && !is_given(c, w->by)) { /* who holds this machine may have written whom to ask */
			vg_check_say(c, "note", "%s: the witness %s saw the same %llu blocks, up to %s; as only this machine's settings name it, it vouches by --witness-key KEY alone", tenant,
				     name, (unsigned long long)w->c.size, when);
			return false;
		}
		vg_check_say(c, "vouched", "%s: the witness %s vouches for %llu blocks, up to %s", tenant, name, (unsigned long long)w->c.size, when);
		return true;
	}
	if (w->c.epoch != v->checkpoint.epoch) {
		vg_check_damage(c, VG_CHECKPOINT_FILE, 0, 0, "epoch %llu is here, and the witness %s saw epoch %llu: %s", (unsigned long long)v->checkpoint.epoch, name,
				(unsigned long long)w->c.epoch, w->c.epoch > v->checkpoint.epoch ? "rolled back to before a restore" : "the new epoch was not accepted there yet");
		return false;
	}
	find_common(c, tenant, w, v, &m);
	(rc == VG_E_NOTFOUND ? tell_rolled_back : tell_forked)(c, tenant, w, v, &m);
	return false;
}

void
vg_anchor_judge(struct vg_check *c, const char *tenant, const struct vg_anchor w[VG_ASKED_MAX], const struct vg_verified *v)
{
	int64_t at = 0;       /* the time up to which somebody vouches, as the log said it */
	uint64_t size = 0;    /* and the blocks */
	bool any = false;
	char when[VG_TIME_MAX];

	snprintf(c->prefix, sizeof(c->prefix), "vault/%s/", tenant);
	for (size_t i = 0; i < VG_ASKED_MAX; i++)
		if (w[i].by && judge_witness(c, tenant, &w[i], v)) {
			at = !any || w[i].c.size > size ? w[i].c.time_ns : at;
			size = !any || w[i].c.size > size ? w[i].c.size : size;
			any = true;
		}
	if (v->cosigned) { /* a witness's copy brings its word with it */
		vg_check_say(c, "vouched", "%s: the checkpoint is cosigned by %s", tenant, c->witness.name);
		any = true;
		at = v->checkpoint.time_ns;
		size = v->checkpoint.size;
	}
	if (v->stamped) {
		(void)vg_time_print(v->stamp.time_ns, 0, when);
		vg_check_say(c, "vouched", "%s: a time stamp of %s vouches for %llu blocks on %s", tenant, v->stamp.signer, (unsigned long long)v->stamp_of.size, when);
		if (!any || v->stamp_of.size > size) {
			at = v->stamp_of.time_ns;
			size = v->stamp_of.size;
		}
		any = true;
	}
	if (any && (size >= v->checkpoint.size || v->checkpoint.time_ns - at <= VG_VERIFY_FRESH_NS))
		return;
	if (!any)
		at = 0;
	c->vouched_ns = c->alone && c->vouched_ns < at ? c->vouched_ns : at;
	c->alone = true;
}
