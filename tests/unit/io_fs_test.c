/* The blocking calls of the real worlds: files, directories, locks, clocks. */
#include "io/file.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 4096u

struct place {
	struct io_env *env;
	char directory[256];
	char path[300];
};

static int
place_setup(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));
	const char *base = getenv("TMPDIR");

	snprintf(place->directory, sizeof(place->directory), "%s/froe-fs-XXXXXX",
	    base != NULL ? base : "/tmp");
	if (mkdtemp(place->directory) == NULL)
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/file", place->directory);
	place->env = io_env_posix();
	*state = place;
	return 0;
}

static bool
place_remove(void *context, const char *name)
{
	struct place *place = context;
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", place->directory, name);
	remove(path);
	return true;
}

static int
place_teardown(void **state)
{
	struct place *place = *state;

	FROE_DROP(io_path_list(place->env, place->directory, place_remove, place, NULL), "tidying");
	int failed = rmdir(place->directory);
	mem_free(place);
	return failed;
}

static int
place_open(struct place *place, unsigned flags)
{
	struct froe_fault fault;
	int file = -1;

	enum froe_err err = io_file_open(place->env, place->path, flags, &file, &fault);
	if (err != FROE_OK)
		fail_msg("%s", fault.text);
	return file;
}

static void
test_fs__writes_and_reads_back_directly(void **state)
{
	struct place *place = *state;
	uint8_t *block = mem_pages(2 * BLOCK);
	uint64_t size = 0;

	int file = place_open(place, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE |
	    IO_OPEN_EXCLUSIVE | IO_OPEN_DIRECT | IO_OPEN_DSYNC);
	memset(block, 'a', BLOCK);
	memset(block + BLOCK, 'b', BLOCK);
	assert_int_equal(io_file_write(place->env, file, block, 2 * BLOCK, BLOCK, NULL), FROE_OK);
	memset(block, 0, 2 * BLOCK);
	assert_int_equal(io_file_read(place->env, file, block, 2 * BLOCK, BLOCK, NULL), FROE_OK);
	assert_int_equal(block[0], 'a');
	assert_int_equal(block[2 * BLOCK - 1], 'b');
	assert_int_equal(io_file_size(place->env, file, &size, NULL), FROE_OK);
	assert_int_equal(size, 3 * BLOCK);
	assert_int_equal(io_file_sync(place->env, file, NULL), FROE_OK);
	io_file_close(place->env, file);
	mem_pages_free(block, 2 * BLOCK);
}

static void
test_fs__read_past_the_end_is_corrupt(void **state)
{
	struct place *place = *state;
	struct froe_fault fault = {0};
	uint8_t *block = mem_pages(2 * BLOCK);

	int file = place_open(place, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);
	assert_int_equal(io_file_write(place->env, file, "hello", 5, 0, NULL), FROE_OK);
	assert_int_equal(io_file_read(place->env, file, block, 6, 0, &fault), FROE_CORRUPT);
	assert_non_null(strstr(fault.text, place->path));
	io_file_close(place->env, file);

	/* The odd tail of a directly read file: the kernel may say EINVAL after it. */
	file = place_open(place, IO_OPEN_READ | IO_OPEN_DIRECT);
	assert_int_equal(
	    io_file_read(place->env, file, block, 2 * BLOCK, 0, &fault), FROE_CORRUPT);
	assert_int_equal(io_file_read(place->env, file, block, BLOCK, BLOCK, &fault), FROE_CORRUPT);
	io_file_close(place->env, file);
	mem_pages_free(block, 2 * BLOCK);
}

static void
test_fs__open_says_what_and_where(void **state)
{
	struct place *place = *state;
	struct froe_fault fault = {0};
	int file = -7;

	assert_int_equal(
	    io_file_open(place->env, place->path, IO_OPEN_READ, &file, &fault), FROE_NOT_FOUND);
	assert_int_equal(file, -7);
	assert_int_equal(fault.code, FROE_NOT_FOUND);
	assert_non_null(strstr(fault.text, place->path));
	file = place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE);
	io_file_close(place->env, file);
	unsigned again = IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE | IO_OPEN_DIRECT;
	assert_int_equal(
	    io_file_open(place->env, place->path, again, &file, &fault), FROE_ALREADY_EXISTS);
}

