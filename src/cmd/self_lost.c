/* cmd/self_lost.c - a catalogue that is put back is older than the evidence: who began to send in between has a number in the records, and no row.
 * Such a number must never be given to somebody else, or old records would be his. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/self.h"
#include "vault/disk.h"
#include "vault/keyring.h"
#include "vault/opener.h"
#include "vault/segment.h"

#define LOST_MAX VG_SOURCES_MAX

struct lost {
	struct vg_house *h;
	struct vg_disk vault;
	struct vg_names names;
	uint64_t next;
	struct vg_source *source; /* owned; the names are not looked at */
	size_t n;
	struct vg_self_lost *out;
	/* of the tenant at hand */
	const char *tenant;
	uint32_t tenant_id;
	struct vg_disk dir;
	struct vg_keyring *keys; /* NULL: they were not asked for */
	struct vg_opener opener;
	struct vg_buf stored, payload;
	sqlite3 *db;
};

static struct vg_source *
source_of(struct lost *l, uint32_t id)
{
	struct vg_source *p;

	for (size_t i = 0; i < l->n; i++)
		if (l->source[i].id == id)
			return &l->source[i];
	if (l->n == LOST_MAX)
		return NULL;
	if (l->n % 64 == 0) {
		if ((p = realloc(l->source, (l->n + 64) * sizeof(*p))) == NULL)
			return NULL;
		l->source = p;
	}
	l->source[l->n] = (struct vg_source){ .id = id, .tenant = l->tenant_id, .first_ns = INT64_MAX, .last_ns = INT64_MIN };
	return &l->source[l->n++];
}

static vg_rc
on_record(void *ctx, uint32_t at, const struct vg_record *r)
{
	struct lost *l = ctx;
	struct vg_source *s;

	(void)at;
	if (r->source == 0 || r->seq < l->next || vg_names_source(&l->names, r->source))
		return VG_OK;
	if ((s = source_of(l, r->source)) == NULL)
		return VG_E_LIMIT;
	s->records++;
	s->bytes += r->raw.n;
	s->first_ns = r->recv_ns < s->first_ns ? r->recv_ns : s->first_ns;
	s->last_ns = r->recv_ns > s->last_ns ? r->recv_ns : s->last_ns;
	l->out->records++;
	return VG_OK;
}

