#include "source/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define READ_BYTES     ((size_t)256 << 10)
#define NAME_MAX_BYTES 1024
#define RETRIES        64
#define FAILED_MAX     1000 /* headers that libarchive could not read and says it can go on after */

enum shape { SHAPE_NONE, SHAPE_STREAM, SHAPE_TAR, SHAPE_ZIP, SHAPE_7Z };

/* One call of vg_archive_each(), shared by the archives inside. */
struct walk {
	vg_archive_entry *entry;
	vg_archive_refused *refused;
	void *ctx;
	uint64_t out;     /* bytes unpacked, at every depth */
	uint64_t out_tar; /* bytes of members of tar: unpacked before, or holes */
	uint64_t out_max; /* of each */
	uint32_t entries, entries_max;
	uint32_t depth_max;
	bool damaged; /* a member, or an archive inside, was not read to its end */
};

/* One open archive. */
struct level {
	struct walk *w;
	struct archive *a;
	struct vg_input *from; /* an inner stream; NULL: in memory */
	size_t took; /* bytes of from that libarchive was given and that are not skipped yet */
	uint32_t depth;
	enum shape shape;
	vg_str name; /* of the archive */
	/* of the member at hand: what is left of the block that libarchive gave, and zeros before
	 * it */
	const char *block;
	size_t left;
	uint64_t hole;
	la_int64_t at; /* where the block ends in the member */
};

/* One member being read; the input's fill() unpacks into buf. */
struct member {
	struct vg_input in;
	struct level *l;
	uint8_t *buf; /* owned */
	size_t cap;
	char why[128]; /* what ended it early; empty: nothing */
};

/* A header of tar: its checksum is over all its bytes, its own eight taken as blanks (POSIX.1,
 * pax). */
static bool
is_tar(vg_str s)
{
	unsigned sum = 0, said = 0;
	size_t i;

	if (s.n < 512 || s.p[0] == 0)
		return false;
	for (i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)s.p[i];
	for (i = 148; i < 156 && s.p[i] == ' '; i++)
		;
	if (i >= 155 || s.p[i] < '0' || s.p[i] > '7')
		return false;
	for (; i < 156 && s.p[i] >= '0' && s.p[i] <= '7'; i++)
		said = said * 8 + (unsigned)(s.p[i] - '0');
	return said == sum;
}

static enum shape
shape_of(vg_str s)
{
	static const struct {
		vg_str magic;
		enum shape shape;
	} magics[] = {
		{ VG_STR_INIT("\x1f\x8b\x08"), SHAPE_STREAM },     /* RFC 1952 */
		{ VG_STR_INIT("\x28\xb5\x2f\xfd"), SHAPE_STREAM }, /* RFC 8878 */
		{ VG_STR_INIT("\xfd"
			      "7zXZ\0"),
		  SHAPE_STREAM },                                  /* The .xz File Format, 2.1.1 */
		{ VG_STR_INIT("\x04\x22\x4d\x18"), SHAPE_STREAM }, /* LZ4 Frame Format */
		{ VG_STR_INIT("PK\x03\x04"), SHAPE_ZIP },          /* APPNOTE 4.3.7 */
		{ VG_STR_INIT("PK\x05\x06"), SHAPE_ZIP }, /* APPNOTE 4.3.16: without members */
		{ VG_STR_INIT("7z\xbc\xaf\x27\x1c"), SHAPE_7Z },
	};

	for (size_t i = 0; i < VG_COUNT(magics); i++)
		if (vg_str_starts(s, magics[i].magic))
			return magics[i].shape;
	if (s.n >= 10 && memcmp(s.p, "BZh", 3) == 0 && memcmp(s.p + 4, "1AY&SY", 6) == 0)
		return SHAPE_STREAM;
	return is_tar(s) ? SHAPE_TAR : SHAPE_NONE;
}

void
vg_archive_init(void)
{
	(void)setlocale(LC_CTYPE, "C.UTF-8");
}

bool
vg_archive_probe(vg_str head)
{
	return shape_of(head) != SHAPE_NONE;
}

static void
refuse(struct walk *w, vg_str name, const char *why)
{
	struct vg_buf safe = { 0 };

	vg_buf_safe(&safe, vg_str_of(why)); /* libarchive's words may hold the archive's */
	vg_buf_putc(&safe, 0);
	w->refused(w->ctx, name, safe.rc == VG_OK ? safe.p : "not read");
	vg_buf_fini(&safe);
}

static const char *
words_of(struct archive *a)
{
	const char *s = archive_error_string(a);

	return s && *s ? s : "damaged";
}

/* The next block of the member at hand, into the level: 1, 0 at the member's end, -1 when it is
 * damaged.  Not by archive_read_data(), which loses what it has when it meets the damage. */
