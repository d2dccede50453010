/* What a watch publishes, as a witness reads it.  The first byte chooses: l, a list of files; t, one of tenants; n, a name; u, an address.
 * What is always true: a list that is taken is written the same; no name leads out of its folder. */
#include <assert.h>
#include <stdlib.h>

#include "choose.h"
#include "witness/names.h"
#include "witness/pull.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
name(vg_str s)
{
	if (vg_shared_of(s) != VG_SHARED_NOT) {
		assert(s.n && s.n < VG_SHARED_NAME_MAX && s.p[0] != '/' && s.p[0] != '.');
		assert(vg_str_find(s, VG_STR("/.")) == VG_NPOS && vg_str_find(s, VG_STR("//")) == VG_NPOS && memchr(s.p, 0, s.n) == NULL);
	}
	if (vg_is_tenant_name(s))
		assert(memchr(s.p, '/', s.n) == NULL && s.p[0] != '.');
}

static vg_rc
on_file(void *ctx, vg_str file, enum vg_shared what, uint64_t size)
{
	assert(vg_shared_of(file) == what);
	name(file);
	vg_buf_printf(ctx, "%llu ", (unsigned long long)size);
	vg_buf_put(ctx, file);
	vg_buf_putc(ctx, '\n');
	return VG_OK;
}

static void
list(vg_str s)
{
	struct vg_buf b = { 0 };

	if (vg_list_parse(s, on_file, &b) == VG_OK)
		assert(vg_str_eq(vg_buf_str(&b), s));
	vg_buf_fini(&b);
}

static vg_rc
on_tenant(void *ctx, vg_str tenant)
{
	name(tenant);
	vg_buf_put(ctx, tenant);
	vg_buf_putc(ctx, '\n');
	return VG_OK;
}

static void
tenants(vg_str s)
{
	struct vg_buf b = { 0 };

	if (vg_tenants_parse(s, on_tenant, &b) == VG_OK)
		assert(vg_str_eq(vg_buf_str(&b), s));
	vg_buf_fini(&b);
}

static void
address(vg_str s)
{
	char text[VG_URL_MAX + 64];

	if (s.n >= sizeof(text))
		return;
	if (s.n)
		memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (vg_is_url(text))
		assert(strncmp(text, "http", 4) == 0 && strchr(text, '@') == NULL && strchr(text, '\n') == NULL && strlen(text) < VG_URL_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'l', list }, { 't', tenants }, { 'n', name }, { 'u', address }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
