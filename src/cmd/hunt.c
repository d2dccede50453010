/* cmd/hunt.c - `vigie hunt`. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/common.h"
#include "hunt/hunt.h"

#define CACHE_BYTES ((size_t)16 << 20) /* of each worker */

const struct vg_opt vg_hunt_opts[] = {
	VG_RULE_OPTIONS,
	{ "--indicators", VG_OPT_LIST, "FILE", "indicators of compromise: CSV, MISP JSON, STIX 2.1 (may be repeated)" },
	{ "--from", VG_OPT_TEXT, "TIME", "only events from then on (2026-04-03 or 2026-04-03T08:00:00Z)" },
	{ "--to", VG_OPT_TEXT, "TIME", "only events until then" },
	{ "--level", VG_OPT_TEXT, "LEVEL", "report from this level on (informational, low, medium, high, critical)" },
	{ "--fail-on", VG_OPT_TEXT, "LEVEL", "exit with 1 when a signal of this level or over is found" },
	{ "--jobs", VG_OPT_TEXT, "N", "processes that read at one time (default: the cores)" },
	{ "--carve", VG_OPT_FLAG, NULL, "also records from slack and damaged chunks, flagged as such" },
	{ "--zone", VG_OPT_TEXT, "OFFSET", "zone of times that have none, as +02:00 (default: UTC)" },
	{ "--report", VG_OPT_TEXT, "FILE", "write the HTML report there" },
	{ "--output", VG_OPT_TEXT, "FILE", "write signals there; - is standard output" },
	{ "--format", VG_OPT_TEXT, "NAME", "of --output: table, jsonl, csv, timesketch, navigator, stix (default: jsonl)" },
	{ "--lang", VG_OPT_TEXT, "LANG", "of the summary and the report: en or fr (default: the locale's)" },
	{ "--quiet", VG_OPT_FLAG, NULL, "no summary, no progress" },
	{ "--no-cache", VG_OPT_FLAG, NULL, "compile the rules anew, and keep nothing on disk" },
	{ "--no-value-cache", VG_OPT_FLAG, NULL, "do not remember results of repeated values (for measuring)" },
	{ "--portable", VG_OPT_FLAG, NULL, "use the portable matcher in place of Hyperscan" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

static volatile int stop;

static void
on_interrupt(int sig)
{
	(void)sig;
	stop = 1;
}

static unsigned
cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static bool
take_time(const struct vg_args *a, const char *name, int64_t *out)
{
	const char *text = vg_arg(a, name);

	*out = VG_TIME_NONE;
	if (text == NULL)
		return true;
	*out = vg_time_parse(vg_str_of(text), 0);
	if (*out == VG_TIME_NONE)
		vg_log(VG_LOG_ERROR, "hunt: %s %s: not a time; write 2026-04-03 or 2026-04-03T08:00:00Z", name, text);
	return *out != VG_TIME_NONE;
}

static bool
take_level(const struct vg_args *a, const char *name, enum vg_level missing, enum vg_level *out)
{
	const char *text = vg_arg(a, name);

	*out = missing;
	if (text == NULL || vg_level_parse(vg_str_of(text), out))
		return true;
	vg_log(VG_LOG_ERROR, "hunt: %s %s: no such level; one of informational, low, medium, high, critical", name, text);
	return false;
}

static bool
take_zone(const struct vg_args *a, int *out)
{
	const char *text = vg_arg(a, "--zone");
	char stamp[64];
	int64_t t;

	*out = 0;
	if (text == NULL)
		return true;
	snprintf(stamp, sizeof(stamp), "2000-01-01T00:00:00%s", text);
	t = vg_time_parse(vg_str_of(stamp), 0);
	if (t == VG_TIME_NONE) {
		vg_log(VG_LOG_ERROR, "hunt: --zone %s: not an offset; write +02:00, -05:00 or Z", text);
		return false;
	}
	*out = (int)((INT64_C(946684800) * VG_SEC - t) / VG_SEC);
	return true;
}

/* Where --output goes, by format. */
static bool
take_output(const struct vg_args *a, struct vg_hunt_options *o, struct vg_output *file)
{
	static const char *const rows[] = { "table", "jsonl", "csv", "timesketch" };
	const char *format = vg_arg(a, "--format"), *path = vg_arg(a, "--output");
	int *fd = NULL;

	if (format && path == NULL)
		path = "-";
	if (path == NULL)
		return true;
	if (format == NULL)
		format = "jsonl";
	for (size_t i = 0; i < VG_COUNT(rows); i++)
		if (strcmp(format, rows[i]) == 0) {
			o->rows = (enum vg_rows)i;
			fd = &o->rows_fd;
		}
	if (strcmp(format, "navigator") == 0)
		fd = &o->navigator_fd;
	if (strcmp(format, "stix") == 0)
		fd = &o->stix_fd;
	if (fd == NULL) {
		vg_log(VG_LOG_ERROR, "hunt: --format %s: one of table, jsonl, csv, timesketch, navigator, stix", format);
		return false;
	}
	if (strcmp(path, "-") == 0) {
		*fd = STDOUT_FILENO;
		o->summary_fd = -1; /* one thing at a time on standard output */
		return true;
	}
	if (!vg_output_open(file, path))
		return false;
	*fd = file->fd;
	return true;
}

static void
look_at_terminal(const struct vg_args *a, struct vg_hunt_options *o)
{
	const char *lang = vg_arg(a, "--lang"), *locale = getenv("LC_ALL"), *term = getenv("TERM");
	bool tty = isatty(STDOUT_FILENO) == 1;
	struct winsize w = { 0 };

	if (!(locale && *locale))
		locale = getenv("LC_MESSAGES");
	if (!(locale && *locale))
		locale = getenv("LANG");
	o->report = (struct vg_report_options){ .lang = vg_lang_of(lang ? lang : locale), .columns = 80, .rows = 24,
						.min_level = o->level, .version = VIGIE_VERSION, .unicode = true };
	if (tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 40 && w.ws_row >= 20) {
		o->report.columns = w.ws_col;
		o->report.rows = w.ws_row;
	}
	o->report.colour = tty && getenv("NO_COLOR") == NULL && term && strcmp(term, "dumb") != 0;
	o->progress = isatty(STDERR_FILENO) == 1 && !vg_arg_set(a, "--quiet");
}

static bool
take_options(const struct vg_args *a, struct vg_hunt_options *o, struct vg_output file[2], enum vg_level *fail_on)
{
	const char *jobs = vg_arg(a, "--jobs"), *lang = vg_arg(a, "--lang"), *html = vg_arg(a, "--report");
	uint64_t n = cores();

	*o = (struct vg_hunt_options){ .rows_fd = -1, .html_fd = -1, .navigator_fd = -1, .stix_fd = -1,
				       .summary_fd = vg_arg_set(a, "--quiet") ? -1 : STDOUT_FILENO, .stop = &stop };
	if (!take_time(a, "--from", &o->from_ns) || !take_time(a, "--to", &o->to_ns) || !take_zone(a, &o->zone_s) ||
	    !take_level(a, "--level", VG_LEVEL_INFO, &o->level) || !take_level(a, "--fail-on", VG_LEVELS, fail_on))
		return false;
	if (jobs && (!vg_str_u64(vg_str_of(jobs), &n) || n == 0 || n > 64)) {
		vg_log(VG_LOG_ERROR, "hunt: --jobs %s: a number from 1 to 64", jobs);
		return false;
	}
	if (lang && strcmp(lang, "en") != 0 && strcmp(lang, "fr") != 0) {
		vg_log(VG_LOG_ERROR, "hunt: --lang %s: en or fr", lang);
		return false;
	}
	if (o->from_ns != VG_TIME_NONE && o->to_ns != VG_TIME_NONE && o->from_ns > o->to_ns) {
		vg_log(VG_LOG_ERROR, "hunt: --from %s is after --to %s", vg_arg(a, "--from"), vg_arg(a, "--to"));
		return false;
	}
	o->jobs = (unsigned)n;
	o->carve = vg_arg_set(a, "--carve");
	o->cache_bytes = vg_arg_set(a, "--no-value-cache") ? 0 : CACHE_BYTES;
	look_at_terminal(a, o);
	if (html && !vg_output_open(&file[0], html))
		return false;
	o->html_fd = file[0].fd;
	return take_output(a, o, &file[1]);
}

static int
say_result(const struct vg_args *a, const struct vg_knowledge *k, const struct vg_hunt_result *r, enum vg_level fail_on)
{
	const char *html = vg_arg(a, "--report");

	if (k->ours_only && !vg_arg_set(a, "--quiet"))
		vg_log(VG_LOG_INFO, "only the %u rules of Vigie ran; SigmaHQ's were not found (--rules DIR, or FILES in vigie(1))",
		       k->program.nrule);
	if (html && !vg_arg_set(a, "--quiet"))
		vg_log(VG_LOG_INFO, "report: %s", html);
	for (unsigned l = fail_on; l < VG_LEVELS; l++)
		if (r->level[l])
			return VG_EXIT_FOUND;
	if (r->files && r->files_bad == r->files && r->events == 0) {
		vg_log(VG_LOG_ERROR, "none of the %llu files could be read; the summary says why",
		       (unsigned long long)r->files);
		return VG_EXIT_INPUT;
	}
	return VG_EXIT_OK;
}

/* --only-rules leaves our own out, but for the one that indicators are matches of. */
static int
load_knowledge(const struct vg_args *a, struct vg_knowledge *k)
{
	struct vg_args b = *a;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/rules/indicators", vg_data_dir());
	for (size_t i = 0; vg_arg_set(a, "--only-rules") && vg_arg_set(a, "--indicators") && b.opt[i].name; i++)
		if (strcmp(b.opt[i].name, "--rules") == 0 && b.value[i].n < VG_OPT_LIST_MAX)
			b.value[i].text[b.value[i].n++] = path;
	return vg_load_knowledge(&b, k);
}

static int
take_indicators(const struct vg_args *a, const struct vg_knowledge *k, struct vg_indicators *set, struct vg_hunt_options *o)
{
	const struct vg_program *p = &k->program;
	int code;

	if (!vg_arg_set(a, "--indicators"))
		return VG_EXIT_OK;
	if ((code = vg_load_indicators(a, set)) != VG_EXIT_OK)
		return code;
	for (uint32_t i = 0; i < p->nrule; i++)
		if (vg_str_eq(vg_program_str(p, p->rule[i].id), VG_STR(VG_HUNT_INDICATOR_RULE))) {
			o->indicator_rule = i;
			o->indicators = set;
			return VG_EXIT_OK;
		}
	vg_log(VG_LOG_ERROR, "hunt: --indicators: the rule \"Indicator met\" is not among those loaded (rules/indicators beside the program, or in VIGIE_DATA)");
	return VG_EXIT_FAILED;
}

int
vg_cmd_hunt(const struct vg_args *a)
{
	struct vg_indicators set;
	struct vg_hunt_options o;
	struct vg_file_list files = { 0 };
	struct vg_knowledge k;
	struct vg_hunt_result res;
	struct vg_output file[2] = { { .fd = -1 }, { .fd = -1 } }; /* --report, --output */
	enum vg_level fail_on;
	char why[400];
	int code = VG_EXIT_FAILED;
	vg_rc rc;

	if (!take_options(a, &o, file, &fail_on)) {
		code = VG_EXIT_USAGE;
		goto files;
	}
	if ((code = vg_gather_files(a, &files)) != VG_EXIT_OK)
		goto files;
	if ((code = load_knowledge(a, &k)) != VG_EXIT_OK)
		goto files;
	if ((code = take_indicators(a, &k, &set, &o)) != VG_EXIT_OK)
		goto knowledge;
	(void)signal(SIGINT, on_interrupt);
	(void)signal(SIGTERM, on_interrupt);
	rc = vg_hunt(&files, &k, &o, &res, why);
	if (rc == VG_OK && vg_output_close(&file[0], true) && vg_output_close(&file[1], true)) {
		code = say_result(a, &k, &res, fail_on);
	} else if (rc == VG_E_STOP) {
		vg_log(VG_LOG_WARNING, "interrupted: nothing was written");
		code = VG_EXIT_STOPPED;
	} else if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "hunt: %s", why[0] ? why : vg_rc_name(rc));
		code = VG_EXIT_FAILED;
	}
knowledge:
	vg_knowledge_fini(&k);
files:
	(void)vg_output_close(&file[0], false);
	(void)vg_output_close(&file[1], false);
	vg_files_fini(&files);
	return code;
}
