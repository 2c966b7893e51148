/*
 * gateway/course: how far one invocation of a durable task has come.
 *
 * Purpose     Hatchet's workers do not number their steps: the next one is the one after the last.
 *             What a step came to is told in the order in which it came in the task's first
 *             attempt, so that a handler that runs again meets it as it did then.
 * Ownership   the gateway has the courses, by their tasks; a course its entries. A lease that ends
 *             takes its course along.
 * Invariants  1. `cursor` is the number of steps that the invocation has taken; each has an entry
 *                once it is acknowledged.
 *             2. results 1 to `delivered` have been told, or are not waited for.
 *             3. an entry is in `ready` iff it is READY.
 */
#ifndef GATEWAY_COURSE_H
#define GATEWAY_COURSE_H

#include "base/bytes.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"

struct durable;
struct gateway;

/* A result waits so long for one before it, whose step the handler has not taken again. */
#define COURSE_GAP_NS UINT64_C(10000000000)
/* The same, for one that the handler does not wait for: a child that it has started and left. A
 * worker that was told of it would hold back all that follows. */
#define COURSE_LEFT_NS UINT64_C(100000000)

enum entry_kind {
	ENTRY_WAIT,
	ENTRY_MEMO,
	ENTRY_CHILD,
};

enum entry_state {
	ENTRY_UNKNOWN, /* is there a result? nobody has been asked */
	ENTRY_ASKED,
	ENTRY_PENDING, /* its result will be told */
	ENTRY_READY,   /* it has come */
	ENTRY_LOADING, /* on its way to the worker */
	ENTRY_SENT,
};

struct entry {
	struct list link; /* course->ready */
	uint32_t node;
	uint32_t order;
	enum entry_kind kind;
	enum entry_state state;
	bool waited;           /* CHILD: the worker has said that its handler waits for it */
	uint64_t since_ns;     /* READY, SENT */
	struct uuid child;     /* CHILD: its run */
	char *name;            /* MEMO: hash of its key */
	struct buf conditions; /* WAIT: DurableEventListenerConditions */
};

struct course {
	struct list link; /* of its stream; not linked: it has none now */
	struct durable *stream;
	struct uuid task;
	struct uuid tenant;
	struct uuid said;    /* the task, as its worker names it */
	uint32_t invocation; /* the lease's number */
	uint32_t cursor;
	uint32_t delivered;
	bool loading; /* an entry is */
	struct map entries; /* node -> struct entry */
	struct list ready;
	struct list stall; /* gateway->stalls: a result that is wanted waits for others */
	uint64_t stall_ns; /* when it is looked at again */
};

struct course *course_find(struct gateway *gateway, struct uuid task);
struct course *course_new(
    struct gateway *gateway, struct uuid task, struct uuid tenant, uint32_t invocation);
/* The lease is over. */
void course_forget(struct gateway *gateway, struct uuid task, uint64_t lease);
void course_attach(struct course *course, struct durable *stream, struct list *courses);
/* Its stream is gone: what was asked over it will not be answered. */
void course_detach(struct course *course);

/* A step is known by its node: there may be one already. */
struct entry *course_add(struct course *course, uint32_t node, enum entry_kind kind);
struct entry *course_entry(const struct course *course, uint64_t node); /* NULL: no such */
void course_ready(struct course *course, struct entry *entry, uint32_t order, uint64_t now_ns);
/* How many results its handler knows of, or does not want to know of. */
uint32_t course_results(const struct course *course);
/* What is to be told now; NULL: nothing. */
struct entry *course_next(const struct course *course, uint64_t now_ns);
bool course_stalls(const struct course *course); /* something is wanted, and not told yet */
void course_loads(struct course *course, struct entry *entry);
void course_sent(struct course *course, struct entry *entry, uint64_t now_ns);

#endif
