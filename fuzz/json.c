/* Any bytes as JSON, in one document and in lines. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_reader(&(struct fuzz_reader){ 0 }, "json", data, size);
	fuzz_reader(&(struct fuzz_reader){ 0 }, "jsonl", data, size);
	return 0;
}
