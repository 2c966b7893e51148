/*
 * api/rest_table: every operation that is served: the table.
 *
 * The query's parameters are those that count; others are not looked at. What comes back has the
 * name that Hatchet's interface has for it.
 */
#include "api/rest_int.h"

#define GET HTTP_METHOD_GET
#define POST HTTP_METHOD_POST
#define PATCH HTTP_METHOD_PATCH
#define DELETE HTTP_METHOD_DELETE
#define STABLE "/api/v1/stable"
#define TENANT "/api/v1/tenants/{tenant}"
#define STABLE_TENANT "/api/v1/stable/tenants/{tenant}"

const struct rest_route REST_ROUTES[] = {
    {GET, "/api/live", rest_live, REST_ANYONE, "", "Empty", "Is the process there?"},
    {GET, "/api/ready", rest_ready, REST_ANYONE, "", "Empty", "Does it serve?"},
    {GET, "/api/v1/meta", rest_meta, REST_ANYONE, "", "APIMeta", "How one logs in"},
    {GET, "/api/v1/version", rest_version, REST_ANYONE, "", "Version", "The server's version"},
    {GET, TENANT, rest_tenant, REST_SDKS, "", "Tenant", "The token's tenant"},
    {GET, STABLE "/workflow-runs/{v1-workflow-run}", rest_run, REST_SDKS, "",
        "V1WorkflowRunDetails", "A run, its tasks and what happened to them"},
    {GET, STABLE "/workflow-runs/{v1-workflow-run}/status", rest_run_status, REST_SDKS, "",
        "V1TaskStatus", "A run's status, as a bare string"},
    {GET, STABLE "/workflow-runs/{v1-workflow-run}/task-timings", rest_run_timings, REST_SDKS,
        "", "V1TaskTimingList", "When a run's tasks were queued, began and ended"},
    {GET, TENANT "/workflow-runs/{workflow-run}/shape", rest_run_shape, REST_SDKS, "",
        "WorkflowRunShape", "A run as the older interface has it"},
    {GET, STABLE "/tasks/{task}", rest_task, REST_SDKS, "", "V1TaskSummary", "A task of a run"},
};
const size_t REST_ROUTE_COUNT = sizeof(REST_ROUTES) / sizeof(REST_ROUTES[0]);
