/*
 * tests/soak/meter: memory and disk over time, and whether they grow.
 *
 * Purpose     A thread looks at the server's memory and at its data directory. Of each span it
 *             keeps the least memory and the most disk: a snapshot takes memory for a moment,
 *             and a leak shows in what is left.
 * Threading   meter_server from any thread; the spans are read after meter_join.
 * Units       bytes; memory without mapped files (RssAnon).
 */
#ifndef SOAK_METER_H
#define SOAK_METER_H

#include "crash/process.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define METER_SPANS_MAX 4096u
#define METER_EACH_MS 200

struct meter_span {
	uint64_t memory_least;
	uint64_t memory_most;
	uint64_t disk_most;
	uint64_t segments;  /* the newest segment's number */
	uint64_t snapshots; /* the newest snapshot's */
};

struct meter {
	pthread_t thread;
	const char *data;
	uint64_t span_ns;
	uint64_t began_ns;
	atomic_int pid; /* of the server; 0: it is down */
	atomic_bool stop;
	atomic_uint count; /* of spans that are over */
	struct meter_span spans[METER_SPANS_MAX];
};

static inline uint64_t
meter_memory(int pid)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
			break;
	}
	fclose(file);
	return (uint64_t)kib << 10;
}

/* What a directory takes, and the largest number that one of its files has for a name. */
static inline uint64_t
meter_disk(const char *dir, const char *suffix, uint64_t *newest)
{
	DIR *entries = opendir(dir);
	uint64_t bytes = 0;
	struct dirent *entry;

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		char path[PROCESS_PATH];
		struct stat stat;
		const char *dot = strrchr(entry->d_name, '.');

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		process_path(path, "%s/%s", dir, entry->d_name);
		if (lstat(path, &stat) != 0)
			continue;
		if (S_ISDIR(stat.st_mode)) {
			bytes += meter_disk(path, suffix, newest);
			continue;
		}
		bytes += (uint64_t)stat.st_blocks * 512;
		if (dot != NULL && strcmp(dot, suffix) == 0 &&
		    strtoull(entry->d_name, NULL, 16) > *newest)
			*newest = strtoull(entry->d_name, NULL, 16);
	}
	if (entries != NULL)
		closedir(entries);
	return bytes;
}

static inline void
meter_look(struct meter *meter, struct meter_span *span)
{
	int pid = atomic_load(&meter->pid);
	uint64_t memory = pid != 0 ? meter_memory(pid) : 0;
	uint64_t none = 0;
	uint64_t disk = meter_disk(meter->data, ".seg", &span->segments);

	meter_disk(meter->data, ".snap", &none);
	if (none > span->snapshots)
		span->snapshots = none;
	if (memory != 0 && (span->memory_least == 0 || memory < span->memory_least))
		span->memory_least = memory;
	if (memory > span->memory_most)
		span->memory_most = memory;
	if (disk > span->disk_most)
		span->disk_most = disk;
}

static inline void *
meter_main(void *context)
{
	struct meter *meter = context;
	struct timespec pause = {0, METER_EACH_MS * 1000000L};

	while (!atomic_load(&meter->stop)) {
		unsigned at = (unsigned)((ledger_now_ns() - meter->began_ns) / meter->span_ns);

		if (at >= METER_SPANS_MAX)
			at = METER_SPANS_MAX - 1;
		atomic_store(&meter->count, at);
		meter_look(meter, &meter->spans[at]);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static inline void
meter_start(struct meter *meter, const char *data, uint64_t span_ns)
{
	memset(meter, 0, sizeof(*meter));
	meter->data = data;
	meter->span_ns = span_ns;
	meter->began_ns = ledger_now_ns();
	if (pthread_create(&meter->thread, NULL, meter_main, meter) != 0)
		process_die("a thread");
}

static inline void
meter_server(struct meter *meter, int pid)
{
	atomic_store(&meter->pid, pid);
}

static inline void
meter_join(struct meter *meter)
{
	atomic_store(&meter->stop, true);
	pthread_join(meter->thread, NULL);
}

/* How much memory grows, in percent of what there is an hour: least squares over the spans' least,
 * from `first` on. */
static inline double
meter_slope(const struct meter *meter, unsigned first)
{
	unsigned count = atomic_load(&meter->count);
	double n = 0, x = 0, y = 0, xx = 0, xy = 0;

	for (unsigned i = first; i < count; i++) {
		double hours = (double)i * (double)meter->span_ns / 3.6e12;
		double bytes = (double)meter->spans[i].memory_least;

		if (meter->spans[i].memory_least == 0)
			continue;
		n += 1;
		x += hours;
		y += bytes;
		xx += hours * hours;
		xy += hours * bytes;
	}
	if (n < 3)
		return 0;
	double per_hour = (n * xy - x * y) / (n * xx - x * x);
	return 100 * per_hour / (y / n);
}

/* The most disk of some spans. */
static inline uint64_t
meter_disk_most(const struct meter *meter, unsigned first, unsigned end)
{
	uint64_t most = 0;

	for (unsigned i = first; i < end; i++) {
		if (meter->spans[i].disk_most > most)
			most = meter->spans[i].disk_most;
	}
	return most;
}

#endif
