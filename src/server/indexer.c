/*
 * Batches: a transaction when 32 Ki rows are pending, 250 ms after the first, or when a question
 * waits.
 *
 * No wake-up is lost: the poster pushes, then exchanges `told` with true, and wakes if it was
 * false. The index thread, before it sleeps without end, exchanges it with false, then looks at
 * the ring. Both are read-modify-writes of one atomic, so one comes first: if the poster's, the
 * thread sees what it pushed; if the thread's, the poster reads false and wakes. While rows are
 * pending the thread wakes by itself, and `told` stays true: rows cost no system call. Questions
 * have `asked`, which is cleared at the begin of each step.
 */
#include "server/indexer.h"

#include "base/duration.h"
#include "base/mem.h"
#include "index/texts.h"

#include <stdio.h>

#define BATCH_ROWS 32768u
#define BATCH_NS (250 * NS_PER_MS)
#define RETRY_NS NS_PER_S

enum froe_err
indexer_open(struct indexer *indexer, struct io_env *env, const char *dir, struct uuid store,
    uint64_t *ret_applied, struct froe_fault *fault)
{
	*indexer = (struct indexer){.env = env, .dir = mem_strdup(dir)};
	enum froe_err err = index_open(dir, store, &indexer->index, ret_applied, fault);
	if (err == FROE_CORRUPT) {
		fprintf(stderr, "froe: the index is damaged (%s), rebuilding\n",
		    fault != NULL ? fault->text : "");
		err = index_delete(dir, fault);
		if (err == FROE_OK)
			err = index_open(dir, store, &indexer->index, ret_applied, fault);
	}
	if (err != FROE_OK) {
		mem_free(indexer->dir);
		return err;
	}
	openset_init(&indexer->open);
	ring_init(&indexer->jobs, INDEXER_CAPACITY);
	ring_init(&indexer->answers, INDEXER_CAPACITY);
	atomic_store(&indexer->applied, *ret_applied);
	indexer->pending_frame = *ret_applied;
	return FROE_OK;
}

/* --------------------------------------------------------------------------------------- jobs */

uint32_t
indexer_kinds(enum eng_status status, bool scheduled)
{
	uint32_t kinds = scheduled ? 1u << INDEXER_SCHEDULED : 0;
	if (status == ENG_QUEUED)
		return kinds | 1u << INDEXER_QUEUED;
	if (status == ENG_RUNNING)
		return kinds | 1u << INDEXER_RUNNING;
	return status == ENG_EVICTED ? kinds | 1u << INDEXER_EVICTED : 0;
}

enum eng_status
indexer_status(uint32_t kinds)
{
	if ((kinds & 1u << INDEXER_RUNNING) != 0)
		return ENG_RUNNING;
	return (kinds & 1u << INDEXER_EVICTED) != 0 ? ENG_EVICTED : ENG_QUEUED;
}

struct indexer_job *
indexer_job_new(enum indexer_op op)
{
	struct indexer_job *job = mem_zalloc(sizeof(*job));
	job->op = op;
	return job;
}

void
indexer_job_free(struct indexer_job *job)
{
	if (job->list != NULL)
		arena_release(&job->list->arena);
	mem_free(job->list);
	mem_free(job->block);
	mem_free(job);
}

static size_t
row_bytes(const struct index_run *row)
{
	return row->workflow.size + row->metadata.size + row->workers.size + row->places.size;
}

static struct bytes
bytes_keep(uint8_t **to, struct bytes from)
{
	struct bytes kept = bytes_of(*to, from.size);
	if (from.size > 0)
		memcpy(*to, from.data, from.size);
	*to += from.size;
	return kept;
}

/* Copies the row, and what it points to into `to`. */
static void
row_keep(struct index_run *kept, const struct index_run *row, uint8_t *to)
{
	*kept = *row;
	kept->workflow = bytes_keep(&to, row->workflow);
	kept->metadata = bytes_keep(&to, row->metadata);
	kept->workers = bytes_keep(&to, row->workers);
	kept->places = bytes_keep(&to, row->places);
}

