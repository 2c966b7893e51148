/* Sockets on both real loops: accept, receive, send, cancel, and what peers do to them. */
#include "io_real_world.h"

#include <fcntl.h>
#include <sys/resource.h>

/* ------------------------------------------------------------------- an echo server and clients */

struct service;

/* One end of a connection; a server's end sends back what it got. */
struct end {
	struct io_op receive;
	struct io_op send;
	struct service *service;
	int socket;
	unsigned number;
	bool server;
	uint8_t *queue; /* server: to echo; client: the chunk being sent */
	size_t queued;
	size_t room;
	size_t sending;
	uint64_t sent;
	uint64_t got;
	bool closed;
};

struct service {
	struct world *world;
	struct io_op accept;
	struct end **servers;
	unsigned accepted;
	unsigned closed;
	uint64_t total; /* bytes a client sends */
	size_t chunk;
};

static uint8_t
pattern(unsigned number, uint64_t at)
{
	return (uint8_t)(at * 31 + at / 251 + number);
}

static void
end_flush(struct end *end)
{
	if (io_op_active(&end->send) || end->queued == 0)
		return;
	end->sending = end->queued;
	io_send(end->service->world->io, &end->send, end->socket, end->queue, end->queued);
}

static void
client_next(struct end *end)
{
	struct service *service = end->service;
	uint64_t rest = service->total - end->sent;
	size_t size = rest < service->chunk ? (size_t)rest : service->chunk;

	for (size_t i = 0; i < size; i++)
		end->queue[i] = pattern(end->number, end->sent + i);
	end->queued = size;
	end_flush(end);
}

/* While a send is under way its bytes must not move: what arrives meanwhile is put behind them in
 * a queue that was made large enough. */
static void
server_queue(struct end *end, const uint8_t *data, size_t size)
{
	assert_true(end->queued + size <= end->room);
	memcpy(end->queue + end->queued, data, size);
	end->queued += size;
	end_flush(end);
}

static void
end_on_sent(struct io_op *op, int32_t result)
{
	struct end *end = container_of(op, struct end, send);

	assert_true(result > 0);
	assert_true((size_t)result <= end->sending);
	end->sent += (uint64_t)result;
	end->queued -= (size_t)result;
	if (!end->server && end->queued == 0) {
		client_next(end);
		return;
	}
	memmove(end->queue, end->queue + result, end->queued);
	end_flush(end);
}

static void
end_on_received(struct io_op *op, int32_t result)
{
	struct end *end = container_of(op, struct end, receive);

	if (result <= 0) {
		assert_false(io_op_active(op));
		assert_int_equal(result, 0);
		end->closed = true;
		end->service->closed++;
		return;
	}
	assert_true(io_op_active(op));
	if (end->server) {
		server_queue(end, op->data, (size_t)result);
	} else {
		for (int32_t i = 0; i < result; i++)
			if (op->data[i] != pattern(end->number, end->got + (uint64_t)i))
				fail_msg("byte %llu differs", (unsigned long long)end->got);
	}
	end->got += (uint64_t)result;
}

static struct end *
end_make(struct service *service, int socket, bool server, unsigned number, size_t room)
{
	struct end *end = mem_zalloc(sizeof(*end));

	end->service = service;
	end->socket = socket;
	end->server = server;
	end->number = number;
	end->room = room;
	end->queue = mem_alloc(room);
	io_op_init(&end->receive, end_on_received);
	io_op_init(&end->send, end_on_sent);
	io_receive(service->world->io, &end->receive, socket);
	return end;
}

static void
end_free(struct end *end)
{
	assert_false(io_op_active(&end->receive));
	assert_false(io_op_active(&end->send));
	io_socket_close(end->service->world->io, end->socket);
	mem_free(end->queue);
	mem_free(end);
}

