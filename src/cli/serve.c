/*
 * cli/serve: `froe server` and `froe dev`.
 */
#define _GNU_SOURCE /* nftw */
#include "cli/cli.h"

#include "base/duration.h"
#include "base/fault.h"
#include "server/access.h"
#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t
duration_option(const struct cli *cli, const char *name, uint32_t otherwise_ms)
{
	uint64_t ms = cli_duration_ms(cli, name, otherwise_ms);
	if (ms > UINT32_MAX)
		cli_usage(cli, "--%s: at most 49 days", name);
	return (uint32_t)ms;
}

/* Numbers are looked at as numbers: "127.example.org:1" is somebody else's host. */
static bool
is_loopback(const char *address)
{
	char host[64];
	struct in_addr number;
	size_t size = (size_t)(strrchr(address, ':') - address);
	if (size >= sizeof(host))
		return false;
	memcpy(host, address, size);
	host[size] = 0;
	if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &number) == 1 && ntohl(number.s_addr) >> 24 == 127;
}

static void
retention_option(const struct cli *cli, struct server_options *options)
{
	const char *text = cli_text(cli, "retention");
	uint64_t otherwise_ms = options->retention_ns / NS_PER_MS;
	options->retention_bytes = cli_number(cli, "retention-bytes", 0, UINT64_C(1) << 60);
	if (text != NULL && strcmp(text, "forever") == 0)
		options->retention_ns = UINT64_MAX;
	else
		options->retention_ns =
		    cli_duration_ms(cli, "retention", otherwise_ms) * NS_PER_MS;
}

static void
read_limits(const struct cli *cli, struct server_options *options)
{
	options->stall_ms = duration_option(cli, "write-stall", options->stall_ms);
	options->idle_ms = duration_option(cli, "idle", options->idle_ms * 2) / 2;
	options->connections =
	    (uint32_t)cli_number(cli, "connections", options->connections, 1000000);
	options->connections_reserved = (uint32_t)cli_number(cli, "connections-reserved",
	    options->connections_reserved, 1000000);
	options->strangers_per_address = (uint32_t)cli_number(cli, "strangers-per-address",
	    options->strangers_per_address, 1000000);
	options->strangers_bytes =
	    cli_number(cli, "strangers-bytes", options->strangers_bytes, UINT64_C(1) << 40);
	if (options->connections == 0)
		cli_usage(cli, "--connections: 0 connections serve nobody");
	if (options->idle_ms == 0)
		cli_usage(cli, "--idle: at least 2ms");
}

static void
read_options(const struct cli *cli, struct server_options *options)
{
	server_options_init(options);
	if (cli_text(cli, "listen") != NULL)
		options->listen = cli_text(cli, "listen");
	if (strrchr(options->listen, ':') == NULL)
		cli_usage(cli, "--listen: \"%s\" has no port: write HOST:PORT", options->listen);
	options->advertise = cli_text(cli, "advertise");
	if (options->advertise != NULL && access_advertise_fault(options->advertise) != NULL)
		cli_usage(cli, "--advertise: \"%s\": %s", options->advertise,
		    access_advertise_fault(options->advertise));
	options->io = cli_text(cli, "io");
	if (options->io != NULL && strcmp(options->io, "io_uring") != 0 &&
	    strcmp(options->io, "posix") != 0)
		cli_usage(cli, "--io: \"%s\" is neither io_uring nor posix", options->io);
	options->poll_us = (uint32_t)cli_number(cli, "poll-us", options->poll_us, 10000);
	const char *quick = cli_text(cli, "quick-cores");
	if (quick != NULL && strcmp(quick, "off") != 0 && strcmp(quick, "on") != 0)
		cli_usage(cli, "--quick-cores: \"%s\" is neither on nor off", quick);
	options->quick_cores_off = quick != NULL && strcmp(quick, "off") == 0;
	options->segment_bytes = cli_number(cli, "segment-bytes", 0, UINT64_C(1) << 30);
	options->snapshot_bytes =
	    cli_number(cli, "snapshot-bytes", options->snapshot_bytes, UINT64_C(1) << 40);
	options->cache_bytes =
	    cli_number(cli, "cache-bytes", options->cache_bytes, UINT64_C(1) << 40);
	options->open_runs = cli_number(cli, "open-runs", options->open_runs, UINT64_C(1) << 40);
	options->heartbeat_ms = duration_option(cli, "heartbeat", options->heartbeat_ms);
	retention_option(cli, options);
	options->heartbeat_lost_ms =
	    duration_option(cli, "heartbeat-lost", options->heartbeat_lost_ms);
	options->reconnect_grace_ms =
	    duration_option(cli, "reconnect-grace", options->reconnect_grace_ms);
	options->begun_wait_ms = duration_option(cli, "begun-wait", options->begun_wait_ms);
	options->accept_tail_loss = cli_flag(cli, "accept-tail-loss");
	options->edge_only = cli_flag(cli, "edge-sessions");
	options->ready_fd = (int)cli_number(cli, "ready-fd", UINT32_MAX, UINT32_MAX);
	options->handshake_ms = duration_option(cli, "handshake", options->handshake_ms);
	read_limits(cli, options);
	cli_server_tls(cli, options, is_loopback(options->listen));
}

int
cli_server(struct cli *cli)
{
	struct server_options options;
	const char *auth = cli_text(cli, "auth");
	read_options(cli, &options);
	options.data = cli_text(cli, "data");
	if (options.data == NULL)
		cli_usage(cli, "--data is missing: say where the data shall lie");
	if (auth != NULL && strcmp(auth, "off") != 0 && strcmp(auth, "on") != 0)
		cli_usage(cli, "--auth: \"%s\" is neither on nor off", auth);
	options.auth_off = auth != NULL && strcmp(auth, "off") == 0;
	if (options.auth_off && !is_loopback(options.listen))
		cli_usage(cli,
		    "--auth off listens on loopback only, not on %s: whoever reaches it could do "
		    "everything; leave --auth off out and make tokens with \"froe token create\"",
		    options.listen);
	return server_run(&options);
}

static int
remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int
cli_dev(struct cli *cli)
{
	struct server_options options;
	const char *base = getenv("TMPDIR");
	char dir[4096];
	read_options(cli, &options);
	if (!is_loopback(options.listen))
		cli_usage(cli, "froe dev listens on loopback only, not on %s", options.listen);
	snprintf(dir, sizeof(dir), "%s/froe-dev-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(dir) == NULL) {
		fprintf(stderr, "froe: cannot make %s: %s\n", dir, strerror(errno));
		return FROE_EXIT_FAILED;
	}
	fprintf(stderr,
	    "froe dev: data in %s, removed at the end; access control is off\n"
	    "Try, in another terminal:\n"
	    "  froe worker exec --workflow hello -- sh -c 'echo \"hello, $(cat)\"'\n"
	    "  froe run hello --input '{\"who\": \"you\"}' --wait\n"
	    "  froe runs list\n",
	    dir);
	options.data = dir;
	options.dev = true;
	options.auth_off = true;
	int status = server_run(&options);
	if (nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
		fprintf(stderr, "froe: cannot remove %s: %s, ignoring\n", dir, strerror(errno));
	return status;
}
