/*
 * index/index: what the files of this folder share.
 *
 * Ownership   the index owns its LMDB environment and what is pending; its arena holds the runs.
 */
#ifndef INDEX_INDEX_INT_H
#define INDEX_INDEX_INT_H

#include "base/arena.h"
#include "index/index.h"
#include "index/post_int.h"

#include <limits.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pending_kind {
	PENDING_PUT,
	PENDING_END,
	PENDING_EXTEND, /* run.seq, run.places */
	PENDING_TOUCH, /* run.workers: the worker, one text */
	PENDING_DROP,
};

struct pending {
	uint64_t number; /* the run's */
	uint32_t tenant;
	enum pending_kind kind;
	const struct index_run *run; /* in the arena, or lent */
};

/* A new run's entry in the table of ids. */
struct place {
	struct uuid id;
	struct row_key key;
	bool gone; /* the run was dropped */
};

struct place_order {
	uint64_t word; /* of the id */
	uint32_t at;   /* in places->all */
};

struct places {
	struct place *all;
	size_t count;
	size_t capacity;
	struct place_order *order;  /* twice the capacity: two halves */
	struct place_order *sorted; /* one of them */
};

/* A run comes into a list, or leaves it. */
struct change {
	uint32_t next; /* of its block */
	uint16_t at;   /* in the block */
	bool add;
};

/* A block of a list that a batch changes. */
struct change_block {
	uint64_t number;
	struct post_term term;
	uint32_t tenant;
	uint32_t next;  /* of the same hash */
	uint32_t first; /* of its changes, the newest */
	struct post_key key;
};

#define CHANGES_NEWEST 8u
struct changes {
	struct change *all;
	size_t count;
	size_t capacity;
	struct change_block *blocks;
	uint32_t *heads; /* by hash: the newest block; as many as blocks have room */
	uint32_t block_count;
	size_t block_capacity; /* a power of two, or 0 */
	uint32_t newest[CHANGES_NEWEST]; /* by dimension: the block that was looked for last */
};

struct index {
	MDB_env *env;
	MDB_dbi meta;
	MDB_dbi runs;
	MDB_dbi ids;
	MDB_dbi lists;
	struct uuid store;
	uint64_t applied;
	bool complete;
	size_t map_bytes;
	bool damaged;
	uint32_t commits; /* up to SETTLED_COMMITS: then UNCLEAN counts anew */
	char dir[PATH_MAX - 16];
	/* What the next commit writes; its arena holds the runs. */
	struct arena arena;
	struct pending *pending;
	size_t pending_count;
	size_t pending_capacity;
	/* Of one attempt to write it. */
	struct places places;
	struct changes changes;
	struct buf row;
	struct buf ids_had;
	struct buf ids_now;
	struct buf workers;
};

/* Turns LMDB's code into ours, with what was tried; what means damage is remembered. */
enum froe_err index_fault(struct index *index, int code, const char *what,
    struct froe_fault *fault);
enum froe_err index_damage(struct index *index, const char *what, struct froe_fault *fault);
void index_settle(struct index *index); /* a commit succeeded */

/* place.c. After places_sort, places->sorted has the order of the ids, and of equal ones that of
 * the pushes. */
void places_push(struct places *places, const struct index_run *run, bool gone);
void places_sort(struct places *places);
void places_release(struct places *places);

/* change.c. A run comes into a block, or leaves it, at most once between two resets. */
void changes_push(struct changes *changes, const struct index_run *run, struct post_term term,
    bool add);
void changes_apply(const struct changes *changes, const struct change_block *to,
    struct block *block);
void changes_sort(struct changes *changes); /* blocks by key; nothing is pushed then */
void changes_reset(struct changes *changes);
void changes_release(struct changes *changes);

/* pending.c: in order of runs, each run's calls in the order of time. */
void pending_sort(struct index *index);
void pending_reset(struct index *index);

#endif
