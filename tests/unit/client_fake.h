/*
 * unit/client_fake: a scripted server for the tests of libfroe.
 *
 * Purpose     one thread on a loopback port that shakes hands by itself and gives every other
 *             message to the test's script. The script answers with fake_send; false cuts the
 *             connection.
 * Threading   the script runs on the fake's thread; fake_send, fake_cut and the waits: any thread.
 */
#ifndef CLIENT_FAKE_H
#define CLIENT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/wire.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct fake {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	int listen_fd;
	int conn_fd;
	int wake[2];
	char address[32];
	bool (*script)(struct fake *fake, const Froe__Envelope *envelope);
	void *context;
	uint32_t heartbeat_ms;
	uint32_t heartbeat_lost_ms;
	uint32_t requests_max;
	const char *refuse;   /* text of an error that answers Hello */
	bool down;            /* connections are closed at once */
	unsigned connections; /* hands shaken */
	unsigned counts[256]; /* messages received, by their number in Envelope */
	uint64_t credit;      /* granted so far */
	uint64_t pushed;      /* sent of it */
	uint64_t watch;       /* for scripts: the last watch */
};

static inline void
fake_raw_send(struct fake *fake, const void *data, size_t size)
{
	const uint8_t *at = data;
	while (size > 0 && fake->conn_fd >= 0) {
		ssize_t sent = send(fake->conn_fd, at, size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		at += sent;
		size -= (size_t)sent;
	}
}

static inline void
fake_send_locked(struct fake *fake, uint64_t request, uint32_t number, void *body)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	uint8_t head[4];
	envelope.has_request = request != 0;
	envelope.request = request;
	envelope.body_case = (Froe__Envelope__BodyCase)number;
	envelope.error = body; /* every member of the union is a pointer */
	size_t size = froe__envelope__get_packed_size(&envelope);
	uint8_t *packed = mem_alloc(size);
	froe__envelope__pack(&envelope, packed);
	le32_store(head, (uint32_t)size);
	if (number == FROE__ENVELOPE__BODY_DISPATCH || number == FROE__ENVELOPE__BODY_RUN_EVENT)
		fake->pushed += size + 4;
	fake_raw_send(fake, head, sizeof(head));
	fake_raw_send(fake, packed, size);
	mem_free(packed);
}

static inline void
fake_send(struct fake *fake, uint64_t request, uint32_t number, void *body)
{
	pthread_mutex_lock(&fake->lock);
	fake_send_locked(fake, request, number, body);
	pthread_mutex_unlock(&fake->lock);
}

static inline void
fake_done(struct fake *fake, uint64_t request)
{
	Froe__Done done = FROE__DONE__INIT;
	fake_send(fake, request, FROE__ENVELOPE__BODY_DONE, &done);
}

static inline void
fake_error(struct fake *fake, uint64_t request, enum froe_err code, const char *text)
{
	Froe__Error error = FROE__ERROR__INIT;
	error.has_code = true;
	error.code = code;
	error.text = wire_text(text);
	fake_send(fake, request, FROE__ENVELOPE__BODY_ERROR, &error);
}

static inline void
fake_event(struct fake *fake, uint64_t request, ProtobufCBinaryData run, Froe__RunStatus status,
    const char *result)
{
	Froe__RunEvent event = FROE__RUN_EVENT__INIT;
	event.has_run = true;
	event.run = run;
	event.has_status = true;
	event.status = status;
	event.has_final = true;
	event.final = true;
	event.has_result = true;
	event.result = wire_bytes(result, strlen(result));
	fake_send(fake, request, FROE__ENVELOPE__BODY_RUN_EVENT, &event);
}

static inline void
fake_started(struct fake *fake, uint64_t request, ProtobufCBinaryData run, uint64_t number)
{
	Froe__RunStarted started = FROE__RUN_STARTED__INIT;
	started.has_run = true;
	started.run = run;
	started.has_number = true;
	started.number = number;
	started.has_position = true;
	started.position = wire_bytes("position", 8);
	fake_send(fake, request, FROE__ENVELOPE__BODY_RUN_STARTED, &started);
}

