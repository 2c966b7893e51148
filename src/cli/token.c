/*
 * cli/token: `froe token create|list|revoke`.
 *
 * With --data they go through the directory's admin.sock, which asks for no token; when no server
 * runs there, create opens the store itself. The token alone goes to standard output.
 */
#include "cli/each.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/fault.h"
#include "base/mem.h"
#include "server/access.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX 64u

/* "a,b,c", and the option may be repeated. */
struct words {
	char *copies[CLI_GIVEN_MAX];
	size_t copy_count;
	const char *list[LIST_MAX];
	size_t count;
};

static void
words_take(const struct cli *cli, const char *name, struct words *words)
{
	for (int i = 0; i < cli->given_count; i++) {
		if (strcmp(cli->given[i].name, name) != 0)
			continue;
		char *rest = mem_strdup(cli->given[i].value), *word;
		words->copies[words->copy_count++] = rest;
		while ((word = strsep(&rest, ",")) != NULL) {
			if (*word == 0)
				cli_usage(cli, "--%s: an empty word in \"%s\"", name,
				    cli->given[i].value);
			if (words->count == LIST_MAX)
				cli_usage(cli, "--%s: at most %u words", name, LIST_MAX);
			words->list[words->count++] = word;
		}
	}
}

static void
words_free(struct words *words)
{
	for (size_t i = 0; i < words->copy_count; i++)
		mem_free(words->copies[i]);
}

/* Where the documentation's first server keeps its data. */
#define DATA_USUAL "froe-data"

/* NULL: by the network. Who says neither where the server is nor who they are means the one whose
 * directory is here, if there is one. */
static const char *
token_data(const struct cli *cli)
{
	if (cli_given(cli, "data") != NULL && cli_given(cli, "address") != NULL)
		cli_usage(cli, "--data and --address exclude each other");
	if (cli_given(cli, "address") != NULL)
		return NULL;
	if (cli_text(cli, "data") != NULL || cli_text(cli, "address") != NULL ||
	    cli_text(cli, "token") != NULL || cli_text(cli, "token-file") != NULL)
		return cli_text(cli, "data");
	return access(DATA_USUAL "/" ACCESS_SOCKET, F_OK) == 0 ? DATA_USUAL : NULL;
}

/* --data's socket, or what any other command connects to. */
static struct froe_client *
token_connect(const struct cli *cli, int *ret_status)
{
	char address[4200];
	struct froe_client *client;
	struct froe_error error;
	const char *data = token_data(cli);
	struct froe_client_options options = {.address = address};
	if (data == NULL)
		return cli_connect(cli, ret_status);
	snprintf(address, sizeof(address), "unix:%s/%s", data, ACCESS_SOCKET);
	if (froe_client_open(&options, &client, &error) == FROE_OK)
		return client;
	*ret_status = FROE_EXIT_UNAVAILABLE;
	if (error.code != FROE_UNAVAILABLE)
		*ret_status = cli_fail(&error);
	return NULL;
}

/* -------------------------------------------------------------------------------------- create */

static void
expiry_take(const struct cli *cli, struct froe_token_options *options)
{
	const char *text = cli_text(cli, "expires");
	uint64_t days;
	char *end;
	if (text == NULL)
		return;
	options->never_expires = strcmp(text, "never") == 0;
	if (options->never_expires)
		return;
	days = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && strcmp(end, "d") == 0 && days <= 36500)
		options->expires_ms = days * 86400 * 1000;
	else
		options->expires_ms = cli_duration_ms(cli, "expires", 0);
	if (options->expires_ms == 0)
		cli_usage(cli, "--expires: \"%s\" is over already: write 90d, 12h or never", text);
}

static void
token_print(const struct froe_token_options *options, const char *text, uint64_t expires_ns)
{
	char expires[TIMESTAMP_TEXT_SIZE];
	timestamp_format(expires_ns, expires);
	printf("%s\n", text);
	fflush(stdout);
	fprintf(stderr,
	    "froe: it expires %s%s; it is not shown again: keep it in a file that only "
	    "its user may read, and give %s\n",
	    expires_ns != 0 ? "at " : "", expires_ns != 0 ? expires : "never",
	    options->hatchet ? "it to the SDK as HATCHET_CLIENT_TOKEN" : "that with --token-file");
}

