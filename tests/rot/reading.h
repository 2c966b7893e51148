/*
 * tests/rot/reading: all that a store says, as the server's own recovery reads it.
 *
 * Purpose     Opens a store as a server does, takes the state it comes to, then reads every record
 *             that is left, hot and cold. Two readings of the same store are equal.
 * Ownership   reading_release frees the records.
 * Failure     what shard_open() or trail_step() said; `stage` says which.
 */
#ifndef ROT_READING_H
#define ROT_READING_H

#include "base/fault.h"
#include "rot/tree.h"

struct reading_record {
	uint64_t event_seq;
	uint64_t run;
	uint64_t hash; /* of all that it says, and of where it lies */
};

enum reading_stage {
	READING_OPEN,
	READING_RECORDS,
	READING_DONE,
};

struct reading {
	enum reading_stage stage;
	uint64_t last_frame;
	uint64_t state_hash;
	uint64_t places_hash;		/* of the open runs */
	struct reading_record *records; /* by event_seq */
	size_t count;
	size_t room;
};

enum froe_err reading_make(struct reading *reading, const char *dir, struct froe_fault *fault);
void reading_release(struct reading *reading);

/* The highest frame that the store itself says was durable. */
uint64_t reading_evidence(const struct tree *tree);

/* What is different; NULL: nothing is. */
const char *reading_differs(const struct reading *reading, const struct reading *from);
/* The same, but for the newest records, which may be missing. */
const char *reading_differs_before(const struct reading *reading, const struct reading *from);

#endif
