#include "client/requests.h"

#include "client/request.h"

#include "base/mem.h"

#define CAPACITY_MIN 64u

void
requests_init(struct requests *requests)
{
	*requests = (struct requests){0};
	map_init(&requests->older);
	list_init(&requests->kept);
}

void
requests_release(struct requests *requests)
{
	struct list *node;
	froe_assert(requests->count == 0);
	while ((node = list_pop(&requests->kept)) != NULL)
		mem_free(container_of(node, struct request, node));
	map_release(&requests->older);
	mem_free(requests->ring);
}

void
requests_check(const struct requests *requests)
{
	size_t count = requests->older.count;
	for (size_t i = 0; i < requests->capacity; i++) {
		const struct request *request = requests->ring[i];
		if (request == NULL)
			continue;
		count++;
		froe_assert((request->id & (requests->capacity - 1)) == i);
		froe_assert(map_get_u64(&requests->older, request->id) == NULL);
	}
	froe_assert(count == requests->count);
	froe_assert(2 * count <= requests->capacity);
}

uint64_t
requests_number(struct requests *requests)
{
	return ++requests->last;
}

static struct request **
ring_place(const struct requests *requests, uint64_t number)
{
	return &requests->ring[number & (requests->capacity - 1)];
}

struct request *
requests_find(const struct requests *requests, uint64_t number)
{
	if (requests->count == 0)
		return NULL;
	struct request *request = *ring_place(requests, number);
	if (request != NULL && request->id == number)
		return request;
	return requests->older.count > 0 ? map_get_u64(&requests->older, number) : NULL;
}

/* None of them had another's place before: nor has it now. */
static void
ring_grow(struct requests *requests)
{
	struct requests old = *requests;
	requests->capacity = old.capacity > 0 ? 2 * old.capacity : CAPACITY_MIN;
	requests->ring = mem_array(requests->capacity, sizeof(struct request *));
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.ring[i] != NULL)
			*ring_place(requests, old.ring[i]->id) = old.ring[i];
	}
	mem_free(old.ring);
}

void
requests_put(struct requests *requests, struct request *request)
{
	requests->count++;
	if (2 * requests->count > requests->capacity)
		ring_grow(requests);
	struct request **place = ring_place(requests, request->id), *other = *place;
	if (other != NULL && other->id > request->id) { /* it was under way before, as another */
		map_put_u64(&requests->older, request->id, request);
		return;
	}
	if (other != NULL)
		map_put_u64(&requests->older, other->id, other);
	*place = request;
}

void
requests_remove(struct requests *requests, struct request *request)
{
	struct request **place = ring_place(requests, request->id);
	froe_assert(requests->count > 0);
	requests->count--;
	if (*place == request)
		*place = NULL;
	else
		froe_assert(map_remove_u64(&requests->older, request->id) == request);
}
