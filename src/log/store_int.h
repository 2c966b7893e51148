/*
 * log/store: the STORE file, and the making of a new store.
 *
 * Purpose     Who a store is (uuid, segment size), and the creation protocol: directories, slots
 *             and first segment before, STORE renamed into place last. A crash in between leaves
 *             no STORE: the next open begins again.
 * Failure     a directory without STORE whose segments hold frames is refused (FROE_CORRUPT): STORE
 *             was lost, nothing is overwritten.
 * See         docs/log-format.md, sections 1 and 2
 */
#ifndef LOG_STORE_INT_H
#define LOG_STORE_INT_H

#include "log/log.h"
#include "log/paths_int.h"

struct store {
	struct uuid id;
	uint64_t segment_bytes;
};

/* FROE_NOT_FOUND: there is none. */
enum froe_err store_read(struct io_env *env, const struct paths *paths, struct store *ret_store,
    struct froe_fault *fault);

/* Makes everything but the first segment and STORE, or refuses. */
enum froe_err store_prepare(struct io_env *env, const struct paths *paths,
    const struct store *store, struct froe_fault *fault);

/* The last step: from now on the store exists. */
enum froe_err store_write(struct io_env *env, const struct paths *paths, const struct store *store,
    struct froe_fault *fault);

#endif
