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
		lease->talks = true;
}

bool
linger_hold(struct call *call)
{
	const struct lease *lease = lease_of(call);
	if (call->lingered || lease == NULL || !lease->talks)
		return false;
	call->lingered = true;
	call->held_ns = gateway_now_ns(call->gateway);
	list_push(&call->gateway->lingering, &call->held);
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
