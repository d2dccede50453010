#include "trace/story.h"

#include <stdio.h>

/* ATT&CK techniques (enterprise, v19, and the numbers that v19 retired) -> chapter.  sub 0: the technique and all its
 * sub-techniques that have no row of their own.  Ascending, so that it can be searched. */
static const struct stage {
	uint16_t technique, sub;
	uint8_t chapter;
} stages[] = {
	{ 1001, 0, VG_CH_BACKDOORS }, /* data obfuscation */
	{ 1003, 0, VG_CH_BACKDOORS }, /* OS credential dumping: what privileges are raised with */
	{ 1005, 0, VG_CH_MAPPING },
	{ 1006, 0, VG_CH_BACKDOORS },
	{ 1007, 0, VG_CH_MAPPING },
	{ 1008, 0, VG_CH_BACKDOORS },
	{ 1010, 0, VG_CH_MAPPING },
	{ 1011, 0, VG_CH_MAPPING },
	{ 1012, 0, VG_CH_MAPPING },
	{ 1014, 0, VG_CH_BACKDOORS },
	{ 1016, 0, VG_CH_MAPPING },
	{ 1018, 0, VG_CH_MAPPING },
	{ 1020, 0, VG_CH_MAPPING },
	{ 1021, 0, VG_CH_MAPPING }, /* remote services: lateral movement */
	{ 1025, 0, VG_CH_MAPPING },
	{ 1027, 0, VG_CH_BACKDOORS },
	{ 1029, 0, VG_CH_MAPPING },
	{ 1030, 0, VG_CH_MAPPING },
	{ 1033, 0, VG_CH_MAPPING },
	{ 1036, 0, VG_CH_BACKDOORS },
	{ 1037, 0, VG_CH_BACKDOORS },
	{ 1039, 0, VG_CH_MAPPING },
	{ 1040, 0, VG_CH_MAPPING },
	{ 1041, 0, VG_CH_MAPPING },
	{ 1046, 0, VG_CH_MAPPING },
	{ 1047, 0, VG_CH_BACKDOORS },
	{ 1048, 0, VG_CH_MAPPING },
	{ 1049, 0, VG_CH_MAPPING },
	{ 1052, 0, VG_CH_MAPPING },
	{ 1053, 0, VG_CH_BACKDOORS },
	{ 1055, 0, VG_CH_BACKDOORS },
	{ 1056, 0, VG_CH_BACKDOORS },
	{ 1057, 0, VG_CH_MAPPING },
	{ 1059, 0, VG_CH_BACKDOORS },
	{ 1068, 0, VG_CH_BACKDOORS },
	{ 1069, 0, VG_CH_MAPPING },
	{ 1070, 0, VG_CH_ERASED }, /* indicator removal */
	{ 1071, 0, VG_CH_BACKDOORS },
	{ 1072, 0, VG_CH_MAPPING },
	{ 1074, 0, VG_CH_MAPPING },
	{ 1078, 0, VG_CH_ENTRY },
	{ 1080, 0, VG_CH_MAPPING },
	{ 1082, 0, VG_CH_MAPPING },
	{ 1083, 0, VG_CH_MAPPING },
	{ 1087, 0, VG_CH_MAPPING },
	{ 1090, 0, VG_CH_BACKDOORS },
	{ 1091, 0, VG_CH_ENTRY },
	{ 1092, 0, VG_CH_BACKDOORS },
	{ 1095, 0, VG_CH_BACKDOORS },
	{ 1098, 0, VG_CH_ACCOUNTS },
	{ 1098, 4, VG_CH_BACKDOORS }, /* SSH authorized keys */
	{ 1102, 0, VG_CH_BACKDOORS },
	{ 1104, 0, VG_CH_BACKDOORS },
	{ 1105, 0, VG_CH_BACKDOORS },
	{ 1106, 0, VG_CH_BACKDOORS },
	{ 1110, 0, VG_CH_ENTRY }, /* brute force */
	{ 1111, 0, VG_CH_ENTRY },
	{ 1112, 0, VG_CH_BACKDOORS },
	{ 1113, 0, VG_CH_MAPPING },
	{ 1114, 0, VG_CH_MAPPING },
	{ 1115, 0, VG_CH_MAPPING },
	{ 1119, 0, VG_CH_MAPPING },
	{ 1120, 0, VG_CH_MAPPING },
	{ 1123, 0, VG_CH_MAPPING },
	{ 1124, 0, VG_CH_MAPPING },
	{ 1125, 0, VG_CH_MAPPING },
	{ 1127, 0, VG_CH_BACKDOORS },
	{ 1129, 0, VG_CH_BACKDOORS },
	{ 1132, 0, VG_CH_BACKDOORS },
	{ 1133, 0, VG_CH_ENTRY }, /* external remote services: the VPN */
	{ 1134, 0, VG_CH_BACKDOORS },
	{ 1135, 0, VG_CH_MAPPING },
	{ 1136, 0, VG_CH_ACCOUNTS },
	{ 1137, 0, VG_CH_BACKDOORS },
	{ 1140, 0, VG_CH_BACKDOORS },
	{ 1176, 0, VG_CH_BACKDOORS },
	{ 1185, 0, VG_CH_MAPPING },
	{ 1187, 0, VG_CH_BACKDOORS },
	{ 1189, 0, VG_CH_ENTRY },
	{ 1190, 0, VG_CH_ENTRY },
	{ 1195, 0, VG_CH_ENTRY },
	{ 1197, 0, VG_CH_BACKDOORS },
	{ 1199, 0, VG_CH_ENTRY },
	{ 1200, 0, VG_CH_ENTRY },
	{ 1201, 0, VG_CH_MAPPING },
	{ 1202, 0, VG_CH_BACKDOORS },
	{ 1203, 0, VG_CH_ENTRY },
	{ 1204, 0, VG_CH_ENTRY },
	{ 1205, 0, VG_CH_BACKDOORS },
	{ 1207, 0, VG_CH_ACCOUNTS }, /* rogue domain controller */
	{ 1210, 0, VG_CH_MAPPING },
	{ 1211, 0, VG_CH_BACKDOORS },
	{ 1212, 0, VG_CH_BACKDOORS },
	{ 1213, 0, VG_CH_MAPPING },
	{ 1216, 0, VG_CH_BACKDOORS },
	{ 1217, 0, VG_CH_MAPPING },
	{ 1218, 0, VG_CH_BACKDOORS },
	{ 1219, 0, VG_CH_BACKDOORS },
	{ 1220, 0, VG_CH_BACKDOORS },
	{ 1221, 0, VG_CH_ENTRY },
	{ 1222, 0, VG_CH_BACKDOORS },
	{ 1482, 0, VG_CH_MAPPING },
	{ 1484, 0, VG_CH_BACKDOORS },
	{ 1485, 0, VG_CH_RANSOM },
	{ 1486, 0, VG_CH_RANSOM },
	{ 1489, 0, VG_CH_RANSOM }, /* service stop, before the files are encrypted */
	{ 1490, 0, VG_CH_BACKUPS },
	{ 1491, 0, VG_CH_RANSOM },
	{ 1495, 0, VG_CH_RANSOM },
	{ 1496, 0, VG_CH_NONE }, /* resource hijacking, denial of service: no part of this story */
	{ 1498, 0, VG_CH_NONE },
	{ 1499, 0, VG_CH_NONE },
	{ 1505, 0, VG_CH_BACKDOORS },
	{ 1518, 0, VG_CH_MAPPING },
	{ 1525, 0, VG_CH_BACKDOORS },
	{ 1526, 0, VG_CH_MAPPING },
	{ 1528, 0, VG_CH_ENTRY },
	{ 1529, 0, VG_CH_RANSOM },
	{ 1530, 0, VG_CH_MAPPING },
	{ 1531, 0, VG_CH_RANSOM },
	{ 1534, 0, VG_CH_MAPPING },
	{ 1537, 0, VG_CH_MAPPING },
	{ 1538, 0, VG_CH_MAPPING },
	{ 1539, 0, VG_CH_ENTRY },
	{ 1542, 0, VG_CH_BACKDOORS },
	{ 1543, 0, VG_CH_BACKDOORS },
	{ 1546, 0, VG_CH_BACKDOORS },
	{ 1547, 0, VG_CH_BACKDOORS },
	{ 1548, 0, VG_CH_BACKDOORS },
	{ 1550, 0, VG_CH_MAPPING },
	{ 1552, 0, VG_CH_BACKDOORS },
	{ 1553, 0, VG_CH_BACKDOORS },
	{ 1554, 0, VG_CH_BACKDOORS },
	{ 1555, 0, VG_CH_BACKDOORS },
	{ 1556, 0, VG_CH_BACKDOORS },
	{ 1557, 0, VG_CH_MAPPING },
	{ 1558, 0, VG_CH_BACKDOORS },
	{ 1559, 0, VG_CH_BACKDOORS },
	{ 1560, 0, VG_CH_MAPPING },
	{ 1561, 0, VG_CH_RANSOM },
	{ 1562, 0, VG_CH_ERASED }, /* impair defenses, before v19 */
	{ 1562, 4, VG_CH_BACKDOORS }, /* its firewall rows */
	{ 1562, 7, VG_CH_BACKDOORS },
	{ 1563, 0, VG_CH_MAPPING },
	{ 1564, 0, VG_CH_BACKDOORS },
	{ 1564, 2, VG_CH_ACCOUNTS }, /* hidden users */
	{ 1565, 0, VG_CH_RANSOM },
	{ 1566, 0, VG_CH_ENTRY },
	{ 1567, 0, VG_CH_MAPPING },
	{ 1568, 0, VG_CH_BACKDOORS },
	{ 1569, 0, VG_CH_BACKDOORS },
	{ 1570, 0, VG_CH_MAPPING },
	{ 1571, 0, VG_CH_BACKDOORS },
	{ 1572, 0, VG_CH_BACKDOORS },
	{ 1573, 0, VG_CH_BACKDOORS },
	{ 1574, 0, VG_CH_BACKDOORS },
	{ 1578, 0, VG_CH_BACKDOORS },
	{ 1580, 0, VG_CH_MAPPING },
	{ 1583, 0, VG_CH_ENTRY }, /* resource development and reconnaissance: before he is in */
	{ 1584, 0, VG_CH_ENTRY },
	{ 1586, 0, VG_CH_ENTRY },
	{ 1587, 0, VG_CH_ENTRY },
	{ 1588, 0, VG_CH_ENTRY },
	{ 1589, 0, VG_CH_ENTRY },
	{ 1590, 0, VG_CH_ENTRY },
	{ 1591, 0, VG_CH_ENTRY },
	{ 1592, 0, VG_CH_ENTRY },
	{ 1593, 0, VG_CH_ENTRY },
	{ 1595, 0, VG_CH_ENTRY },
	{ 1598, 0, VG_CH_ENTRY },
	{ 1599, 0, VG_CH_BACKDOORS },
	{ 1600, 0, VG_CH_BACKDOORS },
	{ 1601, 0, VG_CH_BACKDOORS },
	{ 1602, 0, VG_CH_MAPPING },
	{ 1606, 0, VG_CH_BACKDOORS },
	{ 1608, 0, VG_CH_ENTRY },
	{ 1609, 0, VG_CH_BACKDOORS },
	{ 1610, 0, VG_CH_BACKDOORS },
	{ 1611, 0, VG_CH_BACKDOORS }, /* escape to host: the hypervisor */
	{ 1612, 0, VG_CH_BACKDOORS },
	{ 1613, 0, VG_CH_MAPPING },
	{ 1614, 0, VG_CH_MAPPING },
	{ 1615, 0, VG_CH_MAPPING },
	{ 1619, 0, VG_CH_MAPPING },
	{ 1620, 0, VG_CH_BACKDOORS },
	{ 1621, 0, VG_CH_ENTRY },
	{ 1648, 0, VG_CH_BACKDOORS },
	{ 1649, 0, VG_CH_BACKDOORS },
	{ 1651, 0, VG_CH_MAPPING },
	{ 1653, 0, VG_CH_BACKDOORS },
	{ 1654, 0, VG_CH_MAPPING },
	{ 1657, 0, VG_CH_RANSOM },
	{ 1659, 0, VG_CH_ENTRY },
	{ 1685, 0, VG_CH_ERASED }, /* v19: disable or modify tools and logs, clear logs */
	{ 1686, 0, VG_CH_BACKDOORS }, /* v19: disable or modify a firewall: a way in */
	{ 1687, 0, VG_CH_BACKDOORS },
	{ 1688, 0, VG_CH_ERASED },
	{ 1689, 0, VG_CH_BACKDOORS }, /* v19: downgrade */
	{ 1690, 0, VG_CH_ERASED }, /* v19: no command history */
};

