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

/* A key that others use too, a time to begin at, metadata. */
static void
run_mint_more(struct world *world, struct world_run *run)
{
	struct dice *dice = &world->dice;
	const struct plan *plan = &world->plan;
	if (plan_does(plan, KIND_KEYS) && dice_hits(dice, 40)) {
		run->key = (unsigned)dice_range(dice, 1, 3);
		run->key_until_end = dice_hits(dice, 30);
		run->key_ttl_ms = dice_hits(dice, 80) ? dice_range(dice, 1, 60000) : 0;
		mark_op(world, KIND_KEYS);
	}
	if (plan_does(plan, KIND_SCHEDULED) && dice_hits(dice, 30)) {
		uint64_t wall_ns = io_wall_ns(world->env);
		if (dice_hits(dice, 50))
			run->delay_ms = 1 + dice_span_ns(dice, 3600 * 1000);
		else
			run->start_ns = wall_ns - 10 * NS_PER_S + dice_below(dice, 600 * NS_PER_S);
		mark_op(world, KIND_SCHEDULED);
	}
	for (unsigned i = 0; i < MODEL_METADATA && plan_does(plan, KIND_METADATA); i++) {
		if (dice_hits(dice, 50))
			run->metadata[i] = (uint8_t)dice_range(dice, 'A', 'Z');
		mark_op(world, KIND_METADATA);
	}
}

static void
run_mint(struct world *world, struct client *client, struct world_run *run)
{
	struct dice *dice = &world->dice;
	const struct plan *plan = &world->plan;
	*run = (struct world_run){.tenant = client->tenant};
	run->id = world_run_id(world);
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
	run_mint_more(world, run);
}

/* A run that this server remembers well: not one that closed about a day ago. */
static bool
run_recent(const struct world *world, const struct world_run *run)
{
	const struct model_run *known = model_run_by_id(&world->model, run->id);
	return known == NULL || !known->closed ||
	    world->model.time_ns - known->closed_ns < MODEL_CLOSED_TTL_NS / 2;
}

/* One whose records have not passed retention, and will not have when the answer comes. */
static bool
run_replayable(const struct world *world, const struct model_run *run)
{
	return !plan_does(&world->plan, KIND_RETENTION) ||
	    run->closed_ns + world->plan.keep_ns > world->process.shard.clock.now_ns;
}

static void
wish_bulk(struct world *world, struct client *client)
{
	struct dice *dice = &world->dice;
	unsigned count = (unsigned)dice_range(dice, 1, 4);
	unsigned left = world->plan.runs - world->run_count;
	client->run = world->run_count;
	client->run_count = count < left ? count : left;
	for (unsigned i = 0; i < client->run_count; i++)
		run_mint(world, client, &world->runs[world->run_count++]);
	mark_op(world, KIND_BULK);
	if (plan_does(&world->plan, KIND_BULK_BAD) && dice_hits(dice, 20)) {
		unsigned bad = client->run + (unsigned)dice_below(dice, client->run_count);
		world->runs[bad].workflow = PLAN_WORKFLOWS_MAX;
		mark_op(world, KIND_BULK_BAD);
	}
	client->wish = CLIENT_BULK;
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
	if (plan_does(&world->plan, KIND_BULK) && dice_hits(dice, 30)) {
		wish_bulk(world, client);
		return;
	}
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
	client->children =
	    plan_does(&world->plan, KIND_CANCEL_CHILDREN) && dice_hits(&world->dice, 60);
	client->task = !client->children && plan_does(&world->plan, KIND_CANCEL_TASK) &&
	        dice_hits(&world->dice, 60)
	    ? (unsigned)dice_range(&world->dice, 1, 3)
	    : 0;
	mark_op(world, client->children ? KIND_CANCEL_CHILDREN
	        : client->task != 0     ? KIND_CANCEL_TASK
	                                : kind);
}

