/*
 * cli/view_json: a run as one JSON object.
 */
#include "cli/view.h"

#include "cli/json.h"

#include <inttypes.h>
#include <string.h>

static void
attempt_json(const struct froe_attempt_view *attempt, struct buf *to)
{
	buf_printf(to, "{\"attempt\":%u,\"lease\":%" PRIu64 ",\"status\":\"%s\",", attempt->attempt,
	    attempt->lease, froe_status_name(attempt->status));
	if (attempt->invocation != 0)
		buf_printf(to, "\"invocation\":%u,", attempt->invocation);
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

/* Each time that it went on. */
static void
replays_json(const struct froe_run_view *run, struct buf *to)
{
	buf_push_text(to, ",\"replays\":[");
	for (size_t i = 0; i < run->replay_count; i++) {
		const struct froe_replay_view *replay = &run->replays[i];
		buf_push_text(to, i > 0 ? ",{" : "{");
		json_text(to, "by", replay->by);
		buf_push_text(to, ",");
		json_text(to, "reason", replay->reason);
		buf_push_text(to, ",");
		json_text(to, "from", replay->task);
		buf_printf(to, ",\"edited\":%s", replay->edited ? "true" : "false");
		if (replay->job != 0)
			buf_printf(to, ",\"job\":%" PRIu64, replay->job);
		json_time(to, "time", replay->time_ns);
		buf_push_text(to, "}");
	}
	buf_push_text(to, "]");
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
	if (view_is_child(run)) {
		buf_push_text(to, ",");
		json_id(to, "parent", view_parent(run));
		buf_push_text(to, ",");
		json_id(to, "parent_task", run->parent);
		if (run->child_key[0] == 0)
			buf_printf(to, ",\"child_index\":%u", run->child_index);
		buf_push_text(to, run->child_key[0] != 0 ? "," : "");
		if (run->child_key[0] != 0)
			json_text(to, "child_key", run->child_key);
	}
	replays_json(run, to);
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

void
view_json(const struct froe_run_view *run, struct buf *to)
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
	json_text(to, "cancelled_by", run->cancelled_by);
	if (run->cancel_job != 0)
		buf_printf(to, ",\"cancel_job\":%" PRIu64, run->cancel_job);
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
