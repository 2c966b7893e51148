/*
 * cli/events: `froe events push`.
 */
#include "cli/cli.h"
#include "cli/payload.h"

#include <inttypes.h>
#include <stdio.h>

int
cli_events_push(struct cli *cli)
{
	struct buf payload;
	struct froe_error error;
	uint64_t number = 0;
	int status;
	const char *text = cli->argument_count > 1 ? cli->arguments[1] : NULL;
	buf_init(&payload);
	payload_read(cli, text, "the event", &payload);
	struct froe_client *client = cli_connect(cli, &status);
	if (client != NULL) {
		struct froe_bytes json = {payload.data, buf_used(&payload)};
		if (froe_event_push(client, cli->arguments[0], json, -1, &number, &error) !=
		    FROE_OK) {
			status = cli_fail(&error);
		} else {
			printf("%" PRIu64 "\n", number);
			status = FROE_EXIT_OK;
		}
		froe_client_close(client);
	}
	buf_release(&payload);
	return status;
}
