/*
 * A clone is one block: the command, then every array and every byte that it points at. The same
 * walk runs twice, first to measure (no block yet), then to copy; so the two cannot disagree.
 */
#include "api/port.h"

#include "base/mem.h"

struct clone {
	uint8_t *block; /* NULL: only measuring */
	size_t size;
};

/* Copies `size` bytes behind what is there already; NULL while measuring. */
static void *
clone_take(struct clone *clone, const void *from, size_t size, size_t align)
{
	clone->size = (clone->size + align - 1) / align * align;
	uint8_t *to = clone->block != NULL ? clone->block + clone->size : NULL;
	clone->size += size;
	if (to != NULL && size > 0)
		memcpy(to, from, size);
	return to;
}

static void
clone_bytes(struct clone *clone, struct bytes *bytes)
{
	const uint8_t *to = clone_take(clone, bytes->data, bytes->size, 1);
	if (to != NULL)
		bytes->data = to;
}

static void
clone_texts(struct clone *clone, const struct bytes **texts, uint32_t count)
{
	const struct bytes *from = *texts;
	struct bytes *to = clone_take(clone, from, count * sizeof(*from), _Alignof(struct bytes));
	for (uint32_t i = 0; i < count; i++) {
		struct bytes text = from[i];
		clone_bytes(clone, &text);
		if (to != NULL)
			to[i] = text;
	}
	if (to != NULL)
		*texts = to;
}

static void
clone_slots(struct clone *clone, const struct eng_slots **slots, uint32_t count)
{
	const struct eng_slots *from = *slots;
	struct eng_slots *to =
	    clone_take(clone, from, count * sizeof(*from), _Alignof(struct eng_slots));
	for (uint32_t i = 0; i < count; i++) {
		struct eng_slots one = from[i];
		clone_bytes(clone, &one.type);
		if (to != NULL)
			to[i] = one;
	}
	if (to != NULL)
		*slots = to;
}

static void
clone_task(struct clone *clone, struct eng_task_definition *task)
{
	clone_bytes(clone, &task->name);
	clone_bytes(clone, &task->action);
	clone_texts(clone, &task->parents, task->parent_count);
	clone_slots(clone, &task->slots, task->slot_count);
	const uint64_t *table_ms = clone_take(clone, task->backoff.table_ms,
	    task->backoff.table_count * sizeof(uint64_t), _Alignof(uint64_t));
	if (table_ms != NULL)
		task->backoff.table_ms = table_ms;
}

static void
clone_definition(struct clone *clone, struct eng_definition *definition)
{
	const struct eng_task_definition *from = definition->tasks;
	struct eng_task_definition *to = clone_take(clone, from,
	    definition->task_count * sizeof(*from), _Alignof(struct eng_task_definition));
	for (uint32_t i = 0; i < definition->task_count; i++) {
		struct eng_task_definition task = from[i];
		clone_task(clone, &task);
		if (to != NULL)
			to[i] = task;
	}
	if (to != NULL)
		definition->tasks = to;
	clone_bytes(clone, &definition->name);
	clone_bytes(clone, &definition->encoded);
}

static void
clone_start(struct clone *clone, struct eng_start *start)
{
	clone_bytes(clone, &start->workflow);
	clone_bytes(clone, &start->input);
	clone_bytes(clone, &start->key);
	clone_bytes(clone, &start->child_key);
	clone_texts(clone, &start->metadata, start->metadata_count);
}

static void
clone_durable(struct clone *clone, struct eng_command *command)
{
	const struct eng_condition *from = command->durable.conditions;
	uint32_t count = command->durable.condition_count;
	struct eng_condition *to =
	    clone_take(clone, from, count * sizeof(*from), _Alignof(struct eng_condition));
	for (uint32_t i = 0; i < count; i++) {
		struct eng_condition condition = from[i];
		clone_bytes(clone, &condition.name);
		clone_bytes(clone, &condition.data);
		if (to != NULL)
			to[i] = condition;
	}
	if (to != NULL)
		command->durable.conditions = to;
	if (command->durable.kind == ENG_NODE_CHILD)
		clone_start(clone, &command->durable.child);
	clone_bytes(clone, &command->durable.name);
	clone_bytes(clone, &command->durable.value);
}

