/*
 * engine/replay: a run that has ended goes on: all of it, or from one of its tasks on.
 *
 * Closed runs are not in the state. The shell reads the run's records and says what they add up to
 * (struct eng_replay); what of it is kept is decided here and written into RUN_REPLAYED, so that
 * applying needs nothing else. A task runs anew when it is the one that was named, or follows it,
 * or had not completed; all others keep their outputs. Record numbers, leases and attempts go on
 * where they were: what was sent for an old lease stays refused.
 *
 * In the event, a task is "STATE:LEASE:ATTEMPT:OUTPUT" (C completed, S skipped, W runs anew), with
 * ":WORKER:LAPSE" behind it if it is exactly once and its old handler may still be at it; and a
 * node "KIND:FINGERPRINT:RESULT:WHICH:LABEL" (W wait, M memo, R child run).
 */
#include "engine/apply_int.h"
#include "engine/durable_int.h"

#include <inttypes.h>
#include <stdio.h>

#define KEPT_TEXT_BYTES 80u

/* ------------------------------------------------------------------------------------ deciding */

static struct bytes
arena_print(struct eng_turn *turn, const char *text, int size)
{
	return bytes_of(arena_copy(&turn->eng->arena, text, (size_t)size), (size_t)size);
}

/* Marks the task and all that follow it. */
static void
reset_from(const struct eng_version *version, uint32_t index, bool *reset)
{
	uint16_t work[FROE_WORKFLOW_TASKS_MAX];
	uint32_t count = 0;
	if (reset[index])
		return;
	reset[index] = true;
	work[count++] = (uint16_t)index;
	while (count > 0) {
		const struct eng_node *node = &version->nodes[work[--count]];
		for (uint16_t i = 0; i < node->child_count; i++) {
			if (reset[node->children[i]])
				continue;
			reset[node->children[i]] = true;
			work[count++] = node->children[i];
		}
	}
}

static void
reset_tasks(const struct eng_version *version, const struct eng_replay *replay, bool *reset)
{
	for (uint32_t i = 0; i < version->task_count; i++) {
		enum eng_task_state state = replay->tasks[i].state;
		bool done = state == ENG_TASK_COMPLETED || state == ENG_TASK_SKIPPED;
		if (replay->from == 0 || replay->from == i + 1 || !done || i == version->on_failure)
			reset_from(version, i, reset);
	}
}

/* A task that runs anew begins when the handler of its old lease has ended, or surely has. */
static int
kept_lapse(struct eng_turn *turn, const struct eng_past_task *past, char *to, size_t size)
{
	if (past->worker == 0 || past->lapse_ns <= eng_uptime_ns(turn->eng, turn->now_ns))
		return 0;
	return snprintf(to, size, ":%" PRIu64 ":%" PRIu64, past->worker, past->lapse_ns);
}

static const struct bytes *
kept_tasks(
    struct eng_turn *turn, const struct eng_version *version, const struct eng_replay *replay)
{
	struct bytes *kept =
	    arena_alloc(&turn->eng->arena, version->task_count * sizeof(struct bytes));
	bool *reset = arena_alloc(&turn->eng->arena, version->task_count * sizeof(bool));
	memset(reset, 0, version->task_count * sizeof(bool));
	reset_tasks(version, replay, reset);
	for (uint32_t i = 0; i < version->task_count; i++) {
		const struct eng_past_task *past = &replay->tasks[i];
		char text[KEPT_TEXT_BYTES];
		char state = reset[i] ? 'W' : past->state == ENG_TASK_SKIPPED ? 'S' : 'C';
		int size = snprintf(text, sizeof(text), "%c:%" PRIu32 ":%" PRIu32 ":%" PRIu32,
		    state, past->lease, past->attempt, state == 'C' ? past->output : 0);
		if (reset[i])
			size += kept_lapse(turn, past, text + size, sizeof(text) - (size_t)size);
		kept[i] = arena_print(turn, text, size);
	}
	return kept;
}

static char
node_letter(enum eng_node_kind kind)
{
	return kind == ENG_NODE_MEMO ? 'M' : kind == ENG_NODE_CHILD ? 'R' : 'W';
}

