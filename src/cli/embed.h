/*
 * cli/embed: froe as the engine that Hatchet's SDK for TypeScript starts for itself.
 *
 * Purpose     HatchetEmbeddedClient.init() starts the program that
 *             HATCHET_CLIENT_EMBEDDED_BINARY_PATH names, waits until its handshake file says where
 *             the engine is and what token opens it, and closes the program's standard input when
 *             it needs it no more. froe called by the name EMBED_NAME is that program.
 * Threading   embed_main: the main thread, and one of its own.
 * Failure     the exit status, as of `froe server`; what is wrong on stderr.
 * See         docs/hatchet.md, "Embedded in a program"
 */
#ifndef CLI_EMBED_H
#define CLI_EMBED_H

#include "base/bytes.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

#define EMBED_NAME "froe-hatchet-embedded"
#define EMBED_PATH_SIZE 4096

struct embed_options {
	const char *handshake_file;
	const char *database_url; /* of no use here, as the next */
	const char *rabbitmq_url;
	const char *data;
	const char *log_level;
	uint16_t grpc_port; /* 0: not given */
	uint16_t api_port;
	bool no_api;
	bool no_migrations;
	bool help;
};

struct embed_handshake {
	const char *token;
	const char *tenant;
	const char *grpc_address;
	const char *api_url; /* "": there is none */
};

/* Is this what the program was called by? */
bool embed_named(const char *program);
int embed_main(int argc, char **argv);

/* The parts, for tests. */
enum froe_err embed_options_parse(
    struct embed_options *options, int argc, char **argv, struct froe_fault *fault) FROE_CHECKED;
/* Where the data lies: `given` with "~/" resolved, or a place of the user's own. */
enum froe_err embed_data_find(const char *given, const char *home, const char *data_home,
    char ret_path[EMBED_PATH_SIZE], struct froe_fault *fault) FROE_CHECKED;
/* FROE_LOG_LEVEL's word for Hatchet's; NULL: it is none. */
const char *embed_log_level(const char *level);
void embed_handshake_format(const struct embed_handshake *handshake, struct buf *to);
/* The whole file at once, and only for its owner. */
enum froe_err embed_handshake_write(
    const char *path, const struct buf *text, struct froe_fault *fault) FROE_CHECKED;

#endif
