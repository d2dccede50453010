/* The story of design.md as a made-up story, and one whose every name is hostile: what reports are tested with. */
#ifndef TEST_CASE_DEMO_H
#define TEST_CASE_DEMO_H

#include <stdio.h>

#include "../trace/made.h"
#include "source/format.h"
#include "trace/story.h"

static const struct made_rule demo_rules[] = {
	{ "4e5b8e3c-0001", "VPN sign-in from a country never seen before", "Vigie", "Apache-2.0",
	  "A remote-access session from a network where this account never came from.", "rules/vpn_first_country.yml",
	  "attack.initial-access attack.t1133", VG_LEVEL_HIGH },
	{ "4e5b8e3c-0002", "VPN sign-in outside working hours", "Vigie", "Apache-2.0", "A session at night or on Sunday.",
	  "rules/vpn_hours.yml", "attack.initial-access attack.t1078", VG_LEVEL_LOW },
	{ "4e5b8e3c-0003", "Local user account created", "Example Author", "DRL 1.1", "A user was created on a member server.",
	  "rules/user_created.yml", "attack.persistence attack.t1136.001", VG_LEVEL_MEDIUM },
	{ "4e5b8e3c-0004", "User added to Domain Admins", "Example Author", "DRL 1.1",
	  "Membership of a group that may do everything.\nCheck who approved it.", "rules/domain_admins.yml",
	  "attack.persistence attack.privilege-escalation attack.t1098", VG_LEVEL_HIGH },
	{ "4e5b8e3c-0005", "Security event log cleared", "Example Author, Another Author", "DRL 1.1",
	  "Event 1102: the log was emptied by a person, or by a tool.", "rules/cleared.yml",
	  "attack.stealth attack.t1070.001 attack.defense-impairment attack.t1685.005", VG_LEVEL_HIGH },
	{ "4e5b8e3c-0006", "Service installed from a temporary folder", "Third Author", "DRL 1.1",
	  "A service whose program lies where no program should.", "rules/service_tmp.yml",
	  "attack.persistence attack.privilege-escalation attack.t1543.003", VG_LEVEL_HIGH },
	{ "4e5b8e3c-0007", "PowerShell with an encoded command line", "Third Author", "DRL 1.1", "What it runs is hidden from the eye.",
	  "rules/powershell_enc.yml", "attack.execution attack.t1059.001", VG_LEVEL_MEDIUM },
	{ "4e5b8e3c-0008", "LSASS memory read by an unusual process", "Fourth Author (@fourth)", "DRL 1.1",
	  "Passwords and tickets are kept there.", "rules/lsass.yml", "attack.credential-access attack.t1003.001", VG_LEVEL_CRITICAL },
	{ "4e5b8e3c-0009", "Network share enumeration", "Fourth Author (@fourth)", "DRL 1.1", "Shares are listed one after the other.",
	  "rules/shares.yml", "attack.discovery attack.t1135", VG_LEVEL_LOW },
	{ "4e5b8e3c-0010", "Remote desktop to a server from a workstation, first time", "Vigie", "Apache-2.0",
	  "A step from machine to machine that was never taken before.", "rules/rdp_first.yml",
	  "attack.lateral-movement attack.t1021.001", VG_LEVEL_MEDIUM },
	{ "4e5b8e3c-0011", "Shadow copies deleted", "Fifth Author", "DRL 1.1", "Restore points are removed before files are encrypted.",
	  "rules/shadow.yml", "attack.impact attack.t1490", VG_LEVEL_CRITICAL },
	{ "4e5b8e3c-0012", "Backup catalogue removed", "Fifth Author", "DRL 1.1", "The list of backups is deleted.", "rules/catalog.yml",
	  "attack.impact attack.t1490", VG_LEVEL_HIGH },
	{ "4e5b8e3c-0013", "Many files renamed with one new ending", "Vigie", "Apache-2.0", "Typical of files being encrypted.",
	  "rules/renamed.yml", "attack.impact attack.t1486", VG_LEVEL_CRITICAL },
	{ "4e5b8e3c-0014", "Whoami executed", "Sixth Author", "DRL 1.1", "Often the first question of someone who just came in.",
	  "rules/whoami.yml", "attack.discovery attack.t1033", VG_LEVEL_LOW },
	{ "4e5b8e3c-0015", "Failed sign-ins of many accounts from one source", "Vigie", "Apache-2.0",
	  "One password tried on many names.", "rules/spray.yml", "attack.credential-access attack.t1110.003", VG_LEVEL_MEDIUM },
	{ "4e5b8e3c-0016", "Sign-in with an unusual logon type", "Sixth Author", "DRL 1.1", "", "rules/logon.yml", "", VG_LEVEL_INFO },
};
#define DEMO_RULES (sizeof(demo_rules) / sizeof(demo_rules[0]))

