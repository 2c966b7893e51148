/*
 * cli/graph: a DAG drawn in lines of text, one a node, parents above their children.
 *
 * Purpose     What `git log --graph` does for commits: a node that still has children to come
 *             keeps a column; a line joins the columns of its parents with its own.
 *                 o         load
 *                 |-o       left
 *                 o |       right
 *                 o-'       join
 * Bound       GRAPH_COLUMNS_MAX columns; a wider graph is a list without lines.
 * Ownership   graph_draw() returns memory that graph_free() frees.
 * Threading   none.
 */
#ifndef CLI_GRAPH_H
#define CLI_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPH_COLUMNS_MAX 16u
/* A column and the gap behind it, each at most three bytes of UTF-8. */
#define GRAPH_ART_BYTES (GRAPH_COLUMNS_MAX * 6u + 1u)

struct graph_node {
	const uint32_t *parents; /* indices */
	size_t parent_count;
	const char *mark; /* one column wide: what stands for the node */
};

struct graph_row {
	uint32_t node;
	uint32_t width; /* columns of `art` on the screen */
	char art[GRAPH_ART_BYTES];
};

/* `count` rows; NULL: the parents make a cycle. */
struct graph_row *graph_draw(const struct graph_node *nodes, size_t count, bool utf8);
void graph_free(struct graph_row *rows);

#endif
