/* cmd/vault_search.c - `vigie vault search`: what people ask of the evidence, in a process that can only read what it was given. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io.h"
#include "base/utf.h"
#include "cmd/apart.h"
#include "cmd/common.h"
#include "cmd/limits.h"
#include "cmd/watch.h"
#include "event/keys.h"
#include "knowledge/knowledge.h"
#include "net/loop.h"
#include "rule/selection.h"
#include "vault/fields.h"
#include "vault/intake.h"
#include "vault/search.h"
#include "vault/store.h"

const struct vg_opt vg_vault_search_opts[] = {
	VG_STATE_OPTION,
	VG_SETTINGS_OPTION,
	VG_FORMAT_OPTION,
	{ "--from", VG_OPT_TEXT, "TIME", "events from this time on (2026-04-03T08:12:45Z, or 2h for two hours ago)" },
	{ "--to", VG_OPT_TEXT, "TIME", "events up to this time" },
	{ "--tenant", VG_OPT_TEXT, "NAME", "of one tenant (default: all)" },
	{ "--source", VG_OPT_LIST, "ID", "of these sources alone (may be repeated)" },
	{ "--limit", VG_OPT_TEXT, "N", "at most so many (default: 1000 as text, all as jsonl)" },
	{ "--newest", VG_OPT_FLAG, NULL, "the newest first" },
	VG_QUERY_OPTIONS,
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

#define LIMIT_TEXT 1000
#define TAIL_BYTES ((size_t)1 << 30) /* of the intake journal that is not in segments yet */

static volatile sig_atomic_t cancelled;

struct search {
	struct vg_search s;
	struct vg_search_segment *segment; /* owned */
	char (*name)[VG_DISK_NAME_MAX];    /* owned; of each */
	size_t n;
	struct vg_keyring *keys;
	struct vg_names names;
	uint8_t stamp[VG_FIELDS_STAMP]; /* of the packs */
	uint32_t tenant;
	const char *tenant_name;
	bool jsonl, tty;
	struct vg_buf out;
	struct vg_query_limits limits; /* of all tenants together */
	int64_t end_ns;                /* monotonic: what they leave of the time */
	uint64_t left_bytes;
	struct vg_search_result result;
	int64_t told_ns;
};

static void
on_interrupt(int sig)
{
	(void)sig;
	cancelled = 1;
}

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	const struct vg_day_key *k = vg_keyring_find(((struct search *)ctx)->keys, number);

	return k ? k->key : NULL;
}

/* ---- what is told of a record ---- */

static void
put_json(struct search *x, const struct vg_search_match *m)
{
	struct vg_buf *b = &x->out;
	const struct vg_record *r = m->record;
	const struct vg_name *source = vg_names_source(&x->names, r->source);

	vg_buf_printf(b, "{\"seq\":%llu,\"time\":\"", (unsigned long long)r->seq);
	vg_buf_time(b, m->time_ns, 9);
	vg_buf_puts(b, "\",\"arrival\":\"");
	vg_buf_time(b, r->recv_ns, 9);
	vg_buf_puts(b, "\",\"tenant\":");
	vg_buf_json_str(b, vg_str_of(x->tenant_name));
	vg_buf_printf(b, ",\"source_id\":%u,\"source\":", r->source);
	vg_buf_json_str(b, source ? vg_str_of(source->name) : r->source ? VG_NIL : VG_STR("vigie"));
	if (r->id.n) {
		vg_buf_puts(b, ",\"id\":");
		vg_buf_json_str(b, r->id);
	}
	vg_buf_printf(b, ",\"resent\":%s,\"segment\":", m->resent ? "true" : "false");
	vg_buf_json_str(b, vg_str_of(x->name[m->segment]));
	vg_buf_printf(b, ",\"block\":%llu,\"record\":%u,\"raw\":", (unsigned long long)m->block_at, m->at);
	vg_buf_json_str(b, r->raw);
	if (!vg_utf8_valid(r->raw)) { /* what JSON cannot say */
		vg_buf_puts(b, ",\"raw_hex\":\"");
		vg_buf_hex(b, r->raw.p, r->raw.n, false);
		vg_buf_putc(b, '"');
	}
	vg_buf_puts(b, "}\n");
}

