/*
 * A task is made of its Dispatch as it came: the body is copied whole behind the struct, and what
 * the struct points to lies in that copy. Text is moved there by one byte to the front, over its
 * length, which has been read, so that there is room for a zero behind it. Rows (parents, failures,
 * metadata, steps) are arrays of their own, since few tasks have any.
 *
 * The tasks of a worker are found by id in a row of chains, the newest lease of a task first. A
 * task that is freed is kept for the next one: its block, and the room for an output.
 */
#include "client/worker_int.h"

#include "client/field.h"

#include "base/hash.h"
#include "base/mem.h"

#include <unistd.h>

#define ROWS_MIN 16u
#define ROWS_MAX 4096u
#ifdef FROE_SLOW
#define BLOCK_MIN 1u /* sanitizers see each task come from the heap, and go there */
#define KEPT_MAX 0u
#else
#define BLOCK_MIN 256u /* most bodies are smaller */
#define KEPT_MAX 4096u /* of a block and of an output that are kept */
#endif

/* What a Dispatch is made of, by the numbers of its fields in proto/native.proto. */
enum {
	DISPATCH_TASK = FIELD_CONTENT(1),
	DISPATCH_LEASE = FIELD_NUMBER(2),
	DISPATCH_ACTION = FIELD_CONTENT(3),
	DISPATCH_WORKFLOW = FIELD_CONTENT(4),
	DISPATCH_NAME = FIELD_CONTENT(5),
	DISPATCH_ATTEMPT = FIELD_NUMBER(6),
	DISPATCH_RETRIES = FIELD_NUMBER(7),
	DISPATCH_TIMEOUT_MS = FIELD_NUMBER(8),
	DISPATCH_INPUT = FIELD_CONTENT(9),
	DISPATCH_PARENT = FIELD_CONTENT(10),
	DISPATCH_ERROR = FIELD_CONTENT(11),
	DISPATCH_RUN = FIELD_CONTENT(12),
	DISPATCH_METADATA = FIELD_CONTENT(20),
	DISPATCH_INVOCATION = FIELD_NUMBER(30),
	DISPATCH_DURABLE = FIELD_NUMBER(31),
	DISPATCH_NODE = FIELD_CONTENT(32),
	DISPATCH_DELIVERY = FIELD_NUMBER(40),
	PARENT_TASK = FIELD_CONTENT(1),
	PARENT_OUTPUT = FIELD_CONTENT(2),
	PARENT_OMITTED = FIELD_NUMBER(3),
	PARENT_SKIPPED = FIELD_NUMBER(4),
	ERROR_TASK = FIELD_CONTENT(1),
	ERROR_TEXT = FIELD_CONTENT(2),
	PAIR_KEY = FIELD_CONTENT(1),
	PAIR_VALUE = FIELD_CONTENT(2),
	NODE_NUMBER = FIELD_NUMBER(3),
	NODE_FINGERPRINT = FIELD_NUMBER(14),
};

/* ------------------------------------------------------------------------------------- reading */

/* The field lies in a task's own copy. */
static const char *
text_take(const struct field *field)
{
	char *text = (char *)(uintptr_t)field->content - 1;
	memmove(text, text + 1, field->value);
	text[field->value] = 0;
	return text;
}

static void
id_take(const struct field *field, struct froe_id *ret_id)
{
	if (field->value == sizeof(ret_id->bytes))
		memcpy(ret_id->bytes, field->content, sizeof(ret_id->bytes));
}

/* Room for a row more: an array has as many rows as the next power of two. */
static void *
rows_reserve(void *rows, size_t count, size_t size)
{
	bool full = (count & (count - 1)) == 0;
	return full ? mem_resize(rows, (count > 0 ? 2 * count : 1) * size) : rows;
}

static bool
parent_read(struct froe_task *task, struct bytes body)
{
	struct field field = fields_of(body);
	struct task_parent parent = {.name = ""};
	while (field_next(&field)) {
		if (field.tag == PARENT_TASK)
			parent.name = text_take(&field);
		else if (field.tag == PARENT_OUTPUT)
			parent.output = (struct froe_bytes){field.content, field.value};
		else if (field.tag == PARENT_OMITTED)
			parent.omitted = field.value != 0;
		else if (field.tag == PARENT_SKIPPED)
			parent.skipped = field.value != 0;
	}
	task->parents = rows_reserve(task->parents, task->parent_count, sizeof(parent));
	task->parents[task->parent_count++] = parent;
	return fields_read(&field);
}

