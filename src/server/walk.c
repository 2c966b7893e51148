#include "server/walk.h"

#include "base/mem.h"
#include "base/plant.h"

void
walk_begin(struct walk *walk, uint64_t cursor)
{
	*walk = (struct walk){.before = cursor};
}

static void
page_drop(struct walk *walk)
{
	mem_free(walk->rows);
	walk->rows = NULL;
	walk->count = walk->at = 0;
	walk->state = WALK_ASK;
}

void
walk_release(struct walk *walk)
{
	page_drop(walk);
}

void
walk_asked(struct walk *walk)
{
	froe_assert(walk->state == WALK_ASK && walk->before != 0);
	walk->state = WALK_ASKED;
}

void
walk_page(struct walk *walk)
{
	froe_assert(walk->state == WALK_ASKED && walk->rows == NULL);
	walk->rows = mem_array(WALK_PAGE_MAX, sizeof(*walk->rows));
}

void
walk_row(struct walk *walk, uint64_t number, struct uuid id)
{
	froe_assert(walk->count < WALK_PAGE_MAX && number < walk->before);
	froe_assert(walk->count == 0 || number < walk->rows[walk->count - 1].number);
	walk->rows[walk->count++] = (struct walk_row){.number = number, .id = id};
}

void
walk_page_end(struct walk *walk, uint64_t next)
{
	froe_assert(walk->rows != NULL && next < walk->before);
	walk->before = next;
	walk->state = WALK_MEETS;
}

const struct walk_row *
walk_next(const struct walk *walk)
{
	return walk->at < walk->count ? &walk->rows[walk->at] : NULL;
}

void
walk_met(struct walk *walk)
{
	froe_assert(walk->at < walk->count);
	walk->at++;
}

void
walk_again(struct walk *walk)
{
	const struct walk_row *row = walk_next(walk);
	if (row != NULL)
		walk->before = row->number + (plant(JOB_LEFT_OUT) ? 0 : 1);
	page_drop(walk);
}

bool
walk_on(struct walk *walk)
{
	froe_assert(walk->state == WALK_MEETS && walk_next(walk) == NULL);
	if (walk->before == 0)
		return false;
	page_drop(walk);
	return true;
}

/* ------------------------------------------------------------------------------------ commands */

static struct eng_command
command_of(const struct eng_job_view *job, enum eng_command_type type, uint64_t cursor)
{
	return (struct eng_command){
	    .type = type,
	    .tenant.v = job->tenant,
	    .actor = job->actor,
	    .job = {.number = job->number, .cursor = cursor},
	};
}

struct eng_command
walk_cancel(const struct eng_job_view *job, const struct walk_row *row)
{
	struct eng_command command = command_of(job, ENG_CMD_RUN_CANCEL, row->number);
	command.run_cancel.run = row->id;
	command.run_cancel.reason = job->reason;
	command.run_cancel.children = job->children;
	return command;
}

struct eng_command
walk_skip(const struct eng_job_view *job, const struct walk_row *row, enum froe_err err)
{
	struct eng_command command = command_of(job, ENG_CMD_JOB_SKIP, row->number);
	command.job_over.err = err;
	return command;
}

/* It ends of its own accord: nobody is named. */
struct eng_command
walk_end(const struct eng_job_view *job, enum froe_err err, const char *text)
{
	struct eng_command command = command_of(job, ENG_CMD_JOB_END, 0);
	command.actor = bytes_of(NULL, 0);
	command.job_over.err = err;
	command.job_over.text = bytes_text(text);
	return command;
}
