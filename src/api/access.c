#include "api/access.h"

#include "proto/native.pb-c.h"

#include <stdio.h>

#define NONE 0u
#define CLIENT ((uint32_t)ENG_ROLE_CLIENT)
#define WORKER ((uint32_t)ENG_ROLE_WORKER)
#define OPERATOR ((uint32_t)ENG_ROLE_OPERATOR)

/* By the message's number. */
static const uint8_t rows[] = {
#define ACCESS(body, roles) [FROE__ENVELOPE__BODY_##body] = (uint32_t)ENG_ROLE_ADMIN | (roles),
#include "api/access.def"
#undef ACCESS
};

static const struct {
	enum eng_role role;
	const char *name;
} names[] = {
    {ENG_ROLE_ADMIN, "admin"},
    {ENG_ROLE_CLIENT, "client"},
    {ENG_ROLE_WORKER, "worker"},
    {ENG_ROLE_OPERATOR, "operator"},
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

uint32_t
access_roles(uint32_t body)
{
	return body < sizeof(rows) ? rows[body] : 0;
}

static enum froe_err
access_refuse(uint32_t body, uint32_t roles, struct froe_fault *fault)
{
	char need[ACCESS_ROLES_TEXT_SIZE], have[ACCESS_ROLES_TEXT_SIZE];
	uint32_t allowed = access_roles(body);
	if (allowed == 0)
		return fault_set(fault, FROE_PROTOCOL,
		    "message %u is not one that a client sends here "
		    "(0: none that this server knows)", body);
	access_roles_format(allowed, need);
	access_roles_format(roles, have);
	return fault_set(fault, FROE_FORBIDDEN,
	    "this takes a token with one of the roles %s; this one has %s", need, have);
}

enum froe_err
access_check(uint32_t body, uint32_t roles, struct froe_fault *fault)
{
	return (access_roles(body) & roles) != 0 ? FROE_OK : access_refuse(body, roles, fault);
}

enum froe_err
access_starts_check(const struct api_command *command, uint32_t roles, struct froe_fault *fault)
{
	const struct eng_command *engine = &command->engine;
	const struct eng_start *starts = &engine->run_start;
	uint32_t count = 1;
	if (command->op != API_OP_ENGINE || (roles & ((uint32_t)ENG_ROLE_ADMIN | CLIENT)) != 0)
		return FROE_OK;
	if (engine->type == ENG_CMD_RUN_START_MANY) {
		starts = engine->run_start_many.starts;
		count = engine->run_start_many.count;
	} else if (engine->type != ENG_CMD_RUN_START) {
		return FROE_OK;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!starts[i].child)
			return fault_set_field(fault, FROE_FORBIDDEN, "parent",
			    "a worker's token starts children of its tasks only: name the task, or "
			    "use a token with the role client");
	}
	return FROE_OK;
}

const char *
access_role_name(enum eng_role role)
{
	for (size_t i = 0; i < NAME_COUNT; i++) {
		if (names[i].role == role)
			return names[i].name;
	}
	froe_never("a role without a name");
}

uint32_t
access_role_parse(struct bytes name)
{
	for (size_t i = 0; i < NAME_COUNT; i++) {
		if (bytes_equal(name, bytes_text(names[i].name)))
			return (uint32_t)names[i].role;
	}
	return 0;
}

void
access_roles_format(uint32_t roles, char text[ACCESS_ROLES_TEXT_SIZE])
{
	int at = snprintf(text, ACCESS_ROLES_TEXT_SIZE, "%s", roles == 0 ? "none" : "");
	for (size_t i = 0; i < NAME_COUNT; i++) {
		if ((roles & (uint32_t)names[i].role) == 0)
			continue;
		at += snprintf(text + at, ACCESS_ROLES_TEXT_SIZE - (size_t)at, "%s%s",
		    at > 0 ? "," : "", names[i].name);
	}
}
