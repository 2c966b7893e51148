/*
 * cli/bench_crowd: connections that one process steps.
 *
 * One connection is stepped as it is: it waits by itself. Several wait in an epoll of their own
 * descriptors; each that can be read is stepped without waiting. A line that was given something to
 * send outside of its own step is dirty: its descriptor does not say so.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cli/bench_int.h"

#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 256

struct froe_client *
bench_connect(const struct bench_plan *plan, uint64_t tenant, bool no_thread, int *ret_status)
{
	const struct cli *cli = plan->cli;
	struct froe_client *client;
	struct froe_error error;
	char token[CLI_TOKEN_SIZE], name[BENCH_NAME_SIZE];
	struct froe_client_options options = {
	    .address = cli_text(cli, "address"),
	    .tenant = cli_text(cli, "tenant"),
	    .token = token,
	    .open_ms = BENCH_CALL_MS,
	    .no_thread = no_thread,
	};
	struct froe_tls_options tls;

	snprintf(name, sizeof(name), "bench-%llu", (unsigned long long)tenant);
	if (tenant > 0)
		options.tenant = name;
	if (cli_client_tls(cli, options.address, &tls))
		options.tls = &tls;
	*ret_status = FROE_EXIT_FAILED;
	if (!cli_token(cli, token))
		return NULL;
	if (froe_client_open(&options, &client, &error) == FROE_OK)
		return client;
	*ret_status = cli_unconnected(&error);
	return NULL;
}

static void
crowd_watch(struct crowd *crowd, struct crowd_line *line)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
	int added = epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, froe_client_fd(line->client), &event);

	froe_assert(added == 0);
}

bool
crowd_open(struct crowd *crowd, const struct bench_plan *plan, uint64_t count, int *ret_status)
{
	*crowd = (struct crowd){
	    .lines = mem_array(count, sizeof(*crowd->lines)),
	    .epoll = epoll_create1(EPOLL_CLOEXEC),
	};
	froe_assert(crowd->epoll >= 0);
	while (crowd->count < count) {
		struct crowd_line *line = &crowd->lines[crowd->count];

		line->tenant = crowd->count % plan->tenants;
		line->client = bench_connect(plan, line->tenant, true, ret_status);
		if (line->client == NULL)
			return false;
		crowd->count++;
		crowd_watch(crowd, line);
	}
	return true;
}

void
crowd_close(struct crowd *crowd)
{
	if (crowd->lines == NULL)
		return;
	for (uint64_t i = 0; i < crowd->count; i++)
		froe_client_close(crowd->lines[i].client);
	close(crowd->epoll);
	mem_free(crowd->lines);
	crowd->lines = NULL;
}

static enum froe_err
line_step(struct crowd_line *line, struct froe_error *error)
{
	enum froe_err err = froe_client_step(line->client, 0, error);

	line->dirty = false; /* what its callbacks have started went out at the end of the step */
	return err;
}

/* Those that have something to send; now and then all, whose timers may have come. */
static enum froe_err
crowd_flush(struct crowd *crowd, uint64_t now_ns, struct froe_error *error)
{
	bool all = now_ns - crowd->all_ns >= BENCH_STEP_NS;
	enum froe_err err = FROE_OK;

	if (all)
		crowd->all_ns = now_ns;
	for (uint64_t i = 0; i < crowd->count && err == FROE_OK; i++) {
		if (all || crowd->lines[i].dirty)
			err = line_step(&crowd->lines[i], error);
	}
	return err;
}

static enum froe_err
crowd_wait(struct crowd *crowd, uint64_t wait_ns, struct froe_error *error)
{
	struct epoll_event events[EVENTS];
	struct timespec wait = {.tv_nsec = (long)wait_ns};
	enum froe_err err = FROE_OK;
	int count = epoll_pwait2(crowd->epoll, events, EVENTS, &wait, NULL);

	froe_assert(count >= 0 || errno == EINTR);
	for (int i = 0; i < count && err == FROE_OK; i++)
		err = line_step(events[i].data.ptr, error);
	return err;
}

enum froe_err
crowd_step(struct crowd *crowd, uint64_t until_ns, struct froe_error *error)
{
	uint64_t now_ns = samples_now_ns();
	uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;

	if (wait_ns > BENCH_STEP_NS)
		wait_ns = BENCH_STEP_NS;
	if (crowd->count == 1 && wait_ns == BENCH_STEP_NS)
		return froe_client_step(crowd->lines[0].client,
		    (int)(wait_ns / (SAMPLES_NS_PER_S / 1000)), error);
	enum froe_err err = crowd_flush(crowd, now_ns, error);
	return err == FROE_OK ? crowd_wait(crowd, wait_ns, error) : err;
}
