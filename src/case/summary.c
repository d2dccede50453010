#include "case/text.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf.h"

/* The terminal is written line by line; a line knows how many columns it has taken, and nothing goes past the last. */
struct screen {
	const struct vg_report_options *o;
	struct vg_buf b;
	struct vg_buf t;   /* scratch */
	size_t columns;
	size_t col;        /* of the line being written */
	unsigned rows;     /* lines ended */
	bool styled, full; /* full: the line was cut */
};

/* For terminals without Unicode: what the sentences of text.h use beyond ASCII. */
static const char *
ascii_of(uint32_t cp)
{
	static const struct {
		uint32_t cp;
		const char *ascii;
	} row[] = {
		{ 0xa0, " " },   { 0xab, "\"" },  { 0xbb, "\"" },  { 0xc0, "A" },   { 0xc7, "C" },    { 0xc8, "E" },
		{ 0xc9, "E" },   { 0xca, "E" },   { 0xe0, "a" },   { 0xe2, "a" },   { 0xe7, "c" },    { 0xe8, "e" },
		{ 0xe9, "e" },   { 0xea, "e" },   { 0xee, "i" },   { 0xef, "i" },   { 0xf4, "o" },    { 0xf9, "u" },
		{ 0xfb, "u" },   { 0x153, "oe" }, { 0x2019, "'" }, { 0x201c, "\"" }, { 0x201d, "\"" }, { 0x2026, "..." },
		{ 0x202f, " " }, { 0x25cf, "*" }, { 0x25cb, "-" }, { 0x2192, "->" },
	};

	for (size_t i = 0; i < VG_COUNT(row); i++)
		if (row[i].cp == cp)
			return row[i].ascii;
	return NULL;
}

/* Text that is safe already, to the end of the line at most. */
static void
put(struct screen *s, vg_str text)
{
	while (text.n && !s->full) {
		uint32_t cp;
		size_t n = vg_utf8_next(text, &cp), w;
		vg_str one = vg_str_cut(text, n ? n : 1), left = vg_str_skip(text, one.n);
		char esc[16];

		if (n == 0) {
			one = VG_STR("?");
		} else if (cp >= 0x80 && !s->o->unicode) {
			const char *a = ascii_of(cp);

			if (a == NULL)
				snprintf(esc, sizeof(esc), "\\u{%x}", cp);
			one = vg_str_of(a ? a : esc);
		}
		w = vg_utf8_columns(one);
		/* the last column is for the mark that something was cut, unless this is the end */
		if (s->col + w > s->columns || (s->col + w == s->columns && left.n)) {
			if (s->col < s->columns)
				vg_buf_puts(&s->b, s->o->unicode ? "\xe2\x80\xa6" : "~");
			s->col = s->columns;
			s->full = true;
			return;
		}
		vg_buf_put(&s->b, one);
		s->col += w;
		text = left;
	}
}

static void
put_z(struct screen *s, const char *z)
{
	put(s, vg_str_of(z));
}

/* Text from the evidence. */
static void
put_safe(struct screen *s, vg_str text)
{
	vg_buf_clear(&s->t);
	vg_buf_safe(&s->t, vg_str_cut(text, 4 * s->columns));
	put(s, vg_buf_str(&s->t));
}

static void
style(struct screen *s, const char *code)
{
	if (!s->o->colour || code == NULL)
		return;
	vg_buf_printf(&s->b, "\x1b[%sm", code);
	s->styled = true;
}

static void
plain(struct screen *s)
{
	if (s->styled)
		vg_buf_puts(&s->b, "\x1b[0m");
	s->styled = false;
}

static void
line_end(struct screen *s)
{
	plain(s);
	while (s->b.n && s->b.p[s->b.n - 1] == ' ')
		s->b.n--;
	vg_buf_putc(&s->b, '\n');
	s->rows++;
	s->col = 0;
	s->full = false;
}

static void
fill_to(struct screen *s, size_t col)
{
	while (s->col < col && s->col < s->columns) {
		vg_buf_putc(&s->b, ' ');
		s->col++;
	}
}

/* Evidence in a column that ends before @end. */
static void
cell(struct screen *s, vg_str text, size_t end)
{
	size_t columns = s->columns;

	if (end < columns)
		s->columns = end - 1;
	put_safe(s, text);
	s->columns = columns;
	s->full = false;
	fill_to(s, end);
}

static const char *const level_style[VG_LEVELS] = { "2", "36", "33", "31", "1;31" };

