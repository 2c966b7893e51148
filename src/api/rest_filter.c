/*
 * api/rest_filter: what runs are wanted, from a query or from a body.
 */
#include "api/rest_walk.h"

#include "froe/limits.h"

/* One value of a list, of what is called `field`. False: it was refused. */
typedef bool filter_add(struct rest_call *call, const char *field, struct bytes text,
    struct walk_filter *filter);

static bool
status_add(struct rest_call *call, const char *field, struct bytes word,
    struct walk_filter *filter)
{
	uint32_t bits = alias_statuses(word);
	filter->statuses |= bits;
	if (bits != 0)
		return true;
	rest_fail(call, 400, field, "a status is QUEUED, RUNNING, COMPLETED, FAILED or "
	    "CANCELLED");
	return false;
}

static bool
workflow_add(struct rest_call *call, const char *field, struct bytes text,
    struct walk_filter *filter)
{
	if (filter->workflows == NULL)
		filter->workflows =
		    rest_zalloc(call, WALK_WORKFLOWS_MAX * sizeof(*filter->workflows));
	struct uuid *to = &filter->workflows[filter->workflow_count];
	if (filter->workflow_count == WALK_WORKFLOWS_MAX) {
		rest_fail(call, 400, field, "more than %u workflows", WALK_WORKFLOWS_MAX);
		return false;
	}
	if (!uuid_parse((const char *)text.data, text.size, to)) {
		rest_fail(call, 400, field, "a workflow's id is a UUID");
		return false;
	}
	filter->workflow_count++;
	return true;
}

/* "key:value"; the key is what is before the first colon. */
static bool
pair_add(struct rest_call *call, const char *field, struct bytes text, struct walk_filter *filter)
{
	const uint8_t *colon = text.size > 0 ? memchr(text.data, ':', text.size) : NULL;
	if (colon == NULL || filter->pair_count == FROE_METADATA_PAIRS_MAX) {
		rest_fail(call, 400, field, colon == NULL
		    ? "a pair of metadata is written key:value"
		    : "there are more pairs than a run can have");
		return false;
	}
	if (filter->pairs == NULL)
		filter->pairs =
		    rest_zalloc(call, FROE_METADATA_PAIRS_MAX * sizeof(Froe__Pair *));
	size_t size = (size_t)(colon - text.data);
	Froe__Pair *pair = rest_zalloc(call, sizeof(*pair));
	froe__pair__init(pair);
	pair->key = (char *)(uintptr_t)rest_keep(call, bytes_of(text.data, size)).data;
	pair->value = (char *)(uintptr_t)rest_keep(
	    call, bytes_of(colon + 1, text.size - size - 1)).data;
	filter->pairs[filter->pair_count++] = pair;
	return true;
}

static bool
times_good(struct rest_call *call, const struct walk_filter *filter)
{
	if (filter->until_ns == 0 || filter->until_ns > filter->since_ns)
		return true;
	rest_fail(call, 400, "until", "no time is at or after since and before until");
	return false;
}

/* ALL, ON_WORKER or EVICTED: which of those that run. */
static bool
query_running(struct rest_call *call, struct walk_filter *filter)
{
	uint32_t running = UINT32_C(1) << ENG_RUNNING, evicted = UINT32_C(1) << ENG_EVICTED;
	struct bytes word;
	if (!rest_query_at(call, "running_filter", 0, &word) ||
	    bytes_equal(word, bytes_text("ALL")))
		return true;
	if (filter->statuses == 0)
		filter->statuses = (UINT32_C(1) << (ENG_EVICTED + 1)) - 1;
	if (bytes_equal(word, bytes_text("ON_WORKER")))
		filter->statuses &= ~evicted;
	else if (bytes_equal(word, bytes_text("EVICTED")))
		filter->statuses &= ~running;
	else
		rest_fail(call, 400, "running_filter", "it is ALL, ON_WORKER or EVICTED");
	if (filter->statuses == 0)
		filter->nothing = true;
	return !call->done;
}

/* Each value of a key of the query. False: one was refused. */
static bool
each_value(struct rest_call *call, const char *key, filter_add *add, struct walk_filter *filter)
{
	struct bytes text;
	for (uint32_t i = 0; rest_query_at(call, key, i, &text); i++) {
		if (!add(call, key, text, filter))
			return false;
	}
	return true;
}

