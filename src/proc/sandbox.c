#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* What a parser needs: its descriptors, memory, the clock, its own end. */
static const int allowed[] = {
	SCMP_SYS(read),		SCMP_SYS(write),	  SCMP_SYS(pread64),	    SCMP_SYS(pwrite64),
	SCMP_SYS(readv),	SCMP_SYS(writev),	  SCMP_SYS(lseek),	    SCMP_SYS(close),
	SCMP_SYS(fstat),	SCMP_SYS(newfstatat),	  SCMP_SYS(ftruncate),	    SCMP_SYS(munmap),
	SCMP_SYS(mremap),	SCMP_SYS(madvise),	  SCMP_SYS(brk),	    SCMP_SYS(exit),
	SCMP_SYS(exit_group),	SCMP_SYS(futex),	  SCMP_SYS(recvmsg),	    SCMP_SYS(sendmsg),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),  SCMP_SYS(getrandom),	    SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(sigaltstack),    SCMP_SYS(sched_yield),
	SCMP_SYS(poll),		SCMP_SYS(ppoll),	  SCMP_SYS(restart_syscall), SCMP_SYS(getpid),
	SCMP_SYS(gettid),	SCMP_SYS(tgkill),	  SCMP_SYS(getrusage),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(sched_getaffinity),
};

static const int loop_calls[] = {
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_create1), SCMP_SYS(accept4), SCMP_SYS(accept),
	SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(fcntl), SCMP_SYS(ioctl), SCMP_SYS(eventfd2), SCMP_SYS(nanosleep), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(dup), SCMP_SYS(sendfile), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(clock_getres), SCMP_SYS(sysinfo), SCMP_SYS(uname),
	SCMP_SYS(geteuid), SCMP_SYS(getuid), SCMP_SYS(getegid), SCMP_SYS(getgid),
};
static const int read_calls[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(fcntl), SCMP_SYS(flock),
	SCMP_SYS(fadvise64), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(fchdir), SCMP_SYS(umask), SCMP_SYS(geteuid), SCMP_SYS(getuid),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(preadv), SCMP_SYS(prlimit64),
};
static const int write_calls[] = {
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(rmdir), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(fallocate), SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(pwritev),
	SCMP_SYS(sync_file_range), SCMP_SYS(utimensat), SCMP_SYS(msync),
};
static const int connect_calls[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(sendmmsg), SCMP_SYS(socketpair), SCMP_SYS(pipe2), SCMP_SYS(clone3), SCMP_SYS(clone),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
};
static const int watch_calls[] = { SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch) };
static const int memory_calls[] = { SCMP_SYS(memfd_create) };
static const struct may {
	unsigned may;
	const int *call;
	size_t n;
} mays[] = {
	{ VG_MAY_LOOP, loop_calls, VG_COUNT(loop_calls) },
	{ VG_MAY_READ | VG_MAY_WRITE, read_calls, VG_COUNT(read_calls) },
	{ VG_MAY_WRITE, write_calls, VG_COUNT(write_calls) },
	{ VG_MAY_CONNECT, connect_calls, VG_COUNT(connect_calls) },
	{ VG_MAY_WATCH, watch_calls, VG_COUNT(watch_calls) },
	{ VG_MAY_MEMORY, memory_calls, VG_COUNT(memory_calls) },
};
static unsigned weak;

/* Who tries one of these is no longer ours: it is killed, not refused. */
static const struct fatal {
	int call;
	unsigned unless; /* enum vg_sandbox_may */
} fatal[] = {
	{ SCMP_SYS(execve), 0 }, { SCMP_SYS(execveat), 0 }, { SCMP_SYS(ptrace), 0 }, { SCMP_SYS(socket), VG_MAY_CONNECT },
	{ SCMP_SYS(connect), VG_MAY_CONNECT }, { SCMP_SYS(bind), VG_MAY_CONNECT }, { SCMP_SYS(process_vm_writev), 0 },
	{ SCMP_SYS(bpf), 0 }, { SCMP_SYS(kexec_load), 0 }, { SCMP_SYS(init_module), 0 },
};

static void
limit(int what, size_t value)
{
	struct rlimit r = { value, value };

	(void)setrlimit((__rlimit_resource_t)what, &r); /* a lower hard limit stays, which is as good */
}

/* No path is allowed but what lies in its folder; kernels without Landlock rely on the list of calls and the root. */
static void
landlock(const struct vg_sandbox_limits *l)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = (1u << 13) - 1 }; /* ABI 1 */
	struct landlock_path_beneath_attr under = { .parent_fd = l->dir, .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd < 0) {
		weak |= VG_WEAK_LANDLOCK;
		return;
	}
	if (l->may & VG_MAY_WRITE)
		under.allowed_access |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
					LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR;
	if ((l->may & (VG_MAY_READ | VG_MAY_WRITE)) && l->dir > 0)
		(void)syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &under, 0);
	if (l->see_all) {
		int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		under = (struct landlock_path_beneath_attr){ .parent_fd = root, .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR };
		(void)syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &under, 0);
		if (root >= 0)
			close(root);
	}
	(void)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
}

/* Its folder becomes its root.  An ordinary user needs a user namespace for that, where the kernel gives one. */
static void
enter_root(int dir)
{
	if (fchdir(dir) < 0 || (chroot(".") < 0 && (unshare(CLONE_NEWUSER) < 0 || chroot(".") < 0)))
		weak |= VG_WEAK_ROOT;
	else if (chdir("/") < 0)
		weak |= VG_WEAK_ROOT;
}

/* Root without its powers. */
static void
drop_powers(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	for (unsigned long cap = 0; cap <= 63; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)syscall(SYS_capset, &h, none);
}

unsigned
vg_sandbox_weakness(void)
{
	return weak;
}

vg_rc
vg_sandbox_enter(const struct vg_sandbox_limits *l)
{
	scmp_filter_ctx f;
	int bad = 0;

	limit(RLIMIT_CORE, 0);
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
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return VG_E_SYS;
	landlock(l);
	if (l->may && l->dir > 0 && !l->see_all)
		enter_root(l->dir);
	drop_powers();
	/* refused calls fail with EPERM, so that a library that tries one goes on */
	if ((f = seccomp_init(SCMP_ACT_ERRNO(EPERM))) == NULL)
		return VG_E_SYS;
	for (size_t i = 0; i < VG_COUNT(allowed); i++)
		bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < VG_COUNT(mays); i++)
		for (size_t j = 0; (l->may & mays[i].may) && j < mays[i].n; j++)
			bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, mays[i].call[j], 0);
	for (size_t i = 0; i < VG_COUNT(fatal); i++)
		if (!(l->may & fatal[i].unless))
			bad |= seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, fatal[i].call, 0);
	/* memory, but none that can be executed */
	bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	if (bad == 0)
		bad = seccomp_load(f);
	seccomp_release(f);
	return bad ? VG_E_SYS : VG_OK;
}
