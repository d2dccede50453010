/* test/sample/sample.c - a sample case, made by code: a small version of the story.  April: somebody comes in by the VPN,
 * makes an account, reaches the domain controller and a server, erases a log.  August: he maps the network.  September:
 * backups are deleted.  Around it the noise of a small company.  The same bytes on every run; names and addresses are
 * invented or reserved for documentation.
 *
 *	sample DIR
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"
#include "evtx_write.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define INTRUDER "203.0.113.45"
#define POOL "10.8.0.14" /* his address inside the VPN */

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

static FILE *
text_file(const char *name)
{
	FILE *f = fopen(path_of(name), "w");

	if (f == NULL)
		die(name);
	return f;
}

/* ---- the VPN gateway ---- */

static void
vpn_line(FILE *f, int64_t t, const char *text)
{
	struct vg_civil c;

	vg_time_civil(t, &c);
	fprintf(f, "%04d-%02d-%02d %02d:%02d:%02d %s\n", c.year, c.month, c.day, c.hour, c.min, c.sec, text);
}

static void
vpn_session(FILE *f, int64_t t, const char *user, const char *ip, int port, const char *inner)
{
	char line[256];

	snprintf(line, sizeof(line), "%s:%d [%s] Peer Connection Initiated with [AF_INET]%s:%d", ip, port, user, ip, port);
	vpn_line(f, t, line);
	snprintf(line, sizeof(line), "%s/%s:%d MULTI: primary virtual IP for %s/%s:%d: %s", user, ip, port, user, ip, port, inner);
	vpn_line(f, t + VG_SEC, line);
	snprintf(line, sizeof(line), "%s/%s:%d SIGTERM[soft,remote-exit] received, client-instance exiting", user, ip, port);
	vpn_line(f, t + 2 * VG_HOUR, line);
}

static void
make_vpn(void)
{
	FILE *f = text_file("vpn-gateway/openvpn.log");
	char line[256];

	for (int day = 1; day <= 30; day++) {
		for (size_t i = 0; i < COUNT(people); i++) {
			char ip[32], inner[32];

			snprintf(ip, sizeof(ip), "198.51.100.%d", 10 + (int)i);
			snprintf(inner, sizeof(inner), "10.8.0.%d", 20 + (int)i);
			vpn_session(f, at(4, day, 7, 30 + (int)i * 4, 5), people[i], ip, 40000 + day, inner);
		}
		if (day == 3) { /* guesses, and then a session in the night */
			for (int i = 0; i < 6; i++) {
				snprintf(line, sizeof(line), INTRUDER ":51%03d TLS Auth Error: Auth Username/Password verification failed for peer", i);
				vpn_line(f, at(4, 3, 22, 40, i * 7), line);
			}
			vpn_session(f, at(4, 3, 22, 51, 0), "j.martin", INTRUDER, 51200, POOL);
		}
	}
	fclose(f);
}

/* ---- a Linux server ---- */

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep" };

static void
log_line(FILE *f, int64_t t, const char *text)
{
	struct vg_civil c;

	vg_time_civil(t, &c);
	fprintf(f, "%s %2d %02d:%02d:%02d web01 %s\n", months[c.month - 1], c.day, c.hour, c.min, c.sec, text);
}

