/*
 * log/retention: gives old segments back to the disk, and keeps what is still needed of them.
 *
 * Purpose     A step machine of housekeeping. It takes the oldest hot segment when it is below the
 *             older snapshot, the index is past it, and its time has come; copies the records of
 *             runs that are not past retention into a cold file; raises MANIFEST; unlinks the
 *             segment.
 *             Merges cold files of which half is dead, and the smaller ones when they are many.
 * Ownership   borrows the log; close before the log.
 * Threading   one thread, the same that writes MANIFEST. retention_stats(): any.
 * Invariants  1. MANIFEST never names a file that is not durable. 2. a file is unlinked only when
 *             MANIFEST, durably, and the log's owner do not know it any more.
 * Units       engine time.
 * Failure     damage or an I/O error stops retention, not the log: stats.fault says why. A lack of
 *             space, or a backup under way, is tried again.
 * See         docs/decisions/0008-cold-segments.md
 */
#ifndef LOG_RETENTION_H
#define LOG_RETENTION_H

#include "log/log.h"

struct retention;

struct retention_options {
	uint64_t keep_ns;   /* so long after a run closed; UINT64_MAX: for ever */
	uint64_t bytes_max; /* of log and cold files: then closed runs go earlier; 0: no limit */
};

struct retention *retention_open(struct log *log, const struct retention_options *options);
void retention_close(struct retention *retention);

/* One piece of blocking work. `index_seq`: the frame up to which the index is durable. False: there
 * is nothing to do before the log wakes housekeeping, or a snapshot is made, or, if it waits, a
 * while has passed. */
bool retention_step(struct retention *retention, uint64_t index_seq);

/* Is something due that cannot be done yet: the index is behind, a backup is made, there is no
 * space? Then retention_look_ns() is the while. */
bool retention_waits(const struct retention *retention);
uint64_t retention_look_ns(const struct retention *retention);

/* Is it inside a piece of work that excludes a backup, and the removal of snapshots? */
bool retention_holds(const struct retention *retention);
/* Does it still look for runs that were reopened? This reads all of the log. */
bool retention_surveys(const struct retention *retention);

struct retention_stats {
	uint64_t segment_oldest;
	uint64_t segments_retired;
	uint64_t records_copied;
	uint64_t runs_gone;
	uint64_t cold_files;
	uint64_t cold_bytes;
	uint64_t merges;
	bool failed; /* retention has stopped: */
	char why[256];
};
void retention_stats(struct retention *retention, struct retention_stats *ret_stats);

#endif
