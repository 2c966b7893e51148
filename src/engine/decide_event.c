/*
 * engine/decide_event: events that wake waits, and decisions of approvals.
 *
 * An event is one record; each wait that it wakes gets a copy of its payload in its own run's
 * history, so that a run can be read without looking elsewhere. Copies that are too many for one
 * step go on in the next ones: until then the event's key holds the payload and the waits that are
 * still to be told.
 */
#include "engine/durable_int.h"

void
decide_event_push(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	const struct eng_command *command = turn->command;
	struct bytes key = command->event_push.key, payload = command->event_push.payload;
	if (key.size == 0 || key.size > FROE_NAME_BYTES_MAX) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "key", "a key has 1 to %u bytes",
		    FROE_NAME_BYTES_MAX);
		return;
	}
	const struct bytes *metadata = command->event_push.metadata;
	uint32_t metadata_count = command->event_push.metadata_count;
	const char *bad = metadata_fault(metadata, metadata_count);
	if (bad != NULL) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "metadata", "%s", bad);
		return;
	}
	size_t bytes = durable_event_bytes(payload, metadata, metadata_count);
	bool kept = durable_key_find(command_tenant(turn), key) != NULL;
	if (kept && eng->delivery_bytes + bytes > ENG_DELIVERY_BYTES_MAX) {
		reply_fault(turn, FROE_RESOURCE_EXHAUSTED, "",
		    "events of %u MiB are on their way to those that wait: try again later",
		    (unsigned)(ENG_DELIVERY_BYTES_MAX >> 20));
		return;
	}
	struct eng_event event = {
	    .type = ENG_EV_EVENT_PUSHED,
	    .tenant = command->tenant.v,
	    .number = eng->event_last + 1,
	    .name = key,
	    .actor = command->actor,
	    .payload = payload,
	    .metadata = metadata,
	    .metadata_count = metadata_count,
	};
	uint64_t number = emit(turn, &event)->number;
	reply_ok(turn)->number = number;
}

/* What the waits of one event are told, in the step's arena: the key may be gone before its end. */
struct copy {
	uint64_t number; /* of the event; 0: none yet */
	struct bytes payload;
	const struct bytes *metadata;
	uint32_t metadata_count;
};

static void
copy_take(struct copy *copy, struct arena *arena, const struct eng_key *key)
{
	if (copy->number == key->number)
		return;
	copy->number = key->number;
	copy->payload = bytes_of(
	    arena_copy(arena, key->payload.data, key->payload.size), key->payload.size);
	copy->metadata = metadata_lend(&key->metadata, arena);
	copy->metadata_count = key->metadata.count;
}

/* The key's oldest wait is told; that may have been its last. */
static void
delivery_step(struct eng_turn *turn, struct eng_key *key, const struct copy *copy)
{
	const struct eng_wait_part *part =
	    container_of(key->waits.next, struct eng_wait_part, link);
	struct eng_task *task = part->wait->task;
	uint32_t number = part->wait->node;
	struct eng_event event = {
	    .type = ENG_EV_NODE_SATISFIED,
	    .run = task_run(task)->key,
	    .task = task->index,
	    .node = number,
	    .which = (uint32_t)(part - part->wait->parts),
	    .number = copy->number,
	    .payload = copy->payload,
	    .metadata = copy->metadata,
	    .metadata_count = copy->metadata_count,
	};
	emit(turn, &event);
	node_follow(turn, task, number);
}

/* Only in steps that do little else, so that the bound of the others stays what it is. A payload
 * larger than a slice goes alone, in a step of its own. */
void
decide_deliveries(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	bool alone = turn->command->type == ENG_CMD_SCHEDULE;
	struct copy copy = {0};
	size_t size = 0;
	if (!alone && turn->command->type != ENG_CMD_EVENT_PUSH)
		return;
	for (uint32_t i = 0; i < ENG_DELIVERY_STEP_WAITS && !list_empty(&eng->deliveries); i++) {
		struct eng_key *key = container_of(eng->deliveries.next, struct eng_key, link);
		size += durable_key_bytes(key);
		if (size > ENG_DELIVERY_STEP_BYTES && !(alone && i == 0))
			return;
		copy_take(&copy, &eng->arena, key);
		delivery_step(turn, key, &copy);
	}
}

/* ----------------------------------------------------------------------------------- approvals */

static void
approval_refuse(struct eng_turn *turn, const struct eng_approval *approval)
{
	struct bytes actor = approval->actor;
	const char *what = approval->state == ENG_APPROVAL_APPROVED ? "approved" : "rejected";
	if (approval->state == ENG_APPROVAL_WITHDRAWN)
		reply_fault(turn, FROE_FAILED_PRECONDITION, "approval",
		    "approval %llu is no longer asked for: its task went on without it",
		    (unsigned long long)approval->number);
	else
		reply_fault(turn, FROE_FAILED_PRECONDITION, "approval",
		    "approval %llu was %s%s%.*s", (unsigned long long)approval->number, what,
		    actor.size != 0 ? " by " : " before", (int)actor.size,
		    (const char *)actor.data);
}

static struct eng_approval *
command_approval(struct eng_turn *turn)
{
	struct eng_tenant *tenant = command_tenant(turn);
	uint64_t number = turn->command->approval_decide.approval;
	struct eng_approval *approval = durable_approval_find(turn->eng, tenant, number);
	if (approval != NULL && approval->state == ENG_APPROVAL_OPEN)
		return approval;
	if (approval != NULL)
		approval_refuse(turn, approval);
	else if (number == 0 || number > tenant->approval_last)
		reply_fault(turn, FROE_NOT_FOUND, "approval",
		    "no approval has the number %llu: list those that are open",
		    (unsigned long long)number);
	else
		reply_fault(turn, FROE_FAILED_PRECONDITION, "approval",
		    "approval %llu is over: its task has ended", (unsigned long long)number);
	return NULL;
}

void
decide_approval_decide(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng_approval *approval = command_approval(turn);
	if (approval == NULL)
		return;
	struct eng_task *task = approval->task;
	uint32_t node = approval->node;
	struct eng_event event = {
	    .type = ENG_EV_APPROVAL_DECIDED,
	    .run = task_run(task)->key,
	    .task = task->index,
	    .node = node,
	    .which = approval->which,
	    .approval = approval->number,
	    .approved = command->approval_decide.approved ? 1 : 0,
	    .actor = command->actor,
	    .text = command->approval_decide.reason,
	};
	emit(turn, &event);
	reply_ok(turn)->run = task_run(task)->key;
	node_follow(turn, task, node);
}
