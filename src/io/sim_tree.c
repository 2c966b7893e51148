#include "io/sim_tree_int.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

/* One name set to an inode, or removed (NULL). */
struct sim_edit {
	struct sim_place at;
	struct sim_inode *inode;
};

/* One entry of the journal: a rename has two edits, every other change one. */
struct sim_change {
	struct list node;
	unsigned count;
	bool keep; /* while syncing or settling: it becomes durable */
	struct sim_edit edits[2];
};

/* ------------------------------------------------------------------------------------- names */

static size_t
names_find(const struct sim_names *names, const char *text) /* count: absent */
{
	size_t at = 0;
	while (at < names->count && strcmp(names->rows[at].text, text) != 0)
		at++;
	return at;
}

static void
names_remove(struct sim_names *names, const char *text)
{
	size_t at = names_find(names, text);
	if (at == names->count)
		return;
	mem_free(names->rows[at].text);
	names->count--;
	memmove(names->rows + at, names->rows + at + 1,
	    (names->count - at) * sizeof(names->rows[0]));
}

static void
names_set(struct sim_names *names, const char *text, struct sim_inode *inode)
{
	size_t at = names_find(names, text);
	if (at < names->count) {
		names->rows[at].inode = inode;
		return;
	}
	if (names->count == names->capacity) {
		names->capacity = names->capacity != 0 ? names->capacity * 2 : 8;
		names->rows = mem_resize(names->rows, names->capacity * sizeof(names->rows[0]));
	}
	names->rows[names->count++] = (struct sim_name){.text = mem_strdup(text), .inode = inode};
}

static void
names_release(struct sim_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		mem_free(names->rows[i].text);
	mem_free(names->rows);
	*names = (struct sim_names){0};
}

static void
names_copy(struct sim_names *to, const struct sim_names *from)
{
	names_release(to);
	for (size_t i = 0; i < from->count; i++)
		names_set(to, from->rows[i].text, from->rows[i].inode);
}

static void
edit_apply(const struct sim_edit *edit, struct sim_names *names)
{
	if (edit->inode != NULL)
		names_set(names, edit->at.name, edit->inode);
	else
		names_remove(names, edit->at.name);
}

/* ------------------------------------------------------------------------------------ inodes */

static struct sim_inode *
inode_open(struct sim_tree *tree, bool is_dir)
{
	struct sim_inode *inode = mem_zalloc(sizeof(*inode));
	inode->is_dir = is_dir;
	inode->lock_file = -1;
	sim_image_init(&inode->image);
	list_push(&tree->inodes, &inode->node);
	return inode;
}

static void
inode_close(struct sim_inode *inode)
{
	list_remove(&inode->node);
	sim_image_release(&inode->image);
	names_release(&inode->now);
	names_release(&inode->durable);
	mem_free(inode);
}

static struct sim_inode *
inode_of(struct list *node)
{
	return container_of(node, struct sim_inode, node);
}

static struct sim_change *
change_of(struct list *node)
{
	return container_of(node, struct sim_change, node);
}

void
sim_tree_init(struct sim_tree *tree)
{
	list_init(&tree->inodes);
	list_init(&tree->journal);
	tree->root = inode_open(tree, /* is_dir= */ true);
}

static void
journal_drop(struct sim_tree *tree)
{
	for (struct list *node; (node = list_pop(&tree->journal)) != NULL;)
		mem_free(change_of(node));
}

void
sim_tree_release(struct sim_tree *tree)
{
	journal_drop(tree);
	while (!list_empty(&tree->inodes))
		inode_close(inode_of(tree->inodes.next));
	*tree = (struct sim_tree){0};
}

/* ------------------------------------------------------------------------------------- paths */

/* Copies the next component of a path and returns what follows it; "" at the end. */
static const char *
path_next(const char *path, char name[SIM_NAME_BYTES])
{
	size_t size = 0;
	for (;;) {
		path += strspn(path, "/");
		size = strcspn(path, "/");
		if (size != 1 || path[0] != '.')
			break;
		path++;
	}
	froe_assert(size < SIM_NAME_BYTES);
	memcpy(name, path, size);
	name[size] = '\0';
	return path + size;
}

struct sim_inode *
sim_place_inode(const struct sim_place *place)
{
	size_t at = names_find(&place->dir->now, place->name);
	return at < place->dir->now.count ? place->dir->now.rows[at].inode : NULL;
}

