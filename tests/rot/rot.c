/*
 * tests/rot/rot: rot in every region of every file of a store.
 *
 *     rot OUT CASES [--seed N] [--case N]
 *
 * Two stores are made by a server under load, with snapshots, runs that wait, an index: one that
 * keeps everything and is stopped in order, one with retention and cold files that is killed. Each
 * case takes one of them, damages one thing (rot/damage.h), and then
 *
 *   * opens it with the server's recovery code, in a process of its own, and reads every record
 *     (rot/reading.h): it is refused, with a typed error that names the file; or all is as it
 *     was; or it opens, and the reading is refused like that. What is left of a killed store's
 *     last frames, of whose durability nobody had told yet, may be gone;
 *   * one in eight, and all that recovery does not read: starts a real server on it and asks it for
 *     everything that was acknowledged (crash/promise.h): it does not start, exit 65; or
 *     nothing is missing, or what is missing is said to be damaged. An index is made anew; and of
 *     every other log that is damaged, the index was lost, too.
 *
 * --case N does that case alone, of stores made anew. A case that fails keeps its damaged store.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crash/process.h"
#include "crash/promise.h"
#include "rot/damage.h"
#include "rot/reading.h"
#include "server/dump.h"

#include <sys/stat.h>

#define WORKERS 2u
#define LOADS 2u
#define WORKER_SLOTS "8"
#define READY_MS 60000
#define RIPE_MS 60000
#define PARKED 40u
#define PARKED_MS (3600u * 1000)
#define CHILD_S 120u
#define SERVED_PER 8u
#define SHM "/dev/shm"
#define STORES 2u
#define SLOW_NS (10000 * LEDGER_NS_PER_MS)

enum outcome {
	ROT_HARMLESS,
	ROT_REFUSED, /* it does not open, and says which file */
	ROT_TOLD,    /* it opens, and says so when what is damaged is read */
	ROT_LAG,     /* the last frames are gone, whose durability was not on record yet */
	ROT_GOOD,    /* so many outcomes are as they should be */
	ROT_SILENT = ROT_GOOD, /* something is missing or different, and nothing says so */
	ROT_UNVERIFIED,	       /* told when read, but not by froe log verify */
	ROT_CRASHED,
	ROT_UNNAMED,  /* refused without the file's name */
	ROT_UNTYPED,  /* refused with another error than CORRUPT or INCOMPATIBLE */
	ROT_NEEDLESS, /* refused, although there was another copy, or it is no truth */
	ROT_OUTCOMES,
};

static const char *const outcome_names[ROT_OUTCOMES] = {
    [ROT_HARMLESS] = "harmless",
    [ROT_REFUSED] = "refused",
    [ROT_TOLD] = "told when read",
    [ROT_LAG] = "lag",
    [ROT_SILENT] = "SILENT",
    [ROT_UNVERIFIED] = "UNVERIFIED",
    [ROT_CRASHED] = "CRASHED",
    [ROT_UNNAMED] = "UNNAMED",
    [ROT_UNTYPED] = "UNTYPED",
    [ROT_NEEDLESS] = "NEEDLESS",
};

struct result {
	enum outcome outcome;
	char text[512];
};

struct store {
	struct tree tree;
	struct reading reading;
	uint64_t evidence;
	struct load loads[LOADS];
	struct load parked; /* runs that wait for an hour */
	struct promises promises;
	bool forgetful;
};

struct rot {
	const char *out;
	uint64_t seed;		 /* of the cases */
	uint64_t dice;		 /* of all else */
	char dir[PROCESS_PATH];	 /* on a disk */
	char work[PROCESS_PATH]; /* in memory, where there is such a place */
	char binary[PROCESS_PATH];
	struct store stores[STORES];
	unsigned passed;
	unsigned failed;
	unsigned kept;
	unsigned counts[REGION_CLASSES][ROT_OUTCOMES];
	unsigned served;
};

static void
pause_ms(uint64_t ms)
{
	struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&span, NULL);
}

