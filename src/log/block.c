#include "log/block_int.h"

#include "base/hash.h"

void
block_begin(uint8_t *block, const char magic[8], struct uuid store)
{
	memset(block, 0, LOG_BLOCK_BYTES);
	memcpy(block + BLOCK_MAGIC, magic, 8);
	le16_store(block + BLOCK_VERSION, BLOCK_MAJOR);
	le16_store(block + BLOCK_VERSION + 2, BLOCK_MINOR);
	le32_store(block + BLOCK_LENGTH, LOG_BLOCK_BYTES);
	memcpy(block + BLOCK_STORE, store.bytes, sizeof(store.bytes));
}

void
block_close(uint8_t *block)
{
	struct hash128 hash = hash128(block, BLOCK_HASH);
	le64_store(block + BLOCK_HASH, hash.low);
	le64_store(block + BLOCK_HASH + 8, hash.high);
}

bool
block_verify(const uint8_t *block, const char magic[8])
{
	if (memcmp(block + BLOCK_MAGIC, magic, 8) != 0)
		return false;
	if (le32_load(block + BLOCK_LENGTH) != LOG_BLOCK_BYTES)
		return false;
	struct hash128 hash = hash128(block, BLOCK_HASH);
	return le64_load(block + BLOCK_HASH) == hash.low &&
	    le64_load(block + BLOCK_HASH + 8) == hash.high;
}

struct uuid
block_store(const uint8_t *block)
{
	struct uuid store;
	memcpy(store.bytes, block + BLOCK_STORE, sizeof(store.bytes));
	return store;
}

enum froe_err
block_check_version(const uint8_t *block, bool featured, const char *name,
    struct froe_fault *fault)
{
	unsigned major = le16_load(block + BLOCK_VERSION);
	unsigned minor = le16_load(block + BLOCK_VERSION + 2);
	uint64_t features = featured ? le64_load(block + BLOCK_INCOMPATIBLE) : 0;

	/* This version has no read-only mode for stores of a newer one: their bit refuses as well.
	 */
	if (featured)
		features |= le64_load(block + BLOCK_READ_ONLY);
	if (major == BLOCK_MAJOR && features == 0)
		return FROE_OK;
	return fault_set(fault, FROE_INCOMPATIBLE,
	    "%s is of log format %u.%u with features %#llx; this froe reads format %d without any: "
	    "use the froe that wrote it, or a newer one",
	    name, major, minor, (unsigned long long)features, BLOCK_MAJOR);
}
