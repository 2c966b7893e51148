#include "server/hot.h"

#include "base/duration.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "gateway/gateway.h"
#include "io/file.h"
#include "io/journal.h"
#include "io/notify.h"
#include "io/private.h"
#include "io/quick.h"
#include "server/access.h"
#include "server/transport.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STOP_GRACE_NS (2 * NS_PER_S)
/* All that waits, waits for this thread: it goes first wherever others want the same processor. */
#define HOT_NICE (-10)
/* When refused for want of room in the index's ring, nothing wakes the loop: look again soon. */
#define REFUSED_RETRY_NS (2 * NS_PER_MS)
#define WRITE_AGE_MAX_NS (30 * NS_PER_S)

static bool
hot_post(struct api_port *port, const struct api_command *command)
{
	struct hot *hot = ((struct hot_port *)(void *)port)->hot;
	if (hub_command(&hot->hub, command))
		return true;
	hot->refused = true;
	return false;
}

static void
hot_deliver(void *context, const struct api_effect *effect)
{
	struct hot *hot = context;
	if (api_conn_loop(effect->conn) == 0)
		loop_deliver(hot->loop, effect);
	else
		bridge_hot_deliver(&hot->bridge, effect);
}

static bool
hot_handover(void *context, int socket, struct bytes input)
{
	struct hot *hot = context;
	return bridge_hot_handover(&hot->bridge, socket, input);
}

static void
metric_number(
    struct buf *to, const char *name, const char *type, const char *help, uint64_t value)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
	    name, value);
}

static void
metric_snapshots(const struct hot *hot, struct buf *to)
{
	struct snapshotter_stats stats;
	const struct log_report *report = &hot->shard.report;
	uint64_t now_ns = io_mono_ns(hot->env);
	metric_number(to, "froe_recovery_snapshot", "gauge",
	    "The snapshot that the start began with; 0: it replayed all of the log",
	    report->snapshot);
	metric_number(to, "froe_recovery_records", "gauge",
	    "Records that the start replayed", report->records);
	snapshotter_stats(&hot->keeper.snapshotter, &stats);
	metric_number(to, "froe_snapshot_frame", "gauge",
	    "The last frame of the log that is in the newest snapshot; 0: there is none",
	    stats.frame_seq);
	if (stats.made_ns != 0)
		buf_printf(to,
		    "# HELP froe_snapshot_age_seconds Since the newest snapshot was made, if this "
		    "process made it\n# TYPE froe_snapshot_age_seconds gauge\n"
		    "froe_snapshot_age_seconds %.3f\n",
		    now_ns > stats.made_ns ? (double)(now_ns - stats.made_ns) / 1e9 : 0.0);
	buf_printf(to,
	    "# HELP froe_snapshot_took_seconds What making the newest one took\n"
	    "# TYPE froe_snapshot_took_seconds gauge\nfroe_snapshot_took_seconds %.3f\n",
	    (double)stats.took_ns / 1e9);
	metric_number(to, "froe_snapshot_bytes", "gauge", "Of the newest one", stats.bytes);
	metric_number(
	    to, "froe_snapshots_total", "counter", "Made by this process", stats.made);
	metric_number(to, "froe_snapshots_failed_total", "counter",
	    "That could not be made, and were tried again", stats.failed);
	metric_number(to, "froe_snapshots_compared_total", "counter",
	    "That were compared with all of the live state, and equal", stats.compared);
	metric_number(to, "froe_state_differs", "gauge",
	    "1: replaying the log does not lead to the live state; see the log of the server",
	    stats.alarms);
}

/* All of them are on the edge loop, or, without one, on the hot one. */
static void
metric_grpc(struct buf *to, const struct conn_stats *loop, const struct conn_stats *edge)
{
	metric_number(to, "froe_http2_connections", "gauge", "Open HTTP/2 connections",
	    loop->grpc_connections + edge->grpc_connections);
	metric_number(to, "froe_http2_streams", "gauge", "Open streams of them: calls",
	    loop->grpc_streams + edge->grpc_streams);
	metric_number(to, "froe_http2_streams_total", "counter", "Calls",
	    loop->grpc_streams_total + edge->grpc_streams_total);
	metric_number(to, "froe_http2_messages_received_total", "counter",
	    "Messages of calls that were taken", loop->grpc_received + edge->grpc_received);
	metric_number(to, "froe_http2_messages_sent_total", "counter",
	    "Messages of calls that were queued to be sent", loop->grpc_sent + edge->grpc_sent);
	metric_number(to, "froe_http2_resets_total", "counter",
	    "Streams that either side broke off", loop->grpc_resets + edge->grpc_resets);
}