static void
wish_push(struct world *world, struct client *client, unsigned key)
{
	client->wish = CLIENT_PUSH;
	client->key = key;
	client->payload_seed = dice_next(&world->dice);
	mark_op(world, KIND_EVENTS);
}

static void
wish_decide(struct world *world, struct client *client, uint64_t approval)
{
	client->wish = CLIENT_DECIDE;
	client->approval = approval;
	client->yes = dice_hits(&world->dice, 50);
	mark_op(world, KIND_APPROVALS);
}

static void
wish_pause(struct world *world, struct client *client, unsigned worker, bool paused)
{
	client->wish = CLIENT_PAUSE;
	client->worker = worker;
	client->yes = paused;
	mark_op(world, KIND_WORKER_PAUSE);
}

/* A task of the run that has nodes with results; its number. 0: none. */
static uint32_t
run_durable_task(const struct model_run *run)
{
	for (uint32_t i = 0; i < run->recipe->task_count; i++) {
		if (run->tasks[i].node_count > 0 && run->tasks[i].nodes[0].done)
			return i + 1;
	}
	return 0;
}

/* One of the client's that has ended and may go on; one with nodes rather than one without. */
static const struct model_run *
run_ended(const struct world *world, struct client *client, unsigned first)
{
	const struct model_run *found = NULL;
	for (unsigned i = 0; i < world->run_count; i++) {
		unsigned at = (first + i) % world->run_count;
		const struct model_run *run =
		    model_run_by_id(&world->model, world->runs[at].id);
		if (run == NULL || !run->closed || run->tenant != client->tenant ||
		    run->unbound || run->replays == WORLD_REPLAYS_MAX ||
		    !run_replayable(world, run) || !run_recent(world, &world->runs[at]))
			continue;
		if (found != NULL && run_durable_task(run) == 0)
			continue;
		client->run = at;
		found = run;
		if (run_durable_task(run) != 0)
			break;
	}
	return found;
}

/* Of a durable task some nodes are kept, at times. */
static void
wish_replay(struct world *world, struct client *client)
{
	struct dice *dice = &world->dice;
	if (world->run_count == 0)
		return;
	unsigned first = (unsigned)dice_below(dice, world->run_count);
	const struct model_run *run = run_ended(world, client, first);
	if (run == NULL)
		return;
	client->node = 0;
	client->from = dice_hits(dice, 60)
	    ? (uint32_t)dice_range(dice, 1, run->recipe->task_count)
	    : 0;
	if (run_durable_task(run) != 0 && dice_hits(dice, 60)) {
		client->from = run_durable_task(run);
		client->node = (uint32_t)dice_range(
		    dice, 1, run->tasks[client->from - 1].node_count + 1);
	}
	client->yes = dice_hits(dice, 30);
	client->payload_seed = dice_next(dice);
	client->wish = CLIENT_REPLAY;
	mark_op(world, KIND_REPLAY);
}

/* What people and other systems do while runs are under way. */
static void
wish_meddle(struct world *world, struct client *client)
{
	struct dice *dice = &world->dice;
	const struct plan *plan = &world->plan;
	uint64_t approvals = world->model.approval_last[client->tenant];
	switch (dice_below(dice, 3)) {
	case 0:
		if (plan_does(plan, KIND_EVENTS))
			wish_push(world, client, (unsigned)dice_below(dice, WORLD_EVENT_KEYS));
		return;
	case 1:
		if (plan_does(plan, KIND_APPROVALS))
			wish_decide(world, client, dice_range(dice, 1, approvals + 1));
		return;
	default:
		if (plan_does(plan, KIND_WORKER_PAUSE)) {
			unsigned worker = (unsigned)dice_below(dice, plan->workers);
			wish_pause(world, client, worker, dice_hits(dice, 50));
		}
	}
}

