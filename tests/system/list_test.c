/*
 * Lists by what runs are, over a real server that is killed, and whose index is deleted: while it
 * is down, and while it serves.
 */
#include "system/system.h"

#define RUNS 60

static enum froe_err
some_fail(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	if (input.size > 0 && *(const char *)input.data == '0')
		return FROE_TASK_FAILED;
	return froe_task_output(task, input.data, input.size, NULL);
}

static const struct froe_task_def only = {.name = "only", .handler = some_fail};
static const struct froe_workflow workflows[] = {
    {.name = "even", .tasks = &only, .task_count = 1},
    {.name = "odd", .tasks = &only, .task_count = 1},
    {.name = "nobody", .tasks = &only, .task_count = 1},
};

/* Run i: workflow by parity, customer i % 5, fails if i is a multiple of 6. */
static struct froe_id
start_one(struct froe_client *client, unsigned i, const char *workflow)
{
	char customer[16];
	struct froe_error error;
	struct froe_started started;
	snprintf(customer, sizeof(customer), "%u", i % 5);
	struct froe_pair pairs[] = {{"customer", customer}, {"all", "yes"}};
	struct froe_run_options options = {
	    .workflow = workflow,
	    .input = {i % 6 == 0 ? "0" : "1", 1},
	    .metadata = pairs,
	    .metadata_count = 2,
	};
	if (froe_run_start(client, &options, 10000, &started, &error) != FROE_OK)
		fail_msg("%s", error.text);
	return started.run;
}

/* How many, over all pages; they are newest first. While the index is made anew it is asked
 * again. */
static unsigned
count_of(struct froe_client *client, struct froe_list_options options)
{
	unsigned count = 0, tries = 0;
	uint64_t last = UINT64_MAX;
	options.limit = 7;
	do {
		struct froe_run_page *page;
		struct froe_error error;
		enum froe_err err = froe_run_list(client, &options, 10000, &page, &error);
		if (err == FROE_INDEX_BEHIND && tries++ < 20) {
			assert_non_null(strstr(error.text, "frame"));
			sleep_ms(100);
			continue;
		}
		if (err != FROE_OK)
			fail_msg("%s", error.text);
		for (size_t i = 0; i < page->row_count; i++) {
			assert_true(page->rows[i].number < last);
			last = page->rows[i].number;
		}
		count += (unsigned)page->row_count;
		options.before = page->next;
		froe_run_page_free(page);
	} while (options.before != 0);
	return count;
}

static void
expect_lists(struct froe_client *client, uint64_t middle_ns, unsigned waiting)
{
	struct froe_pair pairs[] = {{"customer", "3"}, {"all", "yes"}, {"customer", "4"}};
	uint32_t failed = 1u << FROE_RUN_FAILED, completed = 1u << FROE_RUN_COMPLETED;
	uint32_t queued = 1u << FROE_RUN_QUEUED;
#define COUNT(...) count_of(client, (struct froe_list_options){__VA_ARGS__})
	assert_int_equal(COUNT(.limit = 0), RUNS + waiting);
	assert_int_equal(COUNT(.workflow = "odd"), RUNS / 2);
	assert_int_equal(COUNT(.workflow = "none of this name"), 0);
	assert_int_equal(COUNT(.statuses = failed), RUNS / 6);
	assert_int_equal(COUNT(.statuses = failed | completed), RUNS);
	assert_int_equal(COUNT(.statuses = queued), waiting);
	assert_int_equal(COUNT(.statuses = 1u << FROE_RUN_RUNNING), 0);
	assert_int_equal(COUNT(.statuses = failed, .workflow = "odd"), 0);
	assert_int_equal(COUNT(.metadata = pairs, .metadata_count = 2, .statuses = completed),
	    RUNS / 5 - RUNS / 30);
	assert_int_equal(COUNT(.metadata = pairs, .metadata_count = 3), 0);
	assert_int_equal(COUNT(.worker = "lister"), RUNS);
	assert_int_equal(COUNT(.worker = "another"), 0);
	assert_int_equal(COUNT(.since_ns = middle_ns), RUNS / 2 + waiting);
	assert_int_equal(COUNT(.until_ns = middle_ns, .workflow = "even"), RUNS / 4);
	assert_int_equal(COUNT(.scheduled = true), 0);
#undef COUNT
}

