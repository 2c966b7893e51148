/*
 * The index made anew from the log's files, against the one that the live feed had made: row by row
 * the same; while it is under way, beside a live feed; when it is lost while we serve.
 */
#include "server_hub_world.h"

#include "index/texts.h"
#include "server/snapshotter.h"

#define TENANT 1u

/* --------------------------------------------------------------------------------------- rows */

struct dump {
	struct buf text;
	uint32_t rows;
	uint32_t open;
	uint32_t touched;
};

static bool
dump_each(void *context, const struct index_run *run)
{
	struct dump *dump = context;
	char id[UUID_TEXT_SIZE], parent[UUID_TEXT_SIZE];
	uint32_t workers;
	uuid_format(run->id, id);
	uuid_format(run->parent, parent);
	assert_true(texts_good(run->workers, &workers));
	buf_printf(&dump->text, "%llu seq %u %s %s status %u %llu..%llu %.*s workers %u ",
	    (unsigned long long)run->number, run->seq, id, parent, run->status,
	    (unsigned long long)run->created_ns, (unsigned long long)run->finished_ns,
	    (int)run->workflow.size, (const char *)run->workflow.data, workers);
	buf_push(&dump->text, run->metadata.data, run->metadata.size);
	buf_push(&dump->text, run->workers.data, run->workers.size);
	buf_push(&dump->text, run->places.data, run->places.size);
	buf_push_text(&dump->text, "\n");
	dump->rows++;
	dump->open += run->finished_ns == 0 ? 1 : 0;
	dump->touched += workers;
	return true;
}

static struct dump
dump_make(struct world *world)
{
	struct index_filter filter = {.tenant = TENANT};
	struct dump dump = {0};
	uint64_t next;
	buf_init(&dump.text);
	assert_int_equal(
	    index_list(world->indexer.index, &filter, dump_each, &dump, &next), FROE_OK);
	index_check(world->indexer.index);
	return dump;
}

static void
dump_assert_equal(struct dump *a, struct dump *b)
{
	assert_int_equal(a->rows, b->rows);
	assert_true(bytes_equal(buf_bytes(&a->text), buf_bytes(&b->text)));
	buf_release(&a->text);
	buf_release(&b->text);
}

/* ---------------------------------------------------------------------------------- the scenes */

/* What is posted is in the index, and what it is at is known. */
static void
world_indexed(struct world *world)
{
	world_settle(world);
	uint64_t request = say_list(world, CLIENT, 0, 1, 0, 0);
	message_done(hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_RUN_PAGE));
	world_settle(world);
}

static struct uuid
start_with_metadata(struct world *world, unsigned i, struct bytes input)
{
	char value[16];
	snprintf(value, sizeof(value), "%u", i % 3);
	struct bytes texts[] = {bytes_text("third"), bytes_text(value)};
	struct eng_command engine = {
	    .type = ENG_CMD_RUN_START,
	    .run_start =
	        {
	            .workflow = bytes_text("mail"),
	            .input = input,
	            .metadata = texts,
	            .metadata_count = 2,
	        },
	};
	return hear_started(world, CLIENT, say_engine(world, CLIENT, &engine, false));
}

/* Ends of all kinds, retries, and some that stay open, over several segments. */
static void
world_live(struct world *world, unsigned count)
{
	struct bytes large = text_large(90000, 'x');
	for (unsigned i = 0; i < count; i++) {
		struct uuid run =
		    start_with_metadata(world, i, i % 3 == 0 ? large : bytes_text("{}"));
		if (i % 10 == 9)
			FROE_DROP(say_cancel(world, CLIENT, run), "its answer is not looked at");
		if (i % 10 == 9 || i % 10 == 8)
			continue; /* cancelled; or left to the next dispatch */
		struct eng_fence fence = hear_dispatch(world, WORKER);
		if (i % 4 == 1)
			say_fail(world, WORKER, fence, "no luck");
		else if (i % 10 != 7)
			say_complete(world, WORKER, fence, bytes_text("\"done\""));
	}
	world_indexed(world);
	mem_free((void *)(uintptr_t)large.data);
}

