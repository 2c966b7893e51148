/*
 * Each direction is one ring (base/ring: one producer, one consumer; its push releases, its pop
 * acquires) and two flags. No thread waits; a thread that has nothing to do sleeps in io_step, and
 * io_wake is what ends that. So the one thing to prove is that no wake-up is lost.
 *
 * 1. New items. Producer: push; exchange(told, true); if it was false, io_wake(consumer).
 *    Consumer, before it pops: exchange(told, false); then pop until empty.
 *    Claim: after a push the consumer pops it without another event. Both exchanges are acq_rel on
 *    one atomic, so they are ordered. If the producer's comes after the consumer's latest one it
 *    reads false and wakes: the consumer runs again, and pops. Otherwise the consumer's exchange
 *    comes after the producer's and, reading from it or from a later one in the same chain of
 *    read-modify-writes, sees the push: it pops the item now.
 * 2. Room. Producer finds the ring full: exchange(waits, true); look at the ring again. Consumer
 *    after popping: exchange(waits, false); if it was true, io_wake(producer).
 *    Claim: the producer sees the room, or is woken. Again one of the two exchanges comes first. If
 *    the producer's does, the consumer's reads true and wakes. If the consumer's does, the
 *    producer's reads from it or from a later one in the chain, so its second look sees the room.
 *
 * An io_wake that is not needed costs one turn and nothing else.
 */
#include "server/bridge.h"

#include "base/message.h"
#include "server/loop.h"

/* Commands and effects with a few hundred bytes; larger ones are the heap's. */
#define COMMAND_BYTES 752u
#define ITEM_BYTES 496u
#define BLOCKS 1024u

enum item_kind {
	ITEM_EFFECT,
	ITEM_SOCKET,
};

/* One block: the item and its bytes. */
struct bridge_item {
	struct list overflow;
	enum item_kind kind;
	int socket;
	struct api_effect effect;
	struct bytes input; /* SOCKET: read from it already */
	uint8_t bytes[];
};

void
bridge_init(struct bridge *bridge, struct io *hot_io, unsigned capacity)
{
	memset(bridge, 0, sizeof(*bridge));
	if (capacity == 0)
		capacity = BRIDGE_CAPACITY;
	bridge->hot_io = hot_io;
	ring_init(&bridge->commands, capacity);
	ring_init(&bridge->items, capacity);
	relay_init(&bridge->command_blocks, COMMAND_BYTES, BLOCKS);
	relay_init(&bridge->item_blocks, ITEM_BYTES, BLOCKS);
	list_init(&bridge->overflow);
}

static void
item_drop(struct bridge *bridge, struct bridge_item *item)
{
	if (item->kind == ITEM_SOCKET)
		io_socket_close(bridge->hot_io, item->socket);
	relay_done(&bridge->item_blocks, item);
}

void
bridge_release(struct bridge *bridge)
{
	struct list *node;
	void *left;
	while ((left = ring_pop(&bridge->commands)) != NULL)
		relay_done(&bridge->command_blocks, left);
	while ((left = ring_pop(&bridge->items)) != NULL)
		item_drop(bridge, left);
	while ((node = list_pop(&bridge->overflow)) != NULL)
		item_drop(bridge, container_of(node, struct bridge_item, overflow));
	ring_release(&bridge->commands);
	ring_release(&bridge->items);
	relay_release(&bridge->command_blocks);
	relay_release(&bridge->item_blocks);
}

/* ------------------------------------------------------------------------------ the flags */

/* Proof 1, the producer's side; `io` is NULL while the consumer has not begun its first turn. */
static void
tell(atomic_bool *told, struct io *io)
{
	if (!atomic_exchange_explicit(told, true, memory_order_acq_rel) && io != NULL)
		io_wake(io);
}

static void
told_seen(atomic_bool *told)
{
	atomic_exchange_explicit(told, false, memory_order_acq_rel);
}

/* Proof 2, the producer's side: true if there is room after all. */
static bool
wait_for_room(atomic_bool *waits, const struct ring *ring)
{
	atomic_exchange_explicit(waits, true, memory_order_acq_rel);
	return ring_room(ring) > 0;
}

/* Proof 2, the consumer's side. */
static void
room_made(atomic_bool *waits, struct io *io)
{
	if (atomic_exchange_explicit(waits, false, memory_order_acq_rel) && io != NULL)
		io_wake(io);
}

static struct io *
edge_io(struct bridge *bridge)
{
	/* Acquire: pairs with bridge_edge_attach; the io is whole before it is seen. */
	return atomic_load_explicit(&bridge->edge_io, memory_order_acquire);
}

/* ---------------------------------------------------------------------------- the hot side */

static bool
items_push(struct bridge *bridge, struct bridge_item *item)
{
	if (!ring_push(&bridge->items, item) &&
	    !(wait_for_room(&bridge->hot_waits, &bridge->items) && ring_push(&bridge->items, item)))
		return false;
	tell(&bridge->edge_told, edge_io(bridge));
	return true;
}

