/*
 * bench/index: does the index keep up? Rows of short runs go through the index thread at a fixed
 * rate.
 *
 *     index [--dir DIR] [--rate R] [--seconds S] [--runs N] [--busy N] [--took MS]
 *
 * R runs a second (40000), each a row when it starts, a touch when a worker gets it, and a row
 * when it has closed, 20 ms later: three workflows, two metadata pairs (one of 1000 customers, an
 * order of its own), four workers, five places. --runs N puts so many runs before, as fast as it
 * goes. --busy N: N threads that do nothing but burn a core each. Lag: how long ago the newest row
 * that is applied was posted, looked at every millisecond. At the end, lists of 50 by each filter
 * and by all of them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "index/texts.h"
#include "server/history.h"
#include "server/indexer.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TENANT 1u
#define FRAME_NS NS_PER_MS
#define LAGS_MAX 4000000u
#define LISTS 200

struct bench {
	struct indexer indexer;
	struct io_env *env;
	struct io *io;
	char dir[256];
	uint64_t rate;
	uint64_t seconds;
	uint64_t runs_before;
	uint64_t took_ms;
	unsigned busy;
	uint64_t started;  /* runs */
	uint64_t closed;
	uint64_t frame;
	uint64_t *posted_ns; /* by frame of the paced part */
	uint64_t frame_first;
	uint32_t *lags_us;
	uint64_t lag_count;
	struct buf texts;
	struct buf places;
	uint64_t dice;
};

static uint64_t
now_ns(void)
{
	return io_mono_ns(io_env_posix());
}

static uint64_t
dice_roll(uint64_t *dice)
{
	return hash_words(0, *dice += HASH_GOLDEN); /* SplitMix64 */
}

/* ----------------------------------------------------------------------------------------- rows */

/* Everything about a run follows from its number. */
static struct uuid
run_id(uint64_t number, uint64_t rate)
{
	uint8_t random[16];
	uint64_t wall_ns = UINT64_C(1790000000) * NS_PER_S + number * NS_PER_S / rate;
	uint64_t dice = number;
	uint64_t words[2] = {dice_roll(&dice), dice_roll(&dice)};
	memcpy(random, words, sizeof(random));
	return uuid_run(wall_ns, random);
}

static const char *
run_workflow(uint64_t number)
{
	static const char *const names[] = {"order-intake", "mail", "nightly-report"};
	return names[number % 7 < 4 ? 0 : number % 7 < 6 ? 1 : 2];
}

static void
run_places(struct bench *bench, uint64_t number)
{
	struct log_place places[5];
	for (uint64_t i = 0; i < 5; i++)
		places[i] = (struct log_place){
		    .lsn = {.v = (number / 100000) << 32 | (number % 100000 * 640 + i * 120)},
		    .event_seq = number * 5 + i,
		    .size = 90 + (uint32_t)i,
		};
	buf_reset(&bench->places);
	history_places_encode(places, 5, &bench->places);
}

static void
run_texts(struct bench *bench, uint64_t number)
{
	char customer[32], order[32];
	uint64_t dice = number;
	snprintf(customer, sizeof(customer), "c-%u", (unsigned)(number * 7919 % 1000));
	snprintf(order, sizeof(order), "%016llx", (unsigned long long)dice_roll(&dice));
	buf_reset(&bench->texts);
	texts_push(&bench->texts, bytes_text("customer"));
	texts_push(&bench->texts, bytes_text(customer));
	texts_push(&bench->texts, bytes_text("order"));
	texts_push(&bench->texts, bytes_text(order));
}

static void
bench_post(struct bench *bench, struct indexer_job *job)
{
	while (!indexer_post(&bench->indexer, job))
		usleep(200);
}

static void
run_put(struct bench *bench, uint64_t number, bool closed)
{
	struct index_run row = {
	    .tenant = TENANT,
	    .number = number,
	    .seq = closed ? 5 : 1,
	    .id = run_id(number, bench->rate),
	    .status = closed ? (number % 50 == 0 ? ENG_FAILED : ENG_COMPLETED) : ENG_QUEUED,
	    .created_ns = number * NS_PER_S / bench->rate,
	    .workflow = bytes_text(run_workflow(number)),
	};
	run_texts(bench, number);
	row.metadata = buf_bytes(&bench->texts);
	if (closed) {
		run_places(bench, number);
		row.finished_ns = row.created_ns + bench->took_ms * NS_PER_MS;
		row.places = buf_bytes(&bench->places);
	}
	bench_post(bench, indexer_put_job(&row,
	    closed ? 0 : indexer_kinds(ENG_QUEUED, false), bench->frame));
}

