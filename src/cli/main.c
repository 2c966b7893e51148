/*
 * cli/main: the table of commands; finds the row, reads the options, runs it.
 */
#include "cli/cli.h"

#include "base/duration.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 2000u

#define OPTION_ADDRESS                                                                             \
	{                                                                                          \
		"address", "HOST:PORT", "the server (default FROE_ADDRESS or 127.0.0.1:7077)"      \
	}
#define OPTION_TENANT {"tenant", "NAME", "the tenant (default FROE_TENANT or default)"}
#define OPTION_OUTPUT {"output", "table|json|ids", "how to print (default table)"}
#define OPTIONS_SERVER                                                                             \
	{"listen", "HOST:PORT", "where to listen (default 127.0.0.1:7077; port 0: any)"},          \
	    {"io", "io_uring|posix", "the I/O backend (default: io_uring where it is allowed)"},   \
	    {"segment-bytes", "N", "size of log segments, 1 MiB to 1 GiB (a new store only)"},     \
	    {"cache-bytes", "N", "recent payloads kept in memory (default 64 MiB)"},               \
	    {"heartbeat", "D", "how often workers say that they are there (4s)"},                  \
	    {"heartbeat-lost", "D", "a worker silent this long is lost (30s)"},                    \
	    {"reconnect-grace", "D", "a broken worker has this long to return (5s)"},              \
	    {"accept-tail-loss", NULL, "cut a damaged tail nobody can decide on"},                 \
	    {"edge-sessions", NULL, "serve native sessions on the edge loop too"},                 \
	{                                                                                          \
		"ready-fd", "FD", "write \"ready ADDRESS\" there once it serves"                   \
	}

