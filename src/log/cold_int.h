/*
 * log/cold: records of runs that outlived their segment, clustered by run.
 *
 * Purpose     A cold file holds copies of records, header and body byte for byte, so that their
 *             hashes still verify with their event numbers; an index of extents sorted by run;
 *             and the numbers of the other cold files that are valid with it. MANIFEST names the
 *             newest: it and those it names are the store's cold files, all others are leftovers.
 * Ownership   a struct cold_file owns its extents. A struct cold_set borrows files: whoever makes a
 *             new set frees those that are in no set any more.
 * Threading   files and sets are immutable once made. The writer belongs to housekeeping.
 * Invariants  1. extents are sorted by (run, first record number). 2. an extent's records have
 *             consecutive numbers, lie in one frame, and are COLD_EXTENT_BYTES or one record.
 * Units       offsets are of the file, in bytes.
 * Failure     FROE_CORRUPT with the file's name; FROE_NO_SPACE, FROE_IO.
 * See         docs/log-format.md; docs/decisions/0008-cold-segments.md
 */
#ifndef LOG_COLD_INT_H
#define LOG_COLD_INT_H

#include "log/paths_int.h"
#include "log/segment_int.h"

/* What precedes each record: its event number, and where it lay. */
#define COLD_PREFIX_BYTES 16u
#define COLD_EXTENT_BYTES (64u << 10)

enum cold_extent_flags {
	COLD_GONE = 1, /* no records: the run is past retention, its other extents are dead */
};

struct cold_extent {
	uint64_t run_key;
	uint32_t first_no;
	uint32_t count;
	uint64_t offset;
	uint32_t bytes;
	uint32_t flags;
	uint64_t closed_ns; /* engine time of the run's closing, if it is here; 0: not */
};

struct cold_file {
	uint64_t no;
	uint64_t bytes;
	struct cold_extent *extents;
	size_t count;
	uint64_t *members; /* the others that are valid with it, as it was made */
	size_t member_count;
};

/* What is valid at a time: published as a whole. */
struct cold_set {
	uint64_t segment_oldest; /* the first that lies in log/ */
	uint64_t expired_ns; /* runs that closed before it may be gone */
	size_t count;
	const struct cold_file *files[];
};

struct path cold_path(const struct paths *paths, uint64_t no);

/* The extent that holds a run's record; NULL: none does, or the run is gone. */
const struct cold_extent *cold_find(const struct cold_set *set, uint64_t run_key, uint32_t no,
    const struct cold_file **ret_file);

/* A run's last extent in a file, which may say that it is gone. */
const struct cold_extent *cold_last(const struct cold_file *file, uint64_t run_key);

/* Reads and verifies the index of a file. */
enum froe_err cold_open(struct io_env *env, const struct paths *paths, struct uuid store,
    uint64_t no, struct cold_file **ret_file, struct froe_fault *fault);
void cold_free(struct cold_file *file);

/* Verifies every frame and record. */
enum froe_err cold_verify(struct io_env *env, const struct paths *paths, struct uuid store,
    uint64_t no, struct froe_fault *fault);

/* The record with this event number among an extent's bytes. */
enum froe_err cold_record(const uint8_t *bytes, size_t size, uint64_t event_seq,
    struct log_record *ret_record);

/* ------------------------------------------------------------------------------------- writing */

struct cold_writer {
	struct io_env *env;
	const struct paths *paths;
	struct seg_header header;
	int file; /* -1: none */
	uint64_t offset; /* of the frame being filled */
	uint64_t seq;
	uint64_t hash;
	uint8_t *frame;
	size_t capacity;
	size_t used;
	uint32_t records;
	struct cold_extent *extents;
	size_t extent_count;
	size_t extent_capacity;
	bool open; /* the last extent takes more */
};

/* What is written first makes cold/ if need be, and a .tmp; one that is there is begun again. */
void cold_begin(struct cold_writer *writer, struct io_env *env, const struct paths *paths,
    struct uuid store, uint64_t no);

/* A record as it lies in a frame (rec_span bytes). Runs come one after the other, ascending, their
 * records too. */
enum froe_err cold_put(struct cold_writer *writer, const struct log_record *record,
    const uint8_t *bytes, size_t span, struct froe_fault *fault);

/* The run's closing is among what was put last. */
void cold_closed(struct cold_writer *writer, uint64_t closed_ns);

/* The run is past retention. In the order of runs, as cold_put(). */
void cold_gone(struct cold_writer *writer, uint64_t run_key);

/* Index, seal, sync, name, directory. Frees the writer, also on failure. */
enum froe_err cold_finish(struct cold_writer *writer, const uint64_t *members, size_t count,
    struct cold_file **ret_file, struct froe_fault *fault);
void cold_discard(struct cold_writer *writer); /* removes the .tmp */

#endif
