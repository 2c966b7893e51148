/*
 * gateway/stride: what a durable task's handler does next, as steps with numbers.
 *
 *   memo            a wait for a value that the handler gives: its place is taken now, so that
 *                   steps which are taken beside it have theirs
 *   complete_memo   the same step again, with the value
 *   wait_for        a wait
 *   trigger_runs    a child a step
 *
 * What is refused takes no number: the handler may go on with something else.
 */
#include "gateway/durable.h"

#include "base/mem.h"
#include "froe/limits.h"
#include "gateway/linger.h"
#include "gateway/method.h"
#include "gateway/step.h"
#include "gateway/text.h"

#include <stdio.h>

static struct named
named_of(const struct course *course)
{
	return (struct named){course->task, course->said, course->invocation};
}

/* The query ends with its fault; the numbers from `node` on are free again. */
static void
stride_fail(struct query *query, uint32_t node, const struct froe_fault *fault)
{
	struct durable *stream = query->stream;
	struct named named = {query->task, query->said, query->invocation};
	struct course *course = query_course(query);
	if (course != NULL && node > 0 && course->cursor >= node)
		course->cursor = node - 1;
	query_free(query);
	durable_fail(stream, &named, node, fault);
}

static void
stride_refuse(struct course *course, uint32_t node, const char *field, const char *text)
{
	struct named named = named_of(course);
	struct froe_fault fault;
	FROE_DROP(fault_set_field(&fault, FROE_INVALID_ARGUMENT, field, "%s: %s", field, text),
	    "it is sent");
	durable_fail(course->stream, &named, node, &fault);
}

/* A step's answer. False: it is a fault, or nobody's any more; the query has ended. */
static bool
stride_answered(struct query *query, const struct answer *answer, struct course **ret_course)
{
	struct froe_fault fault;
	seat_credit(&query->stream->seat, answer->size);
	if (answer_fault(answer, &fault)) {
		stride_fail(query, query->node, &fault);
		return false;
	}
	*ret_course = query_course(query);
	if (*ret_course == NULL)
		query_free(query);
	return *ret_course != NULL;
}

/* ----------------------------------------------------------------------------------- memo */

static bool
on_memo(struct ask *ask, const struct answer *answer)
{
	struct query *query = ask->owner;
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskEventMemoAckResponse ack =
	    HATCHET__DURABLE_TASK_EVENT_MEMO_ACK_RESPONSE__INIT;
	const Froe__NodeDone *done = (const void *)answer->message;
	struct course *course;
	if (!stride_answered(query, answer, &course))
		return true;
	struct named named = named_of(course);
	struct entry *entry = course_entry(course, query->node);
	froe_assert(entry != NULL);
	ack.ref = durable_ref(&named, query->node, answer->arena);
	ack.has_memo_already_existed = true;
	ack.memo_already_existed = done->state == FROE__NODE_STATE__NODE_DONE;
	ack.has_memo_result_payload = ack.memo_already_existed;
	ack.memo_result_payload = done->payload;
	if (!ack.memo_already_existed)
		linger_memo(query->stream->gateway, query->task); /* which is not answered */
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_MEMO_ACK;
	response.memo_ack = &ack;
	durable_send(query->stream, &response);
	outcome_know(course, entry, done, answer->arena);
	query_free(query);
	return true;
}

static void
memo_step(struct course *course, struct entry *entry, ProtobufCBinaryData value,
    bool (*answer)(struct ask *ask, const struct answer *answer), struct arena *arena)
{
	struct named named = named_of(course);
	struct query *query = query_new(course->stream, &named, entry->node);
	struct ask_options options = {.answer = answer};
	Froe__Envelope envelope;
	Froe__DurableStep step;
	struct froe_fault fault;
	step_envelope(&envelope, &step, course->task, entry->node, FROE__NODE_KIND__NODE_WAIT,
	    arena);
	step_value(entry->name, &step, arena);
	step.has_value = value.len > 0;
	step.value = value;
	if (!query_ask(query, &envelope, &options, arena, &fault))
		stride_fail(query, answer == on_memo ? entry->node : 0, &fault);
}

void
stride_memo(struct course *course, const Hatchet__DurableTaskMemoRequest *request,
    struct arena *arena)
{
	char name[STEP_KEY_SIZE];
	struct entry *entry = course_add(course, ++course->cursor, ENTRY_MEMO);
	step_key(bytes_of(request->key.data, request->key.len), name);
	mem_free(entry->name);
	entry->kind = ENTRY_MEMO;
	entry->name = mem_strdup(name);
	memo_step(course, entry, request->payload, on_memo, arena);
}

