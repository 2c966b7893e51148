#include "server/history.h"

#include "base/mem.h"
#include "server/record.h"

#include <inttypes.h>
#include <stdio.h>

void
history_places_store(const struct log_place *places, uint32_t count, uint8_t *to)
{
	for (uint32_t i = 0; i < count; i++, to += HISTORY_PLACE_BYTES) {
		le64_store(to, places[i].lsn.v);
		le64_store(to + 8, places[i].event_seq);
		le32_store(to + 16, places[i].size);
	}
}

void
history_places_encode(const struct log_place *places, uint32_t count, struct buf *to)
{
	size_t size = (size_t)count * HISTORY_PLACE_BYTES;
	history_places_store(places, count, buf_reserve(to, size));
	buf_commit(to, size);
}

struct log_place
history_place_decode(struct bytes encoded, uint32_t index)
{
	const uint8_t *at = encoded.data + (size_t)index * HISTORY_PLACE_BYTES;
	froe_assert(index < history_places_count(encoded));
	return (struct log_place){
	    .lsn.v = le64_load(at),
	    .event_seq = le64_load(at + 8),
	    .size = le32_load(at + 16),
	};
}

/* ------------------------------------------------------------------------------------ loading */

struct history_read {
	struct log_read read;
	struct list link; /* history->reads */
	struct history *history;
	uint32_t index;
};

static void history_load(struct history *history);

static void
history_fail(struct history *history, enum froe_err err)
{
	if (history->err == FROE_OK)
		history->err = err;
}

static struct log_record
record_at(const struct history *history, uint32_t index, const struct history_record *from)
{
	return (struct log_record){
	    .lsn = history->places[index].lsn,
	    .type = from->type,
	    .time_ns = from->time_ns,
	    .run_key = history->run,
	    .run_event_no = index + 1,
	    .body = from->body,
	};
}

/* The run's version: from its first record; of a scheduled run from the second, if it came so far
 * that it was due. */
static void
history_begin(struct history *history, uint32_t index, const struct history_record *from)
{
	struct log_record record = record_at(history, index, from);
	struct eng_event event;
	enum froe_err err = record_decode(&record, &history->arena, &event, NULL);
	if (err != FROE_OK) {
		history_fail(history, err);
		return;
	}
	bool first = index == 0, due = event.type == ENG_EV_RUN_DUE;
	if (first != (event.type == ENG_EV_RUN_STARTED))
		history_fail(history, FROE_CORRUPT);
	if (first)
		history->workflow = event.workflow;
	if ((first || due) && !eng_version(history->shard->eng, history->workflow, event.version,
	        &history->version))
		history_fail(history, FROE_CORRUPT);
	history->begun = !first || event.version != 0;
}

/* Is the payload of this TASK_COMPLETED wanted? */
static bool
output_wanted(struct history *history, uint32_t index, const struct history_record *record)
{
	const struct eng_version_view *version = &history->version;
	struct history_record head = *record;
	struct eng_event event;
	head.body = record_head(record->body, &history->arena);
	struct log_record from = record_at(history, index, &head);
	if (record_decode(&from, &history->arena, &event, NULL) != FROE_OK ||
	    event.task >= version->task_count)
		return true; /* the fold finds out */
	const struct eng_task_definition *task = &version->tasks[event.task];
	if (history->want == HISTORY_OUTPUT)
		return bytes_equal(task->name, bytes_text(history->task));
	return history->want == HISTORY_ALL ||
	    (version->children[event.task] == 0 && !task->on_failure);
}

static bool
payload_wanted(struct history *history, uint32_t index, const struct history_record *record)
{
	size_t size = record_payload(record->body).size;
	bool all = history->want == HISTORY_ALL;
	if (history->want == HISTORY_NONE || (record->type == ENG_EV_RUN_STARTED && !all))
		return false;
	if (record->type == ENG_EV_TASK_COMPLETED && !output_wanted(history, index, record))
		return false;
	if (history->payload_bytes + size > HISTORY_PAYLOAD_BYTES_MAX)
		return false;
	history->payload_bytes += size;
	return true;
}

