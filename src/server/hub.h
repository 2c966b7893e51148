/*
 * server/hub: what connections want of the shard, and what the shard has for them.
 *
 * Purpose     Takes commands from sessions on any loop, runs them on the shard, and holds
 *             everything that must not be seen yet in an outbox, in order, each item with the
 *             frame that must be durable first. Resolves payloads of dispatches and results
 *             (asking the log when they have left memory), keeps watches, push windows and
 *             workers' liveness.
 * Files       hub.c: commands, hooks, turns; hub_outbox.c: what waits for its frame;
 *             hub_reply.c: the engine's answers; hub_push.c: what is sent unasked, within each
 *             connection's window; hub_watch.c: watched runs;
 *             hub_durable.c: nodes of durable tasks, approvals;
 *             hub_read.c: views, lists, outputs; hub_index.c: rows for the index; hub_worker.c:
 *             liveness; hub_access.c: tokens.
 * Ownership   owns its connections, watches and workers; borrows shard, indexer and the deliver
 *             hook.
 * Threading   the hot thread (or the simulator).
 * Invariants  1. an item leaves the outbox only when its frame is durable (rule 1 of
 *                ARCHITECTURE.md).
 *             2. a connection's dispatches and a watch's events leave in order, and within the
 *                connection's window; revocations cost nothing and overtake.
 *             3. pending pushes are references, never payloads (but one a connection: the end of
 *                a run that had left memory). A slow reader costs a few bytes for each slot of its
 *                worker and each of its watches, and HUB_EVENT_BYTES_MAX of changes: those that
 *                come on top of that are left out.
 */
#ifndef SERVER_HUB_H
#define SERVER_HUB_H

#include "api/port.h"
#include "api/jwt.h"
#include "base/histogram.h"
#include "base/map.h"
#include "base/recent.h"
#include "base/stock.h"
#include "froe/limits.h"
#include "sched/wheel.h"
#include "server/access.h"
#include "server/indexer.h"
#include "server/shard.h"

struct hub_options {
	uint32_t heartbeat_ms;
	uint32_t heartbeat_lost_ms;
	uint32_t reconnect_grace_ms;
	bool auth; /* false: everyone is an admin */
	char advertise[ACCESS_ADVERTISE_SIZE]; /* where clients reach the server */
	uint8_t token_key[TOKEN_KEY_BYTES];
};

/* Failed log-ins by address. */
#define HUB_SOURCES 1024u
struct hub_source {
	uint64_t source;
	uint64_t since_ns; /* boot-time clock: when its minute began */
	uint32_t failures;
};

struct hub_stats {
	uint64_t dispatches; /* sent */
	uint64_t needs;    /* payloads that had left memory */
	uint64_t refused;  /* commands answered with an error */
	uint64_t workers_lost;
	uint64_t connections;
	struct histogram assign;   /* from queued until a worker got the lease */
	struct histogram dispatch; /* from the lease until it was sent, durable */
	uint64_t auth_failures;
	uint64_t auth_cut; /* connections whose token ended */
};

/* One line for the server's own log. Members that do not apply are NULL or 0. */
struct hub_note {
	const char *event; /* a word */
	bool warning;
	const char *text;
	const char *actor; /* who did it */
	const char *peer;  /* from where */
	uint64_t count;    /* such things since the last line */
};

struct hub {
	struct shard *shard;
	struct indexer *indexer;
	struct hub_options options;
	/* How effects reach a connection, on whatever loop it lives. */
	void (*deliver)(void *context, const struct api_effect *effect);
	void (*metrics)(void *context, struct buf *to); /* what others add to /metrics */
	/* Recovery is about to replay this store: time to open the index and call hub_replays(). */
	void (*opened)(void *context, struct uuid store);
	/* Something an operator should read; may be NULL. */
	void (*note)(void *context, const struct hub_note *note);
	void *deliver_context;

