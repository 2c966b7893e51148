/*
 * server/indexer: the index thread and the two rings to it.
 *
 * Purpose     Takes rows of durable frames, in order, and questions; writes the rows in batches
 *             off the critical path, and at once when a question waits. A question sees every
 *             row that was put before it: rings keep their order.
 * Ownership   a posted job is the indexer's until it comes back from indexer_pop(); the caller then
 *             frees it with indexer_job_free(). PUT jobs do not come back.
 * Threading   indexer_post, indexer_pop, indexer_room: the hot thread. indexer_applied: any.
 *             indexer_step: the index thread, or the simulator in its place.
 * Invariants  applied F: every row of a frame below F is in the index, and perhaps some of F.
 *             Rows of F are put again after a restart; the last one wins.
 * Failure     a damaged index is deleted and said on stderr; the process ends to rebuild it from
 *             the log (exit 75), because rows already applied are gone. An index that cannot be
 *             written (a full disk) keeps its rows and tries again each second: the ring fills,
 *             and with it backpressure begins.
 */
#ifndef SERVER_INDEXER_H
#define SERVER_INDEXER_H

#include "base/list.h"
#include "base/ring.h"
#include "index/index.h"
#include "io/io.h"
#include "log/log.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define INDEXER_CAPACITY (1u << 16)
#define INDEXER_SCAN_MAX 100000u /* rows one list job looks at */

enum indexer_op {
	INDEXER_PUT,
	INDEXER_FIND,
	INDEXER_LIST,
};

struct indexer_job {
	enum indexer_op op;
	struct list link;  /* the poster's */
	uint64_t frame;    /* PUT: of the row's record */
	uint64_t cookie;   /* the poster's */
	struct index_run row; /* PUT, FIND: the row; its bytes lie in `block` */
	void *block;
	bool found;
	/* LIST */
	uint32_t tenant;
	uint32_t statuses; /* bits; open runs come whenever QUEUED or RUNNING is wanted */
	uint32_t limit;
	uint64_t before;
	struct bytes workflow; /* empty: all; in `block` */
	struct index_run *rows;
	uint32_t row_count;
	uint64_t next; /* cursor; 0: no more */
	uint32_t scanned;
};

struct indexer {
	struct index *index;
	struct io_env *env;
	struct io *io;      /* the index thread's */
	struct io *hot_io;
	struct ring jobs;
	struct ring answers;
	atomic_bool told;   /* the index thread looks at the ring before it sleeps without end */
	atomic_bool asked;  /* it was woken for a question and has not looked yet */
	atomic_bool stop;
	_Atomic uint64_t applied; /* frame */
	uint64_t pending_frame;
	uint64_t first_pending_ns;
	char *dir;
	struct indexer_job *held;    /* a question that waits for its rows to be committed */
	struct indexer_job *waiting; /* an answer that found the ring full */
	uint64_t retry_ns;           /* after a commit that failed; 0: none did */
	pthread_t thread;
	sem_t started;
	bool running;
};

/* Opens the index of this store. *ret_applied: rows of frames up to it need not be put again. */
enum froe_err indexer_open(struct indexer *indexer, struct io_env *env, const char *dir,
    struct uuid store, uint64_t *ret_applied, struct froe_fault *fault) FROE_CHECKED;
enum froe_err indexer_start(struct indexer *indexer, struct io *hot_io, struct froe_fault *fault)
    FROE_CHECKED;
void indexer_stop(struct indexer *indexer); /* applies what was posted, then ends */
void indexer_close(struct indexer *indexer);

struct indexer_job *indexer_job_new(enum indexer_op op);
void indexer_job_free(struct indexer_job *job);

/* A row to put: workflow and places are copied. */
struct indexer_job *indexer_put_job(const struct index_run *row, uint64_t frame);

bool indexer_post(struct indexer *indexer, struct indexer_job *job); /* false: full */
unsigned indexer_room(const struct indexer *indexer);
struct indexer_job *indexer_pop(struct indexer *indexer);
uint64_t indexer_applied(const struct indexer *indexer);

/* One slice of work; returns the boot-time clock of the next one (0: at once; UINT64_MAX: when it
 * is woken). */
uint64_t indexer_step(struct indexer *indexer);

#endif
