/*
 * log/scrub: re-reads what lies on the disk, so that rot is found while a backup can still help.
 *
 * Purpose     A step machine of housekeeping: sealed segments, snapshots, cold files, one after the
 *             other, past the page cache, verifying every hash; then from the beginning. Damage is
 *             counted and told; nothing is changed and the log goes on.
 * Ownership   borrows the log; close before the log.
 * Threading   the thread that writes MANIFEST.
 * Units       boot-time clock.
 */
#ifndef LOG_SCRUB_H
#define LOG_SCRUB_H

#include "log/log.h"

struct scrub;

struct scrub_options {
	uint64_t bytes_per_s; /* 0: as fast as a pass a week takes, and 256 KiB/s at least */
	/* Damage was found; also what retention stopped at. */
	void (*fault)(void *context, const char *why);
	void *context;
};

struct scrub *scrub_open(struct log *log, const struct scrub_options *options);
void scrub_close(struct scrub *scrub);

/* Reads a piece if one is due; when the next one is. */
uint64_t scrub_step(struct scrub *scrub, uint64_t mono_ns);

#endif