static int
next_block(struct level *l)
{
	int got = ARCHIVE_RETRY;
	const void *p = NULL;
	size_t n = 0;
	la_int64_t at = 0;

	for (int i = 0; i < RETRIES &&
			(got == ARCHIVE_RETRY || (got >= ARCHIVE_WARN && n == 0 && at <= l->at));
	     i++)
		got = archive_read_data_block(l->a, &p, &n, &at);
	if (got == ARCHIVE_EOF)
		return 0;
	if (got < ARCHIVE_WARN || at < l->at || (n == 0 && at == l->at))
		return -1;
	l->block = p;
	l->left = n;
	l->hole = (uint64_t)(at - l->at);
	l->at = at + (la_int64_t)n;
	return 1;
}

/* Unpack at most @n bytes of the member at hand; 0 at its end, -1 when it ends early: then @why
 * says it. */
static ssize_t
unpack(struct level *l, char *p, size_t n, char why[128], vg_rc *rc)
{
	struct walk *w = l->w;
	uint64_t *out = l->shape == SHAPE_TAR ? &w->out_tar : &w->out;
	int got = 1;

	if (l->hole == 0 && l->left == 0 && (got = next_block(l)) < 0) {
		snprintf(why, 128, "%s", words_of(l->a));
		*rc = VG_E_FORMAT;
	}
	if (got <= 0)
		return got;
	if (*out >= w->out_max) {
		snprintf(why, 128, "over the limit of what may be unpacked (%llu bytes)",
			 (unsigned long long)w->out_max);
		*rc = VG_E_LIMIT;
		return -1;
	}
	if (n > w->out_max - *out)
		n = (size_t)(w->out_max - *out);
	if (l->hole) { /* of a sparse file */
		if (n > l->hole)
			n = (size_t)l->hole;
		memset(p, 0, n);
		l->hole -= n;
	} else {
		if (n > l->left)
			n = l->left;
		if (n)
			memcpy(p, l->block, n);
		l->block += n;
		l->left -= n;
	}
	*out += n;
	return (ssize_t)n;
}

static vg_rc
fill(struct vg_input *in, size_t want)
{
	struct member *m = in->ctx;
	size_t have = (size_t)(in->end - in->p);

	if (want > VG_INPUT_WINDOW_MAX)
		want = VG_INPUT_WINDOW_MAX;
	if (want < READ_BYTES)
		want = READ_BYTES;
	if (m->buf && in->p != m->buf)
		memmove(m->buf, in->p, have);
	if (m->cap < want) {
		uint8_t *p = realloc(m->buf, want);

		if (p == NULL) {
			in->p = m->buf;
			in->end = m->buf + have;
			in->eof = true;
			return in->rc = VG_E_NOMEM;
		}
		m->buf = p;
		m->cap = want;
	}
	while (have < want && !in->eof) {
		ssize_t n = unpack(m->l, (char *)m->buf + have, m->cap - have, m->why, &in->rc);

		if (n <= 0)
			in->eof = true;
		else
			have += (size_t)n;
	}
	in->p = m->buf;
	in->end = m->buf + have;
	return in->rc;
}

/* libarchive reads an archive inside from the member that it is. */
static la_ssize_t
on_read(struct archive *a, void *ctx, const void **out)
{
	struct level *l = ctx;
	size_t n;

	vg_input_skip(l->from, l->took);
	n = vg_input_peek(l->from, 1);
	l->took = n;
	*out = l->from->p;
	if (n == 0 && l->from->rc != VG_OK) {
		archive_set_error(a, EIO, "the archive around it ends early");
		return -1;
	}
	return (la_ssize_t)n;
}

/* A reader for the one shape that was seen.  Formats that name files of the disk (mtree) are not
 * among them. */
static struct archive *
reader_new(enum shape shape)
{
	struct archive *a = archive_read_new();

	if (a == NULL)
		return NULL;
	switch (shape) {
	case SHAPE_STREAM:
		archive_read_support_filter_gzip(a);
		archive_read_support_filter_xz(a);
		archive_read_support_filter_zstd(a);
		archive_read_support_filter_bzip2(a);
		archive_read_support_filter_lz4(a);
		archive_read_support_format_raw(
		    a); /* a tar is seen in what comes out, as libarchive takes zeros for one */
		break;
	case SHAPE_TAR:
		archive_read_support_format_tar(a);
		break;
	case SHAPE_ZIP:
		archive_read_support_format_zip(a);
		break;
	case SHAPE_7Z:
		archive_read_support_format_7zip(a);
		break;
	case SHAPE_NONE:
		break;
	}
	return a;
}

