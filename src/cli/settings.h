/*
 * cli/settings: what an option is when the command line does not say: the environment, then a file.
 *
 * Purpose     Options that are about where and how, not about what (settings_has()), may stand in
 *             the environment (--listen is FROE_LISTEN) or in the file that --config or FROE_CONFIG
 *             names:
 *                 # for all commands
 *                 tenant = shop
 *                 [server]            for `froe server` and `froe dev`
 *                 listen = 127.0.0.1:7077
 *                 edge-sessions = yes
 *                 [client]            for all others
 *                 output = json
 *             A value may stand in double quotes; "#" begins a comment at a line's start only.
 * Ownership   settings_open() keeps the file's bytes until settings_close(); values point into
 *             them or into the environment.
 * Threading   the main thread.
 * Failure     a file that cannot be read or understood ends the process with status 2, naming file
 *             and line.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "cli/cli.h"

#define SETTINGS_MAX 128u
#define SETTINGS_SOURCE_BYTES 256u

struct settings {
	const char *path; /* NULL: there is no file */
	char *text;
	struct settings_row {
		const char *section; /* "", "server" or "client" */
		const char *key;
		const char *value;
		unsigned line;
	} rows[SETTINGS_MAX];
	unsigned count;
};

/* `path`: of --config; NULL: of FROE_CONFIG, if that is set. */
void settings_open(struct settings *settings, const char *path);
void settings_close(struct settings *settings);

/* May this option of the command be a setting? */
bool settings_has(const struct cli_command *command, const char *name);

/* The setting's value and where it is from, for messages; NULL: there is none. */
const char *settings_value(const struct settings *settings, const struct cli_command *command,
    const char *name, char source[SETTINGS_SOURCE_BYTES]);

#endif
