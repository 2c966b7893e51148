/*
 * A disk that is full: new runs are refused, then tasks are held; open runs and metrics are read;
 * when there is space again all goes on by itself; and there is, when runs that have ended are past
 * retention, whether anything is logged or not. On an ext4 of its own, in a file: where that
 * cannot be mounted the tests are skipped, and say so.
 */
#include "system.h"

#include <sys/mount.h>
#include <sys/statvfs.h>

#define PAYLOAD_BYTES 20000u
#define LARGE_BYTES 100000u
#define RUNS 500u
#define TOGETHER 4u

struct gate {
	atomic_int open;
};

static enum froe_err
echo_behind_gate(struct froe_task *task, void *context)
{
	struct gate *gate = context;
	struct froe_bytes input = froe_task_input(task);
	while (atomic_load(&gate->open) == 0)
		sleep_ms(5);
	return froe_task_output(task, input.data, input.size, NULL);
}

/* ------------------------------------------------------------------------------------- the disk */

struct disk {
	char image[256];
	char mount[256];
	char ballast[400];
};

static bool
command(const char *format, const char *a, const char *b)
{
	char text[700];
	snprintf(text, sizeof(text), format, a, b);
	return system(text) == 0;
}

static bool
disk_open(struct disk *disk, const char *size)
{
	const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
	snprintf(disk->mount, sizeof(disk->mount), "%s/froe-full-XXXXXX", base);
	assert_non_null(mkdtemp(disk->mount));
	snprintf(disk->image, sizeof(disk->image), "%.240s.img", disk->mount);
	snprintf(disk->ballast, sizeof(disk->ballast), "%s/ballast", disk->mount);
	if (command("truncate -s %s %s", size, disk->image) &&
	    command("mkfs.ext4 -q -m 0 -F %s%s 2>/dev/null", disk->image, "") &&
	    command("mount -o loop %s %s 2>/dev/null", disk->image, disk->mount))
		return true;
	fprintf(stderr, "skipping: no ext4 can be made and mounted here\n");
	unlink(disk->image);
	rmdir(disk->mount);
	return false;
}

static void
disk_close(struct disk *disk)
{
	assert_int_equal(umount(disk->mount), 0);
	assert_int_equal(rmdir(disk->mount), 0);
	assert_int_equal(unlink(disk->image), 0);
}

/* In segments of a MiB. */
static void
server_on_disk(struct server *server, const struct disk *disk, const char *retention)
{
	server_init(server);
	remove_tree(server->dir);
	snprintf(server->dir, sizeof(server->dir), "%.240s/data", disk->mount);
	const char *extra[] = {"--segment-bytes", "1048576", "--retention", retention};
	memcpy(server->extra, extra, sizeof(extra));
	server_start(server);
}

/* Takes all but so much of what is free. */
static void
disk_fill(const struct disk *disk, uint64_t leave)
{
	struct statvfs space;
	int fd = open(disk->ballast, O_CREAT | O_WRONLY | O_APPEND, 0600);
	assert_true(fd >= 0);
	for (off_t step = 1 << 20; step >= 4096;) {
		assert_int_equal(fstatvfs(fd, &space), 0);
		uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
		struct stat status;
		assert_int_equal(fstat(fd, &status), 0);
		if (free_bytes < leave + (uint64_t)step ||
		    posix_fallocate(fd, status.st_size, step) != 0)
			step /= 2;
	}
	close(fd);
}

/* ------------------------------------------------------------------------------------ the test */

static const char *
payload(unsigned number, size_t bytes)
{
	static char text[LARGE_BYTES + 64];
	int head = snprintf(text, sizeof(text), "{\"n\":%u,\"pad\":\"", number);
	memset(text + head, 'a' + (int)(number % 26), bytes);
	memcpy(text + head + bytes, "\"}", 3);
	return text;
}

