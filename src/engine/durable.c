/*
 * engine/durable: nodes, waits, event keys and approvals as state.
 *
 * A wait is found in three ways: by its timer (its earliest sleep), by its tenant's key (an event),
 * by its approval's number. Whichever comes first satisfies the node, and the others are taken
 * back. Keys exist only while something waits, so that a million keys that were used once cost
 * nothing.
 */
#include "engine/durable_int.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>

static struct bytes
own(struct bytes bytes)
{
	return bytes_of(mem_copy(bytes.data, bytes.size), bytes.size);
}

static void
disown(struct bytes bytes)
{
	mem_free((void *)(uintptr_t)bytes.data);
}

/* ------------------------------------------------------------------------------------- parsing */

static bool
prefix_take(struct bytes *text, const char *prefix)
{
	size_t size = strlen(prefix);
	if (text->size < size || memcmp(text->data, prefix, size) != 0)
		return false;
	*text = bytes_of(text->data + size, text->size - size);
	return true;
}

static bool
number_take(struct bytes text, uint64_t *ret_number)
{
	uint64_t number = 0;
	for (size_t i = 0; i < text.size; i++) {
		uint64_t digit = (uint64_t)text.data[i] - '0';
		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return text.size > 0;
}

bool
durable_parse(struct bytes text, struct eng_parsed *ret_parsed)
{
	*ret_parsed = (struct eng_parsed){0};
	if (prefix_take(&text, "sleep:")) {
		ret_parsed->kind = ENG_CONDITION_SLEEP;
		return number_take(text, &ret_parsed->deadline_ns);
	}
	if (prefix_take(&text, "event:"))
		ret_parsed->kind = ENG_CONDITION_EVENT;
	else if (prefix_take(&text, "approval:"))
		ret_parsed->kind = ENG_CONDITION_APPROVAL;
	else if (prefix_take(&text, "value:"))
		ret_parsed->kind = ENG_CONDITION_VALUE;
	ret_parsed->name = text;
	return ret_parsed->kind != 0 && text.size > 0 && text.size <= FROE_NAME_BYTES_MAX;
}

/* ------------------------------------------------------------------------------------ children */

size_t
durable_child_key(uint32_t number, char key[ENG_NODE_KEY_SIZE])
{
	int size = snprintf(key, ENG_NODE_KEY_SIZE, ENG_NODE_KEY_PREFIX "%u", number);
	return (size_t)size;
}

/* A handler may start children under any name: "node:01" is not a node's. */
uint32_t
durable_child_node(struct bytes key)
{
	char exact[ENG_NODE_KEY_SIZE];
	struct bytes text = key;
	uint64_t number;
	if (!prefix_take(&text, ENG_NODE_KEY_PREFIX) || !number_take(text, &number) ||
	    number > FROE_DURABLE_NODES_MAX)
		return 0;
	size_t size = durable_child_key((uint32_t)number, exact);
	return bytes_equal(key, bytes_of(exact, size)) ? (uint32_t)number : 0;
}

struct eng_child *
durable_child(const struct eng_task *task, uint32_t number)
{
	char key[ENG_NODE_KEY_SIZE];
	size_t size = durable_child_key(number, key);
	return child_find(task_run((struct eng_task *)(uintptr_t)task), task->index, 0,
	    bytes_of(key, size));
}

/* ---------------------------------------------------------------------------------------- keys */

struct eng_key *
durable_key_find(const struct eng_tenant *tenant, struct bytes name)
{
	struct eng_named *named = named_find(&tenant->keys, name);
	return named != NULL ? container_of(named, struct eng_key, named) : NULL;
}

struct eng_key *
durable_key_require(struct eng_tenant *tenant, struct bytes name)
{
	struct eng_key *key = durable_key_find(tenant, name);
	if (key == NULL) {
		key = mem_zalloc(sizeof(*key));
		key->tenant = tenant;
		list_init(&key->waits);
		named_add(&tenant->keys, &key->named, name);
	}
	return key;
}

/* The waits that there are now get this event, those to come the next one: the key leaves the
 * tenant's map with its waits, and is gone when the last of them has been told. */
void
durable_key_deliver(struct eng *eng, struct eng_key *key, uint64_t number, struct bytes payload,
    struct metadata metadata)
{
	struct bytes name = own(key->named.name);
	named_remove(&key->tenant->keys, &key->named);
	key->named.name = name;
	key->number = number;
	key->payload = own(payload);
	key->metadata = metadata_copy(&eng->stock, metadata.texts, metadata.count);
	list_push(&eng->deliveries, &key->link);
	eng->delivery_bytes += durable_key_bytes(key);
	eng->counts.deliveries++;
}

/* The last wait has gone: nothing is left to be told of an event. */
static void
key_leave(struct eng *eng, struct eng_key *key)
{
	if (!list_empty(&key->waits))
		return;
	if (key->number == 0) {
		named_remove(&key->tenant->keys, &key->named);
	} else {
		list_remove(&key->link);
		eng->delivery_bytes -= durable_key_bytes(key);
		eng->counts.deliveries--;
		disown(key->payload);
		metadata_release(&eng->stock, key->metadata);
		disown(key->named.name);
	}
	mem_free(key);
}

void
durable_keys_release(struct eng *eng)
{
	while (!list_empty(&eng->deliveries))
		key_leave(eng, container_of(eng->deliveries.next, struct eng_key, link));
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		struct map *keys = &eng->tenants[i]->keys;
		for (size_t j = 0; j < keys->capacity; j++) {
			while (keys->entries[j].value != NULL) /* removal shifts others here */
				key_leave(
				    eng, container_of((struct eng_named *)keys->entries[j].value,
					     struct eng_key, named));
		}
	}
}

