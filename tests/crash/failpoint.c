/*
 * tests/crash/failpoint: kill -9 of the server between commit and send.
 *
 *     failpoint OUT [--io io_uring|posix]
 *
 * The server kills itself when the N-th frame that holds an assignment is durable and nothing of it
 * has been sent (FROE_FAILPOINT). So the log says that the worker has a task of which the worker
 * knows nothing. The worker stays up; the server is started again. Within 1 s of its reconnect the
 * worker must run that task, once; the client, whose trigger was not answered either, must learn
 * the result.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crash/ledger.h"
#include "crash/process.h"


#define WITHIN_NS (1000 * LEDGER_NS_PER_MS)
#define WAIT_MS 20000
#define EVENTS_MAX 256

struct failpoint {
	const char *out;
	const char *io;
	char dir[PROCESS_PATH];
	char binary[PROCESS_PATH];
	struct server server;
	struct worker worker;
	const char *why; /* it failed; NULL: it did not */
	uint64_t took_ns; /* from the reconnect to the execution */
};

/* The trigger that is under way when the server dies. */
struct trigger {
	bool answered;
	bool ended;
	struct ledger_output output;
	bool output_read;
	char text[128];
};

static bool
refuse(struct failpoint *test, const char *why)
{
	if (test->why == NULL)
		test->why = why;
	return false;
}

static size_t
read_events(const struct failpoint *test, struct ledger_event events[EVENTS_MAX])
{
	FILE *file = fopen(test->worker.ledger, "r");
	char line[LEDGER_LINE_BYTES];
	size_t count = 0;

	if (file == NULL)
		return 0;
	while (count < EVENTS_MAX && fgets(line, sizeof(line), file) != NULL) {
		if (ledger_read(line, &events[count]))
			count++;
	}
	fclose(file);
	return count;
}

static size_t
count_kind(const struct failpoint *test, char kind)
{
	struct ledger_event events[EVENTS_MAX];
	size_t all = read_events(test, events);
	size_t count = 0;

	for (size_t i = 0; i < all; i++)
		count += events[i].kind == kind ? 1 : 0;
	return count;
}

static bool
wait_kind(const struct failpoint *test, char kind, size_t count)
{
	uint64_t by_ns = ledger_now_ns() + WAIT_MS * LEDGER_NS_PER_MS;
	struct timespec span = {0, 2000000};

	while (count_kind(test, kind) < count) {
		if (ledger_now_ns() > by_ns)
			return false;
		nanosleep(&span, NULL);
	}
	return true;
}

static void
on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct trigger *trigger = context;

	trigger->answered = started != NULL;
	if (error != NULL)
		snprintf(trigger->text, sizeof(trigger->text), "%s", error->text);
}

static void
on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct trigger *trigger = context;

	trigger->ended = event != NULL && event->status == FROE_RUN_COMPLETED;
	if (trigger->ended)
		trigger->output_read = ledger_output_read(event->result, &trigger->output);
	if (error != NULL)
		snprintf(trigger->text, sizeof(trigger->text), "%s", error->text);
}

static bool
start_run(struct failpoint *test, struct froe_client *client, uint64_t n, struct trigger *trigger)
{
	char input[LEDGER_OUTPUT_BYTES];
	struct ledger_input from = {.n = n};
	struct froe_run_options options = {.workflow = LEDGER_SINGLE};

	memset(trigger, 0, sizeof(*trigger));
	options.input.data = input;
	options.input.size = (size_t)ledger_input_print(input, sizeof(input), from);
	if (froe_run_start_async(client, &options, on_started, on_end, trigger, NULL) == FROE_OK)
		return true;
	return refuse(test, "a run could not be started");
}

/* Steps the client until the run has ended, or the server has (if it is expected to). */
static bool
step_until(struct failpoint *test, struct froe_client *client, const struct trigger *trigger,
    bool *ret_died)
{
	uint64_t by_ns = ledger_now_ns() + WAIT_MS * LEDGER_NS_PER_MS;

	while (!trigger->ended && ledger_now_ns() < by_ns) {
		if (froe_client_step(client, 5, NULL) != FROE_OK)
			return refuse(test, "the client cannot be stepped");
		if (ret_died != NULL && process_ended(test->server.pid)) {
			*ret_died = true;
			return true;
		}
	}
	return trigger->ended || refuse(test, "a run did not end");
}

/* Runs 1..nth, one after the other: the last one is the one in whose frame the server dies. */
static bool
run_to_death(struct failpoint *test, struct froe_client *client, unsigned nth,
    struct trigger *trigger)
{
	bool died = false;
	int status;

