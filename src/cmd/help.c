/* cmd/help.c - help, completion and version, from the tables. */
#include <archive.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "knowledge/knowledge.h"
#include "source/format.h"

#define COLUMNS 80

static void
wrapped(const char *text, size_t indent, size_t col)
{
	struct vg_buf b = { 0 };

	vg_buf_wrap(&b, vg_str_of(text), indent, col, COLUMNS);
	fwrite(b.p, 1, b.n, stdout);
	vg_buf_fini(&b);
}

void
vg_help_print(const struct vg_command *c)
{
	if (c == NULL) {
		puts("usage: vigie COMMAND [OPTIONS] [ARGUMENTS]\n");
		puts("The watch of a small company: evidence in, the attack's story out.\n");
		for (c = vg_commands; c->name; c++) {
			printf("  %-20s ", c->name);
			wrapped(c->summary, 23, 23);
		}
		puts("\n`vigie help COMMAND` says more.  Exit codes: 0 done, 1 found (--fail-on) or\n"
		     "refused, 2 wrong command line, 3 nothing could be read, 4 failed,\n130 interrupted.");
		return;
	}
	printf("usage: vigie %s %s\n\n%s.\n", c->name, c->synopsis, c->summary);
	if (c->details) {
		putchar('\n');
		wrapped(c->details, 0, 0);
	}
	if (c->opt[0].name)
		puts("\nOptions");
	for (const struct vg_opt *o = c->opt; o->name; o++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		printf("  %-18s ", left);
		wrapped(o->help, 21, strlen(left) > 18 ? strlen(left) + 3 : 21);
	}
}

int
vg_cmd_help(const struct vg_args *a)
{
	char name[64] = "";

	if (a->noperand == 0) {
		vg_help_print(NULL);
		return VG_EXIT_OK;
	}
	for (size_t i = 0; i < a->noperand; i++) {
		size_t n = strlen(name);

		snprintf(name + n, sizeof(name) - n, "%s%s", n ? " " : "", a->operand[i]);
	}
	for (const struct vg_command *c = vg_commands; c->name; c++)
		if (strcmp(c->name, name) == 0) {
			vg_help_print(c);
			return VG_EXIT_OK;
		}
	vg_log(VG_LOG_ERROR, "no such command: %s (`vigie help` lists them)", name);
	return VG_EXIT_USAGE;
}

int
vg_cmd_completion(const struct vg_args *a)
{
	if (strcmp(a->operand[0], "bash") != 0) {
		vg_log(VG_LOG_ERROR, "completion: only bash is known, not %s", a->operand[0]);
		return VG_EXIT_USAGE;
	}
	puts("# bash completion for vigie\n_vigie() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	     "\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in");
	for (const struct vg_command *c = vg_commands; c->name; c++) {
		if (c->opt[0].name == NULL)
			continue;
		printf("\t\"%s\"%s) words=\"", c->name, strchr(c->name, ' ') ? "" : "\\ *");
		for (const struct vg_opt *o = c->opt; o->name; o++)
			printf("%s%s", o == c->opt ? "" : " ", o->name);
		puts("\" ;;");
	}
	puts("\tesac\n\tif [ \"$COMP_CWORD\" = 1 ]; then");
	fputs("\t\twords=\"", stdout);
	for (const struct vg_command *c = vg_commands; c->name; c++)
		if (strchr(c->name, ' ') == NULL)
			printf("%s ", c->name);
	puts("rule\"\n\telif [ \"${COMP_WORDS[1]}\" = rule ] && [ \"$COMP_CWORD\" = 2 ]; then");
	fputs("\t\twords=\"", stdout);
	for (const struct vg_command *c = vg_commands; c->name; c++)
		if (strncmp(c->name, "rule ", 5) == 0)
			printf("%s ", c->name + 5);
	puts("\"\n\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "\t[ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete -o filenames -F _vigie vigie");
	return VG_EXIT_OK;
}

int
vg_cmd_version(const struct vg_args *a)
{
	(void)a;
	printf("vigie %s\n", VIGIE_VERSION);
#ifdef VG_HAVE_HYPERSCAN
	puts("multi-pattern matcher: Hyperscan, and the portable one");
#else
	puts("multi-pattern matcher: the portable one");
#endif
	printf("archives: %s\nformats:", archive_version_string());
	for (const struct vg_format *f = vg_formats; f->name; f++)
		printf(" %s", f->name);
	printf("\ndata: %s\n", vg_data_dir());
	return VG_EXIT_OK;
}
