/* scenario/probe.c - linked around vg_sandbox_enter() (ld --wrap): whoever closes its sandbox is first probed from within it.  For each attempt
 * a copy of the process, with all it holds, closes the same sandbox and tries; what came of it is a line "PROCESS TAB ATTEMPT TAB
 * RESULT" in the file $PROBE_TO: "done", the name of an errno, or "killed by N".  Then the process goes on as ever.
 *
 * PROBE_LANDLOCK=N: the kernel knows Landlock up to ABI N only; 0: not at all.  PROBE_OPEN: the sandbox is left out, which shows that the
 * attempts are ones that succeed.  PROBE_NO_SPACES: there are no namespaces.  PROBE_SECRET, PROBE_STATE: a file and the watch's folder, both readable for its user. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "proc/sandbox.h"

vg_rc __real_vg_sandbox_enter(const struct vg_sandbox_limits *l);
vg_rc __wrap_vg_sandbox_enter(const struct vg_sandbox_limits *l);
long __real_syscall(long n, ...);
long __wrap_syscall(long n, ...);
int __real_unshare(int flags);
int __wrap_unshare(int flags);

static const struct vg_sandbox_limits *limits;
static pid_t parent;
static struct { /* of the copy, from before it was closed */
	int tcp, tty, pair[2], memfd, pidfd, ns;
	const char *secret, *state;
} held;

#define CALL(...) __real_syscall(__VA_ARGS__)

/* ---- files ---- */

static int
reads(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return read(fd, &byte, 1) < 0 ? -1 : 0;
}

static int
in_state(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", held.state, name);
	return reads(path);
}

#define UP "../../../../../../../../../../../.."
static int read_passwd(void) { return reads("/etc/passwd"); }
static int read_secret(void) { return reads(held.secret); }
static int read_settings(void) { return in_state("vigie.yaml"); }
static int read_tenant_key(void) { return in_state("keys/main.key"); }
static int read_signing_key(void) { return in_state("seal/log.secret"); }
static int read_catalogue(void) { return in_state("vault/catalogue.db"); }
static int read_signals(void) { return in_state("trace/signals.db"); }
static int read_above(void) { return reads(UP "/etc/passwd"); }
static int read_environ(void) { return reads("/proc/self/environ"); }
static int stat_passwd(void) { struct stat st; return stat("/etc/passwd", &st); }
static int access_passwd(void) { return access("/etc/passwd", R_OK); }
static int readlink_exe(void) { char b[64]; return readlink("/proc/self/exe", b, sizeof(b)) < 0 ? -1 : 0; }
static int path_only(void) { return open("/etc/passwd", O_PATH | O_CLOEXEC) < 0 ? -1 : 0; }
static int open_tree_(void) { return CALL(SYS_open_tree, AT_FDCWD, "/etc", 0) < 0 ? -1 : 0; }
static int openat2_(void)
{
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0 };

	return CALL(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how)) < 0 ? -1 : 0;
}
static int parent_file(const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)parent, name);
	return open(path, flags | O_CLOEXEC) < 0 ? -1 : 0;
}
static int parent_mem(void) { return parent_file("mem", O_RDONLY); }
static int parent_mem_write(void) { return parent_file("mem", O_RDWR); }
static int parent_environ(void) { return parent_file("environ", O_RDONLY); }
static int self_mem(void) { return open("/proc/self/mem", O_RDWR | O_CLOEXEC) < 0 ? -1 : 0; }
static int see_root(void)
{
	struct stat etc, proc;
	DIR *d = opendir("/");
	struct dirent *e;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n += strcmp(e->d_name, "etc") == 0 || strcmp(e->d_name, "proc") == 0;
	if (n == 2 && stat("/etc", &etc) == 0 && stat("/proc", &proc) == 0)
		return 0;
	errno = ENOENT;
	return -1;
}

