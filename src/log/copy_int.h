/*
 * log/copy: a store's files, verified while they are copied to another directory.
 *
 * Purpose     What backup and restore share: reads a log as recovery does, writes each good frame
 *             to the same place of a new segment, and makes MANIFEST and WATERMARK for what was
 *             copied. The copy ends with a whole frame, so it is a state the store was in.
 * Ownership   copy_open() takes the source's hold, copy_close() gives it back.
 * Failure     as recovery_run; FROE_IN_USE: another copy of the source is being made. The target is
 *             then unfinished: it has neither STORE nor BACKUP.
 * See         docs/log-format.md, section 8
 */
#ifndef LOG_COPY_INT_H
#define LOG_COPY_INT_H

#include "log/recovery_int.h"
#include "log/slots_int.h"
#include "log/store_int.h"

struct copy_output; /* the segment being written */

struct copy {
	struct io_env *env;
	struct paths from;
	struct paths to;
	struct store store;
	struct slots manifest; /* the source's */
	struct slots watermark;
	struct log_report *report;
	int hold; /* -1: not held */
	struct copy_output *output;
	bool live;       /* the source may be in use: hold its files */
	bool check_only; /* verify, write nothing */
};

/* Who copies log files of a live store takes this first: it waits for two minutes for who removes
 * some, and goes before the next one who would. */
enum froe_err copy_hold(struct io_env *env, const struct paths *paths, int *ret_file,
    struct froe_fault *fault);
/* So does who may remove them, but at once: FROE_IN_USE also if a copy waits. */
enum froe_err copy_hold_try(struct io_env *env, const struct paths *paths, int *ret_file,
    struct froe_fault *fault);

/* Is there nothing in it, or no such directory? Else FROE_INVALID_ARGUMENT with what to do. */
enum froe_err copy_require_empty(struct io_env *env, const char *dir, const char *field,
    struct froe_fault *fault);

/* Takes the hold (if live) and reads MANIFEST and WATERMARK of `from`, which is copy->store. */
enum froe_err copy_open(struct copy *copy, struct froe_fault *fault);

/* Everything but STORE, durable when it returns. */
enum froe_err copy_run(struct copy *copy, struct froe_fault *fault);

void copy_close(struct copy *copy);

#endif
