/*
 * Runs have rising numbers, and lists show the newest first: what is new stands before the newest
 * run of the last look. So there is nothing to remember but a number, however many runs there
 * were, and the shard, which starts them, does nothing for it.
 */
#include "gateway/lookout.h"

#include "froe/limits.h"

static void lookout_look(struct lookout *lookout);

static void
text_keep(struct buf *to, const char *text)
{
	buf_init(to);
	buf_push(to, text, strlen(text) + 1);
}

void
lookout_start(
    struct lookout *lookout, struct gateway *gateway, const char *key, const char *value)
{
	text_keep(&lookout->key, key);
	text_keep(&lookout->value, value);
	list_push(&gateway->lookouts, &lookout->link);
	lookout->state = LOOKOUT_BASE;
	lookout_look(lookout);
}

void
lookout_stop(struct lookout *lookout)
{
	if (lookout->seat == NULL)
		return;
	ask_drop(lookout->ask);
	lookout->ask = NULL;
	lookout->seat = NULL;
	list_remove(&lookout->link);
	buf_release(&lookout->key);
	buf_release(&lookout->value);
}

/* -------------------------------------------------------------------------------------- a page */

/* False: there is nothing behind it. */
static bool
row_take(struct lookout *lookout, const Froe__RunRow *row)
{
	struct uuid run;
	if (row->number > lookout->newest)
		lookout->newest = row->number;
	if (lookout->state == LOOKOUT_BASE)
		return false;
	if (lookout->state == LOOKOUT_NEW && row->number <= lookout->last)
		return false;
	if (lookout->state == LOOKOUT_OPEN && row->number > lookout->last)
		return true; /* it is new: told then */
	memcpy(run.bytes, row->run.data, sizeof(run.bytes));
	lookout->found(lookout, run);
	return lookout->seat != NULL;
}

static void
look_over(struct lookout *lookout)
{
	bool base = lookout->state == LOOKOUT_BASE, open = lookout->state == LOOKOUT_OPEN;
	if (!open && lookout->newest > lookout->last)
		lookout->last = lookout->newest;
	lookout->before = 0;
	lookout->state = base ? LOOKOUT_OPEN : LOOKOUT_NEW;
	if (base)
		lookout_look(lookout);
	else
		lookout->due_ns = 0; /* from the next turn on: lookout_turn */
	if (open)
		lookout->ready(lookout);
}

static bool
on_rows(struct ask *ask, const struct answer *answer)
{
	struct lookout *lookout = ask->owner;
	struct froe_fault fault;
	bool more = true;
	lookout->ask = NULL;
	if (answer_fault(answer, &fault)) {
		lookout->failed(lookout, &fault);
		return true;
	}
	const Froe__RunPage *page = (const void *)answer->message;
	for (size_t i = 0; i < page->n_rows && more; i++)
		more = row_take(lookout, page->rows[i]);
	if (lookout->seat == NULL)
		return true;
	lookout->before = page->next;
	if (more && page->next != 0)
		lookout_look(lookout);
	else
		look_over(lookout);
	return true;
}

static void
lookout_look(struct lookout *lookout)
{
	Froe__RunStatus open[] = {
	    FROE__RUN_STATUS__QUEUED, FROE__RUN_STATUS__RUNNING, FROE__RUN_STATUS__EVICTED};
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	Froe__Pair pair = FROE__PAIR__INIT, *pairs = &pair;
	struct ask_options options = {.answer = on_rows, .owner = lookout};
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, 0);
	pair.key = (char *)(uintptr_t)buf_bytes(&lookout->key).data;
	pair.value = (char *)(uintptr_t)buf_bytes(&lookout->value).data;
	list.limit = lookout->state == LOOKOUT_BASE ? 1 : FROE_LIST_MAX;
	list.before = lookout->before;
	list.metadata = &pairs;
	list.n_metadata = 1;
	if (lookout->state == LOOKOUT_OPEN) {
		list.statuses = open;
		list.n_statuses = sizeof(open) / sizeof(open[0]);
	}
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_LIST;
	envelope.run_list = &list;
	lookout->due_ns = UINT64_MAX;
	if (seat_ask(lookout->seat, &envelope, &options, &arena, &lookout->ask, &fault) != FROE_OK)
		lookout->failed(lookout, &fault);
	arena_release(&arena);
}

/* ----------------------------------------------------------------------------------------- time */

void
lookout_turn(struct gateway *gateway, uint64_t now_ns)
{
	struct list *node, *next;
	for (node = gateway->lookouts.next; node != &gateway->lookouts; node = next) {
		struct lookout *lookout = container_of(node, struct lookout, link);
		next = node->next;
		if (lookout->due_ns == 0)
			lookout->due_ns = now_ns + LOOKOUT_NS;
		if (lookout->due_ns <= now_ns && lookout->seat->state == SEAT_OPEN)
			lookout_look(lookout);
	}
}

uint64_t
lookout_due_ns(const struct gateway *gateway)
{
	uint64_t due_ns = UINT64_MAX;
	struct list *node;
	list_for_each(node, &gateway->lookouts) {
		const struct lookout *lookout = container_of(node, struct lookout, link);
		due_ns = lookout->due_ns < due_ns ? lookout->due_ns : due_ns;
	}
	return due_ns;
}
