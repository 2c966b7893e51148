/*
 * api/rest_workflow: the tenant's workflows: all of them, one, and its versions.
 *
 * An id is made of the name (api/alias), so the name of an id is found by looking at all names.
 */
#define _GNU_SOURCE /* strcasestr */
#include "api/rest_view.h"

#include "api/rest_rows.h"
#include "api/wire.h"
#include "froe/limits.h"

#include <stdio.h>

#define VERSIONS_MAX 50u

static const char DROP[] = "DROP", QUEUE[] = "QUEUE";

static struct uuid
id_of(const struct rest_call *call, const char *name)
{
	return alias_workflow(call->rest->tenant, bytes_text(name));
}

static void
write_version_meta(struct sheet *sheet, struct uuid workflow, uint32_t version, uint64_t put_ns)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", version);
	view_meta(sheet, alias_version(workflow, version), put_ns, 0);
	sheet_put(sheet, "version", text);
	sheet_put_number(sheet, "order", version);
	sheet_put_uuid(sheet, "workflowId", workflow);
}

/* The newest `count` of them, from the newest on. When the one of the row was registered is known;
 * another one was after the first. */
static void
write_versions(struct sheet *sheet, struct uuid workflow, const Froe__WorkflowRow *row,
    uint32_t newest, uint32_t count)
{
	sheet_key(sheet, "versions");
	sheet_open(sheet, '[');
	for (uint32_t i = 0; i < count && i < newest; i++) {
		sheet_open(sheet, '{');
		write_version_meta(sheet, workflow, newest - i,
		    newest - i == row->version ? row->put_ns : row->created_ns);
		sheet_close(sheet, '}');
	}
	sheet_close(sheet, ']');
}

static void
write_head(struct rest_call *call, struct sheet *sheet, const Froe__WorkflowRow *row)
{
	view_meta(sheet, id_of(call, row->name), row->created_ns, row->put_ns);
	sheet_put(sheet, "name", row->name);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_bool(sheet, "isPaused", row->paused);
	if (!row->paused)
		return;
	sheet_put(sheet, "pausedWorkflowCronRunQueueBehavior", row->drops_cron ? DROP : QUEUE);
	sheet_put(sheet, "pausedWorkflowScheduledRunQueueBehavior",
	    row->drops_scheduled ? DROP : QUEUE);
}

/* ------------------------------------------------------------------------------ all of them */

struct listing {
	struct rest_rows rows;
	uint32_t after;
	struct bytes name;
};

static void list_ask(struct rest_call *call);

/* Small and large letters are the same: the SDKs write names in small ones. */
static bool
name_wanted(const struct listing *list, const char *name)
{
	return list->name.size == 0 ||
	    strcasestr(name, (const char *)list->name.data) != NULL;
}

static void
list_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct listing *list = call->state;
	const Froe__WorkflowPage *page = (const Froe__WorkflowPage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	for (size_t i = 0; i < page->n_rows; i++) {
		const Froe__WorkflowRow *row = page->rows[i];
		struct sheet *sheet = &list->rows.sheet;
		if (!name_wanted(list, row->name) || !rest_rows_take(&list->rows))
			continue;
		sheet_open(sheet, '{');
		write_head(call, sheet, row);
		write_versions(sheet, id_of(call, row->name), row, row->version, 1);
		sheet_close(sheet, '}');
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
	Froe__WorkflowList ask = FROE__WORKFLOW_LIST__INIT;
	ask.limit = FROE_LIST_MAX;
	ask.after = list->after;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKFLOW_LIST, &ask.base, list_heard, 0),
	    "refused is answered");
}

void
rest_workflows(struct rest_call *call)
{
	struct listing *list = call->state = rest_zalloc(call, sizeof(*list));
	FROE_DROP(rest_query_at(call, "name", 0, &list->name), "none is all");
	if (rest_rows_begin(call, &list->rows, REST_ROWS_DEFAULT))
		list_ask(call);
}

/* --------------------------------------------------------------------------------- one of them */

