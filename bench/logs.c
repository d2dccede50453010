#include "logs.h"

#include <stdio.h>

#include "sample/draw.h"

#define USERS 119 /* every pair of a first and a last name but olivier.leroy, whom bench/days.py looks for */
#define HOSTS 64

static uint32_t
draw(struct bench_logs *l, uint32_t below)
{
	return sample_draw(&l->state, below);
}

static const char *const first[] = { "alice", "bruno", "chloe", "david", "emma", "farid", "gaelle", "hugo", "ines", "julien", "karim", "lea", "marc", "nadia", "olivier" };
static const char *const last[] = { "martin", "bernard", "dubois", "thomas", "robert", "petit", "durand", "leroy" };
static const char *const images[] = { "C:\\\\Windows\\\\System32\\\\svchost.exe", "C:\\\\Program Files\\\\Office\\\\WINWORD.EXE", "C:\\\\Windows\\\\explorer.exe",
				      "C:\\\\Program Files (x86)\\\\Google\\\\Chrome\\\\chrome.exe", "C:\\\\Windows\\\\System32\\\\cmd.exe", "C:\\\\Windows\\\\System32\\\\taskhostw.exe" };
static const char *const pages[] = { "/", "/index.html", "/login", "/api/v1/orders", "/api/v1/customers", "/static/app.js", "/static/style.css", "/images/logo.png", "/search", "/cart" };
static const char *const agents[] = { "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36",
				      "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
				      "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "curl/8.5.0" };

struct who {
	char user[40], ip[20], out[20];
};

static struct who
who(struct bench_logs *l, const char *user)
{
	uint32_t u = draw(l, USERS);
	struct who w;

	if (user)
		snprintf(w.user, sizeof(w.user), "%s", user);
	else
		snprintf(w.user, sizeof(w.user), "%s.%s", first[u % 15], last[u / 15]);
	snprintf(w.ip, sizeof(w.ip), "10.1.%u.%u", u % 4, 10 + u);
	snprintf(w.out, sizeof(w.out), "%u.%u.%u.%u", 20 + draw(l, 180), draw(l, 250), draw(l, 250), 1 + draw(l, 250));
	return w;
}

static void
sshd(struct bench_logs *l, const char *t, const struct who *w, struct vg_buf *b)
{
	uint32_t pid = 1000 + draw(l, 30000), host = draw(l, 6);

	switch (draw(l, 4)) {
	case 0:
		vg_buf_printf(b, "<86>%s srv%02u sshd[%u]: Accepted publickey for %s from %s port %u ssh2: ED25519 SHA256:q%uQxv7m2mKZ8yq", t, host, pid, w->user, w->ip, 1024 + draw(l, 60000), 1 + draw(l, 9));
		break;
	case 1:
		vg_buf_printf(b, "<86>%s srv%02u sshd[%u]: Failed password for invalid user %s from %s port %u ssh2", t, host, pid, w->user, w->out, 1024 + draw(l, 60000));
		break;
	case 2:
		vg_buf_printf(b, "<86>%s srv%02u sshd[%u]: pam_unix(sshd:session): session opened for user %s(uid=%u) by (uid=0)", t, host, pid, w->user, 1000 + draw(l, USERS));
		break;
	default:
		vg_buf_printf(b, "<78>%s srv%02u CRON[%u]: (root) CMD (/usr/local/bin/backup-%u.sh --quiet)", t, host, pid, draw(l, 12));
	}
}

static void
firewall(struct bench_logs *l, const char *t, const struct who *w, struct vg_buf *b)
{
	static const char *const acts[] = { "accept", "accept", "accept", "deny", "close", "timeout" };
	static const unsigned ports[] = { 443, 443, 443, 80, 53, 53, 123, 445, 3389, 22 };
	unsigned sent = draw(l, 200000), port = ports[draw(l, 10)];

	vg_buf_printf(b, "<134>%s fw01 date=%.10s time=%.8s devname=\"fw01\" devid=\"FG100E4Q17000001\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" level=\"notice\" srcip=%s srcport=%u "
			 "srcintf=\"lan\" dstip=%s dstport=%u dstintf=\"wan1\" sessionid=%u proto=%u action=\"%s\" policyid=%u user=\"%s\" service=\"%s\" sentbyte=%u rcvdbyte=%u sentpkt=%u duration=%u",
		      t, t, t + 11, w->ip, 1024 + draw(l, 60000), w->out, port, 100000000 + (unsigned)(l->n & 0xffffff), port == 53 ? 17 : 6, acts[draw(l, 6)], 1 + draw(l, 40), w->user,
		      port == 443 ? "HTTPS" : port == 53 ? "DNS" : "OTHER", sent, sent * 3 + draw(l, 1000), sent / 900 + 1, draw(l, 300));
}

static void
windows(struct bench_logs *l, const char *t, const struct who *w, struct vg_buf *b)
{
	static const unsigned ids[] = { 4624, 4634, 4688, 4688, 4672, 5156 };
	uint32_t host = draw(l, HOSTS), id = ids[draw(l, 6)];

	vg_buf_printf(b, "{\"@timestamp\":\"%s\",\"host\":{\"name\":\"pc%02u.corp.example\"},\"agent\":{\"type\":\"winlogbeat\",\"version\":\"8.12.0\"},\"event\":{\"code\":\"%u\",\"kind\":\"event\",\"provider\":\"Microsoft-Windows-Security-Auditing\"},"
			 "\"winlog\":{\"channel\":\"Security\",\"provider_name\":\"Microsoft-Windows-Security-Auditing\",\"event_id\":%u,\"record_id\":%u,\"computer_name\":\"PC%02u.corp.example\",\"process\":{\"pid\":%u,\"thread\":{\"id\":%u}},"
			 "\"event_data\":{\"SubjectUserSid\":\"S-1-5-21-1004336348-1177238915-682003330-%u\",\"SubjectUserName\":\"%s\",\"SubjectDomainName\":\"CORP\",\"SubjectLogonId\":\"0x%x\",\"NewProcessId\":\"0x%x\",\"NewProcessName\":\"%s\","
			 "\"ParentProcessName\":\"%s\",\"TokenElevationType\":\"%%%%1936\",\"IpAddress\":\"%s\",\"IpPort\":\"%u\",\"LogonType\":\"%u\",\"WorkstationName\":\"PC%02u\"}}}",
		      t, host, id, id, ++l->record[host], host, 4 + 4 * draw(l, 2000), 4 * draw(l, 4000), 1100 + draw(l, USERS), w->user, draw(l, UINT32_MAX), draw(l, 1 << 16), images[draw(l, 6)],
		      images[draw(l, 6)], w->ip, 49152 + draw(l, 16000), 2 + draw(l, 9), host);
}

static void
web(struct bench_logs *l, const char *t, const struct who *w, struct vg_buf *b)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static const unsigned codes[] = { 200, 200, 200, 200, 304, 404, 500 };

	vg_buf_printf(b, "<190>%s web%u nginx: %s - - [%.2s/%s/%.4s:%.8s +0000] \"GET %s?id=%u HTTP/1.1\" %u %u \"https://shop.example/\" \"%s\" rt=0.%03u", t, draw(l, 3), w->out, t + 8, months[(t[5] - '0') * 10 + t[6] - '1'], t, t + 11, pages[draw(l, 10)],
		      draw(l, 50000), codes[draw(l, 7)], draw(l, 90000), agents[draw(l, 4)], draw(l, 1000));
}

