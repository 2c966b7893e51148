#include "sim/world/world.h"

#include "base/duration.h"
#include "base/mem.h"
#include "io/file.h"
#include "sim/world/audit.h"

#include <inttypes.h>

#define BALLAST "/ballast"
#define ENDING_TURNS_MAX 40000u
#define ENDING_NS_MAX (UINT64_C(48) * 3600 * 1000000000)
#define RESTARTS_MAX 60u
/* Operations from the one that fails until the process has noticed it. */
#define ARMED_SLACK 100u

uint64_t
world_mono_ns(const struct world *world)
{
	return io_mono_ns(world->env);
}

uint64_t
world_number(struct world *world)
{
	return ++world->numbers;
}

struct bytes
world_payload(struct world *world, uint64_t seed, size_t size)
{
	return world_payload_at(world, 0, seed, size);
}

struct bytes
world_payload_at(struct world *world, unsigned at_buf, uint64_t seed, size_t size)
{
	struct dice dice = {.state = seed};
	struct buf *payload = &world->payloads[at_buf];
	buf_reset(payload);
	uint8_t *to = buf_reserve(payload, size + 8);
	for (size_t at = 0; at < size; at += 8) {
		uint64_t word = (dice_next(&dice) & UINT64_C(0x0f0f0f0f0f0f0f0f)) |
		    UINT64_C(0x4040404040404040);
		memcpy(to + at, &word, 8);
	}
	to[0] = to[size - 1] = '"';
	buf_commit(payload, size);
	return buf_bytes(payload);
}

struct uuid
world_run_id(struct world *world)
{
	uint8_t bytes[16];
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)dice_next(&world->dice);
	return uuid_run(io_wall_ns(world->env), bytes);
}

struct eng_start
world_start_of(struct world *world, const struct world_run *run, unsigned at,
    struct world_start *texts)
{
	recipe_workflow_name(run->workflow, texts->workflow);
	struct eng_start start = {
	    .workflow = bytes_text(texts->workflow),
	    .run = run->id,
	    .priority = run->priority,
	    .timeout_ms = run->timeout_ms,
	    .key_ttl_ms = run->key_ttl_ms,
	    .key_until_end = run->key_until_end,
	    .start_ns = run->start_ns,
	    .delay_ms = run->delay_ms,
	    .metadata = texts->metadata,
	};
	start.input = world_payload_at(world, at, run->payload_seed, run->payload_bytes);
	for (unsigned i = 0; i < MODEL_METADATA; i++) {
		if (run->metadata[i] == 0)
			continue;
		texts->names[i] = (char)('a' + i);
		texts->metadata[start.metadata_count++] = bytes_of(&texts->names[i], 1);
		texts->metadata[start.metadata_count++] = bytes_of(&run->metadata[i], 1);
	}
	if (run->key == 0)
		return start;
	texts->key[0] = 'k';
	texts->key[1] = (char)('0' + run->key);
	start.key = bytes_of(texts->key, 2);
	return start;
}

/* ------------------------------------------------------------------------------------- delivery */

static void
world_deliver(void *context, const struct letter *letter)
{
	struct world *world = context;
	uint64_t conn = letter->type == ENG_EFF_REPLY ? letter->origin.conn : letter->conn;
	if (letter->type == ENG_EFF_RUN_CLOSED || conn == 0)
		return;
	for (unsigned i = 0; i < world->plan.clients; i++) {
		if (world->clients[i].conn == conn)
			client_reply(world, &world->clients[i], letter);
	}
	if (world->operator.conn == conn)
		operator_reply(world, &world->operator, letter);
	if (world->jobber.conn == conn)
		jobber_reply(&world->jobber, letter);
	for (unsigned i = 0; i < world->plan.workers; i++) {
		if (world->workers[i].conn == conn)
			worker_letter(world, &world->workers[i], letter);
	}
}

/* ----------------------------------------------------------------------------- deaths, restarts */

static void
world_end_process(struct world *world, enum death death)
{
	process_end(&world->process, death);
	world->deaths++;
	world->dying_turns = 0;
	for (unsigned i = 0; i < world->plan.clients; i++)
		client_cut(world, &world->clients[i]);
	for (unsigned i = 0; i < world->plan.workers; i++)
		worker_cut(world, &world->workers[i]);
	operator_cut(world, &world->operator);
	jobber_cut(world, &world->jobber);
}

