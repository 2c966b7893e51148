/*
 * cli/approvals: `froe approvals list|approve|reject`.
 */
#include "cli/cli.h"
#include "cli/json.h"

#include "base/bytes.h"
#include "base/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- list */

static void
row_json(const struct froe_approval_row *row, struct buf *to)
{
	buf_printf(to, "{\"number\":%" PRIu64 ",", row->number);
	json_id(to, "run", row->run);
	buf_push_text(to, ",");
	json_text(to, "workflow", row->workflow);
	buf_push_text(to, ",");
	json_text(to, "task", row->task);
	buf_printf(to, ",\"node\":%u,", row->node);
	json_text(to, "name", row->name);
	json_time(to, "created", row->created_ns);
	json_payload(to, "data", row->data);
	buf_push_text(to, "}");
}

/* Data is JSON, and may have line breaks between its tokens. */
static void
row_table(const struct froe_approval_row *row, struct buf *to)
{
	char id[FROE_ID_TEXT_SIZE], created[TIMESTAMP_TEXT_SIZE];
	froe_id_format(row->run, id);
	timestamp_format(row->created_ns, created);
	buf_printf(to, "%-8" PRIu64 "  %-36s  %-24s  %-20s  ", row->number, id, created, row->name);
	for (size_t i = 0; i < row->data.size; i++) {
		char c = ((const char *)row->data.data)[i];
		buf_push(to, c == '\n' || c == '\r' ? " " : &c, 1);
	}
	buf_push_text(to, "\n");
}

struct listing {
	enum cli_output output;
	uint64_t left;
	uint64_t after;
	uint64_t count;
	struct buf text;
};

static void
listing_page(struct listing *listing, const struct froe_approval_page *page)
{
	for (size_t i = 0; i < page->row_count; i++, listing->count++) {
		const struct froe_approval_row *row = &page->rows[i];
		if (listing->output == CLI_IDS) {
			buf_printf(&listing->text, "%" PRIu64 "\n", row->number);
		} else if (listing->output == CLI_JSON) {
			buf_push_text(&listing->text, listing->count > 0 ? ",\n" : "\n");
			row_json(row, &listing->text);
		} else {
			row_table(row, &listing->text);
		}
	}
	listing->left -= page->row_count;
	listing->after = page->next;
}

static int
listing_fill(struct froe_client *client, struct listing *listing)
{
	struct froe_approval_page *page;
	struct froe_error error;
	do {
		uint32_t limit = listing->left < 500 ? (uint32_t)listing->left : 500;
		if (froe_approval_list(client, listing->after, limit, -1, &page, &error) != FROE_OK)
			return cli_fail(&error);
		listing_page(listing, page);
		froe_approval_page_free(page);
	} while (listing->after != 0 && listing->left > 0);
	return FROE_EXIT_OK;
}

int
cli_approvals_list(struct cli *cli)
{
	struct listing listing = {
	    .output = cli_output(cli),
	    .left = cli_number(cli, "limit", 100, UINT32_MAX),
	};
	int status;
	if (listing.left == 0)
		cli_usage(cli, "--limit: at least 1");
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	buf_init(&listing.text);
	if (listing.output == CLI_JSON)
		buf_push_text(&listing.text, "{\"approvals\":[");
	else if (listing.output == CLI_TABLE)
		buf_printf(&listing.text, "%-8s  %-36s  %-24s  %-20s  %s\n", "NUMBER", "RUN",
		    "CREATED", "NAME", "DATA");
	status = listing_fill(client, &listing);
	if (listing.output == CLI_JSON)
		buf_push_text(&listing.text, "]}\n");
	if (status == FROE_EXIT_OK)
		fwrite(listing.text.data, 1, buf_used(&listing.text), stdout);
	buf_release(&listing.text);
	froe_client_close(client);
	return status;
}

/* -------------------------------------------------------------------------------------- decide */

static bool
number_parse(const char *text, uint64_t *ret_number)
{
	char *end;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == 0 && errno == 0;
}

static int
decide(struct cli *cli, struct froe_client *client, const char *text, bool approved)
{
	struct froe_error error;
	uint64_t number;
	if (!number_parse(text, &number))
		cli_usage(cli, "\"%s\" is not an approval's number: \"froe approvals list --output "
		    "ids\" prints them", text);
	if (froe_approval_decide(client, number, approved, cli_text(cli, "reason"), -1, &error) !=
	    FROE_OK)
		return cli_fail(&error);
	return FROE_EXIT_OK;
}

/* One number, or those on standard input; the status of the first that failed. */
static int
decide_all(struct cli *cli, bool approved)
{
	char line[64];
	int status;
	const char *text = cli->arguments[0];
	uint64_t number;
	if (strcmp(text, "-") != 0 && !number_parse(text, &number))
		return decide(cli, NULL, text, approved); /* says so */
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	status = FROE_EXIT_OK;
	if (strcmp(text, "-") != 0)
		status = decide(cli, client, text, approved);
	else
		while (fgets(line, sizeof(line), stdin) != NULL) {
			line[strcspn(line, "\r\n")] = 0;
			int one = line[0] != 0 ? decide(cli, client, line, approved) : FROE_EXIT_OK;
			status = status == FROE_EXIT_OK ? one : status;
		}
	froe_client_close(client);
	return status;
}

int
cli_approvals_approve(struct cli *cli)
{
	return decide_all(cli, true);
}

int
cli_approvals_reject(struct cli *cli)
{
	return decide_all(cli, false);
}
