/*
 * Tokens: made, revoked, and what they allow. A revoked one is remembered: it never comes back.
 */
#include "base/hash.h"
#include "engine/token.h"
#include "sim/world/model_int.h"

#include <inttypes.h>

static struct model_token *
token_find(const struct model *model, uint64_t kid)
{
	for (unsigned i = 0; i < model->token_count; i++) {
		if (model->tokens[i].kid == kid)
			return (struct model_token *)(uintptr_t)&model->tokens[i];
	}
	return NULL;
}

bool
model_token_good(const struct model *model, uint64_t kid)
{
	const struct model_token *token = token_find(model, kid);
	return token != NULL && !token->revoked;
}

bool
model_token_revoked(const struct model *model, uint64_t kid)
{
	const struct model_token *token = token_find(model, kid);
	return token != NULL && token->revoked;
}

void
answer_token(struct model *model)
{
	const struct eng_command *command = model->cause;
	if (command->type == ENG_CMD_TOKEN_CREATE) {
		uint64_t expires_ns = command->token_create.expires_ns;
		if (expires_ns != 0 && expires_ns <= model->now_ns)
			model->answer.err = FROE_INVALID_ARGUMENT;
		else if (model_token_good(model, command->token_create.kid))
			model->answer.err = FROE_ALREADY_EXISTS;
		return;
	}
	const struct model_token *token = token_find(model, command->token_revoke.kid);
	uint64_t scope = bytes_hash(command->token_revoke.scope);
	bool all = bytes_equal(command->token_revoke.scope, bytes_text(ENG_SCOPE_ALL));
	if (token == NULL || token->revoked || (!all && token->scope != scope))
		model->answer.err = FROE_NOT_FOUND;
	if (model->answer.err != FROE_OK)
		judge_mark(model->judge, KIND_TOKEN_REFUSED);
}

static uint64_t
token_hash(uint64_t kid, struct bytes digest, struct bytes name, struct bytes scope,
    struct bytes actor, const uint64_t words[3])
{
	uint64_t parts[] = {kid, bytes_hash(digest), bytes_hash(name), bytes_hash(scope),
	    bytes_hash(actor), words[0], words[1], words[2]};
	return hash64(parts, sizeof(parts), 0);
}

void
on_token_created(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = witness->model->cause;
	struct model *model = witness->model;
	require(witness, caused_by(witness, ENG_CMD_TOKEN_CREATE), "nobody made it");
	require(witness, token_find(model, event->kid) == NULL, "there is such a token");
	require(witness, cause == NULL || (event->kid == cause->token_create.kid &&
	    event->roles == cause->token_create.roles &&
	    event->deadline_ns == cause->token_create.expires_ns &&
	    bytes_equal(event->scope, cause->token_create.scope) &&
	    bytes_equal(event->digest, cause->token_create.digest)), "another token");
	require(witness, model->token_count < MODEL_TOKENS_MAX, "more than were asked for");
	uint64_t words[] = {event->roles, event->deadline_ns, event->time_ns};
	model->tokens[model->token_count++] = (struct model_token){
	    .kid = event->kid,
	    .scope = bytes_hash(event->scope),
	    .all = token_hash(event->kid, event->digest, event->name, event->scope,
	        event->actor, words),
	};
}

void
on_token_revoked(struct witness *witness)
{
	struct model_token *token = token_find(witness->model, witness->event->kid);
	require(witness, caused_by(witness, ENG_CMD_TOKEN_REVOKE), "nobody revoked it");
	require(witness, token != NULL && !token->revoked, "there is no such token");
	token->revoked = true;
}

struct token_count {
	struct model *model;
	unsigned count;
};

static void
token_check(void *context, const struct eng_token_view *view)
{
	struct token_count *count = context;
	const struct model_token *token = token_find(count->model, view->kid);
	uint64_t words[] = {view->roles, view->expires_ns, view->created_ns};
	if (token == NULL || token->revoked)
		judge_fail(count->model->judge, "token %" PRIu64 " is good after it was revoked",
		    view->kid);
	if (token->all != token_hash(view->kid, view->digest, view->name, view->scope,
	                      view->actor, words))
		judge_fail(count->model->judge, "token %" PRIu64 " allows something else",
		    view->kid);
	count->count++;
}

void
model_tokens_check(struct model *model, const struct eng *eng)
{
	struct token_count count = {.model = model};
	unsigned good = 0;
	eng_tokens(eng, token_check, &count);
	for (unsigned i = 0; i < model->token_count; i++) {
		struct eng_token_view view;
		if (eng_token(eng, model->tokens[i].kid, &view) == model->tokens[i].revoked)
			judge_fail(model->judge, "token %" PRIu64 " is %s", model->tokens[i].kid,
			    model->tokens[i].revoked ? "let in after it was revoked" : "gone");
		good += model->tokens[i].revoked ? 0 : 1;
	}
	if (count.count != good)
		judge_fail(model->judge, "%u tokens are listed, %u are good", count.count, good);
}

/* ------------------------------------------------------------------------------------ the audit */

/* Whoever did something privileged stands in its record. What the engine does of its own accord
 * has no actor. */
void
model_audit(const struct witness *witness)
{
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = witness->model->cause;
	enum eng_command_type type;
	switch ((int)event->type) {
	case ENG_EV_TASK_CANCELLED:
		if (event->reason != ENG_REASON_TASK_REQUESTED)
			return; /* with its run, which has its own record */
		type = ENG_CMD_RUN_CANCEL;
		break;
	case ENG_EV_RUN_CANCEL_REQUESTED:
		type = ENG_CMD_RUN_CANCEL;
		break;
	case ENG_EV_WORKER_PAUSED:
	case ENG_EV_WORKER_RESUMED:
		type = ENG_CMD_WORKER_PAUSE;
		break;
	case ENG_EV_APPROVAL_DECIDED:
		type = ENG_CMD_APPROVAL_DECIDE;
		break;
	case ENG_EV_JOB_STARTED:
		type = ENG_CMD_JOB_START;
		break;
	case ENG_EV_JOB_ENDED:
		type = ENG_CMD_JOB_CANCEL;
		break;
	case ENG_EV_TOKEN_CREATED:
		type = ENG_CMD_TOKEN_CREATE;
		break;
	case ENG_EV_TOKEN_REVOKED:
		type = ENG_CMD_TOKEN_REVOKE;
		break;
	default:
		return;
	}
	if (cause == NULL || cause->type != type)
		return;
	if (event->actor.size == 0 || !bytes_equal(event->actor, cause->actor))
		judge_fail(witness->model->judge, "event %d does not say who asked for it",
		    event->type);
	judge_mark(witness->model->judge, KIND_AUDITED);
}
