/*
 * sim/world/recipe: workflow definitions as the clients write them and as the model reads them.
 *
 * Ownership   a recipe owns its bytes, in its arena; a book owns its recipes, which are never
 *             changed and never removed while the world lasts.
 * Words       An action has a number in the world: a table of a few shared names, then one for each
 *             task that has none of its own ("w1:t3").
 */
#ifndef SIM_WORLD_RECIPE_H
#define SIM_WORLD_RECIPE_H

#include "base/arena.h"
#include "engine/engine.h"
#include "sim/world/plan.h"

#define RECIPE_TASKS_MAX 8u
#define RECIPE_ACTIONS_SHARED 4u
#define RECIPE_ACTIONS (RECIPE_ACTIONS_SHARED + PLAN_WORKFLOWS_MAX * RECIPE_TASKS_MAX)
#define RECIPE_NAME_BYTES 8u

/* Types of slots. */
enum recipe_slot {
	RECIPE_SLOT_DEFAULT,
	RECIPE_SLOT_GPU,
	RECIPE_SLOT_DURABLE,
	RECIPE_SLOTS,
};
const char *recipe_slot_name(enum recipe_slot slot);

struct recipe_task {
	unsigned action;
	unsigned parents[RECIPE_TASKS_MAX];
	unsigned parent_count;
	uint32_t retries;
	uint32_t backoff; /* enum eng_backoff_kind */
	uint64_t initial_ms;
	uint64_t max_ms;
	unsigned factor;
	uint64_t table_ms[3];
	unsigned table_count;
	unsigned jitter_percent;
	uint64_t schedule_ms;  /* 0: none */
	uint64_t execution_ms; /* 0: the default */
	bool on_failure;
	bool durable;
	uint32_t delivery; /* enum eng_delivery */
	uint32_t priority; /* 0: the run's */
	bool slots;        /* it says which, else it takes one */
	uint32_t need[RECIPE_SLOTS];
};

struct recipe {
	unsigned tenant;   /* 0, 1 */
	unsigned workflow; /* number of its name */
	bool bad;
	bool submitted;
	uint64_t hash; /* of definition.encoded */
	uint64_t run_timeout_ms;
	uint32_t priority;
	uint32_t task_count;
	struct recipe_task tasks[RECIPE_TASKS_MAX];
	const struct eng_definition *definition;
	struct arena arena;
};

#define RECIPE_BOOK_MAX 64u

struct recipe_book {
	struct recipe *recipes[RECIPE_BOOK_MAX];
	unsigned count;
};

/* A random one; NULL when the book is full. */
struct recipe *recipe_invent(struct recipe_book *book, const struct plan *plan, struct dice *dice,
    unsigned tenant, unsigned workflow, bool bad);
/* The one with these bytes, of this tenant; NULL: nobody wrote it. */
struct recipe *recipe_find(const struct recipe_book *book, unsigned tenant, struct bytes encoded);
void recipe_book_release(struct recipe_book *book);

void recipe_workflow_name(unsigned workflow, char name[RECIPE_NAME_BYTES]);
/* An action's name by its number. */
void recipe_action_name(unsigned action, char name[RECIPE_NAME_BYTES]);

/* How long attempt number `failures` + 1 waits: at least and at most. */
void recipe_backoff_ns(const struct recipe_task *task, uint32_t failures, uint64_t *ret_min_ns,
    uint64_t *ret_max_ns);

#endif