static void
other(struct bench_logs *l, const char *t, const struct who *w, struct vg_buf *b)
{
	switch (draw(l, 3)) {
	case 0:
		vg_buf_printf(b, "<22>%s mail postfix/smtp[%u]: %08X%02X: to=<%s@customer%u.example>, relay=mx%u.customer.example[%s]:25, delay=%u.%u, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)", t, draw(l, 30000),
			      draw(l, UINT32_MAX), draw(l, 256), w->user, draw(l, 40), draw(l, 4), w->out, draw(l, 9), draw(l, 100));
		break;
	case 1:
		vg_buf_printf(b, "<14>%s nas01 smbd[%u]: %s (%s) opened file share/projects/%u/report-%u.docx read=Yes write=%s", t, draw(l, 9000), w->user, w->ip, draw(l, 200), draw(l, 900), draw(l, 2) ? "Yes" : "No");
		break;
	default:
		vg_buf_printf(b, "<14>%s nas01 backup: job=%u volume=/vol%u state=running done=%u%% files=%u bytes=%u", t, draw(l, 12), draw(l, 3), draw(l, 100), draw(l, 100000), draw(l, UINT32_MAX));
	}
}

void
bench_logs_init(struct bench_logs *l, int64_t time_ns)
{
	*l = (struct bench_logs){ .state = 0x9e3779b97f4a7c15u, .time_ns = time_ns };
}

void
bench_logs_next(struct bench_logs *l, int64_t step_ns, struct vg_buf *out)
{
	struct who w = who(l, NULL);
	char t[VG_TIME_MAX];
	uint32_t kind = draw(l, 100);

	vg_time_print(l->time_ns, 6, t);
	if (kind < 30)
		sshd(l, t, &w, out);
	else if (kind < 65)
		firewall(l, t, &w, out);
	else if (kind < 80)
		windows(l, t, &w, out);
	else if (kind < 92)
		web(l, t, &w, out);
	else
		other(l, t, &w, out);
	l->n++;
	l->time_ns += step_ns;
}

void
bench_logs_of(struct bench_logs *l, const char *user, struct vg_buf *out)
{
	struct who w = who(l, user);
	char t[VG_TIME_MAX];

	vg_time_print(l->time_ns, 6, t);
	(draw(l, 2) ? firewall : windows)(l, t, &w, out);
	l->n++;
}
