/*
 * SURVEY   once: which runs were reopened in the log that was there at the start? Their closing is
 *          not their last word. (Those of this process are noted when they are appended.)
 * PLAN     is the oldest segment's time over, and may it go? Or are cold files to be merged? If
 *          not: when will it be? Then the log wakes us, even if nothing is logged until then.
 * SCAN     read it, verifying: which runs, which records, which runs closed.
 * COPY     records of runs that stay go to a new cold file, run by run; runs that go and have
 *          records in older cold files are named in it.
 * MERGE    the same from cold files, of which the extents that live are copied (retention_merge.c).
 * COMMIT   the new file is durable: MANIFEST is raised. The new set is handed to the log's owner.
 * DRAIN    the old set has come back: unlink what is not in the new one.
 *
 * A run goes when its closing is past retention. A record of a run whose earlier records are gone
 * goes too: records of a run are kept all or none, so its predecessor tells.
 *
 * "Past" is a matter of engine time as the log's owner tells it, which a crash might take back: so
 * the time by which it was judged goes into MANIFEST together with the judgement, and no later
 * process begins before it (docs/decisions/0012-age-in-manifest.md).
 */
#include "log/retention_int.h"

#include "base/duration.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"
#include "log/copy_int.h"
#include "log/log_int.h"
#include "log/record_int.h"

#include <stdio.h>
#include <stdlib.h>

/* Old segments that go one after the other leave a file each: so many, and a merge comes first. */
#define RETENTION_FILES_CROWDED 64u
#define RETENTION_COPY_RECORDS 512u
/* How often it looks whether what is due can be done. */
#define RETENTION_LOOKS 10u /* while a run is kept */
#define RETENTION_LOOK_NS_MIN (NS_PER_S / 10)
#define RETENTION_LOOK_NS_MAX (60 * NS_PER_S)

/* ------------------------------------------------------------------------------------- failures */

static bool
retention_fail(struct retention *retention, enum froe_err err, const struct froe_fault *fault)
{
	cold_discard(&retention->writer);
	retention_forget_segment(retention);
	if (retention->hold >= 0)
		io_file_close(retention->log->env, retention->hold);
	retention->hold = -1;
	retention->state = RETENTION_PLAN;
	retention->waits = err == FROE_IN_USE || err == FROE_NO_SPACE;
	if (retention->waits)
		return false; /* tried again */
	pthread_mutex_lock(&retention->lock);
	retention->stats.failed = true;
	snprintf(retention->stats.why, sizeof(retention->stats.why), "%.255s", fault->text);
	pthread_mutex_unlock(&retention->lock);
	retention->state = RETENTION_FAILED;
	log_ignore_reopened(retention->log);
	return false;
}

void
retention_forget_segment(struct retention *retention)
{
	for (size_t i = 0; i < retention->runs.capacity; i++)
		mem_free(retention->runs.entries[i].value);
	map_release(&retention->runs);
	map_init(&retention->runs);
	mem_free(retention->items);
	retention->items = NULL;
	retention->item_count = 0;
	retention->item_capacity = 0;
	retention->at = 0;
	mem_free(retention->victims);
	retention->victims = NULL;
	retention->victim_count = 0;
	reader_close(&retention->reader);
}

/* --------------------------------------------------------------------------------- what is cold */

/* The last thing cold files say about a run: NULL: nothing. */
const struct cold_extent *
retention_last(const struct retention *retention, uint64_t run_key)
{
	const struct cold_set *set = retention->set;
	const struct cold_extent *last = NULL;
	for (size_t i = 0; i < set->count; i++) {
		const struct cold_extent *extent = cold_last(set->files[i], run_key);
		if (extent != NULL && (last == NULL || extent->first_no > last->first_no))
			last = extent;
	}
	return last;
}

/* Is a run that closed then past retention? */
bool
retention_expired(const struct retention *retention, uint64_t run_key, uint64_t closed_ns)
{
	return (closed_ns != 0 || plant(RETENTION_LIVE)) && closed_ns <= retention->cutoff_ns &&
	    !log_was_reopened(retention->log, run_key);
}

/* --------------------------------------------------------------------------------------- survey */