static void
test_fs__files_and_directories_are_private(void **state)
{
	struct place *place = *state;
	struct stat status;

	io_file_close(place->env, place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE));
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(io_path_unlink(place->env, place->path, NULL), FROE_OK);
	assert_int_equal(io_path_unlink(place->env, place->path, NULL), FROE_NOT_FOUND);
	assert_int_equal(io_path_mkdir(place->env, place->path, NULL), FROE_OK);
	assert_int_equal(io_path_mkdir(place->env, place->path, NULL), FROE_OK);
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
}

static void
test_fs__mkdir_over_a_file_is_refused(void **state)
{
	struct place *place = *state;

	io_file_close(place->env, place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE));
	assert_int_equal(io_path_mkdir(place->env, place->path, NULL), FROE_ALREADY_EXISTS);
}

struct listing {
	unsigned count;
	unsigned stop_at;
	bool dots;
};

static bool
listing_add(void *context, const char *name)
{
	struct listing *listing = context;

	listing->count++;
	if (name[0] == '.')
		listing->dots = true;
	return listing->count != listing->stop_at;
}

static void
test_fs__list_skips_dots_and_stops_when_told(void **state)
{
	struct place *place = *state;
	struct listing all = {0};
	struct listing two = {.stop_at = 2};

	for (char digit = '0'; digit < '5'; digit++) {
		char path[400];
		int file = -1;
		snprintf(path, sizeof(path), "%s%c", place->path, digit);
		assert_int_equal(io_file_open(place->env, path, IO_OPEN_WRITE | IO_OPEN_CREATE,
		    &file, NULL), FROE_OK);
		io_file_close(place->env, file);
	}
	assert_int_equal(
	    io_path_list(place->env, place->directory, listing_add, &all, NULL), FROE_OK);
	assert_int_equal(all.count, 5);
	assert_false(all.dots);
	assert_int_equal(
	    io_path_list(place->env, place->directory, listing_add, &two, NULL), FROE_OK);
	assert_int_equal(two.count, 2);
	assert_int_equal(
	    io_path_list(place->env, place->path, listing_add, &two, NULL), FROE_NOT_FOUND);
}

static void
test_fs__rename_replaces_and_directory_syncs(void **state)
{
	struct place *place = *state;
	char other[400];
	char byte = 0;

	snprintf(other, sizeof(other), "%s.tmp", place->path);
	int file = place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE);
	assert_int_equal(io_file_write(place->env, file, "1", 1, 0, NULL), FROE_OK);
	io_file_close(place->env, file);
	assert_int_equal(io_path_rename(place->env, place->path, other, NULL), FROE_OK);
	assert_int_equal(io_path_sync_dir(place->env, place->directory, NULL), FROE_OK);
	assert_int_equal(io_path_sync_dir(place->env, place->path, NULL), FROE_NOT_FOUND);
	assert_int_equal(
	    io_path_rename(place->env, place->path, other, NULL), FROE_NOT_FOUND);
	assert_int_equal(io_path_rename(place->env, other, place->path, NULL), FROE_OK);
	file = place_open(place, IO_OPEN_READ);
	assert_int_equal(io_file_read(place->env, file, &byte, 1, 0, NULL), FROE_OK);
	assert_int_equal(byte, '1');
	io_file_close(place->env, file);
}

static void
test_fs__allocate_makes_room_or_says_unsupported(void **state)
{
	struct place *place = *state;
	uint64_t size = 0;

	int file = place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE);
	enum froe_err err = io_file_allocate(place->env, file, 1 << 20, NULL);
	assert_true(err == FROE_OK || err == FROE_UNSUPPORTED);
	assert_int_equal(io_file_size(place->env, file, &size, NULL), FROE_OK);
	assert_int_equal(size, err == FROE_OK ? 1 << 20 : 0);
	io_file_close(place->env, file);
}

static void
test_fs__lock_is_exclusive_until_close(void **state)
{
	struct place *place = *state;
	struct froe_fault fault = {0};

	int first = place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE);
	int second = place_open(place, IO_OPEN_WRITE);
	assert_int_equal(io_file_lock(place->env, first, true, NULL), FROE_OK);
	uint64_t from = io_mono_ns(place->env);
	assert_int_equal(io_file_lock(place->env, second, true, &fault), FROE_IN_USE);
	assert_true(io_mono_ns(place->env) - from >= 4 * UINT64_C(50000000));
	assert_non_null(strstr(fault.text, place->path));
	io_file_close(place->env, first);
	assert_int_equal(io_file_lock(place->env, second, true, NULL), FROE_OK);
	io_file_close(place->env, second);
}

