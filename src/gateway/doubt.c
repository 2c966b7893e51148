/*
 * What an SDK does when it gets a task: it says STARTED, beside the handler, and says it again
 * until it is answered, which it is when that is on disk. The pauses in between double (0.1 s,
 * 0.2 s, ... for TypeScript, up to 10 s for Python, with up to 1 s of dice), so the next time comes
 * no later than as long after the worker is back as it was away, and a little. Silence until then:
 * the task never came. But TypeScript gives up after 12.7 s: whose worker was away for longer may
 * have begun, for all we know.
 */
#include "gateway/doubt.h"

/* The longest pause, and what the dice add to each, and a message takes. */
#define PAUSE_NS_MAX UINT64_C(10000000000)
#define SLACK_NS UINT64_C(1500000000)

static uint64_t
least(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

uint64_t
doubt_away_unknown_ns(const struct gateway *gateway)
{
	return least(PAUSE_NS_MAX, gateway->begun_wait_ns);
}

static bool
doubtful(const struct guest *worker)
{
	struct list *at;
	list_for_each(at, &worker->leases) {
		if (container_of(at, struct lease, link)->doubt)
			return true;
	}
	return false;
}

void
doubt_begin(struct gateway *gateway, struct guest *worker, uint64_t away_ns)
{
	struct list *at;
	bool told = away_ns > gateway->begun_wait_ns;
	list_for_each(at, &worker->leases) {
		struct lease *lease = container_of(at, struct lease, link);
		lease->doubt = !lease->started && !told;
		lease->started = lease->started || told;
	}
	if (!doubtful(worker))
		return;
	worker->judged_ns = gateway_now_ns(gateway) +
	    least(least(away_ns, PAUSE_NS_MAX) + SLACK_NS, gateway->begun_wait_ns);
	list_push(&gateway->doubts, &worker->doubt);
}

void
doubt_end(struct guest *worker)
{
	list_remove(&worker->doubt);
}

static void
doubt_judge(struct guest *worker)
{
	struct list *at;
	list_for_each(at, &worker->leases) {
		struct lease *lease = container_of(at, struct lease, link);
		if (lease->doubt && !lease->started)
			listener_return(worker->listener, lease);
		lease->doubt = false;
	}
}

void
doubt_turn(struct gateway *gateway, uint64_t now_ns)
{
	struct list *at, *next;
	for (at = gateway->doubts.next; at != &gateway->doubts; at = next) {
		struct guest *worker = container_of(at, struct guest, doubt);
		next = at->next;
		if (worker->judged_ns > now_ns)
			continue;
		doubt_end(worker);
		doubt_judge(worker);
	}
}

uint64_t
doubt_due_ns(const struct gateway *gateway)
{
	uint64_t due_ns = UINT64_MAX;
	struct list *at;
	list_for_each(at, &gateway->doubts) {
		uint64_t judged_ns = container_of(at, struct guest, doubt)->judged_ns;
		due_ns = judged_ns < due_ns ? judged_ns : due_ns;
	}
	return due_ns;
}
