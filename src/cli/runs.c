/*
 * cli/runs: `froe runs get|watch|cancel`.
 */
#include "cli/cli.h"
#include "cli/json.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/fault.h"
#include "base/uuid.h"
#include "cli/tasks.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
print_buf(struct buf *text)
{
	fwrite(text->data, 1, buf_used(text), stdout);
	buf_release(text);
	return FROE_EXIT_OK;
}

/* ----------------------------------------------------------------------------------------- get */

static void
attempt_json(const struct froe_attempt_view *attempt, struct buf *to)
{
	buf_printf(to, "{\"attempt\":%u,\"lease\":%" PRIu64 ",\"status\":\"%s\",", attempt->attempt,
	    attempt->lease, froe_status_name(attempt->status));
	json_text(to, "worker", attempt->worker);
	buf_push_text(to, ",");
	json_text(to, "outcome", attempt->outcome);
	json_time(to, "assigned", attempt->assigned_ns);
	json_time(to, "finished", attempt->finished_ns);
	buf_push_text(to, ",");
	json_text(to, "error", attempt->error);
	buf_push_text(to, ",");
	json_text(to, "position", attempt->position);
	buf_push_text(to, "}");
}

static void
strings_json(const char *name, const char *const *strings, size_t count, struct buf *to)
{
	buf_printf(to, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		buf_push_json_string(to, strings[i], strlen(strings[i]));
	}
	buf_push_text(to, "]");
}

static const char *
node_kind(const struct froe_node_view *node)
{
	static const struct froe_id none;
	if (node->memo)
		return "memo";
	return memcmp(&node->child, &none, sizeof(none)) != 0 ? "child" : "wait";
}

static void
node_json(const struct froe_node_view *node, struct buf *to)
{
	buf_printf(to, "{\"node\":%u,\"kind\":\"%s\",\"done\":%s,", node->node,
	    node_kind(node), node->done ? "true" : "false");
	json_text(to, "label", node->label);
	buf_push_text(to, ",");
	json_text(to, "outcome", node->outcome);
	if (node->approval != 0)
		buf_printf(to, ",\"approval\":%" PRIu64, node->approval);
	if (strcmp(node_kind(node), "child") == 0) {
		buf_push_text(to, ",");
		json_id(to, "run", node->child);
	}
	buf_push_text(to, ",");
	json_text(to, "actor", node->actor);
	buf_push_text(to, ",");
	json_text(to, "reason", node->reason);
	json_time(to, "created", node->created_ns);
	json_time(to, "finished", node->done_ns);
	json_time(to, "due", node->due_ns);
	buf_push_text(to, "}");
}

static void
task_json(const struct froe_task_view *task, struct buf *to)
{
	buf_push_text(to, "{");
	json_text(to, "name", task->name);
	buf_push_text(to, ",");
	json_id(to, "id", task->id);
	buf_printf(to, ",\"status\":\"%s\",\"state\":\"%s\",\"skipped\":%s",
	    froe_status_name(task->status), task->state, task->skipped ? "true" : "false");
	strings_json("parents", task->parents, task->parent_count, to);
	json_time(to, "queued", task->queued_ns);
	json_time(to, "started", task->started_ns);
	json_time(to, "finished", task->finished_ns);
	json_time(to, "due", task->due_ns);
	buf_push_text(to, ",");
	json_text(to, "error", task->error);
	json_payload(to, "output", task->output);
	strings_json("log", task->log, task->log_count, to);
	buf_push_text(to, ",\"attempts\":[");
	for (size_t i = 0; i < task->attempt_count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		attempt_json(&task->attempts[i], to);
	}
	buf_push_text(to, "],\"nodes\":[");
	for (size_t i = 0; i < task->node_count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		node_json(&task->nodes[i], to);
	}
	buf_push_text(to, "]}");
}

