/*
 * engine/metadata: a run's additional metadata: pairs of texts that its children inherit.
 */
#include "engine/engine_int.h"

#include "base/json.h"

#define PACKED_HEAD_BYTES 2u
_Static_assert(FROE_METADATA_BYTES_MAX <= UINT16_MAX, "a text's size has two bytes");

static bool
key_known(const struct bytes *texts, uint32_t count, struct bytes key)
{
	for (uint32_t i = 0; i < count; i += 2) {
		if (bytes_equal(texts[i], key))
			return true;
	}
	return false;
}

const char *
metadata_fault(const struct bytes *texts, uint32_t count)
{
	size_t size = 0;
	if (count % 2 != 0)
		return "a key without a value";
	if (count > 2 * FROE_METADATA_PAIRS_MAX)
		return "more than 64 pairs (with those that a child inherits)";
	for (uint32_t i = 0; i < count; i++) {
		size += texts[i].size;
		if (!utf8_valid(texts[i].data, texts[i].size))
			return "a key or value is not UTF-8 text";
		if (i % 2 == 0 && (texts[i].size == 0 || texts[i].size > FROE_NAME_BYTES_MAX))
			return "a key has 1 to 255 bytes";
		if (i % 2 == 0 && key_known(texts, i, texts[i]))
			return "a key is there twice";
	}
	if (size > FROE_METADATA_BYTES_MAX)
		return "more than 8192 bytes (with those that a child inherits)";
	return NULL;
}

/* The texts behind an array of them, in one block of the size that lay_size() says. */
static const struct bytes *
lay(uint8_t *block, const struct bytes *texts, uint32_t count)
{
	struct bytes *copy = (struct bytes *)(void *)block;
	uint8_t *at = block + count * sizeof(*copy);
	for (uint32_t i = 0; i < count; i++) {
		copy[i] = bytes_of(at, texts[i].size);
		if (texts[i].size > 0)
			memcpy(at, texts[i].data, texts[i].size);
		at += texts[i].size;
	}
	return copy;
}

static size_t
lay_size(const struct bytes *texts, uint32_t count)
{
	size_t size = count * sizeof(*texts);
	for (uint32_t i = 0; i < count; i++)
		size += texts[i].size;
	return size;
}

struct metadata
metadata_copy(struct stock *stock, const struct bytes *texts, uint32_t count)
{
	if (count == 0)
		return (struct metadata){0};
	uint8_t *block = stock_alloc(stock, lay_size(texts, count));
	return (struct metadata){.texts = lay(block, texts, count), .count = count};
}

void
metadata_release(struct stock *stock, struct metadata metadata)
{
	if (metadata.count > 0)
		stock_free(stock, (void *)(uintptr_t)metadata.texts,
		    lay_size(metadata.texts, metadata.count));
}

void
run_keep_metadata(
    struct eng *eng, struct eng_run *run, const struct bytes *texts, uint32_t count)
{
	size_t size = 1;
	if (count == 0)
		return;
	for (uint32_t i = 0; i < count; i++)
		size += PACKED_HEAD_BYTES + texts[i].size;
	uint8_t *at = stock_alloc(&eng->stock, size);
	run->texts = at;
	*at++ = (uint8_t)count;
	for (uint32_t i = 0; i < count; i++) {
		le16_store(at, (uint16_t)texts[i].size);
		if (texts[i].size > 0)
			memcpy(at + PACKED_HEAD_BYTES, texts[i].data, texts[i].size);
		at += PACKED_HEAD_BYTES + texts[i].size;
	}
}

struct bytes
metadata_next(const uint8_t **at)
{
	struct bytes text = bytes_of(*at + PACKED_HEAD_BYTES, le16_load(*at));
	*at = text.data + text.size;
	return text;
}

void
run_drop_metadata(struct eng *eng, struct eng_run *run)
{
	const uint8_t *end = run_texts(run);
	for (uint32_t i = 0; i < run_text_count(run); i++)
		metadata_next(&end);
	stock_free(&eng->stock, (void *)(uintptr_t)run->texts, (size_t)(end - run->texts));
	run->texts = NULL;
}

struct metadata
run_metadata(const struct eng_run *run, struct arena *arena)
{
	uint32_t count = run_text_count(run);
	if (count == 0)
		return (struct metadata){0};
	struct bytes *texts = arena_alloc(arena, count * sizeof(*texts));
	const uint8_t *at = run_texts(run);
	for (uint32_t i = 0; i < count; i++)
		texts[i] = metadata_next(&at);
	return (struct metadata){.texts = texts, .count = count};
}

const struct bytes *
metadata_lend(const struct metadata *metadata, struct arena *arena)
{
	if (metadata->count == 0)
		return NULL;
	uint8_t *block = arena_alloc(arena, lay_size(metadata->texts, metadata->count));
	return lay(block, metadata->texts, metadata->count);
}

struct metadata
metadata_inherit(const struct metadata *parent, const struct bytes *texts, uint32_t count,
    struct arena *arena)
{
	struct bytes *merged = arena_alloc(arena, (parent->count + count) * sizeof(*merged));
	uint32_t kept = 0;
	for (uint32_t i = 0; i < parent->count; i += 2) {
		if (key_known(texts, count, parent->texts[i]))
			continue;
		merged[kept++] = parent->texts[i];
		merged[kept++] = parent->texts[i + 1];
	}
	for (uint32_t i = 0; i < count; i++)
		merged[kept++] = texts[i];
	return (struct metadata){.texts = merged, .count = kept};
}
