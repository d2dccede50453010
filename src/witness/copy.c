#include "witness/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "vault/destruction.h"
#include "vault/segment.h"
#include "witness/destroy.h"

#define PART ".part"
#define TMP ".tmp"
#define CHUNK ((size_t)1 << 20)

static vg_rc
no(char *why, vg_rc rc, const char *what, const char *name)
{
	snprintf(why, VG_COPY_WHY, "%s: %s%s%s", name, what, rc == VG_E_SYS ? ": " : "", rc == VG_E_SYS ? strerror(errno) : "");
	return rc;
}

/* ---- small files ---- */

/* The folder that @name stands in, which is made, and the last part of it. */
static vg_rc
folder_of(struct vg_copy *c, const char *name, struct vg_disk *out, const char **last)
{
	const char *slash = strchr(name, '/');
	char folder[VG_SHARED_NAME_MAX];

	*out = (struct vg_disk){ .dir = c->d.dir };
	*last = name;
	if (slash == NULL)
		return VG_OK;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name), name);
	*last = slash + 1;
	if (mkdirat(c->d.dir, folder, 0700) == 0 ? fsync(c->d.dir) < 0 : errno != EEXIST)
		return VG_E_SYS;
	out->dir = openat(c->d.dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return out->dir >= 0 ? VG_OK : VG_E_SYS;
}

vg_rc
vg_copy_write(struct vg_copy *c, const char *name, vg_str bytes)
{
	char tmp[VG_DISK_NAME_MAX + 8];
	struct vg_file f = { .fd = -1 };
	const char *last;
	struct vg_disk d;
	vg_rc rc = folder_of(c, name, &d, &last);

	if (rc != VG_OK)
		return rc;
	snprintf(tmp, sizeof(tmp), "%.60s" TMP, last);
	if ((rc = vg_disk_remove(&d, tmp)) == VG_OK || rc == VG_E_NOTFOUND)
		rc = vg_file_create(&d, tmp, &f);
	if (rc == VG_OK)
		rc = vg_file_write(&d, &f, bytes, 0);
	if (rc == VG_OK)
		rc = vg_file_sync(&d, &f);
	vg_file_close(&f);
	if (rc == VG_OK)
		rc = vg_disk_rename(&d, tmp, last);
	if (rc == VG_OK)
		rc = vg_disk_sync(&d);
	if (d.dir != c->d.dir)
		close(d.dir);
	return rc;
}

vg_rc
vg_copy_read(struct vg_copy *c, const char *name, struct vg_buf *out)
{
	struct vg_file f = { .name = "" };
	uint64_t size;
	vg_rc rc = vg_shared_open(c->d.dir, name, &f.fd, &size);

	if (rc != VG_OK)
		return rc;
	vg_buf_clear(out);
	if (size > VG_SHARED_SMALL_MAX)
		rc = VG_E_LIMIT;
	else if (!vg_buf_reserve(out, (size_t)size + 1))
		rc = out->rc;
	else if ((rc = vg_file_read(&f, out->p, (size_t)size, 0)) == VG_OK)
		out->n = (size_t)size;
	close(f.fd);
	return rc;
}

vg_rc
vg_copy_keep(struct vg_copy *c, const char *name, vg_str bytes)
{
	struct vg_buf held = { 0 };
	vg_rc rc = vg_copy_read(c, name, &held);

	if (rc == VG_OK && !vg_str_eq(vg_buf_str(&held), bytes))
		rc = VG_E_REFUSED;
	else if (rc == VG_E_NOTFOUND)
		rc = vg_copy_write(c, name, bytes);
	vg_buf_fini(&held);
	return rc;
}

vg_rc
vg_copy_set_key(struct vg_copy *c, const struct vg_note_key *k)
{
	struct vg_buf b = { 0 };
	vg_rc rc;

	vg_note_key_print(k, &b);
	vg_buf_putc(&b, '\n');
	rc = b.rc != VG_OK ? b.rc : vg_copy_keep(c, VG_LOG_KEY_FILE, vg_buf_str(&b));
	vg_buf_fini(&b);
	if (rc == VG_OK) {
		c->key = *k;
		c->has_key = true;
	}
	return rc;
}

