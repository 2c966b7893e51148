/*
 * tests/engine_durable: the driver's commands for durable tasks.
 */
#ifndef TESTS_ENGINE_DURABLE_H
#define TESTS_ENGINE_DURABLE_H

#define _GNU_SOURCE
#include "engine_driver.h"

/* A workflow whose tasks are all durable. */
static inline void
durable_define(struct driver *driver, const char *name, const char *line, uint32_t retries)
{
	struct workflow workflow;
	static const struct eng_slots slots = {{(const uint8_t *)"default", 7}, 1};
	workflow_parse(&workflow, &driver->arena, name, line);
	for (uint32_t i = 0; i < workflow.definition.task_count; i++) {
		workflow.tasks[i].durable = true;
		workflow.tasks[i].slots = &slots; /* so that few of a worker's are scarce */
		workflow.tasks[i].slot_count = 1;
		workflow.tasks[i].retries = retries;
	}
	driver_put(driver, &workflow);
}

/* One such workflow, and a worker for it. */
static inline void
durable_open(struct driver *driver, uint32_t slots)
{
	driver_open(driver);
	durable_define(driver, "wf", "a", 2);
	driver_worker(driver, 1, slots, "wf:a");
}

static inline const struct eng_event *
record_of(const struct driver *driver, uint64_t run, uint32_t record, enum eng_event_type type)
{
	const struct eng_event *event = ledger_record(&driver->ledger, run, record);
	assert_int_equal(event->type, type);
	return event;
}

/* Whatever the newest lease is: also one that has ended. */
static inline struct eng_command
durable_command(const struct driver *driver, enum eng_command_type type, uint64_t run,
    const char *task, uint32_t node)
{
	struct eng_command command = driver_command(driver, type);
	const struct ledger_task *held = driver_task(driver, run, task);
	command.durable.worker.v = held->worker;
	command.durable.fence.task =
	    uuid_task(ledger_run(&driver->ledger, run)->id, driver_index(driver, run, task));
	command.durable.fence.lease = held->lease;
	command.durable.node = node;
	return command;
}

static inline struct eng_condition
on_sleep(uint64_t ms)
{
	return (struct eng_condition){.kind = ENG_CONDITION_SLEEP, .sleep_ms = ms};
}

static inline struct eng_condition
on_event(const char *key)
{
	return (struct eng_condition){.kind = ENG_CONDITION_EVENT, .name = bytes_text(key)};
}

static inline struct eng_condition
on_approval(const char *name, const char *data)
{
	return (struct eng_condition){
	    .kind = ENG_CONDITION_APPROVAL,
	    .name = bytes_text(name),
	    .data = bytes_text(data),
	};
}

static inline struct eng_condition
on_value(const char *name)
{
	return (struct eng_condition){.kind = ENG_CONDITION_VALUE, .name = bytes_text(name)};
}

/* The task takes a step that waits; its answer. */
static inline const struct eng_effect *
durable_wait(struct driver *driver, uint64_t run, const char *task, uint32_t node,
    const struct eng_condition *conditions, uint32_t count)
{
	struct eng_command command =
	    durable_command(driver, ENG_CMD_DURABLE_STEP, run, task, node);
	command.durable.kind = ENG_NODE_WAIT;
	command.durable.conditions = conditions;
	command.durable.condition_count = count;
	driver_step(driver, &command);
	return driver_reply(driver);
}

/* A step that keeps a value; NULL: only asks for it. */
static inline const struct eng_effect *
durable_memo(struct driver *driver, uint64_t run, const char *task, uint32_t node, const char *key,
    const char *value)
{
	struct eng_command command =
	    durable_command(driver, ENG_CMD_DURABLE_STEP, run, task, node);
	command.durable.kind = ENG_NODE_MEMO;
	command.durable.name = bytes_text(key);
	command.durable.has_value = value != NULL;
	if (value != NULL)
		command.durable.value = bytes_text(value);
	driver_step(driver, &command);
	return driver_reply(driver);
}

/* The handler gives what the step waits for. */
static inline const struct eng_effect *
durable_give(struct driver *driver, uint64_t run, const char *task, uint32_t node, const char *name,
    const char *value)
{
	struct eng_condition condition = on_value(name);
	struct eng_command command =
	    durable_command(driver, ENG_CMD_DURABLE_STEP, run, task, node);
	command.durable.kind = ENG_NODE_WAIT;
	command.durable.conditions = &condition;
	command.durable.condition_count = 1;
	command.durable.has_value = true;
	command.durable.value = bytes_text(value);
	driver_step(driver, &command);
	return driver_reply(driver);
}

/* What there is of the step, whatever it is. */
static inline const struct eng_effect *
durable_ask(struct driver *driver, uint64_t run, const char *task, uint32_t node)
{
	struct eng_command command =
	    durable_command(driver, ENG_CMD_DURABLE_STEP, run, task, node);
	driver_step(driver, &command);
	return driver_reply(driver);
}

static inline const struct eng_effect *
driver_child(struct driver *driver, uint64_t run, const char *task, uint32_t node,
    const char *workflow)
{
	struct eng_command command =
	    durable_command(driver, ENG_CMD_DURABLE_STEP, run, task, node);
	command.durable.kind = ENG_NODE_CHILD;
	command.durable.child.workflow = bytes_text(workflow);
	command.durable.child.run = driver_id(driver);
	command.durable.child.input = bytes_text("{}");
	driver_step(driver, &command);
	return driver_reply(driver);
}

static inline enum froe_err
durable_evict(struct driver *driver, uint64_t run, const char *task, uint32_t node)
{
	struct eng_command command = durable_command(driver, ENG_CMD_TASK_EVICT, run, task, node);
	return driver_try(driver, &command);
}

/* Until it has more results than the handler has. */
static inline enum froe_err
durable_park(struct driver *driver, uint64_t run, const char *task, uint32_t results)
{
	struct eng_command command = durable_command(driver, ENG_CMD_TASK_EVICT, run, task, 0);
	command.durable.results = results;
	return driver_try(driver, &command);
}

static inline enum froe_err
driver_push(struct driver *driver, const char *key, struct bytes payload)
{
	struct eng_command command = driver_command(driver, ENG_CMD_EVENT_PUSH);
	command.event_push.key = bytes_text(key);
	command.event_push.payload = payload;
	return driver_try(driver, &command);
}

static inline enum froe_err
driver_approve(struct driver *driver, uint64_t number, bool approved, const char *actor)
{
	struct eng_command command = driver_command(driver, ENG_CMD_APPROVAL_DECIDE);
	command.actor = bytes_text(actor);
	command.approval_decide.approval = number;
	command.approval_decide.approved = approved;
	command.approval_decide.reason = bytes_text("looks good");
	return driver_try(driver, &command);
}

#endif
