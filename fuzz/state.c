/*
 * A snapshot's records, damaged, as recovery takes them: the state they add up to, or a refusal.
 *
 * What is damaged was saved by engines that lived through a good deal. A state that was loaded
 * satisfies every invariant, lives on, and is saved and loaded as itself.
 *
 * Input: u8 which base, then patches: u8 kind, u16 record, u16 offset in its body, u8 size, bytes.
 * The kind: what becomes of the record: bytes are overwritten, put in, taken out, its end is cut
 * off, it is dropped, comes twice, changes its place with the next, or another comes before it.
 */
#include "fuzz/engine_world.h"

#include "server/state.h"

#include <stdlib.h>

#define BASES 8u
#define PATCHES_MAX 12u

struct piece {
	uint16_t type;
	uint64_t run;
	uint64_t time_ns;
	struct bytes body; /* owned */
};

struct pieces {
	struct piece *rows;
	size_t count;
};

static struct base {
	struct pieces pieces;
	uint64_t hash;
} *bases;

static void
pieces_free(struct pieces *pieces)
{
	for (size_t i = 0; i < pieces->count; i++)
		mem_free((void *)(uintptr_t)pieces->rows[i].body.data);
	mem_free(pieces->rows);
}

static struct bytes
own(struct bytes from)
{
	uint8_t *copy = mem_alloc(from.size + 1); /* never NULL */
	if (from.size > 0)
		memcpy(copy, from.data, from.size);
	return bytes_of(copy, from.size);
}

static enum froe_err
pieces_push(void *context, const struct eng_saved *saved, struct froe_fault *fault)
{
	struct pieces *pieces = context;
	struct buf body;
	(void)fault;
	buf_init(&body);
	if (saved->event != NULL)
		record_encode(saved->event, &body);
	else
		buf_push(&body, saved->body.data, saved->body.size);
	pieces->rows = mem_resize(pieces->rows, (pieces->count + 1) * sizeof(*pieces->rows));
	pieces->rows[pieces->count++] = (struct piece){
	    .type = saved->type,
	    .run = saved->run,
	    .time_ns = saved->event != NULL ? saved->event->time_ns : 0,
	    .body = own(buf_bytes(&body)),
	};
	buf_release(&body);
	return FROE_OK;
}

static void
pieces_save(const struct eng *eng, struct pieces *ret_pieces)
{
	struct froe_fault fault;
	*ret_pieces = (struct pieces){0};
	froe_assert(eng_save(eng, pieces_push, ret_pieces, &fault) == FROE_OK);
}

static void
bases_end(void)
{
	for (unsigned i = 0; i < BASES; i++)
		pieces_free(&bases[i].pieces);
	mem_free(bases);
}

/* Lives from dice: the later ones longer. */
static void
bases_begin(void)
{
	bases = mem_array(BASES, sizeof(*bases));
	for (unsigned i = 0; i < BASES; i++) {
		static uint8_t bytes[4000];
		static struct world world;
		struct feed feed = {bytes, 300 + 500 * (size_t)i};
		uint64_t z = i + 1;
		for (size_t j = 0; j < sizeof(bytes); j++) {
			z = z * UINT64_C(6364136223846793005) + 1442695040888963407u;
			bytes[j] = (uint8_t)(z >> 33);
		}
		world_open(&world, &feed);
		while (feed.left > 0)
			step_one(&world);
		bases[i].hash = eng_hash(world.eng);
		pieces_save(world.eng, &bases[i].pieces);
		world_close(&world);
	}
	atexit(bases_end);
}

/* ----------------------------------------------------------------------------- the damage */

static void
body_patch(struct piece *piece, uint8_t kind, size_t at, struct bytes with)
{
	struct buf body;
	struct bytes old = piece->body;
	at = at % (old.size + 1);
	size_t left = old.size - at, gone = with.size < left ? with.size : left;
	buf_init(&body);
	buf_push(&body, old.data, at);
	if (kind < 2)
		buf_push(&body, with.data, with.size);
	if (kind == 0 || kind == 2)
		buf_push(&body, old.data + at + gone, left - gone);
	else if (kind == 1)
		buf_push(&body, old.data + at, left);
	piece->body = own(buf_bytes(&body));
	mem_free((void *)(uintptr_t)old.data);
	buf_release(&body);
}

