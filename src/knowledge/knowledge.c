#include "knowledge/knowledge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "knowledge/cache.h"
#include "proc/pool.h"

#ifndef VIGIE_DATADIR
#define VIGIE_DATADIR "/usr/share/vigie"
#endif

#define DEPTH_MAX 32
#define MAGIC "VGKNOW02"

/* Texts read so far, before anything looks into them. */
struct text {
	char *path;   /* owned; as shown to people */
	size_t at, n; /* in bundle.bytes */
	int tree;     /* of which license: 0 ours, 1 Sigma's, 2 unknown */
	enum vg_origin origin;
	bool pack;
};
struct bundle {
	struct vg_buf bytes;
	struct text *text; /* owned */
	size_t n, cap;
	uint32_t unread, unread_given;
	enum vg_origin origin; /* of what is read now */
	char first_unread[400];
	bool ours_only; /* no rules but ours */
	char *why;
};

const char *
vg_data_dir(void)
{
	static char dir[PATH_MAX];
	const char *env = getenv("VIGIE_DATA");
	char exe[PATH_MAX], probe[PATH_MAX + 8];
	static const char *const beside[] = { "..", "../share/vigie", "../../share/vigie" };
	ssize_t n;

	if (dir[0])
		return dir;
	if (env && *env) {
		snprintf(dir, sizeof(dir), "%s", env);
		return dir;
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		char *slash;

		exe[n] = 0;
		if ((slash = strrchr(exe, '/')) != NULL)
			*slash = 0;
		for (size_t i = 0; i < VG_COUNT(beside); i++) {
			int k = snprintf(dir, sizeof(dir), "%s/%s", exe, beside[i]);

			if (k < 0 || (size_t)k >= sizeof(dir))
				continue;
			snprintf(probe, sizeof(probe), "%s/packs", dir);
			if (access(probe, R_OK) == 0)
				return dir;
		}
	}
	snprintf(dir, sizeof(dir), "%s", VIGIE_DATADIR);
	return dir;
}

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
has_suffix(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

static vg_rc
add_file(struct bundle *b, int dirfd, const char *name, const char *path, int tree, bool pack)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	struct text *t;
	ssize_t k;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		b->unread_given += b->origin == VG_ORIGIN_GIVEN || b->origin == VG_ORIGIN_EXCEPTION;
		if (b->unread++ == 0)
			snprintf(b->first_unread, sizeof(b->first_unread), "%.300s: cannot be read: %s", path, strerror(errno));
		return VG_OK; /* one file less; `rule check` shows what loaded */
	}
	if (b->n == VG_KNOWLEDGE_FILES_MAX ||
	    (size_t)st.st_size > VG_KNOWLEDGE_BYTES_MAX - b->bytes.n) {
		close(fd);
		snprintf(b->why, 400, "%s: too many rule files (at most %d files and %zu MB)", path,
			 VG_KNOWLEDGE_FILES_MAX, VG_KNOWLEDGE_BYTES_MAX >> 20);
		return VG_E_LIMIT;
	}
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 1024;
		struct text *p = realloc(b->text, cap * sizeof(*p));

		if (p == NULL) {
			close(fd);
			return VG_E_NOMEM;
		}
		b->text = p;
		b->cap = cap;
	}
	t = &b->text[b->n];
	*t = (struct text){ .path = strdup(path), .at = b->bytes.n, .tree = tree, .origin = b->origin, .pack = pack };
	while (t->path && vg_buf_reserve(&b->bytes, (size_t)st.st_size + 1) &&
	       (k = read(fd, b->bytes.p + b->bytes.n, (size_t)st.st_size + 1)) > 0) {
		b->bytes.n += (size_t)k;
		t->n += (size_t)k;
		if (t->n >= (size_t)st.st_size)
			break;
	}
	close(fd);
	if (t->path == NULL || b->bytes.rc != VG_OK)
		return VG_E_NOMEM;
	b->n++;
	return VG_OK;
}