/* "auth.log.1.gz" is the stream "auth.log.1". */
static vg_str
stream_name(vg_str name)
{
	static const char *const ends[] = { ".gz", ".xz", ".zst", ".bz2", ".lz4", ".zstd" };

	for (size_t i = 0; i < VG_COUNT(ends); i++)
		if (vg_str_ends(name, vg_str_of(ends[i])))
			return vg_str_cut(name, name.n - strlen(ends[i]));
	return name;
}

static void
print_name(struct vg_buf *out, struct level *l, struct archive_entry *e)
{
	const char *name = archive_entry_pathname_utf8(e);

	if (archive_format(l->a) == ARCHIVE_FORMAT_RAW) {
		vg_buf_put(out, stream_name(l->name));
		return;
	}
	if (name == NULL)
		name = archive_entry_pathname(e);
	if (l->depth > 1 && l->name.n) {
		vg_buf_put(out, l->name);
		vg_buf_putc(out, '/');
	}
	vg_buf_safe(out, vg_str_cut(vg_str_of(name ? name : "?"), NAME_MAX_BYTES));
}

/* Why a member is not read, NULL when it is. */
static const char *
why_not(struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return "a hard link: ignored";
	switch (archive_entry_filetype(e)) {
	case AE_IFLNK:
		return "a symbolic link: ignored";
	case AE_IFCHR:
	case AE_IFBLK:
		return "a device: ignored";
	case AE_IFIFO:
	case AE_IFSOCK:
		return "a pipe or socket: ignored";
	default:
		return archive_entry_is_encrypted(e) ? "encrypted: not read" : NULL;
	}
}

static vg_rc walk_level(struct walk *w, const void *map, size_t n, struct vg_input *from,
			enum shape shape, uint32_t depth, vg_str name);

/* A zip or 7z inside needs to be seeked in: all of it is read. */
static vg_rc
walk_inner_whole(struct member *m, enum shape shape, vg_str name)
{
	struct walk *w = m->l->w;
	struct vg_buf all = { .limit_bytes = VG_ARCHIVE_INNER_BYTES_MAX };
	size_t n;
	vg_rc rc;

	while ((n = vg_input_peek(&m->in, 1)) != 0 && all.rc == VG_OK) {
		vg_buf_put(&all, vg_str_mem(m->in.p, n));
		vg_input_skip(&m->in, n);
	}
	if (all.rc != VG_OK) {
		refuse(w, name, "an archive inside that is too large: not read");
		rc = all.rc == VG_E_LIMIT ? VG_OK : all.rc;
	} else {
		rc = walk_level(w, all.p, all.n, NULL, shape, m->l->depth + 1, name);
	}
	vg_buf_fini(&all);
	return rc;
}

/* Give the member to the caller, or walk it when it is itself an archive. */
static vg_rc
give(struct level *l, struct archive_entry *e, vg_str name)
{
	struct walk *w = l->w;
	struct member m = { .l = l };
	int64_t mtime_ns = 0;
	enum shape inner;
	size_t n;
	vg_rc rc;

	m.in = (struct vg_input){ .size = UINT64_MAX, .stop = UINT64_MAX, .fill = fill, .ctx = &m };
	if (archive_format(l->a) != ARCHIVE_FORMAT_RAW && archive_entry_mtime_is_set(e) &&
	    archive_entry_mtime(e) > -INT64_C(9000000000) &&
	    archive_entry_mtime(e) < INT64_C(9000000000))
		mtime_ns =
		    (int64_t)archive_entry_mtime(e) * 1000000000 + archive_entry_mtime_nsec(e);
	n = vg_input_peek(&m.in, 512);
	inner = shape_of(vg_str_mem(m.in.p, n));
	if (inner == SHAPE_TAR && l->shape == SHAPE_STREAM) {
		rc = walk_level(w, NULL, 0, &m.in, inner, l->depth, l->name);
	} else if (inner == SHAPE_NONE) {
		rc = w->entry(w->ctx, name, &m.in, mtime_ns);
	} else if (l->depth >= w->depth_max) {
		refuse(w, name, "archives too deep in one another: not read");
		rc = VG_OK;
	} else if (inner == SHAPE_ZIP || inner == SHAPE_7Z) {
		rc = walk_inner_whole(&m, inner, name);
	} else {
		rc = walk_level(w, NULL, 0, &m.in, inner, l->depth + 1, name);
	}
	if (m.why[0])
		refuse(w, name, m.why);
	if (m.in.rc == VG_E_LIMIT || m.in.rc == VG_E_NOMEM)
		rc = m.in.rc;
	else if (m.in.rc != VG_OK || (inner != SHAPE_NONE && rc == VG_E_FORMAT))
		w->damaged = true; /* told; the members beside it may be sound */
	if (inner != SHAPE_NONE && rc == VG_E_FORMAT)
		rc = VG_OK;
	free(m.buf);
	return rc;
}

