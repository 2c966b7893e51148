/*
 * tests/soak/soak: a mixed load for as long as one likes, and everything that happens to a server
 * in a year, in minutes.
 *
 *     soak OUT SECONDS [--seed N] [--rate N] [--fill N] [--keep]
 *
 * A server with segments of 4 MiB and a retention of seconds, two worker processes, two client
 * threads (load.h). From half a minute on (fewer in a short soak), by turns:
 *
 *   * kill -9 to the server;
 *   * kill -9 to a worker;
 *   * kill -9, and its index is deleted before it starts again;
 *   * a backup under load, restored elsewhere, verified, started;
 *   * a stop in order.
 *
 * After two fifths of the time the server is left alone (workers die and backups are made still):
 * memory and disk of one process must be flat from then on. Before it all, --fill runs are run to
 * their end as fast as it goes: the server remembers the ids of 2^20 closed runs, and until it has
 * so many its memory grows by design. What clients were told and what workers did is compared all
 * the time (load.h, witness.h). In the end all runs must have ended, and the store must verify.
 *
 * Prints a line a minute (in a short soak, more), and in the end slopes, counts, and what failed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crash/process.h"
#include "soak/load.h"
#include "soak/meter.h"
#include "soak/witness.h"


#define WORKERS 2u
#define LOADS 2u
#define WORKER_SLOTS "32"
#define READY_MS 60000
#define CALL_MS 60000
#define FILL_BATCH 500u
#define SHORT_S 300u /* below, growth is not judged */
#define SLOPE_MAX 10.0
#define DISK_RATIO_MAX 1.25
#define INDEX_WAIT_NS (60000 * LEDGER_NS_PER_MS)

enum trouble {
	TROUBLE_KILL,
	TROUBLE_WORKER,
	TROUBLE_INDEX,
	TROUBLE_BACKUP,
	TROUBLE_STOP,
	TROUBLES,
};

struct soak {
	const char *out;
	uint64_t seconds;
	uint64_t seed;
	unsigned rate;
	uint64_t fill;
	bool keep;
	uint64_t began_ns;
	uint64_t each_ns; /* a trouble */
	uint64_t calm_ns; /* from when on the server lives */
	unsigned calm_span;
	char dir[PROCESS_PATH];
	char binary[PROCESS_PATH];
	char address[64];
	char retention[16];
	const char *options[3];
	struct server server;
	struct worker workers[WORKERS];
	struct load loads[LOADS];
	struct witness witness;
	struct meter meter;
	unsigned troubles[TROUBLES];
	uint64_t start_ns_max;
	unsigned passed;
	unsigned failed;
};

static bool
expect(struct soak *soak, bool good, const char *what)
{
	if (good) {
		soak->passed++;
	} else {
		soak->failed++;
		printf("  FAILED: %s\n", what);
	}
	fflush(stdout);
	return good;
}

static void
pause_ns(uint64_t ns)
{
	struct timespec span = {(time_t)(ns / (1000 * LEDGER_NS_PER_MS)),
	    (long)(ns % (1000 * LEDGER_NS_PER_MS))};

	nanosleep(&span, NULL);
}

/* ---------------------------------------------------------------------------------- processes */

static bool
start_server(struct soak *soak)
{
	uint64_t began_ns = ledger_now_ns();

	server_spawn(&soak->server, NULL);
	if (!server_ready(&soak->server, READY_MS)) {
		process_show(soak->server.log, 2000);
		return false;
	}
	if (ledger_now_ns() - began_ns > soak->start_ns_max)
		soak->start_ns_max = ledger_now_ns() - began_ns;
	meter_server(&soak->meter, soak->server.pid);
	return true;
}

