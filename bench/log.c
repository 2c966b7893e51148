/*
 * bench/log: what the log adds to the device: frames and records a second, against a loop of bare
 * writes of the same kind into a file of the same kind.
 *
 *     log [--dir DIR] [--seconds S] [--posix]
 *
 * "bare" is N threads, each with one pwrite of a block at a time, O_DIRECT | O_DSYNC, into a file
 * that was zeroed before. "frames" keeps N frames of one small record in flight; "records" keeps
 * 1024 records waiting, which go in groups of whatever has queued.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/mem.h"
#include "log/log.h"

#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_BYTES 200u
#define WAITING_MAX 1024u
#define NS_PER_S 1000000000.0

static uint64_t
now_ns(void)
{
	return io_mono_ns(io_env_posix());
}

/* ----------------------------------------------------------------------------------------- bare */

struct bare {
	int file;
	uint64_t end_ns;
	atomic_uint_fast64_t next;
	atomic_uint_fast64_t written;
};

static void *
bare_run(void *context)
{
	struct bare *bare = context;
	uint8_t *block = mem_pages(LOG_BLOCK_BYTES);
	memset(block, 0xa5, LOG_BLOCK_BYTES);
	while (now_ns() < bare->end_ns) {
		uint64_t at = atomic_fetch_add(&bare->next, LOG_BLOCK_BYTES);
		off_t offset = (off_t)(at % LOG_SEGMENT_BYTES_DEFAULT);
		if (pwrite(bare->file, block, LOG_BLOCK_BYTES, offset) != LOG_BLOCK_BYTES)
			froe_fatal(FROE_EXIT_IO, "a bare write failed");
		atomic_fetch_add(&bare->written, 1);
	}
	mem_pages_free(block, LOG_BLOCK_BYTES);
	return NULL;
}

static double
bare_per_second(const char *dir, unsigned threads, double seconds)
{
	struct bare bare = {0};
	pthread_t thread[LOG_INFLIGHT_MAX];
	char path[512];
	uint8_t *zeros = mem_pages(LOG_SEGMENT_BYTES_DEFAULT);
	snprintf(path, sizeof(path), "%s/bare", dir);
	bare.file = open(path, O_RDWR | O_CREAT | O_DIRECT | O_DSYNC, 0600);
	if (bare.file < 0 || pwrite(bare.file, zeros, LOG_SEGMENT_BYTES_DEFAULT, 0) < 0)
		froe_fatal(FROE_EXIT_IO, "%s cannot be written with direct I/O", path);
	mem_pages_free(zeros, LOG_SEGMENT_BYTES_DEFAULT);
	uint64_t begin_ns = now_ns();
	bare.end_ns = begin_ns + (uint64_t)(seconds * NS_PER_S);
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, bare_run, &bare);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	double took = (double)(now_ns() - begin_ns) / NS_PER_S;
	close(bare.file);
	unlink(path);
	return (double)atomic_load(&bare.written) / took;
}

/* -------------------------------------------------------------------------------------- the log */

struct run {
	struct log *log;
	struct io *io;
	atomic_bool stop;
	uint64_t frames[WAITING_MAX]; /* of the records that wait, from `durable` on */
	uint64_t appended;
	uint64_t durable;
};

static void *
keeper_run(void *context)
{
	struct run *run = context;
	while (!atomic_load(&run->stop)) {
		if (!log_spares_step(run->log))
			usleep(1000);
	}
	return NULL;
}

static enum froe_err
replay_nothing(void *context, const struct log_record *record, struct froe_fault *fault)
{
	(void)context;
	(void)record;
	(void)fault;
	return FROE_OK;
}

static void
run_append(struct run *run, uint64_t waiting, bool alone)
{
	static const uint8_t body[BODY_BYTES];
	struct log_entry entry = {.type = 1, .run_key = 1, .body = bytes_of(body, BODY_BYTES)};
	while (run->appended - run->durable < waiting &&
	    log_has_room(run->log, LOG_RECORD_HEADER_BYTES + BODY_BYTES)) {
		log_append(run->log, run->appended, &entry, 1, NULL);
		run->frames[run->appended++ % WAITING_MAX] = log_tail_seq(run->log);
		if (alone)
			log_flush(run->log);
	}
}

/* Returns records a second. */
static double
run_for(struct run *run, uint64_t waiting, bool alone, double seconds)
{
	uint64_t begin_ns = now_ns(), mono_ns = begin_ns, first = run->durable;
	uint64_t end_ns = begin_ns + (uint64_t)(seconds * NS_PER_S);
	while (mono_ns < end_ns && !log_failed(run->log, NULL)) {
		run_append(run, waiting, alone);
		log_flush(run->log);
		log_tick(run->log, mono_ns);
		io_step(run->io, mono_ns + 1000000);
		uint64_t seq = log_durable_seq(run->log);
		while (run->durable < run->appended &&
		    run->frames[run->durable % WAITING_MAX] <= seq)
			run->durable++;
		mono_ns = now_ns();
	}
	return (double)(run->durable - first) / ((double)(mono_ns - begin_ns) / NS_PER_S);
}

static void
bench_log(struct io_env *env, const char *dir, unsigned inflight, double seconds)
{
	struct run run = {0};
	struct log_report report;
	struct froe_fault fault;
	struct log_stats stats;
	pthread_t keeper;
	char store[512];
	snprintf(store, sizeof(store), "%s/store-%s-%u", dir, env->name, inflight);
	struct log_options options = {.dir = store, .inflight_max = inflight, .spares = 2};
	if (log_open(env, &options, replay_nothing, NULL, &run.log, &report, &fault) != FROE_OK ||
	    io_open(env, &run.io, &fault) != FROE_OK)
		froe_fatal(FROE_EXIT_FAILED, "%s", fault.text);
	log_start(run.log, run.io);
	pthread_create(&keeper, NULL, keeper_run, &run);
	usleep(500000); /* the spares are made */
	double frames = run_for(&run, inflight, /* alone= */ true, seconds);
	double records = run_for(&run, WAITING_MAX, /* alone= */ false, seconds);
	log_stats(run.log, &stats);
	printf("%-8s  %u in flight  %8.0f frames/s  %9.0f records/s\n", env->name, inflight, frames,
	    records);
	atomic_store(&run.stop, true);
	pthread_join(keeper, NULL);
	io_close(run.io);
	log_close(run.log);
}

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	(void)status;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
	    {"seconds", required_argument, NULL, 's'}, {"posix", no_argument, NULL, 'p'}, {0}};
	const char *base = ".";
	struct io_env *env = io_env_uring();
	double seconds = 2;
	char dir[256];
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			base = optarg;
		else if (option == 's')
			seconds = strtod(optarg, NULL);
		else if (option == 'p')
			env = io_env_posix();
		else
			return FROE_EXIT_USAGE;
	}
	snprintf(dir, sizeof(dir), "%s/froe-bench-log-XXXXXX", base);
	if (mkdtemp(dir) == NULL)
		froe_fatal(FROE_EXIT_IO, "no directory can be made in %s", base);
	for (unsigned inflight = 1; inflight <= LOG_INFLIGHT_MAX; inflight += 3) {
		printf("bare      %u in flight  %8.0f writes/s\n", inflight,
		    bare_per_second(dir, inflight, seconds));
		bench_log(env, dir, inflight, seconds);
	}
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