/* Copies what is wanted of the record. */
static void
history_keep(struct history *history, uint32_t index, struct history_record record)
{
	struct bytes head = record_head(record.body, &history->arena);
	if (!history->begun)
		history_begin(history, index, &record);
	if (history->err != FROE_OK)
		return;
	if (head.size < record.body.size && !payload_wanted(history, index, &record)) {
		record.cut = true;
		record.body = head;
	}
	history->kept_bytes += record.body.size;
	if (history->kept_bytes > HISTORY_BYTES_MAX)
		history_fail(history, FROE_TOO_LARGE);
	record.body.data = arena_copy(&history->arena, record.body.data, record.body.size);
	history->records[index] = record;
}

static void
read_free(struct history_read *read)
{
	list_remove(&read->link);
	mem_free(read);
}

static void
read_done(struct log_read *log_read, enum froe_err err, const struct log_record *record)
{
	struct history_read *read = container_of(log_read, struct history_read, read);
	struct history *history = read->history;
	uint32_t index = read->index;
	history->loading--;
	read_free(read);
	if (err == FROE_OK &&
	    (record->run_key != history->run || record->run_event_no != index + 1))
		err = FROE_CORRUPT;
	if (err != FROE_OK) {
		history->bad = history->bad == 0 ? index + 1 : history->bad;
		history_fail(history, err);
	} else {
		history_keep(history, index,
		    (struct history_record){
		        .type = record->type,
		        .time_ns = record->time_ns,
		        .body = record->body,
		    });
	}
	history_load(history);
}

static void
history_read(struct history *history, uint32_t index)
{
	struct history_read *read = mem_zalloc(sizeof(*read));
	read->history = history;
	read->index = index;
	list_push(&history->reads, &read->link);
	history->loading++;
	log_read_start(history->shard->log, &read->read, history->places[index], history->run,
	    index + 1, read_done);
}

/* The first record alone (of a scheduled run, the second too): it says what is wanted. */
static bool
history_may_load(const struct history *history)
{
	return history->next < history->count && history->err == FROE_OK &&
	    history->loading < HISTORY_READS_MAX && (history->begun || history->loading == 0);
}

static void
history_load(struct history *history)
{
	struct resolver *resolver = history->shard->resolver;
	if (history->busy)
		return;
	history->busy = true;
	while (history_may_load(history)) {
		uint32_t index = history->next++;
		struct resolver_record record;
		if (!resolver_record(resolver, history->run, index + 1, &record)) {
			history_read(history, index);
			continue;
		}
		history_keep(history, index,
		    (struct history_record){
		        .type = record.type,
		        .time_ns = record.time_ns,
		        .body = record.body,
		    });
	}
	history->busy = false;
	if (history->loading == 0)
		history->done(history, history->err);
}

struct history *
history_open(struct shard *shard, uint64_t run, const struct log_place *places, uint32_t count,
    void (*done)(struct history *history, enum froe_err err), void *context)
{
	struct history *history = mem_zalloc(sizeof(*history));
	history->shard = shard;
	history->run = run;
	history->done = done;
	history->context = context;
	list_init(&history->reads);
	arena_init(&history->arena, 0);
	if (count > HISTORY_RECORDS_MAX) {
		history->err = FROE_TOO_LARGE;
		return history;
	}
	history->count = count;
	history->places = mem_copy(places, count * sizeof(*places));
	history->records = mem_array(count, sizeof(*history->records));
	return history;
}

void
history_start(struct history *history, enum history_want want, struct bytes task)
{
	history->want = want;
	history->task = mem_zalloc(task.size + 1);
	if (task.size > 0)
		memcpy(history->task, task.data, task.size);
	history_load(history);
}

void
history_free(struct history *history)
{
	while (!list_empty(&history->reads))
		read_free(container_of(history->reads.next, struct history_read, link));
	arena_release(&history->arena);
	mem_free(history->task);
	mem_free(history->places);
	mem_free(history->records);
	mem_free(history);
}

/* ------------------------------------------------------------------------------------ folding */

struct fold {
	struct history *history;
	struct history_fold *out;
	Froe__RunView *view;
	struct bytes *outputs;
	bool *cut;
	size_t *attempt_room; /* per task */
	size_t *log_room;
	size_t *node_room;
	size_t replay_room;
	bool failed; /* a task has: its error is the run's */
};

