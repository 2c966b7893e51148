/*
 * cli/embed: the server in the main thread; a watch beside it, which does as anyone could who may
 * read the data directory: it waits for --ready-fd's line, asks admin.sock for a token, writes the
 * handshake, and sends the process SIGTERM when standard input ends.
 *
 * A token is good from one start to the next: each start makes one and revokes those before it. So
 * none that a process has left behind opens anything for long, and none expires under a program
 * that runs for months.
 */
#define _GNU_SOURCE /* pipe2 */
#include "cli/embed.h"

#include "base/thread.h"
#include "cli/goflag.h"
#include "cli/json.h"
#include "froe/froe.h"
#include "server/access.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANT "default"
#define TOKEN_NAME "hatchet-embedded"
#define HOST "127.0.0.1"
#define ADDRESS_SIZE 64
/* A program's own engine: a quarter of the space that a server takes for itself. */
#define SEGMENT_BYTES (UINT64_C(16) << 20)

/* A program that was killed and started again comes before its old engine has ended. */
#define IN_USE_WAIT_MS 20000u

struct embed {
	struct embed_options options;
	struct server_options server;
	char data[EMBED_PATH_SIZE];
	char listen[ADDRESS_SIZE], also[ADDRESS_SIZE];
	int ready; /* its other end is the server's; closed when that has stopped */
	pthread_t watch;
	bool failed; /* read after the watch was joined */
};

/* ------------------------------------------------------------------------------ command line */

bool
embed_named(const char *program)
{
	const char *slash = strrchr(program, '/');
	return strcmp(slash != NULL ? slash + 1 : program, EMBED_NAME) == 0;
}

#define FLAGS(options)                                                                             \
	{                                                                                          \
		{"handshake-file", GOFLAG_TEXT, &(options)->handshake_file,                        \
		    "where to say token and addresses once the engine serves"},                    \
		    {"postgres-data-dir", GOFLAG_TEXT, &(options)->data, "where the data lies"},   \
		    {"grpc-port", GOFLAG_PORT, &(options)->grpc_port,                              \
			"port on 127.0.0.1, for gRPC and REST (default: any that is free)"},       \
		    {"api-port", GOFLAG_PORT, &(options)->api_port, "another one, for the same"},  \
		    {"no-api", GOFLAG_BOOL, &(options)->no_api,                                    \
			"name no REST API in the handshake"},                                      \
		    {"log-level", GOFLAG_TEXT, &(options)->log_level,                              \
			"debug, info, warn (default) or error"},                                   \
		    {"database-url", GOFLAG_TEXT, &(options)->database_url, "of no use here"},     \
		    {"rabbitmq-url", GOFLAG_TEXT, &(options)->rabbitmq_url, "of no use here"},     \
		    {"no-migrations", GOFLAG_BOOL, &(options)->no_migrations, "of no use here"},   \
		    {"help", GOFLAG_BOOL, &(options)->help, "print this"},                         \
		    {"h", GOFLAG_BOOL, &(options)->help, "print this"}, {0},                       \
	}

static void
help_print(FILE *out)
{
	struct embed_options options;
	const struct goflag flags[] = FLAGS(&options);
	fprintf(out, "usage: " EMBED_NAME " -handshake-file FILE [flags]\n"
		     "froe as HatchetEmbeddedClient.init() starts it, until standard input ends:\n"
		     "set HATCHET_CLIENT_EMBEDDED_BINARY_PATH to this program's path.\n");
	for (const struct goflag *flag = flags; flag->name != NULL; flag++)
		fprintf(out, "  -%-18s %s\n", flag->name, flag->help);
}

