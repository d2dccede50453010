#include "case/html.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf.h"
#include "case/report_assets.h"
#include "detect/detect.h"
#include "event/wire.h"
#include "source/format.h"

_Static_assert(VG_T_NOTE_ERASED - VG_T_NOTE_RECORD_BAD + 1 == VG_NOTE_KINDS, "a text for each kind of note");

#define ROWS_MAX 2000          /* of one table */
#define RULE_HOSTS_MAX 100     /* hosts listed of one rule */
#define RULE_SAMPLES 3         /* events shown of one rule */
#define VALUE_MAX 2000         /* bytes shown of one value */
#define RAW_MAX 4000
#define FIELDS_MAX 150         /* fields shown of one event */
#define SAMPLES_BYTES ((size_t)12 << 20) /* of all events shown */

void
vg_page_flush(struct vg_page *p, size_t over)
{
	if (p->b.rc != VG_OK && p->rc == VG_OK)
		p->rc = p->b.rc;
	if (p->rc != VG_OK) {
		p->b.n = 0;
		return;
	}
	if (p->b.n > over) {
		p->rc = p->out->write(p->out->ctx, vg_buf_str(&p->b));
		vg_buf_clear(&p->b);
	}
}

void
vg_page_raw(struct vg_page *p, const char *html)
{
	vg_buf_puts(&p->b, html);
}

void
vg_page_rawf(struct vg_page *p, const char *fmt, ...)
{
	char t[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t, sizeof(t), fmt, ap);
	va_end(ap);
	if (n > 0)
		vg_buf_put(&p->b, vg_str_mem(t, (size_t)n < sizeof(t) ? (size_t)n : sizeof(t) - 1));
}

void
vg_page_esc(struct vg_page *p, vg_str s)
{
	vg_buf_html(&p->b, s);
}

void
vg_page_text(struct vg_page *p, enum vg_text t)
{
	vg_buf_puts(&p->b, vg_text(p->o->lang, t));
}

void
vg_page_number(struct vg_page *p, uint64_t n)
{
	char t[VG_NUMBER_MAX];

	vg_buf_put(&p->b, vg_text_number(p->o->lang, n, t));
}

void
vg_page_time(struct vg_page *p, int64_t time_ns)
{
	char t[VG_TIME_MAX];

	if (time_ns == VG_TIME_NONE) {
		vg_page_text(p, VG_T_NO_TIME);
		return;
	}
	(void)vg_time_print(time_ns, 0, t);
	vg_page_rawf(p, "<time datetime=\"%s\">%.10s %.8s</time>", t, t, t + 11);
}

/* Sections and tables. */
static void
section_begin(struct vg_page *p, const char *id, enum vg_text title, const char *note)
{
	vg_page_rawf(p, "<section id=\"%s\"><h2>", id);
	vg_page_text(p, title);
	vg_page_raw(p, "</h2>\n");
	if (note) {
		vg_page_raw(p, "<p class=\"note\">");
		vg_page_raw(p, note);
		vg_page_raw(p, "</p>\n");
	}
}

static void
section_end(struct vg_page *p)
{
	vg_page_raw(p, "</section>\n");
	vg_page_flush(p, 65536);
}

static void
section_note(struct vg_page *p, const char *id, enum vg_text title, enum vg_text note)
{
	section_begin(p, id, title, vg_text(p->o->lang, note));
}

struct th {
	enum vg_text text;
	const char *class;
};

static void
table_begin(struct vg_page *p, const struct th *th, size_t n)
{
	vg_page_raw(p, n > 5 ? "<div class=\"wide\"><table class=\"many\"><thead><tr>" : "<div class=\"wide\"><table><thead><tr>");
	for (size_t i = 0; i < n; i++) {
		vg_page_rawf(p, "<th scope=\"col\" class=\"%s\">", th[i].class);
		vg_page_text(p, th[i].text);
		vg_page_raw(p, "</th>");
	}
	vg_page_raw(p, "</tr></thead><tbody>\n");
}

static void
table_end(struct vg_page *p, size_t more)
{
	char n[VG_NUMBER_MAX];

	vg_page_raw(p, "</tbody></table></div>\n");
	if (more) {
		vg_page_raw(p, "<p class=\"more\">");
		VG_PUT(&p->b, vg_text(p->o->lang, VG_T_E_PRINT_MORE), vg_buf_put, vg_text_number(p->o->lang, more, n));
		vg_page_raw(p, "</p>\n");
	}
}

static void
td(struct vg_page *p, vg_str s)
{
	/* names are not broken at their hyphens; long ones are */
	vg_page_raw(p, s.n <= 32 ? "<td class=\"nb\">" : "<td>");
	vg_page_esc(p, s);
	vg_page_raw(p, "</td>");
}

static void
td_number(struct vg_page *p, uint64_t n)
{
	vg_page_raw(p, "<td class=\"num\">");
	vg_page_number(p, n);
	vg_page_raw(p, "</td>");
}

static void
td_time(struct vg_page *p, int64_t time_ns)
{
	vg_page_raw(p, "<td class=\"when\">");
	vg_page_time(p, time_ns);
	vg_page_raw(p, "</td>");
}

/* To the minute: where a table has many columns. */
static void
td_minute(struct vg_page *p, int64_t time_ns)
{
	char t[VG_TIME_MAX];

	vg_page_raw(p, "<td class=\"when\">");
	if (time_ns != VG_TIME_NONE) {
		(void)vg_time_print(time_ns, 0, t);
		vg_page_rawf(p, "<time datetime=\"%s\">%.10s %.5s</time>", t, t, t + 11);
	}
	vg_page_raw(p, "</td>");
}

static void
td_text(struct vg_page *p, enum vg_text t)
{
	vg_page_raw(p, "<td class=\"w\">");
	vg_page_text(p, t);
	vg_page_raw(p, "</td>");
}

/* A file's path without the folder that all have in common. */
static vg_str
file_name(const struct vg_page *p, vg_str path)
{
	vg_str folder = p->v->nfile ? vg_str_cut(p->v->file[0].path, p->prefix) : VG_NIL;

	return vg_str_starts(path, folder) ? vg_str_skip(path, folder.n) : path;
}

