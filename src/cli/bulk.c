/*
 * cli/bulk: `froe run --bulk`: a run for each line of a file.
 *
 * Lines are gathered into batches, each of which is started whole or not at all; the ids of a batch
 * are printed once it is acknowledged. A line that is wrong ends the command before its batch is
 * sent: what was printed has been started, nothing else has.
 */
#include "cli/bulk.h"

#include "base/bytes.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Together they must fit a message. */
#define BATCH_BYTES_MAX ((size_t)FROE_PAYLOAD_BYTES_MAX)

struct bulk {
	const struct cli *cli;
	const struct froe_run_options *options;
	struct froe_client *client;
	FILE *file;
	struct buf line; /* held for the next batch; empty: none */
	uint64_t line_number;
	uint64_t started;
	struct buf inputs;
	size_t ends[FROE_BULK_RUNS_MAX]; /* of each in `inputs` */
	size_t count;
};

/* One that is too long is cut behind its limit. False at the end of the file. */
static bool
line_take(struct bulk *bulk)
{
	int c;
	while ((c = getc(bulk->file)) != EOF && c != '\n') {
		uint8_t byte = (uint8_t)c;
		if (buf_used(&bulk->line) <= FROE_PAYLOAD_BYTES_MAX)
			buf_push(&bulk->line, &byte, 1);
	}
	return c != EOF || buf_used(&bulk->line) > 0;
}

static bool
line_blank(struct bytes line)
{
	for (size_t i = 0; i < line.size; i++) {
		if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
			return false;
	}
	return true;
}

/* The next line that holds something; false at the end of the file. */
static bool
line_read(struct bulk *bulk)
{
	while (line_blank(buf_bytes(&bulk->line))) {
		buf_reset(&bulk->line);
		if (!line_take(bulk))
			return false;
		bulk->line_number++;
	}
	return true;
}

static int
line_fail(const struct bulk *bulk, const char *what)
{
	fprintf(stderr, "froe: --bulk: line %llu %s; %llu runs were started before it\n",
	    (unsigned long long)bulk->line_number, what, (unsigned long long)bulk->started);
	return FROE_EXIT_FAILED;
}

/* Fills the batch as far as it goes; a status other than 0: a line is wrong. */
static int
batch_read(struct bulk *bulk)
{
	buf_reset(&bulk->inputs);
	bulk->count = 0;
	while (bulk->count < FROE_BULK_RUNS_MAX && line_read(bulk)) {
		struct bytes line = buf_bytes(&bulk->line);
		size_t size = line.size;
		if (size > FROE_PAYLOAD_BYTES_MAX)
			return line_fail(bulk, "is larger than 4 MiB");
		if (!json_valid(line.data, size, NULL))
			return line_fail(bulk, "is not JSON");
		if (bulk->count > 0 && buf_used(&bulk->inputs) + size > BATCH_BYTES_MAX)
			break;
		buf_push(&bulk->inputs, line.data, size);
		bulk->ends[bulk->count++] = buf_used(&bulk->inputs);
		buf_reset(&bulk->line);
	}
	if (ferror(bulk->file)) {
		fprintf(stderr, "froe: --bulk: cannot read on: %s\n", strerror(errno));
		return FROE_EXIT_FAILED;
	}
	return FROE_EXIT_OK;
}

static int
batch_start(struct bulk *bulk)
{
	struct froe_run_options *runs = mem_array(bulk->count, sizeof(*runs));
	struct froe_started *started = mem_array(bulk->count, sizeof(*started));
	struct froe_error error;
	char id[FROE_ID_TEXT_SIZE];
	int status = FROE_EXIT_OK;
	for (size_t i = 0; i < bulk->count; i++) {
		size_t begin = i > 0 ? bulk->ends[i - 1] : 0;
		runs[i] = *bulk->options;
		runs[i].input = (struct froe_bytes){
		    .data = buf_bytes(&bulk->inputs).data + begin,
		    .size = bulk->ends[i] - begin,
		};
	}
	if (froe_run_start_many(bulk->client, runs, bulk->count, -1, started, &error) != FROE_OK) {
		status = cli_fail(&error);
		fprintf(stderr, "froe: --bulk: %llu runs were started before\n",
		    (unsigned long long)bulk->started);
	}
	for (size_t i = 0; status == FROE_EXIT_OK && i < bulk->count; i++) {
		froe_id_format(started[i].run, id);
		printf("%s\n", id);
	}
	bulk->started += bulk->count;
	fflush(stdout);
	mem_free(runs);
	mem_free(started);
	return status;
}

static int
bulk_run(struct bulk *bulk)
{
	int status;
	do {
		status = batch_read(bulk);
		if (status == FROE_EXIT_OK && bulk->count > 0)
			status = batch_start(bulk);
	} while (status == FROE_EXIT_OK && bulk->count > 0);
	return status;
}

static void
bulk_usage(const struct cli *cli)
{
	static const char *const others[] = {"input", "wait", "key", "key-ttl", "key-until-end"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (cli_flag(cli, others[i]))
			cli_usage(cli, "--%s is of one run: it does not go with --bulk", others[i]);
	}
}

int
cli_bulk(const struct cli *cli, const struct froe_run_options *options)
{
	struct bulk *bulk = mem_zalloc(sizeof(*bulk));
	const char *name = cli_text(cli, "bulk");
	int status;
	bulk_usage(cli);
	bulk->cli = cli;
	bulk->options = options;
	bulk->file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
	if (bulk->file == NULL)
		cli_usage(cli, "--bulk: cannot open %s: %s", name, strerror(errno));
	buf_init(&bulk->line);
	buf_init(&bulk->inputs);
	bulk->client = cli_connect(cli, &status);
	if (bulk->client != NULL)
		status = bulk_run(bulk);
	froe_client_close(bulk->client);
	if (bulk->file != stdin)
		fclose(bulk->file);
	buf_release(&bulk->line);
	buf_release(&bulk->inputs);
	mem_free(bulk);
	return status;
}
