/*
 * tests/soak/load: client threads that keep a mix of runs under way for as long as it takes.
 *
 * Purpose     Each thread has a client of its own. It starts runs of all kinds at a rate, and
 *             compares each end with what must have come of it: nothing that was acknowledged may
 *             end otherwise, or not at all. Places of runs are used again, so that an hour takes no
 *             more memory than a minute.
 * Ownership   a load owns its runs, which nobody else looks at; the counts are atomic.
 * Threading   one thread a load, which alone steps its client; load_stop from any thread.
 */
#ifndef SOAK_LOAD_H
#define SOAK_LOAD_H

#include "soak/plan.h"

#include <pthread.h>
#include <stdatomic.h>

#define LOAD_PLACES 2048u
#define LOAD_STEP_MS 5
#define LOAD_LATE_NS (120000 * LEDGER_NS_PER_MS)
#define LOAD_CALL_MS 60000
#define LOAD_GET_EVERY 32u
#define LOAD_TICK_NS (500 * LEDGER_NS_PER_MS)
#define LOAD_KEY_MS 15000u

enum load_kind {
	LOAD_SINGLE,
	LOAD_DAG,
	LOAD_FAIL,
	LOAD_SLOW,
	LOAD_STREAM,
	LOAD_DURABLE,
	LOAD_LATER,  /* a single that begins at a time */
	LOAD_TWICE,  /* a single with a key, triggered again */
	LOAD_KINDS,
};

struct load_run {
	struct load *load;
	struct froe_id id;
	struct froe_id again_id; /* TWICE: what the second trigger was answered */
	uint64_t n;
	uint64_t late_ns; /* when it must have ended */
	enum load_kind kind;
	bool used;
	bool acknowledged;
	bool ended; /* and the rest of it is done by the thread, not by a callback */
	bool again_sent;
	bool again_pending;
	bool cancel_asked;
};

struct load_options {
	unsigned per_s;
	unsigned sleep_ms_max; /* of durable sleeps and of runs that begin later */
};

struct load {
	pthread_t thread;
	const char *address;
	struct load_options options;
	uint64_t seed;
	uint64_t number;
	atomic_bool stop;
	atomic_uint_least64_t started[LOAD_KINDS];
	atomic_uint_least64_t ended;
	atomic_uint_least64_t gone; /* looked at too late: retention was first */
	atomic_uint open;
	atomic_uint faults;
	struct load_run *runs;
	struct froe_client *client;
};

static inline uint64_t
load_random(struct load *load, uint64_t sides)
{
	load->seed ^= load->seed << 13;
	load->seed ^= load->seed >> 7;
	load->seed ^= load->seed << 17;
	return load->seed % sides;
}

