/*
 * A turn: timers, then what is queued goes out, then one wait, then what came in is handled, then
 * what that produced goes out. Whoever makes a turn is the stepper; a thread that waits for an
 * answer in a client without a thread becomes the stepper itself, and one that finds another
 * stepping sleeps until its own answer is there, or until nobody steps.
 */
#include "client/client_int.h"
#include "client/argument.h"

#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PUSH_WINDOW_MIN ((uint64_t)8 << 20)
#define FLUSH_SIZE ((size_t)64 << 10)
#define BODY_KEPT ((size_t)1 << 20) /* a larger buffer is given back */
#define TURN_MS_MAX 5000 /* a sleeping stepper looks at its timers at least this often */

void
client_lock(struct froe_client *client)
{
	froe_assert(client->magic == CLIENT_MAGIC);
	froe_assert(pthread_mutex_lock(&client->lock) == 0);
}

void
client_unlock(struct froe_client *client)
{
	if (!list_empty(&client->woken))
		waiter_tell(client);
	froe_assert(pthread_mutex_unlock(&client->lock) == 0);
}

bool
client_is_stepper(const struct froe_client *client)
{
	return client->stepping && pthread_equal(client->stepper, pthread_self());
}

void
client_wake(struct froe_client *client)
{
	uint64_t one = 1;
	if (!client->stepping || client_is_stepper(client))
		return;
	client->woken_fd = true;
	FROE_DROP(write(client->wake_fd, &one, sizeof(one)), "a full counter wakes as well");
}

uint64_t
client_deadline_ns(int timeout_ms)
{
	if (timeout_ms < 0)
		return UINT64_MAX;
	return clock_now_ns() + (uint64_t)timeout_ms * 1000000u;
}

enum froe_err
client_may_wait(const struct froe_client *client, struct froe_error *error)
{
	if (!client_is_stepper(client))
		return FROE_OK;
	return error_set(error, FROE_FAILED_PRECONDITION,
	    "a callback must not make a call that waits: use the asynchronous form");
}

/* -------------------------------------------------------------------------------- requests */

struct buf *
client_body(struct froe_client *client)
{
	buf_reset(&client->body);
	if (client->body.capacity > BODY_KEPT)
		buf_release(&client->body);
	return &client->body;
}

static struct list *
waiting_list(struct froe_client *client, const struct request *request)
{
	return request->worker ? &client->waiting_worker : &client->waiting;
}

/* The stepper sends at the end of its turn, all that has come together; who stepped a no_thread
 * client last gathers until the next step. Any other thread writes at once: nobody may step for a
 * long time. */
static void
client_kick(struct froe_client *client)
{
	if (client_is_stepper(client))
		return;
	session_pump(client);
	bool owner = !client->threaded && pthread_equal(client->stepper, pthread_self());
	if (!owner || client->stepping || buf_used(&client->link.out) >= FLUSH_SIZE)
		session_flush(client);
}

void
client_submit(struct froe_client *client, struct request *request)
{
	request->state = REQUEST_WAITING;
	list_push(waiting_list(client, request), &request->node);
	requests_put(&client->requests, request);
	client_kick(client);
}

void
client_submit_first(struct froe_client *client, struct request *request)
{
	request->state = REQUEST_WAITING;
	list_push_front(waiting_list(client, request), &request->node);
	requests_put(&client->requests, request);
	client_kick(client);
}

void
client_forget(struct froe_client *client, struct request *request)
{
	requests_remove(&client->requests, request);
	list_remove(&request->node);
	if (request->state == REQUEST_SENT) {
		froe_assert(client->sent_count > 0);
		client->sent_count--;
	}
}

void
client_finish(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	client_forget(client, request);
	if (request->answer != NULL && !request->abandoned)
		request->answer(client, request, envelope, error);
	request_free(&client->requests, request);
}

/* ----------------------------------------------------------------------------------- turns */

static int
wait_ms(uint64_t deadline_ns, uint64_t now_ns, int most_ms)
{
	if (deadline_ns <= now_ns)
		return 0;
	uint64_t left_ms = (deadline_ns - now_ns + 999999) / 1000000;
	return left_ms < (uint64_t)most_ms ? (int)left_ms : most_ms;
}

