#include "net/tail_impl.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#define POLL_MS 1000
#define LOOK_EVERY 10 /* polls, when inotify tells what happens in every folder */
#define LOOK_APART_NS INT64_C(100000000)

const char *const vg_tail_globs[] = {
	"/var/log/syslog",	 "/var/log/messages",	 "/var/log/auth.log",	  "/var/log/secure",
	"/var/log/kern.log",	 "/var/log/daemon.log",	 "/var/log/user.log",	  "/var/log/cron",
	"/var/log/cron.log",	 "/var/log/maillog",	 "/var/log/mail.log",	  "/var/log/mail.err",
	"/var/log/ufw.log",	 "/var/log/fail2ban.log", "/var/log/sudo.log",	  "/var/log/audit/audit.log",
	"/var/log/dpkg.log",	 "/var/log/apt/history.log", "/var/log/alternatives.log", "/var/log/dnf.rpm.log",
	"/var/log/yum.log",	 "/var/log/pacman.log",	 "/var/log/nginx/*.log",  "/var/log/apache2/*.log",
	"/var/log/httpd/*_log",	 "/var/log/openvpn/*.log", "/var/log/openvpn*.log", "/var/log/samba/log.*",
	"/var/log/mysql/*.log",	 "/var/log/postgresql/*.log", "/var/log/wtmp",	  "/var/log/btmp",
	NULL,
};

/* ---- the loop ---- */

/* Turns, until the round is over. */
static void
go_round(struct vg_tail *t)
{
	size_t bytes = 0;
	unsigned idle = 0;

	while (!t->full && idle < t->nfile && bytes < VG_TAIL_ROUND_BYTES) {
		unsigned i = t->turn < t->nfile ? t->turn : 0;
		struct vg_follow *f = t->file[i];
		uint64_t at = f->now.at;
		enum vg_turn r;

		t->turn = i + 1;
		if (!f->ready) {
			idle++;
			continue;
		}
		r = vg_tail_take_turn(t, f);
		idle = f->now.at == at && r != VG_TURN_AGAIN ? idle + 1 : 0;
		bytes += f->now.at > at ? f->now.at - at : VG_TAIL_WINDOW;
		t->counts.failed += r == VG_TURN_BROKEN;
		if (r == VG_TURN_BROKEN)
			f->drained = true; /* nobody need wait for it; it is looked at again when it changes */
		f->ready = r == VG_TURN_AGAIN || r == VG_TURN_FULL;
	}
	for (unsigned i = 0; i < t->nfile && !t->full; i++)
		if (t->file[i]->ready) {
			vg_kick(t->kick);
			return;
		}
}

static void
go_on(void *ctx)
{
	struct vg_tail *t = ctx;

	if (t->full)
		return;
	if (t->dirty && vg_monotonic_ns() - t->looked_ns >= LOOK_APART_NS)
		vg_tail_look_around(t);
	go_round(t);
}

static void
on_poll(void *ctx)
{
	struct vg_tail *t = ctx;

	if (t->full)
		return;
	if (++t->polls % LOOK_EVERY == 0 || t->blind || t->counts.over)
		t->dirty = true;
	vg_tail_look_at_files(t);
	if (t->dirty)
		vg_tail_look_around(t);
	go_round(t);
}

static void
on_name(struct vg_tail *t, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		for (unsigned i = 0; i < t->nfile; i++)
			t->file[i]->ready = true;
	if (e->mask & IN_IGNORED)
		for (unsigned i = 0; i < t->nfolder; i++)
			if (t->folder[i] == e->wd) {
				t->folder[i] = t->folder[--t->nfolder];
				break;
			}
	t->dirty |= (e->mask & ~(uint32_t)IN_MODIFY) != 0;
	for (unsigned i = 0; e->len && i < t->nfile; i++)
		if (!t->file[i]->rotated && t->file[i]->wd == e->wd && strcmp(strrchr(t->file[i]->path, '/') + 1, e->name) == 0)
			t->file[i]->ready = true;
}

static void
on_inotify(void *ctx, uint32_t events)
{
	struct vg_tail *t = ctx;
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(t->inotify, buf, sizeof(buf));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(const void *)(buf + at);

		on_name(t, e);
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	go_on(t);
}

/* ---- beginning and end ---- */

static vg_rc
on_saved(void *ctx, vg_str path, const struct vg_tail_place *p)
{
	struct vg_tail *t = ctx;
	struct vg_tail_saved *s = realloc(t->saved, (t->nsaved + 1) * sizeof(*s));

	if (s == NULL)
		return VG_E_NOMEM;
	t->saved = s;
	s = &t->saved[t->nsaved];
	*s = (struct vg_tail_saved){ .path = strndup(path.p, path.n), .place = *p };
	if (s->path == NULL)
		return VG_E_NOMEM;
	t->nsaved++;
	return VG_OK;
}

