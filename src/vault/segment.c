#include "vault/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"

struct vg_segment {
	struct vg_disk *d;
	struct vg_file f;
	struct vg_segment_block *block; /* owned */
	size_t n, cap;
	uint64_t end; /* behind the last block */
};

void
vg_segment_name(int64_t time_ns, unsigned part, char out[VG_DISK_NAME_MAX])
{
	struct vg_civil c;

	vg_time_civil(time_ns, &c);
	snprintf(out, VG_DISK_NAME_MAX, "%04d-%02d-%02d.%04u" VG_SEGMENT_SUFFIX, c.year, c.month, c.day, part % 10000);
}

void
vg_segment_free(struct vg_segment *s)
{
	int keep = errno;

	if (s == NULL)
		return;
	vg_file_close(&s->f);
	free(s->block);
	free(s);
	errno = keep;
}

static bool
room(struct vg_segment *s)
{
	size_t cap = s->cap ? 2 * s->cap : 64;
	struct vg_segment_block *p;

	if (s->n < s->cap)
		return true;
	if ((p = realloc(s->block, cap * sizeof(*p))) == NULL)
		return false;
	s->block = p;
	s->cap = cap;
	return true;
}

vg_rc
vg_segment_create(struct vg_disk *d, const char *name, struct vg_segment **out)
{
	struct vg_segment *s = calloc(1, sizeof(*s));
	vg_rc rc;

	if (s == NULL)
		return VG_E_NOMEM;
	s->d = d;
	s->f.fd = -1;
	if ((rc = vg_file_create(d, name, &s->f)) == VG_OK && (rc = vg_disk_sync(d)) != VG_OK) {
		int keep = errno;

		(void)!vg_disk_remove(d, name); /* so that it may be tried again */
		errno = keep;
	}
	if (rc != VG_OK) {
		vg_segment_free(s);
		return rc;
	}
	*out = s;
	return VG_OK;
}

/* The head at @at, and whether its stored bytes lie within @size. */
static vg_rc
head_at(struct vg_segment *s, uint64_t at, uint64_t size, struct vg_block_head *out)
{
	char head[VG_BLOCK_HEAD];
	vg_rc rc;

	if (size - at < VG_BLOCK_HEAD)
		return VG_E_TRUNC;
	if ((rc = vg_file_read(&s->f, head, sizeof(head), at)) != VG_OK || (rc = vg_block_head_take(vg_str_mem(head, sizeof(head)), out)) != VG_OK)
		return rc;
	return out->stored <= size - at - VG_BLOCK_HEAD ? VG_OK : VG_E_TRUNC;
}

/* Are the stored bytes of @b there, and those that its head vouches for? */
static vg_rc
look_into(struct vg_segment *s, const struct vg_segment_block *b)
{
	struct vg_buf stored = { 0 };
	vg_rc rc;

	if (!vg_buf_reserve(&stored, (size_t)b->head.stored + 1))
		return stored.rc;
	rc = vg_file_read(&s->f, stored.p, (size_t)b->head.stored, b->at + VG_BLOCK_HEAD);
	stored.n = (size_t)b->head.stored;
	if (rc == VG_OK && !vg_block_is_sound(&b->head, vg_buf_str(&stored)))
		rc = VG_E_FORMAT;
	vg_buf_fini(&stored);
	return rc;
}

/* Find the blocks.  One that was not acknowledged may be there in part, its head too: each of those is looked into. */
static vg_rc
find_blocks(struct vg_segment *s, uint64_t size, uint64_t sure)
{
	while (s->end < size) {
		struct vg_segment_block b = { .at = s->end };
		vg_rc rc = head_at(s, s->end, size, &b.head);

		if (rc == VG_OK && s->n == VG_SEGMENT_BLOCKS_MAX)
			return VG_E_LIMIT;
		if (rc == VG_OK && !room(s))
			return VG_E_NOMEM;
		if (rc == VG_OK && s->n >= sure)
			rc = look_into(s, &b);
		if (rc != VG_OK)
			return rc;
		s->block[s->n++] = b;
		s->end += VG_BLOCK_HEAD + b.head.stored;
	}
	return VG_OK;
}

