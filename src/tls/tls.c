/*
 * OpenSSL's state machine behind a BIO that reads tls->input and appends to tls->output. The BIO
 * never refuses a write: nothing is called that writes while the output is above its bound, so that
 * OpenSSL keeps no half-written record of ours.
 *
 * A record without data (a key update) makes SSL_read return, since SSL_MODE_AUTO_RETRY is off: so
 * that they can be counted. Each SSL_read has room for the largest record, so nothing stays in
 * OpenSSL: what is not yet decrypted is in tls->input, where its size is known.
 */
#include "tls/tls_int.h"

#include "base/mem.h"
#include "base/sm.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define RECORD_BYTES_MAX SSL3_RT_MAX_PLAIN_LENGTH

static const struct sm_row TLS_TABLE[] = {
    [TLS_SHAKING] = {"shaking", SM_TO(TLS_OPEN) | SM_TO(TLS_FAILED)},
    [TLS_OPEN] = {"open", SM_TO(TLS_ENDED) | SM_TO(TLS_FAILED)},
    [TLS_ENDED] = {"ended", SM_TO(TLS_FAILED)},
    [TLS_FAILED] = {"failed", 0},
};

/* -------------------------------------------------------------------------------- the BIO */

static int
bio_read(BIO *bio, char *to, int size)
{
	struct tls *tls = BIO_get_data(bio);
	size_t used = buf_used(&tls->input);
	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	if (used == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t taken = used < (size_t)size ? used : (size_t)size;
	memcpy(to, buf_bytes(&tls->input).data, taken);
	buf_pop(&tls->input, taken);
	if (tls->state == TLS_SHAKING)
		tls->shaken_bytes += taken;
	return (int)taken;
}

static int
bio_write(BIO *bio, const char *from, int size)
{
	struct tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	buf_push(&tls->output, from, (size_t)size);
	return size;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *
tls_method_new(void)
{
	/* Without an index of its own: there are only 127 in a process, and none is given back. */
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "froe");
	froe_assert(method != NULL && BIO_meth_set_read(method, bio_read) == 1 &&
	    BIO_meth_set_write(method, bio_write) == 1 &&
	    BIO_meth_set_ctrl(method, bio_control) == 1);
	return method;
}

/* ----------------------------------------------------------------------------------- life */

/* What the server's certificate must say. */
static void
tls_expect(struct tls *tls, const char *host)
{
	struct in6_addr number;
	bool numeric = inet_pton(AF_INET, host, &number) == 1 ||
	    inet_pton(AF_INET6, host, &number) == 1;
	X509_VERIFY_PARAM *verify = SSL_get0_param(tls->ssl);
	froe_assert(host[0] != 0); /* to OpenSSL an empty name means any */
	snprintf(tls->host, sizeof(tls->host), "%s", host);
	X509_VERIFY_PARAM_set_hostflags(verify,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (numeric) {
		froe_assert(X509_VERIFY_PARAM_set1_ip_asc(verify, host) == 1);
		return;
	}
	froe_assert(X509_VERIFY_PARAM_set1_host(verify, host, 0) == 1);
	/* A name too long to be one is refused later: no certificate is for it. */
	void *hint = (void *)(uintptr_t)host; /* it is copied, whatever the prototype fears */
	FROE_DROP(SSL_set_tlsext_host_name(tls->ssl, hint), "for the server, no more");
}

struct tls *
tls_new(struct tls_context *context, const char *host)
{
	froe_assert(context->holds > 0 && context->server == (host == NULL));
	struct tls *tls = mem_zalloc(sizeof(*tls));
	tls->magic = TLS_MAGIC;
	tls->state = TLS_SHAKING;
	tls->context = context;
	context->holds++;
	ERR_clear_error();
	tls->ssl = SSL_new(context->ssl);
	BIO *bio = BIO_new(context->method);
	if (tls->ssl == NULL || bio == NULL)
		froe_fatal(FROE_EXIT_FAILED, "out of memory");
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	froe_assert(SSL_set_app_data(tls->ssl, tls) == 1);
	if (context->server) {
		SSL_set_accept_state(tls->ssl);
	} else {
		SSL_set_connect_state(tls->ssl);
		tls_expect(tls, host);
		tls_step(tls, NULL, 0);
	}
	return tls;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	froe_assert(tls->magic == TLS_MAGIC);
	SSL_free(tls->ssl); /* with its BIO */
	buf_release(&tls->input);
	buf_release(&tls->output);
	tls_context_release(tls->context);
	tls->magic = 0;
	mem_free(tls);
}

/* ---------------------------------------------------------------------------------- input */

void
tls_feed(struct tls *tls, const void *data, size_t size)
{
	froe_assert(tls->magic == TLS_MAGIC);
	if (tls->state == TLS_SHAKING || tls->state == TLS_OPEN)
		buf_push(&tls->input, data, size);
}

size_t
tls_unread(const struct tls *tls)
{
	return buf_used(&tls->input);
}

/* The other side is to get what is in the output, and we take nothing more. */
static void
tls_fail(struct tls *tls)
{
	sm_move(TLS_TABLE, &tls->state, TLS_FAILED);
	buf_release(&tls->input);
	ERR_clear_error();
}

static void FROE_PRINTF(3, 4)
tls_refuse(struct tls *tls, enum froe_err code, const char *format, ...)
{
	va_list args;
	tls->fault = (struct froe_fault){.code = code};
	va_start(args, format);
	vsnprintf(tls->fault.text, sizeof(tls->fault.text), format, args);
	va_end(args);
	tls_fail(tls);
}

static void
tls_shaken(struct tls *tls)
{
	const unsigned char *protocol;
	unsigned size;
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	sm_move(TLS_TABLE, &tls->state, TLS_OPEN);
	if (certificate != NULL)
		tls_name_format(X509_get_subject_name(certificate), tls->peer, sizeof(tls->peer));
	SSL_get0_alpn_selected(tls->ssl, &protocol, &size);
	if (size > 0 && size < sizeof(tls->protocol))
		memcpy(tls->protocol, protocol, size);
}

static void
tls_shake(struct tls *tls)
{
	ERR_clear_error();
	int result = SSL_do_handshake(tls->ssl);
	if (result == 1) {
		tls_shaken(tls);
		return;
	}
	if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
		tls_explain(tls);
		tls_fail(tls);
	} else if (tls->shaken_bytes > TLS_HANDSHAKE_BYTES_MAX) {
		tls_refuse(tls, FROE_TOO_LARGE, "the TLS handshake is larger than %zu bytes",
		    TLS_HANDSHAKE_BYTES_MAX);
	}
}

/* One record. */
static void
tls_read(struct tls *tls, struct buf *plain)
{
	uint8_t record[RECORD_BYTES_MAX];
	size_t size;
	ERR_clear_error();
	int result = SSL_read_ex(tls->ssl, record, sizeof(record), &size);
	if (result == 1) {
		froe_assert(SSL_pending(tls->ssl) == 0);
		tls->empty_records = 0;
		buf_push(plain, record, size);
		return;
	}
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		if (++tls->empty_records > TLS_EMPTY_RECORDS_MAX)
			tls_refuse(tls, FROE_PROTOCOL, "more than %u TLS records in a row carry "
			    "no data", TLS_EMPTY_RECORDS_MAX);
		break;
	case SSL_ERROR_ZERO_RETURN:
		sm_move(TLS_TABLE, &tls->state, TLS_ENDED);
		buf_release(&tls->input); /* nothing that follows is of the connection */
		break;
	default:
		tls_explain(tls);
		tls_fail(tls);
	}
}

