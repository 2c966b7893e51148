/*
 * api/rest_trigger: a run is started; the answer is what it is then.
 *
 * The SDKs write workflows' names in small letters when they register them, and as they were given
 * here: a name that is not known is tried in small letters once.
 */
#include "api/rest_view.h"

struct trigger {
	char *workflow;
	bool lowered;
	uint32_t priority;
	Froe__Pair **pairs;
	size_t pair_count;
};

static void trigger_start(struct rest_call *call);

static void
view_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	(void)tag;
	if (rest_failed(call, reply))
		return;
	struct sheet sheet = rest_sheet(call);
	view_details(call, &sheet, (const Froe__RunView *)reply->message);
	rest_finish(call, 200);
}

/* True: the name has letters to be made small. */
static bool
name_lower(char *name)
{
	bool changed = false;
	for (; *name != 0; name++) {
		changed |= *name >= 'A' && *name <= 'Z';
		if (*name >= 'A' && *name <= 'Z')
			*name = (char)(*name - 'A' + 'a');
	}
	return changed;
}

static void
started_heard(struct rest_call *call, uint32_t tag, const struct rest_reply *reply)
{
	struct trigger *trigger = call->state;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	(void)tag;
	if (reply->error != NULL && reply->error->code == FROE_NOT_FOUND && !trigger->lowered &&
	    name_lower(trigger->workflow)) {
		trigger->lowered = true;
		trigger_start(call);
		return;
	}
	if (rest_failed(call, reply))
		return;
	const Froe__RunStarted *started = (const Froe__RunStarted *)reply->message;
	uint8_t id[16] = {0};
	memcpy(id, started->run.data, started->run.len == 16 ? 16 : 0);
	get.has_run = get.has_payloads = get.payloads = true;
	get.run = (ProtobufCBinaryData){16, id};
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RUN_GET, &get.base, view_heard, 0),
	    "refused is answered");
}

static void
trigger_start(struct rest_call *call)
{
	const struct trigger *trigger = call->state;
	Froe__RunStart start = FROE__RUN_START__INIT;
	start.workflow = trigger->workflow;
	start.has_input = call->input.size > 0;
	start.input = (ProtobufCBinaryData){
	    call->input.size, (uint8_t *)(uintptr_t)call->input.data};
	start.priority = trigger->priority;
	start.metadata = trigger->pairs;
	start.n_metadata = trigger->pair_count;
	FROE_DROP(rest_ask(call, FROE__ENVELOPE__BODY_RUN_START, &start.base, started_heard, 0),
	    "refused is answered");
}

/* A string is itself; another value is its JSON. */
static char *
value_text(struct rest_call *call, const json_t *value)
{
	if (json_is_string(value))
		return (char *)(uintptr_t)rest_keep(
		    call, bytes_of(json_string_value(value), json_string_length(value))).data;
	size_t size = json_dumpb(value, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);
	char *text = rest_zalloc(call, size + 1);
	json_dumpb(value, text, size, JSON_ENCODE_ANY | JSON_COMPACT);
	return text;
}

static bool
take_pairs(struct rest_call *call, struct trigger *trigger)
{
	json_t *from = json_object_get(call->json, "additionalMetadata"), *value;
	const char *key;
	if (from == NULL || json_is_null(from))
		return true;
	if (!json_is_object(from)) {
		rest_fail(call, 400, "additionalMetadata", "additionalMetadata is not an object");
		return false;
	}
	size_t count = json_object_size(from);
	trigger->pairs = rest_zalloc(call, count * sizeof(Froe__Pair *));
	json_object_foreach(from, key, value) {
		Froe__Pair *pair = rest_zalloc(call, sizeof(*pair));
		froe__pair__init(pair);
		pair->key = (char *)(uintptr_t)rest_keep(call, bytes_text(key)).data;
		pair->value = value_text(call, value);
		trigger->pairs[trigger->pair_count++] = pair;
	}
	return true;
}

static bool
take_priority(struct rest_call *call, struct trigger *trigger)
{
	const json_t *value = json_object_get(call->json, "priority");
	double number = json_number_value(value);
	if (value == NULL || json_is_null(value))
		return true;
	if (!json_is_number(value) || (number != 1 && number != 2 && number != 3)) {
		rest_fail(call, 400, "priority", "priority is 1, 2 or 3");
		return false;
	}
	trigger->priority = (uint32_t)number;
	return true;
}

static bool
take_input(struct rest_call *call)
{
	const json_t *input = json_object_get(call->json, "input");
	if (input != NULL && call->input.size == 0) {
		rest_fail(call, 400, "input", "the key input is written with escapes");
		return false;
	}
	if (call->input.size == 0 || call->input.data[0] == '{')
		return true;
	rest_fail(call, 400, "input", "the input is not an object");
	return false;
}

void
rest_trigger(struct rest_call *call)
{
	struct trigger *trigger = call->state = rest_zalloc(call, sizeof(*trigger));
	if (!rest_body(call))
		return;
	const json_t *name = json_object_get(call->json, "workflowName");
	if (!json_is_string(name)) {
		rest_fail(call, 400, "workflowName", "workflowName is missing, or not a string");
		return;
	}
	trigger->workflow = (char *)(uintptr_t)rest_keep(
	    call, bytes_of(json_string_value(name), json_string_length(name))).data;
	if (take_pairs(call, trigger) && take_priority(call, trigger) && take_input(call))
		trigger_start(call);
}
