/*
 * cli/checkup: one function a question, each about a few metrics. A metric that a server does not
 * have (an older one, one without TLS) is a question that is not asked.
 */
#include "cli/checkup.h"

#include "base/duration.h"
#include "base/fault.h"
#include "cli/scrape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MS 5000u
#define INDEX_BEHIND_FRAMES 10000.0
#define EXPIRES_SOON_S (14 * 86400.0)
#define QUEUE_OLD_S 300.0
#define FREE_WARNING 0.1

struct checkup {
	const char *text;
	uint64_t now_ns;
	void (*each)(void *context, const struct doctor_finding *finding);
	void *context;
};

static void
fact(struct doctor_finding *finding, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(finding->fact, sizeof(finding->fact), format, args);
	va_end(args);
}

static void
advise(struct doctor_finding *finding, enum doctor_level level, const char *format, ...)
{
	va_list args;
	finding->level = level;
	va_start(args, format);
	vsnprintf(finding->advice, sizeof(finding->advice), format, args);
	va_end(args);
}

/* ------------------------------------------------------------------------------------- metrics */

/* The next series of a metric, from `*at` on; false: there is none left. */
static bool
series_next(const char **at, const char *name, double *ret_value)
{
	size_t size = strlen(name);
	while (**at != 0) {
		const char *line = *at, *end = line + strcspn(line, "\n");
		*at = *end == '\n' ? end + 1 : end;
		if (strncmp(line, name, size) != 0 || (line[size] != ' ' && line[size] != '{'))
			continue;
		while (end > line && end[-1] != ' ')
			end--;
		*ret_value = strtod(end, NULL);
		return true;
	}
	return false;
}

static bool
metric(const struct checkup *checkup, const char *name, double *ret_value)
{
	const char *at = checkup->text;
	return series_next(&at, name, ret_value);
}

static double
metric_or_zero(const struct checkup *checkup, const char *name)
{
	double value;
	return metric(checkup, name, &value) ? value : 0;
}

static double
metric_greatest(const struct checkup *checkup, const char *name)
{
	const char *at = checkup->text;
	double greatest = 0, value;
	while (series_next(&at, name, &value))
		greatest = value > greatest ? value : greatest;
	return greatest;
}

static void
duration_text(double seconds, char text[DURATION_TEXT_SIZE])
{
	duration_format(seconds > 0 ? (uint64_t)(seconds * 1e9) : 0, text);
}

/* ----------------------------------------------------------------------------------- questions */

static bool
ask_disk(const struct checkup *checkup, struct doctor_finding *finding)
{
	static const char *const states[] = {"new runs are refused", "tasks are held, too",
	    "nothing is written any more"};
	double state, free_bytes = metric_or_zero(checkup, "froe_disk_free_bytes");
	double total_bytes = metric_or_zero(checkup, "froe_disk_total_bytes");
	if (!metric(checkup, "froe_disk_state", &state))
		return false;
	fact(finding, "%.1f of %.1f GiB free", free_bytes / (1 << 30), total_bytes / (1 << 30));
	if (state >= 1)
		advise(finding, DOCTOR_BAD, "%s: free some space, it goes on by itself; or shorten "
		    "--retention", states[state >= 3 ? 2 : (int)state - 1]);
	else if (free_bytes < total_bytes * FREE_WARNING)
		advise(finding, DOCTOR_WARNING, "below 5 %% new runs are refused: free some, or "
		    "shorten --retention");
	return true;
}

static bool
ask_state(const struct checkup *checkup, struct doctor_finding *finding)
{
	double differs;
	if (!metric(checkup, "froe_state_differs", &differs))
		return false;
	if (differs == 0) {
		fact(finding, "as the log says, at %.0f snapshots",
		    metric_or_zero(checkup, "froe_snapshots_compared_total"));
		return true;
	}
	fact(finding, "not what the log leads to");
	advise(finding, DOCTOR_BAD, "do not trust this process: make a backup, run \"froe log "
	    "verify\" on it, report it, restart the server: it takes the log's word");
	return true;
}

static bool
ask_scrub(const struct checkup *checkup, struct doctor_finding *finding)
{
	double faults;
	if (!metric(checkup, "froe_scrub_faults_total", &faults))
		return false;
	fact(finding, "%.0f faults in what was read again, %.0f times all of it", faults,
	    metric_or_zero(checkup, "froe_scrub_passes_total"));
	if (faults > 0)
		advise(finding, DOCTOR_BAD,
		    "the disk has lost data: \"froe log verify --data DIR\" "
		    "says where; restore from a backup, on another disk");
	return true;
}

