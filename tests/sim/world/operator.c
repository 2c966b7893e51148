#include "sim/world/operator.h"

#include "base/duration.h"
#include "engine/rate.h"
#include "sim/world/world.h"

void
operator_init(struct world *world, struct operator *operator)
{
	*operator = (struct operator){
	    .conn = world_number(world),
	    .due_ns = plan_does(&world->plan, KIND_TOKENS) ? world_mono_ns(world) : UINT64_MAX,
	};
}

uint64_t
operator_due_ns(const struct operator *operator)
{
	if (!operator->wishes)
		return operator->due_ns;
	return operator->request == 0 ? 0 : UINT64_MAX;
}

static void
operator_wish(struct world *world, struct operator *operator)
{
	struct dice *dice = &world->dice;
	operator->due_ns = world_mono_ns(world) + dice_span_ns(dice, 60 * NS_PER_S);
	if (world->ending || (operator->made == MODEL_TOKENS_MAX && dice_hits(dice, 50))) {
		operator->due_ns = UINT64_MAX;
		return;
	}
	operator->rate = dice_hits(dice, 30);
	operator->rates += operator->rate;
	if (operator->rate) {
		operator->wishes = true;
		operator->unknown = false;
		return;
	}
	bool full = operator->made == MODEL_TOKENS_MAX;
	operator->revoke = operator->made > 0 && (full || dice_hits(dice, 50));
	operator->kid = operator->revoke ? dice_range(dice, 1, operator->made) : ++operator->made;
	operator->foreign = dice_hits(dice, 20);
	operator->expires_ns = 0;
	if (!operator->revoke && dice_hits(dice, 30))
		operator->expires_ns =
		    world->process.shard.clock.now_ns + dice_span_ns(dice, 3600 * NS_PER_S);
	operator->wishes = true;
	operator->unknown = false;
	judge_mark(&world->judge, KIND_TOKENS);
}

/* A token's own scope, by its number: one tenant's, or all. */
static struct bytes
token_scope(uint64_t kid)
{
	return kid % 3 == 0 ? bytes_text(ENG_SCOPE_ALL)
	                    : bytes_text(model_tenant_name((unsigned)(kid % 3 - 1)));
}

/* Each limit is larger than all before it. */
static void
operator_put(struct world *world, struct operator *operator)
{
	struct eng_command command = {
	    .type = ENG_CMD_RATE_LIMIT_PUT,
	    .origin = {.conn = operator->conn, .request = world_number(world)},
	    .tenant.v = world->process.tenants[operator->rates % world->plan.tenants],
	    .rate_put =
	        {
	            .key = model_rate_key(operator->rates % MODEL_RATES_MAX),
	            .limit = operator->rates,
	            .window = operator->rates % ENG_WINDOWS,
	        },
	};
	if (process_submit(&world->process, &command))
		operator->request = command.origin.request;
}

static void
operator_ask(struct world *world, struct operator *operator)
{
	uint8_t digest[ENG_DIGEST_BYTES];
	memset(digest, (int)operator->kid, sizeof(digest));
	struct eng_command command = {
	    .type = ENG_CMD_TOKEN_CREATE,
	    .origin = {.conn = operator->conn, .request = world_number(world)},
	    .token_create =
	        {
	            .kid = operator->kid,
	            .digest = bytes_of(digest, sizeof(digest)),
	            .name = bytes_text("a token"),
	            .scope = token_scope(operator->kid),
	            .roles = (uint32_t)(operator->kid % ENG_ROLES_ALL) + 1,
	            .expires_ns = operator->expires_ns,
	        },
	};
	if (operator->revoke) {
		command.type = ENG_CMD_TOKEN_REVOKE;
		command.token_revoke.kid = operator->kid;
		command.token_revoke.scope = operator->foreign ? bytes_text("nobody's")
		                                               : token_scope(operator->kid);
	}
	if (process_submit(&world->process, &command))
		operator->request = command.origin.request;
}

void
operator_turn(struct world *world, struct operator *operator)
{
	if (!operator->wishes && operator->due_ns <= world_mono_ns(world))
		operator_wish(world, operator);
	if (operator->wishes && operator->request == 0 && operator->rate)
		operator_put(world, operator);
	else if (operator->wishes && operator->request == 0)
		operator_ask(world, operator);
}

void
operator_reply(struct world *world, struct operator *operator, const struct letter *letter)
{
	if (letter->origin.request != operator->request)
		return;
	bool done = letter->err == FROE_ALREADY_EXISTS || letter->err == FROE_NOT_FOUND;
	if (operator->unknown && done)
		judge_mark(&world->judge, KIND_ASKED_AGAIN);
	operator->wishes = false;
	operator->request = 0;
}

void
operator_cut(struct world *world, struct operator *operator)
{
	operator->conn = world_number(world);
	operator->unknown = operator->unknown || operator->request != 0;
	operator->request = 0;
}
