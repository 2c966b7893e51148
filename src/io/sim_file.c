/*
 * The blocking file calls. Each counts as one operation and first learns its fate; a write or sync
 * that fails may have happened in part, everything else that fails has not happened.
 */
#include "io/sim_int.h"

#include "base/mem.h"

#include <string.h>

#define SIM_LOCK_WAIT_NS (UINT64_C(4) * 50000000)

/* ------------------------------------------------------------------------------- open files */

struct sim_file *
sim_file_get(struct sim *sim, int file)
{
	froe_assert(file >= sim->file_first);
	struct sim_file *open = map_get_u64(&sim->files, (uint64_t)file);
	froe_assert(open != NULL); /* else it was closed */
	return open;
}

void
sim_file_release(struct sim *sim, struct sim_file *file)
{
	froe_assert(map_remove_u64(&sim->files, (uint64_t)file->number) == file);
	if (file->inode->lock_file == file->number)
		file->inode->lock_file = -1;
	froe_assert(file->inode->held > 0);
	file->inode->held--;
	list_remove(&file->node);
	mem_free(file->path);
	mem_free(file);
}

/* Direct I/O needs block alignment of all three, as the kernel may demand. */
void
sim_file_check_access(const struct sim_file *file, const void *buffer, size_t size,
    uint64_t offset)
{
	froe_assert(size > 0);
	if ((file->flags & IO_OPEN_DIRECT) == 0)
		return;
	froe_assert((uintptr_t)buffer % SIM_BLOCK_BYTES == 0);
	froe_assert(size % SIM_BLOCK_BYTES == 0);
	froe_assert(offset % SIM_BLOCK_BYTES == 0);
}

bool
sim_file_has_room(const struct sim *sim, const struct sim_inode *inode, uint64_t size)
{
	uint64_t blocks = (size + SIM_BLOCK_BYTES - 1) / SIM_BLOCK_BYTES;
	uint64_t have = (inode->image.size + SIM_BLOCK_BYTES - 1) / SIM_BLOCK_BYTES;
	if (blocks <= have)
		return true;
	uint64_t more = (blocks - have) * SIM_BLOCK_BYTES;
	return sim_tree_used_bytes(&sim->tree) + more <= sim->options.disk_bytes;
}

/* Counts an operation; not OK if it is to have no effect at all. */
static enum froe_err
sim_begin(struct sim *sim, const char *what, const char *path, struct froe_fault *fault)
{
	return sim_fate_fault(sim, sim_fate(sim), what, path, fault);
}

static enum froe_err
sim_open_inode(struct sim *sim, const char *path, unsigned flags, struct sim_inode **ret_inode,
    struct froe_fault *fault)
{
	struct sim_place place;
	enum froe_err err = sim_tree_place(&sim->tree, path, &place, fault);
	if (err != FROE_OK)
		return err;
	struct sim_inode *inode = sim_place_inode(&place);
	if (inode == NULL && (flags & IO_OPEN_CREATE) == 0)
		return fault_set(fault, FROE_NOT_FOUND, "opening %s: no such file", path);
	if (inode != NULL && (flags & IO_OPEN_EXCLUSIVE) != 0)
		return fault_set(fault, FROE_ALREADY_EXISTS, "opening %s: it exists", path);
	if (inode != NULL && inode->is_dir)
		return fault_set(fault, FROE_INVALID_ARGUMENT, "opening %s: a directory", path);
	if (inode == NULL)
		inode = sim_tree_create(&sim->tree, &place, /* is_dir= */ false);
	*ret_inode = inode;
	return FROE_OK;
}

enum froe_err
sim_file_open(struct io_env *env, const char *path, unsigned flags, int *ret_file,
    struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_inode *inode = NULL;

	froe_assert((flags & (IO_OPEN_READ | IO_OPEN_WRITE)) != 0);
	if (flags & IO_OPEN_EXCLUSIVE)
		froe_assert(flags & IO_OPEN_CREATE);
	enum froe_err err = sim_begin(sim, "opening", path, fault);
	if (err == FROE_OK)
		err = sim_open_inode(sim, path, flags, &inode, fault);
	if (err != FROE_OK)
		return err;
	sim_flights_land(sim, inode);
	inode->held++;
	struct sim_file *file = mem_zalloc(sizeof(*file));
	*file = (struct sim_file){
	    .number = sim->file_next++,
	    .flags = flags,
	    .inode = inode,
	    .path = mem_strdup(path),
	};
	list_push(&sim->open, &file->node);
	map_put_u64(&sim->files, (uint64_t)file->number, file);
	*ret_file = file->number;
	return FROE_OK;
}

/* A file of a process that has crashed is closed already. */
void
sim_file_close(struct io_env *env, int file)
{
	struct sim *sim = sim_of(env);
	froe_assert(file >= 0 && file < sim->file_next);
	if (file >= sim->file_first) {
		sim_file_release(sim, sim_file_get(sim, file));
		sim_tree_sweep(&sim->tree);
	}
}

