/*
 * gateway/outcome: what steps came to, told to the worker in the order in which it came.
 *
 * A result that the shard has just told travels at once, if it is its turn; else it is asked for
 * again when it is, so that nothing large is kept here. A child's is its run's.
 */
#include "gateway/durable.h"

#include "api/wire.h"
#include "base/mem.h"
#include "gateway/step.h"
#include "gateway/text.h"

#define SKIPPED "{\"skipped\":true}"

static struct named
named_of(const struct course *course)
{
	return (struct named){course->task, course->said, course->invocation};
}

static bool
can_tell(const struct durable *stream)
{
	return stream != NULL && stream->grpc != NULL && stream->seated &&
	    stream->seat.state == SEAT_OPEN && list_empty(&stream->parcels);
}

/* -------------------------------------------------------------------------------- telling */

static void
tell(struct course *course, struct entry *entry, struct bytes payload, const char *error,
    struct arena *arena)
{
	static const char LARGE[] = "the result is larger than the 4 MiB that a Hatchet client "
	                            "takes: pass references";
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskEventLogEntryCompletedResponse completed =
	    HATCHET__DURABLE_TASK_EVENT_LOG_ENTRY_COMPLETED_RESPONSE__INIT;
	struct named named = named_of(course);
	if (payload.size > GRPC_MESSAGE_BYTES_MAX - 1024)
		error = LARGE;
	completed.ref = durable_ref(&named, entry->node, arena);
	completed.has_satisfied_order = completed.has_is_failure = true;
	completed.satisfied_order = entry->order;
	completed.is_failure = error != NULL;
	completed.error_message = error != NULL ? text_copy(arena, bytes_text(error)) : NULL;
	completed.has_payload = error == NULL && payload.size > 0;
	if (completed.has_payload)
		completed.payload = (ProtobufCBinaryData){
		    payload.size, (uint8_t *)(uintptr_t)payload.data};
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_ENTRY_COMPLETED;
	response.entry_completed = &completed;
	course_sent(course, entry, gateway_now_ns(course->stream->gateway));
	durable_send(course->stream, &response);
}

static void
tell_wait(struct course *course, struct entry *entry, const Froe__NodeDone *done,
    struct arena *arena)
{
	struct buf json;
	const Hatchet__DurableEventListenerConditions *conditions = (const void *)wire_unpack(
	    &hatchet__durable_event_listener_conditions__descriptor,
	    buf_bytes(&entry->conditions), arena);
	froe_assert(conditions != NULL);
	buf_init(&json);
	step_json(conditions, done, &json);
	tell(course, entry, buf_bytes(&json), NULL, arena);
	buf_release(&json);
}

/* ------------------------------------------------------------------------------- children */

/* The on-failure task of a run that did not fail. */
static bool
task_unneeded(const Froe__TaskView *task)
{
	return task->skipped && task->n_parents == 0;
}

static void
push_output(struct buf *json, const Froe__TaskView *task)
{
	if (task->skipped)
		buf_push_text(json, SKIPPED);
	else if (task->output.len > 0)
		buf_push(json, task->output.data, task->output.len);
	else
		buf_push_text(json, "{}");
}

/* The only task's output; of several, each under its name. */
static void
push_outputs(struct buf *json, const Froe__RunView *view)
{
	const Froe__TaskView *only = NULL;
	size_t count = 0;
	for (size_t i = 0; i < view->n_tasks; i++) {
		if (task_unneeded(view->tasks[i]))
			continue;
		only = view->tasks[i];
		count++;
	}
	if (count == 1) {
		push_output(json, only);
		return;
	}
	buf_push_text(json, "{");
	for (size_t i = 0, put = 0; i < view->n_tasks; i++) {
		const Froe__TaskView *task = view->tasks[i];
		if (task_unneeded(task))
			continue;
		buf_push_text(json, put++ > 0 ? "," : "");
		buf_push_json_string(json, task->name, strlen(task->name));
		buf_push_text(json, ":");
		push_output(json, task);
	}
	buf_push_text(json, "}");
}

