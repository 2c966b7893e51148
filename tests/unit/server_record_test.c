/*
 * The record codec: what each type carries comes back, what is damaged is told, and every line of
 * a dump is one JSON object.
 */
#include "server/record_int.h"

#include "api/definition.h"
#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What a type carries besides the header's members: written down here once more, because it is on
 * disk. */
static const struct {
	enum eng_event_type type;
	const char *name;
	const char *carries;
} types[] = {
    {ENG_EV_ENGINE_STARTED, "ENGINE_STARTED", " epoch downtime_ns "},
    {ENG_EV_TENANT_CREATED, "TENANT_CREATED", " tenant name "},
    {ENG_EV_WORKFLOW_PUT, "WORKFLOW_PUT", " tenant workflow version name payload "},
    {ENG_EV_RUN_STARTED, "RUN_STARTED",
        " deadline_ns priority tenant workflow version id payload metadata parent child_index"
        " child_key start_ns key key_until_ns "},
    {ENG_EV_RUN_DUE, "RUN_DUE", " deadline_ns priority version late "},
    {ENG_EV_TASK_QUEUED, "TASK_QUEUED", " task reason deadline_ns priority "},
    {ENG_EV_TASK_ASSIGNED, "TASK_ASSIGNED", " task lease attempt worker deadline_ns invocation "},
    {ENG_EV_TASK_COMPLETED, "TASK_COMPLETED", " task lease payload "},
    {ENG_EV_ATTEMPT_ENDED, "ATTEMPT_ENDED", " task lease reason text lapse_ns "},
    {ENG_EV_TASK_DELAYED, "TASK_DELAYED", " task reason worker deadline_ns retry_ns "},
    {ENG_EV_TASK_FAILED, "TASK_FAILED", " task reason "},
    {ENG_EV_TASK_CANCELLED, "TASK_CANCELLED", " task lease reason text actor lapse_ns "},
    {ENG_EV_TASK_SKIPPED, "TASK_SKIPPED", " task reason "},
    {ENG_EV_LEASE_REFRESHED, "LEASE_REFRESHED", " task lease deadline_ns "},
    {ENG_EV_RUN_CANCEL_REQUESTED, "RUN_CANCEL_REQUESTED", " reason text actor parent job "},
    {ENG_EV_RUN_CLOSED, "RUN_CLOSED", " status "},
    {ENG_EV_WORKER_REGISTERED, "WORKER_REGISTERED",
        " worker tenant id name slots incarnation actions types "},
    {ENG_EV_WORKER_ATTACHED, "WORKER_ATTACHED", " worker "},
    {ENG_EV_WORKER_DETACHED, "WORKER_DETACHED", " worker "},
    {ENG_EV_WORKER_DRAINING, "WORKER_DRAINING", " worker "},
    {ENG_EV_WORKER_LEAVING, "WORKER_LEAVING", " worker reason lapse_ns "},
    {ENG_EV_WORKER_LEFT, "WORKER_LEFT", " worker "},
    {ENG_EV_NODE_WAITED, "NODE_WAITED",
        " task lease text node fingerprint conditions data approval "},
    {ENG_EV_MEMO_PUT, "MEMO_PUT", " task lease text payload node fingerprint "},
    {ENG_EV_NODE_SATISFIED, "NODE_SATISFIED",
        " task reason payload metadata node which number child "},
    {ENG_EV_CHILD_SPAWNED, "CHILD_SPAWNED", " task lease text node fingerprint child "},
    {ENG_EV_TASK_EVICTED, "TASK_EVICTED", " task lease node lapse_ns "},
    {ENG_EV_EVENT_PUSHED, "EVENT_PUSHED", " tenant name payload metadata actor number "},
    {ENG_EV_APPROVAL_DECIDED, "APPROVAL_DECIDED",
        " task text actor node which approval approved "},
    {ENG_EV_RATE_LIMIT_PUT, "RATE_LIMIT_PUT", " tenant key limit window "},
    {ENG_EV_TOKEN_CREATED, "TOKEN_CREATED",
        " deadline_ns name actions actor kid digest scope roles "},
    {ENG_EV_TOKEN_REVOKED, "TOKEN_REVOKED", " actor kid "},
    {ENG_EV_WORKFLOW_PAUSED, "WORKFLOW_PAUSED", " tenant workflow text actor kind "},
    {ENG_EV_WORKFLOW_RESUMED, "WORKFLOW_RESUMED", " tenant workflow text actor "},
    {ENG_EV_WORKFLOW_DELETED, "WORKFLOW_DELETED", " tenant workflow text actor "},
    {ENG_EV_WORKER_PAUSED, "WORKER_PAUSED", " worker text actor "},
    {ENG_EV_WORKER_RESUMED, "WORKER_RESUMED", " worker text actor "},
    {ENG_EV_TASK_BEGUN, "TASK_BEGUN", " task lease "},
    {ENG_EV_SLOTS_RELEASED, "SLOTS_RELEASED", " task lease "},
    {ENG_EV_LEASES_DROPPED, "LEASES_DROPPED", " worker payload "},
    {ENG_EV_LEASE_ENDED, "LEASE_ENDED", " task lease "},
    {ENG_EV_RUN_REPLAYED, "RUN_REPLAYED",
        " deadline_ns priority tenant workflow version id text payload metadata parent actor kept "
        "nodes places created_ns input from chunks job "},
    {ENG_EV_JOB_STARTED, "JOB_STARTED",
        " tenant name text payload actor job cursor kind descend "},
    {ENG_EV_JOB_ADVANCED, "JOB_ADVANCED", " job cursor refusal "},
    {ENG_EV_JOB_ENDED, "JOB_ENDED", " text status actor job "},
    {ENG_EV_TASK_LOGGED, "TASK_LOGGED", " task lease attempt text "},
    {ENG_EV_TASK_STREAMED, "TASK_STREAMED", " task lease attempt payload "},
    {ENG_EV_LATE_LOGGED, "LATE_LOGGED", " task attempt tenant id text "},
};
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

