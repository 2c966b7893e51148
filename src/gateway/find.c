#include "gateway/find.h"

#include "api/alias.h"
#include "base/mem.h"
#include "froe/limits.h"
#include "gateway/text.h"

#define WORKFLOWS_MAX 100u

static void find_names(struct find *find, uint32_t after, struct arena *arena);
static void find_page(struct find *find, struct arena *arena);

void
find_release(struct find *find)
{
	for (uint32_t i = 0; i < find->name_count; i++)
		mem_free(find->names[i]);
	for (uint32_t i = 0; i < find->pair_count; i++) {
		mem_free(find->pairs[i].key);
		mem_free(find->pairs[i].value);
	}
	mem_free(find->names);
	mem_free(find->pairs);
	mem_free(find->workflows);
	map_release(&find->seen);
	buf_release(&find->ids);
}

/* --------------------------------------------------------------------------------- the filter */

static char *
text_keep(const char *text, size_t size)
{
	char *kept = mem_zalloc(size + 1);
	memcpy(kept, text, size);
	return kept;
}

static bool
take_statuses(struct find *find, const Hatchet__TasksFilter *filter)
{
	uint32_t wanted = 0;
	for (size_t i = 0; i < filter->n_statuses; i++) {
		uint32_t bits = alias_statuses(bytes_text(filter->statuses[i]));
		wanted |= bits;
		if (bits == 0) {
			call_refuse(find->call, FROE_INVALID_ARGUMENT, "filter.statuses",
			    "filter.statuses[%zu] is not QUEUED, RUNNING, COMPLETED, FAILED or "
			    "CANCELLED", i);
			return false;
		}
	}
	if (filter->n_statuses > 0)
		find->statuses &= wanted;
	return true;
}

static bool
take_times(struct find *find, const Hatchet__TasksFilter *filter)
{
	if (filter->since == NULL) {
		call_refuse(find->call, FROE_INVALID_ARGUMENT, "filter.since",
		    "filter.since is missing: from when on");
		return false;
	}
	find->since_ns = text_time_ns(filter->since);
	find->until_ns = filter->until != NULL ? text_time_ns(filter->until) : 0;
	if (filter->until == NULL || find->until_ns > find->since_ns)
		return true;
	call_refuse(find->call, FROE_INVALID_ARGUMENT, "filter.until",
	    "no time is at or after filter.since and before filter.until");
	return false;
}

static bool
take_workflows(struct find *find, const Hatchet__TasksFilter *filter)
{
	if (filter->n_workflow_ids > WORKFLOWS_MAX) {
		call_refuse(find->call, FROE_INVALID_ARGUMENT, "filter.workflow_ids",
		    "more than %u workflows", WORKFLOWS_MAX);
		return false;
	}
	find->workflows = mem_array(filter->n_workflow_ids + 1, sizeof(*find->workflows));
	find->names = mem_array(filter->n_workflow_ids + 1, sizeof(*find->names));
	for (size_t i = 0; i < filter->n_workflow_ids; i++) {
		if (!text_id(filter->workflow_ids[i], &find->workflows[i])) {
			call_refuse(find->call, FROE_INVALID_ARGUMENT, "filter.workflow_ids",
			    "filter.workflow_ids[%zu] is not a UUID", i);
			return false;
		}
		find->workflow_count++;
	}
	return true;
}

/* "key:value"; the key is what is before the first colon. */
static bool
take_pairs(struct find *find, const Hatchet__TasksFilter *filter)
{
	size_t count = filter->n_additional_metadata;
	if (count > FROE_METADATA_PAIRS_MAX) {
		call_refuse(find->call, FROE_INVALID_ARGUMENT, "filter.additional_metadata",
		    "there are more pairs than a run can have");
		return false;
	}
	find->pairs = mem_array(count + 1, sizeof(*find->pairs));
	for (size_t i = 0; i < count; i++) {
		const char *text = filter->additional_metadata[i];
		const char *colon = strchr(text, ':');
		if (colon == NULL) {
			call_refuse(find->call, FROE_INVALID_ARGUMENT,
			    "filter.additional_metadata",
			    "filter.additional_metadata[%zu] is not written key:value", i);
			return false;
		}
		struct pair *pair = &find->pairs[find->pair_count++];
		pair->key = text_keep(text, (size_t)(colon - text));
		pair->value = text_keep(colon + 1, strlen(colon + 1));
	}
	return true;
}

/* --------------------------------------------------------------------------- names of workflows */

