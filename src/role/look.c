/* role/look.c - looks through older records, once, for indicators that are new: in a process that can only read the vault, gives way to all others, and
 * goes on where it was.  What it finds, and how far it came, goes to trace, which has both in one transaction.  It ends when a search is done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "event/wire.h"
#include "knowledge/knowledge.h"
#include "role/learned.h"
#include "role/met.h"
#include "role/messages.h"
#include "role/roles.h"
#include "source/decode.h"
#include "vault/intake.h"
#include "vault/keyring.h"
#include "vault/lookback.h"
#include "vault/store.h"

#define SLICE_NS (20 * (VG_SEC / 1000)) /* of work between two looks at messages */
#define SEND_BYTES ((size_t)256 << 10)
#define SEND_NS VG_SEC                   /* what was found, and the place, is told this often at least */
#define OUT_MAX (VG_FOUND_BYTES_MAX - ((size_t)1 << 20)) /* what one record adds over it is counted, not told */
#define AHEAD_BYTES ((size_t)4 << 20)    /* that trace did not take yet: wait */
#define TAIL_BYTES ((size_t)1 << 20)     /* of the intake journal, at a time */
#define AGAIN_NS (30 * VG_SEC)           /* behind an error of the disk */
#define ALL_TENANTS UINT32_MAX
#define SKIPS_MAX 64
#define DEATHS 2

struct tenant {
	uint32_t id;
	char name[65];
	uint8_t key[32];
};
struct page { /* shared with the processes that come behind this one */
	uint64_t seq;     /* the record at hand */
	uint64_t suspect; /* the last one that a process died over */
	uint64_t deaths;
	uint64_t nskip, skip[SKIPS_MAX]; /* those that are passed over */
};
struct look {
	struct vg_role_env *env;
	struct vg_knowledge k;
	void *map;
	size_t bytes;
	struct vg_job job;
	struct vg_indicators x;
	struct vg_met_list met;
	volatile struct page *page;
	struct tenant *tenant; /* owned; by id */
	size_t ntenant;
	struct vg_disk vault;

	struct vg_channel *trace;
	bool placed;   /* trace told where to go on */
	bool finished; /* all was looked at and told; trace will say that it is on disk */
	size_t at;     /* the tenant at hand */
	uint64_t next;
	struct vg_disk dir, keys_dir;
	struct vg_keyring *keys;
	struct vg_lookback *back; /* NULL: not begun */
	struct vg_intake *intake; /* of before its segments are looked at to their end for the last time */
	struct vg_disk intake_dir;
	struct vg_intake_cursor tail;

	struct vg_found f;
	struct vg_buf out, wire;
	size_t out_sure; /* bytes of it that are of what is before `next` */
	int64_t sent_ns, wait_ns;
	uint64_t hits, limited, skipped;
	struct vg_lookback_stats before; /* of the tenants that are done */
};

/* ---- telling ---- */

static void
begin_out(struct look *l)
{
	vg_buf_clear(&l->out);
	vg_buf_le64(&l->out, l->job.number);
	vg_buf_le32(&l->out, 0);
	vg_buf_le64(&l->out, 0);
	l->out_sure = l->out.n;
}

static void
set_next(struct look *l, uint64_t next)
{
	l->next = next;
	l->out_sure = l->out.n;
}

/* What was found, all before @next of @tenant being done. */
static void
send(struct look *l, uint32_t tenant, uint64_t next)
{
	memcpy(l->out.p + 8, &tenant, sizeof(tenant)); /* little-endian machines alone, as base/cur.h says */
	memcpy(l->out.p + 12, &next, sizeof(next));
	vg_channel_send(l->trace, VG_MSG_LOOKED, vg_buf_str(&l->out));
	begin_out(l);
	l->sent_ns = vg_monotonic_ns();
}

/* ---- one event ---- */

static const uint8_t *
key_of(void *ctx, uint32_t number)
{
	const struct look *l = ctx;
	const struct vg_day_key *k = vg_keyring_find(l->keys, number);

	return k ? k->key : NULL;
}

