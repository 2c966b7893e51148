/*
 * engine/save_durable: nodes, waits, event keys and approvals as state objects.
 *
 * A task's nodes come one an object, in their order, behind its approvals; then the lists that
 * have an order of their own: those who wait for a key, and a tenant's open approvals. Timers of
 * waits are saved with all others.
 */
#include "engine/durable_int.h"
#include "engine/save_int.h"

static struct bytes
take_copy(struct take *take)
{
	struct bytes bytes = take_bytes(take);
	return bytes_of(mem_copy(bytes.data, bytes.size), bytes.size);
}

/* --------------------------------------------------------------------------------------- nodes */

static void
save_approval(struct save *save, const struct eng_approval *approval)
{
	put_task(save, approval->task);
	put_number(save, approval->number);
	put_number(save, approval->created_ns);
	put_number(save, approval->node);
	put_number(save, approval->which);
	put_number(save, approval->state);
	put_bytes(save, approval->name);
	put_bytes(save, approval->data);
	put_bytes(save, approval->actor);
	save_object(save, ENG_OBJ_APPROVAL, 0);
}

/* At the tail of its task's approvals; open ones are put into their tenant's order later. */
enum froe_err
load_approval(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_task *task = load_task(load, take);
	if (task == NULL || task_durable(task) == NULL)
		return load_bad(load, "an approval's task");
	struct eng_tenant *tenant = run_tenant(task_run(task));
	uint64_t number = take_number(take);
	if (number == 0 || number > tenant->approval_last ||
	    durable_approval_find(load->eng, tenant, number) != NULL)
		return load_bad(load, "an approval's number");
	if (load->approvals_of != task && task_durable(task)->approvals != NULL)
		return load_bad(load, "approvals of a task apart from each other");
	if (load->approvals_of != task)
		load->approvals_tail = &task_durable(task)->approvals;
	struct eng_approval *approval = mem_zalloc(sizeof(*approval));
	*load->approvals_tail = approval;
	load->approvals_of = task;
	load->approvals_tail = &approval->next;
	approval->task = task;
	approval->number = number;
	approval->created_ns = take_number(take);
	approval->node = take_u32(take);
	approval->which = (uint16_t)take_u32(take);
	approval->state = take_u8(take);
	approval->name = take_copy(take);
	approval->data = take_copy(take);
	approval->actor = take_copy(take);
	map_put(&load->eng->approvals, tenant->id, number, approval);
	task_durable(task)->approval_count++;
	if (approval->state > ENG_APPROVAL_WITHDRAWN ||
	    (approval->state != ENG_APPROVAL_OPEN && approval->data.size != 0)) {
		approval->state = ENG_APPROVAL_WITHDRAWN;
		return load_bad(load, "an approval's state");
	}
	load->eng->counts.approvals += approval->state == ENG_APPROVAL_OPEN ? 1 : 0;
	tenant->approval_count += approval->state == ENG_APPROVAL_OPEN ? 1 : 0;
	return take_end(load, take, "an approval");
}

static void
save_node(struct save *save, const struct eng_task *task, const struct eng_durable_node *node)
{
	put_task(save, task);
	put_number(save, node->fingerprint);
	put_bytes(save, node->label);
	put_number(save, node->kind);
	put_number(save, node->result);
	put_number(save, node->which);
	put_number(save, node->wait != NULL ? node->wait->part_count : 0);
	for (uint32_t i = 0; node->wait != NULL && i < node->wait->part_count; i++) {
		const struct eng_wait_part *part = &node->wait->parts[i];
		size_t group = put_group_open(save);
		put_number(save, part->kind);
		put_number(save, part->deadline_ns);
		put_number(save, part->approval != NULL ? part->approval->number : 0);
		put_group_close(save, group);
	}
	save_object(save, ENG_OBJ_NODE, task_run((struct eng_task *)(uintptr_t)task)->key);
}

static enum froe_err
load_part(struct eng_load *load, struct eng_wait_part *part)
{
	struct take take = take_group(&load->body);
	struct eng_wait *wait = part->wait;
	part->kind = take_u8(&take);
	part->deadline_ns = take_number(&take);
	uint64_t number = take_number(&take);
	if (part->kind < ENG_CONDITION_SLEEP || part->kind > ENG_CONDITION_VALUE ||
	    (part->deadline_ns != 0 && part->kind != ENG_CONDITION_SLEEP) ||
	    (number != 0) != (part->kind == ENG_CONDITION_APPROVAL))
		return load_bad(load, "a condition");
	if (number == 0)
		return take_end(load, &take, "a condition");
	struct eng_approval *approval =
	    durable_approval_find(load->eng, run_tenant(task_run(wait->task)), number);
	if (approval == NULL || approval->task != wait->task || approval->node != wait->node ||
	    approval->which != part - wait->parts || approval->state != ENG_APPROVAL_OPEN)
		return load_bad(load, "a condition's approval");
	part->approval = approval;
	return take_end(load, &take, "a condition");
}