static vg_rc
add_tree(struct bundle *b, int at, const char *name, const char *path, int tree, bool pack, int depth)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char **names = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;
	vg_rc rc = VG_OK;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return VG_E_SYS;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (n == cap) {
			char **p = realloc(names, (cap = cap ? 2 * cap : 64) * sizeof(*p));

			if (p == NULL) {
				rc = VG_E_NOMEM;
				break;
			}
			names = p;
		}
		if ((names[n] = strdup(e->d_name)) == NULL) {
			rc = VG_E_NOMEM;
			break;
		}
		n++;
	}
	if (n)
		qsort(names, n, sizeof(*names), name_cmp); /* the same order on every machine */
	for (size_t i = 0; i < n; i++) {
		char sub[PATH_MAX];
		struct stat st;
		int k = snprintf(sub, sizeof(sub), "%s/%s", path, names[i]);

		if (rc == VG_OK && k > 0 && (size_t)k < sizeof(sub)) {
			bool rule = has_suffix(names[i], ".yml") || has_suffix(names[i], ".yaml");
			bool there = fstatat(fd, names[i], &st, 0) == 0;

			if (there && S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
				rc = add_tree(b, fd, names[i], sub, tree, pack, depth + 1);
			else if (rule && (!there || S_ISREG(st.st_mode))) /* a link to nothing is told */
				rc = add_file(b, fd, names[i], sub, tree, pack);
		}
		free(names[i]);
	}
	free(names);
	closedir(d);
	return rc;
}

/* SigmaHQ's tree is under the Detection Rule License; its folder, or the one above, says so. */
static int
tree_of(const char *dir)
{
	char path[PATH_MAX], head[512];

	for (int up = 0; up < 2; up++) {
		int fd;
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%sLICENSE", dir, up ? "../" : "");
		if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		n = read(fd, head, sizeof(head));
		close(fd);
		if (n > 0 && vg_str_ifind(vg_str_mem(head, (size_t)n), VG_STR("Detection Rule License")) != VG_NPOS)
			return 1;
	}
	return 2;
}

/* A folder of rules, or one file.  SigmaHQ's root holds tests and deprecated rules too: only its rules are read. */
static vg_rc
add_rules(struct bundle *b, const char *dir, int tree, bool given)
{
	static const char *const inner[] = { "rules", "rules-compliance", "rules-dfir", "rules-emerging-threats",
					     "rules-placeholder", "rules-threat-hunting" };
	struct stat st;
	char sub[PATH_MAX];
	bool found = false;
	vg_rc rc = VG_OK;

	if (stat(dir, &st) < 0) {
		if (!given)
			return VG_OK;
		snprintf(b->why, 400, "%s: no such rules: %s", dir, strerror(errno));
		return VG_E_NOTFOUND;
	}
	if (S_ISREG(st.st_mode))
		return add_file(b, AT_FDCWD, dir, dir, tree == 2 ? 2 : tree, false);
	if (tree == 2)
		tree = tree_of(dir);
	for (size_t i = 0; i < VG_COUNT(inner) && rc == VG_OK; i++) {
		snprintf(sub, sizeof(sub), "%s/rules-emerging-threats", dir);
		if (access(sub, R_OK) != 0)
			break; /* not SigmaHQ's root */
		snprintf(sub, sizeof(sub), "%s/%s", dir, inner[i]);
		if (access(sub, R_OK) == 0) {
			found = true;
			rc = add_tree(b, AT_FDCWD, sub, sub, tree, false, 0);
		}
	}
	if (!found && rc == VG_OK)
		rc = add_tree(b, AT_FDCWD, dir, dir, tree, false, 0);
	if (rc == VG_E_SYS)
		snprintf(b->why, 400, "%s: cannot be read: %s", dir, strerror(errno));
	return rc;
}

/* SigmaHQ's rules: where the environment says, else where they are usually found. */
static vg_rc
gather_found(struct bundle *b)
{
	const char *home = getenv("HOME"), *env = getenv("VIGIE_SIGMA");
	char path[PATH_MAX + 32];
	vg_rc rc;

	b->origin = VG_ORIGIN_FOUND;
	if (env && *env)
		return add_rules(b, env, 2, true);
	snprintf(path, sizeof(path), "%s/.local/share/vigie/sigma", home ? home : "");
	if (home && (rc = add_rules(b, path, 2, false)) != VG_OK)
		return rc;
	return add_rules(b, "/usr/share/vigie/sigma", 2, false);
}

