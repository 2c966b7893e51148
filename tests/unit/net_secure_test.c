/*
 * A conn with TLS between its buffers and the wire; the other side is a client's struct tls.
 */
#include "net/conn.h"

#include "base/duration.h"
#include "net_fake.h"
#include "tls_world.h"

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
	struct tls *peer;
	struct buf heard; /* by the peer */
};

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

/* Steps what is ready, as a loop would in its turns; the owner is the test. */
static void
settle(struct world *w)
{
	struct list *node;
	while (!list_empty(&w->set.ready)) {
		conn_set_turn(&w->set);
		node = list_pop(&w->set.ready);
		struct conn *conn = container_of(node, struct conn, ready);
		conn_step(conn);
		conn_settle(conn);
		while ((node = list_pop(&w->set.output)) != NULL)
			conn_send(container_of(node, struct conn, output));
	}
	while ((node = list_pop(&w->set.output)) != NULL)
		conn_send(container_of(node, struct conn, output));
}

static void
world_open(struct world *w, struct tls_context *server, struct tls_context *client)
{
	*w = (struct world){.peer = tls_new(client, "localhost")};
	fake_init(&w->fake);
	conn_set_init(&w->set, &w->fake.io);
	conn_open(&w->conn, &w->set, FAKE_SOCKET, bytes_of(NULL, 0));
	settle(w);
	conn_secure(&w->conn, tls_new(server, NULL));
	tls_context_close(server);
	tls_context_close(client);
	settle(w);
}

/* The peer sends what it has to send. */
static void
peer_send(struct world *w)
{
	struct buf *output = tls_output(w->peer);
	if (buf_used(output) > 0 &&
	    fake_feed(&w->fake, buf_bytes(output).data, buf_used(output)))
		buf_reset(output);
	settle(w);
}

/* The peer reads all there is, and answers. */
static void
peer_read(struct world *w)
{
	while (fake_take(&w->fake, SIZE_MAX) > 0)
		settle(w);
	tls_feed(w->peer, buf_bytes(&w->fake.wire).data, buf_used(&w->fake.wire));
	buf_reset(&w->fake.wire);
	tls_step(w->peer, &w->heard, SIZE_MAX);
	peer_send(w);
}

static void
world_shake(struct world *w)
{
	peer_send(w);
	peer_read(w);
	assert_int_equal(tls_state(w->peer), TLS_OPEN);
	assert_int_equal(tls_state(w->conn.tls), TLS_OPEN);
	assert_int_equal(w->conn.state, CONN_OPENING);
	conn_serve(&w->conn, CONN_NATIVE);
	conn_timer_stop(&w->conn, CONN_TIMER_HEAD);
}

static void
world_default(struct world *w)
{
	world_open(w, context_open(true, "server", NULL, TLS_ASK_REQUIRED),
	    context_open(false, NULL, "ca", TLS_ASK_REQUIRED));
	world_shake(w);
}

static void
advance(struct world *w, uint64_t ms)
{
	w->fake.now_ns += ms * NS_PER_MS;
	conn_set_expire(&w->set, w->fake.now_ns);
	settle(w);
}

static void
world_close(struct world *w)
{
	conn_abort(&w->conn, CONN_CLOSE_DONE);
	for (int i = 0; i < 3 && w->conn.state != CONN_CLOSED; i++) {
		settle(w);
		fake_turn(&w->fake);
	}
	assert_int_equal(w->conn.state, CONN_CLOSED);
	assert_int_equal(w->fake.closed, 1);
	conn_release(&w->conn);
	fake_release(&w->fake);
	tls_free(w->peer);
	buf_release(&w->heard);
}

static uint64_t
closed(const struct world *w, enum conn_close reason)
{
	struct conn_stats stats;
	conn_set_stats(&w->set, &stats);
	return stats.closed[reason];
}

/* ---------------------------------------------------------------------------------- what passes */

