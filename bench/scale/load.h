/*
 * bench/scale/load: runs by the million.
 *
 * Purpose     Two worker processes, which die with the driver: one executes short tasks inside its
 *             turns, one has threads for durable tasks that fall asleep. Filling threads start runs
 *             in bulk and stay a bounded number ahead of the worker.
 * Ownership   one struct load_shared in memory that all processes share.
 * Threading   its members are atomic.
 * Failure     ends the program: a benchmark on wrong answers is none.
 */
#ifndef SCALE_LOAD_H
#define SCALE_LOAD_H

#include "base/mem.h"
#include "froe/froe.h"
#include "scale/process.h"

#include <sys/mman.h>

#define LOAD_BATCH 500u
#define LOAD_AHEAD 20000u /* runs that are started and have not ended */
#define LOAD_THREADS 2u
#define LOAD_SLOTS 4000u
#define LOAD_SLEEPERS 128u /* threads */
#define LOAD_SLEEP_MS (UINT64_C(30) * 86400 * 1000)
#define LOAD_CALL_MS 120000
#define LOAD_FAIL_EVERY 50u

struct load_shared {
	atomic_uint_least64_t ended;  /* runs whose last task was answered */
	atomic_uint_least64_t slept;  /* durable tasks that fell asleep */
	atomic_uint_least64_t probed; /* when the probe's task was called */
	atomic_uint serving;	      /* worker processes */
};

enum load_kind {
	LOAD_SHORT,  /* three workflows, each run at once */
	LOAD_PARKED, /* nobody serves their action */
	LOAD_LATER,  /* they begin in a month */
	LOAD_ASLEEP, /* a durable task that sleeps for a month, and was evicted */
};

static inline _Noreturn void
load_die(const char *what, const struct froe_error *error)
{
	fprintf(stderr, "scale: %s: %s\n", what, error->text);
	exit(2);
}

static inline struct froe_client *
load_connect(const char *address, bool no_thread)
{
	struct froe_client *client;
	struct froe_error error;
	struct froe_client_options options = {
	    .address = address, .open_ms = LOAD_CALL_MS, .no_thread = no_thread};
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		load_die("connect", &error);
	return client;
}

/* ------------------------------------------------------------------------------------- workers */

static inline enum froe_err
load_echo(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	return froe_task_output(task, input.data, input.size, NULL);
}

static inline uint64_t
load_number(struct froe_task *task)
{
	struct froe_bytes input = froe_task_input(task);
	unsigned long long number = 0;
	char text[64];
	snprintf(text, sizeof(text), "%.*s", (int)(input.size < 63 ? input.size : 63),
	    (const char *)input.data);
	sscanf(text, "{\"n\":%llu", &number);
	return number;
}

static inline enum froe_err
load_last(struct froe_task *task, void *context)
{
	struct load_shared *shared = context;
	atomic_fetch_add(&shared->ended, 1);
	if (load_number(task) % LOAD_FAIL_EVERY != 0 || strcmp(froe_task_workflow(task), "mail"))
		return load_echo(task, NULL);
	froe_task_error(task, "no such address");
	froe_task_fatal(task);
	return FROE_TASK_FAILED;
}

static inline enum froe_err
load_fall_asleep(struct froe_task *task, void *context)
{
	struct load_shared *shared = context;
	enum froe_err err = froe_task_sleep(task, LOAD_SLEEP_MS, NULL);
	atomic_fetch_add(&shared->slept, 1);
	return err;
}

static inline enum froe_err
load_probe(struct froe_task *task, void *context)
{
	struct load_shared *shared = context;
	atomic_store(&shared->probed, process_now_ns());
	return load_echo(task, NULL);
}

static inline void
load_add(
    struct froe_worker *worker, const char *name, const struct froe_task_def *tasks, size_t count)
{
	struct froe_error error;
	struct froe_workflow workflow = {.name = name, .tasks = tasks, .task_count = count};
	if (froe_worker_workflow(worker, &workflow, &error) != FROE_OK)
		load_die(name, &error);
}

static inline void
load_add_short(struct froe_worker *worker, struct load_shared *shared)
{
	static const char *const after[] = {"collect", NULL};
	const struct froe_task_def one = {.name = "do", .handler = load_last, .context = shared};
	const struct froe_task_def two[] = {
	    {.name = "collect", .handler = load_echo},
	    {.name = "print", .parents = after, .handler = load_last, .context = shared},
	};
	const struct froe_task_def probe = {.name = "do", .handler = load_probe, .context = shared};
	load_add(worker, "order", &one, 1);
	load_add(worker, "mail", &one, 1);
	load_add(worker, "report", two, 2);
	load_add(worker, "probe", &probe, 1);
}

static inline void
load_add_asleep(struct froe_worker *worker, struct load_shared *shared)
{
	const struct froe_task_def task = {
	    .name = "do", .durable = true, .handler = load_fall_asleep, .context = shared};
	load_add(worker, "asleep", &task, 1);
}

/* A worker's process, until it is killed. */
static inline _Noreturn void
load_worker_main(const char *address, struct load_shared *shared, bool asleep)
{
	struct froe_client *client = load_connect(address, !asleep);
	struct froe_worker *worker;
	struct froe_error error;
	struct froe_worker_options options = {
	    .name = asleep ? "sleeper" : "worker-1",
	    .slots = asleep ? LOAD_SLEEPERS : LOAD_SLOTS,
	    .inline_handlers = !asleep,
	    .evict_after_ms = -1,
	};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK)
		load_die("worker", &error);
	if (asleep)
		load_add_asleep(worker, shared);
	else
		load_add_short(worker, shared);
	if (froe_worker_start(worker, LOAD_CALL_MS, &error) != FROE_OK)
		load_die("worker", &error);
	atomic_fetch_add(&shared->serving, 1);
	for (;;) {
		if (asleep)
			pause();
		else if (froe_client_step(client, -1, &error) != FROE_OK)
			load_die("worker", &error);
	}
}