	struct buf releasing;	   /* the outbox's older part; nothing is added to it */
	struct buf outbox;         /* items: struct hub_item, then its bytes */
	uint64_t mono_ns;          /* of this turn */
	struct map conns;          /* handle -> struct hub_conn */
	struct hub_conn *recent;   /* the one that was looked for last; NULL: none */
	struct stock stock;        /* of pushes and watches, which come and go with each run */
	struct recent watches;     /* run key -> its first struct hub_watch */
	uint32_t change_watches;   /* watches that want every change */
	struct map workers;        /* worker -> struct hub_worker */
	struct wheel wheel;        /* boot-time clock: workers' liveness */
	struct list loading;       /* pushes whose bytes are being read from the log */
	struct list loaded;        /* pushes whose bytes have come */
	struct hub_push *providing; /* during TASK_PROVIDE: its bytes are for what it causes */
	struct list woken;         /* connections whose next watch on a closed run may be read */
	struct map streams;          /* run key -> one of those that wait for it */
	struct list streams_waiting; /* for a chunk or the end of their run */
	struct wheel streams_wheel;  /* boot-time clock: until when they wait */
	struct list streams_reading; /* their records are being read */
	struct list events_reading;  /* struct hub_event */
	struct list reads;         /* questions at the index thread, oldest first */
	struct map reads_by_cookie; /* the same */
	struct list reading;       /* questions whose records are being read */
	struct list jobs;          /* struct hub_job: those that go on, in turns */
	struct list jobs_over;     /* those that have ended, to be freed */
	struct map jobs_by_number;
	struct wheel job_wheel;    /* boot-time clock: JobGets that wait for an end */
	uint64_t events;           /* that were decided */
	uint64_t job_frame;        /* the frame that job_steps are counted for */
	uint32_t job_steps;
	bool stopping;             /* jobs rest, and nobody waits for them */
	struct list forgets;       /* closed runs whose places the index does not have yet */
	struct list backlog;       /* index rows that did not fit the ring */
	struct indexer_job *rows;  /* index rows of the frame being built: in the outbox, or NULL */
	uint64_t rows_frame;       /* which */
	uint64_t index_applied;    /* of the index when it was opened: hub_replays() */
	uint64_t reads_last;
	uint32_t reads_held;       /* of `reads`: not posted yet */
	uint64_t released_frame;   /* all of this frame has left the outbox */
	uint64_t marked_segment;   /* the index was told that it was sealed */
	uint64_t gap_ns;           /* how long before this turn the last one was */
	struct arena arena;        /* of one command or delivery */
	struct buf pushed;         /* the push being sent */
	struct buf places;         /* of one index row */
	struct buf texts;          /* its metadata */
	const struct api_command *command; /* being run: hooks relate effects to it */
	struct map token_uses;     /* kid -> struct hub_use */
	struct hub_source *sources; /* HUB_SOURCES */
	uint64_t refused_said_ns;  /* boot-time clock: the last line about one; 0: none yet */
	uint64_t refused_unsaid;
	struct list refusals;      /* answers to failed log-ins that are held back */
	uint64_t access_due_ns;    /* boot-time clock: tokens of open connections are looked at */
	const struct jwt_claims *minted; /* during TOKEN_CREATE; no address: not as a JWT */
	struct hub_stats stats;
};

void hub_init(struct hub *hub, const struct hub_options *options);
void hub_release(struct hub *hub);

/* The shard's hooks; their context is the hub. */
extern const struct shard_hooks hub_hooks;

/* Before the first record is replayed: which rows the index has (indexer_open). Without it all rows
 * are put again. */
void hub_replays(struct hub *hub, uint64_t index_applied);

/* After shard_open: rows that the index lacks go to it; known workers get their grace. */
void hub_start(struct hub *hub, struct shard *shard, struct indexer *indexer);

/* False: no room now. The command is borrowed for the call. */
bool hub_command(struct hub *hub, const struct api_command *command);

/* Lets out what is durable; takes the index thread's answers; liveness. Each turn. */
void hub_release_durable(struct hub *hub);
void hub_turn(struct hub *hub, uint64_t mono_ns);
uint64_t hub_deadline_ns(const struct hub *hub); /* boot-time clock; UINT64_MAX: none */
bool hub_idle(const struct hub *hub);            /* nothing waits in the outbox */
bool hub_reading(const struct hub *hub);         /* the kernel reads records for it */

#endif
