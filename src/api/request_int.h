/*
 * api/request_int: the parts of requests that several of the folder's files judge.
 */
#ifndef API_REQUEST_INT_H
#define API_REQUEST_INT_H

#include "api/request.h"

struct bytes text_of(const char *text); /* empty for NULL */
enum froe_err take_name(const char *text, const char *field, bool required, struct bytes *ret_name,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_tenant(
    const char *text, struct bytes *ret_tenant, struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_text(const char *text, const char *field, size_t size_max,
    struct bytes *ret_text, struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_wire_uuid(protobuf_c_boolean present, ProtobufCBinaryData data,
    const char *field, struct uuid *ret_id, struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_run(protobuf_c_boolean present, ProtobufCBinaryData data, struct uuid *ret_id,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_metadata(Froe__Pair *const *pairs, size_t count, struct arena *arena,
    struct eng_start *start, struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_payload(protobuf_c_boolean present, ProtobufCBinaryData data, const char *field,
    struct bytes *ret_payload, struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_start(const Froe__RunStart *wire, struct arena *arena, struct eng_start *start,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_fence(protobuf_c_boolean has_task, ProtobufCBinaryData task, uint64_t lease,
    struct eng_fence *ret_fence, struct froe_fault *fault) FROE_CHECKED;
enum froe_err take_task(protobuf_c_boolean present, ProtobufCBinaryData data, const char *field,
    struct uuid *ret_id, struct froe_fault *fault) FROE_CHECKED;
/* Rows of a page; 0: `rows`. */
enum froe_err take_limit(uint32_t limit, uint32_t rows, uint32_t *ret_limit,
    struct froe_fault *fault) FROE_CHECKED;
struct eng_command *engine_command(struct api_command *command, enum eng_command_type type);

/* request_list.c */
enum froe_err decode_run_list(const Froe__RunList *list, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_event_list(const Froe__EventList *list, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_event_get(
    const Froe__EventGet *get, struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_workflow_list(const Froe__WorkflowList *list, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_workflow_get(const Froe__WorkflowGet *get, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_approval_list(const Froe__ApprovalList *list, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;

enum froe_err decode_rate_list(const Froe__RateLimitList *list, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_rate_put(const Froe__RateLimitPut *put, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;

/* request_workflow.c */
enum froe_err decode_workflow_pause(const Froe__WorkflowPause *pause, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_workflow_delete(const Froe__WorkflowDelete *from, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;

/* request_durable.c */
enum froe_err decode_durable_step(const Froe__DurableStep *step, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_evict(const Froe__TaskEvict *evict, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_restore(const Froe__TaskRestore *restore, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_event_push(const Froe__EventPush *push, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_approval_decide(const Froe__ApprovalDecide *decide,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;

/* request_job.c */
enum froe_err decode_cancel_many(const Froe__RunCancelMany *from, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_replay_many(const Froe__RunReplayMany *from, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_job_get(
    const Froe__JobGet *get, struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_job_list(
    const Froe__JobList *list, struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_job_cancel(const Froe__JobCancel *cancel, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;

/* request_worker.c */
enum froe_err decode_worker_register(const Froe__WorkerRegister *worker, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_worker_list(const Froe__WorkerList *list, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_worker_get(
    const Froe__WorkerGet *get, struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_worker_pause(const Froe__WorkerPause *pause, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;

/* request_token.c */
enum froe_err decode_token_create(const Froe__TokenCreate *create, struct arena *arena,
    struct api_command *command, struct froe_fault *fault) FROE_CHECKED;
enum froe_err decode_token_revoke(const Froe__TokenRevoke *revoke, struct api_command *command,
    struct froe_fault *fault) FROE_CHECKED;

#endif
