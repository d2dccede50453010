/* What roles and commands say to out, and what out makes of it.  The first byte chooses: a, alarms, which are kept and told; q, the line of a
 * request; r, a request as the parent passes it; m, a letter's subject and text.  What is always true: an alarm that is taken is written the same; of
 * all that is kept each is told once; what people read is valid UTF-8 without control characters, one line where one is meant; a letter is
 * ASCII and has no header but ours. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "choose.h"
#include "net/mail.h"
#include "role/alarm_text.h"
#include "role/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static vg_rc
on_group(void *ctx, const struct vg_outbox_group *g)
{
	return vg_alarm_group(ctx, g);
}

static void
is_readable(vg_str s, bool one_line)
{
	assert(vg_utf8_valid(s));
	for (size_t i = 0; i < s.n; i++)
		assert((unsigned char)s.p[i] >= ' ' || (s.p[i] == '\n' && (!one_line || i + 1 == s.n)));
}

static sqlite3 *
outbox(void)
{
	static const char *const way[] = { "mail" };
	static sqlite3 *db;
	char why[200];

	if (db == NULL && (vg_outbox_open(":memory:", false, why, &db) != VG_OK || vg_outbox_ways(db, way, 1, 0) != VG_OK))
		abort();
	return db;
}

static void
alarms(vg_str s)
{
	struct vg_cur c = vg_cur_of(s.p, s.n);
	struct vg_alarm_message m;
	struct vg_role_alarm a;
	uint64_t kept = 0;

	if (vg_db_run(outbox(), "DELETE FROM known; DELETE FROM told; DELETE FROM due") != VG_OK)
		abort();
	while (vg_cur_left(&c) && vg_role_alarm_take(&c, &a) == VG_OK) {
		struct vg_outbox_alarm x = { .kind = a.kind, .level = a.level, .tenant = a.tenant, .title = a.title, .text = a.text, .time_ns = a.time_ns };
		struct vg_buf again = { 0 };
		bool new;

		vg_role_alarm_put(&again, &a);
		assert(vg_str_ends(vg_str_mem(s.p, (size_t)((const char *)c.p - s.p)), vg_buf_str(&again)));
		vg_buf_fini(&again);
		memcpy(x.id, a.id, sizeof(x.id));
		if (vg_outbox_add(outbox(), &x, 1, &new) != VG_OK)
			abort();
		kept += new;
	}
	vg_alarm_begin(&m, (enum vg_lang)(s.n % VG_LANGS), "node", false);
	if (vg_outbox_take(outbox(), "mail", on_group, &m) != VG_OK || vg_alarm_end(&m, 1) != VG_OK || vg_outbox_told(outbox(), "mail", 2) != VG_OK)
		abort();
	assert(m.count == kept);
	is_readable(vg_buf_str(&m.subject), true);
	is_readable(vg_buf_str(&m.text), false);
	is_readable(vg_buf_str(&m.json), true);
	vg_alarm_fini(&m);
}

static void
line(vg_str s)
{
	struct vg_request r;

	if (vg_request_line(s, &r) == VG_OK) {
		is_readable(r.verb, true);
		is_readable(r.argument, true);
		assert(vg_str_chr(r.verb, ' ') == VG_NPOS && r.verb.n + r.argument.n <= VG_REQUEST_LINE_MAX);
	}
}

static void
request(vg_str s)
{
	struct vg_request r;
	struct vg_buf b = { 0 };

	if (vg_request_take(s, &r) == VG_OK) {
		vg_request_put(&b, &r);
		assert(vg_str_eq(vg_buf_str(&b), s));
	}
	vg_buf_fini(&b);
}

static void
letter(vg_str s)
{
	const char *to = "a@b.example";
	struct vg_letter l = { .from = "c@d.example", .to = &to, .nto = 1, .id = VG_STR("1"), .host = "h" };
	struct vg_buf b = { 0 };
	size_t head, lines = 0;

	if (!vg_str_split(&s, '\0', &l.subject))
		return;
	l.text = s;
	vg_letter_print(&l, &b);
	head = vg_str_find(vg_buf_str(&b), VG_STR("\n\n"));
	assert(b.rc == VG_OK && head != VG_NPOS);
	for (size_t i = 0; i < b.n; i++) {
		assert((unsigned char)b.p[i] < 0x7f && ((unsigned char)b.p[i] >= ' ' || b.p[i] == '\n'));
		lines += i <= head && b.p[i] == '\n' && b.p[i + 1] != ' ';
	}
	assert(lines == 9); /* From, To, Date, Message-ID, Subject, MIME-Version, Content-Type, Auto-Submitted, Content-Transfer-Encoding */
	vg_buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct fuzz_choice choices[] = { { 'a', alarms }, { 'q', line }, { 'r', request }, { 'm', letter }, { 0, NULL } };

	return fuzz_choose(choices, data, n);
}
