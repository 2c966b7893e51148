/*
 * api/request_job: jobs, as commands; their filters.
 *
 * A filter is kept in the log as the RunList it came as, less what is of a page. It is judged when
 * it comes, and read again by the same code whenever the job asks the index.
 */
#include "api/request_int.h"

#include "api/wire.h"
#include "froe/limits.h"

/* Bits 1 << enum eng_status. */
#define STATUSES_OPEN (1u << ENG_QUEUED | 1u << ENG_RUNNING | 1u << ENG_EVICTED)
#define STATUSES_CLOSED (1u << ENG_COMPLETED | 1u << ENG_FAILED | 1u << ENG_CANCELLED)

static uint32_t
statuses_met(enum eng_job_kind kind)
{
	return kind == ENG_JOB_CANCEL ? STATUSES_OPEN : STATUSES_CLOSED;
}

static bool
filter_empty(const struct api_command *list)
{
	return list->list.statuses == 0 && list->list.since_ns == 0 && list->list.until_ns == 0 &&
	    !list->list.scheduled && uuid_is_nil(list->list.parent) &&
	    list->list.workflow.size == 0 && list->list.worker.size == 0 &&
	    list->list.metadata_count == 0;
}

static enum froe_err
filter_judge(const struct api_command *list, enum eng_job_kind kind, bool all,
    struct froe_fault *fault)
{
	uint32_t statuses = list->list.statuses;
	if (filter_empty(list) && !all)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "filter",
		    "the filter has no condition: say `all` if every run is meant");
	if (kind == ENG_JOB_CANCEL && statuses != 0 && (statuses & STATUSES_OPEN) == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "statuses",
		    "runs that have ended are not cancelled: QUEUED, RUNNING and EVICTED ones are");
	if (kind == ENG_JOB_REPLAY &&
	    (list->list.scheduled || (statuses != 0 && (statuses & STATUSES_CLOSED) == 0)))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "statuses",
		    "only runs that have ended go on: COMPLETED, FAILED and CANCELLED ones");
	return FROE_OK;
}

/* As it is kept. */
static struct bytes
filter_pack(const Froe__RunList *from, struct arena *arena)
{
	Froe__RunList filter = *from;
	filter.has_limit = filter.has_before = filter.has_position = false;
	filter.base.n_unknown_fields = 0;
	uint8_t *to = arena_alloc(arena, froe__run_list__get_packed_size(&filter) + 1);
	if (to == NULL)
		return bytes_of(NULL, FROE_JOB_FILTER_BYTES_MAX + 1);
	return bytes_of(to, froe__run_list__pack(&filter, to));
}

static enum froe_err
take_filter(const Froe__RunList *from, bool all, struct arena *arena, struct eng_command *engine,
    struct froe_fault *fault)
{
	static const Froe__RunList none = FROE__RUN_LIST__INIT;
	struct api_command list = {0};
	from = from != NULL ? from : &none;
	if (from->before != 0 || from->limit != 0 || from->has_position)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "filter",
		    "a job has no pages: leave out limit, before and position");
	enum froe_err err = decode_run_list(from, arena, &list, fault);
	if (err == FROE_OK)
		err = filter_judge(&list, (enum eng_job_kind)engine->job_start.kind, all, fault);
	if (err != FROE_OK)
		return err;
	engine->job_start.filter = filter_pack(from, arena);
	if (engine->job_start.filter.size > FROE_JOB_FILTER_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, "filter",
		    "the filter has more than %u bytes: leave conditions out",
		    FROE_JOB_FILTER_BYTES_MAX);
	return FROE_OK;
}

enum froe_err
decode_cancel_many(const Froe__RunCancelMany *from, struct arena *arena,
    struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_JOB_START);
	engine->job_start.kind = ENG_JOB_CANCEL;
	engine->job_start.children = from->children;
	enum froe_err err = take_filter(from->filter, from->all, arena, engine, fault);
	if (err != FROE_OK)
		return err;
	return take_text(from->reason, "reason", FROE_REASON_BYTES_MAX, &engine->job_start.reason,
	    fault);
}

enum froe_err
decode_replay_many(const Froe__RunReplayMany *from, struct arena *arena,
    struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_JOB_START);
	engine->job_start.kind = ENG_JOB_REPLAY;
	enum froe_err err = take_filter(from->filter, from->all, arena, engine, fault);
	if (err == FROE_OK)
		err = take_name(from->task, "task", /* required= */ false, &engine->job_start.task,
		    fault);
	if (err != FROE_OK)
		return err;
	return take_text(from->reason, "reason", FROE_REASON_BYTES_MAX, &engine->job_start.reason,
	    fault);
}

enum froe_err
request_filter(struct bytes packed, enum eng_job_kind kind, struct arena *arena,
    struct api_command *ret_list, struct froe_fault *fault)
{
	char field[WIRE_FIELD_SIZE];
	*ret_list = (struct api_command){0};
	const ProtobufCMessage *message =
	    wire_check(&froe__run_list__descriptor, packed, field) == WIRE_GOOD
	    ? wire_unpack(&froe__run_list__descriptor, packed, arena)
	    : NULL;
	if (message == NULL ||
	    decode_run_list((const Froe__RunList *)message, arena, ret_list, fault) != FROE_OK)
		return fault_set(fault, FROE_CORRUPT, "the job's filter cannot be read");
	if (ret_list->list.statuses == 0)
		ret_list->list.statuses = STATUSES_OPEN | STATUSES_CLOSED;
	ret_list->list.statuses &= statuses_met(kind);
	return FROE_OK;
}

/* ---------------------------------------------------------------------------------------- jobs */

static enum froe_err
take_job(uint64_t number, struct froe_fault *fault)
{
	return number != 0 ? FROE_OK
	                   : fault_set_field(fault, FROE_INVALID_ARGUMENT, "job",
	                         "job is missing: give the number of JobStarted");
}

enum froe_err
decode_job_get(const Froe__JobGet *get, struct api_command *command, struct froe_fault *fault)
{
	command->op = API_OP_JOB_GET;
	command->job.number = get->job;
	command->job.wait_ms = get->wait_ms;
	if (get->wait_ms > FROE_JOB_WAIT_MS_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "wait_ms",
		    "wait_ms is %u: ask for at most %u, and again", get->wait_ms,
		    FROE_JOB_WAIT_MS_MAX);
	return take_job(get->job, fault);
}

enum froe_err
decode_job_list(const Froe__JobList *list, struct api_command *command, struct froe_fault *fault)
{
	command->op = API_OP_JOB_LIST;
	command->job.before = list->before;
	return take_limit(list->limit, REQUEST_JOBS_DEFAULT, &command->job.limit, fault);
}

enum froe_err
decode_job_cancel(const Froe__JobCancel *cancel, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_JOB_CANCEL);
	engine->job.number = cancel->job;
	return take_job(cancel->job, fault);
}
