/*
 * tests/crash/places: kill -9 at every place that has a name.
 *
 *     places OUT [--io io_uring|posix] [--times N] [--deep N] [--only NAME] [--seed N]
 *
 * For each failpoint (src/base/failpoint.def) a process dies there, the first to the N-th time it
 * comes by: a server under load, one that stops, one that recovers from a torn tail, one whose
 * index was deleted; a backup, a restore, a repair. It must die there, or the place is not what it
 * is said to be. Then the next one does the same to its end: what clients were told is so, runs go
 * on, `froe log verify` finds nothing; half a backup is refused. A start that has a snapshot has an
 * index, too, that need not be made anew.
 *
 * --deep N: so many stores whose tail is torn are started four times: three times the server dies
 * at a random place of the recovery, the fourth one must serve, and know everything.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/failpoint.h"
#include "crash/process.h"
#include "inject/scene.h"


#define READY_MS 30000
#define PAD 12000u
#define LOADS 12u
#define LOAD_RUNS 170u
#define SEGMENT_HEADER 8192

enum stage {
	STAGE_LIVE, /* a new store, under load */
	STAGE_STOP,
	STAGE_JOB,
	STAGE_TAIL, /* a store with a torn tail is started */
	STAGE_INDEX,
	STAGE_BACKUP,
	STAGE_RESTORE,
	STAGE_REPAIR_FRAME,
	STAGE_REPAIR_SEGMENT,
	STAGE_REPAIR_WATERMARK,
};

/* How one gets there. */
static const enum stage stages[FAILPOINTS] = {
    [FAILPOINT_stop_marked] = STAGE_STOP,
    [FAILPOINT_stop_durable] = STAGE_STOP,
    [FAILPOINT_job_step] = STAGE_JOB,
    [FAILPOINT_recovery_tail_copied] = STAGE_TAIL,
    [FAILPOINT_recovery_tail_kept] = STAGE_TAIL,
    [FAILPOINT_recovery_tail_zeroed] = STAGE_TAIL,
    [FAILPOINT_recovery_cut] = STAGE_TAIL,
    [FAILPOINT_index_deleted] = STAGE_INDEX,
    [FAILPOINT_index_rebuild] = STAGE_INDEX,
    [FAILPOINT_index_rebuilt] = STAGE_INDEX,
    [FAILPOINT_backup_directories] = STAGE_BACKUP,
    [FAILPOINT_backup_snapshots] = STAGE_BACKUP,
    [FAILPOINT_backup_segment] = STAGE_BACKUP,
    [FAILPOINT_backup_log] = STAGE_BACKUP,
    [FAILPOINT_backup_slots] = STAGE_BACKUP,
    [FAILPOINT_backup_marked] = STAGE_BACKUP,
    [FAILPOINT_restore_copied] = STAGE_RESTORE,
    [FAILPOINT_repair_watermark] = STAGE_REPAIR_WATERMARK,
    [FAILPOINT_repair_moved] = STAGE_REPAIR_SEGMENT,
    [FAILPOINT_repair_segment] = STAGE_REPAIR_SEGMENT,
    [FAILPOINT_repair_cut] = STAGE_REPAIR_FRAME,
    [FAILPOINT_repair_log] = STAGE_REPAIR_FRAME,
    [FAILPOINT_repair_cold] = STAGE_REPAIR_FRAME,
    [FAILPOINT_repair_noted] = STAGE_REPAIR_FRAME,
};

/* Those that a start passes, in a store that is there. */
static const enum failpoint recovery_points[] = {FAILPOINT_recovery_locked,
    FAILPOINT_recovery_loaded, FAILPOINT_recovery_replayed, FAILPOINT_recovery_tail_copied,
    FAILPOINT_recovery_tail_kept, FAILPOINT_recovery_tail_zeroed, FAILPOINT_recovery_cut,
    FAILPOINT_recovery_manifest, FAILPOINT_recovery_watermark, FAILPOINT_recovery_segments,
    FAILPOINT_recovery_cleaned, FAILPOINT_recovery_key, FAILPOINT_recovery_epoch_submitted,
    FAILPOINT_commit_submitted, FAILPOINT_commit_durable, FAILPOINT_commit_watermark};

struct places {
	const char *out;
	const char *io;
	unsigned times;
	unsigned deep;
	const char *only;
	uint64_t seed;
	char dir[PROCESS_PATH];
	char store[PROCESS_PATH]; /* what a kill has left */
	struct scene *scene;	  /* and what is known of it */
	unsigned passed;
	unsigned failed;
};