static bool
ask_snapshots(const struct checkup *checkup, struct doctor_finding *finding)
{
	char age[DURATION_TEXT_SIZE];
	double seconds, failed = metric_or_zero(checkup, "froe_snapshots_failed_total");
	if (metric(checkup, "froe_snapshot_age_seconds", &seconds)) {
		duration_text(seconds, age);
		fact(finding, "the newest is %s old, %.0f failed since the start", age, failed);
	} else {
		fact(finding, "none yet, %.0f failed since the start", failed);
	}
	if (failed > 0)
		advise(finding, DOCTOR_WARNING,
		    "the server's log says why (snapshot_failed), mostly "
		    "a full disk: until one is made, a start takes longer");
	return true;
}

static bool
ask_retention(const struct checkup *checkup, struct doctor_finding *finding)
{
	double stopped;
	if (!metric(checkup, "froe_retention_stopped", &stopped))
		return false;
	fact(finding, "%.0f segments, %.0f cold files, %.1f GiB",
	    metric_or_zero(checkup, "froe_log_segments"),
	    metric_or_zero(checkup, "froe_cold_files"),
	    (metric_or_zero(checkup, "froe_log_size_bytes") +
		metric_or_zero(checkup, "froe_cold_size_bytes")) / (1 << 30));
	if (stopped > 0)
		advise(finding, DOCTOR_BAD,
		    "nothing is removed any more: the server's log says why "
		    "(retention_stopped)");
	return true;
}

static bool
ask_index(const struct checkup *checkup, struct doctor_finding *finding)
{
	double durable, applied = metric_or_zero(checkup, "froe_index_applied_frame");
	if (!metric(checkup, "froe_log_durable_frame", &durable))
		return false;
	double behind = durable > applied ? durable - applied : 0;
	double damages = metric_or_zero(checkup, "froe_index_damages");
	fact(finding, "%.0f frames behind the log", behind);
	if (behind > INDEX_BEHIND_FRAMES)
		advise(finding, DOCTOR_WARNING,
		    "it is being made anew, or cannot be written: lists "
		    "answer INDEX_BEHIND until it has caught up");
	if (damages > 0)
		advise(finding, DOCTOR_BAD,
		    "the log is damaged: lists lack runs, and some are not found; \"froe log "
		    "verify\" says where: restore the data directory from a backup");
	return true;
}

static bool
ask_tokens(const struct checkup *checkup, struct doctor_finding *finding)
{
	double count, expiring = metric_or_zero(checkup, "froe_tokens_expiring");
	if (!metric(checkup, "froe_tokens", &count))
		return false;
	fact(finding, "%.0f, of which %.0f in use expire within 14 days", count, expiring);
	if (expiring > 0)
		advise(finding, DOCTOR_WARNING,
		    "\"froe token list\" says which: make new ones with "
		    "\"froe token create\" and hand them out before");
	return true;
}

static bool
ask_certificate(const struct checkup *checkup, struct doctor_finding *finding)
{
	char text[TIMESTAMP_TEXT_SIZE];
	double expires;
	if (!metric(checkup, "froe_tls_certificate_expires_seconds", &expires) || expires <= 0)
		return false;
	timestamp_format((uint64_t)expires * NS_PER_S, text);
	double left = expires - (double)checkup->now_ns / 1e9;
	fact(finding, "%s %s", left > 0 ? "expires" : "expired", text);
	if (left < EXPIRES_SOON_S)
		advise(finding, left > 0 ? DOCTOR_WARNING : DOCTOR_BAD,
		    "put a new one in its place "
		    "and send the server SIGHUP");
	return true;
}

static bool
ask_workers(const struct checkup *checkup, struct doctor_finding *finding)
{
	double workers, queued = 0, value;
	const char *at = checkup->text;
	if (!metric(checkup, "froe_workers", &workers))
		return false;
	while (series_next(&at, "froe_queue_length", &value))
		queued += value;
	fact(finding, "%.0f, %.0f of %.0f slots in use, %.0f tasks queued", workers,
	    metric_or_zero(checkup, "froe_slots_used"), metric_or_zero(checkup, "froe_slots"),
	    queued);
	if (workers == 0 && queued > 0)
		advise(finding, DOCTOR_WARNING, "nobody is there to do them: start a worker");
	return true;
}

