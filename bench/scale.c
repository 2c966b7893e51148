/*
 * bench/scale: how long a start takes, how long lists take and how much memory it needs, with very
 * many runs.
 *
 *     scale FROE [--dir DIR] [--open N] [--done N] [--keep] [--reuse]
 *
 * On the real server with its defaults, and real files:
 *
 *   1. done: --done runs (200000) of three workflows are started in bulk and executed, with a pair
 *      of metadata or two; 1 in 250 fails;
 *   2. open: --open runs (50000) that stay so: 90 % queued without a worker, 5 % asleep in a
 *      durable task, 5 % that begin in a month;
 *   3. kill -9 in the middle of more of the former; the start, until it serves, and until a worker
 *      has got its first task; the same once more, with the index a second behind and not;
 *   4. lists of 50;
 *   5. load until a snapshot has been made: memory, sampled; then a last kill -9 and start.
 *
 * --keep leaves the directory; --reuse goes on with one that was kept, from step 3 on. Prints a
 * table with goals; exit status 1: one was missed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scale/lists.h"
#include "scale/load.h"
#include "scale/process.h"

#include <ftw.h>
#include <getopt.h>

#define START_S_MAX 3.0
#define LIST_MS_MAX 5.0
#define MEMORY_RATIO_MAX 2.0
#define RUN_BYTES_MAX 600.0
#define KILL_AFTER_NS (2 * NS_PER_S)
#define SNAPSHOT_WAIT_NS (300 * NS_PER_S)
#define SNAPSHOT_PACE_NS (10 * NS_PER_MS)

struct scale {
	struct process server;
	struct load_shared *shared;
	char dir[PROCESS_PATH];
	uint64_t open;
	uint64_t done;
	uint64_t number;   /* of the next run */
	uint64_t began_ns; /* wall clock */
	uint64_t ended_ns;
	bool keep;
	bool reuse;
	bool missed;
};

static uint64_t
wall_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* A line of the table. goal < 0: it has none. */
static void
report(struct scale *scale, const char *what, double value, const char *unit, double goal)
{
	printf("%-44s %12.2f %-8s", what, value, unit);
	if (goal >= 0) {
		bool ok = value <= goal;
		printf(" goal %8.2f  %s", goal, ok ? "ok" : "MISSED");
		scale->missed = scale->missed || !ok;
	}
	printf("\n");
	fflush(stdout);
}

/* -------------------------------------------------------------------------------------- filling */

static void
put_parked(const char *address)
{
	static const struct froe_task_def task = {.name = "do", .action = "scale:nobody"};
	static const struct froe_workflow workflow = {
	    .name = "parked", .tasks = &task, .task_count = 1};
	struct froe_client *client = load_connect(address, true);
	struct froe_workflow_version version;
	struct froe_error error;
	if (froe_workflow_put(client, &workflow, LOAD_CALL_MS, &version, &error) != FROE_OK)
		load_die("parked", &error);
	froe_client_close(client);
}

static void
fill(struct scale *scale, const char *what, enum load_kind kind, uint64_t count)
{
	struct load load = {
	    .address = scale->server.address,
	    .shared = scale->shared,
	    .kind = kind,
	    .first = scale->number,
	    .count = count,
	};
	scale->number += count;
	if (count == 0)
		return;
	double rate = load_fill(&load);
	printf("%-44s %12llu runs     %.0f/s\n", what, (unsigned long long)count, rate);
	fflush(stdout);
}

static void
fill_all(struct scale *scale)
{
	const char *address = scale->server.address;
	uint64_t part = scale->open / 20;
	pid_t worker = load_worker_start(address, scale->shared, false);
	pid_t sleeper = load_worker_start(address, scale->shared, true);
	put_parked(address);
	scale->began_ns = wall_ns();
	fill(scale, "done", LOAD_SHORT, scale->done);
	scale->ended_ns = wall_ns();
	fill(scale, "asleep", LOAD_ASLEEP, part);
	fill(scale, "scheduled", LOAD_LATER, part);
	fill(scale, "queued", LOAD_PARKED, scale->open - 2 * part);
	load_worker_end(worker);
	load_worker_end(sleeper);
}

