/*
 * server/strangers: connections of one loop that have not said who they are.
 *
 * Purpose     A stranger costs little and there are few of them: so many from one address, so many
 *             in all that room is left for those who are known, so much memory together. Who comes
 *             from an address where somebody was known lately may use the room that is kept.
 * Ownership   the owner embeds struct stranger beside its connection. The addresses are borrowed:
 *             one loop accepts, and may hand over to another, which learns who it is.
 * Threading   the loop's thread; struct strangers_addresses: all loops of a server.
 * Invariants  1. count is the number of strangers that are counted, bytes the sum of theirs.
 *             2. sources has the number of them for each address that has any.
 * See         docs/limits.md
 */
#ifndef SERVER_STRANGERS_H
#define SERVER_STRANGERS_H

#include "base/map.h"

#include <stdbool.h>

#define STRANGERS_PER_SOURCE 256u
#define STRANGERS_RESERVED 1000u
#define STRANGERS_BYTES ((size_t)64 << 20)
#define STRANGERS_KNOWN 1024u /* addresses remembered */

/* Where somebody was known lately. A row is read and written without a lock: at worst an address is
 * forgotten early, or the one before it in its row a little late. Zero: none yet. */
struct strangers_addresses {
	struct {
		_Atomic uint64_t source;
		_Atomic uint64_t seen_ns;
	} rows[STRANGERS_KNOWN];
};

struct strangers_limits {
	uint32_t per_source; /* 0: any number */
	uint32_t reserved;   /* connections kept for those who are known */
	size_t bytes;
	struct strangers_addresses *addresses; /* NULL: none but this loop's */
};

struct strangers {
	struct strangers_limits limits;
	struct map sources;
	uint32_t count;
	size_t bytes;
	struct strangers_addresses *addresses;
	struct strangers_addresses own;
};

struct stranger {
	uint64_t source; /* a hash of its address; 0: not known */
	size_t bytes;
	bool counted;
};

void strangers_init(struct strangers *strangers, const struct strangers_limits *limits);
void strangers_release(struct strangers *strangers);

/* One more connection, while `room` are free. False: it is not to be taken. */
bool strangers_admit(struct strangers *strangers, struct stranger *stranger, uint64_t source,
    uint32_t room, uint64_t now_ns);
/* It holds so much memory now. False: together they hold too much, and this one has grown. */
bool strangers_hold(struct strangers *strangers, struct stranger *stranger, size_t bytes);
/* It is known from here on, or it is gone. Harmless again. */
void strangers_known(struct strangers *strangers, struct stranger *stranger, uint64_t now_ns);
void strangers_gone(struct strangers *strangers, struct stranger *stranger);

#endif
