/*
 * An engine that is saved and loaded is the same engine; damaged bytes are refused, or give an
 * engine that holds together. That any state comes back is tested in the model's worlds, too.
 */
#include "engine_durable.h"
#include "engine_token.h"

#include "engine/rate.h"
#include "engine/workflow.h"

#define WORKER_SLOTS 4

/* Children, open and closed; keys of both kinds; runs that wait for their time or their cancel. */
static void
driver_relatives(struct driver *driver)
{
	driver_define(driver, "parent", "p");
	driver_worker(driver, 4, 2, "parent:p");
	uint64_t parents[2] = {driver_start(driver, "parent"), driver_start(driver, "parent")};
	for (uint32_t i = 0; i < 10; i++) {
		struct eng_command lease =
		    driver_task_command(driver, ENG_CMD_TASK_LOG, parents[i % 2], "p");
		struct eng_command command = driver_start_command(driver, "slow");
		command.run_start.child = true;
		command.run_start.parent = lease.task.fence;
		command.run_start.worker = lease.task.worker;
		command.run_start.child_index = i;
		command.run_start.child_key = bytes_text(i < 3 ? &"key"[i] : "");
		command.run_start.delay_ms = i > 7 ? 7000 : 0;
		assert_int_equal(driver_try(driver, &command), FROE_OK);
	}
	driver_cancel(driver, driver_reply(driver)->run);
	struct eng_command cancel = driver_command(driver, ENG_CMD_RUN_CANCEL);
	cancel.run_cancel.run = ledger_run(&driver->ledger, parents[0])->id;
	cancel.run_cancel.children = true;
	assert_int_equal(driver_try(driver, &cancel), FROE_OK); /* its children are doomed */
	for (uint32_t i = 0; i < 20; i++) {
		char name[] = {'k', (char)('a' + i), 0};
		struct eng_command command = driver_start_command(driver, "slow");
		command.run_start.key = bytes_text(name);
		command.run_start.key_ttl_ms = i % 4 == 0 ? 0 : 100 + i % 3;
		command.run_start.key_until_end = i % 4 == 0;
		assert_int_equal(driver_try(driver, &command), FROE_OK);
	}
	driver_cancel(driver, driver_reply(driver)->run); /* its key knows */
}

/* Durable tasks in each state, keys with waits, an event that is on its way, open approvals. */
static void
driver_fill_durable(struct driver *driver)
{
	struct eng_condition waits[] = {on_event("k"), on_approval("ok", "[1]"), on_sleep(5000)};
	durable_define(driver, "dur", "a", 3);
	driver_worker(driver, 20, 6, "dur:a");
	for (int i = 0; i < 5; i++) {
		uint64_t run = driver_start(driver, "dur");
		durable_memo(driver, run, "a", 1, "m", "[1]");
		durable_wait(driver, run, "a", 2, waits, 3);
		driver_child(driver, run, "a", 3, "one");
		if (i % 2 == 0)
			durable_evict(driver, run, "a", 2);
	}
	driver_approve(driver, 2, true, "ann");
	uint8_t *large = arena_alloc(&driver->arena, 70000);
	memset(large, '1', 70000);
	driver_push(driver, "k", bytes_of(large, 70000)); /* too large to go out in this step */
	uint64_t run = driver_start(driver, "dur");
	durable_wait(driver, run, "a", 1, waits, 3);
}