static void *
fold_zalloc(struct fold *fold, size_t size)
{
	void *block = arena_alloc(&fold->history->arena, size);
	memset(block, 0, size);
	return block;
}

static char *
fold_text(struct fold *fold, struct bytes text)
{
	char *copy = arena_alloc(&fold->history->arena, text.size + 1);
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	copy[text.size] = 0;
	return copy;
}

/* Grows an arena array of pointers to hold one more. */
static void **
fold_grow(struct fold *fold, void **array, size_t count, size_t *room)
{
	if (count < *room)
		return array;
	*room = *room != 0 ? *room * 2 : 4;
	void **grown = arena_alloc(&fold->history->arena, *room * sizeof(*grown));
	if (count > 0)
		memcpy(grown, array, count * sizeof(*grown));
	return grown;
}

static char *
fold_position(struct fold *fold, uint32_t record)
{
	char text[20];
	int size = snprintf(text, sizeof(text), "%016" PRIx64,
	    fold->history->places[record - 1].lsn.v);
	return fold_text(fold, bytes_of(text, (size_t)size));
}

/* A constant text: messages are only read. */
static char *
fold_constant(const char *text)
{
	return (char *)(uintptr_t)text;
}

static bool
fold_payload(const struct fold *fold, struct bytes payload, ProtobufCBinaryData *to)
{
	*to = (ProtobufCBinaryData){payload.size, (uint8_t *)(uintptr_t)payload.data};
	return fold->history->want == HISTORY_ALL && payload.size > 0;
}

static void
fold_task_init(struct fold *fold, uint32_t index, struct uuid run)
{
	const struct eng_task_definition *definition = &fold->out->version.tasks[index];
	Froe__TaskView *task = fold_zalloc(fold, sizeof(*task));
	froe__task_view__init(task);
	struct uuid id = uuid_task(run, index);
	task->name = fold_text(fold, definition->name);
	task->has_id = true;
	task->id = (ProtobufCBinaryData){16,
	    arena_copy(&fold->history->arena, id.bytes, sizeof(id.bytes))};
	task->has_status = true;
	task->status = FROE__RUN_STATUS__QUEUED;
	task->state = fold_constant("waiting");
	task->parents = fold_zalloc(fold, definition->parent_count * sizeof(char *));
	task->n_parents = definition->parent_count;
	for (uint32_t i = 0; i < definition->parent_count; i++)
		task->parents[i] = fold_text(fold, definition->parents[i]);
	fold->view->tasks[index] = task;
}

static void
fold_metadata(struct fold *fold, const struct eng_event *event)
{
	Froe__RunView *view = fold->view;
	size_t count = event->metadata_count / 2;
	view->metadata = fold_zalloc(fold, count * sizeof(*view->metadata));
	view->n_metadata = count;
	for (size_t i = 0; i < count; i++) {
		view->metadata[i] = fold_zalloc(fold, sizeof(Froe__Pair));
		froe__pair__init(view->metadata[i]);
		view->metadata[i]->key = fold_text(fold, event->metadata[2 * i]);
		view->metadata[i]->value = fold_text(fold, event->metadata[2 * i + 1]);
	}
}

/* Why it is there, and since when it is to be. */
static void
fold_origin(struct fold *fold, const struct eng_event *event)
{
	Froe__RunView *view = fold->view;
	view->has_start_ns = event->start_ns != 0;
	view->start_ns = event->start_ns;
	if (event->key.size != 0)
		view->key = fold_text(fold, event->key);
	if (uuid_is_nil(event->parent))
		return;
	view->has_parent = true;
	view->parent = (ProtobufCBinaryData){16,
	    arena_copy(&fold->history->arena, event->parent.bytes, 16)};
	view->has_child_index = event->child_key.size == 0;
	view->child_index = event->child_index;
	if (event->child_key.size != 0)
		view->child_key = fold_text(fold, event->child_key);
}

