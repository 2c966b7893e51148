/*
 * A call's life: HTTP/2 begins a stream, its head is judged (grpc_receive.c), the method answers
 * (grpc_send.c), the stream closes. What happens within http2_receive and http2_pull is only noted
 * where a method could be told something that ends its call: grpc_step tells it. So a method may
 * finish any call from within any callback.
 *
 * One moment is kept for all deadlines and stalls of a connection: the earliest. When it comes, all
 * its calls are looked at.
 */
#include "net/grpc_int.h"

#include "base/duration.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

/* ------------------------------------------------------------------------------ questions */

uint32_t
grpc_call_id(const struct grpc_call *call)
{
	return (uint32_t)call->id;
}

const struct grpc_method *
grpc_call_method(const struct grpc_call *call)
{
	return call->method;
}

void *
grpc_call_owner(const struct grpc_call *call)
{
	return call->grpc->owner;
}

void
grpc_call_set_context(struct grpc_call *call, void *context)
{
	call->context = context;
}

void *
grpc_call_context(const struct grpc_call *call)
{
	return call->context;
}

uint64_t
grpc_call_deadline_ns(const struct grpc_call *call)
{
	return call->deadline_ns;
}

uint64_t
grpc_sent(const struct grpc_call *call)
{
	return call->sent;
}

uint64_t
grpc_written(const struct grpc_call *call)
{
	return call->written;
}

bool
grpc_finished(const struct grpc_call *call)
{
	return call->finished;
}

struct grpc_call *
grpc_find(struct grpc *grpc, uint32_t id)
{
	struct grpc_call *call = map_get_u64(&grpc->calls, id);
	return call != NULL && call->opened && !call->closed ? call : NULL;
}

bool
grpc_stalled(const struct grpc *grpc)
{
	return !list_empty(&grpc->stalled);
}

uint64_t
grpc_due_ns(const struct grpc *grpc)
{
	return grpc->due_ns;
}

bool
grpc_greeted(const struct grpc *grpc)
{
	return http2_greeted(grpc->http2);
}

bool
grpc_in_head(const struct grpc *grpc)
{
	return http2_in_head(grpc->http2);
}

bool
grpc_done(const struct grpc *grpc)
{
	return http2_done(grpc->http2) || (grpc->draining && grpc->count == 0);
}

uint32_t
grpc_calls(const struct grpc *grpc)
{
	return grpc->count;
}

size_t
grpc_held_bytes(const struct grpc *grpc)
{
	return sizeof(*grpc) + grpc->queued_bytes + grpc->held_bytes +
	    http2_held_bytes(grpc->http2) +
	    grpc->count * (sizeof(struct grpc_call) + HTTP2_HEAD_BYTES_MAX / 16);
}

void
grpc_check(const struct grpc *grpc)
{
	struct list *node, *each;
	size_t queued = 0, held = 0, count = 0;
	list_for_each(node, &grpc->all) {
		const struct grpc_call *call = container_of(node, struct grpc_call, node);
		size_t own = 0;
		froe_assert(call->magic == GRPC_CALL_MAGIC);
		list_for_each(each, &call->queue)
			own += container_of(each, struct grpc_piece, node)->size;
		froe_assert(own == call->queued_bytes);
		froe_assert(call->written <= call->pulled && call->pulled <= call->sent);
		if (call->finished)
			froe_assert(buf_used(&call->input) == 0);
		queued += own;
		held += buf_used(&call->input);
		count++;
	}
	froe_assert(queued == grpc->queued_bytes);
	froe_assert(held == grpc->held_bytes);
	froe_assert(count == grpc->count && count == grpc->calls.count);
}

/* ---------------------------------------------------------------------------------- calls */

static void *
on_begin(void *owner, int32_t id)
{
	struct grpc *grpc = owner;
	struct grpc_call *call = mem_zalloc(sizeof(*call));
	call->magic = GRPC_CALL_MAGIC;
	call->id = id;
	call->grpc = grpc;
	call->deadline_ns = UINT64_MAX;
	list_init(&call->queue);
	list_push(&grpc->all, &call->node);
	map_put_u64(&grpc->calls, (uint64_t)id, call);
	grpc->count++;
	grpc_count_add(&grpc->counts->streams, 1);
	grpc_count_add(&grpc->counts->streams_total, 1);
	return call;
}

static void
call_free(struct grpc_call *call)
{
	struct grpc *grpc = call->grpc;
	call_drop_queue(call);
	call_drop_input(call);
	map_remove_u64(&grpc->calls, (uint64_t)call->id);
	list_remove(&call->node);
	list_remove(&call->stalled);
	list_remove(&call->pulling);
	list_remove(&call->marked);
	list_remove(&call->refused);
	list_remove(&call->gone);
	buf_release(&call->head);
	buf_release(&call->text);
	buf_release(&call->details);
	grpc->count--;
	grpc_count_add(&grpc->counts->streams, (uint64_t)-1);
	call->magic = 0;
	mem_free(call);
}

/* The last that the method hears. */
static void
call_end(struct grpc_call *call, enum grpc_end end)
{
	call->closed = true;
	if (call->opened && call->method->close != NULL)
		call->method->close(call, end);
	call_free(call);
}

