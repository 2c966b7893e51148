/*
 * The session: DOWN -> RESOLVING -> CONNECTING -> GREETING -> READY, and from each of them back to
 * DOWN. A lost connection is opened again after a delay that doubles from 50 ms to 2 s, less a
 * random part of up to half (so that many clients do not come back together). On the way down
 * every request that may be repeated returns to its queue in its old order; the rest ends with
 * FROE_CLOSED. A watch becomes a RunWatch again, so it outlives the server.
 */
#include "client/client_int.h"

#include "base/mem.h"
#include "base/message.h"

#include <stdio.h>
#include <sys/epoll.h>

#define BACKOFF_FIRST_NS ((uint64_t)50 * 1000000)
#define BACKOFF_LAST_NS ((uint64_t)2000 * 1000000)
#define GREET_NS ((uint64_t)10 * 1000000000) /* connecting and shaking hands */
#define WATCH_AGAIN_NS ((uint64_t)100 * 1000000)
#define PING_NS ((uint64_t)10 * 1000000000)  /* silence after which we ask */
#define SILENCE_NS ((uint64_t)30 * 1000000000) /* silence after which it counts as lost */
#define OUT_SIZE_MAX ((size_t)1 << 20) /* requests beyond it wait in their queue */
#define GOAWAY_NS ((uint64_t)5 * 1000000000) /* a server that stops has this long to answer */
#define PUSH_ROOM ((uint64_t)64 << 10)

static const struct sm_row session_table[] = {
    [SESSION_DOWN] = {"down", SM_TO(SESSION_RESOLVING) | SM_TO(SESSION_CONNECTING)},
    [SESSION_RESOLVING] = {"resolving", SM_TO(SESSION_DOWN) | SM_TO(SESSION_CONNECTING)},
    [SESSION_CONNECTING] = {"connecting", SM_TO(SESSION_DOWN) | SM_TO(SESSION_GREETING)},
    [SESSION_GREETING] = {"greeting", SM_TO(SESSION_DOWN) | SM_TO(SESSION_READY)},
    [SESSION_READY] = {"ready", SM_TO(SESSION_DOWN)},
};

void
session_start(struct froe_client *client)
{
	client->state = SESSION_DOWN;
	client->connect_at_ns = 0;
}

/* ------------------------------------------------------------------------------- going down */

static uint64_t
backoff_ns(struct froe_client *client)
{
	unsigned shift = client->rounds > 0 ? client->rounds - 1 : 0;
	uint64_t delay_ns = shift < 6 ? BACKOFF_FIRST_NS << shift : BACKOFF_LAST_NS;
	if (delay_ns > BACKOFF_LAST_NS)
		delay_ns = BACKOFF_LAST_NS;
	return delay_ns - dice_u64(&client->dice) % (delay_ns / 2);
}

/* Sorts what was under way into what is sent again (to the end of a queue) and what is lost. */
static void
requests_sort(struct froe_client *client, struct list *from, struct list *again, struct list *lost)
{
	struct list *node;
	while ((node = list_pop(from)) != NULL) {
		struct request *request = container_of(node, struct request, node);
		const struct request_kind *kind = request_kind(request->number);
		bool watching = request->state == REQUEST_WATCHING;
		if (request->state == REQUEST_SENT)
			client->sent_count--;
		request->state = REQUEST_WAITING;
		if (watching)
			request_watch(request);
		else
			request->repeated = true;
		bool repeat = (watching || kind->repeat) && !request->abandoned;
		bool worker = request->worker && !watching; /* a watch needs no worker */
		list_push(!repeat ? lost : worker ? &again[1] : &again[0], &request->node);
	}
}

static void
list_prepend(struct list *list, struct list *first)
{
	while (!list_empty(first)) {
		struct list *node = first->prev;
		list_remove(node);
		list_push_front(list, node);
	}
}

