/*
 * bench/limit: how fast this machine can do what froe does, with nothing behind it.
 *
 * Three processes over loopback TCP: a client with N requests in flight, a server, a worker. The
 * hops of one request are those of a run: client -> server -> synced write -> worker -> server ->
 * synced write -> client. Messages have the sizes that froe's have with a payload of 64 bytes.
 *
 * The server is one thread with one ring. A turn is one io_uring_enter:
 *
 *   1. what has arrived is copied into the write that is being filled;
 *   2. if it holds something and fewer than --writes are under way, it starts: one O_DIRECT |
 *      O_DSYNC write for all that arrived (group commit);
 *   3. what the finished writes hold, in order, goes to its next hop, one send a connection;
 *   4. all of that is submitted together, and the ring waits.
 *
 * The file is zeroed before and used round and round, as a log with recycled segments is. Client
 * and worker read all there is, answer all of it with one send, and wait.
 *
 *     limit [--inflight N] [--seconds S] [--warmup S] [--dir DIR] [--writes 1..4] [--acks]
 *
 * --acks also sends what froe sends beside the hops: RunStarted to the client, Done to the worker.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cli/samples.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whole frames of froe's native protocol, for one task with 64 bytes in and out. */
#define REQUEST_BYTES 120u  /* RunStart */
#define DISPATCH_BYTES 170u /* Dispatch */
#define COMPLETE_BYTES 96u  /* TaskComplete */
#define RESULT_BYTES 116u   /* RunEvent */
#define ACK_BYTES 48u       /* RunStarted, Done */
#define MESSAGE_BYTES_MAX DISPATCH_BYTES

#define INFLIGHT_MAX 4096u
#define BLOCK_BYTES 4096u
#define FILE_BYTES (64u << 20)
#define BUFFER_BYTES (1u << 20) /* more than INFLIGHT_MAX messages of any kind */
#define WRITES_MAX 4u
#define SLOTS (WRITES_MAX + 1u) /* those under way, and the one being filled */

_Static_assert(INFLIGHT_MAX * MESSAGE_BYTES_MAX <= BUFFER_BYTES, "a buffer holds all in flight");

enum kind {
	KIND_REQUEST = 1,
	KIND_DISPATCH,
	KIND_COMPLETE,
	KIND_RESULT,
	KIND_ACK,
};

struct message {
	uint32_t size;
	uint32_t kind;
	uint64_t id;
};

struct options {
	unsigned inflight;
	unsigned writes;
	double seconds;
	double warmup_s;
	const char *dir;
	bool acks;
};

/* A connection of the server. */
struct peer {
	int socket;
	size_t have; /* bytes in `in` */
	bool receiving;
	size_t sending; /* bytes of out[turn] that the kernel has; 0: none */
	unsigned turn;
	size_t queued; /* bytes in out[!turn] */
	uint8_t in[BUFFER_BYTES];
	uint8_t out[2][BUFFER_BYTES];
};

struct slot {
	uint8_t *buffer;
	size_t size;
	bool done;
};

struct server {
	struct io_uring ring;
	const struct options *options;
	int file;
	uint64_t offset;
	struct slot slots[SLOTS];
	uint64_t first; /* of the writes under way; `next` is the one being filled */
	uint64_t next;
	struct peer *client;
	struct peer *worker;
	struct peer *next_hop; /* of what was released last: sent to before mere acknowledgements */
	bool ended;
};

enum tag {
	TAG_RECEIVE = 0,
	TAG_SEND = 1,
	TAG_WRITE = 2,
	TAG_MASK = 3,
};

static _Noreturn void
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "limit: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

