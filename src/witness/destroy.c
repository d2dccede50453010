#include "witness/destroy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "vault/destruction.h"
#include "vault/keyring.h"
#include "vault/segment.h"

struct certificate {
	struct vg_destruction gone, base;
	int64_t held_ns; /* since when the base stands here */
};

static vg_rc
read_note(struct vg_copy *c, uint32_t key, enum vg_destruction_kind kind, struct vg_buf *note, struct vg_destruction *out)
{
	char name[VG_SHARED_NAME_MAX];
	vg_str text;
	vg_rc rc;

	snprintf(name, sizeof(name), "keys/%08u%s", key, vg_destruction_suffix(kind));
	if ((rc = vg_copy_read(c, name, note)) != VG_OK)
		return rc;
	return vg_note_text(vg_buf_str(note), &text) == VG_OK && vg_destruction_parse(text, out) == VG_OK && out->kind == kind && out->key == key &&
	       (!c->has_last || strcmp(out->origin, c->last.origin) == 0) ? VG_OK : VG_E_FORMAT;
}

static bool
is_ordered(struct vg_copy *c, vg_str note)
{
	struct vg_buf pub = { 0 }, sealed = { 0 };
	struct vg_note_key k;
	bool ok = vg_copy_read(c, "keys/" VG_KEY_RECOVERY, &pub) == VG_OK && vg_note_key_parse(vg_str_trim(vg_buf_str(&pub)), &k) == VG_OK &&
		  vg_copy_read(c, "keys/" VG_KEY_SEALED, &sealed) == VG_OK && vg_tenant_sealed_check(vg_buf_str(&sealed)) == VG_OK &&
		  vg_recovery_is(&k, (const uint8_t *)sealed.p + 8) && vg_note_is_signed(note, &k);

	vg_buf_fini(&pub);
	vg_buf_fini(&sealed);
	return ok;
}

