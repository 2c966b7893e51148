/*
 * Damage: before LMDB maps a file, its head is checked (a truncated map is SIGBUS), and all its
 * pages if it is small (in a damaged page LMDB does not find what is there, and would not say so),
 * or if the last process that had it open did not close it, and the machine went down with it,
 * or several such processes died young. What slips through, LMDB refuses, or asserts, which leaves
 * BAD behind and ends the process.
 */
#include "index/index_int.h"

#include "base/mem.h"
#include "index/ids_int.h"
#include "index/page_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_BYTES_MIN ((size_t)64 << 20)
#define TABLES 4
/* Deaths in a row that are taken for anyone's but LMDB's, and commits after which they count anew.
 */
#define UNCLEAN_MAX 8u
#define SETTLED_COMMITS 20u
/* A file up to this size, of some 200 000 runs, is read in a moment at each start. */
#define SMALL_BYTES ((off_t)64 << 20)

static enum froe_err
lmdb_err(int code)
{
	switch (code) {
	case MDB_SUCCESS:
		return FROE_OK;
	case MDB_NOTFOUND:
		return FROE_NOT_FOUND;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_PANIC:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
	case MDB_BAD_DBI:
	case MDB_KEYEXIST:
		return FROE_CORRUPT;
	case MDB_MAP_FULL:
	case MDB_DBS_FULL:
	case MDB_READERS_FULL:
	case MDB_TXN_FULL:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
	case MDB_MAP_RESIZED:
	case MDB_BAD_RSLOT:
	case MDB_BAD_VALSIZE:
		return FROE_RESOURCE_EXHAUSTED;
	default:
		return code > 0 ? froe_err_from_errno(code) : FROE_INTERNAL;
	}
}

/* -------------------------------------------------------------------------------------- markers */

static enum froe_err
path_format(char path[PATH_MAX], const char *dir, const char *name, struct froe_fault *fault)
{
	int length = snprintf(path, PATH_MAX, "%s/%s", dir, name);
	if (length < 0 || length >= PATH_MAX)
		return fault_set(fault, FROE_INVALID_ARGUMENT, "%s: the path is too long", dir);
	return FROE_OK;
}

static bool
marker_present(const char *dir, const char *name)
{
	char path[PATH_MAX];
	return path_format(path, dir, name, NULL) == FROE_OK && access(path, F_OK) == 0;
}

static enum froe_err
marker_put(const char *dir, const char *name, struct froe_fault *fault)
{
	char path[PATH_MAX];
	enum froe_err err = path_format(path, dir, name, fault);
	if (err != FROE_OK)
		return err;
	int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0)
		return fault_set_errno(fault, errno, "create %s", path);
	close(file);
	return FROE_OK;
}

static enum froe_err
file_remove(const char *dir, const char *name, struct froe_fault *fault)
{
	char path[PATH_MAX];
	enum froe_err err = path_format(path, dir, name, fault);
	if (err == FROE_OK && unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR)
		err = fault_set_errno(fault, errno, "remove %s", path);
	return err;
}

/* UNCLEAN names the boot of the machine that it was written in, and says how often in a row the
 * index was found unclean in that boot; empty: check. */
#define BOOT_SIZE 37u
#define UNCLEAN_CHECK UINT32_MAX

static bool
boot_read(char boot[BOOT_SIZE])
{
	int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t size = file >= 0 ? read(file, boot, BOOT_SIZE - 1) : -1;
	if (file >= 0)
		close(file);
	boot[size > 0 ? size : 0] = 0;
	return size == BOOT_SIZE - 1;
}

static enum froe_err
unclean_put(const char *dir, uint32_t count, struct froe_fault *fault)
{
	char path[PATH_MAX], boot[BOOT_SIZE], text[64];
	int size = 0;
	enum froe_err err = path_format(path, dir, "UNCLEAN", fault);
	if (err != FROE_OK)
		return err;
	if (count != UNCLEAN_CHECK && boot_read(boot))
		size = snprintf(text, sizeof(text), "%s %u\n", boot, count);
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		return fault_set_errno(fault, errno, "create %s", path);
	if (write(file, text, (size_t)size) != size)
		size = ftruncate(file, 0); /* empty is as good */
	close(file);
	return FROE_OK;
}

/* How often in a row; UNCLEAN_CHECK: every page is to be checked. */
static uint32_t
unclean_get(const char *dir)
{
	char path[PATH_MAX], now[BOOT_SIZE], text[64] = {0};
	if (path_format(path, dir, "UNCLEAN", NULL) != FROE_OK || !boot_read(now))
		return UNCLEAN_CHECK;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = file >= 0 ? read(file, text, sizeof(text) - 1) : -1;
	if (file >= 0)
		close(file);
	if (size <= (ssize_t)BOOT_SIZE || memcmp(text, now, BOOT_SIZE - 1) != 0)
		return UNCLEAN_CHECK;
	unsigned long count = strtoul(text + BOOT_SIZE, NULL, 10);
	return count < UNCLEAN_MAX ? (uint32_t)count : UNCLEAN_CHECK;
}