static void
requests_down(struct froe_client *client)
{
	struct list again[2], lost;
	struct froe_error error;
	list_init(&again[0]);
	list_init(&again[1]);
	list_init(&lost);
	list_prepend(&client->waiting, &client->later);
	requests_sort(client, &client->sent, again, &lost);
	requests_sort(client, &client->watching, again, &lost);
	froe_assert(client->sent_count == 0);
	list_prepend(&client->waiting, &again[0]);
	list_prepend(&client->waiting_worker, &again[1]);
	error_set(&error, FROE_CLOSED, "the connection to %s was lost: the outcome is unknown",
	    client->address);
	while (!list_empty(&lost)) {
		struct request *request = container_of(lost.next, struct request, node);
		client_finish(client, request, NULL, &error);
	}
}

void
session_down(struct froe_client *client, const struct froe_fault *fault)
{
	froe_assert(client_is_stepper(client));
	bool was_ready = client->state == SESSION_READY;
	client->refused = client->refused || link_refused(&client->link);
	if (fault != &client->down)
		client->down = *fault;
	client->broken = false;
	link_drop(&client->link);
	sm_move(session_table, &client->state, SESSION_DOWN);
	client->address_next++;
	if (client->address_next < client->addresses.count && !was_ready && !client->refused) {
		client->connect_at_ns = 0;
		return;
	}
	client->addresses.count = 0;
	client->rounds++;
	client->connect_at_ns = clock_now_ns() + backoff_ns(client);
	if (was_ready) {
		worker_down(client->worker);
		requests_down(client);
	}
}

/* --------------------------------------------------------------------------------- going up */

static void
session_push(struct froe_client *client, uint64_t request, uint32_t number,
    const ProtobufCMessage *body)
{
	size_t body_size = message_size(body);
	uint8_t *to = buf_reserve(&client->link.out, WIRE_HEAD_BYTES_MAX + body_size);
	uint8_t *end =
	    message_encode(body, wire_frame_begin(to, request, number, body_size));
	buf_commit(&client->link.out, (size_t)(end - to));
}

static void
session_greet(struct froe_client *client)
{
	Froe__Hello hello = FROE__HELLO__INIT;
	hello.has_version = true;
	hello.version = 1;
	hello.client = client->name;
	hello.tenant = client->tenant;
	hello.token = client->token[0] != 0 ? client->token : NULL;
	hello.has_push_window = true;
	hello.push_window = client->push_window;
	sm_move(session_table, &client->state, SESSION_GREETING);
	client->hello_id = requests_number(&client->requests);
	client->push_owed = 0;
	link_push(&client->link, WIRE_PREFACE, WIRE_PREFACE_SIZE);
	session_push(client, client->hello_id, FROE__ENVELOPE__BODY_HELLO, &hello.base);
}

static void
session_connect(struct froe_client *client, uint64_t now_ns)
{
	struct froe_fault fault;
	if (client->addresses.count == 0) {
		struct address_list found;
		sm_move(session_table, &client->state, SESSION_RESOLVING);
		client_unlock(client);
		enum froe_err err = address_resolve(client->address, &found, &fault);
		client_lock(client);
		if (err != FROE_OK) {
			session_down(client, &fault);
			return;
		}
		client->addresses = found;
		client->address_next = 0;
	}
	froe_assert(client->address_next < client->addresses.count);
	sm_move(session_table, &client->state, SESSION_CONNECTING);
	client->greet_by_ns = now_ns + GREET_NS;
	client->refused = false;
	const struct address *address = &client->addresses.addresses[client->address_next];
	struct tls *tls = client->tls != NULL ? tls_new(client->tls, client->host) : NULL;
	if (link_connect(&client->link, address, tls, &fault) != FROE_OK)
		session_down(client, &fault);
	else if (client->link.state == LINK_OPEN)
		session_greet(client);
}