/* As its version has them; none while it is scheduled. */
static void
fold_tasks(struct fold *fold)
{
	struct history_fold *out = fold->out;
	Froe__RunView *view = fold->view;
	struct uuid id;
	out->version = fold->history->version;
	uint32_t count = out->version.task_count;
	view->tasks = fold_zalloc(fold, count * sizeof(*view->tasks));
	view->n_tasks = count;
	fold->outputs = fold_zalloc(fold, count * sizeof(*fold->outputs));
	fold->cut = fold_zalloc(fold, count * sizeof(*fold->cut));
	fold->attempt_room = fold_zalloc(fold, count * sizeof(size_t));
	fold->log_room = fold_zalloc(fold, count * sizeof(size_t));
	fold->node_room = fold_zalloc(fold, count * sizeof(size_t));
	memcpy(id.bytes, view->run.data, sizeof(id.bytes));
	for (uint32_t i = 0; i < count; i++)
		fold_task_init(fold, i, id);
	out->outputs = fold->outputs;
	out->cut = fold->cut;
}

static void
fold_started(struct fold *fold, const struct eng_event *event)
{
	struct history_fold *out = fold->out;
	Froe__RunView *view = fold->view;
	out->tenant = event->tenant;
	view->run = (ProtobufCBinaryData){16,
	    arena_copy(&fold->history->arena, event->id.bytes, 16)};
	view->has_run = view->has_number = view->has_version = view->has_status = true;
	view->has_priority = view->has_created_ns = true;
	view->number = event->run;
	view->workflow = fold_text(fold, fold->history->version.workflow);
	view->version = event->version;
	view->status = FROE__RUN_STATUS__QUEUED;
	view->priority = event->priority;
	view->created_ns = event->time_ns;
	view->position = fold_position(fold, 1);
	view->has_input = fold_payload(fold, event->payload, &view->input);
	fold_metadata(fold, event);
	fold_origin(fold, event);
	fold_tasks(fold);
}

static void
fold_due(struct fold *fold, const struct eng_event *event)
{
	Froe__RunView *view = fold->view;
	view->version = event->version;
	view->priority = event->priority;
	view->has_late = event->late != 0;
	view->late = event->late != 0;
}

/* The run goes on: what runs anew is as at the beginning, but for the attempts it had. */
static void
fold_replayed(struct fold *fold, const struct eng_event *event)
{
	Froe__RunView *view = fold->view;
	Froe__ReplayView *replay = fold_zalloc(fold, sizeof(*replay));
	froe__replay_view__init(replay);
	replay->has_time_ns = true;
	replay->time_ns = event->time_ns;
	replay->by = fold_text(fold, event->actor);
	replay->reason = fold_text(fold, event->text);
	replay->has_job = (replay->job = event->job) != 0;
	replay->has_edited = replay->edited = event->input == event->run_event_no;
	if (event->from != 0 && event->from <= view->n_tasks)
		replay->task = view->tasks[event->from - 1]->name;
	view->replays = (Froe__ReplayView **)fold_grow(fold, (void **)view->replays,
	    view->n_replays, &fold->replay_room);
	view->replays[view->n_replays++] = replay;
	view->status = FROE__RUN_STATUS__QUEUED;
	view->has_finished_ns = view->has_result = false;
	view->reason = view->cancelled_by = NULL;
	view->cancel_job = 0;
	fold->failed = false;
	fold->out->error = bytes_of(NULL, 0);
	fold->out->closed = false;
	if (replay->edited)
		view->has_input = fold_payload(fold, event->payload, &view->input);
	for (uint32_t i = 0; i < view->n_tasks && i < event->kept_count; i++) {
		Froe__TaskView *task = view->tasks[i];
		if (event->kept[i].size == 0 || event->kept[i].data[0] != 'W')
			continue;
		task->state = fold_constant("waiting");
		task->status = FROE__RUN_STATUS__QUEUED;
		task->has_queued_ns = task->has_started_ns = task->has_finished_ns = false;
		task->has_skipped = task->has_due_ns = task->has_output = task->skipped = false;
		task->queued_ns = task->started_ns = task->finished_ns = 0;
		task->error = NULL;
		fold->outputs[i] = bytes_of(NULL, 0);
		fold->cut[i] = false;
		size_t nodes = event->from == i + 1 ? event->nodes_count : 0;
		task->n_nodes = task->n_nodes < nodes ? task->n_nodes : nodes;
	}
}