static void
metadata_json(const struct froe_run_view *run, struct buf *to)
{
	buf_push_text(to, ",\"metadata\":{");
	for (size_t i = 0; i < run->metadata_count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		json_text(to, run->metadata[i].key, run->metadata[i].value);
	}
	buf_push_text(to, "}");
}

static bool
id_given(struct froe_id id)
{
	static const struct froe_id none;
	return memcmp(&id, &none, sizeof(id)) != 0;
}

/* The run of a task. */
static struct froe_id
run_of(struct froe_id task)
{
	struct uuid id;
	struct froe_id run;
	uint32_t number;
	memcpy(id.bytes, task.bytes, sizeof(id.bytes));
	id = uuid_run_of(id, &number);
	memcpy(run.bytes, id.bytes, sizeof(run.bytes));
	return run;
}

/* What it has to do with other runs, and with time. */
static void
relations_json(const struct froe_run_view *run, struct buf *to)
{
	if (run->start_ns != 0) {
		json_time(to, "scheduled", run->start_ns);
		buf_printf(to, ",\"late\":%s", run->late ? "true" : "false");
	}
	if (run->key[0] != 0) {
		buf_push_text(to, ",");
		json_text(to, "key", run->key);
	}
	if (id_given(run->parent)) {
		buf_push_text(to, ",");
		json_id(to, "parent", run_of(run->parent));
		buf_push_text(to, ",");
		json_id(to, "parent_task", run->parent);
		if (run->child_key[0] == 0)
			buf_printf(to, ",\"child_index\":%u", run->child_index);
		buf_push_text(to, run->child_key[0] != 0 ? "," : "");
		if (run->child_key[0] != 0)
			json_text(to, "child_key", run->child_key);
	}
	buf_printf(to, ",\"child_count\":%zu,\"children\":[", run->child_count);
	for (size_t i = 0; i < run->child_view_count; i++) {
		const struct froe_child_view *child = &run->children[i];
		buf_push_text(to, i > 0 ? ",{" : "{");
		json_id(to, "id", child->run);
		buf_printf(to, ",\"status\":\"%s\",", froe_status_name(child->status));
		json_text(to, "task", child->task);
		buf_printf(to, ",\"index\":%u,", child->index);
		json_text(to, "key", child->key);
		buf_push_text(to, "}");
	}
	buf_push_text(to, "]");
}

static void
run_json(const struct froe_run_view *run, struct buf *to)
{
	buf_push_text(to, "{");
	json_id(to, "id", run->run);
	buf_printf(to, ",\"number\":%" PRIu64 ",", run->number);
	json_text(to, "workflow", run->workflow);
	buf_printf(to, ",\"version\":%u,\"status\":\"%s\",\"priority\":%u", run->version,
	    froe_status_name(run->status), run->priority);
	json_time(to, "created", run->created_ns);
	json_time(to, "started", run->started_ns);
	json_time(to, "finished", run->finished_ns);
	buf_push_text(to, ",");
	json_text(to, "reason", run->reason);
	buf_push_text(to, ",");
	json_text(to, "position", run->position);
	json_payload(to, "input", run->input);
	json_payload(to, "result", run->result);
	metadata_json(run, to);
	relations_json(run, to);
	buf_push_text(to, ",\"tasks\":[");
	for (size_t i = 0; i < run->task_count; i++) {
		buf_push_text(to, i > 0 ? ",\n" : "\n");
		task_json(&run->tasks[i], to);
	}
	buf_push_text(to, "]}\n");
}

/* A single line of an error, without control characters. */
static void
push_line(struct buf *to, const char *text)
{
	for (; *text != 0 && *text != '\n'; text++) {
		char c = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
		buf_push(to, &c, 1);
	}
}

#define CHILDREN_SHOWN 10u

