#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/yaml.h"
#include "settings/table.h"

struct told {
	const char *path;
	vg_settings_tell_fn *tell;
	void *ctx;
};

/* A problem of the file, not of what stands in it. */
static vg_rc
refuse(const struct told *t, vg_rc rc, const char *what)
{
	struct vg_buf b = { 0 };
	int keep = errno;

	vg_buf_safe(&b, vg_str_of(t->path));
	vg_buf_puts(&b, ": ");
	vg_buf_puts(&b, what);
	vg_buf_putc(&b, '\0');
	t->tell(t->ctx, &(struct vg_settings_problem){ "", 0, 0, b.rc == VG_OK ? b.p : what });
	vg_buf_fini(&b);
	errno = keep;
	return rc;
}

static vg_rc
check_file(const struct told *t, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return refuse(t, VG_E_FORMAT, "is not a file");
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(t, VG_E_FORMAT, "belongs to another user; allowed: root, or who runs this");
	if (st->st_mode & S_IWOTH)
		return refuse(t, VG_E_FORMAT, "may be written by anyone on this machine: chmod o-w");
	if (st->st_size > VG_YAML_BYTES_MAX)
		return refuse(t, VG_E_FORMAT, "is too large; allowed: 8 MiB");
	return VG_OK;
}

/* All of @fd, to its end or one byte over the limit, which the reader of YAML tells. */
static vg_rc
read_all(int fd, struct vg_buf *out)
{
	ssize_t n;

	out->limit_bytes = (size_t)VG_YAML_BYTES_MAX + 65536;
	do {
		if (!vg_buf_reserve(out, 65536))
			return out->rc == VG_E_LIMIT ? VG_OK : out->rc;
		n = read(fd, out->p + out->n, 65536);
		if (n > 0)
			out->n += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n == 0 ? VG_OK : VG_E_SYS;
}

/* The folder that @path lies in, absolute; NULL: errno. */
static char *
folder_of(const char *path)
{
	char *full = realpath(path, NULL), *slash = full ? strrchr(full, '/') : NULL;

	if (slash)
		slash[slash == full] = '\0'; /* "/" stays */
	return full;
}

static vg_rc
load(const struct told *t, const struct stat *st, vg_str text, const char *folder, struct vg_settings *out)
{
	struct vg_settings s;
	char what[160];
	const char *secret;
	vg_rc rc = vg_settings_load(text, t->path, folder, t->tell, t->ctx, &s);

	if (rc != VG_OK)
		return rc;
	if ((st->st_mode & S_IROTH) && (secret = vg_settings_secret(&s)) != NULL) {
		vg_settings_fini(&s);
		snprintf(what, sizeof(what), "holds a secret (%s) and may be read by anyone on this machine: chmod o-r", secret);
		return refuse(t, VG_E_FORMAT, what);
	}
	*out = s;
	return VG_OK;
}

vg_rc
vg_settings_read(const char *path, vg_settings_tell_fn *tell, void *ctx, struct vg_settings *out)
{
	const struct told t = { path, tell, ctx };
	struct vg_buf text = { 0 };
	char *folder = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	vg_rc rc;

	if (fd < 0)
		return errno == ENOENT ? VG_E_NOTFOUND : refuse(&t, VG_E_SYS, strerror(errno));
	if (fstat(fd, &st) < 0) {
		rc = refuse(&t, VG_E_SYS, strerror(errno));
	} else if ((rc = check_file(&t, &st)) == VG_OK) {
		if ((rc = read_all(fd, &text)) == VG_OK && (folder = folder_of(path)) == NULL)
			rc = VG_E_SYS;
		rc = rc != VG_OK ? refuse(&t, rc, rc == VG_E_SYS ? strerror(errno) : "not enough memory to read it") :
				   load(&t, &st, vg_buf_str(&text), folder, out);
	}
	free(folder);
	vg_buf_fini(&text);
	close(fd);
	return rc;
}
