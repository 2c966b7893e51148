/*
 * engine/apply_run: a run comes into being; a scheduled one gets its version; one closes, and what
 * its children and its key make of that.
 */
#include "engine/apply_int.h"

static void
run_init_tasks(struct eng *eng, struct eng_run *run)
{
	for (uint16_t i = 0; i < run->version->task_count; i++) {
		run->tasks[i].index = i;
		run->tasks[i].pending = run->version->nodes[i].parent_count;
	}
	run->open = (uint16_t)run->version->task_count;
	eng->counts.tasks[ENG_TASK_WAITING] += run->open;
}

/* The version that it starts with: the one without tasks while it is scheduled. */
static enum froe_err
find_version(const struct apply *apply, struct eng_version **ret_version)
{
	const struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	struct eng_tenant *tenant = eng_tenant_get(eng, event->tenant);
	if (tenant == NULL || event->workflow == 0 || event->workflow > eng->workflow_count)
		return misfit(apply, "no such tenant or workflow");
	struct eng_workflow *workflow = eng->workflows[event->workflow - 1];
	if (event->version > workflow->version_count || workflow->tenant != tenant ||
	    (event->version == 0) != (event->start_ns != 0))
		return misfit(apply, "no such version");
	if (event->priority > FROE_PRIORITY_MAX ||
	    (event->priority < FROE_PRIORITY_MIN && event->version != 0))
		return misfit(apply, "its priority is none");
	if (event->version == 0 && event->deadline_ns != 0 && event->deadline_ns < event->start_ns)
		return misfit(apply, "its deadline is before its time");
	*ret_version = event->version != 0 ? workflow->versions[event->version - 1]
	                                   : workflow->unbound;
	return FROE_OK;
}

static bool
id_used(const struct eng *eng, struct uuid id)
{
	return eng_run_by_id(eng, id) != NULL || keyset_get_uuid(&eng->closed, id) != NULL;
}

static enum froe_err
check_identity(const struct apply *apply)
{
	const struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	if (event->run != eng->run_last + 1 || event->run_event_no != 1)
		return misfit(apply, "not the next run");
	if (apply->decided) { /* decide_start.c: check_new(), and run_enter() below */
		froe_assert_slow(!id_used(eng, event->id));
		return FROE_OK;
	}
	if (id_used(eng, event->id))
		return misfit(apply, "its id is in use");
	const struct eng_idem *key = event->key.size != 0
	    ? idem_find(eng_tenant_get(eng, event->tenant), event->key)
	    : NULL;
	if (event->key.size > FROE_NAME_BYTES_MAX ||
	    (key != NULL && idem_valid(key, event->time_ns)))
		return misfit(apply, "its idempotency key is in use, or none");
	const char *fault = metadata_fault(event->metadata, event->metadata_count);
	return fault != NULL ? misfit(apply, fault) : FROE_OK;
}

/* The task that starts it; NULL: it has no parent. */
static enum froe_err
find_parent(const struct apply *apply, struct eng_task **ret_task)
{
	const struct eng_event *event = apply->event;
	uint32_t number;
	*ret_task = NULL;
	if (uuid_is_nil(event->parent))
		return FROE_OK;
	struct eng_run *run = eng_run_by_id(apply->eng, uuid_run_of(event->parent, &number));
	if (run == NULL || run_tenant(run)->id != event->tenant || number == 0 ||
	    number > run->version->task_count || event->child_key.size > FROE_NAME_BYTES_MAX)
		return misfit(apply, "no such parent");
	if (child_find(run, number - 1, event->child_index, event->child_key) != NULL ||
	    run->tasks[number - 1].child_count == FROE_TASK_CHILDREN_MAX)
		return misfit(apply, "its parent has this child already, or too many");
	*ret_task = &run->tasks[number - 1];
	return FROE_OK;
}

static void
run_link_parent(struct eng *eng, struct eng_run *run, struct eng_task *parent,
    const struct eng_event *event)
{
	if (parent == NULL)
		return;
	struct eng_child *child = child_add(
	    eng, task_run(parent), parent->index, event->child_index, event->child_key);
	child->id = run->id;
	child->run = run->key;
	child->open = true;
	ties_require(eng, run)->parent = event->parent;
	run->ties->child = child;
}

static void
run_link_key(struct eng *eng, struct eng_run *run, const struct eng_event *event)
{
	idems_forget(eng, run_tenant(run), event->time_ns);
	if (event->key.size == 0)
		return;
	struct eng_idem *old = idem_find(run_tenant(run), event->key);
	if (old != NULL)
		idem_free(eng, old);
	struct eng_idem *key = idem_add(run_tenant(run), event->key, event->key_until_ns);
	key->id = run->id;
	key->run = run->key;
	key->open = true;
	ties_require(eng, run)->idempotency = key;
}

