/* cmd/coverage.c - `vigie rule coverage`: what evidence and rules have in common, and what each lacks of the other. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/map.h"
#include "cmd/common.h"
#include "proc/pool.h"
#include "source/archive.h"
#include "source/evidence.h"

#define KINDS_MAX 4096  /* kinds of events told apart: log sources and channel */
#define NAMES_MAX 20000 /* field names that no rule reads, told apart */

const struct vg_opt vg_coverage_opts[] = {
	VG_RULE_OPTIONS,
	{ "--all", VG_OPT_FLAG, NULL, "list every rule that cannot be fed, not only counts a log source" },
	{ "--no-cache", VG_OPT_FLAG, NULL, "compile the rules anew, and keep nothing on disk" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

struct kind {
	vg_str channel;
	const struct vg_logsource *ls;
	uint32_t nls;
	uint64_t events;
	uint8_t *has; /* a bit a key */
	bool read;    /* some rule applies */
};

struct coverage {
	const struct vg_knowledge *k;
	const struct vg_file_list *files;
	const int *fd;
	bool all;
	uint64_t unread;
	uint8_t *known; /* one a rule: some pack gives its log source; owned */

	struct kind kind[KINDS_MAX];
	uint32_t nkind;
	struct vg_map kinds, unknown; /* unknown: channel, NUL, field name -> index of count */
	struct { vg_str name; uint64_t n; } count[NAMES_MAX];
	uint32_t ncount;
	struct vg_arena arena, keep;
	struct vg_event event;
	struct vg_buf out;
	uint64_t events;
};

static struct kind *
kind_of(struct coverage *c, const struct vg_event *e)
{
	char key[600];
	size_t n = e->channel.n < 500 ? e->channel.n : 500;
	uint32_t at;

	memcpy(key, &e->ls, sizeof(e->ls));
	if (n)
		memcpy(key + sizeof(e->ls), e->channel.p, n);
	at = vg_map_find(&c->kinds, vg_str_mem(key, sizeof(e->ls) + n));
	if (at != VG_MAP_NONE)
		return &c->kind[at];
	if (c->nkind == KINDS_MAX ||
	    vg_map_add(&c->kinds, vg_str_mem(key, sizeof(e->ls) + n), c->nkind, NULL) == VG_MAP_NONE)
		return NULL;
	c->kind[c->nkind] = (struct kind){ .channel = vg_str_dup(&c->keep, vg_str_cut(e->channel, n)), .ls = e->ls, .nls = e->nls,
					   .has = vg_arena_zalloc(&c->keep, vg_keys_count(c->k->keys) / 8 + 1, 1) };
	if (c->kind[c->nkind].has == NULL)
		return NULL;
	for (uint32_t r = 0; r < c->k->program.nrule && e->nls; r++)
		if (c->k->program.rule[r].kind == VG_RULE_BASE && vg_rule_applies(&c->k->program, r, e)) {
			c->kind[c->nkind].read = true;
			break;
		}
	return &c->kind[c->nkind++];
}

static void
count_unknown(struct coverage *c, const struct vg_event *e, const struct vg_field *f)
{
	char key[512];
	size_t n = e->channel.n < 200 ? e->channel.n : 200, m = f->name.n < 200 ? f->name.n : 200;
	uint32_t at;
	vg_str kept;

	if (n)
		memcpy(key, e->channel.p, n);
	memcpy(key + n, ": ", 2);
	memcpy(key + n + 2, f->name.p, m);
	at = vg_map_find(&c->unknown, vg_str_mem(key, n + 2 + m));
	if (at == VG_MAP_NONE) {
		if (c->ncount == NAMES_MAX)
			return;
		at = vg_map_add(&c->unknown, vg_str_mem(key, n + 2 + m), c->ncount, &kept);
		if (at == VG_MAP_NONE)
			return;
		c->count[c->ncount].name = kept;
		c->count[c->ncount++].n = 0;
	}
	c->count[at].n++;
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct coverage *c = ctx;
	struct kind *k = kind_of(c, e);

	c->events++;
	if (k == NULL)
		return VG_OK;
	k->events++;
	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *f = &e->field[i];

		if (f->key < vg_keys_count(c->k->keys))
			k->has[f->key / 8] |= (uint8_t)(1u << (f->key % 8));
		if (f->key == VG_KEY_NONE || f->key >= c->k->program.nkey)
			count_unknown(c, e, f);
	}
	return VG_OK;
}

/* Could this node become true with the fields that are there?  @missing: the first name that stands against it. */
static bool
could(const struct vg_program *p, uint32_t node, const struct kind *k, uint32_t *missing, unsigned depth)
{
	const struct vg_node *n = &p->node[node];
	bool any = false;

	if (depth > 64)
		return true;
	switch ((enum vg_op)n->op) {
	case VG_OP_FALSE:
		return false;
	case VG_OP_TRUE:
	case VG_OP_NOT:
	case VG_OP_REF:
		return true;
	case VG_OP_ITEM: {
		const struct vg_item *it = &p->item[n->first];

		if (it->kind == VG_ITEM_KEYWORDS || it->kind == VG_ITEM_NULL || (k->has[it->key / 8] >> (it->key % 8) & 1))
			return true;
		*missing = it->key;
		return false;
	}
	case VG_OP_AND:
		for (uint32_t i = 0; i < n->n; i++)
			if (!could(p, p->child[n->first + i], k, missing, depth + 1))
				return false;
		return true;
	case VG_OP_OR:
		for (uint32_t i = 0; i < n->n && !any; i++)
			any = could(p, p->child[n->first + i], k, missing, depth + 1);
		return any;
	}
	return true;
}

static void
put_source(struct vg_buf *b, vg_str product, vg_str category, vg_str service)
{
	vg_buf_safe(b, product.n ? product : VG_STR("*"));
	vg_buf_putc(b, '/');
	vg_buf_safe(b, category.n ? category : VG_STR("*"));
	vg_buf_putc(b, '/');
	vg_buf_safe(b, service.n ? service : VG_STR("*"));
}

struct lack { /* rules of one log source that lack the same thing */
	vg_str text;
	uint64_t n;
};

static int
lack_cmp(const void *a, const void *b)
{
	const struct lack *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n ? 1 : -1) : vg_str_cmp(x->text, y->text);
}