struct place {
	struct places *places;
	char dir[PROCESS_PATH];
	char binary[PROCESS_PATH];
	char failpoint[64];
	bool keeps_index; /* nobody has taken it away */
	struct server server;
	struct scene scene;
};

static uint64_t
dice(struct places *places, uint64_t sides)
{
	places->seed ^= places->seed << 13;
	places->seed ^= places->seed >> 7;
	places->seed ^= places->seed << 17;
	return places->seed % sides;
}

/* Runs a command to its end; its wait status. */
static int
run_command(const struct place *place, const char *failpoint, const char *const *argv)
{
	return process_end(process_start(argv, place->server.log, -1, failpoint), 0);
}

static bool
is_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool
is_done(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
place_init(struct place *place, struct places *places, const char *name)
{
	static const char *const options[] = {
	    "--retention", "1s", "--retention-bytes", "1048576", NULL};

	place->places = places;
	process_path(place->dir, "%s/%s", places->dir, name);
	if (mkdir(place->dir, 0700) != 0)
		process_die(place->dir);
	server_init(&place->server, places->out, place->dir, places->io, place->binary);
	place->server.options = options;
	place->scene.server = &place->server;
	place->scene.pad = PAD;
	place->scene.retains = true;
}

/* The store that a kill has left, and what its clients were told. */
static void
place_take_store(struct place *place)
{
	const struct places *places = place->places;
	const char *argv[] = {"/bin/cp", "-a", places->store, place->server.data, NULL};

	if (!is_done(run_command(place, NULL, argv)))
		process_die("cp");
	place->scene = *places->scene;
	place->scene.server = &place->server;
	for (unsigned i = 0; i < place->scene.count; i++)
		place->scene.runs[i].scene = &place->scene;
}

/* ------------------------------------------------------------------------------------- damage */

/* Segment and offset where the log ends. */
static bool
find_end(const struct place *place, unsigned long long *ret_end)
{
	const char *argv[] = {place->binary, "log", "verify", "--data", place->server.data, NULL};
	char path[PROCESS_PATH], line[1024];
	bool found = false;

	process_path(path, "%s/verify", place->dir);
	int status = process_end(process_start(argv, path, -1, NULL), 0);
	FILE *file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *at = strstr(line, "; ends at ");
		found = found || (at != NULL && sscanf(at, "; ends at %llx", ret_end) == 1);
	}
	if (file != NULL)
		fclose(file);
	return found && is_done(status);
}

static bool
write_at(const struct place *place, const char *name, off_t offset, size_t size, int fill)
{
	char path[PROCESS_PATH], bytes[SEGMENT_HEADER];

	process_path(path, "%s/shard-0000/%s", place->server.data, name);
	memset(bytes, fill, sizeof(bytes));
	int fd = open(path, O_WRONLY);
	bool good = fd >= 0 && pwrite(fd, bytes, size, offset) == (ssize_t)size;
	if (fd >= 0)
		close(fd);
	return good;
}

/* A write that was under way: its first sector is there, the others are not. */
static bool
tear_tail(const struct place *place)
{
	unsigned long long end;
	char name[64];

	if (!find_end(place, &end))
		return false;
	snprintf(name, sizeof(name), "log/%016llx.seg", end >> 32);
	return write_at(place, name, (off_t)(end & UINT32_MAX), 300, 'x');
}

/* In the first frame of the newest segment that has one, or in that segment's header. */
static bool
damage_segment(const struct place *place, bool header)
{
	unsigned long long end;
	char name[64];

	if (!find_end(place, &end))
		return false;
	snprintf(name, sizeof(name), "log/%016llx.seg", end >> 32);
	return header ? write_at(place, name, 0, SEGMENT_HEADER, 'x')
		      : write_at(place, name, SEGMENT_HEADER + 200, 700, 'x');
}

/* ----------------------------------------------------------------------------- to its death */

/* The server with its failpoint; false: it died before it was ready. */
static bool
live_start(struct place *place)
{
	server_spawn(&place->server, place->failpoint);
	return server_ready(&place->server, READY_MS) &&
	       (place->scene.client != NULL || scene_open(&place->scene, &place->server));
}