static bool
on_complete(struct ask *ask, const struct answer *answer)
{
	struct query *query = ask->owner;
	struct froe_fault fault;
	seat_credit(&query->stream->seat, answer->size);
	if (answer_fault(answer, &fault)) {
		stride_fail(query, 0, &fault);
		return true;
	}
	struct course *course = query_course(query);
	struct entry *entry = course != NULL ? course_entry(course, query->node) : NULL;
	if (entry != NULL)
		outcome_know(course, entry, (const void *)answer->message, answer->arena);
	query_free(query);
	return true;
}

/* A function that returns nothing has kept that it was called. */
void
stride_complete(struct course *course, uint64_t node,
    const Hatchet__DurableTaskCompleteMemoRequest *request, struct arena *arena)
{
	static char none[] = "null";
	ProtobufCBinaryData value = request->payload;
	if (value.len == 0)
		value = (ProtobufCBinaryData){sizeof(none) - 1, (uint8_t *)none};
	memo_step(course, course_entry(course, node), value, on_complete, arena);
}

/* ----------------------------------------------------------------------------------- wait */

static bool
on_wait(struct ask *ask, const struct answer *answer)
{
	struct query *query = ask->owner;
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskEventWaitForAckResponse ack =
	    HATCHET__DURABLE_TASK_EVENT_WAIT_FOR_ACK_RESPONSE__INIT;
	struct course *course;
	if (!stride_answered(query, answer, &course))
		return true;
	struct named named = named_of(course);
	struct entry *entry = course_entry(course, query->node);
	froe_assert(entry != NULL);
	ack.ref = durable_ref(&named, query->node, answer->arena);
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_WAIT_FOR_ACK;
	response.wait_for_ack = &ack;
	durable_send(query->stream, &response);
	outcome_know(course, entry, (const void *)answer->message, answer->arena);
	query_free(query);
	return true;
}

void
stride_wait(struct course *course, const Hatchet__DurableTaskWaitForRequest *request,
    struct arena *arena)
{
	const Hatchet__DurableEventListenerConditions *conditions = request->wait_for_conditions;
	struct ask_options options = {.answer = on_wait};
	struct named named = named_of(course);
	Froe__Envelope envelope;
	Froe__DurableStep step;
	struct froe_fault fault;
	const char *refused = step_refused(conditions);
	if (refused != NULL) {
		stride_refuse(course, course->cursor + 1, "wait_for_conditions", refused);
		return;
	}
	struct entry *entry = course_add(course, ++course->cursor, ENTRY_WAIT);
	size_t size = hatchet__durable_event_listener_conditions__get_packed_size(conditions);
	entry->kind = ENTRY_WAIT;
	buf_reset(&entry->conditions);
	hatchet__durable_event_listener_conditions__pack(
	    conditions, buf_reserve(&entry->conditions, size + 1));
	buf_commit(&entry->conditions, size);
	step_envelope(&envelope, &step, course->task, entry->node, FROE__NODE_KIND__NODE_WAIT,
	    arena);
	step_conditions(conditions, &step, arena);
	struct query *query = query_new(course->stream, &named, entry->node);
	if (!query_ask(query, &envelope, &options, arena, &fault))
		stride_fail(query, query->node, &fault);
}

/* ----------------------------------------------------------------------------------- runs */

static void
send_runs(const struct query *query, struct arena *arena)
{
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskEventTriggerRunsAckResponse ack =
	    HATCHET__DURABLE_TASK_EVENT_TRIGGER_RUNS_ACK_RESPONSE__INIT;
	Hatchet__DurableTaskRunAckEntry *rows =
	    arena_alloc(arena, (query->count + 1) * sizeof(*rows));
	ack.run_entries = arena_alloc(arena, (query->count + 1) * sizeof(*ack.run_entries));
	froe_assert(rows != NULL && ack.run_entries != NULL);
	for (uint32_t i = 0; i < query->count; i++) {
		hatchet__durable_task_run_ack_entry__init(&rows[i]);
		rows[i].has_node_id = rows[i].has_branch_id = true;
		rows[i].node_id = query->node + i;
		rows[i].branch_id = DURABLE_BRANCH;
		rows[i].workflow_run_external_id = text_uuid(arena, query->runs[i]);
		ack.run_entries[i] = &rows[i];
	}
	ack.n_run_entries = query->count;
	ack.durable_task_external_id = text_uuid(arena, query->said);
	ack.has_invocation_count = true;
	ack.invocation_count = (int32_t)query->invocation;
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_TRIGGER_RUNS_ACK;
	response.trigger_runs_ack = &ack;
	durable_send(query->stream, &response);
}