vg_rc
vg_segment_open(struct vg_disk *d, const char *name, uint64_t sure, struct vg_segment_damage *damage, struct vg_segment **out)
{
	struct vg_segment *s = calloc(1, sizeof(*s));
	uint64_t size;
	vg_rc rc;

	*damage = (struct vg_segment_damage){ .at = 0 };
	if (s == NULL)
		return VG_E_NOMEM;
	s->d = d;
	s->f.fd = -1;
	if ((rc = vg_file_open(d, name, &s->f)) != VG_OK || (rc = vg_file_size(&s->f, &size)) != VG_OK)
		goto fail;
	rc = find_blocks(s, size, sure);
	if (rc == VG_E_UNSUP) { /* of a later program: never cut off */
		snprintf(damage->name, sizeof(damage->name), "%s", name);
		damage->at = s->end;
		damage->block = s->n;
	}
	if (rc == VG_E_NOMEM || rc == VG_E_SYS || rc == VG_E_UNSUP)
		goto fail;
	if (rc != VG_OK && s->n >= sure && d->read_only)
		rc = VG_OK; /* perhaps it is being written */
	else if (rc != VG_OK && s->n >= sure)
		rc = vg_file_truncate(d, &s->f, s->end);
	else if (rc == VG_OK ? s->n < sure && sure != VG_SEGMENT_ALL : s->n < sure) {
		snprintf(damage->name, sizeof(damage->name), "%s", name);
		damage->at = s->end;
		damage->block = s->n;
		rc = VG_E_FORMAT;
	}
	if (rc == VG_OK && sure != VG_SEGMENT_ALL && !d->read_only) /* perhaps of a process that ended before it synced */
		rc = vg_file_sync(d, &s->f);
	if (rc != VG_OK)
		goto fail;
	*out = s;
	return VG_OK;
fail:
	vg_segment_free(s);
	return rc;
}

vg_rc
vg_segment_add(struct vg_segment *s, vg_str block)
{
	struct vg_segment_block b = { .at = s->end };
	vg_rc rc = vg_block_head_take(vg_str_cut(block, VG_BLOCK_HEAD), &b.head);

	if (rc != VG_OK)
		return rc;
	if (block.n - VG_BLOCK_HEAD != b.head.stored)
		return VG_E_FORMAT;
	if (s->n == VG_SEGMENT_BLOCKS_MAX)
		return VG_E_LIMIT;
	if (!room(s))
		return VG_E_NOMEM;
	/* after a sync that failed the pages may be gone: written anew, at the same place */
	if ((rc = vg_file_write(s->d, &s->f, block, s->end)) != VG_OK || (rc = vg_file_sync(s->d, &s->f)) != VG_OK)
		return rc;
	s->block[s->n++] = b;
	s->end += block.n;
	return VG_OK;
}

const struct vg_file *
vg_segment_file(const struct vg_segment *s)
{
	return &s->f;
}

size_t
vg_segment_count(const struct vg_segment *s)
{
	return s->n;
}

const struct vg_segment_block *
vg_segment_at(const struct vg_segment *s, size_t i)
{
	return i < s->n ? &s->block[i] : NULL;
}

vg_rc
vg_segment_read(struct vg_segment *s, size_t i, struct vg_buf *out)
{
	const struct vg_segment_block *b = vg_segment_at(s, i);
	size_t n = b ? (size_t)(VG_BLOCK_HEAD + b->head.stored) : 0;
	struct vg_block_head now;
	vg_rc rc;

	if (b == NULL)
		return VG_E_NOTFOUND;
	vg_buf_clear(out);
	if (!vg_buf_reserve(out, n))
		return out->rc;
	if ((rc = vg_file_read(&s->f, out->p, n, b->at)) != VG_OK)
		return rc;
	out->n = n;
	if ((rc = vg_block_head_take(vg_str_cut(vg_buf_str(out), VG_BLOCK_HEAD), &now)) != VG_OK)
		return rc;
	return vg_hash_eq(&now.digest, &b->head.digest) && vg_hash_eq(&now.root, &b->head.root) &&
			       vg_block_is_sound(&now, vg_str_skip(vg_buf_str(out), VG_BLOCK_HEAD)) ?
		       VG_OK :
		       VG_E_FORMAT;
}
