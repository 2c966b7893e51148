/*
 * bench/scale/lists: how long a list of 50 takes, by each filter and some together.
 *
 * Units       microseconds, seen by a client: request, index, answer.
 */
#ifndef SCALE_LISTS_H
#define SCALE_LISTS_H

#include "scale/load.h"

#define LISTS_EACH 200u

struct lists_result {
	const char *name;
	size_t rows; /* of the last page */
	double p50_us;
	double p99_us;
	double max_us;
};

static inline int
lists_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static inline struct lists_result
lists_time(struct froe_client *client, const char *name, const struct froe_list_options *options)
{
	struct lists_result result = {.name = name};
	struct froe_run_page *page;
	struct froe_error error;
	double took_us[LISTS_EACH];
	struct froe_list_options asked = *options;
	asked.limit = 50;
	for (unsigned i = 0; i < LISTS_EACH; i++) {
		uint64_t began_ns = process_now_ns();
		if (froe_run_list(client, &asked, LOAD_CALL_MS, &page, &error) != FROE_OK)
			load_die(name, &error);
		took_us[i] = (double)(process_now_ns() - began_ns) / 1e3;
		result.rows = page->row_count;
		froe_run_page_free(page);
	}
	qsort(took_us, LISTS_EACH, sizeof(took_us[0]), lists_compare);
	result.p50_us = took_us[LISTS_EACH / 2];
	result.p99_us = took_us[LISTS_EACH * 99 / 100];
	result.max_us = took_us[LISTS_EACH - 1];
	return result;
}

/* The middle second of all that was started. */
struct lists_span {
	uint64_t since_ns;
	uint64_t until_ns;
	struct froe_id parent; /* some run, which has no children */
};

static inline struct lists_span
lists_span(struct froe_client *client, uint64_t began_ns, uint64_t ended_ns)
{
	struct froe_run_page *page;
	struct froe_error error;
	struct froe_list_options options = {.limit = 1};
	struct lists_span span = {
	    .since_ns = began_ns + (ended_ns - began_ns) / 2,
	    .until_ns = began_ns + (ended_ns - began_ns) / 2 + NS_PER_S,
	};
	if (froe_run_list(client, &options, LOAD_CALL_MS, &page, &error) != FROE_OK)
		load_die("list", &error);
	if (page->row_count > 0)
		span.parent = page->rows[0].run;
	froe_run_page_free(page);
	return span;
}

#define LISTS_MAX 24u

static inline size_t
lists_all(struct froe_client *client, const struct lists_span *span,
    struct lists_result results[LISTS_MAX])
{
	static const struct froe_pair customer = {"customer", "c-500"}, order = {"order", "o-4000"};
	static const struct froe_pair both[] = {{"customer", "c-0"}, {"order", "o-4000"}};
	const uint32_t completed = 1u << FROE_RUN_COMPLETED, failed = 1u << FROE_RUN_FAILED;
	const uint32_t queued = 1u << FROE_RUN_QUEUED, evicted = 1u << FROE_RUN_EVICTED;
	const struct {
		const char *name;
		struct froe_list_options options;
	} lists[] = {
	    {"all", {0}},
	    {"queued", {.statuses = queued}},
	    {"running", {.statuses = 1u << FROE_RUN_RUNNING}},
	    {"evicted", {.statuses = evicted}},
	    {"completed", {.statuses = completed}},
	    {"failed", {.statuses = failed}},
	    {"cancelled", {.statuses = 1u << FROE_RUN_CANCELLED}},
	    {"scheduled", {.scheduled = true}},
	    {"workflow", {.workflow = "report"}},
	    {"time", {.since_ns = span->since_ns, .until_ns = span->until_ns}},
	    {"until", {.until_ns = span->since_ns}},
	    {"parent", {.parent = span->parent}},
	    {"worker", {.worker = "worker-1"}},
	    {"customer", {.metadata = &customer, .metadata_count = 1}},
	    {"order", {.metadata = &order, .metadata_count = 1}},
	    {"customer, order", {.metadata = both, .metadata_count = 2}},
	    {"failed, workflow", {.statuses = failed, .workflow = "mail"}},
	    {"failed, other workflow", {.statuses = failed, .workflow = "order"}},
	    {"failed, customer", {.statuses = failed, .metadata = &customer, .metadata_count = 1}},
	    {"queued, workflow, customer", {.statuses = queued,
					       .workflow = "parked",
					       .metadata = &customer,
					       .metadata_count = 1}},
	    {"evicted, workflow", {.statuses = evicted, .workflow = "asleep"}},
	    {"workflow, time, worker", {.workflow = "report",
					   .worker = "worker-1",
					   .since_ns = span->since_ns,
					   .until_ns = span->until_ns}},
	    {"all of them", {.statuses = completed,
				.workflow = "order",
				.worker = "worker-1",
				.until_ns = span->until_ns,
				.metadata = &customer,
				.metadata_count = 1}},
	};
	size_t count = sizeof(lists) / sizeof(lists[0]);
	for (size_t i = 0; i < count; i++)
		results[i] = lists_time(client, lists[i].name, &lists[i].options);
	return count;
}

#endif