static inline pid_t
load_worker_start(const char *address, struct load_shared *shared, bool asleep)
{
	unsigned before = atomic_load(&shared->serving);
	pid_t pid = fork();
	if (pid < 0)
		process_die("fork");
	if (pid == 0)
		load_worker_main(address, shared, asleep);
	while (atomic_load(&shared->serving) == before)
		process_pause(NS_PER_MS);
	return pid;
}

static inline void
load_worker_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ------------------------------------------------------------------------------------- filling */

struct load {
	const char *address;
	struct load_shared *shared;
	enum load_kind kind;
	uint64_t first; /* number of the first run */
	uint64_t count;
	atomic_uint_least64_t started;
	uint64_t ended_before;
	uint64_t pace_ns; /* between two bulk starts of a thread; 0: none */
};

struct load_batch {
	struct froe_run_options runs[LOAD_BATCH];
	struct froe_pair pairs[LOAD_BATCH][2];
	char inputs[LOAD_BATCH][96];
	char customers[LOAD_BATCH][16];
	char orders[LOAD_BATCH][32];
};

static inline const char *
load_workflow(enum load_kind kind, uint64_t number)
{
	static const char *const names[] = {"order", "order", "order", "mail", "order", "order",
	    "report", "order", "mail", "order"};
	if (kind == LOAD_ASLEEP)
		return "asleep";
	return kind == LOAD_SHORT ? names[number / 7 % 10] : "parked";
}

/* Everything about a run follows from its number: one of 1000 customers, an order of its own in one
 * of four. */
static inline void
load_make(struct load_batch *batch, size_t i, enum load_kind kind, uint64_t number)
{
	int size = snprintf(batch->inputs[i], sizeof(batch->inputs[i]),
	    "{\"n\":%llu,\"text\":\"as much as a small job mostly needs\"}",
	    (unsigned long long)number);
	snprintf(batch->customers[i], sizeof(batch->customers[i]), "c-%u",
	    (unsigned)(number * 7919 % 1000));
	snprintf(batch->orders[i], sizeof(batch->orders[i]), "o-%llu", (unsigned long long)number);
	batch->pairs[i][0] = (struct froe_pair){"customer", batch->customers[i]};
	batch->pairs[i][1] = (struct froe_pair){"order", batch->orders[i]};
	batch->runs[i] = (struct froe_run_options){
	    .workflow = load_workflow(kind, number),
	    .input = {batch->inputs[i], (size_t)size},
	    .metadata = batch->pairs[i],
	    .metadata_count = number % 4 == 0 ? 2 : 1,
	    .delay_ms = kind == LOAD_LATER ? LOAD_SLEEP_MS : 0,
	};
}

static inline bool
load_ahead(const struct load *load)
{
	uint64_t ended = load->kind == LOAD_SHORT    ? atomic_load(&load->shared->ended)
			 : load->kind == LOAD_ASLEEP ? atomic_load(&load->shared->slept)
						     : UINT64_MAX;
	return ended != UINT64_MAX &&
	       atomic_load(&load->started) > ended - load->ended_before + LOAD_AHEAD;
}

static inline void *
load_main(void *context)
{
	struct load *load = context;
	struct froe_client *client = load_connect(load->address, /* no_thread= */ true);
	struct load_batch *batch = mem_zalloc(sizeof(*batch));
	struct froe_error error;
	for (;;) {
		uint64_t at = atomic_fetch_add(&load->started, LOAD_BATCH);
		if (at >= load->count)
			break;
		uint64_t count = load->count - at < LOAD_BATCH ? load->count - at : LOAD_BATCH;
		while (load_ahead(load))
			process_pause(NS_PER_MS / 4);
		for (size_t i = 0; i < count; i++)
			load_make(batch, i, load->kind, load->first + at + i);
		if (froe_run_start_many(client, batch->runs, count, LOAD_CALL_MS, NULL, &error) !=
		    FROE_OK)
			load_die("start", &error);
		process_pause(load->pace_ns);
	}
	mem_free(batch);
	froe_client_close(client);
	return NULL;
}

/* Starts `count` runs; those that end have ended when it returns. Runs a second. */
static inline double
load_fill(struct load *load)
{
	pthread_t threads[LOAD_THREADS];
	atomic_uint_least64_t *ended =
	    load->kind == LOAD_ASLEEP ? &load->shared->slept : &load->shared->ended;
	uint64_t began_ns = process_now_ns();
	load->ended_before = atomic_load(ended);
	for (unsigned i = 0; i < LOAD_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, load_main, load) != 0)
			process_die("a thread");
	}
	for (unsigned i = 0; i < LOAD_THREADS; i++)
		pthread_join(threads[i], NULL);
	while ((load->kind == LOAD_SHORT || load->kind == LOAD_ASLEEP) &&
	       atomic_load(ended) < load->ended_before + load->count)
		process_pause(NS_PER_MS);
	return (double)load->count * 1e9 / (double)(process_now_ns() - began_ns);
}

#endif
