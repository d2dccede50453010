#include "witness/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/time.h"
#include "net/loop.h"
#include "proc/sandbox.h"
#include "state/format.h"
#include "witness/names.h"
#include "witness/publish.h"
#include "witness/sync.h"

#define KEY_FILE "witness.key"
#define TURN_MS 200
#define DISK_MS 10000
#define REPEAT_NS VG_HOUR
#define RESTART_NS VG_SEC /* a part that died is begun again after that, then twice that ... */
#define RESTART_MAX_NS VG_MIN
#define STALE_NS (5 * VG_MIN) /* a puller to which nothing comes is begun anew */
#define CODE_AGAIN 75
#define SEE_MAX 32
#define TELLERS_MAX 64
#define TELL_TRIES 5
#define LINE_MAX_BYTES 4096 /* PIPE_BUF: it is written as a whole */
#define TEXT_MAX_BYTES 900

struct part { /* a child that is begun again when it dies */
	pid_t pid; /* 0: not there */
	int64_t begin_ns, wait_ns;
};
struct source {
	struct part part;
	const char *url;
	int fd; /* its lines; -1: none */
	struct vg_watch *watch;
	char line[LINE_MAX_BYTES];
	size_t n;
	int64_t seen_ns; /* a newer checkpoint of any of its tenants */
	char trouble[TEXT_MAX_BYTES];
	struct watcher *w;
};
struct tenant {
	char name[VG_TENANT_NAME_MAX];
	struct source *source; /* NULL: not known yet */
	int64_t seen_ns;
};
struct watcher {
	const struct vg_witness_options *o;
	int dir, vault, forks, epochs;
	struct vg_note_secret key;
	struct vg_loop *loop;
	struct vg_alarms *alarms;
	struct source source[VG_WITNESS_FROM_MAX];
	struct tenant *tenant; /* owned */
	size_t ntenant, cap;
	struct part server;
	pid_t teller[TELLERS_MAX];
	int signals;
	struct vg_watch *on_signals;
};

/* ---- any child ---- */

static sigset_t
our_signals(void)
{
	sigset_t s;

	(void)sigemptyset(&s);
	(void)sigaddset(&s, SIGTERM);
	(void)sigaddset(&s, SIGINT);
	(void)sigaddset(&s, SIGCHLD);
	return s;
}

/* In a child, before anything else: signals as they are by default, and no descriptor but these (ascending, -1 ends them). */
static void
be_child(const int *keep)
{
	sigset_t s = our_signals();
	unsigned from = STDERR_FILENO + 1;

	(void)sigprocmask(SIG_UNBLOCK, &s, NULL);
	for (; *keep >= 0; keep++) {
		if ((unsigned)*keep > from)
			(void)close_range(from, (unsigned)*keep - 1, 0);
		from = (unsigned)*keep + 1;
	}
	(void)close_range(from, ~0U, 0);
}

/* It closes its sandbox, or it is not. */
static void
enter(const struct vg_sandbox_limits *l)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (vg_sandbox_enter(l) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s: the sandbox could not be entered: %s", l->name, strerror(errno));
		_exit(1);
	}
}

/* ---- telling ---- */

/* In a process of its own: try until it is told.  Where a program is run to tell it, this process holds nothing and does nothing else; it is in no
 * sandbox, since the program would be in it too. */
static void
tell_for_sure(struct watcher *w, enum vg_tell_way c, const struct vg_alarm *a, int64_t now_ns)
{
	static const struct vg_sandbox_limits limits = { .name = "tell", .data_bytes = (size_t)256 << 20, .may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_CONNECT, .see = vg_sandbox_net_files };
	char why[VG_TELL_WHY] = "";

	be_child((int[]){ -1 });
	vg_note_secret_fini(&w->key);
	if (!vg_tell_runs(&w->o->tell, c))
		enter(&limits);
	for (unsigned i = 0; i < TELL_TRIES; i++) {
		if (vg_tell(&w->o->tell, c, a, now_ns, why) == VG_OK)
			_exit(0);
		vg_log(VG_LOG_WARNING, "the alarm could not be told by %s (try %u of %d): %s", vg_tell_way_name(c), i + 1, TELL_TRIES, why);
		if (i + 1 < TELL_TRIES)
			sleep(1U << i);
	}
	_exit(1);
}

