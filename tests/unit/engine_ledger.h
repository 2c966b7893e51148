/*
 * tests/engine_ledger: what the events say, kept by code that shares nothing with the engine.
 *
 * Every event is copied and checked against what a reader of the log may rely on: numbers are
 * dense, a task moves only as docs/engine.md draws it, it ends once, a run ends once and nothing
 * follows.
 *
 * Ownership   the ledger owns its copies until ledger_release.
 */
#ifndef TESTS_ENGINE_LEDGER_H
#define TESTS_ENGINE_LEDGER_H

#include "base/mem.h"
#include "engine_workflow.h"

struct ledger_task {
	enum eng_task_state state;
	uint64_t lease;
	uint64_t worker;
	uint64_t lapse_ns; /* exactly once: until when the last holder may be at it; 0: he is not */
	uint32_t attempt;
	uint32_t ends; /* terminal events */
	uint32_t nodes;
	bool evicted;  /* since its last lease */
	uint32_t reason;
	uint64_t deadline_ns;
	struct bytes output;
};

struct ledger_run {
	uint64_t key;
	struct uuid id;
	uint32_t tenant;
	uint32_t workflow;
	uint32_t version;
	uint32_t priority;
	uint64_t deadline_ns;
	bool closed;
	enum eng_status status;
	size_t *records; /* records[n - 1]: place in ledger.events */
	uint32_t record_count;
	uint32_t record_capacity;
	struct ledger_task *tasks;
	uint32_t task_count;
};

struct ledger {
	struct arena arena;
	struct eng_event *events;
	size_t event_count;
	size_t event_capacity;
	struct ledger_run **runs; /* runs[key - 1] */
	size_t run_count;
	size_t run_capacity;
	size_t runs_open;
	uint64_t time_ns;
};

static inline void
ledger_init(struct ledger *ledger)
{
	*ledger = (struct ledger){0};
	arena_init(&ledger->arena, 0);
}

static inline void
ledger_release(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->run_count; i++) {
		mem_free(ledger->runs[i]->records);
		mem_free(ledger->runs[i]->tasks);
		mem_free(ledger->runs[i]);
	}
	mem_free(ledger->runs);
	mem_free(ledger->events);
	arena_release(&ledger->arena);
}

static inline struct ledger_run *
ledger_run(const struct ledger *ledger, uint64_t key)
{
	froe_assert(key >= 1 && key <= ledger->run_count);
	return ledger->runs[key - 1];
}

static inline struct bytes
ledger_bytes(struct ledger *ledger, struct bytes bytes)
{
	return text_copy(&ledger->arena, (const char *)bytes.data, bytes.size);
}

static inline struct eng_event *
ledger_copy(struct ledger *ledger, const struct eng_event *event)
{
	if (ledger->event_count == ledger->event_capacity) {
		ledger->event_capacity = ledger->event_capacity * 2 + 64;
		ledger->events = mem_resize(ledger->events,
		    ledger->event_capacity * sizeof(*ledger->events));
	}
	struct eng_event *copy = &ledger->events[ledger->event_count++];
	*copy = *event;
	copy->name = ledger_bytes(ledger, event->name);
	copy->text = ledger_bytes(ledger, event->text);
	copy->payload = ledger_bytes(ledger, event->payload);
	copy->digest = ledger_bytes(ledger, event->digest);
	copy->scope = ledger_bytes(ledger, event->scope);
	struct bytes *actions = arena_copy(&ledger->arena, event->actions,
	    event->action_count * sizeof(*actions));
	for (uint32_t i = 0; i < event->action_count; i++)
		actions[i] = ledger_bytes(ledger, actions[i]);
	copy->actions = actions;
	struct bytes *types =
	    arena_copy(&ledger->arena, event->types, event->type_count * sizeof(*types));
	for (uint32_t i = 0; i < event->type_count; i++)
		types[i] = ledger_bytes(ledger, types[i]);
	copy->types = types;
	copy->actor = ledger_bytes(ledger, event->actor);
	struct bytes *metadata = arena_copy(&ledger->arena, event->metadata,
	    event->metadata_count * sizeof(*metadata));
	for (uint32_t i = 0; i < event->metadata_count; i++)
		metadata[i] = ledger_bytes(ledger, metadata[i]);
	copy->metadata = metadata;
	copy->actor = ledger_bytes(ledger, event->actor);
	struct bytes *conditions = arena_copy(&ledger->arena, event->conditions,
	    event->condition_count * sizeof(*conditions));
	for (uint32_t i = 0; i < event->condition_count; i++)
		conditions[i] = ledger_bytes(ledger, conditions[i]);
	copy->conditions = conditions;
	struct bytes *data =
	    arena_copy(&ledger->arena, event->data, event->data_count * sizeof(*data));
	for (uint32_t i = 0; i < event->data_count; i++)
		data[i] = ledger_bytes(ledger, data[i]);
	copy->data = data;
	struct bytes *kept =
	    arena_copy(&ledger->arena, event->kept, event->kept_count * sizeof(*kept));
	for (uint32_t i = 0; i < event->kept_count; i++)
		kept[i] = ledger_bytes(ledger, kept[i]);
	copy->kept = kept;
	struct bytes *nodes =
	    arena_copy(&ledger->arena, event->nodes, event->nodes_count * sizeof(*nodes));
	for (uint32_t i = 0; i < event->nodes_count; i++)
		nodes[i] = ledger_bytes(ledger, nodes[i]);
	copy->nodes = nodes;
	copy->places = ledger_bytes(ledger, event->places);
	copy->child_key = ledger_bytes(ledger, event->child_key);
	copy->key = ledger_bytes(ledger, event->key);
	if (event->definition != NULL)
		copy->definition = definition_copy(&ledger->arena, event->definition);
	return copy;
}