/* One allocation a job: there may be many a second. */
static struct indexer_job *
row_job(enum indexer_op op, const struct index_run *row, uint32_t kinds, uint64_t frame)
{
	struct indexer_job *job = mem_alloc(sizeof(*job) + row_bytes(row));
	*job = (struct indexer_job){.op = op, .frame = frame, .kinds = kinds};
	row_keep(&job->row, row, (uint8_t *)(job + 1));
	return job;
}

struct indexer_job *
indexer_put_job(const struct index_run *row, uint32_t kinds, uint64_t frame)
{
	return row_job(INDEXER_PUT, row, kinds, frame);
}

struct indexer_job *
indexer_touch_job(uint32_t tenant, uint64_t run, struct bytes worker, uint32_t kinds,
    uint64_t frame)
{
	struct index_run row = {.tenant = tenant, .number = run, .workers = worker};
	return row_job(INDEXER_TOUCH, &row, kinds, frame);
}

struct indexer_job *
indexer_drop_job(uint32_t tenant, uint64_t run, uint64_t frame)
{
	struct index_run row = {.tenant = tenant, .number = run};
	return row_job(INDEXER_DROP, &row, 0, frame);
}

struct indexer_job *
indexer_list_job(void)
{
	struct indexer_job *job = indexer_job_new(INDEXER_LIST);
	job->list = mem_zalloc(sizeof(*job->list));
	arena_init(&job->list->arena, 0);
	return job;
}

void
indexer_opened(struct indexer *indexer, uint32_t tenant, uint64_t run, uint32_t kinds)
{
	froe_assert(!indexer->running);
	openset_put(&indexer->open, tenant, run, kinds);
}

/* -------------------------------------------------------------------------------------- posting */

static bool
is_question(const struct indexer_job *job)
{
	return job->op == INDEXER_FIND || job->op == INDEXER_LIST;
}

bool
indexer_post(struct indexer *indexer, struct indexer_job *job)
{
	bool question = is_question(job);
	if (!ring_push(&indexer->jobs, job))
		return false;
	bool urgent = question || ring_used(&indexer->jobs) >= BATCH_ROWS;
	atomic_bool *flag = urgent ? &indexer->asked : &indexer->told;
	if (!atomic_exchange_explicit(flag, true, memory_order_acq_rel) && indexer->running)
		io_wake(indexer->io);
	return true;
}

unsigned
indexer_room(const struct indexer *indexer)
{
	return ring_room(&indexer->jobs);
}

struct indexer_job *
indexer_pop(struct indexer *indexer)
{
	return ring_pop(&indexer->answers);
}

uint64_t
indexer_applied(const struct indexer *indexer)
{
	return atomic_load_explicit(&indexer->applied, memory_order_acquire);
}

/* --------------------------------------------------------------------------- the index thread */

/* What was read or written is not what was put: deleted, and rebuilt by the next start. */
static void
indexer_damaged(struct indexer *indexer, const char *what)
{
	struct froe_fault fault;
	index_close(indexer->index);
	FROE_DROP(index_delete(indexer->dir, &fault), "the next start finds the damage again");
	froe_fatal(FROE_EXIT_INDEX,
	    "the index was damaged (%s) and is rebuilt at the next start; the log is whole",
	    what);
}

/* False: not now; what is pending still is. */
static bool
indexer_commit(struct indexer *indexer)
{
	struct froe_fault fault;
	if (index_pending(indexer->index) == 0)
		return true;
	enum froe_err err = index_commit(indexer->index, indexer->pending_frame, true, &fault);
	if (err == FROE_CORRUPT)
		indexer_damaged(indexer, fault.text);
	if (err != FROE_OK && indexer->retry_ns == 0)
		fprintf(stderr, "froe: the index cannot be written: %s; lists wait, the log is "
		    "whole: trying again each second\n", fault.text);
	if (err != FROE_OK) {
		indexer->retry_ns = io_mono_ns(indexer->env) + RETRY_NS;
		return false;
	}
	indexer->retry_ns = 0;
	indexer->first_pending_ns = 0;
	atomic_store_explicit(&indexer->applied, indexer->pending_frame, memory_order_release);
	return true;
}