static bool
retention_survey(struct retention *retention)
{
	struct froe_fault fault;
	enum scan_result result;
	enum froe_err err = FROE_OK;
	if (retention->scan_no > retention->survey_end.v >> 32) {
		reader_close(&retention->reader);
		retention->state = RETENTION_PLAN;
		return true;
	}
	bool last = retention->scan_no == retention->survey_end.v >> 32;
	if (retention->reader.file < 0)
		err = scan_begin(retention, retention->scan_no, &fault);
	bool over = last && retention->scan_at >= (retention->survey_end.v & UINT32_MAX);
	if (err == FROE_OK && !over)
		err = scan_frame(retention, &result, &fault);
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	if (over || result == SCAN_SEALED) {
		reader_close(&retention->reader);
		retention->scan_no++;
	}
	return true;
}

/* ------------------------------------------------------------------------------------- planning */

static uint64_t
retention_bytes(const struct retention *retention)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < retention->set->count; i++)
		bytes += retention->set->files[i]->bytes;
	uint64_t segments = log_sealed(retention->log) + 1 - retention->set->segment_oldest;
	return bytes + segments * retention->log->store.segment_bytes;
}

/* The engine time up to which closed runs are past retention. */
static uint64_t
retention_cutoff(const struct retention *retention)
{
	uint64_t keep_ns = retention->options.keep_ns;
	if (retention->options.bytes_max != 0 &&
	    retention_bytes(retention) > retention->options.bytes_max)
		return retention->now_ns;
	return retention->now_ns > keep_ns ? retention->now_ns - keep_ns : 0;
}

/* Everything in a segment that is sealed is as old as the next one's first frame, or older. */
static enum froe_err
retention_peek(struct retention *retention, uint64_t no, struct froe_fault *fault)
{
	if (retention->peeked == no)
		return FROE_OK;
	enum froe_err err = scan_begin(retention, no + 1, fault);
	if (err == FROE_OK)
		err = scan_peek(retention, fault);
	reader_close(&retention->reader);
	retention->peeked = err == FROE_OK ? no : 0;
	return err;
}

static bool
retention_take_hold(struct retention *retention, struct froe_fault *fault)
{
	const struct log *log = retention->log;
	return copy_hold_try(log->env, &log->paths, &retention->hold, fault) == FROE_OK;
}

static bool
retention_begin(struct retention *retention, enum retention_state state, uint64_t no)
{
	struct froe_fault fault;
	enum froe_err err = FROE_OK;
	if (!retention_take_hold(retention, &fault))
		return retention_fail(retention, fault.code, &fault);
	retention->retiring = no;
	retention->newest = log_manifest_read(retention->log).cold + 1;
	cold_begin(&retention->writer, retention->log->env, &retention->log->paths,
	    retention->log->store.id, retention->newest);
	if (no != 0)
		err = scan_begin(retention, no, &fault);
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	retention->state = state;
	failpoint_pass(FAILPOINT_retention_begun);
	return true;
}

/* False: nothing is merged, *ret_more is false. */
static bool
plan_merge(struct retention *retention, bool *ret_more)
{
	bool wanted = retention_wants_merge(retention);
	retention->tidy = !wanted;
	if (wanted)
		retention_collect_victims(retention);
	else
		retention_forget_segment(retention);
	*ret_more = wanted && retention_begin(retention, RETENTION_MERGE, 0);
	return wanted;
}

/* UINT64_MAX: never. */
static uint64_t
later(uint64_t time_ns, uint64_t by_ns)
{
	return time_ns < UINT64_MAX - by_ns ? time_ns + by_ns : UINT64_MAX;
}

/* When the oldest segment's time is over; UINT64_MAX: that is not what it waits for. */
static enum froe_err
plan_segment(struct retention *retention, uint64_t *ret_due_ns, struct froe_fault *fault)
{
	struct log_manifest manifest = log_manifest_read(retention->log);
	uint64_t no = manifest.segment_oldest;
	*ret_due_ns = UINT64_MAX;
	if (no > manifest.snapshots[1].number || no >= log_sealed(retention->log))
		return FROE_OK;
	enum froe_err err = retention_peek(retention, no, fault);
	if (err != FROE_OK)
		return err;
	if (retention->next_ns > retention->cutoff_ns)
		*ret_due_ns = later(retention->next_ns, retention->options.keep_ns);
	else if (retention->next_seq <= retention->index_seq + 1)
		*ret_due_ns = retention->now_ns;
	else
		retention->waits = true;
	return FROE_OK;
}