static void
service_on_accept(struct io_op *op, int32_t result)
{
	struct service *service = container_of(op, struct service, accept);
	int value = 0;
	socklen_t size = sizeof(value);

	if (result < 0) {
		assert_int_equal(result, -FROE_CANCELLED);
		return;
	}
	assert_true(fcntl(result, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(result, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(result, IPPROTO_TCP, 1 /* TCP_NODELAY */, &value, &size), 0);
	assert_true(value != 0);
	service->servers[service->accepted++] =
	    end_make(service, result, true, 0, (size_t)service->total + 1);
}

static void
service_run(struct service *service, struct end **clients, unsigned count)
{
	struct world *world = service->world;
	uint64_t until = world_deadline(world, PATIENCE_MS);
	unsigned done = 0;

	while (done < count) {
		assert_true(io_mono_ns(world->env) < until);
		io_step(world->io, until);
		done = 0;
		for (unsigned i = 0; i < count; i++)
			done += clients[i]->got == service->total;
	}
	assert_int_equal(service->accepted, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(shutdown(clients[i]->socket, SHUT_WR), 0);
	while (service->closed < count)
		io_step(world->io, until);
	for (unsigned i = 0; i < count; i++)
		end_free(service->servers[i]);
	while (service->closed < 2 * count)
		io_step(world->io, until);
	for (unsigned i = 0; i < count; i++)
		end_free(clients[i]);
	io_cancel(world->io, &service->accept);
	while (io_op_active(&service->accept))
		io_step(world->io, until);
}

/* Each of `count` clients sends `total` bytes in chunks and gets every one back, in order. */
static void
echo(struct world *world, unsigned count, uint64_t total, size_t chunk)
{
	struct service service = {.world = world, .total = total, .chunk = chunk};
	struct end **clients = mem_array(count, sizeof(struct end *));

	service.servers = mem_array(count, sizeof(struct end *));
	io_op_init(&service.accept, service_on_accept);
	io_accept(world->io, &service.accept, world->listener);
	for (unsigned i = 0; i < count; i++) {
		clients[i] = end_make(&service, world_dial(world), false, i, chunk);
		client_next(clients[i]);
	}
	service_run(&service, clients, count);
	mem_free(clients);
	mem_free(service.servers);
}

static void
test_socket__echoes_single_bytes(void **state)
{
	echo(*state, 1, 200, 1);
}

static void
test_socket__echoes_odd_chunks(void **state)
{
	echo(*state, 40, 20011, 777);
}

static void
test_socket__echoes_large_chunks(void **state)
{
	echo(*state, 3, 3 << 20, 1 << 20);
}

static void
test_socket__echoes_many_connections(void **state)
{
	echo(*state, 200, 9000, 4096);
}

/* ------------------------------------------------------------------------------ other behaviour */

static void
files_allow(unsigned count)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur >= count)
		return;
	if (limit.rlim_max < count)
		skip();
	limit.rlim_cur = count;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* More sockets have something to read than the loop has buffers (io_uring: 256). */
static void
test_socket__more_ready_connections_than_buffers(void **state)
{
	enum { COUNT = 400, BYTES = 40000 };
	struct world *world = *state;
	static uint8_t block[BYTES];
	struct probe *probes = mem_array(COUNT, sizeof(*probes));
	int *ends = mem_array(2 * COUNT, sizeof(int));
	uint64_t until = world_deadline(world, PATIENCE_MS);
	uint64_t bytes = 0;

	files_allow(2 * COUNT + 64);
	for (int i = 0; i < COUNT; i++) {
		world_pair(world, &ends[2 * i]);
		assert_int_equal(send(ends[2 * i], block, BYTES, 0), BYTES);
		probe_init(&probes[i]);
		io_receive(world->io, &probes[i].op, ends[2 * i + 1]);
	}
	while (bytes < (uint64_t)COUNT * BYTES) {
		assert_true(io_mono_ns(world->env) < until);
		io_step(world->io, until);
		bytes = 0;
		for (int i = 0; i < COUNT; i++)
			bytes += probes[i].bytes;
	}
	uint64_t turns = world->io->stats.turns;
	io_step(world->io, world_deadline(world, 5));
	assert_int_equal(world->io->stats.turns, turns + 1);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(probes[i].bytes, BYTES);
		assert_true(io_op_active(&probes[i].op));
		close(ends[2 * i]);
		world_run_until_calls(world, &probes[i], probes[i].calls + 1);
		assert_int_equal(probes[i].result, 0);
		assert_false(io_op_active(&probes[i].op));
		io_socket_close(world->io, ends[2 * i + 1]);
	}
	mem_free(probes);
	mem_free(ends);
}

/* A receiver that cancels after every piece and starts again after -FROE_CANCELLED. */
struct pauser {
	struct io_op op;
	struct io *io;
	int socket;
	uint64_t got;
	unsigned pauses;
	bool ended;
};

static void
pauser_on_received(struct io_op *op, int32_t result)
{
	struct pauser *pauser = container_of(op, struct pauser, op);

	if (result == -FROE_CANCELLED) {
		assert_false(io_op_active(op));
		pauser->pauses++;
		io_receive(pauser->io, op, pauser->socket);
		return;
	}
	assert_true(result >= 0);
	for (int32_t i = 0; i < result; i++)
		if (op->data[i] != pattern(7, pauser->got + (uint64_t)i))
			fail_msg("byte %llu differs", (unsigned long long)pauser->got);
	pauser->got += (uint64_t)result;
	if (result == 0)
		pauser->ended = true;
	else
		io_cancel(pauser->io, op);
}

static void
test_socket__pause_and_resume_lose_no_byte(void **state)
{
	enum { BYTES = 2 << 20 };
	struct world *world = *state;
	uint8_t *block = mem_alloc(BYTES);
	struct pauser pauser = {.io = world->io};
	uint64_t until = world_deadline(world, PATIENCE_MS);
	size_t sent = 0;
	int ends[2];

	for (size_t i = 0; i < BYTES; i++)
		block[i] = pattern(7, i);
	world_pair(world, ends);
	pauser.socket = ends[1];
	io_op_init(&pauser.op, pauser_on_received);
	io_receive(world->io, &pauser.op, ends[1]);
	while (!pauser.ended) {
		assert_true(io_mono_ns(world->env) < until);
		io_step(world->io, sent == BYTES ? until : 0);
		if (sent == BYTES)
			continue;
		ssize_t put = send(ends[0], block + sent, BYTES - sent, MSG_DONTWAIT);
		sent += put > 0 ? (size_t)put : 0;
		if (sent == BYTES)
			assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
	}
	assert_int_equal(pauser.got, BYTES);
	assert_true(pauser.pauses > 0);
	assert_false(io_op_active(&pauser.op));
	io_socket_close(world->io, ends[1]);
	close(ends[0]);
	mem_free(block);
}

static void
test_socket__paused_receive_stays_silent(void **state)
{
	struct world *world = *state;
	struct probe probe;
	int ends[2];

	world_pair(world, ends);
	probe_init(&probe);
	io_receive(world->io, &probe.op, ends[1]);
	world_idle(world, 2);
	assert_int_equal(probe.calls, 0);
	io_cancel(world->io, &probe.op);
	io_cancel(world->io, &probe.op); /* harmless */
	world_run_until_calls(world, &probe, 1);
	assert_int_equal(probe.result, -FROE_CANCELLED);
	assert_false(io_op_active(&probe.op));
	io_cancel(world->io, &probe.op); /* harmless */
	assert_int_equal(send(ends[0], "hello", 5, 0), 5);
	world_idle(world, 3);
	assert_int_equal(probe.calls, 1);
	io_receive(world->io, &probe.op, ends[1]);
	world_run_until_calls(world, &probe, 2);
	assert_int_equal(probe.result, 5);
	close(ends[0]);
	world_run_until_calls(world, &probe, 3);
	assert_int_equal(probe.result, 0);
	io_socket_close(world->io, ends[1]);
}

static void
test_socket__cancel_before_the_first_turn(void **state)
{
	struct world *world = *state;
	struct probe probes[3];
	int ends[2];
	static uint8_t block[100];

	world_pair(world, ends);
	for (int i = 0; i < 3; i++)
		probe_init(&probes[i]);
	io_accept(world->io, &probes[0].op, world->listener);
	io_receive(world->io, &probes[1].op, ends[1]);
	io_send(world->io, &probes[2].op, ends[1], block, sizeof(block));
	for (int i = 0; i < 3; i++)
		io_cancel(world->io, &probes[i].op);
	for (int i = 0; i < 3; i++)
		world_run_until_calls(world, &probes[i], 1);
	world_idle(world, 2);
	assert_int_equal(probes[0].result, -FROE_CANCELLED);
	assert_int_equal(probes[1].result, -FROE_CANCELLED);
	assert_true(probes[2].result == -FROE_CANCELLED || probes[2].result == sizeof(block));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(probes[i].calls, 1);
		assert_false(io_op_active(&probes[i].op));
	}
	io_socket_close(world->io, ends[1]);
	close(ends[0]);
}

