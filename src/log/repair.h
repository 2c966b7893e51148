/*
 * log/repair: the explicit way out of damage that recovery refuses.
 *
 * Purpose     Finds what keeps a store from starting, and says what it would cost. With
 *             `accept_loss` it keeps the longest prefix of the log that verifies, moves what is
 *             behind it, and cold files that do not verify, to quarantine/, and notes that in the
 *             file REPAIRS. Nothing is deleted.
 * Threading   alone: it takes the server's lock.
 * Failure     FROE_CORRUPT: there is damage (reported; without accept_loss nothing was changed), or
 *             what is left cannot be made to start: *fault says which. FROE_IN_USE, FROE_NO_SPACE.
 * See         docs/operating.md
 */
#ifndef LOG_REPAIR_H
#define LOG_REPAIR_H

#include "log/log.h"

struct repair_report {
	struct log_report log;      /* what recovery found; log.bad: where the damage begins */
	bool log_damaged;
	char log_text[384];         /* as recovery refuses */
	uint64_t last_good_seq;     /* the log is kept up to this frame */
	uint64_t last_durable_seq;  /* what is known to have been acknowledged */
	uint64_t segments_after;    /* that are given up as a whole */
	unsigned cold_damaged;      /* files */
	char cold_text[384];        /* of the first */
	bool watermark_damaged;
	bool repaired;
};

enum froe_err repair_run(struct io_env *env, const char *dir, bool accept_loss,
    struct repair_report *report, struct froe_fault *fault) FROE_CHECKED;

#endif
