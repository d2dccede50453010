#include "net/frame.h"

#include <assert.h>

#include "vault/record.h"

#define TRAIL_MAX 2   /* CR and NUL before the end of a line that belong to it */
#define DIGITS_MAX 20 /* of a length; more are no length */
#define HEAD_MAX (DIGITS_MAX + 2)
#define PART_MAX (VG_RECORD_RAW_MAX + 64) /* a record, its head or its trail */
#define PART_KEEP_BYTES 4096 /* larger ones are given back when their frame is done */

enum { MODE_NEW, MODE_LF, MODE_NUL, MODE_COUNTED };
enum {
	AT_START,
	IN_LINE,
	IN_STRAY,  /* a line of a counted connection that may be the rest of a frame */
	IN_COUNTED,
	IN_MAYBE,  /* a counted frame between lines, unless a line ends within it */
	SKIP_LINE, /* behind a record that was cut */
	SKIP_COUNTED,
	AT_END
};

void
vg_framer_init(struct vg_framer *f, vg_frame_fn *take, void *ctx)
{
	*f = (struct vg_framer){ .take = take, .ctx = ctx, .mode = MODE_NEW, .state = AT_START };
	f->part.limit_bytes = PART_MAX;
}

void
vg_framer_fini(struct vg_framer *f)
{
	vg_buf_fini(&f->part);
}

/* ---- handing over ---- */

/* The frame in part is done, but for what begins at @keep. */
static void
part_done(struct vg_framer *f, size_t keep)
{
	f->part.n -= keep;
	if (f->part.n)
		memmove(f->part.p, f->part.p + keep, f->part.n);
	else if (f->part.cap > PART_KEEP_BYTES)
		vg_buf_fini(&f->part);
}

/* Offer the record in part. */
static vg_rc
offer(struct vg_framer *f)
{
	if (f->ready.n && !f->take(f->ctx, vg_str_mem(f->part.p + f->ready.from, f->ready.n), f->ready.cut))
		return VG_E_STOP;
	f->ready.is = false;
	f->state = f->ready.then;
	part_done(f, f->ready.keep);
	return VG_OK;
}

/* Bytes @from to @n of part are a record, and those from @keep on the beginning of another frame. */
static vg_rc
offer_part(struct vg_framer *f, size_t from, size_t n, size_t keep, bool cut, uint8_t then)
{
	f->ready.is = true;
	f->ready.from = from;
	f->ready.n = n;
	f->ready.keep = keep;
	f->ready.cut = cut;
	f->ready.then = then;
	return offer(f);
}

/* The frame is part and the @n bytes at @p, of which @trailer do not count; its message is those from @from to @to.  Take it, and move @p
 * behind it. */
static vg_rc
whole(struct vg_framer *f, const char **p, size_t n, size_t trailer, size_t from, size_t to, bool cut, uint8_t then)
{
	size_t before = f->part.n;

	if (before == 0) { /* the common way: nothing is copied */
		if (to > from && !f->take(f->ctx, vg_str_mem(*p + from, to - from), cut))
			return VG_E_STOP;
		*p += n + trailer;
		f->state = then;
		return VG_OK;
	}
	vg_buf_put(&f->part, vg_str_mem(*p, n));
	if (f->part.rc != VG_OK)
		return f->part.rc;
	*p += n + trailer;
	return offer_part(f, from, to - from, f->part.n, cut, then);
}

static vg_rc
keep(struct vg_framer *f, const char **p, size_t n)
{
	vg_buf_put(&f->part, vg_str_mem(*p, n));
	*p += n;
	return f->part.rc;
}

/* ---- lines ---- */

/* Where the next @c is, @end when there is none; each byte is looked at once, however often this is asked. */
static const char *
next(const char **seen, const char *p, const char *end, char c)
{
	if (*seen == NULL || *seen < p) {
		const char *q = memchr(p, c, (size_t)(end - p));

		*seen = q ? q : end;
	}
	return *seen;
}

static const char *
line_end(struct vg_framer *f, const char *p, const char *end)
{
	const char *lf = next(&f->lf, p, end, '\n'), *nul;

	if (f->mode == MODE_LF)
		return lf;
	nul = next(&f->nul, p, end, '\0');
	return nul < lf ? nul : lf;
}

static char
byte_at(const struct vg_framer *f, const char *p, size_t i)
{
	return i < f->part.n ? f->part.p[i] : p[i - f->part.n];
}

