/*
 * The outbox: letters in the order of their frames; each is let go when its frame is durable. A
 * dispatch is asked for once more then (the lease may have ended), and what it would send is held
 * against the model: the right bytes, of parents that have ended well, none of it undurable. Bytes
 * that have left memory are read from the log, and the engine is asked again (TASK_PROVIDE).
 */
#include "sim/world/process_int.h"

#include "base/hash.h"
#include "base/mem.h"
#include "io/file.h"
#include "server/record.h"

#include <inttypes.h>

struct load_record {
	struct log_read read;
	bool done;
	struct process_load *load;
	uint32_t record;
};

struct process_load {
	struct list link;
	struct process *process;
	struct letter *letter; /* owned */
	unsigned missing;
	unsigned count;
	struct load_record records[PROCESS_RECORDS_MAX];
};

/* ------------------------------------------------------------------------------------- promises */

static struct ledger_row
promise_of_task(const struct eng_command *cause)
{
	uint32_t number;
	struct uuid run = uuid_run_of(cause->task.fence.task, &number);
	return (struct ledger_row){
	    .promise = cause->type == ENG_CMD_TASK_COMPLETE ? PROMISE_COMPLETED : PROMISE_ENDED,
	    .id = run,
	    .task = number - 1,
	    .lease = cause->task.fence.lease,
	    .hash = hash64(cause->task.bytes.data, cause->task.bytes.size, 0),
	};
}

static struct ledger_row
promise_of_token(const struct eng_command *cause)
{
	bool revoked = cause->type == ENG_CMD_TOKEN_REVOKE;
	return (struct ledger_row){
	    .promise = PROMISE_TOKEN,
	    .lease = revoked ? cause->token_revoke.kid : cause->token_create.kid,
	    .hash = revoked,
	};
}

static struct ledger_row
promise_of_rate(const struct process *process)
{
	const struct eng_command *cause = process->model->cause;
	unsigned tenant = 0;
	while (process->model->tenant_numbers[tenant] != cause->tenant.v)
		tenant++;
	return (struct ledger_row){
	    .promise = PROMISE_RATE,
	    .tenant = tenant,
	    .task = model_rate_of(cause->rate_put.key),
	    .lease = cause->rate_put.limit,
	};
}

static struct ledger_row
promise_of_workflow(const struct process *process, const struct eng_effect *effect)
{
	const struct eng_command *cause = process->model->cause;
	unsigned tenant = 0;
	while (process->model->tenant_numbers[tenant] != cause->tenant.v)
		tenant++;
	const struct recipe *recipe = recipe_find(process->model->book, tenant,
	    cause->workflow_put.definition.encoded);
	return (struct ledger_row){
	    .promise = PROMISE_WORKFLOW,
	    .tenant = recipe->tenant,
	    .workflow = recipe->workflow,
	    .hash = recipe->hash,
	    .lease = effect->version,
	};
}

/* A chunk that had come before is promised again. */
static struct ledger_row
promise_of_chunk(const struct process *process)
{
	const struct eng_command *cause = process->model->cause;
	uint32_t number;
	struct uuid id = uuid_run_of(cause->task.fence.task, &number);
	const struct model_run *run = model_run_by_id(process->model, id);
	uint32_t sequence = cause->task.sequence;
	if (sequence == 0)
		sequence = run->tasks[number - 1].streamed;
	return (struct ledger_row){
	    .promise = PROMISE_CHUNK,
	    .id = id,
	    .task = number - 1,
	    .lease = cause->task.fence.lease,
	    .workflow = sequence,
	    .hash = hash64(cause->task.bytes.data, cause->task.bytes.size, 0),
	};
}

static void
promise_starts(const struct process *process, const struct eng_effect *effect,
    struct letter *letter)
{
	for (uint32_t i = 0; i < effect->started_count; i++) {
		const struct model_run *run =
		    model_run(process->model, effect->started[i].run);
		letter->promises[letter->promise_count++] = (struct ledger_row){
		    .promise = PROMISE_RUN,
		    .id = run->id,
		    .hash = run->input_hash,
		    .tenant = run->tenant,
		};
	}
}

