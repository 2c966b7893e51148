#include "cli/json.h"

#include "base/duration.h"

#include <inttypes.h>

void
json_text(struct buf *to, const char *name, const char *text)
{
	buf_push_json_string(to, name, strlen(name));
	buf_push_text(to, ":");
	buf_push_json_string(to, text, strlen(text));
}

void
json_id(struct buf *to, const char *name, struct froe_id id)
{
	char text[FROE_ID_TEXT_SIZE];
	froe_id_format(id, text);
	buf_printf(to, "\"%s\":\"%s\"", name, text);
}

void
json_time(struct buf *to, const char *name, uint64_t wall_ns)
{
	char text[TIMESTAMP_TEXT_SIZE];
	timestamp_format(wall_ns, text);
	if (wall_ns != 0)
		buf_printf(to, ",\"%s\":\"%s\",\"%s_ns\":%" PRIu64, name, text, name, wall_ns);
	else
		buf_printf(to, ",\"%s\":null", name);
}

void
json_payload(struct buf *to, const char *name, struct froe_bytes payload)
{
	buf_printf(to, ",\"%s\":", name);
	if (payload.size != 0)
		buf_push(to, payload.data, payload.size);
	else
		buf_push_text(to, "null");
}
