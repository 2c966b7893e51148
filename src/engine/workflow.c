/*
 * engine/workflow: a workflow is paused, resumed, deleted.
 *
 * Of a paused workflow nothing is assigned: its queues are held (sched/fair.h), and keep what they
 * have and get. What is assigned goes on, and runs are accepted. A deleted one is not known any
 * more: no run of it is started. Its number, its versions and its open runs stay, which end as they
 * would; the next definition of this name is its next version, and brings it back.
 */
#include "engine/apply_int.h"
#include "engine/save_int.h"

static void
workflow_hold(struct eng_workflow *workflow, bool paused, uint32_t drops)
{
	workflow->paused = paused;
	workflow->drops = paused ? (uint8_t)drops : 0;
	for (struct eng_queue *queue = workflow->queues; queue != NULL; queue = queue->next)
		fair_queue_hold(&queue->fair, paused);
}

static struct eng_workflow *
event_workflow(const struct apply *apply)
{
	const struct eng *eng = apply->eng;
	uint32_t id = apply->event->workflow;
	struct eng_workflow *workflow =
	    id > 0 && id <= eng->workflow_count ? eng->workflows[id - 1] : NULL;
	bool known = workflow != NULL && workflow->tenant->id == apply->event->tenant &&
	    workflow->version_count > 0 && !workflow->deleted;
	return known ? workflow : NULL;
}

enum froe_err
apply_workflow_paused(struct apply *apply)
{
	struct eng_workflow *workflow = event_workflow(apply);
	uint32_t drops = apply->event->kind;
	if (workflow == NULL || (drops & ~(uint32_t)ENG_DROPS_ALL) != 0)
		return misfit(apply, "no such workflow, or no such pause");
	if (workflow->paused && workflow->drops == drops)
		return misfit(apply, "the workflow is paused so already");
	workflow_hold(workflow, /* paused= */ true, drops);
	return FROE_OK;
}

enum froe_err
apply_workflow_resumed(struct apply *apply)
{
	struct eng_workflow *workflow = event_workflow(apply);
	if (workflow == NULL || !workflow->paused)
		return misfit(apply, "no such workflow is paused");
	workflow_hold(workflow, /* paused= */ false, 0);
	return FROE_OK;
}

enum froe_err
apply_workflow_deleted(struct apply *apply)
{
	struct eng_workflow *workflow = event_workflow(apply);
	if (workflow == NULL)
		return misfit(apply, "no such workflow");
	workflow_hold(workflow, /* paused= */ false, 0);
	workflow->deleted = true;
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------- commands */

static void
workflow_event(struct eng_turn *turn, const struct eng_workflow *workflow,
    enum eng_event_type type, uint32_t drops)
{
	struct eng_event event = {
	    .type = type,
	    .tenant = workflow->tenant->id,
	    .workflow = workflow->id,
	    .kind = drops,
	    .text = turn->command->workflow_set.reason,
	    .actor = turn->command->actor,
	};
	emit(turn, &event);
}

void
decide_workflow_set(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct bytes name = command->workflow_set.name;
	uint32_t drops = command->workflow_set.drops & ENG_DROPS_ALL;
	const struct eng_workflow *workflow = workflow_known(command_tenant(turn), name);
	if (workflow == NULL) {
		reply_fault(turn, FROE_NOT_FOUND, "workflow", "no workflow has this name");
		return;
	}
	uint32_t change = command->workflow_set.change;
	if (change == ENG_WORKFLOW_DELETE)
		workflow_event(turn, workflow, ENG_EV_WORKFLOW_DELETED, 0);
	else if (change == ENG_WORKFLOW_RESUME && workflow->paused)
		workflow_event(turn, workflow, ENG_EV_WORKFLOW_RESUMED, 0);
	else if (change == ENG_WORKFLOW_PAUSE && (!workflow->paused || workflow->drops != drops))
		workflow_event(turn, workflow, ENG_EV_WORKFLOW_PAUSED, drops);
	reply_ok(turn);
}

/* --------------------------------------------------------------------------------------- saved */

uint64_t
workflow_states(const struct eng *eng)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < eng->workflow_count; i++)
		count += eng->workflows[i]->paused || eng->workflows[i]->deleted;
	return count;
}

void
save_workflow_state(struct save *save, const struct eng_workflow *workflow)
{
	struct eng_event event = {
	    .type = workflow->deleted ? ENG_EV_WORKFLOW_DELETED : ENG_EV_WORKFLOW_PAUSED,
	    .tenant = workflow->tenant->id,
	    .workflow = workflow->id,
	    .kind = workflow->drops,
	};
	if (workflow->deleted || workflow->paused)
		save_event(save, &event);
}
