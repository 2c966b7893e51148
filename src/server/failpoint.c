#include "server/failpoint.h"

#include "base/fault.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
failpoint_init(struct failpoint *failpoint)
{
	*failpoint = (struct failpoint){0};
	const char *text = getenv("FROE_FAILPOINT");
	const char *colon = text != NULL ? strrchr(text, ':') : NULL;
	if (colon == NULL)
		return;
	failpoint->name = text;
	failpoint->left = strtoull(colon + 1, NULL, 10);
}

void
failpoint_pass(struct failpoint *failpoint, const char *name)
{
	if (failpoint->name == NULL || failpoint->left == 0)
		return;
	size_t size = strlen(name);
	if (strncmp(failpoint->name, name, size) != 0 || failpoint->name[size] != ':')
		return;
	if (--failpoint->left == 0)
		FROE_DROP(kill(getpid(), SIGKILL), "there is nobody left to tell");
}
