/* fuzz/knowledge.h - a small set of rules and packs, compiled as the parent compiles them, behind a descriptor. */
#ifndef VG_FUZZ_KNOWLEDGE_H
#define VG_FUZZ_KNOWLEDGE_H

#include <stdio.h>
#include <sys/wait.h>

#include "folder.h"
#include "knowledge/knowledge.h"
#include "proc/pool.h"

/* No sandbox here: what is fuzzed is not the compiler. */
vg_rc
vg_sandbox_run(vg_rc (*work)(void *ctx), void *ctx, const struct vg_sandbox_limits *limits, unsigned timeout_s, char why[160])
{
	int status;
	pid_t pid = fork(); /* it frees nothing */

	(void)limits;
	(void)timeout_s;
	why[0] = 0;
	if (pid == 0)
		_exit(work(ctx) == VG_OK ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? VG_OK : VG_E_SYS;
}

static const char fuzz_rules[] =
	"title: a\nname: a\nid: a\nlevel: high\nlogsource: {product: linux, service: auth}\ndetection: {s: {user.name: [eve, mallory]}, condition: s}\n---\n"
	"title: b\nname: b\nid: b\nlevel: low\nlogsource: {product: linux}\ndetection: {k: [failed, 'r*t'], condition: k}\n---\n"
	"title: c\nname: c\nid: c\nlevel: medium\nlogsource: {product: windows}\ndetection: {s: {EventID: 4625, u|re: '^[a-z]+\\d?$'}, t: {p|cidr: 10.0.0.0/8},"
	" condition: s or t}\n---\n"
	"title: count\nid: 1\nname: count\ncorrelation: {type: event_count, rules: [a], group-by: [u], timespan: 1m, condition: {gte: 3}}\n---\n"
	"title: values\nid: 2\ncorrelation: {type: value_count, rules: [a, b], group-by: [u], timespan: 5m, condition: {field: v, gte: 3}}\n---\n"
	"title: without\nid: 3\ncorrelation: {type: temporal, rules: [a, b, c], group-by: [u], timespan: 2m, condition: a and b and not c}\n---\n"
	"title: order\nid: 4\ncorrelation: {type: temporal_ordered, rules: [count, b], group-by: [u], timespan: 5m}\n---\n"
	"title: sum\nid: 5\ncorrelation: {type: value_sum, rules: [a], group-by: [u], timespan: 2m, condition: {field: n, gte: 12.5}}\n---\n"
	"title: few\nid: 6\ncorrelation: {type: event_count, rules: [c], group-by: [u], timespan: 3m, condition: {lt: 2}}\n";
static const char fuzz_pack[] =
	"name: su\ntitle: su\nreferences: [https://man7.org/linux/man-pages/man1/su.1.html]\nproduct: linux\nrecognise:\n  - {program: [su]}\nparse:\n"
	"  - patterns:\n    - text: \"FAILED su for {user.effective.name} by {user.name}\"\n      set: {event.outcome: failure}\n"
	"    - text: \"(to {user.effective.name}) {user.name} on {}\"\n"
	"names:\n  host.name: hostname\nlogsource:\n  - {service: su}\n  - {service: auth}\nsamples:\n  - program: su\n    message: \"FAILED su for root by eve\"\n"
	"    expect: {user.name: eve}\n";

static int
fuzz_knowledge(void)
{
	static int fd = -1;
	char path[128];
	const char *const rules[] = { path };
	struct vg_knowledge_options o = { .rules = rules, .nrules = 1, .no_default_rules = true, .no_cache = true };
	struct vg_knowledge_summary s;
	char why[400];

	if (fd >= 0)
		return fd;
	if (mkdirat(fuzz_folder(), "packs", 0700) < 0 || mkdirat(fuzz_folder(), "rules", 0700) < 0)
		abort();
	fuzz_file(fuzz_folder(), "packs/su.yaml", vg_str_of(fuzz_pack));
	fuzz_file(fuzz_folder(), "rules/a.yml", vg_str_of(fuzz_rules));
	if (setenv("VIGIE_DATA", fuzz_folder_path, 1) < 0)
		abort();
	snprintf(path, sizeof(path), "%s/rules", fuzz_folder_path);
	if (vg_knowledge_make(&o, &fd, &s, why) != VG_OK || s.rules != 3 || s.correlations != 6 || s.refused || s.pack_problems) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	return fd;
}

#endif