/* How much of a line of @n bytes is the message. */
static size_t
without_trail(const struct vg_framer *f, const char *p, size_t n)
{
	for (unsigned i = 0; i < TRAIL_MAX && n; i++) {
		char c = byte_at(f, p, n - 1);

		if (c != '\r' && c != '\0')
			break;
		n--;
	}
	return n;
}

static vg_rc
line(struct vg_framer *f, const char **p, const char *end)
{
	const char *t = line_end(f, *p, end);
	size_t n = (size_t)(t - *p), all = f->part.n + n, message;
	bool cut;
	vg_rc rc;

	if (all > VG_RECORD_RAW_MAX + TRAIL_MAX) { /* however it ends */
		n = VG_RECORD_RAW_MAX + TRAIL_MAX + 1 - f->part.n;
		return whole(f, p, n, 0, 0, VG_RECORD_RAW_MAX, true, SKIP_LINE);
	}
	if (t == end)
		return keep(f, p, n);
	message = without_trail(f, *p, all);
	cut = message > VG_RECORD_RAW_MAX;
	if ((rc = whole(f, p, n, 1, 0, cut ? VG_RECORD_RAW_MAX : message, cut, AT_START)) != VG_E_NOMEM && f->mode == MODE_NEW)
		f->mode = *t == '\n' ? MODE_LF : MODE_NUL;
	return rc;
}

static vg_rc
skip_line(struct vg_framer *f, const char **p, const char *end)
{
	const char *t = line_end(f, *p, end);

	if (f->mode == MODE_COUNTED) /* it lost its count, and its lines do not end */
		return VG_E_FORMAT;
	*p = t;
	if (t < end) {
		if (f->mode == MODE_NEW)
			f->mode = *t == '\n' ? MODE_LF : MODE_NUL;
		++*p;
		f->state = AT_START;
	}
	return VG_OK;
}

/* ---- heads ---- */

enum { HEAD_NONE, HEAD_MORE, HEAD_COUNTED, HEAD_NONSENSE };

/* Is what stands at @s a counted frame's head?  Its length to @out, and the bytes before the message to @head. */
static int
look(const struct vg_framer *f, vg_str s, uint64_t *out, size_t *head)
{
	uint64_t len = 0;
	size_t i = 0;

	for (; i < s.n && i <= DIGITS_MAX && vg_is_digit(s.p[i]); i++)
		if (len <= VG_FRAME_LENGTH_MAX)
			len = 10 * len + (uint64_t)(s.p[i] - '0');
	if (i == 0 || i > DIGITS_MAX)
		return HEAD_NONE;
	if (i == s.n)
		return HEAD_MORE;
	if (s.p[i] != ' ')
		return HEAD_NONE;
	*head = i + 1;
	*out = len;
	if (f->mode == MODE_COUNTED)
		return s.p[0] == '0' || len > VG_FRAME_LENGTH_MAX ? HEAD_NONSENSE : HEAD_COUNTED;
	if (i + 1 == s.n)
		return HEAD_MORE;
	if (s.p[i + 1] != '<' || s.p[0] == '0')
		return HEAD_NONE;
	if (f->mode != MODE_NEW) /* between lines: it is no longer than a line may be */
		return *head + len > VG_RECORD_RAW_MAX ? HEAD_NONE : HEAD_COUNTED;
	return len > VG_FRAME_LENGTH_MAX ? HEAD_NONSENSE : HEAD_COUNTED;
}

static void
begin_counted(struct vg_framer *f, uint64_t len, size_t head)
{
	size_t n = len > VG_RECORD_RAW_MAX ? VG_RECORD_RAW_MAX : (size_t)len;

	f->head = head;
	f->want = head + n;
	f->over = (size_t)len - n;
	if (f->mode == MODE_NEW)
		f->mode = MODE_COUNTED;
	f->state = f->mode == MODE_COUNTED ? IN_COUNTED : IN_MAYBE;
}

/* What kind of frame begins here? */
static vg_rc
start(struct vg_framer *f, const char **p, const char *end)
{
	char both[HEAD_MAX + 1];
	vg_str s = vg_str_mem(*p, (size_t)(end - *p));
	uint64_t len;
	size_t head;

	assert(f->part.n <= HEAD_MAX);
	if (f->part.n) { /* the head lies in two reads: it is seen with one byte more at a time */
		memcpy(both, f->part.p, f->part.n);
		both[f->part.n] = **p;
		s = vg_str_mem(both, f->part.n + 1);
	}

	switch (look(f, s, &len, &head)) {
	case HEAD_NONE:
		f->state = f->mode == MODE_COUNTED && s.p[0] != '<' ? IN_STRAY : IN_LINE;
		return VG_OK;
	case HEAD_COUNTED:
		begin_counted(f, len, head);
		return VG_OK;
	case HEAD_NONSENSE:
		return VG_E_FORMAT;
	default:
		return keep(f, p, s.n - f->part.n);
	}
}