static void
clone_starts(struct clone *clone, const struct eng_start **starts, uint32_t count)
{
	const struct eng_start *from = *starts;
	struct eng_start *to =
	    clone_take(clone, from, count * sizeof(*from), _Alignof(struct eng_start));
	for (uint32_t i = 0; i < count; i++) {
		struct eng_start start = from[i];
		clone_start(clone, &start);
		if (to != NULL)
			to[i] = start;
	}
	if (to != NULL)
		*starts = to;
}

static void
clone_engine(struct clone *clone, struct eng_command *command)
{
	clone_bytes(clone, &command->actor);
	switch (command->type) {
	case ENG_CMD_TENANT_OPEN:
		clone_bytes(clone, &command->tenant_open.name);
		break;
	case ENG_CMD_WORKFLOW_PUT:
		clone_definition(clone, &command->workflow_put.definition);
		break;
	case ENG_CMD_RUN_START:
		clone_start(clone, &command->run_start);
		break;
	case ENG_CMD_RUN_START_MANY:
		clone_starts(clone, &command->run_start_many.starts, command->run_start_many.count);
		break;
	case ENG_CMD_RUN_CANCEL:
		clone_bytes(clone, &command->run_cancel.reason);
		break;
	case ENG_CMD_JOB_START:
		clone_bytes(clone, &command->job_start.filter);
		clone_bytes(clone, &command->job_start.reason);
		clone_bytes(clone, &command->job_start.task);
		break;
	case ENG_CMD_WORKER_REGISTER:
		clone_bytes(clone, &command->worker_register.name);
		clone_texts(clone, &command->worker_register.actions,
		    command->worker_register.action_count);
		const struct eng_fence *held = clone_take(clone, command->worker_register.held,
		    command->worker_register.held_count * sizeof(*held),
		    _Alignof(struct eng_fence));
		if (held != NULL)
			command->worker_register.held = held;
		clone_slots(clone, &command->worker_register.types,
		    command->worker_register.type_count);
		break;
	case ENG_CMD_TASK_RESTORE:
		break;
	case ENG_CMD_WORKFLOW_SET:
		clone_bytes(clone, &command->workflow_set.name);
		clone_bytes(clone, &command->workflow_set.reason);
		break;
	case ENG_CMD_WORKER_PAUSE:
		clone_bytes(clone, &command->worker_pause.reason);
		break;
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_REFRESH:
	case ENG_CMD_TASK_LOG:
	case ENG_CMD_TASK_STREAM:
	case ENG_CMD_TASK_RELEASE:
	case ENG_CMD_TASK_BEGIN:
	case ENG_CMD_TASK_RETURN:
	case ENG_CMD_TASK_PROVIDE:
		clone_bytes(clone, &command->task.bytes);
		break;
	case ENG_CMD_DURABLE_STEP:
		clone_durable(clone, command);
		break;
	case ENG_CMD_EVENT_PUSH:
		clone_bytes(clone, &command->event_push.key);
		clone_bytes(clone, &command->event_push.payload);
		clone_texts(clone, &command->event_push.metadata,
		    command->event_push.metadata_count);
		break;
	case ENG_CMD_APPROVAL_DECIDE:
		clone_bytes(clone, &command->approval_decide.reason);
		break;
	case ENG_CMD_RATE_LIMIT_PUT:
		clone_bytes(clone, &command->rate_put.key);
		break;
	case ENG_CMD_TASK_EVICT:
	case ENG_CMD_RUN_REPLAY: /* the hub's own */
	case ENG_CMD_JOB_SKIP:
	case ENG_CMD_JOB_END:
	case ENG_CMD_JOB_CANCEL:
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_WORKER_DETACH:
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_WORKER_LEAVE:
	case ENG_CMD_TOKEN_REVOKE:
		break;
	case ENG_CMD_TOKEN_CREATE:
		froe_never("the hub makes it");
	}
}