static const struct cli_option server_rows[] = {
    {"data", "DIR", "the data directory; made if absent"},
    {"auth", "off", "off: everyone who can connect may do everything"},
    OPTIONS_SERVER,
    {0},
};
static const struct cli_option dev_rows[] = {OPTIONS_SERVER, {0}};
static const struct cli_option run_rows[] = {
    {"input", "JSON|@FILE|-", "the run's input (default {}); - reads standard input"},
    {"wait", NULL, "wait for the end and print the result"},
    {"timeout", "D", "the run's deadline"},
    {"priority", "1|2|3", "higher goes first (default: the workflow's)"},
    {"metadata", "KEY=VALUE", "a pair that its tasks and children get; may be repeated"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option list_rows[] = {
    {"status", "S", "QUEUED, RUNNING, COMPLETED, FAILED or CANCELLED; may be repeated"},
    {"workflow", "NAME", "of this workflow only"},
    {"limit", "N", "at most so many (default 50)"},
    {"before", "CURSOR", "the page after one that ended with this cursor"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option get_rows[] = {
    {"payloads", NULL, "print input and outputs too (json always does)"},
    OPTION_OUTPUT,
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option watch_rows[] = {OPTION_OUTPUT, OPTION_ADDRESS, OPTION_TENANT, {0}};
static const struct cli_option cancel_rows[] = {
    {"reason", "TEXT", "kept in the run's history"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option exec_rows[] = {
    {"workflow", "NAME", "the workflow to register: one task, which runs the command"},
    {"slots", "N", "commands at a time (default 1)"},
    {"timeout", "D", "of one attempt (default 60s)"},
    {"retries", "N", "after a failed attempt (default 0)"},
    {"name", "NAME", "the worker's name (default: host and process)"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option dump_rows[] = {
    {"data", "DIR", "the data directory"},
    {"from", "POSITION", "begin there, as dump prints positions"},
    {"json", NULL, "one JSON object a line"},
    {0},
};
static const struct cli_option verify_rows[] = {{"data", "DIR", "the data directory"}, {0}};
static const struct cli_option bench_rows[] = {
    {"inflight", "N", "runs under way at a time (default 1)"},
    {"time", "D", "how long to measure (default 5s)"},
    {"warmup", "D", "before measuring (default 1s)"},
    {"payload", "N", "bytes of input and output (default 64)"},
    OPTION_ADDRESS,
    OPTION_TENANT,
    {0},
};
static const struct cli_option no_rows[] = {{0}};

static int cli_version(struct cli *cli);

static const struct cli_command commands[] = {
    {"server", "", 0, 0, "serve a data directory", server_rows, cli_server},
    {"dev", "", 0, 0, "serve a temporary directory, to try things out", dev_rows, cli_dev},
    {"run", "WORKFLOW", 1, 1, "start a run", run_rows, cli_run},
    {"runs list", "", 0, 0, "list runs, newest first", list_rows, cli_runs_list},
    {"runs get", "ID", 1, 1, "show a run with its tasks and attempts", get_rows, cli_runs_get},
    {"runs watch", "ID", 1, 1, "follow a run to its end", watch_rows, cli_runs_watch},
    {"runs cancel", "ID", 1, 1, "cancel a run", cancel_rows, cli_runs_cancel},
    {"worker exec", "-- CMD...", 1, -1, "run a command for each task of a workflow", exec_rows,
        cli_worker_exec},
    {"log dump", "", 0, 0, "print the log's records", dump_rows, cli_log_dump},
    {"log verify", "", 0, 0, "check every hash and record of the log", verify_rows,
        cli_log_verify},
    {"bench run", "", 0, 0, "measure trigger, run, result on a running server", bench_rows,
        cli_bench_run},
    {"version", "", 0, 0, "print the version", no_rows, cli_version},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int
cli_version(struct cli *cli)
{
	(void)cli;
	printf("froe %s\n", FROE_VERSION);
	return FROE_EXIT_OK;
}

/* ----------------------------------------------------------------------------------------- help */

static void
print_commands(FILE *out)
{
	fputs("usage: froe COMMAND [OPTION...] [ARGUMENT...]\n\n"
	      "A single-node, durable workflow engine.\n\ncommands:\n", out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-12s %s\n", commands[i].words, commands[i].summary);
	fputs("\n\"froe COMMAND --help\" explains one. Exit statuses: docs/cli.md.\n", out);
}

static void
print_command(FILE *out, const struct cli_command *command)
{
	fprintf(out, "usage: froe %s [OPTION...] %s\n\n%s\n\noptions:\n", command->words,
	    command->arguments, command->summary);
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s %s", option->name,
		    option->argument != NULL ? option->argument : "");
		fprintf(out, "  %-28s %s\n", left, option->help);
	}
	fprintf(out, "  %-28s %s\n", "--help", "print this");
}

void
cli_usage(const struct cli *cli, const char *format, ...)
{
	va_list args;
	fputs("froe: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (cli != NULL && cli->command != NULL)
		fprintf(stderr, "\ntry \"froe %s --help\"\n", cli->command->words);
	else
		fputs("\ntry \"froe --help\"\n", stderr);
	exit(FROE_EXIT_USAGE);
}

/* -------------------------------------------------------------------------------------- options */

const char *
cli_text(const struct cli *cli, const char *name)
{
	const char *value = NULL;
	for (int i = 0; i < cli->given_count; i++) {
		if (strcmp(cli->given[i].name, name) == 0)
			value = cli->given[i].value;
	}
	return value;
}

bool
cli_flag(const struct cli *cli, const char *name)
{
	return cli_text(cli, name) != NULL;
}

uint64_t
cli_number(const struct cli *cli, const char *name, uint64_t otherwise, uint64_t max)
{
	const char *text = cli_text(cli, name);
	char *end;
	if (text == NULL)
		return otherwise;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != 0 || errno != 0 || value > max)
		cli_usage(cli, "--%s: \"%s\" is not a number from 0 to %llu", name, text,
		    (unsigned long long)max);
	return value;
}

uint64_t
cli_duration_ms(const struct cli *cli, const char *name, uint64_t otherwise_ms)
{
	const char *text = cli_text(cli, name);
	uint64_t ns;
	if (text == NULL)
		return otherwise_ms;
	if (!duration_parse(text, &ns) || ns < NS_PER_MS)
		cli_usage(
		    cli, "--%s: \"%s\" is not a duration: write 500ms, 30s, 1h30m", name, text);
	return ns / NS_PER_MS;
}

enum cli_output
cli_output(const struct cli *cli)
{
	const char *text = cli_text(cli, "output");
	if (text == NULL || strcmp(text, "table") == 0)
		return CLI_TABLE;
	if (strcmp(text, "json") == 0)
		return CLI_JSON;
	if (strcmp(text, "ids") == 0)
		return CLI_IDS;
	cli_usage(cli, "--output: \"%s\" is none of table, json, ids", text);
}

struct froe_id
cli_run_id(const struct cli *cli, int i)
{
	struct froe_id id;
	if (!froe_id_parse(cli->arguments[i], &id))
		cli_usage(cli,
		    "\"%s\" is not a run's id: \"froe runs list --output ids\" prints them",
		    cli->arguments[i]);
	return id;
}

/* ----------------------------------------------------------------------------------- the server */

int
cli_fail(const struct froe_error *error)
{
	fprintf(stderr, "froe: %s%s%s (%s)\n", error->field, error->field[0] != 0 ? ": " : "",
	    error->text, froe_err_name(error->code));
	if (froe_err_class(error->code) == FROE_CLASS_RETRY)
		return FROE_EXIT_UNAVAILABLE;
	return FROE_EXIT_FAILED;
}

struct froe_client *
cli_connect(const struct cli *cli, int *ret_status)
{
	struct froe_client *client;
	struct froe_error error;
	struct froe_client_options options = {
	    .address = cli_text(cli, "address"),
	    .tenant = cli_text(cli, "tenant"),
	    .open_ms = CONNECT_MS,
	};
	if (options.address == NULL)
		options.address = getenv("FROE_ADDRESS");
	if (options.tenant == NULL)
		options.tenant = getenv("FROE_TENANT");
	if (froe_client_open(&options, &client, &error) == FROE_OK)
		return client;
	*ret_status = cli_fail(&error);
	if (error.code == FROE_UNAVAILABLE)
		fputs("froe: is a server running? \"froe dev\" starts one to try things out\n",
		    stderr);
	return NULL;
}

/* ---------------------------------------------------------------------------------------- main */

static int
word_count(const char *words)
{
	int count = 1;
	for (; *words != 0; words++)
		count += *words == ' ' ? 1 : 0;
	return count;
}

/* Does argv begin with these words? */
static bool
words_match(const char *words, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		size_t size = strcspn(words, " ");
		if (strlen(argv[i]) != size || memcmp(argv[i], words, size) != 0)
			return false;
		words += size;
		if (*words == 0)
			return true;
		words++;
	}
	return false;
}

static const struct cli_command *
find_command(int argc, char **argv)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (words_match(commands[i].words, argc, argv))
			return &commands[i];
	}
	return NULL;
}

/* "froe runs" alone, with --help, or with a word that is none of its own. */
static _Noreturn void
unknown_command(int argc, char **argv)
{
	size_t size = strlen(argv[0]);
	bool help = argc > 1 && strcmp(argv[1], "--help") == 0, group = false;
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct cli_command *command = &commands[i];
		if (strncmp(command->words, argv[0], size) != 0 || command->words[size] != ' ')
			continue;
		if (!group && argc > 1 && !help)
			fprintf(stderr, "froe: \"%s\" is not a command of \"froe %s\"\n", argv[1],
			    argv[0]);
		if (!group)
			fprintf(help ? stdout : stderr, "commands of froe %s:\n", argv[0]);
		group = true;
		fprintf(help ? stdout : stderr, "  %-12s %s\n", command->words, command->summary);
	}
	if (group)
		exit(help ? FROE_EXIT_OK : FROE_EXIT_USAGE);
	cli_usage(NULL, "\"%s\" is not a command", argv[0]);
}

static void
parse_options(struct cli *cli, int argc, char **argv)
{
	struct option rows[CLI_GIVEN_MAX] = {0};
	int count = 0, index, found;
	for (const struct cli_option *from = cli->command->options; from->name != NULL; from++) {
		rows[count++] = (struct option){
		    .name = from->name,
		    .has_arg = from->argument != NULL ? required_argument : no_argument,
		};
	}
	rows[count] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
	optind = 1;
	opterr = 0;
	while ((found = getopt_long(argc, argv, "+:h", rows, &index)) != -1) {
		if (found == 'h') {
			print_command(stdout, cli->command);
			exit(FROE_EXIT_OK);
		}
		if (found == ':')
			cli_usage(cli, "%s needs a value", argv[optind - 1]);
		if (found != 0)
			cli_usage(cli, "%s is not an option here", argv[optind - 1]);
		if (cli->given_count == CLI_GIVEN_MAX)
			cli_usage(cli, "too many options");
		cli->given[cli->given_count].name = rows[index].name;
		cli->given[cli->given_count++].value = optarg != NULL ? optarg : "";
	}
}

/* Options may follow arguments, up to "--": "froe run order --wait". */
static void
parse_line(struct cli *cli, int argc, char **argv)
{
	int kept = 0;
	char **arguments = mem_array((size_t)argc + 1, sizeof(*arguments));
	while (argc > 1) {
		parse_options(cli, argc, argv);
		bool rest = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
		int left = argc - optind, take = rest ? left : left > 0 ? 1 : 0;
		for (int i = 0; i < take; i++)
			arguments[kept++] = argv[optind + i];
		argv += optind + take - 1;
		argc -= optind + take - 1;
		if (take == 0)
			break;
	}
	cli->arguments = arguments;
	cli->argument_count = kept;
	if (kept < cli->command->argument_min)
		cli_usage(cli, "it needs %s", cli->command->arguments);
	if (cli->command->argument_max >= 0 && kept > cli->command->argument_max)
		cli_usage(cli, "\"%s\" is one argument too many",
		    arguments[cli->command->argument_max]);
}

int
main(int argc, char **argv)
{
	struct cli cli = {0};
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_commands(stderr);
		return FROE_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		print_commands(stdout);
		return FROE_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0)
		return cli_version(&cli);
	cli.command = find_command(argc - 1, argv + 1);
	if (cli.command == NULL)
		unknown_command(argc - 1, argv + 1);
	int words = word_count(cli.command->words);
	parse_line(&cli, argc - words, argv + words);
	int status = cli.command->run(&cli);
	mem_free(cli.arguments);
	if (fflush(stdout) != 0 && status == FROE_EXIT_OK && errno != EPIPE)
		status = FROE_EXIT_FAILED;
	return status;
}