enum froe_err
sim_tree_place(const struct sim_tree *tree, const char *path, struct sim_place *ret_place,
    struct froe_fault *fault)
{
	struct sim_place place = {.dir = tree->root};
	const char *rest = path_next(path, place.name);
	if (place.name[0] == '\0')
		return fault_set(fault, FROE_INVALID_ARGUMENT, "'%s': names the root", path);
	for (;;) {
		char next[SIM_NAME_BYTES];
		if (strcmp(place.name, "..") == 0)
			return fault_set(fault, FROE_INVALID_ARGUMENT, "%s: contains '..'", path);
		rest = path_next(rest, next);
		if (next[0] == '\0')
			break;
		place.dir = sim_place_inode(&place);
		if (place.dir == NULL || !place.dir->is_dir)
			return fault_set(fault, FROE_NOT_FOUND, "%s: '%s' is no directory", path,
			    place.name);
		memcpy(place.name, next, sizeof(next));
	}
	*ret_place = place;
	return FROE_OK;
}

struct sim_inode *
sim_tree_find(const struct sim_tree *tree, const char *path)
{
	char name[SIM_NAME_BYTES];
	path_next(path, name);
	if (name[0] == '\0')
		return tree->root;
	struct sim_place place;
	if (sim_tree_place(tree, path, &place, NULL) != FROE_OK)
		return NULL;
	return sim_place_inode(&place);
}

/* ----------------------------------------------------------------------------------- changes */

static void
tree_change(struct sim_tree *tree, const struct sim_edit *edits, unsigned count)
{
	struct sim_change *change = mem_zalloc(sizeof(*change));
	change->count = count;
	for (unsigned i = 0; i < count; i++) {
		change->edits[i] = edits[i];
		edit_apply(&edits[i], &edits[i].at.dir->now);
	}
	list_push(&tree->journal, &change->node);
}

struct sim_inode *
sim_tree_create(struct sim_tree *tree, const struct sim_place *at, bool is_dir)
{
	froe_assert(sim_place_inode(at) == NULL);
	struct sim_edit edit = {.at = *at, .inode = inode_open(tree, is_dir)};
	tree_change(tree, &edit, 1);
	return edit.inode;
}

void
sim_tree_unlink(struct sim_tree *tree, const struct sim_place *at)
{
	froe_assert(sim_place_inode(at) != NULL);
	struct sim_edit edit = {.at = *at};
	tree_change(tree, &edit, 1);
}

void
sim_tree_rename(struct sim_tree *tree, const struct sim_place *from, const struct sim_place *to)
{
	struct sim_edit edits[2] = {{.at = *from}, {.at = *to, .inode = sim_place_inode(from)}};
	froe_assert(edits[1].inode != NULL);
	if (edits[1].inode == sim_place_inode(to))
		return; /* POSIX: two names of the same file; nothing happens */
	tree_change(tree, edits, 2);
}

/* Applies the changes marked to keep, oldest first, and takes them out of the journal. */
static void
journal_apply(struct sim_tree *tree)
{
	for (struct list *node = tree->journal.next, *next; node != &tree->journal; node = next) {
		struct sim_change *change = change_of(node);
		next = node->next;
		if (!change->keep)
			continue;
		for (unsigned i = 0; i < change->count; i++)
			edit_apply(&change->edits[i], &change->edits[i].at.dir->durable);
		list_remove(&change->node);
		mem_free(change);
	}
}

/* From the newest change back: one that touches a marked directory is kept, and marks the
 * directories it touches, because what came before it there must be durable too. */
void
sim_tree_sync_dir(struct sim_tree *tree, struct sim_inode *dir)
{
	struct list *node;
	list_for_each(node, &tree->inodes)
		inode_of(node)->marked = inode_of(node) == dir;
	for (node = tree->journal.prev; node != &tree->journal; node = node->prev) {
		struct sim_change *change = change_of(node);
		change->keep = false;
		for (unsigned i = 0; i < change->count; i++)
			change->keep |= change->edits[i].at.dir->marked;
		for (unsigned i = 0; change->keep && i < change->count; i++)
			change->edits[i].at.dir->marked = true;
	}
	journal_apply(tree);
	sim_tree_sweep(tree);
}

/* ------------------------------------------------------------------------------------- crash */

/* Draws how many of each directory's changes are kept: none, all, or any number between. */
static void
journal_draw(struct sim_tree *tree, struct sim_dice *dice)
{
	struct list *node;
	list_for_each(node, &tree->inodes)
		inode_of(node)->budget = 0;
	list_for_each(node, &tree->journal) {
		struct sim_change *change = change_of(node);
		for (unsigned i = 0; i < change->count; i++)
			change->edits[i].at.dir->budget++;
	}
	uint64_t mode = sim_dice_below(dice, 4);
	list_for_each(node, &tree->inodes) {
		struct sim_inode *inode = inode_of(node);
		if (mode == 0)
			inode->budget = 0;
		else if (mode > 1 && inode->budget > 0)
			inode->budget = sim_dice_below(dice, inode->budget + 1);
	}
}