enum froe_err
sim_file_size(struct io_env *env, int file, uint64_t *ret_size, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	const struct sim_file *open = sim_file_get(sim, file);
	enum froe_err err = sim_begin(sim, "size of", open->path, fault);
	if (err == FROE_OK)
		*ret_size = open->inode->image.size;
	return err;
}

enum froe_err
sim_file_read(struct io_env *env, int file, void *to, size_t size, uint64_t offset,
    struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	const struct sim_file *open = sim_file_get(sim, file);
	const struct sim_image *image = &open->inode->image;

	froe_assert(open->flags & IO_OPEN_READ);
	sim_file_check_access(open, to, size, offset);
	enum froe_err err = sim_begin(sim, "reading", open->path, fault);
	if (err != FROE_OK)
		return err;
	if (offset > image->size || size > image->size - offset)
		return fault_set(fault, FROE_CORRUPT,
		    "%s ends at byte %llu, before the %zu bytes asked for at %llu", open->path,
		    (unsigned long long)image->size, size, (unsigned long long)offset);
	sim_image_read(image, offset, to, size, (open->flags & IO_OPEN_DIRECT) != 0);
	return FROE_OK;
}

/* A write that fails leaves, in the cache, some of its blocks from the front. */
static void
sim_write_part(struct sim *sim, struct sim_inode *inode, const void *from, size_t size,
    uint64_t offset)
{
	size_t part = sim_dice_below(&sim->disk_dice, size / SIM_SECTOR_BYTES + 1);
	part *= SIM_SECTOR_BYTES;
	if (part > 0 && sim_file_has_room(sim, inode, offset + part))
		sim_image_write(&inode->image, offset, from, part, /* durable= */ false);
}

enum froe_err
sim_file_write(struct io_env *env, int file, const void *from, size_t size, uint64_t offset,
    struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	const struct sim_file *open = sim_file_get(sim, file);

	froe_assert(open->flags & IO_OPEN_WRITE);
	sim_file_check_access(open, from, size, offset);
	enum sim_fate fate = sim_fate(sim);
	if (fate == SIM_FATE_DEAD)
		return sim_fate_fault(sim, fate, "writing", open->path, fault);
	if (!sim_file_has_room(sim, open->inode, offset + size))
		return fault_set(fault, FROE_NO_SPACE, "writing %s: the disk is full", open->path);
	bool error = sim_dice_hits(&sim->disk_dice, sim->options.write_error_per_million);
	if (error || fate != SIM_FATE_RUNS)
		sim_write_part(sim, open->inode, from, size, offset);
	if (fate != SIM_FATE_RUNS)
		return sim_fate_fault(sim, fate, "writing", open->path, fault);
	if (error)
		return fault_set(fault, FROE_IO, "writing %s: I/O error", open->path);
	sim_image_write(&open->inode->image, offset, from, size,
	    (open->flags & IO_OPEN_DSYNC) != 0);
	return FROE_OK;
}

enum froe_err
sim_file_allocate(struct io_env *env, int file, uint64_t size, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	const struct sim_file *open = sim_file_get(sim, file);

	froe_assert(open->flags & IO_OPEN_WRITE);
	enum froe_err err = sim_begin(sim, "allocating space for", open->path, fault);
	if (err != FROE_OK)
		return err;
	if (!sim_file_has_room(sim, open->inode, size))
		return fault_set(fault, FROE_NO_SPACE, "allocating space for %s: the disk is full",
		    open->path);
	sim_image_grow(&open->inode->image, size);
	return FROE_OK;
}

enum froe_err
sim_file_sync(struct io_env *env, int file, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	const struct sim_file *open = sim_file_get(sim, file);
	enum sim_fate fate = sim_fate(sim);

	if (fate == SIM_FATE_FAILS)
		sim_image_sync_fail(&open->inode->image);
	if (fate != SIM_FATE_RUNS)
		return sim_fate_fault(sim, fate, "syncing", open->path, fault);
	if (sim_dice_hits(&sim->disk_dice, sim->options.write_error_per_million)) {
		sim_image_sync_fail(&open->inode->image);
		return fault_set(fault, FROE_IO, "syncing %s: I/O error", open->path);
	}
	sim_image_sync(&open->inode->image);
	return FROE_OK;
}

