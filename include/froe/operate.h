/*
 * froe/operate: what those who run froe ask of it: who works, why something does not run,
 * who may; and changes of many runs at once.
 *
 * Purpose     A part of froe/froe.h, which includes it: what stands there about ownership, threads,
 *             units and failures holds here.
 */
#ifndef FROE_OPERATE_H
#define FROE_OPERATE_H

#include "froe/froe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------- asking for workers */

struct froe_worker_slots {
	const char *type;
	uint32_t count, used;
};

struct froe_worker_lease {
	struct froe_id task;
	uint64_t lease;
	const char *workflow, *name;
	uint32_t attempt;
	bool released; /* its slots are free already */
};

struct froe_worker_view {
	struct froe_id id;
	uint64_t number; /* of this registration */
	const char *name, *state; /* serving, paused, draining, away, leaving */
	bool attached, draining, paused; /* attached: its connection is there */
	uint64_t registered_ns;
	uint64_t seen_ns; /* its last message; 0: none since the server started */
	const struct froe_worker_slots *slots;
	size_t slot_count;
	uint32_t leases, released; /* released: of the leases, their slots are free already */
	uint32_t action_count;
	const char *const *actions; /* froe_worker_get only, as what follows; else NULL */
	const struct froe_worker_lease *held; /* the oldest 1000 */
	size_t held_count;
};

struct froe_worker_page {
	const struct froe_worker_view *rows; /* oldest first */
	size_t row_count;
	uint64_t next; /* `after` of the next page; 0: no more */
};

/* The tenant's workers with a number above `after`; limit: at most 1000, 0: 50. */
enum froe_err froe_worker_list(struct froe_client *client, uint64_t after, uint32_t limit,
    int timeout_ms, struct froe_worker_page **ret_page, struct froe_error *error);
void froe_worker_page_free(struct froe_worker_page *page);
enum froe_err froe_worker_get(struct froe_client *client, struct froe_id worker, int timeout_ms,
    struct froe_worker_view **ret_view, struct froe_error *error);
void froe_worker_view_free(struct froe_worker_view *view);
/* Paused, a worker gets no new tasks; what it has goes on. It holds over restarts of server and
 * worker, until it is resumed (paused: false) or has left. reason may be NULL. */
enum froe_err froe_worker_pause(struct froe_client *client, struct froe_id worker, bool paused,
    const char *reason, int timeout_ms, struct froe_error *error);

/* Why a task is where it is. Strings are never NULL. */
struct froe_why_task {
	struct froe_id id;
	const char *name, *state; /* waiting, queued, delayed, assigned, evicted */
	const char *reason; /* no_worker, no_slot, timer, ...: docs/cli.md */
	const char *text;   /* one sentence */
	const char *advice; /* what to do about it; "": nothing */
	const char *action, *worker;
	uint64_t until_ns;  /* 0: not known */
	const char *slot_type;
	uint32_t need, slots, used;
	uint64_t count;    /* tasks before it; open parents; the step that waits */
	uint64_t since_ns; /* since when it is queued */
};

struct froe_why {
	struct froe_id run;
	enum froe_status status;
	const char *workflow, *text, *advice; /* of the whole run: how it ended; "" */
	const struct froe_why_task *tasks; /* those that have not ended */
	size_t task_count;
};

enum froe_err froe_run_why(struct froe_client *client, struct froe_id run, int timeout_ms,
    struct froe_why **ret_why, struct froe_error *error);
void froe_why_free(struct froe_why *why);

/* ------------------------------------------------------------------------------------ access */

struct froe_token_options {
	const char *name;           /* shown in lists, and with what the token was used for */
	const char *tenant;         /* NULL: the connection's; "*": every tenant */
	const char *const *roles;   /* "admin", "client", "worker", "operator" */
	size_t role_count;
	const char *const *actions; /* a worker's pool: "orders:ship", "orders:*"; none: any */
	size_t action_count;
	uint64_t expires_ms;        /* from now; 0: 90 days; at most 366 days */
	bool never_expires;
	bool hatchet;               /* a JWT for Hatchet's SDKs; without roles: client and worker */
	const char *advertise;      /* in it, [https://]HOST:PORT; NULL: the server's address */
	uint64_t reserved[3];       /* zero */
};

#define FROE_TOKEN_TEXT_SIZE 68       /* with the terminating zero */
#define FROE_TOKEN_JWT_TEXT_SIZE 1024 /* the same, at most */
#define FROE_TOKEN_ID_TEXT_SIZE 11    /* the same */