static void
children_table(const struct froe_run_view *run, struct buf *to)
{
	size_t count[FROE_RUN_EVICTED + 1] = {0};
	const char *before = "children: ";
	for (size_t i = 0; i < run->child_view_count; i++)
		count[run->children[i].status]++;
	for (unsigned i = 0; i <= FROE_RUN_EVICTED; i++) {
		if (count[i] == 0)
			continue;
		buf_printf(
		    to, "%s%zu %s", before, count[i], froe_status_name((enum froe_status)i));
		before = ", ";
	}
	buf_push_text(to, "\n");
	for (size_t i = 0; i < run->child_view_count && i < CHILDREN_SHOWN; i++) {
		char id[FROE_ID_TEXT_SIZE];
		froe_id_format(run->children[i].run, id);
		buf_printf(to, "  %s  %s\n", id, froe_status_name(run->children[i].status));
	}
	if (run->child_count > CHILDREN_SHOWN)
		buf_printf(to, "  and %zu more: froe runs list --parent\n",
		    run->child_count - CHILDREN_SHOWN);
}

static void
relations_table(const struct froe_run_view *run, struct buf *to)
{
	char text[TIMESTAMP_TEXT_SIZE], id[FROE_ID_TEXT_SIZE];
	if (run->start_ns != 0) {
		timestamp_format(run->start_ns, text);
		buf_printf(to, "scheduled for %s%s\n", text, run->late ? ", began late" : "");
	}
	if (id_given(run->parent)) {
		froe_id_format(run_of(run->parent), id);
		buf_printf(to, "child of run %s\n", id);
	}
	if (run->key[0] != 0) {
		buf_push_text(to, "key: ");
		push_line(to, run->key);
		buf_push_text(to, "\n");
	}
	if (run->child_view_count > 0)
		children_table(run, to);
}

static void
run_table(const struct froe_run_view *run, bool payloads, struct buf *to)
{
	char id[FROE_ID_TEXT_SIZE], created[TIMESTAMP_TEXT_SIZE];
	froe_id_format(run->run, id);
	timestamp_format(run->created_ns, created);
	buf_printf(to, "run %s\n%s of workflow %s, version %u, created %s", id,
	    froe_status_name(run->status), run->workflow, run->version, created);
	if (run->finished_ns > run->created_ns) {
		char took[DURATION_TEXT_SIZE];
		duration_format(run->finished_ns - run->created_ns, took);
		buf_printf(to, ", took %s", took);
	}
	buf_push_text(to, "\n");
	if (run->reason[0] != 0) {
		buf_push_text(to, "reason: ");
		push_line(to, run->reason);
		buf_push_text(to, "\n");
	}
	for (size_t i = 0; i < run->metadata_count; i++) {
		buf_push_text(to, i == 0 ? "metadata: " : ", ");
		push_line(to, run->metadata[i].key);
		buf_push_text(to, "=");
		push_line(to, run->metadata[i].value);
	}
	if (run->metadata_count > 0)
		buf_push_text(to, "\n");
	relations_table(run, to);
	if (payloads && run->input.size != 0) {
		buf_push_text(to, "input: ");
		buf_push(to, run->input.data, run->input.size);
		buf_push_text(to, "\n");
	}
	struct terminal terminal = terminal_open(STDOUT_FILENO);
	tasks_print(run, payloads, &terminal, to);
}

int
cli_runs_get(struct cli *cli)
{
	struct froe_run_view *view;
	struct froe_error error;
	struct buf text;
	int status;
	enum cli_output output = cli_output(cli);
	bool payloads = output == CLI_JSON || cli_flag(cli, "payloads");
	struct froe_id run = cli_run_id(cli, 0);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	buf_init(&text);
	if (froe_run_get(client, run, payloads, -1, &view, &error) != FROE_OK) {
		status = cli_fail(&error);
	} else {
		if (output == CLI_JSON)
			run_json(view, &text);
		else if (output == CLI_IDS)
			buf_printf(&text, "%s\n", cli->arguments[0]);
		else
			run_table(view, payloads, &text);
		status = print_buf(&text);
		froe_run_view_free(view);
	}
	froe_client_close(client);
	return status;
}

/* --------------------------------------------------------------------------------------- watch */