static void
test_secure__bytes_in_and_out(void **state)
{
	struct world w;
	(void)state;
	world_default(&w);
	tls_write(w.peer, bytes_text("hello"));
	peer_send(&w);
	assert_true(bytes_equal(buf_bytes(&w.conn.input), bytes_text("hello")));
	buf_pop(&w.conn.input, 5);
	buf_push_text(conn_output(&w.conn), "one");
	settle(&w);
	buf_push_text(conn_output(&w.conn), "two"); /* while "one" is lent to the kernel */
	settle(&w);
	assert_int_equal(conn_output_used(&w.conn), w.fake.sending_size + 3);
	peer_read(&w);
	assert_true(bytes_equal(buf_bytes(&w.heard), bytes_text("onetwo")));
	assert_int_equal(conn_output_used(&w.conn), 0);
	struct conn_stats stats;
	conn_set_stats(&w.set, &stats);
	assert_int_equal(stats.secured, 1);
	assert_string_equal(conn_subject(&w.conn), "");
	world_close(&w);
}

static void
test_secure__who_it_is(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, context_open(true, "server", "ca", TLS_ASK_REQUIRED),
	    context_open(false, "worker-7", "ca", TLS_ASK_REQUIRED));
	assert_string_equal(conn_subject(&w.conn), "");
	world_shake(&w);
	assert_string_equal(conn_subject(&w.conn), "CN=worker-7");
	world_close(&w);
}

static void
test_secure__bytes_that_came_before(void **state)
{
	struct world w;
	struct tls_context *server = context_open(true, "server", NULL, TLS_ASK_REQUIRED);
	(void)state;
	w = (struct world){0};
	struct tls_context *client = context_open(false, NULL, "ca", TLS_ASK_REQUIRED);
	w.peer = tls_new(client, "localhost");
	fake_init(&w.fake);
	conn_set_init(&w.set, &w.fake.io);
	/* Handed over with a part of the first flight. */
	conn_open(&w.conn, &w.set, FAKE_SOCKET, bytes_of(buf_bytes(tls_output(w.peer)).data, 3));
	buf_pop(tls_output(w.peer), 3);
	conn_secure(&w.conn, tls_new(server, NULL));
	tls_context_close(server);
	tls_context_close(client);
	settle(&w);
	world_shake(&w);
	world_close(&w);
}

/* --------------------------------------------------------------------------------------- bounds */

static void
test_secure__a_reader_that_never_reads(void **state)
{
	static uint8_t data[1 << 14];
	struct world w;
	size_t pushed = 0;
	(void)state;
	world_default(&w);
	while (!conn_choked(&w.conn)) {
		buf_push(conn_output(&w.conn), data, sizeof(data));
		pushed += sizeof(data);
		settle(&w);
	}
	/* What is encrypted is bounded, and so is the sum: as without TLS, and a little more. */
	assert_true(pushed > CONN_OUTPUT_HIGH / 2 && pushed <= CONN_OUTPUT_HIGH + sizeof(data));
	assert_true(w.fake.sending_size <= TLS_OUTPUT_HIGH + 17000);
	assert_true(conn_held_bytes(&w.conn) <= 3 * CONN_OUTPUT_HIGH);
	/* Its own requests are taken in, but their answers make it no worse. */
	fake_take(&w.fake, 10);
	settle(&w);
	assert_true(conn_choked(&w.conn));
	peer_read(&w);
	assert_int_equal(buf_used(&w.heard), pushed);
	assert_false(conn_choked(&w.conn));
	assert_true(conn_held_bytes(&w.conn) <= 3 * CONN_BUFFER_KEPT);
	world_close(&w);
}

/* While the owner takes nothing, so much is decrypted, so much waits encrypted, and no more. */
static void
test_secure__held_input_is_bounded(void **state)
{
	static uint8_t data[4000];
	struct world w;
	size_t sent = 0;
	(void)state;
	world_default(&w);
	w.conn.held = true;
	while (!w.fake.receive_cancelled) {
		sent += tls_write(w.peer, bytes_of(data, sizeof(data)));
		peer_send(&w);
		assert_true(sent < 4 * CONN_INPUT_HIGH);
	}
	fake_turn(&w.fake);
	settle(&w);
	assert_null(w.fake.receive);
	assert_true(buf_used(&w.conn.input) < CONN_INPUT_HIGH + sizeof(data));
	assert_true(tls_unread(w.conn.tls) < CONN_INPUT_HIGH + 2 * sizeof(data));
	/* As it takes some, the next comes, without anything arriving. */
	size_t taken = 0;
	while (buf_used(&w.conn.input) > 0) {
		taken += buf_used(&w.conn.input);
		buf_pop(&w.conn.input, buf_used(&w.conn.input));
		conn_ready(&w.conn);
		settle(&w);
	}
	assert_int_equal(taken, sent);
	assert_non_null(w.fake.receive);
	world_close(&w);
}

