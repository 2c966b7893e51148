/*
 * base/failpoint: dies at a named place, for tests of recovery.
 *
 * Purpose     FROE_FAILPOINT=name:N in the environment makes the process kill itself with SIGKILL
 *             the N-th time a thread of it comes by the place. Without it a place costs one
 *             comparison. base/failpoint.def names them.
 * Threading   any thread; each counts for itself.
 * Failure     a name that is none ends the process: a test that waits for it would prove nothing.
 */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#define FAILPOINT(name) FAILPOINT_##name,
enum failpoint {
#include "base/failpoint.def"
	FAILPOINTS,
};
#undef FAILPOINT

const char *failpoint_name(enum failpoint point);
void failpoint_pass(enum failpoint point);

#endif
