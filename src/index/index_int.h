/*
 * index/index: what the files of this folder share.
 *
 * Ownership   the index owns its LMDB environment and what is pending; its arena holds the runs.
 */
#ifndef INDEX_INDEX_INT_H
#define INDEX_INDEX_INT_H

#include "base/arena.h"
#include "index/index.h"
#include "index/row_int.h"

#include <limits.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending {
	struct index_run run;
	uint64_t order;
};

/* A new run's entry in the table of ids. */
struct place {
	struct uuid id;
	struct row_key key;
};

struct index {
	MDB_env *env;
	MDB_dbi meta;
	MDB_dbi runs;
	MDB_dbi ids;
	struct uuid store;
	uint64_t applied;
	size_t map_bytes;
	bool damaged;
	char dir[PATH_MAX - 16];
	/* What the next commit writes; its arena holds the runs. */
	struct arena arena;
	struct pending **pending;
	size_t pending_count;
	size_t pending_capacity;
	struct place *places;
	size_t place_count;
	struct buf row;
};

/* Turns LMDB's code into ours, with what was tried; what means damage is remembered. */
enum froe_err index_fault(struct index *index, int code, const char *what,
    struct froe_fault *fault);
enum froe_err index_damage(struct index *index, const char *what, struct froe_fault *fault);

#endif
