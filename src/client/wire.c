#include "client/wire.h"

#include "client/field.h"

#include "base/message.h"

#define TAG_REQUEST 0x08u       /* field 1, varint */
#define TAG_BODY(number) ((uint64_t)(number) << 3 | 2) /* length-delimited */

uint8_t *
wire_frame_begin(uint8_t *to, uint64_t request, uint32_t number, size_t body_size)
{
	uint8_t *at = to + 4;
	if (request != 0) {
		*at++ = TAG_REQUEST;
		at = varint_store(at, request);
	}
	at = varint_store(at, TAG_BODY(number));
	at = varint_store(at, body_size);
	size_t size = (size_t)(at - to) - 4 + body_size;
	froe_assert(size <= UINT32_MAX);
	le32_store(to, (uint32_t)size);
	return at;
}

static void *
wire_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void
wire_free(void *arena, void *block)
{
	(void)arena; /* the arena is reset as a whole */
	(void)block;
}

/* What every run's answers are made of, by their numbers in proto/native.proto. */
enum {
	STARTED_RUN = FIELD_CONTENT(1),
	STARTED_NUMBER = FIELD_NUMBER(2),
	STARTED_POSITION = FIELD_CONTENT(3),
	STARTED_CREATED = FIELD_NUMBER(20),
	STARTED_STATUS = FIELD_NUMBER(21),
	EVENT_RUN = FIELD_CONTENT(1),
	EVENT_STATUS = FIELD_NUMBER(2),
	EVENT_FINAL = FIELD_NUMBER(3),
	EVENT_TIME_NS = FIELD_NUMBER(6),
	EVENT_RESULT = FIELD_CONTENT(10),
	DONE_POSITION = FIELD_CONTENT(1),
};

static bool
started_read(Froe__RunStarted *started, struct bytes body)
{
	struct field field = fields_of(body);
	*started = (Froe__RunStarted)FROE__RUN_STARTED__INIT;
	while (field_next(&field)) {
		switch (field.tag) {
		case STARTED_RUN:
			started->has_run = true;
			started->run = wire_bytes(field.content, field.value);
			break;
		case STARTED_NUMBER:
			started->has_number = true;
			started->number = field.value;
			break;
		case STARTED_POSITION:
			started->has_position = true;
			started->position = wire_bytes(field.content, field.value);
			break;
		case STARTED_CREATED:
			started->has_created = true;
			started->created = field.value != 0;
			break;
		case STARTED_STATUS:
			started->has_status = true;
			started->status = (Froe__RunStatus)field.value;
			break;
		default:
			return false;
		}
	}
	return fields_read(&field);
}

/* Of a run that went well: without text. */
static bool
event_read(Froe__RunEvent *event, struct bytes body)
{
	struct field field = fields_of(body);
	*event = (Froe__RunEvent)FROE__RUN_EVENT__INIT;
	while (field_next(&field)) {
		switch (field.tag) {
		case EVENT_RUN:
			event->has_run = true;
			event->run = wire_bytes(field.content, field.value);
			break;
		case EVENT_STATUS:
			event->has_status = true;
			event->status = (Froe__RunStatus)field.value;
			break;
		case EVENT_FINAL:
			event->has_final = true;
			event->final = field.value != 0;
			break;
		case EVENT_TIME_NS:
			event->has_time_ns = true;
			event->time_ns = field.value;
			break;
		case EVENT_RESULT:
			event->has_result = true;
			event->result = wire_bytes(field.content, field.value);
			break;
		default:
			return false;
		}
	}
	return fields_read(&field);
}

static bool
done_read(Froe__Done *done, struct bytes body)
{
	struct field field = fields_of(body);
	*done = (Froe__Done)FROE__DONE__INIT;
	while (field_next(&field)) {
		if (field.tag != DONE_POSITION)
			return false;
		done->has_position = true;
		done->position = wire_bytes(field.content, field.value);
	}
	return fields_read(&field);
}

/* NULL: one of those that base/message reads. */
static const Froe__Envelope *
decode_frequent(struct wire_room *room, const struct wire_head *head)
{
	Froe__Envelope *envelope = &room->envelope;
	bool read = false;
	*envelope = (Froe__Envelope)FROE__ENVELOPE__INIT;
	envelope->has_request = head->request != 0;
	envelope->request = head->request;
	envelope->body_case = (Froe__Envelope__BodyCase)head->number;
	if (head->number == FROE__ENVELOPE__BODY_RUN_STARTED) {
		envelope->run_started = &room->body.started;
		read = started_read(&room->body.started, head->body);
	} else if (head->number == FROE__ENVELOPE__BODY_RUN_EVENT) {
		envelope->run_event = &room->body.event;
		read = event_read(&room->body.event, head->body);
	} else if (head->number == FROE__ENVELOPE__BODY_DONE) {
		envelope->done = &room->body.done;
		read = done_read(&room->body.done, head->body);
	}
	return read ? envelope : NULL;
}

struct wire_head
wire_head(struct bytes frame)
{
	struct field field = fields_of(frame);
	struct wire_head head = {0};
	bool good = field_next(&field);
	if (good && field.tag == FIELD_NUMBER(1)) {
		head.request = field.value;
		good = field.value != 0 && field_next(&field);
	}
	bool content = good && (field.tag & 7) == FIELD_CONTENT(0) && field.tag >> 32 == 0;
	if (content && fields_read(&field)) {
		head.number = (uint32_t)(field.tag >> 3);
		head.body = field_bytes(&field);
	}
	return head;
}

/* A newer server's messages may have fields that message_decode does not know. */
const Froe__Envelope *
wire_decode(struct arena *arena, struct wire_room *room, struct bytes frame,
    const struct wire_head *head)
{
	const void *message = decode_frequent(room, head);
	if (message == NULL)
		message = message_decode(&froe__envelope__descriptor, frame, arena);
	if (message != NULL)
		return message;
	ProtobufCAllocator allocator = {wire_alloc, wire_free, arena};
	return froe__envelope__unpack(&allocator, frame.size, frame.data);
}

bool
wire_id_get(ProtobufCBinaryData data, struct froe_id *ret_id)
{
	if (data.len != sizeof(ret_id->bytes))
		return false;
	memcpy(ret_id->bytes, data.data, sizeof(ret_id->bytes));
	return true;
}