static size_t
common_folder(const struct vg_story_view *v)
{
	size_t n = v->nfile ? v->file[0].path.n : 0;

	for (size_t i = 0; i < v->nfile; i++) {
		size_t k = 0;

		while (k < n && k < v->file[i].path.n && v->file[i].path.p[k] == v->file[0].path.p[k])
			k++;
		n = k;
	}
	while (n && v->file[0].path.p[n - 1] != '/')
		n--;
	return n;
}

static void
level_badge(struct vg_page *p, unsigned level)
{
	vg_page_rawf(p, "<span class=\"badge l%u\">", level < VG_LEVELS ? level : 0);
	vg_page_text(p, vg_text_level(level));
	vg_page_raw(p, "</span>");
}

static void
tools(struct vg_page *p, bool levels)
{
	vg_page_raw(p, "<div class=\"tools\" hidden><input type=\"search\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"");
	vg_page_text(p, VG_T_F_FILTER);
	vg_page_raw(p, "\" aria-label=\"");
	vg_page_text(p, VG_T_F_FILTER);
	vg_page_raw(p, "\">");
	if (levels) {
		vg_page_raw(p, "<select aria-label=\"");
		vg_page_text(p, VG_T_C_LEVEL);
		vg_page_raw(p, "\"><option value=\"0\">");
		vg_page_text(p, VG_T_F_LEVEL_ALL);
		vg_page_raw(p, "</option>");
		for (unsigned l = VG_LEVEL_LOW; l < VG_LEVELS; l++) {
			vg_page_rawf(p, "<option value=\"%u\">", l);
			if (l == VG_LEVEL_CRITICAL)
				vg_page_text(p, vg_text_level(l));
			else
				VG_PUT(&p->b, vg_text(p->o->lang, VG_T_F_LEVEL_FROM), vg_buf_put,
				       vg_str_of(vg_text(p->o->lang, vg_text_level(l))));
			vg_page_raw(p, "</option>");
		}
		vg_page_raw(p, "</select><button type=\"button\" aria-pressed=\"false\" data-open=\"");
		vg_page_text(p, VG_T_F_OPEN_ALL);
		vg_page_raw(p, "\" data-close=\"");
		vg_page_text(p, VG_T_F_CLOSE_ALL);
		vg_page_raw(p, "\">");
		vg_page_text(p, VG_T_F_OPEN_ALL);
		vg_page_raw(p, "</button>");
	}
	vg_page_raw(p, "<span class=\"shown\" role=\"status\" data-word=\"");
	vg_page_text(p, VG_T_F_SHOWN);
	vg_page_raw(p, "\"></span></div>\n");
}

/* The head of the document. */
static void
csp_hash(struct vg_page *p, const char *what)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char b64[96];

	if (EVP_Digest(what, strlen(what), digest, &n, EVP_sha256(), NULL) != 1 || n != 32) {
		p->rc = VG_E_SYS;
		return;
	}
	(void)EVP_EncodeBlock((unsigned char *)b64, digest, (int)n);
	vg_page_rawf(p, "'sha256-%s'", b64);
}

