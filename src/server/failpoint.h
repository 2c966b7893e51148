/*
 * server/failpoint: dies at a named place, for tests of recovery.
 *
 * Purpose     FROE_FAILPOINT=name:N in the environment makes the process kill itself with
 *             SIGKILL the N-th time it comes by the place. Without it a place costs one comparison.
 * Places      after_commit_before_send   a frame with a dispatch is durable, nothing of it is sent
 *             job_step                   a job has changed a run, or passed it; not durable yet
 *             spare_step                 a piece of the log's housekeeping is done
 *             snapshot_step              a piece of a snapshot's making is done
 *             retention_step             a piece of a segment's retiring, or of a cold merge, is
 *             index_commit               rows are in the index
 *             index_rebuild              a piece of the index was made anew
 * Threading   each thread has its own, and counts for itself.
 */
#ifndef SERVER_FAILPOINT_H
#define SERVER_FAILPOINT_H

#include <stdint.h>

struct failpoint {
	const char *name; /* NULL: none */
	uint64_t left;
};

void failpoint_init(struct failpoint *failpoint); /* from the environment */
void failpoint_pass(struct failpoint *failpoint, const char *name);

#endif
