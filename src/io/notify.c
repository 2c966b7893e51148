#include "io/notify.h"

#include "base/fault.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool
notify_send(const char *state)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t size = path != NULL ? strlen(path) : 0;
	/* A path, or a name in the abstract space, which is written with "@" for its zero byte. */
	if (size < 2 || size >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return false;
	memcpy(to.sun_path, path, size);
	if (path[0] == '@')
		to.sun_path[0] = 0;
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager < 0)
		return false;
	socklen_t to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	ssize_t sent = sendto(manager, state, strlen(state), MSG_NOSIGNAL,
	    (const struct sockaddr *)(const void *)&to, to_size);
	close(manager);
	return sent == (ssize_t)strlen(state);
}

/* A decimal number and nothing else; 0: it is none. */
static uint64_t
number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	unsigned long long number = strtoull(text, &end, 10);
	return *end == 0 ? number : 0;
}

uint64_t
notify_watchdog_ns(void)
{
	uint64_t us = number_of("WATCHDOG_USEC");
	const char *meant = getenv("WATCHDOG_PID"); /* a child inherits the environment */
	if (meant != NULL && number_of("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return us < UINT64_MAX / 1000 ? us * 1000 : 0;
}
