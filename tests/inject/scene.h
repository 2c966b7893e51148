/*
 * tests/inject/scene: a server's life as its client and worker see it, and what must be so after.
 *
 * Purpose     A client with a worker of its own starts runs of two workflows: "echo" ends at once,
 *             "later" is served by nobody. It remembers what was acknowledged. After the server's
 *             end, however that came, the same client comes to the next one: whatever was
 *             acknowledged is there, what was under way goes on, no attempt whose end was recorded
 *             is run again, everything that can end does.
 * Ownership   the caller embeds a scene; its runs are contexts of callbacks: it does not move.
 * Threading   one: the client is stepped by the scene.
 */
#ifndef INJECT_SCENE_H
#define INJECT_SCENE_H

#include "crash/process.h"

#include <dirent.h>

#define SCENE_RUNS_MAX 4096u
#define SCENE_INFLIGHT 48u
#define SCENE_LATER_EVERY 5u
#define SCENE_CALL_MS 10000
#define SCENE_WAIT_NS (30000 * LEDGER_NS_PER_MS)
#define SCENE_STALL_NS (4000 * LEDGER_NS_PER_MS)
#define SCENE_PAD_MAX (64u << 10)

struct scene;

struct scene_run {
	struct scene *scene;
	unsigned n;
	struct froe_id id;
	struct froe_id task;
	bool started;
	bool refused;
	bool ended;
	bool failed;
	bool watched;  /* its end is still to be told */
	bool recorded; /* the worker was told so */
	unsigned executions;
	unsigned executions_after; /* it was recorded */
};

struct scene {
	struct server *server;
	struct froe_client *client;
	struct froe_worker *worker;
	bool open;	  /* and all is registered */
	size_t pad;	  /* of each input */
	bool retains;	  /* what has ended may be gone */
	bool may_fail;	  /* a run whose input cannot be read has failed */
	bool may_stall;	  /* what is under way may not end as long as this server lives */
	bool cancels;	  /* what nobody serves may be cancelled */
	unsigned count;	  /* of runs that were tried */
	unsigned pending; /* answers and ends that are to come */
	unsigned refusals;
	enum froe_err refusal; /* the last one's */
	struct scene_run runs[SCENE_RUNS_MAX];
	char why[512]; /* what is wrong; "": nothing */
	char text[SCENE_PAD_MAX + 64];
};

static inline bool
scene_fail(struct scene *scene, const char *format, ...)
{
	va_list args;

	if (scene->why[0] != 0)
		return false;
	va_start(args, format);
	vsnprintf(scene->why, sizeof(scene->why), format, args);
	va_end(args);
	return false;
}

static inline struct froe_bytes
scene_input(struct scene *scene, unsigned n)
{
	int head = snprintf(scene->text, sizeof(scene->text), "{\"n\":%u,\"pad\":\"", n);

	memset(scene->text + head, 'a' + (int)(n % 26), scene->pad);
	memcpy(scene->text + head + scene->pad, "\"}", 3);
	return (struct froe_bytes){scene->text, (size_t)head + scene->pad + 2};
}

static inline struct scene_run *
scene_of_input(struct scene *scene, struct froe_bytes input)
{
	char text[32] = "";
	unsigned n;

	memcpy(text, input.data, input.size < 31 ? input.size : 31);
	if (sscanf(text, "{\"n\":%u", &n) != 1 || n >= scene->count)
		return NULL;
	return &scene->runs[n];
}

/* -------------------------------------------------------------------------------------- worker */

static inline enum froe_err
scene_execute(struct froe_task *task, void *context)
{
	struct scene *scene = context;
	struct froe_bytes input = froe_task_input(task);
	struct scene_run *run = scene_of_input(scene, input);

	if (run == NULL) {
		scene_fail(scene, "a task has an input that nobody sent");
		return FROE_INVALID_ARGUMENT;
	}
	run->task = froe_task_id(task);
	run->executions++;
	run->executions_after += run->recorded ? 1 : 0;
	return froe_task_output(task, input.data, input.size, NULL);
}