static void
put_text(struct search *x, const struct vg_search_match *m)
{
	const struct vg_name *source = vg_names_source(&x->names, m->record->source);

	vg_buf_time(&x->out, m->time_ns, 3);
	vg_buf_puts(&x->out, "  ");
	vg_buf_safe(&x->out, source ? vg_str_of(source->name) : VG_STR("vigie"));
	vg_buf_puts(&x->out, m->resent ? "  (resent) " : "  ");
	vg_buf_safe(&x->out, m->record->raw);
	vg_buf_putc(&x->out, '\n');
}

static vg_rc
flush(struct search *x)
{
	vg_rc rc = x->out.rc != VG_OK ? x->out.rc : vg_write_all(STDOUT_FILENO, vg_buf_str(&x->out));

	vg_buf_clear(&x->out);
	return rc;
}

static vg_rc
on_match(void *ctx, const struct vg_search_match *m)
{
	struct search *x = ctx;

	(x->jsonl ? put_json : put_text)(x, m);
	return x->out.n > 16384 ? flush(x) : x->out.rc;
}

static void
on_progress(void *ctx, const struct vg_search_stats *s, size_t segment)
{
	struct search *x = ctx;
	int64_t now = vg_monotonic_ns();

	if (x->out.n) /* what was found is seen, however rare it is */
		(void)flush(x);
	if (!x->tty || now - x->told_ns < 200000000)
		return;
	x->told_ns = now;
	fprintf(stderr, "\r\033[K%zu of %zu segments, %llu found", segment + 1, x->n, (unsigned long long)s->matches);
	fflush(stderr);
}

static vg_rc
run(struct search *x)
{
	vg_rc rc = vg_search_run(&x->s, &x->result), end = flush(x);

	if (x->tty)
		fputs("\r\033[K", stderr);
	return rc != VG_OK ? rc : end;
}

/* ---- what is searched ---- */

static vg_rc
add_segment(struct search *x, int fd, int index_fd, int fields_fd, const char *name)
{
	if (x->n % 64 == 0) {
		void *p = realloc(x->segment, (x->n + 64) * sizeof(*x->segment)), *q;

		if (p == NULL)
			return VG_E_NOMEM;
		x->segment = p;
		if ((q = realloc(x->name, (x->n + 64) * sizeof(*x->name))) == NULL)
			return VG_E_NOMEM;
		x->name = q;
	}
	x->segment[x->n] = (struct vg_search_segment){ fd, index_fd, fields_fd };
	snprintf(x->name[x->n++], VG_DISK_NAME_MAX, "%.60s", name);
	return VG_OK;
}

struct listed {
	char name[VG_DISK_NAME_MAX];
	uint64_t first;
};
struct list {
	struct vg_disk *d;
	struct listed *at; /* owned */
	size_t n;
};

static vg_rc
on_name(void *ctx, const char *name)
{
	struct list *l = ctx;
	char head[VG_BLOCK_HEAD];
	struct vg_block_head h;
	struct vg_file f;
	vg_rc rc;

	if (l->n % 64 == 0) {
		void *p = realloc(l->at, (l->n + 64) * sizeof(*l->at));

		if (p == NULL)
			return VG_E_NOMEM;
		l->at = p;
	}
	if ((rc = vg_file_open(l->d, name, &f)) != VG_OK)
		return rc;
	if (vg_file_read(&f, head, sizeof(head), 0) == VG_OK && vg_block_head_take(vg_str_mem(head, sizeof(head)), &h) == VG_OK) {
		snprintf(l->at[l->n].name, VG_DISK_NAME_MAX, "%.60s", name);
		l->at[l->n++].first = h.leaf;
	}
	vg_file_close(&f);
	return VG_OK;
}

