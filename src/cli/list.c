/*
 * cli/list: `froe runs list`.
 *
 * A page may be short, and have a cursor, when it took the server much looking: the next one is
 * asked for until there are as many rows as were wanted.
 */
#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/json.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_DEFAULT 50u

/* What is printed, page by page, as it comes. */
struct list {
	enum cli_output output;
	struct terminal terminal;
	struct buf text;
	uint32_t count;
	uint64_t damages;
	bool begun;
};

/* ------------------------------------------------------------------------------------ printing */

static void
row_json(const struct froe_run_row *row, struct buf *to)
{
	buf_push_text(to, "\n{");
	json_id(to, "id", row->run);
	buf_printf(to, ",\"number\":%" PRIu64 ",", row->number);
	json_text(to, "workflow", row->workflow);
	buf_printf(to, ",\"status\":\"%s\"", froe_status_name(row->status));
	json_time(to, "created", row->created_ns);
	json_time(to, "finished", row->finished_ns);
	if (row->scheduled)
		buf_push_text(to, ",\"scheduled\":true");
	if (row->has_parent) {
		buf_push_text(to, ",");
		json_id(to, "parent", row->parent);
	}
	buf_push_text(to, "}");
}

static void
row_table(const struct froe_run_row *row, const struct terminal *terminal, struct buf *to)
{
	char id[FROE_ID_TEXT_SIZE], created[TIMESTAMP_TEXT_SIZE], took[DURATION_TEXT_SIZE] = "-";
	froe_id_format(row->run, id);
	timestamp_format(row->created_ns, created);
	if (row->finished_ns > row->created_ns)
		duration_format(row->finished_ns - row->created_ns, took);
	buf_printf(to, "%-36s  %s%-10s%s  %-24s  %-9s  ", id,
	    terminal_colour(terminal, terminal_colour_of(row->status)),
	    row->scheduled ? "SCHEDULED" : froe_status_name(row->status),
	    terminal_colour(terminal, TERMINAL_PLAIN), created, took);
	terminal_push(terminal, to, row->workflow);
	buf_push_text(to, "\n");
}

static void
list_flush(struct list *list)
{
	terminal_print(&list->text);
	buf_reset(&list->text);
}

static void
list_begin(struct list *list)
{
	if (list->output == CLI_JSON)
		buf_push_text(&list->text, "{\"runs\":[");
	if (list->output == CLI_TABLE)
		buf_printf(&list->text, "%-36s  %-10s  %-24s  %-9s  %s\n", "ID", "STATUS",
		    "CREATED", "TOOK", "WORKFLOW");
}

static void
list_page(struct list *list, const struct froe_run_page *page)
{
	char id[FROE_ID_TEXT_SIZE];
	for (size_t i = 0; i < page->row_count; i++, list->count++) {
		const struct froe_run_row *row = &page->rows[i];
		if (list->output == CLI_JSON && list->count > 0)
			buf_push_text(&list->text, ",");
		if (list->output == CLI_JSON)
			row_json(row, &list->text);
		else if (list->output == CLI_TABLE)
			row_table(row, &list->terminal, &list->text);
		froe_id_format(row->run, id);
		if (list->output == CLI_IDS)
			buf_printf(&list->text, "%s\n", id);
	}
	list_flush(list);
}

static int
list_end(struct list *list, uint64_t next)
{
	if (list->output == CLI_JSON)
		buf_printf(&list->text, "],\"next\":%" PRIu64 "}\n", next);
	list_flush(list);
	if (next != 0 && list->output == CLI_TABLE && !ferror(stdout))
		fprintf(stderr, "froe: more: --before %" PRIu64 "\n", next);
	if (list->damages != 0)
		fprintf(stderr, "froe: the server's log is damaged, runs are missing here: see "
		    "\"froe doctor\"\n");
	return FROE_EXIT_OK;
}

static int
list_print(struct list *list, struct froe_client *client, struct froe_list_options *options)
{
	uint32_t limit = options->limit;
	struct froe_run_page *page;
	struct froe_error error;
	do {
		uint32_t left = limit - list->count;
		options->limit = left < FROE_LIST_MAX ? left : FROE_LIST_MAX;
		if (froe_run_list(client, options, -1, &page, &error) != FROE_OK)
			return cli_fail(&error);
		if (!list->begun)
			list_begin(list);
		list->begun = true;
		list_page(list, page);
		options->before = page->next;
		list->damages = page->damages;
		froe_run_page_free(page);
	} while (options->before != 0 && list->count < limit && !ferror(stdout));
	return list_end(list, options->before);
}

int
cli_runs_list(struct cli *cli)
{
	struct list list = {
	    .output = cli_output(cli),
	    .terminal = terminal_open(STDOUT_FILENO),
	};
	struct filter filter;
	int status;
	filter_take(&filter, cli);
	filter.options.limit = (uint32_t)cli_number(cli, "limit", LIMIT_DEFAULT, UINT32_MAX);
	filter.options.before = cli_number(cli, "before", 0, UINT64_MAX - 1);
	if (filter.options.limit == 0)
		filter.options.limit = LIMIT_DEFAULT;
	struct froe_client *client = cli_connect(cli, &status);
	if (client != NULL) {
		buf_init(&list.text);
		status = list_print(&list, client, &filter.options);
		buf_release(&list.text);
		froe_client_close(client);
	}
	filter_release(&filter);
	return status;
}