static enum death
draw_death(struct world *world)
{
	bool power = plan_does(&world->plan, KIND_POWER);
	if (power && plan_does(&world->plan, KIND_KILL))
		return dice_hits(&world->dice, 50) ? DEATH_POWER : DEATH_KILL;
	return power ? DEATH_POWER : DEATH_KILL;
}

/* The process ends by itself: a write failed or hangs. One that is about to die anyway takes the
 * machine with it, so that the armed fault does not reach the next. */
static void
world_failed(struct world *world)
{
	world_end_process(world, world->process.dying ? DEATH_POWER : draw_death(world));
}

static bool
does(struct world *world, enum kind kind, unsigned percent)
{
	return !world->ending && plan_does(&world->plan, kind) && dice_hits(&world->dice, percent);
}

static void
world_down_time(struct world *world)
{
	uint64_t limit_ns = 2 * NS_PER_S;
	if (does(world, KIND_DOWN, 50)) {
		judge_mark(&world->judge, KIND_DOWN);
		limit_ns = 3600 * NS_PER_S;
	}
	sim_advance(world->env, dice_span_ns(&world->dice, limit_ns));
}

/* Another tenant of the file system takes all but a little of it, or gives it back. */
static void
world_fill(struct world *world, bool fill)
{
	struct froe_fault fault;
	struct io_space space;
	int file;
	if ((fill && world->ballasted) || world->process.dying)
		return;
	if (!fill) {
		FROE_DROP(io_path_unlink(world->env, BALLAST, &fault), "a crash may have taken it");
		FROE_DROP(io_path_sync_dir(world->env, "/", &fault), "or may bring it back");
		world->ballasted = false;
		return;
	}
	enum froe_err err = io_path_space(world->env, "/", &space, &fault);
	if (err == FROE_OK)
		err = io_file_open(world->env, BALLAST, IO_OPEN_WRITE | IO_OPEN_CREATE, &file,
		    &fault);
	if (err != FROE_OK)
		return;
	uint64_t left = dice_below(&world->dice, world->plan.segment_bytes);
	if (space.free_bytes > left &&
	    io_file_allocate(world->env, file, space.free_bytes - left, &fault) == FROE_OK)
		judge_mark(&world->judge, KIND_FULL);
	io_file_close(world->env, file);
	world->ballasted = true;
}

/* A start may be cut short; then another is made, until one serves. */
static void
world_start(struct world *world)
{
	struct process *process = &world->process;
	for (unsigned tries = 0; !process->up; tries++) {
		if (tries > RESTARTS_MAX)
			judge_fail(&world->judge, "the server does not come up again");
		world_down_time(world);
		if (tries < 5 && does(world, KIND_DIE_IN_RECOVERY, 30)) {
			judge_mark(&world->judge, KIND_DIE_IN_RECOVERY);
			sim_die_after(world->env, dice_span_ns(&world->dice, 200));
			process->dying = true;
		}
		if (!process_start(process)) {
			if (process->dying || dice_hits(&world->dice, 50))
				sim_crash(world->env);
			process->dying = false;
			if (world->ballasted && dice_hits(&world->dice, 20))
				world_fill(world, /* fill= */ false);
			continue;
		}
		if (process->dying) {
			world->dying_turns = 1 + (unsigned)dice_below(&world->dice, 10);
		} else if (tries < 5 && does(world, KIND_DIE_AFTER_RECOVERY, 20)) {
			judge_mark(&world->judge, KIND_DIE_AFTER_RECOVERY);
			world_end_process(world, DEATH_POWER);
		}
	}
}

/* --------------------------------------------------------------------------------------- faults */

static void
arm(struct world *world, enum kind kind)
{
	uint64_t after = dice_below(&world->dice, 40);
	uint64_t until = sim_operations(world->env) + after + ARMED_SLACK;
	if (world->process.excused_until < until)
		world->process.excused_until = until;
	judge_mark(&world->judge, kind);
	judge_note(&world->judge, "armed", (uint64_t)kind, after, 0);
	if (kind == KIND_DIE) {
		sim_die_after(world->env, after);
		world->process.dying = true;
		world->dying_turns = 1 + (unsigned)dice_below(&world->dice, 20);
	} else {
		sim_fail_after(world->env, after,
		    kind == KIND_WRITE_ERROR ? FROE_IO : FROE_NO_SPACE);
	}
}

