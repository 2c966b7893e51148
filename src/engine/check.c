/*
 * engine/check: the invariants of engine_int.h, and a hash of the whole state.
 *
 * The hash covers everything that apply sets, in an order that does not depend on memory: runs and
 * workers by number, queues in their order. Two engines that applied the same events agree.
 */
#include "engine/durable_int.h"

#include "base/hash.h"

static void
check_task(const struct eng_run *run, struct eng_task *task)
{
	const struct eng_node *node = &run->version->nodes[task->index];
	const struct eng_task_definition *definition = &run->version->definitions[task->index];
	bool assigned = task->state == ENG_TASK_ASSIGNED;
	bool queued = task->state == ENG_TASK_QUEUED;
	froe_assert((task->place == ENG_PLACE_QUEUE) == queued); /* 1 */
	froe_assert((task->place == ENG_PLACE_LEASE) == assigned);
	froe_assert(!queued || task->item.queue == &node->queue->fair);
	froe_assert(!assigned || list_linked(&task->held.link));
	bool armed = wheel_active(&task_work(task)->timer.timer); /* 2 */
	if (assigned || task->state == ENG_TASK_DELAYED)
		froe_assert(armed);
	else if (!queued)
		froe_assert(!armed);
	else
		froe_assert(armed == (definition->schedule_timeout_ms != 0));
	uint32_t pending = 0; /* 5 */
	for (uint16_t i = 0; i < node->parent_count; i++)
		pending += task_closed(&run->tasks[node->parents[i]]) ? 0 : 1;
	froe_assert(task->pending == pending);
	froe_assert(task->state != ENG_TASK_SETTLING); /* 6 */
	if (task->place == ENG_PLACE_LAPSE) /* 12 */
		froe_assert(task_may_lapse(task) && task->lapse.worker != 0);
	if (task->released || task->dropped || task->begun)
		froe_assert(assigned);
	const struct eng_work *work = task_work(task); /* 12 */
	froe_assert((task->work != NULL) == (armed || work->durable != NULL));
	froe_assert(task->work == NULL || work->task == task);
	froe_assert(assigned || work->streamed == 0);
}

/* Counts the leases of one list, and takes what they use out of `left`. */
static uint32_t
check_leases(const struct eng_worker *worker, struct list *leases, struct fair_slots *left,
    uint32_t *ret_released)
{
	struct list *at;
	uint32_t count = 0;
	list_for_each(at, leases) {
		struct eng_task *task = container_of(at, struct eng_task, held.link);
		const struct fair_need *need = &task_node(task)->queue->fair.demand->need;
		froe_assert(task_worker(task) == worker);
		froe_assert(task->dropped == (leases == &worker->dropped));
		count++;
		*ret_released += task->released ? 1 : 0;
		for (uint32_t i = 0; i < need->count && !task->released; i++) {
			struct fair_slots *of = need_slots(left, worker->fair.type_count,
			    need->amounts[i].type);
			froe_assert(of != NULL && of->used >= need->amounts[i].count);
			of->used -= need->amounts[i].count;
		}
	}
	return count;
}

static void
check_worker(const struct eng *eng, struct eng_worker *worker)
{
	struct fair_slots left[FAIR_WORKER_TYPES_MAX];
	uint32_t released = 0;
	memcpy(left, worker->fair.types, sizeof(left));
	uint32_t count = check_leases(worker, &worker->leases, left, &released);
	count += check_leases(worker, &worker->dropped, left, &released);
	for (uint32_t i = 0; i < worker->fair.type_count; i++)
		froe_assert(left[i].used == 0); /* 3 */
	froe_assert(count == worker->lease_count); /* 3 */
	froe_assert(released == worker->released_count); /* 3 */
	froe_assert(worker->fair.slots + released <= FROE_WORKER_SLOTS_MAX);
	froe_assert(worker->fair.enabled == (worker->attached && !worker->draining &&
	    !worker->paused && !worker->leaving));
	froe_assert(list_linked(&worker->leaving_link) == worker->leaving); /* 8 */
	froe_assert(list_linked(&worker->dropping_link) == !list_empty(&worker->dropped)); /* 8 */
	froe_assert((eng_worker_by_uuid(eng, worker->tenant->id, worker->uuid) == worker) !=
	    worker->leaving); /* 8 */
	froe_assert(eng_worker_get(eng, worker->id) == worker);
}

static void
check_workers(const struct eng *eng, struct eng_counts *counted)
{
	struct list *at;
	list_for_each(at, &eng->workers) {
		struct eng_worker *worker = container_of(at, struct eng_worker, link);
		check_worker(eng, worker);
		counted->workers++;
		counted->slots += worker->fair.slots;
	}
}

