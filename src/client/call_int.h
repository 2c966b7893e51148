/*
 * client/call_int: one request made and waited for.
 *
 * Ownership   a struct call lives on the waiting thread's stack; `take` runs on the stepper, with
 *             the lock, while that thread waits.
 */
#ifndef CLIENT_CALL_INT_H
#define CLIENT_CALL_INT_H

#include "base/arena.h"
#include "client/client_int.h"

struct call {
	bool done;
	enum froe_err err;
	struct froe_error *error; /* filled on failure; may be NULL */
	/* NULL: success is enough. */
	void (*take)(struct call *call, const Froe__Envelope *envelope);
	void *result;
};

/* Without the lock. */
enum froe_err call_make(struct froe_client *client, struct call *call, uint32_t number,
    const ProtobufCMessage *body, int timeout_ms);

/* With the lock; the request was made with call_answer and the call as its context. */
enum froe_err call_wait(struct froe_client *client, struct call *call, struct request *request,
    uint64_t deadline_ns);
request_answer call_answer;

/* froe_run_await that also ends, with FROE_CANCELLED, once *stop (may be NULL) is true. */
enum froe_err run_await(struct froe_client *client, struct froe_id run, const bool *stop,
    int timeout_ms, struct froe_event **ret_end, struct froe_error *error);

/* A filter as it is sent; what it points to lies in the arena. */
void list_fill(const struct froe_list_options *options, struct arena *arena, Froe__RunList *list);

/* Nobody waits for it any more. What was sent stays known until its answer comes. */
void call_abandon(struct froe_client *client, struct request *request);

/* FROE_RESOURCE_EXHAUSTED, FROE_CLOSED or FROE_TOO_LARGE: a request cannot be taken on now. */
enum froe_err call_room(const struct froe_client *client, size_t payload_size,
    struct froe_error *error);

#endif