struct watch {
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	enum cli_output output;
	int status; /* -1: not ended */
};

static void
watch_json(const struct froe_event *event, struct buf *to)
{
	buf_push_text(to, "{");
	json_id(to, "run", event->run);
	buf_printf(to, ",\"status\":\"%s\",\"final\":%s", froe_status_name(event->status),
	    event->final ? "true" : "false");
	json_time(to, "time", event->time_ns);
	if (event->task != NULL) {
		buf_push_text(to, ",");
		json_text(to, "task", event->task);
	}
	if (event->change != NULL) {
		buf_push_text(to, ",");
		json_text(to, "change", event->change);
	}
	if (event->attempt != 0)
		buf_printf(to, ",\"attempt\":%u", event->attempt);
	if (event->error != NULL) {
		buf_push_text(to, ",");
		json_text(to, "error", event->error);
	}
	if (event->final)
		json_payload(to, "result", event->result);
	buf_push_text(to, "}\n");
}

static void
watch_line(const struct froe_event *event, struct buf *to)
{
	char time[TIMESTAMP_TEXT_SIZE];
	timestamp_format(event->time_ns, time);
	buf_printf(to, "%s  %-10s", time, froe_status_name(event->status));
	if (event->task != NULL && event->change != NULL)
		buf_printf(to, "  %s %s", event->task, event->change);
	if (event->attempt != 0)
		buf_printf(to, " (attempt %u)", event->attempt);
	if (event->error != NULL && event->error[0] != 0) {
		buf_push_text(to, ": ");
		push_line(to, event->error);
	}
	buf_push_text(to, "\n");
}

static void
watch_event(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct watch *watch = context;
	struct buf line;
	pthread_mutex_lock(&watch->mutex);
	if (error != NULL && ferror(stdout)) {
		watch->status =
		    FROE_EXIT_OK; /* the reader has seen enough: this is the end of our client */
	} else if (error != NULL) {
		watch->status = cli_fail(error);
	} else {
		buf_init(&line);
		if (watch->output == CLI_JSON)
			watch_json(event, &line);
		else
			watch_line(event, &line);
		print_buf(&line);
		fflush(stdout);
		if (event->final)
			watch->status = event->status == FROE_RUN_COMPLETED ? FROE_EXIT_OK
			                                                    : FROE_EXIT_FAILED;
	}
	pthread_cond_signal(&watch->ended);
	pthread_mutex_unlock(&watch->mutex);
}

int
cli_runs_watch(struct cli *cli)
{
	struct watch watch = {.output = cli_output(cli), .status = -1};
	struct froe_error error;
	int status;
	struct froe_id run = cli_run_id(cli, 0);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	pthread_mutex_init(&watch.mutex, NULL);
	pthread_cond_init(&watch.ended, NULL);
	if (froe_run_watch(client, run, /* changes= */ true, watch_event, &watch,
	        /* ret_watch= */ NULL, &error) != FROE_OK) {
		watch.status = cli_fail(&error);
	}
	pthread_mutex_lock(&watch.mutex);
	while (watch.status < 0 && !ferror(stdout))
		pthread_cond_wait(&watch.ended, &watch.mutex);
	status = watch.status < 0 ? FROE_EXIT_OK : watch.status;
	pthread_mutex_unlock(&watch.mutex);
	froe_client_close(client);
	return status;
}

/* -------------------------------------------------------------------------------------- cancel */

int
cli_runs_cancel(struct cli *cli)
{
	struct froe_error error;
	int status;
	struct froe_id run = cli_run_id(cli, 0);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	status = FROE_EXIT_OK;
	const char *reason = cli_text(cli, "reason");
	enum froe_err err = cli_flag(cli, "children")
	    ? froe_run_cancel_all(client, run, reason, -1, &error)
	    : froe_run_cancel(client, run, reason, -1, &error);
	if (err != FROE_OK)
		status = cli_fail(&error);
	froe_client_close(client);
	return status;
}
