#include "cli/tasks.h"

#include "base/duration.h"
#include "base/mem.h"
#include "cli/graph.h"

#include <stdio.h>
#include <string.h>

#define WORKER_WIDTH 16

struct print {
	const struct terminal *terminal;
	uint64_t now_ns;
	size_t width; /* of the graph with the tasks' names */
	struct buf *to;
};

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

/* What matters: why it failed, or what it waits for. */
static void
task_note(const struct froe_task_view *task, const struct terminal *terminal, struct buf *to)
{
	if (task->error[0] != 0 && task->status != FROE_RUN_COMPLETED) {
		terminal_push(terminal, to, task->error);
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

/* Until its end, or until now. */
static void
task_took(const struct froe_task_view *task, uint64_t now_ns, char took[DURATION_TEXT_SIZE])
{
	uint64_t end_ns = task->finished_ns;
	if (end_ns == 0 && task->status == FROE_RUN_RUNNING)
		end_ns = now_ns;
	snprintf(took, DURATION_TEXT_SIZE, "-");
	if (task->started_ns != 0 && end_ns > task->started_ns)
		duration_format(end_ns - task->started_ns, took);
}

/* A durable task that comes back from an eviction has one lease more, of the same attempt. */
static size_t
task_attempts(const struct froe_task_view *task)
{
	size_t count = 0;
	for (size_t i = 0; i < task->attempt_count; i++)
		count += i == 0 || task->attempts[i].attempt != task->attempts[i - 1].attempt;
	return count;
}

static void
task_row(const struct froe_task_view *task, const struct graph_row *row,
    const struct print *print)
{
	char took[DURATION_TEXT_SIZE];
	const struct terminal *terminal = print->terminal;
	struct buf *to = print->to;
	const char *worker =
	    task->attempt_count > 0 ? task->attempts[task->attempt_count - 1].worker : "";
	task_took(task, print->now_ns, took);
	buf_printf(to, "  %s", row->art);
	terminal_push_wide(terminal, to, task->name, print->width - row->width);
	buf_printf(to, "  %s%-10s%s  %-9s  %-8zu  ",
	    terminal_colour(terminal, terminal_colour_of(task->status)),
	    task->skipped ? "SKIPPED" : froe_status_name(task->status),
	    terminal_colour(terminal, TERMINAL_PLAIN), took, task_attempts(task));
	terminal_push_wide(terminal, to, worker, WORKER_WIDTH);
	buf_push_text(to, "  ");
	task_note(task, terminal, to);
	while (to->data[to->size - 1] == ' ')
		to->size--;
	buf_push_text(to, "\n");
}

/* A step of a durable task: what it is, and what came of it. */
static void
node_row(const struct froe_node_view *node, int indent, const struct print *print)
{
	char when[TIMESTAMP_TEXT_SIZE];
	struct buf *to = print->to;
	uint64_t ns = node->done ? node->done_ns : node->due_ns;
	timestamp_format(ns, when);
	buf_printf(to, "  %*s  %u. ", indent, "", node->node);
	terminal_push(print->terminal, to, node->label);
	if (!node->done)
		buf_printf(
		    to, ": waits%s%s", ns != 0 ? ", at most until " : "", ns != 0 ? when : "");
	else
		buf_printf(to, ": %s %s", node->memo ? "kept" : node->outcome, when);
	if (!node->done && node->approval != 0)
		buf_printf(to, " (approval %llu)", (unsigned long long)node->approval);
	if (node->actor[0] != 0) {
		buf_push_text(to, " by ");
		terminal_push(print->terminal, to, node->actor);
	}
	if (node->reason[0] != 0) {
		buf_push_text(to, ": ");
		terminal_push(print->terminal, to, node->reason);
	}
	buf_push_text(to, "\n");
}

/* A task, the steps that it has taken, and what came of it. */
static void
task_print(const struct froe_task_view *task, const struct graph_row *row, bool payloads,
    const struct print *print)
{
	task_row(task, row, print);
	for (size_t n = 0; n < task->node_count; n++)
		node_row(&task->nodes[n], (int)row->width, print);
	if (payloads && task->output.size != 0) {
		buf_printf(print->to, "  %*s  ", (int)row->width, "");
		buf_push(print->to, task->output.data, task->output.size);
		buf_push_text(print->to, "\n");
	}
}

void
tasks_print(const struct froe_run_view *run, bool payloads, const struct terminal *terminal,
    uint64_t now_ns, struct buf *to)
{
	struct print print = {.terminal = terminal, .now_ns = now_ns, .to = to};
	struct graph_row *rows = tasks_graph(run, terminal->utf8);
	size_t width = strlen("TASK");
	if (rows == NULL || run->task_count == 0) {
		graph_free(rows);
		return; /* it begins at a time that has not come */
	}
	for (size_t i = 0; i < run->task_count; i++) {
		size_t used = rows[i].width + terminal_width(run->tasks[rows[i].node].name);
		width = used > width ? used : width;
	}
	print.width = width;
	buf_printf(to, "\n  %-*s  %-10s  %-9s  %-8s  %-*s  %s\n", (int)width, "TASK", "STATUS",
	    "TOOK", "ATTEMPTS", WORKER_WIDTH, "WORKER", "STATE OR ERROR");
	for (size_t i = 0; i < run->task_count; i++)
		task_print(&run->tasks[rows[i].node], &rows[i], payloads, &print);
	graph_free(rows);
}
