/* role/parent_status.c - how the watch is, each second: the file `status`, and the same as figures for who publishes them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "role/parent_impl.h"
#include "vault/disk.h"

#define REASONS_MAX 20      /* that status tells of a set of rules that was refused */

static void
put_rules(const struct parent *p, struct vg_buf *b)
{
	vg_str rest = vg_buf_str(&p->reasons), line;
	unsigned n = 0;

	vg_buf_printf(b, "settings %s\nrules.base %u\nrules.correlations %u\nrules.exceptions %u\nrules.since %lld\nrules.sum ", p->o->settings_path, p->rules.rules,
		      p->rules.correlations, p->rules.filters, (long long)p->rules_ns);
	vg_buf_hex(b, p->rules.sum, sizeof(p->rules.sum), false);
	vg_buf_putc(b, '\n');
	if (p->refused_ns == 0)
		return;
	vg_buf_printf(b, "rules.refused %lld\n", (long long)p->refused_ns);
	if (vg_clock_ns() >= p->rules.valid_until_ns)
		vg_buf_puts(b, "rules.overdue 1\n"); /* an exception in it is over */
	for (; n < REASONS_MAX && vg_str_split(&rest, '\n', &line); n++) {
		if (line.n == 0)
			continue;
		vg_buf_printf(b, "rules.refused.%u ", n);
		vg_buf_safe(b, line);
		vg_buf_putc(b, '\n');
	}
}

/* "ROLE.INDEX.NAME VALUE" lines; the same as figures for Prometheus. */
void
parent_write_status(struct parent *p)
{
	struct vg_buf *b = &p->status;
	struct vg_buf m = { 0 };
	struct vg_disk d = { .dir = p->o->house->dir };
	vg_rc rc;

	vg_buf_clear(b);
	vg_buf_printf(b, "time %lld\npid %d\n", (long long)vg_clock_ns(), (int)getpid());
	for (size_t i = 0; i < p->nbound; i++)
		vg_buf_printf(b, "listen.%s %s\n", p->bound[i].name, p->bound[i].address);
	put_rules(p, b);
	for (size_t i = 0; i < p->n; i++) {
		const struct child *c = &p->child[i];
		vg_str rest = vg_buf_str(&c->stats), line;
		const char *role = vg_role_name(c->role);

		vg_buf_printf(b, "%s.%u.pid %d\n%s.%u.restarts %u\n%s.%u.ready %d\n%s.%u.resting %d\n", role, c->index, (int)c->pid, role, c->index, c->restarts,
			      role, c->index, c->ready, role, c->index, c->resting);
		if (c->resting)
			continue;
		while (vg_str_split(&rest, '\n', &line)) {
			size_t sp = vg_str_chr(line, ' '), brace = vg_str_chr(line, '{');
			vg_str name = vg_str_cut(line, sp == VG_NPOS ? line.n : sp);

			if (line.n == 0 || sp == VG_NPOS)
				continue;
			vg_buf_printf(b, "%s.%u.", role, c->index);
			vg_buf_safe(b, line);
			vg_buf_putc(b, '\n');
			vg_buf_printf(&m, "vigie_%s_", role);
			vg_buf_put(&m, vg_str_cut(name, brace < name.n ? brace : name.n));
			if (brace < name.n) /* it brings labels of its own */
				vg_buf_printf(&m, "{index=\"%u\",%.*s %.*s\n", c->index, VG_STR_ARG(vg_str_skip(name, brace + 1)), VG_STR_ARG(vg_str_skip(line, sp + 1)));
			else
				vg_buf_printf(&m, "{index=\"%u\"} %.*s\n", c->index, VG_STR_ARG(vg_str_skip(line, sp + 1)));
		}
		vg_buf_printf(&m, "vigie_role_restarts_total{role=\"%s\",index=\"%u\"} %u\n", role, c->index, c->restarts);
	}
	rc = b->rc != VG_OK ? b->rc : vg_disk_swap(&d, "status", vg_buf_str(b));
	if (rc != VG_OK && !p->stopping)
		vg_log(VG_LOG_WARNING, "%s/status cannot be written: %s", p->o->house->path, strerror(errno));
	for (size_t i = 0; i < p->n && m.rc == VG_OK; i++)
		if (p->child[i].role == VG_ROLE_PUBLISH && p->child[i].channel)
			parent_give(&p->child[i], VG_MSG_NEW, "metrics", vg_buf_str(&m), -1);
	vg_buf_fini(&m);
}
