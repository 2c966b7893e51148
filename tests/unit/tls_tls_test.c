/*
 * A server and a client in memory: what passes, in which pieces, and who is refused why.
 */
#include "tls_world.h"

#include "base/mem.h"

#include <openssl/ssl.h>

static int
setup(void **state)
{
	(void)state;
	tls_world_open();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tls_world_close();
	return 0;
}

static void
say(struct tls *from, const char *text)
{
	assert_int_equal(tls_write(from, bytes_text(text)), strlen(text));
}

static void
expect_plain(const struct buf *plain, const char *text)
{
	assert_true(bytes_equal(buf_bytes(plain), bytes_text(text)));
}

/* ---------------------------------------------------------------------------------- what passes */

static void
test_tls__both_ways_and_an_end(void **state)
{
	struct pair pair;
	(void)state;
	pair_default(&pair);
	assert_int_equal(tls_write(pair.client, bytes_text("early")), 0); /* not yet */
	pair_shake(&pair);
	assert_string_equal(tls_protocol(pair.server), "froe/1");
	assert_string_equal(tls_protocol(pair.client), "froe/1");
	assert_string_equal(tls_peer(pair.client), "CN=server");
	assert_string_equal(tls_peer(pair.server), "");
	say(pair.client, "question");
	say(pair.server, "answer");
	pair_run(&pair, SIZE_MAX);
	expect_plain(&pair.server_plain, "question");
	expect_plain(&pair.client_plain, "answer");
	tls_finish(pair.client);
	tls_finish(pair.client);
	pair_run(&pair, SIZE_MAX);
	assert_int_equal(tls_state(pair.server), TLS_ENDED);
	assert_int_equal(tls_state(pair.client), TLS_OPEN);
	assert_int_equal(tls_write(pair.client, bytes_text("more")), 0);
	say(pair.server, ", the rest"); /* who has said the end still reads */
	tls_finish(pair.server);
	pair_run(&pair, SIZE_MAX);
	expect_plain(&pair.client_plain, "answer, the rest");
	assert_int_equal(tls_state(pair.client), TLS_ENDED);
	pair_release(&pair);
}

/* In pieces of each size that is smaller than a flight, and split once at each of its bytes. */
static void
test_tls__split_anywhere(void **state)
{
	static const size_t pieces[] = {1, 2, 3, 5, 7, 11, 64, 509};
	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct pair pair;
		pair_default(&pair);
		pair_run(&pair, pieces[i]);
		say(pair.client, "question");
		pair_run(&pair, pieces[i]);
		expect_plain(&pair.server_plain, "question");
		pair_release(&pair);
	}
}

static void
test_tls__first_flight_split_at_every_byte(void **state)
{
	size_t size = 2;
	(void)state;
	for (size_t at = 1; at < size; at++) {
		struct pair pair;
		pair_default(&pair);
		struct buf *flight = tls_output(pair.client);
		size = buf_used(flight);
		tls_feed(pair.server, buf_bytes(flight).data, at);
		tls_step(pair.server, &pair.server_plain, SIZE_MAX);
		assert_int_equal(tls_output_used(pair.server), 0);
		assert_int_equal(tls_unread(pair.server), 0);
		buf_pop(flight, at);
		pair_shake(&pair);
		pair_release(&pair);
	}
}

/* Records and handshake messages have borders of their own. */
static void
test_tls__records_split_and_joined(void **state)
{
	struct pair pair;
	(void)state;
	pair_default(&pair);
	pair_shake(&pair);
	for (int i = 0; i < 100; i++)
		say(pair.client, "0123456789");
	for (size_t piece = 1; tls_output_used(pair.client) > 0; piece++) {
		struct bytes bytes = buf_bytes(tls_output(pair.client));
		size_t size = bytes.size < piece ? bytes.size : piece;
		tls_feed(pair.server, bytes.data, size);
		buf_pop(tls_output(pair.client), size);
		tls_step(pair.server, &pair.server_plain, SIZE_MAX);
		assert_int_equal(tls_unread(pair.server), 0);
	}
	assert_int_equal(buf_used(&pair.server_plain), 1000);
	pair_release(&pair);
}