	for (unsigned n = 1; n <= nth; n++) {
		if (!start_run(test, client, n, trigger) ||
		    !step_until(test, client, trigger, &died))
			return false;
		/* It comes up to a millisecond after the result: the server is not to die in it. */
		if (!died && !wait_kind(test, 'A', n))
			return refuse(test, "a completion was not acknowledged");
		if (died != (n == nth))
			return refuse(test, died ? "the server died too early"
			                         : "the server did not die at its failpoint");
	}
	status = server_end(&test->server, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return refuse(test, "the server ended, but not by SIGKILL");
	if (trigger->answered || count_kind(test, 'E') != nth - 1)
		return refuse(test, "something of the frame was sent before the server died");
	return true;
}

/* The execution of the lost assignment: how long after the worker's second C line, the reconnect,
 * did it begin? That line is written up to 2 ms late, so perhaps after the execution's. */
static bool
check_ledger(struct failpoint *test, unsigned nth)
{
	struct ledger_event events[EVENTS_MAX];
	size_t count = read_events(test, events);
	uint64_t connected_ns = 0;
	uint64_t executed_ns = 0;
	unsigned connections = 0;
	unsigned executions = 0;
	unsigned accepted = 0;

	for (size_t i = 0; i < count; i++) {
		if (events[i].kind == 'C' && ++connections == 2)
			connected_ns = events[i].ns;
		if (events[i].kind == 'E' && ++executions == nth)
			executed_ns = events[i].ns;
		accepted += events[i].kind == 'A' ? 1 : 0;
	}
	test->took_ns = executed_ns > connected_ns ? executed_ns - connected_ns : 0;
	if (connections != 2)
		return refuse(test, "the worker did not reconnect exactly once");
	if (executions != nth)
		return refuse(test, "a task was not executed exactly once");
	if (accepted != nth)
		return refuse(test, "a completion was not acknowledged exactly once");
	return test->took_ns <= WITHIN_NS ||
	    refuse(test, "more than 1 s from the reconnect to the execution");
}

static bool
run_case(struct failpoint *test, struct froe_client *client, unsigned nth)
{
	struct trigger trigger;

	if (!run_to_death(test, client, nth, &trigger))
		return false;
	server_spawn(&test->server, /* failpoint = */ NULL);
	if (!server_ready(&test->server, WAIT_MS))
		return refuse(test, "the server did not start again");
	if (!step_until(test, client, &trigger, NULL))
		return false;
	if (!trigger.answered || !trigger.output_read ||
	    trigger.output.value != ledger_single_value(nth))
		return refuse(test, "the result is wrong");
	/* The worker hears of it about when the client hears of the result. */
	if (!wait_kind(test, 'A', nth) || !wait_kind(test, 'C', 2))
		return refuse(test, "the worker's completion was not acknowledged");
	return check_ledger(test, nth);
}

static bool
start(struct failpoint *test, unsigned nth, struct froe_client **ret_client)
{
	char name[64];
	struct froe_client_options options = {.open_ms = WAIT_MS, .no_thread = true};

	snprintf(name, sizeof(name), "after_commit_before_send:%u", nth);
	server_init(&test->server, test->out, test->dir, test->io, test->binary);
	server_spawn(&test->server, name);
	if (!server_ready(&test->server, WAIT_MS))
		return refuse(test, "the server did not start");
	worker_init(&test->worker, test->out, test->dir, 0);
	worker_start(&test->worker, test->server.address, "2");
	if (!wait_kind(test, 'C', 1))
		return refuse(test, "the worker did not start");
	options.address = test->server.address;
	return froe_client_open(&options, ret_client, NULL) == FROE_OK ||
	    refuse(test, "the client did not connect");
}

/* One case, on a directory of its own; true: passed. */
static bool
run(const char *out, const char *io, unsigned nth)
{
	struct failpoint test = {.out = out, .io = io};
	struct froe_client *client = NULL;
	const char *base = getenv("TMPDIR");
	bool good;

	process_path(test.dir, "%s/froe-failpoint-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(test.dir) == NULL)
		process_die(test.dir);
	good = start(&test, nth, &client) && run_case(&test, client, nth);
	froe_client_close(client);
	if (test.worker.pid != 0)
		worker_end(&test.worker, SIGKILL);
	if (test.server.pid != 0)
		server_end(&test.server, SIGKILL);
	if (good) {
		printf("killed after the commit of assignment %u: run %.1f ms after the worker's "
		       "reconnect\n", nth, (double)test.took_ns / 1e6);
		process_remove_tree(test.dir);
	} else {
		printf("FAILED assignment %u: %s; kept: %s\n", nth, test.why, test.dir);
		process_show(test.server.log, 2000);
		process_show(test.worker.log, 2000);
	}
	fflush(stdout);
	return good;
}

int
main(int argc, char **argv)
{
	static const unsigned cases[] = {1, 2, 3, 8};
	unsigned passed = 0;
	unsigned failed = 0;

	if (argc != 2 && (argc != 4 || strcmp(argv[2], "--io") != 0)) {
		fprintf(stderr, "usage: failpoint OUT [--io io_uring|posix]\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (run(argv[1], argc == 4 ? argv[3] : NULL, cases[i]))
			passed++;
		else
			failed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