static void
die(const char *what)
{
	fprintf(stderr, "rot: %s\n", what);
	exit(2);
}

/* -------------------------------------------------------------------------------------- stores */

static size_t
count_files(const struct tree *tree, enum region_class class)
{
	size_t count = 0;

	for (size_t i = 0; i < tree->count; i++)
		count += !tree->files[i].directory && region_class(&tree->files[i]) == class;
	return count;
}

/* Has the server made all kinds of files? */
static bool
ripe(const struct server *server, bool cold)
{
	struct tree tree;
	bool good = tree_read(&tree, server->data) && count_files(&tree, REGION_SNAPSHOT) >= 2 &&
		    count_files(&tree, REGION_SEGMENT) >= 3 &&
		    (!cold || count_files(&tree, REGION_COLD) >= 1);

	tree_free(&tree);
	return good;
}

/* Runs that outlive the segments they began in; and a token. */
static void
park(struct store *store, const char *address)
{
	struct froe_client_options client_options = {.address = address, .open_ms = READY_MS};
	struct froe_client *client;
	struct froe_error error;

	store->parked.runs = calloc(PARKED, sizeof(*store->parked.runs));
	if (store->parked.runs == NULL ||
	    froe_client_open(&client_options, &client, &error) != FROE_OK)
		die("no client");
	for (unsigned i = 0; i < PARKED; i++) {
		struct load_run *run = &store->parked.runs[i];
		struct froe_run_options options = {
		    .workflow = LEDGER_SINGLE, .delay_ms = PARKED_MS};
		struct froe_started started;
		char input[LEDGER_OUTPUT_BYTES];

		run->workflow = LEDGER_OF_SINGLE;
		run->input.n = i;
		options.input.data = input;
		options.input.size = (size_t)ledger_input_print(input, sizeof(input), run->input);
		if (froe_run_start(client, &options, LOAD_CALL_MS, &started, &error) != FROE_OK)
			die(error.text);
		run->id = started.run;
		run->acknowledged = true;
		run->acknowledged_ns = ledger_now_ns();
		store->parked.run_count++;
	}
	froe_client_close(client);
}

static void
live(struct rot *rot, struct store *store, struct server *server, struct worker *workers)
{
	uint64_t by_ns = ledger_now_ns() + RIPE_MS * LEDGER_NS_PER_MS;

	server_spawn(server, NULL);
	if (!server_ready(server, READY_MS))
		die("the server did not start");
	for (unsigned i = 0; i < WORKERS; i++)
		worker_start(&workers[i], server->address, WORKER_SLOTS);
	for (unsigned i = 0; i < LOADS; i++)
		load_start(&store->loads[i], server->address, load_random(&rot->dice));
	pause_ms(300); /* the workers have told what the workflows are */
	park(store, server->address);
	while (!ripe(server, store->forgetful)) {
		if (ledger_now_ns() > by_ns)
			die("the server has made no snapshots or cold files");
		pause_ms(50);
	}
	for (unsigned i = 0; i < LOADS; i++)
		load_stop(&store->loads[i]);
	for (unsigned i = 0; i < LOADS; i++)
		load_join(&store->loads[i]);
}

