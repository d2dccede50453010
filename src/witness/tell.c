#include "witness/tell.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/time.h"
#include "witness/pull.h"

#define SECONDS 30
#define SENDMAIL "/usr/sbin/sendmail"

const char *
vg_channel_name(enum vg_channel c)
{
	static const char *const name[VG_CHANNELS] = { "command", "webhook", "mail" };

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
put_mail(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, struct vg_buf *b)
{
	const char *to = o->to[VG_CHANNEL_MAIL];
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &tm)); /* RFC 5322, 3.3 */
	vg_buf_printf(b, "From: %s\nTo: %s\nDate: %s\nSubject: [vigie] %s %s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
			 "Content-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\n",
		      o->mail_from ? o->mail_from : to, to, date, vg_alarm_kind_name(a->kind), vg_alarm_state_name(a->state));
	put_text(o, a, when, b);
}

/* ---- a program ---- */

/* Wait for @pid, at most SECONDS; then its whole group is ended. */
static vg_rc
await(pid_t pid, char *why)
{
	int status = 0;

	for (int i = 0; i < SECONDS * 20; i++) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid) {
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				return VG_OK;
			snprintf(why, VG_TELL_WHY, "it ended with %s %d", WIFEXITED(status) ? "code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
			return VG_E_SYS;
		}
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	(void)kill(-pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	snprintf(why, VG_TELL_WHY, "it was not done after %d s", SECONDS);
	return VG_E_SYS;
}

static void
set_environment(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when)
{
	(void)setenv("VIGIE_ALARM_KIND", vg_alarm_kind_name(a->kind), 1);
	(void)setenv("VIGIE_ALARM_STATE", vg_alarm_state_name(a->state), 1);
	(void)setenv("VIGIE_ALARM_SUBJECT", a->subject, 1);
	(void)setenv("VIGIE_ALARM_TEXT", a->text, 1);
	(void)setenv("VIGIE_ALARM_TIME", when, 1);
	(void)setenv("VIGIE_ALARM_WITNESS", o->name, 1);
}

/* Run @argv with @input on its standard input, in a group of its own. */
static vg_rc
run(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, char *const argv[], vg_str input, char *why)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		snprintf(why, VG_TELL_WHY, "no process: %s", strerror(errno));
		return VG_E_SYS;
	}
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)signal(SIGPIPE, SIG_DFL);
		set_environment(o, a, when);
		if (dup2(fd[0], STDIN_FILENO) >= 0)
			(void)execv(argv[0], argv);
		_exit(127);
	}
	(void)setpgid(pid, pid);
	close(fd[0]);
	(void)!vg_write_all(fd[1], input); /* less than a pipe holds; whoever does not read it misses it */
	close(fd[1]);
	return await(pid, why);
}

static vg_rc
run_shell(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, vg_str input, char *why)
{
	char sh[] = "/bin/sh", c[] = "-c";
	char *argv[] = { sh, c, (char *)(uintptr_t)o->to[VG_CHANNEL_COMMAND], NULL };

	return run(o, a, when, argv, input, why);
}

static vg_rc
run_sendmail(const struct vg_tell_options *o, const struct vg_alarm *a, const char *when, vg_str input, char *why)
{
	char sendmail[] = SENDMAIL, i[] = "-i", dashes[] = "--";
	char *argv[] = { sendmail, i, dashes, (char *)(uintptr_t)o->to[VG_CHANNEL_MAIL], NULL };

	return run(o, a, when, argv, input, why);
}

/* ---- curl ---- */

static size_t
drop(char *p, size_t size, size_t n, void *ctx)
{
	(void)p;
	(void)ctx;
	return size * n;
}

static size_t
give(char *to, size_t size, size_t count, void *ctx)
{
	vg_str *left = ctx, part = vg_str_cut(*left, size * count);

	if (part.n)
		memcpy(to, part.p, part.n);
	*left = vg_str_skip(*left, part.n);
	return part.n;
}

static vg_rc
perform(CURL *c, char *error, bool http, char *why)
{
	CURLcode code;
	long status = 0;

	error[0] = 0;
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)SECONDS);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	code = curl_easy_perform(c);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && (!http || status / 100 == 2))
		return VG_OK;
	if (code != CURLE_OK)
		snprintf(why, VG_TELL_WHY, "%s", error[0] ? error : curl_easy_strerror(code));
	else
		snprintf(why, VG_TELL_WHY, "status %ld", status);
	return VG_E_SYS;
}

static vg_rc
post(const char *url, vg_str body, char *why)
{
	CURL *c = curl_easy_init();
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	char error[CURL_ERROR_SIZE];
	vg_rc rc = VG_E_NOMEM;

	if (c && h) {
		(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
		(void)curl_easy_setopt(c, CURLOPT_URL, url);
		(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.p);
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)body.n);
		rc = perform(c, error, true, why);
	}
	curl_slist_free_all(h);
	curl_easy_cleanup(c);
	return rc;
}

static vg_rc
mail(const struct vg_tell_options *o, vg_str body, char *why)
{
	CURL *c = curl_easy_init();
	struct curl_slist *to = curl_slist_append(NULL, o->to[VG_CHANNEL_MAIL]);
	char error[CURL_ERROR_SIZE];
	vg_rc rc = VG_E_NOMEM;

	if (c && to) {
		(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
		(void)curl_easy_setopt(c, CURLOPT_URL, o->smtp);
		(void)curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
		(void)curl_easy_setopt(c, CURLOPT_MAIL_FROM, o->mail_from ? o->mail_from : o->to[VG_CHANNEL_MAIL]);
		(void)curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to);
		(void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(c, CURLOPT_CRLF, 1L);
		(void)curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
		(void)curl_easy_setopt(c, CURLOPT_READDATA, &body);
		rc = perform(c, error, false, why);
	}
	curl_slist_free_all(to);
	curl_easy_cleanup(c);
	return rc;
}

/* ---- the channels ---- */

vg_rc
vg_tell(const struct vg_tell_options *o, enum vg_channel c, const struct vg_alarm *a, int64_t now_ns, char why[VG_TELL_WHY])
{
	char when[VG_TIME_MAX];
	struct vg_buf b = { 0 };
	vg_rc rc;

	vg_time_print(now_ns, 0, when);
	(c == VG_CHANNEL_COMMAND ? put_text : c == VG_CHANNEL_WEBHOOK ? put_json : put_mail)(o, a, when, &b);
	if ((rc = b.rc) != VG_OK)
		snprintf(why, VG_TELL_WHY, "out of memory");
	else if (c == VG_CHANNEL_COMMAND)
		rc = run_shell(o, a, when, vg_buf_str(&b), why);
	else if (c == VG_CHANNEL_WEBHOOK)
		rc = post(o->to[c], vg_buf_str(&b), why);
	else
		rc = vg_tell_runs(o, c) ? run_sendmail(o, a, when, vg_buf_str(&b), why) : mail(o, vg_buf_str(&b), why);
	vg_buf_fini(&b);
	return rc;
}

bool
vg_tell_runs(const struct vg_tell_options *o, enum vg_channel c)
{
	return c == VG_CHANNEL_COMMAND || (c == VG_CHANNEL_MAIL && o->smtp == NULL);
}

bool
vg_is_mail_address(const char *s)
{
	const char *at = strchr(s, '@');

	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("<>,;:\"\\", *p))
			return false;
	return at && at != s && at[1] && strchr(at + 1, '@') == NULL && strlen(s) < 255 && s[0] != '-';
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
