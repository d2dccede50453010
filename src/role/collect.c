/* role/collect.c - the listeners: syslog by UDP, TCP, TLS; HTTPS.  It cuts streams into records and interprets nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/http.h"
#include "net/syslog.h"
#include "role/drill.h"
#include "role/roles.h"
#include "role/sender.h"

#define LISTENERS_MAX 64
#define KEYS_MAX 65536
#define STOP_TURNS 100 /* of 20 ms */

struct collect {
	struct vg_role_env *env;
	struct vg_sender *sender;
	struct vg_syslogd *syslog[LISTENERS_MAX];
	size_t nsyslog;
	struct vg_http *http[LISTENERS_MAX];
	size_t nhttp;
	struct vg_drill *drill; /* NULL: no socket for it */
	struct vg_auth *auth;
	bool stopping;
	int stop_turns;
};

static void
on_room(void *ctx)
{
	struct collect *c = ctx;

	for (size_t i = 0; i < c->nsyslog; i++)
		vg_syslogd_room(c->syslog[i]);
	if (c->drill)
		vg_drill_room(c->drill);
}

static void
on_kept(void *ctx, uint64_t taken)
{
	struct collect *c = ctx;

	for (size_t i = 0; i < c->nhttp; i++)
		vg_http_kept(c->http[i], taken);
	if (c->drill)
		vg_drill_kept(c->drill, taken);
}

/* ---- keys: "ID SHA256 TENANT SOURCE\n" each; a row that is none is told, and the others count ---- */

static bool
take_hex(vg_str s, uint8_t out[32])
{
	if (s.n != 64)
		return false;
	for (size_t i = 0; i < 64; i++) {
		char x = s.p[i];
		int v = vg_is_digit(x) ? x - '0' : x >= 'a' && x <= 'f' ? x - 'a' + 10 : -1;

		if (v < 0)
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
	}
	return true;
}

static vg_rc
take_keys(struct collect *c)
{
	struct vg_auth_key *key = calloc(KEYS_MAX, sizeof(*key));
	vg_str rest = vg_role_text(c->env, "keys"), line;
	size_t n = 0;
	vg_rc rc;

	if (key == NULL)
		return VG_E_NOMEM;
	while (vg_str_split(&rest, '\n', &line) && n < KEYS_MAX) {
		struct vg_auth_key k = { .off = false };
		vg_str hash;

		if (vg_str_split(&line, ' ', &k.id) && vg_str_split(&line, ' ', &hash) && take_hex(hash, k.sha256) && vg_str_split(&line, ' ', &k.tenant) &&
		    line.n) {
			k.source = line;
			key[n++] = k;
		}
	}
	rc = vg_auth_set(c->auth, key, n);
	free(key);
	return rc;
}

/* ---- listeners: "listen:KIND:NAME", the text being the tenant ---- */

static vg_str
part_of(struct collect *c, const char *what, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "%s:%.50s", what, name);
	return vg_role_text(c->env, key);
}

static vg_rc
tls_of(struct collect *c, const char *name, struct vg_tls_creds **out)
{
	struct vg_tls_settings t = { part_of(c, "cert", name), part_of(c, "key", name), part_of(c, "client-ca", name), part_of(c, "require", name).n > 0 };
	char why[VG_TLS_WHY_MAX];
	vg_rc rc = vg_tls_creds_new(&t, why, out);

	if (rc != VG_OK)
		vg_role_say(c->env, VG_LOG_ERROR, "collect: listener %s: %s", name, why);
	return rc;
}

static vg_rc
listen_http(struct collect *c, const struct vg_given *g, const char *name)
{
	struct vg_http_options o = { .listen_fd = g->fd, .auth = c->auth, .certificate = part_of(c, "cert", name), .key = part_of(c, "key", name),
				     .client_ca = part_of(c, "client-ca", name), .tenant = g->text };
	vg_rc rc = vg_http_new(c->env->loop, vg_sender_gate(c->sender), &o, &c->http[c->nhttp]);

	c->nhttp += rc == VG_OK;
	return rc;
}

