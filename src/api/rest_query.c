/*
 * Names and values of a query are percent-decoded once, when the call begins; '+' is a space. What
 * nobody asks for is not looked at. A key that comes more than once is a list.
 */
#include "api/rest_int.h"

#include "base/duration.h"
#include "base/json.h"

#include <stdio.h>

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
rest_percent_decode(struct arena *arena, struct bytes text, bool plus, struct bytes *ret_text)
{
	uint8_t *to = arena_alloc(arena, text.size + 1);
	size_t size = 0;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];
		if (c == '%') {
			bool whole = text.size - i > 2;
			int high = whole ? hex(text.data[i + 1]) : -1;
			int low = whole ? hex(text.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (uint8_t)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		to[size++] = c;
	}
	to[size] = 0;
	*ret_text = bytes_of(to, size);
	return utf8_valid(to, size);
}

static struct bytes
part_take(struct bytes *from, uint8_t mark)
{
	const uint8_t *at = from->size > 0 ? memchr(from->data, mark, from->size) : NULL;
	size_t size = at != NULL ? (size_t)(at - from->data) : from->size;
	struct bytes part = bytes_of(from->data, size);
	size_t skip = at != NULL ? size + 1 : size;
	*from = bytes_of(from->data + skip, from->size - skip);
	return part;
}

static bool
pair_take(struct rest_call *call, struct bytes value)
{
	struct bytes key = part_take(&value, '=');
	if (key.size == 0)
		return true;
	struct rest_pair *pair = &call->query[call->query_count];
	if (!rest_percent_decode(&call->arena, key, /* plus= */ true, &pair->key) ||
	    !rest_percent_decode(&call->arena, value, /* plus= */ true, &pair->value)) {
		rest_fail(call, 400, NULL,
		    "the query is not percent-encoded UTF-8 without zero bytes");
		return false;
	}
	call->query_count++;
	return true;
}

bool
rest_query_parse(struct rest_call *call)
{
	struct bytes left = call->query_text;
	size_t count = left.size > 0;
	for (size_t i = 0; i < left.size; i++)
		count += left.data[i] == '&';
	if (count > REST_QUERY_MAX) {
		rest_fail(call, 400, NULL, "the query has more than %u parts", REST_QUERY_MAX);
		return false;
	}
	call->query = rest_zalloc(call, count * sizeof(*call->query));
	while (left.size > 0) {
		if (!pair_take(call, part_take(&left, '&')))
			return false;
	}
	return true;
}

bool
rest_query_at(const struct rest_call *call, const char *key, uint32_t index,
    struct bytes *ret_value)
{
	for (uint32_t i = 0; i < call->query_count; i++) {
		if (!bytes_equal(call->query[i].key, bytes_text(key)) || index-- > 0)
			continue;
		*ret_value = call->query[i].value;
		return true;
	}
	return false;
}

bool
rest_query_number(struct rest_call *call, const char *key, uint64_t max, uint64_t *to)
{
	struct bytes text;
	uint64_t number = 0;
	if (!rest_query_at(call, key, 0, &text))
		return true;
	bool good = text.size > 0 && text.size < 19;
	for (size_t i = 0; good && i < text.size; i++) {
		good = text.data[i] >= '0' && text.data[i] <= '9';
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (!good || number > max) {
		rest_fail(call, 400, key, "%s is not a whole number from 0 to %llu", key,
		    (unsigned long long)max);
		return false;
	}
	*to = number;
	return true;
}

bool
rest_query_bool(struct rest_call *call, const char *key, bool *to)
{
	static const char *const WORDS[] = {"false", "true", "False", "True", "0", "1"};
	struct bytes text;
	if (!rest_query_at(call, key, 0, &text))
		return true;
	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
		if (!bytes_equal(text, bytes_text(WORDS[i])))
			continue;
		*to = i % 2 == 1;
		return true;
	}
	rest_fail(call, 400, key, "%s is not true or false", key);
	return false;
}

/* -HH:MM or +HH:MM at the end, in seconds; 0: none. */
static int64_t
offset_take(struct bytes *text)
{
	const uint8_t *at = text->size > 6 ? text->data + text->size - 6 : NULL;
	if (at == NULL || (at[0] != '+' && at[0] != '-') || at[3] != ':')
		return 0;
	for (int i = 1; i < 6; i++) {
		if (i != 3 && (at[i] < '0' || at[i] > '9'))
			return 0;
	}
	int64_t hours = (at[1] - '0') * 10 + at[2] - '0';
	int64_t minutes = hours * 60 + (at[4] - '0') * 10 + at[5] - '0';
	text->size -= 6;
	return at[0] == '+' ? minutes * 60 : -minutes * 60;
}

bool
rest_time_parse(struct bytes text, uint64_t *ret_wall_ns)
{
	char copy[64];
	uint64_t wall_ns;
	int64_t offset_s = offset_take(&text);
	if (text.size >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)text.size, (const char *)text.data);
	if (strlen(copy) > 10 && copy[10] == ' ')
		copy[10] = 'T';
	if (!timestamp_parse(copy, &wall_ns))
		return false;
	int64_t wall_s = (int64_t)(wall_ns / NS_PER_S) - offset_s;
	if (wall_s < 0)
		return false;
	*ret_wall_ns = (uint64_t)wall_s * NS_PER_S + wall_ns % NS_PER_S;
	return true;
}

bool
rest_query_time(struct rest_call *call, const char *key, uint64_t *to)
{
	struct bytes text;
	if (!rest_query_at(call, key, 0, &text))
		return true;
	if (rest_time_parse(text, to))
		return true;
	rest_fail(call, 400, key, "%s is not a time as 2026-01-31T12:00:00Z", key);
	return false;
}

bool
rest_query_uuid(struct rest_call *call, const char *key, struct uuid *to, bool *ret_there)
{
	struct bytes text;
	*ret_there = rest_query_at(call, key, 0, &text);
	if (!*ret_there || uuid_parse((const char *)text.data, text.size, to))
		return true;
	rest_fail(call, 400, key, "%s is not a UUID", key);
	return false;
}

bool
rest_param_uuid(struct rest_call *call, uint32_t index, const char *name, struct uuid *to)
{
	struct bytes text = call->params[index];
	if (uuid_parse((const char *)text.data, text.size, to))
		return true;
	rest_fail(call, 400, name, "%s is not a UUID", name);
	return false;
}
