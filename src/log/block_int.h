/*
 * log/block: a self-describing block: magic, version, length, features and a hash over all of it.
 *
 * Purpose     What STORE, segment headers and slots have in common.
 * See         docs/log-format.md, sections 2 and 3
 */
#ifndef LOG_BLOCK_INT_H
#define LOG_BLOCK_INT_H

#include "log/log.h"

#define BLOCK_MAJOR 1
#define BLOCK_MINOR 0

/* Common offsets; those from 64 on are STORE's and the segment header's. */
enum block_offset {
	BLOCK_MAGIC = 0,
	BLOCK_VERSION = 8,
	BLOCK_LENGTH = 12,
	BLOCK_STORE = 16,
	BLOCK_BODY = 32,
	BLOCK_INCOMPATIBLE = 64,
	BLOCK_READ_ONLY = 72,
	BLOCK_HASH = 4080,
};

/* Zeroes a block and writes its common fields; block_close() then adds the hash. */
void block_begin(uint8_t *block, const char magic[8], struct uuid store);
void block_close(uint8_t *block);

/* Magic, length and hash. */
bool block_verify(const uint8_t *block, const char magic[8]);

struct uuid block_store(const uint8_t *block);

/* Is a verified block's version ours? `featured`: it has feature words. */
enum froe_err block_check_version(const uint8_t *block, bool featured, const char *name,
    struct froe_fault *fault);

#endif
