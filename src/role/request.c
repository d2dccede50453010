#include "role/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/time.h"
#include "base/utf.h"
#include "net/loop.h"
#include "proc/role.h"
#include "vault/disk.h"

#define FOLDER "requests"
#define ASK ".req"
#define ANSWER ".answer"
#define LOOK_MS 50
#define STALE_S 600 /* what is left of commands that ended */
#define TURN_MAX 16 /* taken at a time */
#define FILE_NAME_MAX (VG_REQUEST_ID + 16)

/* Who does what. */
static const struct verb {
	const char *name;
	unsigned role;
} verbs[] = {
	{ "alarm-test", VG_ROLE_OUT },
	{ "stamp", VG_ROLE_VAULT },
	{ "respond", VG_ROLE_RESPOND },
};

/* ---- forms ---- */

void
vg_request_put(struct vg_buf *b, const struct vg_request *r)
{
	vg_buf_le32(b, r->user);
	vg_buf_le_str(b, r->id);
	vg_buf_le_str(b, r->verb);
	vg_buf_le_str(b, r->argument);
}

static vg_str
take_string(struct vg_cur *c)
{
	uint32_t n = vg_cur_le32(c);

	return vg_cur_bytes(c, n);
}

vg_rc
vg_request_take(vg_str bytes, struct vg_request *out)
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	struct vg_request r = { .user = vg_cur_le32(&c) };

	r.id = take_string(&c);
	r.verb = take_string(&c);
	r.argument = take_string(&c);
	if (c.rc == VG_OK && (vg_cur_left(&c) || r.id.n != VG_REQUEST_ID))
		return VG_E_FORMAT;
	if (c.rc == VG_OK)
		*out = r;
	return c.rc;
}

vg_rc
vg_request_line(vg_str line, struct vg_request *out)
{
	size_t sp;

	if (line.n && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n == 0 || line.n > VG_REQUEST_LINE_MAX || !vg_utf8_valid(line))
		return VG_E_FORMAT;
	for (vg_str left = line; left.n;) {
		uint32_t cp;
		size_t n = vg_utf8_next(left, &cp);

		if (vg_cp_hostile(cp))
			return VG_E_FORMAT;
		left = vg_str_skip(left, n);
	}
	sp = vg_str_chr(line, ' ');
	out->verb = vg_str_cut(line, sp);
	out->argument = sp == VG_NPOS ? VG_NIL : vg_str_skip(line, sp + 1);
	return out->verb.n ? VG_OK : VG_E_FORMAT;
}

static bool
is_id(const char *name, const char *suffix)
{
	return strspn(name, "0123456789abcdef") == VG_REQUEST_ID && strcmp(name + VG_REQUEST_ID, suffix) == 0;
}

/* ---- the command ---- */

