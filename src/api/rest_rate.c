/*
 * api/rest_rate: the tenant's rate limits, in the order in which their keys came.
 *
 * `value` is what is left of the window: all of it, since nothing is taken from a limit yet.
 */
#include "api/rest_int.h"

#include "froe/limits.h"

#define LIMIT_DEFAULT 50u
#define LIMIT_MAX 1000u

struct listing {
	struct sheet sheet;
	struct bytes search; /* a part of the key; empty: all */
	uint64_t offset, limit;
	uint64_t found; /* that fit */
	uint64_t after;
};

static const char *
window_name(Froe__RateWindow window)
{
	static const char *const NAMES[] = {
	    "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"};
	return window < sizeof(NAMES) / sizeof(NAMES[0]) ? NAMES[window] : "";
}

static void
write_rate(struct rest_call *call, struct sheet *sheet, const Froe__RateLimitRow *row)
{
	sheet_open(sheet, '{');
	sheet_put(sheet, "key", row->key);
	sheet_put_uuid(sheet, "tenantId", call->rest->tenant);
	sheet_put_number(sheet, "limitValue", row->limit);
	sheet_put_number(sheet, "value", row->limit);
	sheet_put(sheet, "window", window_name(row->window));
	sheet_put_time(sheet, "lastRefill", row->put_ns);
	sheet_close(sheet, '}');
}

static void
rates_end(struct rest_call *call)
{
	struct listing *list = call->state;
	uint64_t current = list->offset / list->limit + 1;
	uint64_t pages = (list->found + list->limit - 1) / list->limit;
	sheet_close(&list->sheet, ']');
	sheet_key(&list->sheet, "pagination");
	rest_write_pages(&list->sheet, current, current < pages ? current + 1 : 0, pages);
	sheet_close(&list->sheet, '}');
	rest_finish(call, 200);
}

static bool
rate_wanted(const struct listing *list, const Froe__RateLimitRow *row)
{
	return list->search.size == 0 || strstr(row->key, (const char *)list->search.data) != NULL;
}

static void rates_ask(struct rest_call *call);

static void
rates_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct listing *list = call->state;
	const Froe__RateLimitPage *page = (const Froe__RateLimitPage *)reply->message;
	(void)tag;
	if (rest_failed(call, reply))
		return;
	for (size_t i = 0; i < page->n_rows; i++) {
		if (!rate_wanted(list, page->rows[i]))
			continue;
		list->found++;
		if (list->found > list->offset && list->found - list->offset <= list->limit)
			write_rate(call, &list->sheet, page->rows[i]);
	}
	list->after = page->next;
	if (page->has_next)
		rates_ask(call);
	else
		rates_end(call);
}

static void
rates_ask(struct rest_call *call)
{
	const struct listing *list = call->state;
	Froe__RateLimitList ask = FROE__RATE_LIMIT_LIST__INIT;
	ask.has_limit = ask.has_after = true;
	ask.limit = FROE_LIST_MAX;
	ask.after = list->after;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RATE_LIMIT_LIST, &ask.base, rates_heard, 0),
	    "refused is answered");
}

void
rest_rate_limits(struct rest_call *call)
{
	struct listing *list = call->state = rest_zalloc(call, sizeof(*list));
	struct bytes search = {0};
	if (!rest_query_number(call, "limit", LIMIT_MAX, &list->limit) ||
	    !rest_query_number(call, "offset", FROE_TENANT_RATE_LIMITS_MAX, &list->offset))
		return;
	if (list->limit == 0)
		list->limit = LIMIT_DEFAULT;
	if (rest_query_at(call, "search", 0, &search))
		list->search = rest_keep(call, search);
	list->sheet = rest_sheet(call);
	sheet_open(&list->sheet, '{');
	sheet_key(&list->sheet, "rows");
	sheet_open(&list->sheet, '[');
	rates_ask(call);
}