static void
hot_metrics(void *context, struct buf *to)
{
	struct hot *hot = context;
	metric_snapshots(hot, to);
	buf_printf(to,
	    "# HELP froe_retention_stopped 1: nothing is removed any more: an alarm\n"
	    "# TYPE froe_retention_stopped gauge\nfroe_retention_stopped %d\n",
	    atomic_load_explicit(&hot->keeper.retention_stopped, memory_order_relaxed) ? 1 : 0);
	struct conn_stats loop, edge;
	loop_stats(hot->loop, &loop);
	edge_stats(&hot->edge, &edge);
	buf_printf(to,
	    "# HELP froe_connections Open connections\n# TYPE froe_connections gauge\n"
	    "froe_connections{loop=\"0\"} %" PRIu64 "\nfroe_connections{loop=\"1\"} %" PRIu64 "\n"
	    "# HELP froe_loop_turns_total System calls of the hot loop\n"
	    "# TYPE froe_loop_turns_total counter\nfroe_loop_turns_total %" PRIu64 "\n",
	    loop.open, edge.open, hot->io->stats.turns);
	metric_number(to, "froe_quick_cores_total", "counter",
	    "Times that the kernel was asked for cores that wake at once, while much came",
	    hot->io->stats.quick);
	metric_grpc(to, &loop, &edge);
	int64_t expires_s = atomic_load_explicit(&hot->tls_expires_s, memory_order_relaxed);
	if (expires_s == 0)
		return;
	buf_printf(to,
	    "# HELP froe_tls_handshakes_total TLS handshakes done, and refused or broken off\n"
	    "# TYPE froe_tls_handshakes_total counter\n"
	    "froe_tls_handshakes_total{result=\"done\"} %" PRIu64 "\n"
	    "froe_tls_handshakes_total{result=\"refused\"} %" PRIu64 "\n"
	    "# HELP froe_tls_certificate_expires_seconds When the certificate ends, since 1970\n"
	    "# TYPE froe_tls_certificate_expires_seconds gauge\n"
	    "froe_tls_certificate_expires_seconds %" PRId64 "\n",
	    edge.secured, edge.closed[CONN_CLOSE_TLS], expires_s);
}

static void
hot_note(void *context, const struct hub_note *note)
{
	struct journal_line line;
	(void)context;
	journal_begin(&line, note->warning ? JOURNAL_WARNING : JOURNAL_INFO, note->event, "%s",
	    note->text);
	if (note->actor != NULL)
		journal_text(&line, "actor", note->actor);
	if (note->peer != NULL)
		journal_text(&line, "peer", note->peer);
	if (note->count != 0)
		journal_number(&line, "refused", note->count);
	journal_end(&line);
}

/* -------------------------------------------------------------------------------------- opening */

static enum froe_exit
exit_of(enum froe_err err)
{
	if (err == FROE_CORRUPT || err == FROE_INCOMPATIBLE)
		return FROE_EXIT_DATA;
	if (err == FROE_IN_USE)
		return FROE_EXIT_IN_USE;
	if (err == FROE_IO || err == FROE_NO_SPACE)
		return FROE_EXIT_IO;
	return FROE_EXIT_FAILED;
}

/* Before the replay, so that rows which the index has are not kept for it. */
static void
open_index(void *context, struct uuid store)
{
	struct hot *hot = context;
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s/index", hot->options->data);
	hot->index_err = indexer_open(&hot->indexer, hot->env, dir, store, &hot->index_applied,
	    &hot->index_fault);
	hot->index_open = hot->index_err == FROE_OK;
	/* An index without anything is made from the log's files: nothing is kept for it. */
	if (hot->index_open)
		hub_replays(&hot->hub, hot->index_applied != 0 ? hot->index_applied : UINT64_MAX);
}

static void
open_hub(struct hot *hot)
{
	const struct server_options *options = hot->options;
	struct hub_options hub = {
	    .heartbeat_ms = options->heartbeat_ms,
	    .heartbeat_lost_ms = options->heartbeat_lost_ms,
	    .reconnect_grace_ms = options->reconnect_grace_ms,
	    .auth = !options->auth_off,
	};
	hub_init(&hot->hub, &hub);
	hot->hub.shard = &hot->shard;
	hot->hub.deliver = hot_deliver;
	hot->hub.metrics = hot_metrics;
	hot->hub.opened = open_index;
	hot->hub.note = hot_note;
	hot->hub.deliver_context = hot;
}

