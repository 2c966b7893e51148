/*
 * tests/rot/tree: the files of a directory, in memory.
 *
 * Purpose     A store is read once and written out again for each case, with one thing wrong.
 * Ownership   tree_free frees what tree_read read. Sockets and the like are left out.
 */
#ifndef ROT_TREE_H
#define ROT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree_file {
	char path[256]; /* below the directory */
	bool directory;
	unsigned mode;
	uint8_t *data;
	size_t size;
};

struct tree {
	struct tree_file *files; /* directories before what is in them */
	size_t count;
	size_t room;
	size_t bytes;
};

bool tree_read(struct tree *tree, const char *dir); /* false: errno */
void tree_free(struct tree *tree);

/* `dir` holds exactly the tree afterwards. `instead`: of file `index`, with other contents; data
 * NULL: it is missing. */
bool tree_write(
    const struct tree *tree, const char *dir, size_t index, const struct tree_file *instead);
void tree_remove(const char *dir);

#endif