static void
check_relations(const struct eng *eng, const struct eng_run *run)
{
	struct list *at;
	uint32_t count = 0, counted = 0;
	const struct eng_ties *ties = run_ties(run);
	bool doomed = !uuid_is_nil(ties->doom) && run->cancel_reason == ENG_REASON_NONE;
	froe_assert(run->ties == NULL || run->ties->run == run);
	froe_assert(list_linked(&ties->doomed_link) == doomed); /* 11 */
	if (ties->child != NULL) /* 10 */
		froe_assert(ties->child->open && ties->child->run == run->key);
	if (ties->idempotency != NULL)
		froe_assert(ties->idempotency->open && ties->idempotency->run == run->key);
	for (uint32_t i = 0; i < run->version->task_count; i++)
		counted += run->tasks[i].child_count;
	if (ties->children == NULL) {
		froe_assert(counted == 0);
		return;
	}
	list_for_each(at, &ties->children->all) {
		const struct eng_child *child = container_of(at, struct eng_child, link);
		froe_assert(child_find(run, child->task, child->index, child->key) == child);
		if (child->open)
			froe_assert(eng_run_get(eng, child->run)->ties->child == child);
		count++;
	}
	froe_assert(count == counted);
}

static void
check_runs(const struct eng *eng, struct eng_counts *counted)
{
	struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		uint32_t open = 0;
		for (uint32_t i = 0; i < run->version->task_count; i++) {
			check_task(run, &run->tasks[i]);
			open += task_closed(&run->tasks[i]) ? 0 : 1;
			counted->tasks[run->tasks[i].state]++;
			counted->timers +=
			    wheel_active(&task_work(&run->tasks[i])->timer.timer) ? 1 : 0;
			durable_check(run, &run->tasks[i], counted);
		}
		froe_assert(run->open == open); /* 4 */
		froe_assert((open > 0) != run_unbound(run)); /* 9 */
		bool timed = run_due_ns(run) != 0;
		froe_assert(timed || !run_unbound(run));
		froe_assert(wheel_active(&run_ties(run)->timer.timer) == timed);
		check_relations(eng, run);
		froe_assert(numtable_get(&eng->runs_by_key, run->key) == run);
		froe_assert(eng_run_by_id(eng, run->id) == run);
		counted->runs++;
		counted->runs_open[run->status]++;
		counted->timers += timed ? 1 : 0;
	}
}

static void
check_pause(const struct eng_workflow *workflow)
{
	froe_assert(!workflow->paused || !workflow->deleted);
	froe_assert(workflow->paused || workflow->drops == 0);
	for (const struct eng_queue *queue = workflow->queues; queue != NULL; queue = queue->next)
		froe_assert(queue->fair.held == workflow->paused);
}

static void
check_workflows(const struct eng *eng) /* 7 */
{
	struct list *at;
	uint64_t *runs = mem_array(eng->workflow_count + 1, sizeof(*runs));
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL)
		runs[run->version->workflow->id - 1]++;
	for (uint32_t i = 0; i < eng->workflow_count; i++) {
		check_pause(eng->workflows[i]); /* 12 */
		froe_assert(eng->workflows[i]->runs == runs[i]);
	}
	mem_free(runs);
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		const struct eng_tenant *tenant = eng->tenants[i];
		uint32_t approvals = 0;
		list_for_each(at, &tenant->approvals)
			approvals++;
		froe_assert(tenant->approval_count == approvals);
	}
}

static void
check_tokens(const struct eng *eng) /* 9 */
{
	struct list *at;
	uint64_t count = 0;
	list_for_each(at, &eng->tokens) {
		const struct eng_token *token = container_of(at, struct eng_token, link);
		froe_assert(map_get_u64(&eng->tokens_by_kid, token->view.kid) == token);
		count++;
	}
	froe_assert(count == eng->tokens_by_kid.count);
	froe_assert(count == eng->counts.tokens);
}

