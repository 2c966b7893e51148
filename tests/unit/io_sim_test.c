/*
 * The simulated world: what is durable when, what a crash may leave and what never, and that a seed
 * is a world. Where a distribution matters, many seeds are counted.
 */
#include "io/sim.h"

#include "base/list.h"
#include "base/mem.h"
#include "io/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK 4096u
#define SECTOR 512u
#define MIB (1u << 20)
#define WALL_NS UINT64_C(1700000000000000000)
#define RW (IO_OPEN_READ | IO_OPEN_WRITE)
#define NEW_FILE (RW | IO_OPEN_CREATE)
#define NEW_LOG (RW | IO_OPEN_CREATE | IO_OPEN_DIRECT | IO_OPEN_DSYNC)

static void
must(enum froe_err err, const struct froe_fault *fault, int line)
{
	if (err != FROE_OK)
		fail_msg("line %d: %s: %s", line, froe_err_name(err), fault->text);
}
#define OK(call) must((call), &fault, __LINE__)

static struct io_env *
world(uint64_t seed)
{
	struct sim_options options = {.seed = seed, .start_wall_ns = WALL_NS};
	return sim_open(&options);
}

static int
open_file(struct io_env *env, const char *path, unsigned flags)
{
	struct froe_fault fault = {0};
	int file = -1;
	OK(io_file_open(env, path, flags, &file, &fault));
	return file;
}

static bool
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
static void
make_zeros(struct io_env *env, const char *path, uint64_t size)
{
	struct froe_fault fault = {0};
	int file = open_file(env, path, NEW_FILE);
	OK(io_file_allocate(env, file, size, &fault));
	OK(io_file_sync(env, file, &fault));
	io_file_close(env, file);
	OK(io_path_sync_dir(env, "/", &fault));
}

static void
read_all(struct io_env *env, const char *path, void *to, size_t size)
{
	struct froe_fault fault = {0};
	int file = open_file(env, path, IO_OPEN_READ);
	OK(io_file_read(env, file, to, size, 0, &fault));
	io_file_close(env, file);
}

static uint64_t
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

static void
write_done(struct io_op *op, int32_t result)
{
	struct write *write = container_of(op, struct write, op);
	assert_false(io_op_active(op));
	write->result = result;
	write->calls++;
}

static void
write_start(struct io *io, struct write *write, int file, const void *from, size_t size,
    uint64_t offset)
{
	*write = (struct write){0};
	io_op_init(&write->op, write_done);
	io_write(io, &write->op, file, from, size, offset);
}

static struct io *
loop(struct io_env *env)
{
	struct froe_fault fault = {0};
	struct io *io = NULL;
	OK(io_open(env, &io, &fault));
	return io;
}

static int32_t
write_wait(struct io *io, int file, const void *from, size_t size, uint64_t offset)
{
	struct write write;
	write_start(io, &write, file, from, size, offset);
	for (int turns = 0; write.calls == 0 && turns < 10; turns++)
		io_step(io, UINT64_MAX);
	assert_int_equal(write.calls, 1);
	return write.result;
}

/* ------------------------------------------------------------------------------- durability */

static void
test_sim__completed_write_survives(void **state)
{
	(void)state;
	uint8_t *page = mem_pages(BLOCK), back[BLOCK];
	memset(page, 0xab, BLOCK);
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct io_env *env = world(seed);
		make_zeros(env, "f", MIB);
		struct io *io = loop(env);
		int file = open_file(env, "f", NEW_LOG);
		assert_int_equal(write_wait(io, file, page, BLOCK, 0), BLOCK);
		sim_crash(env);
		io_close(io);
		io_file_close(env, file);
		assert_int_equal(size_of(env, "f"), MIB);
		read_all(env, "f", back, BLOCK);
		assert_memory_equal(back, page, BLOCK);
		sim_release(env);
	}
	mem_pages_free(page, BLOCK);
}

static void
test_sim__without_dsync_needs_sync(void **state)
{
	struct froe_fault fault = {0};
	unsigned lost = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		char back[5];
		struct io_env *env = world(seed);
		make_zeros(env, "f", 2 * BLOCK);
		int file = open_file(env, "f", RW);
		OK(io_file_write(env, file, "first", 5, 100, &fault));
		OK(io_file_sync(env, file, &fault));
		OK(io_file_write(env, file, "other", 5, BLOCK + 100, &fault));
		sim_crash(env);
		file = open_file(env, "f", IO_OPEN_READ);
		OK(io_file_read(env, file, back, 5, 100, &fault));
		assert_memory_equal(back, "first", 5);
		OK(io_file_read(env, file, back, 5, BLOCK + 100, &fault));
		lost += memcmp(back, "other", 5) != 0;
		if (memcmp(back, "other", 5) != 0)
			assert_memory_equal(back, "\0\0\0\0\0", 5);
		sim_release(env);
	}
	assert_in_range(lost, 20, 80);
}

