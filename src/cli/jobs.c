/*
 * cli/jobs: `froe jobs list|get|watch|cancel`, and the jobs that `runs cancel` and `runs replay`
 * start.
 *
 * Following a job is asking for it again and again, each time until it ends or a little time has
 * passed: nothing is lost with the connection, and the job does not wait for whoever looks.
 */
#include "cli/jobs.h"

#include "cli/each.h"
#include "cli/filter.h"
#include "cli/json.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/fault.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between two lines of progress; when nobody sees them, between two questions. */
#define PROGRESS_MS 250u
#define QUIET_MS 10000u

static const char *
kind_name(enum froe_job_kind kind)
{
	return kind == FROE_JOB_CANCEL ? "cancel" : "replay";
}

/* What has become of the runs. */
static const char *
kind_done(enum froe_job_kind kind)
{
	return kind == FROE_JOB_CANCEL ? "cancelled" : "go on";
}

/* How far it is among the runs that there were: they need not fit the filter. */
static unsigned
job_percent(const struct froe_job_view *job)
{
	if (job->finished_ns != 0 && job->status == FROE_RUN_COMPLETED)
		return 100;
	if (job->first <= 1)
		return 0;
	double part = (double)(job->first - job->cursor) / (double)(job->first - 1);
	return part < 0.99 ? (unsigned)(part * 100) : 99;
}

/* ------------------------------------------------------------------------------------ printing */

static void
filter_json(const struct froe_list_options *filter, struct buf *to)
{
	bool first = true;
	buf_push_text(to, ",\"filter\":{\"statuses\":[");
	for (unsigned i = 0; i <= FROE_RUN_EVICTED; i++) {
		if ((filter->statuses & 1u << i) == 0)
			continue;
		buf_printf(to, "%s\"%s\"", first ? "" : ",", froe_status_name((enum froe_status)i));
		first = false;
	}
	buf_push_text(to, "],");
	json_text(to, "workflow", filter->workflow != NULL ? filter->workflow : "");
	buf_push_text(to, ",");
	json_text(to, "worker", filter->worker != NULL ? filter->worker : "");
	json_time(to, "since", filter->since_ns);
	json_time(to, "until", filter->until_ns);
	buf_printf(to, ",\"scheduled\":%s,\"metadata\":{", filter->scheduled ? "true" : "false");
	for (size_t i = 0; i < filter->metadata_count; i++) {
		buf_push_text(to, i > 0 ? "," : "");
		json_text(to, filter->metadata[i].key, filter->metadata[i].value);
	}
	buf_push_text(to, "}");
	if (!bytes_zero(filter->parent.bytes, sizeof(filter->parent.bytes))) {
		buf_push_text(to, ",");
		json_id(to, "parent", filter->parent);
	}
	buf_push_text(to, "}");
}

static void
job_json(const struct froe_job_view *job, bool whole, struct buf *to)
{
	buf_printf(to, "{\"job\":%" PRIu64 ",\"kind\":\"%s\",\"status\":\"%s\",\"done\":%" PRIu64
	    ",\"refused\":%" PRIu64 ",\"percent\":%u",
	    job->job, kind_name(job->kind), froe_status_name(job->status), job->done, job->refused,
	    job_percent(job));
	buf_printf(to, ",\"first\":%" PRIu64 ",\"cursor\":%" PRIu64, job->first, job->cursor);
	if (job->refusal != FROE_OK)
		buf_printf(to, ",\"refusal\":\"%s\"", froe_err_name(job->refusal));
	buf_push_text(to, ",");
	json_text(to, "reason", job->reason);
	buf_push_text(to, ",");
	json_text(to, "task", job->task);
	buf_printf(to, ",\"children\":%s,", job->children ? "true" : "false");
	json_text(to, "by", job->by);
	buf_push_text(to, ",");
	json_text(to, "ended_by", job->ended_by);
	buf_push_text(to, ",");
	json_text(to, "error", job->error);
	json_time(to, "created", job->created_ns);
	json_time(to, "finished", job->finished_ns);
	if (whole)
		filter_json(&job->filter, to);
	buf_push_text(to, "}");
}