static bool
query_lists(struct rest_call *call, struct walk_filter *filter)
{
	return each_value(call, "statuses", status_add, filter) &&
	    each_value(call, "workflow_ids", workflow_add, filter) &&
	    each_value(call, "additional_metadata", pair_add, filter) &&
	    query_running(call, filter);
}

static bool
query_operator(struct rest_call *call, struct walk_filter *filter)
{
	struct bytes word;
	filter->any = true;
	if (!rest_query_at(call, "additional_metadata_operator", 0, &word) ||
	    bytes_equal(word, bytes_text("OR")))
		return true;
	filter->any = false;
	if (bytes_equal(word, bytes_text("AND")))
		return true;
	rest_fail(call, 400, "additional_metadata_operator", "it is AND or OR");
	return false;
}

bool
rest_filter_query(struct rest_call *call, struct walk_filter *filter)
{
	struct bytes since;
	if (!rest_query_at(call, "since", 0, &since)) {
		rest_fail(call, 400, "since", "since is missing: from when on");
		return false;
	}
	return rest_query_time(call, "since", &filter->since_ns) &&
	    rest_query_time(call, "until", &filter->until_ns) && times_good(call, filter) &&
	    query_lists(call, filter) && query_operator(call, filter) &&
	    rest_query_uuid(call, "worker_id", &filter->worker, &filter->by_worker) &&
	    rest_query_uuid(
	        call, "parent_task_external_id", &filter->parent, &filter->by_parent) &&
	    rest_query_uuid(call, "triggering_event_external_id", &filter->event,
	        &filter->by_event);
}

/* Of events: what they are, and what runs they have started. */
bool
rest_filter_events(struct rest_call *call, struct walk_filter *filter)
{
	return rest_query_time(call, "since", &filter->since_ns) &&
	    rest_query_time(call, "until", &filter->until_ns) && times_good(call, filter) &&
	    each_value(call, "workflowRunStatuses", status_add, filter) &&
	    each_value(call, "workflowIds", workflow_add, filter) &&
	    each_value(call, "additionalMetadata", pair_add, filter);
}

/* ----------------------------------------------------------------------------- from a body */

/* Each string of an array that may be absent. False: it was refused. */
static bool
each_text(struct rest_call *call, const json_t *from, const char *name,
    filter_add *add, struct walk_filter *filter)
{
	const json_t *array = json_object_get(from, name), *value;
	size_t index;
	if (array == NULL || json_is_null(array))
		return true;
	if (!json_is_array(array)) {
		rest_fail(call, 400, name, "%s is not an array", name);
		return false;
	}
	json_array_foreach(array, index, value) {
		if (!json_is_string(value)) {
			rest_fail(call, 400, name, "%s[%zu] is not a string", name, index);
			return false;
		}
		if (!add(call, name,
		        bytes_of(json_string_value(value), json_string_length(value)), filter))
			return false;
	}
	return true;
}

static bool
body_time(struct rest_call *call, const json_t *from, const char *name, uint64_t *to)
{
	const json_t *value = json_object_get(from, name);
	if (value == NULL || json_is_null(value))
		return true;
	if (json_is_string(value) &&
	    rest_time_parse(
	        bytes_of(json_string_value(value), json_string_length(value)), to))
		return true;
	rest_fail(call, 400, name, "%s is not a time as 2026-01-31T12:00:00Z", name);
	return false;
}

bool
rest_filter_body(struct rest_call *call, const json_t *from, struct walk_filter *filter)
{
	filter->any = true;
	if (!json_is_object(from)) {
		rest_fail(call, 400, "filter", "the filter is not an object");
		return false;
	}
	if (json_object_get(from, "since") == NULL) {
		rest_fail(call, 400, "filter.since", "since is missing: from when on");
		return false;
	}
	return body_time(call, from, "since", &filter->since_ns) &&
	    body_time(call, from, "until", &filter->until_ns) && times_good(call, filter) &&
	    each_text(call, from, "statuses", status_add, filter) &&
	    each_text(call, from, "workflowIds", workflow_add, filter) &&
	    each_text(call, from, "additionalMetadata", pair_add, filter);
}
