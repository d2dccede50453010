/* role/out_impl.h - the process that connects outward, in parts: alarms that come and are kept (out.c), the ways that they are told by
 * (out_way.c), time stamps (out_stamp.c), and what all of these send (out_errand.c).
 *
 * Two things its sandbox refuses are done by a helper each, made before it closes: to run the one command of the settings, and to look up the
 * addresses of the hosts that the settings name, by their number; this process can run no other and ask for no other. */
#ifndef VG_ROLE_OUT_IMPL_H
#define VG_ROLE_OUT_IMPL_H

#include "net/outward.h"
#include "proc/helper.h"
#include "role/alarm_text.h"
#include "role/messages.h"
#include "role/request.h"
#include "vault/stamp.h"

#define OUT_PLACES_MAX 40
#define OUT_WAYS_MAX 34     /* mail, the command, webhooks */
#define OUT_WEBHOOKS_MAX 32
#define OUT_MAIL_TO_MAX 64
#define OUT_ARGS_MAX 64
#define OUT_ERRANDS_MAX 128
#define OUT_SECONDS 30      /* for one of them */
#define OUT_ANSWER_MAX ((size_t)64 << 10)

struct out;
struct out_place { /* host and port that the settings name */
	char host[VG_OUTWARD_HOST_MAX], port[8];
	bool numeric;
	char addresses[512]; /* "192.0.2.1,2001:db8::1" */
	int64_t known_ns;    /* monotonic; 0: not */
};
enum out_errand_state { OUT_FREE, OUT_WAITS, OUT_RUNS };
struct out_errand {
	struct out *o;
	enum out_errand_state state;
	int place;   /* -1: it is the command's */
	struct vg_outward_job job;
	struct vg_buf body;
	char resolve[VG_OUTWARD_HOST_MAX + 540];
	void (*done)(struct out *o, struct out_errand *e, vg_rc rc, vg_str answer, const char *why);
	/* whose it is */
	size_t way;
	bool test;
	uint64_t number;
	char tenant[65];
	struct vg_hash digest;
	uint8_t nonce[VG_STAMP_NONCE];
};
enum out_way_kind { OUT_MAIL, OUT_COMMAND, OUT_WEBHOOK };
struct out_way {
	enum out_way_kind kind;
	char name[80];
	const char *url;
	int place;
	bool busy;
};
struct out {
	struct vg_role_env *env;
	sqlite3 *db; /* NULL: it is over */
	enum vg_lang lang;
	int64_t pause_ns;
	char node[65];
	struct vg_channel *vault, *trace;
	struct vg_outward *outward;
	struct vg_helper *names, *command;
	struct out_errand *ordered; /* whose command runs */

	struct out_place place[OUT_PLACES_MAX];
	int nplace, asked_place;
	int proxy; /* its place; -1: none */
	struct out_way way[OUT_WAYS_MAX];
	size_t nway;
	const char *mail_to[OUT_MAIL_TO_MAX];
	size_t nmail_to;
	const char *mail_from, *mail_user, *mail_password;
	char *argv[OUT_ARGS_MAX + 1];
	struct out_errand errand[OUT_ERRANDS_MAX];

	char test[VG_REQUEST_ID + 1]; /* the request that asked for one; empty: none */
	size_t test_left;
	bool test_good;
	struct vg_buf test_text;

	int stamp_place; /* -1: none is set */
	const char *stamp_url, *stamp_policy;
	vg_str stamp_ca;
	uint64_t alarms, again, stamps, stamps_failed, failures;
};

/* out_errand.c */
/* The place of @url, made when it is new.  -1: no URL, or too many. */
int out_place_of(struct out *o, const char *url);
vg_rc out_begin_helpers(struct out *o); /* before the sandbox closes */
struct out_errand *out_errand_new(struct out *o); /* NULL: too many are under way */
void out_errand_go(struct out_errand *e);
void out_errand_turn(struct out *o);
/* out_way.c */
vg_rc out_ways_read(struct out *o);
void out_ways_turn(struct out *o);
void out_ways_test(struct out *o, const struct vg_request *r);
/* out_stamp.c */
vg_rc out_stamp_read(struct out *o);
vg_rc out_on_stamp(void *ctx, struct vg_channel *from, struct vg_cur *body, int fd);

#endif
