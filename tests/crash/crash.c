/*
 * tests/crash/crash: kill -9 at random moments under load.
 *
 *     crash OUT CYCLES [--io io_uring|posix] [--seed N]
 *
 * Rounds of ten cycles, each round on a new data directory:
 *
 *   1. a server, three worker processes and three client threads that keep starting runs;
 *   2. ten times: after a random time SIGKILL to the server, sometimes to a worker too, sometimes
 *      once more while it recovers; then it is started again and the load goes on;
 *   3. the clients stop starting runs and wait until all that they have started have ended;
 *   4. the server stops in order, `froe log verify` finds nothing, it starts once more, and what it
 *      says, what clients were told and what workers have done are compared (verdict.h).
 *
 * Prints the seed: it decides the times and the load, not how the machine schedules them. Each
 * restart counts as a test, and each round's stop, verification and verdict.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/failpoint.h"
#include "crash/ledger.h"
#include "crash/load.h"
#include "crash/process.h"
#include "crash/verdict.h"


#define ROUND_CYCLES 10u
#define WORKERS 3u
#define LOADS 3u
#define READY_MS 30000
#define SETTLE_MS 30000
#define WORKER_SLOTS "8"

struct crash {
	const char *out;
	const char *io;
	uint64_t seed;
	unsigned passed;
	unsigned failed;
};

struct round {
	struct crash *crash;
	unsigned number;
	unsigned cycles;
	char dir[PROCESS_PATH];
	char binary[PROCESS_PATH];
	char address[64];
	struct server server;
	struct worker workers[WORKERS];
	struct load loads[LOADS];
	struct verdict verdict;
	unsigned kills; /* of the server */
	unsigned worker_kills;
	unsigned failpoints; /* of the kills, those that it did itself */
	uint64_t start_ns_max;
	bool broken; /* no use in going on */
};

static uint64_t
dice(struct crash *crash, uint64_t sides)
{
	return load_random(&crash->seed) % sides;
}

static void
pause_ms(uint64_t ms)
{
	struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&span, NULL);
}

/* Counts a test; says why when it failed. */
static bool
expect(struct round *round, bool good, const char *what)
{
	struct crash *crash = round->crash;

	if (good) {
		crash->passed++;
	} else {
		crash->failed++;
		printf("FAILED round %u, kill %u: %s\n", round->number, round->kills, what);
	}
	fflush(stdout);
	return good;
}

/* ---------------------------------------------------------------------------------- one cycle */

/* Where the next server is to kill itself, perhaps. */
static const char *
draw_failpoint(struct round *round, char name[64])
{
	enum failpoint which = (enum failpoint)dice(round->crash, FAILPOINTS);
	uint64_t most = UINT64_C(1) << (1 + dice(round->crash, 8));

	if (dice(round->crash, 2) == 0)
		return NULL;
	snprintf(name, 64, "%s:%" PRIu64, failpoint_name(which), 1 + dice(round->crash, most));
	return name;
}

/* One that killed itself before it was ready is started again, without that. */
static bool
start_server(struct round *round, const char *failpoint)
{
	uint64_t began_ns = ledger_now_ns();
	uint64_t took_ns;

	server_spawn(&round->server, failpoint);
	if (failpoint != NULL && !server_ready(&round->server, READY_MS)) {
		int status = server_end(&round->server, SIGKILL);

		round->failpoints++;
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			return false;
		return start_server(round, NULL);
	}
	if (failpoint == NULL && !server_ready(&round->server, READY_MS)) {
		round->broken = true;
		return false;
	}
	took_ns = ledger_now_ns() - began_ns;
	if (took_ns > round->start_ns_max)
		round->start_ns_max = took_ns;
	return true;
}

