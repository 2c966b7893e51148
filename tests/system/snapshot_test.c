/*
 * A server with small segments makes snapshots while it serves; killed, it starts from one, and
 * its runs go on; with damaged ones it starts from what is left.
 */
#include "system/system.h"

#include "system/echo.h"

#include <dirent.h>
#include <limits.h>

#define RUNS 300u
#define PAD 16000

static void
await_snapshots(const struct server *server, uint64_t count)
{
	uint64_t until_ms = now_ms() + 20000;
	while (server_metric(server, "froe_snapshots_total") < count) {
		assert_true(now_ms() < until_ms);
		sleep_ms(20);
	}
	uint64_t durable = server_metric(server, "froe_log_durable_frame");
	while (server_metric(server, "froe_index_applied_frame") < durable) {
		assert_true(now_ms() < until_ms);
		sleep_ms(20);
	}
	assert_int_equal(server_metric(server, "froe_state_differs"), 0);
	assert_int_equal(server_metric(server, "froe_snapshots_failed_total"), 0);
}

static char *
input_of(unsigned number, char *to)
{
	sprintf(to, "{\"n\":%u,\"pad\":\"%0*u\"}", number, PAD, number);
	return to;
}

static void
expect_run(struct froe_client *client, struct froe_id run, unsigned number)
{
	static char input[PAD + 64];
	expect_result(client, run, input_of(number, input));
}

/* Starts them; a third is left for a worker that comes later. */
static void
load(const struct server *server, struct froe_id *runs)
{
	static char input[PAD + 64];
	struct worker worker;
	struct froe_token token;
	struct froe_error error;
	const char *role = "client", *actions[] = {"orders:*", "mail:send"};
	struct froe_token_options options = {.name = "kept", .roles = &role, .role_count = 1,
	    .actions = actions, .action_count = 2};
	worker_open(&worker, server, NULL, &echoes, 8);
	CALL(froe_token_create(worker.client, &options, -1, &token, &error), error);
	for (unsigned i = 0; i < RUNS; i++) {
		if (i == RUNS * 2 / 3) {
			for (unsigned j = 0; j < i; j++)
				expect_run(worker.client, runs[j], j);
			worker_close(&worker);
			worker.client = client_open(server, NULL);
		}
		runs[i] = start_run(worker.client, "echo", input_of(i, input));
	}
	froe_client_close(worker.client);
}

static int
is_snapshot(const struct dirent *entry)
{
	size_t size = strlen(entry->d_name);
	return size > 5 && strcmp(entry->d_name + size - 5, ".snap") == 0;
}

/* Damages the newest ones, `wanted` at most; returns the newest one's number. */
static uint64_t
damage(const struct server *server, unsigned wanted)
{
	static const char garbage[] = "garbage, not a row";
	char dir[512], path[800];
	struct dirent **names;
	struct stat stat;
	uint64_t newest = 0;
	snprintf(dir, sizeof(dir), "%s/shard-0000/ckpt", server->dir);
	int count = scandir(dir, &names, is_snapshot, alphasort);
	assert_true(count > 0);
	for (int i = count; i-- > 0;) {
		if ((unsigned)(count - i) <= wanted) {
			snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			int fd = open(path, O_WRONLY | O_CLOEXEC);
			assert_true(fd >= 0);
			assert_int_equal(fstat(fd, &stat), 0);
			assert_true(pwrite(fd, garbage, sizeof(garbage), stat.st_size / 2) > 0);
			close(fd);
		}
		if (i == count - 1)
			newest = strtoull(names[i]->d_name, NULL, 16);
		free(names[i]);
	}
	free(names);
	return newest;
}

static int
verify(const struct server *server)
{
	char command[512];
	snprintf(command, sizeof(command), "%s log verify --data %s%s", server_binary(),
	    server->dir, getenv("FROE_VERBOSE") == NULL ? " >/dev/null 2>&1" : "");
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
server_small(struct server *server)
{
	server_init(server);
	server->extra[0] = "--segment-bytes";
	server->extra[1] = "1048576";
}

static void
test_snapshot__runs_go_on(void **state)
{
	static struct froe_id runs[RUNS];
	struct server server;
	struct worker worker;
	(void)state;
	server_small(&server);
	server_start(&server);
	load(&server, runs);
	await_snapshots(&server, 2); /* each waits for the index: a quick load has no more */
	assert_true(server_metric(&server, "froe_snapshots_compared_total") > 0);
	server_restart(&server);
	assert_true(server_metric(&server, "froe_recovery_snapshot") > 0);
	assert_true(server_metric(&server, "froe_recovery_records") < RUNS * 4);
	struct froe_client *client = client_open(&server, NULL);
	expect_run(client, runs[0], 0); /* closed long ago: its places are in the index */
	worker_open(&worker, &server, NULL, &echoes, 8);
	for (unsigned i = RUNS * 2 / 3; i < RUNS; i++) /* their inputs lie before the snapshot */
		expect_run(client, runs[i], i);
	await_snapshots(&server, 1);
	server_restart(&server);
	expect_run(client, runs[RUNS - 1], RUNS - 1);
	worker_close(&worker);
	froe_client_close(client);
	server_end(&server, SIGKILL);
	assert_int_equal(verify(&server), 0);
	server_release(&server);
}

static void
test_snapshot__damaged(void **state)
{
	static struct froe_id runs[RUNS];
	struct server server;
	struct worker worker;
	(void)state;
	server_small(&server);
	server_start(&server);
	load(&server, runs);
	await_snapshots(&server, 2);
	server_end(&server, SIGKILL);
	uint64_t newest = damage(&server, 1);
	assert_int_equal(verify(&server), 65);
	server_start(&server);
	uint64_t older = server_metric(&server, "froe_recovery_snapshot");
	assert_true(older > 0 && older < newest);
	server_end(&server, SIGKILL);
	damage(&server, UINT_MAX);
	server_start(&server); /* the whole log is there */
	assert_int_equal(server_metric(&server, "froe_recovery_snapshot"), 0);
	worker_open(&worker, &server, NULL, &echoes, 8);
	for (unsigned i = RUNS * 2 / 3; i < RUNS; i++)
		expect_run(worker.client, runs[i], i);
	await_snapshots(&server, 1); /* and another one is made */
	worker_close(&worker);
	server_restart(&server);
	assert_true(server_metric(&server, "froe_recovery_snapshot") > 0);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_snapshot__runs_go_on),
	    cmocka_unit_test(test_snapshot__damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