static bool
is_wanted(void *ctx, const struct vg_record *r)
{
	struct look *l = ctx;

	for (uint64_t i = 0; i < l->page->nskip && i < SKIPS_MAX; i++)
		if (l->page->skip[i] == r->seq) {
			l->skipped++;
			return false;
		}
	l->page->seq = r->seq;
	if (l->out.n >= SEND_BYTES && l->trace) { /* numbers ascend: all before this one is done */
		set_next(l, r->seq);
		send(l, l->tenant[l->at].id, r->seq);
	}
	return true;
}

static vg_rc
on_event(void *ctx, const struct vg_record *r, const struct vg_event *e, uint16_t place)
{
	static const uint32_t no_field[1];
	struct look *l = ctx;

	if (vg_met_event(&l->met, &l->x, e, r->recv_ns) != VG_OK)
		l->limited++;
	l->limited += l->met.n && l->out.n > OUT_MAX;
	if (l->met.n == 0 || l->out.n > OUT_MAX)
		return VG_OK;
	l->hits += l->met.n;
	l->f.tenant = l->tenant[l->at].id;
	l->f.source = r->source;
	l->f.seq = r->seq;
	l->f.recv_ns = r->recv_ns;
	l->f.time_ns = vg_event_when(e, r->recv_ns);
	l->f.place = place;
	l->f.flags = (e->time_ns != VG_TIME_NONE && l->f.time_ns != e->time_ns ? VG_FOUND_CLAIM : 0) | (r->flags & VG_RECORD_RESENT ? VG_FOUND_RESENT : 0);
	l->f.nmet = l->met.n;
	l->f.met_bytes = vg_buf_str(&l->met.b);
	vg_buf_clear(&l->wire);
	vg_wire_encode(&l->wire, e, no_field, 0);
	l->f.wire = vg_buf_str(&l->wire);
	if (l->wire.rc == VG_OK)
		vg_found_put(&l->out, &l->f);
	return l->wire.rc != VG_OK || l->out.rc != VG_OK ? VG_E_NOMEM : VG_OK;
}

/* ---- one tenant ---- */

static void
close_tail(struct look *l)
{
	vg_intake_free(l->intake);
	l->intake = NULL;
	vg_disk_close(&l->intake_dir);
}

static void
close_tenant(struct look *l)
{
	const struct vg_lookback_stats *n;

	close_tail(l);
	if (l->back) {
		n = vg_lookback_stats(l->back);
		l->before.blocks += n->blocks;
		l->before.by_index += n->by_index;
		l->before.records += n->records;
		l->before.bad_blocks += n->bad_blocks + n->bad_segments;
		l->before.no_key += n->no_key;
	}
	vg_lookback_free(l->back);
	l->back = NULL;
	vg_keyring_free(l->keys);
	l->keys = NULL;
	vg_disk_close(&l->keys_dir);
	vg_disk_close(&l->dir);
}

/* VG_E_NOTFOUND: it has no records yet. */
static vg_rc
open_tenant(struct look *l)
{
	const struct tenant *t = &l->tenant[l->at];
	struct vg_lookback_options o = { .dir = &l->dir, .key = key_of, .packs = l->k.packs, .keys = l->k.keys, .piece = l->job.piece,
					 .npiece = l->job.npiece, .next = l->next, .event = on_event, .wanted = is_wanted, .ctx = l };
	char bad[VG_DISK_NAME_MAX] = "";
	vg_rc rc;

	if ((rc = vg_disk_folder(&l->vault, t->name, &l->dir)) != VG_OK)
		return rc;
	if ((rc = vg_disk_folder(&l->dir, "keys", &l->keys_dir)) == VG_OK)
		rc = vg_keyring_open(&l->keys_dir, t->key, bad, &l->keys);
	if (rc == VG_OK)
		rc = vg_lookback_new(&o, &l->back);
	return rc == VG_E_NOTFOUND ? VG_E_FORMAT : rc;
}

/* ---- what is in no segment yet ---- */

