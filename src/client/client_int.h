/*
 * client/client_int: a client's insides.
 *
 * Purpose     struct froe_client and what the folder's files offer each other.
 * Threading   one lock guards everything. One thread at a time, the stepper, drives the session
 *             (client_turn): the client's own thread, the caller of froe_client_step, or a caller
 *             that waits in a no_thread client. Only the stepper connects, drops, reads and waits;
 *             any thread may encode requests and write them to the socket. Callbacks are made by
 *             the stepper with the lock open; whatever they hold is marked busy.
 * Invariants  1. a request is in `requests` and in exactly one of waiting, waiting_worker, sent,
 *                watching, later.
 *             2. sent_count is the length of sent.
 *             3. session READY implies link OPEN.
 *             4. `woken` is empty while the lock is open.
 */
#ifndef CLIENT_CLIENT_INT_H
#define CLIENT_CLIENT_INT_H

#include "client/clock.h"
#include "client/error.h"
#include "client/link.h"
#include "client/request.h"
#include "client/wire.h"

#include "base/list.h"
#include "base/sm.h"

#include <pthread.h>

#define CLIENT_MAGIC 0x66726f65636c6e74u
#define CLIENT_REQUESTS_MAX (2u * FROE_WATCHES_MAX)
#define CLIENT_WAIT_BITS 8
#define CLIENT_WAIT_ROWS (1u << CLIENT_WAIT_BITS)

enum session_state {
	SESSION_DOWN,      /* until connect_at_ns */
	SESSION_RESOLVING, /* the stepper asks for addresses, with the lock open */
	SESSION_CONNECTING,
	SESSION_GREETING, /* Hello is sent */
	SESSION_READY,
};

/* A thread that sleeps. */
struct waiter {
	pthread_cond_t wake;
	bool woken;
	struct list woken_node; /* client->woken */
	struct list node;       /* client->waiters, worker->idle */
};

struct froe_client {
	uint64_t magic;
	pthread_mutex_t lock;
	struct list waiters; /* threads in client_wait() that sleep */
	struct list woken;   /* those that are to be told, before the lock is opened */
	struct list waiting_for[CLIENT_WAIT_ROWS]; /* by address of what they wait for */
	pthread_t thread;
	pthread_t stepper;
	bool threaded;
	bool thread_runs;
	bool stopping;
	bool stepping;
	bool inlining; /* handlers run on the stepping thread now */
	bool broken;   /* writing failed on some thread: the stepper drops the link */
	bool woken_fd; /* something was written to wake_fd */
	int epoll_fd;
	int wake_fd;

	/* session */
	enum session_state state;
	struct link link;
	char *address;
	struct tls_context *tls; /* NULL: plaintext */
	char host[ADDRESS_HOST_SIZE]; /* whom its certificate must be for */
	char *tenant;
	char *token;
	char *name;
	struct address_list addresses;
	size_t address_next;
	unsigned rounds; /* addresses all tried, since the last Welcome */
	uint64_t connect_at_ns;
	uint64_t greet_by_ns;
	uint64_t heard_ns; /* bytes arrived */
	uint64_t ping_ns;  /* a ping went out, since heard_ns */
	uint64_t gone_by_ns; /* the server stops (Goaway); 0: it does not */
	uint64_t hello_id;
	struct froe_server server; /* who said Welcome last */
	struct froe_fault down; /* why it is down */
	bool refused;           /* the server's own answer to Hello */
	uint64_t push_window;
	uint64_t push_owed; /* bytes of pushes consumed and not yet granted again */
	uint64_t message_size_max;
	uint32_t requests_max;
	uint32_t heartbeat_ms;
	uint32_t heartbeat_lost_ms;

	/* requests */
	struct requests requests;
	struct list waiting;
	struct list waiting_worker;
	struct list sent;
	struct list watching;
	struct list later;  /* watches that the server could not answer yet */
	uint64_t later_ns;  /* when they are tried again */
	size_t sent_count;
	struct arena arena; /* of the frame being answered */
	struct buf body;    /* of the request being made */
	struct dice dice;
	struct froe_worker *worker;
};

/* ---- client.c */
void client_lock(struct froe_client *client);
void client_unlock(struct froe_client *client);
bool client_is_stepper(const struct froe_client *client);

/* Queues a request and sends it if it can be sent now. */
void client_submit(struct froe_client *client, struct request *request);
void client_submit_first(struct froe_client *client, struct request *request);
struct buf *client_body(struct froe_client *client); /* empty: for the body of one request */

/* Ends a request: out of its list and `requests`, answered, freed. */
void client_finish(struct froe_client *client, struct request *request,
    const Froe__Envelope *envelope, const struct froe_error *error);

/* Takes it out of `requests` and its list without an answer. */
void client_forget(struct froe_client *client, struct request *request);

void client_wake(struct froe_client *client); /* the stepper, if it sleeps */
void client_turn(struct froe_client *client, uint64_t deadline_ns);
uint64_t client_deadline_ns(int timeout_ms);

/* FROE_FAILED_PRECONDITION on the stepper: a callback must not wait. */
enum froe_err client_may_wait(const struct froe_client *client, struct froe_error *error);

/* ---- wait.c: with the lock, which is open while a thread sleeps */

/* Until *done or *stop (NULL: none), which whoever sets it tells by client_notify(); false: the
 * deadline came first. UINT64_MAX: none. Steps the client if nobody else does. */
bool client_wait(struct froe_client *client, const bool *done, const bool *stop,
    uint64_t deadline_ns);
void client_notify(struct froe_client *client, const bool *flag);

/* Once: until a notification, the deadline, or that somebody must step. */
void client_sleep(struct froe_client *client, const bool *done, const bool *stop,
    uint64_t deadline_ns);
void client_hand_over(struct froe_client *client); /* nobody steps any more: whoever waits is to */

void waiter_init(struct waiter *waiter);
void waiter_sleep(struct froe_client *client, struct waiter *waiter, uint64_t deadline_ns);
void waiter_wake(struct froe_client *client, struct waiter *waiter);
void waiter_tell(struct froe_client *client); /* those that were woken */
void waiter_release(struct waiter *waiter);

/* ---- session.c: call with the lock, on the stepper */
void session_start(struct froe_client *client);
void session_tick(struct froe_client *client, uint64_t now_ns);
void session_socket(struct froe_client *client, uint32_t events, uint64_t now_ns);
void session_pump(struct froe_client *client); /* any thread */
void session_flush(struct froe_client *client); /* any thread */
void session_down(struct froe_client *client, const struct froe_fault *fault);
uint64_t session_deadline_ns(const struct froe_client *client);

/* ---- worker.c: what the session tells the worker; worker may be NULL */
void worker_ready(struct froe_worker *worker);
void worker_down(struct froe_worker *worker);
void worker_tick(struct froe_worker *worker, uint64_t now_ns);
uint64_t worker_deadline_ns(const struct froe_worker *worker);
bool worker_serving(const struct froe_worker *worker);
bool worker_dispatch(struct froe_worker *worker, struct bytes dispatch); /* false: it is garbled */
void worker_revoke(struct froe_worker *worker, const Froe__Revoke *revoke);
void worker_node_done(struct froe_worker *worker, const Froe__NodeDone *done);
void worker_inline(struct froe_worker *worker); /* runs queued handlers on this thread */
bool worker_inline_waits(const struct froe_worker *worker);

#endif
