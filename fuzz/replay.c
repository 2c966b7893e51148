/*
 * Replays a corpus without libFuzzer: each file of the directories named is one input, in a copy of
 * exactly its size. A fault ends the process, naming the input. Ends with "N passed, N failed".
 */
#include "fuzz/feed.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool
replay_file(const char *path)
{
	struct stat status;
	FILE *file = fopen(path, "rb");
	if (file == NULL || fstat(fileno(file), &status) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	size_t size = (size_t)status.st_size;
	uint8_t *data = malloc(size > 0 ? size : 1);
	bool whole = data != NULL && fread(data, 1, size, file) == size;
	fclose(file);
	if (whole) {
		fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
		LLVMFuzzerTestOneInput(data, size);
	}
	free(data);
	return whole;
}

static void
replay_folder(const char *folder, unsigned *passed, unsigned *failed)
{
	struct dirent **names;
	int count = scandir(folder, &names, NULL, alphasort);
	if (count < 0) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		++*failed;
		return;
	}
	for (int i = 0; i < count; i++) {
		char path[4096];
		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
			++*(replay_file(path) ? passed : failed);
		}
		free(names[i]);
	}
	free(names);
}

int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;
	for (int i = 1; i < argc; i++)
		replay_folder(argv[i], &passed, &failed);
	if (passed == 0)
		failed++; /* a corpus that is not there proves nothing */
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
