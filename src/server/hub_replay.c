/*
 * server/hub_replay: a closed run goes on.
 *
 * Its history has been read; what it adds up to goes to the engine with the request. The resolver
 * learns again where the run's records lie: they are kept in RUN_REPLAYED too, so that a recovery,
 * which forgets closed runs as it goes, finds them there.
 */
#include "server/hub_int.h"

#include "base/mem.h"
#include "server/past.h"

/* So often is a history read, when lines of the run come again and again meanwhile. */
#define LOOKS_MAX 100u

struct hub_replay_ask {
	char *task;
	char *reason;
	char *actor;
	struct bytes input; /* owned */
	uint32_t node;
	struct eng_job_step job;
	uint64_t asked_ns; /* engine time: before the history was looked for */
	bool known;        /* then the engine knew the run */
	uint32_t looks;
};

static char *
text_copy(struct bytes text)
{
	char *copy = mem_zalloc(text.size + 1);
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	return copy;
}

struct hub_replay_ask *
hub_replay_ask(const struct hub_conn *conn, const struct api_command *command)
{
	struct hub_replay_ask *ask = mem_zalloc(sizeof(*ask));
	ask->task = text_copy(command->replay.task);
	ask->reason = text_copy(command->replay.reason);
	ask->actor = text_copy(bytes_text(conn->actor));
	ask->input = bytes_of(mem_copy(command->replay.input.data, command->replay.input.size),
	    command->replay.input.size);
	ask->node = command->replay.node;
	return ask;
}

struct hub_replay_ask *
hub_replay_ask_job(const struct eng_job_view *job, const struct eng_job_step *step)
{
	struct hub_replay_ask *ask = mem_zalloc(sizeof(*ask));
	ask->task = text_copy(job->task);
	ask->reason = text_copy(job->reason);
	ask->actor = text_copy(job->actor);
	ask->job = *step;
	return ask;
}

void
hub_replay_look(const struct hub *hub, struct hub_replay_ask *ask, struct uuid run)
{
	ask->asked_ns = hub->shard->clock.now_ns;
	ask->known = eng_closed_ns(hub->shard->eng, run) != 0;
	ask->looks++;
}

/* A run that the engine does not remember takes no late lines. One that it has forgotten meanwhile
 * may have got some before. */
bool
hub_replay_stale(const struct hub *hub, const struct hub_replay_ask *ask, struct uuid run,
    uint32_t count)
{
	const struct eng *eng = hub->shard->eng;
	uint64_t closed_ns = eng_closed_ns(eng, run);
	uint32_t records = eng_closed_records(eng, run);
	if (closed_ns > ask->asked_ns || ask->looks > LOOKS_MAX)
		return false; /* it went on, and ended again; or lines do not end: it is refused */
	return closed_ns != 0 ? records != 0 && records != count : ask->known;
}

const struct eng_job_step *
hub_replay_job(const struct hub_replay_ask *ask)
{
	return ask != NULL && ask->job.number != 0 ? &ask->job : NULL;
}

void
hub_replay_free(struct hub_replay_ask *ask)
{
	if (ask == NULL)
		return;
	mem_free((void *)(uintptr_t)ask->input.data);
	mem_free(ask->actor);
	mem_free(ask->reason);
	mem_free(ask->task);
	mem_free(ask);
}

static enum froe_err
replay_refused(struct hub *hub, const struct eng_command *command, struct froe_fault *fault)
{
	const struct eng_replay *replay = &command->run_replay;
	size_t max = shard_payload_bytes_max(hub->shard);
	size_t size = eng_step_bytes_max(hub->shard->eng, command);
	size_t size_max = log_step_bytes_max(hub->shard->log);
	if (log_space(hub->shard->log) != LOG_SPACE_OK)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "",
		    "the disk is nearly full: free space in the data directory's file system");
	if (log_reopened(hub->shard->log) >= FROE_REOPENED_MAX)
		return fault_set_field(fault, FROE_RESOURCE_EXHAUSTED, "run",
		    "%u runs have gone on after their end within the time of retention, the most "
		    "there are: start new runs with the inputs, or shorten --retention",
		    FROE_REOPENED_MAX);
	if (replay->input.size > max)
		return fault_set_field(fault, FROE_TOO_LARGE, "input",
		    "input has %zu bytes; with this store's segments at most %zu are taken",
		    replay->input.size, max);
	if (replay->places.size > max)
		return fault_set_field(fault, FROE_TOO_LARGE, "run",
		    "the run has too many records (%u) to go on: start a new one with its input",
		    replay->records);
	if (size > size_max && eng_pending(hub->shard->eng))
		return fault_set_field(fault, FROE_UNAVAILABLE, "", "the log is busy: try again");
	if (size > size_max)
		return fault_set_field(fault, FROE_TOO_LARGE, "run",
		    "what is kept of the run, and its input, may take %zu bytes of the log; with "
		    "this store's segments at most %zu are written at a time: start a new one",
		    size, size_max);
	if (!shard_has_room(hub->shard, command))
		return fault_set_field(fault, FROE_UNAVAILABLE, "", "the log is busy: try again");
	return FROE_OK;
}

/* The resolver knows the run again; unless the engine refuses. A run that went on may have ended in
 * the same step, and one that the resolver knew still is about to be forgotten: their places are
 * forgotten when the index has them. */
static void
replay_step(struct hub *hub, struct eng_command *command, const struct history *history)
{
	const struct eng_replay *replay = &command->run_replay;
	const struct eng *eng = hub->shard->eng;
	uint64_t closed_ns = eng_closed_ns(eng, replay->run);
	bool unknown = resolver_count(hub->shard->resolver, replay->key) == 0;
	if (unknown)
		resolver_load(
		    hub->shard->resolver, replay->key, history->places, history->count);
	arena_reset(&hub->arena);
	bool quiet = shard_step(hub->shard, command) == 0;
	if (unknown && (quiet || eng_closed_ns(eng, replay->run) == closed_ns))
		resolver_forget(hub->shard->resolver, replay->key);
}

enum froe_err
hub_replay(struct hub *hub, const struct eng_origin *origin, struct eng_tenant_id tenant,
    const struct hub_replay_ask *ask, const struct history *history, struct froe_fault *fault)
{
	uint32_t owner = 0;
	struct arena arena;
	struct eng_command command = {
	    .type = ENG_CMD_RUN_REPLAY,
	    .origin = *origin,
	    .actor = bytes_text(ask->actor),
	    .tenant = tenant,
	    .job = ask->job,
	};
	arena_init(&arena, 0);
	enum froe_err err = past_replay(
	    history, bytes_text(ask->task), ask->node, &arena, &owner, &command.run_replay, fault);
	if (err == FROE_OK && owner != tenant.v)
		err = fault_set_field(fault, FROE_NOT_FOUND, "run", HUB_NO_RUN);
	if (err == FROE_OK &&
	    eng_closed_ns(hub->shard->eng, command.run_replay.run) > ask->asked_ns)
		err = fault_set_field(fault, FROE_FAILED_PRECONDITION, "run",
		    "the run went on and ended again while its history was read: look at it, and "
		    "ask again");
	command.run_replay.input = ask->input;
	command.run_replay.reason = bytes_text(ask->reason);
	if (err == FROE_OK)
		err = replay_refused(hub, &command, fault);
	if (err == FROE_OK)
		replay_step(hub, &command, history);
	arena_release(&arena);
	return err;
}