/* "job 7: 128 cancelled, 2 refused, 43 %" */
static void
job_line(const struct froe_job_view *job, struct buf *to)
{
	buf_printf(to, "job %" PRIu64 ": %" PRIu64 " %s", job->job, job->done,
	    kind_done(job->kind));
	if (job->refused > 0)
		buf_printf(to, ", %" PRIu64 " refused (the last: %s)", job->refused,
		    froe_err_name(job->refusal));
	if (job->finished_ns == 0)
		buf_printf(to, ", %u %%", job_percent(job));
	else if (job->status == FROE_RUN_CANCELLED)
		buf_printf(to, "; the job was cancelled%s%s", job->ended_by[0] != 0 ? " by " : "",
		    job->ended_by);
	else if (job->status == FROE_RUN_FAILED)
		buf_printf(to, "; the job failed: %s", job->error);
}

static void
filter_table(const struct froe_list_options *filter, struct buf *to)
{
	char text[FROE_ID_TEXT_SIZE > TIMESTAMP_TEXT_SIZE ? FROE_ID_TEXT_SIZE
	                                                  : TIMESTAMP_TEXT_SIZE];
	for (unsigned i = 0; i <= FROE_RUN_EVICTED; i++) {
		if ((filter->statuses & 1u << i) != 0)
			buf_printf(to, " --status %s", froe_status_name((enum froe_status)i));
	}
	if (filter->workflow != NULL)
		buf_printf(to, " --workflow %s", filter->workflow);
	if (filter->worker != NULL)
		buf_printf(to, " --worker %s", filter->worker);
	if (filter->since_ns != 0) {
		timestamp_format(filter->since_ns, text);
		buf_printf(to, " --since %s", text);
	}
	if (filter->until_ns != 0) {
		timestamp_format(filter->until_ns, text);
		buf_printf(to, " --until %s", text);
	}
	if (!bytes_zero(filter->parent.bytes, sizeof(filter->parent.bytes))) {
		froe_id_format(filter->parent, text);
		buf_printf(to, " --parent %s", text);
	}
	for (size_t i = 0; i < filter->metadata_count; i++)
		buf_printf(to, " --metadata %s=%s", filter->metadata[i].key,
		    filter->metadata[i].value);
	if (filter->scheduled)
		buf_push_text(to, " --scheduled");
}

static void
job_table(const struct froe_job_view *job, struct buf *to)
{
	char time[TIMESTAMP_TEXT_SIZE];
	size_t begin;
	job_line(job, to);
	timestamp_format(job->created_ns, time);
	buf_printf(to, "\nstatus    %s\ncreated   %s%s%s\n", froe_status_name(job->status), time,
	    job->by[0] != 0 ? " by " : "", job->by);
	if (job->finished_ns != 0) {
		timestamp_format(job->finished_ns, time);
		buf_printf(to, "finished  %s\n", time);
	}
	buf_printf(to, "runs     ");
	begin = buf_used(to);
	filter_table(&job->filter, to);
	buf_printf(to, "%s%s\n", buf_used(to) == begin ? " --all" : "",
	    job->children ? " --children" : "");
	if (job->task[0] != 0)
		buf_printf(to, "from      %s\n", job->task);
	if (job->reason[0] != 0)
		buf_printf(to, "reason    %s\n", job->reason);
}

/* Reasons, names and errors are the words of others. */
static void
job_text_print(enum cli_output output, const struct buf *text)
{
	struct terminal terminal = terminal_open(STDOUT_FILENO);
	if (output == CLI_TABLE)
		terminal_print_plain(&terminal, text);
	else
		terminal_print(text);
}

