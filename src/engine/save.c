/*
 * engine/save: the table of what is saved, in its order, and the two ways through it.
 */
#include "engine/save_int.h"

#include <inttypes.h>

/* -------------------------------------------------------------------------- writing and reading */

void
save_object(struct save *save, enum eng_object_type type, uint64_t run)
{
	struct eng_saved saved = {
	    .type = (uint16_t)type,
	    .run = run,
	    .body = buf_bytes(&save->body),
	};
	if (save->err == FROE_OK)
		save->err = save->each(save->context, &saved, save->fault);
	buf_reset(&save->body);
}

void
save_event(struct save *save, const struct eng_event *event)
{
	struct eng_saved saved = {.type = (uint16_t)event->type, .event = event};
	if (save->err == FROE_OK)
		save->err = save->each(save->context, &saved, save->fault);
}

void
put_number(struct save *save, uint64_t value)
{
	uint8_t *to = buf_reserve(&save->body, 10);
	size_t size = 0;
	for (; value >= 0x80; value >>= 7)
		to[size++] = (uint8_t)(value | 0x80);
	to[size++] = (uint8_t)value;
	buf_commit(&save->body, size);
}

void
put_uuid(struct save *save, struct uuid id)
{
	buf_push(&save->body, id.bytes, sizeof(id.bytes));
}

void
put_bytes(struct save *save, struct bytes bytes)
{
	put_number(save, bytes.size);
	buf_push(&save->body, bytes.data, bytes.size);
}

size_t
put_group_open(struct save *save)
{
	uint8_t size[4] = {0};
	buf_push(&save->body, size, sizeof(size));
	return save->body.size;
}

void
put_group_close(struct save *save, size_t group)
{
	size_t size = save->body.size - group;
	froe_assert(size <= UINT32_MAX);
	le32_store(save->body.data + group - 4, (uint32_t)size);
}

static struct take
take_of(struct bytes bytes)
{
	static const uint8_t nothing[1];
	const uint8_t *at = bytes.size != 0 ? bytes.data : nothing;
	return (struct take){.at = at, .end = at + bytes.size};
}

