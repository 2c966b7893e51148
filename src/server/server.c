#include "server/server.h"

#include "base/duration.h"
#include "base/thread.h"
#include "froe/limits.h"
#include "io/journal.h"
#include "io/notify.h"
#include "server/hot.h"
#include "server/transport.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_US_DEFAULT 200u /* a synced write, or waking a thread and what a client does then */
#define RETENTION_NS_DEFAULT (UINT64_C(30) * 86400 * NS_PER_S)
#define CACHE_BYTES_DEFAULT ((uint64_t)64 << 20)
/* Hatchet's SDK for TypeScript says for 12.7 s that it has begun a task. */
#define BEGUN_WAIT_MS_DEFAULT 12000u
#define OPEN_RUNS_DEFAULT 4000000u /* about four gigabytes */

void
server_options_init(struct server_options *options)
{
	*options = (struct server_options){
	    .listen = "127.0.0.1:7077",
	    .snapshot_bytes = SNAPSHOTTER_LOG_BYTES,
	    .cache_bytes = CACHE_BYTES_DEFAULT,
	    .open_runs = OPEN_RUNS_DEFAULT,
	    .heartbeat_ms = FROE_HEARTBEAT_MS,
	    .heartbeat_lost_ms = FROE_HEARTBEAT_LOST_MS,
	    .poll_us = POLL_US_DEFAULT,
	    .retention_ns = RETENTION_NS_DEFAULT,
	    .reconnect_grace_ms = FROE_RECONNECT_GRACE_MS,
	    .begun_wait_ms = BEGUN_WAIT_MS_DEFAULT,
	    .handshake_ms = CONN_HEAD_MS,
	    .stall_ms = CONN_STALL_MS,
	    .idle_ms = CONN_IDLE_MS,
	    .connections = LOOP_CONNECTIONS_MAX,
	    .connections_reserved = STRANGERS_RESERVED,
	    .strangers_per_address = STRANGERS_PER_SOURCE,
	    .strangers_bytes = STRANGERS_BYTES,
	    .ready_fd = -1,
	};
}

/* The I/O backend: what was asked, or io_uring where the kernel lets us. NULL: said why. */
static struct io_env *
server_env(const char *name)
{
	struct froe_fault fault;
	if (name != NULL && strcmp(name, "posix") == 0)
		return io_env_posix();
	if (io_uring_check(&fault) == FROE_OK)
		return io_env_uring();
	if (name != NULL) {
		journal(JOURNAL_ERROR, "no_io_uring", "%s", fault.text);
		return NULL;
	}
	journal(JOURNAL_WARNING, "no_io_uring", "%s; going on with --io posix, which is slower",
	    fault.text);
	return io_env_posix();
}

/* 127.0.0.1:0 with the port it got. */
static void
server_address(const struct hot *hot, char *to, size_t size)
{
	const char *listen = hot->options->listen;
	const char *colon = strrchr(listen, ':');
	int host = colon != NULL ? (int)(colon - listen) : (int)strlen(listen);
	snprintf(to, size, "%.*s:%u", host, listen, hot->listen_port);
}

static void
server_announce(const struct hot *hot, uint64_t took_ns)
{
	const struct log_report *report = &hot->shard.report;
	char address[300], line[340];
	server_address(hot, address, sizeof(address));
	struct journal_line said;
	journal_begin(&said, JOURNAL_INFO, "serving", "froe %s serves on %s%s", FROE_VERSION,
	    address,
	    report->created ? ", a new store"
	    : report->clean ? ""
			    : ", after a crash");
	journal_text(&said, "data", hot->options->data);
	journal_text(&said, "io", hot->env->name);
	journal_number(&said, "epoch", report->epoch);
	journal_number(&said, "snapshot", report->snapshot);
	journal_number(&said, "records_replayed", report->records);
	journal_number(&said, "took_ms", took_ns / NS_PER_MS);
	journal_end(&said);
	if (report->snapshot_skipped[0] != 0)
		journal(JOURNAL_WARNING, "snapshot_skipped",
		    "a snapshot was not used, the log was replayed from further back: %s",
		    report->snapshot_skipped);
	if (report->cut_bytes > 0) {
		journal_begin(&said, JOURNAL_WARNING, "tail_cut",
		    "a torn tail was cut off and kept in quarantine/: %s", report->cut_reason);
		journal_number(&said, "bytes", report->cut_bytes);
		journal_end(&said);
	}
	snprintf(line, sizeof(line), "READY=1\nSTATUS=serves on %s", address);
	FROE_DROP(notify_send(line), "mostly nobody asked");
	if (hot->options->ready_fd < 0)
		return;
	int size = snprintf(line, sizeof(line), "ready %s\n", address);
	if (write(hot->options->ready_fd, line, (size_t)size) != size)
		journal(
		    JOURNAL_WARNING, "ready_fd", "cannot write to --ready-fd: %s", strerror(errno));
}

