/*
 *  IDLE ─► LOAD ─► APPLY ─► WRITE ─► COMPARE ─► INDEX ─► PUBLISH ─► REMOVE ─► IDLE
 *            │       │        │         │         │
 *            └───────┴────────┴─────────┴─────────┴─► IDLE: later, or never: an alarm
 *
 * The check: while a segment nears its end, the live engine digests its counters before each step,
 * so it knows them as they were at the end. And if its state is small it takes the hash of all of
 * it after the first step behind the end. Here, the state at the end is compared with the digest;
 * and once the snapshot is written, that first step is applied, too, and the hash compared.
 *
 * A start replays what is behind the newest snapshot, for the index too. If that lacked rows of
 * what is before, it would have to be made anew from all of the log. So no snapshot is named before
 * the index has, durably, everything up to it: at most it is a batch behind, and mostly the making
 * took longer. An index that cannot be written must not keep a full disk full: retention cannot
 * pass the older snapshot. Then it is named all the same; a start before the index has come up to
 * it makes the index anew.
 */
#include "server/snapshotter.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "io/journal.h"
#include "server/indexer.h"

#include <inttypes.h>

#define LOOK_NS (UINT64_C(100) * 1000000)
#define COMPARE_NS (60 * UINT64_C(1000000000))
#define INDEX_NS (10 * UINT64_C(1000000000)) /* retention waits, too */
#define RETRY_NS SNAPSHOTTER_INTERVAL_NS
/* So many times the log that is enough for one: it is late. */
#define LATE_TIMES 2u

static void
stat_set(_Atomic uint64_t *stat, uint64_t value)
{
	atomic_store_explicit(stat, value, memory_order_relaxed);
}

static void
stat_add(_Atomic uint64_t *stat)
{
	atomic_fetch_add_explicit(stat, 1, memory_order_relaxed);
}

static bool
stopping(const struct snapshotter *snapshotter)
{
	return atomic_load_explicit(&snapshotter->stop, memory_order_acquire);
}

static void
note_newest(struct snapshotter *snapshotter)
{
	struct log_manifest manifest = log_manifest_read(snapshotter->log);
	stat_set(&snapshotter->number, manifest.snapshots[0].number);
	stat_set(&snapshotter->frame_seq, manifest.snapshots[0].frame_seq);
}

void
snapshotter_init(struct snapshotter *snapshotter, struct shard *shard, const char *dir,
    const struct snapshotter_options *options)
{
	*snapshotter = (struct snapshotter){
	    .env = shard->env,
	    .log = shard->log,
	    .dir = dir,
	    .store = shard->report.store,
	    .notes = &shard->notes,
	    .options = *options,
	    .segment_bytes = log_segment_bytes(shard->log),
	};
	if (snapshotter->options.interval_ns == 0)
		snapshotter->options.interval_ns = SNAPSHOTTER_INTERVAL_NS;
	shard->noting = true;
	snapshotter->last_ns = io_mono_ns(shard->env);
	note_newest(snapshotter);
}

/* Frees what is in the making. */
static void
making_drop(struct snapshotter *snapshotter)
{
	walk_close(snapshotter->walk);
	snapshotter->walk = NULL;
	if (snapshotter->busy)
		state_release(&snapshotter->state);
	snapshotter->busy = false;
	snapshotter->step = SNAPSHOTTER_IDLE;
}

void
snapshotter_release(struct snapshotter *snapshotter)
{
	making_drop(snapshotter);
}

void
snapshotter_stop(struct snapshotter *snapshotter)
{
	atomic_store_explicit(&snapshotter->stop, true, memory_order_release);
}

void
snapshotter_stats(const struct snapshotter *snapshotter, struct snapshotter_stats *ret_stats)
{
	*ret_stats = (struct snapshotter_stats){
	    .number = atomic_load_explicit(&snapshotter->number, memory_order_relaxed),
	    .frame_seq = atomic_load_explicit(&snapshotter->frame_seq, memory_order_relaxed),
	    .made_ns = atomic_load_explicit(&snapshotter->made_ns, memory_order_relaxed),
	    .took_ns = atomic_load_explicit(&snapshotter->took_ns, memory_order_relaxed),
	    .bytes = atomic_load_explicit(&snapshotter->bytes, memory_order_relaxed),
	    .made = atomic_load_explicit(&snapshotter->made, memory_order_relaxed),
	    .failed = atomic_load_explicit(&snapshotter->failed, memory_order_relaxed),
	    .alarms = atomic_load_explicit(&snapshotter->alarms, memory_order_relaxed),
	    .compared = atomic_load_explicit(&snapshotter->compared, memory_order_relaxed),
	};
}