static bool
know_sources(struct coverage *c)
{
	const struct vg_program *p = &c->k->program;
	size_t n = 0;
	struct vg_event e = { .ls = vg_packs_logsources(c->k->packs, &n) };

	e.nls = (uint32_t)n;
	if ((c->known = calloc((size_t)p->nrule + 1, 1)) == NULL)
		return false;
	for (uint32_t r = 0; r < p->nrule; r++)
		c->known[r] = vg_rule_applies(p, r, &e);
	return true;
}

static void
print_rules(struct coverage *c)
{
	const struct vg_program *p = &c->k->program;
	struct lack *lack = calloc(p->nrule + 1, sizeof(*lack));
	struct vg_map map;
	uint32_t nlack = 0, base = 0, fed = 0;

	if (lack == NULL)
		return;
	vg_map_init(&map, (size_t)32 << 20);
	for (uint32_t r = 0; r < p->nrule; r++) {
		uint32_t missing = VG_KEY_NONE, at;
		bool source = false, ok = false;
		struct vg_buf t = { 0 };
		vg_str kept;

		if (p->rule[r].kind != VG_RULE_BASE)
			continue;
		base++;
		for (uint32_t i = 0; i < c->nkind && !ok; i++) {
			struct vg_event e = { .ls = c->kind[i].ls, .nls = c->kind[i].nls };

			if (c->kind[i].nls == 0 || !vg_rule_applies(p, r, &e))
				continue;
			source = true;
			ok = could(p, p->rule[r].root, &c->kind[i], &missing, 0);
		}
		fed += ok;
		if (ok)
			continue;
		put_source(&t, vg_program_str(p, p->rule[r].product), vg_program_str(p, p->rule[r].category),
			   vg_program_str(p, p->rule[r].service));
		if (!source) {
			vg_buf_puts(&t, c->known[r] ? ": no event of this log source" : ": no pack gives this log source");
		} else {
			vg_buf_puts(&t, ": no field ");
			vg_buf_safe(&t, missing == VG_KEY_NONE ? VG_STR("that it needs") : vg_keys_name(c->k->keys, missing));
		}
		if (c->all) {
			vg_buf_puts(&t, "  ");
			vg_buf_safe(&t, vg_program_str(p, p->rule[r].title));
		}
		at = vg_map_add(&map, vg_buf_str(&t), nlack, &kept);
		if (at == nlack)
			lack[nlack++] = (struct lack){ kept, 0 };
		if (at != VG_MAP_NONE)
			lack[at].n++;
		vg_buf_fini(&t);
	}
	vg_buf_printf(&c->out, "%llu events; %u of %u rules can be fed by this evidence\n\nRules that it can never feed\n",
		      (unsigned long long)c->events, fed, base);
	qsort(lack, nlack, sizeof(*lack), lack_cmp);
	for (uint32_t i = 0; i < nlack; i++) {
		vg_buf_printf(&c->out, "%6llu  ", (unsigned long long)lack[i].n);
		vg_buf_put(&c->out, lack[i].text);
		vg_buf_putc(&c->out, '\n');
	}
	vg_map_fini(&map);
	free(lack);
}

static int
kind_cmp(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	return x->events != y->events ? (x->events < y->events ? 1 : -1) : vg_str_cmp(x->channel, y->channel);
}

