/*
 * api/rest_event: the events that were pushed, and the runs that each has started.
 *
 * 1. Which there are: those whose ids are asked for, or a page of the index after the other, newest
 *    first. The index judges times, metadata and one key; of several keys, and of ids, we judge.
 * 2. A page goes by in batches: of each event of a batch its record, and the runs that have its id
 *    in their metadata, all at the same time; what is skipped is looked at only if the filter is of
 *    runs.
 *
 * A run is started right behind its event. So its runs are looked for among those of the time
 * after it: their children, which have their metadata too, may be any number and come later.
 */
#include "api/rest_rows.h"
#include "api/rest_view.h"
#include "api/rest_walk.h"

#include "base/duration.h"
#include "froe/limits.h"

#include <stdlib.h>

#define BATCH 8u
#define IDS_MAX 1000u
#define KEYS_MAX 64u
#define LOOKED_MAX 10000u /* with a filter of runs */
#define STARTED_NS (600 * NS_PER_S)
#define RUNS_MAX FROE_BULK_RUNS_MAX
#define RUN_PAGES_MAX 16u
/* Rows behind so many bytes come without their payloads. */
#define PAYLOAD_BYTES_MAX ((size_t)8 << 20)

struct pushed {
	uint64_t number;
	struct uuid id;
	uint64_t time_ns;
	struct bytes key;
	struct bytes payload;
	struct rest_pair *pairs;
	size_t pair_count;
	bool wanted;
	bool run_wanted;   /* one of its runs fits the filter of runs */
	struct uuid *runs;
	uint32_t run_count, run_pages;
	uint64_t of[ENG_EVICTED + 1]; /* runs by their status */
};

struct listing {
	struct rest_rows rows;
	struct walk_filter filter; /* times, pairs; workflows and statuses of runs */
	struct bytes keys[KEYS_MAX];
	uint32_t key_count;
	bool by_id, nothing;
	bool one;         /* the answer is the event itself */
	uint64_t *numbers; /* of the page, or those that are asked for */
	uint32_t number_count, number_next;
	uint64_t before;
	bool last;
	uint32_t looked;
	struct pushed batch[BATCH];
	uint32_t count;
	uint32_t waiting; /* for answers about the batch */
};

static void list_go(struct rest_call *call);

static bool
list_deep(const struct listing *list)
{
	return list->by_id || list->filter.workflow_count > 0 || list->filter.statuses != 0;
}

/* ------------------------------------------------------------------------------------ writing */

static void
write_summary(struct sheet *sheet, const struct pushed *event)
{
	sheet_key(sheet, "workflowRunSummary");
	sheet_open(sheet, '{');
	sheet_put_number(sheet, "queued", event->of[ENG_QUEUED]);
	sheet_put_number(sheet, "running", event->of[ENG_RUNNING] + event->of[ENG_EVICTED]);
	sheet_put_number(sheet, "succeeded", event->of[ENG_COMPLETED]);
	sheet_put_number(sheet, "failed", event->of[ENG_FAILED]);
	sheet_put_number(sheet, "cancelled", event->of[ENG_CANCELLED]);
	sheet_close(sheet, '}');
}

static void
write_runs(struct sheet *sheet, const struct pushed *event)
{
	sheet_key(sheet, "triggeredRuns");
	sheet_open(sheet, '[');
	for (uint32_t i = event->run_count; i-- > 0;) { /* as they were started */
		sheet_open(sheet, '{');
		sheet_put_uuid(sheet, "workflowRunId", event->runs[i]);
		sheet_close(sheet, '}');
	}
	sheet_close(sheet, ']');
}

static void
write_event(struct rest_call *call, struct sheet *sheet, const struct pushed *event)
{
	sheet_open(sheet, '{');
	view_meta(sheet, event->id, event->time_ns, 0);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_key(sheet, "key");
	sheet_text(sheet, event->key);
	sheet_put_time(sheet, "seenAt", event->time_ns);
	sheet_put_object(sheet, "payload", event->payload);
	sheet_key(sheet, "additionalMetadata");
	sheet_open(sheet, '{');
	for (size_t i = 0; i < event->pair_count; i++) {
		sheet_key(sheet, (const char *)event->pairs[i].key.data);
		sheet_text(sheet, event->pairs[i].value);
	}
	sheet_close(sheet, '}');
	write_summary(sheet, event);
	write_runs(sheet, event);
	sheet_close(sheet, '}');
}

