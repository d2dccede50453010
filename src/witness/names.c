#include "witness/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* '#': a digit.  '+': 1 to 20 of them.  '*': a plain name, to the end. */
static const struct {
	const char *pattern;
	enum vg_shared what;
} names[] = {
	{ VG_LOG_KEY_FILE, VG_SHARED_LOG_KEY },
	{ "####-##-##.####.vs", VG_SHARED_SEGMENT },
	{ "keys/*", VG_SHARED_KEY },
	{ "stamps/+.tsr", VG_SHARED_STAMP },
	{ "seen/####-##-##.notes", VG_SHARED_SEEN },
	{ "tile/#/###", VG_SHARED_TILE },
	{ "tile/#/###.p/+", VG_SHARED_TILE },
	{ "tile/#/x###/###", VG_SHARED_TILE },
	{ "tile/#/x###/###.p/+", VG_SHARED_TILE },
	{ "tile/#/x###/x###/###", VG_SHARED_TILE },
	{ "tile/#/x###/x###/###.p/+", VG_SHARED_TILE },
};
/* The folders that names which are listed stand in. */
static const char *const folders[] = { "", "keys", "stamps" };

static bool
is_listed(enum vg_shared what)
{
	return what == VG_SHARED_SEGMENT || what == VG_SHARED_KEY || what == VG_SHARED_STAMP || what == VG_SHARED_LOG_KEY;
}

static bool
is_plain(vg_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool word = vg_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!word && (i == 0 || (c != '.' && c != '-' && c != '_')))
			return false;
	}
	return s.n > 0 && s.n < VG_TENANT_NAME_MAX;
}

bool
vg_is_tenant_name(vg_str s)
{
	return is_plain(s) && !vg_str_eq(s, VG_STR("intake")); /* that folder is the node's journal */
}

static bool
matches(const char *pattern, vg_str s)
{
	size_t i = 0;

	for (; *pattern; pattern++) {
		size_t digits = 0;

		if (*pattern == '*')
			return is_plain(vg_str_skip(s, i));
		if (*pattern == '+') {
			while (i + digits < s.n && vg_is_digit(s.p[i + digits]) && digits < 20)
				digits++;
			if (digits == 0)
				return false;
			i += digits;
			continue;
		}
		if (i == s.n || (*pattern == '#' ? !vg_is_digit(s.p[i]) : s.p[i] != *pattern))
			return false;
		i++;
	}
	return i == s.n;
}

enum vg_shared
vg_shared_of(vg_str name)
{
	if (name.n < VG_SHARED_NAME_MAX)
		for (size_t i = 0; i < VG_COUNT(names); i++)
			if (matches(names[i].pattern, name))
				return names[i].what;
	return VG_SHARED_NOT;
}

/* ---- files ---- */

/* A folder below @dir by its path, no link being followed; to be closed. */
static int
folder_at(int dir, vg_str path)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vg_str rest = path, part;

	while (fd >= 0 && rest.n && vg_str_split(&rest, '/', &part)) {
		char name[VG_SHARED_NAME_MAX];
		int next;

		snprintf(name, sizeof(name), "%.*s", VG_STR_ARG(part));
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		close(fd);
		fd = next;
	}
	return fd;
}

