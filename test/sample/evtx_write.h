/* test/sample/evtx_write.h - our own writer of event logs, for tests and samples: whole files with templates,
 * substitutions, names and checksums as Windows makes them, in as many chunks as are needed. */
#ifndef VG_TEST_EVTX_WRITE_H
#define VG_TEST_EVTX_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evtx_writer;

enum evtx_type {
	EVTX_TEXT,    /* value is UTF-8 */
	EVTX_U32,     /* value is decimal */
	EVTX_HEX64,   /* value is hexadecimal, with 0x or without */
	EVTX_BOOL,    /* "true" or another */
	EVTX_NULL,    /* value is not looked at */
	EVTX_STRINGS, /* items separated by '|' */
};
struct evtx_pair {
	const char *name; /* NULL: a <Data> without a name */
	const char *value;
	enum evtx_type type;
};

/* NULL when memory is out. */
struct evtx_writer *evtx_new(void);
void evtx_free(struct evtx_writer *w);
/* Add a record: its EventRecordID is one more than that of the one before.  false: memory is out, or the
 * record is too large for a chunk. */
bool evtx_add(struct evtx_writer *w, int64_t time_ns, const char *channel, const char *provider,
	      const char *computer, unsigned event_id, unsigned level, const struct evtx_pair *pairs, size_t npairs);
/* The same with a <UserData> of one element @root that holds one element a pair. */
bool evtx_add_user(struct evtx_writer *w, int64_t time_ns, const char *channel, const char *provider,
		   const char *computer, unsigned event_id, unsigned level, const char *root,
		   const struct evtx_pair *pairs, size_t npairs);
/* Leave out @n record numbers. */
void evtx_gap(struct evtx_writer *w, uint64_t n);
/* Number the next record @id. */
void evtx_set_id(struct evtx_writer *w, uint64_t id);
/* Begin a new chunk with the next record. */
bool evtx_chunk(struct evtx_writer *w);
void evtx_dirty(struct evtx_writer *w); /* mark the file as in use */
/* The whole file; owned by the writer, good until the next call.  NULL when memory is out. */
const uint8_t *evtx_bytes(struct evtx_writer *w, size_t *n);
bool evtx_save(struct evtx_writer *w, const char *path); /* false: errno says why */

#endif
