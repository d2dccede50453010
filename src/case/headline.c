#include "case/text.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>

#define NAMES_SHOWN 3 /* of a list of names in a sentence */

struct names { /* the first few different names, and how many more there are */
	vg_str all[256]; /* seen; past them a name may count twice */
	size_t n;
};

static void
names_add(struct names *s, vg_str name)
{
	if (name.n == 0)
		return;
	for (size_t i = 0; i < s->n && i < VG_COUNT(s->all); i++)
		if (vg_str_ieq(s->all[i], name))
			return;
	if (s->n < VG_COUNT(s->all))
		s->all[s->n] = name;
	s->n++;
}

/* "A, B and 4 others".  Already escaped, so it goes into a sentence as it is. */
static vg_str
names_text(struct names *s, enum vg_lang l, vg_escape *escape, struct vg_buf *b)
{
	size_t shown = s->n <= NAMES_SHOWN ? s->n : NAMES_SHOWN - 1;
	struct vg_buf head = { 0 }, tail = { 0 };
	char number[VG_NUMBER_MAX];

	vg_buf_clear(b);
	if (s->n == 0) {
		vg_buf_puts(b, vg_text(l, VG_T_NO_HOST));
		return vg_buf_str(b);
	}
	for (size_t i = 0; i < shown; i++) {
		bool last = s->n == shown && i && i + 1 == shown;

		if (i && !last)
			vg_buf_puts(&head, ", ");
		escape(last ? &tail : &head, s->all[i]);
	}
	if (s->n > shown)
		VG_PUT(b, vg_text(l, VG_T_AND_OTHERS), vg_buf_put, vg_buf_str(&head),
		       vg_text_number(l, s->n - shown, number));
	else if (tail.n)
		VG_PUT(b, vg_text(l, VG_T_AND), vg_buf_put, vg_buf_str(&head), vg_buf_str(&tail));
	else
		vg_buf_put(b, vg_buf_str(&head));
	vg_buf_fini(&head);
	vg_buf_fini(&tail);
	return vg_buf_str(b);
}

/* Outside the ranges that only exist within a company (RFC 1918, 3927, 4193, 4291, 6598). */
static bool
is_public(vg_str s)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t a[16];

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, a) == 1)
		return !(a[0] == 10 || a[0] == 127 || a[0] == 0 || a[0] >= 224 || (a[0] == 172 && (a[1] & 0xf0) == 16) ||
			 (a[0] == 192 && a[1] == 168) || (a[0] == 169 && a[1] == 254) ||
			 (a[0] == 100 && (a[1] & 0xc0) == 64));
	return inet_pton(AF_INET6, text, a) == 1 && (a[0] & 0xe0) == 0x20;
}

bool
vg_path_is_indirect(const struct vg_path *p)
{
	return vg_str_eq(p->via, VG_STR("kerberos")) || vg_str_eq(p->via, VG_STR("ntlm")) || vg_str_eq(p->via, VG_STR("run-as"));
}

/* The path that tells best how he came in: flagged, succeeded, from outside, by a VPN; then the earliest. */
static const struct vg_path *
entry_path(const struct vg_story_view *v)
{
	const struct vg_path *best = NULL;
	int best_score = INT_MIN;

	for (size_t i = 0; i < v->npath && v->path[i].flagged; i++) { /* flagged come first, by time */
		const struct vg_path *p = &v->path[i];
		int score;

		if (p->sessions == 0 || p->source.n == 0 || vg_str_eq(p->source, VG_STR("-")))
			continue;
		score = (is_public(p->source) ? 4 : 0) + (vg_str_eq(p->via, VG_STR("vpn")) ? 2 : 0) +
			(vg_str_eq(p->via, VG_STR("rdp")) || vg_str_eq(p->via, VG_STR("ssh")) ? 1 : 0) -
			(vg_path_is_indirect(p) ? 4 : 0);
		if (score > best_score) {
			best = p;
			best_score = score;
		}
	}
	return best;
}

struct shown { /* what the groups at the level asked for say together */
	unsigned worst; /* 255: none */
	int64_t first_ns, last_ns;
	uint64_t below;
	struct names hosts;
};

