/*
 * api/rest: the REST operations of Hatchet's SDKs, on one HTTP connection.
 *
 * Purpose     Takes a request that has come whole, finds its route, sees to it that the connection
 *             has a session at the shard for its token and tenant, asks what the operation needs,
 *             by the commands that the native protocol has too, and writes the answer as JSON.
 * Ownership   the owner embeds struct rest beside its struct conn, and lends the port.
 * Threading   the loop's thread. rest_deliver may be called from within port->post.
 * Invariants  1. at most one call is under way.
 *             2. open_posted: the shard may know this connection; it is told of its end.
 *             3. what is posted has a number above REST_NUMBER_FIRST: other requests of the
 *                connection have smaller ones.
 * Bound       an answer's bytes: REST_ANSWER_BYTES_MAX and one message more. Commands under way:
 *             REST_ASKS_MAX.
 * See         docs/rest.md
 */
#ifndef API_REST_H
#define API_REST_H

#include "api/port.h"
#include "net/http.h"

#include <stdatomic.h>

#define REST_NUMBER_FIRST (UINT64_C(1) << 32)
#define REST_ASKS_MAX 16u
#define REST_ANSWER_BYTES_MAX ((size_t)32 << 20)

struct rest_call;

enum rest_session {
	REST_NONE,    /* the shard does not know it, or it is to be told anew */
	REST_OPENING,
	REST_OPEN,
};

struct rest {
	struct api_port *port;
	const atomic_bool *ready;
	uint64_t handle;
	struct api_peer peer;
	enum rest_session session;
	bool open_posted;
	bool cut;               /* the token has ended: so does the connection */
	uint64_t opened;        /* number of the request that opens */
	uint64_t last;
	struct buf credential;  /* whose session it is: the token, 0, the tenant that was named */
	uint32_t roles;
	struct uuid tenant;
	struct buf tenant_name; /* with a zero byte */
	struct rest_call *call; /* NULL: none */
};

struct rest_answer {
	unsigned status;
	const char *type;  /* NULL: application/json */
	const char *extra; /* header lines, or NULL */
	struct bytes body;
};

void rest_open(struct rest *rest, struct api_port *port, const atomic_bool *ready,
    uint64_t handle);
void rest_release(struct rest *rest);

/* Is this path one of ours? */
bool rest_serves(struct bytes path);

/* Begins a call; the request's bytes are copied. */
void rest_begin(struct rest *rest, const struct http_request *request);
/* Posts what there is to post. */
enum api_progress rest_step(struct rest *rest);
/* True: the call is done. The answer is borrowed until rest_end. */
bool rest_done(const struct rest *rest, struct rest_answer *ret_answer);
void rest_end(struct rest *rest);

size_t rest_held_bytes(const struct rest *rest);
void rest_deliver(struct rest *rest, const struct api_effect *effect);
/* The connection ends. False: no room at the port; call again. */
bool rest_close(struct rest *rest);

#endif
