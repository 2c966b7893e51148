/*
 * server/hub_job: jobs: the runs that a filter finds, met one by one.
 *
 * The engine keeps how far a job is, and advances it in the step that changes a run; here is what
 * it cannot know: the index is asked for a page of runs below the job's cursor, and each of them is
 * one step. What is here is lost in a crash, and made again from the cursor. The first page
 * is asked for when the job's own frame is durable: the index then knows every run that was older.
 *
 * A replay needs the run's history: those of the next READS_MAX runs are read ahead, so that one
 * commit of the index, which a question waits for, answers for all of them. Of all jobs, ACTIVE_MAX
 * are worked on, in turns of a page, and no more than FRAME_STEPS_MAX steps of theirs go into a
 * frame, so that what callers want gets its room in each.
 *
 * Nothing gives up: without room, without disk, or while the index is being made anew, a job tries
 * again RETRY_NS later, the same run.
 */
#include "server/hub_int.h"

#include "api/request.h"
#include "api/wire.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "server/walk.h"

#define ACTIVE_MAX 4u
#define FRAME_STEPS_MAX 64u
/* A step with more events than this counts for several. */
#define STEP_EVENTS 16u
#define READS_MAX 32u
/* Histories that are read ahead together hold about this, or one that is larger. */
#define READS_BYTES_MAX ((size_t)8 << 20)
#define RETRY_NS UINT64_C(100000000)
#define REST_NS UINT64_C(1000000)
/* The index thread answers, or the question is asked anew. */
#define ASK_WAIT_NS (UINT64_C(10) * 1000000000)

/* A run that is to go on: its history. */
enum past_state {
	PAST_NONE,
	PAST_READS,  /* it is being read */
	PAST_LOADED, /* it is there, or there is `err` */
};

struct job_past {
	enum past_state state;
	enum froe_err err;
	struct hub_read *read; /* LOADED; owned */
};

struct hub_job {
	struct list link; /* hub->jobs, in turns; hub->jobs_over once it has ended */
	struct list waits;
	uint64_t number;
	struct eng_tenant_id tenant;
	enum eng_job_kind kind;
	struct walk walk;
	bool ended;        /* the engine says so */
	uint64_t position; /* frame that must be let out before the index is asked */
	uint64_t cookie;   /* of the question */
	uint64_t due_ns;   /* ASKED: then it is asked anew */
	uint64_t retry_ns; /* nothing is tried before */
	uint32_t row_read; /* histories up to this row have been asked for */
	size_t read_bytes; /* of those that are there */
	struct job_past *pasts; /* of the page's rows; NULL: nothing has been read */
};

/* A JobGet that waits for the job's end. */
struct job_wait {
	struct timer timer;    /* hub->job_wheel */
	struct list link;      /* of its job */
	struct list conn_link; /* of its connection */
	struct eng_origin origin;
	uint64_t number;
};

/* ------------------------------------------------------------------------------------- answers */

static void
view_counts(const struct eng_job_view *job, Froe__JobView *to)
{
	to->has_done = to->has_refused = to->has_first = to->has_cursor = true;
	to->done = job->done;
	to->refused = job->refused;
	to->first = job->first;
	to->cursor = job->cursor;
	to->has_refusal = job->refused != 0;
	to->refusal = (uint32_t)job->refusal;
}

static void
view_fill(struct hub *hub, const struct eng_job_view *job, Froe__JobView *to)
{
	froe__job_view__init(to);
	to->has_job = to->has_kind = to->has_status = to->has_created_ns = true;
	to->job = job->number;
	to->kind = (Froe__JobKind)job->kind;
	to->status = (Froe__RunStatus)job->status;
	to->created_ns = job->created_ns;
	to->has_finished_ns = job->ended_ns != 0;
	to->finished_ns = job->ended_ns;
	to->has_children = to->children = job->children;
	to->reason = hub_text(hub, job->reason);
	to->task = hub_text(hub, job->task);
	to->by = hub_text(hub, job->actor);
	to->ended_by = hub_text(hub, job->ended_by);
	to->error = hub_text(hub, job->error);
	view_counts(job, to);
}

static void
job_answer(struct hub *hub, const struct eng_origin *origin, const struct eng_job_view *job)
{
	Froe__JobView view;
	char field[WIRE_FIELD_SIZE];
	arena_reset(&hub->arena);
	view_fill(hub, job, &view);
	if (wire_check(&froe__run_list__descriptor, job->filter, field) == WIRE_GOOD)
		view.filter = (Froe__RunList *)wire_unpack(
		    &froe__run_list__descriptor, job->filter, &hub->arena);
	hub_queue_reply(hub, origin, FROE__ENVELOPE__BODY_JOB_VIEW, &view.base);
}

