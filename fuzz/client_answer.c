/*
 * What a server may send to libfroe: a message, decoded and copied into the public structs.
 *
 * Input: the bytes of an Envelope.
 *
 * It is refused, or every part of the copy can be read: texts end, counts count what is there. The
 * copy outlives the message. What base/message takes is good, and protobuf-c makes the same of it.
 */
#include "fuzz/feed.h"

#include "api/wire.h"
#include "base/mem.h"
#include "base/message.h"
#include "client/error.h"
#include "client/view.h"
#include "client/wire.h"
#include "froe/operate.h"

static size_t volatile sink; /* so that nothing of what is read is left out */

static void
read_text(const char *text)
{
	if (text != NULL)
		sink += strlen(text);
}

static void
read_bytes(struct froe_bytes bytes)
{
	const uint8_t *at = bytes.data;
	if (bytes.size > 0)
		sink += at[0] + (size_t)at[bytes.size - 1];
}

static void
read_run(struct froe_run_view *run)
{
	read_text(run->workflow);
	read_text(run->reason);
	read_text(run->position);
	read_text(run->key);
	read_bytes(run->input);
	read_bytes(run->result);
	for (size_t i = 0; i < run->metadata_count; i++) {
		read_text(run->metadata[i].key);
		read_text(run->metadata[i].value);
	}
	for (size_t i = 0; i < run->task_count; i++) {
		const struct froe_task_view *task = &run->tasks[i];
		read_text(task->name);
		read_text(task->state);
		read_text(task->error);
		read_bytes(task->output);
		for (size_t n = 0; n < task->parent_count; n++)
			read_text(task->parents[n]);
		for (size_t n = 0; n < task->log_count; n++)
			read_text(task->log[n]);
		for (size_t n = 0; n < task->attempt_count; n++)
			read_text(task->attempts[n].error);
		for (size_t n = 0; n < task->node_count; n++)
			read_text(task->nodes[n].label);
	}
	froe_run_view_free(run);
}

static void
read_event(struct froe_event *event)
{
	read_text(event->task);
	read_text(event->change);
	read_text(event->error);
	read_bytes(event->result);
	froe_event_free(event);
}

static void
read_error(const Froe__Error *wire)
{
	struct froe_error error = {0};
	FROE_DROP(error_from_wire(&error, wire), "what it says is looked at");
	froe_assert(memchr(error.text, 0, sizeof(error.text)) != NULL);
	froe_assert(memchr(error.field, 0, sizeof(error.field)) != NULL);
}

/* The copies of the rest: made and freed; what they point at is in one arena each. */
static void
copy_more(const Froe__Envelope *got)
{
	switch ((int)got->body_case) {
	case FROE__ENVELOPE__BODY_WORKFLOW_PAGE:
		froe_workflow_page_free(workflow_page_copy(got->workflow_page));
		break;
	case FROE__ENVELOPE__BODY_WORKFLOW_VIEW: {
		struct froe_workflow_view *view = workflow_view_copy(got->workflow_view);
		if (view != NULL)
			froe_workflow_view_free(view);
		break;
	}
	case FROE__ENVELOPE__BODY_APPROVAL_PAGE:
		froe_approval_page_free(approval_page_copy(got->approval_page));
		break;
	case FROE__ENVELOPE__BODY_STREAM_PAGE:
		froe_stream_page_free(stream_page_copy(got->stream_page));
		break;
	case FROE__ENVELOPE__BODY_WORKER_PAGE:
		froe_worker_page_free(worker_page_copy(got->worker_page));
		break;
	case FROE__ENVELOPE__BODY_WORKER_VIEW:
		froe_worker_view_free(worker_view_copy(got->worker_view));
		break;
	case FROE__ENVELOPE__BODY_WHY_VIEW:
		froe_why_free(why_copy(got->why_view));
		break;
	case FROE__ENVELOPE__BODY_TOKEN_PAGE:
		froe_token_list_free(token_list_copy(got->token_page));
		break;
	default:
		break;
	}
}

static void
check_alike(struct arena *arena, struct bytes from)
{
	const ProtobufCMessageDescriptor *type = &froe__envelope__descriptor;
	char field[WIRE_FIELD_SIZE];
	struct buf ours, theirs;
	const ProtobufCMessage *message = message_decode(type, from, arena);
	if (message == NULL)
		return;
	buf_init(&ours);
	buf_init(&theirs);
	froe_assert(wire_check(type, from, field) == WIRE_GOOD);
	const ProtobufCMessage *other = wire_unpack(type, from, arena);
	froe_assert(other != NULL);
	message_push(message, &ours);
	uint8_t *to = buf_reserve(&theirs, protobuf_c_message_get_packed_size(other));
	buf_commit(&theirs, protobuf_c_message_pack(other, to));
	froe_assert(bytes_equal(buf_bytes(&ours), buf_bytes(&theirs)));
	buf_release(&ours);
	buf_release(&theirs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct wire_room room;
	struct bytes frame = bytes_of(data, size);
	struct wire_head head = wire_head(frame);
	struct froe_run_view *run = NULL;
	struct froe_run_page *page = NULL;
	struct froe_event *event = NULL;
	arena_init(&arena, (size_t)32 << 20);
	check_alike(&arena, frame);
	arena_reset(&arena);
	const Froe__Envelope *got = wire_decode(&arena, &room, frame, &head);
	if (got != NULL && got->body_case == FROE__ENVELOPE__BODY_RUN_VIEW)
		run = run_view_copy(got->run_view);
	else if (got != NULL && got->body_case == FROE__ENVELOPE__BODY_RUN_PAGE)
		page = run_page_copy(got->run_page);
	else if (got != NULL && got->body_case == FROE__ENVELOPE__BODY_RUN_EVENT)
		event = event_copy(got->run_event);
	else if (got != NULL && got->body_case == FROE__ENVELOPE__BODY_ERROR)
		read_error(got->error);
	else if (got != NULL)
		copy_more(got);
	arena_release(&arena);
	if (run != NULL)
		read_run(run);
	if (event != NULL)
		read_event(event);
	if (page != NULL)
		froe_run_page_free(page);
	return 0;
}