static void
test_tls__bounds(void **state)
{
	static uint8_t data[1 << 20];
	struct pair pair;
	size_t sent = 0, input_max = 100000;
	(void)state;
	pair_default(&pair);
	pair_shake(&pair);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	while (buf_used(&pair.server_plain) < sizeof(data)) {
		/* The writer is held back by its output, not by memory. */
		sent += tls_write(pair.client, bytes_of(data + sent, sizeof(data) - sent));
		assert_true(tls_output_used(pair.client) < TLS_OUTPUT_HIGH + 17000);
		assert_int_equal(tls_write(pair.client, bytes_of(data + sent, 0)), 0);
		struct buf *output = tls_output(pair.client);
		tls_feed(pair.server, buf_bytes(output).data, buf_used(output));
		buf_reset(output);
		/* The reader takes what it has room for; the rest waits encrypted. */
		while (tls_unread(pair.server) > 0) {
			size_t before = buf_used(&pair.server_plain);
			tls_step(pair.server, &pair.server_plain, before + 1);
			assert_true(buf_used(&pair.server_plain) <= before + 16384);
			assert_true(buf_used(&pair.server_plain) > before);
		}
	}
	assert_true(bytes_equal(buf_bytes(&pair.server_plain), bytes_of(data, sizeof(data))));
	assert_true(tls_held_bytes(pair.server) > input_max);
	tls_trim(pair.server, SIZE_MAX);
	assert_true(tls_held_bytes(pair.server) > input_max);
	tls_trim(pair.server, 0);
	tls_trim(pair.client, 0);
	assert_int_equal(tls_held_bytes(pair.server), 0);
	assert_int_equal(tls_held_bytes(pair.client), 0);
	pair_release(&pair);
}

/* Small records cost more than they weigh: a step takes so many, and the next one goes on. */
static void
test_tls__records_of_a_step(void **state)
{
	struct pair pair;
	(void)state;
	pair_default(&pair);
	pair_shake(&pair);
	for (unsigned i = 0; i < TLS_STEP_RECORDS_MAX + 10; i++)
		say(pair.client, "x");
	struct buf *output = tls_output(pair.client);
	tls_feed(pair.server, buf_bytes(output).data, buf_used(output));
	tls_step(pair.server, &pair.server_plain, SIZE_MAX);
	assert_int_equal(buf_used(&pair.server_plain), TLS_STEP_RECORDS_MAX);
	tls_step(pair.server, &pair.server_plain, SIZE_MAX);
	assert_int_equal(buf_used(&pair.server_plain), TLS_STEP_RECORDS_MAX + 10);
	assert_int_equal(tls_unread(pair.server), 0);
	pair_release(&pair);
}

/* While the other side takes nothing, nothing is taken in that would be answered. */
static void
test_tls__no_input_above_the_output_bound(void **state)
{
	static uint8_t data[1 << 18];
	struct pair pair;
	(void)state;
	pair_default(&pair);
	pair_shake(&pair);
	say(pair.client, "question");
	assert_true(tls_write(pair.server, bytes_of(data, sizeof(data))) < sizeof(data));
	struct buf *output = tls_output(pair.client);
	tls_feed(pair.server, buf_bytes(output).data, buf_used(output));
	tls_step(pair.server, &pair.server_plain, SIZE_MAX);
	assert_int_equal(buf_used(&pair.server_plain), 0);
	assert_true(tls_unread(pair.server) > 0);
	buf_reset(tls_output(pair.server));
	tls_step(pair.server, &pair.server_plain, SIZE_MAX);
	expect_plain(&pair.server_plain, "question");
	pair_release(&pair);
}

/* ----------------------------------------------------------------------------- what is refused */

static void
expect_failed(const struct tls *tls, enum froe_err code, const char *field, const char *word)
{
	assert_int_equal(tls_state(tls), TLS_FAILED);
	const struct froe_fault *fault = tls_fault(tls);
	if (fault->code != code || strcmp(fault->field, field) != 0 ||
	    strstr(fault->text, word) == NULL)
		fail_msg("%s: %s: %s", froe_err_name(fault->code), fault->field, fault->text);
}

