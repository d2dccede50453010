#include "role/indicators.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "net/loop.h"
#include "role/messages.h"

void
vg_feed_init(struct vg_feed *f, const char *path, int64_t now_ms)
{
	*f = (struct vg_feed){ .set = -1, .job = -1, .begun_ms = now_ms };
	vg_folder_init(&f->folder, path);
}

static void
give_learn(struct vg_feed *f, const char *name, vg_str text, int fd)
{
	f->give(f->ctx, VG_ROLE_LEARN, name, text, fd);
}

/* What comes next, until something is under way. */
static void
pump(struct vg_feed *f)
{
	struct vg_folder_item i;
	struct vg_buf b = { 0 };

	while (f->ready) {
		vg_folder_next(&f->folder, &i);
		vg_buf_clear(&b);
		vg_buf_printf(&b, "%llu %lld %llu %s\n", (unsigned long long)i.v.size, (long long)i.v.changed_ns, (unsigned long long)i.v.inode, i.why ? i.why : "");
		if (i.what == VG_FOLDER_FILE || i.what == VG_FOLDER_BAD) {
			vg_buf_puts(&b, i.name);
			give_learn(f, "file", vg_buf_str(&b), i.fd);
		} else if (i.what == VG_FOLDER_GONE) {
			give_learn(f, "gone", vg_str_of(i.name), -1);
		} else if (i.what != VG_FOLDER_NOTHING) {
			give_learn(f, "listed", i.what == VG_FOLDER_MISSING ? VG_STR("missing") : VG_NIL, -1);
		}
		if (i.fd >= 0)
			close(i.fd);
		if (i.what == VG_FOLDER_NOTHING)
			break;
	}
	vg_buf_fini(&b);
}

static void
look(struct vg_feed *f, int64_t now_ms)
{
	bool missing = f->folder.missing;

	f->looked_ms = now_ms;
	vg_folder_look(&f->folder, vg_clock_ns());
	if (f->folder.missing && !missing)
		vg_log(VG_LOG_WARNING, "indicators: %s cannot be read; what was read of it works on", f->folder.path);
	if (f->folder.over > f->files_over)
		vg_log(VG_LOG_ERROR, "indicators: there are more than %d files in %s: %llu are not read", VG_LEARNED_FILES_MAX, f->folder.path,
		       (unsigned long long)f->folder.over);
	f->files_over = f->folder.over;
}

void
vg_feed_tick(struct vg_feed *f, int64_t now_ms)
{
	if (now_ms - f->looked_ms >= VG_FEED_EVERY_MS)
		look(f, now_ms);
	pump(f);
}

void
vg_feed_began(struct vg_feed *f)
{
	f->ready = true;
	look(f, f->looked_ms);
	pump(f);
}

void
vg_feed_ended(struct vg_feed *f, const char *why)
{
	f->ready = false;
	f->deaths++;
	vg_folder_died(&f->folder, why);
}

static void
take(int *place, int fd)
{
	if (*place >= 0)
		close(*place);
	*place = fd;
}

static void
tell_done(struct vg_feed *f)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)f->done_number);
	give_learn(f, "job-done", vg_str_of(text), -1);
}

static void
new_set(struct vg_feed *f, int fd)
{
	char text[24];

	take(&f->set, fd);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)++f->set_number);
	f->give(f->ctx, VG_ROLE_DETECT, "indicators", vg_str_of(text), f->set);
}

vg_rc
vg_feed_learned(struct vg_feed *f, struct vg_cur *body, int fd)
{
	unsigned what = vg_cur_u8(body);
	uint64_t number = vg_cur_le64(body);

	if (body->rc != VG_OK || what > VG_LEARNED_JOB || (fd >= 0) != (what != VG_LEARNED_FILE)) {
		if (fd >= 0)
			close(fd);
		return VG_E_FORMAT;
	}
	if (what == VG_LEARNED_FILE) {
		vg_folder_done(&f->folder);
		pump(f);
	} else if (what == VG_LEARNED_SET) {
		new_set(f, fd);
	} else if (number == f->done_number) { /* it did not hear of it */
		close(fd);
		tell_done(f);
	} else if (number == f->job_number && f->job >= 0) {
		close(fd); /* as it has it from a life before */
	} else {
		take(&f->job, fd);
		f->job_number = number;
	}
	return VG_OK;
}

void
vg_feed_job_done(struct vg_feed *f, uint64_t number)
{
	if (number != f->job_number)
		return;
	f->done_number = number;
	f->job_number = 0;
	take(&f->job, -1);
	tell_done(f);
}

bool
vg_feed_detect_may_begin(const struct vg_feed *f, int64_t now_ms)
{
	return f->set >= 0 || now_ms - f->begun_ms > VG_FEED_PATIENCE_MS || f->deaths > VG_FEED_DEATHS_MAX;
}