static void
session_welcome(struct froe_client *client, const Froe__Welcome *welcome)
{
	struct froe_fault fault;
	if (welcome->version != 1) {
		fault_set(&fault, FROE_UNSUPPORTED, "the server speaks version %u of the protocol, "
		    "this library 1", welcome->version);
		client->refused = true;
		session_down(client, &fault);
		return;
	}
	client->message_size_max = welcome->message_bytes_max != 0 ? welcome->message_bytes_max :
	    FROE_MESSAGE_BYTES_MAX;
	if (client->message_size_max > client->link.frame_size_max)
		client->link.frame_size_max = client->message_size_max;
	if (client->link.frame_size_max + PUSH_ROOM > client->push_window) {
		/* A push must fit: grant the difference. */
		client->push_owed += client->link.frame_size_max + PUSH_ROOM - client->push_window;
		client->push_window += client->push_owed;
	}
	client->server = (struct froe_server){.epoch = welcome->epoch};
	snprintf(client->server.name, sizeof(client->server.name), "%s",
	    welcome->server != NULL ? welcome->server : "");
	client->requests_max =
	    welcome->requests_max != 0 ? welcome->requests_max : FROE_REQUESTS_MAX;
	if (welcome->heartbeat_ms != 0)
		client->heartbeat_ms = welcome->heartbeat_ms;
	if (welcome->heartbeat_lost_ms != 0)
		client->heartbeat_lost_ms = welcome->heartbeat_lost_ms;
	client->rounds = 0;
	client->ping_ns = 0;
	client->gone_by_ns = 0;
	sm_move(session_table, &client->state, SESSION_READY);
	worker_ready(client->worker);
}

/* ----------------------------------------------------------------------------------- frames */

/* Grants again what was consumed, in pieces that always leave room for one largest frame. */
static void
session_credit(struct froe_client *client, size_t frame_size)
{
	client->push_owed += frame_size;
	uint64_t spare = (client->push_window - client->link.frame_size_max) / 2;
	uint64_t quarter = client->push_window / 4;
	if (client->push_owed < (spare < quarter ? spare : quarter))
		return;
	Froe__Credit credit = FROE__CREDIT__INIT;
	credit.has_bytes = true;
	credit.bytes = client->push_owed;
	client->push_owed = 0;
	session_push(client, 0, FROE__ENVELOPE__BODY_CREDIT, &credit.base);
}

/* An error that means something else for a request that was sent twice. True: it is no error. */
static bool
answer_repeated(struct froe_client *client, struct request *request, const Froe__Error *wire)
{
	if (request->number != FROE__ENVELOPE__BODY_RUN_START || !request->repeated ||
	    wire->code != FROE_ALREADY_EXISTS)
		return false;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunStarted started = FROE__RUN_STARTED__INIT;
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_STARTED;
	envelope.run_started = &started; /* without a number: it was lost with the first answer */
	if (request->run.on_event == NULL || request->abandoned) {
		client_finish(client, request, &envelope, NULL);
		return true;
	}
	/* The watch that the lost request asked for was lost with its connection. */
	client_forget(client, request);
	request->busy = true;
	request->answer(client, request, &envelope, NULL);
	request->busy = false;
	request_watch(request);
	client_submit(client, request);
	return true;
}

/* A run may have ended, and the index that knows it is being made anew: asked again later, since a
 * watch is to tell the end. */
static bool
answer_later(struct froe_client *client, struct request *request, const Froe__Error *wire)
{
	if (request->state != REQUEST_WATCHING || wire->code != FROE_INDEX_BEHIND ||
	    request->abandoned)
		return false;
	if (list_empty(&client->later))
		client->later_ns = clock_now_ns() + WATCH_AGAIN_NS;
	list_remove(&request->node);
	request->state = REQUEST_WAITING;
	request_watch(request);
	list_push(&client->later, &request->node);
	return true;
}

/* Those that were put off wait to be sent, as if they were new. */
static void
requests_resume(struct froe_client *client)
{
	struct list *node;
	while ((node = list_pop(&client->later)) != NULL)
		list_push(&client->waiting, node);
}

static void
answer_error(struct froe_client *client, struct request *request, const Froe__Error *wire)
{
	struct froe_error error;
	if (answer_repeated(client, request, wire) || answer_later(client, request, wire))
		return;
	error_from_wire(&error, wire);
	client_finish(client, request, NULL, &error);
}