struct demo {
	struct made *made;
	struct vg_keys *keys;
	struct vg_arena arena;
	struct vg_story *story;
};

static const char *demo_hosts[] = { "VPN-GW01", "DC01.corp.example", "SRV-FILES.corp.example", "SRV-BACKUP.corp.example",
				    "PC-COMPTA-07.corp.example", "ESXI-02", "SRV-ERP.corp.example" };

static void
demo_signal(struct demo *d, uint32_t rule, int64_t t, const char *host, const char *user, const char *ip)
{
	struct vg_event e;
	struct vg_signal g = { .rule = rule, .time_ns = t, .first_ns = t, .count = 1, .event = &e,
			       .file = VG_STR("evidence/DC01/Security.evtx") };
	static const char *const field[][2] = {
		{ "Image", "C:\\Windows\\Temp\\svchost32.exe" },
		{ "CommandLine", "powershell.exe -NoP -W Hidden -Enc SQBFAFgAKABOAGUAdwAtAE8AYgBqAGUAYwB0ACAATgBlAHQALgBXAGUAYgBDAGwAaQBlAG4AdAApAC4ARABvAHcAbgBsAG8AYQBkAFMAdAByAGkAbgBnACgA" },
		{ "ParentImage", "C:\\Windows\\System32\\services.exe" },
		{ "LogonId", "0x3e7a91c" },
	};

	vg_arena_reset(&d->arena);
	vg_event_init(&e, &d->arena, d->keys);
	e.time_ns = t;
	e.record = 18231 + rule;
	e.host = vg_str_of(host);
	e.channel = VG_STR("Security");
	e.code = VG_STR("4688");
	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		if (vg_event_add(&e, vg_str_of(field[i][0]), VG_KIND_TEXT, vg_str_of(field[i][1])) != VG_OK)
			abort();
	if (vg_event_add(&e, VG_STR("user.name"), VG_KIND_TEXT, vg_str_of(user)) != VG_OK ||
	    vg_event_add(&e, VG_STR("source.ip"), VG_KIND_TEXT, vg_str_of(ip)) != VG_OK ||
	    vg_story_signal(d->story, &g) != VG_OK)
		abort();
}

static void
demo_fact(struct demo *d, struct vg_fact f)
{
	if (vg_story_fact(d->story, &f, VG_STR("evidence/DC01/Security.evtx")) != VG_OK)
		abort();
}

static void
demo_path(struct demo *d, int64_t t, enum vg_fact_kind kind, const char *ip, const char *user, const char *host, uint16_t type)
{
	char id[32];
	struct vg_fact f = { .kind = (uint8_t)kind, .time_ns = t, .source_ip = vg_str_of(ip), .user = vg_str_of(user),
			     .host = vg_str_of(host), .logon_type = type, .channel = VG_STR("Security"), .session = VG_STR("x") };

	snprintf(id, sizeof(id), "0x%llx", (unsigned long long)t);
	f.session = vg_str_of(id);
	demo_fact(d, f);
	if (kind != VG_FACT_SIGN_IN && kind != VG_FACT_VPN_START)
		return;
	f.kind = VG_FACT_SIGN_OUT;
	f.time_ns = t + 3 * VG_HOUR + 11 * VG_MIN;
	demo_fact(d, f);
}

static struct demo *
demo_begin(const struct made_rule *rules, uint32_t n)
{
	struct demo *d = calloc(1, sizeof(*d));

	d->made = made_new(rules, n);
	d->keys = vg_keys_new();
	vg_arena_init(&d->arena, 1 << 20);
	d->story = vg_story_new(&d->made->p, (size_t)64 << 20);
	return d;
}

static void
demo_free(struct demo *d)
{
	vg_story_free(d->story);
	vg_arena_fini(&d->arena);
	vg_keys_free(d->keys);
	made_free(d->made);
	free(d);
}

static void
demo_totals(struct demo *d, uint64_t events)
{
	struct vg_story_totals *t = vg_story_totals(d->story);

	t->events = events;
	t->rules_loaded = 3797;
	t->rules_refused = 4;
	t->rules_applicable = 2866;
}