static void
pieces_patch(struct pieces *pieces, struct feed *feed)
{
	uint8_t kind = feed_u8(feed) % 8;
	size_t index = feed_u16(feed), at = feed_u16(feed);
	struct bytes with = feed_take(feed, feed_u8(feed) % 32);
	if (pieces->count == 0)
		return;
	index %= pieces->count;
	struct piece *piece = &pieces->rows[index];
	if (kind < 4) {
		body_patch(piece, kind, at, with);
	} else if (kind == 4) {
		mem_free((void *)(uintptr_t)piece->body.data);
		memmove(piece, piece + 1, (pieces->count - index - 1) * sizeof(*piece));
		pieces->count--;
	} else if (kind == 6 && index + 1 < pieces->count) {
		struct piece next = piece[1];
		piece[1] = piece[0];
		piece[0] = next;
	} else if (kind != 6) {
		pieces->rows =
		    mem_resize(pieces->rows, (pieces->count + 1) * sizeof(*pieces->rows));
		size_t from = kind == 5 ? index : at % pieces->count;
		struct piece twin = pieces->rows[from];
		twin.body = own(twin.body);
		memmove(&pieces->rows[index + 1], &pieces->rows[index],
		    (pieces->count - index) * sizeof(*piece));
		pieces->rows[index] = twin;
		pieces->count++;
	}
}

/* ---------------------------------------------------------------------------- the loading */

static enum froe_err
piece_load(struct eng_load *load, const struct piece *piece, struct froe_fault *fault)
{
	struct eng_saved saved = {.type = piece->type, .run = piece->run, .body = piece->body};
	struct eng_event event;
	struct arena arena;
	enum froe_err err = FROE_OK;
	arena_init(&arena, 0);
	if (piece->type < ENG_OBJECT_FIRST || piece->type > ENG_OBJECT_LAST) {
		struct log_record record = {
		    .type = piece->type, .time_ns = piece->time_ns, .body = piece->body};
		err = record_decode(&record, &arena, &event, fault);
		saved.event = &event;
	}
	if (err == FROE_OK && (saved.event == NULL || event.type != 0))
		err = eng_load_put(load, &saved, fault);
	arena_release(&arena);
	return err;
}

/* NULL: it was refused, with a text. */
static struct eng *
pieces_load(const struct pieces *pieces)
{
	struct eng_load *load = eng_load_open();
	struct eng *eng = NULL;
	struct froe_fault fault = {0};
	enum froe_err err = FROE_OK;
	for (size_t i = 0; i < pieces->count && err == FROE_OK; i++)
		err = piece_load(load, &pieces->rows[i], &fault);
	if (err == FROE_OK)
		err = eng_load_close(load, &eng, &fault);
	else
		eng_load_abort(load);
	froe_assert(err == FROE_OK || err == FROE_CORRUPT || err == FROE_INCOMPATIBLE);
	froe_assert((err == FROE_OK) == (eng != NULL));
	froe_assert(err == FROE_OK || fault.text[0] != 0);
	return eng;
}

/* Time passes; what is due fires, what can run runs; and it is still a state. */
static void
live_on(struct eng *eng)
{
	struct eng_command command = {.type = ENG_CMD_ENGINE_START};
	struct pieces pieces;
	uint64_t now_ns = START_NS + 4000 * SECOND_NS;
	command.engine_start.epoch = 99;
	eng_step(eng, &command, now_ns, 1);
	for (unsigned i = 0; i < 60; i++) {
		command.type = i % 3 == 2 ? ENG_CMD_SCHEDULE : ENG_CMD_TIMER;
		eng_step(eng, &command, now_ns + i * 30 * SECOND_NS, i);
	}
	eng_check(eng);
	pieces_save(eng, &pieces);
	struct eng *again = pieces_load(&pieces);
	froe_assert(again != NULL && eng_hash(again) == eng_hash(eng));
	eng_close(again);
	pieces_free(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	struct pieces pieces = {0};
	bool whole = size <= 1;
	if (bases == NULL)
		bases_begin();
	const struct base *base = &bases[feed_u8(&feed) % BASES];
	pieces.count = base->pieces.count;
	pieces.rows = mem_copy(base->pieces.rows, pieces.count * sizeof(*pieces.rows));
	for (size_t i = 0; i < pieces.count; i++)
		pieces.rows[i].body = own(pieces.rows[i].body);
	for (unsigned i = 0; i < PATCHES_MAX && feed.left > 0; i++)
		pieces_patch(&pieces, &feed);
	struct eng *eng = pieces_load(&pieces);
	froe_assert(!whole || (eng != NULL && eng_hash(eng) == base->hash));
	if (eng != NULL) {
		eng_check(eng);
		live_on(eng);
		eng_close(eng);
	}
	pieces_free(&pieces);
	return 0;
}
