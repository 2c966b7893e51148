/*
 * A store on the simulated disk, damaged as the input says, then scanned as recovery does.
 *
 * Input: patches, as fuzz/log_store.h has them.
 *
 * Where no hash was made good the damage must be seen: every record that comes back is one that was
 * appended, at its place in the order. Else anything may come back but a fault of the reader.
 */
#include "fuzz/log_store.h"

static void
scan(bool resealed)
{
	struct replay replay = {0};
	struct log_report report;
	struct froe_fault fault = {0};
	enum froe_err err = log_scan(world->env, "/store", (struct lsn){0}, replay_one, &replay,
	    &report, &fault);
	froe_assert(err == FROE_OK || err == FROE_CORRUPT || err == FROE_INCOMPATIBLE);
	if (err != FROE_OK)
		froe_assert(fault.text[0] != 0);
	if (err == FROE_OK)
		froe_assert(report.records == replay.count);
	if (!resealed)
		froe_assert(!replay.wrong);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	if (world == NULL) {
		world_begin();
		atexit(world_end);
	}
	bool resealed = damage(&feed);
	for (unsigned file = 0; file < FILES; file++)
		disk_put(file, world->damaged[file], world->images[file]);
	scan(resealed);
	for (unsigned file = 0; file < FILES; file++) {
		disk_put(file, world->images[file], world->damaged[file]);
		memcpy(world->damaged[file], world->images[file], world->sizes[file]);
	}
	return 0;
}
