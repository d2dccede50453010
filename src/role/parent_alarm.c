#include "role/parent_alarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/time.h"
#include "net/loop.h"
#include "role/alarm.h"
#include "rule/program.h"

#define AGAIN_NS (10 * VG_SEC)

void
vg_parent_alarm(struct vg_parent_alarms *a, unsigned kind, unsigned level, const char *text)
{
	struct vg_role_alarm x = { .kind = (uint8_t)kind, .level = (uint8_t)level, .time_ns = vg_clock_ns(), .text = vg_str_of(text) };
	struct vg_buf b = { 0 };

	if (a->n == VG_PARENT_ALARMS_MAX || getrandom(x.id, sizeof(x.id), 0) != (ssize_t)sizeof(x.id)) {
		vg_log(VG_LOG_ERROR, "there are too many alarms that out does not take: this one is not told: %s", text);
		return;
	}
	vg_role_alarm_put(&b, &x);
	if (b.rc == VG_OK)
		a->waiting[a->n++] = (struct vg_parent_alarm){ b.p, b.n };
	else
		vg_buf_fini(&b);
}

bool
vg_deaths_add(struct vg_deaths *d, int64_t now_ns)
{
	int64_t oldest;

	d->at_ns[d->next] = now_ns;
	d->next = (d->next + 1) % VG_DEATHS;
	oldest = d->at_ns[d->next]; /* of so many, with this one */
	if (oldest == 0 || now_ns - oldest > VG_DEATHS_NS || (d->told_ns && now_ns - d->told_ns < VG_DEATHS_NS))
		return false;
	d->told_ns = now_ns;
	return true;
}

void
vg_parent_witness(struct vg_parent_alarms *a, int64_t seen_s, int64_t since_s, int64_t now_s)
{
	int64_t last_s = seen_s > since_s ? seen_s : since_s;
	bool silent = now_s - last_s > VG_WITNESS_SILENT_S;
	char when[VG_TIME_MAX];

	if (silent == a->witness_silent)
		return;
	a->witness_silent = silent;
	(void)vg_time_print(last_s * VG_SEC, 0, when);
	vg_parent_alarm(a, silent ? VG_ROLE_ALARM_WITNESS : VG_ROLE_ALARM_WITNESS_OVER, VG_LEVEL_HIGH, silent ? when : "");
}

bool
vg_parent_alarms_due(struct vg_parent_alarms *a, int64_t now_ns, struct vg_buf *out)
{
	if (a->n == 0 || (a->nsent && now_ns - a->sent_ns < AGAIN_NS))
		return false;
	for (size_t i = 0; i < a->n; i++)
		vg_buf_mem(out, a->waiting[i].bytes, a->waiting[i].n);
	a->nsent = a->n;
	a->sent_ns = now_ns;
	return out->rc == VG_OK;
}

void
vg_parent_alarms_took(struct vg_parent_alarms *a)
{
	for (size_t i = 0; i < a->nsent; i++)
		free(a->waiting[i].bytes);
	a->n -= a->nsent;
	memmove(a->waiting, a->waiting + a->nsent, a->n * sizeof(*a->waiting));
	a->nsent = 0;
}

void
vg_parent_alarms_lost(struct vg_parent_alarms *a)
{
	a->nsent = 0;
}
