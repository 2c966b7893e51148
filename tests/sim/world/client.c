#include "sim/world/client.h"

#include "base/duration.h"
#include "sim/world/world.h"

void
client_init(struct world *world, struct client *client, unsigned tenant)
{
	*client = (struct client){
	    .tenant = tenant,
	    .conn = world_number(world),
	    .due_ns = world_mono_ns(world),
	};
}

uint64_t
client_due_ns(const struct client *client)
{
	if (client->wish == CLIENT_NOTHING)
		return client->due_ns;
	return client->request == 0 ? 0 : UINT64_MAX;
}

/* --------------------------------------------------------------------------------------- wishes */

static void
mark_op(struct world *world, enum kind kind)
{
	judge_mark(&world->judge, kind);
}

static void
wish_put(struct world *world, struct client *client)
{
	struct dice *dice = &world->dice;
	unsigned workflow = (unsigned)dice_below(dice, world->plan.workflows);
	bool known = world->known[client->tenant][workflow], bad = false;
	if (known && plan_does(&world->plan, KIND_PUT_AGAIN) && dice_hits(dice, 50)) {
		for (unsigned i = world->book.count; i-- > 0;) {
			struct recipe *recipe = world->book.recipes[i];
			if (recipe->tenant != client->tenant || recipe->bad || !recipe->submitted)
				continue;
			client->recipe = recipe;
			client->wish = CLIENT_PUT;
			mark_op(world, KIND_PUT_AGAIN);
			return;
		}
	}
	if (plan_does(&world->plan, KIND_PUT_BAD) && dice_hits(dice, 20))
		bad = true;
	if (known && !bad && !plan_does(&world->plan, KIND_PUT_CHANGED))
		return;
	client->recipe = recipe_invent(&world->book, &world->plan, dice, client->tenant, workflow,
	    bad);
	if (client->recipe == NULL)
		return;
	if (bad || known)
		mark_op(world, bad ? KIND_PUT_BAD : KIND_PUT_CHANGED);
	client->wish = CLIENT_PUT;
}

static void
run_mint(struct world *world, struct client *client, struct world_run *run)
{
	struct dice *dice = &world->dice;
	const struct plan *plan = &world->plan;
	uint8_t bytes[16];
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)dice_next(dice);
	*run = (struct world_run){
	    .id = uuid_run(io_wall_ns(world->env), bytes),
	    .tenant = client->tenant,
	};
	run->payload_seed = dice_next(dice);
	run->payload_bytes = dice_range(dice, 2, plan->payload_bytes_max);
	do
		run->workflow = (unsigned)dice_below(dice, plan->workflows);
	while (!world->known[client->tenant][run->workflow]);
	if (plan_does(plan, KIND_TRIGGER_UNKNOWN) && dice_hits(dice, 10)) {
		run->workflow = PLAN_WORKFLOWS_MAX;
		mark_op(world, KIND_TRIGGER_UNKNOWN);
	}
	if (plan_does(plan, KIND_PRIORITIES))
		run->priority = (uint32_t)dice_below(dice, 4);
	if (plan_does(plan, KIND_RUN_TIMEOUTS) && dice_hits(dice, 30))
		run->timeout_ms = dice_range(dice, 1, 120000);
	if (plan->payload_bytes_max > 64)
		mark_op(world, KIND_BIG_PAYLOAD);
}

/* A run that this server remembers well: not one that closed about a day ago. */
static bool
run_recent(const struct world *world, const struct world_run *run)
{
	const struct model_run *known = model_run_by_id(&world->model, run->id);
	return known == NULL || !known->closed ||
	    world->model.time_ns - known->closed_ns < MODEL_CLOSED_TTL_NS / 2;
}

static void
wish_trigger(struct world *world, struct client *client)
{
	struct dice *dice = &world->dice;
	bool any = false;
	for (unsigned i = 0; i < world->plan.workflows; i++)
		any = any || world->known[client->tenant][i];
	if (!any) {
		wish_put(world, client);
		return;
	}
	if (world->run_count > 0 && plan_does(&world->plan, KIND_TRIGGER_AGAIN) &&
	    dice_hits(dice, 20)) {
		client->run = (unsigned)dice_below(dice, world->run_count);
		if (run_recent(world, &world->runs[client->run])) {
			client->wish = CLIENT_TRIGGER;
			mark_op(world, KIND_TRIGGER_AGAIN);
		}
		return;
	}
	if (world->run_count == world->plan.runs)
		return;
	client->run = world->run_count++;
	run_mint(world, client, &world->runs[client->run]);
	client->wish = CLIENT_TRIGGER;
}

