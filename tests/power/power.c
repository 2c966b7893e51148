/*
 * tests/power/power: power cuts, on real file systems.
 *
 *     power OUT IMAGES [--fs ext4|xfs] [--seed N]
 *     power --check                says what is missing here, if anything
 *
 * Recordings, each the base of some images:
 *
 *   1. a file system on a loop device on a file whose writes and flushes are recorded
 *      (power/recorder.h); on it a server, which is killed and stopped and started again, under a
 *      load that keeps a ledger with times;
 *   2. an image is the disk as a power cut may leave it: all that was written before the last
 *      flush, and of what came after it either the first part or any subset of its sectors
 *      (power/disk.h). A server is started on it; what had been acknowledged before the cut must
 *      be there (crash/promise.h);
 *   3. of some images that start was recorded too, and is cut in turn, up to three deep.
 *
 * The same with a disk that has lied about its last flushes, and with a server whose syncs were
 * taken away, must fail in more than half of the images: that is the negative control.
 *
 * Prints the seed: it decides the load and, for a recording, the images; not how the machine
 * schedules the processes. An image that fails is kept, as it was before any recovery.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crash/process.h"
#include "crash/promise.h"
#include "power/extents.h"
#include "power/guard.h"
#include "power/place.h"
#include "power/recorder.h"

#include <sys/stat.h>

#define ROUND_IMAGES 100u
#define CONTROL_PER 20u /* one image of each control in so many */
#define CONTROL_MIN 10u
#define LIE_RECORDS 300u /* flushes within so many were lies */
#define WORKERS 2u
#define LOADS 2u
#define WORKER_SLOTS "8"
#define READY_MS 120000
#define LOOK_MS 10
#define DEPTH_MAX 3u
#define EXIT_SKIPPED 77

enum outcome {
	IMAGE_GOOD,
	IMAGE_LOST,	   /* the server started, and something was not there */
	IMAGE_REFUSED,	   /* it did not start */
	IMAGE_UNMOUNTABLE, /* the file system's own recovery failed */
	IMAGE_OUTCOMES,
};

static const char *const outcome_names[IMAGE_OUTCOMES] = {"good", "lost", "refused", "unmountable"};

struct tally {
	unsigned images;
	unsigned prefixes;
	unsigned deep; /* of them, cut in recovery */
	unsigned outcomes[IMAGE_OUTCOMES];
};

enum control {
	CONTROL_NONE,
	CONTROL_LIES,	  /* the disk lies */
	CONTROL_UNSYNCED, /* the server does not sync */
};

struct power {
	const char *out;
	uint64_t seed;
	const struct place_kind *kind;
	char dir[PROCESS_PATH];
	char mount[PROCESS_PATH];
	struct guard guard;
	struct recorder *recorder;
	struct disk *base; /* an empty file system */
	unsigned serial;   /* of disks */
	unsigned passed;
	unsigned failed;
	unsigned kept;
	struct tally tally;
	struct tally controls[CONTROL_UNSYNCED + 1];
	char result[512]; /* of all file systems, for docs/campaigns.md */
};

/* A recording. */
struct round {
	struct power *power;
	unsigned number;
	enum control control;
	char dir[PROCESS_PATH];
	char binary[PROCESS_PATH];
	char unsynced[PROCESS_PATH];
	struct server server;
	struct worker workers[WORKERS];
	struct load loads[LOADS];
	struct disk_tape tape;
	struct disk *disk;
	struct extents extents;
	struct promises promises;
	bool forgetful;
	char name[32]; /* of the disk that is mounted */
};

static uint64_t
dice(struct power *power, uint64_t sides)
{
	return (load_random(&power->seed) >> 16) % sides;
}

static void
pause_ms(uint64_t ms)
{
	struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&span, NULL);
}

static void
expect(struct power *power, bool good, const char *what)
{
	if (good) {
		power->passed++;
	} else {
		power->failed++;
		printf("FAILED %s: %s\n", power->kind->name, what);
	}
	fflush(stdout);
}

