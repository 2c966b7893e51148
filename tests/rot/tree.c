#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "rot/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_PATH 1024

static struct tree_file *
tree_add(struct tree *tree)
{
	if (tree->count == tree->room) {
		tree->room = tree->room == 0 ? 64 : 2 * tree->room;
		tree->files = realloc(tree->files, tree->room * sizeof(*tree->files));
		if (tree->files == NULL)
			abort();
	}
	tree->files[tree->count] = (struct tree_file){0};
	return &tree->files[tree->count++];
}

static bool
tree_read_file(struct tree_file *file, const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	bool good;

	file->data = malloc(file->size + 1);
	good = from >= 0 && file->data != NULL &&
	       read(from, file->data, file->size) == (ssize_t)file->size;
	if (from >= 0)
		close(from);
	return good;
}

static bool
tree_read_below(struct tree *tree, const char *dir, const char *below)
{
	char path[TREE_PATH];
	DIR *list;
	struct dirent *entry;
	bool good = true;

	snprintf(path, sizeof(path), "%s/%s", dir, below);
	list = opendir(path);
	while (good && list != NULL && (entry = readdir(list)) != NULL) {
		struct tree_file *file;
		struct stat stat;
		char name[256];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%.100s%s%.100s", below, *below != 0 ? "/" : "",
		    entry->d_name);
		snprintf(path, sizeof(path), "%.700s/%s", dir, name);
		if (lstat(path, &stat) != 0)
			good = false;
		else if (S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode)) {
			file = tree_add(tree);
			strcpy(file->path, name);
			file->directory = S_ISDIR(stat.st_mode);
			file->mode = stat.st_mode & 0777;
			file->size = file->directory ? 0 : (size_t)stat.st_size;
			tree->bytes += file->size;
			good = file->directory ? tree_read_below(tree, dir, name)
					       : tree_read_file(file, path);
		}
	}
	if (list != NULL)
		closedir(list);
	return good && list != NULL;
}

bool
tree_read(struct tree *tree, const char *dir)
{
	*tree = (struct tree){0};
	return tree_read_below(tree, dir, "");
}

void
tree_free(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		free(tree->files[i].data);
	free(tree->files);
	*tree = (struct tree){0};
}

static int
tree_remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void
tree_remove(const char *dir)
{
	nftw(dir, tree_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool
tree_write_file(const struct tree_file *file, const char *path)
{
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
	bool good = to >= 0 && write(to, file->data, file->size) == (ssize_t)file->size;

	return to >= 0 && close(to) == 0 && good;
}

bool
tree_write(const struct tree *tree, const char *dir, size_t index, const struct tree_file *instead)
{
	char path[TREE_PATH];
	bool good;

	tree_remove(dir);
	good = mkdir(dir, 0700) == 0;
	for (size_t i = 0; i < tree->count && good; i++) {
		const struct tree_file *file = &tree->files[i];

		snprintf(path, sizeof(path), "%.700s/%s", dir, file->path);
		if (instead != NULL && i == index)
			file = instead;
		if (file->directory)
			good = mkdir(path, file->mode) == 0;
		else if (file->data != NULL)
			good = tree_write_file(file, path);
	}
	return good;
}
