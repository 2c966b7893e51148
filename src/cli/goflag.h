/*
 * cli/goflag: a command line as Go's package flag takes it.
 *
 * Purpose     For what programs start that were written for a sidecar in Go: "-name value",
 *             "-name=value", the same with two dashes; a boolean takes no next word, but may be
 *             "-name=false". Flags end at "--", and at the first word that is none.
 * Ownership   values are put where the rows point; text points into argv.
 * Threading   any; nothing here has state.
 * Failure     FROE_INVALID_ARGUMENT, fault->field: the flag.
 */
#ifndef CLI_GOFLAG_H
#define CLI_GOFLAG_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum goflag_kind {
	GOFLAG_TEXT, /* const char * */
	GOFLAG_BOOL, /* bool */
	GOFLAG_PORT, /* uint16_t */
};

struct goflag {
	const char *name; /* without dashes; NULL: the end of the rows */
	enum goflag_kind kind;
	void *value;
	const char *help;
};

/* *ret_rest: how many words of argv, which begins with the first word after the program's name,
 * are no flags; they are its last ones. */
enum froe_err goflag_parse(const struct goflag *flags, int argc, char **argv, int *ret_rest,
    struct froe_fault *fault) FROE_CHECKED;

#endif
