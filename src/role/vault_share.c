/* role/vault_share.c - how much of the disk each source fills, and what happens when it is more than its share: its newest records are refused
 * (who can be told is told to wait), so that a flood costs nobody else a record, and nothing that is kept already.  The bytes are those on
 * disk: a block's, shared out by the raw bytes of its records; catalogue.db keeps them by source, day and class, and they go with the
 * keys.  What a crash leaves uncounted is at most a second's worth. */
#include "role/vault_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/time.h"
#include "role/alarm.h"
#include "role/retention.h"
#include "rule/program.h"

#define BACK_PERCENT 95          /* of its share: below it a source is taken again */
#define MINUTE_NS VG_MIN
#define FLOOD_FACTOR 20          /* so many times what is usual for it in a minute... */
#define FLOOD_LEAST 20000        /* and so many more, is a flood */
#define FLOOD_KNOWN_MINUTES 10   /* before that nobody knows what is usual */
#define FLOOD_MEMORY 0.002       /* weight of a minute in what is usual: of some eight hours */
#define SAY_AGAIN_NS (10 * VG_MIN)

/* ---- counting ---- */

static struct vault_source *
source_of(struct vault *v, uint32_t id)
{
	for (uint32_t i = 0; i < v->nsource; i++)
		if (v->source[i].s.id == id)
			return &v->source[i];
	return NULL;
}

static struct vault_usage *
usage_of(struct vault_source *s, uint32_t day, unsigned class)
{
	for (int i = 0; i < VAULT_USAGES; i++)
		if (s->usage[i].bytes && s->usage[i].day == day && s->usage[i].class == class)
			return &s->usage[i];
	for (int i = 0; i < VAULT_USAGES; i++)
		if (s->usage[i].bytes == 0) {
			s->usage[i] = (struct vault_usage){ .day = day, .class = class };
			return &s->usage[i];
		}
	return &s->usage[0]; /* more days at once than there are: not told apart */
}

struct raw { /* of a block, by source */
	uint32_t source;
	uint64_t bytes;
};

void
vault_share_block(struct vault *v, const struct vg_block_head *h, vg_str payload)
{
	struct vg_block_reader r;
	struct vg_record x;
	struct raw sum[VAULT_BLOCK_SOURCES];
	size_t n = 0, at = 0;
	uint64_t all = 0;

	if (vg_block_reader_open(h, payload, &r) != VG_OK)
		return;
	while (vg_block_next(&r, &x) == VG_OK) {
		if (n == 0 || sum[at].source != x.source)
			for (at = 0; at < n && sum[at].source != x.source;)
				at++;
		if (at == VAULT_BLOCK_SOURCES) /* the last one stands for what comes then */
			at--;
		else if (at == n)
			sum[n++] = (struct raw){ x.source, 0 };
		sum[at].bytes += x.raw.n + x.id.n + 1;
		all += x.raw.n + x.id.n + 1;
	}
	for (size_t i = 0; i < n; i++) {
		struct vault_source *s = source_of(v, sum[i].source);
		uint64_t bytes = (uint64_t)((double)h->stored * (double)sum[i].bytes / (double)all) + 1;

		v->stored += bytes;
		if (s == NULL)
			continue;
		s->stored += bytes;
		usage_of(s, (uint32_t)(h->first_ns / VG_DAY), h->class)->bytes += bytes;
		s->changed = true;
	}
}

/* Within the transaction that tells the catalogue what else was counted. */
vg_rc
vault_share_count(struct vault *v, struct vault_source *s)
{
	for (int i = 0; i < VAULT_USAGES; i++) {
		struct vault_usage *u = &s->usage[i];
		vg_rc rc = u->bytes ? vg_catalogue_use(v->db, s->s.id, u->day, u->class, u->bytes) : VG_OK;

		if (rc != VG_OK)
			return rc;
		u->bytes = 0;
	}
	return VG_OK;
}

