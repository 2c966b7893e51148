/*
 * api/definition: a workflow's definition between its protobuf and its engine form.
 *
 * Purpose     Sessions get definitions from clients, the log's record codec gets them from disk;
 *             both hand the engine the same struct. `encoded` is canonical: the decoded message
 *             packed again, so that unknown fields, field order and repeated scalars make no
 *             difference (equal bytes are the same definition). A default that was written out
 *             stays written out.
 * Ownership   what is returned lies in the arena and in the message it was made from.
 * Failure     FROE_CORRUPT: not a WorkflowDefinition. FROE_TOO_LARGE: more than
 *             FROE_DEFINITION_BYTES_MAX. Nothing here judges what a definition says:
 *             eng_definition_check() does.
 */
#ifndef API_DEFINITION_H
#define API_DEFINITION_H

#include "base/arena.h"
#include "engine/engine.h"

#include "proto/definition.pb-c.h"

enum froe_err definition_decode(struct bytes encoded, struct arena *arena,
    struct eng_definition *ret_definition, struct froe_fault *fault) FROE_CHECKED;

/* NULL: larger than the limit, or the arena's limit is reached. */
const struct eng_definition *definition_from_proto(const Froe__WorkflowDefinition *proto,
    struct arena *arena);

#endif