static bool
retention_plan(struct retention *retention, uint64_t index_seq)
{
	struct froe_fault fault;
	uint64_t due_ns;
	bool more;
	retention->now_ns = log_time_ns(retention->log);
	retention->cutoff_ns = retention_cutoff(retention);
	retention->index_seq = index_seq;
	retention->waits = false;
	bool crowded = retention->set->count >= RETENTION_FILES_CROWDED;
	if (crowded && !retention->tidy && plan_merge(retention, &more))
		return more;
	enum froe_err err = plan_segment(retention, &due_ns, &fault);
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	if (due_ns <= retention->now_ns)
		return retention_begin(
		    retention, RETENTION_SCAN, log_manifest_read(retention->log).segment_oldest);
	if (!retention->tidy && plan_merge(retention, &more))
		return more;
	log_set_alarm(retention->log, due_ns);
	return false;
}

/* ------------------------------------------------------------------------------------ a segment */

static bool
retention_scan(struct retention *retention)
{
	struct froe_fault fault;
	enum scan_result result;
	enum froe_err err = scan_frame(retention, &result, &fault);
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	if (result != SCAN_SEALED)
		return true;
	retention_judge(retention);
	retention->state = RETENTION_COPY;
	return true;
}

/* Everything is in the new file, or there is nothing to put into one. */
static bool
retention_copied(struct retention *retention)
{
	retention->state = RETENTION_COMMIT;
	return true;
}

static bool
retention_copy(struct retention *retention)
{
	struct froe_fault fault;
	enum froe_err err = FROE_OK;
	for (unsigned i = 0; i < RETENTION_COPY_RECORDS && err == FROE_OK; i++) {
		if (retention->at == retention->item_count)
			return retention_copied(retention);
		err = retention_copy_item(retention, retention->at++, &fault);
	}
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	return true;
}

static bool
retention_merge(struct retention *retention)
{
	struct froe_fault fault;
	enum froe_err err = FROE_OK;
	if (retention->at == retention->item_count)
		return retention_copied(retention);
	err = retention_merge_item(retention, retention->at++, &fault);
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	return true;
}

/* --------------------------------------------------------------------------------------- commit */

/* The files of the new set, without the new one. */
static size_t
retention_staying(const struct retention *retention, const struct cold_file **files,
    uint64_t *members)
{
	size_t count = 0;
	for (size_t i = 0; i < retention->set->count; i++) {
		const struct cold_file *file = retention->set->files[i];
		if (retention_is_victim(retention, file))
			continue;
		members[count] = file->no;
		files[count++] = file;
	}
	return count;
}

/* The new file, if it says anything; *ret_newest is what MANIFEST is to name. */
static enum froe_err
retention_finish(struct retention *retention, const struct cold_file **files, uint64_t *members,
    size_t *count, uint64_t *ret_newest, struct froe_fault *fault)
{
	struct cold_file *made = NULL;
	bool merged = retention->victim_count > 0 && *count > 0;
	*ret_newest = log_manifest_read(retention->log).cold;
	if (retention->writer.extent_count == 0 && !merged) {
		cold_discard(&retention->writer);
		if (retention->victim_count > 0)
			*ret_newest = 0; /* nothing cold is left */
		return FROE_OK;
	}
	enum froe_err err = cold_finish(&retention->writer, members, *count, &made, fault);
	if (err != FROE_OK)
		return err;
	files[(*count)++] = made;
	*ret_newest = retention->newest;
	return FROE_OK;
}

/* The segment is not of the log any more. What cold files say of these runs is their last word, but
 * for what later segments have. */
