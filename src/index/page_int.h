/*
 * index/page: reads an LMDB file's pages as bytes, and tells whether LMDB can be let loose on it.
 *
 * Purpose     LMDB follows what it finds in its map: on a truncated file it dies of SIGBUS, on a
 *             damaged page of SIGSEGV. These checks read the file with pread() and follow nothing
 *             that they have not checked.
 * Failure     FROE_CORRUPT: delete and rebuild. FROE_IO and its like: the file cannot be read.
 * See         lmdb.h of LMDB 0.9 for what a page is; the format has version 1 since 2011
 */
#ifndef INDEX_PAGE_INT_H
#define INDEX_PAGE_INT_H

#include "base/bytes.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

/* One entry of a named table; `table` is its name. False: it is damaged. */
typedef bool page_entry_fn(const char *table, struct bytes key, struct bytes value);

/* The two meta pages, and that the file is as long as they say. Absent or empty: FROE_OK. */
enum froe_err page_check_head(const char *path, struct froe_fault *fault) FROE_CHECKED;

/* The same, and every page that can be reached: its bounds, its order, that nothing uses it twice,
 * and `entry` for each entry. Reads the whole file. */
enum froe_err page_check_all(const char *path, page_entry_fn *entry, struct froe_fault *fault)
    FROE_CHECKED;

#endif
