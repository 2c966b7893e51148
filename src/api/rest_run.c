/*
 * api/rest_run: one run, or one task of it: everything is in the RunView.
 */
#include "api/rest_view.h"

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