static void
demo_files(struct demo *d)
{
	static const struct vg_file_report file[] = {
		{ .path = VG_STR_INIT("evidence/DC01/Security.evtx"), .format = VG_STR_INIT("evtx"), .bytes = 134217728, .events = 812344,
		  .signals = 210, .note = { [VG_NOTE_DIRTY] = 1, [VG_NOTE_CHECKSUM] = 2 },
		  .note_text = { [VG_NOTE_CHECKSUM] = VG_STR_INIT("chunk 214: checksum differs") } },
		{ .path = VG_STR_INIT("evidence/VPN-GW01/fortigate.log.gz"), .format = VG_STR_INIT("syslog"), .bytes = 18231231,
		  .events = 402113, .signals = 12, .no_time = 3, .unknown_source = 120 },
		{ .path = VG_STR_INIT("evidence/PC-COMPTA-07/NTUSER.DAT"), .bytes = 2310144, .why_not = VG_STR_INIT("no known format") },
		{ .path = VG_STR_INIT("evidence/SRV-FILES/System.evtx"), .format = VG_STR_INIT("evtx"), .bytes = 20975616, .events = 30211,
		  .why_not = VG_STR_INIT("cut short at byte 14,221,312: the file ends inside a chunk") },
	};

	for (size_t i = 0; i < sizeof(file) / sizeof(file[0]); i++)
		if (vg_story_file(d->story, &file[i]) != VG_OK)
			abort();
}

