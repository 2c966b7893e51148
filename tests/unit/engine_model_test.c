/*
 * A seeded world: random graphs, workers that come, break off, forget, return, are replaced and
 * lost, failures, cancels, restarts, time. Each step is checked by the driver (effects, bytes, the
 * ledger's rules, invariants) and decided a second time by a twin; now and then one of the two is
 * thrown away and recovered from the log. In the end the faults stop, and every run must close.
 *
 * FROE_MODEL_SEEDS=n and FROE_MODEL_FROM=s in the environment run others.
 */
#include "engine_driver.h"

#include <stdlib.h>

#define WORKERS 6
#define TENANTS 2
#define WORKFLOWS 4
#define HELD_MAX 4096
#define RUNS_OPEN_MAX 60

/* A worker's process, as it sees itself. */
struct process {
	uint32_t tenant; /* 0, 1 */
	uint32_t slots;
	uint64_t incarnation;
	uint64_t worker; /* its number; 0: not registered */
	bool connected;
	struct eng_fence held[HELD_MAX]; /* what was dispatched to it and not revoked */
	uint32_t held_count;
};

struct world {
	struct driver d;
	uint64_t dice;
	bool faults;
	struct eng_tenant_id tenants[TENANTS];
	struct process processes[WORKERS];
	char actions[TENANTS][4096];
	struct eng_fence stale; /* some lease of the past, and its worker */
	uint64_t stale_worker;
	uint64_t closed; /* runs that closed, by effects */
	uint64_t job;    /* the newest */
};

static uint64_t
roll(struct world *world, uint64_t sides)
{
	return dice_roll(&world->dice) % sides;
}

/* -------------------------------------------------------------------------------------- a step */

static struct process *
process_of(struct world *world, uint64_t worker)
{
	for (int i = 0; i < WORKERS; i++) {
		if (world->processes[i].worker == worker && worker != 0)
			return &world->processes[i];
	}
	return NULL;
}

static void
process_drop(struct process *process, struct uuid task, uint64_t lease)
{
	for (uint32_t i = 0; i < process->held_count; i++) {
		if (uuid_equal(process->held[i].task, task) && process->held[i].lease == lease) {
			process->held[i] = process->held[--process->held_count];
			return;
		}
	}
}

/* What the effects do to the processes. A broken connection carries nothing. */
static void
world_hear(struct world *world)
{
	const struct eng_output *out = world->d.out;
	for (size_t i = 0; i < out->effect_count; i++) {
		const struct eng_effect *effect = &out->effects[i];
		struct process *process = process_of(world, effect->worker);
		world->closed += effect->type == ENG_EFF_RUN_CLOSED ? 1 : 0;
		if (process == NULL || !process->connected)
			continue;
		if (effect->type == ENG_EFF_REVOKE)
			process_drop(process, effect->id, effect->lease);
		if (effect->type != ENG_EFF_DISPATCH)
			continue;
		struct eng_fence fence = {
		    .task = uuid_task(ledger_run(&world->d.ledger, effect->run)->id, effect->task),
		    .lease = effect->lease,
		};
		process_drop(process, fence.task, fence.lease); /* it may come twice: PROVIDE */
		froe_assert(process->held_count < HELD_MAX);
		process->held[process->held_count++] = fence;
	}
}

static void
world_step(struct world *world, const struct eng_command *command)
{
	driver_step(&world->d, command);
	world_hear(world);
}

static void
world_settle(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_SCHEDULE};
	while (eng_pending(world->d.eng))
		world_step(world, &command);
}

/* ------------------------------------------------------------------------------------ the cast */

static void
backoff_roll(struct world *world, struct eng_backoff *backoff)
{
	static const uint64_t table_ms[] = {0, 10, 500};
	*backoff = (struct eng_backoff){.kind = (uint32_t)roll(world, 5)};
	backoff->jitter_percent = (uint32_t)roll(world, 101);
	if (backoff->kind == ENG_BACKOFF_TABLE) {
		backoff->table_ms = table_ms;
		backoff->table_count = 1 + (uint32_t)roll(world, 3);
	} else if (backoff->kind != ENG_BACKOFF_NONE) {
		backoff->initial_ms = 1 + roll(world, 2000);
		backoff->max_ms = roll(world, 2) * 5000;
		backoff->factor = (double)roll(world, 4);
	}
}

