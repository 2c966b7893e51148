/*
 * TLS on the port of everything: a workflow over it and through kill -9, who is refused and what
 * they are told, and what a peer that is slow, silent or greedy may take.
 */
#include "system/system.h"

#include "system/echo.h"
#include "system/wire.h"
#include "unit/tls_certificates.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/time.h>

#define MIB ((size_t)1 << 20)
#define SAN "DNS:localhost,IP:127.0.0.1"
#define DAY_S (24 * 3600L)

static char dir[256]; /* of the certificates */
static char file[16][CERTIFICATE_PATH_SIZE];
static struct server server; /* with a certificate; plaintext on loopback */

/* "ca.pem" as a path; good for some calls. */
static const char *
path_of(const char *name)
{
	static unsigned next;
	char *to = file[next++ % 16];
	snprintf(to, CERTIFICATE_PATH_SIZE, "%s/%s", dir, name);
	return to;
}

static void
make_certificates(void)
{
	const char *base = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%s/froe-tls-XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(dir));
	const struct certificate all[] = {
	    {.name = "ca", .ca = true},
	    {.name = "other", .ca = true},
	    {.name = "server", .issuer = "ca", .san = SAN, .usage = "serverAuth"},
	    {.name = "expired", .issuer = "ca", .san = SAN, .from_s = -9 * DAY_S,
	        .to_s = -DAY_S},
	    {.name = "worker-7", .issuer = "ca", .usage = "clientAuth"},
	    {.name = "stranger", .issuer = "other", .usage = "clientAuth"},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		certificates_make(dir, &all[i]);
}

/* With `name`'s certificate; `more` ends with NULL. */
static void
secure_init(struct server *made, const char *name, const char *const *more)
{
	static char paths[16][CERTIFICATE_PATH_SIZE];
	static unsigned next;
	char *cert = paths[next++ % 16], *key = paths[next++ % 16];
	int count = 0;
	server_init(made);
	made->extra[count++] = "--tls-cert";
	made->extra[count++] = certificate_path(cert, dir, name, "pem");
	made->extra[count++] = "--tls-key";
	made->extra[count++] = certificate_path(key, dir, name, "key");
	while (more != NULL && *more != NULL)
		made->extra[count++] = *more++;
}

static int
setup(void **state)
{
	(void)state;
	make_certificates();
	secure_init(&server, "server", NULL);
	server_start(&server);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	server_release(&server);
	remove_tree(dir);
	return 0;
}

/* ------------------------------------------------------------------------------- libfroe's side */

static enum froe_err
secure_try(const struct server *to, const char *host, const struct froe_tls_options *tls,
    struct froe_client **ret_client, struct froe_error *error)
{
	char address[128];
	snprintf(address, sizeof(address), "tls://%s:%d", host, to->port);
	struct froe_client_options options = {.address = address, .open_ms = 10000, .tls = tls};
	return froe_client_open(&options, ret_client, error);
}

static struct froe_client *
secure_client(const struct server *to, const char *client)
{
	struct froe_client *opened;
	struct froe_error error;
	char cert[CERTIFICATE_PATH_SIZE], key[CERTIFICATE_PATH_SIZE];
	struct froe_tls_options tls = {.ca_file = path_of("ca.pem")};
	if (client != NULL) {
		tls.cert_file = certificate_path(cert, dir, client, "pem");
		tls.key_file = certificate_path(key, dir, client, "key");
	}
	CALL(secure_try(to, "localhost", &tls, &opened, &error), error);
	return opened;
}

static void
secure_worker(struct worker *worker, const struct server *to, const char *client,
    const struct froe_workflow *workflow)
{
	struct froe_error error;
	struct froe_worker_options options = {.name = "secure", .slots = 2};
	worker->client = secure_client(to, client);
	CALL(froe_worker_open(worker->client, &options, &worker->worker, &error), error);
	CALL(froe_worker_workflow(worker->worker, workflow, &error), error);
	CALL(froe_worker_start(worker->worker, 30000, &error), error);
}