struct one {
	struct uuid id;
	struct bytes name;
	uint32_t after;
	uint32_t version; /* which is shown; 0: the newest */
	bool by_version;  /* the version alone is wanted */
	enum {
		ONE_SHOWN,
		ONE_PAUSED, /* or resumed: `pause` */
		ONE_DELETED,
	} act;
	Froe__WorkflowPause pause;
	bool has_wanted;
	struct uuid wanted; /* a version's id */
};

static void
write_timeout(struct sheet *sheet, uint64_t ms)
{
	char text[32];
	snprintf(text, sizeof(text), "%llums", (unsigned long long)ms);
	sheet_put(sheet, "timeout", text);
}

static bool
task_is_child(const Froe__TaskDefinition *task, const char *parent)
{
	for (size_t i = 0; i < task->n_parents; i++) {
		if (strcmp(task->parents[i], parent) == 0)
			return true;
	}
	return false;
}

static void
write_slots(struct sheet *sheet, const Froe__TaskDefinition *task)
{
	if (task->n_slots == 0)
		return;
	sheet_key(sheet, "slotRequests");
	sheet_open(sheet, '{');
	for (size_t i = 0; i < task->n_slots; i++)
		sheet_put_number(sheet, task->slots[i]->type, task->slots[i]->count);
	sheet_close(sheet, '}');
}

static void
write_step(struct rest_call *call, struct sheet *sheet, const Froe__WorkflowDefinition *workflow,
    const Froe__TaskDefinition *task, struct uuid version, uint64_t put_ns)
{
	struct buf action;
	uint64_t timeout_ms = task->execution_timeout_ms != 0 ? task->execution_timeout_ms
	                                                      : FROE_EXECUTION_TIMEOUT_MS;
	buf_init(&action);
	if (task->action != NULL && task->action[0] != 0)
		buf_push_text(&action, task->action);
	else
		buf_printf(&action, "%s:%s", workflow->name, task->name);
	sheet_open(sheet, '{');
	view_meta(sheet, alias_step(version, bytes_text(task->name)), put_ns, 0);
	sheet_put(sheet, "readableId", task->name);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_uuid(sheet, "jobId", alias_label(version, bytes_text("job")));
	sheet_key(sheet, "action");
	sheet_text(sheet, buf_bytes(&action));
	write_timeout(sheet, timeout_ms);
	sheet_put_bool(sheet, "isDurable", task->durable);
	write_slots(sheet, task);
	sheet_key(sheet, "parents");
	sheet_open(sheet, '[');
	for (size_t i = 0; i < task->n_parents; i++)
		sheet_uuid(sheet, alias_step(version, bytes_text(task->parents[i])));
	sheet_close(sheet, ']');
	sheet_key(sheet, "children");
	sheet_open(sheet, '[');
	for (size_t i = 0; i < workflow->n_tasks; i++) {
		if (task_is_child(workflow->tasks[i], task->name))
			sheet_uuid(
			    sheet, alias_step(version, bytes_text(workflow->tasks[i]->name)));
	}
	sheet_close(sheet, ']');
	sheet_close(sheet, '}');
	buf_release(&action);
}

static void
write_jobs(struct rest_call *call, struct sheet *sheet, const Froe__WorkflowDefinition *workflow,
    struct uuid version, uint64_t put_ns)
{
	sheet_key(sheet, "jobs");
	sheet_open(sheet, '[');
	sheet_open(sheet, '{');
	view_meta(sheet, alias_label(version, bytes_text("job")), put_ns, 0);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_uuid(sheet, "versionId", version);
	sheet_put(sheet, "name", workflow->name);
	sheet_key(sheet, "steps");
	sheet_open(sheet, '[');
	for (size_t i = 0; i < workflow->n_tasks; i++)
		write_step(call, sheet, workflow, workflow->tasks[i], version, put_ns);
	sheet_close(sheet, ']');
	sheet_close(sheet, '}');
	sheet_close(sheet, ']');
}

