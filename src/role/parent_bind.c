/* role/parent_bind.c - the sockets that are listened on: bound before anything drops its power to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "role/parent_impl.h"

static void
address_of(int fd, char out[VG_ADDRESS_MAX])
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct vg_address a = { .given = true };

	out[0] = 0;
	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return;
	if (ss.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&ss;

		a.ip[10] = a.ip[11] = 0xff;
		memcpy(a.ip + 12, &in->sin_addr, 4);
		a.port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&ss;

		memcpy(a.ip, &in->sin6_addr, 16);
		a.port = ntohs(in->sin6_port);
	}
	vg_address_print(&a, out);
}

static int
bind_one(const struct vg_address *a, int type, uint16_t port)
{
	static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	bool is4 = memcmp(a->ip, v4, sizeof(v4)) == 0;
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, size = 16 << 20, fd = socket(is4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(&in4.sin_addr, a->ip + 12, 4);
	memcpy(&in6.sin6_addr, a->ip, 16);
	if (!is4)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, is4 ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6, is4 ? sizeof(in4) : sizeof(in6)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1024) < 0)) {
		int keep = errno;

		close(fd);
		errno = keep;
		return -1;
	}
	if (type == SOCK_DGRAM)
		(void)shutdown(fd, SHUT_WR); /* it says ENOTCONN, and from then on nothing can be sent from it: who receives is no way out */
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return 0;
	return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port : ((struct sockaddr_in6 *)&ss)->sin6_port);
}

static vg_rc
add_bound(struct parent *p, const struct vg_listener *l, const char *name, unsigned role, int type, uint16_t *port)
{
	struct bound *b = &p->bound[p->nbound];
	char text[VG_ADDRESS_MAX];
	struct vg_address a = l->address;

	if (p->nbound == LISTENERS_MAX)
		return VG_E_LIMIT;
	a.port = *port;
	*b = (struct bound){ .role = role, .tenant = l->tenant.n ? l->tenant : p->o->settings->tenants.item[0].name, .l = l };
	snprintf(b->name, sizeof(b->name), "%s", name);
	if ((b->fd = bind_one(&a, type, *port)) < 0) {
		vg_address_print(&a, text);
		vg_log(VG_LOG_ERROR, "listen.%.*s: %s: %s%s", VG_STR_ARG(l->name), text, strerror(errno),
		       errno == EADDRINUSE ? " (another program listens there; choose another port in the settings or with --listen)" :
		       errno == EACCES	   ? " (ports under 1024 need root, or systemd's socket)" :
					     "");
		return VG_E_SYS;
	}
	*port = port_of(b->fd);
	address_of(b->fd, b->address);
	p->nbound++;
	return VG_OK;
}

vg_rc
parent_bind_all(struct parent *p)
{
	const struct vg_settings *s = p->o->settings;
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < s->listen.n && rc == VG_OK; i++) {
		const struct vg_listener *l = &s->listen.item[i];
		uint16_t port = l->address.port;
		char name[64];

		if (l->address.off)
			continue;
		switch (l->kind) {
		case VG_LISTEN_SYSLOG:
			snprintf(name, sizeof(name), "listen:tcp:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			if ((rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_STREAM, &port)) != VG_OK)
				break;
			snprintf(name, sizeof(name), "listen:udp:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_DGRAM, &port); /* port 0: the same one */
			break;
		case VG_LISTEN_SYSLOG_TLS:
			snprintf(name, sizeof(name), "listen:tls:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_STREAM, &port);
			break;
		case VG_LISTEN_HTTPS:
			snprintf(name, sizeof(name), "listen:https:%.*s", VG_STR_ARG(vg_str_cut(l->name, 40)));
			rc = add_bound(p, l, name, VG_ROLE_COLLECT, SOCK_STREAM, &port);
			break;
		case VG_LISTEN_WITNESS:
			rc = add_bound(p, l, "witness", VG_ROLE_PUBLISH, SOCK_STREAM, &port);
			break;
		case VG_LISTEN_METRICS:
			rc = add_bound(p, l, "metrics-listen", VG_ROLE_PUBLISH, SOCK_STREAM, &port);
			break;
		default:
			break;
		}
	}
	return rc;
}

void
parent_tell_listeners(const struct parent *p)
{
	if (p->o->quiet)
		return;
	for (size_t i = 0; i < p->nbound; i++) {
		const struct bound *b = &p->bound[i];
		vg_str rest = vg_str_of(b->name), kind;

		(void)vg_str_split(&rest, ':', &kind);
		if (rest.p)
			(void)vg_str_split(&rest, ':', &kind);
		printf("vigie: listening on %s (%.*s, %.*s)\n", b->address, VG_STR_ARG(b->l->name), VG_STR_ARG(kind));
	}
}
