/*
 * cli/cli: the froe command's table of commands, and what a command line says.
 *
 * Purpose     One row a command: its words, arguments, sentence, options, function. Parsing,
 *             --help and the list of commands come from the rows.
 * Ownership   everything points into argv and static tables.
 * Threading   the main thread.
 * Failure     a wrong command line ends the process with status 2 and says what to do.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "froe/froe.h"

#include <stdbool.h>
#include <stdint.h>

#define CLI_GIVEN_MAX 64

struct cli_option {
	const char *name;     /* without the dashes */
	const char *argument; /* NULL: a flag */
	const char *help;
};

struct cli;

struct cli_command {
	const char *words;   /* "runs list" */
	const char *arguments; /* "ID", or "" */
	int argument_min;
	int argument_max;    /* -1: any number, after "--" */
	const char *summary;
	const struct cli_option *options; /* ends with a row without a name */
	int (*run)(struct cli *cli);
};

/* The table of all commands, in table.c. */
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/* The options of all commands that talk to a server: where it is, and who asks. */
extern const struct cli_option cli_connection[];

struct settings;

struct cli {
	const struct cli_command *command;
	const struct settings *settings;
	struct {
		const char *name;
		const char *value;
	} given[CLI_GIVEN_MAX];
	int given_count;
	char **arguments;
	int argument_count;
};

/* Reads options and arguments; a wrong line ends the process with status 2. */
void cli_parse(struct cli *cli, int argc, char **argv);

/* What stands on the command line itself, or NULL. */
const char *cli_given(const struct cli *cli, const char *name);

/* The option's value (the last one given, else a setting: cli/settings.h), or NULL. */
const char *cli_text(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);
/* Parsed, or `otherwise` when not given; a value that does not parse ends with status 2. */
uint64_t cli_number(const struct cli *cli, const char *name, uint64_t otherwise, uint64_t max);
uint64_t cli_duration_ms(const struct cli *cli, const char *name, uint64_t otherwise_ms);

enum cli_output {
	CLI_TABLE,
	CLI_JSON,
	CLI_IDS,
};
enum cli_output cli_output(const struct cli *cli);

/* Ends the process: status 2, with the way to the command's help. */
_Noreturn void cli_usage(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reports a failed call; the exit status for it. */
int cli_fail(const struct froe_error *error);
/* The same, of one of several things; NULL: of the only one. */
int cli_fail_of(const char *what, const struct froe_error *error);

/* The token of --token or --token-file, or empty. False: the file cannot be read; it was said. */
#define CLI_TOKEN_SIZE 1024
bool cli_token(const struct cli *cli, char token[CLI_TOKEN_SIZE]);

/* Says why there is no connection, and what to do; the exit status. */
int cli_unconnected(const struct froe_error *error);

/* Connects to --address or the default, with the token; NULL: *ret_status is the exit status. */
struct froe_client *cli_connect(const struct cli *cli, int *ret_status);

/* The options of TLS for this address; false: it is plaintext. Ends with status 2 when options of
 * TLS are given with a plaintext address: nobody should believe that it is encrypted. */
bool cli_client_tls(const struct cli *cli, const char *address, struct froe_tls_options *tls);
struct server_options;
void cli_server_tls(const struct cli *cli, struct server_options *options, bool loopback);

/* The command's argument number i as a run's id. */
struct froe_id cli_run_id(const struct cli *cli, int i);

/* One row each in the table. */
int cli_version(struct cli *cli);
int cli_doctor(struct cli *cli);
int cli_help(struct cli *cli);
int cli_completion(struct cli *cli);
int cli_server(struct cli *cli);
int cli_dev(struct cli *cli);
int cli_run(struct cli *cli);
int cli_runs_list(struct cli *cli);
int cli_runs_get(struct cli *cli);
int cli_runs_watch(struct cli *cli);
int cli_runs_stream(struct cli *cli);
int cli_runs_replay(struct cli *cli);
int cli_runs_cancel(struct cli *cli);
int cli_jobs_list(struct cli *cli);
int cli_jobs_get(struct cli *cli);
int cli_jobs_watch(struct cli *cli);
int cli_jobs_cancel(struct cli *cli);
int cli_workflows_list(struct cli *cli);
int cli_workflows_get(struct cli *cli);
int cli_why(struct cli *cli);
int cli_workers_list(struct cli *cli);
int cli_workers_get(struct cli *cli);
int cli_workers_pause(struct cli *cli);
int cli_workers_resume(struct cli *cli);
int cli_worker_exec(struct cli *cli);
int cli_events_push(struct cli *cli);
int cli_approvals_list(struct cli *cli);
int cli_approvals_approve(struct cli *cli);
int cli_approvals_reject(struct cli *cli);
int cli_log_dump(struct cli *cli);
int cli_log_verify(struct cli *cli);
int cli_log_repair(struct cli *cli);
int cli_backup(struct cli *cli);
int cli_restore(struct cli *cli);
int cli_token_create(struct cli *cli);
int cli_token_list(struct cli *cli);
int cli_token_revoke(struct cli *cli);
int cli_bench(struct cli *cli);

#endif