/* ------------------------------------------------------------------------------ mount, unmount */

static bool
mount_disk(struct round *round, struct disk *disk)
{
	struct power *power = round->power;
	char path[PROCESS_PATH];

	snprintf(round->name, sizeof(round->name), "disk-%u", ++power->serial);
	recorder_add(power->recorder, round->name, disk);
	process_path(path, "%s/disks/%s", power->dir, round->name);
	if (place_mount(power->kind, path, power->mount))
		return true;
	recorder_remove(power->recorder, round->name);
	return false;
}

static void
unmount_disk(struct round *round)
{
	if (!place_unmount(round->power->mount))
		process_die("unmount");
	recorder_remove(round->power->recorder, round->name);
}

/* ---------------------------------------------------------------------------------- recording */

struct looker {
	struct round *round;
	char dir[PROCESS_PATH];
	atomic_bool stop;
	pthread_t thread;
};

static void *
looker_main(void *context)
{
	struct looker *looker = context;

	while (!atomic_load(&looker->stop)) {
		extents_look(&looker->round->extents, looker->dir);
		pause_ms(LOOK_MS);
	}
	return NULL;
}

static bool
start_server(struct round *round, bool record)
{
	bool unsynced = record && round->control == CONTROL_UNSYNCED;

	if (unsynced)
		setenv("LD_PRELOAD", round->unsynced, 1);
	server_spawn(&round->server, NULL);
	unsetenv("LD_PRELOAD");
	return server_ready(&round->server, READY_MS);
}

static bool
restart_server(struct round *round, int number)
{
	pause_ms(200 + dice(round->power, 300));
	server_end(&round->server, number);
	return start_server(round, true);
}

static void
settle(struct round *round)
{
	for (unsigned i = 0; i < LOADS; i++)
		load_stop(&round->loads[i]);
	for (unsigned i = 0; i < LOADS; i++) {
		load_join(&round->loads[i]);
		if (round->loads[i].failure[0] != 0)
			expect(round->power, false, round->loads[i].failure);
	}
}

/* The life of a server, from a new store to its end. */
static bool
live(struct round *round)
{
	bool good = start_server(round, true);

	for (unsigned i = 0; i < WORKERS && good; i++) {
		worker_init(&round->workers[i], round->power->out, round->dir, i);
		worker_start(&round->workers[i], round->server.address, WORKER_SLOTS);
	}
	for (unsigned i = 0; i < LOADS && good; i++)
		load_start(
		    &round->loads[i], round->server.address, load_random(&round->power->seed));
	if (!good)
		return false;
	good = restart_server(round, SIGKILL) && restart_server(round, SIGTERM);
	pause_ms(200 + dice(round->power, 300));
	if (!good) {
		/* The threads of its loads wait for ever: the process ends soon. */
		process_show(round->server.log, 2000);
		return false;
	}
	settle(round);
	for (unsigned i = 0; i < WORKERS; i++)
		worker_end(&round->workers[i], SIGTERM);
	server_end(&round->server, dice(round->power, 2) == 0 ? SIGTERM : SIGKILL);
	return true;
}

static bool
record(struct round *round)
{
	struct looker looker = {.round = round};
	bool good;

	round->disk = disk_copy(round->power->base);
	round->disk->tape = &round->tape;
	extents_init(&round->extents, round->disk);
	if (!mount_disk(round, round->disk))
		process_die("mount");
	process_path(looker.dir, "%s", round->server.data);
	if (pthread_create(&looker.thread, NULL, looker_main, &looker) != 0)
		process_die("thread");
	good = live(round);
	atomic_store(&looker.stop, true);
	pthread_join(looker.thread, NULL);
	if (!good)
		return false;
	unmount_disk(round);
	promises_gather(&round->promises, round->loads, LOADS, round->workers[0].ledger);
	return true;
}

/* ------------------------------------------------------------------------------------- images */