static enum froe_err
open_shard(struct hot *hot, struct froe_fault *fault)
{
	const struct server_options *options = hot->options;
	struct shard_options shard = {
	    .log =
	        {
	            .dir = options->data,
	            .segment_bytes = options->segment_bytes,
	            .inflight_max = LOG_INFLIGHT_MAX,
	            .spares = 2,
	            .dev = options->dev,
	            .accept_tail_loss = options->accept_tail_loss,
	        },
	    .cache_bytes = options->cache_bytes,
	    .runs_max = options->open_runs,
	};
	struct shard_hooks hooks = hub_hooks;
	open_hub(hot);
	hooks.context = &hot->hub;
	hot->index_open = false;
	hot->index_err = FROE_OK;
	enum froe_err err = shard_open(&hot->shard, hot->env, &shard, &hooks, fault);
	if (err != FROE_OK)
		return err;
	if (!hot->index_open && hot->index_err == FROE_OK) /* there was nothing to replay */
		open_index(hot, hot->shard.report.store);
	if (!hot->index_open)
		*fault = hot->index_fault;
	return hot->index_err;
}

/* Each try waits for a moment. */
static enum froe_err
open_shard_free(struct hot *hot, struct froe_fault *fault)
{
	uint64_t until_ns =
	    io_mono_ns(hot->env) + hot->options->in_use_wait_ms * NS_PER_MS;
	for (;;) {
		enum froe_err err = open_shard(hot, fault);
		if (err != FROE_IN_USE || io_mono_ns(hot->env) >= until_ns)
			return err;
		hub_release(&hot->hub);
	}
}

/* The log was cut, or put back to an older state: the index knows too much. All over again. */
static enum froe_err
open_shard_again(struct hot *hot, struct froe_fault *fault)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s/index", hot->options->data);
	journal(JOURNAL_WARNING, "index_rebuild", "the index is ahead of the log: rebuilding");
	indexer_close(&hot->indexer);
	hub_release(&hot->hub);
	shard_close(&hot->shard);
	enum froe_err err = index_delete(dir, fault);
	return err == FROE_OK ? open_shard(hot, fault) : err;
}

/* Tokens that were made under another key are good for nothing: that is to be said. */
static enum froe_err
open_key(struct hot *hot, struct froe_fault *fault)
{
	struct eng_counts counts;
	bool created;
	enum froe_err err = access_key(hot->options->data, hot->hub.options.token_key, &created,
	    fault);
	eng_counts(hot->shard.eng, &counts);
	if (err == FROE_OK && created && counts.tokens > 0)
		journal(JOURNAL_WARNING, "token_key_lost",
		    "token.key was missing and is new: the %" PRIu64 " tokens there are, are void",
		    counts.tokens);
	return err;
}

static enum froe_err
open_hub_and_index(struct hot *hot, struct froe_fault *fault)
{
	hub_start(&hot->hub, &hot->shard, &hot->indexer);
	indexer_keep(&hot->indexer, hot->options->retention_ns);
	indexer_source(&hot->indexer, hot->options->data, &hot->shard.report);
	return indexer_start(&hot->indexer, hot->io, fault);
}

/* Without it the server serves; what its owner would do there takes a token then. */
static int
open_admin(struct hot *hot)
{
	struct froe_fault fault;
	int listener;
	if (io_listen_unix(hot->options->data, ACCESS_SOCKET, &listener, &fault) == FROE_OK)
		return listener;
	journal(JOURNAL_WARNING, "admin_socket", "no admin.sock: %s", fault.text);
	return -1;
}

static void
close_admin(struct hot *hot)
{
	char path[PATH_MAX];
	struct froe_fault fault;
	snprintf(path, sizeof(path), "%s/%s", hot->options->data, ACCESS_SOCKET);
	FROE_DROP(io_path_unlink(hot->env, path, &fault), "the next start replaces it");
}