static const struct tactic {
	vg_str tag;
	uint8_t chapter;
} tactics[] = {
	{ VG_STR_INIT("attack.reconnaissance"), VG_CH_ENTRY },
	{ VG_STR_INIT("attack.resource-development"), VG_CH_ENTRY },
	{ VG_STR_INIT("attack.initial-access"), VG_CH_ENTRY },
	{ VG_STR_INIT("attack.execution"), VG_CH_BACKDOORS },
	{ VG_STR_INIT("attack.persistence"), VG_CH_BACKDOORS },
	{ VG_STR_INIT("attack.privilege-escalation"), VG_CH_BACKDOORS },
	{ VG_STR_INIT("attack.stealth"), VG_CH_BACKDOORS },
	{ VG_STR_INIT("attack.defense-impairment"), VG_CH_ERASED },
	{ VG_STR_INIT("attack.defense-evasion"), VG_CH_BACKDOORS },
	{ VG_STR_INIT("attack.credential-access"), VG_CH_BACKDOORS },
	{ VG_STR_INIT("attack.discovery"), VG_CH_MAPPING },
	{ VG_STR_INIT("attack.lateral-movement"), VG_CH_MAPPING },
	{ VG_STR_INIT("attack.collection"), VG_CH_MAPPING },
	{ VG_STR_INIT("attack.command-and-control"), VG_CH_BACKDOORS },
	{ VG_STR_INIT("attack.exfiltration"), VG_CH_MAPPING },
	{ VG_STR_INIT("attack.impact"), VG_CH_RANSOM },
};

