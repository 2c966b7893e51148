#include "net/conn.h"

#include "base/duration.h"
#include "net_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
};

static void
world_open(struct world *w)
{
	fake_init(&w->fake);
	conn_set_init(&w->set, &w->fake.io);
	conn_open(&w->conn, &w->set, FAKE_SOCKET, bytes_of(NULL, 0));
}

/* Steps what is ready, as a loop would; the owner is the test. */
static void
settle(struct world *w)
{
	struct list *node;
	while ((node = list_pop(&w->set.ready)) != NULL) {
		struct conn *conn = container_of(node, struct conn, ready);
		conn_step(conn);
		conn_settle(conn);
	}
	while ((node = list_pop(&w->set.output)) != NULL)
		conn_send(container_of(node, struct conn, output));
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
	assert_true(list_empty(&w->set.ready) && list_empty(&w->set.output));
	for (int i = 0; i < CONN_TIMER_COUNT; i++)
		assert_true(list_empty(&w->set.timers[i]));
	struct conn_stats stats;
	conn_set_stats(&w->set, &stats);
	assert_int_equal(stats.open, 0);
	conn_release(&w->conn);
	fake_release(&w->fake);
}

static void
push(struct world *w, size_t size)
{
	memset(buf_reserve(conn_output(&w->conn), size), 'x', size);
	buf_commit(conn_output(&w->conn), size);
}

static void
test_conn__bytes_in_and_out(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	settle(&w);
	assert_true(fake_feed(&w.fake, "hello", 5));
	settle(&w);
	assert_true(bytes_equal(buf_bytes(&w.conn.input), bytes_text("hello")));
	buf_pop(&w.conn.input, 5);
	conn_serve(&w.conn, CONN_NATIVE);
	buf_push_text(conn_output(&w.conn), "one");
	settle(&w);
	buf_push_text(conn_output(&w.conn), "two"); /* while "one" is lent to the kernel */
	settle(&w);
	assert_int_equal(w.fake.sending_size, 3);
	assert_int_equal(fake_take(&w.fake, 2), 2); /* a short send */
	settle(&w);
	assert_int_equal(w.fake.sending_size, 1);
	fake_take(&w.fake, 100);
	settle(&w);
	fake_take(&w.fake, 100);
	settle(&w);
	assert_true(bytes_equal(buf_bytes(&w.fake.wire), bytes_text("onetwo")));
	assert_null(w.fake.send);
	struct conn_stats stats;
	conn_set_stats(&w.set, &stats);
	assert_int_equal(stats.received_bytes, 5);
	assert_int_equal(stats.sent_bytes, 6);
	assert_int_equal(stats.native, 1);
	world_close(&w);
}

/* It goes with what follows, after its time, when it is much, or when the connection ends. */
static void
test_conn__late_output_waits_for_company(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	settle(&w);
	buf_push_text(conn_output_late(&w.conn), "a");
	settle(&w);
	assert_null(w.fake.send);
	buf_push_text(conn_output(&w.conn), "b");
	settle(&w);
	assert_int_equal(fake_take(&w.fake, 100), 2);
	settle(&w);
	assert_false(conn_timer_active(&w.conn, CONN_TIMER_LATE));
	assert_true(bytes_equal(buf_bytes(&w.fake.wire), bytes_text("ab")));

	buf_push_text(conn_output_late(&w.conn), "c");
	assert_int_equal(conn_set_due_ns(&w.set), w.set.now_ns + CONN_LATE_MS * NS_PER_MS);
	advance(&w, CONN_LATE_MS);
	assert_int_equal(fake_take(&w.fake, 100), 1);
	settle(&w);

	for (size_t size = 0; size < CONN_LATE_BYTES_MAX + 2; size += 2) {
		assert_null(w.fake.send);
		buf_push_text(conn_output_late(&w.conn), "de");
	}
	settle(&w);
	assert_int_equal(w.fake.sending_size, CONN_LATE_BYTES_MAX + 2);
	fake_take(&w.fake, CONN_LATE_BYTES_MAX + 2);
	settle(&w);

	buf_push_text(conn_output_late(&w.conn), "f");
	conn_finish(&w.conn, CONN_CLOSE_DONE);
	settle(&w);
	assert_int_equal(fake_take(&w.fake, 100), 1);
	settle(&w);
	world_close(&w);
}

