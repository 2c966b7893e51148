/*
 * engine/holder: who works on a task?
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

#endif