/* The certificate for @key and what it rests on, all signatures being good.  VG_E_NOTFOUND: there is none; VG_E_REFUSED: it is not good. */
static vg_rc
read_certificate(struct vg_copy *c, uint32_t key, struct certificate *out)
{
	struct vg_buf note = { 0 };
	vg_rc rc = read_note(c, key, VG_DESTRUCTION_DONE, &note, &out->gone), found = VG_E_REFUSED;

	if (rc == VG_OK && (!c->has_key || !vg_note_is_signed(vg_buf_str(&note), &c->key)))
		rc = VG_E_REFUSED;
	for (int kind = VG_DESTRUCTION_ORDERED; rc == VG_OK && found != VG_OK && kind >= VG_DESTRUCTION_ANNOUNCED; kind--) {
		char name[VG_SHARED_NAME_MAX];
		struct stat st;

		snprintf(name, sizeof(name), "keys/%08u%s", key, vg_destruction_suffix((enum vg_destruction_kind)kind));
		if (read_note(c, key, (enum vg_destruction_kind)kind, &note, &out->base) != VG_OK || vg_destruction_wrong(&out->gone, &out->base) ||
		    fstatat(c->d.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		out->held_ns = (int64_t)st.st_mtim.tv_sec * VG_SEC;
		if (kind == VG_DESTRUCTION_ORDERED ? is_ordered(c, vg_buf_str(&note)) : vg_note_is_signed(vg_buf_str(&note), &c->key))
			found = VG_OK;
	}
	vg_buf_fini(&note);
	return rc == VG_OK ? found : rc == VG_E_FORMAT ? VG_E_REFUSED : rc;
}

bool
vg_copy_is_destroyed(struct vg_copy *c, uint32_t key)
{
	struct certificate x;

	return read_certificate(c, key, &x) == VG_OK;
}

/* ---- the copy's own ---- */

static vg_rc
erase_blocks(struct vg_copy *c, const char *name, uint64_t bytes, uint32_t key)
{
	struct vg_block_head h;
	char head[VG_BLOCK_HEAD];
	bool any = false;
	struct vg_file f;
	vg_rc rc = vg_file_open(&c->d, name, &f);

	for (uint64_t at = 0; rc == VG_OK && at + VG_BLOCK_HEAD <= bytes; at += VG_BLOCK_HEAD + h.stored) {
		if ((rc = vg_file_read(&f, head, sizeof(head), at)) != VG_OK || (rc = vg_block_head_take(vg_str_mem(head, sizeof(head)), &h)) != VG_OK || h.key != key)
			continue;
		any = true;
		rc = vg_file_erase(&c->d, &f, at + VG_BLOCK_HEAD, h.stored);
	}
	if (rc == VG_OK && any)
		rc = vg_file_sync(&c->d, &f);
	vg_file_close(&f);
	return rc;
}

static vg_rc
erase(struct vg_copy *c, const struct vg_destruction *e)
{
	char day[VG_TIME_MAX];
	vg_rc rc = VG_OK;

	(void)vg_time_print((int64_t)e->day * VG_DAY, 0, day);
	for (size_t i = 0; i < c->n && rc == VG_OK; i++)
		if (c->segment[i].exists && memcmp(c->segment[i].name, day, strlen("YYYY-MM-DD")) == 0)
			rc = erase_blocks(c, c->segment[i].name, c->segment[i].bytes, e->key);
	return rc;
}

static vg_rc
remove_key(struct vg_copy *c, uint32_t key)
{
	struct vg_disk keys = { .dir = openat(c->d.dir, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) };
	char name[VG_DISK_NAME_MAX];
	vg_rc rc;

	if (keys.dir < 0)
		return VG_E_SYS;
	snprintf(name, sizeof(name), "%08u" VG_KEY_SUFFIX, key);
	if ((rc = vg_disk_remove(&keys, name)) == VG_OK)
		rc = vg_disk_sync(&keys);
	close(keys.dir);
	return rc;
}

struct pass {
	struct vg_copy *c;
	const struct vg_destroy_rule *r;
	vg_destroy_fn *tell;
	void *ctx;
};

/* NULL: it is obeyed. */
static const char *
may_not(const struct pass *p, const struct certificate *x)
{
	if (x->base.kind == VG_DESTRUCTION_ORDERED)
		return NULL;
	if (p->r->now_ns < x->held_ns + VG_DESTRUCTION_NOTICE_MIN)
		return "its announcement came less than a day ago";
	if (p->r->now_ns < ((int64_t)x->gone.day + 1) * VG_DAY + p->r->keep_ns)
		return "it is younger than this witness keeps (--keep)";
	return NULL;
}

static vg_rc
one(struct pass *p, uint32_t key)
{
	char name[VG_SHARED_NAME_MAX], text[300], day[VG_TIME_MAX];
	struct certificate x;
	const char *no = NULL;
	bool has_key;
	vg_rc rc = read_certificate(p->c, key, &x);

	snprintf(name, sizeof(name), "keys/%08u" VG_KEY_SUFFIX, key);
	has_key = faccessat(p->c->d.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (rc == VG_E_REFUSED)
		no = "its certificate is not good";
	else if (rc != VG_OK)
		return rc;
	else if (has_key)
		no = may_not(p, &x);
	if (no && !has_key)
		return VG_OK;
	if (no == NULL && (!has_key || (rc = remove_key(p->c, key)) == VG_OK))
		rc = erase(p->c, &x.gone);
	if (rc == VG_E_SYS || rc == VG_E_NOMEM)
		return rc;
	if (has_key) {
		(void)vg_time_print(rc == VG_OK ? (int64_t)x.gone.day * VG_DAY : 0, 0, day);
		snprintf(text, sizeof(text), no ? "key %u (%.10s) was destroyed by the watch and is kept here: %s" : "key %u (%.10s) is destroyed here too%s", key, rc == VG_OK ? day : "?",
			 no ? no : "");
		p->tell(p->ctx, no == NULL, text);
	}
	return VG_OK;
}

static vg_rc
on_gone(void *ctx, const char *name)
{
	uint64_t key;

	return vg_str_u64(vg_str_cut(vg_str_of(name), 8), &key) && key && key <= UINT32_MAX ? one(ctx, (uint32_t)key) : VG_OK;
}

vg_rc
vg_copy_destroy(struct vg_copy *c, const struct vg_destroy_rule *r, vg_destroy_fn *tell, void *ctx)
{
	struct vg_disk keys = { .dir = openat(c->d.dir, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) };
	struct pass p = { c, r, tell, ctx };
	vg_rc rc;

	if (keys.dir < 0)
		return errno == ENOENT ? VG_OK : VG_E_SYS;
	rc = vg_disk_each(&keys, VG_DESTRUCTION_GONE, on_gone, &p);
	close(keys.dir);
	return rc;
}
