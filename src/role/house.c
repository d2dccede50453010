#include "role/house.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/tls.h"
#include "state/format.h"
#include "vault/checkpoint.h"
#include "vault/disk.h"
#include "vault/destruction.h"
#include "vault/keyring.h"
#include "witness/names.h"

#define CERT_DAYS 3650
#define FILE_MAX ((size_t)1 << 20)

const char *
vg_house_default(void)
{
	const char *dir = getenv("STATE_DIRECTORY"); /* systemd's */

	return dir && dir[0] ? dir : access("/var/lib/vigie/lock", F_OK) == 0 && geteuid() == 0 ? "/var/lib/vigie" : "var";
}

int
vg_house_folder(struct vg_house *h, const char *name)
{
	if (mkdirat(h->dir, name, 0700) < 0 && errno != EEXIST)
		return -1;
	return openat(h->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static vg_rc
folder(struct vg_house *h, const char *name, struct vg_disk *d, char why[300])
{
	*d = (struct vg_disk){ .dir = vg_house_folder(h, name) };
	if (d->dir >= 0)
		return VG_OK;
	snprintf(why, 300, "%.200s/%s: %s", h->path, name, strerror(errno));
	return VG_E_SYS;
}

vg_rc
vg_house_open(struct vg_house *h, const char *path, bool make, char why[300])
{
	vg_rc rc;

	*h = (struct vg_house){ .dir = -1, .lock = -1 };
	snprintf(h->path, sizeof(h->path), "%s", path);
	if (make && mkdir(path, 0700) == 0)
		h->fresh = true;
	h->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->dir < 0) {
		snprintf(why, 300, "%.200s: %s%s", path, strerror(errno), errno == ENOENT && !make ? " (--state says where the watch keeps its state)" : "");
		return errno == ENOENT ? VG_E_NOTFOUND : VG_E_SYS;
	}
	if (!make && faccessat(h->dir, "vault", F_OK, 0) < 0) {
		snprintf(why, 300, "%.200s: no watch keeps its state there (--state says where)", path);
		vg_house_close(h);
		return VG_E_NOTFOUND;
	}
	rc = vg_format_check(&(struct vg_disk){ .dir = h->dir, .read_only = true }, path, "state", VG_STATE_VERSION, why);
	if (rc == VG_E_REFUSED && !make) /* a witness's copy is read by the same commands */
		rc = vg_format_check(&(struct vg_disk){ .dir = h->dir, .read_only = true }, path, "witness", VG_WITNESS_VERSION, why);
	if (rc != VG_OK) {
		vg_house_close(h);
		return rc;
	}
	if (gethostname(h->host, sizeof(h->host) - 1) < 0 || h->host[0] == 0)
		snprintf(h->host, sizeof(h->host), "localhost");
	return VG_OK;
}

vg_rc
vg_house_lock(struct vg_house *h, char why[300])
{
	h->lock = openat(h->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (h->lock >= 0 && flock(h->lock, LOCK_EX | LOCK_NB) == 0) {
		vg_rc rc = vg_format_write(&(struct vg_disk){ .dir = h->dir }, "state", VG_STATE_VERSION);

		if (rc != VG_OK)
			snprintf(why, 300, "%.200s/" VG_FORMAT_FILE ": %s", h->path, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
		return rc;
	}
	snprintf(why, 300, "%.200s: %s", h->path, errno == EWOULDBLOCK ? "another watch runs on it" : strerror(errno));
	return errno == EWOULDBLOCK ? VG_E_REFUSED : VG_E_SYS;
}

void
vg_house_close(struct vg_house *h)
{
	if (h->lock >= 0)
		close(h->lock);
	if (h->dir >= 0)
		close(h->dir);
	h->lock = h->dir = -1;
}

/* 32 bytes of @name, made at random when they are not there. */
static vg_rc
secret(struct vg_disk *d, const char *name, bool make, uint8_t out[32], bool *made)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_disk_slurp(d, name, 32, &b);

	*made = false;
	if (rc == VG_OK && b.n == 32) {
		memcpy(out, b.p, 32);
	} else if (rc == VG_E_NOTFOUND && make) {
		randombytes_buf(out, 32);
		rc = vg_disk_replace(d, name, vg_str_mem(out, 32));
		*made = rc == VG_OK;
	} else if (rc == VG_OK) {
		rc = VG_E_FORMAT;
	}
	if (b.p)
		sodium_memzero(b.p, b.cap);
	vg_buf_fini(&b);
	return rc;
}

/* The name that the log was begun under: it does not change with the host's. */
static vg_rc
node_name(struct vg_house *h, struct vg_disk *d, const struct vg_settings *s)
{
	struct vg_buf b = { 0 };
	vg_str name = s->node.name;
	vg_rc rc = vg_disk_slurp(d, "node", 64, &b);

	if (rc == VG_OK) {
		snprintf(h->node, sizeof(h->node), "%.*s", VG_STR_ARG(vg_buf_str(&b)));
	} else if (rc == VG_E_NOTFOUND) {
		if (name.n)
			snprintf(h->node, sizeof(h->node), "%.*s", VG_STR_ARG(vg_str_cut(name, 60)));
		else
			snprintf(h->node, sizeof(h->node), "vigie.%.50s", h->host);
		rc = vg_disk_replace(d, "node", vg_str_of(h->node));
	}
	vg_buf_fini(&b);
	return rc;
}

vg_rc
vg_house_keys(struct vg_house *h, const struct vg_settings *s, char why[300])
{
	struct vg_note_secret log;
	struct vg_disk d;
	uint8_t seed[32];
	bool made;
	vg_rc rc;

	if (sodium_init() < 0)
		return VG_E_SYS;
	if ((rc = folder(h, "seal", &d, why)) != VG_OK)
		return rc;
	if ((rc = node_name(h, &d, s)) == VG_OK && (rc = secret(&d, "log.secret", true, seed, &made)) == VG_OK &&
	    (rc = vg_note_key_of_seed(vg_str_of(h->node), seed, &log)) == VG_OK) {
		h->log = log.key;
		vg_note_secret_fini(&log);
	} else {
		snprintf(why, 300, "%.200s/seal: the log's key: %s", h->path, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	}
	sodium_memzero(seed, sizeof(seed));
	vg_disk_close(&d);
	return rc;
}

/* The recovery key that a new tenant is sealed for: the one that the settings name, whose secret half was never here; else this watch's own. */
static vg_rc
recovery_of(struct vg_disk *keys, vg_str named, struct vg_note_key *out)
{
	struct vg_note_secret signer;
	uint8_t recovery[32];
	bool made;
	vg_rc rc;

	if (named.n)
		return vg_note_key_parse(named, out);
	if ((rc = secret(keys, "recovery.secret", true, recovery, &made)) == VG_OK && (rc = vg_recovery_signer(recovery, &signer)) == VG_OK) {
		*out = signer.key;
		vg_note_secret_fini(&signer);
	}
	sodium_memzero(recovery, sizeof(recovery));
	return rc;
}

/* The tenant's key sealed for the recovery key, beside the evidence: whoever holds the recovery key can read every copy. */
static vg_rc
seal_for_recovery(struct vg_house *h, struct vg_disk *keys, const char *tenant, vg_str named, const uint8_t key[32])
{
	struct vg_disk vault = { .dir = -1 }, t = { .dir = -1 }, tk = { .dir = -1 };
	struct vg_buf b = { 0 }, pub = { 0 };
	struct vg_note_key recovery;
	uint8_t public[32];
	vg_rc rc;

	if ((rc = recovery_of(keys, named, &recovery)) != VG_OK || (rc = vg_recovery_public(&recovery, public)) != VG_OK)
		return rc;
	vault.dir = vg_house_folder(h, "vault");
	vg_note_key_print(&recovery, &pub);
	vg_buf_putc(&pub, '\n');
	rc = vault.dir < 0 ? VG_E_SYS : pub.rc;
	if (rc == VG_OK && (rc = vg_disk_folder(&vault, tenant, &t)) == VG_OK && (rc = vg_disk_folder(&t, "keys", &tk)) == VG_OK &&
	    (rc = vg_tenant_key_seal(key, public, &b)) == VG_OK && (rc = vg_disk_replace(&tk, VG_KEY_RECOVERY, vg_buf_str(&pub))) == VG_OK)
		rc = vg_disk_replace(&tk, VG_KEY_SEALED, vg_buf_str(&b));
	vg_buf_fini(&b);
	vg_buf_fini(&pub);
	vg_disk_close(&tk);
	vg_disk_close(&t);
	vg_disk_close(&vault);
	return rc;
}

/* @recovery: which the settings name, when it may be made. */
static vg_rc
tenant_key(struct vg_house *h, const char *tenant, bool make, vg_str recovery, uint8_t out[32])
{
	struct vg_disk d = { .dir = make ? vg_house_folder(h, "keys") : openat(h->dir, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), .read_only = !make };
	char name[VG_DISK_NAME_MAX];
	bool made;
	vg_rc rc;

	if (d.dir < 0 || sodium_init() < 0)
		return VG_E_SYS;
	snprintf(name, sizeof(name), "%.48s.key", tenant);
	rc = secret(&d, name, make, out, &made);
	if (rc == VG_OK && made)
		rc = seal_for_recovery(h, &d, tenant, recovery, out);
	vg_disk_close(&d);
	return rc;
}

vg_rc
vg_house_read_key(struct vg_house *h, const char *tenant, uint8_t out[32])
{
	return tenant_key(h, tenant, false, VG_NIL, out);
}

vg_rc
vg_house_recovery(struct vg_house *h, const char *tenant, struct vg_buf *out)
{
	struct vg_disk d = { .dir = h->dir, .read_only = true }, vault = { .dir = -1 }, t = { .dir = -1 }, keys = { .dir = -1 };
	struct vg_buf pub = { 0 }, sealed = { 0 };
	struct vg_note_key k;
	vg_rc rc;

	if ((rc = vg_disk_folder(&d, "vault", &vault)) == VG_OK && (rc = vg_disk_folder(&vault, tenant, &t)) == VG_OK && (rc = vg_disk_folder(&t, "keys", &keys)) == VG_OK &&
	    (rc = vg_disk_slurp(&keys, VG_KEY_RECOVERY, 4096, &pub)) == VG_OK && (rc = vg_disk_slurp(&keys, VG_KEY_SEALED, 4096, &sealed)) == VG_OK &&
	    (rc = vg_tenant_sealed_check(vg_buf_str(&sealed))) == VG_OK)
		rc = vg_note_key_parse(vg_str_trim(vg_buf_str(&pub)), &k) == VG_OK && vg_recovery_is(&k, (const uint8_t *)sealed.p + 8) ? VG_OK : VG_E_REFUSED;
	if (rc == VG_OK) {
		vg_buf_put(out, vg_str_trim(vg_buf_str(&pub)));
		rc = out->rc;
	}
	vg_buf_fini(&pub);
	vg_buf_fini(&sealed);
	vg_disk_close(&keys);
	vg_disk_close(&t);
	vg_disk_close(&vault);
	return rc;
}

/* Is the tenant's key sealed for the recovery key already?  Then another one must not take its place. */
static bool
is_sealed(struct vg_house *h, const char *tenant)
{
	char path[200];

	snprintf(path, sizeof(path), "vault/%.64s/keys/" VG_KEY_SEALED, tenant);
	return faccessat(h->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

vg_rc
vg_house_tenant_key(struct vg_house *h, const struct vg_tenant *t, struct vg_buf *hex, char why[300])
{
	char tenant[VG_SETTINGS_NAME_MAX + 1];
	uint8_t key[32];
	vg_rc rc;

	snprintf(tenant, sizeof(tenant), "%.*s", VG_STR_ARG(t->name));
	rc = tenant_key(h, tenant, !is_sealed(h, tenant), t->recovery_key, key);
	if (rc == VG_OK) {
		vg_buf_hex(hex, key, sizeof(key), false);
		rc = hex->rc;
	} else if (rc == VG_E_NOTFOUND) {
		snprintf(why, 300, "the key of tenant %.40s is not there, but sealed for the recovery key (`vigie vault restore --recovery-key`)", tenant);
	} else {
		snprintf(why, 300, "%.200s/keys: the key of tenant %.40s: %s", h->path, tenant, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	}
	sodium_memzero(key, sizeof(key));
	return rc;
}

static vg_rc
check_recovery(struct vg_house *h, const struct vg_tenant *t, char why[300])
{
	struct vg_disk d = { .dir = h->dir, .read_only = true };
	struct vg_buf sealed = { 0 };
	vg_str name = vg_str_cut(t->name, VG_SETTINGS_NAME_MAX);
	struct vg_note_key k;
	char path[200];
	vg_rc rc;

	snprintf(path, sizeof(path), "vault/%.*s/keys/" VG_KEY_SEALED, VG_STR_ARG(name));
	if ((rc = vg_disk_slurp(&d, path, VG_TENANT_SEALED_BYTES, &sealed)) == VG_OK && (rc = vg_tenant_sealed_check(vg_buf_str(&sealed))) == VG_OK &&
	    (rc = vg_note_key_parse(t->recovery_key, &k)) == VG_OK && !vg_recovery_is(&k, (const uint8_t *)sealed.p + 8))
		rc = VG_E_REFUSED;
	vg_buf_fini(&sealed);
	if (rc == VG_E_REFUSED)
		snprintf(why, 300, "tenants.%.*s.recovery-key: its records are sealed for another key already, and stay so; allowed: none, or what is in vault/%.*s/keys/" VG_KEY_RECOVERY,
			 VG_STR_ARG(name), VG_STR_ARG(name));
	else if (rc != VG_OK && rc != VG_E_NOTFOUND)
		snprintf(why, 300, "%.120s/%.100s: %.60s", h->path, path, rc == VG_E_SYS ? strerror(errno) : "it is damaged");
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

vg_rc
vg_house_check_recovery(struct vg_house *h, const struct vg_settings *s, char why[300])
{
	vg_rc rc = VG_OK;

	for (size_t i = 0; i < s->tenants.n && rc == VG_OK; i++)
		if (s->tenants.item[i].recovery_key.n)
			rc = check_recovery(h, &s->tenants.item[i], why);
	return rc;
}

vg_rc
vg_house_tls(struct vg_house *h, struct vg_buf *cert, struct vg_buf *key, char why[300])
{
	struct vg_disk d;
	vg_rc rc;

	if ((rc = folder(h, "tls", &d, why)) != VG_OK)
		return rc;
	if ((rc = vg_disk_slurp(&d, "cert.pem", FILE_MAX, cert)) == VG_E_NOTFOUND) {
		rc = vg_tls_selfsigned(vg_str_of(h->host), CERT_DAYS, cert, key);
		if (rc == VG_OK && (rc = vg_disk_replace(&d, "key.pem", vg_buf_str(key))) == VG_OK)
			rc = vg_disk_replace(&d, "cert.pem", vg_buf_str(cert));
	} else if (rc == VG_OK) {
		rc = vg_disk_slurp(&d, "key.pem", FILE_MAX, key);
	}
	if (rc != VG_OK)
		snprintf(why, 300, "%.200s/tls: %s", h->path, rc == VG_E_SYS ? strerror(errno) : vg_rc_name(rc));
	vg_disk_close(&d);
	return rc;
}

vg_rc
vg_house_read(const char *path, struct vg_buf *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t k = -1;

	if (fd < 0)
		return VG_E_SYS;
	if (fstat(fd, &st) < 0 || (size_t)st.st_size > FILE_MAX || !vg_buf_reserve(out, (size_t)st.st_size + 1)) {
		close(fd);
		return VG_E_LIMIT;
	}
	while ((k = read(fd, out->p + out->n, out->cap - out->n)) > 0)
		out->n += (size_t)k;
	close(fd);
	return k < 0 ? VG_E_SYS : VG_OK;
}

struct nexts {
	struct vg_disk *vault;
	uint64_t next;
};

static vg_rc
on_tenant_of_vault(void *ctx, const char *name)
{
	struct nexts *x = ctx;
	struct vg_disk t = { .read_only = true };
	struct vg_buf note = { 0 };
	struct vg_checkpoint c;
	vg_str text;
	vg_rc rc;

	t.dir = openat(x->vault->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (name[0] == '.' || t.dir < 0) {
		vg_disk_close(&t);
		return VG_OK; /* a file */
	}
	rc = vg_disk_slurp(&t, VG_CHECKPOINT_FILE, VG_NOTE_BYTES_MAX, &note);
	if (rc == VG_OK && (rc = vg_note_text(vg_buf_str(&note), &text)) == VG_OK && (rc = vg_checkpoint_parse(text, &c)) == VG_OK && c.seq > x->next)
		x->next = c.seq;
	vg_buf_fini(&note);
	vg_disk_close(&t);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

vg_rc
vg_house_vault_next(struct vg_house *h, uint64_t *out)
{
	struct vg_disk vault = { .dir = openat(h->dir, "vault", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), .read_only = true };
	struct nexts x = { &vault, 1 };
	vg_rc rc = vault.dir < 0 ? VG_OK : vg_disk_each(&vault, "", on_tenant_of_vault, &x);

	vg_disk_close(&vault);
	*out = x.next;
	return rc;
}
