#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "proc/pool.h"

/* A folder with: own/, logs/app.log, logs/link -> other/deep/linked.log, alias -> logs, secret. */
struct place {
	char path[100], *see[4]; /* owned */
	const char *list[5];
	struct vg_sandbox_limits limits;
};

static void
put(const struct place *p, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->path, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && vg_write_all(fd, vg_str_of(name)) == VG_OK);
	close(fd);
}

static void
make(struct place *p)
{
	static const char *const folders[] = { "own", "logs", "other", "other/deep" };
	char path[PATH_MAX], to[PATH_MAX];

	*p = (struct place){ .path = "/tmp/test-sandbox-XXXXXX" };
	assert_non_null(mkdtemp(p->path));
	for (size_t i = 0; i < VG_COUNT(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->path, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	put(p, "logs/app.log");
	put(p, "other/deep/linked.log");
	put(p, "other/deep/beside");
	put(p, "secret");
	snprintf(path, sizeof(path), "%s/logs/link", p->path);
	assert_int_equal(symlink("../other/deep/linked.log", path), 0);
	snprintf(path, sizeof(path), "%s/alias", p->path);
	snprintf(to, sizeof(to), "%s/logs", p->path);
	assert_int_equal(symlink(to, path), 0);
	snprintf(path, sizeof(path), "%s/own", p->path);
	p->limits = (struct vg_sandbox_limits){ .name = "test", .may = VG_MAY_READ | VG_MAY_WRITE, .dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .see = p->list };
	assert_true(p->limits.dir > 0);
}

static void
see(struct place *p, const char *name)
{
	size_t n = 0;

	while (p->list[n])
		n++;
	assert_true(asprintf(&p->see[n], "%s/%s", p->path, name) > 0);
	p->list[n] = p->see[n];
}

static void
clean(struct place *p)
{
	char command[200];

	close(p->limits.dir);
	for (size_t i = 0; i < VG_COUNT(p->see); i++)
		free(p->see[i]);
	snprintf(command, sizeof(command), "rm -rf '%s'", p->path);
	assert_int_equal(system(command), 0);
}

static bool
can_read(const struct place *p, const char *name)
{
	char path[PATH_MAX], byte;
	int fd;
	bool can;

	snprintf(path, sizeof(path), "%s/%s", p->path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	can = fd >= 0 && read(fd, &byte, 1) == 1;
	if (fd >= 0)
		close(fd);
	return can;
}

/* ---- in several places ---- */

static vg_rc
look_around(void *ctx)
{
	struct place *p = ctx;
	char path[PATH_MAX];
	int fd;

	if (!can_read(p, "logs/app.log") || !can_read(p, "alias/app.log"))
		return VG_E_NOTFOUND;
	if (!can_read(p, "logs/link")) /* a file that was named is read by its link, and what lies beside it is not */
		return VG_E_TRUNC;
	if (can_read(p, "other/deep/beside") || can_read(p, "secret") || can_read(p, "../../etc/passwd"))
		return VG_E_REFUSED;
	snprintf(path, sizeof(path), "%s/logs/made", p->path);
	if (open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0 || rename(p->see[0], path) == 0)
		return VG_E_LIMIT;
	if ((fd = openat(p->limits.dir, "made", O_CREAT | O_RDWR | O_CLOEXEC, 0600)) < 0 || renameat(p->limits.dir, "made", p->limits.dir, "kept") < 0)
		return VG_E_SYS;
	if (openat(p->limits.dir, "../secret", O_RDONLY | O_CLOEXEC) >= 0 || openat(p->limits.dir, "set", O_CREAT | O_RDWR | O_CLOEXEC, 04700) >= 0 || fchmod(fd, 02700) == 0)
		return VG_E_FORMAT;
	return VG_OK;
}

static void
what_it_may_see_is_all_there_is(void **state)
{
	struct place p;
	struct stat st;
	char why[160] = "", path[PATH_MAX];

	(void)state;
	make(&p);
	see(&p, "logs");
	see(&p, "alias");
	see(&p, "logs/link");
	see(&p, "not there");
	assert_int_equal(vg_sandbox_run(look_around, &p, &p.limits, 20, why), VG_OK);
	snprintf(path, sizeof(path), "%s/own/kept", p.path);
	assert_int_equal(stat(path, &st), 0);
	clean(&p);
}

static vg_rc
only_read(void *ctx)
{
	struct place *p = ctx;
	int fd = open("mine", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || open("mine", O_WRONLY | O_CLOEXEC) >= 0 || open("new", O_CREAT | O_RDONLY | O_CLOEXEC, 0600) >= 0 || open("mine", O_RDONLY | O_TRUNC | O_CLOEXEC) >= 0)
		return VG_E_REFUSED;
	if (open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) >= 0 || unlink("mine") == 0 || mkdir("folder", 0700) == 0)
		return VG_E_LIMIT;
	return can_read(p, "secret") ? VG_E_FORMAT : VG_OK;
}

static void
its_folder_is_the_root_and_may_be_for_reading_alone(void **state)
{
	struct place p;
	char why[160] = "";

	(void)state;
	make(&p);
	put(&p, "own/mine");
	p.limits.see = NULL;
	p.limits.may = VG_MAY_READ;
	assert_int_equal(vg_sandbox_run(only_read, &p, &p.limits, 20, why), VG_OK);
	clean(&p);
}

/* ---- descriptors that it holds ---- */

static int held, pair_fd[2];
static pid_t other;

static vg_rc
misuse(void *ctx)
{
	struct sockaddr_storage to = { .ss_family = AF_INET };
	struct iovec io = { (void *)(uintptr_t)"x", 1 };
	struct msghdr m = { .msg_name = &to, .msg_namelen = 16, .msg_iov = &io, .msg_iovlen = 1 };

	(void)ctx;
	if (sendto(held, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, 16) >= 0 || errno != EPERM || sendmsg(held, &m, MSG_FASTOPEN | MSG_NOSIGNAL) >= 0 || errno != EPERM)
		return VG_E_REFUSED;
	if (fcntl(pair_fd[0], F_SETOWN, other) == 0 || syscall(SYS_tgkill, other, other, 0) == 0 || syscall(SYS_prlimit64, other, 0, NULL, NULL) == 0)
		return VG_E_LIMIT;
	if (send(pair_fd[0], "x", 1, MSG_NOSIGNAL) != 1 || fcntl(pair_fd[0], F_SETFL, O_NONBLOCK) < 0 || raise(0) != 0)
		return VG_E_SYS; /* and what is needed works */
	return VG_OK;
}

static void
what_it_holds_is_no_way_out(void **state)
{
	static const struct vg_sandbox_limits loop = { .may = VG_MAY_LOOP };
	char why[160] = "";

	(void)state;
	other = getpid();
	held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(held >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_fd) == 0);
	assert_int_equal(vg_sandbox_run(misuse, NULL, &loop, 20, why), VG_OK);
	close(held);
	close(pair_fd[0]);
	close(pair_fd[1]);
}

static vg_rc
names(void *ctx)
{
	struct stat st;

	(void)ctx;
	return vg_sandbox_weakness() & VG_WEAK_ROOT || stat("/etc/passwd", &st) < 0 ? VG_OK : VG_E_REFUSED;
}

static void
without_a_folder_there_are_no_names(void **state)
{
	static const struct vg_sandbox_limits none = { .data_bytes = 0 };
	char why[160] = "";

	(void)state;
	assert_int_equal(vg_sandbox_run(names, NULL, &none, 20, why), VG_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_may_see_is_all_there_is),
		cmocka_unit_test(its_folder_is_the_root_and_may_be_for_reading_alone),
		cmocka_unit_test(what_it_holds_is_no_way_out),
		cmocka_unit_test(without_a_folder_there_are_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
