/*
 * io/uring_setup: makes and unmakes what an io_uring loop stands on.
 *
 * Purpose     the ring with its flags and restrictions, and the ring of buffers that receives take
 *             their memory from. What is done with them is io/uring.c's.
 * Threading   uring_setup_open is called by the thread that will use the ring: the kernel refuses
 *             any other one afterwards (SINGLE_ISSUER).
 */
#ifndef IO_URING_SETUP_INT_H
#define IO_URING_SETUP_INT_H

#include "base/fault.h"

#include <liburing.h>
#include <stdint.h>

#define URING_SQ_ENTRIES 1024u
/* A turn may complete more than it submits: multishot ops, wakes. More than this overflows into a
 * list of the kernel's, which costs time but loses nothing (IORING_FEAT_NODROP). */
#define URING_CQ_ENTRIES (8u * URING_SQ_ENTRIES)

#define URING_BUFFER_GROUP 0
#define URING_BUFFERS 256u /* a power of two */
#define URING_BUFFER_BYTES (16u << 10)

struct uring_setup {
	struct io_uring ring;
	struct io_uring_buf_ring *lent; /* the buffers that the kernel may fill */
	uint8_t *buffers;
};

enum froe_err uring_setup_open(struct uring_setup *setup, struct froe_fault *fault);
void uring_setup_close(struct uring_setup *setup);

uint8_t *uring_setup_buffer(struct uring_setup *setup, unsigned number);
void uring_setup_return_buffer(struct uring_setup *setup, unsigned number);

#endif