static void
test_tls__a_workflow_through_kill_9(void **state)
{
	struct worker worker;
	size_t size = 3 * MIB;
	char *large = malloc(size + 1);
	(void)state;
	memset(large, 'x', size);
	large[0] = large[size - 1] = '"';
	large[size] = 0;
	secure_worker(&worker, &server, NULL, &echoes);
	struct froe_client *client = secure_client(&server, NULL);
	expect_result(client, start_run(client, "echo", "[1]"), "[1]");
	expect_result(client, start_run(client, "echo", large), large); /* many records */
	struct froe_id before = start_run(client, "echo", "[2]");
	server_restart(&server);
	expect_result(client, before, "[2]"); /* all of them have come back by themselves */
	expect_result(client, start_run(client, "echo", large), large);
	worker_close(&worker);
	froe_client_close(client);
	free(large);
}

static void
test_tls__plaintext_beside_it(void **state)
{
	struct worker worker;
	(void)state;
	secure_worker(&worker, &server, NULL, &echoes);
	struct froe_client *plain = client_open(&server, NULL);
	struct froe_client *secure = secure_client(&server, NULL);
	for (int i = 0; i < 10; i++) {
		expect_result(plain, start_run(plain, "echo", "\"plain\""), "\"plain\"");
		expect_result(secure, start_run(secure, "echo", "\"tls\""), "\"tls\"");
	}
	froe_client_close(plain);
	froe_client_close(secure);
	worker_close(&worker);
}

static void
expect_refused(const struct server *to, const char *host, const struct froe_tls_options *tls,
    enum froe_err code, const char *field, const char *word)
{
	struct froe_client *client;
	struct froe_error error;
	uint64_t began_ms = now_ms();
	if (secure_try(to, host, tls, &client, &error) == FROE_OK)
		fail_msg("%s is trusted", host);
	if (error.code != code || strcmp(error.field, field) != 0 ||
	    strstr(error.text, word) == NULL)
		fail_msg("%s: %s: %s", froe_err_name(error.code), error.field, error.text);
	assert_true(now_ms() - began_ms < 5000); /* it would not become better */
}

static void
test_tls__a_client_says_whom_it_refuses(void **state)
{
	struct froe_tls_options ca = {.ca_file = path_of("ca.pem")};
	struct froe_tls_options other = {.ca_file = path_of("other.pem")};
	struct froe_tls_options none = {.ca_file = path_of("none.pem")};
	struct froe_tls_options named = {.ca_file = path_of("ca.pem"), .server_name = "froe"};
	struct server old;
	(void)state;
	expect_refused(&server, "localhost", &other, FROE_UNTRUSTED, "tls.ca_file", "(CN=ca)");
	expect_refused(&server, "localhost", NULL, FROE_UNTRUSTED, "tls.ca_file", "--tls-ca");
	expect_refused(&server, "localhost", &named, FROE_UNTRUSTED, "tls.server_name",
	    "is for localhost, 127.0.0.1, not for froe");
	expect_refused(&server, "localhost", &none, FROE_NOT_FOUND, "tls.ca_file", "No such file");
	secure_init(&old, "expired", NULL);
	server_start(&old);
	expect_refused(&old, "localhost", &ca, FROE_UNTRUSTED, "tls.expired", "has expired on");
	server_release(&old);
}

static void
test_tls__options_with_plaintext_are_refused(void **state)
{
	struct froe_tls_options tls = {.ca_file = path_of("ca.pem")};
	struct froe_client_options options = {.address = server.address, .tls = &tls};
	struct froe_client *client;
	struct froe_error error;
	(void)state;
	assert_int_equal(froe_client_open(&options, &client, &error), FROE_INVALID_ARGUMENT);
	assert_string_equal(error.field, "tls");
}

/* A server without TLS: the client is not left to wait for an answer that never comes. */
static void
test_tls__a_server_without(void **state)
{
	struct server plain;
	struct froe_client *client;
	struct froe_error error;
	char address[64];
	(void)state;
	server_init(&plain);
	server_start(&plain);
	snprintf(address, sizeof(address), "tls://%s", plain.address);
	struct froe_client_options options = {.address = address};
	assert_int_equal(froe_client_open(&options, &client, &error), FROE_UNAVAILABLE);
	assert_non_null(strstr(error.text, "does it serve TLS"));
	server_release(&plain);
}

/* -------------------------------------------------------------------------- client certificates */