static void
store_make(struct rot *rot, struct store *store, bool forgetful)
{
	static const char *const retention[] = {"--retention", "300ms", NULL};
	struct worker workers[WORKERS];
	struct server server;
	struct froe_fault fault;
	struct load all[LOADS + 1];

	store->forgetful = forgetful;
	server_init(&server, rot->out, rot->dir, NULL, rot->binary);
	if (forgetful)
		server.options = retention;
	for (unsigned i = 0; i < WORKERS; i++)
		worker_init(&workers[i], rot->out, rot->dir, i);
	live(rot, store, &server, workers);
	server_end(&server, forgetful ? SIGKILL : SIGTERM);
	for (unsigned i = 0; i < WORKERS; i++)
		worker_end(&workers[i], SIGKILL);
	for (unsigned i = 0; i < LOADS; i++)
		all[i] = store->loads[i];
	all[LOADS] = store->parked;
	promises_gather(&store->promises, all, LOADS + 1, workers[0].ledger);
	unlink(workers[0].ledger);
	if (!tree_read(&store->tree, server.data))
		die("the store cannot be read");
	tree_remove(server.data);
	store->evidence = reading_evidence(&store->tree);
	if (!tree_write(&store->tree, rot->work, 0, NULL) ||
	    reading_make(&store->reading, rot->work, &fault) != FROE_OK)
		die(fault.text);
	printf("a store%s: %zu files, %zu KiB; %zu segments, %zu snapshots, %zu cold files; "
	       "%zu records, %zu promises; frame %" PRIu64 " of %" PRIu64 " is on record\n",
	    forgetful ? " with retention, killed" : ", stopped in order", store->tree.count,
	    store->tree.bytes >> 10, count_files(&store->tree, REGION_SEGMENT),
	    count_files(&store->tree, REGION_SNAPSHOT), count_files(&store->tree, REGION_COLD),
	    store->reading.count, store->promises.count, store->evidence,
	    store->reading.last_frame);
	fflush(stdout);
}

/* ------------------------------------------------------------------------- judging by recovery */

/* Index, keys and empty files are no truth: the log never refuses because of them. */
static bool is_log(enum region_class class)
{
	return class <= REGION_COLD;
}

/* Does recovery read it? */
static bool is_read(enum region_class class)
{
	return is_log(class) || class == REGION_SPARE;
}

/* With the key lost all tokens are void: that may be refused, too. */
static bool may_refuse(enum region_class class)
{
	return is_log(class) || class == REGION_TOKENS;
}

/* The part of the path by which people know it. */
static bool
names_file(const char *text, const struct damage *damage)
{
	const char *name = strrchr(damage->file.path, '/');
	uint64_t number;
	char hex[32];

	name = name != NULL ? name + 1 : damage->file.path;
	if (strstr(text, name) != NULL)
		return true;
	/* "cold file 2", "snapshot 3" */
	number = strtoull(name, NULL, 16);
	snprintf(hex, sizeof(hex), "%s %" PRIx64,
	    damage->class == REGION_COLD ? "cold file" : "snapshot", number);
	return strstr(text, hex) != NULL;
}

static enum outcome
judge_error(
    const struct damage *damage, const struct reading *reading, enum froe_err err, const char *text)
{
	bool open = reading->stage == READING_OPEN;

	if (!is_log(damage->class))
		return ROT_NEEDLESS;
	if (err != FROE_CORRUPT && err != FROE_INCOMPATIBLE && (open || err != FROE_NOT_FOUND))
		return ROT_UNTYPED;
	if (damage->region.spare && damage->kind < DAMAGE_MISPLACED)
		return ROT_NEEDLESS;
	if (!names_file(text, damage))
		return ROT_UNNAMED;
	return open ? ROT_REFUSED : ROT_TOLD;
}

static void
judge_reading(const struct store *store, const struct damage *damage, const struct reading *reading,
    enum froe_err err, const struct froe_fault *fault, struct result *result)
{
	const char *different;

	if (reading->stage != READING_OPEN && reading->last_frame < store->evidence) {
		result->outcome = ROT_SILENT;
		snprintf(result->text, sizeof(result->text),
		    "it opens, and ends with frame %" PRIu64 "; %" PRIu64 " was durable",
		    reading->last_frame, store->evidence);
		return;
	}
	if (err != FROE_OK) {
		result->outcome = judge_error(damage, reading, err, fault->text);
		snprintf(
		    result->text, sizeof(result->text), "%s: %s", froe_err_name(err), fault->text);
		return;
	}
	different = reading->last_frame < store->reading.last_frame
			? reading_differs_before(reading, &store->reading)
			: reading_differs(reading, &store->reading);
	if (different != NULL) {
		result->outcome = ROT_SILENT;
		snprintf(result->text, sizeof(result->text), "%s", different);
	} else if (reading->last_frame < store->reading.last_frame) {
		result->outcome = ROT_LAG;
	}
}

