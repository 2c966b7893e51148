/*
 * A server with a retention of a second and small segments: the log turns over under load and
 * kill -9, a run that sleeps meanwhile is whole at its end, and what is past retention says so.
 * When there is no load any more, what was left of it goes, too, and then nothing happens at all.
 */
#include "system/system.h"

#include "system/echo.h"

#include <dirent.h>

#define PAYLOAD_BYTES 20000u

struct gate {
	atomic_int open;
	atomic_int started;
};

static enum froe_err
wait_at_gate(struct froe_task *task, void *context)
{
	struct gate *gate = context;
	struct froe_bytes input = froe_task_input(task);
	atomic_fetch_add(&gate->started, 1);
	while (atomic_load(&gate->open) == 0)
		sleep_ms(5);
	return froe_task_output(task, input.data, input.size, NULL);
}

static unsigned
segments_there(const struct server *server)
{
	char path[400];
	unsigned count = 0;
	struct dirent *entry;
	snprintf(path, sizeof(path), "%s/shard-0000/log", server->dir);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += strstr(entry->d_name, ".seg") != NULL;
	closedir(dir);
	return count;
}

static char *
payload(unsigned number)
{
	static char text[PAYLOAD_BYTES + 64];
	int head = snprintf(text, sizeof(text), "{\"n\":%u,\"pad\":\"", number);
	memset(text + head, 'a' + (int)(number % 26), PAYLOAD_BYTES);
	memcpy(text + head + PAYLOAD_BYTES, "\"}", 3);
	return text;
}

static struct froe_id
turn_over(struct froe_client *client, unsigned runs)
{
	struct froe_id first = {0};
	for (unsigned i = 0; i < runs; i++) {
		struct froe_id run = start_run(client, "echo", payload(i));
		if (i == 0)
			first = run;
		froe_event_free(await_run(client, run));
	}
	return first;
}

/* Runs go on, as otherwise no segment is sealed, until the log begins behind `oldest`. */
static void
turn_until(struct server *server, struct froe_client *client, uint64_t oldest)
{
	uint64_t end_ms = now_ms() + 200000; /* it yields to all others */
	while (server_metric(server, "froe_log_segment_oldest") <= oldest) {
		assert_true(now_ms() < end_ms);
		turn_over(client, 20);
		sleep_ms(100);
	}
}

static void
expect_sleeper(struct froe_client *client, struct froe_id run, const char *input, bool ended)
{
	struct froe_run_view *view = get_run(client, run);
	assert_int_equal(view->input.size, strlen(input));
	assert_memory_equal(view->input.data, input, view->input.size);
	assert_int_equal(view->status == FROE_RUN_COMPLETED, ended);
	froe_run_view_free(view);
}

static void
expect_gone(struct froe_client *client, struct froe_id run)
{
	struct froe_run_view *view;
	struct froe_error error;
	assert_int_equal(
	    froe_run_get(client, run, true, 30000, &view, &error), FROE_NOT_FOUND);
}

static int
verify(const struct server *server)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execl(server_binary(), server_binary(), "log", "verify", "--data", server->dir,
		    NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* One bit of the first record of the first cold file there is. */
static void
damage_cold(const struct server *server)
{
	char path[700];
	struct dirent *entry;
	snprintf(path, sizeof(path), "%s/shard-0000/cold", server->dir);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL && strstr(entry->d_name, ".seg") == NULL)
		;
	assert_non_null(entry);
	snprintf(path + strlen(path), 300, "/%s", entry->d_name);
	closedir(dir);
	FILE *file = fopen(path, "r+e");
	assert_non_null(file);
	assert_int_equal(fseek(file, 8192 + 2500, SEEK_SET), 0);
	int byte = fgetc(file);
	assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
	assert_int_equal(fputc(byte ^ 4, file), byte ^ 4);
	assert_int_equal(fclose(file), 0);
}

