/*
 * server/rebuild: the index's rows, made again from the log's files.
 *
 * Purpose     Reads the log from its oldest segment up to a frame, and puts what the live feed
 *             would have put: a row when a run starts, its workers, its end. The live feed goes on
 *             meanwhile with the frames behind it: what is newer stays (index_put).
 * Ownership   borrows env, names and index; keeps the places of the runs that are open at the point
 *             that it has reached: 20 bytes a record.
 * Threading   the index thread; the log is written meanwhile, by another.
 * Failure     rebuild_step: a log file that cannot be read, or does not verify. With pass_damage
 *             what it holds is missing instead: a run whose beginning lay there has no row; records
 *             of others have places that cannot be read; rebuild_lost() for those whose end did.
 */
#ifndef SERVER_REBUILD_H
#define SERVER_REBUILD_H

#include "index/index.h"
#include "index/openset.h"
#include "log/log.h"
#include "server/names.h"

struct rebuild_options {
	struct io_env *env;
	const char *dir;   /* the data directory */
	struct uuid store;
	uint64_t until;    /* the last frame; it is durable */
	struct names *names; /* those that the log no longer tells; what it tells is added */
	bool pass_damage;  /* what can be read is put */
};

struct rebuild;

struct rebuild *rebuild_open(const struct rebuild_options *options, struct index *index,
    struct froe_fault *fault); /* NULL: *fault is set */
void rebuild_close(struct rebuild *rebuild); /* NULL is allowed */

/* Some frames more. *ret_done: all is put, and is to be committed. */
enum froe_err rebuild_step(struct rebuild *rebuild, bool *ret_done, struct froe_fault *fault)
    FROE_CHECKED;
/* The run was dropped meanwhile: it does not come back. */
void rebuild_drop(struct rebuild *rebuild, uint64_t run);
uint64_t rebuild_frame(const struct rebuild *rebuild); /* how far it has got */

/* When it is done: so many places of the log were damaged. */
unsigned rebuild_damages(const struct rebuild *rebuild);
/* The runs whose end was not read, and that the openset does not know: those without an end in the
 * index, which must be committed, are dropped. */
enum froe_err rebuild_lost(const struct rebuild *rebuild, const struct openset *open) FROE_CHECKED;

#endif