static void
document_begin(struct vg_page *p)
{
	vg_page_rawf(p, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n", p->o->lang == VG_LANG_FR ? "fr" : "en");
	vg_page_raw(p, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src ");
	csp_hash(p, report_css);
	vg_page_raw(p, "; script-src ");
	csp_hash(p, report_js);
	vg_page_raw(p, "; base-uri 'none'; form-action 'none'\">\n"
		       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		       "<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n<title>Vigie: ");
	vg_page_text(p, VG_T_REPORT);
	vg_page_raw(p, "</title>\n<style>");
	vg_page_raw(p, report_css);
	vg_page_raw(p, "</style>\n</head>\n<body>\n");
}

static void
document_top(struct vg_page *p)
{
	static const struct {
		const char *id;
		enum vg_text text;
	} nav[] = {
		{ "timeline", VG_T_T_TIMELINE }, { "paths", VG_T_T_PATHS }, { "signals", VG_T_T_SIGNALS },
		{ "erased", VG_T_T_ERASED },     { "files", VG_T_T_FILES }, { "about", VG_T_T_ABOUT },
	};

	vg_page_raw(p, "<a class=\"skip\" href=\"#signals\">");
	vg_page_text(p, VG_T_F_SKIP);
	vg_page_raw(p, "</a>\n<header><b>Vigie</b><span>");
	vg_page_text(p, VG_T_TAGLINE);
	vg_page_raw(p, "</span><nav>");
	for (size_t i = 0; i < VG_COUNT(nav); i++) {
		if ((nav[i].text == VG_T_T_FILES && p->v->nfile == 0) ||
		    (nav[i].text == VG_T_T_TIMELINE && p->v->ngroup + p->v->nerasure == 0) ||
		    (nav[i].text == VG_T_T_PATHS && p->v->npath == 0) ||
		    (nav[i].text == VG_T_T_ERASED && p->v->nerasure == 0))
			continue;
		vg_page_rawf(p, "<a href=\"#%s\">", nav[i].id);
		vg_page_text(p, nav[i].text);
		vg_page_raw(p, "</a>");
	}
	vg_page_raw(p, "</nav></header>\n<main>\n");
}

static void
tile(struct vg_page *p, const char *class, uint64_t n, const char *word)
{
	vg_page_rawf(p, "<li class=\"%s\"><strong>", class);
	vg_page_number(p, n);
	vg_page_raw(p, "</strong><span>");
	vg_page_raw(p, word);
	vg_page_raw(p, "</span></li>");
}

/* The word of "{0} hosts" without its number. */
static const char *
noun(struct vg_page *p, enum vg_plural id, uint64_t n)
{
	const char *t = vg_text_n(p->o->lang, id, n);

	return strncmp(t, "{0} ", 4) == 0 ? t + 4 : t;
}

/* A name in a sentence stays on its line: what ends lines is shown, so that no name can pass for a sentence of ours. */
static void
escape_line(struct vg_buf *b, vg_str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = 0;

		while (i + n < s.n && s.p[i + n] != '\n' && s.p[i + n] != '\t')
			n++;
		vg_buf_html(b, (vg_str){ s.p + i, n });
		if (i + n < s.n)
			vg_buf_puts(b, s.p[i + n] == '\n' ? "\\x0a" : "\\x09");
		i += n + 1;
	}
}

static void
headline(struct vg_page *p)
{
	const struct vg_story_totals *t = &p->v->total;
	struct vg_buf b = { 0 };
	vg_str text, line;
	unsigned worst = vg_headline(p->v, p->o, escape_line, &b);
	bool first = true;

	vg_page_raw(p, "<section class=\"hero\">");
	if (worst != 255)
		level_badge(p, worst);
	text = vg_buf_str(&b);
	while (vg_str_split(&text, '\n', &line)) {
		if (line.n == 0)
			continue;
		vg_page_raw(p, first ? "<h1>" : "<li>");
		vg_buf_put(&p->b, line); /* escaped by vg_headline */
		vg_page_raw(p, first ? "</h1>\n<ul class=\"say\">\n" : "</li>\n");
		first = false;
	}
	if (!first)
		vg_page_raw(p, "</ul>\n");
	vg_page_raw(p, "<ul class=\"tiles\">");
	for (unsigned l = VG_LEVELS; l-- > p->o->min_level;) {
		char class[16];

		if (t->level[l] == 0)
			continue;
		snprintf(class, sizeof(class), "l%u", l);
		tile(p, class, t->level[l], vg_text(p->o->lang, vg_text_level(l)));
	}
	tile(p, "", p->v->nhost, noun(p, VG_N_HOSTS, p->v->nhost));
	tile(p, "", t->files, noun(p, VG_N_FILES, t->files));
	tile(p, "", t->events, noun(p, VG_N_EVENTS, t->events));
	tile(p, "", t->rules_applicable, noun(p, VG_N_APPLICABLE, t->rules_applicable));
	vg_page_raw(p, "</ul></section>\n");
	if (b.rc != VG_OK && p->rc == VG_OK)
		p->rc = b.rc;
	vg_buf_fini(&b);
}

static void
chapters(struct vg_page *p)
{
	static const char *const lit_class[VG_LEVELS] = { "l0", "l1", "l2", "l3", "l4" };

	section_begin(p, "chapters", VG_T_T_CHAPTERS, NULL);
	vg_page_raw(p, "<ol class=\"strip\">\n");
	for (unsigned c = 0; c < VG_CHAPTERS; c++) {
		uint64_t n = p->v->chapter[c].signals;
		unsigned worst = p->v->chapter[c].worst;
		bool lit = n && worst >= p->o->min_level;
		char number[VG_NUMBER_MAX], date[VG_DATE_MAX];

		vg_page_rawf(p, "<li class=\"%s\"><b>%u. ", lit ? lit_class[worst < VG_LEVELS ? worst : 0] : "off", c + 1);
		vg_page_text(p, vg_text_chapter(c));
		vg_page_raw(p, "</b><small class=\"n\">");
		if (lit) {
			VG_PUT(&p->b, vg_text_n(p->o->lang, VG_N_SIGNALS, n), vg_buf_put, vg_text_number(p->o->lang, n, number));
			vg_page_raw(p, "</small><small>");
			vg_buf_put(&p->b, vg_text_date(p->o->lang, p->v->chapter[c].first_ns, false, date));
		} else {
			vg_page_text(p, VG_T_CH_QUIET);
		}
		vg_page_raw(p, "</small><small>");
		vg_page_text(p, vg_text_chapter_say(c));
		vg_page_raw(p, "</small></li>\n");
	}
	vg_page_raw(p, "</ol>");
	section_end(p);
}

/* Signals: one <details> a rule, in the order of its worst group. */
struct rule_sum {
	uint32_t rule, first_group, last_group, hosts;
	uint64_t count;
	int64_t first_ns, last_ns;
};
struct signals {
	struct rule_sum *sum; /* owned */
	uint32_t *next;       /* of each group: the next of the same rule; owned */
	uint32_t n;
	size_t sample_bytes;
	uint64_t samples_left;
	struct vg_keys *keys; /* of the program; owned */
	struct vg_arena event, scratch;
	struct vg_regexes *re; /* owned */
};

static bool
signals_init(struct vg_page *p, struct signals *s)
{
	const struct vg_story_view *v = p->v;
	uint32_t *at = malloc(((size_t)v->program->nrule + 1) * sizeof(*at));

	*s = (struct signals){ .sum = calloc(v->ngroup + 1, sizeof(*s->sum)),
			       .next = malloc((v->ngroup + 1) * sizeof(*s->next)), .keys = vg_keys_new(),
			       .re = vg_regexes_new(v->program) };
	vg_arena_init(&s->event, (size_t)16 << 20);
	vg_arena_init(&s->scratch, (size_t)16 << 20);
	if (at == NULL || s->sum == NULL || s->next == NULL || s->keys == NULL || s->re == NULL) {
		free(at);
		return false;
	}
	for (uint32_t k = VG_K_KNOWN; k < v->program->nkey; k++)
		(void)vg_keys_add(s->keys, vg_program_str(v->program, v->program->key[k]));
	memset(at, 0xff, ((size_t)v->program->nrule + 1) * sizeof(*at));
	for (uint32_t i = 0; i < v->ngroup; i++) {
		const struct vg_group *g = &v->group[i];
		struct rule_sum *x;

		if (g->level < p->o->min_level)
			continue;
		s->next[i] = UINT32_MAX;
		if (at[g->rule] == UINT32_MAX) {
			at[g->rule] = s->n;
			s->sum[s->n++] = (struct rule_sum){ .rule = g->rule, .first_group = i, .last_group = i,
							    .first_ns = g->first_ns, .last_ns = g->last_ns };
		} else {
			s->next[s->sum[at[g->rule]].last_group] = i;
		}
		x = &s->sum[at[g->rule]];
		x->last_group = i;
		x->hosts++;
		x->count += g->count;
		if (g->first_ns != VG_TIME_NONE && (x->first_ns == VG_TIME_NONE || g->first_ns < x->first_ns))
			x->first_ns = g->first_ns;
		if (g->last_ns != VG_TIME_NONE && (x->last_ns == VG_TIME_NONE || g->last_ns > x->last_ns))
			x->last_ns = g->last_ns;
	}
	free(at);
	return true;
}

static void
signals_fini(struct signals *s)
{
	free(s->sum);
	free(s->next);
	vg_keys_free(s->keys);
	vg_arena_fini(&s->event);
	vg_regexes_free(s->re);
	vg_arena_fini(&s->scratch);
}

static void
dt(struct vg_page *p, enum vg_text name, vg_str value)
{
	if (value.n == 0)
		return;
	vg_page_raw(p, "<dt>");
	vg_page_text(p, name);
	vg_page_raw(p, "</dt><dd>");
	vg_page_esc(p, value);
	vg_page_raw(p, "</dd>");
}

/* May this be a link? Only https, and nothing that could end an attribute or hide in it. */
static bool
is_link(vg_str s)
{
	if (!vg_str_starts(s, VG_STR("https://")) || s.n < 12 || s.n > 1000)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"'<>`\\{}|^", s.p[i]))
			return false;
	return true;
}

