/*
 * cli/view: the lines above the tasks: what the run is, the error that matters, and what it has to
 * do with other runs.
 */
#include "cli/view.h"

#include "base/duration.h"
#include "base/uuid.h"
#include "cli/tasks.h"

#include <string.h>

#define CHILDREN_SHOWN 10u
#define REPLAYS_SHOWN 3u

bool
view_is_child(const struct froe_run_view *run)
{
	static const struct froe_id none;
	return memcmp(&run->parent, &none, sizeof(none)) != 0;
}

struct froe_id
view_parent(const struct froe_run_view *run)
{
	struct uuid id;
	struct froe_id parent;
	uint32_t number;
	memcpy(id.bytes, run->parent.bytes, sizeof(id.bytes));
	id = uuid_run_of(id, &number);
	memcpy(parent.bytes, id.bytes, sizeof(parent.bytes));
	return parent;
}

struct print {
	const struct terminal *terminal;
	struct buf *to;
};

static void
push_status(const struct print *print, enum froe_status status)
{
	buf_printf(print->to, "%s%s%s",
	    terminal_colour(print->terminal, terminal_colour_of(status)), froe_status_name(status),
	    terminal_colour(print->terminal, TERMINAL_PLAIN));
}

static void
push_text(const struct print *print, const char *before, const char *text)
{
	buf_push_text(print->to, before);
	terminal_push(print->terminal, print->to, text);
}

/* A line, unless the text is empty. */
static void
push_row(const struct print *print, const char *before, const char *text)
{
	if (text[0] == 0)
		return;
	push_text(print, before, text);
	buf_push_text(print->to, "\n");
}

static void
push_child(const struct print *print, const struct froe_child_view *child)
{
	char id[FROE_ID_TEXT_SIZE];
	froe_id_format(child->run, id);
	buf_printf(print->to, "  %s  ", id);
	push_status(print, child->status);
	push_text(print, "  of ", child->task);
	push_text(print, child->key[0] != 0 ? ", " : "", child->key);
	buf_push_text(print->to, "\n");
}

static void
push_children(const struct print *print, const struct froe_run_view *run)
{
	size_t count[FROE_RUN_EVICTED + 1] = {0};
	const char *before = "children: ";
	for (size_t i = 0; i < run->child_view_count; i++)
		count[run->children[i].status]++;
	for (unsigned i = 0; i <= FROE_RUN_EVICTED; i++) {
		if (count[i] == 0)
			continue;
		buf_printf(print->to, "%s%zu %s", before, count[i],
		    froe_status_name((enum froe_status)i));
		before = ", ";
	}
	buf_push_text(print->to, "\n");
	for (size_t i = 0; i < run->child_view_count && i < CHILDREN_SHOWN; i++)
		push_child(print, &run->children[i]);
	if (run->child_count > CHILDREN_SHOWN)
		buf_printf(print->to, "  and %zu more: froe runs list --parent\n",
		    run->child_count - CHILDREN_SHOWN);
}

static void
push_replay(const struct print *print, const struct froe_replay_view *replay)
{
	char when[TIMESTAMP_TEXT_SIZE];
	timestamp_format(replay->time_ns, when);
	buf_printf(print->to, "replayed %s", when);
	push_text(print, replay->by[0] != 0 ? " by " : "", replay->by);
	if (replay->job != 0)
		buf_printf(print->to, ", job %llu", (unsigned long long)replay->job);
	push_text(print, replay->task[0] != 0 ? ", from task " : "", replay->task);
	buf_push_text(print->to, replay->edited ? ", with another input" : "");
	push_text(print, replay->reason[0] != 0 ? ": " : "", replay->reason);
	buf_push_text(print->to, "\n");
}

/* The newest ones. */
static void
push_replays(const struct print *print, const struct froe_run_view *run)
{
	size_t from = run->replay_count > REPLAYS_SHOWN ? run->replay_count - REPLAYS_SHOWN : 0;
	if (from > 0)
		buf_printf(print->to, "replayed %zu times before\n", from);
	for (size_t i = from; i < run->replay_count; i++)
		push_replay(print, &run->replays[i]);
}