static void
index_lose(struct world *world)
{
	struct froe_fault fault;
	assert_int_equal(index_delete(world->index, &fault), FROE_OK);
}

static void
world_again(struct world *world)
{
	world_forget(world);
	world->promise_count = 0;
	world_start(world);
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, WINDOW);
}

static void
test_rebuild__same_rows(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 200);
	world_live(world, 180);
	assert_true((log_durable_lsn(world->shard.log).v >> 32) >= 2); /* more than a segment */
	struct dump live = dump_make(world);
	assert_int_equal(live.rows, 180);
	assert_true(live.open > 10 && live.open < 100 && live.touched > 60);
	for (int crash = 0; crash < 2; crash++) {
		world_stop(world);
		index_lose(world);
		if (crash != 0)
			sim_crash(world->env);
		world_again(world);
		assert_int_equal(world->index_applied, 0);
		assert_true(list_empty(&world->hub.backlog)); /* nothing of it is in memory */
		world_indexed(world);
		struct dump again = dump_make(world), before = dump_make(world);
		if (crash == 0)
			dump_assert_equal(&live, &again);
		else
			assert_int_equal(again.rows, 180);
		if (crash != 0) {
			buf_release(&live.text);
			buf_release(&again.text);
		}
		live = before;
	}
	buf_release(&live.text);
	world_close(world);
}

/* Started again without its index, of which three slices are made anew. */
static void
world_half_rebuilt(struct world *world)
{
	world_settle(world);
	world_stop(world);
	index_lose(world);
	world->index_stuck = true;
	world_again(world);
	for (int i = 0; i < 3; i++)
		indexer_step(&world->indexer);
}

/* Step by step: ids first, lists when it is done, and what happens meanwhile beside it. */
static void
test_rebuild__while_we_serve(void **state)
{
	struct world *world = world_open(1 << 20);
	struct uuid runs[40];
	struct bytes large = text_large(200000, 'y');
	(void)state;
	world_mail(world, 2);
	for (unsigned i = 0; i < 40; i++) {
		runs[i] = start_with_metadata(world, i, large);
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
	}
	world_half_rebuilt(world);
	uint64_t frame, until;
	assert_true(indexer_behind(&world->indexer, &frame, &until));
	assert_true(frame > 0 && frame < until);
	/* The engine remembers ids for a day: it is the index's answer that is looked at. */
	struct indexer_job *job = indexer_job_new(INDEXER_FIND);
	job->row.id = runs[0];
	assert_true(indexer_post(&world->indexer, job));
	job = indexer_job_new(INDEXER_FIND);
	job->row.id = runs[39];
	assert_true(indexer_post(&world->indexer, job));
	assert_int_equal(indexer_step(&world->indexer), 0);
	job = indexer_pop(&world->indexer);
	assert_true(job->found && !job->behind);
	indexer_job_free(job);
	assert_null(indexer_pop(&world->indexer)); /* the other waits for the end */
	/* A list waits; one run comes beside, another is dropped. */
	uint64_t list = say_list(world, CLIENT, 0, 100, 0, 0);
	assert_true(indexer_post(&world->indexer,
	    indexer_drop_job(TENANT, 40, log_durable_seq(world->shard.log))));
	world_step(world, NS_PER_MS);
	indexer_step(&world->indexer);
	assert_null(heard(world, CLIENT, list, FROE__ENVELOPE__BODY_RUN_PAGE));
	world->index_stuck = false;
	uint64_t start = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	hear_started(world, CLIENT, start);
	Froe__RunPage *page = hear_body(world, CLIENT, list, FROE__ENVELOPE__BODY_RUN_PAGE);
	assert_true(page->n_rows >= 39);
	message_done(page);
	world_indexed(world);
	struct dump dump = dump_make(world);
	assert_int_equal(dump.rows, 40); /* 40, one dropped, one new */
	assert_false(indexer_behind(&world->indexer, &frame, &until));
	buf_release(&dump.text);
	world_close(world);
	mem_free((void *)(uintptr_t)large.data);
}

/* A run whose beginning the rebuild has come to, but not its end, is not answered yet: it would
 * have no records. */
