/* cmd/main.c - the table of commands. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "role/roles.h"

const struct vg_opt vg_no_opts[] = { { NULL, VG_OPT_FLAG, NULL, NULL } };

const struct vg_command vg_commands[] = {
	{ "hunt", "[OPTIONS] PATH...", "read evidence and tell the attack's story",
	  "Reads files and folders, recursively; the format is told from content.  The summary goes to the "
	  "terminal; --report writes one HTML file, --output one row a signal (or a whole document) for other "
	  "tools.", vg_hunt_opts, 1, vg_cmd_hunt },
	{ "dump", "[OPTIONS] PATH...", "print decoded events as JSON lines", NULL, vg_dump_opts, 1, vg_cmd_dump },
	{ "rule check", "[DIR...]", "say which rules load, which do not, and why", NULL, vg_rule_opts, 0, vg_cmd_rule_check },
	{ "rule list", "[OPTIONS]", "list the rules that are loaded", NULL, vg_rule_opts, 0, vg_cmd_rule_list },
	{ "rule test", "[RULE|DIR...]", "fire each rule's own samples through the running watch",
	  "RULE is a rule file, an id, a name or a title; without any, all rules of the watch are tested.  Each sample is a world of its own: nothing of it "
	  "shows among signals, and it is no evidence.  Exits with 1 when a rule does not do as its samples say.", vg_rule_test_opts, 0, vg_cmd_rule_test },
	{ "rule explain", "RULE EVENT", "say why a rule matches an event, or not",
	  "RULE is a rule file, an id or a title; EVENT a file with one event (JSON, XML, a log line), or - for "
	  "standard input.  For a correlation it may hold many events, in order of time.", vg_explain_opts, 2, vg_cmd_rule_explain },
	{ "rule coverage", "[PATH...]", "rules that this evidence, or the sources of a watch, can never feed",
	  "With PATH, of evidence: also channels and fields that no rule reads.  Without, of what the sources of a watch sent in the last 30 days.",
	  vg_coverage_opts, 0, vg_cmd_rule_coverage },
	{ "serve", "[OPTIONS]", "the watch: receive logs, keep them, detect",
	  "Runs until SIGTERM or Ctrl-C, under systemd or in a terminal, as root or as any user.  It prints \"ready\" when it receives.  "
	  "vigie.yaml(5) has the settings; without one it watches this machine and listens on loopback.", vg_serve_opts, 0, vg_cmd_serve },
	{ "status", "[OPTIONS]", "is the watch well: roles, sources, queues, disk, checkpoint", "Exits with 1 when it does not run, or a role does not.",
	  vg_status_opts, 0, vg_cmd_status },
	{ "vault search", "[OPTIONS] SELECTION", "find records in the evidence",
	  "SELECTION is a Sigma selection on one line: a word is looked for in the text of records; \"User: bob\" and \"Image|endswith: .exe\" ask a "
	  "field; and, or, not and parentheses join them.  It needs no running watch.", vg_vault_search_opts, 1, vg_cmd_vault_search },
	{ "vault redecode", "[OPTIONS]", "keep of decoded fields what makes searches by field fast, with today's packs",
	  "Records are decoded with the packs as they are now, and a small cache is made beside each segment, the newest first; it says what the packs know now that "
	  "they did not.  The cache is no evidence.  vault.field-cache in vigie.yaml(5) is how large it may become.  It works beside a running watch and without "
	  "one, and may be ended at any moment.", vg_vault_redecode_opts, 0, vg_cmd_vault_redecode },
	{ "vault stamp", "[OPTIONS]", "have an authority vouch for the time of the evidence, now",
	  "The watch that runs asks the one that stamps.url of the settings names (RFC 3161).  Exits with 0 when each tenant has a time stamp, 1 when one has not, which is told, 3 when no watch "
	  "runs.", vg_vault_stamp_opts, 0, vg_cmd_vault_stamp },
	{ "vault restore", "--from URL [OPTIONS]", "make a new watch from what a witness kept", NULL, vg_vault_restore_opts, 0, vg_cmd_vault_restore },
	{ "vault recovery-key", "[OPTIONS]", "show the recovery key, to be printed for the director; then remove it here", NULL, vg_recovery_key_opts, 0,
	  vg_cmd_recovery_key },
	{ "signal list", "[OPTIONS]", "what rules and correlations said, the newest last with --format jsonl", NULL, vg_signal_list_opts, 0, vg_cmd_signal_list },
	{ "signal show", "ID", "one signal, and the records that prove it", NULL, vg_signal_show_opts, 1, vg_cmd_signal_show },
	{ "indicator add", "[OPTIONS] FILE|VALUE...", "watch for an address, a name, a digest ...: one, or those of a file",
	  "FILE is CSV, one value a line, MISP's JSON or STIX 2.1; it is read in a sandbox, and taken when something in it can be used.  VALUE is an address, a "
	  "network, a host's name, a URL, a digest ...  Both become a file in the folder of indicators (rules.indicators), which a running watch notices within "
	  "seconds: new records are matched from then on, and older ones are looked through once.", vg_indicator_add_opts, 1, vg_cmd_indicator_add },
	{ "indicator list", "[OPTIONS]", "the files of indicators: what is used of each, what is not, and why", NULL, vg_indicator_list_opts, 0,
	  vg_cmd_indicator_list },
	{ "indicator remove", "[OPTIONS] NAME...", "take files of indicators, or values that were added, away", NULL, vg_indicator_remove_opts, 1,
	  vg_cmd_indicator_remove },
	{ "alarm list", "[OPTIONS]", "what people were told, by which way, and what waits", NULL, vg_alarm_list_opts, 0, vg_cmd_alarm_list },
	{ "alarm test", "[OPTIONS]", "tell a test alarm by each way that is set, through the watch that runs",
	  "Exits with 0 when each way took it, 1 when one did not, which is told, 3 when no watch runs.", vg_alarm_test_opts, 0, vg_cmd_alarm_test },
	{ "source list", "[OPTIONS]", "who sends, how the name is proved, how much was not understood", NULL, vg_source_list_opts, 0, vg_cmd_source_list },
	{ "source adopt", "ID...", "take new senders among the known ones", NULL, vg_source_opts, 1, vg_cmd_source_adopt },
	{ "key add", "NAME", "make a key that a source proves itself with over HTTPS", NULL, vg_key_add_opts, 1, vg_cmd_key_add },
	{ "key list", "[OPTIONS]", "the keys that were given out", NULL, vg_source_list_opts, 0, vg_cmd_key_list },
	{ "key revoke", "ID", "take a key back", NULL, vg_source_opts, 1, vg_cmd_key_revoke },
	{ "vault verify", "[OPTIONS] [FOLDER]", "say whether the evidence is what it was, and who outside vouches for it",
	  "FOLDER is what `vigie vault export` wrote; without it the vault is verified.  It needs no running watch, no network and no secret, and changes nothing.  Every byte of the vault is looked at: blocks, tree, checkpoint, signatures, "
	  "keys, journal; the first bad byte is named.  Exit codes: 0 sound and vouched for outside, 3 sound but nothing outside vouches, 4 damaged, 1 it could "
	  "not be looked at, 2 wrong command line.", vg_vault_verify_opts, 0, vg_cmd_vault_verify },
	{ "vault export", "--to FOLDER [OPTIONS]", "write a case folder: records with the proof that they stood in the vault",
	  "Records, proofs, signed checkpoint, public keys, hashes and a chain-of-custody sheet (French and English, to be signed by hand).  `vigie vault verify "
	  "--export` checks it on any machine.  It holds no private key.", vg_vault_export_opts, 0, vg_cmd_vault_export },
	{ "vault destroy", "--from DAY [OPTIONS]", "let records go before their time, in every copy",
	  "The day's key is destroyed, with a signed certificate; everything else stays, so that the vault still verifies.  The order is signed by the "
	  "company's recovery key, and the watch carries it out; days that are held stay.  Signals that were made of the records are not touched.",
	  vg_vault_destroy_opts, 0, vg_cmd_vault_destroy },
	{ "hold set", "--from DAY --by NAME --reason TEXT [OPTIONS]", "keep what came on these days, whatever retention says", NULL, vg_hold_set_opts, 0,
	  vg_cmd_hold_set },
	{ "hold release", "ID --by NAME [OPTIONS]", "let a hold go: the first of two people asks, the second one releases", NULL, vg_hold_release_opts, 1,
	  vg_cmd_hold_release },
	{ "hold list", "[OPTIONS]", "what is held, since when, by whom", NULL, vg_source_list_opts, 0, vg_cmd_hold_list },
	{ "witness accept", "--state DIR TENANT", "let the new epoch of a log begin, as after a restore", NULL, vg_witness_accept_opts, 1, vg_cmd_witness_accept },
	{ "witness", "--state DIR --from URL [OPTIONS]", "keep a copy of a watch's vault elsewhere, and tell when it falls silent",
	  "Pulls checkpoints and sealed segments every few seconds, keeps them append-only, cosigns what is consistent, refuses a log that was "
	  "rolled back or forked and keeps the proof, and raises the alarm by its own channels.  It belongs on a machine under other "
	  "administrators.", vg_witness_opts, 0, vg_cmd_witness },
	{ "self-backup restore", "FILE --state DIR [OPTIONS]", "put a self-backup into the state folder of a new watch",
	  "Into an empty folder, or one that `vigie vault restore` made: evidence first, this behind it.  Every member is checked before any takes its place; what was "
	  "ended in the middle is done by the same command again.", vg_self_restore_opts, 1, vg_cmd_self_restore },
	{ "self-backup check", "FILE", "say whether a self-backup is whole, and what is in it", NULL, vg_self_check_opts, 1, vg_cmd_self_check },
	{ "self-backup", "--to FILE|DIR [OPTIONS]", "write what the evidence does not hold into one file",
	  "No private key is in it: settings without their secrets, sources, keys of sources (as hashes), signals and what correlations remember, alarms that wait, exceptions, indicators, folders of own rules and "
	  "packs, public keys, checkpoints and time stamps.  The watch may run.  The evidence itself is kept by a witness.", vg_self_backup_opts, 0, vg_cmd_self_backup },
	{ "help", "[COMMAND]", "explain a command", NULL, vg_no_opts, 0, vg_cmd_help },
	{ "completion", "bash", "print shell completion", NULL, vg_no_opts, 1, vg_cmd_completion },
	{ "version", "", "print the version and what it was built with", NULL, vg_no_opts, 0, vg_cmd_version },
	{ NULL, NULL, NULL, NULL, NULL, 0, NULL },
};

/* The command that argv begins with; @used: how many words name it. */
static const struct vg_command *
find(int argc, char **argv, int *used)
{
	for (const struct vg_command *c = vg_commands; c->name; c++) {
		vg_str rest = vg_str_of(c->name), word;
		int n = 0;

		while (vg_str_split(&rest, ' ', &word) && n < argc && vg_str_eq(word, vg_str_of(argv[n])))
			n++;
		if (rest.p == NULL && n && vg_str_eq(word, vg_str_of(argv[n - 1]))) {
			*used = n;
			return c;
		}
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	const struct vg_command *c;
	struct vg_args args;
	const char **room;
	int used = 0, code;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		vg_help_print(NULL);
		return argc < 2 ? VG_EXIT_USAGE : VG_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0)
		return vg_cmd_version(NULL);
	if (strcmp(argv[1], "role") == 0 && argc == 4) /* the parent of a watch runs it; no person does */
		return vg_role_main(argv[2], argv[3]);
	if ((c = find(argc - 1, argv + 1, &used)) == NULL) {
		vg_log(VG_LOG_ERROR, "no such command: %s (`vigie help` lists them)", argv[1]);
		return VG_EXIT_USAGE;
	}
	if ((room = calloc((size_t)argc + 1, sizeof(*room))) == NULL)
		return VG_EXIT_FAILED;
	if (!vg_args_parse(c, argc - 1 - used, argv + 1 + used, room, &args)) {
		free(room);
		return VG_EXIT_USAGE;
	}
	if (args.help) {
		vg_help_print(c);
		free(room);
		return VG_EXIT_OK;
	}
	code = c->run(&args);
	free(room);
	return code;
}