/* ---- blocks ---- */

struct block {
	uint32_t segment; /* row of the copy */
	uint64_t bytes, number; /* which leaf */
	struct vg_hash leaf;
};
struct blocks {
	struct block *b; /* owned */
	size_t n, cap;
};

static vg_rc
add_block(struct blocks *list, const struct block *b)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 256;
		struct block *p = realloc(list->b, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		list->b = p;
		list->cap = cap;
	}
	list->b[list->n++] = *b;
	return VG_OK;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct block *)a)->number, y = ((const struct block *)b)->number;

	return x < y ? -1 : x > y;
}

/* The block at @at of a file of @size bytes.  @stored: room to look into its bytes too, which are zero when they were destroyed; NULL: only its head. */
static vg_rc
block_at(struct vg_copy *c, const struct vg_file *f, uint64_t at, uint64_t size, struct vg_buf *stored, struct block *out)
{
	char bytes[VG_BLOCK_HEAD];
	vg_str head = vg_str_mem(bytes, sizeof(bytes));
	struct vg_block_head h;
	vg_rc rc;

	if (size - at < VG_BLOCK_HEAD)
		return VG_E_TRUNC;
	if ((rc = vg_file_read(f, bytes, sizeof(bytes), at)) != VG_OK || (rc = vg_block_head_take(head, &h)) != VG_OK)
		return rc;
	if (h.stored > size - at - VG_BLOCK_HEAD)
		return VG_E_TRUNC;
	if (stored) {
		vg_buf_clear(stored);
		if (!vg_buf_reserve(stored, (size_t)h.stored + 1))
			return VG_E_NOMEM;
		if ((rc = vg_file_read(f, stored->p, (size_t)h.stored, at + VG_BLOCK_HEAD)) != VG_OK)
			return rc;
		stored->n = (size_t)h.stored;
		if (!vg_block_is_sound(&h, vg_buf_str(stored)) && !(h.key && vg_is_erased(vg_buf_str(stored)) && vg_copy_is_destroyed(c, h.key)))
			return VG_E_FORMAT;
	}
	*out = (struct block){ .bytes = VG_BLOCK_HEAD + h.stored, .number = h.leaf };
	vg_block_leaf(head, &out->leaf);
	return VG_OK;
}

/* All blocks of a file, as far as they are blocks with ascending numbers.  What ends them early is left to who counts them. */
static vg_rc
scan(struct vg_copy *c, uint32_t segment, const char *name, bool deep, struct blocks *out)
{
	struct vg_file f = { .name = "" };
	struct vg_buf stored = { 0 };
	uint64_t size, at = 0, next = 0;
	vg_rc rc = vg_shared_open(c->d.dir, name, &f.fd, &size);

	while (rc == VG_OK && at < size) {
		struct block b;

		rc = block_at(c, &f, at, size, deep ? &stored : NULL, &b);
		if (rc == VG_OK && at && b.number < next)
			rc = VG_E_FORMAT;
		if (rc == VG_OK) {
			b.segment = segment;
			next = b.number + 1;
			at += b.bytes;
			rc = add_block(out, &b);
		}
	}
	vg_buf_fini(&stored);
	vg_file_close(&f);
	return rc == VG_E_SYS || rc == VG_E_NOMEM ? rc : VG_OK;
}

