/*
 * bench/limit: how fast this machine can do what froe does, with nothing behind it.
 *
 * As many processes as froe has, over loopback TCP: a client with N requests in flight, a server, a
 * worker. Messages have the sizes that froe's have with a payload of 64 bytes. `=>` is a hop that
 * waits for a synced write of what came:
 *
 *     trigger   client -> server => client
 *     run       client -> server => worker -> server => client
 *     chain     client -> server => worker -> server => worker -> server => worker -> server =>
 *               client
 *     fanout    client -> server => parent -> server => 1000 times worker -> server => parent, and
 *               when it has all: parent -> server => client
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
 * and worker take all there is, answer all of it in one send a connection, and wait: one
 * io_uring_enter a turn, too. With --pipeline a connection sends so many at once, and the next ones
 * when all of them have come back.
 *
 * With --workers the worker has so many connections, and each task goes to one of them.
 *
 * As froe does while runs are under way, it asks for cores that wake at once (io/quick.h).
 *
 *     limit [--route R] [--inflight N | --clients N --pipeline N] [--workers N] [--children N]
 *         [--seconds S] [--warmup S] [--dir DIR] [--writes 1..4]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cli/samples.h"
#include "io/quick.h"
#include "limit/line.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Whole frames of froe's native protocol, for one task with 64 bytes in and out. */
static const uint32_t bytes_of[KIND_COUNT] = {
    [KIND_REQUEST] = 120,
    [KIND_STARTED] = 48,
    [KIND_DISPATCH] = 170,
    [KIND_COMPLETE] = 96,
    [KIND_RESULT] = 116,
    [KIND_SPAWN] = 110, /* for each child */
    [KIND_CHILD_DISPATCH] = 170,
    [KIND_CHILD_COMPLETE] = 96,
    [KIND_CHILD_RESULT] = 116,
};
#define MESSAGE_BYTES_MAX 170u

#define INFLIGHT_MAX 16384u
#define CLIENTS_MAX 1024u
#define WORKERS_MAX 1024u
#define CHILDREN_MAX 10000u
#define FILE_BYTES (64u << 20)
#define STEP_BYTES (1u << 20)
#define LONGEST_NS (60 * SAMPLES_NS_PER_S) /* so long a single result is waited for */
#define WRITES_MAX 4u
#define SLOTS (WRITES_MAX + 1u) /* those under way, and the one being filled */

enum route {
	ROUTE_TRIGGER,
	ROUTE_RUN,
	ROUTE_CHAIN,
	ROUTE_FANOUT,
};
static const char *const route_names[] = {"trigger", "run", "chain", "fanout"};
#define CHAIN_TASKS 3u

struct options {
	enum route route;
	uint32_t inflight;
	uint32_t clients;
	uint32_t pipeline;
	uint32_t workers;
	uint32_t children;
	unsigned writes;
	double seconds;
	double warmup_s;
	const char *dir;
	size_t room; /* of a buffer that holds all that is in flight */
	size_t worker_room; /* what one worker may have of it */
};

/* Who connects, as it says of itself first, with the number of the connection. */
enum peer {
	PEER_CLIENT,
	PEER_WORKER,
	PEER_PARENT,
};

struct hello {
	uint32_t peer;
	uint32_t number;
};

/* --------------------------------------------------------------------------- client and workers */