static void
print_evidence(struct coverage *c)
{
	struct lack *l = calloc(c->ncount + 1, sizeof(*l));

	vg_buf_puts(&c->out, "\nChannels that no rule reads\n");
	qsort(c->kind, c->nkind, sizeof(*c->kind), kind_cmp);
	for (uint32_t i = 0; i < c->nkind; i++)
		if (!c->kind[i].read) {
			vg_buf_printf(&c->out, "%9llu  ", (unsigned long long)c->kind[i].events);
			vg_buf_safe(&c->out, c->kind[i].channel.n ? c->kind[i].channel : VG_STR("(no channel)"));
			vg_buf_puts(&c->out, c->kind[i].nls ? "\n" : "  (no pack knows it)\n");
		}
	vg_buf_puts(&c->out, "\nFields that no rule reads (the most frequent 40)\n");
	for (uint32_t i = 0; l && i < c->ncount; i++)
		l[i] = (struct lack){ c->count[i].name, c->count[i].n };
	if (l)
		qsort(l, c->ncount, sizeof(*l), lack_cmp);
	for (uint32_t i = 0; l && i < c->ncount && i < 40; i++) {
		vg_buf_printf(&c->out, "%9llu  ", (unsigned long long)l[i].n);
		vg_buf_safe(&c->out, l[i].text);
		vg_buf_putc(&c->out, '\n');
	}
	free(l);
}

static vg_rc
on_stream(void *ctx, const struct vg_stream *s)
{
	struct coverage *c = ctx;
	struct vg_sink sink = { c, on_event, NULL };
	struct vg_reader r = { .in = s->in, .sink = &sink, .event = &c->event, .packs = c->k->packs, .ref_ns = s->mtime_ns,
			       .name = s->name, .first = true };

	c->unread += s->format->read(&r) != VG_OK || s->in->rc != VG_OK;
	return VG_OK;
}

static void
on_refused(void *ctx, vg_str name, const char *why)
{
	(void)name;
	(void)why;
	((struct coverage *)ctx)->unread++;
}

static vg_rc
child(void *ctx)
{
	struct coverage *c = ctx;
	vg_arena_init(&c->arena, (size_t)96 << 20);
	vg_arena_init(&c->keep, (size_t)64 << 20);
	vg_map_init(&c->kinds, (size_t)16 << 20);
	vg_map_init(&c->unknown, (size_t)32 << 20);
	vg_event_init(&c->event, &c->arena, c->k->keys);
	for (size_t i = 0; i < c->files->n; i++) {
		const struct vg_input_file *f = &c->files->file[i];
		const char *slash = strrchr(f->path, '/');
		struct vg_evidence e = { .fd = c->fd[i], .size = f->size, .name = vg_str_of(slash ? slash + 1 : f->path),
					 .mtime_ns = f->mtime_ns, .ctx = c, .stream = on_stream, .refused = on_refused };

		if (c->fd[i] >= 0)
			c->unread += vg_evidence_each(&e) != VG_OK;
	}
	if (!know_sources(c))
		return VG_E_NOMEM;
	print_rules(c);
	print_evidence(c);
	if (c->unread)
		vg_buf_printf(&c->out, "\n%llu files or members could not be read; `vigie hunt` says why\n",
			      (unsigned long long)c->unread);
	return vg_print(&c->out) == VG_EXIT_OK ? VG_OK : VG_E_STOP;
}

int
vg_cmd_rule_coverage(const struct vg_args *a)
{
	static const struct vg_sandbox_limits limits = { .name = "coverage", .data_bytes = (size_t)1 << 30 };
	struct coverage *c = calloc(1, sizeof(*c));
	struct vg_file_list files = { 0 };
	struct vg_knowledge k;
	char why[160] = "";
	int code = VG_EXIT_FAILED, *fd = NULL;
	vg_rc rc;

	if (c == NULL || (code = vg_gather_files(a, &files)) != VG_EXIT_OK || (code = vg_load_knowledge(a, &k)) != VG_EXIT_OK)
		goto out;
	code = VG_EXIT_FAILED;
	if ((fd = calloc(files.n, sizeof(*fd))) == NULL)
		goto out;
	*c = (struct coverage){ .k = &k, .files = &files, .fd = fd, .all = vg_arg_set(a, "--all") };
	for (size_t i = 0; i < files.n; i++) {
		fd[i] = files.file[i].why_not ? -1 : open(files.file[i].path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd[i] < 0)
			vg_log(VG_LOG_WARNING, "%s: not read: %s", files.file[i].path,
			       files.file[i].why_not ? files.file[i].why_not : strerror(errno));
	}
	vg_archive_init(); /* reads what the sandbox then hides */
	rc = vg_sandbox_run(child, c, &limits, 0, why);
	if (rc == VG_OK)
		code = VG_EXIT_OK;
	else if (rc != VG_E_STOP) /* told */
		vg_log(VG_LOG_ERROR, "coverage: %s", why[0] ? why : vg_rc_name(rc));
	for (size_t i = 0; i < files.n; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	vg_knowledge_fini(&k);
out:
	free(fd);
	vg_files_fini(&files);
	free(c);
	return code;
}
