/*
 * tests/unit/api_straight: what api/straight makes of a frame, beside what the general way does.
 */
#ifndef UNIT_API_STRAIGHT_H
#define UNIT_API_STRAIGHT_H

#include "api/straight.h"

#include "api/request.h"
#include "base/message.h"

static inline bool
fence_same(const struct eng_fence *a, const struct eng_fence *b)
{
	return uuid_equal(a->task, b->task) && a->lease == b->lease;
}

static inline bool
start_same(const struct eng_start *a, const struct eng_start *b)
{
	return bytes_equal(a->workflow, b->workflow) && uuid_equal(a->run, b->run) &&
	    bytes_equal(a->input, b->input) && a->priority == b->priority &&
	    a->timeout_ms == b->timeout_ms && a->metadata_count == b->metadata_count &&
	    bytes_equal(a->key, b->key) && a->key_ttl_ms == b->key_ttl_ms &&
	    a->key_until_end == b->key_until_end && a->start_ns == b->start_ns &&
	    a->delay_ms == b->delay_ms && a->child == b->child &&
	    fence_same(&a->parent, &b->parent) && a->worker.v == b->worker.v &&
	    a->child_index == b->child_index && bytes_equal(a->child_key, b->child_key);
}

static inline bool
task_same(const struct eng_command *a, const struct eng_command *b)
{
	return a->task.worker.v == b->task.worker.v && fence_same(&a->task.fence, &b->task.fence) &&
	    bytes_equal(a->task.bytes, b->task.bytes) && a->task.fatal == b->task.fatal &&
	    a->task.retry_after_ms == b->task.retry_after_ms && a->task.add_ms == b->task.add_ms &&
	    a->task.sequence == b->task.sequence && a->task.late == b->task.late &&
	    a->task.attempt == b->task.attempt;
}

static inline bool
command_same(const struct api_command *a, const struct api_command *b)
{
	const struct eng_command *x = &a->engine, *y = &b->engine;
	bool alike = a->op == b->op && a->origin.conn == b->origin.conn &&
	    a->origin.request == b->origin.request && a->wait == b->wait &&
	    a->holder == b->holder && a->attempt == b->attempt &&
	    uuid_equal(a->worker, b->worker) && x->type == y->type &&
	    x->origin.conn == y->origin.conn && x->origin.request == y->origin.request &&
	    bytes_equal(x->actor, y->actor) && x->tenant.v == y->tenant.v && x->hold == y->hold &&
	    x->runs_max == y->runs_max && x->lapse_ns == y->lapse_ns &&
	    memcmp(&x->job, &y->job, sizeof(x->job)) == 0;
	return alike && (x->type == ENG_CMD_RUN_START ? start_same(&x->run_start, &y->run_start)
						      : task_same(x, y));
}

/* Taken or not. What is taken, is taken by the general way too, and as the same. */
static inline bool
straight_agrees(struct bytes frame, struct arena *arena)
{
	struct straight straight;
	struct api_command command;
	struct froe_fault fault;
	memset(&straight, 0xee, sizeof(straight));
	if (!straight_decode(frame, &straight))
		return false;
	arena_reset(arena);
	const Froe__Envelope *envelope =
	    (const void *)message_decode(&froe__envelope__descriptor, frame, arena);
	froe_assert(envelope != NULL && envelope->request == straight.request);
	froe_assert((uint32_t)envelope->body_case == straight.body);
	froe_assert(request_decode(envelope, arena, &command, &fault) == FROE_OK);
	froe_assert(command_same(&command, &straight.command));
	return true;
}

#endif
