/* cmd/vault_redecode.c - `vigie vault redecode`: the cache of decoded fields beside segments, made with today's packs.  It needs no running watch and does
 * not disturb one: a segment's cache takes its name when it is whole, so it may be killed at any moment and goes on where it was. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/common.h"
#include "cmd/limits.h"
#include "cmd/watch.h"
#include "net/loop.h"
#include "proc/pool.h"
#include "vault/keyring.h"
#include "vault/redecode.h"
#include "vault/segment.h"

const struct vg_opt vg_vault_redecode_opts[] = {
	VG_STATE_OPTION,
	VG_SETTINGS_OPTION,
	VG_FORMAT_OPTION,
	{ "--tenant", VG_OPT_TEXT, "NAME", "of one tenant (default: all)" },
	{ "--from", VG_OPT_TEXT, "TIME", "of records that arrived from this day on (2026-04-03, or 2d for two days ago)" },
	{ "--to", VG_OPT_TEXT, "TIME", "of records that arrived up to this day" },
	{ "--drop", VG_OPT_FLAG, NULL, "remove the cache" },
	VG_QUERY_OPTIONS,
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

#define TMP ".tmp"

struct listed {
	char name[VG_DISK_NAME_MAX]; /* of the segment */
	uint64_t bytes, cache;       /* of it, and of its cache */
	bool wanted;                 /* of the range asked for */
};
struct shared { /* with the process that decodes */
	volatile sig_atomic_t cancelled;
	struct vg_redecoded one;
};
static struct shared *shared;

struct redecode {
	const struct vg_args *a;
	struct vg_query_limits limits; /* of the process that decodes one segment */
	bool jsonl, tty, drop;
	int64_t from_ns, to_ns;
	uint64_t percent;
	const char *tenant;
	struct vg_redecode o;
	uint8_t stamp[VG_FIELDS_STAMP];
	struct vg_keyring *keys;
	struct vg_disk d; /* the tenant's folder */
	struct listed *at; /* owned; ascending */
	size_t n, now;
	struct vg_redecoded all;
	uint64_t made, current, dropped, failed, evicted;
	bool full; /* the cache has no room for older segments */
	int64_t told_ns;
	struct vg_buf out;
};

static void
on_interrupt(int sig)
{
	(void)sig;
	shared->cancelled = 1;
}

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	const struct vg_day_key *k = vg_keyring_find(((struct redecode *)ctx)->keys, number);

	return k ? k->key : NULL;
}

/* ---- segments and their caches ---- */

static void
beside(const char *segment, const char *suffix, char out[VG_DISK_NAME_MAX])
{
	snprintf(out, VG_DISK_NAME_MAX, "%.*s%s", (int)(strlen(segment) - strlen(VG_SEGMENT_SUFFIX)), segment, suffix);
}