static bool
kill_server(struct round *round)
{
	round->failpoints += process_ended(round->server.pid) ? 1 : 0;
	int status = server_end(&round->server, SIGKILL);

	round->kills++;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Kills one worker, which comes back, with the same id, now or after the server. */
static struct worker *
kill_worker(struct round *round)
{
	struct worker *worker = &round->workers[dice(round->crash, WORKERS)];

	worker_end(worker, SIGKILL);
	round->worker_kills++;
	if (dice(round->crash, 2) == 0)
		return worker;
	worker_start(worker, round->address, WORKER_SLOTS);
	return NULL;
}

static bool
workers_alive(const struct round *round)
{
	for (size_t i = 0; i < WORKERS; i++) {
		if (process_ended(round->workers[i].pid))
			return false;
	}
	return true;
}

/* It is made anew while the server serves. */
static void
remove_index(struct round *round)
{
	char path[PROCESS_PATH];

	process_path(path, "%s/index", round->server.data);
	process_remove_tree(path);
}

/* After the last kill the server is not to end by itself. */
static void
cycle(struct round *round, bool last)
{
	struct crash *crash = round->crash;
	struct worker *away = NULL;
	bool good = true;
	char failpoint[64];

	pause_ms(20 + dice(crash, 480));
	if (dice(crash, 3) == 0)
		away = kill_worker(round);
	if (dice(crash, 3) == 0)
		pause_ms(dice(crash, 50));
	good = kill_server(round);
	if (dice(crash, 4) == 0)
		pause_ms(dice(crash, 300));
	if (dice(crash, 5) == 0) {
		/* While it recovers. */
		server_spawn(&round->server, NULL);
		pause_ms(dice(crash, 40));
		good = kill_server(round) && good;
	}
	if (!expect(round, good, "the server ended before it was killed"))
		process_show(round->server.log, 2000);
	if (dice(crash, 6) == 0)
		remove_index(round);
	if (!expect(round, start_server(round, last ? NULL : draw_failpoint(round, failpoint)),
	        "the server did not start again")) {
		process_show(round->server.log, 2000);
		return;
	}
	if (away != NULL)
		worker_start(away, round->address, WORKER_SLOTS);
	if (!workers_alive(round)) {
		expect(round, false, "a worker ended");
		round->broken = true;
	}
}

/* ---------------------------------------------------------------------------------- one round */

/* How many workers have begun to serve (each writes a C line first). */
static unsigned
workers_serving(const struct round *round)
{
	FILE *file = fopen(round->workers[0].ledger, "r");
	char line[LEDGER_LINE_BYTES];
	unsigned count = 0;

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		count += line[0] == 'C' ? 1 : 0;
	fclose(file);
	return count;
}

static bool
begin(struct round *round)
{
	uint64_t by_ns = ledger_now_ns() + SETTLE_MS * LEDGER_NS_PER_MS;

	if (!start_server(round, NULL))
		return false;
	strcpy(round->address, round->server.address);
	for (unsigned i = 0; i < WORKERS; i++) {
		worker_init(&round->workers[i], round->crash->out, round->dir, i);
		worker_start(&round->workers[i], round->address, WORKER_SLOTS);
	}
	while (workers_serving(round) < WORKERS && ledger_now_ns() < by_ns)
		pause_ms(5);
	for (unsigned i = 0; i < LOADS; i++)
		load_start(&round->loads[i], round->address, load_random(&round->crash->seed));
	return workers_serving(round) >= WORKERS;
}

static void
settle(struct round *round)
{
	for (unsigned i = 0; i < LOADS; i++)
		load_stop(&round->loads[i]);
	for (unsigned i = 0; i < LOADS; i++) {
		struct load *load = &round->loads[i];

		load_join(load);
		if (load->failure[0] != 0)
			verdict_fault(&round->verdict, NULL, "client %u: %s", i, load->failure);
	}
}

/* Children of runs that have ended may still be under way. */
static void
settle_children(struct round *round)
{
	static const uint32_t open = 1u << FROE_RUN_QUEUED | 1u << FROE_RUN_RUNNING |
	    1u << FROE_RUN_EVICTED;
	struct froe_client_options client_options =
	    {.address = round->address, .open_ms = READY_MS};
	struct froe_list_options options = {.statuses = open, .limit = 1};
	struct froe_client *client;
	struct froe_error error;
	uint64_t by_ns = ledger_now_ns() + SETTLE_MS * LEDGER_NS_PER_MS;
	size_t left = 1;

	if (froe_client_open(&client_options, &client, &error) != FROE_OK) {
		verdict_fault(&round->verdict, NULL, "no connection: %s", error.text);
		return;
	}
	while (left > 0 && ledger_now_ns() < by_ns) {
		struct froe_run_page *page;

		if (verdict_list(client, &options, &page, &error) != FROE_OK)
			break;
		left = page->row_count;
		froe_run_page_free(page);
		pause_ms(left > 0 ? 20 : 0);
	}
	if (left > 0)
		verdict_fault(&round->verdict, NULL, "runs do not end: %s", error.text);
	froe_client_close(client);
}

static void
stop_workers(struct round *round)
{
	bool good = true;

	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *worker = &round->workers[i];
		int status = worker->pid != 0 ? worker_end(worker, SIGTERM) : 0;

		good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	expect(round, good, "a worker did not stop in order");
}

static bool
stop_server(struct round *round)
{
	int status = server_end(&round->server, SIGTERM);

	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
judge(struct round *round)
{
	struct verdict *verdict = &round->verdict;
	struct froe_client *client;
	struct froe_error error;
	struct froe_client_options options = {.address = round->address, .open_ms = READY_MS};

	if (froe_client_open(&options, &client, &error) != FROE_OK) {
		verdict_fault(verdict, NULL, "no connection to judge by: %s", error.text);
		return;
	}
	verdict_read_ledger(verdict, round->workers[0].ledger);
	for (unsigned i = 0; i < LOADS; i++) {
		const struct load *load = &round->loads[i];

		for (size_t j = 0; j < load->run_count; j++) {
			struct load_run *run = &load->runs[j];
			bool same = j > 0 && verdict_mate(verdict, run - 1, run);

			verdict_run(verdict, run);
			if (!same)
				verdict_view(verdict, client, run);
		}
	}
	froe_client_close(client);
	verdict_ledger(verdict);
	if (verdict->runs < round->cycles)
		verdict_fault(verdict, NULL, "only %zu runs: that was no load", verdict->runs);
}

/* From the last restart to the verdict. */
static void
conclude(struct round *round)
{
	settle(round);
	settle_children(round);
	stop_workers(round);
	expect(round, stop_server(round), "the server did not stop in order");
	expect(round, server_verify(&round->server) == 0, "froe log verify");
	if (!expect(round, start_server(round, NULL), "the server did not start for the verdict"))
		return;
	judge(round);
	expect(round, round->verdict.faults == 0, "the ledger");
	expect(round, stop_server(round), "the server did not stop in order, idle");
}

static void
make_dir(struct round *round)
{
	const char *base = getenv("TMPDIR");

	process_path(round->dir, "%s/froe-crash-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(round->dir) == NULL)
		process_die(round->dir);
}

/* Kills what is left of a round that went wrong. */
static void
abandon(struct round *round)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		if (round->workers[i].pid != 0)
			worker_end(&round->workers[i], SIGKILL);
	}
	if (round->server.pid != 0)
		server_end(&round->server, SIGKILL);
}

static void
run_round(struct round *round)
{
	static const char *const retention[] = {"--retention", VERDICT_KEPT, NULL};
	unsigned failed = round->crash->failed;

	make_dir(round);
	server_init(&round->server, round->crash->out, round->dir, round->crash->io, round->binary);
	round->verdict.forgetful = round->number % 3 == 2;
	if (round->verdict.forgetful)
		round->server.options = retention;
	round->broken = !expect(round, begin(round), "server and workers did not start");
	for (unsigned i = 0; i < round->cycles && !round->broken; i++)
		cycle(round, i + 1 == round->cycles);
	if (!round->broken)
		conclude(round);
	abandon(round);
	printf("round %u%s: %u kills of the server, %u by itself, %u of workers, %zu runs, "
	       "%zu executions, %zu children, %zu chunks, slowest start %.0f ms\n",
	    round->number, round->verdict.forgetful ? " (retention)" : "", round->kills,
	    round->failpoints, round->worker_kills, round->verdict.runs,
	    round->verdict.executions, round->verdict.children, round->verdict.chunks,
	    (double)round->start_ns_max / 1e6);
	if (round->crash->failed != failed)
		printf("  kept: %s\n", round->dir);
	else
		process_remove_tree(round->dir);
	fflush(stdout);
	verdict_release(&round->verdict);
}

/* ---------------------------------------------------------------------------------------- main */

static unsigned
number(const char *text, uint64_t *ret_value)
{
	char *end;

	*ret_value = strtoull(text, &end, 10);
	return *text != 0 && *end == 0;
}

static bool
options_read(struct crash *crash, uint64_t *ret_cycles, int argc, char **argv)
{
	if (argc < 3 || argc % 2 == 0 || !number(argv[2], ret_cycles) || *ret_cycles == 0)
		return false;
	crash->out = argv[1];
	for (int i = 3; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--io") == 0)
			crash->io = argv[i + 1];
		else if (strcmp(argv[i], "--seed") != 0 || !number(argv[i + 1], &crash->seed))
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct crash crash = {.seed = ledger_now_ns()};
	uint64_t cycles;
	unsigned rounds = 0;

	if (!options_read(&crash, &cycles, argc, argv)) {
		fprintf(stderr, "usage: crash OUT CYCLES [--io io_uring|posix] [--seed N]\n");
		return 2;
	}
	printf("crash: %" PRIu64 " cycles, I/O %s, seed %" PRIu64 "\n", cycles,
	    crash.io != NULL ? crash.io : "default", crash.seed);
	fflush(stdout);
	crash.seed |= UINT64_C(1) << 63; /* never zero */
	for (uint64_t left = cycles; left > 0 && crash.failed == 0;) {
		struct round *round = calloc(1, sizeof(*round));

		if (round == NULL)
			process_die("memory");
		round->crash = &crash;
		round->number = ++rounds;
		round->cycles = left < ROUND_CYCLES ? (unsigned)left : ROUND_CYCLES;
		left -= round->cycles;
		run_round(round);
		/* The threads of a broken round still use its loads: the process ends soon. */
		if (!round->broken) {
			for (unsigned i = 0; i < LOADS; i++)
				free(round->loads[i].runs);
			free(round);
		}
	}
	printf("%u passed, %u failed\n", crash.passed, crash.failed);
	return crash.failed > 0;
}