static bool
failure_read(struct froe_task *task, struct bytes body)
{
	struct field field = fields_of(body);
	struct task_failure failure = {.task = "", .error = ""};
	while (field_next(&field)) {
		if (field.tag == ERROR_TASK)
			failure.task = text_take(&field);
		else if (field.tag == ERROR_TEXT)
			failure.error = text_take(&field);
	}
	task->failures = rows_reserve(task->failures, task->failure_count, sizeof(failure));
	task->failures[task->failure_count++] = failure;
	return fields_read(&field);
}

static bool
metadata_read(struct froe_task *task, struct bytes body)
{
	struct field field = fields_of(body);
	struct froe_pair pair = {.key = "", .value = ""};
	while (field_next(&field)) {
		if (field.tag == PAIR_KEY)
			pair.key = text_take(&field);
		else if (field.tag == PAIR_VALUE)
			pair.value = text_take(&field);
	}
	task->metadata = rows_reserve(task->metadata, task->metadata_count, sizeof(pair));
	task->metadata[task->metadata_count++] = pair;
	return fields_read(&field);
}

/* The rest of it is looked at when the handler takes the step. */
static bool
known_read(struct froe_task *task, struct bytes body)
{
	struct field field = fields_of(body);
	struct task_known known = {.done = body};
	while (field_next(&field)) {
		if (field.tag == NODE_NUMBER)
			known.node = (uint32_t)field.value;
		else if (field.tag == NODE_FINGERPRINT)
			known.fingerprint = field.value;
	}
	task->known = rows_reserve(task->known, task->known_count, sizeof(known));
	task->known[task->known_count++] = known;
	return fields_read(&field);
}

static bool
rows_read(struct froe_task *task, const struct field *field)
{
	switch (field->tag) {
	case DISPATCH_PARENT:
		return parent_read(task, field_bytes(field));
	case DISPATCH_ERROR:
		return failure_read(task, field_bytes(field));
	case DISPATCH_METADATA:
		return metadata_read(task, field_bytes(field));
	case DISPATCH_NODE:
		return known_read(task, field_bytes(field));
	default:
		return true; /* a newer server's */
	}
}

static void
timeout_take(struct froe_task *task, uint64_t timeout_ms)
{
	if (timeout_ms > 0 && timeout_ms < UINT64_MAX / 2000000u)
		task->deadline_ns = clock_now_ns() + timeout_ms * 1000000u;
}

/* A table: one row a field. */
static bool
task_read(struct froe_task *task, struct bytes body)
{
	struct field field = fields_of(body);
	while (field_next(&field)) {
		switch (field.tag) {
		case DISPATCH_TASK:
			id_take(&field, &task->id);
			break;
		case DISPATCH_LEASE:
			task->lease = field.value;
			break;
		case DISPATCH_ACTION:
			task->action = text_take(&field);
			break;
		case DISPATCH_WORKFLOW:
			task->workflow = text_take(&field);
			break;
		case DISPATCH_NAME:
			task->name = text_take(&field);
			break;
		case DISPATCH_ATTEMPT:
			task->attempt = (uint32_t)field.value;
			break;
		case DISPATCH_RETRIES:
			task->retries = (uint32_t)field.value;
			break;
		case DISPATCH_TIMEOUT_MS:
			timeout_take(task, field.value);
			break;
		case DISPATCH_INPUT:
			task->input = (struct froe_bytes){field.content, field.value};
			break;
		case DISPATCH_RUN:
			id_take(&field, &task->run);
			break;
		case DISPATCH_INVOCATION:
			task->invocation = field.value != 0 ? (uint32_t)field.value : 1;
			break;
		case DISPATCH_DURABLE:
			task->durable = field.value != 0;
			break;
		case DISPATCH_DELIVERY:
			task->exactly_once = field.value == FROE__DELIVERY__EXACTLY_ONCE;
			break;
		default:
			if (!rows_read(task, &field))
				return false;
		}
	}
	return fields_read(&field);
}

/* -------------------------------------------------------------------------------------- memory */

