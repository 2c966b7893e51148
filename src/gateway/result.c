/*
 * gateway/result: SubscribeToWorkflowRuns, how every client waits for the ends of its runs.
 *
 * For each run that is named: watched. The end of a run of one task that completed says all that a
 * WorkflowRunEvent does; of any other the view is asked for, a few at a time while the stream has
 * room.
 */
#include "gateway/method.h"

#include "api/wire.h"
#include "base/mem.h"
#include "gateway/parcel.h"
#include "gateway/text.h"

#define READING_MAX 16u
/* More is left out: clients of TypeScript then ask for the run by REST. */
#define RESULTS_BYTES_MAX ((size_t)3 << 20)
#define SKIPPED "{\"skipped\":true}"

struct results {
	struct seat seat; /* first */
	struct gateway *gateway;
	struct grpc_call *grpc; /* NULL: gone */
	struct list all;        /* struct wanted */
	struct list wanted;     /* of them: until the seat is open */
	struct list ended;      /* of them: their views are to be asked for */
	struct list parcels;    /* struct parcel, that wait for room */
	uint32_t reading;
	uint32_t watched;
	bool seated;
	bool halved;
};

/* A run that is waited for. */
struct wanted {
	struct list all;
	struct list link;
	struct results *results;
	struct uuid run;
	uint64_t time_ns;
};

static void results_pump(struct results *results);

static void
results_free(struct results *results)
{
	struct list *node;
	while ((node = list_pop(&results->all)) != NULL)
		mem_free(container_of(node, struct wanted, all));
	parcels_free(&results->parcels);
	mem_free(results);
}

static void
wanted_free(struct wanted *wanted)
{
	list_remove(&wanted->all);
	list_remove(&wanted->link);
	mem_free(wanted);
}

static void
on_gone(struct seat *seat)
{
	struct results *results = (struct results *)(void *)seat;
	results->seated = false;
	if (results->grpc == NULL)
		results_free(results);
}

/* --------------------------------------------------------------------------------- events */

static void
results_send(struct results *results, Hatchet__WorkflowRunEvent *event)
{
	if (hatchet__workflow_run_event__get_packed_size(event) > RESULTS_BYTES_MAX)
		event->n_results = 0;
	parcel_push(&results->parcels, &event->base, 0);
	results->watched--;
	results_pump(results);
}

static void
event_init(Hatchet__WorkflowRunEvent *event, const struct wanted *wanted, size_t count,
    struct arena *arena)
{
	hatchet__workflow_run_event__init(event);
	event->workflow_run_id = text_uuid(arena, wanted->run);
	event->has_event_type = true;
	event->event_type = HATCHET__WORKFLOW_RUN_EVENT_TYPE__FINISHED;
	event->event_timestamp = text_time(arena, wanted->time_ns);
	event->results = arena_alloc(arena, (count + 1) * sizeof(*event->results));
	froe_assert(event->results != NULL);
}

/* A stream for many runs cannot end because of one: its waiting fails. */
static void
send_error(struct results *results, const struct wanted *wanted, const char *text,
    struct arena *arena)
{
	Hatchet__WorkflowRunEvent event;
	Hatchet__StepRunResult result;
	event_init(&event, wanted, 1, arena);
	hatchet__step_run_result__init(&result);
	result.task_run_external_id = event.workflow_run_id;
	result.job_run_id = event.workflow_run_id;
	result.task_name = text_copy(arena, bytes_text(""));
	result.error = text_copy(arena, bytes_text(text));
	event.results[event.n_results++] = &result;
	results_send(results, &event);
}

/* The on-failure task of a run that did not fail: no other root is ever skipped. */
static bool
task_unneeded(const Froe__TaskView *task)
{
	return task->skipped && task->n_parents == 0;
}

