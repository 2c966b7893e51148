/*
 * The simulated world: what is durable when, what a crash may leave and what never, and that a seed
 * is a world. Where a distribution matters, many seeds are counted.
 */
#include "io_sim_world.h"

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
	OK(io_file_lock(env, first, true, &fault));
	OK(io_file_lock(env, first, true, &fault));
	uint64_t before = io_mono_ns(env);
	assert_int_equal(io_file_lock(env, second, true, &fault), FROE_IN_USE);
	assert_int_equal(io_mono_ns(env) - before, 200000000);
	io_file_close(env, first);
	OK(io_file_lock(env, second, true, &fault));
	sim_crash(env);
	int third = open_file(env, "LOCK", RW);
	OK(io_file_lock(env, third, true, &fault));
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
	    cmocka_unit_test(test_sim__against_a_model),
	};
	return cmocka_run_group_tests_name("io_sim", tests, NULL, NULL);
}
