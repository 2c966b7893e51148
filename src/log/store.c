#include "log/store_int.h"

#include "base/failpoint.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"
#include "log/block_int.h"
#include "log/segment_int.h"
#include "log/slots_int.h"

static const char store_magic[8] = {'F', 'R', 'O', 'E', 'S', 'T', 'O', 0x1a};

#define STORE_FILE_BYTES (2 * LOG_BLOCK_BYTES)

enum store_offset {
	STORE_SHARDS = 32,
	STORE_SEGMENT_BYTES = 40,
	STORE_BLOCK_BYTES = 48,
	STORE_CREATED = 88,
};

static enum froe_err
store_decode(const uint8_t *block, struct store *ret_store, struct froe_fault *fault)
{
	if (!block_verify(block, store_magic)) {
		block += LOG_BLOCK_BYTES;
		if (!block_verify(block, store_magic))
			return fault_set(fault, FROE_CORRUPT,
			    "STORE: both copies are damaged: restore the data directory "
			    "from a backup");
	}
	enum froe_err err = block_check_version(block, /* featured= */ true, "STORE", fault);
	if (err != FROE_OK)
		return err;
	uint64_t shards = le64_load(block + STORE_SHARDS);
	uint64_t segment_bytes = le64_load(block + STORE_SEGMENT_BYTES);
	if (shards != 1 || !seg_bytes_legal(segment_bytes) ||
	    le32_load(block + STORE_BLOCK_BYTES) != LOG_BLOCK_BYTES)
		return fault_set(fault, FROE_INCOMPATIBLE,
		    "STORE: %llu shards with segments of %llu bytes: this froe cannot read it",
		    (unsigned long long)shards, (unsigned long long)segment_bytes);
	*ret_store = (struct store){.id = block_store(block), .segment_bytes = segment_bytes};
	return FROE_OK;
}

enum froe_err
store_read(struct io_env *env, const struct paths *paths, struct store *ret_store,
    struct froe_fault *fault)
{
	struct path path = path_join(paths->dir, "STORE");
	int file;

	enum froe_err err =
	    io_file_open(env, path.text, IO_OPEN_READ | IO_OPEN_DIRECT, &file, fault);
	if (err == FROE_NOT_FOUND)
		return fault_set_field(fault, err, "data",
		    "%s holds no store: it has no file STORE", paths->dir);
	if (err != FROE_OK)
		return err;
	uint8_t *blocks = mem_pages(STORE_FILE_BYTES);
	err = io_file_read(env, file, blocks, STORE_FILE_BYTES, 0, fault);
	if (err == FROE_OK)
		err = store_decode(blocks, ret_store, fault);
	mem_pages_free(blocks, STORE_FILE_BYTES);
	io_file_close(env, file);
	return err;
}

/* ----------------------------------------------------------------------------------- creating */

struct store_name {
	struct list node;
	struct path path;
};

struct store_names {
	const struct paths *paths;
	struct list list;
};

static bool
store_each_name(void *context, const char *name)
{
	struct store_names *names = context;
	uint64_t no;

	if (!seg_name_parse(name, &no) && strncmp(name, "spare-", 6) != 0)
		return true;
	struct store_name *entry = mem_zalloc(sizeof(*entry));
	entry->path = path_join(names->paths->log, name);
	list_push(&names->list, &entry->node);
	return true;
}

/* A leftover of a creation that was cut short holds at most header blocks. */
static enum froe_err
store_check_unused(struct io_env *env, const char *path, struct froe_fault *fault)
{
	uint64_t size = 0;
	int file;

	enum froe_err err = io_file_open(env, path, IO_OPEN_READ | IO_OPEN_DIRECT, &file, fault);
	if (err != FROE_OK)
		return err;
	err = io_file_size(env, file, &size, fault);
	if (err == FROE_OK && size >= SEG_HEADER_BYTES + LOG_BLOCK_BYTES) {
		uint8_t *block = mem_pages(LOG_BLOCK_BYTES);
		err = io_file_read(env, file, block, LOG_BLOCK_BYTES, SEG_HEADER_BYTES, fault);
		if (err == FROE_OK && !bytes_zero(block, LOG_BLOCK_BYTES))
			err = fault_set(fault, FROE_CORRUPT,
			    "STORE is missing but %s holds data: restore STORE, or use an empty "
			    "directory", path);
		mem_pages_free(block, LOG_BLOCK_BYTES);
	}
	io_file_close(env, file);
	return err;
}

