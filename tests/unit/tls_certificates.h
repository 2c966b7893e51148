/*
 * tests/tls_certificates: certificates made by the test, in a directory of its own.
 *
 * certificates_make(dir, &(struct certificate){.name = "a", .issuer = "ca"}) writes DIR/a.pem and
 * DIR/a.key; without an issuer it signs itself.
 */
#ifndef TESTS_TLS_CERTIFICATES_H
#define TESTS_TLS_CERTIFICATES_H

#include "base/fault.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTIFICATE_PATH_SIZE 400u

struct certificate {
	const char *name;   /* of the files, and the subject's CN */
	const char *issuer; /* the name of one made before; NULL: signs itself */
	const char *san;    /* "DNS:localhost,IP:127.0.0.1"; NULL: none */
	const char *usage;  /* "serverAuth", "clientAuth"; NULL: any */
	bool ca;
	long from_s;        /* relative to now; both 0: from yesterday for ten days */
	long to_s;
	int rsa_bits;       /* 0: P-256 */
	const char *passphrase; /* of the key; NULL: not encrypted */
};

static inline const char *
certificate_path(char to[CERTIFICATE_PATH_SIZE], const char *dir, const char *name,
    const char *suffix)
{
	snprintf(to, CERTIFICATE_PATH_SIZE, "%s/%s.%s", dir, name, suffix);
	return to;
}

static inline FILE *
certificate_file(const char *dir, const char *name, const char *suffix, const char *mode)
{
	char path[CERTIFICATE_PATH_SIZE];
	mode_t before = umask(0077);
	FILE *file = fopen(certificate_path(path, dir, name, suffix), mode);
	umask(before);
	froe_assert(file != NULL);
	return file;
}

static inline void
certificate_extend(X509 *to, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	if (value == NULL)
		return;
	X509V3_set_ctx(&context, issuer, to, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	froe_assert(extension != NULL && X509_add_ext(to, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static inline X509 *
certificate_new(const struct certificate *made, EVP_PKEY *key)
{
	bool dated = made->from_s != 0 || made->to_s != 0;
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), (long)getpid() + (long)(uintptr_t)made);
	X509_gmtime_adj(X509_getm_notBefore(x509), dated ? made->from_s : -24 * 3600L);
	X509_gmtime_adj(X509_getm_notAfter(x509), dated ? made->to_s : 10 * 24 * 3600L);
	X509_set_pubkey(x509, key);
	froe_assert(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
	                (const unsigned char *)made->name, -1, -1, 0) == 1);
	return x509;
}

static inline void
certificates_make(const char *dir, const struct certificate *made)
{
	EVP_PKEY *key = made->rsa_bits != 0 ? EVP_RSA_gen((unsigned)made->rsa_bits)
	                                    : EVP_EC_gen("P-256");
	X509 *x509 = certificate_new(made, key), *issuer = x509;
	EVP_PKEY *signer = key;
	FILE *file;
	if (made->issuer != NULL) {
		file = certificate_file(dir, made->issuer, "pem", "r");
		issuer = PEM_read_X509(file, NULL, NULL, NULL);
		fclose(file);
		file = certificate_file(dir, made->issuer, "key", "r");
		signer = PEM_read_PrivateKey(file, NULL, NULL, NULL);
		fclose(file);
	}
	X509_set_issuer_name(x509, X509_get_subject_name(issuer));
	certificate_extend(x509, issuer, NID_basic_constraints,
	    made->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	certificate_extend(x509, issuer, NID_subject_alt_name, made->san);
	certificate_extend(x509, issuer, NID_ext_key_usage, made->usage);
	froe_assert(X509_sign(x509, signer, EVP_sha256()) > 0);
	file = certificate_file(dir, made->name, "pem", "w");
	froe_assert(PEM_write_X509(file, x509) == 1);
	fclose(file);
	file = certificate_file(dir, made->name, "key", "w");
	froe_assert(PEM_write_PrivateKey(file, key, made->passphrase != NULL ? EVP_aes_128_cbc()
	    : NULL, (const unsigned char *)made->passphrase,
	    made->passphrase != NULL ? (int)strlen(made->passphrase) : 0, NULL, NULL) == 1);
	fclose(file);
	if (made->issuer != NULL) {
		X509_free(issuer);
		EVP_PKEY_free(signer);
	}
	X509_free(x509);
	EVP_PKEY_free(key);
}

#endif