static void
task_state(Froe__TaskView *task, const char *state, Froe__RunStatus status)
{
	task->state = fold_constant(state);
	task->status = status;
}

static void
task_finish(Froe__TaskView *task, const struct eng_event *event, Froe__RunStatus status)
{
	task_state(task, "closed", status);
	task->has_finished_ns = true;
	task->finished_ns = event->time_ns;
	task->has_due_ns = false;
}

static void
fold_assigned(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	Froe__AttemptView *attempt = fold_zalloc(fold, sizeof(*attempt));
	froe__attempt_view__init(attempt);
	struct bytes worker = eng_worker_name(fold->history->shard->eng, event->worker);
	char number[32];
	int size = snprintf(number, sizeof(number), "worker %" PRIu64, event->worker);
	attempt->has_attempt = attempt->has_lease = attempt->has_status = true;
	attempt->has_assigned_ns = true;
	attempt->attempt = event->attempt;
	attempt->has_invocation = event->invocation != 0;
	attempt->invocation = event->invocation;
	attempt->lease = event->lease;
	attempt->worker =
	    fold_text(fold, worker.size != 0 ? worker : bytes_of(number, (size_t)size));
	attempt->status = FROE__RUN_STATUS__RUNNING;
	attempt->assigned_ns = event->time_ns;
	attempt->position = fold_position(fold, event->run_event_no);
	task->attempts = (Froe__AttemptView **)fold_grow(fold, (void **)task->attempts,
	    task->n_attempts, &fold->attempt_room[event->task]);
	task->attempts[task->n_attempts++] = attempt;
	task_state(task, "assigned", FROE__RUN_STATUS__RUNNING);
	task->has_due_ns = false;
	if (!task->has_started_ns) {
		task->has_started_ns = true;
		task->started_ns = event->time_ns;
	}
	fold->view->status = FROE__RUN_STATUS__RUNNING;
	if (!fold->view->has_started_ns) {
		fold->view->has_started_ns = true;
		fold->view->started_ns = event->time_ns;
	}
}

/* The newest attempt is over. */
static void
attempt_finish(struct fold *fold, Froe__TaskView *task, const struct eng_event *event,
    Froe__RunStatus status, const char *outcome)
{
	if (task->n_attempts == 0)
		return;
	Froe__AttemptView *attempt = task->attempts[task->n_attempts - 1];
	if (attempt->has_finished_ns)
		return;
	attempt->has_finished_ns = true;
	attempt->finished_ns = event->time_ns;
	attempt->status = status;
	attempt->outcome = fold_constant(outcome);
	attempt->position = fold_position(fold, event->run_event_no);
	if (event->text.size > 0)
		attempt->error = fold_text(fold, event->text);
}

static void
fold_attempt_ended(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	bool released = event->reason == ENG_REASON_RELEASED;
	const char *outcome = event->reason == ENG_REASON_FATAL
	    ? "failed"
	    : eng_reason_name((enum eng_reason)event->reason);
	attempt_finish(fold, task, event,
	    released ? FROE__RUN_STATUS__CANCELLED : FROE__RUN_STATUS__FAILED, outcome);
	if (!released)
		task->error = fold_text(fold, event->text);
}

/* An old lease that has to lapse first does so in uptime; its delay is told in engine time. */
static uint64_t
delay_due_ns(const struct fold *fold, const struct eng_event *event)
{
	if (event->retry_ns == 0)
		return event->deadline_ns;
	uint64_t lapse_ns = event->deadline_ns + eng_downtime_ns(fold->history->shard->eng);
	return lapse_ns > event->retry_ns ? lapse_ns : event->retry_ns;
}

/* The same array with more room. */
static void *
fold_larger(struct fold *fold, const void *array, size_t count, size_t room, size_t size)
{
	void *larger = fold_zalloc(fold, room * size);
	if (count > 0)
		memcpy(larger, array, count * size);
	return larger;
}

/* Of a late line it may not be the newest. */
static uint32_t
log_attempt(const Froe__TaskView *task, const struct eng_event *event)
{
	if (event->type == ENG_EV_LATE_LOGGED && event->attempt != 0)
		return event->attempt;
	return task->n_attempts > 0 ? task->attempts[task->n_attempts - 1]->attempt : 0;
}

