#include "client/call_int.h"

enum froe_err
call_room(const struct froe_client *client, size_t payload_size, struct froe_error *error)
{
	if (client->stopping)
		return error_set(error, FROE_CLOSED, "the client is being closed");
	if (client->requests.count >= CLIENT_REQUESTS_MAX) {
		return error_set(error, FROE_RESOURCE_EXHAUSTED,
		    "%u requests and watches are under way: wait for some of them",
		    CLIENT_REQUESTS_MAX);
	}
	if (payload_size > FROE_PAYLOAD_BYTES_MAX) {
		return error_set(error, FROE_TOO_LARGE,
		    "a payload of %zu bytes is over the limit of %u", payload_size,
		    FROE_PAYLOAD_BYTES_MAX);
	}
	return FROE_OK;
}

void
call_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct call *call = request->context;
	if (error != NULL)
		call->err = error_copy(call->error, error);
	else if (call->take != NULL)
		call->take(call, envelope);
	call->done = true;
	client_notify(client, &call->done);
}

void
call_abandon(struct froe_client *client, struct request *request)
{
	request->abandoned = true;
	if (request->state == REQUEST_SENT || request->busy)
		return;
	client_forget(client, request);
	request_free(&client->requests, request);
}

enum froe_err
call_wait(struct froe_client *client, struct call *call, struct request *request,
    uint64_t deadline_ns)
{
	request->waited = true;
	client_submit(client, request);
	if (client_wait(client, &call->done, /* stop= */ NULL, deadline_ns))
		return call->err;
	bool waiting = request->state == REQUEST_WAITING && !request->repeated;
	call_abandon(client, request);
	if (waiting) {
		return error_set(call->error, FROE_TIMEOUT,
		    "no connection to %s in time: the request was not sent", client->address);
	}
	return error_set(call->error, FROE_TIMEOUT,
	    "no answer from %s in time: the outcome is unknown", client->address);
}

enum froe_err
call_make(struct froe_client *client, struct call *call, uint32_t number,
    const ProtobufCMessage *body, int timeout_ms)
{
	client_lock(client);
	enum froe_err err = client_may_wait(client, call->error);
	if (err == FROE_OK)
		err = call_room(client, 0, call->error);
	if (err == FROE_OK) {
		struct request *request = request_new(&client->requests, number, body,
		    call_answer, call);
		err = call_wait(client, call, request, client_deadline_ns(timeout_ms));
	}
	client_unlock(client);
	return err;
}
