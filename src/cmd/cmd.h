/* cmd/cmd.h - one file a command; main.c is a table of them.  A command's options are a table too: the parser, `vigie help`
 * and the shell completion read the same rows. */
#ifndef VG_CMD_CMD_H
#define VG_CMD_CMD_H

#include "base/log.h"
#include "base/str.h"

/* Exit codes; vigie(1) lists them. */
enum {
	VG_EXIT_OK = 0,      /* done; nothing at or over --fail-on */
	VG_EXIT_FOUND = 1,   /* --fail-on: a signal of that level or over; rule check: a rule was refused */
	VG_EXIT_USAGE = 2,   /* the command line is wrong */
	VG_EXIT_INPUT = 3,   /* no input could be read at all */
	VG_EXIT_FAILED = 4,  /* the run failed: memory, disk, a process */
	VG_EXIT_STOPPED = 130,
};

enum vg_opt_kind { VG_OPT_FLAG, VG_OPT_TEXT, VG_OPT_LIST /* may come several times */ };
#define VG_OPT_LIST_MAX 64
struct vg_opt {
	const char *name;  /* "--rules" */
	enum vg_opt_kind kind;
	const char *arg;   /* "DIR"; NULL for a flag */
	const char *help;  /* one line */
};
struct vg_opt_value {
	bool set;
	const char *text[VG_OPT_LIST_MAX]; /* borrowed from argv */
	size_t n;
};
struct vg_args {
	const struct vg_opt *opt;   /* ends with a NULL name */
	struct vg_opt_value value[32];
	const char *const *operand; /* what is not an option, in order */
	size_t noperand;
	bool help; /* -h or --help was given: nothing else counts */
};

struct vg_command {
	const char *name;      /* "hunt", "rule check" */
	const char *synopsis;  /* after the name */
	const char *summary;   /* one line */
	const char *details;   /* some lines, may be NULL */
	const struct vg_opt *opt;
	size_t min_operands;
	int (*run)(const struct vg_args *a);
};
extern const struct vg_command vg_commands[]; /* ends with a NULL name */

/* The value of option @name: its last text, NULL when it was not given. */
const char *vg_arg(const struct vg_args *a, const char *name);
bool vg_arg_set(const struct vg_args *a, const char *name);
const struct vg_opt_value *vg_arg_list(const struct vg_args *a, const char *name); /* never NULL */
/* Parse argv behind the command's name.  false: the mistake was told. @room holds argc operands. */
bool vg_args_parse(const struct vg_command *c, int argc, char **argv, const char **room, struct vg_args *out);
void vg_help_print(const struct vg_command *c); /* to standard output */

int vg_cmd_hunt(const struct vg_args *a);
int vg_cmd_dump(const struct vg_args *a);
int vg_cmd_rule_check(const struct vg_args *a);
int vg_cmd_rule_list(const struct vg_args *a);
int vg_cmd_rule_test(const struct vg_args *a);
int vg_cmd_rule_explain(const struct vg_args *a);
int vg_cmd_rule_coverage(const struct vg_args *a);
int vg_cmd_serve(const struct vg_args *a);
int vg_cmd_vault_search(const struct vg_args *a);
int vg_cmd_vault_redecode(const struct vg_args *a);
int vg_cmd_vault_restore(const struct vg_args *a);
int vg_cmd_recovery_key(const struct vg_args *a);
int vg_cmd_status(const struct vg_args *a);
int vg_cmd_signal_list(const struct vg_args *a);
int vg_cmd_signal_show(const struct vg_args *a);
int vg_cmd_indicator_add(const struct vg_args *a);
int vg_cmd_indicator_list(const struct vg_args *a);
int vg_cmd_indicator_remove(const struct vg_args *a);
int vg_cmd_alarm_list(const struct vg_args *a);
int vg_cmd_alarm_test(const struct vg_args *a);
int vg_cmd_vault_stamp(const struct vg_args *a);
int vg_cmd_source_list(const struct vg_args *a);
int vg_cmd_source_adopt(const struct vg_args *a);
int vg_cmd_key_add(const struct vg_args *a);
int vg_cmd_key_list(const struct vg_args *a);
int vg_cmd_key_revoke(const struct vg_args *a);
int vg_cmd_vault_export(const struct vg_args *a);
int vg_cmd_vault_verify(const struct vg_args *a);
int vg_cmd_vault_destroy(const struct vg_args *a);
int vg_cmd_hold_set(const struct vg_args *a);
int vg_cmd_hold_release(const struct vg_args *a);
int vg_cmd_hold_list(const struct vg_args *a);
int vg_cmd_witness(const struct vg_args *a);
int vg_cmd_witness_accept(const struct vg_args *a);
int vg_cmd_self_backup(const struct vg_args *a);
int vg_cmd_self_check(const struct vg_args *a);
int vg_cmd_self_restore(const struct vg_args *a);
int vg_cmd_help(const struct vg_args *a);
int vg_cmd_completion(const struct vg_args *a);
int vg_cmd_version(const struct vg_args *a);

extern const struct vg_opt vg_hunt_opts[], vg_dump_opts[], vg_rule_opts[], vg_rule_test_opts[], vg_explain_opts[], vg_coverage_opts[], vg_witness_opts[],
	vg_witness_accept_opts[], vg_serve_opts[], vg_status_opts[], vg_signal_list_opts[],
	vg_signal_show_opts[], vg_source_list_opts[], vg_source_opts[], vg_key_add_opts[], vg_vault_search_opts[], vg_vault_restore_opts[],
	vg_recovery_key_opts[], vg_vault_verify_opts[], vg_vault_export_opts[], vg_vault_destroy_opts[], vg_hold_set_opts[], vg_hold_release_opts[],
	vg_self_backup_opts[], vg_self_check_opts[], vg_self_restore_opts[], vg_indicator_add_opts[], vg_indicator_list_opts[],
	vg_indicator_remove_opts[], vg_vault_redecode_opts[], vg_alarm_list_opts[], vg_alarm_test_opts[], vg_vault_stamp_opts[], vg_no_opts[];

#endif