static void
test_rebuild__end_is_still_to_come(void **state)
{
	struct world *world = world_open(1 << 20);
	struct bytes large = text_large(200000, 'y');
	uint64_t frame, until;
	(void)state;
	world_mail(world, 2);
	struct uuid first = start_with_metadata(world, 0, bytes_text("{}"));
	struct eng_fence fence = hear_dispatch(world, WORKER);
	for (unsigned i = 0; i < 40; i++) {
		start_with_metadata(world, i, large);
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
	}
	say_complete(world, WORKER, fence, bytes_text("\"late\""));
	world_half_rebuilt(world);
	assert_true(indexer_behind(&world->indexer, &frame, &until));
	struct indexer_job *job = indexer_job_new(INDEXER_FIND);
	job->row.id = first;
	assert_true(indexer_post(&world->indexer, job));
	assert_int_equal(indexer_step(&world->indexer), 0);
	job = indexer_pop(&world->indexer);
	assert_null(job);
	for (int i = 0; job == NULL && i < 1000; i++) {
		indexer_step(&world->indexer);
		job = indexer_pop(&world->indexer);
	}
	assert_non_null(job);
	assert_true(job->found && !job->behind && job->row.finished_ns != 0);
	assert_true(job->row.places.size > 0);
	indexer_job_free(job);
	world->index_stuck = false;
	world_close(world);
	mem_free((void *)(uintptr_t)large.data);
}

/* It takes longer than a list waits. */
static void
test_rebuild__lists_are_behind(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 2);
	world_live(world, 30);
	world_stop(world);
	index_lose(world);
	world->index_stuck = true;
	world_again(world);
	uint64_t list = say_list(world, CLIENT, 0, 100, 0, 0);
	world_settle(world);
	sim_advance(world->env, 1100 * NS_PER_MS);
	Froe__Error *error = hear_body(world, CLIENT, list, FROE__ENVELOPE__BODY_ERROR);
	assert_int_equal(error->code, FROE_INDEX_BEHIND);
	assert_non_null(strstr(error->text, "made anew from the log"));
	message_done(error);
	world->index_stuck = false;
	world_indexed(world);
	world_close(world);
}

/* The directory is deleted under the running server; it goes on, and nothing is missing after. */
static void
test_rebuild__deleted_while_we_serve(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 200);
	world_live(world, 50);
	struct dump before = dump_make(world);
	index_lose(world);
	uint64_t start = say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	hear_started(world, CLIENT, start);
	world_indexed(world);
	struct dump after = dump_make(world);
	assert_int_equal(after.rows, before.rows + 1);
	/* Newest first: all but the first line is as it was. */
	const uint8_t *line = memchr(after.text.data, '\n', buf_used(&after.text));
	size_t size = buf_used(&after.text) - (size_t)(line + 1 - after.text.data);
	assert_true(bytes_equal(bytes_of(line + 1, size), buf_bytes(&before.text)));
	buf_release(&before.text);
	buf_release(&after.text);
	assert_true(indexer_applied(&world->indexer) > 0);
	world_stop(world);
	world_again(world); /* and it is complete: nothing is made anew */
	assert_true(world->index_applied > 0);
	world_close(world);
}

/* A log that cannot be read is tried again, and lists say so; then it can. */
static void
test_rebuild__log_unreadable_for_a_while(void **state)
{
	struct world *world = world_open(1 << 20);
	struct froe_fault fault;
	uint64_t frame, until;
	(void)state;
	world_mail(world, 200);
	world_live(world, 40);
	world_stop(world);
	index_lose(world);
	world_again(world);
	assert_int_equal(io_path_rename(world->env, "/data/shard-0000/log/0000000000000001.seg",
	    "/data/shard-0000/log/away", &fault), FROE_OK);
	for (int i = 0; i < 4; i++) {
		indexer_step(&world->indexer);
		sim_advance(world->env, INDEXER_BATCH_NS);
	}
	assert_true(indexer_behind(&world->indexer, &frame, &until));
	assert_int_equal(io_path_rename(world->env, "/data/shard-0000/log/away",
	    "/data/shard-0000/log/0000000000000001.seg", &fault), FROE_OK);
	sim_advance(world->env, NS_PER_S);
	world_indexed(world);
	assert_false(indexer_behind(&world->indexer, &frame, &until));
	struct dump dump = dump_make(world);
	assert_int_equal(dump.rows, 40);
	buf_release(&dump.text);
	world_close(world);
}

