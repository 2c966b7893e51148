/*
 * engine/version: a workflow's definition: checked whole, then kept as state.
 *
 * The check reports every fault, each with its path. Cycles are found by Kahn's algorithm: remove
 * tasks without open parents until none is left; what remains is on a cycle or behind one.
 */
#include "engine/engine_int.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>

int
name_clip(struct bytes name, size_t max)
{
	size_t size = name.size < max ? name.size : max;
	while (size > 0 && size < name.size && (name.data[size] & 0xc0) == 0x80)
		size--;
	return (int)size;
}

void
text_clean(char *text)
{
	bool valid = utf8_valid(text, strlen(text));
	for (uint8_t *at = (uint8_t *)text; *at != 0; at++) {
		if (*at < 0x20 || *at == 0x7f || (*at >= 0x80 && !valid))
			*at = '?';
	}
}

/* The tasks of a definition by name, and each parent's index: linear in the definition's size, so
 * that a hostile one of a megabyte costs milliseconds. */
struct graph {
	struct map names;   /* name -> struct eng_named in struct graph_name */
	uint32_t **parents; /* parents[task][i]; GRAPH_UNKNOWN: no such task */
	struct arena arena;
};

struct graph_name {
	struct eng_named named;
	uint32_t index;
};

#define GRAPH_UNKNOWN UINT32_MAX

static uint32_t
graph_find(const struct graph *graph, struct bytes name)
{
	struct eng_named *named = named_find(&graph->names, name);
	return named != NULL ? container_of(named, struct graph_name, named)->index : GRAPH_UNKNOWN;
}

/* More are a fault, and not looked at. */
static uint32_t
parents_used(const struct eng_task_definition *task)
{
	return task->parent_count < FROE_TASK_PARENTS_MAX ? task->parent_count
	                                                  : FROE_TASK_PARENTS_MAX;
}

/* Of two tasks with one name the first is found. */
static void
graph_init(struct graph *graph, const struct eng_definition *definition)
{
	uint32_t count = definition->task_count;
	arena_init(&graph->arena, 0);
	map_init(&graph->names);
	for (uint32_t i = 0; i < count; i++) {
		if (graph_find(graph, definition->tasks[i].name) != GRAPH_UNKNOWN)
			continue;
		struct graph_name *row = arena_alloc(&graph->arena, sizeof(*row));
		row->index = i;
		named_add(&graph->names, &row->named, definition->tasks[i].name);
	}
	graph->parents = arena_alloc(&graph->arena, count * sizeof(*graph->parents));
	for (uint32_t i = 0; i < count; i++) {
		const struct eng_task_definition *task = &definition->tasks[i];
		graph->parents[i] =
		    arena_alloc(&graph->arena, parents_used(task) * sizeof(**graph->parents));
		for (uint32_t j = 0; j < parents_used(task); j++)
			graph->parents[i][j] = graph_find(graph, task->parents[j]);
	}
}

static void
graph_release(struct graph *graph)
{
	for (size_t i = 0; i < graph->names.capacity; i++) {
		struct eng_named *named = graph->names.entries[i].value;
		for (; named != NULL; named = named->next)
			mem_free((void *)(uintptr_t)named->name.data);
	}
	map_release(&graph->names);
	arena_release(&graph->arena);
}

struct check {
	const struct eng_definition *definition;
	struct eng_fault *faults;
	size_t count;
	struct graph graph;
};

static void FROE_PRINTF(3, 4)
check_fault(struct check *check, const char *field, const char *format, ...)
{
	if (check->count == ENG_FAULTS_MAX)
		return;
	struct eng_fault *fault = &check->faults[check->count++];
	snprintf(fault->field, sizeof(fault->field), "%s", field);
	va_list args;
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	text_clean(fault->text);
}

static bool
name_valid(struct bytes name)
{
	if (name.size == 0 || name.size > FROE_NAME_BYTES_MAX || !utf8_valid(name.data, name.size))
		return false;
	for (size_t i = 0; i < name.size; i++) {
		if (name.data[i] < 0x21 || name.data[i] == 0x7f)
			return false;
	}
	return true;
}

static void
check_name(struct check *check, const char *field, struct bytes name)
{
	if (!name_valid(name))
		check_fault(check, field, "a name is 1 to %u bytes of UTF-8 without spaces",
		    FROE_NAME_BYTES_MAX);
}