/* Started, and the end is still to come. */
static void
answer_started(struct froe_client *client, struct request *request, const Froe__Envelope *envelope)
{
	list_remove(&request->node);
	froe_assert(client->sent_count > 0);
	client->sent_count--;
	request->state = REQUEST_WATCHING;
	list_push(&client->watching, &request->node);
	if (request->abandoned)
		return;
	request->busy = true;
	request->answer(client, request, envelope, NULL);
	request->busy = false;
}

static void
answer_event(struct froe_client *client, struct request *request, const Froe__Envelope *envelope)
{
	if (envelope->run_event->final) {
		client_finish(client, request, envelope, NULL);
		return;
	}
	if (request->abandoned)
		return;
	request->busy = true;
	request->answer(client, request, envelope, NULL);
	request->busy = false;
	if (request->abandoned) /* unwatched in its own callback */
		client_finish(client, request, NULL, NULL);
}

static void
session_answer(struct froe_client *client, const Froe__Envelope *envelope)
{
	struct froe_fault fault;
	struct request *request = requests_find(&client->requests, envelope->request);
	if (request == NULL || request->state == REQUEST_WAITING)
		return; /* given up: nobody waits for it */
	uint32_t body = envelope->body_case;
	if (body == FROE__ENVELOPE__BODY_ERROR) {
		answer_error(client, request, envelope->error);
	} else if (request->state == REQUEST_WATCHING && body == FROE__ENVELOPE__BODY_RUN_EVENT) {
		answer_event(client, request, envelope);
	} else if (request->state == REQUEST_SENT &&
	    body == request_kind(request->number)->answer) {
		if (request->run.on_event != NULL)
			answer_started(client, request, envelope);
		else
			client_finish(client, request, envelope, NULL);
	} else {
		fault_set(&fault, FROE_PROTOCOL, "the server answered request type %u with type %u",
		    request->number, body);
		session_down(client, &fault);
	}
}

/* The server does not know us any more: what waits for a connection would wait for ever. It goes on
 * being tried, for those who mend it at the server's end. */
static void
requests_refuse(struct froe_client *client, const struct froe_error *error)
{
	struct list *queues[2] = {&client->waiting, &client->waiting_worker}, first;
	for (int i = 0; i < 2; i++) {
		list_init(&first);
		list_prepend(&first, queues[i]);
		while (!list_empty(&first)) {
			struct request *request = container_of(first.next, struct request, node);
			client_finish(client, request, NULL, error);
		}
	}
}

static void
session_greeted(struct froe_client *client, const Froe__Envelope *envelope)
{
	struct froe_fault fault;
	struct froe_error error;
	if (envelope->body_case == FROE__ENVELOPE__BODY_WELCOME) {
		session_welcome(client, envelope->welcome);
		return;
	}
	if (envelope->body_case == FROE__ENVELOPE__BODY_ERROR) {
		error_from_wire(&error, envelope->error);
		fault_set_field(&fault, error.code, error.field, "%.*s",
		    (int)sizeof(fault.text) - 1, error.text);
		client->refused = froe_err_class(error.code) != FROE_CLASS_RETRY;
	} else {
		error = (struct froe_error){.code = FROE_OK};
		fault_set(&fault, FROE_PROTOCOL, "the server did not answer Hello with Welcome");
	}
	session_down(client, &fault);
	if (error.code == FROE_UNAUTHENTICATED || error.code == FROE_FORBIDDEN)
		requests_refuse(client, &error);
}

static void
session_pong(struct froe_client *client, const Froe__Envelope *envelope)
{
	Froe__Pong pong = FROE__PONG__INIT;
	pong.has_data = envelope->ping->has_data;
	pong.data = envelope->ping->data;
	session_push(client, envelope->request, FROE__ENVELOPE__BODY_PONG, &pong.base);
}

