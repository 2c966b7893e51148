/*
 * What the disk itself says was durable is there, or the store is refused (I12), also while the
 * watermark lags: a frame's header says how far the log was durable when it was written
 * (docs/log-format.md). A sector of one of the newest frames is lost; whatever the headers of the
 * others prove must not be cut off in silence.
 */
#include "base/mem.h"
#include "io/file.h"
#include "sim/world/audit.h"
#include "sim/world/world.h"

#include <inttypes.h>
#include <stdio.h>

#define SECTOR_BYTES 512u
#define BLOCKS_BACK 6u
#define FRAME_MAGIC 0x4d415246u
#define FRAME_DURABLE_AT 24u
#define FRAME_BLOCK_AT 80u

/* The last blocks that were durable. What lies behind them may be torn, and proves nothing then. */
struct newest {
	uint64_t first;
	bool begins[BLOCKS_BACK]; /* a frame does */
	uint64_t durable[BLOCKS_BACK];
};

static void
newest_read(struct world *world, const char *path, uint64_t blocks, struct newest *ret_newest)
{
	uint8_t *block = mem_pages(LOG_BLOCK_BYTES);
	int file;
	*ret_newest = (struct newest){.first = blocks - BLOCKS_BACK};
	bool open = io_file_open(world->env, path, IO_OPEN_READ, &file, NULL) == FROE_OK;
	for (uint64_t i = 0; i < BLOCKS_BACK && open; i++) {
		uint64_t no = ret_newest->first + i;
		if (io_file_read(world->env, file, block, LOG_BLOCK_BYTES, no * LOG_BLOCK_BYTES,
			NULL) != FROE_OK ||
		    le32_load(block) != FRAME_MAGIC || le32_load(block + FRAME_BLOCK_AT) != no)
			continue;
		ret_newest->begins[i] = true;
		ret_newest->durable[i] = le64_load(block + FRAME_DURABLE_AT);
	}
	if (open)
		io_file_close(world->env, file);
	mem_pages_free(block, LOG_BLOCK_BYTES);
}

/* Mostly the one before the last frame: that frame alone tells of it. */
static unsigned
newest_choose(const struct newest *newest, struct dice *dice)
{
	unsigned last = BLOCKS_BACK;
	while (last > 1 && !newest->begins[last - 1])
		last--;
	if (last > 1 && dice_hits(dice, 60))
		return last - 2;
	return (unsigned)dice_below(dice, BLOCKS_BACK);
}

static uint64_t
newest_evidence(const struct newest *newest, unsigned damaged)
{
	uint64_t evidence = 0;
	for (unsigned i = 0; i < BLOCKS_BACK; i++) {
		if (i != damaged && newest->durable[i] > evidence)
			evidence = newest->durable[i];
	}
	return evidence;
}

static enum froe_err
no_record(void *context, const struct log_record *record, struct froe_fault *fault)
{
	(void)context;
	(void)record;
	(void)fault;
	return FROE_OK;
}

void
audit_evidence(struct world *world, struct lsn end)
{
	struct dice *dice = &world->dice;
	static const uint8_t zeros[SECTOR_BYTES];
	struct log_report report;
	struct froe_fault fault = {0};
	struct newest newest;
	char path[128];
	uint64_t blocks = (end.v & UINT32_MAX) / LOG_BLOCK_BYTES;
	if (blocks < 2 + BLOCKS_BACK || process_excused(&world->process, FROE_IO))
		return;
	snprintf(path, sizeof(path), PROCESS_DIR "/shard-0000/log/%016" PRIx64 ".seg",
	    end.v >> 32);
	newest_read(world, path, blocks, &newest);
	unsigned damaged = newest_choose(&newest, dice);
	uint64_t at = (newest.first + damaged) * LOG_BLOCK_BYTES +
	    dice_below(dice, LOG_BLOCK_BYTES / SECTOR_BYTES) * SECTOR_BYTES;
	uint64_t evidence = newest_evidence(&newest, damaged);
	judge_note(&world->judge, "sector lost", end.v >> 32, at, evidence);
	if (sim_corrupt(world->env, path, at, zeros, sizeof(zeros)) != FROE_OK)
		judge_fail(&world->judge, "segment %" PRIu64 " is not there", end.v >> 32);
	enum froe_err err = log_scan(world->env, PROCESS_DIR, (struct lsn){0}, no_record, NULL,
	    &report, &fault);
	judge_mark(&world->judge, KIND_EVIDENCE);
	if (err == FROE_OK && report.last_frame_seq < evidence)
		judge_fail(&world->judge, "frame %" PRIu64 " is the last, a header says that frame "
		    "%" PRIu64 " was durable", report.last_frame_seq, evidence);
	if (err != FROE_OK && err != FROE_CORRUPT)
		judge_fail(&world->judge, "damage is reported as %s", froe_err_name(err));
}
