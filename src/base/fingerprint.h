/*
 * base/fingerprint: what a step of a durable task is, as a number.
 *
 * Purpose     tells whether a handler's step is the one that an earlier attempt has taken under the
 *             same number. The engine keeps it with the node, libfroe compares what came with a
 *             dispatch: so both compute the same.
 * Invariants  its value is on disk: it never changes. Kind and parameters, but for what a handler
 *             may rightly say otherwise each time: a memo's value, what an approver is shown, a
 *             child's input.
 */
#ifndef BASE_FINGERPRINT_H
#define BASE_FINGERPRINT_H

#include "base/bytes.h"

/* `name`: a memo's key, a child's workflow; of a wait none. */
uint64_t fingerprint_begin(uint32_t kind, struct bytes name);

/* And, of a wait, each condition in turn. */
uint64_t fingerprint_condition(uint64_t fingerprint, uint32_t kind, uint64_t sleep_ms,
    uint64_t until_ns, struct bytes name);

#endif