static void
read_used(struct vault *v, struct vault_source *s)
{
	if (vg_catalogue_used(v->db, s->s.id, &s->stored) != VG_OK)
		vg_role_say(v->env, VG_LOG_WARNING, "vault: catalogue.db cannot be read: %s", sqlite3_errmsg(v->db));
}

void
vault_share_met(struct vault *v, struct vault_source *s)
{
	s->share = v->share;
	read_used(v, s);
}

void
vault_share_freed(struct vault *v, struct vault_tenant *t, uint32_t day, unsigned class)
{
	vault_count(v);
	if (vg_catalogue_freed(v->db, t->id, day, class) != VG_OK || vg_catalogue_used(v->db, 0, &v->stored) != VG_OK)
		vg_role_say(v->env, VG_LOG_WARNING, "vault: catalogue.db cannot be written: %s", sqlite3_errmsg(v->db));
	for (uint32_t i = 0; i < v->nsource; i++)
		if (v->source[i].s.tenant == t->id)
			read_used(v, &v->source[i]);
}

/* ---- over the share ---- */

/* Its name may be an address, where nothing better is proved; then what people call it helps, and its number tells it from others of that name. */
static void
put_name(struct vg_buf *b, const struct vault_source *s)
{
	vg_buf_puts(b, "\"source\":");
	vg_buf_json_str(b, vg_str_of(s->name));
	vg_buf_printf(b, ",\"source_id\":%u", s->s.id);
	if (s->set.n) {
		vg_buf_puts(b, ",\"source_set\":");
		vg_buf_json_str(b, s->set);
	}
}

struct shown {
	char text[120];
};

/* The same for people: "192.0.2.7 (firewalls)". */
static struct shown
show(const struct vault_source *s)
{
	struct shown x;

	if (s->set.n)
		snprintf(x.text, sizeof(x.text), "%.70s (%.*s)", s->name, VG_STR_ARG(vg_str_cut(s->set, 40)));
	else
		snprintf(x.text, sizeof(x.text), "%.100s", s->name);
	return x;
}

/* The senders are told, by their numbers for it. */
static void
tell(struct vault *v, uint32_t at)
{
	for (int i = 0; i < VAULT_SENDERS_MAX; i++) {
		struct vault_sender *x = &v->sender[i];

		for (uint32_t h = 0; x->channel && h < x->nsource; h++)
			if (x->source[h].at == at)
				vault_share_tell(v, x, h);
	}
}

void
vault_share_tell(struct vault *v, struct vault_sender *x, uint32_t handle)
{
	vg_buf_clear(&v->out);
	vg_buf_le32(&v->out, handle);
	vg_buf_u8(&v->out, v->source[x->source[handle].at].over);
	if (v->out.rc == VG_OK)
		vg_channel_send(x->channel, VG_MSG_OVER, vg_buf_str(&v->out));
}

static void
alarm_of(struct vault *v, const struct vault_source *s, unsigned kind, const char *how)
{
	const struct vault_tenant *t = vault_tenant_of(v, s->s.tenant);
	char text[208];

	snprintf(text, sizeof(text), "%s, %.80s", show(s).text, how);
	vault_alarm(v, kind, VG_LEVEL_HIGH, t ? t->name : "", text);
}

/* Names that nothing proves may be thousands, and share a share: one of them is told. */
static void
tell_people(struct vault *v, const struct vault_source *s, uint64_t most)
{
	int64_t now = vg_monotonic_ns();
	char how[80];

	if (s->s.proof == VG_PROOF_NONE) {
		if (v->unproved_told_ns && now - v->unproved_told_ns < SAY_AGAIN_NS)
			return;
		v->unproved_told_ns = now;
	}
	snprintf(how, sizeof(how), "%llu %%: %llu MiB", (unsigned long long)s->share, (unsigned long long)(most >> 20));
	alarm_of(v, s, VG_ROLE_ALARM_SHARE, how);
}

