#include "proc/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define ALWAYS 0
#define ANY_FILE (VG_MAY_READ | VG_MAY_WRITE)

/* A call, and what one of its arguments may be. */
enum test {
	FREE,     /* nothing is asked */
	IS,       /* argument & mask == value */
	SELF,     /* it is this process's number */
};
struct allowed {
	int call;
	unsigned may;    /* who may it; one of these will do.  ALWAYS: every process */
	unsigned unless; /* but not with that: another row says how */
	enum test test;
	unsigned arg;
	uint64_t mask, value;
};
#define ALL UINT64_MAX
#define PLAIN(call, may)                                                                                                                                                 \
	{                                                                                                                                                                \
		SCMP_SYS(call), may, 0, FREE, 0, 0, 0                                                                                                                    \
	}
#define WHERE(call, may, arg, mask, value)                                                                                                                               \
	{                                                                                                                                                                \
		SCMP_SYS(call), may, 0, IS, arg, mask, value                                                                                                             \
	}

/* A connection may be begun by what looks like sending: TCP Fast Open, on a listener that was shut down. */
#define FAST_OPEN 0x20000000
#define SET_ID 06000 /* a program that runs as its owner */
#define MAKES (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_PTRACE)

static const struct allowed table[] = {
	/* what a parser needs: its descriptors, memory, the clock, its own end */
	PLAIN(read, ALWAYS), PLAIN(write, ALWAYS), PLAIN(pread64, ALWAYS), PLAIN(pwrite64, ALWAYS), PLAIN(readv, ALWAYS), PLAIN(writev, ALWAYS),
	PLAIN(lseek, ALWAYS), PLAIN(close, ALWAYS), PLAIN(fstat, ALWAYS), PLAIN(newfstatat, ALWAYS), PLAIN(ftruncate, ALWAYS),
	PLAIN(munmap, ALWAYS), PLAIN(mremap, ALWAYS), PLAIN(madvise, ALWAYS), PLAIN(brk, ALWAYS), PLAIN(exit, ALWAYS), PLAIN(exit_group, ALWAYS),
	PLAIN(futex, ALWAYS), PLAIN(recvmsg, ALWAYS), PLAIN(clock_gettime, ALWAYS), PLAIN(gettimeofday, ALWAYS), PLAIN(getrandom, ALWAYS),
	PLAIN(rt_sigreturn, ALWAYS), PLAIN(rt_sigaction, ALWAYS), PLAIN(rt_sigprocmask, ALWAYS), PLAIN(sigaltstack, ALWAYS),
	PLAIN(sched_yield, ALWAYS), PLAIN(poll, ALWAYS), PLAIN(ppoll, ALWAYS), PLAIN(restart_syscall, ALWAYS), PLAIN(getpid, ALWAYS),
	PLAIN(gettid, ALWAYS), PLAIN(getrusage, ALWAYS), PLAIN(alarm, ALWAYS), PLAIN(clock_nanosleep, ALWAYS),
	WHERE(sendmsg, ALWAYS, 2, FAST_OPEN, 0),
	{ SCMP_SYS(tgkill), ALWAYS, 0, SELF, 0, 0, 0 }, /* abort(3) */
	{ SCMP_SYS(sched_getaffinity), ALWAYS, 0, IS, 0, ALL, 0 }, { SCMP_SYS(sched_getaffinity), ALWAYS, 0, SELF, 0, 0, 0 },
	/* memory, but none that can be executed */
	WHERE(mmap, ALWAYS, 2, 4 /* PROT_EXEC */, 0), WHERE(mprotect, ALWAYS, 2, 4, 0),

	PLAIN(epoll_wait, VG_MAY_LOOP), PLAIN(epoll_pwait, VG_MAY_LOOP), PLAIN(epoll_ctl, VG_MAY_LOOP), PLAIN(epoll_create1, VG_MAY_LOOP),
	PLAIN(accept4, VG_MAY_LOOP), PLAIN(accept, VG_MAY_LOOP), PLAIN(recvfrom, VG_MAY_LOOP | VG_MAY_CONNECT), PLAIN(recvmmsg, VG_MAY_LOOP),
	PLAIN(shutdown, VG_MAY_LOOP | VG_MAY_CONNECT), PLAIN(getsockopt, VG_MAY_LOOP | VG_MAY_CONNECT),
	PLAIN(getsockname, VG_MAY_LOOP | VG_MAY_CONNECT), PLAIN(getpeername, VG_MAY_LOOP | VG_MAY_CONNECT), PLAIN(eventfd2, VG_MAY_LOOP | VG_MAY_CONNECT),
	PLAIN(nanosleep, VG_MAY_LOOP), PLAIN(timerfd_create, VG_MAY_LOOP), PLAIN(timerfd_settime, VG_MAY_LOOP), PLAIN(dup, VG_MAY_LOOP),
	PLAIN(sendfile, VG_MAY_LOOP), PLAIN(select, VG_MAY_LOOP), PLAIN(pselect6, VG_MAY_LOOP), PLAIN(clock_getres, VG_MAY_LOOP),
	PLAIN(sysinfo, VG_MAY_LOOP | ANY_FILE), PLAIN(uname, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT),
	PLAIN(geteuid, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT), PLAIN(getuid, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT), PLAIN(getegid, VG_MAY_LOOP), PLAIN(getgid, VG_MAY_LOOP),
	/* to whom it is connected already, and nobody else */
	WHERE(sendto, VG_MAY_LOOP | VG_MAY_CONNECT, 4, ALL, 0),
	WHERE(ioctl, VG_MAY_LOOP | VG_MAY_CONNECT, 1, 0xffffffff, FIONBIO), WHERE(ioctl, VG_MAY_LOOP | VG_MAY_CONNECT, 1, 0xffffffff, FIONREAD),

	/* F_SETOWN would send signals to others */
	WHERE(fcntl, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT, 1, 0xffffffff, F_GETFD), WHERE(fcntl, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT, 1, 0xffffffff, F_SETFD),
	WHERE(fcntl, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT, 1, 0xffffffff, F_GETFL), WHERE(fcntl, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT, 1, 0xffffffff, F_SETFL),
	WHERE(fcntl, VG_MAY_LOOP | ANY_FILE | VG_MAY_CONNECT, 1, 0xffffffff, F_DUPFD_CLOEXEC),
	WHERE(fcntl, ANY_FILE, 1, 0xffffffff, F_GETLK), WHERE(fcntl, ANY_FILE, 1, 0xffffffff, F_SETLK), WHERE(fcntl, ANY_FILE, 1, 0xffffffff, F_SETLKW),

	{ SCMP_SYS(openat), VG_MAY_READ, VG_MAY_WRITE, IS, 2, MAKES, O_RDONLY }, { SCMP_SYS(open), VG_MAY_READ, VG_MAY_WRITE, IS, 1, MAKES, O_RDONLY },
	PLAIN(stat, ANY_FILE), PLAIN(lstat, ANY_FILE), PLAIN(statx, ANY_FILE), PLAIN(access, ANY_FILE), PLAIN(faccessat, ANY_FILE),
	PLAIN(faccessat2, ANY_FILE), PLAIN(getdents64, ANY_FILE), PLAIN(readlink, ANY_FILE), PLAIN(readlinkat, ANY_FILE), PLAIN(getcwd, ANY_FILE),
	PLAIN(flock, ANY_FILE), PLAIN(fadvise64, ANY_FILE), PLAIN(statfs, ANY_FILE), PLAIN(fstatfs, ANY_FILE), PLAIN(preadv, ANY_FILE),
	{ SCMP_SYS(prlimit64), ANY_FILE, 0, IS, 0, ALL, 0 },

	WHERE(openat, VG_MAY_WRITE, 3, SET_ID, 0), WHERE(open, VG_MAY_WRITE, 2, SET_ID, 0), WHERE(mkdir, VG_MAY_WRITE, 1, SET_ID, 0),
	WHERE(mkdirat, VG_MAY_WRITE, 2, SET_ID, 0), WHERE(fchmod, VG_MAY_WRITE, 1, SET_ID, 0), PLAIN(unlink, VG_MAY_WRITE), PLAIN(unlinkat, VG_MAY_WRITE),
	PLAIN(rename, VG_MAY_WRITE), PLAIN(renameat, VG_MAY_WRITE), PLAIN(renameat2, VG_MAY_WRITE), PLAIN(rmdir, VG_MAY_WRITE), PLAIN(fsync, VG_MAY_WRITE),
	PLAIN(fdatasync, VG_MAY_WRITE), PLAIN(fallocate, VG_MAY_WRITE), PLAIN(pwritev, VG_MAY_WRITE), PLAIN(sync_file_range, VG_MAY_WRITE),
	PLAIN(utimensat, VG_MAY_WRITE), PLAIN(msync, VG_MAY_WRITE),

	/* what resolvers and TLS clients need; no socket of this machine's, no packet of one's own making, no process but threads */
	WHERE(socket, VG_MAY_CONNECT, 0, ALL, AF_INET), WHERE(socket, VG_MAY_CONNECT, 0, ALL, AF_INET6), PLAIN(connect, VG_MAY_CONNECT),
	WHERE(sendmmsg, VG_MAY_CONNECT, 3, FAST_OPEN, 0), WHERE(socketpair, VG_MAY_CONNECT, 0, ALL, AF_UNIX), PLAIN(pipe2, VG_MAY_CONNECT),
	WHERE(clone, VG_MAY_CONNECT, 0, CLONE_THREAD | NAMESPACES, CLONE_THREAD), PLAIN(set_robust_list, VG_MAY_CONNECT), PLAIN(rseq, VG_MAY_CONNECT),

	PLAIN(memfd_create, VG_MAY_MEMORY), WHERE(fcntl, VG_MAY_MEMORY, 1, 0xffffffff, F_ADD_SEALS),
	WHERE(fcntl, VG_MAY_LOOP, 1, 0xffffffff, F_GET_SEALS),
	PLAIN(inotify_init1, VG_MAY_WATCH), PLAIN(inotify_add_watch, VG_MAY_WATCH), PLAIN(inotify_rm_watch, VG_MAY_WATCH),
};

