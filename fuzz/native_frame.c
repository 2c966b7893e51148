/*
 * A client's bytes against one native session: framing, wire checks, request decoding, credit. A
 * fake shard answers what is posted, at once or later, and has no room now and then; time stands
 * still.
 *
 * Input: u8 mode, then what the client sends.
 *   mode bits 0-1  how it arrives: in one piece, in pieces of 1, 7, 100 bytes
 *   mode bit 2     preface and Hello are sent for it, with the window 1000
 *   mode bit 3     what follows is cut into frames here: u16 length, bytes
 *   mode bit 4     the shard answers at once, from within the post
 *   mode bit 5     the shard has room for two of three commands
 *   mode bit 6     the client reads nothing before the end
 */
#include "fuzz/feed.h"

#include "api/native.h"

#include "api/envelope.h"
#include "api/wire.h"
#include "base/mem.h"
#include "net/frame.h"
#include "unit/net_fake.h"

#include "proto/native.pb-c.h"

#define HANDLE UINT64_C(0x0100000005000007)
#define ANSWERS_MAX 4096u

enum mode {
	MODE_OPENED = 4,
	MODE_FRAMED = 8,
	MODE_AT_ONCE = 16,
	MODE_NO_ROOM = 32,
	MODE_UNREAD = 64,
};

struct answer {
	uint64_t request;
	uint32_t number;
	bool close;
};

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
	struct native native;
	struct arena arena;
	struct api_port port;
	uint8_t mode;
	unsigned asked;   /* posts tried */
	unsigned opens;
	unsigned closes;
	uint64_t window;  /* of pushes, as the shard knows it */
	struct answer answers[ANSWERS_MAX]; /* not yet given */
	size_t answer_count;
};

/* ------------------------------------------------------------------------------- the fake shard */

static void
give(struct world *w, const struct answer *answer)
{
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	Froe__Done done = FROE__DONE__INIT;
	Froe__RunEvent event = FROE__RUN_EVENT__INIT;
	struct api_effect effect = {.conn = HANDLE, .request = answer->request,
	    .number = answer->number, .roles = ENG_ROLES_ALL};
	switch (answer->number) {
	case FROE__ENVELOPE__BODY_WELCOME:
		effect.message = &welcome.base;
		break;
	case FROE__ENVELOPE__BODY_RUN_EVENT:
		event.has_final = event.final = 1;
		effect.message = &event.base;
		if (envelope_size(&effect) > w->window)
			return; /* not paid for: it would be held */
		w->window -= envelope_size(&effect);
		break;
	default:
		effect.message = &done.base;
	}
	native_deliver(&w->native, &effect);
}

static void
answer(struct world *w, uint64_t request, uint32_t number)
{
	struct answer made = {.request = request, .number = number};
	if ((w->mode & MODE_AT_ONCE) != 0)
		give(w, &made);
	else if (w->answer_count < ANSWERS_MAX)
		w->answers[w->answer_count++] = made;
}

static void
answer_all(struct world *w)
{
	size_t count = w->answer_count;
	w->answer_count = 0;
	for (size_t i = 0; i < count; i++)
		give(w, &w->answers[i]);
}

static void
check_engine(const struct eng_command *command)
{
	struct eng_fault faults[ENG_FAULTS_MAX];
	if (command->type == ENG_CMD_WORKFLOW_PUT)
		froe_assert(eng_definition_check(&command->workflow_put.definition, faults) <=
		    ENG_FAULTS_MAX);
	if (command->type == ENG_CMD_RUN_START)
		froe_assert(command->run_start.workflow.size <= FROE_NAME_BYTES_MAX);
	if (command->type == ENG_CMD_RUN_START)
		froe_assert(command->run_start.input.size > 0);
}

static void
take(struct world *w, const struct api_command *command)
{
	uint64_t request = command->origin.request;
	switch (command->op) {
	case API_OP_OPEN:
		froe_assert(w->opens++ == 0);
		w->window = command->open.push_window;
		answer(w, request, FROE__ENVELOPE__BODY_WELCOME);
		return;
	case API_OP_CLOSE:
		froe_assert(w->closes++ == 0);
		return;
	case API_OP_CREDIT:
		w->window += command->credit.bytes;
		return;
	case API_OP_RUN_WATCH:
		answer(w, request, FROE__ENVELOPE__BODY_RUN_EVENT);
		return;
	case API_OP_ENGINE:
		check_engine(&command->engine);
		answer(w, request, FROE__ENVELOPE__BODY_DONE);
		if (command->wait)
			answer(w, request, FROE__ENVELOPE__BODY_RUN_EVENT);
		return;
	case API_OP_METRICS:
		froe_never("no native request asks for this");
	default: /* the others have one answer each, which one is no matter here */
		answer(w, request, FROE__ENVELOPE__BODY_DONE);
		return;
	}
}