uint64_t
take_number(struct take *take)
{
	uint64_t value = 0;
	if (take->at == take->end) /* a field that is younger than the bytes */
		return 0;
	for (unsigned shift = 0; shift < 64 && take->at < take->end; shift += 7) {
		uint8_t byte = *take->at++;
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	take->bad = true;
	return 0;
}

uint32_t
take_u32(struct take *take)
{
	uint64_t value = take_number(take);
	if (value > UINT32_MAX)
		take->bad = true;
	return value <= UINT32_MAX ? (uint32_t)value : 0;
}

uint8_t
take_u8(struct take *take)
{
	uint64_t value = take_number(take);
	if (value > UINT8_MAX)
		take->bad = true;
	return value <= UINT8_MAX ? (uint8_t)value : 0;
}

static struct bytes
take_raw(struct take *take, uint64_t size)
{
	if (size > (uint64_t)(take->end - take->at)) {
		take->bad = true;
		take->at = take->end;
		return bytes_of(NULL, 0);
	}
	const uint8_t *data = take->at;
	take->at += size;
	return bytes_of(data, (size_t)size);
}

struct bytes
take_bytes(struct take *take)
{
	return take_raw(take, take_number(take));
}

struct uuid
take_uuid(struct take *take)
{
	struct uuid id = {{0}};
	struct bytes raw;
	if (take->at == take->end)
		return id;
	raw = take_raw(take, sizeof(id.bytes));
	if (raw.size == sizeof(id.bytes))
		memcpy(id.bytes, raw.data, sizeof(id.bytes));
	return id;
}

struct take
take_group(struct take *take)
{
	struct bytes size = take_raw(take, 4);
	if (size.size != 4)
		return (struct take){.at = take->at, .end = take->at, .bad = true};
	struct bytes raw = take_raw(take, le32_load(size.data));
	if (take->bad)
		return (struct take){.at = take->at, .end = take->at, .bad = true};
	return (struct take){.at = raw.data, .end = raw.data + raw.size};
}

bool
take_more(const struct take *take)
{
	return !take->bad && take->at < take->end;
}

enum froe_err
load_bad(const struct eng_load *load, const char *what)
{
	return fault_set(
	    load->fault, FROE_CORRUPT, "the saved state does not hold together: %s", what);
}

enum froe_err
take_end(const struct eng_load *load, const struct take *take, const char *what)
{
	return !take->bad && take->at == take->end ? FROE_OK : load_bad(load, what);
}

/* -------------------------------------------------------------------------------------- engine */

static void
save_engine(struct save *save)
{
	const struct eng *eng = save->eng;
	uint64_t leaving = 0;
	struct list *at;
	list_for_each(at, &eng->leaving)
		leaving++;
	put_number(save, SAVE_FORMAT);
	put_number(save, eng->epoch);
	put_number(save, eng->downtime_ns);
	put_number(save, eng->run_last);
	put_number(save, eng->worker_last);
	put_number(save, eng->fair.turns);
	put_number(save, eng->fair.stamps);
	put_number(save, eng->counts.runs_started);
	for (size_t i = 0; i < sizeof(eng->counts.runs_closed) / sizeof(uint64_t); i++)
		put_number(save, eng->counts.runs_closed[i]);
	put_number(save, eng->tenant_count);
	put_number(save, eng->workflow_count);
	put_number(save, eng->counts.workers);
	put_number(save, leaving);
	put_number(save, eng->counts.runs);
	put_number(save, eng->wheels[ENG_UPTIME].count + eng->wheels[ENG_WALL].count);
	put_number(save, eng->closed_count);
	put_number(save, eng->event_last);
	put_number(save, eng->counts.approvals);
	put_number(save, eng->counts.deliveries);
	put_number(save, eng->counts.nodes);
	put_number(save, eng->approvals.count);
	put_number(save, eng->started_ns);
	put_number(save, start_rows(eng));
	put_number(save, eng->counts.tokens);
	put_number(save, eng->job_last);
	put_number(save, eng->counts.jobs);
	put_number(save, eng->counts.rates);
	put_number(save, workflow_states(eng));
	save_object(save, ENG_OBJ_ENGINE, 0);
}

/* Tables get their size at once; bounded, because the numbers may be anything yet. */
static void
load_reserve(struct eng_load *load)
{
	struct eng *eng = load->eng;
	uint64_t runs = load->engine.runs < SAVE_RESERVE_MAX ? load->engine.runs : SAVE_RESERVE_MAX;
	load->runs_reserved = runs;
	numtable_reserve(&eng->runs_by_key, runs);
	keyset_reserve(&eng->runs_by_id, runs);
	keyset_reserve(
	    &eng->closed, load->engine.closed < ENG_CLOSED_MAX ? load->engine.closed : 0);
}

static enum froe_err
load_engine(struct eng_load *load)
{
	struct take *take = &load->body;
	uint64_t format = take_number(take);
	if (format > SAVE_FORMAT)
		return fault_set(load->fault, FROE_INCOMPATIBLE,
		    "the saved state is of a newer version of froe (format %" PRIu64 "): use that",
		    format);
	if (load->begun)
		return load_bad(load, "it begins twice");
	load->begun = true;
	load->engine.epoch = take_number(take);
	load->engine.downtime_ns = take_number(take);
	load->engine.run_last = take_number(take);
	load->engine.worker_last = take_number(take);
	load->engine.turns = take_number(take);
	load->engine.stamps = take_number(take);
	load->engine.runs_started = take_number(take);
	for (size_t i = 0; i < sizeof(load->engine.runs_closed) / sizeof(uint64_t); i++)
		load->engine.runs_closed[i] = take_number(take);
	load->engine.tenants = take_number(take);
	load->engine.workflows = take_number(take);
	load->engine.workers = take_number(take);
	load->engine.leaving = take_number(take);
	load->engine.runs = take_number(take);
	load->engine.timers = take_number(take);
	load->engine.closed = take_number(take);
	load->engine.event_last = take_number(take);
	load->engine.approvals = take_number(take);
	load->engine.deliveries = take_number(take);
	load->engine.nodes = take_number(take);
	load->engine.asked = take_number(take);
	load->engine.started_ns = take_number(take);
	load->engine.start_rows = take_number(take);
	load->engine.tokens = take_number(take);
	load->engine.job_last = take_number(take);
	load->engine.jobs = take_number(take);
	load->engine.rates = take_number(take);
	load->engine.states = take_number(take);
	enum froe_err err = take_end(load, take, "its counters");
	if (err == FROE_OK)
		load_reserve(load);
	return err;
}

static void
load_engine_finish(struct eng_load *load)
{
	struct eng *eng = load->eng;
	eng->epoch = load->engine.epoch;
	eng->started_ns = load->engine.started_ns;
	eng->downtime_ns = load->engine.downtime_ns;
	eng->run_last = load->engine.run_last;
	eng->worker_last = load->engine.worker_last;
	eng->event_last = load->engine.event_last;
	eng->job_last = load->engine.job_last;
	eng->fair.turns = load->engine.turns;
	eng->fair.stamps = load->engine.stamps;
	eng->counts.runs_started = load->engine.runs_started;
	memcpy(eng->counts.runs_closed, load->engine.runs_closed, sizeof(eng->counts.runs_closed));
}

/* ----------------------------------------------------------------------------------- workflows */

/* Versions as the log has them, so that whatever a definition gives rise to is made the same way
 * again. By workflow, which keeps their numbers dense and their queues in order. */
static void
save_workflows(struct save *save)
{
	const struct eng *eng = save->eng;
	for (uint32_t i = 0; i < eng->workflow_count; i++) {
		const struct eng_workflow *workflow = eng->workflows[i];
		for (uint32_t j = 0; j < workflow->version_count; j++) {
			struct eng_event event = {
			    .type = ENG_EV_WORKFLOW_PUT,
			    .tenant = workflow->tenant->id,
			    .workflow = workflow->id,
			    .version = j + 1,
			    .name = workflow->named.name,
			    .payload = workflow->versions[j]->encoded,
			    .time_ns = workflow->versions[j]->put_ns,
			};
			save_event(save, &event);
		}
		save_workflow_state(save, workflow);
	}
}

/* -------------------------------------------------------------------------------- closed runs */

/* In the place of the status alone, which it was. */
static uint64_t
closed_word(const struct eng_closed *closed)
{
	return (uint64_t)closed->records << 16 | (uint64_t)closed->tasks << 4 | closed->status;
}

static void
save_closed(struct save *save)
{
	struct list *at;
	uint32_t rows = 0;
	list_for_each(at, &save->eng->closed_order) {
		const struct eng_closed *closed = container_of(at, struct eng_closed, link);
		put_uuid(save, closed->id);
		put_number(save, closed->closed_ns);
		put_number(save, closed->key);
		put_number(save, closed->tenant);
		put_number(save, closed_word(closed));
		if (++rows % SAVE_ROWS_MAX == 0)
			save_object(save, ENG_OBJ_CLOSED, 0);
	}
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, ENG_OBJ_CLOSED, 0);
}

