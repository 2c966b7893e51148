/*
 * server/hub_access: who is on a connection, and what that allows.
 *
 * A token is judged when its connection opens (and for each scrape of /metrics): its digest is made
 * and compared whether or not the store knows its number, so that the time taken says nothing. The
 * answer to a wrong one is the same whatever is wrong with it. From an address that has failed
 * HUB_FAILURES_FREE times within a minute each further failure is answered a second late.
 *
 * What a token allowed ends with it: the step that revokes it, or the turn that finds it expired,
 * cuts each connection that came with it. From that moment its commands are dropped; the reason and
 * the close leave when the frame is durable.
 */
#include "server/hub_int.h"

#include "api/access.h"
#include "base/duration.h"
#include "base/mem.h"
#include "engine/token.h"

#include <inttypes.h>
#include <stdio.h>

#define FAILURES_FREE 10u
#define FAILURES_WINDOW_NS (60 * NS_PER_S)
#define FAILURE_DELAY_NS NS_PER_S
#define WARN_AGAIN_NS (86400 * NS_PER_S)
/* A moment that lies further off is looked at again then: deadlines stay far from overflow. */
#define LOOK_NS_MAX (86400 * NS_PER_S)

/* How a token was used since the server started. */
struct hub_use {
	uint64_t uses;
	uint64_t used_ns;
	uint64_t warned_ns; /* 0: not yet */
};

/* An answer that is held back. */
struct hub_refusal {
	struct list link; /* hub->refusals, in the order of due_ns: each waits as long */
	uint64_t due_ns;  /* boot-time clock */
	struct eng_origin origin;
	bool metrics;
	const char *text;
};

/* --------------------------------------------------------------------------------- refusing */

static void
refusal_send(struct hub *hub, const struct eng_origin *origin, bool metrics, const char *text)
{
	struct api_effect effect = {
	    .conn = origin->conn,
	    .request = origin->request,
	    .number = API_METRICS_NUMBER,
	    .err = FROE_UNAUTHENTICATED,
	};
	if (metrics)
		hub->deliver(hub->deliver_context, &effect);
	else
		hub_queue_error(hub, origin, FROE_UNAUTHENTICATED, "token", text);
}

/* Counts a failure; true: its address has failed too often. Addresses share rows: a row is for the
 * latest of them. */
static bool
source_failed(struct hub *hub, uint64_t source)
{
	struct hub_source *row = &hub->sources[source % HUB_SOURCES];
	if (row->source != source || hub->mono_ns >= row->since_ns + FAILURES_WINDOW_NS)
		*row = (struct hub_source){.source = source, .since_ns = hub->mono_ns};
	row->failures++;
	return row->failures > FAILURES_FREE;
}

void
hub_access_refuse(struct hub *hub, const struct api_command *command, const struct hub_who *who,
    const char *text)
{
	bool metrics = command->op == API_OP_METRICS;
	hub->stats.auth_failures++;
	hub_note_refused(hub, command, who);
	if (!source_failed(hub, command->open.peer.source)) {
		refusal_send(hub, &command->origin, metrics, text);
		return;
	}
	struct hub_refusal *refusal = mem_zalloc(sizeof(*refusal));
	refusal->due_ns = hub->mono_ns + FAILURE_DELAY_NS;
	refusal->origin = command->origin;
	refusal->metrics = metrics;
	refusal->text = text;
	list_push(&hub->refusals, &refusal->link);
}

/* ---------------------------------------------------------------------------------- judging */

static void
warn_of(struct hub *hub, struct hub_use *use, const struct eng_token_view *token)
{
	uint64_t now_ns = hub->shard->clock.now_ns;
	char kid[TOKEN_KID_TEXT_SIZE], left[DURATION_TEXT_SIZE], text[512];
	if (token->expires_ns == 0 || token->expires_ns <= now_ns ||
	    token->expires_ns - now_ns > FROE_TOKEN_WARN_MS * NS_PER_MS)
		return;
	if (use->warned_ns != 0 && now_ns < use->warned_ns + WARN_AGAIN_NS)
		return;
	use->warned_ns = now_ns;
	token_kid_format(token->kid, kid);
	duration_format((token->expires_ns - now_ns) / NS_PER_S * NS_PER_S, left);
	snprintf(text, sizeof(text),
	    "token %s (%.*s) of tenant %.*s is in use and expires in %s: "
	    "make another one with \"froe token create\"",
	    kid, (int)token->name.size, (const char *)token->name.data, (int)token->scope.size,
	    (const char *)token->scope.data, left);
	hub_note_warning(hub, text);
}

