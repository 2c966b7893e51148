/*
 * log/paths: the names of a store's directories and files.
 *
 * Invariants  the data directory's name is at most PATHS_DIR_BYTES_MAX long (paths_init refuses a
 *             longer one), so every name made from it fits in PATHS_BYTES.
 * See         docs/log-format.md, section 1
 */
#ifndef LOG_PATHS_INT_H
#define LOG_PATHS_INT_H

#include "base/fault.h"

#include <stdint.h>

#define PATHS_DIR_BYTES_MAX 1024
#define PATHS_BYTES 1152

struct paths {
	char dir[PATHS_BYTES];
	char parent[PATHS_BYTES];
	char shard[PATHS_BYTES];
	char log[PATHS_BYTES];
	char quarantine[PATHS_BYTES];
	char cold[PATHS_BYTES];
	char ckpt[PATHS_BYTES]; /* snapshots; made with the first */
};

struct path {
	char text[PATHS_BYTES];
};

enum froe_err paths_init(struct paths *paths, const char *dir, struct froe_fault *fault);

struct path path_join(const char *directory, const char *name);
struct path path_segment(const struct paths *paths, uint64_t no);
struct path path_snapshot(const struct paths *paths, uint64_t no);
struct path path_spare(const struct paths *paths, unsigned number);

#endif
