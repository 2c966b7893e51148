/*
 * io/fs: the blocking calls of io_env over the real kernel; both real worlds share them.
 *
 * Ownership   paths and buffers are borrowed during the call.
 * Threading   any thread; nothing is kept between calls.
 * Failure     a fault names the path (of a descriptor too) and what the kernel said.
 */
#ifndef IO_FS_INT_H
#define IO_FS_INT_H

#include "io/io.h"

uint64_t fs_mono_ns(struct io_env *env);
uint64_t fs_wall_ns(struct io_env *env);
void fs_random(struct io_env *env, void *to, size_t size);

enum froe_err fs_open(struct io_env *env, const char *path, unsigned flags, int *ret_file,
    struct froe_fault *fault);
void fs_close(struct io_env *env, int file);
enum froe_err fs_size(struct io_env *env, int file, uint64_t *ret_size, struct froe_fault *fault);
enum froe_err fs_read(struct io_env *env, int file, void *to, size_t size, uint64_t offset,
    struct froe_fault *fault);
enum froe_err fs_write(struct io_env *env, int file, const void *from, size_t size,
    uint64_t offset, struct froe_fault *fault);
enum froe_err fs_allocate(struct io_env *env, int file, uint64_t size, struct froe_fault *fault);
enum froe_err fs_sync(struct io_env *env, int file, struct froe_fault *fault);
enum froe_err fs_rename(struct io_env *env, const char *from, const char *to,
    struct froe_fault *fault);
enum froe_err fs_unlink(struct io_env *env, const char *path, struct froe_fault *fault);
enum froe_err fs_mkdir(struct io_env *env, const char *path, struct froe_fault *fault);
enum froe_err fs_sync_dir(struct io_env *env, const char *path, struct froe_fault *fault);
enum froe_err fs_list(struct io_env *env, const char *path, io_list_fn *each, void *context,
    struct froe_fault *fault);
enum froe_err fs_lock(struct io_env *env, int file, bool wait, struct froe_fault *fault);
enum froe_err fs_space(struct io_env *env, const char *path, struct io_space *ret_space,
    struct froe_fault *fault);
enum froe_err fs_traits(struct io_env *env, const char *path, struct io_traits *ret_traits,
    struct froe_fault *fault);

#endif
