/*
 * A simulated world, and files and writes in it, for the tests of io/sim.
 */
#ifndef TESTS_IO_SIM_WORLD_H
#define TESTS_IO_SIM_WORLD_H

#include "io/sim.h"

#include "base/list.h"
#include "base/mem.h"
#include "io/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK 4096u
#define SECTOR 512u
#define MIB (1u << 20)
#define WALL_NS UINT64_C(1700000000000000000)
#define RW (IO_OPEN_READ | IO_OPEN_WRITE)
#define NEW_FILE (RW | IO_OPEN_CREATE)
#define NEW_LOG (RW | IO_OPEN_CREATE | IO_OPEN_DIRECT | IO_OPEN_DSYNC)

static inline void
must(enum froe_err err, const struct froe_fault *fault, int line)
{
	if (err != FROE_OK)
		fail_msg("line %d: %s: %s", line, froe_err_name(err), fault->text);
}
#define OK(call) must((call), &fault, __LINE__)

static inline struct io_env *
world(uint64_t seed)
{
	struct sim_options options = {.seed = seed, .start_wall_ns = WALL_NS};
	return sim_open(&options);
}

static inline int
open_file(struct io_env *env, const char *path, unsigned flags)
{
	struct froe_fault fault = {0};
	int file = -1;
	OK(io_file_open(env, path, flags, &file, &fault));
	return file;
}

static inline bool
exists(struct io_env *env, const char *path)
{
	struct froe_fault fault = {0};
	int file;
	enum froe_err err = io_file_open(env, path, IO_OPEN_READ, &file, &fault);
	if (err == FROE_OK)
		io_file_close(env, file);
	else
		assert_int_equal(err, FROE_NOT_FOUND);
	return err == FROE_OK;
}

/* A file of `size` zero bytes whose name and bytes are durable. */
static inline void
make_zeros(struct io_env *env, const char *path, uint64_t size)
{
	struct froe_fault fault = {0};
	int file = open_file(env, path, NEW_FILE);
	OK(io_file_allocate(env, file, size, &fault));
	OK(io_file_sync(env, file, &fault));
	io_file_close(env, file);
	OK(io_path_sync_dir(env, "/", &fault));
}

static inline void
read_all(struct io_env *env, const char *path, void *to, size_t size)
{
	struct froe_fault fault = {0};
	int file = open_file(env, path, IO_OPEN_READ);
	OK(io_file_read(env, file, to, size, 0, &fault));
	io_file_close(env, file);
}

static inline uint64_t
size_of(struct io_env *env, const char *path)
{
	struct froe_fault fault = {0};
	uint64_t size = 0;
	int file = open_file(env, path, IO_OPEN_READ);
	OK(io_file_size(env, file, &size, &fault));
	io_file_close(env, file);
	return size;
}

struct write {
	struct io_op op;
	int32_t result;
	unsigned calls;
};

static inline void
write_done(struct io_op *op, int32_t result)
{
	struct write *write = container_of(op, struct write, op);
	assert_false(io_op_active(op));
	write->result = result;
	write->calls++;
}

static inline void
write_start(struct io *io, struct write *write, int file, const void *from, size_t size,
    uint64_t offset)
{
	*write = (struct write){0};
	io_op_init(&write->op, write_done);
	io_write(io, &write->op, file, from, size, offset);
}

static inline struct io *
loop(struct io_env *env)
{
	struct froe_fault fault = {0};
	struct io *io = NULL;
	OK(io_open(env, &io, &fault));
	return io;
}

static inline int32_t
write_wait(struct io *io, int file, const void *from, size_t size, uint64_t offset)
{
	struct write write;
	write_start(io, &write, file, from, size, offset);
	for (int turns = 0; write.calls == 0 && turns < 10; turns++)
		io_step(io, UINT64_MAX);
	assert_int_equal(write.calls, 1);
	return write.result;
}

#endif
