#include "vault/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/time.h"
#include "vault/disk.h"
#include "vault/keyring.h"
#include "vault/levels.h"
#include "vault/store.h"

#define FLUSH_BYTES ((size_t)1 << 20)

static const char *const files[] = { VG_EXPORT_RECORDS, VG_EXPORT_INDEX, VG_EXPORT_BLOCKS, VG_EXPORT_NOTE, VG_DAYS_FILE, VG_EXPORT_KEY, VG_EXPORT_STAMP, VG_EXPORT_GROWN };

struct file { /* that is written */
	int fd;
	struct vg_buf b;
};
struct job {
	const struct vg_export_options *o;
	struct vg_exported *out;
	char *why;
	struct vg_disk keys_dir;
	struct vg_keyring *ring;
	struct file records, index;
	struct vg_export_block *block; /* owned: those that records were taken from */
	size_t nblock, cap;
	uint64_t sealed;               /* blocks that the checkpoint counts */
	uint64_t read_bytes;           /* of what the blocks that were opened hold */
	char damage[VG_EXPORT_WHY];    /* the first one */
	/* the block at hand */
	uint64_t number;
	struct vg_buf payload, leaf_bytes;
	struct vg_hash *leaf;          /* owned */
	struct vg_levels tree;
	bool any;
};

static vg_rc
no(char *why, vg_rc rc, const char *what)
{
	snprintf(why, VG_EXPORT_WHY, "%s", what);
	return rc;
}

/* ---- files ---- */

static vg_rc
flush(struct file *f)
{
	vg_rc rc = f->b.rc != VG_OK ? f->b.rc : vg_write_all(f->fd, vg_buf_str(&f->b));

	vg_buf_clear(&f->b);
	return rc;
}

