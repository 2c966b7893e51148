/*
 * api/request_token: messages about tokens as commands.
 */
#include "api/request_int.h"

#include "api/access.h"
#include "api/jwt.h"
#include "api/token.h"
#include "froe/limits.h"

#include <stdio.h>

static enum froe_err
take_roles(const Froe__TokenCreate *create, struct api_command *command, struct froe_fault *fault)
{
	for (size_t i = 0; i < create->n_roles; i++) {
		uint32_t role = access_role_parse(text_of(create->roles[i]));
		if (role == 0)
			return fault_set_field(fault, FROE_INVALID_ARGUMENT, "roles",
			    "there is no role \"%.40s\": give admin, client, worker or operator",
			    create->roles[i]);
		command->token_create.roles |= role;
	}
	if (create->hatchet && create->n_roles == 0)
		command->token_create.roles = (uint32_t)(ENG_ROLE_CLIENT | ENG_ROLE_WORKER);
	if (command->token_create.roles == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "roles",
		    "a token without a role may do nothing: give admin, client, worker, operator");
	return FROE_OK;
}

static enum froe_err
take_patterns(const Froe__TokenCreate *create, struct arena *arena, struct api_command *command,
    struct froe_fault *fault)
{
	size_t total = 0;
	struct bytes *actions = arena_alloc(arena, create->n_actions * sizeof(*actions));
	if (create->n_actions > FROE_TOKEN_ACTIONS_MAX || actions == NULL)
		return fault_set_field(fault, FROE_TOO_LARGE, "actions",
		    "a token has at most %u patterns, not %zu", FROE_TOKEN_ACTIONS_MAX,
		    create->n_actions);
	for (size_t i = 0; i < create->n_actions; i++) {
		char field[32];
		snprintf(field, sizeof(field), "actions[%zu]", i);
		enum froe_err err = take_name(create->actions[i], field, /* required= */ true,
		    &actions[i], fault);
		if (err != FROE_OK)
			return err;
		total += actions[i].size;
	}
	if (total > FROE_TOKEN_ACTIONS_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, "actions",
		    "the patterns have %zu bytes together; at most %u are kept", total,
		    FROE_TOKEN_ACTIONS_BYTES_MAX);
	command->token_create.actions = actions;
	command->token_create.action_count = (uint32_t)create->n_actions;
	return FROE_OK;
}

static enum froe_err
take_expiry(const Froe__TokenCreate *create, struct api_command *command, struct froe_fault *fault)
{
	uint64_t ms = create->expires_ms != 0 ? create->expires_ms : FROE_TOKEN_MS_DEFAULT;
	if (create->never_expires && create->expires_ms != 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "expires_ms",
		    "expires_ms and never_expires exclude each other");
	if (ms > FROE_TOKEN_MS_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "expires_ms",
		    "a token lives at most 366 days, or is said never to expire");
	command->token_create.expires_ms = create->never_expires ? UINT64_MAX : ms;
	return FROE_OK;
}

/* SDKs know one tenant by its id: there is none for all of them. */
static enum froe_err
take_hatchet(const Froe__TokenCreate *create, struct api_command *command, struct froe_fault *fault)
{
	struct bytes advertise = text_of(create->advertise);
	command->token_create.hatchet = create->hatchet;
	command->token_create.advertise = advertise;
	if (!create->hatchet && advertise.size > 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "advertise",
		    "only a token for Hatchet's SDKs says where the server is");
	if (create->hatchet && bytes_equal(command->token_create.tenant, bytes_text(ENG_SCOPE_ALL)))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "tenant",
		    "a token for Hatchet's SDKs is for one tenant: say which");
	const char *wrong = advertise.size > 0 ? jwt_address_fault(advertise) : NULL;
	if (wrong != NULL)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "advertise", "%s", wrong);
	return FROE_OK;
}

enum froe_err
decode_token_create(const Froe__TokenCreate *create, struct arena *arena,
    struct api_command *command, struct froe_fault *fault)
{
	bool all = create->tenant != NULL && strcmp(create->tenant, ENG_SCOPE_ALL) == 0;
	command->op = API_OP_TOKEN_CREATE;
	enum froe_err err = take_name(create->name, "name", /* required= */ true,
	    &command->token_create.name, fault);
	if (err == FROE_OK && all)
		command->token_create.tenant = bytes_text(ENG_SCOPE_ALL);
	else if (err == FROE_OK)
		err = take_tenant(create->tenant, &command->token_create.tenant, fault);
	if (err == FROE_OK)
		err = take_roles(create, command, fault);
	if (err == FROE_OK)
		err = take_patterns(create, arena, command, fault);
	if (err == FROE_OK)
		err = take_expiry(create, command, fault);
	if (err == FROE_OK)
		err = take_hatchet(create, command, fault);
	return err;
}

enum froe_err
decode_token_revoke(const Froe__TokenRevoke *revoke, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_TOKEN_REVOKE;
	if (!token_kid_parse(text_of(revoke->id), &command->token_revoke.kid))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "id",
		    "id is not a token's: give the 10 characters after froe1_, as in the list");
	return FROE_OK;
}