static uint64_t
dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 24;
}

static struct bytes
definition_bytes(struct arena *arena)
{
	Froe__TaskDefinition task = FROE__TASK_DEFINITION__INIT;
	Froe__TaskDefinition *tasks[] = {&task};
	Froe__WorkflowDefinition proto = FROE__WORKFLOW_DEFINITION__INIT;
	char name[] = "mail", task_name[] = "send";
	task.name = task_name;
	proto.name = name;
	proto.tasks = tasks;
	proto.n_tasks = 1;
	const struct eng_definition *definition = definition_from_proto(&proto, arena);
	assert_non_null(definition);
	return definition->encoded;
}

/* Every member set to something that is not its default. */
static struct eng_event
event_full(enum eng_event_type type, struct arena *arena)
{
	static const struct bytes actions[] = {
	    {(const uint8_t *)"mail:send", 9}, {(const uint8_t *)"", 0},
	    {(const uint8_t *)"b", 1},
	};
	struct eng_event event = {
	    .type = type,
	    .time_ns = 1700000000000000001u,
	    .run = 77,
	    .run_event_no = 12,
	    .task = 999,
	    .attempt = UINT32_MAX,
	    .lease = UINT64_MAX,
	    .worker = UINT64_MAX - 1,
	    .tenant = 3,
	    .workflow = 4,
	    .version = 5,
	    .priority = 2,
	    .slots = 10000,
	    .reason = ENG_REASON_TIMED_OUT,
	    .status = ENG_CANCELLED,
	    .deadline_ns = UINT64_MAX - 2,
	    .incarnation = 0x8000000000000000u,
	    .epoch = 9,
	    .downtime_ns = 10,
	    .name = bytes_text("n\xc3\xa4me"),
	    .text = bytes_text("a \"text\"\nof two lines"),
	    .payload = bytes_text("{\"a\":\n[1, 2],\r\n\"b\":\"\\n\"}"),
	    .actions = actions,
	    .action_count = 3,
	    .kid = (UINT64_C(1) << 50) - 1,
	    .digest = bytes_text("\x01\xff\x80"),
	    .scope = bytes_text("*"),
	    .roles = 9,
	    .metadata = actions,
	    .metadata_count = 3,
	    .actor = bytes_text("ann"),
	    .node = 10000,
	    .which = 15,
	    .invocation = 4,
	    .approved = 1,
	    .fingerprint = UINT64_MAX - 3,
	    .number = UINT64_MAX - 4,
	    .approval = UINT64_MAX - 5,
	    .conditions = actions,
	    .condition_count = 3,
	    .data = actions,
	    .data_count = 2,
	    .child_index = UINT32_MAX - 1,
	    .child_key = bytes_text("child"),
	    .start_ns = 12,
	    .key = bytes_text("key"),
	    .key_until_ns = UINT64_MAX,
	    .late = 1,
	    .types = actions,
	    .type_count = 3,
	    .lapse_ns = UINT64_MAX - 3,
	    .retry_ns = UINT64_MAX - 4,
	};
	memset(event.parent.bytes, 0x5a, sizeof(event.parent.bytes));
	memset(event.child.bytes, 0x5a, sizeof(event.child.bytes));
	memset(event.id.bytes, 0xa5, sizeof(event.id.bytes));
	if (type == ENG_EV_WORKFLOW_PUT)
		event.payload = definition_bytes(arena);
	return event;
}

