/* role/vault.c - keeps: appends, syncs, acknowledges; cuts segments; asks for checkpoints; feeds those that read. */
#include "role/vault_impl.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "role/alarm.h"
#include "role/roles.h"
#include "rule/program.h"

#define LARGE (256 << 10) /* bytes: a block of its own, which is given back; else what a segment's end takes once would be held for ever */
#define STOP_TURNS 100 /* of the sync timer, for those behind to come to the end */

static struct vault the_vault;

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	struct vault *v = &the_vault;

	v->env = e;
	e->ctx = v;
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
	limits->may = VG_MAY_LOOP | VG_MAY_READ | VG_MAY_WRITE;
	limits->dir = vg_role_fd(e, "folder");
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)512 << 20);
	for (unsigned i = 0; i < VAULT_DETECT_MAX; i++) {
		char name[32];
		int fd;
		void *p;

		snprintf(name, sizeof(name), "progress:%u", i);
		if ((fd = vg_role_fd(e, name)) >= 0 && (p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED)
			v->detect[i].progress = p;
	}
	return limits->dir >= 0 ? VG_OK : VG_E_NOTFOUND;
}

/* Up to sync_ms behind the first record, whatever comes. */
static void
on_sync(void *ctx)
{
	struct vault *v = ctx;

	vault_sync(v);
	vault_keep(v);
	vault_feed(v);
	if (v->stopping && (vault_is_idle(v) || v->stop_turns++ > STOP_TURNS)) {
		bool waits = false;

		for (size_t i = 0; i < v->ntenant; i++)
			waits |= v->tenant[i].asked;
		if (!waits || v->stop_turns > 2 * STOP_TURNS) {
			for (size_t i = 0; i < v->ntenant; i++)
				vault_index_end(&v->tenant[i]);
			vault_count(v);
			vg_db_close(v->db);
			vg_role_done(v->env);
		}
	}
}

