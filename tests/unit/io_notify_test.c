#include "io/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
set(const char *name, const char *value)
{
	assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

/* A manager's socket; `name` as in NOTIFY_SOCKET. */
static int
manager_open(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int manager = socket(AF_UNIX, SOCK_DGRAM, 0);
	size_t size = strlen(name);
	memcpy(at.sun_path, name, size);
	if (name[0] == '@')
		at.sun_path[0] = 0;
	socklen_t at_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	assert_int_equal(bind(manager, (struct sockaddr *)&at, at_size), 0);
	set("NOTIFY_SOCKET", name);
	return manager;
}

static void
expect_told(int manager, const char *state)
{
	char text[100];
	ssize_t got = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(got >= 0);
	text[got] = 0;
	assert_string_equal(text, state);
}

static void
test_notify__by_path_and_by_abstract_name(void **state)
{
	char name[64];
	(void)state;
	snprintf(name, sizeof(name), "/tmp/froe-notify-%d", (int)getpid());
	int manager = manager_open(name);
	assert_true(notify_send("READY=1\nSTATUS=serves"));
	expect_told(manager, "READY=1\nSTATUS=serves");
	close(manager);
	unlink(name);
	assert_false(notify_send("READY=1")); /* nobody is there any more */
	name[0] = '@';
	manager = manager_open(name);
	assert_true(notify_send("STOPPING=1"));
	expect_told(manager, "STOPPING=1");
	close(manager);
}

static void
test_notify__without_a_manager(void **state)
{
	char longest[200];
	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = 0;
	set("NOTIFY_SOCKET", NULL);
	assert_false(notify_send("READY=1"));
	set("NOTIFY_SOCKET", "");
	assert_false(notify_send("READY=1"));
	set("NOTIFY_SOCKET", "vsock:2:1234"); /* of a kind we do not know */
	assert_false(notify_send("READY=1"));
	set("NOTIFY_SOCKET", longest);
	assert_false(notify_send("READY=1"));
}

static void
test_notify__a_manager_that_does_not_read(void **state)
{
	char name[64];
	int taken = 0;
	(void)state;
	snprintf(name, sizeof(name), "@froe-full-%d", (int)getpid());
	int manager = manager_open(name);
	while (taken < 100000 && notify_send("WATCHDOG=1"))
		taken++; /* and does not wait when it is full */
	assert_true(taken > 0 && taken < 100000);
	close(manager);
}

static void
test_notify__watchdog(void **state)
{
	char pid[16];
	(void)state;
	set("WATCHDOG_PID", NULL);
	set("WATCHDOG_USEC", NULL);
	assert_int_equal(notify_watchdog_ns(), 0);
	set("WATCHDOG_USEC", "30000000");
	assert_int_equal(notify_watchdog_ns(), 30000000000);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	set("WATCHDOG_PID", pid);
	assert_int_equal(notify_watchdog_ns(), 30000000000);
	set("WATCHDOG_PID", "1");
	assert_int_equal(notify_watchdog_ns(), 0);
	set("WATCHDOG_PID", NULL);
	static const char *const wrong[] = {"", "-1", "abc", "30s", "18446744073709551615"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		set("WATCHDOG_USEC", wrong[i]);
		assert_int_equal(notify_watchdog_ns(), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_notify__by_path_and_by_abstract_name),
	    cmocka_unit_test(test_notify__without_a_manager),
	    cmocka_unit_test(test_notify__a_manager_that_does_not_read),
	    cmocka_unit_test(test_notify__watchdog),
	};
	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