/* A busy output keeps its memory; one that is large for what it carries gives it back. */
static void
test_conn__output_memory(void **state)
{
	(void)state;
	struct world w;
	const struct buf *sending;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	for (size_t size = 1; size <= 2 * CONN_BUFFER_BUSY; size *= 2) {
		push(&w, size);
		settle(&w);
		sending = &w.conn.outputs[!w.conn.filling];
		fake_take(&w.fake, size / 2); /* in two pieces */
		settle(&w);
		fake_take(&w.fake, size);
		settle(&w);
		assert_int_equal(buf_used(sending), 0);
		assert_int_equal(sending->capacity >= size, size <= CONN_BUFFER_BUSY);
	}
	push(&w, CONN_BUFFER_BUSY);
	settle(&w);
	push(&w, CONN_BUFFER_BUSY); /* the other one */
	fake_take(&w.fake, CONN_BUFFER_BUSY);
	settle(&w);
	fake_take(&w.fake, CONN_BUFFER_BUSY);
	settle(&w);
	assert_true(conn_held_bytes(&w.conn) >= 2 * CONN_BUFFER_BUSY);
	push(&w, 1);
	settle(&w);
	push(&w, 1);
	for (int i = 0; i < 2; i++) {
		fake_take(&w.fake, 1);
		settle(&w);
	}
	assert_in_range(conn_held_bytes(&w.conn), 0, CONN_BUFFER_KEPT);
	world_close(&w);
}

/* So much comes in and is taken at once. */
static void
take_in(struct world *w, size_t size)
{
	static const uint8_t chunk[4096];
	for (size_t done = 0; done < size; done += sizeof(chunk))
		assert_true(fake_feed(&w->fake, chunk, size - done < sizeof(chunk) ? size - done
		                                                               : sizeof(chunk)));
	settle(w);
	buf_pop(&w->conn.input, size);
	conn_ready(&w->conn);
	settle(w);
}

/* So does an input; and of what is silent all goes. */
static void
test_conn__input_memory(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	for (size_t size = 1; size <= 2 * CONN_BUFFER_BUSY; size *= 2) {
		take_in(&w, size);
		assert_int_equal(w.conn.input.capacity >= size, size <= CONN_BUFFER_BUSY);
	}
	take_in(&w, CONN_BUFFER_BUSY);
	conn_ready(&w.conn); /* for another reason: nothing has come */
	settle(&w);
	assert_true(w.conn.input.capacity >= CONN_BUFFER_BUSY);
	take_in(&w, 1);
	assert_in_range(conn_held_bytes(&w.conn), 0, CONN_BUFFER_KEPT);
	take_in(&w, CONN_BUFFER_BUSY);
	push(&w, CONN_BUFFER_BUSY);
	settle(&w);
	push(&w, CONN_BUFFER_BUSY); /* the other one */
	for (int i = 0; i < 2; i++) {
		fake_take(&w.fake, CONN_BUFFER_BUSY);
		settle(&w);
	}
	assert_true(conn_held_bytes(&w.conn) >= 3 * CONN_BUFFER_BUSY);
	advance(&w, CONN_IDLE_MS);
	assert_int_equal(conn_held_bytes(&w.conn), 0);
	world_close(&w);
}

