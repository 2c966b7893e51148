/*
 * engine/decide_token: tokens made and revoked, and what may be asked about them.
 *
 * The engine never sees a token: who asks for one to be made brings its number and digest, and who
 * wants in is judged outside, against the digest that eng_token() tells.
 */
#include "engine/engine_int.h"

#include "base/plant.h"

bool
eng_scope_covers(struct bytes scope, struct bytes other)
{
	return bytes_equal(scope, bytes_text(ENG_SCOPE_ALL)) || bytes_equal(scope, other);
}

static bool
pattern_allows(struct bytes pattern, struct bytes action)
{
	size_t size = pattern.size;
	if (size == 0 || pattern.data[size - 1] != '*')
		return bytes_equal(pattern, action);
	return action.size >= size - 1 && (size == 1 ||
	    memcmp(action.data, pattern.data, size - 1) == 0);
}

bool
eng_actions_allow(const struct bytes *patterns, uint32_t count, struct bytes action)
{
	for (uint32_t i = 0; i < count; i++) {
		if (pattern_allows(patterns[i], action))
			return true;
	}
	return count == 0;
}

bool
eng_token(const struct eng *eng, uint64_t kid, struct eng_token_view *ret_view)
{
	const struct eng_token *token = map_get_u64(&eng->tokens_by_kid, kid);
	if (token != NULL)
		*ret_view = token->view;
	return token != NULL;
}

void
eng_tokens(const struct eng *eng,
    void (*each)(void *context, const struct eng_token_view *view), void *context)
{
	struct list *at;
	list_for_each(at, &eng->tokens)
		each(context, &container_of(at, struct eng_token, link)->view);
}

/* False: answered with what is wrong. */
static bool
token_usable(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	if (command->token_create.name.size == 0 ||
	    command->token_create.name.size > FROE_NAME_BYTES_MAX)
		reply_fault(turn, FROE_INVALID_ARGUMENT, "name", "a token's name is 1 to %u bytes",
		    FROE_NAME_BYTES_MAX);
	else if (command->token_create.roles == 0 ||
	    (command->token_create.roles & ~ENG_ROLES_ALL) != 0)
		reply_fault(turn, FROE_INVALID_ARGUMENT, "roles",
		    "a token has one or several of the roles admin, client, worker, operator");
	else if (command->token_create.action_count > FROE_TOKEN_ACTIONS_MAX)
		reply_fault(turn, FROE_TOO_LARGE, "actions", "a token has at most %u patterns",
		    FROE_TOKEN_ACTIONS_MAX);
	else if (command->token_create.expires_ns != 0 &&
	    command->token_create.expires_ns <= turn->now_ns)
		reply_fault(turn, FROE_INVALID_ARGUMENT, "expires",
		    "the token would have expired already: give a later time");
	else if (turn->eng->counts.tokens >= FROE_TOKENS_MAX)
		reply_fault(turn, FROE_RESOURCE_EXHAUSTED, "",
		    "there are %u tokens, as many as may be: revoke those that have expired",
		    FROE_TOKENS_MAX);
	else if (map_get_u64(&turn->eng->tokens_by_kid, command->token_create.kid) != NULL)
		reply_fault(turn, FROE_ALREADY_EXISTS, "id", "there is such a token: try again");
	else
		return true;
	return false;
}

void
decide_token_create(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	if (!token_usable(turn))
		return;
	struct eng_event event = {
	    .type = ENG_EV_TOKEN_CREATED,
	    .kid = command->token_create.kid,
	    .digest = command->token_create.digest,
	    .name = command->token_create.name,
	    .scope = command->token_create.scope,
	    .actor = command->actor,
	    .roles = command->token_create.roles,
	    .actions = command->token_create.actions,
	    .action_count = command->token_create.action_count,
	    .deadline_ns = command->token_create.expires_ns,
	};
	emit(turn, &event);
	reply_ok(turn);
}

void
decide_token_revoke(struct eng_turn *turn)
{
	struct eng_token_view view;
	uint64_t kid = turn->command->token_revoke.kid;
	if (!eng_token(turn->eng, kid, &view) ||
	    (!eng_scope_covers(turn->command->token_revoke.scope, view.scope) &&
	        !plant(TOKEN_SCOPE))) {
		reply_fault(turn, FROE_NOT_FOUND, "id",
		    "no such token: \"froe token list\" shows those there are");
		return;
	}
	struct eng_event event = {
	    .type = ENG_EV_TOKEN_REVOKED,
	    .kid = kid,
	    .actor = turn->command->actor,
	};
	emit(turn, &event);
	reply_ok(turn);
}
