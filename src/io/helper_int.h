/*
 * io/helper: a thread that reads and writes files for a posix loop.
 *
 * Purpose     a durable write takes a disk's time; the loop must not. One operation at a time, in
 *             the order they were pushed.
 * Ownership   an op is the helper's from helper_push until helper_take returns it or
 *             helper_withdraw says true.
 * Threading   all calls by the loop's thread. `wake` is called by the helper's thread.
 */
#ifndef IO_HELPER_INT_H
#define IO_HELPER_INT_H

#include "io/io.h"

struct helper;

/* NULL, with a fault, if the thread cannot be made. */
struct helper *helper_open(struct io *loop, struct froe_fault *fault);

/* Waits for the operation under way, forgets the others. */
void helper_close(struct helper *helper);

void helper_push(struct helper *helper, struct io_op *op);
bool helper_withdraw(struct helper *helper, struct io_op *op); /* false: under way, or done */

/* What is done, linked by `next`, oldest first; the result is in `offset`. */
struct io_op *helper_take(struct helper *helper);

#endif