static uint64_t
timer_ns(const struct froe_client *client)
{
	uint64_t session_ns = session_deadline_ns(client);
	uint64_t worker_ns = worker_deadline_ns(client->worker);
	return session_ns < worker_ns ? session_ns : worker_ns;
}

/* Whoever does not wait knows already, or finds out, that there is something to receive. */
static bool
turn_receive_now(struct froe_client *client)
{
	if (client->link.state != LINK_OPEN || client->woken_fd)
		return false;
	uint64_t now_ns = clock_now_ns();
	session_socket(client, EPOLLIN, now_ns);
	session_tick(client, now_ns);
	return true;
}

static void
turn_receive(struct froe_client *client, int timeout_ms)
{
	struct epoll_event events[2];
	if (timeout_ms == 0 && turn_receive_now(client))
		return;
	client_unlock(client);
	int count = epoll_wait(client->epoll_fd, events, 2, timeout_ms);
	client_lock(client);
	uint64_t now_ns = clock_now_ns();
	for (int i = 0; i < count; i++) {
		uint64_t drained;
		if (events[i].data.fd == client->wake_fd) {
			client->woken_fd = false;
			FROE_DROP(read(client->wake_fd, &drained, sizeof(drained)),
			    "it was drained before");
		} else if (events[i].data.fd == client->link.fd) {
			session_socket(client, events[i].events, now_ns);
		}
	}
	session_tick(client, now_ns);
}

void
client_turn(struct froe_client *client, uint64_t deadline_ns)
{
	froe_assert(!client->stepping);
	client->stepping = true;
	client->stepper = pthread_self();
	uint64_t now_ns = clock_now_ns();
	session_tick(client, now_ns);
	session_pump(client);
	session_flush(client);
	uint64_t until_ns = timer_ns(client);
	if (deadline_ns < until_ns)
		until_ns = deadline_ns;
	bool inline_waits = !client->inlining && worker_inline_waits(client->worker);
	if (client->stopping || client->broken || inline_waits)
		until_ns = 0;
	turn_receive(client, wait_ms(until_ns, now_ns, TURN_MS_MAX));
	session_pump(client);
	session_flush(client);
	client->stepping = false;
	if (!client->inlining && worker_inline_waits(client->worker)) {
		client->inlining = true;
		worker_inline(client->worker);
		client->inlining = false;
		session_flush(client);
	}
}

enum froe_err
froe_client_step(struct froe_client *client, int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "client", client, NULL))
		return FROE_INVALID_ARGUMENT;
	client_lock(client);
	enum froe_err err = FROE_OK;
	if (client->threaded || client->stepping) {
		err = error_set(error, FROE_FAILED_PRECONDITION, client->threaded ?
		    "this client has a thread of its own: open it with no_thread to step it" :
		    "this client is being stepped already");
	} else {
		client_turn(client, client_deadline_ns(timeout_ms));
		client_hand_over(client);
	}
	client_unlock(client);
	return err;
}

int
froe_client_fd(const struct froe_client *client)
{
	return client != NULL ? client->epoll_fd : -1;
}

int
froe_client_timeout_ms(struct froe_client *client)
{
	if (client == NULL)
		return -1;
	client_lock(client);
	uint64_t deadline_ns = timer_ns(client);
	int timeout_ms =
	    deadline_ns == UINT64_MAX ? -1 : wait_ms(deadline_ns, clock_now_ns(), INT_MAX);
	if (buf_used(&client->link.out) > 0 || worker_inline_waits(client->worker))
		timeout_ms = 0;
	client_unlock(client);
	return timeout_ms;
}

void
froe_client_server(struct froe_client *client, struct froe_server *ret_server)
{
	if (ret_server == NULL)
		return;
	*ret_server = (struct froe_server){0};
	if (client == NULL)
		return;
	client_lock(client);
	*ret_server = client->server;
	client_unlock(client);
}

