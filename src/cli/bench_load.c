/*
 * cli/bench_load: runs under way, and how long they take.
 *
 * Closed loop: the end of a run starts the next one, at once or, with a pipeline, when all that its
 * connection has under way have ended: then all of them are started in one go, and leave in one
 * write. The time of a run goes from its start to its end.
 *
 * Open loop: a run is due every 1/rate of a second, whether or not earlier ones have ended, and its
 * time goes from that moment. One that finds all runs of the plan under way waits, and its time
 * runs.
 */
#include "cli/bench_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "cli/terminal.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_NS (10 * SAMPLES_NS_PER_S)
#define LONGEST_NS (60 * SAMPLES_NS_PER_S) /* so long a single run is waited for */

static void run_start(struct load_run *run, uint64_t now_ns);

/* ------------------------------------------------------------------------------------- failing */

void
load_fail(struct load *load, const struct froe_error *error)
{
	if (!load->failed)
		load->error = *error;
	load->failed = true;
}

void
load_wrong(struct load *load, const char *format, ...)
{
	struct froe_error error = {.code = FROE_INTERNAL};
	va_list args;

	va_start(args, format);
	vsnprintf(error.text, sizeof(error.text), format, args);
	va_end(args);
	load_fail(load, &error);
}

/* When the next run is due, in an open loop; UINT64_MAX: there are no more. */
static uint64_t
due_next(const struct load *load)
{
	double period_ns;
	uint64_t due_ns;

	if (load->plan->rate == 0)
		return UINT64_MAX;
	period_ns = (double)SAMPLES_NS_PER_S / (double)load->plan->rate;
	due_ns = load->origin_ns + (uint64_t)(period_ns * (double)load->begun);
	return due_ns < load->samples.end_ns ? due_ns : UINT64_MAX;
}

/* Also what is still due is owed: left out, a server that stops would look well. */
static bool
load_owes(const struct load *load)
{
	return load->waiting > 0 || due_next(load) != UINT64_MAX;
}

int
load_status(const struct load *load)
{
	if (load->failed)
		return cli_fail(&load->error);
	if (load_owes(load)) {
		fprintf(stderr, "froe: %llu runs did not end%s\n",
		    (unsigned long long)load->waiting,
		    due_next(load) == UINT64_MAX ? "" :
			", and others were not even started: --rate is more than it can do");
		return FROE_EXIT_FAILED;
	}
	if (load->samples.took.count == 0) {
		fprintf(stderr, "froe: no run ended in the time that counts: measure for longer, "
				"--time\n");
		return FROE_EXIT_FAILED;
	}
	return FROE_EXIT_OK;
}

/* ------------------------------------------------------------------------------------ progress */

void
load_show(struct load *load, uint64_t now_ns)
{
	const struct samples *samples = &load->samples;
	double seconds = (double)(now_ns - load->shown_ns) / (double)SAMPLES_NS_PER_S;

	if (!load->shows || now_ns - load->shown_ns < SAMPLES_NS_PER_S)
		return;
	fprintf(stderr, "\r\x1b[K%s  %.0f/s  p50 %.0f us  p99 %.0f us  %llu runs so far",
	    now_ns < samples->begin_ns ? "warm-up" : "measuring",
	    (double)(samples->total - load->shown_total) / seconds, samples_us(samples, 50),
	    samples_us(samples, 99), (unsigned long long)samples->total);
	fflush(stderr);
	load->shown_ns = now_ns;
	load->shown_total = samples->total;
}

void
load_show_end(struct load *load)
{
	if (load->shows)
		fputs("\r\x1b[K", stderr);
}

/* ------------------------------------------------------------------------------- one run's end */

static void
line_start(struct load *load, const struct crowd_line *line, uint64_t now_ns)
{
	uint64_t first = (uint64_t)(line - load->crowd.lines) * load->plan->pipeline;

	for (uint64_t i = 0; i < load->plan->pipeline; i++)
		run_start(&load->runs[first + i], now_ns);
}

static void
run_ended(struct load_run *run)
{
	struct load *load = run->load;
	uint64_t now_ns = samples_now_ns();

	load->waiting--;
	run->line->waiting--;
	if (run->counts)
		samples_push(&load->samples, run->started_ns, now_ns);
	if (load->plan->rate > 0) {
		run->next_free = load->free_runs;
		load->free_runs = run;
	} else if (load->stopping || load->failed) {
		return;
	} else if (load->plan->pipeline == 0) {
		run_start(run, now_ns);
	} else if (run->line->waiting == 0) {
		line_start(load, run->line, now_ns);
	}
}

static void
on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct load_run *run = context;
	struct load *load = run->load;

	if (started == NULL) {
		load->waiting--;
		run->line->waiting--;
		load_fail(load, error);
	} else if (!started->created) {
		load_wrong(load, "a run was not started: it is said to be another one");
	} else if (load->plan->scenario->kind == BENCH_TRIGGER) {
		run_ended(run);
	}
}

