/* cmd/args.c - options by their table. */
#include "cmd/cmd.h"

static const struct vg_opt *
find(const struct vg_args *a, vg_str name, size_t *at)
{
	for (size_t i = 0; a->opt[i].name; i++)
		if (vg_str_eq(vg_str_of(a->opt[i].name), name)) {
			*at = i;
			return &a->opt[i];
		}
	return NULL;
}

const struct vg_opt_value *
vg_arg_list(const struct vg_args *a, const char *name)
{
	static const struct vg_opt_value none;
	size_t at;

	return find(a, vg_str_of(name), &at) ? &a->value[at] : &none;
}

const char *
vg_arg(const struct vg_args *a, const char *name)
{
	const struct vg_opt_value *v = vg_arg_list(a, name);

	return v->n ? v->text[v->n - 1] : NULL;
}

bool
vg_arg_set(const struct vg_args *a, const char *name)
{
	return vg_arg_list(a, name)->set;
}

/* Letters that must change to turn one name into the other: for "did you mean". */
static size_t
distance(vg_str a, vg_str b)
{
	size_t row[64];

	if (a.n >= VG_COUNT(row) || b.n >= VG_COUNT(row))
		return VG_COUNT(row);
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t was = row[j], least = diagonal + (a.p[i - 1] != b.p[j - 1]);

			if (row[j] + 1 < least)
				least = row[j] + 1;
			if (row[j - 1] + 1 < least)
				least = row[j - 1] + 1;
			row[j] = least;
			diagonal = was;
		}
	}
	return row[b.n];
}

static void
unknown(const struct vg_command *c, vg_str name)
{
	const char *best = NULL;
	size_t least = 4;

	for (const struct vg_opt *o = c->opt; o->name; o++) {
		size_t d = distance(vg_str_of(o->name), name);

		if (d < least) {
			least = d;
			best = o->name;
		}
	}
	vg_log(VG_LOG_ERROR, "%s: no such option: %.*s%s%s%s (`vigie help %s` lists them)", c->name, VG_STR_ARG(name),
	       best ? "; did you mean " : "", best ? best : "", best ? "?" : "", c->name);
}

static bool
take_option(const struct vg_command *c, int argc, char **argv, int *i, struct vg_args *out)
{
	vg_str word = vg_str_of(argv[*i]), name = word;
	size_t eq = vg_str_chr(word, '='), at;
	const struct vg_opt *o;
	struct vg_opt_value *v;
	const char *text = NULL;

	if (eq != VG_NPOS) {
		name = vg_str_cut(word, eq);
		text = argv[*i] + eq + 1;
	}
	if ((o = find(out, name, &at)) == NULL) {
		unknown(c, name);
		return false;
	}
	v = &out->value[at];
	v->set = true;
	if (o->kind == VG_OPT_FLAG) {
		if (text)
			vg_log(VG_LOG_ERROR, "%s: %s takes no value", c->name, o->name);
		return text == NULL;
	}
	if (text == NULL) {
		if (*i + 1 >= argc) {
			vg_log(VG_LOG_ERROR, "%s: %s needs a value: %s %s", c->name, o->name, o->name, o->arg);
			return false;
		}
		text = argv[++*i];
	}
	if (v->n == (o->kind == VG_OPT_LIST ? VG_OPT_LIST_MAX : 1)) {
		vg_log(VG_LOG_ERROR, "%s: %s comes too often (at most %d)", c->name, o->name,
		       o->kind == VG_OPT_LIST ? VG_OPT_LIST_MAX : 1);
		return false;
	}
	v->text[v->n++] = text;
	return true;
}

bool
vg_args_parse(const struct vg_command *c, int argc, char **argv, const char **room, struct vg_args *out)
{
	bool options = true;

	*out = (struct vg_args){ .opt = c->opt, .operand = room };
	for (int i = 0; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
				out->help = true;
				return true;
			}
			if (!take_option(c, argc, argv, &i, out))
				return false;
		} else {
			room[out->noperand++] = argv[i];
		}
	}
	if (out->noperand < c->min_operands) {
		vg_log(VG_LOG_ERROR, "%s: too few arguments: vigie %s %s", c->name, c->name, c->synopsis);
		return false;
	}
	return true;
}