static void
result_fill(const Froe__RunView *view, const Froe__TaskView *task, Hatchet__StepRunResult *result,
    struct arena *arena)
{
	struct uuid run, id;
	hatchet__step_run_result__init(result);
	memcpy(run.bytes, view->run.data, sizeof(run.bytes));
	memcpy(id.bytes, task->id.data, sizeof(id.bytes));
	result->job_run_id = text_uuid(arena, run);
	result->task_run_external_id = text_uuid(arena, id);
	result->task_name = task->name;
	if (task->skipped)
		result->output = text_copy(arena, bytes_text(SKIPPED));
	else if (task->status == FROE__RUN_STATUS__COMPLETED)
		result->output =
		    text_copy(arena, bytes_of(task->output.data, task->output.len));
	else if (task->status == FROE__RUN_STATUS__FAILED)
		result->error = text_given(task->error)
		    ? task->error
		    : text_copy(arena, bytes_text("the task failed"));
	else
		result->error = text_copy(arena, bytes_text("task was cancelled"));
	if (task->status == FROE__RUN_STATUS__CANCELLED)
		result->cancellation_reason = view->reason;
}

static bool
on_view(struct ask *ask, const struct answer *answer)
{
	struct wanted *wanted = ask->owner;
	struct results *results = wanted->results;
	Hatchet__WorkflowRunEvent event;
	struct froe_fault fault;
	results->reading--;
	if (results->grpc == NULL) {
		wanted_free(wanted);
		return true;
	}
	if (answer_fault(answer, &fault) && fault.code != FROE_TOO_LARGE) {
		send_error(results, wanted, fault.text, answer->arena);
	} else if (fault.code == FROE_TOO_LARGE && answer->number == FROE__ENVELOPE__BODY_ERROR) {
		event_init(&event, wanted, 0, answer->arena);
		results_send(results, &event);
	} else {
		const Froe__RunView *view = (const void *)answer->message;
		event_init(&event, wanted, view->n_tasks, answer->arena);
		Hatchet__StepRunResult *rows =
		    arena_alloc(answer->arena, (view->n_tasks + 1) * sizeof(*rows));
		froe_assert(rows != NULL);
		for (size_t i = 0; i < view->n_tasks; i++) {
			if (task_unneeded(view->tasks[i]))
				continue;
			result_fill(view, view->tasks[i], &rows[i], answer->arena);
			event.results[event.n_results++] = &rows[i];
		}
		results_send(results, &event);
	}
	wanted_free(wanted);
	return true;
}

static void
ask_view(struct results *results, struct wanted *wanted)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct ask_options options = {.answer = on_view, .owner = wanted, .trusted = true};
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, 0);
	get.has_run = get.has_payloads = get.payloads = true;
	get.run = text_id_bytes(&arena, wanted->run);
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_GET;
	envelope.run_get = &get;
	results->reading++;
	enum froe_err err = seat_ask(&results->seat, &envelope, &options, &arena, NULL, &fault);
	froe_assert(err == FROE_OK); /* the id was good when it was watched */
	arena_release(&arena);
}

static void
results_pump(struct results *results)
{
	struct list *node;
	if (results->grpc == NULL || !results->seated || results->seat.state != SEAT_OPEN)
		return;
	parcels_send(&results->parcels, results->grpc);
	if (!list_empty(&results->parcels))
		return;
	while (results->reading < READING_MAX && (node = list_pop(&results->ended)) != NULL)
		ask_view(results, container_of(node, struct wanted, link));
	if (results->halved && results->watched == 0)
		grpc_finish(results->grpc, GRPC_OK, NULL, bytes_of(NULL, 0));
}

/* ------------------------------------------------------------------------------- watching */

/* Most runs are of one task. False: its view has to be asked for. */
static bool
send_only(struct results *results, const struct wanted *wanted, const Froe__RunEvent *end,
    struct arena *arena)
{
	Hatchet__WorkflowRunEvent event;
	Hatchet__StepRunResult result;
	if (end->status != FROE__RUN_STATUS__COMPLETED || end->task == NULL || !end->has_result)
		return false;
	event_init(&event, wanted, 1, arena);
	hatchet__step_run_result__init(&result);
	result.job_run_id = event.workflow_run_id;
	result.task_run_external_id = text_uuid(arena, uuid_task(wanted->run, 0));
	result.task_name = end->task;
	result.output = text_copy(arena, bytes_of(end->result.data, end->result.len));
	event.results[event.n_results++] = &result;
	results_send(results, &event);
	return true;
}

