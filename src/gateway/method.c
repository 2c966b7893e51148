#include "gateway/method.h"

/* A unary method: its request, and who handles it. */
#define UNARY(path_text, request_name, function)                                                   \
	{                                                                                          \
		.path = path_text, .kind = GRPC_UNARY, .open = call_open, .message = call_message, \
		.close = call_close,                                                               \
		.own = &(const struct unary){&hatchet__##request_name##__descriptor, function}     \
	}

static const struct grpc_method METHODS[] = {
    UNARY("/Dispatcher/GetVersion", get_version_request, get_version),
    UNARY("/v1.AdminService/PutWorkflow", create_workflow_version_request, put_workflow),
    UNARY("/Dispatcher/Register", worker_register_request, register_worker),
    UNARY("/Dispatcher/Heartbeat", heartbeat_request, heartbeat),
    UNARY("/Dispatcher/Unsubscribe", worker_unsubscribe_request, unsubscribe),
    UNARY("/Dispatcher/SendStepActionEvent", step_action_event, send_step_action_event),
    UNARY("/WorkflowService/TriggerWorkflow", trigger_workflow_request, trigger_workflow),
    UNARY("/WorkflowService/BulkTriggerWorkflow", bulk_trigger_workflow_request,
        bulk_trigger_workflow),
    UNARY("/Dispatcher/RefreshTimeout", refresh_timeout_request, refresh_timeout),
    UNARY("/Dispatcher/ReleaseSlot", release_slot_request, release_slot),
    UNARY("/EventsService/PutLog", put_log_request, put_log),
    UNARY("/EventsService/PutStreamEvent", put_stream_event_request, put_stream_event),
    UNARY("/EventsService/Push", push_event_request, push_event),
    UNARY("/EventsService/BulkPush", bulk_push_event_request, bulk_push_event),
    UNARY("/v1.AdminService/GetRunDetails", get_run_details_request, get_run_details),
    UNARY("/v1.V1Dispatcher/RegisterDurableEvent", register_durable_event_request,
        register_durable_event),
    UNARY("/v1.AdminService/TriggerWorkflowRun", trigger_workflow_run_request,
        trigger_workflow_run),
    UNARY("/v1.AdminService/CancelTasks", cancel_tasks_request, cancel_tasks),
    UNARY("/v1.AdminService/ReplayTasks", replay_tasks_request, replay_tasks),
    UNARY("/v1.AdminService/BranchDurableTask", branch_durable_task_request,
        branch_durable_task),
    UNARY("/WorkflowService/ScheduleWorkflow", schedule_workflow_request, schedule_workflow),
    UNARY("/WorkflowService/PutRateLimit", put_rate_limit_request, put_rate_limit),
    UNARY("/WorkflowService/PutWorkflow", put_workflow_request, put_workflow_legacy),
    UNARY("/Dispatcher/UpsertWorkerLabels", upsert_worker_labels_request, upsert_worker_labels),
    {
        .path = "/Dispatcher/ListenV2",
        .kind = GRPC_SERVER_STREAM,
        .open = listen_open,
        .message = listen_message,
        .writable = listen_writable,
        .close = listen_end,
    },
    {
        .path = "/Dispatcher/Listen",
        .kind = GRPC_SERVER_STREAM,
        .open = listen_open,
        .message = listen_message,
        .writable = listen_writable,
        .close = listen_end,
    },
    {
        .path = "/Dispatcher/SubscribeToWorkflowEvents",
        .kind = GRPC_SERVER_STREAM,
        .open = follow_open,
        .message = follow_message,
        .writable = follow_writable,
        .close = follow_end,
    },
    {
        .path = "/Dispatcher/SubscribeToWorkflowRuns",
        .kind = GRPC_BIDI,
        .open = results_open,
        .message = results_message,
        .half_close = results_half_close,
        .writable = results_writable,
        .close = results_end,
    },
    {
        .path = "/v1.V1Dispatcher/ListenForDurableEvent",
        .kind = GRPC_BIDI,
        .open = waits_open,
        .message = waits_message,
        .half_close = waits_half_close,
        .writable = waits_writable,
        .close = waits_end,
    },
    {
        .path = "/v1.V1Dispatcher/DurableTask",
        .kind = GRPC_BIDI,
        .open = durable_open,
        .message = durable_message,
        .half_close = durable_half_close,
        .writable = durable_writable,
        .close = durable_end,
    },
};

const struct grpc_methods GATEWAY_METHODS = {METHODS, sizeof(METHODS) / sizeof(METHODS[0])};

const struct unary *
unary_of(const struct grpc_call *grpc)
{
	const struct unary *unary = grpc_call_method(grpc)->own;
	froe_assert(unary != NULL);
	return unary;
}
