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

#define FILTER                                                                                     \
	"since until statuses workflow_ids additional_metadata additional_metadata_operator "      \
	"running_filter"

const struct rest_route REST_ROUTES[] = {
    {GET, "/api/live", rest_live, REST_ANYONE, "", "Empty", "Is the process there?"},
    {GET, "/api/ready", rest_ready, REST_ANYONE, "", "Empty", "Does it serve?"},
    {GET, "/api/v1/meta", rest_meta, REST_ANYONE, "", "APIMeta", "How one logs in"},
    {GET, "/api/v1/version", rest_version, REST_ANYONE, "", "Version", "The server's version"},
    {GET, "/api/v1/openapi.json", rest_openapi, REST_ANYONE, "", "OpenAPI", "This document"},
    {GET, TENANT "/step-run-queue-metrics", rest_queue_metrics, REST_SDKS, "",
        "TenantStepRunQueueMetrics", "How many tasks wait for each action"},
    {GET, TENANT "/task-stats", rest_task_stats, REST_SDKS, "", "TaskStats",
        "How many tasks wait and run, by the tasks' names"},
    {GET, TENANT "/rate-limits", rest_rate_limits, REST_SDKS, "limit offset search",
        "RateLimitList", "The rate limits that were put"},
    {GET, TENANT, rest_tenant, REST_SDKS, "", "Tenant", "The token's tenant"},
    {GET, STABLE "/workflow-runs/{v1-workflow-run}", rest_run, REST_SDKS, "",
        "V1WorkflowRunDetails", "A run, its tasks and what happened to them"},
    {GET, STABLE "/workflow-runs/{v1-workflow-run}/status", rest_run_status, REST_SDKS, "",
        "V1TaskStatus", "A run's status, as a bare string"},
    {GET, STABLE "/workflow-runs/{v1-workflow-run}/task-timings", rest_run_timings, REST_SDKS,
        "", "V1TaskTimingList", "When a run's tasks were queued, began and ended"},
    {GET, TENANT "/workflow-runs/{workflow-run}/shape", rest_run_shape, REST_SDKS, "",
        "WorkflowRunShape", "A run as the older interface has it"},
    {GET, STABLE_TENANT "/workflow-runs", rest_runs, REST_SDKS,
        FILTER " worker_id only_tasks parent_task_external_id triggering_event_external_id "
        "include_payloads limit offset",
        "V1TaskSummaryList", "Runs, or with only_tasks their tasks, newest first"},
    {GET, STABLE_TENANT "/workflow-runs/external-ids", rest_run_ids, REST_SDKS, FILTER,
        "V1WorkflowRunExternalIdList", "The ids of runs, newest first, at most 20000"},
    {POST, STABLE_TENANT "/workflow-runs/trigger", rest_trigger, REST_CLIENTS, "",
        "V1WorkflowRunDetails", "Starts a run"},
    {GET, STABLE_TENANT "/task-metrics", rest_task_metrics, REST_SDKS,
        FILTER " parent_task_external_id triggering_event_external_id", "V1TaskRunMetrics",
        "How many runs there are of each status; of the newest 100000"},
    {POST, STABLE_TENANT "/tasks/cancel", rest_cancel, REST_READERS, "", "V1CancelledTasks",
        "Cancels runs, by ids or by a filter"},
    {POST, STABLE_TENANT "/tasks/replay", rest_replay, REST_READERS, "", "V1ReplayedTasks",
        "Runs that have ended go on, by ids or by a filter; a task's id: from it on"},
    {GET, STABLE_TENANT "/events", rest_events, REST_SDKS,
        "keys since until eventIds additionalMetadata workflowIds workflowRunStatuses scopes "
        "limit offset",
        "V1EventList", "Events that were pushed, newest first, and the runs they started"},
    {GET, STABLE_TENANT "/events/{v1-event}", rest_event, REST_SDKS, "", "V1Event",
        "An event, and the runs it has started"},
    {GET, TENANT "/worker", rest_workers, REST_SDKS, "limit offset statuses", "WorkerList",
        "The workers that are registered"},
    {GET, "/api/v1/workers/{worker}", rest_worker, REST_SDKS, "", "Worker", "A worker"},
    {PATCH, "/api/v1/workers/{worker}", rest_worker_patch, REST_SDKS, "", "Worker",
        "Pauses a worker, or resumes it"},
    {GET, TENANT "/workflows", rest_workflows, REST_SDKS, "name limit offset", "WorkflowList",
        "The workflows that are registered"},
    {GET, "/api/v1/workflows/{workflow}", rest_workflow, REST_SDKS, "", "Workflow",
        "A workflow: its newest version's tasks"},
    {GET, "/api/v1/workflows/{workflow}/versions", rest_workflow_version, REST_SDKS, "version",
        "WorkflowVersion", "A version of a workflow; without version the newest"},
    {PATCH, "/api/v1/workflows/{workflow}", rest_workflow_patch, REST_READERS, "", "Workflow",
        "Pauses a workflow, or lets it go on"},
    {DELETE, "/api/v1/workflows/{workflow}", rest_workflow_delete, REST_READERS, "", "Empty",
        "Deletes a workflow: no run of it is started any more"},
    {GET, STABLE "/workflow-runs/{v1-workflow-run}/task-events", rest_run_events, REST_SDKS,
        "limit offset", "V1TaskEventList", "What happened to a run's tasks"},
    {GET, STABLE "/tasks/{task}/task-events", rest_task_events, REST_SDKS, "limit offset",
        "V1TaskEventList", "What happened to a task"},
    {POST, STABLE "/tasks/{task}/restore", rest_restore, REST_READERS, "",
        "V1RestoreTaskResponse", "Brings an evicted durable task back before its wait is over"},
    {POST, STABLE_TENANT "/durable-tasks/branch", rest_branch, REST_READERS, "",
        "V1BranchDurableTaskResponse", "A durable task that has ended goes on from a node"},
    {GET, STABLE "/tasks/{task}/logs", rest_task_logs, REST_SDKS,
        "limit since until search levels order_by_direction attempt", "V1LogLineList",
        "What a task has logged"},
    {GET, STABLE "/tasks/{task}", rest_task, REST_SDKS, "", "V1TaskSummary", "A task of a run"},
};
const size_t REST_ROUTE_COUNT = sizeof(REST_ROUTES) / sizeof(REST_ROUTES[0]);
