/*
 * A hostile network, in numbers.
 *
 *     hostile [FRAMES] [SLOW]     20 000 messages and 2 000 slow connections, if not said
 *
 *   flood    FRAMES native frames and HTTP requests, random and mutated, on thousands of
 *            connections to a server that a good client uses all the time. Every connection is
 *            closed, the good runs come out right, no descriptor is left, the memory is flat.
 *   readers  who ask for much and never read cost what docs/limits.md allows.
 *   slow     SLOW connections that take their time, while a good client triggers runs, by turns,
 *            on the server that they attack and on another beside it. The two share the machine,
 *            so what differs is what the attack does to the server.
 *
 * FROE_BIN names the server, as for the system tests. At the end each server must stop in order;
 * one with LeakSanitizer then says whether anything leaked.
 */
#include "system/system.h"
#include "system/wire.h"

#include "system/good.h"
#include "system/junk.h"

#include "hostile/crowd.h"
#include "hostile/request.h"

#include <dirent.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)
#define WINDOWS 8u
#define NOFILE_SPARE 600u

static unsigned frames = 20000, slow = 2000;

/* --------------------------------------------------------------------------- the server's cost */

static unsigned
server_files(const struct server *of)
{
	char path[64];
	unsigned count = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)of->pid);
	DIR *folder = opendir(path);
	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* A sanitizer's heap and shadow: how many times the plain memory to allow. */
static unsigned
server_memory_factor(const struct server *of)
{
	char path[64], line[512];
	unsigned factor = 1;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)of->pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "libasan") != NULL || strstr(line, "libtsan") != NULL)
			factor = 4;
	}
	fclose(file);
	return factor;
}

/* -------------------------------------------------------------------------------------- flood */

static int
flood_setup(void **state)
{
	static struct froe_task_def task = {.name = "only", .handler = echo};
	static struct froe_workflow junk = {.name = "junk", .tasks = &task, .task_count = 1};
	static struct worker worker;
	server_init(&server);
	/* Payloads are kept in memory up to this, so growth beyond it is none of theirs. */
	server.extra[0] = "--cache-bytes";
	server.extra[1] = "1048576";
	server_start(&server);
	worker_open(&worker, &server, "junk", &junk, 16);
	*state = &worker;
	good_begin();
	return 0;
}

static int
flood_teardown(void **state)
{
	(void)state;
	server_release(&server);
	return 0;
}

/* What one connection says; how many messages it is. */
static unsigned
flood_stream(struct dice *dice, struct buf *stream)
{
	unsigned count = 1 + dice_below(dice, 48), kind = dice_below(dice, 8);
	if (kind == 0) {
		junk_bytes(dice, stream);
		return 1;
	}
	if (kind < 4) {
		for (unsigned n = 0; n < count; n++)
			junk_request(dice, stream);
		return count;
	}
	if (dice_below(dice, 32) != 0)
		buf_push(stream, PREFACE, PREFACE_SIZE);
	if (dice_below(dice, 32) != 0)
		junk_hello(dice, stream);
	/* A third says much that is well-formed before it says what is not: it gets further. */
	unsigned calm = dice_below(dice, 3) == 0 ? count : 0;
	for (unsigned n = 0; n < calm; n++) {
		if (dice_below(dice, 3) != 0)
			junk_run(dice, stream, 2 + n, dice_below(dice, 7));
		else
			junk_worker(dice, stream, 2 + n, dice_below(dice, 5));
	}
	for (unsigned n = 0; n < count; n++)
		junk_frame(dice, stream, 2 + calm + n);
	return calm + count;
}

/* Some end with a reset, in the middle of things; the others hear the server out. */
static unsigned
flood_connection(struct dice *dice)
{
	struct buf stream;
	struct peer peer;
	buf_init(&stream);
	unsigned count = flood_stream(dice, &stream);
	peer_init(&peer, &server);
	bool taken = peer_send(&peer, buf_bytes(&stream).data, buf_used(&stream));
	if (dice_below(dice, 16) == 0) {
		socket_reset(peer.fd);
		buf_release(&peer.input);
	} else {
		if (!peer_finish(&peer))
			fail_msg("a connection (taken: %d) is still open", taken);
		peer_release(&peer);
	}
	buf_release(&stream);
	return count;
}