static const char *
view_error(const Froe__RunView *view)
{
	for (size_t i = 0; i < view->n_tasks; i++) {
		if (view->tasks[i]->status == FROE__RUN_STATUS__FAILED &&
		    text_given(view->tasks[i]->error))
			return view->tasks[i]->error;
	}
	return view->status == FROE__RUN_STATUS__CANCELLED ? "the child was cancelled"
	                                                   : "the child failed";
}

static bool
on_child(struct ask *ask, const struct answer *answer)
{
	struct query *query = ask->owner;
	struct course *course = query_course(query);
	struct entry *entry = course != NULL ? course_entry(course, query->node) : NULL;
	struct froe_fault fault;
	struct buf json;
	query_free(query);
	if (entry == NULL || course->stream == NULL)
		return true;
	buf_init(&json);
	if (answer_fault(answer, &fault)) {
		tell(course, entry, bytes_of(NULL, 0), fault.text, answer->arena);
	} else {
		const Froe__RunView *view = (const void *)answer->message;
		const char *error = NULL;
		if (view->status == FROE__RUN_STATUS__COMPLETED)
			push_outputs(&json, view);
		else
			error = view_error(view);
		tell(course, entry, buf_bytes(&json), error, answer->arena);
	}
	buf_release(&json);
	outcome_pump(course);
	return true;
}

static void
ask_child(struct course *course, const struct entry *entry, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct ask_options options = {.answer = on_child, .trusted = true};
	struct named named = named_of(course);
	struct froe_fault fault;
	struct query *query = query_new(course->stream, &named, entry->node);
	get.has_run = get.has_payloads = get.payloads = true;
	get.run = text_id_bytes(arena, entry->child);
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_GET;
	envelope.run_get = &get;
	bool asked = query_ask(query, &envelope, &options, arena, &fault);
	froe_assert(asked); /* the shard made the id */
}

/* The id of a run that a step has started, in what the shard says of it. */
static void
note_child(struct entry *entry, const Froe__NodeDone *done)
{
	if (entry->kind == ENTRY_CHILD && done->has_child &&
	    done->child.len == sizeof(entry->child.bytes))
		memcpy(entry->child.bytes, done->child.data, sizeof(entry->child.bytes));
}

/* -------------------------------------------------------------------------------- loading */

static bool
on_node(struct ask *ask, const struct answer *answer)
{
	struct query *query = ask->owner;
	struct durable *stream = query->stream;
	struct course *course = query_course(query);
	struct entry *entry = course != NULL ? course_entry(course, query->node) : NULL;
	struct named named = {query->task, query->said, query->invocation};
	uint32_t node = query->node;
	struct froe_fault fault;
	seat_credit(&stream->seat, answer->size);
	query_free(query);
	if (answer_fault(answer, &fault)) {
		if (entry != NULL && entry->state == ENTRY_ASKED)
			entry->state = ENTRY_UNKNOWN;
		else if (entry != NULL)
			course_sent(course, entry, gateway_now_ns(stream->gateway));
		durable_fail(stream, &named, node, &fault);
		return true;
	}
	if (entry != NULL)
		outcome_know(course, entry, (const void *)answer->message, answer->arena);
	return true;
}

static void
ask_node(struct course *course, struct entry *entry, struct arena *arena)
{
	struct ask_options options = {.answer = on_node};
	struct named named = named_of(course);
	Froe__Envelope envelope;
	Froe__DurableStep step;
	struct froe_fault fault;
	struct query *query = query_new(course->stream, &named, entry->node);
	step_envelope(&envelope, &step, course->task, entry->node, FROE__NODE_KIND__NODE_NONE,
	    arena);
	if (query_ask(query, &envelope, &options, arena, &fault))
		return;
	query_free(query);
	durable_fail(course->stream, &named, entry->node, &fault);
}

/* A memo's value was in its acknowledgement. */
static void
load(struct course *course, struct entry *entry, struct arena *arena)
{
	if (entry->kind == ENTRY_MEMO)
		tell(course, entry, bytes_of(NULL, 0), NULL, arena);
	else if (entry->kind == ENTRY_CHILD && !uuid_is_nil(entry->child))
		ask_child(course, entry, arena);
	else
		ask_node(course, entry, arena);
}