static struct log_record
record_of(const struct eng_event *event, struct bytes body)
{
	return (struct log_record){
	    .lsn.v = 0x100002000,
	    .frame_seq = 5,
	    .event_seq = 6,
	    .epoch = 1,
	    .type = (uint16_t)event->type,
	    .run_event_no = event->run_event_no,
	    .run_key = event->run,
	    .time_ns = event->time_ns,
	    .body = body,
	};
}

static bool
carries(size_t type, const char *member)
{
	char padded[32];
	snprintf(padded, sizeof(padded), " %s ", member);
	return strstr(types[type].carries, padded) != NULL;
}

static void
assert_bytes_equal(struct bytes a, struct bytes b)
{
	assert_int_equal(a.size, b.size);
	assert_true(bytes_equal(a, b));
}

#define EXPECT_NUMBER(member)                                                                      \
	assert_true(got->member == (carries(type, #member) ? put->member : 0))
#define EXPECT_BYTES(member)                                                                       \
	assert_bytes_equal(got->member, carries(type, #member) ? put->member : bytes_of(NULL, 0))

static void
expect_same(size_t type, const struct eng_event *put, const struct eng_event *got)
{
	assert_int_equal(got->type, put->type);
	assert_true(got->time_ns == put->time_ns);
	assert_true(got->run == put->run);
	assert_int_equal(got->run_event_no, put->run_event_no);
	EXPECT_NUMBER(task);
	EXPECT_NUMBER(attempt);
	EXPECT_NUMBER(lease);
	EXPECT_NUMBER(worker);
	EXPECT_NUMBER(tenant);
	EXPECT_NUMBER(workflow);
	EXPECT_NUMBER(version);
	EXPECT_NUMBER(priority);
	EXPECT_NUMBER(slots);
	EXPECT_NUMBER(reason);
	EXPECT_NUMBER(status);
	EXPECT_NUMBER(deadline_ns);
	EXPECT_NUMBER(incarnation);
	EXPECT_NUMBER(epoch);
	EXPECT_NUMBER(downtime_ns);
	EXPECT_NUMBER(node);
	EXPECT_NUMBER(which);
	EXPECT_NUMBER(invocation);
	EXPECT_NUMBER(approved);
	EXPECT_NUMBER(fingerprint);
	EXPECT_NUMBER(number);
	EXPECT_NUMBER(approval);
	EXPECT_NUMBER(kid);
	EXPECT_NUMBER(roles);
	struct uuid nil = {{0}};
	assert_true(uuid_equal(got->child, carries(type, "child") ? put->child : nil));
	EXPECT_BYTES(actor);
	EXPECT_BYTES(digest);
	EXPECT_BYTES(scope);
	EXPECT_NUMBER(lapse_ns);
	EXPECT_NUMBER(retry_ns);
	assert_int_equal(got->type_count, carries(type, "types") ? put->type_count : 0);
	for (uint32_t i = 0; i < got->type_count; i++)
		assert_bytes_equal(got->types[i], put->types[i]);
	EXPECT_BYTES(name);
	EXPECT_BYTES(text);
	EXPECT_BYTES(payload);
	EXPECT_NUMBER(child_index);
	EXPECT_NUMBER(start_ns);
	EXPECT_NUMBER(key_until_ns);
	EXPECT_NUMBER(late);
	EXPECT_BYTES(child_key);
	EXPECT_BYTES(key);
	EXPECT_BYTES(actor);
	struct uuid parent = carries(type, "parent") ? put->parent : (struct uuid){0};
	assert_true(uuid_equal(got->parent, parent));
	assert_true(uuid_is_nil(got->id) != carries(type, "id"));
	if (carries(type, "id"))
		assert_true(uuid_equal(got->id, put->id));
	assert_int_equal(got->action_count, carries(type, "actions") ? put->action_count : 0);
	for (uint32_t i = 0; i < got->action_count; i++)
		assert_bytes_equal(got->actions[i], put->actions[i]);
	assert_int_equal(
	    got->metadata_count, carries(type, "metadata") ? put->metadata_count : 0);
	for (uint32_t i = 0; i < got->metadata_count; i++)
		assert_bytes_equal(got->metadata[i], put->metadata[i]);
	assert_int_equal(
	    got->condition_count, carries(type, "conditions") ? put->condition_count : 0);
	for (uint32_t i = 0; i < got->condition_count; i++)
		assert_bytes_equal(got->conditions[i], put->conditions[i]);
	assert_int_equal(got->data_count, carries(type, "data") ? put->data_count : 0);
	for (uint32_t i = 0; i < got->data_count; i++)
		assert_bytes_equal(got->data[i], put->data[i]);
}

/* A head decodes to the event without its payload, wherever the payload stands in the body. */
static void
test_record__head_drops_the_payload(void **state)
{
	struct arena arena;
	struct buf body;
	(void)state;
	arena_init(&arena, 0);
	buf_init(&body);
	for (size_t type = 0; type < TYPE_COUNT; type++) {
		struct eng_event put = event_full(types[type].type, &arena), got;
		struct froe_fault fault;
		if (!carries(type, "payload") || put.type == ENG_EV_WORKFLOW_PUT)
			continue;
		buf_reset(&body);
		FROE_DROP(record_encode(&put, &body), "its size is the buffer's");
		struct bytes whole = buf_bytes(&body), head = record_head(whole, &arena);
		assert_true(head.size < whole.size - put.payload.size);
		struct log_record record = record_of(&put, head);
		assert_int_equal(record_decode(&record, &arena, &got, &fault), FROE_OK);
		put.payload = bytes_of(NULL, 0);
		expect_same(type, &put, &got);
		struct bytes again = record_head(head, &arena); /* nothing to drop */
		assert_true(again.data == head.data && again.size == head.size);
	}
	arena_release(&arena);
	buf_release(&body);
}

/* protobuf-c reads the body, and packs what it has read to the same bytes. */
static void
expect_proto(uint16_t type, struct bytes body)
{
	const ProtobufCMessageDescriptor *descriptor = record_descriptor(type);
	ProtobufCMessage *message =
	    protobuf_c_message_unpack(descriptor, NULL, body.size, body.data);
	assert_non_null(message);
	assert_int_equal(message->n_unknown_fields, 0);
	struct bytes packed = {.size = protobuf_c_message_get_packed_size(message)};
	uint8_t *to = mem_alloc(packed.size);
	assert_int_equal(protobuf_c_message_pack(message, to), packed.size);
	packed.data = to;
	assert_bytes_equal(packed, body);
	mem_free(to);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void
test_record__every_type_comes_back(void **state)
{
	struct arena arena;
	struct buf body;
	(void)state;
	arena_init(&arena, 0);
	buf_init(&body);
	for (size_t type = 0; type < TYPE_COUNT; type++) {
		struct eng_event put = event_full(types[type].type, &arena), got;
		struct froe_fault fault;
		buf_reset(&body);
		buf_push_text(&body, "before"); /* encode appends */
		size_t size = record_encode(&put, &body);
		assert_int_equal(buf_used(&body), 6 + size);
		assert_true(size <= record_size_max(&put));
		struct log_record record = record_of(&put, bytes_of(body.data + 6, size));
		assert_int_equal(record_decode(&record, &arena, &got, &fault), FROE_OK);
		expect_same(type, &put, &got);
		expect_proto(record.type, record.body);
		assert_bytes_equal(record_payload(record.body), got.payload);
		assert_bytes_equal(record_text(record.body), got.text);
		assert_string_equal(record_type_name((uint16_t)put.type), types[type].name);
		assert_int_equal(got.definition != NULL, put.type == ENG_EV_WORKFLOW_PUT);
		arena_reset(&arena);
	}
	buf_release(&body);
	arena_release(&arena);
}

/* Zero members take no room, and come back as zero. */
static void
test_record__empty_members(void **state)
{
	struct arena arena;
	struct buf body;
	(void)state;
	arena_init(&arena, 0);
	buf_init(&body);
	for (size_t type = 0; type < TYPE_COUNT; type++) {
		struct eng_event put = {.type = types[type].type}, got;
		struct froe_fault fault;
		buf_reset(&body);
		memset(put.id.bytes, 7, sizeof(put.id.bytes));
		size_t size = record_encode(&put, &body);
		assert_int_equal(size, carries(type, "id") ? 18 : 0);
		struct log_record record = record_of(&put, buf_bytes(&body));
		enum froe_err err = record_decode(&record, &arena, &got, &fault);
		if (put.type != ENG_EV_WORKFLOW_PUT) /* an empty definition is one, of no tasks */
			assert_int_equal(err, FROE_OK);
		expect_same(type, &put, &got);
		arena_reset(&arena);
	}
	buf_release(&body);
	arena_release(&arena);
}

static void
test_record__many_actions(void **state)
{
	struct bytes actions[1000];
	struct eng_event put = {.type = ENG_EV_WORKER_REGISTERED, .actions = actions,
	    .action_count = 1000}, got;
	struct froe_fault fault;
	struct arena arena;
	struct buf body;
	(void)state;
	for (size_t i = 0; i < 1000; i++)
		actions[i] = bytes_of("0123456789abcdef", i % 17);
	arena_init(&arena, 0);
	buf_init(&body);
	record_encode(&put, &body);
	struct log_record record = record_of(&put, buf_bytes(&body));
	assert_int_equal(record_decode(&record, &arena, &got, &fault), FROE_OK);
	assert_int_equal(got.action_count, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_bytes_equal(got.actions[i], actions[i]);
	buf_release(&body);
	arena_release(&arena);
}

static void
test_record__unknown_types(void **state)
{
	static const uint16_t required[] = {0, 255, 4000, 0x7fff};
	static const uint16_t optional[] = {0x8000, 0x8fff, 0xffff};
	struct log_record record = {.lsn.v = 0xabc, .body = bytes_text("anything at all")};
	struct froe_fault fault = {0};
	struct eng_event event;
	struct arena arena;
	(void)state;
	arena_init(&arena, 0);
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		record.type = optional[i];
		assert_int_equal(record_decode(&record, &arena, &event, &fault), FROE_OK);
		assert_int_equal(event.type, 0);
		assert_null(record_type_name(record.type));
	}
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		record.type = required[i];
		assert_int_equal(record_decode(&record, &arena, &event, &fault),
		    FROE_INCOMPATIBLE);
		assert_int_equal(fault.code, FROE_INCOMPATIBLE);
		assert_non_null(strstr(fault.text, "abc"));
	}
	arena_release(&arena);
}

static void
test_record__wrong_bodies_are_told(void **state)
{
	static const struct {
		uint16_t type;
		struct bytes body;
	} rows[] = {
	    {ENG_EV_TASK_QUEUED, {(const uint8_t *)"\x08", 1}},              /* cut varint */
	    {ENG_EV_TASK_COMPLETED, {(const uint8_t *)"\x72\x05" "abcd", 6}}, /* cut payload */
	    {ENG_EV_RUN_STARTED, {(const uint8_t *)"", 0}},                  /* no id */
	    {ENG_EV_RUN_STARTED, {(const uint8_t *)"\x5a\x02" "ab", 4}},     /* a short id */
	    {ENG_EV_WORKFLOW_PUT, {(const uint8_t *)"\x72\x02\xff\xff", 4}}, /* no definition */
	};
	struct froe_fault fault;
	struct eng_event event;
	struct arena arena;
	(void)state;
	arena_init(&arena, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct log_record record = {.type = rows[i].type, .body = rows[i].body};
		fault = (struct froe_fault){0};
		assert_int_equal(record_decode(&record, &arena, &event, &fault), FROE_CORRUPT);
		assert_int_not_equal(fault.text[0], 0);
	}
	arena_release(&arena);
}

static void
print_and_check(const struct log_record *record, struct buf *line)
{
	size_t at;
	buf_reset(line);
	record_print_json(record, line);
	assert_int_equal(line->data[buf_used(line) - 1], '\n');
	if (!json_valid(line->data, buf_used(line) - 1, &at))
		fail_msg("not JSON at byte %zu: %.*s", at, (int)buf_used(line), (char *)line->data);
	assert_null(memchr(line->data, '\n', buf_used(line) - 1));
	assert_null(memchr(line->data, '\r', buf_used(line)));
	buf_reset(line);
	record_print_text(record, line);
	assert_ptr_equal(memchr(line->data, '\n', buf_used(line)),
	    line->data + buf_used(line) - 1);
}

/* What protobuf-c does not take for a message is refused. */
static bool
proto_takes(uint16_t type, struct bytes body)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(record_descriptor(type), NULL,
	    body.size, body.data);
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
	return message != NULL;
}

/* Bodies of dice, and good bodies with bytes changed or cut. */
static void
test_record__garbage_never_crashes(void **state)
{
	struct arena arena;
	struct buf body, line;
	uint64_t seed = 1;
	size_t refused = 0, taken = 0;
	(void)state;
	arena_init(&arena, 0);
	buf_init(&body);
	buf_init(&line);
	for (size_t round = 0; round < 6000; round++) {
		size_t type = dice(&seed) % TYPE_COUNT;
		struct eng_event event = event_full(types[type].type, &arena), got;
		struct froe_fault fault;
		buf_reset(&body);
		record_encode(&event, &body);
		size_t size = dice(&seed) % 2 != 0 ? buf_used(&body)
		                                   : dice(&seed) % (buf_used(&body) + 1);
		for (uint64_t i = dice(&seed) % 4; i > 0 && size > 0; i--)
			body.data[dice(&seed) % size] = (uint8_t)dice(&seed);
		if (round % 4 == 0) {
			for (size_t i = 0; i < size; i++)
				body.data[i] = (uint8_t)dice(&seed);
		}
		/* In a block of its own, so that a read past its end is seen. */
		uint8_t *own = mem_copy(body.data, size);
		struct log_record record = record_of(&event, bytes_of(own, size));
		enum froe_err err = record_decode(&record, &arena, &got, &fault);
		refused += err != FROE_OK ? 1 : 0;
		taken += err == FROE_OK ? 1 : 0;
		assert_true(err != FROE_OK || proto_takes(record.type, record.body));
		struct bytes payload = record_payload(record.body);
		struct bytes text = record_text(record.body);
		assert_true(payload.size <= size && text.size <= size);
		print_and_check(&record, &line);
		mem_free(own);
		arena_reset(&arena);
	}
	assert_true(refused > 500);
	assert_true(taken > 500);
	buf_release(&body);
	buf_release(&line);
	arena_release(&arena);
}

static bool
printed(struct buf *line, const char *part)
{
	*buf_reserve(line, 1) = 0;
	return strstr((const char *)line->data, part) != NULL;
}

static void
test_record__prints_members(void **state)
{
	struct eng_event event;
	struct arena arena;
	struct buf body, line;
	(void)state;
	arena_init(&arena, 0);
	buf_init(&body);
	buf_init(&line);
	event = event_full(ENG_EV_TASK_COMPLETED, &arena);
	record_encode(&event, &body);
	struct log_record record = record_of(&event, buf_bytes(&body));
	print_and_check(&record, &line);
	buf_reset(&line);
	record_print_json(&record, &line);
	assert_true(printed(&line, "\"position\":\"0000000100002000\""));
	assert_true(printed(&line, "\"type\":\"TASK_COMPLETED\""));
	assert_true(printed(&line, "\"run\":77,\"record\":12"));
	assert_true(printed(&line, "\"task\":999"));
	assert_true(printed(&line, "\"lease\":18446744073709551615"));
	assert_true(printed(&line, "\"payload\":{\"a\": [1, 2],  \"b\":\"\\n\"}"));
	buf_reset(&line);
	record_print_text(&record, &line);
	assert_true(printed(&line, " TASK_COMPLETED run=77.12 task=999 "));

	event = event_full(ENG_EV_RUN_CLOSED, &arena);
	event.status = ENG_QUEUED; /* printed though it is 0 */
	buf_reset(&body);
	record_encode(&event, &body);
	record = record_of(&event, buf_bytes(&body));
	buf_reset(&line);
	record_print_json(&record, &line);
	assert_true(printed(&line, "\"status\":\"QUEUED\""));
	event.status = 77;
	buf_reset(&body);
	record_encode(&event, &body);
	record = record_of(&event, buf_bytes(&body));
	print_and_check(&record, &line);
	buf_release(&body);
	buf_release(&line);
	arena_release(&arena);
}

/* What is not JSON, and what is not text, is still a JSON line. */
static void
test_record__prints_anything(void **state)
{
	static const struct bytes odd[] = {
	    {(const uint8_t *)"\xff\xfe", 2}, {(const uint8_t *)"a\0b", 3},
	    {(const uint8_t *)"\x01\x1f\x7f\"\\", 5}, {(const uint8_t *)"{\"open\":", 8},
	    {(const uint8_t *)" 1 ", 3}, {(const uint8_t *)"\r\n{}\r\n", 6},
	};
	struct buf body, line;
	(void)state;
	buf_init(&body);
	buf_init(&line);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct eng_event completed = {.type = ENG_EV_TASK_COMPLETED, .run = 1,
		    .run_event_no = 3, .payload = odd[i]};
		struct eng_event logged = {.type = ENG_EV_TASK_LOGGED, .text = odd[i],
		    .time_ns = UINT64_MAX};
		buf_reset(&body);
		record_encode(&completed, &body);
		struct log_record record = record_of(&completed, buf_bytes(&body));
		print_and_check(&record, &line);
		buf_reset(&body);
		record_encode(&logged, &body);
		record = record_of(&logged, buf_bytes(&body));
		print_and_check(&record, &line);
	}
	struct log_record unknown = {.type = 0x8123, .body = bytes_text("?")};
	print_and_check(&unknown, &line);
	assert_true(printed(&line, "TYPE_33059"));
	unknown.type = 100;
	print_and_check(&unknown, &line);
	assert_true(printed(&line, "newer version"));
	buf_release(&body);
	buf_release(&line);
}

/* A field that comes twice: the last one counts, here as in decoding. */
static void
test_record__last_field_counts(void **state)
{
	static const uint8_t twice[] = "\x72\x01" "a" "\x6a\x01" "x" "\x72\x02" "bc" "\x6a\x01" "y";
	struct log_record record = {.type = ENG_EV_TASK_LOGGED,
	    .body = bytes_of(twice, sizeof(twice) - 1)};
	struct froe_fault fault;
	struct eng_event event;
	struct arena arena;
	(void)state;
	arena_init(&arena, 0);
	assert_bytes_equal(record_payload(record.body), bytes_text("bc"));
	assert_bytes_equal(record_text(record.body), bytes_text("y"));
	assert_int_equal(record_decode(&record, &arena, &event, &fault), FROE_OK);
	assert_bytes_equal(event.text, bytes_text("y"));
	assert_int_equal(record_payload(bytes_of(NULL, 0)).size, 0);
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_record__head_drops_the_payload),
	    cmocka_unit_test(test_record__every_type_comes_back),
	    cmocka_unit_test(test_record__empty_members),
	    cmocka_unit_test(test_record__many_actions),
	    cmocka_unit_test(test_record__unknown_types),
	    cmocka_unit_test(test_record__wrong_bodies_are_told),
	    cmocka_unit_test(test_record__garbage_never_crashes),
	    cmocka_unit_test(test_record__prints_members),
	    cmocka_unit_test(test_record__prints_anything),
	    cmocka_unit_test(test_record__last_field_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
