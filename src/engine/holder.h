/*
 * engine/holder: who works on a task, and what does a worker hold?
 *
 * Purpose     For what is said of a task by somebody who does not know its lease.
 * Threading   the engine's owner only.
 */
#ifndef ENGINE_HOLDER_H
#define ENGINE_HOLDER_H

#include "engine/engine.h"

struct eng_holder {
	struct eng_worker_id worker;
	uint64_t lease;
	uint32_t attempt;
};

/* False: nobody holds its lease, or it is not the tenant's. */
bool eng_holder(const struct eng *eng, struct eng_tenant_id tenant, struct uuid task,
    struct eng_holder *ret_holder);

/* What a worker holds, oldest first. */
struct eng_lease_view {
	struct uuid task;
	uint64_t lease;
	struct bytes workflow;
	struct bytes name;
	uint32_t attempt;
	bool released;
	bool begun;
	bool durable;
};
void eng_worker_leases(const struct eng *eng, uint64_t worker,
    bool (*each)(void *context, const struct eng_lease_view *view), void *context);

#endif
