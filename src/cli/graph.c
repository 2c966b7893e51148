/*
 * cli/graph: first the order, then the columns, line by line.
 *
 * Order: of the nodes whose parents are all drawn, the one that became ready last goes next, so
 * that a branch is followed to its end before the next begins.
 */
#include "cli/graph.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define NOBODY UINT32_MAX

/* Which of its four sides a cell of the drawing is joined on. */
enum {
	UP = 1,
	DOWN = 2,
	LEFT = 4,
	RIGHT = 8,
};

static const char *const lines_utf8[16] = {
    " ", "╵", "╷", "│", "╴", "╯", "╮", "┤", "╶", "╰", "╭", "├", "─", "┴", "┬", "┼"};
static const char *const lines_ascii[16] = {
    " ", "'", ".", "|", "-", "'", ".", "|", "-", "`", ".", "|", "-", "+", "+", "+"};

struct graph {
	const struct graph_node *nodes;
	size_t count;
	const char *const *lines;
	uint32_t *waiting;		   /* parents that are not drawn yet */
	uint32_t *children;		   /* that are not drawn yet */
	uint32_t *column;		   /* of a node that has one */
	uint32_t owner[GRAPH_COLUMNS_MAX]; /* of a column: its node */
	bool wide;			   /* it does not fit */
};

static bool
graph_order(struct graph *graph, struct graph_row *rows)
{
	uint32_t *stack = mem_array(graph->count + 1, sizeof(*stack));
	size_t depth = 0, drawn = 0;
	for (size_t i = graph->count; i-- > 0;) {
		if (graph->waiting[i] == 0)
			stack[depth++] = (uint32_t)i;
	}
	while (depth > 0) {
		uint32_t node = stack[--depth];
		rows[drawn++].node = node;
		for (size_t i = graph->count; i-- > 0;) {
			for (size_t p = 0; p < graph->nodes[i].parent_count; p++) {
				if (graph->nodes[i].parents[p] == node && --graph->waiting[i] == 0)
					stack[depth++] = (uint32_t)i;
			}
		}
	}
	mem_free(stack);
	return drawn == graph->count;
}

/* A parent's column that ends here, else the first free one. */
static uint32_t
column_for(struct graph *graph, const struct graph_node *node)
{
	uint32_t best = NOBODY;
	for (size_t p = 0; p < node->parent_count; p++) {
		uint32_t parent = node->parents[p];
		if (graph->children[parent] == 0 && graph->column[parent] < best)
			best = graph->column[parent];
	}
	for (uint32_t c = 0; c < GRAPH_COLUMNS_MAX && best == NOBODY; c++) {
		if (graph->owner[c] == NOBODY)
			best = c;
	}
	return best;
}

static bool
is_parent(const struct graph_node *node, uint32_t other)
{
	for (size_t p = 0; p < node->parent_count; p++) {
		if (node->parents[p] == other)
			return true;
	}
	return false;
}

/* One line: the node's mark in its column, joined with its parents' columns. */
static void
row_draw(struct graph *graph, struct graph_row *row, uint32_t own, uint32_t first, uint32_t last)
{
	const struct graph_node *node = &graph->nodes[row->node];
	uint32_t end = last;
	char *at = row->art;
	for (uint32_t c = last; c < GRAPH_COLUMNS_MAX; c++) {
		if (graph->owner[c] != NOBODY)
			end = c;
	}
	for (uint32_t c = 0; c <= end; c++) {
		uint32_t owner = graph->owner[c];
		unsigned sides =
		    (c > first && c <= last ? LEFT : 0u) | (c >= first && c < last ? RIGHT : 0u);
		if (owner != NOBODY)
			sides |= UP | (graph->children[owner] != 0 ? DOWN : 0u);
		if (owner != NOBODY && !is_parent(node, owner) && sides != (UP | DOWN))
			sides = UP | DOWN | LEFT | RIGHT; /* a line passes behind it */
		const char *cell = c == own ? node->mark : graph->lines[sides];
		at = stpcpy(at, cell);
		at = stpcpy(at, c >= first && c < last ? graph->lines[LEFT | RIGHT] : " ");
	}
	row->width = 2 * (end + 1);
}

static void
row_place(struct graph *graph, struct graph_row *row)
{
	const struct graph_node *node = &graph->nodes[row->node];
	for (size_t p = 0; p < node->parent_count; p++)
		graph->children[node->parents[p]]--;
	uint32_t own = column_for(graph, node), first = own, last = own;
	graph->wide = graph->wide || own == NOBODY;
	if (graph->wide)
		return;
	for (size_t p = 0; p < node->parent_count; p++) {
		uint32_t column = graph->column[node->parents[p]];
		first = column < first ? column : first;
		last = column > last ? column : last;
	}
	row_draw(graph, row, own, first, last);
	for (uint32_t c = 0; c < GRAPH_COLUMNS_MAX; c++) {
		if (graph->owner[c] != NOBODY && graph->children[graph->owner[c]] == 0)
			graph->owner[c] = NOBODY;
	}
	if (graph->children[row->node] != 0)
		graph->owner[own] = row->node;
	graph->column[row->node] = own;
}

static void
graph_count(struct graph *graph)
{
	for (size_t i = 0; i < graph->count; i++) {
		graph->waiting[i] = (uint32_t)graph->nodes[i].parent_count;
		for (size_t p = 0; p < graph->nodes[i].parent_count; p++)
			graph->children[graph->nodes[i].parents[p]]++;
	}
	for (uint32_t c = 0; c < GRAPH_COLUMNS_MAX; c++)
		graph->owner[c] = NOBODY;
}

struct graph_row *
graph_draw(const struct graph_node *nodes, size_t count, bool utf8)
{
	struct graph graph = {
	    .nodes = nodes,
	    .count = count,
	    .lines = utf8 ? lines_utf8 : lines_ascii,
	    .waiting = mem_array(count + 1, sizeof(uint32_t)),
	    .children = mem_array(count + 1, sizeof(uint32_t)),
	    .column = mem_array(count + 1, sizeof(uint32_t)),
	};
	struct graph_row *rows = mem_array(count + 1, sizeof(*rows));
	graph_count(&graph);
	bool ordered = graph_order(&graph, rows);
	for (size_t i = 0; i < count && ordered; i++)
		row_place(&graph, &rows[i]);
	for (size_t i = 0; i < count && graph.wide; i++) {
		snprintf(rows[i].art, sizeof(rows[i].art), "%s ", nodes[rows[i].node].mark);
		rows[i].width = 2;
	}
	mem_free(graph.waiting);
	mem_free(graph.children);
	mem_free(graph.column);
	if (ordered)
		return rows;
	mem_free(rows);
	return NULL;
}

void
graph_free(struct graph_row *rows)
{
	mem_free(rows);
}
