#include "source/auditd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Each event as "name=value|..." and a LF. */
struct seen {
	char text[65536];
	size_t n;
	uint64_t events, strange, limits;
	int64_t time_ns;
};
static struct seen seen;

static vg_rc
on_event(void *ctx, struct vg_event *e)
{
	struct seen *s = ctx;

	for (uint32_t i = 0; i < e->nfield && s->n < sizeof(s->text) - 4096; i++)
		s->n += (size_t)snprintf(s->text + s->n, 4096, "%s%.*s=%.*s", i ? "|" : "",
					 VG_STR_ARG(e->field[i].name),
					 VG_STR_ARG(vg_str_cut(e->field[i].value, 2000)));
	s->text[s->n++] = '\n';
	s->text[s->n] = 0;
	s->time_ns = e->time_ns;
	s->events++;
	return VG_OK;
}

static void
on_note(void *ctx, const struct vg_note *n)
{
	struct seen *s = ctx;

	s->strange += n->kind == VG_NOTE_UNKNOWN ? n->count : 0;
	s->limits += n->kind == VG_NOTE_LIMIT ? n->count : 0;
}

static void
read_text(const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1);
	struct vg_arena arena;
	struct vg_keys *keys = vg_keys_new();
	struct vg_event event;
	struct vg_input in;
	struct vg_sink sink = { &seen, on_event, on_note };
	struct vg_reader r = { .in = &in, .sink = &sink, .event = &event, .first = true };

	assert_non_null(copy);
	memcpy(copy, text, n);
	seen.n = 0;
	seen.text[0] = 0;
	seen.events = seen.strange = seen.limits = 0;
	vg_arena_init(&arena, 1 << 24);
	vg_event_init(&event, &arena, keys);
	vg_input_mem(&in, copy, n);
	assert_int_equal(vg_auditd_read(&r), VG_OK);
	vg_arena_fini(&arena);
	vg_keys_free(keys);
	free(copy);
}

static bool
says(const char *what)
{
	return strstr(seen.text, what) != NULL;
}

static const char joined[] =
    "node=gw type=SYSCALL msg=audit(1712134365.123:456): arch=c000003e syscall=59 success=yes "
    "exit=0 a0=55d1 a1=55d2 "
    "items=2 ppid=1 pid=2 auid=1000 uid=0 tty=pts0 ses=3 comm=\"ls\" exe=\"/usr/bin/ls\" "
    "key=726F6F740165786563\x1d"
    "ARCH=x86_64 AUID=\"bob\" UID=\"root\"\n"
    "type=SYSCALL msg=audit(1712134365.124:457): arch=c000003e syscall=2 comm=636174202D "
    "exe=\"/bin/cat\" key=(null)\n"
    "node=gw type=EXECVE msg=audit(1712134365.123:456): argc=3 a0=\"ls\" a1=2D6C61 a2_len=8 "
    "a2[0]=6162 a2[1]=6364\n"
    "node=gw type=CWD msg=audit(1712134365.123:456): cwd=\"/root\"\n"
    "node=gw type=PATH msg=audit(1712134365.123:456): item=0 name=\"/usr/bin/ls\" inode=1 "
    "nametype=NORMAL\n"
    "node=gw type=PATH msg=audit(1712134365.123:456): item=1 name=\"/lib64/ld.so\" "
    "nametype=NORMAL\n"
    "node=gw type=PROCTITLE msg=audit(1712134365.123:456): proctitle=6C73002D6C61\n"
    "node=gw type=EOE msg=audit(1712134365.123:456): \n";

static void
records_are_joined(void **state)
{
	(void)state;
	read_text(joined, sizeof(joined) - 1);
	assert_int_equal(seen.events, 2);
	assert_true(
	    vg_str_starts(vg_str_of(seen.text),
			  VG_STR("node=gw|serial=456|type=SYSCALL|arch=c000003e|syscall=59|")));
	assert_true(says("|a0=55d1|a1=55d2|"));
	assert_true(says("|key=root|key=exec|ARCH=x86_64|AUID=bob|UID=root|type=EXECVE|argc=3|a0="
			 "ls|a1=-la|a2_len=8|a2=abcd|"
			 "type=CWD|cwd=/root|type=PATH|item=0|name=/usr/bin/"
			 "ls|inode=1|nametype=NORMAL|type=PATH|item=1|"
			 "name=/lib64/ld.so|nametype=NORMAL|type=PROCTITLE|proctitle=ls "
			 "-la|execve=ls -la abcd\n"));
	assert_true(says("serial=457|type=SYSCALL|arch=c000003e|syscall=2|SYSCALL=open|comm=cat "
			 "-|exe=/bin/cat|key=(null)\n"));
	assert_true(seen.time_ns == INT64_C(1712134365124) * 1000000);
}

