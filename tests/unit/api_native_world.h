/*
 * tests/api_native_world: conversations with one native session, over a network and a clock that
 * the test moves. The port keeps clones of what is posted; the test plays the shard.
 */
#ifndef TESTS_API_NATIVE_WORLD_H
#define TESTS_API_NATIVE_WORLD_H

#include "api/native.h"

#include "api/envelope.h"
#include "api/wire.h"
#include "base/duration.h"
#include "base/mem.h"
#include "native_frame.h"
#include "net/frame.h"
#include "net_fake.h"

#include "proto/native.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HANDLE UINT64_C(0x0100000005000007)
#define POSTED_MAX 8192

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
	struct native native;
	struct arena arena;
	struct api_port port;
	struct api_command *posted[POSTED_MAX];
	size_t posted_count;
	size_t room; /* how many more the port takes */
	enum api_progress progress;
};

static bool
world_post(struct api_port *port, const struct api_command *command)
{
	struct world *w = container_of(port, struct world, port);
	if (w->room == 0)
		return false;
	w->room--;
	assert_int_equal(command->origin.conn, HANDLE);
	assert_true(w->posted_count < POSTED_MAX);
	w->posted[w->posted_count++] = api_command_clone(command);
	return true;
}

static void
settle(struct world *w)
{
	struct list *node;
	while ((node = list_pop(&w->set.ready)) != NULL) {
		conn_step(&w->conn);
		if (w->conn.state == CONN_OPENING &&
		    buf_used(&w->conn.input) >= FRAME_PREFACE_SIZE) {
			conn_serve(&w->conn, CONN_NATIVE);
			native_open(&w->native, &w->conn, &w->port, &w->arena, HANDLE);
		}
		if (w->conn.state != CONN_OPENING)
			w->progress = native_step(&w->native);
		if (conn_ending(&w->conn) && w->native.conn != NULL)
			native_close(&w->native);
		conn_settle(&w->conn);
		if (w->progress == API_AGAIN)
			conn_ready(&w->conn);
	}
	while ((node = list_pop(&w->set.output)) != NULL)
		conn_send(container_of(node, struct conn, output));
}

static struct world *
world_new(void)
{
	struct world *w = mem_zalloc(sizeof(*w));
	fake_init(&w->fake);
	conn_set_init(&w->set, &w->fake.io);
	arena_init(&w->arena, WIRE_ARENA_BYTES_MAX);
	w->port.post = world_post;
	w->room = SIZE_MAX;
	conn_open(&w->conn, &w->set, FAKE_SOCKET, bytes_of(NULL, 0));
	settle(w);
	return w;
}

static void
world_free(struct world *w)
{
	conn_abort(&w->conn, CONN_CLOSE_DONE);
	for (int i = 0; i < 4 && w->conn.state != CONN_CLOSED; i++) {
		settle(w);
		fake_turn(&w->fake);
	}
	assert_int_equal(w->conn.state, CONN_CLOSED);
	conn_release(&w->conn);
	native_release(&w->native);
	for (size_t i = 0; i < w->posted_count; i++)
		mem_free(w->posted[i]);
	arena_release(&w->arena);
	fake_release(&w->fake);
	mem_free(w);
}

/* The client reads everything. */
static void
drain_wire(struct world *w)
{
	settle(w);
	while (fake_take(&w->fake, SIZE_MAX) > 0)
		settle(w);
}

static void
feed(struct world *w, const void *data, size_t size)
{
	assert_true(fake_feed(&w->fake, data, size));
	settle(w);
}

static void
say(struct world *w, uint64_t request, Froe__Envelope__BodyCase kind, void *body)
{
	struct buf frame;
	buf_init(&frame);
	frame_push(&frame, request, kind, body);
	feed(w, frame.data, frame.size);
	buf_release(&frame);
}

/* The next message that the client has read; NULL: none. */
static Froe__Envelope *
hear(struct world *w)
{
	struct bytes frame;
	drain_wire(w);
	if (frame_next(buf_bytes(&w->fake.wire), UINT32_MAX, &frame) != FRAME_WHOLE)
		return NULL;
	Froe__Envelope *envelope = froe__envelope__unpack(NULL, frame.size, frame.data);
	assert_non_null(envelope);
	buf_pop(&w->fake.wire, frame.size + 4);
	return envelope;
}

static void
hear_error(struct world *w, uint64_t request, enum froe_err code, const char *field)
{
	Froe__Envelope *envelope = hear(w);
	assert_non_null(envelope);
	assert_int_equal(envelope->body_case, FROE__ENVELOPE__BODY_ERROR);
	if (envelope->error->code != (uint32_t)code)
		print_message("%s\n", envelope->error->text);
	assert_int_equal(envelope->request, request);
	assert_int_equal(envelope->error->code, code);
	assert_string_equal(envelope->error->field, field);
	froe__envelope__free_unpacked(envelope, NULL);
}

static void
hear_number(struct world *w, uint64_t request, Froe__Envelope__BodyCase kind)
{
	Froe__Envelope *envelope = hear(w);
	assert_non_null(envelope);
	assert_int_equal(envelope->request, request);
	assert_int_equal(envelope->body_case, kind);
	froe__envelope__free_unpacked(envelope, NULL);
}

static void
expect_ended(struct world *w, enum conn_close reason)
{
	drain_wire(w);
	assert_null(hear(w));
	assert_true(conn_ending(&w->conn));
	assert_int_equal(w->conn.reason, reason);
}

static void
deliver(struct world *w, uint64_t request, uint32_t number, const ProtobufCMessage *message)
{
	struct api_effect effect = {.conn = HANDLE, .request = request, .number = number,
	    .message = message, .roles = ENG_ROLES_ALL};
	native_deliver(&w->native, &effect);
	settle(w);
}

static void
say_hello(struct world *w, uint64_t window)
{
	Froe__Hello hello = FROE__HELLO__INIT;
	hello.has_version = true;
	hello.version = 1;
	hello.has_push_window = true;
	hello.push_window = window;
	feed(w, FRAME_PREFACE, FRAME_PREFACE_SIZE);
	say(w, 1, FROE__ENVELOPE__BODY_HELLO, &hello);
}

static struct world *
world_welcome(uint64_t window)
{
	struct world *w = world_new();
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	say_hello(w, window);
	assert_int_equal(w->posted_count, 1);
	deliver(w, 1, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
	hear_number(w, 1, FROE__ENVELOPE__BODY_WELCOME);
	return w;
}

static void
say_heartbeat(struct world *w, uint64_t request)
{
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	say(w, request, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
}

static void
deliver_done(struct world *w, uint64_t request)
{
	Froe__Done done = FROE__DONE__INIT;
	deliver(w, request, FROE__ENVELOPE__BODY_DONE, &done.base);
}

#endif
