/* cmd/witness.c - `vigie witness` and `vigie witness accept`: settings to options, and who runs is witness/watcher.h. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "cmd/common.h"
#include "net/loop.h"
#include "net/mail.h"
#include "state/format.h"
#include "witness/names.h"
#include "witness/sync.h"
#include "witness/destroy.h"
#include "witness/watcher.h"

#define SECRET_FILE_MAX 65536

const struct vg_opt vg_witness_opts[] = {
	{ "--state", VG_OPT_TEXT, "DIR", "where the copy, its key and proofs are kept (needed)" },
	{ "--from", VG_OPT_LIST, "URL", "a watch to pull from (needed; may be repeated for watches of other tenants)" },
	{ "--token-file", VG_OPT_TEXT, "FILE", "the token that the watch asks for" },
	{ "--log-key", VG_OPT_LIST, "KEY", "the key of a log, as the watch prints it (default: the first that is met is kept)" },
	{ "--recovery-key", VG_OPT_TEXT, "KEY", "a new epoch that this key signed needs no `vigie witness accept`" },
	{ "--tls-ca", VG_OPT_TEXT, "FILE", "the CA of the watch's certificate (default: those of the system)" },
	{ "--pin", VG_OPT_TEXT, "SHA256", "the watch's public key, as SHA-256 in hexadecimal; then no CA is asked" },
	{ "--name", VG_OPT_TEXT, "NAME", "the name of the witness's key when it is made (default: witness.HOST)" },
	{ "--every", VG_OPT_TEXT, "TIME", "pull so often (default: 5s)" },
	{ "--silence", VG_OPT_TEXT, "TIME", "alarm when no newer checkpoint came for so long (default: 60s)" },
	{ "--keep", VG_OPT_TEXT, "TIME", "keep what is younger when the watch destroys it, but for an order of the recovery key (default: 180d)" },
	{ "--free", VG_OPT_TEXT, "SIZE", "alarm, and fetch nothing more, below so many free bytes, as 20G, or below 5 %" },
	{ "--listen", VG_OPT_TEXT, "ADDRESS:PORT", "serve the copy, to be read: for verify and restore" },
	{ "--listen-token-file", VG_OPT_TEXT, "FILE", "who reads the copy must bring this token" },
	{ "--listen-cert", VG_OPT_TEXT, "FILE", "certificate to serve it with (PEM)" },
	{ "--listen-key", VG_OPT_TEXT, "FILE", "its key (PEM)" },
	{ "--alarm-command", VG_OPT_TEXT, "COMMAND", "tell alarms by this shell command (VIGIE_ALARM_* in its environment)" },
	{ "--alarm-webhook", VG_OPT_TEXT, "URL", "tell alarms by a POST of JSON" },
	{ "--alarm-mail", VG_OPT_TEXT, "ADDRESS", "tell alarms by mail" },
	{ "--alarm-mail-from", VG_OPT_TEXT, "ADDRESS", "who the mail is from (default: the same)" },
	{ "--alarm-smtp", VG_OPT_TEXT, "URL", "smtp://HOST:PORT or smtps://HOST:PORT for mail (default: sendmail)" },
	{ "--test-alarm", VG_OPT_FLAG, NULL, "tell a test alarm by each channel, and end" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};
const struct vg_opt vg_witness_accept_opts[] = {
	{ "--state", VG_OPT_TEXT, "DIR", "the witness's folder (needed)" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

struct settings {
	struct vg_witness_options o;
	struct vg_note_key log_key[VG_OPT_LIST_MAX], recovery;
	struct vg_buf token, listen_token, cert, key;
	char name[VG_NOTE_NAME_MAX];
};

static bool
usage(const char *option, const char *value, const char *what)
{
	vg_log(VG_LOG_ERROR, "witness: %s %s: %s", option, value, what);
	return false;
}

/* ---- one value each ---- */

