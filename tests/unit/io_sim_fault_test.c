/*
 * The simulated world's faults: a full disk, injected errors, short, slow and cancelled operations,
 * a process that stops half-way, a disk that lies, and misuse that must panic.
 */
#include "io_sim_world.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------ faults */

static void
test_sim__capacity(void **state)
{
	/* A directory takes a block, the root too. */
	struct sim_options options = {.seed = 11, .disk_bytes = 3 * MIB + BLOCK};
	struct froe_fault fault = {0};
	struct io_env *env = sim_open(&options);
	struct io_space space;
	uint8_t *page = mem_pages(BLOCK);
	(void)state;
	int file = open_file(env, "a", NEW_LOG);
	OK(io_file_allocate(env, file, 2 * MIB, &fault));
	OK(io_path_space(env, "/", &space, &fault));
	assert_int_equal(space.total_bytes, 3 * MIB + BLOCK);
	assert_int_equal(space.free_bytes, MIB);
	int other = open_file(env, "b", NEW_LOG);
	assert_int_equal(io_file_allocate(env, other, MIB + 1, &fault), FROE_NO_SPACE);
	OK(io_file_allocate(env, other, MIB, &fault));
	assert_int_equal(io_path_mkdir(env, "d", &fault), FROE_NO_SPACE);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests_name("io_sim_faults", tests, NULL, NULL);
}