static inline void
ledger_run_open(struct ledger *ledger, const struct eng_event *event, uint32_t task_count)
{
	froe_assert(event->run == ledger->run_count + 1);
	if (ledger->run_count == ledger->run_capacity) {
		ledger->run_capacity = ledger->run_capacity * 2 + 64;
		ledger->runs =
		    mem_resize(ledger->runs, ledger->run_capacity * sizeof(struct ledger_run *));
	}
	struct ledger_run *run = mem_zalloc(sizeof(*run));
	ledger->runs[ledger->run_count++] = run;
	run->key = event->run;
	run->id = event->id;
	run->tenant = event->tenant;
	run->workflow = event->workflow;
	run->version = event->version;
	run->priority = event->priority;
	run->deadline_ns = event->deadline_ns;
	run->tasks = mem_array(task_count, sizeof(struct ledger_task));
	run->task_count = task_count;
	ledger->runs_open++;
}

/* Where each event may find its task; docs/engine.md. */
static inline bool
ledger_move_legal(enum eng_event_type type, enum eng_task_state from)
{
	bool waits =
	    from == ENG_TASK_WAITING || from == ENG_TASK_QUEUED || from == ENG_TASK_DELAYED;
	if (type == ENG_EV_TASK_QUEUED)
		return from == ENG_TASK_WAITING || from == ENG_TASK_DELAYED ||
		    from == ENG_TASK_SETTLING || from == ENG_TASK_EVICTED;
	if (type == ENG_EV_TASK_ASSIGNED)
		return from == ENG_TASK_QUEUED;
	if (type == ENG_EV_TASK_DELAYED && (from == ENG_TASK_EVICTED || from == ENG_TASK_WAITING))
		return true; /* an old lease has to lapse */
	if (type == ENG_EV_TASK_DELAYED || type == ENG_EV_TASK_FAILED)
		return from == ENG_TASK_SETTLING;
	if (type == ENG_EV_TASK_CANCELLED)
		return waits || from == ENG_TASK_ASSIGNED || from == ENG_TASK_EVICTED;
	if (type == ENG_EV_TASK_SKIPPED)
		return from == ENG_TASK_WAITING;
	if (type == ENG_EV_LEASE_ENDED)
		return from == ENG_TASK_DELAYED || from == ENG_TASK_EVICTED ||
		    from == ENG_TASK_WAITING;
	return from == ENG_TASK_ASSIGNED; /* a lease's: completed, ended, refreshed, logged */
}