static bool
take_file(const struct vg_args *a, const char *option, bool trimmed, struct vg_buf *out, const char **text)
{
	const char *path = vg_arg(a, option);
	FILE *f;
	size_t n;

	if (path == NULL)
		return true;
	if ((f = fopen(path, "re")) == NULL)
		return usage(option, path, strerror(errno));
	if (!vg_buf_reserve(out, SECRET_FILE_MAX + 1))
		n = 0;
	else
		n = fread(out->p, 1, SECRET_FILE_MAX + 1, f);
	fclose(f);
	if (n == 0 || n > SECRET_FILE_MAX || memchr(out->p, 0, n))
		return usage(option, path, "empty, too long, or not text");
	out->n = n;
	while (trimmed && out->n && strchr(" \t\r\n", out->p[out->n - 1]))
		out->n--;
	vg_buf_putc(out, 0);
	*text = out->p;
	for (const char *p = out->p; trimmed && *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return usage(option, path, "a token is one word of ASCII");
	return out->rc == VG_OK;
}

static bool
take_key(const char *option, const char *text, struct vg_note_key *out)
{
	return vg_note_key_parse(vg_str_of(text), out) == VG_OK ? true : usage(option, text, "not a key: NAME+ID+BASE64");
}

static bool
take_time(const struct vg_args *a, const char *option, int64_t none_ns, int64_t most_ns, int64_t *out)
{
	const char *text = vg_arg(a, option);

	*out = text ? vg_duration_parse(vg_str_of(text)) : none_ns;
	if (*out == VG_TIME_NONE || *out < VG_SEC || *out > most_ns)
		return usage(option, text, most_ns == VG_DAY ? "a time from 1s to 1d" : "a time from 1s to 3650d");
	return true;
}

static bool
take_size(const struct vg_args *a, const char *option, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *text = vg_arg(a, option);
	vg_str s = vg_str_of(text);
	const char *unit = s.n ? strchr(units, s.p[s.n - 1]) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

	if (text == NULL)
		return true;
	if (unit)
		s.n--;
	if (!vg_str_all_digits(s) || !vg_str_u64(s, out) || *out > UINT64_MAX >> shift)
		return usage(option, text, "a size, as 500M or 20G");
	*out <<= shift;
	return true;
}

/* "192.0.2.1:9443", "[::1]:9443"; port 0: any, which is told. */
static bool
take_listen(const char *text, int *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *found;
	const char *colon = strrchr(text, ':');
	char host[64], name[64], port[8];
	struct sockaddr_storage at;
	socklen_t n = sizeof(at);
	int on = 1, fd;
	bool bracket = text[0] == '[' && colon && colon > text + 1 && colon[-1] == ']';

	if (colon == NULL || (size_t)snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * bracket, text + bracket) >= sizeof(host) ||
	    (!bracket && strchr(host, ':')) || getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found) != 0)
		return usage("--listen", text, "not ADDRESS:PORT, as 192.0.2.1:9443 or [::1]:9443");
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &n) < 0 || getnameinfo((struct sockaddr *)&at, n, name, sizeof(name), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		freeaddrinfo(found);
		if (fd >= 0)
			close(fd);
		return usage("--listen", text, strerror(errno));
	}
	freeaddrinfo(found);
	vg_log(VG_LOG_INFO, "serves its copy on %s port %s", name, port);
	*out = fd;
	return true;
}

/* ---- groups of them ---- */

static bool
take_from(const struct vg_args *a, struct settings *s)
{
	const struct vg_opt_value *from = vg_arg_list(a, "--from"), *keys = vg_arg_list(a, "--log-key");

	if (from->n == 0 || from->n > VG_WITNESS_FROM_MAX)
		return usage("--from", "", "a witness needs a watch to pull from, and at most 32");
	for (size_t i = 0; i < from->n; i++) {
		if (!vg_is_url(from->text[i]))
			return usage("--from", from->text[i], "not an address of http:// or https://");
		if (vg_arg(a, "--token-file") && vg_str_starts(vg_str_of(from->text[i]), VG_STR("http://")))
			vg_log(VG_LOG_WARNING, "witness: the token goes to %s without TLS: whoever is between can read it", from->text[i]);
	}
	s->o.from = from->text;
	s->o.nfrom = from->n;
	for (size_t i = 0; i < keys->n; i++)
		if (!take_key("--log-key", keys->text[i], &s->log_key[i]))
			return false;
	s->o.log_key = s->log_key;
	s->o.nlog_key = keys->n;
	if (vg_arg(a, "--recovery-key")) {
		if (!take_key("--recovery-key", vg_arg(a, "--recovery-key"), &s->recovery))
			return false;
		s->o.recovery = &s->recovery;
	}
	return true;
}

