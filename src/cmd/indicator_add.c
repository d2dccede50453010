/* cmd/indicator_add.c - `vigie indicator add`: a file, or a value, into the folder of indicators.  A file is read by a process that can do nothing else,
 * and told what of it can be used; what takes its name in the folder is whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/common.h"
#include "cmd/indicator.h"
#include "net/loop.h"
#include "proc/pool.h"
#include "role/folder.h"

const struct vg_opt vg_indicator_add_opts[] = {
	VG_STATE_OPTION,
	{ "--type", VG_OPT_TEXT, "TYPE", "what VALUE is: ip, network, domain, url, email, md5, sha1, sha256, sha512, imphash, file, user, text (default: as it looks)" },
	{ "--note", VG_OPT_TEXT, "TEXT", "of VALUE: shown with what meets it" },
	{ "--expires", VG_OPT_TEXT, "DATE", "of VALUE: not matched behind it (2027-01-31, or 90d for so long from now)" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

#define READ_S 120
#define MEMORY_BYTES ((size_t)2 << 30)

static bool
put_whole(int dir, const char *folder, const char *name, vg_str bytes)
{
	char tmp[VG_LEARNED_NAME_MAX + 16];
	int fd, keep;
	bool ok;

	snprintf(tmp, sizeof(tmp), ".%.*s.tmp", VG_LEARNED_NAME_MAX - 5, name);
	(void)unlinkat(dir, tmp, 0); /* of a failure before */
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ok = fd >= 0 && vg_write_all(fd, bytes) == VG_OK && fsync(fd) == 0 && renameat(dir, tmp, dir, name) == 0 && fsync(dir) == 0;
	keep = errno;
	if (fd >= 0)
		close(fd);
	if (!ok) {
		(void)unlinkat(dir, tmp, 0);
		vg_log(VG_LOG_ERROR, "%s/%s: %s", folder, name, strerror(keep));
	}
	return ok;
}

/* ---- a file ---- */

struct trial {
	vg_str text;
	char *head; /* shared with the child that reads */
};

static vg_rc
try_file(void *ctx)
{
	struct trial *t = ctx;
	struct vg_learned l = { .loaded_ns = VG_TIME_NONE };
	struct vg_buf entries = { 0 }, texts = { 0 }, head = { .limit_bytes = VG_LEARNED_HEAD_MAX };
	vg_rc rc = vg_learned_read(t->text, &l, &entries, &texts);

	if (rc != VG_OK)
		return rc;
	vg_learned_put(&head, &l);
	if (head.rc == VG_OK)
		memcpy(t->head, head.p, head.n);
	return head.rc;
}

static void
say_file(const char *name, const struct vg_learned *l)
{
	struct vg_buf b = { 0 };
	uint64_t not_used = l->n.bad + l->n.unknown;

	vg_buf_safe(&b, vg_str_of(name));
	vg_buf_puts(&b, ": ");
	vg_indicator_put_counts(&b, l->kind);
	if (l->n.passed)
		vg_buf_printf(&b, ", %llu not meant for detection", (unsigned long long)l->n.passed);
	if (not_used)
		vg_buf_printf(&b, ", %llu not used", (unsigned long long)not_used);
	vg_buf_putc(&b, '\n');
	for (size_t i = 0; i < l->nproblem; i++) {
		vg_buf_printf(&b, "  %llu: ", (unsigned long long)l->problem[i].at);
		vg_buf_safe(&b, l->problem[i].text);
		vg_buf_putc(&b, '\n');
	}
	(void)vg_print(&b);
	vg_buf_fini(&b);
}

static bool
is_good_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return name[0] && strlen(name) <= VG_LEARNED_NAME_MAX - 5 && !vg_folder_is_passing(name);
}

static bool
slurp(const char *path, int fd, struct vg_buf *out)
{
	struct stat st;
	ssize_t k = 1;

	out->limit_bytes = VG_LEARNED_FILE_MAX + 65536;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size > VG_LEARNED_FILE_MAX) {
		vg_log(VG_LOG_ERROR, "indicator add %s: it is larger than %zu MiB", path, VG_LEARNED_FILE_MAX >> 20);
		return false;
	}
	while (k > 0 && vg_buf_reserve(out, 65536))
		if ((k = read(fd, out->p + out->n, 65536)) > 0)
			out->n += (size_t)k;
	if (k == 0 && out->n <= VG_LEARNED_FILE_MAX)
		return true;
	vg_log(VG_LOG_ERROR, "indicator add %s: %s", path, k < 0 ? strerror(errno) : "it is too large");
	return false;
}

/* Read it in a sandbox; true: something in it can be used, and it may go into the folder. */
static bool
is_usable(const char *path, const char *name, vg_str text)
{
	static const struct vg_sandbox_limits limits = { .data_bytes = MEMORY_BYTES, .cpu_s = READ_S, .file_bytes = 1 };
	struct trial t = { text, mmap(NULL, VG_LEARNED_HEAD_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	struct vg_learned l;
	struct vg_cur c;
	char why[160] = "";
	bool ok = false;
	vg_rc rc;

	if (t.head == MAP_FAILED) {
		vg_log(VG_LOG_ERROR, "indicator add: %s", strerror(errno));
		return false;
	}
	if ((rc = vg_sandbox_run(try_file, &t, &limits, READ_S, why)) == VG_OK) {
		c = vg_cur_of(t.head, VG_LEARNED_HEAD_MAX);
		rc = vg_learned_take(&c, &l);
	}
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "indicator add %s: it cannot be read: %s%s%s", path, vg_rc_name(rc), why[0] ? ": " : "", why);
	} else if (l.refused.n) {
		vg_log(VG_LOG_ERROR, "indicator add %s: %.*s", path, VG_STR_ARG(l.refused));
	} else {
		say_file(name, &l);
		ok = true;
	}
	(void)munmap(t.head, VG_LEARNED_HEAD_MAX);
	return ok;
}