/* ------------------------------------------------------------------------------------- failures */

/* Not now. What was written so far is not used. */
static bool
give_up(struct snapshotter *snapshotter, const struct froe_fault *fault)
{
	making_drop(snapshotter);
	if (stopping(snapshotter))
		return false;
	stat_add(&snapshotter->failed);
	snapshotter->retry_ns = io_mono_ns(snapshotter->env) + RETRY_NS;
	snapshotter->due_ns = snapshotter->retry_ns;
	if (!snapshotter->options.quiet)
		journal(JOURNAL_WARNING, "snapshot_failed",
		    "no snapshot was made, it is tried again in a minute: %s", fault->text);
	return false;
}

/* The same events have led to two states: a bug, or memory that does not hold what was put there.
 * What is on disk says what the log says; a snapshot is not to be trusted over it. */
static bool
alarm_raise(struct snapshotter *snapshotter, const char *what)
{
	struct journal_line said;
	making_drop(snapshotter);
	snapshotter->ended = true;
	stat_add(&snapshotter->alarms);
	if (snapshotter->options.quiet)
		return false;
	journal_begin(&said, JOURNAL_ERROR, "state_differs",
	    "the log's records do not lead to the state of the running server (%s): no snapshot "
	    "is made any more; run froe log verify, and report this",
	    what);
	journal_number(&said, "segment", snapshotter->target);
	journal_end(&said);
	return false;
}

/* -------------------------------------------------------------------------------------- planning
 */

/* The note of a segment, if it is there. Those of segments before it go: only of the newest sealed
 * one a snapshot may still be made, and they would fill the ring. Those behind it stay. */
static void
note_find(struct snapshotter *snapshotter, uint64_t segment)
{
	struct shard_note *note;
	while (snapshotter->note.segment < segment &&
	       (note = ring_pop(snapshotter->notes)) != NULL) {
		snapshotter->note = *note;
		mem_free(note);
	}
}

/* How much log is to come until the next one. The larger the state, the more: as much as a snapshot
 * takes, so that loading and saving it costs a constant part of what is logged, and a start replays
 * about as long as it loads. Whatever comes in a burst is better applied when it is over, so there
 * is a least of log, too: what a start replays in a moment. Not so on a full disk: retention cannot
 * pass the older snapshot. */
static uint64_t
enough_bytes(const struct snapshotter *snapshotter)
{
	bool full = log_short_of_space(snapshotter->log);
	uint64_t enough = full ? 0 : snapshotter->options.log_bytes;
	return enough < snapshotter->last_bytes ? snapshotter->last_bytes : enough;
}

/* Sealed, and not in the newest one. */
static uint64_t
waiting_bytes(const struct snapshotter *snapshotter)
{
	uint64_t number = log_manifest_read(snapshotter->log).snapshots[0].number;
	uint64_t sealed = log_sealed(snapshotter->log);
	return sealed > number ? (sealed - number) * snapshotter->segment_bytes : 0;
}

/* Enough has come since the newest one: log, or time. */
static bool
worth_it(struct snapshotter *snapshotter)
{
	uint64_t due_ns = snapshotter->last_ns + snapshotter->options.interval_ns;
	if (waiting_bytes(snapshotter) >= enough_bytes(snapshotter) ||
	    io_mono_ns(snapshotter->env) >= due_ns)
		return true;
	snapshotter->due_ns = due_ns;
	return false;
}