static void
check_names(struct check *check)
{
	char field[96];
	bool failure_seen = false;
	for (uint32_t i = 0; i < check->definition->task_count; i++) {
		const struct eng_task_definition *task = &check->definition->tasks[i];
		snprintf(field, sizeof(field), "tasks[%u].name", i);
		check_name(check, field, task->name);
		uint32_t first = graph_find(&check->graph, task->name);
		if (first != i)
			check_fault(check, field, "tasks[%u] has the same name", first);
		if (task->action.size != 0) {
			snprintf(field, sizeof(field), "tasks[%u].action", i);
			check_name(check, field, task->action);
		}
		if (task->on_failure && failure_seen) {
			snprintf(field, sizeof(field), "tasks[%u].on_failure", i);
			check_fault(check, field, "a workflow has at most one on-failure task");
		}
		failure_seen = failure_seen || task->on_failure;
	}
}

/* seen[p] is index + 1 once task `index` has named parent p. A good parent costs no formatting. */
static void
check_parent(struct check *check, uint32_t index, uint32_t i, uint32_t *seen)
{
	char field[96];
	struct bytes name = check->definition->tasks[index].parents[i];
	uint32_t parent = check->graph.parents[index][i];
	bool known = parent != GRAPH_UNKNOWN;
	bool failure = known && check->definition->tasks[parent].on_failure;
	bool again = known && seen[parent] == index + 1;
	if (known)
		seen[parent] = index + 1;
	if (known && !failure && !again)
		return;
	snprintf(field, sizeof(field), "tasks[%u].parents[%u]", index, i);
	if (!known)
		check_fault(check, field, "no task is named \"%.*s\"", name_clip(name, 64),
		    (const char *)name.data);
	if (failure)
		check_fault(check, field, "the on-failure task can have no children");
	if (again)
		check_fault(check, field, "named twice");
}

static void
check_parents(struct check *check, uint32_t index, uint32_t *seen)
{
	char field[96];
	const struct eng_task_definition *task = &check->definition->tasks[index];
	snprintf(field, sizeof(field), "tasks[%u].parents", index);
	if (task->on_failure && task->parent_count > 0)
		check_fault(check, field,
		    "the on-failure task has no parents: it waits for all others");
	if (task->parent_count > FROE_TASK_PARENTS_MAX)
		check_fault(check, field, "at most %u", FROE_TASK_PARENTS_MAX);
	for (uint32_t i = 0; i < parents_used(task) && check->count < ENG_FAULTS_MAX; i++)
		check_parent(check, index, i, seen);
}

static void
check_backoff(struct check *check, uint32_t index)
{
	char field[96];
	const struct eng_backoff *backoff = &check->definition->tasks[index].backoff;
	snprintf(field, sizeof(field), "tasks[%u].backoff", index);
	if (backoff->kind > ENG_BACKOFF_TABLE) {
		check_fault(check, field, "unknown kind %u", backoff->kind);
		return;
	}
	if (backoff->factor != 0 && !(backoff->factor >= 1 && backoff->factor <= 1000))
		check_fault(check, field, "factor is 1 to 1000");
	if (backoff->jitter_percent > 100)
		check_fault(check, field, "jitter_percent is 0 to 100");
	if (backoff->table_count > FROE_BACKOFF_TABLE_MAX)
		check_fault(check, field, "at most %u rows", FROE_BACKOFF_TABLE_MAX);
	bool table = backoff->kind == ENG_BACKOFF_TABLE;
	if (table != (backoff->table_count > 0))
		check_fault(check, field, "table_ms belongs to kind TABLE, which needs one");
	if (!table && backoff->kind != ENG_BACKOFF_NONE && backoff->initial_ms == 0)
		check_fault(check, field, "initial_ms is missing");
}

bool
slot_type_valid(struct bytes name)
{
	return name_valid(name) && memchr(name.data, '=', name.size) == NULL;
}

static void
check_slots(struct check *check, uint32_t index)
{
	char field[96];
	const struct eng_task_definition *task = &check->definition->tasks[index];
	snprintf(field, sizeof(field), "tasks[%u].slots", index);
	if (task->slot_count > FROE_TASK_SLOT_TYPES_MAX) {
		check_fault(check, field, "a task takes slots of at most %u types",
		    FROE_TASK_SLOT_TYPES_MAX);
		return;
	}
	for (uint32_t i = 0; i < task->slot_count; i++) {
		snprintf(field, sizeof(field), "tasks[%u].slots[%u]", index, i);
		if (!slot_type_valid(task->slots[i].type))
			check_fault(check, field,
			    "a type is 1 to %u bytes without spaces and \"=\"",
			    FROE_NAME_BYTES_MAX);
		if (task->slots[i].count == 0 || task->slots[i].count > FROE_WORKER_SLOTS_MAX)
			check_fault(check, field, "1 to %u slots", FROE_WORKER_SLOTS_MAX);
		for (uint32_t j = 0; j < i; j++) {
			if (bytes_equal(task->slots[j].type, task->slots[i].type))
				check_fault(check, field, "the type is named twice");
		}
	}
}

