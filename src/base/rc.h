/* base/rc.h - what a function that can fail returns.  Libraries return these; programs turn them
 * into one line for a person: what went wrong, on which object, where, what to do about it. */
#ifndef VG_BASE_RC_H
#define VG_BASE_RC_H

#define VG_MUST __attribute__((warn_unused_result))
#define VG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define VG_LIKELY(x) __builtin_expect(!!(x), 1)
#define VG_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define VG_COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef enum {
	VG_OK = 0,
	VG_E_TRUNC,    /* the input ends inside the object */
	VG_E_FORMAT,   /* the bytes are not what the format says */
	VG_E_LIMIT,    /* a named limit was met */
	VG_E_NOMEM,    /* the arena or the heap is full */
	VG_E_SYS,      /* a system call failed; errno says why */
	VG_E_NOTFOUND, /* no such object */
	VG_E_UNSUP,    /* well-formed, and not supported */
	VG_E_REFUSED,  /* not ours, not trusted, not allowed */
	VG_E_STOP,     /* the caller asked to stop; not an error */
	VG_E_MAX
} vg_rc;

/* A short English name, never NULL: "truncated", "bad format"... */
const char *vg_rc_name(vg_rc rc);

#endif
