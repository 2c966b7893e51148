#include "server/past.h"

#include "api/port.h"
#include "server/record.h"

struct past {
	struct arena *arena;
	struct eng_replay *replay;
	struct eng_past_task *tasks;
	uint64_t *holders; /* of the newest leases: workers */
	struct eng_past_node *nodes; /* of the task `from`, by number - 1 */
	uint32_t node_count;	     /* that were made */
	uint32_t node_max;	     /* that may be kept */
	uint32_t tenant;
	bool closed;
};

static struct bytes
keep(struct past *past, struct bytes bytes)
{
	return bytes_of(arena_copy(past->arena, bytes.data, bytes.size), bytes.size);
}

static void
take_started(struct past *past, const struct eng_event *event)
{
	struct eng_replay *replay = past->replay;
	struct bytes *metadata =
	    arena_alloc(past->arena, event->metadata_count * sizeof(struct bytes));
	for (uint32_t i = 0; i < event->metadata_count; i++)
		metadata[i] = keep(past, event->metadata[i]);
	past->tenant = event->tenant;
	replay->run = event->id;
	replay->key = event->run;
	replay->workflow = event->workflow;
	replay->version = event->version;
	replay->priority = event->priority;
	replay->created_ns = event->time_ns;
	replay->parent = event->parent;
	replay->metadata = metadata;
	replay->metadata_count = event->metadata_count;
	replay->input_record = 1;
}

/* An earlier replay: its tasks that ran anew had not completed yet. */
static void
take_replayed(struct past *past, const struct eng_event *event)
{
	struct eng_replay *replay = past->replay;
	past->closed = false;
	past->node_count = event->from != 0 && event->from == replay->from ? past->node_count : 0;
	if (past->node_count > event->nodes_count)
		past->node_count = event->nodes_count;
	replay->input_record = event->input;
	for (uint32_t i = 0; i < replay->task_count && i < event->kept_count; i++) {
		if (event->kept[i].size > 0 && event->kept[i].data[0] == 'W') {
			past->tasks[i].state = ENG_TASK_WAITING;
			past->tasks[i].output = 0;
		}
	}
}

static void
take_node(struct past *past, const struct eng_event *event)
{
	if (event->node == 0 || event->node > past->node_max)
		return;
	struct eng_past_node *node = &past->nodes[event->node - 1];
	if (event->type == ENG_EV_NODE_WAITED || event->type == ENG_EV_MEMO_PUT ||
	    event->type == ENG_EV_CHILD_SPAWNED) {
		bool memo = event->type == ENG_EV_MEMO_PUT;
		*node = (struct eng_past_node){
		    .kind = memo				  ? ENG_NODE_MEMO
			    : event->type == ENG_EV_CHILD_SPAWNED ? ENG_NODE_CHILD
								  : ENG_NODE_WAIT,
		    .fingerprint = event->fingerprint,
		    .result = memo ? event->run_event_no : 0,
		    .label = keep(past, event->text),
		};
		past->node_count = event->node > past->node_count ? event->node : past->node_count;
	} else {
		node->result = event->run_event_no;
		node->which = event->which;
	}
}

/* Its handler has ended, or will surely have at lapse_ns. */
static void
lease_ended(struct eng_past_task *task, uint64_t worker, uint64_t lapse_ns)
{
	task->worker = worker;
	task->lapse_ns = lapse_ns;
}

static void
take_task(struct past *past, const struct eng_event *event)
{
	if (event->task >= past->replay->task_count)
		return;
	struct eng_past_task *task = &past->tasks[event->task];
	bool named = past->replay->from == event->task + 1;
	if (event->type == ENG_EV_TASK_ASSIGNED) {
		task->lease = (uint32_t)event->lease;
		task->attempt = event->attempt;
		past->holders[event->task] = event->worker;
		lease_ended(task, /* worker= */ 0, 0);
	} else if (event->type == ENG_EV_ATTEMPT_ENDED || event->type == ENG_EV_TASK_CANCELLED ||
	    event->type == ENG_EV_TASK_EVICTED) {
		if (event->lapse_ns != 0)
			lease_ended(task, past->holders[event->task], event->lapse_ns);
	} else if (event->type == ENG_EV_LEASE_ENDED) {
		lease_ended(task, /* worker= */ 0, 0);
	} else if (event->type == ENG_EV_TASK_COMPLETED) {
		task->state = ENG_TASK_COMPLETED;
		task->output = event->run_event_no;
	} else if (event->type == ENG_EV_TASK_SKIPPED) {
		task->state = ENG_TASK_SKIPPED;
	} else if (event->type == ENG_EV_TASK_STREAMED) {
		past->replay->chunks++;
	} else if (named && (event->type == ENG_EV_NODE_WAITED || event->type == ENG_EV_MEMO_PUT ||
				event->type == ENG_EV_CHILD_SPAWNED ||
				event->type == ENG_EV_NODE_SATISFIED ||
				event->type == ENG_EV_APPROVAL_DECIDED)) {
		take_node(past, event);
	}
}

