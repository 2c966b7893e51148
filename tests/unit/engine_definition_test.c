/*
 * Definitions: every fault is found, all at once, at its path, in a bounded time; good ones become
 * versions.
 */
#include "engine_driver.h"

#include "froe/limits.h"

#include <math.h>
#include <time.h>

struct checked {
	struct arena arena;
	struct workflow workflow;
	struct eng_fault faults[ENG_FAULTS_MAX];
	size_t count;
};

static void
checked_open(struct checked *checked, const char *line)
{
	memset(checked, 0, sizeof(*checked));
	arena_init(&checked->arena, 0);
	workflow_parse(&checked->workflow, &checked->arena, "wf", line);
}

static void
checked_run(struct checked *checked)
{
	workflow_encode(&checked->workflow);
	checked->count = eng_definition_check(&checked->workflow.definition, checked->faults);
	for (size_t i = 0; i < checked->count; i++) {
		const struct eng_fault *fault = &checked->faults[i];
		assert_true(fault->text[0] != 0);
		assert_true(utf8_valid(fault->text, strlen(fault->text)));
		assert_true(strlen(fault->field) < sizeof(fault->field));
	}
}

static bool
checked_has(const struct checked *checked, const char *field)
{
	for (size_t i = 0; i < checked->count; i++) {
		if (strcmp(checked->faults[i].field, field) == 0)
			return true;
	}
	return false;
}

/* Exactly one fault, there; then gives everything back. */
static void
expect_fault(struct checked *checked, const char *field)
{
	checked_run(checked);
	assert_int_equal(checked->count, 1);
	assert_string_equal(checked->faults[0].field, field);
	arena_release(&checked->arena);
}

static void
expect_good(struct checked *checked)
{
	checked_run(checked);
	assert_int_equal(checked->count, 0);
	arena_release(&checked->arena);
}

static void
test_definition__good(void **state)
{
	static const char *const lines[] = {"a", "a b", "a b<a", "b<a a", "a b<a c<a d<b,c f!",
	    "f! a", "\xc3\xa4 \xe6\x97\xa5<\xc3\xa4"};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct checked c;
		checked_open(&c, lines[i]);
		expect_good(&c);
	}
}

/* --------------------------------------------------------------------------------- each kind */

static void
test_definition__names(void **state)
{
	static uint8_t longest[FROE_NAME_BYTES_MAX + 1];
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {{"", 0}, {"a b", 3}, {"a\tb", 3}, {"a\0b", 3}, {"\x7f", 1}, {"a\xff", 2},
	    {"\xc3", 1}, {(const char *)longest, sizeof(longest)}};
	(void)state;
	memset(longest, 'n', sizeof(longest));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct checked c;
		checked_open(&c, "a b");
		c.workflow.tasks[1].name = bytes_of(bad[i].bytes, bad[i].size);
		expect_fault(&c, "tasks[1].name");
		checked_open(&c, "a");
		c.workflow.definition.name = bytes_of(bad[i].bytes, bad[i].size);
		expect_fault(&c, "name");
		if (bad[i].size == 0)
			continue;
		checked_open(&c, "a");
		c.workflow.tasks[0].action = bytes_of(bad[i].bytes, bad[i].size);
		expect_fault(&c, "tasks[0].action");
	}
	struct checked c;
	checked_open(&c, "a");
	c.workflow.tasks[0].name = bytes_of(longest, FROE_NAME_BYTES_MAX);
	expect_good(&c);
}

