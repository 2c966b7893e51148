/*
 * engine/durable_int: what a durable task adds to the state: its nodes, and what they wait for.
 *
 * A durable task's handler takes steps, numbered 1, 2, ... Each is a node: a memo (a value that
 * was computed once) or a wait for the first of several conditions. Nodes outlive attempts, so
 * that a new attempt is answered from them; they go when the task closes.
 *
 * Ownership   a task owns its nodes, a node its pending wait, a wait its conditions; approvals
 *             belong to their task, so that a late decision can be told who was first. A key
 *             lives while something waits for it.
 * Invariants  (durable_check) 1. a node has a wait iff it has no result. 2. pending is the number
 *             of nodes with a wait. 3. a wait's timer is armed iff it has a sleep, at its earliest.
 *             4. an EVICTED task has a pending node. 5. a key has waits; it is in its tenant's map
 *             until its event comes, from then on in eng->deliveries. 6. an approval is in its
 *             tenant's list iff it is open, and in eng->approvals while its task is open.
 */
#ifndef ENGINE_DURABLE_INT_H
#define ENGINE_DURABLE_INT_H

#include "engine/engine_int.h"

/* Copies of an event's payload in one step; one larger than that goes alone. */
#define ENG_DELIVERY_STEP_BYTES (64u << 10)
#define ENG_DELIVERY_STEP_WAITS 256u
/* Payloads kept while they are handed out in slices. */
#define ENG_DELIVERY_BYTES_MAX (UINT64_C(64) << 20)
/* The key of a CHILD node's run among the task's children: this and the node's number. */
#define ENG_NODE_KEY_PREFIX "node:"
#define ENG_NODE_KEY_SIZE 20u
size_t durable_child_key(uint32_t number, char key[ENG_NODE_KEY_SIZE]);
uint32_t durable_child_node(struct bytes key); /* 0: it is no node's */
/* A node's name in messages. */
#define ENG_LABEL_BYTES_MAX 64u

struct eng_durable_node {
	uint64_t fingerprint;
	struct bytes label;    /* "event order.paid"; owned */
	struct eng_wait *wait; /* NULL: it has a result */
	uint32_t result;       /* record; 0: none yet */
	uint16_t which;        /* the condition that was first */
	uint8_t kind;          /* enum eng_node_kind */
};

struct eng_durable {
	struct eng_durable_node *nodes; /* nodes[number - 1] */
	uint32_t count;
	uint32_t capacity;
	uint32_t pending;
	uint32_t invocation; /* of the newest lease */
	bool returns;        /* evicted, and not assigned since */
	struct eng_approval *approvals;
	uint32_t approval_count;
};

/* Those that wait for one event key; once its event has come, with its payload. */
struct eng_key {
	struct eng_named named;
	struct eng_tenant *tenant;
	struct list waits; /* struct eng_wait_part, oldest first */
	struct list link;  /* eng->deliveries */
	struct bytes payload;
	struct metadata metadata;
	uint64_t number; /* of the event; 0: none has come */
};

/* What one wait's copy of an event takes of the log, beside its record. */
static inline size_t
durable_event_bytes(struct bytes payload, const struct bytes *metadata, uint32_t count)
{
	size_t size = payload.size;
	for (uint32_t i = 0; i < count; i++)
		size += metadata[i].size + 5;
	return size;
}

static inline size_t
durable_key_bytes(const struct eng_key *key)
{
	return durable_event_bytes(key->payload, key->metadata.texts, key->metadata.count);
}

enum eng_approval_state {
	ENG_APPROVAL_OPEN,
	ENG_APPROVAL_APPROVED,
	ENG_APPROVAL_REJECTED,
	ENG_APPROVAL_WITHDRAWN, /* its wait went on by another condition */
};

struct eng_approval {
	struct list link;          /* tenant->approvals */
	struct eng_approval *next; /* of its task */
	struct eng_task *task;
	uint64_t number;
	uint64_t created_ns;
	uint32_t node;
	uint16_t which;
	uint8_t state; /* enum eng_approval_state */
	struct bytes name;
	struct bytes data;
	struct bytes actor; /* who decided */
};

