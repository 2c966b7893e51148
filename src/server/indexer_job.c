/*
 * Jobs of the index thread, and what they carry.
 */
#include "server/indexer.h"

#include "api/port.h"
#include "base/mem.h"
#include "index/texts.h"

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

/* One allocation a job: there may be many a second. */
static struct indexer_job *
row_job(enum indexer_op op, const struct index_run *row, uint32_t kinds, uint64_t frame)
{
	struct indexer_job *job = mem_alloc(sizeof(*job) + indexer_row_bytes(row));
	*job = (struct indexer_job){.op = op, .frame = frame, .kinds = kinds};
	indexer_row_keep(&job->row, row, (uint8_t *)(job + 1));
	return job;
}

struct indexer_job *
indexer_put_job(const struct index_run *row, uint32_t kinds, uint64_t frame)
{
	return row_job(INDEXER_PUT, row, kinds, frame);
}

struct indexer_job *
indexer_touch_job(uint32_t tenant, uint64_t run, struct bytes worker, uint32_t kinds,
    uint64_t frame)
{
	struct index_run row = {.tenant = tenant, .number = run, .workers = worker};
	return row_job(INDEXER_TOUCH, &row, kinds, frame);
}

struct indexer_job *
indexer_drop_job(uint32_t tenant, uint64_t run, uint64_t frame)
{
	struct index_run row = {.tenant = tenant, .number = run};
	return row_job(INDEXER_DROP, &row, 0, frame);
}

struct indexer_job *
indexer_name_job(enum names_kind kind, uint64_t number, struct bytes name)
{
	struct index_run row = {.tenant = (uint32_t)kind, .number = number, .workflow = name};
	return row_job(INDEXER_NAME, &row, INDEXER_KEEP, 0);
}

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
	    .tenant = tenant.v,
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
