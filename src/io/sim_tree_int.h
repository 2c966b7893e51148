/*
 * io/sim_tree: the names of the simulated file system, and what a crash leaves of them.
 *
 * Purpose     A directory has two tables of names: what a process sees now, and what is durable.
 *             The difference is the journal: creations, renames and unlinks not yet synced, in
 *             order. sync_dir makes those of one directory durable; a crash keeps, by the seed, a
 *             prefix of each directory's. A rename between directories is one change: it happens
 *             whole or not at all, and syncing either directory makes it durable.
 * Ownership   The tree owns the inodes. An inode lives while a name, now or durable, leads to it or
 *             it is held (open, or a write in flight); sim_tree_sweep frees the others.
 * Invariants  1. durable names plus the journal are the names now. 2. the root always exists.
 */
#ifndef IO_SIM_TREE_INT_H
#define IO_SIM_TREE_INT_H

#include "base/list.h"
#include "io/sim_image_int.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NAME_BYTES 256u

struct sim_inode;

struct sim_name {
	char *text;
	struct sim_inode *inode;
};

struct sim_names {
	struct sim_name *rows; /* in the order of creation */
	size_t count;
	size_t capacity;
};

struct sim_inode {
	struct list node; /* in sim_tree.inodes */
	bool is_dir;
	struct sim_image image; /* of a file */
	struct sim_names now;   /* of a directory */
	struct sim_names durable;
	unsigned held;   /* by open files and writes in flight */
	int lock_file;   /* the open file that holds its lock; -1: none */
	bool marked;     /* in a sweep: reachable */
	uint64_t budget; /* in a crash: changes of this directory that are kept */
};

/* A place in the tree: a directory and a name that may or may not be there. */
struct sim_place {
	struct sim_inode *dir;
	char name[SIM_NAME_BYTES];
};

struct sim_tree {
	struct sim_inode *root;
	struct list inodes;
	struct list journal; /* struct sim_change, oldest first */
};

void sim_tree_init(struct sim_tree *tree);
void sim_tree_release(struct sim_tree *tree);
void sim_tree_check(const struct sim_tree *tree);

/* Splits "a/b/c" into the directory a/b and the name c. Absolute and relative paths are the same.
 * NOT_FOUND: no such directory; INVALID_ARGUMENT: a path with "..", or without a name. */
enum froe_err sim_tree_place(const struct sim_tree *tree, const char *path,
    struct sim_place *ret_place, struct froe_fault *fault);
/* What a path leads to now; NULL: nothing. */
struct sim_inode *sim_tree_find(const struct sim_tree *tree, const char *path);
struct sim_inode *sim_place_inode(const struct sim_place *place);

/* These change the names now and the journal; the caller has checked that they make sense. */
struct sim_inode *sim_tree_create(struct sim_tree *tree, const struct sim_place *at, bool is_dir);
void sim_tree_unlink(struct sim_tree *tree, const struct sim_place *at);
void sim_tree_rename(struct sim_tree *tree, const struct sim_place *from,
    const struct sim_place *to);

void sim_tree_sync_dir(struct sim_tree *tree, struct sim_inode *dir);
void sim_tree_settle(struct sim_tree *tree, struct sim_dice *dice);
void sim_tree_sweep(struct sim_tree *tree);
uint64_t sim_tree_used_bytes(const struct sim_tree *tree);
uint64_t sim_tree_hash(const struct sim_tree *tree); /* of what is durable */

#endif
