/*
 * The world: time stands still except in io_step, sim_advance and while waiting for a lock. A crash
 * draws one way to treat what is not durable, then settles in a fixed order: the cached bytes of
 * every file in the order of creation, writes in flight in the order of their start, names.
 */
#include "io/sim_int.h"

#include "base/mem.h"

#include <string.h>

enum {
	SIM_STREAM_DISK = 1,
	SIM_STREAM_PROCESS,
	SIM_STREAM_HARNESS,
};

struct sim *
sim_of(struct io_env *env)
{
	struct sim *sim = container_of(env, struct sim, env);
	froe_assert(sim->magic == SIM_MAGIC);
	return sim;
}

static uint64_t
sim_mono_ns(struct io_env *env)
{
	return sim_of(env)->mono_ns;
}

static uint64_t
sim_wall_ns(struct io_env *env)
{
	const struct sim *sim = sim_of(env);
	return sim->mono_ns + (uint64_t)sim->wall_offset_ns;
}

static void
sim_fill_random(struct io_env *env, void *to, size_t size)
{
	struct sim *sim = sim_of(env);
	uint8_t *at = to;
	while (size > 0) {
		uint64_t word = sim_dice_next(&sim->process_dice);
		size_t piece = size < sizeof(word) ? size : sizeof(word);
		memcpy(at, &word, piece);
		at += piece;
		size -= piece;
	}
}

static const struct io_env_ops sim_ops = {
    .mono_ns = sim_mono_ns,
    .wall_ns = sim_wall_ns,
    .random = sim_fill_random,
    .open = sim_file_open,
    .close = sim_file_close,
    .size = sim_file_size,
    .read = sim_file_read,
    .write = sim_file_write,
    .allocate = sim_file_allocate,
    .sync = sim_file_sync,
    .rename = sim_path_rename,
    .unlink = sim_path_unlink,
    .mkdir = sim_path_mkdir,
    .sync_dir = sim_path_sync_dir,
    .list = sim_path_list,
    .lock = sim_file_lock,
    .space = sim_path_space,
    .traits = sim_path_traits,
    .loop_open = sim_loop_open,
};

struct io_env *
sim_open(const struct sim_options *options)
{
	struct sim *sim = mem_zalloc(sizeof(*sim));
	sim->env = (struct io_env){.ops = &sim_ops, .name = "sim"};
	sim->magic = SIM_MAGIC;
	sim->options = *options;
	if (sim->options.disk_bytes == 0)
		sim->options.disk_bytes = SIM_DISK_BYTES_DEFAULT;
	if (sim->options.write_latency_ns == 0)
		sim->options.write_latency_ns = SIM_LATENCY_NS_DEFAULT;
	sim_dice_init(&sim->disk_dice, options->seed, SIM_STREAM_DISK);
	sim_dice_init(&sim->process_dice, options->seed, SIM_STREAM_PROCESS);
	sim_dice_init(&sim->harness_dice, options->seed, SIM_STREAM_HARNESS);
	sim->mono_ns = UINT64_C(1000000000);
	sim->wall_offset_ns = (int64_t)(options->start_wall_ns - sim->mono_ns);
	sim_tree_init(&sim->tree);
	map_init(&sim->files);
	list_init(&sim->open);
	list_init(&sim->loops);
	list_init(&sim->flights);
	sim->fail_at = UINT64_MAX;
	sim->die_at = UINT64_MAX;
	return &sim->env;
}

static void
sim_close_files(struct sim *sim)
{
	while (!list_empty(&sim->open))
		sim_file_release(sim, container_of(sim->open.next, struct sim_file, node));
}

void
sim_release(struct io_env *env)
{
	struct sim *sim = sim_of(env);
	struct sim_tear tear = {.mode = SIM_TEAR_NONE};
	sim_flights_tear(sim, &tear);
	sim_close_files(sim);
	while (!list_empty(&sim->loops))
		sim_loop_release(container_of(sim->loops.next, struct sim_loop, node));
	sim_tree_release(&sim->tree);
	map_release(&sim->files);
	sim->magic = 0;
	mem_free(sim);
}

