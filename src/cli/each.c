#include "cli/each.h"

#include "cli/json.h"
#include "cli/terminal.h"

#include "base/bytes.h"
#include "base/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------- ids */

static bool
check_run(const char *text)
{
	struct froe_id id;
	return froe_id_parse(text, &id);
}

const struct each_kind each_run = {
    .name = "run",
    .want = "a run's id: \"froe runs list --output ids\" prints them",
    .check = check_run,
};

static bool
number_parse(const char *text, uint64_t *ret_number)
{
	char *end;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == 0 && errno == 0;
}

bool
each_check_number(const char *text)
{
	uint64_t number;
	return number_parse(text, &number);
}

uint64_t
each_number(const char *text)
{
	uint64_t number;
	bool parsed = number_parse(text, &number);
	froe_assert(parsed);
	return number;
}

void
each_begin(struct each *each, const struct cli *cli, const struct each_kind *kind)
{
	int inputs = 0;
	*each = (struct each){.cli = cli, .kind = kind, .status = FROE_EXIT_OK};
	for (int i = 0; i < cli->argument_count; i++) {
		const char *text = cli->arguments[i];
		if (strcmp(text, "-") == 0)
			inputs++;
		else if (!kind->check(text))
			cli_usage(cli, "\"%s\" is not %s", text, kind->want);
	}
	if (inputs > 1)
		cli_usage(cli, "\"-\" is standard input: it can be read once");
}

/* A line that is longer than any with an id: what is left of it is no line of its own. */
static void
line_skip(const char *line)
{
	if (strchr(line, '\n') != NULL)
		return;
	for (int c = getc(stdin); c != EOF && c != '\n';)
		c = getc(stdin);
}

/* The first word of the next line that has one and is an id. */
static const char *
line_next(struct each *each)
{
	char line[4096];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *word = line + strspn(line, " \t\r\n");
		each->line++;
		line_skip(line);
		word[strcspn(word, " \t\r\n")] = 0;
		if (*word == 0)
			continue;
		if (strlen(word) < EACH_ID_SIZE && each->kind->check(word)) {
			snprintf(each->text, sizeof(each->text), "%s", word);
			return each->text;
		}
		fprintf(stderr, "froe: standard input, line %u: \"%.100s\" is not %s\n", each->line,
		    word, each->kind->want);
		each->status = FROE_EXIT_FAILED;
	}
	return NULL;
}

const char *
each_next(struct each *each)
{
	each->taken++;
	for (;;) {
		const char *text = each->reading ? line_next(each) : NULL;
		if (text != NULL)
			return text;
		each->reading = false;
		if (each->next == each->cli->argument_count)
			return NULL;
		text = each->cli->arguments[each->next++];
		if (strcmp(text, "-") != 0)
			return text;
		each->reading = true;
	}
}

bool
each_single(const struct each *each)
{
	return each->cli->argument_count == 1 && strcmp(each->cli->arguments[0], "-") != 0;
}

const char *
each_name(const struct each *each, const char *id)
{
	return each_single(each) ? NULL : id;
}

/* ------------------------------------------------------------------------------------- actions */

static void
say_json(const struct each *each, const char *id, const struct froe_error *error)
{
	struct buf line;
	buf_init(&line);
	buf_push_text(&line, "{");
	json_text(&line, each->kind->name, id);
	buf_printf(&line, ",\"ok\":%s", error == NULL ? "true" : "false");
	if (error != NULL) {
		buf_printf(&line, ",\"code\":\"%s\",", froe_err_name(error->code));
		json_text(&line, "error", error->text);
	}
	buf_push_text(&line, "}\n");
	terminal_print(&line);
	buf_release(&line);
}

static void
say(const struct each *each, const struct each_action *action, const char *id)
{
	enum cli_output output = cli_output(each->cli);
	if (output == CLI_JSON)
		say_json(each, id, NULL);
	else if (output == CLI_IDS)
		printf("%s\n", id);
	else
		printf("%s  %s\n", id, action->done);
	fflush(stdout); /* for the next command of a pipe */
}

/* Whoever asks, and through whatever: it would be the same for all. */
static bool
is_hopeless(enum froe_err err)
{
	return err == FROE_UNAUTHENTICATED || err == FROE_FORBIDDEN || err == FROE_CLOSED;
}

int
each_do(struct each *each, struct froe_client *client, const struct each_action *action)
{
	int status = FROE_EXIT_OK;
	const char *id;
	bool go_on = true;
	while (go_on && (id = each_next(each)) != NULL) {
		struct froe_error error;
		if (action->act(action->context, client, id, &error) == FROE_OK) {
			say(each, action, id);
			continue;
		}
		int failed = cli_fail_of(each_name(each, id), &error);
		status = status == FROE_EXIT_OK ? failed : status;
		if (cli_output(each->cli) == CLI_JSON)
			say_json(each, id, &error);
		go_on = !is_hopeless(error.code);
	}
	if (!go_on && !each_single(each))
		fputs("froe: what comes after it was not tried\n", stderr);
	return status == FROE_EXIT_OK ? each->status : status;
}

/* NULL: *ret_status says why. What can be wrong on the command line is looked at first. */
static struct froe_client *
open_for(struct each *each, const struct cli *cli, const struct each_kind *kind, int *ret_status)
{
	FROE_DROP(cli_output(cli), "a wrong one ends here");
	each_begin(each, cli, kind);
	return cli_connect(cli, ret_status);
}

int
each_act(const struct cli *cli, const struct each_kind *kind, const struct each_action *action)
{
	struct each each;
	int status;
	struct froe_client *client = open_for(&each, cli, kind, &status);
	if (client == NULL)
		return status;
	status = each_do(&each, client, action);
	froe_client_close(client);
	return status;
}

int
each_show(const struct cli *cli, const struct each_kind *kind,
    int (*show)(const struct each *each, struct froe_client *client, const char *id))
{
	struct each each;
	const char *id;
	int status, result = FROE_EXIT_OK;
	struct froe_client *client = open_for(&each, cli, kind, &status);
	if (client == NULL)
		return status;
	while (!ferror(stdout) && (id = each_next(&each)) != NULL) {
		status = show(&each, client, id);
		result = result == FROE_EXIT_OK ? status : result;
	}
	froe_client_close(client);
	return result == FROE_EXIT_OK ? each.status : result;
}
