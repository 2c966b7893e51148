/*
 * api/rest_run: one run, or one task of it: everything is in the RunView.
 */
#include "api/rest_rows.h"
#include "api/rest_view.h"

#define EVENT_LIMIT_DEFAULT 1000u

/* What to make of the view that comes. */
struct run_ask {
	struct uuid run;
	uint32_t index;
	bool is_run; /* the id was the run's own */
	void (*write)(struct rest_call *call, const Froe__RunView *view);
};

static void
run_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	const struct run_ask *ask = call->state;
	(void)tag;
	if (!rest_failed(call, reply))
		ask->write(call, (const Froe__RunView *)reply->message);
}

static void
run_ask(struct rest_call *call, const char *name, bool payloads,
    void (*write)(struct rest_call *call, const Froe__RunView *view))
{
	struct run_ask *ask = call->state = rest_zalloc(call, sizeof(*ask));
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct uuid id;
	if (!rest_param_uuid(call, 0, name, &id))
		return;
	ask->write = write;
	ask->run = alias_run(id, &ask->index, &ask->is_run);
	get.has_run = get.has_payloads = true;
	get.run = (ProtobufCBinaryData){sizeof(ask->run.bytes), ask->run.bytes};
	get.payloads = payloads;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RUN_GET, &get.base, run_heard, 0),
	    "refused is answered");
}

static void
write_details(struct rest_call *call, const Froe__RunView *view)
{
	struct sheet sheet = rest_sheet(call);
	view_details(call, &sheet, view);
	rest_finish(call, 200);
}

void
rest_run(struct rest_call *call)
{
	run_ask(call, "v1-workflow-run", /* payloads= */ true, write_details);
}

static void
write_run_status(struct rest_call *call, const Froe__RunView *view)
{
	struct sheet sheet = rest_sheet(call);
	const char *status = alias_status((enum eng_status)view->status);
	sheet_text(&sheet, bytes_text(status));
	rest_finish(call, 200);
}

void
rest_run_status(struct rest_call *call)
{
	run_ask(call, "v1-workflow-run", /* payloads= */ false, write_run_status);
}

static void
write_shape(struct rest_call *call, const Froe__RunView *view)
{
	struct sheet sheet = rest_sheet(call);
	view_shape_run(call, &sheet, view);
	rest_finish(call, 200);
}

void
rest_run_shape(struct rest_call *call)
{
	run_ask(call, "workflow-run", /* payloads= */ true, write_shape);
}