static void
world_deadly_fault(struct world *world)
{
	static const enum kind kinds[] = {KIND_POWER, KIND_KILL, KIND_DIE, KIND_WRITE_ERROR,
	    KIND_FULL_ERROR, KIND_CLEAN_STOP};
	enum kind kind = kinds[dice_below(&world->dice, sizeof(kinds) / sizeof(kinds[0]))];
	if (!plan_does(&world->plan, kind))
		return;
	if (kind == KIND_POWER || kind == KIND_KILL) {
		judge_mark(&world->judge, kind);
		world_end_process(world, kind == KIND_POWER ? DEATH_POWER : DEATH_KILL);
	} else if (kind == KIND_CLEAN_STOP) {
		judge_mark(&world->judge, kind);
		if (!process_stop(&world->process))
			world_failed(world);
		else
			world->deaths++;
		for (unsigned i = 0; i < world->plan.clients; i++)
			client_cut(world, &world->clients[i]);
		for (unsigned i = 0; i < world->plan.workers; i++)
			worker_cut(world, &world->workers[i]);
		operator_cut(world, &world->operator);
		jobber_cut(world, &world->jobber);
	} else {
		arm(world, kind);
	}
}

static void
world_mild_faults(struct world *world)
{
	struct dice *dice = &world->dice;
	if (does(world, KIND_PAUSE, 1)) {
		judge_mark(&world->judge, KIND_PAUSE);
		sim_advance(world->env, dice_span_ns(dice, 1800 * NS_PER_S));
	}
	if (does(world, KIND_WALL, 2)) {
		judge_mark(&world->judge, KIND_WALL);
		int64_t step_ns = (int64_t)dice_span_ns(dice, 7200 * NS_PER_S);
		sim_wall_step(world->env, dice_hits(dice, 50) ? step_ns : -step_ns);
	}
	/* When there is work under way that will write more. */
	unsigned often = world->ballasted || world->run_count < world->plan.runs / 2 ? 1 : 20;
	if (does(world, KIND_FULL, often))
		world_fill(world, !world->ballasted);
}

static void
world_faults(struct world *world)
{
	world_mild_faults(world);
	if (world->dying_turns > 0 && --world->dying_turns == 0)
		world_end_process(world, DEATH_POWER);
	else if (world->dying_turns == 0 && !world->ending &&
	    world->deaths < world->plan.deaths && dice_hits(&world->dice, 6))
		world_deadly_fault(world);
}

/* ---------------------------------------------------------------------------------------- turns */

static uint64_t
world_deadline_ns(struct world *world)
{
	uint64_t due_ns = process_deadline_ns(&world->process), mono_ns = world_mono_ns(world);
	for (unsigned i = 0; i < world->plan.clients; i++) {
		uint64_t client_ns = client_due_ns(&world->clients[i]);
		due_ns = client_ns < due_ns ? client_ns : due_ns;
	}
	for (unsigned i = 0; i < world->plan.workers; i++) {
		uint64_t worker_ns = worker_due_ns(&world->workers[i]);
		due_ns = worker_ns < due_ns ? worker_ns : due_ns;
	}
	if (operator_due_ns(&world->operator) < due_ns)
		due_ns = operator_due_ns(&world->operator);
	if (jobber_due_ns(&world->jobber) < due_ns)
		due_ns = jobber_due_ns(&world->jobber);
	if (dice_hits(&world->dice, 40))
		return 0;
	/* Somebody waits for room: he asks again soon, and ever less soon while nothing happens. */
	world->idle = world->history.count == world->idle_count ? world->idle + 1 : 0;
	world->idle_count = world->history.count;
	uint64_t patience_ns = NS_PER_MS << (world->idle < 10 ? world->idle : 10);
	return due_ns > mono_ns ? due_ns : mono_ns + dice_below(&world->dice, patience_ns);
}

static void
world_heartbeats(struct world *world)
{
	for (unsigned i = 0; i < world->plan.workers; i++)
		worker_beat(world, &world->workers[i]);
}

