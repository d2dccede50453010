/* A program made by hand, for tests of what comes after detection: rules are rows of text. */
#ifndef TEST_TRACE_MADE_H
#define TEST_TRACE_MADE_H

#include <stdlib.h>

#include "base/buf.h"
#include "rule/program.h"

struct made_rule {
	const char *id, *title, *author, *license, *description, *file;
	const char *tags; /* separated by blanks */
	enum vg_level level;
};
struct made {
	struct vg_buf text;
	struct vg_rule rule[128];
	struct vg_slice list[1024];
	uint32_t nlist;
	struct vg_node node;
	struct vg_program p;
};

static struct vg_slice
made_text(struct made *m, const char *z)
{
	struct vg_slice s = { (uint32_t)m->text.n, z ? (uint32_t)strlen(z) : 0 };

	vg_buf_puts(&m->text, z);
	return s;
}

static struct made *
made_new(const struct made_rule *r, uint32_t n)
{
	struct made *m = calloc(1, sizeof(*m));

	for (uint32_t i = 0; i < n; i++) {
		vg_str tags = vg_str_of(r[i].tags), tag;
		struct vg_rule *x = &m->rule[i];

		*x = (struct vg_rule){ .id = made_text(m, r[i].id), .title = made_text(m, r[i].title),
				       .author = made_text(m, r[i].author), .license = made_text(m, r[i].license),
				       .description = made_text(m, r[i].description), .file = made_text(m, r[i].file),
				       .level = (uint8_t)r[i].level, .flags = VG_RULE_REPORT, .line = 1,
				       .corr = UINT32_MAX, .tag = m->nlist };
		while (vg_str_split(&tags, ' ', &tag)) {
			struct vg_slice at = { (uint32_t)m->text.n, (uint32_t)tag.n };

			vg_buf_put(&m->text, tag);
			m->list[m->nlist++] = at;
			x->ntag++;
		}
	}
	m->node.op = VG_OP_TRUE;
	m->p = (struct vg_program){ .rule = m->rule, .nrule = n, .list = m->list, .nlist = m->nlist,
				    .node = &m->node, .nnode = 1, .text = m->text.p, .ntext = m->text.n };
	return m;
}

static void
made_free(struct made *m)
{
	vg_buf_fini(&m->text);
	free(m);
}

#endif