/* In the end everybody who waits for somebody is helped. */
static bool
wish_help(struct world *world, struct client *client)
{
	for (unsigned i = 0; i < world->plan.workers; i++) {
		const struct model_worker *worker =
		    model_worker_paused(&world->model, world->workers[i].id);
		if (worker != NULL && worker->tenant == client->tenant) {
			wish_pause(world, client, i, /* paused= */ false);
			return true;
		}
	}
	uint64_t approval = model_approval_open(&world->model, client->tenant);
	if (approval != 0) {
		wish_decide(world, client, approval);
		return true;
	}
	if (!model_waits_for_event(&world->model, client->tenant))
		return false;
	wish_push(world, client, (unsigned)dice_below(&world->dice, WORLD_EVENT_KEYS));
	return true;
}

static void
client_wish(struct world *world, struct client *client)
{
	struct dice *dice = &world->dice;
	client->due_ns = world_mono_ns(world) + dice_span_ns(dice, world->plan.pace_ns);
	client->unknown = false;
	client->request = 0;
	if (world->ending) {
		if (!wish_help(world, client))
			client->due_ns = world_mono_ns(world) + 5 * NS_PER_S;
		return;
	}
	unsigned what = (unsigned)dice_below(dice, 100);
	if (plan_does(&world->plan, KIND_REPLAY) && what < 10)
		wish_replay(world, client);
	else if (what < 60)
		wish_trigger(world, client);
	else if (what < 75)
		wish_meddle(world, client);
	else if (what < 85)
		wish_cancel(world, client);
	else
		wish_put(world, client);
}

/* --------------------------------------------------------------------------------------- asking */

/* What a command points to while it is submitted. */
struct asking {
	struct world_start texts[MODEL_STARTS_MAX];
	struct eng_start starts[MODEL_STARTS_MAX];
	char key[3];
	struct arena arena;
};

static void
command_start(struct world *world, const struct client *client, struct asking *asking,
    struct eng_command *command)
{
	bool bulk = client->wish == CLIENT_BULK;
	unsigned count = bulk ? client->run_count : 1;
	for (unsigned i = 0; i < count; i++)
		asking->starts[i] = world_start_of(world, &world->runs[client->run + i], i,
		    &asking->texts[i]);
	command->type = bulk ? ENG_CMD_RUN_START_MANY : ENG_CMD_RUN_START;
	if (!bulk) {
		command->run_start = asking->starts[0];
		return;
	}
	command->run_start_many.starts = asking->starts;
	command->run_start_many.count = count;
}

static void
command_push(struct world *world, const struct client *client, struct asking *asking,
    struct eng_command *command)
{
	size_t size = 2 + client->payload_seed % (world->plan.payload_bytes_max - 1);
	command->type = ENG_CMD_EVENT_PUSH;
	world_event_key(client->key, asking->key);
	command->event_push.key = bytes_text(asking->key);
	command->event_push.payload = world_payload(world, client->payload_seed, size);
}

/* What is known of the run now: somebody else may have let it go on meanwhile. */
static void
command_replay(struct world *world, struct client *client, struct asking *asking,
    struct eng_command *command)
{
	const struct model_run *run =
	    model_run_by_id(&world->model, world->runs[client->run].id);
	size_t size = 2 + client->payload_seed % (world->plan.payload_bytes_max - 1);
	command->type = ENG_CMD_RUN_REPLAY;
	if (run == NULL || !run->closed || !run_replayable(world, run) ||
	    !process_replay(&world->process, run, client->from, client->node, &asking->arena,
	        command)) {
		client->wish = CLIENT_NOTHING;
		return;
	}
	command->run_replay.reason = bytes_text("once more");
	if (client->yes)
		command->run_replay.input = world_payload(world, client->payload_seed, size);
}

