/* role/learn.c - reads files of indicators: bytes that anybody may have written, in a process that has its own folder (role/learned.h) and nothing
 * else.  The parent gives it each file that is new or changed, as a descriptor; it gives back the set of all indicators, and those of them that
 * older records were not looked through for yet, both in memory that nobody can change any more. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "detect/indicator.h"
#include "detect/siphash.h"
#include "role/learned.h"
#include "role/messages.h"
#include "role/roles.h"
#include "vault/lookback.h"

#define MEMORY_BYTES ((size_t)3 << 29)
#define SEARCHED "searched"
#define SEARCHED_MAGIC VG_STR("VGSRCH01")
#define SEARCHED_HEAD 32 /* magic, key, number */
#define SEARCHED_MAX (SEARCHED_HEAD + (size_t)VG_INDICATORS_MAX * 8)
#define JOB "job"
#define JOB_MAX ((size_t)2 << 30)

struct file {
	char *name; /* owned */
	struct vg_learned_version version;
	bool refused, there; /* there: it is in the folder, of that version */
};
struct learn {
	struct vg_role_env *env;
	struct vg_disk d;
	struct file *file; /* owned */
	size_t n;
	bool changed, gave; /* since the last set; there was one */
	uint64_t key[2];       /* of the hashes of what was searched */
	struct vg_buf searched; /* u64 each, ascending */
	uint64_t job;          /* 0: none */
	struct vg_buf read, entries, texts;
	uint64_t entries_now, set_bytes, waiting; /* waiting: entries that the next job has */
	uint64_t lost; /* values that grew over what is matched when they were written one way */
};

