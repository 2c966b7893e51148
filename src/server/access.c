#include "server/access.h"

#include "api/access.h"
#include "api/jwt.h"
#include "api/request.h"
#include "api/token.h"
#include "base/duration.h"
#include "base/mem.h"
#include "io/private.h"
#include "server/keeper.h"
#include "server/server.h"
#include "server/shard.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(ACCESS_TOKEN_TEXT_SIZE == JWT_TEXT_SIZE, "a token's text, the longer kind");
#define KEY_FILE "token.key"

enum froe_err
access_key(const char *dir, uint8_t key[32], bool *ret_created, struct froe_fault *fault)
{
	return private_key(dir, KEY_FILE, key, TOKEN_KEY_BYTES, ret_created, fault);
}

/* ----------------------------------------------------------------------- where it is reached */

const char *
access_advertise_fault(const char *text)
{
	return jwt_address_fault(bytes_text(text));
}

/* A server that listens everywhere is at least here. */
static const char *
reachable(const char *host, size_t size)
{
	if (size == 0 || (size == 7 && memcmp(host, "0.0.0.0", 7) == 0))
		return "127.0.0.1";
	return size == 4 && memcmp(host, "[::]", 4) == 0 ? "[::1]" : NULL;
}

void
access_advertise(
    const struct server_options *options, unsigned port, char to[ACCESS_ADVERTISE_SIZE])
{
	const char *scheme = options->tls_cert != NULL ? "https://" : "http://";
	const char *given = options->advertise, *listen = options->listen;
	if (given != NULL) {
		snprintf(to, ACCESS_ADVERTISE_SIZE, "%s%s",
		    strstr(given, "://") != NULL ? "" : scheme, given);
		return;
	}
	size_t size = (size_t)(strrchr(listen, ':') - listen);
	const char *instead = reachable(listen, size);
	if (instead != NULL)
		snprintf(to, ACCESS_ADVERTISE_SIZE, "%s%s:%u", scheme, instead, port);
	else
		snprintf(to, ACCESS_ADVERTISE_SIZE, "%s%.*s:%u", scheme, (int)size, listen, port);
}

_Static_assert(ACCESS_TENANT_ID_SIZE == UUID_TEXT_SIZE, "a tenant's id is a UUID");

void
access_tenant_id(const char *name, char to[ACCESS_TENANT_ID_SIZE])
{
	uuid_format(jwt_tenant(bytes_text(name)), to);
}

/* --------------------------------------------------------------------- without a server */

struct offline {
	struct shard shard;
	struct io *io;
	struct keeper keeper;
	enum froe_err err; /* the answer to the step */
	struct froe_fault *fault;
};

static void
hook_event(void *context, const struct eng_event *event, const struct log_place *place,
    uint64_t frame)
{
	(void)context;
	(void)event;
	(void)place;
	(void)frame;
}

static void
hook_effect(void *context, const struct eng_effect *effect, uint64_t frame)
{
	struct offline *offline = context;
	(void)frame;
	if (effect->type != ENG_EFF_REPLY)
		return;
	offline->err = effect->err;
	if (effect->err != FROE_OK)
		*offline->fault = *effect->fault;
}

/* The same judge as for a request that came over a socket. */
static enum froe_err
token_command(const struct access_token *token, struct arena *arena,
    struct api_command *ret_command, struct froe_fault *fault)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TokenCreate create = FROE__TOKEN_CREATE__INIT;
	envelope.body_case = FROE__ENVELOPE__BODY_TOKEN_CREATE;
	envelope.token_create = &create;
	create.name = (char *)(uintptr_t)token->name;
	create.tenant = (char *)(uintptr_t)token->tenant;
	create.roles = (char **)(uintptr_t)token->roles;
	create.n_roles = token->role_count;
	create.actions = (char **)(uintptr_t)token->actions;
	create.n_actions = token->action_count;
	create.expires_ms = token->expires_ms;
	create.never_expires = token->never_expires;
	create.hatchet = token->hatchet;
	create.advertise = (char *)(uintptr_t)token->advertise;
	return request_decode(&envelope, arena, ret_command, fault);
}

static void
offline_close(struct offline *offline)
{
	keeper_stop(&offline->keeper);
	io_close(offline->io);
	shard_close(&offline->shard);
}