static void
test_tls__clients_with_certificates(void **state)
{
	char ca[CERTIFICATE_PATH_SIZE], cert[CERTIFICATE_PATH_SIZE], key[CERTIFICATE_PATH_SIZE];
	const char *const more[] = {
	    "--tls-client-ca", certificate_path(ca, dir, "ca", "pem"), NULL};
	struct froe_tls_options none = {.ca_file = ca};
	struct froe_tls_options stranger = {.ca_file = ca,
	    .cert_file = certificate_path(cert, dir, "stranger", "pem"),
	    .key_file = certificate_path(key, dir, "stranger", "key")};
	struct server strict;
	struct worker worker;
	struct peer peer;
	(void)state;
	secure_init(&strict, "server", more);
	server_start(&strict);
	secure_worker(&worker, &strict, "worker-7", &echoes);
	expect_result(worker.client, start_run(worker.client, "echo", "1"), "1");
	expect_refused(&strict, "localhost", &none, FROE_DENIED, "tls.cert_file", "wants a");
	expect_refused(&strict, "localhost", &stranger, FROE_DENIED, "tls.cert_file", "CA");
	worker_close(&worker);
	/* Plaintext would be a way around it, on loopback too. */
	struct froe_client_options options = {.address = strict.address};
	struct froe_client *client;
	struct froe_error error;
	assert_int_equal(froe_client_open(&options, &client, &error), FROE_FAILED_PRECONDITION);
	assert_non_null(strstr(error.text, "tls://HOST:PORT"));
	static const char get[] = "GET /healthz HTTP/1.1\r\nHost: froe\r\n\r\n";
	peer_init(&peer, &strict);
	assert_true(peer_send(&peer, get, sizeof(get) - 1));
	assert_true(peer_finish(&peer));
	buf_push(&peer.input, "", 1);
	assert_non_null(strstr((const char *)buf_bytes(&peer.input).data, "HTTP/1.1 400 "));
	assert_non_null(strstr((const char *)buf_bytes(&peer.input).data, "https://"));
	peer_release(&peer);
	server_release(&strict);
}

static void
test_tls__optional_certificates(void **state)
{
	char ca[CERTIFICATE_PATH_SIZE];
	const char *const more[] = {"--tls-client-ca", certificate_path(ca, dir, "ca", "pem"),
	    "--tls-client", "optional", NULL};
	char cert[CERTIFICATE_PATH_SIZE], key[CERTIFICATE_PATH_SIZE];
	struct froe_tls_options stranger = {.ca_file = ca,
	    .cert_file = certificate_path(cert, dir, "stranger", "pem"),
	    .key_file = certificate_path(key, dir, "stranger", "key")};
	struct server mild;
	(void)state;
	secure_init(&mild, "server", more);
	server_start(&mild);
	froe_client_close(secure_client(&mild, NULL));
	froe_client_close(secure_client(&mild, "worker-7"));
	expect_refused(&mild, "localhost", &stranger, FROE_DENIED, "tls.cert_file", "CA");
	server_release(&mild);
}

/* ------------------------------------------------------------------- a client that is not ours */

struct foreign {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
};

static void
foreign_open(struct foreign *foreign, const struct server *to, int version)
{
	struct timeval limit = {.tv_sec = 10};
	foreign->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(foreign->context, 0); /* even what nobody should speak */
	if (version != 0) {
		SSL_CTX_set_min_proto_version(foreign->context, version);
		SSL_CTX_set_max_proto_version(foreign->context, version);
	}
	foreign->ssl = SSL_new(foreign->context);
	foreign->fd = socket_open(to);
	assert_int_equal(fcntl(foreign->fd, F_SETFL, 0), 0);
	setsockopt(foreign->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	SSL_set_fd(foreign->ssl, foreign->fd);
}

static void
foreign_release(struct foreign *foreign)
{
	SSL_free(foreign->ssl);
	SSL_CTX_free(foreign->context);
	close(foreign->fd);
}

static void
test_tls__only_1_3(void **state)
{
	static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION};
	struct foreign foreign;
	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		foreign_open(&foreign, &server, versions[i]);
		ERR_clear_error();
		assert_true(SSL_connect(foreign.ssl) <= 0);
		assert_int_equal(
		    ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
		foreign_release(&foreign);
	}
	foreign_open(&foreign, &server, 0);
	assert_int_equal(SSL_connect(foreign.ssl), 1);
	assert_int_equal(SSL_version(foreign.ssl), TLS1_3_VERSION);
	assert_null(SSL_get_current_compression(foreign.ssl));
	foreign_release(&foreign);
}

