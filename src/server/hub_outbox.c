/*
 * The outbox: what must not be seen yet.
 *
 * It is a queue in the order of decisions, so of frames: what a step has to say is let out when
 * its frame is durable, all of it and in order. It is two buffers: `releasing` has what comes
 * first, and nothing is added to it, so that an item is used where it lies although its delivery
 * may queue more; `outbox` takes its place when it is empty.
 */
#include "server/hub_int.h"

#include "base/failpoint.h"
#include "base/message.h"

/* Buffers that have grown beyond this are given back when they are empty. */
#define BUF_BYTES_KEPT ((size_t)1 << 20)

/* What an item takes with its bytes: each lies at a multiple of eight. */
static inline size_t
item_span(size_t size)
{
	return (sizeof(struct hub_item) + size + 7) & ~(size_t)7;
}

/* At the end, to be filled in. */
static inline struct hub_item *
item_new(struct hub *hub, uint64_t frame, enum hub_item_kind kind)
{
	struct hub_item *item = (void *)buf_reserve(&hub->outbox, sizeof(*item));
	*item = (struct hub_item){.frame = frame, .kind = kind};
	buf_commit(&hub->outbox, sizeof(*item));
	return item;
}

size_t
hub_item_begin(struct hub *hub, uint64_t frame, const struct eng_origin *origin, uint32_t number,
    bool late)
{
	struct hub_item *item = item_new(hub, frame, HUB_ITEM_EFFECT);
	item->number = number;
	item->conn = origin->conn;
	item->request = origin->request;
	item->late = late;
	return buf_used(&hub->outbox);
}

void
hub_item_end(struct hub *hub, size_t begun)
{
	uint8_t *body = hub->outbox.data + hub->outbox.head + begun;
	struct hub_item *item = (void *)(body - sizeof(*item));
	item->size = buf_used(&hub->outbox) - begun;
	size_t rest = item_span(item->size) - sizeof(*item) - item->size;
	buf_reserve(&hub->outbox, rest);
	buf_commit(&hub->outbox, rest);
}

void
hub_item_object(struct hub *hub, uint64_t frame, enum hub_item_kind kind, void *object)
{
	item_new(hub, frame, kind)->object = object;
}

void
hub_item_reply(struct hub *hub, uint64_t frame, const struct eng_origin *origin, uint32_t number,
    const ProtobufCMessage *message)
{
	size_t begun = hub_item_begin(hub, frame, origin, number, /* late= */ false);
	message_push(message, &hub->outbox);
	hub_item_end(hub, begun);
}

void
hub_item_close(struct hub *hub, uint64_t frame, uint64_t conn, uint32_t number,
    const ProtobufCMessage *message)
{
	struct hub_item *item = item_new(hub, frame, HUB_ITEM_EFFECT);
	item->number = number;
	item->conn = conn;
	item->close = true;
	size_t begun = buf_used(&hub->outbox);
	message_push(message, &hub->outbox);
	hub_item_end(hub, begun);
}

void
hub_queue_reply(struct hub *hub, const struct eng_origin *origin, uint32_t number,
    const ProtobufCMessage *message)
{
	hub_item_reply(hub, log_tail_seq(hub->shard->log), origin, number, message);
}

void
hub_queue_error(struct hub *hub, const struct eng_origin *origin, enum froe_err err,
    const char *field, const char *text)
{
	Froe__Error error;
	hub_error_fill(&error, err, field, text);
	hub_queue_reply(hub, origin, FROE__ENVELOPE__BODY_ERROR, &error.base);
	hub->stats.refused++;
}

static void
item_free(struct hub *hub, const struct hub_item *item)
{
	switch (item->kind) {
	case HUB_ITEM_EFFECT:
		return;
	case HUB_ITEM_PUSH:
		hub_push_free(hub, item->object);
		return;
	case HUB_ITEM_INDEX:
		indexer_job_free(item->object);
		return;
	}
}

static void
effect_release(struct hub *hub, const struct hub_item *item)
{
	struct api_effect effect = {
	    .conn = item->conn,
	    .request = item->request,
	    .number = item->number,
	    .packed = bytes_of(item + 1, item->size),
	    .close = item->close,
	    .late = item->late,
	};
	if (item->number == FROE__ENVELOPE__BODY_WELCOME) {
		const struct hub_conn *conn = hub_conn_find(hub, item->conn);
		effect.roles = conn != NULL ? conn->roles : 0;
	}
	hub->deliver(hub->deliver_context, &effect);
}

static void
item_release(struct hub *hub, const struct hub_item *item)
{
	switch (item->kind) {
	case HUB_ITEM_EFFECT:
		effect_release(hub, item);
		return;
	case HUB_ITEM_PUSH:
		if (((struct hub_push *)item->object)->kind == HUB_PUSH_DISPATCH)
			failpoint_pass(FAILPOINT_after_commit_before_send);
		hub_push_queue(hub, item->object);
		return;
	case HUB_ITEM_INDEX:
		hub_index_post(hub, item->object);
		return;
	}
}

void
hub_buf_shrink(struct buf *buf)
{
	if (buf_used(buf) == 0 && buf->capacity > BUF_BYTES_KEPT)
		buf_release(buf);
}

/* The oldest item; NULL: there is none. */
static const struct hub_item *
item_first(struct hub *hub)
{
	struct buf *from = &hub->releasing;
	if (buf_used(from) == 0) {
		struct buf empty = *from;
		*from = hub->outbox;
		hub->outbox = empty;
		if (buf_used(from) == 0)
			return NULL;
	}
	return (const void *)(from->data + from->head);
}

/* It lies there until the next one is asked for. */
static void
item_pop(struct hub *hub, const struct hub_item *item)
{
	buf_pop(&hub->releasing, item_span(item->size));
}

static void
release_items(struct hub *hub, uint64_t durable)
{
	const struct hub_item *item;
	while ((item = item_first(hub)) != NULL && item->frame <= durable) {
		item_pop(hub, item);
		item_release(hub, item);
	}
}

void
hub_release_durable(struct hub *hub)
{
	uint64_t durable = log_durable_seq(hub->shard->log);
	release_items(hub, durable);
	while (!list_empty(&hub->woken)) {
		hub_watch_turn(hub); /* may have answers at once */
		release_items(hub, durable);
	}
	hub->released_frame = durable;
	hub_index_released(hub);
	hub_buf_shrink(&hub->releasing);
	hub_buf_shrink(&hub->outbox);
}

size_t
hub_outbox_bytes(const struct hub *hub)
{
	return buf_used(&hub->releasing) + buf_used(&hub->outbox);
}

bool
hub_idle(const struct hub *hub)
{
	return hub_outbox_bytes(hub) == 0;
}

void
hub_outbox_release(struct hub *hub)
{
	const struct hub_item *item;
	while ((item = item_first(hub)) != NULL) {
		item_pop(hub, item);
		item_free(hub, item);
	}
	buf_release(&hub->releasing);
	buf_release(&hub->outbox);
}
