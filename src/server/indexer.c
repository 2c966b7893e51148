/*
 * Batches: a transaction when 32 Ki rows are pending, 250 ms after the first, or when a question waits.
 */
#include "server/indexer.h"

#include "base/duration.h"
#include "base/mem.h"

#include <stdio.h>

#define BATCH_ROWS 32768u
#define BATCH_NS (250 * NS_PER_MS)

enum froe_err
indexer_open(struct indexer *indexer, struct io_env *env, const char *dir, struct uuid store,
    uint64_t *ret_applied, struct froe_fault *fault)
{
	*indexer = (struct indexer){.env = env};
	enum froe_err err = index_open(dir, store, &indexer->index, ret_applied, fault);
	if (err == FROE_CORRUPT) {
		fprintf(stderr, "froe: the index is damaged (%s), rebuilding\n",
		    fault != NULL ? fault->text : "");
		err = index_delete(dir, fault);
		if (err == FROE_OK)
			err = index_open(dir, store, &indexer->index, ret_applied, fault);
	}
	if (err != FROE_OK)
		return err;
	ring_init(&indexer->jobs, INDEXER_CAPACITY);
	ring_init(&indexer->answers, INDEXER_CAPACITY);
	atomic_store(&indexer->applied, *ret_applied);
	indexer->pending_frame = *ret_applied;
	return FROE_OK;
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
	for (uint32_t i = 0; i < job->row_count; i++)
		mem_free((void *)(uintptr_t)job->rows[i].workflow.data);
	mem_free(job->rows);
	mem_free(job->block);
	mem_free(job);
}

/* Copies workflow and places into the job's block. */
static void
job_keep_row(struct indexer_job *job, const struct index_run *row)
{
	uint8_t *block = mem_alloc(row->workflow.size + row->places.size);
	job->row = *row;
	job->block = block;
	if (row->workflow.size > 0)
		memcpy(block, row->workflow.data, row->workflow.size);
	if (row->places.size > 0)
		memcpy(block + row->workflow.size, row->places.data, row->places.size);
	job->row.workflow.data = block;
	job->row.places.data = block + row->workflow.size;
}

struct indexer_job *
indexer_put_job(const struct index_run *row, uint64_t frame)
{
	struct indexer_job *job = indexer_job_new(INDEXER_PUT);
	job->frame = frame;
	job_keep_row(job, row);
	return job;
}

/* The release pairs with the acquire in indexer_step: a job pushed before is seen after. */
bool
indexer_post(struct indexer *indexer, struct indexer_job *job)
{
	bool urgent = job->op != INDEXER_PUT || ring_used(&indexer->jobs) > BATCH_ROWS / 2;
	bool first = ring_used(&indexer->jobs) == 0;
	if (!ring_push(&indexer->jobs, job))
		return false;
	if ((urgent || first) && indexer->running &&
	    !atomic_exchange_explicit(&indexer->told, true, memory_order_acq_rel))
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

static void
indexer_commit(struct indexer *indexer)
{
	struct froe_fault fault;
	if (index_pending(indexer->index) == 0)
		return;
	enum froe_err err = index_commit(indexer->index, indexer->pending_frame, &fault);
	if (err != FROE_OK)
		froe_fatal(FROE_EXIT_INDEX, "the index cannot be written: %s; the log is whole: "
		    "restart, and delete <data>/index if this comes again", fault.text);
	indexer->first_pending_ns = 0;
	atomic_store_explicit(&indexer->applied, indexer->pending_frame, memory_order_release);
}

static void
indexer_put(struct indexer *indexer, struct indexer_job *job)
{
	index_put(indexer->index, &job->row);
	froe_assert(job->frame >= indexer->pending_frame);
	indexer->pending_frame = job->frame;
	if (indexer->first_pending_ns == 0)
		indexer->first_pending_ns = io_mono_ns(indexer->env);
	indexer_job_free(job);
	if (index_pending(indexer->index) >= BATCH_ROWS)
		indexer_commit(indexer);
}

static void
find_take(void *context, const struct index_run *row)
{
	struct indexer_job *job = context;
	job->found = true;
	job_keep_row(job, row);
}

static bool
list_take(void *context, const struct index_run *row)
{
	struct indexer_job *job = context;
	uint32_t wanted = job->statuses;
	bool open = row->finished_ns == 0;
	bool fits = wanted == 0 || (wanted & 1u << row->status) != 0 || (open && (wanted & 3u) != 0);
	job->next = row->number;
	if (++job->scanned > INDEXER_SCAN_MAX)
		return false;
	if (!fits || (job->workflow.size != 0 && !bytes_equal(job->workflow, row->workflow)))
		return true;
	if (job->row_count == job->limit) {
		job->next = job->rows[job->row_count - 1].number;
		return false;
	}
	struct index_run *to = &job->rows[job->row_count++];
	*to = *row;
	to->workflow.data = mem_copy(row->workflow.data, row->workflow.size);
	to->places = bytes_of(NULL, 0);
	if (row->number == 1)
		job->next = 0;
	return true;
}

static void
indexer_list(struct indexer *indexer, struct indexer_job *job)
{
	job->rows = mem_array(job->limit, sizeof(*job->rows));
	enum froe_err err =
	    index_list(indexer->index, job->tenant, job->before, list_take, job);
	job->found = err == FROE_OK;
	if (job->scanned <= INDEXER_SCAN_MAX && job->row_count < job->limit)
		job->next = 0; /* the end was reached */
}

static bool
indexer_answer(struct indexer *indexer, struct indexer_job *job)
{
	if (!ring_push(&indexer->answers, job)) {
		indexer->waiting = job;
		return false;
	}
	io_wake(indexer->hot_io);
	return true;
}

uint64_t
indexer_step(struct indexer *indexer)
{
	atomic_exchange_explicit(&indexer->told, false, memory_order_acq_rel);
	if (indexer->waiting != NULL) {
		struct indexer_job *job = indexer->waiting;
		indexer->waiting = NULL;
		if (!indexer_answer(indexer, job))
			return io_mono_ns(indexer->env) + NS_PER_MS;
	}
	struct indexer_job *job;
	while ((job = ring_pop(&indexer->jobs)) != NULL) {
		if (job->op == INDEXER_PUT) {
			indexer_put(indexer, job);
			continue;
		}
		indexer_commit(indexer);
		if (job->op == INDEXER_LIST)
			indexer_list(indexer, job);
		else
			FROE_DROP(index_find(indexer->index, job->row.id, find_take, job),
			    "not found is told by job->found");
		if (!indexer_answer(indexer, job))
			return io_mono_ns(indexer->env) + NS_PER_MS;
	}
	if (indexer->first_pending_ns == 0)
		return UINT64_MAX;
	uint64_t due_ns = indexer->first_pending_ns + BATCH_NS;
	if (io_mono_ns(indexer->env) < due_ns)
		return due_ns;
	indexer_commit(indexer);
	return UINT64_MAX;
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
	indexer_commit(indexer);
	return NULL;
}

enum froe_err
indexer_start(struct indexer *indexer, struct io *hot_io, struct froe_fault *fault)
{
	indexer->hot_io = hot_io;
	sem_init(&indexer->started, 0, 0);
	int failed = pthread_create(&indexer->thread, NULL, indexer_run, indexer);
	if (failed != 0)
		return fault_set_errno(fault, failed, "cannot start the index thread");
	sem_wait(&indexer->started);
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
	ring_release(&indexer->jobs);
	ring_release(&indexer->answers);
	index_close(indexer->index);
}
