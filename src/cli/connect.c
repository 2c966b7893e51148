/*
 * cli/connect: the connection to a server, and what is said when a call on it fails.
 */
#include "cli/cli.h"

#include "base/fault.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 2000u

int
cli_fail(const struct froe_error *error)
{
	return cli_fail_of(NULL, error);
}

int
cli_fail_of(const char *what, const struct froe_error *error)
{
	struct terminal terminal = terminal_open(STDERR_FILENO);
	struct buf text;
	buf_init(&text);
	for (const char *line = error->text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n' ? 1 : 0;
		buf_push_text(&text, line != error->text ? "\n  " : "");
		terminal_push(&terminal, &text, line);
	}
	fprintf(stderr, "froe: %s%s%s%s%.*s (%s)\n", what != NULL ? what : "",
	    what != NULL ? ": " : "", error->field, error->field[0] != 0 ? ": " : "",
	    (int)buf_used(&text), (const char *)text.data, froe_err_name(error->code));
	buf_release(&text);
	if (froe_err_class(error->code) == FROE_CLASS_RETRY)
		return FROE_EXIT_UNAVAILABLE;
	return FROE_EXIT_FAILED;
}

/* The first line of a file. False: said why. */
static bool
token_read(const char *path, char token[CLI_TOKEN_SIZE])
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	bool ok = file != NULL && fgets(token, CLI_TOKEN_SIZE, file) != NULL;
	if (file == NULL)
		fprintf(stderr, "froe: cannot read the token file %s: %s\n", path, strerror(errno));
	else if (!ok)
		fprintf(stderr, "froe: the token file %s is empty\n", path);
	else
		token[strcspn(token, " \t\r\n")] = 0;
	if (file != NULL && file != stdin)
		fclose(file);
	return ok;
}

/* What the command line says comes before any setting. */
bool
cli_token(const struct cli *cli, char token[CLI_TOKEN_SIZE])
{
	const char *text = cli_given(cli, "token"), *path = cli_given(cli, "token-file");
	token[0] = 0;
	if (text == NULL && path == NULL)
		text = cli_text(cli, "token");
	if (text == NULL && path == NULL)
		path = cli_text(cli, "token-file");
	if (text == NULL && path != NULL)
		return token_read(path, token);
	if (text != NULL)
		snprintf(token, CLI_TOKEN_SIZE, "%s", text);
	return true;
}

int
cli_unconnected(const struct froe_error *error)
{
	int status = cli_fail(error);
	if (error->code == FROE_UNAVAILABLE)
		fprintf(stderr, "froe: is a server running there? --address or FROE_ADDRESS says "
		    "where to look; \"froe dev\" starts one to try things out\n");
	bool setting = error->code == FROE_INVALID_ARGUMENT && strcmp(error->field, "address") == 0;
	return setting ? FROE_EXIT_USAGE : status;
}

struct froe_client *
cli_connect(const struct cli *cli, int *ret_status)
{
	struct froe_client *client;
	struct froe_error error;
	char token[CLI_TOKEN_SIZE];
	struct froe_client_options options = {
	    .address = cli_text(cli, "address"),
	    .tenant = cli_text(cli, "tenant"),
	    .token = token,
	    .open_ms = CONNECT_MS,
	};
	struct froe_tls_options tls;
	if (cli_client_tls(cli, options.address, &tls))
		options.tls = &tls;
	*ret_status = FROE_EXIT_FAILED;
	if (!cli_token(cli, token))
		return NULL;
	if (options.tenant != NULL && strcmp(options.tenant, "*") == 0)
		options.tenant = NULL; /* of a token to be made: nobody comes as all tenants */
	if (froe_client_open(&options, &client, &error) == FROE_OK)
		return client;
	*ret_status = cli_unconnected(&error);
	return NULL;
}
