/*
 * Which cold files are merged, and what of them goes on. A sweep goes through the extents of all
 * files side by side, run by run (each file is sorted by runs): so a look at a million extents in
 * some dozen files takes one pass, and no search.
 */
#include "log/retention_int.h"

#include "base/mem.h"
#include "log/log_int.h"

#include <stdlib.h>

/* More than this make look-ups slow: the smaller ones become one. */
#define RETENTION_FILES_MAX 16u

struct sweep {
	const struct cold_set *set;
	size_t *from; /* of each file: the run's extents in it */
	size_t *to;
	uint64_t run_key;
	const struct cold_extent *last; /* the last thing that is said about the run */
};

static void
sweep_begin(struct sweep *sweep, const struct cold_set *set)
{
	*sweep = (struct sweep){
	    .set = set,
	    .from = mem_array(set->count + 1, sizeof(size_t)),
	    .to = mem_array(set->count + 1, sizeof(size_t)),
	};
	for (size_t i = 0; i < set->count; i++)
		sweep->from[i] = sweep->to[i] = 0;
}

static void
sweep_end(struct sweep *sweep)
{
	mem_free(sweep->from);
	mem_free(sweep->to);
}

static bool
sweep_lowest(struct sweep *sweep)
{
	bool found = false;
	for (size_t i = 0; i < sweep->set->count; i++) {
		const struct cold_file *file = sweep->set->files[i];
		sweep->from[i] = sweep->to[i];
		if (sweep->from[i] == file->count)
			continue;
		uint64_t run_key = file->extents[sweep->from[i]].run_key;
		if (!found || run_key < sweep->run_key)
			sweep->run_key = run_key;
		found = true;
	}
	return found;
}

/* The next run that any file has something of; false: there is none. */
static bool
sweep_next(struct sweep *sweep)
{
	if (!sweep_lowest(sweep))
		return false;
	sweep->last = NULL;
	for (size_t i = 0; i < sweep->set->count; i++) {
		const struct cold_file *file = sweep->set->files[i];
		size_t to = sweep->from[i];
		while (to < file->count && file->extents[to].run_key == sweep->run_key)
			to++;
		sweep->to[i] = to;
		if (to > sweep->from[i] &&
		    (sweep->last == NULL || file->extents[to - 1].first_no > sweep->last->first_no))
			sweep->last = &file->extents[to - 1];
	}
	return true;
}

/* Has a file that is not among `victims` records of the run? Then a marker is still needed. A
 * marker comes after all records. `victims` NULL: all files count. */
static bool
sweep_has_records(const struct sweep *sweep, const bool *victims)
{
	for (size_t i = 0; i < sweep->set->count; i++) {
		if (sweep->from[i] == sweep->to[i] || (victims != NULL && victims[i]))
			continue;
		if ((sweep->set->files[i]->extents[sweep->from[i]].flags & COLD_GONE) == 0)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------------------- victims */

struct tally {
	uint64_t all; /* bytes, and one an extent */
	uint64_t live;
};

static void
tally_run(struct tally *tallies, const struct sweep *sweep, bool lives)
{
	bool marked = sweep_has_records(sweep, NULL);
	for (size_t i = 0; i < sweep->set->count; i++) {
		for (size_t j = sweep->from[i]; j < sweep->to[i]; j++) {
			const struct cold_extent *extent = &sweep->set->files[i]->extents[j];
			bool stays = (extent->flags & COLD_GONE) != 0 ? marked : lives;
			tallies[i].all += extent->bytes + 1;
			tallies[i].live += stays ? extent->bytes + 1 : 0;
		}
	}
}

static struct tally *
tally_files(const struct retention *retention)
{
	struct tally *tallies = mem_zalloc((retention->set->count + 1) * sizeof(*tallies));
	struct sweep sweep;
	sweep_begin(&sweep, retention->set);
	while (sweep_next(&sweep))
		tally_run(tallies, &sweep, retention_lives(retention, sweep.last));
	sweep_end(&sweep);
	return tallies;
}

bool
retention_wants_merge(struct retention *retention)
{
	const struct cold_set *set = retention->set;
	struct tally *tallies = tally_files(retention);
	uint64_t cold_bytes = 0;
	size_t count = 0;
	bool dead = false;
	retention->victims = mem_array(set->count + 1, sizeof(struct cold_file *));
	for (size_t i = 0; i < set->count; i++)
		cold_bytes += set->files[i]->bytes;
	for (size_t i = 0; i < set->count; i++) {
		bool half_dead = tallies[i].live * 2 < tallies[i].all;
		bool small = set->files[i]->bytes <= cold_bytes / set->count;
		dead = dead || half_dead;
		if (half_dead || (set->count > RETENTION_FILES_MAX && small))
			retention->victims[count++] = set->files[i];
	}
	mem_free(tallies);
	if (count == 1 && !dead)
		count = 0; /* it would only be copied */
	retention->victim_count = count;
	return count > 0;
}

bool
retention_is_victim(const struct retention *retention, const struct cold_file *file)
{
	for (size_t i = 0; i < retention->victim_count; i++) {
		if (retention->victims[i] == file)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------------ what goes on */

static void
collect_records(struct retention *retention, const struct sweep *sweep, size_t index)
{
	const struct cold_file *file = sweep->set->files[index];
	for (size_t i = sweep->from[index]; i < sweep->to[index]; i++) {
		*retention_item_add(retention) = (struct retention_item){
		    .run_key = sweep->run_key,
		    .no = file->extents[i].first_no,
		    .file = file,
		    .extent = &file->extents[i],
		};
	}
}

/* Of the victims: the run's records, or one marker that it is gone, or nothing. */
static void
collect_run(struct retention *retention, const struct sweep *sweep, const bool *victims)
{
	bool lives = retention_lives(retention, sweep->last), there = false;
	for (size_t i = 0; i < sweep->set->count; i++) {
		if (!victims[i] || sweep->from[i] == sweep->to[i])
			continue;
		there = true;
		if (lives)
			collect_records(retention, sweep, i);
	}
	if (there && !lives && sweep_has_records(sweep, victims))
		*retention_item_add(retention) =
		    (struct retention_item){.run_key = sweep->run_key};
}

void
retention_collect_victims(struct retention *retention)
{
	const struct cold_set *set = retention->set;
	bool *victims = mem_zalloc(set->count + 1);
	struct sweep sweep;
	for (size_t i = 0; i < set->count; i++)
		victims[i] = retention_is_victim(retention, set->files[i]);
	sweep_begin(&sweep, set);
	while (sweep_next(&sweep))
		collect_run(retention, &sweep, victims);
	sweep_end(&sweep);
	mem_free(victims);
	retention_sort_items(retention);
}
