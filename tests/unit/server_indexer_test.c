/*
 * The index thread: alone under virtual time, step by step, and as a thread of its own.
 */
#include "server/indexer.h"

#include "base/duration.h"
#include "base/mem.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT 3u

struct place {
	char dir[128];
	char index[160];
	struct io_env *env;
	struct io *hot_io;
	struct indexer indexer;
	uint64_t applied;
	bool sim;
};

static struct uuid
uuid_of(uint64_t number)
{
	struct uuid id = {{0}};
	memcpy(id.bytes, &number, sizeof(number));
	id.bytes[15] = 1;
	return id;
}

static void
place_open(struct place *place)
{
	struct froe_fault fault = {0};
	struct uuid store = {{9, 9}};
	if (indexer_open(&place->indexer, place->env, place->index, store, &place->applied,
	        &fault) != FROE_OK)
		fail_msg("%s", fault.text);
}

static struct place *
place_new(bool sim)
{
	struct place *place = mem_zalloc(sizeof(*place));
	const char *tmp = getenv("TMPDIR");
	struct froe_fault fault;
	struct sim_options options = {.seed = 4, .start_wall_ns = NS_PER_S};
	snprintf(place->dir, sizeof(place->dir), "%s/froe-indexer-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->index, sizeof(place->index), "%s/index", place->dir);
	place->sim = sim;
	place->env = sim ? sim_open(&options) : io_env_posix();
	if (!sim)
		assert_int_equal(io_open(place->env, &place->hot_io, &fault), FROE_OK);
	place_open(place);
	return place;
}

static void
place_free(struct place *place)
{
	struct froe_fault fault;
	indexer_close(&place->indexer);
	if (place->hot_io != NULL)
		io_close(place->hot_io);
	if (place->sim)
		sim_release(place->env);
	assert_int_equal(index_delete(place->index, &fault), FROE_OK);
	FROE_DROP(rmdir(place->index), "index_delete may have removed it");
	assert_int_equal(rmdir(place->dir), 0);
	mem_free(place);
}

static struct index_run
row_of(uint64_t number, const char *workflow, uint8_t status)
{
	bool closed = status >= 2;
	return (struct index_run){
	    .number = number,
	    .tenant = TENANT,
	    .id = uuid_of(number),
	    .status = status,
	    .created_ns = number * 1000,
	    .finished_ns = closed ? number * 1000 + 5 : 0,
	    .workflow = bytes_text(workflow),
	    .seq = 1 + status,
	    .places = closed ? bytes_text("twelve bytes") : bytes_of(NULL, 0),
	};
}

static struct indexer_job *
row_job(uint64_t number, const char *workflow, uint8_t status, uint64_t frame)
{
	struct index_run row = row_of(number, workflow, status);
	return indexer_put_job(&row, indexer_kinds((enum eng_status)status, false), frame);
}

static void
put(struct place *place, uint64_t number, const char *workflow, uint8_t status, uint64_t frame)
{
	assert_true(indexer_post(&place->indexer, row_job(number, workflow, status, frame)));
}

static void
ask_find(struct place *place, uint64_t number, uint64_t cookie)
{
	struct indexer_job *job = indexer_job_new(INDEXER_FIND);
	job->row.id = uuid_of(number);
	job->cookie = cookie;
	assert_true(indexer_post(&place->indexer, job));
}

static void
ask_list(struct place *place, uint32_t statuses, uint32_t limit, uint64_t before,
    const char *workflow)
{
	struct indexer_job *job = indexer_list_job();
	struct indexer_list *list = job->list;
	list->limit = limit;
	list->filter.tenant = TENANT;
	list->filter.statuses = statuses & ~3u;
	list->filter.kinds = statuses & 3u;
	list->filter.before = before;
	list->filter.workflow = bytes_of(arena_copy(&list->arena, workflow, strlen(workflow)),
	    strlen(workflow));
	assert_true(indexer_post(&place->indexer, job));
}

static struct indexer_job *
answer(struct place *place)
{
	struct indexer_job *job = indexer_pop(&place->indexer);
	assert_non_null(job);
	return job;
}

static struct indexer_job *
list_now(struct place *place, uint32_t statuses, uint32_t limit, uint64_t before,
    const char *workflow)
{
	ask_list(place, statuses, limit, before, workflow);
	indexer_step(&place->indexer);
	return answer(place);
}

/* ------------------------------------------------------------------------------- step by step */

static void
test_indexer__find_sees_what_was_put_before(void **state)
{
	struct place *place = place_new(true);
	(void)state;
	ask_find(place, 1, 10);
	put(place, 1, "mail", 0, 5);
	ask_find(place, 1, 11);
	put(place, 1, "mail", 2, 6);
	ask_find(place, 1, 12);
	assert_true(indexer_step(&place->indexer) > 0);
	struct indexer_job *job = answer(place);
	assert_int_equal(job->cookie, 10);
	assert_false(job->found);
	indexer_job_free(job);
	job = answer(place);
	assert_int_equal(job->cookie, 11);
	assert_true(job->found);
	assert_int_equal(job->row.status, 0);
	assert_int_equal(job->row.places.size, 0);
	indexer_job_free(job);
	job = answer(place);
	assert_int_equal(job->cookie, 12);
	assert_int_equal(job->row.status, 2);
	assert_int_equal(job->row.tenant, TENANT);
	assert_int_equal(job->row.finished_ns, 1005);
	assert_true(bytes_equal(job->row.workflow, bytes_text("mail")));
	assert_true(bytes_equal(job->row.places, bytes_text("twelve bytes")));
	indexer_job_free(job);
	assert_null(indexer_pop(&place->indexer));
	assert_int_equal(indexer_applied(&place->indexer), 6);
	place_free(place);
}

static void
test_indexer__batches_by_time(void **state)
{
	struct place *place = place_new(true);
	(void)state;
	assert_true(indexer_step(&place->indexer) == UINT64_MAX);
	put(place, 1, "mail", 0, 5);
	uint64_t start_ns = io_mono_ns(place->env);
	assert_true(indexer_step(&place->indexer) == start_ns + INDEXER_BATCH_NS);
	sim_advance(place->env, 100 * NS_PER_MS);
	put(place, 2, "mail", 0, 6);
	assert_true(indexer_step(&place->indexer) == start_ns + INDEXER_BATCH_NS);
	assert_int_equal(indexer_applied(&place->indexer), 0);
	sim_advance(place->env, INDEXER_BATCH_NS - 100 * NS_PER_MS);
	assert_true(indexer_step(&place->indexer) == UINT64_MAX);
	assert_int_equal(indexer_applied(&place->indexer), 6);
	place_free(place);
}

/* `applied` may name a frame of which rows are missing still: they are put again. */
static void
test_indexer__a_frame_half_applied(void **state)
{
	struct place *place = place_new(true);
	(void)state;
	put(place, 1, "mail", 0, 7);
	ask_find(place, 1, 1);
	indexer_step(&place->indexer);
	indexer_job_free(answer(place));
	put(place, 2, "mail", 0, 7);
	assert_int_equal(indexer_applied(&place->indexer), 7);
	indexer_close(&place->indexer); /* the process dies: row 2 was never committed */
	place_open(place);
	assert_int_equal(place->applied, 7);
	put(place, 1, "mail", 0, 7);
	put(place, 2, "mail", 0, 7);
	ask_find(place, 2, 2);
	indexer_step(&place->indexer);
	struct indexer_job *job = answer(place);
	assert_true(job->found);
	indexer_job_free(job);
	place_free(place);
}

static void
touch(struct place *place, uint64_t number, const char *worker, enum eng_status status,
    uint64_t frame)
{
	assert_true(indexer_post(&place->indexer, indexer_touch_job(TENANT, number,
	    bytes_text(worker), indexer_kinds(status, false), frame)));
}

static void
list_expect(struct place *place, uint32_t statuses, uint64_t before, const char *workflow,
    const uint64_t *numbers)
{
	struct indexer_job *job = list_now(place, statuses, 100, before, workflow);
	assert_true(job->found);
	for (uint32_t i = 0; i < job->list->row_count; i++)
		assert_int_equal(job->list->rows[i].run.number, numbers[i]);
	assert_int_equal(numbers[job->list->row_count], 0);
	assert_int_equal(job->list->next, 0);
	indexer_job_free(job);
}

/* What open runs are at comes from memory, what closed ones ended as from their rows. */
static void
test_indexer__filters(void **state)
{
	struct place *place = place_new(true);
	(void)state;
	for (uint64_t i = 1; i <= 24; i++)
		put(place, i, i % 2 == 0 ? "mail" : "post", i % 3 == 0 ? 2 : 0, i);
	list_expect(place, 1u << 2, 0, "mail", (uint64_t[]){24, 18, 12, 6, 0});
	list_expect(place, 1u << 1, 0, "", (uint64_t[]){0}); /* none is RUNNING */
	touch(place, 4, "w", ENG_RUNNING, 25);
	touch(place, 5, "w", ENG_RUNNING, 25);
	list_expect(place, 1u << 1, 0, "", (uint64_t[]){5, 4, 0});
	list_expect(place, 1u << 1 | 1u << 2, 7, "mail", (uint64_t[]){6, 4, 0});
	list_expect(place, 1u << 0, 9, "", (uint64_t[]){8, 7, 2, 1, 0});
	list_expect(place, 1u << 3, 0, "", (uint64_t[]){0});
	put(place, 5, "post", 3, 26);
	list_expect(place, 1u << 1, 0, "", (uint64_t[]){4, 0});
	list_expect(place, 1u << 3, 0, "", (uint64_t[]){5, 0});
	list_expect(place, 0, 5, "", (uint64_t[]){4, 3, 2, 1, 0});
	ask_list(place, 0, 100, 0, "");
	struct indexer_job *other = indexer_list_job();
	other->list->filter.tenant = TENANT + 1;
	other->list->limit = 10;
	assert_true(indexer_post(&place->indexer, other));
	indexer_step(&place->indexer);
	indexer_job_free(answer(place));
	struct indexer_job *job = answer(place);
	assert_int_equal(job->list->row_count, 0);
	indexer_job_free(job);
	place_free(place);
}

/* A row says what its run was at when the question was answered. */
static void
test_indexer__rows_say_what_open_runs_are_at(void **state)
{
	struct place *place = place_new(true);
	(void)state;
	put(place, 1, "mail", 0, 1);
	put(place, 2, "mail", 0, 1);
	put(place, 3, "mail", 2, 1);
	touch(place, 1, "w-1", ENG_RUNNING, 2);
	touch(place, 2, "", ENG_EVICTED, 2); /* no worker got it */
	struct indexer_job *job = list_now(place, 0, 100, 0, "");
	assert_int_equal(job->list->row_count, 3);
	assert_int_equal(job->list->rows[0].kinds, 0);
	assert_int_equal(indexer_status(job->list->rows[1].kinds), ENG_EVICTED);
	assert_int_equal(indexer_status(job->list->rows[2].kinds), ENG_RUNNING);
	assert_int_equal(job->list->rows[1].run.workers.size, 0);
	assert_int_equal(job->list->rows[2].run.workers.size, 5);
	indexer_job_free(job);
	assert_true(
	    indexer_post(&place->indexer, indexer_drop_job(TENANT, 3, 4)));
	list_expect(place, 0, 0, "", (uint64_t[]){2, 1, 0});
	assert_int_equal(indexer_applied(&place->indexer), 4);
	place_free(place);
}

static struct indexer_entry *
rows_put(struct indexer_job *job, uint64_t number, uint8_t status)
{
	struct index_run row = row_of(number, "mail", status);
	return indexer_rows_put(job, &row, indexer_kinds((enum eng_status)status, false));
}

/* A frame's rows come at once, whatever room they take; who got a run that was put just before is
 * in its row. */
static void
test_indexer__rows_of_a_frame(void **state)
{
	struct place *place = place_new(true);
	struct indexer_job *rows = indexer_rows_job(3);
	uint32_t running = indexer_kinds(ENG_RUNNING, false);
	unsigned room = indexer_room(&place->indexer);
	(void)state;
	for (uint64_t i = 1; i <= 1000; i++) {
		rows_put(rows, i, 0);
		indexer_rows_touch(rows, TENANT, i, bytes_text("w-1"), running);
	}
	assert_int_equal(rows->count, 1000);
	indexer_rows_touch(rows, TENANT, 1000, bytes_text("w-2"), running); /* a second one */
	indexer_rows_touch(rows, TENANT, 7, bytes_text("w-2"), running);
	assert_int_equal(rows->count, 1002);
	rows_put(rows, 1000, 2);
	indexer_rows_touch(rows, TENANT, 1000, bytes_text("w-3"), 0); /* of one that has ended */
	assert_int_equal(rows->count, 1004);
	assert_int_equal(rows->closed, 1);
	assert_true(indexer_post(&place->indexer, rows));
	assert_int_equal(indexer_room(&place->indexer), room - 1004);
	struct indexer_job *job = list_now(place, 1u << 1, 1000, 8, "");
	assert_int_equal(indexer_room(&place->indexer), room);
	assert_int_equal(job->list->row_count, 7);
	assert_int_equal(job->list->rows[0].run.workers.size, 10); /* w-1, w-2 */
	assert_int_equal(job->list->rows[1].run.workers.size, 5);
	indexer_job_free(job);
	job = list_now(place, 1u << 2, 1000, 0, "");
	assert_int_equal(job->list->row_count, 1);
	assert_int_equal(job->list->rows[0].run.workers.size, 15);
	indexer_job_free(job);
	place_free(place);
}

/* More rows than there is room for wait, unless they are the only ones. */
static void
test_indexer__rows_without_room(void **state)
{
	struct place *place = place_new(true);
	struct indexer_job *more = indexer_rows_job(2), *many = indexer_rows_job(1);
	(void)state;
	for (uint64_t i = 1; i <= 2 * INDEXER_CAPACITY; i++)
		rows_put(many, i, 0);
	rows_put(more, 1, 2);
	assert_true(indexer_post(&place->indexer, many));
	assert_int_equal(indexer_room(&place->indexer), 0);
	assert_false(indexer_post(&place->indexer, more));
	ask_find(place, 1, 1); /* a question takes none of it */
	indexer_step(&place->indexer);
	indexer_job_free(answer(place));
	assert_true(indexer_post(&place->indexer, more));
	list_expect(place, 1u << 2, 0, "", (uint64_t[]){1, 0});
	place_free(place);
}

/* Closed runs go when their time has come, by the time of what comes after them. */
static void
test_indexer__expires(void **state)
{
	struct place *place = place_new(true);
	(void)state;
	indexer_keep(&place->indexer, 10000);
	for (uint64_t i = 1; i <= 20; i++)
		put(place, i, "mail", i % 4 == 0 ? 0 : 2, i); /* closed at i * 1000 + 5 */
	list_expect(place, 1u << 2, 6, "", (uint64_t[]){5, 3, 2, 1, 0});
	for (int i = 0; i < 10; i++) {
		indexer_step(&place->indexer);
		sim_advance(place->env, 100 * NS_PER_MS);
	}
	list_expect(place, 1u << 2, 13, "", (uint64_t[]){11, 10, 0});
	list_expect(place, 1u << 0, 13, "", (uint64_t[]){12, 8, 4, 0});
	put(place, 31, "mail", 0, 31);
	list_expect(place, 1u << 2, 13, "", (uint64_t[]){11, 10, 0}); /* a sweep a minute */
	sim_advance(place->env, 61 * NS_PER_S);
	for (int i = 0; i < 10; i++) {
		indexer_step(&place->indexer);
		sim_advance(place->env, 100 * NS_PER_MS);
	}
	list_expect(place, 1u << 2, 0, "", (uint64_t[]){0});
	place_free(place);
}

/* They also go when no row comes, as soon as it is told how late it is. */
static void
test_indexer__expires_at_rest(void **state)
{
	struct place *place = place_new(true);
	struct froe_fault fault;
	(void)state;
	assert_int_equal(io_open(place->env, &place->indexer.io, &fault), FROE_OK);
	indexer_keep(&place->indexer, 10000);
	for (uint64_t i = 1; i <= 5; i++)
		put(place, i, "mail", i == 4 ? 0 : 2, i); /* closed at i * 1000 + 5 */
	list_expect(place, 1u << 2, 6, "", (uint64_t[]){5, 3, 2, 1, 0});
	indexer_age(&place->indexer, 13500);
	uint64_t before_ns = io_mono_ns(place->env);
	io_step(place->indexer.io, UINT64_MAX); /* it is woken */
	assert_int_equal(io_mono_ns(place->env), before_ns);
	for (int i = 0; i < 10; i++) {
		indexer_step(&place->indexer);
		sim_advance(place->env, 100 * NS_PER_MS);
	}
	list_expect(place, 1u << 2, 6, "", (uint64_t[]){5, 0});
	list_expect(place, 1u << 0, 6, "", (uint64_t[]){4, 0});
	io_close(place->indexer.io);
	place_free(place);
}

/* Each row comes once, newest first, whatever the limit; the last page knows that it is. */
static void
test_indexer__cursors(void **state)
{
	struct place *place = place_new(true);
	static const uint32_t limits[] = {1, 7, 100, 333, 999, 1000};
	(void)state;
	for (uint64_t i = 1; i <= 999; i++)
		put(place, i, "mail", 2, i);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		uint64_t expected = 999, before = 0;
		do {
			struct indexer_job *job = list_now(place, 1u << 2, limits[i], before, "");
			struct indexer_list *list = job->list;
			assert_true(list->row_count > 0);
			for (uint32_t row = 0; row < list->row_count; row++)
				assert_int_equal(list->rows[row].run.number, expected--);
			before = list->next;
			indexer_job_free(job);
		} while (before != 0);
		assert_int_equal(expected, 0);
	}
	place_free(place);
}

