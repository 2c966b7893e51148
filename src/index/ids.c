/*
 * Writing: for the first id that is to be written, its leaf is looked for, and the one behind it;
 * what belongs between the two is merged with what the leaf has, and becomes one leaf or several
 * of one size. Most of a batch belongs behind the last leaf: those are appended.
 */
#include "index/ids_int.h"

#include "base/hash.h"
#include "index/index_int.h"

/* The leaf that an id belongs to. */
struct leaf {
	struct uuid key;
	bool present;	 /* else it is new, and empty */
	struct uuid end; /* with has_end: the next one's key */
	bool has_end;
};

static uint64_t
leaf_hash(struct bytes key, const uint8_t *value, size_t size)
{
	return hash64(value + IDS_HEAD_SIZE, size - IDS_HEAD_SIZE, hash64(key.data, key.size, 0));
}

static int
id_compare(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, ROW_ID_SIZE);
}

size_t
ids_encode(struct uuid key, const uint8_t *entries, uint32_t count, uint8_t to[IDS_VALUE_SIZE_MAX])
{
	size_t size = IDS_HEAD_SIZE + (size_t)count * IDS_ENTRY_SIZE;
	froe_assert(count > 0 && count <= IDS_MAX);
	memcpy(to + IDS_HEAD_SIZE, entries, size - IDS_HEAD_SIZE);
	le64_store(to, leaf_hash(bytes_of(key.bytes, ROW_ID_SIZE), to, size));
	return size;
}

bool
ids_decode(struct bytes key, struct bytes value, uint32_t *ret_count)
{
	if (key.size != ROW_ID_SIZE || value.size <= IDS_HEAD_SIZE ||
	    value.size > IDS_VALUE_SIZE_MAX || (value.size - IDS_HEAD_SIZE) % IDS_ENTRY_SIZE != 0 ||
	    le64_load(value.data) != leaf_hash(key, value.data, value.size))
		return false;
	const uint8_t *at = value.data + IDS_HEAD_SIZE;
	*ret_count = (uint32_t)((value.size - IDS_HEAD_SIZE) / IDS_ENTRY_SIZE);
	if (id_compare(at, key.data) < 0)
		return false;
	for (uint32_t i = 1; i < *ret_count; i++, at += IDS_ENTRY_SIZE) {
		if (id_compare(at, at + IDS_ENTRY_SIZE) >= 0)
			return false;
	}
	return true;
}

/* -------------------------------------------------------------------------------------- finding */

/* Onto the last leaf whose key is not above the id; *ret_next: the one behind it, size 0: none.
 * MDB_NOTFOUND: there is no such leaf, only perhaps one behind. */
static int
leaf_seek(
    MDB_cursor *cursor, struct uuid id, MDB_val *ret_key, MDB_val *ret_value, MDB_val *ret_next)
{
	*ret_key = (MDB_val){.mv_data = id.bytes, .mv_size = ROW_ID_SIZE};
	*ret_next = (MDB_val){0};
	int code = mdb_cursor_get(cursor, ret_key, ret_value, MDB_SET_RANGE);
	if (code == MDB_NOTFOUND)
		return mdb_cursor_get(cursor, ret_key, ret_value, MDB_LAST);
	if (code != 0)
		return code;
	if (ret_key->mv_size != ROW_ID_SIZE)
		return MDB_CORRUPTED;
	if (id_compare(ret_key->mv_data, id.bytes) != 0) {
		*ret_next = *ret_key;
		return mdb_cursor_get(cursor, ret_key, ret_value, MDB_PREV);
	}
	MDB_val key, value;
	code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	if (code != 0)
		return code == MDB_NOTFOUND ? 0 : code;
	if (key.mv_size != ROW_ID_SIZE)
		return MDB_CORRUPTED;
	*ret_next = key;
	return 0;
}

