/*
 * A backup that is taken while runs start and end, of a server that is then killed: what was
 * acknowledged before it began is in it, and each run of it is as the original has it.
 */
#include "system/system.h"

#include "system/echo.h"

#include <pthread.h>

#define RUNS 400u

struct load {
	const struct server *server;
	struct froe_id runs[RUNS];
	atomic_uint started;
	atomic_bool stop;
};

static void *
load_run(void *context)
{
	struct load *load = context;
	struct froe_client *client = client_open(load->server, NULL);
	for (unsigned i = 0; i < RUNS && !atomic_load(&load->stop); i++) {
		char input[2048];
		snprintf(input, sizeof(input), "{\"n\":%u,\"pad\":\"%0*u\"}", i, 1000, i);
		load->runs[i] = start_run(client, "echo", input);
		atomic_store(&load->started, i + 1);
	}
	froe_client_close(client);
	return NULL;
}

/* Runs the froe command; its exit status. */
static int
froe(const char *const *arguments)
{
	const char *argv[16] = {server_binary()};
	int status;
	for (int i = 0; arguments[i] != NULL; i++)
		argv[i + 1] = arguments[i];
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (getenv("FROE_VERBOSE") == NULL) {
			assert_non_null(freopen("/dev/null", "w", stdout));
			assert_non_null(freopen("/dev/null", "w", stderr));
		}
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
#define FROE(...) froe((const char *const[]){__VA_ARGS__, NULL})

static void
same_run(struct froe_client *left, struct froe_client *right, struct froe_id run)
{
	struct froe_run_view *a = get_run(left, run), *b = get_run(right, run);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->task_count, b->task_count);
	assert_int_equal(a->input.size, b->input.size);
	assert_memory_equal(a->input.data, b->input.data, a->input.size);
	assert_int_equal(a->result.size, b->result.size);
	assert_memory_equal(a->result.data, b->result.data, a->result.size);
	froe_run_view_free(a);
	froe_run_view_free(b);
}

static void
paths_beside(const struct server *server, char *copy, char *restored, size_t size)
{
	snprintf(copy, size, "%s-copy", server->dir);
	snprintf(restored, size, "%s-new", server->dir);
}

static void
test_backup__under_load(void **state)
{
	struct server server, second;
	struct worker worker;
	struct load load = {.server = &server};
	char copy[300], restored[300];
	pthread_t thread;
	(void)state;
	server_init(&server);
	server_start(&server);
	paths_beside(&server, copy, restored, sizeof(copy));
	worker_open(&worker, &server, NULL, &echoes, 4);
	assert_int_equal(pthread_create(&thread, NULL, load_run, &load), 0);
	while (atomic_load(&load.started) < 50)
		sleep_ms(1);
	unsigned before = atomic_load(&load.started);
	assert_int_equal(FROE("backup", copy, "--data", server.dir), 0);
	unsigned after = atomic_load(&load.started);
	atomic_store(&load.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	worker_close(&worker);
	server_end(&server, SIGKILL);
	assert_int_equal(FROE("backup", copy, "--data", server.dir), 1); /* not empty */
	assert_int_equal(FROE("restore", "--from", copy, "--check"), 0);
	assert_int_equal(FROE("restore", "--from", copy, "--data", restored), 0);
	assert_int_equal(FROE("restore", "--from", copy, "--data", restored), 1);
	assert_int_equal(FROE("log", "verify", "--data", restored), 0);
	server_start(&server);
	server_init(&second);
	remove_tree(second.dir);
	snprintf(second.dir, sizeof(second.dir), "%s", restored);
	server_start(&second);
	/* The worker ends the original's open runs and the copy's. */
	struct worker other;
	worker_open(&worker, &server, NULL, &echoes, 4);
	worker_open(&other, &second, NULL, &echoes, 4);
	struct froe_client *left = client_open(&server, NULL);
	struct froe_client *right = client_open(&second, NULL);
	for (unsigned i = 0; i < before; i++) {
		froe_event_free(await_run(left, load.runs[i]));
		froe_event_free(await_run(right, load.runs[i]));
		same_run(left, right, load.runs[i]);
	}
	/* Of the later ones: a prefix, as one client started them one after the other. */
	bool gone = false;
	for (unsigned i = before; i < atomic_load(&load.started); i++) {
		struct froe_run_view *view;
		struct froe_error error;
		enum froe_err err = froe_run_get(right, load.runs[i], false, 30000, &view, &error);
		assert_true(err == FROE_OK || err == FROE_NOT_FOUND);
		if (err == FROE_OK) {
			assert_false(gone);
			assert_true(i <= after);
			froe_run_view_free(view);
		}
		gone = gone || err == FROE_NOT_FOUND;
	}
	froe_client_close(left);
	froe_client_close(right);
	worker_close(&worker);
	worker_close(&other);
	server_release(&second);
	server_release(&server);
	remove_tree(copy);
}

/* A copy that was killed has no BACKUP: it is neither restored nor served. */
static void
test_backup__unfinished(void **state)
{
	struct server server;
	char copy[300], restored[300], name[400];
	(void)state;
	server_init(&server);
	server_start(&server);
	paths_beside(&server, copy, restored, sizeof(copy));
	assert_int_equal(FROE("backup", copy, "--data", server.dir), 0);
	snprintf(name, sizeof(name), "%s/BACKUP", copy);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(FROE("restore", "--from", copy, "--data", restored), 1);
	assert_int_equal(access(restored, F_OK), -1);
	assert_int_equal(FROE("server", "--data", copy, "--auth", "off", "--listen", "127.0.0.1:0"),
	    65);
	assert_int_equal(FROE("backup"), 2);
	assert_int_equal(FROE("restore", "--from", copy), 2);
	server_release(&server);
	remove_tree(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_backup__under_load),
	    cmocka_unit_test(test_backup__unfinished),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