void
eng_check(const struct eng *eng)
{
	struct eng_counts counted = {0};
	check_workers(eng, &counted);
	froe_assert(eng->worker_recent == NULL ||
	    map_get_u64(&eng->workers_by_id, eng->worker_recent->id) == eng->worker_recent);
	froe_assert(eng->recent == NULL ||
	    numtable_get(&eng->runs_by_key, eng->recent->key) == eng->recent);
	check_runs(eng, &counted);
	check_tokens(eng);
	rates_check(eng);
	check_workflows(eng);
	jobs_check(eng);
	froe_assert(counted.workers == eng->counts.workers); /* 7 */
	froe_assert(counted.slots == eng->counts.slots);
	froe_assert(counted.runs == eng->counts.runs);
	froe_assert(memcmp(counted.runs_open, eng->counts.runs_open, sizeof(counted.runs_open)) ==
	    0);
	froe_assert(memcmp(counted.tasks, eng->counts.tasks, sizeof(counted.tasks)) == 0);
	froe_assert(counted.timers ==
	    eng->wheels[ENG_UPTIME].count + eng->wheels[ENG_WALL].count);
	froe_assert(eng->closed_count == eng->closed.count);
	froe_assert(counted.approvals == eng->counts.approvals);
	froe_assert(counted.nodes == eng->counts.nodes);
	wheel_check(&eng->wheels[ENG_UPTIME]);
	wheel_check(&eng->wheels[ENG_WALL]);
	fair_check(&eng->fair);
}

struct digest {
	uint64_t value;
};

static void
digest_word(struct digest *digest, uint64_t word)
{
	uint64_t words[2] = {digest->value, word};
	digest->value = hash64(words, sizeof(words), 0);
}

static void
digest_bytes(struct digest *digest, struct bytes bytes)
{
	digest_word(digest, bytes.size);
	digest_word(digest, hash64(bytes.data, bytes.size, 0));
}

static void
digest_uuid(struct digest *digest, struct uuid id)
{
	digest_bytes(digest, bytes_of(id.bytes, sizeof(id.bytes)));
}

/* What a run has to do with others. */
static void
digest_relations(struct digest *digest, const struct eng_run *run)
{
	struct list *at;
	const struct eng_ties *ties = run_ties(run);
	digest_word(digest, ties->start_ns);
	digest_uuid(digest, ties->parent);
	digest_uuid(digest, ties->doom);
	digest_word(digest, (uint64_t)(ties->child != NULL) << 1 | (ties->idempotency != NULL));
	if (ties->idempotency != NULL)
		digest_bytes(digest, ties->idempotency->named.name);
	if (ties->children == NULL)
		return;
	list_for_each(at, &ties->children->all) {
		const struct eng_child *child = container_of(at, struct eng_child, link);
		digest_word(digest, (uint64_t)child->task << 32 | child->index);
		digest_bytes(digest, child->key);
		digest_uuid(digest, child->id);
		digest_word(digest, child->run);
		digest_word(digest, (uint64_t)child->open << 8 | child->status);
	}
}

static void
digest_idems(struct digest *digest, const struct eng_tenant *tenant)
{
	digest_word(digest, tenant->idem_count);
	for (size_t i = 0; i < tenant->idems_due.count; i++) {
		const struct eng_idem *key =
		    container_of(tenant->idems_due.nodes[i], struct eng_idem, due);
		digest_bytes(digest, key->named.name);
		digest_uuid(digest, key->id);
		digest_word(digest, key->run);
		digest_word(digest, key->until_ns);
		digest_word(digest, (uint64_t)key->open << 8 | key->status);
	}
}

static void
digest_jobs(struct digest *digest, const struct eng_tenant *tenant)
{
	struct list *at;
	list_for_each(at, &tenant->jobs)
		digest_word(digest, job_hash(container_of(at, struct eng_job, link)));
	list_for_each(at, &tenant->jobs_ended)
		digest_word(digest, container_of(at, struct eng_job, ended_link)->view.number);
}

static void
digest_run(struct digest *digest, const struct eng_run *run)
{
	digest_word(digest, run->key);
	digest_uuid(digest, run->id);
	digest_word(digest, run->version->workflow->id);
	digest_word(digest, run->version->number);
	digest_word(digest, run->created_ns);
	digest_word(digest, run_ties(run)->deadline_ns);
	digest_word(digest, (uint64_t)run_ties(run)->chunks << 32 | run->event_count);
	digest_word(digest, run_input(run));
	digest_word(digest, (uint64_t)run->priority << 32 | run->open);
	digest_word(digest, (uint64_t)run->status << 32 | run->cancel_reason);
	digest_relations(digest, run);
	const uint8_t *text = run_texts(run);
	for (uint32_t i = 0; i < run_text_count(run); i++)
		digest_bytes(digest, metadata_next(&text));
	for (uint32_t i = 0; i < run->version->task_count; i++) {
		const struct eng_task *task = &run->tasks[i];
		digest_word(digest, (uint64_t)task->state << 32 | task->pending);
		digest_word(digest, (uint64_t)task->lease << 32 | task->attempt);
		digest_word(digest, (uint64_t)task->failures << 32 | task->losses);
		digest_word(digest, (uint64_t)task_output(task) << 32 | task_error(task));
		digest_word(digest, task_worker(task) != NULL ? task->held.worker->id : 0);
		digest_word(digest, task_lapsing(task));
		digest_word(digest, task_lapsing(task) != 0 ? task->lapse.until_ns : 0);
		digest_word(digest, (uint64_t)task->begun << 2 | (uint64_t)task->released << 1 |
		    (uint64_t)task->dropped);
		digest_word(digest, task->queued_ns);
		digest_word(digest, task_work(task)->streamed);
		const struct timer *timer = &task_work(task)->timer.timer;
		digest_word(digest, wheel_active(timer) ? timer->deadline_ns : 0);
		digest_word(digest, durable_hash(task));
	}
}