void
tls_step(struct tls *tls, struct buf *plain, size_t plain_max)
{
	froe_assert(tls->magic == TLS_MAGIC);
	if (tls->state == TLS_SHAKING)
		tls_shake(tls);
	for (unsigned i = 0; i < TLS_STEP_RECORDS_MAX && tls->state == TLS_OPEN &&
	     buf_used(&tls->input) > 0 && buf_used(&tls->output) <= TLS_OUTPUT_HIGH &&
	     buf_used(plain) < plain_max; i++)
		tls_read(tls, plain);
}

/* --------------------------------------------------------------------------------- output */

size_t
tls_write(struct tls *tls, struct bytes plain)
{
	size_t taken = 0;
	froe_assert(tls->magic == TLS_MAGIC);
	while (taken < plain.size && buf_used(&tls->output) <= TLS_OUTPUT_HIGH &&
	    !tls->finished && (tls->state == TLS_OPEN || tls->state == TLS_ENDED)) {
		size_t size = plain.size - taken, written;
		if (size > RECORD_BYTES_MAX)
			size = RECORD_BYTES_MAX;
		ERR_clear_error();
		if (SSL_write_ex(tls->ssl, plain.data + taken, size, &written) != 1) {
			tls_explain(tls);
			tls_fail(tls);
			break;
		}
		taken += written;
	}
	return taken;
}

void
tls_finish(struct tls *tls)
{
	froe_assert(tls->magic == TLS_MAGIC);
	if (tls->finished || (tls->state != TLS_OPEN && tls->state != TLS_ENDED))
		return;
	tls->finished = true;
	ERR_clear_error();
	FROE_DROP(SSL_shutdown(tls->ssl) >= 0, "a connection that ends without it ends as well");
}

struct buf *
tls_output(struct tls *tls)
{
	return &tls->output;
}

/* ------------------------------------------------------------------------------ questions */

size_t
tls_output_used(const struct tls *tls)
{
	return buf_used(&tls->output);
}

enum tls_state
tls_state(const struct tls *tls)
{
	return tls->state;
}

const struct froe_fault *
tls_fault(const struct tls *tls)
{
	froe_assert(tls->state == TLS_FAILED);
	return &tls->fault;
}

const char *
tls_peer(const struct tls *tls)
{
	return tls->peer;
}

const char *
tls_protocol(const struct tls *tls)
{
	return tls->protocol;
}

void
tls_trim(struct tls *tls, size_t kept)
{
	if (buf_used(&tls->input) == 0 && tls->input.capacity > kept)
		buf_release(&tls->input);
	if (buf_used(&tls->output) == 0 && tls->output.capacity > kept)
		buf_release(&tls->output);
}

size_t
tls_held_bytes(const struct tls *tls)
{
	return tls->input.capacity + tls->output.capacity;
}
