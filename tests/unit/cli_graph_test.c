/* cli/graph: shapes of DAGs, as they are drawn. */
#include "cli/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES_MAX 64u

struct shape {
	struct graph_node nodes[NODES_MAX];
	uint32_t parents[NODES_MAX][NODES_MAX];
	size_t count;
};

/* A node after the others; parents as a list that ends with -1. */
static void
node(struct shape *shape, const int *parents)
{
	size_t i = shape->count++, n = 0;
	for (; parents[n] >= 0; n++)
		shape->parents[i][n] = (uint32_t)parents[n];
	shape->nodes[i] = (struct graph_node){shape->parents[i], n, "o"};
}
#define NODE(shape, ...) node(shape, (const int[]){__VA_ARGS__})

static void
expect(const struct shape *shape, bool utf8, const char *picture)
{
	char drawn[4096] = "";
	struct graph_row *rows = graph_draw(shape->nodes, shape->count, utf8);
	assert_non_null(rows);
	for (size_t i = 0; i < shape->count; i++) {
		size_t size = strlen(drawn);
		snprintf(drawn + size, sizeof(drawn) - size, "%s%u\n", rows[i].art, rows[i].node);
	}
	graph_free(rows);
	assert_string_equal(drawn, picture);
}

static void
test_graph__a_chain(void **state)
{
	struct shape shape = {0};
	(void)state;
	NODE(&shape, -1);
	NODE(&shape, 0, -1);
	NODE(&shape, 1, -1);
	expect(&shape, true, "o 0\no 1\no 2\n");
}

static void
test_graph__a_diamond(void **state)
{
	struct shape shape = {0};
	(void)state;
	NODE(&shape, -1);
	NODE(&shape, 0, -1);
	NODE(&shape, 0, -1);
	NODE(&shape, 1, 2, -1);
	expect(&shape, true, "o 0\n├─o 1\no │ 2\no─╯ 3\n");
	expect(&shape, false, "o 0\n|-o 1\no | 2\no-' 3\n");
}

static void
test_graph__a_fan(void **state)
{
	struct shape shape = {0};
	(void)state;
	NODE(&shape, -1);
	NODE(&shape, 0, -1);
	NODE(&shape, 0, -1);
	NODE(&shape, 0, -1);
	expect(&shape, true, "o 0\n├─o 1\n├─o 2\no 3\n");
}

static void
test_graph__a_line_passes_behind(void **state)
{
	struct shape shape = {0};
	(void)state;
	NODE(&shape, -1);
	NODE(&shape, -1);
	NODE(&shape, -1);
	NODE(&shape, 0, 2, -1);
	NODE(&shape, 1, -1);
	expect(&shape, true, "o 0\n│ o 1\n│ o 4\n│ o 2\no─╯ 3\n");
	struct shape crossed = {0};
	NODE(&crossed, -1);
	NODE(&crossed, -1);
	NODE(&crossed, -1);
	NODE(&crossed, 0, 2, -1);
	NODE(&crossed, 1, 3, -1);
	expect(&crossed, true, "o 0\n│ o 1\n│ │ o 2\no─┼─╯ 3\no─╯ 4\n");
}

/* Every order is a topological one, whatever the DAG, and what is too wide has no lines. */
static void
test_graph__random(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 500; round++) {
		struct shape shape = {0};
		size_t count = (size_t)(rand() % (int)NODES_MAX) + 1;
		bool seen[NODES_MAX] = {false};
		for (size_t i = 0; i < count; i++) {
			int parents[NODES_MAX + 1], n = 0;
			for (size_t p = 0; p < i; p++) {
				if (rand() % 8 == 0)
					parents[n++] = (int)p;
			}
			parents[n] = -1;
			node(&shape, parents);
		}
		struct graph_row *rows = graph_draw(shape.nodes, count, true);
		assert_non_null(rows);
		for (size_t i = 0; i < count; i++) {
			const struct graph_node *drawn = &shape.nodes[rows[i].node];
			for (size_t p = 0; p < drawn->parent_count; p++)
				assert_true(seen[drawn->parents[p]]);
			assert_false(seen[rows[i].node]);
			seen[rows[i].node] = true;
			assert_true(strlen(rows[i].art) < GRAPH_ART_BYTES);
			assert_non_null(strchr(rows[i].art, 'o'));
		}
		graph_free(rows);
	}
}

static void
test_graph__a_cycle_is_refused(void **state)
{
	struct shape shape = {0};
	(void)state;
	NODE(&shape, 1, -1);
	NODE(&shape, 0, -1);
	assert_null(graph_draw(shape.nodes, shape.count, true));
	struct graph_row *rows = graph_draw(NULL, 0, true);
	assert_non_null(rows);
	graph_free(rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_graph__a_chain),
	    cmocka_unit_test(test_graph__a_diamond),
	    cmocka_unit_test(test_graph__a_fan),
	    cmocka_unit_test(test_graph__a_line_passes_behind),
	    cmocka_unit_test(test_graph__random),
	    cmocka_unit_test(test_graph__a_cycle_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