static vg_rc
open_tail(struct look *l)
{
	struct vg_intake_options o = { .first = 1 };
	struct vg_intake_damage damage;
	vg_rc rc = vg_disk_folder(&l->vault, "intake", &l->intake_dir);

	if (rc == VG_OK)
		rc = vg_intake_open(&l->intake_dir, &o, &damage, &l->intake);
	if (rc == VG_OK) { /* all below the checkpoint's number stands in segments; above it some does, whatever l->next says */
		uint64_t from = vg_store_outside(&l->dir);

		from = from < l->next ? from : l->next;
		l->tail = (struct vg_intake_cursor){ .seq = from > vg_intake_first(l->intake) ? from : vg_intake_first(l->intake) };
	}
	return rc;
}

static vg_rc
on_tail(void *ctx, uint32_t tenant, const struct vg_record *r)
{
	struct look *l = ctx;
	vg_rc rc = VG_OK;

	if (tenant == l->tenant[l->at].id && (rc = vg_lookback_record(l->back, r)) == VG_OK && r->seq >= l->next)
		set_next(l, r->seq + 1);
	return rc;
}

/* VG_E_STOP: there is no more.  VG_E_NOTFOUND: it left the journal, and stands in segments. */
static vg_rc
walk_tail(struct look *l)
{
	uint64_t before = l->tail.seq;
	vg_rc rc = vg_intake_walk(l->intake, &l->tail, TAIL_BYTES, on_tail, l);

	return rc == VG_OK && l->tail.seq == before ? VG_E_STOP : rc;
}

/* ---- work ---- */