static void *
pages(size_t size)
{
	void *to;

	size = (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
	to = aligned_alloc(BLOCK_BYTES, size);
	if (to == NULL)
		die("out of memory");
	memset(to, 0, size);
	return to;
}

/* --------------------------------------------------------------------------- client and worker */

static int
peer_connect(uint16_t port, uint32_t kind)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1;
	int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (to < 0 || connect(to, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("connect: %s", strerror(errno));
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (send(to, &kind, sizeof(kind), MSG_NOSIGNAL) != sizeof(kind))
		die("send: %s", strerror(errno));
	return to;
}

static void
send_all(int to, const uint8_t *from, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(to, from, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			die("send: %s", strerror(errno));
		from += sent;
		size -= (size_t)sent;
	}
}

static size_t
message_put(uint8_t *to, uint32_t kind, uint32_t size, uint64_t id)
{
	struct message head = {.size = size, .kind = kind, .id = id};

	memcpy(to, &head, sizeof(head));
	memset(to + sizeof(head), 'x', size - sizeof(head));
	return size;
}

/* The next whole message of [*at, have); its size, or 0. */
static size_t
message_next(const uint8_t *from, size_t at, size_t have, struct message *ret_head)
{
	if (have - at < sizeof(*ret_head))
		return 0;
	memcpy(ret_head, from + at, sizeof(*ret_head));
	if (ret_head->size < sizeof(*ret_head) || ret_head->size > MESSAGE_BYTES_MAX)
		die("a message of %u bytes", ret_head->size);
	return have - at < ret_head->size ? 0 : ret_head->size;
}

static void
worker_run(uint16_t port)
{
	uint8_t *in = pages(BUFFER_BYTES);
	uint8_t *out = pages(BUFFER_BYTES);
	int to = peer_connect(port, KIND_COMPLETE);
	size_t have = 0;

	for (;;) {
		ssize_t got = recv(to, in + have, BUFFER_BYTES - have, 0);
		struct message head;
		size_t at = 0;
		size_t size;
		size_t fill = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
		for (; (size = message_next(in, at, have, &head)) > 0; at += size) {
			if (head.kind == KIND_DISPATCH)
				fill += message_put(out + fill, KIND_COMPLETE, COMPLETE_BYTES,
				    head.id);
		}
		memmove(in, in + at, have - at);
		have -= at;
		send_all(to, out, fill);
	}
	free(in);
	free(out);
	close(to);
}

struct client {
	struct samples samples;
	uint64_t started_ns[INFLIGHT_MAX]; /* by id: a request keeps its number from turn to turn */
	uint8_t in[BUFFER_BYTES];
	uint8_t out[BUFFER_BYTES];
	size_t have;
};

/* Takes what has come back and fills `out` with as many new requests; the bytes of them. */
static size_t
client_turn(struct client *client, unsigned inflight)
{
	uint64_t now_ns = samples_now_ns();
	struct message head;
	size_t at = 0;
	size_t fill = 0;
	size_t size;

	for (; (size = message_next(client->in, at, client->have, &head)) > 0; at += size) {
		if (head.kind != KIND_RESULT)
			continue;
		if (head.id >= inflight)
			die("a result of nothing");
		samples_push(&client->samples, client->started_ns[head.id], now_ns);
		client->started_ns[head.id] = now_ns;
		fill += message_put(client->out + fill, KIND_REQUEST, REQUEST_BYTES, head.id);
	}
	memmove(client->in, client->in + at, client->have - at);
	client->have -= at;
	return fill;
}

static bool
client_run(uint16_t port, const struct options *options)
{
	struct client *client = pages(sizeof(*client));
	int to = peer_connect(port, KIND_REQUEST);
	size_t fill = 0;
	bool good;

	samples_init(&client->samples, options->warmup_s, options->seconds);
	for (unsigned id = 0; id < options->inflight; id++) {
		client->started_ns[id] = samples_now_ns();
		fill += message_put(client->out + fill, KIND_REQUEST, REQUEST_BYTES, id);
	}
	while (samples_now_ns() < client->samples.end_ns) {
		ssize_t got;

		send_all(to, client->out, fill);
		got = recv(to, client->in + client->have, BUFFER_BYTES - client->have, 0);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			die("the server went away");
		client->have += (size_t)got;
		fill = client_turn(client, options->inflight);
	}
	close(to);
	good = samples_print(&client->samples, options->inflight);
	samples_release(&client->samples);
	free(client);
	return good;
}

/* -------------------------------------------------------------------------------------- server */

static struct io_uring_sqe *
server_entry(struct server *server)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&server->ring);

	if (entry == NULL)
		die("the ring is full");
	return entry;
}

/* After liburing's prep functions, which clear it. */
static void
entry_tag(struct io_uring_sqe *entry, void *object, enum tag tag)
{
	entry->user_data = (uint64_t)(uintptr_t)object | tag;
}

static void
server_receive(struct server *server, struct peer *peer)
{
	struct io_uring_sqe *entry;

	if (peer->receiving)
		return;
	entry = server_entry(server);
	io_uring_prep_recv(entry, peer->socket, peer->in + peer->have,
	    BUFFER_BYTES - peer->have, 0);
	entry_tag(entry, peer, TAG_RECEIVE);
	peer->receiving = true;
}