static void
test_tls__garbage(void **state)
{
	static const char *const junk[] = {"GET / HTTP/1.1\r\n\r\n",
	    "\x16\x03\x01\x00\x05\x00\x00\x00\x00\x00\x00", "\x16\x03\x01\x48\x01",
	    "\x17\x03\x03\x00\x10 0123456789abcdef", "\x15\x03\x03\x00\x02\x02\x28"};
	static const size_t sizes[] = {18, 10, 5, 21, 7};
	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		struct pair pair;
		pair_default(&pair);
		tls_feed(pair.server, junk[i], sizes[i]);
		tls_step(pair.server, &pair.server_plain, SIZE_MAX);
		if (tls_state(pair.server) != TLS_FAILED)
			fail_msg("junk %zu is taken", i);
		assert_int_equal(tls_held_bytes(pair.server), tls_output(pair.server)->capacity);
		tls_feed(pair.server, "more", 4);
		assert_int_equal(tls_unread(pair.server), 0);
		assert_int_equal(tls_write(pair.server, bytes_text("more")), 0);
		tls_finish(pair.server);
		pair_release(&pair);
	}
}

/* A bit of one byte is turned over, at each place of what the client sends in all. */
static void
test_tls__no_damaged_byte_is_believed(void **state)
{
	size_t size = 1000;
	(void)state;
	for (size_t at = 0; at < size; at += 3) {
		struct pair pair;
		size_t sent = 0;
		bool some = true;
		pair_default(&pair);
		while (some) {
			struct buf *output = tls_output(pair.client);
			some = buf_used(output) > 0;
			if (at >= sent && at < sent + buf_used(output))
				output->data[output->head + at - sent] ^= 0x10;
			sent += buf_used(output);
			carry(pair.client, pair.server, &pair.server_plain, SIZE_MAX);
			carry(pair.server, pair.client, &pair.client_plain, SIZE_MAX);
		}
		bool open = tls_state(pair.server) == TLS_OPEN &&
		    tls_state(pair.client) == TLS_OPEN;
		if (open && at < sent && at >= 3) /* by rule a record's version is ignored */
			fail_msg("byte %zu of %zu is not looked at", at, sent);
		if (open) /* behind the last one: so many there are */
			size = sent;
		pair_release(&pair);
	}
	assert_true(size > 200 && size < 1000);
}

static void
test_tls__damaged_record(void **state)
{
	struct pair pair;
	(void)state;
	pair_default(&pair);
	pair_shake(&pair);
	say(pair.client, "a");
	say(pair.client, "b");
	struct buf *output = tls_output(pair.client);
	output->data[output->size - 1] ^= 1;
	carry(pair.client, pair.server, &pair.server_plain, SIZE_MAX);
	expect_plain(&pair.server_plain, "a");
	expect_failed(pair.server, FROE_PROTOCOL, "tls", "TLS: ");
	assert_true(tls_output_used(pair.server) > 0); /* an alert */
	carry(pair.server, pair.client, &pair.client_plain, SIZE_MAX);
	assert_int_equal(tls_state(pair.client), TLS_FAILED);
	pair_release(&pair);
}

/* A ClientHello that never ends, in records of the largest size. */
static void
test_tls__oversized_handshake(void **state)
{
	static uint8_t record[5 + 16384] = {0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x01, 0xff, 0xff};
	struct pair pair;
	int records = 0;
	(void)state;
	pair_default(&pair);
	while (tls_state(pair.server) == TLS_SHAKING) {
		tls_feed(pair.server, record, sizeof(record));
		tls_step(pair.server, &pair.server_plain, SIZE_MAX);
		memset(record + 5, 0, 4);
		assert_true(++records <= 5);
	}
	expect_failed(pair.server, FROE_TOO_LARGE, "", "larger than 65536 bytes");
	pair_release(&pair);
}

/* ------------------------------------------------------------- a client that is not one of ours */

struct foreign {
	SSL_CTX *context;
	SSL *ssl;
	BIO *to;   /* what it reads */
	BIO *from; /* what it wrote */
};

static void
foreign_open(struct foreign *foreign, int version_max, const char *protocols)
{
	foreign->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(foreign->context, version_max);
	if (protocols != NULL)
		SSL_CTX_set_alpn_protos(foreign->context, (const unsigned char *)protocols,
		    (unsigned)strlen(protocols));
	foreign->ssl = SSL_new(foreign->context);
	foreign->to = BIO_new(BIO_s_mem());
	foreign->from = BIO_new(BIO_s_mem());
	SSL_set_bio(foreign->ssl, foreign->to, foreign->from);
	SSL_set_connect_state(foreign->ssl);
}

