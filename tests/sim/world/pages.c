/*
 * sim/world/pages: pages that are used again instead of being asked of the kernel.
 *
 * A world opens its log a dozen times, each time with buffers of its own; most of the time of a
 * small world went into the kernel's faults for their pages. So base/mem's mem_pages, mem_region
 * and mem_pages_free are wrapped by the linker: a block that is freed is kept, and the next one of
 * its size is that one. It is zeroed first, as promised: of those pages that mincore says were
 * touched, since the others are still as they were mapped.
 *
 * Not under a sanitizer, which watches over what is freed.
 */
#include "base/fault.h"
#include "base/mem.h"

#include <string.h>
#include <sys/mman.h>

#define KEPT_MAX 32u
#define PAGE_BYTES 4096u
#define PAGES_MAX 8192u /* of one block; larger ones are not kept */

struct kept {
	uint8_t *block;
	size_t size;
};

static struct kept kept_blocks[KEPT_MAX]; /* of the one thread there is; the oldest first */
static unsigned kept_count;

void *__real_mem_pages(size_t size);
void *__real_mem_region(size_t size, bool huge);
void __real_mem_pages_free(void *block, size_t size);
void *__wrap_mem_pages(size_t size);
void *__wrap_mem_region(size_t size, bool huge);
void __wrap_mem_pages_free(void *block, size_t size);

static bool
pages_kept(size_t size)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	size = 0;
#endif
	return size > 0 && size <= (size_t)PAGES_MAX * PAGE_BYTES;
}

static void
pages_zero(uint8_t *block, size_t size)
{
	unsigned char touched[PAGES_MAX];
	size_t count = (size + PAGE_BYTES - 1) / PAGE_BYTES;
	froe_assert(mincore(block, size, touched) == 0);
	for (size_t i = 0; i < count; i++) {
		if (touched[i] & 1)
			memset(block + i * PAGE_BYTES, 0, PAGE_BYTES);
	}
}

/* The newest of this size and alignment, or NULL. */
static void *
pages_take(size_t size, size_t alignment)
{
	for (unsigned i = kept_count; pages_kept(size) && i-- > 0;) {
		struct kept kept = kept_blocks[i];
		if (kept.size != size || (uintptr_t)kept.block % alignment != 0)
			continue;
		kept_count--;
		memmove(&kept_blocks[i], &kept_blocks[i + 1],
		    (kept_count - i) * sizeof(kept_blocks[0]));
		pages_zero(kept.block, size);
		return kept.block;
	}
	return NULL;
}

void *
__wrap_mem_pages(size_t size)
{
	void *block = pages_take(size, 1);
	return block != NULL ? block : __real_mem_pages(size);
}

void *
__wrap_mem_region(size_t size, bool huge)
{
	void *block = pages_take(size, size);
	return block != NULL ? block : __real_mem_region(size, huge);
}

void
__wrap_mem_pages_free(void *block, size_t size)
{
	if (block == NULL || !pages_kept(size)) {
		__real_mem_pages_free(block, size);
		return;
	}
	if (kept_count == KEPT_MAX) {
		__real_mem_pages_free(kept_blocks[0].block, kept_blocks[0].size);
		kept_count--;
		memmove(&kept_blocks[0], &kept_blocks[1], kept_count * sizeof(kept_blocks[0]));
	}
	kept_blocks[kept_count++] = (struct kept){.block = block, .size = size};
}
