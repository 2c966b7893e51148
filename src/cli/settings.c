#include "cli/settings.h"

#include "base/fault.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)

/* Of any command. */
static const char *const common[] = {"address", "tenant", "token", "token-file", "output", "data",
    "tls-ca", "tls-cert", "tls-key", "tls-name"};
/* Of the server, these are for one start only. */
static const char *const never[] = {"accept-tail-loss", "accept-loss", "ready-fd"};

static bool
listed(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static bool
of_server(const struct cli_command *command)
{
	return strcmp(command->words, "server") == 0 || strcmp(command->words, "dev") == 0;
}

static const struct cli_option *
option_find(const struct cli_command *command, const char *name)
{
	for (const struct cli_option *option = command->options; option->name != NULL; option++) {
		if (strcmp(option->name, name) == 0)
			return option;
	}
	return NULL;
}

bool
settings_has(const struct cli_command *command, const char *name)
{
	if (option_find(command, name) == NULL ||
	    listed(never, sizeof(never) / sizeof(*never), name))
		return false;
	return of_server(command) || listed(common, sizeof(common) / sizeof(*common), name);
}

/* ------------------------------------------------------------------------------------- the file */

_Noreturn static void
refuse(const struct settings *settings, unsigned line, const char *what, const char *name)
{
	fprintf(stderr, "froe: %s:%u: %s: \"%s\"\n", settings->path, line, what, name);
	exit(FROE_EXIT_USAGE);
}

/* A key must be a setting of some command of its section. */
static void
check_key(const struct settings *settings, const struct settings_row *row)
{
	bool server = strcmp(row->section, "client") != 0;
	bool client = strcmp(row->section, "server") != 0;
	for (size_t i = 0; i < cli_command_count; i++) {
		bool mine = of_server(&cli_commands[i]) ? server : client;
		if (mine && settings_has(&cli_commands[i], row->key))
			return;
	}
	refuse(settings, row->line, "no command here has this setting", row->key);
}

static char *
trim(char *text)
{
	size_t size;
	while (isspace((unsigned char)*text))
		text++;
	size = strlen(text);
	while (size > 0 && isspace((unsigned char)text[size - 1]))
		size--;
	text[size] = 0;
	return text;
}

static const char *
section_of(const struct settings *settings, unsigned line, char *text)
{
	size_t size = strlen(text);
	if (text[size - 1] != ']')
		refuse(settings, line, "a section ends with ]", text);
	text[size - 1] = 0;
	if (strcmp(text + 1, "server") == 0 || strcmp(text + 1, "client") == 0)
		return text + 1;
	refuse(settings, line, "a section is [server] or [client]", text + 1);
}

static void
take_row(struct settings *settings, const char *section, unsigned line, char *text)
{
	char *equals = strchr(text, '=');
	if (equals == NULL)
		refuse(settings, line, "write NAME = VALUE", text);
	if (settings->count == SETTINGS_MAX)
		refuse(settings, line, "too many settings", text);
	*equals = 0;
	char *value = trim(equals + 1);
	size_t size = strlen(value);
	if (size >= 2 && value[0] == '"' && value[size - 1] == '"') {
		value[size - 1] = 0;
		value++;
	}
	struct settings_row *row = &settings->rows[settings->count++];
	*row = (struct settings_row){
	    .section = section,
	    .key = trim(text),
	    .value = value,
	    .line = line,
	};
	check_key(settings, row);
}

static void
take_lines(struct settings *settings)
{
	const char *section = "";
	unsigned line = 0;
	char *rest = settings->text;
	while (rest != NULL) {
		char *end = strchr(rest, '\n'), *text = rest;
		rest = end != NULL ? end + 1 : NULL;
		if (end != NULL)
			*end = 0;
		line++;
		text = trim(text);
		if (*text == 0 || *text == '#' || *text == ';')
			continue;
		if (*text == '[')
			section = section_of(settings, line, text);
		else
			take_row(settings, section, line, text);
	}
}

void
settings_open(struct settings *settings, const char *path)
{
	*settings = (struct settings){.path = path != NULL ? path : getenv("FROE_CONFIG")};
	if (settings->path == NULL || settings->path[0] == 0) {
		settings->path = NULL;
		return;
	}
	FILE *file = fopen(settings->path, "re");
	settings->text = mem_alloc(FILE_BYTES_MAX + 1);
	size_t size = file != NULL ? fread(settings->text, 1, FILE_BYTES_MAX + 1, file) : 0;
	if (file == NULL || ferror(file)) {
		fprintf(stderr, "froe: cannot read the configuration %s: %s\n", settings->path,
		    strerror(errno));
		exit(FROE_EXIT_USAGE);
	}
	fclose(file);
	if (size > FILE_BYTES_MAX || memchr(settings->text, 0, size) != NULL)
		refuse(settings, 1, "this is not a configuration", settings->path);
	settings->text[size] = 0;
	take_lines(settings);
}

void
settings_close(struct settings *settings)
{
	mem_free(settings->text);
}

/* ---------------------------------------------------------------------------------------- values
 */

/* --heartbeat-lost is FROE_HEARTBEAT_LOST. */
static const char *
from_environment(const char *name, char source[SETTINGS_SOURCE_BYTES])
{
	size_t size = (size_t)snprintf(source, SETTINGS_SOURCE_BYTES, "FROE_%s", name);
	for (size_t i = 0; i < size && i < SETTINGS_SOURCE_BYTES; i++)
		source[i] = source[i] == '-' ? '_' : (char)toupper((unsigned char)source[i]);
	const char *value = getenv(source);
	return value != NULL && value[0] != 0 ? value : NULL;
}

/* The section's own row before one for all; of several the last. */
static const struct settings_row *
from_file(const struct settings *settings, const struct cli_command *command, const char *name)
{
	const char *section = of_server(command) ? "server" : "client";
	const struct settings_row *found = NULL;
	for (unsigned i = 0; i < settings->count; i++) {
		const struct settings_row *row = &settings->rows[i];
		bool own = strcmp(row->section, section) == 0;
		bool shadowed = found != NULL && found->section[0] != 0 && !own;
		if (strcmp(row->key, name) == 0 && (own || row->section[0] == 0) && !shadowed)
			found = row;
	}
	return found;
}

/* NULL for a flag that is said to be off. */
static const char *
flag_value(const char *value, const char *source)
{
	static const char *const on[] = {"1", "yes", "true", "on"};
	static const char *const off[] = {"0", "no", "false", "off"};
	if (listed(on, 4, value))
		return value;
	if (listed(off, 4, value))
		return NULL;
	fprintf(stderr, "froe: %s: \"%s\" is neither yes nor no\n", source, value);
	exit(FROE_EXIT_USAGE);
}

const char *
settings_value(const struct settings *settings, const struct cli_command *command, const char *name,
    char source[SETTINGS_SOURCE_BYTES])
{
	if (!settings_has(command, name))
		return NULL;
	const char *value = from_environment(name, source);
	const struct settings_row *row = value == NULL ? from_file(settings, command, name) : NULL;
	if (row != NULL) {
		snprintf(
		    source, SETTINGS_SOURCE_BYTES, "%s:%u: %s", settings->path, row->line, name);
		value = row->value;
	}
	if (value != NULL && option_find(command, name)->argument == NULL)
		return flag_value(value, source);
	return value;
}