static void
test_socket__cancelled_accept_leaves_the_backlog(void **state)
{
	struct world *world = *state;
	struct probe probe;

	probe_init(&probe);
	io_accept(world->io, &probe.op, world->listener);
	world_idle(world, 1);
	io_cancel(world->io, &probe.op);
	world_run_until_calls(world, &probe, 1);
	assert_int_equal(probe.result, -FROE_CANCELLED);
	int client = world_dial(world);
	world_idle(world, 2);
	assert_int_equal(probe.calls, 1);
	io_accept(world->io, &probe.op, world->listener);
	world_run_until_calls(world, &probe, 2);
	assert_true(probe.result >= 0);
	assert_true(io_op_active(&probe.op));
	io_socket_close(world->io, probe.result);
	io_cancel(world->io, &probe.op);
	world_run_until_calls(world, &probe, 3);
	close(client);
}

/* The receive and the accept of one loop go on while a send waits for a slow reader. */
static void
test_socket__short_sends_to_a_slow_reader(void **state)
{
	enum { BYTES = 1 << 20 };
	struct world *world = *state;
	uint8_t *block = mem_alloc(BYTES);
	uint8_t *read_back = mem_alloc(BYTES);
	struct probe probe;
	size_t sent = 0;
	size_t got = 0;
	int small = 16 << 10;
	int ends[2];

	for (size_t i = 0; i < BYTES; i++)
		block[i] = pattern(3, i);
	world_pair(world, ends);
	assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	probe_init(&probe);
	uint64_t until = world_deadline(world, PATIENCE_MS);
	while (got < BYTES) {
		assert_true(io_mono_ns(world->env) < until);
		if (!io_op_active(&probe.op) && sent < BYTES)
			io_send(world->io, &probe.op, ends[1], block + sent, BYTES - sent);
		int calls = probe.calls;
		io_step(world->io, world_deadline(world, 1));
		if (probe.calls != calls) {
			assert_true(probe.result > 0);
			sent += (size_t)probe.result;
		}
		ssize_t more = recv(ends[0], read_back + got, 20000, MSG_DONTWAIT);
		got += more > 0 ? (size_t)more : 0;
	}
	assert_int_equal(sent, BYTES);
	assert_memory_equal(block, read_back, BYTES);
	assert_true(probe.calls > 1); /* it did not go out at once */
	io_socket_close(world->io, ends[1]);
	close(ends[0]);
	mem_free(block);
	mem_free(read_back);
}

