#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/self.h"
#include "vault/checkpoint.h"
#include "vault/disk.h"
#include "vault/note.h"
#include "vault/store.h"

/* What ends in '/' stands for all below it. */
static const struct {
	const char *member;
	const char *below; /* of the state folder; "": as it is called */
} places[] = {
	{ VG_SELF_SETTINGS, "" },
	{ VG_SELF_CATALOGUE, "" },
	{ VG_SELF_SIGNALS, "" },
	{ "exceptions/", "" },
	{ "indicators/", "" },
	{ "rules/", VG_SELF_RESTORED "/" },  /* folders that the settings name, wherever they were */
	{ "packs/", VG_SELF_RESTORED "/" },
	{ "public/", VG_SELF_RESTORED "/" }, /* what the old log had signed and published */
};

bool
vg_self_place(const char *member, char out[VG_BUNDLE_NAME_MAX + 16])
{
	for (size_t i = 0; i < VG_COUNT(places); i++) {
		vg_str m = vg_str_of(places[i].member);

		if (m.p[m.n - 1] == '/' ? vg_str_starts(vg_str_of(member), m) : strcmp(member, places[i].member) == 0) {
			snprintf(out, VG_BUNDLE_NAME_MAX + 16, "%s%s", places[i].below, member);
			return true;
		}
	}
	return false;
}

void
vg_self_staged(const char *member, char out[48])
{
	struct vg_hash h;
	struct vg_buf b = { 0 };

	vg_hash_of(vg_str_of(member), &h);
	vg_buf_hex(&b, h.b, 20, false);
	snprintf(out, 48, "%.*s", VG_STR_ARG(vg_buf_str(&b)));
	vg_buf_fini(&b);
}

void
vg_self_remove(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		(void)unlinkat(dir, name, 0);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			vg_self_remove(dirfd(d), e->d_name);
	closedir(d);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

struct nexts {
	struct vg_disk *vault;
	uint64_t next;
};

static vg_rc
on_tenant(void *ctx, const char *name)
{
	struct nexts *x = ctx;
	struct vg_disk t = { .read_only = true };
	struct vg_buf note = { 0 };
	struct vg_checkpoint c;
	vg_str text;
	vg_rc rc;

	t.dir = openat(x->vault->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (name[0] == '.' || t.dir < 0) {
		vg_disk_close(&t);
		return VG_OK; /* a file */
	}
	rc = vg_disk_slurp(&t, VG_CHECKPOINT_FILE, VG_NOTE_BYTES_MAX, &note);
	if (rc == VG_OK && (rc = vg_note_text(vg_buf_str(&note), &text)) == VG_OK && (rc = vg_checkpoint_parse(text, &c)) == VG_OK && c.seq > x->next)
		x->next = c.seq;
	vg_buf_fini(&note);
	vg_disk_close(&t);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

vg_rc
vg_self_vault_next(struct vg_house *h, uint64_t *out)
{
	struct vg_disk vault = { .dir = openat(h->dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), .read_only = true };
	struct nexts x = { &vault, 1 };
	vg_rc rc = vault.dir < 0 ? VG_OK : vg_disk_each(&vault, "", on_tenant, &x);

	vg_disk_close(&vault);
	*out = x.next;
	return rc;
}