static enum froe_err
open_listeners(struct hot *hot, int *ret_listener, int *ret_also, struct froe_fault *fault)
{
	uint16_t port;
	const char *also = hot->options->listen_also;
	*ret_also = -1;
	enum froe_err err =
	    io_listen(hot->options->listen, ret_listener, &hot->listen_port, fault);
	if (err != FROE_OK || also == NULL)
		return err;
	err = io_listen(also, ret_also, &port, fault);
	if (err != FROE_OK)
		close(*ret_listener);
	return err;
}

static enum froe_err
open_loops(struct hot *hot, struct tls_context *tls, struct froe_fault *fault)
{
	const struct server_options *options = hot->options;
	int listener, also;
	enum froe_err err = open_listeners(hot, &listener, &also, fault);
	if (err != FROE_OK)
		return err;
	access_advertise(options, hot->listen_port, hot->hub.options.advertise);
	hot->port = (struct hot_port){.port.post = hot_post, .hot = hot};
	struct strangers_limits strangers = {
	    .per_source = options->strangers_per_address,
	    .reserved = options->connections_reserved,
	    .bytes = options->strangers_bytes,
	    .addresses = &hot->addresses,
	};
	struct loop_options loop = {
	    .listener = listener,
	    .also_listener = also,
	    .admin_listener = open_admin(hot),
	    .port = &hot->port.port,
	    .ready = &hot->ready,
	    .edge_only = options->edge_only,
	    .plain = transport_plain(options),
	    .connections_max = options->connections,
	    .head_ms = options->handshake_ms,
	    .stall_ms = options->stall_ms,
	    .idle_ms = options->idle_ms,
	    .strangers = &strangers,
	};
	err = loop_open(&hot->loop, 0, hot->io, &loop, fault);
	if (err != FROE_OK) {
		close(listener);
		if (also >= 0)
			close(also);
		return err;
	}
	bridge_init(&hot->bridge, hot->io, 0);
	hot->gateway = gateway_open(hot->env, hot->options->begun_wait_ms);
	loop_set_handover(hot->loop, hot_handover, hot);
	struct edge_options edge = {
	    .index = 1,
	    .env = hot->env,
	    .bridge = &hot->bridge,
	    .ready = &hot->ready,
	    .gateway = gateway_api(hot->gateway),
	    .tls = tls,
	    .plain = loop.plain,
	    .connections_max = options->connections,
	    .head_ms = options->handshake_ms,
	    .stall_ms = options->stall_ms,
	    .idle_ms = options->idle_ms,
	    .strangers = &strangers,
	};
	atomic_store(&hot->tls_expires_s, tls != NULL ? tls_context_expires_s(tls) : 0);
	return edge_start(&hot->edge, &edge, fault);
}

static enum froe_err
open_prefaulter(struct hot *hot, struct froe_fault *fault)
{
	enum froe_err err = prefaulter_start(&hot->prefaulter, fault);
	if (err == FROE_OK)
		shard_prefault(&hot->shard, &hot->prefaulter.prefault);
	return err;
}

/* With one core, whoever looks keeps those away who are looked for; nor does it ever sleep while
 * somebody works. */
static void
hot_hurry(struct hot *hot)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		return;
	io_poll(hot->io, hot->options->poll_us * (NS_PER_S / 1000000));
	if (!hot->options->quick_cores_off)
		hot->quick_file = quick_open();
	io_quick(hot->io, hot->quick_file);
}

/* Of log until the next snapshot: retention cannot pass the one before the newest. */
static uint64_t
snapshot_bytes(const struct server_options *options)
{
	uint64_t bytes = options->snapshot_bytes, most = options->retention_bytes / 4;
	return options->retention_bytes == 0 || bytes < most ? bytes : most;
}

