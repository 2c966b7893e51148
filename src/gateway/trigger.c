#include "gateway/trigger.h"

#include "api/wire.h"
#include "base/mem.h"
#include "froe/limits.h"
#include "gateway/text.h"

#include "proto/definition.pb-c.h"

struct triggers {
	struct list rows; /* struct trigger */
};

/* A workflow and a key that starts it. */
struct trigger {
	struct list link;
	char *workflow;
	char *key;
};

/* By the last "*" that was met: what it stood for grows until the rest fits. */
bool
trigger_match(const char *pattern, const char *key)
{
	const char *star = NULL, *from = NULL;
	while (*key != 0) {
		if (*pattern == '*') {
			star = pattern++;
			from = key;
		} else if (*pattern == *key) {
			pattern++;
			key++;
		} else if (star != NULL) {
			pattern = star + 1;
			key = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == 0;
}

/* --------------------------------------------------------------------------------- tables */

struct triggers *
trigger_table(struct gateway *gateway, struct uuid tenant)
{
	return map_get_uuid(&gateway->triggers, tenant);
}

static void
row_free(struct trigger *row)
{
	list_remove(&row->link);
	mem_free(row->workflow);
	mem_free(row->key);
	mem_free(row);
}

static void
rows_put(struct triggers *triggers, const char *workflow, char *const *keys, size_t count)
{
	struct list *at, *next;
	for (at = triggers->rows.next; at != &triggers->rows; at = next) {
		struct trigger *row = container_of(at, struct trigger, link);
		next = at->next;
		if (strcmp(row->workflow, workflow) == 0)
			row_free(row);
	}
	for (size_t i = 0; i < count; i++) {
		struct trigger *row = mem_zalloc(sizeof(*row));
		row->workflow = mem_strdup(workflow);
		row->key = mem_strdup(keys[i]);
		list_push(&triggers->rows, &row->link);
	}
}

void
trigger_put(struct gateway *gateway, struct uuid tenant, const char *workflow, char *const *keys,
    size_t count)
{
	struct triggers *triggers = trigger_table(gateway, tenant);
	gateway->trigger_puts++;
	if (triggers != NULL)
		rows_put(triggers, workflow, keys, count);
}

void
trigger_each(const struct triggers *triggers, const char *key,
    void (*each)(void *context, const char *workflow), void *context)
{
	const char *last = NULL; /* a workflow's rows stand together: it is started once */
	struct list *at;
	list_for_each(at, &triggers->rows) {
		const struct trigger *row = container_of(at, struct trigger, link);
		if (last != NULL && strcmp(last, row->workflow) == 0)
			continue;
		if (!trigger_match(row->key, key))
			continue;
		last = row->workflow;
		each(context, row->workflow);
	}
}

struct nth {
	uint32_t left;
	const char *workflow;
};

static void
nth_take(void *context, const char *workflow)
{
	struct nth *nth = context;
	if (nth->left-- == 0)
		nth->workflow = workflow;
}

bool
trigger_drop(struct triggers *triggers, const char *key, uint32_t index)
{
	struct nth nth = {.left = index};
	trigger_each(triggers, key, nth_take, &nth);
	if (nth.workflow == NULL)
		return false;
	char *workflow = mem_strdup(nth.workflow); /* it is a row's */
	rows_put(triggers, workflow, NULL, 0);
	mem_free(workflow);
	return true;
}

void
trigger_free(struct triggers *triggers)
{
	if (triggers == NULL)
		return;
	while (!list_empty(&triggers->rows))
		row_free(container_of(triggers->rows.next, struct trigger, link));
	mem_free(triggers);
}

void
trigger_release_all(struct gateway *gateway)
{
	for (size_t i = 0; i < gateway->triggers.capacity; i++) {
		struct map_entry *entry = &gateway->triggers.entries[i];
		/* Removal shifts entries back into this slot. */
		while (entry->value != NULL) {
			struct triggers *triggers = entry->value;
			map_remove(&gateway->triggers, entry->key[0], entry->key[1]);
			trigger_free(triggers);
		}
	}
}

/* -------------------------------------------------------------------------------- reading */

static void load_names(struct call *call, uint32_t after, struct arena *arena);

/* Names that are still to be looked at lie in call->kept, each with its zero. */
static void on_definition(struct call *call, const struct answer *answer);

/* If a workflow was registered meanwhile, what was read of it may be old: all over again. */
static void
load_done(struct call *call, struct arena *arena)
{
	struct gateway *gateway = call->gateway;
	struct uuid tenant = call->session->seat.tenant;
	struct triggers *triggers = call->triggers;
	call->triggers = NULL;
	if (trigger_table(gateway, tenant) == NULL && call->puts == gateway->trigger_puts)
		map_put_uuid(&gateway->triggers, tenant, triggers);
	else
		trigger_free(triggers);
	trigger_load(call, arena, call->loaded);
}

static void
load_next(struct call *call, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__WorkflowGet get = FROE__WORKFLOW_GET__INIT;
	struct ask_options options = {.trusted = true};
	if (buf_used(&call->kept) == 0) {
		if (call->count != 0)
			load_names(call, call->count, arena);
		else
			load_done(call, arena);
		return;
	}
	get.workflow = (char *)(uintptr_t)buf_bytes(&call->kept).data;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKFLOW_GET;
	envelope.workflow_get = &get;
	call_ask(call, &envelope, &options, arena, on_definition);
}

static void
on_definition(struct call *call, const struct answer *answer)
{
	struct froe_fault fault;
	const Froe__WorkflowDefinition *definition = NULL;
	bool gone = answer_fault(answer, &fault) && fault.code == FROE_NOT_FOUND;
	if (!gone && call_failed(call, answer))
		return;
	if (!gone) {
		const Froe__WorkflowView *view = (const void *)answer->message;
		definition = (const void *)wire_unpack(&froe__workflow_definition__descriptor,
		    bytes_of(view->definition.data, view->definition.len), answer->arena);
	}
	const char *name = (const char *)buf_bytes(&call->kept).data;
	if (definition != NULL)
		rows_put(call->triggers, name, definition->events, definition->n_events);
	buf_pop(&call->kept, strlen(name) + 1);
	load_next(call, answer->arena);
}

static void
on_names(struct call *call, const struct answer *answer)
{
	if (call_failed(call, answer))
		return;
	const Froe__WorkflowPage *page = (const void *)answer->message;
	for (size_t i = 0; i < page->n_rows; i++)
		buf_push(&call->kept, page->rows[i]->name, strlen(page->rows[i]->name) + 1);
	call->count = page->next;
	load_next(call, answer->arena);
}

static void
load_names(struct call *call, uint32_t after, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__WorkflowList list = FROE__WORKFLOW_LIST__INIT;
	struct ask_options options = {.trusted = true};
	list.has_limit = list.has_after = true;
	list.limit = FROE_LIST_MAX;
	list.after = after;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKFLOW_LIST;
	envelope.workflow_list = &list;
	call_ask(call, &envelope, &options, arena, on_names);
}

void
trigger_load(struct call *call, struct arena *arena, trigger_then *then)
{
	if (trigger_table(call->gateway, call->session->seat.tenant) != NULL) {
		then(call, arena);
		return;
	}
	call->triggers = mem_zalloc(sizeof(*call->triggers));
	list_init(&call->triggers->rows);
	call->loaded = then;
	call->puts = call->gateway->trigger_puts;
	load_names(call, 0, arena);
}
