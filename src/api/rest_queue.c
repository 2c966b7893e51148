/*
 * api/rest_queue: how many tasks wait and run now.
 *
 * Queues are known by their action, attempts by their task; the task of an action is what follows
 * its last colon, as Hatchet's SDKs make them. Tasks of one name in several workflows are one here.
 */
#include "api/rest_int.h"

static void
queue_ask(struct rest_call *call, rest_reply_fn *reply)
{
	Froe__QueueList list = FROE__QUEUE_LIST__INIT;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_QUEUE_LIST, &list.base, reply, 0),
	    "refused is answered");
}

/* Does a row before this one have the same text? */
static bool
told(const Froe__QueuePage *page, size_t index, const char *(*text)(const Froe__QueueRow *row))
{
	const char *mine = text(page->rows[index]);
	for (size_t i = 0; i < index; i++) {
		const char *other = text(page->rows[i]);
		if (other != NULL && strcmp(other, mine) == 0)
			return true;
	}
	return false;
}

static const char *
row_action(const Froe__QueueRow *row)
{
	return row->action;
}

static const char *
row_task(const Froe__QueueRow *row)
{
	if (row->action == NULL)
		return row->task;
	const char *colon = strrchr(row->action, ':');
	return colon != NULL ? colon + 1 : row->action;
}

static void
metrics_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	const Froe__QueuePage *page = (const Froe__QueuePage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_key(&sheet, "queues");
	sheet_open(&sheet, '{');
	for (size_t i = 0; i < page->n_rows; i++) {
		const char *action = row_action(page->rows[i]);
		uint64_t count = 0;
		if (action == NULL || told(page, i, row_action))
			continue;
		for (size_t j = i; j < page->n_rows; j++) {
			const char *other = row_action(page->rows[j]);
			if (other != NULL && strcmp(other, action) == 0)
				count += page->rows[j]->queued;
		}
		sheet_put_number(&sheet, action, count);
	}
	sheet_close(&sheet, '}');
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

void
rest_queue_metrics(struct rest_call *call)
{
	queue_ask(call, metrics_heard);
}

static void
write_queued(struct sheet *sheet, const Froe__QueuePage *page, const char *task)
{
	uint64_t total = 0, oldest_ns = UINT64_MAX;
	for (size_t i = 0; i < page->n_rows; i++) {
		const Froe__QueueRow *row = page->rows[i];
		if (row->queued == 0 || strcmp(row_task(row), task) != 0)
			continue;
		total += row->queued;
		oldest_ns = row->oldest_ns < oldest_ns ? row->oldest_ns : oldest_ns;
	}
	sheet_key(sheet, "queued");
	sheet_open(sheet, '{');
	sheet_put_number(sheet, "total", total);
	sheet_put_time(sheet, "oldest", oldest_ns != UINT64_MAX ? oldest_ns : 0);
	sheet_close(sheet, '}');
}

static void
write_running(struct sheet *sheet, const Froe__QueuePage *page, const char *task)
{
	uint64_t total = 0;
	for (size_t i = 0; i < page->n_rows; i++) {
		if (strcmp(row_task(page->rows[i]), task) == 0)
			total += page->rows[i]->running;
	}
	sheet_key(sheet, "running");
	sheet_open(sheet, '{');
	sheet_put_number(sheet, "total", total);
	sheet_close(sheet, '}');
}

static void
stats_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	const Froe__QueuePage *page = (const Froe__QueuePage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	for (size_t i = 0; i < page->n_rows; i++) {
		const char *task = row_task(page->rows[i]);
		if (told(page, i, row_task))
			continue;
		sheet_key(&sheet, task);
		sheet_open(&sheet, '{');
		write_queued(&sheet, page, task);
		write_running(&sheet, page, task);
		sheet_close(&sheet, '}');
	}
	sheet_close(&sheet, '}');
	rest_finish(call, 200);
}

void
rest_task_stats(struct rest_call *call)
{
	queue_ask(call, stats_heard);
}