static void
digest_leases(struct digest *digest, struct list *leases)
{
	struct list *at;
	list_for_each(at, leases) {
		struct eng_task *task = container_of(at, struct eng_task, held.link);
		digest_word(digest, task_run(task)->key);
		digest_word(digest, task->index);
	}
	digest_word(digest, 0);
}

static void
digest_need(struct digest *digest, const struct eng_tenant *tenant, const struct fair_need *need)
{
	uint64_t sum = 0; /* the order of types is that of their numbers: it means nothing */
	for (uint32_t i = 0; i < need->count; i++) {
		struct digest one = {0};
		digest_bytes(&one, slot_type_name(tenant, need->amounts[i].type));
		digest_word(&one, need->amounts[i].count);
		sum += one.value;
	}
	digest_word(digest, sum);
}

static void
digest_worker(struct digest *digest, struct eng_worker *worker)
{
	digest_word(digest, worker->id);
	digest_uuid(digest, worker->uuid);
	digest_bytes(digest, worker->name);
	digest_word(digest, worker->incarnation);
	digest_word(digest, worker->registered_ns);
	digest_word(digest, worker->lapse_ns);
	for (uint32_t i = 0; i < worker->fair.type_count; i++) {
		const struct fair_slots *slots = &worker->fair.types[i];
		digest_bytes(digest, slot_type_name(worker->tenant, slots->type));
		digest_word(digest, (uint64_t)slots->slots << 32 | slots->used);
	}
	if (worker->fair.kept != NULL)
		digest_need(digest, worker->tenant, fair_worker_kept(&worker->fair));
	digest_word(digest, (uint64_t)worker->paused << 3 | (uint64_t)worker->attached << 2 |
	        (uint64_t)worker->draining << 1 | (uint64_t)worker->leaving);
	digest_word(digest, (uint64_t)worker->leaving_reason << 32 | worker->tenant->id);
	digest_word(digest, worker->fair.stamp);
	for (uint32_t i = 0; i < worker->action_count; i++)
		digest_bytes(digest, worker->actions[i]->named.name);
	digest_leases(digest, &worker->leases);
	digest_leases(digest, &worker->dropped);
}

static void
digest_queues(struct digest *digest, const struct eng_workflow *workflow)
{
	struct list *at;
	for (const struct eng_queue *queue = workflow->queues; queue != NULL; queue = queue->next) {
		digest_bytes(digest, queue->action->named.name);
		digest_need(digest, workflow->tenant, &queue->fair.demand->need);
		digest_word(digest, queue->fair.turn);
		digest_word(digest, (uint64_t)queue->fair.deficit);
		for (int priority = 0; priority < FAIR_PRIORITIES; priority++) {
			list_for_each(at, &queue->fair.items[priority]) {
				struct eng_task *task = task_of_item(
				    container_of(at, struct fair_item, link));
				digest_word(digest, task_run(task)->key);
				digest_word(digest, task->index);
			}
		}
	}
}

static void
digest_token(struct digest *digest, const struct eng_token_view *token)
{
	digest_word(digest, token->kid);
	digest_bytes(digest, token->digest);
	digest_bytes(digest, token->name);
	digest_bytes(digest, token->scope);
	digest_bytes(digest, token->actor);
	digest_word(digest, (uint64_t)token->roles << 32 | token->action_count);
	for (uint32_t i = 0; i < token->action_count; i++)
		digest_bytes(digest, token->actions[i]);
	digest_word(digest, token->created_ns);
	digest_word(digest, token->expires_ns);
}

