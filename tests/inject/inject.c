/*
 * tests/inject: each system call, and each allocation, of a server's life fails in turn.
 *
 *     inject OUT [--io io_uring|posix] [--mode MODE] [--cases N] [--from N] [--to N] [--jobs N]
 *
 * A case is a mode of failure (tests/inject/seam/seam.c) and a number N: the server whose N-th call
 * that can fail so does. Its life has two scenes:
 *
 *   fresh   makes a store, takes 1 000 events, makes snapshots, gives up segments, stops;
 *           events more; stops in order.
 *
 * Whatever the failure does, the server goes on, or ends with a status of docs/cli.md and a message
 * that names the file; never by a signal. Then a server whose calls do not fail must start, know
 * all that was acknowledged, end all that is open, stop in order; `froe log verify` must agree.
 *
 * How many calls there are is counted first. --cases N: so many of each mode and scene, evenly
 * spread (0: all of them). The same N is not the same call each time: threads take turns.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "inject/scene.h"


#define READY_MS 30000
#define STOP_NS (30000 * LEDGER_NS_PER_MS)
#define FRESH_RUNS 210u
#define AGAIN_RUNS 25u
#define PAD 12000u
#define RETENTION_MS 1500
#define MARGIN 20u /* more cases than calls were counted: there are not always as many */

enum scenery {
	SCENE_FRESH,
	SCENE_AGAIN,
};
static const char *const scenery_names[] = {"fresh", "again"};

static const char *const mode_names[] = {"eio", "eio+", "enospc", "enospc+", "emfile", "eintr",
    "short", "net", "alloc", "ring", "ring+", "ringshort"};
#define MODES (sizeof(mode_names) / sizeof(mode_names[0]))

/* What came of a mode's cases in a scene. */
struct tally {
	unsigned cases;
	unsigned reached;
	unsigned went_on; /* the server stopped in order */
	unsigned ended;	  /* it ended, and said why */
	unsigned failed;
};

struct inject {
	const char *out;
	const char *io;
	const char *mode; /* NULL: all */
	unsigned long cases, from, to, jobs;
	char dir[PROCESS_PATH];
	char seed[PROCESS_PATH]; /* the store of SCENE_AGAIN */
};

struct casus {
	const struct inject *inject;
	const char *mode;
	enum scenery scenery;
	unsigned long n;
	char dir[PROCESS_PATH];
	char report[PROCESS_PATH];
	char binary[PROCESS_PATH];
	struct server server;
	struct scene scene;
	bool hit;
	char call[64];		    /* the first that failed */
	char subject[PROCESS_PATH]; /* its file; "": none */
	unsigned long all;	    /* calls that could fail so, of a server that ended in order */
	int status;
	bool went_on;
};

static void
copy_tree(const char *from, const char *to)
{
	const char *argv[] = {"/bin/cp", "-a", from, to, NULL};
	int status = process_end(process_start(argv, "/dev/null", -1, NULL), 0);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		process_die("cp");
}

/* ------------------------------------------------------------------------------------ servers */

static const char *const options[] = {
    "--retention", "1s", "--retention-bytes", "1048576", "--cache-bytes", "65536", NULL};
static const char *const options_after[] = {"--retention", "forever", NULL};

/* One whose calls fail, or not. */
static bool
case_spawn(struct casus *casus, bool fails)
{
	char setting[64];

	snprintf(setting, sizeof(setting), "%s:%lu", casus->mode, casus->n);
	process_path(
	    casus->binary, "%s/%s", casus->inject->out, fails ? "tests/inject/froe" : "froe");
	casus->server.options = fails ? options : options_after;
	if (fails) {
		setenv("FROE_INJECT", setting, 1);
		setenv("FROE_INJECT_REPORT", casus->report, 1);
	} else {
		unsetenv("FROE_INJECT");
		unsetenv("FROE_INJECT_REPORT");
	}
	server_spawn(&casus->server, NULL);
	return server_ready(&casus->server, READY_MS);
}

/* Waits for the end; true: it came in time. */
static bool
case_await_end(struct casus *casus, int number)
{
	uint64_t by_ns = ledger_now_ns() + STOP_NS;
	struct timespec span = {0, 1000000};

	if (number != 0)
		kill(casus->server.pid, number);
	while (!process_ended(casus->server.pid) && ledger_now_ns() < by_ns)
		nanosleep(&span, NULL);
	bool ended = process_ended(casus->server.pid);
	casus->status = server_end(&casus->server, ended ? 0 : SIGKILL);
	return ended;
}

/* ------------------------------------------------------------------------------------ its word */

