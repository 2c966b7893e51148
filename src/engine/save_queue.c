/*
 * engine/save_queue: tenants and queues as state objects: whose turn it is, and what waits.
 */
#include "engine/save_int.h"

/* ------------------------------------------------------------------------------------- tenants */

void
save_tenants(struct save *save)
{
	for (uint32_t i = 0; i < save->eng->tenant_count; i++) {
		const struct eng_tenant *tenant = save->eng->tenants[i];
		struct eng_event event = {
		    .type = ENG_EV_TENANT_CREATED,
		    .tenant = tenant->id,
		    .name = tenant->named.name,
		};
		save_event(save, &event);
		put_number(save, tenant->id);
		put_number(save, tenant->fair.turns);
		put_number(save, tenant->fair.turn);
		put_number(save, (uint64_t)tenant->fair.deficit);
		put_number(save, tenant->approval_last);
		save_object(save, ENG_OBJ_TENANT, 0);
	}
}

enum froe_err
load_tenant(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_tenant *tenant = eng_tenant_get(load->eng, take_u32(take));
	if (tenant == NULL || tenant->fair.length != 0)
		return load_bad(load, "a tenant");
	uint64_t turns = take_number(take);
	uint64_t turn = take_number(take);
	fair_tenant_load(&tenant->fair, turns, turn, take_u32(take));
	tenant->approval_last = take_number(take);
	return take_end(load, take, "a tenant");
}

/* -------------------------------------------------------------------------------------- queues */

static void
queue_open(struct save *save, const struct eng_workflow *workflow, const struct eng_queue *queue,
    unsigned priority)
{
	put_number(save, workflow->id);
	put_bytes(save, queue->action->named.name);
	put_number(save, queue->fair.turn);
	put_number(save, (uint64_t)queue->fair.deficit);
	put_number(save, priority);
	put_need(save, workflow->tenant, &queue->fair.demand->need);
}

static void
save_queue_items(struct save *save, const struct eng_workflow *workflow,
    const struct eng_queue *queue, unsigned priority)
{
	struct list *at;
	uint32_t rows = 0;
	list_for_each(at, &queue->fair.items[priority]) {
		if (rows % SAVE_ROWS_MAX == 0)
			queue_open(save, workflow, queue, priority);
		put_task(save, task_of_item(container_of(at, struct fair_item, link)));
		if (++rows % SAVE_ROWS_MAX == 0)
			save_object(save, ENG_OBJ_QUEUE, 0);
	}
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, ENG_OBJ_QUEUE, 0);
}

/* An empty queue remembers its last turn, which means nothing but is part of the hash. */
void
save_queues(struct save *save)
{
	for (uint32_t i = 0; i < save->eng->workflow_count; i++) {
		const struct eng_workflow *workflow = save->eng->workflows[i];
		const struct eng_queue *queue = workflow->queues;
		for (; queue != NULL; queue = queue->next) {
			if (queue->fair.length == 0 && queue->fair.turn != 0) {
				queue_open(save, workflow, queue, 0);
				save_object(save, ENG_OBJ_QUEUE, 0);
			}
			for (unsigned priority = 1; priority < FAIR_PRIORITIES; priority++)
				save_queue_items(save, workflow, queue, priority);
		}
	}
}

static struct eng_queue *
queue_find(const struct eng_workflow *workflow, struct bytes action, const struct fair_need *need)
{
	struct eng_queue *queue = workflow->queues;
	while (queue != NULL && (!bytes_equal(queue->action->named.name, action) ||
	        !need_equal(&queue->fair.demand->need, need)))
		queue = queue->next;
	return queue;
}

/* The next runs come into the cache together. */
static void
queue_look_ahead(const struct eng_load *load)
{
	struct take ahead = load->body;
	for (unsigned i = 0; i < KEYSET_BATCH && take_more(&ahead); i++) {
		numtable_prefetch(&load->eng->runs_by_key, take_number(&ahead));
		take_u32(&ahead);
	}
}

enum froe_err
load_queue(struct eng_load *load)
{
	struct take *take = &load->body;
	uint32_t id = take_u32(take);
	if (id == 0 || id > load->eng->workflow_count)
		return load_bad(load, "a queue's workflow");
	struct eng_workflow *workflow = load->eng->workflows[id - 1];
	struct bytes action = take_bytes(take);
	struct fair_need need;
	uint64_t turn = take_number(take);
	uint32_t deficit = take_u32(take);
	uint8_t priority = take_u8(take);
	struct eng_queue *queue = take_need(take, workflow->tenant, &need)
	    ? queue_find(workflow, action, &need)
	    : NULL;
	if (queue == NULL || take->bad || priority >= FAIR_PRIORITIES)
		return load_bad(load, "a queue");
	if (queue->fair.length != 0 && queue->fair.turn != turn)
		return load_bad(load, "a queue has two turns");
	fair_queue_load(&queue->fair, turn, deficit);
	for (uint64_t row = 0; take_more(take); row++) {
		if (row % KEYSET_BATCH == 0)
			queue_look_ahead(load);
		struct eng_task *task = load_task(load, take);
		if (task == NULL || task->state != ENG_TASK_QUEUED ||
		    task->place != ENG_PLACE_NONE || task_node(task)->queue != queue ||
		    priority == 0)
			return load_bad(load, "a task in a queue");
		fair_item_load(&queue->fair, task_enqueue(task), priority);
	}
	return take_end(load, take, "a queue");
}
