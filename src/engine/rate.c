/*
 * engine/rate: a tenant's rate limits: how many a window, by key.
 *
 * They are kept in the order in which their keys came, which is the order of lists. Putting what is
 * there already changes nothing, so workers may put theirs at each start. No task asks for them
 * yet: a definition that would is refused where it is read.
 */
#include "engine/apply_int.h"
#include "engine/save_int.h"

#include "base/mem.h"

struct eng_rate *
rate_find(const struct eng_tenant *tenant, struct bytes key)
{
	struct eng_named *named = named_find(&tenant->rates_by_key, key);
	return named != NULL ? container_of(named, struct eng_rate, named) : NULL;
}

void
rates_release(struct eng_tenant *tenant)
{
	for (uint32_t i = 0; i < tenant->rate_count; i++) {
		mem_free((void *)(uintptr_t)tenant->rates[i]->named.name.data);
		mem_free(tenant->rates[i]);
	}
	mem_free(tenant->rates);
	map_release(&tenant->rates_by_key);
}

static struct eng_rate *
rate_add(struct eng *eng, struct eng_tenant *tenant, struct bytes key)
{
	struct eng_rate *rate = mem_zalloc(sizeof(*rate));
	if ((tenant->rate_count & (tenant->rate_count - 1)) == 0) {
		size_t room = tenant->rate_count == 0 ? 1 : 2 * (size_t)tenant->rate_count;
		tenant->rates = mem_resize(tenant->rates, room * sizeof(struct eng_rate *));
	}
	tenant->rates[tenant->rate_count++] = rate;
	named_add(&tenant->rates_by_key, &rate->named, key);
	eng->counts.rates++;
	return rate;
}

enum froe_err
apply_rate_limit_put(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	struct eng_tenant *tenant = eng_tenant_get(apply->eng, event->tenant);
	if (tenant == NULL)
		return misfit(apply, "no such tenant");
	if (event->key.size == 0 || event->key.size > FROE_NAME_BYTES_MAX ||
	    event->window >= ENG_WINDOWS)
		return misfit(apply, "the rate limit has no key, or no window");
	struct eng_rate *rate = rate_find(tenant, event->key);
	if (rate == NULL && tenant->rate_count >= FROE_TENANT_RATE_LIMITS_MAX)
		return misfit(apply, "there are as many rate limits as may be");
	if (rate != NULL && rate->limit == event->limit && rate->window == event->window)
		return misfit(apply, "the rate limit is so already");
	if (rate == NULL)
		rate = rate_add(apply->eng, tenant, event->key);
	rate->limit = event->limit;
	rate->window = (uint8_t)event->window;
	rate->put_ns = event->time_ns;
	return FROE_OK;
}

/* ---------------------------------------------------------------------------------- decisions */

/* False: answered with what is wrong. */
static bool
rate_usable(struct eng_turn *turn, const struct eng_tenant *tenant, const struct eng_rate *rate)
{
	const struct eng_command *command = turn->command;
	if (tenant == NULL)
		reply_fault(turn, FROE_NOT_FOUND, "", "no such tenant");
	else if (command->rate_put.key.size == 0 ||
	    command->rate_put.key.size > FROE_NAME_BYTES_MAX)
		reply_fault(turn, FROE_INVALID_ARGUMENT, "key", "a key is 1 to %u bytes",
		    FROE_NAME_BYTES_MAX);
	else if (command->rate_put.window >= ENG_WINDOWS)
		reply_fault(turn, FROE_INVALID_ARGUMENT, "window",
		    "window %u is not known: give 0 (a second) to %u (a year)",
		    command->rate_put.window, ENG_WINDOWS - 1);
	else if (rate == NULL && tenant->rate_count >= FROE_TENANT_RATE_LIMITS_MAX)
		reply_fault(turn, FROE_RESOURCE_EXHAUSTED, "key",
		    "there are %u rate limits, as many as may be: use one of their keys",
		    FROE_TENANT_RATE_LIMITS_MAX);
	else
		return true;
	return false;
}

void
decide_rate_limit_put(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	const struct eng_tenant *tenant = eng_tenant_get(turn->eng, command->tenant.v);
	const struct eng_rate *rate =
	    tenant != NULL ? rate_find(tenant, command->rate_put.key) : NULL;
	if (!rate_usable(turn, tenant, rate))
		return;
	struct eng_event event = {
	    .type = ENG_EV_RATE_LIMIT_PUT,
	    .tenant = command->tenant.v,
	    .key = command->rate_put.key,
	    .limit = command->rate_put.limit,
	    .window = command->rate_put.window,
	};
	if (rate == NULL || rate->limit != event.limit || rate->window != event.window)
		emit(turn, &event);
	reply_ok(turn);
}

/* ----------------------------------------------------------------------------------- questions */

bool
eng_rate_next(const struct eng *eng, struct eng_tenant_id tenant, uint64_t after,
    struct eng_rate_view *ret_view)
{
	const struct eng_tenant *of = eng_tenant_get(eng, tenant.v);
	if (of == NULL || after >= of->rate_count)
		return false;
	const struct eng_rate *rate = of->rates[after];
	*ret_view = (struct eng_rate_view){
	    .number = after + 1,
	    .key = rate->named.name,
	    .limit = rate->limit,
	    .window = (enum eng_window)rate->window,
	    .put_ns = rate->put_ns,
	};
	return true;
}

/* ---------------------------------------------------------------------------------- invariants */

void
rates_check(const struct eng *eng) /* 11 */
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		const struct eng_tenant *tenant = eng->tenants[i];
		for (uint32_t j = 0; j < tenant->rate_count; j++)
			froe_assert(rate_find(tenant, tenant->rates[j]->named.name) ==
			    tenant->rates[j]);
		count += tenant->rate_count;
	}
	froe_assert(eng->counts.rates == count);
}

/* As the log has them, in their order. */
void
save_rates(struct save *save)
{
	const struct eng *eng = save->eng;
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		for (uint32_t j = 0; j < eng->tenants[i]->rate_count; j++) {
			const struct eng_rate *rate = eng->tenants[i]->rates[j];
			struct eng_event event = {
			    .type = ENG_EV_RATE_LIMIT_PUT,
			    .time_ns = rate->put_ns,
			    .tenant = eng->tenants[i]->id,
			    .key = rate->named.name,
			    .limit = rate->limit,
			    .window = rate->window,
			};
			save_event(save, &event);
		}
	}
}