static bool
step_idle(struct snapshotter *snapshotter)
{
	struct log_manifest manifest = log_manifest_read(snapshotter->log);
	uint64_t sealed = log_sealed(snapshotter->log);
	uint64_t now_ns = io_mono_ns(snapshotter->env);
	if (!snapshotter->cleaned && now_ns >= snapshotter->clean_ns) {
		struct froe_fault fault;
		if (snapshot_clean(snapshotter->env, snapshotter->dir, &fault) != FROE_OK)
			return give_up(snapshotter, &fault);
		snapshotter->cleaned = true;
		snapshotter->step = SNAPSHOTTER_REMOVE;
		return true;
	}
	note_find(snapshotter, sealed);
	snapshotter->due_ns = now_ns < snapshotter->retry_ns ? snapshotter->retry_ns : 0;
	if (now_ns < snapshotter->retry_ns)
		return false;
	if (sealed <= manifest.snapshots[0].number || !worth_it(snapshotter))
		return false;
	snapshotter->target = sealed;
	snapshotter->start_ns = now_ns;
	snapshotter->last_ns = now_ns;
	snapshotter->damaged[0] = snapshotter->damaged[1] = 0;
	snapshotter->until_ns = 0;
	snapshotter->same = false;
	snapshotter->differs = false;
	snapshotter->step = SNAPSHOTTER_LOAD;
	return true;
}

/* ------------------------------------------------------------------------------------- loading */

static enum froe_err
load_begin(void *context, const struct log_base *base, bool whole, struct froe_fault *fault)
{
	struct snapshotter *snapshotter = context;
	return state_loader.begin(&snapshotter->state, base, whole, fault);
}

static enum froe_err
load_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct snapshotter *snapshotter = context;
	if (stopping(snapshotter))
		return fault_set(fault, FROE_UNAVAILABLE, "the server stops");
	return state_loader.record(&snapshotter->state, record, fault);
}

static enum froe_err
load_end(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	struct snapshotter *snapshotter = context;
	return state_loader.end(&snapshotter->state, state_hash, fault);
}

static const struct log_loader loader = {load_begin, load_record, load_end};

static void
said_damaged(const struct snapshotter *snapshotter, const struct froe_fault *fault)
{
	if (!snapshotter->options.quiet)
		journal(JOURNAL_WARNING, "snapshot_damaged",
		    "a snapshot cannot be used, an older one is: %s", fault->text);
}

/* The newest that verifies; then the log's beginning, if it is there. */
static enum froe_err
load_newest(struct snapshotter *snapshotter, struct froe_fault *fault)
{
	struct log_manifest manifest = log_manifest_read(snapshotter->log);
	snapshotter->loaded = (struct log_snapshot_ref){0};
	for (unsigned i = 0; i < 2 && manifest.snapshots[i].number != 0; i++) {
		uint64_t number = manifest.snapshots[i].number;
		enum froe_err err =
		    snapshot_read(snapshotter->env, snapshotter->dir, snapshotter->store, number,
			&loader, snapshotter, false, &snapshotter->base, fault);
		snapshotter->loaded = manifest.snapshots[i];
		if (err != FROE_CORRUPT && err != FROE_NOT_FOUND)
			return err;
		snapshotter->damaged[i] = number;
		said_damaged(snapshotter, fault);
	}
	snapshotter->loaded = (struct log_snapshot_ref){0};
	snapshotter->base = (struct log_base){0};
	if (manifest.segment_oldest != 1)
		return fault_set(fault, FROE_CORRUPT,
		    "no snapshot verifies, and the log's beginning was retired");
	return load_begin(snapshotter, &snapshotter->base, false, fault);
}

static bool
step_load(struct snapshotter *snapshotter)
{
	struct froe_fault fault = {0};
	state_init(&snapshotter->state, snapshotter->env, 0);
	snapshotter->busy = true;
	if (load_newest(snapshotter, &fault) != FROE_OK)
		return give_up(snapshotter, &fault);
	snapshotter->walk = walk_open(
	    snapshotter->env, snapshotter->dir, snapshotter->store, &snapshotter->base, &fault);
	if (snapshotter->walk == NULL)
		return give_up(snapshotter, &fault);
	snapshotter->step = SNAPSHOTTER_APPLY;
	return true;
}

/* ------------------------------------------------------------------------------------ applying */

static enum froe_err
apply_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct snapshotter *snapshotter = context;
	struct eng_event event;
	enum froe_err err = state_apply(&snapshotter->state, record, &event, NULL, fault);
	if (err != FROE_OK)
		return err;
	if (event.type == ENG_EV_RUN_CLOSED)
		resolver_forget(snapshotter->state.resolver, event.run);
	if (record->event_seq == snapshotter->note.event_seq &&
	    snapshotter->note.segment == snapshotter->target) {
		snapshotter->same = true;
		snapshotter->differs =
		    eng_hash(snapshotter->state.eng) != snapshotter->note.state_hash;
	}
	return FROE_OK;
}

