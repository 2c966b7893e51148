/*
 * cli/completion: what a shell may complete.
 *
 * `froe completion bash` prints a few lines for the shell, which ask `froe completion next WORD...`
 * for the candidates: so they never disagree with the table. The last WORD is the one being typed,
 * perhaps empty.
 */
#include "cli/cli.h"

#include "base/fault.h"

#include <stdio.h>
#include <string.h>

static const char bash[] = "_froe() {\n"
			   "  local IFS=$'\\n'\n"
			   "  COMPREPLY=($(froe completion next -- "
			   "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null))\n"
			   "}\n"
			   "complete -o default -F _froe froe\n";
static const char zsh[] = "#compdef froe\n"
			  "_froe() {\n"
			  "  local -a found\n"
			  "  found=(${(f)\"$(froe completion next -- \"${(@)words[2,CURRENT]}\" "
			  "2>/dev/null)\"})\n"
			  "  if (( $#found )); then compadd -a found; else _files; fi\n"
			  "}\n"
			  "compdef _froe froe\n";
static const char fish[] = "complete -c froe -f -a "
			   "'(froe completion next -- (commandline -opc)[2..-1] "
			   "(commandline -ct) 2>/dev/null)'\n";

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The word of `words` after the first `count` words, if those are the ones given. */
static const char *
word_after(const char *words, char **given, int count)
{
	for (int i = 0; i < count; i++) {
		size_t size = strcspn(words, " ");
		if (strlen(given[i]) != size || memcmp(words, given[i], size) != 0)
			return NULL;
		words += size;
		if (*words == ' ')
			words++;
		else if (i + 1 < count)
			return NULL;
	}
	return words;
}

static void
complete_words(char **given, int count, const char *typed)
{
	const char *last = "";
	size_t last_size = 0;
	for (size_t i = 0; i < cli_command_count; i++) {
		const char *word = word_after(cli_commands[i].words, given, count);
		if (word == NULL || *word == 0 || !begins(word, typed))
			continue;
		size_t size = strcspn(word, " ");
		if (size == last_size && memcmp(word, last, size) == 0)
			continue; /* "runs" of "runs list" and "runs get" */
		printf("%.*s\n", (int)size, word);
		last = word;
		last_size = size;
	}
}

static const struct cli_command *
command_of(char **given, int count, int *ret_words)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		int words = 1;
		for (const char *at = cli_commands[i].words; *at != 0; at++)
			words += *at == ' ' ? 1 : 0;
		const char *rest =
		    words <= count ? word_after(cli_commands[i].words, given, words) : NULL;
		if (rest != NULL && *rest == 0) {
			*ret_words = words;
			return &cli_commands[i];
		}
	}
	return NULL;
}

/* Of "table|json|ids" those that begin as typed; of "FILE" nothing. */
static void
complete_value(const char *argument, const char *typed)
{
	if (strchr(argument, '|') == NULL)
		return;
	while (*argument != 0) {
		size_t size = strcspn(argument, "|");
		if (size > 0 && argument[0] != '@' && strncmp(argument, typed, strlen(typed)) == 0)
			printf("%.*s\n", (int)size, argument);
		argument += size + (argument[size] == '|' ? 1 : 0);
	}
}

static void
complete_option(const struct cli_command *command, const char *before, const char *typed)
{
	const struct cli_option *option = command->options;
	for (; before != NULL && begins(before, "--") && option->name != NULL; option++) {
		if (strcmp(option->name, before + 2) == 0 && option->argument != NULL) {
			complete_value(option->argument, typed);
			return;
		}
	}
	if (typed[0] != '-') {
		complete_value(command->arguments, typed);
		return;
	}
	for (option = command->options; option->name != NULL; option++) {
		if (begins("--", typed) || (begins(typed, "--") && begins(option->name, typed + 2)))
			printf("--%s\n", option->name);
	}
	if (begins("--help", typed))
		puts("--help");
}

static void
complete(char **given, int count)
{
	const char *typed = count > 0 ? given[count - 1] : "";
	int words = 0, before = count > 0 ? count - 1 : 0;
	const struct cli_command *command = command_of(given, before, &words);
	if (command == NULL)
		complete_words(given, before, typed);
	else
		complete_option(command, before > words ? given[before - 1] : NULL, typed);
}

int
cli_completion(struct cli *cli)
{
	const char *shell = cli->arguments[0];
	if (strcmp(shell, "next") == 0)
		complete(cli->arguments + 1, cli->argument_count - 1);
	else if (strcmp(shell, "bash") == 0)
		fputs(bash, stdout);
	else if (strcmp(shell, "zsh") == 0)
		fputs(zsh, stdout);
	else if (strcmp(shell, "fish") == 0)
		fputs(fish, stdout);
	else
		cli_usage(cli, "\"%s\" is none of bash, zsh, fish", shell);
	return FROE_EXIT_OK;
}
