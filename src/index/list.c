/*
 * A list: each condition that has posting lists is a cut (index/cut_int.h). From the top down: the
 * highest block that all cuts have; of it, the runs that are in all of them, below the cursor and
 * within the time's numbers; of each, the row, which has the last word (hashes collide). Times
 * become numbers first: runs' numbers ascend with the time of their creation, so a bound is found
 * by halving. Without a condition, it is the rows themselves, backwards.
 */
#include "index/cut_int.h"

#include "index/texts.h"

/* Look-ups that one page may take before it ends early. */
#define STEPS_MAX 20000u
/* Workflow, statuses, marks, parent, worker, and the pairs. */
#define CUTS_MAX (5u + INDEX_METADATA_MAX)

struct query {
	struct index *index;
	const struct index_filter *filter;
	bool (*each)(void *context, const struct index_run *run);
	void *context;
	MDB_txn *txn;
	MDB_cursor *runs;
	uint64_t low; /* numbers in [low, high) */
	uint64_t high;
	struct cut cuts[CUTS_MAX];
	uint32_t cut_count;
	uint64_t next;
	bool stop;
};

/* ---------------------------------------------------------------------------------------- rows */

static int
row_take(MDB_val key, MDB_val value, struct index_run *ret_run)
{
	return row_decode(bytes_of(key.mv_data, key.mv_size),
	    bytes_of(value.mv_data, value.mv_size), ret_run) ? 0 : MDB_CORRUPTED;
}

/* The tenant's first row from `number` on. */
static int
row_ceiling(struct query *query, uint64_t number, struct index_run *ret_run)
{
	struct row_key want = row_key_of(query->filter->tenant, number);
	MDB_val key = {.mv_data = want.bytes, .mv_size = ROW_KEY_SIZE}, value;
	int code = mdb_cursor_get(query->runs, &key, &value, MDB_SET_RANGE);
	if (code == 0)
		code = row_take(key, value, ret_run);
	return code == 0 && ret_run->tenant != query->filter->tenant ? MDB_NOTFOUND : code;
}

/* The tenant's last row below `number`; 0: its last one. */
static int
row_below(struct query *query, uint64_t number, struct index_run *ret_run)
{
	uint32_t tenant = query->filter->tenant;
	bool last = number == 0 && tenant == UINT32_MAX;
	struct row_key want =
	    number > 0 || last ? row_key_of(tenant, number) : row_key_of(tenant + 1, 0);
	MDB_val key = {.mv_data = want.bytes, .mv_size = ROW_KEY_SIZE}, value;
	int code = last ? MDB_NOTFOUND
	                : mdb_cursor_get(query->runs, &key, &value, MDB_SET_RANGE);
	if (code == 0 || code == MDB_NOTFOUND)
		code = mdb_cursor_get(query->runs, &key, &value,
		    code == 0 ? MDB_PREV : MDB_LAST);
	if (code == 0)
		code = row_take(key, value, ret_run);
	return code == 0 && ret_run->tenant != tenant ? MDB_NOTFOUND : code;
}

/* The lowest number in [low, high] whose run was created at or after `time_ns`; high: none was. */
static int
time_number(struct query *query, uint64_t time_ns, uint64_t *ret_number)
{
	uint64_t low = query->low, high = query->high;
	struct index_run run;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int code = row_ceiling(query, middle, &run);
		if (code != 0 && code != MDB_NOTFOUND)
			return code;
		if (code == MDB_NOTFOUND || run.number >= high || run.created_ns >= time_ns)
			high = middle;
		else
			low = run.number + 1;
	}
	*ret_number = low;
	return 0;
}

/* [low, high): what the cursor and the times leave of the tenant's numbers. */
static int
query_bounds(struct query *query)
{
	const struct index_filter *filter = query->filter;
	struct index_run first, last;
	int code = row_ceiling(query, 0, &first);
	if (code == 0)
		code = row_below(query, filter->before, &last);
	if (code != 0)
		return code;
	query->low = first.number;
	query->high = last.number + 1; /* 0: beyond the highest number there can be */
	if (query->high == 0)
		query->high = UINT64_MAX;
	bool all = last.number == UINT64_MAX;
	if (filter->until_ns != 0) {
		code = time_number(query, filter->until_ns, &query->high);
		all = false;
	}
	if (code == 0 && filter->since_ns != 0)
		code = time_number(query, filter->since_ns, &query->low);
	if (all)
		query->high = 0;
	return code;
}