static void
check_delivery(struct check *check, uint32_t index)
{
	char field[96];
	const struct eng_task_definition *task = &check->definition->tasks[index];
	snprintf(field, sizeof(field), "tasks[%u].delivery", index);
	if (task->delivery >= ENG_DELIVERIES)
		check_fault(check, field, "unknown delivery %u", task->delivery);
	snprintf(field, sizeof(field), "tasks[%u].retries", index);
	if (task->delivery == ENG_AT_MOST_ONCE && task->retries > 0)
		check_fault(check, field, "at most once is never again: no retries");
	snprintf(field, sizeof(field), "tasks[%u].priority", index);
	if (task->priority > FROE_PRIORITY_MAX)
		check_fault(check, field, "1 to %u, or 0 for the run's", FROE_PRIORITY_MAX);
}

static void
check_limits(struct check *check, uint32_t index)
{
	char field[96];
	const struct eng_task_definition *task = &check->definition->tasks[index];
	snprintf(field, sizeof(field), "tasks[%u].retries", index);
	if (task->retries > FROE_TASK_RETRIES_MAX)
		check_fault(check, field, "at most %u", FROE_TASK_RETRIES_MAX);
	snprintf(field, sizeof(field), "tasks[%u].schedule_timeout_ms", index);
	if (task->schedule_timeout_ms > ENG_DELAY_MS_MAX)
		check_fault(check, field, "at most a hundred years");
	snprintf(field, sizeof(field), "tasks[%u].execution_timeout_ms", index);
	if (task->execution_timeout_ms > ENG_DELAY_MS_MAX)
		check_fault(check, field, "at most a hundred years");
	const struct eng_backoff *backoff = &task->backoff;
	bool long_delay =
	    backoff->initial_ms > ENG_DELAY_MS_MAX || backoff->max_ms > ENG_DELAY_MS_MAX;
	for (uint32_t i = 0; i < backoff->table_count; i++)
		long_delay = long_delay || backoff->table_ms[i] > ENG_DELAY_MS_MAX;
	snprintf(field, sizeof(field), "tasks[%u].backoff", index);
	if (long_delay)
		check_fault(check, field, "a delay is at most a hundred years");
}

/* The tasks' children as one array: those of task i lie from first[i] up to first[i + 1]. Unknown
 * parents have a fault of their own and count as none. */
static uint32_t *
graph_children(struct graph *graph, const struct eng_definition *definition, uint32_t *open,
    uint32_t *first)
{
	uint32_t count = definition->task_count, edges = 0;
	memset(first, 0, (count + 2) * sizeof(*first));
	for (uint32_t i = 0; i < count; i++) {
		open[i] = 0;
		for (uint32_t j = 0; j < parents_used(&definition->tasks[i]); j++) {
			if (graph->parents[i][j] == GRAPH_UNKNOWN)
				continue;
			first[graph->parents[i][j] + 2]++;
			open[i]++;
		}
		edges += open[i];
	}
	for (uint32_t i = 2; i < count + 2; i++)
		first[i] += first[i - 1];
	uint32_t *children = arena_alloc(&graph->arena, edges * sizeof(*children));
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < parents_used(&definition->tasks[i]); j++) {
			if (graph->parents[i][j] != GRAPH_UNKNOWN)
				children[first[graph->parents[i][j] + 1]++] = i;
		}
	}
	return children;
}

