/* cmd/vault_restore.c - `vigie vault restore`: the watch's machine is lost; a new one is made from a witness.  And `vigie vault recovery-key`, which
 * takes the company's recovery key out of the machine, to be printed. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/common.h"
#include "cmd/watch.h"
#include "vault/checkpoint.h"
#include "vault/destruction.h"
#include "vault/disk.h"
#include "vault/keyring.h"
#include "vault/note.h"
#include "witness/restore.h"

const struct vg_opt vg_vault_restore_opts[] = {
	VG_STATE_OPTION,
	{ "--from", VG_OPT_TEXT, "URL", "the witness (needed)" },
	{ "--token-file", VG_OPT_TEXT, "FILE", "the token that the witness asks for" },
	{ "--witness-key", VG_OPT_TEXT, "KEY", "the witness's key, which must have signed (default: the one that it publishes, which is told)" },
	{ "--log-key", VG_OPT_LIST, "KEY", "the log's key (default: the one that the witness kept, which is told)" },
	{ "--recovery-key", VG_OPT_LIST, "FILE", "a company's recovery key, 64 hexadecimal digits: without it the records cannot be read" },
	{ "--tls-ca", VG_OPT_TEXT, "FILE", "the CA of the witness's certificate (default: those of the system)" },
	{ "--pin", VG_OPT_TEXT, "SHA256", "the witness's public key, as SHA-256 in hexadecimal; then no CA is asked" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};
const struct vg_opt vg_recovery_key_opts[] = {
	VG_STATE_OPTION,
	{ "--new", VG_OPT_FLAG, NULL, "make one that no watch has seen, for a company of its own (tenants.NAME.recovery-key)" },
	{ "--remove", VG_OPT_FLAG, NULL, "remove it from this machine, when it was printed" },
	{ NULL, VG_OPT_FLAG, NULL, NULL },
};

#define SMALL_MAX ((size_t)64 << 10)

static void
on_report(void *ctx, enum vg_report what, const char *tenant, const char *text)
{
	(void)ctx;
	if (what == VG_REPORT_SEEN || text[0] == 0)
		return;
	vg_log(what == VG_REPORT_GOOD || what == VG_REPORT_NOTE ? VG_LOG_INFO : VG_LOG_ERROR, "%s%s%s", tenant ? tenant : "", tenant ? ": " : "", text);
}

static bool
take_text(const struct vg_args *a, const char *option, struct vg_buf *out)
{
	const char *path = vg_arg(a, option);

	if (path == NULL)
		return true;
	if (vg_house_read(path, out) != VG_OK || out->n == 0) {
		vg_log(VG_LOG_ERROR, "%s %s: %s", option, path, out->n ? strerror(errno) : "it cannot be read, or is empty");
		return false;
	}
	while (out->n && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == ' '))
		out->n--;
	vg_buf_putc(out, 0);
	return out->rc == VG_OK;
}

static bool
take_keys(const struct vg_args *a, struct vg_restore_options *o, struct vg_note_key *witness, struct vg_note_key log[VG_OPT_LIST_MAX])
{
	const struct vg_opt_value *list = vg_arg_list(a, "--log-key");
	const char *w = vg_arg(a, "--witness-key");

	if (w && vg_note_key_parse(vg_str_of(w), witness) != VG_OK) {
		vg_log(VG_LOG_ERROR, "--witness-key %s: no key; it is NAME+ID+BASE64", w);
		return false;
	}
	o->witness = w ? witness : NULL;
	for (size_t i = 0; i < list->n; i++)
		if (vg_note_key_parse(vg_str_of(list->text[i]), &log[o->nlog_key++]) != VG_OK) {
			vg_log(VG_LOG_ERROR, "--log-key %s: no key; it is NAME+ID+BASE64", list->text[i]);
			return false;
		}
	o->log_key = o->nlog_key ? log : NULL;
	return true;
}

struct recoveries {
	uint8_t key[VG_OPT_LIST_MAX][32];
	size_t n;
};

static bool
take_recoveries(const struct vg_args *a, struct recoveries *out)
{
	const struct vg_opt_value *list = vg_arg_list(a, "--recovery-key");

	for (out->n = 0; out->n < list->n; out->n++)
		if (!vg_read_recovery_key(list->text[out->n], out->key[out->n]))
			return false;
	return true;
}

/* ---- one tenant: its key opened, its next epoch written down ---- */

struct again {
	struct vg_house *h;
	struct vg_disk vault, keys;
	const struct recoveries *recovery;
	size_t opened, closed; /* closed: no key that was given opens them */
	char node[VG_ORIGIN_MAX];
};

