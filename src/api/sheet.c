#include "api/sheet.h"

#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>

static void
begin(struct sheet *sheet)
{
	if (sheet->comma)
		buf_push(sheet->to, ",", 1);
	sheet->comma = true;
}

void
sheet_open(struct sheet *sheet, char bracket)
{
	begin(sheet);
	buf_push(sheet->to, &bracket, 1);
	sheet->comma = false;
}

void
sheet_close(struct sheet *sheet, char bracket)
{
	buf_push(sheet->to, &bracket, 1);
	sheet->comma = true;
}

void
sheet_key(struct sheet *sheet, const char *key)
{
	begin(sheet);
	buf_push_json_string(sheet->to, key, strlen(key));
	buf_push(sheet->to, ":", 1);
	sheet->comma = false;
}

void
sheet_text(struct sheet *sheet, struct bytes text)
{
	begin(sheet);
	buf_push_json_string(sheet->to, text.data, text.size);
}

void
sheet_number(struct sheet *sheet, uint64_t number)
{
	begin(sheet);
	buf_printf(sheet->to, "%" PRIu64, number);
}

void
sheet_bool(struct sheet *sheet, bool value)
{
	begin(sheet);
	buf_push_text(sheet->to, value ? "true" : "false");
}

void
sheet_null(struct sheet *sheet)
{
	begin(sheet);
	buf_push_text(sheet->to, "null");
}

void
sheet_uuid(struct sheet *sheet, struct uuid id)
{
	char text[UUID_TEXT_SIZE];
	uuid_format(id, text);
	sheet_text(sheet, bytes_text(text));
}

void
sheet_raw(struct sheet *sheet, struct bytes json)
{
	begin(sheet);
	buf_push(sheet->to, json.data, json.size);
}

void
sheet_time(struct sheet *sheet, uint64_t wall_ns)
{
	char text[TIMESTAMP_TEXT_SIZE];
	timestamp_format(wall_ns, text);
	char *point = strchr(text, '.');
	froe_assert(point != NULL);
	snprintf(point, sizeof(text) - (size_t)(point - text), ".%06" PRIu64 "Z",
	    wall_ns % NS_PER_S / 1000);
	sheet_text(sheet, bytes_text(text));
}

void
sheet_object(struct sheet *sheet, struct bytes json)
{
	size_t at = 0;
	while (at < json.size && memchr(" \t\r\n", json.data[at], 4) != NULL)
		at++;
	if (at == json.size) {
		sheet_raw(sheet, bytes_text("{}"));
	} else if (json.data[at] == '{') {
		sheet_raw(sheet, json);
	} else {
		sheet_open(sheet, '{');
		sheet_key(sheet, "value");
		sheet_raw(sheet, json);
		sheet_close(sheet, '}');
	}
}

void
sheet_put(struct sheet *sheet, const char *key, const char *text)
{
	if (text == NULL)
		return;
	sheet_key(sheet, key);
	sheet_text(sheet, bytes_text(text));
}

void
sheet_put_number(struct sheet *sheet, const char *key, uint64_t number)
{
	sheet_key(sheet, key);
	sheet_number(sheet, number);
}

void
sheet_put_bool(struct sheet *sheet, const char *key, bool value)
{
	sheet_key(sheet, key);
	sheet_bool(sheet, value);
}

void
sheet_put_uuid(struct sheet *sheet, const char *key, struct uuid id)
{
	sheet_key(sheet, key);
	sheet_uuid(sheet, id);
}

void
sheet_put_time(struct sheet *sheet, const char *key, uint64_t wall_ns)
{
	if (wall_ns == 0)
		return;
	sheet_key(sheet, key);
	sheet_time(sheet, wall_ns);
}

void
sheet_put_object(struct sheet *sheet, const char *key, struct bytes json)
{
	sheet_key(sheet, key);
	sheet_object(sheet, json);
}
