/*
 * cli/each: one action on each of several things, which are named on the command line or, where "-"
 * stands, on standard input, one a line.
 *
 * Purpose     What became of each is said: of those that went well on standard output (as a line,
 *             a JSON object, or the id alone), of the others on standard error, and in JSON on
 *             standard output as well. One that fails does not keep the others from being tried,
 *             unless all would fail of the same: then it ends there.
 * Ownership   ids point into the command line, or into the iterator until its next step.
 * Threading   the main thread.
 * Failure     the exit status is that of the first that failed. Wrong ids on the command line end
 *             the process before anything is done; wrong ones on standard input are said and
 *             passed over.
 */
#ifndef CLI_EACH_H
#define CLI_EACH_H

#include "cli/cli.h"

#include <stdio.h>

#define EACH_ID_SIZE 128u

/* What an id is. */
struct each_kind {
	const char *name; /* in JSON: "run" */
	const char *want; /* "a run's id: \"froe runs list --output ids\" prints them" */
	bool (*check)(const char *text);
};
extern const struct each_kind each_run;
/* Of kinds that are known by numbers: is it one, and which one a good text is. */
bool each_check_number(const char *text);
uint64_t each_number(const char *text);

/* The ids, one after the other. */
struct each {
	const struct cli *cli;
	const struct each_kind *kind;
	int next;      /* argument */
	unsigned taken;
	bool reading;  /* standard input, instead of argument next - 1 */
	unsigned line; /* of it */
	int status;    /* FROE_EXIT_FAILED once a line was wrong */
	char text[EACH_ID_SIZE];
};

/* Checks those on the command line; call it before connecting. */
void each_begin(struct each *each, const struct cli *cli, const struct each_kind *kind);

/* The next one, or NULL. */
const char *each_next(struct each *each);

/* True: there is but one, and it stands on the command line. */
bool each_single(const struct each *each);

struct each_action {
	const char *done; /* "cancelled" */
	enum froe_err (*act)(void *context, struct froe_client *client, const char *id,
	    struct froe_error *error);
	void *context;
};

/* Acts on all that are left. The client is the caller's. */
int each_do(struct each *each, struct froe_client *client, const struct each_action *action);

/* Connects and does it. */
int each_act(const struct cli *cli, const struct each_kind *kind, const struct each_action *action);

/* Connects and shows each; `show` gives an exit status, and has said why it is not 0. each->taken
 * is 1 for the first one. */
int each_show(const struct cli *cli, const struct each_kind *kind,
    int (*show)(const struct each *each, struct froe_client *client, const char *id));

/* How a message calls it: NULL when there is but one. */
const char *each_name(const struct each *each, const char *id);

#endif
