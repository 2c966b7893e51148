/*
 * The loop over io_uring. A turn is one io_uring_enter: it submits what was started since the last
 * one, waits, and runs the completions, which are then reaped and handed to their handlers.
 *
 *   - An entry's user_data is the op's address; the low three bits tell our own entries apart.
 *   - Accept and receive are multishot. An entry that ended (no IORING_CQE_F_MORE) although its op
 *     did not is armed again: the kernel ends them at its pleasure, for instance on overflow.
 *   - A receive takes a buffer from the lent ring and the handler's return gives it back. When the
 *     ring is empty the kernel ends the receive with ENOBUFS; it is armed again at the end
 *     of the turn, after the buffers have come back: never at once, which would spin.
 *   - A cancel is an entry behind the op's own, so the kernel always sees them in order. What a
 *     multishot op still reports before its last completion is delivered; then -FROE_CANCELLED.
 *   - Wakes: from a thread with a ring of its own an IORING_OP_MSG_RING in that ring, which leaves
 *     with that thread's next turn; from any other an eventfd, on which this ring always has a
 *     read. One of each kind is under way at most.
 *
 * What goes wrong: EINTR, EAGAIN, EBUSY of io_uring_enter leave the entries in the queue, the next
 * turn submits them. An overflowing completion queue loses nothing. A ring that refuses us
 * otherwise is a bug or a kernel we cannot go on with: fatal.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "io/fs_int.h"
#include "io/io.h"
#include "io/quick.h"
#include "io/socket_int.h"
#include "io/uring_setup_int.h"

#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define URING_NS_PER_S UINT64_C(1000000000)
#define URING_CHUNK_BYTES ((size_t)1 << 30)
#define URING_SUBMIT_TRIES 1000
#define URING_POLL_LOAD_MAX 2u /* completions in a turn, over the last ... */
#define URING_POLL_TURNS 8u
#define URING_POLL_LOOKS 32u /* between two looks at the clock, and if this lay between them ... */
#define URING_POLL_AWAY_NS 50000u
#define URING_POLL_PAUSE 64u /* ... then so many waits without; twice as many each time ... */
#define URING_POLL_PAUSE_MAX 8192u /* ... up to this, until nobody else wants the core */
#define URING_POLL_YIELD_NS 8000u /* between two offers of the core to others */
#define URING_QUICK_WAITS 16u /* so many waits in a row ... */
#define URING_QUICK_SHORT_NS 1000000u /* ... that are not longer: cores are to be quick ... */
#define URING_QUICK_LINGER_NS 10000000u /* ... until nothing comes for so long */

enum uring_tag {
	URING_TAG_OP = 0,     /* user_data is a struct io_op */
	URING_TAG_WOKEN = 1,  /* another ring's message */
	URING_TAG_EVENT = 2,  /* the read of the eventfd */
	URING_TAG_CANCEL = 3, /* a cancel that found nothing: its op has completed */
	URING_TAG_WAKE = 4,   /* our message to the struct uring in user_data failed */
	URING_TAG_MASK = 7,
};

struct uring {
	struct io io;
	struct uring_setup setup;
	pthread_t owner;
	int event;
	uint64_t event_count;
	atomic_bool woken_by_ring;  /* a message is under way */
	atomic_bool woken_by_event; /* `event` was written and not yet read */
	bool woken_by_self;
	bool in_step;
	bool closing;
	bool poll; /* the last wait was short */
	unsigned poll_pause;
	unsigned poll_pause_next;
	bool quick; /* cores were asked to be */
	unsigned short_waits; /* in a row */
	unsigned reaped; /* completions: a decaying sum over URING_POLL_TURNS turns */
	unsigned under_way; /* entries whose last completion has not come */
	struct io_op *starved;
	uint8_t *registered;
	size_t registered_size;
};

/* The ring of this thread, for wakes: the one thing that cannot be passed, because io_wake(target)
 * is called by code that does not know which loop it runs on. */
static _Thread_local struct uring *uring_current;

static struct uring *
uring_of(struct io *io)
{
	return container_of(io, struct uring, io);
}

/* ---------------------------------------------------------------------------------- submission */