static enum froe_err
load_node_wait(struct eng_load *load, struct eng_task *task, struct eng_durable_node *node,
    uint32_t parts)
{
	node->wait = durable_wait_new(task, task_durable(task)->count, parts);
	task_durable(task)->pending++;
	for (uint32_t i = 0; i < parts; i++) {
		enum froe_err err = load_part(load, &node->wait->parts[i]);
		if (err != FROE_OK)
			return err;
	}
	return FROE_OK;
}

enum froe_err
load_node(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_task *task = load_task(load, take);
	if (task == NULL || task_durable(task) == NULL ||
	    task_durable(task)->count >= FROE_DURABLE_NODES_MAX)
		return load_bad(load, "a node's task");
	struct eng_durable_node *node = durable_push(load->eng, task_durable(task));
	*node = (struct eng_durable_node){.fingerprint = take_number(take)};
	node->label = take_copy(take);
	node->kind = take_u8(take);
	node->result = take_u32(take);
	node->which = (uint16_t)take_u32(take);
	uint32_t parts = take_u32(take);
	bool wait = node->kind != ENG_NODE_MEMO;
	if (take->bad || node->kind < ENG_NODE_WAIT || node->kind > ENG_NODE_CHILD ||
	    node->label.size > ENG_LABEL_BYTES_MAX || parts > FROE_CONDITIONS_MAX ||
	    node->result > task_run(task)->event_count || (node->result != 0) == (parts != 0) ||
	    (parts != 0 && !wait))
		return load_bad(load, "a node");
	enum froe_err err = parts != 0 ? load_node_wait(load, task, node, parts) : FROE_OK;
	return err == FROE_OK ? take_end(load, take, "a node") : err;
}

static void
save_durable(struct save *save, const struct eng_task *task)
{
	const struct eng_durable *durable = task_durable(task);
	if (durable == NULL)
		return;
	put_task(save, task);
	put_number(save, durable->invocation);
	put_number(save, durable->returns ? 1 : 0);
	save_object(save, ENG_OBJ_DURABLE, 0);
	for (const struct eng_approval *at = durable->approvals; at != NULL; at = at->next)
		save_approval(save, at);
	for (uint32_t i = 0; i < durable->count; i++)
		save_node(save, task, &durable->nodes[i]);
}

void
save_durables(struct save *save)
{
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&save->eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		for (uint32_t i = 0; i < run->version->task_count; i++)
			save_durable(save, &run->tasks[i]);
	}
}

enum froe_err
load_durable(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_task *task = load_task(load, take);
	if (task == NULL || task_durable(task) != NULL || task_closed(task) ||
	    !task_definition(task)->durable)
		return load_bad(load, "a durable task");
	struct eng_durable *durable = durable_require(load->eng, task);
	durable->invocation = take_u32(take);
	durable->returns = take_u8(take) != 0;
	return take_end(load, take, "a durable task");
}

/* --------------------------------------------------------------------------------- who waits */

void
put_wait(struct save *save, const struct eng_wait *wait)
{
	put_task(save, wait->task);
	put_number(save, wait->node);
}

struct eng_wait *
load_wait(struct eng_load *load, struct take *take)
{
	struct eng_task *task = load_task(load, take);
	uint32_t number = take_u32(take);
	struct eng_durable_node *node = task != NULL ? durable_node(task, number) : NULL;
	return node != NULL ? node->wait : NULL;
}

static void
key_open(struct save *save, const struct eng_key *key, bool first)
{
	put_number(save, key->tenant->id);
	put_bytes(save, key->named.name);
	put_number(save, key->number);
	put_number(save, first ? 1 : 0);
	put_bytes(save, first ? key->payload : bytes_of(NULL, 0));
	size_t group = put_group_open(save);
	for (uint32_t i = 0; first && i < key->metadata.count; i++)
		put_bytes(save, key->metadata.texts[i]);
	put_group_close(save, group);
}