static void
test_tls__http(void **state)
{
	static const char get[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
				  "Connection: close\r\n\r\n";
	struct foreign foreign;
	char text[2000];
	int size = 0, got;
	(void)state;
	foreign_open(&foreign, &server, 0);
	assert_int_equal(SSL_connect(foreign.ssl), 1);
	for (size_t i = 0; i < sizeof(get) - 1; i++)
		assert_int_equal(SSL_write(foreign.ssl, get + i, 1), 1);
	while ((got = SSL_read(foreign.ssl, text + size, (int)sizeof(text) - 1 - size)) > 0)
		size += got;
	text[size] = 0;
	assert_int_equal(SSL_get_error(foreign.ssl, got), SSL_ERROR_ZERO_RETURN); /* said so */
	assert_int_equal(strncmp(text, "HTTP/1.1 200 OK\r\n", 17), 0);
	foreign_release(&foreign);
}

/* What it carries is judged as ever: not a third protocol, nor TLS once more. */
static void
test_tls__nothing_else_within(void **state)
{
	static const char *const junk[] = {"SSH-2.0-x\r\n", "\x16\x03\x01\x02\x03", "\x01"};
	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		struct foreign foreign;
		char byte;
		foreign_open(&foreign, &server, 0);
		assert_int_equal(SSL_connect(foreign.ssl), 1);
		SSL_write(foreign.ssl, junk[i], (int)strlen(junk[i]));
		assert_true(SSL_read(foreign.ssl, &byte, 1) <= 0);
		foreign_release(&foreign);
	}
	froe_client_close(secure_client(&server, NULL));
}

static void
test_tls__slow_handshakes_are_cut(void **state)
{
	static const char *const more[] = {"--handshake", "400ms", NULL};
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	struct server hasty;
	struct foreign foreign;
	char byte;
	(void)state;
	secure_init(&hasty, "server", more);
	server_start(&hasty);
	for (size_t size = 1; size <= sizeof(hello) - 1; size += 5) {
		uint64_t began_ms = now_ms();
		foreign_open(&foreign, &hasty, 0);
		assert_int_equal(write(foreign.fd, hello, size), (ssize_t)size);
		assert_true(read(foreign.fd, &byte, 1) <= 0);
		uint64_t took_ms = now_ms() - began_ms;
		if (took_ms < 350 || took_ms > 3000)
			fail_msg("after %zu bytes: cut after %d ms", size, (int)took_ms);
		foreign_release(&foreign);
	}
	/* The same for who shakes hands and then says nothing. */
	uint64_t began_ms = now_ms();
	foreign_open(&foreign, &hasty, 0);
	assert_int_equal(SSL_connect(foreign.ssl), 1);
	assert_true(SSL_read(foreign.ssl, &byte, 1) <= 0);
	assert_true(now_ms() - began_ms >= 350 && now_ms() - began_ms < 3000);
	foreign_release(&foreign);
	server_release(&hasty);
}

/* ---------------------------------------------------------------------------------------- bounds
 */

#define HOARD_BYTES (2 * MIB)
#define HOARDERS 3u
#define HOARD_REQUESTS 1000u

/* A sanitizer keeps freed memory for a while. */
static bool
sanitized(void)
{
	char path[64], line[512];
	bool found = false;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)server.pid);
	FILE *maps = fopen(path, "r");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		found = found || strstr(line, "libasan") != NULL || strstr(line, "libtsan") != NULL;
	fclose(maps);
	return found;
}

/* Asks for megabytes a thousand times and reads nothing. */
static void
hoard(struct foreign *foreign, struct froe_id run)
{
	struct buf stream;
	Froe__Hello hello = FROE__HELLO__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	hello.has_version = get.has_run = get.has_payloads = get.payloads = 1;
	hello.version = 1;
	get.run = (ProtobufCBinaryData){.len = 16, .data = run.bytes};
	buf_init(&stream);
	buf_push(&stream, PREFACE, PREFACE_SIZE);
	frame_push(&stream, 1, FROE__ENVELOPE__BODY_HELLO, &hello);
	for (unsigned i = 0; i < HOARD_REQUESTS; i++)
		frame_push(&stream, 2 + i, FROE__ENVELOPE__BODY_RUN_GET, &get);
	foreign_open(foreign, &server, 0);
	assert_int_equal(SSL_connect(foreign->ssl), 1);
	assert_int_equal(
	    SSL_write(foreign->ssl, buf_bytes(&stream).data, (int)buf_used(&stream)),
	    (int)buf_used(&stream));
	buf_release(&stream);
}

