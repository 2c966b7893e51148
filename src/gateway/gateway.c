#include "gateway/gateway_int.h"

#include "base/duration.h"
#include "base/mem.h"
#include "gateway/chunk.h"
#include "gateway/doubt.h"
#include "gateway/durable.h"
#include "gateway/linger.h"
#include "gateway/lookout.h"
#include "gateway/trigger.h"
#include "gateway/wait.h"

#define SWEEP_NS UINT64_C(10000000000)

/* By a clock of its own: calls of this turn have been stamped after the loop's. */
static void
gateway_turn(struct api_gateway *api, uint64_t loop_ns)
{
	struct gateway *gateway = (struct gateway *)(void *)api;
	uint64_t now_ns = gateway_now_ns(gateway);
	(void)loop_ns;
	seats_turn(&gateway->seats);
	chunk_turn(gateway, now_ns);
	linger_turn(gateway, now_ns);
	lookout_turn(gateway, now_ns);
	doubt_turn(gateway, now_ns);
	outcome_turn(gateway, now_ns);
	if (!gateway->draining && now_ns - gateway->swept_ns < SWEEP_NS)
		return;
	gateway->swept_ns = now_ns;
	session_sweep(gateway, now_ns);
	guest_sweep(gateway, now_ns);
	wait_sweep(gateway, now_ns);
}

static uint64_t
gateway_due_ns(struct api_gateway *api)
{
	const struct gateway *gateway = (const struct gateway *)(void *)api;
	uint64_t due_ns = gateway->swept_ns + SWEEP_NS;
	if (list_empty(&gateway->seats.all))
		return UINT64_MAX;
	due_ns = lookout_due_ns(gateway) < due_ns ? lookout_due_ns(gateway) : due_ns;
	due_ns = chunk_due_ns(gateway) < due_ns ? chunk_due_ns(gateway) : due_ns;
	due_ns = doubt_due_ns(gateway) < due_ns ? doubt_due_ns(gateway) : due_ns;
	due_ns = outcome_due_ns(gateway) < due_ns ? outcome_due_ns(gateway) : due_ns;
	return linger_due_ns(gateway) < due_ns ? linger_due_ns(gateway) : due_ns;
}

static void
gateway_drain(struct api_gateway *api)
{
	struct gateway *gateway = (struct gateway *)(void *)api;
	gateway->draining = true;
}

struct gateway *
gateway_open(struct io_env *env, uint32_t begun_wait_ms)
{
	struct gateway *gateway = mem_zalloc(sizeof(*gateway));
	gateway->env = env;
	gateway->api = (struct api_gateway){
	    .methods = GATEWAY_METHODS,
	    .turn = gateway_turn,
	    .due_ns = gateway_due_ns,
	    .drain = gateway_drain,
	};
	seats_init(&gateway->seats, &gateway->api);
	map_init(&gateway->sessions);
	map_init(&gateway->workers);
	map_init(&gateway->leases);
	map_init(&gateway->strands);
	list_init(&gateway->strand_list);
	map_init(&gateway->triggers);
	map_init(&gateway->steps);
	map_init(&gateway->courses);
	list_init(&gateway->stalls);
	list_init(&gateway->waits);
	list_init(&gateway->lingering);
	list_init(&gateway->lookouts);
	list_init(&gateway->doubts);
	gateway->begun_wait_ns = begun_wait_ms * NS_PER_MS;
	gateway->swept_ns = gateway_now_ns(gateway);
	return gateway;
}

void
gateway_close(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	seats_release(&gateway->seats);
	guest_release_all(gateway);
	wait_release_all(gateway);
	chunk_release_all(gateway);
	trigger_release_all(gateway);
	map_release(&gateway->sessions);
	map_release(&gateway->workers);
	map_release(&gateway->leases);
	map_release(&gateway->strands);
	map_release(&gateway->triggers);
	map_release(&gateway->steps);
	map_release(&gateway->courses);
	mem_free(gateway);
}

struct api_gateway *
gateway_api(struct gateway *gateway)
{
	return &gateway->api;
}
