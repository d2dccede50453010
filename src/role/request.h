/* role/request.h - what a command asks of a watch that runs: the only way in besides the catalogue.
 *
 * The command puts a file ID.req (16 hexadecimal digits) with one line "VERB ARGUMENT" into requests/ of the state folder, whole, by its name.  The
 * parent takes it if nobody but root or the watch's own user can have written it, passes it to the role that the verb's row names (as news named
 * "request": this header's struct), and puts what the role says back as ID.answer: "done\n" or "not done\n", then a text.
 *
 * To add one: a row in request.c, and the role's news(). */
#ifndef VG_ROLE_REQUEST_H
#define VG_ROLE_REQUEST_H

#include "base/buf.h"
#include "role/house.h"

#define VG_REQUEST_ID 16            /* digits */
#define VG_REQUEST_LINE_MAX 1000    /* bytes */
#define VG_REQUEST_ANSWER_MAX ((size_t)64 << 10)
#define VG_REQUEST_OPEN_MAX 16      /* that wait for an answer */
#define VG_REQUEST_WAIT_S 120       /* then the parent answers that there is none */

struct vg_request { /* borrowed */
	vg_str id, verb, argument;
	uint32_t user; /* who wrote it */
};
void vg_request_put(struct vg_buf *b, const struct vg_request *r);
vg_rc vg_request_take(vg_str bytes, struct vg_request *out) VG_MUST; /* VG_E_TRUNC, VG_E_FORMAT */
/* The one line of a file.  VG_E_FORMAT: it is none; printable text alone is one. */
vg_rc vg_request_line(vg_str line, struct vg_request *out) VG_MUST;

/* The command's side: ask, and wait.  VG_E_REFUSED: no watch runs, or it does not answer.  @why: one line. */
vg_rc vg_request_ask(struct vg_house *h, const char *verb, const char *argument, bool *done, struct vg_buf *text, char why[300]) VG_MUST;

/* The parent's side. */
struct vg_requests;
/* Give @r to @role.  false: it cannot be, and @why says so in one line. */
typedef bool vg_request_pass_fn(void *ctx, unsigned role, const struct vg_request *r, char why[160]);
vg_rc vg_requests_new(struct vg_house *h, vg_request_pass_fn *pass, void *ctx, struct vg_requests **out) VG_MUST;
void vg_requests_turn(struct vg_requests *r); /* some times a second */
void vg_requests_answer(struct vg_requests *r, vg_str id, bool done, vg_str text); /* one that is not open is nothing */

#endif