static void
rule_list(struct vg_page *p, enum vg_text name, uint32_t from, uint32_t n, bool links)
{
	if (n == 0)
		return;
	vg_page_raw(p, "<dt>");
	vg_page_text(p, name);
	vg_page_raw(p, "</dt><dd>");
	for (uint32_t i = 0; i < n && i < 50; i++) {
		vg_str s = vg_program_str(p->v->program, p->v->program->list[from + i]);

		if (i)
			vg_page_raw(p, links ? "<br>" : ", ");
		if (links && is_link(s)) {
			vg_page_raw(p, "<a rel=\"noreferrer noopener nofollow\" href=\"");
			vg_page_esc(p, s);
			vg_page_raw(p, "\">");
			vg_page_esc(p, s);
			vg_page_raw(p, "</a>");
		} else {
			vg_page_esc(p, s);
		}
	}
	vg_page_raw(p, "</dd>");
}

/* @s cut at @max bytes, between characters. */
static void
esc_cut(struct vg_page *p, vg_str s, size_t max)
{
	size_t n = s.n;

	if (n > max)
		for (n = max; n > max - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80;)
			n--;
	vg_page_esc(p, vg_str_cut(s, n));
	if (n < s.n) {
		vg_page_raw(p, " ");
		vg_page_text(p, VG_T_CUT);
	}
}

static void
sample_fields(struct vg_page *p, const struct vg_event *e, const uint32_t *hit, size_t nhit)
{
	size_t at = 0, shown = 0;

	vg_page_raw(p, "<table><tbody>");
	for (uint32_t i = 0; i < e->nfield; i++) {
		const struct vg_field *f = &e->field[i];
		bool marked = at < nhit && hit[at] == i;

		at += marked;
		if (!marked && (shown >= FIELDS_MAX || f->kind == VG_KIND_NULL || f->value.n == 0))
			continue;
		shown++;
		vg_page_raw(p, f->flags & VG_FIELD_ADDED && !marked ? "<tr class=\"added\"><th scope=\"row\">" : "<tr><th scope=\"row\">");
		vg_page_esc(p, vg_str_cut(f->name, 200));
		vg_page_raw(p, marked ? "</th><td><mark>" : "</th><td>");
		esc_cut(p, f->value, VALUE_MAX);
		vg_page_raw(p, marked ? "</mark></td></tr>" : "</td></tr>");
	}
	vg_page_raw(p, "</tbody></table>");
}

/* One event, as it was found. */
static void
sample(struct vg_page *p, struct signals *s, const struct vg_group *g, const struct vg_sample *m)
{
	struct vg_cur in = vg_cur_of(m->wire.p, m->wire.n);
	struct vg_event e;
	uint32_t hit[64];
	size_t nhit = 0, begin = p->b.n;
	char number[24];

	vg_arena_reset(&s->event);
	vg_arena_reset(&s->scratch);
	vg_event_init(&e, &s->event, s->keys);
	if (vg_wire_decode(&in, &e) != VG_OK)
		return;
	if (p->v->program->rule[g->rule].kind == VG_RULE_BASE)
		nhit = vg_matched_fields(s->re, g->rule, &e, &s->scratch, hit, VG_COUNT(hit));
	vg_page_raw(p, "<figure class=\"ev\"><figcaption>");
	vg_page_time(p, m->time_ns);
	if (e.host.n) {
		vg_page_raw(p, " \xc2\xb7 ");
		vg_page_esc(p, e.host);
	}
	vg_page_raw(p, " \xc2\xb7 ");
	vg_page_esc(p, e.channel);
	vg_page_raw(p, " ");
	vg_page_esc(p, e.code);
	vg_page_raw(p, " \xc2\xb7 ");
	snprintf(number, sizeof(number), "%llu", (unsigned long long)e.record);
	VG_PUT(&p->b, vg_text(p->o->lang, VG_T_SAMPLE_RECORD), vg_buf_html, vg_str_of(number));
	vg_page_raw(p, " \xc2\xb7 ");
	vg_page_esc(p, file_name(p, m->file));
	if (e.flags & VG_EVENT_CARVED) {
		vg_page_raw(p, " \xc2\xb7 ");
		vg_page_text(p, VG_T_CARVED);
	}
	vg_page_raw(p, "</figcaption>");
	sample_fields(p, &e, hit, nhit);
	if (e.raw.n && vg_str_chr(vg_str_cut(e.raw, 512), '\0') == VG_NPOS) {
		vg_page_raw(p, "<details><summary>");
		vg_page_text(p, VG_T_C_RAW);
		vg_page_raw(p, "</summary><pre>");
		esc_cut(p, e.raw, RAW_MAX);
		vg_page_raw(p, "</pre></details>");
	}
	vg_page_raw(p, "</figure>\n");
	s->sample_bytes += p->b.n - begin;
}

static void
rule_hosts(struct vg_page *p, const struct signals *s, const struct rule_sum *x)
{
	static const struct th th[] = { { VG_T_C_HOST, "" },   { VG_T_C_COUNT, "num" }, { VG_T_C_FIRST, "" }, { VG_T_C_LAST, "" },
					{ VG_T_C_ACCOUNT, "" }, { VG_T_C_SOURCE, "" } };
	uint32_t n = 0;

	table_begin(p, th, VG_COUNT(th));
	for (uint32_t i = x->first_group; i != UINT32_MAX && n < RULE_HOSTS_MAX; i = s->next[i], n++) {
		const struct vg_group *g = &p->v->group[i];

		vg_page_raw(p, "<tr>");
		td(p, vg_group_where(g));
		td_number(p, g->count);
		td_time(p, g->first_ns);
		td_time(p, g->last_ns);
		td(p, g->user);
		td(p, g->source);
		vg_page_raw(p, "</tr>\n");
	}
	table_end(p, x->hosts > n ? x->hosts - n : 0);
}

