/*
 * tests/api_http_world: conversations with an HTTP session, over a network and a clock that the
 * test moves: what is asked of the shard, and what the client reads.
 */
#ifndef TESTS_API_HTTP_WORLD_H
#define TESTS_API_HTTP_WORLD_H

#include "api/http_api.h"

#include "base/mem.h"
#include "net_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HANDLE UINT64_C(0x0200000003000001)
#define POSTED_MAX 64u

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
	struct http_api http;
	struct api_port port;
	atomic_bool ready;
	struct api_command *posted[POSTED_MAX];
	size_t count;
	size_t seen; /* that the test has looked at */
	bool full;
	enum api_progress progress;
	uint32_t unsent_max;
};

static inline bool
world_post(struct api_port *port, const struct api_command *command)
{
	struct world *w = container_of(port, struct world, port);
	if (w->full)
		return false;
	assert_true(w->count < POSTED_MAX);
	w->posted[w->count++] = api_command_clone(command);
	return true;
}

static inline void
settle(struct world *w)
{
	struct list *node;
	while ((node = list_pop(&w->set.ready)) != NULL) {
		conn_step(&w->conn);
		w->progress = conn_ending(&w->conn) && http_api_close(&w->http)
		    ? API_IDLE
		    : http_api_step(&w->http);
		conn_settle(&w->conn);
		if (w->http.unsent > w->unsent_max)
			w->unsent_max = w->http.unsent;
	}
	while ((node = list_pop(&w->set.output)) != NULL)
		conn_send(container_of(node, struct conn, output));
}

static inline struct world *
world_new(void)
{
	struct world *w = mem_zalloc(sizeof(*w));
	fake_init(&w->fake);
	conn_set_init(&w->set, &w->fake.io);
	w->port.post = world_post;
	conn_open(&w->conn, &w->set, FAKE_SOCKET, bytes_of(NULL, 0));
	conn_serve(&w->conn, CONN_HTTP);
	http_api_open(&w->http, &w->conn, &w->port, &w->ready, HANDLE);
	settle(w);
	return w;
}

static inline void
world_free(struct world *w)
{
	conn_abort(&w->conn, CONN_CLOSE_DONE);
	for (int i = 0; i < 4 && w->conn.state != CONN_CLOSED; i++) {
		settle(w);
		fake_turn(&w->fake);
	}
	assert_true(http_api_close(&w->http));
	http_api_release(&w->http);
	conn_release(&w->conn);
	fake_release(&w->fake);
	for (size_t i = 0; i < w->count; i++)
		mem_free(w->posted[i]);
	mem_free(w);
}

static inline void
feed(struct world *w, const char *text)
{
	assert_true(fake_feed(&w->fake, text, strlen(text)));
	settle(w);
}

static inline void
drain_wire(struct world *w)
{
	settle(w);
	while (fake_take(&w->fake, SIZE_MAX) > 0)
		settle(w);
}

/* What the client has read since the last call. */
static inline const char *
heard_text(struct world *w)
{
	static char text[262144];
	drain_wire(w);
	struct bytes bytes = buf_bytes(&w->fake.wire);
	assert_true(bytes.size < sizeof(text));
	if (bytes.size > 0)
		memcpy(text, bytes.data, bytes.size);
	text[bytes.size] = 0;
	buf_reset(&w->fake.wire);
	return text;
}

#endif
