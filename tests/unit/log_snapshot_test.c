/*
 * Snapshot files: what was put comes back; every kind of damage is seen; a start takes the newest
 * that is good, replays what follows it, and says why it took none.
 */
#include "log_image.h"

#include "log/backup.h"
#include "log/repair.h"
#include "log/scrub.h"
#include "log/snapshot.h"
#include "log/walk.h"

#define ROWS 40u

/* --------------------------------------------------------------------------------- a snapshot */

/* What a loader has seen. */
struct seen {
	struct world *world;
	unsigned begun;
	unsigned ended;
	uint64_t records;
	uint64_t digest;
	uint64_t state_hash;
	struct log_base base;
	enum froe_err refuse; /* by begin() */
};

static enum froe_err
seen_begin(void *context, const struct log_base *base, bool whole, struct froe_fault *fault)
{
	struct seen *seen = context;
	if (seen->refuse != FROE_OK && base->number != 0 && whole)
		return fault_set(fault, seen->refuse, "not this one");
	seen->begun++;
	seen->records = 0;
	seen->digest = 0;
	seen->base = *base;
	if (seen->world != NULL)
		seen->world->replayed = base->number != 0 ? base->event_next - 1 : 0;
	return FROE_OK;
}

static enum froe_err
seen_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct seen *seen = context;
	(void)fault;
	seen->records++;
	seen->digest = record_hash(record->type, record->flags, record->schema,
	    record->run_event_no, record->run_key, record->time_ns ^ seen->digest, record->body);
	return FROE_OK;
}

static enum froe_err
seen_end(void *context, uint64_t state_hash, struct froe_fault *fault)
{
	struct seen *seen = context;
	(void)fault;
	seen->ended++;
	seen->state_hash = state_hash;
	return FROE_OK;
}

static const struct log_loader seen_loader = {seen_begin, seen_record, seen_end};

static uint64_t
snapshot_make(struct world *world, const struct log_base *base, size_t rows, size_t size)
{
	struct snapshot_writer *writer;
	struct seen expected = {0};
	uint64_t bytes;
	OK(world, snapshot_create(
		      world->env, world->dir, world->report.store, base, &writer, &world->fault));
	for (size_t i = 0; i < rows; i++) {
		struct log_entry entry = {
		    .type = 16390,
		    .run_key = i,
		    .body = bytes_of(world->body + i, i % 3 == 0 ? 0 : size),
		};
		struct log_record record = {
		    .type = entry.type, .run_key = entry.run_key, .body = entry.body};
		OK(world, snapshot_put(writer, &entry, &world->fault));
		OK(world, seen_record(&expected, &record, NULL));
	}
	OK(world, snapshot_finish(writer, 77, &bytes, &world->fault));
	assert_true(bytes % LOG_BLOCK_BYTES == 0);
	return expected.digest;
}

static enum froe_err
snapshot_try(struct world *world, uint64_t number, struct seen *seen)
{
	struct log_base base;
	*seen = (struct seen){0};
	return snapshot_read(world->env, world->dir, world->report.store, number, &seen_loader,
	    seen, false, &base, &world->fault);
}

static const struct log_base some_base = {
    .number = 0x1f,
    .frame_seq = 1000,
    .frame_hash = UINT64_C(0xfedcba9876543210),
    .event_next = 5000,
    .epoch = 7,
    .time_ns = 123456789,
    .segment_frames = 99,
};

static void
test_snapshot__round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 9000, 700000, LOG_FRAME_BYTES_MAX - 4096};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct world *world = world_sim(3);
		struct seen seen;
		world_open(world);
		size_t rows = sizes[i] < 10000 ? 3000 : 5;
		uint64_t digest = snapshot_make(world, &some_base, rows, sizes[i]);
		OK(world, snapshot_try(world, 0x1f, &seen));
		assert_int_equal(seen.records, rows);
		assert_int_equal(seen.begun, 1);
		assert_int_equal(seen.ended, 1);
		assert_int_equal(seen.state_hash, 77);
		assert_true(seen.digest == digest);
		assert_memory_equal(&seen.base, &some_base, sizeof(some_base));
		assert_true(log_base_lsn(&seen.base).v == (UINT64_C(0x20) << 32 | 8192));
		world_close(world);
		world_free(world);
	}
}

