#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/self.h"

/* What ends in '/' stands for all below it. */
static const struct {
	const char *member;
	const char *below; /* of the state folder; "": as it is called */
} places[] = {
	{ VG_SELF_SETTINGS, "" },
	{ VG_SELF_CATALOGUE, "" },
	{ VG_SELF_SIGNALS, "" },
	{ VG_SELF_OUTBOX, "" },
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
