/*
 * froe/limits: every limit of froe in one place, with its reason.
 *
 * Units       bytes where the name ends in _BYTES, milliseconds in _MS, else a count.
 * See         docs/limits.md
 */
#ifndef FROE_LIMITS_H
#define FROE_LIMITS_H

/* A payload: an input, an output. Hatchet's SDKs send up to 4 MiB. */
#define FROE_PAYLOAD_BYTES_MAX (4u << 20)

/* A native message after the handshake: one payload and what surrounds it, twice over so that a
 * dispatch can carry the input and parents' outputs (the rest is fetched by reference). */
#define FROE_MESSAGE_BYTES_MAX ((6u << 20) + 4096u)

/* A native message before the handshake is done. */
#define FROE_HELLO_BYTES_MAX 4096u

/* Names of tenants, workflows, tasks, actions, workers. */
#define FROE_NAME_BYTES_MAX 255u

/* The text of an error, of a log line, of a cancel's reason. */
#define FROE_ERROR_TEXT_BYTES_MAX 8192u
#define FROE_LOG_LINE_BYTES_MAX 10000u
#define FROE_REASON_BYTES_MAX 1024u

/* A task's id is its run's id plus its index + 1 in the low ten bits. */
#define FROE_WORKFLOW_TASKS_MAX 1000u
#define FROE_TASK_PARENTS_MAX 1000u
#define FROE_DEFINITION_BYTES_MAX (1u << 20)

#define FROE_TASK_RETRIES_MAX 1000000u
#define FROE_BACKOFF_TABLE_MAX 64u
/* Infrastructure retries (a worker lost) are counted apart from the task's own. */
#define FROE_INFRA_RETRIES_MAX 10u

#define FROE_WORKER_SLOTS_MAX 10000u
#define FROE_WORKER_ACTIONS_MAX 1000u

/* Slots have types: so many a worker, so many that one task takes, and so many different
 * combinations that a tenant's tasks take (each is a list of workers to keep in order). What a
 * worker has of all types together, and of slots released early, is at most FROE_WORKER_SLOTS_MAX:
 * that many leases it may hold. */
#define FROE_WORKER_SLOT_TYPES_MAX 8u
#define FROE_TASK_SLOT_TYPES_MAX 4u
#define FROE_TENANT_NEEDS_MAX 256u
#define FROE_SLOT_DEFAULT "default"
/* What a durable task takes one of, if its definition does not say: it may wait for days, and
 * must not keep others from slots. */
#define FROE_SLOT_DURABLE "durable"
#define FROE_DURABLE_SLOTS 1000u

/* What a tenant may make up. Names and definitions are kept for ever, in memory and in each
 * snapshot: a client that puts a time or an id into a name is told so, and costs others nothing.
 * Definitions are counted with all their versions, by their bytes and 256 more a task. */
#define FROE_TENANTS_MAX 16384u
#define FROE_TENANT_WORKFLOWS_MAX 10000u
#define FROE_WORKFLOW_VERSIONS_MAX 10000u
#define FROE_TENANT_DEFINITION_BYTES_MAX (256u << 20)
#define FROE_TENANT_ACTIONS_MAX 65536u
#define FROE_TENANT_SLOT_TYPES_MAX 1024u
/* Those that have not left. */
#define FROE_TENANT_WORKERS_MAX 16384u

/* Records of a run: what happened to it, and lines and chunks that its tasks put. Each has a place
 * in memory (32 bytes) while the run is open. */
#define FROE_RUN_RECORDS_MAX 1000000u

/* Runs that have ended and went on again, whose going on lies in a segment that retention has not
 * done with: it has to know them, in 48 bytes each. */
#define FROE_REOPENED_MAX (1u << 20)

/* Additional metadata of a run: pairs, and what their keys and values take together. It travels
 * with each of the run's tasks and to all its children, so it is for ids and labels. */
#define FROE_METADATA_PAIRS_MAX 64u
#define FROE_METADATA_BYTES_MAX 8192u

/* A durable task's nodes are state for as long as it lives; a wait's conditions too, and what an
 * approver is shown. */
#define FROE_DURABLE_NODES_MAX 10000u
#define FROE_CONDITIONS_MAX 16u
#define FROE_APPROVAL_DATA_BYTES_MAX 4096u
/* Approvals that one task asks for, over all its steps; those of a tenant that are open. */
#define FROE_TASK_APPROVALS_MAX 1000u
#define FROE_TENANT_APPROVALS_MAX 65536u
/* Runs that one RunStartMany starts: all of them, or none, in one step. */
#define FROE_BULK_RUNS_MAX 1000u

/* Children of one task, over all its attempts. */
#define FROE_TASK_CHILDREN_MAX 10000u

/* Idempotency keys that a tenant may have in use: about 200 bytes of memory each. How long one is
 * kept, when nothing else is said, and at most. */
#define FROE_KEYS_MAX (1u << 20)
#define FROE_KEY_TTL_MS 86400000u
#define FROE_KEY_TTL_MS_MAX (366u * 86400000ull)

/* How far ahead a run may be scheduled. */
#define FROE_SCHEDULE_AHEAD_MS_MAX (3660ull * 86400000ull)

#define FROE_PRIORITY_MIN 1u
#define FROE_PRIORITY_MAX 3u

/* Streams: a chunk, and how many of them a run may have. A page holds so much of them. */
#define FROE_STREAM_CHUNK_BYTES_MAX 65536u
#define FROE_STREAM_CHUNKS_MAX 100000u
#define FROE_STREAM_PAGE_BYTES (256u << 10)

/* Requests that one connection may have under way, and runs it may wait for. */
#define FROE_REQUESTS_MAX 4096u
#define FROE_WATCHES_MAX 65536u

/* A page of a listing. */
#define FROE_LIST_MAX 1000u

/* Jobs: changes of all runs that a filter finds. So many of a tenant go on at a time, and so many
 * that have ended are remembered. */
#define FROE_JOBS_MAX 64u
#define FROE_JOBS_ENDED_MAX 256u
#define FROE_JOB_FILTER_BYTES_MAX 16384u
#define FROE_JOB_WAIT_MS_MAX 30000u

/* Rate limits: so many keys of a tenant, for ever. */
#define FROE_TENANT_RATE_LIMITS_MAX 10000u

/* Access. A token lives 90 days unless said otherwise, and a year at most (or for ever). */
#define FROE_TOKENS_MAX 1000u /* so that a list of them is one message */
#define FROE_TOKEN_ACTIONS_MAX 64u
#define FROE_TOKEN_ACTIONS_BYTES_MAX 1024u
#define FROE_TOKEN_MS_DEFAULT (UINT64_C(90) * 86400 * 1000)
#define FROE_TOKEN_MS_MAX (UINT64_C(366) * 86400 * 1000)
/* A token in use that ends within this is warned of. */
#define FROE_TOKEN_WARN_MS (UINT64_C(14) * 86400 * 1000)

#define FROE_HEARTBEAT_MS 4000u
#define FROE_HEARTBEAT_LOST_MS 30000u
#define FROE_RECONNECT_GRACE_MS 5000u
#define FROE_EXECUTION_TIMEOUT_MS 60000u

#endif
