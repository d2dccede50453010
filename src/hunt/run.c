/* hunt/run.c - the parent: it hands out units, keeps count, and looks into no file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hunt/hunt.h"
#include "hunt/spool.h"
#include "proc/pool.h"

#define CHUNK_BASE 4096 /* EVTX: chunks begin behind the file header */

struct pending { /* units that wait */
	uint32_t file, unit;
	int32_t format;
	uint64_t begin, end;
};

struct run {
	const struct vg_file_list *files;
	const struct vg_knowledge *k;
	const struct vg_hunt_options *o;
	struct vg_file_report *report; /* one a file */
	bool *by_lines;
	size_t next_file;
	struct pending *wait; /* a stack: later slices lie deeper */
	size_t nwait, capwait;
	struct pending now[VG_POOL_WORKERS_MAX]; /* what each worker does */
	int spool[VG_POOL_WORKERS_MAX];
	uint64_t spool_end[VG_POOL_WORKERS_MAX];
	unsigned nspool;
	struct vg_range *range;
	size_t nrange, caprange;
	uint64_t carved, bytes_done, bytes_all;
	struct vg_worker *worker; /* in the child only */
	bool nomem, shown;
};

static vg_rc
start(void *ctx, unsigned id)
{
	struct run *r = ctx;

	r->worker = vg_worker_new(r->k, r->o, r->spool[id], r->spool_end[id]);
	return r->worker ? VG_OK : VG_E_NOMEM;
}

static void
work(void *ctx, int fd, vg_str task, struct vg_buf *reply)
{
	struct run *r = ctx;

	vg_worker_task(r->worker, fd, task, reply);
}

static void
set_why(struct vg_file_report *f, const char *why)
{
	if (f->why_not.n == 0) {
		char *copy = strdup(why);

		f->why_not = vg_str_of(copy); /* freed at the end of the run */
	}
}

static bool
take_pending(struct run *r, struct pending *p)
{
	if (r->nwait) {
		*p = r->wait[--r->nwait];
		return true;
	}
	while (r->next_file < r->files->n) {
		uint32_t i = (uint32_t)r->next_file++;
		const struct vg_input_file *f = &r->files->file[i];

		if (f->why_not) {
			set_why(&r->report[i], f->why_not);
			continue;
		}
		*p = (struct pending){ .file = i, .format = -1, .end = UINT64_MAX };
		return true;
	}
	return false;
}

static bool
next(void *ctx, unsigned id, struct vg_buf *task, int *fd, uint64_t *token)
{
	struct run *r = ctx;
	struct pending p;

	while (take_pending(r, &p)) {
		const struct vg_input_file *f = &r->files->file[p.file];
		struct vg_hunt_task t = { .file = p.file, .unit = p.unit, .format = p.format, .begin = p.begin,
					  .end = p.end, .size = f->size, .mtime_ns = f->mtime_ns };
		const char *slash = strrchr(f->path, '/');

		*fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (*fd < 0) {
			char why[200];

			snprintf(why, sizeof(why), "cannot be opened: %s", strerror(errno));
			set_why(&r->report[p.file], why);
			continue;
		}
		vg_buf_mem(task, &t, sizeof(t));
		vg_buf_puts(task, slash ? slash + 1 : f->path);
		r->now[id] = p;
		*token = id;
		return true;
	}
	return false;
}

static bool
push(struct run *r, struct pending p)
{
	if (r->nwait == r->capwait) {
		size_t cap = r->capwait ? 2 * r->capwait : 256;
		struct pending *w = realloc(r->wait, cap * sizeof(*w));

		if (w == NULL) {
			r->nomem = true;
			return false;
		}
		r->wait = w;
		r->capwait = cap;
	}
	r->wait[r->nwait++] = p;
	return true;
}

