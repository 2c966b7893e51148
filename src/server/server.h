/*
 * server/server: `froe server`: configuration, start, stop.
 *
 * Purpose     Opens the data directory, serves until SIGTERM or SIGINT, and stops cleanly. SIGHUP
 *             reads certificate, key and client CA again.
 * Threading   server_run: the main thread. It starts and joins all others.
 * Failure     the exit status says what happened: enum froe_exit in base/fault.h, docs/cli.md.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server_options {
	const char *data;
	const char *listen;
	const char *listen_also; /* a second address for the same; NULL: none */
	const char *advertise; /* where clients reach it; NULL: where it listens */
	const char *io; /* NULL: io_uring, or posix where it is refused; "io_uring", "posix" */
	bool auth_off;
	bool dev;
	bool edge_only; /* all native sessions on the edge loop */
	uint64_t segment_bytes; /* 0: the default, or what the store has */
	uint64_t snapshot_bytes; /* of log from one snapshot to the next, at least */
	uint64_t cache_bytes;   /* recent payloads kept in memory */
	uint64_t open_runs;     /* more are refused; 0: any number */
	uint32_t heartbeat_ms;
	uint32_t heartbeat_lost_ms;
	uint32_t poll_us;      /* io_poll() of the hot loop; 0: never */
	bool quick_cores_off;  /* no io_quick() */
	uint64_t retention_ns; /* of a run that has ended; UINT64_MAX: for ever */
	uint64_t retention_bytes; /* of log and cold files; 0: no limit */
	uint32_t reconnect_grace_ms;
	uint32_t begun_wait_ms; /* gateway/doubt.h */
	uint32_t in_use_wait_ms; /* for a server that ends on the same directory */
	bool accept_tail_loss;
	const char *tls_cert;      /* PEM files; NULL: no TLS */
	const char *tls_key;
	const char *tls_client_ca; /* NULL: clients are not asked for a certificate */
	bool tls_client_optional;
	bool tls_off;              /* plaintext for everyone, said aloud */
	bool tls_required;         /* plaintext for no one, on loopback neither */
	uint32_t handshake_ms;     /* a connection has said who it is by then */
	uint32_t stall_ms;         /* a peer that does not read is closed after this */
	uint32_t idle_ms;          /* silence: asked once, closed after twice this */
	uint32_t connections;      /* of one loop */
	uint32_t connections_reserved; /* of these, for those who have said who they are */
	uint32_t strangers_per_address; /* connections that have not; 0: any number */
	uint64_t strangers_bytes;  /* memory of all those */
	int ready_fd; /* -1, or a descriptor on which "ready ADDRESS\n" is written */
};

void server_options_init(struct server_options *options);
int server_run(const struct server_options *options); /* the exit status */

#endif
