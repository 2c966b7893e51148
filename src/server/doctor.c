/*
 * server/doctor: one function a question; each fills in its finding.
 */
#include "server/doctor.h"

#include "base/duration.h"
#include "base/fault.h"
#include "base/mem.h"
#include "froe/limits.h"
#include "io/file.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BLOCK_BYTES 4096u
#define WRITES 200u
#define SLOW_WRITE_NS (10 * NS_PER_MS)
#define KERNEL_MAJOR_MIN 6
#define KERNEL_MINOR_MIN 1
#define FILES_MIN 16384u /* 12 000 connections, segments, the index */
#define MEMLOCK_BYTES_MIN ((uint64_t)8 << 20)
#define FREE_BYTES_MIN ((uint64_t)1 << 30)

struct doctor {
	const char *data;
	char dir[PATH_MAX]; /* the data directory, or the nearest that exists above it */
	struct io_env *env;
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

static void
ask_kernel(struct doctor *doctor, struct doctor_finding *finding)
{
	struct utsname name;
	(void)doctor;
	if (uname(&name) != 0) {
		fact(finding, "unknown: %s", strerror(errno));
		return;
	}
	char *rest;
	long major = strtol(name.release, &rest, 10);
	long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
	fact(finding, "%s %s %s", name.sysname, name.release, name.machine);
	if (major < KERNEL_MAJOR_MIN || (major == KERNEL_MAJOR_MIN && minor < KERNEL_MINOR_MIN))
		advise(finding, DOCTOR_WARNING,
		    "io_uring needs Linux %d.%d: before that froe serves with --io posix, slower",
		    KERNEL_MAJOR_MIN, KERNEL_MINOR_MIN);
}

static void
ask_uring(struct doctor *doctor, struct doctor_finding *finding)
{
	struct froe_fault fault;
	(void)doctor;
	if (io_uring_check(&fault) == FROE_OK) {
		fact(finding, "usable");
		return;
	}
	fact(finding, "refused");
	advise(finding, DOCTOR_WARNING, "%.200s; --io posix works, slower", fault.text);
}

static void
ask_file_system(struct doctor *doctor, struct doctor_finding *finding)
{
	struct io_traits traits;
	struct froe_fault fault;
	if (io_path_traits(doctor->env, doctor->dir, &traits, &fault) != FROE_OK) {
		fact(finding, "unknown: %.150s", fault.text);
		advise(finding, DOCTOR_BAD, "give a data directory that can be reached");
		return;
	}
	fact(finding, "%s: direct I/O %s, blocks of %u bytes", doctor->dir,
	    traits.direct ? "works" : "does not work", traits.block_bytes);
	if (!traits.direct)
		advise(finding, DOCTOR_BAD, "%s: put the data on ext4 or XFS",
		    traits.warning != NULL ? traits.warning : "commits would not reach the disk");
	else if (traits.warning != NULL)
		advise(finding, DOCTOR_WARNING, "%s", traits.warning);
}

static int
compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y ? 1 : 0;
}

/* As the log does it: zeroed space, then one synced write after the other. */
static enum froe_err
time_writes(struct doctor *doctor, int file, void *block, uint64_t took_ns[WRITES],
    struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	memset(block, 0, BLOCK_BYTES);
	for (unsigned i = 0; i < WRITES && err == FROE_OK; i++) {
		err = io_file_write(
		    doctor->env, file, block, BLOCK_BYTES, (uint64_t)i * BLOCK_BYTES, fault);
	}
	memset(block, 0xf0, BLOCK_BYTES);
	for (unsigned i = 0; i < WRITES && err == FROE_OK; i++) {
		uint64_t start_ns = io_mono_ns(doctor->env);
		err = io_file_write(
		    doctor->env, file, block, BLOCK_BYTES, (uint64_t)i * BLOCK_BYTES, fault);
		took_ns[i] = io_mono_ns(doctor->env) - start_ns;
	}
	qsort(took_ns, WRITES, sizeof(took_ns[0]), compare_times);
	return err;
}

static void
ask_writes(struct doctor *doctor, struct doctor_finding *finding)
{
	char path[PATH_MAX + 64];
	uint64_t took_ns[WRITES];
	struct froe_fault fault;
	void *block = mem_pages(BLOCK_BYTES);
	int file;
	snprintf(path, sizeof(path), "%s/.froe-doctor-%ld", doctor->dir, (long)getpid());
	unsigned flags =
	    IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_EXCLUSIVE | IO_OPEN_DIRECT | IO_OPEN_DSYNC;
	enum froe_err err = io_file_open(doctor->env, path, flags, &file, &fault);
	if (err == FROE_OK) {
		err = time_writes(doctor, file, block, took_ns, &fault);
		io_file_close(doctor->env, file);
		FROE_DROP(io_path_unlink(doctor->env, path, NULL), "it is a file of a moment");
	}
	mem_pages_free(block, BLOCK_BYTES);
	if (err != FROE_OK) {
		fact(finding, "cannot be tried: %.150s", fault.text);
		advise(finding, DOCTOR_BAD, "froe must be able to write there");
		return;
	}
	uint64_t half_ns = took_ns[WRITES / 2], last_ns = took_ns[WRITES * 99 / 100];
	fact(finding, "4 KiB, synced: p50 %.3f ms, p99 %.3f ms", (double)half_ns / 1e6,
	    (double)last_ns / 1e6);
	if (half_ns > SLOW_WRITE_NS)
		advise(finding, DOCTOR_WARNING,
		    "each hop of a run waits for one: use a disk with a safe write cache");
}