enum froe_err
index_fault(struct index *index, int code, const char *what, struct froe_fault *fault)
{
	enum froe_err err = lmdb_err(code);
	if (err == FROE_CORRUPT)
		index->damaged = true;
	return fault_set(fault, err, "index %s: %s: %s%s", index->dir, what, mdb_strerror(code),
	    err == FROE_CORRUPT ? "; delete it, it is rebuilt from the log" : "");
}

enum froe_err
index_damage(struct index *index, const char *what, struct froe_fault *fault)
{
	index->damaged = true;
	FROE_DROP(unclean_put(index->dir, UNCLEAN_CHECK, NULL), "BAD may be there too");
	return fault_set(fault, FROE_CORRUPT, "index %s: %s; delete it, it is rebuilt from the log",
	    index->dir, what);
}

/* LMDB found its own invariants broken. */
static void
index_panic(MDB_env *env, const char *message)
{
	const struct index *index = mdb_env_get_userctx(env);
	FROE_DROP(marker_put(index->dir, "BAD", NULL), "UNCLEAN is there still");
	froe_fatal(FROE_EXIT_INDEX, "index %s is damaged (%s); it is rebuilt at the next start",
	    index->dir, message);
}

/* ----------------------------------------------------------------------------- open and delete */

/* BAD goes last of all, so that a deletion that is cut short is gone on with. */
enum froe_err
index_delete(const char *dir, struct froe_fault *fault)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "UNCLEAN", "BAD"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum froe_err err = file_remove(dir, names[i], fault);
		if (err != FROE_OK)
			return err;
	}
	if (rmdir(dir) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		return fault_set_errno(fault, errno, "remove %s", dir);
	return FROE_OK;
}

static bool
entry_good(const char *table, struct bytes key, struct bytes value)
{
	struct index_run run;
	uint32_t count;
	struct row_meta meta;
	struct block block;
	if (strcmp(table, "runs") == 0)
		return row_decode(key, value, &run);
	if (strcmp(table, "ids") == 0)
		return ids_decode(key, value, &count);
	if (strcmp(table, "lists") == 0)
		return block_decode(key, value, &block);
	return strcmp(table, "meta") == 0 && row_meta_decode(value, &meta);
}

/* What must hold before LMDB sees the file. *ret_count: for UNCLEAN. */
static enum froe_err
dir_check(const char *dir, uint32_t *ret_count, struct froe_fault *fault)
{
	*ret_count = 0;
	char path[PATH_MAX];
	enum froe_err err = path_format(path, dir, "data.mdb", fault);
	if (err != FROE_OK)
		return err;
	struct stat status;
	bool small = stat(path, &status) == 0 && status.st_size <= SMALL_BYTES;
	uint32_t count = marker_present(dir, "UNCLEAN") ? unclean_get(dir) : 0;
	if (count != UNCLEAN_CHECK && marker_present(dir, "UNCLEAN"))
		*ret_count = count + 1;
	return small || count == UNCLEAN_CHECK ? page_check_all(path, entry_good, fault)
					       : page_check_head(path, fault);
}

static enum froe_err
env_open(struct index *index, struct froe_fault *fault)
{
	int code = mdb_env_create(&index->env);
	if (code != 0) {
		index->env = NULL;
		return index_fault(index, code, "create", fault);
	}
	mdb_env_set_userctx(index->env, index);
	mdb_env_set_assert(index->env, index_panic);
	code = mdb_env_set_maxdbs(index->env, TABLES);
	if (code == 0)
		code = mdb_env_set_mapsize(index->env, index->map_bytes);
	if (code == 0)
		code = mdb_env_open(index->env, index->dir, 0, 0600);
	return code == 0 ? FROE_OK : index_fault(index, code, "open", fault);
}

/* Opens the tables, and reads what the index is of. *ret_foreign: of something else. */
static enum froe_err
tables_open(struct index *index, MDB_txn *txn, bool *ret_foreign, struct froe_fault *fault)
{
	MDB_val key = {.mv_data = (char[]){"meta"}, .mv_size = 4}, value;
	MDB_stat stat;
	struct row_meta meta;
	int code = mdb_dbi_open(txn, "meta", MDB_CREATE, &index->meta);
	if (code == 0)
		code = mdb_dbi_open(txn, "runs", MDB_CREATE, &index->runs);
	if (code == 0)
		code = mdb_dbi_open(txn, "ids", MDB_CREATE, &index->ids);
	if (code == 0)
		code = mdb_dbi_open(txn, "lists", MDB_CREATE, &index->lists);
	if (code == 0)
		code = mdb_stat(txn, index->runs, &stat);
	if (code != 0)
		return index_fault(index, code, "open tables", fault);
	code = mdb_get(txn, index->meta, &key, &value);
	if (code == MDB_NOTFOUND && stat.ms_entries == 0)
		return FROE_OK; /* new */
	if (code != 0)
		return index_fault(index, code, "read what it is of", fault);
	if (!row_meta_decode(bytes_of(value.mv_data, value.mv_size), &meta))
		return index_damage(index, "damaged meta row", fault);
	*ret_foreign = meta.format != ROW_FORMAT || !uuid_equal(meta.store, index->store);
	index->complete = meta.complete;
	index->applied = meta.complete ? meta.applied : 0;
	return FROE_OK;
}

