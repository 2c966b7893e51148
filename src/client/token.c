#include "client/call_int.h"
#include "client/argument.h"
#include "client/view.h"

#include <stdio.h>

static char **
wire_texts(const char *const *texts)
{
	return (char **)(uintptr_t)texts;
}

static void
token_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_token *token = call->result;
	const Froe__TokenCreated *created = envelope->token_created;
	snprintf(token->text, sizeof(token->text), "%s", wire_text_get(created->token));
	snprintf(token->id, sizeof(token->id), "%s", wire_text_get(created->id));
	token->expires_ns = created->expires_ns;
}

enum froe_err
froe_token_create(struct froe_client *client, const struct froe_token_options *options,
    int timeout_ms, struct froe_token *ret_token, struct froe_error *error)
{
	if (argument_missing(
		error, "client", client, "options", options, "ret_token", ret_token, NULL) ||
	    argument_short(error, "roles", options->roles, options->role_count) ||
	    argument_short(error, "actions", options->actions, options->action_count))
		return FROE_INVALID_ARGUMENT;
	Froe__TokenCreate create = FROE__TOKEN_CREATE__INIT;
	struct call call = {.error = error, .take = token_take, .result = ret_token};
	create.name = wire_text(options->name);
	create.tenant = wire_text(options->tenant);
	create.roles = wire_texts(options->roles);
	create.n_roles = options->role_count;
	create.actions = wire_texts(options->actions);
	create.n_actions = options->action_count;
	create.has_expires_ms = options->expires_ms != 0;
	create.expires_ms = options->expires_ms;
	create.has_hatchet = create.hatchet = options->hatchet;
	create.advertise = wire_text(options->advertise);
	create.has_never_expires = create.never_expires = options->never_expires;
	return call_make(
	    client, &call, FROE__ENVELOPE__BODY_TOKEN_CREATE, &create.base, timeout_ms);
}

enum froe_err
froe_token_revoke(struct froe_client *client, const char *id, int timeout_ms,
    struct froe_error *error)
{
	if (argument_missing(error, "client", client, "id", id, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__TokenRevoke revoke = FROE__TOKEN_REVOKE__INIT;
	struct call call = {.error = error};
	revoke.id = wire_text(id);
	return call_make(
	    client, &call, FROE__ENVELOPE__BODY_TOKEN_REVOKE, &revoke.base, timeout_ms);
}

static void
list_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_token_list **ret_list = call->result;
	*ret_list = token_list_copy(envelope->token_page);
}

enum froe_err
froe_token_list(struct froe_client *client, int timeout_ms, struct froe_token_list **ret_list,
    struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_list", ret_list, NULL))
		return FROE_INVALID_ARGUMENT;
	Froe__TokenList list = FROE__TOKEN_LIST__INIT;
	struct call call = {.error = error, .take = list_take, .result = ret_list};
	return call_make(client, &call, FROE__ENVELOPE__BODY_TOKEN_LIST, &list.base, timeout_ms);
}