/* Ids are made of the names, and of nothing else. */
static bool
workflow_wanted(const struct find *find, const char *name)
{
	struct uuid id = alias_workflow(find->call->session->seat.tenant, bytes_text(name));
	for (uint32_t i = 0; i < find->workflow_count; i++) {
		if (uuid_equal(find->workflows[i], id))
			return true;
	}
	return false;
}

static void
on_names(struct call *call, const struct answer *answer)
{
	struct find *find = call->find;
	if (call_failed(call, answer))
		return;
	const Froe__WorkflowPage *page = (const void *)answer->message;
	for (size_t i = 0; i < page->n_rows && find->name_count < find->workflow_count; i++) {
		const char *name = page->rows[i]->name;
		if (workflow_wanted(find, name))
			find->names[find->name_count++] = text_keep(name, strlen(name));
	}
	if (page->next != 0 && find->name_count < find->workflow_count)
		find_names(find, (uint32_t)page->next, answer->arena);
	else if (find->name_count == 0)
		find->then(find, answer->arena);
	else
		find_page(find, answer->arena);
}

static void
find_names(struct find *find, uint32_t after, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__WorkflowList list = FROE__WORKFLOW_LIST__INIT;
	struct ask_options options = {.trusted = true};
	list.has_limit = list.has_after = true;
	list.limit = FROE_LIST_MAX;
	list.after = after;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKFLOW_LIST;
	envelope.workflow_list = &list;
	call_ask(find->call, &envelope, &options, arena, on_names);
}

/* ------------------------------------------------------------------------------------ the runs */

static bool
find_full(const struct find *find)
{
	return buf_used(&find->ids) / sizeof(struct uuid) >= find->max;
}

static void
run_add(struct find *find, const Froe__RunRow *row)
{
	struct uuid id;
	if (row->run.len != sizeof(id) || find_full(find))
		return;
	memcpy(id.bytes, row->run.data, sizeof(id));
	if (map_get_uuid(&find->seen, id) != NULL)
		return;
	map_put_uuid(&find->seen, id, find);
	buf_push(&find->ids, id.bytes, sizeof(id));
}

static void
on_page(struct call *call, const struct answer *answer)
{
	struct find *find = call->find;
	uint32_t names = find->name_count > 0 ? find->name_count : 1;
	uint32_t pairs = find->pair_count > 0 ? find->pair_count : 1;
	if (call_failed(call, answer))
		return;
	const Froe__RunPage *page = (const void *)answer->message;
	for (size_t i = 0; i < page->n_rows; i++)
		run_add(find, page->rows[i]);
	find->before = page->next;
	if (page->next == 0)
		find->list++;
	if (find->list == names * pairs || find_full(find))
		find->then(find, answer->arena);
	else
		find_page(find, answer->arena);
}

static void
find_page(struct find *find, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	Froe__RunStatus statuses[ENG_EVICTED + 1];
	Froe__Pair pair = FROE__PAIR__INIT, *pairs = &pair;
	uint32_t pair_count = find->pair_count > 0 ? find->pair_count : 1;
	struct ask_options options = {.role = ENG_ROLE_CLIENT};
	list.statuses = statuses;
	for (uint32_t status = 0; status <= ENG_EVICTED; status++) {
		if ((find->statuses & 1u << status) != 0)
			statuses[list.n_statuses++] = (Froe__RunStatus)status;
	}
	list.limit = FROE_LIST_MAX;
	list.before = find->before;
	list.since_ns = find->since_ns;
	list.until_ns = find->until_ns;
	if (find->name_count > 0)
		list.workflow = find->names[find->list / pair_count];
	if (find->pair_count > 0) {
		pair.key = find->pairs[find->list % pair_count].key;
		pair.value = find->pairs[find->list % pair_count].value;
		list.metadata = &pairs;
		list.n_metadata = 1;
	}
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_LIST;
	envelope.run_list = &list;
	call_ask(find->call, &envelope, &options, arena, on_page);
}

void
find_start(struct find *find, struct call *call, const Hatchet__TasksFilter *filter,
    uint32_t statuses, uint32_t max, void (*then)(struct find *find, struct arena *arena),
    struct arena *arena)
{
	find->call = call;
	find->statuses = statuses;
	find->max = max;
	find->then = then;
	if (!take_statuses(find, filter) || !take_times(find, filter) ||
	    !take_workflows(find, filter) || !take_pairs(find, filter))
		return;
	if (find->statuses == 0)
		then(find, arena);
	else if (find->workflow_count > 0)
		find_names(find, 0, arena);
	else
		find_page(find, arena);
}