static void
world_peers(struct world *world)
{
	unsigned first = (unsigned)dice_below(&world->dice, world->plan.clients);
	for (unsigned i = 0; i < world->plan.clients; i++)
		client_turn(world, &world->clients[(first + i) % world->plan.clients]);
	first = (unsigned)dice_below(&world->dice, world->plan.workers);
	for (unsigned i = 0; i < world->plan.workers; i++)
		worker_turn(world, &world->workers[(first + i) % world->plan.workers]);
	operator_turn(world, &world->operator);
	jobber_turn(world, &world->jobber);
}

static void
world_turn(struct world *world)
{
	struct process *process = &world->process;
	if (!process->up)
		world_start(world);
	process_turn_begin(process, world_deadline_ns(world));
	if (!process->failed) {
		world_heartbeats(world);
		world_peers(world);
		process_turn_end(process);
	}
	if (process->failed)
		world_failed(world);
	else
		world_faults(world);
}

/* -------------------------------------------------------------------------------------- the end */

static bool
world_done(const struct world *world)
{
	bool done = world->process.up && process_quiet(&world->process) &&
	    world->model.run_open == 0;
	for (unsigned i = 0; i < world->plan.clients; i++)
		done = done && world->clients[i].wish == CLIENT_NOTHING;
	done = done && !world->operator.wishes;
	for (unsigned i = 0; i < world->plan.tenants; i++)
		done = done && model_jobs_running(&world->model, i) == 0;
	return done;
}

static void
world_power_off(struct world *world)
{
	if (world->process.up)
		world_end_process(world, DEATH_POWER);
	else
		sim_crash(world->env);
	world->process.excused_until = 0;
}

/* The faults stop, all workers behave: everything that was begun must end. */
static void
world_ending(struct world *world)
{
	uint64_t limit_ns = world_mono_ns(world) + ENDING_NS_MAX;
	world->ending = true;
	world->judge.phase = "ending";
	world->process.calm = true;
	if (world->process.dying || sim_operations(world->env) <= world->process.excused_until)
		world_power_off(world); /* a fault that is armed ends with the process */
	world_fill(world, /* fill= */ false);
	for (unsigned i = 0; i < world->plan.workers; i++)
		worker_reform(world, &world->workers[i]);
	for (unsigned turns = 0; !world_done(world); turns++) {
		world_turn(world);
		if (turns > ENDING_TURNS_MAX || world_mono_ns(world) > limit_ns)
			judge_fail(&world->judge, "%zu runs do not end although nothing fails any "
			    "more", world->model.run_open);
	}
}

/* Nothing happens any more but that time passes: what it makes old goes. And the machine may come
 * back with a clock that knows nothing of it. */
static void
world_age(struct world *world)
{
	if (!world->process.up || process_aged(&world->process))
		return;
	sim_advance(world->env, 2 * world->plan.keep_ns);
	for (unsigned turns = 0; world->process.up && !process_aged(&world->process); turns++) {
		world_turn(world);
		if (turns > ENDING_TURNS_MAX)
			judge_fail(&world->judge, "what is past retention stays");
	}
	if (!world->process.up || !plan_does(&world->plan, KIND_WALL))
		return;
	sim_wall_step(world->env, -(int64_t)(4 * world->plan.keep_ns));
	world_end_process(world, DEATH_POWER);
}

/* Frames with an event each, one after the other, so that each tells that the one before it was
 * durable; the watermark does not. */
static bool
world_write_frames(struct world *world)
{
	struct eng_command command = {
	    .type = ENG_CMD_EVENT_PUSH,
	    .tenant.v = world->process.tenants[0],
	    .event_push.key = bytes_text("e"),
	    .event_push.payload = bytes_text("1"),
	};
	for (uint64_t frames = dice_range(&world->dice, 2, 4); frames > 0; frames--) {
		if (!process_submit(&world->process, &command) ||
		    !process_wait_durable(&world->process))
			return false;
	}
	return true;
}

static void
world_finish_early(struct world *world)
{
	for (uint64_t turn = dice_below(&world->dice, 12); turn > 0; turn--)
		world_turn(world);
	if (!world->process.up)
		world_start(world);
	if (!world_write_frames(world))
		return;
	struct lsn end = log_durable_lsn(world->process.shard.log);
	world_end_process(world, DEATH_POWER);
	audit_evidence(world, end);
}