static void
wait_add(struct hub *hub, struct hub_conn *conn, struct hub_job *job,
    const struct api_command *command)
{
	struct job_wait *wait = mem_zalloc(sizeof(*wait));
	wait->origin = command->origin;
	wait->number = command->job.number;
	list_push(&job->waits, &wait->link);
	list_push(&conn->job_waits, &wait->conn_link);
	wheel_insert(&hub->job_wheel, &wait->timer,
	    hub->mono_ns + command->job.wait_ms * UINT64_C(1000000));
}

static void
wait_free(struct hub *hub, struct job_wait *wait)
{
	wheel_remove(&hub->job_wheel, &wait->timer);
	list_remove(&wait->link);
	list_remove(&wait->conn_link);
	mem_free(wait);
}

static void
wait_over(struct hub *hub, struct job_wait *wait)
{
	struct eng_job_view job;
	bool known = eng_job(hub->shard->eng, wait->number, &job);
	froe_assert(known); /* it goes on, or ends in this step */
	job_answer(hub, &wait->origin, &job);
	wait_free(hub, wait);
}

static void
waits_end(struct hub *hub, struct hub_job *job)
{
	while (!list_empty(&job->waits))
		wait_over(hub, container_of(job->waits.next, struct job_wait, link));
}

void
hub_job_conn_gone(struct hub *hub, struct hub_conn *conn)
{
	while (!list_empty(&conn->job_waits))
		wait_free(hub, container_of(conn->job_waits.next, struct job_wait, conn_link));
}

static struct hub_job *
job_find(const struct hub *hub, uint64_t number)
{
	return map_get_u64(&hub->jobs_by_number, number);
}

void
hub_job_get(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	struct eng_job_view job;
	if (!eng_job(hub->shard->eng, command->job.number, &job) || job.tenant != conn->tenant.v)
		hub_queue_error(hub, &command->origin, FROE_NOT_FOUND, "job",
		    "no such job: \"froe jobs list\" shows those there are");
	else if (command->job.wait_ms == 0 || job.status != ENG_RUNNING || hub->stopping)
		job_answer(hub, &command->origin, &job);
	else
		wait_add(hub, conn, job_find(hub, job.number), command);
}

void
hub_job_list(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	Froe__JobPage page = FROE__JOB_PAGE__INIT;
	const struct eng *eng = hub->shard->eng;
	struct eng_job_view job;
	uint64_t before = command->job.before;
	uint32_t limit = command->job.limit;
	if (limit > FROE_JOBS_MAX + FROE_JOBS_ENDED_MAX)
		limit = FROE_JOBS_MAX + FROE_JOBS_ENDED_MAX;
	arena_reset(&hub->arena);
	page.rows = arena_alloc(&hub->arena, limit * sizeof(Froe__JobView *));
	while (page.n_rows < limit && eng_job_next(eng, conn->tenant, before, &job)) {
		Froe__JobView *row = arena_alloc(&hub->arena, sizeof(*row));
		view_fill(hub, &job, row);
		page.rows[page.n_rows++] = row;
		before = job.number;
	}
	page.has_next = true;
	if (page.n_rows > 0 && eng_job_next(eng, conn->tenant, before, &job))
		page.next = before;
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_JOB_PAGE, &page.base);
}

void
hub_job_started(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__JobStarted started = FROE__JOB_STARTED__INIT;
	started.has_job = true;
	started.job = effect->number;
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_JOB_STARTED,
	    &started.base);
}

/* ---------------------------------------------------------------------------- coming and going */

static void
job_open(struct hub *hub, const struct eng_job_view *view, uint64_t position)
{
	struct hub_job *job = mem_zalloc(sizeof(*job));
	job->number = view->number;
	job->tenant.v = view->tenant;
	job->kind = view->kind;
	walk_begin(&job->walk, view->cursor);
	job->position = position;
	list_init(&job->waits);
	list_push(&hub->jobs, &job->link);
	map_put_u64(&hub->jobs_by_number, job->number, job);
}

static void
job_recovered(void *context, const struct eng_job_view *view)
{
	job_open(context, view, 0);
}

void
hub_job_start(struct hub *hub)
{
	eng_jobs(hub->shard->eng, job_recovered, hub);
}

/* It may be the one at work: it is freed when nobody is (jobs_sweep). */
static void
job_ended(struct hub *hub, struct hub_job *job)
{
	job->ended = true;
	waits_end(hub, job);
	map_remove_u64(&hub->jobs_by_number, job->number);
	list_remove(&job->link);
	list_push(&hub->jobs_over, &job->link);
}

