/*
 * cli/approvals: `froe approvals list|approve|reject`.
 */
#include "cli/each.h"
#include "cli/json.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	struct terminal terminal = terminal_open(STDOUT_FILENO);
	struct bytes data = bytes_of(row->data.data, row->data.size);
	froe_id_format(row->run, id);
	timestamp_format(row->created_ns, created);
	buf_printf(to, "%-8" PRIu64 "  %-36s  %-24s  ", row->number, id, created);
	terminal_push_wide(&terminal, to, row->name, 20);
	buf_push_text(to, "  ");
	while (data.size > 0) {
		const uint8_t *end = memchr(data.data, '\n', data.size);
		size_t size = end != NULL ? (size_t)(end - data.data) + 1 : data.size;
		terminal_push_bytes(&terminal, to, bytes_of(data.data, size));
		data = bytes_of(data.data + size, data.size - size);
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
		terminal_print(&listing.text);
	buf_release(&listing.text);
	froe_client_close(client);
	return status;
}

/* -------------------------------------------------------------------------------------- decide */

static const struct each_kind approval_kind = {
    .name = "approval",
    .want = "an approval's number: \"froe approvals list --output ids\" prints them",
    .check = each_check_number,
};

struct decision {
	bool approved;
	const char *reason;
};

static enum froe_err
decide(void *context, struct froe_client *client, const char *text, struct froe_error *error)
{
	const struct decision *decision = context;
	uint64_t number = each_number(text);
	return froe_approval_decide(
	    client, number, decision->approved, decision->reason, -1, error);
}

static int
decide_all(const struct cli *cli, bool approved)
{
	struct decision decision = {.approved = approved, .reason = cli_text(cli, "reason")};
	struct each_action action = {
	    .done = approved ? "approved" : "rejected",
	    .act = decide,
	    .context = &decision,
	};
	return each_act(cli, &approval_kind, &action);
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