static void
on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct load_run *run = context;
	struct load *load = run->load;
	const struct bench_plan *plan = load->plan;
	bool good = event != NULL && event->status == FROE_RUN_COMPLETED &&
	    event->result.size == plan->result_size &&
	    memcmp(event->result.data, plan->result, plan->result_size) == 0;

	if (event == NULL)
		load_fail(load, error);
	else if (!good)
		load_wrong(load, "a run ended %s%s%s, and not with the result that it should have",
		    froe_status_name(event->status), event->error != NULL ? ": " : "",
		    event->error != NULL ? event->error : "");
	run_ended(run);
}

static void
run_start(struct load_run *run, uint64_t now_ns)
{
	struct load *load = run->load;
	const struct bench_plan *plan = load->plan;
	struct froe_error error;
	struct froe_run_options options = {
	    .workflow = plan->workflows[run->queue],
	    .input = {plan->payload, plan->payload_size},
	};

	run->started_ns = now_ns;
	run->line->dirty = true;
	if (froe_run_start_async(run->line->client, &options, on_started,
		plan->scenario->kind == BENCH_TRIGGER ? NULL : on_end, run, &error) == FROE_OK) {
		load->waiting++;
		run->line->waiting++;
	} else {
		load_fail(load, &error);
	}
}

/* ------------------------------------------------------------------------------------ the loops */

void
load_step(struct load *load, uint64_t until_ns)
{
	struct froe_error error;

	if (crowd_step(&load->crowd, until_ns, &error) != FROE_OK)
		load_fail(load, &error);
}

/* Starts what is due; until when there is nothing to do but wait for an end. */
static uint64_t
start_due(struct load *load, uint64_t now_ns)
{
	uint64_t due_ns;

	while ((due_ns = due_next(load)) <= now_ns && load->free_runs != NULL) {
		struct load_run *run = load->free_runs;

		load->free_runs = run->next_free;
		load->begun++;
		run_start(run, due_ns);
	}
	return due_ns <= now_ns ? UINT64_MAX : due_ns;
}

static void
load_until(struct load *load, uint64_t end_ns)
{
	uint64_t now_ns;

	while (!load->failed && (!load->stopping || load_owes(load)) &&
	    (now_ns = samples_now_ns()) < end_ns) {
		uint64_t due_ns = start_due(load, now_ns);

		load_show(load, now_ns);
		load_step(load, due_ns);
	}
}

static void
runs_fill(struct load *load, uint64_t in_the_way)
{
	const struct bench_plan *plan = load->plan;
	uint64_t small = plan->scenario->kind == BENCH_FAIRNESS ? 1 : 0;

	load->run_count = plan->inflight + in_the_way;
	load->runs = mem_array(load->run_count, sizeof(*load->runs));
	for (uint64_t i = 0; i < load->run_count; i++) {
		struct load_run *run = &load->runs[i];
		bool counts = i >= in_the_way;
		uint64_t at = i - in_the_way, count = load->crowd.count - (counts ? small : 0);

		run->load = load;
		run->counts = counts;
		run->line = &load->crowd.lines[!counts ? 0 :
			plan->pipeline > 0 ? at / plan->pipeline : at % count + small];
		run->queue = counts && plan->queues > small ?
		    at / plan->tenants % (plan->queues - small) + small : 0;
		run->next_free = i + 1 < load->run_count ? run + 1 : NULL;
	}
	load->free_runs = load->runs;
}

/* A run takes longer than is measured for. */
static bool
load_is_empty(const struct load *load)
{
	const struct samples *samples = &load->samples;

	return load->plan->rate == 0 && !load->failed && samples->took.count == 0 &&
	    samples->end_ns - samples->begin_ns < LONGEST_NS;
}

void
load_measure(struct load *load, uint64_t in_the_way)
{
	const struct bench_plan *plan = load->plan;

	mem_free(load->runs);
	runs_fill(load, in_the_way);
	samples_release(&load->samples);
	samples_init(&load->samples, plan->warmup_s, plan->seconds);
	load->samples.open = plan->rate > 0;
	load->stopping = false;
	load->begun = load->shown_total = 0;
	load->origin_ns = load->shown_ns = samples_now_ns();
	for (uint64_t i = 0; i < load->run_count && plan->rate == 0; i++)
		run_start(&load->runs[i], samples_now_ns());
	load_until(load, load->samples.end_ns);
	while (load_is_empty(load)) {
		load->samples.end_ns += load->samples.end_ns - load->samples.begin_ns;
		load_until(load, load->samples.end_ns);
	}
	load->stopping = true;
	load_until(load, load->samples.end_ns + DRAIN_NS);
	load_show_end(load);
}

bool
load_open(struct load *load, const struct bench_plan *plan, int *ret_status)
{
	*load = (struct load){
	    .plan = plan,
	    .shows = terminal_open(STDERR_FILENO).moves && !plan->json,
	};
	samples_init(&load->samples, 0, 0);
	return crowd_open(&load->crowd, plan, plan->clients, ret_status);
}

void
load_close(struct load *load)
{
	load->stopping = true; /* closing ends what is still under way */
	crowd_close(&load->crowd);
	samples_release(&load->samples);
	mem_free(load->runs);
}
