/*
 * Starting runs without waiting, and waiting for their ends.
 */
#include "client/start_int.h"
#include "client/argument.h"
#include "client/view.h"

/* ------------------------------------------------------------------- asynchronous start, watch */

/* The callbacks of a run, made with the lock open. on_started is cleared once it was called. */
static void
run_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct froe_started started;
	struct froe_event event;
	bool start = request->run.on_started != NULL;
	if (envelope != NULL && start)
		started_view(request, envelope->run_started, &started);
	else if (envelope != NULL)
		event_view(envelope->run_event, &event);
	void (*on_started)(void *, const struct froe_started *, const struct froe_error *) =
	    request->run.on_started;
	request->run.on_started = NULL;
	client_unlock(client);
	if (start)
		on_started(request->context, error == NULL ? &started : NULL, error);
	else
		request->run.on_event(request->context, error == NULL ? &event : NULL, error);
	client_lock(client);
}

enum froe_err
froe_run_start_async(struct froe_client *client, const struct froe_run_options *options,
    void (*on_started)(void *context, const struct froe_started *started,
        const struct froe_error *error),
    void (*on_end)(void *context, const struct froe_event *event, const struct froe_error *error),
    void *context, struct froe_error *error)
{
	bool missing = client == NULL || options == NULL || on_started == NULL;
	if (missing && argument_missing(error, "client", client, "options", options, "on_started",
			   on_started != NULL ? "" : NULL, NULL))
		return FROE_INVALID_ARGUMENT;
	struct request *request;
	client_lock(client);
	struct start start = {.options = options, .wait = on_end != NULL};
	enum froe_err err = start_request(client, &start, run_answer, context, &request, error);
	if (err == FROE_OK) {
		request->run.on_started = on_started;
		request->run.on_event = on_end;
		client_submit(client, request);
	}
	client_unlock(client);
	return err;
}

/* With the lock. */
static struct request *
watch_request(struct froe_client *client, const struct froe_id *run, bool changes,
    request_answer *answer, void *context)
{
	Froe__RunWatch empty = FROE__RUN_WATCH__INIT;
	struct request *request = request_new(&client->requests,
	    FROE__ENVELOPE__BODY_RUN_WATCH, &empty.base, answer, context);
	request->run.run = *run;
	request->run.changes = changes;
	request_watch(request);
	return request;
}

enum froe_err
froe_run_watch(struct froe_client *client, struct froe_id run, bool changes,
    void (*on_event)(void *context, const struct froe_event *event, const struct froe_error *error),
    void *context, uint64_t *ret_watch, struct froe_error *error)
{
	if (argument_missing(
		error, "client", client, "on_event", on_event != NULL ? "" : NULL, NULL))
		return FROE_INVALID_ARGUMENT;
	client_lock(client);
	enum froe_err err = call_room(client, 0, error);
	if (err == FROE_OK) {
		struct request *request = watch_request(client, &run, changes, run_answer, context);
		request->run.on_event = on_event;
		if (ret_watch != NULL)
			*ret_watch = request->id;
		client_submit(client, request);
	}
	client_unlock(client);
	return err;
}

/* With the lock: forgets the watch here and at the server. */
static void
watch_end(struct froe_client *client, struct request *request)
{
	Froe__RunUnwatch unwatch = FROE__RUN_UNWATCH__INIT;
	unwatch.has_watch = true;
	unwatch.watch = request->id;
	bool watching = request->state == REQUEST_WATCHING;
	call_abandon(client, request);
	if (!watching || client->stopping)
		return;
	client_submit(client, request_new(&client->requests,
	    FROE__ENVELOPE__BODY_RUN_UNWATCH, &unwatch.base, NULL, NULL));
}

void
froe_run_unwatch(struct froe_client *client, uint64_t watch)
{
	if (client == NULL)
		return;
	client_lock(client);
	struct request *request = requests_find(&client->requests, watch);
	if (request != NULL && request->number == FROE__ENVELOPE__BODY_RUN_WATCH &&
	    !request->abandoned)
		watch_end(client, request);
	client_unlock(client);
}

static void
await_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_event **ret_end = call->result;
	*ret_end = event_copy(envelope->run_event);
}

static void
await_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	if (envelope == NULL || envelope->run_event->final)
		call_answer(client, request, envelope, error);
}

enum froe_err
froe_run_await(struct froe_client *client, struct froe_id run, int timeout_ms,
    struct froe_event **ret_end, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_end", ret_end, NULL))
		return FROE_INVALID_ARGUMENT;
	return run_await(client, run, /* stop= */ NULL, timeout_ms, ret_end, error);
}

enum froe_err
run_await(struct froe_client *client, struct froe_id run, const bool *stop, int timeout_ms,
    struct froe_event **ret_end, struct froe_error *error)
{
	struct froe_event *end = NULL;
	struct call call = {.error = error, .take = await_take, .result = &end};
	client_lock(client);
	enum froe_err err = client_may_wait(client, error);
	if (err == FROE_OK)
		err = call_room(client, 0, error);
	if (err == FROE_OK) {
		struct request *request =
		    watch_request(client, &run, /* changes= */ false, await_answer, &call);
		client_submit(client, request);
		bool ended = client_wait(
		    client, &call.done, stop, client_deadline_ns(timeout_ms));
		if (call.done) {
			err = call.err;
		} else {
			watch_end(client, request);
			err = ended ? error_set(error, FROE_CANCELLED, "the task was cancelled")
			            : error_set(error, FROE_TIMEOUT,
			                  "the run has not ended in time");
		}
	}
	client_unlock(client);
	if (err == FROE_OK)
		*ret_end = end;
	return err;
}
