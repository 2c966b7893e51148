/* serve: what all workers of the tutorial have in common. */
#ifndef SERVE_H
#define SERVE_H

#include <froe/froe.h>

/* Registers the workflows, executes their tasks, so many at a time, until SIGINT or SIGTERM; the
 * exit status. The server is the one that FROE_ADDRESS names, or 127.0.0.1:7077. */
int serve(const struct froe_workflow *workflows, size_t count, uint32_t slots);

#endif
