/*
 * tests/shared: one server for all tests of a program. Include once, in the test program, after
 * system.h.
 */
#ifndef TESTS_SHARED_H
#define TESTS_SHARED_H

static struct server server;

static int
setup(void **state)
{
	(void)state;
	server_init(&server);
	server_start(&server);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	server_release(&server);
	return 0;
}

#endif
