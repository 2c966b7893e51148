/*
 * tests/hostile/crowd: thousands of connections that are slow on purpose, for as long as one likes.
 *
 * A third says nothing, a third a Hello, a third an HTTP head, a byte a second. One that the server
 * closes is opened again at once, so that there are always as many. They come from many addresses
 * of the loopback, since one address may only have so many. A thread of its own; it asserts
 * nothing, it counts. Include once, in the test program, after wire.h.
 */
#ifndef TESTS_HOSTILE_CROWD_H
#define TESTS_HOSTILE_CROWD_H

#include <pthread.h>

#define CROWD_MAX 10000u
#define CROWD_OF_AN_ADDRESS 200u
#define CROWD_PASS_MS 1000u

struct crowd {
	int port;
	unsigned count;
	pthread_t thread;
	atomic_bool stop;
	int sockets[CROWD_MAX];
	unsigned at[CROWD_MAX]; /* bytes said */
	uint64_t opened_ms[CROWD_MAX];
	atomic_uint opened;
	atomic_uint refused;   /* connecting failed */
	atomic_uint closed;    /* by the server */
	atomic_uint answered;  /* got a byte, where none may come */
	atomic_uint early;     /* closed before its time */
	atomic_uint passes;
};
static struct crowd crowd;

static int
crowd_socket(unsigned i)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 256 * (1 + i / CROWD_OF_AN_ADDRESS));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)crowd.port);
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
crowd_open(unsigned i)
{
	crowd.opened_ms[i] = now_ms();
	crowd.at[i] = 0;
	crowd.sockets[i] = crowd_socket(i);
	atomic_fetch_add(crowd.sockets[i] >= 0 ? &crowd.opened : &crowd.refused, 1);
}

static void
crowd_say(unsigned i)
{
	static const char hello[] = PREFACE "\x40\0\0\0\x08\x01\x52\x3c\x08\x01";
	static const char head[] = "GET / HTTP/1.1\r\nHost: froe\r\nX-Slow: ";
	unsigned at = crowd.at[i]++;
	char byte = 'a';
	if (i % 3 == 0)
		return;
	if (i % 3 == 1 && at < sizeof(hello) - 1)
		byte = hello[at];
	if (i % 3 == 2 && at < sizeof(head) - 1)
		byte = head[at];
	send(crowd.sockets[i], &byte, 1, MSG_NOSIGNAL);
}

/* `allowed_ms`: a connection that lives on for less was thrown out before its time. */
static void
crowd_pass(unsigned i, uint32_t allowed_ms)
{
	char bytes[256];
	if (crowd.sockets[i] < 0) {
		crowd_open(i);
		return;
	}
	crowd_say(i);
	ssize_t got = recv(crowd.sockets[i], bytes, sizeof(bytes), 0);
	if (got < 0 && errno == EAGAIN)
		return;
	atomic_fetch_add(got > 0 ? &crowd.answered : &crowd.closed, 1);
	if (now_ms() + 100 < crowd.opened_ms[i] + allowed_ms)
		atomic_fetch_add(&crowd.early, 1);
	close(crowd.sockets[i]);
	crowd_open(i);
}

static void *
crowd_main(void *context)
{
	(void)context;
	while (!atomic_load(&crowd.stop)) {
		uint64_t next_ms = now_ms() + CROWD_PASS_MS;
		for (unsigned i = 0; i < crowd.count && !atomic_load(&crowd.stop); i++)
			crowd_pass(i, 5000);
		atomic_fetch_add(&crowd.passes, 1);
		while (now_ms() < next_ms && !atomic_load(&crowd.stop))
			sleep_ms(10);
	}
	return NULL;
}

static void
crowd_begin(const struct server *server, unsigned count)
{
	assert_true(count <= CROWD_MAX);
	memset(&crowd, 0, sizeof(crowd));
	crowd.port = server->port;
	crowd.count = count;
	for (unsigned i = 0; i < count; i++)
		crowd_open(i);
	assert_int_equal(pthread_create(&crowd.thread, NULL, crowd_main, NULL), 0);
}

static void
crowd_end(void)
{
	atomic_store(&crowd.stop, true);
	pthread_join(crowd.thread, NULL);
	for (unsigned i = 0; i < crowd.count; i++) {
		if (crowd.sockets[i] >= 0)
			socket_reset(crowd.sockets[i]);
	}
}

#endif
