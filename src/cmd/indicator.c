/* cmd/indicator.c - `vigie indicator list`, `vigie indicator remove`: the folder of indicators, and what the watch made of it. */
#include "cmd/indicator.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/common.h"
#include "role/folder.h"
#include "vault/merkle.h"

const struct vg_opt vg_indicator_list_opts[] = { VG_STATE_OPTION, VG_FORMAT_OPTION, { NULL, VG_OPT_FLAG, NULL, NULL } };
const struct vg_opt vg_indicator_remove_opts[] = {
	VG_STATE_OPTION,
	{ "--type", VG_OPT_TEXT, "TYPE", "what kind of value NAME is, where it was added with one" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

int
vg_indicator_folder(struct vg_house *h, char path[4400])
{
	struct vg_disk learned = { .dir = openat(h->dir, VG_LEARNED_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .read_only = true };
	struct vg_buf b = { 0 };
	int fd = -1;

	if (learned.dir >= 0 && vg_disk_slurp(&learned, VG_LEARNED_WHERE, 4096, &b) == VG_OK && b.n) {
		snprintf(path, 4400, "%.*s", VG_STR_ARG(vg_buf_str(&b)));
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		snprintf(path, 4400, "%.4096s/indicators", h->path);
		fd = vg_house_folder(h, "indicators");
	}
	if (fd < 0)
		vg_log(VG_LOG_ERROR, "%s: %s", path, strerror(errno));
	vg_buf_fini(&b);
	vg_disk_close(&learned);
	return fd;
}

struct names {
	char (*name)[VG_DISK_NAME_MAX]; /* owned */
	size_t n;
};

static vg_rc
on_name(void *ctx, const char *name)
{
	struct names *x = ctx;
	void *p = x->n == VG_LEARNED_FILES_MAX ? NULL : realloc(x->name, (x->n + 1) * sizeof(*x->name));

	if (p == NULL)
		return VG_E_LIMIT;
	x->name = p;
	snprintf(x->name[x->n++], VG_DISK_NAME_MAX, "%.60s", name);
	return VG_OK;
}

vg_rc
vg_indicator_each(struct vg_house *h, vg_rc (*each)(void *ctx, const struct vg_learned *l), void *ctx)
{
	struct vg_disk d = { .dir = openat(h->dir, VG_LEARNED_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .read_only = true };
	char *buf = malloc(VG_LEARNED_HEAD_MAX);
	struct names x = { .n = 0 };
	struct vg_learned l;
	vg_rc rc = d.dir < 0 ? VG_E_NOTFOUND : buf ? vg_disk_each(&d, VG_LEARNED_SUFFIX, on_name, &x) : VG_E_NOMEM;

	for (size_t i = 0; rc == VG_OK && i < x.n; i++)
		if (vg_learned_head(&d, x.name[i], buf, &l) == VG_OK) /* else it just went, or the watch makes it anew */
			rc = each(ctx, &l);
	free(buf);
	free(x.name);
	vg_disk_close(&d);
	return rc;
}

void
vg_indicator_put_counts(struct vg_buf *b, const uint32_t kind[VG_IOC_KINDS])
{
	uint64_t all = 0;
	bool any = false;

	for (size_t i = 0; i < VG_IOC_KINDS; i++)
		all += kind[i];
	vg_buf_printf(b, "%llu", (unsigned long long)all);
	for (size_t i = 0; i < VG_IOC_KINDS; i++)
		if (kind[i]) {
			vg_buf_printf(b, "%s%u %s", any ? ", " : " (", kind[i], vg_ioc_kind_name((enum vg_ioc_kind)i));
			any = true;
		}
	vg_buf_puts(b, any ? ")" : "");
}

void
vg_indicator_file_of(const struct vg_ioc *i, char out[VG_LEARNED_NAME_MAX + 1])
{
	vg_str v = vg_str_cut(i->value, 100);
	bool changed = v.n < i->value.n;
	char safe[101];
	struct vg_hash h;

	for (size_t k = 0; k < v.n; k++) {
		bool keep = vg_is_digit(v.p[k]) || (v.p[k] >= 'a' && v.p[k] <= 'z') || (v.p[k] >= 'A' && v.p[k] <= 'Z') || (v.p[k] && strchr("._-", v.p[k]));

		safe[k] = keep ? v.p[k] : '_';
		changed = changed || !keep;
	}
	safe[v.n] = 0;
	vg_hash_of(i->value, &h);
	if (changed)
		snprintf(out, VG_LEARNED_NAME_MAX + 1, "%s-%s-%02x%02x%02x%02x.csv", vg_ioc_kind_name(i->kind), safe, h.b[0], h.b[1], h.b[2], h.b[3]);
	else
		snprintf(out, VG_LEARNED_NAME_MAX + 1, "%s-%s.csv", vg_ioc_kind_name(i->kind), safe);
}

bool
vg_indicator_value(const char *type, const char *text, char buf[VG_IOC_BUF], struct vg_ioc *out, const char **why)
{
	enum vg_ioc_kind kind = VG_IOC_KINDS;
	vg_rc rc;

	*why = NULL;
	if (type && !vg_ioc_kind_parse(vg_str_of(type), &kind))
		*why = "no such type (such as ip, network, domain, url, email, md5, sha1, sha256, file, user, text)";
	for (const char *p = text; *p && *why == NULL; p++)
		if ((unsigned char)*p < ' ')
			*why = "control characters cannot be looked for";
	if (*why)
		return false;
	*out = (struct vg_ioc){ .expires_ns = VG_TIME_NONE };
	rc = vg_ioc_set(out, kind, vg_str_of(text), buf);
	if (rc == VG_OK && type == NULL && out->kind == VG_IOC_TEXT) /* a typing error, or the name of a file that is not here */
		rc = VG_E_FORMAT;
	if (rc == VG_E_LIMIT)
		*why = "it is too long, too short or too wide to be used";
	else if (rc != VG_OK)
		*why = type ? "it is no value of that type" : "it is no file here, and no address, name, URL or digest (--type says what else it is)";
	return rc == VG_OK;
}

/* ---- list ---- */

struct row { /* a file of the folder, or one that is known */
	char *name; /* owned */
	struct vg_learned_version v;
	bool there, told;
};
struct listing {
	struct vg_buf out;
	bool jsonl;
	struct row *row; /* owned */
	size_t n;
};

static vg_rc
read_folder(struct listing *l, int dir)
{
	DIR *d = fdopendir(dup(dir));
	struct dirent *e;
	struct stat st;
	vg_rc rc = VG_OK;

	if (d == NULL)
		return VG_E_SYS;
	while (rc == VG_OK && (e = readdir(d)) != NULL) {
		void *p;

		if (vg_folder_is_passing(e->d_name) || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if ((p = realloc(l->row, (l->n + 1) * sizeof(*l->row))) == NULL) {
			rc = VG_E_NOMEM;
			break;
		}
		l->row = p;
		l->row[l->n] = (struct row){ .name = strdup(e->d_name), .there = true,
					     .v = { (uint64_t)st.st_size, (uint64_t)st.st_ino, (int64_t)st.st_ctim.tv_sec * VG_SEC + st.st_ctim.tv_nsec } };
		rc = l->row[l->n].name ? VG_OK : VG_E_NOMEM;
		l->n++;
	}
	closedir(d);
	return rc;
}

static const char *
state_of(const struct row *r, const struct vg_learned *l)
{
	if (r == NULL)
		return "removed";
	if (!vg_learned_version_eq(&r->v, &l->version))
		return "changed";
	return l->refused.n ? "refused" : "used";
}

static void
json_time(struct vg_buf *b, const char *name, int64_t time_ns)
{
	vg_buf_printf(b, ",\"%s\":", name);
	if (time_ns == VG_TIME_NONE) {
		vg_buf_puts(b, "null");
		return;
	}
	vg_buf_putc(b, '"');
	vg_buf_time(b, time_ns, 0);
	vg_buf_putc(b, '"');
}

static void
put_json(struct vg_buf *b, const char *state, const struct vg_learned *l)
{
	bool any = false;

	vg_buf_puts(b, "{\"name\":");
	vg_buf_json_str(b, l->name);
	vg_buf_printf(b, ",\"state\":\"%s\",\"refused\":", state);
	vg_buf_json_str(b, l->refused);
	vg_buf_printf(b, ",\"entries\":%llu,\"kinds\":{", (unsigned long long)vg_learned_entries(l));
	for (size_t i = 0; i < VG_IOC_KINDS; i++)
		if (l->kind[i]) {
			vg_buf_printf(b, "%s\"%s\":%u", any ? "," : "", vg_ioc_kind_name((enum vg_ioc_kind)i), l->kind[i]);
			any = true;
		}
	vg_buf_printf(b, "},\"passed\":%llu,\"unknown\":%llu,\"bad\":%llu,\"problems\":[", (unsigned long long)l->n.passed, (unsigned long long)l->n.unknown,
		      (unsigned long long)l->n.bad);
	for (size_t i = 0; i < l->nproblem; i++) {
		vg_buf_printf(b, "%s{\"at\":%llu,\"text\":", i ? "," : "", (unsigned long long)l->problem[i].at);
		vg_buf_json_str(b, l->problem[i].text);
		vg_buf_putc(b, '}');
	}
	vg_buf_putc(b, ']');
	json_time(b, "looked", l->looked_ns);
	json_time(b, "loaded", l->loaded_ns);
	json_time(b, "first_expiry", l->first_expiry_ns);
	json_time(b, "last_expiry", l->last_expiry_ns);
	vg_buf_puts(b, "}\n");
}

static void
put_text(struct vg_buf *b, const char *state, const struct vg_learned *l)
{
	uint64_t lines = l->n.bad + l->n.unknown;

	vg_buf_safe(b, l->name);
	vg_buf_printf(b, "\n  %s; ", state);
	vg_indicator_put_counts(b, l->kind);
	if (l->loaded_ns != VG_TIME_NONE) {
		vg_buf_puts(b, ", loaded ");
		vg_buf_time(b, l->loaded_ns, 0);
	}
	if (l->first_expiry_ns != VG_TIME_NONE) {
		vg_buf_puts(b, ", expire ");
		vg_buf_time(b, l->first_expiry_ns, 0);
		if (l->last_expiry_ns != l->first_expiry_ns) {
			vg_buf_puts(b, " to ");
			vg_buf_time(b, l->last_expiry_ns, 0);
		}
	}
	vg_buf_putc(b, '\n');
	if (l->refused.n) {
		vg_buf_puts(b, "  refused: ");
		vg_buf_safe(b, l->refused);
		vg_buf_puts(b, l->loaded_ns != VG_TIME_NONE ? " (what it said before is used)\n" : "\n");
	}
	if (l->n.passed)
		vg_buf_printf(b, "  %llu not meant for detection\n", (unsigned long long)l->n.passed);
	if (lines)
		vg_buf_printf(b, "  %llu not used\n", (unsigned long long)lines);
	for (size_t i = 0; i < l->nproblem; i++) {
		vg_buf_printf(b, "    %llu: ", (unsigned long long)l->problem[i].at);
		vg_buf_safe(b, l->problem[i].text);
		vg_buf_putc(b, '\n');
	}
	if (lines > l->nproblem)
		vg_buf_puts(b, "    ...\n");
}

static vg_rc
on_learned(void *ctx, const struct vg_learned *x)
{
	struct listing *l = ctx;
	struct row *r = NULL;

	for (size_t i = 0; i < l->n && r == NULL; i++)
		if (vg_str_eq(vg_str_of(l->row[i].name), x->name))
			r = &l->row[i];
	if (r)
		r->told = true;
	(l->jsonl ? put_json : put_text)(&l->out, state_of(r, x), x);
	return l->out.rc;
}

static int
list(struct vg_house *h, struct listing *l)
{
	char path[4400];
	int dir = vg_indicator_folder(h, path), code = VG_EXIT_FAILED;
	vg_rc rc;

	if (dir < 0)
		return VG_EXIT_INPUT;
	rc = read_folder(l, dir);
	close(dir);
	if (rc == VG_OK && (rc = vg_indicator_each(h, on_learned, l)) == VG_E_NOTFOUND)
		rc = VG_OK;
	for (size_t i = 0; rc == VG_OK && i < l->n; i++) {
		struct vg_learned none = { .name = vg_str_of(l->row[i].name), .looked_ns = VG_TIME_NONE, .loaded_ns = VG_TIME_NONE,
					   .first_expiry_ns = VG_TIME_NONE, .last_expiry_ns = VG_TIME_NONE };

		if (!l->row[i].told)
			(l->jsonl ? put_json : put_text)(&l->out, "new", &none);
	}
	if (rc != VG_OK)
		vg_log(VG_LOG_ERROR, "indicator list: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	else if (l->out.n == 0 && !l->jsonl)
		vg_buf_printf(&l->out, "no indicators: files in %s are read (`vigie indicator add`)\n", path);
	if (rc == VG_OK)
		code = vg_print(&l->out);
	return code;
}

int
vg_cmd_indicator_list(const struct vg_args *a)
{
	struct listing l = { .n = 0 };
	struct vg_house h;
	int code;

	if (!vg_take_format(a, &l.jsonl))
		return VG_EXIT_USAGE;
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	code = list(&h, &l);
	for (size_t i = 0; i < l.n; i++)
		free(l.row[i].name);
	free(l.row);
	vg_buf_fini(&l.out);
	vg_house_close(&h);
	return code;
}

/* ---- remove ---- */

/* A file of that name, or the one that holds that value. */
static int
remove_one(int dir, const char *name, const char *type)
{
	char file[VG_LEARNED_NAME_MAX + 1], buf[VG_IOC_BUF];
	struct vg_ioc i;
	const char *why;

	if (strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && type == NULL && unlinkat(dir, name, 0) == 0)
		return VG_EXIT_OK;
	if (vg_indicator_value(type, name, buf, &i, &why)) {
		vg_indicator_file_of(&i, file);
		if (unlinkat(dir, file, 0) == 0)
			return VG_EXIT_OK;
	}
	vg_log(VG_LOG_ERROR, "indicator remove %s: %s", name,
	       errno == ENOENT || errno == 0 ? "there is no such file, and no such value was added (`vigie indicator list` shows them)" : strerror(errno));
	return VG_EXIT_INPUT;
}

int
vg_cmd_indicator_remove(const struct vg_args *a)
{
	char path[4400];
	struct vg_house h;
	int dir, code, worst = VG_EXIT_OK;

	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	if ((dir = vg_indicator_folder(&h, path)) < 0) {
		vg_house_close(&h);
		return VG_EXIT_INPUT;
	}
	for (size_t i = 0; i < a->noperand; i++) {
		errno = 0;
		if ((code = remove_one(dir, a->operand[i], vg_arg(a, "--type"))) > worst)
			worst = code;
	}
	if (fsync(dir) < 0 && worst == VG_EXIT_OK) {
		vg_log(VG_LOG_ERROR, "%s: %s", path, strerror(errno));
		worst = VG_EXIT_FAILED;
	}
	close(dir);
	vg_house_close(&h);
	return worst;
}