static void
say_rc(struct learn *l, const char *what, vg_rc rc)
{
	vg_role_say(l->env, VG_LOG_ERROR, "learn: %s: %s", what, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
}

/* ---- what was read before ---- */

static struct file *
find(struct learn *l, vg_str name)
{
	for (size_t i = 0; i < l->n; i++)
		if (vg_str_eq(vg_str_of(l->file[i].name), name))
			return &l->file[i];
	return NULL;
}

static struct file *
add(struct learn *l, vg_str name)
{
	void *p;

	if (l->n == VG_LEARNED_FILES_MAX || (p = realloc(l->file, (l->n + 1) * sizeof(*l->file))) == NULL)
		return NULL;
	l->file = p;
	l->file[l->n] = (struct file){ .name = strndup(name.p, name.n) };
	return l->file[l->n].name ? &l->file[l->n++] : NULL;
}

static vg_rc
on_read(void *ctx, const char *name)
{
	struct learn *l = ctx;
	struct vg_learned head;
	struct file *x;
	char buf[VG_LEARNED_HEAD_MAX];
	vg_rc rc = vg_learned_head(&l->d, name, buf, &head);

	if (rc == VG_E_SYS)
		return rc;
	if (rc != VG_OK || find(l, head.name)) {
		vg_role_say(l->env, VG_LOG_WARNING, "learn: learned/%s is damaged; its file is read again", name);
		(void)!vg_disk_remove(&l->d, name);
		return VG_OK;
	}
	if ((x = add(l, head.name)) == NULL)
		return VG_E_NOMEM;
	x->version = head.version;
	x->refused = head.refused.n > 0;
	return VG_OK;
}

static void
forget(struct learn *l, struct file *x)
{
	char name[VG_DISK_NAME_MAX];
	vg_rc rc;

	vg_learned_name(vg_str_of(x->name), name);
	if ((rc = vg_disk_remove(&l->d, name)) != VG_OK && rc != VG_E_NOTFOUND)
		say_rc(l, name, rc);
	free(x->name);
	memmove(x, x + 1, (size_t)(l->file + l->n - (x + 1)) * sizeof(*x));
	l->n--;
	l->changed = true;
}

/* ---- a file ---- */

/* All of it, in l->read.  VG_E_TRUNC: it changes while it is read, and will be given again. */
static vg_rc
slurp(struct learn *l, int fd, uint64_t size)
{
	vg_buf_clear(&l->read);
	if (!vg_buf_reserve(&l->read, size + 1))
		return l->read.rc;
	while (l->read.n <= size) {
		ssize_t k = pread(fd, l->read.p + l->read.n, (size_t)size + 1 - l->read.n, (off_t)l->read.n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return VG_E_SYS;
		if (k == 0)
			break;
		l->read.n += (size_t)k;
	}
	return l->read.n == size ? VG_OK : VG_E_TRUNC;
}

/* What the last good version said: the bytes behind its head. */
static bool
take_old(struct learn *l, const char *name, struct vg_learned *old, struct vg_buf *bytes, vg_str *entries)
{
	struct vg_cur c;

	if (vg_disk_slurp(&l->d, name, VG_LEARNED_READ_MAX, bytes) != VG_OK)
		return false;
	c = vg_cur_of(bytes->p, bytes->n);
	if (vg_learned_take(&c, old) != VG_OK || old->loaded_ns == VG_TIME_NONE)
		return false;
	*entries = vg_cur_bytes(&c, vg_cur_left(&c));
	return true;
}

/* Keep what @now says; when it is refused, with the entries of the version before. */
static vg_rc
keep(struct learn *l, struct file *x, struct vg_learned *now)
{
	struct vg_buf out = { .limit_bytes = VG_LEARNED_READ_MAX }, bytes = { 0 };
	struct vg_learned old;
	char name[VG_DISK_NAME_MAX];
	vg_str entries = VG_NIL;
	vg_rc rc;

	vg_learned_name(now->name, name);
	now->looked_ns = vg_clock_ns();
	now->loaded_ns = now->looked_ns;
	if (now->refused.n && take_old(l, name, &old, &bytes, &entries)) {
		now->loaded_ns = old.loaded_ns;
		memcpy(now->kind, old.kind, sizeof(now->kind));
		now->first_expiry_ns = old.first_expiry_ns;
		now->last_expiry_ns = old.last_expiry_ns;
	} else if (now->refused.n) {
		now->loaded_ns = VG_TIME_NONE;
		memset(now->kind, 0, sizeof(now->kind));
		now->first_expiry_ns = now->last_expiry_ns = VG_TIME_NONE;
	}
	vg_learned_put(&out, now);
	if (entries.p) {
		vg_buf_put(&out, entries);
	} else {
		vg_buf_le64(&out, now->refused.n ? 0 : now->n.taken);
		vg_buf_put(&out, now->refused.n ? VG_NIL : vg_buf_str(&l->entries));
	}
	rc = out.rc != VG_OK ? out.rc : vg_disk_put(&l->d, name, vg_buf_str(&out));
	vg_buf_fini(&out);
	vg_buf_fini(&bytes);
	if (rc == VG_OK) {
		x->version = now->version;
		x->refused = now->refused.n > 0;
		l->changed = true;
	}
	return rc;
}

static vg_rc
read_file(struct learn *l, struct vg_learned *now, int fd)
{
	vg_rc rc = slurp(l, fd, now->version.size);

	if (rc != VG_OK)
		return rc;
	vg_buf_clear(&l->entries);
	vg_buf_clear(&l->texts);
	l->entries.limit_bytes = VG_LEARNED_READ_MAX - VG_LEARNED_HEAD_MAX;
	return vg_learned_read(vg_buf_str(&l->read), now, &l->entries, &l->texts);
}

/* A large file leaves no memory behind. */
static void
let_go(struct learn *l)
{
	vg_buf_fini(&l->read);
	vg_buf_fini(&l->entries);
	vg_buf_fini(&l->texts);
}

static vg_rc
look_at(struct learn *l, struct vg_learned *now, vg_str why, int fd)
{
	struct file *x = find(l, now->name);
	char text[VG_LEARNED_WHY_MAX];
	vg_rc rc = VG_OK;

	if (x && vg_learned_version_eq(&x->version, &now->version)) { /* perhaps read in another life */
		x->there = true;
		return VG_OK;
	}
	if (x == NULL && (x = add(l, now->name)) == NULL)
		return VG_E_NOMEM;
	x->there = true;
	now->refused = why;
	now->loaded_ns = now->first_expiry_ns = now->last_expiry_ns = VG_TIME_NONE;
	if (why.n == 0 && (rc = read_file(l, now, fd)) != VG_OK) {
		if (rc == VG_E_TRUNC) /* it is given again: its version changes */
			return VG_OK;
		snprintf(text, sizeof(text), "it cannot be read: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		now->refused = vg_str_of(text);
	}
	rc = keep(l, x, now);
	if (rc == VG_OK && now->refused.n)
		vg_role_say(l->env, VG_LOG_ERROR, "indicators: %.*s is refused: %.*s%s", VG_STR_ARG(now->name), VG_STR_ARG(now->refused),
			    now->loaded_ns != VG_TIME_NONE ? "; what it said before works on" : "");
	let_go(l);
	return rc;
}

/* "SIZE CHANGED INODE WHY\nNAME": of the parent. */
static bool
take_text(vg_str text, struct vg_learned *out, vg_str *why)
{
	vg_str word[3], rest = text;
	size_t nl;

	for (size_t i = 0; i < VG_COUNT(word); i++)
		if (!vg_str_split(&rest, ' ', &word[i]))
			return false;
	nl = vg_str_chr(rest, '\n');
	if (nl == VG_NPOS || !vg_str_u64(word[0], &out->version.size) || !vg_str_i64(word[1], &out->version.changed_ns) ||
	    !vg_str_u64(word[2], &out->version.inode) || out->version.size > VG_LEARNED_FILE_MAX)
		return false;
	*why = vg_str_cut(vg_str_cut(rest, nl), VG_LEARNED_WHY_MAX);
	out->name = vg_str_skip(rest, nl + 1);
	return out->name.n > 0 && out->name.n <= VG_LEARNED_NAME_MAX;
}

/* ---- what goes out ---- */

/* @bytes as sealed memory; -1 with errno. */
static int
sealed(const char *name, vg_str bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && vg_write_all(fd, bytes) == VG_OK && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
tell(struct learn *l, enum vg_learned_what what, uint64_t number, int fd)
{
	struct vg_buf b = { 0 };

	vg_buf_u8(&b, (uint8_t)what);
	vg_buf_le64(&b, number);
	if (b.rc == VG_OK)
		vg_channel_send_fd(l->env->parent, VG_MSG_LEARNED, vg_buf_str(&b), fd);
	vg_buf_fini(&b);
}

static vg_rc
hand_out(struct learn *l, enum vg_learned_what what, uint64_t number, vg_str bytes)
{
	int fd = sealed(what == VG_LEARNED_SET ? "vigie-indicators" : "vigie-job", bytes);

	if (fd < 0)
		return VG_E_SYS;
	tell(l, what, number, fd);
	close(fd);
	return VG_OK;
}

/* Each entry of each file.  A file that is damaged here is left out, told, and read again when the watch next begins. */
typedef vg_rc entry_fn(void *ctx, vg_str file, const struct vg_ioc *i);
static vg_rc
each_entry(struct learn *l, const struct file *x, entry_fn *fn, void *ctx)
{
	struct vg_buf bytes = { 0 };
	struct vg_learned head;
	struct vg_ioc i;
	char name[VG_DISK_NAME_MAX], buf[VG_IOC_BUF];
	struct vg_cur c;
	uint64_t n;
	vg_rc rc;

	vg_learned_name(vg_str_of(x->name), name);
	if ((rc = vg_disk_slurp(&l->d, name, VG_LEARNED_READ_MAX, &bytes)) != VG_OK) {
		vg_buf_fini(&bytes);
		return rc;
	}
	c = vg_cur_of(bytes.p, bytes.n);
	if ((rc = vg_learned_take(&c, &head)) == VG_OK) {
		n = vg_cur_le64(&c);
		for (rc = c.rc; rc == VG_OK && n; n--) {
			if ((rc = vg_learned_take_entry(&c, buf, &i)) == VG_OK) {
				rc = fn(ctx, head.name, &i);
			} else if (rc == VG_E_UNSUP) {
				l->lost++;
				rc = VG_OK;
			}
		}
	}
	if (c.rc != VG_OK) {
		vg_role_say(l->env, VG_LOG_ERROR, "learn: learned/%s is damaged: of %s only what stands before it is used", name, x->name);
		rc = VG_OK;
	}
	vg_buf_fini(&bytes);
	return rc;
}

static vg_rc
each(struct learn *l, entry_fn *fn, void *ctx)
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < l->n && rc == VG_OK; i++)
		if ((rc = each_entry(l, &l->file[i], fn, ctx)) == VG_E_NOTFOUND)
			rc = VG_OK;
	return rc;
}

static vg_rc
add_to_set(void *ctx, vg_str file, const struct vg_ioc *i)
{
	return vg_indicator_build_add(ctx, file, i);
}

static vg_rc
make_set(struct learn *l)
{
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_indicator_made made;
	struct vg_buf out = { 0 };
	vg_rc rc;

	l->lost = 0;
	rc = b ? each(l, add_to_set, b) : VG_E_NOMEM;
	if (rc == VG_E_LIMIT) {
		vg_role_say(l->env, VG_LOG_ERROR, "indicators: there are more than %d: what is over it is not matched", VG_INDICATORS_MAX);
		rc = VG_OK;
	}
	if (rc == VG_OK && (rc = vg_indicator_build_finish(b, &out, &made)) == VG_OK) {
		vg_indicator_build_free(b); /* before the copy of what it made */
		b = NULL;
		rc = hand_out(l, VG_LEARNED_SET, 0, vg_buf_str(&out));
	}
	if (rc == VG_OK) {
		l->entries_now = made.entries;
		if (l->lost)
			vg_role_say(l->env, VG_LOG_WARNING, "indicators: %llu are longer than what is matched", (unsigned long long)l->lost);
		l->set_bytes = out.n;
		l->gave = true;
		l->changed = false;
		vg_role_say(l->env, VG_LOG_INFO, "indicators: %u of %zu files", made.entries, l->n);
	}
	vg_indicator_build_free(b);
	vg_buf_fini(&out);
	return rc;
}

/* ---- what older records are looked through for ---- */

static uint64_t
hash_of(const struct learn *l, const struct vg_ioc *i)
{
	return vg_sip128(i->value, l->key, 1, 3).lo ^ ((uint64_t)i->kind << 59 | (uint64_t)i->kind);
}

static bool
holds(vg_str sorted, uint64_t hash)
{
	size_t lo = 0, hi = sorted.n / 8;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint64_t v;

		memcpy(&v, sorted.p + 8 * mid, 8);
		if (v == hash)
			return true;
		if (v < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static int
u64_cmp(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return (x > y) - (x < y);
}

struct plan {
	struct learn *l;
	struct vg_indicator_build *b; /* NULL: a job is under way */
	struct vg_buf now;            /* hashes of what is there and has not expired */
	struct vg_buf piece_text;
	vg_str piece[VG_LOOKBACK_PIECES_MAX]; /* p: offset in piece_text until they are used */
	size_t npiece;
	bool all; /* pieces do not tell records apart */
	uint64_t added;
	int64_t now_ns;
};

static void
add_piece(struct plan *p, const struct vg_ioc *i)
{
	char buf[VG_IOC_BUF], low[VG_IOC_BUF];
	vg_str keyword, piece;

	if (p->all)
		return;
	if (p->npiece == VG_LOOKBACK_PIECES_MAX || !vg_ioc_keyword(i, buf, &keyword) || !vg_lookback_piece(keyword, low, &piece)) {
		p->all = true;
		return;
	}
	p->piece[p->npiece++] = (vg_str){ NULL, piece.n };
	vg_buf_put(&p->piece_text, piece);
	p->all = p->piece_text.rc != VG_OK;
}

static vg_rc
plan_entry(void *ctx, vg_str file, const struct vg_ioc *i)
{
	struct plan *p = ctx;
	uint64_t hash = hash_of(p->l, i);

	if (i->expires_ns != VG_TIME_NONE && i->expires_ns <= p->now_ns)
		return VG_OK;
	if (holds(vg_buf_str(&p->l->searched), hash)) {
		vg_buf_mem(&p->now, &hash, sizeof(hash));
		return p->now.rc;
	}
	p->added++;
	if (p->b == NULL)
		return VG_OK; /* the next job has it */
	vg_buf_mem(&p->now, &hash, sizeof(hash));
	add_piece(p, i);
	return p->now.rc != VG_OK ? p->now.rc : vg_indicator_build_add(p->b, file, i);
}

static void
order(struct vg_buf *hashes)
{
	uint64_t *h = (uint64_t *)(void *)hashes->p;
	size_t n = hashes->n / 8, kept = 0;

	if (n > 1)
		qsort(h, n, 8, u64_cmp);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || h[i] != h[kept - 1])
			h[kept++] = h[i];
	hashes->n = kept * 8;
}

static vg_rc
write_searched(struct learn *l, struct vg_buf *now)
{
	struct vg_buf b = { 0 };
	vg_rc rc;

	vg_buf_put(&b, SEARCHED_MAGIC);
	vg_buf_le64(&b, l->key[0]);
	vg_buf_le64(&b, l->key[1]);
	vg_buf_le64(&b, now->n / 8);
	vg_buf_put(&b, vg_buf_str(now));
	rc = b.rc != VG_OK ? b.rc : vg_disk_put(&l->d, SEARCHED, vg_buf_str(&b));
	vg_buf_fini(&b);
	if (rc == VG_OK) {
		vg_buf_fini(&l->searched);
		l->searched = *now;
		*now = (struct vg_buf){ 0 };
	}
	return rc;
}

static vg_rc
write_job(struct learn *l, struct plan *p)
{
	struct vg_indicator_made made;
	struct vg_buf out = { 0 };
	uint64_t number = (uint64_t)vg_clock_ns() / 1000000;
	size_t at = 0;
	vg_rc rc;

	if (number <= l->job)
		number = l->job + 1;
	for (size_t i = 0; i < p->npiece; at += p->piece[i++].n)
		p->piece[i].p = p->piece_text.p + at;
	vg_job_put_head(&out, number, p->piece, p->all ? 0 : p->npiece);
	if ((rc = vg_indicator_build_finish(p->b, &out, &made)) == VG_OK && (rc = vg_disk_put(&l->d, JOB, vg_buf_str(&out))) == VG_OK)
		rc = hand_out(l, VG_LEARNED_JOB, number, vg_buf_str(&out));
	if (rc == VG_OK) {
		l->job = number;
		vg_role_say(l->env, VG_LOG_INFO, "indicators: older records are looked through for %u new ones", made.entries);
	}
	vg_buf_fini(&out);
	return rc;
}

/* Entries that were not searched become a job, when none is under way; those that are gone, or have expired, are forgotten: when they come again, they
 * are new.  The job is on disk before its entries count as searched. */
static vg_rc
plan_search(struct learn *l)
{
	struct plan *p = calloc(1, sizeof(*p));
	size_t before = l->searched.n;
	vg_rc rc = VG_E_NOMEM;

	if (p == NULL || (l->job == 0 && (p->b = vg_indicator_build_new()) == NULL))
		goto out;
	p->l = l;
	p->now_ns = vg_clock_ns();
	rc = each(l, plan_entry, p);
	if (rc == VG_E_LIMIT)
		rc = VG_OK;
	order(&p->now);
	l->waiting = p->b ? 0 : p->added;
	if (rc == VG_OK && p->b && p->added)
		rc = write_job(l, p);
	if (rc == VG_OK && ((p->b && p->added) || p->now.n != before))
		rc = write_searched(l, &p->now);
out:
	if (p) {
		vg_indicator_build_free(p->b);
		vg_buf_fini(&p->now);
		vg_buf_fini(&p->piece_text);
	}
	free(p);
	return rc;
}

static bool
take_searched(struct learn *l, vg_str bytes)
{
	struct vg_cur c = vg_cur_of(bytes.p, bytes.n);
	uint64_t key[2], n;
	vg_str hashes;

	if (bytes.n < SEARCHED_HEAD || !vg_str_eq(vg_cur_bytes(&c, SEARCHED_MAGIC.n), SEARCHED_MAGIC))
		return false;
	key[0] = vg_cur_le64(&c);
	key[1] = vg_cur_le64(&c);
	n = vg_cur_le64(&c);
	hashes = vg_cur_bytes(&c, vg_cur_left(&c));
	if (hashes.n % 8 || n != hashes.n / 8)
		return false;
	memcpy(l->key, key, sizeof(l->key));
	vg_buf_put(&l->searched, hashes);
	return l->searched.rc == VG_OK;
}

static vg_rc
read_searched(struct learn *l)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_disk_slurp(&l->d, SEARCHED, SEARCHED_MAX, &b);
	bool known = rc == VG_OK && take_searched(l, vg_buf_str(&b));

	vg_buf_fini(&b);
	if (known)
		return VG_OK;
	if (rc != VG_E_NOTFOUND)
		vg_role_say(l->env, VG_LOG_WARNING, "learn: learned/" SEARCHED " is damaged: older records are looked through once more");
	vg_buf_clear(&l->searched);
	return getrandom(l->key, sizeof(l->key), 0) == sizeof(l->key) ? VG_OK : VG_E_SYS;
}

/* A search that was under way when the watch stopped. */
static vg_rc
resume_job(struct learn *l)
{
	struct vg_buf b = { 0 };
	struct vg_job j;
	vg_rc rc = vg_disk_slurp(&l->d, JOB, JOB_MAX, &b);

	if (rc == VG_OK && vg_job_take(vg_buf_str(&b), &j) == VG_OK) {
		free(j.piece);
		if ((rc = hand_out(l, VG_LEARNED_JOB, j.number, vg_buf_str(&b))) == VG_OK)
			l->job = j.number;
	} else if (rc == VG_OK) { /* nobody knows what it was for: everything is searched anew */
		vg_role_say(l->env, VG_LOG_WARNING, "learn: learned/" JOB " is damaged: older records are looked through once more");
		vg_buf_clear(&l->searched);
		rc = vg_disk_remove(&l->d, JOB);
	}
	vg_buf_fini(&b);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

/* ---- the role ---- */

/* The parent gave all that there is. */
static void
on_listed(struct learn *l, bool missing)
{
	bool first = !l->gave;
	vg_rc rc = VG_OK;

	for (size_t i = l->n; first && !missing && i-- > 0;)
		if (!l->file[i].there)
			forget(l, &l->file[i]);
	if ((first || l->changed) && (rc = make_set(l)) != VG_OK) {
		say_rc(l, "no new set of indicators could be made; the old one works on", rc);
		return;
	}
	if (first && (rc = resume_job(l)) != VG_OK)
		say_rc(l, JOB, rc);
	if (rc == VG_OK && (rc = plan_search(l)) != VG_OK)
		say_rc(l, "older records are not looked through for new indicators", rc);
}

static void
on_job_done(struct learn *l, vg_str text)
{
	uint64_t number;
	vg_rc rc;

	if (!vg_str_u64(text, &number) || number != l->job)
		return;
	if ((rc = vg_disk_remove(&l->d, JOB)) != VG_OK && rc != VG_E_NOTFOUND)
		say_rc(l, JOB, rc);
	l->job = 0;
	if ((rc = plan_search(l)) != VG_OK)
		say_rc(l, "older records are not looked through for new indicators", rc);
}

static uint64_t
refused_files(const struct learn *l)
{
	uint64_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->file[i].refused;
	return n;
}

static void
on_file(struct learn *l, vg_str text, int fd)
{
	struct vg_learned now = { .nproblem = 0 };
	vg_str why;
	vg_rc rc;

	if (take_text(text, &now, &why) && (fd >= 0 || why.n) && (rc = look_at(l, &now, why, fd)) != VG_OK)
		say_rc(l, "what was read of a file of indicators cannot be kept", rc);
	if (fd >= 0)
		tell(l, VG_LEARNED_FILE, refused_files(l), -1);
}

static void
news(struct vg_role_env *e, const char *name)
{
	struct learn *l = e->ctx;
	vg_str text = vg_role_text(e, name);
	struct file *x;

	if (strcmp(name, "file") == 0)
		on_file(l, text, vg_role_fd(e, name));
	else if (strcmp(name, "gone") == 0 && (x = find(l, text)) != NULL)
		forget(l, x);
	else if (strcmp(name, "listed") == 0)
		on_listed(l, text.n > 0);
	else if (strcmp(name, "job-done") == 0)
		on_job_done(l, text);
	(void)malloc_trim(0); /* it waits for days now */
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct learn the_learn;

	the_learn.env = e;
	e->ctx = &the_learn;
	limits->may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_WRITE | VG_MAY_MEMORY;
	limits->dir = vg_role_fd(e, "folder");
	limits->data_bytes = MEMORY_BYTES;
	return limits->dir >= 0 ? VG_OK : VG_E_NOTFOUND;
}

static vg_rc
begin(struct vg_role_env *e)
{
	struct learn *l = e->ctx;
	vg_rc rc = vg_disk_open(&l->d, ".");

	if (rc == VG_OK && (rc = vg_disk_each(&l->d, VG_LEARNED_SUFFIX, on_read, l)) == VG_OK)
		rc = read_searched(l);
	return rc;
}

static void
tick(struct vg_role_env *e)
{
	struct learn *l = e->ctx;
	struct vg_buf b = { 0 };

	vg_buf_printf(&b, "files %zu\nrefused_files %llu\nentries %llu\nset_bytes %llu\nsearched %zu\nwaiting %llu\nsearching %d\n", l->n,
		      (unsigned long long)refused_files(l), (unsigned long long)l->entries_now, (unsigned long long)l->set_bytes, l->searched.n / 8,
		      (unsigned long long)l->waiting, l->job != 0);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

const struct vg_role_impl vg_learn_role = { VG_ROLE_LEARN, prepare, begin, NULL, news, tick, NULL };