/* ----------------------------------------------------------------------------------- approvals */

struct eng_approval *
durable_approval_find(const struct eng *eng, const struct eng_tenant *tenant, uint64_t number)
{
	return map_get(&eng->approvals, tenant->id, number);
}

static struct eng_approval *
approval_add(struct eng *eng, struct eng_wait *wait, uint16_t which, struct bytes name,
    const struct eng_event *event)
{
	struct eng_tenant *tenant = run_tenant(task_run(wait->task));
	struct eng_durable *durable = task_durable(wait->task);
	struct eng_approval *approval = mem_zalloc(sizeof(*approval));
	approval->number = ++tenant->approval_last;
	approval->task = wait->task;
	approval->node = wait->node;
	approval->which = which;
	approval->created_ns = event->time_ns;
	approval->name = own(name);
	approval->data = own(event->data[which]);
	approval->next = durable->approvals;
	durable->approvals = approval;
	durable->approval_count++;
	tenant->approval_count++;
	list_push(&tenant->approvals, &approval->link);
	map_put(&eng->approvals, tenant->id, approval->number, approval);
	eng->counts.approvals++;
	return approval;
}

static void
approval_close(struct eng *eng, struct eng_approval *approval, enum eng_approval_state state)
{
	if (approval->state != ENG_APPROVAL_OPEN)
		return;
	approval->state = (uint8_t)state;
	disown(approval->data); /* nobody is shown it any more */
	approval->data = bytes_of(NULL, 0);
	list_remove(&approval->link);
	run_tenant(task_run(approval->task))->approval_count--;
	eng->counts.approvals--;
}

/* --------------------------------------------------------------------------------------- waits */

struct eng_wait *
durable_wait_new(struct eng_task *task, uint32_t node, uint32_t count)
{
	struct eng_wait *wait = mem_zalloc(sizeof(*wait) + count * sizeof(wait->parts[0]));
	wait->timer.timer.owner = ENG_TIMER_WAIT;
	wait->task = task;
	wait->node = node;
	wait->part_count = count;
	for (uint32_t i = 0; i < count; i++)
		wait->parts[i].wait = wait;
	return wait;
}

