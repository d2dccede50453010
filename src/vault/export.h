/* vault/export.h - a case folder: records of one tenant, each with the proof that it stood in the vault, for somebody who has nothing else
 * (doc/vault-format.md, "Export").  It holds no private key and no key of a day.
 *   records.bin       the raw bytes, one record behind the other
 *   index.jsonl       a row a record: number, arrival, source, where its bytes stand, and the path to its block's root
 *   blocks.jsonl      a row a block: its head, and the path to the checkpoint's root
 *   checkpoint.note   the signed checkpoint      days.log  the certificates of the days' keys      log.pub  the log's key
 *   stamp.tsr, stamp.json   a time stamp over an earlier checkpoint, and the proof that the tree only grew since; when there is one
 *   custody.txt, custody.html   the chain-of-custody sheet, French and English, to be signed by hand
 *   manifest.sha256   SHA-256 of all of these, as sha256sum(1) reads it */
#ifndef VG_VAULT_EXPORT_H
#define VG_VAULT_EXPORT_H

#include <signal.h>

#include "vault/verify.h"

#define VG_EXPORT_WHY 300
#define VG_EXPORT_RECORDS "records.bin"
#define VG_EXPORT_INDEX "index.jsonl"
#define VG_EXPORT_BLOCKS "blocks.jsonl"
#define VG_EXPORT_NOTE "checkpoint.note"
#define VG_EXPORT_KEY "log.pub"
#define VG_EXPORT_STAMP "stamp.tsr"
#define VG_EXPORT_GROWN "stamp.json"
#define VG_EXPORT_SHEET "custody.txt"
#define VG_EXPORT_PAGE "custody.html"
#define VG_EXPORT_MANIFEST "manifest.sha256"
#define VG_EXPORT_LINE_MAX ((size_t)64 << 10) /* of a row */

struct vg_export_options {
	int from;                    /* the tenant's folder */
	int to;                      /* an empty folder */
	const char *tenant, *node;
	const struct vg_note_key *log_key;
	const struct vg_days *days;
	vg_str days_text;            /* as the seal has it; empty: it is not here */
	const uint8_t *tenant_key;   /* 32 bytes; NULL: blocks are not encrypted */
	uint64_t first_seq, last_seq;   /* which records: numbers, and arrival */
	int64_t from_ns, until_ns;      /* until: the first that is not wanted */
	bool live;
	const char *(*source_name)(void *ctx, uint32_t source); /* never NULL */
	const char *who, *host, *vault; /* for the sheet */
	int64_t now_ns;
	uint64_t max_bytes;             /* of raw log, in the blocks that are opened; 0: no limit */
	const volatile sig_atomic_t *cancel; /* looked at before each block; may be NULL */
	void *ctx;
};
struct vg_exported {
	uint64_t records, bytes, blocks, unreadable /* blocks whose key is gone or not here */, unsealed /* records that no checkpoint counts yet */;
	uint64_t first_seq, last_seq;
	int64_t first_ns, last_ns;
	bool stamped;
	struct vg_checkpoint checkpoint;
	struct vg_hash manifest; /* SHA-256 of the manifest: it stands for all of it */
};
/* VG_E_REFUSED: the evidence is damaged, or the folder is not empty.  VG_E_NOTFOUND: no record is meant, or there is no checkpoint.
 * VG_E_LIMIT: over max_bytes.  VG_E_STOP: cancelled.  @why says it. */
vg_rc vg_export(const struct vg_export_options *o, struct vg_exported *out, char why[VG_EXPORT_WHY]) VG_MUST;

/* Check such a folder, which needs nothing else. */
struct vg_export_check {
	const struct vg_note_key *log_key; /* NULL: the one in the folder, which proves less */
	const struct vg_note_key *witness; /* NULL */
	vg_str tsa_ca;                     /* PEM; empty: stamps are not believed */
	vg_finding_fn *found;
	void *ctx;
};
struct vg_export_checked {
	uint64_t records, bytes, blocks;
	struct vg_note_key log_key;
	struct vg_checkpoint checkpoint;
	bool cosigned, stamped, day_signed;
	struct vg_stamp stamp;
	struct vg_checkpoint stamp_of;
	struct vg_hash manifest;
	uint64_t damages, warnings;
};
/* VG_E_NOTFOUND: it is no export. */
vg_rc vg_export_verify(int dir, const struct vg_export_check *o, struct vg_export_checked *out) VG_MUST;

/* Rows, as they are written; taken when every byte is as we write it.  VG_E_FORMAT, VG_E_LIMIT. */
struct vg_export_row {
	struct vg_record r;  /* raw: empty; id borrows from @id */
	char id[VG_RECORD_ID_MAX];
	vg_str name;         /* of the source, as JSON has it; borrowed */
	uint64_t at, block;  /* in records.bin; number of the block in the tenant's tree */
	uint32_t bytes, leaf; /* leaf: in the block's tree */
	struct vg_hash sha256;
	struct vg_proof proof;
};
void vg_export_row_print(const struct vg_export_row *x, struct vg_buf *b); /* with the new line */
vg_rc vg_export_row_take(vg_str line, struct vg_export_row *out) VG_MUST;  /* without it */
struct vg_export_block {
	uint64_t block;
	char head[VG_BLOCK_HEAD];
	struct vg_proof proof;
};
void vg_export_block_print(const struct vg_export_block *x, struct vg_buf *b);
vg_rc vg_export_block_take(vg_str line, struct vg_export_block *out) VG_MUST;
struct vg_export_grown {
	uint64_t old, size;
	struct vg_proof proof;
};
void vg_export_grown_print(const struct vg_export_grown *x, struct vg_buf *b);
vg_rc vg_export_grown_take(vg_str line, struct vg_export_grown *out) VG_MUST;

/* SHA-256 of a file in @dir.  VG_E_NOTFOUND, VG_E_SYS. */
vg_rc vg_export_hash_file(int dir, const char *name, struct vg_hash *out) VG_MUST;
/* The sheet, as text and as a page; @files: "HASH  NAME\n" each. */
void vg_export_sheet(const struct vg_export_options *o, const struct vg_exported *x, vg_str files, struct vg_buf *text, struct vg_buf *page);

#endif