static void
run_start(struct bench *bench)
{
	static const char *const workers[] = {"host-a/1", "host-a/2", "host-b/1", "host-c/1"};
	uint64_t number = ++bench->started;
	run_put(bench, number, /* closed= */ false);
	bench_post(bench, indexer_touch_job(TENANT, number, bytes_text(workers[number % 4]),
	    indexer_kinds(ENG_RUNNING, false), bench->frame));
}

static void
runs_close(struct bench *bench, uint64_t until)
{
	while (bench->closed < until)
		run_put(bench, ++bench->closed, /* closed= */ true);
}

/* ------------------------------------------------------------------------------------- the load */

static void
answers_drop(struct bench *bench)
{
	struct indexer_job *job;
	while ((job = indexer_pop(&bench->indexer)) != NULL)
		indexer_job_free(job);
}

static void
wait_applied(struct bench *bench)
{
	while (indexer_applied(&bench->indexer) < bench->frame)
		usleep(1000);
}

static void
load_before(struct bench *bench)
{
	uint64_t start_ns = now_ns();
	while (bench->started < bench->runs_before) {
		bench->frame++;
		for (int i = 0; i < 1000 && bench->started < bench->runs_before; i++)
			run_start(bench);
		runs_close(bench, bench->started);
	}
	wait_applied(bench);
	double seconds = (double)(now_ns() - start_ns) / (double)NS_PER_S;
	if (bench->runs_before > 0)
		printf("before: %llu runs in %.1f s, %.0f a second\n",
		    (unsigned long long)bench->runs_before, seconds,
		    (double)bench->runs_before / seconds);
}

static void
lag_look(struct bench *bench)
{
	uint64_t applied = indexer_applied(&bench->indexer);
	uint64_t now = now_ns(), since_ns;
	if (bench->lag_count == LAGS_MAX)
		return;
	if (applied >= bench->frame)
		since_ns = now;
	else if (applied < bench->frame_first)
		since_ns = bench->posted_ns[0];
	else
		since_ns = bench->posted_ns[applied + 1 - bench->frame_first];
	bench->lags_us[bench->lag_count++] = (uint32_t)((now - since_ns) / 1000);
}

/* A frame a millisecond; what is late is made up for. */
static void
load_paced(struct bench *bench)
{
	uint64_t start_ns = now_ns(), end_ns = start_ns + bench->seconds * NS_PER_S;
	uint64_t base = bench->started, took = bench->took_ms * bench->rate / 1000;
	bench->frame_first = bench->frame + 1;
	uint64_t next_ns = start_ns;
	for (uint64_t now = start_ns; now < end_ns; now = now_ns()) {
		uint64_t due = base + (now - start_ns) * bench->rate / NS_PER_S;
		if (now < next_ns || due <= bench->started) {
			usleep(FRAME_NS / 1000 / 4);
			continue;
		}
		next_ns = now + FRAME_NS;
		bench->frame++;
		bench->posted_ns[bench->frame - bench->frame_first] = now;
		while (bench->started < due)
			run_start(bench);
		runs_close(bench, bench->started > took ? bench->started - took : 0);
		lag_look(bench);
	}
	bench->frame++;
	runs_close(bench, bench->started);
}

static int
lag_compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return a < b ? -1 : a > b;
}

