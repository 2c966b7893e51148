/* Turns, deadlines, wakes and files on both real loops. */
#define _GNU_SOURCE /* pipe2 */
#include "io_real_world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BLOCK 4096u

/* ----------------------------------------------------------------------------------- deadlines */

/* A signal may end a turn early; a loop that does not wait at all would need thousands of turns. */
static void
step_until(struct world *world, uint64_t deadline_ns)
{
	for (int turns = 0; io_mono_ns(world->env) < deadline_ns; turns++) {
		assert_true(turns < 20);
		io_step(world->io, deadline_ns);
	}
}

static void
test_loop__the_deadline_passes(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < 5; i++) {
		uint64_t deadline_ns = io_mono_ns(world->env) + 3 * MS + 500;
		step_until(world, deadline_ns);
		assert_true(io_mono_ns(world->env) < deadline_ns + 5000 * MS);
	}
	assert_int_equal(world->io->stats.completions, 0);
}

static void
test_loop__no_wait_and_a_past_deadline_return_at_once(void **state)
{
	struct world *world = *state;

	io_step(world->io, 0);
	io_step(world->io, 1);
	io_step(world->io, io_mono_ns(world->env));
	assert_int_equal(world->io->stats.turns, 3);
}

/* ---------------------------------------------------------------------------------------- wakes */

struct waker {
	pthread_t thread;
	struct io *target;
	atomic_uint_fast64_t *work; /* what a wake announces */
	uint64_t rounds;
};

static void *
waker_main(void *context)
{
	struct waker *waker = context;

	for (uint64_t i = 0; i < waker->rounds; i++) {
		atomic_fetch_add_explicit(waker->work, 1, memory_order_relaxed);
		io_wake(waker->target);
	}
	return NULL;
}

/* System calls of a turn that waits until something comes, or the deadline passes. */
static uint64_t
calls_of_turn(struct world *world, uint64_t deadline_ns)
{
	uint64_t turns = world->io->stats.turns;

	io_step(world->io, deadline_ns);
	return world->io->stats.turns - turns;
}

/* A wait that was polled has two calls; it is, after one that was short, and not after a long one.
 * A signal, or others on the core, may come between: so each is tried. */
static void
test_loop__looks_after_a_short_wait(void **state)
{
	struct world *world = *state;
	atomic_uint_fast64_t work = 0;
	struct waker waker = {.target = world->io, .work = &work, .rounds = 1};
	unsigned tries = 0;

	while (calls_of_turn(world, io_mono_ns(world->env) + 2 * WORLD_POLL_NS) != 1)
		assert_true(tries++ < 20);
	for (uint64_t calls = 1; calls != 2; tries++) {
		assert_true(tries < 1000);
		assert_int_equal(
		    pthread_create(&waker.thread, NULL, waker_main, &waker), 0);
		calls = calls_of_turn(world, UINT64_MAX);
		assert_int_equal(pthread_join(waker.thread, NULL), 0);
	}
	while (calls_of_turn(world, io_mono_ns(world->env) + 2 * WORLD_POLL_NS) != 1)
		assert_true(tries++ < 1100);
}

/* What was asked of the device since the last look; -1: nothing. */
static int32_t
asked(int device)
{
	int32_t us;
	ssize_t got = read(device, &us, sizeof(us));

	assert_true(got == (ssize_t)sizeof(us) || (got < 0 && errno == EAGAIN));
	return got > 0 ? us : -1;
}

/* After many short waits cores are asked to be quick, once; when nothing comes they need not be. */
static void
test_loop__cores_are_quick_while_waits_are_short(void **state)
{
	struct world *world = *state;
	atomic_uint_fast64_t work = 0;
	struct waker waker = {.target = world->io, .work = &work, .rounds = 1};
	int device[2], us = -1;
	unsigned waits = 0;

	assert_int_equal(pipe2(device, O_NONBLOCK), 0);
	io_quick(world->io, device[1]);
	for (; (us = asked(device[0])) < 0; waits++) {
		assert_true(waits < 10000);
		assert_int_equal(pthread_create(&waker.thread, NULL, waker_main, &waker), 0);
		io_step(world->io, UINT64_MAX);
		assert_int_equal(pthread_join(waker.thread, NULL), 0);
	}
	assert_int_equal(us, 0);
	assert_true(waits >= 16); /* not for a few */
	assert_int_equal(world->io->stats.quick, 1);
	for (unsigned i = 0; (us = asked(device[0])) < 0; i++) {
		assert_true(i < 1000);
		io_step(world->io, io_mono_ns(world->env) + 30 * MS);
	}
	assert_int_equal(us, 2000000000);
	io_step(world->io, io_mono_ns(world->env) + 30 * MS);
	assert_int_equal(asked(device[0]), -1);
	io_quick(world->io, -1);
	close(device[0]);
	close(device[1]);
}