static vg_rc
gather(const struct vg_knowledge_options *o, struct bundle *b)
{
	char path[PATH_MAX + 16];
	size_t ours = 0;
	vg_rc rc;

	snprintf(path, sizeof(path), "%s/packs", vg_data_dir());
	if ((rc = add_tree(b, AT_FDCWD, path, "packs", 0, true, 0)) != VG_OK) {
		snprintf(b->why, 400, "%.200s: no packs there (set VIGIE_DATA to the folder that holds packs/ and rules/)",
			 path);
		return rc;
	}
	if (!o->no_default_rules) {
		snprintf(path, sizeof(path), "%s/rules", vg_data_dir());
		if ((rc = add_tree(b, AT_FDCWD, path, "rules", 0, false, 0)) != VG_OK && rc != VG_E_SYS)
			return rc;
		ours = b->n;
		if ((rc = gather_found(b)) != VG_OK)
			return rc;
	}
	b->origin = VG_ORIGIN_GIVEN;
	for (size_t i = 0; i < o->nrules; i++)
		if ((rc = add_rules(b, o->rules[i], 2, true)) != VG_OK)
			return rc;
	b->ours_only = ours && b->n == ours;
	b->origin = VG_ORIGIN_EXCEPTION;
	for (size_t i = 0; i < o->nexceptions; i++)
		if ((rc = add_rules(b, o->exceptions[i], 0, true)) != VG_OK)
			return rc;
	if (b->unread > 1)
		snprintf(b->why, 400, "%u files of rules or packs cannot be read, the first: %.250s", b->unread, b->first_unread);
	else if (b->unread)
		snprintf(b->why, 400, "%.300s", b->first_unread);
	return VG_OK;
}

/* What the blob depends on: this program, this processor, the texts, the variables. */
static bool
digest_key(const struct vg_knowledge_options *o, const struct bundle *b, unsigned char key[32])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	char line[4096];
	unsigned n = 0;
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL);
	FILE *f;
	struct stat st;

	if (!ok) {
		EVP_MD_CTX_free(c);
		return false;
	}
	ok &= EVP_DigestUpdate(c, MAGIC VIGIE_VERSION, sizeof(MAGIC VIGIE_VERSION));
	if (stat("/proc/self/exe", &st) == 0) {
		ok &= EVP_DigestUpdate(c, &st.st_size, sizeof(st.st_size));
		ok &= EVP_DigestUpdate(c, &st.st_mtim, sizeof(st.st_mtim));
	}
	if ((f = fopen("/proc/cpuinfo", "re")) != NULL) {
		while (fgets(line, sizeof(line), f))
			if (strncmp(line, "flags", 5) == 0 || strncmp(line, "model name", 10) == 0) {
				ok &= EVP_DigestUpdate(c, line, strlen(line));
				if (line[0] == 'f')
					break;
			}
		fclose(f);
	}
	ok &= EVP_DigestUpdate(c, &o->portable, sizeof(o->portable));
	for (size_t i = 0; i < o->nvar; i++) {
		uint64_t len[2] = { o->var[i].name.n, o->var[i].value.n };

		ok &= EVP_DigestUpdate(c, len, sizeof(len));
		ok &= EVP_DigestUpdate(c, o->var[i].name.p, o->var[i].name.n);
		ok &= EVP_DigestUpdate(c, o->var[i].value.p, o->var[i].value.n);
	}
	for (size_t i = 0; i < b->n; i++) {
		uint64_t v[4] = { b->text[i].n, (uint64_t)b->text[i].tree, b->text[i].pack, b->text[i].origin };

		ok &= EVP_DigestUpdate(c, v, sizeof(v));
		ok &= EVP_DigestUpdate(c, b->text[i].path, strlen(b->text[i].path) + 1);
	}
	ok &= EVP_DigestUpdate(c, b->bytes.p, b->bytes.n);
	ok &= EVP_DigestFinal_ex(c, key, &n);
	EVP_MD_CTX_free(c);
	return ok && n == 32;
}

/* The blob: magic, the key, SHA-256 of all behind it, the sections as (offset, length).  What it depends on beside the key is the
 * time: filters expire. */
