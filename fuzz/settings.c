/* Settings: the first byte chooses a file (f), --listen's text (l), an address (a), or a sources' name to find (s: name, NUL, file).  What
 * is always true: what is refused is told and leaves the struct alone; what loads, prints to a text that loads and prints the same; a problem
 * is one printable line. */
#include "settings/table.h"

#include <assert.h>

#include "choose.h"

static void
tell(void *ctx, const struct vg_settings_problem *p)
{
	vg_str text = vg_str_of(p->text);

	++*(unsigned *)ctx;
	assert(text.n > 0 && vg_setting_printable(text) && vg_setting_printable(vg_str_of(p->key)));
}

static bool
load(vg_str text, struct vg_settings *out)
{
	unsigned told = 0;
	vg_rc rc = vg_settings_load(text, "vigie.yaml", NULL, tell, &told, out);

	assert((rc == VG_OK) == (told == 0) && told <= VG_SETTINGS_PROBLEMS_MAX + 1);
	return rc == VG_OK;
}

/* What goes together in what was loaded. */
static void
is_sound(const struct vg_settings *s)
{
	assert(s->tenants.n > 0 && s->vault.share >= 1 && s->vault.share <= 100);
	for (size_t i = 0; i < s->listen.n; i++) {
		const struct vg_listener *l = &s->listen.item[i];

		assert(l->kind > VG_LISTEN_BY_NAME && l->kind <= VG_LISTEN_METRICS && l->address.given);
		assert(l->tenant.n == 0 || vg_settings_tenant(s, l->tenant) != NULL);
	}
	for (size_t i = 0; i < s->sources.n; i++)
		assert(s->sources.item[i].match.n > 0);
	assert(vg_settings_keep_ns(s, &s->tenants.item[0], VG_STR("x")) > 0);
}

static void
file(vg_str text)
{
	struct vg_buf one = { 0 }, two = { 0 };
	struct vg_settings s, again;

	if (!load(text, &s))
		return;
	is_sound(&s);
	vg_settings_print(&s, true, &one);
	assert(one.rc == VG_OK && load(vg_buf_str(&one), &again));
	vg_settings_print(&again, true, &two);
	assert(vg_str_eq(vg_buf_str(&one), vg_buf_str(&two)));
	vg_buf_fini(&one);
	vg_buf_fini(&two);
	vg_settings_fini(&s);
	vg_settings_fini(&again);
}

static void
listen_text(vg_str text)
{
	struct vg_buf before = { 0 }, after = { 0 };
	char why[VG_SETTINGS_WHY_MAX];
	struct vg_settings s;

	assert(load(VG_STR("tenants: {a: A, b: B}\nlisten: {syslog.tenant: a, syslog-tls: off, lan: {kind: https, address: '[::1]:7'}}\nlocal.tenant: b\n"), &s));
	vg_settings_print(&s, true, &before);
	if (vg_settings_listen(&s, text, why) == VG_OK) {
		is_sound(&s);
	} else {
		vg_settings_print(&s, true, &after);
		assert(why[0] && vg_setting_printable(vg_str_of(why)) && vg_str_eq(vg_buf_str(&before), vg_buf_str(&after)));
	}
	vg_buf_fini(&before);
	vg_buf_fini(&after);
	vg_settings_fini(&s);
}

static void
address(vg_str text)
{
	struct vg_address a, b;
	char shown[VG_ADDRESS_MAX];

	if (!vg_address_parse(text, &a))
		return;
	vg_address_print(&a, shown);
	assert(vg_address_parse(vg_str_of(shown), &b) && memcmp(a.ip, b.ip, 16) == 0 && a.port == b.port);
}

static void
source(vg_str text)
{
	static const uint8_t ip[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };
	vg_str name;
	struct vg_settings s;

	if (!vg_str_split(&text, '\0', &name) || text.p == NULL || !load(text, &s))
		return;
	(void)vg_settings_source(&s, VG_STR("a"), name, ip);
	(void)vg_settings_source(&s, VG_STR("a"), name, NULL);
	vg_settings_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'l', listen_text }, { 'a', address }, { 's', source }, { 0, file } };

	return fuzz_choose(choices, data, n);
}
