/*
 * api/rest_list: lists of runs and tasks, their ids, and how many there are of each status.
 *
 * An offset counts what the filter finds. As long as a row of the index is a row of the list, what
 * is skipped is not looked at; one more page of the index says how many pages there are to come. A
 * list of tasks, or with a filter that the index cannot judge, looks at every run from the first.
 */
#include "api/rest_view.h"
#include "api/rest_walk.h"

#include "froe/limits.h"

#define LIMIT_DEFAULT 50u
#define LIMIT_MAX 10000u
#define OFFSET_MAX 1000000u
#define OFFSET_LOOKED_MAX 100000u /* where each is looked at */
#define IDS_MAX 20000u
#define COUNTED_MAX 100000u
/* Rows behind so many bytes come without their payloads. */
#define PAYLOAD_BYTES_MAX ((size_t)8 << 20)

struct listing {
	struct walk *walk;
	uint64_t offset, limit;
	uint64_t skip;    /* still to be skipped */
	uint64_t taken;
	uint64_t more;    /* found behind the last one */
	bool rows;        /* a row of the index is a row of the list */
	bool only_tasks;
	bool payloads;
	uint32_t statuses; /* of tasks, if the list is of tasks */
	struct sheet sheet;
};

static void
list_end(struct rest_call *call, struct walk *walk)
{
	struct listing *list = walk->context;
	uint64_t current = list->offset / list->limit + 1;
	uint64_t total = list->offset + list->taken + list->more;
	uint64_t pages = (total + list->limit - 1) / list->limit;
	sheet_close(&list->sheet, ']');
	sheet_key(&list->sheet, "pagination");
	rest_write_pages(&list->sheet, current, list->more > 0 ? current + 1 : 0, pages);
	sheet_close(&list->sheet, '}');
	rest_finish(call, 200);
}

static struct bytes
text_of_buf(struct rest_call *call, struct buf *text)
{
	size_t size = buf_used(text);
	const void *kept = arena_copy(&call->batch, buf_bytes(text).data, size);
	buf_reset(text);
	return bytes_of(kept, size);
}

static void
list_look(struct rest_call *call, struct walk *walk, struct walk_run *run,
    const Froe__RunView *view)
{
	struct listing *list = walk->context;
	bool payloads = list->payloads && buf_used(&call->out) < PAYLOAD_BYTES_MAX &&
	    call->batch.taken < 4 * PAYLOAD_BYTES_MAX;
	struct buf text;
	buf_init(&text);
	run->texts = arena_alloc(&call->batch, (view->n_tasks + 1) * sizeof(*run->texts));
	struct sheet sheet = {.to = &text};
	if (!list->only_tasks) {
		view_row(call, &sheet, view, payloads);
		run->texts[run->count++] = text_of_buf(call, &text);
	}
	for (uint32_t i = 0; list->only_tasks && i < view->n_tasks; i++) {
		uint32_t bit = UINT32_C(1) << view->tasks[i]->status;
		if (list->statuses != 0 && (list->statuses & bit) == 0)
			continue;
		sheet.comma = false;
		view_task(call, &sheet, view, i, payloads);
		run->texts[run->count++] = text_of_buf(call, &text);
	}
	buf_release(&text);
}

/* Rows of the index: those to be skipped, or those behind the list. */
static bool
list_count(struct listing *list, uint32_t count)
{
	struct walk *walk = list->walk;
	if (list->taken == list->limit) {
		list->more += count;
		return walk->row_next < walk->row_count;
	}
	list->skip -= count < list->skip ? count : list->skip;
	walk->views = list->skip == 0;
	walk->page = (uint32_t)(list->skip != 0 ? list->skip : list->limit);
	return true;
}

static bool
list_take(struct rest_call *call, struct walk *walk, struct walk_run *runs, uint32_t count)
{
	struct listing *list = walk->context;
	if (!walk->views) {
		bool goes_on = list_count(list, count);
		if (!goes_on)
			list_end(call, walk);
		return goes_on;
	}
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < runs[i].count; j++) {
			if (list->skip > 0) {
				list->skip--;
			} else if (list->taken < list->limit) {
				list->taken++;
				sheet_raw(&list->sheet, runs[i].texts[j]);
			} else {
				list->more++;
			}
		}
	}
	arena_reset(&call->batch);
	if (buf_used(&call->out) > REST_ANSWER_BYTES_MAX) {
		rest_fail(call, 413, "limit", "the answer would be larger than %zu MiB: ask for "
		    "fewer at a time", REST_ANSWER_BYTES_MAX >> 20);
		return false;
	}
	if (list->taken < list->limit)
		return true;
	if (list->rows) { /* there may be rows that were asked for and are not in the list */
		walk->views = false;
		walk->page = FROE_LIST_MAX;
		return true;
	}
	list->more += walk->row_next < walk->row_count || !walk->last;
	list_end(call, walk);
	return false;
}

static bool
list_query(struct rest_call *call, struct listing *list)
{
	return rest_query_number(call, "limit", LIMIT_MAX, &list->limit) &&
	    rest_query_number(call, "offset", OFFSET_MAX, &list->offset) &&
	    rest_query_bool(call, "only_tasks", &list->only_tasks) &&
	    rest_query_bool(call, "include_payloads", &list->payloads) &&
	    rest_filter_query(call, &list->walk->filter);
}

