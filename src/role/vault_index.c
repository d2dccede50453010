/* role/vault_index.c - the index beside each segment, made as blocks come: a cache, and nothing that goes wrong with it hurts the evidence. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "role/vault_impl.h"
#include "vault/fields.h"
#include "vault/opener.h"
#include "vault/tokens.h"

struct vault_index {
	struct vault *v;
	struct vault_tenant *t;
	struct group { /* of one class: a group is under one key */
		struct vg_tokens_builder *builder; /* NULL: no block yet */
		char segment[VG_DISK_NAME_MAX]; /* whose blocks are in the builder */
		uint32_t number;                /* of their key; 0: none */
		uint8_t key[VG_BLOCK_KEY];
	} group[VG_CLASSES_MAX];
	struct vg_buf out;
};

static void
index_name(const char *segment, char out[VG_DISK_NAME_MAX])
{
	size_t n = strlen(segment);

	snprintf(out, VG_DISK_NAME_MAX, "%.*s" VG_TOKENS_SUFFIX, (int)(n > 3 ? n - 3 : n), segment);
}

/* What the builder holds goes behind the groups that the file has. */
static void
finish(struct vault_index *x, struct group *g)
{
	char name[VG_DISK_NAME_MAX];
	vg_rc rc;
	int fd;

	if (g->builder == NULL || vg_tokens_blocks(g->builder) == 0)
		return;
	vg_buf_clear(&x->out);
	rc = vg_tokens_finish(g->builder, g->number ? g->key : NULL, &x->out);
	index_name(g->segment, name);
	if (rc == VG_OK) {
		fd = openat(x->t->dir.dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		rc = fd < 0 ? VG_E_SYS : vg_write_all(fd, vg_buf_str(&x->out));
		if (fd >= 0)
			close(fd);
	}
	if (rc != VG_OK)
		vg_role_say(x->v->env, VG_LOG_WARNING, "vault: the index of %s cannot be written: %s; searches there are slower", g->segment,
			    rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
}

static void
add_block(struct vault_index *x, const char *segment, uint64_t at, const struct vg_block_head *h, vg_str payload, const uint8_t *key)
{
	struct group *g = &x->group[h->class];
	vg_rc rc;

	if (g->builder == NULL && (g->builder = vg_tokens_builder_new()) == NULL) {
		vg_role_say(x->v->env, VG_LOG_WARNING, "vault: a block of %s is not in its index: out of memory", segment);
		return;
	}
	if (vg_tokens_blocks(g->builder) && (strcmp(segment, g->segment) != 0 || h->key != g->number))
		finish(x, g);
	if (vg_tokens_blocks(g->builder) == 0) {
		snprintf(g->segment, sizeof(g->segment), "%s", segment);
		if ((g->number = key ? h->key : 0) != 0)
			memcpy(g->key, key, sizeof(g->key));
	}
	rc = vg_tokens_add(g->builder, at, h, payload);
	if (rc != VG_OK)
		vg_role_say(x->v->env, VG_LOG_WARNING, "vault: a block of %s is not in its index: %s", segment, vg_rc_name(rc));
	if (vg_tokens_blocks(g->builder) == VG_TOKENS_BLOCKS)
		finish(x, g);
}

static void
on_block(void *ctx, const struct vg_store_segment *g, const struct vg_segment_block *b, vg_str payload, const uint8_t *key)
{
	struct vault_index *x = ctx;

	add_block(x, g->name, b->at, &b->head, payload, key);
	vault_share_block(x->v, &b->head, payload);
}

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	struct vg_keyring *k = vg_store_keys(((struct vault_tenant *)ctx)->store);
	const struct vg_day_key *d = k ? vg_keyring_find(k, number) : NULL;

	return d ? d->key : NULL;
}

struct stretch { /* of the segment, that the index has */
	uint64_t at, end;
};

/* What the index has; one that is damaged begins anew. */
static void
indexed(struct vault_index *x, const char *segment, struct vg_buf *out)
{
	char name[VG_DISK_NAME_MAX];
	struct vg_tokens *t = NULL;
	int fd;

	index_name(segment, name);
	if ((fd = openat(x->t->dir.dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return;
	if (vg_tokens_open(fd, key_of, x->t, &t) == VG_OK && !t->damaged) {
		for (size_t i = 0; i < t->ngroup; i++)
			for (uint32_t j = 0; j < t->group[i].nblock; j++) {
				const struct vg_tokens_row *r = &t->group[i].row[j];
				struct stretch s = { r->at, r->at + VG_BLOCK_HEAD + r->stored };

				vg_buf_mem(out, &s, sizeof(s));
			}
	} else if (vg_disk_remove(&x->t->dir, name) != VG_OK) {
		vg_role_say(x->v->env, VG_LOG_WARNING, "vault: the damaged index %s cannot be removed: %s", name, strerror(errno));
	}
	vg_tokens_close(t);
	close(fd);
}

static int
by_place(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Does one of them hold @at? */
static int
holds(const void *key, const void *stretch)
{
	const uint64_t *at = key;
	const struct stretch *s = stretch;

	return *at < s->at ? -1 : *at >= s->end;
}

/* The blocks of the newest segment that the index does not have: a restart came between. */
static vg_rc
catch_up(struct vault_index *x)
{
	const struct vg_store_segment *g = vg_store_segment(x->t->store, vg_store_segments(x->t->store) - 1);
	struct vg_disk d = { .dir = x->t->dir.dir, .read_only = true };
	struct vg_buf block = { 0 }, payload = { 0 }, has = { 0 };
	struct vg_opener opener = { .evict = 0 };
	struct vg_segment_damage bad;
	struct vg_segment *s;
	size_t n;
	vg_rc rc;

	if (vg_store_segments(x->t->store) == 0 || g == NULL)
		return VG_OK;
	if ((rc = vg_segment_open(&d, g->name, 0, &bad, &s)) != VG_OK)
		return rc;
	indexed(x, g->name, &has);
	if ((n = has.n / sizeof(struct stretch)) != 0)
		qsort(has.p, n, sizeof(struct stretch), by_place);
	for (size_t i = 0; i < vg_segment_count(s) && i < g->leaves; i++) {
		const struct vg_segment_block *b = vg_segment_at(s, i);
		const uint8_t *key = b->head.key ? key_of(x->t, b->head.key) : NULL;

		if ((n && bsearch(&b->at, has.p, n, sizeof(struct stretch), holds)) || (b->head.key && key == NULL))
			continue;
		if (vg_segment_read(s, i, &block) == VG_OK &&
		    vg_opener_open(&opener, vg_segment_file(s), b->at, &b->head, vg_str_cut(vg_buf_str(&block), VG_BLOCK_HEAD),
				   vg_str_skip(vg_buf_str(&block), VG_BLOCK_HEAD), key, &payload) == VG_OK)
			add_block(x, g->name, b->at, &b->head, vg_buf_str(&payload), key);
	}
	vg_opener_fini(&opener);
	vg_buf_fini(&block);
	vg_buf_fini(&payload);
	vg_buf_fini(&has);
	vg_segment_free(s);
	return VG_OK;
}

vg_rc
vault_index_begin(struct vault *v, struct vault_tenant *t)
{
	struct vault_index *x = calloc(1, sizeof(*x));
	vg_rc rc;

	if (x == NULL)
		return VG_E_NOMEM;
	x->v = v;
	x->t = t;
	t->index = x;
	if ((rc = catch_up(x)) != VG_OK)
		vg_role_say(v->env, VG_LOG_WARNING, "vault: the index of tenant %s is not whole: %s; searches there are slower", t->name, vg_rc_name(rc));
	vg_store_on_block(t->store, on_block, x);
	return VG_OK;
}

void
vault_index_end(struct vault_tenant *t)
{
	for (unsigned i = 0; t->index && i < VG_CLASSES_MAX; i++)
		finish(t->index, &t->index->group[i]);
}

void
vault_index_drop(struct vault_tenant *t, const char *segment)
{
	char name[VG_DISK_NAME_MAX];

	for (int i = 0; i < 2; i++) {
		size_t n = strlen(segment) - strlen(VG_SEGMENT_SUFFIX);

		snprintf(name, sizeof(name), "%.*s%s", (int)n, segment, i ? VG_FIELDS_SUFFIX : VG_TOKENS_SUFFIX);
		if (unlinkat(t->dir.dir, name, 0) < 0 && errno != ENOENT && t->index)
			vg_role_say(t->index->v->env, VG_LOG_WARNING, "vault: %s cannot be removed: %s", name, strerror(errno));
	}
}
