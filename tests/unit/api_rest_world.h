/*
 * api_rest_world: conversations with the REST side of an HTTP session: what is asked of the shard,
 * and what becomes of its answers.
 */
#ifndef API_REST_WORLD_H
#define API_REST_WORLD_H

#include "api_http_world.h"

#include "api/alias.h"
#include "api/jwt.h"
#include "api/rest_int.h"
#include "base/json.h"

/* What the client has read since the last call: its body, which must be JSON. */
static const char *
heard(struct world *w, unsigned status)
{
	const char *text = heard_text(w);
	if (strlen(text) < 12 || (unsigned)atoi(text + 9) != status)
		fail_msg("not %u: %s", status, text);
	const char *body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	assert_true(json_valid(body + 4, strlen(body + 4), NULL));
	return text;
}

static void
expect(struct world *w, unsigned status, const char *part)
{
	const char *text = heard(w, status);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in %s", part, text);
}

/* The next command; it must be this one. */
static const struct api_command *
asked(struct world *w, enum api_op op)
{
	settle(w);
	if (w->seen == w->count)
		fail_msg("nothing was asked, not %d", (int)op);
	const struct api_command *command = w->posted[w->seen++];
	assert_int_equal(command->op, op);
	assert_int_equal(command->origin.conn, HANDLE);
	return command;
}

static void
answer(struct world *w, const struct api_command *command, uint32_t number, const void *message,
    uint32_t roles)
{
	struct api_effect effect = {
	    .conn = HANDLE,
	    .request = command->origin.request,
	    .number = number,
	    .roles = roles,
	};
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = mem_alloc(size + 1);
	effect.packed = bytes_of(packed, protobuf_c_message_pack(message, packed));
	http_api_deliver(&w->http, &effect);
	mem_free(packed);
	settle(w);
}

static void
answer_error(struct world *w, const struct api_command *command, enum froe_err err)
{
	Froe__Error error = FROE__ERROR__INIT;
	char text[] = "why", field[] = "where";
	error.has_code = true;
	error.code = (uint32_t)err;
	error.field = field;
	error.text = text;
	answer(w, command, FROE__ENVELOPE__BODY_ERROR, &error, 0);
}

static void
welcome(struct world *w, uint32_t roles)
{
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	char tenant[] = "acme";
	welcome.tenant = tenant;
	answer(w, asked(w, API_OP_OPEN), FROE__ENVELOPE__BODY_WELCOME, &welcome, roles);
}

#define TOKEN "Authorization: Bearer abc\r\n"
#define ASK(method, path, more) method " " path " HTTP/1.1\r\nHost: a\r\n" TOKEN more "\r\n"
#define RUN "01a1ff63-efd9-789d-aaff-478e97291800"
#define DETAILS "/api/v1/stable/workflow-runs/" RUN

/* A run of two tasks: the second waits for the first, which has failed once and been evicted. */
struct sample {
	Froe__RunView view;
	Froe__TaskView tasks[2], *task_list[2];
	Froe__AttemptView attempts[2], *attempt_list[2];
	Froe__Pair pair, *pairs[1];
	char *parents[1];
	struct uuid run;
};

static ProtobufCBinaryData
binary(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static char first_name[] = "first", second_name[] = "second", workflow_name[] = "flow";
static char error_text[] = "a \"quote\"\n", outcome_failed[] = "failed", pair_key[] = "k",
	    pair_value[] = "v";

static void
sample_init(struct sample *s)
{
	*s = (struct sample){0};
	assert_true(uuid_parse(RUN, 36, &s->run));
	froe__run_view__init(&s->view);
	for (int i = 0; i < 2; i++) {
		froe__task_view__init(&s->tasks[i]);
		froe__attempt_view__init(&s->attempts[i]);
		s->task_list[i] = &s->tasks[i];
		s->attempt_list[i] = &s->attempts[i];
		s->attempts[i].has_attempt = true;
		s->attempts[i].attempt = (uint32_t)i + 1;
		s->attempts[i].has_assigned_ns = true;
		s->attempts[i].assigned_ns = UINT64_C(1767225600123456789);
	}
	s->attempts[0].has_finished_ns = s->attempts[0].has_status = true;
	s->attempts[0].finished_ns = UINT64_C(1767225601123456789);
	s->attempts[0].status = FROE__RUN_STATUS__FAILED;
	s->attempts[0].outcome = outcome_failed;
	s->attempts[0].error = error_text;
	s->tasks[0].name = first_name;
	s->tasks[0].n_attempts = 2;
	s->tasks[0].attempts = s->attempt_list;
	s->tasks[0].has_status = s->tasks[0].has_queued_ns = true;
	s->tasks[0].queued_ns = UINT64_C(1767225600000000000);
	s->tasks[0].status = FROE__RUN_STATUS__EVICTED;
	s->tasks[1].name = second_name;
	s->parents[0] = first_name;
	s->tasks[1].parents = s->parents;
	s->tasks[1].n_parents = 1;
	froe__pair__init(&s->pair);
	s->pair.key = pair_key;
	s->pair.value = pair_value;
	s->pairs[0] = &s->pair;
	s->view.has_run = s->view.has_number = s->view.has_version = s->view.has_status = true;
	s->view.run = (ProtobufCBinaryData){16, s->run.bytes};
	s->view.number = 7;
	s->view.version = 3;
	s->view.workflow = workflow_name;
	s->view.status = FROE__RUN_STATUS__RUNNING;
	s->view.has_created_ns = true;
	s->view.created_ns = UINT64_C(1767225600000000000);
	s->view.has_input = true;
	s->view.input = binary(" [1,2.50, 12345678901234567890]");
	s->view.n_tasks = 2;
	s->view.tasks = s->task_list;
	s->view.n_metadata = 1;
	s->view.metadata = s->pairs;
}

static void
answer_run(struct world *w, const struct api_command *get)
{
	struct sample sample;
	sample_init(&sample);
	sample.run = get->run.run;
	answer(w, get, FROE__ENVELOPE__BODY_RUN_VIEW, &sample.view, 0);
}

#endif
