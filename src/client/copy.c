#include "client/copy.h"

#include "client/wire.h"

void *
copy_zeroed(struct arena *arena, size_t count, size_t size)
{
	void *block = arena_alloc(arena, count * size);
	froe_assert(block != NULL);
	memset(block, 0, count * size);
	return block;
}

const char *
copy_text(struct arena *arena, const char *text)
{
	if (text == NULL || text[0] == 0)
		return "";
	return arena_copy(arena, text, strlen(text) + 1);
}

const char *const *
copy_texts(struct arena *arena, char *const *texts, size_t count)
{
	const char **copy = copy_zeroed(arena, count, sizeof(copy[0]));
	for (size_t i = 0; i < count; i++)
		copy[i] = copy_text(arena, texts[i]);
	return copy;
}

struct froe_bytes
copy_bytes(struct arena *arena, ProtobufCBinaryData data)
{
	if (data.len == 0)
		return (struct froe_bytes){0};
	return (struct froe_bytes){
	    .data = arena_copy(arena, data.data, data.len), .size = data.len};
}

const struct froe_pair *
copy_pairs(struct arena *arena, Froe__Pair *const *pairs, size_t count)
{
	struct froe_pair *copy = copy_zeroed(arena, count, sizeof(*copy));
	for (size_t i = 0; i < count; i++) {
		copy[i].key = copy_text(arena, pairs[i]->key);
		copy[i].value = copy_text(arena, pairs[i]->value);
	}
	return copy;
}

struct froe_id
copy_id(ProtobufCBinaryData data)
{
	struct froe_id id = {0};
	FROE_DROP(wire_id_get(data, &id), "an id of another size stays zero");
	return id;
}
