#include "sim/world/script.h"

unsigned
script_length(uint64_t seed)
{
	return (unsigned)((seed >> 7) % 5);
}

static void
condition_write(struct script_step *step, const struct plan *plan, struct dice *dice)
{
	struct eng_condition *condition = &step->conditions[step->condition_count];
	char *name = step->names[step->condition_count++];
	unsigned what = (unsigned)dice_below(dice, 3);
	*condition = (struct eng_condition){.kind = ENG_CONDITION_SLEEP};
	name[1] = (char)('0' + dice_below(dice, 3));
	name[2] = 0;
	if (what == 1 && plan_does(plan, KIND_EVENTS)) {
		condition->kind = ENG_CONDITION_EVENT;
		name[0] = 'e';
	} else if (what == 2 && plan_does(plan, KIND_APPROVALS)) {
		condition->kind = ENG_CONDITION_APPROVAL;
		condition->data = bytes_text("{\"look\":\"here\"}");
		name[0] = 'a';
	} else {
		condition->sleep_ms = 1 + dice_span_ns(dice, 20000);
		return;
	}
	condition->name = bytes_text(name);
}

void
script_write(struct script_step *step, const struct plan *plan, uint64_t seed, unsigned number,
    bool children)
{
	struct dice dice = {.state = seed * 31 + number};
	unsigned what = (unsigned)dice_below(&dice, 100);
	*step = (struct script_step){.kind = ENG_NODE_WAIT};
	if (what < 12 && children) {
		step->kind = ENG_NODE_CHILD;
	} else if (what < 45) {
		step->kind = ENG_NODE_MEMO;
		step->name[0] = 'm';
		step->name[1] = (char)('0' + number);
	} else {
		unsigned count = (unsigned)dice_range(&dice, 1, SCRIPT_CONDITIONS_MAX);
		for (unsigned i = 0; i < count; i++)
			condition_write(step, plan, &dice);
	}
}
