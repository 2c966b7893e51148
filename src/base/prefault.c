#include "base/prefault.h"

#include "base/fault.h"

#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

/* 126 MiB: a stock's regions and the largest tables that grow at one time. */
#define PIECES 64u

void
prefault_init(struct prefault *prefault, void (*wake)(void *context), void *context)
{
	*prefault = (struct prefault){.wake = wake, .context = context};
	ring_init(&prefault->pieces, PIECES);
}

void
prefault_release(struct prefault *prefault)
{
	ring_release(&prefault->pieces);
}

void
prefault_ask(struct prefault *prefault, void *block, size_t bytes)
{
	uint8_t *at = block;
	if (prefault == NULL || bytes < PREFAULT_PIECE_BYTES)
		return;
	for (; bytes >= PREFAULT_PIECE_BYTES; bytes -= PREFAULT_PIECE_BYTES) {
		if (!ring_push(&prefault->pieces, at))
			break;
		at += PREFAULT_PIECE_BYTES;
	}
	prefault->wake(prefault->context);
}

bool
prefault_step(struct prefault *prefault)
{
	void *piece = ring_pop(&prefault->pieces);
	if (piece == NULL)
		return false;
	FROE_DROP(madvise(piece, PREFAULT_PIECE_BYTES, MADV_POPULATE_WRITE), "only a wish");
	return true;
}