static bool
world_post(struct api_port *port, const struct api_command *command)
{
	struct world *w = container_of(port, struct world, port);
	froe_assert(command->origin.conn == HANDLE);
	if ((w->mode & MODE_NO_ROOM) != 0 && ++w->asked % 3 == 0)
		return false;
	froe_assert(w->closes == 0);
	froe_assert((w->opens == 1) != (command->op == API_OP_OPEN));
	struct api_command *copy = api_command_clone(command);
	take(w, copy);
	mem_free(copy);
	/* Invariant 2 of api/native.h. */
	froe_assert(w->window <= NATIVE_PUSH_BYTES_MAX);
	froe_assert(w->native.owed_bytes <= 2 * NATIVE_OWED_BYTES_MAX);
	return true;
}

/* ---------------------------------------------------------------------------------- the loop */

static void
step(struct world *w)
{
	conn_step(&w->conn);
	if (w->conn.state == CONN_OPENING && buf_used(&w->conn.input) >= FRAME_PREFACE_SIZE &&
	    !conn_ending(&w->conn)) {
		conn_serve(&w->conn, CONN_NATIVE);
		native_open(&w->native, &w->conn, &w->port, &w->arena, HANDLE);
	}
	bool opened = w->native.conn != NULL;
	enum api_progress progress = opened ? native_step(&w->native) : API_IDLE;
	if (opened && conn_ending(&w->conn) && !native_close(&w->native))
		progress = API_BLOCKED;
	conn_settle(&w->conn);
	if (progress != API_IDLE && w->conn.state != CONN_CLOSED)
		conn_ready(&w->conn); /* blocked: the port has room again at once */
}

static void
settle(struct world *w)
{
	struct list *node;
	for (unsigned turn = 0; turn < 100000; turn++) {
		while (list_pop(&w->set.ready) != NULL)
			step(w);
		while ((node = list_pop(&w->set.output)) != NULL)
			conn_send(container_of(node, struct conn, output));
		bool moved = (w->mode & MODE_UNREAD) == 0 && fake_take(&w->fake, SIZE_MAX) > 0;
		buf_reset(&w->fake.wire);
		if (w->answer_count > 0) {
			answer_all(w);
			moved = true;
		}
		if (!moved && list_empty(&w->set.ready))
			return;
	}
	froe_never("it does not settle");
}

static void
send_pieces(struct world *w, struct bytes bytes)
{
	static const size_t sizes[] = {SIZE_MAX, 1, 7, 100};
	size_t size = sizes[w->mode & 3];
	while (bytes.size > 0) {
		size_t part = size < bytes.size ? size : bytes.size;
		if (!fake_feed(&w->fake, bytes.data, part))
			return; /* nobody listens any more */
		settle(w);
		bytes = bytes_of(bytes.data + part, bytes.size - part);
	}
}

/* The preface, and Envelope{request 1, Hello{version 1, push_window 1000}}. */
static void
send_hello(struct world *w)
{
	static const char hello[] =
	    FRAME_PREFACE "\x09\0\0\0\x08\x01\x52\x05\x08\x01\x28\xe8\x07";
	send_pieces(w, bytes_of(hello, sizeof(hello) - 1));
}

static void
send_all(struct world *w, struct feed *feed)
{
	if ((w->mode & MODE_OPENED) != 0)
		send_hello(w);
	while (feed->left > 0) {
		uint8_t word[FRAME_HEADER_SIZE];
		if ((w->mode & MODE_FRAMED) == 0) {
			send_pieces(w, feed_take(feed, feed->left));
			return;
		}
		struct bytes frame = feed_take(feed, feed_u16(feed));
		le32_store(word, (uint32_t)frame.size);
		send_pieces(w, bytes_of(word, sizeof(word)));
		send_pieces(w, frame);
	}
}

/* The client is gone; the session takes leave of the shard exactly if it was known there. */
static void
finish(struct world *w)
{
	w->mode &= (uint8_t)~MODE_UNREAD;
	if (w->fake.receive != NULL && !w->fake.receive_cancelled)
		fake_receive_end(&w->fake, 0);
	settle(w);
	if (w->conn.state != CONN_CLOSED && !conn_ending(&w->conn))
		conn_abort(&w->conn, CONN_CLOSE_DONE);
	for (unsigned i = 0; i < 8 && w->conn.state != CONN_CLOSED; i++) {
		settle(w);
		fake_turn(&w->fake);
	}
	froe_assert(w->conn.state == CONN_CLOSED);
	while (w->native.conn != NULL && !native_close(&w->native))
		;
	froe_assert(w->opens == w->closes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	struct world *w = mem_zalloc(sizeof(*w));
	w->mode = feed_u8(&feed);
	fake_init(&w->fake);
	conn_set_init(&w->set, &w->fake.io);
	arena_init(&w->arena, WIRE_ARENA_BYTES_MAX);
	w->port.post = world_post;
	conn_open(&w->conn, &w->set, FAKE_SOCKET, bytes_of(NULL, 0));
	settle(w);
	send_all(w, &feed);
	finish(w);
	conn_release(&w->conn);
	if (w->native.conn != NULL)
		native_release(&w->native);
	arena_release(&w->arena);
	fake_release(&w->fake);
	mem_free(w);
	return 0;
}
