/*
 * server/custody: what an operator does to a data directory from outside a server.
 *
 * Purpose     `froe backup`, `froe restore`, `froe log repair`: runs them and says what was done.
 * Threading   the main thread of a command; a server may be running on the directory (backup).
 * Failure     each returns the command's exit status (enum froe_exit), with the reason on stderr.
 */
#ifndef SERVER_CUSTODY_H
#define SERVER_CUSTODY_H

#include <stdbool.h>
#include <stdio.h>

int custody_backup(const char *data, const char *dir, FILE *out);
int custody_restore(const char *from, const char *data, FILE *out);
int custody_repair(const char *data, bool accept_loss, FILE *out);
int custody_check_backup(const char *from, FILE *out);

#endif