static int
peer_connect(uint16_t port, enum peer peer, uint32_t number)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct hello hello = {.peer = peer, .number = number};
	int on = 1;
	int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (to < 0 || connect(to, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("connect: %s", strerror(errno));
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (send(to, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello))
		die("send: %s", strerror(errno));
	return to;
}

/* A process with lines of one kind, each of whose messages it answers. */
struct peers {
	struct io_uring ring;
	struct line *lines;
	uint32_t count;
	const struct options *options;
	struct samples samples; /* the client's */
	uint64_t *started_ns;   /* by line and id */
	uint64_t now_ns;        /* of the turn */
	struct message request; /* the parent's: what it is at work on */
	uint32_t children;      /* results that it has not yet */
	bool ended;
};

static void
client_start(struct peers *peers, struct line *line, uint32_t id)
{
	struct message head = {.line = line->number, .id = id};

	peers->started_ns[line->number * peers->options->pipeline + id] = peers->now_ns;
	line->waiting++;
	line_put(line, KIND_REQUEST, bytes_of[KIND_REQUEST], &head);
}

static void
client_start_all(struct peers *peers, struct line *line)
{
	for (uint32_t id = 0; id < peers->options->pipeline; id++)
		client_start(peers, line, id);
}

/* One connection: each end starts the next. Several: they wait for all of theirs. */
static void
client_take(struct peers *peers, struct line *line, const struct message *head)
{
	if (head->id >= peers->options->pipeline || line->waiting == 0)
		die("a result of nothing");
	line->waiting--;
	samples_push(&peers->samples,
	    peers->started_ns[line->number * peers->options->pipeline + head->id],
	    samples_now_ns());
	if (peers->count == 1)
		client_start(peers, line, head->id);
	else if (line->waiting == 0)
		client_start_all(peers, line);
}

static void
parent_take(struct peers *peers, struct line *line, const struct message *head)
{
	if (head->kind == KIND_DISPATCH) {
		peers->children = peers->options->children;
		peers->request = *head;
		line_put(line, KIND_SPAWN, bytes_of[KIND_SPAWN] * peers->children, head);
	} else if (--peers->children == 0) {
		line_put(line, KIND_COMPLETE, bytes_of[KIND_COMPLETE], &peers->request);
	}
}

static void
peers_take(struct peers *peers, struct line *line, const struct message *head)
{
	if (head->kind == KIND_STARTED || head->kind == KIND_RESULT)
		client_take(peers, line, head);
	else if (head->kind == KIND_CHILD_RESULT ||
	    (head->kind == KIND_DISPATCH && peers->options->route == ROUTE_FANOUT))
		parent_take(peers, line, head);
	else if (head->kind == KIND_DISPATCH)
		line_put(line, KIND_COMPLETE, bytes_of[KIND_COMPLETE], head);
	else
		line_put(line, KIND_CHILD_COMPLETE, bytes_of[KIND_CHILD_COMPLETE], head);
}

static void
peers_received(struct peers *peers, struct line *line, const struct io_uring_cqe *entry)
{
	struct message head;
	size_t at = 0;
	size_t size;

	if (!line_received(line, entry)) {
		peers->ended = true;
		return;
	}
	for (; (size = message_at(line->in, at, line->have, &head)) > 0; at += size)
		peers_take(peers, line, &head);
	line_taken(line, at);
}

static void
peers_completed(struct peers *peers, const struct io_uring_cqe *entry)
{
	void *line;

	if (entry_of(entry, &line) == TAG_RECEIVE)
		peers_received(peers, line, entry);
	else if (!line_sent(line, entry->res))
		peers->ended = true;
}

static void
peers_turn(struct peers *peers)
{
	struct io_uring_cqe *entry;
	unsigned head;
	unsigned seen = 0;
	unsigned sends = 0;

	for (uint32_t i = 0; i < peers->count; i++) {
		sends += line_send(&peers->lines[i], &peers->ring);
		line_receive(&peers->lines[i], &peers->ring);
	}
	ring_turn(&peers->ring, sends);
	peers->now_ns = samples_now_ns();
	io_uring_for_each_cqe(&peers->ring, head, entry)
	{
		peers_completed(peers, entry);
		seen++;
	}
	io_uring_cq_advance(&peers->ring, seen);
}

static void
peers_open(struct peers *peers, const struct options *options, uint16_t port, enum peer peer,
    uint32_t count, size_t room)
{
	*peers = (struct peers){.options = options, .count = count};
	peers->lines = pages(count * sizeof(*peers->lines));
	ring_open(&peers->ring, 2 * CLIENTS_MAX);
	for (uint32_t i = 0; i < count; i++)
		line_open(&peers->lines[i], peer_connect(port, peer, i), i, room);
}

static void
peers_close(struct peers *peers)
{
	for (uint32_t i = 0; i < peers->count; i++)
		line_close(&peers->lines[i]);
	io_uring_queue_exit(&peers->ring);
	free(peers->lines);
}

static void
worker_run(uint16_t port, const struct options *options, enum peer peer)
{
	struct peers peers;

	if (peer == PEER_WORKER)
		peers_open(&peers, options, port, peer, options->workers, options->worker_room);
	else
		peers_open(&peers, options, port, peer, 1, options->room);
	while (!peers.ended)
		peers_turn(&peers);
	peers_close(&peers);
}

static bool
client_report(const struct peers *peers)
{
	const struct options *options = peers->options;

	if (peers->ended)
		die("the server went away");
	if (peers->samples.took.count == 0)
		die("nothing came back in the time that counts");
	printf("{\"scenario\":\"%s\",\"inflight\":%u,\"clients\":%u,\"pipeline\":%u,",
	    route_names[options->route], options->inflight, options->clients,
	    options->clients > 1 ? options->pipeline : 0);
	samples_print_json(&peers->samples, stdout);
	printf("}\n");
	return fflush(stdout) == 0;
}

/* Until the end; for longer while nothing has come back at all. */
static bool
client_goes_on(struct peers *peers)
{
	struct samples *samples = &peers->samples;
	uint64_t span_ns = samples->end_ns - samples->begin_ns;

	if (peers->ended || peers->now_ns < samples->end_ns)
		return !peers->ended;
	if (samples->took.count > 0 || span_ns >= LONGEST_NS)
		return false;
	samples->end_ns += span_ns + SAMPLES_NS_PER_S / 100;
	return true;
}

static bool
client_run(uint16_t port, const struct options *options)
{
	struct peers peers;
	bool good;

	peers_open(&peers, options, port, PEER_CLIENT, options->clients,
	    options->room / options->clients);
	peers.started_ns = pages(options->inflight * sizeof(*peers.started_ns));
	samples_init(&peers.samples, options->warmup_s, options->seconds);
	peers.now_ns = samples_now_ns();
	for (uint32_t i = 0; i < peers.count; i++)
		client_start_all(&peers, &peers.lines[i]);
	while (client_goes_on(&peers))
		peers_turn(&peers);
	good = client_report(&peers);
	peers_close(&peers);
	samples_release(&peers.samples);
	free(peers.started_ns);
	return good;
}

/* -------------------------------------------------------------------------------------- server */

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
	struct line *clients;
	struct line *workers;
	struct line parent;
	bool ended;
};