static bool
step_apply(struct snapshotter *snapshotter)
{
	struct froe_fault fault;
	const struct shard_note *note = &snapshotter->note;
	if (!walk_base(snapshotter->walk, &snapshotter->base) ||
	    snapshotter->base.number != snapshotter->target) {
		if (walk_step(snapshotter->walk, apply_record, snapshotter, &fault) != FROE_OK)
			return give_up(snapshotter, &fault);
		return true;
	}
	if (note->segment == snapshotter->target && note->digest != 0 &&
	    note->digest != eng_digest(snapshotter->state.eng))
		return alarm_raise(snapshotter, "counters");
	snapshotter->step = SNAPSHOTTER_WRITE;
	return true;
}

/* ------------------------------------------------------------------------------------- writing */

static enum froe_err
write_all(struct snapshotter *snapshotter, struct froe_fault *fault)
{
	struct snapshot_writer *writer;
	uint64_t bytes = 0;
	enum froe_err err = snapshot_create(snapshotter->env, snapshotter->dir, snapshotter->store,
	    &snapshotter->base, &writer, fault);
	if (err != FROE_OK)
		return err;
	err = state_save(&snapshotter->state, writer, &snapshotter->stop, fault);
	if (err != FROE_OK) {
		snapshot_discard(writer);
		return err;
	}
	err = snapshot_finish(writer, eng_hash(snapshotter->state.eng), &bytes, fault);
	snapshotter->last_bytes = bytes;
	return err;
}

static bool
step_write(struct snapshotter *snapshotter)
{
	struct froe_fault fault;
	if (write_all(snapshotter, &fault) != FROE_OK)
		return give_up(snapshotter, &fault);
	bool noted =
	    snapshotter->note.segment == snapshotter->target && snapshotter->note.state_hash != 0;
	snapshotter->step = noted ? SNAPSHOTTER_COMPARE : SNAPSHOTTER_INDEX;
	return true;
}

/* Time counts, not looks: of those there are as many as housekeeping has other work. */
static bool
patient(struct snapshotter *snapshotter, uint64_t patience_ns)
{
	uint64_t now_ns = io_mono_ns(snapshotter->env);
	if (snapshotter->until_ns == 0)
		snapshotter->until_ns = now_ns + patience_ns;
	snapshotter->due_ns = now_ns + LOOK_NS;
	return now_ns < snapshotter->until_ns;
}

/* The first step behind the end may still be on its way to the disk. */
static bool
step_compare(struct snapshotter *snapshotter)
{
	struct froe_fault fault;
	if (!snapshotter->same) {
		enum froe_err err = walk_step(snapshotter->walk, apply_record, snapshotter, &fault);
		if (err == FROE_OK)
			return true;
		if (err != FROE_NOT_FOUND)
			return give_up(snapshotter, &fault);
		if (patient(snapshotter, COMPARE_NS))
			return false;
		fault_set(&fault, FROE_TIMEOUT, "the first step behind it was never written");
		return give_up(snapshotter, &fault);
	}
	if (snapshotter->differs) {
		FROE_DROP(
		    snapshot_remove(snapshotter->env, snapshotter->dir, snapshotter->target, NULL),
		    "MANIFEST does not name it");
		return alarm_raise(snapshotter, "all of it");
	}
	stat_add(&snapshotter->compared);
	snapshotter->until_ns = 0;
	snapshotter->step = SNAPSHOTTER_INDEX;
	return true;
}

static bool
step_index(struct snapshotter *snapshotter)
{
	const struct indexer *indexer = snapshotter->options.indexer;
	struct froe_fault fault;
	if (indexer == NULL || indexer_applied(indexer) >= snapshotter->base.frame_seq ||
	    log_short_of_space(snapshotter->log)) {
		snapshotter->step = SNAPSHOTTER_PUBLISH;
		return true;
	}
	if (patient(snapshotter, INDEX_NS))
		return false;
	fault_set(&fault, FROE_INDEX_BEHIND, "the index does not come up to it");
	return give_up(snapshotter, &fault);
}

/* ---------------------------------------------------------------------------------- publishing */