static void
test_snapshot__record_too_large(void **state)
{
	struct world *world = world_sim(3);
	struct snapshot_writer *writer;
	struct log_entry entry = {.body = bytes_of(world->body, LOG_FRAME_BYTES_MAX)};
	(void)state;
	world_open(world);
	OK(world, snapshot_create(world->env, world->dir, world->report.store, &some_base, &writer,
		      &world->fault));
	assert_int_equal(snapshot_put(writer, &entry, &world->fault), FROE_TOO_LARGE);
	snapshot_discard(writer);
	struct seen seen;
	assert_int_equal(snapshot_try(world, 0x1f, &seen), FROE_NOT_FOUND);
	world_close(world);
	world_free(world);
}

static struct path
snapshot_path(const struct world *world, uint64_t number)
{
	struct paths paths;
	assert_int_equal(paths_init(&paths, world->dir, NULL), FROE_OK);
	return path_snapshot(&paths, number);
}

static uint64_t
snapshot_size(struct world *world, uint64_t number)
{
	uint64_t size;
	int file;
	struct path path = snapshot_path(world, number);
	OK(world, io_file_open(world->env, path.text, IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_size(world->env, file, &size, &world->fault));
	io_file_close(world->env, file);
	return size;
}

/* A bit anywhere but in one copy of the header; what is read is never more than was put. */
static void
test_snapshot__flipped(void **state)
{
	struct world *world = world_sim(3);
	struct seen seen, whole;
	(void)state;
	world_open(world);
	snapshot_make(world, &some_base, ROWS, 3000);
	OK(world, snapshot_try(world, 0x1f, &whole));
	uint64_t size = snapshot_size(world, 0x1f);
	struct path path = snapshot_path(world, 0x1f);
	uint8_t *bytes = mem_pages(size);
	int file;
	OK(world, io_file_open(
		      world->env, path.text, IO_OPEN_READ | IO_OPEN_DIRECT, &file, &world->fault));
	OK(world, io_file_read(world->env, file, bytes, size, 0, &world->fault));
	io_file_close(world->env, file);
	for (uint64_t at = SEG_HEADER_BYTES; at < size; at += 1 + world_below(world, 397)) {
		uint8_t changed = bytes[at] ^ (uint8_t)(1u << world_below(world, 8));
		OK(world, sim_corrupt(world->env, path.text, at, &changed, 1));
		assert_int_equal(snapshot_try(world, 0x1f, &seen), FROE_CORRUPT);
		assert_int_equal(seen.ended, 0);
		OK(world, sim_corrupt(world->env, path.text, at, &bytes[at], 1));
	}
	for (uint64_t at = 0; at < LOG_BLOCK_BYTES; at += 500) { /* the other copy is good */
		uint8_t changed = (uint8_t)~bytes[at];
		OK(world, sim_corrupt(world->env, path.text, at, &changed, 1));
		OK(world, snapshot_try(world, 0x1f, &seen));
		assert_true(seen.digest == whole.digest);
		OK(world, sim_corrupt(world->env, path.text, at, &bytes[at], 1));
	}
	OK(world, snapshot_try(world, 0x1f, &seen));
	mem_pages_free(bytes, size);
	world_close(world);
	world_free(world);
}

static void
test_snapshot__truncated(void **state)
{
	struct world *world = world_sim(3);
	struct seen seen;
	(void)state;
	world_open(world);
	snapshot_make(world, &some_base, ROWS, 30000);
	for (uint64_t size = snapshot_size(world, 0x1f); size-- > 0; size -= size % 4099) {
		OK(world, sim_truncate(world->env, snapshot_path(world, 0x1f).text, size));
		assert_int_equal(snapshot_try(world, 0x1f, &seen), FROE_CORRUPT);
		assert_int_equal(seen.ended, 0);
	}
	world_close(world);
	world_free(world);
}

static void
test_snapshot__of_another(void **state)
{
	struct world *world = world_sim(3);
	struct seen seen;
	struct uuid other = {{9}};
	struct log_base base;
	(void)state;
	world_open(world);
	snapshot_make(world, &some_base, ROWS, 100);
	assert_int_equal(snapshot_read(world->env, world->dir, other, 0x1f, NULL, NULL, false,
			     &base, &world->fault),
	    FROE_CORRUPT);
	OK(world, io_path_rename(world->env, snapshot_path(world, 0x1f).text,
		      snapshot_path(world, 0x20).text, &world->fault));
	assert_int_equal(snapshot_try(world, 0x20, &seen), FROE_CORRUPT);
	assert_non_null(strstr(world->fault.text, "misnamed"));
	assert_int_equal(snapshot_try(world, 0x1f, &seen), FROE_NOT_FOUND);
	world_close(world);
	world_free(world);
}

static void
count_each(void *context, uint64_t number)
{
	uint64_t *sum = context;
	*sum += number;
}

/* The machine dies in each operation of the making: there is none, or all of it. */
static void
test_snapshot__killed_while_it_is_made(void **state)
{
	unsigned made = 0, none = 0;
	(void)state;
	for (uint64_t operation = 0;; operation++) {
		struct world *world = world_sim(operation + 5);
		struct snapshot_writer *writer;
		struct log_entry entry = {.type = 16390, .body = bytes_of(world->body, 400000)};
		struct seen seen;
		uint64_t bytes, sum = 0;
		world_open(world);
		world_settle_watermark(world);
		uint64_t before = sim_operations(world->env);
		sim_die_after(world->env, operation);
		enum froe_err err = snapshot_create(world->env, world->dir, world->report.store,
		    &some_base, &writer, &world->fault);
		for (int i = 0; i < 6 && err == FROE_OK; i++) {
			err = snapshot_put(writer, &entry, &world->fault);
			if (err != FROE_OK)
				snapshot_discard(writer);
		}
		if (err == FROE_OK)
			err = snapshot_finish(writer, 77, &bytes, &world->fault);
		uint64_t operations = sim_operations(world->env) - before;
		world_crash(world);
		enum froe_err read = snapshot_try(world, 0x1f, &seen);
		assert_true(read == FROE_OK || read == FROE_NOT_FOUND);
		if (read == FROE_OK)
			assert_int_equal(seen.records, 6);
		OK(world, snapshot_clean(world->env, world->dir, &world->fault));
		OK(world, snapshot_list(world->env, world->dir, count_each, &sum, &world->fault));
		assert_int_equal(sum, read == FROE_OK ? 0x1f : 0);
		made += read == FROE_OK;
		none += read != FROE_OK;
		world_free(world);
		if (err == FROE_OK) {
			assert_true(operation >= operations);
			break;
		}
	}
	assert_true(made >= 1 && none >= 5);
}

/* ------------------------------------------------------------------------------------- starting */

struct base_seen {
	uint64_t records;
};

static enum froe_err
count_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct base_seen *seen = context;
	(void)record;
	(void)fault;
	seen->records++;
	return FROE_OK;
}

