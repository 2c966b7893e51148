/*
 * io/sim: a simulated world under a seed: virtual time, dice, and a disk that tears.
 *
 * Purpose     The whole of log, engine and recovery runs on it in one thread, and a crash at any
 *             point leaves what a real disk may leave. Sockets are not simulated here: accept,
 *             receive and send are froe_never.
 * Disk        Each file has a durable image and a set of unsynced sector writes (512 B). A write to
 *             a file opened with DSYNC becomes durable when it completes; until then a crash leaves
 *             each of its sectors old or new, by the seed. sync() makes a file durable; one that
 *             fails forgets what it should have written, as Linux does. Names (create, rename,
 *             unlink) are durable only after sync_dir(); until then a crash keeps a prefix of each
 *             directory's, by the seed. Blocking calls take no time.
 * Threading   one thread.
 * Invariants  asserted: direct I/O is aligned to 4096 (offset, size, address); the buffer of a
 *             write is unchanged from start to completion; no file is used after its close.
 */
#ifndef IO_SIM_H
#define IO_SIM_H

#include "io/io.h"

struct sim_options {
	uint64_t seed;
	uint64_t start_wall_ns;
	uint64_t disk_bytes;       /* capacity; writes past it are NO_SPACE. 0: 1 TiB */
	uint32_t write_latency_ns; /* mean of an asynchronous operation; each varies. 0: 100 us */
	uint32_t short_write_per_million; /* of asynchronous writes and reads */
	uint32_t write_error_per_million; /* of writes and syncs: EIO before anything is stored, or
	                                     after part */
	uint32_t stuck_write_per_million; /* of asynchronous writes: takes 10 to 60 s */
};

struct io_env *sim_open(const struct sim_options *options);
void sim_release(struct io_env *env);

/* The machine loses power now: open files and loops are gone (handlers are never called), unsynced
 * data is settled by the seed. The same env is then the next process's world. What the dead
 * process owned may still be released: it is harmless to close its files and loops, no more. */
void sim_crash(struct io_env *env);

void sim_advance(struct io_env *env, uint64_t ns);  /* virtual time passes */
void sim_wall_step(struct io_env *env, int64_t ns); /* the wall clock is set */
uint64_t sim_random(struct io_env *env);            /* the seed's own dice, for the harness */

/* Hardware lies, for tests of recovery: change durable bytes behind everyone's back. */
enum froe_err sim_corrupt(struct io_env *env, const char *path, uint64_t offset, const void *with,
    size_t size);
enum froe_err sim_truncate(struct io_env *env, const char *path, uint64_t size);

/* Fails the n-th blocking or asynchronous file operation from now (0: the next) once. Every call of
 * io_env that may fail counts, and the start of every asynchronous read or write. */
void sim_fail_after(struct io_env *env, uint64_t operations, enum froe_err error);

/* Stops the process in the n-th file operation from now: a write in it may be done in part, later
 * ones have no effect, blocking calls fail with FROE_IO, asynchronous ones never complete. So code
 * that blocks (recovery) is left at any point; call sim_crash() when it has returned. */
void sim_die_after(struct io_env *env, uint64_t operations);

uint64_t sim_operations(struct io_env *env); /* file operations so far */
uint64_t sim_digest(struct io_env *env); /* a hash of the durable names, sizes and bytes */

#endif