static inline void
scene_on_result(void *context, struct froe_id task, uint32_t attempt, enum froe_err err)
{
	struct scene *scene = context;

	(void)attempt;
	for (unsigned i = 0; i < scene->count && err == FROE_OK; i++) {
		if (memcmp(&scene->runs[i].task, &task, sizeof(task)) == 0)
			scene->runs[i].recorded = true;
	}
}

/* -------------------------------------------------------------------------------------- client */

static inline void
scene_on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct scene_run *run = context;

	run->scene->pending--;
	run->started = started != NULL;
	run->refused = started == NULL;
	if (started != NULL) {
		run->id = started->run;
		run->watched = run->n % SCENE_LATER_EVERY != 0;
		run->scene->pending += run->watched ? 1 : 0;
		return;
	}
	run->scene->refusals++;
	run->scene->refusal = error->code;
}

static inline void
scene_on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct scene_run *run = context;

	(void)error;
	run->scene->pending -= run->watched ? 1 : 0;
	run->watched = false;
	if (event == NULL)
		return;
	run->ended = true;
	run->failed = run->scene->may_fail && event->status == FROE_RUN_FAILED;
	if (event->status != FROE_RUN_COMPLETED && !run->failed)
		scene_fail(
		    run->scene, "run %u ended as %s", run->n, froe_status_name(event->status));
}

static inline bool
scene_start_run(struct scene *scene)
{
	struct scene_run *run = &scene->runs[scene->count];
	bool later = scene->count % SCENE_LATER_EVERY == 0;
	struct froe_run_options options = {.workflow = later ? "later" : "echo"};

	*run = (struct scene_run){.scene = scene, .n = scene->count};
	options.input = scene_input(scene, run->n);
	scene->count++;
	scene->pending++;
	if (froe_run_start_async(scene->client, &options, scene_on_started,
		later ? NULL : scene_on_end, run, NULL) == FROE_OK)
		return true;
	scene->pending--;
	return scene_fail(scene, "a run cannot be asked for");
}

/* Connects, registers. False: the server ended, or scene->why says what is wrong. */
static inline bool
scene_open(struct scene *scene, struct server *server)
{
	static const struct froe_id scene_worker = {
	    {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16}};
	static const struct froe_task_def later = {.name = "only", .action = "nobody:does"};
	static const struct froe_workflow laters = {
	    .name = "later", .tasks = &later, .task_count = 1};
	struct froe_task_def echo = {.name = "only", .handler = scene_execute, .context = scene};
	struct froe_workflow echoes = {.name = "echo", .tasks = &echo, .task_count = 1};
	struct froe_client_options options = {
	    .address = server->address, .open_ms = SCENE_CALL_MS, .no_thread = true};
	struct froe_worker_options worker = {.name = "scene",
	    .id = scene_worker,
	    .slots = 8,
	    .inline_handlers = true,
	    .on_result = scene_on_result,
	    .context = scene};
	struct froe_error error = {0};

	scene->server = server;
	if (froe_client_open(&options, &scene->client, &error) == FROE_OK &&
	    froe_worker_open(scene->client, &worker, &scene->worker, &error) == FROE_OK &&
	    froe_workflow_put(scene->client, &laters, SCENE_CALL_MS, NULL, &error) == FROE_OK &&
	    froe_worker_workflow(scene->worker, &echoes, &error) == FROE_OK &&
	    froe_worker_start(scene->worker, SCENE_CALL_MS, &error) == FROE_OK) {
		scene->open = true;
		return true;
	}
	if (!process_ended(server->pid))
		scene_fail(scene, "no client or worker: %s %s", error.field, error.text);
	return false;
}

static inline void
scene_close(struct scene *scene)
{
	froe_worker_close(scene->worker);
	froe_client_close(scene->client);
	scene->worker = NULL;
	scene->client = NULL;
	scene->open = false;
}

/* One step of the client. False: the server has ended. */
static inline bool
scene_step(struct scene *scene, int wait_ms)
{
	if (process_ended(scene->server->pid))
		return false;
	if (froe_client_step(scene->client, wait_ms, NULL) != FROE_OK)
		return scene_fail(scene, "the client cannot be stepped");
	return true;
}

