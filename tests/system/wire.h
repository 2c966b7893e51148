/*
 * tests/wire: a peer that speaks the native protocol by hand, and so may speak it wrong.
 *
 * Blocking with deadlines: a server that does not answer fails the test, it does not hang it.
 * Include once, in the test program, after system.h.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "base/hash.h"
#include "unit/native_frame.h"

#include <poll.h>

#define PEER_WAIT_MS 10000
#define PREFACE "FROE\0\1\r\n"
#define PREFACE_SIZE 8u

/* SplitMix64 (base/hash.h): the same bytes in every run. */
struct dice {
	uint64_t state;
};

static uint64_t
dice_roll(struct dice *dice)
{
	return hash_words(0, dice->state += HASH_GOLDEN);
}

static uint32_t
dice_below(struct dice *dice, uint32_t limit)
{
	return (uint32_t)(dice_roll(dice) % limit);
}

struct peer {
	int fd;
	bool ended; /* the server has closed, or the connection broke */
	uint64_t request;
	struct buf input;
};

/* A connection; nothing is said yet. */
static int
socket_open(const struct server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	address.sin_port = htons((uint16_t)server->port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Closes with a RST. */
static void
socket_reset(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static void
peer_init(struct peer *peer, const struct server *server)
{
	memset(peer, 0, sizeof(*peer));
	buf_init(&peer->input);
	peer->fd = socket_open(server);
}

static void
peer_release(struct peer *peer)
{
	close(peer->fd);
	buf_release(&peer->input);
}

/* Takes in what there is, after waiting for it; false: nothing came in time, or it has ended. */
static bool
peer_receive(struct peer *peer, int wait_ms)
{
	struct pollfd slot = {.fd = peer->fd, .events = POLLIN};
	if (peer->ended || poll(&slot, 1, wait_ms) <= 0)
		return false;
	ssize_t got = recv(peer->fd, buf_reserve(&peer->input, 65536), 65536, 0);
	if (got > 0)
		buf_commit(&peer->input, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		peer->ended = true;
	return got > 0;
}

/* Sends all of it, taking in meanwhile what comes back. False: the server closed before. */
static bool
peer_send(struct peer *peer, const void *data, size_t size)
{
	uint64_t until_ms = now_ms() + PEER_WAIT_MS;
	for (size_t at = 0; at < size;) {
		ssize_t sent = send(peer->fd, (const uint8_t *)data + at, size - at, MSG_NOSIGNAL);
		if (sent > 0) {
			at += (size_t)sent;
			continue;
		}
		if (errno != EAGAIN)
			return false;
		struct pollfd slot = {.fd = peer->fd, .events = POLLIN | POLLOUT};
		poll(&slot, 1, 100);
		if ((slot.revents & POLLIN) != 0 && !peer_receive(peer, 0))
			return false;
		assert_true(now_ms() < until_ms);
	}
	return true;
}

/* Sends as much as the server takes without being read from; stops after quiet_ms without room. */
static size_t
peer_stuff(struct peer *peer, const void *data, size_t size, int quiet_ms)
{
	size_t at = 0;
	struct pollfd slot = {.fd = peer->fd, .events = POLLOUT};
	while (at < size && poll(&slot, 1, quiet_ms) > 0) {
		ssize_t sent = send(peer->fd, (const uint8_t *)data + at, size - at, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			break;
		at += sent > 0 ? (size_t)sent : 0;
	}
	return at;
}

/* Half-closes and takes in all that comes until the server closes. False: it does not. */
static bool
peer_finish(struct peer *peer)
{
	uint64_t until_ms = now_ms() + PEER_WAIT_MS;
	shutdown(peer->fd, SHUT_WR);
	while (!peer->ended && now_ms() < until_ms)
		peer_receive(peer, 100);
	return peer->ended;
}

/* ------------------------------------------------------------------------------------- frames */

static void
frame_raw(struct buf *to, const void *envelope, size_t size)
{
	le32_store(buf_reserve(to, 4), (uint32_t)size);
	buf_commit(to, 4);
	buf_push(to, envelope, size);
}

static void
peer_say(struct peer *peer, uint64_t request, Froe__Envelope__BodyCase kind, void *body)
{
	struct buf frame;
	buf_init(&frame);
	frame_push(&frame, request, kind, body);
	assert_true(peer_send(peer, buf_bytes(&frame).data, buf_used(&frame)));
	buf_release(&frame);
}

/* The next message; NULL: none in time, or the server has closed. */
static Froe__Envelope *
peer_hear(struct peer *peer, int wait_ms)
{
	uint64_t until_ms = now_ms() + (uint64_t)wait_ms;
	for (;;) {
		struct bytes have = buf_bytes(&peer->input);
		if (have.size >= 4 && have.size - 4 >= le32_load(have.data)) {
			uint32_t size = le32_load(have.data);
			Froe__Envelope *got = froe__envelope__unpack(NULL, size, have.data + 4);
			assert_non_null(got);
			buf_pop(&peer->input, 4 + size);
			return got;
		}
		uint64_t now = now_ms();
		if (!peer_receive(peer, now < until_ms ? (int)(until_ms - now) : 0) &&
		    (peer->ended || now_ms() >= until_ms))
			return NULL;
	}
}

static void
heard_free(Froe__Envelope *heard)
{
	froe__envelope__free_unpacked(heard, NULL);
}

/* Takes messages in until one of this kind; the others are dropped. Fails the test without one. */
static Froe__Envelope *
peer_expect(struct peer *peer, Froe__Envelope__BodyCase kind)
{
	for (;;) {
		Froe__Envelope *got = peer_hear(peer, PEER_WAIT_MS);
		if (got == NULL)
			fail_msg("no message %d came", (int)kind);
		if (got->body_case == kind)
			return got;
		if (got->body_case == FROE__ENVELOPE__BODY_ERROR)
			fail_msg("not message %d but: %s", (int)kind, got->error->text);
		heard_free(got);
	}
}

/* The answer to this request is this error (number 0: and then the connection is closed). */
static void
peer_expect_error(struct peer *peer, uint64_t request, enum froe_err code)
{
	for (;;) {
		Froe__Envelope *got = peer_hear(peer, PEER_WAIT_MS);
		if (got == NULL)
			fail_msg("no error %d for request %llu", (int)code,
			    (unsigned long long)request);
		bool mine = got->body_case == FROE__ENVELOPE__BODY_ERROR && got->request == request;
		if (mine && got->error->code != (uint32_t)code)
			fail_msg("error %u, not %d: %s", got->error->code, (int)code,
			    got->error->text);
		heard_free(got);
		if (mine)
			break;
	}
	if (request == 0) {
		assert_null(peer_hear(peer, PEER_WAIT_MS));
		assert_true(peer->ended);
	}
}

/* ------------------------------------------------------------------------------- conversations */

/* Preface and Hello; waits for the Welcome. */
static void
peer_open(struct peer *peer, const struct server *server, const char *tenant, uint64_t window)
{
	Froe__Hello hello = FROE__HELLO__INIT;
	hello.has_version = 1;
	hello.version = 1;
	hello.tenant = (char *)(uintptr_t)tenant;
	hello.has_push_window = 1;
	hello.push_window = window;
	peer_init(peer, server);
	assert_true(peer_send(peer, PREFACE, PREFACE_SIZE));
	peer_say(peer, ++peer->request, FROE__ENVELOPE__BODY_HELLO, &hello);
	heard_free(peer_expect(peer, FROE__ENVELOPE__BODY_WELCOME));
}

/* One workflow of one task; its action is "workflow:only". */
static void
peer_workflow(struct peer *peer, const char *name, uint64_t timeout_ms, uint32_t retries)
{
	Froe__TaskDefinition task = FROE__TASK_DEFINITION__INIT, *tasks[] = {&task};
	Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	task.name = (char[]){"only"};
	task.has_retries = retries > 0;
	task.retries = retries;
	task.has_execution_timeout_ms = timeout_ms > 0;
	task.execution_timeout_ms = timeout_ms;
	workflow.name = (char *)(uintptr_t)name;
	workflow.n_tasks = 1;
	workflow.tasks = tasks;
	put.workflow = &workflow;
	peer_say(peer, ++peer->request, FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put);
	heard_free(peer_expect(peer, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE));
}

/* For the actions of these one-task workflows, up to four. */
static void
peer_register_send(struct peer *peer, uint8_t id, const char *const *workflows, uint32_t slots)
{
	Froe__WorkerRegister worker = FROE__WORKER_REGISTER__INIT;
	uint8_t bytes[16] = {[0] = 0xee, [15] = id};
	char actions[4][64], *pointers[4];
	for (; workflows[worker.n_actions] != NULL; worker.n_actions++) {
		assert_true(worker.n_actions < 4);
		snprintf(actions[worker.n_actions], 64, "%s:only", workflows[worker.n_actions]);
		pointers[worker.n_actions] = actions[worker.n_actions];
	}
	worker.has_id = 1;
	worker.id = (ProtobufCBinaryData){.len = 16, .data = bytes};
	worker.name = (char[]){"hostile"};
	worker.has_incarnation = 1;
	worker.incarnation = 1;
	worker.actions = pointers;
	worker.has_slots = 1;
	worker.slots = slots;
	peer_say(peer, ++peer->request, FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker);
}

static void
peer_register(struct peer *peer, uint8_t id, const char *const *workflows, uint32_t slots)
{
	peer_register_send(peer, id, workflows, slots);
	heard_free(peer_expect(peer, FROE__ENVELOPE__BODY_WORKER_REGISTERED));
}

static void
frame_start(struct buf *to, uint64_t request, const char *workflow, bool wait)
{
	Froe__RunStart start = FROE__RUN_START__INIT;
	start.workflow = (char *)(uintptr_t)workflow;
	start.has_wait = wait;
	start.wait = wait;
	frame_push(to, request, FROE__ENVELOPE__BODY_RUN_START, &start);
}

/* Starts a run whose end is told; the request's number. */
static uint64_t
peer_start(struct peer *peer, const char *workflow)
{
	struct buf frame;
	buf_init(&frame);
	frame_start(&frame, ++peer->request, workflow, /* wait= */ true);
	assert_true(peer_send(peer, buf_bytes(&frame).data, buf_used(&frame)));
	buf_release(&frame);
	return peer->request;
}

/* Completes what was dispatched, with this output; the request's number. */
static uint64_t
peer_complete(struct peer *peer, const Froe__Dispatch *task, uint64_t lease, const char *output)
{
	Froe__TaskComplete done = FROE__TASK_COMPLETE__INIT;
	done.has_task = 1;
	done.task = task->task;
	done.has_lease = 1;
	done.lease = lease;
	done.has_output = 1;
	done.output = (ProtobufCBinaryData){
	    .len = strlen(output), .data = (uint8_t *)(uintptr_t)output};
	peer_say(peer, ++peer->request, FROE__ENVELOPE__BODY_TASK_COMPLETE, &done);
	return peer->request;
}

static void
peer_grant(struct peer *peer, uint64_t bytes)
{
	Froe__Credit credit = FROE__CREDIT__INIT;
	credit.has_bytes = 1;
	credit.bytes = bytes;
	peer_say(peer, 0, FROE__ENVELOPE__BODY_CREDIT, &credit);
}

#endif