static inline void
load_fault(struct load *load, const struct load_run *run, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void
load_fault(struct load *load, const struct load_run *run, const char *format, ...)
{
	char id[FROE_ID_TEXT_SIZE] = "-";
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (run != NULL)
		froe_id_format(run->id, id);
	if (atomic_fetch_add(&load->faults, 1) < 20)
		printf("  FAULT %s (kind %d): %s\n", id, run != NULL ? (int)run->kind : -1, text);
	fflush(stdout);
}

/* --------------------------------------------------------------------------------------- ends */

static inline uint64_t
load_value(const struct load_run *run)
{
	switch (run->kind) {
	case LOAD_DAG:
		return ledger_dag_value(run->n, LEDGER_D);
	case LOAD_STREAM:
		return soak_stream_value(run->n);
	case LOAD_DURABLE:
		return soak_durable_value(run->n);
	case LOAD_SINGLE:
	case LOAD_FAIL:
	case LOAD_SLOW:
	case LOAD_LATER:
	case LOAD_TWICE:
	case LOAD_KINDS:
		break;
	}
	return ledger_single_value(run->n);
}

/* The result of a dag is an object with the output of d. */
static inline bool
load_result(const struct load_run *run, struct froe_bytes result, struct ledger_output *ret_output)
{
	static const char before[] = "{\"d\":";
	size_t skip = sizeof(before) - 1;

	if (run->kind == LOAD_DAG) {
		if (result.size < skip + 1 || memcmp(result.data, before, skip) != 0)
			return false;
		result.data = (const char *)result.data + skip;
		result.size -= skip + 1;
	}
	return ledger_output_read(result, ret_output);
}

static inline enum froe_status
load_status(const struct load_run *run)
{
	if (run->kind == LOAD_SLOW)
		return FROE_RUN_CANCELLED;
	return run->kind == LOAD_FAIL ? FROE_RUN_FAILED : FROE_RUN_COMPLETED;
}

static inline void
load_check_end(struct load_run *run, enum froe_status status, struct froe_bytes result,
    const char *where)
{
	struct ledger_output output = {0};

	if (status != load_status(run))
		load_fault(run->load, run, "%s: it ended %s, not %s: %.*s", where,
		    froe_status_name(status), froe_status_name(load_status(run)),
		    (int)(result.size < 90 ? result.size : 90), (const char *)result.data);
	else if (status == FROE_RUN_COMPLETED && (!load_result(run, result, &output) ||
	             output.value != load_value(run)))
		load_fault(run->load, run, "%s: not %" PRIu64 " but %.*s", where, load_value(run),
		    (int)(result.size < 90 ? result.size : 90), (const char *)result.data);
}

static inline void
load_on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct load_run *run = context;

	if (started == NULL) {
		load_fault(run->load, run, "a trigger was refused: %s", error->text);
		run->ended = true;
		return;
	}
	run->acknowledged = true;
	run->id = started->run;
}

static inline void
load_on_again(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct load_run *run = context;

	run->again_pending = false;
	if (started == NULL)
		load_fault(run->load, run, "a second trigger was refused: %s", error->text);
	else if (memcmp(started->run.bytes, run->id.bytes, sizeof(run->id.bytes)) != 0)
		load_fault(run->load, run, "DUPLICATE: its key has started another run");
}

static inline void
load_on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct load_run *run = context;
	struct froe_bytes why = {0};

	run->ended = true;
	if (event == NULL) {
		load_fault(run->load, run, "LOST: no end: %s", error->text);
		return;
	}
	why = event->result;
	if (event->status != FROE_RUN_COMPLETED && event->error != NULL)
		why = (struct froe_bytes){event->error, strlen(event->error)};
	load_check_end(run, event->status, why, "its end");
	atomic_fetch_add(&run->load->ended, 1);
}

/* ------------------------------------------------------------------------------------ starting */

static inline const char *
load_workflow(enum load_kind kind)
{
	static const char *const names[LOAD_KINDS] = {
	    [LOAD_SINGLE] = SOAK_SINGLE,
	    [LOAD_DAG] = SOAK_DAG,
	    [LOAD_FAIL] = SOAK_FAIL,
	    [LOAD_SLOW] = SOAK_SLOW,
	    [LOAD_STREAM] = SOAK_STREAM,
	    [LOAD_DURABLE] = SOAK_DURABLE,
	    [LOAD_LATER] = SOAK_SINGLE,
	    [LOAD_TWICE] = SOAK_SINGLE,
	};
	return names[kind];
}

static inline enum load_kind
load_kind(struct load *load)
{
	static const unsigned char shares[LOAD_KINDS] = {
	    [LOAD_SINGLE] = 44,
	    [LOAD_DAG] = 20,
	    [LOAD_FAIL] = 4,
	    [LOAD_SLOW] = 4,
	    [LOAD_STREAM] = 8,
	    [LOAD_DURABLE] = 8,
	    [LOAD_LATER] = 4,
	    [LOAD_TWICE] = 8,
	};
	uint64_t dice = load_random(load, 100);
	unsigned kind = 0;

	while (dice >= shares[kind])
		dice -= shares[kind++];
	return (enum load_kind)kind;
}

/* Mostly short; one in eight up to the longest, which outlives many segments. */
static inline uint32_t
load_sleep_ms(struct load *load)
{
	uint64_t most = load_random(load, 8) == 0 ? load->options.sleep_ms_max : 300;

	return (uint32_t)(1 + load_random(load, most));
}

