/*
 * Loops and asynchronous file operations. A start makes a flight: it copies the bytes of a write
 * and draws when it is due. io_step moves time to the first flight due or to the deadline, and
 * completes what is due, earliest first. A write reaches the file when it completes: all of it, a
 * part (a short write), or a part and an error.
 */
#include "io/sim_int.h"

#include "base/mem.h"

#include <string.h>

#define SIM_STUCK_NS_MIN UINT64_C(10000000000)
#define SIM_SLOW_PER_MILLION 30000u

static struct sim_loop *
loop_of(struct io *io)
{
	return container_of(io, struct sim_loop, io);
}

static struct sim_flight *
flight_of(struct list *node)
{
	return container_of(node, struct sim_flight, node);
}

/* ----------------------------------------------------------------------------------- flights */

/* Half to one and a half of the mean; a few take many times as long; a stuck one 10 to 60 s. */
static uint64_t
flight_latency_ns(struct sim *sim, enum io_kind kind)
{
	struct sim_dice *dice = &sim->disk_dice;
	uint64_t mean = sim->options.write_latency_ns;
	uint64_t latency = 1 + mean / 2 + sim_dice_below(dice, mean + 1);
	if (sim_dice_hits(dice, SIM_SLOW_PER_MILLION))
		latency *= 2 + sim_dice_below(dice, 50);
	if (kind == IO_WRITE && sim_dice_hits(dice, sim->options.stuck_write_per_million))
		latency += SIM_STUCK_NS_MIN * (1 + sim_dice_below(dice, 6));
	return latency;
}

static void
flight_release(struct sim_flight *flight)
{
	froe_assert(flight->inode->held > 0);
	flight->inode->held--;
	list_remove(&flight->node);
	mem_free(flight->copy);
	mem_free(flight);
}

static void
flight_start(struct io *io, struct io_op *op, enum io_kind kind, int file, void *buffer,
    size_t size, uint64_t offset)
{
	struct sim_loop *loop = loop_of(io);
	struct sim *sim = loop->sim;
	struct sim_file *open = sim_file_get(sim, file);

	froe_assert(!loop->dead);
	froe_assert(size <= INT32_MAX);
	sim_file_check_access(open, buffer, size, offset);
	op->kind = kind;
	op->file = file;
	op->buffer = buffer;
	op->size = size;
	op->offset = offset;
	op->cancelled = false;
	enum sim_fate fate = sim_fate(sim);
	struct sim_flight *flight = mem_zalloc(sizeof(*flight));
	*flight = (struct sim_flight){
	    .loop = loop,
	    .op = op,
	    .kind = kind,
	    .inode = open->inode,
	    .flags = open->flags,
	    .copy = kind == IO_WRITE ? mem_copy(buffer, size) : NULL,
	    .size = size,
	    .offset = offset,
	    .due_ns = sim->mono_ns + flight_latency_ns(sim, kind),
	    .error = fate == SIM_FATE_FAILS ? sim->fail_error : FROE_OK,
	    .never = fate == SIM_FATE_DIES || fate == SIM_FATE_DEAD,
	};
	op->due_ns = flight->due_ns;
	open->inode->held++;
	list_push(&sim->flights, &flight->node);
	if (fate == SIM_FATE_DEAD && kind == IO_WRITE)
		flight->size = 0; /* it never reached the disk */
}

/* ------------------------------------------------------------------------------- completions */

/* A length from one unit up to what was asked for; shorter by chance only. */
static size_t
flight_length(struct sim *sim, const struct sim_flight *flight, size_t size)
{
	size_t unit = (flight->flags & IO_OPEN_DIRECT) != 0 ? SIM_BLOCK_BYTES : 1;
	if (size <= unit)
		return size;
	if (!sim_dice_hits(&sim->disk_dice, sim->options.short_write_per_million))
		return size;
	return (1 + sim_dice_below(&sim->disk_dice, (size - 1) / unit)) * unit;
}

/* Any of its sectors may be on the disk, as if torn. */
static int32_t
flight_write_error(struct sim *sim, struct sim_flight *flight, enum froe_err error)
{
	struct sim_tear tear;
	sim_tear_init(&tear, &sim->disk_dice);
	if (sim_file_has_room(sim, flight->inode, flight->offset + flight->size))
		sim_image_tear(&flight->inode->image, flight->offset, flight->copy, flight->size,
		    &tear);
	return -(int32_t)error;
}

