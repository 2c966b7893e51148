/*
 * log/retention_int: the parts of retention: reading a segment, judging runs, copying.
 */
#ifndef LOG_RETENTION_INT_H
#define LOG_RETENTION_INT_H

#include "base/map.h"
#include "log/reader_int.h"
#include "log/retention.h"
#include "log/shelf_int.h"

#include <pthread.h>

enum retention_state {
	RETENTION_SURVEY,
	RETENTION_PLAN,
	RETENTION_SCAN,
	RETENTION_COPY,
	RETENTION_MERGE,
	RETENTION_COMMIT,
	RETENTION_DRAIN,
	RETENTION_FAILED, /* or switched off */
};

enum scan_result {
	SCAN_MORE,
	SCAN_SEALED,
};

/* A run with records in the segment. */
struct retention_run {
	uint32_t first_no;
	uint32_t reopened;  /* how often */
	uint64_t closed_ns; /* 0: open, as far as this segment and what is cold tell */
	bool stays;
	bool gone; /* its cold records are dead now */
};

/* A record of the segment; or, in a merge, an extent; or a run that is gone (`no` 0). */
struct retention_item {
	uint64_t run_key;
	uint32_t no;
	uint32_t span;
	uint64_t offset;
	uint64_t event_seq;
	const struct cold_file *file;
	const struct cold_extent *extent;
};

struct retention {
	struct log *log;
	struct retention_options options;
	enum retention_state state;
	uint64_t now_ns; /* engine time at the last look */
	uint64_t cutoff_ns;
	uint64_t index_seq;
	bool waits;
	bool tidy; /* nothing of the newest set is to be merged: only another set can change that */
	int hold; /* -1: not held */
	struct cold_set *set; /* the newest one, as published */
	/* the segment being read */
	struct lsn survey_end;
	struct reader reader;
	uint64_t scan_no;
	uint64_t scan_at;
	uint64_t scan_hash; /* of the last frame; 0: none */
	uint64_t peeked;    /* the segment that the next two are about; 0: none */
	uint64_t next_seq;  /* of the first frame of the one after it */
	uint64_t next_ns;   /* engine time of that */
	/* what is being retired or merged */
	uint64_t retiring; /* segment; 0: a merge */
	uint64_t newest;   /* the cold file being made */
	struct map runs;   /* run key -> struct retention_run */
	struct retention_item *items;
	size_t item_count;
	size_t item_capacity;
	size_t at;
	const struct cold_file **victims;
	size_t victim_count;
	struct cold_writer writer;
	uint8_t *window; /* one record's blocks, or one extent's; in pages */
	size_t window_size;
	uint64_t copied;
	uint64_t gone;
	/* shared */
	pthread_mutex_t lock;
	struct retention_stats stats;
};

/* retention.c */
const struct cold_extent *retention_last(const struct retention *retention, uint64_t run_key);
bool retention_expired(const struct retention *retention, uint64_t run_key, uint64_t closed_ns);
void retention_forget_segment(struct retention *retention);

/* Unlinks segments that MANIFEST does not know any more. */
enum froe_err retired_clean(struct io_env *env, const struct paths *paths, uint64_t oldest,
    struct froe_fault *fault);

/* retention_scan.c */
enum froe_err scan_begin(struct retention *retention, uint64_t no, struct froe_fault *fault);
enum froe_err scan_frame(struct retention *retention, enum scan_result *ret_result,
    struct froe_fault *fault);
/* Engine time and number of the first frame. */
enum froe_err scan_peek(struct retention *retention, struct froe_fault *fault);

/* retention_copy.c */
void retention_judge(struct retention *retention);
bool retention_lives(const struct retention *retention, const struct cold_extent *last);
struct retention_item *retention_item_add(struct retention *retention);
void retention_sort_items(struct retention *retention); /* by run, then number */
enum froe_err retention_copy_item(struct retention *retention, size_t index,
    struct froe_fault *fault);
enum froe_err retention_merge_item(struct retention *retention, size_t index,
    struct froe_fault *fault);

/* retention_merge.c */
/* Chooses the victims: files that are half dead, or so many that look-ups become slow. */
bool retention_wants_merge(struct retention *retention);
bool retention_is_victim(const struct retention *retention, const struct cold_file *file);
void retention_collect_victims(struct retention *retention); /* as items */

#endif
