/*
 * engine/job: what may be asked of jobs: changes of all runs that a filter finds (job.c).
 *
 * Ownership   bytes of a view are borrowed from state until the next step.
 * Threading   the engine's owner.
 */
#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

#include "engine/engine.h"

/* A job as state has it. */
struct eng_job_view {
	uint64_t number;
	uint32_t tenant;
	enum eng_job_kind kind;
	enum eng_status status; /* RUNNING, COMPLETED, CANCELLED; FAILED: it could not go on */
	bool children;
	struct bytes filter;
	struct bytes reason;
	struct bytes task;
	struct bytes actor;    /* who started it */
	struct bytes ended_by; /* CANCELLED: who */
	struct bytes error;    /* FAILED: why */
	uint64_t created_ns;
	uint64_t ended_ns;     /* 0: it goes on */
	uint64_t first;        /* it meets runs with numbers below this one */
	uint64_t cursor;       /* it has met those from this one on */
	uint64_t done;         /* runs it changed */
	uint64_t refused;      /* runs it met and could not change */
	enum froe_err refusal; /* why: the last one */
};
bool eng_job(const struct eng *eng, uint64_t number, struct eng_job_view *ret_view);
/* The tenant's newest job with a number below `before` (0: of all); false: there is none. */
bool eng_job_next(const struct eng *eng, struct eng_tenant_id tenant, uint64_t before,
    struct eng_job_view *ret_view);
/* Those that go on, oldest first. */
void eng_jobs(const struct eng *eng,
    void (*each)(void *context, const struct eng_job_view *view), void *context);

#endif
