/*
 * A store on the simulated disk, damaged as the input says, then opened to go on with: recovery
 * cuts, repairs slots, begins an epoch; records are appended, the log stops, and is opened again.
 *
 * Input: u8 flags: bit 0 the tail's loss is accepted, bit 1 a file is cut, bit 2 one is removed,
 * bit 3 the second stop is a loss of power; u8 which file, u16 its size in blocks; patches, as
 * fuzz/log_store.h has them.
 *
 * Where no hash was made good, what comes back is a beginning of what was appended. A store that
 * was opened is opened again, with the same records and those appended since, whatever the damage.
 */
#include "fuzz/log_store.h"

#include <stdio.h>

#define MORE 5u

struct told {
	uint64_t hash;
	struct replay replay;
};

static uint64_t
tell_hash(uint64_t hash, uint16_t type, uint64_t run_key, struct bytes body)
{
	uint64_t words[] = {hash, type, run_key, body.size};
	hash = hash64(words, sizeof(words), 1);
	return body.size > 0 ? hash64(body.data, body.size, hash) : hash;
}

static enum froe_err
tell(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct told *told = context;
	told->hash = tell_hash(told->hash, record->type, record->run_key, record->body);
	return replay_one(&told->replay, record, fault);
}

static void
judged(enum froe_err err, const struct froe_fault *fault)
{
	froe_assert(err == FROE_OK || err == FROE_CORRUPT || err == FROE_INCOMPATIBLE ||
	    err == FROE_IO);
	froe_assert(err == FROE_OK || fault->text[0] != 0);
}

static void
until_durable(struct log *log, struct io *io)
{
	while (!log_failed(log, NULL) && log_durable_seq(log) < log_tail_seq(log)) {
		io_step(io, io_mono_ns(world->env) + 1000000);
		log_tick(log, io_mono_ns(world->env));
		log_flush(log);
		log_spares_step(log);
	}
}

/* Appends and stops; false: the log could not go on. */
static bool
go_on(struct log *log, bool clean, struct told *told)
{
	struct io *io = NULL;
	struct froe_fault fault;
	bool whole = true;
	froe_assert(io_open(world->env, &io, &fault) == FROE_OK);
	log_start(log, io);
	until_durable(log, io);
	for (unsigned i = 0; i < MORE && whole; i++) {
		struct log_entry entry = {.type = (uint16_t)(500 + i), .run_key = 9,
		    .run_event_no = i + 1, .time_ns = UINT64_MAX / 2,
		    .body = bytes_of("going on", i)};
		log_spares_step(log);
		whole = log_has_room(log, rec_entry_span(&entry));
		if (!whole)
			break;
		log_append(log, UINT64_MAX / 2, &entry, 1, NULL);
		told->hash = tell_hash(told->hash, entry.type, entry.run_key, entry.body);
		log_flush(log);
		until_durable(log, io);
	}
	if (clean) {
		log_stop(log, UINT64_MAX / 2);
		until_durable(log, io);
	}
	whole = whole && !log_failed(log, NULL);
	io_close(io);
	return whole;
}

/* Cuts a file, or removes it. */
static void
shorten(uint8_t flags, struct feed *feed)
{
	struct froe_fault fault;
	unsigned file = feed_u8(feed) % FILES;
	uint64_t size = feed_u16(feed) % 257 * LOG_BLOCK_BYTES;
	if ((flags & 2) != 0)
		froe_assert(sim_truncate(world->env, paths[file], size) == FROE_OK);
	if ((flags & 4) != 0)
		froe_assert(io_path_unlink(world->env, paths[file], &fault) == FROE_OK);
}

static void
judge(struct feed *feed)
{
	struct log_options options = {.dir = "/store", .inflight_max = LOG_INFLIGHT_MAX,
	    .spares = 1};
	struct log_report report;
	struct froe_fault fault = {0};
	struct told told = {0}, again = {0};
	struct log *log = NULL;
	uint8_t flags = feed_u8(feed);
	struct feed cut = {feed->at, feed->left};
	feed_take(feed, 3);
	bool resealed = damage(feed);
	for (unsigned file = 0; file < FILES; file++)
		disk_put(file, world->damaged[file], world->images[file]);
	shorten(flags, &cut);
	options.accept_tail_loss = (flags & 1) != 0;
	enum froe_err err = log_open(world->env, &options, tell, &told, &log, &report, &fault);
	judged(err, &fault);
	if (err != FROE_OK)
		return;
	froe_assert(resealed || !told.replay.wrong);
	froe_assert(report.records == told.replay.count);
	bool whole = go_on(log, (flags & 8) == 0, &told);
	log_close(log);
	if (!whole)
		return;
	if ((flags & 8) != 0)
		sim_crash(world->env);
	options.accept_tail_loss = false;
	err = log_open(world->env, &options, tell, &again, &log, &report, &fault);
	if (err != FROE_OK)
		fprintf(stderr, "%s\n", fault.text);
	froe_assert(err == FROE_OK);
	froe_assert(again.hash == told.hash);
	log_close(log);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	world_begin();
	judge(&feed);
	world_end();
	return 0;
}
