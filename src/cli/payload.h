/*
 * cli/payload: JSON text from the command line, a file or standard input.
 */
#ifndef CLI_PAYLOAD_H
#define CLI_PAYLOAD_H

#include "base/bytes.h"
#include "cli/cli.h"

/* JSON, @FILE or -, appended; NULL: {}. Checked here, so that the mistake is named before anything
 * is sent: it ends with status 2, and says `what` is wrong. */
void payload_read(const struct cli *cli, const char *text, const char *what, struct buf *to);

#endif
