#include "proc/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/calls.h"
#include "proc/landlock.h"
#include "proc/view.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

const char *const vg_sandbox_net_files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/services", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
	"/usr/lib/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", NULL,
};
static unsigned weak;

static void
limit(int what, size_t value)
{
	struct rlimit r = { value, value };

	(void)setrlimit((__rlimit_resource_t)what, &r); /* a lower hard limit stays, which is as good */
}

static void
limit_all(const struct vg_sandbox_limits *l)
{
	limit(RLIMIT_CORE, 0);
	if (!(l->may & VG_MAY_CONNECT)) /* threads count too */
		limit(RLIMIT_NPROC, 0);
	if (l->cpu_s)
		limit(RLIMIT_CPU, l->cpu_s);
	if (l->file_bytes)
		limit(RLIMIT_FSIZE, l->file_bytes);
#ifndef SANITIZED
	if (l->data_bytes)
		limit(RLIMIT_DATA, l->data_bytes);
#endif
	(void)signal(SIGXFSZ, SIG_IGN);
}

/* An ordinary user needs a user namespace for that, where the kernel gives one. */
static bool
may_change_root(void)
{
	return geteuid() == 0 || unshare(CLONE_NEWUSER) == 0;
}

/* A folder with nothing in it, for good: that of a process that is no more.  Such a one, which shares our idea of the root, enters its own. */
static bool
enter_nothing(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_FS | SIGCHLD), NULL, NULL, NULL, 0UL);
	int status = -1;

	if (pid == 0)
		_exit(chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0;
}

static bool
enter_root(int dir)
{
	if (dir <= 0)
		return may_change_root() && enter_nothing();
	return fchdir(dir) == 0 && may_change_root() && chroot(".") == 0 && chdir("/") == 0;
}

/* Root without its powers. */
static void
drop_powers(const struct vg_sandbox_limits *l)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } }, reads[2] = { { .effective = 1u << CAP_DAC_READ_SEARCH, .permitted = 1u << CAP_DAC_READ_SEARCH } };

	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned long cap = 0; cap <= 63; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (!l->others || syscall(SYS_capset, &h, reads) < 0)
		(void)syscall(SYS_capset, &h, none);
}

unsigned
vg_sandbox_weakness(void)
{
	return weak;
}

void
vg_sandbox_hide(void)
{
#ifndef SANITIZED /* LeakSanitizer looks into its own */
	if (vg_landlock_abi() == 0)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

vg_rc
vg_sandbox_enter(const struct vg_sandbox_limits *l)
{
	weak = 0;
	if (l->name)
		(void)prctl(PR_SET_NAME, l->name, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return VG_E_SYS;
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* else /proc/self is root's */
	if (l->see ? !vg_view_enter(l) : !enter_root(l->may & (VG_MAY_READ | VG_MAY_WRITE) ? l->dir : 0))
		weak |= VG_WEAK_ROOT;
	limit_all(l);
	if (!vg_landlock_enter(l))
		weak |= VG_WEAK_LANDLOCK;
	drop_powers(l);
	vg_sandbox_hide();
	return vg_calls_enter(l->may);
}
