/*
 * An LMDB file: pages 0 and 1 are metas, the one with the higher transaction is current. A meta
 * holds the roots of two trees: the free list and the main table, whose entries are the named
 * tables.
 *
 * page    [0,8) its number  [8,10) pad  [10,12) flags  [12,14) lower  [14,16) upper, or [12,16)
 *         the length of an overflow run in pages  [16,lower) offsets of nodes  [upper,end) nodes
 * node    [0,2) [2,4) low words of size or page  [4,6) flags, or the page's high word  [6,8) size
 *         of key  [8,..) key, value
 * meta    [16,20) magic  [20,24) version  [24,32) address  [32,40) map size  [40,88) [88,136) two
 *         trees  [136,144) last page  [144,152) transaction
 * tree    [0,4) pad (of the free list: page size)  [4,6) flags  [6,8) depth  [8,16) branch pages
 *         [16,24) leaf pages  [24,32) overflow pages  [32,40) entries  [40,48) root
 *
 * The walk goes down from each root, at most 32 levels, and marks each page that it meets. It
 * refuses the second visit of a page, so it ends, whatever the file holds.
 */
#include "index/page_int.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define META_END 152u
#define HEAD_SIZE 16u
#define NODE_SIZE 8u
#define TREE_SIZE 48u
#define DEPTH_MAX 32u
#define PAGE_NONE UINT64_MAX
#define TABLE_NAME_MAX 15u
#define KEY_MAX 511u

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8, PAGE_DIRTY = 16 };
enum { NODE_BIG = 1, NODE_TABLE = 2 };

struct meta {
	uint32_t page_size;
	uint64_t last_page;
	uint64_t transaction;
	uint8_t trees[2][TREE_SIZE];
};

struct tree {
	uint32_t depth;
	uint64_t branches, leaves, overflows, entries;
	uint64_t root;
};

/* What one walk has met so far. */
struct walk {
	int file;
	const char *path;
	struct meta meta;
	page_entry_fn *entry;
	struct froe_fault *fault;
	uint64_t *seen; /* a bit a page */
	/* The tree it is in. */
	const char *table; /* NULL: the main table or the free list */
	bool free_list;
	struct tree counted;
	uint8_t last_key[KEY_MAX];
	size_t last_key_size;
	enum { KEY_NONE, KEY_OF_LEAF, KEY_OF_BRANCH } last;
};

static enum froe_err
walk_tree(struct walk *walk, const uint8_t raw[TREE_SIZE], const char *table, bool free_list);

/* Writes the fault; the caller returns its code. */
static enum froe_err
walk_refuse(const struct walk *walk, uint64_t page, const char *what)
{
	return fault_set(walk->fault, FROE_CORRUPT,
	    "%s: page %" PRIu64 ": %s; delete the index, it is rebuilt from the log", walk->path,
	    page, what);
}

static enum froe_err
file_read(const struct walk *walk, void *to, size_t size, uint64_t offset)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = pread(walk->file, (uint8_t *)to + got, size - got,
		    (off_t)(offset + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_set_errno(walk->fault, errno, "%s: read", walk->path);
		if (n == 0)
			return fault_set(walk->fault, FROE_CORRUPT, "%s: shorter than it says",
			    walk->path);
		got += (size_t)n;
	}
	return FROE_OK;
}

/* -------------------------------------------------------------------------------------- metas */

static enum froe_err
meta_read(const struct walk *walk, uint64_t page, uint64_t offset, struct meta *ret_meta)
{
	uint8_t bytes[META_END];
	enum froe_err err = file_read(walk, bytes, sizeof(bytes), offset);
	if (err != FROE_OK)
		return err;
	if ((le16_load(bytes + 10) & PAGE_META) == 0 || le32_load(bytes + 16) != META_MAGIC)
		return walk_refuse(walk, page, "not an LMDB meta page");
	if (le32_load(bytes + 20) != META_VERSION)
		return walk_refuse(walk, page, "another version of LMDB's format");
	ret_meta->page_size = le32_load(bytes + 40);
	ret_meta->last_page = le64_load(bytes + 136);
	ret_meta->transaction = le64_load(bytes + 144);
	memcpy(ret_meta->trees, bytes + 40, sizeof(ret_meta->trees));
	return FROE_OK;
}

