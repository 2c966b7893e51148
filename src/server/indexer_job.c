/*
 * Jobs of the index thread, and what they carry.
 */
#include "server/indexer.h"

#include "api/port.h"
#include "base/mem.h"
#include "index/texts.h"

/* Rows lie one behind the other, so that a frame's are a few allocations, whichever thread frees
 * them. */
struct indexer_chunk {
	struct indexer_chunk *older;
	size_t used;
	size_t size;
	_Alignas(struct indexer_entry) uint8_t bytes[];
};

/* The first one's; each further one is twice as large, up to the limit. */
#define CHUNK_BYTES_MIN 4096u
#define CHUNK_BYTES_MAX 65536u

uint32_t
indexer_kinds(enum eng_status status, bool scheduled)
{
	uint32_t kinds = scheduled ? 1u << INDEXER_SCHEDULED : 0;
	if (status == ENG_QUEUED)
		return kinds | 1u << INDEXER_QUEUED;
	if (status == ENG_RUNNING)
		return kinds | 1u << INDEXER_RUNNING;
	return status == ENG_EVICTED ? kinds | 1u << INDEXER_EVICTED : 0;
}

enum eng_status
indexer_status(uint32_t kinds)
{
	if ((kinds & 1u << INDEXER_RUNNING) != 0)
		return ENG_RUNNING;
	return (kinds & 1u << INDEXER_EVICTED) != 0 ? ENG_EVICTED : ENG_QUEUED;
}

struct indexer_job *
indexer_job_new(enum indexer_op op)
{
	struct indexer_job *job = mem_zalloc(sizeof(*job));
	job->op = op;
	return job;
}

void
indexer_job_free(struct indexer_job *job)
{
	if (job->list != NULL)
		arena_release(&job->list->arena);
	while (job->chunks != NULL) {
		struct indexer_chunk *older = job->chunks->older;
		mem_free(job->chunks);
		job->chunks = older;
	}
	mem_free(job->list);
	mem_free(job->block);
	mem_free(job);
}

size_t
indexer_row_bytes(const struct index_run *row)
{
	return row->workflow.size + row->metadata.size + row->workers.size + row->places.size;
}

static struct bytes
bytes_keep(uint8_t **to, struct bytes from)
{
	struct bytes kept = bytes_of(*to, from.size);
	if (from.size > 0)
		memcpy(*to, from.data, from.size);
	*to += from.size;
	return kept;
}

void
indexer_row_keep(struct index_run *kept, const struct index_run *row, uint8_t *to)
{
	*kept = *row;
	kept->workflow = bytes_keep(&to, row->workflow);
	kept->metadata = bytes_keep(&to, row->metadata);
	kept->workers = bytes_keep(&to, row->workers);
	kept->places = bytes_keep(&to, row->places);
}

/* ----------------------------------------------------------------------------------------- rows */

struct indexer_job *
indexer_rows_job(uint64_t frame)
{
	struct indexer_job *job = indexer_job_new(INDEXER_ROWS);
	job->frame = frame;
	return job;
}

struct indexer_job *
indexer_mark_job(uint64_t frame)
{
	struct indexer_job *job = indexer_job_new(INDEXER_MARK);
	job->frame = frame;
	return job;
}

static struct indexer_chunk *
chunk_new(const struct indexer_chunk *older, size_t size)
{
	size_t room = older != NULL ? older->size * 2 : CHUNK_BYTES_MIN;
	if (room > CHUNK_BYTES_MAX)
		room = CHUNK_BYTES_MAX;
	if (room < size)
		room = size;
	struct indexer_chunk *chunk = mem_alloc(sizeof(*chunk) + room);
	chunk->older = (struct indexer_chunk *)(uintptr_t)older;
	chunk->used = 0;
	chunk->size = room;
	return chunk;
}

static uint8_t *
rows_alloc(struct indexer_job *job, size_t size)
{
	size_t align = _Alignof(struct indexer_entry);
	struct indexer_chunk *chunk = job->chunks;
	size = (size + align - 1) / align * align;
	if (chunk == NULL || chunk->size - chunk->used < size)
		chunk = job->chunks = chunk_new(chunk, size);
	uint8_t *bytes = chunk->bytes + chunk->used;
	chunk->used += size;
	return bytes;
}

/* Behind it are so many bytes for what it will point to. */
static struct indexer_entry *
rows_add(struct indexer_job *job, enum indexer_change change, uint32_t kinds, size_t bytes)
{
	struct indexer_entry *entry = (void *)rows_alloc(job, sizeof(*entry) + bytes);
	mem_zero(entry, sizeof(*entry));
	entry->change = change;
	entry->kinds = kinds;
	if (job->last != NULL)
		job->last->next = entry;
	else
		job->first = entry;
	job->last = entry;
	job->count++;
	return entry;
}

static struct indexer_entry *
rows_copy(struct indexer_job *job, enum indexer_change change, const struct index_run *row,
    uint32_t kinds)
{
	struct indexer_entry *entry = rows_add(job, change, kinds, indexer_row_bytes(row));
	indexer_row_keep(&entry->run, row, (uint8_t *)(entry + 1));
	return entry;
}

static uint32_t
row_closes(uint32_t tenant, uint64_t finished_ns)
{
	return finished_ns != 0 && tenant < INDEX_EVENTS ? 1 : 0;
}