/* Fills the socket until a send waits, then cancels it. */
static void
test_socket__cancel_of_a_waiting_send(void **state)
{
	enum { BYTES = 8 << 20 };
	struct world *world = *state;
	uint8_t *block = mem_zalloc(BYTES);
	struct probe probe;
	struct probe receive;
	int ends[2];

	world_pair(world, ends);
	probe_init(&probe);
	probe_init(&receive);
	io_receive(world->io, &receive.op, ends[1]);
	uint64_t until = world_deadline(world, PATIENCE_MS);
	do {
		if (!io_op_active(&probe.op))
			io_send(world->io, &probe.op, ends[1], block, BYTES);
		assert_true(io_mono_ns(world->env) < until);
		int calls = probe.calls;
		world_idle(world, 3);
		if (probe.calls == calls)
			break;
	} while (true);
	int calls = probe.calls;
	io_cancel(world->io, &probe.op);
	world_run_until_calls(world, &probe, calls + 1);
	assert_int_equal(probe.result, -FROE_CANCELLED);
	assert_false(io_op_active(&probe.op));
	/* The other direction is untouched. */
	assert_int_equal(send(ends[0], "ok", 2, 0), 2);
	world_run_until_calls(world, &receive, 1);
	assert_int_equal(receive.result, 2);
	io_cancel(world->io, &receive.op);
	world_run_until_calls(world, &receive, 2);
	io_socket_close(world->io, ends[1]);
	close(ends[0]);
	mem_free(block);
}