/* A change is kept if each directory it touches has budget left; else it ends all of theirs. */
static void
change_settle(struct sim_change *change)
{
	change->keep = true;
	for (unsigned i = 0; i < change->count; i++)
		change->keep &= change->edits[i].at.dir->budget > 0;
	for (unsigned i = 0; i < change->count; i++) {
		struct sim_inode *dir = change->edits[i].at.dir;
		/* A rename within one directory counts twice, and may begin with a budget of 1. */
		if (!change->keep)
			dir->budget = 0;
		else if (dir->budget > 0)
			dir->budget--;
	}
}

void
sim_tree_settle(struct sim_tree *tree, struct sim_dice *dice)
{
	struct list *node;
	journal_draw(tree, dice);
	list_for_each(node, &tree->journal)
		change_settle(change_of(node));
	journal_apply(tree);
	journal_drop(tree);
	list_for_each(node, &tree->inodes) {
		struct sim_inode *inode = inode_of(node);
		names_copy(&inode->now, &inode->durable);
		inode->lock_file = -1;
	}
	sim_tree_sweep(tree);
}

/* ------------------------------------------------------------------------------------- sweep */

static void
inode_mark(struct sim_inode *inode)
{
	if (inode->marked)
		return;
	inode->marked = true;
	for (size_t i = 0; i < inode->now.count; i++)
		inode_mark(inode->now.rows[i].inode);
	for (size_t i = 0; i < inode->durable.count; i++)
		inode_mark(inode->durable.rows[i].inode);
}

void
sim_tree_sweep(struct sim_tree *tree)
{
	struct list *node;
	list_for_each(node, &tree->inodes)
		inode_of(node)->marked = false;
	inode_mark(tree->root);
	list_for_each(node, &tree->inodes) {
		if (inode_of(node)->held > 0)
			inode_mark(inode_of(node));
	}
	list_for_each(node, &tree->journal) {
		struct sim_change *change = change_of(node);
		for (unsigned i = 0; i < change->count; i++) {
			inode_mark(change->edits[i].at.dir);
			if (change->edits[i].inode != NULL)
				inode_mark(change->edits[i].inode);
		}
	}
	for (struct list *at = tree->inodes.next, *next; at != &tree->inodes; at = next) {
		next = at->next;
		if (!inode_of(at)->marked)
			inode_close(inode_of(at));
	}
}

/* Space is given back when the removal of the last name is durable and the file is closed. */
uint64_t
sim_tree_used_bytes(const struct sim_tree *tree)
{
	uint64_t used = 0;
	struct list *node;
	list_for_each(node, &tree->inodes) {
		const struct sim_inode *inode = inode_of(node);
		uint64_t size = inode->is_dir ? SIM_BLOCK_BYTES : inode->image.size;
		used += (size + SIM_BLOCK_BYTES - 1) / SIM_BLOCK_BYTES * SIM_BLOCK_BYTES;
	}
	return used;
}

/* A sum over the names, so that the order of creation does not matter. */
static uint64_t
inode_hash(const struct sim_inode *inode)
{
	uint64_t hash = inode->is_dir ? 1 : sim_image_hash(&inode->image, 0);
	for (size_t i = 0; i < inode->durable.count; i++) {
		const struct sim_name *row = &inode->durable.rows[i];
		hash += hash64(row->text, strlen(row->text), inode_hash(row->inode));
	}
	return hash;
}

uint64_t
sim_tree_hash(const struct sim_tree *tree)
{
	return inode_hash(tree->root);
}

/* Invariant 1: each directory's durable names with its changes applied are its names now. */
static void
inode_check(const struct sim_tree *tree, const struct sim_inode *dir)
{
	struct sim_names names = {0};
	names_copy(&names, &dir->durable);
	struct list *node;
	list_for_each(node, &tree->journal) {
		const struct sim_change *change = change_of(node);
		for (unsigned i = 0; i < change->count; i++) {
			if (change->edits[i].at.dir == dir)
				edit_apply(&change->edits[i], &names);
		}
	}
	froe_assert(names.count == dir->now.count);
	for (size_t i = 0; i < names.count; i++) {
		size_t at = names_find(&dir->now, names.rows[i].text);
		froe_assert(at < dir->now.count);
		froe_assert(dir->now.rows[at].inode == names.rows[i].inode);
	}
	names_release(&names);
}

void
sim_tree_check(const struct sim_tree *tree)
{
	froe_assert(tree->root != NULL && tree->root->is_dir); /* 2 */
	struct list *node;
	list_for_each(node, &tree->inodes) {
		const struct sim_inode *inode = inode_of(node);
		sim_image_check(&inode->image);
		if (inode->is_dir)
			inode_check(tree, inode);
	}
}