enum froe_err
embed_options_parse(struct embed_options *options, int argc, char **argv, struct froe_fault *fault)
{
	int rest;
	*options = (struct embed_options){.log_level = "warn"};
	const struct goflag flags[] = FLAGS(options);
	enum froe_err err = goflag_parse(flags, argc, argv, &rest, fault);
	if (err != FROE_OK || options->help)
		return err;
	if (rest > 0)
		return fault_set(
		    fault, FROE_INVALID_ARGUMENT, "\"%.100s\" is not a flag", argv[argc - rest]);
	if (options->handshake_file == NULL || options->handshake_file[0] == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "handshake-file",
		    "it is missing: say where the token shall be written");
	if (embed_log_level(options->log_level) == NULL)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "log-level",
		    "\"%.100s\" is none of debug, info, warn, error", options->log_level);
	return FROE_OK;
}

const char *
embed_log_level(const char *level)
{
	static const char *const words[][2] = {{"trace", "info"}, {"debug", "info"},
	    {"info", "info"}, {"warn", "warning"}, {"warning", "warning"}, {"error", "error"},
	    {"fatal", "error"}, {"panic", "error"}, {"disabled", "error"}};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(level, words[i][0]) == 0)
			return words[i][1];
	}
	return NULL;
}

enum froe_err
embed_data_find(const char *given, const char *home, const char *data_home,
    char ret_path[EMBED_PATH_SIZE], struct froe_fault *fault)
{
	bool at_home = given != NULL && given[0] == '~' && (given[1] == '/' || given[1] == 0);
	bool ours = given == NULL || given[0] == 0;
	const char *base = ours && data_home != NULL && data_home[0] == '/' ? data_home : home;
	int size;
	if ((at_home || ours) && (base == NULL || base[0] == 0))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "postgres-data-dir",
		    "HOME is not set: say where the data shall lie");
	if (at_home)
		size = snprintf(ret_path, EMBED_PATH_SIZE, "%s%s", home, given + 1);
	else if (!ours)
		size = snprintf(ret_path, EMBED_PATH_SIZE, "%s", given);
	else if (base == data_home)
		size = snprintf(ret_path, EMBED_PATH_SIZE, "%s/" EMBED_NAME, base);
	else
		size = snprintf(ret_path, EMBED_PATH_SIZE, "%s/.local/share/" EMBED_NAME, base);
	if (size < EMBED_PATH_SIZE)
		return FROE_OK;
	return fault_set_field(
	    fault, FROE_INVALID_ARGUMENT, "postgres-data-dir", "the path is too long");
}

/* Those above the data directory; that itself is made by the server, or belongs to its owner. */
static enum froe_err
parents_make(char *path, struct froe_fault *fault)
{
	for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = 0;
		int failed = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
		if (failed != 0)
			fault_set_errno(fault, failed, "making %.200s", path);
		*at = '/';
		if (failed != 0)
			return fault->code;
	}
	return FROE_OK;
}

/* --------------------------------------------------------------------------------- handshake */

void
embed_handshake_format(const struct embed_handshake *handshake, struct buf *to)
{
	buf_push_text(to, "{");
	json_text(to, "token", handshake->token);
	buf_push_text(to, ",");
	json_text(to, "tenant_id", handshake->tenant);
	buf_push_text(to, ",");
	json_text(to, "grpc_address", handshake->grpc_address);
	buf_push_text(to, ",");
	json_text(to, "api_url", handshake->api_url);
	buf_push_text(to, "}\n");
}

static bool
bytes_write(int to, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t done = write(to, data, size);
		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0) {
			data += done;
			size -= (size_t)done;
		}
	}
	return true;
}

enum froe_err
embed_handshake_write(const char *path, const struct buf *text, struct froe_fault *fault)
{
	char temporary[EMBED_PATH_SIZE];
	int size = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	if (size >= EMBED_PATH_SIZE)
		return fault_set_field(
		    fault, FROE_INVALID_ARGUMENT, "handshake-file", "the path is too long");
	int file = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (file < 0)
		return fault_set_errno(fault, errno, "making %.200s", temporary);
	bool ok = bytes_write(file, text->data, text->size);
	int failed = ok ? 0 : errno;
	close(file);
	if (ok && rename(temporary, path) == 0)
		return FROE_OK;
	failed = ok ? errno : failed;
	unlink(temporary);
	return fault_set_errno(fault, failed, "writing %.200s", path);
}

