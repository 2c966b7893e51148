/*
 * What a service manager hears of the server, by the socket that NOTIFY_SOCKET names.
 */
#include "system/system.h"

#include <poll.h>
#include <sys/un.h>

#define HEAR_MS 20000

static int manager; /* the manager's end */
static char manager_path[64];

static int
setup(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	(void)state;
	snprintf(manager_path, sizeof(manager_path), "/tmp/froe-service-%d", (int)getpid());
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", manager_path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", manager_path, 1), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(manager);
	unlink(manager_path);
	unsetenv("NOTIFY_SOCKET");
	return 0;
}

/* The next message begins with this; others but WATCHDOG=1 fail the test. */
static void
expect_told(const char *begin, char *text, size_t size)
{
	struct pollfd slot = {.fd = manager, .events = POLLIN};
	do {
		if (poll(&slot, 1, HEAR_MS) != 1)
			fail_msg("nothing is told, and not %s", begin);
		ssize_t got = recv(manager, text, size - 1, 0);
		assert_true(got >= 0);
		text[got] = 0;
	} while (strcmp(text, "WATCHDOG=1") == 0 && strcmp(begin, text) != 0);
	if (strncmp(text, begin, strlen(begin)) != 0)
		fail_msg("told %s, not %s", text, begin);
}

static void
test_service__ready_and_stopping(void **state)
{
	struct server server;
	char text[200];
	(void)state;
	server_init(&server);
	server_start(&server);
	expect_told("READY=1\nSTATUS=serves on 127.0.0.1:", text, sizeof(text));
	assert_non_null(strstr(text, server.address));
	server_restart(&server); /* by kill -9: nothing is said */
	expect_told("READY=1\n", text, sizeof(text));
	/* Ready is ready: a signal at once is a clean stop. */
	int status = server_end(&server, SIGTERM);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect_told("STOPPING=1", text, sizeof(text));
	server_release(&server);
}

static void
test_service__watchdog(void **state)
{
	struct server server;
	char text[200];
	(void)state;
	assert_int_equal(setenv("WATCHDOG_USEC", "300000", 1), 0);
	server_init(&server);
	server_start(&server);
	assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
	expect_told("READY=1\n", text, sizeof(text));
	uint64_t began_ms = now_ms();
	for (int i = 0; i < 6; i++) /* idle, it is told all the same: three times in 300 ms */
		expect_told("WATCHDOG=1", text, sizeof(text));
	assert_true(now_ms() - began_ms >= 300 && now_ms() - began_ms < 5000);
	/* A server that hangs is silent. */
	assert_int_equal(kill(server.pid, SIGSTOP), 0);
	sleep_ms(50);
	while (recv(manager, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	sleep_ms(400);
	assert_int_equal(recv(manager, text, sizeof(text), MSG_DONTWAIT), -1);
	assert_int_equal(kill(server.pid, SIGCONT), 0);
	expect_told("WATCHDOG=1", text, sizeof(text));
	server_end(&server, SIGTERM);
	expect_told("STOPPING=1", text, sizeof(text));
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_service__ready_and_stopping, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_service__watchdog, setup, teardown),
	};
	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