static void
on_alarm(void *ctx, const struct vg_alarm *a)
{
	struct watcher *w = ctx;

	vg_log(a->state == VG_ALARM_OVER ? VG_LOG_INFO : VG_LOG_ERROR, "alarm: %s %s: %s: %s", vg_alarm_kind_name(a->kind), vg_alarm_state_name(a->state), a->subject,
	       a->text);
	for (unsigned c = 0; c < VG_TELL_WAYS; c++) {
		size_t i = 0;

		if (w->o->tell.to[c] == NULL)
			continue;
		while (i < TELLERS_MAX && w->teller[i])
			i++;
		if (i == TELLERS_MAX) {
			vg_log(VG_LOG_ERROR, "too many alarms are being told: this one is not by %s", vg_tell_way_name((enum vg_tell_way)c));
			continue;
		}
		w->teller[i] = fork();
		if (w->teller[i] == 0) {
			tell_for_sure(w, (enum vg_tell_way)c, a, vg_clock_ns());
		}
		if (w->teller[i] < 0) {
			vg_log(VG_LOG_ERROR, "no process to tell the alarm by %s: %s", vg_tell_way_name((enum vg_tell_way)c), strerror(errno));
			w->teller[i] = 0;
		}
	}
}

static void
raise_alarm(struct watcher *w, enum vg_alarm_kind kind, const char *subject, const char *text)
{
	if (vg_alarm_raise(w->alarms, kind, subject, text, vg_monotonic_ns()) != VG_OK)
		vg_log(VG_LOG_ERROR, "too many alarms are on: not told: %s of %s: %s", vg_alarm_kind_name(kind), subject, text);
}

/* ---- the children ---- */

/* A puller's report, as a line of the pipe. */
static void
send_line(void *ctx, enum vg_report what, const char *tenant, const char *text)
{
	char line[LINE_MAX_BYTES];
	int n = snprintf(line, sizeof(line), "%c\t%s\t%.*s", 'a' + (int)what, tenant ? tenant : "", TEXT_MAX_BYTES - 1, text);

	for (char *p = line + 2 + (tenant ? strlen(tenant) : 0) + 1; *p; p++)
		if (*p == '\n' || *p == '\t' || *p == '\r')
			*p = ' ';
	line[n++] = '\n';
	if (vg_write_all(*(int *)ctx, vg_str_mem(line, (size_t)n)) != VG_OK)
		_exit(0); /* nobody listens any more */
}