static void
test_definition__graph(void **state)
{
	static const struct {
		const char *line;
		const char *field;
	} bad[] = {
	    {"a b c b", "tasks[3].name"},
	    {"a b<x", "tasks[1].parents[0]"},
	    {"a b c<a,b,a", "tasks[2].parents[2]"},
	    {"a<a", "tasks[0].parents"},
	    {"a f! g!", "tasks[2].on_failure"},
	    {"a f<a!", "tasks[1].parents"},
	    {"a b<f f!", "tasks[1].parents[0]"},
	    {"f!", "tasks"},
	    {"", "tasks"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct checked c;
		checked_open(&c, bad[i].line);
		expect_fault(&c, bad[i].field);
	}
}

static void
test_definition__cycles(void **state)
{
	struct checked c;
	(void)state;
	checked_open(&c, "a b<c,a c<d d<b e<a,d g<a");
	checked_run(&c);
	assert_int_equal(c.count, 4); /* the three on it, and the one behind it */
	assert_true(checked_has(&c, "tasks[1].parents"));
	assert_true(checked_has(&c, "tasks[2].parents"));
	assert_true(checked_has(&c, "tasks[3].parents"));
	assert_true(checked_has(&c, "tasks[4].parents"));
	arena_release(&c.arena);
}

/* One definition, many mistakes: all of them in one answer, a cycle among them. */
static void
test_definition__all_at_once(void **state)
{
	struct checked c;
	(void)state;
	checked_open(&c, "a<b b<a,nobody c c d!");
	c.workflow.definition.priority = 4;
	c.workflow.tasks[0].retries = FROE_TASK_RETRIES_MAX + 1;
	c.workflow.tasks[1].backoff.kind = 77;
	c.workflow.tasks[2].backoff.jitter_percent = 101;
	checked_run(&c);
	assert_true(checked_has(&c, "priority"));
	assert_true(checked_has(&c, "tasks[0].retries"));
	assert_true(checked_has(&c, "tasks[1].parents[1]"));
	assert_true(checked_has(&c, "tasks[1].backoff"));
	assert_true(checked_has(&c, "tasks[2].backoff"));
	assert_true(checked_has(&c, "tasks[3].name"));
	assert_true(checked_has(&c, "tasks[0].parents"));
	assert_true(checked_has(&c, "tasks[1].parents"));
	assert_int_equal(c.count, 8);
	arena_release(&c.arena);
}

static void
test_definition__backoff(void **state)
{
	static const uint64_t rows[FROE_BACKOFF_TABLE_MAX + 1] = {0};
	static const uint64_t forever[] = {UINT64_MAX};
	const uint64_t century_ms = UINT64_C(100) * 366 * 86400 * 1000;
	const struct eng_backoff bad[] = {
	    {.kind = ENG_BACKOFF_TABLE + 1},
	    {.kind = UINT32_MAX},
	    {.kind = ENG_BACKOFF_CONSTANT},
	    {.kind = ENG_BACKOFF_LINEAR},
	    {.kind = ENG_BACKOFF_EXPONENTIAL},
	    {.kind = ENG_BACKOFF_EXPONENTIAL, .initial_ms = 1, .factor = 0.5},
	    {.kind = ENG_BACKOFF_EXPONENTIAL, .initial_ms = 1, .factor = -2},
	    {.kind = ENG_BACKOFF_EXPONENTIAL, .initial_ms = 1, .factor = 1001},
	    {.kind = ENG_BACKOFF_EXPONENTIAL, .initial_ms = 1, .factor = (double)NAN},
	    {.kind = ENG_BACKOFF_CONSTANT, .initial_ms = 1, .jitter_percent = 101},
	    {.kind = ENG_BACKOFF_CONSTANT, .initial_ms = century_ms + 1},
	    {.kind = ENG_BACKOFF_LINEAR, .initial_ms = 1, .max_ms = century_ms + 1},
	    {.kind = ENG_BACKOFF_TABLE},
	    {.kind = ENG_BACKOFF_NONE, .table_ms = rows, .table_count = 1},
	    {.kind = ENG_BACKOFF_TABLE, .table_ms = rows,
	        .table_count = FROE_BACKOFF_TABLE_MAX + 1},
	    {.kind = ENG_BACKOFF_TABLE, .table_ms = forever, .table_count = 1},
	};
	struct checked c;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		checked_open(&c, "x a");
		c.workflow.tasks[1].backoff = bad[i];
		expect_fault(&c, "tasks[1].backoff");
	}
	checked_open(&c, "a");
	c.workflow.tasks[0].backoff = (struct eng_backoff){
	    .kind = ENG_BACKOFF_TABLE,
	    .table_ms = rows,
	    .table_count = FROE_BACKOFF_TABLE_MAX,
	};
	expect_good(&c);
}