/* Three threads announce work; without a deadline the loop must see all of it. The sum is read
 * before each step: a wake that was lost would leave the step waiting for ever. */
static void
test_loop__woken_by_other_threads(void **state)
{
	enum { THREADS = 3, ROUNDS = 3000 };
	struct world *world = *state;
	struct waker wakers[THREADS];
	atomic_uint_fast64_t work = 0;

	for (int i = 0; i < THREADS; i++) {
		wakers[i] = (struct waker){.target = world->io, .work = &work, .rounds = ROUNDS};
		assert_int_equal(
		    pthread_create(&wakers[i].thread, NULL, waker_main, &wakers[i]), 0);
	}
	alarm(60);
	while (atomic_load_explicit(&work, memory_order_relaxed) < THREADS * ROUNDS)
		io_step(world->io, UINT64_MAX);
	alarm(0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(wakers[i].thread, NULL), 0);
	assert_true(world->io->stats.turns <= THREADS * ROUNDS + 2);
}

/* Plain memory, written before the wake and read after it: the thread sanitizer judges. */
struct letter {
	struct io *target;
	int text;
	atomic_bool seen;
};

static void *
letter_main(void *context)
{
	struct letter *letter = context;

	for (int i = 1; i <= 200; i++) {
		letter->text = i;
		io_wake(letter->target);
		while (!atomic_exchange_explicit(&letter->seen, false, memory_order_acquire))
			nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
	}
	return NULL;
}

