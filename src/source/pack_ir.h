/* source/pack_ir.h - a pack between its YAML and the events: the tables that pack_compile.c fills, that the blob
 * carries and that pack.c applies.  Slices borrow from the YAML while compiling, from the blob once loaded. */
#ifndef VG_SOURCE_PACK_IR_H
#define VG_SOURCE_PACK_IR_H

#include "base/buf.h"
#include "base/cur.h"
#include "event/event.h"

#define VG_PK_MAGIC 0x314b5056u /* "VPK1" */
#define VG_PK_VERSION 1
#define VG_PK_PACKS_MAX 512
#define VG_PK_LIST_MAX 4096        /* entries of any one list in a pack */
#define VG_PK_OPS_MAX 128          /* operations of one pattern */
#define VG_PK_CAPS_MAX 32          /* fields of one pattern */
#define VG_PK_PICKS_MAX 8          /* conditional log sources of one kind of event: 2^n lists */
#define VG_PK_CLASSES_MAX 16384    /* pairs of channel and code */
#define VG_PK_WORK_MAX 8000000     /* comparisons while loading */
#define VG_PK_NAME_MAX 255         /* bytes of a channel or code that is looked up */
#define VG_PK_MEMORY_MAX ((size_t)64 << 20)

/* One condition on an event: any of the values. */
enum vg_pk_what { VG_PK_FIELD, VG_PK_CHANNEL, VG_PK_PROVIDER, VG_PK_CODE, VG_PK_WHATS };
struct vg_pk_cond {
	uint8_t what;  /* enum vg_pk_what */
	uint8_t negate;
	uint32_t key;  /* of name; known once loaded */
	vg_str name;
	uint16_t nvalue;
	vg_str *value; /* * stands for anything; an empty one: no value, or no such field */
};
struct vg_pk_all { /* all of them */
	uint16_t ncond;
	struct vg_pk_cond *cond;
	uint64_t need; /* once loaded: bit key % 64 of each name that must be there; tells quickly what cannot hold */
};

/* A pattern: operations that only jump forward. */
enum vg_pk_opcode {
	VG_PK_LIT,   /* the text */
	VG_PK_RUN,   /* the longest run of a type: int, hex, ip */
	VG_PK_LAZY,  /* the shortest text that lets the rest match */
	VG_PK_REST,  /* all that is left */
	VG_PK_SPLIT, /* go on here; if that fails, at to */
	VG_PK_JUMP,
	VG_PK_END,   /* matches at the end of the text only */
	VG_PK_OPCODES
};
enum vg_pk_type { VG_PK_TEXT, VG_PK_WORD, VG_PK_INT, VG_PK_HEX, VG_PK_IP, VG_PK_HOST, VG_PK_TYPES };
struct vg_pk_op {
	uint8_t op, type;
	uint16_t to;
	vg_str text;        /* literal, or the field's name; empty: not kept */
	uint32_t key, key2; /* VG_PK_HOST: of name.ip and name.domain */
	vg_str name, name2; /* as the keys' table has them */
};
struct vg_pk_cap {
	uint16_t op;
	vg_str value;
};
struct vg_pk_set {
	vg_str name, value;
	uint32_t key;
};
struct vg_pk_pattern {
	uint16_t nop, nset;
	struct vg_pk_op *op;
	struct vg_pk_set *set;
};

/* "{a}\{b}": literals and fields in turn. */
struct vg_pk_part {
	uint8_t field; /* 1: text is a field's name; 2: of which the last is meant */
	vg_str text;
	uint32_t key;
};
struct vg_pk_expr {
	uint16_t npart;
	struct vg_pk_part *part;
};
enum vg_pk_as {
	VG_PK_AS_IS, VG_PK_AS_INT, VG_PK_AS_LOWER, VG_PK_AS_UPPER, VG_PK_AS_DOSPATH, VG_PK_AS_REGISTRY, VG_PK_AS_IP,
	VG_PK_AS_BASENAME, VG_PK_AS_HEXTEXT, VG_PK_AS_BEFORE_AT, VG_PK_AS_AFTER_AT, VG_PK_AS_AFTER_BACKSLASH,
	VG_PK_AS_BEFORE_BACKSLASH, VG_PK_AS_DWORD, VG_PK_AS_COUNT
};
struct vg_pk_name {
	vg_str name;
	uint32_t key;
	uint8_t as;       /* enum vg_pk_as */
	uint8_t strict;   /* not in the map: no value */
	uint16_t map;     /* from 1; 0 none */
	uint16_t nfrom, nunless;
	struct vg_pk_expr *from; /* the first that has a value */
	vg_str *unless;          /* values that say nothing: "-" */
	struct vg_pk_all when;
};
struct vg_pk_map {
	vg_str name;
	uint16_t npair;
	struct vg_pk_set *pair; /* name is what is mapped (any case), sorted */
};

