/*
 * api/rest: a request's path, query and body, as they may come from anybody who has a token. The
 * first byte says which method; what follows it up to a line's end is the target, the rest the
 * body. Whatever it is: an answer in JSON, or a command that the shard takes.
 */
#include "fuzz/feed.h"

#include "api/rest_int.h"
#include "base/json.h"
#include "base/mem.h"

struct world {
	struct api_port port;
	uint64_t request; /* of the latest command */
	enum api_op op;
};

static bool
world_post(struct api_port *port, const struct api_command *command)
{
	struct world *w = (struct world *)port;
	struct api_command *copy = api_command_clone(command);
	w->request = command->origin.request;
	w->op = command->op;
	mem_free(copy);
	return true;
}

static void
check_answer(const struct rest_answer *answer)
{
	froe_assert(answer->status >= 200 && answer->status < 600);
	froe_assert(json_valid(answer->body.data, answer->body.size, NULL));
}

static void
answer(struct world *w, struct rest *rest, uint32_t number, const ProtobufCMessage *message)
{
	struct api_effect effect = {
	    .request = w->request, .number = number, .message = message, .roles = ENG_ROLES_ALL};
	rest_deliver(rest, &effect);
}

/* Whatever it asks for is refused, or not found: so it ends. */
static void
run(struct world *w, struct rest *rest)
{
	struct rest_answer done;
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	Froe__Error error = FROE__ERROR__INIT;
	char tenant[] = "t";
	welcome.tenant = tenant;
	error.code = FROE_NOT_FOUND;
	for (int i = 0; !rest_done(rest, &done); i++) {
		froe_assert(i < 100000);
		w->request = 0;
		rest_step(rest);
		if (w->op == API_OP_OPEN && w->request != 0)
			answer(w, rest, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
		else if (w->request != 0)
			answer(w, rest, FROE__ENVELOPE__BODY_ERROR, &error.base);
	}
	check_answer(&done);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const atomic_bool ready = true;
	struct world w = {.port.post = world_post};
	struct rest rest;
	struct http_request request = {.keep_alive = true};
	if (size == 0)
		return 0;
	const uint8_t *end = memchr(data, '\n', size);
	const uint8_t *target_end = end != NULL ? end : data + size;
	const uint8_t *mark = memchr(data, '?', (size_t)(target_end - data));
	const uint8_t *path_end = mark != NULL ? mark : target_end;
	request.method = (enum http_method)(data[0] % (HTTP_METHOD_OTHER + 1));
	if (path_end > data + 1)
		request.path = bytes_of(data + 1, (size_t)(path_end - data - 1));
	if (mark != NULL)
		request.query = bytes_of(mark + 1, (size_t)(target_end - mark - 1));
	if (end != NULL)
		request.body = bytes_of(end + 1, (size_t)(data + size - end - 1));
	request.authorization = bytes_text("Bearer x");
	rest_open(&rest, &w.port, &ready, 1);
	rest_begin(&rest, &request);
	run(&w, &rest);
	rest_end(&rest);
	froe_assert(rest_close(&rest));
	rest_release(&rest);
	return 0;
}