static enum froe_err
index_load(struct index *index, bool *ret_foreign, struct froe_fault *fault)
{
	MDB_txn *txn;
	enum froe_err err = env_open(index, fault);
	if (err != FROE_OK)
		return err;
	int code = mdb_txn_begin(index->env, NULL, 0, &txn);
	if (code != 0)
		return index_fault(index, code, "begin", fault);
	err = tables_open(index, txn, ret_foreign, fault);
	if (err != FROE_OK) {
		mdb_txn_abort(txn);
		return err;
	}
	code = mdb_txn_commit(txn);
	return code == 0 ? FROE_OK : index_fault(index, code, "commit", fault);
}

/* Makes the directory ready: what is marked bad goes, what is left is sound. */
static enum froe_err
dir_open(const char *dir, uint32_t *ret_count, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	if (marker_present(dir, "BAD"))
		err = index_delete(dir, fault);
	if (err == FROE_OK && mkdir(dir, 0700) != 0 && errno != EEXIST)
		err = fault_set_errno(fault, errno, "create %s", dir);
	if (err == FROE_OK)
		err = dir_check(dir, ret_count, fault);
	return err;
}

static enum froe_err
index_open_once(const char *dir, struct uuid store, struct index **ret_index, bool *ret_foreign,
    struct froe_fault *fault)
{
	uint32_t count;
	enum froe_err err = dir_open(dir, &count, fault);
	if (err != FROE_OK)
		return err;
	err = unclean_put(dir, count, fault);
	if (err != FROE_OK)
		return err;
	struct index *index = mem_zalloc(sizeof(*index));
	index->store = store;
	index->map_bytes = MAP_BYTES_MIN;
	snprintf(index->dir, sizeof(index->dir), "%s", dir);
	arena_init(&index->arena, 0);
	buf_init(&index->row);
	buf_init(&index->ids_had);
	buf_init(&index->ids_now);
	buf_init(&index->workers);
	err = index_load(index, ret_foreign, fault);
	if (err != FROE_OK || *ret_foreign) {
		index_close(index);
		return err;
	}
	*ret_index = index;
	return FROE_OK;
}

enum froe_err
index_open(const char *dir, struct uuid store, struct index **ret_index, uint64_t *ret_applied,
    struct froe_fault *fault)
{
	struct index *index = NULL;
	bool foreign = false;
	if (strlen(dir) >= sizeof(index->dir))
		return fault_set(fault, FROE_INVALID_ARGUMENT, "%.64s...: the path is too long",
		    dir);
	enum froe_err err = index_open_once(dir, store, &index, &foreign, fault);
	if (err == FROE_OK && foreign) {
		foreign = false;
		err = index_delete(dir, fault);
		if (err == FROE_OK)
			err = index_open_once(dir, store, &index, &foreign, fault);
	}
	if (err != FROE_OK)
		return err;
	froe_assert(!foreign);
	*ret_index = index;
	*ret_applied = index->applied;
	return FROE_OK;
}

/* LMDB has worked on it for a while: a death that comes now is not the first thing it does. */
void
index_settle(struct index *index)
{
	if (index->commits < SETTLED_COMMITS && ++index->commits == SETTLED_COMMITS)
		FROE_DROP(unclean_put(index->dir, 0, NULL), "costs a check one day");
}

bool
index_gone(const struct index *index)
{
	struct stat stat;
	int file;
	return mdb_env_get_fd(index->env, &file) == 0 && fstat(file, &stat) == 0 &&
	    stat.st_nlink == 0;
}

void
index_close(struct index *index)
{
	if (index->env != NULL)
		mdb_env_close(index->env);
	if (!index->damaged)
		FROE_DROP(file_remove(index->dir, "UNCLEAN", NULL),
		    "costs a check at the next open");
	mem_free(index->pending);
	places_release(&index->places);
	changes_release(&index->changes);
	arena_release(&index->arena);
	buf_release(&index->row);
	buf_release(&index->ids_had);
	buf_release(&index->ids_now);
	buf_release(&index->workers);
	mem_free(index);
}
