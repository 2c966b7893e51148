/*
 * api/rest_worker: the tenant's workers: all of them, one, and its pause.
 */
#include "api/rest_view.h"

#include "api/rest_rows.h"
#include "froe/limits.h"

static const char *
worker_status(const Froe__WorkerView *worker)
{
	const char *state = worker->state != NULL ? worker->state : "";
	if (strcmp(state, "serving") == 0)
		return "ACTIVE";
	return strcmp(state, "paused") == 0 || strcmp(state, "draining") == 0 ? "PAUSED"
	                                                                      : "INACTIVE";
}

static void
write_slots(struct sheet *sheet, const Froe__WorkerView *worker)
{
	sheet_key(sheet, "slotConfig");
	sheet_open(sheet, '{');
	for (size_t i = 0; i < worker->n_slots; i++) {
		const Froe__WorkerSlots *slots = worker->slots[i];
		uint32_t used = slots->used < slots->count ? slots->used : slots->count;
		sheet_key(sheet, slots->type);
		sheet_open(sheet, '{');
		sheet_put_number(sheet, "available", slots->count - used);
		sheet_put_number(sheet, "limit", slots->count);
		sheet_close(sheet, '}');
	}
	sheet_close(sheet, '}');
}

static void
write_held(struct sheet *sheet, const Froe__WorkerView *worker)
{
	sheet_key(sheet, "recentStepRuns");
	sheet_open(sheet, '[');
	for (size_t i = 0; i < worker->n_held; i++) {
		const Froe__WorkerLease *held = worker->held[i];
		struct uuid task = {0};
		uint32_t index;
		bool is_run;
		if (held->task.len == 16)
			memcpy(task.bytes, held->task.data, 16);
		sheet_open(sheet, '{');
		view_meta(sheet, task, worker->registered_ns, 0);
		sheet_put(sheet, "actionId", held->name);
		sheet_put(sheet, "status", "RUNNING");
		sheet_put_uuid(sheet, "workflowRunId", alias_run(task, &index, &is_run));
		sheet_close(sheet, '}');
	}
	sheet_close(sheet, ']');
}

static void
write_worker(struct sheet *sheet, const Froe__WorkerView *worker)
{
	struct uuid id = {0};
	if (worker->id.len == 16)
		memcpy(id.bytes, worker->id.data, 16);
	sheet_open(sheet, '{');
	view_meta(sheet, id, worker->registered_ns, worker->seen_ns);
	sheet_put(sheet, "name", worker->name);
	sheet_put(sheet, "type", "SELFHOSTED");
	sheet_put(sheet, "status", worker_status(worker));
	sheet_put_time(sheet, "lastHeartbeatAt", worker->seen_ns);
	sheet_put_time(sheet, "lastListenerEstablished", worker->registered_ns);
	write_slots(sheet, worker);
	sheet_key(sheet, "labels");
	sheet_open(sheet, '[');
	sheet_close(sheet, ']');
	if (worker->n_actions > 0) {
		sheet_key(sheet, "actions");
		sheet_open(sheet, '[');
		for (size_t i = 0; i < worker->n_actions; i++)
			sheet_text(sheet, bytes_text(worker->actions[i]));
		sheet_close(sheet, ']');
	}
	write_held(sheet, worker);
	sheet_close(sheet, '}');
}

/* ----------------------------------------------------------------------------- all of them */

struct listing {
	struct rest_rows rows;
	uint64_t after;
};

static void list_ask(struct rest_call *call);

static bool
worker_wanted(const struct rest_call *call, const Froe__WorkerView *worker)
{
	struct bytes status;
	uint32_t i = 0;
	for (; rest_query_at(call, "statuses", i, &status); i++) {
		if (bytes_equal(status, bytes_text(worker_status(worker))))
			return true;
	}
	return i == 0;
}

static void
list_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct listing *list = call->state;
	const Froe__WorkerPage *page = (const Froe__WorkerPage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	for (size_t i = 0; i < page->n_rows; i++) {
		if (worker_wanted(call, page->rows[i]) && rest_rows_take(&list->rows))
			write_worker(&list->rows.sheet, page->rows[i]);
	}
	list->after = page->next;
	if (page->next == 0)
		rest_rows_end(call, &list->rows);
	else
		list_ask(call);
}

static void
list_ask(struct rest_call *call)
{
	const struct listing *list = call->state;
	Froe__WorkerList ask = FROE__WORKER_LIST__INIT;
	ask.limit = FROE_LIST_MAX;
	ask.after = list->after;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKER_LIST, &ask.base, list_heard, 0),
	    "refused is answered");
}

void
rest_workers(struct rest_call *call)
{
	struct listing *list = call->state = rest_zalloc(call, sizeof(*list));
	if (rest_rows_begin(call, &list->rows, REST_ROWS_DEFAULT))
		list_ask(call);
}

/* --------------------------------------------------------------------------------------- one */

static void
worker_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	(void)tag;
	if (rest_failed(call, reply))
		return;
	struct sheet sheet = rest_sheet(call);
	write_worker(&sheet, (const Froe__WorkerView *)reply->message);
	rest_finish(call, 200);
}

static void
worker_ask(struct rest_call *call)
{
	struct uuid *id = call->state;
	Froe__WorkerGet get = FROE__WORKER_GET__INIT;
	get.has_id = true;
	get.id = (ProtobufCBinaryData){16, id->bytes};
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKER_GET, &get.base, worker_heard, 0),
	    "refused is answered");
}

void
rest_worker(struct rest_call *call)
{
	struct uuid *id = call->state = rest_zalloc(call, sizeof(*id));
	if (rest_param_uuid(call, 0, "worker", id))
		worker_ask(call);
}

static void
paused_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	(void)tag;
	if (!rest_failed(call, reply))
		worker_ask(call);
}

void
rest_worker_patch(struct rest_call *call)
{
	static char reason[] = "over REST";
	struct uuid *id = call->state = rest_zalloc(call, sizeof(*id));
	Froe__WorkerPause pause = FROE__WORKER_PAUSE__INIT;
	if (!rest_param_uuid(call, 0, "worker", id) || !rest_body(call))
		return;
	const json_t *paused = json_object_get(call->json, "isPaused");
	if (paused == NULL || json_is_null(paused)) {
		worker_ask(call); /* nothing is to be changed */
		return;
	}
	if (!json_is_boolean(paused)) {
		rest_fail(call, 400, "isPaused", "isPaused is not true or false");
		return;
	}
	pause.has_id = pause.has_resume = true;
	pause.id = (ProtobufCBinaryData){16, id->bytes};
	pause.resume = !json_is_true(paused);
	pause.reason = reason;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKER_PAUSE, &pause.base, paused_heard, 0),
	    "refused is answered");
}
