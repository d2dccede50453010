/* role/detect.c - decodes records and runs the base rules over them; what it remembers is a cache.  One of several. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "detect/detect.h"
#include "event/wire.h"
#include "knowledge/knowledge.h"
#include "role/drill.h"
#include "role/found.h"
#include "role/met.h"
#include "role/messages.h"
#include "role/roles.h"
#include "role/seen.h"
#include "source/decode.h"
#include "vault/merkle.h"
#include "vault/record.h"

#define FOUND_AHEAD ((size_t)8 << 20)
#define FLUSH_MS 10000
#define SOURCES_MAX 256 /* of which one batch tells what could not be read */

struct told { /* of one source, in one batch */
	uint32_t source, unparsed, unknown, events;
	int64_t skew_ns;
};
struct detect {
	struct vg_role_env *env;
	struct vg_knowledge k;
	struct vg_decoder decoder;
	struct vg_detector *detector;
	struct vg_channel *vault, *trace;
	struct vg_seen *seen;
	uint64_t generation; /* that trace told over the channel that there is; 0: none */
	struct vg_buf held;  /* a message that came before trace told its generation */
	volatile uint64_t *progress; /* the vault sees over which record this process died */
	struct vg_buf found, wire, done;
	struct vg_found f;
	struct vg_met_set set; /* of indicators */
	struct vg_met_list met;
	struct told told[SOURCES_MAX];
	size_t ntold;
	uint32_t tenant;
	struct vg_record record;
	vg_rc rc;           /* of the batch */
	uint64_t events, hits, records, limited, indicator_hits;
};

/* ---- the rules ---- */

static vg_rc
load(struct detect *d, int fd)
{
	struct vg_detector_options o = { .cache_bytes = (size_t)vg_role_number(d->env, "cache-bytes", (uint64_t)32 << 20) };
	struct vg_knowledge k;
	char why[400];
	vg_rc rc = vg_knowledge_open(fd, &k, why);

	if (rc != VG_OK) {
		vg_role_say(d->env, VG_LOG_ERROR, "detect: rules cannot be loaded: %s", why);
		return rc;
	}
	d->k = k;
	vg_decoder_init(&d->decoder, d->k.packs, d->k.keys, 0);
	d->detector = vg_detector_new(&d->k.program, d->k.index, &o);
	d->seen = vg_seen_new(d->k.keys, d->k.program.nkey);
	return d->detector && d->seen ? VG_OK : VG_E_NOMEM;
}

/* Between two batches: what is given next meets the new set, as a whole. */
static void
take_indicators(struct detect *d)
{
	int fd = vg_role_fd(d->env, "indicators");
	vg_rc rc = fd >= 0 ? vg_met_open(&d->set, fd) : VG_OK;
	struct vg_buf b = { 0 };

	if (rc != VG_OK)
		vg_role_say(d->env, VG_LOG_ERROR, "detect: the indicators cannot be loaded: %s; those before work on", vg_rc_name(rc));
	vg_buf_le64(&b, vg_role_number(d->env, "indicators", 0));
	if (b.rc == VG_OK)
		vg_channel_send(d->env->parent, VG_MSG_TAKEN, vg_buf_str(&b));
	vg_buf_fini(&b);
}

static void
news(struct vg_role_env *e, const char *name)
{
	if (strcmp(name, "indicators") == 0)
		take_indicators(e->ctx);
}

/* ---- one event ---- */

/* The same record, however often and by whatever way it came: its own id, or computer, channel and record number. */
static void
identify(struct detect *d, const struct vg_event *e)
{
	const struct vg_field *n = vg_event_find_name(e, VG_STR("EventRecordID"));
	struct vg_buf b = { 0 };
	struct vg_hash h;

	memset(d->f.identity, 0, sizeof(d->f.identity));
	if (n && n->value.n && e->host.n && e->channel.n) {
		vg_buf_le_str(&b, VG_STR("windows"));
		vg_buf_le_str(&b, e->host);
		vg_buf_le_str(&b, e->channel);
		vg_buf_le_str(&b, n->value);
	} else if (d->record.id.n) {
		vg_buf_le_str(&b, VG_STR("id"));
		vg_buf_le32(&b, d->record.source);
		vg_buf_le_str(&b, d->record.id);
		vg_buf_le16(&b, d->f.place);
	} else {
		return;
	}
	if (b.rc == VG_OK) {
		vg_hash_of(vg_buf_str(&b), &h);
		memcpy(d->f.identity, h.b, sizeof(d->f.identity));
	}
	vg_buf_fini(&b);
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, uint32_t rule)
{
	struct detect *d = ctx;
	const struct vg_rule *r = &d->k.program.rule[rule];

	(void)e;
	if (!(r->flags & (VG_RULE_REPORT | VG_RULE_FED)))
		return VG_OK;
	if (d->f.nrule < VG_FOUND_RULES_MAX)
		d->f.rule[d->f.nrule++] = rule;
	else
		d->limited++;
	return VG_OK;
}