/* Which sectors of a write in flight a crash left; every sector is whole: old or new. */
static uint32_t
torn_sectors(uint64_t seed, const uint8_t *page, size_t size)
{
	uint32_t kept = 0;
	struct io_env *env = world(seed);
	uint8_t *back = mem_alloc(size);
	struct write write;

	make_zeros(env, "f", MIB);
	struct io *io = loop(env);
	int file = open_file(env, "f", NEW_LOG);
	write_start(io, &write, file, page, size, 8 * BLOCK);
	io_step(io, 0);
	assert_int_equal(write.calls, 0);
	sim_crash(env);
	file = open_file(env, "f", IO_OPEN_READ);
	struct froe_fault fault = {0};
	OK(io_file_read(env, file, back, size, 8 * BLOCK, &fault));
	for (size_t i = 0; i < size / SECTOR; i++) {
		static const uint8_t zeros[SECTOR];
		const uint8_t *sector = back + i * SECTOR;
		bool kept_now = memcmp(sector, page + i * SECTOR, SECTOR) == 0;
		if (!kept_now)
			assert_memory_equal(sector, zeros, SECTOR);
		kept |= (uint32_t)kept_now << i;
	}
	assert_int_equal(write.calls, 0);
	mem_free(back);
	sim_release(env);
	return kept;
}

static void
test_sim__tears_between_sectors(void **state)
{
	enum { SEEDS = 2000, SECTORS = 16 };
	unsigned none = 0, all = 0, prefix = 0, mixed = 0;
	size_t size = SECTORS * SECTOR;
	uint8_t *page = mem_pages(size);

	(void)state;
	memset(page, 0x5a, size);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t kept = torn_sectors(seed, page, size);
		if (kept == 0)
			none++;
		else if (kept == (1u << SECTORS) - 1)
			all++;
		else if ((kept & (kept + 1)) == 0)
			prefix++;
		else
			mixed++;
	}
	/* A quarter each, but of the prefixes a third is empty and one whole. */
	assert_in_range(none, SEEDS / 4, SEEDS / 2);
	assert_in_range(all, SEEDS / 4, SEEDS / 2);
	assert_in_range(prefix, SEEDS / 20, SEEDS / 5);
	assert_in_range(mixed, SEEDS / 8, SEEDS / 3);
	mem_pages_free(page, size);
}

/* Unsynced growth: the length after a crash lies between the durable and the last one. */
static void
test_sim__length_of_unsynced_file(void **state)
{
	struct froe_fault fault = {0};
	unsigned between = 0;
	uint8_t bytes[10000];
	(void)state;
	memset(bytes, 7, sizeof(bytes));
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct io_env *env = world(seed);
		make_zeros(env, "f", 1000);
		int file = open_file(env, "f", RW);
		OK(io_file_write(env, file, bytes, sizeof(bytes), 1000, &fault));
		sim_crash(env);
		uint64_t size = size_of(env, "f");
		assert_in_range(size, 1000, 11000);
		between += size != 1000 && size != 11000;
		sim_release(env);
	}
	assert_in_range(between, 10, 150);
}

/* Linux tells a writeback error once, keeps the new bytes cached and calls them clean. */
static void
test_sim__failed_sync_forgets(void **state)
{
	struct froe_fault fault = {0};
	char back[3];
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct io_env *env = world(seed);
		make_zeros(env, "f", BLOCK);
		int file = open_file(env, "f", RW);
		OK(io_file_write(env, file, "new", 3, 0, &fault));
		sim_fail_after(env, 0, FROE_IO);
		assert_int_equal(io_file_sync(env, file, &fault), FROE_IO);
		OK(io_file_sync(env, file, &fault));
		OK(io_file_read(env, file, back, 3, 0, &fault));
		assert_memory_equal(back, "new", 3);
		uint8_t *page = mem_pages(BLOCK);
		int direct = open_file(env, "f", IO_OPEN_READ | IO_OPEN_DIRECT);
		OK(io_file_read(env, direct, page, BLOCK, 0, &fault));
		assert_memory_equal(page, "\0\0\0", 3);
		sim_crash(env);
		read_all(env, "f", back, 3);
		assert_memory_equal(back, "\0\0\0", 3);
		mem_pages_free(page, BLOCK);
		sim_release(env);
	}
}

/* A loop closed over a write: the bytes are whole or absent, and settled at the next open. */
static void
test_sim__closed_loop_settles_whole(void **state)
{
	struct froe_fault fault = {0};
	uint8_t *page = mem_pages(BLOCK), back[BLOCK], again[BLOCK];
	unsigned landed = 0;
	(void)state;
	memset(page, 0x77, BLOCK);
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct write write;
		struct io_env *env = world(seed);
		make_zeros(env, "f", MIB);
		struct io *io = loop(env);
		int file = open_file(env, "f", NEW_LOG);
		write_start(io, &write, file, page, BLOCK, 0);
		io_close(io);
		io_file_close(env, file);
		assert_int_equal(write.calls, 0);
		read_all(env, "f", back, BLOCK);
		if (memcmp(back, page, BLOCK) == 0)
			landed++;
		else
			assert_int_equal(back[0] | back[BLOCK - 1], 0);
		sim_advance(env, UINT64_C(100000000000));
		read_all(env, "f", again, BLOCK);
		assert_memory_equal(back, again, BLOCK);
		OK(io_path_sync_dir(env, "/", &fault));
		sim_release(env);
	}
	assert_in_range(landed, 25, 75);
	mem_pages_free(page, BLOCK);
}

/* ------------------------------------------------------------------------------------- names */