static void
test_indexer__full_rings(void **state)
{
	struct place *place = place_new(true);
	uint64_t posted = 0, answered = 0;
	(void)state;
	struct indexer_job *job = NULL;
	for (;;) {
		job = indexer_job_new(INDEXER_FIND);
		job->row.id = uuid_of(1);
		job->cookie = posted;
		if (!indexer_post(&place->indexer, job))
			break;
		posted++;
	}
	assert_int_equal(indexer_room(&place->indexer), 0);
	indexer_step(&place->indexer);
	/* All are answered, or one waits for room in the other ring. */
	assert_true(indexer_post(&place->indexer, job));
	job->cookie = posted++;
	assert_true(indexer_step(&place->indexer) < UINT64_MAX);
	for (int i = 0; i < 3; i++) {
		while ((job = indexer_pop(&place->indexer)) != NULL) {
			assert_int_equal(job->cookie, answered++);
			indexer_job_free(job);
		}
		indexer_step(&place->indexer);
	}
	assert_int_equal(answered, posted);
	place_free(place);
}

/* Answers and questions that nobody takes any more are freed. */
static void
test_indexer__close_with_work_left(void **state)
{
	struct place *place = place_new(true);
	(void)state;
	put(place, 1, "mail", 2, 1);
	ask_list(place, 0, 10, 0, "mail");
	indexer_step(&place->indexer);
	ask_find(place, 1, 1);
	put(place, 2, "mail", 2, 2);
	place_free(place);
}

