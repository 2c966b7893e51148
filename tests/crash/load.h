/*
 * tests/crash/load: client threads that keep runs under way, and remember what was acknowledged.
 *
 * Purpose     Each thread has a client of its own, starts runs of both workflows at a bounded rate,
 *             cancels one in 40, and records acknowledgements and ends.
 * Ownership   a load owns its runs; they are read by others only after load_join.
 * Threading   one thread a load, which alone steps its client; load_stop from any thread.
 */
#ifndef CRASH_LOAD_H
#define CRASH_LOAD_H

#include "crash/ledger.h"

#include <pthread.h>
#include <stdatomic.h>

#define LOAD_RUNS_MAX 65536u
#define LOAD_INFLIGHT_MAX 24u
#define LOAD_PER_S 300u
#define LOAD_STEP_MS 5
#define LOAD_CANCEL_EVERY 40u
#define LOAD_DRAIN_NS (60000 * LEDGER_NS_PER_MS)
#define LOAD_CALL_MS 60000

/* One trigger, from its own thread's point of view. */
struct load_run {
	struct load *load;
	struct froe_id id;
	struct ledger_input input;
	enum ledger_workflow workflow;
	uint32_t key;         /* idempotency: shared with another trigger of the thread; 0: none */
	uint64_t delay_ms;    /* it is to begin so long after it was asked for; 0: at once */
	uint64_t asked_ns;
	bool acknowledged;  /* RunStarted came: it must not be lost */
	bool refused;       /* the trigger's answer was an error */
	bool ended;         /* the final event came */
	bool cancelled;     /* the cancel was acknowledged */
	bool cancel_asked;
	uint64_t gone_ns;   /* when the server did not know it, asked for its end; 0: it did */
	uint64_t acknowledged_ns; /* when these came */
	uint64_t ended_ns;
	uint64_t cancelled_ns;
	enum froe_status status; /* of the final event */
	uint64_t value;          /* of its result, and which execution made it */
	uint32_t attempt;
	int pid;
	bool value_read;
	char text[96]; /* of an error, or of a result that could not be read */
};

struct load {
	pthread_t thread;
	const char *address;
	uint64_t seed;
	atomic_bool stop;
	atomic_size_t ended; /* for the driver's progress line */
	struct load_run *runs; /* LOAD_RUNS_MAX: their addresses are contexts */
	size_t run_count;
	uint32_t key_last;
	size_t pending; /* triggers and ends that are still to come */
	char failure[160]; /* "": none */
	struct froe_client *client;
};

static inline uint64_t
load_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static inline void
load_on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct load_run *run = context;

	if (started != NULL) {
		run->acknowledged = true;
		run->acknowledged_ns = ledger_now_ns();
		run->id = started->run;
		return;
	}
	run->refused = true;
	run->load->pending--;
	snprintf(run->text, sizeof(run->text), "%s", error->text);
}

/* The result of the single is its output; of the dag an object with the output of d. */
static inline void
load_read_result(struct load_run *run, struct froe_bytes result)
{
	static const char before[] = "{\"d\":";
	struct ledger_output output;
	size_t skip = sizeof(before) - 1;

	snprintf(run->text, sizeof(run->text), "%.*s", (int)(result.size < 90 ? result.size : 90),
	    (const char *)result.data);
	if (run->workflow == LEDGER_OF_DAG) {
		if (result.size < skip + 1 || memcmp(result.data, before, skip) != 0)
			return;
		result.data = (const char *)result.data + skip;
		result.size -= skip + 1;
	}
	if (!ledger_output_read(result, &output))
		return;
	run->value_read = true;
	run->value = output.value;
	run->attempt = output.attempt;
	run->pid = output.pid;
}

static inline void
load_on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct load_run *run = context;

	run->load->pending--;
	if (event == NULL) {
		run->gone_ns = error->code == FROE_NOT_FOUND ? ledger_now_ns() : 0;
		snprintf(run->text, sizeof(run->text), "%s", error->text);
		return;
	}
	run->ended = true;
	run->ended_ns = ledger_now_ns();
	run->status = event->status;
	if (event->status == FROE_RUN_COMPLETED)
		load_read_result(run, event->result);
	else if (event->error != NULL)
		snprintf(run->text, sizeof(run->text), "%s", event->error);
	atomic_fetch_add_explicit(&run->load->ended, 1, memory_order_relaxed);
}

/* Some have the key of the trigger before them, and are told its run; some begin later. */
static inline void
load_vary(struct load *load, struct load_run *run, uint64_t dice, struct froe_run_options *options,
    char key[64])
{
	const struct load_run *before = load->run_count > 0 ? run - 1 : NULL;
	bool again = before != NULL && before->key != 0 && (dice >> 30 & 1) == 0;

	if (again || (dice >> 20 & 7) == 0) {
		run->key = again ? load->key_last : ++load->key_last;
		if (again)
			run->input = before->input;
		snprintf(key, 64, "key-%p-%" PRIu32, (void *)load, run->key);
		options->key = key;
	} else if ((dice >> 20 & 7) == 1) {
		run->delay_ms = 20 + (dice >> 24 & 255);
		options->delay_ms = run->delay_ms;
	}
	run->asked_ns = ledger_now_ns();
}