void
grpc_refuse(struct grpc_call *call, enum grpc_status status, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (call->finished)
		return;
	call->end = GRPC_END_REFUSED;
	grpc_finish(call, status, text, bytes_of(NULL, 0));
}

/* --------------------------------------------------------------------------------- events */

static void
call_stall(struct grpc_call *call)
{
	if (!list_linked(&call->stalled))
		list_push(&call->grpc->stalled, &call->stalled);
}

static void
on_field(void *stream, struct bytes name, struct bytes value)
{
	call_field(stream, name, value);
}

static void
on_end(void *stream)
{
	struct grpc_call *call = stream;
	call->ended = true;
	if (!call->finished && !list_linked(&call->stalled) && !call_take(call))
		call_stall(call);
}

static void
on_head(void *stream, bool large, bool end)
{
	call_head(stream, large);
	if (end)
		on_end(stream);
}

static bool
on_data(void *stream, struct bytes data)
{
	struct grpc_call *call = stream;
	if (!call_data(call, data))
		call_stall(call);
	return list_empty(&call->grpc->stalled);
}

static size_t
on_read(void *stream, uint8_t *to, size_t size, bool *ret_end)
{
	return call_read(stream, to, size, ret_end);
}

static void
on_close(void *stream, uint32_t code)
{
	struct grpc_call *call = stream;
	bool whole = call->trailed && list_empty(&call->queue) && code == HTTP2_NO_ERROR;
	call->closed = true;
	if (code != HTTP2_NO_ERROR)
		grpc_count_add(&call->grpc->counts->resets, 1);
	if (!whole && call->end == GRPC_END_DONE)
		call->end = GRPC_END_CANCELLED;
	call_drop_queue(call);
	call_drop_input(call);
	list_push(&call->grpc->gone, &call->gone);
	call->grpc->ready(call->grpc->owner);
}

const struct http2_events GRPC_EVENTS = {
    .begin = on_begin,
    .field = on_field,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .read = on_read,
    .close = on_close,
};

/* ----------------------------------------------------------------------------------- life */

struct grpc *
grpc_open(const struct grpc_options *options)
{
	struct grpc *grpc = mem_zalloc(sizeof(*grpc));
	grpc->methods = options->methods;
	grpc->codec = options->codec;
	grpc->owner = options->owner;
	grpc->ready = options->ready;
	grpc->refusal = options->refusal;
	grpc->near = options->near;
	grpc->now_ns = options->now_ns;
	grpc->counts = options->count != NULL ? options->count : &grpc->own_counts;
	grpc_count_add(&grpc->counts->connections, 1);
	grpc->due_ns = UINT64_MAX;
	map_init(&grpc->calls);
	list_init(&grpc->all);
	list_init(&grpc->stalled);
	list_init(&grpc->pulling);
	list_init(&grpc->marked);
	list_init(&grpc->refused);
	list_init(&grpc->gone);
	grpc->http2 = http2_open(&GRPC_EVENTS, grpc);
	http2_set_now(grpc->http2, grpc->now_ns);
	return grpc;
}

void
grpc_close(struct grpc *grpc, enum grpc_end end)
{
	while (!list_empty(&grpc->all)) {
		struct grpc_call *call = container_of(grpc->all.next, struct grpc_call, node);
		call_end(call, call->end != GRPC_END_DONE ? call->end : end);
	}
	froe_assert(grpc->queued_bytes == 0 && grpc->held_bytes == 0 && grpc->count == 0);
	grpc_count_add(&grpc->counts->connections, (uint64_t)-1);
	http2_close(grpc->http2);
	map_release(&grpc->calls);
	mem_free(grpc);
}

void
grpc_ping(struct grpc *grpc)
{
	http2_ping(grpc->http2);
	grpc->ready(grpc->owner);
}

void
grpc_drain(struct grpc *grpc)
{
	struct list *node;
	if (grpc->draining)
		return;
	grpc->draining = true;
	http2_drain(grpc->http2);
	list_for_each(node, &grpc->all) {
		struct grpc_call *call = container_of(node, struct grpc_call, node);
		if (!call->opened || call->finished || call->closed ||
		    call->method->kind == GRPC_UNARY)
			continue;
		call->end = GRPC_END_DRAINED;
		grpc_finish(call, GRPC_UNAVAILABLE, "the server stops", bytes_of(NULL, 0));
	}
	grpc->ready(grpc->owner);
}

/* ---------------------------------------------------------------------------------- bytes */

enum froe_err
grpc_receive(struct grpc *grpc, struct buf *input, struct froe_fault *fault)
{
	while (list_empty(&grpc->stalled) &&
	    (buf_used(input) > 0 || http2_paused(grpc->http2))) {
		size_t taken;
		enum froe_err err = http2_receive(grpc->http2, buf_bytes(input), &taken, fault);
		if (err != FROE_OK)
			return err;
		buf_pop(input, taken);
	}
	return FROE_OK;
}