/* While no file may grow, rows are kept and the question waits; then it goes on by itself. */
static void
test_indexer__disk_full(void **state)
{
	struct place *place = place_new(true);
	struct rlimit old, small;
	uint64_t now_ns = io_mono_ns(place->env);
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint64_t i = 1; i <= 1000; i++)
		put(place, i, "mail", 2, i);
	ask_find(place, 500, 1);
	assert_true(indexer_step(&place->indexer) == now_ns + NS_PER_S);
	put(place, 1001, "mail", 2, 1001);
	assert_true(indexer_step(&place->indexer) == now_ns + NS_PER_S);
	assert_null(indexer_pop(&place->indexer));
	assert_int_equal(indexer_applied(&place->indexer), 0);
	sim_advance(place->env, NS_PER_S);
	assert_true(indexer_step(&place->indexer) == now_ns + 2 * NS_PER_S);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	sim_advance(place->env, NS_PER_S);
	indexer_step(&place->indexer);
	struct indexer_job *job = answer(place);
	assert_true(job->found);
	assert_int_equal(indexer_applied(&place->indexer), 1000);
	indexer_job_free(job);
	job = list_now(place, 0, 1, 0, "");
	assert_int_equal(job->list->rows[0].run.number, 1001);
	indexer_job_free(job);
	place_free(place);
}

