/*
 * tls/tls_int: what tls, its context and its faults know of each other.
 */
#ifndef TLS_TLS_INT_H
#define TLS_TLS_INT_H

#include "tls/tls.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

#define TLS_MAGIC 0x746c7331u

struct tls_context {
	unsigned holds; /* the opener and each tls made from it */
	bool server;
	SSL_CTX *ssl;
	BIO_METHOD *method;
	int64_t expires_s;
};

struct tls {
	uint32_t magic;
	enum tls_state state;
	struct tls_context *context;
	SSL *ssl;
	struct buf input;  /* from the network */
	struct buf output; /* for it */
	size_t shaken_bytes;    /* taken in before the handshake was done */
	unsigned empty_records; /* in a row */
	bool finished;          /* close_notify is in the output */
	struct froe_fault fault;
	char host[TLS_NAME_SIZE];
	char peer[TLS_NAME_SIZE];
	char protocol[16];
};

void tls_context_release(struct tls_context *context); /* one hold less */

/* The method of a connection's BIO, whose data is its struct tls. */
BIO_METHOD *tls_method_new(void);

/* The verification of one certificate failed: keeps the reason in tls->fault. */
int tls_on_verify(int good, X509_STORE_CTX *store);

/* The call that has just failed: fills tls->fault unless a verification has done so. */
void tls_explain(struct tls *tls);

/* The first error of OpenSSL's queue as text, or `otherwise`. */
const char *tls_reason(const char *otherwise);

/* A certificate's name, "CN=a,O=b", with what a terminal would obey escaped. */
void tls_name_format(const X509_NAME *name, char *to, size_t size);

#endif