/* So many more runs, until they are answered and have ended, or the server has. */
static inline bool
scene_load(struct scene *scene, unsigned count)
{
	uint64_t by_ns = ledger_now_ns() + (scene->may_stall ? SCENE_STALL_NS : SCENE_WAIT_NS);
	unsigned target = scene->count + count;

	while (scene->count < target || scene->pending > 0) {
		while (scene->count < target && scene->pending < SCENE_INFLIGHT) {
			if (!scene_start_run(scene))
				return false;
		}
		if (!scene_step(scene, 5))
			return false;
		if (ledger_now_ns() > by_ns && scene->may_stall)
			return true;
		if (ledger_now_ns() > by_ns)
			return scene_fail(scene, "%u answers or ends did not come", scene->pending);
	}
	return true;
}

/* ------------------------------------------------------------------------------------- verdict */

static inline bool
scene_status_is(struct scene *scene, const struct scene_run *run, const struct froe_run_view *view)
{
	bool later = run->n % SCENE_LATER_EVERY == 0;
	struct froe_bytes input = scene_input(scene, run->n);

	if (view->input.size != input.size || memcmp(view->input.data, input.data, input.size) != 0)
		return scene_fail(scene, "run %u has another input", run->n);
	if (later && view->status != FROE_RUN_QUEUED &&
	    !(scene->cancels && view->status == FROE_RUN_CANCELLED))
		return scene_fail(scene, "run %u, that nobody serves, is %s", run->n,
		    froe_status_name(view->status));
	if ((run->ended || run->recorded) &&
	    view->status != (run->failed ? FROE_RUN_FAILED : FROE_RUN_COMPLETED))
		return scene_fail(scene, "run %u was completed and is %s", run->n,
		    froe_status_name(view->status));
	return true;
}

/* What was acknowledged is still so. */
static inline bool
scene_check_run(struct scene *scene, struct scene_run *run)
{
	struct froe_run_view *view;
	struct froe_error error;

	enum froe_err err =
	    froe_run_get(scene->client, run->id, true, SCENE_CALL_MS, &view, &error);
	/* Retention takes what has ended; whether it had, a lost connection may have hidden. */
	if (err == FROE_NOT_FOUND && scene->retains &&
	    (scene->cancels || run->executions > 0 || run->failed))
		return true;
	if (err != FROE_OK)
		return scene_fail(scene, "run %u was acknowledged: %s", run->n, error.text);
	bool good = scene_status_is(scene, run, view);
	froe_run_view_free(view);
	return good;
}

static inline bool
scene_check(struct scene *scene)
{
	bool good = true;

	for (unsigned i = 0; i < scene->count && good; i++) {
		if (scene->runs[i].started)
			good = scene_check_run(scene, &scene->runs[i]);
	}
	return good;
}

/* Nothing is done again that was recorded. */
static inline bool
scene_check_executions(struct scene *scene)
{
	for (unsigned i = 0; i < scene->count; i++) {
		if (scene->runs[i].executions_after > 0)
			return scene_fail(scene, "run %u was done again", i);
	}
	return true;
}

/* --------------------------------------------------------------------------------------- store */

/* How many names in a folder of the store end so; the smallest number in `ret_first`. */
static inline unsigned
scene_files(
    const struct server *server, const char *folder, const char *end, unsigned long long *ret_first)
{
	char path[PROCESS_PATH];
	const struct dirent *entry;
	unsigned count = 0;

	process_path(path, "%s/shard-0000/%s", server->data, folder);
	DIR *dir = opendir(path);
	*ret_first = 0;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t size = strlen(entry->d_name);
		if (size < strlen(end) || strcmp(entry->d_name + size - strlen(end), end) != 0)
			continue;
		unsigned long long number = strtoull(entry->d_name, NULL, 16);
		if (count == 0 || number < *ret_first)
			*ret_first = number;
		count++;
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

/* Until a snapshot was made and a segment given up, or the time is over: a failure may keep that
 * from coming. */
static inline bool
scene_await_retention(struct scene *scene, int within_ms)
{
	uint64_t by_ns = ledger_now_ns() + (uint64_t)within_ms * LEDGER_NS_PER_MS;
	unsigned long long first = 0;

	while (scene_files(scene->server, "log", ".seg", &first) == 0 || first < 2) {
		if (ledger_now_ns() > by_ns || !scene_step(scene, 5))
			return false;
	}
	return true;
}

#endif
