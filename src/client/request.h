/*
 * client/request: one request from its call to its answer.
 *
 * Purpose     keeps the encoded frame until the answer is here, so that it can be sent again; says
 *             which requests may be repeated, which belong to a worker, which answer they expect.
 * Ownership   a request belongs to its client from client_submit() until its answer function
 *             has returned for the last time; then the client frees it.
 * States      WAITING -> SENT -> (freed)      an answer, or an error
 *             WAITING -> WATCHING -> (freed)  RunWatch: events until the final one
 *             SENT -> WATCHING                RunStart with `wait`, once started
 *             SENT, WATCHING -> WAITING       the connection broke and it may be repeated
 */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/requests.h"
#include "client/wire.h"

#include "base/list.h"

enum request_state {
	REQUEST_WAITING,
	REQUEST_SENT,
	REQUEST_WATCHING,
};

struct request;

/* envelope NULL: it failed, `error` says why; else error is NULL. Called with the client's lock. */
typedef void request_answer(struct froe_client *client, struct request *request,
    const Froe__Envelope *envelope, const struct froe_error *error);

struct request {
	struct list node; /* in one of the client's lists */
	uint64_t id;
	uint32_t number; /* FROE__ENVELOPE__BODY_* */
	enum request_state state;
	bool repeated;  /* sent more than once: an earlier one may have been executed */
	bool abandoned; /* nobody waits any more: no answer is delivered */
	bool busy;      /* its callback is being made without the lock */
	bool worker;    /* only after the worker is registered on this connection */
	bool waited;    /* a thread waits for it in call_wait() */
	uint64_t sent_ns;
	request_answer *answer; /* NULL: the answer is dropped */
	void *context;
	struct {
		void (*on_started)(void *context, const struct froe_started *started,
		    const struct froe_error *error);
		void (*on_event)(void *context, const struct froe_event *event,
		    const struct froe_error *error);
		struct froe_id run;
		bool changes;
	} run;
	size_t size;
	size_t capacity;
	uint8_t frame[];
};

/* What a kind of request is like. NULL: no request of ours has that number. */
struct request_kind {
	uint32_t number;
	uint32_t answer; /* the body that answers it; BODY__NOT_SET: any number of RunEvent */
	bool repeat;     /* safe to send again when the outcome is unknown */
	bool worker;     /* a request of the worker's; see struct request */
};
const struct request_kind *request_kind(uint32_t number);

/* Under the next number. */
struct request *request_new(struct requests *requests, uint32_t number,
    const ProtobufCMessage *body, request_answer *answer, void *context);
struct request *request_encoded(struct requests *requests, uint32_t number, struct bytes body,
    request_answer *answer, void *context);
/* The body is still to be written, to *ret_body. */
struct request *request_begin(struct requests *requests, uint32_t number, size_t body_size,
    request_answer *answer, void *context, uint8_t **ret_body);
void request_free(struct requests *requests, struct request *request);

/* Turns it into a RunWatch of request->run. */
void request_watch(struct request *request);

#endif
