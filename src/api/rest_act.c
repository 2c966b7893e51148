/*
 * api/rest_act: runs are cancelled, or go on: those that are named, or those that a filter finds.
 *
 * One command a run, REST_ASKS_MAX at a time; the answer has the ids of those that were changed. A
 * run that has ended already is not cancelled, and one that has not ended does not go on: they are
 * left out, as are ids that nobody knows; but if none is known that is said.
 */
#include "api/rest_walk.h"

#define IDS_MAX 2000u
#define FOUND_CANCEL_MAX 20000u
#define FOUND_REPLAY_MAX 1000u

#define STATUSES_OPEN (1u << ENG_QUEUED | 1u << ENG_RUNNING | 1u << ENG_EVICTED)
#define STATUSES_CLOSED (1u << ENG_COMPLETED | 1u << ENG_FAILED | 1u << ENG_CANCELLED)

static char REASON[] = "over REST";

struct act {
	bool replays;
	struct act_one {
		struct uuid id; /* as it was given */
		struct uuid run;
		uint32_t index;
		bool is_run;
		bool changed;
	} *ones;
	uint32_t count, room, asked, heard, missing;
};

static void act_more(struct rest_call *call);

static void
act_end(struct rest_call *call)
{
	const struct act *act = call->state;
	struct sheet sheet = rest_sheet(call);
	if (act->count > 0 && act->missing == act->count) {
		rest_fail(call, 404, "externalIds", "no run of the tenant has one of these ids");
		return;
	}
	sheet_open(&sheet, '{');
	sheet_key(&sheet, "ids");
	sheet_open(&sheet, '[');
	for (uint32_t i = 0; i < act->count; i++) {
		if (act->ones[i].changed)
			sheet_uuid(&sheet, act->ones[i].id);
	}
	sheet_close(&sheet, ']');
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

/* One of them is done with. */
static void
act_over(struct rest_call *call, const struct rest_reply *reply, bool changed, uint32_t tag)
{
	struct act *act = call->state;
	uint32_t err = reply->error != NULL ? reply->error->code : FROE_OK;
	if (call->done)
		return;
	act->ones[tag].changed = changed;
	act->missing += err == FROE_NOT_FOUND;
	if (err != FROE_OK && err != FROE_NOT_FOUND && err != FROE_FAILED_PRECONDITION &&
	    rest_failed(call, reply))
		return;
	act->heard++;
	if (act->heard == act->count)
		act_end(call);
	else
		act_more(call);
}

static void
act_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	act_over(call, reply, reply->error == NULL, tag);
}

static bool
ask_change(struct rest_call *call, uint32_t tag, char *task)
{
	const struct act *act = call->state;
	ProtobufCBinaryData run = {16, act->ones[tag].run.bytes};
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	Froe__RunReplay replay = FROE__RUN_REPLAY__INIT;
	struct uuid alone = uuid_task(act->ones[tag].run, act->ones[tag].index);
	cancel.has_run = replay.has_run = true;
	cancel.run = replay.run = run;
	if (!act->ones[tag].is_run)
		cancel.run.data = alone.bytes;
	replay.has_keep = replay.keep = true; /* a durable task goes on where it came to */
	cancel.reason = replay.reason = REASON;
	replay.task = task;
	if (act->replays)
		return rest_ask(
		    call, FROE__ENVELOPE__BODY_RUN_REPLAY, &replay.base, act_heard, tag);
	return rest_ask(call, FROE__ENVELOPE__BODY_RUN_CANCEL, &cancel.base, act_heard, tag);
}

/* The id was a task's: the run goes on from there. */
static void
view_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct act *act = call->state;
	const Froe__RunView *view = (const Froe__RunView *)reply->message;
	uint32_t index = act->ones[tag].index;
	if (call->done || reply->error != NULL) {
		act_over(call, reply, false, tag);
		return;
	}
	if (index >= view->n_tasks) {
		act->missing++;
		act_over(call, reply, false, tag);
		return;
	}
	struct bytes name = rest_keep(call, bytes_text(view->tasks[index]->name));
	if (ask_change(call, tag, view->n_tasks > 1 ? (char *)(uintptr_t)name.data : NULL))
		act_more(call);
}