/* Under load, until it dies, or has long had the occasion. */
static void
live_load(struct place *place)
{
	for (unsigned i = 0; i < LOADS && !process_ended(place->server.pid); i++) {
		if (!scene_load(&place->scene, LOAD_RUNS))
			break;
		(void)scene_await_retention(&place->scene, 500);
	}
}

static void
live_remove_index(struct place *place)
{
	char path[PROCESS_PATH];

	if (!scene_load(&place->scene, 30))
		return;
	process_path(path, "%s/index", place->server.data);
	process_remove_tree(path);
	live_load(place);
}

static void
live_job(struct place *place)
{
	const char *argv[] = {place->binary, "runs", "cancel", "--workflow", "later", "--address",
	    place->server.address, NULL};

	place->scene.cancels = true;
	if (!scene_load(&place->scene, 60))
		return;
	/* It waits for the job's end, which does not come. */
	pid_t command = process_start(argv, place->server.log, -1, NULL);
	while (!process_ended(command) && scene_step(&place->scene, 5))
		;
	process_end(command, SIGKILL);
}

static bool
live_die(struct place *place, enum stage stage)
{
	if (live_start(place)) {
		if (stage == STAGE_JOB)
			live_job(place);
		else if (stage == STAGE_INDEX)
			live_remove_index(place);
		else if (stage == STAGE_STOP)
			(void)(scene_load(&place->scene, 20) &&
			       kill(place->server.pid, SIGTERM) == 0);
		else
			live_load(place);
	}
	uint64_t by_ns = ledger_now_ns() + 2000 * LEDGER_NS_PER_MS;
	while (!process_ended(place->server.pid) && ledger_now_ns() < by_ns)
		poll(NULL, 0, 2);
	bool died = process_ended(place->server.pid);
	int status = server_end(&place->server, died ? 0 : SIGKILL);
	return died && is_killed(status);
}

/* A start with a snapshot has an index to go on with: what the snapshot has in it, it has too. */
static bool
index_goes_on(const struct place *place, long from)
{
	FILE *file = fopen(place->server.log, "r");
	char line[2048];
	bool anew = false, snapshot = false;

	if (file == NULL || fseek(file, from, SEEK_SET) != 0)
		process_die(place->server.log);
	while (fgets(line, sizeof(line), file) != NULL) {
		anew = anew || strstr(line, "the index is made anew") != NULL;
		snapshot = snapshot || (strstr(line, " snapshot=") != NULL &&
					   strstr(line, " snapshot=0 ") == NULL);
	}
	fclose(file);
	return !anew || !snapshot;
}

static long
log_size(const struct place *place)
{
	struct stat now;

	return stat(place->server.log, &now) == 0 ? (long)now.st_size : 0;
}

/* The next one serves, and knows everything. */
static bool
live_after(struct place *place)
{
	struct scene *scene = &place->scene;
	long said = log_size(place);

	server_spawn(&place->server, NULL);
	if (!server_ready(&place->server, READY_MS)) {
		server_end(&place->server, SIGKILL);
		return scene_fail(scene, "the next server does not start");
	}
	bool good = scene->open;
	if (!good) {
		scene_close(scene);
		good = scene_open(scene, &place->server);
	}
	good = good && scene_load(scene, 6) && scene_check(scene) && scene_check_executions(scene);
	scene_close(scene);
	if (good && place->keeps_index && !index_goes_on(place, said))
		good = scene_fail(scene, "the index lacked what is in the snapshot");
	if (!is_done(server_end(&place->server, SIGTERM)))
		good = scene_fail(scene, "the next server does not stop in order");
	return good &&
	       (server_verify(&place->server) == 0 || scene_fail(scene, "log verify finds damage"));
}

/* ----------------------------------------------------------------------------------- commands */