static void
level_put(struct screen *s, unsigned level)
{
	style(s, level_style[level < VG_LEVELS ? level : 0]);
	put_z(s, vg_text(s->o->lang, vg_text_level(level)));
	plain(s);
}

static void
day_put(struct screen *s, int64_t time_ns)
{
	char t[VG_TIME_MAX];

	if (time_ns == VG_TIME_NONE) {
		put_z(s, "-");
		return;
	}
	(void)vg_time_print(time_ns, 0, t);
	t[10] = ' ';
	put(s, vg_str_mem(t, 16));
}

/* Sentences, broken between words; at most @rows lines. */
static void
wrapped(struct screen *s, vg_str text, unsigned rows, const char *code)
{
	unsigned last = s->rows + rows;
	vg_str word;
	bool begun = false;

	if (rows == 0)
		return;
	style(s, code);
	while (vg_str_split(&text, ' ', &word)) {
		size_t w = vg_utf8_columns(word);

		if (begun && s->col + 1 + w > s->columns && s->rows + 1 < last) {
			line_end(s);
			style(s, code);
			begun = false;
		}
		if (begun)
			put_z(s, " ");
		put(s, word);
		begun = true;
	}
	line_end(s);
}

static void
first_line(struct screen *s, const struct vg_story_view *v)
{
	const struct vg_story_totals *t = &v->total;
	char n1[VG_NUMBER_MAX], n2[VG_NUMBER_MAX];
	struct vg_buf files = { 0 }, events = { 0 }, all = { 0 };
	enum vg_lang l = s->o->lang;

	VG_PUT(&files, vg_text_n(l, VG_N_FILES, t->files), vg_buf_put, vg_text_number(l, t->files, n1));
	VG_PUT(&events, vg_text_n(l, VG_N_EVENTS, t->events), vg_buf_put, vg_text_number(l, t->events, n1));
	VG_PUT(&all, vg_text(l, VG_T_S_READ), vg_buf_put, vg_buf_str(&files), vg_buf_str(&events),
	       vg_text_number(l, t->rules_applicable, n1), vg_text_number(l, t->rules_loaded, n2));
	style(s, "2");
	put_z(s, "Vigie ");
	put_z(s, s->o->version ? s->o->version : "");
	put_z(s, ": ");
	put(s, vg_buf_str(&all));
	line_end(s);
	vg_buf_fini(&files);
	vg_buf_fini(&events);
	vg_buf_fini(&all);
}

static void
chapters(struct screen *s, const struct vg_story_view *v)
{
	for (unsigned c = 0; c < VG_CHAPTERS; c++) {
		bool lit = v->chapter[c].signals && v->chapter[c].worst >= s->o->min_level;
		const char *name = vg_text(s->o->lang, vg_text_chapter(c));
		size_t w = vg_utf8_columns(vg_str_of(name)) + 2;

		if (s->col && s->col + 1 + w > s->columns)
			line_end(s);
		if (s->col)
			put_z(s, " ");
		style(s, lit ? level_style[v->chapter[c].worst < VG_LEVELS ? v->chapter[c].worst : 0] : "2");
		put_z(s, name);
		put_z(s, lit ? " \xe2\x97\x8f" : " \xe2\x97\x8b");
		plain(s);
	}
	line_end(s);
}

static void
levels(struct screen *s, const struct vg_story_view *v)
{
	char number[VG_NUMBER_MAX];

	for (unsigned l = VG_LEVELS; l-- > s->o->min_level;) {
		if (s->col)
			put_z(s, "   ");
		level_put(s, l);
		put_z(s, " ");
		put(s, vg_text_number(s->o->lang, v->total.level[l], number));
	}
	line_end(s);
}

static void
title(struct screen *s, enum vg_text text, uint64_t more)
{
	char number[VG_NUMBER_MAX];

	style(s, "1");
	put_z(s, vg_text(s->o->lang, text));
	plain(s);
	if (more) {
		vg_buf_clear(&s->t);
		vg_buf_puts(&s->t, " (");
		VG_PUT(&s->t, vg_text(s->o->lang, VG_T_S_MORE), vg_buf_put, vg_text_number(s->o->lang, more, number));
		vg_buf_puts(&s->t, ")");
		style(s, "2");
		put(s, vg_buf_str(&s->t));
	}
	line_end(s);
}

