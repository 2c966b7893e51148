#define _GNU_SOURCE /* memmem */
#include "cli/scrape.h"

#include "base/duration.h"
#include "client/clock.h"
#include "client/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BODY_BYTES_MAX ((size_t)16 << 20)

struct session {
	const struct scrape *scrape;
	struct link link;
	int epoll_fd;
	uint64_t until_ns;
	bool asked;
};

/* ----------------------------------------------------------------------------------- the answer */

static const uint8_t *
find(struct bytes in, const char *text)
{
	return in.size > 0 ? memmem(in.data, in.size, text, strlen(text)) : NULL;
}

/* Our server says how long the body is; one that only closes is taken at its word. True: whole. */
static bool
answer_whole(struct bytes in, bool closed)
{
	const uint8_t *end = find(in, "\r\n\r\n");
	if (end == NULL)
		return false;
	const uint8_t *length = find(bytes_of(in.data, (size_t)(end - in.data)),
	    "\r\nContent-Length: ");
	if (length == NULL)
		return closed;
	size_t have = in.size - (size_t)(end + 4 - in.data);
	return have >= strtoull((const char *)length + strlen("\r\nContent-Length: "), NULL, 10);
}

static enum froe_err
answer_take(struct bytes in, struct buf *to, struct froe_fault *fault)
{
	const uint8_t *end = find(in, "\r\n\r\n");
	static const char version[] = "HTTP/1.1 ";
	if (end == NULL || in.size < 12 || memcmp(in.data, version, strlen(version)) != 0)
		return fault_set(fault, FROE_PROTOCOL, "what answers there does not speak HTTP");
	long status = strtol((const char *)in.data + strlen(version), NULL, 10);
	struct bytes body = bytes_of(end + 4, in.size - (size_t)(end + 4 - in.data));
	int shown = (int)(body.size < 200 ? body.size : 200);
	while (shown > 0 && body.data[shown - 1] == '\n')
		shown--;
	if (status == 401)
		return fault_set(
		    fault, FROE_UNAUTHENTICATED, "%.*s", shown, (const char *)body.data);
	if (status == 403)
		return fault_set(fault, FROE_FORBIDDEN, "%.*s", shown, (const char *)body.data);
	if (status != 200)
		return fault_set(fault, FROE_PROTOCOL, "the answer is %ld: %.*s", status, shown,
		    (const char *)body.data);
	buf_push(to, body.data, body.size);
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------- asking */

static void
ask(struct session *session, const char *path)
{
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "GET %s HTTP/1.1\r\nHost: froe\r\nConnection: close\r\n", path);
	if (session->scrape->token[0] != 0)
		buf_printf(&text, "Authorization: Bearer %s\r\n", session->scrape->token);
	buf_push_text(&text, "\r\n");
	link_push(&session->link, text.data, buf_used(&text));
	buf_release(&text);
	session->asked = true;
}

static enum froe_err
wait_ready(struct session *session, uint32_t *ret_events, struct froe_fault *fault)
{
	struct epoll_event event = {0};
	uint64_t now_ns = clock_now_ns();
	if (now_ns >= session->until_ns)
		return fault_set(fault, FROE_TIMEOUT, "no answer within %u ms",
		    session->scrape->timeout_ms);
	int wait_ms = (int)((session->until_ns - now_ns) / NS_PER_MS) + 1;
	if (epoll_wait(session->epoll_fd, &event, 1, wait_ms) < 0 && errno != EINTR)
		return fault_set_errno(fault, errno, "epoll_wait");
	*ret_events = event.events;
	return FROE_OK;
}

/* What can be done now. FROE_CLOSED: the other side has ended. */
static enum froe_err
turn(struct session *session, const char *path, uint32_t events, struct froe_fault *fault)
{
	struct link *link = &session->link;
	enum froe_err err = FROE_OK;
	if (link->state != LINK_OPEN && events != 0)
		err = link_connected(link, fault);
	else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		err = link_receive(link, fault);
	if (err == FROE_OK && link->state == LINK_OPEN && !session->asked)
		ask(session, path);
	return err == FROE_OK ? link_flush(link, fault) : err;
}

static enum froe_err
talk(struct session *session, const char *path, struct buf *to, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	uint32_t events = 0;
	bool whole = false;
	while (!whole && err == FROE_OK) {
		err = turn(session, path, events, fault);
		bool closed = err == FROE_CLOSED && session->asked;
		whole = answer_whole(buf_bytes(&session->link.in), closed);
		if (closed)
			break;
		if (buf_used(&session->link.in) > BODY_BYTES_MAX)
			return fault_set(fault, FROE_PROTOCOL, "the answer has no end");
		if (err == FROE_OK && !whole)
			err = wait_ready(session, &events, fault);
	}
	return whole ? answer_take(buf_bytes(&session->link.in), to, fault) : err;
}

/* ---------------------------------------------------------------------------------- connecting */

static enum froe_err
tls_open(const struct scrape *scrape, struct tls_context **ret_context, struct froe_fault *fault)
{
	static const struct froe_tls_options defaults;
	const struct froe_tls_options *options = scrape->tls != NULL ? scrape->tls : &defaults;
	struct tls_options files = {
	    .ca_file = options->ca_file,
	    .cert_file = options->cert_file,
	    .key_file = options->key_file,
	};
	return tls_context_open(ret_context, &files, fault);
}

static enum froe_err
connect_and_talk(struct session *session, struct tls_context *context, const char *host,
    const char *path, struct buf *to, struct froe_fault *fault)
{
	struct address_list list;
	enum froe_err err = address_resolve(session->scrape->address, &list, fault);
	for (size_t i = 0; err == FROE_OK && i < list.count; i++) {
		struct tls *tls = context != NULL ? tls_new(context, host) : NULL;
		session->asked = false;
		err = link_connect(&session->link, &list.addresses[i], tls, fault);
		if (err == FROE_OK)
			err = talk(session, path, to, fault);
		if (err == FROE_OK || session->asked || i + 1 == list.count)
			break;
		link_drop(&session->link);
		err = FROE_OK;
	}
	return err;
}

enum froe_err
scrape_get(const struct scrape *scrape, const char *path, struct buf *to, struct froe_fault *fault)
{
	struct session session = {
	    .scrape = scrape,
	    .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
	    .until_ns = clock_now_ns() + scrape->timeout_ms * NS_PER_MS,
	};
	struct tls_context *context = NULL;
	char host[ADDRESS_HOST_SIZE];
	bool tls;
	if (session.epoll_fd < 0)
		return fault_set_errno(fault, errno, "epoll_create1");
	link_init(&session.link, session.epoll_fd);
	session.link.frame_size_max = 0; /* what comes are no frames */
	enum froe_err err = address_check(scrape->address, host, &tls, fault);
	if (err == FROE_OK && tls)
		err = tls_open(scrape, &context, fault);
	const char *name = scrape->tls != NULL ? scrape->tls->server_name : NULL;
	if (err == FROE_OK)
		err = connect_and_talk(&session, context, name != NULL ? name : host, path, to,
		    fault);
	link_release(&session.link);
	tls_context_close(context);
	close(session.epoll_fd);
	return err;
}