static void
test_loop__a_wake_publishes_what_was_written(void **state)
{
	struct world *world = *state;
	struct letter letter = {.target = world->io};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, letter_main, &letter), 0);
	alarm(60);
	for (int i = 1; i <= 200; i++) {
		uint64_t wakes = world->io->stats.wakes;
		while (world->io->stats.wakes == wakes)
			io_step(world->io, UINT64_MAX);
		assert_int_equal(letter.text, i);
		atomic_store_explicit(&letter.seen, true, memory_order_release);
	}
	alarm(0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void
test_loop__a_wake_before_the_turn_is_not_lost(void **state)
{
	struct world *world = *state;

	io_wake(world->io); /* before the loop has ever turned */
	io_wake(world->io);
	alarm(60);
	while (world->io->stats.wakes == 0)
		io_step(world->io, UINT64_MAX);
	io_wake(world->io); /* by the loop's own thread */
	while (world->io->stats.wakes == 1)
		io_step(world->io, UINT64_MAX);
	alarm(0);
	/* And none is left over. */
	step_until(world, world_deadline(world, 3));
	assert_int_equal(world->io->stats.wakes, 2);
}

/* Two loops on two threads hand a counter back and forth, each waking the other from its own. */
struct player {
	struct io_env *env;
	struct io *_Atomic io;
	struct player *other;
	int _Atomic ball; /* whose turn it is to raise it: parity */
	int rounds;
};

static void
player_play(struct player *player, struct player *holder, int parity)
{
	struct io *own = atomic_load(&player->io);

	for (;;) {
		int ball = atomic_load_explicit(&holder->ball, memory_order_acquire);
		if (ball >= holder->rounds)
			return;
		if (ball % 2 != parity) {
			io_step(own, UINT64_MAX);
			continue;
		}
		atomic_store_explicit(&holder->ball, ball + 1, memory_order_release);
		io_wake(atomic_load(&player->other->io));
	}
}

static void *
player_main(void *context)
{
	struct player *player = context;
	struct io *io = NULL;

	froe_assert(io_open(player->env, &io, NULL) == FROE_OK);
	atomic_store(&player->io, io);
	player_play(player, player->other, 1);
	io_step(io, 0); /* lets the last wake go out */
	return NULL;
}

static void
loops_play(struct world *world, struct io_env *env)
{
	struct player own = {.env = world->env, .io = world->io, .rounds = 500};
	struct player guest = {.env = env, .other = &own};
	pthread_t thread;

	own.other = &guest;
	io_step(world->io, 0); /* from now on this thread has a ring */
	assert_int_equal(pthread_create(&thread, NULL, player_main, &guest), 0);
	while (atomic_load(&guest.io) == NULL)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	alarm(60);
	player_play(&own, &own, 0);
	io_step(world->io, 0);
	alarm(0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(own.ball, own.rounds);
	io_close(guest.io); /* its thread has ended */
}

static void
test_loop__two_loops_wake_each_other(void **state)
{
	struct world *world = *state;

	loops_play(world, world->env);
}

static void
test_loop__wakes_a_loop_of_the_other_kind(void **state)
{
	struct world *world = *state;

	if (io_uring_check(NULL) != FROE_OK)
		skip();
	loops_play(world, world->env == io_env_posix() ? io_env_uring() : io_env_posix());
}

/* ---------------------------------------------------------------------------------------- files */

#define DURABLE (IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT | IO_OPEN_DSYNC)

static void
test_loop__a_durable_write_is_read_back(void **state)
{
	struct world *world = *state;
	uint8_t *pages = mem_pages(4 * BLOCK);
	struct probe probe;

	int file = world_open_file(world, DURABLE);
	memset(pages, 0xa5, 2 * BLOCK);
	probe_init(&probe);
	io_write(world->io, &probe.op, file, pages, 2 * BLOCK, BLOCK);
	assert_true(io_op_active(&probe.op));
	world_run_until_calls(world, &probe, 1);
	assert_int_equal(probe.result, 2 * BLOCK);
	assert_false(io_op_active(&probe.op));
	io_read(world->io, &probe.op, file, pages + 2 * BLOCK, 2 * BLOCK, BLOCK);
	world_run_until_calls(world, &probe, 2);
	assert_int_equal(probe.result, 2 * BLOCK);
	assert_memory_equal(pages, pages + 2 * BLOCK, 2 * BLOCK);
	io_read(world->io, &probe.op, file, pages, 2 * BLOCK, 2 * BLOCK);
	world_run_until_calls(world, &probe, 3);
	assert_int_equal(probe.result, BLOCK); /* the file ends there */
	io_read(world->io, &probe.op, file, pages, BLOCK, 3 * BLOCK);
	world_run_until_calls(world, &probe, 4);
	assert_int_equal(probe.result, 0);
	io_file_close(world->env, file);
	mem_pages_free(pages, 4 * BLOCK);
}

static void
test_loop__four_writes_under_way(void **state)
{
	enum { WRITES = 4, ROUNDS = 10 };
	struct world *world = *state;
	uint8_t *pages = mem_pages((WRITES + 1) * BLOCK);
	struct probe probes[WRITES];

	int file = world_open_file(world, DURABLE);
	assert_int_equal(
	    io_register_buffers(world->io, pages, WRITES * BLOCK, NULL), FROE_OK);
	for (int i = 0; i < WRITES; i++)
		probe_init(&probes[i]);
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < WRITES; i++) {
			/* The last one straddles the end of what is registered. */
			uint8_t *from = pages + i * BLOCK + (i == WRITES - 1 ? BLOCK : 0);
			memset(from, (int)i + round, BLOCK);
			io_write(world->io, &probes[i].op, file, from, BLOCK, i * BLOCK);
		}
		for (int i = 0; i < WRITES; i++) {
			world_run_until_calls(world, &probes[i], round + 1);
			assert_int_equal(probes[i].result, BLOCK);
		}
		for (unsigned i = 0; i < WRITES; i++) {
			enum froe_err err =
			    io_file_read(world->env, file, pages, BLOCK, i * BLOCK, NULL);
			assert_int_equal(err, FROE_OK);
			assert_int_equal(pages[0], (int)i + round);
			assert_int_equal(pages[BLOCK - 1], (int)i + round);
		}
	}
	io_file_close(world->env, file);
	io_close(world->io);
	world->io = NULL;
	mem_pages_free(pages, (WRITES + 1) * BLOCK);
}

