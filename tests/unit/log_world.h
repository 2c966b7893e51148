/*
 * A store in a world, for the tests of src/log: on a real directory or on a simulated disk. Keeps a
 * model of all that was appended, so that a replay can be compared with it.
 */
#ifndef TESTS_LOG_WORLD_H
#define TESTS_LOG_WORLD_H

#define _GNU_SOURCE /* nftw */

#include "log/log.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "io/file.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1u << 20)
#define MS UINT64_C(1000000)
#define WALL_NS UINT64_C(1700000000000000000)
#define WORLD_RECORDS_MAX 65536u
#define WORLD_TURNS_MAX 200000u

/* A record as it was appended: its content follows from the event number and the size. */
struct model_record {
	uint64_t hash; /* of all that a replay must show again */
	struct log_place place;
	uint64_t frame_seq;
};

struct world {
	struct io_env *env;
	bool simulated;
	char dir[256];
	struct log_options options;
	struct io *io; /* NULL: the log is closed */
	struct log *log;
	struct log_report report;
	struct froe_fault fault;
	uint64_t now_ns; /* engine time */
	uint64_t dice;
	struct model_record *model; /* [event_seq - 1] */
	size_t appended;
	size_t replayed;       /* by the last open or scan */
	size_t durable_events; /* of the appended, known to be durable at the last look */
	bool replay_wrong;     /* something other than what was appended came back */
	const uint8_t *body; /* what bodies are cut from */
};

static inline uint64_t
world_dice(struct world *world)
{
	world->dice += UINT64_C(0x9e3779b97f4a7c15);
	return hash64(&world->dice, sizeof(world->dice), 7);
}

static inline uint64_t
world_below(struct world *world, uint64_t limit)
{
	return world_dice(world) % limit;
}

static inline void
must(enum froe_err err, const struct froe_fault *fault, int line)
{
	if (err != FROE_OK)
		fail_msg("line %d: %s: %s", line, froe_err_name(err), fault->text);
}
#define OK(world, call) must((call), &(world)->fault, __LINE__)

/* --------------------------------------------------------------------------------- the records */

static inline uint64_t
record_hash(uint16_t type, uint8_t flags, uint8_t schema, uint32_t run_event_no, uint64_t run_key,
    uint64_t time_ns, struct bytes body)
{
	uint64_t words[5] = {(uint64_t)type << 16 | (uint64_t)flags << 8 | schema, run_event_no,
	    run_key, time_ns, body.size};
	uint64_t seed = hash64(words, sizeof(words), 1);
	return body.size > 0 ? hash64(body.data, body.size, seed) : seed;
}

static inline enum froe_err
world_replay(void *context, const struct log_record *record, struct froe_fault *fault)
{
	struct world *world = context;
	uint64_t hash = record_hash(record->type, record->flags, record->schema,
	    record->run_event_no, record->run_key, record->time_ns, record->body);
	(void)fault;

	size_t at = world->replayed++;
	if (at >= world->appended || record->event_seq != at + 1 ||
	    world->model[at].hash != hash || world->model[at].place.lsn.v != record->lsn.v ||
	    world->model[at].frame_seq != record->frame_seq)
		world->replay_wrong = true;
	return FROE_OK;
}

/* ----------------------------------------------------------------------------- open and close */

static inline enum froe_err
world_try_open(struct world *world)
{
	assert_null(world->log);
	world->replayed = 0;
	world->replay_wrong = false;
	enum froe_err err = log_open(world->env, &world->options, world_replay, world, &world->log,
	    &world->report, &world->fault);
	if (err != FROE_OK) {
		world->log = NULL;
		return err;
	}
	assert_false(world->replay_wrong);
	assert_int_equal(world->report.records, world->replayed);
	world->appended = world->replayed; /* what was lost is lost: numbers go on from here */
	world->durable_events = world->replayed;
	return FROE_OK;
}

static inline void
world_start(struct world *world)
{
	OK(world, io_open(world->env, &world->io, &world->fault));
	log_start(world->log, world->io);
}

