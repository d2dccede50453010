#include "witness/tell.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "net/mail.h"
#include "net/outward.h"
#include "proc/exec.h"

#define SECONDS 30
#define ANSWER_MAX ((size_t)64 << 10) /* of a webhook; nobody reads it */
#define SENDMAIL "/usr/sbin/sendmail"

const char *
vg_tell_way_name(enum vg_tell_way c)
{
	static const char *const name[VG_TELL_WAYS] = { "command", "webhook", "mail" };

	return name[c];
}

/* ---- what is said ---- */

static void
put_text(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, struct vg_buf *b)
{
	vg_buf_printf(b, "%s: %s %s: ", o->name, vg_alarm_kind_name(a->kind), vg_alarm_state_name(a->state));
	vg_buf_safe(b, vg_str_of(a->subject));
	vg_buf_puts(b, "\n\n");
	vg_buf_safe(b, vg_str_of(a->text));
	vg_buf_printf(b, "\n\nTold by the witness %s at %s.\n", o->name, when);
}

static void
put_member(struct vg_buf *b, const char *name, const char *text, bool last)
{
	vg_buf_printf(b, "\"%s\":", name);
	vg_buf_json_str(b, vg_str_of(text));
	vg_buf_putc(b, last ? '}' : ',');
}

static void
put_json(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, struct vg_buf *b)
{
	vg_buf_putc(b, '{');
	put_member(b, "witness", o->name, false);
	put_member(b, "time", when, false);
	put_member(b, "kind", vg_alarm_kind_name(a->kind), false);
	put_member(b, "state", vg_alarm_state_name(a->state), false);
	put_member(b, "subject", a->subject, false);
	put_member(b, "text", a->text, true);
	vg_buf_putc(b, '\n');
}

static void
put_mail(const struct vg_tell_options *o, const struct vg_alarm *a, int64_t now_ns, const char *when, struct vg_buf *b)
{
	const char *to = o->to[VG_TELL_MAIL];
	struct vg_letter l = { .from = o->mail_from ? o->mail_from : to, .to = &to, .nto = 1, .now_ns = now_ns };
	struct vg_buf text = { 0 };
	char subject[64];

	snprintf(subject, sizeof(subject), "[vigie] %s %s", vg_alarm_kind_name(a->kind), vg_alarm_state_name(a->state));
	put_text(o, a, when, &text);
	l.subject = vg_str_of(subject);
	l.text = vg_buf_str(&text);
	vg_letter_print(&l, b);
	if (text.rc != VG_OK)
		b->rc = text.rc;
	vg_buf_fini(&text);
}

/* ---- a program ---- */

/* Run @argv with @input on its standard input; the alarm stands in its environment too. */
static vg_rc
run(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, char *const argv[], vg_str input, char *why)
{
	const struct vg_exec_env env[] = {
		{ "VIGIE_ALARM_KIND", vg_alarm_kind_name(a->kind) }, { "VIGIE_ALARM_STATE", vg_alarm_state_name(a->state) }, { "VIGIE_ALARM_SUBJECT", a->subject },
		{ "VIGIE_ALARM_TEXT", a->text }, { "VIGIE_ALARM_TIME", when }, { "VIGIE_ALARM_WITNESS", o->name },
	};
	struct vg_exec_job j = { .argv = argv, .env = env, .nenv = VG_COUNT(env), .input = input, .seconds = SECONDS };

	return vg_exec_run(&j, why);
}

static vg_rc
run_shell(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, vg_str input, char *why)
{
	char sh[] = "/bin/sh", c[] = "-c";
	char *argv[] = { sh, c, (char *)(uintptr_t)o->to[VG_TELL_COMMAND], NULL };

	return run(o, a, when, argv, input, why);
}

static vg_rc
run_sendmail(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, vg_str input, char *why)
{
	char sendmail[] = SENDMAIL, i[] = "-i", dashes[] = "--";
	char *argv[] = { sendmail, i, dashes, (char *)(uintptr_t)o->to[VG_TELL_MAIL], NULL };

	return run(o, a, when, argv, input, why);
}

/* ---- over the network ---- */

struct sent {
	struct vg_loop *loop;
	vg_rc rc;
	char *why;
};

static void
on_done(void *ctx, vg_rc rc, vg_str answer, const char *why)
{
	struct sent *s = ctx;

	(void)answer;
	s->rc = rc;
	if (rc != VG_OK)
		snprintf(s->why, VG_TELL_WHY, "%s", why);
	vg_loop_stop(s->loop);
}

/* Wait for it, in a loop of its own. */
static vg_rc
send_and_wait(const struct vg_outward_job *job, char *why)
{
	struct vg_outward_job j = *job;
	struct vg_outward_options o = { .agent = "vigie-witness" };
	struct sent s = { .rc = VG_E_SYS, .why = why };
	struct vg_outward *out = NULL;
	vg_rc rc;

	j.seconds = SECONDS;
	j.done = on_done;
	j.ctx = &s;
	snprintf(why, VG_TELL_WHY, "out of memory");
	if ((rc = vg_loop_new(&s.loop)) != VG_OK)
		return rc;
	if ((rc = vg_outward_new(s.loop, &o, &out)) == VG_OK && (rc = vg_outward_start(out, &j)) == VG_OK && (rc = vg_loop_run(s.loop)) == VG_OK)
		rc = s.rc;
	vg_outward_free(out);
	vg_loop_free(s.loop);
	return rc;
}

static vg_rc
post(const char *url, vg_str body, char *why)
{
	struct vg_outward_job j = { .url = url, .body = body, .type = "application/json", .answer_bytes = ANSWER_MAX };

	return send_and_wait(&j, why);
}

static vg_rc
mail(const struct vg_tell_options *o, vg_str body, char *why)
{
	const char *to = o->to[VG_TELL_MAIL];
	struct vg_outward_job j = { .url = o->smtp, .body = body, .from = o->mail_from ? o->mail_from : to, .to = &to, .nto = 1 };

	return send_and_wait(&j, why);
}

/* ---- the channels ---- */

vg_rc
vg_tell(const struct vg_tell_options *o, enum vg_tell_way c, const struct vg_alarm *a, int64_t now_ns, char why[VG_TELL_WHY])
{
	char when[VG_TIME_MAX];
	struct vg_buf b = { 0 };
	vg_rc rc;

	vg_time_print(now_ns, 0, when);
	if (c == VG_TELL_MAIL)
		put_mail(o, a, now_ns, when, &b);
	else
		(c == VG_TELL_COMMAND ? put_text : put_json)(o, a, when, &b);
	if ((rc = b.rc) != VG_OK)
		snprintf(why, VG_TELL_WHY, "out of memory");
	else if (c == VG_TELL_COMMAND)
		rc = run_shell(o, a, when, vg_buf_str(&b), why);
	else if (c == VG_TELL_WEBHOOK)
		rc = post(o->to[c], vg_buf_str(&b), why);
	else
		rc = vg_tell_runs(o, c) ? run_sendmail(o, a, when, vg_buf_str(&b), why) : mail(o, vg_buf_str(&b), why);
	vg_buf_fini(&b);
	return rc;
}

bool
vg_tell_runs(const struct vg_tell_options *o, enum vg_tell_way c)
{
	return c == VG_TELL_COMMAND || (c == VG_TELL_MAIL && o->smtp == NULL);
}

bool
vg_is_smtp_url(const char *s)
{
	return strncmp(s, "smtp://", 7) == 0 || strncmp(s, "smtps://", 8) == 0;
}

bool
vg_tell_can_mail(const struct vg_tell_options *o)
{
	return o->smtp || access(SENDMAIL, X_OK) == 0;
}
