/*
 * Who goes first: the hot thread before all others, if the server may say so; snapshots after them.
 */
#include "system/system.h"

#include <dirent.h>
#include <sys/resource.h>

#define THREADS_MAX 64u

/* Nice values of the server's threads; how many they are. */
static unsigned
threads_nice(const struct server *server, int nices[THREADS_MAX])
{
	char path[64];
	unsigned count = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)server->pid);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *one = readdir(dir); one != NULL; one = readdir(dir)) {
		if (one->d_name[0] == '.')
			continue;
		assert_true(count < THREADS_MAX);
		nices[count++] = getpriority(PRIO_PROCESS, (id_t)atoi(one->d_name));
	}
	closedir(dir);
	return count;
}

static unsigned
count_of(const int *nices, unsigned count, int nice)
{
	unsigned found = 0;
	for (unsigned i = 0; i < count; i++)
		found += nices[i] == nice;
	return found;
}

/* Would the kernel let a process of ours go first? */
static bool
may_go_first(void)
{
	int status = 0;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(setpriority(PRIO_PROCESS, 0, -10) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
test_threads__who_goes_first(void **state)
{
	struct server server;
	int nices[THREADS_MAX], own = getpriority(PRIO_PROCESS, 0);
	unsigned count, first = may_go_first() ? 1 : 0;
	(void)state;
	server_init(&server);
	server_start(&server);
	uint64_t until_ms = now_ms() + 20000;
	for (;;) { /* each thread sets its own, when it has got so far */
		count = threads_nice(&server, nices);
		if (count_of(nices, count, -10) == first && count_of(nices, count, 10) == 1)
			break;
		assert_true(now_ms() < until_ms);
		sleep_ms(20);
	}
	assert_int_equal(count_of(nices, count, own), count - first - 1);
	server_end(&server, SIGTERM);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_threads__who_goes_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