static void
ask_space(struct doctor *doctor, struct doctor_finding *finding)
{
	struct io_space space;
	struct froe_fault fault;
	if (io_path_space(doctor->env, doctor->dir, &space, &fault) != FROE_OK) {
		fact(finding, "unknown: %.150s", fault.text);
		return;
	}
	fact(finding, "%.1f of %.1f GiB free", (double)space.free_bytes / (1 << 30),
	    (double)space.total_bytes / (1 << 30));
	if (space.free_bytes < FREE_BYTES_MIN || space.free_bytes < space.total_bytes / 20)
		advise(finding, DOCTOR_WARNING,
		    "below 5 %% new runs are refused: free some, or shorten --retention");
}

static void
ask_owner(struct doctor *doctor, struct doctor_finding *finding)
{
	struct stat status;
	if (stat(doctor->data, &status) != 0) {
		fact(finding, "%s does not exist yet", doctor->data);
		if (access(doctor->dir, W_OK) != 0)
			advise(finding, DOCTOR_BAD, "it cannot be made: %s is not writable for you",
			    doctor->dir);
		return;
	}
	fact(finding, "%s: mode %04o, owner %u", doctor->data, status.st_mode & 07777u,
	    status.st_uid);
	if (status.st_uid != geteuid())
		advise(finding, DOCTOR_WARNING, "serve it as its owner");
	if ((status.st_mode & 022) != 0)
		advise(finding, DOCTOR_BAD, "others may write there: chmod go-w %s", doctor->data);
}

static void
ask_files(struct doctor *doctor, struct doctor_finding *finding)
{
	struct rlimit limit;
	(void)doctor;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	fact(finding, "%llu open files (at most %llu)", (unsigned long long)limit.rlim_cur,
	    (unsigned long long)limit.rlim_max);
	if (limit.rlim_cur < FILES_MIN)
		advise(finding, DOCTOR_WARNING,
		    "each connection is one: ulimit -n %u, or LimitNOFILE= in the unit", FILES_MIN);
}

static void
ask_memlock(struct doctor *doctor, struct doctor_finding *finding)
{
	struct rlimit limit;
	(void)doctor;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		fact(finding, "unlimited");
	else
		fact(finding, "%llu KiB", (unsigned long long)limit.rlim_cur >> 10);
	if (limit.rlim_cur < MEMLOCK_BYTES_MIN)
		advise(finding, DOCTOR_WARNING,
		    "the log's write buffers take 7 MiB: ulimit -l 65536, or LimitMEMLOCK=64M");
}

static void
ask_clock(struct doctor *doctor, struct doctor_finding *finding)
{
	struct timex status = {0};
	char now[TIMESTAMP_TEXT_SIZE];
	int state = adjtimex(&status);
	timestamp_format(io_wall_ns(doctor->env), now);
	if (state < 0) {
		fact(finding, "%s; whether it is set by the network is unknown: %s", now,
		    strerror(errno));
		return;
	}
	bool synced = state != TIME_ERROR && (status.status & STA_UNSYNC) == 0;
	fact(finding, "%s, %s", now, synced ? "kept by time synchronisation" : "not synchronised");
	if (!synced)
		advise(finding, DOCTOR_WARNING,
		    "schedules and sleeps go by it: run chrony or systemd-timesyncd");
}

static void
ask_processors(struct doctor *doctor, struct doctor_finding *finding)
{
	(void)doctor;
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	fact(finding, "%ld online", count);
	if (count < 2)
		advise(finding, DOCTOR_WARNING,
		    "the index and the edge compete with the hot loop: two are better");
}

static const struct {
	const char *name;
	void (*ask)(struct doctor *doctor, struct doctor_finding *finding);
} questions[] = {
    {"kernel", ask_kernel},
    {"io_uring", ask_uring},
    {"processors", ask_processors},
    {"directory", ask_owner},
    {"file system", ask_file_system},
    {"write latency", ask_writes},
    {"free space", ask_space},
    {"open files", ask_files},
    {"locked memory", ask_memlock},
    {"clock", ask_clock},
};

/* The nearest directory that exists. */
static void
find_dir(struct doctor *doctor)
{
	struct stat status;
	snprintf(doctor->dir, sizeof(doctor->dir), "%s", doctor->data);
	while (stat(doctor->dir, &status) != 0 || !S_ISDIR(status.st_mode)) {
		char *slash = strrchr(doctor->dir, '/');
		if (slash == NULL) {
			snprintf(doctor->dir, sizeof(doctor->dir), ".");
			return;
		}
		if (slash == doctor->dir) {
			doctor->dir[1] = 0;
			return;
		}
		*slash = 0;
	}
}

void
doctor_examine(
    const char *data, void (*each)(void *context, const struct doctor_finding *), void *context)
{
	struct doctor doctor = {.data = data, .env = io_env_posix()};
	find_dir(&doctor);
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct doctor_finding finding = {.name = questions[i].name};
		questions[i].ask(&doctor, &finding);
		each(context, &finding);
	}
}