/* Walks *command, which is a copy whose pointers are replaced while copying. */
static void
clone_replay(struct clone *clone, struct api_command *command)
{
	clone_bytes(clone, &command->replay.task);
	clone_bytes(clone, &command->replay.input);
	clone_bytes(clone, &command->replay.reason);
}

static void
clone_command(struct clone *clone, struct api_command *command)
{
	switch (command->op) {
	case API_OP_RUN_REPLAY:
		clone_replay(clone, command);
		break;
	case API_OP_OPEN:
	case API_OP_METRICS:
		clone_bytes(clone, &command->open.tenant);
		clone_bytes(clone, &command->open.token);
		break;
	case API_OP_TOKEN_CREATE:
		clone_bytes(clone, &command->token_create.name);
		clone_bytes(clone, &command->token_create.tenant);
		clone_bytes(clone, &command->token_create.advertise);
		clone_texts(clone, &command->token_create.actions,
		    command->token_create.action_count);
		break;
	case API_OP_ENGINE:
		clone_engine(clone, &command->engine);
		break;
	case API_OP_RUN_LIST:
	case API_OP_EVENT_LIST:
		clone_bytes(clone, &command->list.workflow);
		clone_bytes(clone, &command->list.worker);
		clone_texts(clone, &command->list.metadata, command->list.metadata_count);
		break;
	case API_OP_WORKFLOW_GET:
		clone_bytes(clone, &command->workflows.name);
		break;
	case API_OP_RUN_GET:
	case API_OP_RUN_WATCH:
	case API_OP_OUTPUT_GET:
	case API_OP_STREAM_GET:
		clone_bytes(clone, &command->run.task);
		break;
	case API_OP_CLOSE:
	case API_OP_CREDIT:
	case API_OP_RUN_UNWATCH:
	case API_OP_APPROVAL_LIST:
	case API_OP_EVENT_GET:
	case API_OP_HEARTBEAT:
	case API_OP_TOKEN_LIST:
	case API_OP_TOKEN_REVOKE:
	case API_OP_WORKER_LIST:
	case API_OP_WORKFLOW_LIST:
	case API_OP_WORKER_GET:
	case API_OP_WHY:
	case API_OP_QUEUE_LIST:
	case API_OP_RATE_LIST:
	case API_OP_JOB_GET:
	case API_OP_JOB_LIST:
		break;
	}
}

size_t
api_command_size(const struct api_command *command)
{
	struct api_command measured = *command;
	struct clone clone = {.block = NULL, .size = sizeof(measured)};
	clone_command(&clone, &measured);
	return clone.size;
}

struct api_command *
api_command_copy(const struct api_command *command, void *block, size_t size)
{
	struct api_command *copy = block;
	struct clone clone = {.block = block, .size = sizeof(*copy)};
	*copy = *command;
	clone_command(&clone, copy);
	froe_assert(clone.size == size);
	return copy;
}

struct api_command *
api_command_clone(const struct api_command *command)
{
	size_t size = api_command_size(command);
	return api_command_copy(command, mem_alloc(size), size);
}

/* --------------------------------------------------------------------------- positions */

/* Shard in the high 16 bits; there is only shard 0 so far. */
#define POSITION_SHARD_SHIFT 48

void
api_position_encode(uint64_t frame, uint8_t to[API_POSITION_BYTES])
{
	froe_assert(frame >> POSITION_SHARD_SHIFT == 0);
	le64_store(to, frame);
}

bool
api_position_decode(struct bytes position, uint64_t *ret_frame)
{
	if (position.size != API_POSITION_BYTES)
		return false;
	uint64_t frame = le64_load(position.data);
	if (frame >> POSITION_SHARD_SHIFT != 0)
		return false;
	*ret_frame = frame;
	return true;
}
