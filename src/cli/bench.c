/*
 * cli/bench: `froe bench SCENARIO`: a running server, measured from outside.
 *
 *   1. the command line becomes a plan;
 *   2. workers are started, each process on its own, and connections are opened;
 *   3. the scenario's loop runs: warm-up, the time that counts, what is still under way ends;
 *   4. a table, or one line of JSON.
 *
 * Every result is looked at. One that is wrong, or missing, ends the benchmark with status 1.
 */
#include "cli/bench_int.h"

#include "base/fault.h"
#include "base/mem.h"

#include <string.h>
#include <sys/mman.h>

#define PAYLOAD_MIN 8u
#define DEFAULT_COUNT 10000u
#define WORDS "bench "

static const struct bench_scenario scenarios[] = {
    {"trigger", "start a run; it is on disk", BENCH_TRIGGER, 1, NULL},
    {"run", "start a run, a worker, its result", BENCH_RUN, 1, NULL},
    {"chain", "three tasks, one after another", BENCH_CHAIN, 3, "c"},
    {"dag", "four tasks: one, two beside each other, one", BENCH_DAG, 4, "d"},
    {"fanout", "a task that starts children and waits for all", BENCH_FANOUT, 1, NULL},
    {"sleep", "how late sleeping tasks go on", BENCH_SLEEP, 1, NULL},
    {"delay", "how late runs begin that were started for a time", BENCH_DELAY, 1, NULL},
    {"retry", "how late failed tasks are tried again", BENCH_RETRY, 1, NULL},
    {"backlog", "runs that are queued, then drained", BENCH_BACKLOG, 1, NULL},
    {"fairness", "small queues alone, and beside a large one", BENCH_FAIRNESS, 1, NULL},
};

static const struct bench_scenario *
scenario_of(const char *words)
{
	const char *name = words + strlen(WORDS);

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	}
	froe_never("a row of the table without a scenario");
}

/* ---------------------------------------------------------------------------------------- plan */

static uint64_t
number_from(const struct cli *cli, const char *name, uint64_t otherwise, uint64_t least,
    uint64_t most)
{
	uint64_t value = cli_number(cli, name, otherwise, most);

	if (value < least)
		cli_usage(cli, "--%s: at least %llu", name, (unsigned long long)least);
	return value;
}

/* {"p":"xxx..."}, of the size asked for. */
static char *
payload_new(size_t size)
{
	char *payload = mem_alloc(size);

	memset(payload, 'x', size);
	memcpy(payload, "{\"p\":\"", 6);
	memcpy(payload + size - 2, "\"}", 2);
	return payload;
}

static void
plan_result(struct bench_plan *plan)
{
	size_t room = plan->payload_size + 64;
	int size;

	plan->result = mem_alloc(room);
	if (plan->scenario->kind == BENCH_FANOUT)
		size = snprintf(plan->result, room, "{\"children\":%llu}",
		    (unsigned long long)plan->children);
	else if (plan->scenario->leaf != NULL)
		size = snprintf(plan->result, room, "{\"%s\":%.*s}", plan->scenario->leaf,
		    (int)plan->payload_size, plan->payload);
	else
		size = snprintf(plan->result, room, "%.*s", (int)plan->payload_size, plan->payload);
	plan->result_size = (size_t)size;
}

static void
plan_workflows(struct bench_plan *plan)
{
	plan->workflows = mem_array(plan->queues, sizeof(plan->workflows[0]));
	for (uint64_t i = 0; i < plan->queues; i++) {
		snprintf(plan->workflows[i], BENCH_NAME_SIZE, "froe-bench-%s%s",
		    plan->scenario->name, i > 0 ? "-" : "");
		if (i > 0)
			snprintf(plan->workflows[i] + strlen(plan->workflows[i]), 24, "%llu",
			    (unsigned long long)i);
	}
}

/* Tenants, queues, connections: all default to as few as make sense together. */
static void
plan_crowd(struct bench_plan *plan, const struct cli *cli)
{
	bool fairness = plan->scenario->kind == BENCH_FAIRNESS;

	plan->tenants = number_from(cli, "tenants", 1, 1, BENCH_LINES_MAX);
	plan->queues = number_from(cli, "queues", fairness && plan->tenants == 1 ? 11 : 1, 1,
	    FROE_WORKER_ACTIONS_MAX);
	if (fairness && plan->tenants == 1 && plan->queues == 1)
		cli_usage(cli, "a large queue needs small ones beside it: --queues or --tenants, "
			       "at least 2");
	uint64_t least = plan->tenants > 1 ? plan->tenants : fairness ? 2 : 1;
	plan->clients = number_from(cli, "clients", least, least, BENCH_LINES_MAX);
	plan->workers = number_from(cli, "workers", plan->tenants, plan->tenants, BENCH_LINES_MAX);
}

