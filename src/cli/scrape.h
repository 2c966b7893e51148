/*
 * cli/scrape: one page over HTTP, from the port that everything else comes from.
 *
 * Ownership   the body is appended to the caller's buffer.
 * Threading   none; it waits.
 * Failure     FROE_UNAVAILABLE, FROE_TIMEOUT; what TLS says; FROE_UNAUTHENTICATED or FROE_FORBIDDEN
 *             with the server's own words; FROE_PROTOCOL for whatever is no answer.
 */
#ifndef CLI_SCRAPE_H
#define CLI_SCRAPE_H

#include "base/bytes.h"
#include "base/fault.h"
#include "froe/froe.h"

struct scrape {
	const char *address;                /* as froe_client_options has it */
	const char *token;                  /* "": none */
	const struct froe_tls_options *tls; /* NULL: defaults */
	unsigned timeout_ms;
};

enum froe_err scrape_get(const struct scrape *scrape, const char *path, struct buf *to,
    struct froe_fault *fault) FROE_CHECKED;

#endif