static bool
take_tls(const struct vg_args *a, struct settings *s)
{
	const char *ca = vg_arg(a, "--tls-ca"), *pin = vg_arg(a, "--pin");
	struct vg_pull *p;

	if (ca && pin)
		return usage("--pin", pin, "either this or --tls-ca");
	if (ca && access(ca, R_OK) < 0)
		return usage("--tls-ca", ca, strerror(errno));
	s->o.pull = (struct vg_pull_options){ .tls_ca = ca, .pin = pin };
	if (vg_pull_new(&s->o.pull, &p) != VG_OK)
		return usage("--pin", pin ? pin : "", "not 64 hexadecimal digits");
	vg_pull_free(p);
	return take_file(a, "--token-file", true, &s->token, &s->o.pull.token);
}

static bool
take_serving(const struct vg_args *a, struct settings *s)
{
	const char *listen = vg_arg(a, "--listen");

	if (!take_file(a, "--listen-token-file", true, &s->listen_token, &s->o.listen_token) || !take_file(a, "--listen-cert", false, &s->cert, &s->o.listen_cert) ||
	    !take_file(a, "--listen-key", false, &s->key, &s->o.listen_key))
		return false;
	if (listen == NULL)
		return s->o.listen_token || s->o.listen_cert || s->o.listen_key ? usage("--listen", "", "is needed with the other --listen-* options") : true;
	if ((s->o.listen_cert == NULL) != (s->o.listen_key == NULL))
		return usage("--listen-cert", "", "comes with --listen-key");
	return take_listen(listen, &s->o.listen);
}

static bool
take_alarms(const struct vg_args *a, struct settings *s)
{
	struct vg_tell_options *t = &s->o.tell;
	const char *host_name = vg_arg(a, "--name"), *webhook = vg_arg(a, "--alarm-webhook"), *mail = vg_arg(a, "--alarm-mail");
	char host[64] = "";

	(void)gethostname(host, sizeof(host) - 1);
	snprintf(s->name, sizeof(s->name), "%s%s", host_name ? host_name : "witness.", host_name ? "" : host);
	*t = (struct vg_tell_options){ { vg_arg(a, "--alarm-command"), webhook, mail }, vg_arg(a, "--alarm-mail-from"), vg_arg(a, "--alarm-smtp"), s->name };
	if (webhook && !vg_str_starts(vg_str_of(webhook), VG_STR("https://")) && !vg_str_starts(vg_str_of(webhook), VG_STR("http://")))
		return usage("--alarm-webhook", webhook, "not an address of http:// or https://");
	if (mail && !vg_is_mail_address(mail))
		return usage("--alarm-mail", mail, "not a mail address");
	if (t->mail_from && !vg_is_mail_address(t->mail_from))
		return usage("--alarm-mail-from", t->mail_from, "not a mail address");
	if (t->smtp && !vg_is_smtp_url(t->smtp))
		return usage("--alarm-smtp", t->smtp, "not smtp:// or smtps://");
	if (mail && !vg_tell_can_mail(t))
		return usage("--alarm-mail", mail, "there is no /usr/sbin/sendmail; give --alarm-smtp");
	if (t->to[VG_TELL_COMMAND] == NULL && webhook == NULL && mail == NULL)
		vg_log(VG_LOG_WARNING, "witness: alarms go to standard error only: give --alarm-command, --alarm-webhook or --alarm-mail");
	return true;
}

