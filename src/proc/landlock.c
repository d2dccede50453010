#include "proc/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_BIND_TCP UINT64_C(1)	 /* ABI 4 */
#define NET_CONNECT_TCP UINT64_C(2)
#define SCOPE_ABSTRACT_UNIX UINT64_C(1) /* ABI 6 */
#define SCOPE_SIGNAL UINT64_C(2)

#define READ_FOLDER (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FOLDER                                                                                                                        \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

struct ruleset { /* struct landlock_ruleset_attr of ABI 6 */
	uint64_t fs, net, scoped;
};
/* What each ABI added; all of it is handled, so that it is refused where no rule allows it. */
static const struct {
	int abi;
	struct ruleset handled;
	size_t bytes;
} abis[] = {
	{ 1, { (1u << 13) - 1, 0, 0 }, 8 },
	{ 2, { (1u << 14) - 1, 0, 0 }, 8 },
	{ 3, { (1u << 15) - 1, 0, 0 }, 8 },
	{ 4, { (1u << 15) - 1, NET_BIND_TCP | NET_CONNECT_TCP, 0 }, 16 },
	{ 5, { (1u << 16) - 1, NET_BIND_TCP | NET_CONNECT_TCP, 0 }, 16 },
	{ 6, { (1u << 16) - 1, NET_BIND_TCP | NET_CONNECT_TCP, SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL }, 24 },
};

int
vg_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* What lies at or below @at may be done with as @access says, or what of it goes with a file. */
static void
allow(int ruleset, int at, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = at };
	struct stat st;

	if (at < 0 || fstat(at, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE;
	(void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0); /* one that fails allows nothing */
}

static void
allow_paths(int ruleset, const char *const *path, uint64_t access)
{
	for (; path && *path; path++) {
		int fd = open(*path, O_PATH | O_CLOEXEC);

		allow(ruleset, fd, access);
		if (fd >= 0)
			close(fd);
	}
}

static void
allow_all(int ruleset, const struct vg_sandbox_limits *l, uint64_t known)
{
	uint64_t own = ((l->may & (VG_MAY_READ | VG_MAY_WRITE) ? READ_FOLDER : 0) | (l->may & VG_MAY_WRITE ? WRITE_FOLDER : 0)) & known;

	if (own && l->dir > 0)
		allow(ruleset, l->dir, own);
	allow_paths(ruleset, l->see, READ_FOLDER);
	allow_paths(ruleset, l->see ? l->list : NULL, LANDLOCK_ACCESS_FS_READ_DIR);
}

bool
vg_landlock_enter(const struct vg_sandbox_limits *l)
{
	struct ruleset r = { 0, 0, 0 };
	int abi = vg_landlock_abi(), fd;
	size_t bytes = 0;
	bool ok;

	for (size_t i = 0; i < VG_COUNT(abis) && abis[i].abi <= abi; i++) {
		r = abis[i].handled;
		bytes = abis[i].bytes;
	}
	if (l->may & VG_MAY_CONNECT)
		r.net &= ~NET_CONNECT_TCP;
	if (bytes == 0 || (fd = (int)syscall(SYS_landlock_create_ruleset, &r, bytes, 0)) < 0)
		return false;
	allow_all(fd, l, r.fs);
	ok = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return ok;
}