static int
by_first(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* What is kept beside a segment; -1: there is none. */
static int
open_beside(struct vg_disk *d, const char *segment, const char *suffix)
{
	char name[VG_DISK_NAME_MAX];

	snprintf(name, sizeof(name), "%.*s%s", (int)(strlen(segment) - strlen(VG_SEGMENT_SUFFIX)), segment, suffix);
	return openat(d->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static vg_rc
open_segment(struct search *x, struct vg_disk *d, const char *name)
{
	int fd = openat(d->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), index_fd;

	if (fd < 0)
		return errno == ENOENT ? VG_OK : VG_E_SYS;
	index_fd = open_beside(d, name, VG_TOKENS_SUFFIX);
	if (index_fd >= 0) /* a page here and there: what stands behind them need not be read ahead */
		(void)posix_fadvise(index_fd, 0, 0, POSIX_FADV_RANDOM);
	return add_segment(x, fd, index_fd, open_beside(d, name, VG_FIELDS_SUFFIX), name);
}

static vg_rc
open_segments(struct search *x, struct vg_disk *d)
{
	struct list l = { .d = d };
	vg_rc rc = vg_disk_each(d, VG_SEGMENT_SUFFIX, on_name, &l);

	if (l.n > 1)
		qsort(l.at, l.n, sizeof(*l.at), by_first);
	for (size_t i = 0; rc == VG_OK && i < l.n; i++)
		rc = open_segment(x, d, l.at[i].name);
	free(l.at);
	return rc;
}

/* ---- what is not in segments yet: the intake journal's end, as a segment of our own ---- */

struct tail {
	struct search *x;
	struct vg_block_writer w;
	struct vg_buf out;
	uint64_t next[VG_CLASSES_MAX]; /* behind the last record of each class of retention that stands in a segment */
	uint64_t leaf, bytes;
	int fd;
	bool any;
};

static vg_rc
end_block(struct tail *t)
{
	vg_rc rc;

	if (!t->any)
		return VG_OK;
	vg_buf_clear(&t->out);
	t->w.head.leaf = t->leaf++;
	if ((rc = vg_block_finish(&t->w, NULL, 0, &t->out)) == VG_OK)
		rc = vg_write_all(t->fd, vg_buf_str(&t->out));
	t->bytes += t->out.n;
	t->any = false;
	return rc;
}

static vg_rc
on_tail(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	struct tail *t = ctx;
	struct vg_record any = *r;
	vg_rc rc;

	if (tenant != t->x->tenant || r->seq < t->next[r->class])
		return VG_OK;
	any.class = 0; /* here they lie together */
	if (t->bytes > TAIL_BYTES)
		return VG_E_STOP;
	if (!t->any)
		vg_block_begin(&t->w);
	if ((rc = vg_block_add(&t->w, &any)) != VG_OK)
		return rc;
	t->any = true;
	return vg_block_is_full(&t->w) ? end_block(t) : VG_OK;
}

/* What stands in the last two of the segments that were opened: every few seconds all that waits is cut, so that no class is further behind. */
static void
look_at_last(struct tail *t, struct vg_disk *d)
{
	const struct search *x = t->x;
	struct vg_segment_damage bad;
	struct vg_segment *s;

	for (size_t i = x->n > 2 ? x->n - 2 : 0; i < x->n; i++) {
		if (vg_segment_open(d, x->name[i], 0, &bad, &s) != VG_OK)
			continue;
		for (size_t b = 0; b < vg_segment_count(s); b++) {
			const struct vg_block_head *h = &vg_segment_at(s, b)->head;

			t->next[h->class] = h->last_seq + 1;
			t->leaf = h->leaf + 1;
		}
		vg_segment_free(s);
	}
}

static vg_rc
add_tail(struct search *x, struct vg_house *h, struct vg_disk *d)
{
	struct vg_disk vault = { .dir = openat(h->dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .read_only = true }, intake = { .dir = -1 };
	struct vg_intake_options o = { .first = 1 };
	struct vg_intake_damage damage;
	struct vg_intake_cursor c;
	struct tail t = { .x = x, .fd = -1 };
	struct vg_intake *j = NULL;
	vg_rc rc;

	if ((rc = vg_disk_folder(&vault, "intake", &intake)) != VG_OK || (rc = vg_intake_open(&intake, &o, &damage, &j)) != VG_OK)
		goto out;
	look_at_last(&t, d);
	c = (struct vg_intake_cursor){ .seq = vg_store_outside(d) };
	if (c.seq < vg_intake_first(j))
		c.seq = vg_intake_first(j);
	rc = VG_E_SYS;
	if ((t.fd = memfd_create("vigie-tail", MFD_CLOEXEC)) >= 0 && (rc = vg_intake_walk(j, &c, SIZE_MAX, on_tail, &t)) == VG_OK && (rc = end_block(&t)) == VG_OK &&
	    t.bytes)
		rc = add_segment(x, t.fd, -1, -1, "intake");
out:
	if (rc == VG_E_FORMAT || rc == VG_E_NOTFOUND) { /* damage, or a file that went while we looked: the segments have it by now, or `verify` tells */
		vg_log(VG_LOG_WARNING, "vault search: the intake journal cannot be read; what came in the last seconds is not searched");
		rc = VG_OK;
	}
	vg_block_writer_fini(&t.w);
	vg_buf_fini(&t.out);
	vg_intake_free(j);
	vg_disk_close(&intake);
	vg_disk_close(&vault);
	return rc;
}

/* ---- the options ---- */

static bool
take_number(const struct vg_args *a, const char *option, uint64_t *out)
{
	const char *text = vg_arg(a, option);

	if (text == NULL || (vg_str_u64(vg_str_of(text), out) && *out))
		return true;
	vg_log(VG_LOG_ERROR, "%s %s: no number", option, text);
	return false;
}

static bool
take_options(const struct vg_args *a, struct search *x, uint32_t source[VG_OPT_LIST_MAX])
{
	const struct vg_opt_value *list = vg_arg_list(a, "--source");

	x->s.newest_first = vg_arg_set(a, "--newest");
	if (!vg_take_format(a, &x->jsonl) || !vg_take_time("--from", vg_arg(a, "--from"), VG_TIME_NONE, &x->s.from_ns) ||
	    !vg_take_time("--to", vg_arg(a, "--to"), VG_TIME_NONE, &x->s.to_ns) || !take_number(a, "--limit", &x->s.max_matches) ||
	    !vg_take_query_limits(a, vg_state_path(a), &x->limits))
		return false;
	if (x->s.max_matches == 0 && !x->jsonl)
		x->s.max_matches = LIMIT_TEXT;
	for (size_t i = 0; i < list->n; i++) {
		uint64_t id;

		if (!vg_str_u64(vg_str_of(list->text[i]), &id) || id > UINT32_MAX) {
			vg_log(VG_LOG_ERROR, "--source %s: no number of a source (`vigie source list` shows them)", list->text[i]);
			return false;
		}
		source[x->s.nsource++] = (uint32_t)id;
	}
	x->s.source = source;
	return true;
}

/* Selection and packs, ready.  Packs come compiled from our own folder. */
static int
compile(struct search *x, const char *selection, struct vg_buf *blob, struct vg_buf *packs, struct vg_program *program)
{
	struct vg_selection_error err;
	struct vg_packs *loaded;
	struct vg_keys *keys = vg_keys_new();

	if (vg_selection_compile(vg_str_of(selection), blob, &err) != VG_OK) {
		vg_log(VG_LOG_ERROR, "selection, character %zu: %s", err.at + 1, err.text);
		return VG_EXIT_USAGE;
	}
	if (keys == NULL || vg_program_load(vg_buf_str(blob), keys, program) != VG_OK)
		return VG_EXIT_FAILED;
	if (vg_packs_find(keys, packs, &loaded) != VG_OK)
		return VG_EXIT_FAILED;
	vg_fields_stamp(vg_buf_str(packs), x->s.zone_s, x->stamp);
	x->s.fields_stamp = x->stamp;
	x->s.program = program;
	x->s.keys = keys;
	x->s.packs = loaded;
	return VG_EXIT_OK;
}

/* What was found until then is true, and was printed. */
static int
say_limit(const struct search *x, enum vg_query_limit which)
{
	char why[VG_QUERY_WHY];

	vg_query_limit_met(&x->limits, which, why);
	vg_log(which == VG_QUERY_MEMORY ? VG_LOG_ERROR : VG_LOG_WARNING, "vault of %s: the search ended before its end: %s", x->tenant_name, why);
	return which == VG_QUERY_MEMORY ? VG_EXIT_FAILED : VG_EXIT_FOUND;
}

static int
open_all(struct search *x, struct vg_house *h, struct vg_disk *d, struct vg_disk *keys)
{
	struct vg_disk vault = { .dir = openat(h->dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .read_only = true };
	char bad[VG_DISK_NAME_MAX] = "";
	uint8_t secret[32];
	vg_rc rc;

	if ((rc = vg_disk_folder(&vault, x->tenant_name, d)) == VG_OK && (rc = vg_disk_folder(d, "keys", keys)) == VG_OK &&
	    (rc = vg_house_read_key(h, x->tenant_name, secret)) == VG_OK)
		rc = vg_keyring_open(keys, secret, bad, &x->keys);
	explicit_bzero(secret, sizeof(secret));
	vg_disk_close(&vault);
	if (rc == VG_OK && (rc = open_segments(x, d)) == VG_OK)
		rc = add_tail(x, h, d);
	if (rc == VG_OK)
		return VG_EXIT_OK;
	if (rc == VG_E_NOMEM)
		return say_limit(x, VG_QUERY_MEMORY);
	vg_log(VG_LOG_ERROR, "vault of %s: %s%s%s", x->tenant_name, bad, bad[0] ? ": " : "", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	return VG_EXIT_INPUT;
}

static int
say_result(const struct search *x)
{
	const struct vg_search_stats *s = &x->result.stats;
	int code = s->bad_blocks ? VG_EXIT_FAILED : VG_EXIT_OK, limit = VG_EXIT_OK;

	if (s->no_key)
		vg_log(VG_LOG_WARNING, "%llu blocks cannot be read any more: the keys of their days were destroyed", (unsigned long long)s->no_key);
	if (s->bad_fields)
		vg_log(VG_LOG_WARNING, "%llu parts of the field cache are damaged: records were decoded instead (`vigie vault redecode` makes it anew)", (unsigned long long)s->bad_fields);
	if (s->bad_blocks)
		vg_log(VG_LOG_ERROR, "%llu blocks are damaged and were not searched (`vigie vault verify` names them)", (unsigned long long)s->bad_blocks);
	if (x->result.end == VG_SEARCH_PAGE && !x->jsonl)
		vg_log(VG_LOG_INFO, "there may be more: --limit says how many are shown");
	if (x->result.end == VG_SEARCH_CANCELLED) {
		vg_log(VG_LOG_WARNING, "the search ended before its end: it was interrupted");
		limit = VG_EXIT_STOPPED;
	} else if (x->result.end >= VG_SEARCH_TIME) {
		limit = say_limit(x, x->result.end == VG_SEARCH_TIME ? VG_QUERY_TIME : VG_QUERY_READ);
	}
	return code != VG_EXIT_OK ? code : limit;
}

static int
search(struct search *x)
{
	int64_t left_ns;
	vg_rc rc;

	x->s.segment = x->segment;
	x->s.nsegment = x->n;
	x->s.key = key_of;
	x->s.key_ctx = x;
	x->s.match = on_match;
	x->s.progress = on_progress;
	x->s.ctx = x;
	x->s.cancel = &cancelled;
	x->tty = vg_is_terminal(STDERR_FILENO) && !vg_is_terminal(STDOUT_FILENO);
	(void)signal(SIGINT, on_interrupt);
	(void)signal(SIGTERM, on_interrupt);
	left_ns = x->end_ns - vg_monotonic_ns();
	x->s.max_bytes = x->left_bytes;
	x->s.max_ms = left_ns > 1000000 ? (uint64_t)left_ns / 1000000 : 1;
	(void)alarm((unsigned)(x->s.max_ms / 1000 + 30)); /* it looks at the time itself: this is for when it does not */
	rc = run(x);
	(void)alarm(0);
	x->left_bytes -= x->result.stats.raw_bytes < x->left_bytes ? x->result.stats.raw_bytes : x->left_bytes;
	if (rc == VG_E_NOMEM)
		return say_limit(x, VG_QUERY_MEMORY);
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "the search ended: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		return VG_EXIT_FAILED;
	}
	return say_result(x);
}

/* One tenant's vault. */
static int
search_tenant(struct search *x, struct vg_house *h, const struct vg_name *t)
{
	struct vg_disk d = { .dir = -1 }, keys = { .dir = -1 };
	int code;

	x->tenant = t->id;
	x->n = 0;
	code = open_all(x, h, &d, &keys);
	if (code == VG_EXIT_OK)
		code = search(x);
	for (size_t i = 0; i < x->n; i++) {
		close(x->segment[i].fd);
		if (x->segment[i].index_fd >= 0)
			close(x->segment[i].index_fd);
		if (x->segment[i].fields_fd >= 0)
			close(x->segment[i].fields_fd);
	}
	vg_keyring_free(x->keys);
	x->keys = NULL;
	vg_disk_close(&keys);
	vg_disk_close(&d);
	return code;
}

/* That one which --tenant names, or each in turn; what went worst is the exit code. */
static int
search_all(const struct vg_args *a, struct search *x, struct vg_house *h)
{
	const char *asked = vg_arg(a, "--tenant");
	int worst = VG_EXIT_OK;
	bool any = false;

	if (asked && vg_names_tenant_named(&x->names, asked) == NULL) {
		vg_log(VG_LOG_ERROR, "--tenant %s: there is no such tenant", asked);
		return VG_EXIT_INPUT;
	}
	for (size_t i = 0; i < x->names.ntenant && !cancelled; i++) {
		const struct vg_name *t = &x->names.tenant[i];
		char path[80];
		int code;

		snprintf(path, sizeof(path), "vault/%.64s", t->name);
		if ((asked && strcmp(asked, t->name) != 0) || (!asked && faccessat(h->dir, path, F_OK, 0) < 0))
			continue;
		any = true;
		x->tenant_name = t->name;
		if (x->left_bytes == 0)
			code = say_limit(x, VG_QUERY_READ);
		else if (vg_monotonic_ns() >= x->end_ns)
			code = say_limit(x, VG_QUERY_TIME);
		else
			code = search_tenant(x, h, t);
		if (code > worst)
			worst = code;
	}
	if (!any && !cancelled) {
		vg_log(VG_LOG_ERROR, "vault search: %s: no tenant's records are here", h->path);
		return VG_EXIT_INPUT;
	}
	return worst;
}

struct command {
	const struct vg_args *a;
	struct search x;
};

/* In the process apart: all that is read of the state is read there. */
static int
search_apart(void *ctx)
{
	struct command *c = ctx;
	struct vg_house h;
	sqlite3 *db;
	int code;

	c->x.end_ns = vg_monotonic_ns() + (int64_t)c->x.limits.is[VG_QUERY_TIME];
	c->x.left_bytes = c->x.limits.is[VG_QUERY_READ];
	if ((code = vg_state_open(c->a, &h)) != VG_EXIT_OK || (code = vg_state_catalogue(&h, true, &db)) != VG_EXIT_OK)
		return code;
	code = vg_names_read(db, &c->x.names) == VG_OK ? VG_EXIT_OK : VG_EXIT_FAILED;
	vg_db_close(db);
	return code == VG_EXIT_OK ? search_all(c->a, &c->x, &h) : code;
}

int
vg_cmd_vault_search(const struct vg_args *a)
{
	struct vg_apart apart = { .limits = { .name = "search", .may = VG_MAY_READ | VG_MAY_MEMORY } };
	struct command c = { .a = a };
	uint32_t source[VG_OPT_LIST_MAX];
	struct vg_buf blob = { 0 }, packs = { 0 }, text = { 0 };
	struct vg_program program;
	struct rlimit files;
	int code;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* three a segment */
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!take_options(a, &c.x, source))
		return VG_EXIT_USAGE;
	for (size_t i = 0; i < a->noperand; i++) { /* words side by side, as the shell cut them */
		vg_buf_puts(&text, i ? " " : "");
		vg_buf_puts(&text, a->operand[i]);
	}
	vg_buf_putc(&text, 0);
	if (text.rc != VG_OK)
		return VG_EXIT_FAILED;
	if ((code = compile(&c.x, text.p, &blob, &packs, &program)) != VG_EXIT_OK)
		return code;
	apart.limits.data_bytes = (size_t)c.x.limits.is[VG_QUERY_MEMORY];
	vg_apart_see(&apart, vg_state_path(a), "vault");
	vg_apart_see(&apart, vg_state_path(a), "format");
	vg_apart_see(&apart, vg_state_path(a), "keys");
	return vg_apart_run(&apart, search_apart, &c); /* the process ends: what it holds goes with it */
}
