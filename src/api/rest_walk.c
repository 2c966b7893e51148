/*
 * 1. Ids of workflows are made of names and nothing else, so the names are found by looking at the
 *    tenant's workflows; the worker's name by its id.
 * 2. A page of the index after the other. The index judges all that it can; what it cannot (several
 *    workflows, one task as the parent, one of several pairs of metadata) is judged here.
 * 3. A page goes by in batches. In a batch views are asked for REST_ASKS_MAX at a time and come in
 *    any order; the batch is taken when all are there.
 */
#include "api/rest_walk.h"

#include "api/rest_view.h"
#include "froe/limits.h"

struct walk *
rest_walk_new(struct rest_call *call)
{
	struct walk *walk = rest_zalloc(call, sizeof(*walk));
	walk->rows = rest_zalloc(call, FROE_LIST_MAX * sizeof(*walk->rows));
	return walk;
}

bool
rest_filter_deep(const struct walk_filter *filter)
{
	uint32_t index;
	bool is_run = true;
	if (filter->by_parent)
		alias_run(filter->parent, &index, &is_run);
	return !is_run || (filter->any && filter->pair_count > 1);
}

static void walk_batch(struct rest_call *call, struct walk *walk);
static void walk_page(struct rest_call *call, struct walk *walk);

/* ---------------------------------------------------------------------------- names of ids */

static bool
workflow_wanted(const struct rest_call *call, const struct walk *walk, const char *name)
{
	struct uuid id = alias_workflow(call->rest->tenant, bytes_text(name));
	for (uint32_t i = 0; i < walk->filter.workflow_count; i++) {
		if (uuid_equal(walk->filter.workflows[i], id))
			return true;
	}
	return false;
}

static void walk_names(struct rest_call *call, struct walk *walk);
static void walk_worker(struct rest_call *call, struct walk *walk);

static void
names_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct walk *walk = call->state;
	const Froe__WorkflowPage *page = (const Froe__WorkflowPage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	for (size_t i = 0; i < page->n_rows; i++) {
		const char *name = page->rows[i]->name;
		if (workflow_wanted(call, walk, name))
			walk->names[walk->name_count++] =
			    (char *)(uintptr_t)rest_keep(call, bytes_text(name)).data;
	}
	walk->after = page->next;
	bool over = page->next == 0 || walk->name_count == walk->filter.workflow_count;
	if (!over)
		walk_names(call, walk);
	else if (walk->name_count == 0)
		walk->end(call, walk);
	else
		walk_worker(call, walk);
}

static void
walk_names(struct rest_call *call, struct walk *walk)
{
	Froe__WorkflowList list = FROE__WORKFLOW_LIST__INIT;
	list.after = walk->after;
	list.limit = FROE_LIST_MAX;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKFLOW_LIST, &list.base, names_heard, 0),
	    "refused is answered");
}

static void
worker_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct walk *walk = call->state;
	(void)tag;
	if (reply->error != NULL && reply->error->code == FROE_NOT_FOUND) {
		walk->end(call, walk);
		return;
	}
	if (rest_failed(call, reply))
		return;
	const char *name = ((const Froe__WorkerView *)reply->message)->name;
	walk->worker = (char *)(uintptr_t)rest_keep(call, bytes_text(name)).data;
	walk_page(call, walk);
}

static void
walk_worker(struct rest_call *call, struct walk *walk)
{
	Froe__WorkerGet get = FROE__WORKER_GET__INIT;
	if (!walk->filter.by_worker) {
		walk_page(call, walk);
		return;
	}
	get.has_id = true;
	get.id = (ProtobufCBinaryData){16, walk->filter.worker.bytes};
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_WORKER_GET, &get.base, worker_heard, 0),
	    "refused is answered");
}

Froe__Pair *
rest_event_pair(struct rest_call *call, struct uuid event)
{
	char text[UUID_TEXT_SIZE];
	Froe__Pair *pair = rest_zalloc(call, sizeof(*pair));
	uuid_format(event, text);
	froe__pair__init(pair);
	pair->key = (char *)(uintptr_t)rest_keep(call, bytes_text(ALIAS_EVENT_PAIR)).data;
	pair->value = (char *)(uintptr_t)rest_keep(call, bytes_text(text)).data;
	return pair;
}

static void
walk_pairs(struct rest_call *call, struct walk *walk)
{
	const struct walk_filter *filter = &walk->filter;
	bool judged = !filter->any || filter->pair_count == 1;
	size_t count = judged ? filter->pair_count : 0;
	walk->pairs = rest_zalloc(call, (count + 1) * sizeof(Froe__Pair *));
	for (size_t i = 0; i < count; i++)
		walk->pairs[walk->pair_count++] = filter->pairs[i];
	if (filter->by_event)
		walk->pairs[walk->pair_count++] = rest_event_pair(call, filter->event);
}

void
rest_walk_start(struct rest_call *call, struct walk *walk)
{
	const struct walk_filter *filter = &walk->filter;
	call->state = walk;
	walk_pairs(call, walk);
	walk->names = rest_zalloc(call, (filter->workflow_count + 1) * sizeof(*walk->names));
	if (filter->nothing)
		walk->end(call, walk);
	else if (filter->workflow_count > 0)
		walk_names(call, walk);
	else
		walk_worker(call, walk);
}

/* ------------------------------------------------------------------------------------ pages */