static void
test_tls__never_reading_is_bounded(void **state)
{
	struct foreign foreign[HOARDERS];
	struct worker worker;
	char *text = malloc(HOARD_BYTES + 1);
	(void)state;
	memset(text, 'x', HOARD_BYTES);
	text[0] = text[HOARD_BYTES - 1] = '"';
	text[HOARD_BYTES] = 0;
	secure_worker(&worker, &server, NULL, &echoes);
	struct froe_id run = start_run(worker.client, "echo", text);
	expect_result(worker.client, run, text);
	froe_run_view_free(get_run(worker.client, run));
	size_t before = server_resident_bytes(&server), most = before;
	for (unsigned i = 0; i < HOARDERS; i++)
		hoard(&foreign[i], run);
	for (unsigned i = 0; i < 30; i++) {
		size_t now = server_resident_bytes(&server);
		most = now > most ? now : most;
		sleep_ms(20);
	}
	/* As in plaintext (hostile_test), where this is 47 MiB a connection. */
	size_t limit = (HOARDERS * 47 + 32) * MIB;
	if (sanitized())
		limit = limit * 10 + 256 * MIB;
	if (most - before > limit)
		fail_msg("%zu MiB for %u that do not read", (most - before) / MIB, HOARDERS);
	expect_result(worker.client, start_run(worker.client, "echo", "7"), "7");
	for (unsigned i = 0; i < HOARDERS; i++)
		foreign_release(&foreign[i]);
	worker_close(&worker);
	free(text);
}

/* --------------------------------------------------------------------------------- certificates */

static void
copy_as(const char *from, const char *suffix)
{
	char source[CERTIFICATE_PATH_SIZE], target[CERTIFICATE_PATH_SIZE], command[900];
	snprintf(command, sizeof(command), "cp -p '%s' '%s'",
	    certificate_path(source, dir, from, suffix),
	    certificate_path(target, dir, "current", suffix));
	assert_int_equal(system(command), 0);
}

static bool
trusts(const struct server *to)
{
	struct froe_tls_options tls = {.ca_file = path_of("ca.pem")};
	struct froe_client *client;
	bool trusted = secure_try(to, "localhost", &tls, &client, NULL) == FROE_OK;
	if (trusted)
		froe_client_close(client);
	return trusted;
}

/* SIGHUP is answered some time later; true: then they are as asked. */
static bool
becomes(const struct server *to, bool trusted)
{
	for (int i = 0; i < 200; i++) {
		if (trusts(to) == trusted)
			return true;
		sleep_ms(20);
	}
	return false;
}

static void
test_tls__sighup_renews(void **state)
{
	struct server renewed;
	(void)state;
	copy_as("expired", "pem");
	copy_as("expired", "key");
	secure_init(&renewed, "current", NULL);
	server_start(&renewed);
	assert_false(trusts(&renewed));
	copy_as("server", "pem");
	copy_as("server", "key");
	assert_int_equal(kill(renewed.pid, SIGHUP), 0);
	assert_true(becomes(&renewed, true));
	struct froe_client *client = secure_client(&renewed, NULL);
	/* What cannot be used changes nothing: the key is another's. */
	copy_as("expired", "pem");
	assert_int_equal(kill(renewed.pid, SIGHUP), 0);
	sleep_ms(200);
	assert_true(trusts(&renewed));
	/* Connections there are go on with what they have. */
	copy_as("expired", "key");
	assert_int_equal(kill(renewed.pid, SIGHUP), 0);
	assert_true(becomes(&renewed, false));
	struct froe_run_page *page;
	struct froe_list_options list = {.limit = 1};
	struct froe_error error;
	CALL(froe_run_list(client, &list, 5000, &page, &error), error);
	froe_run_page_free(page);
	froe_client_close(client);
	server_release(&renewed);
}

/* ---------------------------------------------------------------------------------- the command */