/* Tasks "0".."n", each with parents among those before it; sometimes an on-failure task. */
static void
workflow_roll(struct world *world, uint32_t tenant, uint32_t number)
{
	struct workflow workflow;
	char line[2048], name[8];
	size_t at = 0;
	uint32_t count = 1 + (uint32_t)roll(world, 9);
	snprintf(name, sizeof(name), "w%u", number);
	for (uint32_t i = 0; i < count; i++) {
		const char *before = "<";
		at += (size_t)snprintf(line + at, sizeof(line) - at, " %u", i);
		for (uint32_t j = 0; j < i; j++) {
			if (roll(world, 3) != 0)
				continue;
			at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%u", before, j);
			before = ",";
		}
	}
	if (roll(world, 3) == 0)
		snprintf(line + at, sizeof(line) - at, " fail!");
	workflow_parse(&workflow, &world->d.arena, name, line);
	for (uint32_t i = 0; i < workflow.definition.task_count; i++) {
		struct eng_task_definition *task = &workflow.tasks[i];
		task->retries = (uint32_t)roll(world, 4);
		task->schedule_timeout_ms = roll(world, 3) == 0 ? 1 + roll(world, 60000) : 0;
		task->execution_timeout_ms = roll(world, 2) == 0 ? 1 + roll(world, 9000) : 0;
		backoff_roll(world, &task->backoff);
	}
	workflow.definition.priority = (uint32_t)roll(world, 4);
	workflow.definition.run_timeout_ms = roll(world, 4) == 0 ? 1 + roll(world, 100000) : 0;
	world->d.tenant = world->tenants[tenant];
	driver_put(&world->d, &workflow);
	world_hear(world);
}

/* All the actions a tenant's workflows may ever need. */
static void
actions_list(struct world *world, uint32_t tenant)
{
	char *to = world->actions[tenant];
	size_t at = 0, size = sizeof(world->actions[tenant]);
	for (uint32_t w = 0; w < WORKFLOWS; w++) {
		for (uint32_t i = 0; i < 9; i++)
			at += (size_t)snprintf(to + at, size - at, "w%u:%u ", w, i);
		at += (size_t)snprintf(to + at, size - at, "w%u:fail ", w);
	}
}

static void
world_open(struct world *world, uint64_t seed)
{
	memset(world, 0, sizeof(*world));
	driver_open(&world->d);
	world->dice = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	world->d.dice = seed;
	world->faults = true;
	world->d.twin = driver_replay(&world->d);
	world->tenants[0] = world->d.tenant;
	world->tenants[1] = driver_tenant(&world->d, "other");
	for (uint32_t t = 0; t < TENANTS; t++) {
		for (uint32_t w = 0; w < WORKFLOWS; w++)
			workflow_roll(world, t, w);
		actions_list(world, t);
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		world->processes[i].tenant = i % TENANTS;
		world->processes[i].slots = 1 + (uint32_t)roll(world, 8);
	}
}

/* ---------------------------------------------------------------------------- what may happen */

/* With a key, at a time, or as the child of a task that a process believes to hold. */
static void
run_vary(struct world *world, struct eng_start *start)
{
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	if (roll(world, 4) == 0)
		start->delay_ms = roll(world, 20000);
	if (roll(world, 3) == 0) {
		start->key = bytes_text(keys[roll(world, 8)]);
		start->key_until_end = roll(world, 2) == 0;
		start->key_ttl_ms = start->key_until_end ? 0 : 1 + roll(world, 30000);
		return;
	}
	const struct process *process = &world->processes[roll(world, WORKERS)];
	if (process->held_count == 0 || roll(world, 2) == 0)
		return;
	world->d.tenant = world->tenants[process->tenant];
	start->child = true;
	start->parent = process->held[roll(world, process->held_count)];
	start->worker.v = process->worker;
	start->child_index = (uint32_t)roll(world, 3);
	start->child_key = bytes_text(roll(world, 2) == 0 ? "" : keys[roll(world, 2)]);
}

/* Some of a bulk trigger's runs may be known. */
static void
run_start_some(struct world *world)
{
	struct eng_start starts[20];
	struct eng_command command;
	char name[8];
	if (world->d.ledger.runs_open >= RUNS_OPEN_MAX)
		return;
	world->d.tenant = world->tenants[roll(world, TENANTS)];
	uint32_t count = 1 + (uint32_t)roll(world, 20);
	snprintf(name, sizeof(name), "w%u", (uint32_t)roll(world, WORKFLOWS));
	for (uint32_t i = 0; i < count; i++) {
		command = driver_start_command(&world->d, name);
		run_vary(world, &command.run_start);
		starts[i] = command.run_start;
	}
	command = driver_command(&world->d, ENG_CMD_RUN_START_MANY);
	command.run_start_many.starts = starts;
	command.run_start_many.count = count;
	world_step(world, &command);
	const struct eng_effect *reply = driver_reply(&world->d);
	assert_true(reply->err == FROE_OK || reply->err == FROE_LEASE_LAPSED);
	assert_int_equal(reply->started_count, reply->err == FROE_OK ? count : 0);
}