static int32_t
flight_write(struct sim *sim, struct sim_flight *flight, bool cancelled)
{
	struct sim_dice *dice = &sim->disk_dice;

	/* The buffer is lent from start to completion. */
	froe_assert(memcmp(flight->copy, flight->op->buffer, flight->size) == 0);
	if (flight->error != FROE_OK)
		return flight_write_error(sim, flight, flight->error);
	if (cancelled && sim_dice_below(dice, 2) == 0)
		return -(int32_t)FROE_CANCELLED;
	if (!sim_file_has_room(sim, flight->inode, flight->offset + flight->size))
		return -(int32_t)FROE_NO_SPACE;
	if (sim_dice_hits(dice, sim->options.write_error_per_million))
		return flight_write_error(sim, flight, FROE_IO);
	size_t length = flight_length(sim, flight, flight->size);
	sim_image_write(&flight->inode->image, flight->offset, flight->copy, length,
	    (flight->flags & IO_OPEN_DSYNC) != 0);
	return (int32_t)length;
}

static int32_t
flight_read(struct sim *sim, const struct sim_flight *flight, bool cancelled)
{
	const struct sim_image *image = &flight->inode->image;

	if (flight->error != FROE_OK)
		return -(int32_t)flight->error;
	if (cancelled && sim_dice_below(&sim->disk_dice, 2) == 0)
		return -(int32_t)FROE_CANCELLED;
	if (flight->offset >= image->size)
		return 0;
	uint64_t rest = image->size - flight->offset;
	size_t size = flight->size < rest ? flight->size : (size_t)rest;
	size_t length = flight_length(sim, flight, size);
	sim_image_read(image, flight->offset, flight->op->buffer, length,
	    (flight->flags & IO_OPEN_DIRECT) != 0);
	return (int32_t)length;
}

static void
flight_complete(struct sim *sim, struct sim_flight *flight)
{
	struct io_op *op = flight->op;

	froe_assert(op->magic == IO_OP_MAGIC);
	froe_assert(op->kind == flight->kind);
	int32_t result = flight->kind == IO_WRITE ? flight_write(sim, flight, op->cancelled)
	                                          : flight_read(sim, flight, op->cancelled);
	flight->loop->io.stats.completions++;
	flight_release(flight);
	op->kind = IO_NONE;
	op->done(op, result);
}

/* A loop that is closed while it writes: what the disk had begun it may finish, or not. */
static void
flight_detach(struct sim_flight *flight)
{
	flight->op->kind = IO_NONE;
	if (flight->kind == IO_WRITE) {
		flight->op = NULL;
		flight->loop = NULL;
	} else {
		flight_release(flight);
	}
}

/* Before a file is opened again, the kernel has ended the writes of its last owner. */
void
sim_flights_land(struct sim *sim, const struct sim_inode *inode)
{
	for (struct list *node = sim->flights.next, *next; node != &sim->flights; node = next) {
		struct sim_flight *flight = flight_of(node);
		next = node->next;
		if (flight->op != NULL || flight->inode != inode)
			continue;
		if (flight->size > 0 && sim_dice_below(&sim->disk_dice, 2) == 0 &&
		    sim_file_has_room(sim, inode, flight->offset + flight->size))
			sim_image_write(&flight->inode->image, flight->offset, flight->copy,
			    flight->size, (flight->flags & IO_OPEN_DSYNC) != 0);
		flight_release(flight);
	}
}

/* The crash: writes in flight reach the disk as torn, in the order of their start. Their ops are
 * not touched: they belonged to the process that has died. */
void
sim_flights_tear(struct sim *sim, struct sim_tear *tear)
{
	while (!list_empty(&sim->flights)) {
		struct sim_flight *flight = flight_of(sim->flights.next);
		if (flight->kind == IO_WRITE &&
		    sim_file_has_room(sim, flight->inode, flight->offset + flight->size))
			sim_image_tear(&flight->inode->image, flight->offset, flight->copy,
			    flight->size, tear);
		flight_release(flight);
	}
}

/* ------------------------------------------------------------------------------------ a loop */

static void
loop_read(struct io *io, struct io_op *op, int file, void *to, size_t size, uint64_t offset)
{
	froe_assert(sim_file_get(loop_of(io)->sim, file)->flags & IO_OPEN_READ);
	flight_start(io, op, IO_READ, file, to, size, offset);
}

static void
loop_write(struct io *io, struct io_op *op, int file, const void *from, size_t size,
    uint64_t offset)
{
	union {
		const void *in;
		void *out;
	} buffer = {.in = from}; /* the op holds it for reads too; it is not written to */
	froe_assert(sim_file_get(loop_of(io)->sim, file)->flags & IO_OPEN_WRITE);
	flight_start(io, op, IO_WRITE, file, buffer.out, size, offset);
}