static inline void
fake_welcome(struct fake *fake, const Froe__Envelope *envelope)
{
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	assert_int_equal(envelope->hello->version, 1);
	if (fake->refuse != NULL) {
		fake_error(fake, envelope->request, FROE_DENIED, fake->refuse);
		return;
	}
	welcome.has_version = welcome.has_heartbeat_ms = welcome.has_heartbeat_lost_ms = true;
	welcome.has_requests_max = true;
	welcome.version = 1;
	welcome.heartbeat_ms = fake->heartbeat_ms;
	welcome.heartbeat_lost_ms = fake->heartbeat_lost_ms;
	welcome.requests_max = fake->requests_max;
	pthread_mutex_lock(&fake->lock);
	fake->credit = envelope->hello->push_window;
	fake->pushed = 0;
	fake->connections++;
	fake_send_locked(fake, envelope->request, FROE__ENVELOPE__BODY_WELCOME, &welcome);
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

static inline bool
fake_take(struct fake *fake, const Froe__Envelope *envelope)
{
	bool go_on = true;
	if (envelope->body_case == FROE__ENVELOPE__BODY_HELLO) {
		fake_welcome(fake, envelope);
		return true;
	}
	if (envelope->body_case == FROE__ENVELOPE__BODY_CREDIT) {
		pthread_mutex_lock(&fake->lock);
		fake->credit += envelope->credit->bytes;
		pthread_cond_broadcast(&fake->changed);
		pthread_mutex_unlock(&fake->lock);
		return true;
	}
	assert_int_not_equal(envelope->request, 0);
	if (fake->script != NULL)
		go_on = fake->script(fake, envelope);
	pthread_mutex_lock(&fake->lock);
	fake->counts[envelope->body_case]++;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	return go_on;
}

/* It has the bytes that protobuf-c would give it, whoever wrote it. */
static inline void
fake_check(const Froe__Envelope *envelope, const uint8_t *bytes, size_t size)
{
	uint8_t *packed = mem_alloc(size + 1);
	assert_int_equal(froe__envelope__get_packed_size(envelope), size);
	assert_int_equal(froe__envelope__pack(envelope, packed), size);
	assert_memory_equal(packed, bytes, size);
	mem_free(packed);
}

/* Takes whole frames off the front. */
static inline bool
fake_frames(struct fake *fake, struct buf *in, bool *greeted)
{
	if (!*greeted && buf_used(in) >= WIRE_PREFACE_SIZE) {
		assert_memory_equal(buf_bytes(in).data, WIRE_PREFACE, WIRE_PREFACE_SIZE);
		buf_pop(in, WIRE_PREFACE_SIZE);
		*greeted = true;
	}
	while (*greeted && buf_used(in) >= 4) {
		struct bytes bytes = buf_bytes(in);
		size_t size = le32_load(bytes.data);
		if (bytes.size - 4 < size)
			return true;
		Froe__Envelope *envelope = froe__envelope__unpack(NULL, size, bytes.data + 4);
		assert_non_null(envelope);
		fake_check(envelope, bytes.data + 4, size);
		bool go_on = fake_take(fake, envelope);
		froe__envelope__free_unpacked(envelope, NULL);
		buf_pop(in, 4 + size);
		if (!go_on)
			return false;
	}
	return true;
}

static inline bool
fake_read(int fd, struct buf *in)
{
	uint8_t *at = buf_reserve(in, 65536);
	ssize_t got = recv(fd, at, 65536, 0);
	if (got > 0)
		buf_commit(in, (size_t)got);
	return got > 0;
}

/* Serves one connection; false: the fake is to end. */
static inline bool
fake_serve(struct fake *fake, int fd)
{
	struct buf in;
	bool greeted = false, serving = true, ended = false;
	buf_init(&in);
	while (serving) {
		struct pollfd polls[2] = {{.fd = fd, .events = POLLIN},
		    {.fd = fake->wake[0], .events = POLLIN}};
		char order;
		poll(polls, 2, -1);
		if (polls[1].revents != 0) {
			assert_int_equal(read(fake->wake[0], &order, 1), 1);
			ended = order == 'e';
			serving = false;
		} else {
			serving = fake_read(fd, &in) && fake_frames(fake, &in, &greeted);
		}
	}
	buf_release(&in);
	return !ended;
}

static inline void *
fake_main(void *argument)
{
	struct fake *fake = argument;
	for (bool going = true; going;) {
		struct pollfd polls[2] = {{.fd = fake->listen_fd, .events = POLLIN},
		    {.fd = fake->wake[0], .events = POLLIN}};
		char order;
		poll(polls, 2, -1);
		if (polls[1].revents != 0) {
			assert_int_equal(read(fake->wake[0], &order, 1), 1);
			going = order != 'e';
			continue;
		}
		int fd = accept(fake->listen_fd, NULL, NULL), one = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		pthread_mutex_lock(&fake->lock);
		bool down = fake->down;
		fake->conn_fd = down ? -1 : fd;
		pthread_mutex_unlock(&fake->lock);
		if (!down)
			going = fake_serve(fake, fd);
		pthread_mutex_lock(&fake->lock);
		fake->conn_fd = -1;
		close(fd);
		pthread_mutex_unlock(&fake->lock);
	}
	return NULL;
}

static inline void
fake_open(struct fake *fake, bool (*script)(struct fake *, const Froe__Envelope *), void *context)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	*fake = (struct fake){.script = script, .context = context, .conn_fd = -1,
	    .heartbeat_ms = 4000, .heartbeat_lost_ms = 30000, .requests_max = 4096};
	fake->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fake->listen_fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(fake->listen_fd, 16), 0);
	assert_int_equal(getsockname(fake->listen_fd, (struct sockaddr *)&at, &size), 0);
	snprintf(fake->address, sizeof(fake->address), "127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(pipe(fake->wake), 0);
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
}

/* Begins to serve; settings are made before. */
static inline void
fake_start(struct fake *fake)
{
	assert_int_equal(pthread_create(&fake->thread, NULL, fake_main, fake), 0);
}

static inline void
fake_cut(struct fake *fake)
{
	assert_int_equal(write(fake->wake[1], "c", 1), 1);
}

static inline void
fake_close(struct fake *fake)
{
	assert_int_equal(write(fake->wake[1], "e", 1), 1);
	pthread_join(fake->thread, NULL);
	close(fake->listen_fd);
	close(fake->wake[0]);
	close(fake->wake[1]);
	pthread_cond_destroy(&fake->changed);
	pthread_mutex_destroy(&fake->lock);
}

/* Waits until *value is at least `least`; fails the test after ten seconds. */
static inline void
fake_await(struct fake *fake, const unsigned *value, unsigned least)
{
	struct timespec at;
	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += 10;
	pthread_mutex_lock(&fake->lock);
	while (*value < least)
		assert_int_equal(pthread_cond_timedwait(&fake->changed, &fake->lock, &at), 0);
	pthread_mutex_unlock(&fake->lock);
}

/* Messages of one kind received and dealt with. */
static inline unsigned
fake_count(struct fake *fake, uint32_t number)
{
	pthread_mutex_lock(&fake->lock);
	unsigned count = fake->counts[number];
	pthread_mutex_unlock(&fake->lock);
	return count;
}

#endif