static void
uring_fatal(int failed)
{
	froe_fatal(FROE_EXIT_SOFTWARE, "io_uring_enter: %s", strerror(-failed));
}

static bool
uring_passes(int failed)
{
	return failed >= 0 || failed == -ETIME || failed == -EINTR || failed == -EAGAIN ||
	    failed == -EBUSY;
}

/* The queue is full: hand it over in the middle of a turn. */
static struct io_uring_sqe *
uring_entry_after_submit(struct uring *loop)
{
	for (int tries = 0; tries < URING_SUBMIT_TRIES; tries++) {
		int failed = io_uring_submit(&loop->setup.ring);
		struct io_uring_sqe *entry = io_uring_get_sqe(&loop->setup.ring);
		if (entry != NULL)
			return entry;
		if (!uring_passes(failed))
			uring_fatal(failed);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	froe_fatal(FROE_EXIT_SOFTWARE, "io_uring takes no entries: the kernel is out of memory");
}

static struct io_uring_sqe *
uring_entry(struct uring *loop)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&loop->setup.ring);
	return entry != NULL ? entry : uring_entry_after_submit(loop);
}

static void
uring_tag(struct io_uring_sqe *entry, const void *pointer, enum uring_tag tag)
{
	uint64_t data = (uint64_t)(uintptr_t)pointer;
	froe_assert((data & URING_TAG_MASK) == 0);
	io_uring_sqe_set_data64(entry, data | tag);
}

static bool
uring_is_registered(const struct uring *loop, const struct io_op *op)
{
	const uint8_t *from = op->buffer;

	if (loop->registered == NULL || from < loop->registered)
		return false;
	size_t at = (size_t)(from - loop->registered);
	return at <= loop->registered_size && op->size <= loop->registered_size - at;
}

