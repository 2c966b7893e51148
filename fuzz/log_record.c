/*
 * server/record: the body of a log record, decoded, encoded again, printed. What decodes encodes to
 * something that decodes to the same; every line of a dump is one JSON object, every line of text
 * one line.
 *
 * Input: u16 type, u8 flags, u8 schema, the body.
 */
#include "fuzz/feed.h"

#include "base/json.h"
#include "server/record.h"

static void
check_codec(const struct log_record *record, const struct eng_event *event, struct arena *arena)
{
	struct buf first, second;
	struct eng_event again;
	struct froe_fault fault;
	struct log_record copy = *record;
	buf_init(&first);
	buf_init(&second);
	size_t size = record_encode(event, &first);
	froe_assert(size == buf_used(&first));
	copy.body = buf_bytes(&first);
	enum froe_err err = record_decode(&copy, arena, &again, &fault);
	froe_assert(err == FROE_OK);
	record_encode(&again, &second);
	froe_assert(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
	buf_release(&first);
	buf_release(&second);
}

static void
check_prints(const struct log_record *record)
{
	struct buf line;
	buf_init(&line);
	record_print_json(record, &line);
	froe_assert(buf_used(&line) > 0);
	froe_assert(json_valid(buf_bytes(&line).data, buf_used(&line), NULL));
	buf_reset(&line);
	record_print_text(record, &line);
	struct bytes text = buf_bytes(&line);
	froe_assert(text.size > 0);
	const uint8_t *end = memchr(text.data, '\n', text.size);
	froe_assert(end == NULL || end == text.data + text.size - 1);
	buf_release(&line);
}

static void
check_part(struct bytes part, struct bytes body)
{
	if (part.size == 0)
		return;
	froe_assert(part.data >= body.data);
	froe_assert(part.data + part.size <= body.data + body.size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	struct log_record record = {
	    .lsn.v = 8192,
	    .frame_seq = 1,
	    .event_seq = 1,
	    .epoch = 1,
	    .run_event_no = 1,
	    .run_key = 1,
	    .time_ns = 1,
	};
	struct eng_event event;
	struct froe_fault fault;
	struct arena arena;
	record.type = feed_u16(&feed);
	record.flags = feed_u8(&feed);
	record.schema = feed_u8(&feed);
	record.body = feed_take(&feed, feed.left);
	arena_init(&arena, (size_t)64 << 20);
	enum froe_err err = record_decode(&record, &arena, &event, &fault);
	froe_assert(err == FROE_OK || err == FROE_CORRUPT || err == FROE_INCOMPATIBLE);
	if (err == FROE_OK && event.type != 0)
		check_codec(&record, &event, &arena);
	check_part(record_payload(record.body), record.body);
	check_part(record_text(record.body), record.body);
	struct bytes head = record_head(record.body, &arena); /* in the body, or a copy */
	froe_assert(head.size <= record.body.size);
	froe_assert(head.size < record.body.size || record_payload(record.body).size == 0);
	check_prints(&record);
	arena_release(&arena);
	return 0;
}