/* No server has the directory: it is opened here. */
static int
create_offline(const struct cli *cli, const struct froe_token_options *options)
{
	struct froe_fault fault;
	char text[ACCESS_TOKEN_TEXT_SIZE];
	uint64_t expires_ns;
	struct access_token token = {
	    .name = options->name,
	    .tenant = options->tenant,
	    .roles = options->roles,
	    .role_count = options->role_count,
	    .actions = options->actions,
	    .action_count = options->action_count,
	    .expires_ms = options->expires_ms,
	    .never_expires = options->never_expires,
	    .hatchet = options->hatchet,
	    .advertise = options->advertise,
	    .segment_bytes = cli_number(cli, "segment-bytes", 0, UINT64_C(1) << 30),
	};
	enum froe_err err =
	    access_token_create(token_data(cli), &token, text, &expires_ns, &fault);
	if (err == FROE_OK) {
		token_print(options, text, expires_ns);
		return FROE_EXIT_OK;
	}
	fprintf(stderr, "froe: %s%s%s\n", fault.field, fault.field[0] != 0 ? ": " : "", fault.text);
	if (err == FROE_IN_USE)
		return FROE_EXIT_IN_USE;
	return err == FROE_CORRUPT || err == FROE_INCOMPATIBLE ? FROE_EXIT_DATA : FROE_EXIT_FAILED;
}

static int
create(const struct cli *cli, const struct froe_token_options *options)
{
	struct froe_token token;
	struct froe_error error;
	int status;
	struct froe_client *client = token_connect(cli, &status);
	if (client == NULL && token_data(cli) != NULL && status == FROE_EXIT_UNAVAILABLE)
		return create_offline(cli, options);
	if (client == NULL)
		return status;
	if (froe_token_create(client, options, -1, &token, &error) == FROE_OK) {
		token_print(options, token.text, token.expires_ns);
		status = FROE_EXIT_OK;
	} else {
		status = cli_fail(&error);
	}
	froe_client_close(client);
	return status;
}

int
cli_token_create(struct cli *cli)
{
	struct words roles = {0}, actions = {0};
	words_take(cli, "role", &roles);
	words_take(cli, "pool", &actions);
	struct froe_token_options options = {
	    .name = cli_text(cli, "name"),
	    .tenant = cli_text(cli, "tenant"),
	    .roles = roles.list,
	    .role_count = roles.count,
	    .actions = actions.list,
	    .action_count = actions.count,
	    .hatchet = cli_flag(cli, "hatchet"),
	    .advertise = cli_text(cli, "advertise"),
	};
	if (options.hatchet && options.name == NULL)
		options.name = "hatchet";
	if (options.name == NULL)
		cli_usage(cli, "--name is missing: say what the token is for");
	if (options.advertise != NULL && !options.hatchet)
		cli_usage(cli, "--advertise is for --hatchet: other tokens do not say where the "
			       "server is");
	if (roles.count == 0 && !options.hatchet)
		cli_usage(
		    cli, "--role is missing: one or several of admin, client, worker, operator");
	expiry_take(cli, &options);
	int status = create(cli, &options);
	words_free(&roles);
	words_free(&actions);
	return status;
}

/* ---------------------------------------------------------------------------------------- list */

static struct froe_client *
connect_running(const struct cli *cli, int *ret_status)
{
	struct froe_client *client = token_connect(cli, ret_status);
	if (client == NULL && token_data(cli) != NULL &&
	    *ret_status == FROE_EXIT_UNAVAILABLE)
		fprintf(stderr, "froe: no server runs on %s (nothing answers at its %s): "
		    "start it first\n", token_data(cli), ACCESS_SOCKET);
	return client;
}

static void
words_print(struct buf *to, const char *const *words, size_t count, bool json)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		if (json)
			buf_push_json_string(to, words[i], strlen(words[i]));
		else
			buf_push_text(to, words[i]);
	}
}

static void
time_json(struct buf *to, const char *name, uint64_t ns)
{
	char text[TIMESTAMP_TEXT_SIZE];
	timestamp_format(ns, text);
	if (ns != 0)
		buf_printf(to, ",\"%s\":\"%s\",\"%s_ns\":%" PRIu64, name, text, name, ns);
	else
		buf_printf(to, ",\"%s\":null", name);
}