static void
job_print(const struct cli *cli, const struct froe_job_view *job, bool whole)
{
	struct buf text;
	buf_init(&text);
	if (cli_output(cli) == CLI_JSON) {
		job_json(job, /* whole= */ true, &text);
		buf_push_text(&text, "\n");
	} else if (cli_output(cli) == CLI_IDS) {
		buf_printf(&text, "%" PRIu64 "\n", job->job);
	} else if (whole) {
		job_table(job, &text);
	} else {
		job_line(job, &text);
		buf_push_text(&text, "\n");
	}
	job_text_print(cli_output(cli), &text);
	buf_release(&text);
}

/* Over the line before it. */
static void
job_progress(const struct froe_job_view *job)
{
	struct buf text;
	buf_init(&text);
	buf_push_text(&text, "\r\033[K");
	if (job->finished_ns == 0)
		job_line(job, &text);
	fwrite(text.data, 1, buf_used(&text), stderr);
	fflush(stderr);
	buf_release(&text);
}

/* --------------------------------------------------------------------------------------- follow */

static int
job_follow(const struct cli *cli, struct froe_client *client, uint64_t number)
{
	bool seen = terminal_open(STDERR_FILENO).moves && cli_output(cli) == CLI_TABLE;
	struct froe_job_view *job;
	struct froe_error error;
	for (;;) {
		if (froe_job_get(client, number, seen ? PROGRESS_MS : QUIET_MS, -1, &job, &error) !=
		    FROE_OK)
			return cli_fail(&error);
		if (seen)
			job_progress(job);
		if (job->finished_ns != 0)
			break;
		froe_job_view_free(job);
	}
	job_print(cli, job, /* whole= */ false);
	bool good = job->status == FROE_RUN_COMPLETED;
	froe_job_view_free(job);
	return good ? FROE_EXIT_OK : FROE_EXIT_FAILED;
}

bool
jobs_meant(const struct cli *cli)
{
	const char *given = filter_given(cli);
	bool all = cli_flag(cli, "all");
	if (cli->argument_count > 0 && (given != NULL || all))
		cli_usage(cli, "either ids, or conditions such as --%s: they are not combined",
		    given != NULL ? given : "all");
	if (cli->argument_count > 0 && cli_flag(cli, "detach"))
		cli_usage(cli, "--detach is for the job that conditions start, not for ids");
	if (all && given != NULL)
		cli_usage(cli, "--all is every run: leave it out, or --%s", given);
	if (cli->argument_count == 0 && given == NULL && !all)
		cli_usage(cli, "which runs? give ids, or conditions (--status FAILED --since 1h), "
		    "or --all");
	return cli->argument_count == 0;
}

static int
job_started(const struct cli *cli, struct froe_client *client, uint64_t number)
{
	if (cli_flag(cli, "detach")) {
		if (cli_output(cli) == CLI_JSON)
			printf("{\"job\":%" PRIu64 "}\n", number);
		else
			printf("%" PRIu64 "\n", number);
		return FROE_EXIT_OK;
	}
	if (terminal_open(STDERR_FILENO).tty && cli_output(cli) == CLI_TABLE)
		fprintf(stderr, "froe: job %" PRIu64 " goes on without us: \"froe jobs cancel %"
		    PRIu64 "\" ends it\n", number, number);
	return job_follow(cli, client, number);
}

int
jobs_run(const struct cli *cli, enum froe_job_kind kind)
{
	struct filter filter;
	struct froe_error error;
	uint64_t number;
	int status;
	struct froe_job_options options = {
	    .reason = cli_text(cli, "reason"),
	    .task = kind == FROE_JOB_REPLAY ? cli_text(cli, "from") : NULL,
	    .children = kind == FROE_JOB_CANCEL && cli_flag(cli, "children"),
	    .all = cli_flag(cli, "all"),
	};
	FROE_DROP(cli_output(cli), "checked before connecting");
	filter_take(&filter, cli);
	struct froe_client *client = cli_connect(cli, &status);
	if (client != NULL) {
		if (froe_job_start(client, kind, &filter.options, &options, -1, &number, &error) ==
		    FROE_OK)
			status = job_started(cli, client, number);
		else
			status = cli_fail(&error);
		froe_client_close(client);
	}
	filter_release(&filter);
	return status;
}