/* The base at the end of a segment, found as the maker of snapshots finds it. */
static struct log_base
base_of(struct world *world, uint64_t number)
{
	struct log_base base = {0};
	struct base_seen seen = {0};
	struct walk *walk =
	    walk_open(world->env, world->dir, world->report.store, &base, &world->fault);
	assert_non_null(walk);
	while (!walk_base(walk, &base) || base.number != number)
		OK(world, walk_step(walk, count_record, &seen, &world->fault));
	assert_int_equal(base.event_next, seen.records + 1);
	walk_close(walk);
	return base;
}

/* Segments with snapshots of the second and the third. */
static struct world *
world_with_snapshots(void)
{
	struct world *world = world_sim(3);
	struct log_manifest manifest;
	world_open(world);
	while (log_segment(world->log) < 5)
		world_put(world, 60000);
	world_settle(world);
	assert_int_equal(log_sealed(world->log), 4);
	struct log_base older = base_of(world, 2), newer = base_of(world, 3);
	snapshot_make(world, &older, ROWS, 3000);
	snapshot_make(world, &newer, ROWS + 1, 3000);
	manifest = log_manifest_read(world->log);
	manifest.snapshots[0] =
	    (struct log_snapshot_ref){newer.number, log_base_lsn(&newer), newer.frame_seq};
	manifest.snapshots[1] =
	    (struct log_snapshot_ref){older.number, log_base_lsn(&older), older.frame_seq};
	OK(world, log_manifest_write(world->log, &manifest, &world->fault));
	world_close(world);
	return world;
}