static vg_rc
open_key(struct again *g, struct vg_disk *tenant, const char *name)
{
	struct vg_disk k = { .dir = -1 };
	struct vg_buf sealed = { 0 };
	char file[VG_DISK_NAME_MAX];
	uint8_t key[32];
	vg_rc rc;

	if (g->recovery->n == 0)
		return VG_OK;
	if ((rc = vg_disk_folder(tenant, "keys", &k)) == VG_OK && (rc = vg_disk_slurp(&k, VG_KEY_SEALED, SMALL_MAX, &sealed)) == VG_OK)
		rc = VG_E_REFUSED;
	for (size_t i = 0; rc == VG_E_REFUSED && i < g->recovery->n; i++)
		rc = vg_tenant_key_open(vg_buf_str(&sealed), g->recovery->key[i], key);
	if (rc == VG_OK) {
		snprintf(file, sizeof(file), "%.48s.key", name);
		rc = vg_disk_replace(&g->keys, file, vg_str_mem(key, sizeof(key)));
		g->opened += rc == VG_OK;
	}
	sodium_memzero(key, sizeof(key));
	vg_buf_fini(&sealed);
	vg_disk_close(&k);
	if (rc != VG_E_REFUSED)
		return rc;
	vg_log(VG_LOG_ERROR, "%s: its records are sealed for another recovery key than %s", name, g->recovery->n > 1 ? "those given" : "this");
	g->closed++; /* other tenants may have others */
	return VG_OK;
}

static vg_rc
next_epoch(struct again *g, struct vg_disk *tenant)
{
	struct vg_buf note = { 0 };
	struct vg_checkpoint c;
	char number[24];
	vg_str text, origin;
	vg_rc rc = vg_disk_slurp(tenant, "checkpoint", VG_NOTE_BYTES_MAX, &note);

	if (rc == VG_OK && (rc = vg_note_text(vg_buf_str(&note), &text)) == VG_OK && (rc = vg_checkpoint_parse(text, &c)) == VG_OK) {
		snprintf(number, sizeof(number), "%llu\n", (unsigned long long)c.epoch + 1);
		rc = vg_disk_replace(tenant, "epoch", vg_str_of(number));
		origin = vg_str_of(c.origin);
		snprintf(g->node, sizeof(g->node), "%.*s", VG_STR_ARG(vg_str_cut(origin, vg_str_chr(origin, '/'))));
	}
	vg_buf_fini(&note);
	return rc;
}

static vg_rc
on_tenant(void *ctx, const char *name)
{
	struct again *g = ctx;
	struct vg_disk t = { .dir = -1 };
	struct stat st;
	vg_rc rc;

	if (name[0] == '.' || fstatat(g->vault.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) || strcmp(name, "intake") == 0)
		return VG_OK;
	if ((rc = vg_disk_folder(&g->vault, name, &t)) == VG_OK && (rc = next_epoch(g, &t)) == VG_OK)
		rc = open_key(g, &t, name);
	vg_disk_close(&t);
	return rc;
}

/* Everything that a new watch needs beside the evidence. */
static vg_rc
make_house(struct vg_house *h, const struct recoveries *recovery, size_t *opened)
{
	struct again g = { .h = h, .recovery = recovery };
	struct vg_disk seal = { .dir = vg_house_folder(h, "seal") };
	vg_rc rc;

	g.vault.dir = vg_house_folder(h, "vault");
	g.keys.dir = vg_house_folder(h, "keys");
	if (g.vault.dir < 0 || g.keys.dir < 0 || seal.dir < 0)
		return VG_E_SYS;
	rc = vg_disk_each(&g.vault, "", on_tenant, &g);
	if (rc == VG_OK && g.node[0])
		rc = vg_disk_replace(&seal, "node", vg_str_of(g.node)); /* the log goes on under its name */
	if (rc == VG_OK && g.closed)
		rc = VG_E_REFUSED;
	*opened = g.opened;
	vg_disk_close(&g.vault);
	vg_disk_close(&g.keys);
	vg_disk_close(&seal);
	return rc;
}