void
hub_job_event(struct hub *hub, const struct eng_event *event, uint64_t frame)
{
	struct eng_job_view view;
	if (event->type == ENG_EV_JOB_STARTED && eng_job(hub->shard->eng, event->job, &view)) {
		job_open(hub, &view, frame);
	} else if (event->type == ENG_EV_JOB_ENDED) {
		job_ended(hub, job_find(hub, event->job));
	}
}

static void
past_drop(struct hub_job *job, struct job_past *past)
{
	if (past->read != NULL) {
		job->read_bytes -= hub_read_bytes(past->read);
		hub_read_drop(past->read);
	}
	past->read = NULL;
}

static void
pasts_drop(struct hub_job *job)
{
	for (uint32_t i = 0; i < job->walk.count && job->pasts != NULL; i++)
		past_drop(job, &job->pasts[i]);
	job->row_read = 0;
	mem_free(job->pasts);
	job->pasts = NULL;
}

static void
job_free(struct hub_job *job)
{
	pasts_drop(job);
	walk_release(&job->walk);
	list_remove(&job->link);
	mem_free(job);
}

static void
jobs_sweep(struct hub *hub)
{
	while (!list_empty(&hub->jobs_over))
		job_free(container_of(hub->jobs_over.next, struct hub_job, link));
}

/* -------------------------------------------------------------------------------------- asking */

/* The index is asked anew, from the run on that it is at. The others come first, and have the
 * memory. */
static void
job_again(struct hub *hub, struct hub_job *job)
{
	pasts_drop(job);
	walk_again(&job->walk);
	job->retry_ns = hub->mono_ns + RETRY_NS;
	list_remove(&job->link);
	list_push(&hub->jobs, &job->link);
}

/* The log is busy: for the others too. */
static void
job_rests(struct hub *hub, struct hub_job *job)
{
	job->retry_ns = hub->mono_ns + REST_NS;
}

/* True: the index has the question. */
static bool
job_post(struct hub *hub, struct hub_job *job, struct indexer_job *question)
{
	question->cookie = job->cookie = ++hub->reads_last;
	question->list->limit = WALK_PAGE_MAX;
	if (list_empty(&hub->backlog) && indexer_post(hub->indexer, question))
		return true;
	indexer_job_free(question);
	return false;
}

/* before: hub->events then. */
static void
job_stepped(struct hub *hub, uint64_t before)
{
	uint64_t frame = log_tail_seq(hub->shard->log);
	uint32_t steps = 1 + (uint32_t)((hub->events - before) / STEP_EVENTS);
	hub->job_steps = frame == hub->job_frame ? hub->job_steps + steps : steps;
	hub->job_frame = frame;
	failpoint_pass(FAILPOINT_job_step);
}

static struct eng_job_view
job_view(const struct hub *hub, const struct hub_job *job)
{
	struct eng_job_view view;
	froe_assert(eng_job(hub->shard->eng, job->number, &view));
	return view;
}

static bool
job_step(struct hub *hub, struct eng_command *command)
{
	if (!shard_has_room(hub->shard, command))
		return false;
	uint64_t before = hub->events;
	arena_reset(&hub->arena);
	FROE_DROP(shard_step(hub->shard, command), "what was refused is an event too");
	job_stepped(hub, before);
	return true;
}

/* err: FROE_OK, or why it cannot go on. */
static void
job_over(struct hub *hub, struct hub_job *job, enum froe_err err, const char *text)
{
	struct eng_job_view view = job_view(hub, job);
	struct eng_command command = walk_end(&view, err, text);
	if (!job_step(hub, &command))
		job_rests(hub, job);
}

static void
job_ask(struct hub *hub, struct hub_job *job)
{
	struct indexer_job *question = indexer_list_job();
	struct eng_job_view view = job_view(hub, job);
	struct api_command list;
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	enum froe_err err = request_filter(view.filter, job->kind, &arena, &list, &fault);
	if (err != FROE_OK) {
		indexer_job_free(question);
		job_over(hub, job, err, fault.text);
	} else {
		list.list.before = job->walk.before;
		indexer_list_filter(question->list, job->tenant, &list);
		if (job_post(hub, job, question)) {
			walk_asked(&job->walk);
			job->due_ns = hub->mono_ns + ASK_WAIT_NS;
		} else {
			job_again(hub, job);
		}
	}
	arena_release(&arena);
}