static void
server_write(struct server *server)
{
	struct slot *slot = &server->slots[server->next % SLOTS];
	struct io_uring_sqe *entry;
	size_t size = (slot->size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;

	if (slot->size == 0 || server->next - server->first >= server->options->writes)
		return;
	if (server->offset + size > FILE_BYTES)
		server->offset = 0;
	memset(slot->buffer + slot->size, 0, size - slot->size);
	entry = ring_entry(&server->ring);
	io_uring_prep_write_fixed(entry, server->file, slot->buffer, (unsigned)size,
	    server->offset, (int)(server->next % SLOTS));
	entry_tag(entry, slot, TAG_WRITE);
	server->offset += size;
	server->next++;
	slot = &server->slots[server->next % SLOTS];
	slot->size = 0;
	slot->done = false;
}

/* The same for a request all its life, so that each has its share of them. */
static struct line *
worker_of(struct server *server, const struct message *head)
{
	return &server->workers[head->id % server->options->workers];
}

static void
release_spawn(struct server *server, const struct message *head)
{
	struct message child = *head;

	for (child.id = 0; child.id < server->options->children; child.id++)
		line_put(worker_of(server, &child), KIND_CHILD_DISPATCH,
		    bytes_of[KIND_CHILD_DISPATCH], &child);
}

static void
release_dispatch(struct server *server, const struct message *head, uint16_t stage)
{
	struct message dispatch = *head;
	bool fans = server->options->route == ROUTE_FANOUT;

	dispatch.stage = stage;
	line_put(fans ? &server->parent : worker_of(server, head), KIND_DISPATCH,
	    bytes_of[KIND_DISPATCH], &dispatch);
}

/* Sends one message on that is durable. */
static void
server_release(struct server *server, const struct message *head)
{
	enum route route = server->options->route;
	struct line *client = &server->clients[head->line];

	if (head->line >= server->options->clients)
		die("a message of nobody");
	if (head->kind == KIND_REQUEST && route == ROUTE_TRIGGER)
		line_put(client, KIND_STARTED, bytes_of[KIND_STARTED], head);
	else if (head->kind == KIND_REQUEST)
		release_dispatch(server, head, 1);
	else if (head->kind == KIND_SPAWN)
		release_spawn(server, head);
	else if (head->kind == KIND_CHILD_COMPLETE)
		line_put(&server->parent, KIND_CHILD_RESULT, bytes_of[KIND_CHILD_RESULT], head);
	else if (route == ROUTE_CHAIN && head->stage < CHAIN_TASKS)
		release_dispatch(server, head, (uint16_t)(head->stage + 1));
	else
		line_put(client, KIND_RESULT, bytes_of[KIND_RESULT], head);
}

static void
server_release_all(struct server *server, const struct slot *slot)
{
	struct message head;
	size_t size;

	for (size_t at = 0; (size = message_at(slot->buffer, at, slot->size, &head)) > 0;
	     at += size)
		server_release(server, &head);
}

static void
server_received(struct server *server, struct line *line, const struct io_uring_cqe *entry)
{
	struct slot *slot = &server->slots[server->next % SLOTS];
	struct message head;
	size_t at = 0;
	size_t size;

	if (!line_received(line, entry)) {
		server->ended = true;
		return;
	}
	while ((size = message_at(line->in, at, line->have, &head)) > 0)
		at += size;
	if (slot->size + at > server->options->room)
		die("more than was to be in flight");
	memcpy(slot->buffer + slot->size, line->in, at);
	slot->size += at;
	line_taken(line, at);
}

static void
server_completed(struct server *server, const struct io_uring_cqe *entry)
{
	void *object;
	struct slot *slot;

	switch (entry_of(entry, &object)) {
	case TAG_RECEIVE:
		server_received(server, object, entry);
		break;
	case TAG_SEND:
		if (!line_sent(object, entry->res))
			server->ended = true;
		break;
	case TAG_WRITE:
	case TAG_MASK:
		slot = object;
		if (entry->res <= 0 || (size_t)entry->res < slot->size)
			die("write: %s", entry->res < 0 ? strerror(-entry->res) : "short");
		slot->done = true;
		break;
	}
}

static unsigned
server_line(struct server *server, struct line *line)
{
	unsigned sends;

	if (line->in == NULL)
		return 0;
	sends = line_send(line, &server->ring);
	line_receive(line, &server->ring);
	return sends;
}

static void
server_turn(struct server *server)
{
	struct io_uring_cqe *entry;
	unsigned head;
	unsigned seen = 0;
	unsigned sends = 0;

	for (uint32_t i = 0; i < server->options->clients; i++)
		sends += server_line(server, &server->clients[i]);
	for (uint32_t i = 0; i < server->options->workers; i++)
		sends += server_line(server, &server->workers[i]);
	sends += server_line(server, &server->parent);
	ring_turn(&server->ring, sends);
	io_uring_for_each_cqe(&server->ring, head, entry)
	{
		server_completed(server, entry);
		seen++;
	}
	io_uring_cq_advance(&server->ring, seen);
	while (server->first < server->next && server->slots[server->first % SLOTS].done)
		server_release_all(server, &server->slots[server->first++ % SLOTS]);
	server_write(server);
}

/* An unlinked file of zeros, opened as a log's segment is. */
static int
file_open(const char *dir)
{
	char path[4096];
	uint8_t *zeros = pages(STEP_BYTES);
	int file;

	if (snprintf(path, sizeof(path), "%s/limit-XXXXXX", dir) >= (int)sizeof(path))
		die("%s: too long", dir);
	file = mkostemp(path, O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (file < 0)
		die("%s: %s (it must be on a file system with O_DIRECT)", path, strerror(errno));
	unlink(path);
	for (uint64_t at = 0; at < FILE_BYTES; at += STEP_BYTES) {
		if (pwrite(file, zeros, STEP_BYTES, (off_t)at) != (ssize_t)STEP_BYTES)
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
	    listen(listener, (int)CLIENTS_MAX) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		die("listen: %s", strerror(errno));
	*ret_port = ntohs(address.sin_port);
	return listener;
}

static void
server_accept(struct server *server, int listener)
{
	const struct options *options = server->options;
	struct hello hello = {0};
	int on = 1;
	int from = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (from < 0 || recv(from, &hello, sizeof(hello), MSG_WAITALL) != sizeof(hello))
		die("accept: %s", strerror(errno));
	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (hello.peer == PEER_CLIENT && hello.number < options->clients)
		line_open(&server->clients[hello.number], from, hello.number,
		    options->room / options->clients);
	else if (hello.peer == PEER_WORKER && hello.number < options->workers)
		line_open(&server->workers[hello.number], from, 0, options->worker_room);
	else
		line_open(&server->parent, from, 0, options->room);
}

static unsigned
process_count(enum route route)
{
	return route == ROUTE_TRIGGER ? 0 : route == ROUTE_FANOUT ? 2 : 1;
}

static unsigned
connection_count(const struct options *options)
{
	unsigned processes = process_count(options->route);

	return options->clients + (processes == 0 ? 0 : options->workers + processes - 1);
}

/* Known to the kernel, which need not look them up for each write. */
static void
server_buffers(struct server *server)
{
	struct iovec ranges[SLOTS];
	int failed;

	for (unsigned i = 0; i < SLOTS; i++) {
		server->slots[i].buffer = pages(server->options->room);
		ranges[i].iov_base = server->slots[i].buffer;
		ranges[i].iov_len = (server->options->room + PAGE_BYTES - 1) / PAGE_BYTES *
		    PAGE_BYTES;
	}
	failed = io_uring_register_buffers(&server->ring, ranges, SLOTS);
	if (failed < 0)
		die("io_uring_register_buffers: %s (ulimit -l?)", strerror(-failed));
}

static void
server_run(int listener, int file, const struct options *options)
{
	struct server server = {.options = options, .file = file};

	ring_open(&server.ring, 4 * CLIENTS_MAX);
	server.clients = pages(options->clients * sizeof(*server.clients));
	server.workers = pages(options->workers * sizeof(*server.workers));
	server_buffers(&server);
	for (uint32_t i = 0; i < connection_count(options); i++)
		server_accept(&server, listener);
	while (!server.ended)
		server_turn(&server);
	for (uint32_t i = 0; i < options->clients; i++)
		line_close(&server.clients[i]);
	for (uint32_t i = 0; i < options->workers; i++) {
		if (server.workers[i].in != NULL)
			line_close(&server.workers[i]);
	}
	if (server.parent.in != NULL)
		line_close(&server.parent);
	io_uring_queue_exit(&server.ring);
	free(server.clients);
	free(server.workers);
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

static enum route
option_route(const char *text)
{
	for (unsigned i = 0; i < sizeof(route_names) / sizeof(route_names[0]); i++) {
		if (strcmp(text, route_names[i]) == 0)
			return (enum route)i;
	}
	die("%s: none of trigger, run, chain, fanout", text);
}

static void
option_take(struct options *options, int name, const char *value)
{
	switch (name) {
	case 'r':
		options->route = option_route(value);
		break;
	case 'i':
		options->pipeline = option_count(value, INFLIGHT_MAX);
		break;
	case 'c':
		options->clients = option_count(value, CLIENTS_MAX);
		break;
	case 'k':
		options->workers = option_count(value, WORKERS_MAX);
		break;
	case 'h':
		options->children = option_count(value, CHILDREN_MAX);
		break;
	case 's':
		options->seconds = option_seconds(value);
		break;
	case 'w':
		options->warmup_s = option_seconds(value);
		break;
	case 'd':
		options->dir = value;
		break;
	case 'n':
		options->writes = option_count(value, WRITES_MAX);
		break;
	default:
		exit(64);
	}
}

static void
options_parse(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
	    {"route", required_argument, NULL, 'r'},
	    {"inflight", required_argument, NULL, 'i'},
	    {"pipeline", required_argument, NULL, 'i'},
	    {"clients", required_argument, NULL, 'c'},
	    {"workers", required_argument, NULL, 'k'},
	    {"children", required_argument, NULL, 'h'},
	    {"seconds", required_argument, NULL, 's'},
	    {"warmup", required_argument, NULL, 'w'},
	    {"dir", required_argument, NULL, 'd'},
	    {"writes", required_argument, NULL, 'n'},
	    {NULL, 0, NULL, 0},
	};
	int name;
	size_t fan;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1)
		option_take(options, name, optarg);
	if (optind < argc)
		die("%s: not an option", argv[optind]);
	options->inflight = options->clients * options->pipeline;
	if (options->inflight > INFLIGHT_MAX)
		die("more than %u in flight", INFLIGHT_MAX);
	if (options->route == ROUTE_FANOUT && options->inflight > 1)
		die("a fan-out has 1 in flight: there is one parent");
	fan = options->route == ROUTE_FANOUT ? options->children : 0;
	options->room = ((size_t)options->inflight + fan + 1) * MESSAGE_BYTES_MAX;
	options->room += options->clients * PAGE_BYTES;
	options->worker_room = (options->clients * (options->pipeline / options->workers + 1) +
	    fan / options->workers + 1) * MESSAGE_BYTES_MAX + PAGE_BYTES;
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
	struct options options = {.route = ROUTE_RUN, .clients = 1, .pipeline = 1, .workers = 1,
	    .children = 1000, .writes = WRITES_MAX, .seconds = 5, .warmup_s = 1, .dir = "."};
	pid_t workers[2];
	pid_t client;
	uint16_t port;
	int status = 0;
	int listener;
	int file;

	options_parse(&options, argc, argv);
	file = file_open(options.dir);
	listener = server_listen(&port);
	for (unsigned i = 0; i < process_count(options.route); i++) {
		if (child_start(&workers[i], listener)) {
			worker_run(port, &options, i == 0 ? PEER_WORKER : PEER_PARENT);
			return 0;
		}
	}
	if (child_start(&client, listener))
		return client_run(port, &options) ? 0 : 1;
	int quick = quick_open();
	if (quick >= 0)
		quick_ask(quick, true);
	server_run(listener, file, &options);
	quick_close(quick);
	waitpid(client, &status, 0);
	for (unsigned i = 0; i < process_count(options.route); i++)
		waitpid(workers[i], NULL, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
