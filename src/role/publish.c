/* role/publish.c - what others may read: the vault, for a witness that pulls it; figures, for Prometheus on loopback.  It can change nothing. */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "role/messages.h"
#include "role/roles.h"
#include "witness/publish.h"

#define METRICS_CONNECTIONS 16
#define METRICS_IDLE_S 10
#define METRICS_TURN_MS 500

struct publish {
	struct vg_role_env *env;
	struct vg_publish *vault;
	struct MHD_Daemon *metrics;
	struct vg_watch *watch;
};

/* ---- figures ---- */

static enum MHD_Result
answer(void *ctx, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *body, size_t *nbody, void **state)
{
	struct publish *p = ctx;
	vg_str text = vg_role_text(p->env, "metrics");
	bool get = strcmp(method, "GET") == 0, known = strcmp(url, "/metrics") == 0;
	struct MHD_Response *r;
	enum MHD_Result ok;

	(void)version;
	(void)body;
	if (*state == NULL) { /* the head alone: there may be more */
		*state = p;
		return MHD_YES;
	}
	*nbody = 0;
	if (!get || !known)
		text = get ? VG_STR("only /metrics is here\n") : VG_STR("only GET\n");
	if ((r = MHD_create_response_from_buffer(text.n, (void *)(uintptr_t)text.p, MHD_RESPMEM_MUST_COPY)) == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
	ok = MHD_queue_response(c, !get ? MHD_HTTP_METHOD_NOT_ALLOWED : known ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, r);
	MHD_destroy_response(r);
	return ok;
}

static void
run_metrics(void *ctx)
{
	struct publish *p = ctx;

	if (p->metrics)
		(void)MHD_run(p->metrics);
}

static void
on_metrics(void *ctx, uint32_t events)
{
	(void)events;
	run_metrics(ctx);
}

static vg_rc
begin_metrics(struct publish *p, int fd)
{
	const union MHD_DaemonInfo *info;

	p->metrics = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, p, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				      (unsigned)METRICS_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)METRICS_IDLE_S, MHD_OPTION_END);
	if (p->metrics == NULL || (info = MHD_get_daemon_info(p->metrics, MHD_DAEMON_INFO_EPOLL_FD)) == NULL)
		return VG_E_SYS;
	if (vg_watch_new(p->env->loop, info->epoll_fd, EPOLLIN, on_metrics, p, &p->watch) != VG_OK)
		return VG_E_SYS;
	return vg_loop_every(p->env->loop, METRICS_TURN_MS, run_metrics, p);
}

/* ---- the role ---- */

/* Texts are given with a NUL behind them. */
static const char *
text_of(struct vg_role_env *e, const char *name)
{
	vg_str s = vg_role_text(e, name);

	return s.n ? s.p : NULL;
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct publish the_publish;
	struct publish *p = &the_publish;
	struct vg_publish_options o = { .dir = vg_role_fd(e, "folder"), .listen = vg_role_fd(e, "witness"), .token = text_of(e, "token"),
					.cert = text_of(e, "cert"), .key = text_of(e, "key") };
	int metrics = vg_role_fd(e, "metrics-listen");
	vg_rc rc = VG_OK;

	p->env = e;
	e->ctx = p;
	limits->may = VG_MAY_LOOP | VG_MAY_READ;
	limits->dir = o.dir;
	limits->data_bytes = (size_t)128 << 20;
	if (o.listen >= 0)
		rc = vg_publish_new(e->loop, &o, &p->vault);
	if (rc == VG_OK && metrics >= 0)
		rc = begin_metrics(p, metrics);
	return rc;
}

static void
tick(struct vg_role_env *e)
{
	struct publish *p = e->ctx;
	struct vg_buf b = { 0 };

	vg_buf_printf(&b, "witness_seconds %lld\n", p->vault ? (long long)(vg_publish_asked_ns(p->vault) / 1000000000) : 0LL);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

const struct vg_role_impl vg_publish_role = { VG_ROLE_PUBLISH, prepare, NULL, NULL, NULL, tick, NULL };
