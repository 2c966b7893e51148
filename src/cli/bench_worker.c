/*
 * cli/bench_worker: the workers of `froe bench`, in processes of their own.
 *
 * The first process serves all tasks that only compute: it has no threads, and its handlers run
 * inside the step. What waits inside a handler (a sleep, a task with a thousand children) is
 * served by a second process, which has threads.
 *
 * A handler that finds something else than what it should fails its run for good, and with it the
 * benchmark. A process writes a byte into a pipe when tasks can come to it.
 */
#include "cli/bench_int.h"

#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWN_MAX 1000u /* children that a call starts */
#define TASKS_MAX 4
#define LEFT_NS (SAMPLES_NS_PER_S / 1000) /* delays are in ms */

static volatile sig_atomic_t worker_stop;

static void
on_stop(int number)
{
	(void)number;
	worker_stop = 1;
}

uint64_t
bench_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SAMPLES_NS_PER_S + (uint64_t)now.tv_nsec;
}

bool
bench_number(struct froe_bytes json, const char *name, uint64_t *ret_value)
{
	char text[128], wanted[32];
	const char *at;
	int size = snprintf(wanted, sizeof(wanted), "\"%s\":", name);

	snprintf(text, sizeof(text), "%.*s", (int)json.size, (const char *)json.data);
	at = strstr(text, wanted);
	return at != NULL && sscanf(at + size, "%" SCNu64, ret_value) == 1;
}

/* ------------------------------------------------------------------------------------ handlers */

static enum froe_err
task_wrong(struct froe_task *task, const char *what)
{
	froe_task_error(task, "%s", what);
	froe_task_fatal(task);
	return FROE_TASK_FAILED;
}

static enum froe_err
do_echo(struct froe_task *task, void *context)
{
	const struct bench_plan *plan = context;
	struct froe_bytes input = froe_task_input(task);

	if (input.size != plan->payload_size || memcmp(input.data, plan->payload, input.size) != 0)
		return task_wrong(task, "the input is another one than was given");
	return froe_task_output(task, input.data, input.size, NULL);
}

/* Passes on what its parents put out; `context`: their names. */
static enum froe_err
do_pass(struct froe_task *task, void *context)
{
	const char *const *parents = context;
	struct froe_bytes output = {0}, input = froe_task_input(task);

	for (size_t i = 0; parents[i] != NULL; i++) {
		if (froe_task_parent(task, parents[i], &output, NULL) != FROE_OK ||
		    output.size != input.size || memcmp(output.data, input.data, input.size) != 0)
			return task_wrong(task, "a parent's output is not what it was");
	}
	return froe_task_output(task, output.data, output.size, NULL);
}

/* Sleeps until the time that the input names; says how much later it went on. */
static enum froe_err
do_sleep(struct froe_task *task, void *context)
{
	const struct bench_plan *plan = context;
	struct froe_condition condition = {.kind = FROE_ON_SLEEP};
	struct froe_durable_result result;
	uint64_t now_ns;
	char text[48];
	int size;

	if (!bench_number(froe_task_input(task), "until_ns", &condition.until_ns))
		return task_wrong(task, "the input says not how long");
	enum froe_err err = froe_task_await(task, &condition, 1, &result, NULL);
	now_ns = bench_wall_ns();
	if (err == FROE_CANCELLED && froe_task_invocation(task) == 1)
		atomic_fetch_add(&plan->shared->asleep, 1);
	if (err != FROE_OK)
		return err;
	if (now_ns < condition.until_ns)
		return task_wrong(task, "it went on too early");
	size = snprintf(text, sizeof(text), "{\"late_ns\":%" PRIu64 "}",
	    now_ns - condition.until_ns);
	return froe_task_output(task, text, (size_t)size, NULL);
}

/* Begins when it was to, or is tried again then: says how much later. */
static enum froe_err
do_late(struct froe_task *task, void *context)
{
	const struct bench_plan *plan = context;
	bool retries = plan->scenario->kind == BENCH_RETRY;
	uint64_t now_ns = bench_wall_ns(), due_ns, number, left_ms;
	char text[48];
	int size;

	if (!bench_number(froe_task_input(task), "until_ns", &due_ns) ||
	    !bench_number(froe_task_input(task), "number", &number) || number >= plan->count)
		return task_wrong(task, "the input says not when");
	if (retries && froe_task_attempt(task) == 1) {
		left_ms = due_ns > now_ns + LEFT_NS ? (due_ns - now_ns) / LEFT_NS : 1;
		atomic_store(&plan->shared->due_ns[number], now_ns + left_ms * LEFT_NS);
		froe_task_retry_after(task, left_ms);
		atomic_fetch_add(&plan->shared->asleep, 1);
		return FROE_TASK_FAILED;
	}
	if (retries)
		due_ns = atomic_load(&plan->shared->due_ns[number]);
	if (now_ns < due_ns)
		return task_wrong(task, "it went on too early");
	size = snprintf(text, sizeof(text), "{\"late_ns\":%" PRIu64 "}", now_ns - due_ns);
	return froe_task_output(task, text, (size_t)size, NULL);
}

