/* bench/logs.h - lines as the machines of a small company write them: the same ones on every run, as many as wanted.  A tenth of the text
 * is Windows events as JSON; the others are sign-ins, a firewall, web and mail servers, a NAS and its backups. */
#ifndef VG_BENCH_LOGS_H
#define VG_BENCH_LOGS_H

#include "base/buf.h"
#include "base/time.h"

struct bench_logs {
	uint64_t state;
	int64_t time_ns; /* of the next line */
	uint64_t n;      /* lines so far */
	uint32_t record[64];
};
void bench_logs_init(struct bench_logs *l, int64_t time_ns);
/* Append the next line, without an end, and move time on by @step_ns. */
void bench_logs_next(struct bench_logs *l, int64_t step_ns, struct vg_buf *out);
/* The same of @user, at the time of the next line. */
void bench_logs_of(struct bench_logs *l, const char *user, struct vg_buf *out);

#endif
