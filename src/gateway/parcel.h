/*
 * gateway/parcel: messages of a stream that wait for room; how a stream ends.
 *
 * Ownership   a parcel is in one list, whose owner frees it.
 */
#ifndef GATEWAY_PARCEL_H
#define GATEWAY_PARCEL_H

#include "base/bytes.h"
#include "base/list.h"

#include "gateway/gateway_int.h"

struct parcel {
	struct list link;
	uint64_t credit; /* what it took of a seat's window */
	struct uuid task; /* the owner's own */
	uint64_t lease;
	struct buf packed;
};

/* At the end of the list. */
struct parcel *parcel_push(struct list *parcels, const ProtobufCMessage *message, uint64_t credit);
void parcel_keep(struct list *parcels, struct bytes packed);
void parcel_free(struct parcel *parcel);
void parcels_free(struct list *parcels);
/* Sends as many as there is room for; what they took of the window. */
uint64_t parcels_send(struct list *parcels, struct grpc_call *grpc);
/* NULL is allowed: nobody hears it. */
void stream_fail(struct grpc_call *grpc, const struct froe_fault *fault);
void stream_full(struct grpc_call *grpc); /* no seat is free */

#endif