static void
case_read_report(struct casus *casus)
{
	char line[PROCESS_PATH + 128], mode[32];
	FILE *file = fopen(casus->report, "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "all %31s %lu", mode, &casus->all) == 2)
			continue;
		if (casus->hit)
			continue;
		casus->hit =
		    sscanf(line, "failed %31s %63s %1023s", mode, casus->call, casus->subject) >= 2;
	}
	if (file != NULL)
		fclose(file);
}

/* Does what the server has said hold this? */
static bool
case_said(const struct casus *casus, const char *text)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen(casus->server.log, "r");

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, text) != NULL;
	if (file != NULL)
		fclose(file);
	return found;
}

/* The name of the file at fault: of one that is still to get its name, that one. False: there is
 * none, or others have failed since. */
static bool
case_file(const struct casus *casus, char to[PROCESS_PATH])
{
	const char *slash = strrchr(casus->subject, '/');

	if (slash == NULL || strchr(casus->mode, '+') != NULL)
		return false;
	process_path(to, "%s", slash + 1);
	char *end = strstr(to, ".new");
	if (end != NULL)
		*end = 0;
	return true;
}

/* What is short or was interrupted is to be gone on with. LMDB does not: it takes the one for a
 * full disk, and the other does not happen to it. */
static bool
case_is_harmless(const struct casus *casus)
{
	bool part = strstr(casus->mode, "short") != NULL || strcmp(casus->mode, "eintr") == 0;

	return part && strstr(casus->subject, "/index/") == NULL;
}

/* It ended by itself: with a status that is documented, and it said why. */
static bool
case_judge_end(struct casus *casus)
{
	char file[PROCESS_PATH], dir[PROCESS_PATH] = "\n\n";
	int status = WIFEXITED(casus->status) ? WEXITSTATUS(casus->status) : -1;

	if (status < 0)
		return scene_fail(
		    &casus->scene, "the server was ended by signal %d", WTERMSIG(casus->status));
	if (status != 1 && status != 69 && status != 70 && status != 74 && status != 75)
		return scene_fail(&casus->scene, "the server ended with status %d", status);
	if (!casus->hit)
		return scene_fail(&casus->scene, "the server ended, and nothing had failed");
	if (case_is_harmless(casus))
		return scene_fail(&casus->scene, "the server ended over what is no failure");
	if (strcmp(casus->mode, "alloc") == 0 && status == 70 && !case_said(casus, "out of memory"))
		return scene_fail(&casus->scene, "status 70, and not a word of memory");
	if (status == 70 && strcmp(casus->mode, "alloc") != 0)
		return scene_fail(&casus->scene, "the server takes it for a fault of its own");
	/* Where there is no space is said of the folder. */
	if (strrchr(casus->subject, '/') != NULL && strncmp(casus->mode, "enospc", 6) == 0)
		process_path(dir, "%.*s: no space",
		    (int)(strrchr(casus->subject, '/') - casus->subject), casus->subject);
	if (case_file(casus, file) && !case_said(casus, file) && !case_said(casus, dir) &&
	    !case_said(casus, "/index"))
		return scene_fail(&casus->scene, "the server ended and does not name %s", file);
	return true;
}

/* ------------------------------------------------------------------------------------ the life */

/* Up to its end, which may come at any time. The client stays. */
static bool
case_live(struct casus *casus)
{
	struct scene *scene = &casus->scene;
	bool fresh = casus->scenery == SCENE_FRESH;

	scene->pad = PAD;
	scene->retains = true;
	/* A disk that stays full, or broken, keeps the server from ending what is under way. */
	scene->may_fail = strchr(casus->mode, '+') != NULL;
	scene->may_stall = scene->may_fail;
	bool ready = case_spawn(casus, /* fails= */ true);
	if (ready && scene_open(scene, &casus->server) &&
	    scene_load(scene, fresh ? FRESH_RUNS : AGAIN_RUNS) && fresh)
		(void)scene_await_retention(scene, RETENTION_MS);
	if (scene->why[0] != 0)
		case_await_end(casus, SIGKILL);
	else if (!case_await_end(casus, ready ? SIGTERM : 0))
		scene_fail(scene, ready ? "the server does not stop" : "it is not ready, nor ends");
	case_read_report(casus);
	casus->went_on = WIFEXITED(casus->status) && WEXITSTATUS(casus->status) == 0;
	return scene->why[0] == 0 && (casus->went_on || case_judge_end(casus));
}