/* Move behind a member.  Where that means to unpack, what is unpacked counts. */
static vg_rc
pass(struct level *l, struct archive_entry *e, vg_str name)
{
	static const size_t scratch_bytes = 65536;
	char why[128] = "";
	ssize_t got = 1;
	vg_rc rc = VG_OK;
	char *scratch;

	if (l->shape == SHAPE_TAR || (l->shape == SHAPE_ZIP && archive_entry_size_is_set(e)))
		return VG_OK; /* the next header seeks */
	if ((scratch = malloc(scratch_bytes)) == NULL)
		return VG_E_NOMEM;
	while (got > 0)
		got = unpack(l, scratch, scratch_bytes, why, &rc);
	free(scratch);
	if (rc == VG_E_LIMIT)
		refuse(l->w, name, why);
	return rc == VG_E_LIMIT ? rc : VG_OK;
}

static vg_rc
one_member(struct level *l, struct archive_entry *e)
{
	struct walk *w = l->w;
	struct vg_buf name = { 0 };
	const char *why = why_not(e);
	vg_rc rc = VG_OK;

	print_name(&name, l, e);
	if (name.rc != VG_OK) {
		rc = name.rc;
	} else if (++w->entries > w->entries_max) {
		refuse(w, l->name, "too many members: the others are not read");
		rc = VG_E_LIMIT;
	} else if (why) {
		refuse(w, vg_buf_str(&name), why);
	} else if (archive_entry_filetype(e) != AE_IFDIR) {
		rc = give(l, e, vg_buf_str(&name));
	}
	if (rc == VG_OK)
		rc = pass(l, e, vg_buf_str(&name));
	vg_buf_fini(&name);
	return rc;
}

/* Every member of the archive in memory, or of the one that @from gives. */
static vg_rc
walk_level(struct walk *w, const void *map, size_t n, struct vg_input *from, enum shape shape,
	   uint32_t depth, vg_str name)
{
	struct level l = { .w = w, .from = from, .depth = depth, .shape = shape, .name = name };
	struct archive_entry *e;
	vg_rc rc = VG_OK;
	int got, failed = 0;

	if ((l.a = reader_new(shape)) == NULL)
		return VG_E_NOMEM;
	if (from)
		got = archive_read_open2(l.a, &l, NULL, on_read, NULL, NULL);
	else
		got = archive_read_open_memory(l.a, map, n);
	while (rc == VG_OK && got >= ARCHIVE_WARN) {
		got = archive_read_next_header(l.a, &e);
		if (got == ARCHIVE_EOF)
			break;
		l.left = 0;
		l.hole = 0;
		l.at = 0;
		if (got >= ARCHIVE_WARN) {
			rc = one_member(&l, e);
		} else if (got > ARCHIVE_FATAL && ++failed < FAILED_MAX) { /* that member only */
			if (failed == 1)
				refuse(w, name, words_of(l.a));
			got = ARCHIVE_OK;
		}
	}
	if (rc == VG_OK && got != ARCHIVE_EOF) {
		refuse(w, name, words_of(l.a));
		rc = VG_E_FORMAT;
	}
	archive_read_free(l.a);
	return rc;
}

vg_rc
vg_archive_each(const void *map, size_t n, const struct vg_archive_limits *limits,
		vg_archive_entry *entry, vg_archive_refused *refused, void *ctx)
{
	struct walk w = { .entry = entry, .refused = refused, .ctx = ctx };
	uint32_t ratio = limits->ratio ? limits->ratio : 200;
	enum shape shape = shape_of(vg_str_mem(map, n));
	struct vg_buf name = { 0 };
	vg_rc rc;

	if (__builtin_mul_overflow((uint64_t)n, (uint64_t)ratio, &w.out_max) ||
	    w.out_max > UINT64_MAX - VG_ARCHIVE_GRACE_BYTES)
		w.out_max = UINT64_MAX;
	else
		w.out_max += VG_ARCHIVE_GRACE_BYTES;
	if (limits->bytes && limits->bytes < w.out_max)
		w.out_max = limits->bytes;
	w.entries_max = limits->entries ? limits->entries : VG_ARCHIVE_ENTRIES_MAX;
	w.depth_max = limits->depth ? limits->depth : 3;
	if (shape == SHAPE_NONE) {
		refuse(&w, limits->name, "not an archive");
		return VG_E_FORMAT;
	}
	vg_buf_safe(&name, vg_str_cut(limits->name, NAME_MAX_BYTES));
	rc = name.rc != VG_OK ? name.rc : walk_level(&w, map, n, NULL, shape, 1, vg_buf_str(&name));
	vg_buf_fini(&name);
	return rc == VG_OK && w.damaged ? VG_E_FORMAT : rc;
}
