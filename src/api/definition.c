#include "api/definition.h"

#include "api/wire.h"
#include "froe/limits.h"

static struct bytes
text_of(const char *text)
{
	return text != NULL ? bytes_text(text) : bytes_of(NULL, 0);
}

static bool
texts_of(char *const *texts, size_t count, struct arena *arena, const struct bytes **ret_texts)
{
	struct bytes *to = arena_alloc(arena, count * sizeof(*to));
	if (to == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		to[i] = text_of(texts[i]);
	*ret_texts = to;
	return true;
}

static bool
slots_of(Froe__Slots *const *protos, size_t count, struct arena *arena,
    const struct eng_slots **ret_slots)
{
	struct eng_slots *to = arena_alloc(arena, count * sizeof(*to));
	if (to == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		to[i] = (struct eng_slots){text_of(protos[i]->type), protos[i]->count};
	*ret_slots = to;
	return true;
}

static struct eng_backoff
backoff_of(const Froe__Backoff *proto)
{
	if (proto == NULL)
		return (struct eng_backoff){.kind = ENG_BACKOFF_NONE};
	return (struct eng_backoff){
	    .kind = (uint32_t)proto->kind,
	    .initial_ms = proto->initial_ms,
	    .max_ms = proto->max_ms,
	    .factor = proto->factor,
	    .table_ms = proto->table_ms,
	    .table_count = (uint32_t)proto->n_table_ms,
	    .jitter_percent = proto->jitter_percent,
	};
}

static bool
task_of(
    const Froe__TaskDefinition *proto, struct arena *arena, struct eng_task_definition *ret_task)
{
	*ret_task = (struct eng_task_definition){
	    .name = text_of(proto->name),
	    .action = text_of(proto->action),
	    .parent_count = (uint32_t)proto->n_parents,
	    .retries = proto->retries,
	    .backoff = backoff_of(proto->backoff),
	    .schedule_timeout_ms = proto->schedule_timeout_ms,
	    .execution_timeout_ms = proto->execution_timeout_ms,
	    .on_failure = proto->on_failure,
	    .durable = proto->durable,
	    .delivery = (uint32_t)proto->delivery,
	    .priority = proto->priority,
	};
	if (!slots_of(proto->slots, proto->n_slots, arena, &ret_task->slots))
		return false;
	ret_task->slot_count = (uint32_t)proto->n_slots;
	return texts_of(proto->parents, proto->n_parents, arena, &ret_task->parents);
}

/* A copy of one message's struct without its unknown fields; members are shared. */
static void *
known_copy(const ProtobufCMessage *message, struct arena *arena)
{
	ProtobufCMessage *copy = arena_copy(arena, message, message->descriptor->sizeof_message);
	if (copy != NULL) {
		copy->n_unknown_fields = 0;
		copy->unknown_fields = NULL;
	}
	return copy;
}

static bool
known_slots(Froe__TaskDefinition *task, struct arena *arena)
{
	Froe__Slots **slots = arena_alloc(arena, task->n_slots * sizeof(*slots));
	if (slots == NULL)
		return false;
	for (size_t i = 0; i < task->n_slots; i++) {
		slots[i] = known_copy(&task->slots[i]->base, arena);
		if (slots[i] == NULL)
			return false;
	}
	task->slots = slots;
	return true;
}

static Froe__WorkflowDefinition *
known_definition(const Froe__WorkflowDefinition *proto, struct arena *arena)
{
	Froe__WorkflowDefinition *known = known_copy(&proto->base, arena);
	if (known == NULL)
		return NULL;
	known->tasks = arena_alloc(arena, proto->n_tasks * sizeof(known->tasks[0]));
	if (known->tasks == NULL)
		return NULL;
	for (size_t i = 0; i < proto->n_tasks; i++) {
		Froe__TaskDefinition *task = known_copy(&proto->tasks[i]->base, arena);
		if (task == NULL)
			return NULL;
		if (task->backoff != NULL &&
		    (task->backoff = known_copy(&task->backoff->base, arena)) == NULL)
			return NULL;
		if (!known_slots(task, arena))
			return NULL;
		known->tasks[i] = task;
	}
	return known;
}

static bool
encode_canonical(
    const Froe__WorkflowDefinition *proto, struct arena *arena, struct bytes *ret_encoded)
{
	const Froe__WorkflowDefinition *known = known_definition(proto, arena);
	if (known == NULL)
		return false;
	size_t size = froe__workflow_definition__get_packed_size(known);
	if (size > FROE_DEFINITION_BYTES_MAX)
		return false;
	uint8_t *to = arena_alloc(arena, size);
	if (to == NULL)
		return false;
	froe_assert(froe__workflow_definition__pack(known, to) == size);
	*ret_encoded = bytes_of(to, size);
	return true;
}

const struct eng_definition *
definition_from_proto(const Froe__WorkflowDefinition *proto, struct arena *arena)
{
	struct eng_definition *definition = arena_alloc(arena, sizeof(*definition));
	struct eng_task_definition *tasks = arena_alloc(arena, proto->n_tasks * sizeof(*tasks));
	if (definition == NULL || tasks == NULL)
		return NULL;
	*definition = (struct eng_definition){
	    .name = text_of(proto->name),
	    .tasks = tasks,
	    .task_count = (uint32_t)proto->n_tasks,
	    .run_timeout_ms = proto->run_timeout_ms,
	    .priority = proto->priority,
	};
	for (size_t i = 0; i < proto->n_tasks; i++) {
		if (!task_of(proto->tasks[i], arena, &tasks[i]))
			return NULL;
	}
	return encode_canonical(proto, arena, &definition->encoded) ? definition : NULL;
}

enum froe_err
definition_decode(struct bytes encoded, struct arena *arena, struct eng_definition *ret_definition,
    struct froe_fault *fault)
{
	char field[WIRE_FIELD_SIZE];
	const ProtobufCMessageDescriptor *type = &froe__workflow_definition__descriptor;
	ProtobufCMessage *message = NULL;
	if (wire_check(type, encoded, field) == WIRE_GOOD)
		message = wire_unpack(type, encoded, arena);
	if (message == NULL)
		return fault_set_field(fault, FROE_CORRUPT, field,
		    "these %zu bytes are not a workflow definition", encoded.size);
	const struct eng_definition *definition =
	    definition_from_proto((const Froe__WorkflowDefinition *)(void *)message, arena);
	if (definition == NULL)
		return fault_set(fault, FROE_TOO_LARGE,
		    "the workflow definition is larger than %u bytes", FROE_DEFINITION_BYTES_MAX);
	*ret_definition = *definition;
	return FROE_OK;
}
