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
#include "vault/tokens.h"

struct vault_index {
	struct vault *v;
	struct vault_tenant *t;
	struct vg_tokens_builder *builder;
	char segment[VG_DISK_NAME_MAX]; /* whose blocks are in the builder */
	uint8_t key[VG_BLOCK_KEY];      /* of them */
	bool has_key;
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
finish(struct vault_index *x)
{
	char name[VG_DISK_NAME_MAX];
	vg_rc rc;
	int fd;

	if (vg_tokens_blocks(x->builder) == 0)
		return;
	vg_buf_clear(&x->out);
	rc = vg_tokens_finish(x->builder, x->has_key ? x->key : NULL, &x->out);
	index_name(x->segment, name);
	if (rc == VG_OK) {
		fd = openat(x->t->dir.dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		rc = fd < 0 ? VG_E_SYS : vg_write_all(fd, vg_buf_str(&x->out));
		if (fd >= 0)
			close(fd);
	}
	if (rc != VG_OK)
		vg_role_say(x->v->env, VG_LOG_WARNING, "vault: the index of %s cannot be written: %s; searches there are slower", x->segment,
			    rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
}

static void
add_block(struct vault_index *x, const char *segment, uint64_t at, const struct vg_block_head *h, vg_str payload, const uint8_t *key)
{
	vg_rc rc;

	if (vg_tokens_blocks(x->builder) && strcmp(segment, x->segment) != 0)
		finish(x);
	if (vg_tokens_blocks(x->builder) == 0) {
		snprintf(x->segment, sizeof(x->segment), "%s", segment);
		if ((x->has_key = key != NULL))
			memcpy(x->key, key, sizeof(x->key));
	}
	rc = vg_tokens_add(x->builder, at, h, payload);
	if (rc != VG_OK)
		vg_role_say(x->v->env, VG_LOG_WARNING, "vault: a block of %s is not in its index: %s", segment, vg_rc_name(rc));
	if (vg_tokens_blocks(x->builder) == VG_TOKENS_BLOCKS)
		finish(x);
}

static void
on_block(void *ctx, const struct vg_store_segment *g, const struct vg_segment_block *b, vg_str payload, const uint8_t *key)
{
	add_block(ctx, g->name, b->at, &b->head, payload, key);
}

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	struct vg_keyring *k = vg_store_keys(((struct vault_tenant *)ctx)->store);
	const struct vg_day_key *d = k ? vg_keyring_find(k, number) : NULL;

	return d ? d->key : NULL;
}

/* Where the segment's blocks end that its index has; one that is damaged begins anew. */
static uint64_t
indexed(struct vault_index *x, const char *segment)
{
	char name[VG_DISK_NAME_MAX];
	struct vg_tokens *t = NULL;
	uint64_t n = 0;
	int fd;

	index_name(segment, name);
	if ((fd = openat(x->t->dir.dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return 0;
	if (vg_tokens_open(fd, key_of, x->t, &t) == VG_OK && !t->damaged)
		n = vg_tokens_end(t);
	else if (vg_disk_remove(&x->t->dir, name) != VG_OK)
		vg_role_say(x->v->env, VG_LOG_WARNING, "vault: the damaged index %s cannot be removed: %s", name, strerror(errno));
	vg_tokens_close(t);
	close(fd);
	return n;
}

/* The blocks of the newest segment that the index does not have: a restart came between. */
static vg_rc
catch_up(struct vault_index *x)
{
	const struct vg_store_segment *g = vg_store_segment(x->t->store, vg_store_segments(x->t->store) - 1);
	struct vg_disk d = { .dir = x->t->dir.dir, .read_only = true };
	struct vg_buf block = { 0 }, payload = { 0 };
	struct vg_segment_damage bad;
	struct vg_segment *s;
	uint64_t done;
	vg_rc rc;

	if (vg_store_segments(x->t->store) == 0 || g == NULL)
		return VG_OK;
	if ((rc = vg_segment_open(&d, g->name, 0, &bad, &s)) != VG_OK)
		return rc;
	done = indexed(x, g->name);
	for (size_t i = 0; i < vg_segment_count(s) && i < g->leaves; i++) {
		const struct vg_segment_block *b = vg_segment_at(s, i);
		const uint8_t *key = b->head.key ? key_of(x->t, b->head.key) : NULL;

		if (b->at >= done && vg_segment_read(s, i, &block) == VG_OK &&
		    vg_block_open(&b->head, vg_str_cut(vg_buf_str(&block), VG_BLOCK_HEAD), vg_str_skip(vg_buf_str(&block), VG_BLOCK_HEAD), key, &payload) == VG_OK)
			add_block(x, g->name, b->at, &b->head, vg_buf_str(&payload), key);
	}
	vg_buf_fini(&block);
	vg_buf_fini(&payload);
	vg_segment_free(s);
	return VG_OK;
}

vg_rc
vault_index_begin(struct vault *v, struct vault_tenant *t)
{
	struct vault_index *x = calloc(1, sizeof(*x));
	vg_rc rc;

	if (x == NULL || (x->builder = vg_tokens_builder_new()) == NULL) {
		free(x);
		return VG_E_NOMEM;
	}
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
	if (t->index)
		finish(t->index);
}