static void
digest_rates(struct digest *digest, const struct eng_tenant *tenant)
{
	for (uint32_t i = 0; i < tenant->rate_count; i++) {
		const struct eng_rate *rate = tenant->rates[i];
		digest_bytes(digest, rate->named.name);
		digest_word(digest, (uint64_t)rate->limit << 32 | rate->window);
		digest_word(digest, rate->put_ns);
	}
}

/* A record of a run leaves a node at most; a definition is about as long as a hundred small things.
 */
bool
eng_small(const struct eng *eng, uint64_t limit)
{
	const struct eng_run *run;
	uint64_t size = eng->closed_count + eng->counts.workers + eng->counts.tokens +
	    eng->counts.rates +
	    eng->counts.deliveries + eng->counts.runs + eng->counts.jobs * UINT64_C(20) +
	    eng->workflow_count * UINT64_C(100);
	for (uint32_t i = 0; i < eng->tenant_count && size <= limit; i++)
		size += eng->tenants[i]->idem_count + eng->tenants[i]->keys.capacity;
	if (size > limit)
		return false;
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while (size <= limit && (run = numtable_walk_next(&walk)) != NULL)
		size += run->event_count + run->version->task_count;
	numtable_walk_end(&walk);
	return size <= limit;
}

uint64_t
eng_digest(const struct eng *eng)
{
	const uint64_t words[] = {eng->epoch, eng->downtime_ns, eng->run_last, eng->worker_last,
	    eng->fair.turns, eng->fair.stamps, eng->closed_count, eng->tenant_count,
	    eng->workflow_count, eng->wheels[ENG_UPTIME].count, eng->wheels[ENG_WALL].count,
	    hash64(&eng->counts, sizeof(eng->counts), 0)};
	return hash64(words, sizeof(words), 0);
}

uint64_t
eng_hash(const struct eng *eng)
{
	struct digest digest = {0};
	struct list *at;
	digest_word(&digest, eng->epoch);
	digest_word(&digest, eng->started_ns);
	digest_word(&digest, eng->downtime_ns);
	digest_word(&digest, eng->run_last);
	digest_word(&digest, eng->worker_last);
	digest_word(&digest, eng->job_last);
	digest_word(&digest, eng->fair.turns);
	digest_word(&digest, eng->fair.stamps);
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		digest_bytes(&digest, eng->tenants[i]->named.name);
		digest_word(&digest, eng->tenants[i]->fair.turns);
		digest_word(&digest, eng->tenants[i]->fair.turn);
		digest_word(&digest, (uint64_t)eng->tenants[i]->fair.deficit);
		digest_idems(&digest, eng->tenants[i]);
		digest_jobs(&digest, eng->tenants[i]);
		digest_rates(&digest, eng->tenants[i]);
	}
	for (uint32_t i = 0; i < eng->workflow_count; i++) {
		const struct eng_workflow *workflow = eng->workflows[i];
		digest_bytes(&digest, workflow->named.name);
		digest_word(&digest, workflow->version_count);
		digest_bytes(&digest, workflow->versions[workflow->version_count - 1]->encoded);
		digest_word(&digest, workflow->versions[0]->put_ns);
		digest_word(&digest, workflow->versions[workflow->version_count - 1]->put_ns);
		digest_word(&digest, (uint64_t)workflow->drops << 2 |
		    (uint64_t)workflow->deleted << 1 | workflow->paused);
		digest_queues(&digest, workflow);
	}
	list_for_each(at, &eng->workers)
		digest_worker(&digest, container_of(at, struct eng_worker, link));
	list_for_each(at, &eng->left_order) {
		const struct eng_left *left = container_of(at, struct eng_left, link);
		digest_word(&digest, left->worker);
		digest_bytes(&digest, left->name);
	}
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL)
		digest_run(&digest, run);
	list_for_each(at, &eng->doomed)
		digest_word(&digest, container_of(at, struct eng_ties, doomed_link)->run->key);
	list_for_each(at, &eng->closed_order) {
		const struct eng_closed *closed = container_of(at, struct eng_closed, link);
		digest_uuid(&digest, closed->id);
		digest_word(&digest, closed->closed_ns);
		digest_word(&digest, closed->key);
		digest_word(&digest, (uint64_t)closed->tenant << 32 | closed->status);
		digest_word(&digest, (uint64_t)closed->tasks << 32 | closed->records);
	}
	digest_word(&digest, durable_keys_hash(eng));
	list_for_each(at, &eng->tokens)
		digest_token(&digest, &container_of(at, struct eng_token, link)->view);
	return digest.value;
}