static void
world_finish(struct world *world)
{
	world->judge.phase = "finish";
	for (unsigned tries = 0; tries < RESTARTS_MAX; tries++) {
		if (!world->process.up)
			world_start(world);
		if (process_stop(&world->process))
			break;
		world_failed(world);
	}
	if (world->process.up)
		return; /* errors at random: it never stopped in order */
	audit_whole(world);
	for (unsigned turn = 0; turn < 10; turn++) /* workers come back: the newest frames say so */
		world_turn(world);
	if (!world->process.up)
		world_start(world);
	world_end_process(world, draw_death(world));
	world_start(world);
	if (world->model.run_open != 0)
		judge_fail(&world->judge, "a run is open again");
	audit_index(world);
	if (dice_hits(&world->dice, 25))
		world_finish_early(world);
	else
		audit_damaged(world);
}

/* ----------------------------------------------------------------------------- one seed's world */

/* Kinds that are a property of the whole world. */
static void
world_mark_plan(struct world *world)
{
	static const enum kind kinds[] = {KIND_PRIORITIES, KIND_RUN_TIMEOUTS, KIND_TASK_TIMEOUTS,
	    KIND_ON_FAILURE, KIND_ERRORS, KIND_SHORT, KIND_STUCK, KIND_NO_CACHE, KIND_DURABLE,
	    KIND_SLOT_TYPES, KIND_TASK_PRIORITIES, KIND_AT_MOST_ONCE, KIND_EXACTLY_ONCE};
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (plan_does(&world->plan, kinds[i]))
			judge_mark(&world->judge, kinds[i]);
	}
}

static void
world_init(struct world *world, struct tally *tally, uint64_t seed,
    const struct plan_options *options)
{
	*world = (struct world){
	    .judge = {.tally = tally, .trace = options->trace, .phase = "chaos"},
	    .dice.state = seed ^ UINT64_C(0x5bd1e995),
	};
	plan_draw(&world->plan, seed, options);
	world->env = sim_open(&world->plan.sim);
	world->history.judge = &world->judge;
	world->history.keeps = plan_does(&world->plan, KIND_RETENTION) ||
	    plan_does(&world->plan, KIND_REPLAY) || plan_does(&world->plan, KIND_JOBS);
	model_init(&world->model, &world->judge, &world->book);
	for (unsigned i = 0; i < MODEL_STARTS_MAX; i++)
		buf_init(&world->payloads[i]);
	world->process = (struct process){
	    .judge = &world->judge,
	    .plan = &world->plan,
	    .env = world->env,
	    .model = &world->model,
	    .history = &world->history,
	    .ledger = &world->ledger,
	    .deliver = world_deliver,
	    .context = world,
	    .dice.state = dice_next(&world->dice),
	    .job_dice.state = seed ^ UINT64_C(0x73746570),
	};
	for (unsigned i = 0; i < world->plan.clients; i++)
		client_init(world, &world->clients[i], i % world->plan.tenants);
	for (unsigned i = 0; i < world->plan.workers; i++)
		worker_init(world, &world->workers[i], i % world->plan.tenants);
	operator_init(world, &world->operator);
	jobber_init(world, &world->jobber);
}

static void
world_release(struct world *world)
{
	if (world->process.up)
		process_end(&world->process, DEATH_KILL);
	model_release(&world->model);
	history_release(&world->history);
	ledger_release(&world->ledger);
	recipe_book_release(&world->book);
	for (unsigned i = 0; i < MODEL_STARTS_MAX; i++)
		buf_release(&world->payloads[i]);
	sim_release(world->env);
}

uint64_t
world_run(struct tally *tally, uint64_t seed, const struct plan_options *options)
{
	struct world *world = mem_zalloc(sizeof(*world));
	world_init(world, tally, seed, options);
	world_mark_plan(world);
	for (unsigned turn = 0; turn < world->plan.turns; turn++)
		world_turn(world);
	world_ending(world);
	world_age(world);
	world_finish(world);
	judge_note(&world->judge, "end", world_mono_ns(world), sim_digest(world->env),
	    world->numbers);
	judge_mark(&world->judge, KIND_WORLDS);
	uint64_t hash = world->judge.hash;
	process_index_close(&world->process);
	world_release(world);
	mem_free(world);
	return hash;
}
