/* bench/indicator.c - a set of a million indicators (or as many as the first argument says): what it takes in memory, and what an
 * event of twenty fields that meets none costs.  The mix is that of public feeds: half digests, a quarter names of hosts, addresses, URLs. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "detect/indicator.h"

#define EVENTS 256 /* different ones; few enough to be in the cache, as an event just decoded is */
#define ROUNDS 5000

static uint64_t
random64(void)
{
	static uint64_t s = 0x9e3779b97f4a7c15u;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others may use the machine too */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static vg_rc
add_one(struct vg_indicator_build *b, unsigned k, bool names)
{
	static const unsigned share[] = { 50, 75, 88, 98, 100 }; /* digests, hosts, addresses, URLs, the rest */
	unsigned r = (unsigned)(random64() % 100);
	char text[200], buf[VG_IOC_BUF], note[64];
	struct vg_ioc i = { .expires_ns = INT64_C(1800000000) * VG_SEC };
	enum vg_ioc_kind kind = VG_IOC_TEXT;

	if (r < share[0]) {
		kind = VG_IOC_SHA256;
		snprintf(text, sizeof(text), "%016llx%016llx%016llx%016llx", (unsigned long long)random64(), (unsigned long long)random64(),
			 (unsigned long long)random64(), (unsigned long long)random64());
	} else if (r < share[1]) {
		static const char *const tld[] = { "com", "net", "org", "top", "xyz", "ru", "fr", "info" };

		kind = VG_IOC_DOMAIN;
		snprintf(text, sizeof(text), "h%llx.%s", (unsigned long long)random64() >> 24, tld[random64() % VG_COUNT(tld)]);
	} else if (r < share[2]) {
		kind = VG_IOC_IP;
		snprintf(text, sizeof(text), "%u.%u.%u.%u", (unsigned)(1 + random64() % 222), (unsigned)(random64() % 256),
			 (unsigned)(random64() % 256), (unsigned)(random64() % 256));
	} else if (r < share[3]) {
		kind = VG_IOC_URL;
		snprintf(text, sizeof(text), "http://h%llx.com/%llx.php", (unsigned long long)random64() >> 24, (unsigned long long)random64() >> 40);
	} else if (random64() % 20 == 0) {
		kind = VG_IOC_NET;
		snprintf(text, sizeof(text), "%u.%u.%u.0/24", (unsigned)(1 + random64() % 222), (unsigned)(random64() % 256), (unsigned)(random64() % 256));
	} else if (names) {
		kind = random64() % 2 ? VG_IOC_FILE : VG_IOC_USER;
		snprintf(text, sizeof(text), "t%llx%s", (unsigned long long)random64() >> 40, kind == VG_IOC_FILE ? ".exe" : "");
	} else {
		return VG_OK;
	}
	snprintf(note, sizeof(note), "campaign %u", k / 20);
	i.note = vg_str_of(note);
	return vg_ioc_set(&i, kind, vg_str_of(text), buf) == VG_OK ? vg_indicator_build_add(b, VG_STR("feed.csv"), &i) : VG_OK;
}

/* Sysmon's process creation, as it comes: 23 fields, 900 bytes. */
static void
make_event(struct vg_event *e, struct vg_arena *a)
{
	static const char *const shape[][2] = {
		{ "EventID", "1" }, { "Channel", "Microsoft-Windows-Sysmon/Operational" }, { "Computer", "pc%02u.corp.local" },
		{ "UtcTime", "2026-04-03 08:12:45.1%02u" }, { "ProcessGuid", "{b3c0e1f2-27d1-6243-%02u03-000000001500}" }, { "ProcessId", "45%02u" },
		{ "Image", "C:\\Windows\\System32\\task%02u.exe" }, { "FileVersion", "10.0.19041.1 (WinBuild.160101.08%02u)" },
		{ "Description", "Windows task %02u" }, { "Product", "Microsoft Windows Operating System" }, { "Company", "Microsoft Corporation" },
		{ "OriginalFileName", "Task%02u.Exe" }, { "CommandLine", "\"C:\\Windows\\System32\\task%02u.exe\" /c copy \\\\server.corp.local\\share\\a.docx c:\\temp" },
		{ "CurrentDirectory", "C:\\Users\\user%02u\\" }, { "User", "CORP\\user%02u" }, { "LogonGuid", "{b3c0e1f2-27d1-6243-%02u03-000000001501}" },
		{ "LogonId", "0x3e7%02u" }, { "IntegrityLevel", "Medium" },
		{ "Hashes", "MD5=0123456789abcdef0123456789abcd%02u,SHA256=00112233445566778899aabbccddeeff00112233445566778899aabbccddee%02u" },
		{ "ParentImage", "C:\\Windows\\explorer.exe" }, { "ParentCommandLine", "C:\\Windows\\Explorer.EXE" },
		{ "SourceIp", "10.1.2.%u" }, { "DestinationIp", "192.0.2.%u" },
	};
	unsigned v = (unsigned)(random64() % 100);

	for (size_t i = 0; i < VG_COUNT(shape); i++) {
		vg_str value = VG_NIL, s = vg_str_of(shape[i][1]);
		size_t at = vg_str_find(s, VG_STR("%"));

		while (at != VG_NPOS) { /* the number in place of its sign */
			size_t n = s.p[at + 1] == 'u' ? 2 : 4;

			value = vg_arena_printf(a, "%.*s%.*s%02u", VG_STR_ARG(value), (int)at, s.p, v);
			s = vg_str_skip(s, at + n);
			at = vg_str_find(s, VG_STR("%"));
		}
		(void)vg_event_add(e, vg_str_of(shape[i][0]), VG_KIND_TEXT, vg_arena_printf(a, "%.*s%.*s", VG_STR_ARG(value), VG_STR_ARG(s)));
	}
}

static vg_rc
on_hit(void *ctx, const struct vg_event *e, const struct vg_indicator_hit *h)
{
	(void)e;
	(void)h;
	++*(uint64_t *)ctx;
	return VG_OK;
}

static int
run(const struct vg_indicators *x, const char *what)
{
	static struct vg_event event[EVENTS];
	struct vg_keys *keys = vg_keys_new();
	struct vg_arena a;
	uint64_t hits = 0;
	size_t bytes = 0, fields = 0;
	double begin;

	vg_arena_init(&a, (size_t)1 << 30);
	for (size_t i = 0; i < EVENTS; i++) {
		event[i] = (struct vg_event){ .arena = &a, .keys = keys };
		make_event(&event[i], &a);
		fields = event[i].nfield;
		for (uint32_t k = 0; k < event[i].nfield; k++)
			bytes += event[i].field[k].value.n;
	}
	begin = now_s();
	for (unsigned r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < EVENTS; i++)
			if (vg_indicators_match(x, &event[i], 0, on_hit, &hits) != VG_OK)
				return 1;
	printf("%s: %.0f ns an event of %zu fields and %zu bytes, %llu hits\n", what, (now_s() - begin) * 1e9 / (ROUNDS * EVENTS), fields,
	       bytes / EVENTS, (unsigned long long)hits);
	vg_arena_fini(&a);
	vg_keys_free(keys);
	return 0;
}

static int
measure(unsigned n, bool names)
{
	struct vg_indicator_build *b = vg_indicator_build_new();
	struct vg_indicator_made made;
	struct vg_indicators x;
	struct vg_buf out = { 0 };
	double begin = now_s(), built, loaded;
	int code;

	for (unsigned k = 0; b && k < n; k++)
		if (add_one(b, k, names) != VG_OK)
			return 1;
	if (b == NULL || vg_indicator_build_finish(b, &out, &made) != VG_OK)
		return 1;
	vg_indicator_build_free(b);
	built = now_s();
	if (vg_indicators_load(vg_buf_str(&out), &x) != VG_OK)
		return 1;
	loaded = now_s();
	printf("%u entries, %.1f MB, %u without their note; built in %.2f s, loaded in %.1f ms\n", made.entries, (double)out.n / 1e6,
	       made.unnoted, built - begin, (loaded - built) * 1e3);
	code = run(&x, names ? "with names of files and users" : "without names of files and users");
	vg_buf_fini(&out);
	return code;
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000000;

	return measure(n, false) || measure(n, true);
}