static uint64_t
thread_cpu_ns(pthread_t thread)
{
	clockid_t clock;
	struct timespec time;
	if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return 0;
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static uint64_t
file_bytes(const struct bench *bench)
{
	char path[300];
	struct stat stat_;
	snprintf(path, sizeof(path), "%s/index/data.mdb", bench->dir);
	return stat(path, &stat_) == 0 ? (uint64_t)stat_.st_blocks * 512 : 0;
}

static void
measure(struct bench *bench)
{
	uint64_t cpu_ns = thread_cpu_ns(bench->indexer.thread), start_ns = now_ns();
	uint64_t before = bench->started, bytes = file_bytes(bench);
	load_paced(bench);
	uint64_t end_ns = now_ns();
	cpu_ns = thread_cpu_ns(bench->indexer.thread) - cpu_ns;
	uint64_t runs = bench->started - before;
	wait_applied(bench);
	qsort(bench->lags_us, bench->lag_count, sizeof(bench->lags_us[0]), lag_compare);
	printf("paced: %llu runs, %.0f a second\n", (unsigned long long)runs,
	    (double)runs * (double)NS_PER_S / (double)(end_ns - start_ns));
	printf("lag_ms p50 %.1f p99 %.1f max %.1f, behind at the end %.1f\n",
	    bench->lags_us[bench->lag_count / 2] / 1000.0,
	    bench->lags_us[bench->lag_count * 99 / 100] / 1000.0,
	    bench->lags_us[bench->lag_count - 1] / 1000.0,
	    (double)(now_ns() - end_ns) / (double)NS_PER_MS);
	printf("index thread: %.0f %% of a core, %.2f us a run\n",
	    100.0 * (double)cpu_ns / (double)(end_ns - start_ns),
	    (double)cpu_ns / 1000.0 / (double)runs);
	printf("file: %.1f MiB, %.0f bytes a run (%.0f of those just now)\n",
	    (double)file_bytes(bench) / 1048576.0,
	    (double)file_bytes(bench) / (double)bench->started,
	    ((double)file_bytes(bench) - (double)bytes) / (double)runs);
}

/* ---------------------------------------------------------------------------------------- lists */

enum { WORKFLOW = 1, STATUS = 2, CUSTOMER = 4, ORDER = 8, WORKER = 16, TIME = 32, FAILED = 64 };

static struct indexer_job *
list_make(struct bench *bench, unsigned members)
{
	struct indexer_job *job = indexer_list_job();
	struct index_filter *filter = &job->list->filter;
	uint64_t number = 1 + dice_roll(&bench->dice) % bench->started;
	struct bytes span;
	job->list->limit = 50;
	filter->tenant = TENANT;
	if ((members & WORKFLOW) != 0)
		filter->workflow = bytes_text("nightly-report");
	if ((members & (STATUS | FAILED)) != 0)
		filter->statuses = (members & STATUS) != 0 ? 1u << ENG_COMPLETED
		                                            : 1u << ENG_FAILED;
	if ((members & WORKER) != 0)
		filter->worker = bytes_text("host-b/1");
	if ((members & TIME) != 0)
		filter->until_ns = number * NS_PER_S / bench->rate;
	run_texts(bench, number);
	span = buf_bytes(&bench->texts);
	size_t first = 4 + 8 + le16_load(span.data + 10); /* of the customer's pair */
	if ((members & ORDER) != 0)
		span = bytes_of(span.data + first, span.size - first);
	else
		span.size = first;
	if ((members & (CUSTOMER | ORDER)) != 0)
		filter->metadata =
		    bytes_of(arena_copy(&job->list->arena, span.data, span.size), span.size);
	return job;
}

static void
list_time(struct bench *bench, const char *name, unsigned members)
{
	uint32_t times_us[LISTS];
	uint64_t rows = 0, pages = 0;
	for (int i = 0; i < LISTS; i++) {
		struct indexer_job *job = list_make(bench, members);
		uint64_t start_ns = now_ns();
		bench_post(bench, job);
		while ((job = indexer_pop(&bench->indexer)) == NULL)
			io_step(bench->io, now_ns() + NS_PER_S);
		times_us[i] = (uint32_t)((now_ns() - start_ns) / 1000);
		rows += job->list->row_count;
		pages += job->list->row_count < 50 && job->list->next != 0 ? 1 : 0;
		indexer_job_free(job);
	}
	qsort(times_us, LISTS, sizeof(times_us[0]), lag_compare);
	printf("list %-28s %5.1f rows  p50 %.2f ms  p99 %.2f ms  max %.2f ms  short pages %llu\n",
	    name, (double)rows / LISTS, times_us[LISTS / 2] / 1000.0,
	    times_us[LISTS * 99 / 100] / 1000.0, times_us[LISTS - 1] / 1000.0,
	    (unsigned long long)pages);
}

static void
lists(struct bench *bench)
{
	list_time(bench, "all", 0);
	list_time(bench, "workflow", WORKFLOW);
	list_time(bench, "status", STATUS);
	list_time(bench, "failed", FAILED);
	list_time(bench, "customer (1 in 1000)", CUSTOMER);
	list_time(bench, "order (one run)", ORDER);
	list_time(bench, "worker", WORKER);
	list_time(bench, "until", TIME);
	list_time(bench, "workflow failed worker", WORKFLOW | FAILED | WORKER);
	list_time(bench, "customer failed", CUSTOMER | FAILED);
	list_time(bench, "all of them", WORKFLOW | STATUS | CUSTOMER | WORKER | TIME);
}

/* ----------------------------------------------------------------------------------------- main */

static void *
burn(void *context)
{
	atomic_bool *stop = context;
	while (!atomic_load_explicit(stop, memory_order_relaxed))
		;
	return NULL;
}

static void
bench_open(struct bench *bench)
{
	struct froe_fault fault;
	struct uuid store = {{7}};
	uint64_t applied;
	char dir[300];
	snprintf(dir, sizeof(dir), "%s/index", bench->dir);
	bench->env = io_env_posix();
	if (io_open(bench->env, &bench->io, &fault) != FROE_OK ||
	    indexer_open(&bench->indexer, bench->env, dir, store, &applied, &fault) != FROE_OK ||
	    indexer_start(&bench->indexer, bench->io, &fault) != FROE_OK)
		froe_fatal(FROE_EXIT_FAILED, "%s", fault.text);
	bench->posted_ns = mem_array(bench->seconds * 2000 + 16, sizeof(uint64_t));
	bench->lags_us = mem_array(LAGS_MAX, sizeof(uint32_t));
	buf_init(&bench->texts);
	buf_init(&bench->places);
}

static void
bench_close(struct bench *bench)
{
	struct froe_fault fault;
	char dir[300];
	snprintf(dir, sizeof(dir), "%s/index", bench->dir);
	indexer_stop(&bench->indexer);
	answers_drop(bench);
	indexer_close(&bench->indexer);
	io_close(bench->io);
	FROE_DROP(index_delete(dir, &fault), "a temporary directory");
	FROE_DROP(rmdir(bench->dir), "a temporary directory");
	mem_free(bench->posted_ns);
	mem_free(bench->lags_us);
	buf_release(&bench->texts);
	buf_release(&bench->places);
}

static void
options(struct bench *bench, int argc, char **argv)
{
	static const struct option rows[] = {
	    {"dir", required_argument, NULL, 'd'},
	    {"rate", required_argument, NULL, 'r'},
	    {"seconds", required_argument, NULL, 's'},
	    {"runs", required_argument, NULL, 'n'},
	    {"busy", required_argument, NULL, 'b'},
	    {"took", required_argument, NULL, 't'},
	    {0},
	};
	const char *parent = "/tmp";
	int found;
	while ((found = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		uint64_t number = found == 'd' || found == '?' ? 0 : strtoull(optarg, NULL, 10);
		switch (found) {
		case 'd': parent = optarg; break;
		case 'r': bench->rate = number; break;
		case 's': bench->seconds = number; break;
		case 'n': bench->runs_before = number; break;
		case 'b': bench->busy = (unsigned)number; break;
		case 't': bench->took_ms = number; break;
		default: exit(2);
		}
	}
	snprintf(bench->dir, sizeof(bench->dir), "%s/froe-bench-XXXXXX", parent);
	if (bench->rate == 0 || mkdtemp(bench->dir) == NULL)
		froe_fatal(FROE_EXIT_USAGE, "no directory in %s, or no rate", parent);
}

int
main(int argc, char **argv)
{
	static struct bench bench = {.rate = 40000, .seconds = 20, .took_ms = 20};
	atomic_bool stop = false;
	pthread_t threads[16];
	options(&bench, argc, argv);
	bench_open(&bench);
	setvbuf(stdout, NULL, _IOLBF, 0);
	load_before(&bench);
	bench.busy = bench.busy < 16 ? bench.busy : 16;
	for (unsigned i = 0; i < bench.busy; i++)
		pthread_create(&threads[i], NULL, burn, &stop);
	if (bench.seconds > 0)
		measure(&bench);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < bench.busy; i++)
		pthread_join(threads[i], NULL);
	lists(&bench);
	bench_close(&bench);
	return 0;
}
