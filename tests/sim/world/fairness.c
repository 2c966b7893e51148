#include "sim/world/fairness.h"

#include <string.h>

static struct fairness_queue *
queue_require(struct fairness *fairness, const struct recipe *recipe, uint32_t index)
{
	const struct recipe_task *task = &recipe->tasks[index];
	struct fairness_queue *queue = fairness->queues;
	for (; queue < fairness->queues + fairness->count; queue++) {
		if (queue->tenant == recipe->tenant && queue->workflow == recipe->workflow &&
		    queue->action == task->action &&
		    memcmp(queue->need, task->need, sizeof(queue->need)) == 0)
			return queue;
	}
	if (fairness->count == FAIRNESS_QUEUES_MAX)
		return NULL; /* what is beyond is not watched */
	*queue = (struct fairness_queue){
	    .tenant = recipe->tenant, .workflow = recipe->workflow, .action = task->action};
	memcpy(queue->need, task->need, sizeof(queue->need));
	fairness->count++;
	return queue;
}

static bool
compete(const struct fairness_queue *a, const struct fairness_queue *b)
{
	return a != b && a->tenant == b->tenant && a->action == b->action &&
	    memcmp(a->need, b->need, sizeof(a->need)) == 0;
}

void
fairness_enter(struct fairness *fairness, const struct recipe *recipe, uint32_t task)
{
	struct fairness_queue *queue = queue_require(fairness, recipe, task);
	if (queue != NULL && queue->length++ == 0)
		memset(queue->ahead, 0, sizeof(queue->ahead));
}

static void
queue_served(struct fairness *fairness, struct fairness_queue *served, struct judge *judge)
{
	size_t at = (size_t)(served - fairness->queues);
	memset(served->ahead, 0, sizeof(served->ahead));
	for (unsigned i = 0; i < fairness->count; i++) {
		struct fairness_queue *queue = &fairness->queues[i];
		if (!compete(queue, served) || queue->length == 0)
			continue;
		judge_mark(judge, KIND_CONTENDED);
		if (++queue->ahead[at] > 1)
			judge_fail(judge, "workflow %u waits for action %u, workflow %u was "
			    "served %u times meanwhile", queue->workflow, queue->action,
			    served->workflow, queue->ahead[at]);
	}
}

void
fairness_leave(struct fairness *fairness, const struct recipe *recipe, uint32_t task,
    bool assigned, struct judge *judge)
{
	struct fairness_queue *queue = queue_require(fairness, recipe, task);
	if (queue == NULL)
		return;
	froe_assert(queue->length > 0);
	queue->length--;
	if (assigned)
		queue_served(fairness, queue, judge);
}
