#include "case/html.h"

#include <stdlib.h>

#include "base/utf.h"

#define TIMELINE_WIDTH 1000
#define LANE_X 118   /* where lanes begin */
#define LANE_END 985
#define LANE_HEIGHT 40
#define LANES (VG_CHAPTERS + 1)
#define MARKS_MAX 1500
#define GRAPH_PATHS_MAX 40
#define GRAPH_NODES_MAX 18 /* a column */
#define LABEL_COLUMNS 30

struct axis {
	int64_t first_ns, last_ns;
	double x0, x1;
};

static double
axis_x(const struct axis *a, int64_t t)
{
	double span = (double)a->last_ns - (double)a->first_ns;

	if (span <= 0)
		return (a->x0 + a->x1) / 2;
	return a->x0 + (a->x1 - a->x0) * (((double)t - (double)a->first_ns) / span);
}

static void
span_add(struct axis *a, int64_t t)
{
	if (t == VG_TIME_NONE)
		return;
	if (a->first_ns == VG_TIME_NONE || t < a->first_ns)
		a->first_ns = t;
	if (a->last_ns == VG_TIME_NONE || t > a->last_ns)
		a->last_ns = t;
}

static bool
is_drawn(const struct vg_erasure *e)
{
	return e->kind != VG_ERASE_STOPPED && e->kind != VG_ERASE_GAP_NOTED && e->time_ns != VG_TIME_NONE;
}

static struct axis
axis_of(const struct vg_page *p)
{
	struct axis a = { VG_TIME_NONE, VG_TIME_NONE, LANE_X + 14, LANE_END - 14 };

	for (size_t i = 0; i < p->v->ngroup; i++) {
		if (p->v->group[i].level < p->o->min_level)
			continue;
		span_add(&a, p->v->group[i].first_ns);
		span_add(&a, p->v->group[i].last_ns);
	}
	for (size_t i = 0; i < p->v->nerasure; i++)
		if (is_drawn(&p->v->erasure[i]))
			span_add(&a, p->v->erasure[i].time_ns);
	return a;
}