/* ------------------------------------------------------------------------------------- token */

/* Of starts before this one: nobody has any business with them. */
static enum froe_err
tokens_revoke(struct froe_client *client, struct froe_error *error)
{
	struct froe_token_list *list;
	enum froe_err err = froe_token_list(client, -1, &list, error);
	if (err != FROE_OK)
		return err;
	for (size_t i = 0; i < list->row_count && err == FROE_OK; i++) {
		if (strcmp(list->rows[i].name, TOKEN_NAME) == 0)
			err = froe_token_revoke(client, list->rows[i].id, -1, error);
	}
	froe_token_list_free(list);
	return err;
}

static enum froe_err
token_make(struct froe_client *client, struct froe_token *ret_token, struct froe_error *error)
{
	struct froe_token_options options = {
	    .name = TOKEN_NAME,
	    .tenant = TENANT,
	    .never_expires = true,
	    .hatchet = true,
	};
	enum froe_err err = tokens_revoke(client, error);
	return err != FROE_OK ? err : froe_token_create(client, &options, -1, ret_token, error);
}

/* By a descriptor, because a path may be longer than a Unix socket's name. */
static enum froe_err
token_ask(const char *data, struct froe_token *ret_token, struct froe_error *error)
{
	char address[64];
	struct froe_client *client;
	struct froe_client_options options = {.address = address};
	int directory = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(address, sizeof(address), "unix:/proc/self/fd/%d/" ACCESS_SOCKET, directory);
	enum froe_err err = froe_client_open(&options, &client, error);
	if (err == FROE_OK) {
		err = token_make(client, ret_token, error);
		froe_client_close(client);
	}
	if (directory >= 0)
		close(directory);
	return err;
}

/* ------------------------------------------------------------------------------------- watch */

/* False: standard input has ended, or the server has. */
static bool
ready_wait(const struct embed *embed, char line[ADDRESS_SIZE])
{
	struct pollfd wait[] = {
	    {.fd = embed->ready, .events = POLLIN},
	    {.fd = STDIN_FILENO, .events = POLLIN},
	};
	char dropped[256];
	for (;;) {
		if (poll(wait, 2, -1) < 0)
			continue;
		if (wait[0].revents != 0) {
			ssize_t size = read(embed->ready, line, ADDRESS_SIZE - 1);
			line[size > 0 ? size : 0] = 0;
			return size > 0; /* one write of the server, short enough for a pipe */
		}
		if (wait[1].revents != 0 && read(STDIN_FILENO, dropped, sizeof(dropped)) <= 0)
			return false;
	}
}

/* "ready 127.0.0.1:4711\n" */
static enum froe_err
handshake_make(const struct embed *embed, char *line, struct froe_fault *fault)
{
	struct froe_token token;
	struct froe_error error;
	char tenant[ACCESS_TENANT_ID_SIZE], url[ADDRESS_SIZE + 8];
	char *address = line + strlen("ready ");
	struct buf text;
	line[strcspn(line, "\n")] = 0;
	enum froe_err err = token_ask(embed->data, &token, &error);
	if (err != FROE_OK)
		return fault_set(fault, err, "making a token: %.300s", error.text);
	access_tenant_id(TENANT, tenant);
	snprintf(url, sizeof(url), "http://%s",
	    embed->server.listen_also != NULL ? embed->server.listen_also : address);
	struct embed_handshake handshake = {
	    .token = token.text,
	    .tenant = tenant,
	    .grpc_address = address,
	    .api_url = embed->options.no_api ? "" : url,
	};
	buf_init(&text);
	embed_handshake_format(&handshake, &text);
	err = embed_handshake_write(embed->options.handshake_file, &text, fault);
	buf_release(&text);
	return err;
}

