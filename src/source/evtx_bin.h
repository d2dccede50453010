/* source/evtx_bin.h - inside the EVTX reader: binary XML made into small trees, values into text, and the
 * walk over chunks and records that events and dumps share. */
#ifndef VG_SOURCE_EVTX_BIN_H
#define VG_SOURCE_EVTX_BIN_H

#include "base/cur.h"
#include "base/map.h"
#include "source/evtx.h"

#define VG_BX_DEPTH_MAX 192            /* elements and streams within one another */
#define VG_BX_RECORD_STEPS 65536       /* nodes made and visited for one record; real ones need < 1000 */
#define VG_BX_CHUNK_STEPS (1u << 19)   /* the same for all records of a chunk */
#define VG_BX_VALUES_MAX 16384         /* substitutions of one instance */
#define VG_BX_CACHE_BYTES ((size_t)32 << 20) /* templates kept from chunk to chunk */
#define VG_BX_FIX_MAX 1024 /* names in a template that is kept from chunk to chunk */
#define VG_BX_NO_DEP 0xffff

/* Types of values (MS-EVEN6 2.2.12). */
enum vg_bx_type {
	BX_NULL = 0x00, BX_STRING, BX_ANSI, BX_INT8, BX_UINT8, BX_INT16, BX_UINT16, BX_INT32, BX_UINT32,
	BX_INT64, BX_UINT64, BX_REAL32, BX_REAL64, BX_BOOL, BX_BINARY, BX_GUID, BX_SIZE, BX_FILETIME,
	BX_SYSTEMTIME, BX_SID, BX_HEX32, BX_HEX64,
	BX_HANDLE = 0x20, BX_BINXML = 0x21, BX_EVTXML = 0x23,
	BX_ARRAY = 0x80
};

struct vg_bx_value {
	const uint8_t *p; /* in the chunk */
	uint16_t n;
	uint8_t type;
};

struct vg_bx_name {
	vg_str text;  /* UTF-8 */
	vg_str utf16; /* as found */
	vg_str json;  /* "text": */
	uint32_t key; /* of vg_keys */
	uint8_t is;   /* enum vg_bx_is */
};
enum vg_bx_is {
	BX_IS_OTHER, BX_IS_EVENT, BX_IS_SYSTEM, BX_IS_EVENTDATA, BX_IS_USERDATA, BX_IS_DATA, BX_IS_NAME,
	BX_IS_RENDERING, BX_IS_XMLNS, BX_IS_PROVIDER, BX_IS_EVENTID, BX_IS_CHANNEL, BX_IS_COMPUTER,
	BX_IS_RECORDID, BX_IS_TIMECREATED, BX_IS_SYSTEMTIME, BX_IS_MESSAGE
};

struct vg_bx_elem;
struct vg_bx_inst;
enum vg_bx_node_kind { BX_LIT, BX_SUB, BX_OPT, BX_ELEM, BX_INST, BX_PI };
struct vg_bx_node {
	struct vg_bx_node *next;
	enum vg_bx_node_kind kind;
	uint16_t sub; /* BX_SUB, BX_OPT */
	bool plain;   /* BX_LIT: printable ASCII that neither JSON nor XML escapes */
	union {
		vg_str text; /* BX_LIT; BX_PI: target and data */
		struct vg_bx_elem *elem;
		struct vg_bx_inst *inst;
	};
};
struct vg_bx_attr {
	struct vg_bx_attr *next;
	const struct vg_bx_name *name;
	struct vg_bx_node *node;
	vg_str field; /* Element_Attribute */
	uint32_t key;
	uint8_t what; /* enum vg_bx_sys */
};
/* What of the event's own members a value is. */
enum vg_bx_sys {
	BX_SYS_NONE, BX_SYS_PROVIDER, BX_SYS_CODE, BX_SYS_CHANNEL, BX_SYS_HOST, BX_SYS_RECORD, BX_SYS_TIME
};
struct vg_bx_elem {
	const struct vg_bx_name *name;
	struct vg_bx_attr *attr;
	struct vg_bx_node *node;
	vg_str field; /* the name that its text has as a field; of Data: without spaces */
	vg_str json;  /* "name": of a Data with a literal name */
	uint32_t key;
	uint16_t dep;     /* left out when that value is NULL; VG_BX_NO_DEP */
	uint8_t what;     /* enum vg_bx_sys */
	bool is_data;     /* <Data> */
	bool named;       /* <Data Name=...> */
	bool named_text;  /* ... and the name is a literal: field and key hold it */
	bool has_elem;    /* an element, or a value that may hold one, among its nodes */
	bool repeats;     /* two children may have one name */
	bool simple;      /* nothing but one value, and for Data a literal name */
};
/* Where a template's bytes may differ from chunk to chunk though it says the same: the offset of a name, and
 * the link in front of an inline name. */
