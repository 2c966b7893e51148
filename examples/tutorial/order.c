/* order: starts a run from a program, and waits for its result. */
#include <froe/froe.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
fail(const struct froe_error *error)
{
	fprintf(stderr, "order: %s\n", error->text);
	return 1;
}

static int
order(struct froe_client *client, const char *number)
{
	const struct froe_pair metadata[] = {{"customer", "c-42"}};
	const char *input = "{\"url\":\"https://froe.example/\"}";
	const struct froe_run_options options = {
	    .workflow = "fetch",
	    .input = {input, strlen(input)},
	    .metadata = metadata, /* to find it by */
	    .metadata_count = 1,
	    .key = number, /* a second start with this key is the first one's run */
	};
	struct froe_started started;
	struct froe_event *end;
	struct froe_error error;
	char id[FROE_ID_TEXT_SIZE];
	if (froe_run_start(client, &options, /* timeout_ms= */ 5000, &started, &error) != FROE_OK)
		return fail(&error);
	froe_id_format(started.run, id);
	printf("%s %s\n", id, started.created ? "started" : "was there already");
	if (froe_run_await(client, started.run, /* timeout_ms= */ 30000, &end, &error) != FROE_OK)
		return fail(&error);
	printf("%s %.*s\n", froe_status_name(end->status), (int)end->result.size,
	    (const char *)end->result.data);
	froe_event_free(end);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct froe_client_options options = {.address = getenv("FROE_ADDRESS"),
	    .open_ms = 2000};
	struct froe_client *client;
	struct froe_error error;
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return fail(&error);
	int status = order(client, argc > 1 ? argv[1] : "order-1");
	froe_client_close(client);
	return status;
}
