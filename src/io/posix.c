#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "io/fs_int.h"
#include "io/io.h"

static enum froe_err
posix_open(struct io_env *env, struct io **ret_io, struct froe_fault *fault)
{
	(void)env;
	(void)ret_io;
	return fault_set(fault, FROE_UNSUPPORTED, "this world has no loop yet");
}

static const struct io_env_ops posix_env_ops = {
    .mono_ns = fs_mono_ns,
    .wall_ns = fs_wall_ns,
    .random = fs_random,
    .open = fs_open,
    .close = fs_close,
    .size = fs_size,
    .read = fs_read,
    .write = fs_write,
    .allocate = fs_allocate,
    .sync = fs_sync,
    .rename = fs_rename,
    .unlink = fs_unlink,
    .mkdir = fs_mkdir,
    .sync_dir = fs_sync_dir,
    .list = fs_list,
    .lock = fs_lock,
    .space = fs_space,
    .traits = fs_traits,
    .loop_open = posix_open,
};

static struct io_env posix_env = {.ops = &posix_env_ops, .name = "posix"};

struct io_env *
io_env_posix(void)
{
	return &posix_env;
}