struct vg_bx_fix {
	uint32_t at; /* of the offset, from the body's begin */
	bool is_inline;
	const struct vg_bx_name *name;
};
struct vg_bx_plan;
struct vg_bx_inst {
	const struct vg_bx_node *node; /* the template's; NULL when it could not be read */
	struct vg_bx_value *value;
	uint32_t nvalue;
};

struct vg_bx_slot {
	uint32_t off, gen;
	struct vg_bx_plan *plan; /* NULL: cannot be read, or is being read */
};

/* Templates and names.  One for a unit; what it gives lives until the next vg_bx_chunk(). */
struct vg_bx {
	const struct vg_keys *keys;
	struct vg_arena keep;           /* templates, names */
	struct vg_map names;            /* UTF-16 to index */
	struct vg_bx_name **name;       /* owned */
	uint32_t nname, name_cap;
	struct vg_bx_plan *bucket[256]; /* by GUID and size, from chunk to chunk */
	struct vg_bx_slot slot[1024];   /* by offset, of this chunk; open addressing */
	uint32_t nslot, gen;
	const uint8_t *chunk;
	size_t chunk_n;
	struct vg_arena *tmp; /* of this record */
	uint32_t steps, chunk_steps;
	bool cut;     /* something in the record was left out */
	bool limit;   /* ... because a limit was met */
	vg_rc rc;     /* VG_E_NOMEM: nothing more can be done */
	struct vg_bx_fix fix[VG_BX_FIX_MAX]; /* of the template that is being read */
	bool fix_busy;
};

void vg_bx_init(struct vg_bx *x, const struct vg_keys *keys);
void vg_bx_fini(struct vg_bx *x);
void vg_bx_chunk(struct vg_bx *x, const uint8_t *chunk, size_t n);
void vg_bx_record(struct vg_bx *x, struct vg_arena *tmp);
/* Count @n steps; false, and cut set, when there are none left. */
static inline bool
vg_bx_step(struct vg_bx *x, uint32_t n)
{
	if (VG_LIKELY(x->steps >= n)) {
		x->steps -= n;
		return true;
	}
	x->steps = 0;
	x->cut = x->limit = true;
	return false;
}
/* The tree of the stream at byte @at of the chunk, of @n bytes; @used: to behind its end.  NULL with x->cut set
 * when nothing could be read; NULL also for an empty stream. */
const struct vg_bx_node *vg_bx_stream(struct vg_bx *x, size_t at, size_t n, int depth, size_t *used);

/* The value that @n stands for in @in; NULL type when there is none. */
static inline struct vg_bx_value
vg_bx_value(const struct vg_bx_inst *in, uint16_t i)
{
	static const struct vg_bx_value none = { NULL, 0, BX_NULL };

	return in && i < in->nvalue ? in->value[i] : none;
}

/* Room for the text of a value, and the text: one item, not an array, not BX_BINXML. */
size_t vg_bx_text_max(uint8_t type, size_t n);
size_t vg_bx_text(uint8_t type, const uint8_t *p, size_t n, char *out);
enum vg_kind vg_bx_kind(uint8_t type);
/* Take the next item off the array @v; false when there is none.  An array of no bytes has none. */
bool vg_bx_item(struct vg_bx_value *v, struct vg_bx_value *item);

uint32_t vg_evtx_crc(uint32_t crc, const void *p, size_t n); /* CRC-32 of IEEE 802.3, as zlib's */

#define VG_EVTX_SEEN 4096 /* records of a chunk: at most 65536 / 28 */

/* The walk over a unit.  The caller fills the first part, all else zero. */
struct vg_evtx_walk {
	struct vg_reader *r;
	struct vg_arena *tmp; /* of one record; reset before each */
	void (*begin)(struct vg_evtx_walk *w); /* before a record is decoded; may be NULL */
	/* A decoded record, in order.  Not VG_OK ends the walk. */
	vg_rc (*record)(struct vg_evtx_walk *w, const struct vg_bx_node *tree);
	void *ctx;

	struct vg_bx bx;
	struct vg_buf join; /* scratch; the caller frees it */
	/* the record */
	uint64_t id, offset, filetime;
	vg_str raw;
	bool carved;
	size_t used; /* bytes up to the end of its XML; 0 when it was not given */
	vg_str channel; /* set by @record when it knows it, into channel_text: for the notes of gaps */
	char channel_text[64];
	/* the one before, in this unit */
	uint64_t last_id, last_filetime;
	bool have_last;
	/* of this chunk */
	uint32_t noted, nseen, seen_gen;
	struct {
		uint64_t id;
		uint32_t gen;
	} seen[VG_EVTX_SEEN]; /* only when carving */
};
vg_rc vg_evtx_walk(struct vg_evtx_walk *w) VG_MUST;

#endif