static bool
closed_take(const struct eng_load *load, struct take *take, struct eng_closed *ret_row)
{
	ret_row->id = take_uuid(take);
	ret_row->closed_ns = take_number(take);
	ret_row->key = take_number(take);
	uint32_t tenant = take_u32(take);
	uint64_t word = take_number(take);
	ret_row->tenant = tenant & 0xfffffu;
	ret_row->status = word & 0xfu;
	ret_row->tasks = word >> 4 & 0xfffu;
	ret_row->records = word >> 16 & ENG_CLOSED_RECORDS_MAX;
	keyset_prefetch_uuid(&load->eng->runs_by_id, ret_row->id);
	keyset_prefetch_uuid(&load->eng->closed, ret_row->id);
	return !take->bad && ret_row->status >= ENG_COMPLETED && ret_row->status <= ENG_CANCELLED &&
	    closed_word(ret_row) == word && ret_row->tasks <= FROE_WORKFLOW_TASKS_MAX &&
	    eng_tenant_get(load->eng, tenant) != NULL && ret_row->key != 0 &&
	    ret_row->key <= load->engine.run_last;
}

static bool
closed_add(struct eng *eng, const struct eng_closed *row)
{
	if (eng_run_by_id(eng, row->id) != NULL)
		return false;
	struct eng_closed *closed = stock_alloc(&eng->stock, sizeof(*closed));
	*closed = *row;
	if (!keyset_add(&eng->closed, closed)) {
		stock_free(&eng->stock, closed, sizeof(*closed));
		return false;
	}
	list_push(&eng->closed_order, &closed->link);
	eng->closed_count++;
	return true;
}

