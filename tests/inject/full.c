/*
 * tests/inject/full: the disk fills up under a server at work, from many levels.
 *
 *     full OUT [--levels N] [--io io_uring|posix]
 *
 * On an ext4 of 64 MiB, on a loop device, something else takes all but a part of the space: level i
 * of N leaves i/N of 8 MiB. So another thing is the first to find no place each time: a spare
 * segment, a snapshot, the index, a run. Clients start runs until they are refused. The server must
 * go on, refuse by name, answer questions; at every second level it is killed and must start on the
 * full disk. Then the space comes back, and nobody tells the server: within 5 s it takes runs
 * again; all that was under way ends, all that was acknowledged is there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "inject/disk.h"
#include "inject/scene.h"


#define READY_MS 30000
#define DISK_BYTES (64 << 20)
#define LEAVE_BYTES_MAX (8u << 20)
#define LEVELS_MAX 10000u
#define TRIES_MAX 600u
#define PAD 12000u
#define RESUMES_NS (5000 * LEDGER_NS_PER_MS)

struct full {
	const char *out;
	const char *io;
	unsigned levels;
	unsigned passed;
	unsigned failed;
	unsigned refusals;
	unsigned filled; /* levels at which a run was refused */
	uint64_t resumed_ns_max;
	struct disk disk;
	char dir[PROCESS_PATH];
};

struct level {
	struct full *full;
	unsigned number;
	char binary[PROCESS_PATH];
	struct server server;
	struct scene scene;
};

/* Steps for so long; false: the server ended. */
static bool
level_wait(struct level *level, unsigned ms)
{
	uint64_t by_ns = ledger_now_ns() + ms * LEDGER_NS_PER_MS;

	while (ledger_now_ns() < by_ns) {
		if (!scene_step(&level->scene, 5))
			return scene_fail(&level->scene, "the server ended");
	}
	return true;
}

static bool
refused_by_name(struct level *level)
{
	struct scene *scene = &level->scene;

	return scene->refusals == 0 || scene->refusal == FROE_RESOURCE_EXHAUSTED ||
	       scene_fail(scene, "a run is refused with %d", (int)scene->refusal);
}

/* Starts runs until one is refused, or there were enough. */
static bool
level_fill(struct level *level)
{
	struct scene *scene = &level->scene;
	unsigned refusals = scene->refusals;
	unsigned target = scene->count + TRIES_MAX;

	for (unsigned idle = 0; scene->refusals == refusals && scene->count < target; idle++) {
		if (scene->pending < SCENE_INFLIGHT) {
			idle = 0;
			if (!scene_start_run(scene))
				return false;
		}
		if (!scene_step(scene, scene->pending < SCENE_INFLIGHT ? 0 : 5))
			return scene_fail(scene, "the server ended on the full disk");
		/* Nothing is taken, and nothing refused: completions have no place. */
		if (idle > 400)
			break;
	}
	return level_wait(level, 300) && refused_by_name(level);
}

/* It answers, for the first run. */
static bool
level_reads(struct level *level)
{
	struct scene *scene = &level->scene;

	for (unsigned i = 0; i < scene->count; i += 37) {
		if (scene->runs[i].started && !scene_check_run(scene, &scene->runs[i]))
			return false;
	}
	return true;
}

static bool
level_restart(struct level *level)
{
	server_end(&level->server, SIGKILL);
	server_spawn(&level->server, NULL);
	return server_ready(&level->server, READY_MS) ||
	       scene_fail(&level->scene, "a server does not start on the full disk");
}

/* Until a run is taken. */
static bool
level_resumes(struct level *level)
{
	struct scene *scene = &level->scene;
	uint64_t began_ns = ledger_now_ns();

	for (;;) {
		struct scene_run *run = &scene->runs[scene->count];
		if (scene->count + 1 >= SCENE_RUNS_MAX || !scene_start_run(scene))
			return scene_fail(scene, "it takes nothing, though there is space");
		for (unsigned i = 0; i < 20 && !run->started && !run->refused; i++) {
			if (!scene_step(scene, 5))
				return scene_fail(scene, "the server ended");
		}
		uint64_t took_ns = ledger_now_ns() - began_ns;
		if (run->started && took_ns > level->full->resumed_ns_max)
			level->full->resumed_ns_max = took_ns;
		if (run->started)
			return refused_by_name(level);
		if (took_ns > RESUMES_NS)
			return scene_fail(scene, "it takes no runs 5 s after there is space");
		if (!level_wait(level, 20))
			return false;
	}
}