static inline bool
ledger_of_task(enum eng_event_type type, enum eng_task_state *ret_state)
{
	if (type == ENG_EV_TASK_QUEUED)
		*ret_state = ENG_TASK_QUEUED;
	else if (type == ENG_EV_TASK_ASSIGNED || type == ENG_EV_LEASE_REFRESHED ||
	    type == ENG_EV_TASK_LOGGED || type == ENG_EV_TASK_STREAMED ||
	    type == ENG_EV_NODE_WAITED || type == ENG_EV_MEMO_PUT ||
	    type == ENG_EV_SLOTS_RELEASED || type == ENG_EV_CHILD_SPAWNED ||
	    type == ENG_EV_TASK_BEGUN)
		*ret_state = ENG_TASK_ASSIGNED;
	else if (type == ENG_EV_TASK_EVICTED)
		*ret_state = ENG_TASK_EVICTED;
	else if (type == ENG_EV_TASK_COMPLETED)
		*ret_state = ENG_TASK_COMPLETED;
	else if (type == ENG_EV_ATTEMPT_ENDED)
		*ret_state = ENG_TASK_SETTLING;
	else if (type == ENG_EV_TASK_DELAYED)
		*ret_state = ENG_TASK_DELAYED;
	else if (type == ENG_EV_TASK_FAILED)
		*ret_state = ENG_TASK_FAILED;
	else if (type == ENG_EV_TASK_CANCELLED)
		*ret_state = ENG_TASK_CANCELLED;
	else if (type == ENG_EV_TASK_SKIPPED)
		*ret_state = ENG_TASK_SKIPPED;
	else
		return false;
	return true;
}

static inline void
ledger_task_event(struct ledger_run *run, const struct eng_event *event, enum eng_task_state to)
{
	froe_assert(event->task < run->task_count);
	struct ledger_task *task = &run->tasks[event->task];
	froe_assert(ledger_move_legal(event->type, task->state));
	if (event->type == ENG_EV_TASK_ASSIGNED) {
		froe_assert(event->lease == task->lease + 1);
		froe_assert(event->attempt == task->attempt + (task->evicted ? 0 : 1));
		task->evicted = false;
		task->lease = event->lease;
		task->attempt = event->attempt;
		task->worker = event->worker;
	} else if (task->state == ENG_TASK_ASSIGNED) {
		froe_assert(event->lease == task->lease);
	}
	if (event->type == ENG_EV_NODE_WAITED || event->type == ENG_EV_MEMO_PUT ||
	    event->type == ENG_EV_CHILD_SPAWNED)
		froe_assert(event->node == ++task->nodes);
	if (event->type == ENG_EV_TASK_ASSIGNED || event->type == ENG_EV_LEASE_ENDED)
		task->lapse_ns = 0;
	else if (event->lapse_ns != 0)
		task->lapse_ns = event->lapse_ns;
	task->evicted = task->evicted || to == ENG_TASK_EVICTED;
	if (to >= ENG_TASK_COMPLETED)
		task->ends++;
	froe_assert(task->ends <= 1);
	task->state = to;
	task->reason = event->reason;
	task->deadline_ns = event->deadline_ns;
	if (event->type == ENG_EV_TASK_COMPLETED)
		task->output = event->payload;
}

/* A run that had ended goes on; tasks that run anew have not ended. */
static inline void
ledger_run_replayed(struct ledger *ledger, struct ledger_run *run, const struct eng_event *event)
{
	froe_assert(run->closed && event->kept_count == run->task_count);
	run->closed = false;
	run->deadline_ns = event->deadline_ns;
	ledger->runs_open++;
	for (uint32_t i = 0; i < run->task_count; i++) {
		if (event->kept[i].data[0] != 'W')
			continue;
		run->tasks[i].ends = 0;
		run->tasks[i].state = ENG_TASK_WAITING;
		run->tasks[i].nodes = event->from == i + 1 ? event->nodes_count : 0;
	}
}

static inline void
ledger_run_event(struct ledger *ledger, struct ledger_run *run, const struct eng_event *event,
    uint32_t task_count)
{
	enum eng_task_state to;
	if (event->type == ENG_EV_RUN_REPLAYED)
		ledger_run_replayed(ledger, run, event);
	froe_assert(!run->closed || event->type == ENG_EV_LATE_LOGGED);
	froe_assert(event->run_event_no == run->record_count + 1);
	if (event->type == ENG_EV_LATE_LOGGED) /* of a run that is there; it changes nothing */
		froe_assert(event->task < run->task_count && uuid_equal(event->id, run->id) &&
		    event->tenant == run->tenant);
	if (run->record_count == run->record_capacity) {
		run->record_capacity = run->record_capacity * 2 + 16;
		run->records = mem_resize(run->records, run->record_capacity * sizeof(size_t));
	}
	run->records[run->record_count++] = ledger->event_count - 1;
	if (event->type == ENG_EV_LEASE_ENDED)
		ledger_task_event(run, event, run->tasks[event->task].state);
	else if (ledger_of_task(event->type, &to))
		ledger_task_event(run, event, to);
	if (event->type == ENG_EV_RUN_DUE) {
		froe_assert(run->version == 0 && task_count > 0);
		mem_free(run->tasks);
		run->version = event->version;
		run->deadline_ns = event->deadline_ns;
		run->priority = event->priority;
		run->tasks = mem_array(task_count, sizeof(struct ledger_task));
		run->task_count = task_count;
	}
	if (event->type != ENG_EV_RUN_CLOSED)
		return;
	for (uint32_t i = 0; i < run->task_count; i++)
		froe_assert(run->tasks[i].ends == 1);
	run->closed = true;
	run->status = (enum eng_status)event->status;
	ledger->runs_open--;
}

