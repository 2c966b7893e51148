/*
 * sim/world/process: the server process: a shard, its outbox, its workers' clocks.
 *
 * Purpose     What src/server's hub and hot turn do around a shard, without sockets: effects wait
 *             until their frame is durable; workers whose connection broke have a grace; the log's
 *             housekeeping is stepped. Every event passes the model and the history, every effect
 *             the model, and when it is let go, the ledger.
 * Ownership   owns the shard and the loop while it is up; borrows the rest of the world.
 * Failure     a process may fail to start, or end by itself (process->failed), only if the plan has
 *             a fault that excuses it.
 */
#ifndef SIM_WORLD_PROCESS_H
#define SIM_WORLD_PROCESS_H

#include "base/list.h"
#include "index/index.h"
#include "log/retention.h"
#include "server/snapshotter.h"
#include "server/walk.h"
#include "sim/world/history.h"
#include "sim/world/ledger.h"

#define PROCESS_HELD_MAX 24u
#define PROCESS_RECORDS_MAX (RECIPE_TASKS_MAX * 2 + 1)
#define PROCESS_PROMISES_MAX MODEL_STARTS_MAX
#define PROCESS_WORKERS_MAX 64u
#define PROCESS_GRACE_NS (UINT64_C(5) * 1000000000)
#define PROCESS_LOST_NS MODEL_LOST_NS
#define PROCESS_LAPSE_NS MODEL_LAPSE_NS
#define PROCESS_DIR "/froe"
#define PROCESS_REPLAYS_MAX 3u /* of a run */

/* One effect that waits for its frame; then what is delivered. */
struct letter {
	struct list link;
	uint64_t frame;
	enum eng_effect_type type;
	enum eng_command_type command;
	enum froe_err err;
	struct eng_origin origin; /* REPLY */
	uint64_t conn;            /* DISPATCH, REVOKE: the worker's, then; 0: none */
	uint64_t run;
	unsigned replays; /* how often it had gone on after its end */
	struct uuid id; /* DISPATCH, REVOKE: the task's */
	uint64_t worker;
	uint32_t task;
	uint64_t lease;
	uint64_t timeout_ns;
	bool provided;
	bool durable;           /* DISPATCH */
	enum eng_delivery delivery;
	unsigned promise_count;
	struct ledger_row promises[PROCESS_PROMISES_MAX];
	uint32_t node;   /* NODE, and a step's answer */
	uint32_t record; /* of its result; 0: none */
	enum eng_node_state node_state;
	uint32_t lapsed_count;
	struct eng_fence lapsed[PROCESS_HELD_MAX];
};

struct process_worker {
	uint64_t number;
	uint64_t conn; /* 0: none */
	uint64_t seen_ns;
	uint64_t due_ns;
	bool detach; /* the engine has not been told yet */
};

/* The bytes of a dispatch being read from the log. */
struct process_load;

enum death {
	DEATH_POWER, /* the machine lost power */
	DEATH_KILL,  /* the process ended, the machine lives */
};

struct process {
	struct judge *judge;
	const struct plan *plan;
	struct io_env *env;
	struct model *model;
	struct history *history;
	struct ledger *ledger;
	void (*deliver)(void *context, const struct letter *letter);
	void *context;

	struct shard shard;
	struct snapshotter snapshotter;
	bool snapshotting;
	struct retention *retention; /* NULL: none */
	uint64_t oldest;             /* segment, when the last one ended */
	uint64_t snapshot;           /* in MANIFEST, durably */
	uint64_t aged_ns;            /* there, too: engine time by which runs were past retention */
	size_t recalled;             /* events that the log did not give back any more */
	bool recalling;
	struct list reads;           /* of old records, under way */
	uint64_t snapshots_made;
	uint64_t snapshots_failed;
	uint64_t snapshots_compared;
	struct io *io;
	bool up;
	bool failed;  /* it would exit now */
	bool dying;   /* sim_die_after is armed */
	uint64_t excused_until; /* file operations: an error is armed that may come until then */
	bool calm;              /* the end game: it is not killed any more */
	bool replaying;
	bool housekeeping;
	bool clean;            /* the last one stopped in order */
	bool tried;            /* an earlier start failed */
	bool created;          /* the store once opened */
	uint64_t durable;      /* the highest frame known to be durable, ever */
	uint64_t epoch;        /* of the last one that started */
	uint64_t clock_mono_ns; /* at the last look at the engine's clock */
	uint64_t clock_now_ns;
	uint32_t tenants[PLAN_TENANTS_MAX];
	struct list letters;
	struct list loads;  /* being read */
	struct list loaded; /* to be provided */
	bool providing;
	struct process_worker workers[PROCESS_WORKERS_MAX];
	unsigned worker_count;
	struct list jobs; /* that go on */
	struct dice job_dice;
	struct index *index; /* NULL: there is none now */
	struct lsn end[2]; /* of the durable log: now, and one frame or more before */
	struct dice dice;
};

/* False: it did not come up, and was allowed not to. */
bool process_start(struct process *process);
/* Opens the store and throws it away: a start that ended right after recovery. */
void process_end(struct process *process, enum death death);
/* Stops in order: everything acknowledged, a clean last frame. False: it died over it. */
bool process_stop(struct process *process);

/* False: the log has failed meanwhile. */
bool process_wait_durable(struct process *process);

/* May an injected fault be the reason of this error? */
bool process_excused(const struct process *process, enum froe_err err);

/* A turn: waits until the deadline at most, sees to timers. The peers' commands come between. */
void process_turn_begin(struct process *process, uint64_t deadline_mono_ns);
void process_turn_end(struct process *process);
uint64_t process_deadline_ns(const struct process *process);
bool process_quiet(const struct process *process); /* nothing waits to be let go */

/* False: no room now; ask again. */
bool process_submit(struct process *process, const struct eng_command *command);

/* What the engine is to be told of a run that is to go on after its end, in the arena. False: it
 * has not ended. Then, whatever became of it: */
bool process_replay(struct process *process, const struct model_run *run, uint32_t from,
    uint32_t node, struct arena *arena, struct eng_command *command);
void process_replay_over(struct process *process, const struct model_run *run);

/* An index made of the log up to a frame, which is durable: process->index. */
enum froe_err process_index_fill(struct process *process, uint64_t until,
    struct froe_fault *fault);
void process_index_close(struct process *process);
/* What a child that ended early left of it. By the parent. */
void process_index_clean(void);

void process_seen(struct process *process, uint64_t conn); /* a heartbeat */
void process_disconnect(struct process *process, uint64_t conn);

/* Is nothing left that retention could give up if it were later? */
bool process_aged(const struct process *process);

#endif