static struct told *
told_of(struct detect *d, uint32_t source)
{
	for (size_t i = d->ntold; i-- > 0;)
		if (d->told[i].source == source)
			return &d->told[i];
	if (d->ntold == SOURCES_MAX)
		return NULL;
	d->told[d->ntold] = (struct told){ .source = source };
	return &d->told[d->ntold++];
}

/* What the event of an indicator alone shows: where it was.  Its fields stand in the vault. */
static const uint32_t no_field[1];

static void
put_found(struct detect *d, const struct vg_event *e)
{
	d->hits += d->f.nrule;
	d->indicator_hits += d->f.nmet;
	d->f.tenant = d->tenant;
	d->f.source = d->record.source;
	d->f.seq = d->record.seq;
	d->f.recv_ns = d->record.recv_ns;
	d->f.time_ns = vg_is_drill(d->tenant) ? d->record.recv_ns : vg_event_when(e, d->record.recv_ns); /* a world has its own clock */
	d->f.flags = (e->time_ns != VG_TIME_NONE && d->f.time_ns != e->time_ns && !vg_is_drill(d->tenant) ? VG_FOUND_CLAIM : 0) |
		     (d->record.flags & VG_RECORD_RESENT ? VG_FOUND_RESENT : 0);
	identify(d, e);
	vg_buf_clear(&d->wire);
	vg_wire_encode(&d->wire, e, d->f.nrule ? NULL : no_field, 0);
	d->f.wire = vg_buf_str(&d->wire);
	if (d->wire.rc == VG_OK)
		vg_found_put(&d->found, &d->f);
}

static void
meet_indicators(struct detect *d, const struct vg_event *e)
{
	d->f.nmet = 0;
	if (d->set.bytes == 0)
		return;
	if (vg_met_event(&d->met, &d->set.x, e, d->record.recv_ns) != VG_OK)
		d->limited++;
	d->f.nmet = d->met.n;
	d->f.met_bytes = vg_buf_str(&d->met.b);
}

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct detect *d = ctx;
	struct told *t = told_of(d, d->record.source);
	vg_rc rc;

	d->events++;
	if (t) {
		t->events++;
		t->unknown += e->nls == 0;
		if (e->time_ns != VG_TIME_NONE)
			t->skew_ns = e->time_ns - d->record.recv_ns;
	}
	if (e->nls && !vg_is_drill(d->tenant))
		vg_seen_event(d->seen, d->tenant, d->record.source, d->record.recv_ns, e);
	d->f.nrule = 0;
	if (e->nls && (rc = vg_detect(d->detector, e, on_hit, d)) != VG_OK)
		return rc;
	meet_indicators(d, e);
	if (d->f.nrule || d->f.nmet)
		put_found(d, e);
	if (d->f.place < UINT16_MAX)
		d->f.place++;
	return d->wire.rc != VG_OK ? d->wire.rc : d->found.rc;
}

/* ---- a batch ---- */

static vg_rc
one_record(struct detect *d)
{
	struct told *t;
	vg_rc rc;

	if (d->progress)
		*d->progress = d->record.seq;
	d->records++;
	d->f.place = 0;
#ifdef VIGIE_TEST_HOOKS
	if (vg_str_find(d->record.raw, VG_STR("vigie-test-crash-the-decoder")) != VG_NPOS)
		abort();
#endif
	rc = vg_decoder_record(&d->decoder, d->record.raw, d->record.recv_ns, on_event, d);
	if ((d->decoder.kind == VG_DECODED_PLAIN || d->decoder.notes) && (t = told_of(d, d->record.source)) != NULL)
		t->unparsed++;
	return rc;
}

