/*
 * api/http_api: the HTTP side: /healthz, /readyz, /metrics, and what api/rest serves below /api/.
 *
 * Purpose     One HTTP/1.1 connection's session: takes requests in order, answers each before the
 *             next is taken.
 * Ownership   the owner embeds struct http_api beside its struct conn.
 * Threading   the loop's thread. http_api_deliver may be called from within port->post.
 * Invariants  1. at most one request is under way at the shard.
 *             2. at most HTTP_PIPELINE_MAX answers are in the output.
 */
#ifndef API_HTTP_API_H
#define API_HTTP_API_H

#include "api/port.h"
#include "api/rest.h"
#include "net/conn.h"
#include "net/http.h"

#include <stdatomic.h>

struct http_api {
	struct conn *conn;
	struct api_port *port;
	const atomic_bool *ready;
	uint64_t handle;
	struct api_peer peer; /* the owner fills it in after http_api_open */
	struct http_scan scan;
	struct rest rest;
	size_t awaited;    /* bytes that were there when HEAD's time was last begun anew */
	bool told;         /* 100 Continue was sent for this request */
	uint64_t asked;    /* number of the latest /metrics */
	uint32_t unsent;   /* answers that may still be in the output */
	bool waiting;      /* for the shard's answer to `asked`, which was: */
	bool head;         /* a HEAD */
	bool keep_alive;
	bool drain;        /* the next answer is the last one */
	const char *refusal; /* what its request is answered with, or NULL */
};

void http_api_open(struct http_api *http, struct conn *conn, struct api_port *port,
    const atomic_bool *ready, uint64_t handle);
/* Answers the first request with 400 and this (static) text, and ends it. */
void http_api_refuse(struct http_api *http, const char *why);
enum api_progress http_api_step(struct http_api *http);
void http_api_deliver(struct http_api *http, const struct api_effect *effect);
void http_api_drain(struct http_api *http);
/* The connection ends. False: no room at the port; call again. */
bool http_api_close(struct http_api *http);
void http_api_release(struct http_api *http);
/* A good token came by it: it is no stranger any more. */
bool http_api_known(const struct http_api *http);

#endif
