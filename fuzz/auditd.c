/* Any bytes as an audit.log: every event was a line. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_reader(&(struct fuzz_reader){ .by_lines = true }, "auditd", data, size);
	return 0;
}
