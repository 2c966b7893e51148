#include "index/cut_int.h"

#include "base/mem.h"

int
cut_add(struct cut *cut, MDB_txn *txn, struct post_term term)
{
	froe_assert(cut->term_count < CUT_TERMS_MAX);
	struct cut_term *to = mem_zalloc(sizeof(*to));
	cut->terms[cut->term_count++] = to;
	to->term = term;
	return mdb_cursor_open(txn, cut->index->lists, &to->cursor);
}

void
cut_release(struct cut *cut)
{
	for (uint32_t i = 0; i < cut->term_count; i++) {
		if (cut->terms[i]->cursor != NULL)
			mdb_cursor_close(cut->terms[i]->cursor);
		mem_free(cut->terms[i]);
	}
	cut->term_count = 0;
}

/* The entry the cursor stands on is the answer. */
static int
term_take(struct cut_term *term, MDB_val key, MDB_val value)
{
	const uint8_t *bytes = key.mv_data;
	if (!block_decode(bytes_of(key.mv_data, key.mv_size),
	        bytes_of(value.mv_data, value.mv_size), &term->block))
		return MDB_CORRUPTED;
	term->at = post_key_block(bytes);
	term->placed = true;
	return 0;
}

static bool
term_has(const struct cut *cut, const struct cut_term *term, MDB_val key)
{
	return key.mv_size == POST_KEY_SIZE && post_key_has(key.mv_data, cut->tenant, term->term);
}

/* In one group: the highest entry of the term at or below `from`. Else *ret_group is the next group
 * that can have one. */
static int
group_floor(struct cut *cut, struct cut_term *term, uint64_t from, uint64_t *ret_group)
{
	struct post_key want = post_key_of(cut->tenant, term->term, from);
	MDB_val key = {.mv_data = want.bytes, .mv_size = POST_KEY_SIZE}, value;
	uint64_t group = from >> POST_GROUP_BITS;
	cut->steps++;
	*ret_group = UINT64_MAX; /* none */
	int code = mdb_cursor_get(term->cursor, &key, &value, MDB_SET_RANGE);
	bool same = code == 0 && key.mv_size == POST_KEY_SIZE &&
	    memcmp(key.mv_data, want.bytes, POST_KEY_SIZE) == 0;
	if (!same)
		code = mdb_cursor_get(term->cursor, &key, &value,
		    code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
	if (code != 0)
		return code;
	if (key.mv_size != POST_KEY_SIZE)
		return MDB_CORRUPTED;
	if (term_has(cut, term, key))
		return term_take(term, key, value);
	if (post_key_tenant(key.mv_data) == cut->tenant && group > cut->group_low) {
		uint64_t below = post_key_group(key.mv_data);
		*ret_group = below < group ? below : group - 1;
	}
	return MDB_NOTFOUND;
}

static int
term_seek(struct cut *cut, struct cut_term *term, uint64_t from)
{
	uint64_t group;
	int code;
	while ((code = group_floor(cut, term, from, &group)) == MDB_NOTFOUND &&
	    group != UINT64_MAX && group >= cut->group_low)
		from = group << POST_GROUP_BITS | ((1u << POST_GROUP_BITS) - 1);
	return code;
}

/* The entry before the last answer is the next one, as often as not. */
static int
term_step(struct cut *cut, struct cut_term *term, uint64_t from)
{
	MDB_val key, value;
	cut->steps++;
	int code = mdb_cursor_get(term->cursor, &key, &value, MDB_PREV);
	term->placed = false;
	if (code != 0 || !term_has(cut, term, key) || post_key_block(key.mv_data) > from)
		return term_seek(cut, term, from);
	return term_take(term, key, value);
}

static int
term_floor(struct cut *cut, struct cut_term *term, uint64_t from)
{
	bool known = term->placed && term->at <= from && from <= term->asked;
	if (known || term->over)
		return known ? 0 : MDB_NOTFOUND;
	int code = term->placed ? term_step(cut, term, from) : term_seek(cut, term, from);
	term->asked = from;
	term->over = code == MDB_NOTFOUND;
	return code;
}

static void
block_or(struct block *to, const struct block *from)
{
	for (uint32_t i = 0; i < POST_WORDS; i++)
		to->words[i] |= from->words[i];
}

/* The highest block of open runs. */
static bool
open_floor(const struct cut *cut, uint64_t from, uint64_t *ret_at)
{
	uint64_t number = from << POST_BLOCK_BITS | (POST_BLOCK_RUNS - 1);
	if (cut->kinds == 0 ||
	    !openset_floor(cut->open, cut->tenant, cut->kinds, number, &number))
		return false;
	*ret_at = number >> POST_BLOCK_BITS;
	return true;
}

int
cut_floor(struct cut *cut, uint64_t from, uint64_t *ret_at)
{
	uint64_t best = 0;
	bool open = open_floor(cut, from, &best), found = open;
	cut->steps++;
	for (uint32_t i = 0; i < cut->term_count; i++) {
		int code = term_floor(cut, cut->terms[i], from);
		if (code != 0 && code != MDB_NOTFOUND)
			return code;
		if (code == 0 && (!found || cut->terms[i]->at > best))
			best = cut->terms[i]->at;
		found |= code == 0;
	}
	if (!found)
		return MDB_NOTFOUND;
	memset(&cut->block, 0, sizeof(cut->block));
	for (uint32_t i = 0; i < cut->term_count; i++) {
		if (cut->terms[i]->placed && cut->terms[i]->at == best)
			block_or(&cut->block, &cut->terms[i]->block);
	}
	if (open)
		openset_collect(cut->open, cut->tenant, cut->kinds, best << POST_BLOCK_BITS,
		    cut->block.words, POST_WORDS);
	*ret_at = best;
	return 0;
}
