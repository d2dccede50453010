/* source/ioc.h - indicators of compromise: what a value is and how it is written one way, and files of them.  Read are CSV
 * (RFC 4180, with names such as type,value,source,expires,comment), one value a line, MISP's JSON (core format: Event, Attribute,
 * Object; also as lists, feeds and answers of its search) and STIX 2.1 (bundles and indicators with simple patterns).  What is
 * not understood is counted and told, never taken for something else. */
#ifndef VG_SOURCE_IOC_H
#define VG_SOURCE_IOC_H

#include "base/time.h"
#include "base/utf.h"

#define VG_IOC_VALUE_MAX 2048                  /* bytes of one value */
#define VG_IOC_BUF VG_FOLD_MAX(VG_IOC_VALUE_MAX)
#define VG_IOC_NOTE_MAX 200                    /* bytes of a note; a longer one is cut */
#define VG_IOC_TEXT_MIN 3                      /* a shorter text would meet too much */
#define VG_IOC_BITS_MIN_V4 8                   /* a wider network would meet too much */
#define VG_IOC_BITS_MIN_V6 16
#define VG_IOC_LABELS_MAX 127                  /* of a domain (RFC 1035, 2.3.4: 255 octets) */
#define VG_IOC_DOMAIN_MAX 253
#define VG_IOC_OBJECT_MAX ((size_t)1 << 20)    /* bytes of one attribute or STIX object */
#define VG_IOC_FILE_MAX ((size_t)1 << 30)      /* bytes of one file */
#define VG_IOC_ARMS_MAX 256                    /* values of one STIX pattern */
#define VG_IOC_PROBLEMS_MAX 100                /* told one by one for a file; all are counted */

enum vg_ioc_kind {
	VG_IOC_IP,
	VG_IOC_NET,
	VG_IOC_DOMAIN, /* and all below it */
	VG_IOC_URL,    /* value: host and the rest, without scheme, user, port 80 or 443, fragment, slash at the end */
	VG_IOC_EMAIL,
	VG_IOC_MD5,
	VG_IOC_IMPHASH,
	VG_IOC_SHA1,
	VG_IOC_SHA256,
	VG_IOC_SHA512,
	VG_IOC_FILE,   /* a name, or a whole path */
	VG_IOC_USER,
	VG_IOC_TEXT,   /* a whole value: mutex, pipe, registry key... */
	VG_IOC_KINDS
};
const char *vg_ioc_kind_name(enum vg_ioc_kind kind); /* "ip", "network"... */
/* A type as CSV, MISP and STIX files name it.  VG_IOC_KINDS: to be guessed ("hash", "ioc").  false: not one of ours. */
bool vg_ioc_kind_parse(vg_str name, enum vg_ioc_kind *out);

struct vg_ioc {
	enum vg_ioc_kind kind;
	vg_str value;        /* as it is compared: case folded, written openly ("hxxp", "[.]" undone); borrowed */
	uint8_t addr[16];    /* IP, NET */
	unsigned bits;       /* IP: 128; NET: of 128 */
	int64_t expires_ns;  /* VG_TIME_NONE: never */
	vg_str source;       /* who says so, where the file names one; else empty */
	vg_str note;         /* first line of its description */
	vg_str id;           /* of its object: STIX id, MISP uuid */
	uint64_t at;         /* line, row or object of the file, from 1 */
};

/* Make @text a value of @kind (an IP with a prefix becomes a NET, a NET of one address an IP; VG_IOC_KINDS: guessed).  The value
 * lies in @buf.  VG_E_FORMAT: it is none; VG_E_LIMIT: too long, or it would meet too much. */
vg_rc vg_ioc_set(struct vg_ioc *out, enum vg_ioc_kind kind, vg_str text, char buf[VG_IOC_BUF]) VG_MUST;
/* "192.0.2.1", "2001:db8::/32": as an indicator's value is written; @buf has room for VG_IOC_ADDRESS_MAX.  Length. */
#define VG_IOC_ADDRESS_MAX 64
size_t vg_ioc_address(const uint8_t addr[16], unsigned bits, char *buf);
/* What a URL of an event or an indicator is compared by; @out has room for VG_FOLD_MAX(url.n).  0: it has no host. */
size_t vg_ioc_url_key(vg_str url, char *out);
/* Is @s a host name with a dot, folded or not?  @labels may be NULL. */
bool vg_ioc_domain_ok(vg_str s, unsigned *labels);
/* What @i looks like in most raw records: a literal that a search without regard to case finds candidates by.  For networks the
 * whole octets or groups before the prefix's end.  false: there is none (a prefix that ends inside the first one). */
bool vg_ioc_keyword(const struct vg_ioc *i, char buf[VG_IOC_BUF], vg_str *out);

struct vg_ioc_problem {
	uint64_t at;    /* as vg_ioc.at; 0: of the whole file */
	vg_str id;      /* of the object, where it has one; from outside */
	char text[200]; /* what was not understood, for a person; holds bytes from outside */
};
struct vg_ioc_counts {
	uint64_t taken;
	uint64_t passed;  /* not meant for detection: to_ids false, deleted, revoked, another kind of object */
	uint64_t unknown; /* types and patterns that are not understood */
	uint64_t bad;     /* values that are not of their type, rows and objects that cannot be read */
};
struct vg_ioc_reader {
	vg_str text;        /* the whole file */
	bool all;           /* MISP: also what has not to_ids */
	int64_t expires_ns; /* of entries that name no time; VG_TIME_NONE: never */
	void *ctx;
	/* An entry; borrowed until this returns.  Not VG_OK ends the reading. */
	vg_rc (*entry)(void *ctx, const struct vg_ioc *i);
	void (*problem)(void *ctx, const struct vg_ioc_problem *p); /* may be NULL */
	struct vg_ioc_counts n; /* filled */
};
/* Read all of it; the format is seen from its first bytes.  VG_E_FORMAT: it is no text, or JSON that breaks off: what came before
 * was given, and the problem told.  VG_E_LIMIT: over VG_IOC_FILE_MAX.  VG_E_NOMEM. */
vg_rc vg_ioc_read(struct vg_ioc_reader *r) VG_MUST;

/* One STIX pattern (STIX 2.1, 9): comparisons with = and IN, and ISSUBSET for networks, joined by OR, within brackets that are
 * joined by OR.  An arm whose object path is not one of ours has the kind VG_IOC_KINDS.  VG_E_UNSUP: the
 * pattern asks for more (AND, FOLLOWEDBY, NOT, LIKE, MATCHES, qualifiers): nothing of it may be taken.  VG_E_FORMAT; VG_E_LIMIT. */
struct vg_stix_arm {
	enum vg_ioc_kind kind; /* VG_IOC_KINDS: not one of ours */
	vg_str path, value;
};
vg_rc vg_stix_pattern(vg_str pattern, struct vg_arena *a, struct vg_stix_arm arm[VG_IOC_ARMS_MAX], size_t *n) VG_MUST;

#endif
