/*
 * A connection under TLS: whatever reaches it by the network, the owner sees nothing but what the
 * client has written, in its order. The client is genuine, the network in between is not.
 *
 * Input: operations, each a byte and its operands.
 *   0  u8 n: the client writes n bytes of a counter (once it has shaken hands)
 *   1  the network carries all that is under way, in both directions
 *   2  u8 n: it carries n bytes to the server
 *   3  u8 n, bytes: these bytes come to the server instead
 *   4  u16 at, u8 bits: turns bits over in what is under way to the server
 *   5  u8 n: it loses n bytes
 *   6  u8 n: the first n bytes come twice
 *   7  the owner takes nothing for now; or takes again
 *   8  the owner writes 5000 bytes
 *   9  the client says its end
 * Keys are random, so a run is not the same twice; what must hold is.
 */
#include "fuzz/feed.h"

#include "base/mem.h"
#include "net/conn.h"
#include "unit/net_fake.h"
#include "unit/tls_certificates.h"

#include <stdlib.h>

#define OPERATIONS_MAX 400u

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
	struct tls *client;
	struct buf heard;    /* by the client */
	uint8_t written;     /* the counter: the next byte that the client writes */
	uint8_t seen;        /* and the next that the owner is to see */
	bool damaged;        /* the network has not carried all as it was */
};

/* Contexts for all inputs: making certificates takes longer than a handshake. */
struct contexts {
	struct tls_context *server;
	struct tls_context *client;
};

static struct contexts
contexts_open(void)
{
	char dir[] = "/tmp/froe-fuzz-XXXXXX", cert[CERTIFICATE_PATH_SIZE];
	char key[CERTIFICATE_PATH_SIZE];
	struct contexts contexts;
	struct froe_fault fault;
	froe_assert(mkdtemp(dir) != NULL);
	certificates_make(dir, &(struct certificate){.name = "froe", .san = "DNS:froe"});
	struct tls_options options = {.server = true,
	    .cert_file = certificate_path(cert, dir, "froe", "pem"),
	    .key_file = certificate_path(key, dir, "froe", "key")};
	froe_assert(tls_context_open(&contexts.server, &options, &fault) == FROE_OK);
	options = (struct tls_options){.ca_file = cert};
	froe_assert(tls_context_open(&contexts.client, &options, &fault) == FROE_OK);
	unlink(cert);
	unlink(key);
	rmdir(dir);
	return contexts;
}

/* What the owner has is the next of what the client wrote. */
static void
owner_take(struct world *w)
{
	struct buf *input = &w->conn.input;
	for (size_t i = 0; i < buf_used(input); i++)
		froe_assert(buf_bytes(input).data[i] == w->seen++);
	buf_pop(input, buf_used(input));
}

static void
settle(struct world *w)
{
	struct list *node;
	for (unsigned turn = 0; turn < 10000; turn++) {
		bool moved = false;
		conn_set_turn(&w->set);
		while ((node = list_pop(&w->set.output)) != NULL)
			conn_send(container_of(node, struct conn, output));
		node = list_pop(&w->set.ready);
		if (node != NULL) {
			conn_step(&w->conn);
			if (tls_state(w->conn.tls) == TLS_OPEN && w->conn.state == CONN_OPENING)
				conn_serve(&w->conn, CONN_NATIVE);
			moved = true;
			if (!w->conn.held && !conn_ending(&w->conn))
				owner_take(w);
			conn_settle(&w->conn);
		}
		froe_assert(conn_held_bytes(&w->conn) < (size_t)4 << 20);
		if (!moved && list_empty(&w->set.output))
			return;
	}
	froe_never("it does not settle");
}

static void
to_server(struct world *w, struct bytes bytes)
{
	if (bytes.size > 0)
		fake_feed(&w->fake, bytes.data, bytes.size);
	settle(w);
}

static void
carry(struct world *w, size_t size)
{
	struct buf *output = tls_output(w->client);
	size = size < buf_used(output) ? size : buf_used(output);
	to_server(w, bytes_of(buf_bytes(output).data, size));
	buf_pop(output, size);
}

