/*
 * log/segment: the header of a segment file, stored twice, and its name.
 *
 * Failure     seg_header_read: FROE_CORRUPT if no copy verifies, FROE_INCOMPATIBLE for another
 *             format.
 * See         docs/log-format.md, section 2
 */
#ifndef LOG_SEGMENT_INT_H
#define LOG_SEGMENT_INT_H

#include "log/frame_int.h"

#define SEG_HEADER_BYTES (2 * LOG_BLOCK_BYTES)
#define SEG_NAME_SIZE 24

enum seg_kind {
	SEG_HOT = 1,
	SEG_COLD = 2,
	SEG_SNAPSHOT = 3,
};

struct seg_header {
	struct uuid store;
	uint64_t no;
	uint64_t bytes;
	uint64_t seed;
	uint64_t created_wall_ns;
	uint32_t window;
	enum seg_kind kind;
};

/* A segment that is open, for writing too unless the log is read-only. */
struct segment {
	struct seg_header header;
	int file;
};

/* What ordinary and largest frames of a store with such segments hold, records only. */
size_t seg_step_bytes(uint64_t segment_bytes);
size_t seg_step_bytes_max(uint64_t segment_bytes);

/* What a frame takes at most that holds steps of so many bytes. */
size_t seg_frame_bytes(size_t step_bytes);

/* The most bytes that can be in flight. */
uint32_t seg_window(uint64_t segment_bytes);

bool seg_bytes_legal(uint64_t segment_bytes);

/* Fills SEG_HEADER_BYTES: both copies. */
void seg_header_encode(uint8_t *to, const struct seg_header *header);

/* From both copies, of the kind that is expected. `name` is for messages. */
enum froe_err seg_header_decode(const uint8_t *from, const char *name, enum seg_kind kind,
    struct seg_header *ret_header, struct froe_fault *fault);

void seg_name(uint64_t no, char name[SEG_NAME_SIZE]);
bool seg_name_parse(const char *name, uint64_t *ret_no);

#endif