static void
loop_cancel(struct io *io, struct io_op *op)
{
	struct sim_loop *loop = loop_of(io);
	struct list *node;

	if (loop->dead || !io_op_active(op))
		return;
	list_for_each(node, &loop->sim->flights) {
		struct sim_flight *flight = flight_of(node);
		if (flight->op != op)
			continue;
		op->cancelled = true;
		flight->due_ns = loop->sim->mono_ns;
	}
}

/* The flight of this loop that is due first; of equals, the one started first. */
static struct sim_flight *
loop_first(const struct sim_loop *loop)
{
	struct sim_flight *first = NULL;
	struct list *node;

	list_for_each(node, &loop->sim->flights) {
		struct sim_flight *flight = flight_of(node);
		if (flight->loop != loop || flight->never)
			continue;
		if (first == NULL || flight->due_ns < first->due_ns)
			first = flight;
	}
	return first;
}

/* Lets time pass as a waiting io_step would. Without a flight and without a deadline it would be
 * for ever: then the caller's harness has something to do first, and no time passes. */
static void
loop_wait(struct sim_loop *loop, uint64_t deadline_ns)
{
	struct sim *sim = loop->sim;
	const struct sim_flight *first = loop_first(loop);
	uint64_t until = deadline_ns;

	if (first != NULL && first->due_ns < until)
		until = first->due_ns;
	if (until != UINT64_MAX && until > sim->mono_ns)
		sim->mono_ns = until;
}

static void
loop_step(struct io *io, uint64_t deadline_ns)
{
	struct sim_loop *loop = loop_of(io);
	struct sim_flight *flight;

	froe_assert(!loop->dead);
	io->stats.turns++;
	if (!loop->woken)
		loop_wait(loop, deadline_ns);
	loop->woken = false;
	while ((flight = loop_first(loop)) != NULL && flight->due_ns <= loop->sim->mono_ns)
		flight_complete(loop->sim, flight);
}

static void
loop_wake(struct io *io)
{
	io->stats.wakes++;
	loop_of(io)->woken = true;
}

static void
loop_close(struct io *io)
{
	struct sim_loop *loop = loop_of(io);
	struct sim *sim = loop->sim;

	for (struct list *node = sim->flights.next, *next; node != &sim->flights; node = next) {
		next = node->next;
		if (flight_of(node)->loop == loop)
			flight_detach(flight_of(node));
	}
	sim_loop_release(loop);
}

static enum froe_err
loop_register_buffers(struct io *io, void *base, size_t size, struct froe_fault *fault)
{
	(void)io;
	(void)base;
	(void)size;
	(void)fault;
	return FROE_OK;
}

static void
loop_accept(struct io *io, struct io_op *op, int listener)
{
	(void)io;
	(void)op;
	(void)listener;
	froe_never("the simulator has no sockets");
}

static void
loop_receive(struct io *io, struct io_op *op, int socket)
{
	(void)io;
	(void)op;
	(void)socket;
	froe_never("the simulator has no sockets");
}

static void
loop_send(struct io *io, struct io_op *op, int socket, const void *from, size_t size)
{
	(void)io;
	(void)op;
	(void)socket;
	(void)from;
	(void)size;
	froe_never("the simulator has no sockets");
}

static void
loop_socket_close(struct io *io, int socket)
{
	(void)io;
	(void)socket;
	froe_never("the simulator has no sockets");
}

static const struct io_ops loop_ops = {
    .close = loop_close,
    .accept = loop_accept,
    .receive = loop_receive,
    .send = loop_send,
    .read = loop_read,
    .write = loop_write,
    .cancel = loop_cancel,
    .socket_close = loop_socket_close,
    .step = loop_step,
    .wake = loop_wake,
    .register_buffers = loop_register_buffers,
};

enum froe_err
sim_loop_open(struct io_env *env, struct io **ret_io, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_loop *loop = mem_zalloc(sizeof(*loop));

	(void)fault;
	loop->io = (struct io){.ops = &loop_ops, .env = env, .quick_file = -1};
	loop->sim = sim;
	list_push(&sim->loops, &loop->node);
	*ret_io = &loop->io;
	return FROE_OK;
}

void
sim_loop_release(struct sim_loop *loop)
{
	list_remove(&loop->node);
	mem_free(loop);
}