static void
token_used(struct hub *hub, const struct eng_token_view *token)
{
	struct hub_use *use = map_get_u64(&hub->token_uses, token->kid);
	if (use == NULL) {
		use = mem_zalloc(sizeof(*use));
		map_put_u64(&hub->token_uses, token->kid, use);
	}
	use->uses++;
	use->used_ns = hub->shard->clock.now_ns;
	warn_of(hub, use, token);
}

/* NULL: it is good. *ret_kid: which it says it is; 0: nothing that could be one. */
static const char *
token_fault(struct hub *hub, struct bytes text, struct eng_token_view *ret_view, uint64_t *ret_kid)
{
	static const uint8_t nobody[TOKEN_DIGEST_BYTES] = {0};
	uint8_t digest[TOKEN_DIGEST_BYTES];
	struct token token = {0};
	*ret_kid = 0;
	if (!token_parse(text, &token) && !jwt_parse(hub->options.token_key, text, &token))
		return "not a token, or a mistyped one, or a JWT under another token.key";
	*ret_kid = token.kid;
	token_digest(hub->options.token_key, &token, digest);
	bool known = eng_token(hub->shard->eng, token.kid, ret_view);
	bool equal = token_digest_equal(digest, known ? ret_view->digest.data : nobody);
	token_wipe(&token, sizeof(token));
	if (!known)
		return "revoked, or never made here";
	if (!equal)
		return "a wrong secret, or made under another token.key";
	bool over = ret_view->expires_ns != 0 && hub->shard->clock.now_ns >= ret_view->expires_ns;
	return over ? "expired" : NULL;
}

/* With --auth off a token says nothing, but for a good JWT: Hatchet's SDKs have no other way to
 * name their tenant. */
static void
open_scope(struct hub *hub, struct bytes text, struct bytes *scope)
{
	struct eng_token_view view;
	struct token token;
	uint64_t kid;
	if (jwt_parse(hub->options.token_key, text, &token) &&
	    token_fault(hub, text, &view, &kid) == NULL)
		*scope = view.scope;
	token_wipe(&token, sizeof(token));
}

/* NULL: *ret_who is who asks. Else what to tell whom nobody knows. */
const char *
hub_access_judge(struct hub *hub, const struct api_command *command, struct hub_who *ret_who)
{
	struct eng_token_view view;
	*ret_who = (struct hub_who){
	    .roles = ENG_ROLES_ALL,
	    .scope = bytes_text(ENG_SCOPE_ALL),
	};
	if (command->open.peer.local)
		snprintf(ret_who->actor, sizeof(ret_who->actor), "admin.sock:%u",
		    command->open.peer.uid);
	if (!hub->options.auth)
		open_scope(hub, command->open.token, &ret_who->scope);
	if (command->open.peer.local || !hub->options.auth)
		return NULL;
	ret_who->why = "without a token";
	if (command->open.token.size == 0)
		return "this server wants a token: give --token-file or FROE_TOKEN; "
		       "\"froe token create\" makes one";
	ret_who->why = token_fault(hub, command->open.token, &view, &ret_who->kid);
	if (ret_who->why != NULL)
		return "the token is not valid: it is mistyped, unknown, revoked or expired; "
		       "\"froe token create\" makes another one";
	*ret_who = (struct hub_who){
	    .kid = view.kid,
	    .roles = view.roles,
	    .expires_ns = view.expires_ns,
	    .scope = view.scope,
	};
	snprintf(ret_who->actor, sizeof(ret_who->actor), "%.*s", (int)view.name.size,
	    (const char *)view.name.data);
	token_used(hub, &view);
	return NULL;
}

/* Looks at this moment again in `ns` from now. */
static void
look_again(struct hub *hub, uint64_t ns)
{
	uint64_t at_ns = hub->mono_ns + (ns < LOOK_NS_MAX ? ns : LOOK_NS_MAX);
	if (at_ns < hub->access_due_ns)
		hub->access_due_ns = at_ns;
}

void
hub_access_bind(struct hub *hub, struct hub_conn *conn, const struct hub_who *who)
{
	conn->kid = who->kid;
	conn->roles = who->roles;
	conn->expires_ns = who->expires_ns;
	conn->actor = mem_strdup(who->actor);
	conn->scope = bytes_of(mem_copy(who->scope.data, who->scope.size), who->scope.size);
	if (conn->expires_ns != 0)
		look_again(hub, 0);
}