static vg_rc
counted(struct vg_framer *f, const char **p, const char *end)
{
	size_t n = f->want - f->part.n;

	if (n > (size_t)(end - *p))
		return keep(f, p, (size_t)(end - *p));
	return whole(f, p, n, 0, f->head, f->want, f->over != 0, f->over ? SKIP_COUNTED : AT_START);
}

static vg_rc
maybe(struct vg_framer *f, const char **p, const char *end)
{
	size_t n = f->want - f->part.n;
	const char *t = line_end(f, *p, end);

	if (t < end && (size_t)(t - *p) + 1 < n) {
		f->state = IN_LINE;
		return VG_OK;
	}
	return counted(f, p, end);
}

static vg_rc
skip_counted(struct vg_framer *f, const char **p, const char *end)
{
	size_t n = f->over < (size_t)(end - *p) ? f->over : (size_t)(end - *p);

	*p += n;
	f->over -= n;
	if (f->over == 0)
		f->state = AT_START;
	return VG_OK;
}

/* Where a head begins that ends with the '<' at the end of part; VG_NPOS when that is none. */
static size_t
head_before(vg_str part)
{
	size_t i = part.n - 1;

	if (i < 2 || part.p[i - 1] != ' ')
		return VG_NPOS;
	for (i--; i && vg_is_digit(part.p[i - 1]) && part.n - i < DIGITS_MAX;)
		i--;
	return vg_is_digit(part.p[i]) && part.p[i] != '0' ? i : VG_NPOS;
}

static vg_rc
stray(struct vg_framer *f, const char **p, const char *end)
{
	const char *lt = next(&f->lt, *p, end, '<');
	size_t at;
	vg_rc rc;

	if (lt == end || line_end(f, *p, end) < lt || f->part.n + (size_t)(lt - *p) >= VG_RECORD_RAW_MAX)
		return line(f, p, end);
	if ((rc = keep(f, p, (size_t)(lt - *p) + 1)) != VG_OK)
		return rc;
	at = head_before(vg_buf_str(&f->part));
	return at == VG_NPOS || at == 0 ? VG_OK : offer_part(f, 0, at, at, false, AT_START);
}

/* ---- the stream ---- */

typedef vg_rc step_fn(struct vg_framer *f, const char **p, const char *end);
static step_fn *const step[AT_END] = { start, line, stray, counted, maybe, skip_line, skip_counted };

vg_rc
vg_frame_feed(struct vg_framer *f, vg_str in, size_t *used)
{
	const char *p = in.p, *end = in.n ? p + in.n : p;
	vg_rc rc = f->ready.is ? offer(f) : VG_OK;

	assert(in.n == 0 || f->state != AT_END);
	f->lf = f->nul = f->lt = NULL;
	while (rc == VG_OK && p < end)
		rc = step[f->state](f, &p, end);
	*used = (size_t)(p - in.p);
	return rc;
}

vg_rc
vg_frame_end(struct vg_framer *f)
{
	size_t n, from = 0;
	uint64_t len;
	vg_rc rc = f->ready.is ? offer(f) : VG_OK;

	if (rc != VG_OK)
		return rc;
	if (f->state == AT_END)
		return f->rc;
	n = f->part.n;
	if (f->state == IN_COUNTED || (f->state == AT_START && f->mode == MODE_COUNTED && n)) {
		f->rc = VG_E_TRUNC;
		if (f->state == AT_START && look(f, vg_buf_str(&f->part), &len, &f->head) != HEAD_COUNTED)
			f->head = n; /* not even a whole head */
		from = f->head < n ? f->head : n;
		n -= from;
	} else {
		n = without_trail(f, "", n);
	}
	if (n > VG_RECORD_RAW_MAX)
		rc = offer_part(f, from, VG_RECORD_RAW_MAX, f->part.n, true, AT_END);
	else
		rc = offer_part(f, from, n, f->part.n, false, AT_END);
	return rc != VG_OK ? rc : f->rc;
}
