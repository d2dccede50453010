/* fuzz/replay.c - in place of libFuzzer: run a target over the files of the folders given, once each.  A failed assertion is a
 * crash; a folder without a file is a failure, since it would test nothing. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t n = 0, k;

	if (f == NULL)
		return -1;
	do { /* one block of exactly the input, so that a read past its end is seen */
		uint8_t *p = realloc(data, n + 65536);

		if (p == NULL)
			abort();
		data = p;
		n += k = fread(data + n, 1, 65536, f);
	} while (k);
	fclose(f);
	if (n) {
		uint8_t *p = realloc(data, n);

		data = p ? p : data;
	}
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;
		unsigned n = 0;

		while (d && (e = readdir(d)) != NULL) {
			char path[4096];

			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			if (replay(path) < 0) {
				perror(path);
				return 1;
			}
			n++;
		}
		if (d)
			closedir(d);
		if (n == 0) {
			fprintf(stderr, "%s: no seeds\n", argv[i]);
			return 1;
		}
		printf("%s: %u seeds\n", argv[i], n);
	}
	return 0;
}