static vg_rc
check_globs(const char *const *glob)
{
	size_t n = 0;

	for (; glob[n]; n++)
		if (glob[n][0] != '/' || strlen(glob[n]) > VG_TAIL_PATH_MAX)
			return VG_E_FORMAT;
	return n > VG_TAIL_GLOBS_MAX ? VG_E_LIMIT : VG_OK;
}

static vg_rc
start(struct vg_tail *t)
{
	vg_rc rc;

	if ((rc = vg_kick_new(t->l, go_on, t, &t->kick)) != VG_OK || (rc = vg_loop_every(t->l, POLL_MS, on_poll, t)) != VG_OK)
		return rc;
	t->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); /* without it we look each second */
	if (t->inotify >= 0 && (rc = vg_watch_new(t->l, t->inotify, EPOLLIN, on_inotify, t, &t->watch)) != VG_OK)
		return rc;
	t->dirty = true;
	t->looked_ns = vg_monotonic_ns() - LOOK_APART_NS;
	vg_kick(t->kick);
	return VG_OK;
}

vg_rc
vg_tail_new(struct vg_loop *l, const struct vg_gate *g, const struct vg_tail_options *o, vg_str places, struct vg_tail **out)
{
	struct vg_tail *t;
	const char *const *globs = o->glob ? o->glob : vg_tail_globs;
	vg_rc rc = check_globs(globs);

	if (rc != VG_OK)
		return rc;
	if (sodium_init() < 0)
		return VG_E_SYS;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return VG_E_NOMEM;
	t->l = l;
	t->g = g;
	t->glob = globs;
	t->inotify = -1;
	t->followed = o->followed;
	t->followed_ctx = o->ctx;
	t->first_bytes = o->first_bytes ? o->first_bytes : VG_TAIL_FIRST_BYTES;
	t->tenant = strndup(o->tenant.n ? o->tenant.p : "", o->tenant.n);
	t->host = strndup(o->host.n ? o->host.p : "", o->host.n);
	if (t->tenant == NULL || t->host == NULL)
		rc = VG_E_NOMEM;
	else if (places.n)
		rc = vg_tail_places_take(places, on_saved, t);
	if (rc == VG_OK)
		rc = start(t);
	if (rc != VG_OK) {
		vg_tail_free(t);
		return rc;
	}
	*out = t;
	return VG_OK;
}

void
vg_tail_free(struct vg_tail *t)
{
	int e = errno;

	if (t == NULL)
		return;
	for (unsigned i = 0; i < t->nfile; i++)
		vg_follow_free(t->file[i]);
	for (unsigned i = 0; i < t->nsaved; i++)
		free(t->saved[i].path);
	free(t->saved);
	vg_watch_free(t->watch);
	vg_kick_free(t->kick);
	if (t->inotify >= 0)
		close(t->inotify);
	vg_buf_fini(&t->text);
	free(t->tenant);
	free(t->host);
	free(t);
	errno = e;
}

void
vg_tail_room(struct vg_tail *t)
{
	if (!t->full)
		return;
	t->full = false;
	vg_kick(t->kick);
}

void
vg_tail_kept(struct vg_tail *t, uint64_t taken)
{
	t->kept = taken;
	for (unsigned i = 0; i < t->nfile; i++)
		vg_follow_keep(t->file[i], taken);
}

void
vg_tail_places(const struct vg_tail *t, struct vg_buf *out)
{
	unsigned n = 0;

	vg_tail_places_begin(out);
	for (unsigned i = 0; i < t->nfile; i++) {
		const struct vg_follow *f = t->file[i];
		struct vg_tail_place p = f->kept;

		if (!vg_follow_is_saved(f))
			continue;
		p.flags |= (uint8_t)((f->rotated ? VG_TAIL_ROTATED : 0) | (f->copy ? VG_TAIL_COPY : 0) |
				     (f->drained && f->nmark == 0 ? VG_TAIL_DONE : 0));
		vg_tail_places_put(out, vg_str_of(f->path), &p);
		n++;
	}
	for (unsigned i = 0; i < t->nsaved && n < VG_TAIL_FILES_MAX; i++)
		if (!t->saved[i].done) {
			vg_tail_places_put(out, vg_str_of(t->saved[i].path), &t->saved[i].place);
			n++;
		}
	vg_tail_places_end(out);
}

void
vg_tail_count(const struct vg_tail *t, struct vg_tail_counts *out)
{
	*out = t->counts;
	out->files = t->nfile;
}