static void
report_sizes(struct scale *scale)
{
	char path[PROCESS_PATH];
	double runs = (double)(scale->open + scale->done);
	process_path(path, "%s/shard-0000/log", scale->server.data);
	report(scale, "log", (double)process_disk(path) / runs, "B/run", -1);
	process_path(path, "%s/index", scale->server.data);
	report(scale, "index", (double)process_disk(path) / runs, "B/run", -1);
}

/* --------------------------------------------------------------------------------------- starts */

/* Until a worker has a task that was started after the server was ready. */
static double
first_dispatch_s(struct scale *scale)
{
	struct froe_run_options options = {.workflow = "probe"};
	struct froe_started started;
	struct froe_error error;
	atomic_store(&scale->shared->probed, 0);
	pid_t worker = load_worker_start(scale->server.address, scale->shared, false);
	struct froe_client *client = load_connect(scale->server.address, true);
	if (froe_run_start(client, &options, LOAD_CALL_MS, &started, &error) != FROE_OK)
		load_die("probe", &error);
	while (atomic_load(&scale->shared->probed) == 0)
		process_pause(NS_PER_MS / 4);
	froe_client_close(client);
	load_worker_end(worker);
	return (double)(atomic_load(&scale->shared->probed) - scale->server.spawned_ns) / 1e9;
}

/* What the server said of its start. */
static void
report_serving(const struct scale *scale)
{
	char line[1024], last[1024] = "";
	FILE *file = fopen(scale->server.log, "r");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "records_replayed") != NULL)
			snprintf(last, sizeof(last), "%s", line);
	}
	fclose(file);
	printf("  %s", last);
}

static void
start_again(struct scale *scale, const char *what)
{
	char text[96];
	process_end(&scale->server, SIGKILL);
	process_start(&scale->server);
	snprintf(text, sizeof(text), "start after kill -9, %s", what);
	report(scale, text, (double)scale->server.ready_ns / 1e9, "s", START_S_MAX);
	report(scale, "  until the first task", first_dispatch_s(scale), "s", START_S_MAX);
	report_serving(scale);
}

/* Load in a process of its own, which is killed with the server. */
static pid_t
load_beside(struct scale *scale, uint64_t pace_ns)
{
	pid_t pid = fork();
	if (pid < 0)
		process_die("fork");
	if (pid > 0) {
		scale->number += UINT64_C(1) << 32;
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	load_worker_start(scale->server.address, scale->shared, false);
	struct load load = {
	    .address = scale->server.address,
	    .shared = scale->shared,
	    .first = scale->number,
	    .count = UINT64_C(1) << 32,
	    .pace_ns = pace_ns,
	};
	load_fill(&load);
	_exit(0);
}

static void
starts(struct scale *scale)
{
	if (scale->reuse)
		process_start(&scale->server);
	start_again(scale, "idle");
	pid_t load = load_beside(scale, 0);
	process_pause(KILL_AFTER_NS);
	kill(load, SIGKILL);
	start_again(scale, "under load");
	waitpid(load, NULL, 0);
}

/* --------------------------------------------------------------------------------------- memory */

static uint64_t
newest_snapshot(const struct scale *scale)
{
	char path[PROCESS_PATH];
	process_path(path, "%s/shard-0000/ckpt", scale->server.data);
	DIR *dir = opendir(path);
	uint64_t newest = 0;
	struct dirent *entry;
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		uint64_t number = strtoull(entry->d_name, NULL, 16);
		const char *dot = strchr(entry->d_name, '.');
		if (dot != NULL && strcmp(dot, ".snap") == 0 && number > newest)
			newest = number;
	}
	closedir(dir);
	return newest;
}

static void
snapshot_memory(struct scale *scale)
{
	struct peak peak;
	uint64_t live = process_memory(scale->server.pid);
	uint64_t newest = newest_snapshot(scale);
	uint64_t by_ns = process_now_ns() + SNAPSHOT_WAIT_NS;
	double open = (double)(scale->open != 0 ? scale->open : 1);
	report(scale, "memory after the start", (double)live / 1e6, "MB", -1);
	report(scale, "  an open run", (double)live / open, "B", RUN_BYTES_MAX);
	peak_start(&peak, scale->server.pid);
	pid_t load = load_beside(scale, SNAPSHOT_PACE_NS);
	while (newest_snapshot(scale) <= newest && process_now_ns() < by_ns)
		process_pause(10 * NS_PER_MS);
	if (newest_snapshot(scale) <= newest)
		report(scale, "no snapshot was made", 1, "", 0);
	process_pause(NS_PER_S);
	kill(load, SIGKILL);
	waitpid(load, NULL, 0);
	uint64_t most = peak_stop(&peak);
	report(scale, "memory at most, in load with a snapshot", (double)most / 1e6, "MB", -1);
	report(
	    scale, "  of that after the start", (double)most / (double)live, "x", MEMORY_RATIO_MAX);
	process_pause(NS_PER_S);
	report(scale, "memory after it", (double)process_memory(scale->server.pid) / 1e6, "MB", -1);
}