/* In a process of its own, which may end as it likes. */
static void
read_in_child(const struct rot *rot, const struct store *store, const struct damage *damage, int to)
{
	struct result result = {.outcome = ROT_HARMLESS};
	struct reading reading;
	struct froe_fault fault = {0};
	enum froe_err err;
	char path[PROCESS_PATH];
	int out;

	process_path(path, "%s/child.log", rot->dir);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(125);
	alarm(CHILD_S);
	err = reading_make(&reading, rot->work, &fault);
	judge_reading(store, damage, &reading, err, &fault, &result);
	/* Whoever asks is told without reading all runs. */
	if (result.outcome == ROT_TOLD && dump_verify(rot->work, stdout) != FROE_EXIT_DATA)
		result.outcome = ROT_UNVERIFIED;
	if (write(to, &result, sizeof(result)) != (ssize_t)sizeof(result))
		_exit(124);
	_exit(0);
}

static void
judge_by_recovery(
    struct rot *rot, const struct store *store, const struct damage *damage, struct result *result)
{
	int pair[2];
	int status;
	pid_t pid;

	if (!tree_write(&store->tree, rot->work, damage->index, &damage->file))
		die("the damaged store cannot be written");
	if (pipe2(pair, O_CLOEXEC) != 0)
		process_die("pipe");
	pid = fork();
	if (pid < 0)
		process_die("fork");
	if (pid == 0)
		read_in_child(rot, store, damage, pair[1]);
	close(pair[1]);
	if (read(pair[0], result, sizeof(*result)) != (ssize_t)sizeof(*result))
		result->outcome = ROT_CRASHED;
	status = process_end(pid, 0);
	close(pair[0]);
	if (status != 0) {
		result->outcome = ROT_CRASHED;
		snprintf(result->text, sizeof(result->text), "the process ended with status %x",
		    (unsigned)status);
	}
}

/* --------------------------------------------------------------------------- judging by server */

static bool
log_names_file(const struct server *server, const struct damage *damage)
{
	FILE *file = fopen(server->log, "r");
	char line[2048];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
		found = names_file(line, damage);
	if (file != NULL)
		fclose(file);
	return found;
}

/* It did not get ready. An index that LMDB stumbles over is made anew by the next start. */
static bool
start_again(struct server *server, const struct damage *damage, struct result *result)
{
	int status = server_end(server, SIGKILL);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (code == FROE_EXIT_INDEX && damage->class == REGION_INDEX) {
		server_spawn(server, NULL);
		if (server_ready(server, READY_MS))
			return true;
		server_end(server, SIGKILL);
	}
	snprintf(result->text, sizeof(result->text), "the server ended with status %x", status);
	result->outcome = code != FROE_EXIT_DATA ? ROT_CRASHED
			  : !may_refuse(damage->class) ||
				  (damage->region.spare && damage->kind < DAMAGE_MISPLACED)
			      ? ROT_NEEDLESS
			  : !log_names_file(server, damage) ? ROT_UNNAMED
							    : ROT_REFUSED;
	return false;
}

/* Everything that was acknowledged. False: the server has ended before it had said all. */
static bool
ask_server(struct rot *rot, struct store *store, const struct server *server,
    const struct damage *damage, struct result *result)
{
	struct verdict verdict = {.forgetful = store->forgetful, .rotten = is_log(damage->class)};
	struct promise_look look = {.address = server->address,
	    .until_ns = UINT64_MAX,
	    .seed = load_random(&rot->dice),
	    .newest = SIZE_MAX,
	    .server = server->pid};
	bool ended;

	promises_check(&store->promises, &verdict, &look);
	ended = process_ended(server->pid);
	if (!ended && verdict.faults > 0) {
		result->outcome = ROT_SILENT;
		snprintf(result->text, sizeof(result->text), "%u faults", verdict.faults);
	} else if (!ended && verdict.told > 0) {
		result->outcome = ROT_TOLD;
	}
	verdict_release(&verdict);
	return !ended;
}