/* A result that is told: it is never another, in no attempt. */
static void
promise_node(const struct process *process, const struct eng_effect *effect,
    struct letter *letter)
{
	const struct model_run *run = model_run(process->model, effect->run);
	uint64_t hash;
	uint32_t which;
	letter->task = effect->task;
	letter->lease = effect->lease;
	letter->node = effect->node;
	letter->node_state = effect->node_state;
	if (effect->node_state != ENG_NODE_DONE ||
	    !model_node_result(run, effect->task, effect->node, &hash, &which))
		return;
	letter->id = uuid_task(run->id, effect->task);
	letter->record = effect->record;
	letter->promises[letter->promise_count++] = (struct ledger_row){
	    .promise = PROMISE_NODE,
	    .id = run->id,
	    .task = effect->task,
	    .lease = effect->node,
	    .hash = hash,
	    .workflow = which,
	};
}

/* What this reply tells its reader for ever. */
static void
promise_note(struct process *process, const struct eng_effect *effect, struct letter *letter)
{
	const struct eng_command *cause = process->model->cause;
	const struct model_run *run = model_run(process->model, effect->run);
	bool found = effect->err == FROE_ALREADY_EXISTS && run != NULL;
	struct ledger_row *row = &letter->promises[0];
	if (effect->err != FROE_OK && !found)
		return;
	letter->promise_count = 1;
	switch (cause->type) {
	case ENG_CMD_RUN_START:
		*row = (struct ledger_row){
		    .promise = PROMISE_RUN,
		    .id = run->id,
		    .hash = run->input_hash,
		    .tenant = run->tenant,
		};
		return;
	case ENG_CMD_RUN_CANCEL:
		if (cause->run_cancel.task != 0) { /* the run may end in another way */
			letter->promise_count = 0;
			return;
		}
		*row = (struct ledger_row){.promise = PROMISE_CANCELLED, .id = run->id};
		return;
	case ENG_CMD_RUN_REPLAY:
		*row = (struct ledger_row){
		    .promise = PROMISE_REPLAYED, .id = run->id, .lease = run->replays};
		return;
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
		*row = promise_of_task(cause);
		return;
	case ENG_CMD_TASK_STREAM:
		*row = promise_of_chunk(process);
		return;
	case ENG_CMD_WORKFLOW_PUT:
		*row = promise_of_workflow(process, effect);
		return;
	case ENG_CMD_RATE_LIMIT_PUT:
		*row = promise_of_rate(process);
		return;
	case ENG_CMD_TOKEN_CREATE:
	case ENG_CMD_TOKEN_REVOKE:
		*row = promise_of_token(cause);
		return;
	case ENG_CMD_JOB_START:
		*row = (struct ledger_row){
		    .promise = PROMISE_JOB,
		    .lease = effect->number,
		    .hash = hash64(cause->job_start.filter.data,
		        cause->job_start.filter.size, 0),
		};
		return;
	case ENG_CMD_JOB_CANCEL:
		*row = (struct ledger_row){.promise = PROMISE_JOB_OVER, .lease = cause->job.number};
		return;
	case ENG_CMD_EVENT_PUSH:
		*row = (struct ledger_row){.promise = PROMISE_EVENT, .lease = effect->number};
		return;
	case ENG_CMD_WORKER_REGISTER:
		*row = (struct ledger_row){
		    .promise = PROMISE_WORKER,
		    .id = cause->worker_register.id,
		    .lease = effect->worker,
		};
		return;
	default:
		letter->promise_count = 0;
		if (cause->type == ENG_CMD_RUN_START_MANY)
			promise_starts(process, effect, letter);
		else if (cause->type == ENG_CMD_DURABLE_STEP)
			promise_node(process, effect, letter);
	}
}

/* A run that has ended may go on: what was promised counts for what it was then. */
static void
promises_date(const struct process *process, struct letter *letter)
{
	for (unsigned i = 0; i < letter->promise_count; i++) {
		const struct model_run *run =
		    model_run_by_id(process->model, letter->promises[i].id);
		letter->promises[i].replays = run != NULL ? run->replays : 0;
	}
}

/* ------------------------------------------------------------------------------------- letters */

static void
letter_send(struct process *process, const struct letter *letter)
{
	for (unsigned i = 0; i < letter->promise_count; i++)
		ledger_write(process->ledger, &letter->promises[i]);
	judge_note(process->judge, "let go", (uint64_t)letter->type << 32 | (uint64_t)letter->err,
	    letter->run, letter->lease);
	process->deliver(process->context, letter);
}

static bool
letter_early(const struct process *process, const struct letter *letter)
{
	enum plant plant = process->plan->plant;
	return (plant == PLANT_ACK_BEFORE_DURABLE && letter->type == ENG_EFF_REPLY) ||
	    (plant == PLANT_DISPATCH_BEFORE_DURABLE && letter->type == ENG_EFF_DISPATCH);
}

