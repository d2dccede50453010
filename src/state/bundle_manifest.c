#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "base/utf.h"
#include "state/bundle.h"

#define FIRST "vigie self-backup "

bool
vg_member_name_ok(vg_str name)
{
	vg_str rest = name, part;

	if (name.n == 0 || name.n > VG_BUNDLE_NAME_MAX || !vg_utf8_valid(name) || vg_str_eq(name, VG_STR(VG_BUNDLE_MANIFEST)))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f || name.p[i] == '\\')
			return false;
	while (vg_str_split(&rest, '/', &part))
		if (part.n == 0 || vg_str_eq(part, VG_STR(".")) || vg_str_eq(part, VG_STR("..")))
			return false;
	return true;
}

vg_rc
vg_manifest_add(struct vg_manifest *m, const struct vg_member *x)
{
	if (!vg_member_name_ok(vg_str_of(x->name)))
		return VG_E_FORMAT;
	if (m->n == VG_BUNDLE_MEMBERS_MAX)
		return VG_E_LIMIT;
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct vg_member *p = realloc(m->member, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		m->member = p;
		m->cap = cap;
	}
	m->member[m->n++] = *x;
	return VG_OK;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct vg_member *)a)->name, ((const struct vg_member *)b)->name);
}

bool
vg_manifest_sort(struct vg_manifest *m)
{
	if (m->n > 1)
		qsort(m->member, m->n, sizeof(*m->member), by_name);
	for (size_t i = 1; i < m->n; i++)
		if (strcmp(m->member[i - 1].name, m->member[i].name) == 0)
			return false;
	return true;
}

void
vg_manifest_free(struct vg_manifest *m)
{
	free(m->member);
	*m = (struct vg_manifest){ .n = 0 };
}

void
vg_manifest_print(const struct vg_manifest *m, struct vg_buf *out)
{
	char when[VG_TIME_MAX];

	(void)vg_time_print(m->made_ns, 0, when);
	vg_buf_printf(out, FIRST "%d\nprogram %s\nnode %s\nmade %s\nnext %llu\n", VG_BUNDLE_VERSION, m->program, m->node, when, (unsigned long long)m->next);
	for (size_t i = 0; i < m->nleft; i++)
		vg_buf_printf(out, "left-out %s\n", m->left[i]);
	for (size_t i = 0; i < m->n; i++) {
		vg_buf_puts(out, "member ");
		vg_buf_hex(out, m->member[i].hash.b, VG_HASH_BYTES, false);
		vg_buf_printf(out, " %llu %s\n", (unsigned long long)m->member[i].size, m->member[i].name);
	}
}

/* The rest of a line that begins with @word and a space, when it is text of less than @cap bytes. */
static bool
take_text(vg_str *rest, const char *word, char *to, size_t cap)
{
	vg_str line, w = vg_str_of(word);

	if (!vg_str_split(rest, '\n', &line) || !vg_str_starts(line, w) || line.n <= w.n || line.p[w.n] != ' ')
		return false;
	line = vg_str_skip(line, w.n + 1);
	if (line.n == 0 || line.n >= cap)
		return false;
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] <= ' ' || (unsigned char)line.p[i] >= 0x7f)
			return false;
	memcpy(to, line.p, line.n);
	to[line.n] = 0;
	return true;
}

static vg_rc
take_member(struct vg_manifest *m, vg_str line)
{
	struct vg_member x = { .size = 0 };
	vg_str word, hex, size;
	size_t n;

	if (!vg_str_split(&line, ' ', &word) || !vg_str_eq(word, VG_STR("member")) || !vg_str_split(&line, ' ', &hex) || hex.n != 2 * (size_t)VG_HASH_BYTES ||
	    sodium_hex2bin(x.hash.b, VG_HASH_BYTES, hex.p, hex.n, NULL, &n, NULL) != 0 || n != VG_HASH_BYTES || !vg_str_split(&line, ' ', &size) ||
	    !vg_str_all_digits(size) || !vg_str_u64(size, &x.size) || line.n == 0 || line.n > VG_BUNDLE_NAME_MAX)
		return VG_E_FORMAT;
	memcpy(x.name, line.p, line.n);
	if (memchr(line.p, 0, line.n) || (m->n && strcmp(m->member[m->n - 1].name, x.name) >= 0))
		return VG_E_FORMAT;
	return vg_manifest_add(m, &x);
}

static vg_rc
take_all(vg_str rest, struct vg_manifest *m)
{
	char made[VG_TIME_MAX], next[24];
	vg_rc rc = VG_OK;
	vg_str line;

	if (!take_text(&rest, "program", m->program, sizeof(m->program)) || !take_text(&rest, "node", m->node, sizeof(m->node)) ||
	    !take_text(&rest, "made", made, sizeof(made)) || !take_text(&rest, "next", next, sizeof(next)) || !vg_str_u64(vg_str_of(next), &m->next) ||
	    (m->made_ns = vg_time_parse(vg_str_of(made), 0)) == VG_TIME_NONE)
		return VG_E_FORMAT;
	while (vg_str_starts(rest, VG_STR("left-out "))) {
		if (m->nleft == VG_BUNDLE_LEFT_MAX)
			return VG_E_LIMIT;
		if (!take_text(&rest, "left-out", m->left[m->nleft++], sizeof(m->left[0])))
			return VG_E_FORMAT;
	}
	while (rc == VG_OK && rest.n && vg_str_split(&rest, '\n', &line))
		rc = take_member(m, line);
	return rc;
}

vg_rc
vg_manifest_parse(vg_str text, struct vg_manifest *out, uint64_t *version)
{
	struct vg_manifest m = { .n = 0 };
	struct vg_buf again = { 0 };
	vg_str rest = text, line, head = VG_STR(FIRST);
	vg_rc rc = VG_OK;

	*version = 0;
	if (!vg_str_split(&rest, '\n', &line) || !vg_str_starts(line, head) || !vg_str_all_digits(vg_str_skip(line, head.n)) ||
	    !vg_str_u64(vg_str_skip(line, head.n), version))
		return VG_E_FORMAT;
	if (*version != VG_BUNDLE_VERSION)
		return *version > VG_BUNDLE_VERSION ? VG_E_UNSUP : VG_E_FORMAT;
	if ((rc = take_all(rest, &m)) == VG_OK) {
		vg_manifest_print(&m, &again); /* there is one way to write it */
		rc = again.rc != VG_OK ? again.rc : vg_str_eq(vg_buf_str(&again), text) ? VG_OK : VG_E_FORMAT;
	}
	vg_buf_fini(&again);
	if (rc != VG_OK) {
		vg_manifest_free(&m);
		return rc;
	}
	*out = m;
	return VG_OK;
}
