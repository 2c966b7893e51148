/*
 * cli/json: members of JSON objects, as the commands print them.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "base/bytes.h"
#include "froe/froe.h"

void json_text(struct buf *to, const char *name, const char *text);
void json_id(struct buf *to, const char *name, struct froe_id id);
/* With a comma before it: a time as RFC 3339 and in nanoseconds, or null. */
void json_time(struct buf *to, const char *name, uint64_t wall_ns);
void json_payload(struct buf *to, const char *name, struct froe_bytes payload);

#endif