static enum froe_err
start_replay(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct seen *seen = context;
	return world_replay(seen->world, record, fault);
}

/* Opens as a server does. What is replayed must be what was appended then. */
static enum froe_err
start_try(struct world *world, struct seen *seen)
{
	struct log_options options = world->options;
	enum froe_err refuse = seen->refuse;
	*seen = (struct seen){.world = world, .refuse = refuse};
	options.loader = &seen_loader;
	world->replay_wrong = false;
	world->replayed = 0;
	enum froe_err err = log_open(
	    world->env, &options, start_replay, seen, &world->log, &world->report, &world->fault);
	if (err != FROE_OK) {
		world->log = NULL;
		return err;
	}
	assert_false(world->replay_wrong);
	assert_int_equal(world->replayed, world->appended);
	return FROE_OK;
}

static void
start_expect(struct world *world, struct seen *seen, uint64_t number, const char *skipped)
{
	OK(world, start_try(world, seen));
	assert_int_equal(world->report.snapshot, number);
	assert_int_equal(seen->base.number, number);
	if (skipped == NULL)
		assert_string_equal(world->report.snapshot_skipped, "");
	else
		assert_non_null(strstr(world->report.snapshot_skipped, skipped));
	world_close(world);
}

static void
corrupt_snapshot(struct world *world, uint64_t number)
{
	static const uint8_t junk[64] = {1, 2, 3};
	OK(world, sim_corrupt(world->env, snapshot_path(world, number).text, SEG_HEADER_BYTES + 500,
		      junk, sizeof(junk)));
}

static void
test_snapshot__start_falls_back(void **state)
{
	struct world *world = world_with_snapshots();
	struct seen seen = {0};
	(void)state;
	start_expect(world, &seen, 3, NULL);
	assert_int_equal(seen.records, ROWS + 1);
	corrupt_snapshot(world, 3);
	start_expect(world, &seen, 2, "snapshot 3");
	assert_int_equal(seen.records, ROWS);
	corrupt_snapshot(world, 2);
	start_expect(world, &seen, 0, "snapshot 3");
	OK(world, io_path_unlink(world->env, snapshot_path(world, 3).text, &world->fault));
	start_expect(world, &seen, 0, "snapshot 3");
	world_free(world);
}

/* Whoever needs the records themselves may refuse, as long as there are all. */
static void
test_snapshot__start_refused_by_loader(void **state)
{
	struct world *world = world_with_snapshots();
	struct seen seen = {.refuse = FROE_FAILED_PRECONDITION};
	(void)state;
	start_expect(world, &seen, 0, "not this one");
	assert_int_equal(seen.ended, 0);
	world_free(world);
}

/* The log's first segment was retired: without a snapshot there is no way in. */
static void
test_snapshot__start_without_the_beginning(void **state)
{
	struct world *world = world_with_snapshots();
	struct seen seen = {.refuse = FROE_FAILED_PRECONDITION};
	(void)state;
	OK(world, start_try(world, &seen));
	struct log_manifest manifest = log_manifest_read(world->log);
	manifest.segment_oldest = 2;
	OK(world, log_manifest_write(world->log, &manifest, &world->fault));
	world_close(world);
	start_expect(world, &seen, 3, NULL); /* asked only where the log is whole */
	corrupt_snapshot(world, 3);
	start_expect(world, &seen, 2, "snapshot 3");
	corrupt_snapshot(world, 2);
	assert_int_equal(start_try(world, &seen), FROE_CORRUPT);
	assert_non_null(strstr(world->fault.text, "begins with segment 2"));
	world_free(world);
}