struct eng_wait *
durable_wait_add(struct eng *eng, struct eng_task *task, const struct eng_event *event,
    const struct eng_parsed *parsed)
{
	uint32_t count = event->condition_count;
	struct eng_wait *wait = durable_wait_new(task, event->node, count);
	uint64_t earliest_ns = UINT64_MAX;
	for (uint32_t i = 0; i < count; i++) {
		struct eng_wait_part *part = &wait->parts[i];
		part->kind = parsed[i].kind;
		if (part->kind == ENG_CONDITION_EVENT) {
			part->key = durable_key_require(run_tenant(task_run(task)), parsed[i].name);
			list_push(&part->key->waits, &part->link);
		} else if (part->kind == ENG_CONDITION_APPROVAL) {
			part->approval =
			    approval_add(eng, wait, (uint16_t)i, parsed[i].name, event);
		} else if (part->kind == ENG_CONDITION_SLEEP) {
			part->deadline_ns = parsed[i].deadline_ns;
			if (part->deadline_ns < earliest_ns)
				earliest_ns = part->deadline_ns;
		}
	}
	if (earliest_ns != UINT64_MAX)
		wheel_insert(&eng->wheels[ENG_WALL], &wait->timer.timer, earliest_ns);
	return wait;
}

static void
wait_free(struct eng *eng, struct eng_wait *wait)
{
	wheel_remove(&eng->wheels[ENG_WALL], &wait->timer.timer);
	for (uint32_t i = 0; i < wait->part_count; i++) {
		struct eng_wait_part *part = &wait->parts[i];
		if (part->key != NULL) {
			list_remove(&part->link);
			key_leave(eng, part->key);
		}
		if (part->approval != NULL)
			approval_close(eng, part->approval, ENG_APPROVAL_WITHDRAWN);
	}
	mem_free(wait);
}

/* --------------------------------------------------------------------------------------- nodes */

struct eng_durable *
durable_require(struct eng *eng, struct eng_task *task)
{
	struct eng_work *work = task_work_require(eng, task);
	if (work->durable == NULL) {
		work->durable = mem_zalloc(sizeof(*work->durable));
		work->durable->invocation = 1;
	}
	return work->durable;
}

struct eng_durable_node *
durable_push(struct eng *eng, struct eng_durable *durable)
{
	eng->counts.nodes++;
	if (durable->count == durable->capacity) {
		durable->capacity = durable->capacity != 0 ? durable->capacity * 2 : 4;
		durable->nodes =
		    mem_resize(durable->nodes, durable->capacity * sizeof(*durable->nodes));
	}
	return &durable->nodes[durable->count++];
}

struct eng_durable_node *
durable_add(struct eng *eng, struct eng_task *task, const struct eng_event *event,
    enum eng_node_kind kind)
{
	struct eng_durable_node *node = durable_push(eng, durable_require(eng, task));
	*node = (struct eng_durable_node){
	    .fingerprint = event->fingerprint,
	    .label = own(event->text),
	    .kind = (uint8_t)kind,
	};
	return node;
}

void
durable_satisfy(struct eng *eng, struct eng_task *task, struct eng_durable_node *node,
    const struct eng_event *event)
{
	struct eng_approval *approval = node->wait->parts[event->which].approval;
	if (event->type == ENG_EV_APPROVAL_DECIDED) {
		approval_close(eng, approval,
		    event->approved != 0 ? ENG_APPROVAL_APPROVED : ENG_APPROVAL_REJECTED);
		approval->actor = own(event->actor);
	}
	wait_free(eng, node->wait);
	node->wait = NULL;
	node->result = event->run_event_no;
	node->which = (uint16_t)event->which;
	task_durable(task)->pending--;
}

void
durable_assigned(struct eng_task *task, uint32_t invocation)
{
	struct eng_durable *durable = task_durable(task);
	if (durable == NULL)
		return;
	durable->returns = false;
	if (invocation != 0)
		durable->invocation = invocation;
}

