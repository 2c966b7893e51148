/*
 * tests/junk: native frames that are well-formed, or damaged in the ways that a frame can be.
 *
 * All of it comes from the dice: the same seed is the same bytes. Include once, in the test
 * program, after wire.h.
 */
#ifndef TESTS_JUNK_H
#define TESTS_JUNK_H

/* An id that looks like a run's, now and then one that is none. */
static ProtobufCBinaryData
junk_id(struct dice *dice, uint8_t bytes[16])
{
	for (unsigned i = 0; i < 16; i++)
		bytes[i] = (uint8_t)dice_roll(dice);
	if (dice_below(dice, 4) != 0) {
		bytes[6] = (uint8_t)(0x70 | (bytes[6] & 15));
		bytes[8] = (uint8_t)(0x80 | (bytes[8] & 63));
		bytes[14] &= 0xfc;
		bytes[15] = (uint8_t)dice_below(dice, 3);
	}
	return (ProtobufCBinaryData){.len = dice_below(dice, 16) == 0 ? 15 : 16, .data = bytes};
}

static ProtobufCBinaryData
junk_json(struct dice *dice, char text[256])
{
	static const char *const texts[] = {"{}", "null", "[1,2,3]", "{\"a\":{\"b\":[]}}", "\"x\"",
	    "{", "[[[[[[[[[[[[[[[[", "\"\\ud800\"", "\xff\xfe", "1e999", "nul", "[1,]"};
	snprintf(text, 256, "%s", texts[dice_below(dice, sizeof(texts) / sizeof(texts[0]))]);
	return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
}

static void
junk_run(struct dice *dice, struct buf *to, uint64_t request, unsigned kind)
{
	uint8_t id[16];
	char json[256];
	Froe__RunStart start = FROE__RUN_START__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	Froe__RunWatch watch = FROE__RUN_WATCH__INIT;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	Froe__RunUnwatch unwatch = FROE__RUN_UNWATCH__INIT;
	Froe__RunCancelMany many = FROE__RUN_CANCEL_MANY__INIT;
	Froe__JobGet job = FROE__JOB_GET__INIT;
	ProtobufCBinaryData run = junk_id(dice, id);
	switch (kind) {
	case 0:
		start.workflow = (char[]){"junk"};
		start.has_input = 1;
		start.input = junk_json(dice, json);
		start.has_wait = start.wait = dice_below(dice, 2) == 0;
		start.has_priority = 1;
		start.priority = dice_below(dice, 6);
		start.has_run = dice_below(dice, 4) == 0;
		start.run = run;
		frame_push(to, request, FROE__ENVELOPE__BODY_RUN_START, &start);
		return;
	case 1:
		get.has_run = 1;
		get.run = run;
		frame_push(to, request, FROE__ENVELOPE__BODY_RUN_GET, &get);
		return;
	case 2:
		watch.has_run = 1;
		watch.run = run;
		watch.has_changes = watch.changes = 1;
		frame_push(to, request, FROE__ENVELOPE__BODY_RUN_WATCH, &watch);
		return;
	case 3:
		list.has_limit = 1;
		list.limit = dice_below(dice, 2000);
		list.has_before = 1;
		list.before = dice_roll(dice);
		list.has_position = dice_below(dice, 2) == 0;
		list.position = run;
		frame_push(to, request, FROE__ENVELOPE__BODY_RUN_LIST, &list);
		return;
	case 5:
		many.filter = &list;
		many.has_all = many.all = dice_below(dice, 2) == 0;
		list.worker = (char[]){"junk"};
		list.has_until_ns = 1;
		list.until_ns = dice_roll(dice) >> dice_below(dice, 64);
		frame_push(to, request, FROE__ENVELOPE__BODY_RUN_CANCEL_MANY, &many);
		return;
	case 6:
		job.has_job = job.has_wait_ms = 1;
		job.job = dice_below(dice, 5);
		job.wait_ms = dice_below(dice, 40000);
		frame_push(to, request, FROE__ENVELOPE__BODY_JOB_GET, &job);
		return;
	default:
		unwatch.has_watch = 1;
		unwatch.watch = dice_below(dice, 8);
		frame_push(to, request, FROE__ENVELOPE__BODY_RUN_UNWATCH, &unwatch);
	}
}