static void
row_json(struct buf *to, const struct froe_token_row *row)
{
	buf_printf(to, "{\"id\":\"%s\",\"name\":", row->id);
	buf_push_json_string(to, row->name, strlen(row->name));
	buf_push_text(to, ",\"tenant\":");
	buf_push_json_string(to, row->tenant, strlen(row->tenant));
	buf_push_text(to, ",\"roles\":[");
	words_print(to, row->roles, row->role_count, /* json= */ true);
	buf_push_text(to, "],\"pool\":[");
	words_print(to, row->actions, row->action_count, /* json= */ true);
	buf_push_text(to, "]");
	time_json(to, "created", row->created_ns);
	time_json(to, "expires", row->expires_ns);
	buf_push_text(to, ",\"created_by\":");
	buf_push_json_string(to, row->created_by, strlen(row->created_by));
	buf_printf(to, ",\"uses\":%" PRIu64, row->uses);
	time_json(to, "used", row->used_ns);
	buf_push_text(to, "}");
}

static void
row_table(struct buf *to, const struct froe_token_row *row)
{
	char expires[TIMESTAMP_TEXT_SIZE] = "never", used[TIMESTAMP_TEXT_SIZE] = "-";
	if (row->expires_ns != 0)
		timestamp_format(row->expires_ns, expires);
	if (row->used_ns != 0)
		timestamp_format(row->used_ns, used);
	buf_printf(to, "%-10s  %-20s  %-12s  %-24s  %-24s  ", row->id, row->name, row->tenant,
	    expires, used);
	words_print(to, row->roles, row->role_count, /* json= */ false);
	buf_push_text(to, row->action_count > 0 ? " pool " : "");
	words_print(to, row->actions, row->action_count, /* json= */ false);
	buf_push_text(to, "\n");
}

static void
list_print(const struct froe_token_list *list, enum cli_output output)
{
	struct buf text;
	buf_init(&text);
	if (output == CLI_JSON)
		buf_push_text(&text, "{\"tokens\":[");
	else if (output == CLI_TABLE)
		buf_printf(&text, "%-10s  %-20s  %-12s  %-24s  %-24s  %s\n", "ID", "NAME", "TENANT",
		    "EXPIRES", "LAST USED", "ROLES");
	for (size_t i = 0; i < list->row_count; i++) {
		if (output == CLI_JSON) {
			buf_push_text(&text, i > 0 ? ",\n" : "\n");
			row_json(&text, &list->rows[i]);
		} else if (output == CLI_TABLE) {
			row_table(&text, &list->rows[i]);
		} else {
			buf_printf(&text, "%s\n", list->rows[i].id);
		}
	}
	if (output == CLI_JSON)
		buf_push_text(&text, "]}\n");
	terminal_print(&text);
	buf_release(&text);
}

int
cli_token_list(struct cli *cli)
{
	struct froe_token_list *list;
	struct froe_error error;
	int status;
	enum cli_output output = cli_output(cli);
	struct froe_client *client = connect_running(cli, &status);
	if (client == NULL)
		return status;
	if (froe_token_list(client, -1, &list, &error) == FROE_OK) {
		list_print(list, output);
		froe_token_list_free(list);
		status = FROE_EXIT_OK;
	} else {
		status = cli_fail(&error);
	}
	froe_client_close(client);
	return status;
}

/* -------------------------------------------------------------------------------------- revoke */

/* The server says what a token's id is: any word may be one. */
static bool
id_check(const char *text)
{
	return text[0] != 0;
}

static const struct each_kind token_kind = {
    .name = "token",
    .want = "a token's id: \"froe token list --output ids\" prints them",
    .check = id_check,
};

static enum froe_err
revoke_one(void *context, struct froe_client *client, const char *id, struct froe_error *error)
{
	(void)context;
	return froe_token_revoke(client, id, -1, error);
}

int
cli_token_revoke(struct cli *cli)
{
	struct each_action action = {.done = "revoked", .act = revoke_one};
	struct each each;
	int status;
	FROE_DROP(cli_output(cli), "checked before connecting");
	each_begin(&each, cli, &token_kind);
	struct froe_client *client = connect_running(cli, &status);
	if (client == NULL)
		return status;
	status = each_do(&each, client, &action);
	froe_client_close(client);
	return status;
}
