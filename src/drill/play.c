#include "drill/play.h"

#include <stdlib.h>

#include "detect/correlate.h"
#include "detect/detect.h"
#include "source/decode.h"

#define CORRELATOR_BYTES ((size_t)64 << 20)
#define SCRATCH_BYTES ((size_t)96 << 20)

struct vg_player {
	const struct vg_knowledge *k;
	struct vg_decoder decoder;
	struct vg_detector *detector;
	struct vg_correlator *correlator; /* of the sample at hand */
	struct vg_regexes *regexes;
	struct vg_arena scratch;
	uint32_t *fired; /* one a rule; owned */
	const struct vg_rule_record *record; /* at hand */
	uint64_t token;
	struct vg_played out;
	uint32_t asked;  /* vg_play_suppressed() */
	bool whole;      /* all but its exceptions holds */
	uint32_t filter; /* node of the exception; UINT32_MAX: none */
};

struct vg_player *
vg_player_new(const struct vg_knowledge *k)
{
	struct vg_detector_options o = { .cache_bytes = 0 };
	struct vg_player *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->k = k;
	vg_decoder_init(&p->decoder, k->packs, k->keys, 0);
	vg_arena_init(&p->scratch, SCRATCH_BYTES);
	p->detector = vg_detector_new(&k->program, k->index, &o);
	p->regexes = vg_regexes_new(&k->program);
	p->fired = calloc(k->program.nrule + 1, sizeof(*p->fired));
	if (p->detector && p->regexes && p->fired)
		return p;
	vg_player_free(p);
	return NULL;
}

void
vg_player_free(struct vg_player *p)
{
	if (p == NULL)
		return;
	vg_decoder_fini(&p->decoder);
	vg_detector_free(p->detector);
	vg_regexes_free(p->regexes);
	vg_arena_fini(&p->scratch);
	free(p->fired);
	free(p);
}

static vg_rc
on_correlation(void *ctx, const struct vg_corr_hit *h)
{
	((struct vg_player *)ctx)->fired[h->rule]++;
	return VG_OK;
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, uint32_t rule)
{
	struct vg_player *p = ctx;

	p->fired[rule]++;
	return p->k->program.rule[rule].flags & VG_RULE_FED ? vg_correlator_hit(p->correlator, rule, p->record->time_ns, e, ++p->token) : VG_OK;
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct vg_player *p = ctx;

	p->out.events++;
	p->out.unknown += e->nls == 0;
	return e->nls ? vg_detect(p->detector, e, on_hit, p) : VG_OK;
}

static vg_rc
each_record(struct vg_player *p, const struct vg_rule_sample *s, vg_decoded_fn *fn)
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < s->nrecord && rc == VG_OK; i++) {
		p->record = &s->record[i];
		rc = vg_decoder_record(&p->decoder, p->record->raw, p->record->time_ns, fn, p);
	}
	return rc;
}

vg_rc
vg_play(struct vg_player *p, const struct vg_rule_sample *s, struct vg_played *out)
{
	vg_rc rc;

	if ((p->correlator = vg_correlator_new(&p->k->program, CORRELATOR_BYTES, on_correlation, p)) == NULL)
		return VG_E_NOMEM;
	memset(p->fired, 0, p->k->program.nrule * sizeof(*p->fired));
	p->out = (struct vg_played){ .fired = p->fired };
	if ((rc = each_record(p, s, on_event)) == VG_OK)
		rc = vg_correlator_end(p->correlator);
	vg_correlator_free(p->correlator);
	p->correlator = NULL;
	*out = p->out;
	return rc;
}

/* ---- exceptions ---- */

/* A rule with exceptions is one node: all of its own root, and not one of them each (rule/compile.c). */
static void
on_step(void *ctx, const struct vg_eval_step *s)
{
	struct vg_player *p = ctx;
	const struct vg_program *g = &p->k->program;
	const struct vg_node *root = &g->node[g->rule[s->rule].root];

	if (s->depth != 1)
		return;
	if (s->node == g->child[root->first])
		p->whole = s->outcome;
	else if (!s->outcome && p->filter == UINT32_MAX)
		p->filter = s->node;
}

static vg_rc
on_suppressed(void *ctx, struct vg_event *e)
{
	struct vg_player *p = ctx;

	if (!vg_rule_applies(&p->k->program, p->asked, e))
		return VG_OK;
	p->whole = false;
	p->filter = UINT32_MAX;
	(void)vg_eval(p->regexes, p->asked, e, &p->scratch, on_step, p);
	vg_arena_reset(&p->scratch);
	return p->whole && p->filter != UINT32_MAX ? VG_E_STOP : VG_OK;
}

vg_str
vg_play_suppressed(struct vg_player *p, const struct vg_rule_sample *s, uint32_t rule)
{
	const struct vg_rule *r = &p->k->program.rule[rule];

	if (r->kind != VG_RULE_BASE || r->nfilter == 0)
		return VG_NIL;
	p->asked = rule;
	return each_record(p, s, on_suppressed) == VG_E_STOP ? vg_program_str(&p->k->program, p->k->program.node[p->filter].name) : VG_NIL;
}

/* ---- rules ---- */

uint32_t
vg_rule_find(const struct vg_program *p, vg_str name)
{
	for (uint32_t i = 0; i < p->nrule; i++)
		if (vg_str_eq(vg_program_str(p, p->rule[i].id), name) || vg_str_eq(vg_program_str(p, p->rule[i].name), name))
			return i;
	for (uint32_t i = 0; i < p->nrule; i++)
		if (vg_str_ieq(vg_program_str(p, p->rule[i].title), name))
			return i;
	return UINT32_MAX;
}

bool
vg_rule_stands_on(const struct vg_program *p, uint32_t of, uint32_t rule)
{
	const struct vg_corr *c;

	if (of == rule)
		return true;
	if (p->rule[of].kind != VG_RULE_CORRELATION)
		return false;
	c = &p->corr[p->rule[of].corr]; /* its rules stand before it: this ends */
	for (uint32_t i = 0; i < c->nref; i++)
		if (vg_rule_stands_on(p, p->refs[c->ref + i], rule))
			return true;
	return false;
}
