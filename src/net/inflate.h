/* net/inflate.h - the body of a request as its Content-Encoding says (RFC 9110, 8.4), decoded as it arrives: gzip (RFC 1952, several
 * members too), deflate (which is zlib, RFC 1950), zstd (RFC 8878, several frames too; windows up to 8 MiB, RFC 9659), identity. */
#ifndef VG_NET_INFLATE_H
#define VG_NET_INFLATE_H

#include "base/rc.h"
#include "base/str.h"

#define VG_INFLATE_RATIO_MAX 200               /* bytes that one byte may become ... */
#define VG_INFLATE_FREE_BYTES ((uint64_t)1 << 20) /* ... in what is beyond these: more is a bomb */
#define VG_INFLATE_WINDOW_LOG 23

enum vg_coding { VG_CODING_IDENTITY, VG_CODING_GZIP, VG_CODING_DEFLATE, VG_CODING_ZSTD, VG_CODINGS };
/* The coding that a Content-Encoding header's value names; no header, and "", are identity.  false: one we do not have, or several. */
bool vg_coding_of(vg_str value, enum vg_coding *out);

struct vg_inflate;
typedef void vg_inflate_fn(void *ctx, vg_str bytes);
/* @limit_bytes: of what comes out. */
vg_rc vg_inflate_new(enum vg_coding coding, uint64_t limit_bytes, struct vg_inflate **out) VG_MUST;
void vg_inflate_free(struct vg_inflate *z); /* NULL is nothing */
/* The next bytes of the body; @fn gets what they become, in pieces.  VG_E_FORMAT: not what the coding says.  VG_E_LIMIT: over the
 * limit, a bomb, or too large a window.  VG_E_NOMEM.  An error sticks, and no more than the limit is ever given to @fn. */
vg_rc vg_inflate_feed(struct vg_inflate *z, vg_str in, vg_inflate_fn *fn, void *ctx) VG_MUST;
/* There are no more bytes.  VG_E_TRUNC: there should be. */
vg_rc vg_inflate_end(struct vg_inflate *z) VG_MUST;
size_t vg_inflate_held(const struct vg_inflate *z); /* bytes of memory */

#endif
