#include "source/evidence.h"

#include <sys/mman.h>

#include "source/archive.h"
#include "source/fdinput.h"

struct walk {
	struct vg_evidence *e;
	uint32_t member;
};

static const struct vg_format *
probe(struct vg_input *in, vg_str name)
{
	size_t n = vg_input_peek(in, VG_PROBE_BYTES);

	return vg_format_probe(vg_str_mem(in->p, n < VG_PROBE_BYTES ? n : VG_PROBE_BYTES), in->eof, name);
}

/* "auth.log" in "auth.log.gz": a stream that is only compressed is named after its file. */
static bool
is_only_compressed(const struct vg_evidence *e, vg_str name)
{
	return vg_str_starts(e->name, name) && e->name.n > name.n && e->name.p[name.n] == '.';
}

static vg_rc
on_member(void *ctx, vg_str name, struct vg_input *in, int64_t mtime_ns)
{
	struct walk *w = ctx;
	struct vg_stream s = { .in = in, .name = name, .mtime_ns = mtime_ns ? mtime_ns : w->e->mtime_ns, .member = ++w->member,
			       .inside = is_only_compressed(w->e, name) ? VG_NIL : name };

	if (vg_input_peek(in, 1) == 0) /* empty */
		return VG_OK;
	if ((s.format = probe(in, name)) != NULL)
		return w->e->stream(w->e->ctx, &s);
	w->e->refused(w->e->ctx, name, "no known format");
	return VG_OK;
}

static vg_rc
each_member(struct vg_evidence *e)
{
	struct vg_archive_limits limits = { .bytes = VG_ARCHIVE_BYTES_MAX, .ratio = VG_ARCHIVE_RATIO_MAX,
					    .depth = VG_ARCHIVE_DEPTH_MAX, .name = e->name };
	struct walk w = { .e = e };
	void *map = mmap(NULL, e->size, PROT_READ, MAP_PRIVATE, e->fd, 0);
	vg_rc rc;

	if (map == MAP_FAILED)
		return VG_E_SYS;
	e->archive = true;
	rc = vg_archive_each(map, e->size, &limits, on_member, e->refused, &w);
	munmap(map, e->size);
	return rc;
}

vg_rc
vg_evidence_each(struct vg_evidence *e)
{
	struct vg_fdinput f;
	struct vg_stream s = { .in = &f.in, .name = e->name, .mtime_ns = e->mtime_ns };
	size_t n;
	vg_rc rc;

	e->archive = false;
	vg_fdinput_open(&f, e->fd, 0, e->size);
	n = vg_input_peek(&f.in, VG_PROBE_BYTES);
	if (n && vg_archive_probe(vg_str_mem(f.in.p, n))) {
		vg_fdinput_close(&f);
		return each_member(e);
	}
	if (n == 0)
		rc = f.in.rc;
	else if ((s.format = probe(&f.in, e->name)) == NULL)
		rc = VG_E_UNSUP;
	else
		rc = e->stream(e->ctx, &s);
	vg_fdinput_close(&f);
	return rc;
}
