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
	PENDING_TOUCH, /* run.workers: the worker, one text */
	PENDING_DROP,
};

struct pending {
	enum pending_kind kind;
	struct index_run run;
	uint64_t order;
};

/* A new run's entry in the table of ids. */
struct place {
	struct uuid id;
	struct row_key key;
	bool gone; /* the run was dropped */
};

/* A run comes into a list, or leaves it. */
struct change {
	struct post_key key;
	uint16_t at; /* in the block */
	bool add;
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
	struct pending **pending;
	size_t pending_count;
	size_t pending_capacity;
	/* Of one attempt to write it. */
	struct place *places;
	size_t place_count;
	size_t place_capacity;
	struct change *changes;
	size_t change_count;
	size_t change_capacity;
	struct buf row;
	struct buf workers;
};

/* Turns LMDB's code into ours, with what was tried; what means damage is remembered. */
enum froe_err index_fault(struct index *index, int code, const char *what,
    struct froe_fault *fault);
enum froe_err index_damage(struct index *index, const char *what, struct froe_fault *fault);
void index_settle(struct index *index); /* a commit succeeded */

/* pending.c: in order of runs, each run's calls in the order of time. */
void pending_sort(struct index *index);
void pending_reset(struct index *index);

#endif