/* Error 0 belongs to no request: the server is about to hang up on us. */
static void
session_denounced(struct froe_client *client, const Froe__Error *wire)
{
	struct froe_error error;
	struct froe_fault fault;
	error_from_wire(&error, wire);
	fault_set_field(&fault, error.code, error.field, "%.300s", error.text);
	session_down(client, &fault);
}

/* The server reads no more. It still answers what it has read, then closes. */
static void
session_goaway(struct froe_client *client, const Froe__Goaway *goaway)
{
	fault_set(&client->down, FROE_UNAVAILABLE, "the server stops: %.200s",
	    wire_text_get(goaway->reason));
	client->gone_by_ns = clock_now_ns() + GOAWAY_NS;
}

static void
session_message(struct froe_client *client, const Froe__Envelope *envelope, size_t size)
{
	uint32_t body = envelope->body_case;
	if (client->state == SESSION_GREETING) {
		session_greeted(client, envelope);
		return;
	}
	if (body == FROE__ENVELOPE__BODY_RUN_EVENT || body == FROE__ENVELOPE__BODY_NODE_DONE)
		session_credit(client, size);
	if (body == FROE__ENVELOPE__BODY_PING)
		session_pong(client, envelope);
	else if (envelope->request != 0)
		session_answer(client, envelope);
	else if (body == FROE__ENVELOPE__BODY_REVOKE)
		worker_revoke(client->worker, envelope->revoke);
	else if (body == FROE__ENVELOPE__BODY_NODE_DONE)
		worker_node_done(client->worker, envelope->node_done);
	else if (body == FROE__ENVELOPE__BODY_ERROR)
		session_denounced(client, envelope->error);
	else if (body == FROE__ENVELOPE__BODY_GOAWAY)
		session_goaway(client, envelope->goaway);
	/* Anything else is a push of a newer server: skipped. */
}

/* A Dispatch becomes a task without being decoded before. */
static bool
session_frame(struct froe_client *client, struct bytes frame)
{
	struct wire_head head = wire_head(frame);
	if (head.number == FROE__ENVELOPE__BODY_DISPATCH && head.request == 0 &&
	    client->state == SESSION_READY) {
		session_credit(client, frame.size);
		return worker_dispatch(client->worker, head.body);
	}
	struct wire_room room;
	if (client->arena.taken > 0)
		arena_reset(&client->arena);
	const Froe__Envelope *envelope = wire_decode(&client->arena, &room, frame, &head);
	if (envelope != NULL)
		session_message(client, envelope, frame.size);
	return envelope != NULL;
}

static void
session_frames(struct froe_client *client)
{
	struct bytes frame;
	struct froe_fault fault;
	while (client->link.state == LINK_OPEN && link_frame(&client->link, &frame)) {
		/* Callbacks may do what they like with the connection: its bytes stay where they
		 * are until more are received, and that is this thread's to do. */
		link_frame_pop(&client->link);
		if (!session_frame(client, frame)) {
			fault_set(&fault, FROE_PROTOCOL,
			    "the server sent a frame of %zu bytes that is no message", frame.size);
			session_down(client, &fault);
			return;
		}
	}
	if (client->link.state == LINK_OPEN && link_frame_check(&client->link, &fault) != FROE_OK)
		session_down(client, &fault);
}

/* ----------------------------------------------------------------------- sockets and timers */

void
session_socket(struct froe_client *client, uint32_t events, uint64_t now_ns)
{
	struct froe_fault fault;
	if (client->state == SESSION_CONNECTING) {
		if (link_connected(&client->link, &fault) != FROE_OK)
			session_down(client, &fault);
		else if (client->link.state == LINK_OPEN)
			session_greet(client);
		return;
	}
	if (client->link.state != LINK_OPEN || (events & ~(uint32_t)EPOLLOUT) == 0)
		return; /* writable only: the end of the turn flushes */
	uint64_t before = client->link.received;
	if (link_receive(&client->link, &fault) != FROE_OK) {
		session_down(client, &fault);
	} else if (client->link.received != before) {
		client->heard_ns = now_ns;
		client->ping_ns = 0;
		session_frames(client);
	}
}