static const struct bytes *
kept_nodes(struct eng_turn *turn, const struct eng_replay *replay)
{
	struct bytes *kept =
	    arena_alloc(&turn->eng->arena, replay->node_count * sizeof(struct bytes));
	for (uint32_t i = 0; i < replay->node_count; i++) {
		const struct eng_past_node *node = &replay->nodes[i];
		char text[KEPT_TEXT_BYTES + 24 + ENG_LABEL_BYTES_MAX + 1];
		int size =
		    snprintf(text, sizeof(text), "%c:%" PRIu64 ":%" PRIu32 ":%" PRIu32 ":%.*s",
			node_letter(node->kind), node->fingerprint, node->result, node->which,
			(int)node->label.size, (const char *)node->label.data);
		kept[i] = arena_print(turn, text, size);
	}
	return kept;
}

/* NULL: it was refused. */
static const struct eng_version *
replay_version(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	const struct eng_replay *replay = &turn->command->run_replay;
	const struct eng_closed *closed = keyset_get_uuid(&eng->closed, replay->run);
	if (closed != NULL && closed->key != replay->key) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "run",
		    "a newer run was started with the same id: that is the one it names");
		return NULL;
	}
	if (closed != NULL && closed->records != 0 && closed->records != replay->records) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "run",
		    "a late log line of the run came while its history was read: ask again");
		return NULL;
	}
	if (eng_run_by_id(eng, replay->run) != NULL) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "run",
		    "the run has not ended: wait for it, or cancel it first");
		return NULL;
	}
	struct eng_workflow *workflow =
	    replay->workflow >= 1 && replay->workflow <= eng->workflow_count
		? eng->workflows[replay->workflow - 1]
		: NULL;
	if (workflow == NULL || workflow->tenant->id != turn->command->tenant.v ||
	    replay->version == 0 || replay->version > workflow->version_count ||
	    replay->task_count != workflow->versions[replay->version - 1]->task_count) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "run",
		    "the run never began: it was cancelled before its time; start a new one");
		return NULL;
	}
	if (replay->from > replay->task_count) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "from", "the run has no such task");
		return NULL;
	}
	return workflow->versions[replay->version - 1];
}

/* What is skipped at once may close the run: then it is gone. So is one of which only the
 * on-failure task was to run anew: nothing of it has failed. */
static void
replay_begin(struct eng_turn *turn, uint64_t key)
{
	struct eng_run *run = eng_run_get(turn->eng, key);
	const struct eng_version *version = run->version;
	for (uint32_t i = 0; i < version->task_count && run != NULL; i++) {
		struct eng_task *task = &run->tasks[i];
		if (task->state == ENG_TASK_WAITING && task->pending == 0 &&
		    i != version->on_failure)
			task_ready(turn, task, ENG_REASON_RETRY);
		run = eng_run_get(turn->eng, key);
	}
	if (run != NULL)
		run_settled(turn, run);
}

void
decide_run_replay(struct eng_turn *turn)
{
	const struct eng_replay *replay = &turn->command->run_replay;
	const struct eng_version *version = replay_version(turn);
	if (version == NULL)
		return;
	struct froe_fault fault;
	if (quota_run(turn, 0, &fault) != FROE_OK) {
		reply_fault(turn, fault.code, fault.field, "%s", fault.text);
		return;
	}
	uint64_t timeout_ms = version->run_timeout_ms;
	struct eng_event event = {
	    .type = ENG_EV_RUN_REPLAYED,
	    .run = replay->key,
	    .run_event_no = replay->records + 1,
	    .tenant = turn->command->tenant.v,
	    .workflow = replay->workflow,
	    .version = replay->version,
	    .id = replay->run,
	    .priority = replay->priority,
	    .deadline_ns = timeout_ms != 0 ? turn->now_ns + delay_ns_of(timeout_ms) : 0,
	    .created_ns = replay->created_ns,
	    .parent = replay->parent,
	    .metadata = replay->metadata,
	    .metadata_count = replay->metadata_count,
	    .kept = kept_tasks(turn, version, replay),
	    .kept_count = version->task_count,
	    .nodes = kept_nodes(turn, replay),
	    .nodes_count = replay->node_count,
	    .places = replay->places,
	    .input = replay->input.size != 0 ? replay->records + 1 : replay->input_record,
	    .from = replay->from,
	    .chunks = replay->chunks,
	    .payload = replay->input,
	    .text = replay->reason,
	    .actor = turn->command->actor,
	    .job = turn->command->job.number,
	};
	emit(turn, &event);
	struct eng_effect *effect = reply_ok(turn);
	effect->run = replay->key;
	effect->id = replay->run;
	replay_begin(turn, replay->key);
}

