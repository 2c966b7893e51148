/*
 * cli/transport: the options about TLS, of commands that connect and of those that serve.
 */
#include "cli/cli.h"

#include "server/server.h"

#include <string.h>

#define TLS_SCHEME "tls://"

/* Of options given on the command line, as opposed to settings that are there for all commands. */
static bool
any_given(const struct cli *cli)
{
	return cli_given(cli, "tls-ca") != NULL || cli_given(cli, "tls-cert") != NULL ||
	    cli_given(cli, "tls-key") != NULL || cli_given(cli, "tls-name") != NULL;
}

bool
cli_client_tls(const struct cli *cli, const char *address, struct froe_tls_options *tls)
{
	if (address == NULL || strncmp(address, TLS_SCHEME, strlen(TLS_SCHEME)) != 0) {
		if (any_given(cli))
			cli_usage(cli, "--tls-* with an address that is plaintext: write --address "
			    TLS_SCHEME "%s", address != NULL ? address : "HOST:PORT");
		return false;
	}
	*tls = (struct froe_tls_options){
	    .ca_file = cli_text(cli, "tls-ca"),
	    .cert_file = cli_text(cli, "tls-cert"),
	    .key_file = cli_text(cli, "tls-key"),
	    .server_name = cli_text(cli, "tls-name"),
	};
	return true;
}

static void
check_server(const struct cli *cli, const struct server_options *options, bool loopback)
{
	if ((options->tls_cert == NULL) != (options->tls_key == NULL))
		cli_usage(cli, "--tls-cert and --tls-key are given together");
	if (options->tls_cert == NULL && (options->tls_client_ca != NULL || options->tls_required))
		cli_usage(cli, "TLS needs a certificate: --tls-cert FILE --tls-key FILE");
	if (options->tls_cert != NULL && options->tls_off)
		cli_usage(cli, "--tls off with a certificate: leave one of them out");
	if (options->tls_client_ca == NULL && cli_flag(cli, "tls-client"))
		cli_usage(cli, "--tls-client needs --tls-client-ca FILE: who signs their "
		    "certificates?");
	if (!loopback && options->tls_cert == NULL && !options->tls_off)
		cli_usage(cli, "listening on %s in plaintext would show tokens and payloads to "
		    "everyone on the way: give --tls-cert FILE and --tls-key FILE, or say --tls "
		    "off", options->listen);
}

void
cli_server_tls(const struct cli *cli, struct server_options *options, bool loopback)
{
	const char *mode = cli_text(cli, "tls"), *ask = cli_text(cli, "tls-client");
	options->tls_cert = cli_text(cli, "tls-cert");
	options->tls_key = cli_text(cli, "tls-key");
	options->tls_client_ca = cli_text(cli, "tls-client-ca");
	if (mode != NULL && strcmp(mode, "off") != 0 && strcmp(mode, "required") != 0)
		cli_usage(cli, "--tls: \"%s\" is neither off nor required", mode);
	options->tls_off = mode != NULL && strcmp(mode, "off") == 0;
	options->tls_required = mode != NULL && strcmp(mode, "required") == 0;
	if (ask != NULL && strcmp(ask, "required") != 0 && strcmp(ask, "optional") != 0)
		cli_usage(cli, "--tls-client: \"%s\" is neither required nor optional", ask);
	options->tls_client_optional = ask != NULL && strcmp(ask, "optional") == 0;
	check_server(cli, options, loopback);
}
