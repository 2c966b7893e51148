/*
 * gateway/wait: waits of durable tasks.
 */
#ifndef GATEWAY_WAIT_H
#define GATEWAY_WAIT_H

#include "gateway/gateway_int.h"

/* A wait's result has come, to the worker that holds its task. */
void wait_node_done(struct gateway *gateway, const Froe__NodeDone *done, struct arena *arena);
/* A worker is back. */
void wait_ask_again(struct gateway *gateway);
/* The attempt is over. */
void wait_forget(struct gateway *gateway, struct uuid task);
void wait_sweep(struct gateway *gateway, uint64_t now_ns);
void wait_release_all(struct gateway *gateway);

#endif