/* ---------------------------------------------------------------------------------- cutting */

static void
conn_cut(struct hub *hub, struct hub_conn *conn, uint64_t frame, const char *text)
{
	Froe__Error error;
	if (conn->cut)
		return;
	conn->cut = true;
	hub_error_fill(&error, FROE_UNAUTHENTICATED, "token", text);
	hub_item_close(hub, frame, conn->handle, FROE__ENVELOPE__BODY_ERROR, &error.base);
	hub->stats.auth_cut++;
}

void
hub_access_revoked(struct hub *hub, uint64_t kid, uint64_t frame)
{
	mem_free(map_remove_u64(&hub->token_uses, kid));
	for (size_t i = 0; i < hub->conns.capacity; i++) {
		struct hub_conn *conn = hub->conns.entries[i].value;
		if (conn != NULL && conn->kid == kid)
			conn_cut(hub, conn, frame, "this connection's token was revoked");
	}
}

/* An open connection's token: has it ended, when is it to be looked at again? */
static void
conn_look(struct hub *hub, struct hub_conn *conn)
{
	uint64_t now_ns = hub->shard->clock.now_ns;
	uint64_t warn_ns = FROE_TOKEN_WARN_MS * NS_PER_MS;
	struct eng_token_view view;
	if (conn->expires_ns == 0 || conn->cut)
		return;
	if (conn->expires_ns <= now_ns) {
		conn_cut(hub, conn, log_tail_seq(hub->shard->log),
		    "this connection's token has expired");
		return;
	}
	uint64_t left_ns = conn->expires_ns - now_ns;
	struct hub_use *use = map_get_u64(&hub->token_uses, conn->kid);
	if (use != NULL && eng_token(hub->shard->eng, conn->kid, &view))
		warn_of(hub, use, &view);
	look_again(hub, left_ns > warn_ns ? left_ns - warn_ns : left_ns);
}

void
hub_access_turn(struct hub *hub)
{
	while (!list_empty(&hub->refusals)) {
		struct hub_refusal *first =
		    container_of(hub->refusals.next, struct hub_refusal, link);
		if (first->due_ns > hub->mono_ns)
			break;
		list_remove(&first->link);
		refusal_send(hub, &first->origin, first->metrics, first->text);
		mem_free(first);
	}
	if (hub->mono_ns < hub->access_due_ns)
		return;
	hub->access_due_ns = UINT64_MAX;
	for (size_t i = 0; i < hub->conns.capacity; i++) {
		if (hub->conns.entries[i].value != NULL)
			conn_look(hub, hub->conns.entries[i].value);
	}
}

uint64_t
hub_access_deadline_ns(const struct hub *hub)
{
	if (list_empty(&hub->refusals))
		return hub->access_due_ns;
	uint64_t due_ns = container_of(hub->refusals.next, struct hub_refusal, link)->due_ns;
	return due_ns < hub->access_due_ns ? due_ns : hub->access_due_ns;
}

/* ------------------------------------------------------------------------ pools of a worker */

static void
refuse_action(struct hub *hub, const struct api_command *command, const char *field,
    struct bytes action)
{
	char text[400];
	snprintf(text, sizeof(text), "the token's pool does not hold the action \"%.*s\"",
	    action.size < 255 ? (int)action.size : 255, (const char *)action.data);
	hub_queue_error(hub, &command->origin, FROE_FORBIDDEN, field, text);
}

/* Also whose workflows a worker may define: those whose actions are all its own. */
static struct bytes
definition_action(struct hub *hub, const struct eng_definition *definition, uint32_t task)
{
	const struct eng_task_definition *at = &definition->tasks[task];
	if (at->action.size != 0)
		return at->action;
	size_t size = definition->name.size + 1 + at->name.size;
	uint8_t *name = arena_alloc(&hub->arena, size);
	memcpy(name, definition->name.data, definition->name.size);
	name[definition->name.size] = ':';
	memcpy(name + definition->name.size + 1, at->name.data, at->name.size);
	return bytes_of(name, size);
}

bool
hub_access_actions(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	const struct eng_command *engine = &command->engine;
	bool registers = engine->type == ENG_CMD_WORKER_REGISTER;
	uint32_t count = registers ? engine->worker_register.action_count : 0;
	struct eng_token_view token;
	if (!registers && engine->type != ENG_CMD_WORKFLOW_PUT)
		return true;
	if (!eng_token(hub->shard->eng, conn->kid, &token) || token.action_count == 0)
		return true;
	arena_reset(&hub->arena);
	if (!registers)
		count = engine->workflow_put.definition.task_count;
	for (uint32_t i = 0; i < count; i++) {
		struct bytes action = registers
		    ? engine->worker_register.actions[i]
		    : definition_action(hub, &engine->workflow_put.definition, i);
		if (eng_actions_allow(token.actions, token.action_count, action))
			continue;
		refuse_action(hub, command, registers ? "actions" : "workflow", action);
		return false;
	}
	return true;
}