static void
linux_lines(FILE *f)
{
	char line[256];

	for (int day = 1; day <= 28; day++)
		for (int i = 0; i < 12; i++) {
			snprintf(line, sizeof(line), "CRON[%d]: (root) CMD (/usr/local/bin/backup-check)", 1000 + day * 20 + i);
			log_line(f, at(4, day, i * 2, 17, 1), line);
			if (i == 4) {
				snprintf(line, sizeof(line), "sshd[%d]: Accepted publickey for deploy from 10.0.0.5 port %d ssh2: ED25519 SHA256:sampleonly", 2000 + day, 50000 + day);
				log_line(f, at(4, day, 9, 2, 3), line);
			}
			if (day == 4 && i == 0) { /* in order of time: the night after the VPN session */
				for (int k = 0; k < 12; k++) {
					snprintf(line, sizeof(line), "sshd[3100]: Failed password for backup from " POOL " port %d ssh2", 60000 + k);
					log_line(f, at(4, 4, 1, 10, k * 4), line);
				}
				log_line(f, at(4, 4, 1, 12, 30), "sshd[3101]: Accepted password for backup from " POOL " port 60100 ssh2");
				log_line(f, at(4, 4, 1, 13, 2), "sudo:   backup : TTY=pts/0 ; PWD=/home/backup ; USER=root ; COMMAND=/usr/sbin/useradd -m svc-backup2");
				log_line(f, at(4, 4, 1, 13, 4), "useradd[3110]: new user: name=svc-backup2, UID=1007, GID=1007, home=/home/svc-backup2, shell=/bin/bash, from=/dev/pts/0");
				log_line(f, at(4, 4, 1, 13, 20), "usermod[3112]: add 'svc-backup2' to group 'sudo'");
				log_line(f, at(4, 4, 1, 31, 0), "sshd[3120]: Accepted password for svc-backup2 from " POOL " port 60110 ssh2");
			}
		}
}

static void
make_linux(void)
{
	FILE *f = text_file("web01/auth.log");

	linux_lines(f);
	fclose(f);
	f = text_file("web01/copy-of-auth.log"); /* the same log, collected twice */
	linux_lines(f);
	fclose(f);
}

/* ---- Windows ---- */

#define SECURITY "Security", "Microsoft-Windows-Security-Auditing"

static void
signin(struct evtx_writer *w, int64_t t, const char *host, const char *user, const char *ip, const char *type, unsigned id)
{
	const struct evtx_pair p[] = {
		{ "SubjectUserSid", "S-1-0-0", EVTX_TEXT },	{ "SubjectUserName", "-", EVTX_TEXT },
		{ "TargetUserSid", "S-1-5-21-1-2-3-1104", EVTX_TEXT }, { "TargetUserName", user, EVTX_TEXT },
		{ "TargetDomainName", "CORP", EVTX_TEXT },	{ "TargetLogonId", "0x3e7a1", EVTX_HEX64 },
		{ "LogonType", type, EVTX_U32 },		{ "AuthenticationPackageName", "NTLM", EVTX_TEXT },
		{ "WorkstationName", "-", EVTX_TEXT },		{ "IpAddress", ip, EVTX_TEXT },
		{ "IpPort", "49812", EVTX_TEXT },		{ "Status", id == 4625 ? "0xc000006d" : "0x0", EVTX_TEXT },
		{ "SubStatus", id == 4625 ? "0xc000006a" : "0x0", EVTX_TEXT },
	};

	if (!evtx_add(w, t, SECURITY, host, id, 0, p, COUNT(p)))
		die("event");
}

static void
noise(struct evtx_writer *w, const char *host, int month, int day)
{
	for (int i = 0; i < 20; i++) {
		char ip[32];

		snprintf(ip, sizeof(ip), "10.0.0.%d", 30 + i % 6);
		signin(w, at(month, day, 8 + i / 4, (i * 13) % 60, i), host, people[i % 6], ip, "3", 4624);
	}
}