/* -------------------------------------------------------------------------------- operations */

enum sim_fate
sim_fate(struct sim *sim)
{
	uint64_t operation = sim->operations++;
	if (operation > sim->die_at)
		return SIM_FATE_DEAD;
	if (operation == sim->die_at)
		return SIM_FATE_DIES;
	if (operation != sim->fail_at)
		return SIM_FATE_RUNS;
	sim->fail_at = UINT64_MAX;
	return SIM_FATE_FAILS;
}

enum froe_err
sim_fate_fault(const struct sim *sim, enum sim_fate fate, const char *what, const char *path,
    struct froe_fault *fault)
{
	switch (fate) {
	case SIM_FATE_RUNS:
		return FROE_OK;
	case SIM_FATE_FAILS:
		return fault_set(fault, sim->fail_error, "%s %s: %s (injected)", what, path,
		    froe_err_text(sim->fail_error));
	case SIM_FATE_DIES:
	case SIM_FATE_DEAD:
		return fault_set(fault, FROE_IO, "%s %s: the simulated process has stopped", what,
		    path);
	}
	froe_never("a fate is one of four");
}

/* ----------------------------------------------------------------------------- for a harness */

void
sim_crash(struct io_env *env)
{
	struct sim *sim = sim_of(env);
	struct sim_tear tear;
	struct list *node;

	sim_tree_check(&sim->tree);
	sim_tear_init(&tear, &sim->disk_dice);
	list_for_each(node, &sim->tree.inodes)
		sim_image_settle(&container_of(node, struct sim_inode, node)->image, &tear);
	sim_flights_tear(sim, &tear);
	sim_close_files(sim);
	list_for_each(node, &sim->loops)
		container_of(node, struct sim_loop, node)->dead = true;
	sim_tree_settle(&sim->tree, &sim->disk_dice);
	sim_tree_check(&sim->tree);
	sim->file_first = sim->file_next;
	sim->fail_at = UINT64_MAX;
	sim->die_at = UINT64_MAX;
}

void
sim_advance(struct io_env *env, uint64_t ns)
{
	sim_of(env)->mono_ns += ns;
}

void
sim_wall_step(struct io_env *env, int64_t ns)
{
	sim_of(env)->wall_offset_ns += ns;
}

uint64_t
sim_random(struct io_env *env)
{
	return sim_dice_next(&sim_of(env)->harness_dice);
}

void
sim_fail_after(struct io_env *env, uint64_t operations, enum froe_err error)
{
	struct sim *sim = sim_of(env);
	froe_assert(error != FROE_OK);
	sim->fail_at = sim->operations + operations;
	sim->fail_error = error;
}

void
sim_die_after(struct io_env *env, uint64_t operations)
{
	struct sim *sim = sim_of(env);
	sim->die_at = sim->operations + operations;
}

uint64_t
sim_operations(struct io_env *env)
{
	return sim_of(env)->operations;
}

static enum froe_err
sim_image_of(struct io_env *env, const char *path, struct sim_image **ret_image)
{
	struct sim_inode *inode = sim_tree_find(&sim_of(env)->tree, path);
	if (inode == NULL || inode->is_dir)
		return FROE_NOT_FOUND;
	*ret_image = &inode->image;
	return FROE_OK;
}

enum froe_err
sim_corrupt(struct io_env *env, const char *path, uint64_t offset, const void *with, size_t size)
{
	struct sim_image *image;
	enum froe_err err = sim_image_of(env, path, &image);
	if (err != FROE_OK)
		return err;
	if (offset > image->size || size > image->size - offset)
		return FROE_INVALID_ARGUMENT;
	sim_image_corrupt(image, offset, with, size);
	return FROE_OK;
}

enum froe_err
sim_truncate(struct io_env *env, const char *path, uint64_t size)
{
	struct sim_image *image;
	enum froe_err err = sim_image_of(env, path, &image);
	if (err == FROE_OK)
		sim_image_truncate(image, size);
	return err;
}

uint64_t
sim_digest(struct io_env *env)
{
	return sim_tree_hash(&sim_of(env)->tree);
}