/* ------------------------------------------------------------------------------------- fan-out */

struct fan {
	const struct bench_plan *plan;
	struct froe_client *client;
	struct froe_run_options *options;
	struct froe_started *children;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t ended;
	bool wrong;
};

static void
on_child(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct fan *fan = context;
	const struct bench_plan *plan = fan->plan;
	bool good = error == NULL && event->status == FROE_RUN_COMPLETED &&
	    event->result.size == plan->payload_size &&
	    memcmp(event->result.data, plan->payload, plan->payload_size) == 0;

	froe_assert(pthread_mutex_lock(&fan->lock) == 0);
	fan->ended++;
	fan->wrong = fan->wrong || !good;
	if (fan->ended == plan->children || !good)
		froe_assert(pthread_cond_signal(&fan->changed) == 0);
	froe_assert(pthread_mutex_unlock(&fan->lock) == 0);
}

static enum froe_err
fan_spawn(struct fan *fan, struct froe_task *task, struct froe_error *error)
{
	enum froe_err err = FROE_OK;

	for (uint64_t at = 0; at < fan->plan->children && err == FROE_OK; at += SPAWN_MAX) {
		uint64_t left = fan->plan->children - at;

		err = froe_task_spawn_many(task, fan->options + at,
		    left < SPAWN_MAX ? left : SPAWN_MAX, BENCH_CALL_MS, fan->children + at, error);
	}
	for (uint64_t i = 0; i < fan->plan->children && err == FROE_OK; i++)
		err = froe_run_watch(fan->client, fan->children[i].run, false, on_child, fan,
		    NULL, error);
	return err;
}

/* Starts all children, waits for all of them. One at a time: there is one `fan`. */
static enum froe_err
do_fan(struct froe_task *task, void *context)
{
	struct fan *fan = context;
	struct froe_error error;
	char text[48];
	int size;

	fan->ended = 0;
	if (fan_spawn(fan, task, &error) != FROE_OK)
		return task_wrong(task, error.text);
	froe_assert(pthread_mutex_lock(&fan->lock) == 0);
	while (fan->ended < fan->plan->children && !fan->wrong)
		froe_assert(pthread_cond_wait(&fan->changed, &fan->lock) == 0);
	froe_assert(pthread_mutex_unlock(&fan->lock) == 0);
	if (fan->wrong)
		return task_wrong(task, "a child ended otherwise than it should");
	size = snprintf(text, sizeof(text), "{\"children\":%" PRIu64 "}", fan->ended);
	return froe_task_output(task, text, (size_t)size, NULL);
}

static void
fan_open(struct fan *fan, const struct bench_plan *plan, struct froe_client *client)
{
	*fan = (struct fan){
	    .plan = plan,
	    .client = client,
	    .options = mem_array(plan->children, sizeof(*fan->options)),
	    .children = mem_array(plan->children, sizeof(*fan->children)),
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .changed = PTHREAD_COND_INITIALIZER,
	};
	for (uint64_t i = 0; i < plan->children; i++) {
		fan->options[i].workflow = "froe-bench-child";
		fan->options[i].input = (struct froe_bytes){plan->payload, plan->payload_size};
	}
}

static void
fan_close(struct fan *fan)
{
	mem_free(fan->options);
	mem_free(fan->children);
}

/* ----------------------------------------------------------------------------------- workflows */

static const char *const after_a[] = {"a", NULL};
static const char *const after_b[] = {"b", NULL};
static const char *const after_b_c[] = {"b", "c", NULL};

/* A handler's context, which none of them writes to. */
static void *
context_of(const void *from)
{
	return (void *)(uintptr_t)from;
}