/* April to September, as design.md tells it. */
static const struct vg_story_view *
demo_story(struct demo *d)
{
	const int64_t april = vg_time_parse(VG_STR("2026-04-03T02:14:07Z"), 0);
	static const char *const in = "203.0.113.77";

	demo_totals(d, 1244668);
	demo_files(d);
	for (int i = 0; i < 7; i++) {
		if (vg_story_seen(d->story, vg_str_of(demo_hosts[i]), VG_STR("Security"), 100000, april - 20 * VG_DAY, april + 180 * VG_DAY,
				  true) != VG_OK)
			abort();
	}
	if (vg_story_seen(d->story, vg_str_of(demo_hosts[2]), VG_STR("Microsoft-Windows-PrintService/Operational"), 5120, april, april,
			  false) != VG_OK ||
	    vg_story_seen(d->story, vg_str_of(demo_hosts[5]), VG_STR("vmkernel"), 88123, april, april, false) != VG_OK)
		abort();
	for (int i = 0; i < 40; i++)
		demo_path(d, april + (int64_t)i * 4 * VG_DAY, VG_FACT_VPN_START, in, "p.martin", demo_hosts[0], 0);
	demo_path(d, april - 2 * VG_DAY, VG_FACT_VPN_FAILED, in, "p.martin", demo_hosts[0], 0);
	demo_path(d, april - 2 * VG_DAY, VG_FACT_VPN_FAILED, in, "admin", demo_hosts[0], 0);
	demo_path(d, april + 2 * VG_HOUR, VG_FACT_SIGN_IN, "10.8.0.14", "p.martin", demo_hosts[4], 10);
	demo_path(d, april + 3 * VG_DAY, VG_FACT_SIGN_IN, "10.20.1.107", "p.martin", demo_hosts[1], 3);
	demo_path(d, april + 4 * VG_DAY, VG_FACT_SIGN_IN, "10.20.1.107", "svc-maint", demo_hosts[1], 10);
	for (int i = 0; i < 12; i++)
		demo_path(d, april + 30 * VG_DAY + i * VG_DAY, VG_FACT_SIGN_IN, "10.20.1.107", "svc-maint", demo_hosts[i % 5 + 1], 10);
	demo_path(d, april + 90 * VG_DAY, VG_FACT_SIGN_IN, "10.20.1.107", "root", demo_hosts[5], 0);
	for (int i = 0; i < 6; i++) {
		char user[16], ip[24];

		snprintf(user, sizeof(user), "user%d", i);
		snprintf(ip, sizeof(ip), "10.20.1.%d", 20 + i);
		demo_path(d, april + i * VG_DAY, VG_FACT_SIGN_IN, ip, user, demo_hosts[2], 3);
	}
	demo_fact(d, (struct vg_fact){ .kind = VG_FACT_ACCOUNT_CREATED, .time_ns = april + 3 * VG_DAY + VG_HOUR, .host = vg_str_of(demo_hosts[1]),
				       .user = VG_STR("p.martin"), .target = VG_STR("svc-maint") });
	demo_fact(d, (struct vg_fact){ .kind = VG_FACT_GROUP_ADDED, .time_ns = april + 3 * VG_DAY + 2 * VG_HOUR,
				       .host = vg_str_of(demo_hosts[1]), .user = VG_STR("p.martin"), .target = VG_STR("Domain Admins"),
				       .member = VG_STR("svc-maint") });
	demo_fact(d, (struct vg_fact){ .kind = VG_FACT_TASK, .time_ns = april + 60 * VG_DAY, .host = vg_str_of(demo_hosts[2]),
				       .user = VG_STR("svc-maint"), .target = VG_STR("\\Microsoft\\Windows\\Update\\Check") });
	for (int i = 0; i < 5; i++)
		demo_fact(d, (struct vg_fact){ .kind = VG_FACT_LOG_CLEARED, .time_ns = april + (4 + 31 * i) * VG_DAY,
					       .host = vg_str_of(demo_hosts[1 + i % 3]), .user = VG_STR("svc-maint"),
					       .target = i % 2 ? VG_STR("System") : VG_STR("Security") });
	demo_fact(d, (struct vg_fact){ .kind = VG_FACT_LOGGING_STOPPED, .time_ns = april + 40 * VG_DAY, .host = vg_str_of(demo_hosts[6]),
				       .target = VG_STR("Security") });
	if (vg_story_gap(d->story, &(struct vg_erasure){ .kind = VG_ERASE_GAP, .host = vg_str_of(demo_hosts[3]), .log = VG_STR("Security"),
							 .file = VG_STR("evidence/SRV-BACKUP/Security.evtx"), .time_ns = april + 140 * VG_DAY,
							 .until_ns = april + 141 * VG_DAY, .missing = 18233 }) != VG_OK)
		abort();
	for (int i = 0; i < 40; i++)
		demo_signal(d, 1, april + (int64_t)i * 4 * VG_DAY, demo_hosts[0], "p.martin", in);
	demo_signal(d, 0, april, demo_hosts[0], "p.martin", in);
	demo_signal(d, 14, april - 2 * VG_DAY, demo_hosts[0], "", in);
	demo_signal(d, 2, april + 3 * VG_DAY + VG_HOUR, demo_hosts[1], "svc-maint", "");
	demo_signal(d, 3, april + 3 * VG_DAY + 2 * VG_HOUR, demo_hosts[1], "svc-maint", "");
	for (int i = 0; i < 5; i++)
		demo_signal(d, 4, april + (4 + 31 * i) * VG_DAY, demo_hosts[1 + i % 3], "svc-maint", "");
	for (int i = 0; i < 4; i++) {
		demo_signal(d, 5, april + (20 + 15 * i) * VG_DAY, demo_hosts[1 + i], "svc-maint", "");
		demo_signal(d, 6, april + (22 + 15 * i) * VG_DAY, demo_hosts[1 + i], "svc-maint", "");
		demo_signal(d, 9, april + (30 + 5 * i) * VG_DAY, demo_hosts[1 + i], "svc-maint", "10.20.1.107");
		demo_signal(d, 13, april + (2 + 7 * i) * VG_DAY, demo_hosts[3 + i], "p.martin", "");
	}
	demo_signal(d, 7, april + 50 * VG_DAY, demo_hosts[1], "svc-maint", "");
	for (int i = 0; i < 300; i++)
		demo_signal(d, 8, april + 120 * VG_DAY + i * VG_HOUR, demo_hosts[2], "svc-maint", "10.20.1.107");
	demo_signal(d, 11, april + 150 * VG_DAY, demo_hosts[3], "svc-maint", "");
	for (int i = 0; i < 3; i++)
		demo_signal(d, 10, april + 165 * VG_DAY + i * VG_HOUR, demo_hosts[2 + i], "svc-maint", "");
	for (int i = 0; i < 1200; i++)
		demo_signal(d, 12, april + 166 * VG_DAY + i * VG_SEC, demo_hosts[2 + i % 5], "svc-maint", "");
	for (int i = 0; i < 2000; i++)
		demo_signal(d, 15, april + i * VG_HOUR, demo_hosts[i % 7], "user1", "10.20.1.21");
	return vg_story_finish(d->story);
}

#endif
