/*
 * server/hub_metrics: the text of /metrics (Prometheus exposition format 0.0.4).
 */
#include "server/hub_int.h"

#include "api/access.h"
#include "base/duration.h"

#include <inttypes.h>

static void
metric(struct buf *to, const char *name, const char *type, const char *help, uint64_t value)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name,
	    value);
}

static void
metric_head(struct buf *to, const char *name, const char *type, const char *help)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: quotes, backslashes and line breaks are escaped. */
static void
metric_label(struct buf *to, const char *name, struct bytes value)
{
	buf_printf(to, "%s=\"", name);
	for (size_t i = 0; i < value.size; i++) {
		char c = (char)value.data[i];
		if (c == '\n')
			buf_push_text(to, "\\n");
		else if (c == '"' || c == '\\')
			buf_printf(to, "\\%c", c);
		else
			buf_push(to, &c, 1);
	}
	buf_push_text(to, "\"");
}

static void
metric_by_status(struct buf *to, const char *name, const uint64_t counts[6], int first, int last)
{
	static const char *const statuses[] = {
	    "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "EVICTED"};
	for (int i = first; i <= last; i++)
		buf_printf(to, "%s{status=\"%s\"} %" PRIu64 "\n", name, statuses[i], counts[i]);
}

static void
metric_runs(struct buf *to, const struct eng_counts *counts)
{
	static const char *const states[] = {"waiting", "queued", "delayed", "assigned"};
	metric(to, "froe_runs_open", "gauge", "Runs that have not ended", counts->runs);
	metric_head(to, "froe_runs", "gauge", "Runs that have not ended, by status");
	metric_by_status(to, "froe_runs", counts->runs_open, ENG_QUEUED, ENG_RUNNING);
	metric_by_status(to, "froe_runs", counts->runs_open, ENG_EVICTED, ENG_EVICTED);
	metric(to, "froe_runs_started_total", "counter", "Runs accepted", counts->runs_started);
	metric_head(to, "froe_runs_closed_total", "counter", "Runs that have ended, by status");
	metric_by_status(
	    to, "froe_runs_closed_total", counts->runs_closed, ENG_COMPLETED, ENG_CANCELLED);
	metric_head(to, "froe_tasks", "gauge", "Tasks of open runs, by state");
	for (int i = 0; i < 4; i++)
		buf_printf(
		    to, "froe_tasks{state=\"%s\"} %" PRIu64 "\n", states[i], counts->tasks[i]);
	buf_printf(to, "froe_tasks{state=\"evicted\"} %" PRIu64 "\n",
	    counts->tasks[ENG_TASK_EVICTED]);
	metric(to, "froe_durable_nodes", "gauge", "Steps kept for open durable tasks",
	    counts->nodes);
	metric(to, "froe_events_total", "counter", "Events pushed", counts->events);
	metric(to, "froe_jobs", "gauge", "Jobs that go on", counts->jobs_running);
	metric(to, "froe_approvals_open", "gauge", "Approvals that wait for a decision",
	    counts->approvals);
}

/* Series of at most this many queues: a monitor is not a directory. */
#define QUEUES_MAX 500u

struct queue_series {
	struct buf length;
	struct buf age;
	uint64_t now_ns;
	unsigned count;
	uint64_t left_out;
};

static void
queue_labels(struct buf *to, const char *name, const struct eng_queue_view *view)
{
	buf_printf(to, "%s{", name);
	metric_label(to, "tenant", view->tenant);
	metric_label(to, ",workflow", view->workflow);
	metric_label(to, ",action", view->action);
}

static void
queue_add(void *context, const struct eng_queue_view *view)
{
	struct queue_series *series = context;
	uint64_t age_ns = view->oldest_ns != 0 && view->oldest_ns < series->now_ns
			      ? series->now_ns - view->oldest_ns
			      : 0;
	if (series->count++ >= QUEUES_MAX) {
		series->left_out += view->length;
		return;
	}
	queue_labels(&series->length, "froe_queue_length", view);
	buf_printf(&series->length, "} %" PRIu64 "\n", view->length);
	queue_labels(&series->age, "froe_queue_oldest_seconds", view);
	buf_printf(&series->age, "} %.3f\n", (double)age_ns / 1e9);
}

static void
metric_queues(const struct hub *hub, struct buf *to)
{
	struct queue_series series = {.now_ns = hub->shard->clock.now_ns};
	buf_init(&series.length);
	buf_init(&series.age);
	eng_queues(hub->shard->eng, queue_add, &series);
	metric_head(to, "froe_queue_length", "gauge", "Tasks that wait for a worker, by queue");
	buf_push(to, series.length.data, series.length.size);
	metric_head(to, "froe_queue_oldest_seconds", "gauge",
	    "How long the oldest task of a queue has waited");
	buf_push(to, series.age.data, series.age.size);
	metric(to, "froe_queue_length_others", "gauge",
	    "Tasks that wait in queues beyond the first 500", series.left_out);
	buf_release(&series.length);
	buf_release(&series.age);
}

static void
metric_latencies(const struct hub *hub, struct buf *to)
{
	struct log_stats log;
	log_stats(hub->shard->log, &log);
	histogram_print(&log.commit, "froe_commit_seconds",
	    "A frame's write to the log, until it is stored", to);
	histogram_print(&hub->stats.assign, "froe_assign_seconds",
	    "From queued until a worker got the task", to);
	histogram_print(&hub->stats.dispatch, "froe_dispatch_seconds",
	    "From the decision until it was durable and sent", to);
}

static void
metric_log(const struct hub *hub, struct buf *to)
{
	struct log_stats log;
	log_stats(hub->shard->log, &log);
	metric(to, "froe_log_frames_total", "counter", "Frames written", log.frames);
	metric(to, "froe_log_records_total", "counter", "Records written", log.records);
	metric(
	    to, "froe_log_bytes_total", "counter", "Bytes written to the log", log.bytes_written);
	metric(to, "froe_log_durable_frame", "gauge", "Newest durable frame",
	    log_durable_seq(hub->shard->log));
	metric(to, "froe_index_applied_frame", "gauge", "Newest frame in the index",
	    indexer_applied(hub->indexer));
	metric(to, "froe_index_damages", "gauge",
	    "Damaged places of the log of which the index has nothing: an alarm",
	    indexer_damages(hub->indexer));
	metric(to, "froe_disk_state", "gauge", "0 ok, 1 refuses runs, 2 holds tasks, 3 read only",
	    (uint64_t)log_space(hub->shard->log));
}

static void
metric_storage(const struct hub *hub, struct buf *to)
{
	struct log_storage storage;
	log_storage(hub->shard->log, &storage);
	metric(to, "froe_log_segment_oldest", "gauge", "Number of the oldest segment of the log",
	    storage.segment_oldest);
	metric(to, "froe_log_segments", "gauge", "Segments of the log", storage.segments);
	metric(to, "froe_log_size_bytes", "gauge", "Size of the log's segments",
	    storage.log_bytes);
	metric(to, "froe_cold_files", "gauge", "Files with records of retired segments",
	    storage.cold_files);
	metric(to, "froe_cold_size_bytes", "gauge", "Size of these files", storage.cold_bytes);
	metric(to, "froe_disk_total_bytes", "gauge", "Size of the data directory's file system",
	    storage.disk_total_bytes);
	metric(to, "froe_disk_free_bytes", "gauge", "Free space there, at the last look",
	    storage.disk_free_bytes);
	metric(to, "froe_scrub_faults_total", "counter",
	    "Damage found by re-reading the data directory: not zero is an alarm",
	    storage.scrub_faults);
	metric(to, "froe_scrub_bytes_total", "counter", "Bytes re-read", storage.scrub_bytes);
	metric(to, "froe_scrub_passes_total", "counter", "Times that all was re-read",
	    storage.scrub_passes);
}

/* True: who asks may not see them, and was told so. */
static bool
metrics_refused(struct hub *hub, const struct api_command *command)
{
	struct hub_who who;
	struct api_effect effect = {
	    .conn = command->origin.conn,
	    .request = command->origin.request,
	    .number = API_METRICS_NUMBER,
	    .err = FROE_FORBIDDEN,
	};
	const char *refused = hub_access_judge(hub, command, &who);
	if (refused != NULL) {
		hub_access_refuse(hub, command, &who, refused);
		return true;
	}
	if ((who.roles & ACCESS_METRICS_ROLES) != 0 &&
	    bytes_equal(who.scope, bytes_text(ENG_SCOPE_ALL)))
		return false;
	hub->deliver(hub->deliver_context, &effect);
	return true;
}

static void
metric_access(const struct hub *hub, struct buf *to, const struct eng_counts *counts)
{
	metric(to, "froe_tokens", "gauge", "Tokens that are not revoked", counts->tokens);
	metric(to, "froe_tokens_expiring", "gauge",
	    "Tokens used since the start that expire within 14 days", hub_access_expiring(hub));
	metric(to, "froe_auth_failures_total", "counter", "Connections and scrapes without a valid "
	    "token", hub->stats.auth_failures);
	metric(to, "froe_auth_cut_total", "counter",
	    "Connections closed because their token was revoked or expired", hub->stats.auth_cut);
}

void
hub_metrics(struct hub *hub, const struct api_command *command)
{
	struct eng_counts counts;
	struct buf text;
	if (metrics_refused(hub, command))
		return;
	buf_init(&text);
	eng_counts(hub->shard->eng, &counts);
	metric_runs(&text, &counts);
	metric(&text, "froe_workers", "gauge", "Registered workers", counts.workers);
	metric(&text, "froe_slots", "gauge", "Slots of registered workers", counts.slots);
	metric(&text, "froe_slots_used", "gauge", "Slots in use", counts.slots_used);
	metric(&text, "froe_timers", "gauge", "Armed timers", counts.timers);
	metric(&text, "froe_dispatches_total", "counter", "Tasks sent to workers",
	    hub->stats.dispatches);
	metric(&text, "froe_payload_loads_total", "counter",
	    "Payloads read back from the log because they had left memory", hub->stats.needs);
	metric(&text, "froe_requests_refused_total", "counter", "Requests answered with an error",
	    hub->stats.refused);
	metric(&text, "froe_workers_lost_total", "counter", "Workers that vanished",
	    hub->stats.workers_lost);
	metric_queues(hub, &text);
	metric_latencies(hub, &text);
	metric_access(hub, &text, &counts);
	metric_log(hub, &text);
	metric_storage(hub, &text);
	if (hub->metrics != NULL)
		hub->metrics(hub->deliver_context, &text);
	struct api_effect effect = {
	    .conn = command->origin.conn,
	    .request = command->origin.request,
	    .number = API_METRICS_NUMBER,
	    .packed = buf_bytes(&text),
	};
	hub->deliver(hub->deliver_context, &effect);
	buf_release(&text);
}