/* With each folder that is held: is there a way up from it? */
static int
each_folder(int (*try)(int fd))
{
	int error = ENOTDIR;

	for (int fd = 0; fd < 256; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (try(fd) == 0)
			return 0;
		error = errno;
	}
	errno = error;
	return -1;
}
static int up_from(int fd) { return openat(fd, UP "/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? -1 : 0; }
static int up_by_change(int fd) { return fchdir(fd) < 0 ? -1 : reads(UP "/etc/passwd"); }
static int folder_up(void) { return each_folder(up_from); }
static int folder_change_up(void) { return each_folder(up_by_change); }
static int handle_of(int fd)
{
	struct { struct file_handle h; char b[128]; } x = { .h = { .handle_bytes = 128 } };
	int mount;

	return CALL(SYS_name_to_handle_at, fd, "", &x, &mount, AT_EMPTY_PATH) < 0 ? -1 : 0;
}
static int name_to_handle(void) { return handle_of(held.memfd); }
static int open_by_handle(void)
{
	struct { struct file_handle h; char b[128]; } x = { .h = { .handle_bytes = 8, .handle_type = 1 } };

	return CALL(SYS_open_by_handle_at, 0, &x, O_RDONLY) < 0 ? -1 : 0;
}
static int makes(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	(void)unlink(path);
	return 0;
}
static int make_tmp(void) { return makes("/tmp/vigie-probe-made"); }
static int make_above(void)
{
	return makes(UP "/tmp/vigie-probe-made");
}
static int make_in_state(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/vigie-probe-made", held.state);
	return makes(path);
}
static int write_secret(void) { return open(held.secret, O_WRONLY | O_CLOEXEC) < 0 ? -1 : 0; }
static int truncate_secret(void) { return truncate(held.secret, 1 << 10); }
static int chmod_secret(void) { return chmod(held.secret, 0644); }
static int chown_secret(void) { return chown(held.secret, getuid(), (gid_t)-1); }
static int rename_secret(void) { char to[4200]; snprintf(to, sizeof(to), "%s.2", held.secret); return rename(held.secret, to) < 0 ? -1 : rename(to, held.secret); }
static int unlink_secret(void) { char to[4200]; snprintf(to, sizeof(to), "%s.3", held.secret); return link(held.secret, to) < 0 ? -1 : unlink(to); }
static int link_secret(void) { return linkat(AT_FDCWD, held.secret, limits->dir > 0 ? limits->dir : AT_FDCWD, "vigie-probe-link", 0) < 0 ? -1 : unlinkat(limits->dir > 0 ? limits->dir : AT_FDCWD, "vigie-probe-link", 0); }
static int mkdir_tmp(void) { return mkdir("/tmp/vigie-probe-folder", 0700) < 0 ? -1 : rmdir("/tmp/vigie-probe-folder"); }
static int in_own(void) { return limits->dir > 0 ? limits->dir : AT_FDCWD; }
static int own_read(void) { return limits->dir > 0 ? (openat(limits->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 ? -1 : 0) : (errno = ENOTDIR, -1); }
static int own_make(void)
{
	int fd;

	if (limits->dir <= 0) {
		errno = ENOTDIR;
		return -1;
	}
	if ((fd = openat(limits->dir, "vigie-probe-own", O_CREAT | O_RDWR | O_CLOEXEC, 0600)) < 0)
		return -1;
	return unlinkat(limits->dir, "vigie-probe-own", 0);
}
static int own_set_id(void)
{
	int fd;

	if (limits->dir <= 0) {
		errno = ENOTDIR;
		return -1;
	}
	if ((fd = openat(limits->dir, "vigie-probe-set-id", O_CREAT | O_RDWR | O_CLOEXEC, 04755)) >= 0)
		return unlinkat(limits->dir, "vigie-probe-set-id", 0);
	if ((fd = openat(limits->dir, "vigie-probe-set-id", O_CREAT | O_RDWR | O_CLOEXEC, 0700)) < 0)
		return -1;
	(void)unlinkat(limits->dir, "vigie-probe-set-id", 0);
	return fchmod(fd, 04755);
}
static int own_symlink(void) { return symlinkat("/etc/passwd", in_own(), "vigie-probe-sym") < 0 ? -1 : unlinkat(in_own(), "vigie-probe-sym", 0); }
static int own_fifo(void) { return mkfifoat(in_own(), "vigie-probe-fifo", 0600) < 0 ? -1 : unlinkat(in_own(), "vigie-probe-fifo", 0); }
static int own_chown(void) { return limits->dir > 0 ? fchown(limits->dir, getuid(), (gid_t)-1) : (errno = ENOTDIR, -1); }
static int watch_etc(void) { int fd = inotify_init1(IN_CLOEXEC); return fd < 0 ? -1 : inotify_add_watch(fd, "/etc", IN_ACCESS) < 0 ? -1 : 0; }
static int fanotify(void) { return CALL(SYS_fanotify_init, 0x200, 0) < 0 ? -1 : 0; }

/* ---- the network ---- */

static int sock(int family, int type, int protocol) { return socket(family, type | SOCK_CLOEXEC, protocol) < 0 ? -1 : 0; }
static int socket_tcp(void) { return sock(AF_INET, SOCK_STREAM, 0); }
static int socket_tcp6(void) { return sock(AF_INET6, SOCK_STREAM, 0); }
static int socket_udp(void) { return sock(AF_INET, SOCK_DGRAM, 0); }
static int socket_unix(void) { return sock(AF_UNIX, SOCK_STREAM, 0); }
static int socket_netlink(void) { return sock(AF_NETLINK, SOCK_RAW, 0); }
static int socket_packet(void) { return sock(AF_PACKET, SOCK_RAW, 0); }
static int socket_raw(void) { return sock(AF_INET, SOCK_RAW, 1); }
static int socket_vsock(void) { return sock(AF_VSOCK, SOCK_STREAM, 0); }
static int socket_alg(void) { return sock(AF_ALG, SOCK_SEQPACKET, 0); }
static int socket_pair(void) { int fd[2]; return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd); }
static struct sockaddr_in here(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}
static int port_of(const char *name) { const char *v = getenv(name); return v ? atoi(v) : 9; }
static int connect_tcp(void)
{
	struct sockaddr_in to = here(port_of("PROBE_TCP"));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof(to));
}
static int connect_unix(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", getenv("PROBE_UNIX") ? getenv("PROBE_UNIX") : "/run/nothing");
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof(to));
}
static int connect_held(void) { struct sockaddr_in to = here(port_of("PROBE_TCP")); return connect(held.tcp, (struct sockaddr *)&to, sizeof(to)); }
static int bind_held(void) { struct sockaddr_in at = here(0); return bind(held.tcp, (struct sockaddr *)&at, sizeof(at)); }
static int listen_held(void) { return listen(held.tcp, 1); }
static int fast_open(void)
{
	struct sockaddr_in to = here(port_of("PROBE_TCP"));

	return sendto(held.tcp, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0 ? -1 : 0;
}
static int fast_open_message(void)
{
	struct sockaddr_in to = here(port_of("PROBE_TCP"));
	struct iovec io = { (void *)(uintptr_t)"x", 1 };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &io, .msg_iovlen = 1 };

	return sendmsg(held.tcp, &m, MSG_FASTOPEN | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* By each socket for datagrams that the process holds. */
static int
each_datagram(int (*try)(int fd, struct sockaddr_in *to))
{
	struct sockaddr_in to = here(port_of("PROBE_UDP"));
	int error = ENOTSOCK;

	for (int fd = 0; fd < 256; fd++) {
		int type = 0, family = 0;
		socklen_t n = sizeof(type);

		if (CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_DGRAM ||
		    CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &family, &n) < 0 || (family != AF_INET && family != AF_INET6))
			continue;
		if (try(fd, &to) == 0)
			return 0;
		error = errno;
	}
	errno = error;
	return -1;
}
static int send_to(int fd, struct sockaddr_in *to) { return sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)to, sizeof(*to)) < 0 ? -1 : 0; }
static int send_message(int fd, struct sockaddr_in *to)
{
	struct iovec io = { (void *)(uintptr_t)"x", 1 };
	struct msghdr m = { .msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = &io, .msg_iovlen = 1 };

	return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -1 : 0;
}
static int send_many(int fd, struct sockaddr_in *to)
{
	struct iovec io = { (void *)(uintptr_t)"x", 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = &io, .msg_iovlen = 1 } };

	return sendmmsg(fd, &m, 1, MSG_NOSIGNAL) < 0 ? -1 : 0;
}
static int datagram_out(void) { return each_datagram(send_to); }
static int datagram_message_out(void) { return each_datagram(send_message); }
static int datagram_many_out(void) { return each_datagram(send_many); }
static int resolve(void)
{
	struct addrinfo *found, hints = { .ai_socktype = SOCK_STREAM };

	errno = 0;
	if (getaddrinfo("localhost", "1", &hints, &found) == 0 && found)
		return 0;
	errno = errno ? errno : EPERM;
	return -1;
}
static int socket_filter(void)
{
	struct { uint16_t code; uint8_t jt, jf; uint32_t k; } ins = { 6, 0, 0, 0 };
	struct { uint16_t n; void *p; } prog = { 1, &ins };

	return setsockopt(held.tcp, SOL_SOCKET, 26 /* SO_ATTACH_FILTER */, &prog, sizeof(prog));
}
static int interfaces(void) { char b[1024]; struct { int n; char *p; } c = { sizeof(b), b }; return ioctl(held.tcp, 0x8912 /* SIOCGIFCONF */, &c); }