/* How many slots a worker has for what can be under way. */
static uint64_t
plan_slots(const struct bench_plan *plan)
{
	enum bench_kind kind = plan->scenario->kind;

	if (bench_timed(plan))
		return 256;
	if (kind == BENCH_FANOUT || kind == BENCH_BACKLOG)
		return 1000;
	return plan->inflight < FROE_WORKER_SLOTS_MAX ? plan->inflight : FROE_WORKER_SLOTS_MAX;
}

/* What is no part of a scenario is refused: it would be believed to have been measured. */
static void
check_loop(const struct cli *cli, enum bench_kind kind, bool timed)
{
	static const char *const names[] = {"rate", "pipeline", "inflight"};
	bool counted = timed || kind == BENCH_BACKLOG;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (counted && cli_flag(cli, names[i]))
			cli_usage(cli, "--%s: --count says how many runs there are", names[i]);
	}
	if (!counted && kind != BENCH_FAIRNESS && cli_flag(cli, "count"))
		cli_usage(cli, "--count: --time says how long runs are started");
}

static void
plan_load(struct bench_plan *plan, const struct cli *cli)
{
	bool fairness = plan->scenario->kind == BENCH_FAIRNESS;
	uint64_t inflight = plan->clients;

	check_loop(cli, plan->scenario->kind, bench_timed(plan));
	plan->pipeline = cli_number(cli, "pipeline", 0, FROE_REQUESTS_MAX);
	plan->rate = cli_number(cli, "rate", 0, 100000000);
	if (plan->pipeline > 0 && (plan->rate > 0 || cli_flag(cli, "inflight") || fairness))
		cli_usage(cli, "--pipeline says how many runs are under way: leave out %s",
		    plan->rate > 0 ? "--rate" : fairness ? "it" : "--inflight");
	if (plan->rate > 0 && fairness)
		cli_usage(cli, "fairness is measured in a closed loop: leave out --rate");
	if (plan->pipeline > 0)
		inflight = plan->clients * plan->pipeline;
	else if (plan->rate > 0)
		inflight = BENCH_INFLIGHT_MAX;
	else if (fairness)
		inflight = plan->tenants > 1 ? plan->tenants - 1 : plan->queues - 1;
	if (inflight > BENCH_INFLIGHT_MAX)
		cli_usage(cli, "--clients times --pipeline: at most %u", BENCH_INFLIGHT_MAX);
	plan->inflight = number_from(cli, "inflight", inflight, 1, BENCH_INFLIGHT_MAX);
	plan->slots = number_from(cli, "slots", plan_slots(plan), 1, FROE_WORKER_SLOTS_MAX);
}

static size_t
shared_size(const struct bench_plan *plan)
{
	uint64_t rows = plan->scenario->kind == BENCH_RETRY ? plan->count : 0;

	return sizeof(*plan->shared) + rows * sizeof(plan->shared->due_ns[0]);
}