static void
tick(struct vg_page *p, double x, double bottom, const char *label)
{
	vg_page_rawf(p, "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%.0f\"/>", x, x, bottom);
	vg_page_rawf(p, "<text class=\"soft\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">", x, bottom + 16);
	vg_page_esc(p, vg_str_of(label));
	vg_page_raw(p, "</text>");
}

/* Marks of time at round places: months or years where the story is long, else days, hours, minutes. */
static void
ticks(struct vg_page *p, const struct axis *a, double bottom)
{
	static const int64_t step[] = { VG_MIN,      5 * VG_MIN,  15 * VG_MIN, VG_HOUR,     3 * VG_HOUR,
					6 * VG_HOUR, 12 * VG_HOUR, VG_DAY,     2 * VG_DAY,  7 * VG_DAY,
					14 * VG_DAY };
	static const int months[] = { 1, 2, 3, 6, 12, 24, 60, 120, 600 };
	int64_t span = a->last_ns - a->first_ns;
	char label[VG_TIME_MAX];
	struct vg_civil c;
	size_t i = 0;

	while (i < VG_COUNT(step) && span / step[i] > 8)
		i++;
	if (i < VG_COUNT(step)) {
		int64_t at = a->first_ns - ((a->first_ns % step[i]) + step[i]) % step[i];

		for (; at <= a->last_ns; at += step[i]) {
			if (at < a->first_ns)
				continue;
			(void)vg_time_print(at, 0, label);
			label[10] = ' ';
			label[step[i] < VG_DAY ? 16 : 10] = '\0';
			tick(p, axis_x(a, at), bottom, step[i] < VG_DAY ? label + 5 : label);
		}
		return;
	}
	i = 0;
	while (i + 1 < VG_COUNT(months) && span / (30 * VG_DAY * months[i]) > 8)
		i++;
	vg_time_civil(a->first_ns, &c);
	c = (struct vg_civil){ .year = c.year, .month = (c.month - 1) / months[i] * months[i] + 1, .day = 1 };
	if (months[i] >= 12)
		c.month = 1;
	for (int n = 0; n < 400; n++) {
		int64_t at = vg_time_of(&c, 0);

		if (at == VG_TIME_NONE || at > a->last_ns)
			break;
		if (at >= a->first_ns) {
			(void)vg_time_print(at, 0, label);
			label[7] = '\0';
			tick(p, axis_x(a, at), bottom, label);
		}
		c.month += months[i];
		c.year += (c.month - 1) / 12;
		c.month = (c.month - 1) % 12 + 1;
	}
}

/* 3 for one event, 7 for ten thousand. */
static double
radius(uint64_t count)
{
	double r = 4;

	for (; count >= 10 && r < 8; count /= 10)
		r += 1;
	return r;
}

static void
mark(struct vg_page *p, const struct axis *a, const struct vg_group *g, uint8_t *taken)
{
	unsigned lane = g->chapter < VG_CHAPTERS ? g->chapter : VG_CHAPTERS, level = g->level < VG_LEVELS ? g->level : 0;
	double y = lane * LANE_HEIGHT + 6 + 7.0 * (VG_LEVELS - 1 - level);
	double x1 = axis_x(a, g->first_ns), x2 = axis_x(a, g->last_ns);
	uint8_t *cell = &taken[(lane * VG_LEVELS + level) * TIMELINE_WIDTH + (unsigned)x1];

	if (*cell && x2 - x1 < 3) /* another mark stands here already */
		return;
	*cell = 1;
	vg_page_rawf(p, "<a href=\"#r%u\"><title>", g->rule);
	vg_page_esc(p, vg_program_str(p->v->program, p->v->program->rule[g->rule].title));
	vg_page_raw(p, " \xc2\xb7 ");
	vg_page_esc(p, vg_group_where(g));
	vg_page_raw(p, " \xc2\xb7 ");
	vg_page_number(p, g->count);
	vg_page_raw(p, "</title>");
	if (x2 - x1 >= 3)
		vg_page_rawf(p, "<line class=\"m l%u\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", level, x1, x2, y, y);
	vg_page_rawf(p, "<circle class=\"c f%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.0f\"/></a>", level, x1, y, radius(g->count));
}

void
vg_page_timeline(struct vg_page *p)
{
	struct axis a = axis_of(p);
	const double bottom = LANES * LANE_HEIGHT;
	uint8_t *taken;
	size_t n = 0;

	if (a.first_ns == VG_TIME_NONE)
		return;
	if ((taken = calloc((size_t)LANES * VG_LEVELS, TIMELINE_WIDTH)) == NULL) {
		p->b.rc = VG_E_NOMEM;
		return;
	}
	vg_page_rawf(p, "<div class=\"wide\"><svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-labelledby=\"tl\">", TIMELINE_WIDTH,
		     bottom + 26);
	vg_page_raw(p, "<title id=\"tl\">");
	vg_page_text(p, VG_T_T_TIMELINE);
	vg_page_raw(p, "</title>");
	for (unsigned lane = 0; lane < LANES; lane++) {
		vg_page_rawf(p, "<rect class=\"lane%s\" x=\"0\" y=\"%u\" width=\"%d\" height=\"%d\"/>", lane % 2 ? "" : " alt",
			     lane * LANE_HEIGHT, TIMELINE_WIDTH, LANE_HEIGHT);
	}
	ticks(p, &a, bottom);
	for (unsigned lane = 0; lane < LANES; lane++) {
		vg_page_rawf(p, "<text x=\"10\" y=\"%u\">", lane * LANE_HEIGHT + LANE_HEIGHT / 2 + 4);
		vg_page_text(p, vg_text_chapter(lane));
		vg_page_raw(p, "</text>");
	}
	/* the worst are drawn last, so that they lie on top */
	for (size_t i = p->v->ngroup < MARKS_MAX ? p->v->ngroup : MARKS_MAX; i-- > 0;) {
		const struct vg_group *g = &p->v->group[i];

		if (g->level >= p->o->min_level && g->first_ns != VG_TIME_NONE && g->last_ns != VG_TIME_NONE)
			mark(p, &a, g, taken);
	}
	for (size_t i = 0; i < p->v->nerasure && n < MARKS_MAX; i++) {
		const struct vg_erasure *e = &p->v->erasure[i];
		double x, y = VG_CH_ERASED * LANE_HEIGHT + LANE_HEIGHT - 9;

		if (!is_drawn(e))
			continue;
		n++;
		x = axis_x(&a, e->time_ns);
		vg_page_raw(p, "<g><title>");
		vg_page_text(p, vg_text_erasure(e->kind));
		vg_page_raw(p, " \xc2\xb7 ");
		vg_page_esc(p, e->host);
		vg_page_raw(p, " \xc2\xb7 ");
		vg_page_esc(p, e->log);
		vg_page_rawf(p, "</title><path class=\"x\" d=\"M%.1f %.1fl8 8m0-8l-8 8\"/></g>", x - 4, y - 4);
	}
	vg_page_raw(p, "</svg></div>");
	free(taken);
}

void
vg_page_bar(struct vg_page *p, int64_t first_ns, int64_t last_ns, unsigned level)
{
	struct axis a = { p->v->total.first_ns, p->v->total.last_ns, 2, 138 };
	double x1, x2;

	if (first_ns == VG_TIME_NONE || last_ns == VG_TIME_NONE || a.first_ns == VG_TIME_NONE)
		return;
	span_add(&a, first_ns);
	span_add(&a, last_ns);
	x1 = axis_x(&a, first_ns);
	x2 = axis_x(&a, last_ns);
	vg_page_raw(p, "<svg viewBox=\"0 0 140 12\" aria-hidden=\"true\"><line class=\"tick\" x1=\"0\" x2=\"140\" y1=\"6\" y2=\"6\"/>");
	if (x2 - x1 > 1)
		vg_page_rawf(p, "<line class=\"m l%u\" x1=\"%.1f\" x2=\"%.1f\" y1=\"6\" y2=\"6\"/>", level, x1, x2);
	vg_page_rawf(p, "<circle class=\"f%u\" cx=\"%.1f\" cy=\"6\" r=\"3\"/><circle class=\"f%u\" cx=\"%.1f\" cy=\"6\" r=\"3\"/></svg>",
		     level, x1, level, x2);
}

/* The graph of paths: three columns of boxes, and curves between them. */
struct node {
	vg_str name;
	bool hot;
};
struct column {
	struct node node[GRAPH_NODES_MAX];
	size_t n;
};

static int
node_at(struct column *c, vg_str name, bool hot, bool add)
{
	for (size_t i = 0; i < c->n; i++) {
		if (vg_str_ieq(c->node[i].name, name)) {
			c->node[i].hot |= hot && add;
			return (int)i;
		}
	}
	if (!add || c->n == GRAPH_NODES_MAX)
		return c->n < GRAPH_NODES_MAX ? (int)c->n : -1;
	c->node[c->n] = (struct node){ name, hot };
	return (int)c->n++;
}

/* At most LABEL_COLUMNS columns of it. */
static void
label(struct vg_page *p, vg_str s)
{
	size_t i = 0, col = 0;

	while (i < s.n) {
		uint32_t cp;
		size_t n = vg_utf8_next(vg_str_skip(s, i), &cp);

		if (n == 0)
			n = 1;
		if (col + 1 > LABEL_COLUMNS - 2)
			break;
		/* what is not plain is written out by the escape, and wider */
		col += n == 1 && (unsigned char)s.p[i] >= 0x20 ? 1 : vg_cp_hostile(cp) ? 8 : 2;
		i += n;
	}
	vg_page_esc(p, vg_str_cut(s, i));
	if (i < s.n)
		vg_page_raw(p, "\xe2\x80\xa6");
}

static const double column_x[3] = { 6, 372, 738 };
#define NODE_WIDTH 256
#define NODE_HEIGHT 26
#define NODE_STEP 36
#define GRAPH_TOP 30

static double
node_y(size_t i, size_t n, size_t most)
{
	return GRAPH_TOP + (double)NODE_STEP * ((double)i + (double)(most - n) / 2);
}

static void
edge(struct vg_page *p, unsigned column, double y1, double y2, const struct vg_path *path)
{
	double x1 = column_x[column] + NODE_WIDTH, x2 = column_x[column + 1], mid = (x1 + x2) / 2;
	double width = (radius(path->sessions + path->failures) - 2) / 1.6;

	vg_page_rawf(p, "<path class=\"edge%s%s\" stroke-width=\"%.1f\" d=\"M%.0f %.1fC%.0f %.1f %.0f %.1f %.0f %.1f\"/>",
		     path->flagged ? " hot" : "", path->sessions ? "" : " fail", width, x1, y1, mid, y1, mid, y2, x2, y2);
}

/* Where the path began: before the VPN, where that is known. */
static vg_str
first_source(const struct vg_path *x)
{
	return x->origin_source.n ? x->origin_source : x->source;
}

void
vg_page_graph(struct vg_page *p)
{
	struct column c[3] = { { .n = 0 } };
	const struct vg_path *drawn[GRAPH_PATHS_MAX];
	size_t n = 0, most = 1;
	static const enum vg_text head[3] = { VG_T_C_SOURCE, VG_T_C_ACCOUNT, VG_T_C_HOST };

	/* flagged first, as they are sorted; then those seen at a third place only, then those that only failed */
	for (unsigned pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < p->v->npath && n < GRAPH_PATHS_MAX; i++) {
			const struct vg_path *x = &p->v->path[i];
			const vg_str name[3] = { first_source(x), x->account, x->host };
			bool fits = true;

			if ((x->sessions == 0 ? 2u : vg_path_is_indirect(x) ? 1u : 0u) != pass || (pass && !x->flagged) ||
			    (!x->flagged && vg_str_eq(x->source, VG_STR("-"))))
				continue;
			for (unsigned k = 0; k < 3; k++)
				fits &= node_at(&c[k], name[k], false, false) >= 0;
			if (!fits)
				continue;
			for (unsigned k = 0; k < 3; k++)
				(void)node_at(&c[k], name[k], x->flagged, true);
			drawn[n++] = x;
		}
	}
	if (n == 0)
		return;
	for (unsigned k = 0; k < 3; k++)
		most = c[k].n > most ? c[k].n : most;
	vg_page_rawf(p, "<div class=\"wide\"><svg viewBox=\"0 0 1000 %zu\" role=\"img\" aria-labelledby=\"pg\"><title id=\"pg\">",
		     GRAPH_TOP + NODE_STEP * most);
	vg_page_text(p, VG_T_T_PATHS);
	vg_page_raw(p, "</title>");
	for (size_t i = n; i-- > 0;) { /* flagged last: on top */
		double y[3];
		const vg_str name[3] = { first_source(drawn[i]), drawn[i]->account, drawn[i]->host };

		for (unsigned k = 0; k < 3; k++)
			y[k] = node_y((size_t)node_at(&c[k], name[k], false, false), c[k].n, most) + NODE_HEIGHT / 2.0;
		vg_page_raw(p, "<g><title>");
		vg_page_text(p, VG_T_C_SESSIONS);
		vg_page_rawf(p, ": %llu, ", (unsigned long long)drawn[i]->sessions);
		vg_page_text(p, VG_T_C_FAILURES);
		vg_page_rawf(p, ": %llu</title>", (unsigned long long)drawn[i]->failures);
		edge(p, 0, y[0], y[1], drawn[i]);
		edge(p, 1, y[1], y[2], drawn[i]);
		vg_page_raw(p, "</g>");
	}
	for (unsigned k = 0; k < 3; k++) {
		vg_page_rawf(p, "<text class=\"soft\" x=\"%.0f\" y=\"16\">", column_x[k] + 2);
		vg_page_text(p, head[k]);
		vg_page_raw(p, "</text>");
		for (size_t i = 0; i < c[k].n; i++) {
			const char *word = k == 0 ? vg_text_source(p->o->lang, c[k].node[i].name) : NULL;
			vg_str name = word ? vg_str_of(word) : c[k].node[i].name;
			double y = node_y(i, c[k].n, most);

			vg_page_raw(p, "<g><title>");
			vg_page_esc(p, name);
			vg_page_rawf(p, "</title><rect class=\"node%s\" x=\"%.0f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"6\"/>",
				     c[k].node[i].hot ? " hot" : "", column_x[k], y, NODE_WIDTH, NODE_HEIGHT);
			vg_page_rawf(p, "<text x=\"%.0f\" y=\"%.1f\">", column_x[k] + 10, y + 17);
			label(p, name);
			vg_page_raw(p, "</text></g>");
		}
	}
	vg_page_raw(p, "</svg></div>");
}