static void
retention_forget_reopened(struct retention *retention)
{
	for (size_t i = 0; i < retention->runs.capacity; i++) {
		const struct map_entry *entry = &retention->runs.entries[i];
		const struct retention_run *run = entry->value;
		if (run != NULL && run->reopened > 0)
			log_forget_reopened(retention->log, entry->key[1], run->reopened);
	}
}

static bool
retention_commit(struct retention *retention)
{
	struct log_manifest manifest = log_manifest_read(retention->log);
	size_t capacity = retention->set->count + 1, count;
	const struct cold_file **files = mem_array(capacity, sizeof(struct cold_file *));
	uint64_t *members = mem_array(capacity, sizeof(uint64_t));
	struct froe_fault fault;
	count = retention_staying(retention, files, members);
	size_t staying = count;
	enum froe_err err =
	    retention_finish(retention, files, members, &count, &manifest.cold, &fault);
	if (retention->retiring != 0)
		manifest.segment_oldest = retention->retiring + 1;
	if (manifest.time_ns < retention->now_ns)
		manifest.time_ns = retention->now_ns;
	if (err == FROE_OK)
		err = log_manifest_write(retention->log, &manifest, &fault);
	failpoint_pass(FAILPOINT_retention_named);
	if (err == FROE_OK) {
		retention->set = cold_set_new(
		    manifest.segment_oldest, retention->cutoff_ns, files, count);
		shelf_publish(&retention->log->shelf, retention->set);
		retention_forget_reopened(retention);
		log_wake(retention->log);
		retention->tidy = false;
		retention->state = RETENTION_DRAIN;
	} else if (count > staying) {
		cold_free((struct cold_file *)(uintptr_t)files[staying]);
	}
	mem_free(files);
	mem_free(members);
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	return true;
}

static enum froe_err
retention_unlink(struct retention *retention, struct froe_fault *fault)
{
	struct log *log = retention->log;
	enum froe_err err = FROE_OK;
	for (size_t i = 0; i < retention->victim_count && err == FROE_OK; i++)
		err = io_path_unlink(
		    log->env, cold_path(&log->paths, retention->victims[i]->no).text, fault);
	if (retention->victim_count > 0)
		failpoint_pass(FAILPOINT_retention_cold_removed);
	if (err == FROE_OK && retention->victim_count > 0)
		err = io_path_sync_dir(log->env, log->paths.cold, fault);
	if (err == FROE_OK && retention->retiring != 0)
		err = io_path_unlink(
		    log->env, path_segment(&log->paths, retention->retiring).text, fault);
	if (retention->retiring != 0)
		failpoint_pass(FAILPOINT_retention_removed);
	if (err == FROE_OK && retention->retiring != 0)
		err = io_path_sync_dir(log->env, log->paths.log, fault);
	return err;
}

static void
retention_count(struct retention *retention)
{
	pthread_mutex_lock(&retention->lock);
	struct retention_stats *stats = &retention->stats;
	stats->segment_oldest = retention->set->segment_oldest;
	stats->segments_retired += retention->retiring != 0;
	stats->merges += retention->victim_count > 0;
	stats->records_copied += retention->copied;
	stats->runs_gone += retention->gone;
	stats->cold_files = retention->set->count;
	stats->cold_bytes = 0;
	for (size_t i = 0; i < retention->set->count; i++)
		stats->cold_bytes += retention->set->files[i]->bytes;
	pthread_mutex_unlock(&retention->lock);
	retention->copied = 0;
	retention->gone = 0;
}

static bool
retention_drain(struct retention *retention)
{
	struct cold_set *old = shelf_reclaim(&retention->log->shelf);
	struct froe_fault fault;
	if (old == NULL)
		return false; /* the owner was woken; it wakes us in turn */
	enum froe_err err = retention_unlink(retention, &fault);
	retention_count(retention);
	for (size_t i = 0; i < retention->victim_count; i++)
		cold_free((struct cold_file *)(uintptr_t)retention->victims[i]);
	mem_free(old);
	retention_forget_segment(retention);
	io_file_close(retention->log->env, retention->hold);
	retention->hold = -1;
	retention->state = RETENTION_PLAN;
	if (err != FROE_OK)
		return retention_fail(retention, err, &fault);
	return true;
}

