#include "log/paths_int.h"

#include "log/segment_int.h"

#include <stdio.h>
#include <string.h>

struct path
path_join(const char *directory, const char *name)
{
	struct path path;
	int length = snprintf(path.text, sizeof(path.text), "%s/%s", directory, name);
	froe_assert(length > 0 && (size_t)length < sizeof(path.text));
	return path;
}

struct path
path_segment(const struct paths *paths, uint64_t no)
{
	char name[SEG_NAME_SIZE];
	seg_name(no, name);
	return path_join(paths->log, name);
}

struct path
path_snapshot(const struct paths *paths, uint64_t no)
{
	char name[32];
	snprintf(name, sizeof(name), "%016llx.snap", (unsigned long long)no);
	return path_join(paths->ckpt, name);
}

struct path
path_spare(const struct paths *paths, unsigned number)
{
	char name[32];
	snprintf(name, sizeof(name), "spare-%02u.tmp", number);
	return path_join(paths->log, name);
}

/* "a/b" lies in "a", "/a" in "/", "a" in ".". */
static void
paths_parent(struct paths *paths)
{
	char *slash;

	strcpy(paths->parent, paths->dir);
	slash = strrchr(paths->parent, '/');
	if (slash == NULL)
		strcpy(paths->parent, ".");
	else if (slash == paths->parent)
		slash[1] = '\0';
	else
		*slash = '\0';
}

static void
paths_set(char to[PATHS_BYTES], struct path path)
{
	memcpy(to, path.text, PATHS_BYTES);
}

enum froe_err
paths_init(struct paths *paths, const char *dir, struct froe_fault *fault)
{
	size_t length = strlen(dir);

	if (length == 0 || length > PATHS_DIR_BYTES_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "dir",
		    "the data directory's name has %zu bytes; 1 to %d are possible", length,
		    PATHS_DIR_BYTES_MAX);
	while (length > 1 && dir[length - 1] == '/')
		length--;
	memset(paths, 0, sizeof(*paths));
	memcpy(paths->dir, dir, length);
	paths_parent(paths);
	paths_set(paths->shard, path_join(paths->dir, "shard-0000"));
	paths_set(paths->log, path_join(paths->shard, "log"));
	paths_set(paths->ckpt, path_join(paths->shard, "ckpt"));
	paths_set(paths->quarantine, path_join(paths->shard, "quarantine"));
	paths_set(paths->cold, path_join(paths->shard, "cold"));
	return FROE_OK;
}