static bool
end_server(struct soak *soak, int number)
{
	meter_server(&soak->meter, 0);
	int status = server_end(&soak->server, number);

	return number == SIGKILL ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
	                         : WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
start_worker(struct soak *soak, struct worker *worker)
{
	char fd[16];
	const char *argv[] = {worker->binary, soak->address, fd, worker->id, WORKER_SLOTS, NULL};

	snprintf(fd, sizeof(fd), "%d", soak->witness.write_fd);
	worker->pid = process_start(argv, worker->log, soak->witness.write_fd, NULL);
}

/* Exit status of `froe ...`, its output in the server's log. */
static int
froe(struct soak *soak, const char *const *args)
{
	const char *argv[PROCESS_ARGS] = {soak->binary};
	size_t count = 1;

	for (size_t i = 0; args[i] != NULL; i++)
		argv[count++] = args[i];
	int status = process_end(process_start(argv, soak->server.log, -1, NULL), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ----------------------------------------------------------------------------------- troubles */

static struct froe_client *
connect_to(const char *address)
{
	struct froe_client *client;
	struct froe_error error;
	struct froe_client_options options =
	    {.address = address, .open_ms = READY_MS, .no_thread = true};

	if (froe_client_open(&options, &client, &error) == FROE_OK)
		return client;
	printf("  FAILED: no connection: %s\n", error.text);
	return NULL;
}

/* Lists are answered, once the index has got there; newest first. */
static bool
lists_good(struct soak *soak, const char *address)
{
	struct froe_client *client = connect_to(address);
	struct froe_list_options options = {.workflow = SOAK_SINGLE, .limit = 100};
	struct froe_run_page *page;
	struct froe_error error;
	uint64_t by_ns = ledger_now_ns() + INDEX_WAIT_NS;
	enum froe_err err = FROE_UNAVAILABLE;
	bool good = true;

	(void)soak;
	if (client == NULL)
		return false;
	while ((err = froe_run_list(client, &options, CALL_MS, &page, &error)) ==
	           FROE_INDEX_BEHIND && ledger_now_ns() < by_ns)
		pause_ns(20 * LEDGER_NS_PER_MS);
	if (err == FROE_OK) {
		for (size_t i = 1; i < page->row_count; i++)
			good = good && page->rows[i].number < page->rows[i - 1].number;
		good = good && page->row_count > 0;
		froe_run_page_free(page);
	} else {
		printf("  a list: %s\n", error.text);
	}
	froe_client_close(client);
	return err == FROE_OK && good;
}

static void
trouble_kill(struct soak *soak, bool index)
{
	char path[PROCESS_PATH];

	expect(soak, end_server(soak, SIGKILL), "the server ended before it was killed");
	process_path(path, "%s/index", soak->server.data);
	if (index)
		process_remove_tree(path);
	if (!expect(soak, start_server(soak), "the server did not start after kill -9"))
		return;
	if (index)
		expect(soak, lists_good(soak, soak->address), "lists after the index was deleted");
}

static void
trouble_worker(struct soak *soak)
{
	struct worker *worker = &soak->workers[soak->troubles[TROUBLE_WORKER] % WORKERS];

	worker_end(worker, SIGKILL);
	start_worker(soak, worker);
}

/* A server on the copy: nobody else comes there. */
static bool
copy_serves(struct soak *soak, const char *data)
{
	struct server copy = soak->server;
	bool good;

	strcpy(copy.data, data);
	strcpy(copy.address, "127.0.0.1:0");
	server_spawn(&copy, NULL);
	good = server_ready(&copy, READY_MS) && lists_good(soak, copy.address);
	return WIFEXITED(server_end(&copy, SIGTERM)) && good;
}

static void
trouble_backup(struct soak *soak)
{
	char backup[PROCESS_PATH], copy[PROCESS_PATH];
	const char *const make[] = {"backup", backup, "--data", soak->server.data, NULL};
	const char *const restore[] = {"restore", "--from", backup, "--data", copy, NULL};
	const char *const verify[] = {"log", "verify", "--data", copy, NULL};

	process_path(backup, "%s/backup", soak->dir);
	process_path(copy, "%s/copy", soak->dir);
	if (expect(soak, froe(soak, make) == 0, "froe backup under load") &&
	    expect(soak, froe(soak, restore) == 0, "froe restore") &&
	    expect(soak, froe(soak, verify) == 0, "froe log verify of the copy"))
		expect(soak, copy_serves(soak, copy), "a server on the copy");
	process_remove_tree(backup);
	process_remove_tree(copy);
}

static void
trouble_stop(struct soak *soak)
{
	expect(soak, end_server(soak, SIGTERM), "the server did not stop in order");
	expect(soak, start_server(soak), "the server did not start after a stop");
}

static void
trouble_make(struct soak *soak, enum trouble trouble)
{
	switch (trouble) {
	case TROUBLE_KILL:
		trouble_kill(soak, false);
		break;
	case TROUBLE_WORKER:
		trouble_worker(soak);
		break;
	case TROUBLE_INDEX:
		trouble_kill(soak, true);
		break;
	case TROUBLE_BACKUP:
		trouble_backup(soak);
		break;
	case TROUBLE_STOP:
		trouble_stop(soak);
		break;
	case TROUBLES:
		break;
	}
	soak->troubles[trouble]++;
}

/* ------------------------------------------------------------------------------------ telling */

static uint64_t
sum(struct soak *soak, bool ended)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < LOADS; i++)
		total += ended ? atomic_load(&soak->loads[i].ended)
		               : atomic_load(&soak->loads[i].open);
	return total;
}

static unsigned
faults(struct soak *soak)
{
	unsigned total = atomic_load(&soak->witness.faults);

	for (unsigned i = 0; i < LOADS; i++)
		total += atomic_load(&soak->loads[i].faults);
	return total;
}

static void
tell_span(struct soak *soak, unsigned at)
{
	const struct meter_span *span = &soak->meter.spans[at];

	printf("%6.1f min %9" PRIu64 " ended %5" PRIu64 " open %9" PRIu64 " executed "
	       "%7.1f..%.1f MB memory %7.1f MB disk, segment %" PRIu64 ", snapshot %" PRIu64
	       ", %u faults\n",
	    (double)((at + 1) * soak->meter.span_ns) / 60e9, sum(soak, true), sum(soak, false),
	    (uint64_t)atomic_load(&soak->witness.executions), (double)span->memory_least / 1e6,
	    (double)span->memory_most / 1e6, (double)span->disk_most / 1e6, span->segments,
	    span->snapshots, faults(soak));
	fflush(stdout);
}

/* ------------------------------------------------------------------------------------- phases */

/* Runs to their end as fast as it goes, one bulk start after the other. */
static void
fill(struct soak *soak)
{
	struct froe_client *client = connect_to(soak->address);
	struct froe_run_options options[FILL_BATCH];
	struct froe_started started[FILL_BATCH];
	struct froe_event *end;
	struct froe_error error;
	bool good = client != NULL;

	for (size_t i = 0; i < FILL_BATCH; i++)
		options[i] = (struct froe_run_options){.workflow = SOAK_QUICK};
	for (uint64_t i = 0; good && i < soak->fill; i += FILL_BATCH) {
		good = froe_run_start_many(client, options, FILL_BATCH, CALL_MS, started, &error) ==
		    FROE_OK;
		if (good && i / FILL_BATCH % 8 == 7) { /* not too far ahead of the workers */
			good = froe_run_await(client, started[FILL_BATCH - 1].run, CALL_MS, &end,
			           &error) == FROE_OK;
			if (good)
				froe_event_free(end);
		}
	}
	expect(soak, good, "filling");
	froe_client_close(client);
}

static bool
begin(struct soak *soak)
{
	uint64_t by_ns = ledger_now_ns() + READY_MS * LEDGER_NS_PER_MS;

	meter_start(&soak->meter, soak->server.data,
	    (soak->seconds >= SHORT_S ? 60 : 5) * 1000 * LEDGER_NS_PER_MS);
	witness_start(&soak->witness);
	if (!start_server(soak))
		return false;
	strcpy(soak->address, soak->server.address);
	for (unsigned i = 0; i < WORKERS; i++) {
		worker_init(&soak->workers[i], soak->out, soak->dir, i);
		process_path(soak->workers[i].binary, "%s/tests/soak/worker", soak->out);
		start_worker(soak, &soak->workers[i]);
	}
	while (atomic_load(&soak->witness.serving) < WORKERS && ledger_now_ns() < by_ns)
		pause_ns(5 * LEDGER_NS_PER_MS);
	fill(soak);
	struct load_options options = {
	    .per_s = soak->rate / LOADS,
	    .sleep_ms_max = soak->seconds >= SHORT_S ? 60000 : 4000,
	};
	for (unsigned i = 0; i < LOADS; i++)
		load_start(&soak->loads[i], soak->address, &options, soak->seed + i);
	soak->began_ns = ledger_now_ns();
	soak->calm_ns = soak->began_ns + soak->seconds * 400 * LEDGER_NS_PER_MS;
	return atomic_load(&soak->witness.serving) >= WORKERS;
}

/* Which troubles come, by turns. */
static void
soak_for(struct soak *soak)
{
	static const enum trouble hard[] = {TROUBLE_KILL, TROUBLE_WORKER, TROUBLE_INDEX,
	    TROUBLE_BACKUP, TROUBLE_STOP, TROUBLE_KILL};
	static const enum trouble soft[] = {TROUBLE_WORKER, TROUBLE_BACKUP};
	uint64_t end_ns = soak->began_ns + soak->seconds * 1000 * LEDGER_NS_PER_MS;
	uint64_t next_ns = soak->began_ns + soak->each_ns;
	unsigned told = atomic_load(&soak->meter.count), turn = 0;

	for (uint64_t now_ns; (now_ns = ledger_now_ns()) < end_ns && soak->failed == 0;) {
		bool calm = now_ns >= soak->calm_ns;

		if (calm && soak->calm_span == 0)
			soak->calm_span = atomic_load(&soak->meter.count) + 1;
		if (now_ns >= next_ns) {
			trouble_make(soak, calm ? soft[turn % 2] : hard[turn % 6]);
			turn++;
			next_ns = ledger_now_ns() + soak->each_ns;
		}
		for (; told < atomic_load(&soak->meter.count); told++)
			tell_span(soak, told);
		pause_ns(50 * LEDGER_NS_PER_MS);
	}
}

static void
judge(struct soak *soak)
{
	unsigned count = atomic_load(&soak->meter.count), first = soak->calm_span;
	double slope;

	if (soak->seconds < SHORT_S || count < first + 6)
		return;
	first += (count - first) / 4; /* to settle */
	slope = meter_slope(&soak->meter, first);
	unsigned middle = first + (count - first) / 2;
	uint64_t before = meter_disk_most(&soak->meter, first, middle);
	uint64_t after = meter_disk_most(&soak->meter, middle, count);
	printf("memory: %+.1f %%/h over the last %u min (at most %.0f)\n", slope, count - first,
	    SLOPE_MAX);
	printf("disk: at most %.1f MB, then %.1f MB\n", (double)before / 1e6, (double)after / 1e6);
	expect(soak, slope <= SLOPE_MAX, "memory grows");
	expect(soak, (double)after <= (double)before * DISK_RATIO_MAX, "disk grows");
}

static void
conclude(struct soak *soak)
{
	bool good = true;

	meter_join(&soak->meter);
	for (unsigned i = 0; i < LOADS; i++)
		load_stop(&soak->loads[i]);
	for (unsigned i = 0; i < LOADS; i++)
		load_join(&soak->loads[i]);
	for (unsigned i = 0; i < WORKERS; i++) {
		int status = worker_end(&soak->workers[i], SIGTERM);

		good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	expect(soak, good, "a worker did not stop in order");
	witness_join(&soak->witness);
	expect(soak, lists_good(soak, soak->address), "lists in the end");
	expect(soak, end_server(soak, SIGTERM), "the server did not stop in order");
	expect(soak, server_verify(&soak->server) == 0, "froe log verify in the end");
	expect(soak, start_server(soak), "the server did not start once more");
	expect(soak, end_server(soak, SIGTERM), "the server did not stop in order, idle");
	judge(soak);
}

static void
report(struct soak *soak)
{
	static const char *const kinds[LOAD_KINDS] = {"single", "dag", "fail", "cancelled",
	    "stream", "durable", "scheduled", "keyed"};
	uint64_t gone = 0;

	printf("started:");
	for (unsigned kind = 0; kind < LOAD_KINDS; kind++) {
		uint64_t started = 0;

		for (unsigned i = 0; i < LOADS; i++)
			started += atomic_load(&soak->loads[i].started[kind]);
		printf(" %" PRIu64 " %s,", started, kinds[kind]);
	}
	for (unsigned i = 0; i < LOADS; i++)
		gone += atomic_load(&soak->loads[i].gone);
	printf(" %" PRIu64 " to fill\n", soak->fill);
	printf("executed: %" PRIu64 "; accepted: %" PRIu64 "; refused as lapsed: %" PRIu64
	       "; past retention when looked at: %" PRIu64 "\n",
	    (uint64_t)atomic_load(&soak->witness.executions),
	    (uint64_t)atomic_load(&soak->witness.accepted),
	    (uint64_t)atomic_load(&soak->witness.refused), gone);
	printf("troubles: %u kills, %u of workers, %u with the index deleted, %u backups restored, "
	       "%u stops; slowest start %.0f ms\n",
	    soak->troubles[TROUBLE_KILL], soak->troubles[TROUBLE_WORKER],
	    soak->troubles[TROUBLE_INDEX], soak->troubles[TROUBLE_BACKUP],
	    soak->troubles[TROUBLE_STOP], (double)soak->start_ns_max / 1e6);
	expect(soak, faults(soak) == 0, "what was told and what was done agree");
	for (unsigned trouble = 0; trouble < TROUBLES; trouble++)
		expect(soak, soak->troubles[trouble] > 0, "each trouble was made");
}

/* ---------------------------------------------------------------------------------------- main */

static bool
number(const char *text, uint64_t *ret_value)
{
	char *end;

	*ret_value = strtoull(text, &end, 10);
	return *text != 0 && *end == 0;
}

static bool
options_read(struct soak *soak, int argc, char **argv)
{
	uint64_t value;

	if (argc < 3 || !number(argv[2], &soak->seconds) || soak->seconds < 10)
		return false;
	soak->out = argv[1];
	soak->fill = soak->seconds >= SHORT_S ? (1u << 20) + 50000 : 2000;
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--keep") == 0) {
			soak->keep = true;
			continue;
		}
		if (i + 1 >= argc || !number(argv[i + 1], &value))
			return false;
		if (strcmp(argv[i], "--seed") == 0)
			soak->seed = value;
		else if (strcmp(argv[i], "--rate") == 0)
			soak->rate = (unsigned)value;
		else if (strcmp(argv[i], "--fill") == 0)
			soak->fill = value;
		else
			return false;
		i++;
	}
	return soak->rate >= LOADS;
}