/* A state with something of everything in it. */
static void
driver_fill(struct driver *driver)
{
	struct workflow workflow;
	driver_open(driver);
	assert_int_equal(driver_rate(driver, "one", 1, ENG_WINDOW_YEAR), FROE_OK);
	assert_int_equal(driver_rate(driver, "two", 0, ENG_WINDOW_SECOND), FROE_OK);
	driver_define(driver, "gone", "a");
	driver_define(driver, "paused", "a");
	assert_int_equal(driver_workflow_set(driver, "gone", ENG_WORKFLOW_DELETE, 0), FROE_OK);
	assert_int_equal(driver_workflow_set(
	    driver, "paused", ENG_WORKFLOW_PAUSE, ENG_DROPS_SCHEDULED), FROE_OK);
	driver_start(driver, "paused");
	driver_token(driver, 11, "first", "*", ENG_ROLE_ADMIN, 0);
	driver_advance(driver, SECOND); /* it is older than what follows */
	driver_token(driver, 10, "second", "test", ENG_ROLE_WORKER, driver->now_ns + SECOND);
	driver_define(driver, "one", "a");
	driver_define(driver, "fan", "a b<a c<a d<b,c fail!");
	workflow_parse(&workflow, &driver->arena, "slow", "a b<a");
	workflow.tasks[0].schedule_timeout_ms = 60000;
	workflow.tasks[0].retries = 9;
	workflow.tasks[0].backoff =
	    (struct eng_backoff){.kind = ENG_BACKOFF_CONSTANT, .initial_ms = 30000};
	workflow.definition.run_timeout_ms = 3600000;
	driver_put(driver, &workflow);
	driver_define(driver, "one", "a b");
	driver_worker(driver, 1, WORKER_SLOTS, "one:a one:b fan:a fan:b");
	uint64_t other = driver_worker(driver, 2, WORKER_SLOTS, "one:a one:b fan:a fan:b");
	uint64_t slow = driver_worker(driver, 3, 2, "slow:a");
	struct bytes metadata[] = {bytes_text("who"), bytes_text("me"), bytes_text("k"), {0}};
	struct eng_command command = driver_start_command(driver, "slow");
	command.run_start.metadata = metadata;
	command.run_start.metadata_count = 4;
	assert_int_equal(driver_try(driver, &command), FROE_OK);
	uint64_t run = driver_reply(driver)->run;
	driver_fail(driver, run, "a"); /* delayed */
	driver_start(driver, "slow");
	run = driver_start(driver, "fan");
	driver_complete(driver, run, "a");
	for (int i = 0; i < 9; i++)
		driver_start(driver, i % 2 == 0 ? "one" : "fan");
	for (int i = 0; i < 3; i++)
		driver_start(driver, "slow");
	driver_cancel(driver, driver_start(driver, "one"));
	driver_relatives(driver);
	driver_fill_durable(driver);
	driver_worker_say(driver, ENG_CMD_WORKER_DETACH, other, false);
	driver_worker_say(driver, ENG_CMD_WORKER_DRAIN, slow, false);
	driver->now_ns += 1000 * MS;
}

/* A worker of many slots is lost and another step follows: it is still leaving. */
static void
driver_lose(struct driver *driver, uint32_t slots, uint32_t queued)
{
	struct eng_command command = {.type = ENG_CMD_SCHEDULE};
	driver_define(driver, "many", "a");
	uint64_t worker = driver_worker(driver, 9, slots, "many:a");
	for (uint32_t i = 0; i < slots + queued; i++)
		driver_start(driver, "many");
	command.hold = true;
	driver_worker_say(driver, ENG_CMD_WORKER_LEAVE, worker, true);
	driver_step(driver, &command);
}

static void
test_save__everything(void **state)
{
	struct driver driver;
	(void)state;
	driver_fill(&driver);
	eng_close(driver_reload(&driver, driver.eng));
	driver_close(&driver);
}

/* Lists of more rows than an object takes, and a worker in the middle of leaving. */
static void
test_save__long_lists(void **state)
{
	struct driver driver;
	struct eng_counts counts;
	(void)state;
	driver_open(&driver);
	driver.check_every = 100;
	driver_lose(&driver, 2600, 1500);
	eng_counts(driver.eng, &counts);
	assert_true(counts.slots_used > 1500);
	assert_true(eng_pending(driver.eng));
	driver.twin = driver_reload(&driver, driver.eng);
	driver_settle(&driver);
	for (uint64_t run = 1; run <= driver.ledger.run_count; run++) /* over a thousand closed */
		driver_cancel(&driver, run);
	eng_close(driver_reload(&driver, driver.eng));
	driver_close(&driver);
}

/* Timers of one deadline fire in the order in which they were armed. */
static void
test_save__equal_deadlines(void **state)
{
	struct driver driver;
	(void)state;
	driver_open(&driver);
	driver_define(&driver, "one", "a");
	driver_worker(&driver, 1, 50, "one:a");
	for (int i = 0; i < 50; i++)
		driver_start(&driver, "one");
	struct eng_command command = driver_task_command(&driver, ENG_CMD_TASK_REFRESH, 7, "a");
	driver_try(&driver, &command); /* the same deadline, armed last */
	driver.twin = driver_reload(&driver, driver.eng);
	driver_advance(&driver, UINT64_C(86400) * SECOND);
	driver_close(&driver);
}