/* What was pulled since has left when this many bytes have. */
static void
call_mark(struct grpc_call *call)
{
	call->mark = call->pulled;
	call->mark_at = call->grpc->produced;
	list_push(&call->grpc->marked, &call->marked);
}

bool
grpc_pull(struct grpc *grpc, struct buf *to)
{
	struct list *node;
	size_t before = buf_used(to);
	bool more = http2_pull(grpc->http2, to);
	grpc->produced += buf_used(to) - before;
	while ((node = list_pop(&grpc->pulling)) != NULL) {
		struct grpc_call *call = container_of(node, struct grpc_call, pulling);
		if (!list_linked(&call->marked) && call->pulled > call->mark)
			call_mark(call);
	}
	return more;
}

/* ---------------------------------------------------------------------------------- steps */

void
grpc_due(struct grpc *grpc, uint64_t due_ns)
{
	if (due_ns < grpc->due_ns)
		grpc->due_ns = due_ns;
}

/* So many bytes of the connection have left. */
static void
call_left(struct grpc_call *call, uint64_t left)
{
	uint64_t before = call->written;
	while (list_linked(&call->marked) && call->mark_at <= left) {
		froe_assert(call->written < call->mark);
		call->written = call->mark;
		list_remove(&call->marked);
		if (call->pulled > call->mark)
			call_mark(call);
	}
	if (call->written > before && call->method->written != NULL)
		call->method->written(call);
}

static void
step_written(struct grpc *grpc, uint64_t left)
{
	/* A mark that is set anew goes to the end: this looks at each once. */
	struct list *last = grpc->marked.prev, *node = grpc->marked.next, *next;
	for (bool more = !list_empty(&grpc->marked); more; node = next) {
		next = node->next;
		more = node != last;
		call_left(container_of(node, struct grpc_call, marked), left);
	}
}

/* The client's own deadline: it has given up as well. */
static void
call_expire(struct grpc_call *call)
{
	bool within = !list_empty(&call->queue) &&
	    container_of(call->queue.next, struct grpc_piece, node)->at > 0;
	call->end = GRPC_END_DEADLINE;
	if (within) {
		call_drop_queue(call);
		call->finished = true;
		call_drop_input(call);
		http2_reset(call->grpc->http2, call->id, HTTP2_CANCEL);
		return;
	}
	call_drop_queue(call);
	grpc_finish(call, GRPC_DEADLINE_EXCEEDED, "the call's deadline has passed",
	    bytes_of(NULL, 0));
}

static void
call_time(struct grpc_call *call)
{
	struct grpc *grpc = call->grpc;
	uint64_t stall_ns = call->moved_ns + GRPC_STALL_MS * NS_PER_MS;
	if (call->closed)
		return;
	if (!call->finished && call->deadline_ns <= grpc->now_ns) {
		call_expire(call);
	} else if (call->queued_bytes > 0 && stall_ns <= grpc->now_ns) {
		call->end = GRPC_END_STALLED;
		call->finished = true;
		call_drop_input(call);
		call_drop_queue(call);
		http2_reset(grpc->http2, call->id, HTTP2_CANCEL);
	} else {
		if (!call->finished)
			grpc_due(grpc, call->deadline_ns);
		if (call->queued_bytes > 0)
			grpc_due(grpc, stall_ns);
	}
}

static void
step_time(struct grpc *grpc)
{
	struct list *node;
	if (grpc->now_ns < grpc->due_ns)
		return;
	grpc->due_ns = UINT64_MAX;
	list_for_each(node, &grpc->all)
		call_time(container_of(node, struct grpc_call, node));
}

static void
step_stalled(struct grpc *grpc)
{
	while (!list_empty(&grpc->stalled)) {
		struct grpc_call *call =
		    container_of(grpc->stalled.next, struct grpc_call, stalled);
		if (!call->closed && !call_take(call))
			return;
		list_remove(&call->stalled);
	}
}

static void
step_writable(struct grpc *grpc)
{
	struct list *last = grpc->refused.prev, *node = grpc->refused.next, *next;
	for (bool more = !list_empty(&grpc->refused); more; node = next) {
		next = node->next;
		more = node != last;
		call_writable(container_of(node, struct grpc_call, refused));
	}
}

/* Whose messages are still on their way waits, if its method wants to know. */
static void
step_gone(struct grpc *grpc)
{
	struct list *node = grpc->gone.next;
	while (node != &grpc->gone) {
		struct grpc_call *call = container_of(node, struct grpc_call, gone);
		node = node->next;
		bool waits = call->opened && call->end != GRPC_END_CANCELLED &&
		    call->method->written != NULL && call->written < call->pulled;
		if (!waits)
			call_end(call, call->end);
	}
}

void
grpc_step(struct grpc *grpc, size_t unsent_bytes, uint64_t now_ns)
{
	uint64_t unsent = unsent_bytes < grpc->produced ? unsent_bytes : grpc->produced;
	grpc->now_ns = now_ns;
	http2_set_now(grpc->http2, now_ns);
	step_written(grpc, grpc->produced - unsent);
	step_time(grpc);
	step_stalled(grpc);
	step_writable(grpc);
	step_gone(grpc);
}