/* The first @n blocks of @list, behind those of @tree.  VG_E_REFUSED: one is missing or stands twice. */
static vg_rc
add_leaves(struct blocks *list, uint64_t n, struct vg_frontier *tree, char *why)
{
	uint64_t size = tree->n + n;

	if (list->n)
		qsort(list->b, list->n, sizeof(*list->b), by_number);
	for (uint64_t i = 0; i < n && i < list->n; i++) {
		if (list->b[i].number != tree->n) {
			snprintf(why, VG_COPY_WHY, "block %llu should come now, and block %llu does", (unsigned long long)tree->n, (unsigned long long)list->b[i].number);
			return VG_E_REFUSED;
		}
		vg_frontier_add(tree, &list->b[i].leaf);
	}
	if (tree->n < size) {
		snprintf(why, VG_COPY_WHY, "the checkpoint counts %llu blocks, but only %llu are there and sound", (unsigned long long)size,
			 (unsigned long long)tree->n);
		return VG_E_REFUSED;
	}
	return VG_OK;
}

static bool
gives_root(const struct vg_frontier *tree, const struct vg_checkpoint *cp)
{
	struct vg_hash root;

	vg_frontier_root(tree, &root);
	return tree->n == cp->size && vg_hash_eq(&root, &cp->root);
}

/* ---- opening ---- */

struct vg_copy_segment *
vg_copy_segment(struct vg_copy *c, vg_str name)
{
	for (size_t i = c->n; i-- > 0;) /* the last one is the most often asked for */
		if (vg_str_eq(vg_str_of(c->segment[i].name), name))
			return &c->segment[i];
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		struct vg_copy_segment *p = realloc(c->segment, cap * sizeof(*p));

		if (p == NULL)
			return NULL;
		c->segment = p;
		c->cap = cap;
	}
	c->segment[c->n] = (struct vg_copy_segment){ .bytes = 0 };
	snprintf(c->segment[c->n].name, sizeof(c->segment[c->n].name), "%.*s", VG_STR_ARG(name));
	return &c->segment[c->n++];
}

static vg_rc
on_segment(void *ctx, const char *name)
{
	struct vg_copy *c = ctx;
	struct vg_copy_segment *s;

	if (vg_shared_of(vg_str_of(name)) != VG_SHARED_SEGMENT)
		return VG_OK;
	if ((s = vg_copy_segment(c, vg_str_of(name))) == NULL)
		return VG_E_NOMEM;
	s->exists = true;
	return VG_OK;
}

static vg_rc
on_part(void *ctx, const char *name)
{
	struct vg_copy *c = ctx;

	(void)!vg_disk_remove(&c->d, name); /* of another process's life */
	return VG_OK;
}

/* Cut off what is under no checkpoint. */
static vg_rc
cut(struct vg_copy *c, struct vg_copy_segment *s)
{
	struct vg_file f;
	uint64_t size;
	vg_rc rc = vg_file_open(&c->d, s->name, &f);

	if (rc != VG_OK)
		return rc;
	if ((rc = vg_file_size(&f, &size)) == VG_OK && size > s->bytes)
		rc = vg_file_truncate(&c->d, &f, s->bytes);
	vg_file_close(&f);
	return rc;
}

static vg_rc
open_segments(struct vg_copy *c, char *why)
{
	struct blocks list = { .n = 0 };
	vg_rc rc = vg_disk_each(&c->d, VG_SEGMENT_SUFFIX, on_segment, c);

	for (uint32_t i = 0; i < c->n && rc == VG_OK; i++)
		rc = scan(c, i, c->segment[i].name, false, &list);
	if (rc == VG_OK && c->has_last) {
		rc = add_leaves(&list, c->last.size, &c->tree, why);
		if (rc == VG_OK && !gives_root(&c->tree, &c->last))
			rc = no(why, VG_E_REFUSED, "the blocks of this copy do not give the root of its checkpoint", c->tenant);
		for (uint64_t i = 0; i < c->last.size && rc == VG_OK; i++)
			c->segment[list.b[i].segment].bytes += list.b[i].bytes;
		if (rc == VG_E_REFUSED)
			rc = VG_E_FORMAT; /* ours, not the log's */
	}
	for (size_t i = 0; i < c->n && rc == VG_OK; i++)
		rc = cut(c, &c->segment[i]);
	free(list.b);
	return rc;
}