/* Removes tasks without open parents until none is left. */
static void
check_cycles(struct check *check)
{
	struct graph *graph = &check->graph;
	uint32_t count = check->definition->task_count, head = 0, tail = 0;
	uint32_t *open = arena_alloc(&graph->arena, count * sizeof(*open));
	uint32_t *ready = arena_alloc(&graph->arena, count * sizeof(*ready));
	uint32_t *first = arena_alloc(&graph->arena, (count + 2) * sizeof(*first));
	uint32_t *children = graph_children(graph, check->definition, open, first);
	for (uint32_t i = 0; i < count; i++) {
		if (open[i] == 0)
			ready[tail++] = i;
	}
	for (; head < tail; head++) {
		for (uint32_t k = first[ready[head]]; k < first[ready[head] + 1]; k++) {
			if (--open[children[k]] == 0)
				ready[tail++] = children[k];
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		char field[96];
		snprintf(field, sizeof(field), "tasks[%u].parents", i);
		if (open[i] != 0)
			check_fault(check, field, "the task is on a cycle, or waits for one");
	}
}

size_t
eng_definition_check(const struct eng_definition *definition,
    struct eng_fault faults[ENG_FAULTS_MAX])
{
	struct check check = {.definition = definition, .faults = faults};
	check_name(&check, "name", definition->name);
	if (definition->priority > FROE_PRIORITY_MAX)
		check_fault(&check, "priority", "1 to %u", FROE_PRIORITY_MAX);
	if (definition->run_timeout_ms > ENG_DELAY_MS_MAX)
		check_fault(&check, "run_timeout_ms", "at most a hundred years");
	if (definition->encoded.size > FROE_DEFINITION_BYTES_MAX) {
		check_fault(&check, "", "a definition has at most %u bytes",
		    FROE_DEFINITION_BYTES_MAX);
		return check.count;
	}
	if (definition->task_count == 0 || definition->task_count > FROE_WORKFLOW_TASKS_MAX) {
		check_fault(&check, "tasks", "1 to %u tasks", FROE_WORKFLOW_TASKS_MAX);
		return check.count;
	}
	graph_init(&check.graph, definition);
	uint32_t *seen = arena_alloc(&check.graph.arena, definition->task_count * sizeof(*seen));
	memset(seen, 0, definition->task_count * sizeof(*seen));
	check_names(&check);
	for (uint32_t i = 0; i < definition->task_count; i++) {
		check_parents(&check, i, seen);
		check_backoff(&check, i);
		check_limits(&check, i);
		check_slots(&check, i);
		check_delivery(&check, i);
	}
	if (definition->task_count == 1 && definition->tasks[0].on_failure)
		check_fault(&check, "tasks", "an on-failure task needs another task");
	check_cycles(&check);
	graph_release(&check.graph);
	return check.count;
}

static struct bytes
version_copy(struct eng_version *version, struct bytes text)
{
	return bytes_of(arena_copy(&version->arena, text.data, text.size), text.size);
}

struct eng_action *
action_require(struct eng_tenant *tenant, struct bytes name)
{
	struct eng_action *action = eng_action_find(tenant, name);
	if (action == NULL) {
		action = mem_zalloc(sizeof(*action));
		action->tenant = tenant;
		fair_action_init(&action->fair, &tenant->fair);
		named_add(&tenant->actions, &action->named, name);
	}
	return action;
}

static struct eng_queue *
queue_require(struct eng_workflow *workflow, const struct eng_task_definition *task)
{
	struct eng_action *action = action_require(workflow->tenant, task->action);
	struct eng_queue *queue = workflow->queues;
	struct fair_need need;
	need_of(workflow->tenant, task, &need);
	while (queue != NULL &&
	    (queue->action != action || !need_equal(&queue->fair.demand->need, &need)))
		queue = queue->next;
	if (queue == NULL) {
		queue = mem_zalloc(sizeof(*queue));
		queue->action = action;
		queue->next = workflow->queues;
		workflow->queues = queue;
		fair_queue_init(&queue->fair, &action->fair, &need, 1);
		fair_queue_hold(&queue->fair, workflow->paused);
		need_keep(workflow->tenant, &need);
	}
	return queue;
}

/* One slot; a durable task may wait for days in its own. */
static const struct eng_slots slots_default = {
    .type = {(const uint8_t *)FROE_SLOT_DEFAULT, sizeof(FROE_SLOT_DEFAULT) - 1},
    .count = 1,
};
static const struct eng_slots slots_durable = {
    .type = {(const uint8_t *)FROE_SLOT_DURABLE, sizeof(FROE_SLOT_DURABLE) - 1},
    .count = 1,
};

static void
version_slots(struct eng_version *version, struct eng_task_definition *to)
{
	if (to->slot_count == 0) {
		to->slots = to->durable ? &slots_durable : &slots_default;
		to->slot_count = 1;
		return;
	}
	struct eng_slots *slots = arena_copy(&version->arena, to->slots,
	    to->slot_count * sizeof(*slots));
	for (uint32_t i = 0; i < to->slot_count; i++)
		slots[i].type = version_copy(version, slots[i].type);
	to->slots = slots;
}

/* Copies one task's definition, with its defaults. */
static void
version_task(struct eng_version *version, const struct eng_task_definition *from,
    struct eng_task_definition *to)
{
	*to = *from;
	to->name = version_copy(version, from->name);
	if (from->action.size != 0) {
		to->action = version_copy(version, from->action);
	} else {
		struct bytes workflow = version->workflow->named.name;
		size_t size = workflow.size + 1 + from->name.size;
		uint8_t *action = arena_alloc(&version->arena, size);
		memcpy(action, workflow.data, workflow.size);
		action[workflow.size] = ':';
		memcpy(action + workflow.size + 1, from->name.data, from->name.size);
		to->action = bytes_of(action, size);
	}
	struct bytes *parents =
	    arena_alloc(&version->arena, from->parent_count * sizeof(*parents));
	for (uint32_t i = 0; i < from->parent_count; i++)
		parents[i] = version_copy(version, from->parents[i]);
	to->parents = parents;
	to->backoff.table_ms = arena_copy(&version->arena, from->backoff.table_ms,
	    from->backoff.table_count * sizeof(*from->backoff.table_ms));
	version_slots(version, to);
	if (to->execution_timeout_ms == 0)
		to->execution_timeout_ms = FROE_EXECUTION_TIMEOUT_MS;
}

static void
version_link(struct eng_version *version, const struct graph *graph)
{
	uint32_t count = version->task_count;
	for (uint32_t i = 0; i < count; i++) {
		const struct eng_task_definition *task = &version->definitions[i];
		uint16_t *parents =
		    arena_alloc(&version->arena, task->parent_count * sizeof(*parents));
		for (uint32_t j = 0; j < task->parent_count; j++) {
			froe_assert(graph->parents[i][j] < count);
			parents[j] = (uint16_t)graph->parents[i][j];
			version->child_counts[parents[j]]++;
		}
		version->nodes[i] = (struct eng_node){
		    .queue = queue_require(version->workflow, task),
		    .parents = parents,
		    .parent_count = (uint16_t)task->parent_count,
		};
		version->root_count += task->parent_count == 0 && !task->on_failure ? 1 : 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		version->nodes[i].children = arena_alloc(&version->arena,
		    version->child_counts[i] * sizeof(uint16_t));
	}
	for (uint32_t i = 0; i < count; i++) {
		for (uint16_t j = 0; j < version->nodes[i].parent_count; j++) {
			struct eng_node *parent = &version->nodes[version->nodes[i].parents[j]];
			parent->children[parent->child_count++] = (uint16_t)i;
		}
	}
}

struct eng_version *
version_open(struct eng_workflow *workflow, const struct eng_definition *definition)
{
	struct eng_version *version = mem_zalloc(sizeof(*version));
	uint32_t count = definition->task_count;
	arena_init(&version->arena, 0);
	version->workflow = workflow;
	version->number = workflow->version_count + 1;
	version->task_count = count;
	version->encoded = version_copy(version, definition->encoded);
	workflow->tenant->definition_bytes += definition_bytes(definition);
	version->run_timeout_ms = definition->run_timeout_ms;
	version->priority = definition->priority != 0 ? definition->priority : FROE_PRIORITY_MIN;
	version->definitions = arena_alloc(&version->arena, count * sizeof(*version->definitions));
	version->nodes = arena_alloc(&version->arena, count * sizeof(*version->nodes));
	version->child_counts = arena_alloc(&version->arena, count * sizeof(uint32_t));
	memset(version->child_counts, 0, count * sizeof(uint32_t));
	version->on_failure = ENG_NO_TASK;
	for (uint32_t i = 0; i < count; i++) {
		version_task(version, &definition->tasks[i], &version->definitions[i]);
		if (definition->tasks[i].on_failure)
			version->on_failure = i;
	}
	struct graph graph;
	graph_init(&graph, definition);
	version_link(version, &graph);
	graph_release(&graph);
	return version;
}

struct eng_version *
version_unbound(struct eng_workflow *workflow)
{
	struct eng_version *version = mem_zalloc(sizeof(*version));
	arena_init(&version->arena, 0);
	version->workflow = workflow;
	version->on_failure = ENG_NO_TASK;
	return version;
}

void
version_close(struct eng_version *version)
{
	arena_release(&version->arena);
	mem_free(version);
}
