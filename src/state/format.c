#include "state/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vault/merkle.h"

#define LINE_MAX_BYTES 64

static void
put_line(struct vg_buf *b, vg_str what, uint64_t version)
{
	struct vg_hash h;

	vg_buf_printf(b, "vigie %.*s %llu", VG_STR_ARG(what), (unsigned long long)version);
	vg_hash_of(vg_buf_str(b), &h);
	vg_buf_putc(b, ' ');
	vg_buf_hex(b, h.b, 4, false);
	vg_buf_putc(b, '\n');
}

/* Written in the one way: what it says, written again, is the same. */
static bool
take_line(vg_str line, vg_str *what, uint64_t *version)
{
	vg_str rest = line, vigie, number;
	struct vg_buf again = { 0 };
	bool ok = vg_str_split(&rest, ' ', &vigie) && vg_str_split(&rest, ' ', what) && vg_str_split(&rest, ' ', &number) && vg_str_all_digits(number) &&
		  vg_str_u64(number, version) && *version > 0;

	if (ok)
		put_line(&again, *what, *version);
	ok = ok && again.rc == VG_OK && vg_str_eq(vg_buf_str(&again), line);
	vg_buf_fini(&again);
	return ok;
}

vg_rc
vg_format_check(struct vg_disk *d, const char *path, const char *what, unsigned known, char why[300])
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_disk_slurp(d, VG_FORMAT_FILE, LINE_MAX_BYTES, &b);
	uint64_t version;
	vg_str is;

	if (rc == VG_OK && !take_line(vg_buf_str(&b), &is, &version))
		rc = VG_E_FORMAT;
	if (rc == VG_E_FORMAT || rc == VG_E_LIMIT) {
		snprintf(why, 300, "%.200s/" VG_FORMAT_FILE ": is damaged; what wrote the folder is not known", path);
		rc = VG_E_FORMAT;
	} else if (rc == VG_OK && !vg_str_eq(is, vg_str_of(what))) {
		snprintf(why, 300, "%.180s: is the folder of a %.*s, not of a %s", path, (int)(is.n > 20 ? 20 : is.n), is.p, what);
		rc = VG_E_REFUSED;
	} else if (rc == VG_OK && version > known) {
		snprintf(why, 300, "%.100s: its files are of format %llu, of a later Vigie; this one (" VIGIE_VERSION ") knows up to %u: install the one that wrote "
				   "them, or a later one; nothing was changed", path, (unsigned long long)version, known);
		rc = VG_E_UNSUP;
	} else if (rc == VG_E_SYS) {
		snprintf(why, 300, "%.180s/" VG_FORMAT_FILE ": %s", path, strerror(errno));
	}
	vg_buf_fini(&b);
	return rc == VG_E_NOTFOUND ? VG_OK : rc;
}

vg_rc
vg_format_write(struct vg_disk *d, const char *what, unsigned version)
{
	struct vg_buf b = { 0 };
	vg_rc rc = vg_disk_slurp(d, VG_FORMAT_FILE, LINE_MAX_BYTES, &b);

	if (rc == VG_E_NOTFOUND) {
		vg_buf_clear(&b);
		put_line(&b, vg_str_of(what), version);
		rc = b.rc != VG_OK ? b.rc : vg_disk_replace(d, VG_FORMAT_FILE, vg_buf_str(&b));
	}
	vg_buf_fini(&b);
	return rc;
}