static void
say_failed(struct look *l, vg_rc rc)
{
	vg_role_say(l->env, VG_LOG_ERROR, "look: the vault of %s cannot be read: %s; it is tried again", l->tenant[l->at].name,
		    rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	close_tenant(l);
	l->out.n = l->out_sure;
	l->wait_ns = vg_monotonic_ns() + AGAIN_NS;
}

static void
next_tenant(struct look *l)
{
	send(l, l->tenant[l->at].id, l->next);
	close_tenant(l);
	l->at++;
	l->next = 0;
	if (l->at < l->ntenant)
		send(l, l->tenant[l->at].id, 0);
}

/* Blocks to their end; then the journal is opened; then blocks again, of what left it before that; then what is in it. */
static void
step(struct look *l)
{
	vg_rc rc = l->back ? VG_OK : open_tenant(l);

	if (rc == VG_E_NOTFOUND) {
		next_tenant(l);
		return;
	}
	if (rc == VG_OK && (rc = vg_lookback_step(l->back)) == VG_OK) {
		if (vg_lookback_next(l->back) > l->next)
			set_next(l, vg_lookback_next(l->back));
		return;
	}
	if (rc == VG_E_STOP && l->intake == NULL)
		rc = open_tail(l);
	else if (rc == VG_E_STOP && (rc = walk_tail(l)) == VG_E_STOP)
		next_tenant(l);
	if (rc == VG_E_NOTFOUND)
		close_tail(l);
	else if (rc != VG_OK && rc != VG_E_STOP)
		say_failed(l, rc);
}

static void
on_slice(void *ctx)
{
	struct look *l = ctx;
	int64_t begin = vg_monotonic_ns();

	if (!l->placed || l->trace == NULL || l->finished || begin < l->wait_ns || vg_channel_queued(l->trace) > AHEAD_BYTES)
		return;
	while (l->at < l->ntenant && vg_monotonic_ns() - begin < SLICE_NS && l->wait_ns <= begin && l->out.n < SEND_BYTES)
		step(l);
	l->page->seq = 0;
	if (l->out.rc != VG_OK || l->wire.rc != VG_OK) { /* no memory: again from what trace has */
		vg_loop_stop(l->env->loop);
		return;
	}
	if (l->at == l->ntenant) {
		send(l, ALL_TENANTS, 0);
		l->finished = true;
	} else if (l->out.n >= SEND_BYTES || vg_monotonic_ns() - l->sent_ns > SEND_NS) {
		send(l, l->tenant[l->at].id, l->next);
	}
}

/* ---- trace ---- */

static void
end_job(struct look *l)
{
	struct vg_buf b = { 0 };

	vg_role_say(l->env, VG_LOG_INFO, "indicators: older records were looked through; %llu met one", (unsigned long long)l->hits);
	vg_buf_le64(&b, l->job.number);
	if (b.rc == VG_OK)
		vg_channel_send(l->env->parent, VG_MSG_JOB_DONE, vg_buf_str(&b));
	vg_buf_fini(&b);
	vg_role_done(l->env);
}

static void
go_on_at(struct look *l, uint32_t tenant, uint64_t next)
{
	close_tenant(l);
	l->finished = false;
	for (l->at = 0; l->at < l->ntenant && l->tenant[l->at].id < tenant; l->at++)
		;
	l->next = l->at < l->ntenant && l->tenant[l->at].id == tenant ? next : 0;
	l->placed = true;
	l->sent_ns = vg_monotonic_ns();
	begin_out(l);
	if (l->next)
		vg_role_say(l->env, VG_LOG_INFO, "indicators: the look through older records of %s goes on at record %llu", l->tenant[l->at].name, (unsigned long long)l->next);
}

/* The first one over a channel says where to go on; those behind it, what is on disk. */
static vg_rc
on_look_at(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct look *l = ctx;
	uint64_t job = vg_cur_le64(body);
	uint32_t tenant = vg_cur_le32(body);
	uint64_t next = vg_cur_le64(body);

	(void)from;
	if (fd >= 0 || body->rc != VG_OK)
		return VG_E_FORMAT;
	if (job == l->job.number && tenant == ALL_TENANTS)
		end_job(l);
	else if (!l->placed)
		go_on_at(l, job == l->job.number ? tenant : 0, job == l->job.number ? next : 0);
	return VG_OK;
}

static void
closed(void *ctx, struct vg_channel *c)
{
	struct look *l = ctx;

	if (l->trace == c) {
		l->trace = NULL;
		l->placed = false;
		vg_role_lost(l->env, VG_ROLE_TRACE, 0);
	}
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	static const struct vg_handler handlers[] = { { VG_MSG_LOOK_AT, 20, on_look_at }, { 0, 0, NULL } };
	struct look *l = e->ctx;
	struct vg_channel_ops ops = { handlers, closed, l };

	(void)index;
	if (role != VG_ROLE_TRACE)
		return VG_E_FORMAT;
	if (l->trace) {
		vg_channel_free(l->trace);
		l->trace = NULL;
	}
	l->placed = false;
	return vg_channel_new(e->loop, fd, &ops, &l->trace);
}

/* ---- the role ---- */

static int
hex_digit(char c)
{
	return vg_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
by_id(const void *a, const void *b)
{
	const struct tenant *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* "ID NAME KEY" a line, the key in hexadecimal. */
static vg_rc
take_tenants(struct look *l, vg_str text)
{
	vg_str line, id, name;
	uint64_t n;

	while (vg_str_split(&text, '\n', &line)) {
		struct tenant *t;
		void *p;

		if (line.n == 0)
			continue;
		if (!vg_str_split(&line, ' ', &id) || !vg_str_split(&line, ' ', &name) || line.n != 64 || name.n > 64 || !vg_str_u64(id, &n) || n >= ALL_TENANTS)
			return VG_E_FORMAT;
		if ((p = realloc(l->tenant, (l->ntenant + 1) * sizeof(*l->tenant))) == NULL)
			return VG_E_NOMEM;
		l->tenant = p;
		t = &l->tenant[l->ntenant++];
		*t = (struct tenant){ .id = (uint32_t)n };
		memcpy(t->name, name.p, name.n);
		for (size_t i = 0; i < 32; i++) {
			int a = hex_digit(line.p[2 * i]), b = hex_digit(line.p[2 * i + 1]);

			if (a < 0 || b < 0)
				return VG_E_FORMAT;
			t->key[i] = (uint8_t)(a << 4 | b);
		}
	}
	if (l->ntenant > 1)
		qsort(l->tenant, l->ntenant, sizeof(*l->tenant), by_id);
	return VG_OK;
}

/* The process before this one may have ended over a record: over which two did, is passed over. */
static vg_rc
take_page(struct look *l, int fd)
{
	void *p = fd >= 0 ? mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	volatile struct page *g;

	if (p == MAP_FAILED)
		return VG_E_SYS;
	g = l->page = p;
	if (g->seq == 0)
		return VG_OK;
	g->deaths = g->suspect == g->seq ? g->deaths + 1 : 1;
	g->suspect = g->seq;
	g->seq = 0;
	if (g->deaths >= DEATHS && g->nskip < SKIPS_MAX) {
		g->skip[g->nskip++] = g->suspect;
		vg_role_say(l->env, VG_LOG_ERROR, "look: record %llu ended two processes that decoded it: it is not looked at", (unsigned long long)g->suspect);
	}
	return VG_OK;
}

/* Behind all others, for the processor and the disk. */
static void
give_way(void)
{
	const int who_process = 1, class_best_effort = 2, lowest = 7;

	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_ioprio_set, who_process, 0, class_best_effort << 13 | lowest);
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct look the_look;
	struct look *l = &the_look;
	char why[400] = "";
	vg_rc rc;

	l->env = e;
	e->ctx = l;
	l->vault.dir = l->dir.dir = l->keys_dir.dir = l->intake_dir.dir = -1;
	limits->may = VG_MAY_LOOP | VG_MAY_READ;
	limits->dir = vg_role_fd(e, "folder");
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)384 << 20);
	give_way();
	if ((rc = take_tenants(l, vg_role_text(e, "tenants"))) == VG_OK && (rc = take_page(l, vg_role_fd(e, "progress"))) == VG_OK &&
	    (rc = vg_sealed_map(vg_role_fd(e, "job"), &l->map, &l->bytes)) == VG_OK && (rc = vg_job_take(vg_str_mem(l->map, l->bytes), &l->job)) == VG_OK &&
	    (rc = vg_indicators_load(l->job.set, &l->x)) == VG_OK)
		rc = vg_knowledge_open(vg_role_fd(e, "knowledge"), &l->k, why);
	if (rc != VG_OK)
		vg_role_say(e, VG_LOG_ERROR, "look: what it needs cannot be loaded: %s %s", vg_rc_name(rc), why);
	return rc;
}