/* Some at a time: their places in the tables come into the cache together. */
static enum froe_err
load_closed(struct eng_load *load)
{
	struct take *take = &load->body;
	while (take_more(take)) {
		struct eng_closed rows[KEYSET_BATCH] = {0};
		size_t count = 0;
		while (count < KEYSET_BATCH && take_more(take)) {
			if (!closed_take(load, take, &rows[count++]))
				return load_bad(load, "a closed run");
		}
		for (size_t i = 0; i < count; i++) {
			if (!closed_add(load->eng, &rows[i]))
				return load_bad(load, "a closed run is there twice");
		}
	}
	return take_end(load, take, "a closed run");
}

/* -------------------------------------------------------------------------------------- tokens */

/* As the log has them, in their order. */
static void
save_tokens(struct save *save)
{
	struct list *at;
	list_for_each(at, &save->eng->tokens) {
		const struct eng_token_view *token =
		    &container_of(at, struct eng_token, link)->view;
		struct eng_event event = {
		    .type = ENG_EV_TOKEN_CREATED,
		    .time_ns = token->created_ns,
		    .kid = token->kid,
		    .digest = token->digest,
		    .name = token->name,
		    .scope = token->scope,
		    .actor = token->actor,
		    .actions = token->actions,
		    .action_count = token->action_count,
		    .roles = token->roles,
		    .deadline_ns = token->expires_ns,
		};
		save_event(save, &event);
	}
}

/* -------------------------------------------------------------------------- the whole, in order */

static void
save_nothing(struct save *save)
{
	(void)save;
}

struct save_row {
	enum eng_object_type type; /* 0: events only */
	void (*save)(struct save *save);
	enum froe_err (*load)(struct eng_load *load);
};

static const struct save_row save_table[] = {
    {ENG_OBJ_ENGINE, save_engine, load_engine},
    {ENG_OBJ_TENANT, save_tenants, load_tenant},
    {0, save_workflows, NULL},
    {ENG_OBJ_WORKER, save_workers, load_worker},
    {ENG_OBJ_LEAVING, save_leaving, load_leaving},
    {ENG_OBJ_LEFT, save_left, load_left},
    {ENG_OBJ_RUN, save_runs, load_run},
    {ENG_OBJ_DURABLE, save_durables, load_durable},
    {ENG_OBJ_APPROVAL, save_nothing, load_approval}, /* with DURABLE */
    {ENG_OBJ_NODE, save_nothing, load_node},         /* with DURABLE */
    {ENG_OBJ_KEY, save_keys, load_key},
    {ENG_OBJ_APPROVALS, save_approvals, load_approvals},
    {ENG_OBJ_CHILDREN, save_children, load_children},
    {ENG_OBJ_IDEMS, save_idems, load_idems},
    {ENG_OBJ_DOOMED, save_doomed, load_doomed},
    {ENG_OBJ_LEASES, save_leases, load_leases},
    {ENG_OBJ_DROPPING, save_dropping, load_dropping},
    {ENG_OBJ_KEPT, save_kept, load_kept},
    {ENG_OBJ_QUEUE, save_queues, load_queue},
    {ENG_OBJ_TIMERS, save_timers, load_timers},
    {ENG_OBJ_CLOSED, save_closed, load_closed},
    {0, save_tokens, NULL},
    {0, save_rates, NULL},
    {ENG_OBJ_JOB, save_jobs, load_job},
};
#define SAVE_TABLE_ROWS (sizeof(save_table) / sizeof(save_table[0]))

const char *
eng_object_name(uint16_t type)
{
	switch (type) {
#define ENG_OBJECT(name, number, meaning)                                                          \
	case number:                                                                               \
		return #name;
#include "engine/save.def"
#undef ENG_OBJECT
	default:
		return NULL;
	}
}

enum froe_err
eng_save(const struct eng *eng, save_each *each, void *context, struct froe_fault *fault)
{
	struct save save = {.eng = eng, .each = each, .context = context, .fault = fault};
	buf_init(&save.body);
	for (size_t i = 0; i < SAVE_TABLE_ROWS && save.err == FROE_OK; i++) {
		save_table[i].save(&save);
		froe_assert(buf_used(&save.body) == 0);
	}
	buf_release(&save.body);
	return save.err;
}