static vg_rc
open_keys(struct lost *l)
{
	struct vg_disk *d = calloc(1, sizeof(*d)); /* outlives the ring: freed with the process */
	uint8_t key[32];
	char bad[VG_DISK_NAME_MAX];
	vg_rc rc;

	if (d == NULL)
		return VG_E_NOMEM;
	if ((rc = vg_house_read_key(l->h, l->tenant, key)) == VG_OK && (rc = vg_disk_folder(&l->dir, "keys", d)) == VG_OK)
		rc = vg_keyring_open(d, key, bad, &l->keys);
	sodium_memzero(key, sizeof(key));
	if (rc == VG_E_NOTFOUND) {
		vg_log(VG_LOG_ERROR, "self-backup: tenant %s has records that came after the backup, and its key is not here, so that nobody can say who sent them: "
				     "`vigie vault restore --recovery-key` opens it", l->tenant);
		return VG_E_REFUSED;
	}
	if (rc != VG_OK)
		vg_log(VG_LOG_ERROR, "self-backup: the keys of tenant %s cannot be opened: %s", l->tenant, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	return rc;
}

static vg_rc
look_into(struct lost *l, const struct vg_file *f, uint64_t at, vg_str head, const struct vg_block_head *h)
{
	const struct vg_day_key *key = NULL;
	vg_rc rc;

	if (h->key && l->keys == NULL && (rc = open_keys(l)) != VG_OK)
		return rc;
	if (h->key && (key = vg_keyring_find(l->keys, h->key)) == NULL) { /* destroyed: nobody reads these any more */
		l->out->erased_blocks++;
		return VG_OK;
	}
	vg_buf_clear(&l->stored);
	vg_buf_clear(&l->payload);
	if (!vg_buf_reserve(&l->stored, (size_t)h->stored + 1))
		return VG_E_NOMEM;
	if ((rc = vg_file_read(f, l->stored.p, (size_t)h->stored, at + VG_BLOCK_HEAD)) != VG_OK)
		return rc;
	l->stored.n = (size_t)h->stored;
	rc = vg_opener_open(&l->opener, f, at, h, head, vg_buf_str(&l->stored), key ? key->key : NULL, &l->payload);
	return rc == VG_OK ? vg_block_each(h, vg_buf_str(&l->payload), on_record, l) : rc;
}

static vg_rc
on_segment(void *ctx, const char *name)
{
	struct lost *l = ctx;
	struct vg_block_head h;
	char head[VG_BLOCK_HEAD];
	struct vg_file f;
	uint64_t at = 0, size;
	vg_rc rc = vg_file_open(&l->dir, name, &f);

	if (rc != VG_OK)
		return rc;
	vg_opener_forget(&l->opener);
	rc = vg_file_size(&f, &size);
	while (rc == VG_OK && at < size) {
		if ((rc = vg_file_read(&f, head, sizeof(head), at)) != VG_OK || (rc = vg_block_head_take(vg_str_mem(head, sizeof(head)), &h)) != VG_OK)
			break;
		if (h.last_seq >= l->next)
			rc = look_into(l, &f, at, vg_str_mem(head, sizeof(head)), &h);
		at += VG_BLOCK_HEAD + h.stored;
	}
	if (rc != VG_OK && rc != VG_E_REFUSED)
		vg_log(VG_LOG_ERROR, "self-backup: vault/%s/%s, byte %llu: %s (`vigie vault verify` tells more)", l->tenant, name, (unsigned long long)at,
		       rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	vg_file_close(&f);
	return rc;
}

static vg_rc
on_tenant(void *ctx, const char *name)
{
	struct lost *l = ctx;
	vg_rc rc;

	if (name[0] == '.' || strcmp(name, "intake") == 0 || strlen(name) > 64)
		return VG_OK;
	l->dir = (struct vg_disk){ .dir = openat(l->vault.dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), .read_only = true };
	if (l->dir.dir < 0)
		return VG_OK; /* a file */
	l->tenant = name;
	if ((rc = vg_catalogue_tenant(l->db, vg_str_of(name), &l->tenant_id)) == VG_OK)
		rc = vg_disk_each(&l->dir, VG_SEGMENT_SUFFIX, on_segment, l);
	vg_keyring_free(l->keys);
	l->keys = NULL;
	vg_disk_close(&l->dir);
	return rc;
}

static vg_rc
keep(struct lost *l)
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < l->n && rc == VG_OK; i++) {
		struct vg_source *s = &l->source[i];
		char name[64];

		snprintf(name, sizeof(name), "unknown-%u", s->id);
		s->name = vg_str_of(name);
		rc = vg_catalogue_unknown(l->db, s);
		vg_log(VG_LOG_WARNING, "self-backup: source %u sent %llu records after the backup was made, and no name of it is known: it is listed as %s", s->id,
		       (unsigned long long)s->records, name);
	}
	l->out->sources = l->n;
	return rc;
}

vg_rc
vg_self_find_lost(struct vg_house *h, sqlite3 *catalogue, uint64_t next, struct vg_self_lost *out)
{
	struct lost l = { .h = h, .next = next, .out = out, .db = catalogue, .vault = { .dir = openat(h->dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), .read_only = true } };
	vg_rc rc = VG_OK;

	*out = (struct vg_self_lost){ .sources = 0 };
	if (l.vault.dir >= 0 && (rc = vg_names_read(catalogue, &l.names)) == VG_OK && (rc = vg_disk_each(&l.vault, "", on_tenant, &l)) == VG_OK)
		rc = keep(&l);
	vg_names_free(&l.names);
	vg_opener_fini(&l.opener);
	vg_buf_fini(&l.stored);
	vg_buf_fini(&l.payload);
	vg_disk_close(&l.vault);
	free(l.source);
	return rc;
}
