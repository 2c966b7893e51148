/*
 * server/hub_metrics: the text of /metrics (Prometheus exposition format 0.0.4).
 */
#include "server/hub_int.h"

#include "base/duration.h"

#include <inttypes.h>

static void
metric(struct buf *to, const char *name, const char *type, const char *help, uint64_t value)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name,
	    value);
}

static void
metric_runs(struct buf *to, const struct eng_counts *counts)
{
	static const char *const states[] = {"waiting", "queued", "delayed", "assigned"};
	buf_push_text(to, "# HELP froe_runs_closed_total Runs that have ended, by status\n"
	                  "# TYPE froe_runs_closed_total counter\n");
	buf_printf(to, "froe_runs_closed_total{status=\"COMPLETED\"} %" PRIu64 "\n",
	    counts->runs_closed[ENG_COMPLETED]);
	buf_printf(to, "froe_runs_closed_total{status=\"FAILED\"} %" PRIu64 "\n",
	    counts->runs_closed[ENG_FAILED]);
	buf_printf(to, "froe_runs_closed_total{status=\"CANCELLED\"} %" PRIu64 "\n",
	    counts->runs_closed[ENG_CANCELLED]);
	buf_push_text(to, "# HELP froe_tasks Tasks of open runs, by state\n"
	                  "# TYPE froe_tasks gauge\n");
	for (int i = 0; i < 4; i++)
		buf_printf(to, "froe_tasks{state=\"%s\"} %" PRIu64 "\n", states[i],
		    counts->tasks[i]);
}

static void
metric_log(const struct hub *hub, struct buf *to)
{
	struct log_stats log;
	log_stats(hub->shard->log, &log);
	metric(to, "froe_log_frames_total", "counter", "Frames written", log.frames);
	metric(to, "froe_log_records_total", "counter", "Records written", log.records);
	metric(to, "froe_log_bytes_total", "counter", "Bytes written to the log",
	    log.bytes_written);
	metric(to, "froe_log_durable_frame", "gauge", "Newest durable frame",
	    log_durable_seq(hub->shard->log));
	metric(to, "froe_index_applied_frame", "gauge", "Newest frame in the index",
	    indexer_applied(hub->indexer));
	metric(to, "froe_disk_state", "gauge", "0 ok, 1 refuses runs, 2 holds tasks, 3 read only",
	    (uint64_t)log_space(hub->shard->log));
}

void
hub_metrics(struct hub *hub, const struct api_command *command)
{
	struct eng_counts counts;
	struct buf text;
	buf_init(&text);
	eng_counts(hub->shard->eng, &counts);
	metric(&text, "froe_runs_open", "gauge", "Runs that have not ended", counts.runs);
	metric(&text, "froe_runs_started_total", "counter", "Runs accepted", counts.runs_started);
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
	metric_log(hub, &text);
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
