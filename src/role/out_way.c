/* role/out_way.c - the ways that alarms are told by: mail, the command, webhooks.  Each goes on by itself: one that does not work holds up no other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/mail.h"
#include "role/out_impl.h"
#include "rule/program.h"

#define NOBODY "nobody" /* the way when none is set: what would have been told is listed */

/* ---- the settings ---- */

static const char *
text_of(struct out *o, const char *name)
{
	vg_str s = vg_role_text(o->env, name); /* with a NUL behind it */

	return s.n ? s.p : NULL;
}

/* The items of what was given, in place of whose separators NULs are put.  Too many are none, which is told. */
static size_t
items_of(struct out *o, const char *name, char sep, char **item, size_t max)
{
	vg_str s = vg_role_text(o->env, name), one;
	char *copy = malloc(s.n + 1), *p = copy;
	size_t n = 0;

	if (copy == NULL || s.n == 0) {
		free(copy);
		return 0;
	}
	memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	while (n < max && vg_str_split(&s, sep, &one)) {
		p[one.n] = 0;
		if (one.n || sep == 0) /* an argument may be empty */
			item[n++] = p;
		p += one.n + 1;
	}
	if (s.p) {
		vg_role_say(o->env, VG_LOG_ERROR, "out: alarm: %s has more than %zu items, and is not used", name, max);
		return 0;
	}
	return n; /* they live as long as the process */
}

static vg_rc
add_way(struct out *o, enum out_way_kind kind, const char *url)
{
	struct out_way *w = &o->way[o->nway];
	struct vg_hash h;
	char host[49];

	*w = (struct out_way){ .kind = kind, .url = url, .place = -1 };
	if (url && (w->place = out_place_of(o, url)) < 0) {
		vg_role_say(o->env, VG_LOG_ERROR, "out: an address of alarm is none, or there are too many");
		return VG_E_FORMAT;
	}
	if (kind == OUT_WEBHOOK) { /* its path may be a secret: it is shown nowhere */
		vg_hash_of(vg_str_of(url), &h);
		snprintf(host, sizeof(host), "%.48s", o->place[w->place].host);
		snprintf(w->name, sizeof(w->name), "webhook %s %02x%02x%02x%02x", host, h.b[0], h.b[1], h.b[2], h.b[3]);
	} else {
		snprintf(w->name, sizeof(w->name), "%s", kind == OUT_MAIL ? "mail" : "command");
	}
	for (size_t i = 0; i < o->nway; i++)
		if (strcmp(o->way[i].name, w->name) == 0)
			return VG_OK; /* named twice */
	if (o->proxy >= 0 && kind == OUT_WEBHOOK)
		w->place = o->proxy;
	o->nway++;
	return VG_OK;
}

vg_rc
out_ways_read(struct out *o)
{
	char *to[OUT_MAIL_TO_MAX], *hook[OUT_WEBHOOKS_MAX];
	size_t nhook = items_of(o, "webhooks", '\n', hook, OUT_WEBHOOKS_MAX);
	vg_rc rc = VG_OK;

	o->nmail_to = items_of(o, "mail-to", '\n', to, OUT_MAIL_TO_MAX);
	for (size_t i = 0; i < o->nmail_to; i++)
		o->mail_to[i] = to[i];
	o->mail_from = text_of(o, "mail-from");
	o->mail_user = text_of(o, "mail-user");
	o->mail_password = text_of(o, "mail-password");
	if (o->nmail_to)
		rc = add_way(o, OUT_MAIL, text_of(o, "mail-server"));
	if (rc == VG_OK && items_of(o, "command", '\0', o->argv, OUT_ARGS_MAX))
		rc = add_way(o, OUT_COMMAND, NULL);
	for (size_t i = 0; i < nhook && rc == VG_OK; i++)
		rc = add_way(o, OUT_WEBHOOK, hook[i]);
	return rc;
}

/* ---- one message ---- */

static vg_rc
on_group(void *ctx, const struct vg_outbox_group *g)
{
	return vg_alarm_group(ctx, g);
}

static void
put_letter(struct out *o, const struct vg_alarm_message *m, struct vg_buf *b)
{
	struct vg_letter l = { .from = o->mail_from, .to = o->mail_to, .nto = o->nmail_to, .subject = vg_buf_str(&m->subject), .text = vg_buf_str(&m->text),
			       .id = vg_str_of(m->id), .host = o->node, .now_ns = vg_clock_ns() };

	vg_letter_print(&l, b);
}

static void
send_message(struct out *o, struct out_errand *e, const struct vg_alarm_message *m)
{
	const struct out_way *w = &o->way[e->way];

	e->place = w->place;
	e->job.url = w->url;
	if (w->kind == OUT_MAIL) {
		put_letter(o, m, &e->body);
		e->job.from = o->mail_from;
		e->job.to = o->mail_to;
		e->job.nto = o->nmail_to;
		e->job.user = o->mail_user;
		e->job.password = o->mail_password;
	} else {
		vg_buf_put(&e->body, vg_buf_str(&m->json));
		e->job.type = "application/json";
		e->job.answer_bytes = OUT_ANSWER_MAX;
	}
	out_errand_go(e);
}

