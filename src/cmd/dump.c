/* cmd/dump.c - `vigie dump`: one sandboxed process reads, and writes to standard output. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/common.h"
#include "cmd/event_json.h"
#include "proc/pool.h"
#include "source/archive.h"
#include "source/evidence.h"
#include "source/evtx.h"

#define FLUSH_BYTES ((size_t)1 << 18)

const struct vg_opt vg_dump_opts[] = {
	{ "--raw-xml", VG_OPT_FLAG, NULL, "EVTX as XML, one event a line" },
	{ "--carve", VG_OPT_FLAG, NULL, "also records from slack and damaged chunks, flagged as such" },
	{ "--quiet", VG_OPT_FLAG, NULL, "say nothing of what could not be read" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

struct dump {
	const struct vg_file_list *files;
	struct vg_pack_texts packs_text;
	bool xml, carve, quiet;
	size_t next;
	uint32_t now;
	uint64_t failed;
	int unwritten; /* errno of standard output, 0: all is well; nothing more is read then */

	/* in the worker */
	struct vg_keys *keys;
	struct vg_packs *packs;
	struct vg_buf blob, out;
	struct vg_arena arena;
	struct vg_event event;
	vg_str name;        /* as events name it: the file, or ARCHIVE!MEMBER */
	struct vg_buf member; /* that name, of a member */
	vg_str path;
	uint64_t notes;
	char first_note[200];
};

static vg_rc
flush(void *ctx, struct vg_buf *b)
{
	struct dump *d = ctx;

	if (d->unwritten)
		return VG_E_SYS;
	if (vg_write_all(STDOUT_FILENO, vg_buf_str(b)) != VG_OK) {
		d->unwritten = errno;
		return VG_E_SYS;
	}
	vg_buf_clear(b);
	return VG_OK;
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct dump *d = ctx;

	vg_event_json(&d->out, e, d->name);
	return d->out.rc != VG_OK ? d->out.rc : d->out.n >= FLUSH_BYTES ? flush(d, &d->out) : VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct dump *d = ctx;

	if (d->notes == 0)
		snprintf(d->first_note, sizeof(d->first_note), "%s at byte %llu: %s", vg_note_name(n->kind),
			 (unsigned long long)n->offset, n->text);
	d->notes += n->count ? n->count : 1;
}

static vg_rc
start(void *ctx, unsigned id)
{
	struct dump *d = ctx;

	(void)id;
	vg_archive_init(); /* reads what the sandbox then hides */
	if ((d->keys = vg_keys_new()) == NULL)
		return VG_E_NOMEM;
	vg_arena_init(&d->arena, (size_t)96 << 20);
	vg_event_init(&d->event, &d->arena, d->keys);
	return VG_OK;
}

/* Packs are compiled when the first file needs them: EVTX does not. */
static void
need_packs(struct dump *d)
{
	char *aligned;

	if (d->packs || d->packs_text.n == 0)
		return;
	if (vg_packs_compile(d->packs_text.text, d->packs_text.n, &d->blob, NULL, NULL) != VG_OK ||
	    posix_memalign((void **)&aligned, 64, d->blob.n + 64) != 0)
		return;
	memcpy(aligned, d->blob.p, d->blob.n);
	if (vg_packs_load(vg_str_mem(aligned, d->blob.n), d->keys, &d->packs) != VG_OK)
		d->packs = NULL;
}

static void
on_refused(void *ctx, vg_str name, const char *why)
{
	struct vg_note n = { .kind = VG_NOTE_LIMIT, .count = 1 };

	snprintf(n.text, sizeof(n.text), "%.*s: %s", VG_STR_ARG(vg_str_cut(name, 100)), why);
	on_note(ctx, &n);
}

static vg_rc
on_stream(void *ctx, const struct vg_stream *s)
{
	struct dump *d = ctx;
	struct vg_sink sink = { d, on_event, on_note };
	struct vg_reader r = { .in = s->in, .sink = &sink, .event = &d->event, .carve = d->carve, .ref_ns = s->mtime_ns,
			       .name = s->name, .first = true };
	vg_rc rc;

	d->name = d->path;
	if (s->inside.n) {
		vg_buf_clear(&d->member);
		vg_buf_put(&d->member, d->path);
		vg_buf_putc(&d->member, '!');
		vg_buf_put(&d->member, s->inside);
		d->name = vg_buf_str(&d->member);
	}
	if (strcmp(s->format->name, "evtx") == 0) {
		rc = d->xml ? vg_evtx_dump_xml(&r, &d->out, flush, d) : vg_evtx_dump_json(&r, &d->out, flush, d);
	} else {
		need_packs(d);
		r.packs = d->packs;
		rc = s->format->read(&r);
	}
	if (rc == VG_OK)
		rc = s->in->rc;
	if (rc == VG_OK || s->member == 0 || d->unwritten)
		return rc;
	on_refused(d, s->name, vg_rc_name(rc)); /* the other members go on */
	return VG_OK;
}

