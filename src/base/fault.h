/*
 * base/fault: the three tiers of error.
 *
 * Purpose     Ours: froe_assert, froe_never (a bug; the process ends at once). The world's, where
 *             going on would be a lie: froe_fatal with an exit status. Anyone else's: a returned
 *             enum froe_err, with a struct froe_fault that says what, where and what to do.
 * Ownership   a struct froe_fault is the caller's, on its stack; no heap.
 * Threading   any thread.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include "froe/error.h"

#include <stddef.h>
#include <stdint.h>

#define FROE_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define FROE_CHECKED __attribute__((warn_unused_result))

/* Exit statuses of the froe command (docs/cli.md). */
enum froe_exit {
	FROE_EXIT_OK = 0,
	FROE_EXIT_FAILED = 1, /* the request was refused, or the run failed */
	FROE_EXIT_USAGE = 2,
	FROE_EXIT_DATA = 65,        /* the data directory is damaged: refuses to start */
	FROE_EXIT_UNAVAILABLE = 69, /* no server, or the connection was lost */
	FROE_EXIT_SOFTWARE = 70,    /* memory was refused, or a turn of the loop */
	FROE_EXIT_IO = 74,          /* a log write failed: nothing after it was acknowledged */
	FROE_EXIT_INDEX = 75,       /* the index is damaged: it is rebuilt at the next start */
	FROE_EXIT_IN_USE = 76,      /* another server holds the data directory */
};

/* What went wrong: written where the error is born, only on failure. */
struct froe_fault {
	enum froe_err code;
	int sys_errno; /* 0 if none */
	char field[64];
	char text[384];
};

/* Fills *fault (may be NULL) and returns the code, so that one can `return fault_set(...)`. */
enum froe_err fault_set(struct froe_fault *fault, enum froe_err code, const char *format, ...)
    FROE_PRINTF(3, 4);

/* The same with the request's field at fault, as a path: "tasks[2].parents[0]". */
enum froe_err fault_set_field(struct froe_fault *fault, enum froe_err code, const char *field,
    const char *format, ...) FROE_PRINTF(4, 5);

/* The same for a failed system call: maps errno to a code and appends its text. */
enum froe_err fault_set_errno(struct froe_fault *fault, int sys_errno, const char *format, ...)
    FROE_PRINTF(3, 4);

enum froe_err froe_err_from_errno(int sys_errno);

_Noreturn void froe_panic(const char *file, int line, const char *function, const char *what);
_Noreturn void froe_fatal(enum froe_exit status, const char *format, ...) FROE_PRINTF(2, 3);

#define froe_assert(condition)                                                                     \
	((condition) ? (void)0 : froe_panic(__FILE__, __LINE__, __func__, #condition))
#define froe_never(why) froe_panic(__FILE__, __LINE__, __func__, "never: " why)

#ifdef FROE_SLOW
#define froe_assert_slow(condition) froe_assert(condition)
#else
#define froe_assert_slow(condition) ((void)(0 && (condition))) /* compiled, and left out */
#endif

/* Drops a result on purpose, and says why. */
#define FROE_DROP(expression, reason) ((void)sizeof(reason), (void)!(expression))

#endif