void
outbox_push(struct process *process, const struct eng_effect *effect, uint64_t frame)
{
	if (effect->type == ENG_EFF_REPLY && effect->origin.conn == 0)
		return; /* the process's own command */
	struct letter *letter = mem_zalloc(sizeof(*letter));
	*letter = (struct letter){
	    .frame = frame,
	    .type = effect->type,
	    .command = effect->command,
	    .err = effect->err,
	    .origin = effect->origin,
	    .run = effect->run,
	    .id = effect->id,
	    .worker = effect->worker,
	    .task = effect->task,
	    .lease = effect->lease,
	    .timeout_ns = effect->timeout_ns,
	    .provided = effect->type == ENG_EFF_DISPATCH && process->providing,
	};
	const struct model_run *run = model_run(process->model, effect->run);
	letter->replays = run != NULL ? run->replays : 0;
	if (effect->type != ENG_EFF_REPLY && effect->type != ENG_EFF_RUN_CLOSED)
		letter->conn = process_conn_of(process, effect->worker);
	froe_assert(effect->lapsed_count <= PROCESS_HELD_MAX);
	letter->lapsed_count = effect->lapsed_count;
	for (uint32_t i = 0; i < effect->lapsed_count; i++)
		letter->lapsed[i] = effect->lapsed[i];
	if (effect->type == ENG_EFF_REPLY)
		promise_note(process, effect, letter);
	if (effect->type == ENG_EFF_RUN_CLOSED) {
		letter->promise_count = 1;
		letter->promises[0] = (struct ledger_row){
		    .promise = PROMISE_CLOSED,
		    .id = effect->id,
		    .lease = (uint64_t)effect->status,
		};
	}
	if (effect->type == ENG_EFF_NODE)
		promise_node(process, effect, letter);
	promises_date(process, letter);
	if (letter_early(process, letter)) {
		letter->frame = 0;
		list_push_front(&process->letters, &letter->link);
		return;
	}
	list_push(&process->letters, &letter->link);
}

/* ---------------------------------------------------------------------------------- dispatches */

static void
check_parents(struct process *process, const struct model_run *run, uint32_t index,
    const struct eng_dispatch *view)
{
	const struct recipe_task *recipe = &run->recipe->tasks[index];
	uint32_t failed = 0;
	for (unsigned i = 0; i < recipe->parent_count; i++) {
		const struct model_task *parent = &run->tasks[recipe->parents[i]];
		bool done = parent->state == MODEL_COMPLETED || parent->state == MODEL_SKIPPED;
		if (!done || parent->close_frame > process->durable)
			judge_fail(process->judge, "run %" PRIu64 " task %u is sent before its "
			    "parents have durably ended", run->key, index);
		if (i >= view->ref_count || view->refs[i].record != parent->output.record ||
		    view->refs[i].skipped != (parent->state == MODEL_SKIPPED))
			judge_fail(process->judge, "run %" PRIu64 " task %u gets another output",
			    run->key, index);
	}
	for (uint32_t i = 0; i < run->recipe->task_count && recipe->on_failure; i++)
		failed += run->tasks[i].state == MODEL_FAILED ? 1 : 0;
	if (view->ref_count != recipe->parent_count + failed)
		judge_fail(process->judge, "run %" PRIu64 " task %u gets %u references", run->key,
		    index, view->ref_count);
}

static bool
metadata_same(const struct model_run *run, const struct eng_dispatch *view)
{
	uint8_t metadata[MODEL_METADATA] = {0};
	for (uint32_t i = 0; i + 1 < view->metadata_count; i += 2)
		metadata[view->metadata[i].data[0] - 'a'] = view->metadata[i + 1].data[0];
	return memcmp(metadata, run->metadata, sizeof(metadata)) == 0;
}

