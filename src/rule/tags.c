/* rule/tags.c - tags in the words of ATT&CK v19: the tactic "defense evasion" was split in two there. */
#include "rule/build.h"

/* Techniques of the old tactic that became "defense impairment"; the others became "stealth". */
static const char *const impairing[] = { "attack.t1562", "attack.t1070.001", "attack.t1070.002", "attack.t1685", "attack.t1686",
					 "attack.t1687", "attack.t1688", "attack.t1689", "attack.t1690", "attack.t1553",
					 "attack.t1556", "attack.t1484", "attack.t1601", "attack.t1600", "attack.t1222",
					 "attack.t1112", "attack.t1207", "attack.t1578", "attack.t1599" };

bool
vg_tags_impair(const struct vg_yaml *tags)
{
	for (const struct vg_yaml *t = tags && tags->kind == VG_YAML_LIST ? tags->child : NULL; t; t = t->next)
		for (size_t i = 0; i < VG_COUNT(impairing); i++)
			if (vg_str_istarts(t->text, vg_str_of(impairing[i])))
				return true;
	return false;
}

struct vg_slice
vg_build_tag(struct vg_build *b, vg_str tag, bool impair)
{
	char word[128];
	size_t n = tag.n < sizeof(word) ? tag.n : sizeof(word);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)tag.p[i];

		word[i] = c == '_' ? '-' : (char)((unsigned)(c - 'A') < 26u ? c | 0x20 : c);
	}
	if (vg_str_eq(vg_str_mem(word, n), VG_STR("attack.defense-evasion")))
		return vg_build_text(b, impair ? VG_STR("attack.defense-impairment") : VG_STR("attack.stealth"));
	return vg_build_text(b, vg_str_mem(word, n));
}
