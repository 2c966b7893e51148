/*
 * client/start_int: triggers as requests.
 *
 * Purpose     A run's id is minted here, which is what makes a trigger safe to repeat after a lost
 *             connection: see session.c, answer_repeated().
 * Ownership   a struct start borrows until start_request() has encoded it.
 */
#ifndef CLIENT_START_INT_H
#define CLIENT_START_INT_H

#include "client/call_int.h"

struct start {
	const struct froe_run_options *options;
	bool wait;
	const struct froe_task *parent; /* NULL: none */
	const char *child_key;          /* NULL: by the index */
	uint32_t child_index;
};

/* What a caller gave, before anything of it is read. */
enum froe_err start_check(const struct froe_run_options *options, struct froe_error *error);

/* Appends a RunStart's body. id NULL: the server finds one. */
void start_put(struct buf *to, const struct start *start, const struct froe_id *id);

/* With the lock. */
enum froe_err start_request(struct froe_client *client, const struct start *start,
    request_answer *answer, void *context, struct request **ret_request, struct froe_error *error);

/* What RunStarted says; the request then is about the run that it names. */
void started_view(struct request *request, const Froe__RunStarted *wire,
    struct froe_started *ret_started);

/* Without the lock: one; up to FROE_BULK_RUNS_MAX together, whole or nothing. */
enum froe_err start_one(struct froe_client *client, const struct start *start, int timeout_ms,
    struct froe_started *ret_started, struct froe_error *error);
enum froe_err start_many(struct froe_client *client, const struct start *starts, size_t count,
    int timeout_ms, struct froe_started *ret_started, struct froe_error *error);

#endif
