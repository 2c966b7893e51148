/*
 * cli/bench_queue: what queues do: a backlog that is drained, small ones beside a large one.
 *
 * Backlog: --count runs are started while no worker is there; then one comes. What is measured is
 * how many of its results are acknowledged in a second, from its start to the last. Each input is
 * checked by the worker, and each hundredth result is asked for at the end.
 *
 * Fairness: first the small queues alone, with one run each under way. Then the same beside a queue
 * of their tenant, or a tenant, that has --count runs under way all the time. Both use the same
 * workers.
 */
#include "cli/bench_int.h"

#include "base/fault.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define BATCH 500u
#define SAMPLE_EVERY 100u
#define DRAIN_S 600u

/* ------------------------------------------------------------------------------------- backlog */

struct backlog {
	const struct bench_plan *plan;
	struct crowd crowd;
	struct froe_id *sampled;
	uint64_t sampled_count;
	double fill_s;
	double drain_s;
};

static enum froe_err
backlog_batch(struct backlog *backlog, uint64_t first, struct froe_error *error)
{
	const struct bench_plan *plan = backlog->plan;
	struct froe_run_options options[BATCH] = {0};
	struct froe_started started[BATCH];
	uint64_t left = plan->count - first;
	size_t count = left < BATCH ? left : BATCH;

	for (size_t i = 0; i < count; i++) {
		options[i].workflow = plan->workflows[(first + i) % plan->queues];
		options[i].input = (struct froe_bytes){plan->payload, plan->payload_size};
	}
	enum froe_err err = froe_run_start_many(backlog->crowd.lines[0].client, options, count,
	    BENCH_CALL_MS, started, error);
	for (size_t i = 0; i < count && err == FROE_OK; i += SAMPLE_EVERY)
		backlog->sampled[backlog->sampled_count++] = started[i].run;
	return err;
}

static int
backlog_fill(struct backlog *backlog)
{
	uint64_t began_ns = samples_now_ns();
	struct froe_error error;
	int status;

	if (!bench_workflows_put(backlog->plan, &backlog->crowd, &status))
		return status;
	for (uint64_t at = 0; at < backlog->plan->count; at += BATCH) {
		if (backlog_batch(backlog, at, &error) != FROE_OK)
			return cli_fail(&error);
	}
	backlog->fill_s = (double)(samples_now_ns() - began_ns) / (double)SAMPLES_NS_PER_S;
	return FROE_EXIT_OK;
}

static int
backlog_check(const struct backlog *backlog)
{
	const struct bench_plan *plan = backlog->plan;
	struct froe_error error;

	for (uint64_t i = 0; i < backlog->sampled_count; i++) {
		struct froe_event *end;
		if (froe_run_await(backlog->crowd.lines[0].client, backlog->sampled[i],
			BENCH_CALL_MS, &end, &error) != FROE_OK)
			return cli_fail(&error);
		bool good = end->status == FROE_RUN_COMPLETED &&
		    end->result.size == plan->result_size &&
		    memcmp(end->result.data, plan->result, plan->result_size) == 0;
		froe_event_free(end);
		if (!good) {
			fputs("froe: a run did not end with the result that it should have\n",
			    stderr);
			return FROE_EXIT_FAILED;
		}
	}
	return FROE_EXIT_OK;
}

/* Looks at the workers' count until it is all of them. */
static int
backlog_drain(struct backlog *backlog)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct workers workers;
	uint64_t began_ns = samples_now_ns(), now_ns = began_ns;
	bool serves = workers_start(&workers, backlog->plan);
	uint64_t wanted = backlog->plan->count, done = 0;

	while (serves && now_ns - began_ns < DRAIN_S * SAMPLES_NS_PER_S &&
	    (done = atomic_load(&backlog->plan->shared->done)) < wanted) {
		nanosleep(&pause, NULL);
		now_ns = samples_now_ns();
	}
	workers_stop(&workers);
	backlog->drain_s = (double)(now_ns - began_ns) / (double)SAMPLES_NS_PER_S;
	if (serves && done == wanted)
		return FROE_EXIT_OK;
	if (serves)
		fprintf(stderr, "froe: %" PRIu64 " of %" PRIu64 " runs were worked on\n", done,
		    wanted);
	return serves ? FROE_EXIT_FAILED : FROE_EXIT_UNAVAILABLE;
}

static void
backlog_report(const struct backlog *backlog)
{
	const struct bench_plan *plan = backlog->plan;
	double fill = (double)plan->count / backlog->fill_s;
	double drain = (double)plan->count / backlog->drain_s;

	if (!plan->json) {
		printf("backlog: %" PRIu64 " runs\n\nqueued     %10.0f/s\ndrained    %10.0f/s\n",
		    plan->count, fill, drain);
		return;
	}
	fputs("{", stdout);
	bench_print_plan_json(plan, stdout);
	printf(",\"count\":%" PRIu64 ",\"total\":%" PRIu64 ",\"fill_rate\":%.1f,\"rate\":%.1f}\n",
	    plan->count, plan->count, fill, drain);
}

int
bench_backlog(const struct bench_plan *plan)
{
	struct backlog backlog = {.plan = plan};
	int status;

	backlog.sampled =
	    mem_array(plan->count / SAMPLE_EVERY + plan->count / BATCH + 2, sizeof(struct froe_id));
	if (crowd_open(&backlog.crowd, plan, plan->tenants, &status))
		status = backlog_fill(&backlog);
	crowd_close(&backlog.crowd); /* nothing of a client survives the workers' fork */
	if (status == FROE_EXIT_OK)
		status = backlog_drain(&backlog);
	if (status == FROE_EXIT_OK && crowd_open(&backlog.crowd, plan, plan->tenants, &status))
		status = backlog_check(&backlog);
	crowd_close(&backlog.crowd);
	if (status == FROE_EXIT_OK)
		backlog_report(&backlog);
	mem_free(backlog.sampled);
	return status;
}

/* ------------------------------------------------------------------------------------ fairness */

static void
fairness_report(const struct load *load, const struct samples *alone)
{
	const struct bench_plan *plan = load->plan;
	const struct samples *beside = &load->samples;

	if (!plan->json) {
		bench_print_plan(plan, stdout);
		bench_print_samples("alone", alone, stdout);
		bench_print_samples("beside it", beside, stdout);
		return;
	}
	fputs("{", stdout);
	bench_print_plan_json(plan, stdout);
	fputs(",\"alone\":{", stdout);
	samples_print_json(alone, stdout);
	fputs("},\"beside\":{", stdout);
	samples_print_json(beside, stdout);
	printf("},\"count\":%llu,\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
	    (unsigned long long)beside->took.count, samples_rate(beside), samples_us(beside, 50),
	    samples_us(beside, 99));
}

int
bench_fairness(const struct bench_plan *plan)
{
	struct load load;
	struct samples alone = {0};
	int status;

	if (load_open(&load, plan, &status)) {
		load_measure(&load, 0);
		status = load_status(&load);
		if (status == FROE_EXIT_OK) {
			alone = load.samples;
			load.samples = (struct samples){0};
			load_measure(&load, plan->count);
			status = load_status(&load);
		}
		if (status == FROE_EXIT_OK)
			fairness_report(&load, &alone);
	}
	load_close(&load);
	samples_release(&alone);
	return status;
}