static void
push_relations(const struct print *print, const struct froe_run_view *run)
{
	char text[TIMESTAMP_TEXT_SIZE], id[FROE_ID_TEXT_SIZE];
	if (run->start_ns != 0) {
		timestamp_format(run->start_ns, text);
		buf_printf(print->to, "scheduled for %s%s\n", text,
		    run->late ? ", began late" : "");
	}
	if (view_is_child(run)) {
		froe_id_format(view_parent(run), id);
		buf_printf(print->to, "child of run %s\n", id);
	}
	push_row(print, "key: ", run->key);
	push_replays(print, run);
	if (run->child_view_count > 0)
		push_children(print, run);
}

/* Of all that failed the first: the others mostly follow from it. */
static const struct froe_task_view *
first_failure(const struct froe_run_view *run)
{
	const struct froe_task_view *first = NULL;
	for (size_t i = 0; i < run->task_count; i++) {
		const struct froe_task_view *task = &run->tasks[i];
		if (task->status != FROE_RUN_FAILED || task->error[0] == 0)
			continue;
		if (first == NULL || task->finished_ns < first->finished_ns)
			first = task;
	}
	return first;
}

static void
push_failure(const struct print *print, const struct froe_run_view *run)
{
	const struct froe_task_view *task = first_failure(run);
	if (task == NULL)
		return;
	buf_printf(print->to, "%s", terminal_colour(print->terminal, TERMINAL_RED));
	push_text(print, "error: ", task->name);
	if (task->attempt_count > 0) {
		const struct froe_attempt_view *last = &task->attempts[task->attempt_count - 1];
		buf_printf(print->to, ", attempt %u", last->attempt);
		push_text(print, last->worker[0] != 0 ? " at " : "", last->worker);
	}
	push_text(print, ": ", task->error);
	buf_printf(print->to, "%s\n", terminal_colour(print->terminal, TERMINAL_PLAIN));
}

/* Who asked for it, and why. One that nobody asked for has a reason alone. */
static void
push_cancel(const struct print *print, const struct froe_run_view *run)
{
	if (run->cancelled_by[0] == 0 && run->cancel_job == 0) {
		push_row(print, "reason: ", run->reason);
		return;
	}
	push_text(print, run->cancelled_by[0] != 0 ? "cancelled by " : "cancelled",
	    run->cancelled_by);
	if (run->cancel_job != 0)
		buf_printf(print->to, ", job %llu", (unsigned long long)run->cancel_job);
	push_text(print, run->reason[0] != 0 ? ": " : "", run->reason);
	buf_push_text(print->to, "\n");
}

static void
push_head(const struct print *print, const struct froe_run_view *run, uint64_t now_ns)
{
	char id[FROE_ID_TEXT_SIZE], created[TIMESTAMP_TEXT_SIZE], took[DURATION_TEXT_SIZE];
	uint64_t end_ns = run->finished_ns != 0 ? run->finished_ns : now_ns;
	froe_id_format(run->run, id);
	timestamp_format(run->created_ns, created);
	buf_printf(print->to, "run %s\n", id);
	push_status(print, run->status);
	push_text(print, " of workflow ", run->workflow);
	buf_printf(print->to, ", version %u, created %s", run->version, created);
	if (end_ns > run->created_ns) {
		duration_format(end_ns - run->created_ns, took);
		buf_printf(print->to, ", %s %s", run->finished_ns != 0 ? "took" : "since", took);
	}
	buf_push_text(print->to, "\n");
	push_failure(print, run);
	push_cancel(print, run);
	for (size_t i = 0; i < run->metadata_count; i++) {
		push_text(print, i == 0 ? "metadata: " : ", ", run->metadata[i].key);
		push_text(print, "=", run->metadata[i].value);
	}
	if (run->metadata_count > 0)
		buf_push_text(print->to, "\n");
}

void
view_table(const struct froe_run_view *run, bool payloads, const struct terminal *terminal,
    uint64_t now_ns, struct buf *to)
{
	struct print print = {.terminal = terminal, .to = to};
	push_head(&print, run, now_ns);
	push_relations(&print, run);
	if (payloads && run->input.size != 0) {
		buf_push_text(to, "input: ");
		buf_push(to, run->input.data, run->input.size);
		buf_push_text(to, "\n");
	}
	tasks_print(run, payloads, terminal, now_ns, to);
}