/* Rows, and what the runs are at: each in the order it was posted. */
static void
indexer_take(struct indexer *indexer, struct indexer_job *job)
{
	const struct index_run *row = &job->row;
	if (job->op == INDEXER_PUT)
		index_put(indexer->index, row);
	else if (job->op == INDEXER_DROP)
		index_drop(indexer->index, row->tenant, row->number);
	else if (row->workers.size > 0)
		index_touch(indexer->index, row->tenant, row->number, row->workers);
	if (job->kinds != INDEXER_KEEP)
		openset_put(&indexer->open, row->tenant, row->number, job->kinds);
	froe_assert(job->frame >= indexer->pending_frame);
	indexer->pending_frame = job->frame;
	if (indexer->first_pending_ns == 0 && index_pending(indexer->index) > 0)
		indexer->first_pending_ns = io_mono_ns(indexer->env);
	indexer_job_free(job);
}

static void
find_take(void *context, const struct index_run *row)
{
	struct indexer_job *job = context;
	job->found = true;
	job->block = mem_alloc(row_bytes(row));
	row_keep(&job->row, row, job->block);
}

/* One more than the limit is looked for: is there a next page? */
static bool
list_take(void *context, const struct index_run *row)
{
	struct indexer_list *list = context;
	if (list->row_count == list->limit) {
		list->next = list->rows[list->row_count - 1].run.number;
		return false;
	}
	struct indexer_row *to = &list->rows[list->row_count++];
	struct index_run lean = *row;
	lean.places = bytes_of(NULL, 0);
	row_keep(&to->run, &lean, arena_alloc(&list->arena, row_bytes(&lean)));
	to->kinds = openset_get(list->filter.open, row->tenant, row->number);
	return true;
}

static void
indexer_list(struct indexer *indexer, struct indexer_job *job)
{
	struct indexer_list *list = job->list;
	uint64_t next;
	list->rows = arena_alloc(&list->arena, list->limit * sizeof(*list->rows));
	list->filter.open = &indexer->open;
	enum froe_err err = index_list(indexer->index, &list->filter, list_take, list, &next);
	if (err == FROE_CORRUPT)
		indexer_damaged(indexer, "a list met a row that was not put");
	job->found = err == FROE_OK;
	if (list->next == 0) /* the page was not full */
		list->next = next;
}

static void
indexer_find(struct indexer *indexer, struct indexer_job *job)
{
	if (index_find(indexer->index, job->row.id, find_take, job) == FROE_CORRUPT)
		indexer_damaged(indexer, "a row is not what was put");
}

static bool
indexer_answer(struct indexer *indexer, struct indexer_job *job)
{
	indexer->waiting = job;
	if (!ring_push(&indexer->answers, job))
		return false;
	indexer->waiting = NULL;
	if (indexer->hot_io != NULL)
		io_wake(indexer->hot_io);
	return true;
}

/* False: it is kept, for later. */
static bool
indexer_ask(struct indexer *indexer, struct indexer_job *job)
{
	indexer->held = job;
	if (!indexer_commit(indexer))
		return false;
	indexer->held = NULL;
	if (job->op == INDEXER_LIST)
		indexer_list(indexer, job);
	else
		indexer_find(indexer, job);
	return indexer_answer(indexer, job);
}

static struct indexer_job *
indexer_next(struct indexer *indexer)
{
	struct indexer_job *held = indexer->held;
	indexer->held = NULL;
	return held != NULL ? held : ring_pop(&indexer->jobs);
}