static uint64_t
size_of(const struct redecode *x, const char *name)
{
	struct stat st;

	return fstatat(x->d.dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* Does the day in its name lie in the range? */
static bool
is_wanted(const struct redecode *x, const char *name)
{
	int64_t day = vg_time_parse(vg_str_mem(name, 10), 0);

	return day != VG_TIME_NONE && (x->from_ns == VG_TIME_NONE || day + VG_DAY > x->from_ns) && (x->to_ns == VG_TIME_NONE || day <= x->to_ns);
}

static vg_rc
on_segment(void *ctx, const char *name)
{
	struct redecode *x = ctx;
	char cache[VG_DISK_NAME_MAX];
	struct listed *l;

	if (x->n % 64 == 0) {
		if ((l = realloc(x->at, (x->n + 64) * sizeof(*l))) == NULL)
			return VG_E_NOMEM;
		x->at = l;
	}
	l = &x->at[x->n++];
	snprintf(l->name, sizeof(l->name), "%.60s", name);
	beside(l->name, VG_FIELDS_SUFFIX, cache);
	l->bytes = size_of(x, l->name);
	l->cache = size_of(x, cache);
	l->wanted = is_wanted(x, l->name);
	return VG_OK;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

/* A cache of a segment that is gone says nothing of anything. */
static vg_rc
on_cache(void *ctx, const char *name)
{
	struct redecode *x = ctx;
	char segment[VG_DISK_NAME_MAX];

	snprintf(segment, sizeof(segment), "%.*s" VG_SEGMENT_SUFFIX, (int)(strlen(name) - strlen(VG_FIELDS_SUFFIX)), name);
	if (faccessat(x->d.dir, segment, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT && vg_disk_remove(&x->d, name) == VG_OK)
		x->dropped++;
	return VG_OK;
}

static vg_rc
remove_cache(struct redecode *x, struct listed *l)
{
	char cache[VG_DISK_NAME_MAX];
	vg_rc rc;

	beside(l->name, VG_FIELDS_SUFFIX, cache);
	rc = l->cache ? vg_disk_remove(&x->d, cache) : VG_OK;
	if (rc == VG_OK || rc == VG_E_NOTFOUND)
		l->cache = 0;
	else
		vg_log(VG_LOG_ERROR, "%s: %s: %s", x->tenant, cache, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

/* ---- how large it may be ---- */

static uint64_t
allowed(const struct redecode *x)
{
	uint64_t all = 0;

	for (size_t i = 0; i < x->n; i++)
		all += x->at[i].bytes;
	return all / 100 * x->percent;
}

static uint64_t
taken(const struct redecode *x, size_t from)
{
	uint64_t all = 0;

	for (size_t i = from; i < x->n; i++)
		all += x->at[i].cache;
	return all;
}

/* The oldest go first.  false: the one at hand was among them, so that there is no room for it or for what is older. */
static bool
evict(struct redecode *x)
{
	uint64_t most = allowed(x);

	for (size_t i = 0; i <= x->now && taken(x, 0) > most; i++)
		if (x->at[i].cache && remove_cache(x, &x->at[i]) == VG_OK)
			x->evicted++;
	return x->at[x->now].cache != 0;
}

/* ---- one segment ---- */

static void
on_progress(void *ctx, const struct vg_redecoded *r)
{
	struct redecode *x = ctx;
	int64_t now = vg_monotonic_ns();

	if (!x->tty || now - x->told_ns < 200000000)
		return;
	x->told_ns = now;
	fprintf(stderr, "\r\033[K%s: %s, %zu segments to go, %llu records decoded", x->tenant, x->at[x->now].name, x->now + 1, (unsigned long long)r->records);
	fflush(stderr);
}

static vg_rc
decode(void *ctx)
{
	struct redecode *x = ctx;

	return vg_redecode_run(&x->o, &shared->one);
}

/* A file of our own to write; -1, and it was told: another one is at it, or it cannot be. */
static int
open_new(struct redecode *x, const char *name)
{
	int fd = openat(x->d.dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat mine, there, segment;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 && fstatat(x->d.dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine.st_ino == there.st_ino && ftruncate(fd, 0) == 0) {
		if (fstat(x->o.segment_fd, &segment) == 0 && (segment.st_uid != mine.st_uid || segment.st_gid != mine.st_gid) && fchown(fd, segment.st_uid, segment.st_gid) < 0)
			vg_log(VG_LOG_WARNING, "%s: %s cannot be given to the owner of the segment: %s", x->tenant, name, strerror(errno));
		return fd;
	}
	vg_log(VG_LOG_ERROR, "%s: %s: %s", x->tenant, name, fd >= 0 && errno == EWOULDBLOCK ? "another redecode is at it" : strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* What was made takes its name.  A crash leaves the older one, or this one whole. */
static bool
keep(struct redecode *x, struct listed *l, int fd, const char *tmp, const char *name)
{
	vg_rc rc;

	if (shared->one.bytes == 0) /* nothing in it can be read any more */
		return remove_cache(x, l) == VG_OK && vg_disk_remove(&x->d, tmp) == VG_OK;
	if (fdatasync(fd) < 0 || (rc = vg_disk_rename(&x->d, tmp, name)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "%s: %s: %s", x->tenant, name, strerror(errno));
		return false;
	}
	l->cache = shared->one.bytes;
	if (faccessat(x->d.dir, l->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) /* its time had come meanwhile */
		return remove_cache(x, l) == VG_OK;
	return true;
}

static bool
run_child(struct redecode *x, const struct listed *l)
{
	struct vg_sandbox_limits limits = { .data_bytes = (size_t)x->limits.is[VG_QUERY_MEMORY] };
	unsigned most_s = vg_query_seconds(&x->limits);
	char why[160] = "", limit[VG_QUERY_WHY] = "";
	int64_t end_ns = vg_monotonic_ns() + (int64_t)most_s * VG_SEC;
	vg_rc rc;

	memset(&shared->one, 0, sizeof(shared->one));
	rc = vg_sandbox_run(decode, x, &limits, most_s, why);
	if (x->tty)
		fputs("\r\033[K", stderr);
	if (rc == VG_E_NOMEM || rc == VG_E_LIMIT)
		vg_query_limit_met(&x->limits, rc == VG_E_NOMEM ? VG_QUERY_MEMORY : VG_QUERY_READ, limit);
	else if (rc == VG_E_SYS && vg_monotonic_ns() >= end_ns)
		vg_query_limit_met(&x->limits, VG_QUERY_TIME, limit);
	if (limit[0])
		vg_log(VG_LOG_ERROR, "%s: %s: it has no new cache: %s", x->tenant, l->name, limit);
	else if (rc != VG_OK && rc != VG_E_STOP)
		vg_log(VG_LOG_ERROR, "%s: %s: it has no new cache: %s%s%s", x->tenant, l->name, vg_rc_name(rc), why[0] ? ": " : "", why);
	return rc == VG_OK;
}

static bool
redecode_segment(struct redecode *x, struct listed *l)
{
	char name[VG_DISK_NAME_MAX], tmp[VG_DISK_NAME_MAX];
	bool good = false;

	beside(l->name, VG_FIELDS_SUFFIX, name);
	beside(l->name, VG_FIELDS_SUFFIX TMP, tmp);
	if ((x->o.segment_fd = openat(x->d.dir, l->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return errno == ENOENT;
	x->o.old_fd = openat(x->d.dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if ((x->o.out_fd = open_new(x, tmp)) >= 0) {
		good = run_child(x, l);
		x->current += good && shared->one.current;
		if (good && !shared->one.current) {
			good = keep(x, l, x->o.out_fd, tmp, name);
			x->made++;
		} else if (vg_disk_remove(&x->d, tmp) != VG_OK) {
			vg_log(VG_LOG_WARNING, "%s: %s: %s", x->tenant, tmp, strerror(errno));
		}
		if (good)
			vg_redecoded_add(&x->all, &shared->one);
		close(x->o.out_fd);
	}
	close(x->o.segment_fd);
	if (x->o.old_fd >= 0)
		close(x->o.old_fd);
	return good;
}

/* ---- what is told ---- */

static const struct {
	const char *kind, *before, *between; /* of from, of from and to */
} told[] = {
	[VG_REDECODED_KNOWN] = { "known", "that no pack knew are known now: ", "" },
	[VG_REDECODED_LOST] = { "lost", "are known by no pack any more: ", "" },
	[VG_REDECODED_OTHER] = { "other", "of ", " are now of " },
	[VG_REDECODED_GAINED] = { "gained", "have the field ", " now: " },
	[VG_REDECODED_GONE] = { "gone", "do not have the field ", " any more: " },
};

static void
print_change(struct redecode *x, const struct vg_redecode_change *c)
{
	if (!x->jsonl) {
		vg_buf_printf(&x->out, "  %llu records %s", (unsigned long long)c->records, told[c->what].before);
		vg_buf_safe(&x->out, vg_str_of(c->from));
		vg_buf_puts(&x->out, told[c->what].between);
		vg_buf_safe(&x->out, vg_str_of(c->to));
		vg_buf_putc(&x->out, '\n');
		return;
	}
	vg_buf_printf(&x->out, "{\"kind\":\"%s\",\"tenant\":", told[c->what].kind);
	vg_buf_json_str(&x->out, vg_str_of(x->tenant));
	vg_buf_printf(&x->out, ",\"records\":%llu,\"%s\":", (unsigned long long)c->records, c->what >= VG_REDECODED_GAINED ? "field" : "from");
	vg_buf_json_str(&x->out, vg_str_of(c->from));
	vg_buf_puts(&x->out, ",\"to\":");
	vg_buf_json_str(&x->out, vg_str_of(c->to));
	vg_buf_puts(&x->out, "}\n");
}

static int
most_records(const void *a, const void *b)
{
	const struct vg_redecode_change *x = a, *y = b;

	return x->what != y->what ? (x->what > y->what) - (x->what < y->what) : (x->records < y->records) - (x->records > y->records);
}

static void
print_totals(struct redecode *x)
{
	const struct vg_redecoded *r = &x->all;
	uint64_t bytes = 0, removed = x->evicted + x->dropped;

	for (size_t i = 0; i < x->n; i++)
		bytes += x->at[i].bytes;
	if (x->jsonl) {
		vg_buf_puts(&x->out, "{\"kind\":\"tenant\",\"tenant\":");
		vg_buf_json_str(&x->out, vg_str_of(x->tenant));
		vg_buf_printf(&x->out, ",\"segments\":%zu,\"made\":%llu,\"current\":%llu,\"failed\":%llu,\"removed\":%llu,\"records\":%llu,\"known\":%llu,\"compared\":%llu,\"known_before\":%llu,"
				       "\"cache_bytes\":%llu,\"segment_bytes\":%llu,\"full\":%s}\n",
			      x->n, (unsigned long long)x->made, (unsigned long long)x->current, (unsigned long long)x->failed, (unsigned long long)removed,
			      (unsigned long long)r->records, (unsigned long long)r->known, (unsigned long long)r->compared, (unsigned long long)r->known_before,
			      (unsigned long long)taken(x, 0), (unsigned long long)bytes, x->full ? "true" : "false");
		return;
	}
	if (x->drop) {
		vg_buf_printf(&x->out, "%s: %llu caches removed\n", x->tenant, (unsigned long long)x->dropped);
		return;
	}
	vg_buf_printf(&x->out, "%s: %llu of %zu segments decoded anew, %llu were up to date; %llu records, %llu of them known to a pack; the cache has %llu bytes, %.2f %% of the segments\n", x->tenant,
		      (unsigned long long)x->made, x->n, (unsigned long long)x->current, (unsigned long long)r->records, (unsigned long long)r->known,
		      (unsigned long long)taken(x, 0), bytes ? 100.0 * (double)taken(x, 0) / (double)bytes : 0.0);
	if (r->compared)
		vg_buf_printf(&x->out, "  against the older cache, %llu records: %llu were known to a pack\n", (unsigned long long)r->compared, (unsigned long long)r->known_before);
}

static int
say_tenant(struct redecode *x)
{
	struct vg_redecoded *r = &x->all;

	print_totals(x);
	if (r->nchange)
		qsort(r->change, r->nchange, sizeof(r->change[0]), most_records);
	for (uint32_t i = 0; i < r->nchange; i++)
		print_change(x, &r->change[i]);
	if (r->more_changes)
		vg_log(VG_LOG_WARNING, "%s: %llu records more changed in other ways", x->tenant, (unsigned long long)r->more_changes);
	if (r->no_key)
		vg_log(VG_LOG_WARNING, "%s: %llu blocks cannot be read any more: the keys of their days were destroyed", x->tenant, (unsigned long long)r->no_key);
	if (r->bad_blocks)
		vg_log(VG_LOG_ERROR, "%s: %llu blocks are damaged and in no cache (`vigie vault verify` names them)", x->tenant, (unsigned long long)r->bad_blocks);
	if (x->full)
		vg_log(VG_LOG_INFO, "%s: vault.field-cache (%llu %%) is full: older segments are without one", x->tenant, (unsigned long long)x->percent);
	return vg_print(&x->out);
}

/* ---- one tenant ---- */

/* The newest first: they are asked for most, and are what stays when there is no room for all. */
static void
redecode_segments(struct redecode *x)
{
	for (size_t i = x->n; i-- && !shared->cancelled;) {
		x->now = i;
		if (!x->at[i].wanted)
			continue;
		if (taken(x, i + 1) >= allowed(x)) {
			x->full = true;
			return;
		}
		if (!redecode_segment(x, &x->at[i])) {
			x->failed += !shared->cancelled;
		} else if (x->at[i].cache && !evict(x)) {
			x->full = true;
			return;
		}
	}
}

static void
drop_segments(struct redecode *x)
{
	for (size_t i = 0; i < x->n; i++) {
		bool had = x->at[i].cache != 0;

		if (!x->at[i].wanted || !had)
			continue;
		if (remove_cache(x, &x->at[i]) == VG_OK)
			x->dropped++;
		else
			x->failed++;
	}
}

static vg_rc
open_tenant(struct redecode *x, struct vg_house *h, struct vg_disk *keys)
{
	struct vg_disk vault = { .dir = openat(h->dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .read_only = true };
	char bad[VG_DISK_NAME_MAX];
	uint8_t secret[32];
	vg_rc rc;

	keys->read_only = true;
	if ((rc = vg_disk_folder(&vault, x->tenant, &x->d)) == VG_OK && (rc = vg_disk_folder(&x->d, "keys", keys)) == VG_OK && (rc = vg_house_read_key(h, x->tenant, secret)) == VG_OK)
		rc = vg_keyring_open(keys, secret, bad, &x->keys);
	explicit_bzero(secret, sizeof(secret));
	vg_disk_close(&vault);
	return rc;
}

static int
redecode_tenant(struct redecode *x, struct vg_house *h, const char *tenant)
{
	struct vg_disk keys = { .dir = -1 };
	int code = VG_EXIT_INPUT;
	vg_rc rc;

	x->tenant = tenant;
	x->d = (struct vg_disk){ .dir = -1 };
	x->n = 0;
	x->made = x->current = x->dropped = x->failed = x->evicted = 0;
	x->full = false;
	memset(&x->all, 0, sizeof(x->all));
	if ((rc = open_tenant(x, h, &keys)) == VG_OK && (rc = vg_disk_each(&x->d, VG_FIELDS_SUFFIX, on_cache, x)) == VG_OK)
		rc = vg_disk_each(&x->d, VG_SEGMENT_SUFFIX, on_segment, x);
	if (rc == VG_OK) {
		if (x->n > 1)
			qsort(x->at, x->n, sizeof(*x->at), by_name);
		(x->drop ? drop_segments : redecode_segments)(x);
		code = say_tenant(x);
	} else {
		vg_log(VG_LOG_ERROR, "vault of %s: %s", tenant, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	}
	vg_keyring_free(x->keys);
	x->keys = NULL;
	vg_disk_close(&keys);
	vg_disk_close(&x->d);
	return code != VG_EXIT_OK ? code : x->failed ? VG_EXIT_FAILED : shared->cancelled ? VG_EXIT_STOPPED : VG_EXIT_OK;
}

/* That one which --tenant names, or each in turn; what went worst is the exit code. */
static int
redecode_all(struct redecode *x, struct vg_house *h, const struct vg_names *names)
{
	const char *asked = vg_arg(x->a, "--tenant");
	int worst = VG_EXIT_OK;

	if (asked && vg_names_tenant_named(names, asked) == NULL) {
		vg_log(VG_LOG_ERROR, "--tenant %s: there is no such tenant", asked);
		return VG_EXIT_INPUT;
	}
	for (size_t i = 0; i < names->ntenant && !shared->cancelled; i++) {
		char path[80];
		int code;

		snprintf(path, sizeof(path), "vault/%.64s", names->tenant[i].name);
		if ((asked && strcmp(asked, names->tenant[i].name) != 0) || faccessat(h->dir, path, F_OK, 0) < 0)
			continue;
		if ((code = redecode_tenant(x, h, names->tenant[i].name)) > worst)
			worst = code;
	}
	return worst;
}

static int
prepare(struct redecode *x, struct vg_house *h, struct vg_buf *blob)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_settings settings;
	struct vg_packs *packs;
	bool good;

	if (vg_settings_find(x->a, h->path, NULL, &settings) != VG_OK)
		return VG_EXIT_USAGE;
	good = vg_query_limits_of(x->a, &settings, &x->limits);
	x->percent = settings.vault.field_cache;
	vg_settings_fini(&settings);
	if (!good)
		return VG_EXIT_USAGE;
	if (x->percent == 0 && !x->drop) {
		vg_log(VG_LOG_ERROR, "vault redecode: vault.field-cache is 0: nothing is to be kept of decoded fields");
		return VG_EXIT_USAGE;
	}
	if (keys == NULL || vg_packs_find(keys, blob, &packs) != VG_OK)
		return VG_EXIT_FAILED;
	vg_fields_stamp(vg_buf_str(blob), 0, x->stamp); /* `vault search` has no zone either */
	x->o = (struct vg_redecode){ .packs = packs, .max_bytes = x->limits.is[VG_QUERY_READ], .keys = keys, .stamp = x->stamp, .key = key_of, .key_ctx = x, .cancel = &shared->cancelled, .progress = on_progress, .ctx = x };
	(void)signal(SIGINT, on_interrupt);
	(void)signal(SIGTERM, on_interrupt);
	return VG_EXIT_OK;
}

int
vg_cmd_vault_redecode(const struct vg_args *a)
{
	struct redecode x = { .a = a, .drop = vg_arg_set(a, "--drop"), .tty = isatty(STDERR_FILENO) };
	struct vg_buf blob = { 0 };
	struct vg_names names;
	struct vg_house h;
	sqlite3 *db;
	int code;

	if (!vg_take_format(a, &x.jsonl) || !vg_take_time("--from", vg_arg(a, "--from"), VG_TIME_NONE, &x.from_ns) ||
	    !vg_take_time("--to", vg_arg(a, "--to"), VG_TIME_NONE, &x.to_ns))
		return VG_EXIT_USAGE;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return VG_EXIT_FAILED;
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK || (code = vg_state_catalogue(&h, true, &db)) != VG_EXIT_OK)
		return code;
	code = vg_names_read(db, &names) == VG_OK ? VG_EXIT_OK : VG_EXIT_FAILED;
	vg_db_close(db);
	if (code == VG_EXIT_OK && (code = prepare(&x, &h, &blob)) == VG_EXIT_OK)
		code = redecode_all(&x, &h, &names);
	return code; /* the process ends: what it holds goes with it */
}