enum vg_pk_mode { VG_PK_PATTERNS, VG_PK_KV, VG_PK_CSV, VG_PK_JSON, VG_PK_CEF, VG_PK_LEEF, VG_PK_MODES };
struct vg_pk_step {
	uint8_t mode; /* enum vg_pk_mode */
	uint8_t sep;
	vg_str field, prefix;
	uint32_t key;
	struct vg_pk_all when;
	uint16_t npattern, ncolumn;
	struct vg_pk_pattern *pattern;
	struct vg_pk_set *column; /* name only */
};
struct vg_pk_time {
	struct vg_pk_expr from;
	vg_str format; /* "iso", "epoch" (s, ms, us or ns by its size), or %Y-%m-%d... */
};

/* What is said of some of the pack's events. */
struct vg_pk_kind {
	uint16_t nchannel, ncode, ntuple, nset, nname;
	vg_str *channel, *code; /* any when there are none */
	struct vg_pk_all when;
	struct vg_logsource *tuple;
	struct vg_pk_set *set;
	struct vg_pk_name *name;
};
struct vg_pk_pack {
	vg_str name, title;
	uint8_t fallback; /* asked after all others */
	uint16_t nrecognise, nmap, nstep, ntime, nkind;
	struct vg_pk_all *recognise; /* any of them */
	struct vg_pk_map *map;
	struct vg_pk_step *step;
	struct vg_pk_time *time;
	struct vg_pk_kind *kind;
};

/* Write @p to @out. */
void vg_pk_encode(const struct vg_pk_pack *p, struct vg_buf *out);
/* Read one from @in, checked in all that pack.c relies on.  VG_E_FORMAT, VG_E_TRUNC, VG_E_LIMIT, VG_E_NOMEM. */
vg_rc vg_pk_decode(struct vg_cur *in, struct vg_arena *a, struct vg_pk_pack *p) VG_MUST;

/* Compile @text ("Failed {auth.method} for [invalid user ]{user.name}...").  VG_E_FORMAT with @why set, or
 * VG_E_LIMIT, VG_E_NOMEM. */
vg_rc vg_pk_pattern_parse(vg_str text, struct vg_arena *a, struct vg_pk_pattern *out, const char **why) VG_MUST;
/* Does the whole of @text match?  Then @cap holds what its fields took, at most VG_PK_CAPS_MAX.  Takes time
 * linear in the text. */
bool vg_pk_pattern_match(const struct vg_pk_pattern *p, vg_str text, struct vg_pk_cap cap[VG_PK_CAPS_MAX],
			 size_t *ncap);
/* Bytes of the IP address, v4 or v6, that @s begins with; 0 when it does not. */
size_t vg_pk_ip(vg_str s);

/* Does @s match @glob, where * stands for anything?  ASCII letters alike. */
bool vg_pk_glob(vg_str glob, vg_str s);

/* One line of ArcSight CEF, of IBM LEEF 1 or 2, or of @sep-separated columns into fields of @e.  VG_E_FORMAT: not one. */
vg_rc vg_pk_cef(vg_str text, struct vg_event *e) VG_MUST;
vg_rc vg_pk_leef(vg_str text, struct vg_event *e) VG_MUST;
vg_rc vg_pk_csv(vg_str text, char sep, const struct vg_pk_set *column, size_t ncolumn, struct vg_event *e) VG_MUST;

/* Time as @format says; VG_TIME_NONE when it is not so.  @zoned: the text says its zone. */
int64_t vg_pk_time_parse(vg_str text, vg_str format, bool *zoned);

#endif
