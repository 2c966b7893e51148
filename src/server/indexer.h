/*
 * server/indexer: the index thread and the two rings to it.
 *
 * Purpose     Takes rows of durable frames, in order, and questions; writes the rows in batches
 *             off the critical path, and at once when a question waits. A question sees every
 *             row that was put before it: rings keep their order. What open runs are at is kept in
 *             memory, in the same order.
 * Ownership   a posted job is the indexer's until it comes back from indexer_pop(); the caller then
 *             frees it with indexer_job_free(). Only questions come back.
 * Threading   indexer_post, indexer_pop, indexer_room: the hot thread. indexer_applied: any.
 *             indexer_age: housekeeping. indexer_step: the index thread, or the simulator in its
 *             place.
 * Invariants  applied F: every row of a frame up to F is in the index, durably, unless it is being
 *             made anew: then it will be once it is complete. Rows of F are put again after a
 *             restart. While the index is being made anew from the log, ids are found as far as it
 *             has got; lists wait for its end, a second at most.
 * Failure     a damaged index, or one whose directory was deleted, is made anew from the log's
 *             files while the server goes on; stderr says so. If those are damaged themselves, it
 *             is made of what can be read; each start tries again. Damage that LMDB itself trips
 *             over ends the process (exit 75). An index that cannot be written (a full disk) keeps
 *             its rows and tries again each second: the ring fills; with it backpressure begins.
 */
#ifndef SERVER_INDEXER_H
#define SERVER_INDEXER_H

#include "base/arena.h"
#include "base/list.h"
#include "base/ring.h"
#include "engine/engine.h"
#include "index/index.h"
#include "index/openset.h"
#include "io/io.h"
#include "log/log.h"
#include "server/names.h"
#include "server/rebuild.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define INDEXER_CAPACITY (1u << 16)
/* So long rows wait for others, unless there are many. */
#define INDEXER_BATCH_NS UINT64_C(250000000)

enum indexer_op {
	INDEXER_ROWS, /* what a frame brings */
	INDEXER_MARK, /* there are no more rows up to a frame */
	INDEXER_NAME, /* of a workflow or a worker */
	INDEXER_FIND,
	INDEXER_LIST,
};

/* What an open run is at: kinds of the index's openset. */
enum indexer_kind {
	INDEXER_QUEUED,
	INDEXER_RUNNING,
	INDEXER_EVICTED,
	INDEXER_SCHEDULED, /* besides QUEUED: it begins at a time */
};
#define INDEXER_KEEP UINT32_MAX /* what the run is at has been told: indexer_opened() */
/* As bits; 0: the run is closed. */
uint32_t indexer_kinds(enum eng_status status, bool scheduled);
/* Of a run that is open. */
enum eng_status indexer_status(uint32_t kinds);

enum indexer_change {
	INDEXER_PUT,   /* a run's row, and what it is at */
	INDEXER_EXTEND, /* a record of a run that has ended: its place */
	INDEXER_TOUCH, /* what an open run is at; workers: the one that got it */
	INDEXER_DROP,  /* the run is no longer known */
};

/* Its bytes lie in the job's chunks, as it does; workers are a span of texts. */
struct indexer_entry {
	struct indexer_entry *next;
	enum indexer_change change;
	uint32_t kinds;
	struct index_run run;
};

struct indexer_chunk;

struct indexer_row {
	struct index_run run; /* without places */
	uint32_t kinds;
};

struct indexer_list {
	struct index_filter filter; /* its bytes lie in the arena */
	uint32_t limit;
	struct indexer_row *rows;
	uint32_t row_count;
	uint64_t next; /* cursor; 0: no more */
	struct arena arena;
};

struct api_command;