/* Where the tags of one rule speak of several chapters, the one that says most of the story wins: a new account tagged
 * with T1078 as well is a new account.  Lower is stronger. */
static const uint8_t weight[VG_CHAPTERS + 1] = {
	[VG_CH_ERASED] = 0,   [VG_CH_BACKUPS] = 1, [VG_CH_RANSOM] = 2, [VG_CH_ACCOUNTS] = 3,
	[VG_CH_BACKDOORS] = 4, [VG_CH_MAPPING] = 5, [VG_CH_ENTRY] = 6,  [VG_CH_NONE] = 7,
};

static bool
digits(vg_str s, size_t n, unsigned *out)
{
	*out = 0;
	if (s.n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		if (d > 9)
			return false;
		*out = *out * 10 + d;
	}
	return true;
}

static bool
technique_of(vg_str tag, unsigned *technique, unsigned *sub)
{
	*sub = 0;
	if (!vg_str_istarts(tag, VG_STR("attack.t")))
		return false;
	tag = vg_str_skip(tag, 8);
	if (!digits(tag, 4, technique))
		return false;
	tag = vg_str_skip(tag, 4);
	return tag.n == 0 || (tag.n == 4 && tag.p[0] == '.' && digits(vg_str_skip(tag, 1), 3, sub));
}