enum { SEC_PROGRAM, SEC_INDEX, SEC_PACKS, SECTIONS };
struct head {
	char magic[8];
	unsigned char key[32], sum[32];
	uint64_t at[SECTIONS], n[SECTIONS];
	uint64_t size;
	int64_t valid_from_ns, valid_until_ns;
	uint32_t pack_problems, ours_only;
};
#define SUMMED offsetof(struct head, at) /* where what the sum covers begins */
#define ALIGN 64

struct compile {
	const struct vg_knowledge_options *o;
	const struct bundle *b;
	int fd;
	unsigned char key[32];
};

static void
section(struct vg_buf *out, struct head *h, int which, const struct vg_buf *bytes)
{
	while (out->n % ALIGN && out->rc == VG_OK)
		vg_buf_u8(out, 0);
	h->at[which] = out->n;
	h->n[which] = bytes->n;
	vg_buf_put(out, vg_buf_str(bytes));
}

static void
pack_problem(void *ctx, const struct vg_pack_problem *p)
{
	++*(uint32_t *)ctx;
	fprintf(stderr, "vigie: WARNING: pack %.*s line %u: %s\n", VG_STR_ARG(p->path), p->line, p->text);
}

/* In the sandbox: texts to a blob. */
static vg_rc
compile_all(void *ctx)
{
	struct compile *c = ctx;
	const struct bundle *b = c->b;
	static const vg_str license[] = { VG_STR_INIT("Apache-2.0"), VG_STR_INIT("DRL 1.1"), VG_STR_INIT("") };
	struct vg_rule_text *rt = calloc(b->n + 1, sizeof(*rt));
	struct vg_pack_text *pt = calloc(b->n + 1, sizeof(*pt));
	struct vg_rules_options ro = { c->o->var, c->o->nvar, NULL, c->o->now_ns };
	struct vg_buf out = { 0 }, program = { 0 }, index = { 0 }, packs = { 0 };
	struct vg_program p;
	struct vg_keys *keys = vg_keys_new();
	struct head h = { .magic = MAGIC, .ours_only = b->ours_only };
	uint8_t *origin = calloc(b->n + 1, 1);
	size_t nr = 0, np = 0;
	unsigned len = 0;
	char *aligned = NULL;
	vg_rc rc;

	if (rt == NULL || pt == NULL || origin == NULL || keys == NULL)
		return VG_E_NOMEM;
	for (size_t i = 0; i < b->n; i++) {
		vg_str text = vg_str_mem(b->bytes.p + b->text[i].at, b->text[i].n);
		vg_str path = vg_str_of(b->text[i].path);

		origin[nr] = (uint8_t)b->text[i].origin;
		if (b->text[i].pack)
			pt[np++] = (struct vg_pack_text){ path, text };
		else
			rt[nr++] = (struct vg_rule_text){ path, text, license[b->text[i].tree] };
	}
	ro.origin = origin;
	if ((rc = vg_packs_compile(pt, np, &packs, pack_problem, &h.pack_problems)) != VG_OK ||
	    (rc = vg_rules_compile_with(rt, nr, &ro, &program)) != VG_OK)
		return rc;
	if (posix_memalign((void **)&aligned, ALIGN, program.n + ALIGN) != 0)
		return VG_E_NOMEM;
	memcpy(aligned, program.p, program.n);
	if ((rc = vg_program_load(vg_str_mem(aligned, program.n), keys, &p)) != VG_OK ||
	    (rc = vg_index_build(&p, c->o->portable ? VG_INDEX_PORTABLE : 0, &index)) != VG_OK)
		return rc;
	vg_buf_mem(&out, &h, sizeof(h));
	section(&out, &h, SEC_PROGRAM, &program);
	section(&out, &h, SEC_INDEX, &index);
	section(&out, &h, SEC_PACKS, &packs);
	if (out.rc != VG_OK)
		return out.rc;
	h.size = out.n;
	h.valid_from_ns = p.valid_from_ns;
	h.valid_until_ns = p.valid_until_ns;
	memcpy(h.key, c->key, sizeof(h.key));
	memcpy(out.p, &h, sizeof(h));
	if (!EVP_Digest(out.p + SUMMED, out.n - SUMMED, h.sum, &len, EVP_sha256(), NULL))
		return VG_E_SYS;
	memcpy(out.p, &h, sizeof(h));
	return vg_pwrite_all(c->fd, vg_buf_str(&out), 0);
}