void
rest_runs(struct rest_call *call)
{
	struct listing *list = rest_zalloc(call, sizeof(*list));
	struct walk *walk = list->walk = rest_walk_new(call);
	list->limit = LIMIT_DEFAULT;
	list->payloads = true;
	if (!list_query(call, list))
		return;
	if (list->limit == 0)
		list->limit = LIMIT_DEFAULT;
	if (list->only_tasks) {
		list->statuses = walk->filter.statuses;
		walk->filter.statuses = 0;
	}
	list->rows = !list->only_tasks && !rest_filter_deep(&walk->filter);
	if (!list->rows && list->offset > OFFSET_LOOKED_MAX) {
		rest_fail(call, 400, "offset", "of tasks, and with such a filter, at most %u are "
		    "skipped: use since and until", OFFSET_LOOKED_MAX);
		return;
	}
	list->skip = list->offset;
	walk->views = !list->rows || list->skip == 0;
	walk->page = (uint32_t)(list->rows && list->skip != 0 ? list->skip : list->limit);
	walk->payloads = list->payloads;
	walk->look = list_look;
	walk->take = list_take;
	walk->end = list_end;
	walk->context = list;
	list->sheet = rest_sheet(call);
	sheet_open(&list->sheet, '{');
	sheet_key(&list->sheet, "rows");
	sheet_open(&list->sheet, '[');
	rest_walk_start(call, walk);
}

/* -------------------------------------------------------------------------------------- ids */

struct ids {
	struct sheet sheet;
	uint32_t count;
};

static void
ids_end(struct rest_call *call, struct walk *walk)
{
	struct ids *ids = walk->context;
	sheet_close(&ids->sheet, ']');
	rest_finish(call, 200);
}

/* It fits the filter, and that is all. */
static void
look_at_nothing(struct rest_call *call, struct walk *walk, struct walk_run *run,
    const Froe__RunView *view)
{
	(void)call;
	(void)walk;
	(void)run;
	(void)view;
}

static bool
ids_take(struct rest_call *call, struct walk *walk, struct walk_run *runs, uint32_t count)
{
	struct ids *ids = walk->context;
	for (uint32_t i = 0; i < count && ids->count < IDS_MAX; i++) {
		if (!runs[i].wanted)
			continue;
		sheet_uuid(&ids->sheet, runs[i].id);
		ids->count++;
	}
	if (ids->count == IDS_MAX)
		ids_end(call, walk);
	return ids->count < IDS_MAX;
}

void
rest_run_ids(struct rest_call *call)
{
	struct ids *ids = rest_zalloc(call, sizeof(*ids));
	struct walk *walk = rest_walk_new(call);
	if (!rest_filter_query(call, &walk->filter))
		return;
	walk->views = rest_filter_deep(&walk->filter);
	walk->look = look_at_nothing;
	walk->take = ids_take;
	walk->end = ids_end;
	walk->context = ids;
	ids->sheet = rest_sheet(call);
	sheet_open(&ids->sheet, '[');
	rest_walk_start(call, walk);
}

/* ---------------------------------------------------------------------------------- metrics */

struct counts {
	uint64_t of[ENG_EVICTED + 1];
	uint64_t all;
};

static void
counts_end(struct rest_call *call, struct walk *walk)
{
	static const enum eng_status ORDER[] = {
	    ENG_QUEUED, ENG_RUNNING, ENG_COMPLETED, ENG_CANCELLED, ENG_FAILED};
	const struct counts *counts = walk->context;
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '[');
	for (size_t i = 0; i < sizeof(ORDER) / sizeof(ORDER[0]); i++) {
		bool running = ORDER[i] == ENG_RUNNING;
		uint64_t count = counts->of[ORDER[i]];
		sheet_open(&sheet, '{');
		sheet_put(&sheet, "status", alias_status(ORDER[i]));
		sheet_put_number(
		    &sheet, "count", running ? count + counts->of[ENG_EVICTED] : count);
		if (running) {
			sheet_key(&sheet, "runningDetailCount");
			sheet_open(&sheet, '{');
			sheet_put_number(&sheet, "evicted", counts->of[ENG_EVICTED]);
			sheet_put_number(&sheet, "onWorker", count);
			sheet_close(&sheet, '}');
		}
		sheet_close(&sheet, '}');
	}
	sheet_close(&sheet, ']');
	rest_finish(call, 200);
}

static bool
counts_take(struct rest_call *call, struct walk *walk, struct walk_run *runs, uint32_t count)
{
	struct counts *counts = walk->context;
	for (uint32_t i = 0; i < count; i++)
		counts->of[runs[i].status] += runs[i].wanted;
	counts->all += count;
	if (counts->all < COUNTED_MAX)
		return true;
	counts_end(call, walk);
	return false;
}

void
rest_task_metrics(struct rest_call *call)
{
	struct walk *walk = rest_walk_new(call);
	if (!rest_filter_query(call, &walk->filter))
		return;
	walk->views = rest_filter_deep(&walk->filter);
	walk->look = look_at_nothing;
	walk->take = counts_take;
	walk->end = counts_end;
	walk->context = rest_zalloc(call, sizeof(struct counts));
	rest_walk_start(call, walk);
}