/* A child has its parent's metadata, but the event did not start it. */
static bool
row_fits(const struct walk *walk, const Froe__RunRow *row)
{
	if (walk->filter.by_event && row->has_parent)
		return false;
	if (walk->name_count < 2)
		return true;
	for (uint32_t i = 0; i < walk->name_count; i++) {
		if (strcmp(walk->names[i], row->workflow) == 0)
			return true;
	}
	return false;
}

static void
page_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct walk *walk = call->state;
	const Froe__RunPage *page = (const Froe__RunPage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	walk->row_count = walk->row_next = 0;
	for (size_t i = 0; i < page->n_rows; i++) {
		struct walk_run *run = &walk->rows[walk->row_count];
		if (!row_fits(walk, page->rows[i]) || page->rows[i]->run.len != 16)
			continue;
		*run = (struct walk_run){.status = (enum eng_status)page->rows[i]->status};
		memcpy(run->id.bytes, page->rows[i]->run.data, 16);
		walk->row_count++;
	}
	walk->before = page->next;
	walk->last = page->next == 0;
	walk_batch(call, walk);
}

static void
list_statuses(uint32_t bits, Froe__RunList *list, Froe__RunStatus to[6])
{
	list->statuses = to;
	for (uint32_t i = 0; i < 6; i++) {
		if ((bits & UINT32_C(1) << i) != 0)
			to[list->n_statuses++] = (Froe__RunStatus)i;
	}
}

static void
walk_page(struct rest_call *call, struct walk *walk)
{
	const struct walk_filter *filter = &walk->filter;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	Froe__RunStatus statuses[6];
	uint32_t index;
	bool is_run;
	struct uuid parent = alias_run(filter->parent, &index, &is_run);
	list_statuses(filter->statuses, &list, statuses);
	list.limit = walk->page != 0 && walk->page < FROE_LIST_MAX ? walk->page : FROE_LIST_MAX;
	list.before = walk->before;
	list.since_ns = filter->since_ns;
	list.until_ns = filter->until_ns;
	list.workflow = walk->name_count == 1 ? walk->names[0] : NULL;
	list.worker = walk->worker;
	list.has_parent = filter->by_parent;
	list.parent = (ProtobufCBinaryData){16, parent.bytes};
	list.n_metadata = walk->pair_count;
	list.metadata = walk->pairs;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RUN_LIST, &list.base, page_heard, 0),
	    "refused is answered");
}

/* ---------------------------------------------------------------------------------- batches */

static bool
view_has_pair(const Froe__RunView *view, const Froe__Pair *pair)
{
	for (size_t i = 0; i < view->n_metadata; i++) {
		const char *value = view->metadata[i]->value;
		if (strcmp(view->metadata[i]->key, pair->key) == 0 &&
		    strcmp(value != NULL ? value : "", pair->value) == 0)
			return true;
	}
	return false;
}

static bool
view_fits(const struct walk_filter *filter, const Froe__RunView *view)
{
	uint32_t index;
	bool is_run = true, found = !filter->any || filter->pair_count < 2;
	if (filter->by_parent)
		alias_run(filter->parent, &index, &is_run);
	if (!is_run && (view->parent.len != 16 ||
	    memcmp(view->parent.data, filter->parent.bytes, 16) != 0))
		return false;
	for (size_t i = 0; i < filter->pair_count && !found; i++)
		found = view_has_pair(view, filter->pairs[i]);
	return found;
}

static void
view_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct walk *walk = call->state;
	struct walk_run *run = &walk->runs[tag];
	walk->run_heard++;
	if (call->done)
		return;
	/* One that retention has just let go, or with a history too long for an answer. */
	bool gone = reply->error != NULL &&
	    (reply->error->code == FROE_NOT_FOUND || reply->error->code == FROE_TOO_LARGE);
	if (!gone && rest_failed(call, reply))
		return;
	if (!gone && view_fits(&walk->filter, (const Froe__RunView *)reply->message)) {
		run->wanted = true;
		walk->look(call, walk, run, (const Froe__RunView *)reply->message);
	}
	walk_batch(call, walk);
}

static void
batch_begin(struct walk *walk)
{
	walk->run_count = walk->run_asked = walk->run_heard = 0;
	while (walk->run_count < WALK_BATCH && walk->row_next < walk->row_count) {
		struct walk_run *run = &walk->runs[walk->run_count++];
		*run = walk->rows[walk->row_next++];
		run->wanted = !walk->views;
	}
	if (!walk->views)
		walk->run_asked = walk->run_heard = walk->run_count;
}

static void
batch_ask(struct rest_call *call, struct walk *walk)
{
	while (walk->run_asked < walk->run_count && call->ask_count < REST_ASKS_MAX) {
		uint32_t index = walk->run_asked++;
		Froe__RunGet get = FROE__RUN_GET__INIT;
		get.has_run = get.has_payloads = true;
		get.run = (ProtobufCBinaryData){16, walk->runs[index].id.bytes};
		get.payloads = walk->payloads;
		if (!rest_ask(call, FROE__ENVELOPE__BODY_RUN_GET, &get.base, view_heard, index))
			return;
	}
}

static void
walk_batch(struct rest_call *call, struct walk *walk)
{
	for (;;) {
		if (walk->run_heard < walk->run_count) {
			batch_ask(call, walk);
			return;
		}
		uint32_t count = walk->run_count;
		walk->run_count = walk->run_heard = walk->run_asked = 0;
		if (count > 0 && !walk->take(call, walk, walk->runs, count))
			return;
		batch_begin(walk);
		if (walk->run_count > 0)
			continue;
		if (walk->last)
			walk->end(call, walk);
		else
			walk_page(call, walk);
		return;
	}
}