/* All have been answered: acknowledged first, then what has already come of them. */
static void
runs_end(struct query *query, struct arena *arena)
{
	struct froe_fault fault = query->fault;
	uint32_t good = 0;
	while (good < query->count && !uuid_is_nil(query->runs[good]))
		good++;
	if (good < query->count) {
		stride_fail(query, query->node + good, &fault);
		return;
	}
	struct course *course = query_course(query);
	send_runs(query, arena);
	query_free(query);
	if (course != NULL)
		outcome_pump(course);
}

/* A child's number says which it is. Faults come in their order: the first is the one that left the
 * gap that the others complain of. */
static bool
on_run(struct ask *ask, const struct answer *answer)
{
	struct query *query = ask->owner;
	const Froe__NodeDone *done = (const void *)answer->message;
	struct froe_fault fault;
	struct course *course = query_course(query);
	seat_credit(&query->stream->seat, answer->size);
	query->left--;
	if (answer_fault(answer, &fault)) {
		if (query->fault.code == FROE_OK)
			query->fault = fault;
	} else {
		uint32_t at = done->node - query->node;
		froe_assert(at < query->count && done->child.len == sizeof(struct uuid));
		memcpy(query->runs[at].bytes, done->child.data, sizeof(struct uuid));
		struct entry *entry = course != NULL ? course_entry(course, done->node) : NULL;
		if (entry != NULL)
			outcome_note(course, entry, done);
	}
	if (query->left == 0)
		runs_end(query, answer->arena);
	return true;
}

static bool
run_ask(struct query *query, struct course *course, Froe__RunStart *start, uint32_t node,
    struct arena *arena, struct froe_fault *fault)
{
	struct ask_options options = {.answer = on_run};
	Froe__Envelope envelope;
	Froe__DurableStep step;
	struct entry *entry = course_add(course, node, ENTRY_CHILD);
	entry->kind = ENTRY_CHILD;
	step_envelope(&envelope, &step, course->task, node, FROE__NODE_KIND__NODE_CHILD, arena);
	step.child = start;
	return query_ask(query, &envelope, &options, arena, fault);
}

/* Each as a run's start, without what the step's number says. False: refused, and told. */
static bool
runs_take(struct course *course, const Hatchet__DurableTaskTriggerRunsRequest *request,
    Froe__RunStart *starts, struct arena *arena)
{
	struct named named = named_of(course);
	struct froe_fault fault;
	for (size_t i = 0; i < request->n_trigger_opts; i++) {
		Hatchet__TriggerWorkflowRequest from = *request->trigger_opts[i];
		char within[40];
		from.parent_task_run_external_id = NULL;
		snprintf(within, sizeof(within), "trigger_opts[%zu].", i);
		if (run_take(&from, within, arena, &starts[i], &fault) == FROE_OK)
			continue;
		durable_fail(course->stream, &named, course->cursor + 1, &fault);
		return false;
	}
	return true;
}

void
stride_runs(struct course *course, const Hatchet__DurableTaskTriggerRunsRequest *request,
    struct arena *arena)
{
	size_t count = request->n_trigger_opts;
	struct named named = named_of(course);
	uint32_t node = course->cursor + 1;
	if (count == 0 || count > FROE_BULK_RUNS_MAX) {
		stride_refuse(course, node, "trigger_opts", "give 1 to 1000 runs at a time");
		return;
	}
	Froe__RunStart *starts = arena_alloc(arena, count * sizeof(*starts));
	froe_assert(starts != NULL);
	if (!runs_take(course, request, starts, arena))
		return;
	struct query *query = query_new(course->stream, &named, node);
	query->count = (uint32_t)count;
	query->runs = mem_zalloc(count * sizeof(*query->runs));
	course->cursor += (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		if (!run_ask(query, course, &starts[i], node + i, arena, &query->fault))
			break;
		query->left++;
	}
	if (query->left == 0)
		runs_end(query, arena);
}