static void
stop_server(struct server *server, const struct damage *damage, struct result *result)
{
	int status = server_end(server, SIGTERM);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	/* LMDB may stumble over its file at any time: the next start is the cure. */
	if (code == 0 || (code == FROE_EXIT_INDEX && damage->class == REGION_INDEX))
		return;
	result->outcome = ROT_CRASHED;
	snprintf(result->text, sizeof(result->text), "the server ended with status %x",
	    (unsigned)status);
}

/* It runs. If it ends because of its index it is started again, and must have all. */
static void
serve(struct rot *rot, struct store *store, struct server *server, const struct damage *damage,
    struct result *result)
{
	if (ask_server(rot, store, server, damage, result)) {
		stop_server(server, damage, result);
		return;
	}
	stop_server(server, damage, result);
	if (result->outcome >= ROT_GOOD)
		return;
	server_spawn(server, NULL);
	if (!server_ready(server, READY_MS)) {
		result->outcome = ROT_CRASHED;
		snprintf(result->text, sizeof(result->text), "it does not start again");
		server_end(server, SIGKILL);
		return;
	}
	if (!ask_server(rot, store, server, damage, result)) {
		result->outcome = ROT_CRASHED;
		snprintf(result->text, sizeof(result->text), "it ended again");
	}
	stop_server(server, damage, result);
}

static void
lose_index(const struct server *server)
{
	char path[PROCESS_PATH];

	process_path(path, "%s/index", server->data);
	process_remove_tree(path);
}

static void
judge_by_server(struct rot *rot, struct store *store, const struct damage *damage, bool bare,
    struct result *result)
{
	static const char *const retention[] = {"--retention", "300ms", NULL};
	struct server server;

	server_init(&server, rot->out, rot->dir, NULL, rot->binary);
	if (store->forgetful)
		server.options = retention;
	unlink(server.log);
	if (!tree_write(&store->tree, server.data, damage->index, &damage->file))
		die("the damaged store cannot be written");
	if (bare)
		lose_index(&server);
	rot->served++;
	server_spawn(&server, NULL);
	if (server_ready(&server, READY_MS) || start_again(&server, damage, result))
		serve(rot, store, &server, damage, result);
	if (result->outcome >= ROT_GOOD)
		process_show(server.log, 3000);
	tree_remove(server.data);
}

/* ------------------------------------------------------------------------------------ one case */

static void
keep(struct rot *rot, const struct store *store, const struct damage *damage, uint64_t number)
{
	char path[PROCESS_PATH];

	process_path(path, "%s/case-%" PRIu64, rot->dir, number);
	if (rot->kept < 50 && tree_write(&store->tree, path, damage->index, &damage->file)) {
		rot->kept++;
		printf("  kept: %s\n", path);
	}
}

static void
count_case(struct rot *rot, const struct store *store, const struct damage *damage,
    const struct result *result, uint64_t number, const char *by)
{
	rot->counts[damage->class][result->outcome]++;
	if (result->outcome < ROT_GOOD) {
		rot->passed++;
		return;
	}
	rot->failed++;
	printf("FAILED case %" PRIu64 ", %s: %s\n  %s: %s\n", number, damage->text, by,
	    outcome_names[result->outcome], result->text);
	keep(rot, store, damage, number);
	fflush(stdout);
}