/* The loop turns while the disk works: sockets do not wait for a write. */
static void
test_loop__sockets_go_on_during_writes(void **state)
{
	enum { BYTES = 4 << 20 };
	struct world *world = *state;
	uint8_t *pages = mem_pages(BYTES);
	struct probe write_probe;
	struct probe receive;
	int ends[2];

	world_pair(world, ends);
	int file = world_open_file(world, DURABLE);
	probe_init(&write_probe);
	probe_init(&receive);
	io_receive(world->io, &receive.op, ends[1]);
	io_write(world->io, &write_probe.op, file, pages, BYTES, 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(send(ends[0], "x", 1, 0), 1);
		world_run_until_calls(world, &receive, i + 1);
		assert_int_equal(receive.result, 1);
	}
	world_run_until_calls(world, &write_probe, 1);
	assert_int_equal(write_probe.result, BYTES);
	close(ends[0]);
	world_run_until_calls(world, &receive, 51);
	io_socket_close(world->io, ends[1]);
	io_file_close(world->env, file);
	mem_pages_free(pages, BYTES);
}

/* However far a file op has come, its handler is called once. */
static void
test_loop__cancelled_file_ops_end_once(void **state)
{
	enum { OPS = 8 };
	struct world *world = *state;
	uint8_t *pages = mem_pages(OPS * BLOCK);
	struct probe probes[OPS];

	int file = world_open_file(world, DURABLE);
	assert_int_equal(io_file_write(world->env, file, pages, OPS * BLOCK, 0, NULL), FROE_OK);
	for (unsigned i = 0; i < OPS; i++) {
		uint8_t *page = pages + i * BLOCK;
		probe_init(&probes[i]);
		if (i % 2 == 0)
			io_write(world->io, &probes[i].op, file, page, BLOCK, i * BLOCK);
		else
			io_read(world->io, &probes[i].op, file, page, BLOCK, i * BLOCK);
	}
	for (unsigned i = 0; i < OPS; i++)
		io_cancel(world->io, &probes[i].op);
	for (unsigned i = 0; i < OPS; i++)
		world_run_until_calls(world, &probes[i], 1);
	world_idle(world, 2);
	for (unsigned i = 0; i < OPS; i++) {
		assert_int_equal(probes[i].calls, 1);
		assert_true(probes[i].result == BLOCK || probes[i].result == -FROE_CANCELLED);
	}
	io_file_close(world->env, file);
	mem_pages_free(pages, OPS * BLOCK);
}

