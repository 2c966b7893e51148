#include "log/shelf_int.h"

#include "base/list.h"
#include "base/mem.h"
#include "io/file.h"

struct cold_set *
cold_set_new(uint64_t segment_oldest, uint64_t expired_ns, const struct cold_file *const *files,
    size_t count)
{
	struct cold_set *set = mem_zalloc(sizeof(*set) + count * sizeof(struct cold_file *));
	set->segment_oldest = segment_oldest;
	set->expired_ns = expired_ns;
	set->count = count;
	for (size_t i = 0; i < count; i++)
		set->files[i] = files[i];
	return set;
}

/* const: sets lend their files, the shelf owns them. */
static void
shelf_free_file(const struct cold_file *file)
{
	cold_free((struct cold_file *)(uintptr_t)file);
}

enum froe_err
shelf_open(struct shelf *shelf, struct io_env *env, const struct paths *paths, struct uuid store,
    uint64_t newest, uint64_t segment_oldest, struct froe_fault *fault)
{
	struct cold_file *first = NULL;
	const struct cold_file **files;
	size_t count = 0, have = 0;
	enum froe_err err = FROE_OK;

	if (newest != 0)
		err = cold_open(env, paths, store, newest, &first, fault);
	if (err != FROE_OK)
		return err;
	count = first != NULL ? first->member_count + 1 : 0;
	files = mem_array(count + 1, sizeof(struct cold_file *));
	if (first != NULL)
		files[have++] = first;
	for (size_t i = 0; i + 1 < count && err == FROE_OK; i++) {
		struct cold_file *file;
		err = cold_open(env, paths, store, first->members[i], &file, fault);
		if (err == FROE_OK)
			files[have++] = file;
	}
	if (err == FROE_OK)
		shelf->current = cold_set_new(segment_oldest, 0, files, have);
	for (size_t i = 0; i < have && err != FROE_OK; i++)
		shelf_free_file(files[i]);
	mem_free(files);
	return err;
}

static bool
set_has(const struct cold_set *set, const struct cold_file *file)
{
	for (size_t i = 0; set != NULL && i < set->count; i++) {
		if (set->files[i] == file)
			return true;
	}
	return false;
}

void
shelf_release(struct shelf *shelf)
{
	struct cold_set *next = atomic_load_explicit(&shelf->next, memory_order_acquire);
	struct cold_set *old = atomic_load_explicit(&shelf->old, memory_order_acquire);
	struct cold_set *current = shelf->current;

	for (size_t i = 0; next != NULL && i < next->count; i++) {
		if (!set_has(current, next->files[i]) && !set_has(old, next->files[i]))
			shelf_free_file(next->files[i]);
	}
	for (size_t i = 0; old != NULL && i < old->count; i++) {
		if (!set_has(current, old->files[i]))
			shelf_free_file(old->files[i]);
	}
	for (size_t i = 0; current != NULL && i < current->count; i++)
		shelf_free_file(current->files[i]);
	mem_free(next);
	mem_free(old);
	mem_free(current);
	shelf->current = NULL;
}

/* ------------------------------------------------------------------------------------ hand-over */

void
shelf_publish(struct shelf *shelf, struct cold_set *set)
{
	/* Release: the set and its files were written before. */
	struct cold_set *none = NULL;
	if (!atomic_compare_exchange_strong_explicit(&shelf->next, &none, set,
		memory_order_release, memory_order_relaxed))
		froe_never("one set is handed over at a time");
}

bool
shelf_take(struct shelf *shelf)
{
	/* Cheap when there is nothing: each turn asks. */
	if (atomic_load_explicit(&shelf->next, memory_order_relaxed) == NULL)
		return false;
	struct cold_set *old = shelf->current;
	shelf->current = atomic_exchange_explicit(&shelf->next, NULL, memory_order_acquire);
	atomic_store_explicit(&shelf->old, old, memory_order_release);
	return true;
}

struct cold_set *
shelf_reclaim(struct shelf *shelf)
{
	return atomic_exchange_explicit(&shelf->old, NULL, memory_order_acquire);
}

/* ------------------------------------------------------------------------------------ leftovers */

struct shelf_name {
	struct list node;
	struct path path;
};

struct shelf_names {
	const struct shelf *shelf;
	const struct paths *paths;
	struct list list;
};

static bool
shelf_each_name(void *context, const char *name)
{
	struct shelf_names *names = context;
	const struct cold_set *set = names->shelf->current;
	uint64_t no;
	bool cold = seg_name_parse(name, &no);
	if (!cold && strcmp(name, "new.tmp") != 0)
		return true;
	for (size_t i = 0; cold && i < set->count; i++) {
		if (set->files[i]->no == no)
			return true;
	}
	struct shelf_name *entry = mem_zalloc(sizeof(*entry));
	entry->path = path_join(names->paths->cold, name);
	list_push(&names->list, &entry->node);
	return true;
}

enum froe_err
shelf_clean(const struct shelf *shelf, struct io_env *env, const struct paths *paths,
    struct froe_fault *fault)
{
	struct shelf_names names = {.shelf = shelf, .paths = paths};
	struct list *node;
	bool some = false;

	list_init(&names.list);
	enum froe_err err = io_path_list(env, paths->cold, shelf_each_name, &names, fault);
	if (err == FROE_NOT_FOUND)
		return FROE_OK;
	while ((node = list_pop(&names.list)) != NULL) {
		struct shelf_name *entry = container_of(node, struct shelf_name, node);
		if (err == FROE_OK)
			err = io_path_unlink(env, entry->path.text, fault);
		mem_free(entry);
		some = true;
	}
	if (err == FROE_OK && some)
		err = io_path_sync_dir(env, paths->cold, fault);
	return err;
}
