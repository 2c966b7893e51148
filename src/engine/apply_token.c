/*
 * engine/apply_token: tokens as state. See apply.c for the rules.
 */
#include "engine/apply_int.h"

#include "base/mem.h"
#include "base/plant.h"

static struct bytes
bytes_keep(struct bytes from)
{
	return bytes_of(mem_copy(from.data, from.size), from.size);
}

static void
bytes_give(struct bytes bytes)
{
	mem_free((void *)(uintptr_t)bytes.data);
}

void
token_free(struct eng *eng, struct eng_token *token)
{
	list_remove(&token->link);
	map_remove_u64(&eng->tokens_by_kid, token->view.kid);
	eng->counts.tokens--;
	bytes_give(token->view.digest);
	bytes_give(token->view.name);
	bytes_give(token->view.scope);
	bytes_give(token->view.actor);
	for (uint32_t i = 0; i < token->view.action_count; i++)
		bytes_give(token->view.actions[i]);
	mem_free((void *)(uintptr_t)token->view.actions);
	mem_free(token);
}

static const struct bytes *
actions_keep(const struct eng_event *event)
{
	struct bytes *actions = mem_array(event->action_count, sizeof(*actions));
	for (uint32_t i = 0; i < event->action_count; i++)
		actions[i] = bytes_keep(event->actions[i]);
	return actions;
}

enum froe_err
apply_token_created(struct apply *apply)
{
	struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	if (event->kid == 0 || map_get_u64(&eng->tokens_by_kid, event->kid) != NULL)
		return misfit(apply, "the token is there already, or has no number");
	if (event->digest.size != ENG_DIGEST_BYTES || event->scope.size == 0 ||
	    event->name.size == 0)
		return misfit(apply, "the token has no digest, scope or name");
	if (event->roles == 0 || event->action_count > FROE_TOKEN_ACTIONS_MAX ||
	    eng->counts.tokens >= FROE_TOKENS_MAX)
		return misfit(apply, "it has no role, or too many actions, or is too many");
	struct eng_token *token = mem_zalloc(sizeof(*token));
	token->view = (struct eng_token_view){
	    .kid = event->kid,
	    .digest = bytes_keep(event->digest),
	    .name = bytes_keep(event->name),
	    .scope = bytes_keep(event->scope),
	    .actor = bytes_keep(event->actor),
	    .actions = actions_keep(event),
	    .action_count = event->action_count,
	    .roles = event->roles,
	    .created_ns = event->time_ns,
	    .expires_ns = event->deadline_ns,
	};
	list_push(&eng->tokens, &token->link);
	map_put_u64(&eng->tokens_by_kid, event->kid, token);
	eng->counts.tokens++;
	return FROE_OK;
}

enum froe_err
apply_token_revoked(struct apply *apply)
{
	struct eng_token *token = map_get_u64(&apply->eng->tokens_by_kid, apply->event->kid);
	if (token == NULL)
		return misfit(apply, "no such token");
	if (!plant(TOKEN_KEPT))
		token_free(apply->eng, token);
	return FROE_OK;
}