/* Keeps one event; task_count: of the version of a RUN_STARTED or RUN_DUE. */
static inline const struct eng_event *
ledger_keep(struct ledger *ledger, const struct eng_event *event, uint32_t task_count)
{
	const struct eng_event *copy = ledger_copy(ledger, event);
	froe_assert(copy->time_ns >= ledger->time_ns);
	ledger->time_ns = copy->time_ns;
	if (copy->type == ENG_EV_RUN_STARTED)
		ledger_run_open(ledger, copy, task_count);
	if (copy->run != 0)
		ledger_run_event(ledger, ledger_run(ledger, copy->run), copy, task_count);
	else
		froe_assert(copy->run_event_no == 0);
	return copy;
}

/* The event that a payload reference (run, record number) names. */
static inline const struct eng_event *
ledger_record(const struct ledger *ledger, uint64_t run_key, uint32_t record)
{
	const struct ledger_run *run = ledger_run(ledger, run_key);
	froe_assert(record >= 1 && record <= run->record_count);
	return &ledger->events[run->records[record - 1]];
}

/*
 * An upper bound of the record of an event in the log: the fixed header, for each member that is
 * not zero a tag of two bytes and a varint as long as its value, texts with a length of up to four
 * bytes, the whole rounded up to eight.
 */
static inline size_t
varint_size(uint64_t value)
{
	size_t size = 1;
	for (; value >= 0x80; value >>= 7)
		size++;
	return size;
}

static inline size_t
field_size(uint64_t value)
{
	return value != 0 ? 2 + varint_size(value) : 0;
}

static inline size_t
span_size(size_t size)
{
	return size != 0 ? 2 + varint_size(size) + size : 0;
}

static inline size_t
event_size(const struct eng_event *event)
{
	size_t size = 32;
	size += field_size(event->task) + field_size(event->attempt) + field_size(event->lease);
	size += field_size(event->worker) + field_size(event->tenant) + field_size(event->workflow);
	size += field_size(event->version) + field_size(event->priority) + field_size(event->slots);
	size += field_size(event->reason) + field_size(event->status);
	size += field_size(event->deadline_ns) + field_size(event->incarnation);
	size += field_size(event->lapse_ns) + field_size(event->retry_ns);
	size += span_size(event->actor.size);
	for (uint32_t i = 0; i < event->type_count; i++)
		size += span_size(event->types[i].size);
	size += field_size(event->epoch) + field_size(event->downtime_ns);
	size += uuid_is_nil(event->id) ? 0 : span_size(sizeof(event->id.bytes));
	size += span_size(event->name.size) + span_size(event->text.size);
	size += span_size(event->payload.size);
	size += uuid_is_nil(event->parent) ? 0 : span_size(sizeof(event->parent.bytes));
	size += field_size(event->child_index) + field_size(event->start_ns);
	size += field_size(event->key_until_ns) + field_size(event->late);
	size += span_size(event->child_key.size) + span_size(event->key.size);
	size += span_size(event->actor.size);
	size += span_size(event->digest.size) + span_size(event->scope.size);
	size += field_size(event->kid) + field_size(event->roles);
	for (uint32_t i = 0; i < event->action_count; i++)
		size += span_size(event->actions[i].size);
	for (uint32_t i = 0; i < event->metadata_count; i++)
		size += 2 + varint_size(event->metadata[i].size) + event->metadata[i].size;
	for (uint32_t i = 0; i < event->kept_count; i++)
		size += span_size(event->kept[i].size);
	for (uint32_t i = 0; i < event->nodes_count; i++)
		size += span_size(event->nodes[i].size);
	size += span_size(event->places.size) + field_size(event->created_ns);
	size += field_size(event->input) + field_size(event->from) + field_size(event->chunks);
	size += field_size(event->job) + field_size(event->cursor) + field_size(event->kind);
	size += field_size(event->descend) + field_size(event->refusal);
	size += field_size(event->node) + field_size(event->fingerprint) + field_size(event->which);
	size += field_size(event->approval) + field_size(event->invocation);
	size += field_size(event->number) + field_size(event->approved);
	size += uuid_is_nil(event->child) ? 0 : span_size(sizeof(event->child.bytes));
	size += span_size(event->actor.size);
	for (uint32_t i = 0; i < event->condition_count; i++)
		size += 2 + varint_size(event->conditions[i].size) + event->conditions[i].size;
	for (uint32_t i = 0; i < event->data_count; i++)
		size += 2 + varint_size(event->data[i].size) + event->data[i].size;
	return (size + 7) / 8 * 8;
}

