/*
 * log/cut: takes off a torn tail.
 *
 * Purpose     Copies what lies behind the end into quarantine/, then overwrites it with zeros.
 *             A crash in between is recovered by doing it again; a finished copy is kept as it is.
 * Failure     FROE_IO. FROE_NO_SPACE only if the copy is needed (accepted loss): a torn tail was
 *             never acknowledged, its copy is a courtesy.
 * See         docs/log-format.md, section 6
 */
#ifndef LOG_CUT_INT_H
#define LOG_CUT_INT_H

#include "log/recovery_int.h"

/* `epoch` is the one about to begin; it is part of the copies' names. */
enum froe_err cut_tail(const struct recovery *recovery, uint64_t epoch, struct froe_fault *fault);

#endif