static void
make_dc(void)
{
	struct evtx_writer *w = evtx_new();
	const struct evtx_pair priv[] = { { "SubjectUserSid", "S-1-5-21-1-2-3-500", EVTX_TEXT }, { "SubjectUserName", "administrateur", EVTX_TEXT },
					  { "SubjectDomainName", "CORP", EVTX_TEXT }, { "SubjectLogonId", "0x51c2", EVTX_HEX64 },
					  { "PrivilegeList", "SeDebugPrivilege", EVTX_TEXT } };
	const struct evtx_pair made[] = { { "TargetUserName", "svc-sync", EVTX_TEXT }, { "TargetDomainName", "CORP", EVTX_TEXT },
					  { "TargetSid", "S-1-5-21-1-2-3-1188", EVTX_TEXT }, { "SubjectUserName", "administrateur", EVTX_TEXT },
					  { "SubjectDomainName", "CORP", EVTX_TEXT }, { "SubjectLogonId", "0x51c2", EVTX_HEX64 } };
	const struct evtx_pair added[] = { { "MemberName", "CN=svc-sync,CN=Users,DC=corp,DC=example", EVTX_TEXT }, { "MemberSid", "S-1-5-21-1-2-3-1188", EVTX_TEXT },
					   { "TargetUserName", "Admins du domaine", EVTX_TEXT }, { "TargetDomainName", "CORP", EVTX_TEXT },
					   { "TargetSid", "S-1-5-21-1-2-3-512", EVTX_TEXT }, { "SubjectUserName", "administrateur", EVTX_TEXT } };
	const struct evtx_pair cleared[] = { { "SubjectUserSid", "S-1-5-21-1-2-3-500", EVTX_TEXT }, { "SubjectUserName", "administrateur", EVTX_TEXT },
					     { "SubjectDomainName", "CORP", EVTX_TEXT }, { "SubjectLogonId", "0x51c2", EVTX_HEX64 } };

	for (int day = 1; day <= 28; day++) {
		noise(w, "DC01.corp.example", 4, day);
		if (day != 6)
			continue;
		for (int i = 0; i < 14; i++)
			signin(w, at(4, 6, 23, 2, i * 3), "DC01.corp.example", "administrateur", POOL, "3", 4625);
		signin(w, at(4, 6, 23, 9, 0), "DC01.corp.example", "administrateur", POOL, "10", 4624);
		if (!evtx_add(w, at(4, 6, 23, 9, 1), SECURITY, "DC01.corp.example", 4672, 0, priv, COUNT(priv)) ||
		    !evtx_add(w, at(4, 6, 23, 14, 0), SECURITY, "DC01.corp.example", 4720, 0, made, COUNT(made)) ||
		    !evtx_add(w, at(4, 6, 23, 15, 0), SECURITY, "DC01.corp.example", 4728, 0, added, COUNT(added)) ||
		    !evtx_add_user(w, at(4, 6, 23, 40, 0), "Security", "Microsoft-Windows-Eventlog", "DC01.corp.example", 1102, 4, "LogFileCleared",
				   cleared, COUNT(cleared)))
			die("event");
	}
	if (!evtx_save(w, path_of("DC01/Security.evtx")))
		die("DC01/Security.evtx");
	evtx_free(w);
}

static void
make_server(void)
{
	struct evtx_writer *w = evtx_new();
	const struct evtx_pair share[] = { { "SubjectUserName", "svc-sync", EVTX_TEXT }, { "SubjectDomainName", "CORP", EVTX_TEXT },
					   { "ObjectType", "File", EVTX_TEXT }, { "IpAddress", POOL, EVTX_TEXT }, { "ShareName", "\\\\*\\ADMIN$", EVTX_TEXT } };
	const struct evtx_pair service[] = { { "SubjectUserName", "svc-sync", EVTX_TEXT }, { "ServiceName", "WinSyncHelper", EVTX_TEXT },
					     { "ServiceFileName", "C:\\Windows\\Temp\\wsh.exe", EVTX_TEXT }, { "ServiceType", "0x10", EVTX_TEXT },
					     { "ServiceStartType", "2", EVTX_TEXT }, { "ServiceAccount", "LocalSystem", EVTX_TEXT } };

	for (int day = 1; day <= 28; day++) {
		noise(w, "SRV-FILES.corp.example", 5, day);
		if (day == 11) {
			signin(w, at(5, 11, 22, 10, 0), "SRV-FILES.corp.example", "svc-sync", POOL, "3", 4624);
			if (!evtx_add(w, at(5, 11, 22, 10, 5), SECURITY, "SRV-FILES.corp.example", 5140, 0, share, COUNT(share)) ||
			    !evtx_add(w, at(5, 11, 22, 11, 0), SECURITY, "SRV-FILES.corp.example", 4697, 0, service, COUNT(service)))
				die("event");
			evtx_gap(w, 37); /* single records were taken out of the live log */
		}
	}
	if (!evtx_save(w, path_of("SRV-FILES/Security.evtx")))
		die("SRV-FILES/Security.evtx");
	evtx_free(w);
}