static void
test_secure__handshakes_of_a_turn_are_counted(void **state)
{
	struct world w;
	struct list *node;
	(void)state;
	world_open(&w, context_open(true, "server", NULL, TLS_ASK_REQUIRED),
	    context_open(false, NULL, "ca", TLS_ASK_REQUIRED));
	fake_feed(&w.fake, buf_bytes(tls_output(w.peer)).data, tls_output_used(w.peer));
	buf_reset(tls_output(w.peer));
	w.set.handshakes_left = 0;
	node = list_pop(&w.set.ready);
	assert_ptr_equal(node, &w.conn.ready);
	conn_step(&w.conn);
	conn_settle(&w.conn);
	assert_int_equal(tls_output_used(w.conn.tls), 0);
	assert_true(tls_unread(w.conn.tls) > 0);
	assert_true(list_linked(&w.conn.ready)); /* in the next turn */
	settle(&w);
	assert_int_equal(w.set.handshakes_left, CONN_HANDSHAKES_MAX - 1);
	world_shake(&w);
	world_close(&w);
}

/* ----------------------------------------------------------------------------------------- ends */

static void
test_secure__the_peer_says_its_end(void **state)
{
	struct world w;
	(void)state;
	world_default(&w);
	tls_write(w.peer, bytes_text("last words"));
	tls_finish(w.peer);
	peer_send(&w);
	assert_true(w.conn.ended);
	assert_true(bytes_equal(buf_bytes(&w.conn.input), bytes_text("last words")));
	fake_receive_end(&w.fake, 0);
	settle(&w);
	assert_int_equal(w.conn.state, CONN_NATIVE);
	buf_push_text(conn_output(&w.conn), "an answer");
	conn_finish(&w.conn, CONN_CLOSE_PEER);
	settle(&w);
	peer_read(&w);
	assert_true(bytes_equal(buf_bytes(&w.heard), bytes_text("an answer")));
	assert_int_equal(tls_state(w.peer), TLS_ENDED); /* we have said ours */
	assert_int_equal(w.fake.closed, 1);
	world_close(&w);
}

static void
test_secure__cut_off_is_no_end(void **state)
{
	struct world w;
	(void)state;
	world_default(&w);
	tls_write(w.peer, bytes_text("half a mess"));
	peer_send(&w);
	fake_receive_end(&w.fake, 0);
	settle(&w);
	assert_false(w.conn.ended);
	assert_int_equal(closed(&w, CONN_CLOSE_RESET), 1);
	world_close(&w);
}

static void
test_secure__cut_off_in_the_handshake(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, context_open(true, "server", NULL, TLS_ASK_REQUIRED),
	    context_open(false, NULL, "ca", TLS_ASK_REQUIRED));
	fake_receive_end(&w.fake, 0);
	settle(&w);
	assert_int_equal(closed(&w, CONN_CLOSE_PEER), 1);
	world_close(&w);
}

static void
test_secure__a_handshake_has_its_time(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, context_open(true, "server", NULL, TLS_ASK_REQUIRED),
	    context_open(false, NULL, "ca", TLS_ASK_REQUIRED));
	struct buf *flight = tls_output(w.peer);
	for (int i = 0; i < 9; i++) { /* a byte now and then does not help */
		fake_feed(&w.fake, buf_bytes(flight).data, 1);
		buf_pop(flight, 1);
		advance(&w, CONN_HEAD_MS / 10);
		assert_int_equal(w.conn.state, CONN_OPENING);
	}
	advance(&w, CONN_HEAD_MS / 10);
	assert_int_equal(closed(&w, CONN_CLOSE_LATE), 1);
	world_close(&w);
}

