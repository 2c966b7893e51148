/*
 * api/request: a client's message as a command.
 *
 * Purpose     The one place where what clients send is judged: sizes against froe/limits.h, ids,
 *             names, payloads. What a definition means is the engine's to judge, who may do what
 *             the shard's.
 * Ownership   the command borrows from the envelope and the arena.
 * Failure     CLIENT and LIMIT codes with the field at fault, relative to the message's body
 *             (to the definition for WorkflowPut), and advice. FROE_PROTOCOL: a body that is not a
 *             client's to send here; the connection is to be closed.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/port.h"
#include "base/arena.h"

#include "proto/native.pb-c.h"

#define REQUEST_PROTOCOL_VERSION 1u
#define REQUEST_PING_BYTES_MAX 64u
#define REQUEST_TOKEN_BYTES_MAX 1024u

/* Of RunList. */
#define REQUEST_LIST_DEFAULT 50u
/* Of WorkflowList. */
#define REQUEST_WORKFLOWS_DEFAULT 100u
/* Of ApprovalList. */
#define REQUEST_APPROVALS_DEFAULT 100u
/* Of JobList. */
#define REQUEST_JOBS_DEFAULT 50u

/* Hello -> API_OP_OPEN, without an origin. */
enum froe_err request_hello(const Froe__Hello *hello, struct api_command *ret_command,
    struct froe_fault *fault) FROE_CHECKED;

/* Everything a client may ask once it is welcome, except Ping, Pong and Credit; without an
 * origin. */
enum froe_err request_decode(const Froe__Envelope *envelope, struct arena *arena,
    struct api_command *ret_command, struct froe_fault *fault) FROE_CHECKED;

/* What of a job's filter is asked of the index, as a RunList would be: `packed` is what JOB_STARTED
 * keeps, a RunList. FROE_CORRUPT: it is none. */
enum froe_err request_filter(struct bytes packed, enum eng_job_kind kind, struct arena *arena,
    struct api_command *ret_list, struct froe_fault *fault) FROE_CHECKED;

/* The most bytes that the answer to this command may need; 0: it has no single answer (a watch). */
size_t request_answer_bytes_max(const struct api_command *command);

#endif