static vg_rc
begin(struct vg_role_env *e)
{
	struct look *l = e->ctx;
	vg_rc rc = vg_disk_open(&l->vault, ".");

	l->vault.read_only = true;
	return rc == VG_OK ? vg_loop_every(e->loop, 1, on_slice, l) : rc;
}

static void
tick(struct vg_role_env *e)
{
	struct look *l = e->ctx;
	const struct vg_lookback_stats none = { 0 }, *n = l->back ? vg_lookback_stats(l->back) : &none;
	double part = n->all_bytes ? (double)n->bytes / (double)n->all_bytes : 0, done = l->ntenant ? ((double)l->at + part) / (double)l->ntenant : 1;
	uint64_t blocks = l->before.blocks + n->blocks, by_index = l->before.by_index + n->by_index, records = l->before.records + n->records;
	uint64_t bad = l->before.bad_blocks + n->bad_blocks + n->bad_segments, keyless = l->before.no_key + n->no_key;
	struct vg_buf b = { 0 };

	vg_buf_printf(&b, "done_percent %.0f\nblocks %llu\nblocks_by_index %llu\nrecords %llu\nhits %llu\nlimited %llu\nunreadable_blocks %llu\nkeyless_blocks %llu\nskipped %llu\n",
		      100 * (done > 1 ? 1 : done), (unsigned long long)blocks, (unsigned long long)by_index, (unsigned long long)records, (unsigned long long)l->hits,
		      (unsigned long long)l->limited, (unsigned long long)bad, (unsigned long long)keyless, (unsigned long long)l->skipped);
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

const struct vg_role_impl vg_look_role = { VG_ROLE_LOOK, prepare, begin, peer, NULL, tick, NULL };
