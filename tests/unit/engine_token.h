/*
 * tests/engine_token: tokens that a driver makes and revokes.
 */
#ifndef TESTS_ENGINE_TOKEN_H
#define TESTS_ENGINE_TOKEN_H

#include "engine_driver.h"

static inline struct eng_command
driver_token_command(const struct driver *driver, uint64_t kid, const char *name)
{
	static const uint8_t digest[ENG_DIGEST_BYTES] = {1, 2, 3};
	struct eng_command command = driver_command(driver, ENG_CMD_TOKEN_CREATE);
	command.actor = bytes_text("maker");
	command.token_create.kid = kid;
	command.token_create.digest = bytes_of(digest, sizeof(digest));
	command.token_create.name = bytes_text(name);
	command.token_create.scope = bytes_text("test");
	command.token_create.roles = ENG_ROLE_CLIENT;
	return command;
}

static inline void
driver_token(struct driver *driver, uint64_t kid, const char *name, const char *scope,
    uint32_t roles, uint64_t expires_ns)
{
	struct eng_command command = driver_token_command(driver, kid, name);
	command.token_create.scope = bytes_text(scope);
	command.token_create.roles = roles;
	command.token_create.expires_ns = expires_ns;
	assert_int_equal(driver_try(driver, &command), FROE_OK);
}

static inline enum froe_err
driver_token_revoke(struct driver *driver, uint64_t kid, const char *scope)
{
	struct eng_command command = driver_command(driver, ENG_CMD_TOKEN_REVOKE);
	command.token_revoke.kid = kid;
	command.token_revoke.scope = bytes_text(scope);
	return driver_try(driver, &command);
}

#endif