static inline void
load_start_one(struct load *load)
{
	struct load_run *run = &load->runs[load->run_count];
	uint64_t dice = load_random(&load->seed);
	char input[LEDGER_OUTPUT_BYTES];
	struct froe_error error;
	struct froe_run_options options = {0};
	char key[64];

	run->load = load;
	run->workflow = (dice >> 16 & 15) == 0 ? LEDGER_OF_PARENT
	    : (dice >> 16 & 15) == 1           ? LEDGER_OF_DURABLE
	    : (dice & 1) != 0                  ? LEDGER_OF_DAG
	                                       : LEDGER_OF_SINGLE;
	run->input.n = dice >> 40;
	/* One in eight has flaky tasks; most take no time, some a little, few very long. */
	run->input.flaky = (dice >> 1 & 7) == 0 ? (uint32_t)(dice >> 4 & 15) : 0;
	run->input.take_ms = (dice >> 8 & 63) == 0 ? 300 : (dice >> 8 & 3) == 0 ? 3 : 0;
	if (run->workflow == LEDGER_OF_SINGLE)
		load_vary(load, run, dice, &options, key);
	options.workflow = ledger_workflow_name(run->workflow);
	options.input.data = input;
	options.input.size = (size_t)ledger_input_print(input, sizeof(input), run->input);
	if (froe_run_start_async(load->client, &options, load_on_started, load_on_end, run,
	        &error) != FROE_OK)
		return; /* too many under way while the server is down: nothing was sent */
	load->run_count++;
	load->pending++;
}

/* Cancels a run in the middle of its life; what is acknowledged must hold. */
static inline void
load_cancel_one(struct load *load)
{
	struct load_run *run = &load->runs[load->run_count - 1];
	struct froe_error error;

	if (!run->acknowledged || run->ended || run->cancel_asked)
		return;
	run->cancel_asked = true;
	if (froe_run_cancel(load->client, run->id, "crash", LOAD_CALL_MS, &error) == FROE_OK) {
		run->cancelled = true;
		run->cancelled_ns = ledger_now_ns();
	} else if (error.code != FROE_FAILED_PRECONDITION) {
		snprintf(load->failure, sizeof(load->failure), "cancel: %.140s", error.text);
	}
}

static inline bool
load_step(struct load *load)
{
	struct froe_error error;

	if (froe_client_step(load->client, LOAD_STEP_MS, &error) == FROE_OK)
		return true;
	snprintf(load->failure, sizeof(load->failure), "step: %.140s", error.text);
	return false;
}

/* Starts what the rate allows until it is to stop, then waits for what is under way. */
static inline void
load_work(struct load *load)
{
	uint64_t began_ns = ledger_now_ns();
	uint64_t by_ns = UINT64_MAX;
	uint64_t allowed;
	size_t cancel_at = LOAD_CANCEL_EVERY;

	while (load->pending > 0 || !atomic_load(&load->stop)) {
		uint64_t now_ns = ledger_now_ns();

		if (atomic_load(&load->stop) && by_ns == UINT64_MAX)
			by_ns = now_ns + LOAD_DRAIN_NS;
		if (now_ns >= by_ns || !load_step(load))
			break;
		allowed = (now_ns - began_ns) / LEDGER_NS_PER_MS * LOAD_PER_S / 1000;
		while (!atomic_load(&load->stop) && load->pending < LOAD_INFLIGHT_MAX &&
		    load->run_count < allowed && load->run_count < LOAD_RUNS_MAX) {
			size_t before = load->run_count;

			load_start_one(load);
			if (load->run_count == before)
				break;
		}
		if (load->run_count >= cancel_at) {
			cancel_at = load->run_count + LOAD_CANCEL_EVERY;
			load_cancel_one(load);
		}
	}
}

static inline void *
load_main(void *context)
{
	struct load *load = context;
	struct froe_error error;
	struct froe_client_options options =
	    {.address = load->address, .open_ms = UINT32_MAX, .no_thread = true};

	if (froe_client_open(&options, &load->client, &error) != FROE_OK) {
		snprintf(load->failure, sizeof(load->failure), "open: %.140s", error.text);
		return NULL;
	}
	load_work(load);
	froe_client_close(load->client);
	return NULL;
}

static inline void
load_start(struct load *load, const char *address, uint64_t seed)
{
	memset(load, 0, sizeof(*load));
	load->address = address;
	load->seed = seed | 1;
	load->runs = calloc(LOAD_RUNS_MAX, sizeof(*load->runs));
	if (load->runs == NULL || pthread_create(&load->thread, NULL, load_main, load) != 0) {
		perror("crash: a client thread");
		exit(2);
	}
}

static inline void
load_stop(struct load *load)
{
	atomic_store(&load->stop, true);
}

static inline void
load_join(struct load *load)
{
	pthread_join(load->thread, NULL);
}

#endif