/* A snapshot that cannot be read is not a damaged one: what is wrong may pass. */
static void
test_snapshot__start_cannot_read_it(void **state)
{
	struct world *world = world_with_snapshots();
	struct seen seen = {.refuse = FROE_FAILED_PRECONDITION};
	unsigned failed = 0;
	enum froe_err err;
	(void)state;
	OK(world, start_try(world, &seen));
	struct log_manifest manifest = log_manifest_read(world->log);
	manifest.segment_oldest = 2;
	OK(world, log_manifest_write(world->log, &manifest, &world->fault));
	world_close(world);
	corrupt_snapshot(world, 3);
	for (uint64_t at = 0; at < 60; at++) {
		sim_fail_after(world->env, at, FROE_IO);
		err = start_try(world, &seen);
		sim_fail_after(world->env, UINT64_MAX, FROE_IO);
		if (err == FROE_OK)
			world_close(world);
		else
			assert_int_equal(err, FROE_IO);
		failed += err != FROE_OK &&
		    strstr(world->fault.text, "no snapshot can be read") != NULL;
	}
	assert_true(failed > 0);
	world_free(world);
}

/* What MANIFEST says when log_manifest_write() returns, each of its slots says alone: files that
 * are removed then are missed by neither. */
static void
test_snapshot__start_with_one_slot(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *world = world_with_snapshots();
		struct seen seen = {0};
		struct path path = path_join(world->dir, "shard-0000/MANIFEST");
		assert_int_equal(sim_corrupt(world->env, path.text, i * LOG_BLOCK_BYTES + 44,
				     "\x99", 1),
		    FROE_OK);
		start_expect(world, &seen, 3, NULL);
		world_free(world);
	}
}

/* A MANIFEST that could not be written is not believed: perhaps it says the old thing still. */
static void
test_snapshot__manifest_that_fails(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 2; at++) {
		struct world *world = world_with_snapshots();
		struct log_manifest before, manifest;
		world_open(world);
		before = manifest = log_manifest_read(world->log);
		manifest.snapshots[0].number++;
		sim_fail_after(world->env, at, FROE_IO);
		assert_int_equal(
		    log_manifest_write(world->log, &manifest, &world->fault), FROE_IO);
		manifest = log_manifest_read(world->log);
		assert_int_equal(manifest.snapshots[0].number, before.snapshots[0].number);
		world_free(world);
	}
}

/* Frames behind the snapshot follow it, or the start is refused. */
static void
test_snapshot__chain_at_the_base(void **state)
{
	struct world *world = world_with_snapshots();
	struct seen seen = {0};
	(void)state;
	struct log_base wrong = base_of(world, 3);
	wrong.frame_hash ^= 1;
	snapshot_make(world, &wrong, ROWS, 100); /* takes the place of the good one */
	assert_int_equal(start_try(world, &seen), FROE_CORRUPT);
	assert_true(world->report.bad.v >> 32 == 4);
	assert_int_equal(world->report.bad_frame_seq, wrong.frame_seq + 1);
	world_free(world);
}

/* A segment behind the snapshot is missing, or one before it: names have no gap. */
static void
test_snapshot__segment_missing(void **state)
{
	(void)state;
	for (uint64_t no = 2; no <= 5; no++) {
		struct world *world = world_with_snapshots();
		struct seen seen = {0};
		struct path path = image_segment_path(world, no);
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
		assert_int_equal(start_try(world, &seen), FROE_CORRUPT);
		world_free(world);
	}
}

/* What lies before the snapshot is not read: damage there is the scrub's to find. What lies behind
 * is judged as ever. */
