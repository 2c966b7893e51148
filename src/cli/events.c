/*
 * cli/events: `froe events push`.
 */
#include "cli/pairs.h"
#include "cli/payload.h"

#include <inttypes.h>
#include <stdio.h>

int
cli_events_push(struct cli *cli)
{
	struct buf payload;
	struct pairs metadata;
	struct froe_error error;
	uint64_t number = 0;
	int status;
	const char *text = cli->argument_count > 1 ? cli->arguments[1] : NULL;
	buf_init(&payload);
	pairs_read(&metadata, cli);
	payload_read(cli, text, "the event", &payload);
	struct froe_client *client = cli_connect(cli, &status);
	if (client != NULL) {
		struct froe_event_options options = {
		    .key = cli->arguments[0],
		    .payload = {payload.data, buf_used(&payload)},
		    .metadata = metadata.rows,
		    .metadata_count = metadata.count,
		};
		if (froe_event_push_options(client, &options, -1, &number, &error) != FROE_OK) {
			status = cli_fail(&error);
		} else {
			printf("%" PRIu64 "\n", number);
			status = FROE_EXIT_OK;
		}
		froe_client_close(client);
	}
	pairs_release(&metadata);
	buf_release(&payload);
	return status;
}
