#include "base/fingerprint.h"

#include "base/hash.h"

uint64_t
fingerprint_begin(uint32_t kind, struct bytes name)
{
	return hash64(name.data, name.size, kind);
}

uint64_t
fingerprint_condition(uint64_t fingerprint, uint32_t kind, uint64_t sleep_ms, uint64_t until_ns,
    struct bytes name)
{
	uint64_t words[] = {fingerprint, kind, sleep_ms, until_ns, name.size};
	return hash64(name.data, name.size, hash64(words, sizeof(words), 0));
}