static void
wish_cancel(struct world *world, struct client *client)
{
	if (world->run_count == 0)
		return;
	client->run = (unsigned)dice_below(&world->dice, world->run_count);
	bool foreign = world->runs[client->run].tenant != client->tenant;
	enum kind kind = foreign ? KIND_CANCEL_FOREIGN : KIND_CANCEL;
	if (!plan_does(&world->plan, kind) || !run_recent(world, &world->runs[client->run]))
		return;
	client->wish = CLIENT_CANCEL;
	mark_op(world, kind);
}

static void
client_wish(struct world *world, struct client *client)
{
	struct dice *dice = &world->dice;
	client->due_ns = world_mono_ns(world) + dice_span_ns(dice, world->plan.pace_ns);
	if (world->ending) {
		client->due_ns = UINT64_MAX;
		return;
	}
	unsigned what = (unsigned)dice_below(dice, 100);
	if (what < 70)
		wish_trigger(world, client);
	else if (what < 85)
		wish_cancel(world, client);
	else
		wish_put(world, client);
	client->unknown = false;
	client->request = 0;
}

/* --------------------------------------------------------------------------------------- asking */

static struct eng_command
command_of(struct world *world, const struct client *client, char name[RECIPE_NAME_BYTES])
{
	const struct world_run *run = &world->runs[client->run];
	struct eng_command command = {.tenant.v = world->process.tenants[client->tenant]};
	if (client->wish == CLIENT_PUT) {
		command.type = ENG_CMD_WORKFLOW_PUT;
		command.workflow_put.definition = *client->recipe->definition;
	} else if (client->wish == CLIENT_CANCEL) {
		command.type = ENG_CMD_RUN_CANCEL;
		command.run_cancel.run = run->id;
		command.run_cancel.reason = bytes_text("somebody wanted it");
	} else {
		recipe_workflow_name(run->workflow, name);
		command.type = ENG_CMD_RUN_START;
		command.run_start.run = run->id;
		command.run_start.workflow = bytes_text(name);
		command.run_start.input =
		    world_payload(world, run->payload_seed, run->payload_bytes);
		command.run_start.priority = run->priority;
		command.run_start.timeout_ms = run->timeout_ms;
	}
	return command;
}

/* A run that may have closed a day ago is not asked for again: its id may be forgotten. */
static bool
wish_stale(const struct world *world, const struct client *client)
{
	bool run = client->wish == CLIENT_TRIGGER || client->wish == CLIENT_CANCEL;
	return run && !run_recent(world, &world->runs[client->run]);
}

static void
client_ask(struct world *world, struct client *client)
{
	char name[RECIPE_NAME_BYTES];
	struct eng_command command = command_of(world, client, name);
	if (wish_stale(world, client)) {
		client->wish = CLIENT_NOTHING;
		return;
	}
	if (client->wish == CLIENT_TRIGGER && log_space(world->process.shard.log) != LOG_SPACE_OK) {
		judge_mark(&world->judge, KIND_SPACE_SOFT); /* as the hub refuses it */
		client->wish = CLIENT_NOTHING;
		return;
	}
	command.origin.conn = client->conn;
	command.origin.request = world_number(world);
	if (client->wish == CLIENT_PUT)
		client->recipe->submitted = true;
	if (!process_submit(&world->process, &command))
		return;
	client->request = command.origin.request;
	if (client->wish == CLIENT_TRIGGER)
		world->runs[client->run].asked = true;
}

void
client_turn(struct world *world, struct client *client)
{
	if (client->wish == CLIENT_NOTHING && client->due_ns <= world_mono_ns(world))
		client_wish(world, client);
	if (client->wish != CLIENT_NOTHING && client->request == 0)
		client_ask(world, client);
}

void
client_reply(struct world *world, struct client *client, const struct letter *letter)
{
	if (letter->origin.request != client->request)
		return;
	if (client->wish == CLIENT_PUT && letter->err == FROE_OK)
		world->known[client->tenant][client->recipe->workflow] = true;
	bool done = letter->err == FROE_ALREADY_EXISTS || letter->err == FROE_FAILED_PRECONDITION;
	if (client->unknown && done)
		judge_mark(&world->judge, KIND_ASKED_AGAIN);
	client->wish = CLIENT_NOTHING;
	client->request = 0;
}

void
client_cut(struct world *world, struct client *client)
{
	client->conn = world_number(world);
	if (client->request == 0)
		return;
	client->request = 0;
	client->unknown = true;
	judge_mark(&world->judge, KIND_ACK_LOST);
}
