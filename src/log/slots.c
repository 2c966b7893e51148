#include "log/slots_int.h"

#include "base/mem.h"
#include "base/plant.h"
#include "io/file.h"
#include "log/block_int.h"
#include "log/paths_int.h"

#include <stdio.h>

#define SLOTS_BYTES (2 * LOG_BLOCK_BYTES)
enum slots_offset {
	SLOTS_VERSION = 32,
	SLOTS_EPOCH = 40,
	SLOTS_WORD_FIRST = 48,
};

struct slots_row {
	const char *name;
	char magic[8];
};

static const struct slots_row slots_table[] = {
    [SLOTS_MANIFEST] = {"MANIFEST", {'F', 'R', 'O', 'E', 'M', 'A', 'N', 0x1a}},
    [SLOTS_WATERMARK] = {"WATERMARK", {'F', 'R', 'O', 'E', 'W', 'M', 'K', 0x1a}},
};

const char *
slots_name(enum slots_kind kind)
{
	return slots_table[kind].name;
}

static void
slots_encode(uint8_t *block, enum slots_kind kind, struct uuid store, uint64_t version,
    const struct slots_value *value)
{
	block_begin(block, slots_table[kind].magic, store);
	le64_store(block + SLOTS_VERSION, version);
	le64_store(block + SLOTS_EPOCH, value->epoch);
	for (size_t i = 0; i < SLOTS_WORDS; i++)
		le64_store(block + SLOTS_WORD_FIRST + 8 * i, value->words[i]);
	block_close(block);
}

static enum froe_err
slots_create_file(struct io_env *env, const char *path, const uint8_t *blocks,
    struct froe_fault *fault)
{
	int file;
	enum froe_err err = io_file_open(env, path,
	    IO_OPEN_READ | IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_DIRECT, &file, fault);
	if (err != FROE_OK)
		return err;
	err = io_file_write(env, file, blocks, SLOTS_BYTES, 0, fault);
	if (err == FROE_OK)
		err = io_file_sync(env, file, fault);
	io_file_close(env, file);
	return err;
}

enum froe_err
slots_create(struct io_env *env, const char *directory, enum slots_kind kind, struct uuid store,
    const struct slots_value *value, struct froe_fault *fault)
{
	char name[32];
	snprintf(name, sizeof(name), "%s.tmp", slots_name(kind));
	struct path temporary = path_join(directory, name);
	struct path path = path_join(directory, slots_name(kind));
	uint8_t *blocks = mem_pages(SLOTS_BYTES);

	slots_encode(blocks, kind, store, 1, value);
	slots_encode(blocks + LOG_BLOCK_BYTES, kind, store, 2, value);
	enum froe_err err = slots_create_file(env, temporary.text, blocks, fault);
	if (err == FROE_OK)
		err = io_path_rename(env, temporary.text, path.text, fault);
	mem_pages_free(blocks, SLOTS_BYTES);
	return err;
}

static void
slots_decode(struct slots *slots, const uint8_t *block, unsigned which)
{
	slots->version = le64_load(block + SLOTS_VERSION);
	slots->newest = which;
	slots->value.epoch = le64_load(block + SLOTS_EPOCH);
	for (size_t i = 0; i < SLOTS_WORDS; i++)
		slots->value.words[i] = le64_load(block + SLOTS_WORD_FIRST + 8 * i);
}

/* Takes the newest valid slot of the two; *ret_bad is how many do not verify. */
static enum froe_err
slots_choose(struct slots *slots, const uint8_t *blocks, unsigned *ret_bad,
    struct froe_fault *fault)
{
	const char *name = slots_name(slots->kind);
	unsigned bad = 0;
	bool found = false;

	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *block = blocks + (size_t)i * LOG_BLOCK_BYTES;
		if (!block_verify(block, slots_table[slots->kind].magic)) {
			bad++;
			continue;
		}
		enum froe_err err = block_check_version(block, /* featured= */ false, name, fault);
		if (err != FROE_OK)
			return err;
		if (!uuid_equal(block_store(block), slots->store))
			return fault_set(fault, FROE_CORRUPT,
			    "%s belongs to another store: restore the data directory as a whole",
			    name);
		if (!found || le64_load(block + SLOTS_VERSION) > slots->version)
			slots_decode(slots, block, i);
		found = true;
	}
	*ret_bad = bad;
	if (!found)
		return fault_set(fault, FROE_CORRUPT,
		    "%s: both slots are damaged, which no crash can do: restore the data directory "
		    "from a backup", name);
	return FROE_OK;
}

static enum froe_err
slots_load(struct slots *slots, unsigned *ret_bad, struct froe_fault *fault)
{
	uint8_t *blocks = mem_pages(SLOTS_BYTES);
	enum froe_err err = io_file_read(slots->env, slots->file, blocks, SLOTS_BYTES, 0, fault);
	if (err == FROE_OK)
		err = slots_choose(slots, blocks, ret_bad, fault);
	mem_pages_free(blocks, SLOTS_BYTES);
	return err;
}

enum froe_err
slots_open(struct slots *slots, struct io_env *env, const char *directory, enum slots_kind kind,
    struct uuid store, bool read_only, struct froe_fault *fault)
{
	struct path path = path_join(directory, slots_name(kind));
	unsigned flags = IO_OPEN_READ | IO_OPEN_DIRECT;
	unsigned bad = 0;

	if (!read_only)
		flags |= IO_OPEN_WRITE | IO_OPEN_DSYNC;
	*slots = (struct slots){.env = env, .kind = kind, .store = store, .file = -1};
	enum froe_err err = io_file_open(env, path.text, flags, &slots->file, fault);
	if (err == FROE_NOT_FOUND)
		return fault_set(fault, FROE_CORRUPT,
		    "%s is missing: restore the data directory from a backup", path.text);
	if (err != FROE_OK)
		return err;
	err = slots_load(slots, &bad, fault);
	if (err == FROE_OK && bad != 0 && !read_only)
		err = slots_write(slots, &slots->value, fault); /* over the bad one */
	if (err != FROE_OK)
		slots_close(slots);
	return err;
}

void
slots_close(struct slots *slots)
{
	if (slots->file >= 0)
		io_file_close(slots->env, slots->file);
	slots->file = -1;
}

uint64_t
slots_next(struct slots *slots, const struct slots_value *value, uint8_t *block)
{
	slots->value = *value;
	slots->version++;
	slots->newest ^= plant(SLOT_IN_PLACE) ? 0 : 1;
	slots_encode(block, slots->kind, slots->store, slots->version, value);
	return (uint64_t)slots->newest * LOG_BLOCK_BYTES;
}

enum froe_err
slots_write(struct slots *slots, const struct slots_value *value, struct froe_fault *fault)
{
	uint8_t *block = mem_pages(LOG_BLOCK_BYTES);
	uint64_t offset = slots_next(slots, value, block);
	enum froe_err err =
	    io_file_write(slots->env, slots->file, block, LOG_BLOCK_BYTES, offset, fault);
	mem_pages_free(block, LOG_BLOCK_BYTES);
	return err;
}