void
hub_job_answer(struct hub *hub, const struct indexer_job *answer)
{
	struct list *at;
	struct hub_job *job = NULL;
	list_for_each(at, &hub->jobs) {
		struct hub_job *of = container_of(at, struct hub_job, link);
		if (of->walk.state == WALK_ASKED && of->cookie == answer->cookie)
			job = of;
	}
	if (job == NULL)
		return; /* it has ended, or asked anew */
	if (answer->behind || !answer->found) {
		job_again(hub, job);
		return;
	}
	walk_page(&job->walk);
	for (uint32_t i = 0; i < answer->list->row_count; i++)
		walk_row(&job->walk, answer->list->rows[i].run.number,
		    answer->list->rows[i].run.id);
	walk_page_end(&job->walk, answer->list->next);
}

/* --------------------------------------------------------------------------------- run by run */

static void
job_cancels(struct hub *hub, struct hub_job *job, const struct walk_row *row)
{
	struct eng_job_view view = job_view(hub, job);
	struct eng_command command = walk_cancel(&view, row);
	if (log_space(hub->shard->log) >= LOG_SPACE_HARD)
		job_again(hub, job);
	else if (job_step(hub, &command))
		walk_met(&job->walk);
	else
		job_rests(hub, job);
}

/* What the run's history makes of it. `read` is NULL if there is an error. */
void
hub_job_loaded(struct hub *hub, const struct eng_job_step *step, struct hub_read *read,
    enum froe_err err)
{
	struct hub_job *job = job_find(hub, step->number);
	uint32_t i = 0, count = job != NULL && job->pasts != NULL ? job->walk.count : 0;
	while (i < count && job->walk.rows[i].number != step->cursor)
		i++;
	if (i == count || job->pasts[i].state != PAST_READS) {
		if (read != NULL) /* the job has ended, or asks anew */
			hub_read_drop(read);
		return;
	}
	job->pasts[i] = (struct job_past){.state = PAST_LOADED, .err = err, .read = read};
	if (read != NULL)
		job->read_bytes += hub_read_bytes(read);
}

/* A history may be there when this returns. */
static void
job_reads_ahead(struct hub *hub, struct hub_job *job)
{
	struct eng_job_view view = job_view(hub, job);
	const struct walk *walk = &job->walk;
	if (job->pasts == NULL)
		job->pasts = mem_zalloc(walk->count * sizeof(*job->pasts));
	while (job->row_read < walk->count && job->row_read < walk->at + READS_MAX &&
	    (job->row_read == walk->at || job->read_bytes < READS_BYTES_MAX)) {
		const struct walk_row *row = &walk->rows[job->row_read];
		struct eng_job_step step = {.number = job->number, .cursor = row->number};
		job->pasts[job->row_read++].state = PAST_READS;
		hub_read_replay(
		    hub, job->tenant, row->id, hub_replay_ask_job(&view, &step));
	}
}

static void
job_reads_again(struct hub_job *job, struct job_past *past)
{
	struct hub_read *read = past->read;
	job->read_bytes -= hub_read_bytes(read);
	*past = (struct job_past){.state = PAST_READS};
	hub_read_again(read);
}

/* FROE_OK: it goes on, or the engine refused it: the job has advanced. */
static enum froe_err
job_replay(struct hub *hub, struct hub_job *job, struct job_past *past)
{
	struct froe_fault fault;
	if (past->read == NULL)
		return past->err;
	uint64_t before = hub->events;
	enum froe_err err = hub_read_replay_step(past->read, &fault);
	if (err != FROE_UNAVAILABLE)
		past_drop(job, past);
	if (err == FROE_OK)
		job_stepped(hub, before);
	return err;
}

static bool
job_skips(struct hub *hub, const struct hub_job *job, const struct walk_row *row,
    enum froe_err err)
{
	struct eng_job_view view = job_view(hub, job);
	struct eng_command command = walk_skip(&view, row, err);
	return job_step(hub, &command);
}

static void
job_replays(struct hub *hub, struct hub_job *job, const struct walk_row *row)
{
	job_reads_ahead(hub, job);
	struct job_past *past = &job->pasts[job->walk.at];
	if (past->state != PAST_LOADED)
		return;
	if (log_space(hub->shard->log) != LOG_SPACE_OK) {
		job_again(hub, job);
		return;
	}
	if (past->read != NULL && hub_read_stale(past->read)) {
		job_reads_again(job, past);
		return;
	}
	enum froe_err err = job_replay(hub, job, past);
	if (err == FROE_UNAVAILABLE && past->read != NULL)
		job_rests(hub, job);
	else if (err == FROE_UNAVAILABLE || err == FROE_INDEX_BEHIND)
		job_again(hub, job);
	else if (err == FROE_OK || job_skips(hub, job, row, err))
		walk_met(&job->walk);
	else
		job_again(hub, job);
}