static bool
run_fits(const struct index_filter *filter, const struct index_run *run)
{
	struct bytes at = filter->metadata, key, value;
	bool open = run->finished_ns == 0;
	if (run->seq == 0) /* touched, but not put yet */
		return false;
	if (filter->workflow.size != 0 && !bytes_equal(filter->workflow, run->workflow))
		return false;
	if (!uuid_is_nil(filter->parent) && !uuid_equal(filter->parent, run->parent))
		return false;
	if (filter->worker.size != 0 && !texts_have(run->workers, filter->worker))
		return false;
	if ((filter->statuses != 0 || filter->kinds != 0) &&
	    !(open ? filter->kinds != 0 : (filter->statuses & 1u << run->status) != 0))
		return false;
	while (texts_next(&at, &key) && texts_next(&at, &value)) {
		if (!texts_have_pair(run->metadata, key, value))
			return false;
	}
	return true;
}

static void
query_give(struct query *query, const struct index_run *run)
{
	if (!run_fits(query->filter, run))
		return;
	query->next = run->number;
	query->stop = !query->each(query->context, run);
}

/* ---------------------------------------------------------------------------------------- cuts */

static struct cut *
query_cut(struct query *query)
{
	froe_assert(query->cut_count < CUTS_MAX);
	struct cut *cut = &query->cuts[query->cut_count++];
	*cut = (struct cut){
	    .index = query->index,
	    .tenant = query->filter->tenant,
	    .group_low = query->low >> POST_BLOCK_BITS >> POST_GROUP_BITS,
	    .open = query->filter->open,
	};
	return cut;
}

static int
cut_statuses(struct query *query)
{
	const struct index_filter *filter = query->filter;
	int code = 0;
	if (filter->statuses == 0 && filter->kinds == 0)
		return 0;
	struct cut *cut = query_cut(query);
	cut->kinds = filter->kinds;
	for (uint8_t status = 0; status < 32 && code == 0; status++) {
		if ((filter->statuses & UINT32_C(1) << status) != 0)
			code = cut_add(cut, query->txn, post_term_status(status));
	}
	return code;
}

static int
cut_one(struct query *query, bool wanted, struct post_term term)
{
	return wanted ? cut_add(query_cut(query), query->txn, term) : 0;
}

static int
query_cuts(struct query *query)
{
	const struct index_filter *filter = query->filter;
	struct bytes at = filter->metadata, key, value;
	int code = cut_statuses(query);
	if (filter->marks != 0)
		query_cut(query)->kinds = filter->marks;
	if (code == 0)
		code = cut_one(query, filter->workflow.size != 0,
		    post_term_of(POST_WORKFLOW, filter->workflow));
	if (code == 0)
		code = cut_one(query, !uuid_is_nil(filter->parent),
		    post_term_of(POST_PARENT, bytes_of(filter->parent.bytes, ROW_ID_SIZE)));
	if (code == 0)
		code = cut_one(query, filter->worker.size != 0,
		    post_term_of(POST_WORKER, filter->worker));
	while (code == 0 && texts_next(&at, &key) && texts_next(&at, &value))
		code = cut_one(query, true, post_term_pair(key, value));
	return code;
}

/* The highest block up to *at that all cuts have. */
static int
query_block(struct query *query, uint64_t *at)
{
	for (uint32_t i = 0; i < query->cut_count;) {
		uint64_t found;
		int code = cut_floor(&query->cuts[i], *at, &found);
		if (code != 0)
			return code;
		/* Lower than what the ones before have: all over again from there. */
		i = found < *at && i > 0 ? 0 : i + 1;
		*at = found;
	}
	return 0;
}