static void
junk_worker(struct dice *dice, struct buf *to, uint64_t request, unsigned kind)
{
	uint8_t id[16];
	char json[256], *actions[] = {(char[]){"junk:only"}};
	Froe__WorkerRegister worker = FROE__WORKER_REGISTER__INIT;
	Froe__TaskComplete complete = FROE__TASK_COMPLETE__INIT;
	Froe__TaskFail failed = FROE__TASK_FAIL__INIT;
	Froe__WorkerDrain leave = FROE__WORKER_DRAIN__INIT;
	Froe__Heartbeat beat = FROE__HEARTBEAT__INIT;
	switch (kind) {
	case 0:
		worker.has_id = 1;
		worker.id = junk_id(dice, id);
		worker.name = (char[]){"junk"};
		worker.n_actions = 1;
		worker.actions = actions;
		worker.has_slots = 1;
		worker.slots = dice_below(dice, 3) == 0 ? (uint32_t)dice_roll(dice) : 2;
		frame_push(to, request, FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker);
		return;
	case 1:
		complete.has_task = 1;
		complete.task = junk_id(dice, id);
		complete.has_lease = 1;
		complete.lease = dice_below(dice, 4);
		complete.has_output = 1;
		complete.output = junk_json(dice, json);
		frame_push(to, request, FROE__ENVELOPE__BODY_TASK_COMPLETE, &complete);
		return;
	case 2:
		failed.has_task = 1;
		failed.task = junk_id(dice, id);
		failed.has_lease = 1;
		failed.lease = 1;
		failed.error = (char[]){"junk \xc3\xa9"};
		frame_push(to, request, FROE__ENVELOPE__BODY_TASK_FAIL, &failed);
		return;
	case 3:
		leave.has_leave = leave.leave = 1;
		frame_push(to, request, FROE__ENVELOPE__BODY_WORKER_DRAIN, &leave);
		return;
	default:
		frame_push(to, request, FROE__ENVELOPE__BODY_HEARTBEAT, &beat);
	}
}

/* Something that a frame may hold where bytes, a string or a message belong. */
static void
junk_nested(struct dice *dice, struct buf *to, uint64_t request)
{
	uint8_t body[256] = {0x08, (uint8_t)request};
	size_t size = 2, deep = dice_below(dice, 60);
	static const uint8_t fields[] = {0x52, 0x5a, 0x62, 0x82, 0x92, 0xa2, 0x0b, 0xff};
	for (size_t i = 0; i < deep; i++) {
		uint8_t tag = fields[dice_below(dice, sizeof(fields))];
		body[size++] = tag;
		if ((tag & 0x80) != 0)
			body[size++] = 1;
		body[size++] = (uint8_t)(2 * (deep - i));
	}
	frame_raw(to, body, size);
}

/* A frame that may be damaged in one of the ways that a frame can. */
static void
junk_frame(struct dice *dice, struct buf *to, uint64_t request)
{
	static const uint32_t lengths[] = {0, 1, FROE_HELLO_BYTES_MAX, FROE_HELLO_BYTES_MAX + 1,
	    FROE_MESSAGE_BYTES_MAX, FROE_MESSAGE_BYTES_MAX + 1, 0x7fffffff, 0xffffffff};
	struct buf frame;
	unsigned kind = dice_below(dice, 13);
	buf_init(&frame);
	if (dice_below(dice, 8) == 0)
		request = dice_below(dice, 3); /* misused */
	if (kind < 7)
		junk_run(dice, &frame, request, kind);
	else if (kind < 12)
		junk_worker(dice, &frame, request, kind - 7);
	else
		junk_nested(dice, &frame, request);
	uint8_t *bytes = (uint8_t *)(uintptr_t)buf_bytes(&frame).data;
	size_t size = buf_used(&frame);
	switch (dice_below(dice, 8)) {
	case 0: /* bits of the message */
		for (unsigned n = dice_below(dice, 4); size > 4 && n < 4; n++)
			bytes[4 + dice_below(dice, (uint32_t)size - 4)] ^=
			    (uint8_t)(1u << dice_below(dice, 8));
		break;
	case 1: /* its end is missing */
		size = size > 5 ? 4 + dice_below(dice, (uint32_t)size - 4) : size;
		le32_store(bytes, (uint32_t)size - 4);
		break;
	case 2: /* its length is a lie */
		if (dice_below(dice, 3) == 0)
			le32_store(bytes, lengths[dice_below(dice, 8)]);
		break;
	default: /* good as it is */
		break;
	}
	buf_push(to, bytes, size);
	buf_release(&frame);
}

static void
junk_hello(struct dice *dice, struct buf *to)
{
	Froe__Hello hello = FROE__HELLO__INIT;
	hello.has_version = 1;
	hello.version = dice_below(dice, 16) == 0 ? 2 : 1;
	hello.tenant = (char[]){"junk"};
	hello.has_push_window = 1;
	hello.push_window = dice_roll(dice) >> dice_below(dice, 64);
	frame_push(to, 1, FROE__ENVELOPE__BODY_HELLO, &hello);
}

#endif
