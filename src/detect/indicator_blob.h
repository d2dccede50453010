/* detect/indicator_blob.h - how a set of indicators lies in memory: a header, then sections aligned to 8.  Written by
 * indicator_build.c, checked and read by indicator.c.  Little-endian; of one machine, made anew by each version. */
#ifndef VG_DETECT_INDICATOR_BLOB_H
#define VG_DETECT_INDICATOR_BLOB_H

#include "detect/indicator.h"
#include "detect/siphash.h"

#define VG_INDICATOR_MAGIC "VGIOC001"
#define VG_INDICATOR_NONE UINT32_MAX
#define VG_SKETCH_BITS 262144
#define VG_ENDS_BITS 4096

enum { VG_IND_FILTER, VG_IND_SLOT, VG_IND_META, VG_IND_NET, VG_IND_SOURCE, VG_IND_TEXT, VG_IND_SECTIONS };

struct vg_indicator_head {
	char magic[8];
	uint64_t key[2];                    /* of SipHash */
	uint64_t at[VG_IND_SECTIONS];
	uint32_t n[VG_IND_SECTIONS];        /* rows; bytes of text; words of the filter, a power of two */
	uint32_t count[VG_IOC_KINDS];
	uint32_t labels;                    /* of the domain that has most */
	uint8_t wide;                       /* some name is not ASCII: the sketch says nothing */
	uint8_t paths;                      /* some name of a file has a slash or backslash in it */
	uint8_t pad[2];
	uint8_t domain_ends[VG_ENDS_BITS / 8]; /* last labels of domains, hashed */
	uint8_t file_ends[VG_ENDS_BITS / 8];   /* and what stands behind the last dot of files */
	uint8_t sketch[VG_SKETCH_BITS / 8];    /* length, begin and end of names: FILE, USER, TEXT */
};
struct vg_indicator_slot { /* open addressing, the place by one half of the hash, some slots always empty */
	uint64_t check;    /* the other half */
	uint32_t meta;     /* VG_INDICATOR_NONE: empty */
	uint8_t kind, pad[3];
};
struct vg_indicator_meta {
	uint32_t next;     /* another source of the same value: smaller than this one's place; VG_INDICATOR_NONE */
	uint32_t source, note; /* note: place in text */
	uint32_t expires_s;    /* since 1970; 0: never */
};
struct vg_indicator_net { /* ascending by address, wider ones first */
	uint8_t addr[16];
	uint32_t meta;
	uint32_t parent;   /* the next wider one around it, before it; VG_INDICATOR_NONE */
	uint8_t bits, pad[7];
};
struct vg_indicator_source { /* places in text: u16 length and bytes; 0 is an empty one */
	uint32_t file, name;
};

/* The place of a hash among @n slots. */
static inline uint32_t
vg_indicator_place(uint64_t hash, uint32_t n)
{
	return (uint32_t)((__uint128_t)hash * n >> 64);
}

static inline uint64_t
vg_indicator_bits(uint64_t check)
{
	return UINT64_C(1) << (check & 63) | UINT64_C(1) << (check >> 6 & 63) | UINT64_C(1) << (check >> 12 & 63);
}

static inline struct vg_sip
vg_indicator_hash(const uint64_t key[2], vg_str s)
{
	return vg_sip128(s, key, 1, 3);
}

/* What the last label of a name, or a file's ending, is looked up by; without regard to the case of ASCII. */
static inline uint32_t
vg_indicator_end(vg_str label)
{
	uint32_t h = (uint32_t)label.n;

	for (size_t i = 0; i < label.n && i < 8; i++)
		h = (h ^ ((uint8_t)label.p[i] | 32u)) * 0x01000193u;
	return (h ^ h >> 15) % VG_ENDS_BITS;
}

/* The same for a whole name. */
static inline uint32_t
vg_indicator_sketch(vg_str s)
{
	uint32_t a = 0, b = 0;

	if (s.n >= 4) {
		memcpy(&a, s.p, 4);
		memcpy(&b, s.p + s.n - 4, 4);
	} else {
		for (size_t i = 0; i < s.n; i++)
			a = a << 8 | (uint8_t)s.p[i];
	}
	a = ((a | 0x20202020u) ^ (uint32_t)s.n << 26) * 0x9e3779b1u;
	b = ((b | 0x20202020u) + (uint32_t)s.n) * 0x85ebca6bu;
	return (a ^ b ^ (a ^ b) >> 16) % VG_SKETCH_BITS;
}

static inline bool
vg_bit_get(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

#endif
