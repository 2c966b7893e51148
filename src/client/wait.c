/*
 * Threads that wait: each sleeps on a condition of its own and is found by what it waits for, so
 * that what comes in wakes the thread that it is for and no other. Who is to wake is written down
 * under the lock, and told when the lock is about to be opened: a thread that wakes finds it open.
 */
#include "client/client_int.h"

#include <errno.h>
#include <time.h>

/* One of the things that a thread waits for; on its stack. */
struct wait_key {
	struct list node; /* client->waiting_for[] */
	const bool *flag;
	struct waiter *waiter;
};

static struct list *
key_row(struct froe_client *client, const bool *flag)
{
	uint64_t mixed = ((uint64_t)(uintptr_t)flag >> 3) * UINT64_C(0x9e3779b97f4a7c15);
	return &client->waiting_for[mixed >> (64 - CLIENT_WAIT_BITS)];
}

static void
key_add(struct froe_client *client, struct wait_key *key)
{
	if (key->flag != NULL)
		list_push(key_row(client, key->flag), &key->node);
}

void
waiter_wake(struct froe_client *client, struct waiter *waiter)
{
	if (waiter->woken)
		return;
	waiter->woken = true;
	list_push(&client->woken, &waiter->woken_node);
}

void
waiter_tell(struct froe_client *client)
{
	struct list *node;
	while ((node = list_pop(&client->woken)) != NULL) {
		struct waiter *waiter = container_of(node, struct waiter, woken_node);
		froe_assert(pthread_cond_signal(&waiter->wake) == 0);
	}
}

void
waiter_init(struct waiter *waiter)
{
	pthread_condattr_t monotonic;
	*waiter = (struct waiter){0};
	froe_assert(pthread_condattr_init(&monotonic) == 0);
	froe_assert(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	froe_assert(pthread_cond_init(&waiter->wake, &monotonic) == 0);
	froe_assert(pthread_condattr_destroy(&monotonic) == 0);
}

void
waiter_sleep(struct froe_client *client, struct waiter *waiter, uint64_t deadline_ns)
{
	struct timespec at = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
	    .tv_nsec = (long)(deadline_ns % 1000000000u)};
	int result = 0;
	waiter_tell(client);
	while (!waiter->woken && result == 0) {
		if (deadline_ns == UINT64_MAX)
			result = pthread_cond_wait(&waiter->wake, &client->lock);
		else
			result = pthread_cond_timedwait(&waiter->wake, &client->lock, &at);
	}
	froe_assert(result == 0 || result == ETIMEDOUT);
	froe_assert(!list_linked(&waiter->woken_node)); /* whoever wrote it down has told it */
	waiter->woken = false;
}

void
waiter_release(struct waiter *waiter)
{
	froe_assert(pthread_cond_destroy(&waiter->wake) == 0);
}

void
client_notify(struct froe_client *client, const bool *flag)
{
	struct list *row = key_row(client, flag), *node;
	list_for_each(node, row)
	{
		struct wait_key *key = container_of(node, struct wait_key, node);
		if (key->flag == flag)
			waiter_wake(client, key->waiter);
	}
}

void
client_sleep(struct froe_client *client, const bool *done, const bool *stop, uint64_t deadline_ns)
{
	struct waiter waiter;
	struct wait_key keys[2] = {{.flag = done, .waiter = &waiter},
	    {.flag = stop, .waiter = &waiter}};
	waiter_init(&waiter);
	list_push(&client->waiters, &waiter.node);
	key_add(client, &keys[0]);
	key_add(client, &keys[1]);
	waiter_sleep(client, &waiter, deadline_ns);
	list_remove(&keys[0].node);
	list_remove(&keys[1].node);
	list_remove(&waiter.node);
	waiter_release(&waiter);
}

void
client_hand_over(struct froe_client *client)
{
	if (client->threaded || client->stepping || list_empty(&client->waiters))
		return;
	waiter_wake(client, container_of(client->waiters.next, struct waiter, node));
}

bool
client_wait(struct froe_client *client, const bool *done, const bool *stop, uint64_t deadline_ns)
{
	bool late = false;
	while (!*done && (stop == NULL || !*stop) && !late) {
		if (deadline_ns != UINT64_MAX && clock_now_ns() >= deadline_ns)
			late = true;
		else if (client->threaded || client->stepping)
			client_sleep(client, done, stop, deadline_ns);
		else
			client_turn(client, deadline_ns);
	}
	client_hand_over(client);
	return !late;
}
