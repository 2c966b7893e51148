/*
 * Rate limits: what was put last under each key, and when. The operator's limits only grow, so what
 * was acknowledged is there as long as the limit is not less.
 */
#include "engine/rate.h"
#include "sim/world/model_int.h"

#include <inttypes.h>

struct bytes
model_rate_key(unsigned rate)
{
	static const char *const KEYS[MODEL_RATES_MAX] = {"k0", "k1", "k2", "k3"};
	return bytes_text(KEYS[rate]);
}

unsigned
model_rate_of(struct bytes key)
{
	unsigned rate = 0;
	while (rate < MODEL_RATES_MAX && !bytes_equal(key, model_rate_key(rate)))
		rate++;
	return rate;
}

void
on_rate_limit_put(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = witness->model->cause;
	unsigned tenant = event_tenant(witness), key = model_rate_of(event->key);
	require(witness, caused_by(witness, ENG_CMD_RATE_LIMIT_PUT), "nobody put it");
	require(witness, key < MODEL_RATES_MAX, "a key that nobody has");
	require(witness, cause == NULL || (event->limit == cause->rate_put.limit &&
	    event->window == cause->rate_put.window &&
	    bytes_equal(event->key, cause->rate_put.key)), "another rate limit");
	struct model_rate *rate = &witness->model->rates[tenant][key];
	require(witness, rate->put_ns == 0 || rate->limit != event->limit ||
	    rate->window != event->window, "it was so already");
	*rate = (struct model_rate){
	    .put_ns = event->time_ns, .limit = event->limit, .window = event->window};
}

static void
rate_check(struct model *model, unsigned tenant, const struct eng_rate_view *view)
{
	unsigned key = model_rate_of(view->key);
	const struct model_rate *rate = key < MODEL_RATES_MAX ? &model->rates[tenant][key] : NULL;
	if (rate == NULL || rate->put_ns != view->put_ns || rate->limit != view->limit ||
	    rate->window != view->window)
		judge_fail(model->judge, "rate limit %" PRIu64 " is another", view->number);
}

void
model_rates_check(struct model *model, const struct eng *eng)
{
	for (unsigned tenant = 0; tenant < PLAN_TENANTS_MAX; tenant++) {
		struct eng_tenant_id number = {model->tenant_numbers[tenant]};
		struct eng_rate_view view = {0};
		unsigned found = 0, known = 0;
		for (unsigned key = 0; key < MODEL_RATES_MAX; key++)
			known += model->rates[tenant][key].put_ns != 0;
		for (; eng_rate_next(eng, number, view.number, &view); found++)
			rate_check(model, tenant, &view);
		if (found != known)
			judge_fail(model->judge, "%u rate limits, %u were put", found, known);
	}
}