/* ------------------------------------------------------------------------------------ applying */

static bool
take_number(struct bytes *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t digits = 0;
	for (; text->size > 0 && *text->data >= '0' && *text->data <= '9'; digits++) {
		unsigned digit = *text->data - '0';
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
		text->data++;
		text->size--;
	}
	*ret_value = value;
	return digits > 0;
}

/* Each behind a colon. */
static bool
take_numbers(struct bytes *text, uint64_t *values, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (text->size == 0 || *text->data != ':')
			return false;
		text->data++;
		text->size--;
		if (!take_number(text, &values[i]))
			return false;
	}
	return true;
}

/* One letter, then numbers. */
static bool
take_fields(struct bytes *text, char *ret_kind, uint64_t *values, unsigned count)
{
	if (text->size == 0)
		return false;
	*ret_kind = (char)*text->data;
	text->data++;
	text->size--;
	return take_numbers(text, values, count);
}

static bool
kept_parse(struct bytes text, uint32_t records, struct eng_past_task *ret_task)
{
	char kind;
	uint64_t values[3], lapse[2] = {0, 0};
	if (!take_fields(&text, &kind, values, 3))
		return false;
	if (kind == 'W' && text.size != 0 && (!take_numbers(&text, lapse, 2) || lapse[0] == 0))
		return false;
	if (text.size != 0)
		return false;
	if ((kind != 'C' && kind != 'S' && kind != 'W') || values[0] > UINT32_MAX ||
	    values[1] > UINT32_MAX || values[2] > records || (kind == 'C') != (values[2] != 0))
		return false;
	*ret_task = (struct eng_past_task){
	    .state = kind == 'C'   ? ENG_TASK_COMPLETED
		     : kind == 'S' ? ENG_TASK_SKIPPED
				   : ENG_TASK_WAITING,
	    .lease = (uint32_t)values[0],
	    .attempt = (uint32_t)values[1],
	    .output = (uint32_t)values[2],
	    .worker = lapse[0],
	    .lapse_ns = lapse[1],
	};
	return true;
}

static bool
node_parse(struct bytes text, uint32_t records, struct eng_past_node *ret_node)
{
	char kind;
	uint64_t values[3];
	if (!take_fields(&text, &kind, values, 3) || text.size == 0 || *text.data != ':')
		return false;
	if ((kind != 'M' && kind != 'W' && kind != 'R') || values[1] == 0 || values[1] > records ||
	    values[2] > UINT16_MAX || text.size - 1 > ENG_LABEL_BYTES_MAX)
		return false;
	*ret_node = (struct eng_past_node){
	    .kind = kind == 'M'	  ? ENG_NODE_MEMO
		    : kind == 'R' ? ENG_NODE_CHILD
				  : ENG_NODE_WAIT,
	    .fingerprint = values[0],
	    .result = (uint32_t)values[1],
	    .which = (uint32_t)values[2],
	    .label = bytes_of(text.data + 1, text.size - 1),
	};
	return true;
}

static enum froe_err
check_kept(const struct apply *apply, const struct eng_version *version)
{
	const struct eng_event *event = apply->event;
	uint32_t records = event->run_event_no - 1, open = 0;
	struct eng_past_task task;
	struct eng_past_node node;
	for (uint32_t i = 0; i < event->kept_count; i++) {
		if (!kept_parse(event->kept[i], records, &task))
			return misfit(apply, "what is kept of a task");
		open += task.state == ENG_TASK_WAITING ? 1 : 0;
		if (event->from == i + 1 && task.state != ENG_TASK_WAITING)
			return misfit(apply, "the task that it goes on from is kept");
		if (i == version->on_failure && task.state != ENG_TASK_WAITING)
			return misfit(apply, "its on-failure task is kept");
	}
	for (uint32_t i = 0; i < event->nodes_count; i++) {
		if (!node_parse(event->nodes[i], records, &node))
			return misfit(apply, "what is kept of a node");
	}
	if (event->nodes_count > FROE_DURABLE_NODES_MAX ||
	    (event->nodes_count != 0 && (event->from == 0 || event->from > version->task_count ||
					    !version->definitions[event->from - 1].durable)))
		return misfit(apply, "nodes of a task that is not durable");
	return open > 0 ? FROE_OK : misfit(apply, "nothing of it runs anew");
}