static void
rule_samples(struct vg_page *p, struct signals *s, const struct rule_sum *x)
{
	unsigned shown = 0;

	/* one of each host first, then more of the first host */
	for (unsigned k = 0; k < VG_STORY_SAMPLES && shown < RULE_SAMPLES; k++) {
		uint32_t n = 0;

		for (uint32_t i = x->first_group; i != UINT32_MAX && shown < RULE_SAMPLES && n < RULE_HOSTS_MAX; i = s->next[i], n++) {
			const struct vg_group *g = &p->v->group[i];

			if (k >= g->nsample)
				continue;
			if (s->sample_bytes > SAMPLES_BYTES) {
				s->samples_left++;
				return;
			}
			sample(p, s, g, &g->sample[k]);
			shown++;
		}
	}
}

static void
rule_row(struct vg_page *p, struct signals *s, const struct rule_sum *x)
{
	const struct vg_program *prog = p->v->program;
	const struct vg_rule *r = &prog->rule[x->rule];
	const struct vg_group *g = &p->v->group[x->first_group];
	char n[VG_NUMBER_MAX];

	vg_page_rawf(p, "<details class=\"g\" id=\"r%u\" data-row data-level=\"%u\"><summary>", x->rule, r->level);
	level_badge(p, r->level);
	vg_page_raw(p, "<span class=\"t\">");
	vg_page_esc(p, vg_program_str(prog, r->title));
	vg_page_raw(p, "</span><span class=\"h\">");
	if (x->hosts == 1)
		vg_page_esc(p, vg_group_where(g));
	else
		VG_PUT(&p->b, vg_text_n(p->o->lang, VG_N_HOSTS, x->hosts), vg_buf_put, vg_text_number(p->o->lang, x->hosts, n));
	vg_page_raw(p, "</span><span class=\"k\">");
	vg_page_number(p, x->count);
	vg_page_raw(p, "</span><span class=\"d\">");
	vg_page_time(p, x->first_ns);
	vg_page_raw(p, "</span></summary>\n<div class=\"in\"><p>");
	esc_cut(p, vg_str_trim(vg_program_str(prog, r->description)), VALUE_MAX);
	vg_page_raw(p, "</p><dl>");
	dt(p, VG_T_C_AUTHOR, r->author.len ? vg_program_str(prog, r->author) : vg_str_of(vg_text(p->o->lang, VG_T_NO_AUTHOR)));
	dt(p, VG_T_C_LICENCE, vg_program_str(prog, r->license));
	dt(p, VG_T_C_RULE_ID, vg_program_str(prog, r->id));
	rule_list(p, VG_T_C_TAGS, r->tag, r->ntag, false);
	rule_list(p, VG_T_C_FALSE, r->fp, r->nfp, false);
	rule_list(p, VG_T_C_REFERENCES, r->ref, r->nref, true);
	dt(p, VG_T_C_GROUPED, g->by);
	vg_page_raw(p, "</dl>\n");
	rule_hosts(p, s, x);
	rule_samples(p, s, x);
	vg_page_raw(p, "</div></details>\n");
	vg_page_flush(p, 65536);
}

static int
credit_cmp(const void *a, const void *b)
{
	return vg_str_cmp(*(const vg_str *)a, *(const vg_str *)b);
}

/* Who wrote the rules that spoke, by licence: what the Detection Rule License asks of those who show matches. */
static void
credits(struct vg_page *p, const struct signals *s)
{
	const struct vg_program *prog = p->v->program;
	vg_str *row = malloc(((size_t)s->n + 1) * sizeof(*row));
	struct vg_arena a;

	section_note(p, "credits", VG_T_T_CREDITS, VG_T_E_CREDITS);
	vg_arena_init(&a, (size_t)16 << 20);
	if (row == NULL) {
		p->b.rc = VG_E_NOMEM;
	} else {
		size_t n = 0;

		for (uint32_t i = 0; i < s->n; i++) {
			const struct vg_rule *r = &prog->rule[s->sum[i].rule];
			vg_str l = vg_program_str(prog, r->license), w = vg_program_str(prog, r->author);
			vg_str one = vg_arena_printf(&a, "%.*s%s%.*s", VG_STR_ARG(w), l.n ? " \xc2\xb7 " : "", VG_STR_ARG(l));

			if (one.n)
				row[n++] = one;
		}
		if (n > 1)
			qsort(row, n, sizeof(*row), credit_cmp);
		vg_page_raw(p, "<ul class=\"plain\">");
		for (size_t i = 0; i < n; i++) {
			if (i && vg_str_eq(row[i], row[i - 1]))
				continue;
			vg_page_raw(p, "<li>");
			vg_page_esc(p, row[i]);
			vg_page_raw(p, "</li>\n");
		}
		vg_page_raw(p, "</ul>");
	}
	free(row);
	vg_arena_fini(&a);
	section_end(p);
}

static void
signals(struct vg_page *p, struct signals *s)
{
	section_note(p, "signals", VG_T_T_SIGNALS, VG_T_E_SIGNALS);
	if (s->n)
		tools(p, true);
	for (uint32_t i = 0; i < s->n; i++)
		rule_row(p, s, &s->sum[i]);
	if (s->n == 0) {
		vg_page_raw(p, "<p class=\"more\">");
		vg_page_text(p, VG_T_E_NONE);
		vg_page_raw(p, "</p>");
	}
	if (s->samples_left + p->v->total.dropped_samples) {
		char n[VG_NUMBER_MAX];

		vg_page_raw(p, "<p class=\"more\">");
		VG_PUT(&p->b, vg_text(p->o->lang, VG_T_E_SAMPLES_LEFT), vg_buf_put,
		       vg_text_number(p->o->lang, s->samples_left + p->v->total.dropped_samples, n));
		vg_page_raw(p, "</p>");
	}
	if (p->v->total.dropped_groups + p->v->total.dropped_paths + p->v->total.dropped_entities) {
		char n1[VG_NUMBER_MAX], n2[VG_NUMBER_MAX], n3[VG_NUMBER_MAX];

		vg_page_raw(p, "<p class=\"more\">");
		VG_PUT(&p->b, vg_text(p->o->lang, VG_T_E_DROPPED), vg_buf_put,
		       vg_text_number(p->o->lang, p->v->total.dropped_groups, n1),
		       vg_text_number(p->o->lang, p->v->total.dropped_paths, n2),
		       vg_text_number(p->o->lang, p->v->total.dropped_entities, n3));
		vg_page_raw(p, "</p>");
	}
	section_end(p);
}