static void
run_start(struct world *world)
{
	char name[8];
	if (world->d.ledger.runs_open >= RUNS_OPEN_MAX)
		return;
	world->d.tenant = world->tenants[roll(world, TENANTS)];
	snprintf(name, sizeof(name), "w%u", (uint32_t)roll(world, WORKFLOWS));
	struct eng_command command = driver_start_command(&world->d, name);
	command.run_start.priority = (uint32_t)roll(world, 4);
	command.run_start.timeout_ms = roll(world, 8) == 0 ? 1 + roll(world, 50000) : 0;
	if (roll(world, 10) == 0 && world->d.ledger.run_count > 0) { /* a repeated trigger */
		uint64_t key = 1 + roll(world, world->d.ledger.run_count);
		command.run_start.run = ledger_run(&world->d.ledger, key)->id;
		world_step(world, &command);
		assert_int_equal(driver_reply(&world->d)->err, FROE_ALREADY_EXISTS);
		return;
	}
	if (roll(world, 2) == 0) {
		run_vary(world, &command.run_start);
		command.tenant = world->d.tenant;
	}
	bool child = command.run_start.child;
	world_step(world, &command);
	enum froe_err err = driver_reply(&world->d)->err;
	assert_true(err == FROE_OK || (child && err == FROE_LEASE_LAPSED));
}

static void
run_cancel_some(struct world *world)
{
	if (world->d.ledger.run_count == 0)
		return;
	struct eng_command command = {.type = ENG_CMD_RUN_CANCEL};
	uint64_t newest = world->d.ledger.run_count;
	uint64_t key = newest - roll(world, newest < 40 ? newest : 40);
	const struct ledger_run *run = ledger_run(&world->d.ledger, key);
	command.tenant = world->tenants[roll(world, TENANTS)];
	command.run_cancel.run = run->id;
	command.run_cancel.reason = bytes_text("chance");
	command.run_cancel.children = roll(world, 2) == 0;
	enum froe_err expected = FROE_OK;
	if (run->closed)
		expected = FROE_FAILED_PRECONDITION;
	if (run->tenant != command.tenant.v)
		expected = FROE_NOT_FOUND;
	world_step(world, &command);
	assert_int_equal(driver_reply(&world->d)->err, expected);
}

/* A job that cancels: it is begun, steps down to some run, ends, is ended. */
static void
job_do(struct world *world)
{
	struct eng_job_view job = {0};
	struct eng_command command = {.type = ENG_CMD_JOB_START};
	command.tenant = world->tenants[roll(world, TENANTS)];
	bool goes_on = eng_job(world->d.eng, world->job, &job) && job.status == ENG_RUNNING;
	command.job.number = goes_on ? job.number : 0;
	if (!goes_on) {
		command.job_start.kind = ENG_JOB_CANCEL;
		command.job_start.filter = bytes_text("all");
	} else if (job.cursor == 1 || roll(world, 10) == 0) {
		command.type = roll(world, 2) == 0 ? ENG_CMD_JOB_END : ENG_CMD_JOB_CANCEL;
	} else {
		uint64_t far = job.cursor - 1 < 5 ? job.cursor - 1 : 5;
		command.type = ENG_CMD_RUN_CANCEL;
		command.job.cursor = job.cursor - 1 - roll(world, far);
		command.run_cancel.run =
		    ledger_run(&world->d.ledger, command.job.cursor)->id;
	}
	bool ours = !goes_on || command.tenant.v == job.tenant;
	world_step(world, &command);
	assert_int_equal(driver_reply(&world->d)->err, ours ? FROE_OK : FROE_NOT_FOUND);
	if (!goes_on)
		world->job = driver_reply(&world->d)->number;
}

