#include "gateway/text.h"

#include "base/duration.h"
#include "froe/limits.h"

#include <jansson.h>

char *
text_copy(struct arena *arena, struct bytes text)
{
	char *to = arena_alloc(arena, text.size + 1);
	froe_assert(to != NULL);
	if (text.size > 0)
		memcpy(to, text.data, text.size);
	to[text.size] = 0;
	return to;
}

char *
text_uuid(struct arena *arena, struct uuid id)
{
	char *to = arena_alloc(arena, UUID_TEXT_SIZE);
	froe_assert(to != NULL);
	uuid_format(id, to);
	return to;
}

char *
text_lower(struct arena *arena, const char *text)
{
	char *to = text_copy(arena, bytes_text(text != NULL ? text : ""));
	for (char *at = to; *at != 0; at++) {
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	}
	return to;
}

bool
text_id(const char *text, struct uuid *ret_id)
{
	return text != NULL && uuid_parse(text, strlen(text), ret_id);
}

ProtobufCBinaryData
text_id_bytes(struct arena *arena, struct uuid id)
{
	uint8_t *to = arena_copy(arena, id.bytes, sizeof(id.bytes));
	froe_assert(to != NULL);
	return (ProtobufCBinaryData){sizeof(id.bytes), to};
}

Hatchet__Timestamp *
text_time(struct arena *arena, uint64_t wall_ns)
{
	Hatchet__Timestamp *time = arena_alloc(arena, sizeof(*time));
	froe_assert(time != NULL);
	hatchet__timestamp__init(time);
	time->has_seconds = time->has_nanos = true;
	time->seconds = (int64_t)(wall_ns / NS_PER_S);
	time->nanos = (int32_t)(wall_ns % NS_PER_S);
	return time;
}

uint64_t
text_time_ns(const Hatchet__Timestamp *time)
{
	if (time == NULL || time->seconds < 0 || time->seconds > INT64_C(9000000000) ||
	    time->nanos < 0)
		return 0;
	return (uint64_t)time->seconds * NS_PER_S + (uint64_t)time->nanos;
}

/* ------------------------------------------------------------------------------- metadata */

static char *
value_text(struct arena *arena, json_t *value)
{
	if (json_is_string(value))
		return text_copy(arena, bytes_text(json_string_value(value)));
	size_t size = json_dumpb(value, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);
	char *to = arena_alloc(arena, size + 1);
	froe_assert(to != NULL);
	size = json_dumpb(value, to, size, JSON_ENCODE_ANY | JSON_COMPACT);
	to[size] = 0;
	return to;
}

bool
text_metadata(struct arena *arena, const char *json, Froe__Pair ***ret_pairs, size_t *ret_count)
{
	const char *key;
	json_t *value;
	size_t count = 0;
	*ret_count = 0;
	*ret_pairs = NULL;
	if (!text_given(json))
		return true;
	json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return false;
	}
	Froe__Pair *pairs = arena_alloc(arena, json_object_size(object) * sizeof(*pairs) + 1);
	*ret_pairs = arena_alloc(arena, json_object_size(object) * sizeof(**ret_pairs) + 1);
	froe_assert(pairs != NULL && *ret_pairs != NULL);
	json_object_foreach(object, key, value) {
		froe__pair__init(&pairs[count]);
		pairs[count].key = text_copy(arena, bytes_text(key));
		pairs[count].value = value_text(arena, value);
		(*ret_pairs)[count] = &pairs[count];
		count++;
	}
	json_decref(object);
	*ret_count = count;
	return true;
}

char *
text_metadata_json(struct arena *arena, Froe__Pair *const *pairs, size_t count)
{
	struct buf json;
	if (count == 0)
		return NULL;
	buf_init(&json);
	for (size_t i = 0; i < count; i++) {
		const char *key = pairs[i]->key != NULL ? pairs[i]->key : "";
		const char *value = pairs[i]->value != NULL ? pairs[i]->value : "";
		buf_push_text(&json, i == 0 ? "{" : ",");
		buf_push_json_string(&json, key, strlen(key));
		buf_push_text(&json, ":");
		buf_push_json_string(&json, value, strlen(value));
	}
	buf_push_text(&json, "}");
	char *to = text_copy(arena, buf_bytes(&json));
	buf_release(&json);
	return to;
}

/* -------------------------------------------------------------------------------- errors */

size_t
text_cut(const char *text, size_t size_max)
{
	size_t size = strlen(text);
	if (size <= size_max)
		return size;
	for (size = size_max; size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80; size--)
		;
	return size;
}

static void
push_part(struct buf *to, const char *key, const char *text, size_t size_max)
{
	buf_push_text(to, key);
	buf_push_json_string(to, text, text_cut(text, size_max));
}

char *
text_error(struct arena *arena, const char *error, const char *otherwise)
{
	const char *text = text_given(error) ? error : otherwise;
	if (strlen(text) <= FROE_ERROR_TEXT_BYTES_MAX)
		return text_copy(arena, bytes_text(text));
	json_t *object = json_loads(text, 0, NULL);
	const char *message = json_string_value(json_object_get(object, "message"));
	const char *stack = json_string_value(json_object_get(object, "stack"));
	char *to;
	if (message != NULL) {
		/* Escaped, a byte takes up to six. */
		struct buf json;
		buf_init(&json);
		push_part(&json, "{\"message\":", message, FROE_ERROR_TEXT_BYTES_MAX / 12);
		push_part(&json, ",\"stack\":", stack != NULL ? stack : "",
		    FROE_ERROR_TEXT_BYTES_MAX / 12);
		buf_push_text(&json, "}");
		to = text_copy(arena, buf_bytes(&json));
		buf_release(&json);
	} else {
		to = text_copy(arena, bytes_of(text, text_cut(text, FROE_ERROR_TEXT_BYTES_MAX)));
	}
	json_decref(object);
	return to;
}

/* ------------------------------------------------------------------------------ durations */

bool
text_duration_ms(const char *text, uint64_t *ret_ms)
{
	size_t size = strlen(text);
	uint64_t ns, days = 0;
	if (size > 1 && (text[size - 1] == 'w' || text[size - 1] == 'y')) {
		for (size_t i = 0; i + 1 < size; i++) {
			if (text[i] < '0' || text[i] > '9' || days > 100000)
				return false;
			days = days * 10 + (uint64_t)(text[i] - '0');
		}
		days *= text[size - 1] == 'w' ? 7 : 365;
		*ret_ms = days * 86400000;
		return days > 0 && days <= 36600;
	}
	if (!duration_parse(text, &ns))
		return false;
	*ret_ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
	return true;
}