/* Whatever it left: a server whose calls do not fail. */
static bool
case_after(struct casus *casus)
{
	struct scene *scene = &casus->scene;
	bool good = case_spawn(casus, /* fails= */ false);

	scene->may_stall = false;
	if (!good)
		return scene_fail(scene, "the store does not open afterwards");
	/* One that ended while the worker registered has left it half open. */
	if (scene->worker == NULL || !scene->open) {
		scene_close(scene);
		good = scene_open(scene, &casus->server);
	}
	good = good && scene_load(scene, 6) && scene_check(scene) && scene_check_executions(scene);
	scene_close(scene);
	if (!case_await_end(casus, SIGTERM) || !WIFEXITED(casus->status) ||
	    WEXITSTATUS(casus->status) != 0)
		good = scene_fail(scene, "the server after it does not stop in order");
	return good && (server_verify(&casus->server) == 0 ||
			   scene_fail(scene, "froe log verify finds something"));
}

static void
case_init(struct casus *casus, const struct inject *inject, const char *mode, enum scenery scenery,
    unsigned long n)
{
	casus->inject = inject;
	casus->mode = mode;
	casus->scenery = scenery;
	casus->n = n;
	process_path(casus->dir, "%s/case-%s-%s-%lu", inject->dir, scenery_names[scenery], mode, n);
	process_path(casus->report, "%s/report", casus->dir);
	if (mkdir(casus->dir, 0700) != 0)
		process_die(casus->dir);
	server_init(&casus->server, inject->out, casus->dir, inject->io, casus->binary);
	if (scenery == SCENE_AGAIN)
		copy_tree(inject->seed, casus->server.data);
}

static bool
case_run(struct casus *casus, struct tally *tally)
{
	bool good = case_live(casus) && case_after(casus);

	scene_close(&casus->scene);
	tally->cases++;
	tally->reached += casus->hit ? 1 : 0;
	tally->went_on += casus->hit && casus->went_on ? 1 : 0;
	tally->ended += casus->hit && !casus->went_on ? 1 : 0;
	tally->failed += good ? 0 : 1;
	if (good) {
		process_remove_tree(casus->dir);
		return true;
	}
	printf("FAILED %s %s:%lu (%s %s): %s; kept: %s\n", scenery_names[casus->scenery],
	    casus->mode, casus->n, casus->call, casus->subject, casus->scene.why, casus->dir);
	process_show(casus->server.log, 1500);
	fflush(stdout);
	return false;
}

/* ------------------------------------------------------------------------------------- a mode */

/* A case in which nothing fails tells how many calls there are. */
static unsigned long
count_calls(const struct inject *inject, const char *mode, enum scenery scenery)
{
	struct casus *casus = calloc(1, sizeof(*casus));
	struct tally tally = {0};

	if (casus == NULL)
		process_die("calloc");
	case_init(casus, inject, mode, scenery, 0);
	bool good = case_run(casus, &tally);
	unsigned long all = casus->all;
	free(casus);
	if (!good || !all)
		printf("FAILED %s %s: without a failure it fails\n", scenery_names[scenery], mode);
	return good ? all : 0;
}

/* Every jobs-th case, from the first-th on, in a process of its own. */
static void
run_share(const struct inject *inject, const char *mode, enum scenery scenery, unsigned long all,
    unsigned long first, int out)
{
	struct tally tally = {0};
	unsigned long from = inject->from > 0 ? inject->from : 1;
	unsigned long to = inject->to > 0 ? inject->to : all + MARGIN;
	unsigned long cases =
	    inject->cases > 0 && inject->cases < to - from + 1 ? inject->cases : to - from + 1;

	for (unsigned long i = first; i < cases; i += inject->jobs) {
		struct casus *casus = calloc(1, sizeof(*casus));
		if (casus == NULL)
			process_die("calloc");
		/* In the middle of its share. */
		unsigned long n = from + (2 * i + 1) * (to - from + 1) / (2 * cases);
		case_init(casus, inject, mode, scenery, n);
		case_run(casus, &tally);
		free(casus);
	}
	if (write(out, &tally, sizeof(tally)) != (ssize_t)sizeof(tally))
		process_die("a pipe");
}

static void
tally_add(struct tally *all, const struct tally *one)
{
	all->cases += one->cases;
	all->reached += one->reached;
	all->went_on += one->went_on;
	all->ended += one->ended;
	all->failed += one->failed;
}