/* ------------------------------------------------------------------------------------- runs */

static bool
run_fits(const struct rest_call *call, const struct walk_filter *filter, const Froe__RunRow *row)
{
	struct uuid id = alias_workflow(call->rest->tenant, bytes_text(row->workflow));
	bool found = filter->workflow_count == 0;
	for (uint32_t i = 0; i < filter->workflow_count && !found; i++)
		found = uuid_equal(filter->workflows[i], id);
	return found &&
	    (filter->statuses == 0 || (filter->statuses & UINT32_C(1) << row->status) != 0);
}

static void
run_take(struct rest_call *call, struct pushed *event, const Froe__RunRow *row)
{
	const struct listing *list = call->state;
	if (row->has_parent || row->run.len != 16 || event->run_count == RUNS_MAX)
		return;
	if (event->runs == NULL)
		event->runs = arena_alloc(&call->batch, RUNS_MAX * sizeof(*event->runs));
	memcpy(event->runs[event->run_count++].bytes, row->run.data, 16);
	event->of[row->status]++;
	event->run_wanted |= run_fits(call, &list->filter, row);
}

static void runs_ask(struct rest_call *call, uint32_t tag, uint64_t before);

static void
runs_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct listing *list = call->state;
	struct pushed *event = &list->batch[tag];
	const Froe__RunPage *page = (const Froe__RunPage *)reply->message;
	list->waiting--;
	if (call->done || rest_failed(call, reply))
		return;
	for (size_t i = 0; i < page->n_rows; i++)
		run_take(call, event, page->rows[i]);
	if (page->next != 0 && ++event->run_pages < RUN_PAGES_MAX)
		runs_ask(call, tag, page->next);
	else
		list_go(call);
}

static void
runs_ask(struct rest_call *call, uint32_t tag, uint64_t before)
{
	struct listing *list = call->state;
	struct pushed *event = &list->batch[tag];
	Froe__RunList ask = FROE__RUN_LIST__INIT;
	Froe__Pair *pair = rest_event_pair(call, event->id);
	ask.limit = FROE_LIST_MAX;
	ask.before = before;
	ask.since_ns = event->time_ns;
	ask.until_ns = event->time_ns + STARTED_NS;
	ask.n_metadata = 1;
	ask.metadata = &pair;
	list->waiting++;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RUN_LIST, &ask.base, runs_heard, tag),
	    "refused is answered");
}

/* ----------------------------------------------------------------------------------- events */

static bool
key_wanted(const struct listing *list, struct bytes key)
{
	for (uint32_t i = 0; i < list->key_count; i++) {
		if (bytes_equal(list->keys[i], key))
			return true;
	}
	return list->key_count == 0;
}

static bool
pair_there(const struct pushed *event, const Froe__Pair *pair)
{
	for (size_t i = 0; i < event->pair_count; i++) {
		if (bytes_equal(event->pairs[i].key, bytes_text(pair->key)) &&
		    bytes_equal(event->pairs[i].value, bytes_text(pair->value)))
			return true;
	}
	return false;
}

/* Whoever asked by id has not asked the index for the rest. */
static bool
event_fits(const struct listing *list, const struct pushed *event)
{
	const struct walk_filter *filter = &list->filter;
	if (!key_wanted(list, event->key) || event->time_ns < filter->since_ns ||
	    (filter->until_ns != 0 && event->time_ns >= filter->until_ns))
		return false;
	for (size_t i = 0; i < filter->pair_count; i++) {
		if (!pair_there(event, filter->pairs[i]))
			return false;
	}
	return true;
}

/* Ends with a zero byte. */
static struct bytes
batch_text(struct rest_call *call, const char *text)
{
	size_t size = text != NULL ? strlen(text) : 0;
	return bytes_of(arena_copy(&call->batch, text != NULL ? text : "", size + 1), size);
}

