/*
 * server/doctor: is this machine, and this directory, fit to serve?
 *
 * Purpose     Looks at what a server depends on: kernel, io_uring, file system, the latency of a
 *             synced write, space, limits, the clock; each with a fact and, where it is wanting,
 *             what to do.
 * Threading   the main thread; it blocks for as long as its writes take (about a second).
 * Failure     what cannot be found out is a finding too.
 */
#ifndef SERVER_DOCTOR_H
#define SERVER_DOCTOR_H

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARNING, /* it serves, but not as well as it could */
	DOCTOR_BAD,	/* it does not serve, or not safely */
};

struct doctor_finding {
	enum doctor_level level;
	const char *name; /* "io_uring" */
	char fact[192];
	char advice[256]; /* "": nothing to do */
};

/* `data`: the data directory, or where it is to be made. */
void doctor_examine(
    const char *data, void (*each)(void *context, const struct doctor_finding *), void *context);

#endif