static void
fold_logged(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	size_t *room = &fold->log_room[event->task], before = *room;
	task->log = (char **)fold_grow(fold, (void **)task->log, task->n_log, room);
	if (*room != before) {
		task->log_ns =
		    fold_larger(fold, task->log_ns, task->n_log, *room, sizeof(uint64_t));
		task->log_attempts = fold_larger(
		    fold, task->log_attempts, task->n_log, *room, sizeof(uint32_t));
	}
	task->log_ns[task->n_log] = event->time_ns;
	task->log_attempts[task->n_log] = log_attempt(task, event);
	task->log[task->n_log++] = fold_text(fold, event->text);
	task->n_log_ns = task->n_log_attempts = task->n_log;
}

/* ------------------------------------------------------------------------------------- durable */

static Froe__NodeView *
fold_node(struct fold *fold, Froe__TaskView *task, const struct eng_event *event,
    Froe__NodeKind kind)
{
	Froe__NodeView *node = fold_zalloc(fold, sizeof(*node));
	froe__node_view__init(node);
	node->has_node = node->has_kind = node->has_state = node->has_created_ns = true;
	node->node = event->node;
	node->kind = kind;
	node->label = fold_text(fold, event->text);
	node->created_ns = event->time_ns;
	task->nodes = (Froe__NodeView **)fold_grow(fold, (void **)task->nodes, task->n_nodes,
	    &fold->node_room[event->task]);
	task->nodes[task->n_nodes++] = node;
	return node;
}

static void
fold_waited(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	Froe__NodeView *node = fold_node(fold, task, event, FROE__NODE_KIND__NODE_WAIT);
	node->state = FROE__NODE_STATE__NODE_PENDING;
	node->has_approval = event->approval != 0;
	node->approval = event->approval;
	for (uint32_t i = 0; i < event->condition_count; i++) {
		unsigned long long due_ns;
		char *text = fold_text(fold, event->conditions[i]);
		if (sscanf(text, "sleep:%llu", &due_ns) != 1)
			continue;
		if (!node->has_due_ns || due_ns < node->due_ns)
			node->due_ns = due_ns;
		node->has_due_ns = true;
	}
}

static void
fold_memo(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	Froe__NodeView *node = fold_node(fold, task, event, FROE__NODE_KIND__NODE_MEMO);
	node->state = FROE__NODE_STATE__NODE_DONE;
	node->has_done_ns = true;
	node->done_ns = event->time_ns;
}

static void
fold_spawned(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	Froe__NodeView *node = fold_node(fold, task, event, FROE__NODE_KIND__NODE_CHILD);
	node->state = FROE__NODE_STATE__NODE_PENDING;
	node->has_child = true;
	node->child = (ProtobufCBinaryData){16,
	    arena_copy(&fold->history->arena, event->child.bytes, sizeof(event->child.bytes))};
}

static void
fold_satisfied(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	if (event->node == 0 || event->node > task->n_nodes)
		return;
	Froe__NodeView *node = task->nodes[event->node - 1];
	node->state = FROE__NODE_STATE__NODE_DONE;
	node->has_done_ns = true;
	node->done_ns = event->time_ns;
	if (event->type == ENG_EV_APPROVAL_DECIDED) {
		node->outcome = fold_constant(event->approved != 0 ? "approved" : "rejected");
		node->actor = fold_text(fold, event->actor);
		node->reason = fold_text(fold, event->text);
	} else if (!uuid_is_nil(event->child)) {
		node->outcome = fold_constant(eng_reason_name((enum eng_reason)event->reason));
	} else {
		node->outcome = fold_constant(event->number != 0 ? "event"
			: event->payload.size != 0               ? "value"
								 : "sleep");
	}
}

/* As in the engine: a run that has nothing assigned any more is EVICTED. */
static void
fold_evicted(struct fold *fold, Froe__TaskView *task, const struct eng_event *event)
{
	attempt_finish(fold, task, event, FROE__RUN_STATUS__EVICTED, "evicted");
	task_state(task, "evicted", FROE__RUN_STATUS__EVICTED);
	for (size_t i = 0; i < fold->view->n_tasks; i++) {
		if (strcmp(fold->view->tasks[i]->state, "assigned") == 0)
			return;
	}
	fold->view->status = FROE__RUN_STATUS__EVICTED;
}

