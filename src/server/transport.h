/*
 * server/transport: what of the server's options concerns TLS.
 *
 * Purpose     Reads certificate, key and client CA, at the start and again on SIGHUP, and warns
 *             when the certificate is about to end; says who may speak plaintext.
 * Ownership   a context belongs to the caller.
 * Failure     the fault's field names the file: "tls.cert_file", "tls.key_file", "tls.ca_file".
 * See         docs/security.md
 */
#ifndef SERVER_TRANSPORT_H
#define SERVER_TRANSPORT_H

#include "io/io.h"
#include "server/loop.h"
#include "server/server.h"

/* *ret_tls is NULL when the options name no certificate. */
enum froe_err transport_open(const struct server_options *options, struct io_env *env,
    struct tls_context **ret_tls, struct froe_fault *fault) FROE_CHECKED;

enum loop_plain transport_plain(const struct server_options *options);

#endif