static void
foreign_release(struct foreign *foreign)
{
	SSL_free(foreign->ssl);
	SSL_CTX_free(foreign->context);
}

static void
foreign_send(struct foreign *foreign, struct tls *server, struct buf *plain)
{
	char piece[4096];
	int size;
	while ((size = BIO_read(foreign->from, piece, sizeof(piece))) > 0)
		tls_feed(server, piece, (size_t)size);
	do {
		tls_step(server, plain, SIZE_MAX);
	} while (tls_unread(server) > 0);
}

static bool
foreign_shake(struct foreign *foreign, struct tls *server, struct buf *plain)
{
	for (int i = 0; i < 4; i++) {
		SSL_do_handshake(foreign->ssl);
		foreign_send(foreign, server, plain);
		struct buf *output = tls_output(server);
		if (buf_used(output) > 0)
			BIO_write(foreign->to, buf_bytes(output).data, (int)buf_used(output));
		buf_reset(output);
	}
	return SSL_is_init_finished(foreign->ssl) && tls_state(server) == TLS_OPEN;
}

static void
test_tls__only_1_3(void **state)
{
	struct foreign foreign;
	struct pair pair;
	(void)state;
	pair_default(&pair);
	foreign_open(&foreign, TLS1_2_VERSION, NULL);
	assert_false(foreign_shake(&foreign, pair.server, &pair.server_plain));
	expect_failed(pair.server, FROE_UNSUPPORTED, "tls", "TLS 1.3");
	foreign_release(&foreign);
	pair_release(&pair);
}

static void
test_tls__nothing_to_resume(void **state)
{
	struct foreign foreign;
	struct pair pair;
	char one;
	(void)state;
	pair_default(&pair);
	foreign_open(&foreign, TLS1_3_VERSION, NULL);
	assert_true(foreign_shake(&foreign, pair.server, &pair.server_plain));
	assert_int_equal(SSL_version(foreign.ssl), TLS1_3_VERSION);
	assert_string_equal(tls_protocol(pair.server), "");
	say(pair.server, "x");
	BIO_write(foreign.to, buf_bytes(tls_output(pair.server)).data,
	    (int)tls_output_used(pair.server));
	assert_int_equal(SSL_read(foreign.ssl, &one, 1), 1);
	assert_false(SSL_SESSION_is_resumable(SSL_get_session(foreign.ssl)));
	assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get_session(foreign.ssl)), 0);
	foreign_release(&foreign);
	pair_release(&pair);
}