/* Writes the op's entry; the same for the first time and for all later ones. */
static void
uring_arm(struct uring *loop, struct io_op *op)
{
	struct io_uring_sqe *entry = uring_entry(loop);
	unsigned size = (unsigned)op->size;

	switch (op->kind) {
	case IO_ACCEPT:
		io_uring_prep_multishot_accept(
		    entry, op->file, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		break;
	case IO_RECEIVE:
		io_uring_prep_recv_multishot(entry, op->file, NULL, 0, 0);
		entry->flags |= IOSQE_BUFFER_SELECT;
		entry->buf_group = URING_BUFFER_GROUP;
		break;
	case IO_SEND:
		io_uring_prep_send(entry, op->file, op->buffer, op->size, MSG_NOSIGNAL);
		break;
	case IO_READ:
		io_uring_prep_read(entry, op->file, op->buffer, size, op->offset);
		break;
	case IO_WRITE:
		if (uring_is_registered(loop, op))
			io_uring_prep_write_fixed(entry, op->file, op->buffer, size, op->offset, 0);
		else
			io_uring_prep_write(entry, op->file, op->buffer, size, op->offset);
		break;
	case IO_NONE:
		froe_never("an op that was not started is armed");
	}
	uring_tag(entry, op, URING_TAG_OP);
	loop->under_way++;
}

static void
uring_start(struct io *io, struct io_op *op, enum io_kind kind, int file)
{
	struct uring *loop = uring_of(io);

	froe_assert(pthread_equal(loop->owner, pthread_self()));
	op->kind = kind;
	op->file = file;
	op->cancelled = false;
	op->ready = false;
	op->data = NULL;
	uring_arm(loop, op);
}

static void
uring_accept(struct io *io, struct io_op *op, int listener)
{
	socket_nodelay(listener);
	uring_start(io, op, IO_ACCEPT, listener);
}

static void
uring_receive(struct io *io, struct io_op *op, int socket)
{
	uring_start(io, op, IO_RECEIVE, socket);
}

static void
uring_lend(struct io_op *op, const void *buffer, size_t size, uint64_t offset)
{
	op->buffer = (void *)(uintptr_t)buffer; /* the field serves both ways */
	op->size = size < URING_CHUNK_BYTES ? size : URING_CHUNK_BYTES;
	op->offset = offset;
}

static void
uring_send(struct io *io, struct io_op *op, int socket, const void *from, size_t size)
{
	uring_lend(op, from, size, 0);
	uring_start(io, op, IO_SEND, socket);
}

static void
uring_read(struct io *io, struct io_op *op, int file, void *to, size_t size, uint64_t offset)
{
	uring_lend(op, to, size, offset);
	uring_start(io, op, IO_READ, file);
}

static void
uring_write(struct io *io, struct io_op *op, int file, const void *from, size_t size,
    uint64_t offset)
{
	uring_lend(op, from, size, offset);
	uring_start(io, op, IO_WRITE, file);
}

static void
uring_cancel(struct io *io, struct io_op *op)
{
	struct uring *loop = uring_of(io);

	froe_assert(op->magic == IO_OP_MAGIC);
	froe_assert(pthread_equal(loop->owner, pthread_self()));
	if (op->kind == IO_NONE || op->cancelled)
		return;
	op->cancelled = true;
	if (op->ready)
		return; /* starved: the end of this turn sees it */
	struct io_uring_sqe *entry = uring_entry(loop);
	io_uring_prep_cancel64(entry, (uint64_t)(uintptr_t)op, 0);
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
	uring_tag(entry, NULL, URING_TAG_CANCEL);
}

static void
uring_socket_close(struct io *io, int socket)
{
	(void)io;
	if (close(socket) != 0)
		froe_assert(errno != EBADF);
}

/* ----------------------------------------------------------------------------------- wake-ups */

static void
uring_wait_event(struct uring *loop)
{
	struct io_uring_sqe *entry = uring_entry(loop);

	io_uring_prep_read(
	    entry, loop->event, &loop->event_count, sizeof(loop->event_count), (uint64_t)-1);
	uring_tag(entry, NULL, URING_TAG_EVENT);
	loop->under_way++;
}

static void
uring_wake_by_event(struct uring *target)
{
	const uint64_t one = 1;
	ssize_t put;

	/* Pairs with uring_on_woken: what was done before a wake is seen after it. */
	if (atomic_exchange_explicit(&target->woken_by_event, true, memory_order_acq_rel))
		return;
	do {
		put = write(target->event, &one, sizeof(one));
	} while (put < 0 && errno == EINTR);
	froe_assert(put == (ssize_t)sizeof(one));
}

static void
uring_wake_by_ring(struct uring *from, struct uring *target)
{
	/* Pairs with the exchange in uring_on_woken. */
	if (atomic_exchange_explicit(&target->woken_by_ring, true, memory_order_acq_rel))
		return;
	struct io_uring_sqe *entry = uring_entry(from);
	io_uring_prep_msg_ring(entry, target->setup.ring.ring_fd, 0, URING_TAG_WOKEN, 0);
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
	uring_tag(entry, target, URING_TAG_WAKE);
}

static void
uring_wake(struct io *io)
{
	struct uring *target = uring_of(io);

	if (uring_current == target)
		target->woken_by_self = true;
	else if (uring_current != NULL)
		uring_wake_by_ring(uring_current, target);
	else
		uring_wake_by_event(target);
}

static void
uring_on_woken(struct uring *loop, atomic_bool *flag)
{
	/* The message is here, the next one may come: the waker's exchange comes before this one
	 * (and so does what it did) or sees false and sends another. */
	atomic_exchange_explicit(flag, false, memory_order_acq_rel);
	loop->io.stats.wakes++;
}

static void
uring_on_event(struct uring *loop, int result)
{
	loop->under_way--;
	if (loop->closing)
		return;
	if (result == (int)sizeof(loop->event_count))
		uring_on_woken(loop, &loop->woken_by_event);
	else if (result != -EINTR && result != -EAGAIN && result != -ECANCELED)
		froe_fatal(FROE_EXIT_SOFTWARE, "reading an eventfd: %s", strerror(-result));
	uring_wait_event(loop);
}

/* The other ring took no message: go the other way. */
static void
uring_on_wake_failed(struct uring *target)
{
	atomic_exchange_explicit(&target->woken_by_ring, false, memory_order_acq_rel);
	uring_wake_by_event(target);
}

/* --------------------------------------------------------------------------------- completions */

static void
uring_report(struct uring *loop, struct io_op *op, int32_t result)
{
	loop->io.stats.completions++;
	op->done(op, result);
}

static void
uring_end(struct uring *loop, struct io_op *op, int32_t result)
{
	op->kind = IO_NONE;
	op->data = NULL;
	uring_report(loop, op, result);
}

static void
uring_end_errno(struct uring *loop, struct io_op *op, int failed)
{
	froe_assert(failed < 0);
	uring_end(loop, op, -(int32_t)froe_err_from_errno(-failed));
}

static bool
uring_is_interrupted(int result)
{
	return result == -EINTR || result == -EAGAIN;
}

/* A multishot entry has ended without ending its op. */
static void
uring_go_on(struct uring *loop, struct io_op *op)
{
	if (op->cancelled)
		uring_end(loop, op, -(int32_t)FROE_CANCELLED);
	else
		uring_arm(loop, op);
}

static void
uring_on_accept(struct uring *loop, struct io_op *op, int result, bool more)
{
	if (result >= 0)
		uring_report(loop, op, result);
	if (more)
		return;
	if (result >= 0 || socket_accept_goes_on(-result))
		uring_go_on(loop, op);
	else
		uring_end_errno(loop, op, result);
}

static void
uring_starve(struct uring *loop, struct io_op *op)
{
	op->ready = true;
	op->next = loop->starved;
	loop->starved = op;
}

static void
uring_on_receive(struct uring *loop, struct io_op *op, int result, uint32_t flags)
{
	unsigned number = flags >> IORING_CQE_BUFFER_SHIFT;
	bool lent = (flags & IORING_CQE_F_BUFFER) != 0;

	if (result > 0) {
		froe_assert(lent);
		froe_assert((unsigned)result <= URING_BUFFER_BYTES);
		op->data = uring_setup_buffer(&loop->setup, number);
		uring_report(loop, op, result);
	}
	if (lent)
		uring_setup_return_buffer(&loop->setup, number);
	if ((flags & IORING_CQE_F_MORE) != 0)
		return;
	if (result == -ENOBUFS && !op->cancelled)
		uring_starve(loop, op);
	else if (result > 0 || result == -ENOBUFS || uring_is_interrupted(result))
		uring_go_on(loop, op);
	else if (result == 0)
		uring_end(loop, op, 0);
	else
		uring_end_errno(loop, op, result);
}

static void
uring_on_single(struct uring *loop, struct io_op *op, int result)
{
	if (uring_is_interrupted(result))
		uring_go_on(loop, op);
	else if (result < 0)
		uring_end_errno(loop, op, result);
	else
		uring_end(loop, op, result);
}

/* The loop is going away: no handler is called any more, but nothing may leak. */
static void
uring_drop(struct io_op *op, int result)
{
	if (op->kind == IO_ACCEPT && result >= 0)
		close(result);
}

static void
uring_on_op(struct uring *loop, struct io_op *op, int result, uint32_t flags)
{
	bool more = (flags & IORING_CQE_F_MORE) != 0;

	froe_assert(op->magic == IO_OP_MAGIC);
	if (!more) {
		froe_assert(loop->under_way > 0);
		loop->under_way--;
	}
	if (loop->closing) {
		uring_drop(op, result);
		return;
	}
	switch (op->kind) {
	case IO_ACCEPT:
		uring_on_accept(loop, op, result, more);
		return;
	case IO_RECEIVE:
		uring_on_receive(loop, op, result, flags);
		return;
	case IO_SEND:
	case IO_READ:
	case IO_WRITE:
		uring_on_single(loop, op, result);
		return;
	case IO_NONE:
		break;
	}
	froe_never("a completion for an op that is not active");
}

static void
uring_on_completion(struct uring *loop, uint64_t data, int result, uint32_t flags)
{
	void *pointer = (void *)(uintptr_t)(data & ~(uint64_t)URING_TAG_MASK);

	switch ((enum uring_tag)(data & URING_TAG_MASK)) {
	case URING_TAG_OP:
		uring_on_op(loop, pointer, result, flags);
		return;
	case URING_TAG_WOKEN:
		uring_on_woken(loop, &loop->woken_by_ring);
		return;
	case URING_TAG_EVENT:
		uring_on_event(loop, result);
		return;
	case URING_TAG_CANCEL:
		return;
	case URING_TAG_WAKE:
		uring_on_wake_failed(pointer);
		return;
	case URING_TAG_MASK:
		break;
	}
	froe_never("a completion with a tag that is not ours");
}

/* What is there now; what handlers cause comes with the next turn. Each entry is given back before
 * its handler runs, which may submit and so make the kernel want room. */
static void
uring_reap(struct uring *loop)
{
	struct io_uring *ring = &loop->setup.ring;
	unsigned count = io_uring_cq_ready(ring);

	loop->reaped += count - loop->reaped / URING_POLL_TURNS;
	while (count-- > 0) {
		struct io_uring_cqe *entry = NULL;
		if (io_uring_peek_cqe(ring, &entry) != 0 || entry == NULL)
			break;
		uint64_t data = entry->user_data;
		int result = entry->res;
		uint32_t flags = entry->flags;
		io_uring_cqe_seen(ring, entry);
		uring_on_completion(loop, data, result, flags);
	}
}

static void
uring_feed(struct uring *loop)
{
	struct io_op *op = loop->starved;

	loop->starved = NULL;
	while (op != NULL) {
		struct io_op *next = op->next;
		op->ready = false;
		uring_go_on(loop, op);
		op = next;
	}
}

/* --------------------------------------------------------------------------------------- turns */

static uint64_t
uring_wait_ns(struct uring *loop, uint64_t deadline_mono_ns)
{
	if (deadline_mono_ns == 0 || loop->woken_by_self)
		return 0;
	if (io_uring_cq_ready(&loop->setup.ring) > 0)
		return 0;
	if (deadline_mono_ns == UINT64_MAX)
		return UINT64_MAX;
	uint64_t now_ns = io_mono_ns(loop->io.env);
	return deadline_mono_ns > now_ns ? deadline_mono_ns - now_ns : 0;
}

static int
uring_enter(struct uring *loop, uint64_t wait_ns)
{
	struct __kernel_timespec timeout = {
	    .tv_sec = (int64_t)(wait_ns / URING_NS_PER_S),
	    .tv_nsec = (int64_t)(wait_ns % URING_NS_PER_S),
	};
	struct io_uring_cqe *first = NULL;

	if (wait_ns == 0)
		return io_uring_submit_and_get_events(&loop->setup.ring);
	return io_uring_submit_and_wait_timeout(
	    &loop->setup.ring, &first, 1, wait_ns == UINT64_MAX ? NULL : &timeout, NULL);
}

/* Where things come quickly, cores that sleep meanwhile are what takes longest. */
static void
uring_quick_note(struct uring *loop, uint64_t waited_ns)
{
	if (waited_ns > URING_QUICK_SHORT_NS) {
		loop->short_waits = 0;
	} else if (++loop->short_waits >= URING_QUICK_WAITS && !loop->quick) {
		loop->quick = true;
		loop->io.stats.quick++;
		quick_ask(loop->io.quick_file, true);
	}
}

static void
uring_quick_end(struct uring *loop)
{
	if (loop->quick)
		quick_ask(loop->io.quick_file, false);
	loop->quick = false;
	loop->short_waits = 0;
}

/* A wait while cores are quick is one for as long as they stay so, and then one for the rest. */
static int
uring_wait(struct uring *loop, uint64_t wait_ns)
{
	if (loop->io.quick_file < 0)
		return uring_enter(loop, wait_ns);
	bool lingers = loop->quick && wait_ns > URING_QUICK_LINGER_NS;
	uint64_t began_ns = io_mono_ns(loop->io.env);
	int result = uring_enter(loop, lingers ? URING_QUICK_LINGER_NS : wait_ns);
	uint64_t waited_ns = io_mono_ns(loop->io.env) - began_ns;
	if (!lingers || waited_ns < URING_QUICK_LINGER_NS ||
	    io_uring_cq_ready(&loop->setup.ring) > 0) {
		uring_quick_note(loop, waited_ns);
		return result;
	}
	uring_quick_end(loop);
	loop->io.stats.turns++;
	return uring_enter(
	    loop, wait_ns == UINT64_MAX ? wait_ns : wait_ns - URING_QUICK_LINGER_NS);
}

/*
 * Busy polling, as KVM's halt polling does it for a machine: a core that sleeps while it waits
 * takes some 50 us to wake, as much as what it waits for. So if the last wait was short, the next
 * one is spent looking, as long as that pays at most. It is not done when many things come in a
 * turn: then there is more than one client, they want the cores, and the loop has enough to do; nor
 * for a while after somebody else was given this core meanwhile.
 */
static bool
uring_may_poll(const struct uring *loop, uint64_t wait_ns)
{
	return loop->io.poll_ns_max > 0 && loop->reaped < URING_POLL_LOAD_MAX * URING_POLL_TURNS &&
	    wait_ns > loop->io.poll_ns_max;
}

static bool
uring_came(struct io_uring *ring)
{
	return (*(const volatile unsigned *)ring->sq.kflags & IORING_SQ_TASKRUN) != 0 ||
	    io_uring_cq_ready(ring) > 0;
}

static void
uring_pause_poll(struct uring *loop)
{
	loop->poll_pause = loop->poll_pause_next;
	if (loop->poll_pause_next < URING_POLL_PAUSE_MAX)
		loop->poll_pause_next *= 2;
}

/* Looks until something has come, or the time is over. Whoever is to finish what is waited for may
 * want this very core: a synced write ends in a kernel thread on the core that the disk interrupts,
 * which would wait until our time slice is over. */
static bool
uring_poll(struct uring *loop, uint64_t began_ns)
{
	uint64_t now_ns = began_ns, yielded_ns = began_ns;

	for (unsigned looks = 1; now_ns - began_ns < loop->io.poll_ns_max; looks++) {
		if (uring_came(&loop->setup.ring))
			return true;
		if (looks % URING_POLL_LOOKS != 0)
			continue;
		uint64_t before_ns = now_ns;
		if (now_ns - yielded_ns >= URING_POLL_YIELD_NS) {
			yielded_ns = now_ns;
			sched_yield();
		}
		now_ns = io_mono_ns(loop->io.env);
		if (now_ns - before_ns > URING_POLL_AWAY_NS)
			uring_pause_poll(loop);
		else if (yielded_ns == before_ns) /* and nobody took it for long */
			loop->poll_pause_next = URING_POLL_PAUSE;
	}
	return false;
}

static int
uring_enter_polling(struct uring *loop, uint64_t wait_ns)
{
	uint64_t began_ns = io_mono_ns(loop->io.env);

	if (loop->poll_pause > 0)
		loop->poll_pause--;
	if (loop->poll && loop->poll_pause == 0) {
		int failed = io_uring_submit(&loop->setup.ring);
		loop->io.stats.turns++;
		if (failed < 0)
			return failed;
		if (uring_poll(loop, began_ns)) {
			if (loop->io.quick_file >= 0)
				uring_quick_note(loop, 0);
			return uring_enter(loop, 0);
		}
	}
	int result = uring_wait(loop, wait_ns);
	loop->poll = io_mono_ns(loop->io.env) - began_ns < loop->io.poll_ns_max;
	return result;
}

static void
uring_step(struct io *io, uint64_t deadline_mono_ns)
{
	struct uring *loop = uring_of(io);

	froe_assert(pthread_equal(loop->owner, pthread_self()));
	froe_assert(!loop->in_step);
	loop->in_step = true;
	uring_current = loop;
	io->stats.turns++;
	uint64_t wait_ns = uring_wait_ns(loop, deadline_mono_ns);
	int failed = wait_ns == 0 ? uring_enter(loop, 0)
	    : uring_may_poll(loop, wait_ns) ? uring_enter_polling(loop, wait_ns)
					    : uring_wait(loop, wait_ns);
	if (!uring_passes(failed))
		uring_fatal(failed);
	if (loop->woken_by_self)
		io->stats.wakes++;
	loop->woken_by_self = false;
	uring_reap(loop);
	uring_feed(loop);
	loop->in_step = false;
}

static enum froe_err
uring_register_buffers(struct io *io, void *base, size_t size, struct froe_fault *fault)
{
	struct uring *loop = uring_of(io);
	struct iovec range = {.iov_base = base, .iov_len = size};

	froe_assert(loop->registered == NULL);
	int failed = io_uring_register_buffers(&loop->setup.ring, &range, 1);
	if (failed == -ENOMEM)
		return fault_set(fault, FROE_NO_MEMORY,
		    "io_uring may not lock %zu KiB of memory: raise ulimit -l (LimitMEMLOCK=)",
		    size / 1024);
	if (failed != 0)
		return fault_set_errno(fault, -failed, "io_uring: registering %zu bytes", size);
	loop->registered = base;
	loop->registered_size = size;
	return FROE_OK;
}

/* ------------------------------------------------------------------------------ open and close */

/* Waits until the kernel has let go of every buffer: only then may the caller free them. */
static void
uring_drain(struct uring *loop)
{
	loop->closing = true;
	struct io_uring_sqe *entry = uring_entry(loop);
	io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
	uring_tag(entry, NULL, URING_TAG_CANCEL);
	do {
		int failed = uring_enter(loop, loop->under_way > 0 ? UINT64_MAX : 0);
		if (!uring_passes(failed))
			uring_fatal(failed);
		uring_reap(loop);
	} while (loop->under_way > 0);
}

/* After its thread has ended, the kernel has cancelled and awaited the thread's operations: then
 * another one may close the loop. */
static void
uring_close(struct io *io)
{
	struct uring *loop = uring_of(io);

	froe_assert(!loop->in_step);
	if (pthread_equal(loop->owner, pthread_self()))
		uring_drain(loop);
	if (uring_current == loop)
		uring_current = NULL;
	uring_quick_end(loop);
	uring_setup_close(&loop->setup);
	close(loop->event);
	mem_free(loop);
}

static const struct io_ops uring_ops = {
    .close = uring_close,
    .accept = uring_accept,
    .receive = uring_receive,
    .send = uring_send,
    .read = uring_read,
    .write = uring_write,
    .cancel = uring_cancel,
    .socket_close = uring_socket_close,
    .step = uring_step,
    .wake = uring_wake,
    .register_buffers = uring_register_buffers,
};

static enum froe_err
uring_open(struct io_env *env, struct io **ret_io, struct froe_fault *fault)
{
	/* Blocking: the kernel then waits for it by itself instead of answering EAGAIN. */
	int event = eventfd(0, EFD_CLOEXEC);
	if (event < 0)
		return fault_set_errno(fault, errno, "making an eventfd");
	struct uring *loop = mem_zalloc(sizeof(*loop));
	loop->io = (struct io){.ops = &uring_ops, .env = env, .quick_file = -1};
	loop->owner = pthread_self();
	loop->poll_pause_next = URING_POLL_PAUSE;
	loop->event = event;
	enum froe_err err = uring_setup_open(&loop->setup, fault);
	if (err != FROE_OK) {
		close(event);
		mem_free(loop);
		return err;
	}
	uring_wait_event(loop);
	*ret_io = &loop->io;
	return FROE_OK;
}

static const struct io_env_ops uring_env_ops = {
    .mono_ns = fs_mono_ns,
    .wall_ns = fs_wall_ns,
    .random = fs_random,
    .open = fs_open,
    .close = fs_close,
    .size = fs_size,
    .read = fs_read,
    .write = fs_write,
    .allocate = fs_allocate,
    .sync = fs_sync,
    .rename = fs_rename,
    .unlink = fs_unlink,
    .mkdir = fs_mkdir,
    .sync_dir = fs_sync_dir,
    .list = fs_list,
    .lock = fs_lock,
    .space = fs_space,
    .traits = fs_traits,
    .loop_open = uring_open,
};

static struct io_env uring_env = {.ops = &uring_env_ops, .name = "io_uring"};

struct io_env *
io_env_uring(void)
{
	return &uring_env;
}