static void
test_socket__a_reset_is_closed(void **state)
{
	struct world *world = *state;
	struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	struct probe receive;
	struct probe send_probe;
	int ends[2];

	world_pair(world, ends);
	probe_init(&receive);
	probe_init(&send_probe);
	io_receive(world->io, &receive.op, ends[1]);
	world_idle(world, 1);
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(ends[0]);
	world_run_until_calls(world, &receive, 1);
	assert_int_equal(receive.result, -FROE_CLOSED);
	assert_false(io_op_active(&receive.op));
	io_send(world->io, &send_probe.op, ends[1], "x", 1); /* no SIGPIPE */
	world_run_until_calls(world, &send_probe, 1);
	assert_int_equal(send_probe.result, -FROE_CLOSED);
	io_socket_close(world->io, ends[1]);
}

static void
test_socket__accept_without_descriptors_ends_and_starts_again(void **state)
{
	struct world *world = *state;
	struct rlimit old;
	struct probe probe;

	int client = world_dial(world);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	int lowest = dup(0);
	close(lowest);
	struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = old.rlim_max};
	probe_init(&probe);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	io_accept(world->io, &probe.op, world->listener);
	world_run_until_calls(world, &probe, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(probe.result, -FROE_RESOURCE_EXHAUSTED);
	assert_false(io_op_active(&probe.op));
	io_accept(world->io, &probe.op, world->listener);
	world_run_until_calls(world, &probe, 2);
	assert_true(probe.result >= 0);
	io_socket_close(world->io, probe.result);
	io_cancel(world->io, &probe.op);
	world_run_until_calls(world, &probe, 3);
	close(client);
}

/* A connection moves to another loop, is closed there, and its number comes back to the first. */
static void
test_socket__handed_over_to_another_loop(void **state)
{
	struct world *world = *state;
	struct world other = *world;
	struct probe probe;
	int ends[2];

	assert_int_equal(io_open(world->env, &other.io, NULL), FROE_OK);
	probe_init(&probe);
	for (int round = 0; round < 3; round++) {
		world_pair(world, ends);
		io_receive(world->io, &probe.op, ends[1]);
		assert_int_equal(send(ends[0], "one", 3, 0), 3);
		world_run_until_calls(world, &probe, 5 * round + 1);
		assert_int_equal(probe.result, 3);
		io_cancel(world->io, &probe.op);
		world_run_until_calls(world, &probe, 5 * round + 2);
		assert_int_equal(send(ends[0], "second", 6, 0), 6);
		io_receive(other.io, &probe.op, ends[1]);
		world_run_until_calls(&other, &probe, 5 * round + 3);
		assert_int_equal(probe.result, 6);
		io_cancel(other.io, &probe.op);
		world_run_until_calls(&other, &probe, 5 * round + 4);
		assert_int_equal(probe.result, -FROE_CANCELLED);
		close(ends[0]);
		io_receive(other.io, &probe.op, ends[1]);
		world_run_until_calls(&other, &probe, 5 * round + 5);
		assert_int_equal(probe.result, 0);
		io_socket_close(other.io, ends[1]);
	}
	io_close(other.io);
}

/* After io_close the kernel holds no buffer (the sanitizer looks on) and no handler is called. */
static void
test_socket__close_of_a_busy_loop(void **state)
{
	enum { BYTES = 8 << 20 };
	struct world *world = *state;
	struct probe *probes = mem_array(3, sizeof(*probes));
	uint8_t *block = mem_zalloc(BYTES);
	int ends[2];

	world_pair(world, ends);
	for (int i = 0; i < 3; i++)
		probe_init(&probes[i]);
	io_accept(world->io, &probes[0].op, world->listener);
	io_receive(world->io, &probes[1].op, ends[1]);
	io_send(world->io, &probes[2].op, ends[1], block, BYTES);
	world_idle(world, 2);
	int calls = probes[2].calls;
	io_close(world->io);
	world->io = NULL;
	assert_int_equal(probes[0].calls, 0);
	assert_int_equal(probes[1].calls, 0);
	assert_int_equal(probes[2].calls, calls);
	mem_free(probes);
	mem_free(block);
	close(ends[0]);
	close(ends[1]);
}

static void
listen_refused(const char *address, enum froe_err code)
{
	struct froe_fault fault = {0};
	uint16_t port = 0;
	int listener = -1;

	assert_int_equal(io_listen(address, &listener, &port, &fault), code);
	assert_int_equal(fault.code, code);
	assert_int_equal(listener, -1);
	if (address[0] != '\0')
		assert_non_null(strstr(fault.text, address));
}