static void
save_key(struct save *save, const struct eng_key *key)
{
	struct list *at;
	uint32_t rows = 0;
	list_for_each(at, &key->waits) {
		const struct eng_wait_part *part = container_of(at, struct eng_wait_part, link);
		if (rows % SAVE_ROWS_MAX == 0)
			key_open(save, key, rows == 0);
		put_wait(save, part->wait);
		put_number(save, (uint64_t)(part - part->wait->parts));
		if (++rows % SAVE_ROWS_MAX == 0)
			save_object(save, ENG_OBJ_KEY, 0);
	}
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, ENG_OBJ_KEY, 0);
}

/* Keys of which this task has the oldest wait: an order that does not depend on a map's. */
static void
save_keys_of(struct save *save, const struct eng_durable *durable)
{
	for (uint32_t i = 0; i < durable->count; i++) {
		const struct eng_wait *wait = durable->nodes[i].wait;
		for (uint32_t j = 0; wait != NULL && j < wait->part_count; j++) {
			const struct eng_key *key = wait->parts[j].key;
			if (key != NULL && key->number == 0 &&
			    key->waits.next == &wait->parts[j].link)
				save_key(save, key);
		}
	}
}

/* Deliveries first: a key of the same name may wait for the next event already. */
void
save_keys(struct save *save)
{
	struct list *at;
	list_for_each(at, &save->eng->deliveries)
		save_key(save, container_of(at, struct eng_key, link));
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&save->eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		for (uint32_t i = 0; i < run->version->task_count; i++) {
			if (task_durable(&run->tasks[i]) != NULL)
				save_keys_of(save, task_durable(&run->tasks[i]));
		}
	}
}

/* False: it is none. */
static bool
take_pairs(struct eng_load *load, struct bytes texts[2 * FROE_METADATA_PAIRS_MAX],
    struct metadata *ret_metadata)
{
	struct take group = take_group(&load->body);
	uint32_t count = 0;
	while (take_more(&group)) {
		if (count == 2 * FROE_METADATA_PAIRS_MAX)
			return false;
		texts[count++] = take_bytes(&group);
	}
	*ret_metadata = (struct metadata){texts, count};
	return !group.bad && metadata_fault(texts, count) == NULL;
}

/* The key that the object is about: made by its first one. */
static struct eng_key *
take_key(struct eng_load *load, struct bytes *ret_payload)
{
	struct bytes texts[2 * FROE_METADATA_PAIRS_MAX];
	struct metadata metadata = {0};
	struct take *take = &load->body;
	struct eng *eng = load->eng;
	struct eng_tenant *tenant = eng_tenant_get(eng, take_u32(take));
	struct bytes name = take_bytes(take);
	uint64_t number = take_number(take);
	bool first = take_u8(take) != 0;
	*ret_payload = take_bytes(take);
	bool pairs = take_pairs(load, texts, &metadata);
	if (tenant == NULL || take->bad || !pairs || name.size == 0 ||
	    name.size > FROE_NAME_BYTES_MAX || number > load->engine.event_last)
		return NULL;
	struct eng_key *found = durable_key_find(tenant, name);
	if (first && found == NULL) {
		found = durable_key_require(tenant, name);
		if (number != 0)
			durable_key_deliver(eng, found, number, *ret_payload, metadata);
		return found;
	}
	if (!first && number != 0 && !list_empty(&eng->deliveries))
		found = container_of(eng->deliveries.prev, struct eng_key, link);
	return !first && found != NULL && found->number == number ? found : NULL;
}

enum froe_err
load_key(struct eng_load *load)
{
	struct take *take = &load->body;
	struct bytes payload;
	struct eng_key *key = take_key(load, &payload);
	bool any = false;
	if (key == NULL)
		return load_bad(load, "an event key");
	for (; take_more(take); any = true) {
		struct eng_wait *wait = load_wait(load, take);
		uint32_t which = take_u32(take);
		if (wait == NULL || take->bad || which >= wait->part_count ||
		    wait->parts[which].kind != ENG_CONDITION_EVENT ||
		    wait->parts[which].key != NULL ||
		    run_tenant(task_run(wait->task)) != key->tenant)
			return load_bad(load, "who waits for an event");
		wait->parts[which].key = key;
		list_push(&key->waits, &wait->parts[which].link);
	}
	return any ? take_end(load, take, "an event key") : load_bad(load, "a key without a wait");
}

