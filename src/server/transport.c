#include "server/transport.h"

#include "base/duration.h"
#include "io/journal.h"

#define WARN_S (14 * 24 * 3600)

static void
warn_of_end(const struct server_options *options, struct io_env *env, int64_t expires_s)
{
	int64_t left_s = expires_s - (int64_t)(io_wall_ns(env) / NS_PER_S);
	if (left_s <= 0)
		journal(JOURNAL_WARNING, "certificate_expired",
		    "the certificate in %s has expired: clients will refuse it", options->tls_cert);
	else if (left_s < WARN_S)
		journal(JOURNAL_WARNING, "certificate_expires",
		    "the certificate in %s expires in %lld days: renew it, then send SIGHUP",
		    options->tls_cert, (long long)(left_s / (24 * 3600)));
}

enum froe_err
transport_open(const struct server_options *options, struct io_env *env,
    struct tls_context **ret_tls, struct froe_fault *fault)
{
	struct tls_options tls = {
	    .server = true,
	    .cert_file = options->tls_cert,
	    .key_file = options->tls_key,
	    .ca_file = options->tls_client_ca,
	    .ask = options->tls_client_optional ? TLS_ASK_OPTIONAL : TLS_ASK_REQUIRED,
	};
	*ret_tls = NULL;
	if (options->tls_cert == NULL && options->tls_key == NULL)
		return FROE_OK;
	enum froe_err err = tls_context_open(ret_tls, &tls, fault);
	if (err == FROE_OK)
		warn_of_end(options, env, tls_context_expires_s(*ret_tls));
	return err;
}

enum loop_plain
transport_plain(const struct server_options *options)
{
	if (options->tls_cert == NULL)
		return LOOP_PLAIN_ALL; /* on loopback, or --tls off was said */
	/* A client that must show a certificate could else do without by plaintext. */
	bool asked = options->tls_client_ca != NULL && !options->tls_client_optional;
	return options->tls_required || asked ? LOOP_PLAIN_NONE : LOOP_PLAIN_LOCAL;
}