static void
test_sim__names_need_sync_dir(void **state)
{
	struct froe_fault fault = {0};
	unsigned kept = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct io_env *env = world(seed);
		OK(io_path_mkdir(env, "d", &fault));
		OK(io_path_sync_dir(env, "/", &fault));
		int file = open_file(env, "d/a", NEW_FILE | IO_OPEN_DSYNC);
		OK(io_file_write(env, file, "x", 1, 0, &fault));
		OK(io_path_sync_dir(env, "d", &fault));
		OK(io_path_rename(env, "d/a", "d/b", &fault));
		file = open_file(env, "d/c", NEW_FILE | IO_OPEN_EXCLUSIVE);
		OK(io_path_unlink(env, "d/b", &fault));
		sim_crash(env);
		/* One of: a | b | b c | c. */
		bool a = exists(env, "d/a"), b = exists(env, "d/b"), c = exists(env, "d/c");
		if (a)
			assert_false(b || c);
		else
			assert_true(b || c);
		kept += !a;
		sim_release(env);
	}
	assert_in_range(kept, 60, 190);
}

static void
test_sim__sync_dir_keeps_names(void **state)
{
	struct froe_fault fault = {0};
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		char back[5];
		struct io_env *env = world(seed);
		OK(io_path_mkdir(env, "/data", &fault));
		OK(io_path_mkdir(env, "/data", &fault));
		OK(io_path_sync_dir(env, "/", &fault));
		int file = open_file(env, "/data/x.tmp", NEW_FILE | IO_OPEN_DSYNC);
		OK(io_file_write(env, file, "hello", 5, 0, &fault));
		OK(io_path_rename(env, "/data/x.tmp", "/data/x", &fault));
		OK(io_path_sync_dir(env, "data", &fault));
		sim_crash(env);
		assert_false(exists(env, "/data/x.tmp"));
		read_all(env, "data/./x", back, 5);
		assert_memory_equal(back, "hello", 5);
		sim_release(env);
	}
}

/* A rename over a file: after a crash the name leads to the old or the new one, whole. */
static void
test_sim__rename_replaces_atomically(void **state)
{
	struct froe_fault fault = {0};
	unsigned new = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		char back[3];
		struct io_env *env = world(seed);
		int file = open_file(env, "x", NEW_FILE | IO_OPEN_DSYNC);
		OK(io_file_write(env, file, "old", 3, 0, &fault));
		file = open_file(env, "y", NEW_FILE | IO_OPEN_DSYNC);
		OK(io_file_write(env, file, "new", 3, 0, &fault));
		OK(io_path_sync_dir(env, "/", &fault));
		OK(io_path_rename(env, "y", "x", &fault));
		read_all(env, "x", back, 3);
		assert_memory_equal(back, "new", 3);
		sim_crash(env);
		read_all(env, "x", back, 3);
		assert_int_equal(exists(env, "y"), back[0] == 'o');
		assert_true(memcmp(back, "old", 3) == 0 || memcmp(back, "new", 3) == 0);
		new += back[0] == 'n';
		sim_release(env);
	}
	assert_in_range(new, 50, 150);
}

/* A rename between directories: never in both, never in neither; either sync keeps it. */
static void
test_sim__rename_between_directories(void **state)
{
	struct froe_fault fault = {0};
	unsigned moved = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct io_env *env = world(seed);
		bool sync = seed % 2 == 0;
		OK(io_path_mkdir(env, "a", &fault));
		OK(io_path_mkdir(env, "b", &fault));
		OK(io_path_sync_dir(env, "/", &fault));
		io_file_close(env, open_file(env, "a/x", NEW_FILE));
		if (!sync)
			OK(io_path_sync_dir(env, "a", &fault));
		OK(io_path_rename(env, "a/x", "b/x", &fault));
		io_file_close(env, open_file(env, "b/later", NEW_FILE));
		if (sync)
			OK(io_path_sync_dir(env, "b", &fault));
		sim_crash(env);
		assert_int_not_equal(exists(env, "a/x"), exists(env, "b/x"));
		if (sync)
			assert_true(exists(env, "b/x"));
		else if (exists(env, "b/later"))
			assert_true(exists(env, "b/x"));
		moved += !sync && exists(env, "b/x");
		sim_release(env);
	}
	assert_in_range(moved, 15, 85);
}

static void
test_sim__directory_without_sync_takes_all_with_it(void **state)
{
	struct froe_fault fault = {0};
	unsigned gone = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct io_env *env = world(seed);
		OK(io_path_mkdir(env, "d", &fault));
		io_file_close(env, open_file(env, "d/x", NEW_FILE));
		OK(io_path_sync_dir(env, "d", &fault));
		sim_crash(env);
		enum froe_err err = io_path_sync_dir(env, "d", &fault);
		gone += err != FROE_OK;
		if (err == FROE_OK)
			assert_true(exists(env, "d/x"));
		sim_release(env);
	}
	assert_in_range(gone, 10, 50);
}

static bool
list_collect(void *context, const char *name)
{
	unsigned *seen = context;
	assert_int_equal(strlen(name), 1);
	assert_in_range(name[0], 'a', 'h');
	unsigned bit = 1u << (name[0] - 'a');
	assert_int_equal(*seen & bit, 0);
	*seen |= bit;
	return true;
}

static bool
list_first(void *context, const char *name)
{
	*(char *)context = name[0];
	return false;
}