/* ------------------------------------------------------------------------------ a damaged log */

#define SEGMENT_1 "/data/shard-0000/log/0000000000000001.seg"
#define DAMAGED_RUNS 60u
#define INPUT_BYTES 100000u

struct damage {
	uint64_t offset;
	size_t size;
	uint8_t was[65536];
};

/* Of a log whose server is not running. */
static void
damage_make(struct world *world, struct damage *damage)
{
	static uint8_t with[sizeof(damage->was)];
	int file;
	assert_int_equal(
	    io_file_open(world->env, SEGMENT_1, IO_OPEN_READ, &file, NULL), FROE_OK);
	assert_int_equal(io_file_read(world->env, file, damage->was, damage->size,
	    damage->offset, NULL), FROE_OK);
	io_file_close(world->env, file);
	memset(with, 'x', sizeof(with));
	assert_int_equal(
	    sim_corrupt(world->env, SEGMENT_1, damage->offset, with, damage->size), FROE_OK);
}

static void
damage_mend(struct world *world, struct damage *damage)
{
	assert_int_equal(sim_corrupt(world->env, SEGMENT_1, damage->offset, damage->was,
	    damage->size), FROE_OK);
}

/* Begun again without its index, as often as it takes to be done with it. */
static void
world_rebuilt(struct world *world)
{
	uint64_t frame, until;
	world_again(world);
	for (int i = 0; indexer_behind(&world->indexer, &frame, &until); i++) {
		assert_true(i < 100);
		world_pass(world, 100);
	}
	world_indexed(world);
}

/* How many of the runs are found by the index; the others may have been damaged. */
static unsigned
runs_found(struct world *world, const struct uuid *runs, unsigned count)
{
	unsigned found = 0;
	for (unsigned i = 0; i < count; i++) {
		struct indexer_job *job = indexer_job_new(INDEXER_FIND);
		job->row.id = runs[i];
		assert_true(indexer_post(&world->indexer, job));
		indexer_step(&world->indexer);
		job = indexer_pop(&world->indexer);
		assert_false(job->behind);
		assert_true(job->found != job->damaged);
		assert_true(!job->found || job->row.finished_ns != 0);
		found += job->found ? 1 : 0;
		indexer_job_free(job);
	}
	return found;
}

/* What clients hear: the run with all it has, or that it is damaged. How many are whole. */
static unsigned
runs_whole(struct world *world, const struct uuid *runs, unsigned count)
{
	unsigned whole = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t get = say_of_run(world, CLIENT, API_OP_RUN_GET, runs[i], true, "");
		world_settle(world);
		struct message *message =
		    heard(world, CLIENT, get, FROE__ENVELOPE__BODY_RUN_VIEW);
		if (message == NULL) {
			assert_int_equal(hear_error(world, CLIENT, get), FROE_CORRUPT);
			continue;
		}
		Froe__RunView *view = message_body(message);
		assert_int_equal(view->status, FROE__RUN_STATUS__COMPLETED);
		assert_int_equal(view->input.len, INPUT_BYTES);
		message_done(view);
		whole++;
	}
	return whole;
}

static uint64_t
page_damages(struct world *world, size_t *ret_rows)
{
	uint64_t list = say_list(world, CLIENT, 0, 100, 0, 0);
	Froe__RunPage *page = hear_body(world, CLIENT, list, FROE__ENVELOPE__BODY_RUN_PAGE);
	uint64_t damages = page->damages;
	*ret_rows = page->n_rows;
	message_done(page);
	return damages;
}

