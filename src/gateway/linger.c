#include "gateway/linger.h"

#include "gateway/guest.h"

/* Some times what an SDK needs to send what it has queued. */
#define LINGER_NS UINT64_C(20000000)

static struct lease *
lease_of(struct call *call)
{
	struct lease *lease = lease_find(call->gateway, call->id);
	if (lease == NULL || !uuid_equal(lease->worker->tenant, call->session->seat.tenant))
		return NULL;
	return lease;
}

void
linger_talks(struct call *call)
{
	struct lease *lease = lease_of(call);
	if (lease != NULL)
		lease->talks = lease->started = true;
}

void
linger_memo(struct gateway *gateway, struct uuid task)
{
	struct lease *lease = lease_find(gateway, task);
	if (lease != NULL)
		lease->talks = true;
}

static void
linger(struct call *call)
{
	call->lingered = true;
	call->held_ns = gateway_now_ns(call->gateway);
	list_push(&call->gateway->lingering, &call->held);
}

/* Hatchet's SDKs for TypeScript and Python go on without the answer; that for Go begins when it has
 * it, and of others nobody knows. */
static bool
goes_on(const struct call *call)
{
	static const char *const clients[] = {"grpc-node", "grpc-python"};
	struct bytes agent = grpc_call_header(call->grpc, "user-agent");
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		size_t size = strlen(clients[i]);
		if (agent.size >= size && memcmp(agent.data, clients[i], size) == 0)
			return true;
	}
	return false;
}

bool
linger_begun(struct call *call)
{
	if (call->lingered || !goes_on(call))
		return false;
	linger(call);
	return true;
}

bool
linger_hold(struct call *call)
{
	const struct lease *lease = lease_of(call);
	if (call->lingered || lease == NULL || !lease->talks)
		return false;
	linger(call);
	return true;
}

void
linger_turn(struct gateway *gateway, uint64_t now_ns)
{
	while (linger_due_ns(gateway) <= now_ns)
		call_again(container_of(list_pop(&gateway->lingering), struct call, held));
}

uint64_t
linger_due_ns(const struct gateway *gateway)
{
	if (list_empty(&gateway->lingering))
		return UINT64_MAX;
	return container_of(gateway->lingering.next, struct call, held)->held_ns + LINGER_NS;
}
