/* Any bytes as wtmp and as btmp. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_reader(&(struct fuzz_reader){ .name = "wtmp" }, "utmp", data, size);
	fuzz_reader(&(struct fuzz_reader){ .name = "btmp" }, "utmp", data, size);
	return 0;
}