static bool
on_event(struct ask *ask, const struct answer *answer)
{
	struct wanted *wanted = ask->owner;
	struct results *results = wanted->results;
	const Froe__RunEvent *event = (const void *)answer->message;
	struct froe_fault fault;
	if (answer_fault(answer, &fault)) {
		send_error(results, wanted, fault.text, answer->arena);
		wanted_free(wanted);
		return true;
	}
	seat_credit(&results->seat, answer->size);
	if (!event->final)
		return false;
	wanted->time_ns = event->time_ns;
	if (results->grpc != NULL && send_only(results, wanted, event, answer->arena)) {
		wanted_free(wanted);
		return true;
	}
	list_push(&results->ended, &wanted->link);
	results_pump(results);
	return true;
}

static void
watch(struct results *results, struct wanted *wanted)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunWatch run = FROE__RUN_WATCH__INIT;
	struct ask_options options = {.answer = on_event, .owner = wanted};
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, 0);
	run.has_run = run.has_named = run.named = true;
	run.run = text_id_bytes(&arena, wanted->run);
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_WATCH;
	envelope.run_watch = &run;
	if (seat_ask(&results->seat, &envelope, &options, &arena, NULL, &fault) != FROE_OK) {
		send_error(results, wanted, fault.text, &arena);
		wanted_free(wanted);
	}
	arena_release(&arena);
}

static void
on_opened(struct seat *seat)
{
	struct results *results = (struct results *)(void *)seat;
	struct list *node;
	if (seat->state == SEAT_REFUSED) {
		stream_fail(results->grpc, &seat->fault);
		seat_close(seat);
		return;
	}
	if (results->grpc != NULL)
		grpc_api_know(grpc_api_of(results->grpc));
	while ((node = list_pop(&results->wanted)) != NULL)
		watch(results, container_of(node, struct wanted, link));
}

/* --------------------------------------------------------------------------------- stream */

void
results_open(struct grpc_call *grpc)
{
	struct results *results = mem_zalloc(sizeof(*results));
	results->gateway = gateway_of(grpc);
	results->grpc = grpc;
	list_init(&results->all);
	list_init(&results->wanted);
	list_init(&results->ended);
	list_init(&results->parcels);
	results->seat.opened = on_opened;
	results->seat.gone = on_gone;
	grpc_call_set_context(grpc, results);
	results->seated = seat_open(&results->seat, &results->gateway->seats, session_token(grpc),
	    grpc_api_peer(grpc_api_of(grpc)));
	if (results->seated)
		grpc_begin(grpc);
	else
		stream_full(grpc);
}

/* False: it is no run's id. A task's id stands for its run. */
static bool
take_run(struct bytes message, struct uuid *ret_run)
{
	uint32_t number;
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const Hatchet__SubscribeToWorkflowRunsRequest *request = (const void *)wire_unpack(
	    &hatchet__subscribe_to_workflow_runs_request__descriptor, message, &arena);
	bool good = request != NULL && text_id(request->workflow_run_id, ret_run) &&
	    !uuid_is_nil(*ret_run);
	arena_release(&arena);
	*ret_run = uuid_run_of(*ret_run, &number);
	return good;
}

enum grpc_taken
results_message(struct grpc_call *grpc, struct bytes message)
{
	struct results *results = grpc_call_context(grpc);
	struct wanted *wanted = mem_zalloc(sizeof(*wanted));
	wanted->results = results;
	list_push(&results->all, &wanted->all);
	if (!results->seated || results->seat.state > SEAT_OPEN) {
		wanted_free(wanted);
	} else if (!take_run(message, &wanted->run)) {
		wanted_free(wanted);
		grpc_finish(grpc, GRPC_INVALID_ARGUMENT, "workflow_run_id is not a UUID",
		    bytes_of(NULL, 0));
	} else {
		results->watched++;
		if (results->seat.state == SEAT_OPENING)
			list_push(&results->wanted, &wanted->link);
		else
			watch(results, wanted);
	}
	return GRPC_TAKEN;
}

void
results_half_close(struct grpc_call *grpc)
{
	struct results *results = grpc_call_context(grpc);
	results->halved = true;
	results_pump(results);
}

void
results_writable(struct grpc_call *grpc)
{
	results_pump(grpc_call_context(grpc));
}

void
results_end(struct grpc_call *grpc, enum grpc_end end)
{
	struct results *results = grpc_call_context(grpc);
	(void)end;
	results->grpc = NULL;
	if (results->seated)
		seat_close(&results->seat);
	else
		results_free(results);
}