static bool
custody_backup(struct place *place)
{
	char half[PROCESS_PATH], whole[PROCESS_PATH], data[PROCESS_PATH];
	const char *make_half[] = {
	    place->binary, "backup", "--data", place->server.data, half, NULL};
	const char *check_half[] = {place->binary, "restore", "--from", half, "--check", NULL};
	const char *make[] = {place->binary, "backup", "--data", place->server.data, whole, NULL};
	const char *restore[] = {place->binary, "restore", "--from", whole, "--data", data, NULL};
	bool backup = stages[FAILPOINT_backup_log] == STAGE_BACKUP &&
		      strncmp(place->failpoint, "backup", 6) == 0;

	process_path(half, "%s/half", place->dir);
	process_path(whole, "%s/whole", place->dir);
	process_path(data, "%s/restored", place->dir);
	if (backup && !is_killed(run_command(place, place->failpoint, make_half)))
		return scene_fail(&place->scene, "the backup did not die there");
	if (backup && is_done(run_command(place, NULL, check_half)))
		return scene_fail(&place->scene, "half a backup passes for a whole one");
	if (!is_done(run_command(place, NULL, make)))
		return scene_fail(&place->scene, "the next backup fails");
	if (!backup && !is_killed(run_command(place, place->failpoint, restore)))
		return scene_fail(&place->scene, "the restore did not die there");
	if (!backup)
		process_path(data, "%s/restored-again", place->dir);
	if (!is_done(run_command(place, NULL, restore)))
		return scene_fail(&place->scene, "the backup cannot be restored");
	/* It goes on where the backup was made. */
	server_end(&place->server, SIGKILL);
	process_path(place->server.data, "%s", data);
	return true;
}

static bool
custody_run(struct place *place)
{
	server_spawn(&place->server, NULL);
	if (server_ready(&place->server, READY_MS) && scene_open(&place->scene, &place->server) &&
	    scene_load(&place->scene, LOAD_RUNS) && custody_backup(place))
		return live_after(place);
	if (place->server.pid != 0)
		server_end(&place->server, SIGKILL);
	return scene_fail(&place->scene, "there is no server to back up");
}

/* What was lost with the damage is lost: nothing of it is asked for. */
static bool
repair_run(struct place *place, enum stage stage)
{
	const char *argv[] = {
	    place->binary, "log", "repair", "--accept-loss", "--data", place->server.data, NULL};
	struct scene *scene = &place->scene;

	place_take_store(place);
	bool damaged = stage == STAGE_REPAIR_WATERMARK
			   ? write_at(place, "WATERMARK", 0, SEGMENT_HEADER, 'x')
			   : damage_segment(place, stage == STAGE_REPAIR_SEGMENT);
	if (!damaged)
		return scene_fail(scene, "the store cannot be damaged");
	scene->count = 0;
	if (!is_killed(run_command(place, place->failpoint, argv)))
		return scene_fail(scene, "the repair did not die there");
	if (!is_done(run_command(place, NULL, argv)))
		return scene_fail(scene, "the next repair fails");
	return live_after(place);
}

/* ------------------------------------------------------------------------------------ the tests */

static void
place_judge(struct place *place, bool good)
{
	struct places *places = place->places;

	scene_close(&place->scene);
	places->passed += good ? 1 : 0;
	places->failed += good ? 0 : 1;
	if (good) {
		process_remove_tree(place->dir);
		return;
	}
	printf("FAILED %s: %s; kept: %s\n", place->failpoint, place->scene.why, place->dir);
	process_show(place->server.log, 2000);
	fflush(stdout);
}

/* False: it was not reached so often. */
static bool
run_place(struct places *places, enum failpoint point, unsigned nth)
{
	struct place *place = calloc(1, sizeof(*place));
	enum stage stage = stages[point];
	bool reached = true, good;
	char name[64];

	if (place == NULL)
		process_die("calloc");
	snprintf(name, sizeof(name), "%s-%u", failpoint_name(point), nth);
	place_init(place, places, name);
	snprintf(place->failpoint, sizeof(place->failpoint), "%s:%u", failpoint_name(point), nth);
	if (stage == STAGE_BACKUP || stage == STAGE_RESTORE) {
		good = custody_run(place);
	} else if (stage >= STAGE_REPAIR_FRAME) {
		good = repair_run(place, stage);
	} else {
		place->keeps_index = stage != STAGE_INDEX;
		if (stage == STAGE_TAIL)
			place_take_store(place);
		good = stage != STAGE_TAIL || tear_tail(place);
		reached = good && live_die(place, stage);
		good = reached ? live_after(place)
			       : nth > 1 || scene_fail(&place->scene, "nothing died there");
	}
	place_judge(place, good);
	free(place);
	return reached && good;
}

/* Commands come by most places once. */
static void
run_places(struct places *places)
{
	for (unsigned i = 0; i < FAILPOINTS; i++) {
		enum failpoint point = (enum failpoint)i;
		unsigned times =
		    stages[i] >= STAGE_BACKUP || stages[i] == STAGE_STOP ? 1 : places->times;
		if (places->only != NULL && strcmp(places->only, failpoint_name(point)) != 0)
			continue;
		for (unsigned n = 1; n <= times && run_place(places, point, n); n++)
			;
	}
	printf("sum: %u places\n", (unsigned)FAILPOINTS);
	fflush(stdout);
}