int
ids_find(MDB_cursor *cursor, struct uuid id, struct row_key *ret_key)
{
	MDB_val key, value, next;
	uint32_t low = 0, high;
	int code = leaf_seek(cursor, id, &key, &value, &next);
	if (code != 0)
		return code;
	if (!ids_decode(
		bytes_of(key.mv_data, key.mv_size), bytes_of(value.mv_data, value.mv_size), &high))
		return MDB_CORRUPTED;
	const uint8_t *entries = (const uint8_t *)value.mv_data + IDS_HEAD_SIZE;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const uint8_t *entry = entries + (size_t)middle * IDS_ENTRY_SIZE;
		int order = id_compare(entry, id.bytes);
		if (order == 0) {
			memcpy(ret_key->bytes, entry + ROW_ID_SIZE, ROW_KEY_SIZE);
			return 0;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return MDB_NOTFOUND;
}

/* -------------------------------------------------------------------------------------- writing */

/* The leaf that the id belongs to; what it has is copied to `had`. */
static int
leaf_load(MDB_cursor *cursor, struct uuid id, struct leaf *leaf, struct buf *had)
{
	MDB_val key, value, next;
	uint32_t count;
	int code = leaf_seek(cursor, id, &key, &value, &next);
	buf_reset(had);
	*leaf = (struct leaf){.key = id, .present = code == 0, .has_end = next.mv_size != 0};
	if (leaf->has_end)
		memcpy(leaf->end.bytes, next.mv_data, ROW_ID_SIZE);
	if (code != 0)
		return code == MDB_NOTFOUND ? 0 : code;
	if (!ids_decode(
		bytes_of(key.mv_data, key.mv_size), bytes_of(value.mv_data, value.mv_size), &count))
		return MDB_CORRUPTED;
	memcpy(leaf->key.bytes, key.mv_data, ROW_ID_SIZE);
	buf_push(
	    had, (const uint8_t *)value.mv_data + IDS_HEAD_SIZE, (size_t)count * IDS_ENTRY_SIZE);
	return 0;
}

static void
entry_push(struct buf *to, struct uuid id, struct row_key key)
{
	uint8_t *entry = buf_reserve(to, IDS_ENTRY_SIZE);
	memcpy(entry, id.bytes, ROW_ID_SIZE);
	memcpy(entry + ROW_ID_SIZE, key.bytes, ROW_KEY_SIZE);
	buf_commit(to, IDS_ENTRY_SIZE);
}

/* All changes of the id that comes next, in the order of time; returns how many. Two runs may have
 * had one id, the first of them so long ago that the engine does not know it any more
 * (ENG_CLOSED_TTL_NS): the id is the newer one's, whichever of them is put or goes first. */
static size_t
id_change(const struct places *places, size_t first, bool *has, struct row_key *key)
{
	const struct place *place = &places->all[places->sorted[first].at];
	struct uuid id = place->id;
	size_t at = first;
	for (;;) {
		if (place->gone)
			*has = *has && memcmp(key->bytes, place->key.bytes, ROW_KEY_SIZE) != 0;
		else if (!*has || row_key_number(&place->key) >= row_key_number(key)) {
			*key = place->key;
			*has = true;
		}
		if (++at == places->count)
			break;
		place = &places->all[places->sorted[at].at];
		if (!uuid_equal(place->id, id))
			break;
	}
	return at - first;
}

/* The leaf's ids with what changes among them, from places->sorted[at] on; returns where what
 * belongs behind the leaf begins. */
static size_t
leaf_merge(const struct leaf *leaf, const struct places *places, size_t at, const struct buf *had,
    struct buf *now)
{
	const uint8_t *entry = had->data, *end = entry + had->size;
	buf_reset(now);
	while (at < places->count) {
		struct uuid id = places->all[places->sorted[at].at].id;
		struct row_key key;
		int order = 1;
		if (leaf->has_end && id_compare(id.bytes, leaf->end.bytes) >= 0)
			break;
		for (; entry != end; entry += IDS_ENTRY_SIZE) {
			order = id_compare(entry, id.bytes);
			if (order >= 0)
				break;
			buf_push(now, entry, IDS_ENTRY_SIZE);
		}
		bool has = entry != end && order == 0;
		if (has) {
			memcpy(key.bytes, entry + ROW_ID_SIZE, ROW_KEY_SIZE);
			entry += IDS_ENTRY_SIZE;
		}
		at += id_change(places, at, &has, &key);
		if (has)
			entry_push(now, id, key);
	}
	buf_push(now, entry, (size_t)(end - entry));
	return at;
}

static int
leaf_remove(MDB_cursor *cursor, const struct leaf *leaf)
{
	struct uuid id = leaf->key;
	MDB_val key = {.mv_data = id.bytes, .mv_size = ROW_ID_SIZE}, value;
	if (!leaf->present)
		return 0;
	int code = mdb_cursor_get(cursor, &key, &value, MDB_SET);
	return code == 0 ? mdb_cursor_del(cursor, 0) : code;
}

static int
leaf_store(MDB_cursor *cursor, const struct leaf *leaf, const struct buf *now)
{
	uint8_t bytes[IDS_VALUE_SIZE_MAX];
	size_t count = now->size / IDS_ENTRY_SIZE, pieces = (count + IDS_MAX - 1) / IDS_MAX;
	int code = 0;
	for (size_t i = 0; i < pieces && code == 0; i++) {
		size_t from = count * i / pieces, to = count * (i + 1) / pieces;
		const uint8_t *entries = now->data + from * IDS_ENTRY_SIZE;
		bool new = i > 0 || !leaf->present;
		struct uuid id = leaf->key;
		if (i > 0)
			memcpy(id.bytes, entries, ROW_ID_SIZE);
		MDB_val key = {.mv_data = id.bytes, .mv_size = ROW_ID_SIZE};
		MDB_val value = {
		    .mv_data = bytes,
		    .mv_size = ids_encode(id, entries, (uint32_t)(to - from), bytes),
		};
		code = mdb_cursor_put(cursor, &key, &value, new && !leaf->has_end ? MDB_APPEND : 0);
	}
	return code;
}

int
ids_write(MDB_cursor *cursor, const struct places *places, struct buf *had, struct buf *now)
{
	int code = 0;
	for (size_t at = 0; at < places->count && code == 0;) {
		struct leaf leaf;
		code = leaf_load(cursor, places->all[places->sorted[at].at].id, &leaf, had);
		if (code != 0)
			return code;
		at = leaf_merge(&leaf, places, at, had, now);
		code = now->size > 0 ? leaf_store(cursor, &leaf, now) : leaf_remove(cursor, &leaf);
	}
	return code;
}