static inline bool
load_send(struct load *load, struct load_run *run, struct ledger_input input, bool again)
{
	char text[LEDGER_OUTPUT_BYTES], key[48], customer[24];
	struct froe_pair pair = {"customer", customer};
	struct froe_run_options options = {.workflow = load_workflow(run->kind)};

	snprintf(customer, sizeof(customer), "c-%" PRIu64, run->n % 100);
	snprintf(key, sizeof(key), "%p-%" PRIu64, (void *)load, run->n);
	if (run->kind == LOAD_LATER) {
		options.delay_ms = input.take_ms;
		input.take_ms = 0;
	}
	options.input.data = text;
	options.input.size = (size_t)ledger_input_print(text, sizeof(text), input);
	options.metadata = &pair;
	options.metadata_count = 1;
	if (run->kind == LOAD_TWICE) {
		options.key = key;
		options.key_ttl_ms = LOAD_KEY_MS;
	}
	return froe_run_start_async(load->client, &options,
	           again ? load_on_again : load_on_started, again ? NULL : load_on_end, run,
	           NULL) == FROE_OK;
}

static inline void
load_start_one(struct load *load, struct load_run *run)
{
	struct ledger_input input = {.n = load->number++};
	uint64_t now_ns = ledger_now_ns();

	*run = (struct load_run){.load = load, .n = input.n, .kind = load_kind(load)};
	if (run->kind == LOAD_DURABLE || run->kind == LOAD_LATER)
		input.take_ms = load_sleep_ms(load);
	else if (load_random(load, 4) == 0)
		input.take_ms = (uint32_t)load_random(load, 20);
	if (load_random(load, 8) == 0)
		input.flaky = (uint32_t)load_random(load, 16);
	run->late_ns = now_ns + LOAD_LATE_NS + input.take_ms * LEDGER_NS_PER_MS;
	if (!load_send(load, run, input, false))
		return; /* too many under way while the server is down: nothing was sent */
	run->used = true;
	atomic_fetch_add(&load->started[run->kind], 1);
	atomic_fetch_add(&load->open, 1);
}

/* ------------------------------------------------------------------------------------ looking */

static inline void
load_cancel(struct load *load, struct load_run *run)
{
	struct froe_error error;

	run->cancel_asked = true;
	if (froe_run_cancel(load->client, run->id, "soak", LOAD_CALL_MS, &error) != FROE_OK &&
	    error.code != FROE_FAILED_PRECONDITION)
		load_fault(load, run, "cancel: %s", error.text);
}

/* The last attempt's chunks are all there, in their order; what came before them is older. */
static inline void
load_check_stream(struct load *load, const struct load_run *run)
{
	struct froe_stream_page *page;
	struct froe_error error;
	uint32_t after = 0, attempt = 0;
	unsigned next = 0;
	bool ended = false;

	while (!ended) {
		if (froe_stream_read(load->client, run->id, NULL, after, LOAD_CALL_MS, &page,
		        &error) != FROE_OK) {
			if (error.code == FROE_NOT_FOUND) /* retention was first */
				atomic_fetch_add(&load->gone, 1);
			else if (error.code != FROE_INDEX_BEHIND)
				load_fault(load, run, "its stream: %s", error.text);
			return;
		}
		for (size_t i = 0; i < page->chunk_count; i++) {
			const struct froe_chunk *chunk = &page->chunks[i];
			char expected[96];

			if (chunk->attempt != attempt)
				next = 0;
			if (chunk->attempt < attempt || chunk->position <= after)
				load_fault(load, run, "its stream goes back");
			attempt = chunk->attempt;
			after = chunk->position;
			int size = soak_chunk_print(
			    expected, sizeof(expected), run->n, attempt, next++);
			if (chunk->data.size != (size_t)size ||
			    memcmp(chunk->data.data, expected, (size_t)size) != 0)
				load_fault(load, run, "chunk %u is not what was sent", next - 1);
		}
		ended = page->ended;
		froe_stream_page_free(page);
	}
	if (next != SOAK_CHUNKS)
		load_fault(load, run, "LOST: %u chunks of %u", next, SOAK_CHUNKS);
}

