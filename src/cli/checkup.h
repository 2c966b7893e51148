/*
 * cli/checkup: is a running server well?
 *
 * Purpose     Connects, reads /metrics, and says what it finds as the doctor does: a fact each, and
 *             where it is wanting what to do.
 * Threading   the main thread; it waits.
 * Failure     what cannot be found out is a finding too.
 */
#ifndef CLI_CHECKUP_H
#define CLI_CHECKUP_H

#include "cli/cli.h"
#include "server/doctor.h"

void checkup_server(const struct cli *cli,
    void (*each)(void *context, const struct doctor_finding *finding), void *context);

/* The same of a text of /metrics. `now_ns`: wall clock. */
void checkup_metrics(const char *text, uint64_t now_ns,
    void (*each)(void *context, const struct doctor_finding *finding), void *context);

#endif