static enum froe_err
walk_metas(struct walk *walk, uint64_t file_size)
{
	struct meta first, second;
	enum froe_err err = meta_read(walk, 0, 0, &first);
	if (err != FROE_OK)
		return err;
	uint32_t size = first.page_size;
	if (size < 512 || size > 65536 || (size & (size - 1)) != 0)
		return walk_refuse(walk, 0, "page size out of range");
	err = meta_read(walk, 1, size, &second);
	if (err != FROE_OK)
		return err;
	if (second.page_size != size)
		return walk_refuse(walk, 1, "the meta pages differ in page size");
	walk->meta = first.transaction < second.transaction ? second : first;
	if (walk->meta.last_page < 1 || walk->meta.last_page >= UINT64_MAX / size - 1 ||
	    (walk->meta.last_page + 1) * size > file_size)
		return walk_refuse(walk, walk->meta.last_page, "last page beyond the file's end");
	return FROE_OK;
}

/* -------------------------------------------------------------------------------------- pages */

/* Marks pages as used; false if one is out of range or used already. */
static bool
walk_mark(struct walk *walk, uint64_t page, uint64_t count)
{
	if (page < 2 || page > walk->meta.last_page || count > walk->meta.last_page - page + 1)
		return false;
	for (; count > 0; count--, page++) {
		uint64_t bit = UINT64_C(1) << (page % 64);
		if ((walk->seen[page / 64] & bit) != 0)
			return false;
		walk->seen[page / 64] |= bit;
	}
	return true;
}

/* Entries of the free list: a count, then pages in descending order. */
static bool
free_entry(struct walk *walk, struct bytes key, struct bytes value)
{
	uint64_t last = UINT64_MAX;
	if (key.size != 8 || value.size < 8 || value.size % 8 != 0 ||
	    le64_load(value.data) > value.size / 8 - 1)
		return false;
	for (uint64_t i = le64_load(value.data), at = 1; i > 0; i--, at++) {
		uint64_t page = le64_load(value.data + at * 8);
		if (page >= last || !walk_mark(walk, page, 1))
			return false;
		last = page;
	}
	return true;
}

