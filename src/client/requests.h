/*
 * client/requests: the requests of a client by number, and memory for more.
 *
 * Purpose     Numbers ascend, and nearly all requests end in about the order in which they began:
 *             they are found in a ring by the last bits of their number. Whoever is still there
 *             when its place is needed (a watch, mostly) moves to a map.
 * Ownership   requests_remove leaves a request its owner's. What request_free gives back is kept
 *             for the next one.
 * Invariants  1. `count` requests are in the ring and in `older`, each in one of them.
 *             2. of those that would have the same place the one with the highest number has it.
 *             3. the ring has twice as many places as there are requests, or more.
 * Threading   its owner only (the client's lock).
 */
#ifndef CLIENT_REQUESTS_H
#define CLIENT_REQUESTS_H

#include "base/list.h"
#include "base/map.h"

struct request;

struct requests {
	uint64_t last; /* number given out */
	size_t count;
	size_t capacity; /* of the ring: a power of two, or 0 */
	struct request **ring;
	struct map older;
	struct list kept; /* struct request: memory */
};

void requests_init(struct requests *requests);
void requests_release(struct requests *requests); /* there are none any more */
void requests_check(const struct requests *requests);

uint64_t requests_number(struct requests *requests); /* a new one */
struct request *requests_find(const struct requests *requests, uint64_t number); /* or NULL */
void requests_put(struct requests *requests, struct request *request);
void requests_remove(struct requests *requests, struct request *request); /* it is there */

#endif
