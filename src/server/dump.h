/*
 * server/dump: a store's records for people and for jq, and its verification.
 *
 * Purpose     Reads a data directory without a server, or beside one: nothing is changed.
 * Failure     the exit status: 0, 65 when the store is damaged, 1 otherwise; the reason on stderr.
 */
#ifndef SERVER_DUMP_H
#define SERVER_DUMP_H

#include <stdbool.h>
#include <stdio.h>

struct dump_options {
	bool json;  /* an object a line */
	bool audit; /* only what somebody did who is named */
};

/* `from`: a position as dump prints it (hexadecimal), or NULL: the beginning. */
int dump_run(const char *data, const char *from, const struct dump_options *options, FILE *out);

/* Every hash, and every record applied to a fresh engine. */
int dump_verify(const char *data, FILE *out);

#endif
