#include "base/uuid.h"
#include "froe/froe.h"

void
froe_id_format(struct froe_id id, char text[FROE_ID_TEXT_SIZE])
{
	struct uuid uuid;
	if (text == NULL)
		return;
	memcpy(uuid.bytes, id.bytes, sizeof(uuid.bytes));
	uuid_format(uuid, text);
}

bool
froe_id_parse(const char *text, struct froe_id *ret_id)
{
	struct uuid uuid;
	if (text == NULL || ret_id == NULL || !uuid_parse(text, strlen(text), &uuid))
		return false;
	memcpy(ret_id->bytes, uuid.bytes, sizeof(ret_id->bytes));
	return true;
}

const char *
froe_status_name(enum froe_status status)
{
	static const char *const names[] = {"QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED",
	    "EVICTED"};
	return (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status] : "UNKNOWN";
}

const char *
froe_version(void)
{
	return FROE_VERSION;
}