/* ---------------------------------------------------------------------------------------- lists */

static void
report_lists(struct scale *scale)
{
	struct lists_result results[LISTS_MAX];
	struct froe_client *client = load_connect(scale->server.address, true);
	struct lists_span span = lists_span(client, scale->began_ns, scale->ended_ns);
	size_t count = lists_all(client, &span, results);
	printf("%-32s %6s %10s %10s %10s\n", "list of 50 by", "rows", "p50 us", "p99 us", "max us");
	for (size_t i = 0; i < count; i++) {
		bool ok = results[i].p99_us <= LIST_MS_MAX * 1e3;
		printf("%-32s %6zu %10.0f %10.0f %10.0f  %s\n", results[i].name, results[i].rows,
		    results[i].p50_us, results[i].p99_us, results[i].max_us, ok ? "ok" : "MISSED");
		scale->missed = scale->missed || !ok;
	}
	fflush(stdout);
	froe_client_close(client);
}

/* ----------------------------------------------------------------------------------------- main */

static int
remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* What a later --reuse has to know. */
static void
remember(struct scale *scale, bool load)
{
	char path[PROCESS_PATH];
	unsigned long long v[5] = {
	    scale->open, scale->done, scale->number, scale->began_ns, scale->ended_ns};
	process_path(path, "%s/scale", scale->dir);
	FILE *file = fopen(path, load ? "r" : "w");
	if (file == NULL)
		process_die(path);
	if (!load)
		fprintf(file, "%llu %llu %llu %llu %llu\n", v[0], v[1], v[2], v[3], v[4]);
	else if (fscanf(file, "%llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4]) != 5)
		process_die(path);
	fclose(file);
	scale->open = v[0];
	scale->done = v[1];
	scale->number = v[2];
	scale->began_ns = v[3];
	scale->ended_ns = v[4];
}

static void
prepare(struct scale *scale, const char *base)
{
	scale->shared = mmap(NULL, sizeof(*scale->shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (scale->shared == MAP_FAILED)
		process_die("mmap");
	process_path(scale->dir, scale->reuse ? "%s" : "%s/froe-scale-XXXXXX", base);
	if (!scale->reuse && mkdtemp(scale->dir) == NULL)
		process_die(scale->dir);
	process_path(scale->server.data, "%s/data", scale->dir);
	process_path(scale->server.log, "%s/server.log", scale->dir);
	strcpy(scale->server.address, "127.0.0.1:0");
}

static void
run(struct scale *scale)
{
	if (scale->reuse) {
		remember(scale, true);
	} else {
		process_start(&scale->server);
		fill_all(scale);
		remember(scale, false);
	}
	starts(scale);
	report_sizes(scale);
	report_lists(scale);
	start_again(scale, "idle again");
	snapshot_memory(scale);
	start_again(scale, "after a snapshot");
	process_end(&scale->server, SIGTERM);
	remember(scale, false);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", 1, NULL, 'd'}, {"open", 1, NULL, 'o'},
	    {"done", 1, NULL, 'n'}, {"keep", 0, NULL, 'k'}, {"reuse", 0, NULL, 'r'}, {0}};
	struct scale scale = {.open = 50000, .done = 200000};
	const char *base = "/tmp";
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			base = optarg;
		else if (option == 'o')
			scale.open = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			scale.done = strtoull(optarg, NULL, 10);
		else if (option == 'k')
			scale.keep = true;
		else if (option == 'r')
			scale.reuse = true;
		else
			return 2;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: scale FROE [--dir DIR] [--open N] [--done N] [--keep] "
				"[--reuse]\n");
		return 2;
	}
	scale.server.binary = argv[optind];
	prepare(&scale, base);
	run(&scale);
	if (scale.keep || scale.reuse)
		printf("kept: %s\n", scale.dir);
	else
		nftw(scale.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return scale.missed;
}