struct eng_load *
eng_load_open(void)
{
	struct eng_load *load = mem_zalloc(sizeof(*load));
	load->eng = eng_open();
	fair_load_begin(&load->eng->fair);
	keyset_batch_init(&load->runs_by_id, &load->eng->runs_by_id);
	return load;
}

void
eng_load_seed(struct eng_load *load, const struct hash_seed *seed)
{
	eng_seed(load->eng, seed);
}

static enum froe_err
load_event(struct eng_load *load, const struct eng_event *event)
{
	if (event->type == ENG_EV_WORKER_REGISTERED)
		return load_worker_event(load, event);
	if (event->type == ENG_EV_TENANT_CREATED || event->type == ENG_EV_WORKFLOW_PUT ||
	    event->type == ENG_EV_TOKEN_CREATED || event->type == ENG_EV_RATE_LIMIT_PUT ||
	    event->type == ENG_EV_WORKFLOW_PAUSED || event->type == ENG_EV_WORKFLOW_DELETED)
		return eng_apply(load->eng, event, load->fault);
	return load_bad(load, "an event that is not saved");
}

uint64_t
eng_load_runs(const struct eng_load *load)
{
	return load->runs_reserved;
}

uint32_t
eng_load_records(const struct eng_load *load)
{
	return load->run_records;
}

enum froe_err
eng_load_put(struct eng_load *load, const struct eng_saved *saved, struct froe_fault *fault)
{
	load->fault = fault;
	if (!load->begun && saved->type != ENG_OBJ_ENGINE)
		return load_bad(load, "it does not begin with its counters");
	if (saved->type != ENG_OBJ_RUN && load_runs_flush(load) != FROE_OK)
		return FROE_CORRUPT;
	if (saved->event != NULL)
		return load_event(load, saved->event);
	for (size_t i = 0; i < SAVE_TABLE_ROWS; i++) {
		if (save_table[i].type != saved->type || saved->type == 0)
			continue;
		load->body = take_of(saved->body);
		return save_table[i].load(load);
	}
	return fault_set(fault, FROE_INCOMPATIBLE,
	    "the saved state has an object of type %u, of a newer version of froe: use that",
	    saved->type);
}

static enum froe_err
load_counts_check(const struct eng_load *load)
{
	const struct eng *eng = load->eng;
	const struct load_engine *engine = &load->engine;
	if (!load->begun || eng->tenant_count != engine->tenants ||
	    eng->workflow_count != engine->workflows || eng->counts.workers != engine->workers ||
	    load->leaving != engine->leaving || eng->counts.runs != engine->runs ||
	    eng->counts.approvals != engine->approvals ||
	    eng->counts.deliveries != engine->deliveries ||
	    eng->counts.nodes != engine->nodes || eng->approvals.count != engine->asked ||
	    eng->closed_count != engine->closed || start_rows(eng) != engine->start_rows ||
	    eng->counts.tokens != engine->tokens || eng->counts.jobs != engine->jobs ||
	    eng->counts.rates != engine->rates || workflow_states(eng) != engine->states ||
	    eng->worker_last > engine->worker_last ||
	    eng->wheels[ENG_UPTIME].count + eng->wheels[ENG_WALL].count != engine->timers)
		return load_bad(load, "records are missing, or too many");
	return FROE_OK;
}

/* Once the workers have their slots, the engine is whole, and is closed like any other. */
enum froe_err
eng_load_close(struct eng_load *load, struct eng **ret_eng, struct froe_fault *fault)
{
	load->fault = fault;
	enum froe_err err = load_runs_flush(load);
	if (err == FROE_OK)
		err = load_counts_check(load);
	if (err == FROE_OK)
		err = load_workers_check(load);
	if (err == FROE_OK)
		err = load_runs_check(load);
	if (err == FROE_OK)
		err = load_durables_check(load);
	if (err != FROE_OK) {
		eng_load_abort(load);
		return err;
	}
	bool kept = load_workers_finish(load);
	load_engine_finish(load);
	if (fair_load_end(&load->eng->fair) && kept) {
		*ret_eng = load->eng;
	} else {
		err = load_bad(load, "whose turn it is");
		eng_close(load->eng);
	}
	mem_free(load->kept);
	mem_free(load);
	return err;
}

void
eng_load_abort(struct eng_load *load)
{
	load_runs_abort(load);
	load_workers_abort(load);
	eng_close(load->eng);
	mem_free(load->kept);
	mem_free(load);
}
