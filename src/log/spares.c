/*
 * Planning: if no segment is ready, activate a spare (or make one first); then make spares until
 * there are enough. Making: create new.tmp, allocate (lack of space shows here), write zeros over
 * all of it so that the file system has no extents left to convert, sync, rename to spare-NN.tmp,
 * sync the directory. Activating: write the header blocks into a spare, sync, rename to its
 * segment's name, sync the directory, hand it over. The zeros go in pieces with rests between them:
 * the frames' own small writes, and their flushes, wait behind each.
 *
 * A crash leaves new.tmp (removed at open), or a spare with header blocks (overwritten when it is
 * activated), or a segment that nobody has written to (adopted at open).
 */
#include "log/spares_int.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"

#include <stdio.h>

#define SPARES_CHUNK_BYTES (256u << 10) /* so long may a frame's write have to wait */
#define SPARES_RING 64u
#define SPARES_REST 4u /* of the time for one piece of work, while there is no hurry */
#define SPARES_READY 1u /* activated ahead of need */
#define SPARES_SCARCE_PERCENT 5
#define SPARES_SCARCE_SEGMENTS 4

#define OPEN_BOTH_DIRECT (IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_DIRECT)

static struct path
spares_new_path(const struct spares *spares)
{
	return path_join(spares->paths->log, "new.tmp");
}

void
spares_init(struct spares *spares, struct io_env *env, const struct spares_options *options)
{
	*spares = (struct spares){
	    .env = env,
	    .paths = options->paths,
	    .store = options->store,
	    .segment_bytes = options->segment_bytes,
	    .wanted = options->wanted < SPARES_MAX ? options->wanted : SPARES_MAX,
	    .next_no = options->next_no,
	    .file = -1,
	    .zeros = mem_pages(SPARES_CHUNK_BYTES),
	};
	ring_init(&spares->ready, SPARES_RING);
}

void
spares_release(struct spares *spares)
{
	struct segment *segment;

	if (spares->zeros == NULL)
		return;
	while ((segment = ring_pop(&spares->ready)) != NULL)
		segment_close(spares->env, segment);
	ring_release(&spares->ready);
	if (spares->file >= 0)
		io_file_close(spares->env, spares->file);
	mem_pages_free(spares->zeros, SPARES_CHUNK_BYTES);
	spares->zeros = NULL;
}

/* ----------------------------------------------------------------------------------- segments */

struct segment *
segment_open(struct io_env *env, const struct paths *paths, const struct seg_header *header,
    struct froe_fault *fault)
{
	struct path path = path_segment(paths, header->no);
	int file;

	if (io_file_open(env, path.text, OPEN_BOTH_DIRECT | IO_OPEN_DSYNC, &file, fault) != FROE_OK)
		return NULL;
	struct segment *segment = mem_zalloc(sizeof(*segment));
	*segment = (struct segment){.header = *header, .file = file};
	return segment;
}

void
segment_close(struct io_env *env, struct segment *segment)
{
	if (segment == NULL)
		return;
	io_file_close(env, segment->file);
	mem_free(segment);
}

/* -------------------------------------------------------------------------------- at the start */

struct spares_found {
	bool present[SPARES_MAX];
	bool unfinished;
};

static bool
spares_each_name(void *context, const char *name)
{
	struct spares_found *found = context;
	char expected[32];

	if (strcmp(name, "new.tmp") == 0)
		found->unfinished = true;
	for (unsigned i = 0; i < SPARES_MAX; i++) {
		snprintf(expected, sizeof(expected), "spare-%02u.tmp", i);
		if (strcmp(name, expected) == 0)
			found->present[i] = true;
	}
	return true;
}

/* A file under a spare's name was synced before it got that name, so its size tells all. */
static enum froe_err
spares_check(struct spares *spares, unsigned number, struct froe_fault *fault)
{
	struct path path = path_spare(spares->paths, number);
	uint64_t size = 0;
	int file;

	enum froe_err err = io_file_open(spares->env, path.text, IO_OPEN_READ, &file, fault);
	if (err != FROE_OK)
		return err;
	err = io_file_size(spares->env, file, &size, fault);
	io_file_close(spares->env, file);
	if (err == FROE_OK && size == spares->segment_bytes)
		spares->present[number] = true;
	else if (err == FROE_OK)
		err = io_path_unlink(spares->env, path.text, fault);
	return err;
}

enum froe_err
spares_find(struct spares *spares, struct froe_fault *fault)
{
	struct spares_found found = {0};

	enum froe_err err =
	    io_path_list(spares->env, spares->paths->log, spares_each_name, &found, fault);
	if (err == FROE_OK && found.unfinished)
		err = io_path_unlink(spares->env, spares_new_path(spares).text, fault);
	for (unsigned i = 0; i < SPARES_MAX && err == FROE_OK; i++) {
		if (found.present[i])
			err = spares_check(spares, i, fault);
	}
	return err;
}

/* ------------------------------------------------------------------------------------- making */