static void
process_register(struct world *world, uint32_t number)
{
	struct process *process = &world->processes[number];
	struct eng_fence held[HELD_MAX];
	uint32_t count = 0;
	bool fresh = process->worker == 0 || (world->faults && roll(world, 4) == 0);
	if (fresh) {
		process->incarnation++;
		process->held_count = 0;
	}
	for (uint32_t i = 0; i < process->held_count; i++) { /* it may have forgotten some */
		if (!world->faults || roll(world, 5) != 0)
			held[count++] = process->held[i];
	}
	memcpy(process->held, held, count * sizeof(held[0]));
	process->held_count = count;
	world->d.tenant = world->tenants[process->tenant];
	struct eng_command command = driver_worker_command(&world->d, number + 1, process->slots,
	    world->actions[process->tenant]);
	command.worker_register.incarnation = process->incarnation;
	command.worker_register.held = held;
	command.worker_register.held_count = count;
	process->connected = true;
	driver_step(&world->d, &command);
	const struct eng_effect *reply = driver_reply(&world->d);
	assert_int_equal(reply->err, FROE_OK);
	assert_true(fresh || reply->worker == process->worker);
	process->worker = reply->worker;
	for (uint32_t i = 0; i < reply->lapsed_count; i++)
		process_drop(process, reply->lapsed[i].task, reply->lapsed[i].lease);
	world_hear(world);
}

static void
process_disturb(struct world *world, uint32_t number)
{
	struct process *process = &world->processes[number];
	struct eng_command command = {.tenant = world->tenants[process->tenant]};
	command.worker.worker.v = process->worker;
	uint64_t what = roll(world, 4);
	if (process->worker == 0 || (what == 0 && !process->connected)) {
		process_register(world, number);
		return;
	}
	command.type = what == 0 ? ENG_CMD_WORKER_DETACH
	    : what == 1          ? ENG_CMD_WORKER_DRAIN
	                         : ENG_CMD_WORKER_LEAVE;
	command.worker.lost = what == 3;
	process->connected = process->connected && what == 1;
	if (what >= 2) {
		process->worker = 0;
		process->held_count = 0;
	}
	world_step(world, &command);
}

/* A handler ends, or says something, by a lease that its process believes in. */
static void
process_work(struct world *world, uint32_t number)
{
	struct process *process = &world->processes[number];
	if (process->held_count == 0 || !process->connected)
		return;
	struct eng_fence fence = process->held[roll(world, process->held_count)];
	struct eng_command command = {.tenant = world->tenants[process->tenant]};
	uint64_t what = world->faults ? roll(world, 11) : 0;
	command.type = what < 5 ? ENG_CMD_TASK_COMPLETE
	    : what < 7          ? ENG_CMD_TASK_FAIL
	    : what == 7         ? ENG_CMD_TASK_REFRESH
	    : what == 8         ? ENG_CMD_TASK_LOG
	    : what == 10        ? ENG_CMD_TASK_BEGIN
	                        : ENG_CMD_TASK_PROVIDE;
	command.task.worker.v = process->worker;
	command.task.fence = fence;
	command.task.bytes = bytes_text("{}");
	command.task.fatal = roll(world, 10) == 0;
	command.task.retry_after_ms = roll(world, 5) == 0 ? roll(world, 3000) : 0;
	command.task.add_ms = roll(world, 5000);
	if (what < 7)
		process_drop(process, fence.task, fence.lease);
	world->stale = fence;
	world->stale_worker = process->worker;
	world_step(world, &command);
	/* It is current: a connected process hears of revocations before it answers. */
	if (command.type != ENG_CMD_TASK_PROVIDE)
		assert_int_equal(driver_reply(&world->d)->err, FROE_OK);
}

/* An answer that came before, or for a lease that was never given. */
static void
answer_stale(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_TASK_COMPLETE, .tenant = world->tenants[0]};
	command.task.worker.v = world->stale_worker + roll(world, 2);
	command.task.fence = world->stale;
	command.task.fence.lease += 1000 + roll(world, 2);
	world_step(world, &command);
	assert_int_equal(driver_reply(&world->d)->err, FROE_LEASE_LAPSED);
}

/* Fires what is due, at its time or late. */
static void
time_pass(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_TIMER};
	uint64_t next_ns = eng_next_deadline_ns(world->d.eng);
	uint64_t jump_ns = roll(world, 4) == 0 ? roll(world, 20 * SECOND) : roll(world, 200 * MS);
	if (roll(world, 2) == 0 && next_ns != UINT64_MAX && next_ns > world->d.now_ns)
		jump_ns = next_ns - world->d.now_ns;
	world->d.now_ns += jump_ns;
	while (eng_next_deadline_ns(world->d.eng) <= world->d.now_ns)
		world_step(world, &command);
}

/* The server dies and recovers; connections break; processes know what they hold. The twin goes
 * on without a break: it must not be able to tell. */
static void
server_restart(struct world *world)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		world->processes[i].connected = false;
	driver_crash(&world->d, roll(world, 30 * SECOND));
	world_hear(world);
}

/* The other way round: the twin is thrown away and recovered, from the log or from what is saved
 * of the other. */