/* ---- programs and memory ---- */

static char *const no_words[] = { NULL };
static int exec_child(const char *path) /* where it succeeds nothing comes back: the pipe's end says so, being closed */
{
	return execve(path, no_words, no_words);
}
static int exec_true(void) { return exec_child("/bin/true"); }
static int exec_self(void) { return exec_child("/proc/self/exe"); }
static int exec_held(void) { return (int)CALL(SYS_execveat, held.memfd, "", no_words, no_words, AT_EMPTY_PATH); }
static int memfd(void) { return memfd_create("probe", MFD_CLOEXEC) < 0 ? -1 : 0; }
static int memfd_secret_(void) { return CALL(447, 0) < 0 ? -1 : 0; }
static int map_exec(void) { return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0; }
static int map_exec_held(void) { return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, held.memfd, 0) == MAP_FAILED ? -1 : 0; }
static void *page(void) { return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static int protect_exec(void) { return mprotect(page(), 4096, PROT_READ | PROT_EXEC); }
static int protect_key_exec(void) { return (int)CALL(SYS_pkey_mprotect, page(), 4096, PROT_READ | PROT_EXEC, -1); }
static int personality_(void) { return CALL(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */) < 0 ? -1 : 0; }
static int shm_get(void) { return CALL(SYS_shmget, 0, 4096, 01600) < 0 ? -1 : 0; }
static int sem_get(void) { return CALL(SYS_semget, 0, 1, 01600) < 0 ? -1 : 0; }
static int msg_get(void) { return CALL(SYS_msgget, 0, 01600) < 0 ? -1 : 0; }
static int mq(void) { return CALL(SYS_mq_open, "probe", O_CREAT | O_RDWR, 0600, NULL) < 0 ? -1 : (int)CALL(SYS_mq_unlink, "probe"); }

/* ---- processes ---- */

static int child(long pid)
{
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : 0;
}
static int fork_(void) { return child(CALL(SYS_fork)); }
static int clone_(void) { return child(CALL(SYS_clone, (long)SIGCHLD, 0L, NULL, NULL, 0L)); }
static int clone_user(void) { return child(CALL(SYS_clone, (long)(CLONE_NEWUSER | SIGCHLD), 0L, NULL, NULL, 0L)); }
static int clone_3(void) { uint64_t a[8] = { [4] = SIGCHLD }; return child(CALL(SYS_clone3, a, sizeof(a))); }
static void *nothing(void *p) { return p; }
static int thread(void)
{
	pthread_t t;
	int e = pthread_create(&t, NULL, nothing, NULL);

	errno = e;
	return e ? -1 : pthread_join(t, NULL);
}
static int trace_me(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? -1 : 0; }
static int trace_parent(void) { return ptrace(PTRACE_ATTACH, parent, NULL, NULL) < 0 ? -1 : (ptrace(PTRACE_DETACH, parent, NULL, NULL), 0); }
static int seize_parent(void) { return ptrace(PTRACE_SEIZE, parent, NULL, NULL) < 0 ? -1 : (ptrace(PTRACE_DETACH, parent, NULL, NULL), 0); }
static char byte_of[16];
static int vm_read(void)
{
	struct iovec to = { byte_of, 1 }, from = { byte_of, 1 };

	return process_vm_readv(parent, &to, 1, &from, 1, 0) < 0 && errno != EFAULT ? -1 : 0; /* EFAULT: it was allowed to look */
}
static int vm_write(void)
{
	struct iovec to = { byte_of, 1 }, from = { (void *)8, 1 };

	return process_vm_writev(parent, &to, 1, &from, 1, 0) < 0 && errno != EFAULT ? -1 : 0;
}
static int kill_parent(void) { return kill(parent, 0); }
static int kill_all(void) { return kill(getppid(), 0); }
static int tgkill_parent(void) { return (int)CALL(SYS_tgkill, parent, parent, 0); }
static int tkill_parent(void) { return (int)CALL(SYS_tkill, parent, 0); }
static int queue_parent(void) { siginfo_t s = { .si_code = SI_QUEUE }; return (int)CALL(SYS_rt_sigqueueinfo, parent, 0, &s); }
static int pidfd_open_(void) { return CALL(SYS_pidfd_open, parent, 0) < 0 ? -1 : 0; }
static int pidfd_signal(void) { return (int)CALL(SYS_pidfd_send_signal, held.pidfd, 0, NULL, 0); }
static int pidfd_get(void) { return CALL(SYS_pidfd_getfd, held.pidfd, 0, 0) < 0 ? -1 : 0; }
static int signal_by_owner(void) { return fcntl(held.pair[0], F_SETOWN, parent); }
static int signal_by_ioctl(void) { int pid = parent; return ioctl(held.pair[0], 0x8901 /* FIOSETOWN */, &pid); }
static int limits_parent(void) { struct rlimit r; return prlimit(parent, RLIMIT_NOFILE, NULL, &r); }
static int nice_parent(void) { return (int)CALL(SYS_setpriority, PRIO_PROCESS, parent, 0); }
static int affinity_parent(void) { cpu_set_t s; return sched_getaffinity(parent, sizeof(s), &s); }
static int set_affinity_parent(void) { cpu_set_t s; CPU_ZERO(&s); CPU_SET(0, &s); return sched_setaffinity(0, sizeof(s), &s); }
static int scheduler(void) { struct sched_param p = { 0 }; return sched_setscheduler(0, SCHED_BATCH, &p); }
static int robust_parent(void) { void *p; size_t n; return (int)CALL(SYS_get_robust_list, parent, &p, &n); }
static int kcmp_(void) { return CALL(SYS_kcmp, parent, parent, 0, 0, 0) < 0 ? -1 : 0; }
static int new_session(void) { return CALL(SYS_setsid) < 0 ? -1 : 0; }
static int new_group(void) { return CALL(SYS_setpgid, 0, 0) < 0 ? -1 : 0; }
static int ioprio(void) { return CALL(SYS_ioprio_set, 1, 0, (2 << 13) | 7) < 0 ? -1 : 0; }

/* ---- powers ---- */

static int set_uid(void) { return (int)CALL(SYS_setuid, 0); }
static int set_gid(void) { return (int)CALL(SYS_setgid, getgid()); }
static int set_groups(void) { return (int)CALL(SYS_setgroups, 0, NULL); }
static int set_res_uid(void) { return (int)CALL(SYS_setresuid, -1, -1, -1); }
static int cap_set(void) { uint32_t h[2] = { 0x20080522, 0 }, d[6] = { 0 }; return (int)CALL(SYS_capset, h, d); }
static int undo_no_new(void) { return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0); }
static int dumpable(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static int tracer(void) { return prctl(PR_SET_PTRACER, -1, 0, 0, 0); }
static int rename_self(void) { return prctl(PR_SET_NAME, "probe"); }
static int seccomp_again(void) { struct { uint16_t n; void *p; } x = { 0, NULL }; return (int)CALL(SYS_seccomp, 1, 0, &x); }
static int root_up(void) { return chroot(".."); }
static int pivot(void) { return (int)CALL(SYS_pivot_root, ".", "."); }
static int mount_(void) { return mount("none", "/", "tmpfs", MS_REMOUNT | MS_BIND | MS_RDONLY, NULL); }
static int umount_(void) { return umount2("/nowhere", MNT_DETACH); }
static int fs_open(void) { return CALL(SYS_fsopen, "tmpfs", 0) < 0 ? -1 : 0; }
static int unshare_user(void) { return __real_unshare(CLONE_NEWUSER); }
static int unshare_mounts(void) { return __real_unshare(CLONE_NEWNS); }
static int unshare_net(void) { return __real_unshare(CLONE_NEWNET); }
static int unshare_fs(void) { return __real_unshare(CLONE_FS | CLONE_FILES); }
static int set_ns(void) { return setns(held.ns, 0); }

/* ---- the kernel ---- */

static int bpf_(void) { uint32_t a[32] = { 1, 4, 4, 1 }; return CALL(SYS_bpf, 0, a, sizeof(a)) < 0 ? -1 : 0; }
static int uring(void) { char p[256] = { 0 }; return CALL(SYS_io_uring_setup, 4, p) < 0 ? -1 : 0; }
static int aio(void) { unsigned long c = 0; return (int)CALL(SYS_io_setup, 1, &c); }
static int key_ctl(void) { return CALL(SYS_keyctl, 0, -2, 1) < 0 ? -1 : 0; }
static int key_add(void) { return CALL(SYS_add_key, "user", "probe", "x", 1, -2) < 0 ? -1 : 0; }
static int key_request(void) { return CALL(SYS_request_key, "user", "probe", NULL, 0) < 0 && errno == EPERM ? -1 : 0; }
static int perf(void) { uint32_t a[32] = { 1, 128 }; return CALL(SYS_perf_event_open, a, 0, -1, -1, 0) < 0 ? -1 : 0; }
static int fault(void) { return CALL(SYS_userfaultfd, 1) < 0 ? -1 : 0; }
static int module(void) { return (int)CALL(SYS_init_module, "", 0, ""); }
static int module_file(void) { return (int)CALL(SYS_finit_module, -1, "", 0); }
static int kexec(void) { return (int)CALL(SYS_kexec_load, 0, 0, NULL, 0xdead); }
static int reboot_(void) { return (int)CALL(SYS_reboot, 0, 0, 0, NULL); }
static int swap(void) { return (int)CALL(SYS_swapon, "/nowhere", 0); }
static int acct_(void) { return (int)CALL(SYS_acct, "/nowhere"); }
static int kernel_log(void) { return CALL(SYS_syslog, 10, NULL, 0) < 0 ? -1 : 0; }
static int host_name(void) { return (int)CALL(SYS_sethostname, "probe", -1L); }
static int set_time(void) { return (int)CALL(SYS_settimeofday, NULL, NULL); }
static int adjust_time(void) { struct timex t = { 0 }; return adjtimex(&t) < 0 ? -1 : 0; }
static int io_level(void) { return (int)CALL(SYS_iopl, 0); }
static int quota(void) { return (int)CALL(SYS_quotactl, 0x80000001u, NULL, 0, NULL); }
static int local_table(void) { return CALL(SYS_modify_ldt, 0, NULL, 0) < 0 ? -1 : 0; }
static int landlock_more(void) { return CALL(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 0 ? -1 : 0; }
static int hang_up(void) { return (int)CALL(SYS_vhangup); }
static int type_in(void) { return ioctl(held.tty, TIOCSTI, "x"); }
static int window(void) { struct winsize w = { 1, 1, 0, 0 }; return ioctl(held.tty, TIOCSWINSZ, &w); }
static int old_calls(void)
{
#if defined(__x86_64__)
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory"); /* getpid of another ABI, whose numbers mean other calls */
	errno = (int)-r;
	return r > 0 ? 0 : -1;
#else
	errno = ENOSYS;
	return -1;
#endif
}
static int threads_before(void) /* a thread begun earlier would not be in it */
{
	int n = 0;
	DIR *d = opendir("/proc/self/task");

	for (struct dirent *e; d && (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static const struct attempt {
	const char *name;
	int (*try)(void);
} attempts[] = {
#define A(n) { #n, n }
	A(read_passwd), A(read_secret), A(read_settings), A(read_tenant_key), A(read_signing_key), A(read_catalogue), A(read_signals), A(read_above),
	A(read_environ), A(stat_passwd), A(access_passwd), A(readlink_exe), A(path_only), A(open_tree_), A(openat2_), A(parent_mem), A(parent_mem_write),
	A(parent_environ), A(self_mem), A(see_root), A(folder_up), A(folder_change_up), A(name_to_handle), A(open_by_handle), A(make_tmp),
	A(make_above), A(make_in_state), A(write_secret), A(truncate_secret), A(chmod_secret), A(chown_secret), A(rename_secret), A(unlink_secret), A(link_secret),
	A(mkdir_tmp), A(own_read), A(own_make), A(own_set_id), A(own_symlink), A(own_fifo), A(own_chown), A(watch_etc), A(fanotify),
	A(socket_tcp), A(socket_tcp6), A(socket_udp), A(socket_unix), A(socket_netlink), A(socket_packet), A(socket_raw), A(socket_vsock), A(socket_alg),
	A(socket_pair), A(connect_tcp), A(connect_unix), A(connect_held), A(bind_held), A(listen_held), A(fast_open), A(fast_open_message),
	A(datagram_out), A(datagram_message_out), A(datagram_many_out), A(resolve), A(socket_filter), A(interfaces),
	A(exec_true), A(exec_self), A(exec_held), A(memfd), A(memfd_secret_), A(map_exec), A(map_exec_held), A(protect_exec), A(protect_key_exec),
	A(personality_), A(shm_get), A(sem_get), A(msg_get), A(mq), A(fork_), A(clone_), A(clone_user), A(clone_3), A(thread), A(trace_me), A(trace_parent),
	A(seize_parent), A(vm_read), A(vm_write), A(kill_parent), A(kill_all), A(tgkill_parent), A(tkill_parent), A(queue_parent), A(pidfd_open_),
	A(pidfd_signal), A(pidfd_get), A(signal_by_owner), A(signal_by_ioctl), A(limits_parent), A(nice_parent), A(affinity_parent), A(set_affinity_parent),
	A(scheduler), A(robust_parent), A(kcmp_), A(new_session), A(new_group), A(ioprio), A(set_uid), A(set_gid), A(set_groups), A(set_res_uid), A(cap_set), A(undo_no_new),
	A(dumpable), A(tracer), A(rename_self), A(seccomp_again), A(root_up), A(pivot), A(mount_), A(umount_), A(fs_open), A(unshare_user), A(unshare_mounts),
	A(unshare_net), A(unshare_fs), A(set_ns), A(bpf_), A(uring), A(aio), A(key_ctl), A(key_add), A(key_request), A(perf), A(fault), A(module),
	A(module_file), A(kexec), A(reboot_), A(swap), A(acct_), A(kernel_log), A(host_name), A(set_time), A(adjust_time), A(io_level), A(quota),
	A(local_table), A(landlock_more), A(hang_up), A(type_in), A(window), A(old_calls),
};

/* ---- a copy of the process for each ---- */

static void
hold(void)
{
	int exe = open("/bin/true", O_RDONLY | O_CLOEXEC), master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char buf[65536];
	ssize_t n;

	held.secret = getenv("PROBE_SECRET");
	held.state = getenv("PROBE_STATE");
	held.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	held.memfd = memfd_create("probe", MFD_CLOEXEC);
	while ((n = read(exe, buf, sizeof(buf))) > 0)
		(void)!write(held.memfd, buf, (size_t)n);
	(void)grantpt(master);
	(void)unlockpt(master);
	held.tty = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	(void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, held.pair);
	held.pidfd = (int)CALL(SYS_pidfd_open, parent, 0);
	held.ns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
}

static _Noreturn void
one(const struct attempt *a, int answer)
{
	int what[2] = { -1, 0 };

	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(10);
	hold();
	if (getenv("PROBE_OPEN") == NULL && __real_vg_sandbox_enter(limits) != VG_OK)
		_exit(97);
	what[1] = 0;
	(void)!write(answer, what, sizeof(what)); /* it is in */
	what[0] = a->try();
	what[1] = errno;
	(void)!write(answer, what, sizeof(what));
	_exit(0);
}

static void
probe(const char *process, int to, const struct attempt *a)
{
	int fd[2], what[2], last[2] = { 0, 0 }, n = 0, status = 0;
	char line[200];
	const char *result;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		close(fd[0]);
		one(a, fd[1]);
	}
	close(fd[1]);
	while (read(fd[0], what, sizeof(what)) == (ssize_t)sizeof(what) && n++ < 2)
		memcpy(last, what, sizeof(last));
	close(fd[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == 0)
		result = "NOT CLOSED";
	else if (WIFSIGNALED(status))
		result = WTERMSIG(status) == SIGSYS ? "SIGSYS" : "SIGNAL";
	else if (n == 1)
		result = "done"; /* another program took its place */
	else
		result = last[0] == 0 ? "done" : strerrorname_np(last[1]);
	n = snprintf(line, sizeof(line), "%s\t%s\t%s\n", process, a->name, result ? result : "UNKNOWN");
	(void)!write(to, line, (size_t)n);
}

vg_rc
__wrap_vg_sandbox_enter(const struct vg_sandbox_limits *l)
{
	const char *file = getenv("PROBE_TO");
	char process[32] = "", line[80];
	int to = file ? open(file, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
	vg_rc rc;

	if (to >= 0) {
		limits = l;
		if (getenv("PROBE_OPEN") == NULL)
			parent = getppid();
		else if ((parent = fork()) == 0) /* whom it is done to */
			for (;;)
				pause();
		if (l->name)
			snprintf(process, sizeof(process), "%s", l->name);
		else
			(void)prctl(PR_GET_NAME, process);
		for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
			probe(process, to, &attempts[i]);
		(void)!write(to, line, (size_t)snprintf(line, sizeof(line), "%s\tthreads\t%d\n", process, threads_before()));
		if (getenv("PROBE_OPEN"))
			(void)kill(parent, SIGKILL);
	}
	rc = __real_vg_sandbox_enter(l);
	if (to >= 0) {
		(void)!write(to, line, (size_t)snprintf(line, sizeof(line), "%s\tweakness\t%u\n", process, vg_sandbox_weakness()));
		close(to);
	}
	return rc;
}

/* ---- an older kernel ---- */

int
__wrap_unshare(int flags)
{
	if (getenv("PROBE_NO_SPACES") == NULL)
		return __real_unshare(flags);
	errno = EPERM;
	return -1;
}

static long
older_landlock(const uint64_t *attr, size_t bytes, uint32_t flags, int abi)
{
	uint64_t fs = abi >= 5 ? 0xffff : abi >= 3 ? 0x7fff : abi == 2 ? 0x3fff : 0x1fff;
	long r;

	if (abi == 0) {
		errno = ENOSYS;
		return -1;
	}
	if (flags == LANDLOCK_CREATE_RULESET_VERSION) {
		r = CALL(SYS_landlock_create_ruleset, NULL, (size_t)0, flags);
		return r > abi ? abi : r;
	}
	if ((attr[0] & ~fs) || (abi < 4 && bytes > 8) || (abi < 6 && bytes > 16)) { /* as that kernel would answer */
		errno = bytes > 8 ? E2BIG : EINVAL;
		return -1;
	}
	return CALL(SYS_landlock_create_ruleset, attr, bytes, flags);
}

long
__wrap_syscall(long n, ...)
{
	const char *cap = getenv("PROBE_LANDLOCK");
	long a[6];
	va_list ap;

	va_start(ap, n);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (n == SYS_landlock_create_ruleset && cap)
		return older_landlock((const uint64_t *)a[0], (size_t)a[1], (uint32_t)a[2], atoi(cap));
	return CALL(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}