static enum froe_err
try_run(struct froe_client *client, unsigned number, size_t bytes, struct froe_id *ret_run)
{
	struct froe_started started;
	struct froe_error error;
	const char *input = payload(number, bytes);
	struct froe_run_options options = {
	    .workflow = "echo", .input = {input, strlen(input)}};
	enum froe_err err = froe_run_start(client, &options, 30000, &started, &error);
	*ret_run = started.run;
	return err;
}

static void
await_state(const struct server *server, uint64_t low, uint64_t high)
{
	uint64_t end_ms = now_ms() + 30000, state;
	while ((state = server_metric(server, "froe_disk_state")) < low || state > high) {
		if (now_ms() > end_ms)
			fail_msg("disk state %d", (int)state);
		sleep_ms(50);
	}
}

static void
expect_readable(struct froe_client *client, struct froe_id run)
{
	struct froe_run_view *view = get_run(client, run);
	assert_true(view->input.size > PAYLOAD_BYTES);
	froe_run_view_free(view);
}

/* A run that may have ended: where it lies is in the index, for which there may be no space. */
static bool
is_readable(struct froe_client *client, struct froe_id run)
{
	struct froe_run_view *view;
	struct froe_error error;
	enum froe_err err = froe_run_get(client, run, true, 30000, &view, &error);
	if (err == FROE_INDEX_BEHIND)
		return false;
	CALL(err, error);
	assert_true(view->input.size > PAYLOAD_BYTES);
	froe_run_view_free(view);
	return true;
}

static void
await_readable(struct froe_client *client, struct froe_id run)
{
	uint64_t end_ms = now_ms() + 30000;
	while (!is_readable(client, run)) {
		assert_true(now_ms() < end_ms);
		sleep_ms(50);
	}
}

static void
test_full__comes_and_goes_by_itself(void **state)
{
	struct gate gate = {0};
	struct froe_task_def only = {
	    .name = "only", .handler = echo_behind_gate, .context = &gate};
	struct froe_workflow echoes = {.name = "echo", .tasks = &only, .task_count = 1};
	static struct froe_id runs[RUNS + 1];
	struct disk disk;
	struct server server;
	struct worker worker;
	unsigned count = 0;
	(void)state;
	if (!disk_open(&disk, "64M")) {
		skip();
		return;
	}
	server_on_disk(&server, &disk, "forever");
	worker_open(&worker, &server, NULL, &echoes, 4);
	struct froe_client *client = client_open(&server, NULL);
	while (count < 220)
		if (try_run(client, count, PAYLOAD_BYTES, &runs[count]) == FROE_OK)
			count++;
		else
			fail_msg("run %u is refused before the disk is full", count);
	disk_fill(&disk, 0);
	enum froe_err err;
	while ((err = try_run(client, count, PAYLOAD_BYTES, &runs[count])) == FROE_OK)
		assert_true(++count < RUNS);
	assert_int_equal(err, FROE_RESOURCE_EXHAUSTED);
	await_state(&server, 1, 3);
	expect_readable(client, runs[0]);
	/* What runs may end, for as long as there is a place to write it down. */
	atomic_store(&gate.open, 1);
	await_state(&server, 2, 3);
	for (unsigned i = 0; i < count; i += 10)
		is_readable(client, runs[i]);
	server_restart(&server); /* a full disk keeps nobody from starting */
	assert_true(server_metric(&server, "froe_disk_state") >= 1);
	is_readable(client, runs[count - 1]);
	assert_int_equal(unlink(disk.ballast), 0);
	await_state(&server, 0, 0);
	for (unsigned i = 0; i < count; i++) {
		struct froe_event *end = await_run(client, runs[i]);
		assert_int_equal(end->status, FROE_RUN_COMPLETED);
		froe_event_free(end);
		await_readable(client, runs[i]);
	}
	assert_int_equal(try_run(client, 7, PAYLOAD_BYTES, &runs[RUNS]), FROE_OK);
	froe_event_free(await_run(client, runs[RUNS]));
	froe_client_close(client);
	worker_close(&worker);
	server_release(&server);
	disk_close(&disk);
}