bool
froe_client_connected(struct froe_client *client)
{
	if (client == NULL)
		return false;
	client_lock(client);
	bool connected = client->state == SESSION_READY;
	client_unlock(client);
	return connected;
}

size_t
froe_client_pending(struct froe_client *client)
{
	if (client == NULL)
		return 0;
	client_lock(client);
	size_t count = client->requests.count;
	client_unlock(client);
	return count;
}

/* --------------------------------------------------------------------------- open and close */

static void *
client_main(void *argument)
{
	struct froe_client *client = argument;
	client_lock(client);
	while (!client->stopping)
		client_turn(client, UINT64_MAX);
	client_unlock(client);
	return NULL;
}

/* With the lock. The application's signals are not for the library's threads. */
static enum froe_err
client_thread_start(struct froe_client *client, struct froe_error *error)
{
	sigset_t all, before;
	sigfillset(&all);
	froe_assert(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	client->threaded = true;
	int result = pthread_create(&client->thread, NULL, client_main, client);
	froe_assert(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (result != 0)
		return error_set(error, FROE_RESOURCE_EXHAUSTED, "no thread: %s", strerror(result));
	client->thread_runs = true;
	return FROE_OK;
}

static enum froe_err
client_descriptors(struct froe_client *client, struct froe_error *error)
{
	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (client->epoll_fd < 0 || client->wake_fd < 0) {
		return error_set(error, froe_err_from_errno(errno), "no descriptor: %s",
		    strerror(errno));
	}
	struct epoll_event event = {.events = EPOLLIN, .data.fd = client->wake_fd};
	froe_assert(epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->wake_fd, &event) == 0);
	link_init(&client->link, client->epoll_fd);
	return FROE_OK;
}

static char *
text_or(const char *text, const char *other)
{
	return mem_strdup(text != NULL && text[0] != 0 ? text : other);
}

static struct froe_client *
client_new(const struct froe_client_options *options)
{
	struct froe_client *client = mem_zalloc(sizeof(*client));
	const char *token = getenv("FROE_TOKEN");
	client->magic = CLIENT_MAGIC;
	client->epoll_fd = client->wake_fd = client->link.fd = -1;
	client->address = text_or(options->address, ADDRESS_DEFAULT);
	client->tenant = text_or(options->tenant, "");
	client->token = text_or(options->token, token != NULL ? token : "");
	client->name = text_or(options->name, "libfroe/" FROE_VERSION);
	client->push_window = options->push_window_size > PUSH_WINDOW_MIN ?
	    options->push_window_size : PUSH_WINDOW_MIN;
	client->requests_max = FROE_REQUESTS_MAX;
	client->heartbeat_ms = FROE_HEARTBEAT_MS;
	client->heartbeat_lost_ms = FROE_HEARTBEAT_LOST_MS;
	list_init(&client->waiting);
	list_init(&client->waiting_worker);
	list_init(&client->sent);
	list_init(&client->watching);
	list_init(&client->later);
	requests_init(&client->requests);
	arena_init(&client->arena, (size_t)64 << 20);
	buf_init(&client->body);
	dice_init(&client->dice);
	list_init(&client->waiters);
	list_init(&client->woken);
	for (size_t i = 0; i < CLIENT_WAIT_ROWS; i++)
		list_init(&client->waiting_for[i]);
	froe_assert(pthread_mutex_init(&client->lock, NULL) == 0);
	return client;
}

/* Turns until the handshake is done, refused, or out of time. */
static enum froe_err
client_connect(struct froe_client *client, uint32_t open_ms, struct froe_error *error)
{
	uint64_t deadline_ns = UINT64_MAX;
	if (open_ms != UINT32_MAX)
		deadline_ns = clock_now_ns() + (uint64_t)open_ms * 1000000u;
	session_start(client);
	while (client->state != SESSION_READY && !client->refused) {
		bool over = open_ms == 0 ? client->rounds > 0 : clock_now_ns() >= deadline_ns;
		if (over)
			break;
		client_turn(client, open_ms == 0 ? UINT64_MAX : deadline_ns);
	}
	if (client->state == SESSION_READY)
		return FROE_OK;
	if (client->refused)
		return error_from_fault(error, &client->down);
	return error_set_field(error, FROE_UNAVAILABLE, "address", "no froe server at %s%s%s",
	    client->address, client->down.text[0] != 0 ? ": " : "", client->down.text);
}

/* The address, and what it takes to trust whoever answers there. */
static enum froe_err
client_address(struct froe_client *client, const struct froe_tls_options *options,
    struct froe_error *error)
{
	static const struct froe_tls_options defaults;
	struct froe_fault fault;
	bool tls;
	enum froe_err err = address_check(client->address, client->host, &tls, &fault);
	if (err == FROE_OK && options != NULL && !tls)
		err = fault_set_field(&fault, FROE_INVALID_ARGUMENT, "tls",
		    "TLS options with %.200s, which is plaintext: write tls://%.200s",
		    client->address, client->address);
	options = options != NULL ? options : &defaults;
	struct tls_options files = {
	    .cert_file = options->cert_file,
	    .key_file = options->key_file,
	    .ca_file = options->ca_file,
	};
	if (err == FROE_OK && tls)
		err = tls_context_open(&client->tls, &files, &fault);
	if (err == FROE_OK && options->server_name != NULL && options->server_name[0] != 0)
		snprintf(client->host, sizeof(client->host), "%s", options->server_name);
	return err == FROE_OK ? FROE_OK : error_from_fault(error, &fault);
}

enum froe_err
froe_client_open(const struct froe_client_options *options, struct froe_client **ret_client,
    struct froe_error *error)
{
	if (argument_missing(error, "ret_client", ret_client, NULL))
		return FROE_INVALID_ARGUMENT;
	static const struct froe_client_options defaults;
	options = options != NULL ? options : &defaults;
	struct froe_client *client = client_new(options);
	enum froe_err err = client_descriptors(client, error);
	if (err == FROE_OK)
		err = client_address(client, options->tls, error);
	if (err == FROE_OK) {
		client_lock(client);
		err = client_connect(client, options->open_ms, error);
		if (err == FROE_OK && !options->no_thread)
			err = client_thread_start(client, error);
		client_unlock(client);
	}
	if (err != FROE_OK) {
		froe_client_close(client);
		return err;
	}
	*ret_client = client;
	return FROE_OK;
}

static void
list_finish(struct froe_client *client, struct list *list, const struct froe_error *error)
{
	while (!list_empty(list)) {
		struct request *request = container_of(list->next, struct request, node);
		client_finish(client, request, NULL, error);
	}
}

static void
client_free(struct froe_client *client)
{
	link_release(&client->link);
	tls_context_close(client->tls);
	requests_release(&client->requests);
	arena_release(&client->arena);
	buf_release(&client->body);
	if (client->wake_fd >= 0)
		close(client->wake_fd);
	if (client->epoll_fd >= 0)
		close(client->epoll_fd);
	froe_assert(pthread_mutex_destroy(&client->lock) == 0);
	mem_free(client->address);
	mem_free(client->tenant);
	mem_free(client->token);
	mem_free(client->name);
	client->magic = 0;
	mem_free(client);
}

void
froe_client_close(struct froe_client *client)
{
	if (client == NULL)
		return;
	client_lock(client);
	froe_assert(client->worker == NULL); /* froe_worker_close comes first */
	client->stopping = true;
	client_wake(client);
	client_unlock(client);
	if (client->thread_runs)
		froe_assert(pthread_join(client->thread, NULL) == 0);
	client_lock(client);
	/* Whoever is called back now is on the stepper, so that it cannot wait or step. */
	client->stepping = true;
	client->stepper = pthread_self();
	if (client->link.fd >= 0)
		session_flush(client);
	struct froe_error error;
	error_set(&error, FROE_CLOSED, "the client was closed");
	list_finish(client, &client->sent, &error);
	list_finish(client, &client->watching, &error);
	list_finish(client, &client->later, &error);
	list_finish(client, &client->waiting, &error);
	list_finish(client, &client->waiting_worker, &error);
	client->stepping = false;
	client_unlock(client);
	client_free(client);
}