static bool
spares_fail(struct spares *spares, const struct froe_fault *fault)
{
	spares->fault = *fault;
	/* Release: pairs with the acquire in spares_broken(). */
	atomic_store_explicit(&spares->broken, true, memory_order_release);
	return false;
}

/* Gives back what a spare in the making took. */
static bool
spares_give_up(struct spares *spares, const struct froe_fault *fault)
{
	if (spares->file >= 0)
		io_file_close(spares->env, spares->file);
	spares->file = -1;
	spares->state = SPARES_PLAN;
	if (fault->code != FROE_NO_SPACE)
		return spares_fail(spares, fault);
	FROE_DROP(io_path_unlink(spares->env, spares_new_path(spares).text, NULL),
	    "it is made anew at the next try");
	atomic_store_explicit(&spares->stuck, true, memory_order_relaxed);
	return false;
}

static bool
spares_make(struct spares *spares)
{
	struct path path = spares_new_path(spares);
	struct froe_fault fault;

	enum froe_err err = io_file_open(spares->env, path.text, OPEN_BOTH_DIRECT | IO_OPEN_CREATE,
	    &spares->file, &fault);
	if (err == FROE_OK)
		err = io_file_allocate(spares->env, spares->file, spares->segment_bytes, &fault);
	if (err == FROE_UNSUPPORTED)
		err = FROE_OK; /* then the zeros allocate */
	if (err != FROE_OK)
		return spares_give_up(spares, &fault);
	spares->zeroed = 0;
	spares->state = SPARES_ZERO;
	failpoint_pass(FAILPOINT_spare_allocated);
	return true;
}

static bool
spares_zero(struct spares *spares)
{
	struct froe_fault fault;

	froe_assert(spares->segment_bytes % SPARES_CHUNK_BYTES == 0);
	enum froe_err err = io_file_write(spares->env, spares->file, spares->zeros,
	    SPARES_CHUNK_BYTES, spares->zeroed, &fault);
	if (err != FROE_OK)
		return spares_give_up(spares, &fault);
	failpoint_pass(FAILPOINT_spare_zeroed);
	spares->zeroed += SPARES_CHUNK_BYTES;
	if (spares->zeroed == spares->segment_bytes)
		spares->state = SPARES_FINISH;
	return true;
}

static unsigned
spares_number(const struct spares *spares, bool present) /* SPARES_MAX: there is none */
{
	unsigned number = 0;
	while (number < SPARES_MAX && spares->present[number] != present)
		number++;
	return number;
}

static unsigned
spares_count(const struct spares *spares)
{
	unsigned count = 0;
	for (unsigned i = 0; i < SPARES_MAX; i++)
		count += spares->present[i];
	return count;
}

static bool
spares_finish(struct spares *spares)
{
	unsigned number = spares_number(spares, /* present= */ false);
	struct path from = spares_new_path(spares);
	struct path to = path_spare(spares->paths, number);
	struct froe_fault fault;

	froe_assert(number < SPARES_MAX);
	enum froe_err err = io_file_sync(spares->env, spares->file, &fault);
	failpoint_pass(FAILPOINT_spare_synced);
	if (err == FROE_OK)
		err = io_path_rename(spares->env, from.text, to.text, &fault);
	failpoint_pass(FAILPOINT_spare_renamed);
	if (err == FROE_OK)
		err = io_path_sync_dir(spares->env, spares->paths->log, &fault);
	if (err != FROE_OK)
		return spares_give_up(spares, &fault);
	io_file_close(spares->env, spares->file);
	spares->file = -1;
	spares->present[number] = true;
	spares->state = SPARES_PLAN;
	atomic_store_explicit(&spares->stuck, false, memory_order_relaxed);
	return true;
}

/* --------------------------------------------------------------------------------- activating */

static enum froe_err
spares_write_header(struct spares *spares, int file, const struct seg_header *header,
    struct froe_fault *fault)
{
	uint8_t *blocks = mem_pages(SEG_HEADER_BYTES);

	seg_header_encode(blocks, header);
	enum froe_err err = io_file_write(spares->env, file, blocks, SEG_HEADER_BYTES, 0, fault);
	if (err == FROE_OK && !plant(SEGMENT_HEADER_UNSYNCED))
		err = io_file_sync(spares->env, file, fault);
	mem_pages_free(blocks, SEG_HEADER_BYTES);
	return err;
}

static enum froe_err
spares_name_segment(struct spares *spares, unsigned number, struct seg_header *header,
    struct froe_fault *fault)
{
	struct path from = path_spare(spares->paths, number);
	struct path to = path_segment(spares->paths, header->no);
	int file;

	enum froe_err err =
	    io_file_open(spares->env, from.text, OPEN_BOTH_DIRECT, &file, fault);
	if (err != FROE_OK)
		return err;
	err = spares_write_header(spares, file, header, fault);
	io_file_close(spares->env, file);
	failpoint_pass(FAILPOINT_activate_header);
	if (err == FROE_OK)
		err = io_path_rename(spares->env, from.text, to.text, fault);
	failpoint_pass(FAILPOINT_activate_renamed);
	return err;
}