static vg_rc
open_checkpoint(struct vg_copy *c, char *why)
{
	struct vg_buf key = { 0 };
	vg_str text;
	vg_rc rc = vg_copy_read(c, VG_LOG_KEY_FILE, &key);

	if (rc == VG_OK) {
		rc = vg_note_key_parse(vg_str_trim(vg_buf_str(&key)), &c->key);
		c->has_key = rc == VG_OK;
		if (rc != VG_OK)
			rc = no(why, VG_E_FORMAT, "not a key", VG_LOG_KEY_FILE);
	}
	vg_buf_fini(&key);
	if (rc != VG_OK && rc != VG_E_NOTFOUND)
		return rc;
	if ((rc = vg_copy_read(c, VG_CHECKPOINT_FILE, &c->note)) == VG_E_NOTFOUND)
		return VG_OK;
	if (rc == VG_OK && (!c->has_key || vg_note_text(vg_buf_str(&c->note), &text) != VG_OK || !vg_note_is_signed(vg_buf_str(&c->note), &c->key) ||
			    vg_checkpoint_parse(text, &c->last) != VG_OK))
		return no(why, VG_E_FORMAT, "not a checkpoint that the log signed", VG_CHECKPOINT_FILE);
	c->has_last = rc == VG_OK;
	return rc;
}