static struct eng_command
command_of(struct world *world, struct client *client, struct asking *asking)
{
	struct eng_command command = {
	    .tenant.v = world->process.tenants[client->tenant],
	    .actor = bytes_text("someone"),
	};
	switch (client->wish) {
	case CLIENT_NOTHING:
		froe_never("nothing is wished for");
	case CLIENT_PUT:
		command.type = ENG_CMD_WORKFLOW_PUT;
		command.workflow_put.definition = *client->recipe->definition;
		break;
	case CLIENT_CANCEL:
		command.type = ENG_CMD_RUN_CANCEL;
		command.run_cancel.run = world->runs[client->run].id;
		command.run_cancel.reason = bytes_text("somebody wanted it");
		command.run_cancel.children = client->children;
		command.run_cancel.task = client->task;
		break;
	case CLIENT_TRIGGER:
	case CLIENT_BULK:
		command_start(world, client, asking, &command);
		break;
	case CLIENT_PUSH:
		command_push(world, client, asking, &command);
		break;
	case CLIENT_DECIDE:
		command.type = ENG_CMD_APPROVAL_DECIDE;
		command.approval_decide.approval = client->approval;
		command.approval_decide.approved = client->yes;
		command.approval_decide.reason = bytes_text("it looks good");
		break;
	case CLIENT_PAUSE:
		command.type = ENG_CMD_WORKER_PAUSE;
		command.worker_pause.worker = world->workers[client->worker].id;
		command.worker_pause.paused = client->yes;
		command.worker_pause.reason = bytes_text("it is looked at");
		break;
	case CLIENT_REPLAY:
		command_replay(world, client, asking, &command);
		break;
	}
	return command;
}

/* A run that may have closed a day ago is not asked for again: its id may be forgotten. */
static bool
wish_stale(const struct world *world, const struct client *client)
{
	bool run = client->wish == CLIENT_TRIGGER || client->wish == CLIENT_CANCEL ||
	    client->wish == CLIENT_BULK || client->wish == CLIENT_REPLAY;
	unsigned count = client->wish == CLIENT_BULK ? client->run_count : 1;
	bool stale = false;
	for (unsigned i = 0; i < count && run; i++)
		stale = stale || !run_recent(world, &world->runs[client->run + i]);
	return stale;
}

/* Nobody takes it now, as the hub would not: it is given up. */
static bool
ask_refused(struct world *world, const struct client *client, const struct eng_command *command)
{
	bool grows = client->wish == CLIENT_TRIGGER || client->wish == CLIENT_BULK ||
	    client->wish == CLIENT_PUSH || client->wish == CLIENT_REPLAY;
	if (grows && log_space(world->process.shard.log) != LOG_SPACE_OK) {
		judge_mark(&world->judge, KIND_SPACE_SOFT);
		return true;
	}
	return eng_step_bytes_max(world->process.shard.eng, command) >
	    log_step_bytes_max(world->process.shard.log); /* TOO_LARGE */
}

static void
ask_sent(struct world *world, struct client *client, struct eng_command *command)
{
	command->origin.conn = client->conn;
	command->origin.request = world_number(world);
	if (client->wish == CLIENT_PUT)
		client->recipe->submitted = true;
	if (!process_submit(&world->process, command))
		return;
	client->request = command->origin.request;
	if (client->wish == CLIENT_TRIGGER)
		world->runs[client->run].asked = true;
}

static void
client_ask(struct world *world, struct client *client)
{
	struct asking asking;
	if (wish_stale(world, client)) {
		client->wish = CLIENT_NOTHING;
		return;
	}
	arena_init(&asking.arena, 0);
	struct eng_command command = command_of(world, client, &asking);
	bool replays = command.type == ENG_CMD_RUN_REPLAY;
	if (client->wish != CLIENT_NOTHING && ask_refused(world, client, &command))
		client->wish = CLIENT_NOTHING;
	else if (client->wish != CLIENT_NOTHING)
		ask_sent(world, client, &command);
	if (replays && command.run_replay.key != 0)
		process_replay_over(&world->process,
		    model_run(&world->model, command.run_replay.key));
	arena_release(&asking.arena);
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
