/* For regex_vs_python.py: lines "flags TAB expression TAB text", the last two in hexadecimal; answers 1, 0 or "- why". */
#include <stdio.h>
#include <stdlib.h>

#include "detect/multi.h"
#include "detect/regex.h"

static vg_str
unhex(vg_str s, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i + 1 < s.n; i += 2) {
		char two[3] = { s.p[i], s.p[i + 1], 0 };

		out[n++] = (char)strtoul(two, NULL, 16);
	}
	return (vg_str){ out, n };
}

int
main(void)
{
	struct vg_regex *r = NULL;
	char *line = NULL, last[65536] = "", why[160];
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		vg_str rest = vg_str_trim((vg_str){ line, (size_t)n }), flags, re, text;
		char *a = malloc((size_t)n), *b = malloc((size_t)n);
		unsigned f;

		vg_str_split(&rest, '\t', &flags);
		vg_str_split(&rest, '\t', &re);
		f = (unsigned)strtoul(flags.p, NULL, 10);
		text = unhex(rest, b);
		if (re.n + flags.n + 1 >= sizeof(last))
			return 2;
		if (memcmp(last, line, flags.n + re.n + 1) != 0 || last[flags.n + re.n + 1] != '\0') {
			vg_str source = unhex(re, a);

			vg_regex_free(r);
			r = NULL;
			memcpy(last, line, flags.n + re.n + 1);
			last[flags.n + re.n + 1] = '\0';
			if (vg_regex_check(source, f, why) != VG_OK || vg_regex_new(source, f, &r) != VG_OK)
				r = NULL;
		}
		if (r)
			puts(vg_regex_search(r, text) ? "1" : "0");
		else
			printf("- %s\n", why);
		free(a);
		free(b);
	}
	vg_regex_free(r);
	free(line);
	return 0;
}