static void
act_more(struct rest_call *call)
{
	struct act *act = call->state;
	while (act->asked < act->count && call->ask_count < REST_ASKS_MAX) {
		uint32_t tag = act->asked++;
		Froe__RunGet get = FROE__RUN_GET__INIT;
		get.has_run = true;
		get.run = (ProtobufCBinaryData){16, act->ones[tag].run.bytes};
		bool good = act->ones[tag].is_run || !act->replays
		    ? ask_change(call, tag, NULL)
		    : rest_ask(call, FROE__ENVELOPE__BODY_RUN_GET, &get.base, view_heard, tag);
		if (!good)
			return;
	}
}

static void
act_begin(struct rest_call *call, struct act *act)
{
	call->state = act;
	if (act->count == 0)
		act_end(call);
	else
		act_more(call);
}

static void
act_room(struct rest_call *call, struct act *act, uint32_t room)
{
	act->room = room;
	act->ones = rest_zalloc(call, room * sizeof(*act->ones));
}

static void
act_add(struct act *act, struct uuid id)
{
	froe_assert(act->count < act->room);
	struct act_one *one = &act->ones[act->count++];
	one->id = id;
	one->run = alias_run(id, &one->index, &one->is_run);
}

/* ------------------------------------------------------------------------------ by a filter */

static void
found_end(struct rest_call *call, struct walk *walk)
{
	act_begin(call, walk->context);
}

static void
found_look(struct rest_call *call, struct walk *walk, struct walk_run *run,
    const Froe__RunView *view)
{
	(void)call;
	(void)walk;
	(void)run;
	(void)view;
}

static bool
found_take(struct rest_call *call, struct walk *walk, struct walk_run *runs, uint32_t count)
{
	struct act *act = walk->context;
	for (uint32_t i = 0; i < count && act->count < act->room; i++) {
		if (runs[i].wanted)
			act_add(act, runs[i].id);
	}
	if (act->count < act->room)
		return true;
	act_begin(call, act);
	return false;
}

static void
act_filter(struct rest_call *call, struct act *act, const json_t *from)
{
	struct walk *walk = rest_walk_new(call);
	uint32_t statuses = act->replays ? STATUSES_CLOSED : STATUSES_OPEN;
	if (!rest_filter_body(call, from, &walk->filter))
		return;
	walk->filter.statuses =
	    walk->filter.statuses == 0 ? statuses : walk->filter.statuses & statuses;
	walk->filter.nothing |= walk->filter.statuses == 0;
	walk->views = rest_filter_deep(&walk->filter);
	walk->look = found_look;
	walk->take = found_take;
	walk->end = found_end;
	walk->context = act;
	act_room(call, act, act->replays ? FOUND_REPLAY_MAX : FOUND_CANCEL_MAX);
	rest_walk_start(call, walk);
}

/* ------------------------------------------------------------------------------------ by ids */

static void
act_ids(struct rest_call *call, struct act *act, const json_t *from)
{
	const json_t *value;
	size_t index;
	struct uuid id;
	size_t count = json_array_size(from);
	if (!json_is_array(from) || count > IDS_MAX) {
		rest_fail(call, 400, "externalIds", "externalIds is an array of at most %u ids",
		    IDS_MAX);
		return;
	}
	act_room(call, act, (uint32_t)count + 1);
	json_array_foreach(from, index, value) {
		if (!json_is_string(value) ||
		    !uuid_parse(json_string_value(value), json_string_length(value), &id)) {
			rest_fail(
			    call, 400, "externalIds", "externalIds[%zu] is not a UUID", index);
			return;
		}
		act_add(act, id);
	}
	act_begin(call, act);
}

static void
act(struct rest_call *call, bool replays)
{
	struct act *state = rest_zalloc(call, sizeof(*state));
	state->replays = replays;
	if (!rest_body(call))
		return;
	const json_t *ids = json_object_get(call->json, "externalIds");
	const json_t *filter = json_object_get(call->json, "filter");
	bool has_ids = ids != NULL && !json_is_null(ids);
	bool has_filter = filter != NULL && !json_is_null(filter);
	if (has_ids == has_filter)
		rest_fail(call, 400, "externalIds", "give externalIds or a filter, one of the two");
	else if (has_ids)
		act_ids(call, state, ids);
	else
		act_filter(call, state, filter);
}

void
rest_cancel(struct rest_call *call)
{
	act(call, /* replays= */ false);
}

void
rest_replay(struct rest_call *call)
{
	act(call, /* replays= */ true);
}
