/* bench/gen.c - much evidence, made by code and all different: event logs, Winlogbeat lines and syslog of many hosts, with times that
 * overlap and record numbers of their own, so that neither deduplication nor the value cache swallows it.  The same bytes on every
 * run.  About one event in three is a sign-in or its end, which the story keeps; about one in two hundred meets some rule.
 *
 *	gen DIR MEGABYTES
 */
#define BENCH_NAME "gen"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"
#include "sample/draw.h"
#include "sample/evtx_write.h"
#include "tool.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T(name, value) { name, value, EVTX_TEXT }
#define U(name, value) { name, value, EVTX_U32 }
#define H(name, value) { name, value, EVTX_HEX64 }
#define HOSTS 48
#define FILE_BYTES ((uint64_t)48 << 20)

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t
draw(uint32_t below)
{
	return sample_draw(&state, below);
}

struct scene { /* what an event is made of */
	char host[40], user[24], sid[64], logon[20], ip[24], port[8], pid[16], line[160];
	const char *image;
};
static const char *const images[] = {
	"C:\\Program Files\\Acme\\Ledger\\ledger.exe", "C:\\Program Files\\Acme\\Mail\\mail.exe", "C:\\Program Files\\Office\\WINWORD.EXE",
	"C:\\Program Files\\Office\\EXCEL.EXE", "C:\\Program Files\\Browser\\browser.exe", "C:\\Program Files\\Acme\\Sync\\sync-client.exe",
};
static const char *const odd[] = { "vssadmin delete shadows /all /quiet", "whoami /priv", "nltest /domain_trusts", "net group \"domain admins\" /domain" };

static void
scene(struct scene *s, unsigned host)
{
	uint32_t user = draw(3000);

	snprintf(s->host, sizeof(s->host), "%s%02u.corp.example", host % 3 ? "WS" : "SRV", host);
	snprintf(s->user, sizeof(s->user), "user%04u", user);
	snprintf(s->sid, sizeof(s->sid), "S-1-5-21-1004336348-1177238915-682003330-%u", 1100 + user);
	snprintf(s->logon, sizeof(s->logon), "0x%x", draw(UINT32_MAX));
	snprintf(s->ip, sizeof(s->ip), "10.%u.%u.%u", draw(4), draw(250), 1 + draw(250));
	snprintf(s->port, sizeof(s->port), "%u", 49152 + draw(16000));
	snprintf(s->pid, sizeof(s->pid), "0x%x", draw(65536));
	s->image = images[draw(COUNT(images))];
	if (draw(200) == 0)
		snprintf(s->line, sizeof(s->line), "%s", odd[draw(COUNT(odd))]);
	else
		snprintf(s->line, sizeof(s->line), "\"%s\" --task %08x --session %u --out C:\\Users\\%s\\Documents\\%08x.tmp", s->image,
			 draw(UINT32_MAX), draw(100000), s->user, draw(UINT32_MAX));
}

static bool
windows_event(struct evtx_writer *w, int64_t t, const struct scene *s)
{
	const struct evtx_pair in[] = {
		T("SubjectUserSid", "S-1-0-0"), T("SubjectUserName", "-"), T("SubjectDomainName", "-"), H("SubjectLogonId", "0x0"),
		T("TargetUserSid", s->sid), T("TargetUserName", s->user), T("TargetDomainName", "CORP"), H("TargetLogonId", s->logon),
		U("LogonType", "3"), T("LogonProcessName", "Kerberos"), T("AuthenticationPackageName", "Kerberos"), T("WorkstationName", "-"),
		H("ProcessId", "0x0"), T("ProcessName", "-"), T("IpAddress", s->ip), T("IpPort", s->port),
	};
	const struct evtx_pair out[] = { T("TargetUserSid", s->sid), T("TargetUserName", s->user), T("TargetDomainName", "CORP"),
					 H("TargetLogonId", s->logon), U("LogonType", "3") };
	const struct evtx_pair process[] = {
		T("SubjectUserSid", s->sid), T("SubjectUserName", s->user), T("SubjectDomainName", "CORP"), H("SubjectLogonId", s->logon),
		H("NewProcessId", s->pid), T("NewProcessName", s->image), T("TokenElevationType", "%%1938"), H("ProcessId", "0x4d2"),
		T("CommandLine", s->line), T("ParentProcessName", "C:\\Windows\\explorer.exe"), T("MandatoryLabel", "S-1-16-8192"),
	};
	const struct evtx_pair flow[] = {
		U("ProcessID", "1240"), T("Application", "\\device\\harddiskvolume2\\windows\\system32\\svchost.exe"), T("Direction", "%%14593"),
		T("SourceAddress", s->ip), T("SourcePort", s->port), T("DestAddress", "10.0.0.10"), T("DestPort", "445"), U("Protocol", "6"),
	};
	static const char provider[] = "Microsoft-Windows-Security-Auditing";

	switch (draw(6)) {
	case 0:
		return evtx_add(w, t, "Security", provider, s->host, 4624, 0, in, COUNT(in));
	case 1:
		return evtx_add(w, t, "Security", provider, s->host, 4634, 0, out, COUNT(out));
	case 2:
	case 3:
		return evtx_add(w, t, "Security", provider, s->host, 4688, 0, process, COUNT(process));
	default:
		return evtx_add(w, t, "Security", provider, s->host, 5156, 0, flow, COUNT(flow));
	}
}

