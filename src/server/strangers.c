#include "server/strangers.h"

#include "base/duration.h"

#include <stdatomic.h>

#define KNOWN_NS (600 * NS_PER_S)

void
strangers_init(struct strangers *strangers, const struct strangers_limits *limits)
{
	*strangers = (struct strangers){.limits = *limits, .addresses = limits->addresses};
	if (strangers->addresses == NULL)
		strangers->addresses = &strangers->own;
	map_init(&strangers->sources);
}

void
strangers_release(struct strangers *strangers)
{
	map_release(&strangers->sources);
}

static uint32_t
source_count(const struct strangers *strangers, uint64_t source)
{
	return (uint32_t)(uintptr_t)map_get_u64(&strangers->sources, source);
}

static void
source_set(struct strangers *strangers, uint64_t source, uint32_t count)
{
	if (count == 0)
		map_remove_u64(&strangers->sources, source);
	else
		map_put_u64(&strangers->sources, source, (void *)(uintptr_t)count);
}

/* Was somebody from there known lately? */
static bool
source_known(const struct strangers *strangers, uint64_t source, uint64_t now_ns)
{
	const struct strangers_addresses *addresses = strangers->addresses;
	size_t row = source % STRANGERS_KNOWN;
	if (source == 0 || atomic_load_explicit(&addresses->rows[row].source,
			       memory_order_relaxed) != source)
		return false;
	return now_ns < KNOWN_NS +
		   atomic_load_explicit(&addresses->rows[row].seen_ns, memory_order_relaxed);
}

bool
strangers_admit(struct strangers *strangers, struct stranger *stranger, uint64_t source,
    uint32_t room, uint64_t now_ns)
{
	uint32_t per_source = strangers->limits.per_source;
	uint32_t count = source != 0 ? source_count(strangers, source) : 0;
	*stranger = (struct stranger){.source = source};
	if (per_source != 0 && count >= per_source)
		return false;
	if (room <= strangers->limits.reserved && !source_known(strangers, source, now_ns))
		return false;
	if (source != 0)
		source_set(strangers, source, count + 1);
	strangers->count++;
	stranger->counted = true;
	return true;
}

bool
strangers_hold(struct strangers *strangers, struct stranger *stranger, size_t bytes)
{
	if (!stranger->counted)
		return true;
	bool grown = bytes > stranger->bytes;
	strangers->bytes += bytes - stranger->bytes;
	stranger->bytes = bytes;
	return !grown || strangers->bytes <= strangers->limits.bytes;
}

void
strangers_gone(struct strangers *strangers, struct stranger *stranger)
{
	if (!stranger->counted)
		return;
	stranger->counted = false;
	strangers->count--;
	strangers->bytes -= stranger->bytes;
	if (stranger->source != 0)
		source_set(strangers, stranger->source,
		    source_count(strangers, stranger->source) - 1);
}

void
strangers_known(struct strangers *strangers, struct stranger *stranger, uint64_t now_ns)
{
	struct strangers_addresses *addresses = strangers->addresses;
	size_t row = stranger->source % STRANGERS_KNOWN;
	strangers_gone(strangers, stranger);
	if (stranger->source == 0)
		return;
	atomic_store_explicit(&addresses->rows[row].seen_ns, now_ns, memory_order_relaxed);
	atomic_store_explicit(
	    &addresses->rows[row].source, stranger->source, memory_order_relaxed);
}