/* The time of the first words begins with the handshake's end. */
static void
test_secure__the_first_words_have_theirs(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, context_open(true, "server", NULL, TLS_ASK_REQUIRED),
	    context_open(false, NULL, "ca", TLS_ASK_REQUIRED));
	advance(&w, CONN_HEAD_MS - 1);
	peer_send(&w);
	peer_read(&w);
	assert_int_equal(tls_state(w.conn.tls), TLS_OPEN);
	advance(&w, CONN_HEAD_MS - 1);
	assert_int_equal(w.conn.state, CONN_OPENING);
	advance(&w, 1);
	assert_int_equal(closed(&w, CONN_CLOSE_LATE), 1);
	world_close(&w);
}

/* The alert reaches the client whatever it goes on sending: the socket stays until it has closed,
 * or its time is over. */
static void
expect_refused(bool peer_closes)
{
	struct world w;
	world_open(&w, context_open(true, "server", "ca", TLS_ASK_REQUIRED),
	    context_open(false, "stranger", "ca", TLS_ASK_REQUIRED));
	peer_send(&w);
	peer_read(&w);
	assert_int_equal(w.conn.state, CONN_FLUSHING);
	assert_int_equal(closed(&w, CONN_CLOSE_TLS), 1);
	fake_feed(&w.fake, "the Hello", 9);
	peer_read(&w);
	assert_int_equal(tls_state(w.peer), TLS_FAILED);
	assert_int_equal(tls_fault(w.peer)->code, FROE_DENIED);
	assert_int_equal(w.fake.closed, 0);
	if (peer_closes)
		fake_receive_end(&w.fake, 0);
	else
		advance(&w, CONN_HEAD_MS);
	settle(&w);
	fake_turn(&w.fake);
	settle(&w);
	assert_int_equal(w.fake.closed, 1);
	assert_int_equal(closed(&w, CONN_CLOSE_LATE), 0); /* the first reason is the cause */
	world_close(&w);
}

static void
test_secure__a_refused_client_learns_why(void **state)
{
	(void)state;
	expect_refused(true);
	expect_refused(false);
}

/* What was not yet encrypted is dropped, not waited for. */
static void
test_secure__a_forged_record_ends_it(void **state)
{
	static const char forged[] = "\x17\x03\x03\x00\x14" "01234567890123456789";
	struct world w;
	(void)state;
	world_default(&w);
	buf_push_text(conn_output(&w.conn), "one");
	settle(&w);
	buf_push_text(conn_output(&w.conn), "two");
	fake_feed(&w.fake, forged, sizeof(forged) - 1);
	settle(&w);
	assert_int_equal(w.conn.state, CONN_FLUSHING);
	peer_read(&w);
	assert_true(bytes_equal(buf_bytes(&w.heard), bytes_text("one")));
	assert_int_equal(tls_state(w.peer), TLS_FAILED); /* by our alert */
	fake_receive_end(&w.fake, 0);
	settle(&w);
	assert_int_equal(w.fake.closed, 1);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_secure__bytes_in_and_out),
	    cmocka_unit_test(test_secure__who_it_is),
	    cmocka_unit_test(test_secure__bytes_that_came_before),
	    cmocka_unit_test(test_secure__a_reader_that_never_reads),
	    cmocka_unit_test(test_secure__held_input_is_bounded),
	    cmocka_unit_test(test_secure__handshakes_of_a_turn_are_counted),
	    cmocka_unit_test(test_secure__the_peer_says_its_end),
	    cmocka_unit_test(test_secure__cut_off_is_no_end),
	    cmocka_unit_test(test_secure__cut_off_in_the_handshake),
	    cmocka_unit_test(test_secure__a_handshake_has_its_time),
	    cmocka_unit_test(test_secure__the_first_words_have_theirs),
	    cmocka_unit_test(test_secure__a_refused_client_learns_why),
	    cmocka_unit_test(test_secure__a_forged_record_ends_it),
	};
	return cmocka_run_group_tests_name("secure", tests, setup, teardown);
}