static void
items_send(struct bridge *bridge, struct bridge_item *item)
{
	if (!list_empty(&bridge->overflow) || !items_push(bridge, item))
		list_push(&bridge->overflow, &item->overflow);
}

/* True: nothing waits any more. */
static bool
overflow_flush(struct bridge *bridge)
{
	while (!list_empty(&bridge->overflow)) {
		struct bridge_item *item =
		    container_of(bridge->overflow.next, struct bridge_item, overflow);
		/* Off the list first: once pushed it is the edge's. */
		list_remove(&item->overflow);
		if (!items_push(bridge, item)) {
			list_push_front(&bridge->overflow, &item->overflow);
			return false;
		}
	}
	return true;
}

struct api_command *
bridge_hot_pop(struct bridge *bridge)
{
	if (!overflow_flush(bridge))
		return NULL;
	struct api_command *command = ring_pop(&bridge->commands);
	if (command != NULL)
		return command;
	/* The flags are looked at when the ring is empty: once a turn, not once a command. */
	told_seen(&bridge->hot_told);
	command = ring_pop(&bridge->commands);
	if (command == NULL)
		room_made(&bridge->edge_waits, edge_io(bridge));
	return command;
}

void
bridge_hot_done(struct bridge *bridge, struct api_command *command)
{
	relay_done(&bridge->command_blocks, command);
}

void
bridge_hot_deliver(struct bridge *bridge, const struct api_effect *effect)
{
	size_t size = effect->message != NULL ? message_size(effect->message) : effect->packed.size;
	struct bridge_item *item = relay_take(&bridge->item_blocks, sizeof(*item) + size);
	*item = (struct bridge_item){.kind = ITEM_EFFECT, .socket = -1, .effect = *effect};
	if (effect->message != NULL)
		message_encode(effect->message, item->bytes);
	else if (size > 0)
		memcpy(item->bytes, effect->packed.data, size);
	item->effect.message = NULL;
	item->effect.packed = bytes_of(item->bytes, size);
	items_send(bridge, item);
}

bool
bridge_hot_handover(struct bridge *bridge, int socket, struct bytes input)
{
	/* Relaxed: a bound, nothing is read by its leave. */
	if (atomic_fetch_add_explicit(&bridge->sockets, 1, memory_order_relaxed) >=
	    BRIDGE_SOCKETS_MAX) {
		atomic_fetch_sub_explicit(&bridge->sockets, 1, memory_order_relaxed);
		return false;
	}
	struct bridge_item *item =
	    relay_take(&bridge->item_blocks, sizeof(*item) + input.size);
	*item = (struct bridge_item){.kind = ITEM_SOCKET, .socket = socket};
	if (input.size > 0)
		memcpy(item->bytes, input.data, input.size);
	item->input = bytes_of(item->bytes, input.size);
	items_send(bridge, item);
	return true;
}

/* --------------------------------------------------------------------------- the edge side */

static bool
bridge_post(struct api_port *port, const struct api_command *command)
{
	struct bridge *bridge = container_of(port, struct bridge, port);
	if (ring_room(&bridge->commands) == 0 &&
	    !wait_for_room(&bridge->edge_waits, &bridge->commands)) {
		bridge->stalled = true;
		return false;
	}
	/* This thread alone pushes, so the room it saw stays. */
	size_t size = api_command_size(command);
	void *block = relay_take(&bridge->command_blocks, size);
	bool pushed = ring_push(&bridge->commands, api_command_copy(command, block, size));
	froe_assert(pushed);
	tell(&bridge->hot_told, bridge->hot_io);
	return true;
}

struct api_port *
bridge_edge_port(struct bridge *bridge)
{
	bridge->port.post = bridge_post;
	return &bridge->port;
}

void
bridge_edge_attach(struct bridge *bridge, struct io *io)
{
	atomic_store_explicit(&bridge->edge_io, io, memory_order_release);
}

static void
item_give(struct bridge *bridge, struct bridge_item *item, struct loop *loop)
{
	if (item->kind == ITEM_EFFECT) {
		loop_deliver(loop, &item->effect);
	} else {
		atomic_fetch_sub_explicit(&bridge->sockets, 1, memory_order_relaxed);
		loop_adopt(loop, item->socket, item->input);
	}
	relay_done(&bridge->item_blocks, item);
}

void
bridge_edge_step(struct bridge *bridge, struct loop *loop)
{
	struct bridge_item *item;
	told_seen(&bridge->edge_told);
	while ((item = ring_pop(&bridge->items)) != NULL)
		item_give(bridge, item, loop);
	room_made(&bridge->hot_waits, bridge->hot_io);
	if (bridge->stalled && ring_room(&bridge->commands) > 0) {
		bridge->stalled = false;
		loop_resume(loop);
	}
}
