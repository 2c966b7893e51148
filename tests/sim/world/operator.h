/*
 * sim/world/operator: makes tokens and revokes them, puts rate limits; asks again when nobody
 * answered.
 */
#ifndef SIM_WORLD_OPERATOR_H
#define SIM_WORLD_OPERATOR_H

#include "sim/world/process.h"

struct world;

struct operator {
	uint64_t conn;
	uint64_t due_ns;
	uint64_t request; /* 0: not asked on this connection */
	bool wishes;
	bool unknown;     /* asked before; nobody answered */
	bool revoke;
	bool rate;        /* a rate limit is put, and no token */
	uint32_t rates;   /* so many were: the limit of the last one */
	uint64_t kid;
	bool foreign;     /* revoked by a scope that it is not of */
	uint64_t expires_ns;
	uint64_t made;    /* so many */
};

void operator_init(struct world *world, struct operator *operator);
void operator_turn(struct world *world, struct operator *operator);
void operator_reply(struct world *world, struct operator *operator, const struct letter *letter);
void operator_cut(struct world *world, struct operator *operator); /* the server died */
uint64_t operator_due_ns(const struct operator *operator);

#endif
