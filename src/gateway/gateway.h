/*
 * gateway/gateway: Hatchet's gRPC services, as froe's commands and effects.
 *
 * Purpose     An unmodified SDK of Hatchet's registers workflows, starts runs, works on tasks and
 *             waits for results here. Each call becomes the message that a native client would
 *             send (proto/native.proto), judged by the same code; what comes back becomes
 *             Hatchet's message.
 * Ownership   the owner closes it after the loop that it was lent to.
 * Threading   that loop's thread. All gRPC connections are on one loop: workers' tables are here.
 * See         docs/hatchet.md
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "api/gateway.h"
#include "io/io.h"

struct gateway;

/* How long a worker that is back has to say what it has begun. */
struct gateway *gateway_open(struct io_env *env, uint32_t begun_wait_ms);
void gateway_close(struct gateway *gateway); /* NULL is allowed */
struct api_gateway *gateway_api(struct gateway *gateway);

#endif
