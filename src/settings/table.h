/* settings/table.h - the rows that settings are made of, for this folder and its tests. */
#ifndef VG_SETTINGS_TABLE_H
#define VG_SETTINGS_TABLE_H

#include "base/map.h"
#include "settings/settings.h"

enum vg_setting_type {   /* what one value is, and how it lies in the struct */
	VG_SET_GROUP,    /* no value: settings stand under it */
	VG_SET_OBJECT,   /* of a key that ends in ".*": a named object, whose settings stand under it */
	VG_SET_BOOL,     /* bool */
	VG_SET_INTEGER,  /* uint64_t */
	VG_SET_SIZE,     /* uint64_t, bytes */
	VG_SET_DURATION, /* int64_t, ns */
	VG_SET_PERCENT,  /* uint64_t */
	VG_SET_WORD,     /* uint32_t, which of the row's words */
	VG_SET_ADDRESS,  /* struct vg_address */
	VG_SET_TEXT,     /* vg_str, from here on */
	VG_SET_SECRET,   /* never shown */
	VG_SET_NAME,
	VG_SET_PATH,
	VG_SET_URL,      /* begins with one of the row's words */
	VG_SET_OID,
	VG_SET_MAIL,
	VG_SET_RECOVERY, /* a recovery key's public half; never shown when it is wrong: it may be the other half */
	VG_SET_PATTERN,
	VG_SET_TYPES
};
enum {                      /* flags */
	VG_SET_LIST = 1,    /* struct vg_texts of them */
	VG_SET_SHORT = 2,   /* the value of an object that is written as one value */
	VG_SET_AUTO = 4,    /* an integer, or "auto", which is 0 */
	VG_SET_OFF = 8,     /* an address, or "off" */
	VG_SET_REPLACE = 16, /* a map: the first name in the file takes the place of the default ones */
	VG_SET_FREE = 32,   /* a map: names are any text that prints, with dots and spaces */
};

/* A key is dotted; "*" is a name that the administrator gives.  A key that ends in ".*" is a map: in the struct a pointer and a count of
 * elements of @size bytes, which begin with the name; the value of a scalar stands right behind it. */
struct vg_setting {
	const char *key;
	enum vg_setting_type type;
	unsigned flags;
	uint64_t min, max;    /* of the number, the duration in ns, the bytes of a text */
	const char *words;    /* apart by a space */
	const char *standard; /* the default; items of a list apart by a space; of a map NAME=VALUE, apart by a space;
	                       * NULL: it must be given */
	size_t at;            /* offset in the struct: vg_settings, or the element under the last "*" */
	size_t size;          /* of an element of a map */
	const char *text[VG_LANGS]; /* what it is; sentences */
};
extern const struct vg_setting vg_setting_rows[];
extern const size_t vg_setting_nrow;

struct vg_vec { /* as every map and list lies in the struct */
	char *item;
	size_t n;
};

/* ---- rows ---- */
const struct vg_setting *vg_setting_find(vg_str key);
bool vg_setting_is_map(const struct vg_setting *r);
/* The row that an element of @map goes by when it is written as one value; NULL: it has none. */
const struct vg_setting *vg_setting_short(const struct vg_setting *map);
/* What follows @prefix and a dot in @key ("" : all of it); { NULL, 0 } when it does not stand under it. */
vg_str vg_setting_under(const char *key, vg_str prefix);
/* The same, when it is one word: the setting stands right under @prefix. */
vg_str vg_setting_child(const char *key, vg_str prefix);

/* ---- one value (type.c) ---- */
struct vg_setting_in {
	struct vg_arena *a; /* copies */
	vg_str folder;      /* of relative paths; may be nil */
	bool any_port;      /* 0 is a port */
};
/* @text as @r says, to @out.  NULL, or what is wrong with it: "is too large". */
const char *vg_setting_parse(const struct vg_setting *r, vg_str text, const struct vg_setting_in *in, void *out);
size_t vg_setting_size(const struct vg_setting *r); /* bytes of one value */
void vg_setting_print(const struct vg_setting *r, const void *value, struct vg_buf *out);
/* "a duration from 1 ms to 1 s" */
void vg_setting_allowed(const struct vg_setting *r, enum vg_lang l, struct vg_buf *out);
bool vg_setting_name_ok(const struct vg_setting *map, vg_str name);
bool vg_setting_printable(vg_str s); /* UTF-8, and nothing in it acts on a terminal */
bool vg_setting_pattern_ok(vg_str s);  /* what has a slash is a network */
bool vg_setting_is_v4(const uint8_t ip[16]);
bool vg_setting_word(const char *words, size_t i, vg_str *out); /* the @i-th */

/* ---- the struct (load.c) ---- */
/* The element @name of the map @r in @base, or a new one with its defaults; NULL when memory or the limit is out. */
void *vg_setting_element(const struct vg_setting *r, void *base, vg_str name, const struct vg_setting_in *in);
/* The key of @name under @prefix, for a person: in quotes where it has dots. */
vg_str vg_setting_path(struct vg_arena *a, vg_str prefix, vg_str name);
/* All defaults; nothing is checked or filled in. */
vg_rc vg_settings_init(struct vg_settings *s);

/* ---- words that are near (near.c, unknown.c) ---- */
/* Letters that must be changed, added, dropped or swapped to make @a of @b; case does not count, nor _ for -. VG_NEAR_FAR and more: do not ask. */
#define VG_NEAR_FAR 64
size_t vg_near(vg_str a, vg_str b);
/* Is @d so little for a word of @n letters that it is likely a slip? */
bool vg_near_enough(size_t d, size_t n);
/* The words right under @pattern, as a list for a person. */
void vg_setting_siblings(vg_str pattern, struct vg_buf *out);
/* What is said of @key, which is not known under @pattern (@path with the names in it). */
void vg_setting_unknown(const struct vg_settings *s, vg_str pattern, vg_str path, vg_str key, struct vg_buf *out);

/* ---- settings that must go together (check.c) ---- */
typedef void vg_settings_say_fn(void *ctx, vg_str key, const char *fmt, ...) VG_PRINTF(3, 4);
/* Fill in what follows from others (kinds, tenants, what a source matches), and tell each problem. */
void vg_settings_check(struct vg_settings *s, vg_settings_say_fn *say, void *ctx);
/* Of this only whether listeners are named as a kind, or have one: a slip there is one of the key. */
void vg_settings_check_kinds(struct vg_settings *s, vg_settings_say_fn *say, void *ctx);
/* May the file be read by others?  The key of the secret that forbids it; NULL when it holds none. */
const char *vg_settings_secret(const struct vg_settings *s);

#endif
