/*
 * tests/net_grpc_world: calls between a struct grpc and a client, in memory: every byte passes
 * through both HTTP/2 sides. Time, and what has left, are a test's to say.
 */
#ifndef TESTS_NET_GRPC_WORLD_H
#define TESTS_NET_GRPC_WORLD_H

#include "net/grpc.h"

#include "base/duration.h"
#include "net/http2.h"

#include "net_grpc_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NONE bytes_of(NULL, 0)

/* What the methods saw. */
struct world {
	struct grpc *grpc;
	struct grpc_codec *codec;
	struct grpc_count count;
	struct client client;
	struct buf in;    /* to the server, not yet taken */
	struct buf out;   /* from the server, not yet read */
	uint64_t now_ns;
	size_t unsent;    /* what the server is told of */
	unsigned opened, closed, messages, taken, readied, writables, halves, writtens;
	enum grpc_end end; /* of the latest that closed */
	uint64_t written;  /* of it */
	bool later;        /* methods take nothing */
	bool deny;         /* `open` refuses */
	bool cut;          /* the server's bytes do not arrive */
	struct grpc_call *stream; /* the latest that was opened */
};

static inline struct world *
world_of(const struct grpc_call *call)
{
	return grpc_call_owner(call);
}

/* -------------------------------------------------------------------------------- methods */

static inline void
on_open(struct grpc_call *call)
{
	struct world *w = world_of(call);
	w->opened++;
	w->stream = call;
	grpc_call_set_context(call, w);
	if (w->deny)
		grpc_finish(call, GRPC_UNAUTHENTICATED, "invalid auth token", NONE);
}

static inline enum grpc_taken
on_echo(struct grpc_call *call, struct bytes message)
{
	struct world *w = world_of(call);
	w->messages++;
	if (w->later)
		return GRPC_LATER;
	w->taken++;
	if (grpc_call_method(call)->kind == GRPC_UNARY)
		grpc_reply(call, message);
	else
		assert_true(grpc_send(call, message));
	return GRPC_TAKEN;
}

static inline enum grpc_taken
on_listen(struct grpc_call *call, struct bytes message)
{
	struct world *w = world_of(call);
	(void)message;
	w->messages++;
	grpc_begin(call);
	return GRPC_TAKEN;
}

static inline enum grpc_taken
on_fail(struct grpc_call *call, struct bytes message)
{
	(void)message;
	grpc_finish(call, GRPC_ALREADY_EXISTS, "l\xc3\xa4uft schon: 100%\n",
	    bytes_text("\x08\x06xy"));
	return GRPC_TAKEN;
}

/* The request says whether the text names the field. */
static inline enum grpc_taken
on_refuse(struct grpc_call *call, struct bytes message)
{
	struct froe_fault fault;
	FROE_DROP(fault_set_field(&fault, FROE_INVALID_ARGUMENT, "a[0].b", "%sgive one",
	              message.size > 0 ? "a[0].b: " : ""), "it is sent");
	grpc_fail(call, &fault);
	return GRPC_TAKEN;
}

static inline void
on_half_close(struct grpc_call *call)
{
	world_of(call)->halves++;
	grpc_finish(call, GRPC_OK, NULL, NONE);
}

static inline void
on_writable(struct grpc_call *call)
{
	world_of(call)->writables++;
}

static inline void
on_written(struct grpc_call *call)
{
	world_of(call)->writtens++;
}

static inline void
on_close(struct grpc_call *call, enum grpc_end end)
{
	struct world *w = world_of(call);
	w->closed++;
	w->end = end;
	w->written = grpc_written(call);
	if (w->stream == call)
		w->stream = NULL;
}

