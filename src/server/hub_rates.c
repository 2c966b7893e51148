/*
 * server/hub_rates: a tenant's rate limits, page by page, from the engine's state.
 */
#include "server/hub_int.h"

#include "engine/rate.h"

void
hub_rates(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	const struct eng *eng = hub->shard->eng;
	uint32_t limit = command->rates.limit;
	Froe__RateLimitPage page = FROE__RATE_LIMIT_PAGE__INIT;
	struct eng_rate_view view = {.number = command->rates.after};
	arena_reset(&hub->arena);
	Froe__RateLimitRow *rows = arena_alloc(&hub->arena, limit * sizeof(*rows));
	page.rows = arena_alloc(&hub->arena, limit * sizeof(*page.rows));
	while (page.n_rows < limit && eng_rate_next(eng, conn->tenant, view.number, &view)) {
		Froe__RateLimitRow *row = &rows[page.n_rows];
		froe__rate_limit_row__init(row);
		row->has_number = row->has_limit = row->has_window = row->has_put_ns = true;
		row->number = view.number;
		row->key = hub_text(hub, view.key);
		row->limit = view.limit;
		row->window = (Froe__RateWindow)view.window;
		row->put_ns = view.put_ns;
		page.rows[page.n_rows++] = row;
	}
	page.has_next =
	    page.n_rows == limit && eng_rate_next(eng, conn->tenant, view.number, &view);
	page.next = page.n_rows > 0 ? page.rows[page.n_rows - 1]->number : 0;
	hub_queue_reply(
	    hub, &command->origin, FROE__ENVELOPE__BODY_RATE_LIMIT_PAGE, &page.base);
}
