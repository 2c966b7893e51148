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

/* `from`: a position as dump prints it (hexadecimal), or NULL: the beginning. */
int dump_run(const char *data, const char *from, bool json, FILE *out);

/* Every hash, and every record applied to a fresh engine. */
int dump_verify(const char *data, FILE *out);

#endif
