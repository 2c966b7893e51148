/*
 * cli/bench_int: what the parts of `froe bench` share.
 *
 * Purpose     A plan is the command line. A crowd is connections that one process steps. Workers
 *             are processes of their own, which make the crowd's runs end.
 * Ownership   bench_plan_release, crowd_close and workers_stop undo what was begun.
 * Threading   the main thread; a worker's process has threads only where handlers wait.
 * Units       nanoseconds of the monotonic clock, unless a name says wall.
 */
#ifndef CLI_BENCH_INT_H
#define CLI_BENCH_INT_H

#include "cli/cli.h"
#include "cli/samples.h"

#include <stdatomic.h>
#include <sys/types.h>

#define BENCH_CALL_MS 10000
#define BENCH_STEP_NS (100 * SAMPLES_NS_PER_S / 1000)
#define BENCH_NAME_SIZE 64
#define BENCH_INFLIGHT_MAX 65536u
#define BENCH_LINES_MAX 4096u
#define BENCH_WORKER_PROCESSES 2u

enum bench_kind {
	BENCH_TRIGGER,
	BENCH_RUN,
	BENCH_CHAIN,
	BENCH_DAG,
	BENCH_FANOUT,
	BENCH_SLEEP,
	BENCH_DELAY,
	BENCH_RETRY,
	BENCH_BACKLOG,
	BENCH_FAIRNESS,
};

struct bench_scenario {
	const char *name;
	const char *what;
	enum bench_kind kind;
	unsigned tasks;   /* of a run; of a fan-out: besides its children */
	const char *leaf; /* task whose output is a member of the result; NULL: it is the result */
};

/* In memory that all processes of a benchmark share. */
struct bench_shared {
	atomic_uint_least64_t asleep; /* tasks and runs that wait for their time, once each */
	atomic_uint_least64_t done;   /* results that were acknowledged to workers */
	atomic_uint_least64_t due_ns[]; /* of retry: when, by number of the run */
};

struct bench_plan {
	const struct cli *cli;
	const struct bench_scenario *scenario;
	struct bench_shared *shared;
	uint64_t inflight; /* closed loop: runs under way; open loop: at most so many */
	uint64_t clients;  /* connections */
	uint64_t pipeline; /* runs that a connection starts at once, when all before
	                      have ended; 0: each end starts the next */
	uint64_t rate;     /* open loop: a second; 0: closed loop */
	uint64_t workers;  /* connections with a worker */
	uint64_t slots;    /* of each */
	uint64_t tenants;
	uint64_t queues;   /* workflows that take turns, each with a queue of its own */
	uint64_t count;    /* runs of a backlog, sleeps */
	uint64_t children; /* of a fan-out */
	double seconds;
	double warmup_s;
	uint64_t lead_ns;  /* until the first sleep ends */
	size_t payload_size;
	char (*workflows)[BENCH_NAME_SIZE]; /* by queue */
	char *payload; /* {"p":"xxx..."} */
	char *result;  /* what a run is to end with */
	size_t result_size;
	bool json;
};

void bench_plan_read(struct bench_plan *plan, const struct cli *cli,
    const struct bench_scenario *scenario);
void bench_plan_release(struct bench_plan *plan);

/* ------------------------------------------------------------------------------------- a crowd */

struct crowd_line {
	struct froe_client *client;
	uint64_t tenant;
	uint64_t waiting; /* runs of it that are under way */
	bool dirty;       /* it has something to send, and perhaps nothing to read */
};

struct crowd {
	struct crowd_line *lines;
	uint64_t count;
	int epoll;
	uint64_t all_ns; /* when each line was stepped last, for its timers */
};

/* A connection of tenant number `tenant`; NULL: it was said why. */
struct froe_client *bench_connect(const struct bench_plan *plan, uint64_t tenant, bool no_thread,
    int *ret_status);

/* `count` connections, which take turns in the tenants. False: it was said why. */
bool crowd_open(struct crowd *crowd, const struct bench_plan *plan, uint64_t count,
    int *ret_status);
void crowd_close(struct crowd *crowd);

/* Waits until something arrives, or until a time, at most BENCH_STEP_NS; calls back. */
enum froe_err crowd_step(struct crowd *crowd, uint64_t until_ns, struct froe_error *error);

/* ------------------------------------------------------------------------------------- workers */

struct workers {
	pid_t pids[BENCH_WORKER_PROCESSES];
	unsigned count;
};

/* Registers the scenario's workflows without serving them. */
bool bench_workflows_put(const struct bench_plan *plan, struct crowd *crowd, int *ret_status);

/* Returns when tasks can come to all of them. False: one did not start, and said why. */
bool workers_start(struct workers *workers, const struct bench_plan *plan);
void workers_stop(struct workers *workers);

/* The number that follows `name` in JSON text of our own making; false: it is not there. */
bool bench_number(struct froe_bytes json, const char *name, uint64_t *ret_value);
uint64_t bench_wall_ns(void);

/* --------------------------------------------------------------------------------- measurement */

/* One of the runs under way, again and again. */
struct load_run {
	struct load *load;
	struct crowd_line *line;
	uint64_t queue;
	uint64_t started_ns; /* when it should have been, in an open loop */
	struct load_run *next_free;
	bool counts; /* false: it is only there to be in the way */
};

struct load {
	const struct bench_plan *plan;
	struct crowd crowd;
	struct samples samples;
	struct load_run *runs;
	struct load_run *free_runs; /* open loop */
	uint64_t run_count;
	uint64_t begun;   /* open loop, sleeps: started so far */
	uint64_t waiting; /* for their end */
	uint64_t origin_ns; /* open loop: when the first one was due */
	uint64_t shown_ns;
	uint64_t shown_total;
	bool shows;       /* on a terminal */
	bool stopping;
	bool failed;
	struct froe_error error; /* why */
};

/* Measures, from the workers' start to their end; the exit status. */
int bench_loop(const struct bench_plan *plan);
int bench_sleep(const struct bench_plan *plan);

/* Runs are started that wait for a time of their own; how late they go on is what is measured. */
static inline bool
bench_timed(const struct bench_plan *plan)
{
	enum bench_kind kind = plan->scenario->kind;

	return kind == BENCH_SLEEP || kind == BENCH_DELAY || kind == BENCH_RETRY;
}
int bench_backlog(const struct bench_plan *plan);
int bench_fairness(const struct bench_plan *plan);

bool load_open(struct load *load, const struct bench_plan *plan, int *ret_status);
void load_close(struct load *load);
void load_fail(struct load *load, const struct froe_error *error);
__attribute__((format(printf, 2, 3))) void load_wrong(struct load *load, const char *format, ...);
/* With runs in addition that count for nothing, of queue 0: in the way. */
void load_measure(struct load *load, uint64_t in_the_way);
/* Runs through one step of the crowd. */
void load_step(struct load *load, uint64_t until_ns);
/* Says what failed, or did not end; FROE_EXIT_OK: nothing. */
int load_status(const struct load *load);
void load_show(struct load *load, uint64_t now_ns);
void load_show_end(struct load *load);

/* The plan's members of the JSON object, and the table's first line. */
void bench_print_plan_json(const struct bench_plan *plan, FILE *to);
void bench_print_json(const struct load *load, FILE *to); /* plan and percentiles, one line */
void bench_print_plan(const struct bench_plan *plan, FILE *to);
void bench_print_samples(const char *what, const struct samples *samples, FILE *to);

#endif