/* Nobody else runs meanwhile, so the five tries are one, and the pauses pass at once. */
enum froe_err
sim_file_lock(struct io_env *env, int file, bool wait, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_file *open = sim_file_get(sim, file);
	enum froe_err err = sim_begin(sim, "locking", open->path, fault);
	if (err != FROE_OK)
		return err;
	if (open->inode->lock_file >= 0 && open->inode->lock_file != file) {
		if (wait)
			sim->mono_ns += SIM_LOCK_WAIT_NS;
		return fault_set(fault, FROE_IN_USE, "%s is locked by another process", open->path);
	}
	open->inode->lock_file = file;
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------- names */

enum froe_err
sim_path_rename(struct io_env *env, const char *from, const char *to, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_place source, target;
	enum froe_err err = sim_begin(sim, "renaming", from, fault);
	if (err == FROE_OK)
		err = sim_tree_place(&sim->tree, from, &source, fault);
	if (err == FROE_OK)
		err = sim_tree_place(&sim->tree, to, &target, fault);
	if (err != FROE_OK)
		return err;
	const struct sim_inode *inode = sim_place_inode(&source);
	const struct sim_inode *old = sim_place_inode(&target);
	if (inode == NULL)
		return fault_set(fault, FROE_NOT_FOUND, "renaming %s to %s: no such file", from,
		    to);
	if (inode->is_dir || (old != NULL && old->is_dir))
		return fault_set(fault, FROE_UNSUPPORTED,
		    "renaming %s to %s: the simulator does not rename directories", from, to);
	sim_tree_rename(&sim->tree, &source, &target);
	return FROE_OK;
}

enum froe_err
sim_path_unlink(struct io_env *env, const char *path, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_place place;
	enum froe_err err = sim_begin(sim, "removing", path, fault);
	if (err == FROE_OK)
		err = sim_tree_place(&sim->tree, path, &place, fault);
	if (err != FROE_OK)
		return err;
	const struct sim_inode *inode = sim_place_inode(&place);
	if (inode == NULL)
		return fault_set(fault, FROE_NOT_FOUND, "removing %s: no such file", path);
	if (inode->is_dir)
		return fault_set(fault, FROE_INVALID_ARGUMENT, "removing %s: a directory", path);
	sim_tree_unlink(&sim->tree, &place);
	return FROE_OK;
}

enum froe_err
sim_path_mkdir(struct io_env *env, const char *path, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_place place;
	enum froe_err err = sim_begin(sim, "making the directory", path, fault);
	if (err != FROE_OK)
		return err;
	const struct sim_inode *inode = sim_tree_find(&sim->tree, path);
	if (inode != NULL && inode->is_dir)
		return FROE_OK;
	if (inode != NULL)
		return fault_set(fault, FROE_ALREADY_EXISTS,
		    "making the directory %s: a file of that name exists", path);
	err = sim_tree_place(&sim->tree, path, &place, fault);
	if (err != FROE_OK)
		return err;
	if (sim_tree_used_bytes(&sim->tree) + SIM_BLOCK_BYTES > sim->options.disk_bytes)
		return fault_set(fault, FROE_NO_SPACE,
		    "making the directory %s: the disk is full", path);
	sim_tree_create(&sim->tree, &place, /* is_dir= */ true);
	return FROE_OK;
}

static enum froe_err
sim_find_dir(struct sim *sim, const char *what, const char *path, struct sim_inode **ret_dir,
    struct froe_fault *fault)
{
	enum froe_err err = sim_begin(sim, what, path, fault);
	if (err != FROE_OK)
		return err;
	struct sim_inode *dir = sim_tree_find(&sim->tree, path);
	if (dir == NULL || !dir->is_dir)
		return fault_set(fault, FROE_NOT_FOUND, "%s %s: no such directory", what, path);
	*ret_dir = dir;
	return FROE_OK;
}

enum froe_err
sim_path_sync_dir(struct io_env *env, const char *path, struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_inode *dir;
	enum froe_err err = sim_find_dir(sim, "syncing the directory", path, &dir, fault);
	if (err == FROE_OK)
		sim_tree_sync_dir(&sim->tree, dir);
	return err;
}

/* In an order drawn for each call, over a copy: the callback may change the directory. */
enum froe_err
sim_path_list(struct io_env *env, const char *path, io_list_fn *each, void *context,
    struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_inode *dir;
	enum froe_err err = sim_find_dir(sim, "listing", path, &dir, fault);
	if (err != FROE_OK)
		return err;
	size_t count = dir->now.count;
	char **names = mem_array(count, sizeof(names[0]));
	for (size_t i = 0; i < count; i++) {
		size_t at = sim_dice_below(&sim->disk_dice, i + 1);
		names[i] = names[at];
		names[at] = mem_strdup(dir->now.rows[i].text);
	}
	bool more = true;
	for (size_t i = 0; i < count; i++) {
		more = more && each(context, names[i]);
		mem_free(names[i]);
	}
	mem_free(names);
	return FROE_OK;
}

enum froe_err
sim_path_space(struct io_env *env, const char *path, struct io_space *ret_space,
    struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_inode *dir;
	enum froe_err err = sim_find_dir(sim, "free space of", path, &dir, fault);
	if (err != FROE_OK)
		return err;
	uint64_t used = sim_tree_used_bytes(&sim->tree);
	uint64_t total = sim->options.disk_bytes;
	*ret_space = (struct io_space){
	    .total_bytes = total,
	    .free_bytes = used < total ? total - used : 0,
	};
	return FROE_OK;
}

enum froe_err
sim_path_traits(struct io_env *env, const char *path, struct io_traits *ret_traits,
    struct froe_fault *fault)
{
	struct sim *sim = sim_of(env);
	struct sim_inode *dir;
	enum froe_err err = sim_find_dir(sim, "traits of", path, &dir, fault);
	if (err == FROE_OK)
		*ret_traits = (struct io_traits){.block_bytes = SIM_BLOCK_BYTES, .direct = true};
	return err;
}
