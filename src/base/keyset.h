/*
 * base/keyset: objects found by a key that lies in them.
 *
 * Purpose     What base/map does, in a third of its memory, for the tables that hold an entry for
 *             each of a million runs: a slot is eight bytes, the object's address and, in the 19
 *             bits that the address of an aligned object does not use, bits of its key's hash.
 * Layout      Open addressing, linear probing, at most 3/4 full, no tombstones: removal shifts back
 *             (Knuth 6.4, algorithm R). It grows a few slots with each add, so that none is slow:
 *             meanwhile there is the old table, too, which nothing is added to.
 * Ownership   the set owns its slots, not the objects, which are aligned to eight bytes. A key must
 *             not change while it is in a set.
 * Invariants  1. no object is further than 4095 slots from its home: not by chance, and not by the
 *                will of whoever chooses the keys, while they do not know the seed.
 *             2. nothing depends on the order of the slots. 3. an object is in `slots`, or in `old`
 *                from `moved` on, and then its home is, too, or it has passed the table's end.
 * Threading   its owner only.
 */
#ifndef BASE_KEYSET_H
#define BASE_KEYSET_H

#include "base/hash.h"
#include "base/prefault.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyset {
	uint64_t *slots; /* 0: empty */
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	size_t key_offset;
	size_t key_size; /* 8: uint64_t; 16: struct uuid */
	struct hash_seed seed; /* of UUIDs: numbers are nobody's to choose */
	struct prefault *prefault; /* NULL: a larger table is mapped when it is needed */
	uint64_t *old;   /* what it has grown out of; or NULL */
	size_t old_capacity;
	size_t moved;    /* of its slots: what they hold is in `slots` now, or gone */
	uint64_t *ahead; /* of twice the capacity, empty, being made present; or NULL */
};

/* `key_offset`, `key_size`: of the key in each object. */
void keyset_init(struct keyset *set, size_t key_offset, size_t key_size);
void keyset_seed(struct keyset *set, const struct hash_seed *seed); /* of an empty one */
void keyset_release(struct keyset *set);
/* From now on a large set that grows has its next table mapped ahead, for another thread to make
 * present. */
void keyset_prefault(struct keyset *set, struct prefault *prefault);
void keyset_reserve(struct keyset *set, size_t count); /* room for so many without growing */

void *keyset_get_u64(const struct keyset *set, uint64_t key); /* NULL: absent */
void *keyset_get_uuid(const struct keyset *set, struct uuid key);

bool keyset_add(struct keyset *set, void *object); /* false: one with its key is there */
void keyset_add_new(struct keyset *set, void *object); /* none is, as has been asked before */
void *keyset_put(struct keyset *set, void *object); /* what was there with its key; or NULL */

void *keyset_remove_u64(struct keyset *set, uint64_t key); /* what was there */
void *keyset_remove_uuid(struct keyset *set, struct uuid key);

/* Ends growing: then all objects are in the slots below `capacity`. */
void keyset_settle(struct keyset *set);
/* To go through all objects: the one in a slot below so many; NULL: none. */
size_t keyset_slots(const struct keyset *set);
void *keyset_at(const struct keyset *set, size_t slot);

/* Tells the processor that the key will be looked up soon: a table of a million is not in its
 * cache. */
void keyset_prefetch_u64(const struct keyset *set, uint64_t key);
void keyset_prefetch_uuid(const struct keyset *set, struct uuid key);

/* Many adds in a row, each made only when its slot has come into the cache. */
#define KEYSET_BATCH 16u
struct keyset_batch {
	struct keyset *set;
	void *objects[KEYSET_BATCH]; /* a ring */
	uint64_t count;              /* ever */
	uint64_t added;              /* of them: the others are not in the set yet */
	bool twice;                  /* a key was there already, and stayed as it was */
	void *left;                  /* the newest object that was not added; or NULL */
};

void keyset_batch_init(struct keyset_batch *batch, struct keyset *set);
void keyset_batch_add(struct keyset_batch *batch, void *object);
bool keyset_batch_flush(struct keyset_batch *batch); /* all are in the set; false: one was twice */

#endif