struct indexer_entry *
indexer_rows_new(struct indexer_job *job, uint32_t tenant, uint64_t run, uint64_t finished_ns,
    uint32_t kinds, size_t bytes)
{
	struct indexer_entry *entry = rows_add(job, INDEXER_PUT, kinds, bytes);
	entry->run.number = run;
	entry->run.tenant = tenant;
	entry->run.finished_ns = finished_ns;
	job->closed += row_closes(tenant, finished_ns);
	return entry;
}

struct indexer_entry *
indexer_rows_put(struct indexer_job *job, const struct index_run *row, uint32_t kinds)
{
	job->closed += row_closes(row->tenant, row->finished_ns);
	return rows_copy(job, INDEXER_PUT, row, kinds);
}

void
indexer_rows_extend(struct indexer_job *job, uint32_t tenant, uint64_t run, uint32_t seq,
    struct bytes place)
{
	struct index_run row = {.tenant = tenant, .number = run, .seq = seq, .places = place};
	job->closed++;
	rows_copy(job, INDEXER_EXTEND, &row, INDEXER_KEEP);
}

/* The row of an open run, put just now and held by nobody yet; or NULL. */
static struct indexer_entry *
rows_fresh(const struct indexer_job *job, uint32_t tenant, uint64_t run)
{
	struct indexer_entry *last = job->last;
	bool fresh = last != NULL && last->change == INDEXER_PUT && last->run.number == run &&
	    last->run.tenant == tenant && last->run.finished_ns == 0 &&
	    last->run.workers.size == 0;
	return fresh ? last : NULL;
}

struct indexer_entry *
indexer_rows_touch(struct indexer_job *job, uint32_t tenant, uint64_t run, struct bytes worker,
    uint32_t kinds)
{
	struct indexer_entry *entry = rows_fresh(job, tenant, run);
	if (entry == NULL) {
		entry = rows_add(job, INDEXER_TOUCH, kinds, 0);
		entry->run.tenant = tenant;
		entry->run.number = run;
	}
	if (worker.size > 0 && worker.size <= TEXT_BYTES_MAX) {
		uint8_t *text = rows_alloc(job, texts_size(worker));
		texts_store(text, worker);
		entry->run.workers = bytes_of(text, texts_size(worker));
	}
	entry->kinds = kinds;
	return entry;
}

struct indexer_job *
indexer_put_job(const struct index_run *row, uint32_t kinds, uint64_t frame)
{
	struct indexer_job *job = indexer_rows_job(frame);
	indexer_rows_put(job, row, kinds);
	return job;
}

struct indexer_job *
indexer_touch_job(uint32_t tenant, uint64_t run, struct bytes worker, uint32_t kinds,
    uint64_t frame)
{
	struct indexer_job *job = indexer_rows_job(frame);
	indexer_rows_touch(job, tenant, run, worker, kinds);
	return job;
}

struct indexer_job *
indexer_drop_job(uint32_t tenant, uint64_t run, uint64_t frame)
{
	struct indexer_job *job = indexer_rows_job(frame);
	struct index_run row = {.tenant = tenant, .number = run};
	rows_copy(job, INDEXER_DROP, &row, 0);
	return job;
}

struct indexer_job *
indexer_name_job(enum names_kind kind, uint64_t number, struct bytes name)
{
	struct indexer_job *job = mem_alloc(sizeof(*job) + name.size);
	struct index_run row = {.tenant = (uint32_t)kind, .number = number, .workflow = name};
	*job = (struct indexer_job){.op = INDEXER_NAME};
	indexer_row_keep(&job->row, &row, (uint8_t *)(job + 1));
	return job;
}

/* ---------------------------------------------------------------------------------------- lists */

struct indexer_job *
indexer_list_job(void)
{
	struct indexer_job *job = indexer_job_new(INDEXER_LIST);
	job->list = mem_zalloc(sizeof(*job->list));
	arena_init(&job->list->arena, 0);
	return job;
}

static struct bytes
list_keep(struct indexer_list *list, struct bytes text)
{
	return bytes_of(arena_copy(&list->arena, text.data, text.size), text.size);
}

static struct bytes
list_keep_metadata(struct indexer_list *list, const struct api_command *command)
{
	struct buf texts;
	buf_init(&texts);
	for (uint32_t i = 0; i < command->list.metadata_count; i++)
		texts_push(&texts, command->list.metadata[i]);
	struct bytes kept = list_keep(list, buf_bytes(&texts));
	buf_release(&texts);
	return kept;
}

/* Open and closed runs are found in different places. */
static void
list_statuses(struct indexer_list *list, const struct api_command *command)
{
	uint32_t wanted = command->list.statuses;
	for (uint32_t status = ENG_QUEUED; status <= ENG_EVICTED; status++) {
		uint32_t kinds = indexer_kinds((enum eng_status)status, false);
		if ((wanted & 1u << status) == 0)
			continue;
		list->filter.kinds |= kinds;
		list->filter.statuses |= kinds == 0 ? 1u << status : 0;
	}
	list->filter.marks = command->list.scheduled ? 1u << INDEXER_SCHEDULED : 0;
}

void
indexer_list_filter(struct indexer_list *list, struct eng_tenant_id tenant,
    const struct api_command *command)
{
	list->filter = (struct index_filter){
	    .tenant = command->op == API_OP_EVENT_LIST ? tenant.v | INDEX_EVENTS : tenant.v,
	    .before = command->list.before,
	    .since_ns = command->list.since_ns,
	    .until_ns = command->list.until_ns,
	    .workflow = list_keep(list, command->list.workflow),
	    .parent = command->list.parent,
	    .metadata = list_keep_metadata(list, command),
	    .worker = list_keep(list, command->list.worker),
	};
	list_statuses(list, command);
}