/* The other tables. */
static void
erasure_row(struct vg_page *p, const struct vg_erasure *e, uint64_t missing, bool noted)
{
	vg_page_raw(p, noted ? "<tr class=\"off\">" : "<tr class=\"hot\">");
	td_time(p, e->time_ns);
	td(p, e->host);
	td(p, e->log);
	td_text(p, vg_text_erasure(e->kind));
	td(p, e->user);
	if (missing)
		td_number(p, missing);
	else
		vg_page_raw(p, "<td></td>");
	td(p, file_name(p, e->file));
	vg_page_raw(p, "</tr>\n");
	vg_page_flush(p, 65536);
}

static int
noted_cmp(const void *x, const void *y)
{
	const struct vg_erasure *a = *(const struct vg_erasure *const *)x, *b = *(const struct vg_erasure *const *)y;
	int c = (int)a->kind - (int)b->kind;

	if (c == 0)
		c = vg_str_cmp(a->file, b->file);
	if (c == 0)
		c = vg_str_cmp(a->host, b->host);
	if (c == 0)
		c = vg_str_cmp(a->log, b->log);
	return c ? c : a < b ? -1 : a > b;
}

static bool
is_noted(const struct vg_erasure *e)
{
	return e->kind == VG_ERASE_STOPPED || e->kind == VG_ERASE_GAP_NOTED;
}

static const struct th erasure_th[] = { { VG_T_C_TIME, "" }, { VG_T_C_HOST, "" },      { VG_T_C_LOG, "" }, { VG_T_C_WHAT, "" },
					{ VG_T_C_WHO, "" },  { VG_T_C_MISSING, "num" }, { VG_T_C_FILE, "" } };

/* What is only noted, a line a file and log. */
static void
erasures_noted(struct vg_page *p, const struct vg_erasure **e, size_t n)
{
	size_t rows = 0, i = 0;

	if (n > 1)
		qsort(e, n, sizeof(*e), noted_cmp);
	vg_page_raw(p, "<details><summary>");
	vg_page_text(p, VG_T_ERASED_NOTED);
	vg_page_raw(p, "</summary>");
	table_begin(p, erasure_th, VG_COUNT(erasure_th));
	while (i < n && rows < ROWS_MAX) {
		uint64_t missing = 0;
		size_t k = i;

		for (; k < n && e[k]->kind == e[i]->kind && vg_str_eq(e[k]->file, e[i]->file) && vg_str_eq(e[k]->host, e[i]->host) &&
		       vg_str_eq(e[k]->log, e[i]->log) && (k == i || e[i]->kind == VG_ERASE_GAP_NOTED);
		     k++)
			missing += e[k]->missing;
		erasure_row(p, e[i], missing, true);
		rows++;
		i = k;
	}
	table_end(p, n - i);
	vg_page_raw(p, "</details>");
}

static void
erasures(struct vg_page *p)
{
	const struct vg_erasure **noted = malloc((p->v->nerasure + 1) * sizeof(*noted));
	size_t n = 0, nnoted = 0, all;

	if (noted == NULL) {
		p->b.rc = VG_E_NOMEM;
		return;
	}
	for (size_t i = 0; i < p->v->nerasure; i++)
		if (is_noted(&p->v->erasure[i]))
			noted[nnoted++] = &p->v->erasure[i];
	all = p->v->nerasure - nnoted;
	if (p->v->nerasure) {
		section_note(p, "erased", VG_T_T_ERASED, VG_T_E_ERASED);
		if (all) {
			table_begin(p, erasure_th, VG_COUNT(erasure_th));
			for (size_t i = 0; i < p->v->nerasure && n < ROWS_MAX; i++) {
				if (is_noted(&p->v->erasure[i]))
					continue;
				erasure_row(p, &p->v->erasure[i], p->v->erasure[i].missing, false);
				n++;
			}
			table_end(p, all - n);
		}
		if (nnoted)
			erasures_noted(p, noted, nnoted);
		section_end(p);
	}
	free(noted);
}

/* "3 d 4 h", "5 min". */
static void
td_duration(struct vg_page *p, int64_t ns)
{
	const char *day = p->o->lang == VG_LANG_FR ? "j" : "d";

	vg_page_raw(p, "<td class=\"num\">");
	if (ns >= VG_DAY)
		vg_page_rawf(p, "%lld\xc2\xa0%s %lld\xc2\xa0h", (long long)(ns / VG_DAY), day, (long long)(ns % VG_DAY / VG_HOUR));
	else if (ns >= VG_HOUR)
		vg_page_rawf(p, "%lld\xc2\xa0h %lld\xc2\xa0min", (long long)(ns / VG_HOUR), (long long)(ns % VG_HOUR / VG_MIN));
	else if (ns >= VG_MIN)
		vg_page_rawf(p, "%lld\xc2\xa0min", (long long)(ns / VG_MIN));
	else if (ns > 0)
		vg_page_rawf(p, "%lld\xc2\xa0s", (long long)(ns / VG_SEC));
	vg_page_raw(p, "</td>");
}

static void
td_source(struct vg_page *p, const struct vg_path *x)
{
	const char *word = vg_text_source(p->o->lang, x->source);

	vg_page_raw(p, "<td>");
	vg_page_esc(p, word ? vg_str_of(word) : x->source);
	if (x->origin_source.n) {
		struct vg_buf b = { 0 };

		VG_PUT(&b, vg_text(p->o->lang, VG_T_VPN_OF), vg_buf_put, x->origin_account, x->origin_source);
		vg_page_raw(p, "<br><small>");
		vg_page_esc(p, vg_buf_str(&b));
		vg_page_raw(p, "</small>");
		vg_buf_fini(&b);
	}
	vg_page_raw(p, "</td>");
}