static void
prepare(struct soak *soak)
{
	const char *base = getenv("TMPDIR");
	bool brief = soak->seconds < SHORT_S;

	process_path(soak->dir, "%s/froe-soak-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(soak->dir) == NULL)
		process_die(soak->dir);
	server_init(&soak->server, soak->out, soak->dir, NULL, soak->binary);
	soak->each_ns = (brief ? 1200 : 30000) * LEDGER_NS_PER_MS;
	snprintf(soak->retention, sizeof(soak->retention), "%us", brief ? 3 : 20);
	soak->options[0] = "--retention";
	soak->options[1] = soak->retention;
	soak->server.options = soak->options;
}

int
main(int argc, char **argv)
{
	struct soak *soak = calloc(1, sizeof(*soak));

	if (soak == NULL)
		process_die("memory");
	soak->seed = ledger_now_ns();
	soak->rate = 500;
	if (!options_read(soak, argc, argv)) {
		fprintf(stderr, "usage: soak OUT SECONDS [--seed N] [--rate N] [--fill N] "
		    "[--keep]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	prepare(soak);
	printf("soak: %" PRIu64 " s, %u runs a second, retention %s, seed %" PRIu64 ", %s\n",
	    soak->seconds, soak->rate, soak->retention, soak->seed, soak->dir);
	fflush(stdout);
	if (!expect(soak, begin(soak), "server and workers did not start")) {
		printf("%u passed, %u failed\n", soak->passed, soak->failed);
		return 1;
	}
	soak_for(soak);
	conclude(soak);
	report(soak);
	if (soak->failed != 0 || soak->keep)
		printf("  kept: %s\n", soak->dir);
	else
		process_remove_tree(soak->dir);
	printf("%u passed, %u failed\n", soak->passed, soak->failed);
	return soak->failed > 0;
}
