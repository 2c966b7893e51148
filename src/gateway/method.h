/*
 * gateway/method: Hatchet's methods, one function each.
 *
 * The streams have several (struct grpc_method); the unary ones get a decoded request, answer with
 * call_reply or call_fail, at once or when the shard has.
 */
#ifndef GATEWAY_METHOD_H
#define GATEWAY_METHOD_H

#include "gateway/gateway_int.h"

#include "hatchet/admin.pb-c.h"
#include "hatchet/dispatcher.pb-c.h"
#include "hatchet/durable.pb-c.h"
#include "hatchet/events.pb-c.h"
#include "hatchet/workflow.pb-c.h"

typedef void unary_handle(struct call *call, const ProtobufCMessage *message, struct arena *arena);

/* workflow.c */
unary_handle get_version, put_workflow, put_workflow_legacy;
/* run.c */
unary_handle trigger_workflow, trigger_workflow_run, bulk_trigger_workflow;
/* `within`: before the names of fields at fault. */
enum froe_err run_take(const Hatchet__TriggerWorkflowRequest *from, const char *within,
    struct arena *arena, Froe__RunStart *to, struct froe_fault *fault) FROE_CHECKED;
/* change.c: CancelTasks, ReplayTasks */
unary_handle cancel_tasks, replay_tasks;
/* schedule.c */
unary_handle schedule_workflow, upsert_worker_labels;
/* rate.c */
unary_handle put_rate_limit;
/* task.c */
unary_handle send_step_action_event, refresh_timeout, release_slot;
/* The id of a task, into call->id. False: it is none, and the call is refused. */
bool task_take(struct call *call, const char *text);
/* log.c */
unary_handle put_log;
/* chunk.c */
unary_handle put_stream_event;
/* event.c */
unary_handle push_event, bulk_push_event;
/* details.c */
unary_handle get_run_details;
/* guest.c */
unary_handle register_worker, unsubscribe, heartbeat;

/* listen.c: ListenV2 */
void listen_open(struct grpc_call *grpc);
enum grpc_taken listen_message(struct grpc_call *grpc, struct bytes message);
void listen_writable(struct grpc_call *grpc);
void listen_end(struct grpc_call *grpc, enum grpc_end end);

/* result.c: SubscribeToWorkflowRuns */
void results_open(struct grpc_call *grpc);
enum grpc_taken results_message(struct grpc_call *grpc, struct bytes message);
void results_half_close(struct grpc_call *grpc);
void results_writable(struct grpc_call *grpc);
void results_end(struct grpc_call *grpc, enum grpc_end end);

/* follow.c: SubscribeToWorkflowEvents */
void follow_open(struct grpc_call *grpc);
enum grpc_taken follow_message(struct grpc_call *grpc, struct bytes message);
void follow_writable(struct grpc_call *grpc);
void follow_end(struct grpc_call *grpc, enum grpc_end end);

/* wait.c: RegisterDurableEvent, ListenForDurableEvent */
unary_handle register_durable_event;
void waits_open(struct grpc_call *grpc);
enum grpc_taken waits_message(struct grpc_call *grpc, struct bytes message);
void waits_half_close(struct grpc_call *grpc);
void waits_writable(struct grpc_call *grpc);
void waits_end(struct grpc_call *grpc, enum grpc_end end);

/* branch.c */
unary_handle branch_durable_task;

/* durable.c: DurableTask */
void durable_open(struct grpc_call *grpc);
enum grpc_taken durable_message(struct grpc_call *grpc, struct bytes message);
void durable_half_close(struct grpc_call *grpc);
void durable_writable(struct grpc_call *grpc);
void durable_end(struct grpc_call *grpc, enum grpc_end end);

#endif
