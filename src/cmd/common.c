#include "cmd/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"

#define VARS_MAX 4096
#define VARS_BYTES ((size_t)1 << 20)

int
vg_print(struct vg_buf *b)
{
	vg_rc rc = b->rc;

	if (rc == VG_OK && vg_write_all(STDOUT_FILENO, vg_buf_str(b)) != VG_OK && errno != EPIPE) {
		vg_log(VG_LOG_ERROR, "standard output: %s", strerror(errno));
		rc = VG_E_SYS;
	} else if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s", vg_rc_name(rc));
	}
	vg_buf_clear(b);
	return rc == VG_OK ? VG_EXIT_OK : VG_EXIT_FAILED;
}

bool
vg_output_open(struct vg_output *o, const char *path)
{
	struct stat st;
	bool in_place = stat(path, &st) == 0 && !S_ISREG(st.st_mode);

	*o = (struct vg_output){ .path = path, .fd = -1 };
	if (!in_place && asprintf(&o->tmp, "%s.%ld.part", path, (long)getpid()) < 0) {
		o->tmp = NULL;
		vg_log(VG_LOG_ERROR, "%s: out of memory", path);
		return false;
	}
	o->fd = open(in_place ? path : o->tmp, O_WRONLY | O_CLOEXEC | (in_place ? 0 : O_CREAT | O_EXCL | O_NOFOLLOW), 0600);
	if (o->fd < 0) {
		vg_log(VG_LOG_ERROR, "%s: cannot be written: %s", path, strerror(errno));
		free(o->tmp);
		o->tmp = NULL;
	}
	return o->fd >= 0;
}

bool
vg_output_close(struct vg_output *o, bool keep)
{
	bool ok = true;

	if (o->fd >= 0 && close(o->fd) < 0 && keep) {
		vg_log(VG_LOG_ERROR, "%s: cannot be written: %s", o->path, strerror(errno));
		ok = keep = false;
	}
	if (o->tmp && keep && rename(o->tmp, o->path) < 0) {
		vg_log(VG_LOG_ERROR, "%s: cannot be written: %s", o->path, strerror(errno));
		ok = keep = false;
	}
	if (o->tmp && !keep)
		(void)unlink(o->tmp);
	free(o->tmp);
	*o = (struct vg_output){ .fd = -1 };
	return ok;
}

int
vg_gather_files(const struct vg_args *a, struct vg_file_list *out)
{
	for (size_t i = 0; i < a->noperand; i++) {
		vg_rc rc = vg_files_add(out, a->operand[i]);

		if (rc == VG_E_NOTFOUND) {
			vg_log(VG_LOG_ERROR, "%s: %s", a->operand[i], strerror(errno));
			return VG_EXIT_INPUT;
		}
		if (rc != VG_OK) {
			vg_log(VG_LOG_ERROR, "%s: %s", a->operand[i], vg_rc_name(rc));
			return VG_EXIT_FAILED;
		}
	}
	vg_files_sort(out);
	if (out->n)
		return VG_EXIT_OK;
	vg_log(VG_LOG_ERROR, "there is no file in %s", a->operand[0]);
	return VG_EXIT_INPUT;
}

/* One NAME=VALUE; false when it is none. */
static bool
take_var(vg_str text, struct vg_rule_var *out)
{
	size_t eq = vg_str_chr(text, '=');

	if (eq == VG_NPOS || eq == 0)
		return false;
	*out = (struct vg_rule_var){ vg_str_cut(text, eq), vg_str_skip(text, eq + 1) };
	return true;
}

static bool
read_vars(const char *path, char *text, struct vg_rule_var *var, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, VARS_BYTES);
	vg_str all, line;
	unsigned number = 0;

	if (fd >= 0)
		close(fd);
	if (got < 0) {
		vg_log(VG_LOG_ERROR, "--vars %s: %s", path, strerror(errno));
		return false;
	}
	all = vg_str_mem(text, (size_t)got);
	while (vg_str_split(&all, '\n', &line)) {
		number++;
		line = vg_str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (*n == VARS_MAX || !take_var(line, &var[*n])) {
			vg_log(VG_LOG_ERROR, "--vars %s, line %u: write NAME=VALUE, at most %d of them", path, number, VARS_MAX);
			return false;
		}
		++*n;
	}
	return true;
}

int
vg_load_knowledge(const struct vg_args *a, struct vg_knowledge *out)
{
	const struct vg_opt_value *rules = vg_arg_list(a, "--rules"), *vars = vg_arg_list(a, "--var"), *exceptions = vg_arg_list(a, "--exceptions");
	struct vg_knowledge_options o = { .rules = rules->text, .nrules = rules->n,
					  .exceptions = exceptions->text, .nexceptions = exceptions->n, .now_ns = (int64_t)time(NULL) * VG_SEC,
					  .no_default_rules = vg_arg_set(a, "--only-rules"),
					  .no_cache = vg_arg_set(a, "--no-cache"),
					  .portable = vg_arg_set(a, "--portable") };
	struct vg_rule_var *var = calloc(VARS_MAX, sizeof(*var));
	char *text = malloc(VARS_BYTES), why[400];
	const char *file = vg_arg(a, "--vars");
	int code = VG_EXIT_FAILED;
	size_t n = 0;
	vg_rc rc;

	if (var == NULL || text == NULL)
		goto out;
	code = VG_EXIT_USAGE;
	for (; n < vars->n; n++)
		if (!take_var(vg_str_of(vars->text[n]), &var[n])) {
			vg_log(VG_LOG_ERROR, "--var %s: write NAME=VALUE", vars->text[n]);
			goto out;
		}
	if (file && !read_vars(file, text, var, &n))
		goto out;
	o.var = var;
	o.nvar = n;
	rc = vg_knowledge_load(&o, out, why);
	code = rc == VG_OK ? VG_EXIT_OK : rc == VG_E_NOTFOUND ? VG_EXIT_INPUT : VG_EXIT_FAILED;
	if (rc != VG_OK)
		vg_log(VG_LOG_ERROR, "%s", why[0] ? why : vg_rc_name(rc));
	else if (why[0])
		vg_log(VG_LOG_WARNING, "%s", why);
out:
	free(var);
	free(text);
	return code;
}

int
vg_load_rules(const struct vg_args *a, struct vg_knowledge *k)
{
	struct vg_args b = *a;

	for (size_t i = 0; a->noperand && b.opt[i].name; i++) { /* the operands come as further --rules */
		if (strcmp(b.opt[i].name, "--rules") == 0)
			for (size_t j = 0; j < a->noperand && b.value[i].n < VG_OPT_LIST_MAX; j++)
				b.value[i].text[b.value[i].n++] = a->operand[j];
		if (strcmp(b.opt[i].name, "--only-rules") == 0)
			b.value[i].set = true;
	}
	return vg_load_knowledge(&b, k);
}