/* The exit status; what it said on standard error is in `said`. */
static int
command(char *said, size_t size, const char *format, ...)
{
	char line[2000], arguments[1500];
	va_list args;
	va_start(args, format);
	vsnprintf(arguments, sizeof(arguments), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "'%s' %s 2>&1 >/dev/null", server_binary(), arguments);
	FILE *pipe = popen(line, "r");
	assert_non_null(pipe);
	size_t got = fread(said, 1, size - 1, pipe);
	said[got] = 0;
	return WEXITSTATUS(pclose(pipe));
}

#define EXPECT(status, word, ...)                                                                  \
	do {                                                                                       \
		char said[2000];                                                                   \
		int ended = command(said, sizeof(said), __VA_ARGS__);                              \
		if (ended != (status) || strstr(said, word) == NULL)                               \
			fail_msg("status %d: %s", ended, said);                                    \
	} while (0)

static void
test_tls__the_command(void **state)
{
	(void)state;
	EXPECT(0, "", "runs list --address tls://localhost:%d --tls-ca '%s'", server.port,
	    path_of("ca.pem"));
	EXPECT(1, "(UNTRUSTED)", "runs list --address tls://localhost:%d", server.port);
	EXPECT(1, "not for froe", "runs list --address tls://localhost:%d --tls-ca '%s' "
	    "--tls-name froe", server.port, path_of("ca.pem"));
	EXPECT(2, "write --address tls://", "runs list --address localhost:%d --tls-ca '%s'",
	    server.port, path_of("ca.pem"));
	assert_int_equal(setenv("FROE_TLS_CA", path_of("ca.pem"), 1), 0);
	EXPECT(0, "", "runs list --address tls://localhost:%d", server.port);
	EXPECT(0, "", "runs list --address localhost:%d", server.port); /* not for this one */
	assert_int_equal(unsetenv("FROE_TLS_CA"), 0);
}

/* The owner's socket is not on any wire: it stays when all else must be encrypted. */
static void
test_tls__required_leaves_the_owner_in(void **state)
{
	static const char *const more[] = {"--tls", "required", NULL};
	struct server strict;
	(void)state;
	secure_init(&strict, "server", more);
	server_start(&strict);
	EXPECT(0, "", "token list --data '%s'", strict.dir);
	EXPECT(1, "wants TLS here", "runs list --address %s", strict.address);
	server_release(&strict);
}

static void
test_tls__what_a_server_does_not_start_with(void **state)
{
	static const char start[] = "server --auth off --data /nonexistent/froe";
	(void)state;
	EXPECT(2, "or say --tls off", "%s --listen 0.0.0.0:0", start);
	EXPECT(2, "given together", "%s --tls-cert x.pem", start);
	EXPECT(2, "needs a certificate", "%s --tls-client-ca x.pem", start);
	EXPECT(2, "needs a certificate", "%s --tls required", start);
	EXPECT(2, "leave one of them out", "%s --tls off --tls-cert a --tls-key b", start);
	EXPECT(2, "needs --tls-client-ca", "%s --tls-client optional --tls-cert a --tls-key b",
	    start);
	EXPECT(1, "No such file", "%s --tls-cert /nonexistent/a --tls-key /nonexistent/b", start);
	EXPECT(1, "mismatch", "%s --tls-cert '%s' --tls-key '%s'", start, path_of("server.pem"),
	    path_of("ca.key"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tls__a_workflow_through_kill_9),
	    cmocka_unit_test(test_tls__plaintext_beside_it),
	    cmocka_unit_test(test_tls__a_client_says_whom_it_refuses),
	    cmocka_unit_test(test_tls__options_with_plaintext_are_refused),
	    cmocka_unit_test(test_tls__a_server_without),
	    cmocka_unit_test(test_tls__clients_with_certificates),
	    cmocka_unit_test(test_tls__optional_certificates),
	    cmocka_unit_test(test_tls__only_1_3),
	    cmocka_unit_test(test_tls__http),
	    cmocka_unit_test(test_tls__nothing_else_within),
	    cmocka_unit_test(test_tls__slow_handshakes_are_cut),
	    cmocka_unit_test(test_tls__never_reading_is_bounded),
	    cmocka_unit_test(test_tls__sighup_renews),
	    cmocka_unit_test(test_tls__the_command),
	    cmocka_unit_test(test_tls__required_leaves_the_owner_in),
	    cmocka_unit_test(test_tls__what_a_server_does_not_start_with),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("tls", tests, setup, teardown);
}
