/* cmd/serve.c - `vigie serve`: the watch. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/self.h"
#include "cmd/watch.h"
#include "role/parent.h"

const struct vg_opt vg_serve_opts[] = {
	VG_STATE_OPTION,
	VG_SETTINGS_OPTION,
	{ "--listen", VG_OPT_LIST, "NAME=ADDRESS:PORT", "over the settings; NAME is syslog, syslog-tls, https, witness or metrics; \"off\" for none" },
	{ "--check", VG_OPT_FLAG, NULL, "read the settings and the rules, say what is wrong with them, and end" },
	{ "--quiet", VG_OPT_FLAG, NULL, "print nothing but warnings and \"ready\"" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

static int
check(const char *state, struct vg_settings *s)
{
	struct vg_house house = { .dir = -1, .lock = -1 };
	struct vg_knowledge_summary n;
	char why[300];
	int fd;

	if (vg_house_open(&house, state, false, why) == VG_OK) { /* else there is none yet */
		vg_rc rc = vg_house_check_recovery(&house, s, why);

		vg_house_close(&house);
		if (rc != VG_OK) {
			vg_log(VG_LOG_ERROR, "serve: %s", why);
			return VG_EXIT_FOUND;
		}
	}
	snprintf(house.path, sizeof(house.path), "%s", state);
	if (vg_serve_rules(&house, s, &fd, &n, NULL, false) != VG_OK)
		return VG_EXIT_FOUND;
	close(fd);
	printf("vigie: the settings are good; %u rules, %u correlations, %u exceptions (`vigie rule check` says more of them)\n", n.rules, n.correlations, n.filters);
	return VG_EXIT_OK;
}

static int
serve(const char *state, struct vg_settings *s, const char *path, bool quiet)
{
	char self[PATH_MAX], absolute[PATH_MAX] = "", why[300];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct vg_house house;
	struct vg_serve_options o = { .house = &house, .settings = s, .self = self, .settings_path = absolute, .quiet = quiet };
	vg_rc rc;

	if (n <= 0) {
		vg_log(VG_LOG_ERROR, "serve: the program does not find itself: %s", strerror(errno));
		return VG_EXIT_FAILED;
	}
	self[n] = 0;
	if (path[0] && realpath(path, absolute) == NULL)
		absolute[0] = 0;
	if (vg_house_open(&house, state, true, why) != VG_OK || vg_house_lock(&house, why) != VG_OK || vg_house_check_recovery(&house, s, why) != VG_OK) {
		vg_log(VG_LOG_ERROR, "serve: %s", why);
		return VG_EXIT_FAILED;
	}
	if (faccessat(house.dir, VG_SELF_RESTORING, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		vg_log(VG_LOG_ERROR, "serve: a restore into %s was ended in the middle: give the same `vigie self-backup restore` again", state);
		vg_house_close(&house);
		return VG_EXIT_FAILED;
	}
	if (!quiet)
		printf("vigie: the state is in %s\n", state);
	rc = vg_serve(&o);
	vg_house_close(&house);
	return rc == VG_OK ? VG_EXIT_OK : VG_EXIT_FAILED;
}

int
vg_cmd_serve(const struct vg_args *a)
{
	const struct vg_opt_value *listen = vg_arg_list(a, "--listen");
	const char *state = vg_state_path(a);
	char why[VG_SETTINGS_WHY_MAX], path[PATH_MAX];
	struct vg_settings s;
	vg_rc rc = vg_settings_find(a, state, path, &s);
	int code;

	if (rc != VG_OK)
		return rc == VG_E_FORMAT ? VG_EXIT_FOUND : VG_EXIT_INPUT;
	for (size_t i = 0; i < listen->n; i++)
		if (vg_settings_listen(&s, vg_str_of(listen->text[i]), why) != VG_OK) {
			vg_log(VG_LOG_ERROR, "serve: %s", why);
			vg_settings_fini(&s);
			return VG_EXIT_USAGE;
		}
	code = vg_arg_set(a, "--check") ? check(state, &s) : serve(state, &s, path, vg_arg_set(a, "--quiet"));
	vg_settings_fini(&s);
	return code;
}