static void
test_retention__a_sleeper_and_a_turning_log(void **state)
{
	struct gate gate = {0};
	struct froe_task_def sleeps = {
	    .name = "sleeps", .handler = wait_at_gate, .context = &gate};
	struct froe_workflow sleeper = {.name = "sleeper", .tasks = &sleeps, .task_count = 1};
	struct server server;
	struct worker one, two;
	(void)state;
	server_init(&server);
	const char *extra[] = {
	    "--segment-bytes", "1048576", "--retention", "1s", "--cache-bytes", "0"};
	memcpy(server.extra, extra, sizeof(extra));
	server_start(&server);
	worker_open(&one, &server, NULL, &sleeper, 1);
	worker_open(&two, &server, NULL, &echoes, 4);
	struct froe_client *client = client_open(&server, NULL);
	char input[128];
	snprintf(input, sizeof(input), "{\"sleeps\":\"for long\"}");
	struct froe_id run = start_run(client, "sleeper", input);
	while (atomic_load(&gate.started) == 0)
		sleep_ms(5);
	struct froe_id old = turn_over(client, 100);
	for (unsigned i = 0; i < 2; i++) {
		turn_until(&server, client, 3 + 5 * i);
		expect_sleeper(client, run, input, false);
		server_restart(&server);
		expect_sleeper(client, run, input, false);
	}
	expect_gone(client, old);
	assert_true(server_metric(&server, "froe_cold_files") >= 1);
	assert_true(server_metric(&server, "froe_disk_free_bytes") > 0);
	uint64_t end_ms = now_ms() + 60000; /* housekeeping yields to all others */
	while (segments_there(&server) > 60 && now_ms() < end_ms)
		sleep_ms(100);
	assert_in_range(segments_there(&server), 2, 60);
	atomic_store(&gate.open, 1);
	expect_result(client, run, input);
	expect_sleeper(client, run, input, true);
	server_restart(&server);
	froe_client_close(client);
	worker_close(&one);
	worker_close(&two);
	server_end(&server, SIGTERM);
	assert_int_equal(verify(&server), 0);
	damage_cold(&server);
	assert_int_equal(verify(&server), 65);
	server_release(&server);
}

/* ---------------------------------------------------------------------------------- an idle one */

/* The number of the older snapshot: segments up to it may be given up. */
static uint64_t
snapshot_before(const struct server *server)
{
	char path[400];
	uint64_t lowest = UINT64_MAX;
	struct dirent *entry;
	snprintf(path, sizeof(path), "%s/shard-0000/ckpt", server->dir);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char *end;
		uint64_t number = strtoull(entry->d_name, &end, 16);
		if (strcmp(end, ".snap") == 0 && number < lowest)
			lowest = number;
	}
	closedir(dir);
	return lowest;
}

static uint64_t written; /* of all files looked at: when they were written last, their sizes */

static int
look_at(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	uint64_t words[] = {(uint64_t)stat->st_mtim.tv_sec, (uint64_t)stat->st_mtim.tv_nsec,
	    (uint64_t)stat->st_size, (uint64_t)stat->st_ino};
	(void)path;
	(void)ftw;
	for (size_t i = 0; kind == FTW_F && i < sizeof(words) / sizeof(words[0]); i++)
		written = (written ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return 0;
}

/* Of the shard's files: what is different when one of them was written, came or went. */
static uint64_t
look(const struct server *server)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/shard-0000", server->dir);
	written = 0;
	assert_int_equal(nftw(path, look_at, 16, FTW_PHYS), 0);
	return written;
}

static void
await_rest(const struct server *server)
{
	uint64_t end_ms = now_ms() + 60000, before = look(server), now;
	for (sleep_ms(1000); (now = look(server)) != before; sleep_ms(1000)) {
		before = now;
		assert_true(now_ms() < end_ms);
	}
}

static void
test_retention__an_idle_server(void **state)
{
	struct server server;
	struct worker worker;
	(void)state;
	server_init(&server);
	const char *extra[] = {"--segment-bytes", "1048576", "--retention", "1s"};
	memcpy(server.extra, extra, sizeof(extra));
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 4);
	struct froe_client *client = client_open(&server, NULL);
	turn_over(client, 300);
	uint64_t frames = server_metric(&server, "froe_log_frames_total");
	uint64_t end_ms = now_ms() + 60000;
	while (server_metric(&server, "froe_log_segment_oldest") != snapshot_before(&server) + 1) {
		assert_true(now_ms() < end_ms);
		sleep_ms(50);
	}
	await_rest(&server);
	uint64_t rest = look(&server);
	sleep_ms(3000); /* three times the retention */
	assert_int_equal(look(&server), rest);
	assert_int_equal(server_metric(&server, "froe_log_frames_total"), frames);
	froe_client_close(client);
	worker_close(&worker);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_retention__a_sleeper_and_a_turning_log),
	    cmocka_unit_test(test_retention__an_idle_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
