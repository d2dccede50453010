#include "role/parent_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "role/drill.h"
#include "vault/disk.h"

/* ---- signals ---- */

static void
on_signal(void *ctx, uint32_t events)
{
	struct parent *p = ctx;
	struct signalfd_siginfo s;

	(void)events;
	while (read(p->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGCHLD) {
			parent_reap(p);
		} else if (s.ssi_signo == SIGHUP) {
			if (!p->stopping)
				parent_reload(p);
		} else if (!p->stopping) {
			p->stopping = true;
			p->stop_ms = parent_now_ms();
			(void)sd_notify(0, "STOPPING=1");
			parent_on_stopping(p);
		}
	}
}

/* ---- alarms of its own, and what commands ask ---- */

static struct child *
running(struct parent *p, unsigned role)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].role == role && p->child[i].channel && p->child[i].ready)
			return &p->child[i];
	return NULL;
}

static bool
pass_request(void *ctx, unsigned role, const struct vg_request *r, char why[160])
{
	struct child *c = running(ctx, role);
	struct vg_buf b = { 0 };

	if (c == NULL) {
		snprintf(why, 160, "the role %s is not ready; try again\n", vg_role_name(role));
		return false;
	}
	vg_request_put(&b, r);
	if (b.rc == VG_OK)
		parent_give(c, VG_MSG_NEW, "request", vg_buf_str(&b), -1);
	vg_buf_fini(&b);
	return true;
}

static void
on_requests(void *ctx)
{
	struct parent *p = ctx;

	if (!p->stopping)
		vg_requests_turn(p->requests);
}

static void
tell_alarms(struct parent *p)
{
	struct child *out = running(p, VG_ROLE_OUT), *publish = running(p, VG_ROLE_PUBLISH);
	struct vg_buf b = { 0 };
	int64_t seen_s = 0;

	if (publish && p->o->settings->witness.token.n) { /* one is expected */
		vg_str rest = vg_buf_str(&publish->stats), line;

		while (vg_str_split(&rest, '\n', &line))
			if (vg_str_starts(line, VG_STR("witness_seconds ")))
				(void)vg_str_i64(vg_str_skip(line, 16), &seen_s);
		vg_parent_witness(&p->alarms, seen_s, p->began_s, vg_clock_ns() / 1000000000);
	}
	if (out && vg_parent_alarms_due(&p->alarms, vg_monotonic_ns(), &b))
		parent_give(out, VG_MSG_NEW, "alarms", vg_buf_str(&b), -1);
	vg_buf_fini(&b);
}

/* ---- once a second ---- */

static void
on_second(void *ctx)
{
	struct parent *p = ctx;

	parent_look_at_keys(p);
	tell_alarms(p);
	if (!p->stopping)
		vg_feed_tick(&p->feed, parent_now_ms());
	if (vg_clock_ns() >= p->valid_until_ns && !p->stopping)
		parent_reload(p);
	parent_write_status(p);
	if (p->told_ready)
		(void)sd_notify(0, "WATCHDOG=1");
}

/* ---- the beginning ---- */

static void
give_roles(void *ctx, unsigned role, const char *name, vg_str text, int fd)
{
	struct parent *p = ctx;

	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].role == role && p->child[i].pid && p->child[i].channel)
			parent_give(&p->child[i], VG_MSG_NEW, name, text, fd);
}

/* Where the files lie; commands find another folder than ours by what is written here. */
static vg_rc
prepare_indicators(struct parent *p)
{
	struct vg_disk learned = { .dir = p->folder_learned };
	vg_str given = p->o->settings->rules.indicators;
	char path[4400];
	int own;

	if (given.n) {
		snprintf(path, sizeof(path), "%.*s", VG_STR_ARG(vg_str_cut(given, 4095)));
	} else {
		if ((own = vg_house_folder(p->o->house, "indicators")) < 0)
			return VG_E_SYS;
		close(own);
		snprintf(path, sizeof(path), "%s/indicators", p->o->house->path);
	}
	vg_feed_init(&p->feed, path, parent_now_ms());
	p->feed.give = give_roles;
	p->feed.ctx = p;
	if ((p->look_page = memfd_create("vigie-progress", MFD_CLOEXEC)) < 0 || ftruncate(p->look_page, 4096) < 0)
		return VG_E_SYS;
	return vg_disk_swap(&learned, VG_LEARNED_WHERE, given);
}

