/*
 * What all connections of one configuration share: versions, groups, certificates, whom to trust.
 */
#include "tls/tls_int.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <time.h>

/* P-521, X448 and the finite fields cost the server up to forty times as much as these. */
#define GROUPS "X25519:P-256:P-384"

static const unsigned char PROTOCOLS[] = "\x06" "froe/1" "\x08" "http/1.1" "\x02" "h2";
static const unsigned char PROTOCOL_NATIVE[] = "\x06" "froe/1";

/* ---------------------------------------------------------------------------------- files */

static enum froe_err
file_check(const char *field, const char *path, bool secret, struct froe_fault *fault)
{
	struct stat status;
	if (stat(path, &status) != 0)
		return fault_set_field(fault, froe_err_from_errno(errno), field, "%.200s: %s", path,
		    strerror(errno));
	if (secret && (status.st_mode & (S_IROTH | S_IWOTH)) != 0)
		return fault_set_field(fault, FROE_FAILED_PRECONDITION, field,
		    "%.200s is open to every user of this machine: chmod o= %.100s, and make a new "
		    "key if anyone may have read it", path, path);
	return FROE_OK;
}

static enum froe_err
file_refused(const char *field, const char *path, const char *what, struct froe_fault *fault)
{
	return fault_set_field(fault, FROE_INVALID_ARGUMENT, field, "%.200s: %s: %s", path, what,
	    tls_reason("it cannot be used"));
}

/* Instead of asking on the terminal. */
static int
no_passphrase(char *to, int size, int writing, void *context)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static int64_t
expires_s(const X509 *certificate)
{
	struct tm end;
	if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		return 0;
	return timegm(&end);
}

static enum froe_err
load_identity(struct tls_context *context, const struct tls_options *options,
    struct froe_fault *fault)
{
	static const char *const CERT = "tls.cert_file", *const KEY = "tls.key_file";
	enum froe_err err = file_check(CERT, options->cert_file, false, fault);
	if (err == FROE_OK)
		err = file_check(KEY, options->key_file, true, fault);
	if (err != FROE_OK)
		return err;
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(context->ssl, options->cert_file) != 1)
		return file_refused(CERT, options->cert_file, "not a PEM file with a certificate "
		    "that froe takes", fault);
	ERR_clear_error();
	if (SSL_CTX_use_PrivateKey_file(context->ssl, options->key_file, SSL_FILETYPE_PEM) != 1)
		return file_refused(KEY, options->key_file, "not a PEM file with the key of the "
		    "certificate, without a passphrase", fault);
	context->expires_s = expires_s(SSL_CTX_get0_certificate(context->ssl));
	return FROE_OK;
}

static enum froe_err
load_trust(struct tls_context *context, const struct tls_options *options, struct froe_fault *fault)
{
	static const char *const CA = "tls.ca_file";
	ERR_clear_error();
	if (options->ca_file == NULL) {
		FROE_DROP(SSL_CTX_set_default_verify_paths(context->ssl) == 1,
		    "without them every server is unknown, and that is said");
		return FROE_OK;
	}
	enum froe_err err = file_check(CA, options->ca_file, false, fault);
	if (err != FROE_OK)
		return err;
	if (SSL_CTX_load_verify_file(context->ssl, options->ca_file) != 1)
		return file_refused(CA, options->ca_file, "not a PEM file with certificates",
		    fault);
	if (!options->server)
		return FROE_OK;
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->ca_file);
	if (names == NULL)
		return file_refused(CA, options->ca_file, "no names of signers in it", fault);
	SSL_CTX_set_client_CA_list(context->ssl, names);
	return FROE_OK;
}

/* ------------------------------------------------------------------------------- settings */

/* Picks what the client wants to speak; one that asks for none is told apart by its first bytes. */
static int
on_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_size,
    const unsigned char *offered, unsigned offered_size, void *context)
{
	unsigned char *name;
	(void)ssl;
	(void)context;
	if (SSL_select_next_proto(&name, ret_size, PROTOCOLS, sizeof(PROTOCOLS) - 1, offered,
	        offered_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret_name = name;
	return SSL_TLSEXT_ERR_OK;
}

static void
set_common(SSL_CTX *ssl)
{
	froe_assert(SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1);
	froe_assert(SSL_CTX_set1_groups_list(ssl, GROUPS) == 1);
	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_TICKET);
	/* Without resumption each connection's certificate is looked at anew. */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	/* 34 KiB less for a connection that is idle. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
	/* The file may name the server's own certificate: then just that is trusted. */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
}

static void
set_server(SSL_CTX *ssl, const struct tls_options *options)
{
	int mode = SSL_VERIFY_NONE;
	if (options->ca_file != NULL)
		mode = options->ask == TLS_ASK_OPTIONAL
		    ? SSL_VERIFY_PEER
		    : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ssl, mode, tls_on_verify);
	froe_assert(SSL_CTX_set_num_tickets(ssl, 0) == 1);
	froe_assert(SSL_CTX_set_max_early_data(ssl, 0) == 1);
	SSL_CTX_set_alpn_select_cb(ssl, on_protocol, NULL);
}

static void
set_client(SSL_CTX *ssl)
{
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, tls_on_verify);
	froe_assert(SSL_CTX_set_alpn_protos(ssl, PROTOCOL_NATIVE, sizeof(PROTOCOL_NATIVE) - 1) ==
	    0); /* yes: 0 is success here */
}

/* ----------------------------------------------------------------------------------- life */

static enum froe_err
options_check(const struct tls_options *options, struct froe_fault *fault)
{
	if ((options->cert_file == NULL) != (options->key_file == NULL))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT,
		    options->cert_file == NULL ? "tls.cert_file" : "tls.key_file",
		    "a certificate and its key are given together");
	if (options->server && options->cert_file == NULL)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "tls.cert_file",
		    "a server needs a certificate");
	return FROE_OK;
}

enum froe_err
tls_context_open(struct tls_context **ret_context, const struct tls_options *options,
    struct froe_fault *fault)
{
	enum froe_err err = options_check(options, fault);
	if (err != FROE_OK)
		return err;
	struct tls_context *context = mem_zalloc(sizeof(*context));
	context->holds = 1;
	context->server = options->server;
	context->ssl = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
	if (context->ssl == NULL)
		froe_fatal(FROE_EXIT_FAILED, "OpenSSL: %s", tls_reason("it gives no context"));
	context->method = tls_method_new();
	set_common(context->ssl);
	if (options->server)
		set_server(context->ssl, options);
	else
		set_client(context->ssl);
	if (options->cert_file != NULL)
		err = load_identity(context, options, fault);
	if (err == FROE_OK && (options->ca_file != NULL || !options->server))
		err = load_trust(context, options, fault);
	ERR_clear_error();
	if (err != FROE_OK) {
		tls_context_release(context);
		return err;
	}
	*ret_context = context;
	return FROE_OK;
}

void
tls_context_release(struct tls_context *context)
{
	froe_assert(context->holds > 0);
	if (--context->holds > 0)
		return;
	SSL_CTX_free(context->ssl);
	BIO_meth_free(context->method);
	mem_free(context);
}

void
tls_context_close(struct tls_context *context)
{
	if (context != NULL)
		tls_context_release(context);
}

int64_t
tls_context_expires_s(const struct tls_context *context)
{
	return context->expires_s;
}