static void
paths(struct vg_page *p)
{
	static const struct th th[] = { { VG_T_C_SOURCE, "" },     { VG_T_C_ACCOUNT, "" },  { VG_T_C_HOST, "" },
					{ VG_T_C_VIA, "" },        { VG_T_C_SESSIONS, "num" }, { VG_T_C_FAILURES, "num" },
					{ VG_T_C_PRIVILEGED, "num" }, { VG_T_C_OPEN, "num" }, { VG_T_C_FIRST, "" },
					{ VG_T_C_LAST, "" } };
	size_t n = 0;

	if (p->v->npath == 0)
		return;
	section_note(p, "paths", VG_T_T_PATHS, VG_T_E_PATHS);
	vg_page_graph(p);
	tools(p, false);
	table_begin(p, th, VG_COUNT(th));
	for (; n < p->v->npath && n < ROWS_MAX; n++) {
		const struct vg_path *x = &p->v->path[n];

		vg_page_raw(p, x->flagged ? "<tr class=\"hot\" data-row>" : "<tr data-row>");
		td_source(p, x);
		td(p, x->account);
		td(p, x->host);
		td(p, vg_str_of(vg_text_via(p->o->lang, x->via)));
		td_number(p, x->sessions);
		td_number(p, x->failures);
		td_number(p, x->privileged);
		td_duration(p, x->open_ns);
		td_minute(p, x->first_ns);
		td_minute(p, x->last_ns);
		vg_page_raw(p, "</tr>\n");
		vg_page_flush(p, 65536);
	}
	table_end(p, p->v->npath - n);
	section_end(p);
}

static void
deeds(struct vg_page *p)
{
	static const struct th th[] = { { VG_T_C_TIME, "" }, { VG_T_C_HOST, "" },   { VG_T_C_WHAT, "" },
					{ VG_T_C_TARGET, "" }, { VG_T_C_WHO, "" }, { VG_T_C_COUNT, "num" } };
	size_t n = 0;

	if (p->v->ndeed == 0)
		return;
	section_begin(p, "deeds", VG_T_T_DEEDS, NULL);
	tools(p, false);
	table_begin(p, th, VG_COUNT(th));
	for (unsigned pass = 0; pass < 2; pass++) { /* flagged first */
		for (size_t i = 0; i < p->v->ndeed && n < ROWS_MAX; i++) {
			const struct vg_deed *d = &p->v->deed[i];

			if (d->flagged != (pass == 0))
				continue;
			n++;
			vg_page_raw(p, d->flagged ? "<tr class=\"hot\" data-row>" : "<tr data-row>");
			td_time(p, d->first_ns);
			td(p, d->host);
			td_text(p, vg_text_deed(d->kind));
			vg_page_raw(p, "<td>");
			if (d->member.n) {
				vg_page_esc(p, d->member);
				vg_page_raw(p, " \xe2\x86\x92 ");
			}
			vg_page_esc(p, d->target);
			vg_page_raw(p, "</td>");
			td(p, d->user);
			td_number(p, d->count);
			vg_page_raw(p, "</tr>\n");
			vg_page_flush(p, 65536);
		}
	}
	table_end(p, p->v->ndeed - n);
	section_end(p);
}

static void
entities(struct vg_page *p, const char *id, enum vg_text title, const struct vg_entity *e, size_t all)
{
	static const struct th th[] = { { VG_T_C_LEVEL, "" },   { VG_T_C_NAME, "" },  { VG_T_C_SIGNALS, "num" }, { VG_T_C_EVENTS, "num" },
					{ VG_T_C_FIRST, "" }, { VG_T_C_LAST, "" }, { VG_T_T_TIMELINE, "bar" } };
	size_t n = 0, most = ROWS_MAX / 4;

	if (all == 0)
		return;
	section_begin(p, id, title, NULL);
	tools(p, false);
	table_begin(p, th, VG_COUNT(th));
	for (; n < all && n < most; n++) {
		vg_page_raw(p, "<tr data-row><td>");
		if (e[n].worst < VG_LEVELS)
			level_badge(p, e[n].worst);
		vg_page_raw(p, "</td>");
		td(p, e[n].name);
		td_number(p, e[n].signals);
		td_number(p, e[n].events);
		td_time(p, e[n].first_ns);
		td_time(p, e[n].last_ns);
		vg_page_raw(p, "<td class=\"bar\">");
		vg_page_bar(p, e[n].first_ns, e[n].last_ns, e[n].worst < VG_LEVELS ? e[n].worst : 0);
		vg_page_raw(p, "</td></tr>\n");
		vg_page_flush(p, 65536);
	}
	table_end(p, all - n);
	section_end(p);
}

static void
td_size(struct vg_page *p, uint64_t bytes)
{
	static const char *const unit[2][5] = { { "B", "KB", "MB", "GB", "TB" }, { "o", "ko", "Mo", "Go", "To" } };
	double v = (double)bytes;
	unsigned u = 0;

	for (; v >= 1000 && u < 4; v /= 1000)
		u++;
	vg_page_rawf(p, "<td class=\"num\">%.*f\xc2\xa0%s</td>", u && v < 10 ? 1 : 0, v, unit[p->o->lang == VG_LANG_FR][u]);
}

static void
file_remark(struct vg_page *p, bool *any, enum vg_text text, uint64_t n)
{
	char t[VG_NUMBER_MAX];

	if (n == 0)
		return;
	vg_page_raw(p, *any ? "<br>" : "");
	VG_PUT(&p->b, vg_text(p->o->lang, text), vg_buf_put, vg_text_number(p->o->lang, n, t));
	*any = true;
}

