#include "sim/world/history.h"

#include "base/hash.h"
#include "base/mem.h"
#include "server/record.h"

#include <inttypes.h>

static uint64_t
digest_bytes(uint64_t digest, struct bytes bytes)
{
	uint64_t words[3] = {digest, bytes.size, hash64(bytes.data, bytes.size, 0)};
	return hash64(words, sizeof(words), 0);
}

static uint64_t
digest_texts(uint64_t digest, const struct bytes *texts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		digest = digest_bytes(digest, texts[i]);
	return digest;
}

/* Of everything that the log keeps. That a completion's reason is COMPLETED it does not. */
uint64_t
history_digest(const struct eng_event *event)
{
	uint32_t reason = event->type != ENG_EV_TASK_COMPLETED ? event->reason : 0;
	uint64_t words[] = {
	    (uint64_t)event->type, event->time_ns, event->run, event->run_event_no, event->task,
	    event->attempt, event->lease, event->worker, event->tenant, event->workflow,
	    event->version, event->priority, event->slots, reason, event->status,
	    event->deadline_ns, event->incarnation, event->epoch, event->downtime_ns,
	    event->action_count, event->lapse_ns, event->retry_ns, event->child_index,
	    event->start_ns, event->key_until_ns, event->late, event->node, event->which,
	    event->approved, event->fingerprint, event->number, event->approval, event->kid,
	    event->roles,
	    event->from, event->input, event->chunks, event->created_ns,
	    event->job, event->cursor, event->kind, event->descend, event->refusal,
	};
	uint64_t digest = hash64(words, sizeof(words), 0);
	digest = digest_bytes(digest, bytes_of(event->id.bytes, sizeof(event->id.bytes)));
	digest = digest_bytes(digest, event->name);
	digest = digest_bytes(digest, event->text);
	digest = digest_bytes(digest, event->payload);
	digest = digest_bytes(digest, event->actor);
	digest = digest_bytes(digest, event->child_key);
	digest = digest_bytes(digest, event->key);
	digest = digest_bytes(digest, event->digest);
	digest = digest_bytes(digest, event->scope);
	digest = digest_bytes(digest, bytes_of(event->parent.bytes, sizeof(event->parent.bytes)));
	digest = digest_bytes(digest, bytes_of(event->child.bytes, sizeof(event->child.bytes)));
	digest = digest_texts(digest, event->actions, event->action_count);
	digest = digest_texts(digest, event->types, event->type_count);
	digest = digest_texts(digest, event->metadata, event->metadata_count);
	digest = digest_bytes(digest, event->places);
	digest = digest_texts(digest, event->kept, event->kept_count);
	digest = digest_texts(digest, event->nodes, event->nodes_count);
	digest = digest_texts(digest, event->conditions, event->condition_count);
	return digest_texts(digest, event->data, event->data_count);
}

static void
row_keep(struct history_row *row, const struct eng_event *event)
{
	struct buf body;
	buf_init(&body);
	row->size = record_encode(event, &body);
	row->body = mem_copy(body.data, row->size);
	row->type = (uint16_t)event->type;
	row->run = event->run;
	row->no = event->run_event_no;
	row->time_ns = event->time_ns;
	buf_release(&body);
}

static void
rows_cut(struct history *history, size_t count)
{
	for (size_t i = count; i < history->count; i++)
		mem_free(history->rows[i].body);
	history->count = count;
}

void
history_append(struct history *history, const struct eng_event *event, uint64_t frame)
{
	if (history->count == history->capacity) {
		history->capacity = history->capacity != 0 ? history->capacity * 2 : 256;
		history->rows =
		    mem_resize(history->rows, history->capacity * sizeof(*history->rows));
	}
	struct history_row *row = &history->rows[history->count++];
	*row = (struct history_row){.frame = frame, .digest = history_digest(event)};
	if (history->keeps)
		row_keep(row, event);
	history->judge->tally->events++;
}

void
history_hash(struct history *history, const struct eng *eng)
{
	if (history->count > 0)
		history->rows[history->count - 1].hash = eng_hash(eng);
}

void
history_release(struct history *history)
{
	rows_cut(history, 0);
	mem_free(history->rows);
	*history = (struct history){0};
}

void
history_replay(struct history *history)
{
	history->at = 0;
}

size_t
history_recall(struct history *history, uint64_t frame,
    void (*each)(void *context, const struct eng_event *event, uint64_t frame), void *context)
{
	struct arena arena;
	arena_init(&arena, 0);
	while (history->at < history->count && history->rows[history->at].frame <= frame) {
		const struct history_row *row = &history->rows[history->at++];
		struct froe_fault fault;
		struct eng_event event;
		struct log_record record = {
		    .type = row->type,
		    .run_key = row->run,
		    .run_event_no = row->no,
		    .time_ns = row->time_ns,
		    .body = bytes_of(row->body, row->size),
		};
		if (record_decode(&record, &arena, &event, &fault) != FROE_OK)
			judge_fail(history->judge, "an event does not decode: %s", fault.text);
		each(context, &event, row->frame);
		arena_reset(&arena);
	}
	arena_release(&arena);
	return history->at;
}

void
history_replayed(struct history *history, const struct eng_event *event, uint64_t frame,
    const struct eng *eng)
{
	if (history->at == history->count)
		judge_fail(history->judge, "the log holds an event (type %d, run %" PRIu64
		    ") that never happened", event->type, event->run);
	const struct history_row *row = &history->rows[history->at++];
	if (row->digest != history_digest(event))
		judge_fail(history->judge, "event %zu (type %d, run %" PRIu64 " no %u) is not what "
		    "happened then", history->at, event->type, event->run, event->run_event_no);
	if (row->frame != frame)
		judge_fail(history->judge, "event %zu is in frame %" PRIu64 ", was in %" PRIu64,
		    history->at, frame, row->frame);
	if (row->hash != 0 && row->hash != eng_hash(eng))
		judge_fail(history->judge, "after event %zu (frame %" PRIu64 ") the replayed state "
		    "differs from the live one", history->at, frame);
}

void
history_replay_end(struct history *history, uint64_t durable_frame)
{
	size_t at = history->at;
	if (at < history->count && history->rows[at].frame <= durable_frame)
		judge_fail(history->judge, "the log has lost frame %" PRIu64 ", which was durable "
		    "(up to %" PRIu64 ")", history->rows[at].frame, durable_frame);
	if (at > 0 && at < history->count && history->rows[at].frame == history->rows[at - 1].frame)
		judge_fail(history->judge, "frame %" PRIu64 " came back in part",
		    history->rows[at].frame);
	if (at < history->count)
		judge_mark(history->judge, KIND_LOST_FRAMES);
	if (at > 0 && history->rows[at - 1].frame > durable_frame)
		judge_mark(history->judge, KIND_KEPT_FRAMES);
	rows_cut(history, at);
}
