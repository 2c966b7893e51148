/*
 * cli/run: `froe run`: starts a run, and waits for its end if asked.
 */
#include "cli/bulk.h"
#include "cli/pairs.h"
#include "cli/payload.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/fault.h"

#include <stdio.h>
#include <string.h>

static int
print_end(const struct froe_event *end)
{
	if (end->status == FROE_RUN_COMPLETED && end->result_omitted) {
		fputs("froe: the result is larger than a message: see \"froe runs get\"\n", stderr);
		return FROE_EXIT_OK;
	}
	if (end->status == FROE_RUN_COMPLETED) {
		fwrite(end->result.data, 1, end->result.size, stdout);
		fputc('\n', stdout);
		return FROE_EXIT_OK;
	}
	fprintf(stderr, "froe: the run %s%s%s\n",
	    end->status == FROE_RUN_CANCELLED ? "was cancelled" : "failed",
	    end->error != NULL && end->error[0] != 0 ? ": " : "",
	    end->error != NULL ? end->error : "");
	return FROE_EXIT_FAILED;
}

static int
run_wait(struct froe_client *client, struct froe_id run)
{
	struct froe_event *end;
	struct froe_error error;
	if (froe_run_await(client, run, -1, &end, &error) != FROE_OK)
		return cli_fail(&error);
	int status = print_end(end);
	froe_event_free(end);
	return status;
}

/* --at TIME in UTC. */
static uint64_t
read_time(const struct cli *cli)
{
	const char *text = cli_text(cli, "at");
	uint64_t time_ns = 0;
	if (text != NULL && cli_flag(cli, "in"))
		cli_usage(cli, "--at and --in say the same: give one of them");
	if (text != NULL && (!timestamp_parse(text, &time_ns) || time_ns == 0))
		cli_usage(cli, "--at: \"%s\" is not a time in UTC: write 2026-01-31T12:00:00Z",
		    text);
	return time_ns;
}

static void
check_key(const struct cli *cli)
{
	bool ttl = cli_flag(cli, "key-ttl"), until = cli_flag(cli, "key-until-end");
	if ((ttl || until) && !cli_flag(cli, "key"))
		cli_usage(cli, "--%s says how long a --key counts: give one",
		    ttl ? "key-ttl" : "key-until-end");
	if (ttl && until)
		cli_usage(cli, "--key-ttl or --key-until-end: give one of them");
}

static int
run_one(struct cli *cli, const struct froe_run_options *options)
{
	struct froe_started started;
	struct froe_error error;
	char id[FROE_ID_TEXT_SIZE];
	int status;
	struct froe_client *client = cli_connect(cli, &status);
	if (client != NULL && froe_run_start(client, options, -1, &started, &error) != FROE_OK) {
		status = cli_fail(&error);
	} else if (client != NULL) {
		froe_id_format(started.run, id);
		printf("%s\n", id);
		fflush(stdout);
		if (!started.created)
			fprintf(stderr, "froe: the run was started before with this key (%s)\n",
			    froe_status_name(started.status));
		status = cli_flag(cli, "wait") ? run_wait(client, started.run) : FROE_EXIT_OK;
	}
	froe_client_close(client);
	return status;
}

int
cli_run(struct cli *cli)
{
	struct buf input;
	struct pairs metadata;
	buf_init(&input);
	pairs_read(&metadata, cli);
	check_key(cli);
	struct froe_run_options options = {
	    .workflow = cli->arguments[0],
	    .priority = (uint32_t)cli_number(cli, "priority", 0, FROE_PRIORITY_MAX),
	    .run_timeout_ms = cli_duration_ms(cli, "timeout", 0),
	    .metadata = metadata.rows,
	    .metadata_count = metadata.count,
	    .key = cli_text(cli, "key"),
	    .key_ttl_ms = cli_duration_ms(cli, "key-ttl", 0),
	    .key_until_end = cli_flag(cli, "key-until-end"),
	    .start_ns = read_time(cli),
	    .delay_ms = cli_duration_ms(cli, "in", 0),
	};
	int status;
	if (cli_flag(cli, "bulk")) {
		status = cli_bulk(cli, &options);
	} else {
		payload_read(cli, cli_text(cli, "input"), "--input", &input);
		options.input = (struct froe_bytes){input.data, buf_used(&input)};
		status = run_one(cli, &options);
	}
	buf_release(&input);
	pairs_release(&metadata);
	return status;
}