/* Its deadline; or, while it is scheduled, its time. */
static void
run_arm(struct eng *eng, struct eng_run *run)
{
	uint64_t due_ns = run_due_ns(run);
	if (due_ns != 0)
		timer_arm(eng, ENG_WALL, &run->ties->timer, due_ns);
}

struct eng_run *
run_new(struct eng *eng, const struct eng_event *event, struct eng_version *version)
{
	struct eng_run *run = run_alloc(eng, version);
	run->key = event->run;
	run->id = event->id;
	run->version = version;
	run->priority = event->priority & 0xfu;
	run->created_ns = event->time_ns;
	run->event_count = 1;
	run_keep_metadata(eng, run, event->metadata, event->metadata_count);
	run->status = ENG_QUEUED;
	if (event->start_ns != 0 || event->deadline_ns != 0) {
		ties_require(eng, run)->start_ns = event->start_ns;
		run->ties->deadline_ns = event->deadline_ns;
	}
	return run;
}

/* From here on it is an open run. */
void
run_enter(struct eng *eng, struct eng_run *run)
{
	froe_assert(numtable_add(&eng->runs_by_key, run->key, run));
	keyset_add_new(&eng->runs_by_id, run);
	eng->recent = run;
	eng->counts.runs++;
	run->version->workflow->runs++;
	eng->counts.runs_open[run->status]++;
	run_arm(eng, run);
}

enum froe_err
apply_run_started(struct apply *apply)
{
	struct eng *eng = apply->eng;
	struct eng_version *version = NULL;
	struct eng_task *parent = NULL;
	enum froe_err err = find_version(apply, &version);
	if (err == FROE_OK)
		err = check_identity(apply);
	if (err == FROE_OK)
		err = find_parent(apply, &parent);
	if (err != FROE_OK)
		return err;
	struct eng_run *run = run_new(eng, apply->event, version);
	run_init_tasks(eng, run);
	run_enter(eng, run);
	eng->run_last = run->key;
	eng->counts.runs_started++;
	run_link_parent(eng, run, parent, apply->event);
	run_link_key(eng, run, apply->event);
	return FROE_OK;
}

/* The same run with room for its tasks. Nothing points into an unbound one but what is mended
 * here. */
static struct eng_run *
run_bind(struct eng *eng, struct eng_run *unbound, struct eng_version *version)
{
	struct eng_run *run = run_alloc(eng, version);
	*run = *unbound;
	run->version = version;
	run->ties->run = run;
	numtable_replace(&eng->runs_by_key, run->key, run);
	keyset_put(&eng->runs_by_id, run);
	eng->recent = run;
	stock_free(&eng->stock, unbound, sizeof(*unbound));
	return run;
}

enum froe_err
apply_run_due(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	struct eng_run *run;
	enum froe_err err = find_run(apply, &run);
	if (err != FROE_OK)
		return err;
	if (!run_unbound(run) || run->cancel_reason != ENG_REASON_NONE)
		return misfit(apply, "it does not wait for its time");
	const struct eng_workflow *workflow = run->version->workflow;
	if (event->version == 0 || event->version > workflow->version_count)
		return misfit(apply, "no such version");
	if (event->priority < FROE_PRIORITY_MIN || event->priority > FROE_PRIORITY_MAX)
		return misfit(apply, "its priority is none");
	run = run_bind(apply->eng, run, workflow->versions[event->version - 1]);
	run->event_count++;
	run->priority = event->priority & 0xfu;
	run->ties->deadline_ns = event->deadline_ns;
	run_init_tasks(apply->eng, run);
	wheel_remove(&apply->eng->wheels[ENG_WALL], &run->ties->timer.timer);
	run_arm(apply->eng, run);
	return FROE_OK;
}

/* The run is over. Children of one that was cancelled with its descendants are next. */
void
run_leave(struct eng *eng, struct eng_run *run, uint32_t status)
{
	struct list *at;
	const struct eng_ties *ties = run_ties(run);
	if (ties->child != NULL) {
		ties->child->open = false;
		ties->child->status = (uint8_t)status;
	}
	if (ties->idempotency != NULL)
		idem_run_closed(eng, ties->idempotency, (uint8_t)status);
	if (ties->children == NULL || uuid_is_nil(ties->doom))
		return;
	list_for_each(at, &ties->children->all) {
		const struct eng_child *child = container_of(at, struct eng_child, link);
		struct eng_run *to = child->open ? eng_run_get(eng, child->run) : NULL;
		if (to == NULL || !uuid_is_nil(run_ties(to)->doom) ||
		    to->cancel_reason != ENG_REASON_NONE)
			continue;
		ties_require(eng, to)->doom = ties->doom;
		list_push(&eng->doomed, &to->ties->doomed_link);
	}
}