static void
event_take(struct rest_call *call, struct pushed *event, const Froe__EventView *view)
{
	event->time_ns = view->time_ns;
	event->key = batch_text(call, view->key);
	event->payload = bytes_of(
	    arena_copy(&call->batch, view->payload.data, view->payload.len), view->payload.len);
	event->pair_count = view->n_metadata;
	event->pairs =
	    arena_alloc(&call->batch, (view->n_metadata + 1) * sizeof(*event->pairs));
	for (size_t i = 0; i < view->n_metadata; i++) {
		event->pairs[i].key = batch_text(call, view->metadata[i]->key);
		event->pairs[i].value = batch_text(call, view->metadata[i]->value);
	}
}

static void
event_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct listing *list = call->state;
	struct pushed *event = &list->batch[tag];
	list->waiting--;
	if (call->done)
		return;
	/* An id that is none; or retention has just let it go. */
	bool gone = reply->error != NULL && reply->error->code == FROE_NOT_FOUND;
	if (!gone && rest_failed(call, reply))
		return;
	if (!gone) {
		event_take(call, event, (const Froe__EventView *)reply->message);
		event->wanted = event_fits(list, event);
	}
	if (event->wanted)
		runs_ask(call, tag, 0);
	else
		list_go(call);
}

static void
event_ask(struct rest_call *call, uint32_t tag)
{
	struct listing *list = call->state;
	Froe__EventGet get = FROE__EVENT_GET__INIT;
	get.number = list->batch[tag].number;
	get.payload = buf_used(&call->out) < PAYLOAD_BYTES_MAX &&
	    call->batch.taken < PAYLOAD_BYTES_MAX;
	list->waiting++;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_EVENT_GET, &get.base, event_heard, tag),
	    "refused is answered");
}

/* ------------------------------------------------------------------------------------ batches */

/* A row that is skipped need not be looked at when the index has judged all of it. */
static bool
batch_add(struct rest_call *call, uint64_t number)
{
	struct listing *list = call->state;
	if (!list_deep(list) && list->rows.found < list->rows.offset) {
		FROE_DROP(rest_rows_take(&list->rows), "it is skipped");
		return false;
	}
	list->batch[list->count++] = (struct pushed){
	    .number = number,
	    .id = alias_event(call->rest->tenant, number),
	};
	return true;
}

static void
batch_ask(struct rest_call *call)
{
	struct listing *list = call->state;
	arena_reset(&call->batch);
	while (list->count < BATCH && list->number_next < list->number_count)
		FROE_DROP(batch_add(call, list->numbers[list->number_next++]), "next");
	list->looked += list->count;
	for (uint32_t i = 0; i < list->count && !call->done; i++)
		event_ask(call, i);
}

static void
batch_write(struct rest_call *call)
{
	struct listing *list = call->state;
	bool by_run = list->filter.workflow_count > 0 || list->filter.statuses != 0;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct pushed *event = &list->batch[i];
		if (!event->wanted || (by_run && !event->run_wanted))
			continue;
		if (rest_rows_take(&list->rows))
			write_event(call, &list->rows.sheet, event);
	}
	list->count = 0;
	if (buf_used(&call->out) > REST_ANSWER_BYTES_MAX)
		rest_fail(call, 413, "limit", "the answer would be larger than %zu MiB: ask for "
		    "fewer at a time", REST_ANSWER_BYTES_MAX >> 20);
}

static void
page_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct listing *list = call->state;
	const Froe__EventPage *page = (const Froe__EventPage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	list->number_count = list->number_next = 0;
	for (size_t i = 0; i < page->n_rows; i++) {
		if (key_wanted(list, bytes_text(page->rows[i]->key)))
			list->numbers[list->number_count++] = page->rows[i]->number;
	}
	list->before = page->next;
	list->last = page->next == 0;
	list_go(call);
}

/* As many as are surely needed, and one more. */
static uint32_t
page_limit(const struct listing *list)
{
	uint64_t more = list->rows.offset + list->rows.limit + 1 - list->rows.found;
	bool judged = !list_deep(list) && list->key_count < 2;
	return judged && more < FROE_LIST_MAX ? (uint32_t)more : FROE_LIST_MAX;
}

static void
page_ask(struct rest_call *call)
{
	const struct listing *list = call->state;
	Froe__EventList ask = FROE__EVENT_LIST__INIT;
	ask.limit = page_limit(list);
	ask.before = list->before;
	ask.since_ns = list->filter.since_ns;
	ask.until_ns = list->filter.until_ns;
	ask.key = list->key_count == 1 ? (char *)(uintptr_t)list->keys[0].data : NULL;
	ask.n_metadata = list->filter.pair_count;
	ask.metadata = list->filter.pairs;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_EVENT_LIST, &ask.base, page_heard, 0),
	    "refused is answered");
}