/* ------------------------------------------------------------------------------- as a thread */

static void
thread_start(struct place *place)
{
	struct froe_fault fault;
	if (indexer_start(&place->indexer, place->hot_io, &fault) != FROE_OK)
		fail_msg("%s", fault.text);
}

static struct indexer_job *
answer_wait(struct place *place)
{
	struct indexer_job *job;
	while ((job = indexer_pop(&place->indexer)) == NULL)
		io_step(place->hot_io, io_mono_ns(place->env) + 10 * NS_PER_S);
	return job;
}

static void
test_indexer__thread_answers_in_order(void **state)
{
	struct place *place = place_new(false);
	uint64_t asked = 0, answered = 0, rows = 0, seed = 7;
	(void)state;
	thread_start(place);
	while (answered < 300) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		for (uint64_t i = seed >> 60; i > 0; i--) {
			rows++;
			put(place, rows, "mail", 2, rows);
		}
		if (asked < 300) {
			ask_find(place, rows != 0 ? rows : 1, asked << 32 | rows);
			asked++;
		}
		struct indexer_job *job;
		while ((job = indexer_pop(&place->indexer)) != NULL || asked == 300) {
			if (job == NULL && answered < 300)
				job = answer_wait(place);
			if (job == NULL)
				break;
			assert_int_equal(job->cookie >> 32, answered++);
			assert_int_equal(job->found, (job->cookie & UINT32_MAX) != 0);
			if (job->found)
				assert_int_equal(job->row.number, job->cookie & UINT32_MAX);
			assert_true(indexer_applied(&place->indexer) >=
			    (job->cookie & UINT32_MAX));
			indexer_job_free(job);
		}
	}
	indexer_stop(&place->indexer);
	place_free(place);
}