static inline void
world_open(struct world *world)
{
	OK(world, world_try_open(world));
	world_start(world);
}

/* As a process that ends without a word. */
static inline void
world_close(struct world *world)
{
	if (world->io != NULL)
		io_close(world->io);
	if (world->log != NULL)
		log_close(world->log);
	world->io = NULL;
	world->log = NULL;
}

/* Power is lost: what was not durable may be gone. */
static inline void
world_crash(struct world *world)
{
	assert_true(world->simulated);
	sim_crash(world->env);
	world_close(world);
}

static inline enum froe_err
world_reopen(struct world *world)
{
	world_close(world);
	return world_try_open(world);
}

/* ------------------------------------------------------------------------------------- turns */

static inline void
world_note_durable(struct world *world)
{
	uint64_t seq = log_durable_seq(world->log);
	while (world->durable_events < world->appended &&
	    world->model[world->durable_events].frame_seq <= seq)
		world->durable_events++;
}

/* One turn of a server: watermark, completions. */
static inline void
world_turn_alone(struct world *world)
{
	log_flush(world->log);
	log_tick(world->log, io_mono_ns(world->env));
	io_step(world->io, io_mono_ns(world->env) + MS);
	log_flush(world->log);
	world_note_durable(world);
}

/* The same with the housekeeping that runs beside it. */
static inline void
world_turn(struct world *world)
{
	while (log_spares_step(world->log))
		;
	world_turn_alone(world);
}

static inline size_t
step_bytes(size_t count, const size_t *sizes)
{
	size_t sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += (LOG_RECORD_HEADER_BYTES + sizes[i] + 7) & ~(size_t)7;
	return sum;
}

/* As who encodes them there does: the bodies of a step where the log will have them. */
static inline void
world_move_bodies(uint8_t *at, size_t count, struct log_entry *entries)
{
	for (size_t i = 0; i < count; i++) {
		struct bytes body = entries[i].body;
		uint8_t *to = at + LOG_RECORD_HEADER_BYTES;
		if (body.size > 0)
			memcpy(to, body.data, body.size);
		entries[i].body = bytes_of(to, body.size);
		at += log_record_span(body.size);
	}
}

/* Appends a step of `count` records with bodies of such sizes; there must be room. */
static inline void
world_append(struct world *world, size_t count, const size_t *sizes)
{
	struct log_entry *entries = mem_array(count, sizeof(*entries));
	struct log_place *places = mem_array(count, sizeof(*places));
	size_t used = 0;

	world->now_ns += 1 + world_below(world, 1000);
	for (size_t i = 0; i < count; i++) {
		uint64_t dice = world_dice(world);
		entries[i] = (struct log_entry){
		    .type = (uint16_t)dice,
		    .flags = (uint8_t)(dice >> 16),
		    .schema = (uint8_t)(dice >> 24),
		    .run_event_no = (uint32_t)(dice >> 32),
		    .run_key = dice % 97,
		    .time_ns = world->now_ns,
		    .body = bytes_of(world->body + used + dice % 64, sizes[i]),
		};
		used += sizes[i];
	}
	assert_true(used + 64 <= 2 * LOG_FRAME_BYTES_MAX);
	size_t room;
	uint8_t *tail = log_tail(world->log, &room);
	if (tail != NULL && step_bytes(count, sizes) <= room && world->now_ns % 2 == 0)
		world_move_bodies(tail, count, entries);
	log_append(world->log, world->now_ns, entries, count, places);
	for (size_t i = 0; i < count; i++) {
		const struct log_entry *entry = &entries[i];
		assert_true(world->appended < WORLD_RECORDS_MAX);
		world->model[world->appended] = (struct model_record){
		    .hash = record_hash(entry->type, entry->flags, entry->schema,
		        entry->run_event_no, entry->run_key, entry->time_ns, entry->body),
		    .place = places[i],
		    .frame_seq = log_tail_seq(world->log),
		};
		world->appended++;
		assert_int_equal(places[i].event_seq, world->appended);
	}
	mem_free(entries);
	mem_free(places);
}