static void
on_told(struct out *o, struct out_errand *e, vg_rc rc, vg_str answer, const char *why)
{
	struct out_way *w = &o->way[e->way];

	(void)answer;
	w->busy = false;
	if (rc == VG_OK) {
		rc = vg_outbox_told(o->db, w->name, vg_clock_ns());
	} else {
		vg_role_say(o->env, VG_LOG_ERROR, "out: alarms could not be told by %s: %s; they wait, and are tried again", w->name, why);
		o->failures++;
		rc = vg_outbox_failed(o->db, w->name, why, vg_clock_ns());
	}
	if (rc != VG_OK)
		vg_role_say(o->env, VG_LOG_ERROR, "out: out.db cannot be written: %s; what was told may be told again", sqlite3_errmsg(o->db));
}

static void
tell(struct out *o, size_t way)
{
	struct out_way *w = &o->way[way];
	struct out_errand *e = out_errand_new(o);
	struct vg_alarm_message m;
	vg_rc rc;

	if (e == NULL)
		return; /* the next turn */
	vg_alarm_begin(&m, o->lang, o->node, false);
	if ((rc = vg_outbox_take(o->db, w->name, on_group, &m)) == VG_OK)
		rc = vg_alarm_end(&m, vg_clock_ns());
	if (rc == VG_OK) {
		e->way = way;
		e->done = on_told;
		w->busy = true;
		send_message(o, e, &m);
	} else {
		vg_role_say(o->env, VG_LOG_ERROR, "out: out.db cannot be read: %s", rc == VG_E_SYS ? sqlite3_errmsg(o->db) : vg_rc_name(rc));
	}
	vg_alarm_fini(&m);
}

void
out_ways_turn(struct out *o)
{
	int64_t now_ns = vg_clock_ns();
	struct vg_outbox_way w;

	for (size_t i = 0; i < o->nway; i++)
		if (!o->way[i].busy && vg_outbox_way(o->db, o->way[i].name, &w) == VG_OK && vg_outbox_when(&w, o->pause_ns, now_ns) <= now_ns)
			tell(o, i);
	if (o->nway == 0 && vg_outbox_way(o->db, NOBODY, &w) == VG_OK && vg_outbox_when(&w, o->pause_ns, now_ns) <= now_ns) {
		struct vg_alarm_message m;

		vg_alarm_begin(&m, o->lang, o->node, false);
		if (vg_outbox_take(o->db, NOBODY, on_group, &m) == VG_OK)
			(void)!vg_outbox_told(o->db, NOBODY, now_ns);
		vg_alarm_fini(&m);
	}
}

/* ---- a test ---- */

static void
end_test(struct out *o)
{
	vg_role_answer(o->env, vg_str_of(o->test), o->test_good, vg_buf_str(&o->test_text));
	o->test[0] = 0;
}

static void
on_tested(struct out *o, struct out_errand *e, vg_rc rc, vg_str answer, const char *why)
{
	(void)answer;
	vg_buf_printf(&o->test_text, rc == VG_OK ? "%s: told\n" : "%s: NOT told: ", o->way[e->way].name);
	if (rc != VG_OK) {
		vg_buf_safe(&o->test_text, vg_str_of(why));
		vg_buf_putc(&o->test_text, '\n');
		o->test_good = false;
	}
	if (--o->test_left == 0)
		end_test(o);
}

static vg_rc
make_test(struct out *o, struct vg_alarm_message *m)
{
	struct vg_outbox_group g = { .kind = VG_ROLE_ALARM_TEST, .level = VG_LEVEL_HIGH, .count = 1, .first_ns = vg_clock_ns() };
	vg_rc rc;

	g.last_ns = g.first_ns;
	vg_alarm_begin(m, o->lang, o->node, true);
	if ((rc = vg_alarm_group(m, &g)) != VG_OK)
		return rc;
	return vg_alarm_end(m, g.first_ns);
}

void
out_ways_test(struct out *o, const struct vg_request *r)
{
	struct vg_alarm_message m;

	if (o->test[0] || o->nway == 0) {
		vg_role_answer(o->env, r->id, false, o->test[0] ? VG_STR("a test is under way\n") :
			       VG_STR("no way is set: give alarm.mail, alarm.webhooks or alarm.command in the settings\n"));
		return;
	}
	snprintf(o->test, sizeof(o->test), "%.*s", VG_STR_ARG(r->id));
	vg_buf_clear(&o->test_text);
	o->test_good = true;
	o->test_left = 1; /* so that it does not end before all were begun */
	if (make_test(o, &m) == VG_OK)
		for (size_t i = 0; i < o->nway; i++) {
			struct out_errand *e = out_errand_new(o);

			o->test_good = o->test_good && e;
			if (e == NULL) {
				vg_buf_printf(&o->test_text, "%s: NOT told: too much is under way\n", o->way[i].name);
				continue;
			}
			e->way = i;
			e->done = on_tested;
			o->test_left++;
			send_message(o, e, &m);
		}
	vg_alarm_fini(&m);
	if (--o->test_left == 0)
		end_test(o);
}