static bool
level_run(struct level *level)
{
	struct full *full = level->full;
	struct scene *scene = &level->scene;
	uint64_t leave = (uint64_t)LEAVE_BYTES_MAX * level->number / full->levels;

	server_spawn(&level->server, NULL);
	if (!server_ready(&level->server, READY_MS) || !scene_open(scene, &level->server) ||
	    !scene_load(scene, 150))
		return scene_fail(scene, "the server does not serve");
	disk_fill(&full->disk, leave);
	if (!level_fill(level) || !level_reads(level))
		return false;
	full->filled += scene->refusals > 0 ? 1 : 0;
	full->refusals += scene->refusals;
	if (level->number % 2 == 1 && !level_restart(level))
		return false;
	if (unlink(full->disk.ballast) != 0)
		process_die(full->disk.ballast);
	return level_resumes(level) && scene_load(scene, 6) && scene_check(scene) &&
	       scene_check_executions(scene);
}

static bool
level_end(struct level *level, bool good)
{
	struct scene *scene = &level->scene;

	scene_close(scene);
	int status = server_end(&level->server, good ? SIGTERM : SIGKILL);
	if (!good)
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return scene_fail(scene, "the server does not stop in order");
	return server_verify(&level->server) == 0 || scene_fail(scene, "log verify finds damage");
}

static void
run_level(struct full *full, unsigned number)
{
	static const char *const options[] = {"--retention", "forever", NULL};
	struct level *level = calloc(1, sizeof(*level));

	if (level == NULL)
		process_die("calloc");
	level->full = full;
	level->number = number;
	level->scene.pad = PAD;
	server_init(&level->server, full->out, full->dir, full->io, level->binary);
	process_path(level->server.data, "%s/data", full->disk.mount);
	level->server.options = options;
	bool good = level_end(level, level_run(level));
	full->passed += good ? 1 : 0;
	full->failed += good ? 0 : 1;
	if (!good) {
		printf("FAILED level %u of %u: %s\n", number, full->levels, level->scene.why);
		process_show(level->server.log, 2500);
	}
	fflush(stdout);
	unlink(full->disk.ballast);
	unlink(level->server.log);
	process_remove_tree(level->server.data);
	free(level);
}

static bool
read_arguments(struct full *full, int argc, char **argv)
{
	if (argc < 2 || argc % 2 != 0)
		return false;
	full->out = argv[1];
	for (int i = 2; i < argc; i += 2) {
		if (strcmp(argv[i], "--levels") == 0)
			full->levels = (unsigned)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--io") == 0)
			full->io = argv[i + 1];
		else
			return false;
	}
	return full->levels > 0 && full->levels <= LEVELS_MAX;
}

int
main(int argc, char **argv)
{
	struct full *full = calloc(1, sizeof(*full));
	const char *base = getenv("TMPDIR");

	if (full == NULL)
		process_die("calloc");
	full->levels = 4;
	if (!read_arguments(full, argc, argv)) {
		fprintf(stderr, "usage: full OUT [--levels N] [--io io_uring|posix]\n");
		return 2;
	}
	process_path(full->dir, "%s/froe-full-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(full->dir) == NULL)
		process_die(full->dir);
	bool there = disk_open(&full->disk, full->dir, "ext4", DISK_BYTES);
	for (unsigned i = 0; there && i < full->levels; i++)
		run_level(full, i);
	if (!there)
		printf("skipping: no ext4 can be made and mounted here\n");
	if (!disk_close(&full->disk))
		full->failed++;
	process_remove_tree(full->dir);
	printf("sum: %u levels, at %u a run was refused (%u runs), "
	       "the slowest took runs %.1f s after there was space\n",
	    full->levels, full->filled, full->refusals, (double)full->resumed_ns_max / 1e9);
	/* A disk that is never full proves nothing. */
	if (there && full->filled == 0)
		full->failed++;
	printf("%u passed, %u failed\n", full->passed, full->failed);
	return full->failed > 0;
}
