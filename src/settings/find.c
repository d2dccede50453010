#include <sched.h>

#include "base/ip.h"
#include "settings/table.h"

const struct vg_tenant *
vg_settings_tenant(const struct vg_settings *s, vg_str name)
{
	for (size_t i = 0; i < s->tenants.n; i++)
		if (vg_str_eq(s->tenants.item[i].name, name))
			return &s->tenants.item[i];
	return NULL;
}

const struct vg_listener *
vg_settings_listener(const struct vg_settings *s, vg_str name)
{
	for (size_t i = 0; i < s->listen.n; i++)
		if (vg_str_eq(s->listen.item[i].name, name))
			return &s->listen.item[i];
	return NULL;
}

/* * stands for any bytes, ? for one.  Only the last * is ever tried again: what came before it fits as early as it can. */
static bool
glob(vg_str pattern, vg_str s)
{
	size_t p = 0, i = 0, star = VG_NPOS, from = 0;

	while (i < s.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			from = i;
		} else if (p < pattern.n &&
			   (pattern.p[p] == '?' || vg_str_ieq((vg_str){ pattern.p + p, 1 }, (vg_str){ s.p + i, 1 }))) {
			p++;
			i++;
		} else if (star != VG_NPOS) {
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

/* A pattern that is a network or an address is one; else it is a name's. */
static bool
matches(vg_str pattern, vg_str name, const uint8_t *ip)
{
	uint8_t net[16];
	unsigned bits;

	if (vg_ip_network(pattern, net, &bits))
		return ip && vg_ip_in(ip, net, bits);
	return glob(pattern, name);
}

const struct vg_source_set *
vg_settings_source(const struct vg_settings *s, vg_str tenant, vg_str name, const uint8_t *ip)
{
	for (size_t i = 0; i < s->sources.n; i++) {
		const struct vg_source_set *set = &s->sources.item[i];

		if (set->tenant.n && !vg_str_eq(set->tenant, tenant))
			continue;
		for (size_t j = 0; j < set->match.n; j++)
			if (matches(set->match.item[j], name, ip))
				return set;
	}
	return NULL;
}

static const struct vg_class_retention *
find_class(const struct vg_retentions *r, vg_str class)
{
	for (size_t i = 0; i < r->n; i++)
		if (vg_str_eq(r->item[i].name, class))
			return &r->item[i];
	return NULL;
}

int64_t
vg_settings_keep_ns(const struct vg_settings *s, const struct vg_tenant *t, vg_str class)
{
	const vg_str standard = VG_STR("default");
	const struct vg_class_retention *r = t ? find_class(&t->retention, class) : NULL;

	if (r == NULL && t)
		r = find_class(&t->retention, standard);
	if (r == NULL)
		r = find_class(&s->vault.retention, class);
	if (r == NULL)
		r = find_class(&s->vault.retention, standard);
	return r->keep_ns; /* the default one is always there */
}

unsigned
vg_settings_processes(const struct vg_settings *s)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	if (s->detect.processes)
		return (unsigned)s->detect.processes;
	return n > 1 ? (unsigned)n - 1 : 1;
}