static void
approvals_of(struct save *save, const struct eng_tenant *tenant)
{
	struct list *at;
	uint32_t rows = 0;
	list_for_each(at, &tenant->approvals) {
		if (rows % SAVE_ROWS_MAX == 0)
			put_number(save, tenant->id);
		put_number(save, container_of(at, struct eng_approval, link)->number);
		if (++rows % SAVE_ROWS_MAX == 0)
			save_object(save, ENG_OBJ_APPROVALS, 0);
	}
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, ENG_OBJ_APPROVALS, 0);
}

void
save_approvals(struct save *save)
{
	for (uint32_t i = 0; i < save->eng->tenant_count; i++)
		approvals_of(save, save->eng->tenants[i]);
}

enum froe_err
load_approvals(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_tenant *tenant = eng_tenant_get(load->eng, take_u32(take));
	if (tenant == NULL)
		return load_bad(load, "a tenant's approvals");
	while (take_more(take)) {
		struct eng_approval *approval =
		    durable_approval_find(load->eng, tenant, take_number(take));
		if (approval == NULL || approval->state != ENG_APPROVAL_OPEN ||
		    list_linked(&approval->link))
			return load_bad(load, "an open approval");
		list_push(&tenant->approvals, &approval->link);
	}
	return take_end(load, take, "a tenant's approvals");
}

/* --------------------------------------------------------------------------------- at the end */

static enum froe_err
wait_check(const struct eng_load *load, const struct eng_wait *wait)
{
	uint64_t earliest_ns = UINT64_MAX;
	for (uint32_t i = 0; i < wait->part_count; i++) {
		const struct eng_wait_part *part = &wait->parts[i];
		if ((part->key != NULL) != (part->kind == ENG_CONDITION_EVENT) ||
		    (part->approval != NULL && !list_linked(&part->approval->link)))
			return load_bad(load, "a condition that nothing can satisfy");
		if (part->kind == ENG_CONDITION_SLEEP && part->deadline_ns < earliest_ns)
			earliest_ns = part->deadline_ns;
	}
	const struct eng_durable_node *node = durable_node(wait->task, wait->node);
	bool child = wait->parts[0].kind == ENG_CONDITION_CHILD;
	const struct eng_child *entry = child ? durable_child(wait->task, wait->node) : NULL;
	if (child != (node->kind == ENG_NODE_CHILD) ||
	    (child && (entry == NULL || !entry->open || wait->part_count != 1)))
		return load_bad(load, "a node without its child");
	bool armed = wheel_active(&wait->timer.timer);
	if (armed != (earliest_ns != UINT64_MAX) ||
	    (armed && wait->timer.timer.deadline_ns != earliest_ns))
		return load_bad(load, "a wait's timer");
	return FROE_OK;
}

static enum froe_err
task_check(const struct eng_load *load, const struct eng_task *task)
{
	const struct eng_durable *durable = task_durable(task);
	bool evicted = task->state == ENG_TASK_EVICTED;
	enum froe_err err = FROE_OK;
	if (durable == NULL)
		return evicted ? load_bad(load, "an evicted task") : FROE_OK;
	if ((evicted && (durable->pending == 0 || !durable->returns)) || durable->invocation == 0 ||
	    (durable->returns && task->state == ENG_TASK_ASSIGNED))
		return load_bad(load, "how a durable task stands");
	for (uint32_t i = 0; i < durable->count && err == FROE_OK; i++) {
		if (durable->nodes[i].wait != NULL)
			err = wait_check(load, durable->nodes[i].wait);
	}
	for (const struct eng_approval *at = durable->approvals; at != NULL; at = at->next) {
		const struct eng_durable_node *node = durable_node(task, at->node);
		bool open = at->state == ENG_APPROVAL_OPEN;
		if (node == NULL || open != list_linked(&at->link) ||
		    (open && (node->wait == NULL || at->which >= node->wait->part_count ||
		                 node->wait->parts[at->which].approval != at)))
			return load_bad(load, "an approval of no node");
	}
	return err;
}

enum froe_err
load_durables_check(const struct eng_load *load)
{
	const struct eng_run *run;
	enum froe_err err = FROE_OK;
	struct numtable_walk walk = numtable_walk_begin(&load->eng->runs_by_key);
	while (err == FROE_OK && (run = numtable_walk_next(&walk)) != NULL) {
		for (uint32_t i = 0; i < run->version->task_count && err == FROE_OK; i++)
			err = task_check(load, &run->tasks[i]);
	}
	numtable_walk_end(&walk);
	return err;
}