/* Of one window: runs come out right, and what the server holds. */
static size_t
flood_window(struct dice *dice, unsigned upto, unsigned *said)
{
	while (*said < upto)
		*said += flood_connection(dice);
	expect_good();
	size_t resident = server_resident_bytes(&server);
	fprintf(stderr, "flood: %u messages, %zu MiB, %u files, %llu runs\n", *said,
	    resident / MIB, server_files(&server),
	    (unsigned long long)server_metric(&server, "froe_runs_started_total"));
	return resident;
}

/* Connections that were reset are gone in a moment. */
static void
expect_files(unsigned before)
{
	uint64_t until_ms = now_ms() + PEER_WAIT_MS;
	while (server_files(&server) > before + 2) {
		if (now_ms() > until_ms)
			fail_msg("%u files are open, not %u", server_files(&server), before);
		sleep_ms(20);
	}
}

static void
test_flood__memory_is_flat(void **state)
{
	struct dice dice = {0x0badf00d};
	unsigned said = 0, files = server_files(&server);
	size_t warm = 0, end = 0;
	uint64_t runs = 0;
	for (unsigned i = 1; i <= WINDOWS; i++) {
		end = flood_window(&dice, (unsigned)((uint64_t)frames * i / WINDOWS), &said);
		if (i == WINDOWS / 2) {
			warm = end;
			runs = server_metric(&server, "froe_runs_started_total");
		}
	}
	runs = server_metric(&server, "froe_runs_started_total") - runs;
	expect_files(files);
	/* Each run's id is remembered for a day, and a slow index holds rows for a while. */
	size_t allowed = server_memory_factor(&server) * (16 * MIB + runs * 2048);
	if (end > warm + allowed)
		fail_msg("%zu MiB more in the second half, with %llu runs", (end - warm) / MIB,
		    (unsigned long long)runs);
	worker_close(*state);
	good_end();
	int status = server_end(&server, SIGTERM);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ------------------------------------------------------------------------------------ readers */

#define READERS 60u
#define READER_REQUESTS 20000u
/* What a reader that asks for small things may make the server hold: its answers' high mark, and
 * the buffers of the socket's two ends. docs/limits.md has the bound of the worst. */
#define READER_BYTES_MAX ((24 + 12 + 6 + 1 + 4) * MIB)

/* Pipelines for ever and reads nothing. */
static void
reader_open(struct peer *peer, unsigned i)
{
	struct buf stream;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	buf_init(&stream);
	if (i % 2 == 0)
		peer_open(peer, &server, "readers", UINT64_MAX);
	else
		peer_init(peer, &server);
	for (unsigned n = 0; n < READER_REQUESTS; n++) {
		if (i % 2 == 0)
			frame_push(&stream, 100 + n, FROE__ENVELOPE__BODY_RUN_LIST, &list);
		else
			buf_push_text(&stream, "GET /metrics HTTP/1.1\r\nHost: froe\r\n\r\n");
	}
	peer_stuff(peer, buf_bytes(&stream).data, buf_used(&stream), 50);
	buf_release(&stream);
}

static int
readers_setup(void **state)
{
	(void)state;
	server_init(&server);
	server_start(&server);
	good_begin();
	return 0;
}

static void
test_readers__cost_what_is_allowed(void **state)
{
	static struct peer readers[READERS];
	(void)state;
	expect_good();
	size_t before = server_resident_bytes(&server), most = before;
	unsigned files = server_files(&server);
	for (unsigned i = 0; i < READERS; i++) {
		reader_open(&readers[i], i);
		size_t now = server_resident_bytes(&server);
		most = now > most ? now : most;
	}
	expect_good();
	size_t now = server_resident_bytes(&server);
	most = now > most ? now : most;
	fprintf(stderr, "readers: %u cost %zu MiB\n", READERS, (most - before) / MIB);
	/* All at their worst would be gigabytes: asking for small things must cost far less. */
	size_t allowed = server_memory_factor(&server) * READERS * READER_BYTES_MAX / 8 + 64 * MIB;
	if (most - before > allowed)
		fail_msg("%zu MiB for %u that do not read", (most - before) / MIB, READERS);
	for (unsigned i = 0; i < READERS; i++)
		peer_release(&readers[i]);
	expect_files(files);
	good_end();
}

/* --------------------------------------------------------------------------------------- slow */

#define RUNS 300u
#define ROUNDS 5u

static struct server beside; /* whom nobody attacks */

struct user {
	struct worker worker;
	uint64_t us[RUNS];
};
static struct user users[2];

static uint64_t
now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

static void
user_run(struct user *user, unsigned i)
{
	uint64_t began_us = now_us();
	struct froe_id run = start_run(user->worker.client, "good", "1");
	expect_result(user->worker.client, run, "1");
	user->us[i] = now_us() - began_us;
}

/* The same runs on both, by turns. True: the attacked one's p99 is within twice the other's. */
static bool
slow_round(const char *when)
{
	for (unsigned i = 0; i < RUNS; i++) {
		user_run(&users[i % 2], i);
		user_run(&users[1 - i % 2], i);
	}
	for (unsigned i = 0; i < 2; i++)
		qsort(users[i].us, RUNS, sizeof(users[i].us[0]), by_size);
	uint64_t half = RUNS / 2, high = RUNS * 99 / 100;
	fprintf(stderr, "slow: %s: p50 %llu us, p99 %llu us; of the server beside it %llu, %llu\n",
	    when, (unsigned long long)users[0].us[half], (unsigned long long)users[0].us[high],
	    (unsigned long long)users[1].us[half], (unsigned long long)users[1].us[high]);
	return users[0].us[high] <= 2 * users[1].us[high];
}

static int
slow_setup(void **state)
{
	static struct froe_task_def task = {.name = "only", .handler = echo};
	static struct froe_workflow workflow = {.name = "good", .tasks = &task, .task_count = 1};
	(void)state;
	server_init(&server);
	server_start(&server);
	server_init(&beside);
	server_start(&beside);
	worker_open(&users[0].worker, &server, NULL, &workflow, 2);
	worker_open(&users[1].worker, &beside, NULL, &workflow, 2);
	return 0;
}

static int
slow_teardown(void **state)
{
	(void)state;
	worker_close(&users[0].worker);
	worker_close(&users[1].worker);
	server_release(&server);
	server_release(&beside);
	return 0;
}

static void
test_slow__a_good_client_does_not_notice(void **state)
{
	unsigned files = server_files(&server), held = 0;
	bool within = false;
	(void)state;
	slow_round("before");
	crowd_begin(&server, slow);
	for (unsigned i = 0; i < ROUNDS && !within; i++) {
		within = slow_round("under attack");
		unsigned now = server_files(&server);
		held = now > held ? now : held;
	}
	/* Those that came first have to go: each takes its time, and no more. */
	while (atomic_load(&crowd.closed) < slow / 2 && atomic_load(&crowd.passes) < 60)
		sleep_ms(50);
	crowd_end();
	fprintf(stderr, "slow: %u opened, %u at once, %u closed, %u refused\n",
	    atomic_load(&crowd.opened), held - files, atomic_load(&crowd.closed),
	    atomic_load(&crowd.refused));
	assert_true(held > files);
	assert_true(atomic_load(&crowd.opened) >= slow);
	assert_true(atomic_load(&crowd.closed) >= slow / 2);
	assert_int_equal(atomic_load(&crowd.answered), 0);
	assert_int_equal(atomic_load(&crowd.early), 0);
	assert_int_equal(atomic_load(&crowd.refused), 0);
	expect_files(files);
	assert_true(slow_round("after") || within);
	if (!within)
		fail_msg("p99 under attack was never within twice that of the server beside it");
}

/* A descriptor for each slow connection, here and in the server, which inherits the limit. */
static void
files_allow(void)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < slow + NOFILE_SPARE) {
		fprintf(stderr, "slow: only %u connections: the limit of open files is %llu\n",
		    (unsigned)limit.rlim_cur - NOFILE_SPARE, (unsigned long long)limit.rlim_cur);
		slow = (unsigned)limit.rlim_cur - NOFILE_SPARE;
	}
	slow = slow < CROWD_MAX ? slow : CROWD_MAX;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_flood__memory_is_flat, flood_setup, flood_teardown),
	    cmocka_unit_test_setup_teardown(
	        test_readers__cost_what_is_allowed, readers_setup, flood_teardown),
	    cmocka_unit_test_setup_teardown(
	        test_slow__a_good_client_does_not_notice, slow_setup, slow_teardown),
	};
	if (argc > 1)
		frames = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		slow = (unsigned)strtoul(argv[2], NULL, 10);
	/* Freed memory that a sanitizer keeps for a while is not the server's. */
	setenv("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:quarantine_size_mb=16", 1);
	files_allow();
	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