/* More goes through a disk than it holds: what is past retention makes room. */
static void
test_full__retention_makes_room(void **state)
{
	struct gate gate = {.open = 1};
	struct froe_task_def only = {
	    .name = "only", .handler = echo_behind_gate, .context = &gate};
	struct froe_workflow echoes = {.name = "echo", .tasks = &only, .task_count = 1};
	struct disk disk;
	struct server server;
	struct worker worker;
	struct froe_id runs[TOGETHER];
	unsigned done = 0;
	(void)state;
	if (!disk_open(&disk, "32M")) {
		skip();
		return;
	}
	server_on_disk(&server, &disk, "1s");
	worker_open(&worker, &server, NULL, &echoes, 4);
	struct froe_client *client = client_open(&server, NULL);
	uint64_t end_ms = now_ms() + 120000;
	while (done < 250) { /* 50 MB of payloads, on 32 MiB */
		unsigned count = 0;
		enum froe_err err = FROE_OK;
		while (count < TOGETHER && err == FROE_OK)
			if ((err = try_run(client, done + count, LARGE_BYTES, &runs[count])) ==
			    FROE_OK)
				count++;
		for (unsigned i = 0; i < count; i++)
			froe_event_free(await_run(client, runs[i]));
		done += count;
		assert_true(now_ms() < end_ms);
		if (err != FROE_OK) {
			assert_int_equal(err, FROE_RESOURCE_EXHAUSTED);
			sleep_ms(50);
		}
	}
	assert_true(server_metric(&server, "froe_log_segment_oldest") > 25);
	froe_client_close(client);
	worker_close(&worker);
	server_release(&server);
	disk_close(&disk);
}

/* Runs, each ended before the next one, until one is refused. */
static void
run_until_refused(struct froe_client *client)
{
	struct froe_id run;
	enum froe_err err;
	unsigned count = 0;
	while ((err = try_run(client, count, LARGE_BYTES, &run)) == FROE_OK) {
		froe_event_free(await_run(client, run));
		assert_true(++count < RUNS);
	}
	assert_int_equal(err, FROE_RESOURCE_EXHAUSTED);
}

/* The disk is full, all runs have ended, all new ones are refused: nothing is logged any more, so
 * no record tells that time passes. */
static void
test_full__time_makes_room(void **state)
{
	struct gate gate = {.open = 1};
	struct froe_task_def only = {
	    .name = "only", .handler = echo_behind_gate, .context = &gate};
	struct froe_workflow echoes = {.name = "echo", .tasks = &only, .task_count = 1};
	struct disk disk;
	struct server server;
	struct worker worker;
	struct froe_id run;
	(void)state;
	if (!disk_open(&disk, "64M")) {
		skip();
		return;
	}
	server_on_disk(&server, &disk, "forever");
	worker_open(&worker, &server, NULL, &echoes, 4);
	struct froe_client *client = client_open(&server, NULL);
	run_until_refused(client);
	/* Where filling the disk took longer than this, some of it is old already. */
	server.extra[3] = "5s";
	server_restart(&server);
	uint64_t end_ms = now_ms() + 120000;
	enum froe_err err;
	while ((err = try_run(client, 1, LARGE_BYTES, &run)) != FROE_OK) {
		assert_int_equal(err, FROE_RESOURCE_EXHAUSTED);
		assert_true(now_ms() < end_ms);
		sleep_ms(50);
	}
	froe_event_free(await_run(client, run));
	assert_true(server_metric(&server, "froe_log_segment_oldest") > 1);
	froe_client_close(client);
	worker_close(&worker);
	server_release(&server);
	disk_close(&disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full__comes_and_goes_by_itself),
	    cmocka_unit_test(test_full__retention_makes_room),
	    cmocka_unit_test(test_full__time_makes_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