static vg_rc
listen_on(struct collect *c, const struct vg_given *g)
{
	vg_str rest = vg_str_of(g->name), word, kind;
	const struct vg_gate *gate = vg_sender_gate(c->sender);
	struct vg_tls_creds *tls = NULL;
	const char *name;
	vg_rc rc;

	if (!vg_str_split(&rest, ':', &word) || !vg_str_eq(word, VG_STR("listen")) || g->fd < 0 || !vg_str_split(&rest, ':', &kind))
		return VG_OK;
	name = rest.p; /* ends with the given name */
	if (c->nsyslog == LISTENERS_MAX || c->nhttp == LISTENERS_MAX)
		return VG_E_LIMIT;
	if (vg_str_eq(kind, VG_STR("https")))
		return listen_http(c, g, name);
	if (vg_str_eq(kind, VG_STR("tls")) && (rc = tls_of(c, name, &tls)) != VG_OK)
		return rc;
	if (vg_str_eq(kind, VG_STR("udp")))
		rc = vg_syslogd_udp_new(c->env->loop, gate, g->fd, g->text, vg_str_of(name), &c->syslog[c->nsyslog]);
	else
		rc = vg_syslogd_tcp_new(c->env->loop, gate, g->fd, g->text, vg_str_of(name), tls, NULL, &c->syslog[c->nsyslog]);
	c->nsyslog += rc == VG_OK;
	return rc;
}

/* ---- the role ---- */

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct collect the_collect;
	struct collect *c = &the_collect;
	struct vg_sender_ops ops = { c, on_room, on_kept };
	vg_rc rc;

	c->env = e;
	e->ctx = c;
	limits->may = VG_MAY_LOOP;
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)384 << 20);
	if ((rc = vg_tls_init()) != VG_OK || (rc = vg_sender_new(e, false, &ops, &c->sender)) != VG_OK || (rc = vg_auth_new(&c->auth)) != VG_OK ||
	    (rc = take_keys(c)) != VG_OK)
		return rc;
	for (size_t i = 0; i < e->ngiven && rc == VG_OK; i++)
		if ((rc = listen_on(c, &e->given[i])) != VG_OK)
			vg_role_say(e, VG_LOG_ERROR, "collect: %s: %s", e->given[i].name, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	if (rc == VG_OK && vg_role_fd(e, "drill") >= 0)
		rc = vg_drill_new(e->loop, vg_sender_gate(c->sender), vg_role_fd(e, "drill"), &c->drill);
	return rc;
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	struct collect *c = e->ctx;

	(void)index;
	return role == VG_ROLE_VAULT ? vg_sender_vault(c->sender, fd) : VG_E_FORMAT;
}

static void
news(struct vg_role_env *e, const char *name)
{
	if (strcmp(name, "keys") == 0 && take_keys(e->ctx) != VG_OK)
		vg_role_say(e, VG_LOG_ERROR, "collect: the new keys cannot be taken; the old ones stay");
}

static void
on_stop_timer(void *ctx)
{
	struct collect *c = ctx;
	bool done = vg_sender_waiting(c->sender) == 0;

	if (!c->stopping)
		return;
	for (size_t i = 0; i < c->nsyslog; i++) {
		vg_syslogd_room(c->syslog[i]);
		done = done && vg_syslogd_done(c->syslog[i]);
	}
	if (!done && c->stop_turns++ <= STOP_TURNS)
		return;
	if (!done)
		vg_role_say(c->env, VG_LOG_ERROR, "collect: there was no room for what came: %llu records, and what connections still held, are not kept; nothing of it was acknowledged",
			    (unsigned long long)vg_sender_waiting(c->sender));
	vg_role_done(c->env);
}

static void
stop(struct vg_role_env *e)
{
	struct collect *c = e->ctx;

	for (size_t i = 0; i < c->nsyslog; i++)
		vg_syslogd_stop(c->syslog[i]);
	c->stopping = true;
	if (vg_loop_every(e->loop, 20, on_stop_timer, c) != VG_OK)
		vg_role_done(e);
}

static void
tick(struct vg_role_env *e)
{
	struct collect *c = e->ctx;
	struct vg_sender_counts n;
	struct vg_buf b = { 0 };
	uint64_t conns = 0, failed = 0, drops = 0;

	vg_sender_count(c->sender, &n);
	for (size_t i = 0; i < c->nsyslog; i++) {
		const struct vg_syslogd_counts *s = vg_syslogd_counts(c->syslog[i]);

		conns += s->conns_now;
		failed += s->handshakes_failed;
		drops += s->kernel_drops;
	}
	vg_buf_printf(&b, "records %llu\nkept %llu\nbytes %llu\nfull %llu\nsources %u\nconnections %llu\nhandshakes_failed %llu\nkernel_drops %llu\n",
		      (unsigned long long)n.taken, (unsigned long long)n.kept, (unsigned long long)n.bytes, (unsigned long long)n.full, n.sources,
		      (unsigned long long)conns, (unsigned long long)failed, (unsigned long long)drops);
	for (unsigned w = 0; w < VG_REFUSALS; w++)
		vg_buf_printf(&b, "refused{why=\"%s\"} %llu\n", vg_refusal_name(w), (unsigned long long)n.refused[w]);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

const struct vg_role_impl vg_collect_role = { VG_ROLE_COLLECT, prepare, NULL, peer, news, tick, stop };