static void
work(void *ctx, int fd, vg_str task, struct vg_buf *reply)
{
	struct dump *d = ctx;
	struct vg_cur c = vg_cur_of(task.p, task.n);
	uint32_t at = vg_cur_le32(&c);
	const struct vg_input_file *file = &d->files->file[at < d->files->n ? at : 0];
	struct vg_evidence e = { .fd = fd, .size = file->size, .name = vg_str_of(file->path), .mtime_ns = file->mtime_ns, .ctx = d,
				 .stream = on_stream, .refused = on_refused };
	vg_rc rc;

	d->path = d->name = e.name;
	d->notes = 0;
	rc = vg_evidence_each(&e);
	if (flush(d, &d->out) != VG_OK)
		vg_buf_clear(&d->out);
	vg_buf_le32(reply, (uint32_t)d->unwritten);
	vg_buf_u8(reply, (uint8_t)rc);
	vg_buf_le64(reply, d->notes);
	vg_buf_le_str(reply, d->notes ? vg_str_of(d->first_note) : VG_NIL);
}

static bool
next(void *ctx, unsigned id, struct vg_buf *task, int *fd, uint64_t *token)
{
	struct dump *d = ctx;

	(void)id;
	while (d->next < d->files->n && d->unwritten == 0) {
		uint32_t at = (uint32_t)d->next++;
		const struct vg_input_file *f = &d->files->file[at];

		*fd = f->why_not ? -1 : open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (*fd < 0) {
			vg_log(VG_LOG_WARNING, "%s: not read: %s", f->path, f->why_not ? f->why_not : strerror(errno));
			d->failed++;
			continue;
		}
		vg_buf_le32(task, at);
		*token = at;
		return true;
	}
	return false;
}

static void
done(void *ctx, unsigned id, uint64_t token, vg_str reply)
{
	struct dump *d = ctx;
	struct vg_cur c = vg_cur_of(reply.p, reply.n);
	uint32_t unwritten = vg_cur_le32(&c);
	unsigned rc = vg_cur_u8(&c);
	uint64_t notes = vg_cur_le64(&c);
	vg_str text = vg_cur_bytes(&c, vg_cur_le32(&c));
	const char *path = d->files->file[token].path;

	(void)id;
	if (unwritten) {
		d->unwritten = unwritten <= INT_MAX ? (int)unwritten : EIO;
		return;
	}
	d->failed += rc != VG_OK;
	if (d->quiet)
		return;
	if (rc != VG_OK)
		vg_log(VG_LOG_WARNING, "%s: %s", path, rc == VG_E_UNSUP ? "no known format" : vg_rc_name((vg_rc)rc));
	if (notes)
		vg_log(VG_LOG_WARNING, "%s: %llu things not read or in doubt; the first: %.*s", path,
		       (unsigned long long)notes, VG_STR_ARG(text));
}

static void
died(void *ctx, unsigned id, uint64_t token, const char *why)
{
	struct dump *d = ctx;

	(void)id;
	d->failed++;
	vg_log(VG_LOG_ERROR, "%s: the process that read it was %s", d->files->file[token].path, why);
}

int
vg_cmd_dump(const struct vg_args *a)
{
	static const struct vg_sandbox_limits limits = { .name = "dump", .data_bytes = (size_t)512 << 20 };
	struct vg_file_list files = { 0 };
	struct dump *d = calloc(1, sizeof(*d));
	struct vg_pool_ops ops = { .ctx = d, .start = start, .work = work, .next = next, .done = done, .died = died };
	char why[400];
	int code;

	if (d == NULL)
		return VG_EXIT_FAILED;
	if ((code = vg_gather_files(a, &files)) != VG_EXIT_OK)
		goto out;
	d->files = &files;
	d->xml = vg_arg_set(a, "--raw-xml");
	d->carve = vg_arg_set(a, "--carve");
	d->quiet = vg_arg_set(a, "--quiet");
	if (vg_pack_texts_read(&d->packs_text, why) != VG_OK)
		vg_log(VG_LOG_WARNING, "%s", why);
	if (vg_pool_run(&ops, 1, &limits, 0) != VG_OK) {
		vg_log(VG_LOG_ERROR, "no worker could be started: %s", strerror(errno));
		code = VG_EXIT_FAILED;
	} else if (d->unwritten && d->unwritten != EPIPE) { /* a reader that has enough is no failure */
		vg_log(VG_LOG_ERROR, "standard output: %s", strerror(d->unwritten));
		code = VG_EXIT_FAILED;
	} else if (d->unwritten == 0 && d->failed == files.n) {
		code = VG_EXIT_INPUT;
	}
	vg_pack_texts_free(&d->packs_text);
out:
	vg_files_fini(&files);
	free(d);
	return code;
}
