#include "base/failpoint.h"

#include "base/fault.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAILPOINT(name) #name,
static const char *const failpoint_names[FAILPOINTS] = {
#include "base/failpoint.def"
};
#undef FAILPOINT

/* What this thread is to die of. It cannot be passed: whoever comes by a place knows nothing of
 * tests. */
struct failpoint_order {
	bool read;
	enum failpoint point;
	uint64_t left; /* 0: it lives */
};

const char *
failpoint_name(enum failpoint point)
{
	return failpoint_names[point];
}

static void
failpoint_read(struct failpoint_order *order)
{
	const char *text = getenv("FROE_FAILPOINT");
	const char *colon = text != NULL ? strrchr(text, ':') : NULL;
	order->read = true;
	if (colon == NULL)
		return;
	size_t size = (size_t)(colon - text);
	for (unsigned i = 0; i < FAILPOINTS; i++) {
		if (strlen(failpoint_names[i]) != size ||
		    strncmp(failpoint_names[i], text, size) != 0)
			continue;
		order->point = (enum failpoint)i;
		order->left = strtoull(colon + 1, NULL, 10);
		return;
	}
	froe_fatal(FROE_EXIT_USAGE, "FROE_FAILPOINT=%s names no failpoint", text);
}

void
failpoint_pass(enum failpoint point)
{
	static _Thread_local struct failpoint_order order;
	if (!order.read)
		failpoint_read(&order);
	if (order.left == 0 || order.point != point)
		return;
	if (--order.left == 0)
		FROE_DROP(kill(getpid(), SIGKILL), "there is nobody left to tell");
}
