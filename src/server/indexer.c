/*
 * Batches: a transaction when 32 Ki rows are pending, 250 ms after the first, or when a question
 * waits. Until then nobody sees them, so they may well wait: a run that ends in the batch in which
 * it began is written once, and each batch is some pages and two synced writes.
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
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/thread.h"
#include "io/journal.h"

#define BATCH_ROWS 32768u
#define RETRY_NS NS_PER_S
/* A list waits so long for the end of a rebuild; so many do. */
#define PARK_NS NS_PER_S
#define PARKED_MAX 1024u
#define WAIT_NS (20 * NS_PER_MS)
/* Rows that one slice of a sweep looks at, and how often there is a sweep. */
#define SWEEP_ROWS 4096u
#define SWEEP_NS (60 * NS_PER_S)

enum froe_err
indexer_open(struct indexer *indexer, struct io_env *env, const char *dir, struct uuid store,
    uint64_t *ret_applied, struct froe_fault *fault)
{
	*indexer = (struct indexer){
	    .env = env, .dir = mem_strdup(dir), .store = store, .keep_ns = UINT64_MAX};
	enum froe_err err = index_open(dir, store, &indexer->index, ret_applied, fault);
	if (err == FROE_CORRUPT) {
		journal(JOURNAL_WARNING, "index_damaged", "the index is damaged: rebuilding: %s",
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
	names_init(&indexer->names);
	list_init(&indexer->parked);
	list_init(&indexer->taken);
	list_init(&indexer->late);
	ring_init(&indexer->jobs, INDEXER_CAPACITY);
	ring_init(&indexer->answers, INDEXER_CAPACITY);
	atomic_store(&indexer->applied, *ret_applied);
	indexer->pending_frame = *ret_applied;
	return FROE_OK;
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

/* Rows of a frame that is larger than all the room have it alone. */
static bool
rows_fit(const struct indexer *indexer, uint32_t count)
{
	uint32_t used = atomic_load_explicit(&indexer->rows, memory_order_relaxed);
	return used == 0 || (uint64_t)used + count < INDEXER_CAPACITY;
}

bool
indexer_post(struct indexer *indexer, struct indexer_job *job)
{
	uint32_t count = job->count;
	bool question = is_question(job);
	if (count > 0 && !rows_fit(indexer, count))
		return false;
	/* Counted before they can be taken. */
	uint32_t used = count +
	    atomic_fetch_add_explicit(&indexer->rows, count, memory_order_relaxed);
	if (!ring_push(&indexer->jobs, job)) {
		atomic_fetch_sub_explicit(&indexer->rows, count, memory_order_relaxed);
		return false;
	}
	bool urgent = question || used >= BATCH_ROWS;
	atomic_bool *flag = urgent ? &indexer->asked : &indexer->told;
	if (!atomic_exchange_explicit(flag, true, memory_order_acq_rel) && indexer->running)
		io_wake(indexer->io);
	return true;
}

unsigned
indexer_room(const struct indexer *indexer)
{
	unsigned room = ring_room(&indexer->jobs);
	uint32_t used = atomic_load_explicit(&indexer->rows, memory_order_relaxed);
	unsigned left = used < INDEXER_CAPACITY ? INDEXER_CAPACITY - 1 - used : 0;
	return left < room ? left : room;
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

uint64_t
indexer_damages(const struct indexer *indexer)
{
	return atomic_load_explicit(&indexer->damages, memory_order_relaxed);
}

bool
indexer_behind(const struct indexer *indexer, uint64_t *ret_frame, uint64_t *ret_until)
{
	*ret_until = atomic_load_explicit(&indexer->until, memory_order_acquire);
	*ret_frame = atomic_load_explicit(&indexer->rebuilt, memory_order_acquire);
	return *ret_until != 0;
}

/* ----------------------------------------------------------------------------------- rebuilding */

/* By the index thread, or before it runs. */
static bool
is_behind(const struct indexer *indexer)
{
	return atomic_load_explicit(&indexer->until, memory_order_relaxed) != 0;
}

static void
rebuild_later(struct indexer *indexer, uint64_t until, uint64_t at_ns)
{
	rebuild_close(indexer->rebuild);
	indexer->rebuild = NULL;
	indexer->rebuild_ns = at_ns;
	atomic_store_explicit(&indexer->rebuilt, 0, memory_order_release);
	atomic_store_explicit(&indexer->until, until, memory_order_release);
}

void
indexer_source(struct indexer *indexer, const char *data, const struct log_report *report)
{
	uint64_t applied = indexer_applied(indexer), until = report->last_frame_seq;
	froe_assert(!indexer->running && indexer->data == NULL);
	indexer->data = mem_strdup(data);
	if (until == 0 || (applied != 0 && applied >= report->snapshot_frame_seq))
		return;
	journal(JOURNAL_INFO, "index_rebuild", "the index is made anew from the log: ids are found "
	    "as far as it has got, lists wait");
	rebuild_later(indexer, until, 1);
}

void
indexer_keep(struct indexer *indexer, uint64_t keep_ns)
{
	froe_assert(!indexer->running);
	indexer->keep_ns = keep_ns;
}

void
indexer_age(struct indexer *indexer, uint64_t time_ns)
{
	if (atomic_load_explicit(&indexer->age_ns, memory_order_relaxed) >= time_ns)
		return;
	atomic_store_explicit(&indexer->age_ns, time_ns, memory_order_relaxed);
	io_wake(indexer->io);
}

void
indexer_name(struct indexer *indexer, enum names_kind kind, uint64_t number, struct bytes name)
{
	froe_assert(!indexer->running);
	names_put(&indexer->names, kind, number, name);
}

/* What was lent of them is needed no more. */
static void
taken_free(struct indexer *indexer)
{
	struct list *at;
	while ((at = list_pop(&indexer->taken)) != NULL)
		indexer_job_free(container_of(at, struct indexer_job, link));
}

/* A new index, into which everything is put again. What was taken up to now is in frames up to
 * pending_frame, and those are durable; what is still to come is of that frame or behind it. */
static void
indexer_anew(struct indexer *indexer, const char *what)
{
	struct froe_fault fault = {0};
	uint64_t applied;
	enum froe_err err = indexer->data != NULL ? FROE_OK : FROE_UNSUPPORTED;
	index_close(indexer->index);
	taken_free(indexer);
	if (index_delete(indexer->dir, &fault) != FROE_OK)
		err = fault.code;
	failpoint_pass(FAILPOINT_index_deleted);
	if (err == FROE_OK)
		err = index_open(indexer->dir, indexer->store, &indexer->index, &applied, &fault);
	if (err != FROE_OK)
		froe_fatal(FROE_EXIT_INDEX, "%s: the index is rebuilt at the next start; the log "
		    "is whole (%s)", what, fault.text);
	journal(JOURNAL_WARNING, "index_rebuild", "%s: it is made anew from the log; the server "
	    "goes on, lists wait", what);
	indexer->first_pending_ns = indexer->retry_ns = 0;
	uint64_t until = atomic_load_explicit(&indexer->until, memory_order_relaxed);
	rebuild_later(indexer, until > indexer->pending_frame ? until : indexer->pending_frame, 1);
}

/* --------------------------------------------------------------------------- the index thread */

static void
commit_failed(struct indexer *indexer, const struct froe_fault *fault)
{
	if (indexer->retry_ns == 0)
		journal(JOURNAL_WARNING, "index_unwritten", "the index cannot be written: %s; "
		    "lists wait, the log is whole: trying again each second", fault->text);
	indexer->retry_ns = io_mono_ns(indexer->env) + RETRY_NS;
}

/* False: not now; what is pending still is. */
static bool
indexer_commit(struct indexer *indexer)
{
	struct froe_fault fault;
	bool complete = !is_behind(indexer) && indexer_damages(indexer) == 0;
	if (index_pending(indexer->index) == 0 && !indexer->marked) {
		indexer->retry_ns = 0;
		return true;
	}
	failpoint_pass(FAILPOINT_index_batch);
	enum froe_err err =
	    index_commit(indexer->index, indexer->pending_frame, complete, &fault);
	if (err == FROE_CORRUPT) {
		indexer_anew(indexer, fault.text);
		return true;
	}
	if (err != FROE_OK) {
		commit_failed(indexer, &fault);
		return false;
	}
	taken_free(indexer);
	indexer->marked = false;
	indexer->retry_ns = 0;
	indexer->first_pending_ns = 0;
	atomic_store_explicit(&indexer->applied, indexer->pending_frame, memory_order_release);
	failpoint_pass(FAILPOINT_index_commit);
	if (indexer->data != NULL && index_gone(indexer->index))
		indexer_anew(indexer, "the index was deleted");
	return true;
}

static void
entry_drop(struct indexer *indexer, const struct index_run *row)
{
	index_drop(indexer->index, row->tenant, row->number);
	if (indexer->rebuild != NULL)
		rebuild_drop(indexer->rebuild, row->number);
}

/* What a rebuild has not come to yet, or may read no more: the run's end may be before it, the
 * record behind it. */
struct indexer_late {
	struct list link;
	struct index_run row;
	uint8_t place[];
};

static void
entry_extend(struct indexer *indexer, const struct index_run *row)
{
	index_extend_lent(indexer->index, row);
	if (!is_behind(indexer))
		return;
	struct indexer_late *late = mem_alloc(sizeof(*late) + row->places.size);
	indexer_row_keep(&late->row, row, late->place);
	list_push(&indexer->late, &late->link);
}

static void
late_free(struct indexer *indexer)
{
	struct list *at;
	while ((at = list_pop(&indexer->late)) != NULL)
		mem_free(container_of(at, struct indexer_late, link));
}

static void
entry_take(struct indexer *indexer, const struct indexer_entry *entry)
{
	const struct index_run *row = &entry->run;
	uint64_t time_ns = row->finished_ns != 0 ? row->finished_ns : row->created_ns;
	if (time_ns > indexer->newest_ns)
		indexer->newest_ns = time_ns;
	if (entry->change == INDEXER_PUT)
		index_put_lent(indexer->index, row);
	else if (entry->change == INDEXER_EXTEND)
		entry_extend(indexer, row);
	else if (entry->change == INDEXER_DROP)
		entry_drop(indexer, row);
	else if (row->workers.size > 0)
		index_touch_lent(indexer->index, row);
	if (entry->kinds != INDEXER_KEEP)
		openset_put(&indexer->open, row->tenant, row->number, entry->kinds);
}

/* Rows, and what the runs are at: each in the order it was posted. */
static void
indexer_take(struct indexer *indexer, struct indexer_job *job)
{
	for (const struct indexer_entry *at = job->first; at != NULL; at = at->next)
		entry_take(indexer, at);
	atomic_fetch_sub_explicit(&indexer->rows, job->count, memory_order_relaxed);
	froe_assert(job->frame >= indexer->pending_frame);
	indexer->pending_frame = job->frame;
	list_push(&indexer->taken, &job->link);
	indexer->marked = indexer->marked || job->op == INDEXER_MARK;
	if (index_pending(indexer->index) == 0)
		taken_free(indexer);
	if ((index_pending(indexer->index) > 0 || indexer->marked) &&
	    indexer->first_pending_ns == 0)
		indexer->first_pending_ns = io_mono_ns(indexer->env);
}

static void
find_take(void *context, const struct index_run *row)
{
	struct indexer_job *job = context;
	job->found = true;
	job->block = mem_alloc(indexer_row_bytes(row));
	indexer_row_keep(&job->row, row, job->block);
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
	indexer_row_keep(&to->run, &lean,
	    arena_alloc(&list->arena, indexer_row_bytes(&lean)));
	to->kinds = openset_get(list->filter.open, row->tenant, row->number);
	return true;
}

/* False: the index is being made anew. */
static bool
indexer_list(struct indexer *indexer, struct indexer_job *job)
{
	struct indexer_list *list = job->list;
	uint64_t next;
	if (is_behind(indexer))
		return false;
	list->rows = arena_alloc(&list->arena, list->limit * sizeof(*list->rows));
	list->filter.open = &indexer->open;
	enum froe_err err = index_list(indexer->index, &list->filter, list_take, list, &next);
	if (err == FROE_CORRUPT) {
		list->row_count = 0;
		list->next = 0;
		indexer_anew(indexer, "the index is damaged: a row is not what was put");
		return false;
	}
	job->found = err == FROE_OK;
	job->damaged = indexer_damages(indexer) > 0;
	if (list->next == 0) /* the page was not full */
		list->next = next;
	return true;
}

/* What is not found may come yet, and so may the end of a run that is open as far as the rebuild
 * has got: of those that are still open nobody asks, since the engine has them. */
static void
indexer_find(struct indexer *indexer, struct indexer_job *job)
{
	mem_free(job->block); /* it was looked for before */
	job->block = NULL;
	job->found = false;
	if (index_find(indexer->index, job->row.id, find_take, job) == FROE_CORRUPT)
		indexer_anew(indexer, "the index is damaged: a row is not what was put");
	job->behind = is_behind(indexer) &&
	    (!job->found || job->whole || job->row.finished_ns == 0);
	job->damaged = !job->found && indexer_damages(indexer) > 0;
}

/* False: only the rebuild's end can tell. */
static bool
indexer_look(struct indexer *indexer, struct indexer_job *job)
{
	if (job->op != INDEXER_FIND)
		return indexer_list(indexer, job);
	indexer_find(indexer, job);
	return !job->behind;
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

/* It waits for the end of the rebuild, unless many do: then it is answered at once. */
static bool
indexer_park(struct indexer *indexer, struct indexer_job *job)
{
	job->behind = true;
	job->due_ns = io_mono_ns(indexer->env) + PARK_NS;
	if (indexer->parked_count == PARKED_MAX)
		return indexer_answer(indexer, job);
	list_push(&indexer->parked, &job->link);
	indexer->parked_count++;
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
	return indexer_look(indexer, job) ? indexer_answer(indexer, job)
	                                  : indexer_park(indexer, job);
}

/* Questions that waited for the rebuild: it is over, or they have waited long enough. False: the
 * ring of answers is full. */
static bool
indexer_unpark(struct indexer *indexer)
{
	uint64_t now_ns = io_mono_ns(indexer->env);
	while (!list_empty(&indexer->parked)) {
		struct indexer_job *job =
		    container_of(indexer->parked.next, struct indexer_job, link);
		job->behind = is_behind(indexer);
		if (job->behind && job->due_ns > now_ns)
			return true;
		list_remove(&job->link);
		indexer->parked_count--;
		if (!job->behind || job->op == INDEXER_FIND)
			job->behind = !indexer_look(indexer, job);
		if (!indexer_answer(indexer, job))
			return false;
	}
	return true;
}

static void
indexer_named(struct indexer *indexer, struct indexer_job *job)
{
	enum names_kind kind = (enum names_kind)job->row.tenant;
	if (job->row.workflow.size == 0)
		names_left(&indexer->names, kind, job->row.number);
	else
		names_put(&indexer->names, kind, job->row.number, job->row.workflow);
	indexer_job_free(job);
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
	if (!indexer_unpark(indexer))
		return false;
	while ((job = indexer_next(indexer)) != NULL) {
		if (is_question(job)) {
			if (!indexer_ask(indexer, job))
				return false;
			continue;
		}
		if (job->op == INDEXER_NAME)
			indexer_named(indexer, job);
		else
			indexer_take(indexer, job);
		if (index_pending(indexer->index) >= BATCH_ROWS && !indexer_commit(indexer))
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------------- the rebuild's slices */

/* It begins again, from the log's then oldest segment: what failed may have been retired meanwhile,
 * or be readable again. If not, the next one makes the best of it. */
static void
rebuild_failed(struct indexer *indexer, const struct froe_fault *fault)
{
	uint64_t until = atomic_load_explicit(&indexer->until, memory_order_relaxed);
	if (!indexer->rebuild_told)
		journal(JOURNAL_ERROR, "index_not_rebuilt", "the index cannot be made anew: %s; "
		    "lists wait; trying again each second", fault->text);
	indexer->rebuild_told = true;
	indexer->rebuild_fails = true;
	rebuild_later(indexer, until, io_mono_ns(indexer->env) + RETRY_NS);
}

static bool
rebuild_begin(struct indexer *indexer)
{
	struct froe_fault fault = {0};
	struct rebuild_options options = {
	    .env = indexer->env,
	    .dir = indexer->data,
	    .store = indexer->store,
	    .until = atomic_load_explicit(&indexer->until, memory_order_relaxed),
	    .names = &indexer->names,
	    .pass_damage = indexer->rebuild_fails,
	};
	if (indexer->rebuild == NULL)
		indexer->rebuild = rebuild_open(&options, indexer->index, &fault);
	if (indexer->rebuild == NULL)
		rebuild_failed(indexer, &fault);
	return indexer->rebuild != NULL;
}

/* Once: what is pending stays so until it is committed, or made anew. */
static void
late_put(struct indexer *indexer)
{
	struct list *at;
	list_for_each(at, &indexer->late)
		index_extend(
		    indexer->index, &container_of(at, struct indexer_late, link)->row);
	late_free(indexer);
}

/* All rows are put: with the commit that writes the last of them, the index is complete; unless the
 * log is damaged. Then nobody knows how some runs have ended. */
static enum froe_err
rebuild_commit(struct indexer *indexer, unsigned damages, struct froe_fault *fault)
{
	uint64_t frame = indexer->pending_frame;
	enum froe_err err = index_commit(indexer->index, frame, damages == 0, fault);
	if (err != FROE_OK || damages == 0)
		return err;
	err = rebuild_lost(indexer->rebuild, &indexer->open);
	if (err != FROE_OK)
		return fault_set(fault, err, "the index is damaged");
	return index_commit(indexer->index, frame, false, fault);
}

static void
rebuild_said(unsigned damages)
{
	struct journal_line line;
	if (damages == 0) {
		journal(JOURNAL_INFO, "index_rebuilt", "the index is complete");
		return;
	}
	journal_begin(&line, JOURNAL_ERROR, "index_damaged_log",
	    "the index is made of what can be read of the log, which is damaged: runs are missing "
	    "in lists; froe log verify says where; restore the data directory from a backup");
	journal_number(&line, "places", damages);
	journal_end(&line);
}

static void
rebuild_finish(struct indexer *indexer)
{
	struct froe_fault fault = {0};
	unsigned damages = rebuild_damages(indexer->rebuild);
	late_put(indexer);
	enum froe_err err = rebuild_commit(indexer, damages, &fault);
	failpoint_pass(FAILPOINT_index_rebuilt);
	if (err == FROE_CORRUPT) {
		indexer_anew(indexer, fault.text);
	} else if (err != FROE_OK) {
		commit_failed(indexer, &fault); /* and then here again */
	} else {
		taken_free(indexer);
		rebuild_said(damages);
		atomic_store_explicit(&indexer->damages, damages, memory_order_relaxed);
		rebuild_later(indexer, 0, 0);
		indexer->rebuild_told = indexer->rebuild_fails = false;
		indexer->first_pending_ns = indexer->retry_ns = 0;
		atomic_store_explicit(&indexer->applied, indexer->pending_frame,
		    memory_order_release);
	}
}

/* A slice. Questions come between two of them. */
static void
indexer_rebuild(struct indexer *indexer)
{
	struct froe_fault fault = {0};
	bool done = false;
	if (!rebuild_begin(indexer))
		return;
	if (rebuild_step(indexer->rebuild, &done, &fault) != FROE_OK) {
		rebuild_failed(indexer, &fault);
		return;
	}
	atomic_store_explicit(
	    &indexer->rebuilt, rebuild_frame(indexer->rebuild), memory_order_release);
	failpoint_pass(FAILPOINT_index_rebuild);
	if (done)
		rebuild_finish(indexer);
	else if (index_pending(indexer->index) >= BATCH_ROWS)
		FROE_DROP(indexer_commit(indexer), "retry_ns says when it is tried again");
}

/* ----------------------------------------------------------------------------- what has expired */

/* A slice of a sweep; a sweep a minute. Returns when to come again. */
static uint64_t
indexer_expire(struct indexer *indexer, uint64_t now_ns)
{
	uint64_t age_ns = atomic_load_explicit(&indexer->age_ns, memory_order_relaxed);
	if (age_ns < indexer->newest_ns)
		age_ns = indexer->newest_ns;
	uint64_t before_ns = age_ns > indexer->keep_ns ? age_ns - indexer->keep_ns : 0;
	if (before_ns == indexer->swept_ns) /* nothing has expired since */
		return UINT64_MAX;
	if (indexer->sweep_ns > now_ns)
		return indexer->sweep_ns;
	enum froe_err err =
	    index_expire(indexer->index, before_ns, SWEEP_ROWS, &indexer->sweep);
	if (err == FROE_CORRUPT) {
		indexer_anew(indexer, "the index is damaged: a row is not what was put");
		return 0;
	}
	if (index_pending(indexer->index) > 0 && indexer->first_pending_ns == 0)
		indexer->first_pending_ns = now_ns;
	if (err == FROE_OK)
		return 0;
	indexer->sweep = (struct index_sweep){0};
	indexer->swept_ns = before_ns;
	indexer->sweep_ns = now_ns + SWEEP_NS;
	return indexer->sweep_ns;
}

/* Commits what is old enough. Returns when to come again. */
static uint64_t
indexer_batch(struct indexer *indexer, uint64_t now_ns)
{
	if (indexer->first_pending_ns == 0)
		return UINT64_MAX;
	uint64_t due_ns = indexer->first_pending_ns + INDEXER_BATCH_NS;
	if (now_ns < due_ns)
		return due_ns;
	return indexer_commit(indexer) ? UINT64_MAX : indexer->retry_ns;
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
	uint64_t due_ns = indexer_batch(indexer, now_ns);
	if (is_behind(indexer) && indexer->rebuild_ns <= now_ns && indexer->retry_ns == 0)
		indexer_rebuild(indexer);
	if (is_behind(indexer)) /* parked lists end on time, too */
		return indexer->rebuild_ns <= now_ns && indexer->retry_ns == 0 ? 0
		                                                               : now_ns + WAIT_NS;
	if (!list_empty(&indexer->parked))
		return 0;
	uint64_t sweep_ns = indexer_expire(indexer, now_ns);
	if (sweep_ns == 0 && index_pending(indexer->index) >= BATCH_ROWS)
		FROE_DROP(indexer_commit(indexer), "retry_ns says when it is tried again");
	if (sweep_ns == 0 || due_ns != UINT64_MAX)
		return sweep_ns == 0 ? 0 : due_ns;
	if (indexer->first_pending_ns != 0)
		return indexer->first_pending_ns + INDEXER_BATCH_NS;
	atomic_exchange_explicit(&indexer->told, false, memory_order_acq_rel);
	return ring_used(&indexer->jobs) == 0 ? sweep_ns : 0;
}

static void *
indexer_run(void *context)
{
	struct indexer *indexer = context;
	struct froe_fault fault;
	if (io_open(indexer->env, &indexer->io, &fault) != FROE_OK)
		froe_fatal(FROE_EXIT_FAILED, "the index thread has no ring: %s", fault.text);
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
	enum froe_err err =
	    thread_start(&indexer->thread, "froe-index", indexer_run, indexer, fault);
	if (err != FROE_OK) {
		sem_destroy(&indexer->started);
		return err;
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
	struct list *at;
	while ((at = list_pop(&indexer->parked)) != NULL)
		indexer_job_free(container_of(at, struct indexer_job, link));
	rebuild_close(indexer->rebuild);
	openset_release(&indexer->open);
	names_release(&indexer->names);
	index_close(indexer->index);
	taken_free(indexer);
	late_free(indexer);
	mem_free(indexer->dir);
	mem_free(indexer->data);
}