static void
test_snapshot__damage_behind_it(void **state)
{
	struct world *world = world_with_snapshots();
	struct seen seen = {0};
	static const uint8_t junk[8] = {1, 2, 3};
	(void)state;
	OK(world, sim_corrupt(world->env, image_segment_path(world, 3).text, 500000, junk, 8));
	start_expect(world, &seen, 3, NULL);
	OK(world, sim_corrupt(world->env, image_segment_path(world, 4).text, 500000, junk, 8));
	assert_int_equal(start_try(world, &seen), FROE_CORRUPT);
	world_free(world);
}

/* A store of before there were snapshots: its words are zero. */
static void
test_snapshot__old_manifest(void **state)
{
	struct world *world = world_sim(3);
	struct seen seen = {0};
	(void)state;
	world_open(world);
	for (int i = 0; i < 10; i++)
		world_put(world, 500);
	world_settle(world);
	struct log_manifest manifest = log_manifest_read(world->log);
	assert_int_equal(manifest.segment_oldest, 1);
	assert_int_equal(manifest.snapshots[0].number, 0);
	assert_int_equal(manifest.snapshots[1].number, 0);
	world_close(world);
	start_expect(world, &seen, 0, NULL);
	assert_int_equal(seen.begun, 1);
	world_free(world);
}

/* ------------------------------------------------------------ what else has to do with them */

static void
test_snapshot__in_a_backup(void **state)
{
	struct world *world = world_with_snapshots();
	struct backup_report report;
	(void)state;
	OK(world, backup_make(world->env, world->dir, "/backup", &report, &world->fault));
	OK(world, backup_restore(world->env, "/backup", NULL, &report, &world->fault));
	OK(world, backup_restore(world->env, "/backup", "/restored", &report, &world->fault));
	corrupt_snapshot(world, 2);
	assert_int_equal(backup_make(world->env, world->dir, "/other", &report, &world->fault),
	    FROE_CORRUPT);
	OK(world, io_path_unlink(world->env, snapshot_path(world, 2).text, &world->fault));
	/* The older one may be deleted any time: the backup is one without it. */
	OK(world, backup_make(world->env, world->dir, "/third", &report, &world->fault));
	OK(world, backup_restore(world->env, "/third", NULL, &report, &world->fault));
	snprintf(world->dir, sizeof(world->dir), "%s", "/restored");
	world->options.dir = world->dir;
	struct seen seen = {0};
	start_expect(world, &seen, 3, NULL);
	world_free(world);
}

/* An error in the n-th operation is told, or did no harm: what is said to be made verifies. Returns
 * whether one of the two came so far. */
static bool
backup_with_an_error(struct world *world, uint64_t at, unsigned *failed)
{
	struct backup_report report;
	char made[32], restored[32];
	snprintf(made, sizeof(made), "/made%u", (unsigned)at);
	snprintf(restored, sizeof(restored), "/restored%u", (unsigned)at);
	uint64_t before = sim_operations(world->env);
	sim_fail_after(world->env, at, FROE_IO);
	enum froe_err err = backup_make(world->env, world->dir, made, &report, &world->fault);
	uint64_t between = sim_operations(world->env);
	sim_fail_after(world->env, at, FROE_IO);
	enum froe_err second =
	    backup_restore(world->env, "/good", restored, &report, &world->fault);
	uint64_t after = sim_operations(world->env);
	sim_fail_after(world->env, UINT64_MAX, FROE_IO);
	if (err == FROE_OK)
		OK(world, backup_restore(world->env, made, NULL, &report, &world->fault));
	*failed += (err != FROE_OK) + (second != FROE_OK);
	return between - before > at || after - between > at;
}

static void
test_snapshot__backup_with_an_error_anywhere(void **state)
{
	struct world *world = world_with_snapshots();
	struct backup_report report;
	unsigned failed = 0;
	uint64_t at = 0;
	(void)state;
	OK(world, backup_make(world->env, world->dir, "/good", &report, &world->fault));
	while (backup_with_an_error(world, at, &failed))
		at += 1 + at / 8;
	assert_true(failed > 20);
	world_free(world);
}