static enum froe_err
offline_open(struct offline *offline, const char *dir, uint64_t segment_bytes,
    struct froe_fault *fault)
{
	struct io_env *env = io_env_posix();
	struct shard_options options = {
	    .log =
	        {
	            .dir = dir,
	            .segment_bytes = segment_bytes,
	            .inflight_max = LOG_INFLIGHT_MAX,
	            .spares = 1,
	        },
	};
	struct shard_hooks hooks = {
	    .event = hook_event, .effect = hook_effect, .context = offline};
	*offline = (struct offline){.fault = fault};
	enum froe_err err = private_dir_check(dir, fault);
	if (err == FROE_OK)
		err = shard_open(&offline->shard, env, &options, &hooks, fault);
	if (err != FROE_OK)
		return err;
	err = io_open(env, &offline->io, fault);
	if (err != FROE_OK) {
		shard_close(&offline->shard);
		return err;
	}
	err = keeper_start(&offline->keeper, &offline->shard, dir, /* snapshots= */ NULL, fault);
	if (err != FROE_OK) {
		io_close(offline->io);
		shard_close(&offline->shard);
		return err;
	}
	err = shard_start(&offline->shard, offline->io, fault);
	if (err != FROE_OK)
		offline_close(offline);
	return err;
}

static enum froe_err
offline_flush(struct offline *offline)
{
	struct log *log = offline->shard.log;
	while (log_durable_seq(log) < log_tail_seq(log)) {
		if (log_failed(log, offline->fault))
			return offline->fault->code;
		log_flush(log);
		io_step(offline->io, io_mono_ns(offline->shard.env) + NS_PER_S);
	}
	return FROE_OK;
}

/* What the server would make of it, had it been asked. */
static void
offline_format(const struct offline *offline, const uint8_t *key, const struct api_command *command,
    const struct eng_command *engine, const struct token *token,
    char ret_text[ACCESS_TOKEN_TEXT_SIZE])
{
	char address[JWT_ADDRESS_BYTES_MAX + 1];
	struct bytes given = command->token_create.advertise;
	if (given.size == 0)
		given = bytes_text(ACCESS_ADDRESS_DEFAULT);
	snprintf(address, sizeof(address), "%.*s", (int)given.size, (const char *)given.data);
	struct jwt_claims claims = {
	    .token = token,
	    .tenant = engine->token_create.scope,
	    .address = address,
	    .issued_ns = offline->shard.clock.now_ns,
	    .expires_ns = engine->token_create.expires_ns,
	};
	if (command->token_create.hatchet)
		jwt_format(key, &claims, ret_text);
	else
		token_format(token, ret_text);
}

static enum froe_err
offline_create(struct offline *offline, const char *dir, const struct api_command *command,
    char ret_text[ACCESS_TOKEN_TEXT_SIZE], uint64_t *ret_expires_ns)
{
	uint8_t key[TOKEN_KEY_BYTES], digest[TOKEN_DIGEST_BYTES];
	struct token token;
	bool created;
	enum froe_err err = access_key(dir, key, &created, offline->fault);
	if (err != FROE_OK)
		return err;
	token_mint(offline->shard.env, &token);
	token_digest(key, &token, digest);
	struct bytes tenant = command->token_create.tenant;
	struct eng_command engine = {
	    .type = ENG_CMD_TOKEN_CREATE,
	    .actor = bytes_text("offline"),
	    .token_create =
		{
		    .kid = token.kid,
		    .digest = bytes_of(digest, sizeof(digest)),
		    .name = command->token_create.name,
		    .scope = tenant.size != 0 ? tenant : bytes_text("default"),
		    .roles = command->token_create.roles,
		    .actions = command->token_create.actions,
		    .action_count = command->token_create.action_count,
		},
	};
	if (command->token_create.expires_ms != UINT64_MAX)
		engine.token_create.expires_ns = offline->shard.clock.now_ns +
		    command->token_create.expires_ms * NS_PER_MS;
	*ret_expires_ns = engine.token_create.expires_ns;
	offline_format(offline, key, command, &engine, &token, ret_text);
	token_wipe(key, sizeof(key));
	token_wipe(&token, sizeof(token));
	FROE_DROP(shard_step(&offline->shard, &engine), "hook_effect has the answer");
	log_stop(offline->shard.log, offline->shard.clock.now_ns);
	err = offline_flush(offline);
	return err != FROE_OK ? err : offline->err;
}

enum froe_err
access_token_create(const char *dir, const struct access_token *token,
    char ret_text[ACCESS_TOKEN_TEXT_SIZE], uint64_t *ret_expires_ns, struct froe_fault *fault)
{
	struct offline offline;
	struct api_command command;
	struct arena arena;
	arena_init(&arena, 0);
	enum froe_err err = token_command(token, &arena, &command, fault);
	if (err == FROE_OK)
		err = offline_open(&offline, dir, token->segment_bytes, fault);
	if (err == FROE_OK) {
		err = offline_create(&offline, dir, &command, ret_text, ret_expires_ns);
		offline_close(&offline);
	}
	arena_release(&arena);
	if (err != FROE_OK)
		token_wipe(ret_text, ACCESS_TOKEN_TEXT_SIZE);
	return err;
}