static void
approvals_free(struct eng *eng, struct eng_task *task)
{
	uint32_t tenant = run_tenant(task_run(task))->id;
	struct eng_durable *durable = task_durable(task);
	while (durable->approvals != NULL) {
		struct eng_approval *approval = durable->approvals;
		durable->approvals = approval->next;
		map_remove(&eng->approvals, tenant, approval->number);
		disown(approval->name);
		disown(approval->data);
		disown(approval->actor);
		mem_free(approval);
	}
}

uint32_t
durable_order(const struct eng_durable *durable, const struct eng_durable_node *node)
{
	uint32_t order = 0;
	for (uint32_t i = 0; node->result != 0 && i < durable->count; i++) {
		uint32_t result = durable->nodes[i].result;
		order += result != 0 && result <= node->result ? 1 : 0;
	}
	return order;
}

bool
durable_parked(const struct eng_task *task)
{
	const struct eng_durable *durable = task_durable(task);
	for (uint32_t i = 0; durable != NULL && i < durable->count; i++) {
		const struct eng_wait *wait = durable->nodes[i].wait;
		for (uint32_t j = 0; wait != NULL && j < wait->part_count; j++) {
			if (wait->parts[j].kind != ENG_CONDITION_VALUE)
				return true;
		}
	}
	return false;
}

/* The task is over: everything of its nodes goes. */
void
durable_forget(struct eng *eng, struct eng_task *task)
{
	struct eng_durable *durable = task_durable(task);
	if (durable == NULL)
		return;
	for (uint32_t i = 0; i < durable->count; i++) {
		if (durable->nodes[i].wait != NULL)
			wait_free(eng, durable->nodes[i].wait);
		disown(durable->nodes[i].label);
	}
	approvals_free(eng, task);
	eng->counts.nodes -= durable->count;
	mem_free(durable->nodes);
	mem_free(durable);
	task->work->durable = NULL;
	task_work_settle(eng, task);
}

/* ------------------------------------------------------------------------------ check and hash */

static void
wait_check(const struct eng_wait *wait, struct eng_counts *counted)
{
	uint64_t earliest_ns = UINT64_MAX;
	for (uint32_t i = 0; i < wait->part_count; i++) {
		const struct eng_wait_part *part = &wait->parts[i];
		froe_assert((part->key != NULL) == (part->kind == ENG_CONDITION_EVENT));
		froe_assert((part->approval != NULL) == (part->kind == ENG_CONDITION_APPROVAL));
		froe_assert(list_linked(&part->link) == (part->key != NULL));
		if (part->key != NULL)
			froe_assert(list_linked(&part->key->link) == (part->key->number != 0));
		if (part->approval != NULL)
			froe_assert(list_linked(&part->approval->link));
		if (part->kind == ENG_CONDITION_SLEEP && part->deadline_ns < earliest_ns)
			earliest_ns = part->deadline_ns;
	}
	bool armed = wheel_active(&wait->timer.timer);
	froe_assert(armed == (earliest_ns != UINT64_MAX)); /* 3 */
	froe_assert(!armed || wait->timer.timer.deadline_ns == earliest_ns);
	counted->timers += armed ? 1 : 0;
}

void
durable_check(const struct eng_run *run, const struct eng_task *task, struct eng_counts *counted)
{
	const struct eng_durable *durable = task_durable(task);
	uint32_t pending = 0, approvals = 0;
	if (durable == NULL) {
		froe_assert(task->state != ENG_TASK_EVICTED);
		return;
	}
	froe_assert(!task_closed(task) && run->version->definitions[task->index].durable);
	for (uint32_t i = 0; i < durable->count; i++) {
		const struct eng_durable_node *node = &durable->nodes[i];
		froe_assert((node->wait != NULL) == (node->result == 0)); /* 1 */
		if (node->wait == NULL)
			continue;
		froe_assert(node->wait->task == task && node->wait->node == i + 1);
		wait_check(node->wait, counted);
		pending++;
	}
	counted->nodes += durable->count;
	froe_assert(durable->pending == pending); /* 2 */
	froe_assert(task->state != ENG_TASK_EVICTED || pending > 0); /* 4 */
	for (const struct eng_approval *at = durable->approvals; at != NULL; at = at->next) {
		froe_assert(list_linked(&at->link) == (at->state == ENG_APPROVAL_OPEN)); /* 6 */
		froe_assert(at->state == ENG_APPROVAL_OPEN || at->data.size == 0);
		counted->approvals += at->state == ENG_APPROVAL_OPEN ? 1 : 0;
		approvals++;
	}
	froe_assert(durable->approval_count == approvals);
}