static void
server_send(struct server *server, struct peer *peer)
{
	struct io_uring_sqe *entry;

	if (peer->sending > 0 || peer->queued == 0)
		return;
	peer->turn = !peer->turn;
	peer->sending = peer->queued;
	peer->queued = 0;
	entry = server_entry(server);
	io_uring_prep_send(entry, peer->socket, peer->out[peer->turn], peer->sending, MSG_NOSIGNAL);
	entry_tag(entry, peer, TAG_SEND);
}

static void
server_write(struct server *server)
{
	struct slot *slot = &server->slots[server->next % SLOTS];
	struct io_uring_sqe *entry;
	size_t size = (slot->size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;

	if (slot->size == 0 || server->next - server->first >= server->options->writes)
		return;
	if (server->offset + size > FILE_BYTES)
		server->offset = 0;
	memset(slot->buffer + slot->size, 0, size - slot->size);
	entry = server_entry(server);
	io_uring_prep_write(entry, server->file, slot->buffer, (unsigned)size, server->offset);
	entry_tag(entry, slot, TAG_WRITE);
	server->offset += size;
	server->next++;
	slot = &server->slots[server->next % SLOTS];
	slot->size = 0;
	slot->done = false;
}

/* Sends on what a durable write holds. */
static void
server_release(struct server *server, const struct slot *slot)
{
	struct message head;
	size_t size;

	for (size_t at = 0; (size = message_next(slot->buffer, at, slot->size, &head)) > 0;
	     at += size) {
		bool begins = head.kind == KIND_REQUEST;
		struct peer *to = begins ? server->worker : server->client;
		struct peer *from = begins ? server->client : server->worker;

		server->next_hop = to;
		to->queued += message_put(to->out[!to->turn] + to->queued,
		    begins ? KIND_DISPATCH : KIND_RESULT, begins ? DISPATCH_BYTES : RESULT_BYTES,
		    head.id);
		if (server->options->acks)
			from->queued += message_put(from->out[!from->turn] + from->queued, KIND_ACK,
			    ACK_BYTES, head.id);
	}
}

static void
server_received(struct server *server, struct peer *peer, int result)
{
	struct slot *slot = &server->slots[server->next % SLOTS];
	struct message head;
	size_t at = 0;
	size_t size;

	peer->receiving = false;
	if (result <= 0) {
		server->ended = true;
		return;
	}
	peer->have += (size_t)result;
	while ((size = message_next(peer->in, at, peer->have, &head)) > 0)
		at += size;
	if (slot->size + at > BUFFER_BYTES)
		die("more than was to be in flight");
	memcpy(slot->buffer + slot->size, peer->in, at);
	slot->size += at;
	memmove(peer->in, peer->in + at, peer->have - at);
	peer->have -= at;
}

static void
server_completed(struct server *server, const struct io_uring_cqe *entry)
{
	enum tag tag = (enum tag)(entry->user_data & TAG_MASK);
	void *object = (void *)(uintptr_t)(entry->user_data & ~(uint64_t)TAG_MASK);
	struct peer *peer = object;
	struct slot *slot = object;

	if (tag == TAG_RECEIVE) {
		server_received(server, peer, entry->res);
	} else if (tag == TAG_SEND) {
		if (entry->res <= 0)
			server->ended = true;
		else if ((size_t)entry->res < peer->sending)
			die("a short send: the messages in flight do not fit the socket's buffer");
		peer->sending = 0;
	} else {
		if (entry->res <= 0 || (size_t)entry->res < slot->size)
			die("write: %s", entry->res < 0 ? strerror(-entry->res) : "short");
		slot->done = true;
	}
}

static void
server_turn(struct server *server)
{
	struct io_uring_cqe *entry;
	unsigned head;
	unsigned seen = 0;
	int failed;

	server_receive(server, server->client);
	server_receive(server, server->worker);
	failed = io_uring_submit_and_wait(&server->ring, 1);
	if (failed < 0 && failed != -EINTR)
		die("io_uring_enter: %s", strerror(-failed));
	io_uring_for_each_cqe(&server->ring, head, entry)
	{
		server_completed(server, entry);
		seen++;
	}
	io_uring_cq_advance(&server->ring, seen);
	while (server->first < server->next && server->slots[server->first % SLOTS].done)
		server_release(server, &server->slots[server->first++ % SLOTS]);
	server_write(server);
	server_send(server, server->next_hop);
	server_send(server, server->worker);
	server_send(server, server->client);
}

/* An unlinked file of zeros, opened as a log's segment is. */
static int
file_open(const char *dir)
{
	char path[4096];
	uint8_t *zeros = pages(BUFFER_BYTES);
	int file;

	if (snprintf(path, sizeof(path), "%s/limit-XXXXXX", dir) >= (int)sizeof(path))
		die("%s: too long", dir);
	file = mkostemp(path, O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (file < 0)
		die("%s: %s (it must be on a file system with O_DIRECT)", path, strerror(errno));
	unlink(path);
	for (uint64_t at = 0; at < FILE_BYTES; at += BUFFER_BYTES) {
		if (pwrite(file, zeros, BUFFER_BYTES, (off_t)at) != (ssize_t)BUFFER_BYTES)
			die("%s: %s", dir, strerror(errno));
	}
	free(zeros);
	return file;
}

static int
server_listen(uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 2) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		die("listen: %s", strerror(errno));
	*ret_port = ntohs(address.sin_port);
	return listener;
}

static void
server_accept(struct server *server, int listener)
{
	uint32_t kind = 0;
	int on = 1;
	int from = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct peer **peer;

	if (from < 0 || recv(from, &kind, sizeof(kind), MSG_WAITALL) != sizeof(kind))
		die("accept: %s", strerror(errno));
	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer = kind == KIND_REQUEST ? &server->client : &server->worker;
	*peer = pages(sizeof(**peer));
	(*peer)->socket = from;
}

static void
server_run(int listener, int file, const struct options *options)
{
	struct server server = {.options = options, .file = file};
	int failed = io_uring_queue_init(64, &server.ring,
	    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (failed < 0)
		die("io_uring: %s", strerror(-failed));
	for (unsigned i = 0; i < SLOTS; i++)
		server.slots[i].buffer = pages(BUFFER_BYTES);
	server_accept(&server, listener);
	server_accept(&server, listener);
	server.next_hop = server.worker;
	while (!server.ended)
		server_turn(&server);
	close(server.client->socket);
	close(server.worker->socket);
	io_uring_queue_exit(&server.ring);
	free(server.client);
	free(server.worker);
	for (unsigned i = 0; i < SLOTS; i++)
		free(server.slots[i].buffer);
}

/* ---------------------------------------------------------------------------------------- main */

static unsigned
option_count(const char *text, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < 1 || value > most)
		die("%s: a number from 1 to %u is wanted", text, most);
	return (unsigned)value;
}

static double
option_seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(value >= 0) || value > 3600)
		die("%s: seconds from 0 to 3600 are wanted", text);
	return value;
}

