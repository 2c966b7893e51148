/*
 * cli/watch: `froe runs watch`.
 *
 * On a terminal one run is drawn over and over: an event says that something has changed, then the
 * run is asked for and drawn in place of the last drawing. Anywhere else, and for several runs,
 * each event is a line. Ids on standard input are watched as they come, WATCHES_MAX at a time.
 */
#include "cli/each.h"
#include "cli/json.h"
#include "cli/view.h"

#include "base/duration.h"
#include "base/fault.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCHES_MAX 1000u
#define DRAW_MS 100u        /* not more often */
#define TICK_MS 1000u       /* not less often: what runs takes longer by the second */
#define GET_MS 2000         /* a server that restarts: the old drawing stays */
#define ROWS_LEAST 4u

struct watch {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct terminal terminal;
	enum cli_output output;
	bool live; /* draw, instead of printing lines */
	bool many; /* lines say of which run they are */
	unsigned open;
	uint64_t events;
	int status; /* of the first that did not complete */
};

/* --------------------------------------------------------------------------------------- lines */

static void
event_json(const struct froe_event *event, struct buf *to)
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
event_line(const struct watch *watch, const struct froe_event *event, struct buf *to)
{
	char time[TIMESTAMP_TEXT_SIZE], id[FROE_ID_TEXT_SIZE];
	timestamp_format(event->time_ns, time);
	froe_id_format(event->run, id);
	buf_printf(to, "%s%s%s  %s%-*s%s", watch->many ? id : "", watch->many ? "  " : "", time,
	    terminal_colour(&watch->terminal, terminal_colour_of(event->status)),
	    event->task != NULL ? 10 : 0, froe_status_name(event->status),
	    terminal_colour(&watch->terminal, TERMINAL_PLAIN));
	if (event->task != NULL && event->change != NULL) {
		buf_push_text(to, "  ");
		terminal_push(&watch->terminal, to, event->task);
		buf_printf(to, " %s", event->change);
	}
	if (event->attempt != 0)
		buf_printf(to, " (attempt %u)", event->attempt);
	if (event->error != NULL && event->error[0] != 0) {
		buf_push_text(to, ": ");
		terminal_push(&watch->terminal, to, event->error);
	}
	buf_push_text(to, "\n");
}

static void
event_print(const struct watch *watch, const struct froe_event *event)
{
	struct buf line;
	char id[FROE_ID_TEXT_SIZE];
	buf_init(&line);
	froe_id_format(event->run, id);
	if (watch->output == CLI_JSON)
		event_json(event, &line);
	else if (watch->output == CLI_TABLE)
		event_line(watch, event, &line);
	else if (event->final && event->status == FROE_RUN_COMPLETED)
		buf_printf(&line, "%s\n", id);
	terminal_print(&line);
	fflush(stdout);
	buf_release(&line);
}

static void
watch_event(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct watch *watch = context;
	int status = FROE_EXIT_OK;
	pthread_mutex_lock(&watch->mutex);
	if (error != NULL && !ferror(stdout)) /* else the reader has seen enough */
		status = cli_fail(error);
	if (error == NULL && event->final && event->status != FROE_RUN_COMPLETED)
		status = FROE_EXIT_FAILED;
	if (error == NULL && !watch->live)
		event_print(watch, event);
	if (error != NULL || event->final)
		watch->open--;
	watch->status = watch->status == FROE_EXIT_OK ? status : watch->status;
	watch->events++;
	pthread_cond_signal(&watch->changed);
	pthread_mutex_unlock(&watch->mutex);
}

/* False: it was said why not. */
static bool
watch_begin(struct watch *watch, struct froe_client *client, const char *text)
{
	struct froe_error error;
	struct froe_id run;
	bool changes = watch->output != CLI_IDS, parsed = froe_id_parse(text, &run);
	froe_assert(parsed);
	pthread_mutex_lock(&watch->mutex);
	watch->open++;
	pthread_mutex_unlock(&watch->mutex);
	if (froe_run_watch(client, run, changes, watch_event, watch, /* ret_watch= */ NULL,
		&error) == FROE_OK)
		return true;
	int status = cli_fail_of(watch->many ? text : NULL, &error);
	pthread_mutex_lock(&watch->mutex);
	watch->open--;
	watch->status = watch->status == FROE_EXIT_OK ? status : watch->status;
	pthread_mutex_unlock(&watch->mutex);
	return false;
}

/* Until no more than so many are open. */
static void
watch_wait(struct watch *watch, unsigned open)
{
	pthread_mutex_lock(&watch->mutex);
	while (watch->open > open && !ferror(stdout))
		pthread_cond_wait(&watch->changed, &watch->mutex);
	pthread_mutex_unlock(&watch->mutex);
}

