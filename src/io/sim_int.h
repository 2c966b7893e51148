/*
 * io/sim_int: the simulated world inside: what its three files share.
 *
 * Purpose     io/sim.c is the world (clocks, dice, crash, the harness's hooks), io/sim_file.c its
 *             blocking file calls, io/sim_loop.c its loops and asynchronous file operations.
 * Invariants  1. a file number is never given twice, so a stale one is always recognised.
 *             2. a flight's copy is what its buffer held at the start, until it completes.
 */
#ifndef IO_SIM_INT_H
#define IO_SIM_INT_H

#include "base/map.h"
#include "io/sim.h"
#include "io/sim_tree_int.h"

#define SIM_MAGIC 0x73696d21u
#define SIM_LATENCY_NS_DEFAULT 100000u
#define SIM_DISK_BYTES_DEFAULT (UINT64_C(1) << 40)

/* What becomes of one file operation. */
enum sim_fate {
	SIM_FATE_RUNS,
	SIM_FATE_FAILS, /* sim_fail_after: it fails, perhaps after a part */
	SIM_FATE_DIES,  /* sim_die_after: the process stops in it; it may be done in part */
	SIM_FATE_DEAD,  /* the process has stopped: nothing has an effect */
};

/* An open file. */
struct sim_file {
	struct list node;
	int number;
	unsigned flags;
	struct sim_inode *inode;
	char *path;
};

/* An asynchronous operation under way. A write whose loop was closed has no op and no loop: it
 * stays with the disk until its file is opened again or the machine crashes. */
struct sim_flight {
	struct list node;
	struct sim_loop *loop;
	struct io_op *op;
	enum io_kind kind;
	struct sim_inode *inode;
	unsigned flags; /* of the file */
	uint8_t *copy;  /* of a write's bytes */
	size_t size;
	uint64_t offset;
	uint64_t due_ns;
	enum froe_err error; /* of sim_fail_after */
	bool never;          /* the process has stopped: it does not complete */
};

struct sim_loop {
	struct io io;
	struct list node;
	struct sim *sim;
	bool woken;
	bool dead; /* its process has crashed; io_close is all that it still takes */
};

struct sim {
	struct io_env env;
	uint32_t magic;
	struct sim_options options;
	struct sim_dice disk_dice;
	struct sim_dice process_dice; /* io_random */
	struct sim_dice harness_dice; /* sim_random */
	uint64_t mono_ns;
	int64_t wall_offset_ns;

	struct sim_tree tree;
	struct map files; /* number + 1 -> struct sim_file */
	struct list open; /* struct sim_file */
	int file_next;
	int file_first; /* of this process; lower ones belonged to one that crashed */
	struct list loops;
	struct list flights; /* in the order of their start */

	uint64_t operations;
	uint64_t fail_at; /* UINT64_MAX: never */
	enum froe_err fail_error;
	uint64_t die_at; /* UINT64_MAX: never */
};

struct sim *sim_of(struct io_env *env);
enum sim_fate sim_fate(struct sim *sim); /* counts one operation */
enum froe_err sim_fate_fault(const struct sim *sim, enum sim_fate fate, const char *what,
    const char *path, struct froe_fault *fault);

struct sim_file *sim_file_get(struct sim *sim, int file);
void sim_file_check_access(const struct sim_file *file, const void *buffer, size_t size,
    uint64_t offset);
bool sim_file_has_room(const struct sim *sim, const struct sim_inode *inode, uint64_t size);
void sim_file_release(struct sim *sim, struct sim_file *file);

void sim_flights_land(struct sim *sim, const struct sim_inode *inode);
void sim_flights_tear(struct sim *sim, struct sim_tear *tear);
enum froe_err sim_loop_open(struct io_env *env, struct io **ret_io, struct froe_fault *fault);
void sim_loop_release(struct sim_loop *loop);

enum froe_err sim_file_open(struct io_env *env, const char *path, unsigned flags, int *ret_file,
    struct froe_fault *fault);
void sim_file_close(struct io_env *env, int file);
enum froe_err sim_file_size(struct io_env *env, int file, uint64_t *ret_size,
    struct froe_fault *fault);
enum froe_err sim_file_read(struct io_env *env, int file, void *to, size_t size, uint64_t offset,
    struct froe_fault *fault);
enum froe_err sim_file_write(struct io_env *env, int file, const void *from, size_t size,
    uint64_t offset, struct froe_fault *fault);
enum froe_err sim_file_allocate(struct io_env *env, int file, uint64_t size,
    struct froe_fault *fault);
enum froe_err sim_file_sync(struct io_env *env, int file, struct froe_fault *fault);
enum froe_err sim_file_lock(struct io_env *env, int file, bool wait,
    struct froe_fault *fault);
enum froe_err sim_path_rename(struct io_env *env, const char *from, const char *to,
    struct froe_fault *fault);
enum froe_err sim_path_unlink(struct io_env *env, const char *path, struct froe_fault *fault);
enum froe_err sim_path_mkdir(struct io_env *env, const char *path, struct froe_fault *fault);
enum froe_err sim_path_sync_dir(struct io_env *env, const char *path, struct froe_fault *fault);
enum froe_err sim_path_list(struct io_env *env, const char *path, io_list_fn *each, void *context,
    struct froe_fault *fault);
enum froe_err sim_path_space(struct io_env *env, const char *path, struct io_space *ret_space,
    struct froe_fault *fault);
enum froe_err sim_path_traits(struct io_env *env, const char *path, struct io_traits *ret_traits,
    struct froe_fault *fault);

#endif