/* One line a rule, its hosts together. */
static void
group_lines(struct screen *s, const struct vg_story_view *v, size_t n, size_t all)
{
	size_t rule_at = s->columns >= 100 ? 44 : s->columns >= 60 ? 36 : 26, shown = 0;
	char number[VG_NUMBER_MAX];
	uint32_t done[256];

	title(s, VG_T_T_SIGNALS, all - n);
	for (size_t i = 0; i < v->ngroup && shown < n && shown < VG_COUNT(done); i++) {
		const struct vg_group *g = &v->group[i];
		uint64_t count = 0, hosts = 0;
		bool before = false;

		for (size_t k = 0; k < shown; k++)
			before |= done[k] == g->rule;
		if (before)
			continue;
		done[shown++] = g->rule;
		for (size_t k = i; k < v->ngroup && v->group[k].level == g->level; k++) {
			if (v->group[k].rule == g->rule) {
				count += v->group[k].count;
				hosts++;
			}
		}
		level_put(s, g->level);
		fill_to(s, 9);
		cell(s, vg_text_number(s->o->lang, count, number), 16);
		if (hosts > 1) {
			struct vg_buf t = { 0 };

			VG_PUT(&t, vg_text_n(s->o->lang, VG_N_HOSTS, hosts), vg_buf_put,
			       vg_text_number(s->o->lang, hosts, number));
			cell(s, vg_buf_str(&t), rule_at);
			vg_buf_fini(&t);
		} else {
			cell(s, vg_group_where(g), rule_at);
		}
		put_safe(s, vg_program_str(v->program, v->program->rule[g->rule].title));
		line_end(s);
	}
}

static void
path_line(struct screen *s, const struct vg_path *p)
{
	const char *word = vg_text_source(s->o->lang, p->source);

	day_put(s, p->in_ns == VG_TIME_NONE ? p->first_ns : p->in_ns);
	put_z(s, "  ");
	if (p->origin_source.n) {
		put_safe(s, vg_str_cut(p->origin_source, 40));
		put_z(s, " \xe2\x86\x92 ");
		put_safe(s, vg_str_cut(p->origin_account, 40));
		put_z(s, " \xe2\x86\x92 ");
	}
	put_safe(s, word ? vg_str_of(word) : vg_str_cut(p->source, 40));
	put_z(s, " \xe2\x86\x92 ");
	put_safe(s, vg_str_cut(p->account, 40));
	put_z(s, " \xe2\x86\x92 ");
	put_safe(s, vg_str_cut(p->host, 40));
	put_z(s, " (");
	put_z(s, vg_text_via(s->o->lang, p->via));
	put_z(s, p->sessions ? ")" : "?)");
	line_end(s);
}

static void
path_lines(struct screen *s, const struct vg_story_view *v, size_t n, size_t all)
{
	size_t shown = 0;

	title(s, VG_T_T_PATHS, all - n);
	for (unsigned pass = 0; pass < 3; pass++) { /* those that got in, those seen at a third place, those that failed */
		for (size_t i = 0; i < v->npath && shown < n; i++) {
			const struct vg_path *p = &v->path[i];

			if (!p->flagged || (p->sessions == 0 ? 2u : vg_path_is_indirect(p) ? 1u : 0u) != pass)
				continue;
			path_line(s, p);
			shown++;
		}
	}
}

static void
erasure_lines(struct screen *s, const struct vg_story_view *v, size_t n, size_t all)
{
	size_t shown = 0;

	title(s, VG_T_T_ERASED, all - n);
	for (size_t i = 0; i < v->nerasure && shown < n; i++) {
		const struct vg_erasure *e = &v->erasure[i];
		char number[VG_NUMBER_MAX];

		if (e->kind == VG_ERASE_STOPPED || e->kind == VG_ERASE_GAP_NOTED)
			continue;
		shown++;
		day_put(s, e->time_ns);
		put_z(s, "  ");
		put_safe(s, vg_str_cut(e->host.n ? e->host : e->file, 40));
		put_z(s, "  ");
		put_safe(s, vg_str_cut(e->log, 40));
		put_z(s, ": ");
		put_z(s, vg_text(s->o->lang, vg_text_erasure(e->kind)));
		if (e->missing) {
			put_z(s, ", ");
			put(s, vg_text_number(s->o->lang, e->missing, number));
		}
		if (e->user.n) {
			put_z(s, ", ");
			put_safe(s, vg_str_cut(e->user, 40));
		}
		line_end(s);
	}
}