static inline bool
event_equal(const struct eng_event *a, const struct eng_event *b)
{
	bool equal = a->type == b->type && a->time_ns == b->time_ns && a->run == b->run &&
	    a->run_event_no == b->run_event_no && a->task == b->task && a->attempt == b->attempt &&
	    a->lease == b->lease && a->worker == b->worker && a->tenant == b->tenant &&
	    a->workflow == b->workflow && a->version == b->version &&
	    a->priority == b->priority && a->slots == b->slots && a->reason == b->reason &&
	    a->status == b->status && a->deadline_ns == b->deadline_ns &&
	    a->incarnation == b->incarnation && a->epoch == b->epoch &&
	    a->downtime_ns == b->downtime_ns && uuid_equal(a->id, b->id) &&
	    bytes_equal(a->name, b->name) && bytes_equal(a->text, b->text) &&
	    bytes_equal(a->payload, b->payload) && a->action_count == b->action_count &&
	    a->metadata_count == b->metadata_count && uuid_equal(a->parent, b->parent) &&
	    a->child_index == b->child_index && a->start_ns == b->start_ns &&
	    a->key_until_ns == b->key_until_ns && a->late == b->late &&
	    bytes_equal(a->child_key, b->child_key) && bytes_equal(a->key, b->key) &&
	    bytes_equal(a->actor, b->actor) && bytes_equal(a->digest, b->digest) &&
	    bytes_equal(a->scope, b->scope) && a->kid == b->kid && a->roles == b->roles &&
	    a->lapse_ns == b->lapse_ns && a->retry_ns == b->retry_ns &&
	    a->type_count == b->type_count;
	for (uint32_t i = 0; equal && i < a->action_count; i++)
		equal = bytes_equal(a->actions[i], b->actions[i]);
	for (uint32_t i = 0; equal && i < a->metadata_count; i++)
		equal = bytes_equal(a->metadata[i], b->metadata[i]);
	equal = equal && a->node == b->node && a->fingerprint == b->fingerprint &&
	    a->which == b->which && a->approval == b->approval &&
	    a->invocation == b->invocation && a->number == b->number &&
	    a->approved == b->approved && uuid_equal(a->child, b->child) &&
	    bytes_equal(a->actor, b->actor) &&
	    a->condition_count == b->condition_count && a->data_count == b->data_count;
	for (uint32_t i = 0; equal && i < a->condition_count; i++)
		equal = bytes_equal(a->conditions[i], b->conditions[i]);
	for (uint32_t i = 0; equal && i < a->data_count; i++)
		equal = bytes_equal(a->data[i], b->data[i]);
	equal = equal && a->kept_count == b->kept_count && a->nodes_count == b->nodes_count &&
	    bytes_equal(a->places, b->places) && a->created_ns == b->created_ns &&
	    a->input == b->input && a->from == b->from && a->chunks == b->chunks &&
	    a->job == b->job && a->cursor == b->cursor && a->kind == b->kind &&
	    a->descend == b->descend && a->refusal == b->refusal;
	for (uint32_t i = 0; equal && i < a->kept_count; i++)
		equal = bytes_equal(a->kept[i], b->kept[i]);
	for (uint32_t i = 0; equal && i < a->nodes_count; i++)
		equal = bytes_equal(a->nodes[i], b->nodes[i]);
	for (uint32_t i = 0; equal && i < a->type_count; i++)
		equal = bytes_equal(a->types[i], b->types[i]);
	return equal;
}

#endif