static void
write_timings(struct rest_call *call, const Froe__RunView *view)
{
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_key(&sheet, "pagination");
	rest_write_pages(&sheet, 1, 0, 1);
	sheet_key(&sheet, "rows");
	sheet_open(&sheet, '[');
	view_timings(call, &sheet, view);
	sheet_close(&sheet, ']');
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

void
rest_run_timings(struct rest_call *call)
{
	run_ask(call, "v1-workflow-run", /* payloads= */ false, write_timings);
}

/* A run's own id is its only task's; of a run with several tasks it is none. */
static bool
task_of(struct rest_call *call, const Froe__RunView *view)
{
	const struct run_ask *ask = call->state;
	if (ask->index < view->n_tasks && (!ask->is_run || view->n_tasks == 1))
		return true;
	rest_fail(call, 404, "task", "no task of the tenant has this id");
	return false;
}

static void
write_task(struct rest_call *call, const Froe__RunView *view)
{
	const struct run_ask *ask = call->state;
	if (!task_of(call, view))
		return;
	struct sheet sheet = rest_sheet(call);
	view_task(call, &sheet, view, ask->index, /* payloads= */ true);
	rest_finish(call, 200);
}

void
rest_task(struct rest_call *call)
{
	run_ask(call, "task", /* payloads= */ true, write_task);
}

/* ------------------------------------------------------------------------------------ events */

static void
write_events_of(struct rest_call *call, const Froe__RunView *view, uint32_t index)
{
	struct rest_rows rows;
	if (!rest_rows_begin(call, &rows, EVENT_LIMIT_DEFAULT))
		return;
	view_events(call, &rows, view, index);
	rest_rows_end(call, &rows);
}

static void
write_run_events(struct rest_call *call, const Froe__RunView *view)
{
	write_events_of(call, view, VIEW_ALL_TASKS);
}

static void
write_task_events(struct rest_call *call, const Froe__RunView *view)
{
	const struct run_ask *ask = call->state;
	if (task_of(call, view))
		write_events_of(call, view, ask->index);
}

void
rest_run_events(struct rest_call *call)
{
	run_ask(call, "v1-workflow-run", /* payloads= */ false, write_run_events);
}

void
rest_task_events(struct rest_call *call)
{
	run_ask(call, "task", /* payloads= */ false, write_task_events);
}

/* -------------------------------------------------------------------------------------- logs */

#define LOG_LIMIT_DEFAULT 1000u
#define LOG_LIMIT_MAX 10000u

struct log_query {
	struct run_ask ask; /* first: it is the call's state */
	uint64_t limit;
	uint64_t since_ns;
	uint64_t until_ns;  /* 0: no bound */
	uint64_t attempt;   /* 0: all */
	bool newest_first;
	bool other_levels;  /* none is wanted that lines have here */
	struct bytes search;
};

static bool
line_wanted(const struct log_query *query, const Froe__TaskView *task, size_t line)
{
	uint64_t time_ns = line < task->n_log_ns ? task->log_ns[line] : 0;
	uint32_t attempt = line < task->n_log_attempts ? task->log_attempts[line] : 0;
	if (time_ns < query->since_ns || (query->until_ns != 0 && time_ns >= query->until_ns))
		return false;
	if (query->attempt != 0 && attempt != query->attempt)
		return false;
	return query->search.size == 0 ||
	    strstr(task->log[line], (const char *)query->search.data) != NULL;
}

static void
write_line(struct sheet *sheet, const struct uuid *id, const Froe__TaskView *task, size_t line)
{
	uint32_t attempt = line < task->n_log_attempts ? task->log_attempts[line] : 1;
	sheet_open(sheet, '{');
	sheet_key(sheet, "createdAt");
	sheet_time(sheet, line < task->n_log_ns ? task->log_ns[line] : 0);
	sheet_put(sheet, "message", task->log[line]);
	sheet_put_object(sheet, "metadata", bytes_of(NULL, 0));
	sheet_put_uuid(sheet, "taskExternalId", *id);
	sheet_put(sheet, "taskDisplayName", task->name);
	sheet_put_number(sheet, "retryCount", attempt > 0 ? attempt - 1 : 0);
	sheet_put_number(sheet, "attempt", attempt);
	sheet_put(sheet, "level", "INFO");
	sheet_close(sheet, '}');
}

static void
write_logs(struct rest_call *call, const Froe__RunView *view)
{
	const struct log_query *query = call->state;
	struct uuid id = alias_task(query->ask.run, query->ask.index, (uint32_t)view->n_tasks);
	if (!task_of(call, view))
		return;
	const Froe__TaskView *task = view->tasks[query->ask.index];
	struct sheet sheet = rest_sheet(call);
	uint64_t count = 0;
	sheet_open(&sheet, '{');
	sheet_key(&sheet, "rows");
	sheet_open(&sheet, '[');
	for (size_t i = 0; i < task->n_log && count < query->limit; i++) {
		size_t line = query->newest_first ? task->n_log - 1 - i : i;
		if (query->other_levels || !line_wanted(query, task, line))
			continue;
		write_line(&sheet, &id, task, line);
		count++;
	}
	sheet_close(&sheet, ']');
	sheet_key(&sheet, "pagination");
	rest_write_pages(&sheet, 1, 0, 1);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

/* Lines have no level here: each is INFO. */
static bool
query_levels(struct rest_call *call, struct log_query *query)
{
	static const char *const LEVELS[] = {"DEBUG", "INFO", "WARN", "ERROR"};
	struct bytes level;
	for (uint32_t i = 0; rest_query_at(call, "levels", i, &level); i++) {
		bool known = false;
		for (size_t j = 0; j < 4; j++)
			known |= bytes_equal(level, bytes_text(LEVELS[j]));
		if (!known) {
			rest_fail(call, 400, "levels", "a level is DEBUG, INFO, WARN or ERROR");
			return false;
		}
		query->other_levels = i == 0 || query->other_levels;
		if (bytes_equal(level, bytes_text("INFO"))) {
			query->other_levels = false;
			return true;
		}
	}
	return true;
}

static bool
query_order(struct rest_call *call, struct log_query *query)
{
	struct bytes order;
	if (!rest_query_at(call, "order_by_direction", 0, &order))
		return true;
	query->newest_first = bytes_equal(order, bytes_text("DESC"));
	if (query->newest_first || bytes_equal(order, bytes_text("ASC")))
		return true;
	rest_fail(call, 400, "order_by_direction", "it is ASC or DESC");
	return false;
}

void
rest_task_logs(struct rest_call *call)
{
	struct log_query query = {.limit = LOG_LIMIT_DEFAULT};
	FROE_DROP(rest_query_at(call, "search", 0, &query.search), "none is empty");
	if (!rest_query_number(call, "limit", LOG_LIMIT_MAX, &query.limit) ||
	    !rest_query_number(call, "attempt", UINT32_MAX, &query.attempt) ||
	    !rest_query_time(call, "since", &query.since_ns) ||
	    !rest_query_time(call, "until", &query.until_ns) || !query_levels(call, &query) ||
	    !query_order(call, &query))
		return;
	run_ask(call, "task", /* payloads= */ false, write_logs);
	if (call->done)
		return;
	struct log_query *kept = rest_zalloc(call, sizeof(*kept));
	*kept = query;
	kept->ask = *(const struct run_ask *)call->state;
	call->state = kept;
}