static void
test_definition__limits(void **state)
{
	const uint64_t century_ms = UINT64_C(100) * 366 * 86400 * 1000;
	struct checked c;
	(void)state;
	checked_open(&c, "a");
	c.workflow.tasks[0].retries = FROE_TASK_RETRIES_MAX;
	c.workflow.tasks[0].schedule_timeout_ms = century_ms;
	c.workflow.tasks[0].execution_timeout_ms = century_ms;
	c.workflow.definition.run_timeout_ms = century_ms;
	c.workflow.definition.priority = FROE_PRIORITY_MAX;
	expect_good(&c);
	checked_open(&c, "a");
	c.workflow.tasks[0].retries = UINT32_MAX;
	expect_fault(&c, "tasks[0].retries");
	checked_open(&c, "a");
	c.workflow.tasks[0].schedule_timeout_ms = century_ms + 1;
	expect_fault(&c, "tasks[0].schedule_timeout_ms");
	checked_open(&c, "a");
	c.workflow.tasks[0].execution_timeout_ms = UINT64_MAX;
	expect_fault(&c, "tasks[0].execution_timeout_ms");
	checked_open(&c, "a");
	c.workflow.definition.run_timeout_ms = UINT64_MAX;
	expect_fault(&c, "run_timeout_ms");
}

/* --------------------------------------------------------------------------- large and hostile */

/* count tasks named t0.., the first `width` of which all later ones wait for. */
static void
layers_open(struct checked *checked, uint32_t count, uint32_t width)
{
	char name[16];
	memset(checked, 0, sizeof(*checked));
	arena_init(&checked->arena, 0);
	workflow_init(&checked->workflow, &checked->arena, "wf", count);
	struct bytes *names = arena_alloc(&checked->arena, count * sizeof(*names));
	for (uint32_t i = 0; i < count; i++) {
		int size = snprintf(name, sizeof(name), "t%u", i);
		names[i] = text_copy(&checked->arena, name, (size_t)size);
		checked->workflow.tasks[i].name = names[i];
		if (i >= width) {
			checked->workflow.tasks[i].parents = names;
			checked->workflow.tasks[i].parent_count = width;
		}
	}
}

static void
test_definition__thousand_tasks(void **state)
{
	struct checked c;
	(void)state;
	layers_open(&c, FROE_WORKFLOW_TASKS_MAX, 100);
	expect_good(&c);
	layers_open(&c, FROE_WORKFLOW_TASKS_MAX + 1, 1);
	expect_fault(&c, "tasks");
	layers_open(&c, FROE_WORKFLOW_TASKS_MAX, 999);
	expect_good(&c);
}