void
session_flush(struct froe_client *client)
{
	if (client->broken || link_flush(&client->link, &client->down) == FROE_OK)
		return;
	client->broken = true;
	client_wake(client);
}

void
session_pump(struct froe_client *client)
{
	if (client->state != SESSION_READY || client->gone_by_ns != 0)
		return;
	struct list *queues[2] = {&client->waiting, &client->waiting_worker};
	for (int i = worker_serving(client->worker) ? 1 : 0; i >= 0; i--) {
		while (!list_empty(queues[i]) && client->sent_count < client->requests_max &&
		    buf_used(&client->link.out) < OUT_SIZE_MAX) {
			struct request *request =
			    container_of(list_pop(queues[i]), struct request, node);
			bool watch = request->number == FROE__ENVELOPE__BODY_RUN_WATCH;
			link_push(&client->link, request->frame, request->size);
			request->state = watch ? REQUEST_WATCHING : REQUEST_SENT;
			list_push(watch ? &client->watching : &client->sent, &request->node);
			client->sent_count += watch ? 0 : 1;
		}
	}
}

/* A connection that is silent while something is awaited is asked, and in the end given up. */
static void
session_silence(struct froe_client *client, uint64_t now_ns)
{
	struct froe_fault fault;
	bool awaits = !list_empty(&client->sent) || !list_empty(&client->watching);
	if (!awaits || now_ns < client->heard_ns + PING_NS)
		return;
	if (client->ping_ns == 0) {
		Froe__Ping ping = FROE__PING__INIT;
		client->ping_ns = now_ns;
		client_submit_first(client, request_new(&client->requests,
		    FROE__ENVELOPE__BODY_PING, &ping.base, NULL, NULL));
	} else if (now_ns >= client->ping_ns + SILENCE_NS - PING_NS) {
		fault_set(&fault, FROE_TIMEOUT, "the server has been silent for 30 s");
		session_down(client, &fault);
	}
}

void
session_tick(struct froe_client *client, uint64_t now_ns)
{
	struct froe_fault fault;
	if (client->broken && client->link.state == LINK_OPEN)
		session_down(client, &client->down);
	client->broken = false;
	if (client->state == SESSION_DOWN && now_ns >= client->connect_at_ns && !client->stopping) {
		session_connect(client, now_ns);
	} else if (client->state == SESSION_CONNECTING || client->state == SESSION_GREETING) {
		if (now_ns >= client->greet_by_ns) {
			fault_set(&fault, FROE_TIMEOUT, "no answer within 10 s");
			session_down(client, &fault);
		}
	} else if (client->state == SESSION_READY && client->gone_by_ns != 0) {
		if (now_ns >= client->gone_by_ns)
			session_down(client, &client->down);
	} else if (client->state == SESSION_READY) {
		if (!list_empty(&client->later) && now_ns >= client->later_ns) {
			requests_resume(client);
			session_pump(client);
		}
		session_silence(client, now_ns);
	}
	worker_tick(client->worker, now_ns);
}

static uint64_t
ready_deadline_ns(const struct froe_client *client)
{
	uint64_t later_ns = list_empty(&client->later) ? UINT64_MAX : client->later_ns;
	if (list_empty(&client->sent) && list_empty(&client->watching))
		return later_ns;
	uint64_t silent_ns = client->ping_ns == 0 ? client->heard_ns + PING_NS
	                                          : client->ping_ns + SILENCE_NS - PING_NS;
	return silent_ns < later_ns ? silent_ns : later_ns;
}

uint64_t
session_deadline_ns(const struct froe_client *client)
{
	switch (client->state) {
	case SESSION_DOWN:
		return client->connect_at_ns;
	case SESSION_RESOLVING:
		return 0;
	case SESSION_CONNECTING:
	case SESSION_GREETING:
		return client->greet_by_ns;
	case SESSION_READY:
		if (client->gone_by_ns != 0)
			return client->gone_by_ns;
		return ready_deadline_ns(client);
	}
	froe_never("a session state");
}
