/*
 * log/slots: a file of two blocks that are written alternately: MANIFEST and WATERMARK.
 *
 * Purpose     A small value that survives a crash in the middle of its update: the newest slot that
 *             verifies wins. One bad slot is a torn update and is rewritten at open; two are
 *             damage.
 * Ownership   slots_open opens the file, slots_close closes it. slots_next() fills a block of the
 *             caller's, which is lent to the kernel until written.
 * Threading   the owner only.
 * See         docs/log-format.md, section 3
 */
#ifndef LOG_SLOTS_INT_H
#define LOG_SLOTS_INT_H

#include "log/log.h"

enum slots_kind {
	SLOTS_MANIFEST,
	SLOTS_WATERMARK,
};

/* Words of a value in its block; those that an older froe did not have are zero. */
#define SLOTS_WORDS 16

struct slots_value {
	uint64_t epoch;
	union {
		struct {
			uint64_t segment_oldest; /* the first that lies in log/ */
			uint64_t snapshot;       /* the newest: segments up to it; 0: none */
			uint64_t snapshot_lsn; /* where replay goes on */
			uint64_t audit[4];     /* reserved: 0 */
			uint64_t snapshot_frame; /* the last frame that is in it */
			uint64_t before;         /* the one before it; 0: none */
			uint64_t before_lsn;
			uint64_t before_frame;
			uint64_t cold; /* the newest cold file; 0: none */
			uint64_t time; /* engine time by which runs were past retention; 0: none */
		} manifest;
		struct {
			uint64_t durable_seq;
			uint64_t durable_lsn;
		} watermark;
		uint64_t words[SLOTS_WORDS];
	};
};

struct slots {
	struct io_env *env;
	enum slots_kind kind;
	struct uuid store;
	int file; /* -1: closed */
	uint64_t version;
	unsigned newest; /* the slot that holds it */
	struct slots_value value;
};

const char *slots_name(enum slots_kind kind);

/* Makes the file anew with both slots valid; the caller syncs the directory. */
enum froe_err slots_create(struct io_env *env, const char *directory, enum slots_kind kind,
    struct uuid store, const struct slots_value *value, struct froe_fault *fault);

/* Reads the newest value into slots->value. */
enum froe_err slots_open(struct slots *slots, struct io_env *env, const char *directory,
    enum slots_kind kind, struct uuid store, bool read_only, struct froe_fault *fault);
void slots_close(struct slots *slots);

/* Blocking and durable. */
enum froe_err slots_write(struct slots *slots, const struct slots_value *value,
    struct froe_fault *fault);

/* Encodes the next version into `block`; the caller writes it at the returned offset. */
uint64_t slots_next(struct slots *slots, const struct slots_value *value, uint8_t *block);

#endif