/* The one that was asked for. */
static void
one_end(struct rest_call *call)
{
	const struct listing *list = call->state;
	if (!list->batch[0].wanted) {
		rest_fail(call, 404, "event", "no event of the tenant has this id");
		return;
	}
	struct sheet sheet = rest_sheet(call);
	write_event(call, &sheet, &list->batch[0]);
	rest_finish(call, 200);
}

/* Goes on wherever it stands. */
static void
list_go(struct rest_call *call)
{
	struct listing *list = call->state;
	while (list->waiting == 0 && !call->done) {
		if (list->one && list->count > 0) {
			one_end(call);
			return;
		}
		batch_write(call);
		if (call->done)
			return;
		bool all = list->number_next == list->number_count;
		if (rest_rows_full(&list->rows) || (all && list->last) ||
		    list->looked >= LOOKED_MAX + list->rows.limit) {
			rest_rows_end(call, &list->rows);
		} else if (all) {
			page_ask(call);
			return;
		} else {
			batch_ask(call);
		}
	}
}

/* ------------------------------------------------------------------------------------ queries */

static int
number_order(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? 1 : left > right ? -1 : 0;
}

/* Newest first, each once. An id that is no event's finds nothing. */
static bool
query_ids(struct rest_call *call, struct listing *list)
{
	struct bytes text;
	uint64_t number;
	struct uuid id;
	for (uint32_t i = 0; rest_query_at(call, "eventIds", i, &text); i++) {
		list->by_id = list->last = true;
		if (i == IDS_MAX || !uuid_parse((const char *)text.data, text.size, &id)) {
			rest_fail(call, 400, "eventIds",
			    i == IDS_MAX ? "there are too many ids" : "an event's id is a UUID");
			return false;
		}
		if (alias_event_number(call->rest->tenant, id, &number) && number > 0)
			list->numbers[list->number_count++] = number;
	}
	qsort(list->numbers, list->number_count, sizeof(*list->numbers), number_order);
	uint32_t count = 0;
	for (uint32_t i = 0; i < list->number_count; i++) {
		if (i == 0 || list->numbers[i] != list->numbers[i - 1])
			list->numbers[count++] = list->numbers[i];
	}
	list->number_count = count;
	return true;
}

static bool
query_keys(struct rest_call *call, struct listing *list)
{
	struct bytes key;
	for (uint32_t i = 0; rest_query_at(call, "keys", i, &key); i++) {
		if (i == KEYS_MAX) {
			rest_fail(call, 400, "keys", "more than %u keys", KEYS_MAX);
			return false;
		}
		list->keys[list->key_count++] = key;
	}
	return true;
}

static struct listing *
list_new(struct rest_call *call)
{
	struct listing *list = call->state = rest_zalloc(call, sizeof(*list));
	_Static_assert(IDS_MAX <= FROE_LIST_MAX, "numbers has room for both");
	list->numbers = rest_zalloc(call, FROE_LIST_MAX * sizeof(*list->numbers));
	return list;
}

void
rest_events(struct rest_call *call)
{
	struct bytes scope;
	struct listing *list = list_new(call);
	if (!rest_filter_events(call, &list->filter) || !query_ids(call, list) ||
	    !query_keys(call, list) || !rest_rows_begin(call, &list->rows, REST_ROWS_DEFAULT))
		return;
	if (rest_query_at(call, "scopes", 0, &scope)) { /* no event has one */
		rest_rows_end(call, &list->rows);
		return;
	}
	list_go(call);
}

void
rest_event(struct rest_call *call)
{
	struct listing *list = list_new(call);
	struct uuid id;
	if (!rest_param_uuid(call, 0, "v1-event", &id))
		return;
	list->one = list->by_id = list->last = true;
	list->rows.limit = 1;
	if (!alias_event_number(call->rest->tenant, id, &list->numbers[0]) ||
	    list->numbers[0] == 0) {
		rest_fail(call, 404, "event", "no event of the tenant has this id");
		return;
	}
	list->number_count = 1;
	list_go(call);
}