static bool
ask_queues(const struct checkup *checkup, struct doctor_finding *finding)
{
	char age[DURATION_TEXT_SIZE];
	double oldest = metric_greatest(checkup, "froe_queue_oldest_seconds");
	duration_text(oldest, age);
	fact(finding, "%s%s", oldest > 0 ? "the oldest task has waited " : "no task waits",
	    oldest > 0 ? age : "");
	if (oldest > QUEUE_OLD_S)
		advise(finding, DOCTOR_WARNING, "more workers or slots: /metrics says which queue "
		    "(froe_queue_oldest_seconds)");
	return true;
}

static const struct {
	const char *name;
	bool (*ask)(const struct checkup *checkup, struct doctor_finding *finding);
} questions[] = {
    {"disk", ask_disk},
    {"state", ask_state},
    {"scrub", ask_scrub},
    {"snapshots", ask_snapshots},
    {"retention", ask_retention},
    {"index", ask_index},
    {"tokens", ask_tokens},
    {"certificate", ask_certificate},
    {"workers", ask_workers},
    {"queues", ask_queues},
};

void
checkup_metrics(const char *text, uint64_t now_ns,
    void (*each)(void *context, const struct doctor_finding *finding), void *context)
{
	struct checkup checkup = {
	    .text = text, .now_ns = now_ns, .each = each, .context = context};
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct doctor_finding finding = {.name = questions[i].name};
		if (questions[i].ask(&checkup, &finding))
			each(context, &finding);
	}
}

/* ----------------------------------------------------------------------------------- the server */

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* What it says of itself; false: it does not answer, or not to us. */
static bool
ask_server(const struct cli *cli, const char *token, struct doctor_finding *finding)
{
	struct froe_tls_options tls;
	struct froe_client *client;
	struct froe_error error;
	struct froe_server server;
	const char *address = cli_text(cli, "address");
	struct froe_client_options options = {.address = address, .token = token};
	uint64_t from_ns = now_ns(CLOCK_MONOTONIC);
	if (cli_client_tls(cli, address, &tls))
		options.tls = &tls;
	if (froe_client_open(&options, &client, &error) != FROE_OK) {
		bool away = error.code == FROE_UNAVAILABLE;
		fact(finding, "%.180s", error.text);
		advise(finding, DOCTOR_BAD, "%s", away ? "start it, or say where it is with "
		    "--address" : "somebody is there, but not for us: mend what is named");
		return false;
	}
	froe_client_server(client, &server);
	froe_client_close(client);
	fact(finding, "%s at %.80s, epoch %llu, shook hands in %.1f ms", server.name,
	    address != NULL ? address : "127.0.0.1:7077", (unsigned long long)server.epoch,
	    (double)(now_ns(CLOCK_MONOTONIC) - from_ns) / 1e6);
	if (strcmp(server.name, "froe/" FROE_VERSION) != 0)
		advise(finding, DOCTOR_WARNING, "this command is froe %s: use the server's",
		    FROE_VERSION);
	return true;
}

static void
ask_metrics(const struct cli *cli, const char *token,
    void (*each)(void *context, const struct doctor_finding *finding), void *context)
{
	struct doctor_finding finding = {.name = "metrics"};
	struct froe_tls_options tls;
	struct froe_fault fault;
	struct buf text;
	const char *address = cli_text(cli, "address");
	struct scrape scrape = {
	    .address = address != NULL ? address : "127.0.0.1:7077",
	    .token = token,
	    .timeout_ms = ANSWER_MS,
	};
	if (cli_client_tls(cli, address, &tls))
		scrape.tls = &tls;
	buf_init(&text);
	enum froe_err err = scrape_get(&scrape, "/metrics", &text, &fault);
	buf_push(&text, "", 1);
	if (err == FROE_OK) {
		checkup_metrics(
		    (const char *)text.data, now_ns(CLOCK_REALTIME), each, context);
	} else {
		fact(&finding, "cannot be read: %.160s", fault.text);
		advise(&finding, DOCTOR_WARNING, "a token of the role admin or operator of all "
		    "tenants may, or whoever owns the data: --address unix:DIR/admin.sock");
		each(context, &finding);
	}
	buf_release(&text);
}

void
checkup_server(const struct cli *cli,
    void (*each)(void *context, const struct doctor_finding *finding), void *context)
{
	struct doctor_finding finding = {.name = "server"};
	char token[CLI_TOKEN_SIZE];
	if (!cli_token(cli, token)) {
		fact(&finding, "not asked: the token cannot be read");
		advise(&finding, DOCTOR_BAD, "give --token-file a file that can be read");
		each(context, &finding);
		return;
	}
	bool there = ask_server(cli, token, &finding);
	each(context, &finding);
	if (there)
		ask_metrics(cli, token, each, context);
}
