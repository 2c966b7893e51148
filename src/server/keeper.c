#include "server/keeper.h"

#include "base/duration.h"
#include "base/failpoint.h"
#include "base/thread.h"
#include "io/journal.h"

#include <sys/resource.h>
#include <time.h>

/* Enough for others to go first wherever they want the same processor. */
#define SLOW_NICE 10

static bool
keeper_stops(const struct keeper *keeper)
{
	return atomic_load_explicit(&keeper->stop, memory_order_acquire);
}

/* An interrupted wait is only an early look. */
static void
sleep_for(sem_t *work, uint64_t ns)
{
	struct timespec until;
	if (ns == UINT64_MAX) {
		sem_wait(work);
		return;
	}
	timespec_get(&until, TIME_UTC);
	uint64_t nanoseconds = (uint64_t)until.tv_nsec + ns % NS_PER_S;
	until.tv_sec += (time_t)(ns / NS_PER_S + nanoseconds / NS_PER_S);
	until.tv_nsec = (long)(nanoseconds % NS_PER_S);
	sem_timedwait(work, &until);
}

static void *
keeper_run(void *context)
{
	struct keeper *keeper = context;
	while (!keeper_stops(keeper)) {
		uint64_t began_ns = io_mono_ns(keeper->env);
		bool more = log_spares_step(keeper->log);
		uint64_t took_ns = io_mono_ns(keeper->env) - began_ns;
		uint64_t rest_ns = log_spares_rest_ns(keeper->log, took_ns);
		failpoint_pass(FAILPOINT_spare_step);
		if (more && rest_ns > 0)
			sleep_for(&keeper->work, rest_ns);
		else if (!more)
			sleep_for(
			    &keeper->work, log_short_of_space(keeper->log) ? NS_PER_S : UINT64_MAX);
	}
	return NULL;
}

static bool
retain_step(struct keeper *keeper)
{
	if (keeper->retention == NULL)
		return false;
	bool more = retention_step(keeper->retention, indexer_applied(keeper->indexer));
	struct retention_stats stats;
	indexer_age(keeper->indexer, log_manifest_read(keeper->log).time_ns);
	if (more || atomic_load_explicit(&keeper->retention_stopped, memory_order_relaxed))
		return more;
	retention_stats(keeper->retention, &stats);
	if (stats.failed)
		journal(JOURNAL_ERROR, "retention_stopped", "nothing is removed any more: %s",
		    stats.why);
	atomic_store_explicit(&keeper->retention_stopped, stats.failed, memory_order_relaxed);
	return false;
}

static void
scrub_fault(void *context, const char *why)
{
	(void)context;
	journal(JOURNAL_ERROR, "scrub_fault", "%s", why);
}

/*
 * Both take the store's HOLD, so neither begins a piece of work inside the other's. Between two
 * snapshots retention goes first: it cannot pass the older snapshot, so it ends; a snapshot may
 * always be due. Only its survey of the log, which takes no HOLD and may be long, shares the steps.
 */
static bool
slow_step(struct keeper *keeper)
{
	bool surveys = keeper->retention != NULL && retention_surveys(keeper->retention);
	bool retained = (surveys || snapshotter_idle(&keeper->snapshotter)) && retain_step(keeper);
	if (retained)
		failpoint_pass(FAILPOINT_retention_step);
	bool holds = keeper->retention != NULL && retention_holds(keeper->retention);
	if (holds || (retained && !surveys))
		return retained;
	bool snapshot = snapshotter_step(&keeper->snapshotter);
	if (snapshot)
		failpoint_pass(FAILPOINT_snapshot_step);
	return snapshot || retained;
}

/* How long there is nothing to do, unless somebody wakes us. */
static uint64_t
slow_rest_ns(struct keeper *keeper)
{
	uint64_t due_ns = snapshotter_due_ns(&keeper->snapshotter);
	uint64_t now_ns = io_mono_ns(keeper->env);
	if (due_ns != UINT64_MAX)
		due_ns = due_ns > now_ns ? due_ns - now_ns : 1;
	uint64_t scrub_ns = scrub_step(keeper->scrub, now_ns) - now_ns;
	if (due_ns > scrub_ns)
		due_ns = scrub_ns;
	if (keeper->retention == NULL || !retention_waits(keeper->retention))
		return due_ns;
	uint64_t look_ns = retention_look_ns(keeper->retention);
	return due_ns < look_ns ? due_ns : look_ns;
}

/* Of low priority, unless it has had so little of the processors that a start would take long. */
static void
slow_nice(const struct keeper *keeper, int own, int *nice)
{
	int now = snapshotter_late(&keeper->snapshotter) ? own : SLOW_NICE;
	if (now == *nice)
		return;
	*nice = now;
	FROE_DROP(setpriority(PRIO_PROCESS, 0 /* on Linux: this thread */, now),
	    "it may be in the way then; and not everyone gets back what he gave away");
}

static void *
slow_run(void *context)
{
	struct keeper *keeper = context;
	int own = getpriority(PRIO_PROCESS, 0), nice = own;
	while (!keeper_stops(keeper)) {
		slow_nice(keeper, own, &nice);
		if (!slow_step(keeper))
			sleep_for(&keeper->slow_work, slow_rest_ns(keeper));
	}
	return NULL;
}

static void
keeper_wake(void *context)
{
	struct keeper *keeper = context;
	sem_post(&keeper->work);
	sem_post(&keeper->slow_work);
}

static enum froe_err
slow_start(struct keeper *keeper, struct froe_fault *fault)
{
	struct scrub_options scrub = {.fault = scrub_fault};
	keeper->scrub = scrub_open(keeper->log, &scrub);
	enum froe_err err =
	    thread_start(&keeper->slow_thread, "froe-slow", slow_run, keeper, fault);
	keeper->slow_running = err == FROE_OK;
	if (err != FROE_OK)
		keeper_stop(keeper);
	return err;
}

void
keeper_retain(struct keeper *keeper, struct log *log, struct indexer *indexer,
    const struct retention_options *options)
{
	keeper->indexer = indexer;
	keeper->retention = retention_open(log, options);
}

enum froe_err
keeper_start(struct keeper *keeper, struct shard *shard, const char *dir,
    const struct snapshotter_options *snapshots, struct froe_fault *fault)
{
	keeper->log = shard->log;
	keeper->env = shard->env;
	sem_init(&keeper->work, 0, 0);
	sem_init(&keeper->slow_work, 0, 0);
	if (snapshots != NULL)
		snapshotter_init(&keeper->snapshotter, shard, dir, snapshots);
	log_set_spares_wake(shard->log, keeper_wake, keeper);
	enum froe_err err =
	    thread_start(&keeper->thread, "froe-keeper", keeper_run, keeper, fault);
	if (err != FROE_OK)
		return err;
	keeper->running = true;
	return snapshots != NULL ? slow_start(keeper, fault) : FROE_OK;
}

void
keeper_stop(struct keeper *keeper)
{
	if (!keeper->running)
		return;
	atomic_store_explicit(&keeper->stop, true, memory_order_release);
	snapshotter_stop(&keeper->snapshotter);
	sem_post(&keeper->work);
	sem_post(&keeper->slow_work);
	pthread_join(keeper->thread, NULL);
	if (keeper->slow_running)
		pthread_join(keeper->slow_thread, NULL);
	snapshotter_release(&keeper->snapshotter);
	sem_destroy(&keeper->work);
	sem_destroy(&keeper->slow_work);
	keeper->running = false;
	scrub_close(keeper->scrub);
	keeper->scrub = NULL;
	retention_close(keeper->retention);
	keeper->retention = NULL;
}