/* Cut a file at fixed places, so that the units are the same for any number of workers. */
static void
split(struct run *r, const struct pending *p, int32_t format)
{
	uint64_t size = r->files->file[p->file].size;
	uint64_t base = vg_formats[format].split == VG_SPLIT_CHUNKS ? CHUNK_BASE : 0;
	uint64_t n = size > base ? (size - base + VG_HUNT_UNIT_BYTES - 1) / VG_HUNT_UNIT_BYTES : 1;

	for (uint64_t i = n; i-- > 0;) { /* the first one is taken first */
		struct pending u = { .file = p->file, .unit = (uint32_t)i, .format = format };

		u.begin = i ? base + i * VG_HUNT_UNIT_BYTES : 0;
		u.end = i + 1 == n ? UINT64_MAX : base + (i + 1) * VG_HUNT_UNIT_BYTES;
		if (!push(r, u))
			return;
	}
}

static void
done(void *ctx, unsigned id, uint64_t token, vg_str reply)
{
	struct run *r = ctx;
	const struct pending *p = &r->now[id];
	struct vg_file_report *f = &r->report[p->file];
	struct vg_hunt_reply a;
	int32_t nformat = 0;

	(void)token;
	while (vg_formats[nformat].name)
		nformat++;
	if (reply.n != sizeof(a)) {
		set_why(f, "the worker's answer was damaged");
		return;
	}
	memcpy(&a, reply.p, sizeof(a));
	a.why_not[sizeof(a.why_not) - 1] = 0;
	if (a.format >= nformat || (a.answer == VG_ANSWER_SPLIT && (a.format < 0 || p->format >= 0)) ||
	    (a.answer == VG_ANSWER_DONE && (a.at != r->spool_end[id] || a.n > UINT64_MAX / 2 - a.at))) {
		set_why(f, "the worker's answer made no sense");
		return;
	}
	if (a.format >= 0)
		f->format = vg_str_of(vg_formats[a.format].name);
	else if (a.format == VG_FORMAT_ARCHIVE)
		f->format = VG_STR("archive");
	if (a.answer == VG_ANSWER_SPLIT) {
		r->by_lines[p->file] = vg_formats[a.format].split == VG_SPLIT_LINES;
		split(r, p, a.format);
		return;
	}
	if (a.format >= 0 && vg_formats[a.format].split == VG_SPLIT_LINES)
		r->by_lines[p->file] = true;
	if (r->nrange == r->caprange) {
		size_t cap = r->caprange ? 2 * r->caprange : 1024;
		struct vg_range *n = realloc(r->range, cap * sizeof(*n));

		if (n == NULL) {
			r->nomem = true;
			return;
		}
		r->range = n;
		r->caprange = cap;
	}
	r->range[r->nrange++] = (struct vg_range){ id, p->file, p->unit, a.at, a.n, a.lines };
	r->spool_end[id] = a.at + a.n;
	f->events += a.events;
	f->signals += a.signals;
	f->bad += a.bad;
	f->no_time += a.no_time;
	f->unknown_source += a.unknown_source;
	for (size_t i = 0; i < VG_NOTE_KINDS && i < VG_COUNT(f->note); i++)
		f->note[i] += a.note[i];
	r->carved += a.carved;
	if (a.why_not[0])
		set_why(f, a.why_not);
	r->bytes_done += p->end == UINT64_MAX ? r->files->file[p->file].size - p->begin : p->end - p->begin;
}

static void
died(void *ctx, unsigned id, uint64_t token, const char *why)
{
	struct run *r = ctx;
	char text[240];

	(void)token;
	snprintf(text, sizeof(text), "the process that read it was %s; what is past byte %llu was not read", why,
		 (unsigned long long)r->now[id].begin);
	set_why(&r->report[r->now[id].file], text);
}

static void
tick(void *ctx)
{
	struct run *r = ctx;

	if (!r->o->progress)
		return;
	r->shown = true;
	fprintf(stderr, "\r\033[K%3.0f %%  %zu of %zu files",
		r->bytes_all ? 100.0 * (double)r->bytes_done / (double)r->bytes_all : 100.0, r->next_file, r->files->n);
	fflush(stderr);
}