static enum froe_err
find_replayed(const struct apply *apply, struct eng_version **ret_version)
{
	struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	struct eng_tenant *tenant = eng_tenant_get(eng, event->tenant);
	struct eng_closed *closed = keyset_get_uuid(&eng->closed, event->id);
	if (tenant == NULL || event->workflow == 0 || event->workflow > eng->workflow_count)
		return misfit(apply, "no such tenant or workflow");
	struct eng_workflow *workflow = eng->workflows[event->workflow - 1];
	if (workflow->tenant != tenant || event->version == 0 ||
	    event->version > workflow->version_count)
		return misfit(apply, "no such version");
	if (event->run == 0 || event->run > eng->run_last || eng_run_get(eng, event->run) != NULL ||
	    eng_run_by_id(eng, event->id) != NULL || (closed != NULL && closed->key != event->run))
		return misfit(apply, "the run has not ended");
	if (closed != NULL && closed->records != 0 && event->run_event_no != closed->records + 1u)
		return misfit(apply, "its record number is not the next");
	if (event->priority < FROE_PRIORITY_MIN || event->priority > FROE_PRIORITY_MAX ||
	    event->chunks > ENG_RUN_CHUNKS_MAX || event->run_event_no < 2 || event->input == 0 ||
	    event->input > event->run_event_no ||
	    event->kept_count != workflow->versions[event->version - 1]->task_count)
		return misfit(apply, "how the run stood");
	*ret_version = workflow->versions[event->version - 1];
	const char *fault = metadata_fault(event->metadata, event->metadata_count);
	return fault != NULL ? misfit(apply, fault) : check_kept(apply, *ret_version);
}

/* How many parents have not closed. */
static void
tasks_count(struct eng *eng, struct eng_run *run)
{
	for (uint16_t i = 0; i < run->version->task_count; i++) {
		struct eng_task *task = &run->tasks[i];
		const struct eng_node *node = &run->version->nodes[i];
		for (uint16_t p = 0; p < node->parent_count; p++)
			if (!task_closed(&run->tasks[node->parents[p]]))
				task->pending++;
		if (!task_closed(task))
			run->open++;
		eng->counts.tasks[task->state]++;
	}
}

static void
tasks_restore(struct eng *eng, struct eng_run *run, const struct eng_event *event)
{
	for (uint16_t i = 0; i < run->version->task_count; i++) {
		struct eng_past_task past;
		struct eng_task *task = &run->tasks[i];
		froe_assert(kept_parse(event->kept[i], event->run_event_no - 1, &past));
		task->index = i;
		task->state = (uint8_t)past.state;
		task->lease = past.lease;
		task->attempt = past.attempt;
		task->record = past.output;
		task_lapse_set(task, past.worker, past.lapse_ns);
	}
	for (uint32_t i = 0; i < event->nodes_count; i++) {
		struct eng_past_node past;
		struct eng_task *task = &run->tasks[event->from - 1];
		froe_assert(node_parse(event->nodes[i], event->run_event_no - 1, &past));
		struct eng_durable_node *node = durable_push(eng, durable_require(eng, task));
		*node = (struct eng_durable_node){
		    .fingerprint = past.fingerprint,
		    .label = bytes_of(mem_copy(past.label.data, past.label.size), past.label.size),
		    .kind = (uint8_t)past.kind,
		    .result = past.result,
		    .which = (uint16_t)past.which,
		};
	}
	tasks_count(eng, run);
}

enum froe_err
apply_run_replayed(struct apply *apply)
{
	struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	struct eng_version *version = NULL;
	enum froe_err err = find_replayed(apply, &version);
	if (err != FROE_OK)
		return err;
	struct eng_closed *closed = keyset_get_uuid(&eng->closed, event->id);
	if (closed != NULL)
		closed_forget(eng, closed);
	struct eng_run *run = run_new(eng, event, version);
	run->created_ns = event->created_ns;
	if (!uuid_is_nil(event->parent))
		ties_require(eng, run)->parent = event->parent;
	run->event_count = event->run_event_no;
	if (event->chunks != 0)
		ties_require(eng, run)->chunks = event->chunks;
	if (event->input != 1)
		ties_require(eng, run)->input = event->input;
	tasks_restore(eng, run, event);
	run_enter(eng, run);
	return FROE_OK;
}