/* What the server says; a stop in order now and then, and a look at its log. */
static enum outcome
judge(struct round *round, uint64_t until_ns, bool quiet)
{
	struct power *power = round->power;
	struct verdict verdict = {.forgetful = round->forgetful, .quiet = quiet};
	bool all = dice(power, 16) == 0;
	struct promise_look look = {.address = round->server.address,
	    .until_ns = until_ns,
	    .seed = load_random(&power->seed),
	    .newest = all ? SIZE_MAX : 40,
	    .others = 20};
	unsigned faults;
	int status;

	promises_check(&round->promises, &verdict, &look);
	if (dice(power, 8) != 0) {
		server_end(&round->server, SIGKILL);
	} else {
		status = server_end(&round->server, SIGTERM);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			verdict_fault(&verdict, NULL, "the server did not stop in order");
		if (server_verify(&round->server) != 0)
			verdict_fault(&verdict, NULL, "froe log verify");
	}
	faults = verdict.faults;
	verdict_release(&verdict);
	return faults > 0 ? IMAGE_LOST : IMAGE_GOOD;
}

static enum outcome
try_image(struct round *round, struct disk *disk, uint64_t until_ns, bool quiet)
{
	enum outcome outcome = IMAGE_REFUSED;

	if (!mount_disk(round, disk))
		return IMAGE_UNMOUNTABLE;
	unlink(round->server.log);
	strcpy(round->server.address, "127.0.0.1:0");
	if (start_server(round, false)) {
		outcome = judge(round, until_ns, quiet);
	} else {
		server_end(&round->server, SIGKILL);
	}
	if (outcome != IMAGE_GOOD && !quiet)
		process_show(round->server.log, 2000);
	unmount_disk(round);
	return outcome;
}

/* Where the power fails, and what is left of what was under way. */
static struct disk_cut
draw_cut(struct round *round, const struct disk_tape *tape)
{
	static const unsigned keeps[] = {0, 26, 128, 230, 255};
	struct power *power = round->power;
	struct disk_cut cut = {.at = dice(power, tape->count + 1),
	    .prefix = dice(power, 3) == 0,
	    .keep = keeps[dice(power, sizeof(keeps) / sizeof(keeps[0]))],
	    .seed = load_random(&power->seed)};

	/* A subset of as much as there can be: all up to the next flush. */
	while (!cut.prefix && cut.at < tape->count && tape->records[cut.at].data != NULL)
		cut.at++;
	cut.durable = disk_durable(tape, cut.at);
	if (round->control == CONTROL_LIES) {
		cut.prefix = false;
		cut.durable = cut.at > LIE_RECORDS ? cut.at - LIE_RECORDS : 0;
	}
	return cut;
}

/* In recovery nobody looks at extents: those of the cut before hold. */
struct frozen {
	struct extents *extents;
	size_t record;
};

static bool
frozen_fine(void *context, size_t block, size_t record)
{
	const struct frozen *frozen = context;

	(void)record;
	return extents_fine(frozen->extents, block, frozen->record);
}

static void
count_image(struct round *round, enum outcome outcome, bool prefix, unsigned depth,
    const struct disk *built)
{
	struct power *power = round->power;
	bool control = round->control != CONTROL_NONE;
	struct tally *tally = control ? &power->controls[round->control] : &power->tally;
	char path[PROCESS_PATH];

	tally->images++;
	tally->prefixes += prefix ? 1 : 0;
	tally->deep += depth > 1 ? 1 : 0;
	tally->outcomes[outcome]++;
	if (control)
		return;
	power->passed += outcome == IMAGE_GOOD ? 1 : 0;
	power->failed += outcome != IMAGE_GOOD ? 1 : 0;
	if (outcome == IMAGE_GOOD)
		return;
	process_path(path, "%s/image-%u.img", power->dir, tally->images);
	if (disk_save(built, path))
		power->kept++;
	printf("FAILED %s, round %u, image %u, depth %u, a %s: %s; kept: %s\n", power->kind->name,
	    round->number, tally->images, depth, prefix ? "prefix" : "subset",
	    outcome_names[outcome], path);
	fflush(stdout);
}