int
vg_cmd_vault_restore(const struct vg_args *a)
{
	struct vg_restore_options o = { .url = vg_arg(a, "--from"), .report = on_report };
	struct vg_note_key witness, log[VG_OPT_LIST_MAX];
	char why[VG_RESTORE_WHY], short_why[300];
	struct vg_buf token = { 0 };
	struct vg_house h;
	struct recoveries recovery;
	size_t tenants = 0, opened = 0;
	vg_rc rc = VG_E_SYS;

	if (o.url == NULL || !vg_is_url(o.url)) {
		vg_log(VG_LOG_ERROR, "vault restore: --from URL names the witness, as https://witness.example:9444");
		return VG_EXIT_USAGE;
	}
	if (sodium_init() < 0 || !take_text(a, "--token-file", &token) || !take_keys(a, &o, &witness, log) || !take_recoveries(a, &recovery))
		return VG_EXIT_USAGE;
	o.pull = (struct vg_pull_options){ .token = token.n ? token.p : NULL, .tls_ca = vg_arg(a, "--tls-ca"), .pin = vg_arg(a, "--pin") };
	if (vg_house_open(&h, vg_state_path(a), true, short_why) != VG_OK || vg_house_lock(&h, short_why) != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault restore: %s", short_why);
		return VG_EXIT_FAILED;
	}
	if ((o.vault = vg_house_folder(&h, "vault")) < 0 || (rc = vg_restore(&o, &tenants, why)) != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault restore: %s", o.vault < 0 ? strerror(errno) : why);
		return o.vault >= 0 && rc == VG_E_NOTFOUND ? VG_EXIT_INPUT : VG_EXIT_FAILED;
	}
	rc = make_house(&h, &recovery, &opened);
	sodium_memzero(recovery.key, sizeof(recovery.key));
	if (rc != VG_OK) {
		vg_log(VG_LOG_ERROR, "vault restore: the evidence is there, but not all that a watch needs: %s", rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		return VG_EXIT_FAILED;
	}
	printf("%zu tenants restored and verified; the keys of %zu are open%s.\n`vigie self-backup restore FILE --state %s`, now, brings the names of sources, keys and "
	       "signals, where there is one.\n`vigie serve --state %s` goes on from here, in a new epoch that the witness's "
	       "people accept (`vigie witness accept`).\n", tenants, opened, recovery.n ? "" : " (--recovery-key opens them)", h.path, h.path);
	vg_house_close(&h);
	return VG_EXIT_OK;
}

static void
print_recovery(const char *head, const uint8_t secret[32])
{
	char hex[65];

	(void)sodium_bin2hex(hex, sizeof(hex), secret, 32);
	printf("%s\n\n    %.16s %.16s %.16s %.16s\n\nWithout it nobody reads the vault when this machine is lost; with it anybody reads every copy.\n", head, hex, hex + 16, hex + 32,
	       hex + 48);
	sodium_memzero(hex, sizeof(hex));
}

/* Shown once, and kept nowhere. */
static int
make_recovery(void)
{
	struct vg_note_secret key;
	struct vg_buf b = { 0 };
	uint8_t secret[32];
	int code = VG_EXIT_FAILED;

	if (sodium_init() < 0)
		return code;
	randombytes_buf(secret, sizeof(secret));
	if (vg_recovery_signer(secret, &key) == VG_OK) {
		vg_note_key_print(&key.key, &b);
		vg_note_secret_fini(&key);
		print_recovery("A new recovery key, which is kept nowhere.  Print it, and give it to the director of the company that it is for.", secret);
		printf("\nIts public half, for tenants.NAME.recovery-key of the settings, before the tenant's first record:\n\n    %.*s\n", VG_STR_ARG(vg_buf_str(&b)));
		code = b.rc == VG_OK ? VG_EXIT_OK : VG_EXIT_FAILED;
	}
	sodium_memzero(secret, sizeof(secret));
	vg_buf_fini(&b);
	return code;
}

int
vg_cmd_recovery_key(const struct vg_args *a)
{
	struct vg_disk d = { .dir = -1 };
	struct vg_buf b = { 0 };
	struct vg_house h;
	int code;
	vg_rc rc;

	if (vg_arg_set(a, "--new"))
		return make_recovery();
	if ((code = vg_state_open(a, &h)) != VG_EXIT_OK)
		return code;
	d.dir = openat(h.dir, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = d.dir < 0 ? VG_E_NOTFOUND : vg_disk_slurp(&d, "recovery.secret", 32, &b);
	if (rc == VG_E_NOTFOUND) {
		vg_log(VG_LOG_ERROR, "the recovery key is not on this machine (any more): that is how it should be");
		code = VG_EXIT_INPUT;
	} else if (rc != VG_OK || b.n != 32) {
		vg_log(VG_LOG_ERROR, "keys/recovery.secret cannot be read: %s", rc == VG_E_SYS ? strerror(errno) : "it is damaged");
		code = VG_EXIT_FAILED;
	} else if (vg_arg_set(a, "--remove")) {
		if ((rc = vg_disk_remove(&d, "recovery.secret")) == VG_OK)
			rc = vg_disk_sync(&d);
		code = rc == VG_OK ? VG_EXIT_OK : VG_EXIT_FAILED;
		puts(rc == VG_OK ? "the recovery key is removed: whoever holds the printed one can open every copy of the vault" : "it could not be removed");
	} else {
		print_recovery("The recovery key of this watch.  Print it, give it to the director, and then: vigie vault recovery-key --remove", (const uint8_t *)b.p);
	}
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_fini(&b);
	vg_disk_close(&d);
	vg_house_close(&h);
	return code;
}
