/*
 * tests/soak/witness: what workers say they did, compared as it comes.
 *
 * Purpose     All workers write lines of crash/ledger.h into one pipe. Of each task the witness
 *             remembers, for a few minutes, which attempts were to fail and whether a completion
 *             was accepted: a second accepted one, or an execution after one, is a fault.
 * Layout      a table without chains: a task has WITNESS_PROBES places by the hash of its id, and
 *             takes the one that was written longest ago.
 * Threading   one thread, from witness_start to witness_join; the counts are atomic.
 */
#ifndef SOAK_WITNESS_H
#define SOAK_WITNESS_H

#include "crash/process.h"

#include <pthread.h>
#include <stdatomic.h>

#define WITNESS_PLACES (1u << 18)
#define WITNESS_PROBES 16u

struct witness_task {
	struct froe_id id;
	uint64_t ns; /* of the newest line; 0: an empty place */
	uint32_t fails; /* a bit an attempt: it was to fail */
	bool accepted;  /* a completion was */
};

struct witness {
	pthread_t thread;
	int read_fd;
	int write_fd; /* workers inherit it */
	atomic_uint_least64_t executions;
	atomic_uint_least64_t accepted;
	atomic_uint_least64_t refused;
	atomic_uint serving; /* workers that have said that they serve */
	atomic_uint faults;
	struct witness_task *tasks;
};

static inline void
witness_fault(struct witness *witness, const struct froe_id *id, const char *what)
{
	char text[FROE_ID_TEXT_SIZE];

	froe_id_format(*id, text);
	if (atomic_fetch_add(&witness->faults, 1) < 20)
		printf("  FAULT %s: %s\n", text, what);
	fflush(stdout);
}

/* Its place; with `make` false NULL if it has none. */
static inline struct witness_task *
witness_place(struct witness *witness, const struct froe_id *id, bool make)
{
	struct witness_task *oldest = NULL;
	uint64_t words[2];

	memcpy(words, id->bytes, sizeof(words));
	uint64_t hash = (words[0] ^ words[1] * UINT64_C(0x9e3779b97f4a7c15)) *
	    UINT64_C(0xbf58476d1ce4e5b9);
	for (uint64_t i = 0; i < WITNESS_PROBES; i++) {
		struct witness_task *at =
		    &witness->tasks[((hash >> 32) + i) % WITNESS_PLACES];

		if (at->ns != 0 && memcmp(at->id.bytes, id->bytes, sizeof(id->bytes)) == 0)
			return at;
		if (oldest == NULL || at->ns < oldest->ns)
			oldest = at;
	}
	if (!make)
		return NULL;
	*oldest = (struct witness_task){.id = *id};
	return oldest;
}

static inline void
witness_line(struct witness *witness, const char *line)
{
	struct ledger_event event;

	if (!ledger_read(line, &event)) {
		printf("  FAULT a bad line from a worker: %s\n", line);
		atomic_fetch_add(&witness->faults, 1);
		return;
	}
	if (event.kind == 'C') {
		atomic_fetch_add(&witness->serving, 1);
		return;
	}
	if (event.kind == 'L') {
		atomic_fetch_add(&witness->refused, 1);
		return;
	}
	struct witness_task *task = witness_place(witness, &event.task, event.kind == 'E');
	if (task == NULL)
		return; /* of a task whose executions are not told */
	if (event.kind == 'E') {
		atomic_fetch_add(&witness->executions, 1);
		if (task->accepted)
			witness_fault(witness, &event.task, "AGAIN: executed after its completion");
		if (event.end == 'f')
			task->fails |= UINT32_C(1) << event.attempt % 32;
	} else if ((task->fails >> event.attempt % 32 & 1) == 0) {
		if (task->accepted)
			witness_fault(witness, &event.task, "DUPLICATE: a second completion");
		task->accepted = true;
		atomic_fetch_add(&witness->accepted, 1);
	}
	task->ns = event.ns;
}

static inline void *
witness_main(void *context)
{
	struct witness *witness = context;
	char line[LEDGER_LINE_BYTES];
	FILE *file = fdopen(witness->read_fd, "r");

	if (file == NULL)
		process_die("the pipe");
	while (fgets(line, sizeof(line), file) != NULL)
		witness_line(witness, line);
	fclose(file);
	return NULL;
}

static inline void
witness_start(struct witness *witness)
{
	int pair[2];

	memset(witness, 0, sizeof(*witness));
	witness->tasks = calloc(WITNESS_PLACES, sizeof(*witness->tasks));
	if (witness->tasks == NULL || pipe2(pair, O_CLOEXEC) != 0)
		process_die("the witness");
	fcntl(pair[1], F_SETPIPE_SZ, 1 << 20);
	witness->read_fd = pair[0];
	witness->write_fd = pair[1];
	if (pthread_create(&witness->thread, NULL, witness_main, witness) != 0)
		process_die("a thread");
}

/* When all workers are gone. */
static inline void
witness_join(struct witness *witness)
{
	close(witness->write_fd);
	pthread_join(witness->thread, NULL);
	free(witness->tasks);
}

#endif
