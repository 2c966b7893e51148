/*
 * api/rest_walk: the tenant's runs that a filter finds, from the newest on.
 *
 * Purpose     What the lists, the counts and the bulk operations have in common. A filter comes
 *             from a query or from a body. Runs come in batches: first the rows as the index has
 *             them, then, if `look` is there, the view of each; `take` gets a batch in order.
 * Ownership   in the call's arena.
 * Invariants  1. one page of the index is there at a time, and of it one batch under way.
 */
#ifndef API_REST_WALK_H
#define API_REST_WALK_H

#include "api/rest_int.h"

#define WALK_BATCH 64u
#define WALK_WORKFLOWS_MAX 256u

struct walk_filter {
	uint32_t statuses;      /* bits 1 << enum eng_status; 0: all */
	uint64_t since_ns;
	uint64_t until_ns;      /* 0: no bound */
	struct uuid *workflows; /* ids */
	uint32_t workflow_count; /* 0: all */
	bool by_worker;
	struct uuid worker;
	bool by_parent;
	struct uuid parent;     /* a run's id, or a task's */
	bool by_event;
	struct uuid event;      /* which started them */
	bool nothing;           /* it cannot find any */
	Froe__Pair **pairs;
	size_t pair_count;
	bool any;               /* one of several pairs is enough */
};

struct walk_run {
	struct uuid id;
	enum eng_status status; /* as the index has it */
	bool wanted;            /* of those that were looked at: it fits the filter */
	uint32_t count;         /* what `look` makes of it */
	struct bytes *texts;
};

struct walk {
	struct walk_filter filter;
	bool views;             /* `look` is to be called */
	bool payloads;
	uint32_t page;          /* rows to ask the index for; 0: as many as it gives */
	/* Its view; the bytes are gone when it returns. */
	void (*look)(struct rest_call *call, struct walk *walk, struct walk_run *run,
	    const Froe__RunView *view);
	/* The next ones in order. False: no more are wanted; the call is then the taker's. */
	bool (*take)(struct rest_call *call, struct walk *walk, struct walk_run *runs,
	    uint32_t count);
	void (*end)(struct rest_call *call, struct walk *walk); /* there are no more */
	void *context;
	/* Below is the walk's own. */
	Froe__Pair **pairs;     /* that the index is to judge */
	size_t pair_count;
	char **names;           /* of the filter's workflows */
	uint32_t name_count;
	uint32_t after;         /* of the list of workflows */
	char *worker;
	struct walk_run *rows;
	uint32_t row_count, row_next;
	uint64_t before;
	bool last;              /* the index has no more */
	struct walk_run runs[WALK_BATCH];
	uint32_t run_count, run_asked, run_heard;
};

struct walk *rest_walk_new(struct rest_call *call);
void rest_walk_start(struct rest_call *call, struct walk *walk);

/* That of a run which the event has started. */
Froe__Pair *rest_event_pair(struct rest_call *call, struct uuid event);

/* False: it was refused. */
bool rest_filter_query(struct rest_call *call, struct walk_filter *filter);
bool rest_filter_events(struct rest_call *call, struct walk_filter *filter);
bool rest_filter_body(struct rest_call *call, const json_t *from, struct walk_filter *filter);
/* Must the view be looked at to know? */
bool rest_filter_deep(const struct walk_filter *filter);

#endif