/* False: no further now. */
static bool
indexer_work(struct indexer *indexer)
{
	struct indexer_job *job = indexer->waiting;
	if (job != NULL && !indexer_answer(indexer, job))
		return false;
	while ((job = indexer_next(indexer)) != NULL) {
		if (is_question(job)) {
			if (!indexer_ask(indexer, job))
				return false;
			continue;
		}
		indexer_take(indexer, job);
		if (index_pending(indexer->index) >= BATCH_ROWS && !indexer_commit(indexer))
			return false;
	}
	return true;
}

uint64_t
indexer_step(struct indexer *indexer)
{
	uint64_t now_ns = io_mono_ns(indexer->env);
	atomic_exchange_explicit(&indexer->asked, false, memory_order_acq_rel);
	if (indexer->retry_ns > now_ns)
		return indexer->retry_ns;
	if (indexer->retry_ns != 0 && !indexer_commit(indexer))
		return indexer->retry_ns;
	if (!indexer_work(indexer))
		return indexer->retry_ns != 0 ? indexer->retry_ns : now_ns + NS_PER_MS;
	if (indexer->first_pending_ns != 0) {
		uint64_t due_ns = indexer->first_pending_ns + BATCH_NS;
		if (now_ns < due_ns)
			return due_ns;
		if (!indexer_commit(indexer))
			return indexer->retry_ns;
	}
	atomic_exchange_explicit(&indexer->told, false, memory_order_acq_rel);
	return ring_used(&indexer->jobs) == 0 ? UINT64_MAX : 0;
}

static void *
indexer_run(void *context)
{
	struct indexer *indexer = context;
	struct froe_fault fault;
	if (io_open(indexer->env, &indexer->io, &fault) != FROE_OK)
		froe_fatal(FROE_EXIT_SOFTWARE, "the index thread has no ring: %s", fault.text);
	sem_post(&indexer->started);
	for (;;) {
		bool stop = atomic_load_explicit(&indexer->stop, memory_order_acquire);
		uint64_t due_ns = indexer_step(indexer);
		if (stop)
			break;
		io_step(indexer->io, due_ns);
	}
	FROE_DROP(indexer_commit(indexer), "the log has these rows");
	return NULL;
}

enum froe_err
indexer_start(struct indexer *indexer, struct io *hot_io, struct froe_fault *fault)
{
	indexer->hot_io = hot_io;
	sem_init(&indexer->started, 0, 0);
	int failed = pthread_create(&indexer->thread, NULL, indexer_run, indexer);
	if (failed != 0) {
		sem_destroy(&indexer->started);
		return fault_set_errno(fault, failed, "cannot start the index thread");
	}
	while (sem_wait(&indexer->started) != 0)
		; /* a signal */
	indexer->running = true;
	return FROE_OK;
}

void
indexer_stop(struct indexer *indexer)
{
	if (!indexer->running)
		return;
	atomic_store_explicit(&indexer->stop, true, memory_order_release);
	io_wake(indexer->io);
	io_step(indexer->hot_io, 0); /* a ring's wake leaves with its next turn: this one */
	pthread_join(indexer->thread, NULL);
	sem_destroy(&indexer->started);
	io_close(indexer->io);
	indexer->running = false;
}

void
indexer_close(struct indexer *indexer)
{
	struct indexer_job *job;
	while ((job = ring_pop(&indexer->jobs)) != NULL)
		indexer_job_free(job);
	while ((job = ring_pop(&indexer->answers)) != NULL)
		indexer_job_free(job);
	if (indexer->held != NULL)
		indexer_job_free(indexer->held);
	if (indexer->waiting != NULL)
		indexer_job_free(indexer->waiting);
	ring_release(&indexer->jobs);
	ring_release(&indexer->answers);
	openset_release(&indexer->open);
	index_close(indexer->index);
	mem_free(indexer->dir);
}