/* Rows alone: nobody asks, and they are in the index before long, or when it stops. */
static void
test_indexer__thread_applies_without_questions(void **state)
{
	struct place *place = place_new(false);
	(void)state;
	thread_start(place);
	for (uint64_t i = 1; i <= 40000; i++) {
		while (indexer_room(&place->indexer) == 0)
			io_step(place->hot_io, io_mono_ns(place->env) + NS_PER_MS);
		put(place, i, "mail", 2, i);
	}
	while (indexer_applied(&place->indexer) < 40000)
		io_step(place->hot_io, io_mono_ns(place->env) + NS_PER_MS);
	put(place, 40001, "mail", 2, 40001);
	while (indexer_applied(&place->indexer) < 40001)
		io_step(place->hot_io, io_mono_ns(place->env) + NS_PER_MS);
	put(place, 40002, "mail", 2, 40002);
	indexer_stop(&place->indexer);
	assert_int_equal(indexer_applied(&place->indexer), 40002);
	indexer_close(&place->indexer);
	place_open(place);
	assert_int_equal(place->applied, 40002);
	place_free(place);
}

/* A row right after the thread has looked: no wake-up is lost (each round is one question that
 * finds the row posted by the round before, which nobody has asked about). */
static void
test_indexer__thread_loses_no_wake(void **state)
{
	struct place *place = place_new(false);
	(void)state;
	thread_start(place);
	for (uint64_t i = 1; i <= 200; i++) {
		ask_find(place, i, i);
		put(place, i, "mail", 0, i);
		struct indexer_job *job = answer_wait(place);
		assert_false(job->found);
		indexer_job_free(job);
		if (i % 20 != 0)
			continue;
		while (indexer_applied(&place->indexer) < i)
			io_step(place->hot_io, io_mono_ns(place->env) + NS_PER_MS);
	}
	indexer_stop(&place->indexer);
	place_free(place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_indexer__find_sees_what_was_put_before),
	    cmocka_unit_test(test_indexer__batches_by_time),
	    cmocka_unit_test(test_indexer__a_frame_half_applied),
	    cmocka_unit_test(test_indexer__filters),
	    cmocka_unit_test(test_indexer__rows_say_what_open_runs_are_at),
	    cmocka_unit_test(test_indexer__rows_of_a_frame),
	    cmocka_unit_test(test_indexer__rows_without_room),
	    cmocka_unit_test(test_indexer__expires),
	    cmocka_unit_test(test_indexer__expires_at_rest),
	    cmocka_unit_test(test_indexer__cursors),
	    cmocka_unit_test(test_indexer__full_rings),
	    cmocka_unit_test(test_indexer__close_with_work_left),
	    cmocka_unit_test(test_indexer__disk_full),
	    cmocka_unit_test(test_indexer__thread_answers_in_order),
	    cmocka_unit_test(test_indexer__thread_applies_without_questions),
	    cmocka_unit_test(test_indexer__thread_loses_no_wake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