static void
test_conn__held_input_is_bounded(void **state)
{
	(void)state;
	static uint8_t chunk[4096];
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	w.conn.held = true;
	settle(&w);
	int fed = 0;
	while (!w.fake.receive_cancelled && fake_feed(&w.fake, chunk, sizeof(chunk))) {
		settle(&w);
		assert_true(++fed < 100);
	}
	assert_int_equal(buf_used(&w.conn.input), CONN_INPUT_HIGH);
	fake_feed(&w.fake, chunk, 10); /* what was on its way is not lost */
	fake_turn(&w.fake);
	settle(&w);
	assert_int_equal(buf_used(&w.conn.input), CONN_INPUT_HIGH + 10);
	assert_null(w.fake.receive);
	buf_pop(&w.conn.input, CONN_INPUT_HIGH);
	w.conn.held = false;
	conn_ready(&w.conn);
	settle(&w);
	assert_non_null(w.fake.receive);
	assert_int_equal(buf_used(&w.conn.input), 10);
	world_close(&w);
}

static void
test_conn__choked_between_high_and_low(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	push(&w, CONN_OUTPUT_HIGH);
	assert_false(conn_choked(&w.conn));
	push(&w, 1);
	assert_true(conn_choked(&w.conn));
	settle(&w);
	fake_take(&w.fake, CONN_OUTPUT_HIGH + 1 - CONN_OUTPUT_LOW);
	settle(&w);
	assert_int_equal(conn_output_used(&w.conn), CONN_OUTPUT_LOW);
	assert_true(conn_choked(&w.conn));
	fake_take(&w.fake, 1);
	settle(&w);
	assert_false(conn_choked(&w.conn));
	fake_take(&w.fake, SIZE_MAX);
	settle(&w);
	assert_true(conn_held_bytes(&w.conn) <= 3 * CONN_BUFFER_KEPT); /* memory was given back */
	world_close(&w);
}

static void
test_conn__head_deadline(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	settle(&w);
	assert_int_equal(conn_set_due_ns(&w.set), 1000 + CONN_HEAD_MS * NS_PER_MS);
	advance(&w, CONN_HEAD_MS - 1);
	assert_int_equal(w.conn.state, CONN_OPENING);
	fake_feed(&w.fake, "F", 1); /* a byte in time does not help */
	advance(&w, 1);
	assert_int_equal(w.conn.state, CONN_CLOSING);
	assert_int_equal(w.conn.reason, CONN_CLOSE_LATE);
	world_close(&w);
}

static void
test_conn__stall_deadline_counts_from_progress(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	conn_timer_stop(&w.conn, CONN_TIMER_HEAD);
	push(&w, 100);
	settle(&w);
	advance(&w, CONN_STALL_MS - 1);
	fake_take(&w.fake, 1);
	settle(&w);
	fake_feed(&w.fake, "x", 1); /* that it sends does not show that it reads */
	advance(&w, CONN_STALL_MS - 1);
	assert_int_equal(w.conn.state, CONN_NATIVE);
	advance(&w, 1);
	assert_int_equal(w.conn.reason, CONN_CLOSE_STALLED);
	world_close(&w);
}

static void
test_conn__idle_is_quiet_then_closed(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	conn_timer_stop(&w.conn, CONN_TIMER_HEAD);
	settle(&w);
	advance(&w, CONN_IDLE_MS - 1);
	assert_false(w.conn.quiet);
	advance(&w, 1);
	assert_true(w.conn.quiet);
	fake_feed(&w.fake, "x", 1);
	settle(&w);
	assert_false(w.conn.quiet);
	advance(&w, CONN_IDLE_MS);
	advance(&w, CONN_IDLE_MS - 1);
	assert_int_equal(w.conn.state, CONN_NATIVE);
	/* Bytes that came in the same turn as the deadline count. */
	fake_feed(&w.fake, "x", 1);
	advance(&w, 1);
	assert_int_equal(w.conn.state, CONN_NATIVE);
	advance(&w, CONN_IDLE_MS);
	advance(&w, CONN_IDLE_MS);
	assert_int_equal(w.conn.reason, CONN_CLOSE_IDLE);
	world_close(&w);
}

static void
test_conn__idle_does_not_count_while_not_listening(void **state)
{
	(void)state;
	static uint8_t chunk[CONN_INPUT_HIGH];
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	conn_timer_stop(&w.conn, CONN_TIMER_HEAD);
	w.conn.held = true;
	fake_feed(&w.fake, chunk, sizeof(chunk));
	settle(&w);
	fake_turn(&w.fake);
	settle(&w);
	for (int i = 0; i < 5; i++)
		advance(&w, CONN_IDLE_MS);
	assert_int_equal(w.conn.state, CONN_NATIVE);
	world_close(&w);
}