/* The image, and perhaps a cut in its recovery, and one in that one's. */
static void
image_deep(struct round *round, const struct disk *built, struct frozen frozen, bool prefix,
    uint64_t until_ns, unsigned depth)
{
	struct disk *disk = disk_copy(built);
	struct disk_tape tape = {0};
	bool control = round->control != CONTROL_NONE;
	enum outcome outcome;

	disk->tape = &tape;
	outcome = try_image(round, disk, until_ns, control);
	count_image(round, outcome, prefix, depth, built);
	if (outcome == IMAGE_GOOD && !control && depth < DEPTH_MAX && dice(round->power, 4) == 0) {
		struct disk_cut cut = draw_cut(round, &tape);
		struct disk *next = disk_copy(built);

		cut.fine = frozen_fine;
		cut.context = &frozen;
		disk_apply(next, &tape, &cut);
		image_deep(round, next, frozen, cut.prefix, until_ns, depth + 1);
		disk_free(next);
	}
	disk_free(disk);
	disk_tape_release(&tape);
}

static void
image(struct round *round)
{
	struct disk_cut cut = draw_cut(round, &round->tape);
	struct disk *built = disk_copy(round->power->base);
	struct frozen frozen = {&round->extents, cut.at};
	uint64_t until_ns =
	    cut.at < round->tape.count ? round->tape.records[cut.at].ns : UINT64_MAX;

	cut.fine = extents_fine;
	cut.context = &round->extents;
	disk_apply(built, &round->tape, &cut);
	image_deep(round, built, frozen, cut.prefix, until_ns, 1);
	disk_free(built);
}

/* ------------------------------------------------------------------------------------- rounds */

static struct round *
round_new(struct power *power, unsigned number, enum control control)
{
	static const char *const retention[] = {"--retention", "500ms", NULL};
	struct round *round = calloc(1, sizeof(*round));

	if (round == NULL)
		process_die("memory");
	round->power = power;
	round->number = number;
	round->control = control;
	round->forgetful = control == CONTROL_NONE && number % 3 == 2;
	process_path(round->dir, "%s/round", power->dir);
	if (mkdir(round->dir, 0700) != 0)
		process_die(round->dir);
	process_path(round->unsynced, "%s/tests/power/unsynced.so", power->out);
	server_init(&round->server, power->out, round->dir, number % 2 == 0 ? "posix" : NULL,
	    round->binary);
	process_path(round->server.data, "%s/data", power->mount);
	if (round->forgetful)
		round->server.options = retention;
	return round;
}

static void
round_free(struct round *round)
{
	process_remove_tree(round->dir);
	for (unsigned i = 0; i < LOADS; i++)
		free(round->loads[i].runs);
	promises_release(&round->promises);
	extents_release(&round->extents);
	disk_free(round->disk);
	disk_tape_release(&round->tape);
	free(round);
}

static void
say_round(const struct round *round)
{
	size_t flushes = 0;
	size_t bytes = 0;

	for (size_t i = 0; i < round->tape.count; i++) {
		flushes += round->tape.records[i].data == NULL ? 1 : 0;
		bytes += round->tape.records[i].size;
	}
	printf("%s, recording %u%s: %zu writes, %zu flushes, %zu MiB; %zu promises, %zu events\n",
	    round->power->kind->name, round->number,
	    round->control == CONTROL_UNSYNCED ? " (unsynced)"
	    : round->forgetful		       ? " (retention)"
					       : "",
	    round->tape.count - flushes, flushes, bytes >> 20, round->promises.count,
	    round->promises.ledger.event_count);
	fflush(stdout);
}