vg_rc
vg_shared_open(int dir, const char *name, int *fd, uint64_t *size)
{
	const char *slash = strrchr(name, '/');
	int folder = folder_at(dir, vg_str_mem(name, slash ? (size_t)(slash - name) : 0));
	struct stat st;

	*fd = folder >= 0 ? openat(folder, slash ? slash + 1 : name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
	if (folder >= 0)
		close(folder);
	if (*fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? VG_E_NOTFOUND : VG_E_SYS;
	if (fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(*fd);
		*fd = -1;
		return VG_E_NOTFOUND;
	}
	*size = (uint64_t)st.st_size;
	return VG_OK;
}

/* ---- lists ---- */

struct row {
	char name[VG_SHARED_NAME_MAX];
	uint64_t size;
};
struct rows {
	struct row *row; /* owned */
	size_t n, cap, max;
};

static vg_rc
add_row(struct rows *r, const char *name, uint64_t size)
{
	if (r->n == r->max)
		return VG_E_LIMIT;
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct row *p = realloc(r->row, cap * sizeof(*p));

		if (p == NULL)
			return VG_E_NOMEM;
		r->row = p;
		r->cap = cap;
	}
	snprintf(r->row[r->n].name, sizeof(r->row[r->n].name), "%s", name);
	r->row[r->n++].size = size;
	return VG_OK;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* Each name in the folder @path of @dir that @take says yes to; VG_OK too when there is no such folder. */
static vg_rc
gather(int dir, const char *path, bool (*take)(const char *name, const struct stat *st), struct rows *out)
{
	int fd = folder_at(dir, vg_str_of(path));
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	vg_rc rc = VG_OK;

	if (list == NULL) {
		bool none = fd < 0 && errno == ENOENT;

		if (fd >= 0)
			close(fd);
		return none ? VG_OK : VG_E_SYS;
	}
	while (rc == VG_OK && (e = readdir(list)) != NULL) {
		char name[VG_SHARED_NAME_MAX];
		struct stat st;

		if ((size_t)snprintf(name, sizeof(name), "%s%s%s", path, *path ? "/" : "", e->d_name) < sizeof(name) &&
		    fstatat(dirfd(list), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && take(name, &st))
			rc = add_row(out, name, (uint64_t)st.st_size);
	}
	closedir(list);
	return rc;
}

static bool
take_file(const char *name, const struct stat *st)
{
	return S_ISREG(st->st_mode) && is_listed(vg_shared_of(vg_str_of(name)));
}

static bool
take_tenant(const char *name, const struct stat *st)
{
	return S_ISDIR(st->st_mode) && vg_is_tenant_name(vg_str_of(name)) && strcmp(name, "intake") != 0; /* the journal's folder in a watch's vault */
}

vg_rc
vg_list_print(int dir, struct vg_buf *out)
{
	struct rows r = { .max = VG_LIST_FILES_MAX };
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < VG_COUNT(folders) && rc == VG_OK; i++)
		rc = gather(dir, folders[i], take_file, &r);
	if (r.n)
		qsort(r.row, r.n, sizeof(*r.row), by_name);
	for (size_t i = 0; i < r.n && rc == VG_OK; i++)
		vg_buf_printf(out, "%llu %s\n", (unsigned long long)r.row[i].size, r.row[i].name);
	free(r.row);
	return rc != VG_OK ? rc : out->rc;
}

vg_rc
vg_tenants_print(int dir, struct vg_buf *out)
{
	struct rows r = { .max = VG_TENANTS_MAX };
	vg_rc rc = gather(dir, "", take_tenant, &r);

	if (r.n)
		qsort(r.row, r.n, sizeof(*r.row), by_name);
	for (size_t i = 0; i < r.n && rc == VG_OK; i++)
		vg_buf_printf(out, "%s\n", r.row[i].name);
	free(r.row);
	return rc != VG_OK ? rc : out->rc;
}

/* The next line, which must end in a new line and hold a name above the last one. */
static bool
take_line(vg_str *rest, vg_str *line)
{
	size_t n = vg_str_chr(*rest, '\n');

	if (n == VG_NPOS)
		return false;
	*line = vg_str_cut(*rest, n);
	*rest = vg_str_skip(*rest, n + 1);
	return true;
}

vg_rc
vg_list_parse(vg_str text, vg_list_fn *each, void *ctx)
{
	vg_str rest = text, line, last = VG_NIL;
	vg_rc rc = text.n > VG_LIST_BYTES_MAX ? VG_E_LIMIT : VG_OK;

	for (size_t n = 0; rc == VG_OK && rest.n; n++) {
		enum vg_shared what;
		vg_str name, number;
		uint64_t size;
		size_t blank;

		if (!take_line(&rest, &line) || (blank = vg_str_chr(line, ' ')) == VG_NPOS)
			return VG_E_FORMAT;
		number = vg_str_cut(line, blank);
		name = vg_str_skip(line, blank + 1);
		if (!vg_str_all_digits(number) || (number.n > 1 && number.p[0] == '0') || !vg_str_u64(number, &size) || size > INT64_MAX)
			return VG_E_FORMAT;
		what = vg_shared_of(name);
		if (!is_listed(what) || (n && vg_str_cmp(last, name) >= 0))
			return VG_E_FORMAT;
		if (n == VG_LIST_FILES_MAX)
			return VG_E_LIMIT;
		last = name;
		rc = each(ctx, name, what, size);
	}
	return rc;
}

vg_rc
vg_tenants_parse(vg_str text, vg_rc (*each)(void *ctx, vg_str name), void *ctx)
{
	vg_str rest = text, line, last = VG_NIL;
	vg_rc rc = VG_OK;

	for (size_t n = 0; rc == VG_OK && rest.n; n++) {
		if (!take_line(&rest, &line) || !vg_is_tenant_name(line) || (n && vg_str_cmp(last, line) >= 0))
			return VG_E_FORMAT;
		if (n == VG_TENANTS_MAX)
			return VG_E_LIMIT;
		last = line;
		rc = each(ctx, line);
	}
	return rc;
}