struct server {
	struct hot hot;
	struct io_env *env;
	const struct server_options *options;
	struct tls_context *tls; /* until hot has it */
	enum froe_exit exit;
};

/* The hot thread: recovery, then turns. */
static void *
server_hot(void *context)
{
	struct server *server = context;
	struct froe_fault fault;
	uint64_t start_ns = io_mono_ns(server->env);
	enum froe_err err = hot_open(&server->hot, server->options, server->tls, server->env,
	    &server->exit, &fault);
	if (err != FROE_OK) {
		/* What had started goes with the process: nothing was acknowledged. */
		journal(JOURNAL_ERROR, "cannot_start", "%s", fault.text);
		_exit((int)server->exit);
	}
	/* Before it is announced: whoever hears of it may send a signal at once. */
	atomic_store_explicit(&server->hot.opened, true, memory_order_release);
	server_announce(&server->hot, io_mono_ns(server->env) - start_ns);
	hot_run(&server->hot);
	hot_close(&server->hot);
	return NULL;
}

/* SIGHUP. What cannot be read changes nothing. */
static void
server_reload(struct server *server)
{
	struct froe_fault fault;
	struct tls_context *tls;
	if (!atomic_load_explicit(&server->hot.opened, memory_order_acquire)) {
		journal(JOURNAL_WARNING, "reload", "still starting: send SIGHUP again later");
	} else if (transport_open(server->options, server->env, &tls, &fault) != FROE_OK) {
		journal(JOURNAL_ERROR, "reload", "going on with the certificate there was: %s: %s",
		    fault.field, fault.text);
	} else if (tls == NULL) {
		journal(JOURNAL_INFO, "reload", "there is no certificate to read again");
	} else {
		hot_set_tls(&server->hot, tls);
		journal(JOURNAL_INFO, "reload", "new TLS connections get the certificate of %s",
		    server->options->tls_cert);
	}
}

/* Until SIGTERM or SIGINT. */
static void
server_wait(struct server *server, const sigset_t *signals)
{
	for (;;) {
		int signal_number;
		if (sigwait(signals, &signal_number) != 0)
			continue;
		if (signal_number != SIGHUP)
			return;
		server_reload(server);
	}
}

int
server_run(const struct server_options *options)
{
	struct server server = {.options = options};
	struct froe_fault fault;
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write past the limit of file sizes fails, like a full disk */
	server.env = server_env(options->io);
	if (server.env == NULL)
		return FROE_EXIT_FAILED;
	if (transport_open(options, server.env, &server.tls, &fault) != FROE_OK) {
		journal(JOURNAL_ERROR, "cannot_start", "%s: %s", fault.field, fault.text);
		return FROE_EXIT_FAILED;
	}
	pthread_t hot;
	if (thread_start(&hot, "froe-hot", server_hot, &server, &fault) != FROE_OK) {
		journal(JOURNAL_ERROR, "cannot_start", "%s", fault.text);
		return FROE_EXIT_FAILED;
	}
	server_wait(&server, &signals);
	FROE_DROP(notify_send("STOPPING=1"), "mostly nobody asked");
	if (!atomic_load_explicit(&server.hot.opened, memory_order_acquire))
		_exit(FROE_EXIT_OK); /* still recovering: nothing to finish */
	hot_stop(&server.hot);
	pthread_join(hot, NULL);
	journal(JOURNAL_INFO, "stopped", "stopped cleanly");
	return FROE_EXIT_OK;
}