static void
test_fs__space_and_traits(void **state)
{
	struct place *place = *state;
	struct io_space space = {0};
	struct io_traits of_directory = {0};
	struct io_traits of_file = {0};

	assert_int_equal(io_path_space(place->env, place->directory, &space, NULL), FROE_OK);
	assert_true(space.total_bytes >= space.free_bytes);
	assert_true(space.total_bytes > 0);
	assert_int_equal(
	    io_path_traits(place->env, place->directory, &of_directory, NULL), FROE_OK);
	io_file_close(place->env, place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE));
	assert_int_equal(io_path_traits(place->env, place->path, &of_file, NULL), FROE_OK);
	assert_true(of_directory.block_bytes >= BLOCK);
	assert_int_equal(of_directory.block_bytes % BLOCK, 0);
	assert_int_equal(of_directory.block_bytes, of_file.block_bytes);
	assert_int_equal(of_directory.direct, of_file.direct);
	if (!of_directory.direct)
		assert_non_null(of_directory.warning);
}

static void
test_fs__memory_file_system_is_not_direct(void **state)
{
	struct place *place = *state;
	struct io_traits traits = {0};

	if (access("/dev/shm", W_OK) != 0)
		skip();
	assert_int_equal(io_path_traits(place->env, "/dev/shm", &traits, NULL), FROE_OK);
	if (traits.warning == NULL || strstr(traits.warning, "memory") == NULL)
		skip(); /* not a tmpfs here */
	assert_false(traits.direct);
	char path[64];
	int file = -1;
	snprintf(path, sizeof(path), "/dev/shm/froe-fs-%d", (int)getpid());
	assert_int_equal(io_file_open(place->env, path, IO_OPEN_WRITE | IO_OPEN_CREATE |
	    IO_OPEN_EXCLUSIVE | IO_OPEN_DIRECT, &file, NULL), FROE_OK);
	io_file_close(place->env, file);
	assert_int_equal(io_path_unlink(place->env, path, NULL), FROE_OK);
}

static void
test_fs__write_errors_are_typed(void **state)
{
	struct place *place = *state;
	struct froe_fault fault = {0};
	struct rlimit old;

	int file = place_open(place, IO_OPEN_WRITE | IO_OPEN_CREATE);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	struct rlimit small = {.rlim_cur = BLOCK, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum froe_err err = io_file_write(place->env, file, "x", 1, BLOCK, &fault);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, handler);
	assert_int_equal(err, FROE_NO_SPACE);
	assert_int_equal(fault.sys_errno, EFBIG);
	assert_non_null(strstr(fault.text, place->path));
	io_file_close(place->env, file);
	file = place_open(place, IO_OPEN_READ);
	assert_int_equal(io_file_write(place->env, file, "x", 1, 0, &fault), FROE_IO);
	io_file_close(place->env, file);
}

static void
test_fs__clocks_and_dice(void **state)
{
	struct place *place = *state;
	uint8_t zero[64] = {0};
	uint8_t dice[64] = {0};

	uint64_t mono_ns = io_mono_ns(place->env);
	for (int i = 0; i < 1000; i++) {
		uint64_t next_ns = io_mono_ns(place->env);
		assert_true(next_ns >= mono_ns);
		mono_ns = next_ns;
	}
	/* after 2020, before 2200 */
	assert_in_range(io_wall_ns(place->env) / 1000000000u, 1577836800u, 7258118400u);
	io_random(place->env, dice, sizeof(dice));
	assert_memory_not_equal(dice, zero, sizeof(dice));
	memcpy(zero, dice, sizeof(dice));
	io_random(place->env, dice, sizeof(dice));
	assert_memory_not_equal(dice, zero, sizeof(dice));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_fs__writes_and_reads_back_directly),
	    TEST(test_fs__read_past_the_end_is_corrupt),
	    TEST(test_fs__open_says_what_and_where),
	    TEST(test_fs__files_and_directories_are_private),
	    TEST(test_fs__mkdir_over_a_file_is_refused),
	    TEST(test_fs__list_skips_dots_and_stops_when_told),
	    TEST(test_fs__rename_replaces_and_directory_syncs),
	    TEST(test_fs__allocate_makes_room_or_says_unsupported),
	    TEST(test_fs__lock_is_exclusive_until_close),
	    TEST(test_fs__space_and_traits),
	    TEST(test_fs__memory_file_system_is_not_direct),
	    TEST(test_fs__write_errors_are_typed),
	    TEST(test_fs__clocks_and_dice),
	};
	return cmocka_run_group_tests_name("io_fs", tests, NULL, NULL);
}