static void
user_records_are_taken_apart(void **state)
{
	static const char text[] =
	    "type=USER_LOGIN msg=audit(1712134365.123:460): pid=9 uid=0 auid=1000 ses=3 "
	    "msg='op=login acct=\"root\" "
	    "exe=\"/usr/sbin/sshd\" hostname=10.0.0.1 addr=10.0.0.1 terminal=ssh "
	    "res=success'\x1dUID=\"root\"\n"
	    "type=USER_CMD msg=audit(1712134365.123:461): pid=9 msg='cwd=\"/\" cmd=6C73202D6C "
	    "exe=\"/usr/bin/sudo\" "
	    "terminal=pts/0 res=success'\n"
	    "type=SOCKADDR msg=audit(1712134365.123:462): saddr=020001BB0A0000010000000000000000\n"
	    "type=SOCKADDR msg=audit(1712134365.123:463): "
	    "saddr=0A0001BB0000000020010DB800000000000000000000000100000000\x1dSADDR={ "
	    "saddr_fam=inet6 "
	    "laddr=2001:db8::1 lport=443 }\n"
	    "type=TTY msg=audit(1712134365.123:464): tty pid=1 data=6C730D\n";

	(void)state;
	read_text(text, sizeof(text) - 1);
	assert_int_equal(seen.events, 5);
	assert_true(says("|ses=3|op=login|acct=root|exe=/usr/sbin/"
			 "sshd|hostname=10.0.0.1|addr=10.0.0.1|terminal=ssh|res=success|"
			 "UID=root\n"));
	assert_true(says("|cwd=/|cmd=ls -l|exe=/usr/bin/sudo|terminal=pts/0|res=success\n"));
	assert_true(says("|saddr_fam=inet|laddr=10.0.0.1|lport=443\n"));
	assert_true(says("|saddr_fam=inet6|laddr=2001:db8::1|lport=443\n"));
	assert_true(says("|pid=1|data=ls\r\n"));
}

static void
joining_has_limits(void **state)
{
	char *text = malloc(1 << 20);
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 100; i++)
		n += (size_t)sprintf(
		    text + n, "type=PATH msg=audit(1712134365.123:1): item=%d name=\"x\"\n", i);
	n += (size_t)sprintf(text + n, "strange\n");
	read_text(text, n);
	assert_int_equal(seen.events, 2);
	assert_int_equal(seen.limits, 1);
	assert_int_equal(seen.strange, 1);
	n = 0;
	for (int i = 0; i < 100; i++)
		n += (size_t)sprintf(text + n, "type=CWD msg=audit(1712134365.123:%d): cwd=\"x\"\n",
				     i);
	/* its event is over by now, and the end of another is no event */
	n += (size_t)sprintf(text + n, "type=CWD msg=audit(1712134365.123:0): cwd=\"x\"\n");
	n += (size_t)sprintf(text + n, "type=EOE msg=audit(1712134365.123:1): \n");
	read_text(text, n);
	assert_int_equal(seen.events, 101);
	free(text);
}

static void
every_truncation_is_read(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(joined); n++)
		read_text(joined, n);
}

static void
the_probe_knows_its_own(void **state)
{
	(void)state;
	assert_true(vg_auditd_probe(vg_str_of(joined), true, VG_NIL) > 90);
	assert_int_equal(vg_auditd_probe(VG_STR("Apr  3 08:12:45 h a: type=x"), true, VG_NIL), 0);
	assert_int_equal(vg_auditd_probe(VG_NIL, true, VG_NIL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_joined),
		cmocka_unit_test(user_records_are_taken_apart),
		cmocka_unit_test(joining_has_limits),
		cmocka_unit_test(every_truncation_is_read),
		cmocka_unit_test(the_probe_knows_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