static int64_t clock_of[HOSTS];
static uint64_t record_of[HOSTS];

static int64_t
tick(unsigned host)
{
	if (clock_of[host] == 0)
		clock_of[host] = INT64_C(1775001600) * VG_SEC + draw(1000000) * (VG_SEC / 1000);
	return clock_of[host] += draw(2000) * (VG_SEC / 1000);
}

static uint64_t
make_evtx(const char *path, unsigned host)
{
	struct evtx_writer *w = evtx_new();
	struct stat st;

	if (w == NULL)
		die(path);
	evtx_set_id(w, record_of[host] + 1);
	for (uint64_t n = 0; n < FILE_BYTES / 900; n++) {
		struct scene s;

		scene(&s, host);
		if (!windows_event(w, tick(host), &s))
			die(path);
		record_of[host]++;
	}
	if (!evtx_save(w, path) || stat(path, &st) != 0)
		die(path);
	evtx_free(w);
	return (uint64_t)st.st_size;
}

/* A backslash of @s becomes two, a quote gets one. */
static const char *
quoted(char *to, size_t n, const char *s)
{
	size_t k = 0;

	for (; *s && k + 2 < n; s++) {
		if (*s == '\\' || *s == '"')
			to[k++] = '\\';
		to[k++] = *s;
	}
	to[k] = 0;
	return to;
}

static uint64_t
make_text(const char *path, unsigned host, bool json)
{
	FILE *f = fopen(path, "w");
	uint64_t n = 0;

	if (f == NULL)
		die(path);
	while (n < FILE_BYTES) {
		char when[80], a[400], b[400];
		struct vg_civil c;
		struct scene s;
		int k;

		scene(&s, host);
		vg_time_civil(tick(host), &c);
		snprintf(when, sizeof(when), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day, c.hour, c.min, c.sec, (int)(c.ns / 1000000));
		if (json)
			k = fprintf(f, "{\"@timestamp\":\"%s\",\"host\":{\"name\":\"%s\"},\"winlog\":{\"channel\":\"Microsoft-Windows-Sysmon/Operational\","
				    "\"provider_name\":\"Microsoft-Windows-Sysmon\",\"event_id\":\"1\",\"record_id\":%llu,\"computer_name\":\"%s\",\"event_data\":{"
				    "\"UtcTime\":\"%s\",\"ProcessGuid\":\"{%08x-0000-%04x-0000-000000000000}\",\"ProcessId\":\"%u\",\"Image\":\"%s\","
				    "\"CommandLine\":\"%s\",\"CurrentDirectory\":\"C:\\\\Windows\\\\\",\"User\":\"CORP\\\\%s\",\"IntegrityLevel\":\"Medium\","
				    "\"ParentImage\":\"C:\\\\Windows\\\\explorer.exe\",\"ParentCommandLine\":\"C:\\\\Windows\\\\Explorer.EXE\"}}}\n",
				    when, s.host, (unsigned long long)++record_of[host], s.host, when, draw(UINT32_MAX), draw(65536), draw(65536),
				    quoted(a, sizeof(a), s.image), quoted(b, sizeof(b), s.line), s.user);
		else if (draw(3))
			k = fprintf(f, "%s %s sshd[%u]: %s password for %s from %s port %s ssh2\n", when, s.host, draw(32768), draw(9) ? "Accepted" : "Failed",
				    s.user, s.ip, s.port);
		else
			k = fprintf(f, "%s %s CRON[%u]: (%s) CMD (/usr/local/bin/job-%u --id %08x)\n", when, s.host, draw(32768), s.user, draw(40), draw(UINT32_MAX));
		if (k < 0)
			die(path);
		n += (uint64_t)k;
	}
	if (fclose(f) != 0)
		die(path);
	return n;
}

int
main(int argc, char **argv)
{
	uint64_t want = argc == 3 ? strtoull(argv[2], NULL, 10) << 20 : 0, n = 0;

	if (want == 0) {
		fprintf(stderr, "usage: gen DIR MEGABYTES\n");
		return 2;
	}
	for (unsigned i = 0; n < want; i++) {
		unsigned host = i % HOSTS, kind = i % 5; /* three of five event logs */
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s%02u-%04u.%s", argv[1], kind < 3 ? "security" : kind == 3 ? "winlogbeat" : "auth", host, i,
			 kind < 3 ? "evtx" : kind == 3 ? "jsonl" : "log");
		n += kind < 3 ? make_evtx(path, host) : make_text(path, host, kind == 3);
	}
	printf("%llu bytes\n", (unsigned long long)n);
	return 0;
}