static void
take_event(struct past *past, const struct eng_event *event)
{
	if (event->type == ENG_EV_RUN_STARTED) {
		take_started(past, event);
	} else if (event->type == ENG_EV_RUN_DUE) {
		past->replay->version = event->version;
		past->replay->priority = event->priority;
	} else if (event->type == ENG_EV_RUN_REPLAYED) {
		take_replayed(past, event);
	} else if (event->type == ENG_EV_RUN_CLOSED) {
		past->closed = true;
	} else {
		take_task(past, event);
	}
}

/* Kept are the nodes up to the first without a result. */
static void
nodes_keep(struct past *past)
{
	uint32_t count = 0;
	while (count < past->node_count && count < past->node_max && past->nodes[count].result != 0)
		count++;
	past->replay->nodes = past->nodes;
	past->replay->node_count = count;
}

/* The task but for which there is at most the on-failure task; 0: there are others. */
static uint32_t
only_task(const struct eng_version_view *version)
{
	uint32_t only = 0, count = 0;
	for (uint32_t i = 0; i < version->task_count; i++) {
		if (version->tasks[i].on_failure)
			continue;
		only = i + 1;
		count++;
	}
	return count == 1 ? only : 0;
}

static void
keep_only(struct past *past, const struct eng_version_view *version)
{
	uint32_t only = only_task(version);
	past->node_max = 0;
	if (only == 0 || !version->tasks[only - 1].durable)
		return;
	past->replay->from = only;
	past->node_max = FROE_DURABLE_NODES_MAX;
}

static enum froe_err
find_task(
    struct past *past, const struct history *history, struct bytes task, struct froe_fault *fault)
{
	const struct eng_version_view *version = &history->version;
	for (uint32_t i = 0; i < version->task_count && task.size != 0; i++) {
		if (bytes_equal(version->tasks[i].name, task))
			past->replay->from = i + 1;
	}
	if (task.size != 0 && past->replay->from == 0)
		return fault_set_field(
		    fault, FROE_INVALID_ARGUMENT, "task", "the run's workflow has no such task");
	if (past->node_max == 0)
		return FROE_OK;
	if (task.size == 0 || !version->tasks[past->replay->from - 1].durable)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "node",
		    "a node is one of a durable task: name that task");
	return FROE_OK;
}

static void
places_keep(const struct history *history, struct past *past)
{
	struct buf places;
	buf_init(&places);
	history_places_encode(history->places, history->count, &places);
	past->replay->places = keep(past, buf_bytes(&places));
	buf_release(&places);
}

enum froe_err
past_replay(const struct history *history, struct bytes task, uint32_t node, struct arena *arena,
    uint32_t *ret_tenant, struct eng_replay *ret_replay, struct froe_fault *fault)
{
	struct past past = {.arena = arena, .replay = ret_replay};
	uint32_t count = history->version.task_count;
	*ret_replay = (struct eng_replay){.records = history->count, .task_count = count};
	past.node_max = node != 0 && node <= FROE_DURABLE_NODES_MAX ? node - 1 : 0;
	enum froe_err err = find_task(&past, history, task, fault);
	if (err != FROE_OK)
		return err;
	if (node == API_REPLAY_KEEP)
		keep_only(&past, &history->version);
	past.tasks = arena_alloc(arena, count * sizeof(*past.tasks));
	memset(past.tasks, 0, count * sizeof(*past.tasks));
	past.holders = arena_alloc(arena, count * sizeof(*past.holders));
	memset(past.holders, 0, count * sizeof(*past.holders));
	past.nodes = arena_alloc(arena, past.node_max * sizeof(*past.nodes));
	memset(past.nodes, 0, past.node_max * sizeof(*past.nodes));
	ret_replay->tasks = past.tasks;
	for (uint32_t i = 0; i < history->count && err == FROE_OK; i++) {
		struct eng_event event;
		err = history_event(history, i, arena, &event, fault);
		if (err == FROE_OK)
			take_event(&past, &event);
	}
	if (err != FROE_OK)
		return err;
	if (!past.closed)
		return fault_set_field(fault, FROE_FAILED_PRECONDITION, "run",
		    "the run has not ended: wait for it, or cancel it first");
	nodes_keep(&past);
	places_keep(history, &past);
	*ret_tenant = past.tenant;
	return FROE_OK;
}