/* The log is damaged behind a snapshot: an error anywhere in its repair is told, or did no harm; it
 * can be repaired after it. Returns whether the repair came so far. */
static bool
repair_with_an_error(uint64_t at, unsigned *failed)
{
	static const uint8_t junk[64] = {1, 2, 3};
	struct world *world = world_with_snapshots();
	struct repair_report report;
	OK(world, sim_corrupt(world->env, image_segment_path(world, 5).text, 8192 + 500, junk,
		      sizeof(junk)));
	uint64_t before = sim_operations(world->env);
	sim_fail_after(world->env, at, FROE_IO);
	enum froe_err err = repair_run(world->env, world->dir, true, &report, &world->fault);
	bool reached = sim_operations(world->env) - before > at;
	sim_fail_after(world->env, UINT64_MAX, FROE_IO);
	if (err == FROE_OK)
		assert_true(report.repaired);
	*failed += err != FROE_OK;
	OK(world, repair_run(world->env, world->dir, true, &report, &world->fault));
	assert_true(err != FROE_OK || !report.repaired);
	OK(world, repair_run(world->env, world->dir, true, &report, &world->fault));
	assert_false(report.repaired);
	world_free(world);
	return reached;
}

static void
test_snapshot__repair_with_an_error_anywhere(void **state)
{
	unsigned failed = 0;
	uint64_t at = 0;
	(void)state;
	while (repair_with_an_error(at, &failed))
		at += 1 + at / 6;
	assert_true(failed > 10);
}

static void
fault_told(void *context, const char *why)
{
	unsigned *count = context;
	assert_non_null(strstr(why, ".snap"));
	(*count)++;
}

static void
test_snapshot__scrub_finds_rot(void **state)
{
	struct world *world = world_with_snapshots();
	struct seen seen = {0};
	unsigned count = 0;
	struct scrub_options options = {
	    .bytes_per_s = 1u << 30, .fault = fault_told, .context = &count};
	(void)state;
	OK(world, start_try(world, &seen));
	for (unsigned damaged = 0; damaged < 3; damaged++) {
		struct scrub *scrub = scrub_open(world->log, &options);
		struct log_storage storage;
		uint64_t now_ns = 0, passes;
		log_storage(world->log, &storage);
		passes = storage.scrub_passes;
		count = 0;
		while (storage.scrub_passes == passes) {
			now_ns = scrub_step(scrub, now_ns);
			log_storage(world->log, &storage);
		}
		assert_int_equal(count, damaged);
		scrub_close(scrub);
		if (damaged < 2)
			corrupt_snapshot(world, 3 - damaged);
	}
	scrub_close(NULL);
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_snapshot__round_trip),
	    cmocka_unit_test(test_snapshot__record_too_large),
	    cmocka_unit_test(test_snapshot__flipped),
	    cmocka_unit_test(test_snapshot__truncated),
	    cmocka_unit_test(test_snapshot__of_another),
	    cmocka_unit_test(test_snapshot__killed_while_it_is_made),
	    cmocka_unit_test(test_snapshot__start_falls_back),
	    cmocka_unit_test(test_snapshot__start_refused_by_loader),
	    cmocka_unit_test(test_snapshot__start_without_the_beginning),
	    cmocka_unit_test(test_snapshot__start_cannot_read_it),
	    cmocka_unit_test(test_snapshot__start_with_one_slot),
	    cmocka_unit_test(test_snapshot__manifest_that_fails),
	    cmocka_unit_test(test_snapshot__chain_at_the_base),
	    cmocka_unit_test(test_snapshot__segment_missing),
	    cmocka_unit_test(test_snapshot__damage_behind_it),
	    cmocka_unit_test(test_snapshot__old_manifest),
	    cmocka_unit_test(test_snapshot__in_a_backup),
	    cmocka_unit_test(test_snapshot__backup_with_an_error_anywhere),
	    cmocka_unit_test(test_snapshot__repair_with_an_error_anywhere),
	    cmocka_unit_test(test_snapshot__scrub_finds_rot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