static void
check_dispatch(struct process *process, const struct letter *letter,
    const struct eng_dispatch *view)
{
	const struct model_run *run = model_run(process->model, letter->run);
	const struct model_task *task = &run->tasks[letter->task];
	char action[RECIPE_NAME_BYTES];
	recipe_action_name(run->recipe->tasks[letter->task].action, action);
	if (task->state != MODEL_HELD || task->lease != letter->lease ||
	    task->worker != letter->worker)
		judge_fail(process->judge, "run %" PRIu64 " task %u is sent with a lease that has "
		    "ended", run->key, letter->task);
	if (task->frame > process->durable)
		judge_fail(process->judge, "run %" PRIu64 " task %u is sent, its assignment "
		    "(frame %" PRIu64 ") is not durable (%" PRIu64 ")", run->key, letter->task,
		    task->frame, process->durable);
	if (ledger_completed(process->ledger, run->id, run->replays, letter->task))
		judge_fail(process->judge, "run %" PRIu64 " task %u runs again after its "
		    "completion was acknowledged", run->key, letter->task);
	if (!uuid_equal(view->run, run->id) || view->attempt != task->attempt ||
	    !uuid_equal(view->task, uuid_task(run->id, letter->task)) ||
	    view->worker != task->worker || !bytes_equal(view->action, bytes_text(action)) ||
	    view->durable != run->recipe->tasks[letter->task].durable ||
	    view->delivery != (enum eng_delivery)run->recipe->tasks[letter->task].delivery ||
	    view->input != run->input.record || !metadata_same(run, view))
		judge_fail(process->judge, "run %" PRIu64 " task %u is sent as something else",
		    run->key, letter->task);
	check_parents(process, run, letter->task, view);
}

static void
check_bytes(struct process *process, const struct letter *letter, uint32_t record,
    struct bytes body, uint16_t type)
{
	const struct model_run *run = model_run(process->model, letter->run);
	uint64_t hash = 0;
	if (run->replays != letter->replays)
		return; /* it has ended and gone on meanwhile: they are of no use */
	bool known = model_record(run, record, &hash);
	bool text = type == ENG_EV_ATTEMPT_ENDED || type == ENG_EV_APPROVAL_DECIDED;
	struct bytes bytes = text ? record_text(body) : record_payload(body);
	if (process->plan->plant == PLANT_PAYLOAD_SWAPPED && dice_hits(&process->dice, 5))
		bytes = bytes_of("x", 1);
	if (!known || hash != hash64(bytes.data, bytes.size, 0))
		judge_fail(process->judge, "run %" PRIu64 " record %u holds other bytes (%zu)",
		    run->key, record, bytes.size);
}

static void
load_done(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct load_record *row = container_of(read, struct load_record, read);
	struct process_load *load = row->load;
	struct process *process = load->process;
	row->done = true;
	if (err != FROE_OK && !process_excused(process, err))
		judge_fail(process->judge, "run %" PRIu64 " record %u cannot be read: %s",
		    load->letter->run, row->record, froe_err_name(err));
	if (err != FROE_OK)
		process->failed = true; /* the disk is broken: the world ends this process */
	else
		check_bytes(process, load->letter, row->record, record->body, record->type);
	if (--load->missing > 0)
		return;
	list_remove(&load->link);
	list_push(&process->loaded, &load->link);
}

static void
load_start(struct process *process, struct letter *letter, const uint32_t *records,
    unsigned count)
{
	struct process_load *load = mem_zalloc(sizeof(*load));
	load->process = process;
	load->letter = letter;
	load->count = count;
	load->missing = count;
	list_push(&process->loads, &load->link);
	for (unsigned i = 0; i < count; i++) {
		struct log_place place;
		load->records[i].load = load;
		load->records[i].record = records[i];
		if (!resolver_place(process->shard.resolver, letter->run, records[i], &place))
			judge_fail(process->judge, "run %" PRIu64 " record %u has no place",
			    letter->run, records[i]);
		log_read_start(process->shard.log, &load->records[i].read, place, letter->run,
		    records[i], load_done);
	}
}

/* True: all bytes were in memory and are right. False: they are being read; the letter is kept. */
static bool
dispatch_bytes(struct process *process, struct letter *letter, const struct eng_dispatch *view)
{
	uint32_t records[PROCESS_RECORDS_MAX], missing[PROCESS_RECORDS_MAX];
	unsigned count = 0, missing_count = 0;
	records[count++] = view->input;
	for (uint32_t i = 0; i < view->ref_count; i++) {
		if (view->refs[i].record != 0)
			records[count++] = view->refs[i].record;
	}
	for (unsigned i = 0; i < count; i++) {
		struct resolver_record found;
		if (resolver_record(process->shard.resolver, letter->run, records[i], &found))
			check_bytes(process, letter, records[i], found.body, found.type);
		else
			missing[missing_count++] = records[i];
	}
	if (missing_count > 0)
		load_start(process, letter, missing, missing_count);
	return missing_count == 0;
}