/* Map @fd and check that it is a blob. */
static vg_rc
map_blob(int fd, vg_str *out)
{
	struct stat st;
	struct head h;
	char *p;

	if (fstat(fd, &st) < 0)
		return VG_E_SYS;
	if (st.st_size < (off_t)sizeof(h) || (uint64_t)st.st_size > (uint64_t)1 << 31)
		return VG_E_REFUSED;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return VG_E_SYS;
	memcpy(&h, p, sizeof(h));
	if (memcmp(h.magic, MAGIC, 8) != 0 || h.size != (uint64_t)st.st_size)
		goto refused;
	for (int i = 0; i < SECTIONS; i++)
		if (h.at[i] % ALIGN || h.at[i] < sizeof(h) || h.at[i] > h.size || h.n[i] > h.size - h.at[i])
			goto refused;
	*out = vg_str_mem(p, (size_t)st.st_size);
	return VG_OK;
refused:
	munmap(p, (size_t)st.st_size);
	return VG_E_REFUSED;
}

static void
unmap_blob(vg_str *blob)
{
	if (blob->p)
		munmap((void *)(uintptr_t)blob->p, blob->n);
	*blob = VG_NIL;
}

/* Was it made of the same, and would it be the same now?  A file from disk may be damaged. */
static bool
fits(vg_str blob, const unsigned char key[32], int64_t now_ns)
{
	unsigned char d[32];
	unsigned n = 0;
	struct head h;

	memcpy(&h, blob.p, sizeof(h));
	return memcmp(h.key, key, 32) == 0 && h.valid_from_ns <= now_ns && now_ns < h.valid_until_ns &&
	       EVP_Digest(blob.p + SUMMED, blob.n - SUMMED, d, &n, EVP_sha256(), NULL) && memcmp(d, h.sum, 32) == 0;
}

static vg_str
section_of(vg_str blob, int which)
{
	struct head h;

	memcpy(&h, blob.p, sizeof(h));
	return vg_str_mem(blob.p + h.at[which], h.n[which]);
}

/* A descriptor, and what is behind it. */
struct made {
	int fd;
	vg_str blob; /* mapped */
};

