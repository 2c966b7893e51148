#include "log/decision_int.h"

#include "log/log.h"

struct decision_rule {
	bool (*applies)(const struct situation *situation);
	struct decision decision;
};

static bool
is_acknowledged(const struct situation *situation)
{
	return situation->expected <= situation->evidence;
}

static bool
is_too_far(const struct situation *situation)
{
	return situation->later_max >= situation->expected + LOG_INFLIGHT_MAX;
}

static bool
is_clean_end(const struct situation *situation)
{
	return situation->state == TAIL_ZERO && !situation->written_after;
}

static bool
is_reordered(const struct situation *situation)
{
	return situation->state == TAIL_ZERO;
}

static bool
is_torn(const struct situation *situation)
{
	return situation->state == TAIL_TORN;
}

static bool
is_torn_header(const struct situation *situation)
{
	return situation->state == TAIL_TORN_HEADER;
}

static bool
is_stale(const struct situation *situation)
{
	return situation->state == TAIL_STALE;
}

static bool
is_broken_chain(const struct situation *situation)
{
	return situation->state == TAIL_BROKEN;
}

static bool
is_rot(const struct situation *situation)
{
	return situation->state == TAIL_ROT;
}

/* The first row that applies decides. */
static const struct decision_rule decision_table[] = {
    {is_acknowledged,
        {"acknowledged", "durable data is damaged or missing", DECISION_REFUSE}},
    {is_too_far,
        {"too-far", "frames follow that were not started before this one was durable",
            DECISION_REFUSE}},
    {is_clean_end, {"clean-end", "the log ends here", DECISION_START}},
    {is_torn, {"torn", "the last write was torn", DECISION_CUT}},
    {is_torn_header, {"torn-header", "the last write was torn in its header", DECISION_CUT}},
    {is_reordered,
        {"reordered", "later writes had begun, this one had not", DECISION_CUT}},
    {is_stale, {"stale", "a frame of an older epoch or of another place", DECISION_CUT}},
    {is_broken_chain,
        {"broken-chain", "a whole frame that does not follow the one before", DECISION_REFUSE}},
    {is_rot,
        {"rot", "bytes were altered, which a torn write cannot do",
            DECISION_REFUSE_UNLESS_ACCEPTED}},
};

const struct decision *
decision_find(const struct situation *situation)
{
	for (size_t i = 0; i < sizeof(decision_table) / sizeof(decision_table[0]); i++) {
		if (decision_table[i].applies(situation))
			return &decision_table[i].decision;
	}
	froe_never("the rows cover every state");
}
