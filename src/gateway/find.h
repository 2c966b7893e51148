/*
 * gateway/find: the runs that a TasksFilter finds.
 *
 * Purpose     Several workflows, and several pairs of which a run has any, are lists of their own,
 *             asked for one after the other, newest runs first; a run is found once.
 * Ownership   what is found belongs to whoever has the struct, who releases it.
 * Failure     the call is refused, with the filter's field.
 */
#ifndef GATEWAY_FIND_H
#define GATEWAY_FIND_H

#include "gateway/gateway_int.h"

#include "hatchet/admin.pb-c.h"

struct find {
	struct call *call;
	uint32_t statuses; /* bits 1 << enum eng_status */
	uint32_t max;      /* runs, at most */
	void (*then)(struct find *find, struct arena *arena); /* all are found */
	struct buf ids;    /* struct uuid each */
	struct map seen;   /* run -> the find, which is not NULL */
	uint64_t since_ns, until_ns;
	struct uuid *workflows;
	uint32_t workflow_count;
	char **names;      /* of the workflows that there are */
	uint32_t name_count;
	struct pair {
		char *key;
		char *value;
	} *pairs;
	uint32_t pair_count;
	uint32_t list;     /* which one is under way: names by pairs */
	uint64_t before;   /* and from where on */
};

/* `statuses`: those that count at all; the filter may say less. */
void find_start(struct find *find, struct call *call, const Hatchet__TasksFilter *filter,
    uint32_t statuses, uint32_t max, void (*then)(struct find *find, struct arena *arena),
    struct arena *arena);
void find_release(struct find *find); /* all zero is allowed */

#endif