bool
hub_access_output(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	uint32_t others = ENG_ROLES_ALL & ~(uint32_t)ENG_ROLE_WORKER;
	if ((conn->roles & others) != 0 ||
	    eng_worker_holds(hub->shard->eng, conn->worker, command->run.run))
		return true;
	hub_queue_error(hub, &command->origin, FROE_FORBIDDEN, "run",
	    "a worker reads outputs of the runs that it holds a task of, and of no others");
	return false;
}

/* ------------------------------------------------------------------------ tokens of others */

/* NULL, or what is wrong with a token of this scope, made by this connection. */
static const char *
scope_refused(const struct hub_conn *conn, struct bytes scope, uint32_t roles)
{
	uint32_t server_wide = (uint32_t)(ENG_ROLE_ADMIN | ENG_ROLE_OPERATOR);
	if (!eng_scope_covers(conn->scope, scope))
		return "your token is for another tenant: tokens are made within it";
	if (bytes_equal(scope, bytes_text(ENG_SCOPE_ALL)) && (roles & server_wide) == 0)
		return "for all tenants there are tokens of the roles admin and operator only";
	return NULL;
}

/* NULL: it is not to be a JWT. */
static const char *
advertised(
    const struct hub *hub, const struct api_command *command, char to[JWT_ADDRESS_BYTES_MAX + 1])
{
	struct bytes given = command->token_create.advertise;
	if (!command->token_create.hatchet)
		return NULL;
	if (given.size == 0)
		return hub->options.advertise;
	memcpy(to, given.data, given.size);
	to[given.size] = 0;
	return to;
}

bool
hub_token_create(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	uint8_t digest[TOKEN_DIGEST_BYTES];
	char address[JWT_ADDRESS_BYTES_MAX + 1];
	struct token token;
	struct bytes scope = command->token_create.tenant;
	if (scope.size == 0)
		scope = eng_tenant_name(hub->shard->eng, conn->tenant);
	const char *refused = scope_refused(conn, scope, command->token_create.roles);
	if (refused != NULL) {
		hub_queue_error(hub, &command->origin, FROE_FORBIDDEN, "tenant", refused);
		return true;
	}
	const char *advertise = advertised(hub, command, address);
	refused = advertise != NULL ? jwt_address_fault(bytes_text(advertise)) : NULL;
	if (refused != NULL) { /* the server's own: what was given has been looked at */
		hub_queue_error(hub, &command->origin, FROE_INVALID_ARGUMENT, "advertise", refused);
		return true;
	}
	struct eng_command engine = {
	    .type = ENG_CMD_TOKEN_CREATE,
	    .origin = command->origin,
	    .actor = bytes_text(conn->actor),
	    .token_create = {
	        .digest = bytes_of(digest, sizeof(digest)),
	        .name = command->token_create.name,
	        .scope = scope,
	        .roles = command->token_create.roles,
	        .actions = command->token_create.actions,
	        .action_count = command->token_create.action_count,
	    },
	};
	token_mint(hub->shard->env, &token);
	token_digest(hub->options.token_key, &token, digest);
	engine.token_create.kid = token.kid;
	if (command->token_create.expires_ms != UINT64_MAX)
		engine.token_create.expires_ns = hub->shard->clock.now_ns +
		    command->token_create.expires_ms * NS_PER_MS;
	struct jwt_claims claims = {
	    .token = &token,
	    .tenant = scope,
	    .address = advertise,
	    .issued_ns = hub->shard->clock.now_ns,
	    .expires_ns = engine.token_create.expires_ns,
	};
	hub->minted = &claims;
	bool taken = hub_engine(hub, command, &engine);
	hub->minted = NULL;
	token_wipe(&token, sizeof(token));
	return taken;
}