bool
vg_tag_technique(vg_str tag, char out[16])
{
	unsigned technique, sub;

	if (!technique_of(tag, &technique, &sub))
		return false;
	if (sub)
		snprintf(out, 16, "T%04u.%03u", technique % 10000, sub % 1000);
	else
		snprintf(out, 16, "T%04u", technique % 10000);
	return true;
}

static int
row_cmp(const struct stage *s, unsigned technique, unsigned sub)
{
	if (s->technique != technique)
		return s->technique < technique ? -1 : 1;
	return s->sub == sub ? 0 : s->sub < sub ? -1 : 1;
}

static const struct stage *
row_find(unsigned technique, unsigned sub)
{
	size_t lo = 0, hi = VG_COUNT(stages);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = row_cmp(&stages[mid], technique, sub);

		if (c == 0)
			return &stages[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

enum vg_chapter
vg_technique_chapter(vg_str tag, bool *known)
{
	unsigned technique, sub;
	const struct stage *s = NULL;

	if (technique_of(tag, &technique, &sub) && (s = row_find(technique, sub)) == NULL && sub)
		s = row_find(technique, 0);
	*known = s != NULL;
	return s ? (enum vg_chapter)s->chapter : VG_CH_NONE;
}

static bool
tactic_eq(vg_str tag, vg_str tactic)
{
	if (tag.n != tactic.n)
		return false;
	for (size_t i = 0; i < tag.n; i++) { /* older rules write underscores */
		char c = tag.p[i] == '_' ? '-' : tag.p[i];

		if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != tactic.p[i])
			return false;
	}
	return true;
}

enum vg_chapter
vg_chapter_of(const struct vg_program *p, uint32_t rule)
{
	const struct vg_rule *r = &p->rule[rule];
	enum vg_chapter by_technique = VG_CH_NONE, by_tactic = VG_CH_NONE;
	bool any = false;

	for (uint32_t i = 0; i < r->ntag; i++) {
		vg_str tag = vg_program_str(p, p->list[r->tag + i]);
		bool known;
		enum vg_chapter c = vg_technique_chapter(tag, &known);

		any |= known;
		if (known && weight[c] < weight[by_technique])
			by_technique = c;
		for (size_t t = 0; t < VG_COUNT(tactics); t++)
			if (tactic_eq(tag, tactics[t].tag) && weight[tactics[t].chapter] < weight[by_tactic])
				by_tactic = (enum vg_chapter)tactics[t].chapter;
	}
	return any ? by_technique : by_tactic;
}
