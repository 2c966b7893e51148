/*
 * gateway/change: runs are cancelled or replayed: those that are named, or those that a filter
 * finds.
 *
 * One command a run, ASKS_MAX at a time. A task is cancelled alone; replayed, its id stands for its
 * run. Those that are not there, or are past changing, are left out of the answer, which is in the
 * order of the request.
 */
#include "gateway/method.h"

#include "base/mem.h"
#include "gateway/find.h"
#include "gateway/text.h"

#define IDS_MAX 1000u
#define ASKS_MAX 32u
/* Of those that a filter finds, as with Hatchet. */
#define FOUND_CANCEL_MAX 20000u
#define FOUND_REPLAY_MAX 1000u

#define STATUSES_OPEN (1u << ENG_QUEUED | 1u << ENG_RUNNING | 1u << ENG_EVICTED)
#define STATUSES_CLOSED (1u << ENG_COMPLETED | 1u << ENG_FAILED | 1u << ENG_CANCELLED)

struct change_one {
	struct uuid id; /* as it was given */
	struct change *change;
	struct ask *ask; /* NULL: not asked, or answered */
	bool changed;
};

struct change {
	struct call *call;
	struct find find;
	bool replays;
	bool over; /* the call is answered */
	struct change_one *ones;
	uint32_t count, asked, heard;
};

void
change_stop(struct change *change)
{
	if (change == NULL)
		return;
	change->over = true;
	for (uint32_t i = 0; i < change->asked; i++) {
		ask_drop(change->ones[i].ask);
		change->ones[i].ask = NULL;
	}
}

void
change_free(struct change *change)
{
	if (change == NULL)
		return;
	change_stop(change);
	find_release(&change->find);
	mem_free(change->ones);
	mem_free(change);
}

static void
change_reply(const struct change *change, struct arena *arena)
{
	size_t count = 0;
	char **ids = arena_alloc(arena, (change->count + 1) * sizeof(*ids));
	froe_assert(ids != NULL);
	for (uint32_t i = 0; i < change->count; i++) {
		if (change->ones[i].changed)
			ids[count++] = text_uuid(arena, change->ones[i].id);
	}
	Hatchet__CancelTasksResponse cancelled = HATCHET__CANCEL_TASKS_RESPONSE__INIT;
	Hatchet__ReplayTasksResponse replayed = HATCHET__REPLAY_TASKS_RESPONSE__INIT;
	cancelled.cancelled_tasks = replayed.replayed_tasks = ids;
	cancelled.n_cancelled_tasks = replayed.n_replayed_tasks = count;
	call_reply(change->call, change->replays ? &replayed.base : &cancelled.base);
}

static void change_more(struct change *change);

static bool
on_changed(struct ask *ask, const struct answer *answer)
{
	struct change_one *one = ask->owner;
	struct change *change = one->change;
	struct froe_fault fault;
	struct arena arena;
	bool fails = answer_fault(answer, &fault);
	one->ask = NULL;
	one->changed = !fails;
	change->heard++;
	if (fails && fault.code != FROE_NOT_FOUND && fault.code != FROE_FAILED_PRECONDITION) {
		call_fail(change->call, &fault);
	} else if (change->heard < change->count) {
		change_more(change);
	} else {
		arena_init(&arena, 0);
		change_reply(change, &arena);
		arena_release(&arena);
	}
	return true;
}

/* False: it was refused, and the call with it. */
static bool
change_ask(struct change *change, struct change_one *one, struct arena *arena)
{
	uint32_t number;
	struct uuid run = uuid_run_of(one->id, &number);
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	Froe__RunReplay replay = FROE__RUN_REPLAY__INIT;
	struct ask_options options = {
	    .answer = on_changed, .owner = one, .role = ENG_ROLE_CLIENT};
	struct froe_fault fault;
	cancel.has_run = replay.has_run = true;
	replay.has_keep = replay.keep = true; /* a durable task goes on where it came to */
	cancel.run = text_id_bytes(arena, one->id);
	replay.run = text_id_bytes(arena, run);
	if (change->replays) {
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_REPLAY;
		envelope.run_replay = &replay;
	} else {
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_CANCEL;
		envelope.run_cancel = &cancel;
	}
	if (seat_ask(&change->call->session->seat, &envelope, &options, arena, &one->ask,
	        &fault) == FROE_OK)
		return true;
	call_fail(change->call, &fault);
	return false;
}

static void
change_more(struct change *change)
{
	struct arena arena;
	arena_init(&arena, 0);
	while (!change->over && change->asked < change->count &&
	    change->asked - change->heard < ASKS_MAX) {
		if (!change_ask(change, &change->ones[change->asked++], &arena))
			break;
	}
	arena_release(&arena);
}

static void
change_begin(struct change *change, uint32_t count, struct arena *arena)
{
	change->count = count;
	for (uint32_t i = 0; i < count; i++)
		change->ones[i].change = change;
	if (count == 0)
		change_reply(change, arena);
	else
		change_more(change);
}

static void
on_found(struct find *find, struct arena *arena)
{
	struct change *change = container_of(find, struct change, find);
	struct bytes ids = buf_bytes(&find->ids);
	size_t count = ids.size / sizeof(struct uuid);
	change->ones = mem_array(count + 1, sizeof(*change->ones));
	for (size_t i = 0; i < count; i++)
		memcpy(change->ones[i].id.bytes, ids.data + i * sizeof(struct uuid),
		    sizeof(struct uuid));
	change_begin(change, (uint32_t)count, arena);
}

static void
change_named(struct change *change, char *const *ids, size_t count, struct arena *arena)
{
	if (count > IDS_MAX) {
		call_refuse(change->call, FROE_INVALID_ARGUMENT, "external_ids",
		    "%zu ids: give at most %u at a time", count, IDS_MAX);
		return;
	}
	change->ones = mem_array(count + 1, sizeof(*change->ones));
	for (size_t i = 0; i < count; i++) {
		if (!text_id(ids[i], &change->ones[i].id)) {
			call_refuse(change->call, FROE_INVALID_ARGUMENT, "external_ids",
			    "external_ids[%zu] is not a UUID", i);
			return;
		}
	}
	change_begin(change, (uint32_t)count, arena);
}

static void
change_tasks(struct call *call, bool replays, char *const *ids, size_t count,
    const Hatchet__TasksFilter *filter, struct arena *arena)
{
	struct change *change = mem_zalloc(sizeof(*change));
	change->call = call;
	change->replays = replays;
	call->change = change;
	call->find = &change->find;
	if (filter == NULL)
		change_named(change, ids, count, arena);
	else if (count > 0)
		call_refuse(call, FROE_INVALID_ARGUMENT, "filter",
		    "give external_ids or a filter, one of the two");
	else
		find_start(&change->find, call, filter,
		    replays ? STATUSES_CLOSED : STATUSES_OPEN,
		    replays ? FOUND_REPLAY_MAX : FOUND_CANCEL_MAX, on_found, arena);
}

void
cancel_tasks(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__CancelTasksRequest *request = (const void *)message;
	change_tasks(call, /* replays= */ false, request->external_ids, request->n_external_ids,
	    request->filter, arena);
}

void
replay_tasks(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__ReplayTasksRequest *request = (const void *)message;
	change_tasks(call, /* replays= */ true, request->external_ids, request->n_external_ids,
	    request->filter, arena);
}
