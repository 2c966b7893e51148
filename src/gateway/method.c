#include "gateway/method.h"

/* One row a method; unary ones stand first, in both tables. */
#define UNARY(path_text)                                                                           \
	{                                                                                          \
		.path = path_text, .kind = GRPC_UNARY, .open = call_open, .message = call_message, \
		.close = call_close                                                                \
	}

static const struct grpc_method METHODS[] = {
    UNARY("/Dispatcher/GetVersion"),
    UNARY("/v1.AdminService/PutWorkflow"),
    UNARY("/Dispatcher/Register"),
    UNARY("/Dispatcher/Heartbeat"),
    UNARY("/Dispatcher/Unsubscribe"),
    UNARY("/Dispatcher/SendStepActionEvent"),
    UNARY("/WorkflowService/TriggerWorkflow"),
    UNARY("/WorkflowService/BulkTriggerWorkflow"),
    UNARY("/Dispatcher/RefreshTimeout"),
    UNARY("/Dispatcher/ReleaseSlot"),
    UNARY("/EventsService/PutLog"),
    UNARY("/EventsService/PutStreamEvent"),
    UNARY("/EventsService/Push"),
    UNARY("/EventsService/BulkPush"),
    UNARY("/v1.AdminService/GetRunDetails"),
    UNARY("/v1.V1Dispatcher/RegisterDurableEvent"),
    UNARY("/v1.AdminService/TriggerWorkflowRun"),
    UNARY("/v1.AdminService/CancelTasks"),
    UNARY("/v1.AdminService/ReplayTasks"),
    UNARY("/WorkflowService/ScheduleWorkflow"),
    UNARY("/WorkflowService/PutRateLimit"),
    UNARY("/Dispatcher/UpsertWorkerLabels"),
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
};

static const struct unary UNARIES[] = {
    {&hatchet__get_version_request__descriptor, get_version},
    {&hatchet__create_workflow_version_request__descriptor, put_workflow},
    {&hatchet__worker_register_request__descriptor, register_worker},
    {&hatchet__heartbeat_request__descriptor, heartbeat},
    {&hatchet__worker_unsubscribe_request__descriptor, unsubscribe},
    {&hatchet__step_action_event__descriptor, send_step_action_event},
    {&hatchet__trigger_workflow_request__descriptor, trigger_workflow},
    {&hatchet__bulk_trigger_workflow_request__descriptor, bulk_trigger_workflow},
    {&hatchet__refresh_timeout_request__descriptor, refresh_timeout},
    {&hatchet__release_slot_request__descriptor, release_slot},
    {&hatchet__put_log_request__descriptor, put_log},
    {&hatchet__put_stream_event_request__descriptor, put_stream_event},
    {&hatchet__push_event_request__descriptor, push_event},
    {&hatchet__bulk_push_event_request__descriptor, bulk_push_event},
    {&hatchet__get_run_details_request__descriptor, get_run_details},
    {&hatchet__register_durable_event_request__descriptor, register_durable_event},
    {&hatchet__trigger_workflow_run_request__descriptor, trigger_workflow_run},
    {&hatchet__cancel_tasks_request__descriptor, change_tasks},
    {&hatchet__replay_tasks_request__descriptor, change_tasks},
    {&hatchet__schedule_workflow_request__descriptor, schedule_workflow},
    {&hatchet__put_rate_limit_request__descriptor, put_rate_limit},
    {&hatchet__upsert_worker_labels_request__descriptor, upsert_worker_labels},
};

const struct grpc_methods GATEWAY_METHODS = {METHODS, sizeof(METHODS) / sizeof(METHODS[0])};

const struct unary *
unary_of(const struct grpc_call *grpc)
{
	size_t at = (size_t)(grpc_call_method(grpc) - METHODS);
	froe_assert(at < sizeof(UNARIES) / sizeof(UNARIES[0]));
	return &UNARIES[at];
}
