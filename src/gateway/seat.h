/*
 * gateway/seat: a session with the shard, as a native connection would have one.
 *
 * Purpose     Says hello with a token, numbers requests, finds who waits for an answer, keeps what
 *             the port has no room for.
 * Ownership   embedded in its owner, who frees that in `gone`: when all that the seat had to say
 *             has been said.
 * Threading   the loop's thread. seat's callbacks may come from within seat_ask.
 * Invariants  1. each ask is answered until its `answer` says that it is done, or dropped with the
 *                seat.
 *             2. commands are posted in the order they were given.
 */
#ifndef GATEWAY_SEAT_H
#define GATEWAY_SEAT_H

#include "api/gateway.h"
#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"

#include "proto/native.pb-c.h"

struct seat;

/* Bytes of pushes that may be under way to a seat. */
#define SEAT_WINDOW ((uint64_t)16 << 20)

struct seats {
	struct api_gateway *api; /* its port and seats */
	struct list all;
	struct list backlogged;
};

/* What the shard says: exactly one of the messages that are asked for is not NULL. */
struct answer {
	uint32_t number; /* FROE__ENVELOPE__BODY_* */
	const ProtobufCMessage *message;
	uint64_t size;   /* of a push: what it took of the window */
	struct arena *arena; /* lives as long as the message */
};

struct ask {
	struct list link; /* of its seat */
	uint64_t request;
	/* True: it is done, and freed. Owner NULL: nobody wants to know. */
	bool (*answer)(struct ask *ask, const struct answer *answer);
	void *owner;
	void (*then)(void); /* the owner's own */
};

struct ask_options {
	bool (*answer)(struct ask *ask, const struct answer *answer);
	void *owner;
	void (*then)(void);
	bool trusted;  /* the gateway's own question: whatever the token's roles */
	uint32_t role; /* of enum eng_role: it suffices here, whatever api/access.def says */
	/* As in struct api_command. */
	bool holder;
	uint32_t attempt;
	struct uuid worker;
};

enum seat_state {
	SEAT_OPENING,
	SEAT_OPEN,
	SEAT_REFUSED,
	SEAT_CLOSING, /* CLOSE is said, or waits for room */
};

struct seat {
	struct api_seat api; /* first */
	struct seats *seats;
	struct list link;
	struct list backlogged;
	struct list backlog; /* of struct seat_later */
	struct list asks;
	struct map by_request;
	uint64_t handle;
	uint64_t requests;
	enum seat_state state;
	bool hearing;            /* a callback is under way: it is not freed within */
	uint32_t roles;
	struct uuid tenant;      /* as Hatchet's messages have it */
	struct froe_fault fault; /* REFUSED: why */
	void (*opened)(struct seat *seat); /* or refused */
	void (*push)(struct seat *seat, const struct answer *answer); /* answers nothing */
	void (*gone)(struct seat *seat);
};

void seats_init(struct seats *seats, struct api_gateway *api);
void seats_turn(struct seats *seats); /* what waits for room */
void seats_release(struct seats *seats);

/* The owner has filled in the callbacks. False: no seat is free. */
bool seat_open(struct seat *seat, struct seats *seats, struct bytes token,
    const struct api_peer *peer);
/* Says goodbye; asks are dropped, `gone` comes now or later. */
void seat_close(struct seat *seat);

/* A fault: the message is not good, or not allowed. *ret_ask (NULL: nobody wants it) is there
 * before the first answer. */
enum froe_err seat_ask(struct seat *seat, Froe__Envelope *envelope,
    const struct ask_options *options, struct arena *arena, struct ask **ret_ask,
    struct froe_fault *fault) FROE_CHECKED;
/* More pushes may come. */
void seat_credit(struct seat *seat, uint64_t bytes);

void ask_drop(struct ask *ask); /* nobody wants its answer any more */
/* An Error as a fault. False: it is another message. */
bool answer_fault(const struct answer *answer, struct froe_fault *ret_fault);

#endif