static void
begin_found(struct detect *d, uint64_t first)
{
	vg_buf_clear(&d->found);
	vg_buf_le64(&d->found, d->generation);
	vg_buf_le64(&d->found, first);
	vg_buf_le64(&d->found, 0); /* known at its end */
	vg_buf_le64(&d->found, 0);
}

/* All before @next is told. */
static void
send_found(struct detect *d, uint64_t next, int64_t newest_ns)
{
	memcpy(d->found.p + 16, &next, sizeof(next)); /* little-endian machines alone, as base/cur.h says */
	memcpy(d->found.p + 24, &newest_ns, sizeof(newest_ns));
	vg_channel_send(d->trace, VG_MSG_FOUND, vg_buf_str(&d->found));
	if (vg_channel_queued(d->trace) > FOUND_AHEAD) /* it is slower than we are: nothing else is to be done */
		vg_channel_flush(d->trace, FLUSH_MS);
}

static void
tell_done(struct detect *d, uint64_t first)
{
	vg_buf_clear(&d->done);
	vg_buf_le64(&d->done, first);
	for (size_t i = 0; i < d->ntold; i++) {
		vg_buf_le32(&d->done, d->told[i].source);
		vg_buf_le32(&d->done, d->told[i].unparsed);
		vg_buf_le32(&d->done, d->told[i].unknown);
		vg_buf_le64(&d->done, (uint64_t)d->told[i].skew_ns);
	}
	vg_channel_send(d->vault, VG_MSG_DONE, vg_buf_str(&d->done));
}

/* What one record gave is told whole, or, over what a message holds, not at all. */
static vg_rc
found_record(struct detect *d, int64_t newest_ns)
{
	size_t before = d->found.n;
	uint64_t seq = d->record.seq;

	if (one_record(d) != VG_OK)
		d->limited++; /* that record's: no room, or it cannot be read to its end; the next one has room again */
	if (d->found.rc != VG_OK)
		return d->found.rc;
	if (d->found.n - before > VG_FOUND_BYTES_MAX / 2) {
		d->found.n = before;
		d->limited++;
	}
	if (d->found.n > VG_FOUND_BYTES_MAX / 2) {
		send_found(d, seq + 1, newest_ns);
		begin_found(d, seq + 1);
	}
	return VG_OK;
}

static vg_rc
work(struct detect *d, struct vg_cur *body)
{
	uint64_t first = vg_cur_le64(body), next = vg_cur_le64(body);
	int64_t newest_ns = VG_TIME_NONE;
	vg_rc rc;

	d->ntold = 0;
	begin_found(d, first);
	while (vg_cur_left(body)) {
		d->tenant = vg_cur_le32(body);
		if ((rc = vg_record_take(body, &d->record)) != VG_OK)
			return rc;
		newest_ns = d->record.recv_ns > newest_ns ? d->record.recv_ns : newest_ns;
		if ((rc = found_record(d, newest_ns)) != VG_OK)
			return rc;
	}
	if (d->progress)
		*d->progress = 0;
	send_found(d, next, newest_ns); /* first: what is lost with it is asked for again */
	tell_done(d, first);
	vg_seen_tell(d->seen, d->trace, vg_monotonic_ns());
	return VG_OK;
}

/* Of the generation that trace knows of: work.  Of an older one: nothing.  Else it is newer, and waits until trace has heard of it. */
static vg_rc
on_events(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct detect *d = ctx;
	struct vg_cur whole = *body;
	uint64_t generation = vg_cur_le64(body);

	if (fd >= 0 || vg_cur_left(body) < 16 || body->rc != VG_OK)
		return VG_E_FORMAT;
	if (d->trace && generation == d->generation)
		return work(d, body);
	if (d->trace && generation >> 32 == d->generation >> 32 && generation < d->generation) {
		d->ntold = 0;
		tell_done(d, vg_cur_le64(body));
		return VG_OK;
	}
	vg_buf_clear(&d->held);
	vg_buf_put(&d->held, vg_cur_bytes(&whole, vg_cur_left(&whole)));
	vg_channel_pause(from, true);
	return d->held.rc;
}