static vg_rc
prepare_folders(struct parent *p)
{
	struct vg_house *h = p->o->house;
	const struct vg_settings *s = p->o->settings;
	char why[300];
	vg_rc rc;

	if ((rc = vg_house_keys(h, s, why)) != VG_OK || (rc = vg_house_tls(h, &p->cert, &p->key, why)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s", why);
		return rc;
	}
	p->folder_vault = vg_house_folder(h, "vault");
	p->folder_trace = vg_house_folder(h, "trace");
	p->folder_seal = vg_house_folder(h, "seal");
	p->folder_local = vg_house_folder(h, "local");
	p->folder_learned = vg_house_folder(h, VG_LEARNED_FOLDER);
	p->folder_out = vg_house_folder(h, "out");
	if (p->folder_vault < 0 || p->folder_trace < 0 || p->folder_seal < 0 || p->folder_local < 0 || p->folder_learned < 0 || p->folder_out < 0 ||
	    vg_requests_new(h, pass_request, p, &p->requests) != VG_OK || prepare_indicators(p) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s: %s", h->path, strerror(errno));
		return VG_E_SYS;
	}
	for (size_t i = 0; i < s->tenants.n; i++) {
		vg_buf_put(&p->tenants, s->tenants.item[i].name);
		vg_buf_putc(&p->tenants, '\n');
	}
	for (unsigned i = 0; i < p->ndetect; i++)
		if ((p->progress[i] = memfd_create("vigie-progress", MFD_CLOEXEC)) < 0 || ftruncate(p->progress[i], 4096) < 0)
			return VG_E_SYS;
	return p->tenants.rc;
}

static vg_rc
run(struct parent *p)
{
	sigset_t set;
	vg_rc rc;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || (p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return VG_E_SYS;
	if ((rc = vg_watch_new(p->loop, p->signals, EPOLLIN, on_signal, p, &p->watch)) != VG_OK || (rc = vg_loop_every(p->loop, 50, parent_on_supervise, p)) != VG_OK ||
	    (rc = vg_loop_every(p->loop, 20, parent_on_stopping, p)) != VG_OK || (rc = vg_loop_every(p->loop, 1000, on_second, p)) != VG_OK ||
	    (rc = vg_loop_every(p->loop, 250, on_requests, p)) != VG_OK)
		return rc;
	parent_add_child(p, VG_ROLE_LEARN, 0, false);
	parent_add_child(p, VG_ROLE_SEAL, 0, false);
	parent_add_child(p, VG_ROLE_VAULT, 0, false);
	parent_add_child(p, VG_ROLE_TRACE, 0, false);
	for (unsigned i = 0; i < p->ndetect; i++)
		parent_add_child(p, VG_ROLE_DETECT, i, false);
	parent_add_child(p, VG_ROLE_COLLECT, 0, false);
	parent_add_child(p, VG_ROLE_LOCAL, 0, false);
	parent_add_child(p, VG_ROLE_PUBLISH, 0, true);
	parent_add_child(p, VG_ROLE_LOOK, 0, false);
	p->child[p->n - 1].resting = true;
	parent_add_child(p, VG_ROLE_OUT, 0, false);
	parent_add_child(p, VG_ROLE_RESPOND, 0, false);
	for (size_t i = 0; i < p->n; i++)
		if (parent_may_spawn(p, &p->child[i], parent_now_ms()))
			parent_spawn(p, &p->child[i]);
	parent_tell_listeners(p);
	fflush(stdout);
	rc = vg_loop_run(p->loop);
	for (size_t i = 0; i < p->n; i++)
		if (p->child[i].pid) {
			(void)kill(p->child[i].pid, SIGKILL);
			(void)waitpid(p->child[i].pid, NULL, 0);
		}
	if (p->drill >= 0)
		(void)unlinkat(p->o->house->dir, VG_DRILL_SOCKET, 0);
	return rc;
}

vg_rc
vg_serve(const struct vg_serve_options *o)
{
	static struct parent p;
	vg_rc rc;

	vg_sandbox_hide();
	p.o = o;
	p.began_s = vg_clock_ns() / 1000000000;
	p.ndetect = vg_settings_processes(o->settings);
	if (p.ndetect > VG_ROLE_INDEX_MAX)
		p.ndetect = VG_ROLE_INDEX_MAX;
	if ((rc = vg_loop_new(&p.loop)) != VG_OK || (rc = prepare_folders(&p)) != VG_OK || (rc = parent_open_catalogue(&p)) != VG_OK || (rc = parent_look_at_databases(&p)) != VG_OK || (rc = parent_bind_all(&p)) != VG_OK ||
	    (rc = parent_prepare_rules(&p)) != VG_OK)
		return rc;
	if ((p.drill = vg_drill_listen(o->house->dir)) < 0)
		vg_log(VG_LOG_WARNING, "%s/" VG_DRILL_SOCKET ": %s: `vigie rule test` cannot reach this watch", o->house->path, strerror(errno));
	return run(&p);
}