static void
test_conn__flushes_before_closing_and_discards_input(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_HTTP);
	push(&w, 10);
	conn_finish(&w.conn, CONN_CLOSE_DONE);
	settle(&w);
	assert_int_equal(w.conn.state, CONN_FLUSHING);
	fake_feed(&w.fake, "more", 4);
	settle(&w);
	assert_int_equal(buf_used(&w.conn.input), 0);
	fake_take(&w.fake, 4);
	settle(&w);
	assert_int_equal(w.conn.state, CONN_FLUSHING);
	fake_take(&w.fake, 6);
	settle(&w);
	assert_int_equal(w.conn.state, CONN_CLOSING);
	fake_turn(&w.fake);
	settle(&w);
	assert_int_equal(w.conn.state, CONN_CLOSED);
	assert_int_equal(buf_used(&w.fake.wire), 10);
	struct conn_stats stats;
	conn_set_stats(&w.set, &stats);
	assert_int_equal(stats.closed[CONN_CLOSE_DONE], 1);
	world_close(&w);
}

static void
test_conn__abort_waits_for_the_kernel(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	conn_serve(&w.conn, CONN_NATIVE);
	push(&w, 10);
	settle(&w);
	fake_receive_end(&w.fake, -(int32_t)FROE_IO);
	settle(&w);
	assert_int_equal(w.conn.state, CONN_CLOSING);
	assert_int_equal(w.conn.reason, CONN_CLOSE_RESET);
	assert_int_equal(w.fake.closed, 0); /* the send's buffer is still lent */
	assert_true(w.fake.send_cancelled);
	world_close(&w);
}

static void
test_conn__handover_keeps_bytes_on_their_way(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	settle(&w);
	fake_feed(&w.fake, "GET /", 5);
	settle(&w);
	conn_handover(&w.conn);
	assert_false(conn_takeable(&w.conn));
	fake_feed(&w.fake, "healthz", 7); /* arrived before the cancel took effect */
	settle(&w);
	assert_false(conn_takeable(&w.conn));
	fake_turn(&w.fake);
	assert_true(conn_takeable(&w.conn));
	assert_true(bytes_equal(buf_bytes(&w.conn.input), bytes_text("GET /healthz")));
	assert_int_equal(conn_take(&w.conn), FAKE_SOCKET);
	assert_int_equal(w.fake.closed, 0);
	assert_null(w.fake.receive);
	w.fake.closed = 1; /* as the taker would */
	world_close(&w);
}

static void
test_conn__peer_closes(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	settle(&w);
	fake_receive_end(&w.fake, 0);
	settle(&w);
	assert_int_equal(w.conn.reason, CONN_CLOSE_PEER);
	assert_int_equal(w.fake.receives, 1); /* not asked again */
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_conn__bytes_in_and_out),
	    cmocka_unit_test(test_conn__late_output_waits_for_company),
	    cmocka_unit_test(test_conn__output_memory),
	    cmocka_unit_test(test_conn__input_memory),
	    cmocka_unit_test(test_conn__held_input_is_bounded),
	    cmocka_unit_test(test_conn__choked_between_high_and_low),
	    cmocka_unit_test(test_conn__head_deadline),
	    cmocka_unit_test(test_conn__stall_deadline_counts_from_progress),
	    cmocka_unit_test(test_conn__idle_is_quiet_then_closed),
	    cmocka_unit_test(test_conn__idle_does_not_count_while_not_listening),
	    cmocka_unit_test(test_conn__flushes_before_closing_and_discards_input),
	    cmocka_unit_test(test_conn__abort_waits_for_the_kernel),
	    cmocka_unit_test(test_conn__handover_keeps_bytes_on_their_way),
	    cmocka_unit_test(test_conn__peer_closes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