void
bench_plan_read(struct bench_plan *plan, const struct cli *cli,
    const struct bench_scenario *scenario)
{
	*plan = (struct bench_plan){.cli = cli, .scenario = scenario};
	plan_crowd(plan, cli);
	plan_load(plan, cli);
	plan->seconds = (double)cli_duration_ms(cli, "time", 5000) / 1000;
	plan->warmup_s = (double)cli_duration_ms(cli, "warmup", 1000) / 1000;
	plan->lead_ns = cli_duration_ms(cli, "lead", 5000) * (SAMPLES_NS_PER_S / 1000);
	plan->count = number_from(cli, "count", DEFAULT_COUNT, 1, 100000000);
	plan->children = number_from(cli, "children", 1000, 1, FROE_TASK_CHILDREN_MAX);
	plan->payload_size = number_from(cli, "payload", 64, PAYLOAD_MIN, FROE_PAYLOAD_BYTES_MAX);
	plan->json = cli_flag(cli, "json");
	plan->payload = payload_new(plan->payload_size);
	plan_result(plan);
	plan_workflows(plan);
	plan->shared = mmap(NULL, shared_size(plan), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	froe_assert(plan->shared != MAP_FAILED);
}

void
bench_plan_release(struct bench_plan *plan)
{
	munmap(plan->shared, shared_size(plan));
	mem_free(plan->payload);
	mem_free(plan->result);
	mem_free(plan->workflows);
}

/* -------------------------------------------------------------------------------------- report */

void
bench_print_plan_json(const struct bench_plan *plan, FILE *to)
{
	fprintf(to,
	    "\"scenario\":\"%s\",\"loop\":\"%s\",\"inflight\":%llu,\"rate_asked\":%llu,"
	    "\"clients\":%llu,\"pipeline\":%llu,\"workers\":%llu,\"tenants\":%llu,"
	    "\"queues\":%llu,\"payload\":%zu,\"tasks\":%u",
	    plan->scenario->name, plan->rate > 0 ? "open" : "closed",
	    (unsigned long long)plan->inflight, (unsigned long long)plan->rate,
	    (unsigned long long)plan->clients, (unsigned long long)plan->pipeline,
	    (unsigned long long)plan->workers, (unsigned long long)plan->tenants,
	    (unsigned long long)plan->queues, plan->payload_size, plan->scenario->tasks);
}

static void
print_count(FILE *to, uint64_t count, const char *what)
{
	fprintf(to, ", %llu %s%s", (unsigned long long)count, what, count == 1 ? "" : "s");
}

void
bench_print_plan(const struct bench_plan *plan, FILE *to)
{
	fprintf(to, "%s: %s\n", plan->scenario->name, plan->scenario->what);
	if (plan->rate > 0)
		fprintf(to, "open loop, %llu/s", (unsigned long long)plan->rate);
	else
		fprintf(to, "closed loop, %llu in flight", (unsigned long long)plan->inflight);
	print_count(to, plan->clients, "connection");
	if (plan->pipeline > 0)
		fprintf(to, " with %llu at a time", (unsigned long long)plan->pipeline);
	if (plan->scenario->kind != BENCH_TRIGGER)
		print_count(to, plan->workers, "worker");
	if (plan->tenants > 1)
		print_count(to, plan->tenants, "tenant");
	if (plan->queues > 1)
		print_count(to, plan->queues, "queue");
	fprintf(to, ", %zu bytes\n\n%-12s %10s %10s %10s %10s %10s %10s %10s\n",
	    plan->payload_size, "", "runs/s", "min us", "p50", "p90", "p99", "p99.9", "max");
}

void
bench_print_samples(const char *what, const struct samples *samples, FILE *to)
{
	static const double percents[] = {0, 50, 90, 99, 99.9, 100};

	fprintf(to, "%-12s %10.0f", what, samples_rate(samples));
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		fprintf(to, " %10.1f", samples_us(samples, percents[i]));
	fputs("\n", to);
}

/* ------------------------------------------------------------------------------------ the loop */

void
bench_print_json(const struct load *load, FILE *to)
{
	fputs("{", to);
	bench_print_plan_json(load->plan, to);
	fputs(",", to);
	samples_print_json(&load->samples, to);
	fputs("}\n", to);
}

static void
loop_report(const struct load *load)
{
	const struct bench_plan *plan = load->plan;

	if (plan->json) {
		bench_print_json(load, stdout);
	} else {
		bench_print_plan(plan, stdout);
		bench_print_samples("", &load->samples, stdout);
	}
}

int
bench_loop(const struct bench_plan *plan)
{
	struct load load;
	int status;

	if (load_open(&load, plan, &status) &&
	    (plan->scenario->kind != BENCH_TRIGGER ||
		bench_workflows_put(plan, &load.crowd, &status))) {
		load_measure(&load, 0);
		status = load_status(&load);
		if (status == FROE_EXIT_OK)
			loop_report(&load);
	}
	load_close(&load);
	return status;
}

int
cli_bench(struct cli *cli)
{
	struct bench_plan plan;
	struct workers workers;
	int status = FROE_EXIT_UNAVAILABLE;

	bench_plan_read(&plan, cli, scenario_of(cli->command->words));
	if (plan.scenario->kind == BENCH_BACKLOG) {
		status = bench_backlog(&plan);
	} else {
		if (workers_start(&workers, &plan))
			status = bench_timed(&plan) ? bench_sleep(&plan) :
			    plan.scenario->kind == BENCH_FAIRNESS ? bench_fairness(&plan) :
								    bench_loop(&plan);
		workers_stop(&workers);
	}
	bench_plan_release(&plan);
	return status;
}