static struct tally
run_mode(const struct inject *inject, const char *mode, enum scenery scenery, unsigned long all)
{
	struct tally sum = {0}, one;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		process_die("pipe");
	fflush(stdout);
	for (unsigned long i = 0; i < inject->jobs; i++) {
		pid_t pid = fork();
		if (pid < 0)
			process_die("fork");
		if (pid == 0) {
			run_share(inject, mode, scenery, all, i, ends[1]);
			exit(0);
		}
	}
	close(ends[1]);
	unsigned long told = 0;
	while (read(ends[0], &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		tally_add(&sum, &one);
		told++;
	}
	close(ends[0]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	sum.failed += (unsigned)(inject->jobs - told); /* a share that died */
	return sum;
}

/* The store of SCENE_AGAIN: what a kill leaves. */
static bool
make_seed(struct inject *inject)
{
	struct casus *casus = calloc(1, sizeof(*casus));

	if (casus == NULL)
		process_die("calloc");
	case_init(casus, inject, "eio", SCENE_FRESH, 0);
	casus->scene.pad = PAD;
	bool good = case_spawn(casus, /* fails= */ true) &&
		    scene_open(&casus->scene, &casus->server) &&
		    scene_load(&casus->scene, FRESH_RUNS) &&
		    scene_await_retention(&casus->scene, 20000) && scene_load(&casus->scene, 20);
	scene_close(&casus->scene);
	server_end(&casus->server, SIGKILL);
	process_path(inject->seed, "%s/seed", inject->dir);
	if (rename(casus->server.data, inject->seed) != 0)
		process_die(inject->seed);
	if (!good) {
		printf("FAILED no store to start again from: %s\n", casus->scene.why);
		process_show(casus->server.log, 2000);
	}
	process_remove_tree(casus->dir);
	free(casus);
	return good;
}

static struct tally
run_all(struct inject *inject)
{
	struct tally sum = {0};

	for (size_t m = 0; m < MODES; m++) {
		if (inject->mode != NULL && strcmp(inject->mode, mode_names[m]) != 0)
			continue;
		for (enum scenery s = SCENE_FRESH; s <= SCENE_AGAIN; s++) {
			bool ring = strncmp(mode_names[m], "ring", 4) == 0;
			if (ring && inject->io != NULL && strcmp(inject->io, "posix") == 0)
				continue;
			uint64_t began_ns = ledger_now_ns();
			unsigned long all = count_calls(inject, mode_names[m], s);
			if (all == 0) {
				sum.failed++;
				continue;
			}
			struct tally one = run_mode(inject, mode_names[m], s, all);
			printf(
			    "%-6s %-9s %5lu calls: %5u cases, %5u reached: %5u went on, %5u ended "
			    "and said why; %u failed, %" PRIu64 " s\n",
			    scenery_names[s], mode_names[m], all, one.cases, one.reached,
			    one.went_on, one.ended, one.failed,
			    (ledger_now_ns() - began_ns) / (1000 * LEDGER_NS_PER_MS));
			fflush(stdout);
			tally_add(&sum, &one);
		}
	}
	return sum;
}

static bool
read_arguments(struct inject *inject, int argc, char **argv)
{
	if (argc < 2 || argc % 2 != 0)
		return false;
	inject->out = argv[1];
	for (int i = 2; i < argc; i += 2) {
		unsigned long number = strtoul(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--io") == 0)
			inject->io = argv[i + 1];
		else if (strcmp(argv[i], "--mode") == 0)
			inject->mode = argv[i + 1];
		else if (strcmp(argv[i], "--cases") == 0)
			inject->cases = number;
		else if (strcmp(argv[i], "--from") == 0)
			inject->from = number;
		else if (strcmp(argv[i], "--to") == 0)
			inject->to = number;
		else if (strcmp(argv[i], "--jobs") == 0)
			inject->jobs = number;
		else
			return false;
	}
	return inject->jobs > 0 && inject->to + 1 > inject->from;
}

int
main(int argc, char **argv)
{
	struct inject inject = {.jobs = 2};
	const char *base = getenv("TMPDIR");

	if (!read_arguments(&inject, argc, argv)) {
		fprintf(stderr, "usage: inject OUT [--io io_uring|posix] [--mode MODE] [--cases N] "
				"[--from N] [--to N] [--jobs N]\n");
		return 2;
	}
	process_path(inject.dir, "%s/froe-inject-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(inject.dir) == NULL)
		process_die(inject.dir);
	struct tally sum = {.failed = 1};
	if (make_seed(&inject))
		sum = run_all(&inject);
	if (sum.failed == 0)
		process_remove_tree(inject.dir);
	printf("sum: %u cases, %u reached: %u servers went on, %u ended and said why\n", sum.cases,
	    sum.reached, sum.went_on, sum.ended);
	printf("%u passed, %u failed\n", sum.cases - (sum.cases < sum.failed ? 0 : sum.failed),
	    sum.failed);
	return sum.failed > 0 || sum.cases == 0;
}
