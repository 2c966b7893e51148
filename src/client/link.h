/*
 * client/link: one TCP connection and its frames; knows nothing of what they mean.
 *
 * Purpose     connecting without waiting, TLS if asked for, reading and writing in large pieces,
 *             cutting the stream into frames (little-endian u32 length, then that many bytes).
 * Ownership   the link owns its socket and buffers. A frame is borrowed until the next
 *             link_receive.
 * Invariants  1. CLOSED: no socket, empty buffers. 2. `armed` is what epoll watches for.
 *             3. whatever was received is decrypted before the call returns: a readable socket is
 *                the only sign of more.
 * Failure     any error means: link_drop it; nothing is retried in here.
 * Threading   its owner only (the client's lock).
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "client/address.h"

#include "base/bytes.h"
#include "tls/tls.h"

#include <stdbool.h>
#include <stdint.h>

enum link_state {
	LINK_CLOSED,
	LINK_CONNECTING,
	LINK_SECURING, /* the TLS handshake is under way */
	LINK_OPEN,
};

struct link {
	enum link_state state;
	int fd;
	int epoll_fd;
	uint32_t armed; /* epoll events asked for */
	struct tls *tls; /* while there is a socket with TLS */
	uint64_t received; /* bytes, ever */
	struct buf in;
	struct buf out;
	size_t frame_size_max;
};

/* epoll_fd is borrowed; the socket is registered there while there is one. */
void link_init(struct link *link, int epoll_fd);
void link_drop(struct link *link); /* closes the socket; harmless when closed */
void link_release(struct link *link);

/* Begins to connect; the state is CONNECTING, SECURING or OPEN after it. `tls` is the link's, also
 * when it fails; NULL: plaintext. */
enum froe_err link_connect(struct link *link, const struct address *address, struct tls *tls,
    struct froe_fault *fault) FROE_CHECKED;

/* The socket is ready while CONNECTING or SECURING: goes on, OPEN in the end. */
enum froe_err link_connected(struct link *link, struct froe_fault *fault) FROE_CHECKED;

/* Reads once. FROE_CLOSED: the other side is gone. Nothing to read is no error. */
enum froe_err link_receive(struct link *link, struct froe_fault *fault) FROE_CHECKED;

/* The last error came of TLS: a certificate was refused, or the other side broke the protocol. It
 * would come again. */
bool link_refused(const struct link *link);

/* The next whole frame: true and its bytes, which link_frame_pop consumes. */
bool link_frame(const struct link *link, struct bytes *ret_frame);
void link_frame_pop(struct link *link);

/* FROE_PROTOCOL if what comes next is larger than a frame may be. */
enum froe_err link_frame_check(const struct link *link, struct froe_fault *fault) FROE_CHECKED;

void link_push(struct link *link, const void *data, size_t size); /* appends to what goes out */

/* Writes what it can; arms epoll for the rest. */
enum froe_err link_flush(struct link *link, struct froe_fault *fault) FROE_CHECKED;

#endif
