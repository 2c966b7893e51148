/*
 * log/reader: reads a segment front to back, past the page cache.
 *
 * Ownership   owns one file and one buffer; what reader_load() returns is valid until the next
 *             call.
 * Failure     FROE_CORRUPT and FROE_INCOMPATIBLE from S1..S4, FROE_IO from the device.
 */
#ifndef LOG_READER_INT_H
#define LOG_READER_INT_H

#include "log/paths_int.h"
#include "log/segment_int.h"

struct reader {
	struct io_env *env;
	const struct paths *paths;
	struct uuid store;
	char name[SEG_NAME_SIZE];
	int file; /* -1: none */
	struct seg_header header;
	uint8_t *buffer;
	uint64_t from; /* what the buffer holds */
	size_t have;
};

void reader_init(struct reader *reader, struct io_env *env, const struct paths *paths,
    struct uuid store);
void reader_release(struct reader *reader);

/* Goes to a segment and verifies S1..S4. `sync`: first makes durable what the kernel still holds.
 */
enum froe_err reader_open(struct reader *reader, uint64_t no, bool sync,
    struct froe_fault *fault);
void reader_close(struct reader *reader);

/* [offset, offset + size) in memory; whole blocks, inside the segment, at most a largest frame. */
enum froe_err reader_load(struct reader *reader, uint64_t offset, size_t size,
    const uint8_t **ret_bytes, struct froe_fault *fault);

#endif