/* One condition of a pending wait. */
struct eng_wait_part {
	struct eng_wait *wait;
	uint8_t kind;         /* enum eng_condition_kind */
	uint64_t deadline_ns; /* SLEEP */
	struct list link;     /* EVENT: key->waits */
	struct eng_key *key;
	struct eng_approval *approval;
};

struct eng_wait {
	struct eng_timer timer; /* of its earliest sleep */
	struct eng_task *task;
	uint32_t node;
	uint32_t part_count;
	struct eng_wait_part parts[];
};

static inline bool
durable_returns(const struct eng_task *task)
{
	return task_durable(task) != NULL && task_durable(task)->returns;
}

/* Of the lease that it would get now, as an event says it. */
static inline uint32_t
durable_invocation(const struct eng_task *task)
{
	const struct eng_durable *durable = task_durable(task);
	return durable != NULL ? durable->invocation + (durable->returns ? 1 : 0) : 0;
}

static inline struct eng_durable_node *
durable_node(const struct eng_task *task, uint32_t number)
{
	const struct eng_durable *durable = task_durable(task);
	if (durable == NULL || number == 0 || number > durable->count)
		return NULL;
	return &durable->nodes[number - 1];
}

/* durable.c: nodes as state; for apply functions only, but for the look-ups */
void durable_assigned(struct eng_task *task, uint32_t invocation);
void durable_forget(struct eng *eng, struct eng_task *task);
struct eng_durable_node *durable_add(struct eng *eng, struct eng_task *task,
    const struct eng_event *event, enum eng_node_kind kind);
/* The condition as its event says it. False: it is none. */
struct eng_parsed {
	uint8_t kind;
	uint64_t deadline_ns;
	struct bytes name;
};
bool durable_parse(struct bytes text, struct eng_parsed *ret_parsed);
struct eng_wait *durable_wait_new(struct eng_task *task, uint32_t node, uint32_t count);
struct eng_wait *durable_wait_add(struct eng *eng, struct eng_task *task,
    const struct eng_event *event, const struct eng_parsed *parsed);
void durable_satisfy(struct eng *eng, struct eng_task *task, struct eng_durable_node *node,
    const struct eng_event *event);
struct eng_durable *durable_require(struct eng *eng, struct eng_task *task);
/* The how manieth of the task's results it is; 0: it has none yet. */
uint32_t durable_order(const struct eng_durable *durable, const struct eng_durable_node *node);
/* Does it wait for something that comes without its handler? */
bool durable_parked(const struct eng_task *task);
struct eng_durable_node *durable_push(struct eng *eng, struct eng_durable *durable);
struct eng_key *durable_key_require(struct eng_tenant *tenant, struct bytes name);
/* Its event has come: it goes from its tenant's map to the deliveries. */
void durable_key_deliver(struct eng *eng, struct eng_key *key, uint64_t number,
    struct bytes payload, struct metadata metadata);
/* Keys that nobody waits for: a load that failed may have left some. */
void durable_keys_release(struct eng *eng);
struct eng_key *durable_key_find(const struct eng_tenant *tenant, struct bytes name);
struct eng_approval *durable_approval_find(const struct eng *eng, const struct eng_tenant *tenant,
    uint64_t number);
/* What check.c asks of a task: asserts its invariants, counts its timers; adds it to a hash. */
void durable_check(const struct eng_run *run, const struct eng_task *task,
    struct eng_counts *counted);
uint64_t durable_hash(const struct eng_task *task);
uint64_t durable_keys_hash(const struct eng *eng);

/* The entry of a CHILD node's run; NULL: none. */
struct eng_child *durable_child(const struct eng_task *task, uint32_t number);

/* decide_durable.c: a run that a task has started has ended: perhaps a node waits for it */
void child_closed(struct eng_turn *turn, struct uuid parent, const struct eng_child *child);

/* decide_durable.c: a node has got its result: the task returns, or its worker is told */
void node_follow(struct eng_turn *turn, struct eng_task *task, uint32_t number);
void wait_due(struct eng_turn *turn, struct eng_wait *wait);

#endif
