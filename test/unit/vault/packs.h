/* test/unit/vault/packs.h - the packs of this tree, compiled, for tests of the vault: VG_PACKS_DIR says where they lie. */
#ifndef VG_TEST_VAULT_PACKS_H
#define VG_TEST_VAULT_PACKS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/pack.h"

static char *packs_blob; /* aligned */
static size_t packs_bytes;

static void
read_packs(void)
{
	static struct vg_pack_text text[64];
	struct vg_buf blob = { 0 }, again = { 0 };
	size_t n = 0;
	glob_t g;

	assert_int_equal(glob(VG_PACKS_DIR "/*.yaml", 0, NULL, &g), 0);
	for (; n < g.gl_pathc && n < VG_COUNT(text); n++) {
		FILE *f = fopen(g.gl_pathv[n], "rb");
		char *p = malloc(1 << 20);

		assert_non_null(f);
		assert_non_null(p);
		text[n] = (struct vg_pack_text){ VG_STR("pack"), vg_str_mem(p, fread(p, 1, 1 << 20, f)) };
		fclose(f);
	}
	globfree(&g);
	assert_int_equal(vg_packs_compile(text, n, &blob, NULL, NULL), VG_OK);
	assert_int_equal(vg_packs_compile(text, n, &again, NULL, NULL), VG_OK);
	assert_true(vg_str_eq(vg_buf_str(&blob), vg_buf_str(&again))); /* or no stamp of fields would ever be met again */
	assert_int_equal(posix_memalign((void **)&packs_blob, 64, blob.n + 64), 0);
	memcpy(packs_blob, blob.p, packs_bytes = blob.n);
	vg_buf_fini(&blob);
	vg_buf_fini(&again);
	while (n)
		free((void *)(uintptr_t)text[--n].yaml.p);
}

static struct vg_packs *
load_packs(struct vg_keys *keys)
{
	struct vg_packs *packs;

	assert_int_equal(vg_packs_load(vg_str_mem(packs_blob, packs_bytes), keys, &packs), VG_OK);
	return packs;
}

#endif