static bool
deep_run(struct place *place)
{
	place_take_store(place);
	place->keeps_index = true;
	if (!tear_tail(place))
		return scene_fail(&place->scene, "the tail cannot be torn");
	for (unsigned depth = 0; depth < 3; depth++) {
		size_t which = (size_t)dice(
		    place->places, sizeof(recovery_points) / sizeof(recovery_points[0]));
		char failpoint[64];
		snprintf(failpoint, sizeof(failpoint), "%s:%u",
		    failpoint_name(recovery_points[which]), 1 + (unsigned)dice(place->places, 2));
		strncat(place->failpoint, depth == 0 ? "" : " ",
		    sizeof(place->failpoint) - strlen(place->failpoint) - 1);
		strncat(place->failpoint, failpoint,
		    sizeof(place->failpoint) - strlen(place->failpoint) - 1);
		server_spawn(&place->server, failpoint);
		(void)server_ready(&place->server, READY_MS);
		if (!is_killed(server_end(&place->server, SIGKILL)))
			return scene_fail(&place->scene, "a start failed by itself");
	}
	return live_after(place);
}

static void
run_deep(struct places *places)
{
	for (unsigned i = 0; i < places->deep; i++) {
		struct place *place = calloc(1, sizeof(*place));
		char name[32];
		if (place == NULL)
			process_die("calloc");
		snprintf(name, sizeof(name), "deep-%u", i);
		place_init(place, places, name);
		place_judge(place, deep_run(place));
		free(place);
	}
	printf("sum: %u recoveries, killed three deep\n", places->deep);
	fflush(stdout);
}

/* Snapshots, a cold file, open runs, and nobody who stopped it in order. */
static bool
make_store(struct places *places)
{
	struct place *place = calloc(1, sizeof(*place));

	if (place == NULL)
		process_die("calloc");
	place_init(place, places, "store");
	server_spawn(&place->server, NULL);
	bool good = server_ready(&place->server, READY_MS) &&
		    scene_open(&place->scene, &place->server) && scene_load(&place->scene, 220) &&
		    scene_await_retention(&place->scene, 20000) && scene_load(&place->scene, 30);
	scene_close(&place->scene);
	server_end(&place->server, SIGKILL);
	process_path(places->store, "%s", place->server.data);
	places->scene = &place->scene;
	if (!good) {
		printf("FAILED no store to begin with: %s\n", place->scene.why);
		process_show(place->server.log, 2000);
	}
	return good;
}

static bool
read_arguments(struct places *places, int argc, char **argv)
{
	if (argc < 2 || argc % 2 != 0)
		return false;
	places->out = argv[1];
	for (int i = 2; i < argc; i += 2) {
		if (strcmp(argv[i], "--io") == 0)
			places->io = argv[i + 1];
		else if (strcmp(argv[i], "--times") == 0)
			places->times = (unsigned)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--deep") == 0)
			places->deep = (unsigned)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--only") == 0)
			places->only = argv[i + 1];
		else if (strcmp(argv[i], "--seed") == 0)
			places->seed = strtoull(argv[i + 1], NULL, 10);
		else
			return false;
	}
	return places->seed != 0;
}

int
main(int argc, char **argv)
{
	struct places places = {.times = 1, .deep = 5, .seed = (uint64_t)time(NULL)};
	const char *base = getenv("TMPDIR");

	if (!read_arguments(&places, argc, argv)) {
		fprintf(stderr, "usage: places OUT [--io io_uring|posix] [--times N] [--deep N] "
				"[--only NAME] [--seed N]\n");
		return 2;
	}
	printf("seed %" PRIu64 "\n", places.seed);
	fflush(stdout);
	process_path(places.dir, "%s/froe-places-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(places.dir) == NULL)
		process_die(places.dir);
	if (make_store(&places)) {
		run_places(&places);
		run_deep(&places);
	} else {
		places.failed++;
	}
	if (places.failed == 0)
		process_remove_tree(places.dir);
	printf("%u passed, %u failed\n", places.passed, places.failed);
	return places.failed > 0 || places.passed == 0;
}
