/*
 * Why a handshake failed, in words that say what to do. A certificate that is refused is explained
 * while OpenSSL verifies it, since later nobody knows it any more; everything else by the reason
 * on OpenSSL's error queue, which for an alert is what the other side says.
 */
#include "tls/tls_int.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

void
tls_name_format(const X509_NAME *name, char *to, size_t size)
{
	BIO *text = BIO_new(BIO_s_mem());
	char *data;
	if (text == NULL)
		froe_fatal(FROE_EXIT_FAILED, "out of memory");
	to[0] = 0;
	if (X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253) >= 0) {
		long used = BIO_get_mem_data(text, &data);
		snprintf(to, size, "%.*s", (int)used, data);
	}
	BIO_free(text);
}

const char *
tls_reason(const char *otherwise)
{
	unsigned long first = ERR_peek_error();
	if (first == 0)
		return otherwise;
	if (ERR_SYSTEM_ERROR(first))
		return strerror(ERR_GET_REASON(first));
	const char *text = ERR_reason_error_string(first);
	return text != NULL ? text : otherwise;
}

/* --------------------------------------------------------------------------- certificates */

static void
date_format(const ASN1_TIME *time, char *to, size_t size)
{
	struct tm when;
	if (ASN1_TIME_to_tm(time, &when) != 1)
		snprintf(to, size, "an unknown time");
	else
		snprintf(to, size, "%04d-%02d-%02d %02d:%02d UTC", when.tm_year + 1900,
		    when.tm_mon + 1, when.tm_mday, when.tm_hour, when.tm_min);
}

static void
append(char *to, size_t size, const char *text, int length)
{
	size_t used = strlen(to);
	snprintf(to + used, size - used, "%s%.*s", used > 0 ? ", " : "", length, text);
}

static void
append_address(char *to, size_t size, const ASN1_OCTET_STRING *address)
{
	const unsigned char *at = ASN1_STRING_get0_data(address);
	char text[48] = "an IPv6 address";
	if (ASN1_STRING_length(address) == 4)
		snprintf(text, sizeof(text), "%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
	append(to, size, text, (int)strlen(text));
}

/* The names and numbers that a certificate is for. */
static void
names_format(const X509 *certificate, char *to, size_t size)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	to[0] = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			append(to, size, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
			    ASN1_STRING_length(name->d.dNSName));
		else if (name->type == GEN_IPADD)
			append_address(to, size, name->d.iPAddress);
	}
	GENERAL_NAMES_free(names);
	for (char *at = to; *at != 0; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?'; /* it goes to terminals and logs */
	}
	if (to[0] == 0)
		snprintf(to, size, "nothing (it has no subjectAltName)");
}

static void
explain_date(struct tls *tls, const X509 *certificate, const char *whose, bool past)
{
	char name[128], date[40];
	tls_name_format(X509_get_subject_name(certificate), name, sizeof(name));
	date_format(past ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate), date,
	    sizeof(date));
	fault_set_field(&tls->fault, FROE_UNTRUSTED, past ? "tls.expired" : "tls.not_yet",
	    past ? "%s certificate (%s) has expired on %s: renew it, or see to this machine's clock"
	         : "%s certificate (%s) is not valid before %s: see to the clocks of both machines",
	    whose, name, date);
}

static void
explain_name(struct tls *tls, const X509 *certificate)
{
	char names[200];
	names_format(certificate, names, sizeof(names));
	fault_set_field(&tls->fault, FROE_UNTRUSTED, "tls.server_name",
	    "the server's certificate is for %s, not for %.80s: connect by a name it is for, or "
	    "say which one is meant (server_name, --tls-name)", names, tls->host);
}

static void
explain_signer(struct tls *tls, const X509 *certificate, const char *whose)
{
	char name[100], issuer[100];
	tls_name_format(X509_get_subject_name(certificate), name, sizeof(name));
	tls_name_format(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
	fault_set_field(&tls->fault, FROE_UNTRUSTED, "tls.ca_file",
	    "%s certificate (%s) is signed by (%s), which is not trusted here: %s", whose, name,
	    issuer, tls->context->server ? "sign it with a key of --tls-client-ca"
	                                 : "give that CA's certificate (ca_file, --tls-ca)");
}

int
tls_on_verify(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	const char *whose = tls->context->server ? "the client's" : "the server's";
	int why = X509_STORE_CTX_get_error(store);
	if (good == 1)
		return 1;
	switch (certificate != NULL ? why : X509_V_ERR_UNSPECIFIED) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		explain_date(tls, certificate, whose, why == X509_V_ERR_CERT_HAS_EXPIRED);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		explain_name(tls, certificate);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		explain_signer(tls, certificate, whose);
		break;
	default:
		fault_set_field(&tls->fault, FROE_UNTRUSTED, "tls", "%s certificate: %s", whose,
		    X509_verify_cert_error_string(why));
		break;
	}
	return 0;
}

/* --------------------------------------------------------------------------- other reasons */

static const struct {
	int reason;
	enum froe_err code;
	const char *field;
	const char *text;
} REASONS[] = {
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, FROE_DENIED, "tls.cert_file",
        "the server wants a certificate of the client: give one with its key (cert_file and "
        "key_file, --tls-cert and --tls-key)"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, FROE_DENIED, "tls.cert_file",
        "the other side does not know the CA that signed our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, FROE_DENIED, "tls.cert_file",
        "the other side says that our certificate has expired: renew it"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, FROE_DENIED, "tls.cert_file",
        "the other side says that our certificate is revoked"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, FROE_DENIED, "tls.cert_file",
        "the other side refuses our certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, FROE_DENIED, "tls.cert_file",
        "the other side refuses our certificate: it is made for another purpose"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, FROE_DENIED, "tls.cert_file",
        "the other side refuses our certificate"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, FROE_UNSUPPORTED, "tls",
        "the other side does not speak TLS 1.3"},
    {SSL_R_UNSUPPORTED_PROTOCOL, FROE_UNSUPPORTED, "tls",
        "the other side does not speak TLS 1.3"},
    {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, FROE_UNSUPPORTED, "tls",
        "the server is no froe server: it does not know the protocol froe/1"},
    {SSL_R_WRONG_VERSION_NUMBER, FROE_PROTOCOL, "tls", "the other side does not speak TLS here"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, FROE_UNTRUSTED, "tls",
        "the client has shown no certificate, and this server wants one"},
};

void
tls_explain(struct tls *tls)
{
	int reason = ERR_GET_REASON(ERR_peek_error());
	if (tls->fault.code != FROE_OK)
		return;
	for (size_t i = 0; i < sizeof(REASONS) / sizeof(REASONS[0]); i++) {
		if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL && REASONS[i].reason == reason) {
			fault_set_field(&tls->fault, REASONS[i].code, REASONS[i].field, "%s",
			    REASONS[i].text);
			return;
		}
	}
	fault_set_field(&tls->fault, FROE_PROTOCOL, "tls", "TLS: %s",
	    tls_reason("the other side broke it off"));
}