static void
test_sim__list_each_name_once_in_any_order(void **state)
{
	struct froe_fault fault = {0};
	struct io_env *env = world(4);
	unsigned seen = 0, firsts = 0;
	(void)state;
	OK(io_path_mkdir(env, "d", &fault));
	for (char name[] = "d/a"; name[2] <= 'h'; name[2]++)
		io_file_close(env, open_file(env, name, NEW_FILE));
	OK(io_path_unlink(env, "d/c", &fault));
	OK(io_path_list(env, "d", list_collect, &seen, &fault));
	assert_int_equal(seen, 0xff & ~4u);
	for (int i = 0; i < 100; i++) {
		char first = 0;
		OK(io_path_list(env, "d", list_first, &first, &fault));
		firsts |= 1u << (first - 'a');
	}
	assert_int_equal(firsts, 0xff & ~4u);
	assert_int_equal(io_path_list(env, "e", list_collect, &seen, &fault), FROE_NOT_FOUND);
	sim_release(env);
}

static void
test_sim__refused_names(void **state)
{
	struct froe_fault fault = {0};
	struct io_env *env = world(5);
	int file = -1;
	(void)state;
	OK(io_path_mkdir(env, "d", &fault));
	io_file_close(env, open_file(env, "f", NEW_FILE));
	assert_int_equal(io_file_open(env, "g", RW, &file, &fault), FROE_NOT_FOUND);
	assert_non_null(strstr(fault.text, "g"));
	assert_int_equal(io_file_open(env, "no/g", NEW_FILE, &file, &fault), FROE_NOT_FOUND);
	assert_int_equal(io_file_open(env, "f/g", NEW_FILE, &file, &fault), FROE_NOT_FOUND);
	assert_int_equal(io_file_open(env, "f", NEW_FILE | IO_OPEN_EXCLUSIVE, &file, &fault),
	    FROE_ALREADY_EXISTS);
	assert_int_equal(io_file_open(env, "d", RW, &file, &fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(io_file_open(env, "d/../f", RW, &file, &fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(io_path_mkdir(env, "f", &fault), FROE_ALREADY_EXISTS);
	assert_int_equal(io_path_mkdir(env, "no/d", &fault), FROE_NOT_FOUND);
	assert_int_equal(io_path_unlink(env, "d", &fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(io_path_unlink(env, "g", &fault), FROE_NOT_FOUND);
	assert_int_equal(io_path_rename(env, "g", "h", &fault), FROE_NOT_FOUND);
	assert_int_equal(io_path_sync_dir(env, "f", &fault), FROE_NOT_FOUND);
	assert_int_equal(file, -1);
	sim_release(env);
}

static void
test_sim__unlinked_file_stays_open(void **state)
{
	struct froe_fault fault = {0};
	struct io_env *env = world(6);
	char back[4];
	(void)state;
	int file = open_file(env, "f", NEW_FILE);
	OK(io_file_write(env, file, "kept", 4, 0, &fault));
	OK(io_path_unlink(env, "f", &fault));
	OK(io_path_sync_dir(env, "/", &fault));
	OK(io_file_read(env, file, back, 4, 0, &fault));
	assert_memory_equal(back, "kept", 4);
	io_file_close(env, file);
	assert_false(exists(env, "f"));
	sim_release(env);
}

static void
test_sim__lock_until_close_or_crash(void **state)
{
	struct froe_fault fault = {0};
	struct io_env *env = world(7);
	(void)state;
	make_zeros(env, "LOCK", 0);
	int first = open_file(env, "LOCK", RW), second = open_file(env, "LOCK", RW);
	OK(io_file_lock(env, first, &fault));
	OK(io_file_lock(env, first, &fault));
	uint64_t before = io_mono_ns(env);
	assert_int_equal(io_file_lock(env, second, &fault), FROE_IN_USE);
	assert_int_equal(io_mono_ns(env) - before, 200000000);
	io_file_close(env, first);
	OK(io_file_lock(env, second, &fault));
	sim_crash(env);
	int third = open_file(env, "LOCK", RW);
	OK(io_file_lock(env, third, &fault));
	sim_release(env);
}

/* ---------------------------------------------------------------------- clocks, dice, a seed */

/* A little life with everything in it; its result depends on the seed alone. */
static uint64_t
life(uint64_t seed)
{
	struct sim_options options = {
	    .seed = seed,
	    .start_wall_ns = WALL_NS,
	    .short_write_per_million = 200000,
	    .write_error_per_million = 50000,
	};
	struct froe_fault fault;
	struct io_env *env = sim_open(&options);
	uint8_t *pages = mem_pages(4 * BLOCK);
	struct write writes[3];
	uint64_t result = 0;

	for (int cycle = 0; cycle < 3; cycle++) {
		int file, other;
		struct io *io = loop(env);
		io_random(env, pages, 4 * BLOCK);
		FROE_DROP(io_path_mkdir(env, "d", &fault), "errors are part of this life");
		FROE_DROP(io_path_sync_dir(env, "/", &fault), "errors are part of this life");
		if (io_file_open(env, "d/log", NEW_LOG, &file, &fault) != FROE_OK)
			continue;
		if (io_file_open(env, "d/other", NEW_FILE, &other, &fault) != FROE_OK)
			continue;
		FROE_DROP(io_file_write(env, other, pages, 3000, 100, &fault), "as above");
		for (unsigned i = 0; i < 3; i++)
			write_start(io, &writes[i], file, pages, 4 * BLOCK, i * 4 * BLOCK);
		io_step(io, UINT64_MAX);
		for (unsigned i = 0; i < 3; i++)
			result = result * 31 + (uint64_t)writes[i].result + io_mono_ns(env);
		sim_crash(env);
		io_close(io);
		result = result * 31 + sim_digest(env);
	}
	result += sim_random(env);
	mem_pages_free(pages, 4 * BLOCK);
	sim_release(env);
	return result;
}

static void
test_sim__same_seed_same_world(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		uint64_t result = life(seed);
		assert_true(result == life(seed));
		assert_true(result != life(seed + 1000));
	}
}

/* The published first outputs of xoshiro256** cannot be had through a seed; the shape can. */
static void
test_sim__random_is_spread_and_seeded(void **state)
{
	struct io_env *env = world(8), *same = world(8), *other = world(9);
	uint8_t bytes[8000], again[8000];
	uint64_t ones = 0;
	(void)state;
	io_random(env, bytes, sizeof(bytes));
	io_random(same, again, sizeof(again));
	assert_memory_equal(bytes, again, sizeof(bytes));
	io_random(other, again, sizeof(again));
	assert_memory_not_equal(bytes, again, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		ones += (uint64_t)__builtin_popcount(bytes[i]);
	assert_in_range(ones, 31400, 32600);
	uint64_t harness = sim_random(env);
	io_random(same, bytes, 100); /* the process's dice do not move the harness's */
	assert_true(harness == sim_random(same));
	assert_true(harness != sim_random(other));
	sim_release(env);
	sim_release(same);
	sim_release(other);
}

static void
test_sim__time_passes_only_when_told(void **state)
{
	struct io_env *env = world(10);
	struct io *io = loop(env);
	(void)state;
	uint64_t start = io_mono_ns(env);
	assert_true(io_wall_ns(env) == WALL_NS);
	io_step(io, 0);
	io_step(io, UINT64_MAX);
	assert_true(io_mono_ns(env) == start);
	io_step(io, start + 500);
	assert_true(io_mono_ns(env) == start + 500);
	io_wake(io);
	io_step(io, start + 1000);
	assert_true(io_mono_ns(env) == start + 500);
	io_step(io, start + 100); /* past: nothing */
	assert_true(io_mono_ns(env) == start + 500);
	sim_advance(env, 1500);
	assert_true(io_mono_ns(env) == start + 2000);
	assert_true(io_wall_ns(env) == WALL_NS + 2000);
	sim_wall_step(env, -3000);
	assert_true(io_wall_ns(env) == WALL_NS - 1000);
	assert_true(io_mono_ns(env) == start + 2000);
	sim_release(env);
}

/* Writes complete by their due times: in many orders over the seeds, each once. */
static void
test_sim__completions_in_seeded_order(void **state)
{
	uint8_t *page = mem_pages(BLOCK);
	unsigned second_first = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct write writes[2];
		struct io_env *env = world(seed);
		struct io *io = loop(env);
		int file = open_file(env, "f", NEW_LOG);
		write_start(io, &writes[0], file, page, BLOCK, 0);
		write_start(io, &writes[1], file, page, BLOCK, BLOCK);
		io_step(io, UINT64_MAX);
		second_first += writes[0].calls == 0;
		for (int i = 0; i < 3; i++)
			io_step(io, UINT64_MAX);
		assert_int_equal(writes[0].calls + writes[1].calls, 2);
		assert_int_equal(io->stats.completions, 2);
		sim_release(env);
	}
	assert_in_range(second_first, 60, 140);
	mem_pages_free(page, BLOCK);
}

/* ------------------------------------------------------------------------------------ faults */

static void
test_sim__capacity(void **state)
{
	struct sim_options options = {.seed = 11, .disk_bytes = 3 * MIB};
	struct froe_fault fault = {0};
	struct io_env *env = sim_open(&options);
	struct io_space space;
	uint8_t *page = mem_pages(BLOCK);
	(void)state;
	int file = open_file(env, "a", NEW_LOG);
	OK(io_file_allocate(env, file, 2 * MIB, &fault));
	OK(io_path_space(env, "/", &space, &fault));
	assert_int_equal(space.total_bytes, 3 * MIB);
	assert_int_equal(space.free_bytes, MIB);
	int other = open_file(env, "b", NEW_LOG);
	assert_int_equal(io_file_allocate(env, other, MIB + 1, &fault), FROE_NO_SPACE);
	OK(io_file_allocate(env, other, MIB, &fault));
	assert_int_equal(io_file_write(env, other, page, BLOCK, MIB, &fault), FROE_NO_SPACE);
	OK(io_file_write(env, other, page, BLOCK, MIB - BLOCK, &fault));
	struct io *io = loop(env);
	assert_int_equal(write_wait(io, other, page, BLOCK, MIB), -FROE_NO_SPACE);
	assert_int_equal(write_wait(io, other, page, BLOCK, 0), BLOCK);
	/* Space comes back when the removal is durable and the file is closed. */
	OK(io_path_unlink(env, "a", &fault));
	OK(io_path_sync_dir(env, "/", &fault));
	assert_int_equal(io_file_allocate(env, other, MIB + 1, &fault), FROE_NO_SPACE);
	io_file_close(env, file);
	OK(io_file_allocate(env, other, 3 * MIB, &fault));
	mem_pages_free(page, BLOCK);
	sim_release(env);
}

static void
test_sim__fail_after_counts(void **state)
{
	struct froe_fault fault = {0};
	struct io_env *env = world(12);
	uint8_t *page = mem_pages(BLOCK);
	(void)state;
	struct io *io = loop(env);
	uint64_t before = sim_operations(env);
	int file = open_file(env, "f", NEW_LOG);
	OK(io_file_allocate(env, file, MIB, &fault));
	assert_int_equal(sim_operations(env) - before, 2);
	sim_fail_after(env, 1, FROE_NO_SPACE);
	OK(io_file_sync(env, file, &fault));
	assert_int_equal(io_path_sync_dir(env, "/", &fault), FROE_NO_SPACE);
	assert_non_null(strstr(fault.text, "injected"));
	OK(io_path_sync_dir(env, "/", &fault));
	sim_fail_after(env, 0, FROE_IO);
	assert_int_equal(write_wait(io, file, page, BLOCK, 0), -FROE_IO);
	assert_int_equal(write_wait(io, file, page, BLOCK, 0), BLOCK);
	mem_pages_free(page, BLOCK);
	sim_release(env);
}

static void
test_sim__short_writes_and_errors_by_chance(void **state)
{
	struct sim_options options = {
	    .seed = 13,
	    .short_write_per_million = 300000,
	    .write_error_per_million = 100000,
	};
	enum { SIZE = 4 * BLOCK };
	struct io_env *env = sim_open(&options);
	uint8_t *pages = mem_pages(SIZE);
	unsigned shorts = 0, errors = 0;
	(void)state;
	struct io *io = loop(env);
	int file = open_file(env, "f", NEW_LOG);
	for (int i = 0; i < 1000; i++) {
		int32_t result = write_wait(io, file, pages, SIZE, 0);
		errors += result == -FROE_IO;
		if (result != -FROE_IO)
			assert_true(result > 0 && result % (int32_t)BLOCK == 0);
		shorts += result > 0 && result < SIZE;
	}
	assert_in_range(errors, 60, 140);
	assert_in_range(shorts, 210, 330);
	mem_pages_free(pages, SIZE);
	sim_release(env);
}

/* The rest of a short write is not on the disk. */
static void
test_sim__short_write_stores_what_it_says(void **state)
{
	enum { SIZE = 4 * BLOCK };
	struct sim_options options = {.seed = 14, .short_write_per_million = 1000000};
	uint8_t *pages = mem_pages(SIZE), *back = mem_alloc(SIZE);
	struct io_env *env = sim_open(&options);
	(void)state;
	memset(pages, 9, SIZE);
	make_zeros(env, "f", SIZE);
	struct io *io = loop(env);
	int32_t result = write_wait(io, open_file(env, "f", NEW_LOG), pages, SIZE, 0);
	assert_in_range(result, BLOCK, SIZE - BLOCK);
	read_all(env, "f", back, SIZE);
	assert_memory_equal(back, pages, (size_t)result);
	assert_int_equal(back[result], 0);
	assert_int_equal(back[SIZE - 1], 0);
	mem_pages_free(pages, SIZE);
	mem_free(back);
	sim_release(env);
}

static void
test_sim__stuck_write(void **state)
{
	struct sim_options options = {.seed = 15, .stuck_write_per_million = 1000000};
	struct io_env *env = sim_open(&options);
	uint8_t *page = mem_pages(BLOCK);
	(void)state;
	struct io *io = loop(env);
	uint64_t before = io_mono_ns(env);
	assert_int_equal(write_wait(io, open_file(env, "f", NEW_LOG), page, BLOCK, 0), BLOCK);
	assert_in_range((io_mono_ns(env) - before) / 1000000000, 10, 60);
	mem_pages_free(page, BLOCK);
	sim_release(env);
}

static void
test_sim__asynchronous_read(void **state)
{
	struct froe_fault fault = {0};
	struct io_env *env = world(16);
	char back[10] = "..........";
	struct write read = {0};
	(void)state;
	struct io *io = loop(env);
	int file = open_file(env, "f", NEW_FILE);
	OK(io_file_write(env, file, "0123456789", 10, 0, &fault));
	io_op_init(&read.op, write_done);
	io_read(io, &read.op, file, back, 10, 4);
	io_step(io, UINT64_MAX);
	assert_int_equal(read.result, 6);
	assert_memory_equal(back, "456789....", 10);
	io_read(io, &read.op, file, back, 10, 10);
	io_step(io, UINT64_MAX);
	assert_int_equal(read.result, 0);
	assert_int_equal(io_file_read(env, file, back, 5, 6, &fault), FROE_CORRUPT);
	sim_release(env);
}

static void
test_sim__cancel_completes_once(void **state)
{
	uint8_t *page = mem_pages(BLOCK), back[BLOCK];
	unsigned cancelled = 0;
	(void)state;
	memset(page, 3, BLOCK);
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct write write;
		struct io_env *env = world(seed);
		struct io *io = loop(env);
		make_zeros(env, "f", BLOCK);
		write_start(io, &write, open_file(env, "f", NEW_LOG), page, BLOCK, 0);
		io_cancel(io, &write.op);
		io_step(io, 0);
		io_cancel(io, &write.op);
		io_step(io, UINT64_MAX);
		assert_int_equal(write.calls, 1);
		cancelled += write.result == -FROE_CANCELLED;
		read_all(env, "f", back, BLOCK);
		assert_int_equal(back[0], write.result == (int32_t)BLOCK ? 3 : 0);
		sim_release(env);
	}
	assert_in_range(cancelled, 25, 75);
	mem_pages_free(page, BLOCK);
}

/* A process stopped at each of its operations in turn: what was durable before stays so. */
static void
test_sim__die_after(void **state)
{
	struct froe_fault fault = {0};
	unsigned seen = 0;
	(void)state;
	for (uint64_t at = 0; at < 12; at++) {
		struct io_env *env = world(at + 1);
		make_zeros(env, "old", BLOCK);
		sim_die_after(env, at);
		int file = -1;
		enum froe_err err = io_file_open(env, "x.tmp", NEW_FILE, &file, &fault);
		if (err == FROE_OK)
			err = io_file_write(env, file, "hello", 5, 0, &fault);
		if (err == FROE_OK)
			err = io_file_sync(env, file, &fault);
		if (err == FROE_OK)
			err = io_path_rename(env, "x.tmp", "x", &fault);
		if (err == FROE_OK)
			err = io_path_sync_dir(env, "/", &fault);
		assert_int_equal(err, at < 5 ? FROE_IO : FROE_OK);
		sim_crash(env);
		assert_true(exists(env, "old"));
		if (at >= 5)
			assert_true(exists(env, "x"));
		if (exists(env, "x")) {
			char back[5];
			read_all(env, "x", back, 5);
			assert_memory_equal(back, "hello", 5);
			seen++;
		}
		sim_release(env);
	}
	assert_in_range(seen, 7, 8);
}

static void
test_sim__dead_process_writes_nothing(void **state)
{
	uint8_t *page = mem_pages(BLOCK), back[BLOCK];
	(void)state;
	memset(page, 1, BLOCK);
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct write write;
		struct froe_fault fault;
		struct io_env *env = world(seed);
		make_zeros(env, "f", BLOCK);
		struct io *io = loop(env);
		int file = open_file(env, "f", NEW_LOG);
		sim_die_after(env, 0);
		assert_int_equal(io_path_mkdir(env, "d", &fault), FROE_IO);
		write_start(io, &write, file, page, BLOCK, 0);
		assert_int_equal(io_file_write(env, file, page, BLOCK, 0, &fault), FROE_IO);
		io_step(io, io_mono_ns(env) + UINT64_C(90000000000));
		assert_int_equal(write.calls, 0);
		sim_crash(env);
		io_close(io);
		read_all(env, "f", back, BLOCK);
		assert_int_equal(back[0] | back[BLOCK - 1], 0);
		sim_release(env);
	}
	mem_pages_free(page, BLOCK);
}

static void
test_sim__lies(void **state)
{
	struct froe_fault fault = {0};
	struct io_env *env = world(17);
	char back[8];
	(void)state;
	int file = open_file(env, "f", NEW_FILE);
	OK(io_file_write(env, file, "abcdefgh", 8, 0, &fault));
	OK(io_file_sync(env, file, &fault));
	OK(io_path_sync_dir(env, "/", &fault));
	assert_int_equal(sim_corrupt(env, "f", 2, "XY", 2), FROE_OK);
	read_all(env, "f", back, 8);
	assert_memory_equal(back, "abXYefgh", 8);
	assert_int_equal(sim_corrupt(env, "f", 7, "XY", 2), FROE_INVALID_ARGUMENT);
	assert_int_equal(sim_corrupt(env, "g", 0, "XY", 2), FROE_NOT_FOUND);
	assert_int_equal(sim_truncate(env, "f", 3), FROE_OK);
	assert_int_equal(size_of(env, "f"), 3);
	assert_int_equal(sim_truncate(env, "f", 8), FROE_OK);
	read_all(env, "f", back, 8);
	assert_memory_equal(back, "abX\0\0\0\0\0", 8);
	assert_int_equal(sim_truncate(env, "g", 8), FROE_NOT_FOUND);
	uint64_t digest = sim_digest(env);
	assert_int_equal(sim_corrupt(env, "f", 2, "Z", 1), FROE_OK);
	assert_true(digest != sim_digest(env));
	sim_release(env);
}

/* -------------------------------------------------------------------------------- assertions */

/* Runs a piece of misuse in a child, which must end by froe_panic. */
static void
must_panic(void misuse(void))
{
	int status;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(0);
		signal(SIGABRT, SIG_DFL);
		misuse();
		_exit(0);
	}
	assert_true(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), FROE_EXIT_SOFTWARE);
	else
		assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
misuse_buffer(void)
{
	struct io_env *env = world(1);
	uint8_t *page = mem_pages(BLOCK);
	struct write write;
	struct io *io = loop(env);
	write_start(io, &write, open_file(env, "f", NEW_LOG), page, BLOCK, 0);
	page[BLOCK - 1] = 1;
	io_step(io, UINT64_MAX);
}

static void
misuse_alignment(void)
{
	struct io_env *env = world(1);
	struct froe_fault fault;
	uint8_t *page = mem_pages(2 * BLOCK);
	int file = open_file(env, "f", NEW_LOG);
	FROE_DROP(io_file_write(env, file, page + SECTOR, BLOCK, 0, &fault), "it must not return");
}

static void
misuse_closed_file(void)
{
	struct io_env *env = world(1);
	struct froe_fault fault;
	int file = open_file(env, "f", NEW_FILE);
	io_file_close(env, file);
	file = open_file(env, "f", NEW_FILE) - 1;
	FROE_DROP(io_file_sync(env, file, &fault), "it must not return");
}

static void
misuse_dead_loop(void)
{
	struct io_env *env = world(1);
	struct io *io = loop(env);
	sim_crash(env);
	io_step(io, 0);
}

static void
test_sim__misuse_panics(void **state)
{
	(void)state;
	must_panic(misuse_buffer);
	must_panic(misuse_alignment);
	must_panic(misuse_closed_file);
	must_panic(misuse_dead_loop);
}

/* ------------------------------------------------------------------------------------- model */

/* A file's sectors as versions: after a crash each is one that was written since the last sync. */
enum { MODEL_SECTORS = 24 };

struct model {
	uint8_t durable[MODEL_SECTORS]; /* the version that a crash must at least keep */
	uint8_t now[MODEL_SECTORS];
};

static void
model_write(struct io_env *env, int file, struct model *model, uint8_t version, bool durable)
{
	struct froe_fault fault = {0};
	uint8_t bytes[8 * SECTOR];
	uint64_t first = sim_random(env) % (MODEL_SECTORS - 8);
	size_t count = 1 + sim_random(env) % 8;
	memset(bytes, version, sizeof(bytes));
	OK(io_file_write(env, file, bytes, count * SECTOR, first * SECTOR, &fault));
	memset(model->now + first, version, count);
	if (durable)
		memset(model->durable + first, version, count);
}

static void
model_compare(struct io_env *env, struct model *model)
{
	uint8_t back[MODEL_SECTORS * SECTOR];
	read_all(env, "f", back, sizeof(back));
	for (size_t i = 0; i < MODEL_SECTORS; i++) {
		const uint8_t *sector = back + i * SECTOR;
		for (size_t j = 1; j < SECTOR; j++)
			assert_int_equal(sector[j], sector[0]);
		if (sector[0] != model->durable[i])
			assert_int_equal(sector[0], model->now[i]);
		model->durable[i] = sector[0];
		model->now[i] = sector[0];
	}
}

static void
test_sim__against_a_model(void **state)
{
	struct froe_fault fault = {0};
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct model model = {0};
		struct io_env *env = world(seed);
		make_zeros(env, "f", MODEL_SECTORS * SECTOR);
		for (int cycle = 0; cycle < 5; cycle++) {
			int cached = open_file(env, "f", RW);
			int durable = open_file(env, "f", RW | IO_OPEN_DSYNC);
			for (uint8_t i = 0; i < 10; i++) {
				uint8_t version = (uint8_t)(cycle * 10 + i + 1);
				bool is_durable = sim_random(env) % 3 == 0;
				model_write(env, is_durable ? durable : cached, &model, version,
				    is_durable);
				if (sim_random(env) % 6 == 0) {
					OK(io_file_sync(env, cached, &fault));
					memcpy(model.durable, model.now, sizeof(model.now));
				}
			}
			sim_crash(env);
			model_compare(env, &model);
		}
		sim_release(env);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sim__completed_write_survives),
	    cmocka_unit_test(test_sim__without_dsync_needs_sync),
	    cmocka_unit_test(test_sim__tears_between_sectors),
	    cmocka_unit_test(test_sim__length_of_unsynced_file),
	    cmocka_unit_test(test_sim__failed_sync_forgets),
	    cmocka_unit_test(test_sim__closed_loop_settles_whole),
	    cmocka_unit_test(test_sim__names_need_sync_dir),
	    cmocka_unit_test(test_sim__sync_dir_keeps_names),
	    cmocka_unit_test(test_sim__rename_replaces_atomically),
	    cmocka_unit_test(test_sim__rename_between_directories),
	    cmocka_unit_test(test_sim__directory_without_sync_takes_all_with_it),
	    cmocka_unit_test(test_sim__list_each_name_once_in_any_order),
	    cmocka_unit_test(test_sim__refused_names),
	    cmocka_unit_test(test_sim__unlinked_file_stays_open),
	    cmocka_unit_test(test_sim__lock_until_close_or_crash),
	    cmocka_unit_test(test_sim__same_seed_same_world),
	    cmocka_unit_test(test_sim__random_is_spread_and_seeded),
	    cmocka_unit_test(test_sim__time_passes_only_when_told),
	    cmocka_unit_test(test_sim__completions_in_seeded_order),
	    cmocka_unit_test(test_sim__capacity),
	    cmocka_unit_test(test_sim__fail_after_counts),
	    cmocka_unit_test(test_sim__short_writes_and_errors_by_chance),
	    cmocka_unit_test(test_sim__short_write_stores_what_it_says),
	    cmocka_unit_test(test_sim__stuck_write),
	    cmocka_unit_test(test_sim__asynchronous_read),
	    cmocka_unit_test(test_sim__cancel_completes_once),
	    cmocka_unit_test(test_sim__die_after),
	    cmocka_unit_test(test_sim__dead_process_writes_nothing),
	    cmocka_unit_test(test_sim__lies),
	    cmocka_unit_test(test_sim__misuse_panics),
	    cmocka_unit_test(test_sim__against_a_model),
	};
	return cmocka_run_group_tests_name("io_sim", tests, NULL, NULL);
}
