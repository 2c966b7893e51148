/*
 * engine/token: tokens, and what they allow.
 *
 * Purpose     For whoever judges a token that was shown, and lists of them.
 * Ownership   what is told is borrowed from state, until the next step.
 * Threading   the engine's owner only.
 */
#ifndef ENGINE_TOKEN_H
#define ENGINE_TOKEN_H

#include "engine/engine.h"

/* A token as state has it; borrowed until the next step. */
struct eng_token_view {
	uint64_t kid;
	struct bytes digest;
	struct bytes name;
	struct bytes scope;
	struct bytes actor; /* who made it */
	const struct bytes *actions;
	uint32_t action_count;
	uint32_t roles;
	uint64_t created_ns;
	uint64_t expires_ns; /* 0: never */
};
bool eng_token(const struct eng *eng, uint64_t kid, struct eng_token_view *ret_view);
/* All of them, oldest first. */
void eng_tokens(const struct eng *eng,
    void (*each)(void *context, const struct eng_token_view *view), void *context);
/* May a token (or caller) of this scope do something with what is in that one? */
bool eng_scope_covers(struct bytes scope, struct bytes other);
/* Does a list of patterns allow the action? "orders:*" allows what begins with "orders:". */
bool eng_actions_allow(const struct bytes *patterns, uint32_t count, struct bytes action);

#endif