struct indexer_job {
	enum indexer_op op;
	struct list link;  /* the poster's */
	uint64_t frame;    /* ROWS: of the records; MARK */
	uint64_t cookie;   /* the poster's */
	uint64_t due_ns;   /* LIST: of a parked one */
	struct indexer_entry *first; /* ROWS, in the order of their records */
	struct indexer_entry *last;
	struct indexer_chunk *chunks;
	uint32_t count;
	uint32_t closed;   /* of them: of runs that have ended */
	struct index_run row; /* FIND, NAME: its bytes lie in `block`, or behind the job */
	void *block;
	bool whole;        /* FIND: a row that may lack records is not found yet */
	bool found;
	bool behind;       /* it may be there, but the index is being made anew */
	bool damaged;      /* what was not found may have lain where the log is damaged */
	struct indexer_list *list; /* LIST; owned */
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
	_Atomic uint32_t rows;    /* in the ring of jobs */
	_Atomic uint64_t applied; /* frame */
	_Atomic uint64_t rebuilt; /* frame that the rebuild has reached */
	_Atomic uint64_t until;   /* frame that it is to reach; 0: none is under way */
	struct openset open; /* the index thread's, once it runs */
	uint64_t pending_frame;
	bool marked; /* it is to be committed although it has no rows */
	uint64_t first_pending_ns;
	struct list taken;   /* jobs whose rows are lent to the index, until they are committed */
	char *dir;
	struct uuid store;
	struct names names;
	char *data;                  /* the data directory; NULL: there is no log to rebuild from */
	struct rebuild *rebuild;     /* under way */
	uint64_t rebuild_ns;         /* when it is begun, again; 0: it need not be */
	bool rebuild_told;           /* that it failed */
	bool rebuild_fails;          /* the last one did: the next one passes over damage */
	_Atomic uint64_t damages;    /* places of the log of which it has nothing */
	struct list late;            /* struct indexer_late: put again when it is over */
	uint64_t keep_ns;            /* of a closed run; UINT64_MAX: for ever */
	uint64_t newest_ns;          /* engine time of the newest row */
	_Atomic uint64_t age_ns;     /* engine time that was told beside the rows */
	uint64_t sweep_ns;           /* when closed runs are looked through, or gone on with */
	uint64_t swept_ns;           /* closed before it: gone */
	struct index_sweep sweep;
	struct list parked;          /* lists that wait for its end, oldest first */
	uint32_t parked_count;
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

/* Rows of a frame: all that they point to is copied. None is added once the job was posted. What is
 * added last may be changed until the next one is. */
struct indexer_job *indexer_rows_job(uint64_t frame);
/* A run's row, for the caller to fill in; behind it is room for so many bytes that it points to. */
struct indexer_entry *indexer_rows_new(struct indexer_job *job, uint32_t tenant, uint64_t run,
    uint64_t finished_ns, uint32_t kinds, size_t bytes);
struct indexer_entry *indexer_rows_put(struct indexer_job *job, const struct index_run *row,
    uint32_t kinds);
/* Record `seq` of a run that has ended: index_extend(). */
void indexer_rows_extend(struct indexer_job *job, uint32_t tenant, uint64_t run, uint32_t seq,
    struct bytes place);
/* Of the run that was put just before, it goes into its row. */
struct indexer_entry *indexer_rows_touch(struct indexer_job *job, uint32_t tenant, uint64_t run,
    struct bytes worker, uint32_t kinds);
/* Without rows: all those of frames up to this one were posted. `applied` comes to it with the next
 * batch, which there is although nothing may be pending. */
struct indexer_job *indexer_mark_job(uint64_t frame);
/* Of one row. */
struct indexer_job *indexer_put_job(const struct index_run *row, uint32_t kinds, uint64_t frame);
struct indexer_job *indexer_touch_job(uint32_t tenant, uint64_t run, struct bytes worker,
    uint32_t kinds, uint64_t frame);
struct indexer_job *indexer_drop_job(uint32_t tenant, uint64_t run, uint64_t frame);
/* A list, to be filled in: list->filter and limit; bytes into list->arena. */
struct indexer_job *indexer_list_job(void);
/* What a RunList asks of the index; all but the limit and the openset. */
void indexer_list_filter(struct indexer_list *list, struct eng_tenant_id tenant,
    const struct api_command *command);

/* What rows will need that only records tell; before indexer_start, and when one is recorded. An
 * empty name: it has left. */
struct indexer_job *indexer_name_job(enum names_kind kind, uint64_t number, struct bytes name);
void indexer_name(struct indexer *indexer, enum names_kind kind, uint64_t number,
    struct bytes name);

/* Before indexer_start: where the log is, from which rows can be made again; how it was opened. If
 * the index has nothing, or lacks what is in the snapshot, where no records are, they are: from the
 * log's first frame to its last, while what is posted goes in beside them. */
void indexer_source(struct indexer *indexer, const char *data, const struct log_report *report);

/* Before indexer_start: rows of runs that have been closed for so long are dropped. */
void indexer_keep(struct indexer *indexer, uint64_t keep_ns);
/* It is so late in engine time, and no start will be before it: rows are dropped although none
 * comes. Between indexer_start and indexer_stop; one thread, at each of its steps. */
void indexer_age(struct indexer *indexer, uint64_t time_ns);

/* So many places of the log were damaged when it was made anew: what lay there is missing, in lists
 * too. Any thread. */
uint64_t indexer_damages(const struct indexer *indexer);

/* How far lists are, and how far they have to come: frames. False: they are not being made anew. */
bool indexer_behind(const struct indexer *indexer, uint64_t *ret_frame, uint64_t *ret_until);

/* Before indexer_start: a run is open. */
void indexer_opened(struct indexer *indexer, uint32_t tenant, uint64_t run, uint32_t kinds);

/* What a row points to: its size, and a copy of the row with that copied into `to`. */
size_t indexer_row_bytes(const struct index_run *row);
void indexer_row_keep(struct index_run *kept, const struct index_run *row, uint8_t *to);

bool indexer_post(struct indexer *indexer, struct indexer_job *job); /* false: full */
unsigned indexer_room(const struct indexer *indexer);
struct indexer_job *indexer_pop(struct indexer *indexer);
uint64_t indexer_applied(const struct indexer *indexer);

/* One slice of work; returns the boot-time clock of the next one (0: at once; UINT64_MAX: when it
 * is woken). */
uint64_t indexer_step(struct indexer *indexer);

#endif
