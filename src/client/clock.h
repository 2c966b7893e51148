/*
 * client/clock: the one place where libfroe reads clocks and dice.
 *
 * Units       nanoseconds.
 * Threading   any thread; a struct dice: its owner only.
 */
#ifndef CLIENT_CLOCK_H
#define CLIENT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_now_ns(void);  /* monotonic */
uint64_t clock_wall_coarse_ns(void); /* some milliseconds late, for a fifth of the price */

/* Random bytes from the kernel, fetched a block at a time: minting an id costs no system call. */
struct dice {
	size_t used; /* sizeof(block): empty */
	uint8_t block[512];
};

void dice_init(struct dice *dice);
void dice_roll(struct dice *dice, void *to, size_t size); /* at most sizeof(block) */
uint64_t dice_u64(struct dice *dice);

#endif