static uint64_t
hash_word(uint64_t hash, uint64_t word)
{
	uint64_t words[2] = {hash, word};
	return hash64(words, sizeof(words), 0);
}

static uint64_t
hash_bytes(uint64_t hash, struct bytes bytes)
{
	return hash_word(hash, hash64(bytes.data, bytes.size, bytes.size));
}

static uint64_t
wait_hash(uint64_t hash, const struct eng_wait *wait)
{
	for (uint32_t i = 0; i < wait->part_count; i++) {
		const struct eng_wait_part *part = &wait->parts[i];
		hash = hash_word(hash, part->kind);
		hash = hash_word(hash, part->deadline_ns);
		if (part->key != NULL)
			hash = hash_bytes(hash, part->key->named.name);
	}
	return hash;
}

uint64_t
durable_hash(const struct eng_task *task)
{
	const struct eng_durable *durable = task_durable(task);
	if (durable == NULL)
		return 0;
	uint64_t hash = hash_word(durable->invocation, durable->returns ? 1 : 0);
	for (uint32_t i = 0; i < durable->count; i++) {
		const struct eng_durable_node *node = &durable->nodes[i];
		hash = hash_word(hash, node->fingerprint);
		hash = hash_bytes(hash, node->label);
		hash = hash_word(hash, (uint64_t)node->result << 32 | node->which);
		hash = hash_word(hash, node->kind);
		if (node->wait != NULL)
			hash = wait_hash(hash, node->wait);
	}
	for (const struct eng_approval *at = durable->approvals; at != NULL; at = at->next) {
		hash = hash_word(hash, at->number);
		hash = hash_word(hash, at->created_ns);
		hash = hash_word(hash, (uint64_t)at->node << 32 | at->which);
		hash = hash_word(hash, at->state);
		hash = hash_bytes(hash, at->name);
		hash = hash_bytes(hash, at->data);
		hash = hash_bytes(hash, at->actor);
	}
	return hash;
}

static uint64_t
key_hash(const struct eng_key *key)
{
	struct list *at;
	uint64_t hash = hash_bytes(key->number, key->named.name);
	hash = hash_word(hash, key->tenant->id);
	hash = hash_bytes(hash, key->payload);
	for (uint32_t i = 0; i < key->metadata.count; i++)
		hash = hash_bytes(hash, key->metadata.texts[i]);
	list_for_each(at, &key->waits) {
		const struct eng_wait *wait = container_of(at, struct eng_wait_part, link)->wait;
		hash = hash_word(hash, task_run(wait->task)->key);
		hash = hash_word(hash, (uint64_t)wait->task->index << 32 | wait->node);
	}
	return hash;
}

/* Keys of a map are added up, because its order means nothing; deliveries have one. */
uint64_t
durable_keys_hash(const struct eng *eng)
{
	uint64_t sum = 0, hash = 0;
	struct list *at;
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		const struct eng_tenant *tenant = eng->tenants[i];
		for (size_t j = 0; j < tenant->keys.capacity; j++) {
			struct eng_named *named = tenant->keys.entries[j].value;
			for (; named != NULL; named = named->next)
				sum += key_hash(container_of(named, struct eng_key, named));
		}
		hash = hash_word(hash, tenant->approval_last);
	}
	list_for_each(at, &eng->deliveries)
		hash = hash_word(hash, key_hash(container_of(at, struct eng_key, link)));
	return hash_word(hash_word(hash, sum), eng->event_last);
}