static void
file_row(struct vg_page *p, const struct vg_file_report *f)
{
	bool any = f->why_not.n != 0;

	vg_page_raw(p, any ? "<tr class=\"hot\" data-row>" : "<tr data-row>");
	td(p, file_name(p, f->path));
	if (f->format.n)
		td(p, f->format);
	else
		td_text(p, VG_T_UNKNOWN_FORMAT);
	td_size(p, f->bytes);
	td_number(p, f->events);
	td_number(p, f->signals);
	vg_page_raw(p, "<td>");
	vg_page_esc(p, f->why_not);
	file_remark(p, &any, VG_T_NOTE_BAD, f->bad);
	file_remark(p, &any, VG_T_NOTE_NO_TIME, f->no_time);
	file_remark(p, &any, VG_T_NOTE_UNKNOWN_SOURCE, f->unknown_source);
	for (unsigned k = 0; k < VG_NOTE_KINDS && k < VG_COUNT(f->note); k++) {
		if (f->note[k] == 0)
			continue;
		vg_page_raw(p, any ? "<br>" : "");
		vg_page_number(p, f->note[k]);
		vg_page_raw(p, "\xc2\xa0\xc3\x97 ");
		vg_page_text(p, (enum vg_text)(VG_T_NOTE_RECORD_BAD + k));
		if (f->note_text[k].n) {
			vg_page_raw(p, " (");
			vg_page_esc(p, f->note_text[k]);
			vg_page_raw(p, ")");
		}
		any = true;
	}
	vg_page_raw(p, "</td></tr>\n");
	vg_page_flush(p, 65536);
}

static void
files(struct vg_page *p)
{
	static const struct th th[] = { { VG_T_C_FILE, "" },     { VG_T_C_FORMAT, "" },    { VG_T_C_SIZE, "num" },
					{ VG_T_C_EVENTS, "num" }, { VG_T_C_SIGNALS, "num" }, { VG_T_C_REMARKS, "" } };
	size_t n = 0;
	uint64_t bad = 0;
	char number[VG_NUMBER_MAX];

	if (p->v->nfile == 0)
		return;
	for (size_t i = 0; i < p->v->nfile; i++)
		bad += p->v->file[i].why_not.n != 0;
	section_begin(p, "files", VG_T_T_FILES, NULL);
	if (bad) {
		vg_page_raw(p, "<p class=\"note\">");
		VG_PUT(&p->b, vg_text_n(p->o->lang, VG_N_NOT_READ, bad), vg_buf_put, vg_text_number(p->o->lang, bad, number));
		vg_page_raw(p, "</p>\n");
	}
	if (p->prefix) {
		vg_page_raw(p, "<p class=\"note\">");
		vg_page_text(p, VG_T_FOLDER);
		vg_page_raw(p, " ");
		vg_page_esc(p, vg_str_cut(p->v->file[0].path, p->prefix));
		vg_page_raw(p, "</p>\n");
	}
	tools(p, false);
	table_begin(p, th, VG_COUNT(th));
	for (unsigned pass = 0; pass < 2; pass++) { /* what was not read comes first */
		for (size_t i = 0; i < p->v->nfile && n < ROWS_MAX; i++) {
			if ((p->v->file[i].why_not.n != 0) != (pass == 0))
				continue;
			n++;
			file_row(p, &p->v->file[i]);
		}
	}
	table_end(p, p->v->nfile - n);
	section_end(p);
}

static void
uncovered(struct vg_page *p)
{
	static const struct th th[] = { { VG_T_C_CHANNEL, "" }, { VG_T_C_EVENTS, "num" } };
	size_t n = 0;

	if (p->v->nuncovered == 0)
		return;
	section_note(p, "uncovered", VG_T_T_UNCOVERED, VG_T_E_UNCOVERED);
	table_begin(p, th, VG_COUNT(th));
	for (; n < p->v->nuncovered && n < ROWS_MAX / 4; n++) {
		vg_page_raw(p, "<tr>");
		td(p, p->v->uncovered[n].channel);
		td_number(p, p->v->uncovered[n].events);
		vg_page_raw(p, "</tr>\n");
	}
	table_end(p, p->v->nuncovered - n);
	section_end(p);
}

static void
about(struct vg_page *p)
{
	static const enum vg_text say[] = { VG_T_E_ABOUT_SIGNAL, VG_T_E_ABOUT_TIME, VG_T_E_ABOUT_MARK, VG_T_E_ABOUT_ATTACK,
					    VG_T_SAY_ZERO_MEANS, VG_T_E_ABOUT_ESCAPE };

	section_begin(p, "about", VG_T_T_ABOUT, NULL);
	vg_page_raw(p, "<ul class=\"plain\">");
	for (size_t i = 0; i < VG_COUNT(say); i++) {
		vg_page_raw(p, "<li>");
		vg_page_text(p, say[i]);
		vg_page_raw(p, "</li>\n");
	}
	vg_page_raw(p, "</ul>");
	section_end(p);
}

static void
document_end(struct vg_page *p)
{
	vg_page_raw(p, "</main>\n<footer>Vigie ");
	vg_page_esc(p, vg_str_of(p->o->version));
	vg_page_raw(p, "</footer>\n<script>");
	vg_page_raw(p, report_js);
	vg_page_raw(p, "</script>\n</body>\n</html>\n");
}

vg_rc
vg_report_html(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_out *out)
{
	struct vg_page p = { .v = v, .o = o, .out = out, .prefix = common_folder(v) };
	struct signals s;

	if (!signals_init(&p, &s)) {
		signals_fini(&s);
		return VG_E_NOMEM;
	}
	document_begin(&p);
	document_top(&p);
	headline(&p);
	chapters(&p);
	if (s.n || v->nerasure) {
		section_note(&p, "timeline", VG_T_T_TIMELINE, VG_T_E_TIMELINE);
		vg_page_timeline(&p);
		section_end(&p);
	}
	signals(&p, &s);
	erasures(&p);
	paths(&p);
	deeds(&p);
	entities(&p, "hosts", VG_T_T_HOSTS, v->host, v->nhost);
	entities(&p, "accounts", VG_T_T_ACCOUNTS, v->account, v->naccount);
	entities(&p, "sources", VG_T_T_SOURCES, v->source, v->nsource);
	files(&p);
	uncovered(&p);
	about(&p);
	credits(&p, &s);
	document_end(&p);
	vg_page_flush(&p, 0);
	signals_fini(&s);
	vg_buf_fini(&p.b);
	return p.rc;
}