static int
range_cmp(const void *a, const void *b)
{
	const struct vg_range *x = a, *y = b;

	return x->file != y->file ? (x->file > y->file ? 1 : -1) : (x->unit > y->unit) - (x->unit < y->unit);
}

static vg_rc
finish(struct run *r, struct vg_hunt_result *out, char why[400])
{
	static const struct vg_sandbox_limits limits = { .name = "hunt-order", .data_bytes = (size_t)768 << 20 };
	struct vg_finish f = { .k = r->k, .o = r->o, .files = r->files, .report = r->report, .by_lines = r->by_lines,
			       .range = r->range, .nrange = r->nrange, .spool = r->spool, .nspool = r->nspool, .carved = r->carved };
	char died_why[160] = "";
	vg_rc rc;

	if (r->nrange)
		qsort(r->range, r->nrange, sizeof(*r->range), range_cmp);
	f.sort_fd = vg_spool_open();
	f.result_fd = memfd_create("vigie-result", MFD_CLOEXEC);
	if (f.sort_fd < 0 || f.result_fd < 0) {
		snprintf(why, 400, "no temporary file for sorting: %s", strerror(errno));
		rc = VG_E_SYS;
	} else {
		rc = vg_sandbox_pair(vg_order_run, vg_tell_run, &f, &limits, died_why);
		if (rc != VG_OK)
			snprintf(why, 400, "the story could not be told: %s%s%s", vg_rc_name(rc), died_why[0] ? ": " : "", died_why);
		else if (pread(f.result_fd, out, sizeof(*out), 0) != (ssize_t)sizeof(*out))
			rc = VG_E_TRUNC;
	}
	if (f.sort_fd >= 0)
		close(f.sort_fd);
	if (f.result_fd >= 0)
		close(f.result_fd);
	return rc;
}

vg_rc
vg_hunt(const struct vg_file_list *l, const struct vg_knowledge *k, const struct vg_hunt_options *o,
	struct vg_hunt_result *out, char why[400])
{
	static const struct vg_sandbox_limits limits = { .name = "hunt", .data_bytes = (size_t)512 << 20 };
	struct run r = { .files = l, .k = k, .o = o };
	struct vg_pool_ops ops = { .ctx = &r, .start = start, .work = work, .next = next, .done = done, .died = died,
				   .tick = tick, .stop = o->stop };
	vg_rc rc = VG_E_NOMEM;

	*out = (struct vg_hunt_result){ 0 };
	why[0] = 0;
	r.report = calloc(l->n + 1, sizeof(*r.report));
	r.by_lines = calloc(l->n + 1, sizeof(*r.by_lines));
	if (r.report == NULL || r.by_lines == NULL)
		goto out;
	for (size_t i = 0; i < l->n; i++) {
		r.report[i].path = vg_str_of(l->file[i].path);
		r.report[i].bytes = l->file[i].size;
		r.bytes_all += l->file[i].size;
	}
	for (; r.nspool < o->jobs && r.nspool < VG_POOL_WORKERS_MAX; r.nspool++)
		if ((r.spool[r.nspool] = vg_spool_open()) < 0) {
			snprintf(why, 400, "no temporary file for what the workers find: %s", strerror(errno));
			rc = VG_E_SYS;
			goto out;
		}
	rc = vg_pool_run(&ops, r.nspool, &limits, 600);
	if (r.shown)
		fputs("\r\033[K", stderr);
	if (rc == VG_E_SYS && why[0] == 0)
		snprintf(why, 400, "no worker could be started: %s", strerror(errno));
	if (rc == VG_OK && r.nomem)
		rc = VG_E_NOMEM;
	if (rc == VG_OK)
		rc = finish(&r, out, why);
out:
	for (unsigned i = 0; i < r.nspool; i++)
		close(r.spool[i]);
	for (size_t i = 0; r.report && i < l->n; i++)
		if (r.report[i].why_not.p)
			free((void *)(uintptr_t)r.report[i].why_not.p);
	free(r.report);
	free(r.by_lines);
	free(r.wait);
	free(r.range);
	return rc;
}