static void
shown_of(const struct vg_story_view *v, unsigned min_level, struct shown *s)
{
	unsigned floor = min_level;

	*s = (struct shown){ .worst = 255, .first_ns = VG_TIME_NONE, .last_ns = VG_TIME_NONE };
	for (size_t i = 0; i < v->ngroup; i++) {
		const struct vg_group *g = &v->group[i];

		if (g->level < min_level) {
			s->below += g->count;
			continue;
		}
		if (s->worst == 255) {
			s->worst = g->level;
			/* what is said of the worst must not be stretched by what is minor */
			floor = g->level >= VG_LEVEL_HIGH ? VG_LEVEL_HIGH : g->level;
			floor = floor < min_level ? min_level : floor;
		}
		if (g->level < floor)
			continue;
		names_add(&s->hosts, g->host);
		if (g->first_ns != VG_TIME_NONE && (s->first_ns == VG_TIME_NONE || g->first_ns < s->first_ns))
			s->first_ns = g->first_ns;
		if (g->last_ns != VG_TIME_NONE && (s->last_ns == VG_TIME_NONE || g->last_ns > s->last_ns))
			s->last_ns = g->last_ns;
	}
}

static bool
is_erased(const struct vg_erasure *e)
{
	return e->kind == VG_ERASE_CLEARED || e->kind == VG_ERASE_OVERWRITTEN;
}

static void
say_zero(const struct vg_story_view *v, const struct vg_report_options *o, const struct shown *s, vg_escape *escape,
	 struct vg_buf *b)
{
	const struct vg_story_totals *t = &v->total;
	struct vg_buf events = { 0 }, rules = { 0 };
	char n1[VG_NUMBER_MAX], n2[VG_NUMBER_MAX];
	struct names logs = { .n = 0 };
	bool erased = false;

	for (size_t i = 0; i < v->nerasure; i++)
		erased |= is_erased(&v->erasure[i]);
	if (t->events == 0)
		vg_buf_puts(b, vg_text(o->lang, VG_T_HEAD_NOTHING_READ));
	else if (erased)
		vg_buf_puts(b, vg_text(o->lang, VG_T_HEAD_ERASED_ONLY));
	else if (s->below)
		VG_PUT(b, vg_text(o->lang, VG_T_HEAD_ZERO_LEVEL), vg_buf_put,
		       vg_str_of(vg_text(o->lang, vg_text_level(o->min_level))));
	else
		vg_buf_puts(b, vg_text(o->lang, VG_T_HEAD_ZERO));
	vg_buf_putc(b, '\n');
	if (s->below) {
		VG_PUT(&events, vg_text_n(o->lang, VG_N_SIGNALS, s->below), vg_buf_put,
		       vg_text_number(o->lang, s->below, n1));
		VG_PUT(b, vg_text(o->lang, VG_T_SAY_LOWER), vg_buf_put, vg_buf_str(&events));
		vg_buf_putc(b, '\n');
		vg_buf_clear(&events);
	}
	if (t->rules_loaded == 0) {
		vg_buf_puts(b, vg_text(o->lang, VG_T_SAY_NO_RULES));
	} else {
		VG_PUT(&events, vg_text_n(o->lang, VG_N_EVENTS, t->events), vg_buf_put,
		       vg_text_number(o->lang, t->events, n1));
		VG_PUT(&rules, vg_text_n(o->lang, VG_N_APPLICABLE, t->rules_applicable), vg_buf_put,
		       vg_text_number(o->lang, t->rules_applicable, n1));
		VG_PUT(b, vg_text(o->lang, VG_T_SAY_ZERO_RULES), vg_buf_put, vg_buf_str(&events), vg_buf_str(&rules),
		       vg_text_number(o->lang, t->rules_loaded, n2));
	}
	vg_buf_putc(b, '\n');
	for (size_t i = 0; i < v->nuncovered && i < 200; i++)
		names_add(&logs, v->uncovered[i].channel);
	if (logs.n) {
		VG_PUT(b, vg_text(o->lang, VG_T_SAY_UNCOVERED), vg_buf_put, names_text(&logs, o->lang, escape, &rules));
		vg_buf_putc(b, '\n');
	}
	vg_buf_puts(b, vg_text(o->lang, VG_T_SAY_ZERO_MEANS));
	vg_buf_putc(b, '\n');
	vg_buf_fini(&events);
	vg_buf_fini(&rules);
}

