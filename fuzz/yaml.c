/* YAML.  What is always true: a tree that is given is within the limits, and a key stands once in its map. */
#include "base/yaml.h"

#include <assert.h>

static uint32_t
walk(const struct vg_yaml *n, unsigned depth)
{
	uint32_t count = 0;

	assert(depth <= VG_YAML_DEPTH_MAX + 1);
	for (; n; n = n->next) {
		uint32_t child = 0;

		count++;
		for (const struct vg_yaml *c = n->child; c; c = c->next) {
			child++;
			if (n->kind == VG_YAML_MAP && child < 50)
				assert(vg_yaml_get(n, c->key) == c);
		}
		assert(child == n->nchild && (child == 0 || n->kind >= VG_YAML_LIST));
		count += walk(n->child, depth + 1);
	}
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vg_arena a;
	struct vg_yaml *root = NULL;
	struct vg_yaml_error err;

	vg_arena_init(&a, (size_t)128 << 20);
	if (vg_yaml_parse(vg_str_mem(data, n), &a, &root, &err) == VG_OK)
		assert(walk(root, 1) <= VG_YAML_NODES_MAX);
	else
		assert(root == NULL && err.text[0]);
	vg_arena_fini(&a);
	return 0;
}