static void
write_workflow(struct rest_call *call, const Froe__WorkflowView *view,
    const Froe__WorkflowDefinition *workflow)
{
	struct sheet sheet = rest_sheet(call);
	struct uuid id = id_of(call, view->row->name);
	sheet_open(&sheet, '{');
	write_head(call, &sheet, view->row);
	write_versions(&sheet, id, view->row, view->newest, VERSIONS_MAX);
	write_jobs(call, &sheet, workflow, alias_version(id, view->row->version),
	    view->row->put_ns);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

static void
write_version(struct rest_call *call, const Froe__WorkflowView *view,
    const Froe__WorkflowDefinition *workflow)
{
	struct sheet sheet = rest_sheet(call);
	struct uuid id = id_of(call, view->row->name);
	sheet_open(&sheet, '{');
	write_version_meta(&sheet, id, view->row->version, view->row->put_ns);
	sheet_put_number(
	    &sheet, "defaultPriority", workflow->priority != 0 ? workflow->priority : 1);
	sheet_key(&sheet, "workflow");
	sheet_open(&sheet, '{');
	write_head(call, &sheet, view->row);
	sheet_close(&sheet, '}');
	write_jobs(call, &sheet, workflow, alias_version(id, view->row->version),
	    view->row->put_ns);
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

static void
one_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct one *one = call->state;
	const Froe__WorkflowView *view = (const Froe__WorkflowView *)reply->message;
	struct arena arena;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const ProtobufCMessage *workflow = wire_unpack(&froe__workflow_definition__descriptor,
	    bytes_of(view->definition.data, view->definition.len), &arena);
	if (workflow == NULL)
		rest_fail(call, 500, NULL, "the workflow's definition cannot be read");
	else if (one->by_version)
		write_version(call, view, (const Froe__WorkflowDefinition *)workflow);
	else
		write_workflow(call, view, (const Froe__WorkflowDefinition *)workflow);
	arena_release(&arena);
}

static void
one_get(struct rest_call *call)
{
	const struct one *one = call->state;
	Froe__WorkflowGet get = FROE__WORKFLOW_GET__INIT;
	get.workflow = (char *)(uintptr_t)one->name.data;
	get.version = one->version;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKFLOW_GET, &get.base, one_heard, 0),
	    "refused is answered");
}

/* The number of a version's id; 0: it is no version of this workflow. */
static uint32_t
version_find(const struct one *one, uint32_t newest)
{
	for (uint32_t version = newest; version > 0; version--) {
		if (uuid_equal(alias_version(one->id, version), one->wanted))
			return version;
	}
	return 0;
}

static void one_ask(struct rest_call *call);

static void
deleted_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	(void)tag;
	if (rest_failed(call, reply))
		return;
	struct sheet sheet = rest_sheet(call);
	sheet_raw(&sheet, bytes_text("{}"));
	rest_finish(call, 200); /* of 204 the SDK for Go makes an error */
}

static void
paused_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	(void)tag;
	if (!rest_failed(call, reply))
		one_get(call);
}

/* Its name is known: what is to be done? */
static void
one_act(struct rest_call *call)
{
	static char reason[] = "over REST";
	struct one *one = call->state;
	char *name = (char *)(uintptr_t)one->name.data;
	Froe__WorkflowDelete deletion = FROE__WORKFLOW_DELETE__INIT;
	one->pause.workflow = deletion.workflow = name;
	one->pause.reason = deletion.reason = reason;
	if (one->act == ONE_PAUSED)
		FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKFLOW_PAUSE, &one->pause.base,
		    paused_heard, 0), "refused is answered");
	else if (one->act == ONE_DELETED)
		FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKFLOW_DELETE, &deletion.base,
		    deleted_heard, 0), "refused is answered");
	else
		one_get(call);
}