static bool
step_publish(struct snapshotter *snapshotter)
{
	struct froe_fault fault;
	struct log_manifest manifest = log_manifest_read(snapshotter->log);
	uint64_t now_ns = io_mono_ns(snapshotter->env);
	manifest.snapshots[1] = snapshotter->loaded;
	manifest.snapshots[0] = (struct log_snapshot_ref){
	    .number = snapshotter->target,
	    .lsn = log_base_lsn(&snapshotter->base),
	    .frame_seq = snapshotter->base.frame_seq,
	};
	if (log_manifest_write(snapshotter->log, &manifest, &fault) != FROE_OK) {
		snapshotter->ended = true;
		return give_up(snapshotter, &fault);
	}
	failpoint_pass(FAILPOINT_snapshot_published);
	stat_add(&snapshotter->made);
	stat_set(&snapshotter->made_ns, now_ns);
	stat_set(&snapshotter->took_ns, now_ns - snapshotter->start_ns);
	stat_set(&snapshotter->bytes, snapshotter->last_bytes);
	note_newest(snapshotter);
	making_drop(snapshotter);
	snapshotter->step = SNAPSHOTTER_REMOVE;
	return true;
}

struct removal {
	struct log_manifest manifest;
	uint64_t number; /* one that may go; 0: none */
};

static void
removal_look(void *context, uint64_t number)
{
	struct removal *removal = context;
	if (number != removal->manifest.snapshots[0].number &&
	    number != removal->manifest.snapshots[1].number)
		removal->number = number;
}

static bool
step_remove(struct snapshotter *snapshotter)
{
	struct froe_fault fault;
	struct removal removal = {.manifest = log_manifest_read(snapshotter->log)};
	enum froe_err err =
	    snapshot_list(snapshotter->env, snapshotter->dir, removal_look, &removal, &fault);
	bool damaged = removal.number != 0 && (removal.number == snapshotter->damaged[0] ||
						  removal.number == snapshotter->damaged[1]);
	if (err == FROE_OK && damaged)
		err =
		    snapshot_quarantine(snapshotter->env, snapshotter->dir, removal.number, &fault);
	else if (err == FROE_OK && removal.number != 0)
		err = snapshot_remove(snapshotter->env, snapshotter->dir, removal.number, &fault);
	if (err != FROE_OK && err != FROE_IN_USE)
		return give_up(snapshotter, &fault);
	if (err == FROE_IN_USE) { /* a backup: later */
		snapshotter->cleaned = false;
		snapshotter->clean_ns = io_mono_ns(snapshotter->env) + RETRY_NS;
	}
	if (removal.number == 0 || err == FROE_IN_USE)
		snapshotter->step = SNAPSHOTTER_IDLE;
	return true;
}

/* -------------------------------------------------------------------------------------- stepping
 */

bool
snapshotter_step(struct snapshotter *snapshotter)
{
	if (snapshotter->ended || stopping(snapshotter))
		return false;
	switch (snapshotter->step) {
	case SNAPSHOTTER_IDLE:
		return step_idle(snapshotter);
	case SNAPSHOTTER_LOAD:
		return step_load(snapshotter);
	case SNAPSHOTTER_APPLY:
		return step_apply(snapshotter);
	case SNAPSHOTTER_WRITE:
		return step_write(snapshotter);
	case SNAPSHOTTER_COMPARE:
		return step_compare(snapshotter);
	case SNAPSHOTTER_INDEX:
		return step_index(snapshotter);
	case SNAPSHOTTER_PUBLISH:
		return step_publish(snapshotter);
	case SNAPSHOTTER_REMOVE:
		return step_remove(snapshotter);
	}
	froe_never("all states are handled");
}

bool
snapshotter_idle(const struct snapshotter *snapshotter)
{
	return snapshotter->step == SNAPSHOTTER_IDLE;
}

uint64_t
snapshotter_due_ns(const struct snapshotter *snapshotter)
{
	if (snapshotter->ended || snapshotter->due_ns == 0)
		return UINT64_MAX;
	return snapshotter->due_ns;
}

bool
snapshotter_late(const struct snapshotter *snapshotter)
{
	uint64_t enough = enough_bytes(snapshotter);
	if (enough < snapshotter->segment_bytes)
		enough = snapshotter->segment_bytes;
	return !snapshotter->ended && waiting_bytes(snapshotter) > LATE_TIMES * enough;
}
