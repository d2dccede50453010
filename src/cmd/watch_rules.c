#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/watch.h"
#include "role/parent.h"

static void
tell_setting(void *ctx, const struct vg_settings_problem *p)
{
	(void)ctx;
	vg_log(VG_LOG_ERROR, "%s", p->text);
}

static vg_rc
read_settings(vg_str path, struct vg_settings *out)
{
	char file[PATH_MAX];

	if (path.n == 0)
		return vg_settings_load(VG_STR(""), "defaults", NULL, tell_setting, NULL, out);
	snprintf(file, sizeof(file), "%.*s", VG_STR_ARG(path));
	return vg_settings_read(file, tell_setting, NULL, out);
}

static bool
is_sum(const struct vg_knowledge_summary *n, vg_str sum)
{
	struct vg_buf b = { 0 };
	bool same;

	vg_buf_hex(&b, n->sum, sizeof(n->sum), false);
	same = vg_str_eq(vg_buf_str(&b), sum);
	vg_buf_fini(&b);
	return same;
}

bool
vg_watch_settings(struct vg_house *h, struct vg_settings *out)
{
	struct vg_buf status = { 0 };
	int64_t pid;
	bool ok;

	(void)vg_status_read(h, &status, &pid); /* of a watch that is over it says what its settings were */
	ok = read_settings(vg_status_value(vg_buf_str(&status), "settings"), out) == VG_OK;
	vg_buf_fini(&status);
	return ok;
}

bool
vg_of_watch(const char *who, const struct vg_args *a, const char *other)
{
	static const char *const choose[] = { "--rules", "--only-rules", "--exceptions", "--var", "--vars", "--no-cache" };

	for (size_t i = 0; i < VG_COUNT(choose); i++)
		if (vg_arg_set(a, choose[i]) || vg_arg_list(a, choose[i])->n) {
			vg_log(VG_LOG_ERROR, "%s: %s goes with %s: a watch has the rules of its settings", who, choose[i], other);
			return false;
		}
	return true;
}

int
vg_watch_rules(const char *who, struct vg_house *h, vg_str status, bool same, struct vg_knowledge *out)
{
	struct vg_knowledge_summary n;
	struct vg_buf reasons = { 0 };
	struct vg_settings s;
	char why[400];
	vg_str line;
	vg_rc rc;
	int fd;

	if (read_settings(vg_status_value(status, "settings"), &s) != VG_OK)
		return VG_EXIT_INPUT;
	rc = vg_serve_rules(h, &s, &fd, &n, &reasons, true);
	vg_settings_fini(&s);
	for (vg_str rest = vg_buf_str(&reasons); rc != VG_OK && vg_str_split(&rest, '\n', &line);)
		if (line.n)
			vg_log(VG_LOG_ERROR, "%.*s", VG_STR_ARG(line));
	vg_buf_fini(&reasons);
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s: the rules as they are now would be refused; the watch works with the set before them", who);
		return VG_EXIT_INPUT;
	}
	if (same && !is_sum(&n, vg_status_value(status, "rules.sum"))) {
		vg_log(VG_LOG_ERROR, "%s: the rules were changed since the watch read them (SIGHUP makes it read them anew)", who);
		close(fd);
		return VG_EXIT_INPUT;
	}
	rc = vg_knowledge_open(fd, out, why);
	close(fd);
	if (rc == VG_OK)
		return VG_EXIT_OK;
	vg_log(VG_LOG_ERROR, "%s: %s", who, why);
	return VG_EXIT_FAILED;
}
