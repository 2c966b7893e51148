/*
 * api/rest_int: a call and its route, for the files of rest.
 */
#ifndef API_REST_INT_H
#define API_REST_INT_H

#include "api/alias.h"
#include "api/rest.h"
#include "api/sheet.h"
#include "base/arena.h"
#include "base/list.h"

#include "proto/native.pb-c.h"

#include <jansson.h>

#define REST_PARAMS_MAX 2u
#define REST_QUERY_MAX 2048u
/* Of a body without its member `input`. */
#define REST_BODY_BYTES_MAX ((size_t)256 << 10)

/* Who may call: a set of enum eng_role; an admin always may. */
#define REST_ANYONE 0u /* without a token too */
#define REST_READERS ((uint32_t)ENG_ROLE_CLIENT | ENG_ROLE_OPERATOR)
#define REST_CLIENTS ((uint32_t)ENG_ROLE_CLIENT)
#define REST_SDKS ((uint32_t)ENG_ROLE_CLIENT | ENG_ROLE_WORKER | ENG_ROLE_OPERATOR)

struct rest_route {
	enum http_method method;
	const char *path; /* "/api/v1/tenants/{tenant}/worker" */
	void (*begin)(struct rest_call *call);
	uint32_t roles;
	const char *query;   /* the parameters that count, with spaces between; "" */
	const char *schema;  /* of what comes back, for people and the OpenAPI document */
	const char *summary;
};
extern const struct rest_route REST_ROUTES[];
extern const size_t REST_ROUTE_COUNT;

struct rest_pair {
	struct bytes key;
	struct bytes value;
};

struct rest_reply {
	uint32_t number;
	const ProtobufCMessage *message;
	const Froe__Error *error; /* the message, if it is one; else NULL */
};
typedef void rest_reply_fn(struct rest_call *call, uint32_t tag, const struct rest_reply *reply);

struct rest_ask {
	struct list link;
	uint64_t request; /* 0: not yet posted */
	uint32_t tag;
	rest_reply_fn *reply;
	struct api_command *command; /* until it is posted; owned */
};

struct rest_call {
	struct rest *rest;
	const struct rest_route *route;
	struct arena arena;  /* of the whole call */
	struct arena message; /* of one reply */
	struct arena batch;  /* of a batch of rest_walk */
	enum http_method method;
	struct bytes path;
	struct bytes token;
	struct bytes params[REST_PARAMS_MAX];
	struct bytes tenant; /* as the path has it; empty: it has none */
	struct bytes query_text;
	struct rest_pair *query;
	uint32_t query_count;
	struct bytes body;
	json_t *json;        /* rest_body() */
	struct bytes input;  /* its member `input`, as it was sent */
	struct list asks;
	uint32_t ask_count;
	bool begun;
	bool done;
	unsigned status;
	const char *type;
	const char *extra;
	struct buf out;
	void *state;         /* the operation's, in the arena */
};

/* rest.c */
void *rest_zalloc(struct rest_call *call, size_t size);
struct bytes rest_keep(struct rest_call *call, struct bytes text); /* ends with a zero byte */
/* Asks what a native client would by this message, which is judged by the same code; `reply` is
 * called once. False: it was refused, and that is the answer. What the reply before this one had is
 * gone. */
bool rest_ask(struct rest_call *call, uint32_t number, const ProtobufCMessage *message,
    rest_reply_fn *reply, uint32_t tag);
/* The answer, which call->out has. */
void rest_finish(struct rest_call *call, unsigned status);
void rest_fail(struct rest_call *call, unsigned status, const char *field, const char *format, ...)
    FROE_PRINTF(4, 5);
void rest_fail_fault(struct rest_call *call, const struct froe_fault *fault);
/* True: the reply is an error, which now is the call's answer. */
bool rest_failed(struct rest_call *call, const struct rest_reply *reply);
struct sheet rest_sheet(struct rest_call *call);
unsigned rest_status(enum froe_err err);
/* The value of "pagination". `next` 0: there is none. */
void rest_write_pages(struct sheet *sheet, uint64_t current, uint64_t next, uint64_t count);

/* rest_route.c */
/* NULL: none. *ret_allow: there is one for another method; bits 1 << enum http_method. */
const struct rest_route *rest_route_find(enum http_method method, struct bytes path,
    struct bytes params[REST_PARAMS_MAX], struct bytes *ret_tenant, uint32_t *ret_allow);
const char *rest_method_name(enum http_method method);

/* rest_query.c */
/* False: it is not well-formed. */
bool rest_percent_decode(struct arena *arena, struct bytes text, bool plus, struct bytes *ret_text);
bool rest_query_parse(struct rest_call *call); /* false: it was refused */
/* The value of the key for the (index + 1)th time. */
bool rest_query_at(const struct rest_call *call, const char *key, uint32_t index,
    struct bytes *ret_value);
/* What is not there leaves *to as it is. False: it was refused. */
bool rest_query_number(struct rest_call *call, const char *key, uint64_t max, uint64_t *to);
bool rest_query_bool(struct rest_call *call, const char *key, bool *to);
bool rest_query_time(struct rest_call *call, const char *key, uint64_t *to);
bool rest_query_uuid(struct rest_call *call, const char *key, struct uuid *to, bool *ret_there);
/* RFC 3339, with Z or an offset. */
bool rest_time_parse(struct bytes text, uint64_t *ret_wall_ns);
/* Parameter `index` of the path. */
bool rest_param_uuid(struct rest_call *call, uint32_t index, const char *name, struct uuid *to);

/* rest_body.c */
/* Parses the body, an object, into call->json and call->input. False: it was refused. */
bool rest_body(struct rest_call *call);
/* The member of that name at the top of an object; false: there is none. */
bool rest_member(struct bytes object, const char *name, struct bytes *ret_value);

/* The operations. */
void rest_meta(struct rest_call *call);
void rest_queue_metrics(struct rest_call *call);
void rest_task_stats(struct rest_call *call);
void rest_rate_limits(struct rest_call *call);
void rest_openapi(struct rest_call *call);
void rest_live(struct rest_call *call);
void rest_ready(struct rest_call *call);
void rest_version(struct rest_call *call);
void rest_tenant(struct rest_call *call);
void rest_run(struct rest_call *call);
void rest_run_status(struct rest_call *call);
void rest_run_shape(struct rest_call *call);
void rest_run_timings(struct rest_call *call);
void rest_task(struct rest_call *call);
void rest_task_logs(struct rest_call *call);
void rest_runs(struct rest_call *call);
void rest_run_ids(struct rest_call *call);
void rest_task_metrics(struct rest_call *call);
void rest_cancel(struct rest_call *call);
void rest_replay(struct rest_call *call);
void rest_trigger(struct rest_call *call);
void rest_events(struct rest_call *call);
void rest_event(struct rest_call *call);
void rest_workers(struct rest_call *call);
void rest_worker(struct rest_call *call);
void rest_worker_patch(struct rest_call *call);
void rest_workflows(struct rest_call *call);
void rest_workflow(struct rest_call *call);
void rest_workflow_version(struct rest_call *call);
void rest_workflow_patch(struct rest_call *call);
void rest_workflow_delete(struct rest_call *call);
void rest_run_events(struct rest_call *call);
void rest_task_events(struct rest_call *call);
void rest_branch(struct rest_call *call);
void rest_restore(struct rest_call *call);

#endif
