#include "sim/world/audit.h"

#include "base/hash.h"
#include "io/file.h"
#include "server/record.h"
#include "sim/world/world.h"

#include <inttypes.h>
#include <stdio.h>

#define SECTOR_BYTES 512u
#define HEADER_BYTES (2 * LOG_BLOCK_BYTES)

struct scan {
	struct eng *eng; /* NULL: the log's beginning was retired */
	struct arena arena;
	uint64_t count;
	uint64_t hash; /* of the events; and of the state at the end */
	struct log_report report;
};

static enum froe_err
scan_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct scan *scan = context;
	struct eng_event event;
	arena_reset(&scan->arena);
	enum froe_err err = record_decode(record, &scan->arena, &event, fault);
	if (err == FROE_OK && event.type != 0) {
		uint64_t words[] = {scan->hash, history_digest(&event)};
		scan->hash = hash64(words, sizeof(words), 0);
	}
	if (err == FROE_OK && event.type != 0 && scan->eng != NULL)
		err = eng_apply_logged(scan->eng, &event, fault);
	scan->count++;
	return err;
}

static enum froe_err
scan_store(struct world *world, struct scan *ret_scan, struct froe_fault *fault)
{
	bool whole = world->process.oldest == 1;
	struct scan scan = {.eng = whole ? eng_open() : NULL};
	arena_init(&scan.arena, 0);
	enum froe_err err = log_scan(world->env, PROCESS_DIR, (struct lsn){0}, scan_record, &scan,
	    &scan.report, fault);
	if (scan.eng != NULL) {
		uint64_t words[] = {scan.hash, eng_hash(scan.eng)};
		scan.hash = hash64(words, sizeof(words), 0);
		eng_close(scan.eng);
	}
	arena_release(&scan.arena);
	*ret_scan = scan;
	return err;
}

/* What the scan's hash of the newest `count` events should be. */
static uint64_t
history_fold(const struct history *history, uint64_t count, const struct world *world)
{
	bool whole = world->process.oldest == 1;
	uint64_t hash = 0;
	if (count > history->count || (whole && count != history->count))
		return 1;
	for (size_t i = history->count - count; i < history->count; i++) {
		uint64_t words[] = {hash, history->rows[i].digest};
		hash = hash64(words, sizeof(words), 0);
	}
	uint64_t words[] = {hash, history->rows[history->count - 1].hash};
	return whole ? hash64(words, sizeof(words), 0) : hash;
}

void
audit_whole(struct world *world)
{
	struct scan scan;
	struct froe_fault fault = {0};
	const struct history *history = &world->history;
	enum froe_err err = scan_store(world, &scan, &fault);
	if (err != FROE_OK && !process_excused(&world->process, err))
		judge_fail(&world->judge, "the store cannot be scanned: %s", fault.text);
	if (err == FROE_OK && scan.hash != history_fold(history, scan.count, world))
		judge_fail(&world->judge, "the scan gives %" PRIu64 " records of %zu, or another "
		    "state", scan.count, history->count);
}

/* At the end of what is known there may be a frame that was on its way, or nothing: a byte of it is
 * changed, or a block of elsewhere lands there. */
static void
damage_tail(struct world *world, struct lsn end)
{
	struct dice *dice = &world->dice;
	uint8_t block[LOG_BLOCK_BYTES] = {0};
	char path[128];
	int file;
	uint64_t offset = end.v & UINT32_MAX, at = dice_below(dice, LOG_BLOCK_BYTES);
	snprintf(path, sizeof(path), PROCESS_DIR "/shard-0000/log/%016" PRIx64 ".seg",
	    end.v >> 32);
	if (io_file_open(world->env, path, IO_OPEN_READ, &file, NULL) != FROE_OK)
		return;
	bool elsewhere = dice_hits(dice, 50);
	uint64_t from = offset;
	if (elsewhere)
		from = dice_range(dice, 2, offset / LOG_BLOCK_BYTES - 1) * LOG_BLOCK_BYTES;
	enum froe_err err = io_file_read(world->env, file, block, sizeof(block), from, NULL);
	io_file_close(world->env, file);
	if (!elsewhere)
		block[at] ^= (uint8_t)(1 + dice_below(dice, 255));
	judge_note(&world->judge, "damaged tail", end.v >> 32, offset, from);
	if (err == FROE_OK)
		err = sim_corrupt(world->env, path, offset, block, sizeof(block));
	if (err != FROE_OK)
		judge_fail(&world->judge, "the tail cannot be damaged");
}

/* Changes one byte, or loses one sector, before the end that the last start put on record. */
static void
damage(struct world *world, struct lsn end)
{
	struct dice *dice = &world->dice;
	uint64_t last = end.v >> 32, no = dice_range(dice, world->process.oldest, last);
	uint64_t limit = no == last ? (uint32_t)end.v : world->plan.segment_bytes;
	uint64_t first = HEADER_BYTES;
	if (no == last && dice_hits(dice, 50)) /* the newest frame: the edge of what is known */
		first = limit - LOG_BLOCK_BYTES;
	uint64_t at = dice_range(dice, first, limit - 1);
	uint8_t bytes[SECTOR_BYTES] = {0};
	char path[128];
	size_t size = 1;
	snprintf(path, sizeof(path), PROCESS_DIR "/shard-0000/log/%016" PRIx64 ".seg", no);
	if (dice_hits(dice, 50)) {
		at -= at % SECTOR_BYTES;
		size = SECTOR_BYTES;
	} else {
		bytes[0] = (uint8_t)dice_next(dice);
	}
	judge_note(&world->judge, "damaged", no, at, size);
	if (sim_corrupt(world->env, path, at, bytes, size) != FROE_OK)
		judge_fail(&world->judge, "segment %" PRIu64 " is not there", no);
}

void
audit_damaged(struct world *world)
{
	struct scan before, after;
	struct froe_fault fault = {0};
	struct lsn end = world->process.shard.report.end;
	process_end(&world->process, DEATH_POWER);
	enum froe_err err = scan_store(world, &before, &fault);
	if ((end.v & UINT32_MAX) <= HEADER_BYTES || process_excused(&world->process, FROE_IO))
		return;
	if (err != FROE_OK)
		judge_fail(&world->judge, "the store cannot be scanned: %s", fault.text);
	bool room = (end.v & UINT32_MAX) + 2 * LOG_BLOCK_BYTES <= world->plan.segment_bytes;
	if (room && dice_hits(&world->dice, 20))
		damage_tail(world, end);
	else
		damage(world, end);
	err = scan_store(world, &after, &fault);
	if (err == FROE_CORRUPT) {
		judge_mark_row(&world->judge, fault.text);
		judge_mark(&world->judge, KIND_DAMAGE_REFUSED);
		return;
	}
	if (err != FROE_OK || after.count != before.count || after.hash != before.hash)
		judge_fail(&world->judge, "damage in silence: %s, %" PRIu64 " records of %" PRIu64
		    "%s", froe_err_name(err), after.count, before.count,
		    after.hash != before.hash ? ", another state" : "");
	judge_mark_row(&world->judge, after.report.cut_reason);
	judge_mark(&world->judge, KIND_DAMAGE_HARMLESS);
}
