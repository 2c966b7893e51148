/*
 * server/walk: a job's way through the runs that its filter finds: newest first, a page at a time.
 *
 * Purpose     Which page of the index is asked for next, which run of it is next, and what the
 *             engine is told of it. The hub walks with it, and so does the simulator.
 * Ownership   owns its page. Commands borrow from the view of the job.
 * Threading   its owner only.
 * Invariants  1. runs are met with descending numbers, each once: when the index is asked anew, it
 *             is for runs below the last one met. 2. the walk is over when a page says that there
 *             is none behind it.
 */
#ifndef SERVER_WALK_H
#define SERVER_WALK_H

#include "engine/engine.h"
#include "engine/job.h"

#define WALK_PAGE_MAX 256u

enum walk_state {
	WALK_ASK,   /* the next page is to be asked for */
	WALK_ASKED, /* it is being looked for */
	WALK_MEETS, /* the next run of the page is to be met, or the page is over */
};

struct walk_row {
	uint64_t number;
	struct uuid id;
};

struct walk {
	enum walk_state state;
	uint64_t before; /* of the next page; 0: there is none */
	struct walk_row *rows; /* WALK_PAGE_MAX; NULL: it has no page */
	uint32_t count;
	uint32_t at;
};

void walk_begin(struct walk *walk, uint64_t cursor);
void walk_release(struct walk *walk);

void walk_asked(struct walk *walk);
/* The page comes: begun, its rows, and from where the next one goes on. */
void walk_page(struct walk *walk);
void walk_row(struct walk *walk, uint64_t number, struct uuid id);
void walk_page_end(struct walk *walk, uint64_t next);

/* The next run of the page; NULL: it is over. Once it has been met: */
const struct walk_row *walk_next(const struct walk *walk);
void walk_met(struct walk *walk);
/* The page is forgotten, and asked for anew; from its next run on, if it has one. */
void walk_again(struct walk *walk);
/* The page is over, and forgotten. False: it was the last one. */
bool walk_on(struct walk *walk);

/* What the engine is told: of this run; that nothing can be done with it, and why; that the job has
 * ended (FROE_OK), or cannot go on. */
struct eng_command walk_cancel(const struct eng_job_view *job, const struct walk_row *row);
struct eng_command walk_skip(const struct eng_job_view *job, const struct walk_row *row,
    enum froe_err err);
struct eng_command walk_end(const struct eng_job_view *job, enum froe_err err, const char *text);

#endif