static double
cpu_ms(void)
{
	struct timespec ts;
	froe_assert(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Processor time: a busy machine does not matter. Sanitizers, and no optimizing, cost much. */
#if defined(FROE_SLOW) || !defined(__OPTIMIZE__)
#define HOSTILE_MS_MAX 1000.0
#else
#define HOSTILE_MS_MAX 100.0
#endif

static void
hostile_run(struct checked *checked, size_t count)
{
	double start = cpu_ms();
	checked->workflow.definition.encoded = bytes_of("x", 1);
	checked->count = eng_definition_check(&checked->workflow.definition, checked->faults);
	double spent = cpu_ms() - start;
	assert_int_equal(checked->count, count);
	if (spent >= HOSTILE_MS_MAX)
		fail_msg("a hostile definition took %.1f ms", spent);
	arena_release(&checked->arena);
}

/* A definition of a megabyte holds at most half a million parents: two bytes each. Here all are
 * the same task, unknown, or good; in one task, or spread over a thousand. */
static void
test_definition__hostile_parents(void **state)
{
	enum { PARENTS = 500000 };
	static struct bytes parents[PARENTS];
	static const char *const names[] = {"t0", "x", "\xff\xfe"};
	struct checked c;
	(void)state;
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		for (size_t i = 0; i < PARENTS; i++)
			parents[i] = bytes_text(names[n]);
		layers_open(&c, 2, 2);
		c.workflow.tasks[1].parents = parents;
		c.workflow.tasks[1].parent_count = PARENTS;
		hostile_run(&c, ENG_FAULTS_MAX);
		assert_true(checked_has(&c, "tasks[1].parents"));
		layers_open(&c, FROE_WORKFLOW_TASKS_MAX, FROE_WORKFLOW_TASKS_MAX);
		for (uint32_t i = 0; i < FROE_WORKFLOW_TASKS_MAX; i++) {
			c.workflow.tasks[i].parents = parents;
			c.workflow.tasks[i].parent_count = PARENTS / FROE_WORKFLOW_TASKS_MAX;
		}
		hostile_run(&c, ENG_FAULTS_MAX);
	}
	layers_open(&c, FROE_WORKFLOW_TASKS_MAX, FROE_WORKFLOW_TASKS_MAX / 2);
	hostile_run(&c, 0);
}

/* A ring through all tasks, and each a parent of all: nothing but cycles. */
static void
test_definition__hostile_cycles(void **state)
{
	struct checked c;
	(void)state;
	layers_open(&c, FROE_WORKFLOW_TASKS_MAX, 500);
	for (uint32_t i = 0; i < 500; i++) { /* the first half waits for the second */
		struct bytes *parents = arena_alloc(&c.arena, 500 * sizeof(*parents));
		for (uint32_t j = 0; j < 500; j++)
			parents[j] = c.workflow.tasks[500 + j].name;
		c.workflow.tasks[i].parents = parents;
		c.workflow.tasks[i].parent_count = 500;
	}
	hostile_run(&c, ENG_FAULTS_MAX);
}

static void
test_definition__hostile_names(void **state)
{
	static uint8_t longest[1 << 20];
	struct checked c;
	(void)state;
	memset(longest, 0xe4, sizeof(longest));
	layers_open(&c, FROE_WORKFLOW_TASKS_MAX, FROE_WORKFLOW_TASKS_MAX);
	c.workflow.definition.name = bytes_of(longest, sizeof(longest));
	c.workflow.tasks[7].name = bytes_of(longest, sizeof(longest));
	c.workflow.tasks[8].action = bytes_of(longest, sizeof(longest));
	hostile_run(&c, 3);
	layers_open(&c, FROE_WORKFLOW_TASKS_MAX, FROE_WORKFLOW_TASKS_MAX);
	for (uint32_t i = 0; i < FROE_WORKFLOW_TASKS_MAX; i++)
		c.workflow.tasks[i].name = bytes_of("same", 4);
	hostile_run(&c, ENG_FAULTS_MAX);
}

/* More than its limit is not looked into. */
static void
test_definition__too_large(void **state)
{
	static uint8_t encoded[FROE_DEFINITION_BYTES_MAX + 1];
	struct checked c;
	(void)state;
	checked_open(&c, "a b<x");
	c.workflow.definition.encoded = bytes_of(encoded, sizeof(encoded));
	c.count = eng_definition_check(&c.workflow.definition, c.faults);
	assert_int_equal(c.count, 1);
	assert_string_equal(c.faults[0].field, "");
	arena_release(&c.arena);
}

/* A hostile name in a fault's text: cut at a character, and never raw. */
static void
test_definition__hostile_text(void **state)
{
	static const char *const names[] = {
	    "x\x1b[2J\r\n",
	    "\xff\xfe\xfd",
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa4",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct checked c;
		struct bytes parent = bytes_text(names[i]);
		checked_open(&c, "a b");
		c.workflow.tasks[1].parents = &parent;
		c.workflow.tasks[1].parent_count = 1;
		checked_run(&c); /* checks that texts are UTF-8 */
		assert_int_equal(c.count, 1);
		for (const char *at = c.faults[0].text; *at != 0; at++)
			assert_true((uint8_t)*at >= 0x20 && *at != 0x7f);
		assert_true((strchr(c.faults[0].text, '?') != NULL) == (i < 2));
		arena_release(&c.arena);
	}
}

/* ------------------------------------------------------------------------------------ versions */

static void
test_definition__same_again(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b<a");
	assert_int_equal(driver_put(&d, &workflow), 1);
	assert_true(driver_reply(&d)->created);
	uint64_t hash = eng_hash(d.eng);
	assert_int_equal(driver_put(&d, &workflow), 1);
	assert_false(driver_reply(&d)->created);
	assert_int_equal(d.out->event_count, 0);
	assert_true(eng_hash(d.eng) == hash);
	workflow.tasks[1].retries = 1;
	assert_int_equal(driver_put(&d, &workflow), 2);
	assert_true(driver_reply(&d)->created);
	workflow.tasks[1].retries = 0; /* back again: a change is a version */
	assert_int_equal(driver_put(&d, &workflow), 3);
	driver_close(&d);
}

/* Runs finish on the version that they started with. */
static void
test_definition__runs_keep_their_version(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	driver_worker(&d, 1, 9, "wf:a wf:b wf:c");
	uint64_t old = driver_start(&d, "wf");
	driver_define(&d, "wf", "c a<c");
	uint64_t new = driver_start(&d, "wf");
	driver_complete(&d, old, "a");
	driver_complete(&d, old, "b");
	assert_run_closed(&d, old, ENG_COMPLETED);
	driver_complete(&d, new, "c");
	driver_complete(&d, new, "a");
	assert_run_closed(&d, new, ENG_COMPLETED);
	driver_close(&d);
}

static void
test_definition__view(void **state)
{
	struct driver d;
	struct eng_version_view view;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b<a c<a");
	workflow.tasks[2].action = bytes_text("mine");
	driver_put(&d, &workflow);
	assert_true(eng_version(d.eng, 1, 1, &view));
	assert_true(bytes_equal(view.workflow, bytes_text("wf")));
	assert_int_equal(view.task_count, 3);
	assert_int_equal(view.children[0], 2);
	assert_int_equal(view.children[1], 0);
	assert_true(bytes_equal(view.tasks[1].action, bytes_text("wf:b")));
	assert_true(bytes_equal(view.tasks[2].action, bytes_text("mine")));
	assert_true(bytes_equal(view.tasks[2].parents[0], bytes_text("a")));
	assert_int_equal(view.tasks[0].execution_timeout_ms, FROE_EXECUTION_TIMEOUT_MS);
	assert_false(eng_version(d.eng, 0, 1, &view));
	assert_false(eng_version(d.eng, 2, 1, &view));
	assert_true(eng_version(d.eng, 1, 0, &view)); /* of runs that are not due */
	assert_int_equal(view.task_count, 0);
	assert_false(eng_version(d.eng, 1, 2, &view));
	driver_close(&d);
}

static void
test_definition__refused_whole(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a<b b<a c<x");
	struct eng_command command = driver_command(&d, ENG_CMD_WORKFLOW_PUT);
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	assert_int_equal(driver_reply(&d)->fault_count, 3);
	assert_string_equal(driver_reply(&d)->faults[0].field, driver_reply(&d)->fault->field);
	struct eng_command start = driver_start_command(&d, "wf");
	assert_int_equal(driver_try(&d, &start), FROE_NOT_FOUND);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_definition__good),
	    cmocka_unit_test(test_definition__names),
	    cmocka_unit_test(test_definition__graph),
	    cmocka_unit_test(test_definition__cycles),
	    cmocka_unit_test(test_definition__all_at_once),
	    cmocka_unit_test(test_definition__backoff),
	    cmocka_unit_test(test_definition__limits),
	    cmocka_unit_test(test_definition__thousand_tasks),
	    cmocka_unit_test(test_definition__hostile_parents),
	    cmocka_unit_test(test_definition__hostile_cycles),
	    cmocka_unit_test(test_definition__hostile_names),
	    cmocka_unit_test(test_definition__too_large),
	    cmocka_unit_test(test_definition__hostile_text),
	    cmocka_unit_test(test_definition__same_again),
	    cmocka_unit_test(test_definition__runs_keep_their_version),
	    cmocka_unit_test(test_definition__view),
	    cmocka_unit_test(test_definition__refused_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
