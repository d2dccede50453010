/* manual PAGE: the part of the manual page between its marks is what the rows make, and its examples load.  manual PAGE --write puts it there; manual --example
 * [fr] prints the example file. */
#include <stdio.h>
#include <stdlib.h>

#include "settings/settings.h"

#define BEGIN ".\\\" settings: made from src/settings/table.c; `test_settings_manual PAGE --write` makes it anew\n"
#define END ".\\\" settings: end\n"

static int
die(const char *what, const char *on)
{
	fprintf(stderr, "%s: %s\n", on, what);
	return 1;
}

static bool
slurp(const char *path, struct vg_buf *out)
{
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		vg_buf_mem(out, part, n);
	return fclose(f) == 0 && out->rc == VG_OK;
}

static int
write_page(const char *path, vg_str before, vg_str rows, vg_str after)
{
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return die("cannot be written", path);
	fprintf(f, "%.*s%.*s%.*s", VG_STR_ARG(before), VG_STR_ARG(rows), VG_STR_ARG(after));
	return fclose(f) == 0 ? 0 : die("cannot be written", path);
}

static void
tell(void *ctx, const struct vg_settings_problem *p)
{
	(void)ctx;
	fprintf(stderr, "%s\n", p->text);
}

/* What stands between .nf and .RE, as one types it. */
static bool
loads(vg_str roff)
{
	struct vg_buf text = { 0 };
	struct vg_settings s;
	vg_rc rc;

	while (roff.n) {
		if (vg_str_starts(roff, VG_STR("\\(dq"))) {
			vg_buf_putc(&text, '"');
			roff = vg_str_skip(roff, 4);
		} else {
			if (roff.p[0] != '\\')
				vg_buf_putc(&text, roff.p[0]);
			roff = vg_str_skip(roff, 1);
		}
	}
	if ((rc = vg_settings_load(vg_buf_str(&text), "example", NULL, tell, NULL, &s)) == VG_OK)
		vg_settings_fini(&s);
	vg_buf_fini(&text);
	return rc == VG_OK;
}

static bool
examples_load(vg_str page)
{
	static const vg_str begin = VG_STR_INIT(".nf\n.RS\n"), end = VG_STR_INIT(".RE\n");
	size_t at, n = 0;

	for (; (at = vg_str_find(page, begin)) != VG_NPOS; n++) {
		page = vg_str_skip(page, at + begin.n);
		at = vg_str_find(page, end);
		if (at == VG_NPOS || !loads(vg_str_cut(page, at)))
			return false;
	}
	return n > 0;
}

static int
example(const char *language)
{
	struct vg_buf b = { 0 };

	vg_settings_print_defaults(vg_lang_of(language), &b);
	fwrite(b.p, 1, b.n, stdout);
	vg_buf_fini(&b);
	return b.rc != VG_OK;
}

int
main(int argc, char **argv)
{
	struct vg_buf page = { 0 }, rows = { 0 };
	size_t from, until;
	vg_str all, told;
	int rc = 0;

	if (argc >= 2 && strcmp(argv[1], "--example") == 0)
		return example(argc > 2 ? argv[2] : "en");
	if (argc < 2 || !slurp(argv[1], &page))
		return die("cannot be read", argc < 2 ? "manual" : argv[1]);
	all = vg_buf_str(&page);
	from = vg_str_find(all, VG_STR(BEGIN));
	until = vg_str_find(all, VG_STR(END));
	vg_settings_man(VG_LANG_EN, &rows);
	if (from == VG_NPOS || until == VG_NPOS || until < from || rows.rc != VG_OK) {
		rc = die("the marks are missing", argv[1]);
	} else {
		from += sizeof(BEGIN) - 1;
		told = vg_str_cut(vg_str_skip(all, from), until - from);
		if (argc > 2 && strcmp(argv[2], "--write") == 0)
			rc = write_page(argv[1], vg_str_cut(all, from), vg_buf_str(&rows), vg_str_skip(all, until));
		else if (!vg_str_eq(told, vg_buf_str(&rows)))
			rc = die("differs from the table; `test_settings_manual PAGE --write`", argv[1]);
		else if (!examples_load(all))
			rc = die("an example in it does not load", argv[1]);
	}
	vg_buf_fini(&page);
	vg_buf_fini(&rows);
	return rc;
}
