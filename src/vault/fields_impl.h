/* vault/fields_impl.h - what the field cache's maker and its reader share.  The preamble is that of the index (vault/tokens_impl.h) but for its magic. */
#ifndef VG_VAULT_FIELDS_IMPL_H
#define VG_VAULT_FIELDS_IMPL_H

#include "vault/fields.h"
#include "vault/tokens_impl.h"

#define VG_FIELDS_MAGIC "VGFIELD1"
#define VG_FIELDS_SECRET "vigie fields"
#define VG_FIELDS_HEAD_FIXED 40 /* stamp, u32 bytes of the tables, u32 of them as stored */
#define VG_FIELDS_MADE_BIT 0x80 /* of a value's length */
#define VG_FIELDS_ROW_BYTES 44
#define VG_FIELDS_PART_BYTES_MAX (2 * (size_t)VG_BLOCK_RECORDS_MAX + (size_t)VG_FIELDS_KEYS * VG_FIELDS_VALUES / 8)
/* What is said of a name's values. */
enum vg_fields_state {
	VG_FIELDS_TELLS,   /* classes have them */
	VG_FIELDS_LISTED,  /* blocks have them */
	VG_FIELDS_UNLISTED, /* nothing */
	VG_FIELDS_STATES
};
/* Numbers of the parts. */
enum { VG_FIELDS_PART_HEAD, VG_FIELDS_PART_TABLES, VG_FIELDS_PART_BLOCK };

#endif