static void
job_meet(struct hub *hub, struct hub_job *job, const struct walk_row *row)
{
	if (job->kind == ENG_JOB_REPLAY)
		job_replays(hub, job, row);
	else
		job_cancels(hub, job, row);
}

/* The others come first now. */
static void
page_over(struct hub *hub, struct hub_job *job)
{
	pasts_drop(job);
	if (!walk_on(&job->walk)) {
		job_over(hub, job, FROE_OK, "");
		return;
	}
	list_remove(&job->link);
	list_push(&hub->jobs, &job->link);
}

/* When it can do something, as far as that is a matter of time. */
static uint64_t
job_due_ns(const struct hub *hub, const struct hub_job *job)
{
	const struct walk *walk = &job->walk;
	bool reads = walk_next(walk) != NULL && job->pasts != NULL &&
	    job->pasts[walk->at].state == PAST_READS;
	bool early = walk->state == WALK_ASK && job->position > hub->released_frame;
	if (job->ended || reads || early)
		return UINT64_MAX;
	return walk->state == WALK_ASKED ? job->due_ns : job->retry_ns;
}

static void
job_go(struct hub *hub, struct hub_job *job)
{
	const struct walk_row *row = walk_next(&job->walk);
	if (job->walk.state == WALK_ASKED)
		walk_again(&job->walk);
	if (job->walk.state == WALK_ASK)
		job_ask(hub, job);
	else if (row != NULL)
		job_meet(hub, job, row);
	else
		page_over(hub, job);
}

/* The frame that the last step is in is being built still, or written. */
static bool
frame_pending(const struct hub *hub)
{
	uint64_t frame = log_tail_seq(hub->shard->log);
	return frame == hub->job_frame && frame > log_durable_seq(hub->shard->log);
}

static bool
jobs_may_step(const struct hub *hub)
{
	bool share = !frame_pending(hub) || hub->job_steps < FRAME_STEPS_MAX;
	return share && hub_has_room(hub) && !hub->stopping;
}

static struct hub_job *
jobs_next(const struct hub *hub)
{
	struct list *at;
	uint32_t active = 0;
	list_for_each(at, &hub->jobs) {
		struct hub_job *job = container_of(at, struct hub_job, link);
		if (active++ == ACTIVE_MAX)
			return NULL;
		if (job_due_ns(hub, job) <= hub->mono_ns)
			return job;
	}
	return NULL;
}

static void
waits_expire(struct hub *hub)
{
	uint64_t now_ns = hub->stopping ? UINT64_MAX - 1 : hub->mono_ns;
	struct timer *timer;
	while ((timer = wheel_expired(&hub->job_wheel, now_ns)) != NULL)
		wait_over(hub, container_of(timer, struct job_wait, timer));
}

void
hub_job_turn(struct hub *hub)
{
	struct hub_job *job;
	waits_expire(hub);
	while (jobs_may_step(hub) && (job = jobs_next(hub)) != NULL) {
		job_go(hub, job);
		jobs_sweep(hub);
	}
	jobs_sweep(hub);
}

/* With a frame's share used up, or the outbox full, it is a commit that makes the next turn. */
uint64_t
hub_job_deadline_ns(const struct hub *hub)
{
	uint64_t due_ns = wheel_next(&hub->job_wheel);
	uint32_t active = 0;
	struct list *at;
	if (!list_empty(&hub->jobs) && !hub_has_room(hub) && due_ns > hub->mono_ns + RETRY_NS)
		due_ns = hub->mono_ns + RETRY_NS; /* nothing else tells that the index has room */
	if (!jobs_may_step(hub))
		return due_ns;
	list_for_each(at, &hub->jobs) {
		const struct hub_job *job = container_of(at, struct hub_job, link);
		uint64_t at_ns = job_due_ns(hub, job);
		if (active++ == ACTIVE_MAX)
			break;
		if (at_ns < hub->mono_ns)
			at_ns = hub->mono_ns;
		due_ns = at_ns < due_ns ? at_ns : due_ns;
	}
	return due_ns;
}

/* Connections, and with them those that wait, are gone. */
void
hub_job_release_all(struct hub *hub)
{
	while (!list_empty(&hub->jobs))
		job_free(container_of(hub->jobs.next, struct hub_job, link));
	jobs_sweep(hub);
	map_release(&hub->jobs_by_number);
}