static bool
spares_activate(struct spares *spares, unsigned number)
{
	struct seg_header header = {
	    .store = spares->store,
	    .no = spares->next_no,
	    .bytes = spares->segment_bytes,
	    .created_wall_ns = io_wall_ns(spares->env),
	    .window = seg_window(spares->segment_bytes),
	    .kind = SEG_HOT,
	};
	struct froe_fault fault;

	io_random(spares->env, &header.seed, sizeof(header.seed));
	if (spares_name_segment(spares, number, &header, &fault) != FROE_OK)
		return spares_give_up(spares, &fault);
	spares->present[number] = false; /* from here on there is no way back to a spare */
	if (!plant(SEGMENT_NAME_UNSYNCED) &&
	    io_path_sync_dir(spares->env, spares->paths->log, &fault) != FROE_OK)
		return spares_fail(spares, &fault);
	failpoint_pass(FAILPOINT_activate_synced);
	struct segment *segment = segment_open(spares->env, spares->paths, &header, &fault);
	if (segment == NULL)
		return spares_fail(spares, &fault);
	spares->next_no++;
	if (!ring_push(&spares->ready, segment))
		froe_never("one is made ready at a time");
	return true;
}

/* ----------------------------------------------------------------------------------- planning */

static void
spares_look_at_space(struct spares *spares)
{
	struct io_space space;

	if (io_path_space(spares->env, spares->paths->log, &space, NULL) != FROE_OK)
		return; /* the next write of a spare tells more */
	uint64_t least = space.total_bytes / 100 * SPARES_SCARCE_PERCENT;
	if (least < SPARES_SCARCE_SEGMENTS * spares->segment_bytes)
		least = SPARES_SCARCE_SEGMENTS * spares->segment_bytes;
	atomic_store_explicit(&spares->disk_total, space.total_bytes, memory_order_relaxed);
	atomic_store_explicit(&spares->disk_free, space.free_bytes, memory_order_relaxed);
	atomic_store_explicit(&spares->scarce, space.free_bytes < least, memory_order_relaxed);
}

static bool
spares_plan(struct spares *spares)
{
	unsigned number = spares_number(spares, /* present= */ true);

	spares_look_at_space(spares);
	if (spares_ready(spares) < SPARES_READY && number < SPARES_MAX)
		return spares_activate(spares, number);
	if (spares_ready(spares) < SPARES_READY || spares_count(spares) < spares->wanted)
		return spares_make(spares);
	atomic_store_explicit(&spares->stuck, false, memory_order_relaxed);
	return false;
}

bool
spares_step(struct spares *spares)
{
	if (atomic_load_explicit(&spares->broken, memory_order_relaxed))
		return false;
	switch (spares->state) {
	case SPARES_PLAN:
		return spares_plan(spares);
	case SPARES_ZERO:
		return spares_zero(spares);
	case SPARES_FINISH:
		return spares_finish(spares);
	}
	froe_never("all states are handled");
}

uint64_t
spares_rest_ns(const struct spares *spares, uint64_t took_ns)
{
	bool hurry = spares_ready(spares) < SPARES_READY || spares_count(spares) == 0;
	return hurry ? 0 : took_ns * SPARES_REST;
}

enum froe_err
spares_require(struct spares *spares, struct froe_fault *fault)
{
	while (spares_ready(spares) == 0) {
		if (spares_step(spares))
			continue;
		if (spares_broken(spares, fault))
			return spares->fault.code;
		return fault_set(fault, FROE_NO_SPACE,
		    "%s: no space for a segment of %llu bytes: free some, or use smaller segments",
		    spares->paths->log, (unsigned long long)spares->segment_bytes);
	}
	return FROE_OK;
}

void
spares_adopt(struct spares *spares, struct segment *segment)
{
	froe_assert(segment->header.no == spares->next_no);
	spares->next_no++;
	if (!ring_push(&spares->ready, segment))
		froe_never("so many segments are never activated ahead");
}

unsigned
spares_ready(const struct spares *spares)
{
	return ring_used(&spares->ready);
}

struct segment *
spares_take(struct spares *spares)
{
	return ring_pop(&spares->ready);
}

void
spares_space(const struct spares *spares, uint64_t *ret_total, uint64_t *ret_free)
{
	*ret_total = atomic_load_explicit(&spares->disk_total, memory_order_relaxed);
	*ret_free = atomic_load_explicit(&spares->disk_free, memory_order_relaxed);
}

bool
spares_broken(const struct spares *spares, struct froe_fault *ret_fault)
{
	/* Acquire: the fault was written before the flag. */
	if (!atomic_load_explicit(&spares->broken, memory_order_acquire))
		return false;
	if (ret_fault != NULL)
		*ret_fault = spares->fault;
	return true;
}
