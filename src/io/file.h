/*
 * io/file: shorthands for the blocking file calls of a world (io/io.h).
 */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "io/io.h"

static inline enum froe_err
io_file_open(struct io_env *env, const char *path, unsigned flags, int *ret_file,
    struct froe_fault *fault)
{
	return env->ops->open(env, path, flags, ret_file, fault);
}

static inline void
io_file_close(struct io_env *env, int file)
{
	env->ops->close(env, file);
}

static inline enum froe_err
io_file_size(struct io_env *env, int file, uint64_t *ret_size, struct froe_fault *fault)
{
	return env->ops->size(env, file, ret_size, fault);
}

static inline enum froe_err
io_file_read(struct io_env *env, int file, void *to, size_t size, uint64_t offset,
    struct froe_fault *fault)
{
	return env->ops->read(env, file, to, size, offset, fault);
}

static inline enum froe_err
io_file_write(struct io_env *env, int file, const void *from, size_t size, uint64_t offset,
    struct froe_fault *fault)
{
	return env->ops->write(env, file, from, size, offset, fault);
}

static inline enum froe_err
io_file_allocate(struct io_env *env, int file, uint64_t size, struct froe_fault *fault)
{
	return env->ops->allocate(env, file, size, fault);
}

static inline enum froe_err
io_file_sync(struct io_env *env, int file, struct froe_fault *fault)
{
	return env->ops->sync(env, file, fault);
}

static inline enum froe_err
io_file_lock(struct io_env *env, int file, bool wait, struct froe_fault *fault)
{
	return env->ops->lock(env, file, wait, fault);
}

static inline enum froe_err
io_path_rename(struct io_env *env, const char *from, const char *to, struct froe_fault *fault)
{
	return env->ops->rename(env, from, to, fault);
}

static inline enum froe_err
io_path_unlink(struct io_env *env, const char *path, struct froe_fault *fault)
{
	return env->ops->unlink(env, path, fault);
}

static inline enum froe_err
io_path_mkdir(struct io_env *env, const char *path, struct froe_fault *fault)
{
	return env->ops->mkdir(env, path, fault); /* present already: FROE_OK */
}

static inline enum froe_err
io_path_sync_dir(struct io_env *env, const char *path, struct froe_fault *fault)
{
	return env->ops->sync_dir(env, path, fault);
}

static inline enum froe_err
io_path_list(struct io_env *env, const char *path, io_list_fn *each, void *context,
    struct froe_fault *fault)
{
	return env->ops->list(env, path, each, context, fault);
}

static inline enum froe_err
io_path_space(struct io_env *env, const char *path, struct io_space *ret_space,
    struct froe_fault *fault)
{
	return env->ops->space(env, path, ret_space, fault);
}

static inline enum froe_err
io_path_traits(struct io_env *env, const char *path, struct io_traits *ret_traits,
    struct froe_fault *fault)
{
	return env->ops->traits(env, path, ret_traits, fault);
}

#endif
