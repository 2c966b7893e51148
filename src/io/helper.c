/*
 * Two lists under one mutex: what waits and what is done. The mutex is held for a few stores, never
 * during a system call, and only the posix world pays for it: io_uring's queue is the kernel's.
 * The lists run through the ops, so that a push needs no memory and cannot fail.
 */
#include "io/helper_int.h"

#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct helper_list {
	struct io_op *first;
	struct io_op *last;
};

struct helper {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct helper_list waiting;
	struct helper_list done;
	bool stop;
	struct io *loop;
};

static void
helper_list_add(struct helper_list *list, struct io_op *op)
{
	op->next = NULL;
	op->prev = list->last;
	if (list->last != NULL)
		list->last->next = op;
	else
		list->first = op;
	list->last = op;
}

static void
helper_list_remove(struct helper_list *list, struct io_op *op)
{
	if (op->prev != NULL)
		op->prev->next = op->next;
	else
		list->first = op->next;
	if (op->next != NULL)
		op->next->prev = op->prev;
	else
		list->last = op->prev;
	op->next = NULL;
	op->prev = NULL;
}

static void
helper_lock(struct helper *helper)
{
	froe_assert(pthread_mutex_lock(&helper->lock) == 0);
}

static void
helper_unlock(struct helper *helper)
{
	froe_assert(pthread_mutex_unlock(&helper->lock) == 0);
}

/* A file opened with O_DSYNC makes its writes durable by itself. */
static int64_t
helper_perform(const struct io_op *op)
{
	ssize_t moved;

	do {
		if (op->kind == IO_WRITE)
			moved = pwrite(op->file, op->buffer, op->size, (off_t)op->offset);
		else
			moved = pread(op->file, op->buffer, op->size, (off_t)op->offset);
	} while (moved < 0 && errno == EINTR);
	return moved >= 0 ? moved : -(int64_t)froe_err_from_errno(errno);
}

static void *
helper_main(void *context)
{
	struct helper *helper = context;

	helper_lock(helper);
	while (!helper->stop) {
		struct io_op *op = helper->waiting.first;
		if (op == NULL) {
			froe_assert(pthread_cond_wait(&helper->work, &helper->lock) == 0);
			continue;
		}
		helper_list_remove(&helper->waiting, op);
		helper_unlock(helper);
		op->offset = (uint64_t)helper_perform(op);
		helper_lock(helper);
		helper_list_add(&helper->done, op);
		helper_unlock(helper);
		io_wake(helper->loop);
		helper_lock(helper);
	}
	helper_unlock(helper);
	return NULL;
}

struct helper *
helper_open(struct io *loop, struct froe_fault *fault)
{
	struct helper *helper = mem_zalloc(sizeof(*helper));
	sigset_t all;
	sigset_t old;

	helper->loop = loop;
	froe_assert(pthread_mutex_init(&helper->lock, NULL) == 0);
	froe_assert(pthread_cond_init(&helper->work, NULL) == 0);
	/* Signals are the main thread's business. */
	sigfillset(&all);
	froe_assert(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
	enum froe_err err =
	    thread_start(&helper->thread, "froe-files", helper_main, helper, fault);
	froe_assert(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
	if (err == FROE_OK)
		return helper;
	mem_free(helper);
	return NULL;
}

void
helper_close(struct helper *helper)
{
	if (helper == NULL)
		return;
	helper_lock(helper);
	helper->stop = true;
	froe_assert(pthread_cond_signal(&helper->work) == 0);
	helper_unlock(helper);
	froe_assert(pthread_join(helper->thread, NULL) == 0);
	froe_assert(pthread_cond_destroy(&helper->work) == 0);
	froe_assert(pthread_mutex_destroy(&helper->lock) == 0);
	mem_free(helper);
}

void
helper_push(struct helper *helper, struct io_op *op)
{
	helper_lock(helper);
	helper_list_add(&helper->waiting, op);
	froe_assert(pthread_cond_signal(&helper->work) == 0);
	helper_unlock(helper);
}

bool
helper_withdraw(struct helper *helper, struct io_op *op)
{
	bool waits = false;

	helper_lock(helper);
	for (struct io_op *at = helper->waiting.first; at != NULL && !waits; at = at->next)
		waits = at == op;
	if (waits)
		helper_list_remove(&helper->waiting, op);
	helper_unlock(helper);
	return waits;
}

struct io_op *
helper_take(struct helper *helper)
{
	helper_lock(helper);
	struct io_op *first = helper->done.first;
	helper->done = (struct helper_list){0};
	helper_unlock(helper);
	return first;
}
