/*
 * cli/bench_sleep: how late durable sleeps end, delayed runs begin, failed tasks are tried again.
 *
 * --count runs of one task are started, each of which waits until a time of its own: those times
 * begin after --lead and are spread evenly over --time. All must wait before the first is due, or
 * nothing was measured. A handler that goes on says how late it is, by the clock on the wall; the
 * run's result brings it here.
 */
#include "cli/bench_int.h"

#include "base/fault.h"
#include "base/mem.h"

#include <inttypes.h>

#define STARTING_MAX 256u /* runs that are started and not acknowledged */
#define END_WAIT_NS (30 * SAMPLES_NS_PER_S)

struct sleeps {
	struct load load;
	uint64_t first_wall_ns; /* when the first one is to go on */
	uint64_t starting;
};

static void
on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct sleeps *sleeps = context;

	sleeps->starting--;
	if (started != NULL && sleeps->load.plan->scenario->kind == BENCH_DELAY)
		atomic_fetch_add(&sleeps->load.plan->shared->asleep, 1);
	if (started == NULL) {
		sleeps->load.waiting--;
		load_fail(&sleeps->load, error);
	}
}

static void
on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct sleeps *sleeps = context;
	uint64_t late_ns;

	sleeps->load.waiting--;
	if (event == NULL)
		load_fail(&sleeps->load, error);
	else if (event->status != FROE_RUN_COMPLETED ||
	    !bench_number(event->result, "late_ns", &late_ns))
		load_wrong(&sleeps->load, "a sleeping run ended %s%s%s",
		    froe_status_name(event->status), event->error != NULL ? ": " : "",
		    event->error != NULL ? event->error : "");
	else
		hdr_add(&sleeps->load.samples.took, late_ns);
}

static void
sleep_start(struct sleeps *sleeps, uint64_t number)
{
	struct load *load = &sleeps->load;
	const struct bench_plan *plan = load->plan;
	double part = (double)number / (double)plan->count;
	struct crowd_line *line = &load->crowd.lines[number % load->crowd.count];
	struct froe_error error;
	char input[80];
	uint64_t until_ns = sleeps->first_wall_ns +
	    (uint64_t)(part * plan->seconds * (double)SAMPLES_NS_PER_S);
	int size = snprintf(input, sizeof(input),
	    "{\"until_ns\":%" PRIu64 ",\"number\":%" PRIu64 "}", until_ns, number);
	struct froe_run_options options = {
	    .workflow = plan->workflows[0],
	    .input = {input, (size_t)size},
	    .start_ns = plan->scenario->kind == BENCH_DELAY ? until_ns : 0,
	};

	line->dirty = true;
	if (froe_run_start_async(line->client, &options, on_started, on_end, sleeps, &error) !=
	    FROE_OK) {
		load_fail(load, &error);
		return;
	}
	load->waiting++;
	sleeps->starting++;
}

static void
sleeps_fill(struct sleeps *sleeps)
{
	struct load *load = &sleeps->load;
	const struct bench_plan *plan = load->plan;

	sleeps->first_wall_ns = bench_wall_ns() + plan->lead_ns;
	while (!load->failed && atomic_load(&plan->shared->asleep) < plan->count) {
		while (load->begun < plan->count && sleeps->starting < STARTING_MAX &&
		    !load->failed)
			sleep_start(sleeps, load->begun++);
		load_step(load, samples_now_ns() + BENCH_STEP_NS / 10);
		if (bench_wall_ns() >= sleeps->first_wall_ns)
			load_wrong(load, "only %" PRIu64 " of %" PRIu64 " tasks were waiting when "
			    "the first was due: give a longer --lead, or a smaller --count",
			    (uint64_t)atomic_load(&plan->shared->asleep), plan->count);
	}
}

static void
sleeps_report(const struct load *load)
{
	const struct bench_plan *plan = load->plan;

	if (plan->json) {
		bench_print_json(load, stdout);
		return;
	}
	printf("%s: %llu tasks, due over %.1f s\n\n", plan->scenario->name,
	    (unsigned long long)plan->count, plan->seconds);
	printf("late by, us: p50 %.0f, p90 %.0f, p99 %.0f, p99.9 %.0f, at most %.0f\n",
	    samples_us(&load->samples, 50), samples_us(&load->samples, 90),
	    samples_us(&load->samples, 99), samples_us(&load->samples, 99.9),
	    samples_us(&load->samples, 100));
}

int
bench_sleep(const struct bench_plan *plan)
{
	struct sleeps sleeps = {0};
	struct load *load = &sleeps.load;
	uint64_t end_ns;
	int status;

	if (load_open(load, plan, &status)) {
		sleeps_fill(&sleeps);
		load->samples.begin_ns = samples_now_ns();
		end_ns = load->samples.begin_ns + plan->lead_ns + END_WAIT_NS +
		    (uint64_t)(plan->seconds * (double)SAMPLES_NS_PER_S);
		while (!load->failed && load->waiting > 0 && samples_now_ns() < end_ns)
			load_step(load, UINT64_MAX);
		load->samples.end_ns = samples_now_ns();
		load->samples.total = load->samples.ended = load->samples.took.count;
		status = load_status(load);
		if (status == FROE_EXIT_OK)
			sleeps_report(load);
	}
	load_close(load);
	return status;
}