static void
test_save__empty(void **state)
{
	struct driver driver;
	struct eng *eng = eng_open(), *loaded;
	(void)state;
	driver_open(&driver);
	loaded = driver_reload(&driver, eng);
	assert_true(eng_hash(loaded) == eng_hash(eng));
	eng_close(loaded);
	eng_close(eng);
	driver_close(&driver);
}

static enum froe_err
each_full(void *context, const struct eng_saved *saved, struct froe_fault *fault)
{
	uint32_t *left = context;
	(void)saved;
	return (*left)-- == 0 ? fault_set(fault, FROE_IO, "full") : FROE_OK;
}

static void
test_save__callback_fails(void **state)
{
	struct driver driver;
	struct froe_fault fault;
	uint32_t left = 7;
	(void)state;
	driver_fill(&driver);
	assert_int_equal(eng_save(driver.eng, each_full, &left, &fault), FROE_IO);
	assert_int_equal(left, UINT32_MAX); /* and it was not called again */
	driver_close(&driver);
}

static void
test_save__names(void **state)
{
	(void)state;
	assert_string_equal(eng_object_name(ENG_OBJ_RUN), "RUN");
	assert_null(eng_object_name(ENG_EV_RUN_STARTED));
	assert_null(eng_object_name(ENG_OBJECT_LAST));
}

/* --------------------------------------------------------------------------------------- damage */

/* Time passes in an engine that nobody knows: what is due fires, what can run runs. */
static void
engine_exercise(struct eng *eng)
{
	struct eng_command start = {.type = ENG_CMD_ENGINE_START};
	struct eng_command timer = {.type = ENG_CMD_TIMER};
	uint64_t now_ns = START_NS + 4000 * SECOND;
	start.engine_start.epoch = 99;
	eng_step(eng, &start, now_ns, 1);
	for (int i = 0; i < 100; i++)
		eng_step(eng, &timer, now_ns + (uint64_t)i * 60 * SECOND, (uint64_t)i);
	eng_check(eng);
}

/* Refused with a text, or a whole engine. Returns whether it was loaded. */
static bool
load_survives(const struct kept *kept, bool exercise)
{
	struct froe_fault fault = {0};
	struct eng *eng;
	enum froe_err err = kept_load(kept, &eng, &fault);
	if (err != FROE_OK) {
		assert_true(err == FROE_CORRUPT || err == FROE_INCOMPATIBLE);
		assert_true(fault.text[0] != 0);
		return false;
	}
	eng_check(eng);
	if (exercise)
		engine_exercise(eng);
	eng_close(eng);
	return true;
}

static void
test_save__record_missing(void **state)
{
	struct driver driver;
	struct kept kept;
	(void)state;
	driver_fill(&driver);
	driver_save(&driver, driver.eng, &kept);
	assert_true(load_survives(&kept, true));
	for (size_t i = 0; i < kept.count; i++) {
		struct kept_record record = kept.records[i];
		uint16_t type = record.saved.type;
		memmove(
		    &kept.records[i], &kept.records[i + 1], (kept.count - i - 1) * sizeof(record));
		for (size_t j = i; j + 1 < kept.count; j++) {
			if (kept.records[j].saved.event != NULL)
				kept.records[j].saved.event = &kept.records[j].event;
		}
		kept.count--;
		bool loaded = load_survives(&kept, false);
		/* Without it a queue stands elsewhere: the snapshot's hash is for that. */
		assert_true(!loaded || type == ENG_OBJ_TENANT || type == ENG_OBJ_WORKER ||
			    type == ENG_OBJ_QUEUE);
		kept.count++;
		memmove(
		    &kept.records[i + 1], &kept.records[i], (kept.count - i - 1) * sizeof(record));
		kept.records[i] = record;
		for (size_t j = i; j < kept.count; j++) {
			if (kept.records[j].saved.event != NULL)
				kept.records[j].saved.event = &kept.records[j].event;
		}
	}
	assert_true(load_survives(&kept, false));
	kept_release(&kept);
	driver_close(&driver);
}