/* From its own folder on: the others are below it. */
static bool
open_folders(struct watcher *w)
{
	w->vault = openat(w->dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	w->forks = openat(w->dir, "forks", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	w->epochs = openat(w->dir, "epochs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return w->vault >= 0 && w->forks >= 0 && w->epochs >= 0;
}

static void
begin_pulling(struct watcher *w, int out, struct vg_pull_options *o)
{
	static char ca[PATH_MAX];
	static const char *see[SEE_MAX + 2];
	size_t n;
	struct vg_sandbox_limits limits = { .name = "pull", .data_bytes = (size_t)1 << 30, .may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_WRITE | VG_MAY_CONNECT, .dir = w->dir, .see = see };

	be_child(w->dir < out ? (int[]){ w->dir, out, -1 } : (int[]){ out, w->dir, -1 });
	*o = w->o->pull;
	for (n = 0; n < SEE_MAX && vg_sandbox_net_files[n]; n++)
		see[n] = vg_sandbox_net_files[n];
	if (o->tls_ca && realpath(o->tls_ca, ca))
		o->tls_ca = see[n] = ca; /* it has another root then */
	enter(&limits);
	if (!open_folders(w))
		_exit(1);
}

static _Noreturn void
pull_for_ever(struct watcher *w, const struct source *src, int out)
{
	struct vg_pull_options pull;
	struct vg_sync_options o;
	size_t tenants, good = 0;
	struct vg_sync *s;
	int64_t good_ns = vg_monotonic_ns();

	begin_pulling(w, out, &pull);
	o = (struct vg_sync_options){ .url = src->url, .vault = w->vault, .forks = w->forks, .epochs = w->epochs, .self = &w->key, .log_key = w->o->log_key,
				     .nlog_key = w->o->nlog_key, .recovery = w->o->recovery, .free_bytes = w->o->free_bytes, .keep_ns = w->o->keep_ns, .poll_ns = w->o->every_ns,
				     .report = send_line, .ctx = &out };
	if (vg_pull_new(&pull, &o.pull) != VG_OK || vg_sync_new(&o, &s) != VG_OK)
		_exit(1);
	for (;;) {
		int64_t begin_ns = vg_monotonic_ns(), left_ns;

		(void)!vg_sync_round(s, &tenants, &good); /* reported */
		if (good)
			good_ns = begin_ns;
		else if (begin_ns - good_ns > STALE_NS)
			_exit(CODE_AGAIN); /* whom to ask for names was another one when it began, perhaps */
		left_ns = begin_ns + w->o->every_ns - vg_monotonic_ns();
		if (left_ns > 0)
			(void)nanosleep(&(struct timespec){ left_ns / VG_SEC, left_ns % VG_SEC }, NULL);
	}
}

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static _Noreturn void
serve_for_ever(struct watcher *w, int ready)
{
	struct vg_publish_options o = { .dir = w->vault, .listen = w->o->listen, .token = w->o->listen_token, .cert = w->o->listen_cert, .key = w->o->listen_key };
	struct vg_sandbox_limits limits = { .name = "serve", .data_bytes = (size_t)128 << 20, .may = VG_MAY_LOOP | VG_MAY_READ, .dir = w->vault };
	int keep[] = { w->vault, o.listen, ready, -1 };
	struct vg_publish *p;
	struct vg_loop *l;

	qsort(keep, ready >= 0 ? 3 : 2, sizeof(*keep), by_number);
	be_child(keep);
	vg_note_secret_fini(&w->key);
	if (vg_loop_new(&l) != VG_OK || vg_publish_new(l, &o, &p) != VG_OK)
		_exit(1);
	enter(&limits);
	if (ready >= 0) {
		(void)!write(ready, "r", 1);
		close(ready);
	}
	_exit(vg_loop_run(l) == VG_OK ? 0 : 1);
}

/* One died, or could not be begun: again, but not at once. */
static void
part_ended(struct part *p)
{
	int64_t now_ns = vg_monotonic_ns();

	p->wait_ns = now_ns - p->begin_ns > RESTART_MAX_NS || p->wait_ns == 0 ? RESTART_NS : p->wait_ns < RESTART_MAX_NS / 2 ? 2 * p->wait_ns : RESTART_MAX_NS;
	p->pid = 0;
	p->begin_ns = now_ns + p->wait_ns;
}

static void
close_lines(struct source *s)
{
	vg_watch_free(s->watch);
	s->watch = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void on_lines(void *ctx, uint32_t events);

static void
begin_puller(struct watcher *w, struct source *s)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0) {
		part_ended(&s->part);
		return;
	}
	s->part.begin_ns = vg_monotonic_ns();
	if ((s->part.pid = fork()) == 0) {
		pull_for_ever(w, s, fd[1]);
	}
	close(fd[1]);
	(void)fcntl(fd[0], F_SETFL, O_NONBLOCK);
	s->n = 0;
	s->fd = fd[0];
	if (s->part.pid < 0 || vg_watch_new(w->loop, s->fd, EPOLLIN, on_lines, s, &s->watch) != VG_OK) {
		vg_log(VG_LOG_ERROR, "no process to pull from %s: %s", s->url, strerror(errno));
		close_lines(s);
		if (s->part.pid > 0)
			(void)kill(s->part.pid, SIGKILL); /* it is reaped, and begun again */
		else
			part_ended(&s->part);
	}
}

static void
begin_server(struct watcher *w, int ready)
{
	w->server.begin_ns = vg_monotonic_ns();
	if ((w->server.pid = fork()) == 0) {
		serve_for_ever(w, ready);
	}
	if (w->server.pid < 0)
		part_ended(&w->server);
}

/* The first time it is waited for, so that a certificate that is none is told at once. */
static vg_rc
begin_server_first(struct watcher *w, char *why)
{
	char byte;
	int fd[2];
	ssize_t n;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return VG_E_SYS;
	begin_server(w, fd[1]);
	close(fd[1]);
	n = read(fd[0], &byte, 1);
	close(fd[0]);
	if (n == 1)
		return VG_OK;
	snprintf(why, VG_WITNESS_WHY, "the copy cannot be served: certificate and key are no pair, or the token is shorter than %d bytes", VG_PUBLISH_TOKEN_MIN);
	return VG_E_FORMAT;
}

/* ---- what pullers say ---- */

static struct tenant *
tenant_of(struct watcher *w, vg_str name, struct source *s)
{
	struct tenant *t;

	for (size_t i = 0; i < w->ntenant; i++)
		if (vg_str_eq(vg_str_of(w->tenant[i].name), name)) {
			w->tenant[i].source = s ? s : w->tenant[i].source;
			return &w->tenant[i];
		}
	if (!vg_is_tenant_name(name) || w->ntenant == VG_TENANTS_MAX)
		return NULL;
	if (w->ntenant == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 8;

		if ((t = realloc(w->tenant, cap * sizeof(*t))) == NULL)
			return NULL;
		w->tenant = t;
		w->cap = cap;
	}
	t = &w->tenant[w->ntenant++];
	*t = (struct tenant){ .source = s, .seen_ns = vg_monotonic_ns() };
	snprintf(t->name, sizeof(t->name), "%.*s", VG_STR_ARG(name));
	return t;
}

static void
on_seen(struct watcher *w, struct source *s, struct tenant *t)
{
	s->seen_ns = t->seen_ns = vg_monotonic_ns();
	s->trouble[0] = 0;
	vg_alarm_clear(w->alarms, VG_ALARM_SILENCE, s->url, "checkpoints come again");
	vg_alarm_clear(w->alarms, VG_ALARM_SILENCE, t->name, "checkpoints come again");
}

static void
on_good(struct watcher *w, const struct tenant *t)
{
	static const struct {
		enum vg_alarm_kind kind;
		const char *text;
	} over[] = {
		{ VG_ALARM_CONSISTENCY, "the log goes on from what it signed before; the proof of the other is kept under forks/" },
		{ VG_ALARM_EPOCH, "the new epoch was accepted" },
		{ VG_ALARM_COPY, "the copy is kept again" },
	};

	for (size_t i = 0; i < VG_COUNT(over); i++)
		vg_alarm_clear(w->alarms, over[i].kind, t->name, over[i].text);
}

static void
on_trouble(struct source *s, const char *tenant, const char *text)
{
	char now[TEXT_MAX_BYTES];

	snprintf(now, sizeof(now), "%s%s%.*s", tenant, *tenant ? ": " : "", TEXT_MAX_BYTES - 80, text);
	if (strcmp(now, s->trouble) == 0)
		return;
	snprintf(s->trouble, sizeof(s->trouble), "%s", now);
	vg_log(VG_LOG_WARNING, "%s: %s", s->url, now);
}

/* One line: what, tenant, text.  false: a puller does not say such a thing. */
static bool
take_line(struct watcher *w, struct source *s, char *line)
{
	char *name = strchr(line, '\t'), *text = name ? strchr(name + 1, '\t') : NULL;
	unsigned what = (unsigned)(line[0] - 'a');
	struct tenant *t;

	if (name != line + 1 || text == NULL || what >= VG_REPORTS)
		return false;
	*text++ = 0;
	name++;
	if (what == VG_REPORT_TROUBLE) {
		on_trouble(s, name, text);
		return true;
	}
	if ((t = tenant_of(w, vg_str_of(name), s)) == NULL)
		return false;
	if (what == VG_REPORT_SEEN)
		on_seen(w, s, t);
	else if (what == VG_REPORT_GOOD)
		on_good(w, t);
	else if (what == VG_REPORT_NOTE)
		vg_log(VG_LOG_INFO, "%s: %s", t->name, text);
	else
		raise_alarm(w, what == VG_REPORT_BAD ? VG_ALARM_CONSISTENCY : what == VG_REPORT_EPOCH ? VG_ALARM_EPOCH : VG_ALARM_COPY, t->name, text);
	return true;
}

static void
on_lines(void *ctx, uint32_t events)
{
	struct source *s = ctx;
	ssize_t n = read(s->fd, s->line + s->n, sizeof(s->line) - s->n);
	char *end;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* it ended, or will be: SIGCHLD says so too */
		close_lines(s);
		return;
	}
	s->n += (size_t)n;
	while ((end = memchr(s->line, '\n', s->n)) != NULL) {
		size_t used = (size_t)(end - s->line) + 1;

		*end = 0;
		if (!take_line(s->w, s, s->line)) {
			vg_log(VG_LOG_ERROR, "%s: its process says what none of ours says, and is ended", s->url);
			if (s->part.pid > 0) /* else it is reaped already, and this is what it left in the pipe: 0 would be all of us */
				(void)kill(s->part.pid, SIGKILL);
			close_lines(s);
			return;
		}
		s->n -= used;
		memmove(s->line, end + 1, s->n);
	}
	if (s->n == sizeof(s->line))
		s->n = 0; /* no line of ours is so long; what follows is none either, and ends it */
}

/* ---- time passes ---- */

static void
say_silence(struct watcher *w, const char *subject, const struct source *s, int64_t since_ns)
{
	char text[VG_ALARM_TEXT_MAX];

	snprintf(text, sizeof(text), "no newer checkpoint for %lld s%s%.300s", (long long)((vg_monotonic_ns() - since_ns) / VG_SEC), s && s->trouble[0] ? "; " : "",
		 s ? s->trouble : "");
	raise_alarm(w, VG_ALARM_SILENCE, subject, text);
}

static void
look_for_silence(struct watcher *w)
{
	int64_t limit_ns = w->o->silence_ns - w->o->every_ns, now_ns = vg_monotonic_ns();

	for (size_t i = 0; i < w->o->nfrom; i++)
		if (now_ns - w->source[i].seen_ns >= limit_ns)
			say_silence(w, w->source[i].url, &w->source[i], w->source[i].seen_ns);
	for (size_t i = 0; i < w->ntenant; i++) {
		const struct tenant *t = &w->tenant[i];

		if (now_ns - t->seen_ns >= limit_ns && !(t->source && vg_alarm_is_on(w->alarms, VG_ALARM_SILENCE, t->source->url)))
			say_silence(w, t->name, t->source, t->seen_ns);
	}
}

static void
on_turn(void *ctx)
{
	struct watcher *w = ctx;
	int64_t now_ns = vg_monotonic_ns();

	look_for_silence(w);
	vg_alarms_turn(w->alarms, now_ns);
	for (size_t i = 0; i < w->o->nfrom; i++)
		if (w->source[i].part.pid == 0 && w->source[i].fd < 0 && now_ns >= w->source[i].part.begin_ns)
			begin_puller(w, &w->source[i]);
	if (w->o->listen >= 0 && w->server.pid == 0 && now_ns >= w->server.begin_ns)
		begin_server(w, -1);
}

static void
on_disk(void *ctx)
{
	struct watcher *w = ctx;
	char text[VG_ALARM_TEXT_MAX];
	uint64_t free_now;
	bool low;

	if (vg_disk_is_low(w->vault, w->o->free_bytes, &low, &free_now) != VG_OK) {
		raise_alarm(w, VG_ALARM_DISK, w->o->tell.name, "the disk cannot be asked how full it is");
	} else if (low) {
		snprintf(text, sizeof(text), "the witness's own disk is nearly full: %llu MB are free; nothing more is fetched", (unsigned long long)(free_now >> 20));
		raise_alarm(w, VG_ALARM_DISK, w->o->tell.name, text);
	} else {
		vg_alarm_clear(w->alarms, VG_ALARM_DISK, w->o->tell.name, "there is room again");
	}
}

static void
reap(struct watcher *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < w->o->nfrom; i++)
			if (w->source[i].part.pid == pid) {
				if (!WIFEXITED(status) || WEXITSTATUS(status) != CODE_AGAIN)
					vg_log(VG_LOG_ERROR, "the process that pulls from %s ended (%s %d); it is begun again", w->source[i].url,
					       WIFSIGNALED(status) ? "signal" : "code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
				part_ended(&w->source[i].part);
			}
		if (w->server.pid == pid) {
			vg_log(VG_LOG_ERROR, "the process that serves the copy ended; it is begun again");
			part_ended(&w->server);
		}
		for (size_t i = 0; i < TELLERS_MAX; i++)
			if (w->teller[i] == pid) {
				w->teller[i] = 0;
				if (status != 0)
					vg_log(VG_LOG_ERROR, "an alarm was NOT told by one of its channels; see above");
			}
	}
}