static void
names_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct one *one = call->state;
	const Froe__WorkflowPage *page = (const Froe__WorkflowPage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	for (size_t i = 0; i < page->n_rows && one->name.size == 0; i++) {
		if (!uuid_equal(id_of(call, page->rows[i]->name), one->id))
			continue;
		one->name = rest_keep(call, bytes_text(page->rows[i]->name));
		if (one->has_wanted)
			one->version = version_find(one, page->rows[i]->version);
	}
	one->after = page->next;
	if (one->name.size > 0 && one->has_wanted && one->version == 0)
		rest_fail(call, 404, "version", "the workflow has no version with this id");
	else if (one->name.size > 0)
		one_act(call);
	else if (page->next != 0)
		one_ask(call);
	else
		rest_fail(call, 404, "workflow", "no workflow of the tenant has this id");
}

static void
one_ask(struct rest_call *call)
{
	const struct one *one = call->state;
	Froe__WorkflowList ask = FROE__WORKFLOW_LIST__INIT;
	ask.limit = FROE_LIST_MAX;
	ask.after = one->after;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKFLOW_LIST, &ask.base, names_heard, 0),
	    "refused is answered");
}

void
rest_workflow(struct rest_call *call)
{
	struct one *one = call->state = rest_zalloc(call, sizeof(*one));
	froe__workflow_pause__init(&one->pause);
	if (rest_param_uuid(call, 0, "workflow", &one->id))
		one_ask(call);
}

void
rest_workflow_version(struct rest_call *call)
{
	struct one *one = call->state = rest_zalloc(call, sizeof(*one));
	one->by_version = true;
	froe__workflow_pause__init(&one->pause);
	if (rest_param_uuid(call, 0, "workflow", &one->id) &&
	    rest_query_uuid(call, "version", &one->wanted, &one->has_wanted))
		one_ask(call);
}

/* ------------------------------------------------------------------------------- changing it */

/* QUEUE or DROP; absent: QUEUE. */
static bool
take_behaviour(struct rest_call *call, const json_t *pause, const char *name,
    protobuf_c_boolean *to)
{
	const json_t *value = json_object_get(pause, name);
	const char *text = json_string_value(value);
	*to = text != NULL && strcmp(text, DROP) == 0;
	if (value == NULL || json_is_null(value) || *to ||
	    (text != NULL && strcmp(text, QUEUE) == 0))
		return true;
	rest_fail(call, 400, name, "%s is QUEUE or DROP", name);
	return false;
}

/* {"action": "pause" or "unpause", ...} */
static bool
take_pause(struct rest_call *call, const json_t *from, struct one *one)
{
	const char *action = json_string_value(json_object_get(from, "action"));
	Froe__WorkflowPause *pause = &one->pause;
	pause->has_resume = true;
	pause->resume = action != NULL && strcmp(action, "unpause") == 0;
	if (!pause->resume && (action == NULL || strcmp(action, "pause") != 0)) {
		rest_fail(call, 400, "pause.action", "the action is pause or unpause");
		return false;
	}
	one->act = ONE_PAUSED;
	pause->has_drops_cron = pause->has_drops_scheduled = !pause->resume;
	return pause->resume ||
	    (take_behaviour(call, from, "pausedWorkflowCronRunQueueBehavior",
	         &pause->drops_cron) &&
	        take_behaviour(call, from, "pausedWorkflowScheduledRunQueueBehavior",
	            &pause->drops_scheduled));
}

void
rest_workflow_patch(struct rest_call *call)
{
	struct one *one = call->state = rest_zalloc(call, sizeof(*one));
	froe__workflow_pause__init(&one->pause);
	if (!rest_param_uuid(call, 0, "workflow", &one->id) || !rest_body(call))
		return;
	const json_t *pause = json_object_get(call->json, "pause");
	if (pause == NULL || json_is_null(pause) || take_pause(call, pause, one))
		one_ask(call);
}

void
rest_workflow_delete(struct rest_call *call)
{
	struct one *one = call->state = rest_zalloc(call, sizeof(*one));
	froe__workflow_pause__init(&one->pause);
	one->act = ONE_DELETED;
	if (rest_param_uuid(call, 0, "workflow", &one->id))
		one_ask(call);
}