static inline void
world_wait_for_room(struct world *world, size_t bytes)
{
	for (unsigned i = 0; !log_has_room(world->log, bytes); i++) {
		assert_true(i < WORLD_TURNS_MAX);
		assert_false(log_failed(world->log, &world->fault));
		world_turn(world);
	}
}

/* One record when there is room for it. */
static inline void
world_put(struct world *world, size_t size)
{
	world_wait_for_room(world, step_bytes(1, &size));
	world_append(world, 1, &size);
}

/* Until all that was appended is durable. */
static inline void
world_settle(struct world *world)
{
	for (unsigned i = 0; log_durable_seq(world->log) < log_tail_seq(world->log); i++) {
		assert_true(i < WORLD_TURNS_MAX);
		if (log_failed(world->log, &world->fault))
			fail_msg("%s", world->fault.text);
		world_turn(world);
	}
	world_note_durable(world);
	assert_int_equal(world->durable_events, world->appended);
}

/* Until the watermark has caught up too. */
static inline void
world_settle_watermark(struct world *world)
{
	world_settle(world);
	for (unsigned i = 0; i < 40; i++) {
		log_tick(world->log, io_mono_ns(world->env));
		io_step(world->io, io_mono_ns(world->env) + MS);
	}
	assert_int_equal(log_deadline_ns(world->log), UINT64_MAX);
}

/* A clean stop. */
static inline void
world_stop(struct world *world)
{
	log_stop(world->log, world->now_ns);
	world_settle(world);
	world_close(world);
}

/* ----------------------------------------------------------------------------------- set-up */

/* Made once: filling it costs more than most tests. */
static inline const uint8_t *
world_body(void)
{
	static uint8_t body[2 * LOG_FRAME_BYTES_MAX + 64];
	if (body[8] == 0) {
		for (size_t i = 0; i < 2 * LOG_FRAME_BYTES_MAX; i += 8)
			le64_store(body + i, i * UINT64_C(0x9e3779b97f4a7c15));
	}
	return body;
}

static inline struct world *
world_new(struct io_env *env, bool simulated)
{
	struct world *world = mem_zalloc(sizeof(*world));
	world->env = env;
	world->simulated = simulated;
	world->dice = 1;
	world->now_ns = 1000;
	world->model = mem_array(WORLD_RECORDS_MAX, sizeof(*world->model));
	world->body = world_body();
	world->options = (struct log_options){
	    .dir = world->dir,
	    .segment_bytes = LOG_SEGMENT_BYTES_MIN,
	    .inflight_max = LOG_INFLIGHT_MAX,
	    .spares = 2,
	};
	return world;
}

static inline struct world *
world_sim_with(const struct sim_options *options)
{
	struct world *world = world_new(sim_open(options), /* simulated= */ true);
	world->dice = options->seed;
	snprintf(world->dir, sizeof(world->dir), "/store");
	return world;
}

static inline struct world *
world_sim(uint64_t seed)
{
	struct sim_options options = {.seed = seed, .start_wall_ns = WALL_NS};
	return world_sim_with(&options);
}

static inline struct world *
world_real(struct io_env *env)
{
	struct world *world = world_new(env, /* simulated= */ false);
	const char *base = getenv("TMPDIR");
	snprintf(world->dir, sizeof(world->dir), "%s/froe-log-XXXXXX",
	    base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(world->dir));
	world->options.dev = true; /* wherever the tests may run */
	return world;
}

static inline int
world_remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	(void)status;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void
world_free(struct world *world)
{
	world_close(world);
	if (world->simulated)
		sim_release(world->env);
	else
		assert_int_equal(nftw(world->dir, world_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	mem_free(world->model);
	mem_free(world);
}

static inline bool
world_has_uring(void)
{
	struct froe_fault fault;

	if (io_uring_check(&fault) == FROE_OK)
		return true;
	fprintf(stderr, "skipping io_uring: %s\n", fault.text);
	return false;
}

#endif