static void
process(struct evtx_writer *w, int64_t t, const char *image, const char *command)
{
	const struct evtx_pair p[] = {
		{ "RuleName", "-", EVTX_TEXT },	    { "ProcessId", "4312", EVTX_U32 },
		{ "Image", image, EVTX_TEXT },	    { "CommandLine", command, EVTX_TEXT },
		{ "CurrentDirectory", "C:\\Windows\\system32\\", EVTX_TEXT }, { "User", "CORP\\svc-sync", EVTX_TEXT },
		{ "LogonId", "0x51c2", EVTX_HEX64 }, { "IntegrityLevel", "High", EVTX_TEXT },
		{ "ParentImage", "C:\\Windows\\System32\\cmd.exe", EVTX_TEXT }, { "ParentCommandLine", "cmd.exe", EVTX_TEXT },
	};

	if (!evtx_add(w, t, "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", "WS-COMPTA.corp.example", 1, 4, p, COUNT(p)))
		die("event");
}

static void
make_workstation(void)
{
	struct evtx_writer *w = evtx_new();
	static const char *const tools[][2] = { { "whoami.exe", "whoami /groups" }, { "nltest.exe", "nltest /domain_trusts" },
						{ "net.exe", "net group \"Admins du domaine\" /domain" }, { "arp.exe", "arp -a" } };
	static const char *const last[][2] = { { "vssadmin.exe", "vssadmin delete shadows /all /quiet" },
					       { "wbadmin.exe", "wbadmin delete catalog -quiet" },
					       { "bcdedit.exe", "bcdedit /set {default} recoveryenabled no" },
					       { "wevtutil.exe", "wevtutil cl System" } };
	char image[64];

	for (int day = 1; day <= 28; day++)
		for (int i = 0; i < 8; i++)
			process(w, at(8, day, 9 + i, 5, 0), "C:\\Program Files\\Compta\\compta.exe", "compta.exe /session");
	for (size_t i = 0; i < COUNT(tools); i++) {
		snprintf(image, sizeof(image), "C:\\Windows\\System32\\%s", tools[i][0]);
		process(w, at(8, 29, 23, 30, (int)i * 9), image, tools[i][1]);
	}
	for (size_t i = 0; i < COUNT(last); i++) {
		snprintf(image, sizeof(image), "C:\\Windows\\System32\\%s", last[i][0]);
		process(w, at(9, 4, 2, 11, (int)i * 5), image, last[i][1]);
	}
	if (!evtx_save(w, path_of("WS-COMPTA/Sysmon.evtx")))
		die("WS-COMPTA/Sysmon.evtx");
	evtx_free(w);
}

/* What no reader can read, and what is damaged. */
static void
make_damage(void)
{
	struct evtx_writer *w = evtx_new();
	FILE *f = text_file("other/notes.bin");
	const uint8_t *p;
	size_t n;

	for (int i = 0; i < 4096; i++)
		fputc((i * 37) & 0xff, f);
	fclose(f);
	for (int day = 1; day <= 10; day++)
		noise(w, "WS-OLD.corp.example", 3, day);
	if ((p = evtx_bytes(w, &n)) == NULL || (f = fopen(path_of("other/cut.evtx"), "w")) == NULL)
		die("other/cut.evtx");
	fwrite(p, 1, n - 30000, f);
	fclose(f);
	evtx_free(w);
}

int
main(int argc, char **argv)
{
	static const char *const folders[] = { "", "vpn-gateway", "web01", "DC01", "SRV-FILES", "WS-COMPTA", "other" };

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
	make_dc();
	make_server();
	make_workstation();
	make_damage();
	printf("sample case in %s\n", dir);
	return 0;
}