static uint64_t
query_steps(const struct query *query)
{
	uint64_t steps = 0;
	for (uint32_t i = 0; i < query->cut_count; i++)
		steps += query->cuts[i].steps;
	return steps;
}

static int
query_row(struct query *query, uint64_t number)
{
	struct row_key want = row_key_of(query->filter->tenant, number);
	struct index_run run;
	MDB_val key = {.mv_data = want.bytes, .mv_size = ROW_KEY_SIZE}, value;
	int code = mdb_cursor_get(query->runs, &key, &value, MDB_SET_KEY);
	if (code == MDB_NOTFOUND)
		return 0; /* an open run that is not put yet */
	if (code == 0)
		code = row_take(key, value, &run);
	if (code == 0)
		query_give(query, &run);
	return code;
}

/* The runs of a block that all cuts have. */
static int
query_runs(struct query *query, uint64_t at)
{
	uint64_t base = at << POST_BLOCK_BITS;
	int code = 0;
	for (uint32_t i = POST_WORDS; i-- > 0 && !query->stop && code == 0;) {
		uint64_t word = UINT64_MAX;
		for (uint32_t cut = 0; cut < query->cut_count; cut++)
			word &= query->cuts[cut].block.words[i];
		while (word != 0 && !query->stop && code == 0) {
			uint64_t bit = 63u - (uint64_t)__builtin_clzll(word);
			uint64_t number = base + i * 64 + bit;
			word &= ~(UINT64_C(1) << bit);
			if (number < query->low)
				return 0;
			if (query->high == 0 || number < query->high)
				code = query_row(query, number);
		}
	}
	return code;
}

static int
query_cut_down(struct query *query)
{
	uint64_t at = (query->high - 1) >> POST_BLOCK_BITS;
	uint64_t low = query->low >> POST_BLOCK_BITS;
	int code;
	while ((code = query_block(query, &at)) == 0 && at >= low) {
		code = query_runs(query, at);
		if (code != 0 || query->stop)
			return code;
		if (at == low)
			break;
		if (query_steps(query) > STEPS_MAX) {
			query->next = at << POST_BLOCK_BITS;
			query->stop = true;
			return 0;
		}
		at--;
	}
	return code == MDB_NOTFOUND ? 0 : code;
}

/* No cuts: the rows as they come. */
static int
query_walk(struct query *query)
{
	MDB_val key, value;
	struct index_run run;
	int code = row_below(query, query->high, &run);
	while (code == 0 && run.tenant == query->filter->tenant && run.number >= query->low) {
		query_give(query, &run);
		if (query->stop)
			return 0;
		code = mdb_cursor_get(query->runs, &key, &value, MDB_PREV);
		if (code == 0)
			code = row_take(key, value, &run);
	}
	return code == MDB_NOTFOUND ? 0 : code;
}

static int
query_run(struct query *query)
{
	int code = mdb_cursor_open(query->txn, query->index->runs, &query->runs);
	if (code == 0)
		code = query_bounds(query);
	if (code == MDB_NOTFOUND)
		return 0; /* the tenant has none */
	if (code != 0 || (query->low >= query->high && query->high != 0))
		return code;
	code = query_cuts(query);
	if (code != 0)
		return code;
	return query->cut_count > 0 ? query_cut_down(query) : query_walk(query);
}

enum froe_err
index_list(struct index *index, const struct index_filter *filter,
    bool (*each)(void *context, const struct index_run *run), void *context, uint64_t *ret_next)
{
	struct query query = {
	    .index = index,
	    .filter = filter,
	    .each = each,
	    .context = context,
	};
	int code = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &query.txn);
	*ret_next = 0;
	if (code != 0)
		return index_fault(index, code, "begin", NULL);
	code = query_run(&query);
	for (uint32_t i = 0; i < query.cut_count; i++)
		cut_release(&query.cuts[i]);
	if (query.runs != NULL)
		mdb_cursor_close(query.runs);
	mdb_txn_abort(query.txn);
	if (code != 0)
		return index_fault(index, code, "list", NULL);
	*ret_next = query.stop && query.next > query.low ? query.next : 0;
	return FROE_OK;
}
