#include "gateway/parcel.h"

#include "base/mem.h"

struct parcel *
parcel_push(struct list *parcels, const ProtobufCMessage *message, uint64_t credit)
{
	struct parcel *parcel = mem_zalloc(sizeof(*parcel));
	size_t size = protobuf_c_message_get_packed_size(message);
	buf_init(&parcel->packed);
	protobuf_c_message_pack(message, buf_reserve(&parcel->packed, size + 1));
	buf_commit(&parcel->packed, size);
	parcel->credit = credit;
	list_push(parcels, &parcel->link);
	return parcel;
}

void
parcel_keep(struct list *parcels, struct bytes packed)
{
	struct parcel *parcel = mem_zalloc(sizeof(*parcel));
	buf_init(&parcel->packed);
	buf_push(&parcel->packed, packed.data, packed.size);
	list_push(parcels, &parcel->link);
}

void
parcel_free(struct parcel *parcel)
{
	list_remove(&parcel->link);
	buf_release(&parcel->packed);
	mem_free(parcel);
}

void
parcels_free(struct list *parcels)
{
	while (!list_empty(parcels))
		parcel_free(container_of(parcels->next, struct parcel, link));
}

uint64_t
parcels_send(struct list *parcels, struct grpc_call *grpc)
{
	uint64_t credit = 0;
	while (grpc != NULL && !list_empty(parcels)) {
		struct parcel *parcel = container_of(parcels->next, struct parcel, link);
		if (!grpc_send(grpc, buf_bytes(&parcel->packed)))
			break;
		credit += parcel->credit;
		parcel_free(parcel);
	}
	return credit;
}

void
stream_fail(struct grpc_call *grpc, const struct froe_fault *fault)
{
	if (grpc == NULL)
		return;
	if (fault->code == FROE_UNAUTHENTICATED)
		grpc_finish(
		    grpc, GRPC_UNAUTHENTICATED, "invalid auth token", bytes_of(NULL, 0));
	else
		grpc_fail(grpc, fault);
}

void
stream_full(struct grpc_call *grpc)
{
	grpc_finish(grpc, GRPC_RESOURCE_EXHAUSTED, "too many connections are open",
	    bytes_of(NULL, 0));
}