/* False: the server did not even live without power cuts. */
static bool
run_round(struct power *power, unsigned number, unsigned images, unsigned lies)
{
	struct round *round = round_new(power, number, CONTROL_NONE);
	unsigned until = power->tally.images + images;

	if (!record(round))
		return false;
	say_round(round);
	while (power->tally.images < until)
		image(round);
	round->control = CONTROL_LIES;
	for (unsigned i = 0; i < lies; i++)
		image(round);
	round_free(round);
	return true;
}

static bool
run_unsynced(struct power *power, unsigned images)
{
	struct round *round = round_new(power, 1, CONTROL_UNSYNCED);

	if (!record(round))
		return false;
	say_round(round);
	for (unsigned i = 0; i < images; i++)
		image(round);
	round_free(round);
	return true;
}

static void
say_tally(const char *name, const struct tally *tally)
{
	printf("%s: %u images (%u prefixes, %u subsets; %u cut in recovery): %u lost, %u refused, "
	       "%u unmountable\n",
	    name, tally->images, tally->prefixes, tally->images - tally->prefixes, tally->deep,
	    tally->outcomes[IMAGE_LOST], tally->outcomes[IMAGE_REFUSED],
	    tally->outcomes[IMAGE_UNMOUNTABLE]);
}

static unsigned
failures(const struct tally *tally)
{
	return tally->images - tally->outcomes[IMAGE_GOOD];
}

static bool
control_fails(const struct tally *tally)
{
	return 2 * failures(tally) > tally->images;
}

static void
add_result(struct power *power)
{
	const struct tally *lies = &power->controls[CONTROL_LIES];
	const struct tally *unsynced = &power->controls[CONTROL_UNSYNCED];
	size_t at = strlen(power->result);

	snprintf(power->result + at, sizeof(power->result) - at,
	    "%s%s: %u images, %u of them cut in recovery, %u lost, %u refused, %u unmountable; "
	    "controls failed: %u of %u lies, %u of %u without syncs",
	    at > 0 ? "; " : "", power->kind->name, power->tally.images, power->tally.deep,
	    power->tally.outcomes[IMAGE_LOST], power->tally.outcomes[IMAGE_REFUSED],
	    power->tally.outcomes[IMAGE_UNMOUNTABLE], failures(lies), lies->images,
	    failures(unsynced), unsynced->images);
}

static void
make_base(struct power *power)
{
	char path[PROCESS_PATH];

	process_path(path, "%s/empty.img", power->dir);
	power->base = disk_new(power->kind->bytes);
	if (!place_make(power->kind, path) || !disk_load(power->base, path))
		process_die("mkfs");
	unlink(path);
}

static void
run_kind(struct power *power, const struct place_kind *kind, unsigned images)
{
	unsigned controls = images / CONTROL_PER < CONTROL_MIN ? CONTROL_MIN : images / CONTROL_PER;
	unsigned rounds = (images + ROUND_IMAGES - 1) / ROUND_IMAGES;
	bool good = true;
	char name[64];

	power->kind = kind;
	memset(&power->tally, 0, sizeof(power->tally));
	memset(power->controls, 0, sizeof(power->controls));
	make_base(power);
	for (unsigned i = 0; i < rounds && good; i++) {
		unsigned left = images - power->tally.images;

		good =
		    left == 0 || run_round(power, i + 1, left < ROUND_IMAGES ? left : ROUND_IMAGES,
				     controls / rounds + (i < controls % rounds));
	}
	good = good && run_unsynced(power, controls);
	expect(power, good, "a server under load, without power cuts");
	disk_free(power->base);
	say_tally(kind->name, &power->tally);
	snprintf(name, sizeof(name), "%s, a disk that lies", kind->name);
	say_tally(name, &power->controls[CONTROL_LIES]);
	snprintf(name, sizeof(name), "%s, a server without syncs", kind->name);
	say_tally(name, &power->controls[CONTROL_UNSYNCED]);
	add_result(power);
	expect(power, control_fails(&power->controls[CONTROL_LIES]), "the lies were not found");
	expect(power, control_fails(&power->controls[CONTROL_UNSYNCED]),
	    "that syncs are missing was not found");
}