/* ------------------------------------------------------------------------------------ commands */

static const struct each_kind job_kind = {
    .name = "job",
    .want = "a job's number: \"froe jobs list --output ids\" prints them",
    .check = each_check_number,
};

static void
list_row(const struct froe_job_view *job, struct buf *to)
{
	char created[TIMESTAMP_TEXT_SIZE], far[8];
	timestamp_format(job->created_ns, created);
	snprintf(far, sizeof(far), "%u %%", job_percent(job));
	buf_printf(to, "%-8" PRIu64 "  %-6s  %-10s  %-24s  %-5s  %8" PRIu64 "  %8" PRIu64 "  %s\n",
	    job->job, kind_name(job->kind), froe_status_name(job->status), created, far, job->done,
	    job->refused, job->reason);
}

static void
list_page(enum cli_output output, const struct froe_job_page *page, bool *first, struct buf *to)
{
	for (size_t i = 0; i < page->row_count; i++, *first = false) {
		const struct froe_job_view *job = &page->rows[i];
		if (output == CLI_IDS) {
			buf_printf(to, "%" PRIu64 "\n", job->job);
		} else if (output == CLI_JSON) {
			buf_push_text(to, *first ? "\n" : ",\n");
			job_json(job, /* whole= */ false, to);
		} else {
			list_row(job, to);
		}
	}
}

static int
list_all(struct froe_client *client, enum cli_output output, struct buf *to)
{
	struct froe_job_page *page;
	struct froe_error error;
	uint64_t before = 0;
	bool first = true;
	do {
		if (froe_job_list(client, before, 0, -1, &page, &error) != FROE_OK)
			return cli_fail(&error);
		list_page(output, page, &first, to);
		before = page->next;
		froe_job_page_free(page);
	} while (before != 0);
	return FROE_EXIT_OK;
}

int
cli_jobs_list(struct cli *cli)
{
	enum cli_output output = cli_output(cli);
	struct buf text;
	int status;
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	buf_init(&text);
	if (output == CLI_JSON)
		buf_push_text(&text, "{\"jobs\":[");
	else if (output == CLI_TABLE)
		buf_printf(&text, "%-8s  %-6s  %-10s  %-24s  %-5s  %8s  %8s  %s\n", "NUMBER",
		    "KIND", "STATUS", "CREATED", "AT", "DONE", "REFUSED", "REASON");
	status = list_all(client, output, &text);
	if (output == CLI_JSON)
		buf_push_text(&text, "]}\n");
	if (status == FROE_EXIT_OK)
		job_text_print(output, &text);
	buf_release(&text);
	froe_client_close(client);
	return status;
}

static uint64_t
number_of(const char *text)
{
	uint64_t number = each_number(text);
	return number;
}

static int
get_one(const struct each *each, struct froe_client *client, const char *id)
{
	struct froe_job_view *job;
	struct froe_error error;
	if (froe_job_get(client, number_of(id), 0, -1, &job, &error) != FROE_OK)
		return cli_fail_of(each_name(each, id), &error);
	job_print(each->cli, job, /* whole= */ true);
	froe_job_view_free(job);
	return FROE_EXIT_OK;
}

int
cli_jobs_get(struct cli *cli)
{
	return each_show(cli, &job_kind, get_one);
}

/* One after the other: each tells its own story. */
static int
watch_one(const struct each *each, struct froe_client *client, const char *id)
{
	return job_follow(each->cli, client, number_of(id));
}

int
cli_jobs_watch(struct cli *cli)
{
	return each_show(cli, &job_kind, watch_one);
}

static enum froe_err
cancel_one(void *context, struct froe_client *client, const char *text, struct froe_error *error)
{
	(void)context;
	return froe_job_cancel(client, number_of(text), -1, error);
}

int
cli_jobs_cancel(struct cli *cli)
{
	struct each_action action = {.done = "goes on no further", .act = cancel_one};
	return each_act(cli, &job_kind, &action);
}