/* The tasks of a scenario, without those of children. */
static size_t
tasks_fill(const struct bench_plan *plan, struct fan *fan, struct froe_task_def tasks[TASKS_MAX])
{
	void *echo = context_of(plan);

	switch (plan->scenario->kind) {
	case BENCH_CHAIN:
		tasks[0] = (struct froe_task_def){.name = "a", .handler = do_echo, .context = echo};
		tasks[1] = (struct froe_task_def){.name = "b", .parents = after_a,
		    .handler = do_pass, .context = context_of(after_a)};
		tasks[2] = (struct froe_task_def){.name = "c", .parents = after_b,
		    .handler = do_pass, .context = context_of(after_b)};
		return 3;
	case BENCH_DAG:
		tasks[0] = (struct froe_task_def){.name = "a", .handler = do_echo, .context = echo};
		tasks[1] = (struct froe_task_def){.name = "b", .parents = after_a,
		    .handler = do_pass, .context = context_of(after_a)};
		tasks[2] = (struct froe_task_def){.name = "c", .parents = after_a,
		    .handler = do_pass, .context = context_of(after_a)};
		tasks[3] = (struct froe_task_def){.name = "d", .parents = after_b_c,
		    .handler = do_pass, .context = context_of(after_b_c)};
		return 4;
	case BENCH_FANOUT:
		tasks[0] = (struct froe_task_def){.name = "fan", .handler = do_fan, .context = fan};
		return 1;
	case BENCH_SLEEP:
		tasks[0] = (struct froe_task_def){
		    .name = "sleep", .durable = true, .handler = do_sleep, .context = echo};
		return 1;
	case BENCH_DELAY:
	case BENCH_RETRY:
		tasks[0] = (struct froe_task_def){
		    .name = "late", .retries = 1, .handler = do_late, .context = echo};
		return 1;
	case BENCH_TRIGGER:
	case BENCH_RUN:
	case BENCH_BACKLOG:
	case BENCH_FAIRNESS:
		break;
	}
	tasks[0] = (struct froe_task_def){.name = "echo", .handler = do_echo, .context = echo};
	return 1;
}

bool
bench_workflows_put(const struct bench_plan *plan, struct crowd *crowd, int *ret_status)
{
	struct froe_task_def tasks[TASKS_MAX];
	struct froe_workflow_version version;
	struct froe_error error;
	struct froe_workflow workflow = {
	    .tasks = tasks, .task_count = tasks_fill(plan, NULL, tasks)};

	for (uint64_t i = 0; i < plan->tenants; i++) {
		for (uint64_t queue = 0; queue < plan->queues; queue++) {
			workflow.name = plan->workflows[queue];
			if (froe_workflow_put(crowd->lines[i].client, &workflow, BENCH_CALL_MS,
				&version, &error) != FROE_OK) {
				*ret_status = cli_fail(&error);
				return false;
			}
		}
	}
	return true;
}

static void
on_result(void *context, struct froe_id task, uint32_t attempt, enum froe_err err)
{
	struct bench_shared *shared = context;

	(void)task;
	(void)attempt;
	if (err == FROE_OK)
		atomic_fetch_add_explicit(&shared->done, 1, memory_order_relaxed);
}

/* Adds the workflows of a process and starts; `waits`: it is the second process. */
static enum froe_err
worker_begin(const struct bench_plan *plan, struct froe_worker *worker, struct fan *fan, bool waits,
    struct froe_error *error)
{
	struct froe_task_def tasks[TASKS_MAX] = {
	    {.name = "echo", .handler = do_echo, .context = context_of(plan)}};
	struct froe_workflow workflow = {
	    .name = "froe-bench-child", .tasks = tasks, .task_count = 1};
	bool child = plan->scenario->kind == BENCH_FANOUT && !waits;
	enum froe_err err = FROE_OK;

	if (!child)
		workflow.task_count = tasks_fill(plan, fan, tasks);
	for (uint64_t queue = 0; queue < plan->queues && err == FROE_OK; queue++) {
		if (!child)
			workflow.name = plan->workflows[queue];
		err = froe_worker_workflow(worker, &workflow, error);
	}
	return err == FROE_OK ? froe_worker_start(worker, BENCH_CALL_MS, error) : err;
}

/* ------------------------------------------------------------------------- a process's sessions */

static void
worker_ready(int ready)
{
	if (write(ready, "r", 1) != 1)
		worker_stop = 1;
}

