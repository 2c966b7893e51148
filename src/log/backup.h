/*
 * log/backup: a copy of a store in a directory of its own, and a store made from one.
 *
 * Purpose     backup_make() copies a store, also while a server writes it; backup_restore() makes a
 *             data directory of a backup. Both verify every frame that they copy, and write the
 *             file that makes the result whole (BACKUP, STORE) last: what a crash leaves is neither
 *             a backup nor a store.
 * Threading   any process may call them: they read the files, take no lock of the server's, and
 *             hold only the removal of old segments up.
 * Failure     FROE_CORRUPT: the source is damaged. FROE_INVALID_ARGUMENT: the target is not empty.
 *             FROE_NOT_FOUND: the source is no store, or no finished backup. FROE_IN_USE: another
 *             backup of this store is being made. FROE_NO_SPACE, FROE_IO.
 * See         docs/operating.md, docs/log-format.md section 8
 */
#ifndef LOG_BACKUP_H
#define LOG_BACKUP_H

#include "log/log.h"

struct backup_report {
	struct log_report log; /* of what was copied */
	uint64_t made_wall_ns; /* when the backup was made */
};

enum froe_err backup_make(struct io_env *env, const char *data, const char *dir,
    struct backup_report *report, struct froe_fault *fault) FROE_CHECKED;

/* `data` NULL: only verifies the backup. */
enum froe_err backup_restore(struct io_env *env, const char *dir, const char *data,
    struct backup_report *report, struct froe_fault *fault) FROE_CHECKED;

#endif
