#include "sched/need.h"

#include "base/fault.h"

#include <string.h>

static void
need_add(struct fair_need *need, struct fair_amount amount)
{
	uint32_t at = 0;
	while (at < need->count && need->amounts[at].type < amount.type)
		at++;
	if (at < need->count && need->amounts[at].type == amount.type) {
		need->amounts[at].count += amount.count;
		return;
	}
	froe_assert(need->count < FAIR_NEED_TYPES_MAX);
	memmove(&need->amounts[at + 1], &need->amounts[at],
	    (need->count - at) * sizeof(need->amounts[0]));
	need->amounts[at] = amount;
	need->count++;
}

void
need_init(struct fair_need *need, const struct fair_amount *amounts, size_t count)
{
	memset(need, 0, sizeof(*need));
	for (size_t i = 0; i < count; i++) {
		if (amounts[i].count > 0)
			need_add(need, amounts[i]);
	}
	froe_assert(need->count > 0);
}

bool
need_equal(const struct fair_need *a, const struct fair_need *b)
{
	return a->count == b->count &&
	    memcmp(a->amounts, b->amounts, a->count * sizeof(a->amounts[0])) == 0;
}

bool
need_meets(const struct fair_need *a, const struct fair_need *b)
{
	for (uint32_t i = 0; i < a->count; i++) {
		for (uint32_t j = 0; j < b->count; j++) {
			if (a->amounts[i].type == b->amounts[j].type)
				return true;
		}
	}
	return false;
}