static void
turn(struct vault *v, uint32_t at, uint64_t most)
{
	struct vault_source *s = &v->source[at];
	struct vg_buf b = { 0 };

	s->over = !s->over;
	tell(v, at);
	vg_buf_printf(&b, "{\"vigie\":{\"event\":\"%s\",", s->over ? "source-over-share" : "source-taken-again");
	put_name(&b, s);
	vg_buf_printf(&b, ",\"stored_bytes\":%llu,\"share_bytes\":%llu}}", (unsigned long long)s->stored, (unsigned long long)most);
	if (b.rc == VG_OK)
		vault_own(v, s->s.tenant, vg_buf_str(&b));
	vg_buf_fini(&b);
	if (s->over) {
		vg_role_say(v->env, VG_LOG_ERROR, "vault: the source %s fills its share of the disk (%llu %%: %llu MiB): its newest records are refused and counted; "
						  "what is kept stays", show(s).text, (unsigned long long)s->share, (unsigned long long)(most >> 20));
		tell_people(v, s, most);
	} else {
		vg_role_say(v->env, VG_LOG_INFO, "vault: the source %s is taken again", show(s).text);
	}
}

/* Names that nothing proves are of one sender, for all that we know. */
static uint64_t
unproved(const struct vault *v)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < v->nsource; i++)
		n += v->source[i].s.proof == VG_PROOF_NONE ? v->source[i].stored : 0;
	return n;
}

void
vault_share(struct vault *v)
{
	struct statvfs d;
	uint64_t room, left, together = unproved(v);

	if (fstatvfs(v->root.dir, &d) < 0)
		return;
	left = (uint64_t)d.f_bavail * d.f_frsize;
	room = v->stored + (left > v->keep_free_bytes ? left - v->keep_free_bytes : 0);
	for (uint32_t i = 0; i < v->nsource; i++) {
		struct vault_source *s = &v->source[i];
		uint64_t most = room / 100 * s->share, stored = s->s.proof == VG_PROOF_NONE ? together : s->stored;

		if (s->over ? stored < most / 100 * BACK_PERCENT : stored >= most)
			turn(v, i, most);
	}
}

/* ---- floods ---- */

static void
look_at_minute(struct vault *v, struct vault_source *s, int64_t now)
{
	struct vg_buf b = { 0 };
	char how[80];
	double weight;

	if (s->minutes >= FLOOD_KNOWN_MINUTES && (double)s->minute > FLOOD_FACTOR * s->usual + FLOOD_LEAST && now - s->flood_ns > SAY_AGAIN_NS) {
		s->flood_ns = now;
		vg_buf_puts(&b, "{\"vigie\":{\"event\":\"flood\",");
		put_name(&b, s);
		vg_buf_printf(&b, ",\"records_a_minute\":%llu,\"usual\":%.0f}}", (unsigned long long)s->minute, s->usual);
		if (b.rc == VG_OK)
			vault_own(v, s->s.tenant, vg_buf_str(&b));
		vg_buf_fini(&b);
		vg_role_say(v->env, VG_LOG_WARNING, "vault: the source %s floods: %llu records in a minute, usually %.0f", show(s).text, (unsigned long long)s->minute, s->usual);
		snprintf(how, sizeof(how), "%llu records in a minute, usually %.0f", (unsigned long long)s->minute, s->usual);
		alarm_of(v, s, VG_ROLE_ALARM_SOURCE_FLOOD, how);
	}
	s->minutes++;
	weight = 1.0 / (double)s->minutes;
	s->usual += ((double)s->minute - s->usual) * (weight > FLOOD_MEMORY ? weight : FLOOD_MEMORY);
	s->minute = 0;
}

void
vault_floods(struct vault *v)
{
	int64_t now = vg_monotonic_ns();

	if (now - v->minute_ns < MINUTE_NS)
		return;
	v->minute_ns = now;
	for (uint32_t i = 0; i < v->nsource; i++)
		look_at_minute(v, &v->source[i], now);
}

vg_rc
vault_share_begin(struct vault *v)
{
	v->share = vg_role_number(v->env, "share", 25);
	v->minute_ns = vg_monotonic_ns();
	return vg_catalogue_used(v->db, 0, &v->stored);
}