/* Of the run, or of one of its tasks: the last word counts. */
static void
fold_cancel(struct fold *fold, const struct eng_event *event)
{
	fold->view->reason = fold_text(fold, event->text);
	fold->view->cancelled_by = fold_text(fold, event->actor);
}

/* The table of what the events of a task change. */
static void
fold_task(struct fold *fold, const struct eng_event *event, bool cut)
{
	Froe__TaskView *task = fold->view->tasks[event->task];
	switch (event->type) {
	case ENG_EV_TASK_QUEUED:
		task_state(task, "queued", FROE__RUN_STATUS__QUEUED);
		task->has_due_ns = false;
		task->queued_ns = task->has_queued_ns ? task->queued_ns : event->time_ns;
		task->has_queued_ns = true;
		return;
	case ENG_EV_TASK_ASSIGNED:
		fold_assigned(fold, task, event);
		return;
	case ENG_EV_TASK_COMPLETED:
		attempt_finish(fold, task, event, FROE__RUN_STATUS__COMPLETED, "completed");
		task_finish(task, event, FROE__RUN_STATUS__COMPLETED);
		fold->outputs[event->task] = event->payload;
		fold->cut[event->task] = cut;
		task->has_output = fold_payload(fold, event->payload, &task->output);
		return;
	case ENG_EV_ATTEMPT_ENDED:
		fold_attempt_ended(fold, task, event);
		return;
	case ENG_EV_TASK_DELAYED:
		task_state(task, "delayed", FROE__RUN_STATUS__QUEUED);
		task->has_due_ns = true;
		task->due_ns = delay_due_ns(fold, event);
		return;
	case ENG_EV_TASK_FAILED:
		task_finish(task, event, FROE__RUN_STATUS__FAILED);
		if (!fold->failed && task->error != NULL)
			fold->out->error = bytes_text(task->error);
		fold->failed = true;
		return;
	case ENG_EV_TASK_CANCELLED:
		attempt_finish(fold, task, event, FROE__RUN_STATUS__CANCELLED, "cancelled");
		task_finish(task, event, FROE__RUN_STATUS__CANCELLED);
		if (event->reason == ENG_REASON_TASK_REQUESTED)
			fold_cancel(fold, event);
		return;
	case ENG_EV_TASK_SKIPPED:
		task_finish(task, event, FROE__RUN_STATUS__COMPLETED);
		task->has_skipped = task->skipped = true;
		return;
	case ENG_EV_TASK_LOGGED:
	case ENG_EV_LATE_LOGGED:
		fold_logged(fold, task, event);
		return;
	case ENG_EV_TASK_STREAMED:
		return; /* StreamGet shows it */
	case ENG_EV_NODE_WAITED:
		fold_waited(fold, task, event);
		return;
	case ENG_EV_MEMO_PUT:
		fold_memo(fold, task, event);
		return;
	case ENG_EV_CHILD_SPAWNED:
		fold_spawned(fold, task, event);
		return;
	case ENG_EV_NODE_SATISFIED:
	case ENG_EV_APPROVAL_DECIDED:
		fold_satisfied(fold, task, event);
		return;
	case ENG_EV_TASK_EVICTED:
		fold_evicted(fold, task, event);
		return;
	case ENG_EV_EVENT_PUSHED:
	case ENG_EV_RATE_LIMIT_PUT:
	case ENG_EV_TOKEN_CREATED:
	case ENG_EV_TOKEN_REVOKED:
	case ENG_EV_LEASE_REFRESHED:
	case ENG_EV_ENGINE_STARTED:
	case ENG_EV_TENANT_CREATED:
	case ENG_EV_WORKFLOW_PUT:
	case ENG_EV_RUN_STARTED:
	case ENG_EV_RUN_DUE:
	case ENG_EV_RUN_CANCEL_REQUESTED:
	case ENG_EV_RUN_REPLAYED:
	case ENG_EV_JOB_STARTED:
	case ENG_EV_JOB_ADVANCED:
	case ENG_EV_JOB_ENDED:
	case ENG_EV_RUN_CLOSED:
	case ENG_EV_WORKER_REGISTERED:
	case ENG_EV_WORKER_ATTACHED:
	case ENG_EV_WORKER_DETACHED:
	case ENG_EV_WORKER_DRAINING:
	case ENG_EV_WORKER_LEAVING:
	case ENG_EV_WORKER_LEFT:
	case ENG_EV_SLOTS_RELEASED:
	case ENG_EV_TASK_BEGUN:
	case ENG_EV_WORKFLOW_PAUSED:
	case ENG_EV_WORKFLOW_RESUMED:
	case ENG_EV_WORKFLOW_DELETED:
	case ENG_EV_WORKER_PAUSED:
	case ENG_EV_WORKER_RESUMED:
	case ENG_EV_LEASES_DROPPED:
		return;
	case ENG_EV_LEASE_ENDED: /* its time is the later one that was told no more */
		task->has_due_ns = false;
		return;
	}
}

