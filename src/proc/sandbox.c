#include "proc/sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
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

/* A parser that tries one of these is no longer ours: it is killed, not refused. */
static const int fatal[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),	 SCMP_SYS(socket),
	SCMP_SYS(connect), SCMP_SYS(bind),    SCMP_SYS(process_vm_writev),
	SCMP_SYS(bpf),	   SCMP_SYS(kexec_load), SCMP_SYS(init_module),
};

static void
limit(int what, size_t value)
{
	struct rlimit r = { value, value };

	(void)setrlimit((__rlimit_resource_t)what, &r); /* a lower hard limit stays, which is as good */
}

/* No path at all is allowed; kernels without Landlock rely on the list of calls alone. */
static void
landlock(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = (1u << 13) - 1 }; /* ABI 1 */
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd < 0)
		return;
	(void)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
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
	landlock();
	/* refused calls fail with EPERM, so that a library that tries one goes on */
	if ((f = seccomp_init(SCMP_ACT_ERRNO(EPERM))) == NULL)
		return VG_E_SYS;
	for (size_t i = 0; i < VG_COUNT(allowed); i++)
		bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < VG_COUNT(fatal); i++)
		bad |= seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
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