enum froe_err
hot_open(struct hot *hot, const struct server_options *options, struct tls_context *tls,
    struct io_env *env, enum froe_exit *ret_exit, struct froe_fault *fault)
{
	*hot = (struct hot){
	    .options = options,
	    .env = env,
	    .snapshots = {.log_bytes = snapshot_bytes(options), .indexer = &hot->indexer},
	    .quick_file = -1,
	};
	sem_init(&hot->told, /* pshared= */ 0, 0);
	enum froe_err err = private_dir_check(options->data, fault);
	if (err == FROE_OK)
		err = open_shard_free(hot, fault);
	if (err == FROE_OK && hot->index_applied > hot->shard.report.last_frame_seq)
		err = open_shard_again(hot, fault);
	if (err == FROE_OK)
		err = open_key(hot, fault);
	failpoint_pass(FAILPOINT_recovery_key);
	if (err == FROE_OK)
		err = io_open(env, &hot->io, fault);
	if (err == FROE_OK)
		hot_hurry(hot);
	if (err == FROE_OK)
		err = open_hub_and_index(hot, fault);
	if (err == FROE_OK && options->retention_ns != UINT64_MAX) {
		struct retention_options retention = {
		    .keep_ns = options->retention_ns,
		    .bytes_max = options->retention_bytes,
		};
		keeper_retain(&hot->keeper, hot->shard.log, &hot->indexer, &retention);
	}
	if (err == FROE_OK)
		err = keeper_start(
		    &hot->keeper, &hot->shard, options->data, &hot->snapshots, fault);
	if (err == FROE_OK)
		err = open_prefaulter(hot, fault);
	if (err == FROE_OK)
		err = shard_start(&hot->shard, hot->io, fault);
	if (err == FROE_OK)
		err = open_loops(hot, tls, fault);
	if (err != FROE_OK)
		*ret_exit = exit_of(err);
	return err;
}

void
hot_stop(struct hot *hot)
{
	atomic_store_explicit(&hot->stop, true, memory_order_release);
	io_wake(hot->io);
	sem_post(&hot->told);
}

void
hot_set_tls(struct hot *hot, struct tls_context *tls)
{
	atomic_store(&hot->tls_expires_s, tls_context_expires_s(tls));
	loop_set_tls(hot->edge.loop, tls);
}

void
hot_close(struct hot *hot)
{
	edge_stop(&hot->edge);
	gateway_close(hot->gateway);
	loop_close(hot->loop);
	close_admin(hot);
	bridge_hot_done(&hot->bridge, hot->stalled);
	bridge_release(&hot->bridge);
	keeper_stop(&hot->keeper);
	shard_prefault(&hot->shard, NULL);
	prefaulter_stop(&hot->prefaulter);
	indexer_stop(&hot->indexer);
	hub_release(&hot->hub);
	indexer_close(&hot->indexer);
	while (sem_wait(&hot->told) != 0)
		; /* a signal */
	sem_destroy(&hot->told);
	io_close(hot->io); /* gives back the log's buffers */
	quick_close(hot->quick_file);
	shard_close(&hot->shard);
}

/* ---------------------------------------------------------------------------------------- turns */

static void
hot_check_log(struct hot *hot, uint64_t mono_ns)
{
	struct froe_fault fault;
	if (log_failed(hot->shard.log, &fault))
		froe_fatal(FROE_EXIT_IO, "the log cannot be written: %s; nothing after it was "
		    "acknowledged", fault.text);
	if (log_write_age_ns(hot->shard.log, mono_ns) > WRITE_AGE_MAX_NS)
		froe_fatal(FROE_EXIT_IO, "a log write has not completed for 30 s: the disk hangs");
}