void
outcome_ask(struct course *course, struct entry *entry, struct arena *arena)
{
	entry->state = ENTRY_ASKED;
	ask_node(course, entry, arena);
}

void
outcome_repeat(struct course *course, struct entry *entry, struct arena *arena)
{
	entry->since_ns = gateway_now_ns(course->stream->gateway);
	load(course, entry, arena);
}

void
outcome_pump(struct course *course)
{
	struct entry *entry;
	struct arena arena;
	arena_init(&arena, 0);
	while (can_tell(course->stream) &&
	    (entry = course_next(course, gateway_now_ns(course->stream->gateway))) != NULL) {
		course_loads(course, entry);
		load(course, entry, &arena);
		arena_reset(&arena);
	}
	arena_release(&arena);
	if (can_tell(course->stream) && course_stalls(course) && !list_linked(&course->stall)) {
		struct gateway *gateway = course->stream->gateway;
		course->stall_ns = gateway_now_ns(gateway) + COURSE_LEFT_NS + 1;
		list_push(&gateway->stalls, &course->stall);
	}
}

void
outcome_turn(struct gateway *gateway, uint64_t now_ns)
{
	while (outcome_due_ns(gateway) <= now_ns) {
		struct course *course =
		    container_of(gateway->stalls.next, struct course, stall);
		list_remove(&course->stall);
		outcome_pump(course);
	}
}

uint64_t
outcome_due_ns(const struct gateway *gateway)
{
	if (list_empty(&gateway->stalls))
		return UINT64_MAX;
	return container_of(gateway->stalls.next, struct course, stall)->stall_ns;
}

void
outcome_note(struct course *course, struct entry *entry, const Froe__NodeDone *done)
{
	note_child(entry, done);
	if (done->state == FROE__NODE_STATE__NODE_DONE && entry->state != ENTRY_LOADING)
		course_ready(course, entry, done->order,
		    course->stream != NULL ? gateway_now_ns(course->stream->gateway) : 0);
	else if (entry->state == ENTRY_UNKNOWN || entry->state == ENTRY_ASKED)
		entry->state = ENTRY_PENDING;
}

/* A wait's result that is at hand need not be asked for again. */
void
outcome_know(struct course *course, struct entry *entry, const Froe__NodeDone *done,
    struct arena *arena)
{
	bool wait = entry->kind == ENTRY_WAIT && done->state == FROE__NODE_STATE__NODE_DONE;
	bool asked = entry->state == ENTRY_SENT || entry->state == ENTRY_LOADING;
	bool child = entry->kind == ENTRY_CHILD && entry->state == ENTRY_LOADING;
	outcome_note(course, entry, done);
	if (course->stream == NULL)
		return;
	if (child && !uuid_is_nil(entry->child))
		ask_child(course, entry, arena);
	if (wait && (asked || (can_tell(course->stream) &&
	        course_next(course, gateway_now_ns(course->stream->gateway)) == entry)))
		tell_wait(course, entry, done, arena);
	outcome_pump(course);
}

/* ---------------------------------------------------------------------- from the shard */

void
outcome_node_done(struct gateway *gateway, const Froe__NodeDone *done, struct arena *arena)
{
	struct uuid task;
	memcpy(task.bytes, done->task.data, sizeof(task.bytes));
	struct course *course = course_find(gateway, task);
	if (course == NULL || course->invocation != done->lease)
		return; /* the older pair's, or a step that the handler has not taken again yet */
	struct entry *entry = course_entry(course, done->node);
	if (entry != NULL && entry->state != ENTRY_SENT && entry->state != ENTRY_LOADING)
		outcome_know(course, entry, done, arena);
}

void
outcome_ask_again(struct course *course, struct arena *arena)
{
	for (size_t i = 0; i < course->entries.capacity; i++) {
		struct entry *entry = course->entries.entries[i].value;
		if (entry == NULL || entry->state != ENTRY_PENDING)
			continue;
		entry->state = ENTRY_UNKNOWN;
		if (course->stream != NULL && course->stream->seat.state == SEAT_OPEN &&
		    entry->kind != ENTRY_MEMO)
			outcome_ask(course, entry, arena);
	}
}