static vg_rc
read_aside(struct vault *v)
{
	sqlite3_stmt *st;
	vg_rc rc = vg_db_prepare(v->db, &st, "SELECT seq FROM aside ORDER BY seq", "");

	while (rc == VG_OK && v->naside < VAULT_ASIDE_MAX && (rc = vg_db_rc(sqlite3_step(st))) == VG_OK)
		v->aside[v->naside++] = (uint64_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return rc == VG_E_STOP ? VG_OK : rc;
}

static vg_rc
begin(struct vg_role_env *e)
{
	struct vault *v = e->ctx;
	uint32_t life;
	char why[200];
	vg_rc rc;

	if (getrandom(&life, sizeof(life), 0) != sizeof(life))
		return VG_E_SYS;
	v->generation = (uint64_t)life << 32;

	if ((rc = vg_source_sets_read(&v->sets, vg_role_text(e, "source-sets"))) != VG_OK)
		return rc;
	v->checkpoint_every_ns = (int64_t)vg_role_number(e, "checkpoint-every-ms", 10000) * 1000000;
	v->checkpoint_records = vg_role_number(e, "checkpoint-records", 65536);
	v->sync_bytes = (size_t)vg_role_number(e, "sync-bytes", 256 << 10);
	v->keep_free_bytes = vg_role_number(e, "keep-free", (uint64_t)256 << 20);
	if ((rc = vg_disk_open(&v->root, ".")) != VG_OK)
		return rc;
	if ((rc = vg_catalogue_open("catalogue.db", false, why, &v->db)) != VG_OK || (rc = read_aside(v)) != VG_OK) {
		vg_role_say(e, VG_LOG_ERROR, "vault: %s", why);
		return rc;
	}
	if ((rc = vault_share_begin(v)) != VG_OK || (rc = vault_keep_open(v)) != VG_OK || (rc = vault_out_begin(v)) != VG_OK)
		return rc;
	return vg_loop_every(e->loop, (unsigned)vg_role_number(e, "sync-every-ms", 10), on_sync, v);
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	struct vault *v = e->ctx;

	switch (role) {
	case VG_ROLE_COLLECT:
	case VG_ROLE_LOCAL:
		return vault_sender_new(v, role, fd);
	case VG_ROLE_DETECT:
		return vault_detect_new(v, index, fd);
	case VG_ROLE_TRACE:
		return vault_trace_new(v, fd);
	case VG_ROLE_SEAL:
		return vault_seal_new(v, fd);
	case VG_ROLE_OUT:
	case VG_ROLE_RESPOND:
		return vault_out_new(v, role, fd);
	default:
		return VG_E_FORMAT;
	}
}

/* What stands in segments and was examined need not stand in the journal too, and its last file is only dropped when another one is begun. */
static void
make_room(struct vault *v)
{
	if (v->cut.seq != vg_intake_next(v->intake) || !v->trace_known || v->trace_sure < v->cut.seq || vg_intake_roll(v->intake) != VG_OK)
		return;
	vault_drop(v);
}

/* No room for the state of others: nothing more is taken until there is. */
static void
look_at_disk(struct vault *v)
{
	struct statvfs s;
	char text[32];
	bool full;

	if (fstatvfs(v->root.dir, &s) < 0)
		return;
	full = (uint64_t)s.f_bavail * s.f_frsize < v->keep_free_bytes;
	if (full)
		make_room(v);
	if (full == v->full)
		return;
	v->full = full;
	vg_role_say(v->env, full ? VG_LOG_ERROR : VG_LOG_INFO, full ? "vault: less than %llu MiB are free: senders are told to wait" :
		    "vault: there is room again (over %llu MiB)", (unsigned long long)(v->keep_free_bytes >> 20));
	snprintf(text, sizeof(text), "%llu MiB", (unsigned long long)(v->keep_free_bytes >> 20));
	vault_alarm(v, full ? VG_ROLE_ALARM_DISK : VG_ROLE_ALARM_DISK_OVER, full ? VG_LEVEL_CRITICAL : VG_LEVEL_HIGH, "", full ? text : "");
	vault_hold(v);
}

void
vault_look(struct vault *v)
{
	v->looked_bytes = v->bytes;
	look_at_disk(v);
	vault_share(v);
}

static void
stats(struct vault *v)
{
	struct vg_buf b = { 0 };
	uint64_t stored = 0;
	struct statvfs s;

	for (size_t i = 0; i < v->ntenant; i++)
		for (size_t k = 0; k < vg_store_segments(v->tenant[i].store); k++)
			stored += vg_store_segment(v->tenant[i].store, k)->bytes;
	vg_buf_printf(&b, "records %llu\nbytes %llu\nsyncs %llu\nnext %llu\nfed %llu\nexamined %llu\nunexamined %llu\nset_aside %zu\njournal_bytes %llu\n"
			  "segment_bytes %llu\ndisk_full %d\n", (unsigned long long)v->records, (unsigned long long)v->bytes, (unsigned long long)v->syncs,
		      (unsigned long long)vg_intake_next(v->intake), (unsigned long long)v->feed.seq, (unsigned long long)v->trace_next,
		      (unsigned long long)v->unexamined, v->naside, (unsigned long long)vg_intake_bytes(v->intake), (unsigned long long)stored, v->full);
	if (fstatvfs(v->root.dir, &s) == 0)
		vg_buf_printf(&b, "disk_free_bytes %llu\ndisk_keep_free_bytes %llu\n", (unsigned long long)s.f_bavail * s.f_frsize,
			      (unsigned long long)v->keep_free_bytes);
	for (size_t i = 0; i < v->ntenant; i++)
		vg_buf_printf(&b, "checkpoint_seconds{tenant=\"%s\"} %lld\n", v->tenant[i].name,
			      (long long)(vg_store_last(v->tenant[i].store)->time_ns / 1000000000));
	for (uint32_t i = 0; i < v->nsource; i++)
		if (v->source[i].over)
			vg_role_stat_labelled(&b, "source_over_share", "name", v->source[i].name);
	if (b.rc == VG_OK)
		vg_role_stats(v->env, &b);
	vg_buf_fini(&b);
}

static void
tick(struct vg_role_env *e)
{
	struct vault *v = e->ctx;

	vault_look(v);
	if (vg_monotonic_ns() - v->checked_ns >= v->checkpoint_every_ns || v->cut.seq - v->checked_seq >= v->checkpoint_records)
		vault_checkpoint(v);
	vault_retain(v);
	vault_floods(v);
	vault_count(v);
	vault_out_turn(v);
	stats(v);
}

static void
stop(struct vg_role_env *e)
{
	struct vault *v = e->ctx;

	vault_sync(v);
	while (v->cut.seq < vg_intake_next(v->intake)) {
		uint64_t before = v->cut.seq;

		vault_keep(v);
		if (v->cut.seq == before)
			break; /* told */
	}
	vault_checkpoint(v);
	v->stopping = true;
}

const struct vg_role_impl vg_vault_role = { VG_ROLE_VAULT, prepare, begin, peer, vault_news, tick, stop };