static enum froe_err
computing_serve(const struct bench_plan *plan, struct crowd *crowd, struct froe_worker **workers,
    int ready, struct froe_error *error)
{
	struct froe_worker_options options = {.slots = (uint32_t)plan->slots,
	    .inline_handlers = true, .on_result = on_result, .context = plan->shared};
	enum froe_err err = FROE_OK;

	for (uint64_t i = 0; i < crowd->count && err == FROE_OK; i++) {
		err = froe_worker_open(crowd->lines[i].client, &options, &workers[i], error);
		if (err == FROE_OK)
			err = worker_begin(plan, workers[i], NULL, false, error);
	}
	if (err == FROE_OK)
		worker_ready(ready);
	while (err == FROE_OK && !worker_stop)
		err = crowd_step(crowd, UINT64_MAX, error);
	return err;
}

/* The first process, from its fork to its end. */
static int
computing_main(const struct bench_plan *plan, int ready)
{
	int status = FROE_EXIT_OK;
	struct froe_worker **workers = mem_array(plan->workers, sizeof(struct froe_worker *));
	struct crowd crowd;
	struct froe_error error;

	if (crowd_open(&crowd, plan, plan->workers, &status) &&
	    computing_serve(plan, &crowd, workers, ready, &error) != FROE_OK)
		status = cli_fail(&error);
	for (uint64_t i = 0; i < plan->workers; i++)
		froe_worker_close(workers[i]);
	crowd_close(&crowd);
	mem_free(workers);
	return status;
}

static void
stop_signals(sigset_t *stop)
{
	sigemptyset(stop);
	sigaddset(stop, SIGTERM);
	sigaddset(stop, SIGINT);
}

static enum froe_err
waiting_serve(const struct bench_plan *plan, struct froe_client *client, struct fan *fan, int ready,
    struct froe_error *error)
{
	const struct froe_slots durable = {FROE_SLOT_DURABLE, (uint32_t)plan->slots};
	bool sleeps = plan->scenario->kind == BENCH_SLEEP;
	struct froe_worker_options options = {.slots = 1, .slot_types = &durable,
	    .slot_type_count = sleeps ? 1 : 0, .evict_after_ms = -1};
	struct froe_worker *worker;
	sigset_t stop;
	int number;
	enum froe_err err = froe_worker_open(client, &options, &worker, error);

	if (err != FROE_OK)
		return err;
	stop_signals(&stop);
	err = worker_begin(plan, worker, fan, true, error);
	if (err == FROE_OK)
		worker_ready(ready);
	if (err == FROE_OK)
		froe_assert(sigwait(&stop, &number) == 0);
	froe_worker_close(worker);
	return err;
}

/* The second process. No thread is interrupted by a signal: this one waits for it. */
static int
waiting_main(const struct bench_plan *plan, int ready)
{
	int status = FROE_EXIT_OK;
	struct froe_error error;
	struct froe_client *client;
	struct fan fan;
	sigset_t stop;

	stop_signals(&stop);
	froe_assert(pthread_sigmask(SIG_BLOCK, &stop, NULL) == 0);
	client = bench_connect(plan, 0, false, &status);
	if (client == NULL)
		return status;
	fan_open(&fan, plan, client);
	if (waiting_serve(plan, client, &fan, ready, &error) != FROE_OK)
		status = cli_fail(&error);
	froe_client_close(client);
	fan_close(&fan);
	return status;
}

/* ----------------------------------------------------------------------------------- processes */

static _Noreturn void
worker_process(const struct bench_plan *plan, bool waits, int ready)
{
	struct sigaction stop = {.sa_handler = on_stop};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	_exit(waits ? waiting_main(plan, ready) : computing_main(plan, ready));
}

/* Starts a process and waits until it is ready. */
static bool
process_start(struct workers *workers, const struct bench_plan *plan, bool waits)
{
	int ready[2];
	char byte;
	pid_t pid;
	ssize_t got;

	if (pipe(ready) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		worker_process(plan, waits, ready[1]);
	}
	close(ready[1]);
	if (pid > 0)
		workers->pids[workers->count++] = pid;
	do {
		got = read(ready[0], &byte, 1);
	} while (got < 0 && errno == EINTR);
	close(ready[0]);
	return pid > 0 && got == 1;
}

bool
workers_start(struct workers *workers, const struct bench_plan *plan)
{
	enum bench_kind kind = plan->scenario->kind;

	*workers = (struct workers){0};
	if (kind != BENCH_TRIGGER && kind != BENCH_SLEEP && !process_start(workers, plan, false))
		return false;
	return (kind != BENCH_FANOUT && kind != BENCH_SLEEP) || process_start(workers, plan, true);
}

void
workers_stop(struct workers *workers)
{
	for (unsigned i = workers->count; i > 0; i--) {
		kill(workers->pids[i - 1], SIGTERM);
		while (waitpid(workers->pids[i - 1], NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	workers->count = 0;
}