static void
say_main(const struct vg_report_options *o, struct shown *s, vg_escape *escape, struct vg_buf *b)
{
	static const enum vg_text text[3][2] = {
		{ VG_T_HEAD_MINOR, VG_T_HEAD_MINOR_DAY },
		{ VG_T_HEAD_SUSPECT, VG_T_HEAD_SUSPECT_DAY },
		{ VG_T_HEAD_INTRUSION, VG_T_HEAD_INTRUSION_DAY },
	};
	unsigned kind = s->worst >= VG_LEVEL_HIGH ? 2 : s->worst == VG_LEVEL_MEDIUM ? 1 : 0;
	char d1[VG_DATE_MAX], d2[VG_DATE_MAX], number[VG_NUMBER_MAX];
	vg_str first = vg_text_date(o->lang, s->first_ns, false, d1), last = vg_text_date(o->lang, s->last_ns, false, d2);
	bool day = vg_str_eq(first, last);
	struct vg_buf hosts = { 0 };

	if (first.n == 0)
		first = vg_str_of(vg_text(o->lang, VG_T_NO_TIME));
	if (s->hosts.n > 1)
		VG_PUT(&hosts, vg_text_n(o->lang, VG_N_HOSTS, s->hosts.n), vg_buf_put,
		       vg_text_number(o->lang, s->hosts.n, number));
	else
		(void)names_text(&s->hosts, o->lang, escape, &hosts);
	VG_PUT(b, vg_text(o->lang, text[kind][day]), vg_buf_put, vg_buf_str(&hosts), first, last);
	vg_buf_putc(b, '\n');
	vg_buf_fini(&hosts);
}

/* A VPN session: who came in from where, and what was reached through it. */
static void
say_vpn(const struct vg_story_view *v, const struct vg_report_options *o, const struct vg_path *p, vg_escape *escape, struct vg_buf *b)
{
	struct names hosts = { .n = 0 };
	char d1[VG_DATE_MAX], d2[VG_DATE_MAX];
	struct vg_buf t = { 0 };

	VG_PUT(b, vg_text(o->lang, p->sessions > 1 && p->last_ns - p->in_ns > VG_DAY ? VG_T_SAY_VPN_LAST : VG_T_SAY_VPN), escape,
	       p->source, p->account, vg_text_date(o->lang, p->in_ns, true, d1), vg_text_date(o->lang, p->last_ns, false, d2));
	vg_buf_putc(b, '\n');
	for (size_t i = 0; i < v->npath && v->path[i].flagged; i++) {
		const struct vg_path *x = &v->path[i];

		if (x->sessions && vg_str_eq(x->origin_source, p->source) && vg_str_eq(x->origin_account, p->account))
			names_add(&hosts, x->host);
	}
	if (hosts.n) {
		VG_PUT(b, vg_text(o->lang, VG_T_SAY_VPN_REACHED), vg_buf_put, names_text(&hosts, o->lang, escape, &t));
		vg_buf_putc(b, '\n');
	}
	vg_buf_fini(&t);
}

static void
say_path(const struct vg_story_view *v, const struct vg_report_options *o, vg_escape *escape, struct vg_buf *b)
{
	const struct vg_path *p = entry_path(v);
	char d1[VG_DATE_MAX], d2[VG_DATE_MAX];
	vg_str first, last;

	if (p == NULL)
		return;
	if (vg_str_eq(p->via, VG_STR("vpn"))) {
		say_vpn(v, o, p, escape, b);
		return;
	}
	first = vg_text_date(o->lang, p->in_ns, true, d1);
	last = vg_text_date(o->lang, p->last_ns, false, d2);
	VG_PUT(b, vg_text(o->lang, p->sessions > 1 && p->last_ns - p->in_ns > VG_DAY ? VG_T_SAY_PATH_LAST : VG_T_SAY_PATH),
	       escape, p->source, p->account, p->host, vg_str_of(vg_text_via(o->lang, p->via)), first, last);
	vg_buf_putc(b, '\n');
}

