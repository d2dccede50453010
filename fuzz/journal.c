/* Any bytes as a journal, a file or an export. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_reader(&(struct fuzz_reader){ 0 }, "journal", data, size);
	return 0;
}