/* A kept one, made larger if it has to be. */
static struct froe_task *
task_take(struct froe_worker *worker, size_t size)
{
	struct froe_task *task = worker->kept;
	size = size > BLOCK_MIN ? size : BLOCK_MIN;
	if (task == NULL) {
		task = mem_alloc(sizeof(*task) + size);
		*task = (struct froe_task){.capacity = size};
		return task;
	}
	worker->kept = task->next;
	if (task->capacity < size) {
		task = mem_resize(task, sizeof(*task) + size);
		task->capacity = size;
	}
	return task;
}

/* What it says, and where it is, is gone; nothing but memory is kept. */
static void
task_keep(struct froe_worker *worker, struct froe_task *task)
{
	if (task->capacity <= KEPT_MAX && task->output_capacity <= KEPT_MAX) {
		task->next = worker->kept;
		worker->kept = task;
		return;
	}
	mem_free(task->output);
	mem_free(task);
}

void
held_release(struct froe_worker *worker)
{
	struct froe_task *task;
	froe_assert(list_empty(&worker->tasks));
	while ((task = worker->kept) != NULL) {
		worker->kept = task->next;
		mem_free(task->output);
		mem_free(task);
	}
	mem_free(worker->rows);
}

void
held_drop(struct froe_task *task)
{
	for (size_t i = 0; i < task->parent_count; i++)
		mem_free(task->parents[i].fetched);
	mem_free(task->parents);
	mem_free(task->failures);
	mem_free(task->metadata);
	mem_free(task->known);
	mem_free(task->error);
	task_keep(task->worker, task);
}

/* Of what it was, the memory is left. */
static void
task_init(struct froe_worker *worker, struct froe_task *task)
{
	size_t capacity = task->capacity, output_capacity = task->output_capacity;
	void *output = task->output;
	memset(task, 0, sizeof(*task));
	task->capacity = capacity;
	task->output_capacity = output_capacity;
	task->output = output;
	task->worker = worker;
	task->state = TASK_QUEUED;
	task->fd = -1;
	task->name = task->action = task->workflow = "";
	task->invocation = 1;
	task->deadline_ns = task->stop_by_ns = UINT64_MAX;
}

struct froe_task *
held_new(struct froe_worker *worker, struct bytes body)
{
	struct froe_task *task = task_take(worker, body.size);
	task_init(worker, task);
	if (body.size > 0)
		memcpy(task->block, body.data, body.size);
	if (task_read(task, bytes_of(task->block, body.size)))
		return task;
	held_drop(task);
	return NULL;
}

/* ---------------------------------------------------------------------------------- those held */

void
held_init(struct froe_worker *worker)
{
	size_t count = ROWS_MIN;
	while (count < worker->slots_sum && count < ROWS_MAX)
		count *= 2;
	list_init(&worker->tasks);
	worker->rows = mem_array(count, sizeof(struct froe_task *));
	worker->row_mask = count - 1;
}

static struct froe_task **
held_row(const struct froe_worker *worker, const struct froe_id *id)
{
	uint64_t hash = hash_words(le64_load(id->bytes), le64_load(id->bytes + 8));
	return &worker->rows[hash & worker->row_mask];
}

struct froe_task *
held_find(const struct froe_worker *worker, const struct froe_id *id, uint64_t lease)
{
	struct froe_task *task = *held_row(worker, id);
	while (task != NULL &&
	    (task->lease != lease || memcmp(task->id.bytes, id->bytes, sizeof(id->bytes)) != 0))
		task = task->next;
	return task;
}

void
held_add(struct froe_task *task)
{
	struct froe_worker *worker = task->worker;
	struct froe_task **row = held_row(worker, &task->id);
	list_push(&worker->tasks, &task->node);
	task->next = *row;
	*row = task;
	worker->exactly_once_count += task->exactly_once ? 1 : 0;
}

static void
held_remove(struct froe_task *task)
{
	struct froe_task **at = held_row(task->worker, &task->id);
	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	list_remove(&task->node);
	list_remove(&task->queue);
}

void
held_free(struct froe_task *task)
{
	struct froe_worker *worker = task->worker;
	held_remove(task);
	if (task->fd >= 0)
		close(task->fd);
	durable_free(task);
	worker->released_count -= task->released ? 1 : 0;
	worker->exactly_once_count -= task->exactly_once ? 1 : 0;
	held_drop(task);
	if (worker->draining && list_empty(&worker->tasks)) {
		worker->empty = true;
		client_notify(worker->client, &worker->empty);
	}
}
