/*
 * engine/save_start: what triggers leave behind, as state objects: children, keys, and runs that
 * are to be cancelled with an ancestor.
 */
#include "engine/save_int.h"

uint64_t
start_rows(const struct eng *eng)
{
	uint64_t rows = 0;
	struct list *child;
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		const struct eng_children *children = run_ties(run)->children;
		if (children == NULL)
			continue;
		list_for_each(child, &children->all)
			rows++;
	}
	for (uint32_t i = 0; i < eng->tenant_count; i++)
		rows += eng->tenants[i]->idem_count;
	return rows;
}

/* A list of rows, cut into objects; `rows` counts them. */
static void
row_end(struct save *save, enum eng_object_type type, uint32_t *rows)
{
	if (++*rows % SAVE_ROWS_MAX == 0)
		save_object(save, type, 0);
}

static void
rows_end(struct save *save, enum eng_object_type type, uint32_t rows)
{
	if (rows % SAVE_ROWS_MAX != 0)
		save_object(save, type, 0);
}

/* Is it how something that has ended stands, or zero for what has not? */
static bool
status_fits(uint8_t status, bool open)
{
	return open ? status == 0 : status >= ENG_COMPLETED && status <= ENG_CANCELLED;
}

/* ------------------------------------------------------------------------------------ children */

static void
save_child(struct save *save, const struct eng_run *parent, const struct eng_child *child)
{
	put_number(save, parent->key);
	put_number(save, child->task);
	put_number(save, child->index);
	put_bytes(save, child->key);
	put_uuid(save, child->id);
	put_number(save, child->run);
	put_number(save, child->open);
	put_number(save, child->status);
}

void
save_children(struct save *save)
{
	struct list *row;
	const struct eng_run *run;
	uint32_t rows = 0;
	struct numtable_walk walk = numtable_walk_begin(&save->eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		const struct eng_children *children = run_ties(run)->children;
		if (children == NULL)
			continue;
		list_for_each(row, &children->all) {
			save_child(save, run, container_of(row, struct eng_child, link));
			row_end(save, ENG_OBJ_CHILDREN, &rows);
		}
	}
	rows_end(save, ENG_OBJ_CHILDREN, rows);
}

static enum froe_err
load_child(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_task *parent = load_task(load, take);
	struct eng_child row = {.index = take_u32(take)};
	row.key = take_bytes(take);
	row.id = take_uuid(take);
	row.run = take_number(take);
	row.open = take_u8(take) == 1;
	row.status = take_u8(take);
	struct eng_run *run = row.open ? eng_run_get(load->eng, row.run) : NULL;
	if (take->bad || parent == NULL || row.key.size > FROE_NAME_BYTES_MAX ||
	    parent->child_count == FROE_TASK_CHILDREN_MAX || !status_fits(row.status, row.open) ||
	    child_find(task_run(parent), parent->index, row.index, row.key) != NULL)
		return load_bad(load, "a child");
	if (row.open &&
	    (run == NULL || run_ties(run)->child != NULL || !uuid_equal(run->id, row.id)))
		return load_bad(load, "an open child");
	struct eng_child *child =
	    child_add(load->eng, task_run(parent), parent->index, row.index, row.key);
	child->id = row.id;
	child->run = row.run;
	child->open = row.open;
	child->status = row.status;
	if (run != NULL)
		ties_require(load->eng, run)->child = child;
	return FROE_OK;
}

enum froe_err
load_children(struct eng_load *load)
{
	enum froe_err err = FROE_OK;
	while (take_more(&load->body) && err == FROE_OK)
		err = load_child(load);
	return err == FROE_OK ? take_end(load, &load->body, "children") : err;
}

/* ---------------------------------------------------------------------------------------- keys */

static void
save_idem(struct save *save, const struct eng_idem *key, uint32_t *rows)
{
	put_number(save, key->tenant->id);
	put_bytes(save, key->named.name);
	put_number(save, key->until_ns);
	put_uuid(save, key->id);
	put_number(save, key->run);
	put_number(save, key->open);
	put_number(save, key->status);
	row_end(save, ENG_OBJ_IDEMS, rows);
}

/* Those that have a time in their heap's order, which gives the same heap again; the others belong
 * to open runs. */
void
save_idems(struct save *save)
{
	const struct eng *eng = save->eng;
	uint32_t rows = 0;
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		const struct heap *heap = &eng->tenants[i]->idems_due;
		for (size_t j = 0; j < heap->count; j++)
			save_idem(save, container_of(heap->nodes[j], struct eng_idem, due), &rows);
	}
	const struct eng_run *run;
	struct numtable_walk walk = numtable_walk_begin(&eng->runs_by_key);
	while ((run = numtable_walk_next(&walk)) != NULL) {
		const struct eng_idem *key = run_ties(run)->idempotency;
		if (key != NULL && key->until_ns == 0)
			save_idem(save, key, &rows);
	}
	rows_end(save, ENG_OBJ_IDEMS, rows);
}

static enum froe_err
load_idem(struct eng_load *load)
{
	struct take *take = &load->body;
	struct eng_tenant *tenant = eng_tenant_get(load->eng, take_u32(take));
	struct bytes name = take_bytes(take);
	uint64_t until_ns = take_number(take);
	struct uuid id = take_uuid(take);
	uint64_t run_key = take_number(take);
	bool open = take_u8(take) == 1;
	uint8_t status = take_u8(take);
	struct eng_run *run = open ? eng_run_get(load->eng, run_key) : NULL;
	if (take->bad || tenant == NULL || name.size == 0 || name.size > FROE_NAME_BYTES_MAX ||
	    !status_fits(status, open) || (until_ns == 0 && !open) ||
	    idem_find(tenant, name) != NULL)
		return load_bad(load, "an idempotency key");
	if (open &&
	    (run == NULL || run_ties(run)->idempotency != NULL || run_tenant(run) != tenant))
		return load_bad(load, "an idempotency key of an open run");
	struct eng_idem *key = idem_add(tenant, name, until_ns);
	key->id = id;
	key->run = run_key;
	key->open = open;
	key->status = status;
	if (run != NULL)
		ties_require(load->eng, run)->idempotency = key;
	return FROE_OK;
}

enum froe_err
load_idems(struct eng_load *load)
{
	enum froe_err err = FROE_OK;
	while (take_more(&load->body) && err == FROE_OK)
		err = load_idem(load);
	return err == FROE_OK ? take_end(load, &load->body, "idempotency keys") : err;
}

/* -------------------------------------------------------------------------------------- doomed */

void
save_doomed(struct save *save)
{
	struct list *at;
	uint32_t rows = 0;
	list_for_each(at, &save->eng->doomed) {
		put_number(save, container_of(at, struct eng_ties, doomed_link)->run->key);
		row_end(save, ENG_OBJ_DOOMED, &rows);
	}
	rows_end(save, ENG_OBJ_DOOMED, rows);
}

enum froe_err
load_doomed(struct eng_load *load)
{
	struct take *take = &load->body;
	while (take_more(take)) {
		struct eng_run *run = eng_run_get(load->eng, take_number(take));
		const struct eng_ties *ties = run != NULL ? run_ties(run) : &eng_ties_none;
		if (uuid_is_nil(ties->doom) || list_linked(&ties->doomed_link) ||
		    run->cancel_reason != ENG_REASON_NONE)
			return load_bad(load, "a run that is to be cancelled");
		list_push(&load->eng->doomed, &run->ties->doomed_link);
	}
	return take_end(load, take, "runs that are to be cancelled");
}
