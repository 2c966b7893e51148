/*
 * tests/slow: connections that say nothing, or one byte every 100 ms, and when they were closed.
 *
 * They take their time in a thread of their own. Include once, in the test program, after good.h.
 */
#ifndef TESTS_SLOW_H
#define TESTS_SLOW_H

#define SLOW_COUNT 60u
#define SLOW_LIMIT_MS 5000u /* docs/protocol.md: preface and Hello, or a head, complete within */

struct slow {
	pthread_t thread;
	atomic_bool stop;
	int sockets[SLOW_COUNT];
	uint64_t opened_ms;
	_Atomic uint64_t lived_ms[SLOW_COUNT]; /* 0: not closed yet */
	atomic_uint answered;                  /* a byte came, where none may */
};
static struct slow slow;

/* A third says nothing, a third a Hello, a third an HTTP head, one byte every 100 ms. */
static void
slow_trickle(unsigned i, size_t at)
{
	static const char hello[] = PREFACE "\x40\0\0\0\x08\x01\x52\x3c\x08\x01";
	static const char head[] = "GET / HTTP/1.1\r\nHost: froe\r\nX-Slow: ";
	char byte = 'a';
	if (i % 3 == 0)
		return;
	if (i % 3 == 1 && at < sizeof(hello) - 1)
		byte = hello[at];
	if (i % 3 == 2 && at < sizeof(head) - 1)
		byte = head[at];
	send(slow.sockets[i], &byte, 1, MSG_NOSIGNAL);
}

static void *
slow_main(void *context)
{
	(void)context;
	for (size_t at = 0; !atomic_load(&slow.stop); at++) {
		for (unsigned i = 0; i < SLOW_COUNT; i++) {
			char byte[256];
			if (atomic_load(&slow.lived_ms[i]) != 0)
				continue;
			slow_trickle(i, at);
			ssize_t got = recv(slow.sockets[i], byte, sizeof(byte), 0);
			if (got > 0)
				atomic_fetch_add(&slow.answered, 1);
			else if (got == 0 || errno != EAGAIN)
				atomic_store(&slow.lived_ms[i], now_ms() - slow.opened_ms);
		}
		sleep_ms(100);
	}
	return NULL;
}

static void
slow_begin(void)
{
	slow.opened_ms = now_ms();
	for (unsigned i = 0; i < SLOW_COUNT; i++)
		slow.sockets[i] = socket_open(&server);
	assert_int_equal(pthread_create(&slow.thread, NULL, slow_main, NULL), 0);
}

static void
slow_end(void)
{
	atomic_store(&slow.stop, true);
	pthread_join(slow.thread, NULL);
	for (unsigned i = 0; i < SLOW_COUNT; i++)
		close(slow.sockets[i]);
}

#endif