/* All are looked at before the first is removed. */
static enum froe_err
store_remove_leftovers(struct io_env *env, const struct paths *paths, struct froe_fault *fault)
{
	struct store_names names = {.paths = paths};
	struct list *node;

	list_init(&names.list);
	enum froe_err err = io_path_list(env, paths->log, store_each_name, &names, fault);
	list_for_each(node, &names.list) {
		if (err == FROE_OK)
			err = store_check_unused(env,
			    container_of(node, struct store_name, node)->path.text, fault);
	}
	while ((node = list_pop(&names.list)) != NULL) {
		struct store_name *entry = container_of(node, struct store_name, node);
		if (err == FROE_OK)
			err = io_path_unlink(env, entry->path.text, fault);
		mem_free(entry);
	}
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths->log, fault);
	return err;
}

/* The data directory itself was made just before: its name must last as long as what is in it. */
static enum froe_err
store_make_directories(struct io_env *env, const struct paths *paths, struct froe_fault *fault)
{
	enum froe_err err = FROE_OK;
	if (!plant(STORE_DIR_UNSYNCED))
		err = io_path_sync_dir(env, paths->parent, fault);
	if (err == FROE_OK)
		err = io_path_mkdir(env, paths->shard, fault);
	if (err == FROE_OK)
		err = io_path_mkdir(env, paths->log, fault);
	if (err == FROE_OK)
		err = io_path_mkdir(env, paths->quarantine, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths->dir, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths->shard, fault);
	return err;
}

enum froe_err
store_prepare(struct io_env *env, const struct paths *paths, const struct store *store,
    struct froe_fault *fault)
{
	struct slots_value manifest = {.epoch = 0, .manifest = {.segment_oldest = 1}};
	struct slots_value watermark = {
	    .epoch = 0, .watermark = {.durable_lsn = UINT64_C(1) << 32 | SEG_HEADER_BYTES}};

	enum froe_err err = store_make_directories(env, paths, fault);
	failpoint_pass(FAILPOINT_create_directories);
	if (err == FROE_OK)
		err = store_remove_leftovers(env, paths, fault);
	if (err == FROE_OK)
		err = slots_create(env, paths->shard, SLOTS_MANIFEST, store->id, &manifest, fault);
	if (err == FROE_OK)
		err =
		    slots_create(env, paths->shard, SLOTS_WATERMARK, store->id, &watermark, fault);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths->shard, fault);
	return err;
}

static enum froe_err
store_write_file(struct io_env *env, const char *path, const uint8_t *blocks,
    struct froe_fault *fault)
{
	int file;
	enum froe_err err = io_file_open(env, path,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT, &file, fault);
	if (err != FROE_OK)
		return err;
	err = io_file_write(env, file, blocks, STORE_FILE_BYTES, 0, fault);
	if (err == FROE_OK)
		err = io_file_sync(env, file, fault);
	io_file_close(env, file);
	return err;
}

enum froe_err
store_write(struct io_env *env, const struct paths *paths, const struct store *store,
    struct froe_fault *fault)
{
	struct path temporary = path_join(paths->dir, "STORE.tmp");
	struct path path = path_join(paths->dir, "STORE");
	uint8_t *blocks = mem_pages(STORE_FILE_BYTES);

	block_begin(blocks, store_magic, store->id);
	le64_store(blocks + STORE_SHARDS, 1);
	le64_store(blocks + STORE_SEGMENT_BYTES, store->segment_bytes);
	le32_store(blocks + STORE_BLOCK_BYTES, LOG_BLOCK_BYTES);
	le64_store(blocks + STORE_CREATED, io_wall_ns(env));
	block_close(blocks);
	memcpy(blocks + LOG_BLOCK_BYTES, blocks, LOG_BLOCK_BYTES);
	enum froe_err err = store_write_file(env, temporary.text, blocks, fault);
	mem_pages_free(blocks, STORE_FILE_BYTES);
	if (err == FROE_OK)
		err = io_path_rename(env, temporary.text, path.text, fault);
	failpoint_pass(FAILPOINT_create_renamed);
	if (err == FROE_OK)
		err = io_path_sync_dir(env, paths->dir, fault);
	return err;
}