static void
twin_restart(struct world *world)
{
	eng_close(world->d.twin);
	if (roll(world, 2) == 0)
		world->d.twin = driver_replay(&world->d);
	else
		world->d.twin = driver_reload(&world->d, world->d.eng);
	assert_true(eng_hash(world->d.twin) == eng_hash(world->d.eng));
}

/* And one that goes on from a loaded state is itself saved and loaded. */
static void
twin_reload(struct world *world)
{
	struct eng *eng = driver_reload(&world->d, world->d.twin);
	eng_close(world->d.twin);
	world->d.twin = eng;
}

static void
world_turn(struct world *world)
{
	uint64_t what = roll(world, 1000);
	uint32_t number = (uint32_t)roll(world, WORKERS);
	if (what < 180)
		run_start(world);
	else if (what < 185)
		run_start_some(world);
	else if (what < 750)
		process_work(world, number);
	else if (what < 800)
		process_register(world, number);
	else if (what < 830)
		process_disturb(world, number);
	else if (what < 842)
		run_cancel_some(world);
	else if (what < 850)
		job_do(world);
	else if (what < 880)
		answer_stale(world);
	else if (what < 990)
		time_pass(world);
	else if (what < 995)
		workflow_roll(world, number % TENANTS, (uint32_t)roll(world, WORKFLOWS));
	else if (what < 997)
		server_restart(world);
	else if (what < 998)
		twin_restart(world);
	else
		twin_reload(world);
	if (roll(world, 20) != 0)
		world_settle(world);
}

/* ------------------------------------------------------------------------------------- the end */

/* All workers are well, also those that were draining, and answer everything: a bounded number of
 * rounds closes every run. */
static void
world_finish(struct world *world)
{
	world->faults = false;
	for (uint32_t i = 0; i < WORKERS; i++) {
		world->processes[i].worker = 0; /* else one that drains would go on draining */
		process_register(world, i);
	}
	for (int round = 0; world->d.ledger.runs_open > 0; round++) {
		assert_true(round < 2000);
		world_settle(world);
		for (uint32_t i = 0; i < WORKERS; i++) {
			for (uint32_t n = world->processes[i].held_count; n > 0; n--)
				process_work(world, i);
		}
		uint64_t next_ns = eng_next_deadline_ns(world->d.eng);
		if (next_ns != UINT64_MAX && next_ns > world->d.now_ns)
			world->d.now_ns = next_ns;
		struct eng_command command = {.type = ENG_CMD_TIMER};
		world_step(world, &command);
	}
}

static void
world_close(struct world *world)
{
	struct eng_counts counts;
	eng_counts(world->d.eng, &counts);
	assert_int_equal(counts.runs, 0);
	assert_int_equal(counts.runs_started, world->d.ledger.run_count);
	assert_int_equal(counts.slots_used, 0);
	assert_int_equal(counts.timers, 0);
	assert_int_equal(world->closed, world->d.ledger.run_count);
	assert_false(eng_pending(world->d.eng));
	for (uint64_t key = 1; key <= world->d.ledger.run_count; key++)
		assert_true(ledger_run(&world->d.ledger, key)->closed);
	driver_close(&world->d);
}

/* How often each event came: a world in which something never happens tests nothing of it. */
static void
events_count(const struct world *world, uint64_t *counts, size_t size)
{
	for (size_t i = 0; i < world->d.ledger.event_count; i++) {
		uint32_t type = (uint32_t)world->d.ledger.events[i].type;
		counts[type < size ? type : 0]++;
	}
}

static uint64_t
env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

#ifdef FROE_SLOW
#define SEEDS 4
#else
#define SEEDS 12
#endif
#define TURNS 10000

static void
test_model__worlds(void **state)
{
	uint64_t counts[32] = {0};
	uint64_t from = env_number("FROE_MODEL_FROM", 1);
	uint64_t seeds = env_number("FROE_MODEL_SEEDS", SEEDS);
	struct world *world = mem_alloc(sizeof(*world));
	(void)state;
	for (uint64_t seed = from; seed < from + seeds; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		world_open(world, seed);
		for (int turn = 0; turn < TURNS; turn++)
			world_turn(world);
		world_finish(world);
		events_count(world, counts, sizeof(counts) / sizeof(counts[0]));
		world_close(world);
	}
	for (uint32_t type = ENG_EV_ENGINE_STARTED; type <= ENG_EV_WORKER_LEFT; type++) {
		if (counts[type] == 0)
			fail_msg("no event of type %u in any world", type);
	}
	mem_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_model__worlds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