/* What may be set of a socket: no filters, which are programs for the kernel. */
static const struct option {
	uint32_t level, name;
} options[] = {
	{ SOL_SOCKET, SO_KEEPALIVE }, { SOL_SOCKET, SO_SNDBUF }, { SOL_SOCKET, SO_RCVBUF }, { SOL_SOCKET, SO_LINGER },
	{ IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_CORK }, { IPPROTO_TCP, TCP_KEEPIDLE }, { IPPROTO_TCP, TCP_KEEPINTVL },
	{ IPPROTO_IP, IP_RECVERR }, { IPPROTO_IPV6, IPV6_RECVERR }, /* glibc's resolver */
};

/* Who tries one of these is no longer ours: it is killed, not refused. */
static const struct fatal {
	int call;
	unsigned unless; /* enum vg_sandbox_may */
} fatal[] = {
	{ SCMP_SYS(execve), 0 }, { SCMP_SYS(execveat), 0 }, { SCMP_SYS(ptrace), 0 }, { SCMP_SYS(socket), VG_MAY_CONNECT },
	{ SCMP_SYS(connect), VG_MAY_CONNECT }, { SCMP_SYS(bind), 0 }, { SCMP_SYS(process_vm_readv), 0 }, { SCMP_SYS(process_vm_writev), 0 },
	{ SCMP_SYS(bpf), 0 }, { SCMP_SYS(kexec_load), 0 }, { SCMP_SYS(init_module), 0 }, { SCMP_SYS(finit_module), 0 },
	{ SCMP_SYS(io_uring_setup), 0 }, { SCMP_SYS(userfaultfd), 0 }, { SCMP_SYS(perf_event_open), 0 }, { SCMP_SYS(keyctl), 0 }, { SCMP_SYS(pidfd_getfd), 0 },
};

