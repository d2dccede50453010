/* role/out_errand.c - what is sent: one thing to one place, behind its name was looked up. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "proc/exec.h"
#include "role/out_impl.h"

#define FRESH_NS (60 * INT64_C(1000000000)) /* an address that was looked up */
#define ADDRESSES_MAX 8
#define NAMES_MEMORY ((size_t)64 << 20)

/* ---- places ---- */

static bool
is_numeric(const char *host)
{
	uint8_t ip[16];
	char inner[64];
	size_t n = strlen(host);

	if (n > 2 && n < sizeof(inner) && host[0] == '[' && host[n - 1] == ']') {
		snprintf(inner, sizeof(inner), "%.*s", (int)(n - 2), host + 1);
		host = inner;
	}
	return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

int
out_place_of(struct out *o, const char *url)
{
	struct out_place p = { .known_ns = 0 };

	if (!vg_outward_place(url, p.host, p.port))
		return -1;
	for (int i = 0; i < o->nplace; i++)
		if (strcmp(o->place[i].host, p.host) == 0 && strcmp(o->place[i].port, p.port) == 0)
			return i;
	if (o->nplace == OUT_PLACES_MAX)
		return -1;
	p.numeric = is_numeric(p.host);
	o->place[o->nplace] = p;
	return o->nplace++;
}

/* ---- the helper that looks up names; it is asked for a place by its number ---- */

static void
look_up(void *ctx, vg_str ask, struct vg_buf *answer)
{
	const struct out *o = ctx;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	size_t at = ask.n == 1 ? (unsigned char)ask.p[0] : OUT_PLACES_MAX;
	int n = 0, code;

	if (at >= (size_t)o->nplace)
		return;
	code = getaddrinfo(o->place[at].host, NULL, &hints, &all);
	if (code != 0) {
		vg_buf_printf(answer, "!%s", code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
		return;
	}
	for (const struct addrinfo *a = all; a && n < ADDRESSES_MAX; a = a->ai_next) {
		char text[64];

		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0 && strchr(text, '%') == NULL)
			vg_buf_printf(answer, "%s%s", n++ ? "," : "", text);
	}
	freeaddrinfo(all);
}

/* "1.2.3.4,2001:db8::1" and nothing else: the helper is another process, whose word is looked at. */
static bool
are_addresses(vg_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789abcdef.:,", s.p[i]))
			return false;
	return s.n > 0 && s.n < sizeof(((struct out_place *)0)->addresses);
}

static void
finish(struct out_errand *e, vg_rc rc, vg_str answer, const char *why)
{
	struct out *o = e->o;

	if (o->db) /* else it is told again */
		e->done(o, e, rc, answer, why);
	vg_buf_fini(&e->body);
	*e = (struct out_errand){ .state = OUT_FREE };
}

static void
on_done(void *ctx, vg_rc rc, vg_str answer, const char *why)
{
	finish(ctx, rc, answer, why);
}

static void
start(struct out_errand *e)
{
	struct out *o = e->o;
	const struct out_place *p = &o->place[e->place];

	e->state = OUT_RUNS;
	e->job.body = vg_buf_str(&e->body);
	e->job.done = on_done;
	e->job.ctx = e;
	e->job.seconds = OUT_SECONDS;
	if (!p->numeric) {
		snprintf(e->resolve, sizeof(e->resolve), "%s:%s:%s", p->host, p->port, p->addresses);
		e->job.resolve = e->resolve;
	}
	if (e->body.rc != VG_OK || vg_outward_start(o->outward, &e->job) != VG_OK)
		finish(e, VG_E_NOMEM, VG_NIL, "out of memory");
}

static bool
is_known(const struct out_place *p)
{
	return p->numeric || (p->known_ns && vg_monotonic_ns() - p->known_ns < FRESH_NS);
}

static void
on_name(void *ctx, vg_str answer)
{
	struct out *o = ctx;
	struct out_place *p = &o->place[o->asked_place];
	char why[VG_OUTWARD_WHY];

	if (are_addresses(answer)) {
		snprintf(p->addresses, sizeof(p->addresses), "%.*s", VG_STR_ARG(answer));
		p->known_ns = vg_monotonic_ns();
		out_errand_turn(o);
		return;
	}
	snprintf(why, sizeof(why), "the name %.100s is not known%s", p->host, answer.n > 1 && answer.p[0] == '!' ? ": " : "");
	if (answer.n > 1 && answer.p[0] == '!')
		snprintf(why + strlen(why), sizeof(why) - strlen(why), "%.*s", VG_STR_ARG(vg_str_cut(vg_str_skip(answer, 1), 80)));
	for (size_t i = 0; i < OUT_ERRANDS_MAX; i++)
		if (o->errand[i].state == OUT_WAITS && o->errand[i].place == o->asked_place)
			finish(&o->errand[i], VG_E_SYS, VG_NIL, why);
	out_errand_turn(o);
}

/* ---- the helper that runs the command; it gets what stands on its input ---- */

static void
run_command(void *ctx, vg_str ask, struct vg_buf *answer)
{
	const struct out *o = ctx;
	struct vg_exec_job j = { .argv = o->argv, .input = ask, .quiet = true, .seconds = OUT_SECONDS };
	char why[VG_EXEC_WHY];

	if (vg_exec_run(&j, why) == VG_OK)
		vg_buf_putc(answer, 'y');
	else
		vg_buf_printf(answer, "n%s", why);
}

static void
on_run(void *ctx, vg_str answer)
{
	struct out *o = ctx;
	struct out_errand *e = o->ordered;
	char why[VG_OUTWARD_WHY];
	bool ok = answer.n && answer.p[0] == 'y';

	snprintf(why, sizeof(why), "%.*s", VG_STR_ARG(vg_str_skip(answer, 1)));
	o->ordered = NULL;
	if (e)
		finish(e, ok ? VG_OK : VG_E_SYS, VG_NIL, why);
	out_errand_turn(o);
}

/* ---- both ---- */

/* There is no way to make another one from within the sandbox. */
static void
on_ended(void *ctx)
{
	struct out *o = ctx;

	vg_role_say(o->env, VG_LOG_ERROR, "out: its helper ended; out begins again");
	vg_channel_flush(o->env->parent, 500);
	exit(1);
}

/* Where glibc's resolver reads how names are asked. */
static const char *const resolver_reads[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/run/systemd/resolve", "/run/resolvconf",
	"/run/NetworkManager", NULL,
};

/* The settings' secrets: the copies in a helper's memory. */
static void
forget(void *ctx)
{
	struct out *o = ctx;

	for (size_t i = 0; i < o->env->ngiven; i++)
		if (o->env->given[i].text.n)
			explicit_bzero((void *)(uintptr_t)o->env->given[i].text.p, o->env->given[i].text.n);
	for (size_t i = 0; i < o->nway; i++)
		if (o->way[i].kind == OUT_WEBHOOK)
			explicit_bzero((void *)(uintptr_t)o->way[i].url, strlen(o->way[i].url));
}

vg_rc
out_begin_helpers(struct out *o)
{
	struct vg_sandbox_limits limits = { .data_bytes = NAMES_MEMORY, .may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_CONNECT, .see = resolver_reads };
	struct vg_helper_options names = { "out-names", forget, look_up, &limits, on_name, on_ended, o };
	struct vg_helper_options command = { "out-command", forget, run_command, NULL, on_run, on_ended, o };
	bool asks = false;
	vg_rc rc = VG_OK;

	for (int i = 0; i < o->nplace; i++)
		asks = asks || !o->place[i].numeric;
	(void)setenv("RES_OPTIONS", "timeout:3 attempts:2", 0);
	if (asks)
		rc = vg_helper_new(o->env->loop, &names, &o->names);
	if (rc == VG_OK && o->argv[0])
		rc = vg_helper_new(o->env->loop, &command, &o->command);
	return rc;
}

/* ---- errands ---- */

struct out_errand *
out_errand_new(struct out *o)
{
	for (size_t i = 0; i < OUT_ERRANDS_MAX; i++)
		if (o->errand[i].state == OUT_FREE) {
			o->errand[i] = (struct out_errand){ .o = o, .place = -1 };
			return &o->errand[i];
		}
	return NULL;
}

void
out_errand_go(struct out_errand *e)
{
	e->state = OUT_WAITS;
	out_errand_turn(e->o);
}

void
out_errand_turn(struct out *o)
{
	for (size_t i = 0; i < OUT_ERRANDS_MAX; i++) {
		struct out_errand *e = &o->errand[i];

		if (e->state != OUT_WAITS)
			continue;
		if (e->place < 0) {
			if (o->ordered)
				continue;
			e->state = OUT_RUNS;
			o->ordered = e;
			vg_helper_ask(o->command, vg_buf_str(&e->body));
		} else if (is_known(&o->place[e->place])) {
			start(e);
		} else if (!vg_helper_is_busy(o->names)) {
			char at = (char)e->place;

			o->asked_place = e->place;
			vg_helper_ask(o->names, vg_str_mem(&at, 1));
		}
	}
}