struct froe_token {
	char text[FROE_TOKEN_JWT_TEXT_SIZE]; /* told once: the server keeps a digest only */
	char id[FROE_TOKEN_ID_TEXT_SIZE];
	uint64_t expires_ns; /* 0: never */
};

/* Takes a connection of the role admin. FROE_CLOSED: whether it was made is unknown; look at the
 * list and revoke what you cannot account for. */
enum froe_err froe_token_create(struct froe_client *client,
    const struct froe_token_options *options, int timeout_ms, struct froe_token *ret_token,
    struct froe_error *error);

/* From now on the token opens nothing, and what it had opened is closed. */
enum froe_err froe_token_revoke(struct froe_client *client, const char *id, int timeout_ms,
    struct froe_error *error);

struct froe_token_row {
	const char *id;
	const char *name;
	const char *tenant; /* or "*" */
	const char *const *roles;
	size_t role_count;
	const char *const *actions;
	size_t action_count;
	uint64_t created_ns;
	uint64_t expires_ns; /* 0: never */
	const char *created_by;
	uint64_t uses;       /* since the server started */
	uint64_t used_ns;    /* the latest; 0: none */
};

struct froe_token_list {
	const struct froe_token_row *rows; /* oldest first; those that have expired too */
	size_t row_count;
};

enum froe_err froe_token_list(struct froe_client *client, int timeout_ms,
    struct froe_token_list **ret_list, struct froe_error *error);
void froe_token_list_free(struct froe_token_list *list); /* NULL is allowed */

/* ------------------------------------------------------------------------------------- jobs */

/* A job of the server changes all runs that a filter finds, from the newest that there is as it
 * starts to the oldest, each exactly once. It survives restarts of the server, needs no client, and
 * is known by its number, among the newest 256 of the tenant that have ended. */
enum froe_job_kind {
	FROE_JOB_CANCEL = 1, /* meets runs that are open */
	FROE_JOB_REPLAY = 2, /* meets runs that have ended */
};

struct froe_job_options {
	const char *reason; /* kept in each run's history; may be NULL */
	const char *task;   /* REPLAY: from this task on; NULL: all of it */
	bool children;      /* CANCEL: and all open runs that they, or those, have started */
	bool all;           /* without this a filter that has no condition is refused */
};

/* Starts a job. Of the filter, limit, before and position are not used. *ret_job: its number. Not
 * repeated when the answer is lost: froe_job_list tells whether there is such a job. */
enum froe_err froe_job_start(struct froe_client *client, enum froe_job_kind kind,
    const struct froe_list_options *filter, const struct froe_job_options *options, int timeout_ms,
    uint64_t *ret_job, struct froe_error *error);

struct froe_job_view {
	uint64_t job;
	enum froe_job_kind kind;
	enum froe_status status;  /* RUNNING, COMPLETED, CANCELLED; FAILED: it could not go on */
	const char *reason;
	const char *task;
	bool children;
	const char *by;           /* who started it */
	const char *ended_by;     /* CANCELLED: who did */
	const char *error;        /* FAILED: why */
	uint64_t created_ns;
	uint64_t finished_ns;     /* 0: it goes on */
	uint64_t done;            /* runs it changed */
	uint64_t refused;         /* runs it met and could not change */
	enum froe_err refusal;    /* why: the last one; FROE_OK: there is none */
	uint64_t first;           /* it meets runs with numbers below this one, */
	uint64_t cursor;          /* and has met those from this number on */
	struct froe_list_options filter; /* not in a page */
};

struct froe_job_page {
	const struct froe_job_view *rows; /* newest first */
	size_t row_count;
	uint64_t next; /* `before` of the next page; 0: no more */
};

/* A job as it is; with wait_ms (at most 30000) as it is when it has ended, or after so long.
 * *ret_view is the caller's: froe_job_view_free. */
enum froe_err froe_job_get(struct froe_client *client, uint64_t job, uint32_t wait_ms,
    int timeout_ms, struct froe_job_view **ret_view, struct froe_error *error);
void froe_job_view_free(struct froe_job_view *view);

/* Jobs with a number below `before` (0: from the newest), at most `limit` (0: 50). *ret_page is the
 * caller's: froe_job_page_free. */
enum froe_err froe_job_list(struct froe_client *client, uint64_t before, uint32_t limit,
    int timeout_ms, struct froe_job_page **ret_page, struct froe_error *error);
void froe_job_page_free(struct froe_job_page *page);

/* The job goes on no further. What it did stays done. */
enum froe_err froe_job_cancel(struct froe_client *client, uint64_t job, int timeout_ms,
    struct froe_error *error);

#ifdef __cplusplus
}
#endif
#endif
