/*
 * io/sim: a simulated world under a seed: virtual time, dice, and a disk that tears.
 *
 * Purpose     The whole of log, engine and recovery runs on it in one thread, and a crash at any
 *             point leaves what a real disk may leave. Sockets are not simulated here: accept,
 *             receive and send are froe_never.
 * Disk        Each file has a durable image and a set of unsynced sector writes (512 B). A write to a
 *             file opened with DSYNC becomes durable when it completes; until then a crash leaves
 *             each of its sectors old or new, by the seed. sync() makes a file durable. Names
 *             (create, rename, unlink) are durable only after sync_dir(); until then a crash keeps a
 *             prefix of them, by the seed. fault hooks: write errors, no space, short writes.
 * Threading   one thread.
 */
#ifndef IO_SIM_H
#define IO_SIM_H

#include "io/io.h"

struct sim_options {
	uint64_t seed;
	uint64_t start_wall_ns;
	uint64_t disk_bytes;         /* capacity; writes past it are NO_SPACE */
	uint32_t write_latency_ns;   /* mean of a durable write; each one varies by the seed */
	uint32_t short_write_per_million;
	uint32_t write_error_per_million; /* class A: EIO before anything is stored, or after part */
};

struct io_env *sim_open(const struct sim_options *options);
void sim_release(struct io_env *env);

/* The process dies now: open files and loops are gone (handlers are never called), unsynced data
 * is settled by the seed. The same env is then the next process's world. */
void sim_crash(struct io_env *env);

void sim_advance(struct io_env *env, uint64_t ns); /* virtual time passes */
uint64_t sim_random(struct io_env *env);           /* the seed's own dice, for the harness */

/* Hardware lies, for tests of recovery: change durable bytes behind everyone's back. */
enum froe_err sim_corrupt(struct io_env *env, const char *path, uint64_t offset, const void *with,
    size_t size);
enum froe_err sim_truncate(struct io_env *env, const char *path, uint64_t size);

/* Fails the n-th blocking or asynchronous file operation from now (0: the next) once. */
void sim_fail_after(struct io_env *env, uint64_t operations, enum froe_err error);

#endif