static void
options_parse(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
	    {"inflight", required_argument, NULL, 'i'},
	    {"seconds", required_argument, NULL, 's'},
	    {"warmup", required_argument, NULL, 'w'},
	    {"dir", required_argument, NULL, 'd'},
	    {"writes", required_argument, NULL, 'n'},
	    {"acks", no_argument, NULL, 'a'},
	    {NULL, 0, NULL, 0},
	};
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (name == 'i')
			options->inflight = option_count(optarg, INFLIGHT_MAX);
		else if (name == 's')
			options->seconds = option_seconds(optarg);
		else if (name == 'w')
			options->warmup_s = option_seconds(optarg);
		else if (name == 'd')
			options->dir = optarg;
		else if (name == 'n')
			options->writes = option_count(optarg, WRITES_MAX);
		else if (name == 'a')
			options->acks = true;
		else
			exit(64);
	}
	if (optind < argc)
		die("%s: not an option", argv[optind]);
}

/* Forks a process that ends when this one does; true in the child. */
static bool
child_start(pid_t *ret_pid, int listener)
{
	*ret_pid = fork();
	if (*ret_pid < 0)
		die("fork: %s", strerror(errno));
	if (*ret_pid != 0)
		return false;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(listener);
	return true;
}

int
main(int argc, char **argv)
{
	struct options options =
	    {.inflight = 1, .writes = WRITES_MAX, .seconds = 5, .warmup_s = 1, .dir = "."};
	pid_t worker;
	pid_t client;
	uint16_t port;
	int status = 0;
	int listener;
	int file;

	options_parse(&options, argc, argv);
	file = file_open(options.dir);
	listener = server_listen(&port);
	if (child_start(&worker, listener)) {
		worker_run(port);
		return 0;
	}
	if (child_start(&client, listener))
		return client_run(port, &options) ? 0 : 1;
	server_run(listener, file, &options);
	waitpid(client, &status, 0);
	waitpid(worker, NULL, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