static void
unmake(struct made *m)
{
	unmap_blob(&m->blob);
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

static bool
cached(const char *path, const unsigned char key[32], int64_t now_ns, struct made *m)
{
	*m = (struct made){ .fd = vg_cache_open(path) };
	if (m->fd >= 0 && map_blob(m->fd, &m->blob) == VG_OK && fits(m->blob, key, now_ns))
		return true;
	unmake(m);
	return false;
}

static int
new_memory(char why[400])
{
	int fd = memfd_create("vigie-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		snprintf(why, 400, "no memory for the compiled rules: %s", strerror(errno));
	return fd;
}

static vg_rc
make_blob(struct compile *c, struct made *m, char why[400])
{
	static const struct vg_sandbox_limits limits = { .name = "rules", .data_bytes = (size_t)1 << 30, .cpu_s = 120,
							 .file_bytes = (size_t)1 << 30 };
	char died[160] = "";
	vg_rc rc;

	*m = (struct made){ .fd = new_memory(why) };
	if ((c->fd = m->fd) < 0)
		return VG_E_SYS;
	rc = vg_sandbox_run(compile_all, c, &limits, 180, died);
	if (rc == VG_OK)
		rc = map_blob(m->fd, &m->blob);
	if (rc == VG_OK && !fits(m->blob, c->key, c->o->now_ns))
		rc = VG_E_REFUSED;
	if (rc != VG_OK) {
		snprintf(why, 400, "the rules could not be compiled: %s%s%s", vg_rc_name(rc), died[0] ? ": " : "", died);
		unmake(m);
	}
	return rc;
}

static vg_rc
load_blob(struct vg_knowledge *k)
{
	struct head h;
	vg_rc rc;

	memcpy(&h, k->blob.p, sizeof(h));
	k->ours_only = h.ours_only != 0;
	if ((k->keys = vg_keys_new()) == NULL)
		return VG_E_NOMEM;
	if ((rc = vg_program_load(section_of(k->blob, SEC_PROGRAM), k->keys, &k->program)) != VG_OK ||
	    (rc = vg_index_load(section_of(k->blob, SEC_INDEX), &k->program, &k->index)) != VG_OK ||
	    (rc = vg_packs_load(section_of(k->blob, SEC_PACKS), k->keys, &k->packs)) != VG_OK)
		return rc;
	return VG_OK;
}

static void
unload(struct vg_knowledge *k)
{
	vg_index_free(k->index);
	vg_packs_free(k->packs);
	vg_keys_free(k->keys);
	unmap_blob(&k->blob);
	*k = (struct vg_knowledge){ 0 };
}

/* Read the texts, and make their blob or find it in the cache.  @out: loaded; it owns the mapping then. */
static vg_rc
obtain(const struct vg_knowledge_options *o, struct bundle *b, struct made *m, struct vg_knowledge *out)
{
	struct compile c = { .o = o, .b = b };
	char path[PATH_MAX] = "";
	vg_rc rc;

	*m = (struct made){ .fd = -1 };
	*out = (struct vg_knowledge){ 0 };
	b->why[0] = 0;
	if ((rc = gather(o, b)) != VG_OK)
		return rc;
	if (!digest_key(o, b, c.key)) {
		snprintf(b->why, 400, "SHA-256 is not available in libcrypto");
		return VG_E_SYS;
	}
	if (!o->no_cache && vg_cache_path(c.key, path) && cached(path, c.key, o->now_ns, m)) {
		out->blob = m->blob;
		if ((rc = load_blob(out)) == VG_OK) {
			out->from_cache = true;
			m->blob = VG_NIL;
			return VG_OK;
		}
		m->blob = VG_NIL;
		unload(out); /* made by something else: made anew */
		unmake(m);
	}
	if ((rc = make_blob(&c, m, b->why)) != VG_OK)
		return rc;
	out->blob = m->blob;
	m->blob = VG_NIL;
	if ((rc = load_blob(out)) != VG_OK) {
		snprintf(b->why, 400, "the compiled rules could not be loaded: %s", vg_rc_name(rc));
		unload(out);
		unmake(m);
	} else if (path[0]) {
		vg_cache_write(path, out->blob);
	}
	return rc;
}

static void
forget(struct bundle *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->text[i].path);
	free(b->text);
	vg_buf_fini(&b->bytes);
}

vg_rc
vg_knowledge_load(const struct vg_knowledge_options *o, struct vg_knowledge *out, char why[400])
{
	struct bundle b = { .why = why, .bytes = { .limit_bytes = VG_KNOWLEDGE_BYTES_MAX + 4096 } };
	struct made m;
	vg_rc rc = obtain(o, &b, &m, out);

	unmake(&m);
	forget(&b);
	return rc;
}

void
vg_knowledge_fini(struct vg_knowledge *k)
{
	unload(k);
}

static void
summarise(const struct vg_program *p, struct vg_knowledge_summary *out)
{
	for (uint32_t i = 0; i < p->nrule; i++)
		*(p->rule[i].kind == VG_RULE_CORRELATION ? &out->correlations : &out->rules) += 1;
	for (uint32_t i = 0; i < p->nfilter; i++)
		out->filters += p->filter[i].nrule > 0;
	for (uint32_t i = 0; i < p->ndiag; i++) {
		const struct vg_diag *d = &p->diag[i];

		*(d->fatal ? &out->refused : d->note ? &out->notes : &out->warnings) += 1;
		out->refused_given += d->fatal && (d->origin == VG_ORIGIN_GIVEN || d->origin == VG_ORIGIN_EXCEPTION);
	}
	out->valid_until_ns = p->valid_until_ns;
}

/* Memory that holds @blob: what is behind @fd, or, when that is a file that others may write, a copy in its place.  Nobody can change
 * it from here on. */
static vg_rc
seal(int *fd, vg_str blob, bool copy, char why[400])
{
	if (copy) {
		int mem = new_memory(why);

		if (mem < 0)
			return VG_E_SYS;
		close(*fd);
		*fd = mem;
		if (vg_pwrite_all(mem, blob, 0) != VG_OK) {
			snprintf(why, 400, "no memory for the compiled rules: %s", strerror(errno));
			return VG_E_SYS;
		}
	}
	if (fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return VG_OK;
	snprintf(why, 400, "the compiled rules could not be sealed: %s", strerror(errno));
	return VG_E_SYS;
}

vg_rc
vg_knowledge_make(const struct vg_knowledge_options *o, int *fd, struct vg_knowledge_summary *out, char why[400])
{
	struct bundle b = { .why = why, .bytes = { .limit_bytes = VG_KNOWLEDGE_BYTES_MAX + 4096 } };
	struct vg_knowledge k;
	struct made m;
	struct head h;
	vg_rc rc = obtain(o, &b, &m, &k);

	*fd = -1;
	*out = (struct vg_knowledge_summary){ 0 };
	if (rc == VG_OK) {
		memcpy(&h, k.blob.p, sizeof(h));
		summarise(&k.program, out);
		out->pack_problems = h.pack_problems;
		out->unread = b.unread;
		out->unread_given = b.unread_given;
		out->from_cache = k.from_cache;
		if (o->sealed)
			rc = seal(&m.fd, k.blob, k.from_cache, why);
		unload(&k);
	}
	if (rc == VG_OK) {
		*fd = m.fd;
		m.fd = -1;
	}
	unmake(&m);
	forget(&b);
	return rc;
}

vg_rc
vg_knowledge_diags(int fd, vg_knowledge_diag_fn *told, void *ctx)
{
	struct vg_keys *keys = vg_keys_new();
	struct vg_program p;
	vg_str blob = VG_NIL;
	vg_rc rc = keys ? map_blob(fd, &blob) : VG_E_NOMEM;

	if (rc == VG_OK)
		rc = vg_program_load(section_of(blob, SEC_PROGRAM), keys, &p);
	for (uint32_t i = 0; rc == VG_OK && i < p.ndiag; i++)
		told(ctx, &p, &p.diag[i]);
	unmap_blob(&blob);
	vg_keys_free(keys);
	return rc;
}

vg_rc
vg_knowledge_open(int fd, struct vg_knowledge *out, char why[400])
{
	vg_rc rc;

	*out = (struct vg_knowledge){ 0 };
	why[0] = 0;
	if ((rc = map_blob(fd, &out->blob)) == VG_OK)
		rc = load_blob(out);
	if (rc != VG_OK) {
		snprintf(why, 400, "the compiled rules could not be loaded: %s", vg_rc_name(rc));
		unload(out);
	}
	return rc;
}

vg_rc
vg_pack_texts_read(struct vg_pack_texts *out, char why[400])
{
	struct bundle b = { .why = why, .bytes = { .limit_bytes = VG_KNOWLEDGE_BYTES_MAX } };
	char path[PATH_MAX + 16];
	vg_rc rc;

	why[0] = 0;
	*out = (struct vg_pack_texts){ 0 };
	snprintf(path, sizeof(path), "%s/packs", vg_data_dir());
	rc = add_tree(&b, AT_FDCWD, path, "packs", 0, true, 0);
	if (rc != VG_OK)
		snprintf(why, 400, "%.200s: no packs there (set VIGIE_DATA to the folder that holds packs/ and rules/)", path);
	else if ((out->text = calloc(b.n + 1, sizeof(*out->text))) == NULL)
		rc = VG_E_NOMEM;
	out->bytes = b.bytes;
	for (size_t i = 0; i < b.n; i++) {
		if (out->text)
			out->text[out->n++] = (struct vg_pack_text){ vg_str_of(b.text[i].path),
								     vg_str_mem(b.bytes.p + b.text[i].at, b.text[i].n) };
		else
			free(b.text[i].path);
	}
	free(b.text);
	if (rc != VG_OK)
		vg_pack_texts_free(out);
	return rc;
}

void
vg_pack_texts_free(struct vg_pack_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free((void *)(uintptr_t)t->text[i].path.p);
	free(t->text);
	vg_buf_fini(&t->bytes);
	*t = (struct vg_pack_texts){ 0 };
}
