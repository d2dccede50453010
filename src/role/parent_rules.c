/* role/parent_rules.c - the rules of the watch: made, told what is wrong with them, taken as a whole or not at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "role/parent_impl.h"
#include "rule/program.h"

#define OVERDUE_NS (10 * VG_MIN) /* a refused set that keeps an exception beyond its time is looked at again */

struct telling {
	struct vg_buf *reasons; /* NULL: not asked for */
	bool quiet;
};

static void
tell_reason(const struct telling *t, vg_str line)
{
	if (!t->quiet)
		vg_log(VG_LOG_ERROR, "%.*s", VG_STR_ARG(line));
	if (t->reasons) {
		vg_buf_put(t->reasons, line);
		vg_buf_putc(t->reasons, '\n');
	}
}

static void
tell_diag(void *ctx, const struct vg_program *p, const struct vg_diag *d)
{
	const struct telling *t = ctx;
	struct vg_buf line = { 0 };

	if (d->origin != VG_ORIGIN_GIVEN && d->origin != VG_ORIGIN_EXCEPTION)
		return; /* SigmaHQ's own are for `vigie rule check` */
	if (d->fatal) {
		vg_buf_printf(&line, "%.*s:%u: %.*s", VG_STR_ARG(vg_program_str(p, d->file)), d->line, VG_STR_ARG(vg_program_str(p, d->text)));
		tell_reason(t, vg_buf_str(&line));
		vg_buf_fini(&line);
	} else if (d->note && !t->quiet)
		vg_log(VG_LOG_WARNING, "%.*s:%u: %.*s", VG_STR_ARG(vg_program_str(p, d->file)), d->line, VG_STR_ARG(vg_program_str(p, d->text)));
}

static void
tell_packs(int fd, const struct telling *t)
{
	struct vg_buf b = { 0 };
	vg_str rest, line;

	if (vg_knowledge_pack_problems(fd, &b) == VG_OK)
		for (rest = vg_buf_str(&b); vg_str_split(&rest, '\n', &line);)
			if (line.n)
				tell_reason(t, line);
	vg_buf_fini(&b);
}

/* C strings of a list, and NULL; owned, as each is.  NULL: no memory. */
static const char **
strings_of(const struct vg_texts *t)
{
	const char **s = calloc(t->n + 1, sizeof(*s));

	for (size_t i = 0; s && i < t->n; i++)
		if ((s[i] = strndup(t->item[i].p, t->item[i].n)) == NULL) {
			while (i)
				free((void *)(uintptr_t)s[--i]);
			free(s);
			return NULL;
		}
	return s;
}

static void
free_strings(const char **s)
{
	for (size_t i = 0; s && s[i]; i++)
		free((void *)(uintptr_t)s[i]);
	free(s);
}

static char *
path_in(const struct vg_house *h, vg_str given, const char *name)
{
	char path[4400];

	if (given.n)
		return strndup(given.p, given.n);
	snprintf(path, sizeof(path), "%s/%s", h->path, name);
	return access(path, F_OK) == 0 ? strdup(path) : NULL;
}

vg_rc
vg_serve_rules(struct vg_house *h, const struct vg_settings *s, int *fd, struct vg_knowledge_summary *out, struct vg_buf *reasons, bool quiet)
{
	struct telling t = { reasons, quiet };
	const char **folder = strings_of(&s->rules.folders), **packs = strings_of(&s->packs.folders);
	char *exceptions = path_in(h, s->rules.exceptions, "exceptions");
	const char *exception[1] = { exceptions };
	struct vg_knowledge_options o = { .rules = folder, .nrules = s->rules.folders.n, .packs = packs, .npacks = s->packs.folders.n, .no_default_rules = s->rules.only, .exceptions = exception, .nexceptions = exceptions ? 1 : 0,
					  .now_ns = vg_clock_ns(), .sealed = true };
	char why[400] = "";
	vg_rc rc = VG_E_NOMEM;

	if (folder == NULL || packs == NULL)
		goto out;
	rc = vg_knowledge_make(&o, fd, out, why);
	if (why[0] && (rc != VG_OK || out->unread_given))
		tell_reason(&t, vg_str_of(why));
	else if (why[0] && !quiet)
		vg_log(VG_LOG_WARNING, "rules: %s", why);
	if (rc != VG_OK)
		goto out;
	rc = vg_knowledge_diags(*fd, tell_diag, &t);
	tell_packs(*fd, &t);
	if (rc == VG_OK && !vg_knowledge_whole(out)) {
		if (!quiet)
			vg_log(VG_LOG_ERROR, "rules: %u rules and exceptions, %u files and %u packs that were given cannot be used", out->refused_given,
			       out->unread_given, out->packs_given_wrong);
		rc = VG_E_REFUSED;
	}
	if (rc != VG_OK)
		close(*fd);
out:
	free_strings(folder);
	free_strings(packs);
	free(exceptions);
	return rc;
}

static void
use_rules(struct parent *p, const struct vg_knowledge_summary *n)
{
	p->rules = *n;
	p->valid_until_ns = n->valid_until_ns;
	p->rules_ns = vg_clock_ns();
	p->refused_ns = 0;
}

vg_rc
parent_prepare_rules(struct parent *p)
{
	struct vg_knowledge_summary n;
	vg_rc rc = vg_serve_rules(p->o->house, p->o->settings, &p->knowledge, &n, NULL, false);

	if (rc != VG_OK)
		return rc;
	use_rules(p, &n);
	if (!p->o->quiet)
		printf("vigie: %u rules, %u correlations, %u exceptions%s\n", n.rules, n.correlations, n.filters,
		       n.rules < 1000 ? " (SigmaHQ's rules were not found: see `vigie help hunt`)" : "");
	return VG_OK;
}

/* A new set takes the place of the old one as a whole, or not at all.  Those that work with it begin anew, from where they were. */
void
parent_reload(struct parent *p)
{
	struct vg_knowledge_summary n;
	int fd;

	vg_buf_clear(&p->reasons);
	if (vg_serve_rules(p->o->house, p->o->settings, &fd, &n, &p->reasons, false) != VG_OK) {
		p->refused_ns = vg_clock_ns();
		p->valid_until_ns = p->rules.valid_until_ns; /* its exceptions still end */
		if (p->valid_until_ns <= p->refused_ns)
			p->valid_until_ns = p->refused_ns + OVERDUE_NS;
		vg_log(VG_LOG_ERROR, "the new rules are refused; the old ones work on");
		return;
	}
	close(p->knowledge);
	p->knowledge = fd;
	use_rules(p, &n);
	vg_log(VG_LOG_INFO, "new rules: %u rules, %u correlations, %u exceptions", n.rules, n.correlations, n.filters);
	for (size_t i = 0; i < p->n; i++) {
		struct child *c = &p->child[i];

		if ((c->role == VG_ROLE_DETECT || c->role == VG_ROLE_TRACE) && c->pid && c->channel) {
			c->asked = true;
			vg_channel_send(c->channel, VG_MSG_STOP, VG_NIL);
		}
	}
}