/* What the server says of it, from the index and the log. */
static inline void
load_check_view(struct load *load, struct load_run *run)
{
	struct froe_run_view *view;
	struct froe_error error;

	if (froe_run_get(load->client, run->id, true, LOAD_CALL_MS, &view, &error) != FROE_OK) {
		if (error.code == FROE_NOT_FOUND)
			atomic_fetch_add(&load->gone, 1);
		else if (error.code != FROE_INDEX_BEHIND)
			load_fault(load, run, "its view: %s", error.text);
		return;
	}
	load_check_end(run, view->status, view->result, "its view");
	froe_run_view_free(view);
}

static inline void
load_look(struct load *load, struct load_run *run, uint64_t now_ns)
{
	if (run->acknowledged && run->kind == LOAD_SLOW && !run->cancel_asked && !run->ended)
		load_cancel(load, run);
	if (run->acknowledged && run->kind == LOAD_TWICE && !run->again_sent) {
		struct ledger_input other = {.n = run->n + 1}; /* which must not matter */

		run->again_sent = run->again_pending = load_send(load, run, other, true);
	}
	if (!run->ended && now_ns > run->late_ns) {
		load_fault(load, run, run->acknowledged ? "LOST: acknowledged, but no end"
		                                        : "a trigger was never answered");
		run->late_ns = UINT64_MAX;
	}
	if (!run->ended || run->again_pending)
		return;
	if (run->kind == LOAD_STREAM && run->acknowledged)
		load_check_stream(load, run);
	else if (run->acknowledged && run->n % LOAD_GET_EVERY == 0)
		load_check_view(load, run);
	run->used = false;
	atomic_fetch_sub(&load->open, 1);
}

/* --------------------------------------------------------------------------------- the thread */

static inline bool
load_step(struct load *load)
{
	struct froe_error error;

	if (froe_client_step(load->client, LOAD_STEP_MS, &error) == FROE_OK)
		return true;
	load_fault(load, NULL, "step: %s", error.text);
	return false;
}

/* Starts what the rate allows until it is to stop, then waits for what is under way. */
static inline void
load_work(struct load *load)
{
	uint64_t last_ns = ledger_now_ns(), credit_ns = 0, tick_ns = 0;
	uint64_t each_ns = 1000 * LEDGER_NS_PER_MS / load->options.per_s;

	while (atomic_load(&load->open) > 0 || !atomic_load(&load->stop)) {
		uint64_t now_ns = ledger_now_ns();

		if (!load_step(load))
			break;
		credit_ns += now_ns - last_ns;
		last_ns = now_ns;
		if (credit_ns > 1000 * LEDGER_NS_PER_MS)
			credit_ns = 1000 * LEDGER_NS_PER_MS;
		for (size_t i = 0; i < LOAD_PLACES; i++) {
			struct load_run *run = &load->runs[i];

			if (run->used) {
				load_look(load, run, now_ns);
			} else if (credit_ns >= each_ns && !atomic_load(&load->stop)) {
				load_start_one(load, run);
				credit_ns -= each_ns;
			}
		}
		if (now_ns >= tick_ns && froe_client_connected(load->client)) {
			/* An outcome that is unknown is as good: waits have a sleep beside it. */
			froe_event_push(
			    load->client, SOAK_EVENT, (struct froe_bytes){0}, 1000, NULL, NULL);
			tick_ns = now_ns + LOAD_TICK_NS;
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
		load_fault(load, NULL, "open: %s", error.text);
		return NULL;
	}
	load_work(load);
	froe_client_close(load->client);
	return NULL;
}

static inline void
load_start(struct load *load, const char *address, const struct load_options *options,
    uint64_t seed)
{
	memset(load, 0, sizeof(*load));
	load->address = address;
	load->options = *options;
	load->seed = seed | 1;
	load->number = 1;
	load->runs = calloc(LOAD_PLACES, sizeof(*load->runs));
	if (load->runs == NULL || pthread_create(&load->thread, NULL, load_main, load) != 0) {
		perror("soak: a client thread");
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
	free(load->runs);
}

#endif