static int
key_compare(const struct walk *walk, struct bytes a, struct bytes b)
{
	size_t least = a.size < b.size ? a.size : b.size;
	if (walk->free_list && least == 8) {
		uint64_t left = le64_load(a.data), right = le64_load(b.data);
		return left < right ? -1 : left > right;
	}
	int order = memcmp(a.data, b.data, least);
	return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* Keys ascend over the whole tree. A branch's key is above all that lie to its left, and not above
 * those to its right: the next one may equal it. */
static bool
key_follows(struct walk *walk, struct bytes key, bool of_branch)
{
	if (key.size > KEY_MAX)
		return false;
	if (walk->last != KEY_NONE) {
		int order = key_compare(walk, bytes_of(walk->last_key, walk->last_key_size), key);
		if (order > 0 || (order == 0 && walk->last == KEY_OF_LEAF))
			return false;
	}
	memcpy(walk->last_key, key.data, key.size);
	walk->last_key_size = key.size;
	walk->last = of_branch ? KEY_OF_BRANCH : KEY_OF_LEAF;
	return true;
}

static enum froe_err
walk_table(struct walk *walk, uint64_t page, struct bytes key, struct bytes value)
{
	char table[TABLE_NAME_MAX + 1] = {0};
	struct walk inner = *walk;
	if (value.size != TREE_SIZE || key.size == 0 || key.size > TABLE_NAME_MAX)
		return walk_refuse(walk, page, "not a table");
	memcpy(table, key.data, key.size);
	return walk_tree(&inner, value.data, table, /* free_list= */ false);
}

static enum froe_err
walk_entry(struct walk *walk, uint64_t page, unsigned flags, struct bytes key, struct bytes value)
{
	if (!key_follows(walk, key, /* of_branch= */ false))
		return walk_refuse(walk, page, "keys out of order");
	walk->counted.entries++;
	if (walk->free_list)
		return free_entry(walk, key, value) ?
		    FROE_OK :
		    walk_refuse(walk, page, "damaged entry of the free list");
	if (walk->table == NULL)
		return (flags & NODE_TABLE) != 0 ?
		    walk_table(walk, page, key, value) :
		    walk_refuse(walk, page, "not a table");
	return walk->entry(walk->table, key, value) ?
	    FROE_OK :
	    walk_refuse(walk, page, "damaged entry");
}

/* A value on pages of its own. */
static enum froe_err
walk_big(struct walk *walk, uint64_t page, struct bytes key, uint64_t first, uint64_t size)
{
	uint8_t head[HEAD_SIZE];
	uint64_t count = (HEAD_SIZE - 1 + size) / walk->meta.page_size + 1;
	if (!walk_mark(walk, first, count))
		return walk_refuse(walk, page, "refers to overflow pages that it cannot have");
	enum froe_err err = file_read(walk, head, sizeof(head), first * walk->meta.page_size);
	if (err != FROE_OK)
		return err;
	if (le64_load(head) != first || (le16_load(head + 10) & ~PAGE_DIRTY) != PAGE_OVERFLOW ||
	    le32_load(head + 12) != count)
		return walk_refuse(walk, first, "not the overflow page that it should be");
	walk->counted.overflows += count;
	uint8_t *value = mem_alloc(size);
	err = file_read(walk, value, size, first * walk->meta.page_size + HEAD_SIZE);
	if (err == FROE_OK)
		err = walk_entry(walk, page, 0, key, bytes_of(value, size));
	mem_free(value);
	return err;
}

static enum froe_err
walk_leaf_node(struct walk *walk, uint64_t page, const uint8_t *node, size_t room)
{
	uint64_t size = le16_load(node) | (uint32_t)le16_load(node + 2) << 16;
	unsigned flags = le16_load(node + 4);
	struct bytes key = bytes_of(node + NODE_SIZE, le16_load(node + 6));
	uint64_t inside = (flags & NODE_BIG) != 0 ? 8 : size;
	if (key.size > KEY_MAX || NODE_SIZE + key.size + inside > room)
		return walk_refuse(walk, page, "a node beyond the page's end");
	if ((flags & ~(unsigned)(NODE_BIG | NODE_TABLE)) != 0)
		return walk_refuse(walk, page, "a node of an unknown kind");
	const uint8_t *value = key.data + key.size;
	if ((flags & NODE_BIG) != 0)
		return walk_big(walk, page, key, le64_load(value), size);
	return walk_entry(walk, page, flags, key, bytes_of(value, size));
}

static enum froe_err
walk_page(struct walk *walk, uint64_t page, unsigned level, unsigned depth);

static enum froe_err
walk_branch_node(struct walk *walk, uint64_t page, const uint8_t *node, size_t room, bool leftmost,
    unsigned level, unsigned depth)
{
	struct bytes key = bytes_of(node + NODE_SIZE, le16_load(node + 6));
	uint64_t child = le16_load(node) | (uint64_t)le16_load(node + 2) << 16 |
	    (uint64_t)le16_load(node + 4) << 32;
	if (NODE_SIZE + key.size > room)
		return walk_refuse(walk, page, "a node beyond the page's end");
	if (!leftmost && !key_follows(walk, key, /* of_branch= */ true)) /* that one has no key */
		return walk_refuse(walk, page, "keys out of order");
	return walk_page(walk, child, level + 1, depth);
}

static enum froe_err
walk_nodes(struct walk *walk, uint64_t page, const uint8_t *bytes, unsigned level, unsigned depth)
{
	uint32_t size = walk->meta.page_size;
	unsigned lower = le16_load(bytes + 12), upper = le16_load(bytes + 14);
	bool leaf = level == depth;
	if (lower < HEAD_SIZE || lower % 2 != 0 || lower > upper || upper > size)
		return walk_refuse(walk, page, "bounds out of range");
	unsigned count = (lower - HEAD_SIZE) / 2;
	if (count < (leaf ? 1 : 2))
		return walk_refuse(walk, page, "too few nodes");
	for (unsigned i = 0; i < count; i++) {
		unsigned at = le16_load(bytes + HEAD_SIZE + (size_t)i * 2);
		if (at < upper || at + NODE_SIZE > size || at % 2 != 0)
			return walk_refuse(walk, page, "a node out of bounds");
		enum froe_err err = leaf ?
		    walk_leaf_node(walk, page, bytes + at, size - at) :
		    walk_branch_node(walk, page, bytes + at, size - at, i == 0, level, depth);
		if (err != FROE_OK)
			return err;
	}
	return FROE_OK;
}

/* Recurses at most DEPTH_MAX times. */
static enum froe_err
walk_page(struct walk *walk, uint64_t page, unsigned level, unsigned depth)
{
	unsigned kind = level == depth ? PAGE_LEAF : PAGE_BRANCH;
	if (!walk_mark(walk, page, 1))
		return walk_refuse(walk, page, "out of range or used twice");
	uint8_t *bytes = mem_alloc(walk->meta.page_size);
	enum froe_err err = file_read(walk, bytes, walk->meta.page_size,
	    page * walk->meta.page_size);
	if (err == FROE_OK &&
	    (le64_load(bytes) != page || (le16_load(bytes + 10) & ~PAGE_DIRTY) != (int)kind))
		err = walk_refuse(walk, page, "not the page that it should be");
	if (err == FROE_OK)
		err = walk_nodes(walk, page, bytes, level, depth);
	mem_free(bytes);
	if (kind == PAGE_LEAF)
		walk->counted.leaves++;
	else
		walk->counted.branches++;
	return err;
}

static struct tree
tree_decode(const uint8_t raw[TREE_SIZE])
{
	return (struct tree){
	    .depth = le16_load(raw + 6),
	    .branches = le64_load(raw + 8),
	    .leaves = le64_load(raw + 16),
	    .overflows = le64_load(raw + 24),
	    .entries = le64_load(raw + 32),
	    .root = le64_load(raw + 40),
	};
}

static enum froe_err
walk_tree(struct walk *walk, const uint8_t raw[TREE_SIZE], const char *table, bool free_list)
{
	struct tree tree = tree_decode(raw);
	walk->table = table;
	walk->free_list = free_list;
	walk->last = KEY_NONE;
	walk->counted = (struct tree){0};
	if (tree.root != PAGE_NONE) {
		if (tree.depth < 1 || tree.depth > DEPTH_MAX)
			return walk_refuse(walk, tree.root, "a tree's depth is out of range");
		enum froe_err err = walk_page(walk, tree.root, 1, tree.depth);
		if (err != FROE_OK)
			return err;
	} else if (tree.depth != 0) {
		return walk_refuse(walk, 0, "a tree without a root");
	}
	if (tree.entries != walk->counted.entries || tree.leaves != walk->counted.leaves ||
	    tree.branches != walk->counted.branches || tree.overflows != walk->counted.overflows)
		return walk_refuse(walk, tree.root, "a tree's counts are not those of its pages");
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------ the file */

static enum froe_err
walk_trees(struct walk *walk)
{
	walk->seen = mem_array(walk->meta.last_page / 64 + 1, sizeof(uint64_t));
	enum froe_err err = walk_tree(walk, walk->meta.trees[0], NULL, /* free_list= */ true);
	if (err == FROE_OK)
		err = walk_tree(walk, walk->meta.trees[1], NULL, /* free_list= */ false);
	mem_free(walk->seen);
	return err;
}

static enum froe_err
page_check(const char *path, page_entry_fn *entry, struct froe_fault *fault)
{
	struct walk walk = {.path = path, .entry = entry, .fault = fault};
	struct stat stat;
	walk.file = open(path, O_RDONLY | O_CLOEXEC);
	if (walk.file < 0)
		return errno == ENOENT ? FROE_OK : fault_set_errno(fault, errno, "open %s", path);
	enum froe_err err = FROE_OK;
	if (entry != NULL) /* the walk jumps about */
		FROE_DROP(posix_fadvise(walk.file, 0, 0, POSIX_FADV_WILLNEED), "only faster");
	if (fstat(walk.file, &stat) != 0)
		err = fault_set_errno(fault, errno, "stat %s", path);
	else if (!S_ISREG(stat.st_mode))
		err = fault_set(fault, FROE_CORRUPT, "%s: not a file", path);
	else if (stat.st_size > 0)
		err = walk_metas(&walk, (uint64_t)stat.st_size);
	if (err == FROE_OK && entry != NULL && stat.st_size > 0)
		err = walk_trees(&walk);
	close(walk.file);
	return err;
}

enum froe_err
page_check_head(const char *path, struct froe_fault *fault)
{
	return page_check(path, NULL, fault);
}

enum froe_err
page_check_all(const char *path, page_entry_fn *entry, struct froe_fault *fault)
{
	return page_check(path, entry, fault);
}