static vg_rc
on_begin(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd)
{
	struct detect *d = ctx;
	uint64_t generation = vg_cur_le64(body);
	struct vg_channel *vault = d->vault;
	struct vg_buf held = d->held;
	struct vg_cur c;
	vg_rc rc;

	(void)from;
	if (fd >= 0 || body->rc != VG_OK || generation == 0)
		return VG_E_FORMAT;
	d->generation = generation;
	if (vault == NULL || held.n == 0)
		return VG_OK;
	d->held = (struct vg_buf){ 0 };
	c = vg_cur_of(held.p, held.n);
	vg_channel_pause(vault, false);
	rc = on_events(d, vault, &c, -1); /* it may wait again */
	vg_buf_fini(&held);
	if (rc != VG_OK) { /* the vault's mistake, not that of trace */
		vg_channel_free(vault);
		d->vault = NULL;
		vg_role_lost(d->env, VG_ROLE_VAULT, 0);
	}
	return VG_OK;
}

/* ---- the role ---- */

static void
closed(void *ctx, struct vg_channel *c)
{
	struct detect *d = ctx;

	if (d->vault == c) {
		d->vault = NULL;
		vg_buf_clear(&d->held);
		vg_role_lost(d->env, VG_ROLE_VAULT, 0);
	}
	if (d->trace == c) {
		d->trace = NULL;
		d->generation = 0;
		vg_role_lost(d->env, VG_ROLE_TRACE, 0);
	}
}

static vg_rc
prepare(struct vg_role_env *e, struct vg_sandbox_limits *limits)
{
	static struct detect the_detect;
	struct detect *d = &the_detect;
	int fd = vg_role_fd(e, "progress");
	void *p;

	d->env = e;
	e->ctx = d;
	limits->data_bytes = (size_t)vg_role_number(e, "memory", (uint64_t)384 << 20);
	if (fd >= 0 && (p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED)
		d->progress = p;
	take_indicators(d);
	return load(d, vg_role_fd(e, "knowledge"));
}

static vg_rc
peer(struct vg_role_env *e, unsigned role, unsigned index, int fd)
{
	static const struct vg_handler from_vault[] = { { VG_MSG_EVENTS, VG_RECORDS_MAX, on_events }, { 0, 0, NULL } };
	static const struct vg_handler from_trace[] = { { VG_MSG_BEGIN, 16, on_begin }, { 0, 0, NULL } };
	struct detect *d = e->ctx;
	struct vg_channel_ops ops = { role == VG_ROLE_VAULT ? from_vault : from_trace, closed, d };
	struct vg_channel **place = role == VG_ROLE_VAULT ? &d->vault : &d->trace;

	(void)index;
	if (role != VG_ROLE_VAULT && role != VG_ROLE_TRACE)
		return VG_E_FORMAT;
	if (*place) {
		vg_channel_free(*place);
		*place = NULL;
	}
	if (role == VG_ROLE_VAULT) {
		vg_buf_clear(&d->held);
	} else {
		d->generation = 0;
		vg_seen_again(d->seen); /* what the one before heard, it may not have written */
	}
	return vg_channel_new(e->loop, fd, &ops, place);
}

static void
tick(struct vg_role_env *e)
{
	struct detect *d = e->ctx;
	struct vg_buf b = { 0 };

	if (d->trace && d->generation)
		vg_seen_tell(d->seen, d->trace, vg_monotonic_ns());
	vg_buf_printf(&b, "records %llu\nevents %llu\nhits %llu\nindicator_hits %llu\nlimited %llu\nkinds_not_told %llu\n", (unsigned long long)d->records,
		      (unsigned long long)d->events, (unsigned long long)d->hits, (unsigned long long)d->indicator_hits, (unsigned long long)d->limited,
		      (unsigned long long)vg_seen_over(d->seen));
	if (b.rc == VG_OK)
		vg_role_stats(e, &b);
	vg_buf_fini(&b);
}

const struct vg_role_impl vg_detect_role = { VG_ROLE_DETECT, prepare, NULL, peer, news, tick, NULL };