static void
watch_lines(struct watch *watch, struct froe_client *client, struct each *each)
{
	const char *id;
	while ((id = each_next(each)) != NULL && !ferror(stdout)) {
		FROE_DROP(watch_begin(watch, client, id), "it has said so, and the others go on");
		watch_wait(watch, WATCHES_MAX - 1);
	}
	watch_wait(watch, 0);
}

/* ------------------------------------------------------------------------------------- drawing */

/* The first `rows` lines, and how many are left out. */
static size_t
rows_push(struct buf *to, struct bytes text, size_t rows)
{
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < text.size; i++)
		count += text.data[i] == '\n' ? 1 : 0;
	bool cut = count > rows;
	size_t keep = cut ? rows - 1 : count;
	for (size_t at = 0; at < text.size && kept < keep; kept++) {
		size_t size = 0;
		while (text.data[at + size] != '\n')
			size++;
		buf_push(to, text.data + at, size);
		buf_push_text(to, "\x1b[K\n");
		at += size + 1;
	}
	if (cut)
		buf_printf(to, "  and %zu more lines: froe runs get\x1b[K\n", count - keep);
	return kept + (cut ? 1 : 0);
}

/* Draws over the last drawing of `*drawn` lines, in one write. Lines are not wrapped meanwhile:
 * each takes one row. The last drawing is whole. */
static void
draw(const struct watch *watch, const struct froe_run_view *view, size_t *drawn, bool last)
{
	struct timespec now;
	struct buf text, out;
	unsigned rows = terminal_rows(STDOUT_FILENO);
	buf_init(&text);
	buf_init(&out);
	clock_gettime(CLOCK_REALTIME, &now);
	view_table(view, /* payloads= */ false, &watch->terminal,
	    (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec, &text);
	if (*drawn > 0)
		buf_printf(&out, "\x1b[%zuA\r", *drawn);
	buf_push_text(&out, last ? "" : "\x1b[?7l");
	*drawn = rows_push(&out, buf_bytes(&text), last || rows < ROWS_LEAST ? SIZE_MAX : rows - 1);
	buf_push_text(&out, last ? "\x1b[J" : "\x1b[J\x1b[?7h");
	terminal_print(&out);
	fflush(stdout);
	buf_release(&text);
	buf_release(&out);
}

/* Until there is something new, or a second has gone by; never at once. */
static uint64_t
draw_wait(struct watch *watch, uint64_t seen, bool *ret_open)
{
	struct timespec pause = {0, DRAW_MS * 1000000L}, until;
	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += TICK_MS / 1000;
	pthread_mutex_lock(&watch->mutex);
	if (watch->events == seen && watch->open > 0)
		pthread_cond_timedwait(&watch->changed, &watch->mutex, &until);
	seen = watch->events;
	*ret_open = watch->open > 0;
	pthread_mutex_unlock(&watch->mutex);
	return seen;
}

/* The end is drawn from a look that came after its event. */
static void
watch_live(struct watch *watch, struct froe_client *client, const char *text)
{
	struct froe_id run;
	size_t drawn = 0;
	uint64_t seen = 0;
	bool open = watch_begin(watch, client, text), parsed = froe_id_parse(text, &run);
	bool last = !open;
	froe_assert(parsed);
	while (!last && !ferror(stdout)) {
		struct froe_run_view *view;
		last = !open;
		if (froe_run_get(client, run, false, GET_MS, &view, NULL) == FROE_OK) {
			draw(watch, view, &drawn, last);
			froe_run_view_free(view);
		}
		if (!last)
			seen = draw_wait(watch, seen, &open);
	}
}

int
cli_runs_watch(struct cli *cli)
{
	struct watch watch = {.output = cli_output(cli), .terminal = terminal_open(STDOUT_FILENO)};
	struct each each;
	int status;
	each_begin(&each, cli, &each_run);
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	pthread_mutex_init(&watch.mutex, NULL);
	pthread_cond_init(&watch.changed, NULL);
	watch.many = !each_single(&each);
	watch.live = !watch.many && watch.output == CLI_TABLE && watch.terminal.moves;
	if (watch.live)
		watch_live(&watch, client, each_next(&each));
	else
		watch_lines(&watch, client, &each);
	pthread_mutex_lock(&watch.mutex);
	status = watch.status == FROE_EXIT_OK ? each.status : watch.status;
	pthread_mutex_unlock(&watch.mutex);
	froe_client_close(client);
	return status;
}
