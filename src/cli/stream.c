/*
 * cli/stream: `froe runs stream`: the chunks of a run's stream, as they come.
 */
#include "cli/cli.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/fault.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
print_json(const struct froe_chunk *chunk)
{
	struct buf line;
	buf_init(&line);
	buf_printf(&line, "{\"position\":%u,\"task\":", chunk->position);
	buf_push_json_string(&line, chunk->task, strlen(chunk->task));
	buf_printf(
	    &line, ",\"attempt\":%u,\"time_ns\":%" PRIu64 ",\"", chunk->attempt, chunk->time_ns);
	if (utf8_valid(chunk->data.data, chunk->data.size)) {
		buf_push_text(&line, "data\":");
		buf_push_json_string(&line, chunk->data.data, chunk->data.size);
	} else {
		const uint8_t *bytes = chunk->data.data;
		buf_push_text(&line, "hex\":\"");
		for (size_t i = 0; i < chunk->data.size; i++)
			buf_printf(&line, "%02x", bytes[i]);
		buf_push_text(&line, "\"");
	}
	buf_push_text(&line, "}\n");
	terminal_print(&line);
	buf_release(&line);
}

/* A retry begins anew: whoever reads along is told, once. */
static void
print_page(const struct froe_stream_page *page, enum cli_output output, uint32_t *attempt)
{
	for (size_t i = 0; i < page->chunk_count; i++) {
		const struct froe_chunk *chunk = &page->chunks[i];
		if (output == CLI_JSON) {
			print_json(chunk);
			continue;
		}
		if (*attempt != 0 && chunk->attempt > *attempt)
			fprintf(stderr, "\nfroe: attempt %u of %s begins anew\n", chunk->attempt,
			    chunk->task);
		*attempt = chunk->attempt;
		fwrite(chunk->data.data, 1, chunk->data.size, stdout);
	}
	fflush(stdout);
}

static int
follow(struct cli *cli, struct froe_client *client, struct froe_id run)
{
	enum cli_output output = cli_output(cli);
	uint32_t after = (uint32_t)cli_number(cli, "after", 0, UINT32_MAX), attempt = 0;
	bool ended = false;
	while (!ended && !ferror(stdout)) {
		struct froe_stream_page *page;
		struct froe_error error;
		if (froe_stream_read(
			client, run, cli_text(cli, "task"), after, -1, &page, &error) != FROE_OK)
			return cli_fail(&error);
		print_page(page, output, &attempt);
		after = page->next;
		ended = page->ended;
		froe_stream_page_free(page);
	}
	return FROE_EXIT_OK;
}

int
cli_runs_stream(struct cli *cli)
{
	int status;
	struct froe_id run = cli_run_id(cli, 0);
	if (cli_output(cli) == CLI_IDS)
		cli_usage(cli, "--output: chunks have no ids");
	struct froe_client *client = cli_connect(cli, &status);
	if (client == NULL)
		return status;
	status = follow(cli, client, run);
	froe_client_close(client);
	return status;
}
