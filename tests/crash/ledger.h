/*
 * tests/crash/ledger: what happened, as seen from outside the server.
 *
 * Purpose     One file that all workers append to, one line an event, each written with one
 *             write(): what a killed worker wrote stays, and lines are in the order of events.
 *             Also what the workflows of the test compute, for both sides.
 * Lines       E <task> <attempt> <pid> <c|f> <ns>   an execution begins; it will complete, or fail
 *             A <task> <attempt> <pid> - <ns>       the server has acknowledged its end
 *             L <task> <attempt> <pid> - <ns>       the server has refused its end
 *             C - 0 <pid> - <ns>                    the worker is connected (again)
 *             K <task> <number> <pid> - <ns> <run>  a child was started, or had been
 *             M <task> <step> <pid> - <ns> <value>  a memo's value, as this attempt was told it
 *             X <task> <attempt> <pid> <what> <ns>  the handler itself has seen a fault
 * Units       ns of CLOCK_MONOTONIC, the same clock in all processes.
 */
#ifndef CRASH_LEDGER_H
#define CRASH_LEDGER_H

#include "froe/froe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LEDGER_NS_PER_MS UINT64_C(1000000)
#define LEDGER_LINE_BYTES 160

static inline uint64_t
ledger_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * LEDGER_NS_PER_MS + (uint64_t)now.tv_nsec;
}

/* task may be NULL. A ledger that cannot be written would hide faults: the process ends. */
static inline void
ledger_write_more(int ledger, char kind, const struct froe_id *task, uint32_t attempt, char end,
    const char *more)
{
	char line[LEDGER_LINE_BYTES];
	char id[FROE_ID_TEXT_SIZE] = "-";
	int size;

	if (task != NULL)
		froe_id_format(*task, id);
	size = snprintf(line, sizeof(line), "%c %s %" PRIu32 " %d %c %" PRIu64 " %s\n", kind, id,
	    attempt, (int)getpid(), end, ledger_now_ns(), more);
	if (write(ledger, line, (size_t)size) != size) {
		perror("crash: the ledger");
		_exit(3);
	}
}

static inline void
ledger_write(int ledger, char kind, const struct froe_id *task, uint32_t attempt, char end)
{
	ledger_write_more(ledger, kind, task, attempt, end, "-");
}

/* One line, read back. */
struct ledger_event {
	char kind;
	char end;
	struct froe_id task;
	uint32_t attempt;
	int pid;
	uint64_t ns;
	size_t order; /* of the line */
	char more[FROE_ID_TEXT_SIZE];
};

static inline bool
ledger_read(const char *line, struct ledger_event *event)
{
	char id[FROE_ID_TEXT_SIZE];

	if (sscanf(line, "%c %36s %" SCNu32 " %d %c %" SCNu64 " %36s", &event->kind, id,
	        &event->attempt, &event->pid, &event->end, &event->ns, event->more) != 7)
		return false;
	memset(&event->task, 0, sizeof(event->task));
	return event->kind == 'C' || froe_id_parse(id, &event->task);
}

/* ---------------------------------------------------------------------------------- workflows */

#define LEDGER_SINGLE "crash-single"
#define LEDGER_DAG "crash-dag"
#define LEDGER_PARENT "crash-parent"   /* starts children, streams */
#define LEDGER_DURABLE "crash-durable" /* memos, a sleep, a child that it waits for */

#define LEDGER_CHILDREN 2u
#define LEDGER_CHUNKS 3u
#define LEDGER_SLEEP_MS 20u

/* What a run is of. */
enum ledger_workflow {
	LEDGER_OF_SINGLE,
	LEDGER_OF_DAG,
	LEDGER_OF_PARENT,
	LEDGER_OF_DURABLE,
	LEDGER_WORKFLOWS,
};

static inline const char *
ledger_workflow_name(enum ledger_workflow workflow)
{
	static const char *const names[LEDGER_WORKFLOWS] =
	    {LEDGER_SINGLE, LEDGER_DAG, LEDGER_PARENT, LEDGER_DURABLE};

	return names[workflow];
}

/* The number n, which tasks fail in their first attempt (bit i: task i), how long each takes. */
struct ledger_input {
	uint64_t n;
	uint32_t flaky;
	uint32_t take_ms;
};

static inline int
ledger_input_print(char *to, size_t size, struct ledger_input input)
{
	return snprintf(to, size, "{\"n\":%" PRIu64 ",\"flaky\":%" PRIu32 ",\"take\":%" PRIu32 "}",
	    input.n, input.flaky, input.take_ms);
}

/* An output: the task's value, and which execution computed it. */
struct ledger_output {
	uint64_t value;
	uint32_t attempt;
	int pid;
};

#define LEDGER_OUTPUT_BYTES 128

static inline int
ledger_output_print(char *to, struct ledger_output output)
{
	return snprintf(to, LEDGER_OUTPUT_BYTES,
	    "{\"v\":%" PRIu64 ",\"attempt\":%" PRIu32 ",\"pid\":%d}", output.value, output.attempt,
	    output.pid);
}

/* Copies JSON text, which is not terminated. */
static inline bool
ledger_text(struct froe_bytes json, char *to, size_t size)
{
	if (json.size == 0 || json.size >= size)
		return false;
	memcpy(to, json.data, json.size);
	to[json.size] = 0;
	return true;
}

static inline bool
ledger_input_read(struct froe_bytes json, struct ledger_input *input)
{
	char text[LEDGER_OUTPUT_BYTES];

	return ledger_text(json, text, sizeof(text)) &&
	    sscanf(text, "{\"n\":%" SCNu64 ",\"flaky\":%" SCNu32 ",\"take\":%" SCNu32 "}",
	        &input->n, &input->flaky, &input->take_ms) == 3;
}

static inline bool
ledger_output_read(struct froe_bytes json, struct ledger_output *output)
{
	char text[LEDGER_OUTPUT_BYTES];

	return ledger_text(json, text, sizeof(text)) &&
	    sscanf(text, "{\"v\":%" SCNu64 ",\"attempt\":%" SCNu32 ",\"pid\":%d}", &output->value,
	        &output->attempt, &output->pid) == 3;
}

/* The tasks, by their index in the definition. */
enum ledger_task {
	LEDGER_ONLY = 0, /* of the single */
	LEDGER_A = 0,
	LEDGER_B = 1,
	LEDGER_C = 2,
	LEDGER_D = 3,
};

static inline uint64_t
ledger_single_value(uint64_t n)
{
	return n * 31 + 7;
}

static inline uint64_t
ledger_parent_value(uint64_t n)
{
	return n * 17 + 3;
}

/* Of the child's value. */
static inline uint64_t
ledger_durable_value(uint64_t n)
{
	return ledger_single_value(n) + 1;
}

/* a = n + 1, b = 2a, c = 3a, d = b + c */
static inline uint64_t
ledger_dag_value(uint64_t n, enum ledger_task task)
{
	uint64_t a = n + 1;
	uint64_t values[] = {a, 2 * a, 3 * a, 5 * a};

	return values[task];
}

#endif