static void
run_case(struct rot *rot, uint64_t number)
{
	struct store *store = &rot->stores[number % STORES];
	struct result result = {.outcome = ROT_HARMLESS};
	struct damage damage;
	uint64_t began_ns = ledger_now_ns();
	bool served;

	damage_draw(&damage, &store->tree, rot->seed ^ number * UINT64_C(0x9e3779b97f4a7c15));
	served = !is_read(damage.class) || number / STORES % SERVED_PER == 0;
	if (is_read(damage.class))
		judge_by_recovery(rot, store, &damage, &result);
	if (result.outcome >= ROT_GOOD || !served) {
		count_case(rot, store, &damage, &result, number, "recovery");
	} else {
		bool bare = is_log(damage.class) && number / STORES / SERVED_PER % 2 == 0;

		judge_by_server(rot, store, &damage, bare, &result);
		count_case(rot, store, &damage, &result, number,
		    bare ? "server, without its index" : "server");
	}
	if (ledger_now_ns() - began_ns > SLOW_NS)
		printf("case %" PRIu64 ", %s: %s, in %.1f s\n", number, damage.text,
		    outcome_names[result.outcome], (double)(ledger_now_ns() - began_ns) / 1e9);
	damage_release(&damage);
}

/* ---------------------------------------------------------------------------------------- main */

static void
say_counts(const struct rot *rot)
{
	for (unsigned class = 0; class < REGION_CLASSES; class ++) {
		unsigned all = 0;

		for (unsigned i = 0; i < ROT_OUTCOMES; i++)
			all += rot->counts[class][i];
		printf("%-12s %6u:", region_class_names[class], all);
		for (unsigned i = 0; i < ROT_OUTCOMES; i++) {
			if (rot->counts[class][i] > 0)
				printf(" %u %s,", rot->counts[class][i], outcome_names[i]);
		}
		printf("\n");
	}
	printf("%u were served\nresult:", rot->served);
	for (unsigned i = 0, said = 0; i < ROT_OUTCOMES; i++) {
		unsigned all = 0;

		for (unsigned class = 0; class < REGION_CLASSES; class ++)
			all += rot->counts[class][i];
		if (all > 0)
			printf("%s %u %s", said++ > 0 ? "," : "", all, outcome_names[i]);
	}
	printf("\n");
}

static void
begin(struct rot *rot)
{
	const char *base = getenv("TMPDIR");

	process_path(rot->dir, "%s/froe-rot-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(rot->dir) == NULL)
		process_die(rot->dir);
	process_path(rot->work, "%s/froe-rot-XXXXXX", SHM);
	if (mkdtemp(rot->work) == NULL)
		process_path(rot->work, "%s/work", rot->dir);
	store_make(rot, &rot->stores[0], false);
	store_make(rot, &rot->stores[1], true);
}

static int
end(struct rot *rot)
{
	for (unsigned i = 0; i < STORES; i++) {
		struct store *store = &rot->stores[i];

		tree_free(&store->tree);
		reading_release(&store->reading);
		promises_release(&store->promises);
		free(store->parked.runs);
		for (unsigned j = 0; j < LOADS; j++)
			free(store->loads[j].runs);
	}
	tree_remove(rot->work);
	if (rot->kept == 0)
		tree_remove(rot->dir);
	printf("%u passed, %u failed\n", rot->passed, rot->failed);
	return rot->failed > 0;
}

static bool
number(const char *text, uint64_t *ret_value)
{
	char *rest;

	*ret_value = strtoull(text, &rest, 10);
	return *text != 0 && *rest == 0;
}

int
main(int argc, char **argv)
{
	static struct rot rot;
	uint64_t cases = 0;
	uint64_t first = 1;
	bool good = argc >= 3 && argc % 2 == 1 && number(argv[2], &cases) && cases > 0;

	rot.seed = ledger_now_ns();
	for (int i = 3; i + 1 < argc && good; i += 2) {
		if (strcmp(argv[i], "--case") == 0 && number(argv[i + 1], &first))
			cases = 1;
		else
			good = strcmp(argv[i], "--seed") == 0 && number(argv[i + 1], &rot.seed);
	}
	if (!good) {
		fprintf(stderr, "usage: rot OUT CASES [--seed N] [--case N]\n");
		return 2;
	}
	rot.out = argv[1];
	rot.dice = rot.seed | 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("rot: %" PRIu64 " cases, seed %" PRIu64 "\n", cases, rot.seed);
	begin(&rot);
	for (uint64_t i = 0; i < cases; i++)
		run_case(&rot, first + i);
	say_counts(&rot);
	return end(&rot);
}
