#include "cli/tasks.h"

#include "base/duration.h"
#include "base/mem.h"
#include "cli/graph.h"

#include <string.h>

/* How many characters a text has on the screen; names have no combining ones to speak of. */
static size_t
text_width(const char *text)
{
	size_t width = 0;
	for (; *text != 0; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
	return width;
}

static const char *
task_mark(const struct froe_task_view *task, bool utf8)
{
	static const char *const marks_utf8[] = {"○", "●", "✔", "✖", "⊘", "◌"};
	static const char *const marks_ascii[] = {"o", "*", "+", "x", "/", "z"};
	if (task->skipped)
		return "-";
	if (strcmp(task->state, "waiting") == 0)
		return utf8 ? "·" : ".";
	return utf8 ? marks_utf8[task->status] : marks_ascii[task->status];
}

/* Parents' names as indices. In a workflow of many tasks a name is looked for among all. */
static uint32_t *
task_parents(const struct froe_run_view *run, const struct froe_task_view *task, size_t *ret_count)
{
	uint32_t *parents = mem_array(task->parent_count + 1, sizeof(*parents));
	size_t count = 0;
	for (size_t p = 0; p < task->parent_count; p++) {
		for (size_t i = 0; i < run->task_count; i++) {
			if (strcmp(run->tasks[i].name, task->parents[p]) != 0)
				continue;
			parents[count++] = (uint32_t)i;
			break;
		}
	}
	*ret_count = count;
	return parents;
}

static struct graph_row *
tasks_graph(const struct froe_run_view *run, bool utf8)
{
	struct graph_node *nodes = mem_array(run->task_count + 1, sizeof(*nodes));
	for (size_t i = 0; i < run->task_count; i++) {
		nodes[i].mark = task_mark(&run->tasks[i], utf8);
		nodes[i].parents = task_parents(run, &run->tasks[i], &nodes[i].parent_count);
	}
	struct graph_row *rows = graph_draw(nodes, run->task_count, utf8);
	for (size_t i = 0; i < run->task_count; i++)
		mem_free((void *)(uintptr_t)nodes[i].parents);
	mem_free(nodes);
	return rows;
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

/* What matters: why it failed, or what it waits for. */
static void
task_note(const struct froe_task_view *task, struct buf *to)
{
	if (task->error[0] != 0 && task->status != FROE_RUN_COMPLETED) {
		push_line(to, task->error);
		return;
	}
	if (strcmp(task->state, "closed") == 0)
		return;
	buf_push_text(to, task->state);
	if (task->due_ns != 0) {
		char due[TIMESTAMP_TEXT_SIZE];
		timestamp_format(task->due_ns, due);
		buf_printf(to, " until %s", due);
	}
}

static void
task_row(const struct froe_task_view *task, const struct graph_row *row, size_t width,
    const struct terminal *terminal, struct buf *to)
{
	char took[DURATION_TEXT_SIZE] = "-";
	size_t used = row->width + text_width(task->name);
	const char *worker =
	    task->attempt_count > 0 ? task->attempts[task->attempt_count - 1].worker : "";
	if (task->finished_ns > task->started_ns && task->started_ns != 0)
		duration_format(task->finished_ns - task->started_ns, took);
	buf_printf(to, "  %s%s%*s  ", row->art, task->name, (int)(width - used), "");
	buf_printf(to, "%s%-10s%s  %-9s  %-8zu  %-16s  ",
	    terminal_colour(terminal, terminal_colour_of(task->status)),
	    task->skipped ? "SKIPPED" : froe_status_name(task->status),
	    terminal_colour(terminal, TERMINAL_PLAIN), took, task->attempt_count, worker);
	task_note(task, to);
	while (to->data[to->size - 1] == ' ')
		to->size--;
	buf_push_text(to, "\n");
}

/* A step of a durable task: what it is, and what came of it. */
static void
node_row(const struct froe_node_view *node, int indent, struct buf *to)
{
	char when[TIMESTAMP_TEXT_SIZE];
	uint64_t ns = node->done ? node->done_ns : node->due_ns;
	timestamp_format(ns, when);
	buf_printf(to, "  %*s  %u. ", indent, "", node->node);
	push_line(to, node->label);
	if (!node->done)
		buf_printf(
		    to, ": waits%s%s", ns != 0 ? ", at most until " : "", ns != 0 ? when : "");
	else
		buf_printf(to, ": %s %s", node->memo ? "kept" : node->outcome, when);
	if (!node->done && node->approval != 0)
		buf_printf(to, " (approval %llu)", (unsigned long long)node->approval);
	if (node->actor[0] != 0) {
		buf_push_text(to, " by ");
		push_line(to, node->actor);
	}
	if (node->reason[0] != 0) {
		buf_push_text(to, ": ");
		push_line(to, node->reason);
	}
	buf_push_text(to, "\n");
}

void
tasks_print(
    const struct froe_run_view *run, bool payloads, const struct terminal *terminal, struct buf *to)
{
	struct graph_row *rows = tasks_graph(run, terminal->utf8);
	size_t width = strlen("TASK");
	if (rows == NULL)
		return; /* the server would not have taken such a definition */
	for (size_t i = 0; i < run->task_count; i++) {
		size_t used = rows[i].width + text_width(run->tasks[rows[i].node].name);
		width = used > width ? used : width;
	}
	buf_printf(to, "\n  %-*s  %-10s  %-9s  %-8s  %-16s  %s\n", (int)width, "TASK", "STATUS",
	    "TOOK", "ATTEMPTS", "WORKER", "STATE OR ERROR");
	for (size_t i = 0; i < run->task_count; i++) {
		const struct froe_task_view *task = &run->tasks[rows[i].node];
		task_row(task, &rows[i], width, terminal, to);
		for (size_t n = 0; n < task->node_count; n++)
			node_row(&task->nodes[n], (int)rows[i].width, to);
		if (payloads && task->output.size != 0) {
			buf_printf(to, "  %*s  ", (int)rows[i].width, "");
			buf_push(to, task->output.data, task->output.size);
			buf_push_text(to, "\n");
		}
	}
	graph_free(rows);
}