static int
add_file(int dir, const char *folder, const char *path, int fd)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct vg_buf text = { 0 };
	int code = VG_EXIT_INPUT;

	if (!is_good_name(name))
		vg_log(VG_LOG_ERROR, "indicator add %s: a file of that name would not be read; give it another one", path);
	else if (slurp(path, fd, &text) && is_usable(path, name, vg_buf_str(&text)))
		code = put_whole(dir, folder, name, vg_buf_str(&text)) ? VG_EXIT_OK : VG_EXIT_FAILED;
	vg_buf_fini(&text);
	return code;
}

/* ---- a value ---- */

static void
put_cell(struct vg_buf *b, vg_str s, char end)
{
	vg_buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			vg_buf_putc(b, '"');
		vg_buf_putc(b, (unsigned char)s.p[i] < ' ' ? ' ' : s.p[i]);
	}
	vg_buf_putc(b, '"');
	vg_buf_putc(b, end);
}

static bool
take_expiry(const char *text, int64_t *out)
{
	int64_t in;

	*out = VG_TIME_NONE;
	if (text == NULL)
		return true;
	if ((*out = vg_time_parse(vg_str_of(text), 0)) != VG_TIME_NONE) {
		*out += strlen(text) == strlen("2027-01-31") ? VG_DAY : 0; /* that day too, as in files */
		return true;
	}
	if ((in = vg_duration_parse(vg_str_of(text))) != VG_TIME_NONE && in > 0) {
		*out = vg_clock_ns() + in;
		return true;
	}
	vg_log(VG_LOG_ERROR, "--expires %s: no date; such as 2027-01-31, 2027-01-31T08:00:00Z, or 90d for so long from now", text);
	return false;
}

static int
add_value(int dir, const char *folder, const struct vg_ioc *i, const char *note)
{
	char name[VG_LEARNED_NAME_MAX + 1], time[VG_TIME_MAX] = "";
	struct vg_buf b = { 0 };
	int code;

	if (i->expires_ns != VG_TIME_NONE)
		(void)vg_time_print(i->expires_ns, 0, time);
	vg_buf_puts(&b, "type,value,source,expires,comment\n");
	put_cell(&b, vg_str_of(vg_ioc_kind_name(i->kind)), ',');
	put_cell(&b, i->value, ',');
	put_cell(&b, VG_STR("added by hand"), ',');
	put_cell(&b, vg_str_of(time), ',');
	put_cell(&b, note ? vg_str_of(note) : VG_NIL, '\n');
	vg_indicator_file_of(i, name);
	code = b.rc == VG_OK && put_whole(dir, folder, name, vg_buf_str(&b)) ? VG_EXIT_OK : VG_EXIT_FAILED;
	if (code == VG_EXIT_OK) {
		vg_buf_clear(&b);
		vg_buf_printf(&b, "%s: %s ", name, vg_ioc_kind_name(i->kind));
		vg_buf_safe(&b, i->value);
		vg_buf_printf(&b, "%s%s\n", time[0] ? ", until " : "", time);
		code = vg_print(&b);
	}
	vg_buf_fini(&b);
	return code;
}

static int
add_one(const struct vg_args *a, int dir, const char *folder, const char *text, int64_t expires_ns)
{
	const char *type = vg_arg(a, "--type"), *note = vg_arg(a, "--note"), *why;
	bool of_value = type || note || expires_ns != VG_TIME_NONE;
	int fd = of_value ? -1 : open(text, O_RDONLY | O_CLOEXEC | O_NOCTTY), code;
	char buf[VG_IOC_BUF];
	struct stat st;
	struct vg_ioc i;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
		code = add_file(dir, folder, text, fd);
		close(fd);
		return code;
	}
	if (fd >= 0)
		close(fd);
	if (!vg_indicator_value(type, text, buf, &i, &why)) {
		vg_log(VG_LOG_ERROR, "indicator add %s: %s", text, why);
		return VG_EXIT_INPUT;
	}
	i.expires_ns = expires_ns;
	return add_value(dir, folder, &i, note);
}

int
vg_cmd_indicator_add(const struct vg_args *a)
{
	char path[4400];
	int64_t expires_ns;
	struct vg_house h;
	int dir, code, worst = VG_EXIT_OK;

	if (!take_expiry(vg_arg(a, "--expires"), &expires_ns))
		return VG_EXIT_USAGE;
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	if ((dir = vg_indicator_folder(&h, path)) < 0) {
		vg_house_close(&h);
		return VG_EXIT_INPUT;
	}
	for (size_t i = 0; i < a->noperand; i++)
		if ((code = add_one(a, dir, path, a->operand[i], expires_ns)) > worst)
			worst = code;
	close(dir);
	vg_house_close(&h);
	return worst;
}
