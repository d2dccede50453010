#include "witness/alarm.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
	enum vg_alarm_kind kind;
	int64_t told_ns;
	char subject[VG_ALARM_SUBJECT_MAX], text[VG_ALARM_TEXT_MAX];
};
struct vg_alarms {
	int64_t repeat_ns;
	vg_alarm_fn *tell;
	void *ctx;
	struct row *row; /* those that are on; owned */
	size_t n, cap;
};

const char *
vg_alarm_kind_name(enum vg_alarm_kind k)
{
	static const char *const name[VG_ALARM_KINDS] = { "silence", "consistency", "epoch", "disk", "copy" };

	return name[k];
}

const char *
vg_alarm_state_name(enum vg_alarm_state s)
{
	static const char *const name[] = { "begins", "lasts", "over", "test" };

	return name[s];
}

vg_rc
vg_alarms_new(int64_t repeat_ns, vg_alarm_fn *tell, void *ctx, struct vg_alarms **out)
{
	struct vg_alarms *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return VG_E_NOMEM;
	*a = (struct vg_alarms){ .repeat_ns = repeat_ns, .tell = tell, .ctx = ctx };
	*out = a;
	return VG_OK;
}

void
vg_alarms_free(struct vg_alarms *a)
{
	if (a)
		free(a->row);
	free(a);
}

static struct row *
find(const struct vg_alarms *a, enum vg_alarm_kind kind, const char *subject)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->row[i].kind == kind && strcmp(a->row[i].subject, subject) == 0)
			return &a->row[i];
	return NULL;
}

static void
tell(struct vg_alarms *a, const struct row *r, enum vg_alarm_state state, const char *text)
{
	struct vg_alarm said = { r->kind, state, r->subject, text };

	a->tell(a->ctx, &said);
}

vg_rc
vg_alarm_raise(struct vg_alarms *a, enum vg_alarm_kind kind, const char *subject, const char *text, int64_t now_ns)
{
	struct row *r = find(a, kind, subject);

	if (r) {
		snprintf(r->text, sizeof(r->text), "%s", text);
		return VG_OK;
	}
	if (a->n == VG_ALARMS_MAX || strlen(subject) >= sizeof(r->subject))
		return VG_E_LIMIT;
	if (a->n == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 16;
		struct row *p = realloc(a->row, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		a->row = p;
		a->cap = cap;
	}
	r = &a->row[a->n++];
	r->kind = kind;
	r->told_ns = now_ns;
	snprintf(r->subject, sizeof(r->subject), "%s", subject);
	snprintf(r->text, sizeof(r->text), "%s", text);
	tell(a, r, VG_ALARM_BEGINS, r->text);
	return VG_OK;
}

void
vg_alarm_clear(struct vg_alarms *a, enum vg_alarm_kind kind, const char *subject, const char *text)
{
	struct row *r = find(a, kind, subject);

	if (r == NULL)
		return;
	tell(a, r, VG_ALARM_OVER, text);
	*r = a->row[--a->n];
}

bool
vg_alarm_is_on(const struct vg_alarms *a, enum vg_alarm_kind kind, const char *subject)
{
	return find(a, kind, subject) != NULL;
}

void
vg_alarms_turn(struct vg_alarms *a, int64_t now_ns)
{
	for (size_t i = 0; i < a->n; i++)
		if (now_ns - a->row[i].told_ns >= a->repeat_ns) {
			a->row[i].told_ns = now_ns;
			tell(a, &a->row[i], VG_ALARM_LASTS, a->row[i].text);
		}
}