static void *
watch_run(void *context)
{
	struct embed *embed = context;
	struct froe_fault fault;
	char line[ADDRESS_SIZE];
	bool served = ready_wait(embed, line);
	if (served && handshake_make(embed, line, &fault) != FROE_OK) {
		fprintf(stderr, EMBED_NAME ": %s\n", fault.text);
		embed->failed = true;
	} else if (served) {
		FROE_DROP(ready_wait(embed, line), "nothing comes after it but an end");
	}
	kill(getpid(), SIGTERM); /* when the server has ended by itself, nobody hears it */
	return NULL;
}

/* ------------------------------------------------------------------------------------- start */

static enum froe_err
data_open(struct embed *embed, struct froe_fault *fault)
{
	enum froe_err err = embed_data_find(
	    embed->options.data, getenv("HOME"), getenv("XDG_DATA_HOME"), embed->data, fault);
	return err != FROE_OK ? err : parents_make(embed->data, fault);
}

/* Both ports serve all: the one is for those who were told two numbers. */
static void
server_prepare(struct embed *embed, int ready)
{
	const struct embed_options *options = &embed->options;
	uint16_t port = options->grpc_port != 0 ? options->grpc_port : options->api_port;
	server_options_init(&embed->server);
	snprintf(embed->listen, sizeof(embed->listen), HOST ":%u", port);
	snprintf(embed->also, sizeof(embed->also), HOST ":%u", options->api_port);
	embed->server.data = embed->data;
	embed->server.listen = embed->listen;
	if (options->api_port != 0 && options->api_port != port)
		embed->server.listen_also = embed->also;
	embed->server.segment_bytes = SEGMENT_BYTES;
	embed->server.in_use_wait_ms = IN_USE_WAIT_MS;
	embed->server.dev = true; /* wherever the program's directory happens to be */
	embed->server.ready_fd = ready;
	if (options->database_url != NULL || options->rabbitmq_url != NULL)
		fprintf(stderr,
		    EMBED_NAME
		    ": -database-url and -rabbitmq-url are not used: froe keeps its data "
		    "in %s\n",
		    embed->data);
}

/* The signals are the server's: it waits for them in the main thread. */
static int
embed_serve(struct embed *embed)
{
	int ends[2];
	sigset_t signals;
	struct froe_fault fault;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	setenv("FROE_LOG_LEVEL", embed_log_level(embed->options.log_level), /* overwrite= */ 1);
	if (pipe2(ends, O_CLOEXEC) != 0) {
		perror(EMBED_NAME ": no pipe");
		return FROE_EXIT_FAILED;
	}
	embed->ready = ends[0];
	server_prepare(embed, ends[1]);
	if (thread_start(&embed->watch, "froe-watch", watch_run, embed, &fault) != FROE_OK) {
		fprintf(stderr, EMBED_NAME ": %s\n", fault.text);
		return FROE_EXIT_FAILED;
	}
	int status = server_run(&embed->server);
	close(ends[1]);
	pthread_join(embed->watch, NULL);
	close(ends[0]);
	return embed->failed ? FROE_EXIT_FAILED : status;
}

int
embed_main(int argc, char **argv)
{
	struct embed embed = {0};
	struct froe_fault fault = {0};
	enum froe_err err = embed_options_parse(&embed.options, argc - 1, argv + 1, &fault);
	if (err == FROE_OK && embed.options.help) {
		help_print(stdout);
		return FROE_EXIT_OK;
	}
	if (err == FROE_OK)
		err = data_open(&embed, &fault);
	if (err == FROE_OK && fcntl(STDIN_FILENO, F_GETFD) < 0)
		err = fault_set(&fault, FROE_INVALID_ARGUMENT,
		    "standard input is closed: it is to be open for as long as the engine shall "
		    "run");
	if (err == FROE_OK)
		return embed_serve(&embed);
	fprintf(stderr, EMBED_NAME ": %s%s%s%s\n", fault.field[0] != 0 ? "-" : "", fault.field,
	    fault.field[0] != 0 ? ": " : "", fault.text);
	return err == FROE_INVALID_ARGUMENT ? FROE_EXIT_USAGE : FROE_EXIT_FAILED;
}
