/*
 * gateway/durable: DurableTask, the stream over which a worker's durable tasks take their steps.
 *
 * Purpose     A request is a step of a durable task (api/request's DurableStep) and is acknowledged
 *             as soon as that is durable; what it came to follows, in its turn. A task's invocation
 *             is its lease: whoever says another one has been overtaken.
 * Ownership   the call has the stream; a stream its queries. Courses outlive streams.
 * Failure     what is wrong with one task's request is told as its error; only a message that makes
 *             no sense ends the stream.
 */
#ifndef GATEWAY_DURABLE_H
#define GATEWAY_DURABLE_H

#include "gateway/course.h"
#include "gateway/gateway_int.h"

#include "hatchet/durable.pb-c.h"

/* All nodes are on one branch: a branch is a run that was replayed. */
#define DURABLE_BRANCH 1

struct durable {
	struct seat seat; /* first */
	struct gateway *gateway;
	struct grpc_call *grpc; /* NULL: gone */
	struct list courses;
	struct list queries;
	uint32_t query_count;
	struct list early;   /* messages, until the seat is open */
	struct list parcels; /* that wait for room */
	bool registered;
	bool seated;
};

/* A question of the shard. What it is about may be gone when the answer comes. */
struct query {
	struct list link;
	struct durable *stream;
	struct uuid task;
	struct uuid said;
	uint32_t invocation;
	uint32_t node;
	uint32_t count; /* of runs to start */
	uint32_t left;  /* of them, without an answer */
	bool lost;      /* EVICT: nobody knows the invocation's course any more */
	struct uuid *runs; /* nil: not started */
	struct froe_fault fault;
};

/* An invocation that a message is about. */
struct named {
	struct uuid task;
	struct uuid said;
	uint32_t invocation;
};

/* durable.c */
struct query *query_new(struct durable *stream, const struct named *named, uint32_t node);
void query_free(struct query *query);
/* NULL: the invocation is over. */
struct course *query_course(const struct query *query);
/* Asks about the lease that the query names; a fault is told as an answer would be. */
bool query_ask(struct query *query, Froe__Envelope *envelope, struct ask_options *options,
    struct arena *arena, struct froe_fault *fault) FROE_CHECKED;
void durable_send(struct durable *stream, const Hatchet__DurableTaskResponse *response);
Hatchet__DurableEventLogEntryRef *durable_ref(
    const struct named *named, uint32_t node, struct arena *arena);
/* The invocation has been overtaken, did not take the steps it took before, or something else is
 * wrong with what it wants. */
void durable_fail(struct durable *stream, const struct named *named, uint32_t node,
    const struct froe_fault *fault);
/* Nobody knows how far it has come: it begins anew, from its log. */
void durable_lose(struct durable *stream, const struct named *named, struct arena *arena);

/* stride.c: requests that are steps */
void stride_memo(struct course *course, const Hatchet__DurableTaskMemoRequest *request,
    struct arena *arena);
void stride_complete(struct course *course, uint64_t node,
    const Hatchet__DurableTaskCompleteMemoRequest *request, struct arena *arena);
void stride_wait(struct course *course, const Hatchet__DurableTaskWaitForRequest *request,
    struct arena *arena);
void stride_runs(struct course *course, const Hatchet__DurableTaskTriggerRunsRequest *request,
    struct arena *arena);

/* outcome.c: what steps came to */
/* Is there a result? */
void outcome_ask(struct course *course, struct entry *entry, struct arena *arena);
/* Something of it is known. `done` may have the result itself. */
void outcome_know(struct course *course, struct entry *entry, const Froe__NodeDone *done,
    struct arena *arena);
/* The same, to be told later. */
void outcome_note(struct course *course, struct entry *entry, const Froe__NodeDone *done);
/* Tells whatever is due. */
void outcome_pump(struct course *course);
void outcome_turn(struct gateway *gateway, uint64_t now_ns);
uint64_t outcome_due_ns(const struct gateway *gateway); /* UINT64_MAX: nothing is held back */
/* It has been told, and is still waited for: again. */
void outcome_repeat(struct course *course, struct entry *entry, struct arena *arena);
/* The shard says so, to the worker that holds the task. */
void outcome_node_done(struct gateway *gateway, const Froe__NodeDone *done, struct arena *arena);
/* A worker is back: results that came meanwhile were not told. */
void outcome_ask_again(struct course *course, struct arena *arena);

#endif