static void
on_signal(void *ctx, uint32_t events)
{
	struct watcher *w = ctx;
	struct signalfd_siginfo s;

	(void)events;
	while (read(w->signals, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			reap(w);
		else
			vg_loop_stop(w->loop);
	}
}

/* ---- beginning ---- */

static vg_rc
read_key(int fd, struct vg_note_secret *out)
{
	uint8_t seed[32];
	char text[VG_NOTE_NAME_MAX + 128];
	ssize_t n = read(fd, text, sizeof(text));
	vg_str rest = vg_str_mem(text, n > 0 ? (size_t)n : 0), name = VG_NIL, hex = VG_NIL;
	size_t got = 0;
	vg_rc rc = VG_E_FORMAT;

	(void)vg_str_split(&rest, '\n', &name);
	(void)vg_str_split(&rest, '\n', &hex);
	if (n > 0 && hex.n == 64 && sodium_hex2bin(seed, sizeof(seed), hex.p, hex.n, NULL, &got, NULL) == 0 && got == sizeof(seed))
		rc = vg_note_key_of_seed(name, seed, out);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(seed, sizeof(seed));
	return n < 0 ? VG_E_SYS : rc;
}

static vg_rc
make_key(int dir, const char *name, struct vg_note_secret *out)
{
	struct vg_buf b = { 0 };
	int fd = -1;
	vg_rc rc = vg_note_key_new(vg_str_of(name), out);

	if (rc != VG_OK)
		return rc;
	vg_buf_printf(&b, "%s\n", name);
	vg_buf_hex(&b, out->secret, 32, false);
	vg_buf_putc(&b, '\n');
	(void)unlinkat(dir, KEY_FILE ".tmp", 0);
	if ((rc = b.rc) == VG_OK && (fd = openat(dir, KEY_FILE ".tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		rc = VG_E_SYS;
	if (rc == VG_OK && (rc = vg_write_all(fd, vg_buf_str(&b))) == VG_OK &&
	    (fsync(fd) < 0 || renameat(dir, KEY_FILE ".tmp", dir, KEY_FILE) < 0 || fsync(dir) < 0))
		rc = VG_E_SYS;
	if (fd >= 0)
		close(fd);
	if (b.p)
		sodium_memzero(b.p, b.n);
	vg_buf_fini(&b);
	return rc;
}

vg_rc
vg_witness_key(int dir, const char *name, struct vg_note_secret *out)
{
	int fd = openat(dir, KEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	vg_rc rc;

	if (sodium_init() < 0)
		return VG_E_SYS;
	if (fd < 0)
		return errno == ENOENT ? make_key(dir, name, out) : VG_E_SYS;
	rc = read_key(fd, out);
	close(fd);
	return rc;
}

/* Beside the tenants' folders, for whoever asks. */
static vg_rc
write_public_key(struct watcher *w)
{
	struct vg_buf b = { 0 };
	int fd = openat(w->vault, VG_WITNESS_KEY_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	vg_rc rc = VG_E_SYS;

	vg_note_key_print(&w->key.key, &b);
	vg_buf_putc(&b, '\n');
	if (fd >= 0 && (rc = b.rc) == VG_OK && (rc = vg_write_all(fd, vg_buf_str(&b))) == VG_OK && fsync(fd) < 0)
		rc = VG_E_SYS;
	if (fd >= 0)
		close(fd);
	if (rc == VG_OK)
		vg_log(VG_LOG_INFO, "the witness's key: %.*s", (int)(b.n - 1), b.p);
	vg_buf_fini(&b);
	return rc;
}

static int
folder(int dir, const char *name)
{
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static vg_rc
on_known(void *ctx, vg_str name)
{
	struct watcher *w = ctx;

	return tenant_of(w, name, w->o->nfrom == 1 ? &w->source[0] : NULL) ? VG_OK : VG_E_NOMEM;
}

/* The tenants that it keeps already: one that does not come any more is silent too. */
static vg_rc
know_tenants(struct watcher *w)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_tenants_print(w->vault, &b);

	if (rc == VG_OK)
		rc = vg_tenants_parse(vg_buf_str(&b), on_known, w);
	vg_buf_fini(&b);
	return rc;
}

static vg_rc
open_state(struct watcher *w, char *why)
{
	const char *path = w->o->state;
	struct vg_disk d = { .dir = -1 };
	char format[300];
	vg_rc rc = VG_OK;

	w->dir = folder(AT_FDCWD, path);
	if (w->dir >= 0 && flock(w->dir, LOCK_EX | LOCK_NB) < 0) {
		snprintf(why, VG_WITNESS_WHY, "%s: another witness works on it", path);
		return VG_E_REFUSED;
	}
	d.dir = w->dir;
	if (w->dir >= 0 && (rc = vg_format_check(&d, path, "witness", VG_WITNESS_VERSION, format)) != VG_OK) {
		snprintf(why, VG_WITNESS_WHY, "%.250s", format);
		return rc;
	}
	if (w->dir < 0 || (w->vault = folder(w->dir, "vault")) < 0 || (w->forks = folder(w->dir, "forks")) < 0 || (w->epochs = folder(w->dir, "epochs")) < 0 ||
	    fsync(w->dir) < 0)
		rc = VG_E_SYS;
	if (rc == VG_OK && (rc = vg_format_write(&d, "witness", VG_WITNESS_VERSION)) == VG_OK && (rc = vg_witness_key(w->dir, w->o->tell.name, &w->key)) == VG_OK && (rc = write_public_key(w)) == VG_OK)
		rc = know_tenants(w);
	if (rc != VG_OK)
		snprintf(why, VG_WITNESS_WHY, "%s: %s", path, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	return rc;
}

static vg_rc
begin(struct watcher *w, char *why)
{
	sigset_t s = our_signals();
	vg_rc rc;

	for (size_t i = 0; i < w->o->nfrom; i++)
		w->source[i] = (struct source){ .url = w->o->from[i], .fd = -1, .seen_ns = vg_monotonic_ns(), .w = w };
	if ((rc = open_state(w, why)) != VG_OK)
		return rc;
	if (sigprocmask(SIG_BLOCK, &s, NULL) < 0 || (w->signals = signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
		return VG_E_SYS;
	if (w->o->listen >= 0 && (rc = begin_server_first(w, why)) != VG_OK)
		return rc;
	if ((rc = vg_loop_new(&w->loop)) != VG_OK || (rc = vg_alarms_new(REPEAT_NS, on_alarm, w, &w->alarms)) != VG_OK ||
	    (rc = vg_watch_new(w->loop, w->signals, EPOLLIN, on_signal, w, &w->on_signals)) != VG_OK ||
	    (rc = vg_loop_every(w->loop, TURN_MS, on_turn, w)) != VG_OK || (rc = vg_loop_every(w->loop, DISK_MS, on_disk, w)) != VG_OK)
		return rc;
	on_disk(w);
	on_turn(w);
	return VG_OK;
}

static void
end(struct watcher *w)
{
	for (size_t i = 0; i < w->o->nfrom; i++) {
		if (w->source[i].part.pid > 0)
			(void)kill(w->source[i].part.pid, SIGKILL); /* the copy is safe at any time */
		close_lines(&w->source[i]);
	}
	if (w->server.pid > 0)
		(void)kill(w->server.pid, SIGKILL);
	for (size_t i = 0; i < w->o->nfrom; i++)
		if (w->source[i].part.pid > 0)
			(void)waitpid(w->source[i].part.pid, NULL, 0);
	if (w->server.pid > 0)
		(void)waitpid(w->server.pid, NULL, 0);
	vg_watch_free(w->on_signals);
	vg_alarms_free(w->alarms);
	vg_loop_free(w->loop);
	for (int *fd = (int[]){ w->signals, w->vault, w->forks, w->epochs, w->dir, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	vg_note_secret_fini(&w->key);
	free(w->tenant);
}

vg_rc
vg_witness_run(const struct vg_witness_options *o, char why[VG_WITNESS_WHY])
{
	struct watcher *w = calloc(1, sizeof(*w));
	vg_rc rc;

	why[0] = 0;
	if (w == NULL)
		return VG_E_NOMEM;
	vg_sandbox_hide();
	w->o = o;
	w->dir = w->vault = w->forks = w->epochs = w->signals = -1;
	if ((rc = begin(w, why)) == VG_OK) {
		(void)!write(STDOUT_FILENO, "ready\n", 6);
		rc = vg_loop_run(w->loop);
	}
	if (rc != VG_OK && why[0] == 0)
		snprintf(why, VG_WITNESS_WHY, "%s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	end(w);
	free(w);
	return rc;
}