static bool
take_all(const struct vg_args *a, struct settings *s)
{
	s->o.listen = -1;
	if ((s->o.state = vg_arg(a, "--state")) == NULL)
		return usage("--state", "", "where shall the copy be kept?");
	if (!take_time(a, "--every", 5 * VG_SEC, VG_DAY, &s->o.every_ns) || !take_time(a, "--silence", 60 * VG_SEC, VG_DAY, &s->o.silence_ns) ||
	    !take_time(a, "--keep", VG_WITNESS_KEEP_DAYS * VG_DAY, 3650 * VG_DAY, &s->o.keep_ns) || !take_size(a, "--free", &s->o.free_bytes))
		return false;
	if (s->o.every_ns >= s->o.silence_ns)
		return usage("--every", vg_arg(a, "--every") ? vg_arg(a, "--every") : "5s", "is to be less than --silence");
	return take_from(a, s) && take_tls(a, s) && take_serving(a, s);
}

static int
test_alarm(const struct vg_tell_options *t)
{
	struct vg_alarm test = { VG_ALARM_SILENCE, VG_ALARM_TEST, t->name, "This is a test. Nothing happened." };
	char why[VG_TELL_WHY] = "";
	int code = VG_EXIT_OK;

	for (unsigned c = 0; c < VG_TELL_WAYS; c++) {
		if (t->to[c] == NULL)
			continue;
		if (vg_tell(t, (enum vg_tell_way)c, &test, vg_clock_ns(), why) == VG_OK) {
			printf("%s: told\n", vg_tell_way_name((enum vg_tell_way)c));
		} else {
			printf("%s: NOT told: %s\n", vg_tell_way_name((enum vg_tell_way)c), why);
			code = VG_EXIT_FAILED;
		}
	}
	return code;
}

/* ---- the commands ---- */

int
vg_cmd_witness(const struct vg_args *a)
{
	struct settings *s = calloc(1, sizeof(*s));
	char why[VG_WITNESS_WHY];
	int code = VG_EXIT_USAGE;

	if (s == NULL)
		return VG_EXIT_FAILED;
	if (a->noperand) {
		vg_log(VG_LOG_ERROR, "witness: %s: takes options only", a->operand[0]);
	} else if (take_alarms(a, s)) {
		if (vg_arg_set(a, "--test-alarm")) {
			code = test_alarm(&s->o.tell);
		} else if (take_all(a, s)) {
			code = VG_EXIT_OK;
			if (vg_witness_run(&s->o, why) != VG_OK) {
				vg_log(VG_LOG_ERROR, "witness: %s", why);
				code = VG_EXIT_FAILED;
			}
			if (s->o.listen >= 0)
				close(s->o.listen);
		}
	}
	vg_buf_fini(&s->token);
	vg_buf_fini(&s->listen_token);
	vg_buf_fini(&s->cert);
	vg_buf_fini(&s->key);
	free(s);
	return code;
}

int
vg_cmd_witness_accept(const struct vg_args *a)
{
	const char *state = vg_arg(a, "--state"), *tenant = a->operand[0];
	char why[300];
	int dir, vault;
	uint64_t epoch;
	vg_rc rc;

	if (state == NULL || a->noperand != 1) {
		vg_log(VG_LOG_ERROR, "witness accept: give --state DIR and one tenant");
		return VG_EXIT_USAGE;
	}
	dir = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && vg_format_check(&(struct vg_disk){ .dir = dir, .read_only = true }, state, "witness", VG_WITNESS_VERSION, why) != VG_OK) {
		vg_log(VG_LOG_ERROR, "witness accept: %s", why);
		close(dir);
		return VG_EXIT_INPUT;
	}
	vault = dir >= 0 ? openat(dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir >= 0)
		close(dir);
	if (vault < 0) {
		vg_log(VG_LOG_ERROR, "witness accept: %s: no witness's folder: %s", state, strerror(errno));
		return VG_EXIT_INPUT;
	}
	rc = vg_sync_accept(vault, tenant, &epoch);
	close(vault);
	if (rc == VG_OK)
		printf("%s: epoch %llu is accepted, and begins with the next checkpoint\n", tenant, (unsigned long long)epoch);
	else
		vg_log(VG_LOG_ERROR, "witness accept: %s: %s", tenant, rc == VG_E_NOTFOUND ? "no epoch waits" : vg_rc_name(rc));
	return rc == VG_OK ? VG_EXIT_OK : rc == VG_E_NOTFOUND ? VG_EXIT_INPUT : VG_EXIT_FAILED;
}
