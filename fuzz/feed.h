/*
 * fuzz/feed: takes an input apart. What is missing at its end reads as zero or as empty.
 */
#ifndef FUZZ_FEED_H
#define FUZZ_FEED_H

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct feed {
	const uint8_t *at;
	size_t left;
};

static inline struct bytes
feed_take(struct feed *feed, size_t size)
{
	struct bytes taken = bytes_of(feed->at, size < feed->left ? size : feed->left);
	feed->at += taken.size;
	feed->left -= taken.size;
	return taken;
}

static inline uint8_t
feed_u8(struct feed *feed)
{
	struct bytes one = feed_take(feed, 1);
	return one.size == 1 ? one.data[0] : 0;
}

static inline uint16_t
feed_u16(struct feed *feed)
{
	uint16_t low = feed_u8(feed);
	return (uint16_t)(low | feed_u8(feed) << 8);
}

static inline uint64_t
feed_u64(struct feed *feed)
{
	uint64_t value = 0;
	struct bytes eight = feed_take(feed, sizeof(value));
	if (eight.size > 0)
		memcpy(&value, eight.data, eight.size);
	return value;
}

#endif