/* Takes the edge's commands while there is room for them. */
static void
hot_edge_commands(struct hot *hot)
{
	for (;;) {
		struct api_command *command = hot->stalled;
		hot->stalled = NULL;
		if (command == NULL)
			command = bridge_hot_pop(&hot->bridge);
		if (command == NULL)
			return;
		if (!hub_command(&hot->hub, command)) {
			hot->stalled = command;
			return;
		}
		bridge_hot_done(&hot->bridge, command);
	}
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
hot_deadline_ns(struct hot *hot, uint64_t mono_ns)
{
	uint64_t due_ns = earlier(loop_deadline_ns(hot->loop), shard_deadline_ns(&hot->shard));
	due_ns = earlier(due_ns, hub_deadline_ns(&hot->hub));
	due_ns = earlier(due_ns, log_deadline_ns(hot->shard.log));
	if (hot->refused || hot->stalled != NULL)
		due_ns = earlier(due_ns, mono_ns + REFUSED_RETRY_NS);
	if (hot->stop_at_ns != 0)
		due_ns = earlier(due_ns, mono_ns + 10 * NS_PER_MS);
	if (hot->watchdog_ns != 0)
		due_ns = earlier(due_ns, hot->watchdog_at_ns);
	return due_ns;
}

/* That turns are made is what the watchdog is to know: so it is told here. */
static void
hot_tell_watchdog(struct hot *hot, uint64_t mono_ns)
{
	if (hot->watchdog_ns == 0 || mono_ns < hot->watchdog_at_ns)
		return;
	FROE_DROP(notify_send("WATCHDOG=1"), "it asks again by its own means");
	hot->watchdog_at_ns = mono_ns + hot->watchdog_ns;
}


/* One turn. `busy`: timers are due that did not get their turn. */
static bool
hot_turn(struct hot *hot, uint64_t mono_ns)
{
	struct log *log = hot->shard.log;
	hot_check_log(hot, mono_ns);
	hot_tell_watchdog(hot, mono_ns);
	clock_read(&hot->shard.clock, mono_ns);
	log_tick(log, mono_ns);
	hub_release_durable(&hot->hub);
	hub_turn(&hot->hub, mono_ns);
	bool busy = shard_turn(&hot->shard, mono_ns);
	if (hot->refused) {
		hot->refused = false;
		loop_resume(hot->loop);
	}
	loop_timers(hot->loop, mono_ns);
	loop_input(hot->loop);
	hot_edge_commands(hot);
	/* What sessions still have at hand comes with the next turn, at once. Then one larger write
	 * costs less than two, and the sends and wakes that follow from it do. */
	log_flush_gathering(log, loop_at_hand(hot->loop));
	hub_release_durable(&hot->hub);
	loop_output(hot->loop);
	return busy;
}

static void
hot_begin_stop(struct hot *hot, uint64_t mono_ns)
{
	hot->stop_at_ns = mono_ns + STOP_GRACE_NS;
	hot->hub.stopping = true;
	atomic_store_explicit(&hot->ready, false, memory_order_release);
	loop_drain(hot->loop);
	edge_drain(&hot->edge);
}

/* Connections are told, and answered what they had asked; at the latest after the grace it ends. */
static bool
hot_stopped(struct hot *hot, uint64_t mono_ns)
{
	bool drained = loop_drained(hot->loop) && edge_drained(&hot->edge);
	return (drained && hub_idle(&hot->hub)) || mono_ns >= hot->stop_at_ns;
}

/* The last frame says that the stop was clean. What the kernel reads is waited for: it writes to
 * our memory. */
static void
hot_finish(struct hot *hot)
{
	struct log *log = hot->shard.log;
	log_stop(log, hot->shard.clock.now_ns);
	while (log_durable_seq(log) < log_tail_seq(log) || hub_reading(&hot->hub)) {
		log_flush(log);
		io_step(hot->io, io_mono_ns(hot->env) + NS_PER_S);
		hot_check_log(hot, io_mono_ns(hot->env));
	}
	failpoint_pass(FAILPOINT_stop_durable);
}

/* Until when to wait. Without room in the log, what is due cannot be done: a frame that completes
 * ends the wait, else it is looked at again soon, but not at once. */
static uint64_t
hot_wait_ns(struct hot *hot, bool busy, uint64_t mono_ns)
{
	struct eng_command timer = {.type = ENG_CMD_TIMER};
	struct eng_command schedule = {.type = ENG_CMD_SCHEDULE};
	bool room =
	    shard_has_room(&hot->shard, &timer) && shard_has_room(&hot->shard, &schedule);
	if (busy && room)
		return 0;
	uint64_t due_ns = hot_deadline_ns(hot, mono_ns);
	if (!room && due_ns < mono_ns + REFUSED_RETRY_NS)
		return mono_ns + REFUSED_RETRY_NS;
	return due_ns;
}

void
hot_run(struct hot *hot)
{
	uint64_t mono_ns = io_mono_ns(hot->env);
	bool busy = true;
	/* Now, not before: a thread that it starts would have its priority. */
	FROE_DROP(setpriority(PRIO_PROCESS, 0 /* on Linux: this thread */, HOT_NICE),
	    "root may, or who has LimitNICE");
	hot->watchdog_ns = notify_watchdog_ns() / 3;
	atomic_store_explicit(&hot->ready, true, memory_order_release);
	for (;;) {
		io_step(hot->io, hot_wait_ns(hot, busy, mono_ns));
		mono_ns = io_mono_ns(hot->env);
		busy = hot_turn(hot, mono_ns);
		if (hot->stop_at_ns != 0 && hot_stopped(hot, mono_ns))
			break;
		if (hot->stop_at_ns == 0 &&
		    atomic_load_explicit(&hot->stop, memory_order_acquire))
			hot_begin_stop(hot, mono_ns);
	}
	hot_finish(hot);
}
