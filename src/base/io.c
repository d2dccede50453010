#include "base/io.h"

#include <errno.h>
#include <unistd.h>

/* @at: UINT64_MAX, where the file stands. */
static vg_rc
put_all(int fd, vg_str bytes, uint64_t at)
{
	while (bytes.n) {
		ssize_t n = at == UINT64_MAX ? write(fd, bytes.p, bytes.n) : pwrite(fd, bytes.p, bytes.n, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return VG_E_SYS;
		bytes = vg_str_skip(bytes, (size_t)n);
		at += at == UINT64_MAX ? 0 : (uint64_t)n;
	}
	return VG_OK;
}

vg_rc
vg_write_all(int fd, vg_str bytes)
{
	return put_all(fd, bytes, UINT64_MAX);
}

vg_rc
vg_pwrite_all(int fd, vg_str bytes, uint64_t at)
{
	return put_all(fd, bytes, at);
}