static void
test_socket__addresses(void **state)
{
	struct world *world = *state;
	char taken[32];
	uint16_t port = 0;
	int listener = -1;

	static const char *const wrong[] = {"", "7077", ":7077", "127.0.0.1", "127.0.0.1:",
	    "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:123456", "::1:7077", "[]:7077",
	    "[::1:7077", "127.0.0.1:-1"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		listen_refused(wrong[i], FROE_INVALID_ARGUMENT);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", world->port);
	listen_refused(taken, FROE_IN_USE);
	assert_int_equal(io_listen("localhost:0", &listener, &port, NULL), FROE_OK);
	assert_true(port != 0);
	close(listener);
	/* A host without IPv6 refuses. */
	if (io_listen("[::1]:0", &listener, &port, NULL) == FROE_OK)
		close(listener);
}

/* A datagram socket has a peer without a packet being sent. */
static bool
peer_is_local(const char *host, char text[IO_PEER_SIZE])
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4711)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
	bool four = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
	if (!four)
		assert_int_equal(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
	int socket_fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	int connected = four ? connect(socket_fd, (struct sockaddr *)&v4, sizeof(v4))
			     : connect(socket_fd, (struct sockaddr *)&v6, sizeof(v6));
	struct io_peer peer;
	io_peer_find(socket_fd, &peer);
	io_peer_format(&peer, text);
	if (connected != 0) /* no route there from here */
		snprintf(text, IO_PEER_SIZE, "no route");
	close(socket_fd);
	return peer.loopback;
}

static void
test_socket__who_is_at_the_other_end(void **state)
{
	char text[IO_PEER_SIZE], self[IO_PEER_SIZE];
	struct io_peer peer;
	int pair[2];
	(void)state;
	assert_true(peer_is_local("127.0.0.1", text));
	assert_string_equal(text, "127.0.0.1:4711");
	assert_true(peer_is_local("127.77.0.3", text));
	if (peer_is_local("::1", text))
		assert_string_equal(text, "[::1]:4711");
	assert_false(peer_is_local("192.0.2.7", text));
	if (strcmp(text, "no route") != 0)
		assert_string_equal(text, "192.0.2.7:4711");
	assert_false(peer_is_local("2001:db8::7", text));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	io_peer_find(pair[0], &peer);
	io_peer_format(&peer, text);
	snprintf(self, sizeof(self), "uid %u", (unsigned)getuid());
	assert_string_equal(text, self);
	assert_false(peer.loopback);
	close(pair[0]);
	close(pair[1]);
	io_peer_find(-1, &peer);
	io_peer_format(&peer, text);
	assert_string_equal(text, "unknown");
}

#define TESTS(TEST)                                                                                \
	TEST(test_socket__echoes_single_bytes), TEST(test_socket__echoes_odd_chunks),              \
	    TEST(test_socket__echoes_large_chunks), TEST(test_socket__echoes_many_connections),    \
	    TEST(test_socket__more_ready_connections_than_buffers),                                \
	    TEST(test_socket__pause_and_resume_lose_no_byte),                                      \
	    TEST(test_socket__paused_receive_stays_silent),                                        \
	    TEST(test_socket__cancel_before_the_first_turn),                                       \
	    TEST(test_socket__cancelled_accept_leaves_the_backlog),                                \
	    TEST(test_socket__short_sends_to_a_slow_reader),                                       \
	    TEST(test_socket__who_is_at_the_other_end),                                            \
	    TEST(test_socket__cancel_of_a_waiting_send), TEST(test_socket__a_reset_is_closed),     \
	    TEST(test_socket__accept_without_descriptors_ends_and_starts_again),                   \
	    TEST(test_socket__handed_over_to_another_loop),                                        \
	    TEST(test_socket__close_of_a_busy_loop), TEST(test_socket__addresses)

int
main(void)
{
	const struct CMUnitTest posix[] = {TESTS(POSIX_TEST)};
	const struct CMUnitTest uring[] = {TESTS(URING_TEST)};
	const struct CMUnitTest polling[] = {TESTS(POLLING_TEST)};

	int failed = cmocka_run_group_tests_name("io_socket posix", posix, NULL, NULL);
	if (world_has_uring()) {
		failed += cmocka_run_group_tests_name("io_socket io_uring", uring, NULL, NULL);
		failed += cmocka_run_group_tests_name("io_socket polling", polling, NULL, NULL);
	}
	return failed;
}