static bool
runs(struct vg_house *h)
{
	int fd = openat(h->dir, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool busy = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return busy;
}

/* The file has its name when it is whole; it is the folder's owner's, also when root asks. */
static vg_rc
put_file(int dir, const char *name, vg_str line)
{
	char tmp[FILE_NAME_MAX + 4];
	struct stat st;
	int fd;
	vg_rc rc;

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	if (fstat(dir, &st) < 0 || (fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return VG_E_SYS;
	rc = vg_write_all(fd, line);
	if (rc == VG_OK && geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
		rc = VG_E_SYS;
	close(fd);
	if (rc == VG_OK && renameat(dir, tmp, dir, name) < 0)
		rc = VG_E_SYS;
	if (rc != VG_OK)
		(void)unlinkat(dir, tmp, 0);
	return rc;
}

static vg_rc
await(struct vg_house *h, int dir, const char *name, bool *done, struct vg_buf *text, char why[300])
{
	struct vg_disk d = { .dir = dir, .read_only = true };
	int64_t until = vg_monotonic_ns() + (VG_REQUEST_WAIT_S + 5) * VG_SEC;
	struct vg_buf b = { 0 };
	vg_str rest, first = VG_NIL;
	vg_rc rc;

	while ((rc = vg_disk_slurp(&d, name, VG_REQUEST_ANSWER_MAX + 16, &b)) == VG_E_NOTFOUND) {
		if (!runs(h) || vg_monotonic_ns() > until) {
			snprintf(why, 300, "%s", runs(h) ? "the watch does not answer" : "the watch ended");
			return VG_E_REFUSED;
		}
		(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
	}
	rest = vg_buf_str(&b);
	if (rc == VG_OK && vg_str_split(&rest, '\n', &first)) {
		*done = vg_str_eq(first, VG_STR("done"));
		vg_buf_put(text, rest);
		rc = text->rc;
	} else {
		snprintf(why, 300, "the answer cannot be read: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	}
	(void)unlinkat(dir, name, 0);
	vg_buf_fini(&b);
	return rc;
}

vg_rc
vg_request_ask(struct vg_house *h, const char *verb, const char *argument, bool *done, struct vg_buf *text, char why[300])
{
	char id[VG_REQUEST_ID + 1], ask[FILE_NAME_MAX], answer[FILE_NAME_MAX];
	struct vg_buf line = { 0 };
	uint64_t n;
	int dir;
	vg_rc rc;

	if (!runs(h)) {
		snprintf(why, 300, "no watch runs on %.200s", h->path);
		return VG_E_REFUSED;
	}
	if (getrandom(&n, sizeof(n), 0) != sizeof(n) || (dir = openat(h->dir, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0) {
		snprintf(why, 300, "%.200s/" FOLDER ": %s", h->path, strerror(errno));
		return VG_E_SYS;
	}
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)n);
	snprintf(ask, sizeof(ask), "%s" ASK, id);
	snprintf(answer, sizeof(answer), "%s" ANSWER, id);
	vg_buf_printf(&line, "%s%s%s\n", verb, argument[0] ? " " : "", argument);
	if ((rc = line.rc) == VG_OK && (rc = put_file(dir, ask, vg_buf_str(&line))) == VG_OK)
		rc = await(h, dir, answer, done, text, why);
	else
		snprintf(why, 300, "%.200s/" FOLDER ": %s", h->path, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	(void)unlinkat(dir, ask, 0);
	close(dir);
	vg_buf_fini(&line);
	return rc;
}

/* ---- the parent ---- */

struct open_request {
	char id[VG_REQUEST_ID + 1]; /* empty: none */
	int64_t until_ns;
};
struct vg_requests {
	struct vg_disk d;
	vg_request_pass_fn *pass;
	void *ctx;
	struct open_request open[VG_REQUEST_OPEN_MAX];
	char name[TURN_MAX][FILE_NAME_MAX]; /* of this turn */
	size_t n;
	int64_t swept_ns;
};

vg_rc
vg_requests_new(struct vg_house *h, vg_request_pass_fn *pass, void *ctx, struct vg_requests **out)
{
	struct vg_requests *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return VG_E_NOMEM;
	*r = (struct vg_requests){ .d = { .dir = vg_house_folder(h, FOLDER) }, .pass = pass, .ctx = ctx };
	if (r->d.dir < 0) {
		free(r);
		return VG_E_SYS;
	}
	*out = r;
	return VG_OK;
}

static void
put_answer(struct vg_requests *r, const char *id, bool done, vg_str text)
{
	char name[FILE_NAME_MAX];
	struct vg_buf b = { 0 };

	snprintf(name, sizeof(name), "%.16s" ANSWER, id);
	vg_buf_puts(&b, done ? "done\n" : "not done\n");
	vg_buf_put(&b, vg_str_cut(text, VG_REQUEST_ANSWER_MAX));
	if (b.rc == VG_OK)
		(void)!vg_disk_swap(&r->d, name, vg_buf_str(&b)); /* else the command says that there is no answer */
	vg_buf_fini(&b);
}

void
vg_requests_answer(struct vg_requests *r, vg_str id, bool done, vg_str text)
{
	for (size_t i = 0; i < VG_REQUEST_OPEN_MAX; i++)
		if (r->open[i].id[0] && vg_str_eq(vg_str_of(r->open[i].id), id)) {
			put_answer(r, r->open[i].id, done, text);
			r->open[i].id[0] = 0;
		}
}

static vg_rc
on_name(void *ctx, const char *name)
{
	struct vg_requests *r = ctx;

	if (r->n == TURN_MAX)
		return VG_E_STOP;
	if (is_id(name, ASK))
		snprintf(r->name[r->n++], FILE_NAME_MAX, "%s", name);
	return VG_OK;
}

/* Only who may change the watch itself can have written it. */
static bool
is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1 && (st->st_uid == 0 || st->st_uid == geteuid()) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* All of a file that is ours, at most a line. */
static bool
read_line(struct vg_requests *r, const char *name, char line[VG_REQUEST_LINE_MAX + 2], size_t *n, uint32_t *user)
{
	int fd = openat(r->d.dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st = { .st_uid = 0 };
	ssize_t k = -1;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && is_ours(&st))
		k = read(fd, line, VG_REQUEST_LINE_MAX + 2);
	close(fd);
	*n = k > 0 ? (size_t)k : 0;
	*user = st.st_uid;
	return k > 0;
}

static const struct verb *
verb_of(vg_str name)
{
	for (size_t i = 0; i < VG_COUNT(verbs); i++)
		if (vg_str_eq(vg_str_of(verbs[i].name), name))
			return &verbs[i];
	return NULL;
}

static void
take_one(struct vg_requests *r, const char *name)
{
	char line[VG_REQUEST_LINE_MAX + 2], why[160] = "it is no request";
	struct vg_request q = { .id = vg_str_mem(name, VG_REQUEST_ID) };
	struct open_request *o = r->open;
	const struct verb *v;
	size_t n;
	bool whole = read_line(r, name, line, &n, &q.user) && n <= VG_REQUEST_LINE_MAX + 1 && vg_request_line(vg_str_mem(line, n), &q) == VG_OK;

	(void)unlinkat(r->d.dir, name, 0); /* at most once: whoever asked sees that there is no answer, and asks again */
	while (o < r->open + VG_REQUEST_OPEN_MAX && o->id[0])
		o++;
	if (!whole || (v = verb_of(q.verb)) == NULL) {
		put_answer(r, name, false, vg_str_of(why));
	} else if (o == r->open + VG_REQUEST_OPEN_MAX) {
		put_answer(r, name, false, VG_STR("too many requests wait for an answer"));
	} else {
		snprintf(o->id, sizeof(o->id), "%.16s", name);
		o->until_ns = vg_monotonic_ns() + VG_REQUEST_WAIT_S * VG_SEC;
		if (!r->pass(r->ctx, v->role, &q, why))
			vg_requests_answer(r, q.id, false, vg_str_of(why));
	}
}

static vg_rc
sweep_one(void *ctx, const char *name)
{
	struct vg_requests *r = ctx;
	struct stat st;

	if (fstatat(r->d.dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < time(NULL) - STALE_S)
		(void)unlinkat(r->d.dir, name, 0);
	return VG_OK;
}

void
vg_requests_turn(struct vg_requests *r)
{
	static const char *const left[] = { ASK, ANSWER, ".tmp" };
	int64_t now_ns = vg_monotonic_ns();

	r->n = 0;
	if (vg_disk_each(&r->d, ASK, on_name, r) != VG_E_SYS)
		for (size_t i = 0; i < r->n; i++)
			take_one(r, r->name[i]);
	for (size_t i = 0; i < VG_REQUEST_OPEN_MAX; i++)
		if (r->open[i].id[0] && now_ns > r->open[i].until_ns)
			vg_requests_answer(r, vg_str_of(r->open[i].id), false, VG_STR("there was no answer in time"));
	if (r->swept_ns && now_ns - r->swept_ns < STALE_S * VG_SEC)
		return;
	r->swept_ns = now_ns;
	for (size_t i = 0; i < VG_COUNT(left); i++)
		(void)!vg_disk_each(&r->d, left[i], sweep_one, r);
}