static vg_rc
begin(const struct job *j, const char *name, struct file *f)
{
	f->fd = openat(j->o->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return f->fd >= 0 ? VG_OK : errno == EEXIST ? VG_E_REFUSED : VG_E_SYS;
}

static vg_rc
end(struct file *f)
{
	vg_rc rc = f->fd >= 0 ? flush(f) : VG_OK;

	if (f->fd >= 0 && rc == VG_OK && fsync(f->fd) < 0)
		rc = VG_E_SYS;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	vg_buf_fini(&f->b);
	return rc;
}

static vg_rc
whole(const struct job *j, const char *name, vg_str bytes)
{
	struct file f;
	vg_rc rc, ended;

	f = (struct file){ .fd = -1 };
	if ((rc = begin(j, name, &f)) != VG_OK)
		return rc;
	vg_buf_put(&f.b, bytes);
	ended = end(&f);
	return ended;
}

/* ---- records ---- */

static bool
is_meant(const struct vg_export_options *o, const struct vg_record *r)
{
	return r->seq >= o->first_seq && r->seq <= o->last_seq && r->recv_ns >= o->from_ns && r->recv_ns < o->until_ns;
}

static vg_rc
keep_leaf(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct job *j = ctx;

	vg_buf_clear(&j->leaf_bytes);
	vg_record_put(&j->leaf_bytes, r);
	vg_leaf_hash(vg_buf_str(&j->leaf_bytes), &j->leaf[at + 1]);
	j->any = j->any || is_meant(j->o, r);
	return j->leaf_bytes.rc;
}

static void
note_record(struct vg_exported *x, const struct vg_record *r)
{
	if (x->records++ == 0) {
		x->first_seq = r->seq;
		x->first_ns = x->last_ns = r->recv_ns;
	}
	x->last_seq = r->seq;
	x->first_ns = r->recv_ns < x->first_ns ? r->recv_ns : x->first_ns;
	x->last_ns = r->recv_ns > x->last_ns ? r->recv_ns : x->last_ns;
	x->bytes += r->raw.n;
}

static vg_rc
put_record(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct job *j = ctx;
	struct vg_export_row x = { .r = *r, .at = j->out->bytes, .bytes = (uint32_t)r->raw.n, .block = j->number, .leaf = at + 1 };
	struct vg_buf name = { 0 };
	vg_rc rc;

	if (!is_meant(j->o, r))
		return VG_OK;
	vg_hash_of(r->raw, &x.sha256);
	if ((rc = vg_prove_inclusion(at + 1, j->tree.n, vg_levels_subtree, &j->tree, &x.proof)) != VG_OK)
		return rc;
	vg_buf_json(&name, vg_str_of(j->o->source_name(j->o->ctx, r->source)));
	x.name = vg_buf_str(&name);
	vg_export_row_print(&x, &j->index.b);
	vg_buf_put(&j->records.b, r->raw);
	rc = name.rc;
	vg_buf_fini(&name);
	note_record(j->out, r);
	if (rc == VG_OK && j->index.b.n > FLUSH_BYTES)
		rc = flush(&j->index);
	if (rc == VG_OK && j->records.b.n > FLUSH_BYTES)
		rc = flush(&j->records);
	return rc;
}

static vg_rc
keep_block(struct job *j, uint64_t index, vg_str head)
{
	size_t cap = j->cap ? 2 * j->cap : 16;
	struct vg_export_block *p;

	if (j->nblock == j->cap) {
		if ((p = realloc(j->block, cap * sizeof(*p))) == NULL)
			return VG_E_NOMEM;
		j->block = p;
		j->cap = cap;
	}
	j->block[j->nblock].block = index;
	memcpy(j->block[j->nblock++].head, head.p, VG_BLOCK_HEAD);
	return VG_OK;
}

/* The records that are meant of an opened block. */
static vg_rc
take_records(struct job *j, const struct vg_block_head *h, vg_str head)
{
	vg_rc rc;

	if ((j->leaf = calloc((size_t)h->count + 1, sizeof(*j->leaf))) == NULL)
		return VG_E_NOMEM;
	j->any = false;
	vg_leaf_hash(vg_str_cut(vg_buf_str(&j->payload), 32), &j->leaf[0]);
	if ((rc = vg_block_check(h, vg_buf_str(&j->payload))) == VG_OK && (rc = vg_block_each(h, vg_buf_str(&j->payload), keep_leaf, j)) == VG_OK && j->any &&
	    (rc = vg_levels_make(&j->tree, j->leaf, (uint64_t)h->count + 1)) == VG_OK) {
		if ((rc = vg_block_each(h, vg_buf_str(&j->payload), put_record, j)) == VG_OK)
			rc = keep_block(j, j->number, head);
		vg_levels_fini(&j->tree);
	}
	free(j->leaf);
	j->leaf = NULL;
	return rc;
}

static vg_rc
on_block(void *ctx, const struct vg_verify_block *b)
{
	struct job *j = ctx;
	const struct vg_block_head *h = b->h;
	const struct vg_day_key *key = j->ring && h->key ? vg_keyring_find(j->ring, h->key) : NULL;
	vg_rc rc;

	if (j->o->cancel && *j->o->cancel)
		return VG_E_STOP;
	if (h->last_seq < j->o->first_seq || h->first_seq > j->o->last_seq || h->last_ns < j->o->from_ns || h->first_ns >= j->o->until_ns)
		return VG_OK;
	if (b->index >= j->sealed) {
		j->out->unsealed += h->count;
		return VG_OK;
	}
	if (h->key && key == NULL) {
		j->out->unreadable++;
		return VG_OK;
	}
	if (j->o->max_bytes && (h->payload > j->o->max_bytes || j->read_bytes > j->o->max_bytes - h->payload))
		return VG_E_LIMIT;
	j->read_bytes += h->payload;
	j->number = b->index;
	if ((rc = vg_opener_open(b->opener, b->file, b->at, h, b->head, b->stored, key ? key->key : NULL, &j->payload)) == VG_OK)
		rc = take_records(j, h, b->head);
	if (rc == VG_E_FORMAT || rc == VG_E_REFUSED)
		return no(j->why, VG_E_REFUSED, "a block cannot be opened: `vigie vault verify --deep` says which");
	return rc;
}

static void
on_found(void *ctx, const struct vg_finding *f)
{
	struct job *j = ctx;

	if (f->grade == VG_GRADE_DAMAGE && j->damage[0] == 0)
		snprintf(j->damage, sizeof(j->damage), "the evidence is damaged (%.100s: %.120s): `vigie vault verify` says more", f->file, f->what);
}

/* ---- what proves them ---- */

static vg_rc
put_blocks(struct job *j, struct vg_levels *tree)
{
	struct file f = { .fd = -1 };
	vg_rc rc = begin(j, VG_EXPORT_BLOCKS, &f), ended;

	for (size_t i = 0; i < j->nblock && rc == VG_OK; i++) {
		struct vg_export_block *x = &j->block[i];

		if ((rc = vg_prove_inclusion(x->block, tree->n, vg_levels_subtree, tree, &x->proof)) == VG_OK)
			vg_export_block_print(x, &f.b);
		if (rc == VG_OK && f.b.n > FLUSH_BYTES)
			rc = flush(&f);
	}
	ended = end(&f);
	return rc != VG_OK ? rc : ended;
}

/* The newest time stamp whose tree holds all blocks of ours. */
static vg_rc
put_stamp(struct job *j, struct vg_levels *tree)
{
	uint64_t need = j->nblock ? j->block[j->nblock - 1].block + 1 : 0;
	struct vg_disk from = { .dir = j->o->from, .read_only = true };
	char name[VG_STAMP_NAME_MAX], path[VG_STAMP_NAME_MAX + 8];
	struct vg_buf file = { 0 }, text = { 0 };
	struct vg_export_grown g = { .old = tree->n, .size = tree->n };
	vg_rc rc = VG_E_NOTFOUND;

	for (; g.old >= need && g.old; g.old--) {
		vg_stamp_name(g.old, name);
		snprintf(path, sizeof(path), "stamps/%s", name);
		if ((rc = vg_disk_slurp(&from, path, VG_NOTE_BYTES_MAX + VG_STAMP_RESPONSE_MAX + 16, &file)) != VG_E_NOTFOUND)
			break;
	}
	if (rc == VG_OK && (rc = vg_prove_consistency(g.old, g.size, vg_levels_subtree, tree, &g.proof)) == VG_OK) {
		vg_export_grown_print(&g, &text);
		rc = text.rc != VG_OK ? text.rc : whole(j, VG_EXPORT_STAMP, vg_buf_str(&file));
		if (rc == VG_OK)
			rc = whole(j, VG_EXPORT_GROWN, vg_buf_str(&text));
		j->out->stamped = rc == VG_OK;
	}
	vg_buf_fini(&file);
	vg_buf_fini(&text);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

static vg_rc
put_keys(struct job *j, vg_str note)
{
	struct vg_buf key = { 0 };
	vg_rc rc;

	vg_note_key_print(j->o->log_key, &key);
	vg_buf_putc(&key, '\n');
	rc = key.rc != VG_OK ? key.rc : whole(j, VG_EXPORT_KEY, vg_buf_str(&key));
	if (rc == VG_OK)
		rc = whole(j, VG_EXPORT_NOTE, note);
	if (rc == VG_OK && j->o->days_text.n)
		rc = whole(j, VG_DAYS_FILE, j->o->days_text);
	vg_buf_fini(&key);
	return rc;
}

/* "HASH  NAME\n" of a file that was written; nothing when there is none. */
static vg_rc
put_hash(struct job *j, const char *name, struct vg_buf *out)
{
	struct vg_disk to = { .dir = j->o->to, .read_only = true };
	struct vg_hash h;
	vg_rc rc = vg_export_hash_file(to.dir, name, &h);

	if (rc == VG_OK) {
		vg_buf_hex(out, h.b, sizeof(h.b), false);
		vg_buf_printf(out, "  %s\n", name);
	}
	return rc == VG_E_NOTFOUND ? out->rc : rc;
}

static vg_rc
put_manifest(struct job *j)
{
	struct vg_buf list = { 0 }, text = { 0 }, page = { 0 };
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < VG_COUNT(files) && rc == VG_OK; i++)
		rc = put_hash(j, files[i], &list);
	vg_export_sheet(j->o, j->out, vg_buf_str(&list), &text, &page);
	if (rc == VG_OK && (rc = text.rc != VG_OK ? text.rc : page.rc) == VG_OK && (rc = whole(j, VG_EXPORT_SHEET, vg_buf_str(&text))) == VG_OK &&
	    (rc = whole(j, VG_EXPORT_PAGE, vg_buf_str(&page))) == VG_OK && (rc = put_hash(j, VG_EXPORT_SHEET, &list)) == VG_OK && (rc = put_hash(j, VG_EXPORT_PAGE, &list)) == VG_OK)
		rc = list.rc != VG_OK ? list.rc : whole(j, VG_EXPORT_MANIFEST, vg_buf_str(&list));
	vg_hash_of(vg_buf_str(&list), &j->out->manifest);
	vg_buf_fini(&list);
	vg_buf_fini(&text);
	vg_buf_fini(&page);
	return rc;
}

/* ---- the whole ---- */

static vg_rc
open_keys(struct job *j)
{
	struct vg_disk from = { .dir = j->o->from, .read_only = true };
	char bad[VG_DISK_NAME_MAX];
	vg_rc rc;

	if (j->o->tenant_key == NULL)
		return VG_OK;
	if ((rc = vg_disk_folder(&from, "keys", &j->keys_dir)) == VG_OK)
		rc = vg_keyring_open(&j->keys_dir, j->o->tenant_key, bad, &j->ring);
	return rc == VG_OK || rc == VG_E_NOTFOUND ? VG_OK : no(j->why, rc, "the keys of the days cannot be opened with the tenant's key");
}

static vg_rc
walk(struct job *j, vg_str note, const struct vg_checkpoint *c)
{
	struct vg_verify_options v = { .log_key = j->o->log_key, .days = j->o->days, .live = j->o->live, .found = on_found, .block = on_block, .ctx = j };
	struct vg_levels tree;
	struct vg_verified done;
	vg_rc rc, ended;

	j->sealed = c->size;
	if ((rc = begin(j, VG_EXPORT_RECORDS, &j->records)) == VG_OK && (rc = begin(j, VG_EXPORT_INDEX, &j->index)) == VG_OK)
		rc = vg_verify_tenant(j->o->from, &v, &done);
	ended = end(&j->records);
	rc = rc != VG_OK ? rc : ended;
	ended = end(&j->index);
	rc = rc != VG_OK ? rc : ended;
	if (rc != VG_OK)
		return rc;
	if (j->damage[0])
		rc = no(j->why, VG_E_REFUSED, j->damage);
	else if (j->out->records == 0)
		rc = no(j->why, VG_E_NOTFOUND, j->out->unreadable ? "the records that are meant cannot be read: their keys were destroyed, or are not here" :
						j->out->unsealed  ? "the records that are meant are not sealed yet: come again after the next checkpoint" :
								    "there is no record that is meant");
	else if (vg_verified_holds(&done, c->size, &c->root) != VG_OK)
		rc = no(j->why, VG_E_REFUSED, "the blocks are not those that the checkpoint signed");
	else if ((rc = vg_levels_make(&tree, done.leaf, c->size)) == VG_OK) {
		if ((rc = put_blocks(j, &tree)) == VG_OK && (rc = put_stamp(j, &tree)) == VG_OK)
			rc = put_keys(j, note);
		vg_levels_fini(&tree);
	}
	vg_verified_fini(&done);
	return rc;
}

static vg_rc
is_empty(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	vg_rc rc = list ? VG_OK : VG_E_SYS;

	while (list && (e = readdir(list)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = VG_E_REFUSED;
	if (list)
		closedir(list);
	else if (fd >= 0)
		close(fd);
	return rc;
}

/* What failed leaves nothing that looks like a case folder. */
static void
take_away(const struct vg_export_options *o)
{
	int keep = errno;

	for (size_t i = 0; i < VG_COUNT(files); i++)
		(void)unlinkat(o->to, files[i], 0);
	(void)unlinkat(o->to, VG_EXPORT_SHEET, 0);
	(void)unlinkat(o->to, VG_EXPORT_PAGE, 0);
	(void)unlinkat(o->to, VG_EXPORT_MANIFEST, 0);
	errno = keep;
}

vg_rc
vg_export(const struct vg_export_options *o, struct vg_exported *out, char why[VG_EXPORT_WHY])
{
	struct job j = { .o = o, .out = out, .why = why, .keys_dir = { .dir = -1 }, .records = { .fd = -1 }, .index = { .fd = -1 } };
	struct vg_disk from = { .dir = o->from, .read_only = true };
	struct vg_buf note = { 0 };
	vg_str text;
	vg_rc rc;

	*out = (struct vg_exported){ .records = 0 };
	why[0] = 0;
	if ((rc = is_empty(o->to)) != VG_OK)
		return no(why, rc, rc == VG_E_REFUSED ? "the folder is not empty" : strerror(errno));
	if ((rc = vg_disk_slurp(&from, VG_CHECKPOINT_FILE, VG_NOTE_BYTES_MAX, &note)) != VG_OK)
		rc = no(why, rc, "there is no checkpoint yet: nothing can be proved");
	else if ((rc = vg_note_text(vg_buf_str(&note), &text)) != VG_OK || (rc = vg_checkpoint_parse(text, &out->checkpoint)) != VG_OK)
		rc = no(why, VG_E_REFUSED, "the checkpoint is damaged");
	if (rc == VG_OK && (rc = open_keys(&j)) == VG_OK && (rc = walk(&j, vg_buf_str(&note), &out->checkpoint)) == VG_OK)
		rc = put_manifest(&j);
	out->blocks = j.nblock;
	if (rc != VG_OK && why[0] == 0)
		(void)no(why, rc, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	if (rc != VG_OK)
		take_away(o);
	vg_keyring_free(j.ring);
	vg_disk_close(&j.keys_dir);
	free(j.block);
	vg_buf_fini(&j.payload);
	vg_buf_fini(&j.leaf_bytes);
	vg_buf_fini(&note);
	return rc;
}