/* From the engine's state: what waits is counted, over all restarts. */
static void
expect_workflows(struct froe_client *client, unsigned waiting)
{
	struct froe_workflow_page *page;
	struct froe_workflow_view *view;
	struct froe_error error;
	uint32_t after = 0, count = 0;
	do {
		assert_int_equal(
		    froe_workflow_list(client, after, 2, 10000, &page, &error), FROE_OK);
		for (size_t i = 0; i < page->row_count; i++, count++) {
			const struct froe_workflow_row *row = &page->rows[i];
			bool nobody = strcmp(row->name, "nobody") == 0;
			assert_int_equal(row->version, 1);
			assert_int_equal(row->task_count, 1);
			assert_int_equal(row->open_runs, nobody ? waiting : 0);
		}
		after = page->next;
		froe_workflow_page_free(page);
	} while (after != 0);
	assert_int_equal(count, 3);
	assert_int_equal(froe_workflow_get(client, "odd", 0, 10000, &view, &error), FROE_OK);
	assert_string_equal(view->row.name, "odd");
	assert_int_equal(view->task_count, 1);
	assert_string_equal(view->tasks[0].action, "odd:only");
	froe_workflow_view_free(view);
	assert_int_equal(
	    froe_workflow_get(client, "odd", 2, 10000, &view, &error), FROE_NOT_FOUND);
	assert_int_equal(
	    froe_workflow_get(client, "none", 0, 10000, &view, &error), FROE_NOT_FOUND);
}

static struct froe_worker *
lister_open(struct froe_client *client)
{
	struct froe_worker_options options = {.name = "lister", .slots = 4};
	struct froe_worker *worker;
	struct froe_error error;
	assert_int_equal(froe_worker_open(client, &options, &worker, &error), FROE_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(froe_worker_workflow(worker, &workflows[i], &error), FROE_OK);
	assert_int_equal(froe_worker_start(worker, 10000, &error), FROE_OK);
	return worker;
}

/* Half of them, then a moment that is between; returns it. */
static uint64_t
run_all(struct froe_client *client)
{
	uint64_t middle_ns = 0;
	struct froe_id runs[RUNS];
	for (unsigned i = 0; i < RUNS; i++) {
		struct timespec now;
		if (i == RUNS / 2) {
			sleep_ms(20);
			clock_gettime(CLOCK_REALTIME, &now);
			middle_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
			sleep_ms(20);
		}
		runs[i] = start_one(client, i, i % 2 == 0 ? "even" : "odd");
	}
	for (unsigned i = 0; i < RUNS; i++) {
		struct froe_event *end;
		struct froe_error error;
		assert_int_equal(froe_run_await(client, runs[i], 10000, &end, &error), FROE_OK);
		froe_event_free(end);
	}
	return middle_ns;
}

static void
index_delete_files(const struct server *server)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/index", server->dir);
	remove_tree(path);
}

static void
test_list__killed_and_without_its_index(void **state)
{
	struct server server;
	struct froe_error error;
	struct froe_workflow_version version;
	unsigned waiting = 0;
	(void)state;
	server_init(&server);
	server_start(&server);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_worker *worker = lister_open(client);
	assert_int_equal(
	    froe_workflow_put(client, &workflows[2], 10000, &version, &error), FROE_OK);
	uint64_t middle_ns = run_all(client);
	expect_lists(client, middle_ns, waiting);
	for (int round = 0; round < 3; round++) {
		start_one(client, 1, "nobody");
		waiting++;
		server_end(&server, SIGKILL);
		if (round > 0)
			index_delete_files(&server);
		server_start(&server);
		expect_lists(client, middle_ns, waiting);
		expect_workflows(client, waiting);
	}
	index_delete_files(&server); /* under the running server */
	start_one(client, 1, "nobody");
	waiting++;
	expect_lists(client, middle_ns, waiting);
	sleep_ms(600);
	expect_lists(client, middle_ns, waiting);
	server_restart(&server);
	expect_lists(client, middle_ns, waiting);
	froe_worker_close(worker);
	froe_client_close(client);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_list__killed_and_without_its_index),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