/* -------------------------------------------------------------------------------- at the start */

struct retired {
	uint64_t oldest;
	uint64_t *segments;
	size_t count;
};

static bool
retired_each_name(void *context, const char *name)
{
	struct retired *retired = context;
	uint64_t no;
	if (!seg_name_parse(name, &no) || no >= retired->oldest)
		return true;
	retired->segments =
	    mem_resize(retired->segments, (retired->count + 1) * sizeof(uint64_t));
	retired->segments[retired->count++] = no;
	return true;
}

enum froe_err
retired_clean(struct io_env *env, const struct paths *paths, uint64_t oldest,
    struct froe_fault *fault)
{
	struct retired retired = {.oldest = oldest};
	enum froe_err err = io_path_list(env, paths->log, retired_each_name, &retired, fault);
	for (size_t i = 0; i < retired.count && err == FROE_OK; i++)
		err = io_path_unlink(env, path_segment(paths, retired.segments[i]).text, fault);
	if (err == FROE_OK && retired.count > 0)
		err = io_path_sync_dir(env, paths->log, fault);
	mem_free(retired.segments);
	return err;
}

/* -------------------------------------------------------------------------------------- the API */

struct retention *
retention_open(struct log *log, const struct retention_options *options)
{
	struct retention *retention = mem_zalloc(sizeof(*retention));
	retention->log = log;
	retention->options = *options;
	retention->hold = -1;
	retention->set = log->shelf.current;
	retention->survey_end = log->opened_end;
	retention->scan_no = log_manifest_read(log).segment_oldest;
	retention->state =
	    options->keep_ns == UINT64_MAX && options->bytes_max == 0 ? RETENTION_FAILED
	                                                              : RETENTION_SURVEY;
	if (retention->state == RETENTION_FAILED)
		log_ignore_reopened(log);
	pthread_mutex_init(&retention->lock, NULL);
	reader_init(&retention->reader, log->env, &log->paths, log->store.id);
	map_init(&retention->runs);
	retention_count(retention);
	return retention;
}

void
retention_close(struct retention *retention)
{
	if (retention == NULL)
		return;
	if (retention->writer.frame != NULL)
		cold_discard(&retention->writer);
	retention_forget_segment(retention);
	if (retention->hold >= 0)
		io_file_close(retention->log->env, retention->hold);
	reader_release(&retention->reader);
	map_release(&retention->runs);
	if (retention->window != NULL)
		mem_pages_free(retention->window, retention->window_size);
	pthread_mutex_destroy(&retention->lock);
	mem_free(retention);
}

bool
retention_step(struct retention *retention, uint64_t index_seq)
{
	switch (retention->state) {
	case RETENTION_SURVEY:
		return retention_survey(retention);
	case RETENTION_PLAN:
		return retention_plan(retention, index_seq);
	case RETENTION_SCAN:
		return retention_scan(retention);
	case RETENTION_COPY:
		return retention_copy(retention);
	case RETENTION_MERGE:
		return retention_merge(retention);
	case RETENTION_COMMIT:
		return retention_commit(retention);
	case RETENTION_DRAIN:
		return retention_drain(retention);
	case RETENTION_FAILED:
		return false;
	}
	froe_never("all states are handled");
}

bool
retention_holds(const struct retention *retention)
{
	return retention->hold >= 0;
}

bool
retention_waits(const struct retention *retention)
{
	return retention->waits;
}

uint64_t
retention_look_ns(const struct retention *retention)
{
	uint64_t look_ns = retention->options.keep_ns / RETENTION_LOOKS;
	if (look_ns < RETENTION_LOOK_NS_MIN)
		return RETENTION_LOOK_NS_MIN;
	return look_ns < RETENTION_LOOK_NS_MAX ? look_ns : RETENTION_LOOK_NS_MAX;
}

bool
retention_surveys(const struct retention *retention)
{
	return retention->state == RETENTION_SURVEY;
}

void
retention_stats(struct retention *retention, struct retention_stats *ret_stats)
{
	pthread_mutex_lock(&retention->lock);
	*ret_stats = retention->stats;
	pthread_mutex_unlock(&retention->lock);
}