static void
carry_back(struct world *w)
{
	while (fake_take(&w->fake, SIZE_MAX) > 0)
		settle(w);
	tls_feed(w->client, buf_bytes(&w->fake.wire).data, buf_used(&w->fake.wire));
	buf_reset(&w->fake.wire);
	tls_step(w->client, &w->heard, SIZE_MAX);
	buf_reset(&w->heard);
}

static void
carry_all(struct world *w)
{
	for (int i = 0; i < 3; i++) {
		carry(w, SIZE_MAX);
		carry_back(w);
	}
}

static void
client_write(struct world *w, size_t size)
{
	uint8_t bytes[256];
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(w->written + i);
	w->written = (uint8_t)(w->written + tls_write(w->client, bytes_of(bytes, size)));
}

static void
damage(struct world *w, struct feed *feed)
{
	struct buf *output = tls_output(w->client);
	uint16_t at = feed_u16(feed);
	uint8_t bits = feed_u8(feed);
	if (at < buf_used(output))
		output->data[output->head + at] ^= bits;
	w->damaged = true;
}

static void
operate(struct world *w, struct feed *feed)
{
	static const uint8_t zeroes[5000];
	struct buf *output = tls_output(w->client);
	size_t n;
	switch (feed_u8(feed) % 10) {
	case 0:
		client_write(w, feed_u8(feed));
		break;
	case 1:
		carry_all(w);
		break;
	case 2:
		carry(w, feed_u8(feed));
		break;
	case 3:
		w->damaged = true;
		to_server(w, feed_take(feed, feed_u8(feed)));
		break;
	case 4:
		damage(w, feed);
		break;
	case 5:
		n = feed_u8(feed);
		w->damaged = true;
		buf_pop(output, n < buf_used(output) ? n : buf_used(output));
		break;
	case 6:
		n = feed_u8(feed);
		w->damaged = true;
		to_server(w, bytes_of(buf_bytes(output).data,
		    n < buf_used(output) ? n : buf_used(output)));
		break;
	case 7:
		w->conn.held = !w->conn.held;
		conn_ready(&w->conn);
		settle(w);
		break;
	case 8:
		if (conn_serving(&w->conn) && !conn_choked(&w->conn))
			buf_push(conn_output(&w->conn), zeroes, sizeof(zeroes));
		settle(w);
		break;
	default:
		tls_finish(w->client);
		break;
	}
}

/* An honest network brings all of it; any other at most a part. */
static void
finish(struct world *w)
{
	w->conn.held = false;
	conn_ready(&w->conn);
	settle(w);
	carry_all(w);
	if (!w->damaged && w->conn.state != CONN_CLOSED && !conn_ending(&w->conn))
		froe_assert(w->seen == w->written);
	if (!w->damaged)
		froe_assert(w->conn.reason != CONN_CLOSE_TLS);
	if (w->fake.receive != NULL && !w->fake.receive_cancelled)
		fake_receive_end(&w->fake, 0);
	settle(w);
	conn_abort(&w->conn, CONN_CLOSE_DONE);
	for (unsigned i = 0; i < 8 && w->conn.state != CONN_CLOSED; i++) {
		settle(w);
		fake_turn(&w->fake);
	}
	froe_assert(w->conn.state == CONN_CLOSED);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct contexts contexts;
	struct feed feed = {data, size};
	if (contexts.server == NULL)
		contexts = contexts_open();
	struct world *w = mem_zalloc(sizeof(*w));
	fake_init(&w->fake);
	conn_set_init(&w->set, &w->fake.io);
	w->client = tls_new(contexts.client, "froe");
	conn_open(&w->conn, &w->set, FAKE_SOCKET, bytes_of(NULL, 0));
	conn_secure(&w->conn, tls_new(contexts.server, NULL));
	settle(w);
	for (unsigned i = 0; feed.left > 0 && i < OPERATIONS_MAX; i++)
		operate(w, &feed);
	finish(w);
	tls_free(w->client);
	buf_release(&w->heard);
	conn_release(&w->conn);
	fake_release(&w->fake);
	mem_free(w);
	return 0;
}