/* True: the letter is done with. */
static bool
dispatch_release(struct process *process, struct letter *letter)
{
	struct eng_dispatch view;
	if (!eng_dispatch(process->shard.eng, letter->run, letter->task, letter->lease,
	        process->shard.clock.now_ns, &view)) {
		judge_mark(process->judge, KIND_DISPATCH_STALE);
		return true;
	}
	if (letter->conn == 0)
		return true; /* its worker will say that it does not have it */
	check_dispatch(process, letter, &view);
	if (!letter->provided && !dispatch_bytes(process, letter, &view))
		return false;
	judge_mark(process->judge, letter->provided ? KIND_DISPATCH_READ : KIND_DISPATCHED);
	letter->id = view.task;
	letter->timeout_ns = view.timeout_ns;
	letter->durable = view.durable;
	letter->delivery = view.delivery;
	letter->promise_count = 1;
	letter->promises[0] = (struct ledger_row){
	    .promise = PROMISE_ASSIGNED,
	    .id = view.run,
	    .task = letter->task,
	    .lease = letter->lease,
	    .hash = view.worker,
	};
	letter_send(process, letter);
	return true;
}

/* The answer of a durable task's step, or a node's result, with its bytes. True: it is done with.
 * Of a run that has closed meanwhile the index knows the places. */
static bool
node_release(struct process *process, struct letter *letter)
{
	struct resolver_record found;
	const struct model_run *run = model_run(process->model, letter->run);
	if (letter->record != 0 && !run->closed) {
		if (!resolver_record(process->shard.resolver, letter->run, letter->record,
		        &found)) {
			load_start(process, letter, &letter->record, 1);
			return false;
		}
		check_bytes(process, letter, letter->record, found.body, found.type);
	}
	letter_send(process, letter);
	return true;
}

static bool
letter_release(struct process *process, struct letter *letter)
{
	if (letter->type == ENG_EFF_DISPATCH)
		return dispatch_release(process, letter);
	if (letter->node != 0)
		return node_release(process, letter);
	letter_send(process, letter);
	return true;
}

/* The buffers of the dead process's reads are given back in its place; files are the log's. */
static void
load_free(struct process_load *load)
{
	list_remove(&load->link);
	for (unsigned i = 0; i < load->count; i++) {
		struct load_record *row = &load->records[i];
		if (row->done)
			continue;
		mem_pages_free(row->read.buffer, row->read.buffer_size);
	}
	mem_free(load->letter);
	mem_free(load);
}

static bool
provide(struct process *process, const struct letter *letter)
{
	const struct model_run *run = model_run(process->model, letter->run);
	struct eng_command command = {
	    .type = ENG_CMD_TASK_PROVIDE,
	    .task =
	        {
	            .worker.v = letter->worker,
	            .fence = {.task = uuid_task(run->id, letter->task), .lease = letter->lease},
	        },
	};
	process->providing = true;
	bool taken = process_submit(process, &command);
	process->providing = false;
	return taken;
}

void
outbox_provide(struct process *process)
{
	while (!list_empty(&process->loaded)) {
		struct process_load *load =
		    container_of(process->loaded.next, struct process_load, link);
		if (load->letter->type != ENG_EFF_DISPATCH)
			letter_send(process, load->letter);
		else if (!provide(process, load->letter))
			return;
		load_free(load);
	}
}

/* ------------------------------------------------------------------------------------ releasing */

void
outbox_release(struct process *process)
{
	while (!list_empty(&process->letters)) {
		struct letter *letter =
		    container_of(process->letters.next, struct letter, link);
		if (letter->frame > process->durable)
			return;
		list_remove(&letter->link);
		if (!letter_release(process, letter))
			continue; /* the load has it */
		mem_free(letter);
		if (plan_does(process->plan, KIND_KILL_SENDING) && !process->calm &&
		    dice_below(&process->dice, 500) == 0) {
			judge_mark(process->judge, KIND_KILL_SENDING);
			process->failed = true;
			return;
		}
	}
}

void
outbox_drop(struct process *process)
{
	struct list *node;
	while ((node = list_pop(&process->letters)) != NULL)
		mem_free(container_of(node, struct letter, link));
	while (!list_empty(&process->loads))
		load_free(container_of(process->loads.next, struct process_load, link));
	while (!list_empty(&process->loaded))
		load_free(container_of(process->loaded.next, struct process_load, link));
}

bool
process_quiet(const struct process *process)
{
	return list_empty(&process->letters) && list_empty(&process->loads) &&
	    list_empty(&process->loaded);
}