static void
test_tls__protocols(void **state)
{
	static const struct {
		const char *offered;
		const char *chosen; /* NULL: refused */
	} cases[] = {
	    {"\x02h2\x08http/1.1", "http/1.1"},
	    {"\x08http/1.1", "http/1.1"},
	    {"\x06" "froe/1", "froe/1"},
	    {"\x02h2", "h2"},
	    {"\x07smtp/25", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct foreign foreign;
		struct pair pair;
		pair_default(&pair);
		foreign_open(&foreign, TLS1_3_VERSION, cases[i].offered);
		bool shaken = foreign_shake(&foreign, pair.server, &pair.server_plain);
		assert_int_equal(shaken, cases[i].chosen != NULL);
		if (shaken)
			assert_string_equal(tls_protocol(pair.server), cases[i].chosen);
		foreign_release(&foreign);
		pair_release(&pair);
	}
}

/* A key update costs us more than whoever asks for it. Between data they are welcome. */
static void
test_tls__key_updates_are_counted(void **state)
{
	struct foreign foreign;
	struct pair pair;
	(void)state;
	pair_default(&pair);
	foreign_open(&foreign, TLS1_3_VERSION, NULL);
	assert_true(foreign_shake(&foreign, pair.server, &pair.server_plain));
	for (unsigned i = 0; i < 2 * TLS_EMPTY_RECORDS_MAX; i++) {
		assert_int_equal(SSL_key_update(foreign.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(foreign.ssl), 1);
		assert_int_equal(SSL_write(foreign.ssl, "x", 1), 1);
	}
	foreign_send(&foreign, pair.server, &pair.server_plain);
	assert_int_equal(tls_state(pair.server), TLS_OPEN);
	assert_int_equal(buf_used(&pair.server_plain), 2 * TLS_EMPTY_RECORDS_MAX);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(SSL_key_update(foreign.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(foreign.ssl), 1);
	}
	foreign_send(&foreign, pair.server, &pair.server_plain);
	expect_failed(pair.server, FROE_PROTOCOL, "", "carry no data");
	assert_true(tls_output_used(pair.server) < TLS_OUTPUT_HIGH);
	foreign_release(&foreign);
	pair_release(&pair);
}

/* --------------------------------------------------------------------------------- certificates */

struct trust {
	const char *server;
	const char *ca;
	const char *host;
	const char *field; /* NULL: trusted */
	const char *word;
};

static void
test_tls__whom_a_client_trusts(void **state)
{
	static const struct trust cases[] = {
	    {"server", "ca", "localhost", NULL, NULL},
	    {"server", "ca", "froe.example", NULL, NULL},
	    {"server", "ca", "127.0.0.1", NULL, NULL},
	    {"server", "ca", "::1", NULL, NULL},
	    {"alone", "alone", "localhost", NULL, NULL},
	    {"server", "server", "localhost", NULL, NULL}, /* just this one */
	    {"server", "ca", "localhost.evil.example", "tls.server_name",
	        "is for localhost, froe.example, 127.0.0.1"},
	    {"server", "ca", "127.0.0.2", "tls.server_name", "not for 127.0.0.2"},
	    {"nameless", "ca", "nameless", "tls.server_name", "no subjectAltName"},
	    {"server", "other", "localhost", "tls.ca_file", "signed by (CN=ca)"},
	    {"server", NULL, "localhost", "tls.ca_file", "--tls-ca"},
	    {"alone", "ca", "localhost", "tls.ca_file", "signed by (CN=alone)"},
	    {"expired", "ca", "localhost", "tls.expired", "(CN=expired) has expired on 20"},
	    {"early", "ca", "localhost", "tls.not_yet", "not valid before 20"},
	    {"worker-7", "ca", "worker-7", "tls", "unsuitable certificate purpose"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair pair;
		pair_open(&pair, context_open(true, cases[i].server, NULL, TLS_ASK_REQUIRED),
		    context_open(false, NULL, cases[i].ca, TLS_ASK_REQUIRED), cases[i].host);
		pair_run(&pair, SIZE_MAX);
		if (cases[i].field == NULL) {
			if (tls_state(pair.client) != TLS_OPEN)
				fail_msg("case %zu: %s", i, tls_fault(pair.client)->text);
		} else {
			expect_failed(pair.client, FROE_UNTRUSTED, cases[i].field, cases[i].word);
			assert_int_equal(tls_state(pair.server), TLS_FAILED); /* it was told */
		}
		pair_release(&pair);
	}
}

struct asked {
	enum tls_ask ask;
	const char *client;
	const char *field; /* of the server's fault; NULL: taken */
	const char *word;
};

static void
test_tls__whom_a_server_trusts(void **state)
{
	static const struct asked cases[] = {
	    {TLS_ASK_REQUIRED, "worker-7", NULL, NULL},
	    {TLS_ASK_OPTIONAL, "worker-7", NULL, NULL},
	    {TLS_ASK_OPTIONAL, NULL, NULL, NULL},
	    {TLS_ASK_REQUIRED, NULL, "tls", "has shown no certificate"},
	    {TLS_ASK_REQUIRED, "stranger", "tls.ca_file", "signed by (CN=other)"},
	    {TLS_ASK_OPTIONAL, "stranger", "tls.ca_file", "--tls-client-ca"},
	    {TLS_ASK_REQUIRED, "expired", "tls.expired", "the client's certificate"},
	    {TLS_ASK_OPTIONAL, "expired", "tls.expired", "expired"},
	    {TLS_ASK_REQUIRED, "server", "tls", "purpose"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pair pair;
		pair_open(&pair, context_open(true, "server", "ca", cases[i].ask),
		    context_open(false, cases[i].client, "ca", TLS_ASK_REQUIRED), "localhost");
		pair_run(&pair, SIZE_MAX);
		if (cases[i].field == NULL) {
			assert_int_equal(tls_state(pair.server), TLS_OPEN);
			assert_string_equal(tls_peer(pair.server),
			    cases[i].client != NULL ? "CN=worker-7" : "");
		} else {
			expect_failed(pair.server, FROE_UNTRUSTED, cases[i].field, cases[i].word);
			assert_int_equal(buf_used(&pair.server_plain), 0);
			assert_int_equal(tls_state(pair.client), TLS_FAILED);
			assert_int_equal(tls_fault(pair.client)->code, FROE_DENIED);
			assert_string_equal(tls_fault(pair.client)->field, "tls.cert_file");
		}
		pair_release(&pair);
	}
}

/* ---------------------------------------------------------------------------------------- files */

static void
expect_refused(const struct tls_options *options, const char *field, const char *word)
{
	struct tls_context *context;
	struct froe_fault fault;
	assert_true(tls_context_open(&context, options, &fault) != FROE_OK);
	if (strcmp(fault.field, field) != 0 || strstr(fault.text, word) == NULL)
		fail_msg("%s: %s", fault.field, fault.text);
}

static void
test_tls__files(void **state)
{
	char cert[CERTIFICATE_PATH_SIZE], key[CERTIFICATE_PATH_SIZE], none[CERTIFICATE_PATH_SIZE];
	char other[CERTIFICATE_PATH_SIZE];
	struct tls_options options = {.server = true,
	    .cert_file = certificate_path(cert, tls_dir, "server", "pem"),
	    .key_file = certificate_path(key, tls_dir, "server", "key")};
	(void)state;
	certificate_path(none, tls_dir, "none", "pem");
	expect_refused(&(struct tls_options){.server = true}, "tls.cert_file", "needs");
	expect_refused(&(struct tls_options){.cert_file = cert}, "tls.key_file", "together");
	expect_refused(&(struct tls_options){.key_file = key}, "tls.cert_file", "together");
	expect_refused(&(struct tls_options){.ca_file = none}, "tls.ca_file", "No such file");
	expect_refused(&(struct tls_options){.ca_file = key}, "tls.ca_file", "not a PEM file with");
	options.cert_file = none;
	expect_refused(&options, "tls.cert_file", "none.pem: No such file");
	options.cert_file = key;
	expect_refused(&options, "tls.cert_file", "not a PEM file with a certificate");
	options.cert_file = cert;
	options.key_file = certificate_path(other, tls_dir, "alone", "key");
	expect_refused(&options, "tls.key_file", "mismatch");
	options.cert_file = certificate_path(none, tls_dir, "locked", "pem");
	options.key_file = certificate_path(other, tls_dir, "locked", "key");
	expect_refused(&options, "tls.key_file", "passphrase");
	options.cert_file = cert;
	options.key_file = key;
	assert_int_equal(chmod(key, 0644), 0);
	expect_refused(&options, "tls.key_file", "chmod o=");
	assert_int_equal(chmod(key, 0640), 0);
	struct tls_context *context = context_open(true, "server", NULL, TLS_ASK_REQUIRED);
	int64_t left_s = tls_context_expires_s(context) - time(NULL);
	assert_true(left_s > 9 * DAY_S && left_s <= 10 * DAY_S);
	tls_context_close(context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tls__both_ways_and_an_end),
	    cmocka_unit_test(test_tls__split_anywhere),
	    cmocka_unit_test(test_tls__first_flight_split_at_every_byte),
	    cmocka_unit_test(test_tls__records_split_and_joined),
	    cmocka_unit_test(test_tls__bounds),
	    cmocka_unit_test(test_tls__records_of_a_step),
	    cmocka_unit_test(test_tls__no_input_above_the_output_bound),
	    cmocka_unit_test(test_tls__garbage),
	    cmocka_unit_test(test_tls__no_damaged_byte_is_believed),
	    cmocka_unit_test(test_tls__damaged_record),
	    cmocka_unit_test(test_tls__oversized_handshake),
	    cmocka_unit_test(test_tls__only_1_3),
	    cmocka_unit_test(test_tls__nothing_to_resume),
	    cmocka_unit_test(test_tls__protocols),
	    cmocka_unit_test(test_tls__key_updates_are_counted),
	    cmocka_unit_test(test_tls__whom_a_client_trusts),
	    cmocka_unit_test(test_tls__whom_a_server_trusts),
	    cmocka_unit_test(test_tls__files),
	};
	return cmocka_run_group_tests_name("tls", tests, setup, teardown);
}
