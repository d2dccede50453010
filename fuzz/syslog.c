/* Any bytes as a syslog file: every event lies in the input, in order, and nothing is lost between lines and notes. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_reader(&(struct fuzz_reader){ .by_lines = true, .in_order = true, .ref_ns = INT64_C(1775000000) * VG_SEC }, "syslog", data, size);
	return 0;
}