static void
say_erased(const struct vg_story_view *v, const struct vg_report_options *o, vg_escape *escape, struct vg_buf *b)
{
	struct names cleared = { .n = 0 }, gaps = { .n = 0 };
	uint64_t ncleared = 0, missing = 0;
	char number[VG_NUMBER_MAX];
	struct vg_buf t = { 0 };

	for (size_t i = 0; i < v->nerasure; i++) {
		const struct vg_erasure *e = &v->erasure[i];

		if (is_erased(e)) {
			ncleared++;
			names_add(&cleared, e->host.n ? e->host : e->file);
		} else if (e->kind == VG_ERASE_GAP) {
			missing += e->missing;
			names_add(&gaps, e->host.n ? e->host : e->file);
		}
	}
	if (ncleared) {
		VG_PUT(b, vg_text_n(o->lang, VG_N_ERASED, ncleared), vg_buf_put, vg_text_number(o->lang, ncleared, number),
		       names_text(&cleared, o->lang, escape, &t));
		vg_buf_putc(b, '\n');
	}
	if (missing) {
		VG_PUT(b, vg_text_n(o->lang, VG_N_GAPS, missing), vg_buf_put, vg_text_number(o->lang, missing, number),
		       names_text(&gaps, o->lang, escape, &t));
		vg_buf_putc(b, '\n');
	}
	vg_buf_fini(&t);
}

static void
say_accounts(const struct vg_story_view *v, const struct vg_report_options *o, vg_escape *escape, struct vg_buf *b)
{
	struct names made = { .n = 0 };
	struct vg_buf t = { 0 };

	for (size_t i = 0; i < v->ndeed; i++)
		if (v->deed[i].kind == VG_FACT_ACCOUNT_CREATED && v->deed[i].flagged)
			names_add(&made, v->deed[i].target);
	if (made.n) {
		VG_PUT(b, vg_text(o->lang, VG_T_SAY_CREATED), vg_buf_put, names_text(&made, o->lang, escape, &t));
		vg_buf_putc(b, '\n');
	}
	vg_buf_fini(&t);
}

static void
say_chapter(const struct vg_story_view *v, const struct vg_report_options *o, unsigned chapter, enum vg_text text,
	    vg_escape *escape, struct vg_buf *b)
{
	struct names hosts = { .n = 0 };
	int64_t first_ns = VG_TIME_NONE;
	char d[VG_DATE_MAX];
	struct vg_buf t = { 0 };

	for (size_t i = 0; i < v->ngroup; i++) {
		const struct vg_group *g = &v->group[i];

		if (g->chapter != chapter || g->level < VG_LEVEL_HIGH || g->level < o->min_level)
			continue;
		names_add(&hosts, g->host);
		if (g->first_ns != VG_TIME_NONE && (first_ns == VG_TIME_NONE || g->first_ns < first_ns))
			first_ns = g->first_ns;
	}
	if (hosts.n) {
		VG_PUT(b, vg_text(o->lang, text), vg_buf_put, names_text(&hosts, o->lang, escape, &t),
		       vg_text_date(o->lang, first_ns, false, d));
		vg_buf_putc(b, '\n');
	}
	vg_buf_fini(&t);
}

unsigned
vg_headline(const struct vg_story_view *v, const struct vg_report_options *o, vg_escape *escape, struct vg_buf *b)
{
	struct shown s;

	shown_of(v, o->min_level, &s);
	if (s.worst == 255) {
		say_zero(v, o, &s, escape, b);
		say_erased(v, o, escape, b);
		return s.worst;
	}
	say_main(o, &s, escape, b);
	say_path(v, o, escape, b);
	say_erased(v, o, escape, b);
	say_chapter(v, o, VG_CH_BACKUPS, VG_T_SAY_BACKUPS, escape, b);
	say_chapter(v, o, VG_CH_RANSOM, VG_T_SAY_RANSOM, escape, b);
	say_accounts(v, o, escape, b); /* last: the signals tell of them too, should a small screen end before */
	return s.worst;
}