static void
not_read_line(struct screen *s, const struct vg_story_view *v, size_t bad)
{
	char number[VG_NUMBER_MAX];

	style(s, "1");
	put_z(s, vg_text(s->o->lang, VG_T_S_NOT_READ));
	plain(s);
	put_z(s, s->o->lang == VG_LANG_FR ? " : " : ": ");
	for (size_t i = 0; i < v->nfile; i++) {
		if (v->file[i].why_not.n == 0)
			continue;
		put_safe(s, v->file[i].path);
		put_z(s, " (");
		put_safe(s, v->file[i].why_not);
		put_z(s, ")");
		break;
	}
	if (bad > 1) {
		put_z(s, ", ");
		vg_buf_clear(&s->t);
		VG_PUT(&s->t, vg_text(s->o->lang, VG_T_S_MORE), vg_buf_put, vg_text_number(s->o->lang, bad - 1, number));
		put(s, vg_buf_str(&s->t));
	}
	line_end(s);
}

/* How the lines that are left are shared: a list first gets its small share, then groups take the rest. */
static size_t
share(size_t all, size_t most, unsigned *left)
{
	size_t n = all < most ? all : most;

	if (n == 0 || *left < 2)
		return 0;
	if (n + 1 > *left)
		n = *left - 1;
	*left -= (unsigned)n + 1; /* its title */
	return n;
}

static void
sentences(struct screen *s, const struct vg_story_view *v, unsigned rows)
{
	struct vg_buf head = { 0 };
	vg_str text, one;
	bool first = true;
	unsigned end = s->rows + rows;

	(void)vg_headline(v, s->o, vg_buf_safe, &head);
	text = vg_buf_str(&head);
	while (vg_str_split(&text, '\n', &one) && s->rows < end) {
		if (one.n)
			wrapped(s, one, first ? 2 : end - s->rows < 2 ? end - s->rows : 2, first ? "1" : NULL);
		first = false;
	}
	if (head.rc != VG_OK)
		s->b.rc = head.rc;
	vg_buf_fini(&head);
}

/* Rules with a signal at the level asked for: each stands at its own level, so groups of one are neighbours of a level. */
static size_t
rules_shown(const struct vg_story_view *v, const struct vg_report_options *o)
{
	uint8_t *seen = calloc(v->program->nrule / 8 + 1, 1);
	size_t n = 0;

	if (seen == NULL)
		return v->ngroup;
	for (size_t i = 0; i < v->ngroup && v->group[i].level >= o->min_level; i++) {
		uint32_t r = v->group[i].rule;

		n += !(seen[r / 8] >> r % 8 & 1);
		seen[r / 8] = (uint8_t)(seen[r / 8] | 1u << r % 8);
	}
	free(seen);
	return n;
}

vg_rc
vg_report_summary(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out)
{
	struct screen s = { .o = o, .columns = o->columns < 40 ? 40 : o->columns > 160 ? 160 : o->columns };
	unsigned rows = (o->rows < 20 ? 20 : o->rows) - 1; /* the prompt comes below */
	unsigned left;
	size_t groups = 0, paths = 0, erased = 0, bad = 0, ng, np, ne;
	vg_rc rc;

	groups = rules_shown(v, o);
	for (size_t i = 0; i < v->npath; i++)
		paths += v->path[i].flagged;
	for (size_t i = 0; i < v->nerasure; i++)
		erased += v->erasure[i].kind != VG_ERASE_STOPPED && v->erasure[i].kind != VG_ERASE_GAP_NOTED;
	for (size_t i = 0; i < v->nfile; i++)
		bad += v->file[i].why_not.n != 0;

	first_line(&s, v);
	sentences(&s, v, rows > 30 ? 10 : rows / 3 + 1);
	if (groups || erased) {
		chapters(&s, v);
		levels(&s, v);
	}
	left = s.rows + (bad != 0) < rows ? rows - s.rows - (bad != 0) : 0;
	ne = share(erased, left > 20 ? 6 : 2, &left);
	np = share(paths, left > 20 ? 8 : 2, &left);
	ng = share(groups, groups, &left);
	if (ng)
		group_lines(&s, v, ng, groups);
	if (np)
		path_lines(&s, v, np, paths);
	if (ne)
		erasure_lines(&s, v, ne, erased);
	if (bad)
		not_read_line(&s, v, bad);
	rc = s.b.rc != VG_OK ? s.b.rc : s.t.rc;
	if (rc == VG_OK)
		rc = out->write(out->ctx, vg_buf_str(&s.b));
	vg_buf_fini(&s.b);
	vg_buf_fini(&s.t);
	return rc;
}