static const struct grpc_method METHODS[] = {
    {"/t.Test/Echo", GRPC_UNARY, on_open, on_echo, .close = on_close},
    {"/t.Test/Fail", GRPC_UNARY, on_open, on_fail, .close = on_close},
    {"/t.Test/Refuse", GRPC_UNARY, on_open, on_refuse, .close = on_close},
    {"/t.Test/Listen", GRPC_SERVER_STREAM, on_open, on_listen, NULL, on_writable, on_written,
        on_close},
    {"/t.Test/Chat", GRPC_BIDI, on_open, on_echo, on_half_close, on_writable, on_written, on_close},
};
static const struct grpc_methods TABLE = {METHODS, sizeof(METHODS) / sizeof(METHODS[0])};

/* ---------------------------------------------------------------------------------- world */

static inline void
on_ready(void *owner)
{
	struct world *w = owner;
	w->readied++;
}

static inline void
world_open_to(struct world *w, uint32_t window, bool near)
{
	*w = (struct world){.now_ns = NS_PER_S};
	w->codec = grpc_codec_open();
	w->grpc = grpc_open(&(struct grpc_options){.methods = &TABLE, .codec = w->codec,
	    .owner = w, .ready = on_ready, .now_ns = w->now_ns, .count = &w->count,
	    .near = near});
	client_open_window(&w->client, window);
}

static inline void
world_open_window(struct world *w, uint32_t window)
{
	world_open_to(w, window, /* near= */ false);
}

static inline void
world_open(struct world *w)
{
	world_open_window(w, 65535);
}

static inline void
world_close(struct world *w)
{
	grpc_check(w->grpc);
	grpc_close(w->grpc, GRPC_END_BROKEN);
	assert_int_equal(w->opened, w->closed);
	assert_true(w->count.connections == 0 && w->count.streams == 0);
	grpc_codec_close(w->codec);
	client_close(&w->client);
	buf_release(&w->in);
	buf_release(&w->out);
}

static inline bool
server_step(struct world *w, struct froe_fault *fault)
{
	grpc_step(w->grpc, w->unsent, w->now_ns);
	enum froe_err err = grpc_receive(w->grpc, &w->in, fault);
	while (buf_used(&w->out) < (1u << 20) && grpc_pull(w->grpc, &w->out))
		;
	grpc_check(w->grpc);
	return err == FROE_OK;
}

/* Bytes to and fro until nobody has any. */
static inline enum froe_err
world_run(struct world *w)
{
	struct froe_fault fault = {.code = FROE_OK};
	for (int i = 0; i < 4000; i++) {
		buf_push(&w->in, buf_bytes(&w->client.out).data, buf_used(&w->client.out));
		buf_reset(&w->client.out);
		unsigned readied = w->readied;
		size_t before = buf_used(&w->in);
		if (!server_step(w, &fault))
			return fault.code;
		bool moved = readied != w->readied || buf_used(&w->in) != before;
		if (!w->cut && buf_used(&w->out) > 0) {
			assert_true(client_feed(&w->client, buf_bytes(&w->out)));
			buf_reset(&w->out);
			moved = true;
		}
		if (!moved && buf_used(&w->client.out) == 0)
			return FROE_OK;
	}
	fail_msg("it does not come to rest");
	return FROE_INTERNAL;
}

static inline void
expect_message(const struct heard *heard, size_t at, struct bytes wanted)
{
	struct bytes message;
	assert_true(client_message(heard, at, &message, NULL));
	assert_true(bytes_equal(message, wanted));
}

static inline void
expect_status(const struct heard *heard, const char *status)
{
	if (strcmp(heard->status, status) != 0)
		print_message("status %s, message %s\n", heard->status, heard->message);
	assert_string_equal(heard->status, status);
	assert_true(heard->closed);
	assert_int_equal(heard->code, NGHTTP2_NO_ERROR);
}

static inline struct heard *
echo(struct world *w, struct bytes message)
{
	struct heard *heard = client_call(&w->client, "/t.Test/Echo", NULL);
	client_say(&w->client, heard, message, true);
	assert_int_equal(world_run(w), FROE_OK);
	return heard;
}

#endif