static void
test_save__record_twice(void **state)
{
	struct driver driver;
	struct kept kept;
	(void)state;
	driver_fill(&driver);
	driver_save(&driver, driver.eng, &kept);
	for (size_t i = 0; i < kept.count; i++) {
		struct eng_load *load = eng_load_open();
		struct froe_fault fault;
		struct eng *eng;
		enum froe_err err = FROE_OK;
		for (size_t j = 0; j < kept.count && err == FROE_OK; j++) {
			err = eng_load_put(load, &kept.records[j].saved, &fault);
			if (j == i && err == FROE_OK)
				err = eng_load_put(load, &kept.records[j].saved, &fault);
		}
		if (err != FROE_OK) {
			assert_int_equal(err, FROE_CORRUPT);
			eng_load_abort(load);
		} else if (eng_load_close(load, &eng, &fault) == FROE_OK) {
			eng_check(eng); /* a row that only sets what is set */
			assert_true(eng_hash(eng) == eng_hash(driver.eng));
			eng_close(eng);
		}
	}
	kept_release(&kept);
	driver_close(&driver);
}

/* One byte is another, some are missing, or some are put in. */
static void
body_damage(struct kept_record *record, struct arena *arena, uint64_t *dice)
{
	size_t size = record->saved.body.size;
	uint8_t *body = arena_alloc(arena, size + 16);
	memcpy(body, record->saved.body.data, size);
	size_t at = dice_roll(dice) % size;
	uint64_t how = dice_roll(dice) % 8;
	if (how == 0) {
		size = at;
	} else if (how == 1) {
		memmove(body + at + 3, body + at, size - at);
		size += 3;
	} else if (how == 2) {
		memset(body + at, 0xff, size - at < 10 ? size - at : 10);
	} else if (how < 5) {
		body[at] ^= (uint8_t)(1u << (dice_roll(dice) % 8));
	} else {
		body[at] = (uint8_t)(dice_roll(dice) % 20);
	}
	record->saved.body = bytes_of(body, size);
}

#ifdef FROE_SLOW
#define DAMAGES 4000
#else
#define DAMAGES 20000
#endif

static void
test_save__damaged(void **state)
{
	struct driver driver;
	struct kept kept;
	uint64_t dice = 4;
	int loaded = 0;
	(void)state;
	driver_fill(&driver);
	driver_lose(&driver, 300, 20);
	driver_save(&driver, driver.eng, &kept);
	for (int i = 0; i < DAMAGES; i++) {
		struct kept_record *record = &kept.records[dice_roll(&dice) % kept.count];
		if (i % 4 == 0) /* the few that there is one of */
			record = dice_roll(&dice) % 2 == 0
				     ? &kept.records[0]
				     : &kept.records[kept.count - 1 - dice_roll(&dice) % 20];
		if (record->saved.body.size == 0)
			continue;
		struct kept_record whole = *record;
		struct arena arena;
		arena_init(&arena, 0);
		body_damage(record, &arena, &dice);
		loaded += load_survives(&kept, true) ? 1 : 0;
		*record = whole;
		arena_release(&arena);
	}
	assert_true(loaded > 0); /* some damage is a state, too: the snapshot's hash is for that */
	assert_true(load_survives(&kept, false));
	kept_release(&kept);
	driver_close(&driver);
}

static void
test_save__newer(void **state)
{
	static const uint8_t format[] = {2};
	struct eng_load *load = eng_load_open();
	struct froe_fault fault;
	struct eng_saved saved = {.type = ENG_OBJ_ENGINE, .body = bytes_of(format, 1)};
	(void)state;
	assert_int_equal(eng_load_put(load, &saved, &fault), FROE_INCOMPATIBLE);
	eng_load_abort(load);
	load = eng_load_open();
	saved.body = bytes_of(NULL, 0); /* an older one, that had nothing to say */
	assert_int_equal(eng_load_put(load, &saved, &fault), FROE_OK);
	saved.type = ENG_OBJECT_LAST;
	assert_int_equal(eng_load_put(load, &saved, &fault), FROE_INCOMPATIBLE);
	eng_load_abort(load);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_save__everything),
	    cmocka_unit_test(test_save__long_lists),
	    cmocka_unit_test(test_save__equal_deadlines),
	    cmocka_unit_test(test_save__empty),
	    cmocka_unit_test(test_save__callback_fails),
	    cmocka_unit_test(test_save__names),
	    cmocka_unit_test(test_save__record_missing),
	    cmocka_unit_test(test_save__record_twice),
	    cmocka_unit_test(test_save__damaged),
	    cmocka_unit_test(test_save__newer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
