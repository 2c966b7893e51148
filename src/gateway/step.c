#include "gateway/step.h"

#include "base/hash.h"
#include "gateway/text.h"

#include <inttypes.h>
#include <stdio.h>

void
step_key(struct bytes key, char name[STEP_KEY_SIZE])
{
	struct hash128 hash = hash128(key.data, key.size);
	snprintf(name, STEP_KEY_SIZE, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
}

void
step_envelope(Froe__Envelope *envelope, Froe__DurableStep *step, struct uuid task, uint32_t node,
    Froe__NodeKind kind, struct arena *arena)
{
	froe__envelope__init(envelope);
	froe__durable_step__init(step);
	step->has_task = step->has_lease = step->has_node = step->has_kind = true;
	step->task = text_id_bytes(arena, task);
	step->lease = UINT64_MAX;
	step->node = node;
	step->kind = kind;
	step->has_told = step->told = true; /* handlers may catch it, and complete */
	envelope->body_case = FROE__ENVELOPE__BODY_DURABLE_STEP;
	envelope->durable_step = step;
}

static const char *
condition_refused(const Hatchet__BaseMatchCondition *base, const char **group)
{
	const char *mine = base != NULL && base->or_group_id != NULL ? base->or_group_id : "";
	if (*group != NULL && strcmp(*group, mine) != 0)
		return "this server waits for the first of several conditions, not yet for all";
	*group = mine;
	if (base != NULL && text_given(base->expression) && strcmp(base->expression, "true") != 0)
		return "this server does not have expressions of conditions yet: leave it out";
	return NULL;
}

const char *
step_refused(const Hatchet__DurableEventListenerConditions *from)
{
	const char *group = NULL, *refused = NULL;
	if (from == NULL || from->n_sleep_conditions + from->n_user_event_conditions == 0)
		return "give at least one condition";
	for (size_t i = 0; i < from->n_sleep_conditions && refused == NULL; i++) {
		uint64_t ms;
		const char *text = from->sleep_conditions[i]->sleep_for;
		refused = condition_refused(from->sleep_conditions[i]->condition, &group);
		if (refused == NULL && (!text_given(text) || !text_duration_ms(text, &ms)))
			refused = "sleep_for: give a duration such as \"30s\"";
	}
	for (size_t i = 0; i < from->n_user_event_conditions && refused == NULL; i++) {
		const Hatchet__UserEventMatchCondition *event = from->user_event_conditions[i];
		refused = condition_refused(event->condition, &group);
		if (refused == NULL && (text_given(event->event_scope) ||
		        event->consider_events_since != NULL))
			refused = "this server does not have event_scope and "
			          "consider_events_since yet: leave them out";
	}
	return refused;
}

void
step_conditions(const Hatchet__DurableEventListenerConditions *from, Froe__DurableStep *step,
    struct arena *arena)
{
	size_t count = from->n_sleep_conditions + from->n_user_event_conditions;
	Froe__Condition *rows = arena_alloc(arena, (count + 1) * sizeof(*rows));
	step->conditions = arena_alloc(arena, (count + 1) * sizeof(*step->conditions));
	froe_assert(rows != NULL && step->conditions != NULL);
	step->n_conditions = count;
	for (size_t i = 0; i < count; i++) {
		bool sleeps = i < from->n_sleep_conditions;
		froe__condition__init(&rows[i]);
		rows[i].has_kind = true;
		rows[i].kind = sleeps ? FROE__CONDITION_KIND__CONDITION_SLEEP
		                      : FROE__CONDITION_KIND__CONDITION_EVENT;
		rows[i].has_sleep_ms = sleeps &&
		    text_duration_ms(from->sleep_conditions[i]->sleep_for, &rows[i].sleep_ms);
		if (!sleeps)
			rows[i].name = from->user_event_conditions[i - from->n_sleep_conditions]
			                   ->user_event_key;
		step->conditions[i] = &rows[i];
	}
}

void
step_value(char *name, Froe__DurableStep *step, struct arena *arena)
{
	Froe__Condition *row = arena_alloc(arena, sizeof(*row));
	step->conditions = arena_alloc(arena, sizeof(*step->conditions));
	froe_assert(row != NULL && step->conditions != NULL);
	froe__condition__init(row);
	row->has_kind = true;
	row->kind = FROE__CONDITION_KIND__CONDITION_VALUE;
	row->name = name;
	step->conditions[0] = row;
	step->n_conditions = 1;
}

void
step_json(const Hatchet__DurableEventListenerConditions *conditions, const Froe__NodeDone *done,
    struct buf *json)
{
	size_t which = done->which, sleeps = conditions->n_sleep_conditions;
	const Hatchet__BaseMatchCondition *base = NULL;
	const char *key = NULL, *sleep = NULL;
	if (which < sleeps) {
		base = conditions->sleep_conditions[which]->condition;
		sleep = conditions->sleep_conditions[which]->sleep_for;
	} else if (which - sleeps < conditions->n_user_event_conditions) {
		base = conditions->user_event_conditions[which - sleeps]->condition;
		key = conditions->user_event_conditions[which - sleeps]->user_event_key;
	}
	if (base != NULL && text_given(base->readable_data_key))
		key = base->readable_data_key;
	if (key == NULL)
		key = "sleep";
	buf_push_text(json, "{\"CREATE\":{");
	buf_push_json_string(json, key, strlen(key));
	buf_push_text(json, ":[");
	if (sleep != NULL) {
		buf_push_text(json, "{\"sleep_duration\":");
		buf_push_json_string(json, sleep, strlen(sleep));
		buf_push_text(json, "}");
	} else if (done->payload.len > 0) {
		buf_push(json, done->payload.data, done->payload.len);
	} else {
		buf_push_text(json, "{}");
	}
	buf_push_text(json, "]}}");
}