/* Runs of two segments and more, in frames of their own, and their index is lost. */
static void
damage_scene(struct world *world, struct uuid *runs)
{
	struct bytes large = text_large(INPUT_BYTES, 'z');
	world_mail(world, 2);
	for (unsigned i = 0; i < DAMAGED_RUNS; i++) {
		runs[i] = start_with_metadata(world, i, large);
		say_complete(world, WORKER, hear_dispatch(world, WORKER), bytes_text("1"));
		world_settle(world);
	}
	assert_true(log_sealed(world->shard.log) >= 1);
	world_settle(world);
	world_stop(world);
	index_lose(world);
	mem_free((void *)(uintptr_t)large.data);
}

/* The start has a snapshot, so the damage is found by the rebuild alone. */
static void
snapshot_make(struct world *world)
{
	struct snapshotter_options options = {.log_bytes = 1, .quiet = true};
	struct snapshotter snapshotter;
	struct snapshotter_stats stats;
	world_start(world);
	snapshotter_init(&snapshotter, &world->shard, "/data", &options);
	while (snapshotter_step(&snapshotter))
		;
	snapshotter_stats(&snapshotter, &stats);
	assert_int_equal(stats.made, 1);
	snapshotter_release(&snapshotter);
	world_settle(world);
	world_stop(world);
	index_lose(world);
}

static void
damage_each(struct damage *damage)
{
	struct world *world = world_open(1 << 20);
	struct uuid runs[DAMAGED_RUNS];
	size_t rows;
	damage_scene(world, runs);
	snapshot_make(world);
	damage_make(world, damage);
	for (int start = 0; start < 2; start++) { /* it does not pass for a complete one */
		world_rebuilt(world);
		assert_true(world->shard.report.snapshot != 0);
		assert_int_equal(world->index_applied, 0);
		assert_true(indexer_damages(&world->indexer) > 0);
		unsigned found = runs_found(world, runs, DAMAGED_RUNS);
		assert_true(found < DAMAGED_RUNS || damage->size <= LOG_BLOCK_BYTES);
		assert_true(found >= DAMAGED_RUNS - 6 || damage->offset == 0);
		assert_true(found >= 10);
		unsigned whole = runs_whole(world, runs, DAMAGED_RUNS);
		assert_true(whole <= found && whole >= found - 1);
		assert_true(damage->offset == 2 * LOG_BLOCK_BYTES || whole < DAMAGED_RUNS);
		assert_true(page_damages(world, &rows) > 0);
		assert_int_equal(rows, found);
		world_settle(world);
		index_check(world->indexer.index);
		world_stop(world);
	}
	damage_mend(world, damage);
	world_rebuilt(world);
	assert_int_equal(indexer_damages(&world->indexer), 0);
	assert_int_equal(runs_found(world, runs, DAMAGED_RUNS), DAMAGED_RUNS);
	assert_int_equal(page_damages(world, &rows), 0);
	assert_int_equal(rows, DAMAGED_RUNS);
	world_close(world);
}

/* A block, several frames, a segment's header: what lies behind is found again. */
static void
test_rebuild__log_is_damaged(void **state)
{
	static struct damage damages[] = {
	    {.offset = 1 << 20, .size = 10},
	    {.offset = 1 << 20, .size = 65536},
	    {.offset = 2 * LOG_BLOCK_BYTES, .size = 512},
	    {.offset = 0, .size = 2 * LOG_BLOCK_BYTES},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
		damage_each(&damages[i]);
}

/* Each frame of a run in turn, its beginning, its middle, its end: a block of it. */
static void
test_rebuild__any_frame_is_damaged(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 30; i++) {
		struct damage damage = {
		    .offset = (1 << 20) + i * LOG_BLOCK_BYTES, .size = LOG_BLOCK_BYTES};
		damage_each(&damage);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rebuild__same_rows),
	    cmocka_unit_test(test_rebuild__while_we_serve),
	    cmocka_unit_test(test_rebuild__end_is_still_to_come),
	    cmocka_unit_test(test_rebuild__lists_are_behind),
	    cmocka_unit_test(test_rebuild__deleted_while_we_serve),
	    cmocka_unit_test(test_rebuild__log_unreadable_for_a_while),
	    cmocka_unit_test(test_rebuild__log_is_damaged),
	    cmocka_unit_test(test_rebuild__any_frame_is_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