static int
add(scmp_filter_ctx f, const struct allowed *a)
{
	switch (a->test) {
	case IS:
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, a->call, 1, SCMP_CMP64(a->arg, SCMP_CMP_MASKED_EQ, a->mask, a->value));
	case SELF:
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, a->call, 1, SCMP_CMP64(a->arg, SCMP_CMP_EQ, (uint64_t)getpid(), 0));
	default:
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, a->call, 0);
	}
}

static int
add_all(scmp_filter_ctx f, unsigned may)
{
	int bad = 0;

	for (size_t i = 0; i < VG_COUNT(table); i++)
		if ((table[i].may == ALWAYS || (may & table[i].may)) && !(may & table[i].unless))
			bad |= add(f, &table[i]);
	for (size_t i = 0; (may & (VG_MAY_LOOP | VG_MAY_CONNECT)) && i < VG_COUNT(options); i++)
		bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, options[i].level),
					SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, UINT32_MAX, options[i].name));
	for (size_t i = 0; i < VG_COUNT(fatal); i++)
		if (!(may & fatal[i].unless))
			bad |= seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, fatal[i].call, 0);
	if (may & VG_MAY_CONNECT) /* its flags are in memory, which is not looked at: then the C library takes clone(2) */
		bad |= seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return bad;
}

vg_rc
vg_calls_enter(unsigned may)
{
	/* refused calls fail with EPERM, so that a library that tries one goes on */
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int bad;

	if (f == NULL)
		return VG_E_SYS;
	bad = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	bad |= seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	bad |= seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	bad |= add_all(f, may);
	if (bad == 0)
		bad = seccomp_load(f);
	seccomp_release(f);
	return bad ? VG_E_SYS : VG_OK;
}