static enum froe_err
fold_event(struct fold *fold, const struct eng_event *event, bool cut, struct froe_fault *fault)
{
	if (event->run_event_no == 1) {
		fold_started(fold, event); /* history_begin has seen to that */
	} else if (event->type == ENG_EV_RUN_DUE) {
		fold_due(fold, event);
	} else if (event->type == ENG_EV_RUN_REPLAYED) {
		fold_replayed(fold, event);
	} else if (event->type == ENG_EV_RUN_CANCEL_REQUESTED) {
		fold_cancel(fold, event);
		fold->view->has_cancel_job = event->job != 0;
		fold->view->cancel_job = event->job;
	} else if (event->type == ENG_EV_RUN_CLOSED) {
		fold->view->status = (Froe__RunStatus)event->status;
		fold->view->has_finished_ns = true;
		fold->view->finished_ns = event->time_ns;
		fold->out->closed = true;
	} else if (event->task >= fold->view->n_tasks) {
		return fault_set(fault, FROE_CORRUPT, "record %u is of no task",
		    event->run_event_no);
	} else {
		fold_task(fold, event, cut);
	}
	return FROE_OK;
}

enum froe_err
history_adopt(struct resolver *resolver, const struct eng_event *event, struct froe_fault *fault)
{
	uint32_t count = event->run_event_no - 1;
	if (event->places.size != (size_t)count * HISTORY_PLACE_BYTES)
		return fault_set(fault, FROE_CORRUPT,
		    "run %" PRIu64 " goes on without the places of its records", event->run);
	if (resolver_count(resolver, event->run) != 0)
		return FROE_OK;
	struct log_place *places = mem_array(count, sizeof(*places));
	for (uint32_t i = 0; i < count; i++)
		places[i] = history_place_decode(event->places, i);
	resolver_load(resolver, event->run, places, count);
	mem_free(places);
	return FROE_OK;
}

enum froe_err
history_event(const struct history *history, uint32_t index, struct arena *arena,
    struct eng_event *ret_event, struct froe_fault *fault)
{
	struct log_record record = record_at(history, index, &history->records[index]);
	return record_decode(&record, arena, ret_event, fault);
}

enum froe_err
history_fold(struct history *history, struct history_fold *ret_fold, struct froe_fault *fault)
{
	struct fold fold = {.history = history, .out = ret_fold};
	*ret_fold = (struct history_fold){0};
	if (history->count == 0)
		return fault_set(fault, FROE_CORRUPT, "the run has no records");
	fold.view = fold_zalloc(&fold, sizeof(*fold.view));
	froe__run_view__init(fold.view);
	ret_fold->view = fold.view;
	for (uint32_t i = 0; i < history->count; i++) {
		struct log_record record = record_at(history, i, &history->records[i]);
		struct eng_event event;
		enum froe_err err = record_decode(&record, &history->arena, &event, fault);
		if (err == FROE_OK && event.type != 0)
			err = fold_event(&fold, &event, history->records[i].cut, fault);
		if (err != FROE_OK)
			return err;
	}
	return FROE_OK;
}