/* ---------------------------------------------------------------------------------------- main */

static bool
in_path(const char *program)
{
	static const char *const dirs[] = {"/sbin", "/usr/sbin", "/bin", "/usr/bin"};
	char path[PROCESS_PATH];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		process_path(path, "%s/%s", dirs[i], program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* What this machine lacks; NULL: nothing. */
static const char *
missing(void)
{
	if (geteuid() != 0)
		return "mounting needs root";
	if (access("/dev/fuse", R_OK | W_OK) != 0)
		return "there is no /dev/fuse";
	if (access("/dev/loop-control", R_OK | W_OK) != 0)
		return "there is no /dev/loop-control";
	if (!in_path("mkfs.ext4"))
		return "mkfs.ext4 is not installed (e2fsprogs)";
	if (!in_path("mkfs.xfs"))
		return "mkfs.xfs is not installed (xfsprogs)";
	if (!place_isolate())
		return "a mount namespace of its own is refused";
	return NULL;
}

static void
begin(struct power *power)
{
	const char *base = getenv("TMPDIR");
	char disks[PROCESS_PATH];
	struct stat status;

	process_path(power->dir, "%s/froe-power-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(power->dir) == NULL)
		process_die(power->dir);
	process_path(power->mount, "%s/mount", power->dir);
	process_path(disks, "%s/disks", power->dir);
	if (mkdir(power->mount, 0700) != 0 || mkdir(disks, 0700) != 0)
		process_die(power->dir);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	power->recorder = recorder_open(disks);
	if (power->recorder == NULL || stat(disks, &status) != 0)
		process_die("FUSE");
	guard_watch(&power->guard, status.st_dev);
}

static int
end(struct power *power)
{
	guard_end(&power->guard);
	recorder_close(power->recorder);
	if (power->kept == 0)
		process_remove_tree(power->dir);
	printf("result: %s\n", power->result);
	printf("%u passed, %u failed\n", power->passed, power->failed);
	return power->failed > 0;
}

static bool
number(const char *text, uint64_t *ret_value)
{
	char *rest;

	*ret_value = strtoull(text, &rest, 10);
	return *text != 0 && *rest == 0;
}

static bool
options_read(struct power *power, uint64_t *ret_images, int argc, char **argv)
{
	if (argc < 3 || argc % 2 == 0 || !number(argv[2], ret_images) || *ret_images == 0)
		return false;
	power->out = argv[1];
	for (int i = 3; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--fs") == 0 && strcmp(argv[i + 1], "ext4") == 0)
			power->kind = &place_ext4;
		else if (strcmp(argv[i], "--fs") == 0 && strcmp(argv[i + 1], "xfs") == 0)
			power->kind = &place_xfs;
		else if (strcmp(argv[i], "--seed") != 0 || !number(argv[i + 1], &power->seed))
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct power power = {.seed = ledger_now_ns()};
	const struct place_kind *only;
	const char *why;
	uint64_t images = 0;

	if ((argc != 2 || strcmp(argv[1], "--check") != 0) &&
	    !options_read(&power, &images, argc, argv)) {
		fprintf(stderr, "usage: power OUT IMAGES [--fs ext4|xfs] [--seed N]\n");
		return 2;
	}
	if (images > 0 && !guard_start(&power.guard))
		process_die("fork");
	why = missing();
	if (why != NULL) {
		printf("SKIPPED power cuts: %s\n", why);
		return EXIT_SKIPPED;
	}
	if (images == 0)
		return 0;
	only = power.kind;
	printf("power: %" PRIu64 " images, seed %" PRIu64 "\n", images, power.seed);
	power.seed |= UINT64_C(1) << 63;
	begin(&power);
	if (only != &place_xfs)
		run_kind(&power, &place_ext4, (unsigned)(only != NULL ? images : (images + 1) / 2));
	if (only != &place_ext4 && images > 1)
		run_kind(&power, &place_xfs, (unsigned)(only != NULL ? images : images / 2));
	return end(&power);
}
