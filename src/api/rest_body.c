/*
 * A body is judged as JSON first (base/json: no deeper than JSON_DEPTH_MAX). Its member `input` is
 * then taken out as it stands, so that numbers stay what they were; the rest, which is small, goes
 * to jansson.
 */
#include "api/rest_int.h"

#include "base/json.h"

/* The text is known to be JSON: what is skipped is skipped by its brackets and quotes. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
};

static void
skip_space(struct cursor *cursor)
{
	while (cursor->at < cursor->end && memchr(" \t\r\n", *cursor->at, 4) != NULL)
		cursor->at++;
}

static void
skip_string(struct cursor *cursor)
{
	for (cursor->at++; *cursor->at != '"'; cursor->at++)
		cursor->at += *cursor->at == '\\';
	cursor->at++;
}

static void
skip_value(struct cursor *cursor)
{
	unsigned depth = 0;
	skip_space(cursor);
	do {
		if (*cursor->at == '"') {
			skip_string(cursor);
			continue;
		}
		depth += *cursor->at == '{' || *cursor->at == '[';
		depth -= *cursor->at == '}' || *cursor->at == ']';
		cursor->at++;
	} while (depth > 0);
	while (cursor->at < cursor->end && memchr(",}] \t\r\n", *cursor->at, 7) == NULL)
		cursor->at++;
}

/* The next member; false: there is none. Afterwards the cursor is behind it. */
static bool
member_take(struct cursor *cursor, struct bytes *ret_key, struct bytes *ret_value)
{
	cursor->at++; /* { or , */
	skip_space(cursor);
	if (*cursor->at != '"')
		return false;
	ret_key->data = cursor->at;
	skip_string(cursor);
	ret_key->size = (size_t)(cursor->at - ret_key->data);
	skip_space(cursor);
	cursor->at++; /* : */
	skip_space(cursor);
	ret_value->data = cursor->at;
	skip_value(cursor);
	ret_value->size = (size_t)(cursor->at - ret_value->data);
	skip_space(cursor);
	return true;
}

/* Quotes are part of a key as it is taken; one that is written with escapes is another one. */
bool
rest_member(struct bytes object, const char *name, struct bytes *ret_value)
{
	struct cursor cursor = {object.data, object.data + object.size};
	struct bytes key, value;
	size_t size = strlen(name);
	skip_space(&cursor);
	if (cursor.at == cursor.end || *cursor.at != '{')
		return false;
	while (member_take(&cursor, &key, &value)) {
		if (key.size == size + 2 && memcmp(key.data + 1, name, size) == 0) {
			*ret_value = value;
			return true;
		}
		if (*cursor.at == '}')
			break;
	}
	return false;
}

/* The body with null where `input` was. */
static struct bytes
without_input(struct rest_call *call)
{
	struct bytes body = call->body;
	if (!rest_member(body, "input", &call->input))
		return body;
	size_t before = (size_t)(call->input.data - body.data);
	size_t after = body.size - before - call->input.size;
	uint8_t *to = rest_zalloc(call, before + 4 + after);
	memcpy(to, body.data, before);
	memcpy(to + before, "null", 4);
	memcpy(to + before + 4, call->input.data + call->input.size, after);
	return bytes_of(to, before + 4 + after);
}

bool
rest_body(struct rest_call *call)
{
	json_error_t error;
	size_t at, size = call->body.size;
	if (size == 0) {
		rest_fail(call, 400, NULL, "the body is missing: give a JSON object");
		return false;
	}
	if (!json_valid(call->body.data, size, &at)) {
		rest_fail(call, 400, NULL,
		    "the body is not JSON: see its byte %zu (of %zu; nesting at most %d)", at, size,
		    JSON_DEPTH_MAX);
		return false;
	}
	struct bytes small = without_input(call);
	if (small.size > REST_BODY_BYTES_MAX) {
		rest_fail(call, 413, NULL, "the body, without its input, has %zu bytes; at most "
		    "%zu are taken: do it in parts", small.size, REST_BODY_BYTES_MAX);
		return false;
	}
	size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	call->json = json_loadb((const char *)small.data, small.size, flags, &error);
	if (call->json == NULL) /* a number that is larger than an int64_t, perhaps */
		call->json = json_loadb((const char *)small.data, small.size,
		    flags | JSON_DECODE_INT_AS_REAL, &error);
	if (json_is_object(call->json))
		return true;
	rest_fail(call, 400, NULL, "the body is not a JSON object that can be read: %s",
	    call->json == NULL ? error.text : "it is another value");
	return false;
}