void
hub_token_created(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__TokenCreated created = FROE__TOKEN_CREATED__INIT;
	char text[JWT_TEXT_SIZE], kid[TOKEN_KID_TEXT_SIZE];
	froe_assert(hub->minted != NULL);
	if (hub->minted->address != NULL)
		jwt_format(hub->options.token_key, hub->minted, text);
	else
		token_format(hub->minted->token, text);
	token_kid_format(hub->minted->token->kid, kid);
	created.token = text;
	created.id = kid;
	created.has_expires_ns = true;
	created.expires_ns = hub->minted->expires_ns;
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_TOKEN_CREATED,
	    &created.base);
	token_wipe(text, sizeof(text));
}

bool
hub_token_revoke(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	struct eng_command engine = {
	    .type = ENG_CMD_TOKEN_REVOKE,
	    .origin = command->origin,
	    .actor = bytes_text(conn->actor),
	    .token_revoke = {.kid = command->token_revoke.kid, .scope = conn->scope},
	};
	return hub_engine(hub, command, &engine);
}

/* ---------------------------------------------------------------------------------- listing */

struct listing {
	struct hub *hub;
	const struct hub_conn *conn;
	Froe__TokenPage page;
};

static void
row_roles(struct hub *hub, Froe__TokenView *row, uint32_t roles)
{
	row->roles = arena_alloc(&hub->arena, 32 * sizeof(*row->roles));
	for (uint32_t bit = 1; bit <= ENG_ROLES_ALL; bit <<= 1) {
		if ((roles & bit) != 0)
			row->roles[row->n_roles++] =
			    (char *)(uintptr_t)access_role_name((enum eng_role)bit);
	}
}

static void
row_times(struct hub *hub, Froe__TokenView *row, const struct eng_token_view *token)
{
	const struct hub_use *use = map_get_u64(&hub->token_uses, token->kid);
	row->has_created_ns = row->has_expires_ns = true;
	row->created_ns = token->created_ns;
	row->expires_ns = token->expires_ns;
	row->has_uses = row->has_used_ns = use != NULL;
	row->uses = use != NULL ? use->uses : 0;
	row->used_ns = use != NULL ? use->used_ns : 0;
}

static void
list_token(void *context, const struct eng_token_view *token)
{
	struct listing *listing = context;
	struct hub *hub = listing->hub;
	char kid[TOKEN_KID_TEXT_SIZE];
	if (!eng_scope_covers(listing->conn->scope, token->scope))
		return;
	Froe__TokenView *row = arena_alloc(&hub->arena, sizeof(*row));
	froe__token_view__init(row);
	token_kid_format(token->kid, kid);
	row->id = hub_text(hub, bytes_text(kid));
	row->name = hub_text(hub, token->name);
	row->tenant = hub_text(hub, token->scope);
	row->created_by = hub_text(hub, token->actor);
	row->actions = arena_alloc(&hub->arena, (token->action_count + 1) * sizeof(char *));
	for (uint32_t i = 0; i < token->action_count; i++)
		row->actions[row->n_actions++] = hub_text(hub, token->actions[i]);
	row_roles(hub, row, token->roles);
	row_times(hub, row, token);
	listing->page.tokens[listing->page.n_tokens++] = row;
}

void
hub_token_list(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	struct listing listing = {.hub = hub, .conn = conn};
	arena_reset(&hub->arena);
	froe__token_page__init(&listing.page);
	listing.page.tokens =
	    arena_alloc(&hub->arena, FROE_TOKENS_MAX * sizeof(*listing.page.tokens));
	eng_tokens(hub->shard->eng, list_token, &listing);
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_TOKEN_PAGE, &listing.page.base);
}

/* ------------------------------------------------------------------------------ the numbers */

uint64_t
hub_access_expiring(const struct hub *hub)
{
	uint64_t now_ns = hub->shard->clock.now_ns, count = 0;
	struct eng_token_view view;
	for (size_t i = 0; i < hub->token_uses.capacity; i++) {
		const struct map_entry *entry = &hub->token_uses.entries[i];
		if (entry->value == NULL || !eng_token(hub->shard->eng, entry->key[1], &view))
			continue;
		count += view.expires_ns != 0 &&
		    view.expires_ns < now_ns + FROE_TOKEN_WARN_MS * NS_PER_MS;
	}
	return count;
}

void
hub_access_release_all(struct hub *hub)
{
	struct list *at;
	while ((at = list_pop(&hub->refusals)) != NULL)
		mem_free(container_of(at, struct hub_refusal, link));
	for (size_t i = 0; i < hub->token_uses.capacity; i++)
		mem_free(hub->token_uses.entries[i].value);
	map_release(&hub->token_uses);
	mem_free(hub->sources);
	token_wipe(hub->options.token_key, sizeof(hub->options.token_key));
}
