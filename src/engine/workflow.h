/*
 * engine/workflow: a tenant's workflows, and what an operator does to them.
 *
 * Purpose     Lists of them; words of ENG_CMD_WORKFLOW_SET.
 * Ownership   what is told is borrowed from state, until the next step.
 * Threading   the engine's owner only.
 */
#ifndef ENGINE_WORKFLOW_H
#define ENGINE_WORKFLOW_H

#include "engine/engine.h"

enum eng_workflow_change {
	ENG_WORKFLOW_PAUSE,
	ENG_WORKFLOW_RESUME,
	ENG_WORKFLOW_DELETE,
};

/* What is not kept for later when it falls due while its workflow is paused. On disk. */
enum eng_drops {
	ENG_DROPS_SCHEDULED = 1,
	ENG_DROPS_CRON = 2,
	ENG_DROPS_ALL = 3,
};

/* A workflow, and its newest version. */
struct eng_workflow_view {
	uint32_t id;
	struct bytes name;
	uint32_t version;
	uint32_t task_count;
	uint64_t runs; /* open ones, of all versions */
	uint64_t created_ns, put_ns; /* the first version, the one that is shown */
	bool paused;
	uint32_t drops; /* a set of enum eng_drops */
};
/* A tenant's, with ids above `after`, ascending, at most `count`; how many. */
size_t eng_workflows(const struct eng *eng, struct eng_tenant_id tenant, uint32_t after,
    struct eng_workflow_view *to, size_t count);
bool eng_workflow(const struct eng *eng, struct eng_tenant_id tenant, struct bytes name,
    struct eng_workflow_view *ret_view); /* false: there is none */

#endif