static void
test_loop__write_errors_are_typed(void **state)
{
	struct world *world = *state;
	struct rlimit old;
	struct probe probe;

	probe_init(&probe);
	int file = world_open_file(world, IO_OPEN_WRITE | IO_OPEN_CREATE);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	struct rlimit small = {.rlim_cur = BLOCK, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	io_write(world->io, &probe.op, file, "x", 1, BLOCK);
	world_run_until_calls(world, &probe, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, handler);
	assert_int_equal(probe.result, -FROE_NO_SPACE);
	io_file_close(world->env, file);

	file = world_open_file(world, IO_OPEN_READ);
	io_write(world->io, &probe.op, file, "x", 1, 0);
	world_run_until_calls(world, &probe, 2);
	assert_int_equal(probe.result, -FROE_IO);
	assert_false(io_op_active(&probe.op));
	io_file_close(world->env, file);
}

static void
test_loop__close_with_writes_under_way(void **state)
{
	enum { BYTES = 1 << 20 };
	struct world *world = *state;
	uint8_t *pages = mem_pages(4 * BYTES);
	struct probe probes[4];

	int file = world_open_file(world, DURABLE);
	for (unsigned i = 0; i < 4; i++) {
		probe_init(&probes[i]);
		io_write(world->io, &probes[i].op, file, pages + i * BYTES, BYTES, i * BYTES);
	}
	io_close(world->io); /* some are not even submitted */
	world->io = NULL;
	mem_pages_free(pages, 4 * BYTES);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(probes[i].calls, 0);
	io_file_close(world->env, file);
}

/* -------------------------------------------------------------------------------- many; refused */

/* More entries in one turn than io_uring's submission queue holds (1024), and more completions than
 * its completion queue (8192): the kernel keeps what overflows. */
static void
test_loop__more_operations_than_the_queue_holds(void **state)
{
	enum { OPS = 12000 };
	struct world *world = *state;
	struct probe *probes = mem_array(OPS, sizeof(*probes));
	uint8_t *bytes = mem_zalloc(OPS);

	int file = world_open_file(world, IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE);
	assert_int_equal(io_file_write(world->env, file, "froe", 4, OPS - 4, NULL), FROE_OK);
	for (unsigned i = 0; i < OPS; i++) {
		probe_init(&probes[i]);
		io_read(world->io, &probes[i].op, file, bytes + i, 1, i);
	}
	for (unsigned i = 0; i < OPS; i++) {
		world_run_until_calls(world, &probes[i], 1);
		assert_int_equal(probes[i].result, 1);
	}
	assert_memory_equal(bytes + OPS - 4, "froe", 4);
	io_file_close(world->env, file);
	mem_free(bytes);
	mem_free(probes);
}

/* A child whose io_uring_setup is answered as a container's seccomp profile answers it. */
static int
refused_child(unsigned answer)
{
	struct sock_filter rules[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};
	struct froe_fault fault = {0};
	struct io *io = NULL;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return 77;
	enum froe_err code = answer == ENOSYS || answer == EINVAL ? FROE_UNSUPPORTED : FROE_DENIED;
	const char *culprit = answer == EINVAL ? "Linux 6.1" : "seccomp";
	if (io_uring_check(&fault) != code || fault.code != code)
		return 1;
	if (strstr(fault.text, "io_uring") == NULL || strchr(fault.text, '\n') != NULL)
		return 2;
	if (strstr(fault.text, culprit) == NULL && strstr(fault.text, "io_uring_disabled") == NULL)
		return 3;
	if (io_open(io_env_uring(), &io, &fault) != code || io != NULL)
		return 4;
	if (io_open(io_env_posix(), &io, &fault) != FROE_OK)
		return 5;
	io_close(io);
	return 0;
}

static void
test_loop__a_refused_ring_is_explained(void **state)
{
	static const unsigned answers[] = {EPERM, ENOSYS, EINVAL};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		int status = 0;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			_exit(refused_child(answers[i]));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip(); /* no filters here */
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

#define TESTS(TEST)                                                                                \
	TEST(test_loop__the_deadline_passes),                                                      \
	    TEST(test_loop__no_wait_and_a_past_deadline_return_at_once),                           \
	    TEST(test_loop__woken_by_other_threads),                                               \
	    TEST(test_loop__a_wake_publishes_what_was_written),                                    \
	    TEST(test_loop__a_wake_before_the_turn_is_not_lost),                                   \
	    TEST(test_loop__two_loops_wake_each_other),                                            \
	    TEST(test_loop__wakes_a_loop_of_the_other_kind),                                       \
	    TEST(test_loop__a_durable_write_is_read_back), TEST(test_loop__four_writes_under_way), \
	    TEST(test_loop__sockets_go_on_during_writes),                                          \
	    TEST(test_loop__cancelled_file_ops_end_once), TEST(test_loop__write_errors_are_typed), \
	    TEST(test_loop__close_with_writes_under_way),                                          \
	    TEST(test_loop__more_operations_than_the_queue_holds)

int
main(void)
{
	const struct CMUnitTest posix[] = {
	    cmocka_unit_test(test_loop__a_refused_ring_is_explained), TESTS(POSIX_TEST)};
	const struct CMUnitTest uring[] = {
	    URING_TEST(test_loop__cores_are_quick_while_waits_are_short), TESTS(URING_TEST)};
	const struct CMUnitTest polling[] = {POLLING_TEST(test_loop__looks_after_a_short_wait),
	    POLLING_TEST(test_loop__cores_are_quick_while_waits_are_short), TESTS(POLLING_TEST)};

	int failed = cmocka_run_group_tests_name("io_loop posix", posix, NULL, NULL);
	if (world_has_uring()) {
		failed += cmocka_run_group_tests_name("io_loop io_uring", uring, NULL, NULL);
		failed += cmocka_run_group_tests_name("io_loop polling", polling, NULL, NULL);
	}
	return failed;
}
