/* cmd/hunt_indicators.c - files of --indicators, read in a sandbox to a set that the hunt's workers share. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/common.h"
#include "proc/pool.h"
#include "role/learned.h"

#define READ_S 300
#define MEMORY_BYTES ((size_t)3 << 30)

struct reading {
	const struct vg_opt_value *list;
	int fd[VG_OPT_LIST_MAX], out;
	bool quiet;
};

static vg_rc
slurp(int fd, struct vg_buf *out)
{
	ssize_t k = 1;

	vg_buf_clear(out);
	out->limit_bytes = VG_LEARNED_FILE_MAX + 65536;
	while (k > 0 && vg_buf_reserve(out, 65536))
		if ((k = read(fd, out->p + out->n, 65536)) > 0)
			out->n += (size_t)k;
	return out->rc != VG_OK ? out->rc : k < 0 ? VG_E_SYS : out->n > VG_LEARNED_FILE_MAX ? VG_E_LIMIT : VG_OK;
}

/* The last part of a path: what the file is called in what is told. */
static vg_str
name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return vg_str_of(slash ? slash + 1 : path);
}

static vg_rc
add_entries(struct vg_indicator_build *b, vg_str file, vg_str entries)
{
	struct vg_cur c = vg_cur_of(entries.p, entries.n);
	char buf[VG_IOC_BUF];
	struct vg_ioc i;
	vg_rc rc = VG_OK;

	while (rc == VG_OK && vg_cur_left(&c)) {
		if ((rc = vg_learned_take_entry(&c, buf, &i)) == VG_OK)
			rc = vg_indicator_build_add(b, file, &i);
		else if (rc == VG_E_UNSUP)
			rc = VG_OK;
	}
	return rc;
}

/* VG_E_REFUSED: it was told why. */
static vg_rc
add_file(struct vg_indicator_build *b, const struct reading *r, size_t at)
{
	struct vg_buf text = { 0 }, entries = { 0 }, texts = { 0 };
	struct vg_learned l = { .nproblem = 0 };
	const char *path = r->list->text[at];
	uint64_t not_used;
	vg_rc rc = slurp(r->fd[at], &text);

	if (rc == VG_OK)
		rc = vg_learned_read(vg_buf_str(&text), &l, &entries, &texts);
	if (rc == VG_OK && l.refused.n) {
		vg_log(VG_LOG_ERROR, "hunt: --indicators %s: %.*s", path, VG_STR_ARG(l.refused));
		rc = VG_E_REFUSED;
	} else if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "hunt: --indicators %s: %s", path, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		rc = VG_E_REFUSED;
	}
	not_used = l.n.bad + l.n.unknown;
	if (rc == VG_OK && not_used && !r->quiet)
		vg_log(VG_LOG_WARNING, "hunt: --indicators %s: %llu used, %llu not (`vigie indicator add` shows which)", path, (unsigned long long)l.n.taken,
		       (unsigned long long)not_used);
	if (rc == VG_OK)
		rc = add_entries(b, name_of(path), vg_buf_str(&entries));
	vg_buf_fini(&text);
	vg_buf_fini(&entries);
	vg_buf_fini(&texts);
	return rc;
}

static vg_rc
read_all(void *ctx)
{
	struct reading *r = ctx;
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_indicator_made made;
	struct vg_buf out = { 0 };
	vg_rc rc = b ? VG_OK : VG_E_NOMEM;

	for (size_t i = 0; i < r->list->n && rc == VG_OK; i++)
		rc = add_file(b, r, i);
	if (rc == VG_OK && (rc = vg_indicator_build_finish(b, &out, &made)) == VG_OK)
		rc = vg_write_all(r->out, vg_buf_str(&out));
	return rc; /* the process ends: what it holds goes with it */
}

static int
map(int fd, struct vg_indicators *out)
{
	struct stat st;
	void *p = fstat(fd, &st) == 0 && st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (p != MAP_FAILED && vg_indicators_load(vg_str_mem(p, (size_t)st.st_size), out) == VG_OK)
		return VG_EXIT_OK; /* mapped as long as the process lives */
	vg_log(VG_LOG_ERROR, "hunt: the indicators could not be loaded");
	return VG_EXIT_FAILED;
}

int
vg_load_indicators(const struct vg_args *a, struct vg_indicators *out)
{
	static const struct vg_sandbox_limits limits = { .data_bytes = MEMORY_BYTES, .cpu_s = READ_S, .file_bytes = (size_t)2 << 30 };
	struct reading r = { .list = vg_arg_list(a, "--indicators"), .quiet = vg_arg_set(a, "--quiet") };
	char why[160] = "";
	int code = VG_EXIT_OK;
	vg_rc rc;

	for (size_t i = 0; i < r.list->n; i++)
		if ((r.fd[i] = open(r.list->text[i], O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
			vg_log(VG_LOG_ERROR, "hunt: --indicators %s: %s", r.list->text[i], strerror(errno));
			code = VG_EXIT_INPUT;
		}
	if (code == VG_EXIT_OK && (r.out = memfd_create("vigie-indicators", MFD_CLOEXEC)) < 0)
		code = VG_EXIT_FAILED;
	if (code == VG_EXIT_OK && (rc = vg_sandbox_run(read_all, &r, &limits, READ_S, why)) != VG_OK) {
		if (rc != VG_E_REFUSED)
			vg_log(VG_LOG_ERROR, "hunt: the indicators could not be read: %s%s%s", vg_rc_name(rc), why[0] ? ": " : "", why);
		code = rc == VG_E_REFUSED ? VG_EXIT_INPUT : VG_EXIT_FAILED;
	}
	if (code == VG_EXIT_OK)
		code = map(r.out, out);
	for (size_t i = 0; i < r.list->n; i++)
		if (r.fd[i] >= 0)
			close(r.fd[i]);
	return code;
}