static vg_rc
open_folder(struct vg_copy *c, int vault, char *why)
{
	if (mkdirat(vault, c->tenant, 0700) == 0 ? fsync(vault) < 0 : errno != EEXIST)
		return no(why, VG_E_SYS, "cannot be made", c->tenant);
	if ((c->d.dir = openat(vault, c->tenant, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return no(why, VG_E_SYS, "cannot be opened", c->tenant);
	if (flock(c->d.dir, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? no(why, VG_E_REFUSED, "comes from two addresses, or another witness keeps it", c->tenant) :
					      no(why, VG_E_SYS, "cannot be locked", c->tenant);
	return vg_disk_each(&c->d, PART, on_part, c);
}

vg_rc
vg_copy_open(int vault, const char *tenant, struct vg_copy **out, char why[VG_COPY_WHY])
{
	struct vg_copy *c = calloc(1, sizeof(*c));
	vg_rc rc;

	why[0] = 0;
	if (c == NULL)
		return no(why, VG_E_NOMEM, "out of memory", tenant);
	c->d.dir = -1;
	snprintf(c->tenant, sizeof(c->tenant), "%s", tenant);
	if ((rc = open_folder(c, vault, why)) == VG_OK && (rc = open_checkpoint(c, why)) == VG_OK && (rc = open_segments(c, why)) == VG_OK) {
		*out = c;
		return VG_OK;
	}
	if (why[0] == 0)
		rc = no(why, rc, vg_rc_name(rc), tenant);
	vg_copy_free(c);
	return rc;
}

void
vg_copy_free(struct vg_copy *c)
{
	if (c == NULL)
		return;
	vg_disk_close(&c->d);
	vg_buf_fini(&c->note);
	free(c->segment);
	free(c);
}

/* ---- growing ---- */

static void
part_name(const struct vg_copy_segment *s, char out[VG_DISK_NAME_MAX + 8])
{
	snprintf(out, VG_DISK_NAME_MAX + 8, "%s" PART, s->name);
}

vg_rc
vg_copy_add_part(struct vg_copy *c, struct vg_copy_segment *s, vg_str bytes)
{
	char name[VG_DISK_NAME_MAX + 8];
	struct vg_file f;
	vg_rc rc;

	part_name(s, name);
	if ((rc = vg_file_open(&c->d, name, &f)) == VG_E_NOTFOUND)
		rc = vg_file_create(&c->d, name, &f);
	if (rc != VG_OK)
		return rc;
	if ((rc = vg_file_write(&c->d, &f, bytes, s->part)) == VG_OK)
		s->part += bytes.n;
	vg_file_close(&f);
	return rc;
}

void
vg_copy_drop_parts(struct vg_copy *c)
{
	char name[VG_DISK_NAME_MAX + 8];

	for (size_t i = 0; i < c->n; i++)
		if (c->segment[i].part) {
			part_name(&c->segment[i], name);
			(void)!vg_disk_remove(&c->d, name); /* what stays is removed when the copy is opened */
			c->segment[i].part = 0;
		}
	c->resumed = false;
}

/* Add the first @n bytes of a part to its segment. */
static vg_rc
add_bytes(struct vg_copy *c, const struct vg_copy_segment *s, struct vg_file *part, uint64_t n)
{
	struct vg_buf b = { 0 };
	struct vg_file f = { .fd = -1 };
	vg_rc rc = vg_file_open(&c->d, s->name, &f);

	if (rc == VG_OK && !vg_buf_reserve(&b, CHUNK))
		rc = b.rc;
	for (uint64_t at = 0; at < n && rc == VG_OK; at += b.n) {
		b.n = n - at < CHUNK ? (size_t)(n - at) : CHUNK;
		if ((rc = vg_file_read(part, b.p, b.n, at)) == VG_OK)
			rc = vg_file_write(&c->d, &f, vg_buf_str(&b), s->bytes + at);
	}
	if (rc == VG_OK)
		rc = vg_file_sync(&c->d, &f);
	vg_file_close(&f);
	vg_buf_fini(&b);
	return rc;
}

/* The first @n bytes of a segment's part become the copy's. */
static vg_rc
take_part(struct vg_copy *c, struct vg_copy_segment *s, uint64_t n)
{
	char name[VG_DISK_NAME_MAX + 8];
	struct vg_file f;
	vg_rc rc;

	part_name(s, name);
	if ((rc = vg_file_open(&c->d, name, &f)) != VG_OK)
		return rc;
	if (s->exists) {
		rc = add_bytes(c, s, &f, n);
	} else {
		if (n < s->part)
			rc = vg_file_truncate(&c->d, &f, n);
		if (rc == VG_OK && (rc = vg_file_sync(&c->d, &f)) == VG_OK && (rc = vg_disk_rename(&c->d, name, s->name)) == VG_OK)
			rc = vg_disk_sync(&c->d);
	}
	vg_file_close(&f);
	if (rc != VG_OK)
		return rc;
	if (s->exists)
		rc = vg_disk_remove(&c->d, name);
	s->exists = true;
	s->bytes += n;
	s->part = 0;
	return rc;
}

static vg_rc
take_parts(struct vg_copy *c, const struct blocks *list, uint64_t n)
{
	uint64_t *bytes = calloc(c->n ? c->n : 1, sizeof(*bytes));
	vg_rc rc = bytes ? VG_OK : VG_E_NOMEM;

	for (uint64_t i = 0; i < n && rc == VG_OK; i++)
		bytes[list->b[i].segment] += list->b[i].bytes;
	for (size_t i = 0; i < c->n && rc == VG_OK; i++)
		if (bytes[i])
			rc = take_part(c, &c->segment[i], bytes[i]);
	free(bytes);
	return rc;
}

vg_rc
vg_copy_grow(struct vg_copy *c, const struct vg_checkpoint *to, char why[VG_COPY_WHY])
{
	struct blocks list = { .n = 0 };
	struct vg_frontier tree = c->tree;
	uint64_t n = to->size - c->tree.n;
	char name[VG_DISK_NAME_MAX + 8];
	vg_rc rc = VG_OK;

	for (uint32_t i = 0; i < c->n && rc == VG_OK; i++)
		if (c->segment[i].part) {
			part_name(&c->segment[i], name);
			rc = scan(c, i, name, true, &list);
		}
	if (rc == VG_OK && (rc = add_leaves(&list, n, &tree, why)) == VG_OK && !gives_root(&tree, to))
		rc = no(why, VG_E_REFUSED, "the blocks it serves do not give the root that it signed", c->tenant);
	if (rc == VG_OK)
		rc = take_parts(c, &list, n);
	if (rc == VG_OK) {
		c->tree = tree;
		vg_copy_drop_parts(c); /* what came behind is fetched again */
	} else if (rc != VG_E_REFUSED) {
		rc = no(why, rc, vg_rc_name(rc), c->tenant);
	}
	free(list.b);
	return rc;
}

/* ---- checkpoints ---- */

/* Behind the last whole "NOTE BYTES\n" and note of a file: what comes after was torn by a failure of power. */
static uint64_t
seen_end(vg_str file)
{
	vg_str rest = file;

	for (;;) {
		size_t line = vg_str_chr(rest, '\n');
		uint64_t n;

		if (line == VG_NPOS || !vg_str_starts(rest, VG_STR("NOTE ")) || !vg_str_u64((vg_str){ rest.p + 5, line - 5 }, &n) || n > rest.n - line - 1)
			return file.n - rest.n;
		rest = vg_str_skip(rest, line + 1 + (size_t)n);
	}
}

/* Where to write in a file of checkpoints that were seen. */
static vg_rc
find_end(const struct vg_file *f, uint64_t *out)
{
	struct vg_buf b = { 0 };
	uint64_t size;
	vg_rc rc = vg_file_size(f, &size);

	if (rc == VG_OK && size > (uint64_t)256 << 20)
		rc = VG_E_LIMIT;
	if (rc == VG_OK && !vg_buf_reserve(&b, (size_t)size + 1))
		rc = b.rc;
	if (rc == VG_OK && (rc = vg_file_read(f, b.p, (size_t)size, 0)) == VG_OK) {
		b.n = (size_t)size;
		*out = seen_end(vg_buf_str(&b));
	}
	vg_buf_fini(&b);
	return rc;
}

static vg_rc
log_note(struct vg_copy *c, vg_str note, int64_t now_ns)
{
	char when[VG_TIME_MAX], name[VG_DISK_NAME_MAX];
	struct vg_buf b = { 0 };
	struct vg_file f = { .fd = -1 };
	const char *last;
	struct vg_disk d;
	uint64_t at = 0;
	vg_rc rc;

	vg_time_print(now_ns, 0, when);
	snprintf(name, sizeof(name), "seen/%.10s.notes", when);
	if ((rc = folder_of(c, name, &d, &last)) != VG_OK)
		return rc;
	vg_buf_printf(&b, "NOTE %zu\n", note.n);
	vg_buf_put(&b, note);
	if ((rc = vg_file_open(&d, last, &f)) == VG_E_NOTFOUND) {
		if ((rc = vg_file_create(&d, last, &f)) == VG_OK)
			rc = vg_disk_sync(&d);
	} else if (rc == VG_OK && strcmp(name, c->seen_name) == 0) {
		at = c->seen_end;
	} else if (rc == VG_OK) {
		rc = find_end(&f, &at);
	}
	if (rc == VG_OK && (rc = b.rc) == VG_OK && (rc = vg_file_write(&d, &f, vg_buf_str(&b), at)) == VG_OK && (rc = vg_file_sync(&d, &f)) == VG_OK) {
		snprintf(c->seen_name, sizeof(c->seen_name), "%s", name);
		c->seen_end = at + b.n;
	}
	vg_file_close(&f);
	close(d.dir);
	vg_buf_fini(&b);
	return rc;
}

vg_rc
vg_copy_accept(struct vg_copy *c, vg_str note, const struct vg_checkpoint *cp, bool log, int64_t now_ns)
{
	vg_rc rc = log ? log_note(c, note, now_ns) : VG_OK;

	if (rc == VG_OK)
		rc = vg_copy_write(c, VG_CHECKPOINT_FILE, note);
	if (rc != VG_OK)
		return rc;
	vg_buf_clear(&c->note);
	vg_buf_put(&c->note, note);
	c->last = *cp;
	c->has_last = true;
	return c->note.rc;
}
